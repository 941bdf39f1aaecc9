#include "host/compile/long_rows.hpp"

#include <algorithm>
#include <cstring>
#include <limits>

#include "host/command/error.hpp"
#include "host/compile/elementwise.hpp"
#include "host/golden/real.hpp"

namespace systole::compile {
namespace {

using spec::Vact;
using spec::VectorCommand;
using spec::Vop;
using spec::Vreduce;
using spec::Vtype;

/// Pieces of a row in memory at a time, so that loads run ahead.
constexpr int64_t kCopies = 3;
/// Indices of ArgMax are whole numbers in binary32, and so is what sets the largest apart.
constexpr int64_t kMaxArgMax = int64_t{1} << 24;

/// A piece of a row (or of some rows, column by column) as binary32. A group before it has room for
/// what the pieces before it came to, so that additions go on from there.
struct Piece {
  Block block, codes;
  uint32_t numbers = 0;
  int64_t count = 0;
};

class LongRowEmitter {
 public:
  LongRowEmitter(Context& context, const RowOperator& op)
      : context_(context),
        op_(op),
        rows_(op.in->shape[0]),
        width_(op.in->shape[1]),
        in_type_(vector_type(op.in->type)),
        in_bytes_(op.in->element_bytes()),
        out_bytes_(op.output->element_bytes()),
        is_float_(op.output->type == DataType::F32) {}
  void emit();

 private:
  bool is_softmax() const { return op_.kind == RowOperator::Kind::Softmax; }
  bool is_arg_max() const { return op_.kind == RowOperator::Kind::ArgMax; }
  int64_t piece_elements() const;
  void allocate();
  void emit_row(int64_t row);
  void emit_columns(int64_t row, int64_t rows);
  void softmax(int64_t row);
  void arg_max(int64_t row);
  void mean_of_packets(int64_t row);
  void finish_mean(int64_t row, int64_t rows);

  template <typename Body>
  void for_pieces(int64_t elements, int64_t unit, Body body) const;
  Piece load(int64_t offset, int64_t run, int64_t columns, float scale) const;
  Piece load_row(int64_t row, int64_t first, int64_t count, float scale) const {
    return load(row * width_ + first, count, 1, scale);
  }
  void begin_sum() { begun_ = false; }
  void accumulate(uint32_t numbers, int64_t lanes, int64_t groups, Vreduce reduce);
  void accumulate_row(const Piece& piece, Vreduce reduce);
  void spread(float factor, Vact act, uint32_t to) const;
  void power_below(const Piece& piece) const;
  void clip_infinite(const Piece& piece) const;
  void fold(uint32_t from, int64_t lanes, int64_t groups, int64_t results, Vreduce reduce,
            uint32_t to) const;
  void add(uint32_t b, int64_t lanes, Vop op = Vop::Fma) const;
  float mean_scale() const { return in_type_ == Vtype::F32 ? 1.0f : op_.x.scale; }
  void emit(const VectorCommand& c) const { context_.schedule.emit(tile_, spec::Unit::Vector, c); }

