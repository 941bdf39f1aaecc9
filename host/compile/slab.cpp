#include "host/compile/slab.hpp"

#include <algorithm>

namespace systole::compile {

Slab load_slab(Context& context, unsigned tile, const Image& image, const SlabShape& shape,
               uint32_t pad, int64_t slack, int64_t parts) {
  const int64_t rows = shape.y1 - shape.y0;
  const int64_t columns = shape.x1 - shape.x0;
  const int64_t pixel = shape.c1 == 0 ? image.c : shape.c1 - shape.c0;
  Slab slab;
  slab.pitch = columns * pixel;
  slab.block = context.scratch(tile, rows * slab.pitch + slack);
  slab.address = slab.block.address();
  const uint32_t base = slab.address;

  const int64_t top = std::clamp<int64_t>(-shape.y0, 0, rows);
  const int64_t bottom = std::clamp<int64_t>(shape.y1 - image.h, 0, rows - top);
  const int64_t left = std::clamp<int64_t>(-shape.x0, 0, columns);
  const int64_t right = std::clamp<int64_t>(shape.x1 - image.w, 0, columns - left);
  const int64_t inside_rows = rows - top - bottom;
  const int64_t inside_columns = columns - left - right;
  if (inside_rows == 0 || inside_columns == 0) {
    context.fill(tile, pad, base, rows * slab.pitch);
    return slab;
  }
  // Everything before the first inner byte, between two inner rows, and behind the last one.
  const auto at = [&](int64_t row, int64_t column) {
    return base + static_cast<uint32_t>(row * slab.pitch + column * pixel);
  };
  context.fill(tile, pad, base, top * slab.pitch + left * pixel);
  if (left + right > 0) {
    context.fill(tile, pad, at(top, left + inside_columns), (left + right) * pixel, inside_rows - 1,
                 slab.pitch);
  }
  context.fill(tile, pad, at(top + inside_rows - 1, left + inside_columns),
               right * pixel + bottom * slab.pitch);
  for (int64_t part = 0; part < parts; ++part) {
    const auto [first, last] = share(inside_rows, part, parts);
    if (first == last) continue;
    const int64_t offset =
        ((shape.n * image.h + shape.y0 + top + first) * image.w + shape.x0 + left) * image.c +
        shape.c0;
    context.load(tile, image.stored->buffer, offset, at(top + first, left), pixel,
                 {{inside_columns, image.c, pixel}, {last - first, image.w * image.c, slab.pitch}});
  }
  return slab;
}

namespace {

/// A piece that holds some channels of its pixels only.
bool has_some_channels(const Home& home, const Home::Piece& piece) {
  return piece.columns() != home.columns;
}

/// Bytes of a pixel in the tile's piece.
int64_t pixel_bytes(const Image& image, const Home::Piece& piece) {
  return has_some_channels(*image.stored->buffer.home, piece) ? piece.columns() : image.c;
}

/// Offset of a pixel's first byte from the begin of the tile's piece.
int64_t offset_in(const Image& image, const Home::Piece& piece, int64_t pixel) {
  const Home& home = *image.stored->buffer.home;
  return has_some_channels(home, piece) ? (pixel - piece.r0) * piece.columns()
                                        : pixel * image.c - piece.r0 * home.columns;
}

/// Lines of an image that a tile's piece of it holds, when that has a border.
std::pair<int64_t, int64_t> lines_of(const Home& home, const Home::Piece& piece) {
  return {piece.r0 / home.border.line, piece.r1 / home.border.line};
}

/// Whether the border is that of this image, which has its rows and columns.
bool borders(const Home& home, const Image& image) {
  return home.border.line == image.w && home.rows == image.h * image.w && home.columns == image.c;
}

}  // namespace

bool is_held(unsigned tile, const Image& image, const SlabShape& shape) {
  const Buffer& buffer = image.stored->buffer;
  if (buffer.space != Buffer::Space::Home) return false;
  const Home::Piece* piece = buffer.home->of(tile);
  if (piece == nullptr) return false;
  const int64_t c1 = shape.c1 == 0 ? image.c : shape.c1;
  if (has_some_channels(*buffer.home, *piece)) {
    if (buffer.home->columns != image.c || shape.c0 < piece->c0 || c1 > piece->c1) return false;
  }
  const int64_t y0 = std::clamp<int64_t>(shape.y0, 0, image.h);
  const int64_t y1 = std::clamp<int64_t>(shape.y1, y0, image.h);
  if (buffer.home->border) {
    const auto [first, last] = lines_of(*buffer.home, *piece);
    return borders(*buffer.home, image) && y0 >= first && y1 <= last;
  }
  const int64_t bytes = piece->columns() * (piece->r1 - piece->r0);
  return offset_in(image, *piece, (shape.n * image.h + y0) * image.w) >= 0 &&
         offset_in(image, *piece, (shape.n * image.h + y1) * image.w) <= bytes;
}

namespace {

/// The same for a piece with a border, where neighbours' lines have room.
bool lies_in_border(unsigned tile, const Image& image, const SlabShape& shape) {
  const Home& home = *image.stored->buffer.home;
  const Home::Piece* piece = home.of(tile);
  if (piece == nullptr || !borders(home, image)) return false;
  const Border& border = home.border;
  const auto [first, last] = lines_of(home, *piece);
  const int64_t c1 = shape.c1 == 0 ? image.c : shape.c1;
  return shape.c0 == piece->c0 && c1 == piece->c1 && shape.x0 == -border.left &&
         shape.x1 == image.w + border.right && shape.y0 >= first - border.top &&
         shape.y1 <= last + border.bottom;
}

}  // namespace

bool lies_in_place(unsigned tile, const Image& image, const SlabShape& shape) {
  const Buffer& buffer = image.stored->buffer;
  if (buffer.space == Buffer::Space::Home && buffer.home->border) {
    return lies_in_border(tile, image, shape);
  }
  if (!is_held(tile, image, shape)) return false;
  const int64_t channels = (shape.c1 == 0 ? image.c : shape.c1) - shape.c0;
  return shape.y0 >= 0 && shape.y1 <= image.h && shape.x0 == 0 && shape.x1 == image.w &&
         channels == pixel_bytes(image, *image.stored->buffer.home->of(tile));
}

void load_neighbours(Context& context, unsigned tile, const Image& image, const SlabShape& shape) {
  const Home& home = *image.stored->buffer.home;
  if (!home.border) return;
  const Home::Piece& piece = *home.of(tile);
  const auto own = lines_of(home, piece);
  const int64_t channels = piece.columns();
  const int64_t pitch = home.border.padded_line() * channels;
  const auto load = [&](int64_t first, int64_t last) {
    if (first >= last) return;
    const auto to = static_cast<int64_t>(piece.address()) +
                    (first - own.first + home.border.top) * pitch + home.border.left * channels;
    context.load(tile, image.stored->buffer, first * image.w * image.c + piece.c0,
                 static_cast<uint32_t>(to), channels,
                 {{image.w, image.c, channels}, {last - first, image.w * image.c, pitch}});
  };
  load(std::max<int64_t>(shape.y0, 0), own.first);
  load(own.second, std::min(shape.y1, image.h));
}

Slab slab_in_place(unsigned tile, const Image& image, const SlabShape& shape) {
  const Home& home = *image.stored->buffer.home;
  const Home::Piece& piece = *home.of(tile);
  Slab slab;
  if (home.border) {
    const int64_t line = shape.y0 - piece.r0 / image.w + home.border.top;
    slab.pitch = home.border.padded_line() * piece.columns();
    slab.address = piece.address() + static_cast<uint32_t>(line * slab.pitch);
    return slab;
  }
  slab.pitch = image.w * pixel_bytes(image, piece);
  slab.address = piece.address() + static_cast<uint32_t>(offset_in(
                                       image, piece, (shape.n * image.h + shape.y0) * image.w));
  return slab;
}

}  // namespace systole::compile
