#include "host/compile/rows.hpp"

#include <algorithm>

#include "host/command/error.hpp"
#include "host/compile/elementwise.hpp"
#include "host/golden/real.hpp"

namespace systole::compile {
namespace {

using spec::Vact;
using spec::Vop;
using spec::Vreduce;
using spec::Vtype;

constexpr int64_t kLanes = spec::VectorLanes;
constexpr int64_t kVector = 4 * kLanes;  // bytes
constexpr int64_t kMaxCount = 65535;

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
  int64_t out_width() const { return is_softmax() ? width_ : 1; }
  int64_t bytes_of_row() const;
  void emit_rows(int64_t first, int64_t last);
  void softmax(const Elements& x, uint32_t numbers, uint32_t out);
  void mean(const Elements& x, uint32_t out);
  void reduce(const Elements& x, Vreduce reduce, float scale);
  void spread(float factor, Vact act);
  spec::VectorCommand by_row(const Elements& from, uint32_t to) const;
  void flat(spec::VectorCommand c, uint32_t from, uint32_t to, Vtype type, int64_t elements) const;
  void emit(const spec::VectorCommand& c) const {
    context_.schedule.emit(tile_, spec::Unit::Vector, c);
  }

  Context& context_;
  RowOperator op_;
  int64_t rows_, width_;
  bool is_float_;
  unsigned tile_ = 0;
  int64_t count_ = 0;     // rows at a time
  uint32_t vectors_ = 0;  // a vector for each row: partial results, then 16 copies of one
  uint32_t singles_ = 0;  // a number for each row
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
  c.d_stride0 = static_cast<int32_t>(kVector);
  c.d_stride3 = static_cast<int32_t>(from.width * 4);
  c.wcount0 = c.wcount1 = 1;
  return c;
}

/// `elements` numbers one after another.
void RowEmitter::flat(spec::VectorCommand c, uint32_t from, uint32_t to, Vtype type,
                      int64_t elements) const {
  c.a_type = Vtype::F32;
  c.d_type = type;
  c.tail_dim = 0;
  c.count0 = static_cast<uint16_t>(divide_up(elements, kLanes));
  c.count1 = c.count2 = c.count3 = 1;
  c.lanes = static_cast<uint8_t>(std::min(kLanes, elements));
  c.lanes_last = static_cast<uint8_t>(elements - (c.count0 - 1) * kLanes);
  c.a_base = from;
  c.d_base = to;
  c.a_stride0 = static_cast<int32_t>(kVector);
  c.d_stride0 = static_cast<int32_t>(type == Vtype::F32 ? kVector : kLanes);
  c.wcount0 = c.wcount1 = 1;
  emit(c);
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
  c.d_stride3 = static_cast<int32_t>(kVector);
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
    c.a_stride3 = static_cast<int32_t>(kVector);
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
  last.a_stride0 = static_cast<int32_t>(kVector);
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
  c.d_stride1 = static_cast<int32_t>(kVector);
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
  flat(power, numbers, numbers, Vtype::F32, elements);

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
  flat(codes, numbers, out, vector_type(op_.output->type), elements);
}

/// golden::row_mean().
void RowEmitter::mean(const Elements& x, uint32_t out) {
  reduce(x, Vreduce::Sum, x.type == Vtype::F32 ? 1.0f : op_.x.scale);
  const spec::VectorCommand by_width = division(static_cast<float>(width_));
  flat(by_width, singles_, is_float_ ? out : singles_, Vtype::F32, count_);
  if (is_float_) return;
  spec::VectorCommand codes = division(op_.y.scale);
  set_codes(codes, op_.y.zero_point, op_.clamp);
  flat(codes, singles_, out, vector_type(op_.output->type), count_);
}

/// The numbers of a softmax lie in the output if that is float, else beside it.
int64_t RowEmitter::bytes_of_row() const {
  const int64_t numbers = is_softmax() && !is_float_ ? 4 * width_ : 0;
  return width_ * op_.in->element_bytes() + out_width() * op_.output->element_bytes() + numbers +
         kVector + 4;
}

void RowEmitter::emit_rows(int64_t first, int64_t last) {
  count_ = last - first;
  const int64_t in_bytes = op_.in->element_bytes(), out_bytes = op_.output->element_bytes();
  const Block in = context_.scratch(tile_, count_ * width_ * in_bytes);
  context_.load(tile_, op_.in->buffer, first * width_ * in_bytes, in.address(),
                count_ * width_ * in_bytes, {});
  const Block vectors = context_.scratch(tile_, count_ * kVector);
  const Block singles = context_.scratch(tile_, count_ * 4);
  const Block out = context_.scratch(tile_, count_ * out_width() * out_bytes);
  Block numbers;
  if (is_softmax() && !is_float_) numbers = context_.scratch(tile_, count_ * width_ * 4);
  vectors_ = vectors.address();
  singles_ = singles.address();
  Elements x;
  x.address = in.address();
  x.type = vector_type(op_.in->type);
  x.zero_point = x.type == Vtype::F32 ? 0 : op_.x.zero_point;
  x.width = width_;
  if (is_softmax()) {
    softmax(x, is_float_ ? out.address() : numbers.address(), out.address());
  } else {
    mean(x, out.address());
  }
  const int64_t run = count_ * out_width() * out_bytes;
  context_.store(tile_, op_.output->buffer, first * out_width() * out_bytes, out.address(), run,
                 {});
}

void RowEmitter::emit() {
  context_.begin({op_.in});
  context_.place_evenly(*op_.output);
  const int64_t limit = context_.working_bytes() / 3;
  int64_t at_a_time = std::max<int64_t>(limit / bytes_of_row(), 1);
  at_a_time = std::min({at_a_time, kMaxCount, std::max<int64_t>(kMaxCount * kLanes / width_, 1)});
  const bool single = at_a_time * bytes_of_row() > limit;
  if (bytes_of_row() + 512 > context_.working_bytes() || width_ > kMaxCount * kLanes) {
    throw Error(kNoRoom, context_.node_name);
  }
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

void emit_row_operator(Context& context, const RowOperator& op) { RowEmitter(context, op).emit(); }

}  // namespace systole::compile
