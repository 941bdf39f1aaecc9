#include "sim/sim_device.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <sstream>
#include <utility>

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

[[noreturn]] void throw_unobserved(const char* what) {
  throw Error(fmt::format("the chip was built without observability: no {}", what),
              SYSTOLE_CONFIG "-unobserved", "--lockstep off --events off --explain off");
}

/// Throws for what this build cannot show.
void require_observable(const SimulationOptions& options) {
  if (kObservable) return;
  if (options.lockstep) throw_unobserved("lockstep");
  if (options.trace_to > 0) throw_unobserved("waves");
  if (options.watch.bytes > 0) throw_unobserved("watch");
  if (options.checkpoint_every > 0 || !options.resume.empty()) throw_unobserved("checkpoints");
}

/// A unit's command of the trace's: 16 bits a unit.
uint16_t pc_of(uint64_t pcs, unsigned unit) { return static_cast<uint16_t>(pcs >> 16 * unit); }

}  // namespace

SimDevice::SimDevice(const ChipConfig& config, const SimulationOptions& options)
    : config_(config),
      kernel_(make_kernel()),
      stop_on_mismatch_(options.stop_on_mismatch),
      watch_(options.watch),
      recording_(options.checkpoint_every > 0),
      checkpoints_kept_(options.checkpoints_kept),
      folder_(options.checkpoint_folder),
      identity_(options.identity) {
  require_observable(options);
  const KernelScope scope(kernel_.get());
  identity_.insert(identity_.begin(), {"the chip's build", build_id()});
  // First: a checkpoint that is refused leaves no wave file.
  if (!options.resume.empty()) begin_resume(options);
  tb_ = std::make_unique<ChipTb>("chip_tb", config_, options);
  if (kObservable) view_ = std::make_unique<ChipView>(config_, tb_->context());
  tb_->on_hang = [this] {
    return kObservable ? to_string(activity()) : "the chip was built without observability";
  };
  tb_->tiles_run = [this] { return kObservable && view_->tiles_run(); };
  tb_->on_trace = [this](uint64_t cycle) { return take_trace(cycle); };
  if (options.lockstep) {
    judge_ = std::make_unique<golden::LockstepJudge>(config_, tb_->host_memory().bytes(),
                                                     static_cast<const golden::ChipState&>(*this));
  }
  if (judge_ && options.study) judge_->study(options.study->first, options.study->second);
  if (watch_.bytes > 0) {
    watched_ = watched_bytes();
    tb_->on_cycle = [this](uint64_t cycle) { watch(cycle); };
  }
  tb_->on_checkpoint = [this] { take_checkpoint(); };
  if (recording_) {
    tb_->host_memory().on_write = [this](uint64_t address, unsigned bytes) {
      const uint8_t* data = tb_->host_memory().data() + address;
      record_.changes.push_back({record_.calls.size(), address, {data, data + bytes}});
    };
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
  if (stop_on_mismatch_ && mismatch()) throw Error(mismatch()->text(), "lockstep");
}

const std::optional<golden::Mismatch>& SimDevice::mismatch() const {
  static const std::optional<golden::Mismatch> kNone;
  return judge_ ? judge_->mismatch() : kNone;
}

// ----------------------------------------------------------------------------------- host's calls

/// The recorded result of this call, or null: then the chip is to answer it.
const HostRecord::Call* SimDevice::replay() {
  if (!resuming()) return nullptr;
  if (replayed_ == record_.calls.size()) {
    tb_->resume_with([this] {
      std::istringstream state(std::exchange(resumed_->state, ""));
      resumed_.reset();
      cereal::BinaryInputArchive archive(state);
      archive_state(archive);
    });
    return nullptr;
  }
  const HostRecord::Call& call = record_.calls[replayed_];
  for (; changes_replayed_ < record_.changes.size(); ++changes_replayed_) {
    const HostRecord::Change& change = record_.changes[changes_replayed_];
    if (change.call > replayed_) break;
    std::memcpy(tb_->host_memory().data() + change.offset, change.data.data(), change.data.size());
  }
  ++replayed_;
  if (!call.error.empty()) throw Error(call.error, "");
  return &call;
}

/// A call that the chip answers; `call` runs it and notes its result.
void SimDevice::run_call(const std::function<void(HostRecord::Call&)>& call) {
  HostRecord::Call result;
  try {
    call(result);
  } catch (const Error& error) {
    note_failure(error.what());
    result.error = error.what();
    result.cycle = tb_->cycle();
    if (recording_) record_.calls.push_back(std::move(result));
    throw;
  }
  result.cycle = tb_->cycle();
  if (recording_) record_.calls.push_back(std::move(result));
  throw_mismatch();
}

/// What ended a call, unless the run was to end there.
void SimDevice::note_failure(const std::string& problem) {
  if (mismatch()) {
    failure_ = {ChipFailure::Kind::Mismatch, mismatch()->cycle, mismatch()->text()};
  } else if (tb_->failure()) {
    failure_ = tb_->failure();
  } else if (!tb_->ended_as_asked() && !tb_->waves_lost() && !no_failure_) {
    failure_ = {ChipFailure::Kind::Refusal, tb_->cycle(), problem};
  }
}

uint64_t SimDevice::cycles() const {
  if (!resuming()) return tb_->cycle();
  return replayed_ == 0 ? 0 : record_.calls[replayed_ - 1].cycle;
}

void SimDevice::write(Address address, const void* data, std::size_t bytes) {
  throw_mismatch();
  if (replay() != nullptr) return;
  const KernelScope scope(kernel_.get());
  run_call([&](HostRecord::Call&) {
    tb_->transact(tlm::TLM_WRITE_COMMAND, address, const_cast<void*>(data), bytes);
  });
  if (!judge_) return;
  judge_->host_wrote(address, data, bytes, tb_->cycle());
  if (mismatch()) note_failure("");
  throw_mismatch();
}

void SimDevice::read(Address address, void* data, std::size_t bytes) {
  throw_mismatch();
  if (const HostRecord::Call* call = replay()) {
    std::copy_n(call->data.begin(), std::min(bytes, call->data.size()),
                static_cast<uint8_t*>(data));
    return;
  }
  const KernelScope scope(kernel_.get());
  run_call([&](HostRecord::Call& call) {
    tb_->transact(tlm::TLM_READ_COMMAND, address, data, bytes);
    if (!recording_) return;
    const auto* got = static_cast<const uint8_t*>(data);
    call.data.assign(got, got + bytes);
  });
}

bool SimDevice::wait_interrupt(uint64_t max_cycles) {
  throw_mismatch();
  if (const HostRecord::Call* call = replay()) return call->interrupt;
  const KernelScope scope(kernel_.get());
  bool up = false;
  run_call(
      [&](HostRecord::Call& call) { call.interrupt = up = tb_->run_to_interrupt(max_cycles); });
  check_accounts();
  return up;
}

// ---------------------------------------------------------------------------------------- counters

ChipCounters SimDevice::chip_counters() const {
  if (kObservable) return view_->counters();
  ChipCounters none;
  none.cycle = tb_->cycle();
  return none;
}

ChipCounters SimDevice::counters() const {
  ChipCounters counters = chip_counters();
  for (unsigned c = 0; c < tb_->channels(); ++c) {
    const timing::DramCounters& dram = tb_->dram(c).channel().counters();
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
  const ChipCounters counters = chip_counters();
  accounts_failed_ = systole::unaccounted_cycles(counters) != 0;
  try {
    systole::check_accounts(counters);
  } catch (const Error& error) {
    note_failure(error.what());
    throw;
  }
}

// ------------------------------------------------------------------------------------- checkpoints

void SimDevice::begin_resume(const SimulationOptions& options) {
  resumed_ = read_checkpoint(options.resume, identity_, record_);
  if (options.trace_to == 0 || options.trace_to > resumed_->cycle) return;
  throw Error("the trace window lies before the checkpoint", options.resume,
              fmt::format("a window that ends behind cycle {}", resumed_->cycle),
              fmt::format("{}:{}", options.trace_from, options.trace_to));
}

void SimDevice::take_checkpoint() {
  std::ostringstream state;
  cereal::BinaryOutputArchive archive(state);
  archive_state(archive);
  held_.push_back({tb_->cycle(), record_.calls.size(), record_.changes.size(),
                   record_.events.size(), state.str()});
  if (held_.size() > checkpoints_kept_) held_.pop_front();
  if (!folder_.empty()) write_to_folder(held_.back());
}

void SimDevice::write_to_folder(const Checkpoint& checkpoint) {
  files_.push_back(fmt::format("{}/cycle_{:09}.ckpt", folder_, checkpoint.cycle));
  try {
    write_checkpoint(files_.back(), identity_, checkpoint, record_);
  } catch (...) {
    no_failure_ = true;
    throw;
  }
  if (files_.size() <= checkpoints_kept_) return;
  std::remove(files_.front().c_str());
  files_.pop_front();
}

std::vector<uint64_t> SimDevice::checkpoints() const {
  std::vector<uint64_t> cycles;
  for (const Checkpoint& checkpoint : held_) cycles.push_back(checkpoint.cycle);
  return cycles;
}

void SimDevice::save_checkpoint(uint64_t cycle, const std::string& file) const {
  for (const Checkpoint& checkpoint : held_) {
    if (checkpoint.cycle == cycle) return write_checkpoint(file, identity_, checkpoint, record_);
  }
  throw Error("no such checkpoint is held", file, "", fmt::format("cycle {}", cycle));
}

// ------------------------------------------------------------------------------------------- trace

golden::Node SimDevice::node_of(unsigned tile) const {
  const unsigned columns = config_.num_cols - 1;
  return {tile % columns + 1, tile / columns};
}

void SimDevice::observe(std::function<void(const CommandEvent&)> observer) {
  if (!kObservable) throw_unobserved("events");
  observer_ = std::move(observer);
  // Of a resumed run: what came before.
  for (const CommandEvent& event : record_.events) observer_(event);
}

/// What the trace tells took effect in the cycle before.
bool SimDevice::take_trace(uint64_t cycle) {
  if (judge_) judge_trace(cycle - 1);
  if (observer_) observe_trace(cycle - 1);
  if (!judge_ || !judge_->mismatch()) return false;
  note_failure("");
  return stop_on_mismatch_;
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
      judge_->retired(node_of(t), static_cast<spec::Unit>(u), pc_of(model.trace_retire_pc_o[t], u),
                      cycle);
    }
  }
  for (unsigned t = 0; t < tiles; ++t) {
    if (model.trace_launch_o[t]) judge_->launched(node_of(t), cycle);
  }
}

