// What must be known of a failed run to have it again: run.json of an explanation's folder, and of
// a bundle.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "host/bundle/sha256.hpp"
#include "host/driver/simulated_chip.hpp"

namespace systole::bundle {

/// A file that the run read. In an explanation's folder `path` is where it lay, absolute; in a
/// bundle it is the member's name.
struct RecordedFile {
  std::string path;
  FileDigest digest;
};

struct RecordedInput {
  std::string name;  // of the model's input; empty: by position
  RecordedFile file;
};

struct FailureRecord {
  // What ran.
  std::string commit;    // of the program
  std::string config;    // "tiny"
  std::string build;     // of the chip: "tiny-faults"
  std::string build_id;  // of its library
  /// What a checkpoint belongs to (SimulationOptions::identity).
  std::vector<std::pair<std::string, std::string>> identity;

  // Options that shape the run, as `systole run` takes them.
  unsigned tiles = 0;
  unsigned channels = 0;
  std::string optimize;
  unsigned groups = 0;
  unsigned in_flight = 0;
  unsigned stages = 0;
  uint64_t stream = 0;
  std::string dram;
  bool lockstep = true;
  unsigned inputs_per_request = 1;
  uint32_t timeout_cycles = 0;
  uint64_t watchdog_cycles = 1;
  unsigned cycles_per_wait = 1;
  uint32_t seed = 0;
  std::vector<std::string> plusargs;

  RecordedFile model;
  std::vector<RecordedInput> inputs;
  RecordedFile firmware;

  ChipFailure failure;
  uint64_t checkpoint = 0;  // the cycle of checkpoint.ckpt; 0: there is none, from reset
  uint64_t waves_from = 0, waves_to = 0;
  std::vector<std::string> repeat;  // words of the command that shows the failure again
};

/// "mismatch", "assertion", "hang".
std::string to_string(ChipFailure::Kind kind);

/// "mismatch in cycle 5: Value at ...": the failure in one line.
std::string one_line(const ChipFailure& failure);

std::string to_json(const FailureRecord& record);

/// Throws Error naming `where` and the field when the text is no record of this version, or a value
/// cannot be meant.
FailureRecord parse_record(const std::string& json, const std::string& where);

}  // namespace systole::bundle
