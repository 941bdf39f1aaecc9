// Functions of binary32 numbers against double precision, and formulas by hand.
#include <catch2/catch.hpp>
#include <cmath>
#include <limits>

#include "host/golden/arith.hpp"
#include "host/golden/real.hpp"
#include "tests/support/seed.hpp"

namespace systole {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();

// How many units in the last place a value is off.
double error_in_ulps(float got, double exact) {
  const auto near = static_cast<float>(std::abs(exact));
  const double ulp = std::nextafter(near, kInfinity) - near;
  return std::abs(static_cast<double>(got) - exact) / ulp;
}

// Calls visit(x) for numbers from -range to range and ever smaller ones.
template <typename Visit>
void for_numbers(float range, Visit visit) {
  for (int i = -200000; i <= 200000; ++i) visit(range * static_cast<float>(i) / 200000.0f);
  for (float x = range; x > 1e-30f; x *= 0.93f) {
    visit(x);
    visit(-x);
  }
}

}  // namespace

TEST_CASE("sigmoid is within 1.25 |x| + 2 units of the last place", "[real]") {
  for_numbers(80.0f, [](float x) {
    const double exact = 1.0 / (1.0 + std::exp(-static_cast<double>(x)));
    if (error_in_ulps(golden::sigmoid(x), exact) > 1.25f * std::abs(x) + 2) {
      FAIL(x << ": " << golden::sigmoid(x) << ", exactly " << exact);
    }
  });
  CHECK(golden::sigmoid(kInfinity) == 1.0f);
  CHECK(golden::sigmoid(-kInfinity) == 0.0f);
  CHECK(golden::sigmoid(0.0f) == 0.5f);
}

TEST_CASE("tanh is within 5 units of the last place, near zero too", "[real]") {
  for_numbers(12.0f, [](float x) {
    if (error_in_ulps(golden::tanh(x), std::tanh(static_cast<double>(x))) > 5) {
      FAIL(x << ": " << golden::tanh(x) << ", exactly " << std::tanh(x));
    }
  });
  CHECK(golden::tanh(kInfinity) == 1.0f);
  CHECK(golden::tanh(-kInfinity) == -1.0f);
  CHECK(golden::tanh(0.0f) == 0.0f);
}

TEST_CASE("a leaky rectifier has its slope on the left only, whatever it is", "[real]") {
  for (const float alpha : {0.01f, 1.0f, -0.5f, 3.0f}) {
    CHECK(golden::leaky_relu(2.5f, alpha) == 2.5f);
    CHECK(golden::leaky_relu(-2.5f, alpha) == -2.5f * alpha);
    CHECK(golden::leaky_relu(0.0f, alpha) == 0.0f);
  }
}

TEST_CASE("hard functions are straight between their corners", "[real]") {
  CHECK(golden::hard_sigmoid(-2.5f, 0.2f, 0.5f) == 0.0f);
  CHECK(golden::hard_sigmoid(0.0f, 0.2f, 0.5f) == 0.5f);
  CHECK(golden::hard_sigmoid(9.0f, 0.2f, 0.5f) == 1.0f);
  CHECK(golden::hard_swish(-3.0f) == 0.0f);
  CHECK(golden::hard_swish(4.0f) == 4.0f);
  CHECK(golden::hard_swish(1.5f) == 1.5f * (1.5f * (1.0f / 6.0f) + 0.5f));
}

TEST_CASE("division is correctly rounded", "[real]") {
  auto rng = test::make_rng(1);
  const auto number = [&rng] {
    const auto value = static_cast<float>(test::uniform(rng, 1, 1 << 24));
    return std::ldexp(test::one_in(rng, 2) ? value : -value,
                      static_cast<int>(test::uniform(rng, -50, 10)));
  };
  for (int i = 0; i < 200000; ++i) {
    const float a = number(), b = number();
    if (golden::divide(a, b) != a / b) FAIL(a << " / " << b << ": " << golden::divide(a, b));
  }
  CHECK(golden::divide(0.0f, 3.0f) == 0.0f);
  CHECK(std::isnan(golden::divide(1.0f, 0.0f)));
}

