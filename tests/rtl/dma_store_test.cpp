#include "Vdma_store.h"

#include <catch2/catch.hpp>
#include <deque>
#include <map>
#include <optional>

#include "tests/rtl/dma_model.hpp"
#include "tests/support/dut.hpp"

namespace {

using namespace systole::spec;
using namespace systole::test;

constexpr uint64_t kNoAddress = ~uint64_t{0};
constexpr uint64_t kDram = 0x0200'0000'0000;

uint64_t tile_addr(unsigned x, unsigned y, uint64_t offset) {
  return TileBase | uint64_t{y} << TileRowShift | uint64_t{x} << TileColShift | offset;
}

/// The store unit between a scratchpad of random bytes, a network that checks and collects its
/// packets, and a test that acts as its sequencer. Probabilities are "one in n cycles refuses".
struct StoreDut : Dut<Vdma_store> {
  struct Packet {
    uint64_t addr = 0;
    unsigned len = 0;
    unsigned slot = 0;
    bool post = false;
    unsigned post_sem = 0;
    unsigned beats = 0;  // received
    uint64_t due = 0;
  };

  std::vector<uint8_t> spad = std::vector<uint8_t>(ScratchpadBytes);
  std::map<uint64_t, uint8_t> memory;
  std::optional<Packet> arriving;
  std::deque<Packet> unanswered;
  std::vector<Packet> packets;  // all, in order
  Rng rng;
  int refuse_flit = 0, refuse_access = 0, latency_min = 1, latency_max = 1;
  bool shuffle = false;
  uint64_t error_addr = kNoAddress;
  Err error = Err::Bus;

  // Observed.
  uint64_t num_done = 0, num_flits = 0, num_data = 0, first_flit = 0, last_flit = 0;
  std::vector<bool> posted;  // done_posted of each done
  std::vector<uint64_t> faults;
  bool accepted = false;

  explicit StoreDut(uint64_t stream = 0, uint64_t max_cycles = 1'000'000)
      : Dut<Vdma_store>(max_cycles), rng(make_rng(stream)) {
    for (uint8_t& byte : spad) byte = static_cast<uint8_t>(rng());
    auto& m = **this;
    m.cmd_valid_i = m.abort_i = m.wr_ready_i = m.ack_valid_i = m.spad_gnt_i = 0;
    reset();
  }

  bool refused(int one_of) { return one_of && one_in(rng, one_of); }

  void step() {
    auto& m = **this;
    drive_ack();
    m.wr_ready_i = !refused(refuse_flit);
    const bool allowed = !refused(refuse_access);
    m.spad_gnt_i = 0;
    settle();
    m.spad_gnt_i = m.spad_req_o && allowed;
    settle();
    accepted = m.cmd_valid_i && m.cmd_ready_o;
    if (m.done_o) {
      ++num_done;
      posted.push_back(m.done_posted_o);
    }
    if (m.fault_valid_o) faults.push_back(m.fault_o);
    if (m.wr_valid_o && m.wr_ready_i) take_flit(unpack_flit(m.wr_o));
    const bool read = m.spad_gnt_i;
    const unsigned addr = m.spad_o >> 6 & 0x3ffff;
    const unsigned len = m.spad_o & 0x3f;
    gated_tick(m.active_o);
    // Read data stand for one cycle, then nothing can be relied on.
    for (unsigned i = 0; i < 8; ++i) m.spad_rdata_i[i] = static_cast<uint32_t>(rng());
    if (read) drive_read_data(addr, len);
  }

  void drive_read_data(unsigned addr, unsigned len) {
    REQUIRE(len >= 1);
    REQUIRE(len <= 32);
    REQUIRE(addr + len <= ScratchpadBytes);
    for (unsigned i = 0; i < len; ++i) {
      uint32_t& word = (*this)->spad_rdata_i[i / 4];
      word &= ~(0xffu << 8 * (i % 4));
      word |= uint32_t{spad[addr + i]} << 8 * (i % 4);
    }
  }

