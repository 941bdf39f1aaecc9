#include "Vtile_ni.h"

#include <array>
#include <catch2/catch.hpp>
#include <cstring>
#include <deque>
#include <map>
#include <vector>

#include "rtl/spec/gen/systole_commands.hpp"
#include "rtl/spec/gen/systole_spec.h"
#include "tests/rtl/noc_flit.hpp"
#include "tests/support/dut.hpp"

using namespace systole::spec;
using systole::test::Flit;
using systole::test::make_rng;
using systole::test::node_at;
using systole::test::one_in;
using systole::test::pack;
using systole::test::uniform;
using systole::test::unpack;

namespace {

// The tile under test is at (1, 0) of a mesh of 3 x 2.
constexpr int HERE = 0x01;
constexpr uint64_t OWN = SYSTOLE_TILE_BASE + (1ULL << SYSTOLE_TILE_COL_SHIFT);
constexpr uint64_t OTHER_TILE =
    SYSTOLE_TILE_BASE + (1ULL << SYSTOLE_TILE_ROW_SHIFT) + (2ULL << SYSTOLE_TILE_COL_SHIFT);

Flit head_flit(NocOp op, uint64_t addr, uint32_t len, int tag) {
  Flit flit;
  flit.op = int(op);
  flit.tag = tag;
  flit.src = 0x00;
  flit.dst = HERE;
  flit.head = true;
  flit.last = op != NocOp::Write;
  flit.payload[0] = uint32_t(addr);
  flit.payload[1] = uint32_t(addr >> 32) | len << 16;
  return flit;
}

void set_post(Flit& head, int semaphore) {
  head.payload[1] |= 1U << 31;  // bit 63 of the payload
  head.payload[2] |= semaphore;
}

uint64_t addr_of(const Flit& head) {
  return head.payload[0] | uint64_t(head.payload[1] & 0xffff) << 32;
}

class Dut : public systole::test::Dut<Vtile_ni> {
 public:
  explicit Dut(uint64_t stream = 0)
      : systole::test::Dut<Vtile_ni>(4'000'000), memory(262144), rng(make_rng(stream)) {
    Vtile_ni& dut = **this;
    dut.here_i = HERE;
    dut.req_ready_i = dut.rsp_ready_i = dut.rsp_valid_i = dut.req_valid_i = 0;
    dut.load_valid_i = dut.load_rsp_ready_i = dut.store_valid_i = dut.post_valid_i = 0;
    dut.spad_gnt_i = dut.sem_overflow_i = dut.event_valid_i = 0;
    for (int i = 0; i < 4; ++i) open_window(i, 0, 0, 0);
    reset();
  }

  std::vector<uint8_t> memory;
  std::array<uint32_t, 1024> registers{};
  std::deque<Flit> requests;    // into the target
  std::vector<Flit> responses;  // out of the target
  struct Post {
    int semaphore, src;
    bool with_data;
  };
  std::vector<Post> posts;
  std::vector<Flit> sent;       // out of the requester
  std::deque<Flit> answers;     // into the requester
  std::vector<Flit> load_data;  // to the load unit
  std::vector<Flit> acks;       // to the store unit
  std::vector<uint64_t> faults;
  uint32_t slowness = 1;
  int overflowing_semaphore = -1;
  std::mt19937_64 rng;

  void open_window(int index, uint64_t first, uint64_t last, int perm) {
    VlWide<3>& bits = (*this)->window_i[index];
    const uint64_t granules = first >> 16 | last >> 16 << 32;
    bits[0] = uint32_t(perm | granules << 2);
    bits[1] = uint32_t(granules >> 30);
    bits[2] = uint32_t(granules >> 62);
  }

  uint64_t now() const { return systole::test::Dut<Vtile_ni>::cycle(); }

