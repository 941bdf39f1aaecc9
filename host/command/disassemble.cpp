#include "host/command/disassemble.hpp"

#include <fmt/format.h>

#include <cstring>

namespace systole {
namespace {

std::string semaphores(uint64_t mask) {
  std::string text;
  for (unsigned i = 0; i < spec::NumSemaphores; ++i) {
    if ((mask >> i & 1) != 0) text += fmt::format("{}{}", text.empty() ? "" : ",", i);
  }
  return text;
}

std::string value_of(const spec::FieldInfo& field, const spec::CommandWords& words) {
  const uint64_t value = spec::detail::get_unsigned(words, field.word, field.lsb, field.width);
  const std::string name = field.name;
  if (name == "wait_mask" || name == "post_mask") return semaphores(value);
  if (field.enum_name[0] != '\0') {
    const char* text = spec::enumerator_name(field.enum_name, value);
    if (text != nullptr) return text;
  }
  if (field.is_signed) {
    return std::to_string(spec::detail::get_signed(words, field.word, field.lsb, field.width));
  }
  if (field.width > 32) return fmt::format("{:#x}", value);
  return std::to_string(value);
}

}  // namespace

std::string disassemble(const spec::CommandWords& words) {
  const spec::CommandInfo* info = spec::find_command(spec::CommandHeader::decode(words).opcode);
  if (info == nullptr) return fmt::format("illegal opcode {:#04x}", words[0] & 0xff);
  std::string line = info->name;
  for (std::size_t i = 0; i < info->num_fields; ++i) {
    const spec::FieldInfo& field = info->fields[i];
    if (std::string(field.name) == "opcode") continue;
    if (spec::detail::get_unsigned(words, field.word, field.lsb, field.width) == 0) continue;
    line += fmt::format(" {}={}", field.name, value_of(field, words));
  }
  return line;
}

std::string disassemble(const std::vector<uint8_t>& image) {
  std::string text;
  std::size_t pc = 0;
  for (std::size_t at = 0; at + spec::CommandBytes <= image.size(); at += spec::CommandBytes) {
    spec::CommandWords words;
    std::memcpy(words.data(), image.data() + at, spec::CommandBytes);
    text += fmt::format("{:4} {}\n", pc++, disassemble(words));
    if (spec::CommandHeader::decode(words).opcode == spec::Opcode::End) pc = 0;
  }
  return text;
}

}  // namespace systole
