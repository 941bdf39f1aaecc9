#include "host/compile/rows.hpp"

#include <algorithm>
#include <cstring>
#include <limits>

#include "host/compile/elementwise.hpp"
#include "host/compile/long_rows.hpp"
#include "host/golden/real.hpp"

namespace systole::compile {
namespace {

using spec::Vact;
using spec::Vop;
using spec::Vreduce;
using spec::Vtype;

/// Elements of rows in the scratchpad, row after row.
struct Elements {
  uint32_t address = 0;
  Vtype type = Vtype::F32;
  int32_t zero_point = 0;
  int64_t width = 1;  // of a row
  int64_t bytes() const { return type == Vtype::F32 ? 4 : 1; }
};

class RowEmitter {
 public:
  RowEmitter(Context& context, const RowOperator& op)
      : context_(context),
        op_(op),
        rows_(op.in->shape[0]),
        width_(op.in->shape[1]),
        is_float_(op.output->type == DataType::F32) {}
  void emit();

 private:
  bool is_softmax() const { return op_.kind == RowOperator::Kind::Softmax; }
  bool is_arg_max() const { return op_.kind == RowOperator::Kind::ArgMax; }
  int64_t out_width() const { return is_softmax() ? width_ : 1; }
  bool has_numbers() const { return is_arg_max() || (is_softmax() && !is_float_); }
  bool has_sums() const {
    return !is_softmax() && op_.order == graph::RowOrder::Fours && width_ >= 4;
  }
  int64_t bytes_of_row() const;
  void emit_rows(int64_t first, int64_t last);
  void softmax(const Elements& x, uint32_t numbers, uint32_t out);
  void mean(const Elements& x, uint32_t out);
  void arg_max(const Elements& x, uint32_t numbers, uint32_t indices, uint32_t out);
  void sum_packets(const Elements& x, float scale);
  void sum_alike(const Elements& x, float scale, int64_t begin, int64_t step);
  void sum_columns(const Elements& x, float scale);
  spec::VectorCommand columns(const Elements& x, uint32_t to) const;
  void reduce(const Elements& x, Vreduce reduce, float scale);
  void spread(float factor, Vact act);
  spec::VectorCommand by_row(const Elements& from, uint32_t to) const;
  void emit(const spec::VectorCommand& c) const {
    context_.schedule.emit(tile_, spec::Unit::Vector, c);
  }

