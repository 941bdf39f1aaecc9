// verilator: -f build/ibex.f
#include "Vcontrol_core.h"

#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

#include "tests/rtl/core_bench.hpp"
#include "tests/support/dut.hpp"

namespace {

using namespace systole::test;

constexpr Node kHost{1, 0};

Bytes read_file(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) throw std::runtime_error("cannot read " + path.string());
  return Bytes(std::istreambuf_iterator<char>(file), {});
}

/// The core alone: its RAM and registers by packets, window and DMA answered from a memory.
class CoreDut : public Dut<Vcontrol_core> {
 public:
  explicit CoreDut(uint64_t stream = 0) : Dut(3'000'000), memory_port(serve(), stream) {
    auto& m = **this;
    m.target_req_valid_i = 0;
    m.target_rsp_ready_i = 1;
    m.window_req_ready_i = 1;
    m.window_rsp_valid_i = 0;
    m.dma_req_ready_i = 1;
    m.dma_rsp_valid_i = 0;
    m.cycle_i = 0;
    m.timer_hit_i = 0;
    reset();
  }

  /// One cycle with the mesh behind window and DMA.
  void step() {
    auto& m = **this;
    m.cycle_i = cycle();
    memory_port.advance();
    const Flit* offered = memory_port.offered();
    const bool for_window = offered && offered->tag >> 4 == 1;
    m.window_rsp_valid_i = offered && for_window;
    m.dma_rsp_valid_i = offered && !for_window;
    if (offered) offered->to_port(for_window ? m.window_rsp_i : m.dma_rsp_i);
    settle();
    m.timer_hit_i = m.timer_armed_o && m.cycle_i >= m.timer_o;
    // One port behind both: a packet of one at a time.
    m.window_req_ready_i = owner_ != 2;
    m.dma_req_ready_i = owner_ == 2 || (owner_ == 0 && !m.window_req_valid_o);
    settle();
    if (m.window_req_valid_o && m.window_req_ready_i) send(m.window_req_o, 1);
    if (m.dma_req_valid_o && m.dma_req_ready_i) send(m.dma_req_o, 2);
    if (offered && (for_window ? m.window_rsp_ready_o : m.dma_rsp_ready_o)) memory_port.taken();
    tick();
  }

  Packet transact(Packet request) {
    auto& m = **this;
    Packet response;
    for (int i = 0; i < 4000; ++i) {
      m.target_req_valid_i = !request.empty();
      if (!request.empty()) request.front().to_port(m.target_req_i);
      settle();
      const bool sent = m.target_req_valid_i && m.target_req_ready_o;
      if (m.target_rsp_valid_o) response.push_back(Flit::from_port(m.target_rsp_o));
      step();
      if (sent) request.pop_front();
      if (!response.empty() && response.back().last) return response;
    }
    throw Timeout("no response of the target");
  }

  unsigned write(uint64_t address, const Bytes& data) {
    for (std::size_t at = 0; at < data.size();) {
      const std::size_t n = std::min<std::size_t>(512 - (address + at) % 512, data.size() - at);
      const Packet response = transact(request_packet(SYSTOLE_NOC_OP_WRITE, kHost, 7, address + at,
                                                      static_cast<unsigned>(n), &data[at]));
      (*this)->target_req_valid_i = 0;
      if (response.front().err) return response.front().err;
      at += n;
    }
    return 0;
  }

  void write32(uint64_t address, uint32_t value) { write(address, bytes_of(&value, 4)); }

  uint32_t read32(uint64_t address) {
    const Packet response = transact(request_packet(SYSTOLE_NOC_OP_READ, kHost, 9, address, 4));
    (*this)->target_req_valid_i = 0;
    if (response.front().err) throw std::runtime_error("read failed");
    return response.front().payload[address / 4 % 8];
  }

  void load(const Bytes& program) {
    write(SYSTOLE_CORE_RAM_BASE + SYSTOLE_CORE_RESET_OFFSET, program);
    write32(SYSTOLE_IO_REGS_BASE + SYSTOLE_IO_CORE_CTRL, 1);
  }

  /// FW_STATE once it is not 0.
  uint32_t verdict(uint64_t bound) {
    for (uint64_t i = 0; i < bound; i += 200) {
      for (int k = 0; k < 200; ++k) step();
      if (const uint32_t state = read32(SYSTOLE_IO_REGS_BASE + SYSTOLE_IO_FW_STATE)) return state;
    }
    throw Timeout("the program gives no verdict");
  }

