// A memory behind the network: noc_to_axi (rtl/hostport), the bus master of the simulation
// (sim/axi_slave.hpp) and what answers there: a DRAM channel, or host memory behind the io node.
#pragma once

#include <deque>
#include <memory>

#include "host/timing/dram_timing.hpp"
#include "host/timing/flit.hpp"
#include "host/timing/host_bus.hpp"

namespace systole::timing {

/// Core cycles are nanoseconds.
constexpr Picoseconds kPicosecondsPerCycle = 1000;

class MemoryNode {
 public:
  /// A DRAM channel; without parameters host memory.
  MemoryNode(unsigned node, uint64_t base, const DramParameters* dram);

  // A cycle: ready() and offer() tell what it begins with, step() moves the pins, then come sent()
  // where the network took the offer, and receive() for what it brought.
  bool ready() const;
  const Flit* offer();
  void step(Cycle cycle, bool flit_offered);
  void sent();
  void receive(const Flit& flit);

  /// Somebody else keeps the io node awake until then.
  void keep_awake(Cycle until) { awake_until_ = until; }

  /// Nothing happens before next_event() unless a flit comes.
  bool idle(Cycle now) const;
  Cycle next_event(Cycle now) const;

 private:
  static constexpr unsigned kMaxReadBeats = 128;  // sim/axi_slave.hpp
  static constexpr unsigned kMaxWrites = 16;
  static constexpr unsigned kGranule = 64;

  struct Burst {
    uint64_t address;
    unsigned beats;
  };
  struct Requester {
    uint8_t node, slot;
    Client client;
    unsigned beats;
  };
  struct WriteBurst {
    uint64_t address;
    Cycle ready;
  };
  enum class Give : uint8_t { None, Read, Ack };

  bool behind_io() const { return dram_ == nullptr; }
  bool takes() const;
  void take(const Flit& flit);
  void take_read(Cycle cycle);
  void take_beat(Cycle cycle);
  Cycle answer(uint64_t address, bool write, Cycle cycle);

  unsigned node_;
  uint64_t base_;
  std::unique_ptr<DramChannel> dram_;
  HostBus host_;

  // the io node: requests of the mesh come through a queue, and wake it
  Queue<Flit, 2> in_;
  bool awake_ = false;
  Cycle awake_until_ = 0;

  // requests
  bool in_write_ = false;
  Queue<Burst, 2> ar_, aw_;
  Queue<bool, 2> w_;  // whether it is the burst's last
  Queue<Requester, 32> reads_, writes_;

  // the bus
  std::deque<Cycle> read_beats_;
  std::deque<WriteBurst> bursts_;
  std::deque<Cycle> responses_;
  Queue<bool, 2> r_, b_;

  // responses
  Give give_ = Give::None;
  bool held_ = false;  // a packet has been offered and has not ended
  bool read_turn_ = false;
  unsigned beat_ = 0;
  Flit out_;
};

}  // namespace systole::timing
