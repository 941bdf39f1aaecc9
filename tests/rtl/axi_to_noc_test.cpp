// verilator: -GNumCols=3 -GNumRows=2
#include "Vaxi_to_noc.h"

#include <catch2/catch.hpp>

#include "rtl/spec/gen/systole_spec.h"
#include "tests/rtl/axi_memory.hpp"
#include "tests/rtl/noc_flit.hpp"
#include "tests/support/dut.hpp"

namespace {

using namespace systole::test;

constexpr uint64_t kDram = SYSTOLE_DRAM_BASE;
constexpr uint64_t kTile21 =
    SYSTOLE_TILE_BASE | 1ull << SYSTOLE_TILE_ROW_SHIFT | 2ull << SYSTOLE_TILE_COL_SHIFT;
constexpr int kPacketsUnderWay = 8;

enum Resp { Okay = 0, Slverr = 2, Decerr = 3 };
enum Kind { Fixed = 0, Incr = 1, Wrap = 2 };

struct WriteBeat {
  uint32_t strb = 0;
  std::array<uint32_t, 8> data{};
};

struct ReadBeat {
  int id, resp;
  bool last;
  std::array<uint32_t, 8> data;
};

struct WriteAnswer {
  int id, resp;
};

/// A packet that the module sent.
struct Packet {
  int op, dst, tag;
  uint64_t addr;
  int len;
  uint64_t due;
};

int node_of(uint64_t addr) {
  if (addr >= SYSTOLE_TILE_BASE) {
    return node_at(addr >> SYSTOLE_TILE_COL_SHIFT & 15, addr >> SYSTOLE_TILE_ROW_SHIFT & 15);
  }
  if (addr < kDram) return 0;
  return node_at(0, static_cast<int>((addr - kDram) / SYSTOLE_DRAM_CHANNEL_BYTES) + 1);
}

/// The host on one side, the chip on the other: a memory behind every node, answers in any order.
struct HostDut : Dut<Vaxi_to_noc> {
  std::mt19937_64 rng = make_rng();
  ByteStore bytes;               // of the whole chip
  std::map<uint64_t, int> errs;  // by address of a 32-byte word: error code
  std::vector<Packet> packets;   // all that came
  std::vector<WriteAnswer> write_answers;
  std::vector<ReadBeat> read_beats;
  int stall = 1;           // of each port, once in `stall` cycles on average
  int latency = 0;         // from a packet's last flit to its response
  bool any_order = false;  // responses overtake one another
  bool hold_answers = false;
  size_t data_flits = 0;

  HostDut() {
    Vaxi_to_noc& m = **this;
    m.s_axi_awvalid_i = m.s_axi_wvalid_i = m.s_axi_arvalid_i = 0;
    m.s_axi_bready_i = m.s_axi_rready_i = 0;
    m.req_ready_i = m.rsp_valid_i = 0;
    reset();
  }

  void write(uint64_t addr, const std::vector<WriteBeat>& beats, int id = 0, int size = 5,
             Kind kind = Incr) {
    aw_.push_back({addr, static_cast<int>(beats.size()), id, size, kind});
    for (size_t i = 0; i < beats.size(); ++i) w_.push_back({beats[i], i + 1 == beats.size()});
  }
  void read(uint64_t addr, int beats, int id = 0, int size = 5, Kind kind = Incr) {
    ar_.push_back({addr, beats, id, size, kind});
  }

  /// One access of up to 8 bytes, as a driver makes them to registers.
  void write_word(uint64_t addr, uint32_t value) {
    WriteBeat beat;
    beat.strb = 15u << addr % 32;
    beat.data[addr % 32 / 4] = value;
    write(addr, {beat}, 0, 2);
  }

  bool idle() const {
    return aw_.empty() && w_.empty() && ar_.empty() && !const_cast<HostDut&>(*this)->busy_o;
  }
  void run(int bound = 5000) {
    for (int i = 0; i < 3; ++i) cycle();
    for (int i = 0; i < bound && !idle(); ++i) cycle();
    REQUIRE(idle());
  }

