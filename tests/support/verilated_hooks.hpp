// What a Verilated model does when an assertion fails: it throws, so that a test can go red, or
// prove that it would.
#pragma once

#include <stdexcept>

namespace systole::test {

/// An RTL assertion, $error, $fatal or $stop, with its place. The model is not usable afterwards.
struct AssertionFailed : std::runtime_error {
  using std::runtime_error::runtime_error;
};

}  // namespace systole::test
