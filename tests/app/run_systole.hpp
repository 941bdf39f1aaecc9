// build/systole as a user runs it, for tests of its command line.
#pragma once

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <sys/wait.h>

#include <algorithm>
#include <catch2/catch.hpp>
#include <cstdlib>
#include <fstream>
#include <string>
#include <vector>

namespace systole::test {

struct Outcome {
  int status = -1;
  std::string out;
  std::string err;
};

inline std::string read_text(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

/// Runs build/systole with its output in files of `scratch`, a folder; no word may hold a quote.
inline Outcome run_systole(const std::string& scratch, const std::vector<std::string>& words) {
  std::string command = "build/systole";
  for (const std::string& word : words) command += " '" + word + "'";
  const std::string out = scratch + "stdout", err = scratch + "stderr";
  const int status = std::system((command + " >" + out + " 2>" + err + " </dev/null").c_str());
  return {WIFEXITED(status) ? WEXITSTATUS(status) : 128, read_text(out), read_text(err)};
}

inline std::vector<std::string> joined(std::vector<std::string> words,
                                       const std::vector<std::string>& more) {
  words.insert(words.end(), more.begin(), more.end());
  return words;
}

/// A refusal: status 2, one line on stderr that holds all of `parts`, no verdict.
inline void check_refused(const std::string& scratch, const std::vector<std::string>& words,
                          const std::vector<std::string>& parts) {
  const Outcome outcome = run_systole(scratch, words);
  CAPTURE(fmt::format("{}", fmt::join(words, " ")));
  CHECK(outcome.status == 2);
  CHECK(outcome.out.empty());
  CHECK_THAT(outcome.err, Catch::Matchers::StartsWith("systole: "));
  CHECK(std::count(outcome.err.begin(), outcome.err.end(), '\n') == 1);
  for (const std::string& part : parts) CHECK_THAT(outcome.err, Catch::Contains(part));
}

}  // namespace systole::test
