#include "host/report/network_audit.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <deque>
#include <optional>
#include <utility>

#include "rtl/spec/gen/systole_commands.hpp"
#include "rtl/spec/gen/systole_spec.h"

namespace systole::report {
namespace {

using golden::Node;

// Ports as in rtl/noc/noc_pkg.sv.
constexpr unsigned kPorts = 5;
constexpr unsigned kLocal = 4;
constexpr std::array<const char*, kPorts> kPortNames = {"north", "east", "south", "west", "local"};
// For people.
constexpr std::array<const char*, kPorts> kSides = {"the north", "the east", "the south",
                                                    "the west", "its node"};
constexpr unsigned kEventTag = 0x2f;  // rtl/tile/tile_requester.sv
constexpr uint64_t kPatience = 64;    // cycles without ready that are worth a word
constexpr uint64_t kLongest = 512;    // that an answer takes, the host's memory being slow

struct Flit {
  Node dst, src;
  unsigned tag = 0;
  spec::NocOp op = spec::NocOp::Read;
  bool head = false, last = false;
};

/// The signals of a flit, in the order in which flit_at takes them.
constexpr std::array<const char*, 8> kFlitParts = {"dst.x", "dst.y", "src.x", "src.y",
                                                   "tag",   "op",    "head",  "last"};

Flit flit_at(const WaveValues& values, std::size_t at) {
  const auto part = [&](std::size_t i) { return static_cast<unsigned>(number(values[at + i])); };
  return {{part(0), part(1)}, {part(2), part(3)}, part(4), static_cast<spec::NocOp>(part(5)),
          part(6) != 0,       part(7) != 0};
}

void add_flit(std::vector<std::string>& names, const std::string& flit) {
  for (const char* part : kFlitParts) names.push_back(flit + "." + part);
}

unsigned route(Node dst, Node here) {
  if (dst.x > here.x) return 1;
  if (dst.x < here.x) return 3;
  if (dst.y > here.y) return 2;
  if (dst.y < here.y) return 0;
  return kLocal;
}

std::string text(Node node) { return fmt::format("({}, {})", node.x, node.y); }

std::string packet_text(const Flit& head) {
  const bool event = head.op == spec::NocOp::Write && head.tag == kEventTag;
  return fmt::format("{} of {} to {}, tag {}{}", spec::to_string(head.op), text(head.src),
                     text(head.dst), head.tag, event ? " (a tile event)" : "");
}

// ----------------------------------------------------------------------------------------- routers

/// One router: every packet that comes in must leave by the port of its destination, flit by flit,
/// with what it carries.
class RouterAudit {
 public:
  RouterAudit(Node here, const char* network, std::string scope)
      : here_(here), network_(network), scope_(std::move(scope)) {}

  std::vector<std::string> names() const {
    std::vector<std::string> names = {scope_ + "valid_i", scope_ + "ready_o", scope_ + "valid_o",
                                      scope_ + "ready_i", scope_ + "busy_o"};
    for (const char* side : {"i", "o"}) {
      for (const char* port : kPortNames) add_flit(names, scope_ + port + "_" + side);
    }
    for (const char* side : {"_i.payload", "_o.payload"}) {
      for (const char* port : kPortNames) names.push_back(scope_ + port + side);
    }
    return names;
  }

  void see(uint64_t cycle, const WaveValues& values, std::size_t at) {
    const uint64_t valid_in = number(values[at]), ready_out = number(values[at + 1]);
    const uint64_t valid_out = number(values[at + 2]), ready_in = number(values[at + 3]);
    const bool busy = number(values[at + 4]) != 0;
    const auto flit = [&](unsigned side, unsigned port) {
      return flit_at(values, at + 5 + (side * kPorts + port) * kFlitParts.size());
    };
    const auto payload = [&](unsigned side, unsigned port) {
      return values[at + 5 + 2 * kPorts * kFlitParts.size() + side * kPorts + port];
    };
    // A packet that is inside when the waves begin is not looked at.
    if (!sees_all_ && !busy && valid_in == 0) sees_all_ = true;
    last_cycle_ = cycle;
    busy_ = busy;
    for (unsigned p = 0; p < kPorts; ++p) {
      note_stall(in_stall_[p], (valid_in & ~ready_out) >> p & 1, cycle, flit(0, p));
      note_stall(out_stall_[p], (valid_out & ~ready_in) >> p & 1, cycle, flit(1, p));
    }
    if (!sees_all_) return;
    // What leaves in this cycle came in before it.
    for (unsigned p = 0; p < kPorts; ++p) {
      if ((valid_out & ready_in) >> p & 1) leave(p, flit(1, p), payload(1, p), cycle);
    }
    for (unsigned p = 0; p < kPorts; ++p) {
      if ((valid_in & ready_out) >> p & 1) enter(p, flit(0, p), payload(0, p), cycle);
    }
  }

