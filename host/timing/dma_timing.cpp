#include "host/timing/dma_timing.hpp"

#include <algorithm>

namespace systole::timing {
namespace {

template <class Command>
Block block_of(const Command& c) {
  Block block;
  block.addr = c.addr;
  block.local = c.local_addr;
  block.run = c.run;
  block.count0 = c.count0;
  block.count1 = c.count1;
  block.gstride0 = c.gstride0;
  block.gstride1 = c.gstride1;
  block.lstride0 = c.lstride0;
  block.lstride1 = c.lstride1;
  return block;
}

/// A fill counts the global side from 0 in every run.
Block block_of(const spec::FillCommand& c) {
  Block block;
  block.local = c.local_addr;
  block.run = c.run;
  block.count0 = c.count0;
  block.count1 = c.count1;
  block.lstride0 = c.lstride0;
  block.lstride1 = c.lstride1;
  return block;
}

}  // namespace

// ---------------------------------------------------------------------------------------- packets

bool PacketCutter::step(bool fires, const Block* block) {
  const bool move = moves(fires);
  const bool multiplies = check_valid_ && !multiplied_;
  const bool ends = fires && last();
  if (move) {
    block_ = check_;
    addr_ = run_addr_ = group_addr_ = block_.addr;
    local_ = run_local_ = group_local_ = block_.local;
    left_ = block_.run;
    left0_ = block_.count0;
    left1_ = block_.count1;
    cut_valid_ = true;
  } else if (ends) {
    cut_valid_ = false;
  } else if (fires) {
    next_packet();
  }
  if (!check_valid_ || move) {
    check_valid_ = block != nullptr;
    multiplied_ = false;
    if (block != nullptr) check_ = *block;
  } else {
    multiplied_ = true;
  }
  return move || multiplies || fires || block != nullptr;
}

void PacketCutter::next_packet() {
  const unsigned taken = bytes();
  if (taken < left_) {
    left_ -= taken;
    addr_ += taken;
    local_ += taken;
    return;
  }
  left_ = block_.run;
  if (left0_ > 1) {
    --left0_;
    run_addr_ += static_cast<uint64_t>(block_.gstride0);
    run_local_ += static_cast<uint32_t>(block_.lstride0);
  } else {
    left0_ = block_.count0;
    --left1_;
    group_addr_ += static_cast<uint64_t>(block_.gstride1);
    group_local_ += static_cast<uint32_t>(block_.lstride1);
    run_addr_ = group_addr_;
    run_local_ = group_local_;
  }
  addr_ = run_addr_;
  local_ = run_local_;
}

bool Slots::step(bool used, unsigned freed) {
  // The choice is made by the slots that were free when the cycle began.
  const unsigned all = (1u << kSlots) - 1;
  const unsigned free = all & ~busy_ & ~(next_valid_ ? 1u << next_ : 0u);
  const bool chooses = !next_valid_ || used;
  if (used) busy_ |= 1u << next_;
  busy_ &= ~freed;
  if (chooses) {
    next_valid_ = free != 0;
    if (free != 0) next_ = static_cast<unsigned>(__builtin_ctz(free));
  }
  return used || freed != 0 || (chooses && free != 0);
}

// ------------------------------------------------------------------------------------------- load

void LoadTiming::take(const spec::LoadCommand& command) { take(block_of(command), false); }
void LoadTiming::take(const spec::FillCommand& command) { take(block_of(command), true); }

void LoadTiming::take(const Block& block, bool fill) {
  has_block_ = true;
  new_block_ = block;
  fill_[tail_ % 4] = fill;
}

void LoadTiming::ask(Scratchpad& scratchpad) const {
  if (write_valid_) scratchpad.ask(Scratchpad::Load, write_banks_);
}

Flit LoadTiming::request() const {
  Flit flit;
  flit.kind = PacketKind::Read;
  flit.client = Client::Load;
  flit.address = cutter_.addr();
  flit.bytes = static_cast<uint16_t>(cutter_.bytes());
  flit.slot = static_cast<uint8_t>(slots_.next());
  return flit;
}

void LoadTiming::write_response(const Flit& response, unsigned& freed) {
  Slot& slot = slot_[response.slot];
  const unsigned lanes = spec::FlitBytes - slot.lane;
  const unsigned bytes = std::min(slot.left, lanes);
  write_valid_ = true;
  write_last_ = bytes == slot.left;
  write_entry_ = slot.entry;
  write_banks_ = banks_of(slot.local, bytes);
  slot.local += bytes;
  slot.left -= bytes;
  slot.lane = 0;
  if (write_last_) freed |= 1u << response.slot;
}

bool LoadTiming::step(uint32_t granted, bool request_fires, bool fill_fires, const Flit* response) {
  const bool wrote = write_valid_ && (granted >> Scratchpad::Load & 1) != 0;
  const bool retires = done();
  const bool comes = request_fires || fill_fires || response != nullptr || has_block_;
  if (still_ && !comes && !wrote && !retires) return false;
  const bool fill_last = fill_fires && fill_ends();
  const bool packet_ends = request_fires || fill_last;
  const bool last_packet = packet_ends && cutter_.last();
  if (wrote && write_last_) --pending_[write_entry_];
  if (wrote) write_valid_ = false;
  if (packet_ends) ++pending_[cut_ % 4];
  if (request_fires) {
    slot_[slots_.next()] = {cut_ % 4, cutter_.bytes(),
                            static_cast<unsigned>(cutter_.addr() % spec::FlitBytes),
                            cutter_.local()};
  }
  unsigned freed = 0;
  if (response != nullptr) {
    write_response(*response, freed);
  } else if (fill_fires) {
    const unsigned bytes = std::min(cutter_.bytes() - fill_at_, unsigned{spec::FlitBytes});
    write_valid_ = true;
    write_last_ = fill_last;
    write_entry_ = cut_ % 4;
    write_banks_ = banks_of(cutter_.local() + fill_at_, bytes);
    fill_at_ = fill_last ? 0 : fill_at_ + bytes;
  }
  const bool taken = has_block_;
  bool changed = slots_.step(request_fires, freed);
  changed |= cutter_.step(packet_ends, has_block_ ? &new_block_ : nullptr);
  has_block_ = false;
  if (taken) ++tail_;
  if (last_packet) ++cut_;
  if (retires) ++head_;
  still_ = !(changed || wrote || taken || retires || fill_fires || response != nullptr);
  return !still_;
}

// ------------------------------------------------------------------------------------------ store

void StoreTiming::take(const spec::StoreCommand& command, unsigned remote_node) {
  has_block_ = true;
  new_block_ = block_of(command);
  entry_[tail_ % 4] = {command.header.remote_en, command.header.remote_sem, remote_node};
}

void StoreTiming::ask(Scratchpad& scratchpad) {
  const bool space = queue_.size() + (pipe_valid_ ? 1 : 0) < 4;
  begins_ = cutter_.valid() && !data_ && space && slots_.has_next();
  asks_ = data_ && space;
  if (!asks_) return;
  const unsigned bytes = std::min(left_, spec::FlitBytes - lane_);
  scratchpad.ask(Scratchpad::Store, banks_of(beat_local_, bytes));
}

/// The post travels with the last packet when this and all packets before it go to that tile.
bool StoreTiming::post_travels(unsigned node) {
  const Entry& entry = entry_[cut_ % 4];
  here_now_ = here_ && cutter_.addr() >= spec::TileBase && node == entry.node;
  return cutter_.last() && entry.remote && here_now_;
}

void StoreTiming::begin_packet(bool posts) {
  packet_slot_ = slots_.next();
  slot_entry_[packet_slot_] = cut_ % 4;
  ++pending_[cut_ % 4];
  beat_local_ = cutter_.local();
  left_ = cutter_.bytes();
  lane_ = static_cast<unsigned>(cutter_.addr() % spec::FlitBytes);
  pipe_.kind = PacketKind::Write;
  pipe_.client = Client::Store;
  pipe_.address = cutter_.addr();
  pipe_.bytes = static_cast<uint16_t>(left_);
  pipe_.slot = static_cast<uint8_t>(packet_slot_);
  pipe_.head = true;
  pipe_.last = false;
  pipe_.posts = posts;
  pipe_.semaphore = entry_[cut_ % 4].semaphore;
  data_ = true;
}

void StoreTiming::read_beat() {
  const unsigned bytes = std::min(left_, spec::FlitBytes - lane_);
  beat_local_ += bytes;
  left_ -= bytes;
  lane_ = 0;
  pipe_.head = false;
  pipe_.last = left_ == 0;
  if (left_ == 0) data_ = false;
}

bool StoreTiming::step(uint32_t granted, bool flit_taken, const Flit* ack, bool posts) {
  const bool reads = asks_ && (granted >> Scratchpad::Store & 1) != 0;
  const bool retires = done();
  const bool last_packet = begins_ && cutter_.last();
  const bool piped = pipe_valid_;
  const bool comes = flit_taken || ack != nullptr || has_block_;
  if (still_ && !comes && !begins_ && !reads && !retires && !piped) return false;
  if (flit_taken) queue_.pop();
  if (pipe_valid_) queue_.push(pipe_);
  pipe_valid_ = begins_ || reads;
  unsigned freed = 0;
  if (ack != nullptr) {
    freed = 1u << ack->slot;
    --pending_[slot_entry_[ack->slot]];
  }
  if (begins_) {
    begin_packet(posts);
    if (last_packet) posted_[cut_ % 4] = posts;
    here_ = last_packet || here_now_;
  } else if (reads) {
    read_beat();
  }
  const bool taken = has_block_;
  bool changed = slots_.step(begins_, freed);
  changed |= cutter_.step(begins_, has_block_ ? &new_block_ : nullptr);
  has_block_ = false;
  if (taken) ++tail_;
  if (last_packet) ++cut_;
  if (retires) ++head_;
  still_ = !(changed || taken || retires || reads || piped || flit_taken || ack != nullptr);
  return !still_;
}

}  // namespace systole::timing
