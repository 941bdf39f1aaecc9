// verilator: -GNumCols=4 -GNumRows=3
#include "Vnoc_mesh.h"

#include <catch2/catch.hpp>
#include <cstdlib>

#include "tests/rtl/noc_flit.hpp"
#include "tests/support/dut.hpp"

namespace {

using namespace systole::test;

constexpr int kCols = 4;
constexpr int kRows = 3;
constexpr int kNodes = kCols * kRows;
/// Zero-load latency is hops + this: from the cycle in which the source's router takes a flit to
/// the cycle in which the destination's offers it.
constexpr int kLatencyConstant = 1;

enum Network { Request, Response };

int id_of(int node) { return node_at(node % kCols, node / kCols); }
int index_of(int id) { return (id >> 4) * kCols + (id & 15); }
int hops(int a, int b) { return std::abs(a % kCols - b % kCols) + std::abs(a / kCols - b / kCols); }

/// The local ports of one network.
struct Ports {
  SData *valid_i, *ready_o, *valid_o, *ready_i;
  FlitBits *in, *out;
};

struct MeshDut : Dut<Vnoc_mesh> {
  std::array<Ports, 2> net;

  MeshDut() {
    Vnoc_mesh& m = **this;
    net[Request] = {&m.req_valid_i, &m.req_ready_o, &m.req_valid_o,
                    &m.req_ready_i, m.req_flit_i,   m.req_flit_o};
    net[Response] = {&m.rsp_valid_i, &m.rsp_ready_o, &m.rsp_valid_o,
                     &m.rsp_ready_i, m.rsp_flit_i,   m.rsp_flit_o};
    for (Ports& ports : net) {
      *ports.valid_i = 0;
      *ports.ready_i = (1 << kNodes) - 1;
    }
    m.stat_read_i = 0;
    reset();
  }
};

/// Traffic of one network: what the nodes send, and the judges of what they receive.
struct Traffic {
  std::array<PacketSource, kNodes> sources;
  std::array<PacketSink, kNodes> sinks;
  size_t sent = 0;

