// The programs of all tiles under construction.
//
// Emitters add commands in an order in which, executed one after another, they would be right. The
// schedule finds out which of them must wait for which (host/compile/access.hpp) and makes that so
// with semaphores: one for every ordered pair of units of a tile. The units may then run as far
// apart as those allow. Commands of one unit retire in order, so one token says "retired up to
// here"; what a unit knows of the others is kept as vector clocks, and no token is spent on what is
// known.
//
// Memory outside the tile (DRAM, host memory, other tiles) is ordered by barriers only, but for
// rows that are pushed, and weights that are handed on (host/compile/weight_ring.hpp).
//
// A tile's program is a prologue (once a launch), then a body (once an input). Between two bodies
// is a barrier, but the first loads of the next input come before it, and the last stores of an
// input may end behind it.
//
// A body that is too long for the scratchpad is cut into pages. All pages of a tile have the same
// place; a page ends by loading the next one over itself, and Loop leads back to its begin. So a
// launch of n inputs runs phases() * n iterations, every tile the same number.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <vector>

#include "host/compile/access.hpp"
#include "host/compile/compiled_model.hpp"
#include "rtl/spec/gen/systole_commands.hpp"

namespace systole::compile {

/// Column x, row y of a compute tile.
struct Place {
  unsigned x = 0;
  unsigned y = 0;
};

/// Global address of the tile's scratchpad.
inline Address scratchpad_base(Place place) {
  return spec::TileBase | Address{place.y} << spec::TileRowShift |
         Address{place.x} << spec::TileColShift;
}

/// Semaphores for weights that tiles share, which no pair of units uses: matrix and store have
/// nothing else to wait for of each other.
constexpr unsigned kStreamData = 10;  // store to matrix: a group is there
constexpr unsigned kStreamFree = 5;   // matrix to the store before: its room is free
/// Up to this many tiles push rows to each other (Context::push()): every tile has a semaphore for
/// each of the others, the next one first. Streams and pushes are never in one program.
constexpr unsigned kMaxPushing = 4;

class Schedule {
 public:
  /// `team`: the tiles that are launched together and end a body together; `places` are some of
  /// them, one behind the other. `page_commands`: how many commands a tile may hold at a time, 0:
  /// all.
  Schedule(const std::vector<Place>& places, std::vector<Place> team, unsigned page_commands = 0);

  unsigned tiles() const { return static_cast<unsigned>(tiles_.size()); }
  /// Of tokens from the store unit of the tile before to that of a tile, for what it hands on: a
  /// barrier's, which goes the same way, or which they don't use.
  unsigned handed_semaphore() const;
  Place place(unsigned tile) const { return tiles_[tile].place; }

  /// Commands emitted from here on belong to this layer (index into CompiledModel::layers), of this
  /// input among those that an iteration works on.
  void set_layer(int layer, int input = 0) {
    layer_ = layer;
    input_ = input;
  }

  template <typename Command>
  void emit(unsigned tile, spec::Unit unit, const Command& command) {
    add(tile, unit, command.encode());
  }
  /// A load that runs once a launch, before the first input.
  void emit_prologue(unsigned tile, const spec::LoadCommand& command);

  /// What was emitted on any tile before arrive() happens before what is emitted on any tile after
  /// the await() that follows. What stands between them is ordered by neither.
  void arrive() { arrive(false); }
  void await();
  /// The same for all tiles of the team, whose schedules must say so as often.
  void meet_team();
  /// The first half of it.
  void arrive_at_team() { arrive(true); }
  /// The end of the body, which is a barrier of the team, comes behind all stores.
  void settle_stores();

  /// Copies bytes of a tile's scratchpad into another one's, and posts there. Tokens of one tile
  /// come in the order of its pushes.
  void push(unsigned tile, unsigned to, uint32_t from_address, uint32_t to_address, uint32_t bytes);
  /// The semaphore that `from` posts to, as a mask.
  uint16_t pushed(unsigned tile, unsigned from) const;
  /// The matrix unit takes tokens; `bytes` are those that came, if it reads none of them.
  void take(unsigned tile, uint16_t tokens, Interval bytes = {});

  /// Ends the programs. Emits nothing after it.
  void finish();

  /// Iterations of an input: pages of the tile that has most of them. After finish().
  unsigned phases() const { return phases_; }
  /// Bytes of a tile's pages in DRAM; 0 with a single phase.
  uint64_t page_bytes(unsigned tile) const;

