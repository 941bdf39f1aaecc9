// verilator: -GX=0 -GY=2
#include "Vnoc_to_axi.h"

#include <catch2/catch.hpp>
#include <optional>

#include "rtl/spec/gen/systole_spec.h"
#include "tests/rtl/axi_memory.hpp"
#include "tests/rtl/noc_flit.hpp"
#include "tests/support/dut.hpp"

namespace {

using namespace systole::test;

constexpr uint64_t kBase = SYSTOLE_DRAM_BASE;
constexpr uint64_t kBytes = SYSTOLE_DRAM_CHANNEL_BYTES;
constexpr int kMaxReads = 32;
constexpr int kRequester = 0x31;

Flit request(int op, uint64_t addr, int len, int tag) {
  Flit flit;
  flit.dst = 0x20;
  flit.src = kRequester;
  flit.tag = tag;
  flit.op = op;
  flit.head = true;
  flit.last = op != SYSTOLE_NOC_OP_WRITE;
  flit.payload[0] = static_cast<uint32_t>(addr);
  flit.payload[1] = static_cast<uint32_t>(addr >> 32) | static_cast<uint32_t>(len) << 16;
  return flit;
}

struct MemDut : Dut<Vnoc_to_axi> {
  std::mt19937_64 rng = make_rng();
  AxiMemory<Vnoc_to_axi> memory{**this, rng};
  std::deque<Flit> requests;
  std::vector<std::vector<Flit>> responses;  // whole packets, in order of their ends
  int stall = 1;                             // of the two flit ports, as AxiMemory's
  bool block_responses = false;

  MemDut() {
    (*this)->req_valid_i = 0;
    (*this)->rsp_ready_i = 0;
    reset();
  }

  void read(uint64_t addr, int len, int tag) {
    requests.push_back(request(SYSTOLE_NOC_OP_READ, addr, len, tag));
  }

  /// Bytes outside addr .. addr + len - 1 of the flits are noise.
  void write(uint64_t addr, const std::vector<uint8_t>& data, int tag) {
    Flit head = request(SYSTOLE_NOC_OP_WRITE, addr, static_cast<int>(data.size()), tag);
    requests.push_back(head);
    const uint64_t first = addr & ~31ull;
    const uint64_t end = addr + data.size();
    for (uint64_t at = first; at < end; at += kBeatBytes) {
      Flit flit = head;
      flit.head = false;
      flit.last = at + kBeatBytes >= end;
      for (int lane = 0; lane < kBeatBytes; ++lane) {
        const bool inside = at + lane >= addr && at + lane < end;
        set_byte(flit.payload.data(), lane, inside ? data[at + lane - addr] : uniform(rng, 0, 255));
      }
      requests.push_back(flit);
    }
  }

  void cycle() {
    Vnoc_to_axi& m = **this;
    if (!m.req_valid_i && !requests.empty() && one_in(rng, stall)) {
      pack(requests.front(), m.req_i);
      m.req_valid_i = 1;
    }
    m.rsp_ready_i = !block_responses && one_in(rng, stall);
    memory.drive();
    settle();
    memory.sample();
    const bool pushed = m.req_valid_i && m.req_ready_o;
    if (m.rsp_valid_o && m.rsp_ready_i) take(unpack(m.rsp_o));
    tick();
    memory.release();
    if (pushed) {
      requests.pop_front();
      m.req_valid_i = 0;
    }
  }

  void run_until_responses(size_t count, int bound = 2000) {
    for (int i = 0; i < bound && responses.size() < count; ++i) cycle();
    REQUIRE(responses.size() == count);
  }

  /// The only packet that comes next.
  std::vector<Flit> response() {
    const size_t count = responses.size();
    run_until_responses(count + 1);
    return responses.back();
  }

 private:
  void take(const Flit& flit) {
    REQUIRE(flit.src == 0x20);
    REQUIRE(flit.dst == kRequester);
    REQUIRE(flit.head == open_.empty());
    if (!open_.empty()) REQUIRE(flit.tag == open_.front().tag);
    open_.push_back(flit);
    if (!flit.last) return;
    responses.push_back(open_);
    open_.clear();
  }

