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
      for (unsigned u = 0; u < tile.units.size(); ++u) {
        const std::string unit = scope + fmt::format("gen_sequencer[{}].", u);
        const std::string sequencer = unit + "u_sequencer";
        tile.units[u] = {variable<uint8_t>(context, sequencer, "ended_q"),
                         variable<uint8_t>(context, sequencer, "next_valid_q"),
                         variable<uint32_t>(context, sequencer, "next_q"),
                         variable<uint16_t>(context, sequencer, "next_pc_q"),
                         variable<uint8_t>(context, sequencer, "taken_q"),
                         variable<uint8_t>(context, sequencer, "count_q"),
                         variable<uint32_t>(context, unit + "u_counters", "count_q"),
                         variable<uint32_t>(context, unit + "u_counters", "wait_q")};
      }
      tile.clock_off = variable<uint32_t>(context, node_scope(x, y) + "gen_tile", "clock_off_q");
      tile.scratchpad_grants = variable<uint32_t>(context, scope + "u_regs", "grants_q");
      tile.scratchpad_refusals = variable<uint32_t>(context, scope + "u_regs", "refusals_q");
      tiles_.push_back(tile);
    }
  }
  find_links(config, context);
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
          const std::string scope = router + fmt::format(".gen_out[{}]", port);
          links_.push_back({{{x, y}, network, static_cast<Port>(port)},
                            variable<uint32_t>(context, scope, "flits_q"),
                            variable<uint32_t>(context, scope, "stalls_q")});
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

std::string ChipView::unit_text(const Tile& tile, unsigned index) {
  const Unit& unit = tile.units[index];
  std::string text = fmt::format("{}:", spec::to_string(static_cast<spec::Unit>(index)));
  if (*unit.ended) return text + " ended";
  if (*unit.under_way > 0) text += fmt::format(" {} under way", *unit.under_way);
  if (!*unit.next_valid) return text + (*unit.under_way > 0 ? "" : " fetching");
  const auto opcode = static_cast<spec::Opcode>(unit.next[0] & 0xff);
  text += fmt::format("{} command {} ({})", *unit.under_way > 0 ? "," : "", *unit.next_pc,
                      spec::to_string(opcode));
  std::string missing;
  for (unsigned s = 0; s < spec::NumSemaphores; ++s) {
    if ((unit.next[1] >> s & 1) != 0 && tile.semaphores[s] == 0) missing += fmt::format(" {}", s);
  }
  if (!*unit.taken && !missing.empty()) return text + " waits for semaphore" + missing;
  return text + " waits for the unit";
}

std::string ChipView::activity() const {
  std::string text;
  for (const Tile& tile : tiles_) {
    const bool at_rest = std::all_of(tile.units.begin(), tile.units.end(),
                                     [](const Unit& unit) { return *unit.ended != 0; });
    if (at_rest) continue;
    text += fmt::format("  tile ({}, {}):", tile.node.x, tile.node.y);
    for (unsigned u = 0; u < tile.units.size(); ++u) {
      text += (u == 0 ? " " : "; ") + unit_text(tile, u);
    }
    text += "; semaphores";
    bool any = false;
    for (unsigned s = 0; s < spec::NumSemaphores; ++s) {
      if (tile.semaphores[s] == 0) continue;
      text += fmt::format(" {}={}", s, tile.semaphores[s]);
      any = true;
    }
    text += any ? "\n" : " all 0\n";
  }
  return text.empty() ? "  no tile runs\n" : text;
}

}  // namespace systole::sim