  void finish(bool hang, std::vector<Finding>& findings) {
    if (!busy_) {
      for (unsigned p = 0; p < kPorts; ++p) {
        if (inside_[p].empty() || inside_[p].front().out > 0) continue;
        const Packet& packet = inside_[p].front();
        if (packet.entered + 2 > last_cycle_) continue;
        find("lost packet", packet.entered,
             fmt::format("{} came in from {}, {} flits, and none left; the router is empty",
                         packet_text(packet.head), kSides[p], packet.in));
      }
    }
    if (hang) find_stuck();
    findings.insert(findings.end(), findings_.begin(), findings_.end());
  }

 private:
  struct Packet {
    Flit head;
    unsigned in = 0;  // flits that came, that left
    unsigned out = 0;
    bool complete = false;  // the last one came
    uint64_t entered = 0;
    std::deque<std::string> payloads;  // of those that have not left
    std::string changed;               // how the first differs that left otherwise than it came
    uint64_t changed_in = 0;
  };
  struct Stall {
    std::optional<uint64_t> since;
    Flit flit;
  };

  static void note_stall(Stall& stall, bool stalls, uint64_t cycle, const Flit& flit) {
    if (!stalls) {
      stall.since.reset();
    } else if (!stall.since) {
      stall = {cycle, flit};
    }
  }

  void find(const char* what, uint64_t cycle, std::string evidence) {
    findings_.push_back(
        {fmt::format("{}: router {}, {} network, cycle {}", what, text(here_), network_, cycle),
         std::move(evidence), here_, cycle});
  }

  void enter(unsigned port, const Flit& flit, const std::string& payload, uint64_t cycle) {
    if (flit.head) {
      inside_[port].push_back({flit, 1, 0, flit.last, cycle, {payload}, "", 0});
    } else if (!inside_[port].empty() && !inside_[port].back().complete) {
      ++inside_[port].back().in;
      inside_[port].back().complete = flit.last;
      inside_[port].back().payloads.push_back(payload);
    }
  }

  /// The input whose oldest packet this head is; that of another destination when no other fits.
  std::optional<unsigned> input_of(const Flit& flit) const {
    std::optional<unsigned> astray;
    for (unsigned p = 0; p < kPorts; ++p) {
      if (inside_[p].empty() || inside_[p].front().out > 0) continue;
      const Flit& head = inside_[p].front().head;
      if (!(head.src == flit.src) || head.tag != flit.tag || head.op != flit.op) continue;
      if (head.dst == flit.dst) return p;
      astray = p;
    }
    return astray;
  }

  void leave(unsigned port, const Flit& flit, const std::string& payload, uint64_t cycle) {
    if (flit.head) begin_leaving(port, flit, cycle);
    if (!from_[port]) return;
    std::deque<Packet>& inside = inside_[*from_[port]];
    if (inside.empty()) return;
    Packet& packet = inside.front();
    ++packet.out;
    compare_payloads(packet, payload, cycle);
    if (packet.out > packet.in) {
      find("duplicated flit", cycle,
           fmt::format("{}: {} flits came in from {}, {} left to {}", packet_text(packet.head),
                       packet.in, kSides[*from_[port]], packet.out, kSides[port]));
    } else if (flit.last && packet.out < packet.in) {
      find("lost flit", cycle,
           fmt::format("{}: {} flits came in from {}, {} left to {}", packet_text(packet.head),
                       packet.in, kSides[*from_[port]], packet.out, kSides[port]));
    }
    if (!flit.last) return;
    // Where one was lost or came twice, those behind it differ.
    if (packet.out == packet.in && !packet.changed.empty()) {
      find("changed flit", packet.changed_in,
           fmt::format("{} came in from {} and left to {}, {}", packet_text(packet.head),
                       kSides[*from_[port]], kSides[port], packet.changed));
    }
    inside.pop_front();
    from_[port].reset();
  }

