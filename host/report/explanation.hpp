// The page that explains a failure of a run on the chip.
#pragma once

#include <optional>
#include <string>

#include "host/report/wait_graph.hpp"
#include "host/report/whereabouts.hpp"

namespace systole::report {

/// What is known of a wrong value, in the order in which one asks: which element of the network,
/// what was expected, who wrote it, when. `begin`: when the command began; `written`: when the
/// element got its wrong value.
std::string explain_mismatch(const golden::Mismatch& mismatch, const Whereabouts& where,
                             std::optional<uint64_t> begin, std::optional<uint64_t> written);

/// Where in the chip an instance stands
/// ("systole_chip.gen_row[1].gen_col[1].gen_tile.u_tile.u_load" is the load unit of tile (1, 1)).
struct Place {
  std::optional<golden::Node> node;
  std::optional<spec::Unit> unit;
  std::string name;  // "tile (1, 1) Load unit", "router (1, 1)", or the instance itself
};
Place place_of(const std::string& instance);

std::string explain_assertion(const ChipFailure& failure, const CommandLog& log);
std::string explain_hang(uint64_t cycle, const WaitGraph& graph);

}  // namespace systole::report
