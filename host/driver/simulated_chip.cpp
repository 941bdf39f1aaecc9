#include "host/driver/simulated_chip.hpp"

#include <dlfcn.h>

#include <filesystem>

#include "host/command/error.hpp"
#include "host/driver/build_folder.hpp"

namespace systole {
namespace {

/// Checked to be of the sources that this program was built from.
class ChipLibrary {
 public:
  explicit ChipLibrary(const ChipConfig& config)
      : path_(built_file(std::filesystem::path(config.name) / "libsystole_chip.so")) {
    if (!std::filesystem::exists(path_)) {
      throw Error("this configuration has not been built", "--config " + config.name,
                  "make build-" + config.name + " first");
    }
    handle_ = dlopen(path_.c_str(), RTLD_NOW | RTLD_LOCAL);
    if (handle_ == nullptr) throw Error("cannot load the chip", path_.string(), "", dlerror());
    function<CreateChip>("systole_create_chip");
    auto interface = reinterpret_cast<ChipInterface>(dlsym(handle_, "systole_chip_interface"));
    if (interface == nullptr || interface() != SYSTOLE_CHIP_INTERFACE) {
      throw Error("this configuration was built from other sources", "--config " + config.name,
                  "make build-" + config.name + " again");
    }
  }

  /// Stays loaded as long as the program runs.
  template <typename Function>
  Function function(const char* name) const {
    auto found = reinterpret_cast<Function>(dlsym(handle_, name));
    if (found == nullptr) throw Error("not a chip library", path_.string(), name, dlerror());
    return found;
  }

 private:
  std::filesystem::path path_;
  void* handle_ = nullptr;
};

}  // namespace

std::unique_ptr<SimulatedChip> load_simulated_chip(const ChipConfig& config,
                                                   const SimulationOptions& options) {
  const auto create = ChipLibrary(config).function<CreateChip>("systole_create_chip");
  return std::unique_ptr<SimulatedChip>(create(options));
}

std::string chip_build_id(const ChipConfig& config) {
  return ChipLibrary(config).function<ChipBuildId>("systole_chip_build_id")();
}

}  // namespace systole
