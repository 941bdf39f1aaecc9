#include "Vcore_dma.h"

#include <catch2/catch.hpp>

#include "tests/rtl/core_bench.hpp"
#include "tests/support/dut.hpp"

namespace {

using namespace systole::test;

constexpr uint64_t kRam = SYSTOLE_CORE_RAM_BASE;

/// The DMA between a model of the core RAM and a mesh.
class DmaDut : public Dut<Vcore_dma> {
 public:
  explicit DmaDut(uint64_t stream = 0, int max_delay = 40)
      : Dut(5'000'000),
        ram(SYSTOLE_CORE_RAM_BYTES),
        port(serve(), stream, max_delay),
        rng_(make_rng(50 + stream)) {
    auto& m = **this;
    m.start_i = 0;
    m.req_ready_i = 0;
    m.rsp_valid_i = 0;
    m.ram_gnt_i = 1;
    reset();
  }

  void step() {
    auto& m = **this;
    port.advance();
    const Flit* offered = port.offered();
    m.rsp_valid_i = offered != nullptr;
    if (offered) offered->to_port(m.rsp_i);
    m.req_ready_i = !one_in(rng_, 3);
    m.ram_gnt_i = !one_in(rng_, 5);
    settle();
    if (m.req_valid_o && m.req_ready_i) {
      const Flit flit = Flit::from_port(m.req_o);
      port.receive(flit);
      if (flit.head) in_flight_limit_ = std::max(in_flight_limit_, port.under_way());
    }
    if (offered && m.rsp_ready_o) port.taken();
    const bool access = m.ram_req_o && m.ram_gnt_i;
    const bool write = access && m.ram_we_o;
    const uint32_t first = m.ram_word_o * 4u;
    Bytes read(32);
    for (uint32_t i = 0; access && i < 32; ++i) {
      uint8_t& byte = ram[(first + i) % ram.size()];
      const auto* data = reinterpret_cast<const uint8_t*>(m.ram_wdata_o.m_storage);
      if (write && (m.ram_be_o >> i & 1)) byte = data[i];
      read[i] = byte;
    }
    tick();
    // RAM data hold for one cycle only.
    for (uint32_t i = 0; i < 32; ++i)
      reinterpret_cast<uint8_t*>(m.ram_rdata_i.m_storage)[i] =
          access && !write ? read[i] : static_cast<uint8_t>(rng_());
  }

  /// The error code of a whole move.
  unsigned move(uint64_t dst, uint64_t src, uint32_t len, int bound = 20000) {
    auto& m = **this;
    m.src_i = src;
    m.dst_i = dst;
    m.len_i = len;
    m.start_i = 1;
    step();
    m.start_i = 0;
    for (int i = 0; i < bound; ++i) {
      settle();
      if (m.done_o) {
        const unsigned err = m.err_o;
        CHECK(m.busy_o == 0);
        step();
        settle();
        CHECK(m.done_o == 0);
        return err;
      }
      step();
    }
    throw Timeout("the DMA does not end");
  }

  SparseBytes memory;
  Bytes ram;
  MeshPort port;
  uint64_t bad_packet = ~0ull;  // block of 512 bytes that answers with an error
  std::size_t most_in_flight() const { return in_flight_limit_; }

 private:
  MeshPort::Serve serve() {
    return [this](const Flit& head, Bytes& data) -> unsigned {
      if (head.address() / 512 == bad_packet) return SYSTOLE_ERR_DENIED;
      if (head.op == SYSTOLE_NOC_OP_READ)
        data = memory.read(head.address(), head.length());
      else
        memory.write(head.address(), data);
      return SYSTOLE_ERR_OK;
    };
  }

