// What most tests include, parsed once.
#include <fmt/format.h>
#include <verilated.h>
#include <verilated_fst_c.h>

#include <array>
#include <catch2/catch.hpp>
#include <cstdint>
#include <cstdlib>
#include <deque>
#include <functional>
#include <memory>
#include <random>
#include <stdexcept>
#include <string>
#include <vector>