  void cycle() {
    Vtile_ni& dut = **this;
    dut.req_valid_i = !requests.empty() && (held_ || maybe());
    if (dut.req_valid_i) pack(requests.front(), dut.req_i);
    dut.rsp_ready_i = maybe();
    dut.req_ready_i = maybe();
    dut.load_rsp_ready_i = maybe();
    dut.rsp_valid_i = !answers.empty();
    if (dut.rsp_valid_i) pack(answers.front(), dut.rsp_i);
    dut.spad_gnt_i = 0;
    settle();
    const bool grant = dut.spad_req_o && maybe();
    dut.spad_gnt_i = grant;
    dut.sem_overflow_i = dut.sem_post_o && dut.sem_o == overflowing_semaphore;
    settle();
    std::array<uint8_t, 32> read;
    for (uint8_t& byte : read) byte = uint8_t(rng());
    if (grant) {
      REQUIRE(dut.spad_addr_o % 32 == 0);
      uint8_t* beat = &memory[dut.spad_addr_o];
      if (dut.spad_we_o) {
        const auto* data = reinterpret_cast<const uint8_t*>(dut.spad_wdata_o.data());
        for (int i = 0; i < 32; ++i) {
          if (dut.spad_be_o >> i & 1) beat[i] = data[i];
        }
      } else {
        std::memcpy(read.data(), beat, 32);
      }
    }
    uint32_t word = uint32_t(rng());
    if (dut.reg_req_o) {
      if (dut.reg_we_o) {
        registers[dut.reg_word_o] = dut.reg_wdata_o;
      } else {
        word = registers[dut.reg_word_o];
      }
    }
    if (dut.sem_post_o) {
      posts.push_back({int(dut.sem_o), int(dut.sem_src_o), bool(dut.sem_with_data_o)});
    }
    if (dut.rsp_valid_o && dut.rsp_ready_i) responses.push_back(unpack(dut.rsp_o));
    if (dut.req_valid_o && dut.req_ready_i) sent.push_back(unpack(dut.req_o));
    if (dut.load_rsp_valid_o && dut.load_rsp_ready_i) load_data.push_back(unpack(dut.load_rsp_o));
    if (dut.store_ack_valid_o) acks.push_back(unpack(dut.store_ack_o));
    if (dut.post_fault_valid_o) {
      faults.push_back(dut.post_fault_o);
      fault_unit = dut.post_fault_unit_o;
      fault_pc = dut.post_fault_pc_o;
    }
    const bool taken = dut.req_valid_i && dut.req_ready_o;
    held_ = dut.req_valid_i && !taken;
    const bool answered = dut.rsp_valid_i && dut.rsp_ready_o;
    gated_tick(dut.active_o);
    if (taken) requests.pop_front();
    if (answered) answers.pop_front();
    std::memcpy(dut.spad_rdata_i.data(), read.data(), 32);
    dut.reg_rdata_i = word;
  }

  void run_until_answered(size_t packets, uint64_t bound = 50000) {
    for (uint64_t i = 0; i < bound; ++i) {
      size_t done = 0;
      for (const Flit& flit : responses) done += flit.last;
      if (done >= packets) return;
      cycle();
    }
    throw systole::test::Timeout("not all packets were answered");
  }

  void cycles(int count) {
    for (int i = 0; i < count; ++i) cycle();
  }

  int fault_unit = -1;
  int fault_pc = -1;

 private:
  bool maybe() { return slowness == 1 || one_in(rng, slowness); }
  bool held_ = false;
};

/// A write packet with the bytes `data` for `addr`, on the 32-byte grid.
std::vector<Flit> write_packet(uint64_t addr, const std::vector<uint8_t>& data, int tag,
                               std::mt19937_64& rng) {
  std::vector<Flit> flits{head_flit(NocOp::Write, addr, uint32_t(data.size()), tag)};
  const size_t first = addr % 32;
  const size_t beats = (first + data.size() + 31) / 32;
  for (size_t beat = 0; beat < beats; ++beat) {
    Flit flit = flits[0];
    flit.head = false;
    flit.last = beat == beats - 1;
    for (uint32_t& word : flit.payload) word = uint32_t(rng());
    auto* bytes = reinterpret_cast<uint8_t*>(flit.payload.data());
    for (size_t i = 0; i < 32; ++i) {
      const size_t at = beat * 32 + i;
      if (at >= first && at < first + data.size()) bytes[i] = data[at - first];
    }
    flits.push_back(flit);
  }
  return flits;
}

}  // namespace

