// The walk through a share, chunk by chunk: sums, what becomes of them, what is stored.
#include "host/compile/matrix_emitter.hpp"

#include <algorithm>
#include <memory>

namespace systole::compile {
namespace {

/// Whether rows so many bytes apart lie in the same banks of the scratchpad, nearly: a byte's bank
/// goes by its address and the 16th and 256th of that.
bool share_banks(int64_t pitch) {
  constexpr int64_t kBanks = int64_t{spec::ScratchpadBanks} * spec::BankBytes;
  constexpr int64_t kNearly = 4;
  const int64_t away = pitch * (256 + 16 + 1) / 256 % kBanks;
  return std::min(away, kBanks - away) <= kNearly;
}

/// Takes the steps of a product from the last to the first. Of the last one full rows: behind the
/// depth there are zeros in its weights.
void turn_back(spec::MatmulCommand& c) {
  const int64_t last = c.kcount0 - 1;
  c.act += static_cast<uint32_t>(last * c.kstride0);
  c.wgt += static_cast<uint32_t>(last * c.wgt_kstride);
  c.kstride0 = -c.kstride0;
  c.wgt_kstride = -c.wgt_kstride;
  c.len_last = c.len;
}

}  // namespace

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
  // Rows go on by two banks a step, and a load by two a cycle. Where all rows of a step are in the
  // same banks, a load that meets them would wait there step after step, if both went up.
  const bool one_loop = segment.steps() == segment.count[0];
  if (one_loop && rows > 1 && segment.mode == spec::RowMode::Run32 && segment.len == kDepth &&
      share_banks(c.rcount0 > 1 ? c.rstride0 : c.rstride1))
    turn_back(c);
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

/// The groups of a panel, those together whose rows are used part by part.
std::vector<std::vector<MatrixEmitter::Group>> MatrixEmitter::batches(const Share& share,
                                                                      int64_t p0, int64_t p1,
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
  const auto edge = static_cast<std::size_t>(tiling_.edge_groups());
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
    const int64_t rows = tiling.chunk_rows(left);
    for (int64_t ox = 0; ox < op_.out.w; ox += tiling.columns) {
      emit_chunk(tile, share, tiling, n, oy0, oy0 + rows, ox,
                 std::min(ox + tiling.columns, op_.out.w));
    }
    g += rows;
  }
  while (!late_stores_.empty()) emit_late_store();
}

}  // namespace systole::compile
