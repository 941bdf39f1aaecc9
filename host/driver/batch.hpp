// One tensor file may hold many inferences: numpy's leading dimension. When each is independent of
// the others they are run one by one, as a stream; otherwise the batch is part of the graph.
#pragma once

#include <string>
#include <vector>

#include "host/driver/session.hpp"
#include "host/graph/graph.hpp"

namespace systole {

/// A graph of one inference, and the records to run it on.
struct Batch {
  graph::Graph graph;
  std::vector<Record> records;
  bool split = false;  // a record is one slice of the leading dimension
};

/// Builds the graph of `model` for `inputs` (by name). A leading dimension that the model leaves
/// open, or gives as 1, is split when every input has the same one and no operator mixes its
/// slices; the slices are the records.
Batch make_batch(const onnx::Model& model, const graph::Tensors& inputs);

/// Puts the outputs of the records together along the leading dimension again, in the graph's order
/// of outputs.
std::vector<Tensor> join_outputs(const Batch& batch, const std::vector<Record>& outputs);

}  // namespace systole
