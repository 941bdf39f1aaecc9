#include <array>
#include <catch2/catch.hpp>
#include <cstring>
#include <random>
#include <vector>

#include <verilated_sym_props.h>

#include "Vscratchpad.h"
#include "tests/support/dut.hpp"

using systole::test::make_rng;

namespace {

constexpr uint32_t BYTES = 262144;
constexpr int BANKS = 16;

int bank_of(uint32_t address) {
  const uint32_t chunk = address / 16;
  return (chunk + (chunk >> 4) + (chunk >> 8)) % BANKS;
}

/// Requesters in order of priority.
enum Port { ACT = 0, WGT = 4, VA = 12, VB, VD, NI, LD, ST, SEQ, PORTS };

struct Access {
  bool valid = false;
  bool write = false;
  uint32_t address = 0;
  uint32_t length = 0;
  std::array<uint8_t, 32> data{};
  uint32_t enable = 0xffffffff;
  int refusals = 0;

  uint16_t banks() const {
    uint16_t mask = 0;
    for (uint32_t at = address & ~15U; at < address + length; at += 16) {
      mask |= uint16_t(1 << bank_of(at % BYTES));
    }
    return mask;
  }
};

class Dut : public systole::test::Dut<Vscratchpad> {
 public:
  using Base = systole::test::Dut<Vscratchpad>;
  Dut() : Base(10'000'000), memory(BYTES) {
    drive();
    reset();
  }

  /// Bytes of the scratchpad as every access so far left them.
  std::vector<uint8_t> memory;
  std::array<Access, PORTS> port{};
  int row_mode = 0;

  void request(int p, uint32_t address, uint32_t length, bool write = false) {
    port[p].valid = true;
    port[p].write = write;
    port[p].address = address % BYTES;
    port[p].length = length;
    port[p].enable = 0xffffffff;
    port[p].refusals = 0;
  }

  /// One cycle: drives the requests, checks grants against the rules, and the data in the next
  /// cycle. Returns the requesters granted, which are then free.
  uint32_t cycle() {
    drive();
    settle();
    const uint32_t granted = grants();
    check_grants(granted);
    std::array<std::array<uint8_t, 32>, PORTS> expected{};
    for (int p = 0; p < PORTS; ++p) {
      if (!(granted >> p & 1)) {
        port[p].refusals += port[p].valid;
        continue;
      }
      for (uint32_t i = 0; i < port[p].length; ++i) {
        uint8_t& byte = memory[(port[p].address + i) % BYTES];
        if (port[p].write && (port[p].enable >> i & 1)) byte = port[p].data[i];
        expected[p][i] = byte;
      }
      port[p].valid = false;
    }
    tick();
    check_data(granted, expected);
    return granted;
  }

  /// Byte of the memory arrays, found by name as the simulation finds them.
  uint8_t peek(uint32_t address) {
    const std::string scope = fmt::format("dut.scratchpad.gen_bank[{}]", bank_of(address));
    const VerilatedScope* found = (*this)->contextp()->scopeFind(scope.c_str());
    REQUIRE(found != nullptr);
    VerilatedVar* memory_array = found->varFind("mem_q");
    REQUIRE(memory_array != nullptr);
    return static_cast<const uint8_t*>(memory_array->datap())[address / 256 * 16 + address % 16];
  }

 private:
  static void put(uint32_t* words, uint32_t address, uint32_t length, const uint8_t* data) {
    std::memcpy(words, data, 32);
    words[8] = length | address << 6;
  }