TEST_CASE("tile_ni serves random reads and writes of the scratchpad, each answered once in order",
          "[tile_ni]") {
  for (int trial = 0; trial < 12; ++trial) {
    Dut dut(trial);
    auto& rng = dut.rng;
    dut.slowness = 1 + trial % 3;
    std::vector<uint8_t> shadow(dut.memory.size());
    for (uint8_t& byte : shadow) byte = uint8_t(rng());
    dut.memory = shadow;
    struct Want {
      bool read, post;
      int tag;
      uint32_t addr;
      std::vector<uint8_t> data;
      int src;
    };
    std::vector<Want> wants;
    for (int i = 0; i < 80; ++i) {
      Want want;
      want.read = one_in(rng, 2);
      want.post = !want.read && one_in(rng, 2);
      want.tag = int(uniform(rng, 0, 63));
      want.src = int(uniform(rng, 0, 255));
      want.addr = uint32_t(uniform(rng, 0, 4095)) + (one_in(rng, 2) ? 262144 - 4096 : 0);
      const uint32_t most = 512 - want.addr % 512;
      const uint32_t len = uint32_t(one_in(rng, 3) ? most : uniform(rng, 1, most));
      if (want.post) {
        Flit head = head_flit(NocOp::Post, OWN, 1, want.tag);
        head.src = want.src;
        dut.requests.push_back(head);
      } else if (want.read) {
        Flit head = head_flit(NocOp::Read, OWN + want.addr, len, want.tag);
        head.src = want.src;
        dut.requests.push_back(head);
        want.data.assign(&shadow[want.addr], &shadow[want.addr] + len);
      } else {
        want.data.resize(len);
        for (uint8_t& byte : want.data) byte = uint8_t(rng());
        for (Flit& flit : write_packet(OWN + want.addr, want.data, want.tag, rng)) {
          flit.src = want.src;
          dut.requests.push_back(flit);
        }
        std::copy(want.data.begin(), want.data.end(), &shadow[want.addr]);
      }
      wants.push_back(want);
    }
    dut.run_until_answered(wants.size());
    REQUIRE(dut.memory == shadow);
    size_t at = 0;
    size_t posts = 0;
    for (const Want& want : wants) {
      posts += want.post;
      const size_t flits = want.read ? (want.addr % 32 + want.data.size() + 31) / 32 : 1;
      for (size_t i = 0; i < flits; ++i, ++at) {
        const Flit& flit = dut.responses.at(at);
        REQUIRE(flit.tag == want.tag);
        REQUIRE(flit.dst == want.src);
        REQUIRE(flit.src == HERE);
        REQUIRE(flit.err == int(Err::Ok));
        REQUIRE(flit.op == int(want.read ? NocOp::ReadData : NocOp::Ack));
        REQUIRE(flit.head == (i == 0));
        REQUIRE(flit.last == (i == flits - 1));
        if (!want.read) continue;
        const auto* bytes = reinterpret_cast<const uint8_t*>(flit.payload.data());
        for (size_t lane = 0; lane < 32; ++lane) {
          const size_t offset = i * 32 + lane - want.addr % 32;
          if (offset < want.data.size()) REQUIRE(bytes[lane] == want.data[offset]);
        }
      }
    }
    REQUIRE(at == dut.responses.size());
    REQUIRE(dut.posts.size() == posts);
    dut.cycles(2);
    REQUIRE(dut->busy_o == 0);
  }
}