  bool all_sent() const {
    return std::all_of(sources.begin(), sources.end(), [](auto& s) { return s.empty(); });
  }
  size_t received() const {
    size_t sum = 0;
    for (const PacketSink& sink : sinks) sum += sink.flits();
    return sum;
  }
  bool done() const { return all_sent() && received() == sent; }
};

/// One cycle of both networks. A node offers its next flit when `offer()` says so, and keeps it
/// offered; it takes one when `accept()` does.
template <class Offer, class Accept>
void cycle(MeshDut& dut, std::array<Traffic, 2>& traffic, Offer offer, Accept accept) {
  for (int n = 0; n < 2; ++n) {
    Ports& ports = dut.net[n];
    for (int node = 0; node < kNodes; ++node) {
      PacketSource& source = traffic[n].sources[node];
      if (!source.empty() && !(*ports.valid_i >> node & 1) && offer(n)) {
        pack(source.front(), ports.in[node]);
        *ports.valid_i |= 1 << node;
      }
      *ports.ready_i = (*ports.ready_i & ~(1 << node)) | (accept(n) ? 1 << node : 0);
    }
  }
  dut.settle();
  std::array<unsigned, 2> pushed;
  for (int n = 0; n < 2; ++n) {
    Ports& ports = dut.net[n];
    pushed[n] = *ports.valid_i & *ports.ready_o;
    for (int node = 0; node < kNodes; ++node) {
      if (!(*ports.valid_o & *ports.ready_i & 1 << node)) continue;
      const Flit flit = unpack(ports.out[node]);
      REQUIRE(index_of(flit.dst) == node);
      REQUIRE_NOTHROW(traffic[n].sinks[node].take(flit));
    }
  }
  dut.tick();
  for (int n = 0; n < 2; ++n) {
    *dut.net[n].valid_i &= ~pushed[n];
    for (int node = 0; node < kNodes; ++node) {
      if (!(pushed[n] >> node & 1)) continue;
      traffic[n].sources[node].pop();
      ++traffic[n].sent;
    }
  }
}

bool always(int) { return true; }
bool never(int) { return false; }

template <class Rng>
void add_random_packets(Rng& rng, Traffic& traffic, size_t at_least) {
  for (int node = 0; node < kNodes; ++node) {
    while (traffic.sources[node].size() < at_least) {
      const int length = one_in(rng, 3) ? 1 : uniform(rng, 2, 17);
      traffic.sources[node].add(id_of(node), id_of(uniform(rng, 0, kNodes - 1)), length);
    }
  }
}

TEST_CASE("the mesh keeps order by source and destination and loses nothing", "[noc_mesh]") {
  MeshDut dut;
  auto rng = make_rng();
  std::array<Traffic, 2> traffic;
  for (int i = 0; i < 8000; ++i) {
    const int phase = i / 500 % 4;  // free, slow sinks, slow sources, both slow
    if (i < 6000) {
      for (Traffic& t : traffic) add_random_packets(rng, t, 2);
    } else if (traffic[Request].done() && traffic[Response].done()) {
      break;
    }
    cycle(
        dut, traffic, [&](int) { return one_in(rng, phase >= 2 ? 3 : 1); },
        [&](int) { return one_in(rng, phase % 2 ? 3 : 1); });
  }
  for (const Traffic& t : traffic) {
    CHECK(t.all_sent());
    CHECK(t.received() == t.sent);
    CHECK(t.sent > 5000);
  }
}

TEST_CASE("the mesh moves again after every destination was blocked", "[noc_mesh]") {
  MeshDut dut;
  auto rng = make_rng();
  std::array<Traffic, 2> traffic;
  for (int round = 0; round < 5; ++round) {
    for (Traffic& t : traffic) add_random_packets(rng, t, 300);
    for (int i = 0; i < 300; ++i) cycle(dut, traffic, always, never);
    const size_t stuck = traffic[Request].sent;
    for (int i = 0; i < 100; ++i) cycle(dut, traffic, always, never);
    CHECK(traffic[Request].sent == stuck);
    for (int i = 0; i < 5000 && !(traffic[Request].done() && traffic[Response].done()); ++i) {
      cycle(dut, traffic, always, always);
    }
    CHECK(traffic[Request].done());
    CHECK(traffic[Response].done());
  }
}

TEST_CASE("blocked requests do not hold up responses", "[noc_mesh]") {
  MeshDut dut;
  auto rng = make_rng();
  std::array<Traffic, 2> traffic;
  for (Traffic& t : traffic) add_random_packets(rng, t, 200);
  for (int i = 0; i < 5000 && !traffic[Response].done(); ++i) {
    cycle(dut, traffic, always, [](int network) { return network == Response; });
  }
  CHECK(traffic[Response].done());
  CHECK_FALSE(traffic[Request].done());
}

TEST_CASE("an unloaded mesh takes one cycle a hop and one more", "[noc_mesh]") {
  uint64_t nearest = 0, farthest = 0;  // cycles to the own node, across the mesh
  for (int network : {Request, Response}) {
    MeshDut dut;
    Ports& ports = dut.net[network];
    for (int from = 0; from < kNodes; ++from) {
      for (int to = 0; to < kNodes; ++to) {
        INFO("network " << network << ", " << from << " to " << to);
        Flit flit;
        flit.src = id_of(from);
        flit.dst = id_of(to);
        flit.head = flit.last = true;
        pack(flit, ports.in[from]);
        *ports.valid_i = 1 << from;
        dut.settle();
        REQUIRE((*ports.ready_o >> from & 1));
        const uint64_t start = dut.cycle();
        dut.tick();
        *ports.valid_i = 0;
        dut.wait_until([&] { return *ports.valid_o != 0; }, 20, "the flit");
        REQUIRE(*ports.valid_o == 1 << to);
        const uint64_t cycles = dut.cycle() - start;
        CHECK(cycles == static_cast<uint64_t>(hops(from, to) + kLatencyConstant));
        if (from == to) nearest = cycles;
        if (from == 0 && to == kNodes - 1) farthest = cycles;
        dut.tick();
      }
    }
  }
  fmt::print("noc_cycles_per_hop {}\n",
             static_cast<double>(farthest - nearest) / hops(0, kNodes - 1));
  fmt::print("noc_zero_load_constant {}\n", nearest);
}

TEST_CASE("neighbours stream at 0.99 flits a cycle or more", "[noc_mesh]") {
  MeshDut dut;
  std::array<Traffic, 2> traffic;
  const int cycles = 2000;
  double least = 1;
  for (int i = 0; i < cycles; ++i) {
    for (Traffic& t : traffic) {
      for (int node = 0; node < kNodes; ++node) {
        const int neighbour = node % kCols ? node - 1 : node + 1;
        if (t.sources[node].size() < 2) t.sources[node].add(id_of(node), id_of(neighbour), 16);
      }
    }
    cycle(dut, traffic, always, always);
  }
  for (const Traffic& t : traffic) {
    for (int node = 0; node < kNodes; ++node) {
      // The last node of a row sends only.
      if (node % kCols != kCols - 1) {
        least = std::min(least, static_cast<double>(t.sinks[node].flits()) / cycles);
      }
    }
  }
  fmt::print("noc_stream_flits_per_cycle {:.4f}\n", least);
  CHECK(least >= 0.99);
}

TEST_CASE("uniform random traffic saturates no lower than expected", "[noc_mesh]") {
  MeshDut dut;
  auto rng = make_rng();
  std::array<Traffic, 2> traffic;
  const int cycles = 4000;
  size_t before = 0;
  for (int i = 0; i < cycles; ++i) {
    if (i == cycles / 4) before = traffic[Request].received();
    for (int node = 0; node < kNodes; ++node) {
      PacketSource& source = traffic[Request].sources[node];
      if (source.size() < 2) source.add(id_of(node), id_of(uniform(rng, 0, kNodes - 1)), 16);
    }
    cycle(dut, traffic, always, always);
  }
  const double rate =
      static_cast<double>(traffic[Request].received() - before) / (cycles * 3 / 4) / kNodes;
  fmt::print(
      "noc_uniform_saturation {:.3f} flits a cycle and node, {} x {} nodes, 16-flit packets\n",
      rate, kCols, kRows);
  CHECK(rate > 0.38);
}

TEST_CASE("a node counts the flits that it passes on, by network and port", "[noc_mesh]") {
  MeshDut dut;
  std::array<Traffic, 2> traffic;
  traffic[Request].sources[0].add(id_of(0), id_of(2), 5);
  for (int i = 0; i < 20; ++i) cycle(dut, traffic, always, always);
  enum { East = 1, Local = 4, NumPorts };
  for (int word = 0; word < 2 * 16; ++word) {
    // The routers have nothing to do: it is the read that clocks them.
    dut->stat_read_i = 1;
    dut->stat_word_i = word;
    dut.tick();
    dut->stat_read_i = 0;
    dut->stat_word_i = 0;
    dut.tick();
    const bool responses = word >> 4, stalls = word & 1;
    const int port = word >> 1 & 7;
    for (int node = 0; node < kNodes; ++node) {
      INFO("node " << node << " word " << word);
      const bool passes = node < 2 ? port == East : node == 2 && port == Local;
      CHECK(dut->stat_o[node] == (passes && !responses && !stalls ? 5 : 0));
    }
  }
}

TEST_CASE("a destination outside the mesh fails an assertion", "[noc_mesh]") {
  MeshDut dut;
  std::array<Traffic, 2> traffic;
  traffic[Request].sources[3].add(id_of(3), node_at(kCols, 0), 1);
  const auto run = [&] {
    for (int i = 0; i < 5; ++i) cycle(dut, traffic, always, always);
  };
  CHECK_THROWS_AS(run(), AssertionFailed);
}

}  // namespace
