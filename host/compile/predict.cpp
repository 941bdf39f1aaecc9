#include "host/compile/predict.hpp"

#include <algorithm>
#include <map>

namespace systole::compile {
namespace {

constexpr uint64_t kMemoryLatency = 60;
constexpr uint64_t kPipeline = 12;
constexpr uint64_t kHeldBlock = 5;  // cycles from one block's vectors to the next's
constexpr uint64_t kMemoryBytesPerCycle = 20;

template <typename Command>
uint64_t transfer_cycles(const Command& c) {
  const uint64_t runs = uint64_t{c.count0} * c.count1;
  const uint64_t beats = (uint64_t{c.run} + 2 * spec::FlitBytes - 2) / spec::FlitBytes;
  const uint64_t packets = (uint64_t{c.run} + spec::MaxPacketBytes - 1) / spec::MaxPacketBytes;
  return runs * (beats + packets);
}

uint64_t matmul_cycles(const spec::MatmulCommand& c) {
  const uint64_t rows = uint64_t{c.rcount0} * c.rcount1 * c.rcount2;
  const uint64_t steps = uint64_t{c.kcount0} * c.kcount1 * c.kcount2 * c.ncount;
  return steps * std::max<uint64_t>(rows, 8) + 8;
}

bool is_word(spec::Vtype type) { return type == spec::Vtype::S32 || type == spec::Vtype::F32; }

uint64_t vector_cycles(const spec::VectorCommand& c) {
  const uint64_t groups = uint64_t{c.count0} * c.count1 * c.count2;
  const bool wide = is_word(c.a_type) || is_word(c.b_type) || is_word(c.d_type);
  const uint64_t block = groups * c.wcount0 * c.wcount1 * (wide ? 2 : 1);
  const bool held = c.s_vector || c.t_vector || c.c_vector;
  return c.count3 * (held ? std::max(block, kHeldBlock) : block);
}

}  // namespace

uint64_t command_cycles(const spec::CommandWords& words) {
  switch (spec::CommandHeader::decode(words).opcode) {
    case spec::Opcode::Load:
      return transfer_cycles(spec::LoadCommand::decode(words));
    case spec::Opcode::Store:
      return transfer_cycles(spec::StoreCommand::decode(words));
    case spec::Opcode::Fill: {
      const auto c = spec::FillCommand::decode(words);
      return uint64_t{c.count0} * c.count1 * ((c.run + 31) / 32);
    }
    case spec::Opcode::Matmul:
      return matmul_cycles(spec::MatmulCommand::decode(words));
    case spec::Opcode::Vector:
      return vector_cycles(spec::VectorCommand::decode(words));
    default:
      return 4;
  }
}

/// Bytes that a command moves to or from DRAM or host memory.
uint64_t memory_bytes(const spec::CommandWords& words) {
  const auto bytes = [](const auto& c) {
    return c.addr >= spec::TileBase ? 0 : uint64_t{c.run} * c.count0 * c.count1;
  };
  switch (spec::CommandHeader::decode(words).opcode) {
    case spec::Opcode::Load:
      return bytes(spec::LoadCommand::decode(words));
    case spec::Opcode::Store:
      return bytes(spec::StoreCommand::decode(words));
    default:
      return 0;
  }
}

void predict(const Schedule& schedule, std::vector<Layer>& layers) {
  std::map<std::pair<unsigned, int>, std::array<uint64_t, spec::NumUnits>> busy;
  std::map<int, uint64_t> moved;
  schedule.for_each_body_command(
      [&](unsigned tile, spec::Unit unit, const spec::CommandWords& words, int layer) {
        busy[{tile, layer}][static_cast<std::size_t>(unit)] += command_cycles(words);
        moved[layer] += memory_bytes(words);
      });
  for (const auto& [key, cycles] : busy) {
    if (key.second < 0) continue;
    Layer& layer = layers[static_cast<std::size_t>(key.second)];
    const uint64_t longest = std::max(*std::max_element(cycles.begin(), cycles.end()),
                                      moved[key.second] / kMemoryBytesPerCycle);
    layer.predicted_cycles =
        std::max(layer.predicted_cycles, longest + kMemoryLatency + 3 * kPipeline);
  }
}

}  // namespace systole::compile
