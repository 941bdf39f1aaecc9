#include "host/timing/chip_timing.hpp"

#include <algorithm>

namespace systole::timing {
namespace {

constexpr Cycle kJoin = 3;             // that a word takes in rtl/core/io_target.sv
constexpr Cycle kAwakeBehindJoin = 6;  // of the io node

}  // namespace

ChipTiming::ChipTiming(const ChipConfig& config, const DramParameters& dram)
    : cols_(config.num_cols),
      requests_(config.num_cols, config.num_rows, true),
      responses_(config.num_cols, config.num_rows, false) {
  for (unsigned y = 0; y < config.num_rows; ++y) {
    for (unsigned x = 1; x < config.num_cols; ++x) {
      const unsigned node = y * cols_ + x;
      tiles_.push_back({node, false, false, TileTiming(node, cols_)});
    }
    const uint64_t base =
        y == 0 ? spec::HostMemBase : spec::DramBase + (y - 1) * spec::DramChannelBytes;
    memories_.push_back({y * cols_, MemoryNode(y * cols_, base, y == 0 ? nullptr : &dram)});
  }
}

void ChipTiming::launch(const TileLaunch& launch, Cycle cycle) {
  const std::size_t tile = launch.y * (cols_ - 1) + launch.x - 1;
  if (launches_.empty()) now_ = cycle;
  launches_.push_back({cycle, tile, &launch});
  ++running_;
}

uint64_t ChipTiming::refusals() const {
  uint64_t sum = 0;
  for (const Tile& tile : tiles_) sum += tile.timing.refusals();
  return sum;
}

/// Words of tiles that end together wait for one another; one that finds the io node still awake is
/// spared its waking.
Cycle ChipTiming::end() const {
  std::vector<Cycle> joins = joins_;
  std::sort(joins.begin(), joins.end());
  Cycle end = 0;
  for (const Cycle join : joins) {
    const bool awake = end != 0 && join <= end + kAwakeBehindJoin;
    end = awake ? std::max(join - 1, end + kJoin) : join;
  }
  return end;
}

bool ChipTiming::run(Cycle until) {
  while (running_ != 0) {
    const Cycle next = next_cycle();
    if (next >= until) return false;
    now_ = next;
    cycle();
    ++now_;
  }
  return true;
}

/// The first cycle from now on in which anything can happen.
Cycle ChipTiming::next_cycle() const {
  if (!requests_.idle() || !responses_.idle()) return now_;
  for (const Tile& tile : tiles_) {
    if (tile.awake) return now_;
  }
  Cycle next = ~Cycle{0};
  if (launched_ < launches_.size()) next = std::max(launches_[launched_].cycle, now_);
  for (const Memory& memory : memories_) {
    if (!memory.timing.idle(now_)) next = std::min(next, memory.timing.next_event(now_));
  }
  return next;
}

void ChipTiming::start_tiles() {
  for (; launched_ < launches_.size() && launches_[launched_].cycle <= now_; ++launched_) {
    Tile& tile = tiles_[launches_[launched_].tile];
    tile.timing.launch(*launches_[launched_].launch, static_cast<unsigned>(launched_));
    tile.awake = tile.running = true;
  }
}

/// What every node offers and takes in this cycle.
void ChipTiming::show() {
  requests_move_ = !requests_.idle();
  responses_move_ = !responses_.idle();
  for (Tile& tile : tiles_) {
    Endpoint& request = requests_.endpoint(tile.node);
    request.offer = tile.timing.requester().offer();
    request.ready = tile.timing.target().takes_request();
    requests_move_ |= request.offer != nullptr;
    Endpoint& response = responses_.endpoint(tile.node);
    response.offer = tile.timing.target().offer();
    response.ready = tile.timing.requester().takes_response();
    responses_move_ |= response.offer != nullptr;
  }
  for (Memory& memory : memories_) {
    requests_.endpoint(memory.node).ready = memory.timing.ready();
    Endpoint& response = responses_.endpoint(memory.node);
    response.offer = memory.timing.idle(now_) ? nullptr : memory.timing.offer();
    responses_move_ |= response.offer != nullptr;
  }
  if (requests_move_) requests_.plan();
  if (responses_move_) responses_.plan();
}

void ChipTiming::deliver_requests() {
  requests_.move();
  for (const unsigned node : requests_.taken()) {
    tile_at(node).timing.requester().taken();
    tile_at(node).awake = true;
  }
  for (const unsigned node : requests_.delivered()) {
    const Flit& flit = requests_.endpoint(node).flit;
    if (is_memory(node)) {
      memory_at(node).timing.receive(flit);
    } else {
      tile_at(node).timing.target().receive(flit);
      tile_at(node).awake = true;
    }
  }
}

void ChipTiming::deliver_responses() {
  responses_.move();
  for (const unsigned node : responses_.taken()) {
    if (is_memory(node)) {
      memory_at(node).timing.sent();
    } else {
      tile_at(node).timing.target().sent();
      tile_at(node).awake = true;
    }
  }
  for (const unsigned node : responses_.delivered()) {
    tile_at(node).timing.requester().receive(responses_.endpoint(node).flit);
    tile_at(node).awake = true;
  }
}

void ChipTiming::cycle() {
  show();
  for (Tile& tile : tiles_) {
    if (!tile.awake) continue;
    ++work_;
    tile.awake = tile.timing.step(now_, events_);
    if (!tile.running || !tile.timing.ended()) continue;
    tile.running = false;
    --running_;
    joins_.push_back(now_ + tile.node % cols_ + tile.node / cols_);
  }
  for (Memory& memory : memories_) {
    const bool offered = requests_move_ && requests_.endpoint(memory.node).offered;
    if (offered || !memory.timing.idle(now_)) memory.timing.step(now_, offered);
  }
  if (responses_move_) deliver_responses();
  if (requests_move_) deliver_requests();
  start_tiles();
}

}  // namespace systole::timing
