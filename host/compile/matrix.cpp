#include "host/compile/matrix.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <tuple>

#include "host/command/error.hpp"
#include "host/compile/kernel_plan.hpp"
#include "host/compile/rolling_rows.hpp"
#include "host/compile/weight_ring.hpp"

namespace systole::compile {
namespace {

constexpr int64_t kColumns = spec::ArrayCols;
constexpr int64_t kDepth = spec::ArrayDepth;
constexpr int64_t kBlockBytes = kColumns * kDepth;
constexpr int64_t kHalf = spec::AccHalfRows;
/// Fetching a weight block: four beats, and mostly a bank that a row of activations takes.
constexpr int64_t kBlockCycles = 5;
constexpr int64_t kMostOfBlock = kDepth * 127;  // that a block adds to a column, times bytes
constexpr int64_t kSlabParts = 4;               // of a large slab, loaded one by one

constexpr int64_t kLonePieces = 4;  // of one that a lone tile, which has no other, waits for
constexpr int64_t kLongRow = 16;    // steps that use a row which is loaded in two parts
constexpr int64_t kRowParts = 4;    // one of these, and the rest

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
};

/// Blocks [b0, b1) of output channels, which a command takes at a time.
struct Group {
  int64_t b0 = 0, b1 = 0;
  uint32_t weights = 0;    // 0: they come step by step
  Block loaded;            // when they were for this group alone
  std::size_t shared = 0;  // of the ring's groups
};

/// Groups at the end of a chunk whose rows are used part by part, so that those of the next chunk
/// come meanwhile, as does its first group.
int64_t edge_groups(const Tiling& tiling) { return tiling.ring.rooms - 1; }

/// Rows of the next chunk, of `left`: even ones.
int64_t chunk_rows(const Tiling& tiling, int64_t left) {
  return divide_up(left, divide_up(left, tiling.rows));
}

/// Weights that a tile streams, at most, to share them: each 32 KiB take some commands.
constexpr double kMostShared = 6.0 * 1024 * 1024;

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

class MatrixEmitter {
 public:
  MatrixEmitter(Context& context, MatrixMemo& memo, const MatrixOperator& op)
      : context_(context), memo_(memo), op_(op) {}
  void emit();