  /// What a flit carries leaves as it came.
  static void compare_payloads(Packet& packet, const std::string& left, uint64_t cycle) {
    if (packet.payloads.empty()) return;
    const std::string came = std::move(packet.payloads.front());
    packet.payloads.pop_front();
    if (!packet.changed.empty() || came.size() != left.size()) return;
    const auto differ = std::mismatch(came.rbegin(), came.rend(), left.rbegin());
    if (differ.first == came.rend()) return;
    packet.changed = fmt::format("flit {} of it with another payload, from bit {} on",
                                 packet.out - 1, differ.first - came.rbegin());
    packet.changed_in = cycle;
  }

  void begin_leaving(unsigned port, const Flit& flit, uint64_t cycle) {
    from_[port] = input_of(flit);
    if (!from_[port]) {
      find("packet from nowhere", cycle,
           fmt::format("{} left to {}, and never came in", packet_text(flit), kSides[port]));
      return;
    }
    const Flit& head = inside_[*from_[port]].front().head;
    if (port == route(head.dst, here_)) return;
    find("misrouted packet", cycle,
         fmt::format("{} came in from {} and left to {}{}", packet_text(head), kSides[*from_[port]],
                     kSides[port], head.dst == flit.dst ? "" : ", for " + text(flit.dst)));
  }

  /// A port that offers and is not taken is no culprit when the router waits for another itself.
  void find_stuck() {
    const auto stuck = [&](const Stall& stall) {
      return stall.since && *stall.since + kPatience <= last_cycle_;
    };
    if (std::any_of(out_stall_.begin(), out_stall_.end(), stuck)) {
      if (!stuck(out_stall_[kLocal])) return;  // the next router tells
      find("node not ready", *out_stall_[kLocal].since,
           fmt::format("the node does not take {}", packet_text(out_stall_[kLocal].flit)));
      return;
    }
    for (unsigned p = 0; p < kPorts; ++p) {
      if (!stuck(in_stall_[p])) continue;
      find("port not ready", *in_stall_[p].since,
           fmt::format("what comes from {} is not taken, {}, and nothing that leaves waits",
                       kSides[p], packet_text(in_stall_[p].flit)));
    }
  }

  Node here_;
  const char* network_;
  std::string scope_;
  bool sees_all_ = false;
  bool busy_ = false;
  uint64_t last_cycle_ = 0;
  std::array<std::deque<Packet>, kPorts> inside_;     // by input
  std::array<std::optional<unsigned>, kPorts> from_;  // by output: the input that it serves
  std::array<Stall, kPorts> in_stall_, out_stall_;
  std::vector<Finding> findings_;
};

// ------------------------------------------------------------------------------------ memory nodes

/// Reads reach the bus in the order in which they came.
class MemoryAudit {
 public:
  MemoryAudit(Node here, std::string scope) : here_(here), scope_(std::move(scope)) {}

  std::vector<std::string> names() const {
    std::vector<std::string> names = {scope_ + "req_valid_i",
                                      scope_ + "req_ready_o",
                                      scope_ + "req_i.payload",
                                      scope_ + "m_axi_arvalid_o",
                                      scope_ + "m_axi_arready_i",
                                      scope_ + "m_axi_araddr_o",
                                      scope_ + "Base"};
    add_flit(names, scope_ + "req_i");
    return names;
  }

  void see(uint64_t cycle, const WaveValues& values, std::size_t at) {
    const auto is = [&](std::size_t i) { return number(values[at + i]) != 0; };
    if (is(3) && is(4)) send(number(values[at + 5]) + number(values[at + 6]), cycle);
    if (!is(0) || !is(1)) return;
    const Flit flit = flit_at(values, at + 7);
    if (!flit.head || flit.op != spec::NocOp::Read) return;
    const uint64_t address = number(values[at + 2]) & ((uint64_t{1} << spec::AddrBits) - 1);
    waiting_.push_back({address / spec::FlitBytes * spec::FlitBytes, flit});
  }