  SparseBytes memory;
  MeshPort memory_port;

 private:
  MeshPort::Serve serve() {
    return [this](const Flit& head, Bytes& data) -> unsigned {
      if (head.address() >> 40 != 2) return SYSTOLE_ERR_DECODE;
      if (head.op == SYSTOLE_NOC_OP_READ)
        data = memory.read(head.address(), head.length());
      else
        memory.write(head.address(), data);
      return SYSTOLE_ERR_OK;
    };
  }

  void send(const VlWide<9>& bits, int owner) {
    const Flit flit = Flit::from_port(bits);
    memory_port.receive(flit);
    owner_ = flit.last ? 0 : owner;
  }

  int owner_ = 0;
};

/// Instructions, assembled by hand.
uint32_t lui(unsigned rd, uint32_t value) { return (value & 0xfffff000) | rd << 7 | 0x37; }
uint32_t addi(unsigned rd, unsigned rs, int imm) {
  return static_cast<uint32_t>(imm) << 20 | rs << 15 | rd << 7 | 0x13;
}
uint32_t lw(unsigned rd, unsigned rs, int imm) {
  return static_cast<uint32_t>(imm) << 20 | rs << 15 | 2 << 12 | rd << 7 | 0x03;
}
uint32_t store(unsigned size, unsigned rs2, unsigned rs1, int imm) {
  const auto u = static_cast<uint32_t>(imm);
  return (u >> 5 & 0x7f) << 25 | rs2 << 20 | rs1 << 15 | size << 12 | (u & 31) << 7 | 0x23;
}
uint32_t sw(unsigned rs2, unsigned rs1, int imm) { return store(2, rs2, rs1, imm); }
constexpr uint32_t kWfi = 0x10500073;
constexpr uint32_t kJumpToSelf = 0x0000006f;

Bytes program(const std::vector<uint32_t>& instructions) {
  return bytes_of(instructions.data(), instructions.size() * 4);
}

