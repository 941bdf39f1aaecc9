#include "host/report/program_map.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>

namespace systole::report {
namespace {

template <typename Command>
Traffic traffic_of(const Command& command) {
  const uint64_t bytes = uint64_t{command.run} * command.count0 * command.count1;
  if (command.addr >= spec::TileBase) return {0, 0, bytes};
  if (command.addr >= spec::DramBase) return {bytes, 0, 0};
  return {0, bytes, 0};
}

/// "vector", "vector of tile (2, 1)", "vector of 3 other tiles".
std::string poster_text(spec::Unit unit, golden::Node node, const std::vector<UnitId>& posters) {
  std::vector<UnitId> others;
  bool here = false;
  for (const UnitId& poster : posters) {
    if (poster.unit != unit) continue;
    if (poster.node == node) {
      here = true;
    } else {
      others.push_back(poster);
    }
  }
  const std::string name = lower(spec::to_string(unit));
  if (others.empty()) return name;
  const std::string away =
      others.size() == 1
          ? fmt::format("{} of tile ({}, {})", name, others[0].node.x, others[0].node.y)
          : fmt::format("{} of {} other tiles", name, others.size());
  return here ? name + " or " + away : away;
}

}  // namespace

std::string short_name(const std::string& layer) {
  const std::size_t end = layer.find('\'', 1);
  return layer.empty() || layer[0] != '\'' || end == std::string::npos ? layer
                                                                       : layer.substr(1, end - 1);
}

std::string lower(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return text;
}

bool is_internal(spec::Opcode opcode) {
  return opcode == spec::Opcode::End || opcode == spec::Opcode::Nop || opcode == spec::Opcode::Loop;
}

Traffic traffic_of(const spec::CommandWords& words) {
  switch (spec::CommandHeader::decode(words).opcode) {
    case spec::Opcode::Load:
      return traffic_of(spec::LoadCommand::decode(words));
    case spec::Opcode::Store:
      return traffic_of(spec::StoreCommand::decode(words));
    default:
      return {};
  }
}

int ProgramMap::Program::layer(std::size_t phase, uint32_t pc) const {
  return pc < body || pc > loop || pc >= length ? -1 : layers[phase * length + pc];
}

uint64_t ProgramMap::Program::runs(std::size_t phase, uint32_t pc, uint64_t runs_of_place) const {
  if (pc < body || pc > loop) return phase == 0 ? runs_of_place : 0;  // once a launch
  return (runs_of_place + phases() - 1 - phase) / phases();
}

ProgramMap::ProgramMap(const compile::CompiledModel& model)
    : phases_(model.phases),
      inputs_at_once_(model.inputs_at_once),
      lag_(model.lag),
      traffic_(model.layers.size()) {
  for (const compile::Layer& layer : model.layers) names_.push_back(short_name(layer.name));
  for (const compile::TileProgram& tile : model.tiles) add_tile(model, tile);
  for (const auto& [unit, program] : programs_) {
    add_posts(unit, program);
    add_traffic(program);
  }
  for (Traffic& traffic : traffic_) {
    for (uint64_t* bytes : {&traffic.dram, &traffic.host, &traffic.tiles})
      *bytes /= inputs_at_once_;
  }
}

void ProgramMap::add_tile(const compile::CompiledModel& model, const compile::TileProgram& tile) {
  for (const std::vector<uint8_t>& image : compile::images_of(model, tile)) {
    for (std::size_t u = 0; u < spec::NumUnits; ++u) {
      Program& program = programs_[{{tile.x, tile.y}, static_cast<spec::Unit>(u)}];
      const auto commands = compile::commands_of(image, tile.program[u] - tile.local);
      program.commands.insert(program.commands.end(), commands.begin(), commands.end());
      program.length = commands.size();
    }
  }
  for (std::size_t u = 0; u < spec::NumUnits; ++u) {
    Program& program = programs_[{{tile.x, tile.y}, static_cast<spec::Unit>(u)}];
    program.layers = tile.layer_of_command[u];
    program.layers.resize(program.commands.size(), -1);
    program.inputs = tile.input_of_command[u];
    program.inputs.resize(program.commands.size(), 0);
    program.loop = static_cast<uint32_t>(program.length);
    for (uint32_t pc = 0; pc < program.length; ++pc) {
      if (spec::CommandHeader::decode(program.commands[pc]).opcode != spec::Opcode::Loop) continue;
      program.body = spec::LoopCommand::decode(program.commands[pc]).target;
      program.loop = pc;
    }
  }
}

void ProgramMap::add_posts(const UnitId& unit, const Program& program) {
  const auto add = [&](golden::Node node, unsigned semaphore) {
    std::vector<UnitId>& posters = posters_[{node.x, node.y, semaphore}];
    if (std::find(posters.begin(), posters.end(), unit) == posters.end()) posters.push_back(unit);
  };
  for (const spec::CommandWords& words : program.commands) {
    const auto header = spec::CommandHeader::decode(words);
    for (unsigned s = 0; s < spec::NumSemaphores; ++s) {
      if ((header.post_mask >> s & 1) != 0) add(unit.node, s);
    }
    if (header.remote_en) add({header.remote_x, header.remote_y}, header.remote_sem);
  }
}

void ProgramMap::add_traffic(const Program& program) {
  for (std::size_t i = 0; i < program.commands.size(); ++i) {
    const int layer = program.layer(i / program.length, static_cast<uint32_t>(i % program.length));
    if (layer < 0) continue;
    const Traffic moved = traffic_of(program.commands[i]);
    Traffic& sum = traffic_[static_cast<std::size_t>(layer)];
    sum.dram += moved.dram;
    sum.host += moved.host;
    sum.tiles += moved.tiles;
  }
}

const ProgramMap::Program* ProgramMap::find(const UnitId& unit) const {
  const auto found = programs_.find(unit);
  return found == programs_.end() ? nullptr : &found->second;
}

const std::vector<UnitId>& ProgramMap::posters(golden::Node node, unsigned semaphore) const {
  static const std::vector<UnitId> kNone;
  const auto found = posters_.find({node.x, node.y, semaphore});
  return found == posters_.end() ? kNone : found->second;
}

std::string ProgramMap::posters_text(golden::Node node, unsigned semaphore) const {
  const std::vector<UnitId>& all = posters(node, semaphore);
  std::string text;
  for (unsigned u = 0; u < spec::NumUnits; ++u) {
    const auto unit = static_cast<spec::Unit>(u);
    const bool posts =
        std::any_of(all.begin(), all.end(), [&](const UnitId& id) { return id.unit == unit; });
    if (posts) text += (text.empty() ? "" : " or ") + poster_text(unit, node, all);
  }
  return text.empty() ? "nobody" : text;
}

}  // namespace systole::report
