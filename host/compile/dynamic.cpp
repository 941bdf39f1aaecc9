#include "host/compile/dynamic.hpp"

#include <algorithm>

#include "host/command/error.hpp"
#include "host/compile/elementwise.hpp"
#include "host/golden/real.hpp"

namespace systole::compile {
namespace {

using spec::Vact;
using spec::Vop;
using spec::Vtype;

/// The largest of `count` vectors of `lanes` numbers, `stride` bytes apart, lane by lane, each
/// times `sign` first.
spec::VectorCommand largest(uint32_t from, int64_t lanes, int64_t count, int64_t stride, float sign,
                            uint32_t to) {
  spec::VectorCommand c;
  c.a_type = c.d_type = Vtype::F32;
  c.op = Vop::Mul;
  c.s = float_bits(sign);
  c.reduce = spec::Vreduce::Max;
  c.lanes = c.lanes_last = static_cast<uint8_t>(lanes);
  c.count0 = c.count1 = c.count2 = c.count3 = 1;
  c.a_base = from;
  c.d_base = to;
  c.wcount0 = static_cast<uint16_t>(count);
  c.wcount1 = 1;
  c.a_wstride0 = static_cast<int32_t>(stride);
  return c;
}

class ReachEmitter {
 public:
  ReachEmitter(Context& context, const Stored& in, Stored& output)
      : context_(context), in_(in), output_(output) {}
  void emit();

 private:
  void emit_share(unsigned tile, int64_t first, int64_t last, const Stored& found);
  void emit(unsigned tile, const spec::VectorCommand& c) const {
    context_.schedule.emit(tile, spec::Unit::Vector, c);
  }

  Context& context_;
  const Stored& in_;
  Stored& output_;
};

/// Elements [first, last): a vector for each block of them, 0 at least, then one number of all.
void ReachEmitter::emit_share(unsigned tile, int64_t first, int64_t last, const Stored& found) {
  const int64_t at_a_time =
      std::clamp<int64_t>(context_.working_bytes() / 4 / kVectorBytes, 1, kMaxCount) * kLanes;
  const int64_t blocks = divide_up(last - first, at_a_time) + 1;  // and what fills no vector
  if (blocks * kLanes > kMaxCount) throw Error(kNoRoom, context_.node_name);
  const Block vectors = context_.scratch_at_end(tile, 2 * blocks * kVectorBytes);
  const uint32_t below = vectors.address();
  const uint32_t above = below + static_cast<uint32_t>(blocks * kVectorBytes);
  context_.fill(tile, 0u, below, 2 * blocks * kVectorBytes);
  const auto look = [&](uint32_t from, int64_t lanes, int64_t count, int64_t block) {
    const auto at = static_cast<uint32_t>(block * kVectorBytes);
    emit(tile, largest(from, lanes, count, kVectorBytes, -1.0f, below + at));
    emit(tile, largest(from, lanes, count, kVectorBytes, 1.0f, above + at));
  };
  int64_t block = 0;
  for (int64_t at = first; at < last; at += at_a_time, ++block) {
    const int64_t count = std::min(at_a_time, last - at);
    const Block data = context_.scratch(tile, 4 * count);
    context_.load(tile, in_.buffer, 4 * at, data.address(), 4 * count, {});
    const int64_t whole = count / kLanes, rest = count % kLanes;
    if (whole > 0) look(data.address(), kLanes, whole, block);
    const uint32_t behind = data.address() + static_cast<uint32_t>(whole * kVectorBytes);
    if (rest > 0) look(behind, rest, 1, blocks - 1);
  }
  const Block numbers = context_.scratch(tile, 8);
  for (const uint32_t side : {0u, 1u}) {
    const uint32_t from = side == 0 ? below : above;
    spec::VectorCommand c =
        largest(from, 1, blocks * kLanes, 4, 1.0f, numbers.address() + 4 * side);
    // Of negative numbers alone, 0 is the largest.
    c.act = Vact::Relu;
    emit(tile, c);
  }
  context_.store(tile, found.buffer, 8 * int64_t{tile}, numbers.address(), 8, {});
}

void ReachEmitter::emit() {
  const auto tiles = int64_t{context_.tiles()};
  const Shape shape{tiles, 2};
  Stored found{output_.name, DataType::F32, shape, {}, View::row_major(shape), -1};
  found.buffer.space = Buffer::Space::Unplaced;
  context_.begin({&in_});
  context_.place_evenly(found);
  const int64_t vectors = divide_up(in_.elements(), kLanes);
  for (unsigned tile = 0; tile < context_.tiles(); ++tile) {
    const auto [first, last] = share(vectors, tile, tiles);
    emit_share(tile, first * kLanes, std::min(last * kLanes, in_.elements()), found);
  }
  found.epoch = context_.epoch();
  context_.begin({&found});
  context_.place_evenly(output_);
  const Block all = context_.scratch(0, 8 * tiles);
  const Block numbers = context_.scratch(0, 8);
  context_.load(0, found.buffer, 0, all.address(), 8 * tiles, {});
  for (const uint32_t side : {0u, 1u}) {
    emit(0, largest(all.address() + 4 * side, 1, tiles, 8, 1.0f, numbers.address() + 4 * side));
  }
  context_.store(0, output_.buffer, 0, numbers.address(), 8, {});
  output_.epoch = context_.epoch();
}

/// Passes over one number each, on the first tile.
class Scalars {
 public:
  explicit Scalars(Context& context) : context_(context) {
    block_ = context.scratch(0, kSlots * kVectorBytes);
    // Vectors that hold one number are read whole.
    context.fill(0, 0u, block_.address(), kSlots * kVectorBytes);
  }
  uint32_t at(int slot) const {
    return block_.address() + static_cast<uint32_t>(slot * kVectorBytes);
  }
  void emit(spec::VectorCommand c, uint32_t from, uint32_t to) const {
    c.a_type = Vtype::F32;
    if (c.d_type == Vtype::None) c.d_type = Vtype::F32;
    c.lanes = c.lanes_last = 1;
    c.count0 = c.count1 = c.count2 = c.count3 = 1;
    c.wcount0 = c.wcount1 = 1;
    c.a_base = from;
    c.d_base = to;
    context_.schedule.emit(0, spec::Unit::Vector, c);
  }
  void mul(uint32_t from, float s, uint32_t to, Vact act = Vact::None) const {
    emit(multiplication(s, act), from, to);
  }
  /// clip(from * s, 0, 1).
  void clipped(uint32_t from, float s, uint32_t to) const {
    spec::VectorCommand c = multiplication(s, Vact::Clip);
    c.t = float_bits(0.0f);
    c.c = float_bits(1.0f);
    emit(c, from, to);
  }
  /// a * s + c.
  void fma(uint32_t a, float s, float addend, uint32_t to) const {
    spec::VectorCommand c = multiplication(s, Vact::None);
    c.op = Vop::Fma;
    c.c = float_bits(addend);
    emit(c, a, to);
  }
  /// a + b.
  void add(uint32_t a, uint32_t b, uint32_t to) const {
    spec::VectorCommand c = multiplication(1.0f, Vact::None);
    c.op = Vop::Fma;
    c.b_type = Vtype::F32;
    c.b_base = b;
    c.t = float_bits(1.0f);
    c.c = float_bits(-0.0f);
    emit(c, a, to);
  }

