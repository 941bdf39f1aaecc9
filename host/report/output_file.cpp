#include "host/report/output_file.hpp"

#include <cstdio>
#include <filesystem>

#include "host/command/error.hpp"

namespace systole::report {
namespace {

/// Devices and pipes take the text as it comes.
std::string beside(const std::string& path) {
  const auto status = std::filesystem::status(path);
  const bool special = std::filesystem::exists(status) && !std::filesystem::is_regular_file(status);
  return special ? path : path + ".part";
}

}  // namespace

OutputFile::OutputFile(std::string path)
    : path_(std::move(path)), part_(beside(path_)), stream_(part_, std::ios::binary) {
  // A folder that takes no new file may still hold one that can be overwritten.
  if (!stream_ && part_ != path_) part_ = path_, stream_.open(path_, std::ios::binary);
  if (!stream_) throw Error("cannot be written", path_);
}

OutputFile::~OutputFile() {
  if (part_ != path_) std::remove(part_.c_str());
}

void OutputFile::commit() {
  stream_.close();
  const bool moved = part_ == path_ || std::rename(part_.c_str(), path_.c_str()) == 0;
  if (!stream_ || !moved) throw Error("cannot be written", path_);
}

}  // namespace systole::report
