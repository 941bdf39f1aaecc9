#include "host/bundle/tar_file.hpp"

#include <archive.h>
#include <archive_entry.h>
#include <fmt/format.h>
#include <zlib.h>

#include <algorithm>
#include <array>
#include <fstream>
#include <memory>
#include <optional>
#include <sstream>

#include "host/command/error.hpp"
#include "host/command/output_file.hpp"

namespace systole::bundle {
namespace {

namespace fs = std::filesystem;

const std::string kWanted = "a whole bundle, as systole explain --bundle writes it";
constexpr std::size_t kPart = 1 << 16;
constexpr std::size_t kNameBytes = 100;
// Of the tar itself, beside what its files hold.
constexpr uint64_t kBytesAMember = 1 << 14;

bool is_plain(const std::string& word) { return !word.empty() && plain_name(word) == word; }

/// "run.json" or "inputs/0.npy": no way out of a folder.
bool is_plain_path(const std::string& name) {
  const std::size_t slash = name.find('/');
  if (slash == std::string::npos) return is_plain(name);
  return is_plain(name.substr(0, slash)) && is_plain(name.substr(slash + 1));
}

std::string bytes_text(uint64_t bytes) { return fmt::format("{} bytes", bytes); }

std::string manifest_line(const std::string& name, const std::string& sha256) {
  return sha256 + "  " + name + "\n";
}

struct FreeEntry {
  void operator()(archive_entry* entry) const { archive_entry_free(entry); }
};

// ----------------------------------------------------------------------------------------- writing

struct FreeWriter {
  void operator()(archive* writer) const { archive_write_free(writer); }
};

la_ssize_t write_out(archive*, void* stream, const void* data, std::size_t bytes) {
  auto& out = *static_cast<std::ostream*>(stream);
  out.write(static_cast<const char*>(data), static_cast<std::streamsize>(bytes));
  return out ? static_cast<la_ssize_t>(bytes) : -1;
}

class Writer {
 public:
  Writer(const std::string& path, std::string folder, const Limits& limits)
      : path_(path),
        folder_(std::move(folder)),
        left_(limits),
        file_(path),
        archive_(archive_write_new()) {
    require(archive_write_set_format_pax_restricted(archive_.get()));
    require(archive_write_add_filter_gzip(archive_.get()));
    require(archive_write_set_options(archive_.get(), "gzip:!timestamp"));
    require(archive_write_set_bytes_in_last_block(archive_.get(), 1));
    require(archive_write_open(archive_.get(), &file_.stream(), nullptr, write_out, nullptr));
  }

  void add(const Member& member) {
    Sha256 hash;
    if (member.file.empty()) {
      begin(member.name, member.text.size());
      write(hash, member.text.data(), member.text.size());
    } else {
      add_file(member, hash);
    }
    require(archive_write_finish_entry(archive_.get()));
    manifest_ += manifest_line(member.name, hash.text());
  }

  void finish() {
    add({kManifest, std::string(manifest_), {}});
    require(archive_write_close(archive_.get()));
    file_.commit();
  }

 private:
  void require(int status) const {
    if (status != ARCHIVE_OK) throw Error("cannot be written", path_);
  }

  void begin(const std::string& name, uint64_t bytes) {
    if (bytes > left_.bytes || left_.members == 0)
      throw Error("too much for a bundle", path_, "", name + ", " + bytes_text(bytes));
    left_.bytes -= bytes;
    --left_.members;
    const std::unique_ptr<archive_entry, FreeEntry> entry(archive_entry_new());
    archive_entry_set_pathname(entry.get(), (folder_ + "/" + name).c_str());
    archive_entry_set_size(entry.get(), static_cast<la_int64_t>(bytes));
    archive_entry_set_filetype(entry.get(), AE_IFREG);
    archive_entry_set_perm(entry.get(), 0644);
    archive_entry_set_mtime(entry.get(), 0, 0);
    require(archive_write_header(archive_.get(), entry.get()));
  }

  void write(Sha256& hash, const char* data, std::size_t bytes) {
    hash.add(data, bytes);
    if (archive_write_data(archive_.get(), data, bytes) != static_cast<la_ssize_t>(bytes))
      throw Error("cannot be written", path_);
  }

  void add_file(const Member& member, Sha256& hash) {
    const std::string name = member.file.string();
    std::error_code error;
    const uint64_t bytes = fs::is_regular_file(member.file, error) ? fs::file_size(member.file) : 0;
    std::ifstream in(member.file, std::ios::binary);
    if (error || !in) throw Error("can't open file", name);
    begin(member.name, bytes);
    std::vector<char> part(kPart);
    for (uint64_t left = bytes; left > 0;) {
      const auto size = static_cast<std::streamsize>(std::min<uint64_t>(left, part.size()));
      if (!in.read(part.data(), size)) throw Error("can't read file", name, bytes_text(bytes));
      write(hash, part.data(), static_cast<std::size_t>(size));
      left -= static_cast<uint64_t>(size);
    }
  }

