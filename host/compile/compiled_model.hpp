// What the compiler makes of a graph: programs for every tile, constants for DRAM, the layout of
// one input and one output record, and what each command is for.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "host/compile/tensor_place.hpp"
#include "host/driver/device.hpp"
#include "host/graph/graph.hpp"
#include "host/import/tensor.hpp"
#include "rtl/spec/gen/systole_commands.hpp"

namespace systole::compile {

/// Bytes that must lie at a global address before the programs are loaded (weights, biases,
/// scales).
struct Segment {
  Address address = 0;
  std::vector<uint8_t> bytes;
};

/// A range of the global address space that a tile may reach; granules of WindowGranuleBytes.
struct Window {
  Address base = 0;
  Address bytes = 0;
  bool readable = true;
  bool writable = false;
};

/// The four programs of one tile: `image` goes to scratchpad address `local`, unit u starts at
/// `program[u]` (scratchpad address). Units are in the order of the generated enum (load, matrix,
/// vector, store).
struct TileProgram {
  unsigned x = 0;
  unsigned y = 0;
  std::vector<uint8_t> image;
  uint32_t local = 0;
  std::array<uint32_t, 4> program{};
  std::vector<Window> windows;             // at most NumWindows
  std::array<uint32_t, 12> fixed_param{};  // launch parameters 4..15
  /// For each unit, for each phase, for each command of its program: index into
  /// CompiledModel::layers, or -1.
  std::array<std::vector<int>, 4> layer_of_command;
  /// The same: which input, counted from the first one that comes in with the iteration; negative
  /// for one that came in before.
  std::array<std::vector<int>, 4> input_of_command;
};

/// Commands of an image from byte `at` on, up to End, which is the last of them.
std::vector<spec::CommandWords> commands_of(const std::vector<uint8_t>& image, std::size_t at);
/// Commands of one unit's program; of a program in pages those of the first one.
std::vector<spec::CommandWords> commands_of(const TileProgram& tile, spec::Unit unit);

/// A model input or output inside the record of one inference.
struct Binding {
  std::string name;
  DataType type{};
  Shape shape;          // of one inference, as in the ONNX model
  uint32_t offset = 0;  // bytes from the start of the record, multiple of 64
  uint32_t bytes = 0;
};

struct Layer {
  std::string name;               // the ONNX node (the last one fused into it)
  std::string op;                 // "Conv", "Gemm", ...
  uint64_t mac = 0;               // output elements x kernel x input channels per group
  uint64_t predicted_cycles = 0;  // of one input of a long stream (host/compile/layer_spans.hpp)
};

/// How inputs are spread over the tiles.
struct Division {
  unsigned groups = 1;     // tiles work in so many groups of equal size, each on inputs of its own
  unsigned in_flight = 1;  // a group works on so many inputs at a time, operator by operator
  /// Or the network is cut into so many stages, each of them a tile's of every group: the tiles
  /// work on as many inputs that follow one another. Two inputs go through a stage in an iteration.
  unsigned stages = 1;
};

/// Launch parameter 0 is the offset of the first input record from `record_base`, parameter 1 that
/// of the first output record. The programs work on `inputs_at_once` inputs, neighbours in memory,
/// which take `phases` iterations of their loop: a launch of n times so many is one of n * phases,
/// with steps of inputs_at_once * input_record / phases, and output_record likewise. With stages
/// there is one phase, and an input is done `lag` iterations after it came in: a launch has so many
/// more, and the output records begin with so many times inputs_at_once that mean nothing.
struct CompiledModel {
  ChipConfig config;
  /// HostMemBase, or an address in DRAM behind all that the programs use there.
  Address record_base = spec::HostMemBase;
  std::vector<TileProgram> tiles;
  std::vector<Segment> segments;
  std::vector<Binding> inputs;
  std::vector<Binding> outputs;
  uint32_t input_record = 0;
  uint32_t output_record = 0;
  unsigned phases = 1;
  unsigned inputs_at_once = 1;
  unsigned lag = 0;
  Division division;
  std::vector<Layer> layers;
  std::vector<TensorPlace> places;  // of the layers' outputs
  // Predicted cycles (host/compile/cycle_model.hpp): of a request of one input, and from one
  // input's end to the next one's in a long stream.
  uint64_t latency = 0;
  double spacing = 0;

  /// Tells two models apart by what the chip gets of them: programs, constants, layout of records.
  std::string digest() const;
};

/// A tile's image in each of the model's phases: a page ends by loading the next one over itself.
std::vector<std::vector<uint8_t>> images_of(const CompiledModel& model, const TileProgram& tile);

struct CompileOptions {
  unsigned use_tiles = 0;        // compute tiles that take part, 0: all
  bool records_in_dram = false;  // input and output records lie in DRAM, not in host memory
  unsigned page_commands = 0;    // cut programs into pages of about so many commands, 0: if need be
  /// Inputs that will come in a stream: with more than one, throughput counts, else latency.
  std::size_t inputs = 1;
  std::optional<Division> division;  // none: as `inputs` suggests
  std::string dram = "ddr4-3200";    // of the chip, for the prediction
  unsigned use_channels = 0;         // of DRAM, 0: all
};

/// Compiles a canonical graph (host/graph) for a chip. Throws Error naming the node for what cannot
/// be mapped.
CompiledModel compile(const graph::Graph& graph, const ChipConfig& config,
                      const CompileOptions& options = {});

}  // namespace systole::compile
