#include "host/timing/dram_timing.hpp"

#include <catch2/catch.hpp>
#include <stdexcept>

#include "host/command/error.hpp"
#include "tests/support/seed.hpp"

using namespace systole;
using namespace systole::timing;
using Command = DramCommand;

namespace {

/// Rules with verbs in clocks; `bank` 0 and 1 are of one group, 4 of the next.
struct Rules {
  explicit Rules(const std::string& name) : p(dram_parameters(name)), rules(p) {}

  void issue(Command command, unsigned bank, unsigned clock) {
    rules.issue(command, bank, clock * p.clock);
  }
  /// Both edges: illegal one clock before `clock`, legal at it.
  void expect_first(Command command, unsigned bank, unsigned clock) {
    CHECK(rules.earliest(command, bank, 0) == clock * p.clock);
    CHECK_THROWS_AS(issue(command, bank, clock - 1), std::logic_error);
    CHECK_NOTHROW(issue(command, bank, clock));
  }

  const DramParameters& p;
  DramRules rules;
};

const char* const kPresets[] = {"ddr4-3200", "hbm2e"};

}  // namespace

#define FOR_EACH_PRESET                                                                      \
  const std::string preset = GENERATE(from_range(std::begin(kPresets), std::end(kPresets))); \
  Rules t(preset);                                                                           \
  const DramParameters& p = t.p;                                                             \
  CAPTURE(preset)

TEST_CASE("Activate to Read of the same bank waits t_rcd", "[dram_timing]") {
  FOR_EACH_PRESET;
  t.issue(Command::Activate, 0, 0);
  t.expect_first(Command::Read, 0, p.rcd);
}

TEST_CASE("Activate to Write of the same bank waits t_rcd", "[dram_timing]") {
  FOR_EACH_PRESET;
  t.issue(Command::Activate, 0, 0);
  t.expect_first(Command::Write, 0, p.rcd);
}

TEST_CASE("Activate to Precharge of the same bank waits t_ras", "[dram_timing]") {
  FOR_EACH_PRESET;
  t.issue(Command::Activate, 0, 0);
  t.expect_first(Command::Precharge, 0, p.ras);
}

TEST_CASE("Precharge to Activate of the same bank waits t_rp", "[dram_timing]") {
  FOR_EACH_PRESET;
  t.issue(Command::Activate, 0, 0);
  t.issue(Command::Precharge, 0, p.rc);  // so late that t_rc is past
  t.expect_first(Command::Activate, 0, p.rc + p.rp);
}

TEST_CASE("Activate to Activate of the same bank waits t_rc", "[dram_timing]") {
  DramParameters p = dram_parameters("ddr4-3200");
  p.rc = p.ras + p.rp + 5;  // else t_ras + t_rp hides it
  DramRules rules(p);
  rules.issue(Command::Activate, 0, 0);
  rules.issue(Command::Precharge, 0, p.ras * p.clock);
  CHECK(rules.earliest(Command::Activate, 0, 0) == p.rc * p.clock);
  CHECK_THROWS_AS(rules.issue(Command::Activate, 0, (p.rc - 1) * p.clock), std::logic_error);
  CHECK_NOTHROW(rules.issue(Command::Activate, 0, p.rc * p.clock));
}

TEST_CASE("Activates wait t_rrd_l within a bank group, t_rrd_s between groups", "[dram_timing]") {
  FOR_EACH_PRESET;
  t.issue(Command::Activate, 0, 0);
  SECTION("within") { t.expect_first(Command::Activate, 1, p.rrd_l); }
  SECTION("between") { t.expect_first(Command::Activate, 4, p.rrd_s); }
}

TEST_CASE("a fifth Activate waits t_faw from the first", "[dram_timing]") {
  FOR_EACH_PRESET;
  for (unsigned i = 0; i < 4; ++i) t.issue(Command::Activate, 4 * i, p.rrd_s * i);
  t.expect_first(Command::Activate, 1, p.faw);
}

TEST_CASE("columns wait t_ccd_l within a bank group, t_ccd_s between groups", "[dram_timing]") {
  FOR_EACH_PRESET;
  t.issue(Command::Activate, 0, 0);
  t.issue(Command::Activate, 1, p.rrd_l);
  t.issue(Command::Activate, 4, 2 * p.rrd_l);
  const unsigned start = 2 * p.rrd_l + p.rcd;
  t.issue(Command::Read, 0, start);
  SECTION("within") { t.expect_first(Command::Read, 1, start + p.ccd_l); }
  SECTION("between") { t.expect_first(Command::Read, 4, start + p.ccd_s); }
}

