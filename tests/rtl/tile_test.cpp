#include "Vtile.h"

#include <array>
#include <catch2/catch.hpp>
#include <cmath>
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
constexpr uint64_t REGS = OWN + SYSTOLE_TILE_REGS_OFFSET;
constexpr uint64_t DRAM = SYSTOLE_DRAM_BASE;
constexpr uint64_t EVENT = SYSTOLE_IO_REGS_BASE + SYSTOLE_IO_TILE_EVENT;

using Packet = std::vector<Flit>;

uint64_t addr_of(const Flit& head) {
  return head.payload[0] | uint64_t(head.payload[1] & 0xffff) << 32;
}
uint32_t len_of(const Flit& head) { return head.payload[1] >> 16 & 0x3ff; }

/// The tile, and a network, a DRAM and a host around it.
class Dut : public systole::test::Dut<Vtile> {
 public:
  using Base = systole::test::Dut<Vtile>;

  std::vector<uint8_t> dram = std::vector<uint8_t>(1 << 20);
  std::vector<uint32_t> events;  // what the tile wrote to TILE_EVENT
  struct Retired {
    uint64_t cycle;
    int unit, pc;
  };
  std::vector<Retired> retired;
  struct Post {
    uint64_t cycle;
    int src;
    bool with_data;
  };
  std::vector<Post> posts;
  int latency = 20;
  /// One request in so many cycles waits: 0 for never.
  int refusal = 0;
  /// Stop the clock whenever the tile allows it.
  bool gated = false;
  uint64_t time = 0;
  uint64_t stopped = 0;

  explicit Dut(uint64_t stream = 0) : Base(2'000'000), rng_(make_rng(stream)) {
    (*this)->here_i = HERE;
    (*this)->req_valid_i = (*this)->rsp_valid_i = 0;
    (*this)->req_ready_i = (*this)->rsp_ready_i = 1;
    reset();
  }

  void cycle() {
    Vtile& dut = **this;
    const bool to_tile = !into_tile_.empty();
    const bool answer = !answers_.empty() && answers_.front().first <= time;
    dut.req_valid_i = to_tile;
    if (to_tile) pack(into_tile_.front(), dut.req_i);
    dut.rsp_valid_i = answer;
    if (answer) pack(answers_.front().second, dut.rsp_i);
    dut.req_ready_i = refusal == 0 || !one_in(rng_, refusal);
    dut.rsp_ready_i = refusal == 0 || !one_in(rng_, refusal);
    settle();
    const bool running = !gated || dut.busy_o || to_tile || answer;
    // A stopped tile offers nothing and takes nothing.
    if (!running) {
      REQUIRE(dut.req_valid_o == 0);
      REQUIRE(dut.rsp_valid_o == 0);
      ++stopped;
      ++time;
      return;
    }
    for (int u = 0; u < 4; ++u) {
      if (dut.retire_o >> u & 1) retired.push_back({time, u, uint16_t(dut.retire_pc_o >> 16 * u)});
    }
    if (dut.post_taken_o) posts.push_back({time, dut.post_src_o, bool(dut.post_with_data_o)});
    if (dut.req_valid_o && dut.req_ready_i) request_flit(unpack(dut.req_o));
    if (dut.rsp_valid_o && dut.rsp_ready_i) response_flit(unpack(dut.rsp_o));
    const bool taken = to_tile && dut.req_ready_o;
    const bool answered = answer && dut.rsp_ready_o;
    tick();
    ++time;
    if (taken) into_tile_.pop_front();
    if (answered) answers_.pop_front();
  }

  template <class Done>
  void run_until(Done done, uint64_t bound, const char* what) {
    for (uint64_t i = 0; i < bound; ++i) {
      if (done()) return;
      cycle();
    }
    throw systole::test::Timeout(what);
  }

