#include "tests/support/verilated_hooks.hpp"

#include <fmt/format.h>
#include <verilated.h>

// Names and signatures are Verilator's (VL_USER_STOP, VL_USER_FATAL).
void vl_stop(const char* filename, int linenum, const char* hier) VL_MT_UNSAFE {
  throw systole::test::AssertionFailed(
      fmt::format("{}:{}: assertion failed or $stop in {}", filename, linenum, hier));
}

void vl_fatal(const char* filename, int linenum, const char* hier, const char* msg) VL_MT_UNSAFE {
  throw systole::test::AssertionFailed(
      fmt::format("{}:{}: {} in {}", filename, linenum, msg, hier));
}