  Context& context_;
  RowOperator op_;
  int64_t rows_, width_;
  Vtype in_type_;
  int64_t in_bytes_, out_bytes_;
  bool is_float_;
  unsigned tile_ = 0;
  Address indices_ = 0;  // ArgMax: 0, 1, 2, ... as binary32, of a piece
  // Of the tile: what came of the pieces so far; a row's number, 16 copies of it; ArgMax's indices.
  Block running_, highest_, inverse_, index_block_;
  bool begun_ = false;  // something is in running_
};

int64_t LongRowEmitter::piece_elements() const {
  const int64_t fixed = 4 * 256 + (kCopies + 1) * 4 * 64;  // and what allocations are rounded by
  const int64_t each = 4 + (in_type_ == Vtype::F32 ? 0 : 1) + (is_softmax() && !is_float_ ? 1 : 0);
  // Indices lie beside the pieces.
  const int64_t all = kCopies * each + (is_arg_max() ? 4 : 0);
  const int64_t most = (context_.working_bytes() - fixed) / all / 64 * 64;
  if (most <= 0) throw Error(kNoRoom, context_.node_name);
  return most;
}

/// Calls body(first, count) for pieces of `elements`, multiples of `unit` but the last one.
template <typename Body>
void LongRowEmitter::for_pieces(int64_t elements, int64_t unit, Body body) const {
  const int64_t most = std::min(piece_elements(), kMaxCount - 1) / unit * unit;
  for (int64_t first = 0; first < elements; first += most)
    body(first, std::min(most, elements - first));
}

/// `columns` runs of elements, a row's length apart where they are columns, times `scale`.
Piece LongRowEmitter::load(int64_t offset, int64_t run, int64_t columns, float scale) const {
  Piece piece;
  piece.count = run * columns;
  piece.block = context_.scratch(tile_, kVectorBytes + round_up(4 * piece.count, kVectorBytes));
  piece.numbers = piece.block.address() + static_cast<uint32_t>(kVectorBytes);
  uint32_t to = piece.numbers;
  if (in_type_ != Vtype::F32) {
    piece.codes = context_.scratch(tile_, piece.count);
    to = piece.codes.address();
  }
  context_.load(tile_, op_.in->buffer, offset * in_bytes_, to, run * in_bytes_,
                {{columns, rows_ * in_bytes_, run * in_bytes_}});
  if (in_type_ == Vtype::F32) return piece;
  VectorCommand c;
  c.op = Vop::Mul;
  c.s = float_bits(scale);
  c.a_type = in_type_;
  c.a_zp = static_cast<int16_t>(op_.x.zero_point);
  emit(flat(c, to, piece.numbers, Vtype::F32, piece.count));
  return piece;
}

/// `results` times: `groups` groups of `lanes` numbers to one, group after group.
void LongRowEmitter::fold(uint32_t from, int64_t lanes, int64_t groups, int64_t results,
                          Vreduce reduce, uint32_t to) const {
  VectorCommand c;
  c.a_type = c.d_type = Vtype::F32;
  c.op = Vop::Mul;
  c.s = float_bits(1.0f);
  c.reduce = reduce;
  c.lanes = c.lanes_last = static_cast<uint8_t>(lanes);
  c.count0 = static_cast<uint16_t>(results);
  c.count1 = c.count2 = c.count3 = 1;
  c.a_base = from;
  c.a_stride0 = static_cast<int32_t>(4 * lanes * groups);
  c.d_base = to;
  c.d_stride0 = static_cast<int32_t>(4 * lanes);
  c.wcount0 = static_cast<uint16_t>(groups);
  c.wcount1 = 1;
  c.a_wstride0 = static_cast<int32_t>(4 * lanes);
  emit(c);
}

/// To running_ comes what it held and `groups` groups of numbers, which have room for one more
/// before them.
void LongRowEmitter::accumulate(uint32_t numbers, int64_t lanes, int64_t groups, Vreduce reduce) {
  if (begun_) {
    numbers -= static_cast<uint32_t>(4 * lanes);
    VectorCommand c;
    c.op = Vop::Move;
    emit(flat(c, running_.address(), numbers, Vtype::F32, lanes));
    ++groups;
  }
  fold(numbers, lanes, groups, 1, reduce, running_.address());
  begun_ = true;
}

/// Elements 16 apart together; the last ones go to the first lanes.
void LongRowEmitter::accumulate_row(const Piece& piece, Vreduce reduce) {
  const int64_t whole = piece.count / kLanes, rest = piece.count % kLanes;
  if (whole > 0) accumulate(piece.numbers, kLanes, whole, reduce);
  const auto behind = piece.numbers + static_cast<uint32_t>(whole * kVectorBytes);
  if (rest > 0) add(behind, rest, reduce == Vreduce::Max ? Vop::Max : Vop::Fma);
}

/// `lanes` numbers to those in running_.
void LongRowEmitter::add(uint32_t b, int64_t lanes, Vop op) const {
  VectorCommand c;
  c.op = op;
  c.s = c.t = float_bits(1.0f);
  c.c = float_bits(-0.0f);
  c.b_type = Vtype::F32;
  c.b_base = b;
  emit(flat(c, running_.address(), running_.address(), Vtype::F32, lanes));
}

/// 16 copies of the first number in running_, times `factor` and through `act`.
void LongRowEmitter::spread(float factor, Vact act, uint32_t to) const {
  VectorCommand c;
  c.a_type = c.d_type = Vtype::F32;
  c.op = Vop::Mul;
  c.s = float_bits(factor);
  c.act = act;
  c.lanes = c.lanes_last = 1;
  c.count0 = static_cast<uint16_t>(kLanes);
  c.count1 = c.count2 = c.count3 = 1;
  c.a_base = running_.address();
  c.d_base = to;
  c.d_stride0 = 4;
  c.wcount0 = c.wcount1 = 1;
  emit(c);
}

void LongRowEmitter::clip_infinite(const Piece& piece) const {
  constexpr float kLargest = std::numeric_limits<float>::max();
  if (in_type_ != Vtype::F32) return;
  VectorCommand c;
  c.op = Vop::Mul;
  c.s = float_bits(1.0f);
  set_clip(c, {-kLargest, kLargest});
  emit(flat(c, piece.numbers, piece.numbers, Vtype::F32, piece.count));
}

/// x - max, to the power.
void LongRowEmitter::power_below(const Piece& piece) const {
  VectorCommand below;
  below.op = Vop::Fma;
  below.s = float_bits(1.0f);
  below.c_vector = true;
  below.c = highest_.address();
  emit(flat(below, piece.numbers, piece.numbers, Vtype::F32, piece.count));
  VectorCommand power;
  power.op = Vop::Mul;
  power.act = Vact::Exp2;
  power.s = float_bits(golden::softmax_scale(in_type_ == Vtype::F32 ? 1.0f : op_.x.scale));
  emit(flat(power, piece.numbers, piece.numbers, Vtype::F32, piece.count));
}

/// golden::softmax(): for the maximum, for the sum of the powers, and for the results.
void LongRowEmitter::softmax(int64_t row) {
  begin_sum();
  for_pieces(width_, kLanes, [&](int64_t first, int64_t count) {
    accumulate_row(load_row(row, first, count, 1.0f), Vreduce::Max);
  });
  fold(running_.address(), 1, kLanes, 1, Vreduce::Max, running_.address());
  spread(-1.0f, Vact::None, highest_.address());
  begin_sum();
  for_pieces(width_, kLanes, [&](int64_t first, int64_t count) {
    const Piece piece = load_row(row, first, count, 1.0f);
    power_below(piece);
    accumulate_row(piece, Vreduce::Sum);
  });
  fold(running_.address(), 1, kLanes, 1, Vreduce::Sum, running_.address());
  spread(1.0f, Vact::Recip, inverse_.address());
  for_pieces(width_, kLanes, [&](int64_t first, int64_t count) {
    const Piece piece = load_row(row, first, count, 1.0f);
    power_below(piece);
    VectorCommand part;
    part.op = Vop::Mul;
    part.s_vector = true;
    part.s = inverse_.address();
    emit(flat(part, piece.numbers, piece.numbers, Vtype::F32, count));
    Block out;
    if (!is_float_) {
      out = context_.scratch(tile_, count);
      VectorCommand codes = division(op_.y.scale);
      set_codes(codes, op_.y.zero_point, op_.clamp);
      emit(flat(codes, piece.numbers, out.address(), vector_type(op_.output->type), count));
    }
    context_.store(tile_, op_.output->buffer, (row * width_ + first) * out_bytes_,
                   is_float_ ? piece.numbers : out.address(), count * out_bytes_, {});
  });
}

/// Keys are 0 and more (or 0 and less) for the largest numbers, by index, and below all of those
/// for the others.
void LongRowEmitter::arg_max(int64_t row) {
  const float sign = op_.last ? 1.0f : -1.0f;
  begin_sum();
  for_pieces(width_, kLanes, [&](int64_t first, int64_t count) {
    const Piece piece = load_row(row, first, count, 1.0f);
    clip_infinite(piece);
    accumulate_row(piece, Vreduce::Max);
  });
  fold(running_.address(), 1, kLanes, 1, Vreduce::Max, running_.address());
  spread(-1.0f, Vact::None, highest_.address());
  begin_sum();
  for_pieces(width_, kLanes, [&](int64_t first, int64_t count) {
    const Piece piece = load_row(row, first, count, 1.0f);
    clip_infinite(piece);
    VectorCommand below;
    below.op = Vop::Fma;
    below.s = float_bits(1.0f);
    below.c_vector = true;
    below.c = highest_.address();
    emit(flat(below, piece.numbers, piece.numbers, Vtype::F32, count));
    // What is below 0, be it the smallest number, becomes -1.
    for (const float factor : {0x1p100f, 0x1p60f}) {
      VectorCommand raise;
      raise.op = Vop::Mul;
      raise.s = float_bits(factor);
      set_clip(raise, {-1.0f, 0.0f});
      emit(flat(raise, piece.numbers, piece.numbers, Vtype::F32, count));
    }
    VectorCommand key;
    key.op = Vop::Fma;
    key.s = float_bits(static_cast<float>(kMaxArgMax));
    key.b_type = Vtype::F32;
    key.b_base = index_block_.address();
    key.t = float_bits(sign);
    key.c = float_bits(sign * static_cast<float>(first));
    emit(flat(key, piece.numbers, piece.numbers, Vtype::F32, count));
    accumulate_row(piece, Vreduce::Max);
  });
  fold(running_.address(), 1, kLanes, 1, Vreduce::Max, running_.address());
  // The lower word of a 64-bit index.
  const Block out = context_.scratch(tile_, out_bytes_);
  context_.fill(tile_, 0u, out.address(), out_bytes_);
  VectorCommand index;
  index.op = Vop::Mul;
  index.s = float_bits(sign);
  emit(flat(index, running_.address(), out.address(), Vtype::S32, 1));
  context_.store(tile_, op_.output->buffer, row * out_bytes_, out.address(), out_bytes_, {});
}

/// golden::packet_sum(): two packets of four at a time, then what is left before and behind.
void LongRowEmitter::mean_of_packets(int64_t row) {
  const auto start = static_cast<int64_t>(golden::unaligned(row, width_));
  const int64_t whole = (width_ - start) / 4 * 4, pairs = whole / 8 * 8;
  const uint32_t sums = running_.address();
  begin_sum();
  for_pieces(pairs, 8, [&](int64_t first, int64_t count) {
    const Piece piece = load_row(row, start + first, count, mean_scale());
    accumulate(piece.numbers, 8, count / 8, Vreduce::Sum);
  });
  add(sums + 16, 4);
  const int64_t behind = width_ - start - pairs;
  Piece rest;
  if (behind > 0) rest = load_row(row, start + pairs, behind, mean_scale());
  if (whole > pairs) add(rest.numbers, 4);
  add(sums + 8, 2);
  add(sums + 4, 1);
  Piece before;
  if (start > 0) before = load_row(row, 0, start, mean_scale());
  for (int64_t i = 0; i < start; ++i) add(before.numbers + static_cast<uint32_t>(4 * i), 1);
  for (int64_t i = whole - pairs; i < behind; ++i)
    add(rest.numbers + static_cast<uint32_t>(4 * i), 1);
  finish_mean(row, 1);
}

/// golden::chain_sum() or fours_sum() of some rows that lie column by column.
void LongRowEmitter::emit_columns(int64_t row, int64_t rows) {
  const bool fours = op_.order == graph::RowOrder::Fours && width_ >= 4;
  const auto load_columns = [&](int64_t first, int64_t count) {
    return load(first * rows_ + row, rows, count, mean_scale());
  };
  const int64_t whole = fours ? width_ / 4 * 4 : width_;
  begin_sum();
  for_pieces(whole * rows, 4 * rows, [&](int64_t first, int64_t count) {
    const Piece piece = load_columns(first / rows, count / rows);
    const int64_t groups = count / rows / (fours ? 4 : 1);
    if (fours) fold(piece.numbers, rows, 4, groups, Vreduce::Sum, piece.numbers);
    accumulate(piece.numbers, rows, groups, Vreduce::Sum);
  });
  for (int64_t first = whole; first < width_;) {
    const int64_t count = std::min<int64_t>(2, width_ - first);
    const Piece piece = load_columns(first, count);
    if (count > 1) fold(piece.numbers, rows, count, 1, Vreduce::Sum, piece.numbers);
    add(piece.numbers, rows);
    first += count;
  }
  finish_mean(row, rows);
}

/// The sums of `rows` rows, divided.
void LongRowEmitter::finish_mean(int64_t row, int64_t rows) {
  const Block out = context_.scratch(tile_, kVectorBytes);
  emit(flat(division(static_cast<float>(op_.divisor)), running_.address(),
            is_float_ ? out.address() : running_.address(), Vtype::F32, rows));
  if (!is_float_) {
    VectorCommand codes = division(op_.y.scale);
    set_codes(codes, op_.y.zero_point, op_.clamp);
    emit(flat(codes, running_.address(), out.address(), vector_type(op_.output->type), rows));
  }
  context_.store(tile_, op_.output->buffer, row * out_bytes_, out.address(), rows * out_bytes_, {});
}

void LongRowEmitter::emit_row(int64_t row) {
  if (is_softmax()) {
    softmax(row);
  } else if (is_arg_max()) {
    arg_max(row);
  } else {
    mean_of_packets(row);
  }
}

void LongRowEmitter::allocate() {
  running_ = context_.scratch(tile_, kVectorBytes);
  highest_ = context_.scratch(tile_, kVectorBytes);
  inverse_ = context_.scratch(tile_, kVectorBytes);
  if (!is_arg_max()) return;
  const int64_t bytes = piece_elements() * 4;
  index_block_ = context_.scratch(tile_, bytes);
  context_.load(tile_, {Buffer::Space::Dram, indices_, nullptr}, 0, index_block_.address(), bytes,
                {});
}

void LongRowEmitter::emit() {
  if (is_arg_max()) {
    if (width_ > kMaxArgMax) {
      throw Error("unsupported length of a row", context_.node_name,
                  "at most " + std::to_string(kMaxArgMax), std::to_string(width_));
    }
    std::vector<float> indices(static_cast<std::size_t>(piece_elements()));
    for (std::size_t i = 0; i < indices.size(); ++i) indices[i] = static_cast<float>(i);
    std::vector<uint8_t> bytes(indices.size() * 4);
    std::memcpy(bytes.data(), indices.data(), bytes.size());
    indices_ = context_.constant(std::move(bytes));
  }
  context_.begin({op_.in});
  context_.place_evenly(*op_.output);
  for (tile_ = 0; tile_ < context_.tiles(); ++tile_) {
    const auto [first, last] = share(rows_, tile_, context_.tiles());
    if (first == last) continue;
    context_.rewind(tile_);
    allocate();
    const int64_t at_a_time = op_.by_columns() ? kLanes : 1;
    for (int64_t row = first; row < last; row += at_a_time) {
      if (op_.by_columns()) {
        emit_columns(row, std::min(at_a_time, last - row));
      } else {
        emit_row(row);
      }
    }
    for (Block* block : {&running_, &highest_, &inverse_, &index_block_}) block->release();
  }
  op_.output->epoch = context_.epoch();
}

}  // namespace

void emit_long_rows(Context& context, const RowOperator& op) { LongRowEmitter(context, op).emit(); }

}  // namespace systole::compile
