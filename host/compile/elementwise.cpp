#include "host/compile/elementwise.hpp"

#include <limits>

#include "host/golden/arith.hpp"
#include "host/golden/real.hpp"

namespace systole::compile {
namespace {

using graph::BinaryFunction;
using graph::Function;
using graph::QuantParams;
using spec::Vact;
using spec::Vop;

/// Writes passes one after another; each function is a line of host/golden/real.hpp.
class Passes {
 public:
  std::vector<MapPass> take() { return std::move(passes_); }

  MapPass& add(Slot to, Slot a, Vop op, float s, Vact act = Vact::None) {
    MapPass pass;
    pass.a = a;
    pass.to = to;
    pass.command.op = op;
    pass.command.act = act;
    pass.command.s = float_bits(s);
    passes_.push_back(std::move(pass));
    return passes_.back();
  }
  /// a * s.
  MapPass& mul(Slot to, Slot a, float s, Vact act = Vact::None) {
    return add(to, a, Vop::Mul, s, act);
  }
  /// a * b, element by element.
  void mul(Slot to, Slot a, Slot b) { mul(to, a, 0.0f).s_elements = b; }
  /// a * s + c.
  MapPass& fma(Slot to, Slot a, float s, float c, Vact act = Vact::None) {
    MapPass& pass = add(to, a, Vop::Fma, s, act);
    pass.command.c = float_bits(c);
    return pass;
  }
  /// a * b + c, element by element.
  void fma(Slot to, Slot a, Slot b, float c) { fma(to, a, 0.0f, c).s_elements = b; }
  /// a * s + b * t.
  MapPass& sum(Slot to, Slot a, float s, Slot b, float t) {
    MapPass& pass = fma(to, a, s, -0.0f);
    pass.b = b;
    pass.command.t = float_bits(t);
    return pass;
  }
  void clip(Slot to, Slot a, float lo, float hi) {
    MapPass& pass = mul(to, a, 1.0f, Vact::Clip);
    pass.command.t = float_bits(lo);
    pass.command.c = float_bits(hi);
  }
  /// Codes, or binary32 numbers, as binary32 numbers.
  void real(Slot to, Slot a, DataType type, QuantParams params) {
    if (type == DataType::F32) params = {};
    mul(to, a, params.scale).command.a_zp = static_cast<int16_t>(params.zero_point);
  }
  /// `at` to codes of the output.
  void codes(Slot at, QuantParams y, graph::Clamp clamp) {
    MapPass pass;
    pass.a = at;
    pass.command = division(y.scale);
    set_codes(pass.command, y.zero_point, clamp);
    passes_.push_back(std::move(pass));
  }

  void hard_sigmoid(Slot to, Slot a, float alpha, float beta) {
    mul(Slot::T1, a, alpha);
    fma(Slot::T1, Slot::T1, 1.0f, beta);
    clip(to, Slot::T1, 0.0f, 1.0f);
  }
  void leaky_relu(Slot to, Slot a, float alpha) {
    mul(Slot::T1, a, alpha);
    add(to, a, alpha <= 1.0f ? Vop::Max : Vop::Min, 0.0f).b = Slot::T1;
  }
  void sigmoid(Slot to, Slot a) {
    mul(Slot::T1, a, -golden::kLog2E, Vact::Exp2);
    fma(to, Slot::T1, 1.0f, 1.0f, Vact::Recip);
  }
  void tanh(Slot to, Slot a) {
    const auto& k = golden::kTanhPolynomial;
    const Slot near = Slot::T1, far = Slot::T2, square = Slot::T3, sum_at = Slot::T4;
    clip(near, a, -golden::kTanhNear, golden::kTanhNear);
    sum(far, a, 1.0f, near, -1.0f);
    mul(far, far, -2.0f * golden::kLog2E, Vact::Exp2);
    fma(far, far, 1.0f, 1.0f, Vact::Recip);
    fma(far, far, 2.0f, -1.0f);
    mul(square, near, near);
    fma(sum_at, square, k[3], k[2]);
    fma(sum_at, sum_at, square, k[1]);
    fma(sum_at, sum_at, square, k[0]);
    mul(sum_at, sum_at, square);
    MapPass& last = sum(sum_at, sum_at, 0.0f, near, 1.0f);
    last.s_elements = near;
    mul(square, far, sum_at);
    fma(square, square, 1.0f, 1.0f, Vact::Recip);
    sum(far, sum_at, 1.0f, far, 1.0f);
    mul(to, far, square);
  }
  /// T0 / T1.
  void divide(Slot to) {
    mul(Slot::T2, Slot::T1, 1.0f, Vact::Recip);
    mul(Slot::T3, Slot::T0, Slot::T2);
    MapPass& excess = sum(Slot::T4, Slot::T3, 0.0f, Slot::T0, -1.0f);
    excess.s_elements = Slot::T1;
    MapPass& less = sum(Slot::T4, Slot::T4, 0.0f, Slot::T3, -1.0f);
    less.s_elements = Slot::T2;
    mul(to, Slot::T4, -1.0f);
  }

