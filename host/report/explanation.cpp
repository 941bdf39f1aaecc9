#include "host/report/explanation.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cctype>
#include <cstdio>
#include <cstdlib>

#include "host/command/disassemble.hpp"
#include "host/command/loop_nest.hpp"
#include "host/report/chip_address.hpp"
#include "host/report/pattern.hpp"

namespace systole::report {
namespace {

using golden::Mismatch;

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
  return address_text(m.address);
}

std::string where_text(const Whereabouts& where) {
  std::string text;
  if (!where.layer.empty()) text += row("layer", fmt::format("{} ({})", where.layer, where.op));
  if (!where.tensor.empty()) {
    text += row("tensor",
                fmt::format("{} {}, element {}{}", where.tensor, shape_text(where.shape),
                            shape_text(where.element), where.intermediate ? " is made of it" : ""));
  }
  if (!where.source.empty()) text += row("loads", where.source);
  return text;
}

/// Which elements are wrong, and what the result is like.
std::string pattern_rows(const Mismatch& m) {
  std::string text;
  const std::string pattern = pattern_text(m);
  if (!pattern.empty()) text += row("pattern", pattern);
  for (const std::string& common : m.common) text += row(text.empty() ? "pattern" : "", common);
  for (const std::string& change : m.as_if) text += row("as if", change);
  return text;
}

std::string values_text(const Mismatch& m) {
  return row("expected", value_text(m.expected, m.element_bytes)) +
         row("got", value_text(m.got, m.element_bytes)) +
         row("extent", fmt::format("{} of the {} elements that the command wrote differ",
                                   m.wrong_elements, m.elements)) +
         neighbourhood(m) + pattern_rows(m);
}

/// Where a load read what it wrote wrong, and whether that was right.
std::string source_text(const Mismatch& m) {
  if (!m.source) return "";
  const Mismatch::Source& s = *m.source;
  std::string text = row("read from", address_text(s.address));
  if (s.expected != s.got) {
    return text +
           row("source", fmt::format("wrong too: it holds 0x{:02x}, and should 0x{:02x}: who "
                                     "wrote it is at fault, not this command",
                                     s.got, s.expected));
  }
  text += row("source", fmt::format("right: it holds 0x{:02x}; what reads, carries or writes it is "
                                    "at fault",
                                    s.expected));
  if (s.brought) {
    const auto off = static_cast<int64_t>(*s.brought - s.address);
    text += row("", fmt::format("what came instead lies at 0x{:012x}, {} bytes {}", *s.brought,
                                std::abs(off), off > 0 ? "further" : "before"));
  }
  return text;
}

/// ": Load of layer 'x'", of the page that the unit is in.
std::string command_text(const CommandLog& log, const ProgramMap& map, const UnitId& id,
                         uint32_t pc) {
  const ProgramMap::Program* program = map.find(id);
  if (program == nullptr || pc >= program->length) return "";
  const std::size_t phase =
      program->phase_after(log.count(id.node, id.unit, program->loop).retired);
  const char* name = spec::to_string(spec::CommandHeader::decode(program->words(phase, pc)).opcode);
  std::string text = fmt::format(": {}", name == nullptr ? "none" : name);
  const int layer = program->layers[phase * program->length + pc];
  return layer < 0 ? text : text + fmt::format(" of layer '{}'", map.layer_name(layer));
}

/// Commands that the units have under way.
std::string under_way_text(const CommandLog& log, const ProgramMap& map, golden::Node node,
                           std::optional<spec::Unit> unit) {
  std::string text;
  for (unsigned u = 0; u < spec::NumUnits; ++u) {
    const UnitId id{node, static_cast<spec::Unit>(u)};
    if (unit && *unit != id.unit) continue;
    for (const CommandLog::Begun& begun : log.under_way(id.node, id.unit)) {
      text += row(
          text.empty() ? "under way" : "",
          fmt::format("command {} of the {} program, since {}{}", begun.pc,
                      spec::to_string(id.unit), begun.cycle, command_text(log, map, id, begun.pc)));
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

/// Parts of a tile that belong to no unit.
constexpr std::pair<const char*, const char*> kTileParts[] = {{".u_scratchpad", " scratchpad"},
                                                              {".u_semaphores", " semaphores"},
                                                              {".u_ni", " network interface"},
                                                              {".u_regs", " registers"}};

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

std::string row(const char* name, const std::string& value) {
  return fmt::format("  {:<10} {}\n", name, value);
}

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
    if (place.unit && is_in("gen_sequencer[")) {
      place.name += fmt::format(" {} sequencer", spec::to_string(*place.unit));
    } else if (place.unit) {
      place.name += fmt::format(" {} unit", spec::to_string(*place.unit));
    } else {
      for (const auto& [part, name] : kTileParts)
        if (is_in(part)) place.name += name;
    }
  }
  return place;
}

namespace {

/// The host's own write: no unit has a part in it.
std::string explain_host_write(const Mismatch& m, const Whereabouts& where,
                               std::optional<uint64_t> written) {
  std::string text =
      fmt::format("{}: cycle {}\n", golden::to_string(m.kind), written.value_or(m.cycle));
  text += row("place", address_text(m.address));
  if (!where.source.empty()) text += row("holds", where.source);
  text += values_text(m);
  text +=
      row("suspects", fmt::format("the host port (axi_to_noc), the request network, memory node "
                                  "(0, {})",
                                  home_of(m.address).y));
  return text + row("cycles", (written ? fmt::format("byte written {}, ", *written) : "") +
                                  fmt::format("seen {}, behind the host's write of {} bytes",
                                              m.cycle, m.elements));
}

/// A program that is not what was loaded: no unit has run yet.
std::string explain_image(const Mismatch& m, std::optional<uint64_t> written) {
  std::string text = fmt::format("{}: tile ({}, {}), cycle {}\n", golden::to_string(m.kind),
                                 m.node.x, m.node.y, written.value_or(m.cycle));
  text += row("place", fmt::format("{}, byte {} of {}: word {} of command {}", place_text(m),
                                   m.element, m.elements, m.element % spec::CommandBytes / 4,
                                   m.element / spec::CommandBytes));
  text += row("expected", value_text(m.expected, 1)) + row("got", value_text(m.got, 1));
  text += row("extent", fmt::format("{} of the {} bytes differ", m.wrong_elements, m.elements));
  text += neighbourhood(m);
  text += row(
      "suspects",
      "what brought it, no unit has run: the core's DMA (io node), which reads it from memory and "
      "writes it to the tile, the firmware that checks it on the way, the network, the tile's "
      "network interface");
  return text + row("cycles", (written ? fmt::format("byte written {}, ", *written) : "") +
                                  fmt::format("seen {}, at the launch", m.cycle));
}

}  // namespace

std::string explain_mismatch(const Mismatch& m, const Whereabouts& where,
                             const ElementFacts& facts) {
  const auto& [begin, written, late, unchanged, cause_known] = facts;
  if (m.kind == Mismatch::Kind::HostWrite) return explain_host_write(m, where, written);
  if (m.kind == Mismatch::Kind::Image) return explain_image(m, written);
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
  if (missed && unchanged) {
    cycles += fmt::format("element unchanged since {}, before the command began, ", *written);
  } else if (missed) {
    cycles += fmt::format("element not written since {}, before the command began, ", *written);
  } else if (written) {
    cycles += fmt::format("element written {}, ", *written);
  }
  text += row("cycles", cycles + fmt::format("seen {}", m.cycle));
  if (late) {
    text += row("retired", fmt::format("too early: the right value came in cycle {}", *late));
  }
  if (!m.note.empty()) text += row("note", m.note);
  if (cause_known || late) return text;
  if (value && m.unit == spec::Unit::Store && !m.operand) {
    text += row("operands", fmt::format("as the model's: the unit, the network or what leads to {} "
                                        "is at fault",
                                        memory_name(m.address)));
  }
  const bool computes = m.unit == spec::Unit::Matrix || m.unit == spec::Unit::Vector;
  if (value && computes && !m.operand) {
    text += row("operands",
                "as the model's: the unit, or what its ports to the scratchpad and the "
                "accumulators gave it, is at fault");
  }
  return text;
}

std::string explain_assertion(const ChipFailure& failure, const CommandLog& log,
                              const ProgramMap& map) {
  const std::string path = failure.text.substr(0, failure.text.find(' '));
  const std::size_t dot = path.rfind('.');
  const Place place = place_of(path.substr(0, dot));
  std::string text = fmt::format("failed assertion: {}, cycle {}: {}\n", place.name, failure.cycle,
                                 dot == std::string::npos ? path : path.substr(dot + 1));
  text += row("assertion", failure.text);
  if (place.node) text += under_way_text(log, map, *place.node, place.unit);
  return text;
}

std::string explain_hang(const ChipFailure& failure, std::optional<uint64_t> begins,
                         const WaitGraph& graph) {
  const std::string last = fmt::format(
      "{} since cycle {}",
      failure.busy ? "there is traffic, but no command has ended" : "nothing has happened",
      failure.cycle);
  if (!begins) return fmt::format("hang: {}\n{}", last, to_string(graph));
  return fmt::format("hang: it began in cycle {} at the earliest; {}\n{}", *begins, last,
                     to_string(graph));
}

std::string explain_timeout(const Timeout& timeout, const WaitGraph& graph) {
  const RequestFailure& request = timeout.request;
  const uint64_t took = request.end - request.start;
  std::string text =
      timeout.stuck
          ? fmt::format(
                "timeout: nothing has happened since cycle {}, and the request was given up "
                "in cycle {}\n",
                timeout.last_event.value_or(request.start), request.end)
          : fmt::format(
                "timeout: the request was given up in cycle {}, with commands still "
                "running\n",
                request.end);
  text += row("request", fmt::format("{}: launched in cycle {}, given up after {} of {} cycles",
                                     request.what, request.start, took, timeout.allowed));
  if (took + 1 < timeout.allowed) {
    text += row("evidence",
                "it was given up before its time: the timer of the io node, or the firmware that "
                "sets it, is at fault");
  } else if (!timeout.stuck) {
    text +=
        row("evidence",
            "commands began and ended up to then: it needs a longer --timeout, or a loop has no "
            "end");
  }
  return text + to_string(graph);
}

namespace {

const char* meaning_of(spec::Fault fault) {
  switch (fault) {
    case spec::Fault::Opcode:
      return "no command of this unit";
    case spec::Fault::Reserved:
      return "a reserved bit is set, or a parameter is added where none may be";
    case spec::Fault::ProgramRange:
      return "the program leaves the scratchpad";
    case spec::Fault::Window:
      return "an address that no window of the tile allows";
    case spec::Fault::Response:
      return "an error came back for an address";
    case spec::Fault::Operand:
      return "an operand outside its memory, or a count out of range";
    case spec::Fault::SemOverflow:
      return "a semaphore was posted beyond its range";
    case spec::Fault::EndSemaphore:
      return "the tile ended with semaphores that are not 0";
    default:
      return "";
  }
}

bool holds_address(spec::Fault fault) {
  return fault == spec::Fault::Window || fault == spec::Fault::Response;
}

/// Faults of a tile as a whole name no command.
bool of_a_command(spec::Fault fault) {
  return fault != spec::Fault::EndSemaphore && fault != spec::Fault::LaunchBusy &&
         fault != spec::Fault::LaunchSemaphore && fault != spec::Fault::SemOverflow;
}

/// The sequencer raises these, before a unit sees the command.
bool is_of_fetch(spec::Fault fault) {
  return fault == spec::Fault::Opcode || fault == spec::Fault::Reserved ||
         fault == spec::Fault::ProgramRange;
}

std::string opinion_text(const RefusedCommand& refused) {
  const golden::Opinion& opinion = *refused.opinion;
  if (opinion.step.pc != refused.request.pc) {
    return fmt::format(
        "the functional model has come to command {}: the unit's program went wrong "
        "before",
        opinion.step.pc);
  }
  if (!opinion.fault && is_of_fetch(refused.request.fault)) {
    return "the functional model runs this command: the sequencer that fetches and checks it, or "
           "what "
           "the scratchpad gave it, is at fault";
  }
  if (!opinion.fault)
    return "the functional model runs this command: the unit, or what it checks with, is at fault";
  const char* code = spec::to_string(opinion.fault.code);
  return fmt::format("the functional model refuses it too, {} (0x{:x}): the program is wrong",
                     code == nullptr ? "?" : code, opinion.fault.info);
}

}  // namespace

namespace {

/// The io node was told of a fault that the tile does not have.
std::string explain_no_fault(const RefusedCommand& refused) {
  const RequestFailure& r = refused.request;
  return fmt::format("a fault event without a fault: tile ({}, {}), cycle {}\n", r.node.x, r.node.y,
                     refused.raised.value_or(refused.seen)) +
         row("evidence",
             "the firmware was told of a fault of this tile, and the tile's FAULT register "
             "holds none") +
         row("suspects",
             "what sends, carries and takes the tile's event: its network interface "
             "(tile_requester), the request network, the io node (TILE_EVENT)") +
         row("request", r.what) +
         row("cycles", (refused.raised ? fmt::format("tile ended {}, ", *refused.raised) : "") +
                           fmt::format("seen {}", refused.seen));
}

}  // namespace

std::string explain_refused(const RefusedCommand& refused) {
  const RequestFailure& r = refused.request;
  const bool loading = r.status == spec::Status::BadProgram;
  const char* unit = spec::to_string(r.unit);
  const char* code = spec::to_string(r.fault);
  if (!loading && r.fault == spec::Fault::None) return explain_no_fault(refused);
  const bool command = of_a_command(r.fault);
  std::string text =
      fmt::format("{}: tile ({}, {}){}, cycle {}: {}\n", loading ? "bad program" : "tile fault",
                  r.node.x, r.node.y,
                  command ? fmt::format(" {} {}", unit == nullptr ? "?" : unit,
                                        !loading && is_of_fetch(r.fault) ? "sequencer" : "unit")
                          : "",
                  refused.raised.value_or(refused.seen), code == nullptr ? "unknown" : code);
  if (command) text += where_text(refused.where);
  text += row("reason", fmt::format("{} (0x{:x})", meaning_of(r.fault), r.info));
  if (holds_address(r.fault)) text += row("address", address_text(r.info));
  if (loading) text += row("refused by", "the firmware, when it loaded the program");
  if (command) {
    text += row("command", fmt::format("{} of the {} program", r.pc, unit == nullptr ? "?" : unit));
    const auto words = refused.opinion && refused.opinion->step.pc == r.pc
                           ? std::optional<spec::CommandWords>(refused.opinion->step.words)
                           : refused.words;
    if (words) text += row("", disassemble(*words));
    if (refused.opinion) text += row("judge", opinion_text(refused));
  }
  text += refused.evidence;
  text += row("request", r.what);
  std::string cycles = refused.begin ? fmt::format("began {}, ", *refused.begin) : "";
  if (refused.raised) cycles += fmt::format("raised {}, ", *refused.raised);
  return text + row("cycles", cycles + fmt::format("seen {}", refused.seen));
}

std::string explain_end(const ChipFailure& failure, const std::string& evidence,
                        const WaitGraph& graph) {
  return fmt::format("the run ended: cycle {}: {}\n", failure.cycle, failure.text) + evidence +
         to_string(graph);
}

}  // namespace systole::report
