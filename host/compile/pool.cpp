#include "host/compile/pool.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <tuple>

#include "host/command/error.hpp"
#include "host/compile/elementwise.hpp"
#include "host/golden/arith.hpp"

namespace systole::compile {
namespace {

// Sums of a global average are whole numbers, exact in binary32 below 2^24.
constexpr int64_t kMaxGlobal = (int64_t{1} << 24) / 255;

/// A piece of the output: rows [y0, y1), columns [x0, x1), channels [c0, c1) of image n.
struct Piece {
  int64_t n = 0, y0 = 0, y1 = 0, x0 = 0, x1 = 0, c0 = 0, c1 = 0;
  int64_t rows() const { return y1 - y0; }
  int64_t columns() const { return x1 - x0; }
  int64_t channels() const { return c1 - c0; }
  int64_t elements() const { return rows() * columns() * channels(); }
};

class PoolEmitter {
 public:
  PoolEmitter(Context& context, const PoolOperator& op)
      : context_(context),
        op_(op),
        in_bytes_(op.in.stored->element_bytes()),
        out_bytes_(op.out.stored->element_bytes()),
        bytes_in_(op.in) {
    bytes_in_.c *= in_bytes_;
  }
  void emit();

 private:
  SlabShape slab_shape(const Piece& piece) const;
  int64_t bytes(const Piece& piece) const;
  void emit_share(unsigned tile, int64_t g0, int64_t g1, int64_t c0, int64_t c1);
  void emit_piece(unsigned tile, const Piece& piece);
  spec::VectorCommand window_pass(const Piece& piece, const Slab& slab, uint32_t to,
                                  int64_t element_bytes) const;
  void flat_pass(unsigned tile, spec::VectorCommand c, uint32_t from, uint32_t to, spec::Vtype type,
                 int64_t elements, int64_t rows, int64_t pitch);
  void divide_by_counts(unsigned tile, const Piece& piece, uint32_t sums);
  void set_codes(spec::VectorCommand& c, int32_t zero_point) const;
  void maximum(unsigned tile, const Piece& piece, const Slab& slab, uint32_t out);
  void average(unsigned tile, const Piece& piece, const Slab& slab, uint32_t out);
  void finish_average(unsigned tile, const Piece& piece, uint32_t sums, uint32_t out);