TEST_CASE("tile_ni moves a beat a cycle, reads and writes", "[tile_ni]") {
  Dut dut;
  const int packets = 32;
  SECTION("reads") {
    for (int i = 0; i < packets; ++i) {
      dut.requests.push_back(head_flit(NocOp::Read, OWN + 512 * i, 512, i));
    }
    const uint64_t start = dut.now();
    dut.run_until_answered(packets);
    REQUIRE(dut.now() - start <= 16 * packets + 8);
  }
  SECTION("writes, with their heads between") {
    for (int i = 0; i < packets; ++i) {
      for (const Flit& flit : write_packet(OWN + 512 * i, std::vector<uint8_t>(512), i, dut.rng)) {
        dut.requests.push_back(flit);
      }
    }
    const uint64_t start = dut.now();
    dut.run_until_answered(packets);
    REQUIRE(dut.now() - start <= 17 * packets + 8);
  }
}

TEST_CASE("tile_ni reads and writes whole registers, one after another", "[tile_ni]") {
  Dut dut;
  dut.slowness = 2;
  for (uint32_t& word : dut.registers) word = uint32_t(dut.rng());
  auto shadow = dut.registers;
  for (int i = 0; i < 40; ++i) {
    const uint32_t word = uint32_t(uniform(dut.rng, 0, 1023));
    const uint32_t count = uint32_t(uniform(dut.rng, 1, std::min(20U, 128 - word % 128)));
    const uint64_t addr = OWN + SYSTOLE_TILE_REGS_OFFSET + 4 * word;
    std::vector<uint8_t> data(4 * count);
    for (uint8_t& byte : data) byte = uint8_t(dut.rng());
    for (const Flit& flit : write_packet(addr, data, 3, dut.rng)) dut.requests.push_back(flit);
    std::memcpy(&shadow[word], data.data(), data.size());
    dut.requests.push_back(head_flit(NocOp::Read, addr, 4 * count, 4));
    dut.responses.clear();
    dut.run_until_answered(2);
    REQUIRE(dut.registers == shadow);
    const uint32_t flits = (word * 4 % 32 + 4 * count + 31) / 32;
    REQUIRE(dut.responses.size() == 1 + flits);
    for (uint32_t k = 0; k < count; ++k) {
      const uint32_t at = word % 8 + k;
      REQUIRE(dut.responses[1 + at / 8].payload[at % 8] == shadow[word + k]);
    }
  }
}

TEST_CASE("tile_ni answers a bad request by one error, and changes nothing", "[tile_ni]") {
  Dut dut;
  const auto before = dut.memory;
  uint64_t addr = 0;
  uint32_t len = 8;
  SECTION("behind the scratchpad") { addr = OWN + 0x40000; }
  SECTION("behind the registers") { addr = OWN + SYSTOLE_TILE_REGS_OFFSET + 0x1000; }
  SECTION("part of a register") {
    addr = OWN + SYSTOLE_TILE_REGS_OFFSET + 0x80;
    len = 6;
  }
  SECTION("no bytes") {
    addr = OWN;
    len = 0;
  }
  for (const bool write : {false, true}) {
    dut.responses.clear();
    if (write) {
      for (Flit flit : write_packet(addr, std::vector<uint8_t>(64, 0xff), 9, dut.rng)) {
        if (flit.head) flit = head_flit(NocOp::Write, addr, len, 9);
        dut.requests.push_back(flit);
      }
    } else {
      dut.requests.push_back(head_flit(NocOp::Read, addr, len, 9));
    }
    dut.requests.push_back(head_flit(NocOp::Read, OWN, 4, 10));
    dut.run_until_answered(2);
    REQUIRE(dut.responses.size() == 2);
    REQUIRE(dut.responses[0].tag == 9);
    REQUIRE(dut.responses[0].err == int(Err::Decode));
    REQUIRE((dut.responses[0].head && dut.responses[0].last));
    REQUIRE(dut.responses[1].tag == 10);
    REQUIRE(dut.responses[1].err == int(Err::Ok));
  }
  REQUIRE(dut.memory == before);
}

