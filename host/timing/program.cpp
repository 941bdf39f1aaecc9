#include "host/timing/program.hpp"

namespace systole::timing {
namespace {

/// A word of an address of 48 bits carries into the next.
bool is_wide(spec::Opcode opcode, unsigned word) {
  return word == 4 && (opcode == spec::Opcode::Load || opcode == spec::Opcode::Store);
}

}  // namespace

bool Command::internal() const {
  return header.opcode == spec::Opcode::End || header.opcode == spec::Opcode::Nop ||
         header.opcode == spec::Opcode::Loop;
}

Command decode(const spec::CommandWords& words) {
  Command command;
  command.header = spec::CommandHeader::decode(words);
  switch (command.header.opcode) {
    case spec::Opcode::Loop:
      command.body = spec::LoopCommand::decode(words);
      break;
    case spec::Opcode::Load:
      command.body = spec::LoadCommand::decode(words);
      break;
    case spec::Opcode::Fill:
      command.body = spec::FillCommand::decode(words);
      break;
    case spec::Opcode::Store:
      command.body = spec::StoreCommand::decode(words);
      break;
    case spec::Opcode::Matmul:
      command.body = spec::MatmulCommand::decode(words);
      break;
    case spec::Opcode::Vector:
      command.body = spec::VectorCommand::decode(words);
      break;
    default:
      break;
  }
  return command;
}

spec::CommandWords with_params(spec::CommandWords words, const Params& params) {
  const auto header = spec::CommandHeader::decode(words);
  const auto add = [&](unsigned param, unsigned word) {
    const uint64_t sum = uint64_t{words[word]} + params[param];
    words[word] = static_cast<uint32_t>(sum);
    if (is_wide(header.opcode, word)) words[word + 1] += static_cast<uint32_t>(sum >> 32);
  };
  if (header.sel0_en) add(header.sel0_param, header.sel0_word);
  if (header.sel1_en) add(header.sel1_param, header.sel1_word);
  if (header.sel2_en) add(header.sel2_param, header.sel2_word);
  return words;
}

}  // namespace systole::timing