  Context& context_;
  RowOperator op_;
  int64_t rows_, width_;
  bool is_float_;
  unsigned tile_ = 0;
  int64_t first_ = 0;     // of these rows
  int64_t count_ = 0;     // rows at a time
  uint32_t sums_ = 0;     // Fours: sums of four numbers, column by column
  uint32_t vectors_ = 0;  // a vector for each row: partial results, then 16 copies of one
  uint32_t singles_ = 0;  // a number for each row
  Address indices_ = 0;   // ArgMax: 0, 1, 2, ... as binary32
};

/// Every lane of a row from `from` to `to`, both of width `from.width`, one row an i3.
spec::VectorCommand RowEmitter::by_row(const Elements& from, uint32_t to) const {
  spec::VectorCommand c;
  c.a_type = from.type;
  c.a_zp = static_cast<int16_t>(from.zero_point);
  c.d_type = Vtype::F32;
  c.s = float_bits(1.0f);
  c.tail_dim = 0;
  c.count0 = static_cast<uint16_t>(divide_up(from.width, kLanes));
  c.count1 = c.count2 = 1;
  c.count3 = static_cast<uint16_t>(count_);
  c.lanes = static_cast<uint8_t>(std::min(kLanes, from.width));
  c.lanes_last = static_cast<uint8_t>(from.width - (c.count0 - 1) * kLanes);
  c.a_base = from.address;
  c.a_stride0 = static_cast<int32_t>(kLanes * from.bytes());
  c.a_stride3 = static_cast<int32_t>(from.width * from.bytes());
  c.d_base = to;
  c.d_stride0 = static_cast<int32_t>(kVectorBytes);
  c.d_stride3 = static_cast<int32_t>(from.width * 4);
  c.wcount0 = c.wcount1 = 1;
  return c;
}

/// Each row to one number, in `singles_`: elements 16 apart first, then the 16 results.
void RowEmitter::reduce(const Elements& x, Vreduce reduce, float scale) {
  const int64_t whole = x.width / kLanes, rest = x.width % kLanes;
  Elements part = x;
  part.width = std::min(kLanes, x.width);
  spec::VectorCommand c = by_row(part, vectors_);
  c.op = Vop::Mul;
  c.s = float_bits(scale);
  c.reduce = reduce;
  c.a_stride3 = static_cast<int32_t>(x.width * x.bytes());
  c.d_stride3 = static_cast<int32_t>(kVectorBytes);
  c.wcount0 = static_cast<uint16_t>(std::max<int64_t>(whole, 1));
  c.a_wstride0 = static_cast<int32_t>(kLanes * x.bytes());
  emit(c);
  if (whole > 0 && rest > 0) {
    // The rest of the row, to the first lanes. A quantized element is scaled, and rounded, by t.
    c.reduce = Vreduce::None;
    c.wcount0 = 1;
    c.a_type = Vtype::F32;
    c.a_zp = 0;
    c.a_base = vectors_;
    c.a_stride3 = static_cast<int32_t>(kVectorBytes);
    c.b_type = x.type;
    c.b_zp = static_cast<int16_t>(x.zero_point);
    c.b_base = x.address + static_cast<uint32_t>(whole * kLanes * x.bytes());
    c.b_stride3 = static_cast<int32_t>(x.width * x.bytes());
    c.lanes = c.lanes_last = static_cast<uint8_t>(rest);
    c.op = reduce == Vreduce::Max ? Vop::Max : Vop::Fma;
    c.s = float_bits(1.0f);
    c.t = float_bits(scale);
    c.c = float_bits(-0.0f);
    emit(c);
  }
  // Lane by lane: a row's vector to one number.
  spec::VectorCommand last;
  last.a_type = last.d_type = Vtype::F32;
  last.op = Vop::Mul;
  last.s = float_bits(1.0f);
  last.reduce = reduce;
  last.lanes = last.lanes_last = 1;
  last.count0 = static_cast<uint16_t>(count_);
  last.count1 = last.count2 = last.count3 = 1;
  last.a_base = vectors_;
  last.a_stride0 = static_cast<int32_t>(kVectorBytes);
  last.d_base = singles_;
  last.d_stride0 = 4;
  last.wcount0 = static_cast<uint16_t>(part.width);
  last.wcount1 = 1;
  last.a_wstride0 = 4;
  emit(last);
}

/// 16 copies of each row's number, times `factor` and through `act`, to `vectors_`.
void RowEmitter::spread(float factor, Vact act) {
  spec::VectorCommand c;
  c.a_type = c.d_type = Vtype::F32;
  c.op = Vop::Mul;
  c.s = float_bits(factor);
  c.act = act;
  c.lanes = c.lanes_last = 1;
  c.count0 = static_cast<uint16_t>(kLanes);
  c.count1 = static_cast<uint16_t>(count_);
  c.count2 = c.count3 = 1;
  c.a_base = singles_;
  c.a_stride1 = 4;
  c.d_base = vectors_;
  c.d_stride0 = 4;
  c.d_stride1 = static_cast<int32_t>(kVectorBytes);
  c.wcount0 = c.wcount1 = 1;
  emit(c);
}

/// golden::softmax(). `numbers` holds four bytes an element; for a float input it may be the input.
void RowEmitter::softmax(const Elements& x, uint32_t numbers, uint32_t out) {
  const int64_t elements = count_ * width_;
  reduce(x, Vreduce::Max, 1.0f);
  spread(-1.0f, Vact::None);
  spec::VectorCommand below = by_row(x, numbers);  // x - max
  below.op = Vop::Fma;
  below.c_vector = true;
  below.c = vectors_;
  emit(below);
  spec::VectorCommand power;
  power.op = Vop::Mul;
  power.act = Vact::Exp2;
  power.s = float_bits(golden::softmax_scale(x.type == Vtype::F32 ? 1.0f : op_.x.scale));
  emit(flat(power, numbers, numbers, Vtype::F32, elements));

  Elements powers;
  powers.address = numbers;
  powers.width = width_;
  reduce(powers, Vreduce::Sum, 1.0f);
  spread(1.0f, Vact::Recip);
  spec::VectorCommand part = by_row(powers, is_float_ ? out : numbers);
  part.op = Vop::Mul;
  part.s_vector = true;
  part.s = vectors_;
  emit(part);
  if (is_float_) return;
  spec::VectorCommand codes = division(op_.y.scale);
  set_codes(codes, op_.y.zero_point, op_.clamp);
  emit(flat(codes, numbers, out, vector_type(op_.output->type), elements));
}

/// golden::packet_sum(). Rows that begin alike, modulo four elements, together.
void RowEmitter::sum_packets(const Elements& x, float scale) {
  const int64_t step = width_ % 4 == 0 ? 1 : 4;
  for (int64_t begin = 0; begin < std::min(step, count_); ++begin) {
    sum_alike(x, scale, begin, step);
  }
}

/// Of rows `begin`, `begin` + `step`, and so on.
void RowEmitter::sum_alike(const Elements& x, float scale, int64_t begin, int64_t step) {
  const auto start = static_cast<int64_t>(golden::unaligned(first_ + begin, width_));
  const int64_t whole = (width_ - start) / 4 * 4, pairs = whole / 8 * 8;
  const auto vectors = vectors_ + static_cast<uint32_t>(begin * kVectorBytes);
  const auto singles = singles_ + static_cast<uint32_t>(begin * 4);
  const auto vector_stride = static_cast<int32_t>(step * kVectorBytes);
  const auto single_stride = static_cast<int32_t>(step * 4);
  const auto row_stride = static_cast<int32_t>(step * width_ * x.bytes());
  const auto element = [&](int64_t i) {
    return x.address + static_cast<uint32_t>((begin * width_ + i) * x.bytes());
  };
  spec::VectorCommand all;
  all.d_type = Vtype::F32;
  all.count0 = static_cast<uint16_t>(divide_up(count_ - begin, step));
  all.count1 = all.count2 = all.count3 = 1;
  all.wcount0 = all.wcount1 = 1;
  // `count` groups of `lanes` elements, added up.
  const auto gather = [&](int64_t i, int64_t lanes, int64_t count, uint32_t to, int32_t stride) {
    spec::VectorCommand c = all;
    c.a_type = x.type;
    c.a_zp = static_cast<int16_t>(x.zero_point);
    c.op = Vop::Mul;
    c.s = float_bits(scale);
    c.reduce = Vreduce::Sum;
    c.lanes = c.lanes_last = static_cast<uint8_t>(lanes);
    c.a_base = element(i);
    c.a_stride0 = row_stride;
    c.d_base = to;
    c.d_stride0 = stride;
    c.wcount0 = static_cast<uint16_t>(count);
    c.a_wstride0 = static_cast<int32_t>(lanes * x.bytes());
    emit(c);
  };
  // to = from + b, lane by lane.
  const auto add = [&](uint32_t from, int32_t from_stride, const Elements& b, int32_t b_stride,
                       float factor, int64_t lanes, uint32_t to, int32_t to_stride) {
    spec::VectorCommand c = all;
    c.a_type = Vtype::F32;
    c.b_type = b.type;
    c.b_zp = static_cast<int16_t>(b.zero_point);
    c.op = Vop::Fma;
    c.s = float_bits(1.0f);
    c.t = float_bits(factor);
    c.c = float_bits(-0.0f);
    c.lanes = c.lanes_last = static_cast<uint8_t>(lanes);
    c.a_base = from;
    c.a_stride0 = from_stride;
    c.b_base = b.address;
    c.b_stride0 = b_stride;
    c.d_base = to;
    c.d_stride0 = to_stride;
    emit(c);
  };
  const auto fold = [&](int64_t lanes, uint32_t to, int32_t to_stride) {
    Elements upper;
    upper.address = vectors + static_cast<uint32_t>(4 * lanes);
    add(vectors, vector_stride, upper, vector_stride, 1.0f, lanes, to, to_stride);
  };
  const auto add_elements = [&](int64_t i, int64_t lanes, uint32_t to, int32_t stride) {
    Elements from = x;
    from.address = element(i);
    add(to, stride, from, row_stride, scale, lanes, to, stride);
  };
  if (whole == 0) return gather(0, 1, width_, singles, single_stride);
  if (whole == 4) {
    gather(start, 4, 1, vectors, vector_stride);
  } else {
    gather(start, 8, pairs / 8, vectors, vector_stride);
    fold(4, vectors, vector_stride);
    if (whole > pairs) add_elements(start + pairs, 4, vectors, vector_stride);
  }
  fold(2, vectors, vector_stride);
  fold(1, singles, single_stride);
  for (int64_t i = 0; i < start; ++i) add_elements(i, 1, singles, single_stride);
  for (int64_t i = start + whole; i < width_; ++i) add_elements(i, 1, singles, single_stride);
}

/// A pass along a column, all rows of it.
spec::VectorCommand RowEmitter::columns(const Elements& x, uint32_t to) const {
  spec::VectorCommand c;
  c.a_type = x.type;
  c.a_zp = static_cast<int16_t>(x.zero_point);
  c.d_type = Vtype::F32;
  c.count0 = static_cast<uint16_t>(divide_up(count_, kLanes));
  c.count1 = c.count2 = c.count3 = 1;
  c.lanes = static_cast<uint8_t>(std::min(kLanes, count_));
  c.lanes_last = static_cast<uint8_t>(count_ - (c.count0 - 1) * kLanes);
  c.tail_dim = 0;
  c.a_base = x.address;
  c.a_stride0 = static_cast<int32_t>(kLanes * x.bytes());
  c.d_base = to;
  c.d_stride0 = static_cast<int32_t>(kVectorBytes);
  c.wcount0 = c.wcount1 = 1;
  return c;
}

/// golden::chain_sum() or fours_sum() of each row, from columns.
void RowEmitter::sum_columns(const Elements& x, float scale) {
  const int64_t column = count_ * x.bytes(), sums = round_up(count_, kLanes) * 4;
  const auto at = [&](int64_t i) {
    Elements from = x;
    from.address += static_cast<uint32_t>(i * column);
    return from;
  };
  // Sums of `count` columns each, `blocks` of them.
  const auto gather = [&](const Elements& from, int64_t pitch, float factor, int64_t count,
                          int64_t blocks, uint32_t to) {
    spec::VectorCommand c = columns(from, to);
    c.op = Vop::Mul;
    c.s = float_bits(factor);
    c.reduce = Vreduce::Sum;
    c.count1 = static_cast<uint16_t>(blocks);
    c.a_stride1 = static_cast<int32_t>(count * pitch);
    c.d_stride1 = static_cast<int32_t>(sums);
    c.wcount0 = static_cast<uint16_t>(count);
    c.a_wstride0 = static_cast<int32_t>(pitch);
    emit(c);
  };
  const auto add = [&](const Elements& b, float factor) {
    Elements a;
    a.address = singles_;
    spec::VectorCommand c = columns(a, singles_);
    c.b_type = b.type;
    c.b_zp = static_cast<int16_t>(b.zero_point);
    c.b_base = b.address;
    c.b_stride0 = static_cast<int32_t>(kLanes * b.bytes());
    c.op = Vop::Fma;
    c.s = float_bits(1.0f);
    c.t = float_bits(factor);
    c.c = float_bits(-0.0f);
    emit(c);
  };
  if (op_.order == graph::RowOrder::Sequence || width_ < 4) {
    return gather(x, column, scale, width_, 1, singles_);
  }
  const int64_t blocks = width_ / 4;
  Elements partial;
  partial.address = sums_;
  gather(x, column, scale, 4, blocks, sums_);
  gather(partial, sums, 1.0f, blocks, 1, singles_);
  int64_t i = 4 * blocks;
  if (width_ - i >= 2) {
    gather(at(i), column, scale, 2, 1, sums_);
    add(partial, 1.0f);
    i += 2;
  }
  if (i < width_) add(at(i), scale);
}

/// golden::row_mean().
void RowEmitter::mean(const Elements& x, uint32_t out) {
  const float scale = x.type == Vtype::F32 ? 1.0f : op_.x.scale;
  if (op_.by_columns()) {
    sum_columns(x, scale);
  } else {
    sum_packets(x, scale);
  }
  const spec::VectorCommand by_width = division(static_cast<float>(op_.divisor));
  emit(flat(by_width, singles_, is_float_ ? out : singles_, Vtype::F32, count_));
  if (is_float_) return;
  spec::VectorCommand codes = division(op_.y.scale);
  set_codes(codes, op_.y.zero_point, op_.clamp);
  emit(flat(codes, singles_, out, vector_type(op_.output->type), count_));
}

/// Keys are 0 for the largest numbers and below -width for the others, and then differ by index.
void RowEmitter::arg_max(const Elements& x, uint32_t numbers, uint32_t indices, uint32_t out) {
  const int64_t elements = count_ * width_;
  const float sign = op_.last ? 1.0f : -1.0f;
  const auto clip = [&](uint32_t address, float factor, graph::FloatClamp limits) {
    spec::VectorCommand c;
    c.op = Vop::Mul;
    c.s = float_bits(factor);
    set_clip(c, limits);
    emit(flat(c, address, address, Vtype::F32, elements));
  };
  constexpr float kLargest = std::numeric_limits<float>::max();
  if (x.type == Vtype::F32) clip(x.address, 1.0f, {-kLargest, kLargest});
  reduce(x, Vreduce::Max, 1.0f);
  spread(-1.0f, Vact::None);
  spec::VectorCommand below = by_row(x, numbers);  // x - max
  below.op = Vop::Fma;
  below.c_vector = true;
  below.c = vectors_;
  emit(below);
  // What is below 0, be it the smallest number, becomes -1.
  clip(numbers, 0x1p100f, {-1.0f, 0.0f});
  clip(numbers, 0x1p60f, {-1.0f, 0.0f});
  Elements keys;
  keys.address = numbers;
  keys.width = width_;
  spec::VectorCommand key = by_row(keys, numbers);
  key.op = Vop::Fma;
  key.s = float_bits(0x1p20f);
  key.b_type = Vtype::F32;
  key.b_base = indices;
  key.b_stride0 = static_cast<int32_t>(kVectorBytes);
  key.t = float_bits(sign);
  emit(key);
  reduce(keys, Vreduce::Max, 1.0f);
  // The lower word of each 64-bit index.
  spec::VectorCommand index;
  index.a_type = Vtype::F32;
  index.d_type = Vtype::S32;
  index.op = Vop::Mul;
  index.s = float_bits(sign);
  index.lanes = index.lanes_last = 1;
  index.count0 = static_cast<uint16_t>(count_);
  index.count1 = index.count2 = index.count3 = 1;
  index.a_base = singles_;
  index.a_stride0 = 4;
  index.d_base = out;
  index.d_stride0 = 8;
  index.wcount0 = index.wcount1 = 1;
  emit(index);
}

/// The numbers of a softmax lie in the output if that is float, else beside it.
int64_t RowEmitter::bytes_of_row() const {
  const int64_t numbers = (has_numbers() ? 4 * width_ : 0) + (is_arg_max() ? 4 * width_ : 0);
  return width_ * op_.in->element_bytes() + out_width() * op_.output->element_bytes() + numbers +
         (has_sums() ? width_ : 0) + kVectorBytes + 4;
}

void RowEmitter::emit_rows(int64_t first, int64_t last) {
  first_ = first;
  count_ = last - first;
  const int64_t in_bytes = op_.in->element_bytes(), out_bytes = op_.output->element_bytes();
  const Block in = context_.scratch(tile_, count_ * width_ * in_bytes);
  if (op_.by_columns()) {
    context_.load(tile_, op_.in->buffer, first * in_bytes, in.address(), count_ * in_bytes,
                  {{width_, rows_ * in_bytes, count_ * in_bytes}});
  } else {
    context_.load(tile_, op_.in->buffer, first * width_ * in_bytes, in.address(),
                  count_ * width_ * in_bytes, {});
  }
  const Block vectors = context_.scratch(tile_, count_ * kVectorBytes);
  const Block singles = context_.scratch(tile_, count_ * 4);
  const Block out = context_.scratch(tile_, count_ * out_width() * out_bytes);
  Block sums;
  if (has_sums()) sums = context_.scratch(tile_, width_ / 4 * round_up(count_, kLanes) * 4);
  if (has_sums()) sums_ = sums.address();
  Block numbers;
  if (has_numbers()) numbers = context_.scratch(tile_, count_ * width_ * 4);
  vectors_ = vectors.address();
  singles_ = singles.address();
  Elements x;
  x.address = in.address();
  x.type = vector_type(op_.in->type);
  x.zero_point = x.type == Vtype::F32 ? 0 : op_.x.zero_point;
  x.width = width_;
  if (is_softmax()) {
    softmax(x, is_float_ ? out.address() : numbers.address(), out.address());
  } else if (is_arg_max()) {
    const Block indices = context_.scratch(tile_, width_ * 4);
    context_.load(tile_, {Buffer::Space::Dram, indices_, nullptr}, 0, indices.address(), width_ * 4,
                  {});
    context_.fill(tile_, 0u, out.address(), count_ * out_bytes);
    arg_max(x, numbers.address(), indices.address(), out.address());
  } else {
    mean(x, out.address());
  }
  const int64_t run = count_ * out_width() * out_bytes;
  context_.store(tile_, op_.output->buffer, first * out_width() * out_bytes, out.address(), run,
                 {});
}

void RowEmitter::emit() {
  const int64_t rest = has_sums() ? width_ / 4 * kVectorBytes : 0;  // of sums that fill no vector
  const int64_t widest = op_.by_columns() ? kMaxCount : kMaxCount * kLanes;
  if (bytes_of_row() + rest + 512 > context_.working_bytes() || width_ > widest)
    return emit_long_rows(context_, op_);
  if (is_arg_max()) {
    std::vector<uint8_t> bytes(static_cast<std::size_t>(width_ * 4));
    for (int64_t i = 0; i < width_; ++i) {
      const auto index = static_cast<float>(i);
      std::memcpy(&bytes[static_cast<std::size_t>(i * 4)], &index, 4);
    }
    indices_ = context_.constant(std::move(bytes));
  }
  context_.begin({op_.in});
  context_.place_evenly(*op_.output);
  const int64_t limit = context_.working_bytes() / 3;
  int64_t at_a_time = std::max<int64_t>((limit - rest) / bytes_of_row(), 1);
  at_a_time = std::min({at_a_time, kMaxCount, std::max<int64_t>(kMaxCount * kLanes / width_, 1)});
  const bool single = at_a_time * bytes_of_row() > limit;
  for (tile_ = 0; tile_ < context_.tiles(); ++tile_) {
    const auto [first, last] = share(rows_, tile_, context_.tiles());
    for (int64_t row = first; row < last; row += at_a_time) {
      if (single) context_.rewind(tile_);
      emit_rows(row, std::min(row + at_a_time, last));
    }
  }
  op_.output->epoch = context_.epoch();
}

}  // namespace

spec::VectorCommand flat(spec::VectorCommand c, uint32_t from, uint32_t to, Vtype type,
                         int64_t elements) {
  if (c.a_type == Vtype::None) c.a_type = Vtype::F32;
  c.d_type = type;
  c.tail_dim = 0;
  c.count0 = static_cast<uint16_t>(divide_up(elements, kLanes));
  c.count1 = c.count2 = c.count3 = 1;
  c.lanes = static_cast<uint8_t>(std::min(kLanes, elements));
  c.lanes_last = static_cast<uint8_t>(elements - (c.count0 - 1) * kLanes);
  c.a_base = from;
  c.d_base = to;
  c.a_stride0 = static_cast<int32_t>(c.a_type == Vtype::F32 ? kVectorBytes : kLanes);
  if (c.b_type != Vtype::None) c.b_stride0 = static_cast<int32_t>(kVectorBytes);
  c.d_stride0 = static_cast<int32_t>(type == Vtype::F32 ? kVectorBytes : kLanes);
  c.wcount0 = c.wcount1 = 1;
  return c;
}

void emit_row_operator(Context& context, const RowOperator& op) { RowEmitter(context, op).emit(); }

}  // namespace systole::compile