TEST_CASE("tile_ni posts once: alone, and with the last beat of a write", "[tile_ni]") {
  Dut dut;
  Flit post = head_flit(NocOp::Post, OWN, 1, 5);
  post.src = 0x12;
  set_post(post, 11);
  dut.requests.push_back(post);
  dut.run_until_answered(1);
  REQUIRE(dut.posts.size() == 1);
  REQUIRE(dut.posts[0].semaphore == 11);
  REQUIRE(dut.posts[0].src == 0x12);
  REQUIRE(!dut.posts[0].with_data);

  auto packet = write_packet(OWN + 100, std::vector<uint8_t>(200, 0xab), 6, dut.rng);
  set_post(packet[0], 7);
  for (Flit flit : packet) {
    flit.src = 0x12;
    dut.requests.push_back(flit);
  }
  while (dut.posts.size() == 1) {
    REQUIRE(dut.responses.size() == 1);
    dut.cycle();
  }
  REQUIRE(dut.memory[299] == 0xab);
  REQUIRE(dut.posts[1].semaphore == 7);
  REQUIRE(dut.posts[1].src == 0x12);
  REQUIRE(dut.posts[1].with_data);
  dut.run_until_answered(2);

  dut.overflowing_semaphore = 11;
  dut.requests.push_back(post);
  dut.run_until_answered(3);
  REQUIRE(dut.responses[1].err == int(Err::Ok));
  REQUIRE(dut.responses[2].err == int(Err::Semaphore));
}