  void write(uint64_t addr, const void* data, size_t size) {
    const auto* bytes = static_cast<const uint8_t*>(data);
    while (size > 0) {
      const size_t len = std::min<size_t>(size, 512 - addr % 512);
      Flit head;
      head.op = int(NocOp::Write);
      head.dst = HERE;
      head.tag = 0x30;
      head.head = true;
      head.payload[0] = uint32_t(addr);
      head.payload[1] = uint32_t(addr >> 32) | uint32_t(len) << 16;
      into_tile_.push_back(head);
      for (size_t beat = 0; beat * 32 < addr % 32 + len; ++beat) {
        Flit flit;
        flit.dst = HERE;
        flit.op = head.op;
        flit.tag = head.tag;
        flit.last = (beat + 1) * 32 >= addr % 32 + len;
        for (size_t i = 0; i < 32; ++i) {
          const size_t at = beat * 32 + i - addr % 32;
          if (at < len) reinterpret_cast<uint8_t*>(flit.payload.data())[i] = bytes[at];
        }
        into_tile_.push_back(flit);
      }
      host_.clear();
      run_until([&] { return !host_.empty(); }, 1000, "a write of the host is not answered");
      REQUIRE(host_.front().err == int(Err::Ok));
      addr += len;
      bytes += len;
      size -= len;
    }
  }

  std::vector<uint8_t> read(uint64_t addr, size_t size) {
    std::vector<uint8_t> data;
    while (size > 0) {
      const size_t len = std::min<size_t>(size, 512 - addr % 512);
      Flit head;
      head.op = int(NocOp::Read);
      head.dst = HERE;
      head.tag = 0x31;
      head.head = head.last = true;
      head.payload[0] = uint32_t(addr);
      head.payload[1] = uint32_t(addr >> 32) | uint32_t(len) << 16;
      host_.clear();
      into_tile_.push_back(head);
      run_until([&] { return !host_.empty() && host_.back().last; }, 1000,
                "a read of the host is not answered");
      for (size_t i = 0; i < len; ++i) {
        const size_t at = addr % 32 + i;
        data.push_back(reinterpret_cast<const uint8_t*>(host_[at / 32].payload.data())[at % 32]);
      }
      addr += len;
      size -= len;
    }
    return data;
  }

  /// Reset of so many edges, with everything that is under way to and from the tile gone.
  void reset_all(int edges) {
    into_tile_.clear(), answers_.clear(), packet_.clear(), host_.clear();
    events.clear(), retired.clear(), posts.clear();
    (*this)->req_valid_i = (*this)->rsp_valid_i = 0;
    reset(edges);
  }

  void set(uint32_t reg, uint32_t value) { write(REGS + reg, &value, 4); }
  uint32_t get(uint32_t reg) {
    uint32_t value;
    std::memcpy(&value, read(REGS + reg, 4).data(), 4);
    return value;
  }

  /// Puts a unit's program at a scratchpad address.
  void put_program(Unit unit, uint32_t local, const std::vector<CommandWords>& program) {
    write(OWN + local, program.data(), program.size() * 128);
    set(SYSTOLE_TILE_PROGRAM_LOAD + 4 * uint32_t(unit), local);
  }

  void open_dram() {
    set(SYSTOLE_TILE_WINDOW_BASE0, uint32_t(DRAM >> 16));
    set(SYSTOLE_TILE_WINDOW_LIMIT0, uint32_t(DRAM >> 16) + 15);
    set(SYSTOLE_TILE_WINDOW_PERM, 3);
  }

  /// Launches and waits for the tile event; returns it.
  uint32_t launch(uint64_t bound = 100000) {
    events.clear();
    retired.clear();
    posts.clear();
    set(SYSTOLE_TILE_CONTROL, SYSTOLE_TILE_CONTROL_LAUNCH_MASK);
    run_until([&] { return !events.empty(); }, bound, "no tile event");
    return events.front();
  }

  void clear() {
    set(SYSTOLE_TILE_CONTROL, SYSTOLE_TILE_CONTROL_CLEAR_MASK);
    run_until([&] { return get(SYSTOLE_TILE_STATUS) == 0; }, 1000, "the tile is not cleared");
  }

  std::vector<int> retired_by(Unit unit) const {
    std::vector<int> pcs;
    for (const Retired& r : retired) {
      if (r.unit == int(unit)) pcs.push_back(r.pc);
    }
    return pcs;
  }

