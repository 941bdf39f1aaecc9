// Tensors that a command line names.
#pragma once

#include <string>
#include <vector>

#include "host/import/tensor.hpp"

namespace systole::app {

/// An ONNX TensorProto (.pb), as the ONNX node tests keep them, or numpy's format.
Tensor load_tensor(const std::string& file);

/// Tensors of one type and shape, one behind the other along a leading dimension of 1. Throws Error
/// naming `where` for others; a single one may be of any shape.
Tensor stack(const std::vector<Tensor>& parts, const std::string& where);
/// The one that all are. Throws Error naming `where` when they differ.
Tensor all_alike(const std::vector<Tensor>& parts, const std::string& where);

}  // namespace systole::app
