#include "host/report/pattern.hpp"

#include <fmt/format.h>

#include <iterator>
#include <set>
#include <vector>

#include "host/command/loop_nest.hpp"

namespace systole::report {
namespace {

constexpr std::size_t kMostLooked = 8192;  // wrong elements that are taken apart
constexpr std::size_t kFew = 4;            // values that are worth listing

/// "3 only", "0..3 of 8", "every one of 8", "every 2nd from 1 of 8".
std::string values_text(const std::set<int64_t>& values, int64_t extent) {
  const auto count = static_cast<int64_t>(values.size());
  if (count == extent) return fmt::format(" every one of {}", extent);
  const int64_t first = *values.begin(), last = *values.rbegin();
  if (count == 1) {
    const char* which = first == extent - 1 ? ", the last" : first == 0 ? ", the first" : "";
    return fmt::format("={} only{} of {}", first, which, extent);
  }
  if (last - first == count - 1) return fmt::format("={}..{} of {}", first, last, extent);
  const int64_t step = *std::next(values.begin()) - first;
  int64_t at = first;
  bool steps = count > 2;
  for (const int64_t value : values) steps = steps && value == at, at += step;
  if (steps && last + step >= extent)
    return fmt::format(" every {}th from {} of {}", step, first, extent);
  if (values.size() > kFew) return fmt::format(" {} of {} values", count, extent);
  std::string text = "=";
  for (const int64_t value : values) text += fmt::format("{}{}", text == "=" ? "" : ",", value);
  return text + fmt::format(" of {}", extent);
}

}  // namespace

std::string pattern_text(const golden::Mismatch& m) {
  const std::vector<int64_t> extents = extents_of(m.words);
  if (m.wrong.size() < 2 || m.wrong.size() > kMostLooked || extents.empty()) return "";
  std::vector<std::set<int64_t>> values(extents.size());
  std::vector<std::string> names(extents.size());
  for (const uint64_t element : m.wrong) {
    const Iteration iteration = iteration_of(m.words, element);
    if (iteration.size() != extents.size()) return "";
    for (std::size_t v = 0; v < iteration.size(); ++v) {
      names[v] = iteration[v].first;
      values[v].insert(iteration[v].second);
    }
  }
  std::string text;
  std::size_t box = 1;
  for (std::size_t v = 0; v < extents.size(); ++v) {
    box *= values[v].size();
    if (extents[v] < 2) continue;
    text += (text.empty() ? "" : ", ") + names[v] + values_text(values[v], extents[v]);
  }
  if (text.empty()) return text;
  return text + (box == m.wrong.size() ? ": all of these"
                                       : fmt::format(": {} of these {}", m.wrong.size(), box));
}

}  // namespace systole::report