TEST_CASE("a Read after a Write waits for its data and t_wtr", "[dram_timing]") {
  FOR_EACH_PRESET;
  t.issue(Command::Activate, 0, 0);
  t.issue(Command::Activate, 4, p.rrd_l);
  const unsigned start = p.rrd_l + p.rcd;
  t.issue(Command::Write, 0, start);
  const unsigned end = start + p.cwl + p.burst;
  SECTION("within a bank group t_wtr_l") { t.expect_first(Command::Read, 0, end + p.wtr_l); }
  SECTION("between groups t_wtr_s") { t.expect_first(Command::Read, 4, end + p.wtr_s); }
}

TEST_CASE("a Write after a Read waits t_rtw", "[dram_timing]") {
  FOR_EACH_PRESET;
  t.issue(Command::Activate, 0, 0);
  t.issue(Command::Read, 0, p.rcd);
  t.expect_first(Command::Write, 0, p.rcd + p.rtw);
}

TEST_CASE("a Precharge after a Read waits t_rtp, after a Write its data and t_wr",
          "[dram_timing]") {
  FOR_EACH_PRESET;
  t.issue(Command::Activate, 0, 0);
  const unsigned start = p.ras;  // late enough that t_ras is past
  SECTION("read") {
    t.issue(Command::Read, 0, start);
    t.expect_first(Command::Precharge, 0, start + p.rtp);
  }
  SECTION("write") {
    t.issue(Command::Write, 0, start);
    t.expect_first(Command::Precharge, 0, start + p.cwl + p.burst + p.wr);
  }
}

TEST_CASE("Refresh waits t_rp for the last bank, and all banks wait t_rfc for it",
          "[dram_timing]") {
  FOR_EACH_PRESET;
  t.issue(Command::Activate, 0, 0);
  CHECK_THROWS_AS(t.issue(Command::Refresh, 0, 10 * p.rc), std::logic_error);
  t.issue(Command::Precharge, 0, p.rc);
  t.expect_first(Command::Refresh, 0, p.rc + p.rp);
  t.expect_first(Command::Activate, 7, p.rc + p.rp + p.rfc);
}

TEST_CASE("a bank's state is checked: columns need an open row, Activate a closed one",
          "[dram_timing]") {
  FOR_EACH_PRESET;
  CHECK_THROWS_AS(t.issue(Command::Read, 0, 1000), std::logic_error);
  t.issue(Command::Activate, 0, 1000);
  CHECK_THROWS_AS(t.issue(Command::Activate, 0, 5000), std::logic_error);
  CHECK_THROWS_AS(t.rules.issue(Command::Read, 0, 5000 * p.clock + 1), std::logic_error);
}

// ---------------------------------------------------------------------------------------- channel

namespace {

/// Bytes a picosecond of `count` bursts that all arrive at once, of the peak.
double streaming(const std::string& preset, bool write, unsigned count) {
  DramChannel channel(dram_parameters(preset));
  Picoseconds end = 0;
  for (unsigned i = 0; i < count; ++i) {
    end = channel.access(uint64_t{i} * channel.parameters().burst_bytes, write, 0);
  }
  const double bytes = static_cast<double>(count) * channel.parameters().burst_bytes;
  return bytes / static_cast<double>(end) / channel.parameters().peak_bytes_per_ps();
}

}  // namespace

TEST_CASE("a stream of reads or of writes reaches 90 % of the peak", "[dram_timing]") {
  const std::string preset = GENERATE(from_range(std::begin(kPresets), std::end(kPresets)));
  const bool write = GENERATE(false, true);
  CAPTURE(preset, write);
  CHECK(streaming(preset, write, 20000) >= 0.90);
  CHECK(streaming(preset, write, 20000) <= 1.0);
}

TEST_CASE("the peak of both presets is 25.6 bytes a nanosecond", "[dram_timing]") {
  for (const char* preset : kPresets)
    CHECK(dram_parameters(preset).peak_bytes_per_ps() == Approx(0.0256));
}

