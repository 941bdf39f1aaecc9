// Models and recordings that do not come with the project: $SYSTOLE_DATA, by default
// ../shared/data.
#pragma once

#include <cstdlib>
#include <filesystem>
#include <iostream>
#include <optional>
#include <string>

namespace systole::test {

/// The folder of that name there. Says so and gives none when it is not there.
inline std::optional<std::filesystem::path> data_folder(const std::string& folder) {
  const char* given = std::getenv("SYSTOLE_DATA");
  const auto path = std::filesystem::path(given != nullptr ? given : "../shared/data") / folder;
  if (std::filesystem::is_directory(path)) return path;
  std::cout << "skipped: no " << path.string() << " (set SYSTOLE_DATA)" << std::endl;
  return std::nullopt;
}

}  // namespace systole::test
