#include "Vdma_load.h"

#include <catch2/catch.hpp>
#include <cstring>
#include <deque>
#include <optional>

#include "tests/rtl/dma_model.hpp"
#include "tests/support/dut.hpp"

namespace {

using namespace systole::spec;
using namespace systole::test;

constexpr uint64_t kNoAddress = ~uint64_t{0};

/// What global memory holds at an address.
uint8_t memory_byte(uint64_t addr) {
  uint64_t x = addr * 0x9e3779b97f4a7c15ULL;
  return static_cast<uint8_t>(x >> 56 ^ x >> 31);
}

/// The load unit between a memory with latency, a scratchpad of bytes, and a test that acts as its
/// sequencer. Probabilities are "one in n cycles refuses"; 0 never does.
struct LoadDut : Dut<Vdma_load> {
  struct Read {
    uint64_t addr;
    unsigned len;
    unsigned slot;
    uint64_t due;
    unsigned sent = 0;
  };

  std::vector<uint8_t> spad = std::vector<uint8_t>(ScratchpadBytes, 0xee);
  std::deque<Read> reads;
  std::optional<Read> responding;
  Rng rng;
  int refuse_read = 0, refuse_write = 0, refuse_response = 0, latency_min = 1, latency_max = 1;
  bool shuffle = false;
  uint64_t error_addr = kNoAddress;
  Err error = Err::Bus;

  // Observed.
  uint64_t num_done = 0, num_reads = 0, num_writes = 0, busy_cycles = 0;
  uint64_t first_read = 0, last_read = 0, first_write = 0, last_write = 0;
  std::vector<uint64_t> faults;
  bool accepted = false;

  explicit LoadDut(uint64_t stream = 0, uint64_t max_cycles = 1'000'000)
      : Dut<Vdma_load>(max_cycles), rng(make_rng(stream)) {
    auto& m = **this;
    m.cmd_valid_i = m.abort_i = m.req_ready_i = m.rsp_valid_i = m.spad_gnt_i = 0;
    reset();
  }

  bool refused(int one_of) { return one_of && one_in(rng, one_of); }

  /// One cycle of everything around the unit.
  void step() {
    auto& m = **this;
    drive_response();
    m.req_ready_i = !refused(refuse_read);
    const bool write_allowed = !refused(refuse_write);
    m.spad_gnt_i = 0;
    settle();
    m.spad_gnt_i = m.spad_req_o && write_allowed;
    settle();
    accepted = m.cmd_valid_i && m.cmd_ready_o;
    if (m.done_o) ++num_done;
    if (m.fault_valid_o) faults.push_back(m.fault_o);
    if (static_cast<UnitState>(m.state_o) == UnitState::Busy) ++busy_cycles;
    if (m.req_valid_o && m.req_ready_i) take_read();
    if (m.spad_gnt_i) take_write();
    if (m.rsp_valid_i && m.rsp_ready_o) advance_response();
    gated_tick(m.active_o);
  }

  void drive_response() {
    auto& m = **this;
    if (!responding && !reads.empty()) {
      std::vector<size_t> due;
      for (size_t i = 0; i < reads.size(); ++i) {
        if (reads[i].due <= cycle()) due.push_back(i);
      }
      if (!due.empty()) {
        const size_t pick = shuffle ? due[uniform(rng, 0, due.size() - 1)] : due[0];
        responding = reads[pick];
        reads.erase(reads.begin() + pick);
      }
    }
    // An offer that was refused stands; the pause between offers is the network's.
    if (!responding) {
      m.rsp_valid_i = 0;
    } else if (!m.rsp_valid_i || accepted_response_) {
      m.rsp_valid_i = !refused(refuse_response);
    }
    accepted_response_ = false;
    if (m.rsp_valid_i) pack_flit(response_flit(), m.rsp_i);
  }

  bool is_error() const {
    return responding->addr <= error_addr && error_addr < responding->addr + responding->len;
  }

  Flit response_flit() {
    const Read& r = *responding;
    Flit flit;
    flit.tag = r.slot;
    flit.op = NocOp::ReadData;
    flit.head = r.sent == 0;
    if (is_error()) {
      flit.err = error;
      flit.last = true;
      return flit;
    }
    const uint64_t base = (r.addr & ~31ULL) + 32 * r.sent;
    for (unsigned i = 0; i < 32; ++i) {
      const bool inside = base + i >= r.addr && base + i < r.addr + r.len;
      flit.payload[i] = inside ? memory_byte(base + i) : 0xbd;
    }
    flit.last = r.sent + 1 == (r.addr % 32 + r.len + 31) / 32;
    return flit;
  }

