// A tensor as a value: element type, static shape, elements in C order (last index fastest).
#pragma once

#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

namespace systole {

enum class DataType { F32, S8, U8, S32, S64 };

// Bytes of one element.
size_t element_size(DataType type);
// "float32", "int8", ... as numpy names them.
std::string to_string(DataType type);

using Shape = std::vector<int64_t>;

// "[1, 3, 8, 8]"; a scalar is "[]".
std::string to_string(const Shape& shape);

// The largest tensor accepted, in elements: what a file can make us allocate is bounded.
constexpr int64_t kMaxElements = int64_t{1} << 28;

// Product of the dimensions; 1 for a scalar. Throws Error naming `where` when a dimension is
// negative or the product exceeds kMaxElements.
int64_t element_count(const Shape& shape, const std::string& where = "tensor");

class Tensor {
 public:
  // An empty tensor of shape [0]: a placeholder.
  Tensor() : type_(DataType::F32), shape_{0} {}
  // All elements 0.
  Tensor(DataType type, Shape shape);
  template <typename T>
  Tensor(Shape shape, const std::vector<T>& elements);

  DataType type() const { return type_; }
  const Shape& shape() const { return shape_; }
  int64_t size() const { return static_cast<int64_t>(bytes_.size() / element_size(type_)); }

  const std::vector<uint8_t>& bytes() const { return bytes_; }
  std::vector<uint8_t>& bytes() { return bytes_; }

  // The elements; T must be the element type (checked).
  template <typename T>
  const T* data() const {
    require(type_of<T>());
    return reinterpret_cast<const T*>(bytes_.data());
  }
  template <typename T>
  T* data() {
    require(type_of<T>());
    return reinterpret_cast<T*>(bytes_.data());
  }

  // Element i of an integer tensor of any width.
  int64_t integer(int64_t i) const;
  // The same elements with another shape of the same size.
  Tensor reshaped(Shape shape) const;

  bool operator==(const Tensor& other) const {
    return type_ == other.type_ && shape_ == other.shape_ && bytes_ == other.bytes_;
  }

  template <typename T>
  static constexpr DataType type_of();

 private:
  void require(DataType type) const;
  void require_size(size_t elements) const;

  DataType type_;
  Shape shape_;
  std::vector<uint8_t> bytes_;
};

template <>
constexpr DataType Tensor::type_of<float>() {
  return DataType::F32;
}
template <>
constexpr DataType Tensor::type_of<int8_t>() {
  return DataType::S8;
}
template <>
constexpr DataType Tensor::type_of<uint8_t>() {
  return DataType::U8;
}
template <>
constexpr DataType Tensor::type_of<int32_t>() {
  return DataType::S32;
}
template <>
constexpr DataType Tensor::type_of<int64_t>() {
  return DataType::S64;
}

template <typename T>
Tensor::Tensor(Shape shape, const std::vector<T>& elements) : Tensor(type_of<T>(), shape) {
  require_size(elements.size());
  if (!elements.empty()) std::memcpy(bytes_.data(), elements.data(), bytes_.size());
}

}  // namespace systole
