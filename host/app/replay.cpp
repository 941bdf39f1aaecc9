#include "host/app/replay.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <optional>

#include "host/app/failure.hpp"
#include "host/app/prepared_run.hpp"
#include "host/app/run_command.hpp"
#include "host/app/unpacked_folder.hpp"
#include "host/bundle/bundle.hpp"
#include "host/command/error.hpp"
#include "host/command/shell_word.hpp"

namespace systole::app {
namespace {

namespace fs = std::filesystem;

using bundle::FailureRecord;
using bundle::one_line;

// ---------------------------------------------------------------------------------------- the run

/// What follows `systole run`. Values are joined to their options, so that none is taken for one.
std::vector<std::string> words_of(const FailureRecord& r, const std::string& build) {
  std::vector<std::string> words = {r.model.path,
                                    "--config=" + r.config,
                                    "--build=" + build,
                                    fmt::format("--tiles={}", r.tiles),
                                    fmt::format("--dram-channels={}", r.channels),
                                    "--optimize=" + r.optimize,
                                    fmt::format("--groups={}", r.groups),
                                    fmt::format("--in-flight={}", r.in_flight),
                                    fmt::format("--stages={}", r.stages),
                                    fmt::format("--stream={}", r.stream),
                                    "--dram=" + r.dram,
                                    fmt::format("--lockstep={}", r.lockstep ? "on" : "off"),
                                    fmt::format("--requests-of={}", r.inputs_per_request),
                                    fmt::format("--timeout={}", r.timeout_cycles),
                                    fmt::format("--watchdog={}", r.watchdog_cycles),
                                    fmt::format("--cycles-per-wait={}", r.cycles_per_wait),
                                    fmt::format("--seed={}", r.seed),
                                    "--firmware=" + r.firmware.path};
  for (const auto& input : r.inputs)
    words.push_back("--input=" + (input.name.empty() ? "" : input.name + "=") + input.file.path);
  for (const std::string& plusarg : r.plusargs) words.push_back("--plusarg=" + plusarg);
  return words;
}

RunOptions run_options(const FailureRecord& record, const ReplayOptions& options) {
  const auto words = words_of(record, options.build.empty() ? record.build : options.build);
  std::vector<const char*> arguments = {"run"};
  for (const std::string& word : words) arguments.push_back(word.c_str());
  RunOptions run;
  run.commit = options.commit;
  parse_run(static_cast<int>(arguments.size()), arguments.data(), run);
  return run;
}

/// The same files in another folder.
void move_files(FailureRecord& record, const fs::path& from, const fs::path& to) {
  const auto move = [&](bundle::RecordedFile& file) {
    file.path = (to / fs::path(file.path).lexically_relative(from)).string();
  };
  move(record.model);
  move(record.firmware);
  for (auto& input : record.inputs) move(input.file);
}

// -------------------------------------------------------------------------------- from a
// checkpoint

/// Throws unless this chip and this program do what the bundle's did, cycle by cycle.
void require_same(const ReplayOptions& options, const FailureRecord& record, const RunOptions& run,
                  const PreparedRun& prepared) {
  const std::string offer = "--from-reset runs it as it is now";
  const std::string id = chip_build_id(chip_build(run, prepared.model.config));
  if (id != record.build_id) {
    throw Error("the bundle is of another build of the chip; " + offer, options.bundle,
                fmt::format("build ID {} of commit {}", record.build_id, record.commit),
                fmt::format("{} of commit {}", id, options.commit));
  }
  const auto identity = identity_of(run, prepared.model, prepared.batch.records);
  for (std::size_t i = 0; i < std::max(identity.size(), record.identity.size()); ++i) {
    const bool both = i < identity.size() && i < record.identity.size();
    if (both && identity[i] == record.identity[i]) continue;
    const auto& [name, value] = i < record.identity.size() ? record.identity[i] : identity[i];
    throw Error("the bundle is of another program: " + name + " differs; " + offer, options.bundle,
                value, both ? identity[i].second : "none");
  }
}

/// On to the end of the waves, and of a hang until the watchdog has seen it.
uint64_t last_cycle(const FailureRecord& record) {
  const bool hang = record.failure.kind == ChipFailure::Kind::Hang;
  // A chip that is busy is given more time (sim/chip_tb.cpp).
  constexpr uint64_t kPatience = 10;
  if (hang && record.watchdog_cycles > ~uint64_t{0} / kPatience / 2) return 0;
  const uint64_t patience = hang ? kPatience * record.watchdog_cycles : 0;
  return std::max(record.waves_to, record.failure.cycle + 2 + patience);
}

/// The recorded run from the checkpoint on, with waves. Returns what ended it.
std::optional<ChipFailure> run_again(const FailureRecord& record, const RunOptions& run,
                                     const PreparedRun& prepared, const fs::path& folder) {
  SimulationOptions simulation = run.simulation;
  const auto& records = prepared.batch.records;
  simulation.host_memory_bytes = Session::host_memory_bytes(prepared.model, records.size());
  simulation.identity = record.identity;
  if (record.checkpoint > 0) simulation.resume = (folder / bundle::kCheckpoint).string();
  simulation.trace_from = record.waves_from;
  simulation.trace_to = record.waves_to;
  simulation.trace_file = (folder / bundle::kWaves).string();
  simulation.stop_on_mismatch = false;
  simulation.until = last_cycle(record);
  const auto chip = load_simulated_chip(chip_build(run, prepared.model.config), simulation);
  try {
    Session(prepared.model, *chip, session_options(run)).run(records);
  } catch (const Error& error) {
    const auto failure = failure_of(error, *chip);
    if (failure || chip->cycles() >= simulation.until) return failure;
    throw;
  }
  return chip->failure();
}

void require_same_failure(const ReplayOptions& options, const FailureRecord& record,
                          const std::optional<ChipFailure>& failure) {
  const ChipFailure& first = record.failure;
  if (failure && failure->kind == first.kind && failure->cycle == first.cycle &&
      failure->text == first.text)
    return;
  throw Error("the failure does not repeat", options.bundle, one_line(first),
              failure ? one_line(*failure) : "none");
}

void print_explanation(const fs::path& folder) {
  std::ifstream in(folder / bundle::kExplanation, std::ios::binary);
  fmt::print("{}", std::string{std::istreambuf_iterator<char>(in), {}});
}

int replay_from_checkpoint(const FailureRecord& record, const ReplayOptions& options,
                           const RunOptions& run, const PreparedRun& prepared,
                           const fs::path& folder) {
  std::error_code ignored;
  fs::remove(folder / bundle::kWaves, ignored);
  require_same_failure(options, record, run_again(record, run, prepared, folder));
  print_explanation(folder);
  fmt::print("\n  replayed   the same failure, {} in cycle {}, from {}\n",
             bundle::to_string(record.failure.kind), record.failure.cycle,
             record.checkpoint > 0 ? fmt::format("the checkpoint of cycle {}", record.checkpoint)
                                   : "reset");
  fmt::print("  commands   {}\n  look       (cd {} && gtkwave {} {})\n",
             (folder / bundle::kCommands).string(), quoted(folder.string()), bundle::kWaves,
             bundle::kView);
  return 1;
}

// -------------------------------------------------------------------------------------- from reset

/// What a failure has in common with itself in a chip that takes other cycles: the unit of a tile,
/// or the assertion of an instance. A hang has no place.
std::string place_of(const ChipFailure& failure) {
  const std::string& text = failure.text;
  if (failure.kind == ChipFailure::Kind::Assertion) return text.substr(0, text.find(' '));
  const std::size_t begin = text.find(": "), end = text.find(" command ");
  if (failure.kind != ChipFailure::Kind::Mismatch || begin >= end) return "";
  return text.substr(begin + 2, end - begin - 2);
}

int replay_from_reset(const FailureRecord& record, RunOptions run, const fs::path& folder) {
  run.explain_folder = (folder / "again").string();
  std::optional<ChipFailure> failure;
  int status = 2;
  try {
    status = app::run(run, failure);
  } catch (const Error&) {
    if (!failure) throw;
  }
  std::string verdict;
  if (!failure) {
    verdict = status == 0 ? "the failure is gone" : "the failure is gone, but the run fails";
  } else if (failure->kind == record.failure.kind &&
             place_of(*failure) == place_of(record.failure)) {
    verdict = "the failure still shows: " + one_line(*failure);
  } else {
    verdict = "another failure shows: " + one_line(*failure);
  }
  fmt::print("\n  recorded   {}\n  replayed   {}\n", one_line(record.failure), verdict);
  return status == 0 ? 0 : 1;
}

fs::path default_folder(const std::string& bundle) {
  std::string name = fs::path(bundle).filename().string();
  for (const std::string ending : {".gz", ".tgz", ".tar"}) {
    if (name.size() > ending.size() &&
        name.compare(name.size() - ending.size(), ending.size(), ending) == 0)
      name.resize(name.size() - ending.size());
  }
  return fs::path("build/replay") / name;
}

/// Without a slash at the end, and none that an option would be made of.
fs::path folder_of(const ReplayOptions& options) {
  const fs::path given =
      options.folder.empty() ? default_folder(options.bundle) : fs::path(options.folder);
  const fs::path folder = given.has_filename() ? given : given.parent_path();
  return folder.string().compare(0, 1, "-") == 0 ? "." / folder : folder;
}

}  // namespace

int replay(const ReplayOptions& options) {
  const fs::path place = folder_of(options);
  UnpackedFolder folder(place);
  FailureRecord record = bundle::unpack(options.bundle, folder.path());
  {
    const RunOptions run = run_options(record, options);
    const PreparedRun prepared = prepare(run);
    if (!options.from_reset) require_same(options, record, run, prepared);
  }
  move_files(record, folder.path(), place);
  folder.move();
  const RunOptions run = run_options(record, options);
  const int status = options.from_reset ? replay_from_reset(record, run, folder.path())
                                        : replay_from_checkpoint(record, options, run, prepare(run),
                                                                 folder.path());
  folder.keep();
  return status;
}

}  // namespace systole::app