  std::string path_;
  std::string folder_;
  Limits left_;
  OutputFile file_;
  std::unique_ptr<archive, FreeWriter> archive_;
  std::string manifest_;
};

// ----------------------------------------------------------------------------------------- reading

/// The bytes of a .gz, with its checksum checked at the end: libarchive would not.
class GzipFile {
 public:
  GzipFile(const std::string& path, uint64_t limit) : path_(path), left_(limit) {
    // Before it is opened: opening a FIFO waits for a writer.
    std::error_code missing;
    if (fs::exists(path, missing) && !fs::is_regular_file(path))
      throw Error("not a regular file", path);
    std::ifstream in(path, std::ios::binary);
    if (!in) throw Error("can't open file", path);
    if (in.get() != 0x1f || in.get() != 0x8b)
      throw Error("not a bundle", path, kWanted, "a file that begins otherwise");
    file_.reset(gzopen(path.c_str(), "rb"));
    if (!file_) throw Error("can't open file", path);
  }

  /// The next bytes; none at the end. Throws Error for what is damaged.
  std::size_t read(const void** data) {
    const int bytes = gzread(file_.get(), part_.data(), static_cast<unsigned>(part_.size()));
    int status = Z_OK;
    gzerror(file_.get(), &status);
    if (status == Z_BUF_ERROR)
      throw Error("the bundle is damaged", path_, kWanted, "one cut short");
    if (bytes < 0 || status < 0)
      throw Error("the bundle is damaged", path_, kWanted, "one whose checksum is wrong");
    if (static_cast<uint64_t>(bytes) > left_)
      throw Error("too much for a bundle", path_, "", "data that does not end");
    left_ -= static_cast<uint64_t>(bytes);
    *data = part_.data();
    return static_cast<std::size_t>(bytes);
  }

 private:
  struct Close {
    void operator()(gzFile file) const { gzclose_r(file); }
  };
  std::string path_;
  uint64_t left_;
  std::unique_ptr<gzFile_s, Close> file_;
  std::array<char, kPart> part_{};
};

struct FreeReader {
  void operator()(archive* reader) const { archive_read_free(reader); }
};

class Reader {
 public:
  Reader(const std::string& path, const fs::path& into, const Limits& limits)
      : path_(path),
        into_(into),
        limits_(limits),
        left_(limits),
        source_(path, limits.bytes + kBytesAMember * (limits.members + 1)),
        archive_(archive_read_new()) {
    archive_read_support_format_tar(archive_.get());
    require(archive_read_open(archive_.get(), this, nullptr, read_in, nullptr));
  }

  std::map<std::string, FileDigest> read() {
    archive_entry* entry = nullptr;
    for (;;) {
      const int status = archive_read_next_header(archive_.get(), &entry);
      if (status == ARCHIVE_EOF) break;
      require(status);
      take(entry);
    }
    drain();
    check_manifest();
    return files_;
  }

 private:
  static la_ssize_t read_in(archive*, void* self, const void** data) {
    auto& reader = *static_cast<Reader*>(self);
    // Nothing may be thrown through libarchive.
    try {
      return static_cast<la_ssize_t>(reader.source_.read(data));
    } catch (const Error& error) {
      reader.trouble_ = error;
      return -1;
    }
  }

  [[noreturn]] void fail(const std::string& problem, const std::string& name,
                         const std::string& expected = "", const std::string& got = "") const {
    throw Error(problem, name.empty() ? path_ : path_ + ": " + name, expected, got);
  }

  void require(int status) const {
    if (trouble_) throw *trouble_;
    if (status != ARCHIVE_OK) fail("the bundle is damaged", "", kWanted, "one that is no tar");
  }

  /// What follows the archive's end: zeros, and the checksum.
  void drain() {
    const void* data = nullptr;
    while (source_.read(&data) > 0) {
    }
  }

  /// The name without the folder in which all files stand.
  std::string name_of(archive_entry* entry) {
    const char* text = archive_entry_pathname(entry);
    const std::string path = text == nullptr ? "" : text;
    const std::size_t slash = std::min(path.find('/'), path.size());
    const std::string folder = path.substr(0, slash);
    if (!is_plain(folder)) refuse_name(path);
    if (folder_.empty()) folder_ = folder;
    if (folder != folder_) refuse_name(path);
    return path.substr(std::min(slash + 1, path.size()));
  }

