// The simulated chip as a device: testbench, lockstep judge, observers, statistics.
//
// Each device has a SystemC kernel context of its own, so that a process may make several, one
// after another or side by side (not in threads).
#pragma once

#include <memory>
#include <systemc>

#include "host/driver/simulated_chip.hpp"
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
  uint64_t cycles() const override { return tb_->cycle(); }
  bool needs_firmware() const override { return true; }

  void observe(std::function<void(const CommandEvent&)> observer) override {
    observer_ = std::move(observer);
  }
  void sample(uint64_t cycles, std::function<void()> sampler) override {
    tb_->sample(cycles, std::move(sampler));
  }
  const std::optional<golden::Mismatch>& mismatch() const override;
  uint64_t lockstep_commands() const override { return judge_ ? judge_->commands() : 0; }
  uint64_t lockstep_bytes() const override { return judge_ ? judge_->bytes() : 0; }
  double simulation_seconds() const override { return tb_->wall_seconds(); }
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

  bool take_trace(uint64_t cycle);
  void judge_trace(uint64_t cycle);
  void observe_trace(uint64_t cycle);
  golden::Node node_of(unsigned tile) const;
  std::string hang_text() const;
  void throw_mismatch() const;
  void check_accounts();

  ChipConfig config_;
  std::unique_ptr<sc_core::sc_simcontext> kernel_;
  std::unique_ptr<ChipTb> tb_;
  std::unique_ptr<ChipView> view_;
  std::unique_ptr<golden::LockstepJudge> judge_;
  std::function<void(const CommandEvent&)> observer_;
  bool accounts_failed_ = false;
};

}  // namespace systole::sim
