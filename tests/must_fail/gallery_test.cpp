// The gallery of faults: `systole run` on a chip that is broken on purpose, as a user meets it.
// Each fault strikes once, in one place, after networks have run; the explanation must name that
// place.
#include <array>
#include <catch2/catch.hpp>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <iterator>
#include <map>
#include <nlohmann/json.hpp>
#include <regex>
#include <sstream>

#include "host/command/error.hpp"
#include "host/import/npy.hpp"
#include "host/report/waves.hpp"

using namespace systole;

namespace {

namespace fs = std::filesystem;

const std::string kScratch = "build/test/must_fail_gallery/";
const std::string kDigits = "tests/models/digits/";
constexpr int64_t kImages = 4;
constexpr uint64_t kWatchdog = 100000;
constexpr uint64_t kPicosecondsPerCycle = 1000;

enum class Seen { Value, Image, Assertion, Hang, Request };

struct Fault {
  const char* name;  // of tests/must_fail/*.sv
  unsigned at;       // the occurrence that is struck
  Seen seen;         // what ends the run
  const char* first_line;
  std::vector<const char*> names;  // what else the explanation must say
  /// What it does not name yet, and should: then the fault does not count as explained.
  const char* missing = nullptr;
  const char* firmware = nullptr;  // an image with a fault
  const char* options = "";        // more of them
  const char* folder = nullptr;    // where the same fault is met twice
  uint64_t patience =
      kWatchdog;         // from the cycle that the hang names to the one in which it is seen
  bool loading = false;  // it strikes before a network runs
};

// Regular expressions. Tile (1, 1) and its routers are where faults strike
// (tests/must_fail/fault.sv).
const std::vector<Fault> kGallery = {
    {"product",
     450,
     Seen::Value,
     R"(wrong value: tile \(1, 1\) Matrix unit, cycle \d+)",
     {R"(layer +'\w+' \(Conv\))", R"(tensor +\w+ \[1, \d+, 8, 8\], element \[0, \d+, \d+, \d+\])",
      R"( 1 of the \d+ elements)", R"(iteration .*column=5\b)", R"(accumulator row \d+ column 5\b)",
      R"(element written \d+)", R"(scratchpad is as the model's)"}},
    {"weights",
     30,
     Seen::Value,
     R"(wrong value: tile \(1, 1\) Matrix unit, cycle \d+)",
     {R"(layer +'\w+' \(Conv\))", R"( \d\d+ of the \d+ elements)", R"(element written \d+)",
      R"(scratchpad is as the model's)"}},
    {"accumulator",
     700,
     Seen::Value,
     R"(wrong value: tile \(1, 1\) Matrix unit, cycle \d+)",
     {R"( 16 of the \d+ elements)", R"(accumulator row \d+ column 0\b)",
      R"(element not written since \d+, before the command began)"}},
    {"byte",
     150,
     Seen::Value,
     R"(result not written: tile \(1, 1\) Load unit, port ld, behind cycle \d+)",
     {R"(is to write 0x[0-9a-f]{5} .*byte \d+ of \d+\), and never did: so with 1 of the \d+ bytes)",
      R"(wrong value: tile \(1, 1\) Load unit, cycle \d+)", R"( 1 of the \d+ elements)",
      R"(iteration .*byte=\d+)", R"(read from +0x[0-9a-f]+: DRAM 0, memory node \(0, 1\))",
      R"(place +scratchpad 0x)", R"(source +right: it holds 0x)"}},
    {"overrun",
     7,
     Seen::Value,
     R"(wrong value: tile \(1, 1\) Matrix unit, cycle \d+)",
     {R"(scratchpad 0x[0-9a-f]+ differs too, .* last written in cycle \d+ by the Load unit \(32 bytes)"}},
    {"rounding",
     60,
     Seen::Value,
     R"(wrong value: tile \(1, 1\) Vector unit, cycle \d+)",
     {R"( 1 of the \d+ elements)", R"(iteration .*lane=5\b)", R"(element written \d+)",
      R"(1 bytes of the tile's scratchpad differ)"}},
    {"flit",
     100,
     Seen::Assertion,
     R"(lost flit: router \(1, 1\), response network, cycle \d+)",
     {R"(ReadData of \(0, 1\) to \(1, 1\), tag \d+: 16 flits came in from the west, 15 left)",
      R"(failed assertion: tile \(1, 1\) Load unit, cycle \d+: ResponseLength_A)",
      R"(under way +command \d+ of the Load program)"}},
    {"duplicate",
     100,
     Seen::Assertion,
     R"(duplicated flit: router \(1, 1\), response network, cycle \d+)",
     {R"(ReadData of \(0, 1\) to \(1, 1\), tag \d+)",
      R"(failed assertion: tile \(1, 1\) Load unit, cycle \d+)"}},
    {"misroute",
     30,
     Seen::Assertion,
     R"(misrouted packet: router \(1, 1\), response network, cycle \d+)",
     {R"(ReadData of \(0, 1\) to \(1, 1\), .* left to the north, for \(1, 0\))",
      R"(failed assertion: tile \(1, 0\) Load unit)"}},
    {"credit",
     100,
     Seen::Hang,
     R"(port not ready: router \(1, 1\), response network, cycle \d+)",
     {R"(what comes from the west is not taken, ReadData of \(0, 1\) to \(1, 1\))",
      R"(hang: nothing has happened since cycle \d+)",
      R"(tile \(1, 1\) Load +waits for the data of \d+ reads)",
      R"(DRAM 0 still has \d+ read beats)"}},
    {"event",
     1,
     Seen::Hang,
     R"(lost packet: router \(1, 1\), request network, cycle \d+)",
     {R"(Write of \(1, 1\) to \(0, 0\), tag 47 \(a tile event\) came in from its node)",
      R"(hang: nothing has happened since cycle \d+)"}},
    {"reorder",
     150,
     Seen::Value,
     R"(reads out of order: memory node \(0, 1\), cycle \d+)",
     {R"(0x[0-9a-f]+ \(Read of .*\) reached the memory before 0x[0-9a-f]+ \(Read of )",
      R"(wrong value: tile \(1, \d\) Load unit)", R"(read from +0x[0-9a-f]+: DRAM 0)"}},
    {"wake",
     5,
     Seen::Value,
     R"(command not carried out: tile \(1, 1\) Vector unit, cycle \d+)",
     {R"(given command \d+, and touched none of the \d+ bytes)",
      R"(wrong value: tile \(1, 1\) Vector unit, cycle \d+)",
      R"(element not written since \d+, before the command began)"}},
    {"post",
     4,
     Seen::Hang,
     R"(hang: nothing has happened since cycle \d+)",
     {R"(semaphore \d+ of tile \(1, 1\) .* a post was lost; the last one was of tile \(1, 1\) Matrix)",
      R"(tile \(1, 1\) Vector +waits for semaphore \d+ for command \d+)"}},
    {"irq",
     2,
     Seen::Hang,
     R"(hang: nothing has happened since cycle \d+)",
     {R"(the completion lies in host memory.*interrupt.*io node)",
      R"(host +waits for its interrupt, owed by io node)"}},
    {"strobe",
     4,
     Seen::Value,
     R"(a write of the host has arrived wrong: cycle \d+)",
     {R"(place +0x[0-9a-f]+: DRAM 0, memory node \(0, 1\))", R"(holds +a constant of layer '\w+')",
      R"(suspects +the host port .*memory node \(0, 1\))", R"( 1 of the \d+ elements)"},
     nullptr,
     nullptr,
     "",
     nullptr,
     kWatchdog,
     true},
    {"astray",
     8,
     Seen::Request,
     R"(tile fault: tile \(1, 1\) Load unit, cycle \d+: Window)",
     {R"(layer +'\w+' \()", R"(address +0x4[0-9a-f]+: no memory)",
      R"(command +\d+ of the Load program)", R"(load addr=0x)",
      R"(the functional model runs this command: the unit, or what it checks with)",
      R"(cycles +began \d+, raised \d+, seen \d+)", R"(request +inputs 0 to 0)"}},
    {"post",
     4,
     Seen::Request,
     R"(timeout: nothing has happened since cycle \d+, and the request was given up in cycle \d+)",
     {R"(semaphore \d+ of tile \(1, 1\) .* a post was lost; the last one was of tile \(1, 1\) Matrix)",
      R"(tile \(1, 1\) Vector +waits for semaphore \d+ for command \d+)",
      R"(given up after 500\d\d of 50000 cycles)"},
     nullptr,
     nullptr,
     " --timeout 50000",
     "timeout"},
    {"post",
     4,
     Seen::Hang,
     R"(hang: there is traffic, but no command has ended since cycle \d+)",
     {R"(semaphore \d+ of tile \(1, 1\) .* a post was lost; the last one was of tile \(1, 1\) Matrix)",
      R"(tile \(1, 1\) Vector +waits for semaphore \d+ for command \d+)"},
     nullptr,
     "build/must_fail/polling/firmware.bin",
     "",
     "livelock",
     2 * kWatchdog},
    {"neighbour",
     0,
     Seen::Value,
     R"(wrong read: tile \(1, 1\) scratchpad, port va, the Vector unit's, cycle \d+)",
     {R"(of the \d+ bytes from 0x[0-9a-f]{5} it gave [0-9a-f ]+, and should [0-9a-f ]+, by what)",
      R"(wrong value: tile \(1, 1\) Vector unit, cycle \d+)", R"(layer +'add')"}},
    {"chunk",
     0,
     Seen::Value,
     R"(operand not read: tile \(1, 1\) Matrix unit, port wgt, behind cycle \d+)",
     {R"(command \d+ is to read 0x[0-9a-f]{5} \(n=0 k2=0 k1=0 k0=0 chunk=6, byte 0 of 16\), and never did)",
      R"(wrong value: tile \(1, 1\) Matrix unit, cycle \d+)", R"(layer +'\w+' \(Conv\))"}},
    {"line",
     0,
     Seen::Value,
     R"(result not written: tile \(1, 1\) Vector unit, port vd, behind cycle \d+)",
     {R"(command \d+ is to write 0x[0-9a-f]{5} \(i3=0 i2=0 i1=\d+ i0=\d+, byte 0 of \d+\), and never did)",
      R"(wrong value: tile \(1, 1\) Vector unit, cycle \d+)"}},
    {"param",
     0,
     Seen::Value,
     R"(wrong command: tile \(1, 1\) Store sequencer, cycle \d+)",
     {R"(it gave its unit command \d+ with addr=0x[0-9a-f]+, and the program and its parameters make addr=0x)",
      R"(wrong value: tile \(1, 1\) Store unit, cycle \d+)"},
     nullptr,
     nullptr,
     " --groups 2"},
    {"twice",
     8,
     Seen::Request,
     R"(tile fault: tile \(1, 1\), cycle \d+: EndSemaphore)",
     {R"(evidence +semaphore \d+ of tile \(1, 1\) was posted \d+ times and taken \d+ times, so it should be 0)",
      R"(it is 1: a post came twice, .* the last post was of tile \(1, 1\) )"}},
    {"held",
     40,
     Seen::Hang,
     R"(hang: .*nothing has happened since cycle \d+)",
     {R"(tile \(1, 1\) \w+ does not take what command \d+ \(\w+\) waits for, though semaphore \d+ is 1)",
      R"(owed by the semaphores of tile \(1, 1\))"}},
    {"short",
     0,
     Seen::Assertion,
     R"(short packet: io node, host memory, cycle \d+)",
     {R"(Write of \(1, 1\) to \(0, 0\), .* came with 1 data flits, and its head names the bytes of 2)",
      R"(the Store unit of tile \(1, 1\), or what lies between, is at fault)",
      R"(failed assertion: io node, cycle \d+: WriteHasItsFlits_A)"},
     nullptr,
     nullptr,
     " --groups 2"},
    {"early",
     0,
     Seen::Value,
     R"(wrong value: tile \(1, 1\) Store unit, cycle \d+)",
     {R"(retired +too early: the right value came in cycle \d+)"},
     nullptr,
     nullptr,
     " --groups 2"},
    {"mute",
     0,
     Seen::Value,
     R"(wrong value: tile \(1, 1\) Vector unit, cycle \d+)",
     {R"(element written \d+)", R"(got +0 \(0x00\))"}},
    {"alarm",
     0,
     Seen::Request,
     R"(a fault event without a fault: tile \(1, 1\), cycle \d+)",
     {R"(the tile's FAULT register holds none)", R"(suspects .*tile_requester.*TILE_EVENT)"}},
    {"tag",
     2,
     Seen::Hang,
     R"(answer to nobody: memory node \(0, 1\), cycle \d+)",
     {R"(Ack of \(0, 1\) to \(0, 0\), tag \d+ left, .* what waits is Write of \(0, 0\) to \(0, 1\), tag \d+)",
      R"(the host's own access has no answer)", R"(host +waits for the answer to its)"},
     nullptr,
     nullptr,
     "",
     nullptr,
     kWatchdog,
     true},
    {"stale",
     0,
     Seen::Image,
     R"(the program in the scratchpad is not the one that was loaded: tile \(1, 0\), cycle \d+)",
     {R"(place +scratchpad 0x00020, byte 32 of \d+: word 8 of command 0)",
      R"(expected +.*\n +got )", R"(suspects .*the core's DMA \(io node\))",
      R"(byte written \d+, seen \d+, at the launch)"},
     nullptr,
     nullptr,
     "",
     nullptr,
     kWatchdog,
     true},
    {"endless",
     0,
     Seen::Hang,
     R"(read without end: tile \(1, 1\) Load unit, cycle \d+)",
     {R"(its commands since it was idle, the last taken in cycle \d+, name \d+ bytes, and with the read of 0x[0-9a-f]+ it has asked for \d+)",
      R"(hang: there is traffic, but no command has ended since cycle \d+)",
      R"(tile \(1, 1\) Load +waits for the data of \d+ reads of command 0 \(Load\))"},
     nullptr,
     nullptr,
     "",
     nullptr,
     2 * kWatchdog},
    {"unended",
     0,
     Seen::Hang,
     R"(reply not taken for the end: tile \(1, 1\) Load unit, cycle \d+)",
     {R"(all data of the read in slot \d+ have come, and the unit goes on waiting for them)",
      R"(hang: nothing has happened since cycle \d+)"}},
    {"ungranted",
     0,
     Seen::Hang,
     R"(port not granted: tile \(1, 1\) scratchpad, port vb, the Vector unit's, cycle \d+)",
     {R"(for \d+ cycles the scratchpad has not granted it)",
      R"(tile \(1, 1\) Vector +waits for command \d+ \(Vector\) of layer 'add' to end, which is under way)"}},
    {"changed",
     0,
     Seen::Value,
     R"(changed flit: router \(1, 1\), response network, cycle \d+)",
     {R"(ReadData of \(0, 1\) to \(1, 1\), tag \d+ came in from the west and left to its node, flit \d+ of it with another payload, from bit 77 on)",
      R"(wrong value: tile \(1, 1\) Load unit, cycle \d+)", R"(source +right: it holds 0x)"}},
    {"none",
     0,
     Seen::Hang,
     R"(hang: nothing has happened since cycle \d+)",
     {R"(no tile runs)", R"(host +waits for a completion, owed by firmware)"},
     nullptr,
     "build/must_fail/forgetful/firmware.bin"},
};

// ------------------------------------------------------------------------------------------- a run

std::string text_of(const std::string& file) {
  std::ifstream in(file, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

struct Run {
  int status = 0;
  std::string said;  // both streams
};

Run shell(const std::string& command) {
  Run run;
  std::FILE* pipe = ::popen((command + " 2>&1").c_str(), "r");
  std::array<char, 4096> part{};
  while (const std::size_t bytes = std::fread(part.data(), 1, part.size(), pipe))
    run.said.append(part.data(), bytes);
  const int status = ::pclose(pipe);
  run.status = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  return run;
}

/// The first images of the digits, as a file.
std::string images() {
  const std::string file = kScratch + "images.npy";
  const Tensor all = npy::load(kDigits + "cnn_images.npy");
  Shape shape = all.shape();
  shape[0] = kImages;
  Tensor few(all.type(), shape);
  std::copy_n(all.bytes().begin(), few.bytes().size(), few.bytes().begin());
  npy::save(file, few);
  return file;
}

std::string folder_of(const Fault& fault) {
  if (fault.folder) return kScratch + fault.folder;
  return kScratch + (fault.firmware ? "firmware" : fault.name);
}

std::string run_command() {
  return "build/systole run " + kDigits + "cnn.onnx --input " + images() +
         " --config tiny --build tiny-faults --requests-of 1 --watchdog " +
         std::to_string(kWatchdog);
}

std::string command_of(const Fault& fault) {
  std::ostringstream command;
  command << run_command() << " --plusarg +fault=" << fault.name
          << " --plusarg +fault_at=" << fault.at << " --explain-folder " << folder_of(fault)
          << fault.options;
  if (fault.firmware) command << " --firmware " << fault.firmware;
  return command.str();
}

/// When the programs are loaded, in a run without a fault.
uint64_t loaded_in(const std::string& options) {
  const std::string report = kScratch + "no_fault.json";
  const Run run = shell(run_command() + " --json " + report + options);
  INFO(run.said);
  REQUIRE(run.status == 0);
  return nlohmann::json::parse(text_of(report)).at("loading_cycles");
}

// ------------------------------------------------------------------------------------------- waves

/// First and last time of an FST, by its header: a zero byte, the block's length, start, end.
/// Throws when it is none, or holds nothing.
std::pair<uint64_t, uint64_t> span_of_waves(const std::string& file) {
  const std::string text = text_of(file);
  if (text.size() < 330 || text[0] != 0) throw Error("no waves", file);
  const auto number = [&](std::size_t at) {
    uint64_t value = 0;
    for (std::size_t i = 0; i < 8; ++i) value = value << 8 | static_cast<uint8_t>(text[at + i]);
    return value;
  };
  if (number(1) != 329 || number(17) <= number(9)) throw Error("no waves", file);
  return {number(9), number(17)};
}

/// What is wrong with the waves; empty when the cycle can be looked at in them.
std::string trouble_in_waves(const std::string& file, uint64_t cycle) {
  try {
    const auto [from, to] = span_of_waves(file);
    if (cycle * kPicosecondsPerCycle < from || cycle * kPicosecondsPerCycle > to)
      return "the waves do not cover the cycle";
    uint64_t cycles = 0, ones = 0;
    const report::Waves waves(file);
    if (!waves.has("TOP.systole_chip.clk_i")) return "the waves have no clock";
    const std::string state =
        "TOP.systole_chip.gen_row[1].gen_col[1].gen_tile.u_tile.u_load.cmd_valid_i";
    waves.read({"TOP.systole_chip.clk_i", state}, [&](uint64_t, const report::WaveValues& values) {
      ++cycles;
      ones += report::number(values[0]);
    });
    if (!waves.has(state)) return "the waves have no tile";
    if (cycles < 100) return "the waves hold few cycles";
    if (ones != 0) return "cycles are not seen before their edge";
  } catch (const Error& error) {
    return error.what();
  }
  if (shell("command -v fst2vcd").status != 0) return "";
  const Run vcd = shell("fst2vcd -f " + file + " | grep -c '^#'");
  return std::atoi(vcd.said.c_str()) > 100 ? "" : "fst2vcd reads no waves";
}

// -------------------------------------------------------------------------------------- complaints

class Check {
 public:
  /// `loaded`: loaded_in()
  Check(const Fault& fault, uint64_t loaded) : fault_(fault), loaded_(loaded) {}

  /// What is not as it should be.
  std::string run() {
    fs::remove_all(folder_of(fault_));
    const Run run = shell(command_of(fault_));
    said_ = run.said;
    status_ = run.status;
    const bool differs = fault_.seen == Seen::Value || fault_.seen == Seen::Image;
    expect(run.status == (differs ? 1 : 2), "exit status");
    expect(std::regex_search(run.said, std::regex(R"(explained in \d+\.\d\d s)")), "no time");
    find_bundle();
    if (bundle_.empty()) return complaints_;
    check_explanation();
    check_waves();
    check_view();
    check_repeat();
    return complaints_;
  }

  const std::string& explanation() const { return explanation_; }

 private:
  void expect(bool holds, const std::string& complaint) {
    if (!holds) complaints_ += complaint + "\n";
  }

  void find_bundle() {
    unsigned found = 0;
    if (fs::exists(folder_of(fault_))) {
      for (const auto& entry : fs::directory_iterator(folder_of(fault_))) {
        bundle_ = entry.path().string();
        ++found;
      }
    }
    expect(found == 1, "no folder, or several:\n" + said_);
    const std::size_t at = bundle_.rfind('_');
    if (!bundle_.empty()) failed_in_ = std::stoull(bundle_.substr(at + 1));
  }

  void check_explanation() {
    explanation_ = text_of(bundle_ + "/explanation.txt");
    expect(said_.find(explanation_.substr(0, explanation_.find("\nwaves:"))) != std::string::npos,
           "the explanation is not what the run prints");
    const std::string first = explanation_.substr(0, explanation_.find('\n'));
    expect(std::regex_match(first, std::regex(fault_.first_line)), "first line: " + first);
    for (const char* name : fault_.names) {
      expect(std::regex_search(explanation_, std::regex(name)), std::string("not named: ") + name);
    }
    std::smatch match;
    if (std::regex_search(first, match, std::regex(R"(cycle (\d+))")))
      cycle_ = std::stoull(match[1]);
    if (std::regex_search(explanation_, match, std::regex(R"(waves: cycles (\d+) to (\d+))"))) {
      expect(std::stoull(match[1]) <= cycle_ && cycle_ < std::stoull(match[2]),
             "the cycle lies outside of the waves");
    } else {
      expect(false, "no window");
    }
    expect(fault_.loading || cycle_ > loaded_, "it strikes before a network runs");
  }

  void check_waves() {
    const std::string trouble = trouble_in_waves(bundle_ + "/waves.fst", cycle_);
    expect(trouble.empty(), trouble);
  }

  void check_view() {
    const std::string view = text_of(bundle_ + "/waves.gtkw");
    expect(view.find("[dumpfile] \"waves.fst\"") != std::string::npos, "no dump file in the view");
    if (shell("command -v fst2vcd").status != 0) return;
    const Run check =
        shell("python3 tools/check_view.py " + bundle_ + "/waves.fst " + bundle_ + "/waves.gtkw");
    expect(check.status == 0, check.said);
  }

  /// The same failure in the same cycle, with waves of their own.
  void check_repeat() {
    fs::remove(bundle_ + "/waves.fst");
    const Run again = shell(bundle_ + "/repeat.sh");
    expect(again.status == status_, "repeat.sh ends otherwise: " + again.said);
    const bool hang = fault_.seen == Seen::Hang;
    const std::string same =
        "cycle " + std::to_string(failed_in_ + (hang ? fault_.patience : 0)) + ":";
    const bool busy = fault_.patience != kWatchdog;
    const char* what = busy                             ? "no command has ended"
                       : hang                           ? "nothing has happened"
                       : fault_.seen == Seen::Assertion ? "an assertion of the chip failed"
                       : fault_.seen == Seen::Request   ? "the chip reports a failure"
                       : fault_.seen == Seen::Image     ? "is not the one that was loaded"
                       : fault_.loading                 ? "a write of the host has arrived wrong"
                                                        : "wrong value";
    if (fault_.seen != Seen::Request)
      expect(again.said.find(same) != std::string::npos,
             "repeat.sh shows another cycle: " + again.said);
    expect(again.said.find(what) != std::string::npos, "repeat.sh shows another failure");
    check_waves();
  }

  const Fault& fault_;
  uint64_t loaded_;
  std::string complaints_, said_, bundle_, explanation_;
  int status_ = 0;
  uint64_t failed_in_ = 0;
  uint64_t cycle_ = 0;
};

}  // namespace

TEST_CASE("gallery: every fault is explained, by its place, in waves that can be looked at",
          "[must_fail]") {
  fs::create_directories(kScratch);
  std::map<std::string, uint64_t> loaded;  // by options
  unsigned explained = 0;
  for (const Fault& fault : kGallery) {
    if (loaded.count(fault.options) == 0) loaded[fault.options] = loaded_in(fault.options);
    Check check(fault, loaded[fault.options]);
    const std::string complaints = check.run();
    INFO(folder_of(fault) << "\n" << check.explanation());
    CHECK(complaints == "");
    if (complaints.empty() && fault.missing == nullptr) ++explained;
  }
  std::cout << "bugs_injected " << kGallery.size() << "\nbugs_explained " << explained << "\n";
  CHECK(kGallery.size() >= 12);
}

TEST_CASE("gallery: waves that are empty, cut short or none at all fail", "[must_fail]") {
  fs::create_directories(kScratch);
  const std::string file = kScratch + "bad.fst";
  for (const std::size_t bytes : {0u, 1u, 25u, 4096u}) {
    std::ofstream(file, std::ios::binary) << std::string(bytes, '\0');
    INFO(bytes);
    CHECK(trouble_in_waves(file, 0) != "");
    CHECK_THROWS_AS(report::Waves(file), Error);
  }
  CHECK_THROWS_AS(report::Waves(kScratch + "missing.fst"), Error);

  const std::string folder = kScratch + "cut";
  fs::remove_all(folder);

  std::string command = command_of(kGallery.front());
  command.replace(command.find("--explain-folder"), std::string::npos,
                  "--explain-folder " + folder);
  shell(command);
  REQUIRE(fs::exists(folder));
  const std::string whole = text_of(fs::directory_iterator(folder)->path() / "waves.fst");
  const auto [from, to] = span_of_waves(fs::directory_iterator(folder)->path() / "waves.fst");
  const uint64_t cycle = (from + to) / 2 / kPicosecondsPerCycle;
  std::ofstream(file, std::ios::binary) << whole;
  CHECK(trouble_in_waves(file, cycle) == "");
  CHECK(trouble_in_waves(file, to / kPicosecondsPerCycle + 1) != "");
  for (const std::size_t bytes : {whole.size() / 2, whole.size() - 1}) {
    std::ofstream(file, std::ios::binary) << whole.substr(0, bytes);
    INFO(bytes);
    CHECK(trouble_in_waves(file, cycle) != "");
  }
}