 private:
  static constexpr int64_t kSlots = 8;
  static spec::VectorCommand multiplication(float s, Vact act) {
    spec::VectorCommand c;
    c.op = Vop::Mul;
    c.s = float_bits(s);
    c.act = act;
    return c;
  }
  Context& context_;
  Block block_;
};

}  // namespace

void emit_reach(Context& context, const Stored& in, Stored& output) {
  ReachEmitter(context, in, output).emit();
}

void emit_dynamic_parameter(Context& context, const Stored& reach, bool is_zero_point,
                            Stored& output) {
  context.begin({&reach});
  context.place_evenly(output);
  const Scalars scalars(context);
  const uint32_t below = scalars.at(0), above = below + 4, range = scalars.at(1);
  const uint32_t scale = scalars.at(2), one = scalars.at(3), inverse = scalars.at(4);
  context.load(0, reach.buffer, 0, below, 8, {});
  scalars.add(above, below, range);
  // 1 where there is no range.
  scalars.clipped(range, golden::kRaise, one);
  scalars.clipped(one, golden::kRaise, one);
  scalars.fma(one, -1.0f, 1.0f, one);
  scalars.emit(division(255.0f), range, scale);
  scalars.add(scale, one, scale);
  uint32_t result = scale;
  if (is_zero_point) {
    result = scalars.at(5);
    scalars.mul(scale, 1.0f, inverse, Vact::Recip);
    spec::VectorCommand quotient;
    quotient.op = Vop::Div;
    quotient.s_vector = quotient.t_vector = true;
    quotient.s = scale;
    quotient.t = inverse;
    quotient.d_type = Vtype::U8;
    set_codes(quotient, 0, {0, 255});
    scalars.emit(quotient, below, result);
  }
  context.store(0, output.buffer, 0, result, output.element_bytes(), {});
  output.epoch = context.epoch();
}

}  // namespace systole::compile