  void take_flit(const Flit& flit) {
    REQUIRE(flit.op == NocOp::Write);
    REQUIRE(flit.err == Err::Ok);
    REQUIRE(flit.tag >> 4 == 1);  // ClientStore
    REQUIRE(flit.head == !arriving);
    if (!num_flits++) first_flit = cycle();
    last_flit = cycle();
    if (flit.head) {
      begin_packet(flit);
    } else {
      take_data(flit);
    }
  }

  void begin_packet(const Flit& flit) {
    REQUIRE(!flit.last);
    Packet p;
    for (int i = 5; i >= 0; --i) p.addr = p.addr << 8 | flit.payload[i];
    p.len = flit.payload[6] | (flit.payload[7] & 3) << 8;
    p.post = flit.payload[7] >> 7;
    p.post_sem = flit.payload[8] & 0xf;
    p.slot = flit.tag & 0xf;
    REQUIRE(p.len >= 1);
    REQUIRE(p.addr % MaxPacketBytes + p.len <= MaxPacketBytes);
    for (const Packet& other : unanswered) REQUIRE(other.slot != p.slot);
    arriving = p;
  }

  void take_data(const Flit& flit) {
    Packet& p = *arriving;
    REQUIRE((flit.tag & 0xf) == p.slot);
    ++num_data;
    const uint64_t base = (p.addr & ~31ULL) + 32 * p.beats++;
    for (unsigned i = 0; i < 32; ++i) {
      if (base + i >= p.addr && base + i < p.addr + p.len) memory[base + i] = flit.payload[i];
    }
    REQUIRE(flit.last == (p.beats == (p.addr % 32 + p.len + 31) / 32));
    if (!flit.last) return;
    p.due = cycle() + uniform(rng, latency_min, latency_max);
    unanswered.push_back(p);
    packets.push_back(p);
    arriving.reset();
  }

  void drive_ack() {
    auto& m = **this;
    m.ack_valid_i = 0;
    std::vector<size_t> due;
    for (size_t i = 0; i < unanswered.size(); ++i) {
      if (unanswered[i].due <= cycle()) due.push_back(i);
    }
    if (due.empty()) return;
    const size_t pick = shuffle ? due[uniform(rng, 0, due.size() - 1)] : due[0];
    const Packet p = unanswered[pick];
    unanswered.erase(unanswered.begin() + pick);
    Flit flit;
    flit.op = NocOp::Ack;
    flit.head = flit.last = true;
    flit.tag = 1 << 4 | p.slot;
    if (p.addr <= error_addr && error_addr < p.addr + p.len) flit.err = error;
    pack_flit(flit, m.ack_i);
    m.ack_valid_i = 1;
  }

  void offer(const StoreCommand& command) {
    const CommandWords words = command.encode();
    for (unsigned i = 0; i < 32; ++i) (*this)->cmd_i[i] = words[i];
    (*this)->cmd_valid_i = 1;
  }

