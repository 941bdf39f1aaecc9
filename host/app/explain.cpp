#include "host/app/explain.hpp"

#include <fmt/format.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "host/app/record.hpp"
#include "host/bundle/bundle.hpp"
#include "host/command/error.hpp"
#include "host/command/loop_nest.hpp"
#include "host/command/shell_word.hpp"
#include "host/report/explanation.hpp"
#include "host/report/network_audit.hpp"
#include "host/report/wait_graph.hpp"
#include "host/report/wave_view.hpp"

namespace systole::app {
namespace {

namespace fs = std::filesystem;

constexpr uint64_t kBefore = 600;  // cycles of waves before the one that matters
constexpr uint64_t kBehind = 200;  // and behind it
constexpr uint64_t kReach = 1500;  // what belongs to it is in the window when it lies so near
constexpr uint64_t kPicosecondsPerCycle = 1000;

// ----------------------------------------------------------------------------------- the command

/// Options that a second run has values of its own for, or must not have.
const std::vector<std::string> kOwnOptions = {
    "--resume", "--trace",  "--trace-file", "--checkpoint-every", "--checkpoint-folder",
    "--json",   "--output", "-o",           "--explain",          "--explain-folder",
    "--until",  "--report", "--timeline",   "--on-mismatch",      "--bundle"};

/// The words of a command line without those options and their values.
std::vector<std::string> shared_words(const std::vector<std::string>& words) {
  std::vector<std::string> result;
  for (std::size_t i = 0; i < words.size(); ++i) {
    const bool attached = words[i].size() > 2 && words[i].compare(0, 2, "-o") == 0;
    if (attached) continue;
    const std::string name = words[i].substr(0, words[i].find('='));
    if (std::find(kOwnOptions.begin(), kOwnOptions.end(), name) == kOwnOptions.end()) {
      result.push_back(words[i]);
    } else if (name == words[i]) {
      ++i;
    }
  }
  return result;
}

/// Runs this program again with other words; what it prints goes to `log`. Returns its status.
int run_again(const std::vector<std::string>& words, const std::string& log) {
  std::vector<char*> arguments;
  std::vector<std::string> copy = words;
  copy.insert(copy.begin(), "systole");
  for (std::string& word : copy) arguments.push_back(word.data());
  arguments.push_back(nullptr);
  std::fflush(nullptr);
  const pid_t child = ::fork();
  if (child < 0) throw Error("cannot start another process", "explain", "", std::strerror(errno));
  if (child == 0) {
    if (std::freopen(log.c_str(), "w", stdout) == nullptr || ::dup2(1, 2) < 0) ::_exit(127);
    ::execv("/proc/self/exe", arguments.data());
    ::_exit(127);
  }
  int status = 0;
  while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128;
}

// ------------------------------------------------------------------------------------- the waves

uint64_t big_endian(const uint8_t* at) {
  uint64_t value = 0;
  for (int i = 0; i < 8; ++i) value = value << 8 | at[i];
  return value;
}

/// Throws unless the file is an FST whose time covers the cycle. Its first block is the header: a
/// zero byte, the block's length, start time, end time (GTKWave, "An explanation of the FST
/// format").
void require_waves(const std::string& file, uint64_t cycle) {
  std::ifstream in(file, std::ios::binary);
  std::array<uint8_t, 25> header{};
  in.read(reinterpret_cast<char*>(header.data()), header.size());
  if (!in || header[0] != 0) throw Error("no waves were written", file);
  const uint64_t time = cycle * kPicosecondsPerCycle;
  const uint64_t from = big_endian(&header[9]), to = big_endian(&header[17]);
  if (time >= from && time <= to) return;
  throw Error("the waves miss the cycle", file, fmt::format("cycle {}", cycle),
              fmt::format("{} to {}", from / kPicosecondsPerCycle, to / kPicosecondsPerCycle));
}

// -------------------------------------------------------------------------------------- the rest

class Explainer {
 public:
  explicit Explainer(const FailedRun& run)
      : run_(run), failure_(*run.chip.failure()), mismatch_(run.chip.mismatch()) {
    folder_ = fmt::format("{}/{}_cycle_{}", run.options.explain_folder,
                          fs::path(run.options.model).stem().string(), failure_.cycle);
  }

  std::string explain() {
    const auto start = std::chrono::steady_clock::now();
    make_folder();
    try {
      choose_checkpoint();
      locate();
      write_waves();
      study_waves();
      write_texts();
    } catch (...) {
      std::error_code ignored;
      fs::remove_all(folder_, ignored);
      throw;
    }
    print();
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
    fmt::print(stderr, "  explained in {:.2f} s\n", took.count());
    return folder_;
  }

 private:
  std::string file(const std::string& name) const { return folder_ + "/" + name; }

  void make_folder() const {
    std::error_code error;
    fs::remove_all(folder_, error);
    if (!error) fs::create_directories(folder_, error);
    if (error) throw Error("cannot be written", folder_, "a folder", error.message());
  }