  void finish(bool, std::vector<Finding>& findings) {
    findings.insert(findings.end(), findings_.begin(), findings_.end());
  }

  const std::string& scope() const { return scope_; }

 private:
  struct Read {
    uint64_t address;
    Flit flit;
  };

  void send(uint64_t address, uint64_t cycle) {
    const auto found = std::find_if(waiting_.begin(), waiting_.end(),
                                    [&](const Read& read) { return read.address == address; });
    if (found == waiting_.end()) return;  // from before the waves
    if (found != waiting_.begin() && in_order_) {
      const Read& first = waiting_.front();
      findings_.push_back(
          {fmt::format("reads out of order: memory node {}, cycle {}", text(here_), cycle),
           fmt::format("0x{:012x} ({}) reached the memory before 0x{:012x} ({}), which came first: "
                       "each requester gets the other's data",
                       found->address, packet_text(found->flit), first.address,
                       packet_text(first.flit)),
           here_, cycle});
    }
    in_order_ = true;
    waiting_.erase(found);
  }

  Node here_;
  std::string scope_;
  bool in_order_ = false;  // one has been seen from its coming to its going
  std::deque<Read> waiting_;
  std::vector<Finding> findings_;
};

// ----------------------------------------------------------------------------------------- answers

/// Who sent a request, by its tag: clients as in rtl/common/systole_pkg.sv.
std::string sender_text(const Flit& head) {
  if (head.src.x == 0) return "the io node";
  constexpr std::array<const char*, 4> kClients = {"the Load unit of tile ",
                                                   "the Store unit of tile ",
                                                   "the network interface of tile ", "node "};
  return kClients[head.tag >> 4 & 3] + text(head.src);
}

/// One node that answers requests: each comes with the data that its head names, and gets one
/// response, of as many data, with its tag.
class AnswerAudit {
 public:
  AnswerAudit(Node here, std::string name, std::string scope)
      : here_(here), name_(std::move(name)), scope_(std::move(scope)) {}

  std::vector<std::string> names() const {
    std::vector<std::string> names;
    for (const char* name :
         {"busy_o", "req_valid_i", "req_ready_o", "req_i.payload", "rsp_valid_o", "rsp_ready_i"})
      names.push_back(scope_ + name);
    add_flit(names, scope_ + "req_i");
    add_flit(names, scope_ + "rsp_o");
    names.push_back(scope_ + "rsp_o.err");
    return names;
  }

  void see(uint64_t cycle, const WaveValues& values, std::size_t at) {
    const auto is = [&](std::size_t i) { return number(values[at + i]) != 0; };
    // What is inside when the waves begin is not known.
    if (!is(0) && !is(1) && !is(4)) sees_all_ = true;
    last_cycle_ = cycle;
    if (is(4) && is(5))
      answer(flit_at(values, at + 6 + kFlitParts.size()), cycle, is(6 + 2 * kFlitParts.size()));
    if (is(1) && is(2)) ask(flit_at(values, at + 6), number(values[at + 3]), cycle);
  }

  void finish(bool hang, std::vector<Finding>& findings) {
    if (hang && findings_.empty() && !open_.empty() && open_.front().complete &&
        open_.front().cycle + kLongest <= last_cycle_) {
      const Request& request = open_.front();
      find("no answer", request.cycle,
           fmt::format("{} came in, and was never answered in full: {} of {} flits",
                       packet_text(request.head), request.out, request.answer));
    }
    findings.insert(findings.end(), findings_.begin(), findings_.end());
  }

 private:
  struct Request {
    Flit head;
    unsigned data = 0, answer = 0;  // flits that it must have, that its answer must have
    unsigned in = 0, out = 0;       // that came, that left
    bool complete = false;
    uint64_t cycle = 0;
  };

  void find(const char* what, uint64_t cycle, std::string evidence, std::optional<Node> by = {}) {
    if (!findings_.empty()) return;
    findings_.push_back({fmt::format("{}: {}, cycle {}", what, name_, cycle), std::move(evidence),
                         by.value_or(here_), cycle});
  }

