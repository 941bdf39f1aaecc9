#include "host/report/layer_states.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>

namespace systole::report {
namespace {

constexpr auto kBusy = static_cast<std::size_t>(spec::UnitState::Busy);
constexpr auto kWaitSemaphore = static_cast<std::size_t>(spec::UnitState::WaitSemaphore);

template <typename Counts>
std::size_t largest(const Counts& counts) {
  return static_cast<std::size_t>(std::max_element(counts.begin(), counts.end()) - counts.begin());
}

}  // namespace

void StateTotals::add(const Execution& execution, std::optional<unsigned> semaphore) {
  for (std::size_t s = 0; s < states.size(); ++s) {
    states[s] += uint64_t{execution.before[s]} + execution.during[s];
  }
  if (semaphore) waits[*semaphore] += execution.cycles(spec::UnitState::WaitSemaphore);
}

StateTotals& StateTotals::operator+=(const StateTotals& other) {
  for (std::size_t s = 0; s < states.size(); ++s) states[s] += other.states[s];
  for (std::size_t s = 0; s < waits.size(); ++s) waits[s] += other.waits[s];
  return *this;
}

uint64_t StateTotals::sum() const {
  return std::accumulate(states.begin(), states.end(), uint64_t{0});
}

std::size_t StateTotals::largest_state() const { return largest(states); }
unsigned StateTotals::largest_wait() const { return static_cast<unsigned>(largest(waits)); }

void LayerStates::add(const Execution& execution, std::optional<unsigned> last_semaphore) {
  if (execution.layer < 0) return;
  layers_[static_cast<std::size_t>(execution.layer)][execution.where].add(execution,
                                                                          last_semaphore);
}

std::string LayerStates::bound_by(std::size_t layer) const {
  const auto& units = layers_[layer];
  const auto busiest = std::max_element(
      units.begin(), units.end(),
      [](const auto& a, const auto& b) { return a.second.states[kBusy] < b.second.states[kBusy]; });
  if (busiest == units.end() || busiest->second.sum() == 0) return "";
  return describe(layer, busiest->first, busiest->second);
}

std::string LayerStates::describe(std::size_t layer, const UnitId& unit,
                                  const StateTotals& totals) const {
  const std::string name = lower(spec::to_string(unit.unit));
  const std::size_t state = totals.largest_state();
  const double share =
      100.0 * static_cast<double>(totals.states[state]) / static_cast<double>(totals.sum());
  if (state == kBusy) {
    const bool computes = unit.unit == spec::Unit::Matrix || unit.unit == spec::Unit::Vector;
    return fmt::format("{}: {} busy {:.0f} %", computes ? "compute" : "transfer", name, share);
  }
  if (state != kWaitSemaphore || totals.waits[totals.largest_wait()] == 0) {
    return fmt::format("{}: {} {:.0f} %", name,
                       spec::to_string(static_cast<spec::UnitState>(state)), share);
  }
  const unsigned semaphore = totals.largest_wait();
  return fmt::format("{} waits for {} (semaphore {}) {:.0f} %{}", name,
                     map_.posters_text(unit.node, semaphore), semaphore, share,
                     reason(layer, unit.node, semaphore));
}

std::string LayerStates::reason(std::size_t layer, golden::Node node, unsigned semaphore) const {
  const std::vector<UnitId>& posters = map_.posters(node, semaphore);
  if (posters.size() != 1) return "";
  const auto found = layers_[layer].find(posters[0]);
  if (found == layers_[layer].end() || found->second.sum() == 0) return "";
  const std::size_t state = found->second.largest_state();
  if (state == kBusy || state == kWaitSemaphore) return "";
  return fmt::format("; {}: {} {:.0f} %", lower(spec::to_string(posters[0].unit)),
                     spec::to_string(static_cast<spec::UnitState>(state)),
                     100.0 * static_cast<double>(found->second.states[state]) /
                         static_cast<double>(found->second.sum()));
}

}  // namespace systole::report
