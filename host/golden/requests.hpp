// The request ring as the functional model sees it: which requests the host has announced, and what
// loading a program does. Stands in for the firmware where there is none, and follows it in
// lockstep.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "host/golden/functional_model.hpp"
#include "rtl/spec/gen/systole_spec.h"

namespace systole::golden {

using Request = ::systole_request;
using TileEntry = ::systole_tile_entry;
using Completion = ::systole_completion;

class RequestRing {
 public:
  /// A 32-bit write of the host to an io register; those that have nothing to do with the ring are
  /// ignored.
  void write_register(uint32_t offset, uint32_t value);

  /// The next announced request, copied from host memory; nullopt when there is none, or the ring
  /// is not set up.
  std::optional<Request> next(const Machine& machine);

  /// Where the completion of the last request that next() gave belongs, and the phase it carries.
  Address completion_address() const;
  uint8_t phase() const;

 private:
  Address ring_ = 0;
  Address completions_ = 0;
  uint32_t entries_ = 0;
  uint32_t announced_ = 0;
  uint32_t taken_ = 0;
};

/// Copies the images of a LoadProgram request into the scratchpads and sets the windows. Returns
/// its tile entries; nullopt when the request is malformed (a table or image outside memory, no
/// such tile).
std::optional<std::vector<TileEntry>> load_program(FunctionalModel& model, const Request& request);

/// What a Run request launches on the tile of `entry`.
Launch launch_of(const TileEntry& entry, const Request& request);

}  // namespace systole::golden
