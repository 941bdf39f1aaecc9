#include "host/command/output_file.hpp"

#include <cerrno>
#include <cstdio>
#include <filesystem>

#include "host/command/error.hpp"
#include "host/command/unwritable.hpp"

namespace systole {
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
  if (!stream_) throw unwritable(path_, errno);
}

OutputFile::~OutputFile() {
  if (part_ != path_) std::remove(part_.c_str());
}

void OutputFile::commit() {
  const bool whole = stream_.good();
  // A write that failed before says why when it is tried again.
  stream_.clear();
  errno = 0;
  if (!whole) stream_.put('\0');
  stream_.close();
  if (!whole || !stream_) throw unwritable(path_, errno);
  if (part_ != path_ && std::rename(part_.c_str(), path_.c_str()) != 0)
    throw unwritable(path_, errno);
}

}  // namespace systole
