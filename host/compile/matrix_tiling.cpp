// How a tile walks a share that it has to itself, and what a command takes of it.
#include "host/compile/matrix_emitter.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "host/command/error.hpp"

namespace systole::compile {

MatrixEmitter::Tiling MatrixEmitter::choose_tiling(const Share& share, int64_t memory,
                                                   bool weights_held) const {
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

int64_t MatrixEmitter::memory_for(unsigned tile) const {
  const Block& held = held_[tile].block;
  return context_.working_bytes() - (held ? held.bytes() : 0) - 1024;
}

}  // namespace systole::compile