 private:
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

// A pointwise convolution sees no rows: its pixels are one long column.
void MatrixEmitter::flatten() {
  const bool pointwise = op_.kh == 1 && op_.kw == 1 && op_.sh == 1 && op_.sw == 1 && op_.top == 0 &&
                         op_.left == 0 && op_.in.h == op_.out.h && op_.in.w == op_.out.w;
  // Lines with a border between them stay lines.
  if (!pointwise || op_.output->border) return;
  // Lines of the image stay together, as its other users have them.
  if (op_.out.n * op_.out.h >= context_.tiles()) line_ = op_.out.w;
  for (Image* image : {&op_.in, &op_.out}) {
    image->h *= image->n * image->w;
    image->n = image->w = 1;
  }
}

/// Two neighbouring pixels of a line as one of twice as many channels: the window holds both of
/// theirs, weights are zeros where a pixel does not look. `together` channels of one pixel, then
/// those of the other, then the next channels of both.
MatrixOperator of_pairs(MatrixMemo& memo, const MatrixOperator& op, int64_t together) {
  MatrixOperator pairs = op;
  pairs.out.w /= 2;
  pairs.out.c *= 2;
  pairs.kw += op.sw;
  pairs.sw *= 2;
  pairs.group = op.out.c / together;
  pairs.bias.resize(static_cast<std::size_t>(pairs.out.c));
  pairs.multiplier.resize(static_cast<std::size_t>(pairs.out.c));
  const int64_t in_group = op.in.c / op.group, out_group = op.out.c / op.group;
  const int64_t window = op.in.c / pairs.group;
  const auto in_pairs = [&](int64_t of, int64_t pixel) {
    return (of / together * 2 + pixel) * together + of % together;
  };
  for (int64_t of = 0; of < op.out.c; ++of) {
    for (int64_t pixel = 0; pixel < 2; ++pixel) {
      const auto m = static_cast<std::size_t>(in_pairs(of, pixel));
      pairs.bias[m] = op.bias[static_cast<std::size_t>(of)];
      pairs.multiplier[m] = op.multiplier[static_cast<std::size_t>(of)];
    }
  }
  pairs.weights = memo.pairs(op.weights, together, [&] {
    std::vector<int32_t> values(static_cast<std::size_t>(pairs.out.c * op.kh * pairs.kw * window));
    auto from = op.weights->values.begin();
    for (int64_t of = 0; of < op.out.c; ++of) {
      const int64_t channel0 = of / out_group * in_group - of / together * window;
      for (int64_t tap = 0; tap < op.kh * op.kw; ++tap, from += in_group) {
        for (int64_t pixel = 0; pixel < 2; ++pixel) {
          const int64_t row = in_pairs(of, pixel) * op.kh + tap / op.kw;
          const int64_t column = tap % op.kw + pixel * op.sw;
          std::copy_n(from, in_group,
                      values.begin() + (row * pairs.kw + column) * window + channel0);
        }
      }
    }
    return Weights(std::move(values), pairs.out.c);
  });
  return pairs;
}

/// Columns of the array that few channels would leave idle take further pixels, where this needs
/// fewer steps.
void MatrixEmitter::join_pixels() {
  if (op_.makes_pairs) op_ = of_pairs(memo_, op_, kPairChannels);
  if (op_.reads_pairs) return;
  while (2 * op_.out.c <= kColumns && op_.out.w % 2 == 0 && op_.dw == 1) {
    const MatrixOperator single = op_;
    const auto steps = [&] {
      plan(op_.out.n * op_.out.h * op_.out.w / context_.tiles());
      return plan_.steps;
    };
    const int64_t alone = steps();
    op_ = of_pairs(memo_, single, single.out.c);
    if (steps() < 2 * alone) {
      joined_ *= 2;
      continue;
    }
    op_ = single;
    return;
  }
}

int64_t MatrixEmitter::first_channel(int64_t block) const {
  return block * kColumns / out_group_ * in_group_;
}

/// Input channels [first, second) that a share needs.
std::pair<int64_t, int64_t> MatrixEmitter::channels_of(const Share& share) const {
  if (op_.reads_pairs) return {0, op_.in.c};
  return {first_channel(share.b0), std::min(first_channel(share.b1 - 1) + window_, op_.in.c)};
}

/// Plans again, now that the shares are known. Of a grouped convolution that tiles divide by
/// channels, each tile loads its own ones only, if they are as many as the others'.
void MatrixEmitter::plan_shares() {
  int64_t pixel = 0, pixels = 0;
  bool alike = true;
  for (const Share& share : shares_) {
    if (share.empty()) continue;
    const auto [c0, c1] = channels_of(share);
    alike = alike && (pixel == 0 || c1 - c0 == pixel);
    pixel = c1 - c0;
    pixels = std::max(pixels, (share.g1 - share.g0) * op_.out.w);
  }
  if (alike) pixel_ = pixel;
  plan(pixels);
  steps_ = plan_.steps * parts_;
}

/// `pixels`: of the output, that a tile makes.
void MatrixEmitter::plan(int64_t pixels) {
  blocks_ = divide_up(op_.out.c, kColumns);
  in_group_ = op_.in.c / op_.group / (op_.reads_pairs ? 2 : 1);
  out_group_ = op_.out.c / op_.group;
  window_ = 0;
  for (int64_t b = 0; b < blocks_; ++b) {
    const int64_t last = std::min((b + 1) * kColumns, op_.out.c) - 1;
    window_ = std::max(window_, (last / out_group_ + 1) * in_group_ - first_channel(b));
  }
  column0_ = -op_.left;
  const int64_t needed = (op_.out.w - 1) * op_.sw + (op_.kw - 1) * op_.dw + 1;
  span_ = needed;
  if (op_.reads_pairs) span_ = op_.in.w;
  // Whole rows are one run of memory.
  if (op_.left == 0 && needed < op_.in.w) span_ = op_.in.w;
  // Rows that don't fit are cut into columns.
  const int64_t lines = (op_.kh - 1) * op_.dh + 1;
  const int64_t limit = context_.working_bytes() * 2 / 5;
  if (lines * span_ * pixel_ > limit && !op_.reads_pairs) {
    int64_t columns = op_.out.w;
    do {
      columns = divide_up(columns, 2);
      span_ = (columns - 1) * op_.sw + (op_.kw - 1) * op_.dw + 1;
    } while (columns > 1 && lines * span_ * pixel_ > limit);
  }
  KernelShape shape;
  shape.kh = op_.kh;
  shape.kw = op_.kw;
  shape.channels = window_;
  shape.row_stride = op_.dh * span_ * pixel_;
  shape.column_stride = op_.dw * pixel_;
  if (op_.reads_pairs) {
    // Of one pixel, 8 channels beside 8 of the other: as if they were taps.
    shape.kw = window_ / kPairChannels;
    shape.channels = kPairChannels;
    shape.column_stride = 2 * kPairChannels;
  }
  plan_ = memo_.kernel(shape, std::clamp<int64_t>(pixels, 1, kHalf));
}

void MatrixEmitter::split_weights() {
  const auto& [values, sums, low, high] = *op_.weights;
  // sum of (x - xz) * w = sum of x * w, minus xz * sum of w; padding holds xz.
  for (std::size_t m = 0; m < sums.size(); ++m) {
    op_.bias[m] = static_cast<int32_t>(static_cast<uint32_t>(op_.bias[m]) -
                                       static_cast<uint32_t>(op_.x.zero_point) *
                                           static_cast<uint32_t>(sums[m]));
  }
  // Of a zero point z that comes at run time, the highest one h is taken off here; h - z, a byte,
  // times the sum comes on top: a row of such bytes against weights that add up to it.
  if (op_.x_zero != nullptr) sums_ = sums;
  choose_zero_blocks();
  biased_ = std::any_of(op_.bias.begin(), op_.bias.end(), [](int32_t b) { return b != 0; });
  const uint32_t scale = float_bits(op_.multiplier.front());
  uniform_ = std::all_of(op_.multiplier.begin(), op_.multiplier.end(),
                         [&](float m) { return float_bits(m) == scale; });
  signed_w_ = low < 0 || high <= 127;
  if (!signed_w_) return;
  while (low < -128 * parts_ || high > 127 * parts_) ++parts_;
}

int32_t part_of(int32_t value, int64_t part) {
  for (int64_t p = 0; p < part; ++p) value -= std::clamp(value, -128, 127);
  return std::clamp(value, -128, 127);
}

/// A block adds up to 32 * 127 a column at most. What is more, is a block that is used r times, and
/// the remainder, which is less than r.
void MatrixEmitter::choose_zero_blocks() {
  int64_t largest = 0;
  for (const int32_t sum : sums_) largest = std::max(largest, std::abs(int64_t{sum}));
  if (largest == 0) return;
  zero_step_ = 1;
  if (largest > kMostOfBlock) zero_repeats_ = divide_up(largest, kMostOfBlock);
  if (zero_repeats_ > kMostOfBlock) {
    throw Error("sums of weights are too large for a zero point that is computed at run time",
                context_.node_name, fmt::format("at most {}", kMostOfBlock * kMostOfBlock),
                fmt::format("{}", largest));
  }
}

/// Column n of a block of weights whose lanes add up to `sum`.
void put_sum(uint8_t* block, int64_t n, int64_t sum) {
  for (int64_t lane = 0; lane < kDepth; ++lane) {
    const int64_t value = std::clamp<int64_t>(sum, -127, 127);
    sum -= value;
    block[lane * kColumns + n] = static_cast<uint8_t>(value);
  }
}

/// Splits output rows over `tr` groups of tiles and channels over `tn` tiles of each.
void MatrixEmitter::partition() {
  const int64_t tiles = context_.tiles();
  const int64_t all_rows = op_.out.n * op_.out.h / line_;
  double best = 0;
  int64_t best_r = 0, best_n = 0;
  for (int64_t tn = 1; tn <= std::min(tiles, blocks_); ++tn) {
    const int64_t tr = std::min(tiles / tn, all_rows);
    const int64_t rows = divide_up(all_rows, tr);
    const int64_t blocks = divide_up(blocks_, tn);
    const int64_t pixels = rows * line_ * op_.out.w;
    const int64_t streamed = std::max(pixels, kBlockCycles * divide_up(pixels, kHalf));
    const double matrix = static_cast<double>(blocks * steps_ * streamed);
    const double slab =
        static_cast<double>((rows * line_ - 1) * op_.sh + (op_.kh - 1) * op_.dh + 1) *
        static_cast<double>(op_.in.w * op_.in.c);
    double weights = static_cast<double>(blocks * (steps_ * kBlockBytes + 128));
    // Resident weights cost nothing. What does not fit beside the rows is loaded again for every
    // piece of them.
    const double room = 0.6 * static_cast<double>(context_.working_bytes());
    const double price = weights * context_.weight_price();
    if (weights <= static_cast<double>(context_.resident_room())) {
      weights = 0;
    } else if (weights + slab > 1.4 * room) {
      weights *= std::ceil(slab / room);
      // Tiles with the same channels share what they load, if the commands for that have room.
      const bool fits = context_.in_pages() || weights <= kMostShared;
      if (tn == 1 && op_.group == 1 && fits) weights /= static_cast<double>(tr);
    }
    const bool home = op_.in.stored->buffer.space == Buffer::Space::Home;
    const double dram = static_cast<double>(tr * tn) * ((home ? 0 : slab) + weights) / 22.0;
    const double link = (slab + weights) / 28.0;
    const double cost =
        std::max({matrix, dram, link}) + 0.3 * std::min(matrix, dram) + 0.2 * link + price;
    if (best_r == 0 || cost < best) {
      best = cost;
      best_r = tr;
      best_n = tn;
    }
  }
  for (int64_t t = 0; t < tiles; ++t) {
    Share one;
    if (t < best_r * best_n) {
      std::tie(one.g0, one.g1) = share(all_rows, t / best_n, best_r);
      std::tie(one.b0, one.b1) = share(blocks_, t % best_n, best_n);
      one.g0 *= line_;
      one.g1 *= line_;
    }
    shares_.push_back(one);
  }
}

/// Room for all of the row on every tile, those that make nothing of it as well.
void MatrixEmitter::spread_output() {
  std::vector<Home::Piece> pieces;
  for (unsigned t = 0; t < context_.tiles(); ++t) {
    Home::Piece piece;
    piece.tile = t;
    if (!shares_[t].empty()) {
      piece.r1 = 1;
      piece.c0 = shares_[t].b0 * kColumns;
      piece.c1 = std::min(shares_[t].b1 * kColumns, op_.out.c);
    }
    pieces.push_back(std::move(piece));
  }
  context_.spread(*op_.output, op_.out.c, std::move(pieces));
}

void MatrixEmitter::place_output() {
  spread_ = op_.spreads && op_.output->buffer.space == Buffer::Space::Unplaced &&
            op_.output->element_bytes() == 1 && context_.can_spread(op_.out.c);
  if (spread_) return spread_output();
  std::vector<Home::Piece> pieces;
  for (unsigned t = 0; t < context_.tiles(); ++t) {
    if (shares_[t].empty()) continue;
    Home::Piece piece;
    piece.tile = t;
    piece.r0 = shares_[t].g0 * op_.out.w * joined_;
    piece.r1 = shares_[t].g1 * op_.out.w * joined_;
    piece.c0 = shares_[t].b0 * kColumns;
    piece.c1 = std::min(shares_[t].b1 * kColumns, op_.out.c) / joined_;
    pieces.push_back(std::move(piece));
  }
  context_.place(*op_.output, op_.out.n * op_.out.h * op_.out.w * joined_, op_.out.c / joined_,
                 std::move(pieces));
}

/// Biases, multipliers, then weight blocks [block][part][step].
std::vector<uint8_t> MatrixEmitter::pack(const Share& share) const {
  const int64_t blocks = share.b1 - share.b0;
  std::vector<uint8_t> out(
      static_cast<std::size_t>(scale_bytes(blocks) + blocks * steps_ * kBlockBytes));
  const int64_t taps = op_.kh * op_.kw;
  for (int64_t b = share.b0; b < share.b1; ++b) {
    const int64_t channel0 = first_channel(b);
    for (int64_t n = 0; n < kColumns; ++n) {
      const int64_t m = b * kColumns + n;
      if (m >= op_.out.c) break;
      const std::size_t at = static_cast<std::size_t>((b - share.b0) * 64 + n * 4);
      if (biased_) std::memcpy(&out[at], &op_.bias[static_cast<std::size_t>(m)], 4);
      if (!uniform_) {
        std::memcpy(&out[at + static_cast<std::size_t>(biased_ ? blocks * 64 : 0)],
                    &op_.multiplier[static_cast<std::size_t>(m)], 4);
      }
      if (zero_step_ > 0) {
        const int64_t sum = sums_[static_cast<std::size_t>(m)];
        const int64_t part = zero_repeats_ > 0 ? sum / zero_repeats_ : 0;
        uint8_t* zeros = &out[static_cast<std::size_t>(
            vector_bytes(blocks) + (b - share.b0) * zero_blocks() * kBlockBytes)];
        put_sum(zeros, n, sum - part * zero_repeats_);
        if (zero_repeats_ > 0) put_sum(zeros + kBlockBytes, n, part);
      }
      const int64_t shift = channel0 - m / out_group_ * in_group_;
      const int32_t* values = &op_.weights->values[static_cast<std::size_t>(m * taps * in_group_)];
      for (int64_t part = 0; part < parts_; ++part) {
        uint8_t* to = &out[static_cast<std::size_t>(scale_bytes(blocks) +
                                                    (b - share.b0) * steps_ * kBlockBytes +
                                                    part * plan_.steps * kBlockBytes + n)];
        for (std::size_t lane = 0; lane < plan_.lanes->size(); ++lane) {
          const int32_t tap = (*plan_.lanes)[lane];
          if (tap < 0) continue;
          const int64_t c = tap % window_ + shift;
          if (c < 0 || c >= in_group_) continue;
          const int32_t value = values[tap / window_ * in_group_ + c];
          to[lane * kColumns] = static_cast<uint8_t>(signed_w_ ? part_of(value, part) : value);
        }
      }
    }
  }
  return out;
}

SlabShape MatrixEmitter::slab_shape(const Share& share, int64_t n, int64_t oy0, int64_t oy1,
                                    int64_t ox0) const {
  SlabShape shape;
  if (pixel_ != op_.in.c) std::tie(shape.c0, shape.c1) = channels_of(share);
  shape.n = n;
  shape.y0 = oy0 * op_.sh - op_.top;
  shape.y1 = (oy1 - 1) * op_.sh + (op_.kh - 1) * op_.dh + 1 - op_.top;
  shape.x0 = ox0 * op_.sw + column0_;
  shape.x1 = shape.x0 + span_;
  return shape;
}

int64_t MatrixEmitter::slab_parts() const {
  if (sharing_) return kSlabParts;
  const bool handed = op_.in.stored->buffer.space == Buffer::Space::Dram;
  return context_.tiles() == 1 && handed ? kLonePieces : 1;
}

int64_t MatrixEmitter::slab_bytes(int64_t rows) const {
  if (in_place_) return 0;
  const int64_t lines = (rows - 1) * op_.sh + (op_.kh - 1) * op_.dh + 1;
  return round_up(lines * span_ * pixel_ + slack(), 64);
}

/// Bytes that steps may read behind the last line of a slab.
int64_t MatrixEmitter::slack() const {
  const int64_t width = std::min(op_.out.w, slab_columns());
  const int64_t behind = (span_ * ((op_.kh - 1) * op_.dh + 1) - (width - 1) * op_.sw) * pixel_;
  return std::max<int64_t>(0, plan_.end() + pixel_ - behind) + 32;
}

int64_t MatrixEmitter::out_bytes(int64_t rows, int64_t columns, int64_t blocks) const {
  if (op_.output->buffer.space == Buffer::Space::Home && columns == op_.out.w) return 0;
  return round_up(rows * columns * std::min(blocks * kColumns, op_.out.c) * element_bytes(), 64);
}

Tiling MatrixEmitter::choose_tiling(const Share& share, int64_t memory, bool weights_held) const {
  const int64_t rows = share.g1 - share.g0;
  const int64_t blocks = share.b1 - share.b0;
  Tiling tiling;
  // Columns: those that one slab's width holds.
  tiling.columns = std::min(op_.out.w, slab_columns() * (op_.reads_pairs ? 2 : 1));
  tiling.panel = blocks;
  tiling.steps = steps_;
  if (weights_held) {
    // Two chunks at a time where the share has more than one; a few where it is large.
    const auto bytes = [&](int64_t r) {
      return slab_bytes(r) + out_bytes(r, tiling.columns, tiling.panel);
    };
    int64_t chunks = std::clamp<int64_t>(bytes(rows) / 16384, 1, std::min<int64_t>(rows, 4));
    for (;; ++chunks) {
      tiling.rows = divide_up(rows, chunks);
      const int64_t copies = chunks == 1 ? 1 : 2;
      tiling.rewind = 2 * bytes(tiling.rows) > memory;
      if (copies * bytes(tiling.rows) <= memory) return tiling;
      if (tiling.rows == 1) break;
    }
    while (tiling.panel > 1 && bytes(1) + out_bytes(1, tiling.columns, tiling.panel) > memory) {
      tiling.panel = divide_up(tiling.panel, 2);
    }
    tiling.rows = 1;
    tiling.rewind = true;
    return tiling;
  }
  tiling.stream = true;
  tiling.rewind = true;
  // Two buffers of weights, two of output, the rest holds rows of input: as many as possible, since
  // the weights come again for every chunk. Then as many blocks a command as half of the
  // accumulators hold, then panels with long runs of memory.
  const int64_t all_steps = steps_ * kBlockBytes;
  if (2 * all_steps > memory * 3 / 5) tiling.steps = std::max<int64_t>(memory / 5 / kBlockBytes, 1);
  for (int64_t chunks = 1;; ++chunks) {
    tiling.rows = divide_up(rows, chunks);
    const int64_t pixels = std::min(kHalf, tiling.rows * tiling.columns);
    const int64_t most = tiling.steps < steps_ ? 1 : std::min(blocks, kHalf / pixels);
    for (tiling.group = most; tiling.group > 0; tiling.group /= 2) {
      const int64_t buffers =
          2 * (tiling.steps < steps_ ? tiling.steps * kBlockBytes : tiling.group * all_steps);
      if (buffers > memory * 3 / 5) continue;
      // Panels twice if they fit; long ones once rather than short ones.
      const int64_t left = memory - buffers - slab_bytes(tiling.rows);
      for (const int64_t shortest : {8, 4, 1}) {
        for (const int64_t copies : {2, 1}) {
          for (int64_t panel = 32; panel >= shortest; panel /= 2) {
            tiling.panel = std::max(std::min(panel, blocks), tiling.group);
            const int64_t bytes = out_bytes(tiling.rows, tiling.columns, tiling.panel);
            const bool fits = copies * bytes <= left;
            if (fits && (shortest > 1 || tiling.rows == 1)) return tiling;
          }
        }
      }
    }
    if (tiling.rows == 1) {
      const int64_t most = memory - 2 * tiling.steps * kBlockBytes;
      throw Error(kNoRoom, context_.node_name,
                  fmt::format("input and output of at most {} bytes for a line of outputs", most),
                  std::to_string(slab_bytes(1) + out_bytes(1, tiling.columns, 1)));
    }
  }
}

MatrixEmitter::Held MatrixEmitter::hold(unsigned tile, const Share& share) {
  const int64_t blocks = share.b1 - share.b0;
  const int64_t scales = scale_bytes(blocks);
  const int64_t weights = blocks * steps_ * kBlockBytes;
  const auto key = std::make_pair(share.b0, share.b1);
  if (packed_.find(key) == packed_.end()) {
    packed_[key] = context_.constant(
        memo_.packed(op_.weights, plan_, share.b0, share.b1, [&] { return pack(share); }));
  }
  const Address source = packed_[key];
  Held held;
  held.source = source + static_cast<Address>(scales);
  if (const uint32_t at = context_.resident(tile, source, scales + weights)) {
    held.bias = at;
    held.weights = at + static_cast<uint32_t>(scales);
  } else {
    const bool all = scales + weights <= context_.working_bytes() / 2;
    const int64_t bytes = all ? scales + weights : scales;
    if (bytes == 0) return held;
    held.block = context_.scratch_at_end(tile, bytes);
    held.bias = held.block.address();
    held.weights = all ? held.bias + static_cast<uint32_t>(scales) : 0;
    context_.load(tile, {Buffer::Space::Dram, source, nullptr}, 0, held.bias, bytes, {});
  }
  held.multipliers = held.bias + static_cast<uint32_t>(biased_ ? blocks * 64 : 0);
  held.zeros = held.bias + static_cast<uint32_t>(vector_bytes(blocks));
  return held;
}

void MatrixEmitter::matmul(unsigned tile, const KernelSegment& segment, bool first,
                           const Group& group, uint32_t weights, int64_t weight_nstride,
                           uint32_t act, int64_t row0, int64_t rows, int64_t width,
                           const Slab& slab, int64_t acc, uint32_t bias) {
  const int64_t b0 = group.b0, b1 = group.b1;
  // Rows are pixels row0 .. row0+rows of lines of `width` pixels, from `act` on.
  spec::MatmulCommand c;
  const int64_t pixel = op_.sw * pixel_;
  const int64_t line = op_.sh * slab.pitch;
  const int64_t y = row0 / width, x = row0 % width;
  c.act = act + static_cast<uint32_t>(y * line + x * pixel + segment.offset);
  c.act_signed = signed_x_;
  c.wgt_signed = signed_w_;
  c.row_mode = segment.mode;
  c.weight_mode = spec::WeightMode::Packed;
  c.init = !first ? spec::AccInit::Accumulate : biased_ ? spec::AccInit::Bias : spec::AccInit::Zero;
  c.run_stride = static_cast<int32_t>(segment.run_stride);
  c.len = static_cast<uint8_t>(segment.len);
  c.len_last = static_cast<uint8_t>(segment.len_last);
  if (rows <= width - x) {
    c.rcount0 = static_cast<uint16_t>(rows);
    c.rcount1 = 1;
  } else {
    c.rcount0 = static_cast<uint16_t>(width);
    c.rcount1 = static_cast<uint16_t>(rows / width);
  }
  c.rcount2 = 1;
  c.rstride0 = static_cast<int32_t>(pixel);
  c.rstride1 = static_cast<int32_t>(line);
  if (op_.reads_pairs) {
    // Lines are dense, and begin with a pair; so do commands.
    c.act = act + static_cast<uint32_t>(row0 / 2 * pixel_ + segment.offset);
    c.rcount0 = 2;
    c.rcount1 = static_cast<uint16_t>(rows / 2);
    c.rstride0 = kPairChannels;
    c.rstride1 = static_cast<int32_t>(pixel_);
  }
  c.ncount = static_cast<uint16_t>(b1 - b0);
  c.kcount0 = static_cast<uint16_t>(segment.count[0]);
  c.kcount1 = static_cast<uint16_t>(segment.count[1]);
  c.kcount2 = static_cast<uint16_t>(segment.count[2]);
  c.kstride0 = static_cast<int32_t>(segment.stride[0]);
  c.kstride1 = static_cast<int32_t>(segment.stride[1]);
  c.kstride2 = static_cast<int32_t>(segment.stride[2]);
  const int64_t channel0 = pixel_ == op_.in.c ? 0 : first_channel(shares_[tile].b0);
  c.act += static_cast<uint32_t>(first_channel(b0) - channel0);
  c.act_nstride = static_cast<int32_t>(b1 - b0 > 1 ? first_channel(b0 + 1) - first_channel(b0) : 0);
  c.wgt = weights;
  c.wgt_kstride = kBlockBytes;
  c.wgt_nstride = static_cast<int32_t>(b1 - b0 > 1 ? weight_nstride : 0);
  c.bias = first && biased_ ? bias : 0;
  c.acc = static_cast<uint16_t>(acc);
  c.acc_nstride = static_cast<uint16_t>(b1 - b0 > 1 ? rows : 0);
  if (ring_) ring_.mark(tile, group.shared, c.header);
  if (spread_in_ != nullptr) c.header.wait_mask |= tokens_for(tile, segment);
  context_.schedule.emit(tile, spec::Unit::Matrix, c);
}

/// Adds the row of zero points, one for all pixels, times the sums of the weights.
void MatrixEmitter::subtract_zero_point(unsigned tile, int64_t b0, int64_t b1, int64_t pixels,
                                        int64_t acc) {
  if (zero_step_ > 0) emit_zero(tile, b0, b1, pixels, acc, 0, 1);
  if (zero_repeats_ > 0) emit_zero(tile, b0, b1, pixels, acc, 1, zero_repeats_);
}

/// The zero point's block `block`, `steps` times.
void MatrixEmitter::emit_zero(unsigned tile, int64_t b0, int64_t b1, int64_t pixels, int64_t acc,
                              int64_t block, int64_t steps) {
  const Held& held = held_[tile];
  const int64_t stride = zero_blocks() * kBlockBytes;
  spec::MatmulCommand c;
  c.act = held.zero_row.address();
  c.act_signed = false;
  c.wgt_signed = true;
  c.row_mode = spec::RowMode::Run32;
  c.weight_mode = spec::WeightMode::Packed;
  c.init = spec::AccInit::Accumulate;
  c.len = c.len_last = static_cast<uint8_t>(kDepth);
  c.rcount0 = static_cast<uint16_t>(pixels);
  c.rcount1 = c.rcount2 = 1;
  c.ncount = static_cast<uint16_t>(b1 - b0);
  c.kcount0 = static_cast<uint16_t>(steps);
  c.kcount1 = c.kcount2 = 1;
  c.wgt =
      held.zeros + static_cast<uint32_t>((b0 - shares_[tile].b0) * stride + block * kBlockBytes);
  c.wgt_nstride = static_cast<int32_t>(b1 - b0 > 1 ? stride : 0);
  c.acc = static_cast<uint16_t>(acc);
  c.acc_nstride = static_cast<uint16_t>(b1 - b0 > 1 ? pixels : 0);
  context_.schedule.emit(tile, spec::Unit::Matrix, c);
}

/// Steps that use the first part of a long row which all tiles load from the host, whose link is
/// narrow: it is used while the rest comes. 0 when there is no such row. More commands cost more
/// than they save when another input fills the time.
int64_t MatrixEmitter::row_steps() const {
  const bool row = op_.in.n * op_.in.h * op_.in.w == 1 && pixel_ == op_.in.c;
  const bool alone = context_.tiles() == 1 || context_.in_flight() > 1;
  if (!row || in_place_ || alone || op_.in.stored->buffer.space != Buffer::Space::Input) return 0;
  return plan_.steps < kLongRow ? 0 : plan_.steps / kRowParts;
}

Slab MatrixEmitter::load_row(unsigned tile) {
  Slab slab;
  slab.pitch = op_.in.c;
  slab.block = context_.scratch(tile, op_.in.c + slack());
  slab.address = slab.block.address();
  const int64_t part = row_steps() * kDepth;
  const Buffer& row = op_.in.stored->buffer;
  context_.load(tile, row, 0, slab.address, part, {});
  context_.load(tile, row, part, slab.address + static_cast<uint32_t>(part), op_.in.c - part, {});
  return slab;
}

// ------------------------------------------------------------------------ rows that tiles push

/// Of every step, which tiles make what it reads.
void MatrixEmitter::find_sources() {
  sources_.assign(static_cast<std::size_t>(plan_.steps), 0);
  for (std::size_t lane = 0; lane < plan_.lanes->size(); ++lane) {
    const int32_t channel = (*plan_.lanes)[lane];
    for (const Home::Piece& piece : spread_in_->pieces) {
      if (channel >= piece.c0 && channel < piece.c1) sources_[lane / kDepth] |= 1u << piece.tile;
    }
  }
}

unsigned MatrixEmitter::sources_of(const KernelSegment& segment) const {
  unsigned sources = 0;
  for (int64_t step = 0; step < segment.steps(); ++step)
    sources |= sources_[static_cast<std::size_t>(segment.first_step + step)];
  return sources;
}

/// The steps in the order in which what they read comes: what the tile itself makes is there first,
/// and its weights are on their way while the others' pieces are on theirs.
std::vector<KernelSegment> MatrixEmitter::segments_by_source(unsigned tile) const {
  const unsigned tiles = context_.tiles();
  const auto distance = [&](const KernelSegment& step) {
    unsigned farthest = 0;
    for (unsigned t = 0; t < tiles; ++t) {
      if ((sources_of(step) >> t & 1) != 0)
        farthest = std::max(farthest, (tile + tiles - t) % tiles);
    }
    return farthest;
  };
  std::vector<KernelSegment> steps = cut(plan_.segments, 1);
  std::stable_sort(steps.begin(), steps.end(),
                   [&](const auto& a, const auto& b) { return distance(a) < distance(b); });
  return joined(steps, distance);
}

uint16_t MatrixEmitter::tokens_for(unsigned tile, const KernelSegment& segment) {
  uint16_t tokens = 0;
  for (unsigned t = 0; t < context_.tiles(); ++t) {
    if ((sources_of(segment) >> t & 1) != 0)
      tokens = static_cast<uint16_t>(tokens | context_.take(tile, *spread_in_, t));
  }
  return tokens;
}

// ------------------------------------------------------------------------- weights that are shared

/// Bytes a cycle that DRAM gives on the whole, and a link of the network.
constexpr double kDramRate = 22;
constexpr double kLinkRate = 28;
/// Bytes to DRAM that a run costs beside its own.
constexpr double kShortRun = 64;
/// Cycles between commands, and what each costs besides, about.
constexpr double kCommandCycles = 40;
constexpr double kCommandLoad = 3, kPagedCommand = 120;
/// How much of the time of a chunk's last groups hides the way of the next rows, with DRAM busy for
/// all tiles at once.
constexpr double kEdgeShare = 0.35;
/// Barriers and the like.
constexpr int64_t kOtherCommands = 48;

/// Whether the tiles do the same with the same weights, which don't stay: then they share them.
void MatrixEmitter::share_weights() {
  const Share& first = shares_[0];
  bool alike = context_.tiles() > 1 && op_.group == 1 && op_.out.n == 1;
  for (unsigned t = 0; t < context_.tiles(); ++t) {
    const Share& s = shares_[t];
    alike = alike && !s.empty() && s.b0 == first.b0 && s.b1 == first.b1 && held_[t].weights == 0;
  }
  if (!alike) return;
  const auto rows = [](const Share& share) { return share.g1 - share.g0; };
  const auto [least, most] =
      std::minmax_element(shares_.begin(), shares_.end(),
                          [&](const Share& a, const Share& b) { return rows(a) < rows(b); });
  if (context_.rolls() && can_roll())
    tiling_ = choose_rolling_tiling(*most, rows(*least), memory_for(0));
  if (!tiling_.rolling) tiling_ = choose_shared_tiling(*most, rows(*least), memory_for(0));
  if (tiling_.rows == 0 || tiling_.columns < op_.out.w) return;
  const std::vector<WeightRing::Group> groups = shared_groups(first);
  for (const Share& share : shares_) {
    if (shared_groups(share) != groups) return;
  }
  if (spread_ || !context_.begin_streams()) return;
  sharing_ = true;
  ring_.start(context_, tiling_.ring, held_[0].source, groups);
}

/// For the largest share the one that takes least time, of those that fit and cut the smallest
/// share, of `least_rows`, into as many chunks; no rows when none does.
Tiling MatrixEmitter::choose_shared_tiling(const Share& share, int64_t least_rows,
                                           int64_t memory) const {
  const int64_t rows = share.g1 - share.g0;
  const int64_t blocks = share.b1 - share.b0;
  memory += context_.program_bytes();
  Tiling best;
  best.rows = 0;
  double least = 0;
  Tiling tiling;
  tiling.stream = tiling.rewind = true;
  tiling.steps = steps_;
  tiling.columns = std::min(op_.out.w, slab_columns() * (op_.reads_pairs ? 2 : 1));
  const auto consider = [&] {
    const int64_t bytes =
        tiling.ring.rooms * tiling.group * steps_ * kBlockBytes + slab_bytes(tiling.rows) +
        2 * out_bytes(tiling.rows, tiling.columns, tiling.panel) +
        (context_.in_pages() ? context_.program_bytes()
                             : shared_commands(share, tiling) * int64_t{spec::CommandBytes});
    if (bytes > memory) return;
    const double cost = shared_cost(share, tiling);
    if (best.rows > 0 && cost >= least) return;
    best = tiling;
    least = cost;
  };
  for (int64_t chunks = 1; chunks <= rows; ++chunks) {
    if (divide_up(rows, chunks) == tiling.rows) continue;
    tiling.rows = divide_up(rows, chunks);
    if (divide_up(least_rows, tiling.rows) != divide_up(rows, tiling.rows)) continue;
    const int64_t most = kHalf / std::min(kHalf, tiling.rows * tiling.columns);
    for (tiling.group = std::min(blocks, most); tiling.group > 0; tiling.group /= 2) {
      for (const int64_t panel : {32, 16, 8, 4, 2, 1}) {
        tiling.panel = std::min(panel, blocks);
        if (tiling.panel < tiling.group) break;
        for (const int64_t stores : {1, 2, 4, 8}) {
          for (const int64_t rooms : {2, 3}) {
            for (const int64_t pieces : {1, 2, 4}) {
              tiling.stores = stores;
              tiling.ring = {rooms, pieces};
              consider();
            }
          }
        }
      }
    }
  }
  return best;
}

/// Parts of so many rows are tried: a block of weights is used for 8 at least.
constexpr int64_t kPartRows[] = {8, 10, 12, 16};
/// The next group comes in two pieces while one is used: with fewer it comes too late for the few
/// rows of the first steps and the last ones, with more the program grows.
constexpr WeightRing::Plan kRollingRing = {2, 2};
/// Chunks that rows which roll are cut into, at most.
constexpr int64_t kMostRollingChunks = 32;

/// Whether rows can come and go one by one.
bool MatrixEmitter::can_roll() const {
  const bool pointwise = op_.kh == 1 && op_.kw == 1 && op_.sh == 1 && op_.top == 0;
  return pointwise && op_.out.w == 1 && op_.in.w == 1 && !op_.reads_pairs && !in_place_ &&
         row_steps() == 0;
}

int64_t MatrixEmitter::sweep_length(const Share& share, const Tiling& tiling) const {
  const int64_t blocks = share.b1 - share.b0;
  return blocks / tiling.panel * divide_up(tiling.panel, tiling.group) +
         divide_up(blocks % tiling.panel, tiling.group);
}

/// Like choose_shared_tiling(), with rows that roll; `rolling` is empty when none fits.
Tiling MatrixEmitter::choose_rolling_tiling(const Share& share, int64_t least_rows,
                                            int64_t memory) const {
  const int64_t rows = share.g1 - share.g0;
  const int64_t blocks = share.b1 - share.b0;
  memory += context_.program_bytes();
  Tiling best, tiling;
  double least = 0;
  tiling.stream = tiling.rewind = true;
  tiling.steps = steps_;
  tiling.columns = 1;
  tiling.ring = kRollingRing;
  const auto consider = [&] {
    const int64_t bytes = tiling.ring.rooms * tiling.group * steps_ * kBlockBytes +
                          slab_bytes(tiling.rows) + 2 * out_bytes(tiling.rows, 1, tiling.panel) +
                          rolling_commands(share, tiling) * int64_t{spec::CommandBytes};
    const int64_t slots = tiling.rolling.slots;
    if (bytes > memory || slots < 2 || slots > sweep_length(share, tiling)) return;
    const double cost = rolling_cost(share, tiling);
    if (best.rolling && cost >= least) return;
    best = tiling;
    least = cost;
  };
  for (int64_t chunks = 1; chunks <= kMostRollingChunks; ++chunks) {
    tiling.rows = divide_up(rows, chunks);
    for (const int64_t part : kPartRows) {
      tiling.rolling = {chunks, tiling.rows / part};
      if (least_rows / chunks < tiling.rolling.slots) continue;
      for (tiling.group = std::min(blocks, kHalf / tiling.rows); tiling.group > 0;
           tiling.group /= 2) {
        for (const int64_t panel : {16, 8}) {
          tiling.panel = std::min(panel, blocks);
          if (tiling.panel >= tiling.group) consider();
        }
      }
    }
  }
  return best;
}

/// For the share, about.
int64_t MatrixEmitter::rolling_commands(const Share& share, const Tiling& tiling) const {
  const auto [chunks, slots] = tiling.rolling;
  const int64_t steps =
      RollingRows(share.g1 - share.g0, tiling.rolling, sweep_length(share, tiling)).steps();
  const int64_t products = parts_ * static_cast<int64_t>(plan_.segments.size()) + 1;
  // An empty slot parts the others.
  const int64_t runs = steps + (chunks - 1) * slots;
  const int64_t panels = divide_up(share.b1 - share.b0, tiling.panel);
  // A part that comes or goes within a panel is stored by itself.
  const int64_t stores = chunks * (panels + 2 * slots);
  return runs * products + steps * tiling.ring.pieces + chunks * slots + stores + kOtherCommands;
}

/// Cycles, about.
double MatrixEmitter::rolling_cost(const Share& share, const Tiling& tiling) const {
  const auto number = [](int64_t n) { return static_cast<double>(n); };
  const double tiles = context_.tiles();
  const int64_t sweep = sweep_length(share, tiling);
  const RollingRows rolling(share.g1 - share.g0, tiling.rolling, sweep);
  // Of DRAM: a group, a row of input for each tile, the results of a step.
  const double bytes = number(tiling.group * steps_ * kBlockBytes);
  const double group = bytes / kDramRate;
  const double row = tiles * number(op_.in.c) / kDramRate;
  const double run = number(std::min(tiling.panel * kColumns, op_.out.c) * element_bytes());
  const double results = tiles * number(tiling.rows * op_.out.c * element_bytes()) / kDramRate /
                         number(sweep) * (1 + kShortRun / run);
  const double way = group + (tiles - 1) * bytes / number(tiling.ring.pieces) / kLinkRate;
  double cycles = way;
  for (int64_t step = 0; step < rolling.steps(); ++step) {
    double products = 0, coming = 0;
    for (const RollingRows::Part& part : rolling.used(step))
      products += number(part.rows * tiling.group * steps_);
    for (const RollingRows::Part& part : rolling.coming(step)) coming += row * number(part.rows);
    // The next group comes behind rows, when a room is free.
    const double late = (way + coming) / number(tiling.ring.rooms - 1);
    cycles += std::max({products + kCommandCycles, group + coming + results, late});
  }
  return cycles + kCommandLoad * number(rolling_commands(share, tiling));
}

/// For the share, about.
int64_t MatrixEmitter::shared_commands(const Share& share, const Tiling& tiling) const {
  const int64_t chunks = divide_up(share.g1 - share.g0, tiling.rows);
  const int64_t blocks = share.b1 - share.b0;
  const int64_t lines = divide_up(tiling.rows * tiling.columns * tiling.group, kHalf);
  const int64_t products = parts_ * static_cast<int64_t>(plan_.segments.size()) + 1;
  const int64_t group = lines * products + tiling.ring.pieces;
  // In parts: the last groups of a chunk, and the first one.
  const int64_t parts = (edge_groups(tiling) + 1) * (kSlabParts - 1) * products;
  const int64_t chunk = divide_up(blocks, tiling.group) * group + kSlabParts +
                        divide_up(blocks, tiling.panel) * tiling.stores + parts;
  return chunks * chunk * 33 / 32 + kOtherCommands;
}

/// Cycles, about.
double MatrixEmitter::shared_cost(const Share& share, const Tiling& tiling) const {
  const auto number = [](int64_t n) { return static_cast<double>(n); };
  const double tiles = context_.tiles();
  const int64_t blocks = share.b1 - share.b0;
  const double chunks = number(divide_up(share.g1 - share.g0, tiling.rows));
  const double groups = number(divide_up(blocks, tiling.group));
  const double panels = number(divide_up(blocks, tiling.panel));
  const int64_t pixels = tiling.rows * tiling.columns;
  // Of all multipliers, of a group of weights, and of DRAM for all tiles.
  const double group = number(pixels * tiling.group * steps_) + kCommandCycles;
  const double rows = tiles * number(slab_bytes(tiling.rows)) / kDramRate;
  const double bytes = number(tiling.group * steps_ * kBlockBytes);
  const double results = tiles * number(pixels * op_.out.c * element_bytes()) / kDramRate;
  // A group's way round, the time that there is for it, and for results to be stored meanwhile.
  const double way =
      bytes / kDramRate + (tiles - 1) * bytes / number(tiling.ring.pieces) / kLinkRate;
  const double ahead = number(tiling.ring.rooms - 1) * group;
  const double late = std::max(way - ahead, 0.0);
  const double run = number(std::min(tiling.panel * kColumns, op_.out.c) * element_bytes());
  const double store = results / panels / number(tiling.stores) * (1 + kShortRun / run);
  const double held_up = std::max(store - std::max(ahead - way, 0.0), 0.0);
  const double steady = std::max(groups * (group + late) + panels * number(tiling.stores) * held_up,
                                 rows + groups * bytes / kDramRate + results);
  // Rows come while the last groups of the chunk before are used; the first ones, and the first
  // group, while all wait.
  const double edge = number(edge_groups(tiling)) * group;
  const double between = std::max(rows - kEdgeShare * edge, 0.0);
  // Of equals the one with fewer commands and longer runs.
  const double load = context_.in_pages() ? kPagedCommand : kCommandLoad;
  return chunks * steady + (chunks - 1) * between + rows + way +
         load * number(shared_commands(share, tiling)) + chunks * results * kShortRun / run;
}

/// All blocks, panel by panel, in groups of so many at most: [first, second).
std::vector<std::pair<int64_t, int64_t>> MatrixEmitter::sweep(const Share& share,
                                                              int64_t most) const {
  std::vector<std::pair<int64_t, int64_t>> groups;
  for (int64_t p0 = share.b0; p0 < share.b1; p0 += tiling_.panel) {
    const int64_t p1 = std::min(p0 + tiling_.panel, share.b1);
    for (int64_t b0 = p0; b0 < p1; b0 = groups.back().second)
      groups.emplace_back(b0, end_of_group(b0, p1, most));
  }
  return groups;
}

/// What a tile uses of the weights, one group after the other.
std::vector<WeightRing::Group> MatrixEmitter::shared_groups(const Share& share) const {
  std::vector<WeightRing::Group> groups;
  const int64_t block = steps_ * kBlockBytes;
  const auto add = [&](const std::pair<int64_t, int64_t>& blocks) {
    groups.push_back({(blocks.first - share.b0) * block, (blocks.second - blocks.first) * block});
  };
  if (tiling_.rolling) {
    const auto all = sweep(share, tiling_.group);
    const auto length = static_cast<int64_t>(all.size());
    const RollingRows rolling(share.g1 - share.g0, tiling_.rolling, length);
    for (int64_t step = 0; step < rolling.steps(); ++step)
      add(all[static_cast<std::size_t>(step % length)]);
    return groups;
  }
  for (int64_t g = share.g0, rows; g < share.g1; g += rows) {
    rows = chunk_rows(tiling_, share.g1 - g);
    for (const auto& blocks : sweep(share, command_blocks(tiling_, rows, op_.out.w))) add(blocks);
  }
  return groups;
}

/// Output pixels of one command: whole lines where a line fits. Few commands, but more than one,
/// so that one is drained while the next is summed.
int64_t MatrixEmitter::command_pixels(const Tiling& tiling, int64_t lines, int64_t width) const {
  if (width > kHalf) return kHalf;
  int64_t most = std::min(kHalf / width, lines);
  if (!tiling.stream && lines * width <= kHalf)
    most = std::max(divide_up(lines, 4), divide_up(32, width));
  most = std::min(most, lines);
  return divide_up(lines, divide_up(lines, most)) * width;
}

/// Blocks of output channels of one command.
int64_t MatrixEmitter::command_blocks(const Tiling& tiling, int64_t lines, int64_t width) const {
  const int64_t blocks =
      std::clamp<int64_t>(kHalf / command_pixels(tiling, lines, width), 1, tiling.panel);
  return tiling.stream ? std::min(blocks, tiling.group) : blocks;
}

int64_t MatrixEmitter::memory_for(unsigned tile) const {
  const Block& held = held_[tile].block;
  return context_.working_bytes() - (held ? held.bytes() : 0) - 1024;
}

void MatrixEmitter::drain(unsigned tile, const Share& share, int64_t b0, int64_t b1, int64_t pixels,
                          int64_t acc, uint32_t multipliers, int64_t pixel0, int64_t width,
                          const Rows& out) {
  spec::VectorCommand c;
  c.a_type = spec::Vtype::Acc;
  c.d_type = vector_type(op_.out.stored->type);
  c.op = spec::Vop::Mul;
  c.tail_dim = 3;
  c.lanes = static_cast<uint8_t>(kColumns);
  c.lanes_last =
      static_cast<uint8_t>(b1 == blocks_ ? op_.out.c - (blocks_ - 1) * kColumns : kColumns);
  c.a_base = static_cast<uint32_t>(acc);
  c.d_base =
      out.address + static_cast<uint32_t>(pixel0 / width * out.line + pixel0 % width * out.pixel);
  // Lines that follow one another are one.
  const bool lines = pixels > width && out.line != width * out.pixel;
  c.count0 = static_cast<uint16_t>(lines ? width : pixels);
  c.count1 = static_cast<uint16_t>(lines ? pixels / width : 1);
  c.count2 = 1;
  c.count3 = static_cast<uint16_t>(b1 - b0);
  c.a_stride0 = 1;
  c.a_stride1 = static_cast<int32_t>(lines ? width : 0);
  c.a_stride3 = static_cast<int32_t>(pixels);
  c.d_stride0 = static_cast<int32_t>(out.pixel);
  c.d_stride1 = static_cast<int32_t>(lines ? out.line : 0);
  c.d_stride3 = static_cast<int32_t>(kColumns * element_bytes());
  c.wcount0 = c.wcount1 = 1;
  c.s_vector = !uniform_;
  c.s = uniform_ ? float_bits(op_.multiplier.front())
                 : multipliers + static_cast<uint32_t>(64 * (b0 - share.b0));
  if (op_.output->type == DataType::S32) {
    c.op = spec::Vop::Move;
    c.s_vector = false;
    c.s = 0;
  } else if (op_.output->type == DataType::F32) {
    set_clip(c, op_.float_clamp);
  } else {
    set_codes(c, op_.y.zero_point, op_.clamp);
  }
  context_.schedule.emit(tile, spec::Unit::Vector, c);
}

/// The commands of a walk through the window, as far as all steps are not to be one.
std::vector<KernelSegment> MatrixEmitter::segments_for(unsigned tile, const Tiling& tiling) const {
  if (tiling.stream && tiling.steps < steps_) return cut(plan_.segments, tiling.steps);
  if (spread_in_ != nullptr) return segments_by_source(tile);
  if (row_steps() == 0) return plan_.segments;
  return joined(cut(plan_.segments, 1), [this](const KernelSegment& step) {
    return step.first_step >= row_steps() ? 1u : 0u;
  });
}

/// Pixels [pixel0, pixel0 + pixels) of the chunk, a group of blocks: sum and drain.
void MatrixEmitter::emit_rows(unsigned tile, const Share& share, const Tiling& tiling,
                              const Group& group, int64_t pixel0, int64_t pixels, int64_t width,
                              const Slab& slab, const Rows& out) {
  const Held& held = held_[tile];
  const int64_t b0 = group.b0, b1 = group.b1;
  const int64_t acc = context_.next_half(tile) * kHalf;
  const uint32_t bias = held.bias + static_cast<uint32_t>(64 * (b0 - share.b0));
  bool first = true;
  const bool pieces = tiling.stream && tiling.steps < steps_;
  for (int64_t part = 0; part < parts_; ++part) {
    for (const KernelSegment& segment : segments_for(tile, tiling)) {
      const int64_t step = part * plan_.steps + segment.first_step;
      Block piece;
      uint32_t at = group.weights + static_cast<uint32_t>(step * kBlockBytes);
      if (pieces) {
        const int64_t bytes = segment.steps() * kBlockBytes;
        piece = context_.scratch(tile, bytes);
        at = piece.address();
        context_.load(tile, {Buffer::Space::Dram, held.source, nullptr},
                      ((b0 - share.b0) * steps_ + step) * kBlockBytes, at, bytes, {});
      }
      matmul(tile, segment, first, group, at, steps_ * kBlockBytes, slab.address, pixel0, pixels,
             width, slab, acc, bias);
      first = false;
    }
  }
  subtract_zero_point(tile, b0, b1, pixels, acc);
  drain(tile, share, b0, b1, pixels, acc, held.multipliers, pixel0, width, out);
}

/// Behind the last block of a group that begins with b0, of a panel that ends with p1.
int64_t MatrixEmitter::end_of_group(int64_t b0, int64_t p1, int64_t most) const {
  int64_t b1 = std::min(b0 + most, p1);
  // Blocks of one command start at evenly spaced input channels.
  while (b1 - b0 > 2 && [&] {
    const int64_t step = first_channel(b0 + 1) - first_channel(b0);
    for (int64_t b = b0 + 1; b < b1; ++b) {
      if (first_channel(b) - first_channel(b - 1) != step) return true;
    }
    return false;
  }()) {
    --b1;
  }
  return b1;
}

/// The groups of a panel, those together whose rows are used part by part.
std::vector<std::vector<Group>> MatrixEmitter::batches(const Share& share, int64_t p0, int64_t p1,
                                                       int64_t most, int64_t pixels,
                                                       int64_t width) const {
  std::vector<std::vector<Group>> all;
  for (int64_t b0 = p0; b0 < p1;) {
    Group group;
    group.b0 = b0;
    group.b1 = b0 = end_of_group(b0, p1, most);
    all.emplace_back();
    all.back().push_back(std::move(group));
  }
  if (p1 < share.b1 || !is_cut(pixels, width)) return all;
  const auto edge = static_cast<std::size_t>(edge_groups(tiling_));
  std::vector<Group>& last = all[all.size() - std::min(edge, all.size())];
  while (&all.back() != &last) {
    last.insert(last.begin() + 1, std::move(all.back().front()));
    all.pop_back();
  }
  return all;
}

/// Whether the rows of a chunk come and go in parts.
bool MatrixEmitter::is_cut(int64_t pixels, int64_t width) const {
  return sharing_ && width == 1 && pixels >= 16 * kSlabParts;
}

void MatrixEmitter::get_weights(unsigned tile, const Share& share, const Tiling& tiling,
                                int64_t commands, Group& group) {
  const Held& held = held_[tile];
  const int64_t offset = (group.b0 - share.b0) * steps_ * kBlockBytes;
  if (held.weights != 0) {
    group.weights = held.weights + static_cast<uint32_t>(offset);
  } else if (ring_) {
    group.shared = ring_.use(tile, commands);
    group.weights = ring_.address(tile, group.shared);
  } else if (tiling.steps >= steps_) {
    const int64_t bytes = (group.b1 - group.b0) * steps_ * kBlockBytes;
    group.loaded = context_.scratch(tile, bytes);
    group.weights = group.loaded.address();
    context_.load(tile, {Buffer::Space::Dram, held.source, nullptr}, offset, group.weights, bytes,
                  {});
  }
}

void MatrixEmitter::emit_chunk(unsigned tile, const Share& share, const Tiling& tiling, int64_t n,
                               int64_t oy0, int64_t oy1, int64_t ox0, int64_t ox1) {
  const int64_t width = ox1 - ox0;
  const int64_t height = oy1 - oy0;
  const int64_t pixels = height * width;
  if (tiling.rewind) context_.rewind(tile);
  const SlabShape shape = slab_shape(share, n, oy0, oy1, ox0);
  Slab slab;
  if (spread_in_ != nullptr) {
    slab.address = spread_in_->pieces[tile].block.address();
    slab.pitch = op_.in.c;
  } else if (in_place_) {
    slab = slab_in_place(tile, op_.in, shape);
  } else if (row_steps() > 0) {
    slab = load_row(tile);
  } else {
    slab = load_slab(context_, tile, op_.in, shape, byte_pattern(op_.x.zero_point), slack(),
                     slab_parts());
  }
  // Commands take whole lines, or pieces of one.
  const int64_t rows = command_pixels(tiling, height, width);
  const int64_t most_blocks = command_blocks(tiling, height, width);
  for (int64_t p0 = share.b0; p0 < share.b1; p0 += tiling.panel) {
    const int64_t p1 = std::min(p0 + tiling.panel, share.b1);
    const int64_t channel0 = p0 * kColumns;
    const int64_t channels = std::min(p1 * kColumns, op_.out.c) - channel0;
    // Whole lines of a value that stays here are written where they stay.
    const Home::Piece* home = width == op_.out.w ? output_piece(tile) : nullptr;
    Block block;
    if (home == nullptr) block = context_.scratch(tile, pixels * channels * element_bytes());
    const Rows out = home == nullptr ? Rows{block.address(), channels * element_bytes(),
                                            width * channels * element_bytes()}
                                     : rows_at_home(*home, n * op_.out.h + oy0, channel0);
    for (auto& batch : batches(share, p0, p1, most_blocks, pixels, width)) {
      const bool edge = batch.front().b0 == share.b0 || batch.back().b1 == share.b1;
      const int64_t part = edge && is_cut(pixels, width) ? divide_up(pixels, kSlabParts) : rows;
      // A line longer than a command, or as many lines as fit.
      const int64_t lines = width <= kHalf ? part / width : 1;
      const int64_t times = divide_up(height, lines) * divide_up(width, kHalf);
      if (ring_) ring_.fetch_ahead(tile);
      for (Group& group : batch) {
        const auto segments = static_cast<int64_t>(plan_.segments.size());
        get_weights(tile, share, tiling, times * parts_ * segments, group);
      }
      if (!late_stores_.empty()) emit_late_store();
      for (int64_t y = 0; y < height; y += lines) {
        for (int64_t x = 0; x < (width <= kHalf ? 1 : width); x += kHalf) {
          const int64_t count =
              width <= kHalf ? std::min(lines, height - y) * width : std::min(kHalf, width - x);
          for (const Group& group : batch) {
            Rows to = out;
            to.address += static_cast<uint32_t>((group.b0 * kColumns - channel0) * element_bytes());
            emit_rows(tile, share, tiling, group, y * width + x, count, width, slab, to);
          }
        }
      }
      for (Group& group : batch) group.loaded.release();
    }
    if (home != nullptr) continue;
    const int64_t pixel = op_.out.c * element_bytes();
    const int64_t offset =
        ((n * op_.out.h + oy0) * op_.out.w + ox0) * pixel + channel0 * element_bytes();
    store_panel(tile, std::move(block), offset, height, width, channels * element_bytes(),
                std::min(tiling.stores, divide_up(p1 - p0, most_blocks)));
  }
}

/// The lines of a panel. Where tiles hand on weights, in pieces that are emitted one by one behind
/// what follows, so that the weights don't wait for all of them.
void MatrixEmitter::store_panel(unsigned tile, Block block, int64_t offset, int64_t height,
                                int64_t width, int64_t run, int64_t pieces) {
  const int64_t pixel = op_.out.c * element_bytes();
  const auto panel = std::make_shared<Block>(std::move(block));
  for (int64_t piece = 0; piece < pieces; ++piece) {
    const auto [first, last] = compile::share(height, piece, pieces);
    const int64_t to = offset + first * op_.out.w * pixel;
    const int64_t from = first * width * run;
    late_stores_.push_back([=, lines = last - first] {
      context_.store(tile, op_.out.stored->buffer, to,
                     panel->address() + static_cast<uint32_t>(from), run,
                     {{width, pixel, run}, {lines, op_.out.w * pixel, width * run}});
    });
  }
  while (!ring_ && !late_stores_.empty()) emit_late_store();
}

void MatrixEmitter::emit_late_store() {
  late_stores_.front()();
  late_stores_.pop_front();
}

/// A step of the parts that are there.
void MatrixEmitter::use_rolling(unsigned tile, const Share& share, const Rolling& rolling,
                                int64_t step, Group& group, const Panel& panel) {
  const Home::Piece* home = output_piece(tile);
  // Parts side by side are one command, if their output lies side by side, too.
  std::vector<RollingRows::Part> runs;
  for (const RollingRows::Part& part : rolling.rows.used(step)) {
    const bool joins = !runs.empty() && runs.back().place + runs.back().rows == part.place &&
                       (home == nullptr || runs.back().row + runs.back().rows == part.row);
    if (joins) {
      runs.back().rows += part.rows;
    } else {
      runs.push_back(part);
    }
  }
  const auto commands = static_cast<int64_t>(runs.size() * plan_.segments.size()) * parts_;
  get_weights(tile, share, tiling_, commands, group);
  for (const RollingRows::Part& run : runs) {
    Slab rows;
    rows.pitch = rolling.slab.pitch;
    rows.address = rolling.slab.address + static_cast<uint32_t>(run.place * rows.pitch);
    const int64_t at = run.place * panel.pitch + (group.b0 - panel.b0) * kColumns * element_bytes();
    const Rows out =
        home != nullptr ? rows_at_home(*home, share.g0 + run.row, group.b0 * kColumns)
                        : Rows{panel.address + static_cast<uint32_t>(at), panel.pitch, panel.pitch};
    emit_rows(tile, share, tiling_, group, 0, run.rows, 1, rows, out);
  }
}

/// Rows that follow one another, with the same blocks, are one store.
void MatrixEmitter::store_rolling(unsigned tile, const Share& share,
                                  const std::vector<Finished>& finished) {
  std::vector<Finished> stores;
  for (const Finished& next : finished) {
    const bool joins = !stores.empty() && stores.back().b0 == next.b0 &&
                       stores.back().row + stores.back().rows == next.row;
    if (joins) {
      stores.back().rows += next.rows;
    } else {
      stores.push_back(next);
    }
  }
  const int64_t row = op_.out.c * element_bytes();
  for (const Finished& one : stores) {
    const int64_t first = one.b0 * kColumns * element_bytes();
    const int64_t run = std::min(one.b1 * kColumns, op_.out.c) * element_bytes() - first;
    const int64_t to = (share.g0 + one.row) * row + first;
    late_stores_.push_back([=] {
      context_.store(tile, op_.out.stored->buffer, to, one.address, run,
                     {{one.rows, row, one.pitch}});
    });
  }
}

/// The stores of finished output that is due ahead of a step's products, `recent` of them of the
/// last panel. The tile that loads the next step's group hands it on first of all, and the one
/// behind that to nobody: for a step others don't wait for its store unit.
void MatrixEmitter::emit_rolling_stores(unsigned tile, int64_t step, bool new_panel,
                                        std::size_t recent) {
  const bool turn = (step + 1) % context_.tiles() == tile;
  // A new panel's output goes where that of the panel before the last one was.
  const std::size_t may_wait = turn ? 0 : new_panel ? recent : late_stores_.size();
  while (late_stores_.size() > may_wait) emit_late_store();
}

MatrixEmitter::Rolling MatrixEmitter::start_rolling(unsigned tile, const Share& share) {
  auto groups = sweep(share, tiling_.group);
  const auto length = static_cast<int64_t>(groups.size());
  Rolling rolling{RollingRows(share.g1 - share.g0, tiling_.rolling, length), std::move(groups)};
  rolling.begins.resize(static_cast<std::size_t>(tiling_.rolling.slots));
  rolling.slab.pitch = op_.in.c;
  context_.rewind(tile);
  const int64_t held = rolling.rows.held();
  rolling.slab.block = context_.scratch(tile, held * rolling.slab.pitch + slack());
  rolling.slab.address = rolling.slab.block.address();
  for (Block& panel : rolling.panels) {
    if (output_piece(tile) == nullptr)
      panel = context_.scratch(tile, out_bytes(held, 1, tiling_.panel));
  }
  return rolling;
}

/// Parts that begin to come.
void MatrixEmitter::load_rolling(unsigned tile, const Share& share, const Rolling& rolling,
                                 int64_t step) {
  const int64_t pitch = rolling.slab.pitch;
  for (const RollingRows::Part& part : rolling.rows.coming(step)) {
    context_.load(tile, op_.in.stored->buffer, (share.g0 + part.row) * pitch,
                  rolling.slab.address + static_cast<uint32_t>(part.place * pitch),
                  part.rows * pitch, {});
  }
}

/// Output is finished where a panel ends, and where a part leaves.
std::vector<Finished> MatrixEmitter::finish_rolling(Rolling& rolling, int64_t step,
                                                    const Group& group, const Panel& panel) const {
  std::vector<Finished> finished;
  for (const RollingRows::Part& part : rolling.rows.used(step)) {
    int64_t& begin = rolling.begins[static_cast<std::size_t>(part.slot)];
    if (step == part.enters || group.b0 == panel.b0) begin = group.b0;
    if (group.b1 != panel.b1 && step + 1 != part.leaves) continue;
    const int64_t at = part.place * panel.pitch + (begin - panel.b0) * kColumns * element_bytes();
    finished.push_back({part.row, part.rows, begin, group.b1,
                        panel.address + static_cast<uint32_t>(at), panel.pitch});
  }
  return finished;
}

void MatrixEmitter::emit_rolling(unsigned tile, const Share& share) {
  Rolling rolling = start_rolling(tile, share);
  const bool stays = output_piece(tile) != nullptr;
  std::size_t turn = 0, recent = 0;  // panel, and its stores
  for (int64_t step = 0; step < rolling.rows.steps(); ++step) {
    Group group;
    const auto index = static_cast<std::size_t>(step) % rolling.groups.size();
    std::tie(group.b0, group.b1) = rolling.groups[index];
    Panel panel;
    panel.b0 = group.b0 - (group.b0 - share.b0) % tiling_.panel;
    panel.b1 = std::min(panel.b0 + tiling_.panel, share.b1);
    panel.pitch =
        (std::min(panel.b1 * kColumns, op_.out.c) - panel.b0 * kColumns) * element_bytes();
    ring_.fetch_ahead(tile);
    load_rolling(tile, share, rolling, step);
    emit_rolling_stores(tile, step, group.b0 == panel.b0, recent);
    if (group.b0 == panel.b0) {
      turn = 1 - turn;
      recent = 0;
    }
    panel.address = rolling.panels[turn].address();
    use_rolling(tile, share, rolling, step, group, panel);
    if (stays) continue;
    const std::size_t before = late_stores_.size();
    store_rolling(tile, share, finish_rolling(rolling, step, group, panel));
    recent += late_stores_.size() - before;
  }
  while (!late_stores_.empty()) emit_late_store();
}

void MatrixEmitter::emit_tile(unsigned tile, const Share& share) {
  if (sharing_ && tiling_.rolling) return emit_rolling(tile, share);
  const Held& held = held_[tile];
  const Tiling tiling = ring_ ? tiling_ : choose_tiling(share, memory_for(tile), held.weights != 0);
  if (ring_) ring_.fetch_ahead(tile);  // before the rows, which take longer
  for (int64_t g = share.g0; g < share.g1;) {
    const int64_t n = g / op_.out.h;
    const int64_t oy0 = g % op_.out.h;
    // The rest of this image in even chunks.
    const int64_t left = std::min(op_.out.h - oy0, share.g1 - g);
    const int64_t rows = chunk_rows(tiling, left);
    for (int64_t ox = 0; ox < op_.out.w; ox += tiling.columns) {
      emit_chunk(tile, share, tiling, n, oy0, oy0 + rows, ox,
                 std::min(ox + tiling.columns, op_.out.w));
    }
    g += rows;
  }
  while (!late_stores_.empty()) emit_late_store();
}

const Home::Piece* MatrixEmitter::output_piece(unsigned tile) const {
  const Buffer& buffer = op_.output->buffer;
  return buffer.space == Buffer::Space::Home ? buffer.home->of(tile) : nullptr;
}

/// From an output line on; homes are of bytes.
Rows MatrixEmitter::rows_at_home(const Home::Piece& piece, int64_t line, int64_t channel) const {
  const Home& home = *op_.output->buffer.home;
  const int64_t pixels = op_.out.w * joined_;
  const int64_t pitch = (home.border ? home.border.padded_line() : pixels) * piece.columns();
  return {piece.address() +
              static_cast<uint32_t>(home.offset(piece, line * pixels) + channel - piece.c0),
          piece.columns() * joined_, pitch};
}

bool MatrixEmitter::all_slabs(bool (*is)(unsigned, const Image&, const SlabShape&)) const {
  for (unsigned t = 0; t < context_.tiles(); ++t) {
    const Share& share = shares_[t];
    for (int64_t g = share.g0; g < share.g1 && share.b0 < share.b1;) {
      const int64_t oy0 = g % op_.out.h;
      const int64_t rows = std::min(op_.out.h - oy0, share.g1 - g);
      if (!is(t, op_.in, slab_shape(share, g / op_.out.h, oy0, oy0 + rows, 0))) return false;
      g += rows;
    }
  }
  return true;
}

void MatrixEmitter::emit() {
  signed_x_ = op_.in.stored->type == DataType::S8;
  if (op_.reads_pairs) {
    op_.in.w /= 2;
    op_.in.c *= 2;
  }
  flatten();
  pixel_ = op_.in.c;
  join_pixels();
  plan(op_.out.n * op_.out.h * op_.out.w / context_.tiles());
  if (op_.x_zero != nullptr) op_.x.zero_point = highest_of(op_.in.stored->type);
  split_weights();
  steps_ = plan_.steps * parts_;
  if (op_.division != nullptr) shares_ = *op_.division;
  if (shares_.empty()) partition();
  if (op_.division != nullptr) *op_.division = shares_;
  plan_shares();
  held_.resize(context_.tiles());
  Home* home = op_.in.stored->buffer.home.get();
  if (home != nullptr && home->spread) spread_in_ = home;
  if (spread_in_ != nullptr) find_sources();
  in_place_ = spread_in_ != nullptr || all_slabs(lies_in_place);
  std::vector<const Stored*> inputs = {op_.in.stored};
  if (spread_in_ != nullptr || (all_slabs(is_held) && home->direct)) inputs.clear();
  if (op_.x_zero != nullptr) inputs.push_back(op_.x_zero);
  context_.begin(inputs, [&] {
    for (unsigned t = 0; t < context_.tiles(); ++t) {
      if (!shares_[t].empty()) held_[t] = hold(t, shares_[t]);
    }
  });
  for (unsigned t = 0; t < context_.tiles() && zero_step_ > 0; ++t) {
    if (shares_[t].empty()) continue;
    held_[t].zero_row = context_.scratch_at_end(t, kDepth);
    spread_zero_point(context_, t, *op_.x_zero, held_[t].zero_row.address(), kDepth);
  }
  place_output();
  share_weights();
  for (unsigned t = 0; t < context_.tiles() && in_place_; ++t) {
    const Share& share = shares_[t];
    if (share.empty() || spread_in_ != nullptr) continue;
    load_neighbours(context_, t, op_.in, slab_shape(share, 0, share.g0, share.g1, 0));
  }
  for (unsigned t = 0; t < context_.tiles(); ++t) {
    if (!shares_[t].empty()) {
      emit_tile(t, shares_[t]);
    } else if (spread_in_ != nullptr) {
      context_.pass_over(t, *spread_in_);
    }
    if (spread_) context_.push(t, *op_.output->buffer.home);
  }
  if (op_.output->buffer.home != nullptr && !spread_) {
    op_.output->buffer.home->direct = op_.reads_pairs || op_.out.w <= slab_columns();
  }
  op_.output->epoch = context_.epoch();
}

}  // namespace

void emit_matrix(Context& context, MatrixMemo& memo, const MatrixOperator& op) {
  MatrixEmitter(context, memo, op).emit();
}

}  // namespace systole::compile
