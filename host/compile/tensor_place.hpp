// Where the output of a layer lies: from an address back to an element of a tensor.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "host/compile/view.hpp"
#include "host/driver/device.hpp"
#include "host/import/tensor.hpp"

namespace systole::compile {

struct TensorPlace {
  /// Of the address: global, or relative to the input or output record.
  enum class Space { Global, Input, Output };
  /// A rectangle of the tensor's buffer, seen as a matrix of bytes; dense in memory.
  struct Piece {
    Address address = 0;
    int64_t r0 = 0, r1 = 0, c0 = 0, c1 = 0;
  };

  int layer = -1;
  std::string name;
  DataType type{};
  Shape shape;  // as in the ONNX model
  View view;    // of the buffer
  Space space = Space::Global;
  int64_t columns = 0;  // bytes of a row of the buffer
  std::vector<Piece> pieces;

  /// Indices of the element that holds the byte at `address`, one a dimension of `shape`; nullopt
  /// when the tensor is not there.
  std::optional<std::vector<int64_t>> element_at(Space space, Address address) const;
};

}  // namespace systole::compile
