#include "host/golden/program.hpp"

#include <cstring>

namespace systole::golden {
namespace {

struct Selector {
  bool enabled;
  unsigned param;
  unsigned word;
};

std::array<Selector, 3> selectors(const spec::CommandHeader& h) {
  return {{{h.sel0_en != 0, h.sel0_param, h.sel0_word},
           {h.sel1_en != 0, h.sel1_param, h.sel1_word},
           {h.sel2_en != 0, h.sel2_param, h.sel2_word}}};
}

bool reserved_bits_set(const spec::CommandWords& words, const spec::CommandInfo& info) {
  for (std::size_t i = 0; i < words.size(); ++i) {
    if ((words[i] & info.reserved[i]) != 0) return true;
  }
  return false;
}

}  // namespace

ProgramWalker::ProgramWalker(spec::Unit unit, const Launch& launch)
    : unit_(unit), launch_(launch) {}

Step ProgramWalker::next(const std::vector<uint8_t>& scratchpad) {
  const Step step = fetch(scratchpad);
  if (step.fault != spec::Fault::None || step.is_end()) return step;
  if (step.header.opcode == spec::Opcode::Loop) {
    follow_loop(step.words);
  } else {
    ++pc_;
  }
  return step;
}

Step ProgramWalker::fetch(const std::vector<uint8_t>& scratchpad) const {
  Step step;
  step.pc = pc_;
  const uint64_t address = uint64_t{launch_.program[static_cast<std::size_t>(unit_)]} +
                           uint64_t{pc_} * spec::CommandBytes;
  if (address + spec::CommandBytes > scratchpad.size()) {
    step.fault = spec::Fault::ProgramRange;
    step.info = address;
    return step;
  }
  std::memcpy(step.words.data(), scratchpad.data() + address, spec::CommandBytes);
  step.header = spec::CommandHeader::decode(step.words);
  const spec::CommandInfo* info = spec::find_command(step.header.opcode);
  if (info == nullptr || (info->units >> static_cast<unsigned>(unit_) & 1) == 0) {
    step.fault = spec::Fault::Opcode;
    step.info = step.words[0];
  } else if (reserved_bits_set(step.words, *info)) {
    step.fault = spec::Fault::Reserved;
  } else {
    step.fault = add_parameters(step);
  }
  return step;
}

spec::Fault ProgramWalker::add_parameters(Step& step) const {
  const spec::CommandInfo& info = *spec::find_command(step.header.opcode);
  for (const Selector& selector : selectors(step.header)) {
    if (!selector.enabled) continue;
    if ((info.param_words >> selector.word & 1) == 0) return spec::Fault::Reserved;
    const uint64_t sum = uint64_t{step.words[selector.word]} + launch_.param[selector.param];
    step.words[selector.word] = static_cast<uint32_t>(sum);
    if ((info.param_wide_words >> selector.word & 1) != 0) {
      uint32_t& high = step.words[selector.word + 1];
      high = (high + static_cast<uint32_t>(sum >> 32)) & 0xffff;
    }
  }
  return spec::Fault::None;
}

void ProgramWalker::follow_loop(const spec::CommandWords& words) {
  if (input_ + 1 >= launch_.inputs) {
    ++pc_;
    return;
  }
  ++input_;
  for (std::size_t i = 0; i < launch_.param.size(); ++i) launch_.param[i] += launch_.step[i];
  pc_ = spec::LoopCommand::decode(words).target;
}

}  // namespace systole::golden
