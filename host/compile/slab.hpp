// Images in memory, and pieces of them in a scratchpad.
#pragma once

#include "host/compile/context.hpp"

namespace systole::compile {

/// A value as [N][H][W][C], dense; what loads it takes bytes for channels.
struct Image {
  const Stored* stored = nullptr;
  int64_t n = 1, h = 1, w = 1, c = 1;
};

/// Rows [y0, y1), columns [x0, x1) and channels [c0, c1) of one image of a batch; coordinates
/// outside the image are padding. c1 = 0: all channels.
struct SlabShape {
  int64_t n = 0;
  int64_t y0 = 0, y1 = 0;
  int64_t x0 = 0, x1 = 0;
  int64_t c0 = 0, c1 = 0;
};

/// In the scratchpad: [y1 - y0][x1 - x0][c1 - c0], dense.
struct Slab {
  Block block;
  uint32_t address = 0;
  int64_t pitch = 0;  // bytes from row to row
};

/// Loads a slab, padding filled with `pad` (four bytes; of bytes, one four times), by so many
/// commands one after another. `slack` bytes behind it are readable.
Slab load_slab(Context& context, unsigned tile, const Image& image, const SlabShape& shape,
               uint32_t pad, int64_t slack, int64_t parts = 1);

/// Whether all that load_slab() loads lies in the tile's own piece of the image.
bool is_held(unsigned tile, const Image& image, const SlabShape& shape);
/// Whether the tile's own piece of the image holds the slab, as load_slab() would lay it out, or
/// would with load_neighbours().
bool lies_in_place(unsigned tile, const Image& image, const SlabShape& shape);
/// Loads the lines of a slab in place that other tiles hold.
void load_neighbours(Context& context, unsigned tile, const Image& image, const SlabShape& shape);
/// That slab. No memory of its own.
Slab slab_in_place(unsigned tile, const Image& image, const SlabShape& shape);

}  // namespace systole::compile
