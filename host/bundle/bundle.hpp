// A failure as one file: an explanation's folder with everything that its run read, so that someone
// else can have it again.
//
//   <model>_cycle_<n>/
//     explanation.txt  commands.txt  waves.fst  waves.gtkw  checkpoint.ckpt
//     run.json                                 what ran, and what failed (FailureRecord)
//     model/  inputs/  firmware/               files that the run read
//     MANIFEST.sha256                          checked by `sha256sum -c` too
//
// Nothing in it tells of the sender's machine: no paths, no times, no owners.
#pragma once

#include <filesystem>
#include <string>

#include "host/bundle/failure_record.hpp"

namespace systole::bundle {

// Files of an explanation's folder.
constexpr const char* kExplanation = "explanation.txt";
constexpr const char* kCommands = "commands.txt";
constexpr const char* kWaves = "waves.fst";
constexpr const char* kView = "waves.gtkw";
constexpr const char* kCheckpoint = "checkpoint.ckpt";
constexpr const char* kRecord = "run.json";

/// The record in an explanation's folder. Throws Error when there is none.
FailureRecord read_record(const std::filesystem::path& folder);

/// Writes an explanation's folder as a bundle; whole, or not at all. Throws Error when a file of
/// the folder is missing, one that the run read is no longer as it was, or the bundle cannot be
/// written.
void pack(const std::filesystem::path& folder, const std::string& bundle);

/// Unpacks a bundle into an empty folder and checks it: every file by the manifest, the record's
/// files and values. Paths of the record returned lead into the folder. Throws Error naming the
/// bundle; what has been written until then is the caller's to remove.
FailureRecord unpack(const std::string& bundle, const std::filesystem::path& folder);

}  // namespace systole::bundle
