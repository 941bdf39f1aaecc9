#include "host/report/explanation.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "host/command/disassemble.hpp"
#include "host/command/loop_nest.hpp"

namespace systole::report {
namespace {

using golden::Mismatch;

std::string row(const char* name, const std::string& value) {
  return fmt::format("  {:<10} {}\n", name, value);
}

int32_t extended(uint32_t value, unsigned bytes) {
  return bytes == 1 ? static_cast<int8_t>(value) : static_cast<int32_t>(value);
}

std::string value_text(uint32_t value, unsigned bytes) {
  return fmt::format("{} (0x{:0{}x})", extended(value, bytes), value, 2 * bytes);
}

std::string shape_text(const std::vector<int64_t>& numbers) {
  return fmt::format("[{}]", fmt::join(numbers, ", "));
}

const char* title(Mismatch::Kind kind) {
  switch (kind) {
    case Mismatch::Kind::Value:
      return "wrong value";
    case Mismatch::Kind::ControlFlow:
      return "wrong command";
    case Mismatch::Kind::Fault:
      return "command that the functional model refuses";
    case Mismatch::Kind::Image:
      return "program changed in the scratchpad";
  }
  return "";
}

/// Two lines, wrong elements marked.
std::string neighbourhood(const Mismatch& m) {
  std::string expected, got, mark;
  const int width = 2 * static_cast<int>(m.element_bytes);
  for (const Mismatch::Near& near : m.near) {
    expected += fmt::format(" {:0{}x}", near.expected, width);
    got += fmt::format(" {:0{}x}", near.got, width);
    mark += fmt::format(" {:>{}}", near.expected == near.got ? "" : "^", width);
  }
  mark.erase(mark.find_last_not_of(' ') + 1);
  return row("around it", "expected" + expected) + row("", "got     " + got) +
         row("", "        " + mark);
}

std::string place_text(const Mismatch& m) {
  if (m.accumulator)
    return fmt::format("accumulator row {} column {}", m.address / golden::kLanes,
                       m.address % golden::kLanes);
  const Address own = golden::scratchpad_address(m.node, 0);
  if (m.address - own < spec::ScratchpadBytes)
    return fmt::format("scratchpad 0x{:05x}", m.address - own);
  return fmt::format("global address 0x{:012x}", m.address);
}

std::string where_text(const Whereabouts& where) {
  std::string text;
  if (!where.layer.empty()) text += row("layer", fmt::format("{} ({})", where.layer, where.op));
  if (!where.tensor.empty()) {
    text += row("tensor",
                fmt::format("{} {}, element {}{}", where.tensor, shape_text(where.shape),
                            shape_text(where.element), where.intermediate ? " is made of it" : ""));
  }
  return text;
}

std::string values_text(const Mismatch& m) {
  return row("expected", value_text(m.expected, m.element_bytes)) +
         row("got", value_text(m.got, m.element_bytes)) +
         row("extent", fmt::format("{} of the {} elements that the command wrote differ",
                                   m.wrong_elements, m.elements)) +
         neighbourhood(m);
}

}  // namespace

std::string explain_mismatch(const Mismatch& m, const Whereabouts& where,
                             std::optional<uint64_t> begin, std::optional<uint64_t> written) {
  const auto opcode = static_cast<spec::Opcode>(m.words[0] & 0xff);
  const char* name = spec::to_string(opcode);
  std::string text = fmt::format("{}: tile ({}, {}) {} unit, cycle {}\n", title(m.kind), m.node.x,
                                 m.node.y, spec::to_string(m.unit), written.value_or(m.cycle));
  text += where_text(where);
  const bool value = m.kind == Mismatch::Kind::Value;
  if (value) text += values_text(m);
  text += row("command", fmt::format("{} of the {} program: {}", m.pc, spec::to_string(m.unit),
                                     name != nullptr ? name : "none"));
  if (m.words[0] != 0) text += row("", disassemble(m.words));
  if (value) {
    text += row("iteration", iteration_text(iteration_of(m.words, m.element)));
    text += row("place", place_text(m));
  }
  std::string cycles = begin ? fmt::format("began {}, ", *begin) : "";
  if (written) cycles += fmt::format("element written {}, ", *written);
  text += row("cycles", cycles + fmt::format("seen {}", m.cycle));
  if (!m.note.empty()) text += row("note", m.note);
  return text;
}

std::string explain_assertion(const ChipFailure& failure) {
  return fmt::format("failed assertion: {}\n{}", failure.text,
                     row("cycle", std::to_string(failure.cycle)));
}

std::string explain_hang(uint64_t cycle, const WaitGraph& graph) {
  return fmt::format("hang: nothing has happened since cycle {}\n{}", cycle, to_string(graph));
}

}  // namespace systole::report
