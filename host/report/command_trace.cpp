#include "host/report/command_trace.hpp"

#include <fmt/format.h>

#include "host/command/disassemble.hpp"

namespace systole::report {

void CommandTrace::add(const Execution& e) {
  retired_.push_back({e.where, e.phase, e.pc, e.begin, e.end});
  if (retired_.size() <= kept_) return;
  retired_.pop_front();
  ++dropped_;
}

std::string CommandTrace::text() const {
  std::string text = fmt::format("{:>10} {:>10}  {:<6}  {:<6} {:>5}  {}\n", "began", "retired",
                                 "tile", "unit", "pc", "command");
  if (dropped_ > 0) text += fmt::format("... {} commands before\n", dropped_);
  for (const Retired& r : retired_) {
    const std::string tile = fmt::format("({}, {})", r.where.node.x, r.where.node.y);
    const ProgramMap::Program* program = map_.find(r.where);
    text +=
        fmt::format("{:>10} {:>10}  {:<6}  {:<6} {:>5}  {}\n", r.begin, r.end, tile,
                    lower(spec::to_string(r.where.unit)), r.pc,
                    program != nullptr ? disassemble(program->words(r.phase, r.pc)) : "unknown");
  }
  return text;
}

}  // namespace systole::report
