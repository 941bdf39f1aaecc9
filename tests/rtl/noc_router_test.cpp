// verilator: -GX=1 -GY=1 -GNumCols=3 -GNumRows=3
#include "Vnoc_router.h"

#include <catch2/catch.hpp>

#include "tests/rtl/noc_flit.hpp"
#include "tests/support/dut.hpp"

namespace {

using namespace systole::test;

enum Port { North, East, South, West, Local, NumPorts };
const char* const kPortName[] = {"north", "east", "south", "west", "local"};

/// The router of the middle node of 3 x 3.
struct RouterDut : Dut<Vnoc_router> {
  std::array<FlitBits*, NumPorts> in, out;
  uint32_t counted_in_reads[2][NumPorts] = {};  // flits, stalls

  RouterDut() {
    Vnoc_router& m = **this;
    in = {&m.north_i, &m.east_i, &m.south_i, &m.west_i, &m.local_i};
    out = {&m.north_o, &m.east_o, &m.south_o, &m.west_o, &m.local_o};
    m.valid_i = 0;
    m.ready_i = 0x1f;
    m.stat_read_i = 0;
    reset();
  }

  void offer(int port, const Flit& flit) {
    pack(flit, *in[port]);
    (*this)->valid_i |= 1 << port;
  }
  void withdraw(int port) { (*this)->valid_i &= ~(1 << port); }
  bool offered(int port) const { return const_cast<RouterDut&>(*this)->valid_o >> port & 1; }
  bool taken(int port) const { return const_cast<RouterDut&>(*this)->ready_o >> port & 1; }
  /// A counter as it would be had there been no reads: each takes a cycle, in which flits go on.
  uint32_t count(int port, bool stalls) {
    const uint32_t in_reads = counted_in_reads[stalls][port];
    (*this)->stat_read_i = 1;
    (*this)->stat_word_i = port << 1 | stalls;
    settle();
    for (int out = 0; out < NumPorts; ++out)
      if (offered(out)) ++counted_in_reads[((*this)->ready_i >> out & 1) == 0][out];
    tick();
    (*this)->stat_read_i = 0;
    settle();
    return (*this)->stat_o - in_reads;
  }
  uint32_t flits(int port) { return count(port, false); }
  uint32_t stalls(int port) { return count(port, true); }
  void set_ready(int port, bool ready) {
    (*this)->ready_i = ((*this)->ready_i & ~(1 << port)) | ready << port;
  }
};

Flit one_flit(int dst, int tag) {
  Flit flit;
  flit.dst = dst;
  flit.tag = tag;
  flit.head = flit.last = true;
  flit.payload = {1u, 2u, 3u, 4u, 5u, 6u, 7u, static_cast<uint32_t>(tag)};
  return flit;
}

/// Port by which (1, 1) passes a packet on, written from the rule and not from the RTL.
Port expected_port(int x, int y) {
  if (x != 1) return x > 1 ? East : West;
  if (y != 1) return y > 1 ? South : North;
  return Local;
}

/// Dimension order: no packet arrives here from a column to leave along the row, or turns back.
bool may_come_from(int port, Port out) {
  if (port == out) return out == Local;
  return !((port == North || port == South) && (out == East || out == West));
}

TEST_CASE("noc_router passes a flit on by row, then column, in the next cycle", "[noc_router]") {
  RouterDut dut;
  for (int port = 0; port < NumPorts; ++port) {
    for (int node = 0; node < 9; ++node) {
      const int x = node % 3, y = node / 3;
      const Port out = expected_port(x, y);
      if (!may_come_from(port, out)) continue;
      INFO("from " << kPortName[port] << " to (" << x << ", " << y << ")");
      const Flit flit = one_flit(node_at(x, y), node + 9);
      dut.offer(port, flit);
      dut.settle();
      CHECK(dut->valid_o == 0);
      dut.tick();
      dut.withdraw(port);
      dut.settle();
      REQUIRE(dut->valid_o == 1 << out);
      CHECK(unpack(*dut.out[out]) == flit);
      CHECK(dut->busy_o == 1);
      dut.tick();
      dut.settle();
      CHECK(dut->valid_o == 0);
      CHECK(dut->busy_o == 0);
    }
  }
}

TEST_CASE("noc_router takes two flits while their output waits, and not a third", "[noc_router]") {
  RouterDut dut;
  dut.set_ready(East, false);
  for (int i = 0; i < 2; ++i) {
    dut.offer(West, one_flit(node_at(2, 1), i));
    dut.settle();
    CHECK(dut.taken(West));
    dut.tick();
  }
  dut.offer(West, one_flit(node_at(2, 1), 2));
  dut.settle();
  CHECK_FALSE(dut.taken(West));
  // Ready is a register's: it follows the departure by a cycle.
  dut.set_ready(East, true);
  dut.settle();
  CHECK_FALSE(dut.taken(West));
  CHECK(unpack(*dut.out[East]).tag == 0);
  dut.tick();
  dut.settle();
  CHECK(dut.taken(West));
  CHECK(unpack(*dut.out[East]).tag == 1);
  dut.tick();
  dut.withdraw(West);
  dut.settle();
  CHECK(unpack(*dut.out[East]).tag == 2);
}

TEST_CASE("noc_router carries a flit a cycle through every output at once", "[noc_router]") {
  RouterDut dut;
  // A turn into each output: south to north, west to east, and so on, local to local.
  const int from[NumPorts] = {South, West, North, East, Local};
  const int dst[NumPorts] = {node_at(1, 0), node_at(2, 1), node_at(1, 2), node_at(0, 1),
                             node_at(1, 1)};
  for (int cycle = 0; cycle < 50; ++cycle) {
    for (int out = 0; out < NumPorts; ++out) dut.offer(from[out], one_flit(dst[out], cycle & 63));
    dut.settle();
    REQUIRE(dut->ready_o == 0x1f);
    if (cycle > 0) {
      REQUIRE(dut->valid_o == 0x1f);
      for (int out = 0; out < NumPorts; ++out) {
        REQUIRE(unpack(*dut.out[out]).tag == ((cycle - 1) & 63));
      }
    }
    dut.tick();
  }
  for (int out = 0; out < NumPorts; ++out) {
    CHECK(dut.flits(out) == 49);
    CHECK(dut.stalls(out) == 0);
  }
}

TEST_CASE("noc_router keeps an output for a packet until its last flit, gaps included",
          "[noc_router]") {
  RouterDut dut;
  Flit flit = one_flit(node_at(1, 0), 1);
  flit.last = false;
  dut.offer(South, flit);
  dut.tick();
  dut.withdraw(South);
  dut.offer(Local, one_flit(node_at(1, 0), 2));
  for (int gap = 0; gap < 5; ++gap) {
    dut.tick();
    dut.settle();
    CHECK_FALSE(dut.offered(North));
  }
  flit.head = false;
  flit.last = true;
  flit.dst = 0;  // only the head's counts
  dut.offer(South, flit);
  dut.tick();
  dut.withdraw(South);
  dut.settle();
  CHECK(unpack(*dut.out[North]).tag == 1);
  dut.tick();
  dut.settle();
  CHECK(unpack(*dut.out[North]).tag == 2);
}

TEST_CASE("noc_router serves the inputs that want one output in turn", "[noc_router]") {
  RouterDut dut;
  for (int port = 0; port < NumPorts; ++port) dut.offer(port, one_flit(node_at(1, 1), port));
  std::array<int, NumPorts> served{};
  int previous = -1;
  dut.tick();
  for (int cycle = 0; cycle < 100; ++cycle) {
    dut.settle();
    REQUIRE(dut.offered(Local));
    const int tag = unpack(*dut.out[Local]).tag;
    if (previous >= 0) CHECK(tag == (previous + 1) % NumPorts);
    previous = tag;
    ++served[tag];
    dut.tick();
  }
  for (int port = 0; port < NumPorts; ++port) CHECK(served[port] == 20);
}

TEST_CASE("noc_router holds an offer while it waits, whoever else comes", "[noc_router]") {
  RouterDut dut;
  dut.set_ready(Local, false);
  dut.offer(West, one_flit(node_at(1, 1), 7));
  dut.tick();
  dut.withdraw(West);
  for (int port : {North, East, South, Local}) {
    dut.offer(port, one_flit(node_at(1, 1), port));
    dut.tick();
    dut.settle();
    CHECK(unpack(*dut.out[Local]).tag == 7);
  }
  for (int port = 0; port < NumPorts; ++port) {
    CHECK(dut.stalls(port) == (port == Local ? 4 : 0));
    CHECK(dut.flits(port) == 0);
  }
}

TEST_CASE("noc_router shows a counter as it was in the cycle of the read, until the next read",
          "[noc_router]") {
  RouterDut dut;
  dut.set_ready(Local, false);
  dut.offer(West, one_flit(node_at(1, 1), 7));
  dut.tick();
  dut.withdraw(West);
  dut.ticks(3);
  dut->stat_word_i = Local << 1 | 1;
  dut->stat_read_i = 1;
  dut.tick();
  CHECK(dut->stat_o == 3);
  dut.tick();
  CHECK(dut->stat_o == 4);
  dut->stat_read_i = 0;
  dut->stat_word_i = Local << 1;
  dut.ticks(3);
  CHECK(dut->stat_o == 4);
}

TEST_CASE("noc_router's valid and ready do not depend on inputs of the same cycle",
          "[noc_router]") {
  RouterDut dut;
  dut.set_ready(East, false);
  for (int i = 0; i < 2; ++i) {
    dut.offer(West, one_flit(node_at(2, 1), i));
    dut.tick();
  }
  for (int bits = 0; bits < 32; ++bits) {
    dut->ready_i = bits;
    dut->valid_i = 31 - bits;
    dut.settle();
    CHECK(dut->valid_o == 1 << East);
    CHECK(dut->ready_o == (0x1f & ~(1 << West)));
  }
}

TEST_CASE("noc_router loses, doubles and reorders nothing under random traffic", "[noc_router]") {
  RouterDut dut;
  auto rng = make_rng();
  std::array<PacketSource, NumPorts> sources;
  std::array<PacketSink, NumPorts> sinks;
  size_t sent = 0;
  std::array<uint32_t, NumPorts> flits{}, stalls{};
  const auto all_empty = [&] {
    return std::all_of(sources.begin(), sources.end(), [](auto& source) { return source.empty(); });
  };
  for (int cycle = 0; cycle < 20000 || !all_empty() || dut->busy_o; ++cycle) {
    REQUIRE(cycle < 30000);
    const int phase = cycle / 1000 % 4;  // free, slow sinks, slow sources, both slow
    for (int port = 0; port < NumPorts; ++port) {
      PacketSource& source = sources[port];
      while (cycle < 20000 && source.size() < 4) {
        const int x = uniform(rng, 0, 2), y = uniform(rng, 0, 2);
        if (!may_come_from(port, expected_port(x, y))) continue;
        source.add(port, node_at(x, y), one_in(rng, 3) ? 1 : uniform(rng, 2, 17));
      }
      if (!source.empty() && !(dut->valid_i >> port & 1) && one_in(rng, phase >= 2 ? 3 : 1)) {
        dut.offer(port, source.front());
      }
      dut.set_ready(port, one_in(rng, phase % 2 ? 3 : 1));
    }
    dut.settle();
    for (int port = 0; port < NumPorts; ++port) {
      if (dut.offered(port)) ++(dut->ready_i >> port & 1 ? flits : stalls)[port];
      if (dut.offered(port) && (dut->ready_i >> port & 1)) {
        const Flit flit = unpack(*dut.out[port]);
        REQUIRE(expected_port(flit.dst & 15, flit.dst >> 4) == port);
        REQUIRE_NOTHROW(sinks[port].take(flit));
      }
    }
    const int pushed = dut->valid_i & dut->ready_o;
    dut.tick();
    for (int port = 0; port < NumPorts; ++port) {
      if (!(pushed >> port & 1)) continue;
      sources[port].pop();
      dut.withdraw(port);
      ++sent;
    }
  }
  size_t received = 0;
  for (const PacketSink& sink : sinks) received += sink.flits();
  CHECK(received == sent);
  CHECK(sent > 20000);
  for (int port = 0; port < NumPorts; ++port) {
    CHECK(dut.flits(port) == flits[port]);
    CHECK(dut.stalls(port) == stalls[port]);
    CHECK(stalls[port] > 0);
  }
}

TEST_CASE("noc_router's assertions see a packet without a head", "[noc_router]") {
  RouterDut dut;
  Flit flit = one_flit(node_at(1, 1), 0);
  flit.head = false;
  dut.offer(West, flit);
  CHECK_THROWS_AS(dut.ticks(3), AssertionFailed);
}

}  // namespace