 private:
  // Requests of the tile: to itself, to DRAM, to the io node.
  void request_flit(const Flit& flit) {
    REQUIRE(flit.head == packet_.empty());
    packet_.push_back(flit);
    if (!flit.last) return;
    Packet packet;
    packet.swap(packet_);
    const Flit& head = packet.front();
    if (head.dst == HERE) {
      into_tile_.insert(into_tile_.end(), packet.begin(), packet.end());
      return;
    }
    const uint64_t addr = addr_of(head);
    const uint32_t len = len_of(head);
    Flit answer;
    answer.dst = HERE;
    answer.src = head.dst;
    answer.tag = head.tag;
    answer.op = int(head.op == int(NocOp::Read) ? NocOp::ReadData : NocOp::Ack);
    answer.head = true;
    const uint64_t when = time + latency + (refusal ? uniform(rng_, 0, 30) : 0);
    if (addr == EVENT) {
      events.push_back(packet[1].payload[addr % 32 / 4]);
    } else {
      REQUIRE(head.dst == node_at(0, 1));
      REQUIRE(addr >= DRAM);
      REQUIRE(addr - DRAM + len <= dram.size());
      uint8_t* data = &dram[addr - DRAM];
      if (head.op == int(NocOp::Read)) {
        for (uint32_t beat = 0; beat * 32 < addr % 32 + len; ++beat) {
          Flit flit = answer;
          flit.head = beat == 0;
          flit.last = (beat + 1) * 32 >= addr % 32 + len;
          for (uint32_t i = 0; i < 32; ++i) {
            const uint32_t at = beat * 32 + i - uint32_t(addr % 32);
            reinterpret_cast<uint8_t*>(flit.payload.data())[i] =
                at < len ? data[at] : uint8_t(rng_());
          }
          answers_.push_back({when, flit});
        }
        return;
      }
      for (uint32_t i = 0; i < len; ++i) {
        const size_t at = addr % 32 + i;
        data[i] = reinterpret_cast<const uint8_t*>(packet[1 + at / 32].payload.data())[at % 32];
      }
    }
    answer.last = true;
    answers_.push_back({when, answer});
  }

  // Responses of the tile: to itself, to the host.
  void response_flit(const Flit& flit) {
    if (flit.dst == HERE) {
      answers_.push_back({time + 2, flit});
    } else {
      host_.push_back(flit);
    }
  }

  std::mt19937_64 rng_;
  std::deque<Flit> into_tile_;
  std::deque<std::pair<uint64_t, Flit>> answers_;
  Packet packet_;
  std::vector<Flit> host_;
};

// --------------------------------------------------------------------------------- programs

CommandHeader header(Opcode opcode, uint16_t wait = 0, uint16_t post = 0) {
  CommandHeader h;
  h.opcode = opcode;
  h.wait_mask = wait;
  h.post_mask = post;
  return h;
}

CommandWords nop(uint16_t wait, uint16_t post) {
  return NopCommand{header(Opcode::Nop, wait, post)}.encode();
}
CommandWords end(uint16_t wait = 0) { return EndCommand{header(Opcode::End, wait)}.encode(); }
CommandWords loop(uint16_t target) { return LoopCommand{header(Opcode::Loop), target}.encode(); }

template <class Command>
Command block(Opcode opcode, uint64_t addr, uint32_t local, uint32_t bytes) {
  Command c;
  c.header.opcode = opcode;
  c.addr = addr;
  c.local_addr = local;
  c.run = bytes;
  c.count0 = c.count1 = 1;
  return c;
}
LoadCommand load(uint64_t addr, uint32_t local, uint32_t bytes) {
  return block<LoadCommand>(Opcode::Load, addr, local, bytes);
}
StoreCommand store(uint64_t addr, uint32_t local, uint32_t bytes) {
  return block<StoreCommand>(Opcode::Store, addr, local, bytes);
}

void add_param(CommandHeader& h, int word, int param) {
  h.sel0_en = true;
  h.sel0_word = uint8_t(word);
  h.sel0_param = uint8_t(param);
}

constexpr uint32_t PROGRAMS = 0x38000;
constexpr uint32_t WEIGHTS = 0x1000;
constexpr uint32_t BIAS = 0x1200;
constexpr uint32_t ACT = 0x2003;  // any address will do
constexpr uint32_t OUT = 0x8000;
constexpr uint32_t ROWS = 64;
constexpr uint32_t DRAM_WEIGHTS = 0x100;
constexpr uint32_t DRAM_BIAS = 0x400;
constexpr uint32_t DRAM_ACT = 0x1000;
constexpr uint32_t DRAM_OUT = 0x80000;
constexpr float SCALE = 0.0123F;

