// The error of a file or a stream that takes no more.
#pragma once

#include <cstring>
#include <string>

#include "host/command/error.hpp"

namespace systole {

/// `number` is the errno that says why, 0: nobody knows.
inline Error unwritable(const std::string& where, int number) {
  std::string problem = "cannot be written";
  if (number != 0) problem += std::string(": ") + std::strerror(number);
  return {problem, where};
}

}  // namespace systole
