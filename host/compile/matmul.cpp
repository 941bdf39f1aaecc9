#include "host/compile/matmul.hpp"

#include <algorithm>
#include <cstring>

#include "host/command/error.hpp"

namespace systole::compile {
namespace {

constexpr int64_t kColumns = spec::ArrayCols;
constexpr int64_t kDepth = spec::ArrayDepth;
constexpr int64_t kHalf = spec::AccHalfRows;

/// A number as a sum of bytes, each with a sign flag.
struct SignedByte {
  int32_t value = 0;
  bool is_signed = true;
};

std::vector<SignedByte> bytes_of(int32_t value) {
  if (value == 0) return {};
  if (value >= -128 && value <= 127) return {{value, true}};
  if (value > 0) return {{value, false}};
  return {{-128, true}, {value + 128, true}};
}

// sum of (a - za) * (b - zb[n]) over k
//   = sum of a*b  +  sum of (-za)*b  +  sum of a*(-zb[n])  +  K*za*zb[n].
// The second sum has a row of constants as activations, the third blocks of constants as weights.
//
// A zero point that is computed at run time is taken for the highest of its type, h, and h - z, a
// byte, is one more part of that row, or one more block; its products with the parts of the other
// side are further sums.
class MatmulEmitter {
 public:
  MatmulEmitter(Context& context, const MatmulOperator& op) : context_(context), io_(op) {}
  void emit();

 private:
  /// A part of -za, as activations that are the same for all rows and k; or of -zb, as weights that
  /// are the same for all k.
  struct ZeroPart {
    uint32_t address = 0;
    bool is_signed = true;
    bool at_run_time = false;
    int64_t stride = 0;  // of weights, from block to block
  };
  struct Piece {
    int64_t product = 0, m0 = 0, m1 = 0, n0 = 0, n1 = 0;
  };
  /// Constants of a tile.
  struct Held {
    Block block, row, given_block;
    uint32_t bias = 0, multipliers = 0;
    std::vector<ZeroPart> rows, blocks;
  };
  void make_constants();
  Held hold(unsigned tile);
  void hold_given(unsigned tile, Held& held);
  void multiply_zeros(unsigned tile, const Held& held, const spec::MatmulCommand& product,
                      int64_t block0);
  /// What is known of the zero points: the given ones are h here.
  int32_t a_zero_point() const {
    return io_.a_zero != nullptr ? highest_of(io_.a->type) : io_.op->a.zero_point;
  }
  int32_t b_zero_point(std::size_t n) const {
    return io_.b_zero != nullptr ? highest_of(io_.b->type) : io_.op->b_zero_point[n];
  }
  void emit_piece(unsigned tile, const Held& held, const Piece& piece);