// Semaphores, by what they say.
constexpr uint16_t ACT_FULL = 1, ACT_FREE = 2, ACC_FULL = 4, ACC_FREE = 8, OUT_FULL = 16,
                   OUT_FREE = 32;

/// act[64][32] s8 * weights[32][16] s8 + bias, requantized to s8: per input, DRAM to DRAM.
void put_gemm(Dut& dut) {
  LoadCommand act = load(DRAM + DRAM_ACT, ACT, ROWS * 32);
  act.header.wait_mask = ACT_FREE;
  act.header.post_mask = ACT_FULL;
  add_param(act.header, 4, 0);
  dut.put_program(
      Unit::Load, PROGRAMS,
      {load(DRAM + DRAM_WEIGHTS, WEIGHTS, 512).encode(), load(DRAM + DRAM_BIAS, BIAS, 64).encode(),
       act.encode(), loop(2), end(ACT_FREE)});

  MatmulCommand matmul;
  matmul.header = header(Opcode::Matmul, ACT_FULL | ACC_FREE, ACT_FREE | ACC_FULL);
  matmul.act = ACT;
  matmul.act_signed = matmul.wgt_signed = true;
  matmul.init = AccInit::Bias;
  matmul.len = matmul.len_last = 32;
  matmul.rcount0 = ROWS;
  matmul.rcount1 = matmul.rcount2 = matmul.ncount = 1;
  matmul.kcount0 = matmul.kcount1 = matmul.kcount2 = 1;
  matmul.rstride0 = 32;
  matmul.wgt = WEIGHTS;
  matmul.bias = BIAS;
  dut.put_program(Unit::Matrix, PROGRAMS + 0x400,
                  {nop(0, ACT_FREE), matmul.encode(), loop(1), end(ACC_FREE)});

  VectorCommand vector;
  vector.header = header(Opcode::Vector, ACC_FULL | OUT_FREE, ACC_FREE | OUT_FULL);
  vector.a_type = Vtype::Acc;
  vector.d_type = Vtype::S8;
  vector.op = Vop::Mul;
  vector.lanes = vector.lanes_last = 16;
  vector.d_base = OUT;
  vector.count0 = ROWS;
  vector.count1 = vector.count2 = vector.count3 = vector.wcount0 = vector.wcount1 = 1;
  vector.a_stride0 = 1;
  vector.d_stride0 = 16;
  std::memcpy(&vector.s, &SCALE, 4);
  vector.lo = -128;
  vector.hi = 127;
  dut.put_program(Unit::Vector, PROGRAMS + 0x800,
                  {nop(0, ACC_FREE), vector.encode(), loop(1), end(OUT_FREE)});

  StoreCommand out = store(DRAM + DRAM_OUT, OUT, ROWS * 16);
  out.header.wait_mask = OUT_FULL;
  out.header.post_mask = OUT_FREE;
  add_param(out.header, 4, 1);
  dut.put_program(Unit::Store, PROGRAMS + 0xc00, {nop(0, OUT_FREE), out.encode(), loop(1), end()});
  dut.open_dram();
}

void set_inputs(Dut& dut, uint32_t inputs) {
  dut.set(SYSTOLE_TILE_INPUTS, inputs);
  dut.set(SYSTOLE_TILE_PARAM0, 0);
  dut.set(SYSTOLE_TILE_PARAM1, 0);
  dut.set(SYSTOLE_TILE_STEP0, ROWS * 32);
  dut.set(SYSTOLE_TILE_STEP1, ROWS * 16);
}

