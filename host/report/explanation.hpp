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

std::string explain_assertion(const ChipFailure& failure);
std::string explain_hang(uint64_t cycle, const WaitGraph& graph);

}  // namespace systole::report
