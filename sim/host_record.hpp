// What the host has seen of a device: the result of every call, and what the chip wrote into host
// memory meanwhile.
//
// The host is deterministic: given the same results it makes the same calls. So a checkpoint holds
// no state of the host; a resumed process starts from the beginning, gets these results without a
// cycle being simulated, and reaches the call in which the checkpoint was taken.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "host/command/archive.hpp"
#include "host/driver/simulated_chip.hpp"

namespace systole {

template <class Archive>
void serialize(Archive& archive, CommandEvent& event) {
  archive(event.node.x, event.node.y, event.unit, event.pc, event.cycle, event.retired,
          event.states);
}

namespace sim {

struct HostRecord {
  /// One finished call of the device.
  struct Call {
    uint64_t cycle = 0;  // when it returned
    bool interrupt = false;
    std::vector<uint8_t> data;  // that it read
    std::string error;          // that it threw

    template <class Archive>
    void serialize(Archive& archive) {
      archive(cycle, interrupt, data, error);
    }
  };
  /// A write of the chip into host memory, during or before `call`.
  struct Change {
    uint64_t call = 0;
    uint64_t offset = 0;
    std::vector<uint8_t> data;

    template <class Archive>
    void serialize(Archive& archive) {
      archive(call, offset, data);
    }
  };

  std::vector<Call> calls;
  std::vector<Change> changes;
  std::vector<CommandEvent> events;  // for observers

  template <class Archive>
  void serialize(Archive& archive) {
    archive(calls, changes, events);
  }
};

}  // namespace sim
}  // namespace systole