TEST_CASE("control_core passes the riscv-tests rv32ui, rv32um and rv32uc", "[control_core]") {
  int passed = 0;
  for (const auto& file : std::filesystem::recursive_directory_iterator("build/riscv_tests")) {
    if (file.path().extension() != ".bin") continue;
    const std::string name =
        file.path().parent_path().filename().string() + "-" + file.path().stem().string();
    INFO(name);
    CoreDut dut;
    dut.load(read_file(file.path()));
    const uint32_t verdict = dut.verdict(60'000);
    INFO("test case " << dut.read32(SYSTOLE_IO_REGS_BASE + SYSTOLE_IO_FW_PANIC));
    CHECK(verdict == SYSTOLE_FW_STATE_READY);
    passed += verdict == SYSTOLE_FW_STATE_READY;
  }
  std::cout << "riscv-tests: " << passed << " passed" << std::endl;
  CHECK(passed == 48);
}

TEST_CASE("control_core is asleep in wfi and wakes for an enabled interrupt", "[control_core]") {
  CoreDut dut;
  // Enable doorbell and the external interrupt, sleep, then say so.
  dut.load(
      program({lui(1, SYSTOLE_IO_REGS_BASE), addi(2, 0, 1), sw(2, 1, SYSTOLE_IO_CORE_IRQ_ENABLE),
               lui(3, 0x1000), addi(3, 3, -0x800), 0x30419073 /* csrw mie, x3 */, kWfi,
               sw(2, 1, SYSTOLE_IO_FW_STATE), kJumpToSelf}));
  for (int i = 0; i < 100; ++i) dut.step();
  CHECK(dut->core_awake_o == 0);
  CHECK(dut->busy_o == 0);
  const uint32_t awake = dut.read32(SYSTOLE_IO_REGS_BASE + SYSTOLE_IO_AWAKE_LO);
  CHECK(awake > 5);
  CHECK(awake < 60);
  CHECK(dut.read32(SYSTOLE_IO_REGS_BASE + SYSTOLE_IO_FW_STATE) == 0);
  CHECK(dut.read32(SYSTOLE_IO_REGS_BASE + SYSTOLE_IO_AWAKE_LO) == awake);
  dut.write32(SYSTOLE_IO_REGS_BASE + SYSTOLE_IO_DOORBELL, 5);
  for (int i = 0; i < 40; ++i) dut.step();
  CHECK(dut.read32(SYSTOLE_IO_REGS_BASE + SYSTOLE_IO_FW_STATE) == 1);
  CHECK(dut->core_awake_o == 1);
}

TEST_CASE("control_core's stores through the window are posted and its loads see them",
          "[control_core]") {
  CoreDut dut;
  const uint32_t window = SYSTOLE_DRAM_BASE >> 31;
  std::vector<uint32_t> code{lui(1, SYSTOLE_IO_REGS_BASE), lui(2, window << 12)};
  code.push_back(0x00c15113);  // srli x2, x2, 12
  code.push_back(sw(2, 1, SYSTOLE_IO_WINDOW));
  code.push_back(lui(3, 0x80000000));
  code.push_back(addi(4, 0, 0x123));
  for (int i = 0; i < 20; ++i) {
    code.push_back(addi(4, 4, 1));
    code.push_back(sw(4, 3, 4 * i));
  }
  code.push_back(store(0, 4, 3, 0x101));  // one byte
  code.push_back(store(1, 4, 3, 0x106));  // two bytes
  code.push_back(sw(4, 3, 0x10b));        // crosses a word
  code.push_back(lw(5, 3, 4 * 7));
  code.push_back(sw(5, 1, SYSTOLE_IO_FW_PANIC));
  code.push_back(addi(6, 0, 1));
  code.push_back(sw(6, 1, SYSTOLE_IO_FW_STATE));
  code.push_back(kJumpToSelf);
  dut.load(program(code));
  CHECK(dut.verdict(5000) == 1);
  CHECK(dut.read32(SYSTOLE_IO_REGS_BASE + SYSTOLE_IO_FW_PANIC) == 0x123 + 8);
  for (unsigned i = 0; i < 20; ++i)
    CHECK(dut.memory.read32(SYSTOLE_DRAM_BASE + 4 * i) == 0x124 + i);
  CHECK(dut.memory.read32(SYSTOLE_DRAM_BASE + 0x100) == 0x3700);
  CHECK(dut.memory.read32(SYSTOLE_DRAM_BASE + 0x104) == 0x01370000);
  CHECK(dut.memory.read32(SYSTOLE_DRAM_BASE + 0x108) == 0x37000000);
  CHECK(dut.memory.read32(SYSTOLE_DRAM_BASE + 0x10c) == 0x01);
}

TEST_CASE("control_core reports a failed posted store as bus error with its address",
          "[control_core]") {
  CoreDut dut;
  dut.load(program({lui(1, SYSTOLE_IO_REGS_BASE), lui(3, 0x80012000), sw(1, 3, 0x34),
                    sw(1, 3, 0x38), kJumpToSelf}));
  for (int i = 0; i < 300; ++i) dut.step();
  CHECK(dut.read32(SYSTOLE_IO_REGS_BASE + SYSTOLE_IO_CORE_IRQ) ==
        SYSTOLE_IO_CORE_IRQ_BUS_ERROR_MASK);
  const uint32_t error = dut.read32(SYSTOLE_IO_REGS_BASE + SYSTOLE_IO_BUS_ERROR);
  CHECK(error >> 28 == SYSTOLE_ERR_DECODE);
  CHECK(((error & 0xfffffff) == 0x12034 || (error & 0xfffffff) == 0x12038));
}

TEST_CASE("control_core takes an access fault at a failed load and outside the map",
          "[control_core]") {
  const std::vector<std::vector<uint32_t>> accesses{
      {lui(3, 0x80000000), lw(4, 3, 0)},                     // window: no such node
      {lui(3, 0x00300000), lw(4, 3, 0)},                     // no such place
      {lui(3, SYSTOLE_IO_REGS_BASE), store(0, 3, 3, 0x28)},  // a byte of a register
  };
  for (const auto& access : accesses) {
    CoreDut dut;
    // The trap handler at the vector base says so: cause 5 (load) or 7 (store).
    const Bytes handler = program({lui(1, SYSTOLE_IO_REGS_BASE), 0x34202173 /* csrr x2, mcause */,
                                   sw(2, 1, SYSTOLE_IO_FW_STATE), kJumpToSelf});
    dut.write(SYSTOLE_CORE_RAM_BASE, handler);
    std::vector<uint32_t> code = access;
    code.push_back(kJumpToSelf);
    dut.load(program(code));
    const uint32_t cause = dut.verdict(2000);
    CHECK(cause == (access.back() >> 5 == (store(0, 3, 3, 0x28) >> 5) ? 7u : 5u));
  }
}

}  // namespace
