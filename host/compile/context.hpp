// What every emitter works with: the schedule, the memories, the constants, and where each value
// lies.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "host/compile/memory.hpp"
#include "host/compile/schedule.hpp"
#include "host/compile/view.hpp"
#include "host/graph/graph.hpp"

namespace systole::compile {

/// Room around an image (or a tile's lines of it), in pixels: padding of the only operator that
/// reads it, which then needs no copy. Above and below the lines of a tile it is for its
/// neighbours'.
struct Border {
  int64_t line = 0;  // pixels of a line without the border; 0: none
  int64_t top = 0, bottom = 0, left = 0, right = 0;
  int32_t fill = 0;  // of the padding

  explicit operator bool() const { return line > 0; }
  int64_t padded_line() const { return left + line + right; }
};

/// A tensor spread over the scratchpads: a matrix of bytes, row by pixel, column by channel; each
/// tile holds a rectangle of it, dense unless there is a border.
struct Home {
  struct Piece {
    unsigned tile = 0;
    int64_t r0 = 0, r1 = 0, c0 = 0, c1 = 0;
    Block block;
    uint32_t offset = 0;  // of the rectangle in the block
    int64_t columns() const { return c1 - c0; }
    uint32_t address() const { return block.address() + offset; }
  };
  int64_t rows = 0, columns = 0;
  std::vector<Piece> pieces;
  /// Written by the vector units of the tiles that hold it, so that those need no barrier to read.
  bool direct = false;

  Border border;  // every piece is of whole lines then

  /// A row that every tile gets to know: its blocks have room for all of it, the pieces lie where
  /// they belong there, the tiles push them to each other.
  bool spread = false;
  std::vector<std::size_t> pushes;  // that the tiles have made with the last one of this row

  /// The tile's rectangle, or null.
  const Piece* of(unsigned tile) const;
  /// Where a row of the matrix begins, from the piece's address on.
  int64_t offset(const Piece& piece, int64_t row) const;
  /// Of the piece, with its border.
  int64_t bytes(const Piece& piece) const;
};

/// Bytes of global memory. The address of a part of a record is the offset in the input or output
/// record; the launch parameter that moves from record to record is added by the command.
struct Buffer {
  enum class Space { Unplaced, Dram, Input, Output, Home };
  Space space = Space::Dram;
  Address address = 0;
  std::shared_ptr<Home> home;
};

/// A value in memory.
struct Stored {
  std::string name;
  DataType type = DataType::S8;
  Shape shape;
  Buffer buffer;
  View view;
  int epoch = -1;      // the barrier that makes it known to all tiles, see Context::epoch()
  Border border = {};  // that is wanted, if the value gets a home

  int64_t elements() const { return element_count(shape); }
  int64_t element_bytes() const { return static_cast<int64_t>(element_size(type)); }
};

/// A block between global memory and scratchpad: runs are found, however many levels there are.
struct BlockLevel {
  int64_t count = 1;
  int64_t global_stride = 0;  // bytes
  int64_t local_stride = 0;
};

/// How memories are divided.
struct Budget {
  uint32_t program = 0;   // bytes for commands, at address 0
  uint32_t resident = 0;  // bytes for what stays loaded, behind them
  uint32_t homes = 0;     // bytes for values that stay in the scratchpads, behind those
  Address record_base = spec::HostMemBase;
  unsigned page_commands = 0;  // commands that a tile holds at a time, 0: all
  unsigned record_steps = 1;   // iterations of an input, which records are multiples of
  /// Cycles that a byte of resident weights costs, when work is divided: with more of it, tiles
  /// share out channels rather than rows.
  double weight_price = 0;
  bool rolls = false;  // rows may roll (host/compile/rolling_rows.hpp) where tiles share weights
};

/// Elements that the vector unit takes at once, bytes of as many numbers, and the most iterations
/// of a command's loop.
constexpr int64_t kLanes = spec::VectorLanes;
constexpr int64_t kVectorBytes = 4 * kLanes;
constexpr int64_t kMaxCount = 65535;

/// Tiles that share the work on operators.
class Context {
 public:
  /// `team`: the tiles that are launched together, `places` among them. `in_flight`: inputs that
  /// are emitted operator by operator, one behind the other. `memory` must outlive the context.
  Context(GlobalMemory& memory, const std::vector<Place>& places, std::vector<Place> team,
          unsigned in_flight, Budget budget);

