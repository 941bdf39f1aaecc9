#include "host/app/show.hpp"

#include <fmt/format.h>

#include <filesystem>
#include <fstream>
#include <iterator>

#include "host/bundle/bundle.hpp"
#include "host/command/error.hpp"
#include "host/command/shell_word.hpp"

namespace systole::app {
namespace {

namespace fs = std::filesystem;

const std::string kFolder = "build/explain";

/// Of the folders that failed runs have written.
std::string newest() {
  fs::path found;
  fs::file_time_type time{};
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(kFolder, error)) {
    const fs::path record = entry.path() / bundle::kRecord;
    if (!fs::is_regular_file(record, error)) continue;
    const auto written = fs::last_write_time(record, error);
    if (!found.empty() && written < time) continue;
    found = entry.path();
    time = written;
  }
  if (found.empty())
    throw Error("no explanation", kFolder, "a folder that a failed run has written");
  return found.string();
}

std::string explanation_of(const std::string& folder) {
  const fs::path file = fs::path(folder) / bundle::kExplanation;
  std::ifstream in(file, std::ios::binary);
  if (!in) throw Error("can't open file", file.string());
  return {std::istreambuf_iterator<char>(in), {}};
}

}  // namespace

void pack(const std::string& folder, const std::string& file) {
  bundle::pack(folder, file);
  std::error_code special;
  const auto bytes = fs::is_regular_file(file, special) ? fs::file_size(file, special) : 0;
  fmt::print(stderr, "  bundled    {} ({:.1f} MiB)\n  replay     systole replay {}\n", file,
             static_cast<double>(bytes) / (1 << 20), quoted(file));
}

int show(const ExplainOptions& options) {
  const std::string folder = options.folder.empty() ? newest() : options.folder;
  const bundle::FailureRecord record = bundle::read_record(folder);
  if (options.bundle.empty()) {
    fmt::print("{}", explanation_of(folder));
  } else {
    fmt::print(stderr, "  explained  {}: {}\n", folder, bundle::one_line(record.failure));
    pack(folder, options.bundle);
  }
  return 0;
}

}  // namespace systole::app