  void drive() {
    Vscratchpad& dut = **this;
    dut.act_mode_i = row_mode;
    dut.act_req_i = dut.wgt_req_i = 0;
    for (int i = 0; i < 4; ++i) {
      dut.act_req_i |= port[ACT + i].valid << i;
      dut.act_addr_i[i] = port[ACT + i].address;
    }
    for (int i = 0; i < 8; ++i) {
      dut.wgt_req_i |= port[WGT + i].valid << i;
      dut.wgt_addr_i[i] = port[WGT + i].address;
    }
    dut.va_req_i = port[VA].valid;
    dut.va_i = port[VA].length | port[VA].address << 6;
    dut.vb_req_i = port[VB].valid;
    dut.vb_i = port[VB].length | port[VB].address << 6;
    dut.st_req_i = port[ST].valid;
    dut.st_i = port[ST].length | port[ST].address << 6;
    dut.seq_req_i = port[SEQ].valid;
    dut.seq_i = port[SEQ].length | port[SEQ].address << 6;
    dut.vd_req_i = port[VD].valid;
    put(dut.vd_i.data(), port[VD].address, port[VD].length, port[VD].data.data());
    dut.ld_req_i = port[LD].valid;
    put(dut.ld_i.data(), port[LD].address, port[LD].length, port[LD].data.data());
    dut.ni_req_i = port[NI].valid;
    dut.ni_we_i = port[NI].write;
    dut.ni_addr_i = port[NI].address;
    dut.ni_be_i = port[NI].enable;
    std::memcpy(dut.ni_wdata_i.data(), port[NI].data.data(), 32);
  }

  uint32_t grants() {
    Vscratchpad& dut = **this;
    return dut.act_gnt_o << ACT | dut.wgt_gnt_o << WGT | dut.va_gnt_o << VA | dut.vb_gnt_o << VB |
           dut.vd_gnt_o << VD | dut.ni_gnt_o << NI | dut.ld_gnt_o << LD | dut.st_gnt_o << ST |
           dut.seq_gnt_o << SEQ;
  }

  void check_grants(uint32_t granted) {
    uint16_t used = 0;
    int refused = 0;
    bool starved = false;
    for (int p = 0; p < PORTS; ++p) {
      if (!(granted >> p & 1)) continue;
      REQUIRE(port[p].valid);
      REQUIRE((used & port[p].banks()) == 0);
      used |= port[p].banks();
      starved |= port[p].refusals >= 63;
    }
    uint16_t used_before = 0;
    for (int p = 0; p < PORTS; ++p) {
      if (granted >> p & 1) used_before |= port[p].banks();
      if (!port[p].valid || (granted >> p & 1)) continue;
      ++refused;
      INFO("requester " << p << " refused " << port[p].refusals << " times");
      REQUIRE((port[p].banks() & (starved ? used : used_before)) != 0);
      REQUIRE(port[p].refusals < 63 + PORTS);
    }
    REQUIRE((*this)->refusals_o == refused);
    REQUIRE((*this)->grants_o == __builtin_popcount(granted));
  }

  void check_data(uint32_t granted, const std::array<std::array<uint8_t, 32>, PORTS>& expected) {
    Vscratchpad& dut = **this;
    std::array<uint8_t, 32> row{};
    const uint32_t length = 32 >> row_mode;
    for (uint32_t i = 0; i < 4; ++i) {
      if (!(granted >> (ACT + i) & 1)) continue;
      std::copy_n(expected[ACT + i].begin(), length, row.begin() + i * length);
    }
    REQUIRE(std::memcmp(dut.act_rdata_o.data(), row.data(), 32) == 0);
    for (int i = 0; i < 8; ++i) {
      if (!(granted >> (WGT + i) & 1)) continue;
      REQUIRE(std::memcmp(dut.wgt_rdata_o[i].data(), expected[WGT + i].data(), 16) == 0);
    }
    const auto check = [&](int p, const uint32_t* data) {
      if (!(granted >> p & 1) || port[p].write) return;
      INFO("requester " << p << " address " << port[p].address << " length " << port[p].length);
      REQUIRE(std::memcmp(data, expected[p].data(), port[p].length) == 0);
    };
    check(VA, dut.va_rdata_o.data());
    check(VB, dut.vb_rdata_o.data());
    check(NI, dut.ni_rdata_o.data());
    check(ST, dut.st_rdata_o.data());
    check(SEQ, dut.seq_rdata_o.data());
  }
};

/// Fills the whole memory through ld with random bytes.
void fill(Dut& dut, std::mt19937_64& random) {
  for (uint32_t address = 0; address < BYTES; address += 32) {
    dut.request(LD, address, 32, true);
    for (uint8_t& byte : dut.port[LD].data) byte = uint8_t(random());
    while (!(dut.cycle() >> LD & 1)) {
    }
  }
}

}  // namespace