  void advance_response() {
    accepted_response_ = true;
    const bool last = response_flit().last;
    ++responding->sent;
    if (last) responding.reset();
  }

  void take_read() {
    auto& m = **this;
    const unsigned len = m.req_len_o;
    REQUIRE(len >= 1);
    REQUIRE(m.req_addr_o % MaxPacketBytes + len <= MaxPacketBytes);
    for (const Read& read : reads) REQUIRE(read.slot != m.req_slot_o);
    if (responding) REQUIRE(responding->slot != m.req_slot_o);
    reads.push_back(
        {m.req_addr_o, len, m.req_slot_o, cycle() + uniform(rng, latency_min, latency_max)});
    if (!num_reads++) first_read = cycle();
    last_read = cycle();
  }

  void take_write() {
    auto& m = **this;
    const unsigned len = m.spad_o[8] & 0x3f;
    const unsigned addr = m.spad_o[8] >> 6 & 0x3ffff;
    REQUIRE(len >= 1);
    REQUIRE(len <= 32);
    REQUIRE(addr + len <= ScratchpadBytes);
    for (unsigned i = 0; i < len; ++i) spad[addr + i] = m.spad_o[i / 4] >> 8 * (i % 4) & 0xff;
    if (!num_writes++) first_write = cycle();
    last_write = cycle();
  }

  template <class Command>
  void offer(const Command& command) {
    const CommandWords words = command.encode();
    for (unsigned i = 0; i < 32; ++i) (*this)->cmd_i[i] = words[i];
    (*this)->cmd_valid_i = 1;
  }

  template <class Command>
  void issue(const Command& command, int bound = 100'000) {
    offer(command);
    do {
      if (bound-- == 0) throw Timeout("command not taken");
      step();
    } while (!accepted);
    (*this)->cmd_valid_i = 0;
  }

  void wait_done(uint64_t count, int bound = 100'000) {
    while (num_done < count) {
      if (bound-- == 0) throw Timeout("command not done");
      step();
    }
  }

  void wait_idle(int bound = 10'000) {
    do {
      if (bound-- == 0) throw Timeout("unit stays busy");
      step();
      settle();
    } while ((*this)->busy_o);
  }

