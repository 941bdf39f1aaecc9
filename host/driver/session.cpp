#include "host/driver/session.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <deque>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "host/command/error.hpp"
#include "rtl/spec/gen/systole_commands.hpp"
#include "rtl/spec/gen/systole_spec.h"

namespace systole {
namespace {

constexpr uint32_t kRingEntries = 16;
constexpr uint64_t kBootCycles = 100000;
constexpr std::size_t kAlignment = 64;

std::size_t aligned(std::size_t bytes) {
  return (bytes + kAlignment - 1) / kAlignment * kAlignment;
}

/// Records begin where packets do, so that the chip fetches those of a batch in as many packets as
/// any other batch's, and as the cycle model has them (host/compile/cycle_model.hpp).
std::size_t on_packets(std::size_t bytes) {
  return (bytes + spec::MaxPacketBytes - 1) / spec::MaxPacketBytes * spec::MaxPacketBytes;
}

Address io_register(uint32_t offset) { return spec::IoRegsBase + offset; }

std::vector<uint8_t> read_file(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file || std::filesystem::is_directory(path))
    throw Error("cannot read the firmware", path, "a file built by make firmware");
  return {std::istreambuf_iterator<char>(file), {}};
}

const char* name_of(const char* name) { return name == nullptr ? "unknown" : name; }

void check_tensor(const Tensor& tensor, const compile::Binding& binding) {
  if (tensor.type() != binding.type || tensor.shape() != binding.shape) {
    throw Error("wrong input", "input " + binding.name,
                to_string(binding.type) + " " + to_string(binding.shape),
                to_string(tensor.type()) + " " + to_string(tensor.shape()));
  }
}

}  // namespace

std::string RequestFailure::text() const {
  const char* name = spec::to_string(status);
  std::string text = "status ";
  text += name == nullptr ? fmt::format("{}: no such status", static_cast<unsigned>(status)) : name;
  if (status == spec::Status::Timeout && node.x != 0) {
    text += fmt::format(", tile ({}, {}) has not ended", node.x, node.y);
  } else if (status == spec::Status::TileFault || status == spec::Status::BadProgram) {
    text += fmt::format(", tile ({}, {}) {} command {}: {} (0x{:x})", node.x, node.y,
                        name_of(spec::to_string(unit)), pc, name_of(spec::to_string(fault)), info);
  }
  return text;
}

/// Offsets in host memory: rings, then the tile table and images, then the records of a batch,
/// unless these lie in DRAM: then `inputs` counts from the model's record base.
struct Session::Layout {
  explicit Layout(const compile::CompiledModel& model) {
    completions = aligned(kRingEntries * sizeof(systole_request));
    table = completions + aligned(kRingEntries * sizeof(systole_completion));
    std::size_t at = table + aligned(model.tiles.size() * sizeof(systole_tile_entry));
    for (const compile::TileProgram& tile : model.tiles) {
      images.push_back(at);
      at += aligned(tile.image.size());
    }
    records = on_packets(at);
    inputs = model.record_base == spec::HostMemBase ? records : 0;
  }
  /// Iterations of one request, as the programs count them when they have no pages.
  static std::size_t iterations(const compile::CompiledModel& model, std::size_t count) {
    return (count + model.inputs_at_once - 1) / model.inputs_at_once + model.lag;
  }
  /// Output records of a request that come before those of its inputs.
  static std::size_t lead(const compile::CompiledModel& model) {
    return std::size_t{model.lag} * model.inputs_at_once;
  }
  /// Records are there for whole iterations: where inputs end before, the programs work on what
  /// lies there, and nobody reads their results.
  std::size_t outputs(const compile::CompiledModel& model, std::size_t count) const {
    return inputs + on_packets((count + model.inputs_at_once + lead(model)) * model.input_record);
  }
  /// Each request has a lead of its own.
  std::size_t end(const compile::CompiledModel& model, std::size_t count) const {
    const std::size_t leads = count / model.inputs_at_once + 1;
    return outputs(model, count) +
           aligned((count + model.inputs_at_once + leads * lead(model)) * model.output_record);
  }
  /// Of the output record of input `index`, in the request of number `request`.
  std::size_t output(const compile::CompiledModel& model, std::size_t count, std::size_t request,
                     std::size_t index) const {
    return outputs(model, count) + (index + request * lead(model)) * model.output_record;
  }

