// Runs compiled models on the functional model.
#pragma once

#include <fmt/format.h>

#include <cstring>
#include <stdexcept>
#include <string>
#include <vector>

#include "host/command/disassemble.hpp"
#include "host/compile/compiled_model.hpp"
#include "host/golden/functional_model.hpp"
#include "host/graph/graph.hpp"

namespace systole::test {

inline void require_done(bool done, const char* what) {
  if (!done) throw std::logic_error(what);
}

/// Of a fault of the functional model: who, and which command.
inline std::string fault_text(const compile::CompiledModel& model, const golden::TileFault& fault) {
  std::string command;
  for (const compile::TileProgram& program : model.tiles) {
    if (program.x != fault.node.x || program.y != fault.node.y) continue;
    spec::CommandWords words;
    const auto unit = static_cast<std::size_t>(fault.unit);
    std::memcpy(words.data(),
                program.image.data() + program.program[unit] - program.local +
                    fault.pc * spec::CommandBytes,
                spec::CommandBytes);
    command = disassemble(words);
  }
  return fmt::format("a tile faulted: tile {},{} unit {} pc {} {} info {}: {}", fault.node.x,
                     fault.node.y, spec::to_string(fault.unit), fault.pc,
                     spec::to_string(fault.fault.code), fault.fault.info, command);
}

/// Outputs of each record; throws when a tile faults. Seed 0: the order of FunctionalModel::run();
/// else a random one.
inline std::vector<graph::Tensors> run_compiled(const compile::CompiledModel& model,
                                                const std::vector<graph::Tensors>& records,
                                                uint64_t seed = 0) {
  const std::size_t at_once = model.inputs_at_once;
  const std::size_t iterations = (records.size() + at_once - 1) / at_once + model.lag;
  const std::size_t places = (iterations + model.lag) * at_once;
  const std::size_t out_at = 4096 + model.input_record * places;
  golden::FunctionalModel chip(model.config, out_at + model.output_record * places + 4096);
  for (const compile::Segment& segment : model.segments) {
    require_done(chip.machine().write(segment.address, segment.bytes.data(), segment.bytes.size()),
                 "a constant lies nowhere");
  }
  uint8_t* host = chip.machine().host_memory().data();
  for (std::size_t r = 0; r < records.size(); ++r) {
    for (const compile::Binding& input : model.inputs) {
      const Tensor& tensor = records[r].at(input.name);
      require_done(tensor.bytes().size() == input.bytes, "an input of another size");
      std::memcpy(host + 4096 + r * model.input_record + input.offset, tensor.bytes().data(),
                  input.bytes);
    }
  }
  for (const compile::TileProgram& program : model.tiles) {
    const golden::Node node{program.x, program.y};
    require_done(chip.machine().write(golden::scratchpad_address(node, program.local),
                                      program.image.data(), program.image.size()),
                 "a program lies nowhere");
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
  if (fault) throw std::logic_error(fault_text(model, *fault));
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

}  // namespace systole::test
