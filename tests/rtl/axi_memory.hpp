// A memory behind an AXI4 master port of a Verilated module: any latency, any back-pressure, errors
// on demand. Written against the bus, not against the module.
#pragma once

#include <fmt/format.h>
#include <verilated.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <deque>
#include <map>
#include <random>
#include <set>
#include <stdexcept>

#include "tests/support/seed.hpp"

namespace systole::test {

constexpr int kBeatBytes = 32;
using BeatBits = VlWide<kBeatBytes / 4>;

/// Bytes by address, 0xee where never written.
class ByteStore {
 public:
  uint8_t get(uint64_t addr) const {
    const auto found = bytes_.find(addr);
    return found == bytes_.end() ? 0xee : found->second;
  }
  void set(uint64_t addr, uint8_t value) { bytes_[addr] = value; }

 private:
  std::map<uint64_t, uint8_t> bytes_;
};

inline uint8_t get_byte(const uint32_t* words, int lane) {
  return words[lane / 4] >> 8 * (lane % 4);
}
inline void set_byte(uint32_t* words, int lane, uint8_t value) {
  words[lane / 4] &= ~(0xffu << 8 * (lane % 4));
  words[lane / 4] |= static_cast<uint32_t>(value) << 8 * (lane % 4);
}

/// Serves the m_axi_* pins of `Model`. Each cycle: `drive()`, settle, `sample()`, tick.
template <class Model>
class AxiMemory {
 public:
  ByteStore bytes;
  std::set<uint64_t> bad_beats;  ///< addresses (multiples of 32) answered with SLVERR
  int stall = 1;                 ///< ready and valid are up once in `stall` cycles on average
  int latency = 0;               ///< least cycles from address to first beat, from data to response
  bool hold_reads = false;       ///< takes addresses and gives no data
  bool hold_writes = false;      ///< takes data and gives no response
  uint64_t reads = 0, writes = 0;  ///< bursts taken

  AxiMemory(Model& model, std::mt19937_64& rng) : m_(model), rng_(rng) {
    m_.m_axi_awready_i = m_.m_axi_wready_i = m_.m_axi_arready_i = 0;
    m_.m_axi_bvalid_i = m_.m_axi_rvalid_i = 0;
  }

  void drive() {
    m_.m_axi_awready_i = chance();
    m_.m_axi_wready_i = chance();
    m_.m_axi_arready_i = chance();
    if (!m_.m_axi_bvalid_i && !answers_.empty() && !hold_writes && answers_.front().due <= cycle_ &&
        chance()) {
      m_.m_axi_bvalid_i = 1;
      m_.m_axi_bid_i = answers_.front().id;
      m_.m_axi_bresp_i = answers_.front().bad ? 2 : 0;
    }
    if (!m_.m_axi_rvalid_i && !read_queue_.empty() && !hold_reads &&
        read_queue_.front().due <= cycle_ && chance()) {
      const Burst& burst = read_queue_.front();
      const uint64_t addr = burst.addr + static_cast<uint64_t>(burst.done) * kBeatBytes;
      m_.m_axi_rvalid_i = 1;
      m_.m_axi_rid_i = burst.id;
      m_.m_axi_rresp_i = bad_beats.count(addr) ? 2 + (addr >> 5 & 1) : 0;  // SLVERR or DECERR
      m_.m_axi_rlast_i = burst.done + 1 == burst.beats;
      for (int lane = 0; lane < kBeatBytes; ++lane) {
        set_byte(&m_.m_axi_rdata_i[0], lane, bytes.get(addr + lane));
      }
    }
  }

  void sample() {
    if (m_.m_axi_awvalid_o && m_.m_axi_awready_i) {
      write_queue_.push_back(burst(m_.m_axi_awaddr_o, m_.m_axi_awlen_o, m_.m_axi_awid_o,
                                   m_.m_axi_awsize_o, m_.m_axi_awburst_o));
      ++writes;
    }
    if (m_.m_axi_wvalid_o && m_.m_axi_wready_i) {
      Beat beat{m_.m_axi_wstrb_o, m_.m_axi_wlast_o != 0, {}};
      std::copy_n(&m_.m_axi_wdata_o[0], 8, beat.data.begin());
      beats_.push_back(beat);
    }
    while (!write_queue_.empty() && !beats_.empty()) write_beat();
    if (m_.m_axi_arvalid_o && m_.m_axi_arready_i) {
      read_queue_.push_back(burst(m_.m_axi_araddr_o, m_.m_axi_arlen_o, m_.m_axi_arid_o,
                                  m_.m_axi_arsize_o, m_.m_axi_arburst_o));
      ++reads;
    }
    if (m_.m_axi_bvalid_i && m_.m_axi_bready_o) {
      answers_.pop_front();
      b_taken_ = true;
    }
    if (m_.m_axi_rvalid_i && m_.m_axi_rready_o) {
      if (++read_queue_.front().done == read_queue_.front().beats) read_queue_.pop_front();
      r_taken_ = true;
    }
    ++cycle_;
  }

  /// After the tick: pins whose beat was taken go idle, and may be driven anew.
  void release() {
    if (b_taken_) m_.m_axi_bvalid_i = 0;
    if (r_taken_) m_.m_axi_rvalid_i = 0;
    b_taken_ = r_taken_ = false;
  }

 private:
  struct Burst {
    uint64_t addr;
    int beats, id;
    uint64_t due;
    int done = 0;
    bool bad = false;
  };
  struct Beat {
    uint32_t strb;
    bool last;
    std::array<uint32_t, 8> data;
  };

  bool chance() { return one_in(rng_, stall); }

  Burst burst(uint64_t addr, int len, int id, int size, int kind) {
    if (addr % kBeatBytes || size != 5 || kind != 1) {
      throw std::runtime_error(fmt::format("burst at {:#x}, size {}, type {}", addr, size, kind));
    }
    const uint64_t last = addr + static_cast<uint64_t>(len) * kBeatBytes;
    if (addr >> 12 != last >> 12) {
      throw std::runtime_error(fmt::format("burst at {:#x} of {} crosses 4 KiB", addr, len + 1));
    }
    return {addr, len + 1, id, cycle_ + 1 + latency};
  }

  void write_beat() {
    Burst& burst = write_queue_.front();
    const Beat beat = beats_.front();
    beats_.pop_front();
    const uint64_t addr = burst.addr + static_cast<uint64_t>(burst.done++) * kBeatBytes;
    if (beat.last != (burst.done == burst.beats)) throw std::runtime_error("wlast is wrong");
    if (bad_beats.count(addr)) {
      burst.bad = true;
    } else {
      for (int lane = 0; lane < kBeatBytes; ++lane) {
        if (beat.strb >> lane & 1) bytes.set(addr + lane, get_byte(beat.data.data(), lane));
      }
    }
    if (burst.done < burst.beats) return;
    burst.due = cycle_ + 1 + latency;
    answers_.push_back(burst);
    write_queue_.pop_front();
  }

  Model& m_;
  std::mt19937_64& rng_;
  uint64_t cycle_ = 0;
  std::deque<Burst> read_queue_, write_queue_, answers_;
  std::deque<Beat> beats_;
  bool b_taken_ = false, r_taken_ = false;
};

}  // namespace systole::test
