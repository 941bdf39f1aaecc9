#include "host/driver/chip_activity.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace systole {
namespace {

std::string unit_text(const ChipActivity::Tile& tile, unsigned index) {
  const ChipActivity::Unit& unit = tile.units[index];
  std::string text = fmt::format("{}:", spec::to_string(static_cast<spec::Unit>(index)));
  if (unit.ended) return text + " ended";
  if (unit.under_way > 0) text += fmt::format(" {} under way", unit.under_way);
  if (!unit.next_valid) return text + (unit.under_way > 0 ? "" : " fetching");
  text += fmt::format("{} command {} ({})", unit.under_way > 0 ? "," : "", unit.next_pc,
                      spec::to_string(static_cast<spec::Opcode>(unit.next[0] & 0xff)));
  std::string missing;
  for (const unsigned semaphore : missing_semaphores(tile, index))
    missing += fmt::format(" {}", semaphore);
  if (!missing.empty()) return text + " waits for semaphore" + missing;
  return text + " waits for the unit";
}

std::string tile_text(const ChipActivity::Tile& tile) {
  std::string text = fmt::format("  tile ({}, {}):", tile.node.x, tile.node.y);
  for (unsigned u = 0; u < tile.units.size(); ++u)
    text += (u == 0 ? " " : "; ") + unit_text(tile, u);
  std::string counts;
  for (unsigned s = 0; s < spec::NumSemaphores; ++s) {
    if (tile.semaphores[s] != 0) counts += fmt::format(" {}={}", s, tile.semaphores[s]);
  }
  return text + "; semaphores" + (counts.empty() ? " all 0" : counts) + "\n";
}

}  // namespace

std::vector<unsigned> missing_semaphores(const ChipActivity::Tile& tile, unsigned index) {
  std::vector<unsigned> missing;
  const ChipActivity::Unit& unit = tile.units[index];
  if (unit.ended || !unit.next_valid || unit.taken) return missing;
  for (unsigned s = 0; s < spec::NumSemaphores; ++s) {
    if ((unit.next[1] >> s & 1) != 0 && tile.semaphores[s] == 0) missing.push_back(s);
  }
  return missing;
}

bool at_rest(const ChipActivity::Tile& tile) {
  return std::all_of(tile.units.begin(), tile.units.end(),
                     [](const ChipActivity::Unit& unit) { return unit.ended; });
}

std::string to_string(const ChipActivity& activity) {
  std::string text;
  for (const ChipActivity::Tile& tile : activity.tiles) {
    if (!at_rest(tile)) text += tile_text(tile);
  }
  if (text.empty()) text = "  no tile runs\n";
  if (!activity.host_port.empty())
    text += fmt::format("  host port: {} is not answered\n", activity.host_port);
  for (const ChipActivity::Memory& memory : activity.memories) {
    if (memory.read_beats + memory.writes == 0) continue;
    text += fmt::format("  {}: {} read beats and {} writes under way\n", memory.name,
                        memory.read_beats, memory.writes);
  }
  return text;
}

}  // namespace systole
