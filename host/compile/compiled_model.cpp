#include "host/compile/compiled_model.hpp"

#include <algorithm>
#include <cstring>

#include "host/command/digest.hpp"

namespace systole::compile {
namespace {

/// Bytes that lie in DRAM when the model is loaded; nullptr when no segment covers them.
const uint8_t* segment_bytes(const CompiledModel& model, Address address, std::size_t bytes) {
  for (const Segment& segment : model.segments) {
    if (address >= segment.address && address + bytes <= segment.address + segment.bytes.size()) {
      return segment.bytes.data() + (address - segment.address);
    }
  }
  return nullptr;
}

/// A page ends by loading the next one over itself: does that.
std::vector<uint8_t> turn_page(const CompiledModel& model, const TileProgram& tile,
                               const std::vector<uint8_t>& image) {
  std::vector<uint8_t> next = image;
  const auto load_unit = static_cast<std::size_t>(spec::Unit::Load);
  for (const spec::CommandWords& words : commands_of(image, tile.program[load_unit] - tile.local)) {
    if (spec::CommandHeader::decode(words).opcode != spec::Opcode::Load) continue;
    const auto load = spec::LoadCommand::decode(words);
    if (load.local_addr < tile.local || load.local_addr + load.run > tile.local + image.size())
      continue;
    const uint8_t* bytes = segment_bytes(model, load.addr, load.run);
    if (bytes != nullptr) std::copy_n(bytes, load.run, next.begin() + load.local_addr - tile.local);
  }
  return next;
}

}  // namespace

std::vector<spec::CommandWords> commands_of(const std::vector<uint8_t>& image, std::size_t at) {
  std::vector<spec::CommandWords> commands;
  for (; at + spec::CommandBytes <= image.size(); at += spec::CommandBytes) {
    commands.emplace_back();
    std::memcpy(commands.back().data(), image.data() + at, spec::CommandBytes);
    if (spec::CommandHeader::decode(commands.back()).opcode == spec::Opcode::End) break;
  }
  return commands;
}

std::vector<spec::CommandWords> commands_of(const TileProgram& tile, spec::Unit unit) {
  return commands_of(tile.image, tile.program[static_cast<std::size_t>(unit)] - tile.local);
}

std::vector<std::vector<uint8_t>> images_of(const CompiledModel& model, const TileProgram& tile) {
  std::vector<std::vector<uint8_t>> images{tile.image};
  while (images.size() < model.phases) images.push_back(turn_page(model, tile, images.back()));
  return images;
}

std::string CompiledModel::digest() const {
  Digest digest;
  const auto number = [&](uint64_t value) { digest.add(&value, sizeof value); };
  const auto bytes = [&](const std::vector<uint8_t>& data) {
    number(data.size());
    digest.add(data.data(), data.size());
  };
  number(record_base);
  for (const TileProgram& tile : tiles) {
    for (const uint64_t value : {tile.x, tile.y, tile.local}) number(value);
    bytes(tile.image);
    digest.add(tile.program.data(), sizeof tile.program);
    digest.add(tile.fixed_param.data(), sizeof tile.fixed_param);
    for (const Window& window : tile.windows) {
      number(window.base);
      number(window.bytes);
      number((window.readable ? 1 : 0) + (window.writable ? 2 : 0));
    }
  }
  for (const Segment& segment : segments) {
    number(segment.address);
    bytes(segment.bytes);
  }
  for (const uint64_t value : {input_record, output_record, phases, inputs_at_once, lag})
    number(value);
  return digest.text();
}

}  // namespace systole::compile
