#include "host/compile/weight_ring.hpp"

#include <algorithm>

namespace systole::compile {

void WeightRing::start(Context& context, const Plan& plan, Address source,
                       std::vector<Group> groups) {
  context_ = &context;
  plan_ = plan;
  source_ = source;
  groups_ = std::move(groups);
  int64_t largest = 0;
  for (const Group& group : groups_) largest = std::max(largest, group.bytes);
  sides_.resize(tiles());
  for (unsigned t = 0; t < tiles(); ++t) {
    for (int64_t room = 0; room < plan_.rooms; ++room)
      sides_[t].rooms.push_back(context.scratch_at_end(t, largest));
  }
  context.barrier();
}

void WeightRing::post_to(unsigned tile, unsigned semaphore, spec::CommandHeader& header) const {
  const Place place = context_->schedule.place(tile);
  header.remote_en = true;
  header.remote_sem = static_cast<uint8_t>(semaphore);
  header.remote_x = static_cast<uint8_t>(place.x);
  header.remote_y = static_cast<uint8_t>(place.y);
}

void WeightRing::fetch(unsigned tile) {
  Side& side = sides_[tile];
  Schedule& schedule = context_->schedule;
  const std::size_t index = side.fetched++;
  const Group& group = groups_[index];
  const unsigned to = next(tile);
  const bool loaded = loads(tile, index);
  const bool hands_on = !loads(to, index);
  const bool last_hand = loads(next(to), index);
  const uint32_t here = address(tile, index);
  const Address there = scratchpad_base(schedule.place(to)) + address(to, index);
  for (int64_t piece = 0; piece < plan_.pieces; ++piece) {
    const auto [first, last] = share(group.bytes / 64, piece, plan_.pieces);
    const auto offset = static_cast<uint32_t>(first * 64);
    const int64_t bytes = (last - first) * 64;
    if (loaded) {
      context_->load(tile, {Buffer::Space::Dram, source_, nullptr}, group.offset + offset,
                     here + offset, bytes, {});
    }
    if (!hands_on) continue;
    spec::StoreCommand hand;
    if (!loaded) hand.header.wait_mask |= 1u << schedule.handed_semaphore();
    // The room over there is in use till then.
    if (piece == 0 && index >= rooms()) hand.header.wait_mask |= 1u << kStreamFree;
    if (!last_hand) post_to(to, schedule.handed_semaphore(), hand.header);
    if (piece + 1 == plan_.pieces) {
      if (last_hand) post_to(to, kStreamData, hand.header);
      if (!loaded) hand.header.post_mask |= 1u << kStreamData;
    }
    hand.addr = there + offset;
    hand.local_addr = here + offset;
    hand.run = static_cast<uint32_t>(bytes);
    hand.count0 = hand.count1 = 1;
    schedule.emit(tile, spec::Unit::Store, hand);
  }
}

void WeightRing::fetch_ahead(unsigned tile) {
  Side& side = sides_[tile];
  while (side.fetched < std::min(side.uses.size() + rooms(), groups_.size())) fetch(tile);
}

std::size_t WeightRing::use(unsigned tile, int64_t commands) {
  sides_[tile].uses.push_back({commands, commands});
  return sides_[tile].uses.size() - 1;
}

uint32_t WeightRing::address(unsigned tile, std::size_t group) const {
  return sides_[tile].rooms[group % rooms()].address();
}

// Tokens for the matrix unit come from the tile before or from the own store unit, and still in the
// order of the groups: the tile before hands on a group only behind the one before it, and into a
// room that this tile has used.
void WeightRing::mark(unsigned tile, std::size_t group, spec::CommandHeader& header) {
  Use& use = sides_[tile].uses[group];
  if (use.left == use.commands && !loads(tile, group)) header.wait_mask |= 1u << kStreamData;
  const std::size_t same_room = group + rooms();
  const bool comes_again = same_room < groups_.size() && !loads(tile, same_room);
  if (--use.left == 0 && comes_again) post_to((tile + tiles() - 1) % tiles(), kStreamFree, header);
}

}  // namespace systole::compile
