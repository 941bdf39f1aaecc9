#include "sim/chip_view.hpp"

#include <fmt/format.h>
#include <verilated_sym_props.h>
#include <verilated_syms.h>

#include <algorithm>
#include <cstring>

#include "host/command/error.hpp"

namespace systole::sim {
namespace {

/// A variable that the RTL or sim/public.vlt makes public.
template <typename T>
const T* variable(const VerilatedContext& context, const std::string& scope_name,
                  const char* name) {
  const VerilatedScope* scope = context.scopeFind(scope_name.c_str());
  VerilatedVar* found = scope == nullptr ? nullptr : scope->varFind(name);
  if (found == nullptr) throw Error("the model does not show a variable", scope_name, name);
  return static_cast<const T*>(found->datap());
}

std::string node_scope(unsigned x, unsigned y) {
  return fmt::format("TOP.systole_chip.gen_row[{}].gen_col[{}].", y, x);
}

template <std::size_t Size>
std::array<uint32_t, Size> first_words(const uint32_t* words) {
  std::array<uint32_t, Size> values;
  std::copy_n(words, Size, values.begin());
  return values;
}

}  // namespace

ChipView::ChipView(const ChipConfig& config, const VerilatedContext& context)
    : columns_(config.num_cols - 1),
      cycle_(variable<uint64_t>(context, node_scope(0, 0) + "gen_io.u_io", "cycle_q")) {
  for (unsigned y = 0; y < config.num_rows; ++y) {
    for (unsigned x = 1; x < config.num_cols; ++x) {
      const std::string scope = node_scope(x, y) + "gen_tile.u_tile.";
      Tile tile{};
      tile.node = {x, y};
      for (unsigned b = 0; b < tile.banks.size(); ++b) {
        tile.banks[b] = variable<uint8_t>(
            context, scope + fmt::format("u_scratchpad.gen_bank[{}]", b), "mem_q");
      }
      tile.accumulators = variable<uint32_t>(context, scope + "u_matrix.u_accumulators", "mem_q");
      tile.semaphores = variable<uint8_t>(context, scope + "u_semaphores", "count_q");
      tile.fault = variable<uint8_t>(context, scope + "u_regs", "fault_q");
      for (unsigned u = 0; u < tile.units.size(); ++u) {
        const std::string unit = scope + fmt::format("gen_sequencer[{}].", u);
        const std::string sequencer = unit + "u_sequencer";
        tile.units[u] = {variable<uint8_t>(context, sequencer, "ended_q"),
                         variable<uint8_t>(context, sequencer, "next_valid_q"),
                         variable<uint32_t>(context, sequencer, "next_q"),
                         variable<uint16_t>(context, sequencer, "next_pc_q"),
                         variable<uint8_t>(context, sequencer, "taken_q"),
                         variable<uint8_t>(context, sequencer, "count_q"),
                         variable<uint32_t>(context, unit + "gen_counters.u_counters", "count_q"),
                         variable<uint32_t>(context, unit + "gen_counters.u_counters", "wait_q")};
      }
      tile.clock_off = variable<uint32_t>(context, node_scope(x, y) + "gen_tile", "clock_off_q");
      tile.scratchpad_grants = variable<uint32_t>(context, scope + "u_regs", "grants_q");
      tile.scratchpad_refusals = variable<uint32_t>(context, scope + "u_regs", "refusals_q");
      tile.load_slots = variable<uint16_t>(context, scope + "u_load", "slot_busy_q");
      tile.load_addresses = variable<uint64_t>(context, scope + "u_load", "slot_addr_q");
      tile.store_slots = variable<uint16_t>(context, scope + "u_store", "slot_busy_q");
      tiles_.push_back(tile);
    }
  }
  find_links(config, context);
  find_routers(config, context);
  const std::string regs = "TOP.systole_chip.gen_row[0].gen_col[0].gen_io.u_io.u_core.u_regs";
  join_ = variable<uint16_t>(context, regs, "join_q");
  pending_ = variable<uint8_t>(context, regs, "pending_q");
  enabled_ = variable<uint8_t>(context, regs, "enable_q");
  firmware_state_ = variable<uint8_t>(context, regs, "fw_state_q");
}

void ChipView::find_routers(const ChipConfig& config, const VerilatedContext& context) {
  for (unsigned y = 0; y < config.num_rows; ++y) {
    for (unsigned x = 0; x < config.num_cols; ++x) {
      const std::string node = node_scope(x, y) + "u_noc.";
      for (const auto network : {LinkCounters::Network::Request, LinkCounters::Network::Response}) {
        const bool request = network == LinkCounters::Network::Request;
        const std::string scope = node + (request ? "u_req" : "u_rsp");
        Router router{{x, y}, network, variable<uint8_t>(context, scope, "head_valid_q"), {}};
        for (unsigned i = 0; i < kPorts; ++i)
          router.heads[i] =
              variable<uint32_t>(context, fmt::format("{}.gen_in[{}]", scope, i), "head_q");
        routers_.push_back(router);
      }
    }
  }
}

/// All but those that lead out of the mesh.
void ChipView::find_links(const ChipConfig& config, const VerilatedContext& context) {
  using Network = LinkCounters::Network;
  using Port = LinkCounters::Port;
  for (unsigned y = 0; y < config.num_rows; ++y) {
    for (unsigned x = 0; x < config.num_cols; ++x) {
      const bool leads_somewhere[] = {y > 0, x + 1 < config.num_cols, y + 1 < config.num_rows,
                                      x > 0, true};
      for (const Network network : {Network::Request, Network::Response}) {
        const std::string router =
            node_scope(x, y) + (network == Network::Request ? "u_noc.u_req" : "u_noc.u_rsp");
        for (unsigned port = 0; port < std::size(leads_somewhere); ++port) {
          if (!leads_somewhere[port]) continue;
          const std::string scope = router + ".gen_count";
          links_.push_back({{{x, y}, network, static_cast<Port>(port)},
                            variable<uint32_t>(context, scope, "flits_q") + port,
                            variable<uint32_t>(context, scope, "stalls_q") + port});
        }
      }
    }
  }
}

const ChipView::Tile& ChipView::tile(golden::Node node) const {
  return tiles_[node.y * columns_ + node.x - 1];
}

void ChipView::read_scratchpad(golden::Node node, uint32_t offset, void* data,
                               std::size_t bytes) const {
  const Tile& from = tile(node);
  auto* to = static_cast<uint8_t*>(data);
  while (bytes > 0) {
    const uint32_t chunk = offset / spec::BankBytes;
    const uint32_t bank = (chunk + (chunk >> 4) + (chunk >> 8)) % spec::ScratchpadBanks;
    const uint32_t at = offset % spec::BankBytes;
    const std::size_t part = std::min<std::size_t>(bytes, spec::BankBytes - at);
    std::memcpy(to, from.banks[bank] + (chunk >> 4) * spec::BankBytes + at, part);
    offset += static_cast<uint32_t>(part), to += part, bytes -= part;
  }
}

void ChipView::read_accumulators(golden::Node node, unsigned row, int32_t* lanes) const {
  std::memcpy(lanes, tile(node).accumulators + row * spec::ArrayCols,
              spec::ArrayCols * sizeof *lanes);
}

// ---------------------------------------------------------------------------------------- counters

StateCounts ChipView::state_counts(golden::Node node, spec::Unit unit) const {
  return first_words<spec::NumUnitStates>(tile(node).units[static_cast<std::size_t>(unit)].states);
}

ChipCounters ChipView::counters() const {
  ChipCounters counters;
  counters.cycle = *cycle_;
  for (const Tile& from : tiles_) {
    TileCounters tile;
    tile.node = from.node;
    for (std::size_t u = 0; u < tile.units.size(); ++u) {
      tile.units[u] = {first_words<spec::NumUnitStates>(from.units[u].states),
                       first_words<spec::NumSemaphores>(from.units[u].waits)};
    }
    tile.clock_off = *from.clock_off;
    tile.scratchpad_grants = *from.scratchpad_grants;
    tile.scratchpad_refusals = *from.scratchpad_refusals;
    counters.tiles.push_back(tile);
  }
  for (const Link& from : links_) {
    counters.links.push_back(from.place);
    counters.links.back().flits = *from.flits;
    counters.links.back().stalls = *from.stalls;
  }
  return counters;
}

// ------------------------------------------------------------------------------------------- hangs

bool ChipView::tiles_run() const {
  return std::any_of(tiles_.begin(), tiles_.end(), [](const Tile& tile) {
    return std::any_of(tile.units.begin(), tile.units.end(),
                       [](const Unit& unit) { return *unit.ended == 0; });
  });
}

ChipActivity::Unit ChipView::unit_activity(const Unit& unit) {
  ChipActivity::Unit result;
  result.ended = *unit.ended != 0;
  result.under_way = *unit.under_way;
  result.next_valid = *unit.next_valid != 0;
  result.next_pc = *unit.next_pc;
  std::copy_n(unit.next, result.next.size(), result.next.begin());
  result.taken = *unit.taken != 0;
  return result;
}

ChipActivity::Tile ChipView::tile_activity(const Tile& tile) {
  ChipActivity::Tile result;
  result.node = tile.node;
  result.fault = *tile.fault != 0;
  for (unsigned u = 0; u < tile.units.size(); ++u) result.units[u] = unit_activity(tile.units[u]);
  std::copy_n(tile.semaphores, result.semaphores.size(), result.semaphores.begin());
  auto& load = result.units[static_cast<std::size_t>(spec::Unit::Load)];
  auto& store = result.units[static_cast<std::size_t>(spec::Unit::Store)];
  for (unsigned slot = 0; slot < 16; ++slot) {
    if ((*tile.load_slots >> slot & 1) != 0) load.reads.push_back(tile.load_addresses[slot]);
    store.writes += *tile.store_slots >> slot & 1;
  }
  return result;
}

ChipActivity ChipView::activity() const {
  ChipActivity result;
  for (const Tile& tile : tiles_) result.tiles.push_back(tile_activity(tile));
  for (const Router& router : routers_) {
    for (unsigned i = 0; i < kPorts; ++i) {
      if ((*router.head_valid >> i & 1) == 0) continue;
      const uint32_t nodes = router.heads[i][8];  // flit_t: dst, src in the highest bytes
      const auto node = [&](unsigned shift) {
        return golden::Node{nodes >> shift & 0xf, nodes >> (shift + 4) & 0xf};
      };
      result.held.push_back(
          {router.node, router.network, static_cast<LinkCounters::Port>(i), node(16), node(24)});
    }
  }
  result.core = {*firmware_state_, *join_, static_cast<uint32_t>(*pending_ & *enabled_), *enabled_};
  return result;
}

}  // namespace systole::sim