  void ask(const Flit& flit, uint64_t payload, uint64_t cycle) {
    if (flit.head) {
      const uint64_t address = payload & ((uint64_t{1} << spec::AddrBits) - 1);
      const auto bytes = static_cast<unsigned>(payload >> spec::AddrBits & 0x3ff);
      const auto flits = static_cast<unsigned>(
          (address % spec::FlitBytes + bytes + spec::FlitBytes - 1) / spec::FlitBytes);
      const bool read = flit.op == spec::NocOp::Read, write = flit.op == spec::NocOp::Write;
      open_.push_back({flit, write ? flits : 0, read ? flits : 1, 0, 0, flit.last, cycle});
      coming_ = true;
    } else if (coming_) {
      ++open_.back().in;
      open_.back().complete = flit.last;
    }
    if (!coming_ || !flit.last) return;
    coming_ = false;
    const Request& request = open_.back();
    if (request.in == request.data) return;
    find(
        request.in < request.data ? "short packet" : "long packet", cycle,
        fmt::format("{} came with {} data flits, and its head names the bytes of {}: {}, or what "
                    "lies between, is at fault",
                    packet_text(request.head), request.in, request.data, sender_text(request.head)),
        request.head.src);
  }

  void answer(const Flit& flit, uint64_t cycle, bool error) {
    const auto found = std::find_if(open_.begin(), open_.end(), [&](const Request& request) {
      return request.head.src == flit.dst && request.head.tag == flit.tag;
    });
    if (found == open_.end()) {
      if (!flit.head || !sees_all_) return;
      const auto same = std::find_if(open_.begin(), open_.end(), [&](const Request& request) {
        return request.head.src == flit.dst;
      });
      find(
          "answer to nobody", cycle,
          fmt::format("{} left, and no request from there with that tag waits{}", packet_text(flit),
                      same == open_.end() ? "" : "; what waits is " + packet_text(same->head)));
      return;
    }
    ++found->out;
    if (!flit.last) return;
    if (!error && found->out != found->answer) {
      find(found->out < found->answer ? "short answer" : "long answer", cycle,
           fmt::format("{} was answered by {} flits, and should be by {}", packet_text(found->head),
                       found->out, found->answer));
    }
    open_.erase(found);
  }

  Node here_;
  std::string name_, scope_;
  bool sees_all_ = false;
  bool coming_ = false;  // the last of open_ has not come as a whole
  uint64_t last_cycle_ = 0;
  std::deque<Request> open_;
  std::vector<Finding> findings_;
};

// ----------------------------------------------------------------------------------------- io node

/// What is written to the io node's registers, and what happens to it, raises its interrupt.
class IoAudit {
 public:
  explicit IoAudit(std::string scope) : scope_(std::move(scope)) {}

  std::vector<std::string> names() const {
    std::vector<std::string> names;
    for (const char* name : {"we", "offset", "wdata", "pending_q.doorbell", "join_q",
                             "pending_q.join_end", "host_irq_q", "enable_q.doorbell",
                             "enable_q.join_end", "core_irq_o", "dma_done_i", "pending_q.dma"})
      names.push_back(scope_ + name);
    return names;
  }

  void see(uint64_t cycle, const WaveValues& values, std::size_t at) {
    const auto value = [&](std::size_t i) { return number(values[at + i]); };
    for (const Raised& raised : raised_) {
      if (value(raised.signal) == 0) find(cycle - 1, raised.text);
    }
    raised_.clear();
    const bool irq = (value(3) & value(7)) != 0 || (value(5) & value(8)) != 0;
    if (irq && value(9) == 0) {
      find(cycle, "an interrupt is pending and enabled (CORE_IRQ), and the core's line is low");
    }
    if (value(10) != 0)
      raised_.push_back({11, "the core's DMA ended, and CORE_IRQ dma did not rise"});
    if (value(0) == 0) return;
    const uint64_t written = value(2);
    if (value(1) == SYSTOLE_IO_DOORBELL) {
      raised_.push_back(
          {3, fmt::format("the host rang the doorbell ({}), and CORE_IRQ doorbell did "
                          "not rise",
                          written)});
    } else if (value(1) == SYSTOLE_IO_HOST_IRQ && (written & SYSTOLE_IO_HOST_IRQ_SET_MASK) != 0) {
      raised_.push_back(
          {6, "the firmware set HOST_IRQ, and the interrupt to the host did not rise"});
    } else if (value(1) == SYSTOLE_IO_TILE_EVENT &&
               (written & SYSTOLE_IO_TILE_EVENT_FAULT_MASK) == 0 && value(4) == 1) {
      raised_.push_back(
          {5, "the last tile that JOIN counted ended, and CORE_IRQ join did not rise"});
    }
  }