  Context& context_;
  PoolOperator op_;
  int64_t in_bytes_, out_bytes_;  // of an element
  Image bytes_in_;                // the input, its bytes as channels
  bool in_place_ = false;         // every tile has all the input that it needs
  bool cut_ = false;              // pieces are not whole lines of the tile's channels
};

SlabShape PoolEmitter::slab_shape(const Piece& p) const {
  const graph::Window& w = op_.window;
  SlabShape shape;
  shape.n = p.n;
  shape.y0 = p.y0 * w.stride[0] - w.pads[0];
  shape.y1 = (p.y1 - 1) * w.stride[0] - w.pads[0] + (w.kernel[0] - 1) * w.dilation[0] + 1;
  shape.x0 = p.x0 * w.stride[1] - w.pads[1];
  shape.x1 = (p.x1 - 1) * w.stride[1] - w.pads[1] + (w.kernel[1] - 1) * w.dilation[1] + 1;
  shape.c0 = p.c0 * in_bytes_;
  shape.c1 = p.c1 * in_bytes_;
  return shape;
}

int64_t PoolEmitter::bytes(const Piece& piece) const {
  const SlabShape s = slab_shape(piece);
  const int64_t sums = op_.kind == PoolOperator::Kind::Max ? 0 : 4 * piece.elements();
  return (s.y1 - s.y0) * (s.x1 - s.x0) * (s.c1 - s.c0) + piece.elements() * out_bytes_ + sums + 256;
}

void PoolEmitter::set_codes(spec::VectorCommand& c, int32_t zero_point) const {
  c.zp = static_cast<int16_t>(zero_point);
  c.lo = static_cast<int16_t>(op_.clamp.lo);
  c.hi = static_cast<int16_t>(op_.clamp.hi);
}

/// The reduction over the window: everything but operator and conversion.
spec::VectorCommand PoolEmitter::window_pass(const Piece& piece, const Slab& slab, uint32_t to,
                                             int64_t element_bytes) const {
  const graph::Window& w = op_.window;
  const int64_t pixel = piece.channels();
  const int64_t in_pixel = pixel * in_bytes_;
  spec::VectorCommand c;
  c.a_type = vector_type(op_.in.stored->type);
  c.op = spec::Vop::Mul;
  c.s = float_bits(1.0f);
  c.tail_dim = 2;
  c.lanes = static_cast<uint8_t>(std::min(kLanes, pixel));
  c.a_base = slab.address;
  c.d_base = to;
  c.count0 = static_cast<uint16_t>(piece.columns());
  c.count1 = static_cast<uint16_t>(piece.rows());
  c.count2 = static_cast<uint16_t>(divide_up(pixel, kLanes));
  c.count3 = 1;
  c.lanes_last = static_cast<uint8_t>(pixel - (c.count2 - 1) * kLanes);
  c.a_stride0 = static_cast<int32_t>(w.stride[1] * in_pixel);
  c.a_stride1 = static_cast<int32_t>(w.stride[0] * slab.pitch);
  c.a_stride2 = static_cast<int32_t>(kLanes * in_bytes_);
  c.d_stride0 = static_cast<int32_t>(pixel * element_bytes);
  c.d_stride1 = static_cast<int32_t>(piece.columns() * pixel * element_bytes);
  c.d_stride2 = static_cast<int32_t>(kLanes * element_bytes);
  c.wcount0 = static_cast<uint16_t>(w.kernel[1]);
  c.wcount1 = static_cast<uint16_t>(w.kernel[0]);
  c.a_wstride0 = static_cast<int32_t>(w.dilation[1] * in_pixel);
  c.a_wstride1 = static_cast<int32_t>(w.dilation[0] * slab.pitch);
  return c;
}

/// `rows` rows of `elements` binary32, `pitch` bytes apart, to the same places or to codes.
void PoolEmitter::flat_pass(unsigned tile, spec::VectorCommand c, uint32_t from, uint32_t to,
                            spec::Vtype type, int64_t elements, int64_t rows, int64_t pitch) {
  const int64_t size = type == spec::Vtype::F32 ? 4 : 1;
  c.a_type = spec::Vtype::F32;
  c.d_type = type;
  c.tail_dim = 0;
  c.lanes = static_cast<uint8_t>(std::min(kLanes, elements));
  c.count0 = static_cast<uint16_t>(divide_up(elements, kLanes));
  c.count1 = static_cast<uint16_t>(rows);
  c.count2 = c.count3 = 1;
  c.lanes_last = static_cast<uint8_t>(elements - (c.count0 - 1) * kLanes);
  c.a_base = from;
  c.d_base = to;
  c.a_stride0 = static_cast<int32_t>(kLanes * 4);
  c.d_stride0 = static_cast<int32_t>(kLanes * size);
  c.a_stride1 = static_cast<int32_t>(pitch);
  c.d_stride1 = static_cast<int32_t>(pitch / 4 * size);
  c.wcount0 = c.wcount1 = 1;
  context_.schedule.emit(tile, spec::Unit::Vector, c);
}

/// Divides sums by the number of elements of their windows: a pass for each rectangle of one count.
void PoolEmitter::divide_by_counts(unsigned tile, const Piece& piece, uint32_t sums) {
  const auto count = [&](int64_t y, int64_t x) {
    return graph::average_divisor(op_.window, op_.counted, op_.in.h, op_.in.w, y, x);
  };
  const auto same_row = [&](int64_t y, int64_t other) {
    for (int64_t x = piece.x0; x < piece.x1; ++x) {
      if (count(y, x) != count(other, x)) return false;
    }
    return true;
  };
  const int64_t pixel = piece.channels();
  for (int64_t y = piece.y0, y1; y < piece.y1; y = y1) {
    for (y1 = y + 1; y1 < piece.y1 && same_row(y, y1);) ++y1;
    for (int64_t x = piece.x0, x1; x < piece.x1; x = x1) {
      for (x1 = x + 1; x1 < piece.x1 && count(y, x) == count(y, x1);) ++x1;
      const int64_t offset = ((y - piece.y0) * piece.columns() + x - piece.x0) * pixel * 4;
      const uint32_t at = sums + static_cast<uint32_t>(offset);
      flat_pass(tile, division(static_cast<float>(count(y, x))), at, at, spec::Vtype::F32,
                (x1 - x) * pixel, y1 - y, piece.columns() * pixel * 4);
    }
  }
}

void PoolEmitter::maximum(unsigned tile, const Piece& piece, const Slab& slab, uint32_t out) {
  spec::VectorCommand c = window_pass(piece, slab, out, out_bytes_);
  c.d_type = vector_type(op_.out.stored->type);
  c.reduce = spec::Vreduce::Max;
  set_codes(c, 0);
  context_.schedule.emit(tile, spec::Unit::Vector, c);
}

void PoolEmitter::average(unsigned tile, const Piece& piece, const Slab& slab, uint32_t out) {
  const bool is_float = op_.out.stored->type == DataType::F32;
  Block block;
  if (!is_float) block = context_.scratch(tile, 4 * piece.elements());
  const uint32_t sums = is_float ? out : block.address();
  spec::VectorCommand c = window_pass(piece, slab, sums, 4);
  c.a_zp = static_cast<int16_t>(op_.x.zero_point);
  c.d_type = spec::Vtype::F32;
  c.reduce = spec::Vreduce::Sum;
  if (op_.kind == PoolOperator::Kind::Average) c.s = float_bits(op_.x.scale);
  context_.schedule.emit(tile, spec::Unit::Vector, c);
  if (op_.kind == PoolOperator::Kind::Average) divide_by_counts(tile, piece, sums);
  if (!is_float) finish_average(tile, piece, sums, out);
}

/// Sums of integers, or means, to codes.
void PoolEmitter::finish_average(unsigned tile, const Piece& piece, uint32_t sums, uint32_t out) {
  spec::VectorCommand last;
  if (op_.kind == PoolOperator::Kind::Global) {
    last.op = spec::Vop::Mul;
    last.s = float_bits(golden::global_average_multiplier(op_.x, op_.y, op_.in.h * op_.in.w));
    set_codes(last, op_.y.zero_point);
  } else if (op_.rounding == graph::Rounding::AfterOffset) {
    flat_pass(tile, division(op_.y.scale), sums, sums, spec::Vtype::F32, piece.elements(), 1, 0);
    last.op = spec::Vop::Fma;
    last.s = float_bits(1.0f);
    last.c = float_bits(static_cast<float>(op_.y.zero_point));
    set_codes(last, 0);
  } else {
    last = division(op_.y.scale);
    set_codes(last, op_.y.zero_point);
  }
  flat_pass(tile, last, sums, out, vector_type(op_.out.stored->type), piece.elements(), 1, 0);
}

void PoolEmitter::emit_piece(unsigned tile, const Piece& piece) {
  const Slab slab = in_place_ ? slab_in_place(tile, bytes_in_, slab_shape(piece))
                              : load_slab(context_, tile, bytes_in_, slab_shape(piece), op_.pad, 0);
  // Whole lines of a value that stays here are written where they stay.
  const Buffer& buffer = op_.output->buffer;
  const Home::Piece* home =
      buffer.space == Buffer::Space::Home && !cut_ ? buffer.home->of(tile) : nullptr;
  Block block;
  if (home == nullptr) block = context_.scratch(tile, piece.elements() * out_bytes_);
  uint32_t out = block.address();
  if (home != nullptr) {
    const int64_t pixel = (piece.n * op_.out.h + piece.y0) * op_.out.w - home->r0;
    out = home->address() + static_cast<uint32_t>(pixel * home->columns());
  }
  if (op_.kind == PoolOperator::Kind::Max) {
    maximum(tile, piece, slab, out);
  } else {
    average(tile, piece, slab, out);
  }
  if (home != nullptr) return;
  const int64_t pixel = op_.out.c * out_bytes_;
  const int64_t run = piece.channels() * out_bytes_;
  const int64_t offset =
      ((piece.n * op_.out.h + piece.y0) * op_.out.w + piece.x0) * pixel + piece.c0 * out_bytes_;
  context_.store(
      tile, op_.out.stored->buffer, offset, out, run,
      {{piece.columns(), pixel, run}, {piece.rows(), op_.out.w * pixel, piece.columns() * run}});
}

void PoolEmitter::emit_share(unsigned tile, int64_t g0, int64_t g1, int64_t c0, int64_t c1) {
  // Pieces that leave room for two: rows first, then channels, then columns get fewer.
  const int64_t limit = context_.working_bytes() / 3;
  const int64_t largest = context_.working_bytes() * 9 / 10;
  int64_t rows = std::min(g1 - g0, op_.out.h);
  int64_t channels = c1 - c0;
  int64_t columns = op_.out.w;
  const auto needed = [&] { return bytes({0, 0, rows, 0, columns, 0, channels}); };
  while (rows > 1 && needed() > limit) rows = divide_up(rows, 2);
  while (channels > kLanes && needed() > limit) {
    channels = round_up(divide_up(channels, 2), kLanes);
  }
  while (columns > 1 && needed() > limit) columns = divide_up(columns, 2);
  while (channels > 1 && needed() > largest) channels = divide_up(channels, 2);
  if (needed() > largest) {
    throw Error(kNoRoom, context_.node_name,
                fmt::format("a window of at most {} bytes a channel", largest),
                std::to_string(needed()));
  }
  const bool single = needed() > limit;
  cut_ = channels < c1 - c0 || columns < op_.out.w;
  for (int64_t g = g0; g < g1;) {
    const int64_t n = g / op_.out.h, y0 = g % op_.out.h;
    const int64_t left = std::min(op_.out.h - y0, g1 - g);
    const int64_t take = divide_up(left, divide_up(left, rows));
    for (int64_t c = c0; c < c1; c += channels) {
      for (int64_t x = 0; x < op_.out.w; x += columns) {
        if (single) context_.rewind(tile);
        emit_piece(tile, {n, y0, y0 + take, x, std::min(x + columns, op_.out.w), c,
                          std::min(c + channels, c1)});
      }
    }
    g += take;
  }
}

void PoolEmitter::emit() {
  if (op_.kind == PoolOperator::Kind::Global && op_.in.h * op_.in.w > kMaxGlobal) {
    throw Error("too many pixels for an exact average", context_.node_name,
                "at most " + std::to_string(kMaxGlobal), std::to_string(op_.in.h * op_.in.w));
  }
  // Rows over tiles; channels too where rows are few.
  const int64_t tiles = context_.tiles();
  const int64_t all_rows = op_.out.n * op_.out.h;
  const int64_t blocks = divide_up(op_.out.c, kLanes);
  const int64_t tr = std::min(tiles, all_rows);
  const int64_t tn = std::min(std::max<int64_t>(tiles / tr, 1), blocks);
  std::vector<Home::Piece> pieces;
  in_place_ = true;
  for (int64_t t = 0; t < tr * tn; ++t) {
    Home::Piece piece;
    piece.tile = static_cast<unsigned>(t);
    std::tie(piece.r0, piece.r1) = share(all_rows, t / tn, tr);
    std::tie(piece.c0, piece.c1) = share(blocks, t % tn, tn);
    piece.r0 *= op_.out.w;
    piece.r1 *= op_.out.w;
    piece.c0 *= kLanes;
    piece.c1 = std::min(piece.c1 * kLanes, op_.out.c);
    for (int64_t g = piece.r0 / op_.out.w; g < piece.r1 / op_.out.w;) {
      const int64_t y0 = g % op_.out.h;
      const int64_t rows = std::min(op_.out.h - y0, piece.r1 / op_.out.w - g);
      const SlabShape shape =
          slab_shape({g / op_.out.h, y0, y0 + rows, 0, op_.out.w, piece.c0, piece.c1});
      in_place_ = in_place_ && lies_in_place(piece.tile, bytes_in_, shape);
      g += rows;
    }
    pieces.push_back(std::move(piece));
  }
  std::vector<const Stored*> inputs = {op_.in.stored};
  if (in_place_ && op_.in.stored->buffer.home->direct) inputs.clear();
  // A barrier first: it frees memory of other values.
  context_.begin(inputs);
  std::vector<Home::Piece> wanted;
  for (const Home::Piece& p : pieces) wanted.push_back({p.tile, p.r0, p.r1, p.c0, p.c1, {}});
  context_.place(*op_.output, all_rows * op_.out.w, op_.out.c, std::move(wanted));
  bool direct = true;
  for (const Home::Piece& p : pieces) {
    emit_share(p.tile, p.r0 / op_.out.w, p.r1 / op_.out.w, p.c0, p.c1);
    direct = direct && !cut_;
  }
  if (op_.output->buffer.home != nullptr) op_.output->buffer.home->direct = direct;
  op_.output->epoch = context_.epoch();
}

}  // namespace

void emit_pool(Context& context, const PoolOperator& op) { PoolEmitter(context, op).emit(); }

}  // namespace systole::compile
