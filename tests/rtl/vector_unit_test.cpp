// needs: host/golden/execute.cpp host/golden/machine.cpp
#include "Vvector_unit.h"

#include <algorithm>
#include <array>
#include <catch2/catch.hpp>
#include <cstring>
#include <deque>
#include <optional>
#include <vector>

#include "host/golden/execute.hpp"
#include "tests/support/dut.hpp"
#include "tests/support/seed.hpp"

namespace {

using namespace systole::spec;
using namespace systole::test;
using systole::golden::kAccRows;
using systole::golden::Machine;
using systole::golden::Node;
using systole::golden::TileMemory;

using Rng = std::mt19937_64;

constexpr Node kNode{1, 0};
constexpr uint32_t kRegions = 3;
constexpr uint32_t kRegionBytes = 80 * 1024;
constexpr uint32_t kVectors = kRegions * kRegionBytes;  // where held operands lie
constexpr uint32_t kVectorBytes = ScratchpadBytes - kVectors;

Machine make_machine() { return Machine({"tiny", 2, 2}, 0); }

// -------------------------------------------------------------------------------- the unit

/// A window on a scratchpad port.
struct Window {
  unsigned addr;
  unsigned len;
};

/// The vector unit between a scratchpad and accumulators that refuse at random, and a test that
/// acts as its sequencer. The golden memory runs the same commands in the functional model;
/// whenever the unit says that it is done, both memories must be equal.
struct VectorDut : Dut<Vvector_unit> {
  Machine golden = make_machine();
  TileMemory memory;  // the unit's
  Rng rng;
  int refuse = 0;       // one in so many requests, 0: none
  int long_refuse = 0;  // one in so many requests is refused for long
  std::array<int, 4> refused_for{};

  std::deque<VectorCommand> commands;  // to be offered
  std::deque<VectorCommand> running;   // not yet done
  bool random_offers = false;
  std::optional<std::array<uint32_t, 9>> refused_write;
  std::optional<unsigned> refused_row;

  // Observed.
  uint64_t num_done = 0, num_writes = 0, num_faults = 0;
  uint64_t accepted_at = 0, done_at = 0;
  uint64_t fault = 0;
  std::array<uint64_t, 16> states{};

  explicit VectorDut(uint64_t stream = 0, uint64_t max_cycles = 10'000'000)
      : Dut<Vvector_unit>(max_cycles), rng(make_rng(stream)) {
    auto& m = **this;
    m.cmd_valid_i = m.abort_i = 0;
    m.va_gnt_i = m.vb_gnt_i = m.vd_gnt_i = m.vacc_gnt_i = 0;
    memory = golden_tile();
    reset();
  }

  TileMemory& golden_tile() { return golden.tile(kNode); }

  /// Copies the golden memory into the unit's.
  void load_memory() { memory = golden_tile(); }

  bool allowed(unsigned port) {
    if (refused_for[port] > 0) {
      --refused_for[port];
      return false;
    }
    if (long_refuse && one_in(rng, long_refuse)) {
      refused_for[port] = static_cast<int>(uniform(rng, 1, 62));
      return false;
    }
    return !(refuse && one_in(rng, refuse));
  }

  void offer() {
    auto& m = **this;
    if (m.cmd_valid_i || commands.empty() || (random_offers && one_in(rng, 2))) return;
    const CommandWords words = commands.front().encode();
    for (unsigned i = 0; i < words.size(); ++i) m.cmd_i[i] = words[i];
    m.cmd_valid_i = 1;
  }

  void grant() {
    auto& m = **this;
    m.va_gnt_i = m.vb_gnt_i = m.vd_gnt_i = m.vacc_gnt_i = 0;
    settle();
    m.va_gnt_i = m.va_req_o && allowed(0);
    m.vb_gnt_i = m.vb_req_o && allowed(1);
    m.vd_gnt_i = m.vd_req_o && allowed(2);
    m.vacc_gnt_i = m.vacc_req_o && allowed(3);
    settle();
  }

  /// One cycle of everything around the unit.
  void step() {
    auto& m = **this;
    offer();
    grant();
    const bool accepted = m.cmd_valid_i && m.cmd_ready_o;
    const std::optional<Window> a = window(m.va_gnt_i, m.va_o);
    const std::optional<Window> b = window(m.vb_gnt_i, m.vb_o);
    const std::optional<unsigned> row =
        m.vacc_gnt_i ? std::optional<unsigned>(m.vacc_row_o) : std::nullopt;
    observe();
    tick_and_answer(accepted, a, b, row);
  }

  static std::optional<Window> window(bool granted, uint32_t bits) {
    if (!granted) return std::nullopt;
    return Window{bits >> 6, bits & 0x3f};
  }

  void observe() {
    auto& m = **this;
    ++states[m.state_o];
    if (m.abort_i) {
      REQUIRE_FALSE(m.done_o);
      REQUIRE_FALSE(m.fault_valid_o);
    }
    if (m.fault_valid_o) {
      ++num_faults;
      fault = m.fault_o;
    }
    if (m.done_o) retire();
    if (m.vd_gnt_i) ++num_writes;
    observe_offer();
  }

  /// A request stays, with its address and data, until it is granted.
  void observe_offer() {
    auto& m = **this;
    std::array<uint32_t, 9> now{};
    for (unsigned i = 0; i < 9; ++i) now[i] = m.vd_o[i];
    if (refused_write) REQUIRE((m.vd_req_o && *refused_write == now));
    refused_write.reset();
    if (m.vd_req_o && !m.vd_gnt_i) refused_write = now;
    if (refused_row) REQUIRE((m.vacc_req_o && *refused_row == m.vacc_row_o));
    refused_row.reset();
    if (m.vacc_req_o && !m.vacc_gnt_i) refused_row = m.vacc_row_o;
  }

