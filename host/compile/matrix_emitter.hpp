// The emitter of matrix operators: how the work is divided (matrix.cpp), how a tile walks its share
// (matrix_tiling.cpp, matrix_sharing.cpp), the walk (matrix_walk.cpp, matrix_rolling.cpp).
#pragma once

#include <array>
#include <cstddef>
#include <deque>
#include <functional>
#include <map>
#include <utility>
#include <vector>

#include "host/compile/kernel_plan.hpp"
#include "host/compile/matrix.hpp"
#include "host/compile/rolling_rows.hpp"
#include "host/compile/weight_ring.hpp"

namespace systole::compile {

constexpr int64_t kColumns = spec::ArrayCols;
constexpr int64_t kDepth = spec::ArrayDepth;
constexpr int64_t kBlockBytes = kColumns * kDepth;
constexpr int64_t kHalf = spec::AccHalfRows;
/// Fetching a weight block: four beats, and mostly a bank that a row of activations takes.
constexpr int64_t kBlockCycles = 5;
constexpr int64_t kSlabParts = 4;  // of a large slab, loaded one by one

class MatrixEmitter {
 public:
  MatrixEmitter(Context& context, MatrixMemo& memo, const MatrixOperator& op)
      : context_(context), memo_(memo), op_(op) {}
  void emit();

 private:
  using Share = MatrixShare;

  /// How a tile walks its share.
  struct Tiling {
    bool stream = false;  // weights are loaded for every use, not once
    int64_t rows = 1;     // output rows of a chunk, whose input slab is held
    int64_t columns = 1;  // output columns of a chunk
    int64_t panel = 1;    // blocks of channels whose output is held before it is stored
    int64_t group = 1;    // stream: blocks of channels loaded together
    int64_t steps = 0;    // stream: k steps loaded together
    int64_t stores = 1;   // of a panel
    WeightRing::Plan ring;
    RollingRows::Plan rolling;
    bool rewind = false;  // blocks so large that they must lie side by side

    /// Groups at the end of a chunk whose rows are used part by part, so that those of the next
    /// chunk come meanwhile, as does its first group.
    int64_t edge_groups() const { return ring.rooms - 1; }
    /// Rows of the next chunk, of `left`: even ones.
    int64_t chunk_rows(int64_t left) const { return divide_up(left, divide_up(left, rows)); }
  };

  /// Blocks [b0, b1) of output channels, which a command takes at a time.
  struct Group {
    int64_t b0 = 0, b1 = 0;
    uint32_t weights = 0;    // 0: they come step by step
    Block loaded;            // when they were for this group alone
    std::size_t shared = 0;  // of the ring's groups
  };

  /// Where pixels of a chunk's output go, in bytes.
  struct Rows {
    uint32_t address = 0;
    int64_t pixel = 0, line = 0;  // from one to the next
  };

  /// Output of rows that roll, to be stored: of blocks [b0, b1) of a panel.
  struct Finished {
    int64_t row = 0, rows = 0;
    int64_t b0 = 0, b1 = 0;
    uint32_t address = 0;
    int64_t pitch = 0;  // bytes from row to row
  };

