// Serves an AXI4 master port of the chip (memory behind it) as a TLM-2.0 initiator.
//
// A burst becomes one blocking transport for each 64 aligned bytes, stamped with the cycle in which
// its address (read) or its last beat of data (write) was taken; the target's delay says when the
// answer is there. Read beats and write responses appear on the pins in exactly that cycle, or as
// soon after it as the pins are free. INCR bursts of whole beats, answered in order.
//
// Per cycle: drive(), then the low phase of the clock, then sample(), then the rising edge.
#pragma once

#include <tlm_utils/simple_initiator_socket.h>
#include <systemc>
#include <tlm>

#include <array>
#include <cstdint>
#include <deque>

#include "host/command/archive.hpp"
#include "sim/axi.hpp"

namespace systole::sim {

/// Core cycles are SystemC nanoseconds.
constexpr int64_t kPicosecondsPerCycle = 1000;

struct AxiCounters {
  uint64_t read_bursts = 0;
  uint64_t read_beats = 0;
  uint64_t write_bursts = 0;
  uint64_t write_beats = 0;
};

class AxiSlave : public sc_core::sc_module {
 public:
  tlm_utils::simple_initiator_socket<AxiSlave> socket;

  AxiSlave(const sc_core::sc_module_name& name, const AxiPins& pins);

  /// Sets the chip's input pins for `cycle`.
  void drive(uint64_t cycle) {
    if (moved_) update_pins();
    if (!read_shown_ && !reads_.empty() && reads_.front().ready <= cycle) show_read();
    if (!response_shown_ && !responses_.empty() && responses_.front().ready <= cycle)
      show_response();
  }

  /// Takes what passes at the rising edge that ends `cycle`, and leaves the pins as they are; `now`
  /// is that edge, from the present SystemC time. True when anything passed.
  bool sample(uint64_t cycle, const sc_core::sc_time& now) {
    const AxiPins& p = pins_;
    if ((*p.ar.valid | *p.aw.valid | *p.w.valid | *p.r.valid | *p.b.valid) == 0) return false;
    return sample_active(cycle, now);
  }

  const AxiCounters& counters() const { return counters_; }
  /// Reads and writes whose answers have not been taken: for the hang report.
  std::size_t waiting_read_beats() const { return reads_.size(); }
  std::size_t waiting_writes() const { return writes_.size() + responses_.size(); }

  /// What a checkpoint holds; the pins are the model's.
  template <class Archive>
  void serialize(Archive& archive) {
    plain_all(archive, moved_, read_shown_, response_shown_, counters_, reads_, writes_, responses_,
              written_, enables_);
  }

 private:
  static constexpr unsigned kGranule = 64;
  static constexpr std::size_t kMaxReadBeats = 128;
  static constexpr std::size_t kMaxWrites = 16;

  struct ReadBeat {
    uint64_t ready;
    std::array<uint32_t, kBeatWords> data;
    uint8_t resp;
    bool last;
    uint8_t id;
  };
  struct WriteBurst {
    uint64_t address;  // of the next beat
    uint8_t id;
    uint8_t resp;
    uint64_t ready;
  };
  struct WriteResponse {
    uint64_t ready;
    uint8_t resp;
    uint8_t id;
  };

  bool sample_active(uint64_t cycle, const sc_core::sc_time& now);
  void show_read();
  void show_response();
  void take_read(uint64_t cycle, const sc_core::sc_time& now);
  void take_beat(uint64_t cycle, const sc_core::sc_time& now);
  void send_granule(WriteBurst& burst, uint64_t cycle, const sc_core::sc_time& now);
  void update_pins();
  /// One transport; returns the cycle of the answer.
  uint64_t transport(tlm::tlm_command command, uint64_t address, uint8_t* data, uint8_t* enables,
                     uint8_t& resp, uint64_t cycle, const sc_core::sc_time& now);

  AxiPins pins_;
  bool moved_ = false;  // since the pins were set
  bool read_shown_ = false;
  bool response_shown_ = false;
  AxiCounters counters_;
  std::deque<ReadBeat> reads_;
  std::deque<WriteBurst> writes_;
  std::deque<WriteResponse> responses_;
  tlm::tlm_generic_payload payload_;
  std::array<uint8_t, kGranule> read_{};
  std::array<uint8_t, kGranule> written_{};  // beats of the burst that has not filled a granule
  std::array<uint8_t, kGranule> enables_{};
};

}  // namespace systole::sim
