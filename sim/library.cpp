// What build/<config>/libsystole_chip.so exports, and what the kernel and the model want of a
// program: sc_main, and what happens when an assertion of the RTL fails.
#include <fmt/format.h>

#include "host/command/error.hpp"
#include "sim/sim_device.hpp"

#define SYSTOLE_EXPORT __attribute__((visibility("default")))

extern "C" SYSTOLE_EXPORT systole::SimulatedChip* systole_create_chip(
    const systole::SimulationOptions& options) {
  for (const auto& config : systole::spec::Configs) {
    if (std::string(config.name) == SYSTOLE_CONFIG) {
      return new systole::sim::SimDevice(
          {std::string(config.name), config.num_cols, config.num_rows}, options);
    }
  }
  throw systole::Error("the library's configuration is unknown", SYSTOLE_CONFIG);
}

/// The kernel's library wants it; the host program runs the kernel itself.
SYSTOLE_EXPORT int sc_main(int, char**) { return 1; }

// Names and signatures are Verilator's (VL_USER_STOP, VL_USER_FATAL).
void vl_stop(const char* filename, int linenum, const char* hier) VL_MT_UNSAFE {
  throw systole::sim::RtlAssertion(fmt::format("{} line {}, {}", filename, linenum, hier));
}

void vl_fatal(const char* filename, int linenum, const char* hier, const char* msg) VL_MT_UNSAFE {
  throw systole::sim::RtlAssertion(fmt::format("{} line {}, {}: {}", filename, linenum, hier, msg));
}
