#include "sim/chip_tb.hpp"

#include <fmt/format.h>
#include <sys/statvfs.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <limits>

#include "host/command/error.hpp"
#include "rtl/spec/gen/systole_commands.hpp"
#include "sim/model_output.hpp"

namespace systole::sim {
namespace {

constexpr uint64_t kForever = std::numeric_limits<uint64_t>::max();
constexpr unsigned kResetCycles = 4;
constexpr unsigned kReleaseCycles = 2;  // rtl/common/reset_sync.sv
// Without a command that ends, times the watchdog's: while tiles run, and while none does.
constexpr uint64_t kBusyPatience = 2;
constexpr uint64_t kLoadingPatience = 10;
constexpr uint64_t kWaveRoom =
    4 << 20;  // bytes that waves take at least, with what their writer maps
constexpr std::size_t kThreadStackBytes = 4 << 20;

std::unique_ptr<VerilatedContext> make_context(const SimulationOptions& options) {
#ifndef SYSTOLE_RANDOM_RESET
  if (options.random_reset != 0) {
    throw Error("random initial state needs the other build", "random_reset",
                "a library built by make build-<config>-xrand");
  }
#endif
  auto context = std::make_unique<VerilatedContext>();
  context->randReset(options.random_reset == 0 ? 0 : 2);
  context->randSeed(static_cast<int>(options.random_reset & 0x7fffffff));
  context->traceEverOn(options.trace_to > options.trace_from);
  // Without a first word, the program's name, a model that looks for its plusargs is refused.
  const char* program = "systole";
  context->commandArgs(1, &program);
  for (const std::string& argument : options.plusargs) {
    const char* word = argument.c_str();
    context->commandArgsAdd(1, &word);
  }
  return context;
}

AxiPins host_slave_pins(Vsystole_chip& m) {
  return {
      {&m.s_axi_host_awvalid_i, &m.s_axi_host_awready_o, &m.s_axi_host_awaddr_i,
       &m.s_axi_host_awlen_i, &m.s_axi_host_awsize_i, &m.s_axi_host_awburst_i,
       &m.s_axi_host_awid_i},
      {&m.s_axi_host_wvalid_i, &m.s_axi_host_wready_o, m.s_axi_host_wdata_i.data(),
       &m.s_axi_host_wstrb_i, &m.s_axi_host_wlast_i},
      {&m.s_axi_host_bvalid_o, &m.s_axi_host_bready_i, &m.s_axi_host_bresp_o, &m.s_axi_host_bid_o},
      {&m.s_axi_host_arvalid_i, &m.s_axi_host_arready_o, &m.s_axi_host_araddr_i,
       &m.s_axi_host_arlen_i, &m.s_axi_host_arsize_i, &m.s_axi_host_arburst_i,
       &m.s_axi_host_arid_i},
      {&m.s_axi_host_rvalid_o, &m.s_axi_host_rready_i, m.s_axi_host_rdata_o.data(),
       &m.s_axi_host_rresp_o, &m.s_axi_host_rlast_o, &m.s_axi_host_rid_o}};
}

AxiPins host_memory_pins(Vsystole_chip& m) {
  return {
      {&m.m_axi_host_awvalid_o, &m.m_axi_host_awready_i, &m.m_axi_host_awaddr_o,
       &m.m_axi_host_awlen_o, &m.m_axi_host_awsize_o, &m.m_axi_host_awburst_o,
       &m.m_axi_host_awid_o},
      {&m.m_axi_host_wvalid_o, &m.m_axi_host_wready_i, m.m_axi_host_wdata_o.data(),
       &m.m_axi_host_wstrb_o, &m.m_axi_host_wlast_o},
      {&m.m_axi_host_bvalid_i, &m.m_axi_host_bready_o, &m.m_axi_host_bresp_i, &m.m_axi_host_bid_i},
      {&m.m_axi_host_arvalid_o, &m.m_axi_host_arready_i, &m.m_axi_host_araddr_o,
       &m.m_axi_host_arlen_o, &m.m_axi_host_arsize_o, &m.m_axi_host_arburst_o,
       &m.m_axi_host_arid_o},
      {&m.m_axi_host_rvalid_i, &m.m_axi_host_rready_o, m.m_axi_host_rdata_i.data(),
       &m.m_axi_host_rresp_i, &m.m_axi_host_rlast_i, &m.m_axi_host_rid_i}};
}

AxiPins dram_pins(Vsystole_chip& m, unsigned c) {
  return {{&m.m_axi_mem_awvalid_o[c], &m.m_axi_mem_awready_i[c], &m.m_axi_mem_awaddr_o[c],
           &m.m_axi_mem_awlen_o[c], &m.m_axi_mem_awsize_o[c], &m.m_axi_mem_awburst_o[c],
           &m.m_axi_mem_awid_o[c]},
          {&m.m_axi_mem_wvalid_o[c], &m.m_axi_mem_wready_i[c], m.m_axi_mem_wdata_o[c].data(),
           &m.m_axi_mem_wstrb_o[c], &m.m_axi_mem_wlast_o[c]},
          {&m.m_axi_mem_bvalid_i[c], &m.m_axi_mem_bready_o[c], &m.m_axi_mem_bresp_i[c],
           &m.m_axi_mem_bid_i[c]},
          {&m.m_axi_mem_arvalid_o[c], &m.m_axi_mem_arready_i[c], &m.m_axi_mem_araddr_o[c],
           &m.m_axi_mem_arlen_o[c], &m.m_axi_mem_arsize_o[c], &m.m_axi_mem_arburst_o[c],
           &m.m_axi_mem_arid_o[c]},
          {&m.m_axi_mem_rvalid_i[c], &m.m_axi_mem_rready_o[c], m.m_axi_mem_rdata_i[c].data(),
           &m.m_axi_mem_rresp_i[c], &m.m_axi_mem_rlast_i[c], &m.m_axi_mem_rid_i[c]}};
}

}  // namespace

ChipTb::ChipTb(const sc_core::sc_module_name& name, const ChipConfig& config,
               const SimulationOptions& options)
    : sc_module(name),
      cycles_per_wait_(std::max(1u, options.cycles_per_wait)),
      watchdog_cycles_(options.watchdog_cycles),
      until_(options.until == 0 ? kForever : options.until),
      checkpoint_every_(options.checkpoint_every),
      next_checkpoint_(checkpoint_after(0)),
      context_(make_context(options)),
      model_(std::make_unique<Vsystole_chip>(context_.get())),
      host_port_("host_port", host_slave_pins(*model_)),
      host_memory_port_("host_memory_port", host_memory_pins(*model_)),
      host_memory_("host_memory", options.host_memory_bytes),
      driver_("driver") {
  SC_HAS_PROCESS(ChipTb);
  SC_THREAD(clock_thread);
  set_stack_size(kThreadStackBytes);
  driver_.register_nb_transport_bw(this, &ChipTb::answered);
  driver_.bind(host_port_.socket);
  host_memory_port_.socket.bind(host_memory_.socket);
  for (unsigned c = 0; c < config.channels(); ++c) {
    dram_ports_.push_back(
        std::make_unique<AxiSlave>(fmt::format("dram_port{}", c).c_str(), dram_pins(*model_, c)));
    drams_.push_back(std::make_unique<DramTarget>(fmt::format("dram{}", c).c_str(),
                                                  timing::dram_parameters(options.dram),
                                                  spec::DramChannelBytes));
    dram_ports_.back()->socket.bind(drams_.back()->socket);
  }
  if (options.trace_to > options.trace_from) open_trace(options);
  reset();
}

/// The model's scopes look for their context in a variable of the thread. Who wants to know whether
/// the waves are whole has closed them.
ChipTb::~ChipTb() {
  Verilated::threadContextp(context_.get());
  try {
    close_waves();
  } catch (const Error&) {
  }
  model_.reset();
  Verilated::threadContextp(Verilated::defaultContextp());
}

namespace {

/// The writer of waves maps its files into memory: where there is no room for them, the program
/// ends by a signal.
void require_room(const std::string& file, const std::filesystem::path& folder) {
  struct statvfs place {};
  if (::statvfs(folder.empty() ? "." : folder.c_str(), &place) != 0) return;
  const uint64_t room = uint64_t{place.f_bavail} * place.f_frsize;
  if (room >= kWaveRoom) return;
  throw Error("cannot write the waves", file,
              fmt::format("{} bytes of free space in {}", kWaveRoom,
                          folder.empty() ? "." : folder.string()),
              std::to_string(room));
}

/// The writer removes what stands in the file's place, were it a device.
void require_plain_file(const std::string& file) {
  std::error_code none;
  const auto place = std::filesystem::status(file, none);
  if (!std::filesystem::exists(place) || std::filesystem::is_regular_file(place)) return;
  throw Error("cannot write the waves", file, "a plain file, or none yet");
}

}  // namespace

void ChipTb::open_trace(const SimulationOptions& options) {
  require_plain_file(options.trace_file);
  require_room(options.trace_file, std::filesystem::path(options.trace_file).parent_path());
  require_room(options.trace_file, P_tmpdir);
  trace_file_ = options.trace_file;
  trace_from_ = options.trace_from;
  trace_to_ = options.trace_to;
  trace_ = std::make_unique<VerilatedFstC>();
  trace_->set_time_unit("ns");
  trace_->set_time_resolution("ps");
  trace_model(*model_, *trace_);
  trace_->open(options.trace_file.c_str());
  if (!trace_->isOpen()) {
    throw Error("cannot write the waves", options.trace_file);
  }
  take_failed_write();
}

/// Waves with a gap are none.
void ChipTb::require_waves_written() {
  const int number = take_failed_write();
  if (number == 0) return;
  waves_lost_ = true;
  if (trace_) std::exchange(trace_, nullptr)->close();
  take_failed_write();
  for (const char* part : {"", ".hier"}) std::remove((trace_file_ + part).c_str());
  throw Error(fmt::format("cannot write the waves: {}", std::strerror(number)), trace_file_);
}

void ChipTb::close_waves() {
  if (!trace_) return;
  std::exchange(trace_, nullptr)->close();
  require_waves_written();
}

/// The model sees reset as an edge, so it starts high; inside the chip it ends two cycles after the
/// pin.
void ChipTb::reset() {
  const auto clock = [this](unsigned cycles) {
    for (unsigned i = 0; i < 2 * cycles; ++i) {
      model_->clk_i = i % 2;
      model_->eval();
    }
  };
  model_->rst_ni = 1;
  model_->clk_i = 0;
  model_->eval();
  model_->rst_ni = 0;
  clock(kResetCycles);
  model_->rst_ni = 1;
  clock(kReleaseCycles);
}

// ----------------------------------------------------------------------------------------- cycles

void ChipTb::dump_waves(int64_t time) {
  if (cycle_ < trace_from_ || cycle_ >= trace_to_) return;
  trace_->dump(static_cast<uint64_t>(time));
  require_waves_written();
}

/// One cycle; `step` cycles of this wait have passed before.
void ChipTb::step(unsigned step) {
  Vsystole_chip& model = *model_;
  host_port_.drive();
  host_memory_port_.drive(cycle_);
  for (auto& port : dram_ports_) port->drive(cycle_);

  model.clk_i = 0;
  model.eval();
  const int64_t time = static_cast<int64_t>(cycle_) * kPicosecondsPerCycle;
  if (trace_) dump_waves(time);
  bool progress = false;
  if (model.trace_any_o) {
    progress = true;
    last_command_ = cycle_;
    if (on_trace && on_trace(cycle_)) stop_ = true;
  }
  const auto edge = sc_core::sc_time::from_value(uint64_t{step + 1} * kPicosecondsPerCycle);
  progress |= host_port_.sample(edge);
  progress |= host_memory_port_.sample(cycle_, edge);
  for (auto& port : dram_ports_) progress |= port->sample(cycle_, edge);

  model.clk_i = 1;
  model.eval();
  if (trace_) dump_waves(time + kPicosecondsPerCycle / 2);
  if (on_cycle) on_cycle(cycle_);
  if (progress) last_progress_ = cycle_;
  if (stop_on_interrupt_ && model.irq_host_o) stop_ = true;
  if (++cycle_ >= deadline_) check_deadline();
}

/// The first multiple of checkpoint_every_ behind this cycle.
uint64_t ChipTb::checkpoint_after(uint64_t cycle) const {
  return checkpoint_every_ == 0 ? kForever : (cycle / checkpoint_every_ + 1) * checkpoint_every_;
}

/// Traffic alone is no progress: a core that polls, a unit that reads for ever. While no tile runs,
/// programs may be on their way, which takes long.
uint64_t ChipTb::command_deadline() const {
  const bool run = !tiles_run || tiles_run();
  return last_command_ + watchdog_cycles_ * (run ? kBusyPatience : kLoadingPatience);
}

void ChipTb::hang(const char* what, uint64_t since) {
  const bool busy = since < last_progress_;
  failure_ = {ChipFailure::Kind::Hang, since, on_hang ? on_hang() : "", busy};
  throw Error(fmt::format("{} for {} cycles", what, cycle_ - since),
              fmt::format("cycle {}", cycle_), "", "\n" + failure_->text);
}

/// One that is due as a call of the host ends is taken as the next one begins, in the same cycle.
void ChipTb::take_due_checkpoint() {
  if (cycle_ < next_checkpoint_ || stop_) return;
  next_checkpoint_ = checkpoint_after(cycle_);
  on_checkpoint();
}

void ChipTb::check_deadline() {
  take_due_checkpoint();
  if (cycle_ >= next_sample_) {
    next_sample_ = sample_after(cycle_);
    sampler_();
  }
  if (cycle_ >= until_) throw Error("ended as asked", fmt::format("cycle {}", cycle_));
  if (cycle_ >= stop_cycle_) stop_ = true;
  const uint64_t patience = last_progress_ + watchdog_cycles_;
  if (cycle_ >= patience && !stop_) hang("nothing has happened", last_progress_);
  if (cycle_ >= command_deadline() && !stop_) hang("no command has ended", last_command_);
  deadline_ =
      std::min({stop_cycle_, patience, command_deadline(), next_checkpoint_, next_sample_, until_});
}

/// The first multiple of sample_cycles_ behind this cycle.
uint64_t ChipTb::sample_after(uint64_t cycle) const {
  return sample_cycles_ == 0 ? kForever : (cycle / sample_cycles_ + 1) * sample_cycles_;
}

void ChipTb::sample(uint64_t cycles, std::function<void()> sampler) {
  sampler_ = std::move(sampler);
  sample_cycles_ = cycles;
  next_sample_ = sample_after(cycle_);
}

/// Up to cycles_per_wait cycles; returns how many.
unsigned ChipTb::run_slice() {
  unsigned done = 0;
  try {
    take_due_checkpoint();
    while (done < cycles_per_wait_ && !stop_) step(done++);
  } catch (const RtlAssertion& assertion) {
    failure_ = {ChipFailure::Kind::Assertion, cycle_, assertion.what()};
    error_ = std::make_exception_ptr(Error("an assertion of the chip failed",
                                           fmt::format("cycle {}", cycle_), "", assertion.what()));
    stop_ = true;
  } catch (...) {
    error_ = std::current_exception();
    stop_ = true;
  }
  return done;
}

void ChipTb::clock_thread() {
  for (;;) {
    if (skip_ > 0) wait(static_cast<double>(std::exchange(skip_, 0)), sc_core::SC_NS);
    const unsigned done = run_slice();
    if (done > 0) wait(done, sc_core::SC_NS);
    if (stop_) {
      sc_core::sc_pause();
      wait(sc_core::SC_ZERO_TIME);
    }
  }
}

// -------------------------------------------------------------------------------------------- runs

void ChipTb::run(uint64_t max_cycles) {
  stop_ = false;
  stop_cycle_ = max_cycles > kForever - cycle_ ? kForever : cycle_ + max_cycles;
  last_progress_ = last_command_ = cycle_;
  Verilated::threadContextp(context_.get());
  if (restore_) {
    std::exchange(restore_, nullptr)();
    // A checkpoint holds whether waves were expected where it was taken.
    context_->traceEverOn(trace_ != nullptr);
    skip_ = cycle_;
    next_checkpoint_ = checkpoint_after(cycle_);
  }
  deadline_ = cycle_;
  const auto start = std::chrono::steady_clock::now();
  sc_core::sc_start();
  const std::chrono::duration<double> wall = std::chrono::steady_clock::now() - start;
  wall_seconds_ += wall.count();
  settle();
  if (error_) std::rethrow_exception(std::exchange(error_, nullptr));
}

void ChipTb::settle() {
  const auto now = static_cast<Picoseconds>(cycle_) * kPicosecondsPerCycle;
  host_memory_.settle(now);
  for (auto& dram : drams_) dram->settle(now);
}

tlm::tlm_sync_enum ChipTb::answered(tlm::tlm_generic_payload&, tlm::tlm_phase&, sc_core::sc_time&) {
  stop_ = true;
  return tlm::TLM_COMPLETED;
}

void ChipTb::transact(tlm::tlm_command command, uint64_t address, void* data, std::size_t bytes) {
  if (bytes == 0) return;
  tlm::tlm_generic_payload payload;
  payload.set_command(command);
  payload.set_address(address);
  payload.set_data_ptr(static_cast<unsigned char*>(data));
  payload.set_data_length(static_cast<unsigned>(bytes));
  payload.set_streaming_width(static_cast<unsigned>(bytes));
  tlm::tlm_phase phase = tlm::BEGIN_REQ;
  sc_core::sc_time delay = sc_core::SC_ZERO_TIME;
  driver_->nb_transport_fw(payload, phase, delay);
  stop_on_interrupt_ = false;
  run(kForever);
  if (payload.is_response_ok()) return;
  throw Error(
      fmt::format("the chip refuses to {}", command == tlm::TLM_READ_COMMAND ? "read" : "write"),
      fmt::format("address 0x{:012x}", host_port_.error_address()), "OKAY",
      payload.get_response_status() == tlm::TLM_ADDRESS_ERROR_RESPONSE ? "DECERR" : "SLVERR");
}

bool ChipTb::run_to_interrupt(uint64_t max_cycles) {
  if (model_->irq_host_o == 0 && max_cycles > 0) {
    stop_on_interrupt_ = true;
    run(max_cycles);
  }
  return model_->irq_host_o != 0;
}

}  // namespace systole::sim
