// Readings of the chip's counters (host/driver/chip_counters.hpp): what happened between two of
// them, names, and JSON.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "host/driver/chip_counters.hpp"

namespace systole::report {

/// What `later` counted beyond `earlier`, of the same chip; `cycle`: the cycles between them.
ChipCounters difference(const ChipCounters& later, const ChipCounters& earlier);

const char* name_of(LinkCounters::Network network);  // "request", "response"
const char* name_of(LinkCounters::Port port);        // "north", ...

/// "request (1, 0) east".
std::string name_of(const LinkCounters& link);

/// Flits a cycle, at most 1.
double utilization(const LinkCounters& link, uint64_t cycles);
double utilization(const DramChannelCounters& channel, uint64_t cycles);

template <typename Counts>
nlohmann::ordered_json states_json(const Counts& states) {
  nlohmann::ordered_json j;
  for (std::size_t s = 0; s < states.size(); ++s) {
    j[spec::to_string(static_cast<spec::UnitState>(s))] = states[s];
  }
  return j;
}

nlohmann::ordered_json counters_json(const ChipCounters& counters);

}  // namespace systole::report