  std::size_t completions = 0;
  std::size_t table = 0;
  std::vector<std::size_t> images;
  std::size_t records = 0;  // where the records of a batch begin, if in host memory
  std::size_t inputs = 0;   // offset of the first input record from the record base
};

std::size_t Session::host_memory_bytes(const compile::CompiledModel& model, std::size_t inputs) {
  const Layout layout(model);
  std::size_t bytes = layout.records;
  if (layout.inputs != 0) bytes = layout.end(model, inputs);
  return std::max<std::size_t>(aligned(bytes), 1 << 16);
}

Session::Session(const compile::CompiledModel& model, Device& device, SessionOptions options)
    : model_(model), device_(device), options_(std::move(options)) {
  if (options_.inputs_per_request == 0) throw Error("must be at least 1", "inputs per request");
  boot();
  load_constants();
  load_programs();
}

void Session::boot() {
  const Layout layout(model_);
  std::memset(device_.host_memory(), 0, layout.records);
  const auto set = [&](uint32_t low, uint32_t high, Address address) {
    device_.write32(io_register(low), static_cast<uint32_t>(address));
    device_.write32(io_register(high), static_cast<uint32_t>(address >> 32));
  };
  set(SYSTOLE_IO_RING_LO, SYSTOLE_IO_RING_HI, spec::HostMemBase);
  set(SYSTOLE_IO_COMPLETION_LO, SYSTOLE_IO_COMPLETION_HI, spec::HostMemBase + layout.completions);
  device_.write32(io_register(SYSTOLE_IO_RING_ENTRIES), kRingEntries);
  if (!device_.needs_firmware()) return;

  const std::vector<uint8_t> firmware = read_file(options_.firmware);
  if (firmware.size() > spec::CoreRamBytes) {
    throw Error("firmware does not fit the core RAM", options_.firmware,
                fmt::format("at most {} bytes", spec::CoreRamBytes),
                fmt::format("{} bytes", firmware.size()));
  }
  device_.write(spec::CoreRamBase, firmware.data(), firmware.size());
  device_.write32(io_register(SYSTOLE_IO_CORE_CTRL), 1);
  const uint64_t deadline = device_.cycles() + kBootCycles;
  uint32_t state = 0;
  do {
    state = device_.read32(io_register(SYSTOLE_IO_FW_STATE));
  } while (state == SYSTOLE_FW_STATE_NOT_BOOTED && device_.cycles() < deadline);
  if (state != SYSTOLE_FW_STATE_READY) {
    throw FirmwareError("the firmware did not come up", options_.firmware,
                        fmt::format("ready in {} cycles", kBootCycles),
                        fmt::format("state {}, panic word 0x{:08x}", state,
                                    device_.read32(io_register(SYSTOLE_IO_FW_PANIC))));
  }
}

void Session::load_constants() {
  for (const compile::Segment& segment : model_.segments) {
    device_.write(segment.address, segment.bytes.data(), segment.bytes.size());
  }
}