 private:
  bool accepted_response_ = false;
};

/// The golden scratchpad.
void apply(const LoadCommand& c, std::vector<uint8_t>& spad) {
  for (const Run& run : runs_of(c)) {
    for (uint32_t i = 0; i < c.run; ++i) spad[run.local + i] = memory_byte(run.addr + i);
  }
}

void apply(const FillCommand& c, std::vector<uint8_t>& spad) {
  for (uint32_t i1 = 0; i1 < c.count1; ++i1) {
    for (uint32_t i0 = 0; i0 < c.count0; ++i0) {
      for (uint32_t b = 0; b < c.run; ++b) {
        spad[c.local_addr + int64_t{c.lstride1} * i1 + int64_t{c.lstride0} * i0 + b] =
            static_cast<uint8_t>(c.value >> 8 * (b % 4));
      }
    }
  }
}

FillCommand fill_of(const LoadCommand& block, uint32_t value) {
  FillCommand c;
  c.value = value;
  c.local_addr = block.local_addr;
  c.run = block.run;
  c.count0 = block.count0;
  c.lstride0 = block.lstride0;
  c.count1 = block.count1;
  c.lstride1 = block.lstride1;
  return c;
}

LoadCommand plain_load(uint64_t addr, uint32_t local, uint32_t run) {
  LoadCommand c;
  c.addr = addr;
  c.local_addr = local;
  c.run = run;
  c.count0 = c.count1 = 1;
  return c;
}

uint64_t fault_word(Fault code, uint64_t info) { return uint64_t(code) << 48 | info; }

TEST_CASE("dma_load copies random blocks at any alignment, responses in any order", "[dma_load]") {
  LoadDut dut(1, 2'000'000);
  dut.shuffle = true;
  std::vector<uint8_t> golden = dut.spad;
  std::deque<uint32_t> in_flight;  // base of each command's quarter
  std::function<void()> apply_offered;
  uint32_t base = 0;
  uint64_t retired = 0;
  bool overlapped = false;
  for (int n = 0; n < 400 || !in_flight.empty() || dut->cmd_valid_i;) {
    if (n % 50 == 0) {
      static constexpr int kRefuse[] = {0, 2, 5};
      dut.refuse_read = kRefuse[uniform(dut.rng, 0, 2)];
      dut.refuse_write = kRefuse[uniform(dut.rng, 0, 2)];
      dut.refuse_response = kRefuse[uniform(dut.rng, 0, 2)];
      dut.latency_max = one_in(dut.rng, 2) ? 80 : 5;
    }
    // The commands in flight write different quarters of the scratchpad.
    if (n < 400 && !dut->cmd_valid_i) {
      base = 65536 * (n % 4);
      const auto block = random_block<LoadCommand>(dut.rng, 0x0200'0000'0000 + 65536 * n, base);
      ++n;
      if (one_in(dut.rng, 3)) {
        const FillCommand fill = fill_of(block, static_cast<uint32_t>(dut.rng()));
        dut.offer(fill);
        apply_offered = [&golden, fill] { apply(fill, golden); };
      } else {
        dut.offer(block);
        apply_offered = [&golden, block] { apply(block, golden); };
      }
    }
    dut.step();
    for (; retired < dut.num_done; ++retired) {
      INFO("command " << retired);
      REQUIRE(!in_flight.empty());
      REQUIRE(std::memcmp(&dut.spad[in_flight.front()], &golden[in_flight.front()], 65536) == 0);
      in_flight.pop_front();
    }
    if (dut.accepted) {
      apply_offered();
      in_flight.push_back(base);
      dut->cmd_valid_i = 0;
    }
    REQUIRE(in_flight.size() <= kMaxInFlight);
    overlapped |= in_flight.size() == kMaxInFlight;
  }
  CHECK(overlapped);
  CHECK(dut.spad == golden);
  CHECK(dut.faults.empty());
  dut.settle();
  CHECK(dut->busy_o == 0);
}

TEST_CASE("dma_load sustains a beat a cycle on long bursts at any alignment", "[dma_load]") {
  for (unsigned skew : {0u, 5u, 31u}) {
    LoadDut dut;
    dut.latency_min = dut.latency_max = 100;
    dut.issue(plain_load(0x0200'0000'0000 + skew, 3, 65536));
    dut.wait_done(1);
    const double beats = static_cast<double>(dut.num_writes);
    CHECK(dut.num_writes == (skew ? 2049 : 2048));
    CHECK(beats / static_cast<double>(dut.last_write - dut.first_write + 1) >= 0.97);
  }
}

TEST_CASE("dma_load sustains a beat a cycle across commands", "[dma_load]") {
  LoadDut dut;
  dut.latency_min = dut.latency_max = 60;
  for (int i = 0; i < 16; ++i) dut.issue(plain_load(0x0200'0000'0000 + 4096 * i, 4096 * i, 4096));
  dut.wait_done(16);
  CHECK(dut.num_writes == 2048);
  CHECK(2048.0 / static_cast<double>(dut.last_write - dut.first_write + 1) >= 0.97);
}

TEST_CASE("dma_load asks for a short row every cycle", "[dma_load]") {
  LoadDut dut;
  dut.latency_min = dut.latency_max = 10;
  LoadCommand c = plain_load(0x0200'0000'0000, 0, 16);
  c.count0 = 64;
  c.count1 = 8;
  c.gstride0 = 96;
  c.lstride0 = 16;
  c.gstride1 = 96000;
  c.lstride1 = 16 * 64;
  dut.issue(c);
  dut.wait_done(1);
  CHECK(dut.num_reads == 512);
  CHECK(dut.last_read - dut.first_read + 1 <= 512 + 5);
}

TEST_CASE("dma_load has 16 reads in flight and not 17", "[dma_load]") {
  LoadDut dut;
  dut.latency_min = dut.latency_max = 500;
  dut.issue(plain_load(0x0200'0000'0000, 0, 512 * 17));
  for (int i = 0; i < 400; ++i) dut.step();
  CHECK(dut.num_reads == 16);
  dut.settle();
  CHECK(dut->req_valid_o == 0);
  CHECK(static_cast<UnitState>(dut->state_o) == UnitState::Dram);
  dut.wait_done(1);
  CHECK(dut.num_reads == 17);
}

TEST_CASE("dma_load fills 32 bytes a cycle", "[dma_load]") {
  LoadDut dut;
  dut.issue(fill_of(plain_load(0, 7, 32768), 0x04030201));
  dut.wait_done(1);
  CHECK(dut.num_writes == 1024);
  CHECK(dut.last_write - dut.first_write + 1 == 1024);
  CHECK(dut.num_reads == 0);
  CHECK(dut.spad[6] == 0xee);
  CHECK(dut.spad[7] == 1);
  CHECK(dut.spad[7 + 32767] == 4);
  CHECK(dut.spad[7 + 32768] == 0xee);
}

TEST_CASE("dma_load retires a command after its last byte is written", "[dma_load]") {
  LoadDut dut;
  dut.issue(plain_load(0x0200'0000'0000, 0, 33));
  dut.refuse_write = 1;  // never granted
  for (int i = 0; i < 100; ++i) dut.step();
  CHECK(dut.num_done == 0);
  dut.settle();
  CHECK(static_cast<UnitState>(dut->state_o) == UnitState::Scratchpad);
  dut.refuse_write = 0;
  dut.wait_done(1, 5);
  CHECK(dut.spad[32] == memory_byte(0x0200'0000'0000 + 32));
}

TEST_CASE("dma_load says what holds it up", "[dma_load]") {
  LoadDut dut;
  dut.settle();
  const auto state = [&] { return static_cast<UnitState>(dut->state_o); };
  CHECK(state() == UnitState::NoWork);
  // Who does not answer: a DRAM channel, or anyone else.
  dut.latency_min = dut.latency_max = 100;
  const std::pair<uint64_t, UnitState> sources[] = {{0x0200'0000'0000, UnitState::Dram},
                                                    {0x0410'0100'0000, UnitState::Remote},
                                                    {0x0100'0000'0000, UnitState::Remote}};
  for (const auto& [address, awaited] : sources) {
    const uint64_t done = dut.num_done;
    dut.issue(plain_load(address, 0, 4));
    for (int i = 0; i < 2; ++i) {
      CHECK(state() == UnitState::Fetch);
      dut.step();
      dut.settle();
    }
    for (int i = 0; i < 20; ++i) dut.step();
    dut.settle();
    CHECK(state() == awaited);
    dut.wait_done(done + 1);
    dut.step();
    dut.settle();
    CHECK(state() == UnitState::NoWork);
  }
  dut.refuse_read = 1;
  dut.issue(plain_load(0x0200'0000'0000, 0, 4));
  for (int i = 0; i < 10; ++i) dut.step();
  dut->req_ready_i = 0;
  dut.settle();
  CHECK(static_cast<UnitState>(dut->state_o) == UnitState::NocBackpressure);
}

TEST_CASE("dma_load checks operands before any access", "[dma_load]") {
  struct Case {
    const char* what;
    bool bad;
    uint32_t local, run, count0, count1;
    int32_t lstride0, lstride1;
  };
  const int32_t far = std::numeric_limits<int32_t>::max();
  const int32_t near = std::numeric_limits<int32_t>::min();
  const Case cases[] = {
      {"run of 0", true, 0, 0, 1, 1, 0, 0},
      {"count0 of 0", true, 0, 1, 0, 1, 0, 0},
      {"count1 of 0", true, 0, 1, 1, 0, 0, 0},
      {"whole scratchpad", false, 0, ScratchpadBytes, 1, 1, 0, 0},
      {"one byte more", true, 0, ScratchpadBytes + 1, 1, 1, 0, 0},
      {"last byte", false, ScratchpadBytes - 1, 1, 1, 1, 0, 0},
      {"behind the last byte", true, ScratchpadBytes, 1, 1, 1, 0, 0},
      {"last row ends at the end", false, ScratchpadBytes - 40, 8, 5, 1, 8, 0},
      {"last row ends behind it", true, ScratchpadBytes - 39, 8, 5, 1, 8, 0},
      {"last row starts at 0", false, 32, 8, 5, 1, -8, 0},
      {"last row starts below 0", true, 31, 8, 5, 1, -8, 0},
      {"outer dimension below 0", true, 99, 4, 3, 2, 4, -100},
      {"outer dimension to 0", false, 100, 4, 3, 2, 4, -100},
      {"one dimension up, one down", false, 8, 8, 2, 2, -8, 8},
      {"strides of dimensions of one do not count", false, 0, 4, 1, 1, far, near},
      {"far up", true, 0, 4, 2, 1, far, 0},
      {"far down", true, 0, 4, 2, 1, near, 0},
      {"stride whose low bits are zero", true, 0, 4, 2, 1, 1 << 23, 0},
      {"count whose low bits are those of 1", true, 0, 1, ScratchpadBytes + 1, 1, 1, 0},
      {"one byte below 0, inner", true, 0, 1, 2, 1, -1, 0},
      {"one byte below 0, outer", true, 0, 1, 1, 2, 0, -1},
      {"huge count", true, 0, 4, 0xffffffff, 1, 1, 0},
      {"product beyond 32 bits", true, 0, 1, 65537, 65537, 1, 65536},
      {"huge run", true, 0, 0xffffffff, 1, 1, 0, 0},
      {"huge address", true, 0xffffffff, 1, 1, 1, 0, 0},
  };
  for (const Case& c : cases) {
    INFO(c.what);
    LoadDut dut;
    LoadCommand load = plain_load(0x0200'0000'0000, c.local, c.run);
    load.count0 = c.count0;
    load.count1 = c.count1;
    load.lstride0 = c.lstride0;
    load.lstride1 = c.lstride1;
    dut.issue(load);
    if (c.bad) {
      for (int i = 0; i < 50; ++i) dut.step();
      REQUIRE(dut.faults.size() == 1);
      CHECK(dut.faults[0] == fault_word(Fault::Operand, c.local));
      CHECK(dut.num_reads == 0);
      CHECK(dut.num_done == 0);
      dut.settle();
      CHECK(dut->busy_o == 0);
    } else {
      dut.wait_done(1);
      CHECK(dut.faults.empty());
    }
  }
}

TEST_CASE("dma_load raises a response's error when its command is the oldest", "[dma_load]") {
  for (Err error : {Err::Decode, Err::Bus, Err::Denied}) {
    LoadDut dut;
    dut.latency_min = 1;
    dut.latency_max = 60;
    dut.shuffle = true;
    const uint64_t base = 0x0200'0000'0000;
    dut.error_addr = base + 0x10000 + 600;
    dut.error = error;
    dut.issue(plain_load(base, 0, 4096));
    dut.issue(plain_load(base + 0x10000, 8192, 4096));
    dut.issue(plain_load(base + 0x20000, 16384, 4096));
    dut.wait_idle();
    CHECK(dut.num_done == 1);
    REQUIRE(dut.faults.size() == 1);
    const Fault code = error == Err::Denied ? Fault::Window : Fault::Response;
    CHECK(dut.faults[0] == fault_word(code, base + 0x10000 + 512));
    CHECK(dut.reads.empty());
    // The unit works again.
    dut.error_addr = kNoAddress;
    for (int i = 0; i < 8; ++i) dut.issue(plain_load(base + 77 + i, 40000 + 3000 * i, 3000));
    dut.wait_done(9);
    CHECK(dut.spad[42999] == memory_byte(base + 77 + 2999));
    CHECK(dut.faults.size() == 1);
  }
}

TEST_CASE("dma_load raises a bad operand after the commands before it", "[dma_load]") {
  LoadDut dut;
  dut.latency_min = dut.latency_max = 50;
  dut.issue(plain_load(0x0200'0000'0000, 0, 4096));
  dut.issue(plain_load(0x0200'0000'0000, 1, 0));
  dut.wait_done(1);
  CHECK(dut.faults.empty());
  for (int i = 0; i < 20; ++i) dut.step();
  CHECK(dut.faults.size() == 1);
}

TEST_CASE("dma_load drains on abort and works afterwards", "[dma_load]") {
  LoadDut dut(3);
  dut.shuffle = true;
  dut.latency_max = 60;
  dut.refuse_read = 3;
  dut.refuse_write = 3;
  for (int round = 0; round < 60; ++round) {
    for (int i = 0; i < 3; ++i) {
      const auto block = random_block<LoadCommand>(dut.rng, 0x0200'0000'0000, 65536 * i);
      if (one_in(dut.rng, 3)) {
        dut.offer(fill_of(block, 1));
      } else {
        dut.offer(block);
      }
      for (int wait = 0; wait < 300; ++wait) {
        dut.step();
        if (dut.accepted) break;
      }
      dut->cmd_valid_i = 0;
    }
    for (int64_t i = uniform(dut.rng, 0, 60); i > 0; --i) dut.step();
    dut->abort_i = 1;
    const uint64_t done = dut.num_done;
    for (int64_t i = uniform(dut.rng, 1, 4); i > 0; --i) dut.step();
    dut->abort_i = 0;
    const uint64_t reads = dut.num_reads;
    dut.wait_idle();
    CHECK(dut.num_done == done);
    CHECK(dut.num_reads <= reads + 1);  // one that was on offer
    CHECK(dut.reads.empty());
    std::vector<uint8_t> golden = dut.spad;
    const auto block = random_block<LoadCommand>(dut.rng, 0x0300'0000'0000, 65536);
    apply(block, golden);
    dut.issue(block);
    dut.wait_done(done + 1);
    REQUIRE(dut.spad == golden);
  }
  CHECK(dut.faults.empty());
}

}  // namespace