TEST_CASE("a row miss, a hit and a conflict take what their commands take", "[dram_timing]") {
  FOR_EACH_PRESET;
  DramChannel channel(p);
  const auto latency = [&](uint64_t address, Picoseconds arrival) {
    return (channel.access(address, false, arrival) - arrival) / p.clock;
  };
  const unsigned hit = p.controller + p.cl + p.burst;
  const auto same_bank = [&](uint64_t address) {
    return channel.place(address).bank == channel.place(0).bank;
  };
  uint64_t other = p.page_bytes;
  while (!same_bank(other) || channel.place(other).row == channel.place(0).row)
    other += p.page_bytes;
  CHECK(latency(0, 1000 * p.clock) == hit + p.rcd);
  CHECK(latency(0, 2000 * p.clock) == hit);
  CHECK(latency(other, 3000 * p.clock) == hit + p.rp + p.rcd);
  CHECK(channel.counters().row_misses == 1);
  CHECK(channel.counters().row_hits == 1);
  CHECK(channel.counters().row_conflicts == 1);
}

TEST_CASE("rows of waiting accesses are opened ahead", "[dram_timing]") {
  FOR_EACH_PRESET;
  DramChannel channel(p);
  // Accesses to different banks that arrive together are nearer to one another than a row cycle.
  const Picoseconds first = channel.access(0, false, 0);
  const Picoseconds second = channel.access(2 * p.page_bytes, false, 0);
  CHECK(channel.place(2 * p.page_bytes).bank != channel.place(0).bank);
  CHECK(second - first <= p.rrd_l * p.clock);
}

TEST_CASE("an access that meets a refresh waits for its end", "[dram_timing]") {
  FOR_EACH_PRESET;
  DramChannel channel(p);
  const Picoseconds due = p.refi * p.clock;
  const Picoseconds end = channel.access(0, false, due);
  CHECK(end >= due + p.rfc * p.clock);
  CHECK(channel.counters().refreshes == 1);
}

TEST_CASE("an idle stretch counts its refreshes, and delays only by the last", "[dram_timing]") {
  FOR_EACH_PRESET;
  DramChannel channel(p);
  const Picoseconds interval = p.refi * p.clock;
  const Picoseconds arrival = 100 * interval + interval / 2;
  CHECK((channel.access(0, false, arrival) - arrival) / p.clock <=
        p.controller + p.rcd + p.cl + p.burst + 1);
  CHECK(channel.counters().refreshes == 100);
}

TEST_CASE("the first refresh of an idle stretch closes the rows, so that the last one need not",
          "[dram_timing]") {
  FOR_EACH_PRESET;
  const Picoseconds interval = p.refi * p.clock;
  const auto end_at = [&](bool used_before, Picoseconds arrival) {
    DramChannel channel(p);
    if (used_before) channel.access(0, false, 0);
    return channel.access(0, false, arrival);
  };
  CHECK(end_at(true, interval) == end_at(false, interval) + p.rp * p.clock);
  CHECK(end_at(true, 2 * interval) == end_at(false, 2 * interval));
  CHECK(end_at(true, 9 * interval) == end_at(false, 9 * interval));
}

TEST_CASE("answers come in order, for random accesses", "[dram_timing]") {
  FOR_EACH_PRESET;
  DramChannel channel(p);
  auto rng = test::make_rng();
  Picoseconds arrival = 0;
  Picoseconds last_read = 0;
  for (int i = 0; i < 20000; ++i) {
    arrival += test::uniform(rng, 0, 20000);
    const bool write = test::one_in(rng, 3);
    const auto address = static_cast<uint64_t>(test::uniform(rng, 0, 1 << 24)) / 32 * 32;
    const Picoseconds end = channel.access(address, write, arrival);
    REQUIRE(end > arrival);
    if (!write) {
      REQUIRE(end > last_read);
      last_read = end;
    }
  }
}

TEST_CASE("each burst has one place, and a bank pair's page is contiguous", "[dram_timing]") {
  FOR_EACH_PRESET;
  DramChannel channel(p);
  // Two bursts of one bank and row in one round of pages are different columns of one page.
  const auto first = channel.place(0);
  unsigned same = 0;
  for (uint64_t a = 0; a < uint64_t{p.page_bytes} * p.banks(); a += p.burst_bytes) {
    const auto at = channel.place(a);
    same += at.bank == first.bank && at.row == first.row ? 1 : 0;
  }
  CHECK(same == p.page_bytes / p.burst_bytes);
}

TEST_CASE("an unknown DRAM is named with the known ones", "[dram_timing]") {
  CHECK_THROWS_WITH(dram_parameters("ddr9"),
                    Catch::Contains("ddr4-3200 or hbm2e") && Catch::Contains("ddr9"));
}