  void retire() {
    REQUIRE_FALSE(running.empty());
    REQUIRE((*this)->busy_o);
    const auto fault_of_model =
        systole::golden::execute(golden, kNode, running.front().encode(), nullptr);
    REQUIRE_FALSE(fault_of_model);
    running.pop_front();
    ++num_done;
    done_at = cycle();
    REQUIRE(first_difference() == -1);
  }

  /// What the functional model says of a command, and the memory that it would leave.
  std::pair<systole::golden::Fault, TileMemory> predict(const VectorCommand& command,
                                                        systole::golden::WriteSet* written) {
    const TileMemory saved = golden_tile();
    const auto fault_of_model = systole::golden::execute(golden, kNode, command.encode(), written);
    TileMemory after = golden_tile();
    golden_tile() = saved;
    return {fault_of_model, after};
  }

  /// Byte address of the first difference between the unit's scratchpad and the golden one, or -1.
  int first_difference() {
    const auto& expected = golden_tile().scratchpad;
    if (memory.scratchpad == expected) return -1;
    const auto at =
        std::mismatch(expected.begin(), expected.end(), memory.scratchpad.begin()).first;
    return static_cast<int>(at - expected.begin());
  }

  void tick_and_answer(bool accepted, std::optional<Window> a, std::optional<Window> b,
                       std::optional<unsigned> row) {
    auto& m = **this;
    std::array<uint32_t, 8> a_data = read(a);
    std::array<uint32_t, 8> b_data = read(b);
    if (m.vd_gnt_i) write();
    tick();
    for (unsigned i = 0; i < 8; ++i) m.va_rdata_i[i] = a_data[i];
    for (unsigned i = 0; i < 8; ++i) m.vb_rdata_i[i] = b_data[i];
    for (unsigned i = 0; i < 16; ++i) {
      m.vacc_data_i[i] =
          row ? static_cast<uint32_t>(memory.accumulators[*row][i]) : static_cast<uint32_t>(rng());
    }
    if (accepted) {
      m.cmd_valid_i = 0;
      running.push_back(commands.front());
      commands.pop_front();
      accepted_at = cycle() - 1;
    }
  }

  /// Data of a granted read; what was not asked for is random.
  std::array<uint32_t, 8> read(std::optional<Window> w) {
    std::array<uint32_t, 8> data;
    for (uint32_t& word : data) word = static_cast<uint32_t>(rng());
    if (!w) return data;
    REQUIRE(w->len >= 1);
    REQUIRE(w->len <= 32);
    std::array<uint8_t, 32> bytes;
    std::memcpy(bytes.data(), data.data(), 32);
    for (unsigned i = 0; i < w->len; ++i) {
      bytes[i] = memory.scratchpad[(w->addr + i) % ScratchpadBytes];
    }
    std::memcpy(data.data(), bytes.data(), 32);
    return data;
  }

  void write() {
    auto& m = **this;
    const unsigned len = m.vd_o[8] & 0x3f;
    const unsigned addr = m.vd_o[8] >> 6;
    REQUIRE(len >= 1);
    REQUIRE(len <= 32);
    REQUIRE(addr + len <= ScratchpadBytes);
    for (unsigned i = 0; i < len; ++i) {
      memory.scratchpad[addr + i] = static_cast<uint8_t>(m.vd_o[i / 4] >> 8 * (i % 4));
    }
  }

  /// Runs all commands given; at most `bound` cycles each.
  void run(uint64_t bound = 10'000) {
    const uint64_t all = commands.size();
    const uint64_t end = cycle() + bound * all;
    const uint64_t done_before = num_done;
    while (num_done + num_faults < done_before + all) {
      if (cycle() > end) throw Timeout("a pass does not end");
      step();
    }
    step();
    REQUIRE(num_faults == 0);
    REQUIRE_FALSE((*this)->busy_o);
  }

