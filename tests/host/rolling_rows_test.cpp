// Rows that roll: who is where, when.
#include <catch2/catch.hpp>
#include <map>
#include <set>

#include "host/compile/rolling_rows.hpp"

using namespace systole;
using compile::RollingRows;

namespace {

struct Case {
  int64_t rows, chunks, slots, sweep;
};

template <typename Body>
void for_each_case(Body body) {
  for (const int64_t rows : {24, 37, 64, 101}) {
    for (const int64_t chunks : {1, 2, 3}) {
      for (const int64_t slots : {2, 3, 8}) {
        for (const int64_t sweep : {8, 11}) {
          INFO(rows << " rows, " << chunks << " chunks, " << slots << " slots, " << sweep
                    << " groups");
          body(Case{rows, chunks, slots, sweep}, RollingRows(rows, {chunks, slots}, sweep));
        }
      }
    }
  }
}

}  // namespace

TEST_CASE("every row meets every group once, and is there before", "[compile]") {
  for_each_case([](const Case& c, const RollingRows& rolling) {
    std::map<int64_t, std::set<int64_t>> met;  // groups, by row
    std::map<int64_t, int64_t> came;           // steps, by row
    int64_t uses = 0;
    for (int64_t step = 0; step < rolling.steps(); ++step) {
      for (const RollingRows::Part& part : rolling.coming(step)) {
        for (int64_t row = part.row; row < part.row + part.rows; ++row)
          CHECK(came.emplace(row, step).second);
      }
      const auto parts = rolling.used(step);
      CHECK_FALSE(parts.empty());
      for (const RollingRows::Part& part : parts) {
        CHECK(part.enters <= step);
        CHECK(step < part.leaves);
        for (int64_t row = part.row; row < part.row + part.rows; ++row, ++uses) {
          CHECK(came.count(row) == 1);
          met[row].insert(step % c.sweep);
        }
      }
    }
    CHECK(static_cast<int64_t>(met.size()) == c.rows);
    CHECK(met.rbegin()->first == c.rows - 1);
    CHECK(uses == c.rows * c.sweep);
    for (const auto& [row, groups] : met) CHECK(static_cast<int64_t>(groups.size()) == c.sweep);
  });
}

TEST_CASE("no two rows are in one place at a time", "[compile]") {
  for_each_case([](const Case&, const RollingRows& rolling) {
    for (int64_t step = 0; step < rolling.steps(); ++step) {
      std::set<std::pair<int64_t, int64_t>> held;  // place, row
      for (const auto& parts : {rolling.used(step), rolling.coming(step)}) {
        for (const RollingRows::Part& part : parts) {
          for (int64_t i = 0; i < part.rows; ++i) held.emplace(part.place + i, part.row + i);
        }
      }
      std::set<int64_t> places;
      for (const auto& [place, row] : held) {
        CHECK(place < rolling.held());
        CHECK(places.insert(place).second);
      }
    }
  });
}

TEST_CASE("a step has all rows but those of one slot, when all slots have begun", "[compile]") {
  for_each_case([](const Case& c, const RollingRows& rolling) {
    if (c.slots > c.sweep) return;
    const int64_t begun = c.slots - 1;
    for (int64_t step = begun; step < rolling.steps() - begun; ++step)
      CHECK(static_cast<int64_t>(rolling.used(step).size()) >= c.slots - 1);
  });
}