  void cycle() {
    Vaxi_to_noc& m = **this;
    if (!m.s_axi_awvalid_i && !aw_.empty() && chance()) {
      const Burst& b = aw_.front();
      m.s_axi_awvalid_i = 1;
      m.s_axi_awaddr_i = b.addr;
      m.s_axi_awlen_i = b.beats - 1;
      m.s_axi_awid_i = b.id;
      m.s_axi_awsize_i = b.size;
      m.s_axi_awburst_i = b.kind;
    }
    if (!m.s_axi_wvalid_i && !w_.empty() && chance()) {
      m.s_axi_wvalid_i = 1;
      m.s_axi_wstrb_i = w_.front().beat.strb;
      m.s_axi_wlast_i = w_.front().last;
      std::copy_n(w_.front().beat.data.begin(), 8, &m.s_axi_wdata_i[0]);
    }
    if (!m.s_axi_arvalid_i && !ar_.empty() && chance()) {
      const Burst& b = ar_.front();
      m.s_axi_arvalid_i = 1;
      m.s_axi_araddr_i = b.addr;
      m.s_axi_arlen_i = b.beats - 1;
      m.s_axi_arid_i = b.id;
      m.s_axi_arsize_i = b.size;
      m.s_axi_arburst_i = b.kind;
    }
    m.s_axi_bready_i = chance();
    m.s_axi_rready_i = chance();
    m.req_ready_i = chance();
    if (response_.empty() && !hold_answers) prepare_response();
    m.rsp_valid_i = !response_.empty() && chance();
    if (m.rsp_valid_i) pack(response_.front(), m.rsp_i);
    settle();
    REQUIRE(m.rsp_ready_o == 1);
    const bool aw = m.s_axi_awvalid_i && m.s_axi_awready_o;
    const bool w = m.s_axi_wvalid_i && m.s_axi_wready_o;
    const bool ar = m.s_axi_arvalid_i && m.s_axi_arready_o;
    if (m.s_axi_bvalid_o && m.s_axi_bready_i) {
      write_answers.push_back({m.s_axi_bid_o, m.s_axi_bresp_o});
    }
    if (m.s_axi_rvalid_o && m.s_axi_rready_i) {
      ReadBeat beat{m.s_axi_rid_o, m.s_axi_rresp_o, m.s_axi_rlast_o != 0, {}};
      std::copy_n(&m.s_axi_rdata_o[0], 8, beat.data.begin());
      read_beats.push_back(beat);
    }
    if (m.rsp_valid_i) response_.pop_front();
    if (m.req_valid_o && m.req_ready_i) take(unpack(m.req_o));
    tick();
    if (aw) aw_.pop_front(), m.s_axi_awvalid_i = 0;
    if (w) w_.pop_front(), m.s_axi_wvalid_i = 0;
    if (ar) ar_.pop_front(), m.s_axi_arvalid_i = 0;
  }

 private:
  struct Burst {
    uint64_t addr;
    int beats, id, size;
    Kind kind;
  };
  struct DataBeat {
    WriteBeat beat;
    bool last;
  };

  bool chance() { return one_in(rng, stall); }

  void take(const Flit& flit) {
    REQUIRE(flit.src == 0);
    if (left_ == 0) {
      REQUIRE(flit.head);
      Packet packet;
      packet.op = flit.op;
      packet.dst = flit.dst;
      packet.tag = flit.tag;
      packet.addr = flit.payload[0] | static_cast<uint64_t>(flit.payload[1] & 0xffff) << 32;
      packet.len = flit.payload[1] >> 16 & 0x3ff;
      packet.due = Dut::cycle() + 1 + latency;
      REQUIRE(packet.len > 0);
      REQUIRE(packet.addr % 512 + packet.len <= 512);
      REQUIRE(packet.dst == node_of(packet.addr));
      for (const Packet& other : waiting_) REQUIRE(other.tag != packet.tag);
      packets.push_back(packet);
      if (packet.op == SYSTOLE_NOC_OP_READ) {
        REQUIRE(flit.last);
        waiting_.push_back(packet);
        return;
      }
      REQUIRE(packet.op == SYSTOLE_NOC_OP_WRITE);
      REQUIRE_FALSE(flit.last);
      left_ = static_cast<int>(packet.addr % 32 + packet.len + 31) / 32;
      at_ = packet.addr & ~31ull;
      return;
    }
    const Packet& packet = packets.back();
    REQUIRE_FALSE(flit.head);
    REQUIRE(flit.last == (left_ == 1));
    for (int lane = 0; lane < 32; ++lane) {
      const uint64_t addr = at_ + lane;
      if (addr < packet.addr || addr >= packet.addr + packet.len || errs.count(at_)) continue;
      bytes.set(addr, get_byte(flit.payload.data(), lane));
    }
    at_ += 32;
    ++data_flits;
    if (--left_ == 0) {
      waiting_.push_back(packet);
      waiting_.back().due = Dut::cycle() + 1 + latency;
    }
  }

