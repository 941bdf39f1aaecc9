// Typed access to a node's attributes; a wrong kind is an Error that names node and attribute.
#pragma once

#include <fmt/format.h>

#include <string>
#include <utility>
#include <vector>

#include "host/command/error.hpp"
#include "host/import/model.hpp"

namespace systole::graph {

// The attribute, or `otherwise` where the node has none.
template <typename T>
T attribute(const onnx::Node& node, const std::string& name, T otherwise) {
  const auto found = node.attributes.find(name);
  if (found == node.attributes.end()) return otherwise;
  if (const T* value = std::get_if<T>(&found->second)) return *value;
  throw Error(fmt::format("attribute '{}' has the wrong type", name), "node " + node.label());
}

inline int64_t integer(const onnx::Node& node, const std::string& name, int64_t otherwise) {
  return attribute<int64_t>(node, name, otherwise);
}

inline std::vector<int64_t> integers(const onnx::Node& node, const std::string& name) {
  return attribute<std::vector<int64_t>>(node, name, {});
}

}  // namespace systole::graph
