// Reads the state of a Verilated chip without its notice: memories for the lockstep judge, units
// and semaphores for the report of a hang, counters.
#pragma once

#include <verilated.h>

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "host/driver/chip_activity.hpp"
#include "host/driver/chip_counters.hpp"
#include "host/driver/device.hpp"
#include "host/golden/machine.hpp"
#include "rtl/spec/gen/systole_commands.hpp"

namespace systole::sim {

class ChipView {
 public:
  /// Throws Error naming a variable that the model does not show.
  ChipView(const ChipConfig& config, const VerilatedContext& context);

  /// Mapping of chunks to banks: rtl/tile/scratchpad.sv.
  void read_scratchpad(golden::Node node, uint32_t offset, void* data, std::size_t bytes) const;
  void read_accumulators(golden::Node node, unsigned row, int32_t* lanes) const;

  /// Whether a unit's program has not ended.
  bool tiles_run() const;
  /// Whether a tile stands at a fault.
  bool has_fault(golden::Node node) const { return *tile(node).fault != 0; }

  /// Tiles, routers and control core; what lies outside the chip is left empty.
  ChipActivity activity() const;

  /// Counters of the RTL, all of the same cycle; no channels, which are none of the chip's.
  ChipCounters counters() const;
  StateCounts state_counts(golden::Node node, spec::Unit unit) const;

 private:
  static constexpr unsigned kPorts = 5;

  struct Unit {
    const uint8_t* ended;
    const uint8_t* next_valid;
    const uint32_t* next;  // the command, 32 words
    const uint16_t* next_pc;
    const uint8_t* taken;
    const uint8_t* under_way;
    const uint32_t* states;  // a word each
    const uint32_t* waits;
  };
  struct Router {
    golden::Node node;
    LinkCounters::Network network{};
    const uint8_t* head_valid = nullptr;  // a bit an input
    std::array<const uint32_t*, kPorts> heads{};
  };
  struct Tile {
    golden::Node node;
    std::array<const uint8_t*, spec::ScratchpadBanks> banks;
    const uint32_t* accumulators;
    const uint8_t* semaphores;
    const uint8_t* fault;
    std::array<Unit, spec::NumUnits> units;
    const uint16_t* load_slots;
    const uint64_t* load_addresses;
    const uint16_t* store_slots;
    const uint32_t* clock_off;
    const uint32_t* scratchpad_grants;
    const uint32_t* scratchpad_refusals;
  };
  struct Link {
    LinkCounters place;
    const uint32_t* flits;
    const uint32_t* stalls;
  };

  void find_links(const ChipConfig& config, const VerilatedContext& context);
  void find_routers(const ChipConfig& config, const VerilatedContext& context);
  const Tile& tile(golden::Node node) const;
  static ChipActivity::Unit unit_activity(const Unit& unit);
  static ChipActivity::Tile tile_activity(const Tile& tile);

  unsigned columns_;  // of tiles
  std::vector<Tile> tiles_;
  std::vector<Link> links_;
  const uint64_t* cycle_;
  std::vector<Router> routers_;
  const uint16_t* join_;
  const uint8_t* pending_;
  const uint8_t* enabled_;
  const uint8_t* firmware_state_;
};

}  // namespace systole::sim
