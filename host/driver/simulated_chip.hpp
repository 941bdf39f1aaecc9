// The simulated chip as the driver sees it: a device with time, lockstep, traces and counters. sim/
// implements it, one shared library per configuration (build/<config>/libsystole_chip.so), so that
// the host needs neither SystemC nor the Verilated headers.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "host/driver/chip_activity.hpp"
#include "host/driver/chip_counters.hpp"
#include "host/driver/device.hpp"
#include "host/golden/lockstep.hpp"

namespace systole {

/// Bytes of a chip's memory, or whether a tile stands at a fault, whose last change is to be known.
struct Watch {
  enum class What { Memory, Accumulator, Fault };
  What what = What::Memory;
  golden::Node node;    // of the accumulator or the fault
  Address address = 0;  // global, or accumulator row * 16 + column
  unsigned bytes = 0;   // 0: nothing is watched
};

struct SimulationOptions {
  std::size_t host_memory_bytes = 1 << 20;
  std::string dram = "ddr4-3200";      // or "hbm2e"
  bool lockstep = true;                // judge every retired command
  bool stop_on_mismatch = true;        // else the run goes on, unjudged from there
  unsigned cycles_per_wait = 64;       // clock cycles per SystemC wait; no result depends on it
  uint64_t watchdog_cycles = 2000000;  // without any retirement, response or interrupt: a hang
  uint64_t until = 0;                  // a cycle in which the run is ended with an Error, 0: none
  // Wave window in cycles since reset: FST written to `trace_file` when to > from.
  uint64_t trace_from = 0;
  uint64_t trace_to = 0;
  std::string trace_file = "build/systole.fst";
  uint32_t random_reset =
      0;  // seed of the random initial state; needs a build with --x-initial unique
  // Checkpoints: one each time so many cycles have passed (0: none), the last few of them held, and
  // written to a folder when one is named.
  uint64_t checkpoint_every = 0;
  unsigned checkpoints_kept = 3;
  std::string checkpoint_folder;
  // A checkpoint's file to go on from. The host makes the same calls as the run that it comes from:
  // they are answered from the record in it until that point is reached.
  std::string resume;
  // What a run must have in common with a checkpoint that it goes on from: names and values, beside
  // the chip's build, which the chip adds.
  std::vector<std::pair<std::string, std::string>> identity;
  Watch watch;
  // A unit whose first wrong result is to be likened to others (golden::Mismatch::likenesses).
  std::optional<std::pair<golden::Node, spec::Unit>> study;
  // What $test$plusargs sees, "+fault=post": chips that are broken on purpose (tests/must_fail).
  std::vector<std::string> plusargs;
};

/// A command of a tile's unit began or retired.
struct CommandEvent {
  golden::Node node;
  spec::Unit unit;
  uint32_t pc;  // index in the unit's program
  uint64_t cycle;
  bool retired;
  StateCounts states;  // of the unit, `cycle` included: the difference of two is what lay between
};

/// What ended a simulation early, and when.
struct ChipFailure {
  enum class Kind {
    Mismatch,   // a command differs from the functional model's
    Assertion,  // of the RTL
    Hang,       // nothing has happened, or no command has ended, for the watchdog's time
    Refusal,    // the chip refused a read or a write of the host, or its counters do not add up
    Request,    // a completion says that a request failed (Session)
    Boot        // the firmware did not come up (Session)
  };
  Kind kind = Kind::Mismatch;
  uint64_t cycle =
      0;  // of the difference, of the assertion; of a hang, the last in which anything happened
  std::string text;   // the assertion's name and instance, or who waits for what
  bool busy = false;  // of a hang: there is traffic, but no command ends
};

class SimulatedChip : public Device {
 public:
  /// False of a build without counters, trace, waves and checkpoints (`make
  /// build-<config>-unobserved`): counters() then has no tiles and no links, and what asks for any
  /// of the others throws Error.
  virtual bool observable() const = 0;

  /// Ends the waves. Throws Error, and leaves no file, where they could not be written whole.
  virtual void close_waves() = 0;

  /// Sees every event from now on, in the order of the cycles. Empty: none.
  virtual void observe(std::function<void(const CommandEvent&)> observer) = 0;

  /// Calls `sampler` behind every `cycles`-th cycle, between two cycles; it may read the counters.
  /// 0: never.
  virtual void sample(uint64_t cycles, std::function<void()> sampler) = 0;

  /// The first difference that the lockstep judge found. Calls of Device throw Error once there is
  /// one, unless the run was to go on.
  virtual const std::optional<golden::Mismatch>& mismatch() const = 0;
  /// What ended the simulation, if it did not end well.
  virtual const std::optional<ChipFailure>& failure() const = 0;
  /// The last cycle in which the watched bytes changed; nullopt when they have not.
  virtual std::optional<uint64_t> watched_change() const = 0;
  /// What they are now; empty when nothing is watched.
  virtual std::vector<uint8_t> watched() const = 0;
  /// A tile's scratchpad as it is now; empty when the chip cannot be looked into.
  virtual std::vector<uint8_t> scratchpad(golden::Node node) const = 0;
  /// What the functional model thinks of the command that a unit retires next; nullopt without
  /// lockstep.
  virtual std::optional<golden::Opinion> opinion(golden::Node node, spec::Unit unit) const = 0;
  virtual uint64_t lockstep_commands() const = 0;
  virtual uint64_t lockstep_bytes() const = 0;

  /// Seconds of wall time spent in simulating cycles.
  virtual double simulation_seconds() const = 0;

  /// Cycles of the checkpoints that are held, oldest first.
  virtual std::vector<uint64_t> checkpoints() const = 0;
  /// Writes one of them. Throws Error when the file cannot be written.
  virtual void save_checkpoint(uint64_t cycle, const std::string& file) const = 0;
  /// All counters, of one cycle.
  virtual ChipCounters counters() const = 0;
  /// Of counters(). Each wait_interrupt() that returns has checked that it is 0, else it throws
  /// Error with tile, unit, expected and got; a chip that goes ends the program then.
  virtual uint64_t unaccounted_cycles() const = 0;

  /// What is under way now.
  virtual ChipActivity activity() const = 0;

  /// Counters of DRAM and the host port, for people: one "name value" a line.
  virtual std::string statistics() const = 0;
};

/// Loads build/<config>/libsystole_chip.so beside the running program (or from SYSTOLE_BUILD).
/// Throws Error with the make command when that configuration has not been built.
std::unique_ptr<SimulatedChip> load_simulated_chip(const ChipConfig& config,
                                                   const SimulationOptions& options);

/// The build ID of that library: the same sources and compiler give the same. A checkpoint belongs
/// to one (SimulationOptions::resume). Throws Error as load_simulated_chip() does.
std::string chip_build_id(const ChipConfig& config);

/// A library made from other headers has another number (`systole_chip_interface`), and is not
/// used: sim/sim.mk sums the headers up.
using ChipInterface = std::size_t (*)();

/// What a configuration's library exports as `systole_create_chip`; throws Error.
using CreateChip = SimulatedChip* (*)(const SimulationOptions& options);
/// And as `systole_chip_build_id`.
using ChipBuildId = const char* (*)();

}  // namespace systole