  /// When the command at fault began, as far as is known.
  std::optional<uint64_t> begin() const {
    if (!mismatch_) return std::nullopt;
    const auto last = run_.log.last_retired(mismatch_->node, mismatch_->unit);
    const bool retired = last && *last == mismatch_->pc;
    return retired ? run_.log.begin_of_last(mismatch_->node, mismatch_->unit)
                   : run_.log.begin_of_next(mismatch_->node, mismatch_->unit);
  }

  /// The last one before the fault can have begun.
  void choose_checkpoint() {
    const uint64_t first = std::min(begin().value_or(failure_.cycle), failure_.cycle);
    for (const uint64_t cycle : run_.chip.checkpoints()) {
      if (cycle + kBefore <= first) checkpoint_ = cycle;
    }
    if (checkpoint_ > 0) run_.chip.save_checkpoint(checkpoint_, file("checkpoint.ckpt"));
  }

  /// Runs to the failure once more, without waves, watching the wrong element: in which cycle did
  /// it get its value?
  void locate() {
    if (!mismatch_ || mismatch_->kind != golden::Mismatch::Kind::Value) return;
    written_ = last_change(
        {mismatch_->accumulator, mismatch_->node, mismatch_->address, mismatch_->element_bytes});
    if (mismatch_->operand) {
      operand_written_ =
          last_change({false, mismatch_->node,
                       golden::scratchpad_address(mismatch_->node, *mismatch_->operand), 1});
    }
  }

  /// The last cycle before the failure in which bytes of the chip changed.
  std::optional<uint64_t> last_change(const Watch& watch) const {
    SimulationOptions options = run_.simulation;
    options.checkpoint_every = 0;
    options.checkpoint_folder.clear();
    options.trace_from = options.trace_to = 0;
    options.resume = checkpoint_ > 0 ? file("checkpoint.ckpt") : "";
    options.watch = watch;
    ChipConfig build = run_.model.config;
    if (!run_.options.build.empty()) build.name = run_.options.build;
    const auto chip = load_simulated_chip(build, options);
    SessionOptions session;
    if (!run_.options.firmware.empty()) session.firmware = run_.options.firmware;
    session.inputs_per_request = run_.options.inputs_per_request;
    session.timeout_cycles = run_.options.timeout_cycles;
    try {
      Session(run_.model, *chip, session).run(run_.records);
    } catch (const Error&) {
      // The same failure, as it should be.
    }
    require_same_failure(chip->failure() ? std::optional<uint64_t>(chip->failure()->cycle)
                                         : std::nullopt);
    return chip->watched_change();
  }

  void require_same_failure(std::optional<uint64_t> cycle) const {
    if (cycle && *cycle == failure_.cycle) return;
    throw Error("the failure does not repeat", folder_, fmt::format("at cycle {}", failure_.cycle),
                cycle ? fmt::format("at cycle {}", *cycle) : "none");
  }

  /// The cycle that one wants to look at. An element that its command did not write tells none.
  uint64_t cursor() const {
    const auto began = begin();
    if (!written_ || (began && *written_ < *began)) return failure_.cycle;
    return *written_;
  }

  void choose_window() {
    from_ = cursor() < kBefore ? 0 : cursor() - kBefore;
    for (const auto& earlier : {begin(), operand_written_}) {
      if (earlier && *earlier <= cursor() && cursor() - *earlier <= kReach)
        from_ = std::min(from_, *earlier - std::min(*earlier, kBefore / 6));
    }
    from_ = std::max(from_, checkpoint_);
    to_ = cursor() + kBehind;
    if (failure_.cycle >= cursor() && failure_.cycle - cursor() <= kReach)
      to_ = std::max(to_, failure_.cycle + kBehind);
  }

  /// Of a second run. One that is only to write waves ends behind them, one that is to show a hang
  /// when the watchdog has seen it.
  std::vector<std::string> words(bool show_hang) const {
    std::vector<std::string> words = shared_words(run_.options.words);
    words.insert(words.begin(), "run");
    const auto add = [&](const std::string& option, const std::string& value) {
      words.push_back(option);
      words.push_back(value);
    };
    if (checkpoint_ > 0) add("--resume", file("checkpoint.ckpt"));
    add("--trace", fmt::format("{}:{}", from_, to_));
    add("--trace-file", file("waves.fst"));
    add("--explain", "off");
    // The run goes on to the end of the waves, and no further.
    add("--on-mismatch", "continue");
    if (!show_hang || failure_.kind != ChipFailure::Kind::Hang)
      add("--until", std::to_string(std::max(to_, failure_.cycle + 2)));
    return words;
  }

  void write_waves() {
    choose_window();
    const int status = run_again(words(false), file("second_run.txt"));
    if (status != 1 && status != 2)
      throw Error("the failure does not repeat", file("second_run.txt"), "exit status 1 or 2",
                  std::to_string(status));
    require_waves(file("waves.fst"), cursor());
  }

