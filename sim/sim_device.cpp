#include "sim/sim_device.hpp"

#include <fmt/format.h>

#include <cstdio>
#include <cstdlib>
#include <exception>

#include "host/command/error.hpp"

namespace systole::sim {
namespace {

/// Makes a device's kernel context the present one while a call runs.
class KernelScope {
 public:
  explicit KernelScope(sc_core::sc_simcontext* kernel) : outer_(sc_core::sc_curr_simcontext) {
    sc_core::sc_curr_simcontext = kernel;
  }
  ~KernelScope() { sc_core::sc_curr_simcontext = outer_; }
  KernelScope(const KernelScope&) = delete;
  KernelScope& operator=(const KernelScope&) = delete;

 private:
  sc_core::sc_simcontext* outer_;
};

std::unique_ptr<sc_core::sc_simcontext> make_kernel() {
  setenv("SYSTEMC_DISABLE_COPYRIGHT_MESSAGE", "1", 0);
  // The kernel reports its second and later contexts as a novelty; they are meant.
  sc_core::sc_report_handler::set_actions(sc_core::SC_INFO, sc_core::SC_DO_NOTHING);
  return std::make_unique<sc_core::sc_simcontext>();
}

}  // namespace

SimDevice::SimDevice(const ChipConfig& config, const SimulationOptions& options)
    : config_(config), kernel_(make_kernel()) {
  const KernelScope scope(kernel_.get());
  tb_ = std::make_unique<ChipTb>("chip_tb", config_, options);
  view_ = std::make_unique<ChipView>(config_, tb_->context());
  tb_->on_trace = [this](uint64_t cycle) { return take_trace(cycle); };
  tb_->on_hang = [this] { return hang_text(); };
  if (options.lockstep) {
    judge_ = std::make_unique<golden::LockstepJudge>(config_, tb_->host_memory().bytes(),
                                                     static_cast<const golden::ChipState&>(*this));
  }
}

/// Nobody could catch what a destructor throws, and a chip that miscounts must not pass.
SimDevice::~SimDevice() {
  const KernelScope scope(kernel_.get());
  try {
    check_accounts();
  } catch (const Error& error) {
    fmt::print(stderr, "systole: {}\n", error.what());
    std::terminate();
  }
  judge_.reset();
  view_.reset();
  tb_.reset();
}

void SimDevice::throw_mismatch() const {
  if (mismatch()) throw Error(mismatch()->text(), "lockstep");
}

const std::optional<golden::Mismatch>& SimDevice::mismatch() const {
  static const std::optional<golden::Mismatch> kNone;
  return judge_ ? judge_->mismatch() : kNone;
}

void SimDevice::write(Address address, const void* data, std::size_t bytes) {
  throw_mismatch();
  const KernelScope scope(kernel_.get());
  tb_->transact(tlm::TLM_WRITE_COMMAND, address, const_cast<void*>(data), bytes);
  throw_mismatch();
  if (judge_) judge_->host_wrote(address, data, bytes);
}

void SimDevice::read(Address address, void* data, std::size_t bytes) {
  throw_mismatch();
  const KernelScope scope(kernel_.get());
  tb_->transact(tlm::TLM_READ_COMMAND, address, data, bytes);
  throw_mismatch();
}

bool SimDevice::wait_interrupt(uint64_t max_cycles) {
  throw_mismatch();
  const KernelScope scope(kernel_.get());
  const bool up = tb_->run_to_interrupt(max_cycles);
  throw_mismatch();
  check_accounts();
  return up;
}

// ---------------------------------------------------------------------------------------- counters

ChipCounters SimDevice::counters() const {
  ChipCounters counters = view_->counters();
  for (unsigned c = 0; c < tb_->channels(); ++c) {
    const DramCounters& dram = tb_->dram(c).channel().counters();
    const AxiCounters& port = tb_->dram_port(c).counters();
    counters.channels.push_back({port.read_beats, port.write_beats, dram.row_hits, dram.row_misses,
                                 dram.row_conflicts, dram.refreshes,
                                 static_cast<uint64_t>(dram.bus_busy / kPicosecondsPerCycle)});
  }
  return counters;
}

/// Throws once: what follows a first difference says nothing new.
void SimDevice::check_accounts() {
  if (accounts_failed_ || tb_->broken()) return;
  const ChipCounters counters = view_->counters();
  accounts_failed_ = systole::unaccounted_cycles(counters) != 0;
  systole::check_accounts(counters);
}

// ------------------------------------------------------------------------------------------- trace

golden::Node SimDevice::node_of(unsigned tile) const {
  const unsigned columns = config_.num_cols - 1;
  return {tile % columns + 1, tile / columns};
}

/// What the trace tells took effect in the cycle before.
bool SimDevice::take_trace(uint64_t cycle) {
  if (judge_) judge_trace(cycle - 1);
  if (observer_) observe_trace(cycle - 1);
  return judge_ && judge_->mismatch();
}

void SimDevice::judge_trace(uint64_t cycle) {
  const Vsystole_chip& model = tb_->model();
  const unsigned tiles = config_.tiles();
  tb_->settle();
  for (unsigned t = 0; t < tiles; ++t) {
    if (!model.trace_post_taken_o[t]) continue;
    const unsigned source = model.trace_post_src_o[t];  // y, x
    judge_->post_taken({source & 0xf, source >> 4}, node_of(t),
                       model.trace_post_with_data_o[t] != 0, cycle);
  }
  for (unsigned t = 0; t < tiles; ++t) {
    for (unsigned u = 0; model.trace_retire_o[t] >> u != 0; ++u) {
      if ((model.trace_retire_o[t] >> u & 1) == 0) continue;
      judge_->retired(node_of(t), static_cast<spec::Unit>(u),
                      model.trace_retire_pc_o[t * spec::NumUnits + u], cycle);
    }
  }
  for (unsigned t = 0; t < tiles; ++t) {
    if (model.trace_launch_o[t]) judge_->launched(node_of(t), cycle);
  }
}

void SimDevice::observe_trace(uint64_t cycle) {
  const Vsystole_chip& model = tb_->model();
  for (unsigned t = 0; t < config_.tiles(); ++t) {
    for (unsigned u = 0; u < spec::NumUnits; ++u) {
      const unsigned i = t * spec::NumUnits + u;
      const bool retired = (model.trace_retire_o[t] >> u & 1) != 0;
      const bool begun = (model.trace_begin_o[t] >> u & 1) != 0;
      if (!retired && !begun) continue;
      const auto unit = static_cast<spec::Unit>(u);
      const StateCounts states = view_->state_counts(node_of(t), unit);
      if (retired) {
        observer_({node_of(t), unit, model.trace_retire_pc_o[i], cycle, true, states});
      }
      if (begun) observer_({node_of(t), unit, model.trace_begin_pc_o[i], cycle, false, states});
    }
  }
}

// ------------------------------------------------------------------------------------ chip's state

void SimDevice::read_scratchpad(golden::Node node, uint32_t offset, void* data,
                                std::size_t bytes) const {
  view_->read_scratchpad(node, offset, data, bytes);
}

void SimDevice::read_accumulators(golden::Node node, unsigned row, int32_t* lanes) const {
  view_->read_accumulators(node, row, lanes);
}

void SimDevice::read_dram(Address address, void* data, std::size_t bytes) const {
  const Address local = address - spec::DramBase;
  tb_->dram(static_cast<unsigned>(local / spec::DramChannelBytes))
      .peek(local % spec::DramChannelBytes, data, bytes);
}

// -------------------------------------------------------------------------------------------- text

std::string SimDevice::hang_text() const {
  std::string text = view_->activity();
  if (tb_->host_port().busy()) {
    text += fmt::format("  host port: {} 0x{:012x} is not answered\n",
                        tb_->host_port().is_write() ? "write" : "read", tb_->host_port().address());
  }
  const auto port = [&](const std::string& name, const AxiSlave& slave) {
    if (slave.waiting_read_beats() + slave.waiting_writes() == 0) return;
    text += fmt::format("  {}: {} read beats and {} writes under way\n", name,
                        slave.waiting_read_beats(), slave.waiting_writes());
  };
  port("host memory", tb_->host_memory_port());
  for (unsigned c = 0; c < tb_->channels(); ++c) port(fmt::format("DRAM {}", c), tb_->dram_port(c));
  return text;
}

std::string SimDevice::statistics() const {
  std::string text = fmt::format("host_port_beats {}\n", tb_->host_port().beats());
  const auto port = [&](const std::string& name, const AxiCounters& counters) {
    text += fmt::format("{0}_read_beats {1}\n{0}_write_beats {2}\n", name, counters.read_beats,
                        counters.write_beats);
  };
  port("host_memory", tb_->host_memory_port().counters());
  for (unsigned c = 0; c < tb_->channels(); ++c) {
    const std::string name = fmt::format("dram{}", c);
    const DramCounters& counters = tb_->dram(c).channel().counters();
    port(name, tb_->dram_port(c).counters());
    text += fmt::format("{0}_row_hits {1}\n{0}_row_misses {2}\n{0}_row_conflicts {3}\n", name,
                        counters.row_hits, counters.row_misses, counters.row_conflicts);
    text += fmt::format("{0}_refreshes {1}\n{0}_bus_busy_cycles {2}\n", name, counters.refreshes,
                        counters.bus_busy / kPicosecondsPerCycle);
  }
  return text;
}

}  // namespace systole::sim
