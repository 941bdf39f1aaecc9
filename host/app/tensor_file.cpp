#include "host/app/tensor_file.hpp"

#include <fmt/format.h>

#include <cstring>
#include <filesystem>

#include "host/command/error.hpp"
#include "host/import/model.hpp"
#include "host/import/npy.hpp"

namespace systole::app {
namespace {

std::string kind(const Tensor& tensor) {
  return fmt::format("{} {}", to_string(tensor.type()), to_string(tensor.shape()));
}

}  // namespace

Tensor load_tensor(const std::string& file) {
  const bool is_proto = std::filesystem::path(file).extension() == ".pb";
  return is_proto ? onnx::load_tensor_proto(file) : npy::load(file);
}

Tensor stack(const std::vector<Tensor>& parts, const std::string& where) {
  const Tensor& first = parts.at(0);
  if (parts.size() == 1) return first;
  Shape shape = first.shape();
  if (shape.empty() || shape[0] != 1)
    throw Error("several files are no stream", where, "a leading dimension of 1", kind(first));
  shape[0] = static_cast<int64_t>(parts.size());
  Tensor whole(first.type(), shape);
  uint8_t* to = whole.bytes().data();
  for (const Tensor& part : parts) {
    if (part.type() != first.type() || part.shape() != first.shape())
      throw Error("several files are no stream", where, kind(first), kind(part));
    std::memcpy(to, part.bytes().data(), part.bytes().size());
    to += part.bytes().size();
  }
  return whole;
}

Tensor all_alike(const std::vector<Tensor>& parts, const std::string& where) {
  for (const Tensor& part : parts) {
    if (!(part == parts.at(0)))
      throw Error("a parameter of the model has two values", where, "the same in every file");
  }
  return parts.at(0);
}

}  // namespace systole::app
