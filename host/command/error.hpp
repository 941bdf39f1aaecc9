// The one exception that Systole throws: what is wrong, where, what was expected, what came
// instead.
//
// main() turns it into one message and an exit code; nothing else catches it to go on.
#pragma once

#include <stdexcept>
#include <string>
#include <utility>

namespace systole {

class Error : public std::runtime_error {
 public:
  // `problem` says what is wrong ("wrong input shape"), `where` names the place: a file, a node, a
  // tensor, an option. `expected` and `got` may be empty.
  Error(std::string problem, std::string where, std::string expected = "", std::string got = "")
      : std::runtime_error(message(problem, where, expected, got)),
        problem_(std::move(problem)),
        where_(std::move(where)),
        expected_(std::move(expected)),
        got_(std::move(got)) {}

  const std::string& problem() const { return problem_; }
  const std::string& where() const { return where_; }
  const std::string& expected() const { return expected_; }
  const std::string& got() const { return got_; }

 private:
  static std::string message(const std::string& problem, const std::string& where,
                             const std::string& expected, const std::string& got) {
    std::string text = where.empty() ? problem : where + ": " + problem;
    if (!expected.empty()) text += ": expected " + expected;
    if (!got.empty()) text += (expected.empty() ? ": got " : ", got ") + got;
    return text;
  }

  std::string problem_;
  std::string where_;
  std::string expected_;
  std::string got_;
};

}  // namespace systole