void SimDevice::observe_trace(uint64_t cycle) {
  const Vsystole_chip& model = tb_->model();
  const auto tell = [&](const CommandEvent& event) {
    if (!folder_.empty()) record_.events.push_back(event);
    observer_(event);
  };
  for (unsigned t = 0; t < config_.tiles(); ++t) {
    for (unsigned u = 0; u < spec::NumUnits; ++u) {
      const bool retired = (model.trace_retire_o[t] >> u & 1) != 0;
      const bool begun = (model.trace_begin_o[t] >> u & 1) != 0;
      if (!retired && !begun) continue;
      const auto unit = static_cast<spec::Unit>(u);
      const StateCounts states = view_->state_counts(node_of(t), unit);
      if (retired) {
        tell({node_of(t), unit, pc_of(model.trace_retire_pc_o[t], u), cycle, true, states});
      }
      if (begun)
        tell({node_of(t), unit, pc_of(model.trace_begin_pc_o[t], u), cycle, false, states});
    }
  }
}

// ------------------------------------------------------------------------------------------- watch

std::vector<uint8_t> SimDevice::watched_bytes() const {
  std::vector<uint8_t> bytes(watch_.bytes);
  if (watch_.what == Watch::What::Fault) {
    bytes[0] = view_->has_fault(watch_.node) ? 1 : 0;
  } else if (watch_.what == Watch::What::Accumulator) {
    int32_t lanes[golden::kLanes];
    read_accumulators(watch_.node, static_cast<unsigned>(watch_.address / golden::kLanes), lanes);
    std::memcpy(bytes.data(), &lanes[watch_.address % golden::kLanes], watch_.bytes);
  } else {
    golden::read_chip(*this, watch_.address, bytes.data(), bytes.size());
  }
  return bytes;
}