  void flatten();
  void join_pixels();
  void plan(int64_t pixels);
  void split_weights();
  void choose_zero_blocks();
  void partition();
  void place_output();
  std::vector<uint8_t> pack(const Share& share) const;
  void plan_shares();
  int64_t first_channel(int64_t block) const;
  std::pair<int64_t, int64_t> channels_of(const Share& share) const;
  SlabShape slab_shape(const Share& share, int64_t n, int64_t oy0, int64_t oy1, int64_t ox0) const;
  int64_t slab_bytes(int64_t rows) const;
  /// Loads of a slab: the first rows are used while others come.
  int64_t slab_parts() const;
  /// Windows side by side that a slab holds.
  int64_t slab_columns() const { return (span_ - (op_.kw - 1) * op_.dw - 1) / op_.sw + 1; }
  int64_t slack() const;
  int64_t out_bytes(int64_t rows, int64_t columns, int64_t blocks) const;
  int64_t element_bytes() const { return op_.output->element_bytes(); }
  Tiling choose_tiling(const Share& share, int64_t memory, bool weights_held) const;
  void emit_tile(unsigned tile, const Share& share);
  /// A tile's walk with rows that roll.
  struct Rolling {
    RollingRows rows;
    std::vector<std::pair<int64_t, int64_t>> groups = {};  // blocks of a sweep
    Slab slab = {};                                        // of all slots
    std::array<Block, 2> panels = {};  // of output that is to be stored, in turns
    std::vector<int64_t> begins = {};  // the first block of that, by slot
  };
  /// Blocks [b0, b1), whose output is stored together.
  struct Panel {
    int64_t b0 = 0, b1 = 0;
    uint32_t address = 0;
    int64_t pitch = 0;  // bytes from row to row
  };
  void emit_rolling(unsigned tile, const Share& share);
  Rolling start_rolling(unsigned tile, const Share& share);
  void load_rolling(unsigned tile, const Share& share, const Rolling& rolling, int64_t step);
  void use_rolling(unsigned tile, const Share& share, const Rolling& rolling, int64_t step,
                   Group& group, const Panel& panel);
  std::vector<Finished> finish_rolling(Rolling& rolling, int64_t step, const Group& group,
                                       const Panel& panel) const;
  void store_rolling(unsigned tile, const Share& share, const std::vector<Finished>& finished);
  void emit_rolling_stores(unsigned tile, int64_t step, bool new_panel, std::size_t recent);
  void emit_chunk(unsigned tile, const Share& share, const Tiling& tiling, int64_t n, int64_t oy0,
                  int64_t oy1, int64_t ox0, int64_t ox1);
  void emit_rows(unsigned tile, const Share& share, const Tiling& tiling, const Group& group,
                 int64_t pixel0, int64_t pixels, int64_t width, const Slab& slab, const Rows& out);
  void matmul(unsigned tile, const KernelSegment& segment, bool first, const Group& group,
              uint32_t weights, int64_t weight_nstride, uint32_t act, int64_t row0, int64_t rows,
              int64_t width, const Slab& slab, int64_t acc, uint32_t bias);
  void subtract_zero_point(unsigned tile, int64_t b0, int64_t b1, int64_t pixels, int64_t acc);
  void drain(unsigned tile, const Share& share, int64_t b0, int64_t b1, int64_t pixels, int64_t acc,
             uint32_t multipliers, int64_t pixel0, int64_t width, const Rows& out);

