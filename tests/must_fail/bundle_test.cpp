// Failures that are shared: a chip that is broken on purpose fails, the failure is packed, and
// shows again where nothing of the run is left. What is wrong with a bundle is refused in one line.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <catch2/catch.hpp>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "host/bundle/bundle.hpp"
#include "host/bundle/tar_file.hpp"
#include "host/import/npy.hpp"
#include "host/report/waves.hpp"

using namespace systole;
using Catch::Matchers::Contains;
using Catch::Matchers::StartsWith;

namespace {

namespace fs = std::filesystem;

const std::string kScratch = "build/test/must_fail_bundle/";
const std::string kDigits = "tests/models/digits/";
constexpr int64_t kImages = 2;

struct Fault {
  const char* name;
  unsigned at;
  int status;  // of the run that fails
  const char* kind;
  const char* firmware = nullptr;  // an image with a fault
};
const Fault kProduct{"product", 600, 1, "mismatch"};
const Fault kFlit{"flit", 100, 2, "assertion"};
const Fault kCredit{"credit", 100, 2, "hang"};
const Fault kForgetful{"none", 0, 2, "hang", "build/must_fail/forgetful/firmware.bin"};

std::string text_of(const fs::path& file) {
  std::ifstream in(file, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

void write_text(const fs::path& file, const std::string& text) {
  std::ofstream(file, std::ios::binary) << text;
}

struct Outcome {
  int status = -1;
  std::string out, err;
};

/// Runs build/systole; no word may hold a quote.
Outcome systole_command(const std::vector<std::string>& words) {
  std::string command = "build/systole";
  for (const std::string& word : words) command += " '" + word + "'";
  const std::string out = kScratch + "stdout", err = kScratch + "stderr";
  const int status = std::system((command + " >" + out + " 2>" + err + " </dev/null").c_str());
  return {WIFEXITED(status) ? WEXITSTATUS(status) : 128, text_of(out), text_of(err)};
}

/// Status 2, one line on stderr that holds all of `parts`, nothing else.
void check_refused(const std::vector<std::string>& words, const std::vector<std::string>& parts) {
  const Outcome outcome = systole_command(words);
  CAPTURE(fmt::format("{}", fmt::join(words, " ")), outcome.err);
  CHECK(outcome.status == 2);
  CHECK(outcome.out.empty());
  CHECK_THAT(outcome.err, StartsWith("systole: "));
  CHECK(std::count(outcome.err.begin(), outcome.err.end(), '\n') == 1);
  for (const std::string& part : parts) CHECK_THAT(outcome.err, Contains(part));
}

/// The first images of the digits; the first model in the folder too.
void write_sources(const fs::path& folder) {
  fs::create_directories(folder);
  const Tensor all = npy::load(kDigits + "cnn_images.npy");
  Shape shape = all.shape();
  shape[0] = kImages;
  Tensor few(all.type(), shape);
  std::copy_n(all.bytes().begin(), few.bytes().size(), few.bytes().begin());
  npy::save((folder / "my images.npy").string(), few);
  fs::copy_file(kDigits + "cnn.onnx", folder / "cnn.onnx");
}

/// What a run has left: its folders, all under one, to be removed together.
struct Failed {
  fs::path place;
  Outcome run;
  std::string folder;  // of the explanation
};

/// All of these runs fail behind the first checkpoint.
std::vector<std::string> words_of(const Fault& fault, const fs::path& place) {
  std::vector<std::string> words = {"run",
                                    (place / "cnn.onnx").string(),
                                    "--input",
                                    (place / "my images.npy").string(),
                                    "--config",
                                    "tiny",
                                    "--build",
                                    "tiny-faults",
                                    "--requests-of",
                                    "1",
                                    "--watchdog",
                                    "100000",
                                    "--plusarg",
                                    fmt::format("+fault={}", fault.name),
                                    "--plusarg",
                                    fmt::format("+fault_at={}", fault.at),
                                    "--checkpoint-every",
                                    "50000",
                                    "--checkpoint-folder",
                                    (place / "checkpoints").string(),
                                    "--explain-folder",
                                    (place / "explain").string()};
  if (fault.firmware != nullptr) {
    fs::copy_file(fault.firmware, place / "firmware.bin");
    words.insert(words.end(), {"--firmware", (place / "firmware.bin").string()});
  }
  return words;
}

Failed fail(const Fault& fault, const std::vector<std::string>& more = {}) {
  Failed failed;
  failed.place = kScratch + "run";
  fs::remove_all(failed.place);
  write_sources(failed.place);
  std::vector<std::string> words = words_of(fault, failed.place);
  words.insert(words.end(), more.begin(), more.end());
  failed.run = systole_command(words);
  CAPTURE(failed.run.err);
  REQUIRE(failed.run.status == fault.status);
  REQUIRE(fs::exists(failed.place / "explain"));
  failed.folder = fs::directory_iterator(failed.place / "explain")->path().string();
  return failed;
}

/// A bundle of a lost flit, made once; the run and its files are gone.
const std::string& flit_bundle() {
  static const std::string bundle = [] {
    const Failed failed = fail(kFlit);
    const std::string file = kScratch + "flit.tar.gz";
    REQUIRE(systole_command({"explain", "--bundle", file, failed.folder}).status == 0);
    fs::remove_all(failed.place);
    return file;
  }();
  return bundle;
}

/// The explanation without how to look at it.
std::string explained(const std::string& text) { return text.substr(0, text.find("\nwaves:")); }

/// A bundle whose record has been changed by someone who also mends the manifest.
template <typename Change>
std::string forged(const Change& change) {
  const std::string folder = kScratch + "forged";
  fs::remove_all(folder);
  fs::create_directories(folder);
  bundle::FailureRecord record = bundle::unpack(flit_bundle(), folder);
  const auto inside = [&](bundle::RecordedFile& file) {
    file.path = fs::path(file.path).lexically_relative(folder).string();
  };
  inside(record.model);
  inside(record.firmware);
  for (auto& input : record.inputs) inside(input.file);
  change(record);
  write_text(folder + "/run.json", bundle::to_json(record));
  fs::remove(folder + "/MANIFEST.sha256");
  std::vector<bundle::Member> members;
  for (const auto& entry : fs::recursive_directory_iterator(folder)) {
    if (entry.is_regular_file())
      members.push_back({entry.path().lexically_relative(folder).string(), "", entry.path()});
  }
  const std::string file = kScratch + "forged.tar.gz";
  bundle::write_tar(file, "b", members);
  return file;
}

const std::string kReplay = kScratch + "replay/here";
std::vector<std::string> replay(const std::string& bundle) {
  return {"replay", bundle, "--folder", kReplay};
}

struct Scratch {
  Scratch() {
    fs::remove_all(kScratch);
    fs::create_directories(kScratch);
  }
};
const Scratch kMakeScratch;

}  // namespace

// --------------------------------------------------------------------------------------- the
// failure

TEST_CASE("bundle: a failure of every kind shows again, where nothing of its run is left",
          "[must_fail]") {
  for (const Fault& fault : {kProduct, kFlit, kCredit, kForgetful}) {
    INFO(fault.name);
    const Failed failed = fail(fault);
    const std::string explanation = text_of(failed.folder + "/explanation.txt");
    const auto record = bundle::read_record(failed.folder);
    const std::string bundle = kScratch + "first.tar.gz", moved = kScratch + "moved.tar.gz";
    const Outcome packed = systole_command({"explain", "--bundle", bundle, failed.folder});
    CHECK(packed.status == 0);
    CHECK_THAT(packed.err, Contains("bundled    " + bundle) && Contains(fault.kind));
    fs::rename(bundle, moved);
    fs::remove_all(failed.place);

    fs::remove_all(kReplay);
    const Outcome again = systole_command(replay(moved));
    CAPTURE(again.out, again.err);
    CHECK(again.status == 1);
    CHECK(again.err.empty());
    CHECK_THAT(again.out, StartsWith(explained(explanation)));
    CHECK_THAT(again.out, Contains("repeat: systole replay first.tar.gz\n"));
    CHECK_THAT(again.out,
               Contains(fmt::format("the same failure, {} in cycle {}, from the "
                                    "checkpoint of cycle {}",
                                    fault.kind, record.failure.cycle, record.checkpoint)));
    CHECK_THAT(again.out, Contains("(cd " + kReplay + " && gtkwave waves.fst waves.gtkw)"));
    const report::Waves waves(kReplay + "/waves.fst");
    CHECK(waves.from() <= record.waves_from + 1);
    CHECK(waves.to() + 1 >= std::min(record.waves_to, record.failure.cycle));
    CHECK(waves.has("TOP.systole_chip.clk_i"));
  }
}

TEST_CASE("bundle: the options that shape the run are those of the run", "[must_fail]") {
  const Failed failed = fail(kFlit, {"--optimize", "latency", "--tiles", "2", "--dram", "hbm2e",
                                     "--lockstep", "off", "--cycles-per-wait", "1", "--timeout",
                                     "1000000", "--in-flight", "2", "--groups", "1"});
  const std::string bundle = kScratch + "options.tar.gz";
  REQUIRE(systole_command({"explain", "-b", bundle, failed.folder}).status == 0);
  fs::remove_all(failed.place);
  const Outcome again = systole_command(replay(bundle));
  CAPTURE(again.err);
  CHECK(again.status == 1);
}

TEST_CASE("bundle: a second replay shows what the first one did", "[must_fail]") {
  const Outcome first = systole_command(replay(flit_bundle()));
  const Outcome second = systole_command(replay(flit_bundle()));
  CHECK(first.status == 1);
  CHECK(first.out == second.out);
}

TEST_CASE("bundle: the archive tells nothing of the sender's machine", "[must_fail]") {
  const std::string folder = kScratch + "opened";
  fs::create_directories(folder);
  REQUIRE(std::system(("tar xzf " + flit_bundle() + " -C " + folder).c_str()) == 0);
  const std::string here = fs::current_path().string(), run = kScratch + "run";
  unsigned files = 0;
  for (const auto& entry : fs::recursive_directory_iterator(folder)) {
    if (!entry.is_regular_file()) continue;
    ++files;
    INFO(entry.path());
    const std::string text = text_of(entry.path());
    CHECK(text.find(here) == std::string::npos);
    CHECK(text.find(run) == std::string::npos);
  }
  CHECK(files == 10);
}

TEST_CASE("bundle: a chip's build does not depend on the folder that it was made in",
          "[must_fail]") {
  for (const std::string build : {"tiny", "tiny-faults"}) {
    const std::string library = text_of("build/" + build + "/libsystole_chip.so");
    CHECK(library.find(fs::current_path().string()) == std::string::npos);
    CHECK(library.find("/.venv/") == std::string::npos);
  }
}

TEST_CASE("bundle: the commands that retired before the failure are in it", "[must_fail]") {
  REQUIRE(systole_command(replay(flit_bundle())).status == 1);
  const std::string commands = text_of(kReplay + "/commands.txt");
  CHECK_THAT(commands, Contains("(1, 1)") && Contains("load") && Contains("local_addr="));
}

TEST_CASE("bundle: a run packs its failure when it is told to", "[must_fail]") {
  const std::string bundle = kScratch + "at_once.tar.gz";
  const Failed failed = fail(kProduct, {"--bundle", bundle});
  CHECK_THAT(failed.run.err, Contains("bundled    " + bundle));
  fs::remove_all(failed.place);
  CHECK(systole_command(replay(bundle)).status == 1);
}

TEST_CASE("bundle: an explanation is shown again", "[must_fail]") {
  const Failed failed = fail(kFlit);
  const Outcome shown = systole_command({"explain", failed.folder});
  CHECK(shown.status == 0);
  CHECK(shown.out == text_of(failed.folder + "/explanation.txt"));
  CHECK(shown.err.empty());
}

// ------------------------------------------------------------------------------------- another
// build

TEST_CASE("bundle: another build of the chip is refused, and from reset says that it is gone",
          "[must_fail]") {
  fs::remove_all(kReplay);
  std::vector<std::string> words = replay(flit_bundle());
  words.insert(words.end(), {"--build", "tiny"});
  check_refused(words, {flit_bundle(), "another build of the chip", "--from-reset",
                        "expected build ID ", "got "});
  CHECK_FALSE(fs::exists(kReplay));

  words.push_back("--from-reset");
  const Outcome gone = systole_command(words);
  CAPTURE(gone.err);
  CHECK(gone.status == 0);
  CHECK_THAT(gone.out, Contains("bit-exact to graph reference     yes") &&
                           Contains("recorded   assertion in cycle ") &&
                           Contains("replayed   the failure is gone\n"));
}

TEST_CASE("bundle: from reset a failure that is there still shows, with a new explanation",
          "[must_fail]") {
  std::vector<std::string> words = replay(flit_bundle());
  words.push_back("--from-reset");
  const Outcome still = systole_command(words);
  CAPTURE(still.err);
  CHECK(still.status == 1);
  CHECK_THAT(still.out, Contains("replayed   the failure still shows: assertion in cycle "));
  CHECK_THAT(still.err, Contains("lost flit: router (1, 1)"));
  CHECK(fs::exists(kReplay + "/again"));
}

TEST_CASE("bundle: from reset a failure of another kind or place is another one", "[must_fail]") {
  for (const auto& plusargs : {std::vector<std::string>{"+fault=product", "+fault_at=600"},
                               std::vector<std::string>{"+fault=misroute", "+fault_at=30"}}) {
    std::vector<std::string> words =
        replay(forged([&](bundle::FailureRecord& r) { r.plusargs = plusargs; }));
    words.push_back("--from-reset");
    const Outcome other = systole_command(words);
    CAPTURE(other.out);
    CHECK(other.status == 1);
    CHECK_THAT(other.out, Contains("replayed   another failure shows: "));
  }
}

TEST_CASE("bundle: a build that is not there is refused with the command that makes it",
          "[must_fail]") {
  std::vector<std::string> words = replay(flit_bundle());
  words.insert(words.end(), {"--build", "tiny-else"});
  check_refused(words, {"tiny-else", "not been built", "make build-tiny-else"});
}

// -------------------------------------------------------------------------------------------
// damage

TEST_CASE("bundle: one that is cut short or changed is refused, and an older replay stays",
          "[must_fail]") {
  REQUIRE(systole_command(replay(flit_bundle())).status == 1);
  write_text(kReplay + "/notes.txt", "of mine");
  const std::string whole = text_of(flit_bundle());
  const std::string bad = kScratch + "bad.tar.gz";
  for (const std::size_t bytes : {std::size_t{0}, std::size_t{1}, std::size_t{10}, whole.size() / 3,
                                  whole.size() - 9, whole.size() - 1}) {
    write_text(bad, whole.substr(0, bytes));
    check_refused(replay(bad), {bad, "expected a whole bundle, as systole explain --bundle"});
  }
  for (const std::size_t at : {std::size_t{1}, std::size_t{30}, whole.size() / 4, whole.size() / 2,
                               whole.size() - 100, whole.size() - 2}) {
    std::string bytes = whole;
    bytes[at] = static_cast<char>(bytes[at] ^ 0x10);
    write_text(bad, bytes);
    check_refused(replay(bad), {bad});
  }
  CHECK(text_of(kReplay + "/notes.txt") == "of mine");
  CHECK(std::distance(fs::directory_iterator(kScratch + "replay"), {}) == 1);
}

TEST_CASE("bundle: what is none is refused, and leaves no folder", "[must_fail]") {
  fs::remove_all(kScratch + "replay");
  check_refused(replay(kDigits + "cnn.onnx"), {kDigits + "cnn.onnx", "not a bundle"});
  check_refused(replay("no/such.tar.gz"), {"no/such.tar.gz", "can't open file"});
  check_refused(replay(kDigits), {kDigits, "not a regular file"});
  check_refused(replay("/dev/zero"), {"/dev/zero", "not a regular file"});
  REQUIRE(std::system(("tar czf " + kScratch + "other.tar.gz Makefile").c_str()) == 0);
  check_refused(replay(kScratch + "other.tar.gz"), {"other.tar.gz", "'Makefile'", "elsewhere"});
  bundle::write_tar(kScratch + "lacks.tar.gz", "b", {{"explanation.txt", "x", {}}});
  check_refused(replay(kScratch + "lacks.tar.gz"), {"lacks.tar.gz: ", "a file is missing"});
  CHECK_FALSE(fs::exists(kScratch + "replay"));
}

TEST_CASE("bundle: a record that does not fit its files or this program is refused",
          "[must_fail]") {
  using Record = bundle::FailureRecord;
  fs::remove_all(kReplay);
  const auto refused = [](const auto& change, const std::vector<std::string>& parts) {
    check_refused(replay(forged(change)), parts);
    CHECK_FALSE(fs::exists(kReplay));
  };
  refused([](Record& r) { r.build = "../tiny"; }, {"run.json", "chip.build", "a plain name"});
  refused([](Record& r) { r.model.path = "../../" + kDigits + "cnn.onnx"; }, {"a file is missing"});
  refused([](Record& r) { r.model.path = "/etc/passwd"; }, {"/etc/passwd: a file is missing"});
  refused([](Record& r) { r.firmware.path = "explanation.txt"; },
          {"explanation.txt: not the file that the run read", "expected SHA-256 "});
  refused([](Record& r) { r.build_id = "0123"; }, {"another build", "expected build ID 0123"});
  refused([](Record& r) { r.identity[1].second = "0"; },
          {"of another program: the compiled model differs", "expected 0, got "});
  refused([](Record& r) { r.config = "huge"; }, {"unknown configuration", "huge"});
  refused([](Record& r) { r.dram = "none"; }, {"--dram", "unknown DRAM", "none"});
}

TEST_CASE("bundle: a run that does not fail as recorded is refused with both failures",
          "[must_fail]") {
  using Record = bundle::FailureRecord;
  fs::remove_all(kReplay);
  const auto refused = [](const auto& change, const std::string& expected) {
    check_refused(replay(forged(change)), {"the failure does not repeat", "expected " + expected,
                                           "got assertion in cycle "});
    CHECK_FALSE(fs::exists(kReplay));
  };
  refused([](Record& r) { ++r.failure.cycle; }, "assertion in cycle ");
  refused([](Record& r) { r.failure.kind = ChipFailure::Kind::Hang; }, "hang in cycle ");
  refused([](Record& r) { r.failure.text = "elsewhere"; }, "assertion in cycle ");
}

TEST_CASE("bundle: folders that cannot be written, or are someone's own, are refused",
          "[must_fail]") {
  const std::string file = kScratch + "taken";
  write_text(file, "mine");
  check_refused({"replay", flit_bundle(), "--folder", file}, {file, "is in the way", "a file"});
  check_refused({"replay", flit_bundle(), "--folder", file + "/x"}, {file, "cannot be written"});
  check_refused({"replay", flit_bundle(), "--folder", "tests"}, {"tests", "another folder"});
  check_refused({"replay", flit_bundle(), "--folder", "."}, {"is in the way", "another folder"});
  const Failed failed = fail(kFlit);
  check_refused({"replay", flit_bundle(), "--folder", failed.folder}, {"another folder"});
  CHECK(fs::exists(failed.folder + "/repeat.sh"));
  check_refused({"replay", flit_bundle(), "--folder", "/proc/x"}, {"/proc/x", "cannot be written"});
  CHECK(text_of(file) == "mine");
  CHECK(fs::exists("tests/must_fail"));
}

TEST_CASE("bundle: what cannot be packed is refused, and the old bundle stays", "[must_fail]") {
  const Failed failed = fail(kFlit);
  const std::string bundle = kScratch + "old.tar.gz";
  write_text(bundle, "old");
  const std::vector<std::string> pack = {"explain", failed.folder, "--bundle"};
  const auto refused = [&](const std::string& to, const std::vector<std::string>& parts) {
    std::vector<std::string> words = pack;
    words.push_back(to);
    const Outcome outcome = systole_command(words);
    CAPTURE(outcome.err);
    CHECK(outcome.status == 2);
    for (const std::string& part : parts) CHECK_THAT(outcome.err, Contains(part));
    CHECK(text_of(bundle) == "old");
    CHECK_FALSE(fs::exists(bundle + ".part"));
  };
  refused(kScratch + "no/such/b.tar.gz", {"no/such/b.tar.gz: cannot be written"});
  refused(kScratch, {"cannot be written"});
  refused("/dev/full", {"/dev/full: cannot be written"});

  const fs::path model = failed.place / "cnn.onnx";
  const std::string bytes = text_of(model);
  write_text(model, bytes + "x");
  refused(bundle, {"cnn.onnx: has changed since the run", "expected SHA-256 ", "got "});
  fs::remove(model);
  refused(bundle, {"cnn.onnx: can't open file"});
  write_text(model, bytes);
  fs::remove(failed.folder + "/waves.fst");
  refused(bundle, {"waves.fst: can't open file"});
  write_text(failed.folder + "/run.json", "{}");
  refused(bundle, {"run.json: not a record of a failed run"});
  fs::remove(failed.folder + "/run.json");
  refused(bundle, {failed.folder + ": not an explanation"});
}