  void prepare_response() {
    if (waiting_.empty()) return;
    const size_t index = any_order ? uniform(rng, 0, waiting_.size() - 1) : 0;
    const Packet packet = waiting_[index];
    if (packet.due > Dut::cycle()) return;
    waiting_.erase(waiting_.begin() + index);
    Flit flit;
    flit.src = packet.dst;
    flit.tag = packet.tag;
    flit.head = true;
    for (uint64_t at = packet.addr & ~31ull; at < packet.addr + packet.len; at += 32) {
      const auto err = errs.find(at);
      flit.last = at + 32 >= packet.addr + packet.len;
      if (packet.op == SYSTOLE_NOC_OP_READ) {
        flit.op = SYSTOLE_NOC_OP_READ_DATA;
        for (int lane = 0; lane < 32; ++lane) {
          set_byte(flit.payload.data(), lane, bytes.get(at + lane));
        }
        if (err != errs.end()) {
          flit.err = err->second;
          flit.last = true;
        }
        response_.push_back(flit);
        if (flit.last) return;
        flit.head = false;
      } else {
        flit.op = SYSTOLE_NOC_OP_ACK;
        if (err != errs.end()) flit.err = err->second;
      }
    }
    flit.last = true;
    response_.push_back(flit);
  }

  std::deque<Burst> aw_, ar_;
  std::deque<DataBeat> w_;
  std::deque<Flit> response_;
  std::vector<Packet> waiting_;
  int left_ = 0;  // data flits to come
  uint64_t at_ = 0;
};

WriteBeat random_beat(std::mt19937_64& rng, uint32_t strb) {
  WriteBeat beat;
  beat.strb = strb;
  for (uint32_t& word : beat.data) word = static_cast<uint32_t>(rng());
  return beat;
}

/// Lanes lo .. hi.
uint32_t lanes(int lo, int hi) { return (0xffffffffu << lo) & (0xffffffffu >> (31 - hi)); }

TEST_CASE("axi_to_noc writes and reads back any bursts, responses in order", "[axi_to_noc]") {
  for (int stall : {1, 2, 4}) {
    INFO("stall " << stall);
    HostDut dut;
    dut.stall = stall;
    dut.latency = stall == 2 ? 30 : 0;
    dut.any_order = true;
    auto& rng = dut.rng;
    const std::vector<uint64_t> bases = {SYSTOLE_CORE_RAM_BASE, SYSTOLE_HOST_MEM_BASE, kDram,
                                         kTile21};
    ByteStore expected;
    std::vector<int> ids;
    for (int i = 0; i < 120; ++i) {
      const int size = one_in(rng, 3) ? uniform(rng, 0, 4) : 5;
      const int beats = one_in(rng, 3) ? uniform(rng, 1, 64) : uniform(rng, 1, 5);
      uint64_t addr = bases[uniform(rng, 0, 3)] + uniform(rng, 0, 1400);
      std::vector<WriteBeat> data;
      uint64_t at = addr;
      for (int beat = 0; beat < beats; ++beat) {
        const uint64_t end = (at >> size << size) + (1ull << size);
        int lo = at % 32, hi = (end - 1) % 32;
        if (one_in(rng, 8)) lo = uniform(rng, lo, hi);
        if (one_in(rng, 8)) hi = uniform(rng, lo, hi);
        data.push_back(random_beat(rng, one_in(rng, 10) ? 0 : lanes(lo, hi)));
        for (int lane = 0; lane < 32; ++lane) {
          if (!(data.back().strb >> lane & 1)) continue;
          expected.set((at & ~31ull) + lane, get_byte(data.back().data.data(), lane));
        }
        at = end;
      }
      ids.push_back(uniform(rng, 0, 63));
      dut.write(addr, data, ids.back(), size);
    }
    dut.run(60000);
    REQUIRE(dut.write_answers.size() == ids.size());
    for (size_t i = 0; i < ids.size(); ++i) {
      REQUIRE(dut.write_answers[i].id == ids[i]);
      REQUIRE(dut.write_answers[i].resp == Okay);
    }
    for (uint64_t base : bases) {
      for (uint64_t at = base; at < base + 4096; ++at) {
        if (dut.bytes.get(at) != expected.get(at)) FAIL(fmt::format("byte at {:#x}", at));
      }
    }
    // Reads of the same places.
    struct Want {
      uint64_t addr;
      int beats, size, id;
    };
    std::vector<Want> wants;
    for (int i = 0; i < 120; ++i) {
      const int size = one_in(rng, 3) ? uniform(rng, 0, 4) : 5;
      const int beats = one_in(rng, 3) ? uniform(rng, 1, 64) : uniform(rng, 1, 5);
      wants.push_back({bases[uniform(rng, 0, 3)] + uniform(rng, 0, 1400), beats, size,
                       static_cast<int>(uniform(rng, 0, 63))});
      dut.read(wants.back().addr, beats, wants.back().id, size);
    }
    dut.run(60000);
    size_t seen = 0;
    for (const Want& want : wants) {
      uint64_t at = want.addr;
      for (int beat = 0; beat < want.beats; ++beat, ++seen) {
        REQUIRE(seen < dut.read_beats.size());
        const ReadBeat& got = dut.read_beats[seen];
        REQUIRE(got.id == want.id);
        REQUIRE(got.resp == Okay);
        REQUIRE(got.last == (beat + 1 == want.beats));
        const uint64_t end = (at >> want.size << want.size) + (1ull << want.size);
        for (; at < end; ++at) {
          if (get_byte(got.data.data(), at % 32) != expected.get(at)) {
            FAIL(fmt::format("read of {:#x}, beat {}, byte {:#x}", want.addr, beat, at));
          }
        }
      }
    }
    CHECK(seen == dut.read_beats.size());
  }
}

TEST_CASE("axi_to_noc cuts bursts at multiples of 512 bytes only", "[axi_to_noc]") {
  HostDut dut;
  std::vector<WriteBeat> beats(256, WriteBeat{0xffffffffu, {}});
  dut.write(kDram + 0x1fe0, beats);
  dut.run();
  dut.read(kDram + 0x1ff0, 256);
  dut.run();
  REQUIRE(dut.packets.size() == 34);
  for (int op : {0, 1}) {
    const Packet* packets = &dut.packets[op ? 0 : 17];
    uint64_t at = kDram + (op ? 0x1fe0 : 0x1ff0);
    for (int i = 0; i < 17; ++i) {
      CHECK(packets[i].op == op);
      CHECK(packets[i].addr == at);
      at += packets[i].len;
      CHECK((i == 16 || at % 512 == 0));
    }
    CHECK(at == kDram + 0x1fe0 + 8192);
  }
  CHECK(dut.read_beats.size() == 256);
}

TEST_CASE("axi_to_noc sends a register access as the packet that it is", "[axi_to_noc]") {
  HostDut dut;
  dut.write_word(SYSTOLE_IO_REGS_BASE + 0x1c, 0x1234'5678);
  dut.run();
  dut.read(SYSTOLE_IO_REGS_BASE + 0x1c, 1, 5, 2);
  dut.run();
  REQUIRE(dut.packets.size() == 2);
  for (const Packet& packet : dut.packets) {
    CHECK(packet.addr == SYSTOLE_IO_REGS_BASE + 0x1c);
    CHECK(packet.len == 4);
    CHECK(packet.dst == 0);
  }
  CHECK(dut.read_beats[0].data[7] == 0x1234'5678);
  CHECK(dut.read_beats[0].id == 5);
}

TEST_CASE("axi_to_noc begins a new packet where strobes leave a gap between beats",
          "[axi_to_noc]") {
  HostDut dut;
  auto& rng = dut.rng;
  dut.write(kDram,
            {random_beat(rng, lanes(8, 31)), random_beat(rng, lanes(0, 31)),
             random_beat(rng, lanes(0, 30)), random_beat(rng, lanes(0, 31)), random_beat(rng, 0),
             random_beat(rng, lanes(1, 31)), random_beat(rng, lanes(0, 3)), random_beat(rng, 0)});
  dut.run();
  const std::vector<std::pair<int, int>> expected = {{8, 87}, {96, 32}, {161, 35}};
  REQUIRE(dut.packets.size() == expected.size());
  for (size_t i = 0; i < expected.size(); ++i) {
    CHECK(dut.packets[i].addr - kDram == static_cast<uint64_t>(expected[i].first));
    CHECK(dut.packets[i].len == expected[i].second);
  }
  REQUIRE(dut.write_answers.size() == 1);
  CHECK(dut.write_answers[0].resp == Okay);
}

TEST_CASE("axi_to_noc answers a write without any strobe", "[axi_to_noc]") {
  HostDut dut;
  dut.write(kDram, {WriteBeat{}, WriteBeat{}}, 9);
  dut.run();
  CHECK(dut.packets.empty());
  REQUIRE(dut.write_answers.size() == 1);
  CHECK(dut.write_answers[0].id == 9);
  CHECK(dut.write_answers[0].resp == Okay);
}

TEST_CASE("axi_to_noc leaves out a beat with a gap in its strobes and answers SLVERR",
          "[axi_to_noc]") {
  HostDut dut;
  auto& rng = dut.rng;
  dut.write(kDram, {random_beat(rng, 0xffffffffu), random_beat(rng, 0xff00ff00u),
                    random_beat(rng, 0xffffffffu)});
  dut.write(kDram + 0x1000, {random_beat(rng, 0x80000001u)});
  dut.write(kDram + 0x2000, {random_beat(rng, 0xffffffffu)});
  dut.run();
  REQUIRE(dut.write_answers.size() == 3);
  CHECK(dut.write_answers[0].resp == Slverr);
  CHECK(dut.write_answers[1].resp == Slverr);
  CHECK(dut.write_answers[2].resp == Okay);
  CHECK(dut.packets.size() == 3);
  CHECK(dut.bytes.get(kDram + 40) == 0xee);
}

TEST_CASE("axi_to_noc answers DECERR for what no node answers for", "[axi_to_noc]") {
  const std::vector<uint64_t> unmapped = {
      SYSTOLE_DRAM_BASE + SYSTOLE_DRAM_CHANNEL_BYTES, 1ull << 32,
      SYSTOLE_TILE_BASE | 3ull << SYSTOLE_TILE_COL_SHIFT, SYSTOLE_TILE_BASE, 0xffff'ffff'0000};
  for (uint64_t addr : unmapped) {
    INFO(fmt::format("address {:#x}", addr));
    HostDut dut;
    dut.read(addr, 40, 1);
    dut.write(addr, std::vector<WriteBeat>(40, WriteBeat{0xffffffffu, {}}), 2);
    dut.read(kDram, 1, 3);
    dut.write(kDram, {WriteBeat{0xffffffffu, {}}}, 4);
    dut.run();
    REQUIRE(dut.read_beats.size() == 41);
    for (int i = 0; i < 40; ++i) {
      CHECK(dut.read_beats[i].resp == Decerr);
      CHECK(dut.read_beats[i].last == (i == 39));
    }
    CHECK(dut.read_beats[40].resp == Okay);
    REQUIRE(dut.write_answers.size() == 2);
    CHECK(dut.write_answers[0].resp == Decerr);
    CHECK(dut.write_answers[1].resp == Okay);
    CHECK(dut.packets.size() == 2);
  }
}

TEST_CASE("axi_to_noc refuses bursts of another type than INCR", "[axi_to_noc]") {
  for (Kind kind : {Fixed, Wrap}) {
    HostDut dut;
    dut.read(kDram, 4, 1, 5, kind);
    dut.write(kDram, std::vector<WriteBeat>(4, WriteBeat{0xffffffffu, {}}), 2, 5, kind);
    dut.run();
    CHECK(dut.packets.empty());
    REQUIRE(dut.read_beats.size() == 4);
    for (const ReadBeat& beat : dut.read_beats) CHECK(beat.resp == Slverr);
    CHECK(dut.read_beats[3].last);
    REQUIRE(dut.write_answers.size() == 1);
    CHECK(dut.write_answers[0].resp == Slverr);
    // A single beat has no type.
    dut.read(kDram, 1, 1, 5, kind);
    dut.run();
    CHECK(dut.read_beats.back().resp == Okay);
  }
}

TEST_CASE("axi_to_noc passes on errors of the network", "[axi_to_noc]") {
  const std::map<int, Resp> resp_of = {{SYSTOLE_ERR_DECODE, Decerr},
                                       {SYSTOLE_ERR_BUS, Slverr},
                                       {SYSTOLE_ERR_DENIED, Slverr},
                                       {SYSTOLE_ERR_SEMAPHORE, Slverr}};
  for (const auto& [err, resp] : resp_of) {
    for (int bad = 0; bad < 20; ++bad) {
      INFO("err " << err << " at beat " << bad);
      HostDut dut;
      dut.errs[kDram + 32 * bad] = err;
      dut.read(kDram, 40, 1);
      dut.run();
      REQUIRE(dut.read_beats.size() == 40);
      // From the failing beat to the end of its packet.
      for (int i = 0; i < 40; ++i) {
        CHECK(dut.read_beats[i].resp == (i >= bad && i / 16 == bad / 16 ? resp : Okay));
      }
      dut.write(kDram, std::vector<WriteBeat>(40, WriteBeat{0xffffffffu, {}}));
      dut.write(kDram + 0x1000, {WriteBeat{0xffffffffu, {}}});
      dut.run();
      REQUIRE(dut.write_answers.size() == 2);
      CHECK(dut.write_answers[0].resp == resp);
      CHECK(dut.write_answers[1].resp == Okay);
    }
  }
}

TEST_CASE("axi_to_noc has eight packets of each kind under way, and no more", "[axi_to_noc]") {
  for (bool reads : {false, true}) {
    HostDut dut;
    dut.hold_answers = true;
    for (int i = 0; i < kPacketsUnderWay + 1; ++i) {
      if (reads) {
        dut.read(kDram + 512 * i, 16);
      } else {
        dut.write(kDram + 512 * i, std::vector<WriteBeat>(16, WriteBeat{0xffffffffu, {}}));
      }
    }
    for (int i = 0; i < 400; ++i) dut.cycle();
    CHECK(dut.packets.size() == kPacketsUnderWay);
    CHECK(dut->busy_o == 1);
    dut.hold_answers = false;
    dut.run();
    CHECK(dut.packets.size() == kPacketsUnderWay + 1);
  }
}

TEST_CASE("axi_to_noc streams long bursts", "[axi_to_noc]") {
  const int bursts = 8;
  const auto cycles_for = [&](bool reads, bool writes) {
    HostDut dut;
    dut.latency = 40;
    for (int i = 0; i < bursts; ++i) {
      if (reads) dut.read(kDram + 4096 * i, 128);
      if (writes) {
        dut.write(kTile21 + 4096 * i, std::vector<WriteBeat>(128, WriteBeat{0xffffffffu, {}}));
      }
    }
    const uint64_t start = static_cast<Dut<Vaxi_to_noc>&>(dut).cycle();
    dut.run();
    return static_cast<double>(static_cast<Dut<Vaxi_to_noc>&>(dut).cycle() - start);
  };
  const double beats = bursts * 128;
  const double fill = 80;
  CHECK(cycles_for(true, false) <= beats + fill);
  CHECK(cycles_for(false, true) <= beats * 17 / 16 + fill);
  CHECK(cycles_for(true, true) <= beats * 18 / 16 + 2 * fill);
}

}  // namespace