  /// What a tile holds while it works on the operator.
  struct Held {
    Block block;        // when not resident
    uint32_t bias = 0;  // 64 bytes a block of channels, then the multipliers
    uint32_t multipliers = 0;
    uint32_t zeros = 0;    // what the zero point is multiplied with
    uint32_t weights = 0;  // 0: streamed
    Address source = 0;    // of the weights in DRAM
    Block zero_row;
  };
  Held hold(unsigned tile, const Share& share);
  /// Biases and multipliers, where they are not all alike.
  int64_t vector_bytes(int64_t blocks) const {
    return blocks * ((biased_ ? 64 : 0) + (uniform_ ? 0 : 64));
  }
  int64_t zero_blocks() const { return zero_step_ + (zero_repeats_ > 0 ? 1 : 0); }
  void emit_zero(unsigned tile, int64_t b0, int64_t b1, int64_t pixels, int64_t acc, int64_t block,
                 int64_t steps);
  /// And behind them the blocks for the zero point.
  int64_t scale_bytes(int64_t blocks) const {
    return vector_bytes(blocks) + blocks * zero_blocks() * kBlockBytes;
  }
  int64_t memory_for(unsigned tile) const;
  int64_t edge_pixels(int64_t pixels, int64_t width, bool edge) const;
  int64_t command_pixels(const Tiling& tiling, int64_t lines, int64_t width) const;
  int64_t command_blocks(const Tiling& tiling, int64_t lines, int64_t width) const;
  void share_weights();
  bool can_roll() const;
  int64_t sweep_length(const Share& share, const Tiling& tiling) const;
  Tiling choose_rolling_tiling(const Share& share, int64_t least_rows, int64_t memory) const;
  double rolling_cost(const Share& share, const Tiling& tiling) const;
  int64_t rolling_commands(const Share& share, const Tiling& tiling) const;
  Tiling choose_shared_tiling(const Share& share, int64_t least_rows, int64_t memory) const;
  double shared_cost(const Share& share, const Tiling& tiling) const;
  int64_t shared_commands(const Share& share, const Tiling& tiling) const;
  std::vector<WeightRing::Group> shared_groups(const Share& share) const;
  std::vector<std::pair<int64_t, int64_t>> sweep(const Share& share, int64_t most) const;
  int64_t end_of_group(int64_t b0, int64_t p1, int64_t most) const;
  std::vector<std::vector<Group>> batches(const Share& share, int64_t p0, int64_t p1, int64_t most,
                                          int64_t pixels, int64_t width) const;
  void get_weights(unsigned tile, const Share& share, const Tiling& tiling, int64_t commands,
                   Group& group);
  bool is_cut(int64_t pixels, int64_t width) const;
  void store_panel(unsigned tile, Block block, int64_t offset, int64_t height, int64_t width,
                   int64_t run, int64_t pieces);
  void emit_late_store();
  const Home::Piece* output_piece(unsigned tile) const;
  Rows rows_at_home(const Home::Piece& piece, int64_t line, int64_t channel) const;
  /// Whether the predicate of slab.hpp holds for all that the tiles read.
  bool all_slabs(bool (*is)(unsigned, const Image&, const SlabShape&)) const;
  void spread_output();
  int64_t row_steps() const;
  Slab load_row(unsigned tile);
  std::vector<KernelSegment> segments_for(unsigned tile, const Tiling& tiling) const;
  void find_sources();
  std::vector<KernelSegment> segments_by_source(unsigned tile) const;
  unsigned sources_of(const KernelSegment& segment) const;
  uint16_t tokens_for(unsigned tile, const KernelSegment& segment);

  Context& context_;
  MatrixMemo& memo_;
  MatrixOperator op_;
  bool signed_x_ = true;
  int64_t line_ = 1;      // output rows that go to one tile together
  int64_t joined_ = 1;    // pixels of the output that are one of op_.out
  int64_t blocks_ = 0;    // of 16 output channels
  int64_t in_group_ = 0;  // input channels of a group
  int64_t out_group_ = 0;
  int64_t window_ = 0;  // input channels that a block of output channels sees
  int64_t pixel_ = 0;   // bytes of a slab's pixel: the input channels that a tile needs, or all
  int64_t span_ = 0;    // input columns of a slab with all output columns
  int64_t column0_ = 0;
  KernelPlan plan_;
  int64_t steps_ = 0;  // of all parts
  int64_t parts_ = 1;  // weights are a sum of so many 8-bit matrices
  bool signed_w_ = true;
  // For a zero point that is computed at run time: the sums of each channel's weights, as one block
  // of weights, and another one so many times.
  std::vector<int32_t> sums_;
  int64_t zero_step_ = 0;  // 1: there is the one
  int64_t zero_repeats_ = 0;
  std::vector<Share> shares_;
  std::map<std::pair<int64_t, int64_t>, Address> packed_;
  std::vector<Held> held_;
  bool sharing_ = false;  // the tiles share what they stream
  WeightRing ring_;       // then
  Tiling tiling_;         // of all tiles then
  std::deque<std::function<void()>> late_stores_;
  bool biased_ = true;         // some bias is not 0
  bool uniform_ = false;       // all channels have one multiplier
  bool in_place_ = false;      // every tile has all the input that it needs, and laid out as needed
  bool spread_ = false;        // every tile gets all of the output
  Home* spread_in_ = nullptr;  // the input, when that is so of it
  std::vector<unsigned> sources_;  // of what each step reads of that: a bit a tile
};

}  // namespace systole::compile
