// The lockstep judge: follows the chip command by command, and compares what each one wrote with
// what the functional model wrote, in the cycle in which the command takes effect.
//
// The simulation feeds it: every write of the host, and the events that the tiles report (launch,
// retirement, post taken), each with its cycle, in the order of the cycles. Events of one cycle:
// posts taken, then retirements, then launches.
#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <vector>

#include "host/golden/requests.hpp"

namespace systole::golden {

/// What the judge reads of the chip under test. Reads have no effect on the chip.
class ChipState {
 public:
  virtual ~ChipState() = default;
  virtual void read_scratchpad(Node node, uint32_t offset, void* data, std::size_t bytes) const = 0;
  virtual void read_accumulators(Node node, unsigned row, int32_t* lanes) const = 0;  // 16 of them
  virtual void read_dram(Address address, void* data,
                         std::size_t bytes) const = 0;  // global address
  virtual const uint8_t* host_memory() const = 0;
};

/// Bytes of one of the chip's memories, at their global address.
void read_chip(const ChipState& chip, Address address, void* data, std::size_t bytes);

/// The first difference, and everything that is known of it.
struct Mismatch {
  enum class Kind {
    Value,        // a command wrote another value
    ControlFlow,  // a unit retired another command than its program says, or one too many
    Fault,        // the functional model refuses a command that the chip ran
    Image,        // a program in the scratchpad is not what was loaded
    HostWrite     // the chip's memory does not hold what the host has written; no unit's command
  };
  Kind kind = Kind::Value;
  uint64_t cycle = 0;
  Node node;  // the tile whose command it is
  spec::Unit unit = spec::Unit::Load;
  uint32_t pc = 0;
  spec::CommandWords words{};
  bool accumulator = false;
  Address address = 0;   // of the element: global, or accumulator row * 16 + column
  uint64_t element = 0;  // index in the order in which the command writes
  unsigned element_bytes = 1;
  uint32_t expected = 0;
  uint32_t got = 0;
  /// Elements around the first wrong one in memory, from near_first on (numbered like `element`).
  struct Near {
    uint32_t expected = 0;
    uint32_t got = 0;
  };
  std::vector<Near> near;
  uint64_t near_first = 0;
  uint64_t wrong_elements = 0;  // of this command
  uint64_t elements = 0;        // that this command wrote
  /// All wrong elements, numbered like `element`.
  std::vector<uint64_t> wrong;
  /// Of a Load: the byte that it should have read for the first wrong one.
  struct Source {
    Address address = 0;
    uint8_t expected = 0;            // the model's memory
    uint8_t got = 0;                 // the chip's
    std::optional<Address> brought;  // where what came instead lies, if that can be told
  };
  std::optional<Source> source;
  /// When the judge studies the unit: what the wrong result is like (host/golden/likeness.hpp).
  std::vector<std::string> as_if, common;
  /// Of ControlFlow: the command that the chip retired instead.
  std::optional<uint32_t> retired;
  std::string note;
  /// A byte of the tile's scratchpad that differs too, and that the command did not write: an
  /// operand, perhaps; when the judge studies the unit, one for sure.
  std::optional<uint32_t> operand;

  /// One paragraph for people: where, what, expected, got.
  std::string text() const;
};

/// "wrong value"
const char* to_string(Mismatch::Kind kind);

class LockstepJudge {
 public:
  LockstepJudge(const ChipConfig& config, std::size_t host_memory_bytes, const ChipState& chip);

  /// A write of the host through the host port that the chip has answered: memory or an io
  /// register. What it wrote to DRAM is judged.
  void host_wrote(Address address, const void* data, std::size_t bytes, uint64_t cycle = 0);
  /// Keeps what a unit's commands find, so that a wrong result can be likened to others.
  void study(Node node, spec::Unit unit) { studied_ = Studied{node, unit, {}, {}, {}, {}}; }

  void launched(Node node, uint64_t cycle);
  void retired(Node node, spec::Unit unit, uint32_t pc, uint64_t cycle);
  /// A remote post from `source` took effect at `destination`; `with_write`: it came with a store's
  /// last write.
  void post_taken(Node source, Node destination, bool with_write, uint64_t cycle);

  const std::optional<Mismatch>& mismatch() const { return mismatch_; }
  /// Of the command that the unit retires next.
  Opinion opinion(Node node, spec::Unit unit) const { return model_.opinion(node, unit); }
  uint64_t commands() const { return commands_; }
  uint64_t bytes() const { return bytes_; }

  /// State between two calls; no mismatch has been found.
  template <class Archive>
  void serialize(Archive& archive) {
    archive(model_);
    plain_all(archive, ring_, announced_, program_, current_, launched_, commands_, bytes_);
  }

 private:
  struct Studied {
    Node node;
    spec::Unit unit;
    TileMemory before;  // of the tile, before the present command
    std::optional<spec::CommandWords> previous, present;
    std::vector<spec::CommandWords> chain;  // products that the present command adds to
  };

  void begin_run();
  void look_before(Node node, spec::Unit unit);
  void look_behind(const Executed& executed, Mismatch& found);
  void find_source(const Executed& executed, Mismatch& found);
  std::optional<Address> find_brought(const Mismatch& found) const;
  void judge_host_write(Address address, std::size_t bytes, uint64_t cycle);
  void compare(const Executed& executed, uint64_t cycle);
  void compare_range(const Executed& executed, const WrittenRange& range, uint64_t first_element,
                     Mismatch& found);
  std::vector<uint8_t> being_written(Node node);
  std::vector<uint32_t> scratchpad_differences(const Executed& executed);
  void check_image(const TileEntry& entry, uint64_t cycle);
  void report(Mismatch::Kind kind, Node node, spec::Unit unit, const Step& step, uint64_t cycle,
              std::string note);
  void report(const TileFault& fault, uint64_t cycle);

  FunctionalModel model_;
  const ChipState& chip_;
  RequestRing ring_;
  std::deque<Request> announced_;  // not launched yet
  std::vector<TileEntry> program_;
  std::optional<Request> current_;  // the Run whose tiles are launching or running
  std::vector<Node> launched_;      // tiles of it that have been launched
  std::optional<Mismatch> mismatch_;
  std::vector<uint8_t> expected_;  // scratch of compare()
  std::vector<uint8_t> got_;
  std::optional<Studied> studied_;
  std::vector<uint8_t> all_expected_;  // of a mismatch: every range
  std::vector<uint8_t> all_got_;
  uint64_t commands_ = 0;
  uint64_t bytes_ = 0;
};

}  // namespace systole::golden
