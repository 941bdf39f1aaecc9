#include "host/compile/fit.hpp"

#include <array>

namespace systole::compile {
namespace {

struct Limit {
  uint32_t resident, homes;  // KiB
};
constexpr std::size_t kAlone = 1;  // of them for stages only
constexpr std::array<Limit, 7> kLimits = {
    {{176, 24}, {144, 96}, {96, 64}, {64, 42}, {32, 21}, {12, 8}, {0, 0}}};

}  // namespace

Fit::Fit(const Budget& start, bool alone) : start_(start), limit_(alone ? 0 : kAlone) { reset(); }

bool Fit::shrink() {
  if (++limit_ == kLimits.size()) return false;
  reset();
  return true;
}

bool Fit::meets(const Needs& needs, bool records_in_dram) {
  if (limit_ < kAlone && (needs.more_homes || needs.program > kMaxProgram)) {
    shrink();
    return false;
  }
  const bool fits = needs.program <= budget_.program &&
                    (!records_in_dram || needs.records <= budget_.record_base);
  const bool exact = needs.resident == budget_.resident && needs.homes == budget_.homes;
  const bool in_steps = needs.record_steps == budget_.record_steps;
  too_long_ = budget_.page_commands == 0 && exact && needs.program > kMaxProgram;
  if (fits && in_steps && (exact || round_ >= 5)) return true;
  // Constants first: what they leave free changes the rest. Then a little more than needed for
  // commands, since less memory for data may mean more of them.
  if (exact && needs.program > budget_.program) budget_.program = needs.program + 512;
  budget_.record_steps = needs.record_steps;
  budget_.resident = needs.resident;
  budget_.homes = needs.homes;
  if (records_in_dram) budget_.record_base = needs.records;
  ++round_;
  return false;
}

void Fit::reset() {
  budget_ = start_;
  budget_.program = 8 * 1024;
  budget_.resident = kLimits[limit_].resident * 1024;
  budget_.homes = kLimits[limit_].homes * 1024;
  round_ = 0;
}

}  // namespace systole::compile
