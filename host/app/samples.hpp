// Recorded inferences of a model, in a folder: inputs, and what another engine made of them.
#pragma once

#include <string>
#include <vector>

#include "host/app/options.hpp"
#include "host/driver/batch.hpp"
#include "host/graph/graph.hpp"

namespace systole::app {

struct Samples {
  std::vector<NamedFile> inputs;  // sample by sample
  std::vector<Tensor> outputs;    // in the model's order; samples along the leading dimension
  std::size_t count = 0;          // of recordings; each may hold several inferences
};

/// Two layouts: `input_K.npy` and `output_K.npy` in the folder, for sample K of a model with one
/// input and one output; or ONNX's own, `test_data_set_K/input_I.pb` and `output_J.pb`, for input I
/// and output J. K counts from 0. Throws Error for a folder without samples, an output that is
/// missing, and samples that are no stream.
Samples load_samples(const onnx::Model& model, const std::string& folder);

/// How many inferences the samples are; they are the first of the records. Throws Error, before
/// anything runs, where a recorded output has another type or shape than the model's.
std::size_t inferences_of(const Samples& samples, const Batch& batch, const std::string& folder);

/// How outputs compare with recorded ones.
struct Likeness {
  std::size_t elements = 0;
  std::size_t differing = 0;
  double farthest = 0;  // of two elements; infinite where one is not a number
  bool within = true;   // every element is equal, or as near as the graph's operators allow

  /// "equal", or how many differ, by how much at most, and whether that is allowed.
  std::string text() const;
};

/// All are to be equal, but where a graph has functions that engines approximate (softmax, sigmoid,
/// tanh): there codes of bytes may be one apart, dequantized or not, and other floats by 1e-7 and
/// 1e-3 of the value, which is what ONNX's own tests allow.
Likeness compare(const graph::Graph& graph, const std::vector<Tensor>& got,
                 const std::vector<Tensor>& recorded);

}  // namespace systole::app
