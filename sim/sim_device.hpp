// The simulated chip as a device: testbench, lockstep judge, observers, checkpoints, statistics.
//
// Each device has a SystemC kernel context of its own, so that a process may make several, one
// after another or side by side (not in threads).
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <systemc>
#include <vector>

#include "host/driver/simulated_chip.hpp"
#include "sim/checkpoint.hpp"
#include "sim/chip_tb.hpp"
#include "sim/chip_view.hpp"

namespace systole::sim {

class SimDevice : public SimulatedChip, private golden::ChipState {
 public:
  SimDevice(const ChipConfig& config, const SimulationOptions& options);
  ~SimDevice() override;

  const ChipConfig& config() const override { return config_; }
  void write(Address address, const void* data, std::size_t bytes) override;
  void read(Address address, void* data, std::size_t bytes) override;
  uint8_t* host_memory() override { return tb_->host_memory().data(); }
  std::size_t host_memory_bytes() const override { return tb_->host_memory().bytes(); }
  bool wait_interrupt(uint64_t max_cycles) override;
  uint64_t cycles() const override;
  bool needs_firmware() const override { return true; }

  bool observable() const override { return kObservable; }
  void close_waves() override { tb_->close_waves(); }
  void observe(std::function<void(const CommandEvent&)> observer) override;
  void sample(uint64_t cycles, std::function<void()> sampler) override {
    tb_->sample(cycles, std::move(sampler));
  }
  const std::optional<golden::Mismatch>& mismatch() const override;
  const std::optional<ChipFailure>& failure() const override { return failure_; }
  std::optional<uint64_t> watched_change() const override { return watched_change_; }
  std::vector<uint8_t> watched() const override;
  std::vector<uint8_t> scratchpad(golden::Node node) const override;
  std::optional<golden::Opinion> opinion(golden::Node node, spec::Unit unit) const override;
  uint64_t lockstep_commands() const override { return judge_ ? judge_->commands() : 0; }
  uint64_t lockstep_bytes() const override { return judge_ ? judge_->bytes() : 0; }
  double simulation_seconds() const override { return tb_->wall_seconds(); }
  std::vector<uint64_t> checkpoints() const override;
  void save_checkpoint(uint64_t cycle, const std::string& file) const override;
  ChipActivity activity() const override;
  ChipCounters counters() const override;
  uint64_t unaccounted_cycles() const override { return systole::unaccounted_cycles(counters()); }
  std::string statistics() const override;

 private:
  // golden::ChipState
  void read_scratchpad(golden::Node node, uint32_t offset, void* data,
                       std::size_t bytes) const override;
  void read_accumulators(golden::Node node, unsigned row, int32_t* lanes) const override;
  void read_dram(Address address, void* data, std::size_t bytes) const override;
  const uint8_t* host_memory() const override { return tb_->host_memory().data(); }

  // ---- calls of the host, answered from a record or recorded
  bool resuming() const { return resumed_.has_value(); }
  const HostRecord::Call* replay();
  void run_call(const std::function<void(HostRecord::Call&)>& call);

  // ---- checkpoints
  void begin_resume(const SimulationOptions& options);
  void take_checkpoint();
  void write_to_folder(const Checkpoint& checkpoint);
  template <class Archive>
  void archive_state(Archive& archive) {
    archive(*tb_);
    if (judge_) archive(*judge_);
  }

  void watch(uint64_t cycle);
  std::vector<uint8_t> watched_bytes() const;
  void note_failure(const std::string& problem);

  bool take_trace(uint64_t cycle);
  void judge_trace(uint64_t cycle);
  void observe_trace(uint64_t cycle);
  golden::Node node_of(unsigned tile) const;
  void throw_mismatch() const;
  void check_accounts();
  /// Those of the chip alone.
  ChipCounters chip_counters() const;

  ChipConfig config_;
  std::unique_ptr<sc_core::sc_simcontext> kernel_;
  std::unique_ptr<ChipTb> tb_;
  std::unique_ptr<ChipView> view_;  // none without observability
  std::unique_ptr<golden::LockstepJudge> judge_;
  std::function<void(const CommandEvent&)> observer_;
  bool stop_on_mismatch_;
  std::optional<ChipFailure> failure_;
  bool no_failure_ = false;  // what ended a call was no fault of the chip
  Watch watch_;
  std::vector<uint8_t> watched_;
  std::optional<uint64_t> watched_change_;

  // ---- checkpoints
  bool recording_;
  unsigned checkpoints_kept_;
  std::string folder_;
  RunIdentity identity_;
  HostRecord record_;
  std::size_t replayed_ = 0;           // calls answered from the record
  std::size_t changes_replayed_ = 0;   // of host memory
  std::optional<Checkpoint> resumed_;  // until its call is reached
  std::deque<Checkpoint> held_;
  std::deque<std::string> files_;  // written to the folder
  bool accounts_failed_ = false;
};

}  // namespace systole::sim