  std::vector<Flit> open_;
};

/// Claims about an answer to a read of `len` bytes at `addr`.
void check_read(const std::vector<Flit>& flits, uint64_t addr, int len, const ByteStore& bytes) {
  const uint64_t first = addr & ~31ull;
  REQUIRE(flits.size() == (addr % 32 + len + 31) / 32);
  for (size_t i = 0; i < flits.size(); ++i) {
    REQUIRE(flits[i].op == SYSTOLE_NOC_OP_READ_DATA);
    REQUIRE(flits[i].err == SYSTOLE_ERR_OK);
  }
  for (uint64_t at = addr; at < addr + len; ++at) {
    const uint8_t got = get_byte(flits[(at - first) / 32].payload.data(), at % 32);
    if (got != bytes.get(at - kBase)) FAIL(fmt::format("byte at {:#x}: {:#x}", at, got));
  }
}

void check_one(const std::vector<Flit>& flits, int op, int err, int tag) {
  REQUIRE(flits.size() == 1);
  CHECK(flits[0].op == op);
  CHECK(flits[0].err == err);
  CHECK(flits[0].tag == tag);
}

std::vector<uint8_t> random_bytes(std::mt19937_64& rng, int count) {
  std::vector<uint8_t> data(count);
  for (uint8_t& byte : data) byte = uniform(rng, 0, 255);
  return data;
}

TEST_CASE("noc_to_axi reads and writes any bytes of a 512-byte line", "[noc_to_axi]") {
  MemDut dut;
  for (int i = 0; i < 300; ++i) {
    const int offset = uniform(dut.rng, 0, 511);
    const int len = one_in(dut.rng, 4) ? 512 - offset : uniform(dut.rng, 1, 512 - offset);
    const uint64_t addr = kBase + 0x4'0000'0000 + offset;
    INFO(fmt::format("{} bytes at {:#x}", len, addr));
    ByteStore expected = dut.memory.bytes;
    const std::vector<uint8_t> data = random_bytes(dut.rng, len);
    for (int at = 0; at < len; ++at) expected.set(addr - kBase + at, data[at]);
    dut.write(addr, data, i & 63);
    check_one(dut.response(), SYSTOLE_NOC_OP_ACK, SYSTOLE_ERR_OK, i & 63);
    dut.read(addr - offset, 512, ~i & 63);
    check_read(dut.response(), addr - offset, 512, expected);
    dut.read(addr, len, i & 63);
    check_read(dut.response(), addr, len, expected);
  }
}

TEST_CASE("noc_to_axi answers every request once under random traffic", "[noc_to_axi]") {
  for (int stall : {1, 2, 4}) {
    for (int latency : {0, 40}) {
      INFO("stall " << stall << ", latency " << latency);
      MemDut dut;
      dut.stall = stall;
      dut.memory.stall = latency ? stall : 5 - stall;
      dut.memory.latency = latency;
      // Each tag has a line of its own and one request under way, so the order within it is known.
      struct Want {
        bool read;
        int offset, len;
      };
      std::array<std::optional<Want>, 64> wanted;
      ByteStore expected;
      size_t seen = 0;
      int issued = 0;
      for (int i = 0; i < 40000 && seen < 1500; ++i) {
        const int tag = uniform(dut.rng, 0, 63);
        const uint64_t line = kBase + 512 * tag;
        if (!wanted[tag] && dut.requests.size() < 40 && issued < 1500) {
          const int offset = uniform(dut.rng, 0, 511);
          const int len = uniform(dut.rng, 1, 512 - offset);
          wanted[tag] = Want{one_in(dut.rng, 2), offset, len};
          ++issued;
          if (wanted[tag]->read) {
            dut.read(line + offset, len, tag);
          } else {
            const std::vector<uint8_t> data = random_bytes(dut.rng, len);
            for (int at = 0; at < len; ++at) expected.set(line - kBase + offset + at, data[at]);
            dut.write(line + offset, data, tag);
          }
        }
        dut.cycle();
        for (; seen < dut.responses.size(); ++seen) {
          const std::vector<Flit>& flits = dut.responses[seen];
          const int from = flits[0].tag;
          REQUIRE(wanted[from]);
          const uint64_t addr = kBase + 512 * from + wanted[from]->offset;
          if (wanted[from]->read) {
            check_read(flits, addr, wanted[from]->len, expected);
          } else {
            check_one(flits, SYSTOLE_NOC_OP_ACK, SYSTOLE_ERR_OK, from);
          }
          wanted[from].reset();
        }
      }
      CHECK(seen == 1500);
      CHECK(dut->busy_o == 0);
    }
  }
}

TEST_CASE("noc_to_axi refuses what it cannot do, and nothing reaches the bus", "[noc_to_axi]") {
  MemDut dut;
  const auto refused = [&](int op, uint64_t addr, int len, bool post) {
    INFO(fmt::format("op {}, {} bytes at {:#x}, post {}", op, len, addr, post));
    Flit head = request(op, addr, len, 5);
    if (post) head.payload[1] |= 1u << 31;  // post_en
    dut.requests.push_back(head);
    if (op == SYSTOLE_NOC_OP_WRITE) {
      for (int i = 0; i < 3; ++i) {
        head.head = false;
        head.last = i == 2;
        dut.requests.push_back(head);
      }
    }
    const int answer = op == SYSTOLE_NOC_OP_READ ? SYSTOLE_NOC_OP_READ_DATA : SYSTOLE_NOC_OP_ACK;
    check_one(dut.response(), answer, SYSTOLE_ERR_DECODE, 5);
  };
  refused(SYSTOLE_NOC_OP_POST, kBase, 1, true);
  for (int op : {SYSTOLE_NOC_OP_READ, SYSTOLE_NOC_OP_WRITE}) {
    refused(op, kBase - 32, 4, false);
    refused(op, kBase + kBytes, 4, false);
    refused(op, 0, 4, false);
    refused(op, kBase, 0, false);
    refused(op, kBase + 1, 512, false);
    refused(op, kBase + 511, 2, false);
    refused(op, kBase + 511, 1023, false);
  }
  refused(SYSTOLE_NOC_OP_WRITE, kBase, 32, true);
  CHECK(dut.memory.reads == 0);
  CHECK(dut.memory.writes == 0);
  // The last bytes inside are served.
  dut.write(kBase + kBytes - 4, {1, 2, 3, 4}, 6);
  check_one(dut.response(), SYSTOLE_NOC_OP_ACK, SYSTOLE_ERR_OK, 6);
  dut.read(kBase + kBytes - 512, 512, 7);
  check_read(dut.response(), kBase + kBytes - 512, 512, dut.memory.bytes);
  CHECK(dut.memory.bytes.get(kBytes - 1) == 4);
}

TEST_CASE("noc_to_axi ends a read with err Bus at the beat that fails", "[noc_to_axi]") {
  for (int bad = 0; bad < 16; ++bad) {
    MemDut dut;
    dut.stall = dut.memory.stall = 1 + bad % 3;
    dut.memory.bad_beats.insert(32 * bad);
    if (bad % 2 && bad < 15) dut.memory.bad_beats.insert(32 * (bad + 1));
    dut.read(kBase, 512, 1);
    dut.read(kBase + 512, 512, 2);
    dut.run_until_responses(2);
    const std::vector<Flit>& flits = dut.responses[0];
    REQUIRE(static_cast<int>(flits.size()) == bad + 1);
    for (int i = 0; i < bad; ++i) CHECK(flits[i].err == SYSTOLE_ERR_OK);
    CHECK(flits.back().err == SYSTOLE_ERR_BUS);
    check_read(dut.responses[1], kBase + 512, 512, dut.memory.bytes);
  }
}

TEST_CASE("noc_to_axi acknowledges a failed write with err Bus", "[noc_to_axi]") {
  MemDut dut;
  dut.memory.bad_beats.insert(64);
  dut.write(kBase, random_bytes(dut.rng, 96), 3);
  dut.write(kBase + 96, random_bytes(dut.rng, 32), 4);
  dut.run_until_responses(2);
  check_one(dut.responses[0], SYSTOLE_NOC_OP_ACK, SYSTOLE_ERR_BUS, 3);
  check_one(dut.responses[1], SYSTOLE_NOC_OP_ACK, SYSTOLE_ERR_OK, 4);
}

TEST_CASE("noc_to_axi has 32 reads and 32 writes under way, and no more", "[noc_to_axi]") {
  MemDut dut;
  dut.memory.hold_reads = true;
  for (int i = 0; i < kMaxReads + 1; ++i) dut.read(kBase + 512 * i, 512, i);
  for (int i = 0; i < 200; ++i) dut.cycle();
  CHECK(dut.memory.reads == kMaxReads);
  CHECK(dut.requests.size() == 1);
  dut.memory.hold_reads = false;
  dut.run_until_responses(kMaxReads + 1);
  for (int i = 0; i <= kMaxReads; ++i) CHECK(dut.responses[i][0].tag == i);

  dut.responses.clear();
  dut.memory.hold_writes = true;
  for (int i = 0; i < kMaxReads + 1; ++i) dut.write(kBase + 512 * i, {1}, i);
  for (int i = 0; i < 200; ++i) dut.cycle();
  CHECK(dut.memory.writes == kMaxReads);
  CHECK(dut.requests.size() == 2);  // head and data of the last
  CHECK(dut->busy_o == 1);
  dut.memory.hold_writes = false;
  dut.run_until_responses(kMaxReads + 1);
  for (int i = 0; i <= kMaxReads; ++i) CHECK(dut.responses[i][0].tag == i);
}

TEST_CASE("noc_to_axi takes no more than it can hold while responses are blocked", "[noc_to_axi]") {
  MemDut dut;
  dut.block_responses = true;
  for (int i = 0; i < 20; ++i) {
    dut.read(kBase + 512 * i, 512, i);
    dut.write(kBase + 512 * (i + 100), random_bytes(dut.rng, 512), i + 32);
    dut.requests.push_back(request(SYSTOLE_NOC_OP_POST, 0, 1, 63));
  }
  for (int i = 0; i < 500; ++i) dut.cycle();
  CHECK(dut.responses.empty());
  dut.block_responses = false;
  dut.run_until_responses(60, 3000);
}

TEST_CASE("noc_to_axi's acknowledgements do not wait for a stream of reads to end",
          "[noc_to_axi]") {
  MemDut dut;
  for (int i = 0; i < 3; ++i) dut.read(kBase + 512 * i, 512, 1);
  dut.write(kBase + 4096, {1}, 2);
  for (int i = 0; i < 20; ++i) dut.read(kBase + 512 * i, 512, 1);
  dut.run_until_responses(24);
  const auto found = std::find_if(dut.responses.begin(), dut.responses.end(),
                                  [&](const auto& flits) { return flits[0].tag == 2; });
  CHECK(found - dut.responses.begin() <= 3);
}

TEST_CASE("noc_to_axi moves a beat a cycle each way, and both at once", "[noc_to_axi]") {
  const int packets = 64;
  const auto cycles_for = [&](bool reads, bool writes) {
    MemDut dut;
    dut.memory.latency = 30;
    for (int i = 0; i < packets; ++i) {
      if (reads) dut.read(kBase + 512 * i, 512, i & 31);
      if (writes) dut.write(kBase + 0x10'0000 + 512 * i, random_bytes(dut.rng, 512), 32 + (i & 31));
    }
    const uint64_t start = static_cast<Dut<Vnoc_to_axi>&>(dut).cycle();
    dut.run_until_responses(packets * (reads + writes), 5000);
    CHECK(dut->stat_read_beats_o == (reads ? packets * 16 : 0));
    CHECK(dut->stat_write_beats_o == (writes ? packets * 16 : 0));
    return static_cast<double>(static_cast<Dut<Vnoc_to_axi>&>(dut).cycle() - start);
  };
  const double beats = packets * 16;
  const double fill = 40;  // latency, and what the pipeline takes
  CHECK(cycles_for(true, false) <= beats + fill);
  CHECK(cycles_for(false, true) <= beats * 17 / 16 + fill);
  // A read takes one flit of 18, an acknowledgement one of 17.
  CHECK(cycles_for(true, true) <= beats * 18 / 16 + fill);
}

TEST_CASE("noc_to_axi takes a cycle from request to bus and from bus to response", "[noc_to_axi]") {
  MemDut dut;
  dut.read(kBase, 32, 0);
  pack(dut.requests.front(), dut->req_i);
  dut->req_valid_i = 1;
  dut.settle();
  CHECK(dut->req_ready_o == 1);
  CHECK(dut->m_axi_arvalid_o == 0);
  dut.tick();
  dut->req_valid_i = 0;
  dut->m_axi_arready_i = 1;
  dut.settle();
  CHECK(dut->m_axi_arvalid_o == 1);
  dut.tick();
  dut->m_axi_rvalid_i = 1;
  dut->m_axi_rlast_i = 1;
  dut->m_axi_rresp_i = 0;
  dut.settle();
  CHECK(dut->m_axi_rready_o == 1);
  CHECK(dut->rsp_valid_o == 0);
  dut.tick();
  dut->m_axi_rvalid_i = 0;
  dut.settle();
  CHECK(dut->rsp_valid_o == 1);
}

}  // namespace