/// Result of input `input`, from what lies in DRAM.
std::vector<uint8_t> golden(const Dut& dut, uint32_t input) {
  const auto* act = reinterpret_cast<const int8_t*>(&dut.dram[DRAM_ACT + input * ROWS * 32]);
  const auto* weights = reinterpret_cast<const int8_t*>(&dut.dram[DRAM_WEIGHTS]);
  std::vector<uint8_t> out;
  for (uint32_t r = 0; r < ROWS; ++r) {
    for (int n = 0; n < 16; ++n) {
      int32_t sum;
      std::memcpy(&sum, &dut.dram[DRAM_BIAS + 4 * n], 4);
      for (int k = 0; k < 32; ++k) sum += act[r * 32 + k] * weights[k * 16 + n];
      const float scaled = std::nearbyint(float(sum) * SCALE);
      out.push_back(uint8_t(int8_t(std::min(127.0F, std::max(-128.0F, scaled)))));
    }
  }
  return out;
}

void fill_dram(Dut& dut, std::mt19937_64& rng) {
  for (uint8_t& byte : dut.dram) byte = uint8_t(rng());
  for (int n = 0; n < 16; ++n) {
    const int32_t bias = int32_t(uniform(rng, -4000, 4000));
    std::memcpy(&dut.dram[DRAM_BIAS + 4 * n], &bias, 4);
  }
}

void expect_results(const Dut& dut, uint32_t inputs) {
  for (uint32_t input = 0; input < inputs; ++input) {
    INFO("input " << input);
    const auto* out = &dut.dram[DRAM_OUT + input * ROWS * 16];
    REQUIRE(std::vector<uint8_t>(out, out + ROWS * 16) == golden(dut, input));
  }
}

}  // namespace

TEST_CASE("tile runs a quantized product from DRAM to DRAM, input by input", "[tile]") {
  const uint32_t inputs = 5;
  Dut dut;
  auto rng = make_rng(1);
  SECTION("in a quiet network") {}
  SECTION("in a busy network") { dut.refusal = 3; }
  SECTION("with its clock stopped whenever it may be") { dut.gated = true; }
  fill_dram(dut, rng);
  put_gemm(dut);
  set_inputs(dut, inputs);
  REQUIRE(dut.launch() == HERE);
  expect_results(dut, inputs);
  REQUIRE(dut.get(SYSTOLE_TILE_STATUS) == SYSTOLE_TILE_STATUS_DONE_MASK);

  // Every command retired once, in the order in which it ran.
  REQUIRE(dut.retired_by(Unit::Load) == std::vector<int>{0, 1, 2, 3, 2, 3, 2, 3, 2, 3, 2, 3, 4});
  for (const Unit unit : {Unit::Matrix, Unit::Vector, Unit::Store}) {
    REQUIRE(dut.retired_by(unit) == std::vector<int>{0, 1, 2, 1, 2, 1, 2, 1, 2, 1, 2, 3});
  }

  // A unit has work from the launch to its program's end, and in no other cycle. That all states
  // add up is checked on the chip (tests/chip), where one reading sees all of them.
  const uint32_t cycles = dut.get(SYSTOLE_TILE_CYCLES);
  for (uint32_t u = 0; u < NumUnits; ++u) {
    uint32_t work = 0;
    for (uint32_t s = 0; s < NumUnitStates; ++s) {
      if (s != uint32_t(UnitState::NoWork))
        work += dut.get(SYSTOLE_TILE_LOAD_BUSY + 64 * u + 4 * s);
    }
    REQUIRE(work <= cycles);
    REQUIRE(work > cycles / 2);
    uint32_t waits = 0;
    for (uint32_t k = 0; k < NumSemaphores; ++k)
      waits += dut.get(SYSTOLE_TILE_LOAD_WAIT0 + 64 * u + 4 * k);
    REQUIRE(waits == dut.get(SYSTOLE_TILE_LOAD_WAIT_SEMAPHORE + 64 * u));
  }
  REQUIRE(dut.get(SYSTOLE_TILE_MATRIX_BUSY) >= inputs * ROWS);

  // The same again, without a clear between.
  std::fill(&dut.dram[DRAM_OUT], &dut.dram[DRAM_OUT + inputs * ROWS * 16], 0);
  dut.launch();
  expect_results(dut, inputs);
  if (dut.gated) {
    for (int i = 0; i < 100; ++i) dut.cycle();
    REQUIRE(dut.stopped > 80);
  }
}

