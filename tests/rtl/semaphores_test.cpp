#include "Vsemaphores.h"

#include <array>
#include <catch2/catch.hpp>

#include "tests/support/dut.hpp"

using systole::test::make_rng;
using systole::test::one_in;
using systole::test::uniform;

namespace {

constexpr int UNITS = 4;
constexpr int SEMAPHORES = 16;

struct Dut : systole::test::Dut<Vsemaphores> {
  Dut() {
    idle();
    (*this)->clear_i = 0;
    reset();
  }

  void idle() {
    (*this)->take_req_i = 0;
    (*this)->ni_post_i = 0;
    for (int u = 0; u < UNITS; ++u) (*this)->post_mask_i[u] = 0;
  }

  /// A unit posts once.
  void post(int unit, uint16_t mask) {
    (*this)->post_mask_i[unit] = mask;
    tick();
    (*this)->post_mask_i[unit] = 0;
    settle();
  }

  void ask(int unit, uint16_t mask) {
    (*this)->take_req_i |= 1 << unit;
    (*this)->take_mask_i[unit] = mask;
    settle();
  }

  void expect_grants(int grants) {
    settle();
    REQUIRE(int((*this)->take_gnt_o) == grants);
  }
};

}  // namespace

TEST_CASE("semaphores: a take waits until all of its counters are nonzero", "[semaphores]") {
  Dut dut;
  dut.ask(1, 0x8001);
  dut.expect_grants(0);
  dut.post(2, 0x0001);
  dut.expect_grants(0);
  dut.post(0, 0x8000);
  dut.expect_grants(2);
  dut.tick();
  dut.expect_grants(0);
  REQUIRE(dut->count_o[0] == 0);
  REQUIRE(dut->count_o[15] == 0);
}

TEST_CASE("semaphores: an empty mask is granted at once", "[semaphores]") {
  Dut dut;
  dut.ask(3, 0);
  dut.expect_grants(8);
}

TEST_CASE("semaphores: ties go load, matrix, vector, store", "[semaphores]") {
  Dut dut;
  dut.post(0, 0x0010);
  dut.post(0, 0x0010);
  for (int u = 0; u < UNITS; ++u) dut.ask(u, 0x0010);
  dut.expect_grants(1);
  dut.tick();
  dut->take_req_i = 0b1110;
  dut.expect_grants(2);
  dut.tick();
  dut->take_req_i = 0b1100;
  dut.expect_grants(0);
}

TEST_CASE("semaphores: a counter holds 255, one more is an overflow", "[semaphores]") {
  Dut dut;
  for (int i = 0; i < 255; ++i) {
    dut->post_mask_i[1] = 4;
    dut.settle();
    REQUIRE(dut->overflow_o == 0);
    dut.tick();
  }
  REQUIRE(dut->count_o[2] == 255);
  dut.settle();
  REQUIRE(dut->overflow_o == 4);
  dut->post_mask_i[1] = 0;
  dut->ni_post_i = 1;
  dut->ni_post_sem_i = 2;
  dut.settle();
  REQUIRE(dut->overflow_o == 0);
  REQUIRE(dut->ni_overflow_o == 1);
  dut.tick();
  REQUIRE(dut->count_o[2] == 255);

  SECTION("a take in the same cycle makes room") {
    dut.ask(0, 4);
    REQUIRE(dut->ni_overflow_o == 0);
    dut.tick();
    REQUIRE(dut->count_o[2] == 255);
  }
}

TEST_CASE("semaphores count every post and take of random units and the network", "[semaphores]") {
  auto rng = make_rng();
  Dut dut;
  std::array<int, SEMAPHORES> count{};
  for (int cycle = 0; cycle < 20000; ++cycle) {
    dut.idle();
    std::array<uint16_t, UNITS> take{};
    std::array<int, SEMAPHORES> posts{};
    for (int u = 0; u < UNITS; ++u) {
      if (one_in(rng, 2)) {
        take[u] = uint16_t(uniform(rng, 0, 65535) & uniform(rng, 0, 65535));
        dut.ask(u, take[u]);
      }
      if (one_in(rng, 2)) {
        dut->post_mask_i[u] = uint16_t(uniform(rng, 0, 65535) & uniform(rng, 0, 65535));
      }
      for (int i = 0; i < SEMAPHORES; ++i) posts[i] += dut->post_mask_i[u] >> i & 1;
    }
    if (one_in(rng, 2)) {
      dut->ni_post_i = 1;
      dut->ni_post_sem_i = uint8_t(uniform(rng, 0, 15));
      ++posts[dut->ni_post_sem_i];
    }
    dut.settle();
    uint16_t gone = 0;
    for (int u = 0; u < UNITS; ++u) {
      if (!(dut->take_req_i >> u & 1)) continue;
      bool may = true;
      for (int i = 0; i < SEMAPHORES; ++i) {
        if (take[u] >> i & 1) may &= count[i] > 0 && !(gone >> i & 1);
      }
      REQUIRE(bool(dut->take_gnt_o >> u & 1) == may);
      if (may) gone |= take[u];
    }
    for (int i = 0; i < SEMAPHORES; ++i) {
      count[i] = std::min(255, count[i] + posts[i] - (gone >> i & 1));
    }
    dut.tick();
    for (int i = 0; i < SEMAPHORES; ++i) {
      REQUIRE(int(dut->count_o[i]) == count[i]);
      REQUIRE(bool(dut->nonzero_o >> i & 1) == (count[i] != 0));
    }
  }
  dut->clear_i = 1;
  dut.idle();
  dut.tick();
  REQUIRE(dut->nonzero_o == 0);
}