void Session::load_programs() {
  const Layout layout(model_);
  uint8_t* memory = device_.host_memory();
  for (std::size_t i = 0; i < model_.tiles.size(); ++i) {
    const compile::TileProgram& tile = model_.tiles[i];
    systole_tile_entry entry{};
    entry.x = static_cast<uint8_t>(tile.x);
    entry.y = static_cast<uint8_t>(tile.y);
    entry.image_bytes = static_cast<uint32_t>(tile.image.size());
    entry.image = spec::HostMemBase + layout.images[i];
    entry.local = tile.local;
    std::copy(tile.program.begin(), tile.program.end(), entry.program);
    std::copy(tile.fixed_param.begin(), tile.fixed_param.end(), entry.param);
    for (std::size_t w = 0; w < tile.windows.size(); ++w) {
      const compile::Window& window = tile.windows[w];
      entry.window_base[w] = static_cast<uint32_t>(window.base / spec::WindowGranuleBytes);
      entry.window_limit[w] =
          static_cast<uint32_t>((window.base + window.bytes - 1) / spec::WindowGranuleBytes);
      entry.window_perm =
          static_cast<uint16_t>(entry.window_perm | (window.readable ? 1u << (2 * w) : 0u) |
                                (window.writable ? 2u << (2 * w) : 0u));
    }
    std::memcpy(memory + layout.images[i], tile.image.data(), tile.image.size());
    std::memcpy(memory + layout.table + i * sizeof entry, &entry, sizeof entry);
  }
  systole_request request{};
  request.kind = SYSTOLE_REQUEST_KIND_LOAD_PROGRAM;
  request.tiles = static_cast<uint16_t>(model_.tiles.size());
  request.table = spec::HostMemBase + layout.table;
  submit(&request);
  complete("loading the programs");
}

void Session::submit(const void* source) {
  systole_request request;
  std::memcpy(&request, source, sizeof request);
  request.id = submitted_;
  request.phase = submitted_ / kRingEntries % 2 == 0 ? 1 : 0;
  std::memcpy(device_.host_memory() + submitted_ % kRingEntries * sizeof request, &request,
              sizeof request);
  device_.write32(io_register(SYSTOLE_IO_DOORBELL), ++submitted_);
}

/// Copies the record at the place of the completion that comes next; true when it is that one.
bool Session::fetch_completion(void* to) const {
  const uint32_t index = completed_ % kRingEntries;
  const uint8_t phase = completed_ / kRingEntries % 2 == 0 ? 1 : 0;
  systole_completion record{};
  std::memcpy(&record, device_.host_memory() + Layout(model_).completions + index * sizeof record,
              sizeof record);
  std::memcpy(to, &record, sizeof record);
  return record.phase == phase && record.id == completed_;
}

bool Session::completion_arrived() const {
  systole_completion record{};
  return completed_ != submitted_ && fetch_completion(&record);
}

std::optional<uint32_t> Session::stray_completion() const {
  systole_completion record{};
  if (completed_ == submitted_ || fetch_completion(&record)) return std::nullopt;
  const uint8_t phase = completed_ / kRingEntries % 2 == 0 ? 1 : 0;
  return record.phase == phase ? std::optional<uint32_t>(record.id) : std::nullopt;
}

RequestReport Session::complete(const std::string& what) {
  systole_completion record{};
  while (!fetch_completion(&record)) {
    if (!device_.wait_interrupt(~uint64_t{0})) throw Error("no completion", what);
    device_.write32(io_register(SYSTOLE_IO_HOST_IRQ), 2);
  }
  ++completed_;
  if (record.status == SYSTOLE_STATUS_OK) {
    return {0, record.start, record.end, record.awake};
  }
  RequestFailure failure;
  failure.what = what;
  failure.status = static_cast<spec::Status>(record.status);
  failure.node = {record.x, record.y};
  failure.unit = static_cast<spec::Unit>(record.unit);
  failure.pc = record.pc;
  failure.fault = static_cast<spec::Fault>(record.fault);
  failure.info = record.info;
  failure.start = record.start;
  failure.end = record.end;
  throw RequestError(std::move(failure));
}

void Session::write_records(const std::vector<Record>& inputs, std::size_t first,
                            std::size_t count) {
  const Layout layout(model_);
  for (std::size_t i = 0; i < count; ++i) {
    const Record& record = inputs[first + i];
    if (record.size() != model_.inputs.size()) {
      throw Error("wrong number of inputs", "record " + std::to_string(first + i),
                  std::to_string(model_.inputs.size()), std::to_string(record.size()));
    }
    const std::size_t to = layout.inputs + i * model_.input_record;
    for (std::size_t k = 0; k < record.size(); ++k) {
      check_tensor(record[k], model_.inputs[k]);
      const std::vector<uint8_t>& bytes = record[k].bytes();
      if (in_host_memory()) {
        std::memcpy(device_.host_memory() + to + model_.inputs[k].offset, bytes.data(),
                    bytes.size());
      } else {
        device_.write(model_.record_base + to + model_.inputs[k].offset, bytes.data(),
                      bytes.size());
      }
    }
  }
}

