// SHA-256 (FIPS 180-4), as `sha256sum` prints it: a hash that anybody can check by hand.
#pragma once

#include <cstddef>
#include <filesystem>
#include <memory>
#include <string>

namespace systole::bundle {

class Sha256 {
 public:
  Sha256();
  Sha256& add(const void* data, std::size_t bytes);
  Sha256& add(const std::string& text) { return add(text.data(), text.size()); }
  /// 64 hexadecimal digits of what has been added; nothing can be added behind it.
  std::string text();

 private:
  struct Free {
    void operator()(void* context) const;
  };
  std::unique_ptr<void, Free> context_;
};

/// What a file holds.
struct FileDigest {
  uint64_t bytes = 0;
  std::string sha256;
};

/// Throws Error when it is not a regular file, or cannot be read.
FileDigest digest_of(const std::filesystem::path& file);

}  // namespace systole::bundle