TEST_CASE("a product of codes adds the zero point before it rounds", "[real]") {
  const graph::Clamp s8{-128, 127};
  const float ratio = golden::multiply_ratio({0.5f, 3}, {0.25f, -1}, {0.25f, 7});
  CHECK(ratio == 0.5f);
  CHECK(golden::multiply(5, 1, ratio, 0, s8) == 2);  // 2.5
  CHECK(golden::multiply(5, 1, ratio, 1, s8) == 4);  // 3.5
  CHECK(golden::multiply(100, 100, ratio, 0, s8) == 127);
}

TEST_CASE("a row's sum takes elements 16 apart first", "[real]") {
  // 2^24 + 1 is no binary32 number: where the ones meet first they count.
  std::vector<float> row(48, 0.0f);
  row[0] = 16777216.0f;
  row[1] = 1.0f;
  row[17] = 1.0f;
  CHECK(golden::row_sum(row) == 16777218.0f);
  row[17] = 0.0f;
  row[16] = 1.0f;
  CHECK(golden::row_sum(row) == 16777216.0f);
  CHECK(golden::row_sum({3.5f}) == 3.5f);
  CHECK(golden::row_mean({1.0f, 2.0f, 4.5f}, graph::RowOrder::Packets, 3, 0) == 2.5f);
}

TEST_CASE("means add in ONNX Runtime's order, which depends on where a row begins", "[real]") {
  using graph::RowOrder;
  // Ones that meet before they meet 2^24 count.
  const auto sum = [](const std::vector<std::size_t>& ones, RowOrder order, int64_t row) {
    std::vector<float> v(9, 0.0f);
    v[3] = 16777216.0f;
    for (const std::size_t i : ones) v[i] = 1.0f;
    return golden::row_mean(v, order, 1, row) - 16777216.0f;
  };
  CHECK(sum({0, 4}, RowOrder::Packets, 0) == 2.0f);  // one lane
  CHECK(sum({0, 1}, RowOrder::Packets, 0) == 0.0f);  // one meets lane 3
  CHECK(sum({0, 2}, RowOrder::Packets, 0) == 2.0f);  // lanes 0 and 2
  CHECK(sum({0, 4}, RowOrder::Packets, 1) == 0.0f);  // begins at 9: elements 3 to 6 are a packet
  CHECK(sum({0, 1}, RowOrder::Sequence, 0) == 2.0f);
  CHECK(sum({4, 5}, RowOrder::Sequence, 0) == 0.0f);
  CHECK(sum({4, 5}, RowOrder::Fours, 0) == 2.0f);
  CHECK(sum({7, 8}, RowOrder::Fours, 0) == 0.0f);
}

TEST_CASE("softmax is within 1.25 |x - max| + 3 units of the last place", "[real]") {
  auto rng = test::make_rng(2);
  for (const int width : {1, 2, 10, 16, 17, 100, 1000}) {
    std::vector<float> row;
    for (int i = 0; i < width; ++i) {
      row.push_back(static_cast<float>(test::uniform(rng, -20000, 20000)) / 1024.0f);
    }
    const float highest = *std::max_element(row.begin(), row.end());
    double sum = 0;
    for (const float x : row) sum += std::exp(static_cast<double>(x) - highest);
    const auto y = golden::softmax(row, golden::softmax_scale(1.0f));
    for (size_t i = 0; i < row.size(); ++i) {
      const double exact = std::exp(static_cast<double>(row[i]) - highest) / sum;
      if (error_in_ulps(y[i], exact) > 1.25f * std::abs(row[i] - highest) + 3) {
        FAIL("width " << width << ", x " << row[i] << ": " << y[i] << ", exactly " << exact);
      }
    }
  }
}

TEST_CASE("softmax of large numbers does not overflow", "[real]") {
  const auto y = golden::softmax({10000.0f, 10001.0f, -kInfinity}, golden::softmax_scale(1.0f));
  CHECK(y[0] == Approx(0.268941));
  CHECK(y[1] == Approx(0.731059));
  CHECK(y[2] == 0.0f);
}

}  // namespace systole
