// Runs compiled models on the functional model, for the tests of the compiler.
#pragma once

#include <catch2/catch.hpp>
#include <cstring>
#include <vector>

#include "host/command/disassemble.hpp"
#include "host/compile/compiled_model.hpp"
#include "host/golden/functional_model.hpp"
#include "host/golden/graph_reference.hpp"
#include "host/graph/graph.hpp"

namespace systole::test {

/// Outputs of each record. Seed 0: the order of FunctionalModel::run(); else a random one.
inline std::vector<graph::Tensors> run_compiled(const compile::CompiledModel& model,
                                                const std::vector<graph::Tensors>& records,
                                                uint64_t seed = 0) {
  const std::size_t at_once = model.inputs_at_once;
  const std::size_t iterations = (records.size() + at_once - 1) / at_once + model.lag;
  const std::size_t places = (iterations + model.lag) * at_once;
  const std::size_t out_at = 4096 + model.input_record * places;
  golden::FunctionalModel chip(model.config, out_at + model.output_record * places + 4096);
  for (const compile::Segment& segment : model.segments) {
    REQUIRE(chip.machine().write(segment.address, segment.bytes.data(), segment.bytes.size()));
  }
  uint8_t* host = chip.machine().host_memory().data();
  for (std::size_t r = 0; r < records.size(); ++r) {
    for (const compile::Binding& input : model.inputs) {
      const Tensor& tensor = records[r].at(input.name);
      REQUIRE(tensor.bytes().size() == input.bytes);
      std::memcpy(host + 4096 + r * model.input_record + input.offset, tensor.bytes().data(),
                  input.bytes);
    }
  }
  for (const compile::TileProgram& program : model.tiles) {
    const golden::Node node{program.x, program.y};
    REQUIRE(chip.machine().write(golden::scratchpad_address(node, program.local),
                                 program.image.data(), program.image.size()));
    golden::Windows windows;
    for (std::size_t i = 0; i < program.windows.size(); ++i) {
      const compile::Window& w = program.windows[i];
      windows.perm |= (w.readable ? 1u : 0u) << (2 * i) | (w.writable ? 1u : 0u) << (2 * i + 1);
      windows.base[i] = static_cast<uint32_t>(w.base / spec::WindowGranuleBytes);
      windows.limit[i] = static_cast<uint32_t>((w.base + w.bytes - 1) / spec::WindowGranuleBytes);
    }
    chip.set_windows(node, windows);
    golden::Launch launch;
    launch.program = program.program;
    launch.param[0] = 4096;
    launch.param[1] = static_cast<uint32_t>(out_at);
    for (std::size_t i = 0; i < program.fixed_param.size(); ++i) {
      launch.param[4 + i] = program.fixed_param[i];
    }
    launch.step[0] = static_cast<uint32_t>(model.input_record * at_once / model.phases);
    launch.step[1] = static_cast<uint32_t>(model.output_record * at_once / model.phases);
    launch.inputs = static_cast<uint32_t>(iterations * model.phases);
    chip.launch(node, launch);
  }
  const auto fault = seed == 0 ? chip.run() : chip.run_disordered(seed);
  if (fault) {
    std::string command;
    for (const compile::TileProgram& program : model.tiles) {
      if (program.x != fault->node.x || program.y != fault->node.y) continue;
      spec::CommandWords words;
      const auto unit = static_cast<std::size_t>(fault->unit);
      std::memcpy(words.data(),
                  program.image.data() + program.program[unit] - program.local +
                      fault->pc * spec::CommandBytes,
                  spec::CommandBytes);
      command = disassemble(words);
    }
    INFO("tile " << fault->node.x << "," << fault->node.y << " unit "
                 << spec::to_string(fault->unit) << " pc " << fault->pc << " "
                 << spec::to_string(fault->fault.code) << " info " << fault->fault.info << ": "
                 << command);
    FAIL("a tile faulted");
  }
  std::vector<graph::Tensors> results;
  for (std::size_t r = 0; r < records.size(); ++r) {
    graph::Tensors outputs;
    for (const compile::Binding& output : model.outputs) {
      Tensor tensor(output.type, output.shape);
      const std::size_t place = r + model.lag * at_once;
      std::memcpy(tensor.bytes().data(),
                  host + out_at + place * model.output_record + output.offset, output.bytes);
      outputs[output.name] = std::move(tensor);
    }
    results.push_back(std::move(outputs));
  }
  return results;
}

/// Fails at the first element in which two tensors differ.
inline void require_equal(const Tensor& got, const Tensor& wanted, const std::string& name) {
  REQUIRE(got.type() == wanted.type());
  REQUIRE(got.shape() == wanted.shape());
  if (got.bytes() == wanted.bytes()) return;
  const std::size_t size = element_size(got.type());
  std::size_t wrong = 0, first = got.bytes().size();
  for (std::size_t i = 0; i < got.bytes().size(); i += size) {
    if (std::memcmp(&got.bytes()[i], &wanted.bytes()[i], size) == 0) continue;
    if (wrong++ == 0) first = i / size;
  }
  float a = 0, b = 0;
  if (got.type() == DataType::F32) {
    a = got.data<float>()[first], b = wanted.data<float>()[first];
  } else {
    a = static_cast<float>(got.integer(static_cast<int64_t>(first)));
    b = static_cast<float>(wanted.integer(static_cast<int64_t>(first)));
  }
  INFO(name << ": " << wrong << " of " << got.size() << " elements differ, the first is " << first
            << ": got " << a << ", wanted " << b << ", shape " << to_string(got.shape()));
  FAIL("wrong result");
}

/// Compiles, runs in order and in `seeds` random orders, compares with the graph reference.
inline void check_graph(const graph::Graph& graph, const ChipConfig& config, unsigned tiles,
                        const std::vector<graph::Tensors>& records,
                        const std::vector<uint64_t>& seeds, unsigned page_commands = 0,
                        std::optional<compile::Division> division = {}) {
  compile::CompileOptions options;
  options.use_tiles = tiles;
  options.page_commands = page_commands;
  options.division = division;
  const compile::CompiledModel model = compile::compile(graph, config, options);
  INFO(graph::describe(graph) << config.name << ", " << tiles << " tiles, pages of "
                              << page_commands << ", " << model.division.groups << " groups, "
                              << model.division.in_flight << " in flight");
  std::vector<graph::Tensors> wanted;
  for (const graph::Tensors& record : records) wanted.push_back(golden::run(graph, record));
  std::vector<uint64_t> orders = {0};
  orders.insert(orders.end(), seeds.begin(), seeds.end());
  for (const uint64_t seed : orders) {
    INFO("order " << seed);
    const auto got = run_compiled(model, records, seed);
    for (std::size_t r = 0; r < records.size(); ++r) {
      for (const auto& [name, tensor] : wanted[r]) {
        require_equal(got[r].at(name), tensor, "record " + std::to_string(r) + " " + name);
      }
    }
  }
}

}  // namespace systole::test
