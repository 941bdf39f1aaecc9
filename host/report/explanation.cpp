#include "host/report/explanation.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cctype>
#include <cstdio>

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

/// Where a load read what it wrote wrong: element i of its order.
std::string source_text(const Mismatch& m) {
  if (static_cast<spec::Opcode>(m.words[0] & 0xff) != spec::Opcode::Load) return "";
  const auto load = spec::LoadCommand::decode(m.words);
  const Iteration i = iteration_of(m.words, m.element);
  if (i.empty()) return "";
  const auto address =
      static_cast<Address>(static_cast<int64_t>(load.addr) + i[0].second * load.gstride1 +
                           i[1].second * load.gstride0 + i[2].second);
  const Address dram = address - spec::DramBase;
  if (address < spec::DramBase) return row("read from", fmt::format("0x{:012x}", address));
  const uint64_t channel = dram / spec::DramChannelBytes;
  return row("read from",
             fmt::format("0x{:012x}: DRAM {}, memory node (0, {})", address, channel, channel + 1));
}

/// Commands that the units have under way.
std::string under_way_text(const CommandLog& log, golden::Node node,
                           std::optional<spec::Unit> unit) {
  std::string text;
  for (unsigned u = 0; u < spec::NumUnits; ++u) {
    if (unit && *unit != static_cast<spec::Unit>(u)) continue;
    for (const CommandLog::Begun& begun : log.under_way(node, static_cast<spec::Unit>(u))) {
      text += row(text.empty() ? "under way" : "",
                  fmt::format("command {} of the {} program, since {}", begun.pc,
                              spec::to_string(static_cast<spec::Unit>(u)), begun.cycle));
    }
  }
  return text;
}

/// x and y of "...gen_row[y].gen_col[x]...".
std::optional<golden::Node> node_in(const std::string& instance) {
  const std::size_t at = instance.find("gen_row[");
  golden::Node node;
  if (at == std::string::npos ||
      std::sscanf(instance.c_str() + at, "gen_row[%u].gen_col[%u]", &node.y, &node.x) != 2)
    return std::nullopt;
  return node;
}

std::optional<spec::Unit> unit_in(const std::string& instance) {
  for (unsigned u = 0; u < spec::NumUnits; ++u) {
    const auto unit = static_cast<spec::Unit>(u);
    std::string name = spec::to_string(unit);
    for (char& c : name) c = static_cast<char>(std::tolower(c));
    const bool named = (instance + ".").find(".u_" + name + ".") != std::string::npos;
    if (named || instance.find(fmt::format("gen_sequencer[{}]", u)) != std::string::npos)
      return unit;
  }
  return std::nullopt;
}

}  // namespace

Place place_of(const std::string& instance) {
  Place place{node_in(instance), std::nullopt, instance};
  if (!place.node) return place;
  const std::string at = fmt::format("({}, {})", place.node->x, place.node->y);
  const auto is_in = [&](const char* part) { return instance.find(part) != std::string::npos; };
  if (is_in(".u_noc.")) {
    place.name = fmt::format("router {}, {} network", at, is_in(".u_req") ? "request" : "response");
  } else if (is_in(".gen_mem.")) {
    place.name = "memory node " + at;
  } else if (is_in(".gen_io.")) {
    place.name = "io node";
  } else if (is_in(".gen_tile.")) {
    place.unit = unit_in(instance);
    place.name = "tile " + at;
    if (place.unit) place.name += fmt::format(" {} unit", spec::to_string(*place.unit));
  }
  return place;
}

std::string explain_mismatch(const Mismatch& m, const Whereabouts& where,
                             std::optional<uint64_t> begin, std::optional<uint64_t> written) {
  const auto opcode = static_cast<spec::Opcode>(m.words[0] & 0xff);
  const char* name = spec::to_string(opcode);
  const bool missed = begin && written && *written < *begin;  // the command never wrote it
  std::string text =
      fmt::format("{}: tile ({}, {}) {} unit, cycle {}\n", golden::to_string(m.kind), m.node.x,
                  m.node.y, spec::to_string(m.unit), missed ? m.cycle : written.value_or(m.cycle));
  text += where_text(where);
  const bool value = m.kind == Mismatch::Kind::Value;
  if (value) text += values_text(m);
  text += row("command", fmt::format("{} of the {} program: {}", m.pc, spec::to_string(m.unit),
                                     name != nullptr ? name : "none"));
  if (m.words[0] != 0) text += row("", disassemble(m.words));
  if (value) {
    text += row("iteration", iteration_text(iteration_of(m.words, m.element)));
    text += source_text(m) + row("place", place_text(m));
  }
  std::string cycles = begin ? fmt::format("began {}, ", *begin) : "";
  if (missed) {
    cycles += fmt::format("element not written since {}, before the command began, ", *written);
  } else if (written) {
    cycles += fmt::format("element written {}, ", *written);
  }
  text += row("cycles", cycles + fmt::format("seen {}", m.cycle));
  if (!m.note.empty()) text += row("note", m.note);
  return text;
}

std::string explain_assertion(const ChipFailure& failure, const CommandLog& log) {
  const std::string path = failure.text.substr(0, failure.text.find(' '));
  const std::size_t dot = path.rfind('.');
  const Place place = place_of(path.substr(0, dot));
  std::string text = fmt::format("failed assertion: {}, cycle {}: {}\n", place.name, failure.cycle,
                                 dot == std::string::npos ? path : path.substr(dot + 1));
  text += row("assertion", failure.text);
  if (place.node) text += under_way_text(log, *place.node, place.unit);
  return text;
}

std::string explain_hang(uint64_t cycle, const WaitGraph& graph) {
  return fmt::format("hang: nothing has happened since cycle {}\n{}", cycle, to_string(graph));
}

}  // namespace systole::report
