#include "Vpacket_crossbar.h"

#include <array>
#include <catch2/catch.hpp>
#include <deque>
#include <map>

#include "tests/rtl/core_bench.hpp"
#include "tests/support/dut.hpp"

namespace {

using namespace systole::test;

constexpr int kInputs = 4, kOutputs = 3;

/// Payload word 0: input and output; word 1: number of the packet; word 2: number of the flit.
class CrossbarDut : public Dut<Vpacket_crossbar> {
 public:
  CrossbarDut() {
    (*this)->valid_i = 0;
    (*this)->ready_i = 0;
    reset();
  }

  void queue(int input, int output, int flits) {
    for (int i = 0; i < flits; ++i) {
      Flit flit;
      flit.head = i == 0;
      flit.last = i == flits - 1;
      flit.payload[0] = static_cast<uint32_t>(input * 16 + output);
      flit.payload[1] = sent_[input][output];
      flit.payload[2] = static_cast<uint32_t>(i);
      in[input].push_back(flit);
    }
    ++sent_[input][output];
  }

  /// One cycle; `pause` of 1/n of the inputs and outputs, 0: none.
  void step(std::mt19937_64& rng, int pause) {
    auto& m = **this;
    for (int n = 0; n < kInputs; ++n) {
      // What was offered and not taken stays offered.
      offered_[n] = !in[n].empty() && (offered_[n] || !pause || !one_in(rng, pause));
      if (!offered_[n]) continue;
      in[n].front().to_port(m.flit_i[n]);
      m.select_i[n] = in[n].front().head ? in[n].front().payload[0] % 16
                                         : static_cast<unsigned>(uniform(rng, 0, 2));
    }
    uint8_t valid = 0, ready = 0;
    for (int n = 0; n < kInputs; ++n) valid |= offered_[n] << n;
    for (int o = 0; o < kOutputs; ++o) ready |= (!pause || !one_in(rng, pause)) << o;
    m.valid_i = valid;
    m.ready_i = ready;
    settle();
    for (int o = 0; o < kOutputs; ++o) {
      if (m.valid_o >> o & 1 && ready >> o & 1) out[o].push_back(Flit::from_port(m.flit_o[o]));
    }
    const uint8_t taken = m.valid_i & m.ready_o;
    tick();
    for (int n = 0; n < kInputs; ++n) {
      if (!(taken >> n & 1)) continue;
      in[n].pop_front();
      offered_[n] = false;
    }
  }

  bool empty() const {
    for (const auto& queue : in) {
      if (!queue.empty()) return false;
    }
    return true;
  }

  std::array<std::deque<Flit>, kInputs> in;
  std::array<std::deque<Flit>, kOutputs> out;

 private:
  std::array<std::array<uint32_t, kOutputs>, kInputs> sent_{};
  std::array<bool, kInputs> offered_{};
};

TEST_CASE("packet_crossbar keeps packets whole and in order and loses none", "[packet_crossbar]") {
  for (const int pause : {0, 2, 4}) {
    CrossbarDut dut;
    auto rng = make_rng(static_cast<uint64_t>(pause));
    std::array<std::array<uint32_t, kOutputs>, kInputs> queued{};
    for (int i = 0; i < 600; ++i) {
      const auto n = static_cast<int>(uniform(rng, 0, kInputs - 1));
      const auto o = static_cast<int>(uniform(rng, 0, kOutputs - 1));
      dut.queue(n, o, static_cast<int>(uniform(rng, 1, 5)));
      ++queued[n][o];
    }
    for (int cycle = 0; cycle < 20000 && !dut.empty(); ++cycle) dut.step(rng, pause);
    REQUIRE(dut.empty());
    std::array<std::array<uint32_t, kOutputs>, kInputs> came{};
    for (int o = 0; o < kOutputs; ++o) {
      const Flit* head = nullptr;
      uint32_t next = 0;
      for (const Flit& flit : dut.out[o]) {
        if (head == nullptr) {
          REQUIRE(flit.head);
          head = &flit;
          next = 0;
        }
        const auto input = flit.payload[0] / 16;
        REQUIRE(flit.payload[0] % 16 == static_cast<uint32_t>(o));
        REQUIRE(flit.payload[0] == head->payload[0]);
        REQUIRE(flit.payload[1] == came[input][o]);
        REQUIRE(flit.payload[2] == next++);
        if (!flit.last) continue;
        ++came[input][o];
        head = nullptr;
      }
    }
    CHECK(came == queued);
  }
}

TEST_CASE("packet_crossbar serves inputs that want one output in turn", "[packet_crossbar]") {
  CrossbarDut dut;
  auto rng = make_rng();
  for (int i = 0; i < 10; ++i) {
    for (int n = 0; n < kInputs; ++n) dut.queue(n, 1, 2);
  }
  for (int cycle = 0; cycle < 200 && !dut.empty(); ++cycle) dut.step(rng, 0);
  REQUIRE(dut.out[1].size() == 80);
  for (std::size_t i = 0; i + 8 <= 80; i += 2) {
    for (std::size_t k = 2; k < 8 && i + k < 80; k += 2)
      CHECK(dut.out[1][i].payload[0] != dut.out[1][i + k].payload[0]);
  }
}

TEST_CASE("packet_crossbar passes packets of different outputs side by side", "[packet_crossbar]") {
  CrossbarDut dut;
  auto rng = make_rng();
  for (int o = 0; o < kOutputs; ++o) dut.queue(o, o, 10);
  for (int cycle = 0; cycle < 10; ++cycle) dut.step(rng, 0);
  CHECK(dut.empty());
}

}  // namespace
