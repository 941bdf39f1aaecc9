#include "host/compile/compiled_model.hpp"

#include <cstring>

#include "host/command/digest.hpp"

namespace systole::compile {

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
