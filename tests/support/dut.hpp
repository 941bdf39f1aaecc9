// A Verilated module under test: clock, reset, waiting with a bound, tracing.
#pragma once

#include <fmt/format.h>
#include <verilated.h>
#include <verilated_fst_c.h>

#include <cstdint>
#include <cstdlib>
#include <memory>
#include <stdexcept>
#include <string>

#include "tests/support/seed.hpp"
#include "tests/support/verilated_hooks.hpp"

namespace systole::test {

/// A wait that ran out of cycles.
struct Timeout : std::runtime_error {
  using std::runtime_error::runtime_error;
};

/// Path of the next trace file, empty when TRACE is not set. The first model of a run takes the
/// path itself, the following ones insert a number.
inline std::string next_trace_path() {
  static int count = 0;
  const char* text = std::getenv("TRACE");
  if (!text || !*text) return {};
  std::string path = text;
  if (count++ == 0) return path;
  const size_t dot = path.rfind('.');
  const size_t at = dot == std::string::npos ? path.size() : dot;
  return path.substr(0, at) + fmt::format(".{}", count - 1) + path.substr(at);
}

/// Model has the ports clk_i and rst_ni. A cycle is: set inputs, `settle()` to look at
/// combinational outputs, `tick()`. After `tick()` outputs show the new state with the inputs as
/// they are.
///
/// An RTL assertion that fails throws AssertionFailed out of `tick()` or `settle()`.
template <class Model>
class Dut {
 public:
  /// `max_cycles` bounds the whole life of this object: tick() beyond it throws Timeout.
  explicit Dut(uint64_t max_cycles = 1'000'000) : max_cycles_(max_cycles) {
    context_->traceEverOn(true);
    context_->randReset(2);
    context_->randSeed(static_cast<int>(seed() & 0x7fffffff));
    model_ = std::make_unique<Model>(context_.get(), "dut");
    const std::string path = next_trace_path();
    if (!path.empty()) {
      trace_ = std::make_unique<VerilatedFstC>();
      model_->trace(trace_.get(), 99);
      trace_->open(path.c_str());
    }
  }

  ~Dut() {
    if (trace_) trace_->close();
  }

  Dut(const Dut&) = delete;
  Dut& operator=(const Dut&) = delete;

  Model* operator->() { return model_.get(); }
  Model& operator*() { return *model_; }

  /// Holds rst_ni low for `cycles` cycles, then releases it. Set inputs to their idle values
  /// before.
  void reset(int cycles = 3) {
    model_->rst_ni = 0;
    for (int i = 0; i < cycles; ++i) tick();
    model_->rst_ni = 1;
    settle();
  }

  /// The low phase of the clock: combinational outputs and latches follow the inputs.
  void settle() {
    model_->clk_i = 0;
    model_->eval();
  }

  /// One clock cycle: low phase, then the rising edge.
  void tick() { gated_tick(true); }

  /// A cycle behind a clock gate: without `enabled` the edge does not come.
  void gated_tick(bool enabled) {
    if (cycle_ >= max_cycles_) {
      throw Timeout(fmt::format("the test has run for its bound of {} cycles", max_cycles_));
    }
    settle();
    dump(2 * cycle_);
    model_->clk_i = enabled;
    model_->eval();
    dump(2 * cycle_ + 1);
    ++cycle_;
    context_->time(cycle_);
  }

  void ticks(uint64_t count) {
    for (uint64_t i = 0; i < count; ++i) tick();
  }

  /// Cycles since construction.
  uint64_t cycle() const { return cycle_; }

  /// Ticks until `done()` holds in a settled cycle; throws Timeout that names `what` after `bound`
  /// cycles.
  template <class Predicate>
  void wait_until(Predicate done, uint64_t bound, const std::string& what) {
    const uint64_t start = cycle_;
    for (settle(); !done(); settle()) {
      if (cycle_ - start >= bound) {
        throw Timeout(fmt::format("waited {} cycles for {}", bound, what));
      }
      tick();
    }
  }

 private:
  void dump(uint64_t time) {
    if (trace_) trace_->dump(time);
  }

  uint64_t max_cycles_;
  uint64_t cycle_ = 0;
  std::unique_ptr<VerilatedContext> context_ = std::make_unique<VerilatedContext>();
  std::unique_ptr<Model> model_;
  std::unique_ptr<VerilatedFstC> trace_;
};

}  // namespace systole::test
