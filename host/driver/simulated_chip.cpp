#include "host/driver/simulated_chip.hpp"

#include <dlfcn.h>

#include <cstdlib>
#include <filesystem>

#include "host/command/error.hpp"

namespace systole {
namespace {

/// build/, where the configurations' folders are.
std::filesystem::path build_folder() {
  if (const char* folder = std::getenv("SYSTOLE_BUILD")) return folder;
  std::error_code error;
  const auto program = std::filesystem::read_symlink("/proc/self/exe", error);
  return error ? std::filesystem::path("build") : program.parent_path();
}

}  // namespace

std::unique_ptr<SimulatedChip> load_simulated_chip(const ChipConfig& config,
                                                   const SimulationOptions& options) {
  const auto library = build_folder() / config.name / "libsystole_chip.so";
  if (!std::filesystem::exists(library)) {
    throw Error("this configuration has not been built", "--config " + config.name,
                "make build-" + config.name + " first");
  }
  void* handle = dlopen(library.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (handle == nullptr) throw Error("cannot load the chip", library.string(), "", dlerror());
  auto create = reinterpret_cast<CreateChip>(dlsym(handle, "systole_create_chip"));
  if (create == nullptr)
    throw Error("not a chip library", library.string(), "systole_create_chip", dlerror());
  return std::unique_ptr<SimulatedChip>(create(options));
}

}  // namespace systole