  /// Cycles from acceptance to done of one pass.
  uint64_t time(const VectorCommand& command) {
    commands = {command};
    run();
    return done_at - accepted_at;
  }
};

// ------------------------------------------------------------------------------ the stimulus

float to_float(uint32_t bits) {
  float value;
  std::memcpy(&value, &bits, 4);
  return value;
}

uint32_t to_bits(float value) {
  uint32_t bits;
  std::memcpy(&bits, &value, 4);
  return bits;
}

/// Numbers of all kinds: NaN, infinite, subnormal, powers of two (which make ties), ordinary.
uint32_t random_number(Rng& rng) {
  const auto bits = static_cast<uint32_t>(rng());
  static constexpr uint32_t kSpecial[] = {0,          0x80000000, 0x7f800000, 0xff800000,
                                          0x7fc00000, 0xffc12345, 0x7f800001, 1,
                                          0x807fffff, 0x00800000, 0x7f7fffff, 0x3f800000};
  switch (uniform(rng, 0, 7)) {
    case 0:
      return kSpecial[uniform(rng, 0, 11)];
    case 1:
      return bits;
    case 2:
      return (bits & 0x80ffffff);  // about the smallest
    case 3:
      return to_bits(static_cast<float>(uniform(rng, -600, 600)) / 2);  // ties
    default:
      return to_bits(static_cast<float>(uniform(rng, -1'000'000, 1'000'000)) /
                     static_cast<float>(uniform(rng, 1, 10'000)));
  }
}

/// A factor as scales are, or anything.
uint32_t random_factor(Rng& rng) {
  static constexpr float kScales[] = {1.0f, 0.5f, 0.25f, -1.0f, 0.0078125f, 1e-6f, 3.0f};
  switch (uniform(rng, 0, 5)) {
    case 0:
      return random_number(rng);
    case 1:
    case 2:
      return to_bits(kScales[uniform(rng, 0, 6)]);
    default:
      return to_bits(static_cast<float>(uniform(rng, 1, 100'000)) / 100'000);
  }
}

void fill_memory(VectorDut& dut) {
  TileMemory& tile = dut.golden_tile();
  for (uint32_t at = 0; at < ScratchpadBytes; at += 4) {
    uint32_t word = at < kVectors ? random_number(dut.rng) : random_factor(dut.rng);
    if (at < kVectors && (at & 0x400)) word = static_cast<uint32_t>(dut.rng());  // bytes, integers
    std::memcpy(tile.scratchpad.data() + at, &word, 4);
  }
  for (auto& row : tile.accumulators) {
    for (int32_t& value : row) {
      value = static_cast<int32_t>(dut.rng() >> 32) >> uniform(dut.rng, 0, 31);
    }
  }
  dut.load_memory();
}

unsigned element_bytes(Vtype type) { return type == Vtype::S8 || type == Vtype::U8 ? 1 : 4; }

template <class T, size_t N>
T pick(Rng& rng, const T (&choices)[N]) {
  return choices[uniform(rng, 0, N - 1)];
}

constexpr Vtype kTypes[] = {Vtype::S8, Vtype::U8, Vtype::S32, Vtype::F32, Vtype::Acc};

void choose_move(Rng& rng, VectorCommand& c) {
  c.op = Vop::Move;
  c.a_type = pick(rng, {Vtype::S32, Vtype::F32, Vtype::Acc});
  c.d_type = c.a_type == Vtype::F32 ? Vtype::F32 : Vtype::S32;
  c.b_type = Vtype::None;
  c.act = Vact::None;
  c.reduce = Vreduce::None;
}

/// What is done to the elements.
void choose_function(Rng& rng, VectorCommand& c) {
  c.op = pick(rng, {Vop::Fma, Vop::Fma, Vop::Mul, Vop::Div, Vop::Max, Vop::Min});
  c.a_type = kTypes[uniform(rng, 0, 4)];
  c.d_type = kTypes[uniform(rng, 0, 3)];
  const bool two_operands = c.op == Vop::Max || c.op == Vop::Min;
  if (two_operands || (c.op == Vop::Fma && one_in(rng, 2))) c.b_type = kTypes[uniform(rng, 0, 3)];
  c.act = one_in(rng, 3) ? Vact::Relu : Vact::None;
  if (c.op == Vop::Mul && one_in(rng, 2)) c.act = Vact::Clip;
  if (one_in(rng, 3)) c.act = pick(rng, {Vact::Exp2, Vact::Recip, Vact::Rsqrt});
  c.reduce = pick(rng, {Vreduce::None, Vreduce::Sum, Vreduce::Max});
  if (one_in(rng, 8)) choose_move(rng, c);
  c.a_zp = static_cast<int16_t>(pick(rng, {0l, 0l, uniform(rng, -128, 255)}));
  c.b_zp = static_cast<int16_t>(pick(rng, {0l, 0l, uniform(rng, -32768, 32767)}));
  c.zp = static_cast<int16_t>(uniform(rng, -128, 255));
  const bool is_signed = c.d_type == Vtype::S8;
  c.lo = is_signed ? -128 : 0;
  c.hi = is_signed ? 127 : 255;
  if (one_in(rng, 3)) {
    c.lo = static_cast<int16_t>(uniform(rng, -256, 255));
    c.hi = static_cast<int16_t>(uniform(rng, -256, 255));
  }
  c.s_vector = one_in(rng, 2);
  c.t_vector = one_in(rng, 3);
  c.c_vector = one_in(rng, 3);
}

/// Offsets that a nest reaches.
struct Reach {
  int64_t low = 0, high = 0;
  void add(int64_t count, int64_t stride) {
    ((count - 1) * stride < 0 ? low : high) += (count - 1) * stride;
  }
};

/// Random strides for counts; a dimension steps over a few groups or none, in either direction.
template <size_t N>
std::array<int32_t, N> random_strides(Rng& rng, const std::array<uint16_t, N>& counts, int64_t unit,
                                      int64_t room, Reach& reach) {
  std::array<int32_t, N> strides{};
  for (size_t k = 0; k < N; ++k) {
    const int64_t most =
        std::min<int64_t>(room / (2 * static_cast<int64_t>(N) * counts[k] * unit), 40);
    strides[k] = static_cast<int32_t>(uniform(rng, -most, most) * unit);
    if (unit == 4 && one_in(rng, 12)) strides[k] = strides[k] / 2 + 1;
    reach.add(counts[k], strides[k]);
  }
  return strides;
}

uint32_t random_base(Rng& rng, const Reach& reach, int64_t unit, int64_t bytes, int64_t from,
                     int64_t room) {
  const int64_t low = (from - reach.low + unit - 1) / unit;
  const int64_t high = (from + room - bytes - reach.high) / unit;
  REQUIRE(low <= high);
  return static_cast<uint32_t>(uniform(rng, low, high) * unit);
}

/// A legal pass. What it reads and what it writes lie in different regions, or it works in place.
VectorCommand random_pass(Rng& rng) {
  VectorCommand c;
  choose_function(rng, c);
  std::array<uint16_t, 4> counts;
  for (uint16_t& count : counts)
    count = static_cast<uint16_t>(one_in(rng, 2) ? 1 : uniform(rng, 1, 5));
  if (one_in(rng, 2)) counts[uniform(rng, 0, 2)] = static_cast<uint16_t>(uniform(rng, 1, 30));
  std::array<uint16_t, 2> windows{1, 1};
  if (c.reduce != Vreduce::None && !one_in(rng, 4)) {
    windows = {static_cast<uint16_t>(uniform(rng, 1, 4)),
               static_cast<uint16_t>(uniform(rng, 1, 4))};
  }
  const auto groups = [&] {
    return counts[0] * counts[1] * counts[2] * counts[3] * windows[0] * windows[1];
  };
  while (groups() > 600) {
    uint16_t& largest = *std::max_element(counts.begin(), counts.end());
    largest = static_cast<uint16_t>((largest + 1) / 2);
  }
  c.tail_dim = static_cast<uint8_t>(uniform(rng, 0, 3));
  c.lanes = static_cast<uint8_t>(one_in(rng, 2) ? 16 : uniform(rng, 1, 16));
  c.lanes_last = static_cast<uint8_t>(one_in(rng, 2) ? 16 : uniform(rng, 1, 16));

  const int64_t a_region = uniform(rng, 0, kRegions - 1);
  const int64_t b_region = a_region;
  const int64_t d_region = (a_region + uniform(rng, 1, kRegions - 1)) % kRegions;

  Reach a_reach;
  const bool acc = c.a_type == Vtype::Acc;
  const int64_t a_unit = acc ? 1 : element_bytes(c.a_type);
  const int64_t a_room = acc ? kAccRows : kRegionBytes;
  const std::array<uint16_t, 6> a_counts{counts[0], counts[1],  counts[2],
                                         counts[3], windows[0], windows[1]};
  const auto a = random_strides(rng, a_counts, a_unit, a_room, a_reach);
  c.a_base = random_base(rng, a_reach, a_unit, acc ? 1 : 16 * a_unit,
                         acc ? 0 : a_region * kRegionBytes, a_room);
  Reach b_reach;
  const int64_t b_unit = element_bytes(c.b_type);
  auto b = random_strides(rng, counts, b_unit, kRegionBytes, b_reach);
  c.b_base = random_base(rng, b_reach, b_unit, 16 * b_unit, b_region * kRegionBytes, kRegionBytes);
  Reach d_reach;
  const int64_t d_unit = element_bytes(c.d_type);
  auto d = random_strides(rng, counts, d_unit, kRegionBytes, d_reach);
  c.d_base = random_base(rng, d_reach, d_unit, 16 * d_unit, d_region * kRegionBytes, kRegionBytes);

  c.count0 = counts[0], c.count1 = counts[1], c.count2 = counts[2], c.count3 = counts[3];
  c.wcount0 = windows[0], c.wcount1 = windows[1];
  c.a_stride0 = a[0], c.a_stride1 = a[1], c.a_stride2 = a[2], c.a_stride3 = a[3];
  c.a_wstride0 = a[4], c.a_wstride1 = a[5];
  c.b_stride0 = b[0], c.b_stride1 = b[1], c.b_stride2 = b[2], c.b_stride3 = b[3];
  c.d_stride0 = d[0], c.d_stride1 = d[1], c.d_stride2 = d[2], c.d_stride3 = d[3];
  for (auto [vector, word] :
       {std::pair(c.s_vector, &c.s), std::pair(c.t_vector, &c.t), std::pair(c.c_vector, &c.c)}) {
    *word = vector ? static_cast<uint32_t>(
                         kVectors + 16 * uniform(rng, 0, (kVectorBytes - 64 * c.count3) / 16))
                   : random_factor(rng);
  }
  // A divisor and its reciprocal, mostly.
  if (c.op == Vop::Div && !c.s_vector && !c.t_vector && !one_in(rng, 4)) {
    c.t = to_bits(1.0f / to_float(c.s));
  }
  return c;
}

/// In place: groups next to each other, each written where it was read.
VectorCommand random_pass_in_place(Rng& rng) {
  VectorCommand c = random_pass(rng);
  const Vtype small[] = {Vtype::S8, Vtype::U8}, large[] = {Vtype::S32, Vtype::F32};
  const bool bytes = one_in(rng, 2);
  c.a_type = bytes ? pick(rng, small) : pick(rng, large);
  c.d_type = bytes ? pick(rng, small) : pick(rng, large);
  if (c.b_type != Vtype::None) c.b_type = c.a_type;
  if (c.op == Vop::Move) c.d_type = c.a_type = pick(rng, large);
  c.wcount0 = c.wcount1 = 1;
  const int32_t step = 16 * static_cast<int32_t>(element_bytes(c.a_type));
  c.a_stride0 = c.b_stride0 = c.d_stride0 = step;
  c.a_stride1 = c.b_stride1 = c.d_stride1 = step * c.count0;
  c.a_stride2 = c.b_stride2 = c.d_stride2 = step * c.count0 * c.count1;
  c.a_stride3 = c.b_stride3 = c.d_stride3 = step * c.count0 * c.count1 * c.count2;
  c.a_base = c.b_base = c.d_base = static_cast<uint32_t>(4 * uniform(rng, 0, 1000));
  return c;
}

/// A pass over `groups` groups, one next to the other, from region 0 (and 1) to region 2.
VectorCommand simple_pass(Vop op, Vtype a, Vtype b, Vtype d, unsigned groups, unsigned lanes = 16) {
  VectorCommand c;
  c.op = op;
  c.a_type = a;
  c.b_type = b;
  c.d_type = d;
  c.lanes = c.lanes_last = static_cast<uint8_t>(lanes);
  c.count0 = static_cast<uint16_t>(groups);
  c.count1 = c.count2 = c.count3 = c.wcount0 = c.wcount1 = 1;
  c.a_stride0 = a == Vtype::Acc ? 1 : static_cast<int32_t>(lanes * element_bytes(a));
  c.b_stride0 = static_cast<int32_t>(lanes * element_bytes(b));
  c.d_stride0 = static_cast<int32_t>(lanes * element_bytes(d));
  c.b_base = kRegionBytes;
  c.d_base = 2 * kRegionBytes;
  c.s = to_bits(0.37f);
  c.t = to_bits(1.0f / 0.37f);
  c.c = to_bits(3.0f);
  c.lo = -128;
  c.hi = 127;
  return c;
}

}  // namespace

// --------------------------------------------------------------------------------- results

TEST_CASE("vector_unit computes random passes as the functional model does", "[vector_unit]") {
  VectorDut dut(1);
  dut.random_offers = true;
  fill_memory(dut);
  for (int i = 0; i < 600; ++i) {
    if (i % 60 == 0) fill_memory(dut);
    dut.refuse = pick(dut.rng, {0, 0, 2, 3, 10});
    dut.long_refuse = pick(dut.rng, {0, 0, 0, 40});
    dut.commands = {one_in(dut.rng, 5) ? random_pass_in_place(dut.rng) : random_pass(dut.rng)};
    CAPTURE(i, dut.commands[0].encode());
    dut.run();
  }
  CHECK(dut.num_done == 600);
}

TEST_CASE("vector_unit passes see the results of the passes before them", "[vector_unit]") {
  VectorDut dut(2);
  fill_memory(dut);
  for (int i = 0; i < 60; ++i) {
    dut.refuse = pick(dut.rng, {0, 3});
    for (int k = 0; k < 6; ++k) dut.commands.push_back(random_pass(dut.rng));
    dut.run();
  }
  CHECK(dut.num_done == 360);
}

TEST_CASE("vector_unit reads held operands that the pass before wrote", "[vector_unit]") {
  VectorDut dut(3);
  fill_memory(dut);
  VectorCommand make = simple_pass(Vop::Mul, Vtype::S8, Vtype::None, Vtype::F32, 12);
  make.d_base = kVectors;
  VectorCommand use = simple_pass(Vop::Fma, Vtype::Acc, Vtype::None, Vtype::F32, 3);
  use.count3 = 4;
  use.a_stride3 = 3;
  use.d_stride3 = 3 * 64;
  use.s_vector = use.c_vector = true;
  use.s = kVectors;
  use.c = kVectors + 4 * 64;
  for (int i = 0; i < 4; ++i) {
    dut.commands = {make, use};
    make.a_base += 1000;
    dut.run();
  }
  CHECK(dut.num_done == 8);
}

TEST_CASE("vector_unit rounds ties of a requantization to even", "[vector_unit]") {
  VectorDut dut(4);
  for (unsigned r = 0; r < kAccRows; ++r) {
    for (unsigned l = 0; l < 16; ++l) {
      dut.golden_tile().accumulators[r][l] = static_cast<int32_t>(r * 16 + l) - 4096;
    }
  }
  dut.load_memory();
  for (const float scale : {0.5f, 0.25f, 0.125f, 0.03125f, 0.015625f}) {
    VectorCommand c = simple_pass(Vop::Mul, Vtype::Acc, Vtype::None, Vtype::S8, 512);
    c.s = to_bits(scale);
    c.zp = 3;
    dut.time(c);
  }
  CHECK(dut.num_done == 5);
}

// ------------------------------------------------------------------------------------ faults

namespace {

/// Makes a legal pass illegal in one way.
void spoil(Rng& rng, VectorCommand& c) {
  const int32_t far = static_cast<int32_t>(uniform(rng, 0x20000, 0x7fffffff));
  switch (uniform(rng, 0, 24)) {
    case 0:
      c.a_type = pick(rng, {Vtype::None, Vtype(6), Vtype(7)});
      break;
    case 1:
      c.b_type = pick(rng, {Vtype::Acc, Vtype(6), Vtype(7)});
      break;
    case 2:
      c.d_type = pick(rng, {Vtype::None, Vtype::Acc, Vtype(7)});
      break;
    case 3:
      c.op = pick(rng, {Vop(6), Vop(15)});
      break;
    case 4:
      c.act = pick(rng, {Vact(6), Vact(7)});
      break;
    case 5:
      c.reduce = Vreduce(3);
      break;
    case 6:
      c.op = Vop::Max, c.act = Vact::Clip;
      break;
    case 7:
      c.lanes = pick(rng, {uint8_t{0}, uint8_t{17}, uint8_t{31}});
      break;
    case 8:
      c.lanes_last = pick(rng, {uint8_t{0}, uint8_t{17}, uint8_t{31}});
      break;
    case 9:
      (one_in(rng, 2) ? c.count0 : c.count1) = 0;
      break;
    case 10:
      (one_in(rng, 2) ? c.count2 : c.count3) = 0;
      break;
    case 11:
      (one_in(rng, 2) ? c.wcount0 : c.wcount1) = 0;
      break;
    case 12:
      c.reduce = Vreduce::None, c.wcount1 = 2;
      break;
    case 13:
      c.a_base += pick(rng, {1u, 2u, 0x40000u, 0x80000000u});
      break;
    case 14:
      c.b_base += pick(rng, {1u, 0x40000u, 0x80000000u});
      break;
    case 15:
      c.d_base += pick(rng, {2u, 0x40000u, 0xfff00000u});
      break;
    case 16:
      c.a_wstride1 = c.a_stride3 = -far, c.wcount1 = 3, c.reduce = Vreduce::Max;
      break;
    case 17:
      c.b_stride2 = far, c.count2 = 2;
      break;
    case 18:
      c.d_stride1 = one_in(rng, 2) ? far : -far, c.count1 = 2;
      break;
    case 19:
      c.s_vector = true, c.s = pick(rng, {8u, ScratchpadBytes - 48u, 0x80000000u});
      break;
    case 20:
      c.t_vector = true, c.t = pick(rng, {4u, ScratchpadBytes - 48u, 0xfffffff0u});
      break;
    case 21:
      choose_move(rng, c);
      c.d_type = c.a_type == Vtype::F32 ? Vtype::S32 : Vtype::F32;
      break;
    case 22:
      choose_move(rng, c);
      (one_in(rng, 2) ? c.a_type : c.d_type) = pick(rng, {Vtype::S8, Vtype::U8});
      break;
    case 23:
      choose_move(rng, c);
      switch (uniform(rng, 0, 2)) {
        case 0:
          c.b_type = Vtype::S32;
          break;
        case 1:
          c.act = pick(rng, {Vact::Relu, Vact::Clip, Vact::Exp2});
          break;
        default:
          c.reduce = Vreduce::Sum;
      }
      break;
    default:
      c.c_vector = true, c.c = pick(rng, {1u, ScratchpadBytes + 0u, 0x80000000u});
      break;
  }
}

void expect_fault(VectorDut& dut, const VectorCommand& bad, uint64_t word) {
  dut.num_faults = dut.num_writes = 0;
  dut.commands = {bad};
  while (!dut->busy_o) dut.step();
  for (int k = 0; k < 2000 && dut->busy_o; ++k) dut.step();
  REQUIRE_FALSE(dut->busy_o);
  dut.step();
  REQUIRE(dut.num_faults == 1);
  REQUIRE(dut.fault >> 48 == static_cast<uint64_t>(Fault::Operand));
  REQUIRE((dut.fault & 0xffff'ffff'ffff) == word);
  REQUIRE(dut.num_writes == 0);
  dut.running.clear();
  dut.num_faults = 0;
}

}  // namespace

TEST_CASE("vector_unit raises the functional model's faults, writes nothing, and goes on",
          "[vector_unit]") {
  VectorDut dut(5);
  fill_memory(dut);
  std::array<int, 32> words{};
  for (int i = 0; i < 1500; ++i) {
    VectorCommand bad = random_pass(dut.rng);
    spoil(dut.rng, bad);
    CAPTURE(i, bad.encode());
    const auto expected = dut.predict(bad, nullptr).first;
    if (!expected) continue;
    ++words[expected.info];
    dut.refuse = pick(dut.rng, {0, 2, 5});
    expect_fault(dut, bad, expected.info);
    if (one_in(dut.rng, 4)) {
      dut.commands = {random_pass(dut.rng)};
      dut.run();
    }
  }
  for (const unsigned word : {4, 5, 7, 8, 9, 10, 11, 24, 27, 28, 29}) {
    INFO("word " << word);
    CHECK(words[word] > 0);
  }
}

TEST_CASE("vector_unit accepts operands that end with the memory, and no byte more",
          "[vector_unit]") {
  VectorDut dut(6);
  fill_memory(dut);
  VectorCommand c = simple_pass(Vop::Max, Vtype::S8, Vtype::F32, Vtype::U8, 3);
  c.s_vector = true;
  c.s = ScratchpadBytes - 64;
  c.a_base = ScratchpadBytes - 3 * 16;
  c.b_base = 0x1000;
  dut.time(c);
  c.a_base = 2 * 16;
  c.a_stride0 = -16;
  dut.time(c);
  c = simple_pass(Vop::Mul, Vtype::Acc, Vtype::None, Vtype::S8, 512);
  dut.time(c);
  CHECK(dut.num_done == 3);
  c.a_base = 1;
  dut.commands = {c};
  while (dut.num_faults == 0) dut.step();
  CHECK((dut.fault & 0xff) == 7);
}

TEST_CASE("vector_unit counts the lanes that a pass has, at the end of the memory",
          "[vector_unit]") {
  VectorDut dut(14);
  fill_memory(dut);
  int num_legal = 0, num_bad = 0;
  for (int i = 0; i < 300; ++i) {
    const Vtype types[] = {Vtype::S8, Vtype::F32};
    VectorCommand c =
        simple_pass(Vop::Max, pick(dut.rng, types), pick(dut.rng, types), pick(dut.rng, types),
                    static_cast<unsigned>(uniform(dut.rng, 1, 3)));
    c.lanes = static_cast<uint8_t>(uniform(dut.rng, 1, 16));
    c.lanes_last = static_cast<uint8_t>(uniform(dut.rng, 1, 16));
    c.tail_dim = static_cast<uint8_t>(uniform(dut.rng, 0, 3));
    const auto end = [&](uint32_t& base, Vtype type, int32_t stride) {
      base = ScratchpadBytes - static_cast<uint32_t>((c.count0 - 1) * stride) -
             static_cast<uint32_t>(uniform(dut.rng, 1, 16) * element_bytes(type));
    };
    switch (uniform(dut.rng, 0, 2)) {
      case 0:
        end(c.a_base, c.a_type, c.a_stride0);
        break;
      case 1:
        end(c.b_base, c.b_type, c.b_stride0);
        break;
      default:
        end(c.d_base, c.d_type, c.d_stride0);
    }
    CAPTURE(i, c.encode());
    if (const auto expected = dut.predict(c, nullptr).first) {
      ++num_bad;
      expect_fault(dut, c, expected.info);
    } else {
      ++num_legal;
      dut.time(c);
    }
  }
  CHECK(num_legal > 50);
  CHECK(num_bad > 50);
}

// ------------------------------------------------------------------------------------- abort

namespace {

/// Each byte is as before the command, or as it would be after; where no byte is written twice.
void check_part_of_writes(VectorDut& dut, const VectorCommand& command) {
  systole::golden::WriteSet written;
  const TileMemory after = dut.predict(command, &written).second;
  const auto& now = dut.memory.scratchpad;
  const auto& before = dut.golden_tile().scratchpad;
  std::vector<int> writes(now.size());
  for (const auto& range : written) {
    for (size_t k = 0; k < range.count; ++k) ++writes[range.address % ScratchpadBytes + k];
  }
  for (size_t k = 0; k < now.size(); ++k) {
    if (writes[k] == 0 && now[k] != before[k]) FAIL("byte " << k << " is not the pass's");
    if (writes[k] == 1 && now[k] != before[k] && now[k] != after.scratchpad[k]) {
      FAIL("byte " << k << " is wrong");
    }
  }
}

}  // namespace

TEST_CASE("vector_unit can be aborted at any time and used again", "[vector_unit]") {
  VectorDut dut(7);
  fill_memory(dut);
  for (int i = 0; i < 400; ++i) {
    dut.refuse = pick(dut.rng, {0, 2, 5});
    dut.long_refuse = pick(dut.rng, {0, 0, 20});
    VectorCommand c = random_pass(dut.rng);
    if (one_in(dut.rng, 8)) spoil(dut.rng, c);
    CAPTURE(i, c.encode());
    dut.num_faults = 0;
    const uint64_t done_before = dut.num_done;
    dut.commands = {c};
    while (dut.running.empty()) dut.step();
    for (int64_t k = uniform(dut.rng, 0, one_in(dut.rng, 2) ? 20 : 150); k > 0; --k) dut.step();
    const bool ended = dut.num_done != done_before || dut.num_faults != 0;
    dut->abort_i = 1;
    int waited = 0;
    for (dut.step(); dut->busy_o; dut.step()) REQUIRE(++waited < 300);
    REQUIRE_FALSE(dut->cmd_ready_o);
    dut->abort_i = 0;
    if (!ended) check_part_of_writes(dut, c);
    dut.golden_tile().scratchpad = dut.memory.scratchpad;
    dut.running.clear();
    dut.num_faults = 0;
    dut.refuse = dut.long_refuse = 0;
    dut.commands = {random_pass(dut.rng)};
    dut.run();
  }
}

// -------------------------------------------------------------------------------- throughput

namespace {
constexpr uint64_t kOverhead = 25;  // cycles from acceptance to done beyond the groups
}

TEST_CASE("vector_unit requantizes a row of accumulators a cycle", "[vector_unit]") {
  VectorDut dut(8);
  fill_memory(dut);
  VectorCommand c = simple_pass(Vop::Mul, Vtype::Acc, Vtype::None, Vtype::S8, 256);
  c.s_vector = true;
  c.s = kVectors;
  c.d_stride0 = 48;
  const uint64_t cycles = dut.time(c);
  INFO(cycles);
  CHECK(cycles >= 256);
  CHECK(cycles <= 256 + kOverhead);
}

TEST_CASE("vector_unit changes held operands without a pause from 8 groups a block on",
          "[vector_unit]") {
  VectorDut dut(9);
  fill_memory(dut);
  for (const unsigned rows : {1u, 4u, 8u, 10u, 32u, 256u}) {
    VectorCommand c = simple_pass(Vop::Mul, Vtype::Acc, Vtype::None, Vtype::S8, rows);
    c.count3 = static_cast<uint16_t>(std::min(512 / rows, 200u));
    c.a_stride3 = static_cast<int32_t>(rows);
    c.d_stride0 = static_cast<int32_t>(16 * c.count3);
    c.d_stride3 = 16;
    c.s_vector = true;
    c.s = kVectors;
    const uint64_t cycles = dut.time(c);
    INFO(rows << " rows a block: " << cycles);
    const uint64_t period = std::max(2 * rows, rows + 8);  // of two blocks
    CHECK(cycles <= period * c.count3 / 2 + kOverhead);
  }
}

TEST_CASE("vector_unit keeps its stated rate", "[vector_unit]") {
  VectorDut dut(10);
  fill_memory(dut);
  const struct {
    const char* name;
    Vop op;
    Vtype a, b, d;
    unsigned lanes, cycles_per_group;
    Vact act = Vact::None;
  } cases[] = {
      {"add of 8 bits", Vop::Fma, Vtype::S8, Vtype::U8, Vtype::S8, 16, 1},
      {"quantize f32", Vop::Div, Vtype::F32, Vtype::None, Vtype::S8, 16, 2},
      {"requantize 8 bits by division", Vop::Div, Vtype::U8, Vtype::None, Vtype::S8, 16, 1},
      {"dequantize 8 bits", Vop::Mul, Vtype::S8, Vtype::None, Vtype::F32, 16, 2},
      {"add of f32", Vop::Fma, Vtype::F32, Vtype::F32, Vtype::F32, 16, 2},
      {"add of f32, 8 lanes", Vop::Fma, Vtype::F32, Vtype::F32, Vtype::F32, 8, 1},
      {"max of mixed types", Vop::Max, Vtype::S8, Vtype::S32, Vtype::U8, 16, 2},
      {"accumulators to s32", Vop::Mul, Vtype::Acc, Vtype::None, Vtype::S32, 16, 2},
      {"accumulators moved", Vop::Move, Vtype::Acc, Vtype::None, Vtype::S32, 16, 2},
      {"exp2 of accumulators", Vop::Mul, Vtype::Acc, Vtype::None, Vtype::S8, 16, 1, Vact::Exp2},
      {"exp2 of f32", Vop::Fma, Vtype::F32, Vtype::None, Vtype::F32, 16, 2, Vact::Exp2},
      {"reciprocal of a quotient", Vop::Div, Vtype::U8, Vtype::None, Vtype::S8, 16, 1, Vact::Recip},
  };
  for (const auto& k : cases) {
    const unsigned groups = 500;
    VectorCommand c = simple_pass(k.op, k.a, k.b, k.d, groups, k.lanes);
    c.act = k.act;
    const uint64_t cycles = dut.time(c);
    INFO(k.name << ": " << cycles);
    CHECK(cycles >= groups * k.cycles_per_group);
    CHECK(cycles <= groups * k.cycles_per_group + kOverhead);
  }
}

TEST_CASE("vector_unit pools one element of the window a cycle", "[vector_unit]") {
  VectorDut dut(11);
  fill_memory(dut);
  for (const Vreduce reduce : {Vreduce::Max, Vreduce::Sum}) {
    VectorCommand c = simple_pass(Vop::Mul, Vtype::S8, Vtype::None, Vtype::S8, 50);
    c.reduce = reduce;
    c.wcount0 = c.wcount1 = 3;
    c.a_wstride0 = 16;
    c.a_wstride1 = 1024;
    c.a_stride0 = 32;
    const uint64_t cycles = dut.time(c);
    INFO(cycles);
    CHECK(cycles <= 9 * 50 + kOverhead);
  }
}

TEST_CASE("vector_unit sums what exp2 makes of one element a cycle", "[vector_unit]") {
  VectorDut dut(15);
  fill_memory(dut);
  VectorCommand c = simple_pass(Vop::Fma, Vtype::S8, Vtype::None, Vtype::F32, 4);
  c.act = Vact::Exp2;
  c.reduce = Vreduce::Sum;
  c.wcount0 = 200;
  c.a_wstride0 = 16;
  c.s = to_bits(0.125f);
  const uint64_t cycles = dut.time(c);
  INFO(cycles);
  CHECK(cycles <= 4 * 200 + kOverhead);
}

TEST_CASE("vector_unit takes the stated cycles for a pass of one group", "[vector_unit]") {
  VectorDut dut(12);
  fill_memory(dut);
  const auto cycles = [&](Vop op, Vtype b, Vact act = Vact::None) {
    VectorCommand c = simple_pass(op, Vtype::S8, b, Vtype::S8, 1);
    c.act = act;
    return dut.time(c);
  };
  CHECK(cycles(Vop::Mul, Vtype::None) == 10);
  CHECK(cycles(Vop::Max, Vtype::S8) == 10);
  CHECK(cycles(Vop::Fma, Vtype::S8) == 12);
  CHECK(cycles(Vop::Div, Vtype::None) == 14);
  CHECK(cycles(Vop::Mul, Vtype::None, Vact::Exp2) == 13);
  CHECK(cycles(Vop::Fma, Vtype::S8, Vact::Recip) == 15);
  CHECK(cycles(Vop::Div, Vtype::None, Vact::Rsqrt) == 17);
  VectorCommand move = simple_pass(Vop::Move, Vtype::S32, Vtype::None, Vtype::S32, 1, 8);
  CHECK(dut.time(move) == 10);
}

TEST_CASE("vector_unit names what it does in each cycle", "[vector_unit]") {
  VectorDut dut(13);
  fill_memory(dut);
  dut.ticks(1);
  dut.states = {};
  dut.time(simple_pass(Vop::Mul, Vtype::S8, Vtype::None, Vtype::S8, 100));
  CHECK(dut.states[static_cast<int>(UnitState::Scratchpad)] == 0);
  CHECK(dut.states[static_cast<int>(UnitState::Busy)] >= 100);
  CHECK(dut.states[static_cast<int>(UnitState::NoWork)] <= 2);
  CHECK(dut.states[static_cast<int>(UnitState::Fetch)] == 1);
  CHECK(dut.states[static_cast<int>(UnitState::Drain)] <= 5);
  dut.refuse = 2;
  dut.states = {};
  dut.time(simple_pass(Vop::Mul, Vtype::S8, Vtype::None, Vtype::S8, 100));
  CHECK(dut.states[static_cast<int>(UnitState::Scratchpad)] > 10);
}
