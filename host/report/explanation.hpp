// The page that explains a failure of a run on the chip.
#pragma once

#include <optional>
#include <string>

#include "host/driver/session.hpp"
#include "host/report/wait_graph.hpp"
#include "host/report/whereabouts.hpp"

namespace systole::report {

/// What is known of a wrong element, beside what the judge says.
struct ElementFacts {
  std::optional<uint64_t> begin;    // of its command
  std::optional<uint64_t> written;  // the cycle in which it got its wrong value
  std::optional<uint64_t> late;     // in which it got the right one, behind the retirement
  /// It is only known when the value changed last: the same may have been written since.
  bool unchanged = false;
  bool cause_known = false;  // something else than the unit has been found at fault
};

/// What is known of a wrong value, in the order in which one asks: which element of the network,
/// what was expected, who wrote it, when.
std::string explain_mismatch(const golden::Mismatch& mismatch, const Whereabouts& where,
                             const ElementFacts& facts);

/// Where in the chip an instance stands
/// ("systole_chip.gen_row[1].gen_col[1].gen_tile.u_tile.u_load" is the load unit of tile (1, 1)).
struct Place {
  std::optional<golden::Node> node;
  std::optional<spec::Unit> unit;
  std::string name;  // "tile (1, 1) Load unit", "router (1, 1)", or the instance itself
};
Place place_of(const std::string& instance);

std::string explain_assertion(const ChipFailure& failure, const CommandLog& log,
                              const ProgramMap& map);
/// `begins`: the cycle that is looked at, when that is not the last one in which anything happened.
std::string explain_hang(const ChipFailure& failure, std::optional<uint64_t> begins,
                         const WaitGraph& graph);

/// A request that the firmware gave up by its timer.
struct Timeout {
  const RequestFailure& request;
  uint64_t allowed = 0;                // cycles
  std::optional<uint64_t> last_event;  // the last cycle in which a command began or retired
  bool stuck = false;                  // long before it was given up
};
std::string explain_timeout(const Timeout& timeout, const WaitGraph& graph);

/// What is known of a command that a tile or the firmware refused.
struct RefusedCommand {
  const RequestFailure& request;
  Whereabouts where;  // its layer
  std::optional<golden::Opinion> opinion;
  std::optional<spec::CommandWords> words;  // with launch parameters, if the opinion is not known
  std::optional<uint64_t> begin, raised;
  uint64_t seen = 0;
  std::string evidence;  // lines, of windows and semaphores
};
std::string explain_refused(const RefusedCommand& refused);

/// Any other end: what the host was told, and who waits for whom.
std::string explain_end(const ChipFailure& failure, const std::string& evidence,
                        const WaitGraph& graph);

/// A line of a page: a name and what it is.
std::string row(const char* name, const std::string& value);

}  // namespace systole::report