  Context& context_;
  MatmulOperator io_;
  int64_t m_ = 0, k_ = 0, n_ = 0, blocks_ = 0;
  int64_t rows_ = 0, columns_ = 0, depth_ = 0;  // of a piece
  std::vector<SignedByte> a_zero_;              // -za
  int64_t zero_parts_ = 0;                      // matrices of 8 bits that add up to -zb
  Address constants_ = 0;
  int64_t constant_bytes_ = 0;
};

void MatmulEmitter::make_constants() {
  const graph::QMatMul& op = *io_.op;
  a_zero_ = bytes_of(-a_zero_point());
  for (int64_t n = 0; n < n_; ++n) {
    const int32_t zp = b_zero_point(static_cast<std::size_t>(n));
    const int64_t parts = zp == 0 ? 0 : zp <= 128 && zp >= -127 ? 1 : 2;
    zero_parts_ = std::max(zero_parts_, parts);
  }
  std::vector<uint8_t> bytes(static_cast<std::size_t>(blocks_ * 128 + zero_parts_ * blocks_ * 512));
  for (int64_t n = 0; n < n_; ++n) {
    const auto at = static_cast<std::size_t>(n);
    const auto product = static_cast<uint32_t>(k_) * static_cast<uint32_t>(a_zero_point()) *
                         static_cast<uint32_t>(b_zero_point(at));
    const uint32_t bias = static_cast<uint32_t>(op.bias[at]) + product;
    std::memcpy(&bytes[at * 4], &bias, 4);
    std::memcpy(&bytes[static_cast<std::size_t>(blocks_ * 64) + at * 4], &op.multiplier[at], 4);
    int32_t left = -b_zero_point(at);
    for (int64_t part = 0; part < zero_parts_; ++part) {
      const int32_t value = std::clamp(left, -128, 127);
      left -= value;
      for (int64_t k = 0; k < kDepth; ++k) {
        bytes[static_cast<std::size_t>(blocks_ * 128 + (part * blocks_ + n / kColumns) * 512 +
                                       k * kColumns + n % kColumns)] = static_cast<uint8_t>(value);
      }
    }
  }
  constant_bytes_ = static_cast<int64_t>(bytes.size());
  constants_ = context_.constant(std::move(bytes));
}

MatmulEmitter::Held MatmulEmitter::hold(unsigned tile) {
  Held held;
  held.block = context_.scratch_at_end(tile, constant_bytes_);
  held.bias = held.block.address();
  held.multipliers = held.bias + static_cast<uint32_t>(blocks_ * 64);
  for (int64_t part = 0; part < zero_parts_; ++part) {
    const auto at = held.bias + static_cast<uint32_t>(blocks_ * 128 + part * blocks_ * 512);
    held.blocks.push_back({at, true, false, 512});
  }
  context_.load(tile, {Buffer::Space::Dram, constants_, nullptr}, 0, held.bias, constant_bytes_,
                {});
  const auto rows = static_cast<int64_t>(a_zero_.size()) + (io_.a_zero != nullptr ? 1 : 0);
  if (rows > 0) held.row = context_.scratch_at_end(tile, rows * 64);
  for (std::size_t i = 0; i < a_zero_.size(); ++i) {
    const uint32_t at = held.row.address() + static_cast<uint32_t>(64 * i);
    context_.fill(tile, byte_pattern(a_zero_[i].value), at, 64);
    held.rows.push_back({at, a_zero_[i].is_signed, false, 0});
  }
  return held;
}

/// The bytes of zero points that are computed at run time.
void MatmulEmitter::hold_given(unsigned tile, Held& held) {
  if (io_.a_zero != nullptr) {
    const uint32_t at = held.row.address() + static_cast<uint32_t>(64 * a_zero_.size());
    spread_zero_point(context_, tile, *io_.a_zero, at, kDepth);
    held.rows.push_back({at, false, true, 0});
  }
  if (io_.b_zero != nullptr) {
    held.given_block = context_.scratch_at_end(tile, kDepth * kColumns);
    const uint32_t at = held.given_block.address();
    spread_zero_point(context_, tile, *io_.b_zero, at, kDepth * kColumns);
    held.blocks.push_back({at, false, true, 0});
  }
}

/// The sums beside that of a*b, which `product` is.
void MatmulEmitter::multiply_zeros(unsigned tile, const Held& held,
                                   const spec::MatmulCommand& product, int64_t block0) {
  const auto with_row = [](spec::MatmulCommand c, const ZeroPart& row) {
    c.act = row.address;
    c.act_signed = row.is_signed;
    c.rstride0 = c.kstride0 = 0;
    return c;
  };
  const auto with_block = [&](spec::MatmulCommand c, const ZeroPart& block) {
    c.wgt = block.address + static_cast<uint32_t>(block0 * block.stride);
    c.wgt_signed = block.is_signed;
    c.weight_mode = spec::WeightMode::Packed;
    c.wgt_kstride = c.wgt_run = 0;
    c.wgt_nstride = static_cast<int32_t>(block.stride);
    return c;
  };
  const auto emit = [&](const spec::MatmulCommand& c) {
    context_.schedule.emit(tile, spec::Unit::Matrix, c);
  };
  for (const ZeroPart& row : held.rows) emit(with_row(product, row));
  for (const ZeroPart& block : held.blocks) emit(with_block(product, block));
  for (const ZeroPart& row : held.rows) {
    for (const ZeroPart& block : held.blocks) {
      // Of two constants, the bias holds it.
      if (row.at_run_time || block.at_run_time) emit(with_block(with_row(product, row), block));
    }
  }
}

void MatmulEmitter::emit_piece(unsigned tile, const Held& held, const Piece& p) {
  const graph::QMatMul& op = *io_.op;
  const int64_t rows = p.m1 - p.m0;
  const int64_t columns = p.n1 - p.n0;
  const int64_t blocks = divide_up(columns, kColumns);
  const int64_t block0 = p.n0 / kColumns;
  const int64_t acc = context_.next_half(tile) * kHalf;
  const auto product = static_cast<std::size_t>(p.product);
  bool first = true;
  for (int64_t k0 = 0; k0 < k_; k0 += depth_) {
    const int64_t depth = std::min(depth_, k_ - k0);
    const int64_t steps = divide_up(depth, kDepth);
    const int64_t pitch = round_up(columns, kColumns);
    const Block a = context_.scratch(tile, rows * depth + kDepth);
    const Block b = context_.scratch(tile, steps * kDepth * pitch);
    context_.load(tile, io_.a->buffer, (op.a_batch[product] * m_ + p.m0) * k_ + k0, a.address(),
                  depth, {{rows, k_, depth}});
    context_.load(tile, io_.b->buffer, (op.b_batch[product] * k_ + k0) * n_ + p.n0, b.address(),
                  columns, {{depth, n_, pitch}});
    spec::MatmulCommand c;
    c.act = a.address();
    c.act_signed = io_.a->type == DataType::S8;
    c.wgt_signed = io_.b->type == DataType::S8;
    c.weight_mode = spec::WeightMode::KRows;
    c.init = first ? spec::AccInit::Bias : spec::AccInit::Accumulate;
    c.bias = first ? held.bias + static_cast<uint32_t>(64 * block0) : 0;
    c.len = static_cast<uint8_t>(kDepth);
    c.len_last = static_cast<uint8_t>(depth - (steps - 1) * kDepth);
    c.rcount0 = static_cast<uint16_t>(rows);
    c.rcount1 = c.rcount2 = 1;
    c.rstride0 = static_cast<int32_t>(depth);
    c.ncount = static_cast<uint16_t>(blocks);
    c.kcount0 = static_cast<uint16_t>(steps);
    c.kcount1 = c.kcount2 = 1;
    c.kstride0 = static_cast<int32_t>(kDepth);
    c.wgt = b.address();
    c.wgt_kstride = static_cast<int32_t>(kDepth * pitch);
    c.wgt_nstride = static_cast<int32_t>(kColumns);
    c.wgt_run = static_cast<int32_t>(pitch);
    c.acc = static_cast<uint16_t>(acc);
    c.acc_nstride = static_cast<uint16_t>(blocks > 1 ? rows : 0);
    context_.schedule.emit(tile, spec::Unit::Matrix, c);
    first = false;
    c.init = spec::AccInit::Accumulate;
    c.bias = 0;
    multiply_zeros(tile, held, c, block0);
  }
  const int64_t bytes = io_.output->element_bytes();
  const Block out = context_.scratch(tile, rows * columns * bytes);
  spec::VectorCommand c;
  c.a_type = spec::Vtype::Acc;
  c.d_type = vector_type(io_.output->type);
  c.op = spec::Vop::Mul;
  c.tail_dim = 3;
  c.lanes = static_cast<uint8_t>(kColumns);
  c.lanes_last = static_cast<uint8_t>(columns - (blocks - 1) * kColumns);
  c.a_base = static_cast<uint32_t>(acc);
  c.d_base = out.address();
  c.count0 = static_cast<uint16_t>(rows);
  c.count1 = c.count2 = 1;
  c.count3 = static_cast<uint16_t>(blocks);
  c.a_stride0 = 1;
  c.a_stride3 = static_cast<int32_t>(rows);
  c.d_stride0 = static_cast<int32_t>(columns * bytes);
  c.d_stride3 = static_cast<int32_t>(kColumns * bytes);
  c.wcount0 = c.wcount1 = 1;
  c.s_vector = true;
  c.s = held.multipliers + static_cast<uint32_t>(64 * block0);
  if (io_.output->type == DataType::S32) {
    c.op = spec::Vop::Move;
    c.s_vector = false;
    c.s = 0;
  } else if (io_.output->type == DataType::F32) {
    set_clip(c, op.float_clamp);
  } else {
    set_codes(c, op.y.zero_point, op.clamp);
  }
  context_.schedule.emit(tile, spec::Unit::Vector, c);
  context_.store(tile, io_.output->buffer, ((p.product * m_ + p.m0) * n_ + p.n0) * bytes,
                 out.address(), columns * bytes, {{rows, n_ * bytes, columns * bytes}});
}

void MatmulEmitter::emit() {
  const graph::QMatMul& op = *io_.op;
  m_ = io_.a->shape[1];
  k_ = io_.a->shape[2];
  n_ = io_.b->shape[2];
  blocks_ = divide_up(n_, kColumns);
  const auto products = static_cast<int64_t>(op.a_batch.size());
  // Pieces of at most 128 rows that fill half of the accumulators; a thousand deep at most, so that
  // two of both operands fit.
  rows_ = divide_up(m_, divide_up(m_, 128));
  columns_ = std::min(kHalf / rows_, blocks_) * kColumns;
  const int64_t room = context_.working_bytes() / 3 - blocks_ * 128;
  depth_ = std::min(k_, std::max<int64_t>(room / (rows_ + columns_) / kDepth, 1) * kDepth);
  make_constants();

  std::vector<Held> held(context_.tiles());
  std::vector<const Stored*> inputs = {io_.a, io_.b};
  for (const Stored* zero : {io_.a_zero, io_.b_zero}) {
    if (zero != nullptr) inputs.push_back(zero);
  }
  context_.begin(inputs, [&] {
    for (unsigned t = 0; t < context_.tiles(); ++t) held[t] = hold(t);
  });
  for (unsigned t = 0; t < context_.tiles(); ++t) hold_given(t, held[t]);
  context_.place_evenly(*io_.output);
  std::vector<Piece> pieces;
  for (int64_t product = 0; product < products; ++product) {
    for (int64_t m0 = 0; m0 < m_; m0 += rows_) {
      for (int64_t n0 = 0; n0 < n_; n0 += columns_) {
        pieces.push_back({product, m0, std::min(m0 + rows_, m_), n0, std::min(n0 + columns_, n_)});
      }
    }
  }
  const auto count = static_cast<int64_t>(pieces.size());
  for (unsigned t = 0; t < context_.tiles(); ++t) {
    const auto [first, last] = share(count, t, context_.tiles());
    for (int64_t i = first; i < last; ++i) {
      emit_piece(t, held[t], pieces[static_cast<std::size_t>(i)]);
    }
  }
  io_.output->epoch = context_.epoch();
}

}  // namespace

void emit_matmul(Context& context, const MatmulOperator& op) { MatmulEmitter(context, op).emit(); }

}  // namespace systole::compile
