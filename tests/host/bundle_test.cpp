// Bundles by themselves: what is packed comes out, and nothing that a file says is believed.
#include <archive.h>
#include <archive_entry.h>
#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <catch2/catch.hpp>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>

#include "host/bundle/failure_record.hpp"
#include "host/bundle/tar_file.hpp"
#include "host/command/error.hpp"

using namespace systole;
using namespace systole::bundle;
using Catch::Matchers::Contains;

namespace {

namespace fs = std::filesystem;

const std::string kScratch = "build/test/host_bundle/";
const std::string kFile = kScratch + "bundle.tar.gz";

std::string text_of(const fs::path& file) {
  std::ifstream in(file, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

std::string write_text(const std::string& file, const std::string& text) {
  fs::create_directories(kScratch);
  std::ofstream(file, std::ios::binary) << text;
  return file;
}

/// An empty folder to read into.
fs::path fresh() {
  const fs::path folder = kScratch + "into";
  fs::remove_all(folder);
  fs::create_directories(folder);
  return folder;
}

std::map<std::string, FileDigest> read(const std::string& file, const Limits& limits = {}) {
  return read_tar(file, fresh(), limits);
}

/// The refusal's text, which names the file and is one line; fails when there is none.
std::string refusal(const std::string& file, const Limits& limits = {}) {
  try {
    read(file, limits);
  } catch (const Error& error) {
    const std::string text = error.what();
    CHECK_THAT(text, Contains(file));
    CHECK(std::count(text.begin(), text.end(), '\n') == 0);
    return text;
  }
  FAIL_CHECK("not refused");
  return "";
}

// Two texts, and a file whose bytes do not compress.
std::vector<Member> some_members() {
  std::string noise;
  uint32_t state = 1;
  for (int i = 0; i < 2000; ++i)
    noise += static_cast<char>((state = state * 1664525 + 1013904223) >> 24);
  return {{"run.json", "{}\n", {}},
          {"empty.txt", "", {}},
          {"inputs/0_x.npy", "", write_text(kScratch + "noise", noise)}};
}

// ------------------------------------------------------------------------- archives of other
// people

struct Entry {
  std::string path;
  std::string text;
  unsigned type = AE_IFREG;
  std::string link = "";
};

/// Whatever it says.
std::string write_any(const std::vector<Entry>& entries, bool zipped = true) {
  fs::create_directories(kScratch);
  archive* a = archive_write_new();
  archive_write_set_format_pax(a);
  if (zipped) archive_write_add_filter_gzip(a);
  archive_write_open_filename(a, kFile.c_str());
  for (const Entry& e : entries) {
    archive_entry* entry = archive_entry_new();
    archive_entry_set_pathname(entry, e.path.c_str());
    archive_entry_set_size(entry, static_cast<la_int64_t>(e.text.size()));
    archive_entry_set_filetype(entry, e.type);
    archive_entry_set_perm(entry, 0644);
    if (e.type == AE_IFLNK) archive_entry_set_symlink(entry, e.link.c_str());
    if (e.type == AE_IFREG && !e.link.empty()) archive_entry_set_hardlink(entry, e.link.c_str());
    archive_write_header(a, entry);
    archive_write_data(a, e.text.data(), e.text.size());
    archive_entry_free(entry);
  }
  archive_write_close(a);
  archive_write_free(a);
  return kFile;
}

Entry manifest(const std::vector<Entry>& entries) {
  std::string text;
  for (const Entry& e : entries)
    text += Sha256().add(e.text).text() + "  " + e.path.substr(e.path.find('/') + 1) + "\n";
  return {"b/MANIFEST.sha256", text};
}

std::string write_with_manifest(std::vector<Entry> entries) {
  entries.push_back(manifest(entries));
  return write_any(entries);
}

}  // namespace

// ------------------------------------------------------------------------------------------
// archives

TEST_CASE("sha256: hashes are those of the standard", "[bundle]") {
  CHECK(Sha256().text() == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  CHECK(Sha256().add("abc").text() ==
        "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  const std::string file = write_text(kScratch + "abc", "abc");
  CHECK(digest_of(file).sha256 == Sha256().add("abc").text());
  CHECK(digest_of(file).bytes == 3);
  CHECK_THROWS_WITH(digest_of(kScratch), Contains("not a regular file"));
  CHECK_THROWS_WITH(digest_of("no/such"), Contains("can't open file"));
}

TEST_CASE("tar: what is written is read, with its digests", "[bundle]") {
  const auto members = some_members();
  write_tar(kFile, "b", members);
  const auto files = read(kFile);
  REQUIRE(files.size() == members.size());
  for (const Member& member : members) {
    const std::string text = member.file.empty() ? member.text : text_of(member.file);
    CHECK(text_of(kScratch + "into/" + member.name) == text);
    CHECK(files.at(member.name).sha256 == Sha256().add(text).text());
    CHECK(files.at(member.name).bytes == text.size());
  }
}

TEST_CASE("tar: the same members are the same bytes", "[bundle]") {
  write_tar(kFile, "b", some_members());
  const std::string first = text_of(kFile);
  write_tar(kScratch + "again.tar.gz", "b", some_members());
  CHECK(text_of(kScratch + "again.tar.gz") == first);
}

TEST_CASE("tar: tar and sha256sum take it", "[bundle]") {
  write_tar(kFile, "b", some_members());
  const std::string folder = fresh().string();
  CHECK(std::system(("tar xzf " + kFile + " -C " + folder + " 2>" + kScratch + "said && cd " +
                     folder + "/b && sha256sum --quiet -c MANIFEST.sha256")
                        .c_str()) == 0);
  CHECK(text_of(kScratch + "said").empty());
  // And back: an archive that tar has made of it.
  CHECK(std::system(("tar czf " + kFile + " -C " + folder + " b").c_str()) == 0);
  CHECK(read(kFile).size() == 3);
}

TEST_CASE("tar: an archive that is cut short is refused, wherever", "[bundle]") {
  write_tar(kFile, "b", some_members());
  const std::string whole = text_of(kFile);
  const std::string cut = kScratch + "cut.tar.gz";
  for (std::size_t bytes = 0; bytes < whole.size(); ++bytes) {
    write_text(cut, whole.substr(0, bytes));
    INFO(bytes);
    const std::string said = refusal(cut);
    CHECK_THAT(said, Contains(bytes < 2 ? "not a bundle" : "damaged"));
  }
}

TEST_CASE("tar: a byte that is changed is refused, or has changed no file", "[bundle]") {
  write_tar(kFile, "b", some_members());
  const auto files = read(kFile);
  const std::string whole = text_of(kFile);
  const std::string changed = kScratch + "changed.tar.gz";
  unsigned refused = 0;
  for (std::size_t at = 0; at < whole.size(); ++at) {
    std::string bytes = whole;
    bytes[at] = static_cast<char>(bytes[at] ^ (1 << at % 8));
    write_text(changed, bytes);
    INFO(at);
    try {
      const auto got = read(changed);
      CHECK(std::equal(got.begin(), got.end(), files.begin(), files.end(),
                       [](const auto& a, const auto& b) {
                         return a.first == b.first && a.second.sha256 == b.second.sha256;
                       }));
    } catch (const Error& error) {
      ++refused;
      CHECK_THAT(error.what(), Contains(changed));
    }
  }
  // The time and the system in the header of a .gz say nothing of what it holds.
  CHECK(refused + 10 >= whole.size());
}

TEST_CASE("tar: what is no archive is refused", "[bundle]") {
  for (const std::string& text : {std::string(), std::string("x"), std::string("not an archive\n"),
                                  std::string(5000, '\0'), std::string("\x1f\x8b")}) {
    const std::string file = write_text(kScratch + "none.tar.gz", text);
    CHECK_THAT(refusal(file), Contains("bundle"));
  }
  CHECK_THAT(refusal(write_any({{"b/a", "x"}}, false)), Contains("not a bundle"));
  CHECK_THAT(refusal("no/such.tar.gz"), Contains("can't open file"));
  CHECK_THAT(refusal(kScratch), Contains("not a regular file"));
  CHECK_THAT(refusal("/dev/zero"), Contains("not a regular file"));
  const std::string fifo = kScratch + "fifo";
  fs::remove(fifo);
  REQUIRE(::mkfifo(fifo.c_str(), 0644) == 0);
  CHECK_THAT(refusal(fifo), Contains("not a regular file"));
  // Zipped, but no tar.
  REQUIRE(std::system(("echo text | gzip >" + kFile).c_str()) == 0);
  CHECK_THAT(refusal(kFile), Contains("no tar"));
}

TEST_CASE("tar: no file of an archive leaves the folder", "[bundle]") {
  for (const char* path :
       {"../x", "/x", "b/../x", "b/../../x", "b/a/../x", "b/./x", "b/.x", "b/a/b/c", "b//x", "x",
        "b", "./b/x", "b/a\nb", "b/\xc3\xa4", "..", "b/.."}) {
    INFO(path);
    const std::string said = refusal(write_with_manifest({{path, "text"}}));
    CHECK_THAT(said, Contains("stands elsewhere"));
    CHECK(fs::is_empty(kScratch + "into"));
  }
  CHECK_THAT(refusal(write_with_manifest({{"c/x", "text"}})), Contains("stands elsewhere"));
}

TEST_CASE("tar: links and devices are refused", "[bundle]") {
  const Entry file{"b/file", "text"};
  CHECK_THAT(refusal(write_any({file, {"b/link", "", AE_IFLNK, "/etc/passwd"}})),
             Contains("link: not a regular file"));
  CHECK_THAT(refusal(write_any({file, {"b/link", "", AE_IFREG, "b/file"}})),
             Contains("link: not a regular file"));
  CHECK_THAT(refusal(write_any({file, {"b/fifo", "", AE_IFIFO}})),
             Contains("fifo: not a regular file"));
  CHECK_THAT(refusal(write_any({file, {"b/device", "", AE_IFCHR}})), Contains("device"));
}

TEST_CASE("tar: a file that comes twice is refused", "[bundle]") {
  CHECK_THAT(refusal(write_with_manifest({{"b/a", "1"}, {"b/a", "1"}})),
             Contains("a: is there twice"));
}

TEST_CASE("tar: the manifest names all files, and as they are", "[bundle]") {
  const Entry a{"b/a", "1"}, c{"b/c", "2"};
  CHECK(read(write_any({a, c, manifest({a, c})})).size() == 2);
  CHECK_THAT(refusal(write_any({a, c})), Contains("MANIFEST.sha256: a file is missing"));
  CHECK_THAT(refusal(write_any({a, manifest({a, c})})), Contains("c: a file is missing"));
  CHECK_THAT(refusal(write_any({a, c, manifest({a})})), Contains("c: does not belong"));
  CHECK_THAT(refusal(write_any({a, manifest({a, a})})), Contains("a: a file is missing"));
  const std::string said = refusal(write_any({{"b/a", "9"}, manifest({a})}));
  CHECK_THAT(said, Contains("a: has been changed") && Contains(Sha256().add("1").text()) &&
                       Contains(Sha256().add("9").text()));
  for (const std::string& text :
       {std::string("\n"), std::string("a  b\n"), manifest({a}).text.substr(0, 66),
        std::string(70, '0') + "\n", Sha256().add("1").text() + "  ../a\n"}) {
    INFO(text);
    CHECK_THAT(refusal(write_any({a, {"b/MANIFEST.sha256", text}})), Contains("MANIFEST.sha256"));
  }
}

TEST_CASE("tar: what is larger than the limits is neither read nor written", "[bundle]") {
  const Limits small{1000, 3};
  const std::string large(1001, 'x');
  CHECK_THAT(refusal(write_with_manifest({{"b/a", large}}), small),
             Contains("too much for a bundle") && Contains("1000 bytes"));
  CHECK_THAT(
      refusal(write_with_manifest({{"b/a", large.substr(500)}, {"b/c", large.substr(400)}}), small),
      Contains("c: too much for a bundle"));
  CHECK_THAT(refusal(write_with_manifest({{"b/a", ""}, {"b/c", ""}, {"b/d", ""}}), small),
             Contains("too many files for a bundle"));
  // What follows the archive's end counts too: 100 MB of zeros, in 100 kB.
  const std::string bomb = write_with_manifest({{"b/a", "1"}});
  REQUIRE(std::system(("(zcat " + bomb + "; head -c 100000000 /dev/zero) | gzip >" + kScratch +
                       "bomb.tar.gz")
                          .c_str()) == 0);
  CHECK_THAT(refusal(kScratch + "bomb.tar.gz", small), Contains("too much for a bundle"));

  fs::remove(kFile);
  CHECK_THROWS_WITH(write_tar(kFile, "b", {{"a", large, {}}}, small),
                    Contains("too much for a bundle"));
  CHECK_FALSE(fs::exists(kFile));
}

TEST_CASE("tar: an archive that cannot be written leaves nothing, and the old one as it was",
          "[bundle]") {
  write_text(kFile, "old");
  const Member gone{"a", "", kScratch + "no_such_file"};
  CHECK_THROWS_WITH(write_tar(kFile, "b", {{"x", "text", {}}, gone}), Contains("no_such_file"));
  CHECK(text_of(kFile) == "old");
  CHECK_FALSE(fs::exists(kFile + ".part"));
  for (const std::string& path :
       {kScratch + "no/such/b.tar.gz", kScratch, std::string("/dev/full")}) {
    INFO(path);
    CHECK_THROWS_WITH(write_tar(path, "b", some_members()),
                      Contains(path) && Contains("cannot be written"));
  }
}

TEST_CASE("tar: a file that cannot be written where it is unpacked is refused", "[bundle]") {
  write_tar(kFile, "b", some_members());
  write_text(kScratch + "taken", "");
  CHECK_THROWS_WITH(read_tar(kFile, kScratch + "taken"),
                    Contains("taken/run.json") && Contains("cannot be written"));
}

TEST_CASE("plain_name: any text becomes a name that leads nowhere else", "[bundle]") {
  CHECK(plain_name("cnn-2_b.onnx") == "cnn-2_b.onnx");
  CHECK(plain_name("../a b/\n") == "_._a_b__");
  CHECK(plain_name("..") == "_.");
  CHECK(plain_name("\xc3\xa4.npy") == "__.npy");
  CHECK(plain_name(std::string(300, 'a') + ".onnx").size() == 100);
  for (const char* text : {"..", "/", "", "a/b", ".hidden"}) {
    const std::string once = plain_name(text);
    CHECK(plain_name(once) == once);
  }
}

// -------------------------------------------------------------------------------------------
// records

namespace {

FailureRecord some_record() {
  FailureRecord r;
  r.commit = "1234abc";
  r.config = "tiny";
  r.build = "tiny-faults";
  r.build_id = "0123";
  r.identity = {{"configuration", "tiny"}, {"--seed", "7"}};
  r.tiles = 1;
  r.optimize = "latency";
  r.groups = 2;
  r.in_flight = 3;
  r.dram = "hbm2e";
  r.lockstep = false;
  r.inputs_per_request = 4;
  r.timeout_cycles = 5;
  r.watchdog_cycles = 6;
  r.cycles_per_wait = 3;
  r.seed = 7;
  r.plusargs = {"+fault=flit", "+fault_at=1"};
  r.model = {"model/m.onnx", {8, "aa"}};
  r.inputs = {{"x", {"inputs/0_x.npy", {9, "bb"}}}, {"", {"inputs/1_y.npy", {10, "cc"}}}};
  r.firmware = {"firmware/f.bin", {11, "dd"}};
  r.failure = {ChipFailure::Kind::Hang, 12, "two\nlines \xff"};
  r.stream = 7;
  r.channels = 3;
  r.checkpoint = 13;
  r.waves_from = 14;
  r.waves_to = 15;
  r.repeat = {"systole", "replay", "b c"};
  return r;
}

/// What is said of the record with one field of it changed.
std::string refusal_of_record(const std::string& pointer, const nlohmann::json& value) {
  auto json = nlohmann::json::parse(to_json(some_record()));
  json[nlohmann::json::json_pointer(pointer)] = value;
  try {
    parse_record(json.dump(), "b.tar.gz: run.json");
  } catch (const Error& error) {
    CHECK_THAT(error.what(), Contains("b.tar.gz: run.json"));
    return error.what();
  }
  FAIL_CHECK(pointer << " is not refused");
  return "";
}

}  // namespace

TEST_CASE("record: what is written is read", "[bundle]") {
  const FailureRecord r = some_record();
  const FailureRecord got = parse_record(to_json(r), "run.json");
  // Text that is no UTF-8 is replaced once.
  CHECK(got.failure.text.substr(0, 10) == r.failure.text.substr(0, 10));
  CHECK(to_json(got) == to_json(r));
  CHECK(got.stream == 7);
  CHECK(got.inputs[1].file.digest.bytes == 10);
  CHECK(got.plusargs == r.plusargs);
  CHECK(one_line(got.failure) == "hang in cycle 12: two");
}

TEST_CASE("record: values that cannot be meant are refused with their field", "[bundle]") {
  CHECK_THAT(refusal_of_record("/version", 1), Contains("another version: expected 2, got 1"));
  CHECK_THAT(refusal_of_record("/failure/kind", "boredom"),
             Contains("failure.kind: expected mismatch, assertion, hang, refusal, request, boot, "
                      "got \"boredom\""));
  CHECK_THAT(refusal_of_record("/failure/cycle", -1), Contains("failure.cycle"));
  CHECK_THAT(refusal_of_record("/failure", "text"), Contains("failure: expected an object"));
  CHECK_THAT(refusal_of_record("/chip/build", "../evil"), Contains("chip.build"));
  CHECK_THAT(refusal_of_record("/chip/build", "/var/evil"), Contains("chip.build"));
  CHECK_THAT(refusal_of_record("/chip/configuration", ""), Contains("chip.configuration"));
  CHECK_THAT(refusal_of_record("/options/requests_of", 0), Contains("options.requests_of"));
  CHECK_THAT(refusal_of_record("/options/timeout", uint64_t{1} << 32), Contains("options.timeout"));
  CHECK_THAT(refusal_of_record("/options/lockstep", 1), Contains("options.lockstep"));
  CHECK_THAT(refusal_of_record("/options/plusargs", "x"), Contains("options.plusargs"));
  CHECK_THAT(refusal_of_record("/options/plusargs/0", 3), Contains("options.plusargs[0]"));
  CHECK_THAT(refusal_of_record("/inputs/1/sha256", nullptr), Contains("inputs[1].sha256"));
  CHECK_THAT(refusal_of_record("/waves/to", 14), Contains("waves"));
  for (const char* text : {"", "{", "[]", "1", "null", "{}"}) {
    CHECK_THROWS_WITH(parse_record(text, "run.json"), Contains("not a record of a failed run"));
  }
}

TEST_CASE("record: nesting without end is refused, not printed", "[bundle]") {
  const std::size_t deep = 1000000;
  for (const std::string& text :
       {std::string(deep, '['), std::string(deep, '[') + std::string(deep, ']'),
        "{\"version\": " + std::string(deep, '[') + std::string(deep, ']') + "}"}) {
    CHECK_THROWS_WITH(parse_record(text, "run.json"), Contains("run.json"));
  }
}