TEST_CASE("tile_ni sends reads and writes to the node of their address, never interleaved",
          "[tile_ni]") {
  for (int trial = 0; trial < 8; ++trial) {
    Dut dut(trial);
    auto& rng = dut.rng;
    dut.slowness = 1 + trial % 3;
    // Windows: DRAM of the only mem node, host memory, the other tile; the own scratchpad needs
    // none.
    dut.open_window(0, SYSTOLE_DRAM_BASE, SYSTOLE_DRAM_BASE + 0x1ffffff, 3);
    dut.open_window(1, SYSTOLE_HOST_MEM_BASE, SYSTOLE_HOST_MEM_BASE + 0xffff, 1);
    dut.open_window(3, OTHER_TILE, OTHER_TILE + 0x3ffff, 2);
    const auto destination = [&](uint64_t addr, bool write) {
      if (addr >= OWN && addr < OWN + 0x40000) return HERE;
      if (addr >= SYSTOLE_DRAM_BASE && addr < SYSTOLE_DRAM_BASE + 0x2000000) return node_at(0, 1);
      if (addr >= OTHER_TILE && addr < OTHER_TILE + 0x40000 && write) return node_at(2, 1);
      if (addr >= SYSTOLE_HOST_MEM_BASE && addr < SYSTOLE_HOST_MEM_BASE + 0x10000 && !write) {
        return node_at(0, 0);
      }
      return -1;
    };
    const auto random_addr = [&] {
      const std::array<uint64_t, 8> bases{OWN,
                                          OWN + SYSTOLE_TILE_REGS_OFFSET,
                                          SYSTOLE_DRAM_BASE,
                                          SYSTOLE_DRAM_BASE + 0x1ff0000,
                                          SYSTOLE_DRAM_BASE + 0x2000000,
                                          SYSTOLE_HOST_MEM_BASE,
                                          OTHER_TILE,
                                          SYSTOLE_CORE_RAM_BASE};
      return bases[uniform(rng, 0, 7)] + 16 * uniform(rng, 0, 0xff0);
    };
    struct Want {
      uint64_t addr;
      int destination;
      int flits;
    };
    std::map<int, Want> loads, stores;
    std::deque<Flit> store_flits;
    int loads_left = 30;
    int stores_left = 30;
    bool load_up = false;
    int loading = -1;
    int next_load = 0;
    int next_store = 0;
    size_t seen = 0;
    bool in_packet = false;
    Flit packet_head;
    size_t allowed = 0;
    size_t answered = 0;
    for (int cycle = 0; cycle < 6000; ++cycle) {
      if (!load_up && loads_left > 0 && one_in(rng, 4) && !loads.count(next_load)) {
        load_up = true;
        const uint64_t addr = random_addr();
        loads[next_load] = {addr, destination(addr, false), 0};
        dut->load_addr_i = addr;
        dut->load_len_i = 16;
        dut->load_slot_i = next_load;
      }
      dut->load_valid_i = load_up;
      if (store_flits.empty() && stores_left > 0 && !stores.count(next_store)) {
        const uint64_t addr = random_addr();
        const auto packet = write_packet(addr, std::vector<uint8_t>(16), 0x10 | next_store, rng);
        stores[next_store] = {addr, destination(addr, true), int(packet.size())};
        store_flits.assign(packet.begin(), packet.end());
        next_store = (next_store + 1) % 16;
        --stores_left;
      }
      dut->store_valid_i = !store_flits.empty();
      if (!store_flits.empty()) pack(store_flits.front(), dut->store_i);
      dut.settle();
      const bool load_taken = load_up && dut->load_ready_o;
      const bool store_taken = !store_flits.empty() && dut->store_ready_o;
      dut.cycle();
      if (load_taken) {
        load_up = false;
        next_load = (next_load + 1) % 16;
        --loads_left;
      }
      if (store_taken) store_flits.pop_front();
      for (; seen < dut.sent.size(); ++seen) {
        const Flit& flit = dut.sent[seen];
        REQUIRE(flit.head == !in_packet);
        REQUIRE(flit.src == HERE);
        if (flit.head) {
          ++allowed;
          packet_head = flit;
          auto& wants = flit.tag >> 4 == 0 ? loads : stores;
          REQUIRE(wants.count(flit.tag & 15));
          const Want& want = wants[flit.tag & 15];
          REQUIRE(flit.op == int(flit.tag >> 4 == 0 ? NocOp::Read : NocOp::Write));
          REQUIRE(addr_of(flit) == want.addr);
          REQUIRE(want.destination == flit.dst);
        }
        REQUIRE(flit.dst == packet_head.dst);
        REQUIRE(flit.tag == packet_head.tag);
        in_packet = !flit.last;
        if (flit.last) {
          // Two flits to the load unit, one to the store unit.
          const bool to_load = packet_head.tag >> 4 == 0;
          Flit answer = packet_head;
          answer.op = int(to_load ? NocOp::ReadData : NocOp::Ack);
          answer.head = true;
          answer.last = !to_load;
          dut.answers.push_back(answer);
          answer.head = false;
          answer.last = true;
          if (to_load) dut.answers.push_back(answer);
        }
      }
      for (const Flit& flit : dut.load_data) {
        REQUIRE(loads.count(flit.tag & 15));
        const bool denied = loads[flit.tag & 15].destination < 0;
        REQUIRE(flit.err == int(denied ? Err::Denied : Err::Ok));
        REQUIRE(flit.head == (loading < 0));
        if (loading >= 0) REQUIRE(flit.tag == loading);
        if (denied) REQUIRE(flit.last);
        loading = flit.last ? -1 : flit.tag;
        if (!flit.last) continue;
        loads.erase(flit.tag & 15);
        ++answered;
      }
      dut.load_data.clear();
      for (const Flit& flit : dut.acks) {
        REQUIRE(stores.count(flit.tag & 15));
        REQUIRE(flit.err == int(stores[flit.tag & 15].destination < 0 ? Err::Denied : Err::Ok));
        stores.erase(flit.tag & 15);
        ++answered;
      }
      dut.acks.clear();
    }
    REQUIRE(answered == 60);
    REQUIRE(allowed > 10);
    REQUIRE(allowed < 60);
    REQUIRE(dut->busy_o == 0);
  }
}

