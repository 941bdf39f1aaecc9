// A file that is there whole or not at all: written beside its place, then moved there.
#pragma once

#include <fstream>
#include <string>

namespace systole {

class OutputFile {
 public:
  /// Throws Error naming the path when it cannot be written.
  explicit OutputFile(std::string path);
  /// Without commit(), nothing stays.
  ~OutputFile();
  OutputFile(const OutputFile&) = delete;
  OutputFile& operator=(const OutputFile&) = delete;

  std::ostream& stream() { return stream_; }
  /// Throws Error when not all has been written.
  void commit();

 private:
  std::string path_;
  std::string part_;
  std::ofstream stream_;
};

}  // namespace systole
