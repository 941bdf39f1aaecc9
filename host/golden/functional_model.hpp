// The functional model: runs the programs that the chip runs, command by command, bit for bit,
// without time.
//
// Alone it is the fast simulator: run() lets every unit go as far as its semaphores allow. Beside
// the RTL it is the lockstep judge's other half: the judge tells it which unit's command takes
// effect next.
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "host/golden/execute.hpp"
#include "host/golden/machine.hpp"
#include "host/golden/program.hpp"

namespace systole::golden {

/// A command that has taken effect.
struct Executed {
  Node node;
  spec::Unit unit = spec::Unit::Load;
  Step step;
  WriteSet written;
};

/// What stopped a tile.
struct TileFault {
  Node node;
  spec::Unit unit = spec::Unit::Load;
  uint32_t pc = 0;
  Fault fault;
};

/// What the model would do with a command: run it, or refuse it.
struct Opinion {
  Step step;
  Fault fault;
};

/// Global addresses that a tile may reach: granules, as in the WINDOW registers.
struct Windows {
  uint32_t perm = 0;
  std::array<uint32_t, spec::NumWindows> base{};
  std::array<uint32_t, spec::NumWindows> limit{};

  bool allows(Address address, std::size_t bytes, bool write) const;
};

class FunctionalModel {
 public:
  FunctionalModel(const ChipConfig& config, std::size_t host_memory_bytes);

  Machine& machine() { return machine_; }
  const Machine& machine() const { return machine_; }

  /// Windows start closed.
  void set_windows(Node node, const Windows& windows);
  /// Starts a tile's four units; its semaphores are zero.
  void launch(Node node, const Launch& launch);

  // ---- alone
  /// Runs all launched tiles to their ends. The first fault ends it. Units that wait for ever throw
  /// Error with who waits for what. `observer` sees every command that took effect.
  std::optional<TileFault> run(const std::function<void(const Executed&)>& observer = {});

  /// As run(), but in a random order that the semaphores allow, with several commands of a unit
  /// under way at a time where the chip may have that: loads and stores take effect in any order
  /// between their start and their retirement. Programs that lack a semaphore give wrong results
  /// for some seeds.
  std::optional<TileFault> run_disordered(uint64_t seed);

  // ---- in lockstep
  /// The next command of a unit that has not taken effect takes effect now, semaphores unasked. At
  /// End: nullopt.
  std::optional<Executed> retire(Node node, spec::Unit unit, std::optional<TileFault>& fault);
  /// The command that the unit retires next, or one so many behind it; at the program's end, End.
  const Step& peek(Node node, spec::Unit unit, std::size_t behind = 0) {
    return look_ahead(node, unit, behind);
  }
  /// What would become of that command now; nothing changes.
  Opinion opinion(Node node, spec::Unit unit) const;
  /// A post that travelled with a store's last write from `source` took effect at `destination`:
  /// that store takes effect now, and its retirement will be none. Nullopt when no store of
  /// `source` posts there.
  std::optional<Executed> post_taken(Node source, Node destination,
                                     std::optional<TileFault>& fault);

  /// State between two calls in lockstep.
  template <class Archive>
  void serialize(Archive& archive) {
    archive(machine_);
    for (unsigned y = 0; y < machine_.config().num_rows; ++y) {
      for (unsigned x = 1; x < machine_.config().num_cols; ++x) {
        Tile& t = tile({x, y});
        plain_all(archive, t.semaphores, t.windows);
        for (Unit& unit : t.units)
          plain_all(archive, unit.walker, unit.ahead, unit.took_effect, unit.ended);
      }
    }
  }

 private:
  struct Unit {
    ProgramWalker walker;
    std::deque<Step> ahead;        // fetched and not yet retired
    std::deque<bool> took_effect;  // of these: by a post that travelled
    bool ended = true;
    struct Flight {
      Step step;
      bool performed = false;
    };
    std::deque<Flight> flying;  // run_disordered: started and not yet retired
  };
  struct Tile {
    std::array<Unit, spec::NumUnits> units;
    std::array<unsigned, spec::NumSemaphores> semaphores{};
    Windows windows;
  };

  Tile& tile(Node node) { return tiles_[{node.x, node.y}]; }
  Step& look_ahead(Node node, spec::Unit unit, std::size_t index);
  Executed perform(Node node, spec::Unit unit, const Step& step, std::optional<TileFault>& fault);
  Fault check_windows(Node node, const Step& step) const;
  bool ready(const Tile& tile, const Step& step) const;
  void take(Tile& tile, const Step& step);
  std::optional<TileFault> post(Node node, spec::Unit unit, const Step& step);
  bool step_unit(Node node, spec::Unit unit, std::optional<TileFault>& fault,
                 const std::function<void(const Executed&)>& observer);
  bool start_next(Node node, spec::Unit unit);
  bool perform_any(Node node, spec::Unit unit, uint64_t choice, std::optional<TileFault>& fault);
  bool retire_first(Node node, spec::Unit unit, std::optional<TileFault>& fault);
  std::optional<TileFault> leftover() const;
  bool all_ended() const;
  std::string waits() const;

  Machine machine_;
  std::map<std::pair<unsigned, unsigned>, Tile> tiles_;
};

/// Whether a store's remote post travels with its last write: all that it writes is in the tile
/// posted.
bool post_travels(const Step& step);

/// Element size of what a command writes, for reports: 1, or 4 for s32 and binary32 results and
/// accumulators.
unsigned written_element_bytes(const Step& step);

}  // namespace systole::golden
