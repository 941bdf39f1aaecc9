// Where the cycles of each layer went, and by what it is bound.
#pragma once

#include <array>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "host/report/executions.hpp"

namespace systole::report {

/// Cycles of one unit by state; those of the wait for a semaphore also by semaphore.
struct StateTotals {
  std::array<uint64_t, spec::NumUnitStates> states{};
  std::array<uint64_t, spec::NumSemaphores> waits{};

  void add(const Execution& execution, std::optional<unsigned> semaphore);
  StateTotals& operator+=(const StateTotals& other);
  uint64_t of(spec::UnitState state) const { return states[static_cast<std::size_t>(state)]; }
  uint64_t sum() const;
  std::size_t largest_state() const;
  unsigned largest_wait() const;
};

/// Sums over all inputs. A command's cycles are those since the retirement of the one before it in
/// its unit; a wait at a layer's begin is therefore that layer's.
class LayerStates {
 public:
  explicit LayerStates(const ProgramMap& map) : map_(map), layers_(map.num_layers()) {}

  void add(const Execution& execution, std::optional<unsigned> last_semaphore);

  const std::map<UnitId, StateTotals>& units(std::size_t layer) const { return layers_[layer]; }

  /// "matrix busy", "load: WaitData", "vector waits for matrix (semaphore 5)", with the share of
  /// that unit's cycles in the layer: of the unit that was busy longest. Empty for a layer without
  /// commands.
  std::string bound_by(std::size_t layer) const;

 private:
  std::string describe(std::size_t layer, const UnitId& unit, const StateTotals& totals) const;
  /// What the unit that is waited for does meanwhile; empty when it works or waits itself.
  std::string reason(std::size_t layer, golden::Node node, unsigned semaphore) const;

  const ProgramMap& map_;
  std::vector<std::map<UnitId, StateTotals>> layers_;
};

}  // namespace systole::report
