#include "host/driver/simulated_chip.hpp"

#include <dlfcn.h>

#include <filesystem>

#include "host/command/error.hpp"
#include "host/driver/build_folder.hpp"

namespace systole {
std::unique_ptr<SimulatedChip> load_simulated_chip(const ChipConfig& config,
                                                   const SimulationOptions& options) {
  const auto library = built_file(std::filesystem::path(config.name) / "libsystole_chip.so");
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
  if (interface == nullptr || interface() != SYSTOLE_CHIP_INTERFACE) {
    throw Error("this configuration was built from other sources", "--config " + config.name,
                "make build-" + config.name + " again");
  }
  return std::unique_ptr<SimulatedChip>(create(options));
}

}  // namespace systole
