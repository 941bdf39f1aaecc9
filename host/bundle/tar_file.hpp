// A folder of files as one .tar.gz, which any `tar` opens: all files stand in one folder of the
// archive. Who reads one trusts nothing that it says.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "host/bundle/sha256.hpp"

namespace systole::bundle {

/// The last file of an archive: a line for each other one, as `sha256sum` writes and checks them.
constexpr const char* kManifest = "MANIFEST.sha256";

/// What goes into an archive: a text, or what a file holds when its path is not empty.
struct Member {
  std::string name;  // "run.json", "inputs/0_images.npy"
  std::string text;
  std::filesystem::path file;
};

/// What an archive may ask for when it is read. An archive of more is not written.
struct Limits {
  uint64_t bytes = uint64_t{8} << 30;  // of all files together
  std::size_t members = 10000;
};

/// A word of which a file's name can be made: other characters than letters, digits, '_', '-' and
/// '.' become '_', a '.' at the beginning too; of a long word the last 100 are kept.
std::string plain_name(const std::string& text);

/// Writes the members, and behind them the manifest. The same members are the same bytes: the
/// archive holds no times and no owners. `path` is there whole or not at all. Throws Error when it
/// cannot be written, a file cannot be read, or the limits are passed.
void write_tar(const std::string& path, const std::string& folder,
               const std::vector<Member>& members, const Limits& limits = {});

/// Writes the archive's files into a folder, which exists and is empty, and returns their digests
/// by name: those of the manifest, each checked. Throws Error naming the archive, and the file in
/// it, when it is no archive, cut short or changed, when a file lacks or comes twice, stands
/// elsewhere than in the folder, is a link or a device, or when the limits are passed. What has
/// been written until then is the caller's to remove.
std::map<std::string, FileDigest> read_tar(const std::string& path,
                                           const std::filesystem::path& into,
                                           const Limits& limits = {});

}  // namespace systole::bundle