std::vector<uint8_t> SimDevice::watched() const {
  return watch_.bytes == 0 ? std::vector<uint8_t>() : watched_bytes();
}

std::vector<uint8_t> SimDevice::scratchpad(golden::Node node) const {
  if (!view_) return {};
  std::vector<uint8_t> bytes(spec::ScratchpadBytes);
  read_scratchpad(node, 0, bytes.data(), bytes.size());
  return bytes;
}

void SimDevice::watch(uint64_t cycle) {
  tb_->settle();
  std::vector<uint8_t> bytes = watched_bytes();
  if (bytes == watched_) return;
  watched_ = std::move(bytes);
  watched_change_ = cycle;
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

std::optional<golden::Opinion> SimDevice::opinion(golden::Node node, spec::Unit unit) const {
  if (!judge_ || node.x == 0 || node.x >= config_.num_cols || node.y >= config_.num_rows)
    return std::nullopt;
  return judge_->opinion(node, unit);
}

ChipActivity SimDevice::activity() const {
  ChipActivity result = kObservable ? view_->activity() : ChipActivity{};
  const auto port = [&](const std::string& name, const AxiSlave& slave) {
    result.memories.push_back({name, slave.waiting_read_beats(), slave.waiting_writes()});
  };
  port("host memory", tb_->host_memory_port());
  for (unsigned c = 0; c < tb_->channels(); ++c) port(fmt::format("DRAM {}", c), tb_->dram_port(c));
  if (tb_->host_port().busy()) {
    result.host_port = fmt::format("{} 0x{:012x}", tb_->host_port().is_write() ? "write" : "read",
                                   tb_->host_port().address());
  }
  return result;
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
    const timing::DramCounters& counters = tb_->dram(c).channel().counters();
    port(name, tb_->dram_port(c).counters());
    text += fmt::format("{0}_row_hits {1}\n{0}_row_misses {2}\n{0}_row_conflicts {3}\n", name,
                        counters.row_hits, counters.row_misses, counters.row_conflicts);
    text += fmt::format("{0}_refreshes {1}\n{0}_bus_busy_cycles {2}\n", name, counters.refreshes,
                        counters.bus_busy / kPicosecondsPerCycle);
  }
  return text;
}

}  // namespace systole::sim
