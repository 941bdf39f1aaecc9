// A compiled model on a device: boots, loads and runs, in the manner of ONNX Runtime's session.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "host/command/error.hpp"
#include "host/compile/compiled_model.hpp"
#include "host/driver/build_folder.hpp"
#include "host/driver/device.hpp"
#include "host/golden/machine.hpp"
#include "host/import/tensor.hpp"
#include "rtl/spec/gen/systole_commands.hpp"

namespace systole {

/// Tensors of one inference, in the order of the compiled model's inputs or outputs.
using Record = std::vector<Tensor>;

struct SessionOptions {
  /// Image of the control core: by default the one that `make firmware` builds.
  std::string firmware = built_file("firmware/firmware.bin");
  /// Rounded up to what the programs work on at once.
  unsigned inputs_per_request = 32;
  uint32_t timeout_cycles = 0;  // of one Run request, counted by the firmware; 0: 2^32-1
  /// Called when inputs have been completed: (done, all).
  std::function<void(std::size_t, std::size_t)> progress;
};

/// What the chip reported of one Run request.
struct RequestReport {
  uint32_t inputs = 0;
  uint64_t start = 0;  // cycle of the launch
  uint64_t end = 0;    // cycle of the last tile's end
  uint32_t awake = 0;  // cycles that the control core was awake for it
};

/// A completion whose status is not Ok (rtl/spec, completions).
struct RequestFailure {
  std::string what;  // "inputs 0 to 3", "loading the programs"
  spec::Status status{};
  golden::Node node;                   // of the tile; column 0: none is named
  spec::Unit unit = spec::Unit::Load;  // with pc, fault and info: TileFault, BadProgram
  uint32_t pc = 0;
  spec::Fault fault = spec::Fault::None;
  uint64_t info = 0;
  uint64_t start = 0;  // of a Run: cycle of the launch
  uint64_t end = 0;    // cycle in which the firmware gave it up; 0: not of a Run

  /// One line: status, tile, unit, command.
  std::string text() const;
};

class RequestError : public Error {
 public:
  explicit RequestError(RequestFailure failure)
      : Error("the chip reports a failure", failure.what, "", failure.text()),
        failure_(std::move(failure)) {}
  const RequestFailure& failure() const { return failure_; }

 private:
  RequestFailure failure_;
};

/// The firmware has been started and does not report that it is ready.
class FirmwareError : public Error {
 public:
  using Error::Error;
};

class Session {
 public:
  /// Bytes of host memory that a device needs for a session that runs up to `inputs` inferences at
  /// once.
  static std::size_t host_memory_bytes(const compile::CompiledModel& model, std::size_t inputs);

  /// Boots the device where it needs it, and loads constants and programs. Throws Error when the
  /// firmware does not fit, FirmwareError when it does not come up, RequestError when it refuses
  /// the programs. Model and device must outlive the session.
  Session(const compile::CompiledModel& model, Device& device, SessionOptions options = {});

  /// Runs one inference for each record. Shapes and types must be those of the model's bindings.
  /// Throws RequestError when the chip reports a failure.
  std::vector<Record> run(const std::vector<Record>& inputs);

  /// The parts of run(), for who wants to time the second: puts records into memory, runs them
  /// (from the doorbell to the last completion), fetches the results.
  void write_inputs(const std::vector<Record>& inputs);
  void run_written();
  std::vector<Record> read_outputs();

  /// Whether the completion of the request submitted longest ago lies in host memory: what a run
  /// that hangs has not noticed.
  bool completion_arrived() const;
  /// The request that the completion at the place of the next one names instead; nullopt when none
  /// has come there.
  std::optional<uint32_t> stray_completion() const;

  /// Of the last run(), a report a request.
  const std::vector<RequestReport>& reports() const { return reports_; }

 private:
  struct Layout;

  void boot();
  void load_constants();
  void load_programs();
  void submit(const void* request);
  bool fetch_completion(void* record) const;
  /// Waits for the completion of the request that was submitted longest ago; throws RequestError
  /// unless its status is Ok.
  RequestReport complete(const std::string& what);
  void write_records(const std::vector<Record>& inputs, std::size_t first, std::size_t count);
  bool in_host_memory() const;
  std::size_t request_inputs() const;
  uint32_t submit_run(std::size_t next, std::size_t count);
  void run_batch(std::size_t first, std::size_t count, std::size_t all);
  std::vector<Record> read_records(std::size_t count);

  const compile::CompiledModel& model_;
  Device& device_;
  SessionOptions options_;
  uint32_t submitted_ = 0;
  uint32_t completed_ = 0;
  std::size_t written_ = 0;  // records of write_inputs()
  std::vector<RequestReport> reports_;
};

}  // namespace systole
