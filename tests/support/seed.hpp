// Seeds of random tests: printed, and taken from the environment, so that a failure can be
// repeated.
#pragma once

#include <cstdint>
#include <cstdlib>
#include <iostream>
#include <random>
#include <string>

namespace systole::test {

/// The seed of this run: SEED from the environment, `random` for a new one, else 1. Printed once.
inline uint64_t seed() {
  static const uint64_t value = [] {
    const char* text = std::getenv("SEED");
    const std::string given = text ? text : "";
    uint64_t chosen = 1;
    if (given == "random") {
      chosen = std::random_device{}();
    } else if (!given.empty()) {
      chosen = std::stoull(given);
    }
    std::cout << "SEED=" << chosen << std::endl;
    return chosen;
  }();
  return value;
}

/// A generator for one test; `stream` tells several of one run apart.
inline std::mt19937_64 make_rng(uint64_t stream = 0) {
  std::seed_seq sequence{seed(), stream};
  return std::mt19937_64(sequence);
}

/// Uniform in [low, high].
template <class Rng>
int64_t uniform(Rng& rng, int64_t low, int64_t high) {
  return std::uniform_int_distribution<int64_t>(low, high)(rng);
}

/// True once in `n` on average.
template <class Rng>
bool one_in(Rng& rng, int64_t n) {
  return uniform(rng, 1, n) == 1;
}

}  // namespace systole::test
