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
#include <optional>
#include <utility>

#include "host/app/record.hpp"
#include "host/app/rerun.hpp"
#include "host/bundle/bundle.hpp"
#include "host/command/error.hpp"
#include "host/command/loop_nest.hpp"
#include "host/command/shell_word.hpp"
#include "host/command/unwritable.hpp"
#include "host/report/chip_address.hpp"
#include "host/report/explanation.hpp"
#include "host/report/network_audit.hpp"
#include "host/report/program_map.hpp"
#include "host/report/stall_audit.hpp"
#include "host/report/tile_audit.hpp"
#include "host/report/wait_graph.hpp"
#include "host/report/wave_view.hpp"
#include "rtl/spec/gen/systole_spec.h"

namespace systole::app {
namespace {

namespace fs = std::filesystem;

constexpr uint64_t kBefore = 600;  // cycles of waves before the one that matters
constexpr uint64_t kBehind = 200;  // and behind it
constexpr uint64_t kReach = 1500;  // what belongs to it is in the window when it lies so near
// Cycles behind a retirement: a write that comes then came too late. At first few, before the next
// command writes there.
constexpr std::array<uint64_t, 2> kLate = {8, 300};
constexpr uint64_t kStill = 10000;  // without any command: the chip stands
constexpr uint64_t kSpan = 8000;    // of waves, for a chip of one tile
constexpr uint64_t kPicosecondsPerCycle = 1000;

// ----------------------------------------------------------------------------------- the command

/// Options that a second run has values of its own for, or must not have.
const std::vector<std::string> kOwnOptions = {
    "--resume", "--trace",  "--trace-file", "--checkpoint-every", "--checkpoint-folder",
    "--json",   "--output", "-o",           "--explain",          "--explain-folder",
    "--until",  "--report", "--timeline",   "--on-mismatch",      "--bundle"};

/// One without a value.
const std::string kOwnFlag = "--scaling";

/// The words of a command line without those options and their values.
std::vector<std::string> shared_words(const std::vector<std::string>& words) {
  std::vector<std::string> result;
  for (std::size_t i = 0; i < words.size(); ++i) {
    const bool attached = words[i].size() > 2 && words[i].compare(0, 2, "-o") == 0;
    if (attached || words[i] == kOwnFlag) continue;
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

/// What a program said last; empty when nothing.
std::string last_line(const std::string& log) {
  std::ifstream in(log);
  std::string last;
  for (std::string line; std::getline(in, line);) {
    if (!line.empty()) last = line;
  }
  return last;
}

// -------------------------------------------------------------------------------------- the rest

class Explainer {
 public:
  explicit Explainer(const FailedRun& run)
      : run_(run), failure_(run.failure), mismatch_(run.chip.mismatch()), map_(run.model) {
    if (failure_.kind != ChipFailure::Kind::Mismatch) mismatch_.reset();
    folder_ = fmt::format("{}/{}_cycle_{}", run.options.explain_folder,
                          fs::path(run.options.model).stem().string(), failure_.cycle);
  }

  std::string explain() {
    const auto start = std::chrono::steady_clock::now();
    make_folder();
    try {
      choose_checkpoint();
      locate();
      look_at_activity();
      write_waves();
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

  // -------------------------------------------------------------------------- what kind it is of

  bool is(ChipFailure::Kind kind) const { return failure_.kind == kind; }
  bool is_timeout() const { return run_.request && run_.request->status == spec::Status::Timeout; }
  /// A tile, or the firmware for it, has refused a command.
  bool is_refusal() const {
    return run_.request && run_.request->node.x > 0 &&
           (run_.request->status == spec::Status::TileFault ||
            run_.request->status == spec::Status::BadProgram);
  }
  bool has_unit() const {
    return mismatch_ && !is_of(golden::Mismatch::Kind::HostWrite) &&
           !is_of(golden::Mismatch::Kind::Image);
  }
  bool is_of(golden::Mismatch::Kind kind) const { return mismatch_ && mismatch_->kind == kind; }
  bool is_value() const { return is_of(golden::Mismatch::Kind::Value); }
  /// The chip stands still, or did when it was given up: one looks at what it waits for.
  bool stands() const { return is(ChipFailure::Kind::Hang) || (is_timeout() && stuck()); }

  /// Nothing had happened for long when the request was given up.
  bool stuck() const {
    const uint64_t last = run_.log.last_event().value_or(0);
    return last <= run_.request->end && run_.request->end - last >= kStill;
  }
  /// The last cycle in which something happened.
  uint64_t last_progress() const {
    if (!is_timeout()) return failure_.cycle;
    return stuck() ? std::max(run_.log.last_event().value_or(0), run_.request->start)
                   : run_.request->end;
  }

  // -------------------------------------------------------------------------- when

  /// When the command at fault began, as far as is known.
  std::optional<uint64_t> begin() const {
    if (is_refusal()) return run_.log.begin_of_next(run_.request->node, run_.request->unit);
    if (!has_unit()) return std::nullopt;
    // The run goes on for some cycles: commands behind it may have retired, too.
    const auto count = run_.log.count(mismatch_->node, mismatch_->unit, mismatch_->pc);
    const bool retired = count.retired > 0 && count.last >= mismatch_->cycle;
    return retired ? count.begin : run_.log.begin_of_next(mismatch_->node, mismatch_->unit);
  }

  /// The earliest cycle that one may want to look at.
  uint64_t first_cycle() const {
    if (is_of(golden::Mismatch::Kind::Image)) return 0;  // nobody knows when it was brought
    uint64_t first = failure_.cycle;
    if (run_.request && run_.request->end > 0) first = std::min(first, run_.request->end);
    if (is_timeout()) first = std::min(first, last_progress());
    first = std::min(first, begin().value_or(first));
    if (stands()) {
      const auto graph = graph_of(run_.chip.activity(), is(ChipFailure::Kind::Hang));
      first = std::min(first, graph.since.value_or(first));
      if (is_timeout()) first = std::min(first, oldest_under_way().value_or(first));
    }
    return first;
  }

  /// The begin of the command that has been under way for longest.
  std::optional<uint64_t> oldest_under_way() const {
    std::optional<uint64_t> oldest;
    for (const auto& program : map_.programs()) {
      const auto begun = run_.log.under_way(program.first.node, program.first.unit);
      if (!begun.empty() && (!oldest || begun.front().cycle < *oldest))
        oldest = begun.front().cycle;
    }
    return oldest;
  }

  /// The last one before the fault can have begun.
  void choose_checkpoint() {
    const uint64_t first = first_cycle();
    for (const uint64_t cycle : run_.chip.checkpoints()) {
      if (cycle + kBefore <= first) checkpoint_ = cycle;
    }
    if (checkpoint_ > 0) run_.chip.save_checkpoint(checkpoint_, file("checkpoint.ckpt"));
  }

  Rerun rerun_with(const Watch& watch, bool study, uint64_t until = 0) const {
    RerunOptions options;
    options.checkpoint = checkpoint_ > 0 ? file("checkpoint.ckpt") : "";
    options.watch = watch;
    options.until = until;
    if (study) options.study = std::make_pair(mismatch_->node, mismatch_->unit);
    Rerun again = rerun(run_, options);
    if (until == 0) require_same_failure(again.failed_in);
    return again;
  }

  /// Runs to the failure once more, without waves, watching the wrong element: in which cycle did
  /// it get its value? Of a fault: in which cycle was it raised?
  void locate() {
    using What = Watch::What;
    if (is_refusal() && run_.request->status == spec::Status::TileFault) {
      raised_ =
          rerun_with({What::Fault, run_.request->node, 0, 1}, false, run_.request->end).changed;
      if (run_.request->fault == spec::Fault::None) raised_ = end_of(run_.request->node);
      return;
    }
    if (!is_value() && !is_of(golden::Mismatch::Kind::HostWrite) &&
        !is_of(golden::Mismatch::Kind::Image))
      return;
    const Rerun again = rerun_with(element(), has_unit());
    written_ = again.changed;
    if (is_value()) look_for_late_write();
    if (again.mismatch) {
      mismatch_->as_if = again.mismatch->as_if;
      mismatch_->common = again.mismatch->common;
      mismatch_->operand = again.mismatch->operand;
    }
    if (mismatch_->operand) {
      const Address operand = golden::scratchpad_address(mismatch_->node, *mismatch_->operand);
      operand_written_ = rerun_with({What::Memory, mismatch_->node, operand, 1}, false).changed;
    }
    if (mismatch_->source && mismatch_->source->expected != mismatch_->source->got) {
      source_written_ =
          rerun_with({What::Memory, mismatch_->node, mismatch_->source->address, 1}, false).changed;
    }
  }

  /// When the last program of a tile ended.
  std::optional<uint64_t> end_of(golden::Node node) const {
    std::optional<uint64_t> end;
    for (const auto& [id, program] : map_.programs()) {
      if (!(id.node == node) || program.length == 0) continue;
      const auto last = run_.log.count(node, id.unit, static_cast<uint32_t>(program.length) - 1);
      if (last.retired > 0 && (!end || *end < last.last)) end = last.last;
    }
    return end;
  }

  Watch element() const {
    return {mismatch_->accumulator ? Watch::What::Accumulator : Watch::What::Memory,
            mismatch_->node, mismatch_->address, mismatch_->element_bytes};
  }

  /// A command that retires too early has its right value written soon behind.
  void look_for_late_write() {
    for (const uint64_t cycles : kLate) {
      RerunOptions options;
      options.checkpoint = checkpoint_ > 0 ? file("checkpoint.ckpt") : "";
      options.watch = element();
      options.until = failure_.cycle + cycles;
      options.past_it = true;
      const Rerun later = rerun(run_, options);
      if (!later.changed || *later.changed < mismatch_->cycle) continue;
      uint32_t value = 0;
      std::memcpy(&value, later.watched.data(), std::min(later.watched.size(), sizeof value));
      if (value == mismatch_->expected) late_ = later.changed;
      if (late_) return;
    }
  }

  void require_same_failure(std::optional<uint64_t> cycle) const {
    if (cycle && *cycle == failure_.cycle) return;
    throw Error("the failure does not repeat", folder_, fmt::format("at cycle {}", failure_.cycle),
                cycle ? fmt::format("at cycle {}", *cycle) : "none");
  }

  // -------------------------------------------------------------------------- who waits for whom

  report::WaitGraph graph_of(const ChipActivity& activity, bool stands) const {
    report::WaitFacts facts;
    facts.stands = stands;
    if (run_.session && !run_.request) {
      facts.completion_arrived = run_.session->completion_arrived();
      facts.stray_completion = run_.session->stray_completion();
    }
    return report::wait_graph(map_, activity, run_.log, facts);
  }

  /// The firmware has stopped the tiles when it reports that a request took too long: what they
  /// waited for is seen in the cycle in which it gave it up.
  void look_at_activity() {
    if (is_timeout()) {
      const ChipActivity then = rerun_with({}, false, run_.request->end).activity;
      graph_ = graph_of(then, stuck());
    } else if (is(ChipFailure::Kind::Hang)) {
      graph_ = graph_of(run_.chip.activity(), true);
      add_panic();
    }
  }

  /// What the firmware says of its trap, if the host port still answers.
  void add_panic() {
    if (run_.chip.activity().core.firmware_state != SYSTOLE_FW_STATE_PANIC) return;
    try {
      const uint32_t word = run_.chip.read32(spec::IoRegsBase + SYSTOLE_IO_FW_PANIC);
      graph_.evidence.push_back(
          fmt::format("FW_PANIC reads 0x{:08x}: cause {}, pc 0x{:06x}", word,
                      (word & SYSTOLE_IO_FW_PANIC_CAUSE_MASK) >> SYSTOLE_IO_FW_PANIC_CAUSE_LSB,
                      word & SYSTOLE_IO_FW_PANIC_PC_MASK));
    } catch (const Error&) {
      graph_.evidence.push_back("FW_PANIC cannot be read: the host port does not answer");
    }
  }

  // -------------------------------------------------------------------------- waves

  /// The cycle that one wants to look at. An element that its command did not write tells none.
  uint64_t cursor() const {
    if (finding_) return finding_->cycle;
    if (raised_) return *raised_;
    if (stands()) return began_early() && !at_the_end_ ? *graph_.since : last_progress();
    if (is_timeout()) return run_.request->end;
    // The run has ended there: there is no such cycle.
    if (run_.request || is(ChipFailure::Kind::Boot) || is(ChipFailure::Kind::Refusal))
      return failure_.cycle - std::min<uint64_t>(failure_.cycle, 1);
    if (!mismatch_) return failure_.cycle;
    const auto began = begin();
    if (!written_ || (began && *written_ < *began)) return failure_.cycle;
    return *written_;
  }

  /// What a chip that stands still waits for began long before it stood.
  bool began_early() const {
    return graph_.since && *graph_.since < last_progress() &&
           last_progress() - *graph_.since > kReach;
  }

  void choose_window() {
    from_ = cursor() < kBefore ? 0 : cursor() - kBefore;
    for (const auto& earlier : {begin(), operand_written_, graph_.since}) {
      if (earlier && *earlier <= cursor() && cursor() - *earlier <= kReach)
        from_ = std::min(from_, *earlier - std::min(*earlier, kBefore / 6));
    }
    to_ = cursor() + kBehind;
    for (const uint64_t later : {failure_.cycle, last_progress()}) {
      if (later >= cursor() && later - cursor() <= kReach) to_ = std::max(to_, later + kBehind);
    }
    if (stands() && began_early() && !finding_ && !at_the_end_) to_ = cursor() + span();
    from_ = std::max(from_, checkpoint_);
  }

  /// Cycles of waves that stay small: what is written grows with the chip.
  uint64_t span() const {
    return std::clamp<uint64_t>(kSpan / run_.model.config.tiles(), kBefore + kBehind, kSpan / 2);
  }

  /// Of a second run. One that is only to write waves ends behind them, one that is to show a
  /// failure with it.
  std::vector<std::string> words(bool show_failure) const {
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
    const bool ends = is(ChipFailure::Kind::Mismatch) || is(ChipFailure::Kind::Assertion);
    if (!show_failure) add("--until", std::to_string(to_ + 2));
    if (show_failure && ends) add("--until", std::to_string(std::max(to_, failure_.cycle + 2)));
    return words;
  }

  /// Looks for the breach of a contract that explains what the units see, first where it can have
  /// begun, then at the end; the waves that stay are those around it.
  void write_waves() {
    trace_and_audit();
    if (!finding_ && stands() && began_early()) {
      at_the_end_ = true;
      trace_and_audit();
      at_the_end_ = false;
    }
    if (cursor() < from_ || cursor() >= to_ || to_ - from_ > 2 * kReach) {
      choose_window();
      trace();
    }
    require_waves(file("waves.fst"), cursor());
    find_silent_write();
    if (!operand_written_) return;
    operand_writer_ = report::scratchpad_writer(report::Waves(file("waves.fst")), mismatch_->node,
                                                *mismatch_->operand, *operand_written_);
  }

  /// A write that leaves an element as it was is no change of it.
  void find_silent_write() {
    if (!is_value() || !begin() || (written_ && *written_ >= *begin())) return;
    const report::Waves waves(file("waves.fst"));
    const uint64_t own = mismatch_->address - golden::scratchpad_address(mismatch_->node, 0);
    if (waves.from() > *begin() || (!mismatch_->accumulator && own >= spec::ScratchpadBytes)) {
      unchanged_ = true;
      return;
    }
    const auto last =
        mismatch_->accumulator
            ? report::last_accumulator_write(
                  waves, mismatch_->node,
                  static_cast<unsigned>(mismatch_->address / golden::kLanes), *begin(),
                  mismatch_->cycle)
            : report::last_scratchpad_write(waves, mismatch_->node, static_cast<uint32_t>(own),
                                            *begin(), mismatch_->cycle);
    if (last) written_ = last;
  }

  void trace_and_audit() {
    choose_window();
    trace();
    const report::Waves waves(file("waves.fst"));
    const auto findings = report::audit_network(run_.model.config, waves, stands());
    if (!findings.empty()) finding_ = findings.front();
    if (!finding_ && stands()) {
      const auto stalls = report::audit_stall(run_.model.config, waves);
      if (!stalls.empty()) finding_ = stalls.front();
    }
    if (!finding_) finding_ = audit_tile(waves);
  }

  /// What the unit at fault was given, by its sequencer and by the scratchpad, and what it took.
  std::optional<report::Finding> audit_tile(const report::Waves& waves) const {
    if (is_refusal() && raised_ && run_.chip.opinion(run_.request->node, run_.request->unit)) {
      const report::UnitId unit{run_.request->node, run_.request->unit};
      const golden::Step step = run_.chip.opinion(unit.node, unit.unit)->step;
      const auto issue = report::last_issue(waves, unit, step.pc, *raised_);
      if (step.pc != run_.request->pc || !issue) return std::nullopt;
      return report::audit_command(unit, step.pc, *issue, step.words);
    }
    if (!is_value()) return std::nullopt;
    const report::UnitId unit{mismatch_->node, mismatch_->unit};
    // The unit may have been given it again since, for the next input.
    const auto issue = report::last_issue(waves, unit, mismatch_->pc, begin().value_or(0));
    if (issue) {
      if (auto found = report::audit_command(unit, mismatch_->pc, *issue, mismatch_->words))
        return found;
    }
    const report::ScratchpadPorts ports(waves, unit.node);
    if (!ports.known()) return std::nullopt;
    if (auto found = report::audit_scratchpad(ports, unit.node, run_.chip.scratchpad(unit.node),
                                              mismatch_->cycle))
      return found;
    // One that retires too early comes to them later.
    if (!issue || late_) return std::nullopt;
    return report::audit_operands(ports, unit, mismatch_->pc, mismatch_->words, issue->cycle,
                                  mismatch_->cycle);
  }

  void trace() const {
    const int status = run_again(words(false), file("second_run.txt"));
    if (status != 1 && status != 2)
      throw Error("the failure does not repeat", file("second_run.txt"), "exit status 1 or 2",
                  std::to_string(status));
    try {
      require_waves(file("waves.fst"), from_ + 1);
    } catch (const Error& error) {
      throw Error(error.problem(), error.where(), error.expected(),
                  last_line(file("second_run.txt")));
    }
  }

  // -------------------------------------------------------------------------- texts

  /// A breach of the network's contract comes first: what the units see follows from it.
  std::string text() const {
    std::string text;
    if (finding_) text = fmt::format("{}\n  {}\n", finding_->title, finding_->evidence);
    if (mismatch_) return text + surplus_text() + mismatch_text();
    if (is(ChipFailure::Kind::Assertion))
      return text + report::explain_assertion(failure_, run_.log, map_);
    if (is(ChipFailure::Kind::Hang)) {
      const bool early = began_early() && !finding_;
      return text + report::explain_hang(failure_, early ? graph_.since : std::nullopt, graph_);
    }
    if (is_timeout()) return text + timeout_text();
    if (is_refusal()) return text + refusal_text();
    return text + report::explain_end(failure_, request_text(), graph_);
  }

  /// A unit that went on too soon finds wrong operands.
  std::string surplus_text() const {
    if (!has_unit()) return "";
    std::string text;
    for (const std::string& line : report::surplus_posts(map_, run_.chip.activity(), run_.log))
      text += fmt::format("semaphore too high: {}\n", line);
    return text;
  }

  std::string mismatch_text() const {
    const auto where =
        has_unit() ? report::find(run_.model, map_, *mismatch_, run_.log) : host_write_place();
    std::string text = report::explain_mismatch(
        *mismatch_, where,
        {begin(), written_, late_, unchanged_, finding_ || !surplus_text().empty()});
    if (operand_written_) {
      text += fmt::format(
          "  operand    scratchpad 0x{:05x} differs too, which this command does not "
          "write: last written in cycle {}{}\n",
          *mismatch_->operand, *operand_written_,
          operand_writer_.empty() ? "" : " by " + operand_writer_);
    }
    text += loop_text();
    if (source_written_)
      text +=
          report::row("", fmt::format("its source was last written in cycle {}", *source_written_));
    return text;
  }

  /// A unit that has left its loop too soon or too late.
  std::string loop_text() const {
    const report::ProgramMap::Program* program = map_.find({mismatch_->node, mismatch_->unit});
    if (!mismatch_->retired || program == nullptr) return "";
    const bool inside =
        *mismatch_->retired >= program->body && *mismatch_->retired <= program->loop;
    const bool expected = mismatch_->pc >= program->body && mismatch_->pc <= program->loop;
    if (inside == expected) return "";
    return report::row(
        "loop",
        fmt::format("the unit {}, after {} times around: its count of inputs",
                    inside ? "has gone around its loop again, and should "
                             "have left it"
                           : "has left its loop, and should go around again",
                    run_.log.count(mismatch_->node, mismatch_->unit, program->loop).retired));
  }

  report::Whereabouts host_write_place() const {
    report::Whereabouts where;
    where.source = report::constant_text(run_.model, map_, mismatch_->address);
    return where;
  }

  std::string timeout_text() const {
    const uint64_t allowed =
        run_.options.timeout_cycles == 0 ? ~uint32_t{0} : run_.options.timeout_cycles;
    return report::explain_timeout({*run_.request, allowed, run_.log.last_event(), stuck()},
                                   graph_);
  }

  std::string refusal_text() const {
    const RequestFailure& request = *run_.request;
    report::RefusedCommand refused{request, {}, {}, {}, begin(), raised_, failure_.cycle, ""};
    const report::UnitId unit{request.node, request.unit};
    refused.where = report::layer_of(run_.model, map_, run_.log, unit, request.pc);
    if (request.status == spec::Status::TileFault) {
      refused.opinion = run_.chip.opinion(request.node, request.unit);
    }
    const report::ProgramMap::Program* program = map_.find(unit);
    if (program != nullptr && request.pc < program->length)
      refused.words = program->words(0, request.pc);
    refused.evidence = window_text() + left_over_text();
    return report::explain_refused(refused);
  }

  /// What is left in the semaphores of a tile that has ended.
  std::string left_over_text() const {
    if (run_.request->fault != spec::Fault::EndSemaphore || !raised_) return "";
    const ChipActivity then = rerun_with({}, false, *raised_ + 1).activity;
    std::string text;
    for (const std::string& line : report::surplus_posts(map_, then, run_.log))
      text += report::row("evidence", line);
    return text;
  }

  /// The windows that the program has asked for, when an address is in none.
  std::string window_text() const {
    if (run_.request->fault != spec::Fault::Window) return "";
    std::string text;
    for (const compile::TileProgram& tile : run_.model.tiles) {
      if (!(golden::Node{tile.x, tile.y} == run_.request->node)) continue;
      for (const compile::Window& window : tile.windows) {
        const bool inside = run_.request->info - window.base < window.bytes;
        text += report::row(
            text.empty() ? "windows" : "",
            fmt::format("0x{:012x} to 0x{:012x}{}{}{}", window.base, window.base + window.bytes - 1,
                        window.readable ? ", read" : "", window.writable ? ", write" : "",
                        inside ? ": the address lies in it" : ""));
      }
    }
    return text;
  }

  /// Of a request that failed otherwise, and of firmware that does not come up.
  std::string request_text() const {
    if (is(ChipFailure::Kind::Boot)) return core_ram_text();
    if (!run_.request) return "";
    std::string text = report::row("request", run_.request->what);
    if (run_.request->status == spec::Status::BusError)
      text += report::row("address", report::address_text(run_.request->info));
    return text;
  }

  /// Whether the core's memory holds the image, as the host reads it.
  std::string core_ram_text() const {
    std::ifstream in(
        run_.options.firmware.empty() ? SessionOptions().firmware : run_.options.firmware,
        std::ios::binary);
    const std::vector<uint8_t> image{std::istreambuf_iterator<char>(in), {}};
    std::vector<uint8_t> held(image.size());
    try {
      run_.chip.read(spec::CoreRamBase, held.data(), held.size());
    } catch (const Error& error) {
      return report::row("evidence",
                         fmt::format("the core's memory cannot be read: {}", error.what()));
    }
    const auto [want, got] = std::mismatch(image.begin(), image.end(), held.begin());
    if (want == image.end()) {
      return report::row("evidence",
                         "the core's memory holds the image: the core, its bus or the firmware is "
                         "at fault");
    }
    return report::row(
        "evidence",
        fmt::format(
            "the core's memory does not hold the image, as the host reads it: byte 0x{:05x} "
            "is 0x{:02x} and should be 0x{:02x}: the host port, the network or the io node "
            "is at fault",
            want - image.begin(), *got, *want));
  }

  void write(const std::string& name, const std::string& text) const {
    errno = 0;
    std::ofstream out(file(name));
    out << text;
    out.close();
    if (!out) throw unwritable(file(name), errno);
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
    if (has_unit()) return {mismatch_->node, mismatch_->unit, ""};
    if (is_of(golden::Mismatch::Kind::Image)) return {mismatch_->node, std::nullopt, ""};
    if (is_refusal()) return {run_.request->node, run_.request->unit, ""};
    if (finding_ && finding_->node.x > 0 && stands()) return {finding_->node, std::nullopt, ""};
    if (graph_.suspect) return {graph_.suspect->node, graph_.suspect->unit, ""};
    for (const report::Wait& wait : graph_.waits) {
      if (wait.unit) return {wait.unit->node, wait.unit->unit, ""};
    }
    report::Place place = report::place_of(failure_.text);
    if (!place.node || place.node->x == 0) place = {golden::Node{1, 0}, std::nullopt, ""};
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
    if (has_unit()) view.lane = lane();
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
  report::ProgramMap map_;
  std::string folder_;
  uint64_t checkpoint_ = 0;                  // 0: from reset
  std::optional<uint64_t> written_;          // the wrong element
  bool unchanged_ = false;                   // it may have been written since, alike
  std::optional<uint64_t> late_;             // its right value, behind the retirement
  std::optional<uint64_t> operand_written_;  // a byte of the scratchpad that differs too
  std::optional<uint64_t> source_written_;   // the wrong byte that a Load read
  std::optional<uint64_t> raised_;           // a tile's fault
  std::string operand_writer_;
  report::WaitGraph graph_;
  std::optional<report::Finding> finding_;
  bool at_the_end_ = false;  // the waves of a chip that stands are looked at there
  uint64_t from_ = 0, to_ = 0;
};

}  // namespace

std::string explain(const FailedRun& run) { return Explainer(run).explain(); }

}  // namespace systole::app
