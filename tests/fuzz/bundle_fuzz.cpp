// libFuzzer: bundles, and the records in them. The archive is zipped here, so that mutants reach
// what stands behind the checksum.
#include <unistd.h>
#include <zlib.h>

#include <cstdlib>
#include <filesystem>
#include <string>

#include "host/bundle/failure_record.hpp"
#include "host/bundle/tar_file.hpp"
#include "tests/host/untrusted_model.hpp"

using namespace systole;
namespace fs = std::filesystem;

namespace {

constexpr bundle::Limits kLimits = {1 << 20, 20};

/// Removed at the end.
struct Scratch {
  fs::path folder = fs::temp_directory_path() / ("bundle_fuzz." + std::to_string(::getpid()));
  Scratch() { fs::create_directories(folder); }
  ~Scratch() { fs::remove_all(folder); }
};

void zip(const fs::path& file, const std::string& bytes) {
  gzFile out = gzopen(file.c_str(), "wb1");
  gzwrite(out, bytes.data(), static_cast<unsigned>(bytes.size()));
  gzclose(out);
}

void read(const fs::path& file, const fs::path& into) {
  try {
    bundle::read_tar(file.string(), into, kLimits);
  } catch (const Error& error) {
    test::require_place(error);
  }
  // Whatever it was, nothing lies beside the folder.
  for (const auto& entry : fs::directory_iterator(file.parent_path())) {
    if (entry.path() != file && entry.path() != into)
      throw std::logic_error("written outside: " + entry.path().string());
  }
  fs::remove_all(into);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, std::size_t size) {
  static const Scratch scratch;
  const std::string bytes(reinterpret_cast<const char*>(data), size);
  if (!bytes.empty() && bytes[0] == '{') {
    try {
      const bundle::FailureRecord record = bundle::parse_record(bytes, "run.json");
      const std::string text = bundle::to_json(record);
      if (bundle::to_json(bundle::parse_record(text, "run.json")) != text)
        throw std::logic_error("a record is not what was written");
    } catch (const Error& error) {
      test::require_place(error);
    }
    return 0;
  }
  const fs::path file = scratch.folder / "bundle.tar.gz", into = scratch.folder / "into";
  fs::create_directories(into);
  zip(file, bytes);
  read(file, into);
  return 0;
}
