#include "host/driver/build_folder.hpp"

#include <cstdlib>

namespace systole {

std::filesystem::path built_file(const std::filesystem::path& path) {
  if (const char* folder = std::getenv("SYSTOLE_BUILD")) return folder / path;
  std::error_code error;
  auto folder = std::filesystem::read_symlink("/proc/self/exe", error).parent_path();
  for (; folder.has_relative_path(); folder = folder.parent_path()) {
    if (std::filesystem::exists(folder / path)) return folder / path;
  }
  return "build" / path;
}

}  // namespace systole
