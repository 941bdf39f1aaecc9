// verilator: -GY=2
// What noc_to_axi does is in its own test; here: the node's place, and its gated clock.
#include "Vmem_node.h"

#include <catch2/catch.hpp>

#include "rtl/spec/gen/systole_spec.h"
#include "tests/rtl/axi_memory.hpp"
#include "tests/rtl/noc_flit.hpp"
#include "tests/support/dut.hpp"

namespace {

using namespace systole::test;

struct NodeDut : Dut<Vmem_node> {
  std::mt19937_64 rng = make_rng();
  AxiMemory<Vmem_node> memory{**this, rng};

  NodeDut() {
    (*this)->req_valid_i = 0;
    (*this)->rsp_ready_i = 1;
    reset();
  }

  /// Sends the flits of a request and returns those of its response.
  std::vector<Flit> ask(std::deque<Flit> flits) {
    Vmem_node& m = **this;
    std::vector<Flit> response;
    for (int i = 0; i < 500; ++i) {
      m.req_valid_i = !flits.empty();
      if (m.req_valid_i) pack(flits.front(), m.req_i);
      m.rsp_ready_i = one_in(rng, 2);
      memory.drive();
      settle();
      memory.sample();
      const bool pushed = m.req_valid_i && m.req_ready_o;
      if (m.rsp_valid_o && m.rsp_ready_i) response.push_back(unpack(m.rsp_o));
      tick();
      memory.release();
      if (pushed) flits.pop_front();
      if (!response.empty() && response.back().last) return response;
    }
    throw Timeout("no response");
  }
};

Flit head(int op, uint64_t addr, int len) {
  Flit flit;
  flit.src = 0x11;
  flit.op = op;
  flit.head = true;
  flit.last = op == SYSTOLE_NOC_OP_READ;
  flit.payload[0] = static_cast<uint32_t>(addr);
  flit.payload[1] = static_cast<uint32_t>(addr >> 32) | static_cast<uint32_t>(len) << 16;
  return flit;
}

TEST_CASE("mem_node (0, 2) answers for DRAM channel 1, asleep between requests", "[mem_node]") {
  const uint64_t base = SYSTOLE_DRAM_BASE + SYSTOLE_DRAM_CHANNEL_BYTES;
  NodeDut dut;
  dut.memory.stall = 2;
  dut.memory.latency = 10;
  for (int i = 0; i < 100; ++i) {
    const uint64_t addr = base + 32 * uniform(dut.rng, 0, 15);
    Flit data;
    data.last = true;
    for (uint32_t& word : data.payload) word = static_cast<uint32_t>(dut.rng());
    const auto ack = dut.ask({head(SYSTOLE_NOC_OP_WRITE, addr, 32), data});
    REQUIRE(ack[0].err == SYSTOLE_ERR_OK);
    REQUIRE(ack[0].src == 0x20);
    REQUIRE(ack[0].dst == 0x11);
    const auto read = dut.ask({head(SYSTOLE_NOC_OP_READ, addr, 32)});
    REQUIRE(read.size() == 1);
    REQUIRE(read[0].payload == data.payload);
    dut.ticks(uniform(dut.rng, 0, 5));
    CHECK(dut->busy_o == 0);
  }
}

TEST_CASE("mem_node (0, 2) refuses another channel's addresses", "[mem_node]") {
  for (uint64_t channel : {0, 2}) {
    NodeDut dut;
    const uint64_t addr = SYSTOLE_DRAM_BASE + channel * SYSTOLE_DRAM_CHANNEL_BYTES;
    CHECK(dut.ask({head(SYSTOLE_NOC_OP_READ, addr, 32)})[0].err == SYSTOLE_ERR_DECODE);
    dut.ticks(3);
    CHECK(dut->busy_o == 0);
  }
}

}  // namespace
