#include "host/import/tensor.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "host/command/error.hpp"

namespace systole {

size_t element_size(DataType type) {
  switch (type) {
    case DataType::S8:
    case DataType::U8:
      return 1;
    case DataType::F32:
    case DataType::S32:
      return 4;
    case DataType::S64:
      return 8;
  }
  throw Error("unknown element type", "tensor");
}

std::string to_string(DataType type) {
  switch (type) {
    case DataType::F32:
      return "float32";
    case DataType::S8:
      return "int8";
    case DataType::U8:
      return "uint8";
    case DataType::S32:
      return "int32";
    case DataType::S64:
      return "int64";
  }
  return "unknown";
}

std::string to_string(const Shape& shape) { return fmt::format("[{}]", fmt::join(shape, ", ")); }

int64_t element_count(const Shape& shape, const std::string& where) {
  int64_t count = 1;
  bool empty = false;
  for (int64_t dim : shape) {
    if (dim < 0) throw Error("negative dimension", where, "all at least 0", to_string(shape));
    if (dim == 0) {
      empty = true;
      continue;
    }
    if (count > kMaxElements / dim) {
      throw Error("tensor too large", where, fmt::format("at most {} elements", kMaxElements),
                  to_string(shape));
    }
    count *= dim;
  }
  return empty ? 0 : count;
}

Tensor::Tensor(DataType type, Shape shape)
    : type_(type),
      shape_(std::move(shape)),
      bytes_(static_cast<size_t>(element_count(shape_)) * element_size(type)) {}

int64_t Tensor::integer(int64_t i) const {
  switch (type_) {
    case DataType::S8:
      return data<int8_t>()[i];
    case DataType::U8:
      return data<uint8_t>()[i];
    case DataType::S32:
      return data<int32_t>()[i];
    case DataType::S64:
      return data<int64_t>()[i];
    case DataType::F32:
      break;
  }
  throw Error("wrong element type", "tensor", "integers", to_string(type_));
}

Tensor Tensor::reshaped(Shape shape) const {
  if (element_count(shape) != size()) {
    throw Error("reshape changes the number of elements", "tensor",
                fmt::format("{} elements", size()), to_string(shape));
  }
  Tensor result = *this;
  result.shape_ = std::move(shape);
  return result;
}

void Tensor::require(DataType type) const {
  if (type != type_) {
    throw Error("wrong element type", "tensor", to_string(type), to_string(type_));
  }
}

void Tensor::require_size(size_t elements) const {
  if (elements != static_cast<size_t>(size())) {
    throw Error("wrong number of elements", "tensor",
                fmt::format("{} for {}", size(), to_string(shape_)), fmt::format("{}", elements));
  }
}

}  // namespace systole