 private:
  std::vector<MapPass> passes_;
};

constexpr float kMagic = 12582912.0f;  // 1.5 * 2^23: adding it rounds to whole numbers

float sign_of(BinaryFunction function) { return function == BinaryFunction::Sub ? -1.0f : 1.0f; }

constexpr float kInfinity = std::numeric_limits<float>::infinity();
/// Added before rounding, less makes it a floor: for multiples of 1/256, and quotients of codes,
/// which come no nearer to a whole number than 1/255 unless they are one.
constexpr float kToFloor = -0.5f + 1.0f / 512.0f;

/// `at` * s + offset, rounded to a whole number.
void round_to(Passes& passes, Slot to, Slot at, float s, float offset) {
  passes.fma(to, at, s, offset);
  passes.fma(to, to, 1.0f, kMagic);
  passes.fma(to, to, 1.0f, -kMagic);
}

/// T0 without its fraction.
void truncate(Passes& passes) {
  passes.clip(Slot::T1, Slot::T0, 0.0f, kInfinity);
  round_to(passes, Slot::T1, Slot::T1, 1.0f, kToFloor);
  passes.clip(Slot::T2, Slot::T0, -kInfinity, 0.0f);
  round_to(passes, Slot::T2, Slot::T2, 1.0f, -kToFloor);
  passes.sum(Slot::T0, Slot::T1, 1.0f, Slot::T2, 1.0f);
}

/// The whole numbers of T0 modulo 256, all steps exact.
void wrap(Passes& passes, DataType type) {
  // floor((x + 128) / 256), or floor(x / 256).
  const float offset = kToFloor + (type == DataType::S8 ? 0.5f : 0.0f);
  round_to(passes, Slot::T1, Slot::T0, 1.0f / 256.0f, offset);
  passes.sum(Slot::T0, Slot::T0, 1.0f, Slot::T1, -256.0f);
}

/// First op Second into `to`, of reals: codes become such in T0 and T1.
void combine(Passes& passes, const graph::Binary& op, DataType a, DataType b, Slot to) {
  const bool is_sum = op.function == BinaryFunction::Add || op.function == BinaryFunction::Sub;
  if (is_sum) {
    const QuantParams second = b == DataType::F32 ? QuantParams{} : op.b;
    const bool direct = a == DataType::F32;
    if (!direct) passes.real(Slot::T0, Slot::First, a, op.a);
    MapPass& sum = passes.sum(to, direct ? Slot::First : Slot::T0, 1.0f, Slot::Second,
                              sign_of(op.function) * second.scale);
    sum.command.b_zp = static_cast<int16_t>(second.zero_point);
    return;
  }
  passes.real(Slot::T0, Slot::First, a, op.a);
  passes.real(Slot::T1, Slot::Second, b, op.b);
  if (op.function == BinaryFunction::Mul) {
    passes.mul(to, Slot::T0, Slot::T1);
  } else {
    passes.divide(to);
  }
}

/// First and one number into `to`; the number is b, or else a.
void combine_one(Passes& passes, BinaryFunction function, const BinaryOperand& one, bool is_b,
                 DataType type, QuantParams params, Slot to) {
  const bool direct = type == DataType::F32;
  if (!direct) passes.real(Slot::T0, Slot::First, type, params);
  const Slot from = direct ? Slot::First : Slot::T0;
  const float value = one.value.value_or(0.0f);
  const int single = one.is_single ? 0 : kNoSingle;
  if (function == BinaryFunction::Mul) {
    passes.mul(to, from, value).s_single = single;
  } else if (is_b) {
    passes.fma(to, from, 1.0f, sign_of(function) * value).c_single = single;
  } else {
    passes.fma(to, from, sign_of(function), value).c_single = single;
  }
}

/// Codes without their zero points, or numbers, of two operands into T0 and T1.
void load_codes(Passes& passes, int32_t a_zero_point, int32_t b_zero_point) {
  const Slot first = Slot::First, second = Slot::Second;
  passes.mul(Slot::T0, first, 1.0f).command.a_zp = static_cast<int16_t>(a_zero_point);
  passes.mul(Slot::T1, second, 1.0f).command.a_zp = static_cast<int16_t>(b_zero_point);
}

std::vector<MapPass> wrapping_passes(const graph::Binary& op, DataType type) {
  Passes passes;
  load_codes(passes, 0, 0);
  if (op.function == BinaryFunction::Mul) {
    passes.mul(Slot::T0, Slot::T0, Slot::T1);
  } else if (op.function == BinaryFunction::Div) {
    passes.divide(Slot::T0);
    truncate(passes);
  } else {
    passes.sum(Slot::T0, Slot::T0, 1.0f, Slot::T1, sign_of(op.function));
  }
  wrap(passes, type);
  const int32_t lowest = type == DataType::S8 ? -128 : 0;
  passes.codes(Slot::T0, {}, {lowest, lowest + 255});
  return passes.take();
}

/// golden::multiply().
std::vector<MapPass> multiplying_passes(const graph::Binary& op) {
  Passes passes;
  load_codes(passes, op.a.zero_point, op.b.zero_point);
  passes.mul(Slot::T0, Slot::T0, Slot::T1);
  passes.mul(Slot::T0, Slot::T0, golden::multiply_ratio(op.a, op.b, op.y));
  MapPass& last = passes.fma(Slot::Output, Slot::T0, 1.0f, static_cast<float>(op.y.zero_point));
  set_codes(last.command, 0, op.clamp);
  return passes.take();
}

}  // namespace

spec::VectorCommand division(float by) {
  spec::VectorCommand c;
  c.op = Vop::Div;
  c.s = float_bits(by);
  c.t = float_bits(golden::quotient(1.0f, by));
  return c;
}

float single_factor(graph::BinaryFunction function, bool is_b) {
  return is_b ? sign_of(function) : 1.0f;
}

std::vector<MapPass> passes_of(const graph::Unary& op, DataType x, DataType y) {
  Passes passes;
  const bool is_float = y == DataType::F32;
  const Slot to = is_float ? Slot::Output : Slot::T0;
  passes.real(Slot::T0, Slot::First, x, op.x);
  switch (op.function) {
    case Function::Clip:
      passes.clip(to, Slot::T0, op.alpha, op.beta);
      break;
    case Function::LeakyRelu:
      passes.leaky_relu(to, Slot::T0, op.alpha);
      break;
    case Function::HardSigmoid:
      passes.hard_sigmoid(to, Slot::T0, op.alpha, op.beta);
      break;
    case Function::HardSwish:
      passes.hard_sigmoid(Slot::T1, Slot::T0, golden::kSixth, 0.5f);
      passes.mul(to, Slot::T0, Slot::T1);
      break;
    case Function::Sigmoid:
      passes.sigmoid(to, Slot::T0);
      break;
    case Function::Tanh:
      passes.tanh(to, Slot::T0);
      break;
  }
  if (!is_float) passes.codes(Slot::T0, op.y, op.clamp);
  return passes.take();
}

std::vector<MapPass> passes_of(const graph::Binary& op, BinaryOperand a, BinaryOperand b,
                               DataType y) {
  if (op.wraps) return wrapping_passes(op, y);
  if (op.rounding == graph::Rounding::AfterOffset) return multiplying_passes(op);
  Passes passes;
  const bool is_float = y == DataType::F32;
  const Slot to = is_float ? Slot::Output : Slot::T0;
  if (b.is_one()) {
    combine_one(passes, op.function, b, true, a.type, op.a, to);
  } else if (a.is_one()) {
    combine_one(passes, op.function, a, false, b.type, op.b, to);
  } else {
    combine(passes, op, a.type, b.type, to);
  }
  if (!is_float) passes.codes(Slot::T0, op.y, op.clamp);
  return passes.take();
}

}  // namespace systole::compile