  unsigned tiles() const { return schedule.tiles(); }
  /// Bytes of each scratchpad for data that comes and goes.
  int64_t working_bytes() const { return working_bytes_; }
  /// And for commands.
  int64_t program_bytes() const { return resident_begin_; }
  /// Whether programs are cut into pages, so that their length costs no memory.
  bool in_pages() const { return in_pages_; }
  unsigned in_flight() const { return in_flight_; }
  double weight_price() const { return weight_price_; }
  bool rolls() const { return rolls_; }

  // ---- order between tiles
  /// Starts an operator that reads `inputs`: a barrier when one of them was written since the last.
  /// `prefetch` emits loads of constants, which need not wait for it. With several inputs in flight
  /// the tiles arrive at an operator's barrier before they emit the next input's, and wait behind
  /// it: nobody stands idle meanwhile.
  void begin(const std::vector<const Stored*>& inputs, const std::function<void()>& prefetch = {});
  /// A barrier whatever was written.
  void barrier();
  /// A barrier of the whole team.
  void meet_team();
  /// Its two halves: what is emitted between them needs nothing of the other tiles, and they
  /// nothing of it.
  void arrive_at_team();
  void await_team();
  /// The body ends here, which is where the team meets.
  void end_stage();
  /// The number of the barrier behind what is emitted now; values of it can be read by all tiles
  /// when that one is passed.
  int epoch() const { return arrivals_; }

  // ---- memory
  /// Gives an unplaced value its memory: the scratchpads of the tiles that make it, if there is
  /// room, else DRAM. `pieces` (without blocks) cover a matrix of rows x columns bytes once.
  void place(Stored& value, int64_t rows, int64_t columns, std::vector<Home::Piece> pieces);
  /// The same, bytes in equal parts.
  void place_evenly(Stored& value);
  /// Those parts, no memory taken.
  Home even_parts(const Stored& value) const;
  Block scratch(unsigned tile, int64_t bytes) {
    return scratchpads_[tile].allocate(bytes, node_name);
  }
  /// A row of bytes that all tiles want to read: whether there is room for it on each of them, and
  /// whether they may push.
  bool can_spread(int64_t bytes) const;
  /// Gives it that room. `pieces`, one a tile, are what each tile makes, or nothing.
  void spread(Stored& value, int64_t bytes, std::vector<Home::Piece> pieces);
  /// The tile's piece is there: it goes to the others.
  void push(unsigned tile, Home& home);
  /// What the next command of the tile's matrix unit must wait for to read pieces of those tiles.
  uint16_t take(unsigned tile, const Home& home, unsigned from);
  /// The tile reads nothing of it.
  void pass_over(unsigned tile, const Home& home);
  /// From here on tiles exchange streams of weights instead; false if they have pushed already.
  bool begin_streams();
  bool streams() const { return streams_; }

  /// At the end of the scratchpad that the operator before did not use.
  Block scratch_at_end(unsigned tile, int64_t bytes) {
    return scratchpads_[tile].allocate_at_end(bytes, operators_ % 2 == 0, node_name);
  }
  void rewind(unsigned tile) { scratchpads_[tile].rewind(); }
  /// Bytes in DRAM, known now.
  Address constant(std::vector<uint8_t> bytes) { return constant(Constant(std::move(bytes))); }
  Address constant(const Constant& bytes) { return memory_.constant(bytes, node_name); }
  /// Where bytes of DRAM lie in a tile's scratchpad, loaded once a launch; 0 when the budget has no
  /// room for them.
  uint32_t resident(unsigned tile, Address source, int64_t bytes);
  uint32_t resident_used() const;
  /// What every tile has left for that.
  int64_t resident_room() const;
  uint32_t homes_used() const;
  /// Whether a value had to go to DRAM for want of memory for homes.
  bool lacks_homes() const { return lacks_homes_; }

