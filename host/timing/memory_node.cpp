#include "host/timing/memory_node.hpp"

#include <algorithm>

#include "rtl/spec/gen/systole_commands.hpp"

namespace systole::timing {

MemoryNode::MemoryNode(unsigned node, uint64_t base, const DramParameters* dram)
    : node_(node), base_(base) {
  if (dram != nullptr) dram_ = std::make_unique<DramChannel>(*dram);
}

// ---------------------------------------------------------------------------------------- requests

/// Of noc_to_axi: any request is taken when every kind could be.
bool MemoryNode::takes() const {
  if (in_write_) return w_.has_room();
  return ar_.has_room() && aw_.has_room() && reads_.has_room() && writes_.has_room();
}

bool MemoryNode::ready() const { return behind_io() ? awake_ && in_.has_room() : takes(); }

void MemoryNode::receive(const Flit& flit) {
  if (behind_io()) {
    in_.push(flit);
  } else {
    take(flit);
  }
}

void MemoryNode::take(const Flit& flit) {
  if (in_write_) {
    w_.push(flit.last);
    in_write_ = !flit.last;
    return;
  }
  const uint64_t first = flit.address / spec::FlitBytes;
  const uint64_t last = (flit.address + flit.bytes - 1) / spec::FlitBytes;
  const auto beats = static_cast<unsigned>(last - first + 1);
  const Burst burst{first * spec::FlitBytes - base_, beats};
  const Requester requester{flit.from, flit.slot, flit.client, beats};
  if (flit.kind == PacketKind::Read) {
    ar_.push(burst);
    reads_.push(requester);
  } else {
    aw_.push(burst);
    writes_.push(requester);
    in_write_ = true;
  }
}

// --------------------------------------------------------------------------------------------- bus

/// The cycle in which the answer to a request that passed the pins in `cycle` is on them.
Cycle MemoryNode::answer(uint64_t address, bool write, Cycle cycle) {
  const auto arrival = static_cast<Picoseconds>(cycle + 1) * kPicosecondsPerCycle;
  Picoseconds time = 0;
  if (behind_io()) {
    time = host_.access(kGranule, arrival);
  } else {
    for (unsigned at = 0; at < kGranule; at += dram_->parameters().burst_bytes)
      time = dram_->access(address + at, write, arrival);
  }
  return cycle + 1 +
         static_cast<Cycle>((time - arrival + kPicosecondsPerCycle - 1) / kPicosecondsPerCycle);
}

void MemoryNode::take_read(Cycle cycle) {
  const Burst burst = ar_.front();
  ar_.pop();
  const uint64_t end = burst.address + uint64_t{burst.beats} * spec::FlitBytes;
  for (uint64_t at = burst.address; at < end;) {
    const uint64_t granule = at / kGranule * kGranule;
    const Cycle ready = answer(granule, false, cycle);
    for (; at < end && at < granule + kGranule; at += spec::FlitBytes) read_beats_.push_back(ready);
  }
}

void MemoryNode::take_beat(Cycle cycle) {
  const bool last = w_.front();
  w_.pop();
  WriteBurst& burst = bursts_.front();
  const bool fills = burst.address % kGranule + spec::FlitBytes == kGranule;
  if (last || fills) burst.ready = answer(burst.address / kGranule * kGranule, true, cycle);
  burst.address += spec::FlitBytes;
  if (!last) return;
  responses_.push_back(burst.ready);
  bursts_.pop_front();
}

void MemoryNode::step(Cycle cycle, bool flit_offered) {
  const bool takes_now = takes();
  const bool busy = !reads_.empty() || !writes_.empty();
  const bool crossing = !in_.empty();
  if (awake_ || !behind_io()) {
    const bool takes_read = read_beats_.size() < kMaxReadBeats && !ar_.empty();
    const bool takes_burst = bursts_.size() < kMaxWrites && !aw_.empty();
    const bool takes_beat = !bursts_.empty() && !w_.empty();
    if (!read_beats_.empty() && read_beats_.front() <= cycle && r_.has_room()) {
      read_beats_.pop_front();
      r_.push(true);
    }
    if (!responses_.empty() && responses_.front() <= cycle && b_.has_room()) {
      responses_.pop_front();
      b_.push(true);
    }
    if (takes_beat) take_beat(cycle);
    if (takes_burst) {
      bursts_.push_back({aw_.front().address, 0});
      aw_.pop();
    }
    if (takes_read) take_read(cycle);
    if (crossing && takes_now) {
      take(in_.front());
      in_.pop();
    }
  }
  awake_ = behind_io() && (flit_offered || busy || crossing || cycle < awake_until_);
}

// --------------------------------------------------------------------------------------- responses

const Flit* MemoryNode::offer() {
  if (!held_) {
    const bool read = !r_.empty();
    const bool ack = !b_.empty();
    give_ = read && (read_turn_ || !ack) ? Give::Read : ack ? Give::Ack : Give::None;
  } else if (give_ == Give::Read && r_.empty()) {
    return nullptr;
  }
  if (give_ == Give::None) return nullptr;
  const bool read = give_ == Give::Read;
  const Requester& requester = read ? reads_.front() : writes_.front();
  out_.to = requester.node;
  out_.from = static_cast<uint8_t>(node_);
  out_.slot = requester.slot;
  out_.client = requester.client;
  out_.kind = read ? PacketKind::Data : PacketKind::Ack;
  out_.head = !read || beat_ == 0;
  out_.last = !read || beat_ + 1 == requester.beats;
  held_ = true;
  read_turn_ = !read;
  return &out_;
}

void MemoryNode::sent() {
  if (out_.last) held_ = false;
  if (give_ == Give::Ack) {
    b_.pop();
    writes_.pop();
    return;
  }
  r_.pop();
  ++beat_;
  if (!out_.last) return;
  beat_ = 0;
  reads_.pop();
}

bool MemoryNode::idle(Cycle now) const {
  return now > awake_until_ && in_.empty() && reads_.empty() && writes_.empty() && !awake_;
}

/// Only answers of the memory are waited for: nothing else can move.
Cycle MemoryNode::next_event(Cycle now) const {
  if (!in_.empty() || !ar_.empty() || !aw_.empty() || !w_.empty() || !r_.empty() || !b_.empty())
    return now;
  Cycle next = ~Cycle{0};
  if (!read_beats_.empty()) next = std::min(next, read_beats_.front());
  if (!responses_.empty()) next = std::min(next, responses_.front());
  if (next == ~Cycle{0} && behind_io() && (awake_ || now <= awake_until_)) return now;
  return std::max(next, now);
}

}  // namespace systole::timing