  /// Where programs and records lie, for assembly.
  struct Layout {
    uint32_t local = 0;          // scratchpad address of the images
    std::vector<Address> pages;  // by tile
    uint32_t input_step = 0;     // what launch parameter 0 grows by in an iteration
    uint32_t output_step = 0;    // and parameter 1
  };
  /// Bytes of the largest tile's commands in the scratchpad.
  uint32_t image_bytes() const;
  /// The tile's image; no windows.
  TileProgram assemble(unsigned tile, const Layout& layout) const;
  /// The bytes of its pages.
  std::vector<uint8_t> pages(unsigned tile, const Layout& layout) const;

  /// Calls body(tile, unit, words, layer) for every command of the body, in order of emission.
  template <typename Body>
  void for_each_body_command(Body body) const {
    for (unsigned t = 0; t < tiles(); ++t) {
      for (unsigned u = 0; u < spec::NumUnits; ++u) {
        for (const Command& c : tiles_[t].units[u])
          body(t, static_cast<spec::Unit>(u), c.words, c.layer);
      }
    }
  }

 private:
  using Clock =
      std::array<std::size_t, spec::NumUnits>;  // commands of each unit known to be retired

  /// What of a command goes into a program.
  struct Line {
    spec::CommandWords words{};
    uint16_t wait = 0;
    uint16_t post = 0;
    int layer = -1;
    int input = 0;
  };
  struct Command : Line {
    Access access;
    Clock known{};        // when it starts
    unsigned posted = 0;  // bit v: a command of unit v takes a token of this one
  };

  struct Tile {
    Place place;
    std::vector<spec::LoadCommand> prologue;
    std::vector<int> prologue_layers;
    std::array<std::vector<Command>, spec::NumUnits> units;
    std::array<Clock, spec::NumUnits> known{};
    // Load commands (count) that the unit's next command must see retired: the last await().
    std::array<std::size_t, spec::NumUnits> released{};
    std::size_t arrived = 0;     // store commands up to the last arrive()
    std::vector<Access> pushes;  // of others, into this tile
    // tokens[u][v]: tokens of unit u taken by unit v so far, as the command index taking each.
    std::array<std::array<std::vector<std::size_t>, spec::NumUnits>, spec::NumUnits> tokens;
    // First command of every page, by unit.
    std::array<std::vector<std::size_t>, spec::NumUnits> pages;
  };

  void add(unsigned tile, spec::Unit unit, const spec::CommandWords& words);
  void depend(Tile& tile, unsigned unit, Command& command, unsigned on, std::size_t count);
  void nop(unsigned tile, spec::Unit unit, uint16_t wait);
  void post_to(unsigned tile, spec::Unit unit, unsigned rank, unsigned semaphore);
  void arrive(bool team);
  void meet(unsigned tile, Command first);
  void tell_vector(unsigned tile, unsigned on);
  bool pushes_meet_stores() const;
  void make_room(unsigned tile, unsigned unit);
  void turn_page(unsigned tile);
  std::size_t page_length(const Tile& tile, unsigned unit, unsigned phase) const;
  std::size_t region_length(const Tile& tile, unsigned unit) const;
  std::vector<Line> prologue(unsigned tile, unsigned unit) const;
  std::vector<Line> page(unsigned tile, unsigned unit, unsigned phase, const Layout& layout) const;
  std::vector<Line> tail(unsigned unit) const;

  /// How a tile's body overlaps with the next one; see overlap().
  struct Overlap {
    std::size_t early = 0;  // loads that come before the barrier between two bodies
    // Of load and vector: the command before which the last body's stores must have ended; none
    // when nothing is in their way.
    std::array<std::optional<std::size_t>, spec::NumUnits> stores_before;
  };
  Overlap overlap(const Tile& tile) const;
  static Line stores_ended(const Overlap& overlap);
  std::size_t early_loads(const Tile& tile) const;
  std::vector<Line> body(unsigned tile, unsigned unit, const Overlap& overlap) const;
  std::vector<Line> arrival(unsigned tile) const;
  std::vector<Line> release(unsigned tile) const;
  std::vector<Line> epilogue(unsigned tile, unsigned unit, const Overlap& overlap) const;
  std::size_t region_offset(unsigned tile, unsigned unit) const;
  spec::NopCommand remote_post(unsigned rank, unsigned semaphore) const;

  /// Of the team: the place of a tile of this schedule.
  unsigned rank(unsigned tile) const { return first_ + tile; }
  unsigned team() const { return static_cast<unsigned>(team_.size()); }

  std::vector<Tile> tiles_;
  std::vector<Place> team_;
  unsigned first_ = 0;         // place of the first tile in it
  bool team_barrier_ = false;  // the present one
  int layer_ = -1;
  int input_ = 0;
  bool arrived_ = false;
  std::array<std::size_t, spec::NumUnits> page_limit_{};  // commands of a unit; 0: no pages
  unsigned phases_ = 1;
};

}  // namespace systole::compile
