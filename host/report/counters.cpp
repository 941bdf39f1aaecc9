#include "host/report/counters.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace systole::report {
namespace {

template <typename T, std::size_t N>
void subtract(std::array<T, N>& from, const std::array<T, N>& earlier) {
  for (std::size_t i = 0; i < N; ++i) from[i] -= earlier[i];
}

void subtract(TileCounters& from, const TileCounters& earlier) {
  for (std::size_t u = 0; u < from.units.size(); ++u) {
    subtract(from.units[u].states, earlier.units[u].states);
    subtract(from.units[u].waits, earlier.units[u].waits);
  }
  from.clock_off -= earlier.clock_off;
  from.scratchpad_grants -= earlier.scratchpad_grants;
  from.scratchpad_refusals -= earlier.scratchpad_refusals;
}

void subtract(DramChannelCounters& from, const DramChannelCounters& earlier) {
  from.read_beats -= earlier.read_beats;
  from.write_beats -= earlier.write_beats;
  from.row_hits -= earlier.row_hits;
  from.row_misses -= earlier.row_misses;
  from.row_conflicts -= earlier.row_conflicts;
  from.refreshes -= earlier.refreshes;
  from.bus_busy_cycles -= earlier.bus_busy_cycles;
}

/// Semaphores that were waited for.
nlohmann::ordered_json waits_json(const UnitCounters& unit) {
  auto j = nlohmann::ordered_json::object();
  for (std::size_t s = 0; s < unit.waits.size(); ++s) {
    if (unit.waits[s] != 0) j[std::to_string(s)] = unit.waits[s];
  }
  return j;
}

nlohmann::ordered_json tile_json(const TileCounters& tile) {
  nlohmann::ordered_json j = {{"x", tile.node.x},
                              {"y", tile.node.y},
                              {"clock_off", tile.clock_off},
                              {"scratchpad_grants", tile.scratchpad_grants},
                              {"scratchpad_refusals", tile.scratchpad_refusals}};
  for (std::size_t u = 0; u < tile.units.size(); ++u) {
    j["units"][spec::to_string(static_cast<spec::Unit>(u))] = {
        {"states", states_json(tile.units[u].states)}, {"waits", waits_json(tile.units[u])}};
  }
  return j;
}

nlohmann::ordered_json link_json(const LinkCounters& link) {
  return {{"x", link.from.x},           {"y", link.from.y},    {"network", name_of(link.network)},
          {"port", name_of(link.port)}, {"flits", link.flits}, {"stalls", link.stalls}};
}

nlohmann::ordered_json channel_json(const DramChannelCounters& channel) {
  return {{"read_beats", channel.read_beats},
          {"write_beats", channel.write_beats},
          {"row_hits", channel.row_hits},
          {"row_misses", channel.row_misses},
          {"row_conflicts", channel.row_conflicts},
          {"refreshes", channel.refreshes},
          {"bus_busy_cycles", channel.bus_busy_cycles}};
}

}  // namespace

ChipCounters difference(const ChipCounters& later, const ChipCounters& earlier) {
  ChipCounters d = later;
  d.cycle -= earlier.cycle;
  for (std::size_t i = 0; i < d.tiles.size(); ++i) subtract(d.tiles[i], earlier.tiles[i]);
  for (std::size_t i = 0; i < d.links.size(); ++i) {
    d.links[i].flits -= earlier.links[i].flits;
    d.links[i].stalls -= earlier.links[i].stalls;
  }
  for (std::size_t i = 0; i < d.channels.size(); ++i) subtract(d.channels[i], earlier.channels[i]);
  return d;
}

const char* name_of(LinkCounters::Network network) {
  return network == LinkCounters::Network::Request ? "request" : "response";
}

const char* name_of(LinkCounters::Port port) {
  switch (port) {
    case LinkCounters::Port::North:
      return "north";
    case LinkCounters::Port::East:
      return "east";
    case LinkCounters::Port::South:
      return "south";
    case LinkCounters::Port::West:
      return "west";
    case LinkCounters::Port::Local:
      return "local";
  }
  return "";
}

std::string name_of(const LinkCounters& link) {
  return fmt::format("{} ({}, {}) {}", name_of(link.network), link.from.x, link.from.y,
                     name_of(link.port));
}

double utilization(const LinkCounters& link, uint64_t cycles) {
  return cycles == 0 ? 0 : static_cast<double>(link.flits) / static_cast<double>(cycles);
}

double utilization(const DramChannelCounters& channel, uint64_t cycles) {
  return cycles == 0 ? 0
                     : static_cast<double>(channel.bus_busy_cycles) / static_cast<double>(cycles);
}

nlohmann::ordered_json counters_json(const ChipCounters& counters) {
  nlohmann::ordered_json j = {{"cycles", counters.cycle}};
  for (const char* list : {"tiles", "links", "dram"}) j[list] = nlohmann::ordered_json::array();
  for (const TileCounters& tile : counters.tiles) j["tiles"].push_back(tile_json(tile));
  for (const LinkCounters& link : counters.links) j["links"].push_back(link_json(link));
  for (const auto& channel : counters.channels) j["dram"].push_back(channel_json(channel));
  return j;
}

}  // namespace systole::report
