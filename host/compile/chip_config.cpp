// The configurations of rtl/spec, by name.
#include "host/command/error.hpp"
#include "host/driver/device.hpp"
#include "rtl/spec/gen/systole_commands.hpp"

namespace systole {

ChipConfig chip_config(const std::string& name) {
  std::string known;
  for (const spec::Config& config : spec::Configs) {
    if (name == config.name) return {config.name, config.num_cols, config.num_rows};
    known += (known.empty() ? "" : ", ") + std::string(config.name);
  }
  throw Error("unknown configuration", "config", known, name);
}

}  // namespace systole
