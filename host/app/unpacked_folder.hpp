// A folder that is filled beside its place, and moved there when all is well.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace systole::app {

class UnpackedFolder {
 public:
  /// Makes an empty folder beside `place`. Throws Error naming the place when that cannot be done,
  /// or when there is something that only its owner may remove: neither an empty folder nor one
  /// that has been unpacked.
  explicit UnpackedFolder(std::filesystem::path place);
  /// Removes what has not been kept.
  ~UnpackedFolder();
  UnpackedFolder(const UnpackedFolder&) = delete;
  UnpackedFolder& operator=(const UnpackedFolder&) = delete;

  const std::filesystem::path& path() const { return path_; }
  /// Moves it to its place; what has been there gives way. Throws Error when that cannot be done,
  /// and all is as it was.
  void move();
  /// It stays.
  void keep() { kept_ = true; }

 private:
  void remove() const;
  [[noreturn]] void fail(const std::string& why) const;

  std::filesystem::path place_;
  std::filesystem::path path_;
  std::vector<std::filesystem::path> made_;  // folders above it, the deepest first
  bool kept_ = false;
};

}  // namespace systole::app
