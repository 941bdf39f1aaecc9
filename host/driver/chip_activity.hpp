// What is under way in a chip at one moment: which unit waits for what, which packets are where.
// For the report of a hang.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "host/driver/chip_counters.hpp"
#include "host/golden/machine.hpp"
#include "rtl/spec/gen/systole_commands.hpp"

namespace systole {

struct ChipActivity {
  struct Unit {
    bool ended = true;       // its program has ended, or none was launched
    unsigned under_way = 0;  // commands issued and not retired
    bool next_valid = false;
    uint32_t next_pc = 0;  // the command behind those
    spec::CommandWords next{};
    bool taken = false;          // its semaphores have been taken
    std::vector<Address> reads;  // load: packets not answered in full
    unsigned writes = 0;         // store: packets not acknowledged
  };
  struct Tile {
    golden::Node node;
    std::array<Unit, spec::NumUnits> units;
    std::array<uint8_t, spec::NumSemaphores> semaphores{};
    bool fault = false;  // it stands at one
  };
  /// A flit at the head of a router's input.
  struct Held {
    golden::Node router;
    LinkCounters::Network network{};
    LinkCounters::Port input{};
    golden::Node from, to;
  };
  /// A memory outside the chip, at its pins.
  struct Memory {
    std::string name;
    std::size_t read_beats = 0;  // asked for, not delivered
    std::size_t writes = 0;      // not acknowledged
  };
  struct Core {
    uint32_t firmware_state = 0;  // FW_STATE
    uint32_t join = 0;            // tiles still to end, as it counts
    uint32_t pending = 0;         // CORE_IRQ, of those enabled
    uint32_t enabled = 0;         // CORE_IRQ_ENABLE: what it sleeps for
  };

  std::vector<Tile> tiles;
  std::vector<Held> held;
  std::vector<Memory> memories;
  Core core;
  std::string host_port;  // what the host waits for at its port; empty: nothing
};

/// Semaphores that the unit's next command waits for and that are 0.
std::vector<unsigned> missing_semaphores(const ChipActivity::Tile& tile, unsigned unit);
/// All four programs have ended.
bool at_rest(const ChipActivity::Tile& tile);

/// A line a tile that has not ended: units and what each waits for, semaphores that are not 0; then
/// what ports wait for.
std::string to_string(const ChipActivity& activity);

}  // namespace systole