  /// What the waves tell of the network, and of who wrote an operand.
  void study_waves() {
    const report::Waves waves(file("waves.fst"));
    const auto findings =
        report::audit_network(run_.model.config, waves, failure_.kind == ChipFailure::Kind::Hang);
    if (!findings.empty()) finding_ = findings.front();
    if (operand_written_) {
      operand_writer_ =
          report::scratchpad_writer(waves, mismatch_->node, *mismatch_->operand, *operand_written_);
    }
  }

  /// A breach of the network's contract comes first: what the units see follows from it.
  std::string text() const {
    std::string text;
    if (finding_) text = fmt::format("{}\n  {}\n", finding_->title, finding_->evidence);
    if (failure_.kind == ChipFailure::Kind::Hang) {
      const auto graph = report::wait_graph(run_.model, run_.chip.activity(), run_.log,
                                            run_.session && run_.session->completion_arrived());
      return text + report::explain_hang(failure_.cycle, graph);
    }
    if (!mismatch_) return text + report::explain_assertion(failure_, run_.log);
    text += report::explain_mismatch(*mismatch_, report::find(run_.model, *mismatch_, run_.log),
                                     begin(), written_);
    if (operand_written_) {
      text += fmt::format(
          "  operand    scratchpad 0x{:05x} differs too, which this command does not "
          "write: last written in cycle {}{}\n",
          *mismatch_->operand, *operand_written_,
          operand_writer_.empty() ? "" : " by " + operand_writer_);
    }
    return text;
  }

  void write(const std::string& name, const std::string& text) const {
    std::ofstream out(file(name));
    out << text;
    out.close();
    if (!out) throw Error("cannot be written", file(name));
  }

  std::string repeat_command() const {
    std::string command = fs::read_symlink("/proc/self/exe").string();
    for (const std::string& word : words(true)) command += " " + quoted(word);
    return command;
  }

  /// Of the array or the vector unit, as the last loop variable of the command.
  unsigned lane() const {
    const Iteration iteration = iteration_of(mismatch_->words, mismatch_->element);
    return iteration.empty() ? 0 : static_cast<unsigned>(iteration.back().second) % spec::ArrayCols;
  }

  /// The tile, and the unit if it is one, whose signals one wants to see.
  report::Place looked_at() const {
    if (mismatch_) return {mismatch_->node, mismatch_->unit, ""};
    report::Place place = report::place_of(failure_.text);
    if (!place.node || place.node->x == 0) place = {golden::Node{1, 0}, std::nullopt, ""};
    golden::Node node;
    if (failure_.kind == ChipFailure::Kind::Hang && finding_ && finding_->node.x > 0) {
      place.node = finding_->node;
    } else if (std::sscanf(failure_.text.c_str(), " tile (%u, %u)", &node.x, &node.y) == 2) {
      place.node = node;
    }
    return place;
  }

  void write_texts() {
    write("explanation.txt", text() + fmt::format("\nwaves: cycles {} to {}\nrepeat: {}\n", from_,
                                                  to_, repeat_command()));
    report::WaveView view;
    view.dump_file = "waves.fst";
    view.title =
        fmt::format("{}: cycle {}", fs::path(run_.options.model).filename().string(), cursor());
    view.cycle = cursor();
    const report::Place place = looked_at();
    view.node = *place.node;
    view.unit = place.unit;
    if (mismatch_) view.lane = lane();
    write("waves.gtkw", report::gtkw(view));
    write("commands.txt", run_.trace.text());
    write_record();
    write("repeat.sh", "#!/bin/sh\n# The same failure again, with the same waves.\ncd " +
                           quoted(fs::current_path().string()) + " && exec " + repeat_command() +
                           "\n");
    fs::permissions(file("repeat.sh"),
                    fs::perms::owner_exec | fs::perms::group_exec | fs::perms::others_exec,
                    fs::perm_options::add);
  }

  void write_record() const {
    bundle::FailureRecord record = record_of(run_);
    record.checkpoint = checkpoint_;
    record.waves_from = from_;
    record.waves_to = to_;
    record.repeat = words(true);
    record.repeat.insert(record.repeat.begin(), "systole");
    write(bundle::kRecord, bundle::to_json(record));
  }

  void print() const {
    fmt::print(stderr,
               "{}  explained  {}\n  look       (cd {} && gtkwave waves.fst waves.gtkw)\n"
               "  repeat     {}\n"
               "  share      {} explain --bundle {}.tar.gz {}\n",
               text(), file("explanation.txt"), quoted(folder_), file("repeat.sh"),
               quoted(fs::proximate(fs::read_symlink("/proc/self/exe")).string()),
               quoted(fs::path(folder_).filename().string()), quoted(folder_));
  }

  const FailedRun& run_;
  ChipFailure failure_;
  std::optional<golden::Mismatch> mismatch_;
  std::string folder_;
  uint64_t checkpoint_ = 0;                  // 0: from reset
  std::optional<uint64_t> written_;          // the wrong element
  std::optional<uint64_t> operand_written_;  // a byte of the scratchpad that differs too
  std::string operand_writer_;
  std::optional<report::Finding> finding_;
  uint64_t from_ = 0, to_ = 0;
};

}  // namespace

std::string explain(const FailedRun& run) { return Explainer(run).explain(); }

}  // namespace systole::app