  /// The half of the accumulators that a tile's next sums go to.
  unsigned next_half(unsigned tile) { return halves_[tile]++ % 2; }

  // ---- commands
  void load(unsigned tile, const Buffer& buffer, int64_t offset, uint32_t local, int64_t run,
            std::vector<BlockLevel> levels);
  void store(unsigned tile, const Buffer& buffer, int64_t offset, uint32_t local, int64_t run,
             std::vector<BlockLevel> levels);
  /// Writes `pattern` over runs of `run` bytes.
  void fill(unsigned tile, uint32_t pattern, uint32_t local, int64_t run, int64_t count = 1,
            int64_t stride = 0);
  /// The same in two levels.
  void fill(unsigned tile, uint32_t pattern, uint32_t local, int64_t run, BlockLevel inner,
            BlockLevel outer);

  /// No barrier is left open; ends the programs.
  void finish();

  Schedule schedule;
  std::string node_name;  // of the operator being emitted, for errors

 private:
  void fill_border(const Home& home, const Home::Piece& piece, DataType type);
  void free_unused();
  void arrive();
  void note_arrival();
  void await();
  template <typename Command>
  void transfer_home(unsigned tile, spec::Unit unit, const Home& home, int64_t offset,
                     uint32_t local, int64_t run, const std::vector<BlockLevel>& levels);
  template <typename Command>
  void transfer(unsigned tile, spec::Unit unit, const Buffer& buffer, int64_t offset,
                uint32_t local, int64_t run, std::vector<BlockLevel> levels);

  GlobalMemory& memory_;
  Address record_base_;
  double weight_price_ = 0;
  bool rolls_ = false;
  bool in_pages_ = false;
  unsigned in_flight_ = 1;
  std::vector<Scratchpad> scratchpads_;
  std::vector<Scratchpad> home_memory_;
  std::vector<std::shared_ptr<Home>> homes_;     // in use
  std::vector<std::shared_ptr<Home>> released_;  // until the barrier behind their last use
  uint32_t homes_begin_ = 0;
  uint32_t homes_used_ = 0;
  bool lacks_homes_ = false;
  std::vector<uint32_t> resident_next_;
  std::map<std::pair<unsigned, Address>, uint32_t> resident_;  // by tile, source
  uint32_t resident_begin_ = 0;
  uint32_t resident_end_ = 0;
  int64_t working_bytes_ = 0;
  int arrivals_ = 0;              // barriers that the tiles have arrived at
  int awaited_ = 0;               // and passed; one less at most
  int operators_ = 0;             // begun
  int arrived_behind_ = 0;        // so many of them had been emitted at the last arrival
  std::vector<unsigned> halves_;  // of the accumulators, by tile: how often one was begun
  bool streams_ = false;
  int64_t spread_bytes_ = 0;                     // since the last barrier, which frees them
  std::vector<std::size_t> pushes_;              // by tile
  std::vector<std::vector<std::size_t>> taken_;  // of these, by tile that takes, that pushes
};

/// Items [first, second) of `count` for part `part` of `parts`, as even as possible.
std::pair<int64_t, int64_t> share(int64_t count, int64_t part, int64_t parts);

/// Bytes of a zero point z that is computed at run time, as the matrix unit takes them: `count`
/// copies of highest - z, which is never negative, at `to`. `highest` is that of z's type.
void spread_zero_point(Context& context, unsigned tile, const Stored& zero, uint32_t to,
                       int64_t count);
/// The highest number of an s8 or u8.
inline int32_t highest_of(DataType type) { return type == DataType::S8 ? 127 : 255; }

/// A byte four times.
uint32_t byte_pattern(int32_t byte);
spec::Vtype vector_type(DataType type);
uint32_t float_bits(float value);
/// What a command does to its results: rounds them to codes, or clips binary32 numbers.
void set_codes(spec::VectorCommand& c, int32_t zero_point, graph::Clamp clamp);
void set_clip(spec::VectorCommand& c, graph::FloatClamp clamp);

}  // namespace systole::compile