TEST_CASE("tile: results are in the memory in the cycle of retirement", "[tile]") {
  Dut dut;
  auto rng = make_rng(2);
  fill_dram(dut, rng);
  put_gemm(dut);
  set_inputs(dut, 1);
  dut.set(SYSTOLE_TILE_CONTROL, SYSTOLE_TILE_CONTROL_LAUNCH_MASK);
  const auto wait_for = [&](Unit unit, int pc) {
    dut.run_until(
        [&] {
          return !dut.retired.empty() && dut.retired.back().unit == int(unit) &&
                 dut.retired.back().pc == pc;
        },
        10000, "a retirement");
  };
  wait_for(Unit::Store, 1);
  expect_results(dut, 1);
}

TEST_CASE("tile: a store to the own tile posts with its last beat", "[tile]") {
  Dut dut;
  const uint32_t bytes = 700;
  StoreCommand copy = store(OWN + 0x3011, 0x2005, bytes);
  copy.header.remote_en = true;
  copy.header.remote_x = 1;
  copy.header.remote_sem = 7;
  dut.put_program(Unit::Store, PROGRAMS, {copy.encode(), end()});
  // A load that waits for it, and copies on.
  LoadCommand again = load(OWN + 0x3011, 0x5002, bytes);
  again.header.wait_mask = 1 << 7;
  dut.put_program(Unit::Load, PROGRAMS + 0x400, {again.encode(), end()});
  dut.put_program(Unit::Matrix, PROGRAMS + 0x800, {end()});
  dut.put_program(Unit::Vector, PROGRAMS + 0x800, {end()});
  auto rng = make_rng(3);
  std::vector<uint8_t> data(bytes);
  for (uint8_t& byte : data) byte = uint8_t(rng());
  dut.write(OWN + 0x2005, data.data(), bytes);
  REQUIRE(dut.launch() == HERE);
  REQUIRE(dut.read(OWN + 0x3011, bytes) == data);
  REQUIRE(dut.read(OWN + 0x5002, bytes) == data);
  REQUIRE(dut.posts.size() == 1);
  REQUIRE(dut.posts[0].src == HERE);
  REQUIRE(dut.posts[0].with_data);
}

TEST_CASE("tile: a remote post of a command without data travels alone", "[tile]") {
  Dut dut;
  CommandHeader post = header(Opcode::Nop);
  post.remote_en = true;
  post.remote_x = 1;
  post.remote_sem = 3;
  dut.put_program(Unit::Vector, PROGRAMS, {NopCommand{post}.encode(), end()});
  dut.put_program(Unit::Matrix, PROGRAMS + 0x400, {nop(8, 0), end()});
  dut.put_program(Unit::Load, PROGRAMS + 0x800, {end()});
  dut.put_program(Unit::Store, PROGRAMS + 0x800, {end()});
  REQUIRE(dut.launch() == HERE);
  REQUIRE(dut.posts.size() == 1);
  REQUIRE(!dut.posts[0].with_data);
}

TEST_CASE("tile faults, tells so, is cleared, and runs again", "[tile]") {
  Dut dut;
  auto rng = make_rng(4);
  fill_dram(dut, rng);
  put_gemm(dut);
  set_inputs(dut, 2);
  uint32_t fault = 0;
  uint64_t info = 0;
  SECTION("a load outside the windows") {
    dut.set(SYSTOLE_TILE_PARAM0, 0x100000);
    fault = uint32_t(Fault::Window) | uint32_t(Unit::Load) << 8 | 2 << 16;
    info = DRAM + 0x100000 + DRAM_ACT;
  }
  SECTION("a store into a window that is only read") {
    dut.set(SYSTOLE_TILE_WINDOW_PERM, 1);
    fault = uint32_t(Fault::Window) | uint32_t(Unit::Store) << 8 | 1 << 16;
    info = DRAM + DRAM_OUT;
  }
  SECTION("a command of another unit") {
    dut.set(SYSTOLE_TILE_PROGRAM_VECTOR, PROGRAMS + 0x400);
    fault = uint32_t(Fault::Opcode) | uint32_t(Unit::Vector) << 8 | 1 << 16;
    info = uint32_t(Opcode::Matmul);
  }
  SECTION("a semaphore left") {
    dut.put_program(Unit::Store, PROGRAMS + 0xc00,
                    {nop(0, OUT_FREE), nop(0, 1 << 9), nop(0, 1 << 9), end()});
    dut.put_program(Unit::Vector, PROGRAMS + 0x800, {end(OUT_FREE)});
    dut.put_program(Unit::Matrix, PROGRAMS + 0x400, {end()});
    dut.put_program(Unit::Load, PROGRAMS, {end()});
    fault = uint32_t(Fault::EndSemaphore);
    info = 1 << 9;
  }
  REQUIRE(dut.launch() == (HERE | SYSTOLE_IO_TILE_EVENT_FAULT_MASK));
  REQUIRE((dut.get(SYSTOLE_TILE_STATUS) & SYSTOLE_TILE_STATUS_FAULT_MASK) != 0);
  REQUIRE(dut.get(SYSTOLE_TILE_FAULT) == fault);
  REQUIRE(dut.get(SYSTOLE_TILE_FAULT_INFO_LO) == uint32_t(info));
  REQUIRE(dut.get(SYSTOLE_TILE_FAULT_INFO_HI) == uint32_t(info >> 32));
  dut.clear();
  put_gemm(dut);
  set_inputs(dut, 2);
  REQUIRE(dut.launch() == HERE);
  expect_results(dut, 2);
}

