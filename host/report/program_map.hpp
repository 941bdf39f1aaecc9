// What the commands of a compiled model are: their words in every phase, the layer that each
// belongs to, who posts which semaphore, and what a layer moves to and from memory.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <string>
#include <tuple>
#include <vector>

#include "host/compile/compiled_model.hpp"
#include "host/golden/machine.hpp"
#include "rtl/spec/gen/systole_commands.hpp"

namespace systole::report {

/// One unit of one tile.
struct UnitId {
  golden::Node node;
  spec::Unit unit = spec::Unit::Load;

  std::tuple<unsigned, unsigned, unsigned> key()
      const {  // rows, then columns, as tiles are counted
    return {node.y, node.x, static_cast<unsigned>(unit)};
  }
  bool operator<(const UnitId& other) const { return key() < other.key(); }
  bool operator==(const UnitId& other) const { return key() == other.key(); }
};

/// End, Nop or Loop: the sequencer's own, of which the unit sees nothing.
bool is_internal(spec::Opcode opcode);

/// Bytes that commands move, by the memory at the other end.
struct Traffic {
  uint64_t dram = 0;
  uint64_t host = 0;
  uint64_t tiles = 0;  // the own scratchpad too, when it is reached by its global address
};
Traffic traffic_of(const spec::CommandWords& words);

class ProgramMap {
 public:
  /// The program of one unit. Pages of a model with phases replace one another at the same pc.
  struct Program {
    std::size_t length = 0;                    // commands, End included
    uint32_t body = 0;                         // the first command of the loop
    uint32_t loop = 0;                         // its Loop command; == length without one
    std::vector<spec::CommandWords> commands;  // [phase * length + pc]
    std::vector<int> layers;                   // the same; -1: of no layer
    std::vector<int> inputs;                   // see TileProgram::input_of_command

    const spec::CommandWords& words(std::size_t phase, uint32_t pc) const {
      return commands[phase * length + pc];
    }
    std::size_t phases() const { return length == 0 ? 1 : commands.size() / length; }
    /// The page that is in place when the loop has been gone around so often, over all launches.
    std::size_t phase_after(uint64_t loops) const { return loops % phases(); }
    /// How often a command of a page has run, when the one at its place has, in all pages, so
    /// often.
    uint64_t runs(std::size_t phase, uint32_t pc, uint64_t runs_of_place) const;
    /// Commands before the loop (weights, once a launch) and behind it belong to none.
    int layer(std::size_t phase, uint32_t pc) const;
    int input(std::size_t phase, uint32_t pc) const { return inputs[phase * length + pc]; }
  };

  explicit ProgramMap(const compile::CompiledModel& model);

  std::size_t phases() const { return phases_; }
  /// Inputs that `phases` iterations work on.
  std::size_t inputs_at_once() const { return inputs_at_once_; }
  std::size_t lag() const { return lag_; }
  std::size_t num_layers() const { return traffic_.size(); }
  const std::string& layer_name(int layer) const { return names_[static_cast<std::size_t>(layer)]; }
  const std::map<UnitId, Program>& programs() const { return programs_; }
  /// Null when the model has no program there.
  const Program* find(const UnitId& unit) const;

  /// The units that post a tile's semaphore, in order, each once.
  const std::vector<UnitId>& posters(golden::Node node, unsigned semaphore) const;
  /// The same as words: "load", "store of tile (2, 1)", "vector of 3 other tiles".
  std::string posters_text(golden::Node node, unsigned semaphore) const;

  /// Of one input; what is loaded once a launch does not count.
  const Traffic& traffic(std::size_t layer) const { return traffic_[layer]; }

 private:
  void add_tile(const compile::CompiledModel& model, const compile::TileProgram& tile);
  void add_posts(const UnitId& unit, const Program& program);
  void add_traffic(const Program& program);

  std::size_t phases_;
  std::size_t inputs_at_once_;
  std::size_t lag_;
  std::vector<std::string> names_;
  std::map<UnitId, Program> programs_;
  std::map<std::tuple<unsigned, unsigned, unsigned>, std::vector<UnitId>> posters_;  // x, y, sem.
  std::vector<Traffic> traffic_;
};

/// The node's name alone: stem of "'stem' (Conv)".
std::string short_name(const std::string& layer);

/// "load", "matrix", ... as prose has them.
std::string lower(std::string text);

}  // namespace systole::report
