#include "sim/checkpoint.hpp"

#include <elf.h>
#include <fmt/format.h>
#include <link.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <iterator>
#include <sstream>

#include "host/command/digest.hpp"
#include "host/command/error.hpp"

namespace systole::sim {
namespace {

const std::string kMagic = "SYSTOLE-CHECKPOINT-1\n";
const std::string kWanted = "a whole checkpoint, as --checkpoint-every writes it";

/// The bytes of the build ID among the notes at `at`, as hexadecimal digits.
std::string build_id_note(const char* at, const char* end) {
  const auto aligned = [](std::size_t bytes) { return (bytes + 3) / 4 * 4; };
  while (at + sizeof(ElfW(Nhdr)) <= end) {
    ElfW(Nhdr) note;
    std::memcpy(&note, at, sizeof note);
    const char* name = at + sizeof note;
    const char* data = name + aligned(note.n_namesz);
    if (note.n_type == NT_GNU_BUILD_ID && note.n_namesz == 4 && std::memcmp(name, "GNU", 4) == 0) {
      std::string text;
      for (std::size_t i = 0; i < note.n_descsz; ++i)
        text += fmt::format("{:02x}", static_cast<unsigned char>(data[i]));
      return text;
    }
    at = data + aligned(note.n_descsz);
  }
  return "";
}

struct Search {
  uintptr_t inside;  // an address of the object looked for
  std::string found;
};

/// Called for every loaded object; nonzero ends the walk.
int look_into(dl_phdr_info* object, std::size_t, void* data) {
  auto& search = *static_cast<Search*>(data);
  bool ours = false;
  std::string id;
  for (int i = 0; i < object->dlpi_phnum; ++i) {
    const ElfW(Phdr)& part = object->dlpi_phdr[i];
    const uintptr_t begin = object->dlpi_addr + part.p_vaddr;
    const uintptr_t end = begin + part.p_memsz;
    if (part.p_type == PT_LOAD) ours |= search.inside >= begin && search.inside < end;
    if (part.p_type == PT_NOTE && id.empty())
      id = build_id_note(reinterpret_cast<const char*>(begin), reinterpret_cast<const char*>(end));
  }
  if (ours) search.found = id;
  return ours ? 1 : 0;
}

std::string checked(const std::string& text) { return text + Digest().add(text).text(); }

void replace_file(const std::string& file, const std::string& bytes) {
  const std::string partial = file + ".partial";
  errno = 0;
  std::ofstream out(partial, std::ios::binary);
  out << bytes;
  out.close();
  if (out && std::rename(partial.c_str(), file.c_str()) == 0) return;
  const int number = errno;
  std::remove(partial.c_str());
  throw Error(fmt::format("cannot write the checkpoint: {}", std::strerror(number)), file);
}

/// What lies between the magic word and the digest.
std::string read_body(const std::string& file) {
  std::ifstream in(file, std::ios::binary);
  if (!in) throw Error("cannot read the checkpoint", file);
  const std::string bytes{std::istreambuf_iterator<char>(in), {}};
  constexpr std::size_t kDigits = 16;
  if (bytes.compare(0, kMagic.size(), kMagic) != 0)
    throw Error("not a checkpoint", file, kWanted, "a file that begins otherwise");
  if (bytes.size() < kMagic.size() + kDigits ||
      checked(bytes.substr(0, bytes.size() - kDigits)) != bytes)
    throw Error("the checkpoint is damaged", file, kWanted, "one that is cut short or changed");
  return bytes.substr(kMagic.size(), bytes.size() - kMagic.size() - kDigits);
}

void require_same(const std::string& file, const RunIdentity& expected, const RunIdentity& got) {
  for (std::size_t i = 0; i < std::max(expected.size(), got.size()); ++i) {
    const bool both = i < expected.size() && i < got.size();
    if (both && expected[i] == got[i]) continue;
    const auto& [name, value] = i < expected.size() ? expected[i] : got[i];
    throw Error("the checkpoint is of another run: " + name + " differs", file, value,
                both ? got[i].second : "none");
  }
}

}  // namespace

std::string build_id() {
  Search search{reinterpret_cast<uintptr_t>(&build_id), ""};
  dl_iterate_phdr(look_into, &search);
  return search.found;
}

void write_checkpoint(const std::string& file, const RunIdentity& identity,
                      const Checkpoint& checkpoint, const HostRecord& all) {
  HostRecord record;
  const auto first = [](const auto& from, auto& to, std::size_t count) {
    to.assign(from.begin(), from.begin() + static_cast<std::ptrdiff_t>(count));
  };
  first(all.calls, record.calls, checkpoint.calls);
  first(all.changes, record.changes, checkpoint.changes);
  first(all.events, record.events, checkpoint.events);
  std::ostringstream body;
  cereal::BinaryOutputArchive archive(body);
  archive(identity, checkpoint.cycle, record, checkpoint.state);
  replace_file(file, checked(kMagic + body.str()));
}

Checkpoint read_checkpoint(const std::string& file, const RunIdentity& identity,
                           HostRecord& record) {
  std::istringstream body(read_body(file));
  cereal::BinaryInputArchive archive(body);
  Checkpoint checkpoint;
  RunIdentity of;
  archive(of);
  require_same(file, identity, of);
  archive(checkpoint.cycle, record, checkpoint.state);
  checkpoint.calls = record.calls.size();
  checkpoint.changes = record.changes.size();
  checkpoint.events = record.events.size();
  return checkpoint;
}

}  // namespace systole::sim
