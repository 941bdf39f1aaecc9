#include "host/bundle/bundle.hpp"

#include <fmt/format.h>

#include <fstream>
#include <iterator>

#include "host/bundle/tar_file.hpp"
#include "host/command/error.hpp"
#include "host/command/shell_word.hpp"

namespace systole::bundle {
namespace {

namespace fs = std::filesystem;

const std::string kRepeat = "repeat: ";

std::string read_text(const fs::path& file) {
  std::ifstream in(file, std::ios::binary);
  if (!in) throw Error("can't open file", file.string());
  return {std::istreambuf_iterator<char>(in), {}};
}

/// A member for a file that the run read; the record gets the member's name.
Member take_in(RecordedFile& file, const std::string& name) {
  const FileDigest now = digest_of(file.path);
  if (now.sha256 != file.digest.sha256)
    throw Error("has changed since the run", file.path, "SHA-256 " + file.digest.sha256,
                now.sha256);
  const Member member{name, "", file.path};
  file.path = name;
  return member;
}

std::string name_of(const RecordedFile& file) {
  return plain_name(fs::path(file.path).filename().string());
}

/// The explanation with another command to have the failure again.
std::string with_repeat(const std::string& explanation, const std::vector<std::string>& words) {
  const std::size_t at = explanation.rfind("\n" + kRepeat);
  const std::size_t end = at == std::string::npos ? explanation.size() : at + 1;
  return explanation.substr(0, end) + kRepeat + command_line(words) + "\n";
}

/// Throws unless the member that the record names is there and is the file that the run read.
void lead_into(const fs::path& folder, const std::map<std::string, FileDigest>& files,
               RecordedFile& file, const std::string& bundle) {
  const auto found = files.find(file.path);
  if (found == files.end()) throw Error("a file is missing", bundle + ": " + file.path);
  if (found->second.sha256 != file.digest.sha256)
    throw Error("not the file that the run read", bundle + ": " + file.path,
                "SHA-256 " + file.digest.sha256, found->second.sha256);
  file.path = (folder / file.path).string();
}

}  // namespace

FailureRecord read_record(const fs::path& folder) {
  const fs::path file = folder / kRecord;
  if (!fs::is_regular_file(file))
    throw Error("not an explanation", folder.string(),
                fmt::format("a folder that a failed run has written, with {}", kRecord));
  return parse_record(read_text(file), file.string());
}

void pack(const fs::path& folder, const std::string& bundle) {
  FailureRecord record = read_record(folder);
  record.repeat = {"systole", "replay", fs::path(bundle).filename().string()};
  std::vector<Member> members;
  members.push_back(
      {kExplanation, with_repeat(read_text(folder / kExplanation), record.repeat), {}});
  for (const char* name : {kCommands, kWaves, kView, kCheckpoint}) {
    if (name != kCheckpoint || record.checkpoint > 0) members.push_back({name, "", folder / name});
  }
  members.push_back(take_in(record.model, "model/" + name_of(record.model)));
  for (std::size_t i = 0; i < record.inputs.size(); ++i) {
    RecordedFile& file = record.inputs[i].file;
    members.push_back(take_in(file, fmt::format("inputs/{}_{}", i, name_of(file)).substr(0, 100)));
  }
  members.push_back(take_in(record.firmware, "firmware/" + name_of(record.firmware)));
  members.push_back({kRecord, to_json(record), {}});
  const fs::path named = fs::absolute(folder).lexically_normal();
  const fs::path last = named.has_filename() ? named : named.parent_path();
  write_tar(bundle, plain_name(last.filename().string()), members);
}

FailureRecord unpack(const std::string& bundle, const fs::path& folder) {
  const auto files = read_tar(bundle, folder);
  for (const char* name : {kExplanation, kCommands, kWaves, kView, kRecord}) {
    if (files.count(name) == 0) throw Error("a file is missing", bundle + ": " + name);
  }
  FailureRecord record = parse_record(read_text(folder / kRecord), bundle + ": " + kRecord);
  if (record.checkpoint > 0 && files.count(kCheckpoint) == 0)
    throw Error("a file is missing", bundle + ": " + kCheckpoint);
  lead_into(folder, files, record.model, bundle);
  for (RecordedInput& input : record.inputs) lead_into(folder, files, input.file, bundle);
  lead_into(folder, files, record.firmware, bundle);
  return record;
}

}  // namespace systole::bundle