  std::mt19937_64 rng_;
  std::size_t in_flight_limit_ = 0;
};

Bytes random_bytes(std::mt19937_64& rng, std::size_t size) {
  Bytes bytes(size);
  for (uint8_t& b : bytes) b = static_cast<uint8_t>(rng());
  return bytes;
}

TEST_CASE("core_dma moves words both ways, from and to any word, and touches nothing else",
          "[core_dma]") {
  auto rng = make_rng();
  DmaDut dut;
  for (int trial = 0; trial < 60; ++trial) {
    const bool to_ram = one_in(rng, 2);
    const auto len = static_cast<uint32_t>(4 * uniform(rng, 1, trial < 50 ? 200 : 3000));
    const auto place =
        static_cast<uint32_t>(4 * uniform(rng, 0, (SYSTOLE_CORE_RAM_BYTES - len) / 4));
    const uint64_t remote = SYSTOLE_DRAM_BASE + 4 * static_cast<uint64_t>(uniform(rng, 64, 20000));
    INFO("trial " << trial << ": " << (to_ram ? "to" : "from") << " RAM " << place << ", remote "
                  << remote << ", " << len << " bytes");
    dut.ram = random_bytes(rng, dut.ram.size());
    const Bytes around = random_bytes(rng, len + 64);
    dut.memory.write(remote - 32, around);
    Bytes ram_after = dut.ram, memory_after = around;
    if (to_ram)
      std::copy_n(around.begin() + 32, len, ram_after.begin() + place);
    else
      std::copy_n(dut.ram.begin() + place, len, memory_after.begin() + 32);
    const unsigned err =
        to_ram ? dut.move(kRam + place, remote, len) : dut.move(remote, kRam + place, len);
    REQUIRE(err == SYSTOLE_ERR_OK);
    REQUIRE((dut.ram == ram_after));
    REQUIRE((dut.memory.read(remote - 32, len + 64) == memory_after));
  }
}

TEST_CASE("core_dma has up to four packets under way", "[core_dma]") {
  DmaDut dut(1, 400);
  CHECK(dut.move(kRam, SYSTOLE_DRAM_BASE, 8192) == SYSTOLE_ERR_OK);
  CHECK(dut.most_in_flight() == 4);
}

TEST_CASE("core_dma moves all of the RAM", "[core_dma]") {
  DmaDut dut(2);
  auto rng = make_rng(3);
  const Bytes all = random_bytes(rng, SYSTOLE_CORE_RAM_BYTES);
  dut.memory.write(SYSTOLE_DRAM_BASE + 4, all);
  CHECK(dut.move(kRam, SYSTOLE_DRAM_BASE + 4, SYSTOLE_CORE_RAM_BYTES, 100000) == SYSTOLE_ERR_OK);
  CHECK((dut.ram == all));
}

TEST_CASE("core_dma refuses what it cannot do and moves nothing", "[core_dma]") {
  DmaDut dut;
  struct {
    uint64_t dst, src;
    uint32_t len;
  } const moves[] = {
      {SYSTOLE_DRAM_BASE, SYSTOLE_HOST_MEM_BASE, 64},  // no RAM
      {kRam + 2, SYSTOLE_DRAM_BASE, 64},               // half a word
      {kRam, SYSTOLE_DRAM_BASE + 1, 64},
      {kRam, SYSTOLE_DRAM_BASE, 63},
      {kRam, SYSTOLE_DRAM_BASE, 0},                                 // nothing
      {kRam + SYSTOLE_CORE_RAM_BYTES - 32, SYSTOLE_DRAM_BASE, 64},  // beyond the RAM
      {kRam, SYSTOLE_DRAM_BASE, SYSTOLE_CORE_RAM_BYTES + 4},
      {kRam, SYSTOLE_DRAM_BASE, 0xfffffffc},
  };
  for (const auto& m : moves) {
    CHECK(dut.move(m.dst, m.src, m.len, 10) == SYSTOLE_ERR_DECODE);
    CHECK(dut.port.packets() == 0);
  }
  CHECK(dut.move(kRam + SYSTOLE_CORE_RAM_BYTES - 64, SYSTOLE_DRAM_BASE, 64) == SYSTOLE_ERR_OK);
}

TEST_CASE("core_dma reports the error of one packet, ends, and works again", "[core_dma]") {
  DmaDut dut(4);
  dut.bad_packet = (SYSTOLE_DRAM_BASE + 1024) / 512;
  CHECK(dut.move(kRam, SYSTOLE_DRAM_BASE, 4096) == SYSTOLE_ERR_DENIED);
  CHECK(dut.port.idle());
  CHECK(dut.move(SYSTOLE_DRAM_BASE, kRam, 4096) == SYSTOLE_ERR_DENIED);
  CHECK(dut.port.idle());
  dut.bad_packet = ~0ull;
  CHECK(dut.move(SYSTOLE_DRAM_BASE, kRam, 4096) == SYSTOLE_ERR_OK);
}

}  // namespace
