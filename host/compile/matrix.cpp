#include "host/compile/matrix_emitter.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <memory>
#include <tuple>

#include "host/command/error.hpp"

namespace systole::compile {
namespace {

constexpr int64_t kMostOfBlock = kDepth * 127;  // that a block adds to a column, times bytes
constexpr int64_t kLonePieces = 4;  // of a slab that a lone tile, which has no other, waits for
constexpr int64_t kLongRow = 16;    // steps that use a row which is loaded in two parts
constexpr int64_t kRowParts = 4;    // one of these, and the rest

/// Weights that a tile streams, at most, to share them: each 32 KiB take some commands.
constexpr double kMostShared = 6.0 * 1024 * 1024;

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

int32_t part_of(int32_t value, int64_t part) {
  for (int64_t p = 0; p < part; ++p) value -= std::clamp(value, -128, 127);
  return std::clamp(value, -128, 127);
}

/// Column n of a block of weights whose lanes add up to `sum`.
void put_sum(uint8_t* block, int64_t n, int64_t sum) {
  for (int64_t lane = 0; lane < kDepth; ++lane) {
    const int64_t value = std::clamp<int64_t>(sum, -127, 127);
    sum -= value;
    block[lane * kColumns + n] = static_cast<uint8_t>(value);
  }
}

}  // namespace

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

// --------------------------------------------------------------------------------------- places

const Home::Piece* MatrixEmitter::output_piece(unsigned tile) const {
  const Buffer& buffer = op_.output->buffer;
  return buffer.space == Buffer::Space::Home ? buffer.home->of(tile) : nullptr;
}

/// From an output line on; homes are of bytes.
MatrixEmitter::Rows MatrixEmitter::rows_at_home(const Home::Piece& piece, int64_t line,
                                                int64_t channel) const {
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

void emit_matrix(Context& context, MatrixMemo& memo, const MatrixOperator& op) {
  MatrixEmitter(context, memo, op).emit();
}

}  // namespace systole::compile