bool Session::in_host_memory() const { return model_.record_base == spec::HostMemBase; }

std::vector<Record> Session::read_records(std::size_t count) {
  const Layout layout(model_);
  std::vector<Record> outputs(count);
  for (std::size_t i = 0; i < count; ++i) {
    Record& record = outputs[i];
    const std::size_t from = layout.output(model_, count, i / request_inputs() + 1, i);
    for (const compile::Binding& binding : model_.outputs) {
      Tensor tensor(binding.type, binding.shape);
      std::vector<uint8_t>& bytes = tensor.bytes();
      if (in_host_memory()) {
        std::memcpy(bytes.data(), device_.host_memory() + from + binding.offset, bytes.size());
      } else {
        device_.read(model_.record_base + from + binding.offset, bytes.data(), bytes.size());
      }
      record.push_back(std::move(tensor));
    }
  }
  return outputs;
}

/// Inputs of a request: what the options say, in whole iterations.
std::size_t Session::request_inputs() const {
  const std::size_t at_once = model_.inputs_at_once;
  return (options_.inputs_per_request + at_once - 1) / at_once * at_once;
}

/// Submits a Run of up to inputs_per_request of the `count` records in host memory, from record
/// `next` on.
uint32_t Session::submit_run(std::size_t next, std::size_t count) {
  const Layout layout(model_);
  systole_request request{};
  request.kind = SYSTOLE_REQUEST_KIND_RUN;
  const auto inputs = static_cast<uint32_t>(std::min<std::size_t>(request_inputs(), count - next));
  request.inputs = static_cast<uint32_t>(Layout::iterations(model_, inputs) * model_.phases);
  request.timeout = options_.timeout_cycles;
  request.param[0] = static_cast<uint32_t>(layout.inputs + next * model_.input_record);
  request.param[1] =
      static_cast<uint32_t>(layout.output(model_, count, next / request_inputs(), next));
  request.step[0] = model_.input_record * model_.inputs_at_once / model_.phases;
  request.step[1] = model_.output_record * model_.inputs_at_once / model_.phases;
  submit(&request);
  return inputs;
}

/// Runs `count` records that lie in host memory; keeps the ring full, so that the chip never waits
/// for the host.
void Session::run_batch(std::size_t first, std::size_t count, std::size_t all) {
  std::deque<uint32_t> pending;
  std::size_t next = 0;
  std::size_t done = 0;
  while (done < count) {
    while (next < count && pending.size() < kRingEntries) {
      pending.push_back(submit_run(next, count));
      next += pending.back();
    }
    RequestReport report =
        complete(fmt::format("inputs {} to {}", first + done, first + done + pending.front() - 1));
    report.inputs = pending.front();
    pending.pop_front();
    done += report.inputs;
    reports_.push_back(report);
    if (options_.progress) options_.progress(first + done, all);
  }
}

void Session::write_inputs(const std::vector<Record>& inputs) {
  write_records(inputs, 0, inputs.size());
  written_ = inputs.size();
}

void Session::run_written() {
  reports_.clear();
  run_batch(0, written_, written_);
}

std::vector<Record> Session::read_outputs() { return read_records(written_); }

std::vector<Record> Session::run(const std::vector<Record>& inputs) {
  reports_.clear();
  std::vector<Record> outputs;
  std::size_t batch = inputs.size();
  while (batch > 1 && host_memory_bytes(model_, batch) > device_.host_memory_bytes())
    batch = (batch + 1) / 2;
  for (std::size_t first = 0; first < inputs.size(); first += batch) {
    const std::size_t count = std::min(batch, inputs.size() - first);
    write_records(inputs, first, count);
    run_batch(first, count, inputs.size());
    std::vector<Record> part = read_records(count);
    outputs.insert(outputs.end(), std::make_move_iterator(part.begin()),
                   std::make_move_iterator(part.end()));
  }
  return outputs;
}

}  // namespace systole
