#include "host/compile/tensor_place.hpp"

namespace systole::compile {
namespace {

/// The byte of the buffer that lies at `address`.
std::optional<int64_t> buffer_byte(const TensorPlace& place, Address address) {
  for (const TensorPlace::Piece& piece : place.pieces) {
    const int64_t width = piece.c1 - piece.c0;
    const auto offset = static_cast<int64_t>(address - piece.address);
    if (address < piece.address || width == 0 || offset >= width * (piece.r1 - piece.r0)) continue;
    return (piece.r0 + offset / width) * place.columns + piece.c0 + offset % width;
  }
  return std::nullopt;
}

}  // namespace

std::optional<std::vector<int64_t>> TensorPlace::element_at(Space in, Address address) const {
  if (in != space) return std::nullopt;
  const auto byte = buffer_byte(*this, address);
  if (!byte) return std::nullopt;
  const int64_t element = *byte / static_cast<int64_t>(element_size(type));
  std::vector<int64_t> indices;
  for (const std::vector<Axis>& axes : view.dims()) {
    int64_t index = 0;  // axes are major first; every axis takes its own digits of the offset
    for (const Axis& axis : axes) index = index * axis.extent + element / axis.stride % axis.extent;
    indices.push_back(index);
  }
  return indices;
}

}  // namespace systole::compile