  void finish(bool, std::vector<Finding>& findings) {
    findings.insert(findings.end(), findings_.begin(), findings_.end());
  }

 private:
  /// A signal that is to be 1 in the next cycle.
  struct Raised {
    std::size_t signal;
    std::string text;
  };

  void find(uint64_t cycle, const std::string& evidence) {
    if (!findings_.empty()) return;
    findings_.push_back(
        {fmt::format("lost interrupt: io node, cycle {}", cycle), evidence, {0, 0}, cycle});
  }

  std::string scope_;
  std::vector<Raised> raised_;
  std::vector<Finding> findings_;
};

template <class Audit>
void run(std::vector<Audit>& audits, const Waves& waves, bool hang,
         std::vector<Finding>& findings) {
  std::vector<std::string> names;
  std::vector<std::size_t> at;
  for (const Audit& audit : audits) {
    at.push_back(names.size());
    for (const std::string& name : audit.names()) names.push_back(name);
  }
  waves.read(names, [&](uint64_t cycle, const WaveValues& values) {
    for (std::size_t i = 0; i < audits.size(); ++i) audits[i].see(cycle, values, at[i]);
  });
  for (Audit& audit : audits) audit.finish(hang, findings);
}

std::string node_scope(Node node) {
  return fmt::format("TOP.systole_chip.gen_row[{}].gen_col[{}].", node.y, node.x);
}

}  // namespace

std::vector<Finding> audit_network(const ChipConfig& config, const Waves& waves, bool hang) {
  std::vector<RouterAudit> routers;
  std::vector<MemoryAudit> memories;
  std::vector<AnswerAudit> answers;
  for (unsigned y = 0; y < config.num_rows; ++y) {
    for (unsigned x = 0; x < config.num_cols; ++x) {
      const std::string scope = node_scope({x, y});
      routers.emplace_back(Node{x, y}, "request", scope + "u_noc.u_req.");
      routers.emplace_back(Node{x, y}, "response", scope + "u_noc.u_rsp.");
      const std::string at = text(Node{x, y});
      if (x == 0 && y > 0) {
        memories.emplace_back(Node{x, y}, scope + "gen_mem.u_mem.u_noc_to_axi.");
        answers.emplace_back(Node{x, y}, "memory node " + at, memories.back().scope());
      } else if (x > 0) {
        answers.emplace_back(Node{x, y}, "network interface of tile " + at,
                             scope + "gen_tile.u_tile.u_ni.u_target.");
      } else {
        answers.emplace_back(Node{x, y}, "io node, host memory",
                             scope + "gen_io.u_io.u_noc_to_axi.");
      }
    }
  }
  // What the waves do not hold reads as 0, which would be a breach here.
  std::vector<IoAudit> io = {IoAudit(node_scope({0, 0}) + "gen_io.u_io.u_core.u_regs.")};
  const auto names = io[0].names();
  if (!std::all_of(names.begin(), names.end(), [&](const auto& name) { return waves.has(name); }))
    io.clear();
  std::vector<Finding> findings;
  run(io, waves, hang, findings);
  run(routers, waves, hang, findings);
  run(memories, waves, hang, findings);
  run(answers, waves, hang, findings);
  // A node that takes no request may be waiting for the network to take its response; one that does
  // not answer, for what it has asked for.
  const auto rank = [](const Finding& f) {
    const bool effect =
        f.title.rfind("node not ready", 0) == 0 || f.title.rfind("no answer", 0) == 0;
    return std::make_pair(effect, f.cycle);
  };
  std::stable_sort(findings.begin(), findings.end(),
                   [&](const Finding& a, const Finding& b) { return rank(a) < rank(b); });
  return findings;
}

}  // namespace systole::report