TEST_CASE("tile that waits for ever is aborted and runs again", "[tile]") {
  Dut dut;
  auto rng = make_rng(5);
  fill_dram(dut, rng);
  put_gemm(dut);
  set_inputs(dut, 3);
  SECTION("for a semaphore") {
    dut.put_program(Unit::Store, PROGRAMS + 0xc00, {nop(1 << 15, 0), end()});
    dut.set(SYSTOLE_TILE_CONTROL, SYSTOLE_TILE_CONTROL_LAUNCH_MASK);
    for (int i = 0; i < 2000; ++i) dut.cycle();
  }
  SECTION("in the middle of its work") {
    dut.set(SYSTOLE_TILE_CONTROL, SYSTOLE_TILE_CONTROL_LAUNCH_MASK);
    for (int i = 0; i < 130; ++i) dut.cycle();
  }
  REQUIRE(dut.events.empty());
  REQUIRE((dut.get(SYSTOLE_TILE_STATUS) & SYSTOLE_TILE_STATUS_RUNNING_MASK) != 0);
  dut.set(SYSTOLE_TILE_CONTROL, SYSTOLE_TILE_CONTROL_ABORT_MASK);
  dut.run_until(
      [&] { return (dut.get(SYSTOLE_TILE_STATUS) & SYSTOLE_TILE_STATUS_UNIT_BUSY_MASK) == 0; },
      1000, "the units do not end");
  dut.clear();
  put_gemm(dut);
  REQUIRE(dut.launch() == HERE);
  expect_results(dut, 3);
}

// Every clock gate must be open in reset: a flop behind a closed one would keep its value.
TEST_CASE("tile is at rest after a reset in the middle of a run, and runs again", "[tile]") {
  for (int cycles = 0; cycles < 900; cycles += 7) {
    for (const int edges : {1, 2}) {
      CAPTURE(cycles, edges);
      Dut dut(cycles);
      auto rng = make_rng(1);
      dut.refusal = cycles % 2 == 0 ? 0 : 3;
      fill_dram(dut, rng);
      put_gemm(dut);
      set_inputs(dut, 5);
      dut.set(SYSTOLE_TILE_CONTROL, SYSTOLE_TILE_CONTROL_LAUNCH_MASK);
      for (int i = 0; i < cycles; ++i) dut.cycle();
      dut.reset_all(edges);
      REQUIRE(dut->busy_o == 0);
      REQUIRE(dut->req_valid_o == 0);
      REQUIRE(dut->rsp_valid_o == 0);
      REQUIRE(dut.get(SYSTOLE_TILE_STATUS) == 0);
      REQUIRE(dut.get(SYSTOLE_TILE_INPUTS) == 0);
      REQUIRE(dut.get(SYSTOLE_TILE_WINDOW_PERM) == 0);
      for (uint32_t i = 0; i < 4; ++i) REQUIRE(dut.get(SYSTOLE_TILE_SEMAPHORES0 + 4 * i) == 0);
      put_gemm(dut);
      set_inputs(dut, 2);
      REQUIRE(dut.launch() == HERE);
      expect_results(dut, 2);
    }
  }
}