  [[noreturn]] void refuse_name(const std::string& path) const {
    std::string shown = path.substr(0, 80);
    for (char& c : shown) c = c >= ' ' && c <= '~' ? c : '?';
    fail("a file stands elsewhere", "'" + shown + "'",
         folder_.empty() ? "a plain name in a folder" : "a plain name in " + folder_ + "/");
  }

  void take(archive_entry* entry) {
    const std::string name = name_of(entry);
    const auto type = archive_entry_filetype(entry);
    // Of archives that another program has written.
    if (type == AE_IFDIR && (name.empty() || is_plain_path(name.substr(0, name.size() - 1))))
      return;
    if (!is_plain_path(name)) refuse_name(archive_entry_pathname(entry));
    if (type != AE_IFREG || archive_entry_hardlink(entry) != nullptr)
      fail("not a regular file", name, "files only", "a link or a device");
    if (files_.count(name) != 0) fail("is there twice", name);
    if (left_.members == 0)
      fail("too many files for a bundle", "", fmt::format("at most {}", limits_.members));
    --left_.members;
    const la_int64_t size = archive_entry_size(entry);
    if (size < 0 || static_cast<uint64_t>(size) > left_.bytes) refuse_size(name, size);
    files_[name] = write(name);
  }

  [[noreturn]] void refuse_size(const std::string& name, la_int64_t size) const {
    fail("too much for a bundle", name, "at most " + bytes_text(limits_.bytes) + " of all files",
         fmt::format("{} bytes", size));
  }

  FileDigest write(const std::string& name) {
    const fs::path file = into_ / name;
    std::error_code error;
    fs::create_directories(file.parent_path(), error);
    std::ofstream out(file, std::ios::binary);
    FileDigest digest;
    Sha256 hash;
    std::vector<char> part(kPart);
    for (;;) {
      const la_ssize_t bytes = archive_read_data(archive_.get(), part.data(), part.size());
      if (bytes < 0) require(static_cast<int>(bytes));
      if (bytes <= 0) break;
      if (static_cast<uint64_t>(bytes) > left_.bytes) refuse_size(name, bytes);
      left_.bytes -= static_cast<uint64_t>(bytes);
      digest.bytes += static_cast<uint64_t>(bytes);
      hash.add(part.data(), static_cast<std::size_t>(bytes));
      out.write(part.data(), bytes);
    }
    out.close();
    if (!out) throw Error("cannot be written", file.string());
    digest.sha256 = hash.text();
    return digest;
  }

  /// All that it names is there and as it says; all that is there is named.
  void check_manifest() {
    if (files_.count(kManifest) == 0) fail("a file is missing", kManifest, kWanted);
    std::ifstream in(into_ / kManifest, std::ios::binary);
    std::map<std::string, FileDigest> rest = files_;
    rest.erase(kManifest);
    for (std::string line; std::getline(in, line);) {
      const std::size_t digits = 64, name_at = digits + 2;
      const std::string name = line.size() > name_at ? line.substr(name_at) : "";
      const std::string sha256 = line.substr(0, digits);
      if (!is_plain_path(name) || line + "\n" != manifest_line(name, sha256))
        fail("the manifest is damaged", kManifest, "lines of sha256sum");
      const auto found = rest.find(name);
      if (found == rest.end()) fail("a file is missing", name, kWanted);
      if (found->second.sha256 != sha256)
        fail("has been changed", name, "SHA-256 " + sha256, found->second.sha256);
      rest.erase(found);
    }
    if (!rest.empty()) fail("does not belong into the bundle", rest.begin()->first, kWanted);
    files_.erase(kManifest);
  }

  std::string path_;
  fs::path into_;
  Limits limits_, left_;
  GzipFile source_;
  std::optional<Error> trouble_;
  std::unique_ptr<archive, FreeReader> archive_;
  std::string folder_;
  std::map<std::string, FileDigest> files_;
};

}  // namespace

std::string plain_name(const std::string& text) {
  std::string name = text.size() > kNameBytes ? text.substr(text.size() - kNameBytes) : text;
  for (std::size_t i = 0; i < name.size(); ++i) {
    const auto c = static_cast<unsigned char>(name[i]);
    const bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
    if (!letter && c != '_' && c != '-' && (c != '.' || i == 0)) name[i] = '_';
  }
  return name;
}

void write_tar(const std::string& path, const std::string& folder,
               const std::vector<Member>& members, const Limits& limits) {
  Writer writer(path, folder, limits);
  for (const Member& member : members) writer.add(member);
  writer.finish();
}

std::map<std::string, FileDigest> read_tar(const std::string& path, const fs::path& into,
                                           const Limits& limits) {
  return Reader(path, into, limits).read();
}

}  // namespace systole::bundle