TEST_CASE("tile_ni sends remote posts, checks them, and is quiet when they are answered",
          "[tile_ni]") {
  Dut dut;
  dut.open_window(2, OTHER_TILE, OTHER_TILE, 2);
  dut->post_node_i[3] = node_at(2, 1);
  dut->post_sem_i[3] = 9;
  dut->post_pc_i[3] = 77;
  dut->post_valid_i = 8;
  dut.settle();
  REQUIRE(dut->post_ready_o == 8);
  dut.cycle();
  dut->post_valid_i = 0;
  dut.cycles(4);
  REQUIRE(dut.sent.size() == 1);
  const Flit& post = dut.sent[0];
  REQUIRE(post.op == int(NocOp::Post));
  REQUIRE(post.dst == node_at(2, 1));
  REQUIRE((post.head && post.last));
  REQUIRE(addr_of(post) == OTHER_TILE);
  REQUIRE((post.payload[2] & 15) == 9);
  REQUIRE(dut->quiet_o == 0);
  Flit answer = post;
  answer.op = int(NocOp::Ack);

  SECTION("answered well") {
    dut.answers.push_back(answer);
    dut.cycles(4);
    REQUIRE(dut->quiet_o == 1);
    REQUIRE(dut.faults.empty());
  }
  SECTION("answered by an error") {
    answer.err = int(Err::Semaphore);
    dut.answers.push_back(answer);
    dut.cycles(4);
    REQUIRE(dut->quiet_o == 1);
    REQUIRE(dut.faults.size() == 1);
    REQUIRE(dut.faults[0] >> 48 == uint64_t(Fault::Response));
    REQUIRE(dut.fault_unit == 3);
    REQUIRE(dut.fault_pc == 77);
  }
  SECTION("a tile outside the windows") {
    dut->post_node_i[0] = node_at(1, 1);
    dut->post_pc_i[0] = 5;
    dut->post_valid_i = 1;
    dut.settle();
    REQUIRE(dut->post_ready_o == 1);
    dut.cycle();
    dut->post_valid_i = 0;
    dut.cycles(4);
    REQUIRE(dut.sent.size() == 1);
    REQUIRE(dut.faults.size() == 1);
    REQUIRE(dut.faults[0] >> 48 == uint64_t(Fault::Window));
    REQUIRE((dut.faults[0] & 0xffffffffffff) == OTHER_TILE - (1 << SYSTOLE_TILE_COL_SHIFT));
    REQUIRE(dut.fault_unit == 0);
    REQUIRE(dut.fault_pc == 5);
  }
}

TEST_CASE("tile_ni sends the tile event to the io node", "[tile_ni]") {
  Dut dut;
  dut->event_valid_i = 1;
  dut->event_fault_i = 1;
  for (int i = 0; i < 20; ++i) {
    dut.settle();
    const bool taken = dut->event_ready_o;
    dut.cycle();
    if (taken) dut->event_valid_i = 0;
  }
  REQUIRE(dut.sent.size() == 2);
  REQUIRE(dut.sent[0].dst == 0);
  REQUIRE(dut.sent[0].op == int(NocOp::Write));
  REQUIRE(addr_of(dut.sent[0]) == SYSTOLE_IO_REGS_BASE + SYSTOLE_IO_TILE_EVENT);
  REQUIRE((dut.sent[0].payload[1] >> 16 & 0x3ff) == 4);
  REQUIRE(dut.sent[1].payload[SYSTOLE_IO_TILE_EVENT % 32 / 4] == (1U | 1U << 8));
  REQUIRE(dut->quiet_o == 1);
}
