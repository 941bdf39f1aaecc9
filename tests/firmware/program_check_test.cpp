// needs: firmware/program_check.c
#include "firmware/program_check.h"

#include <catch2/catch.hpp>
#include <functional>

#include "host/golden/execute.hpp"
#include "rtl/spec/gen/systole_commands.hpp"
#include "tests/support/seed.hpp"

// The checks touch no register.
extern "C" uint32_t mmio_read(uint32_t) { throw std::logic_error("a check reads a register"); }
extern "C" void mmio_write(uint32_t, uint32_t) { throw std::logic_error("a check writes"); }
extern "C" void mmio_sleep() { throw std::logic_error("a check sleeps"); }

namespace {

using namespace systole;
using systole::test::make_rng;
using systole::test::one_in;
using systole::test::uniform;

const uint32_t kBases[4] = {0x01000000, 0x02000000, 0, 0};
const uint32_t kLimits[4] = {0x0100000f, 0x0200ffff, 0, 0};

program_place place() {
  program_place p{};
  p.x = 1;
  p.y = 0;
  p.cols = 3;
  p.rows = 2;
  p.window_perm = 0b0111;  // window 0 both, window 1 read
  p.window_base = kBases;
  p.window_limit = kLimits;
  return p;
}

bool accepts(const spec::CommandWords& words, spec::Unit unit, program_fault* why) {
  const program_place where = place();
  *why = {};
  return program_check_command(words.data(), static_cast<uint32_t>(unit), 5, &where, why);
}

/// Fault code, SYSTOLE_FAULT_NONE when accepted.
unsigned fault_of(const spec::CommandWords& words, spec::Unit unit) {
  program_fault why;
  if (accepts(words, unit, &why)) return SYSTOLE_FAULT_NONE;
  CHECK(why.unit == static_cast<unsigned>(unit));
  CHECK(why.pc == 5);
  return why.fault;
}

spec::LoadCommand block() {
  spec::LoadCommand c;
  c.addr = 0x0200'0000'0000;
  c.local_addr = 0;
  c.run = 16;
  c.count0 = c.count1 = 1;
  return c;
}

TEST_CASE("program_check takes each opcode in its own unit only", "[program_check]") {
  for (const spec::CommandInfo& info : spec::CommandTable) {
    for (unsigned unit = 0; unit < spec::NumUnits; ++unit) {
      spec::CommandWords words{};
      words[0] = static_cast<uint32_t>(info.opcode);
      const bool refused = fault_of(words, static_cast<spec::Unit>(unit)) == SYSTOLE_FAULT_OPCODE;
      CHECK(refused == !(info.units >> unit & 1));
    }
  }
  for (uint32_t opcode = 0; opcode < 256; ++opcode) {
    if (spec::find_command(static_cast<spec::Opcode>(opcode))) continue;
    spec::CommandWords words{};
    words[0] = opcode;
    CHECK(fault_of(words, spec::Unit::Load) == SYSTOLE_FAULT_OPCODE);
  }
}

TEST_CASE("program_check refuses every reserved bit", "[program_check]") {
  for (const spec::CommandInfo& info : spec::CommandTable) {
    unsigned unit = 0;
    while (!(info.units >> unit & 1)) ++unit;
    for (unsigned bit = 0; bit < 1024; ++bit) {
      if (!(info.reserved[bit / 32] >> bit % 32 & 1)) continue;
      spec::CommandWords words{};
      words[0] = static_cast<uint32_t>(info.opcode);
      words[bit / 32] |= 1u << bit % 32;
      const unsigned fault = fault_of(words, static_cast<spec::Unit>(unit));
      // A bit of the opcode's word turns it into another opcode only within its own field.
      CHECK(fault == SYSTOLE_FAULT_RESERVED);
    }
  }
}

TEST_CASE("program_check lets parameters into the words that take them, and then leaves the range",
          "[program_check]") {
  for (unsigned word = 0; word < 32; ++word) {
    spec::LoadCommand c = block();
    c.local_addr = 0x3fff8;  // 16 bytes do not fit
    c.header.sel1_en = 1;
    c.header.sel1_word = static_cast<uint8_t>(word);
    const bool takes = word == 4 || word == 6 || word == 7 || word == 8 || word == 11;
    const unsigned fault = fault_of(c.encode(), spec::Unit::Load);
    INFO("word " << word);
    if (!takes)
      CHECK(fault == SYSTOLE_FAULT_RESERVED);
    else if (word == 4)
      CHECK(fault == SYSTOLE_FAULT_OPERAND);
    else
      CHECK(fault == SYSTOLE_FAULT_NONE);
  }
}

TEST_CASE("program_check knows the windows to the byte", "[program_check]") {
  const uint64_t first = 0x0100'0000'0000, behind = 0x0100'0010'0000;
  spec::LoadCommand c = block();
  auto fault = [&] { return fault_of(c.encode(), spec::Unit::Load); };
  c.addr = first;
  CHECK(fault() == SYSTOLE_FAULT_NONE);
  c.addr = first - 1;
  CHECK(fault() == SYSTOLE_FAULT_WINDOW);
  c.addr = behind - 16;
  CHECK(fault() == SYSTOLE_FAULT_NONE);
  c.addr = behind - 15;
  CHECK(fault() == SYSTOLE_FAULT_WINDOW);
  // Rows downwards, the last one below the window.
  c.addr = first + 64;
  c.count1 = 3;
  c.gstride1 = -32;
  c.lstride1 = 16;
  CHECK(fault() == SYSTOLE_FAULT_NONE);
  c.gstride1 = -33;
  CHECK(fault() == SYSTOLE_FAULT_WINDOW);
  // Window 1 is not for stores; the own tile needs no window; another tile does.
  spec::StoreCommand s;
  s.run = s.count0 = s.count1 = 1;
  s.addr = 0x0200'0000'0000;
  CHECK(fault_of(s.encode(), spec::Unit::Store) == SYSTOLE_FAULT_WINDOW);
  s.addr = 0x0400'0100'0000;
  CHECK(fault_of(s.encode(), spec::Unit::Store) == SYSTOLE_FAULT_NONE);
  s.addr = 0x0400'0200'0000;
  CHECK(fault_of(s.encode(), spec::Unit::Store) == SYSTOLE_FAULT_WINDOW);
}

TEST_CASE("program_check refuses a remote post to a tile that is not there", "[program_check]") {
  spec::NopCommand c;
  c.header.remote_en = 1;
  for (unsigned x = 0; x < 16; ++x) {
    for (unsigned y = 0; y < 16; ++y) {
      c.header.remote_x = static_cast<uint8_t>(x);
      c.header.remote_y = static_cast<uint8_t>(y);
      const bool there = x >= 1 && x < 3 && y < 2;
      CHECK((fault_of(c.encode(), spec::Unit::Matrix) == SYSTOLE_FAULT_NONE) == there);
    }
  }
}

TEST_CASE("program_check lets loops go back only", "[program_check]") {
  spec::LoopCommand c;
  c.target = 5;
  CHECK(fault_of(c.encode(), spec::Unit::Vector) == SYSTOLE_FAULT_NONE);
  c.target = 6;
  CHECK(fault_of(c.encode(), spec::Unit::Vector) == SYSTOLE_FAULT_OPERAND);
}

// ------------------------------------------------- the same verdict as the functional model's

using Rng = std::mt19937_64;

/// A scratchpad address, often at an end.
uint32_t address(Rng& rng, int align) {
  int64_t value = uniform(rng, 0, 0x3ffff);
  if (one_in(rng, 3)) value = uniform(rng, 0, 600);
  if (one_in(rng, 3)) value = 0x40000 - uniform(rng, 0, 600);
  if (!one_in(rng, 20)) value = value / align * align;
  return static_cast<uint32_t>(value);
}

int32_t stride(Rng& rng, int align) {
  if (one_in(rng, 30)) return static_cast<int32_t>(rng());
  int64_t value = uniform(rng, -100, 100);
  if (!one_in(rng, 20)) value *= align;
  return static_cast<int32_t>(value);
}

uint16_t count(Rng& rng) { return static_cast<uint16_t>(one_in(rng, 40) ? 0 : uniform(rng, 1, 3)); }

spec::CommandWords random_fill(Rng& rng) {
  spec::FillCommand c;
  c.local_addr = address(rng, 1);
  c.run = static_cast<uint32_t>(uniform(rng, 0, 100));
  c.count0 = count(rng);
  c.count1 = count(rng);
  c.lstride0 = stride(rng, 1);
  c.lstride1 = stride(rng, 1);
  return c.encode();
}

spec::CommandWords random_matmul(Rng& rng) {
  spec::MatmulCommand c;
  c.act = address(rng, 1);
  c.row_mode = static_cast<spec::RowMode>(uniform(rng, 0, 2));
  c.weight_mode = static_cast<spec::WeightMode>(uniform(rng, 0, 2));
  c.init = static_cast<spec::AccInit>(uniform(rng, 0, 2));
  c.run_stride = stride(rng, 1);
  c.len = static_cast<uint8_t>(uniform(rng, one_in(rng, 20) ? 0 : 1, 32));
  c.len_last = static_cast<uint8_t>(uniform(rng, 1, one_in(rng, 20) ? 33 : 32));
  c.rcount0 = count(rng);
  c.rcount1 = one_in(rng, 4) ? 130 : count(rng);
  c.rcount2 = count(rng);
  c.ncount = count(rng);
  c.rstride0 = stride(rng, 1);
  c.rstride1 = one_in(rng, 2) ? 0 : stride(rng, 1);
  c.rstride2 = stride(rng, 1);
  c.kcount0 = count(rng);
  c.kcount1 = count(rng);
  c.kcount2 = count(rng);
  c.kstride0 = stride(rng, 1);
  c.kstride1 = stride(rng, 1);
  c.kstride2 = stride(rng, 1);
  c.act_nstride = stride(rng, 1);
  c.wgt = address(rng, 16);
  c.wgt_kstride = stride(rng, 16);
  c.wgt_nstride = stride(rng, 16);
  c.wgt_run = stride(rng, 16);
  c.bias = address(rng, 16);
  c.acc = static_cast<uint16_t>(uniform(rng, 0, 511));
  c.acc_nstride = static_cast<uint16_t>(uniform(rng, 0, 40));
  return c.encode();
}

spec::CommandWords random_vector(Rng& rng) {
  spec::VectorCommand c;
  c.a_type = static_cast<spec::Vtype>(uniform(rng, 0, 5));
  c.b_type = static_cast<spec::Vtype>(one_in(rng, 2) ? 0 : uniform(rng, 0, 5));
  c.d_type = static_cast<spec::Vtype>(uniform(rng, 1, 5));
  c.op = static_cast<spec::Vop>(uniform(rng, 0, 5));
  c.act = static_cast<spec::Vact>(uniform(rng, 0, 6));
  c.reduce = static_cast<spec::Vreduce>(uniform(rng, 0, 2));
  if (c.op == spec::Vop::Move && one_in(rng, 2)) {
    c.b_type = spec::Vtype::None;
    c.act = spec::Vact::None;
    c.reduce = spec::Vreduce::None;
  }
  c.s_vector = one_in(rng, 2);
  c.t_vector = one_in(rng, 2);
  c.c_vector = one_in(rng, 2);
  c.tail_dim = static_cast<uint8_t>(uniform(rng, 0, 3));
  c.lanes = static_cast<uint8_t>(uniform(rng, one_in(rng, 20) ? 0 : 1, 16));
  c.lanes_last = static_cast<uint8_t>(uniform(rng, 1, one_in(rng, 20) ? 17 : 16));
  auto base = [&](spec::Vtype type) {
    return type == spec::Vtype::Acc ? static_cast<uint32_t>(uniform(rng, 0, 511)) : address(rng, 4);
  };
  c.a_base = base(c.a_type);
  c.b_base = base(c.b_type);
  c.d_base = base(c.d_type);
  c.count0 = count(rng);
  c.count1 = count(rng);
  c.count2 = count(rng);
  c.count3 = count(rng);
  for (int32_t* s : {&c.a_stride0, &c.a_stride1, &c.a_stride2, &c.a_stride3, &c.b_stride0,
                     &c.b_stride1, &c.b_stride2, &c.b_stride3, &c.d_stride0, &c.d_stride1,
                     &c.d_stride2, &c.d_stride3, &c.a_wstride0, &c.a_wstride1})
    *s = stride(rng, 4);
  c.wcount0 = c.reduce == spec::Vreduce::None && !one_in(rng, 20) ? 1 : count(rng);
  c.wcount1 = c.reduce == spec::Vreduce::None && !one_in(rng, 20) ? 1 : count(rng);
  c.s = c.s_vector ? address(rng, 16) : 0x3f800000;
  c.t = c.t_vector ? address(rng, 16) : 0;
  c.c = c.c_vector ? address(rng, 16) : 0;
  c.lo = -128;
  c.hi = 127;
  return c.encode();
}

void agree(spec::Unit unit, int trials, const std::function<spec::CommandWords(Rng&)>& draw) {
  golden::Machine machine(chip_config("small"), 4096);
  auto rng = make_rng(static_cast<uint64_t>(unit) + 7);
  int accepted = 0;
  for (int i = 0; i < trials; ++i) {
    const spec::CommandWords words = draw(rng);
    program_fault why;
    const bool ok = accepts(words, unit, &why);
    const golden::Fault fault = golden::execute(machine, {1, 0}, words, nullptr);
    INFO("trial " << i << ", model: " << static_cast<int>(fault.code) << " word " << fault.info
                  << ", firmware: " << int{why.fault} << " word " << why.info);
    REQUIRE(ok == !fault);
    if (!ok) REQUIRE(why.fault == static_cast<unsigned>(fault.code));
    accepted += ok;
  }
  CHECK(accepted > trials / 50);
  CHECK(accepted < trials - trials / 50);
}

TEST_CASE("program_check and the functional model agree on Fill", "[program_check]") {
  agree(spec::Unit::Load, 4000, random_fill);
}

TEST_CASE("program_check and the functional model agree on Matmul", "[program_check]") {
  agree(spec::Unit::Matrix, 20000, random_matmul);
}

TEST_CASE("program_check and the functional model agree on Vector", "[program_check]") {
  agree(spec::Unit::Vector, 20000, random_vector);
}

TEST_CASE("program_scan finds each unit's program in an image", "[program_check]") {
  const spec::CommandWords end = spec::EndCommand{}.encode();
  const program_place where = place();
  program_fault why{};
  // Two units share an End.
  const uint32_t program[4] = {0, 256, 256, 384};
  spec::CommandWords image[] = {spec::NopCommand{}.encode(), end, end, end};
  // In pieces of any size.
  for (uint32_t piece : {1, 2, 3, 4}) {
    INFO("pieces of " << piece);
    const auto scan_image = [&](program_scan* scan, uint32_t count) {
      bool good = true;
      for (uint32_t i = 0; i < count && good; i += piece) {
        good = program_scan_commands(scan, 128 * i, image[i].data(), std::min(piece, count - i),
                                     &where, &why);
      }
      return good;
    };
    program_scan scan{};
    scan.program = program;
    REQUIRE(scan_image(&scan, 4));
    CHECK(program_scan_end(&scan, &why));
    CHECK(scan.pc[0] == 2);
    CHECK(scan.pc[1] == 1);

    program_scan cut{};
    cut.program = program;
    REQUIRE(scan_image(&cut, 3));
    CHECK(!program_scan_end(&cut, &why));
    CHECK(why.unit == SYSTOLE_UNIT_STORE);
    CHECK(why.fault == SYSTOLE_FAULT_PROGRAM_RANGE);

    // A wrong command is refused for the unit that will run it, wherever it lies.
    for (uint32_t wrong = 0; wrong < 4; ++wrong) {
      const uint32_t unit[] = {SYSTOLE_UNIT_LOAD, SYSTOLE_UNIT_LOAD, SYSTOLE_UNIT_MATRIX,
                               SYSTOLE_UNIT_STORE};
      const spec::CommandWords right = std::exchange(image[wrong], spec::CommandWords{});
      program_scan bad{};
      bad.program = program;
      CHECK(!scan_image(&bad, 4));
      CHECK(why.unit == unit[wrong]);
      CHECK(why.pc == (wrong == 1 ? 1 : 0));
      CHECK(why.fault == SYSTOLE_FAULT_OPCODE);
      image[wrong] = right;
    }
  }
}

TEST_CASE("program_scan passes by what no program holds", "[program_check]") {
  const program_place where = place();
  program_fault why{};
  // Load's program ends before the second command, Matrix's begins behind it.
  const spec::CommandWords end = spec::EndCommand{}.encode();
  const uint32_t program[4] = {0, 256, 256, 256};
  const spec::CommandWords image[] = {end, spec::CommandWords{}, end};
  program_scan scan{};
  scan.program = program;
  REQUIRE(program_scan_commands(&scan, 0, image[0].data(), 3, &where, &why));
  CHECK(program_scan_end(&scan, &why));
}

// The rarest of ranges: products of counts and strides that leave 32 bits.
TEST_CASE("program_check sees through products that leave 32 bits", "[program_check]") {
  spec::FillCommand c;
  c.run = 16;
  for (const uint32_t count : {3u, 0x101u, 0x10001u, 0x4001u, 0xffffffffu}) {
    for (const int32_t stride :
         {0x7fffffff, 0x40000000, 0x20000, 0x40000, INT32_MIN, -0x20000, -0x40000}) {
      INFO("count " << count << ", stride " << stride);
      c.count0 = count;
      c.count1 = 1;
      c.lstride0 = stride;
      c.lstride1 = 0;
      c.local_addr = 0x10000;
      CHECK(fault_of(c.encode(), spec::Unit::Load) == SYSTOLE_FAULT_OPERAND);
    }
  }
}

}  // namespace