  void issue(const StoreCommand& command, int bound = 100'000) {
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

  UnitState state() {
    settle();
    return static_cast<UnitState>((*this)->state_o);
  }
};

/// What a Store writes.
std::map<uint64_t, uint8_t> golden(const StoreCommand& c, const std::vector<uint8_t>& spad) {
  std::map<uint64_t, uint8_t> bytes;
  for (const Run& run : runs_of(c)) {
    for (uint32_t i = 0; i < c.run; ++i) bytes[run.addr + i] = spad[run.local + i];
  }
  return bytes;
}

bool holds(const std::map<uint64_t, uint8_t>& memory, const std::map<uint64_t, uint8_t>& bytes) {
  for (const auto& [addr, byte] : bytes) {
    const auto found = memory.find(addr);
    if (found == memory.end() || found->second != byte) return false;
  }
  return true;
}

StoreCommand plain_store(uint64_t addr, uint32_t local, uint32_t run) {
  StoreCommand c;
  c.addr = addr;
  c.local_addr = local;
  c.run = run;
  c.count0 = c.count1 = 1;
  return c;
}

TEST_CASE("dma_store copies random blocks at any alignment, acks in any order", "[dma_store]") {
  StoreDut dut(1, 2'000'000);
  dut.shuffle = true;
  std::map<uint64_t, uint8_t> all;
  std::deque<std::map<uint64_t, uint8_t>> in_flight;
  std::map<uint64_t, uint8_t> offered;
  uint64_t retired = 0;
  bool overlapped = false;
  for (int n = 0; n < 300 || !in_flight.empty() || dut->cmd_valid_i;) {
    if (n % 50 == 0) {
      static constexpr int kRefuse[] = {0, 2, 5};
      dut.refuse_flit = kRefuse[uniform(dut.rng, 0, 2)];
      dut.refuse_access = kRefuse[uniform(dut.rng, 0, 2)];
      dut.latency_max = one_in(dut.rng, 2) ? 80 : 5;
    }
    if (n < 300 && !dut->cmd_valid_i) {
      // Different commands write different megabytes.
      const auto c = random_block<StoreCommand>(dut.rng, kDram + (uint64_t{1} << 20) * n, 65536);
      ++n;
      dut.offer(c);
      offered = golden(c, dut.spad);
      all.insert(offered.begin(), offered.end());
    }
    dut.step();
    for (; retired < dut.num_done; ++retired) {
      INFO("command " << retired);
      REQUIRE(!in_flight.empty());
      REQUIRE(holds(dut.memory, in_flight.front()));
      in_flight.pop_front();
    }
    if (dut.accepted) {
      in_flight.push_back(offered);
      dut->cmd_valid_i = 0;
    }
    REQUIRE(in_flight.size() <= kMaxInFlight);
    overlapped |= in_flight.size() == kMaxInFlight;
  }
  CHECK(overlapped);
  CHECK(dut.memory == all);
  CHECK(dut.faults.empty());
  CHECK(std::count(dut.posted.begin(), dut.posted.end(), true) == 0);
  dut.settle();
  CHECK(dut->busy_o == 0);
}

TEST_CASE("dma_store sends a flit a cycle at any alignment", "[dma_store]") {
  for (unsigned skew : {0u, 5u, 31u}) {
    StoreDut dut;
    dut.latency_min = dut.latency_max = 100;
    dut.issue(plain_store(kDram + skew, 3, 65536));
    dut.wait_done(1);
    CHECK(dut.num_data == (skew ? 2049 : 2048));
    const auto cycles = static_cast<double>(dut.last_flit - dut.first_flit + 1);
    CHECK(static_cast<double>(dut.num_flits) / cycles >= 0.97);
    CHECK(dut.num_flits - dut.num_data == dut.packets.size());
  }
}

TEST_CASE("dma_store sends a flit a cycle across commands and short rows", "[dma_store]") {
  StoreDut dut;
  dut.latency_min = dut.latency_max = 10;
  for (int i = 0; i < 8; ++i) {
    StoreCommand c = plain_store(kDram + 65536 * i, 1000 * i, 32);
    c.count0 = 64;
    c.gstride0 = 96;
    c.lstride0 = 40;
    dut.issue(c);
  }
  dut.wait_done(8);
  CHECK(dut.num_data == 512);
  CHECK(1024.0 / static_cast<double>(dut.last_flit - dut.first_flit + 1) >= 0.97);
}

TEST_CASE("dma_store has 16 packets in flight and not 17", "[dma_store]") {
  StoreDut dut;
  dut.latency_min = dut.latency_max = 500;
  dut.issue(plain_store(kDram, 0, 512 * 17));
  for (int i = 0; i < 400; ++i) dut.step();
  CHECK(dut.packets.size() == 16);
  CHECK(!dut.arriving);
  CHECK(dut.state() == UnitState::Dram);
  CHECK(dut.num_done == 0);
  dut.wait_done(1);
  CHECK(dut.packets.size() == 17);
}

TEST_CASE("dma_store retires a command after its last answer", "[dma_store]") {
  StoreDut dut;
  dut.latency_min = dut.latency_max = 200;
  dut.issue(plain_store(kDram, 0, 33));
  while (dut.unanswered.empty()) dut.step();
  while (!dut.unanswered.empty()) {
    CHECK(dut.num_done == 0);
    dut.step();
  }
  dut.wait_done(1, 2);
}

TEST_CASE("dma_store sends the remote post with the last packet to that tile", "[dma_store]") {
  struct Case {
    const char* what;
    uint64_t addr;
    int32_t gstride0;
    uint8_t remote_x, remote_y;
    bool enable, travels;
  };
  const uint64_t there = tile_addr(2, 1, 0x1234);
  const Case cases[] = {
      {"to the tile written", there, 4096, 2, 1, true, true},
      {"not enabled", there, 4096, 2, 1, false, false},
      {"other column", tile_addr(1, 1, 0x1234), 4096, 2, 1, true, false},
      {"other row", tile_addr(2, 0, 0x1234), 4096, 2, 1, true, false},
      {"DRAM", kDram + 0x1234, 4096, 2, 1, true, false},
      {"host memory whose bits look alike", HostMemBase | (there & 0xffff'ffffff), 4096, 2, 1, true,
       false},
      {"to the node of a DRAM", kDram + 0x1234, 4096, 0, 1, true, false},
      {"last packet elsewhere", there, 1 << TileColShift, 2, 1, true, false},
      {"first packet elsewhere", tile_addr(1, 1, 0x1234), 1 << TileColShift, 2, 1, true, false},
  };
  for (const Case& c : cases) {
    INFO(c.what);
    StoreDut dut;
    StoreCommand store = plain_store(c.addr, 0x400, 1500);
    store.count0 = 2;
    store.gstride0 = c.gstride0;
    store.lstride0 = 1500;
    store.header.remote_en = c.enable;
    store.header.remote_sem = 11;
    store.header.remote_x = c.remote_x;
    store.header.remote_y = c.remote_y;
    // Neighbours, posting or elsewhere, must not leave their mark.
    dut.issue(plain_store(kDram, 0, 100));
    StoreCommand before = plain_store(there, 0, 100);
    before.header.remote_en = true;
    before.header.remote_x = 2;
    before.header.remote_y = 1;
    dut.issue(before);
    dut.issue(store);
    dut.issue(plain_store(there, 0, 600));
    dut.wait_done(4);
    REQUIRE(dut.posted.size() == 4);
    CHECK(!dut.posted[0]);
    CHECK(dut.posted[1]);
    CHECK(dut.posted[2] == c.travels);
    CHECK(!dut.posted[3]);
    size_t posts = 0;
    for (const auto& packet : dut.packets) posts += packet.post;
    CHECK(posts == 1u + c.travels);
    CHECK(dut.packets[1].post);
    if (c.travels) {
      const auto last = std::find_if(dut.packets.rbegin(), dut.packets.rend(),
                                     [](const StoreDut::Packet& p) { return p.post; });
      CHECK(last->post_sem == 11);
      CHECK(last->addr + last->len == c.addr + 4096 + 1500);
    }
  }
}

TEST_CASE("dma_store says what holds it up", "[dma_store]") {
  StoreDut dut;
  CHECK(dut.state() == UnitState::NoWork);
  dut.latency_min = dut.latency_max = 100;
  const std::pair<uint64_t, UnitState> destinations[] = {{kDram, UnitState::Dram},
                                                         {0x0410'0100'0000, UnitState::Remote},
                                                         {0x0100'0000'0000, UnitState::Remote}};
  for (const auto& [address, awaited] : destinations) {
    const uint64_t done = dut.num_done;
    dut.issue(plain_store(address, 0, 32));
    CHECK(dut.state() == UnitState::Fetch);
    for (int i = 0; i < 20; ++i) dut.step();
    CHECK(dut.state() == awaited);
    dut.wait_done(done + 1);
  }
  dut.latency_min = dut.latency_max = 1;
  dut.refuse_access = 1;
  dut.issue(plain_store(kDram, 0, 512));
  for (int i = 0; i < 20; ++i) dut.step();
  CHECK(dut.state() == UnitState::Scratchpad);
  dut.refuse_access = 0;
  dut.refuse_flit = 1;
  for (int i = 0; i < 20; ++i) dut.step();
  dut->wr_ready_i = 0;
  CHECK(dut.state() == UnitState::NocBackpressure);
  dut.refuse_flit = 0;
  dut.wait_done(std::size(destinations) + 1);
}

TEST_CASE("dma_store checks operands before any access", "[dma_store]") {
  StoreDut dut;
  dut.issue(plain_store(kDram, ScratchpadBytes - 64, 64));
  dut.wait_done(1);
  CHECK(dut.faults.empty());
  const size_t packets = dut.packets.size();
  const uint32_t bad[][2] = {{ScratchpadBytes - 63, 64}, {0, 0}, {0xffffffc0, 64}};
  for (const auto& [local, run] : bad) {
    dut.faults.clear();
    dut.issue(plain_store(kDram, local, run));
    for (int i = 0; i < 20; ++i) dut.step();
    REQUIRE(dut.faults.size() == 1);
    CHECK(dut.faults[0] == (uint64_t(Fault::Operand) << 48 | local));
  }
  CHECK(dut.packets.size() == packets);
  CHECK(dut.num_done == 1);
  CHECK(dut.state() == UnitState::NoWork);
}

TEST_CASE("dma_store raises a response's error when its command is the oldest", "[dma_store]") {
  for (Err error : {Err::Decode, Err::Bus, Err::Semaphore, Err::Denied}) {
    StoreDut dut;
    dut.latency_max = 60;
    dut.shuffle = true;
    dut.error_addr = kDram + 0x10000 + 600;
    dut.error = error;
    dut.issue(plain_store(kDram, 0, 4096));
    dut.issue(plain_store(kDram + 0x10000, 8192, 4096));
    dut.issue(plain_store(kDram + 0x20000, 16384, 4096));
    dut.wait_idle();
    CHECK(dut.num_done == 1);
    REQUIRE(dut.faults.size() == 1);
    const Fault code = error == Err::Denied ? Fault::Window : Fault::Response;
    CHECK(dut.faults[0] == (uint64_t(code) << 48 | (kDram + 0x10000 + 512)));
    CHECK(dut.unanswered.empty());
    CHECK(!dut.arriving);
    // The unit works again.
    dut.error_addr = kNoAddress;
    const StoreCommand again = plain_store(kDram + 0x30007, 40000, 3000);
    for (int i = 0; i < 8; ++i) dut.issue(again);
    dut.wait_done(9);
    CHECK(holds(dut.memory, golden(again, dut.spad)));
    CHECK(dut.faults.size() == 1);
  }
}

TEST_CASE("dma_store completes what it began on abort and works afterwards", "[dma_store]") {
  StoreDut dut(3);
  dut.shuffle = true;
  dut.latency_max = 60;
  dut.refuse_flit = 3;
  dut.refuse_access = 3;
  for (int round = 0; round < 60; ++round) {
    for (int i = 0; i < 3; ++i) {
      dut.offer(random_block<StoreCommand>(dut.rng, kDram, 65536 * i));
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
    dut.wait_idle();
    CHECK(dut.num_done == done);
    CHECK(dut.unanswered.empty());
    CHECK(!dut.arriving);
    dut.memory.clear();
    auto block = random_block<StoreCommand>(dut.rng, tile_addr(1, 0, 1 << 20), 65536);
    block.header.remote_en = true;
    block.header.remote_x = 1;
    dut.issue(block);
    dut.wait_done(done + 1);
    CHECK(dut.posted.back());
    REQUIRE(dut.memory == golden(block, dut.spad));
  }
  CHECK(dut.faults.empty());
}

}  // namespace
