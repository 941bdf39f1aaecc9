// The SystemC testbench of one chip: clock, pins, memories.
//
// One thread steps the Verilated model, `cycles_per_wait` cycles a SystemC wait, with the AXI
// adapters in the loop; it pauses the kernel in exactly the cycle in which what run() was asked for
// has come, so that no result depends on the step. Cycle 0 is the first after reset; the edge that
// ends cycle c is at SystemC time (c + 1) ns.
#pragma once

#include <tlm_utils/simple_initiator_socket.h>
#include <systemc>
#include <tlm>

using sc_core::sc_time_stamp;  // Verilator's headers want it in the global namespace
#include <verilated.h>
#include <verilated_fst_c.h>

#include <cstdint>
#include <exception>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "Vsystole_chip.h"
#include "host/driver/simulated_chip.hpp"
#include "sim/axi_master.hpp"
#include "sim/axi_slave.hpp"
#include "sim/memory_targets.hpp"
#include "sim/model_state.hpp"

namespace systole::sim {

/// An RTL assertion, $error or $stop, thrown out of the model's eval.
struct RtlAssertion : std::runtime_error {
  using std::runtime_error::runtime_error;
};

class ChipTb : public sc_core::sc_module {
 public:
  ChipTb(const sc_core::sc_module_name& name, const ChipConfig& config,
         const SimulationOptions& options);
  ~ChipTb() override;

  /// Called in a cycle with anything in the trace port, before its rising edge; true ends run().
  std::function<bool(uint64_t cycle)> on_trace;
  /// Called when the watchdog's time has passed: says what is known of the hang.
  std::function<std::string()> on_hang;
  /// Whether a tile runs: then a command must end now and then. Unset: one does.
  std::function<bool()> tiles_run;
  /// Called behind the rising edge of every cycle, if set.
  std::function<void(uint64_t cycle)> on_cycle;
  /// Called between two cycles, when a multiple of SimulationOptions::checkpoint_every have passed.
  std::function<void()> on_checkpoint;

  /// One transaction at the host port, to its end.
  void transact(tlm::tlm_command command, uint64_t address, void* data, std::size_t bytes);
  /// Runs until the interrupt is up or `max_cycles` have passed; true when it is up.
  bool run_to_interrupt(uint64_t max_cycles);

  /// Ends the waves. Throws Error, and leaves no file, where they could not be written whole.
  void close_waves();
  /// Waves that could not be written have ended a run: no fault of the chip.
  bool waves_lost() const { return waves_lost_; }

  /// Calls `sampler` behind every `cycles`-th cycle; 0: never.
  void sample(uint64_t cycles, std::function<void()> sampler);

  uint64_t cycle() const { return cycle_; }
  /// An assertion or a hang that has ended a run.
  const std::optional<ChipFailure>& failure() const { return failure_; }
  /// SimulationOptions::until has been reached.
  bool ended_as_asked() const { return cycle_ >= until_; }
  /// An assertion has ended an evaluation halfway: the model's state is that of no cycle.
  bool broken() const { return failure_ && failure_->kind == ChipFailure::Kind::Assertion; }
  double wall_seconds() const { return wall_seconds_; }
  Vsystole_chip& model() { return *model_; }
  VerilatedContext& context() { return *context_; }

  HostMemoryTarget& host_memory() { return host_memory_; }
  DramTarget& dram(unsigned channel) { return *drams_[channel]; }
  unsigned channels() const { return static_cast<unsigned>(drams_.size()); }
  const AxiMaster& host_port() const { return host_port_; }
  const AxiSlave& host_memory_port() const { return host_memory_port_; }
  const AxiSlave& dram_port(unsigned channel) const { return *dram_ports_[channel]; }
  /// Moves answered writes into the storages.
  void settle();

  /// The next run() begins with this, which serialize()s a checkpoint in: the call that it comes
  /// from goes on where it was.
  void resume_with(std::function<void()> restore) { restore_ = std::move(restore); }

  /// Everything between two cycles: pins, ports, memories, the model.
  template <class Archive>
  void serialize(Archive& archive) {
    archive(host_memory_, host_port_, host_memory_port_);
    for (auto& dram : drams_) archive(*dram);
    for (auto& port : dram_ports_) archive(*port);
    plain_all(archive, cycle_, last_progress_, last_command_, stop_cycle_);
    archive_model(archive, *model_);
  }

 private:
  void reset();
  void open_trace(const SimulationOptions& options);
  /// Runs the kernel until something asks to stop; throws what the thread met.
  void run(uint64_t max_cycles);
  void clock_thread();
  unsigned run_slice();
  void step(unsigned step);
  void dump_waves(int64_t time);
  void require_waves_written();
  uint64_t sample_after(uint64_t cycle) const;
  void check_deadline();
  void take_due_checkpoint();
  uint64_t command_deadline() const;
  [[noreturn]] void hang(const char* what, uint64_t since);
  uint64_t checkpoint_after(uint64_t cycle) const;
  tlm::tlm_sync_enum answered(tlm::tlm_generic_payload& payload, tlm::tlm_phase& phase,
                              sc_core::sc_time& delay);

  unsigned cycles_per_wait_;
  uint64_t watchdog_cycles_;
  uint64_t until_;
  uint64_t checkpoint_every_;
  uint64_t next_checkpoint_;
  std::unique_ptr<VerilatedContext> context_;
  std::unique_ptr<Vsystole_chip> model_;
  std::unique_ptr<VerilatedFstC> trace_;
  std::string trace_file_;
  bool waves_lost_ = false;
  uint64_t trace_from_ = 0;
  uint64_t trace_to_ = 0;

  AxiMaster host_port_;
  AxiSlave host_memory_port_;
  std::vector<std::unique_ptr<AxiSlave>> dram_ports_;
  HostMemoryTarget host_memory_;
  std::vector<std::unique_ptr<DramTarget>> drams_;
  tlm_utils::simple_initiator_socket<ChipTb> driver_;

  uint64_t cycle_ = 0;
  uint64_t last_progress_ = 0;
  uint64_t last_command_ = 0;  // began, ended or was posted
  uint64_t stop_cycle_ = 0;
  uint64_t deadline_ = 0;  // the next cycle in which something is to be checked
  uint64_t skip_ = 0;      // cycles that have passed before a resumed run
  std::function<void()> restore_;
  uint64_t sample_cycles_ = 0;
  uint64_t next_sample_ = ~uint64_t{0};
  std::function<void()> sampler_;
  bool stop_ = false;
  bool stop_on_interrupt_ = false;
  std::exception_ptr error_;
  std::optional<ChipFailure> failure_;
  double wall_seconds_ = 0;
};

}  // namespace systole::sim
