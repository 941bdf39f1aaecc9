#include "host/driver/simulated_chip.hpp"

#include <dlfcn.h>

#include <cstdlib>
#include <filesystem>

#include "host/command/error.hpp"

namespace systole {
namespace {

/// The library of a configuration in SYSTOLE_BUILD, or in the folders above the running program
/// (build/systole, build/bench/gemm_chip, ...). A path that may not exist when there is none.
std::filesystem::path library_of(const std::string& config) {
  const auto in = [&](const std::filesystem::path& folder) {
    return folder / config / "libsystole_chip.so";
  };
  if (const char* folder = std::getenv("SYSTOLE_BUILD")) return in(folder);
  std::error_code error;
  auto folder = std::filesystem::read_symlink("/proc/self/exe", error).parent_path();
  for (; folder.has_relative_path(); folder = folder.parent_path()) {
    if (std::filesystem::exists(in(folder))) return in(folder);
  }
  return in("build");
}

}  // namespace

std::unique_ptr<SimulatedChip> load_simulated_chip(const ChipConfig& config,
                                                   const SimulationOptions& options) {
  const auto library = library_of(config.name);
  if (!std::filesystem::exists(library)) {
    throw Error("this configuration has not been built", "--config " + config.name,
                "make build-" + config.name + " first");
  }
  void* handle = dlopen(library.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (handle == nullptr) throw Error("cannot load the chip", library.string(), "", dlerror());
  auto create = reinterpret_cast<CreateChip>(dlsym(handle, "systole_create_chip"));
  if (create == nullptr)
    throw Error("not a chip library", library.string(), "systole_create_chip", dlerror());
  auto interface = reinterpret_cast<ChipInterface>(dlsym(handle, "systole_chip_interface"));
  if (interface == nullptr || interface() != kChipInterface) {
    throw Error("this configuration was built from other sources", "--config " + config.name,
                "make build-" + config.name + " again");
  }
  return std::unique_ptr<SimulatedChip>(create(options));
}

}  // namespace systole