TEST_CASE("scratchpad reads what was written, by every port at once", "[scratchpad]") {
  std::mt19937_64 random = make_rng();
  Dut dut;
  fill(dut, random);
  for (const uint32_t range : {BYTES, 4096U, 256U}) {
    for (int mode = 0; mode < 3; ++mode) {
      dut.row_mode = mode;
      for (int i = 0; i < 4; ++i) dut.port[ACT + i].valid = false;
      for (int cycle = 0; cycle < 4000; ++cycle) {
        for (int p = 0; p < PORTS; ++p) {
          if (dut.port[p].valid || random() % 3 == 0) continue;
          const uint32_t address = (random() % range + BYTES - 64) % BYTES;
          const uint32_t length = 1 + random() % 32;
          if (p < WGT) {
            if (p - ACT < 1 << mode) dut.request(p, address, 32 >> mode);
          } else if (p < VA) {
            dut.request(p, address & ~15U, 16);
          } else if (p == NI) {
            dut.request(p, address & ~31U, 32, random() % 2);
            if (random() % 2) dut.port[p].enable = uint32_t(random());
          } else {
            dut.request(p, address, length, p == VD || p == LD);
          }
          for (uint8_t& byte : dut.port[p].data) byte = uint8_t(random());
        }
        dut.cycle();
      }
    }
  }
  uint32_t wrong = 0;
  for (uint32_t address = 0; address < BYTES; address += 7) {
    wrong += dut.peek(address) != dut.memory[address];
  }
  REQUIRE(wrong == 0);
}

TEST_CASE("scratchpad: neighbouring chunks lie in three banks at every address", "[scratchpad]") {
  for (uint32_t address = 0; address < BYTES; address += 16) {
    const int a = bank_of(address);
    const int b = bank_of((address + 16) % BYTES);
    const int c = bank_of((address + 32) % BYTES);
    REQUIRE((a != b && b != c && a != c));
  }
}

TEST_CASE("scratchpad feeds the array a row at any address every cycle, beside weights and a drain",
          "[scratchpad]") {
  std::mt19937_64 random = make_rng();
  Dut dut;
  fill(dut, random);
  const int cycles = 4096;
  std::array<int, PORTS> served{};
  int chunks = 0;
  uint32_t row = 13;
  uint32_t weights = 65536;
  uint32_t result = 131072;
  for (int cycle = 0; cycle < cycles; ++cycle) {
    if (!dut.port[ACT].valid) dut.request(ACT, row += 61, 32);
    // A block of weights, 32 chunks, every 16 cycles, as for 16 rows against each.
    if (cycle % 16 == 0) {
      REQUIRE(chunks == 0);
      chunks = 32;
    }
    for (int i = 0; i < 8; ++i) {
      if (chunks == 0 || dut.port[WGT + i].valid) continue;
      dut.request(WGT + i, weights += 16, 16);
      --chunks;
    }
    if (!dut.port[VD].valid) dut.request(VD, 131072 + (result += 16) % 65536, 16, true);
    const uint32_t granted = dut.cycle();
    for (int p = 0; p < PORTS; ++p) served[p] += granted >> p & 1;
  }
  REQUIRE(served[ACT] == cycles);
  REQUIRE(served[VD] >= cycles * 2 / 3);
}

TEST_CASE("scratchpad: a refused port goes first after 63 refusals, not before", "[scratchpad]") {
  std::mt19937_64 random = make_rng();
  Dut dut;
  fill(dut, random);
  for (const int victim : {int(WGT), int(VA), int(VD), int(NI), int(LD), int(ST), int(SEQ)}) {
    dut.request(victim, 64, victim == NI ? 32 : 16, victim == VD || victim == LD);
    for (int refusal = 0; refusal < 63; ++refusal) {
      dut.request(ACT, 64, 32);
      REQUIRE(dut.cycle() == 1U << ACT);
    }
    dut.request(ACT, 64, 32);
    REQUIRE(dut.cycle() == 1U << victim);
    REQUIRE(dut.cycle() == 1U << ACT);
  }
}
