// The memories outside the chip as TLM-2.0 targets: a DRAM channel and the host's memory.
//
// A transport's delay, in and out, is an offset from the present SystemC time: when the request
// arrives, when the answer is there. A write changes the storage when it is answered, not before;
// a read sees every write that arrived before it. Requests must arrive in order of time.
#pragma once

#include <tlm_utils/simple_target_socket.h>
#include <systemc>
#include <tlm>

#include <array>
#include <cstdint>
#include <deque>
#include <functional>
#include <vector>

#include "host/command/sparse_memory.hpp"
#include "host/timing/dram_timing.hpp"
#include "host/timing/host_bus.hpp"

namespace systole::sim {

using timing::DramChannel;
using timing::DramParameters;
using timing::Picoseconds;

class MemoryTarget : public sc_core::sc_module {
 public:
  static constexpr unsigned kMaxBytes = 64;  // of a transport, aligned to as many

  tlm_utils::simple_target_socket<MemoryTarget> socket;
  /// Sees every write of the chip when it reaches the storage: bytes [address, address + bytes).
  std::function<void(uint64_t address, unsigned bytes)> on_write;

  /// Moves the writes that are answered by `now` (since time 0) into the storage.
  void settle(Picoseconds now);

  template <class Archive>
  void serialize(Archive& archive) {
    plain(archive, writes_);
  }

 protected:
  MemoryTarget(const sc_core::sc_module_name& name, uint64_t bytes);

 private:
  /// When the answer to a request that arrives at `arrival` is there.
  virtual Picoseconds answer(uint64_t address, bool write, Picoseconds arrival) = 0;
  virtual void load(uint64_t address, uint8_t* data, std::size_t bytes) const = 0;
  virtual void store(uint64_t address, const uint8_t* data, std::size_t bytes) = 0;

  /// A write under way.
  struct Write {
    Picoseconds answered;
    uint64_t address;
    unsigned bytes;
    std::array<uint8_t, kMaxBytes> data;
    uint64_t enables;  // one bit a byte
  };

  void transport(tlm::tlm_generic_payload& payload, sc_core::sc_time& delay);
  void begin_write(const tlm::tlm_generic_payload& payload, Picoseconds answered);
  void read(const tlm::tlm_generic_payload& payload) const;
  void commit(const Write& write);

  uint64_t bytes_;
  std::deque<Write> writes_;
};

class DramTarget : public MemoryTarget {
 public:
  DramTarget(const sc_core::sc_module_name& name, const DramParameters& parameters, uint64_t bytes);

  const DramChannel& channel() const { return channel_; }
  /// What the storage holds: settle() first.
  void peek(uint64_t address, void* data, std::size_t bytes) const {
    memory_.read(address, data, bytes);
  }

  template <class Archive>
  void serialize(Archive& archive) {
    MemoryTarget::serialize(archive);
    archive(channel_, memory_);
  }

 private:
  Picoseconds answer(uint64_t address, bool write, Picoseconds arrival) override;
  void load(uint64_t address, uint8_t* data, std::size_t bytes) const override;
  void store(uint64_t address, const uint8_t* data, std::size_t bytes) override;

  DramChannel channel_;
  SparseMemory memory_;
};

/// Behind a bus like PCIe (host/timing/host_bus.hpp).
class HostMemoryTarget : public MemoryTarget {
 public:
  HostMemoryTarget(const sc_core::sc_module_name& name, std::size_t bytes);

  /// What the storage holds: settle() first.
  uint8_t* data() { return memory_.data(); }
  std::size_t bytes() const { return memory_.size(); }

  template <class Archive>
  void serialize(Archive& archive) {
    MemoryTarget::serialize(archive);
    archive(memory_, bus_);
  }

 private:
  Picoseconds answer(uint64_t address, bool write, Picoseconds arrival) override;
  void load(uint64_t address, uint8_t* data, std::size_t bytes) const override;
  void store(uint64_t address, const uint8_t* data, std::size_t bytes) override;

  std::vector<uint8_t> memory_;
  timing::HostBus bus_;
};

}  // namespace systole::sim
