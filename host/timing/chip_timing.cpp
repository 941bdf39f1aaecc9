#include "host/timing/chip_timing.hpp"

#include <algorithm>

namespace systole::timing {

ChipTiming::ChipTiming(const ChipConfig& config, const DramParameters& dram)
    : cols_(config.num_cols),
      requests_(config.num_cols, config.num_rows, true),
      responses_(config.num_cols, config.num_rows, false) {
  for (unsigned y = 0; y < config.num_rows; ++y) {
    for (unsigned x = 1; x < config.num_cols; ++x) {
      const unsigned node = y * cols_ + x;
      tiles_.push_back(
          {node, false, false, TileTiming(static_cast<unsigned>(tiles_.size()), node, cols_)});
    }
    const uint64_t base =
        y == 0 ? spec::HostMemBase : spec::DramBase + (y - 1) * spec::DramChannelBytes;
    memories_.push_back({y * cols_, MemoryNode(y * cols_, base, y == 0 ? nullptr : &dram)});
  }
}

void ChipTiming::launch(const TileLaunch& launch, Cycle cycle) {
  const std::size_t tile = launch.y * (cols_ - 1) + launch.x - 1;
  launches_.push_back({cycle, tile, &launch});
  ++running_;
}

uint64_t ChipTiming::refusals() const {
  uint64_t sum = 0;
  for (const Tile& tile : tiles_) sum += tile.timing.refusals();
  return sum;
}

bool ChipTiming::run(Cycle max_cycles) {
  while (running_ != 0) {
    now_ = next_cycle();
    if (now_ >= max_cycles) return false;
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
    if (!memory.timing.idle()) next = std::min(next, memory.timing.next_event(now_));
  }
  return next;
}

void ChipTiming::start_tiles() {
  for (; launched_ < launches_.size() && launches_[launched_].cycle <= now_; ++launched_) {
    Tile& tile = tiles_[launches_[launched_].tile];
    tile.timing.launch(*launches_[launched_].launch);
    tile.awake = tile.running = true;
  }
}

/// What every node offers and takes in this cycle.
void ChipTiming::show() {
  for (Tile& tile : tiles_) {
    Endpoint& request = requests_.endpoint(tile.node);
    request.offer = tile.timing.requester().offer();
    request.ready = tile.timing.target().takes_request();
    Endpoint& response = responses_.endpoint(tile.node);
    response.offer = tile.timing.target().offer();
    response.ready = tile.timing.requester().takes_response();
  }
  for (Memory& memory : memories_) {
    requests_.endpoint(memory.node).ready = memory.timing.ready();
    responses_.endpoint(memory.node).offer = memory.timing.idle() ? nullptr : memory.timing.offer();
  }
}

/// What the networks took and brought.
void ChipTiming::deliver() {
  for (Tile& tile : tiles_) {
    Endpoint& request = requests_.endpoint(tile.node);
    Endpoint& response = responses_.endpoint(tile.node);
    if (request.taken) tile.timing.requester().taken();
    if (request.delivered) tile.timing.target().receive(request.flit);
    if (response.taken) tile.timing.target().sent();
    if (response.delivered) tile.timing.requester().receive(response.flit);
    tile.awake |= request.taken || request.delivered || response.taken || response.delivered;
  }
  for (Memory& memory : memories_) {
    if (responses_.endpoint(memory.node).taken) memory.timing.sent();
    memory.timing.finish();
    const Endpoint& request = requests_.endpoint(memory.node);
    if (request.delivered) memory.timing.receive(request.flit);
  }
}

void ChipTiming::cycle() {
  show();
  requests_.plan();
  responses_.plan();
  for (Tile& tile : tiles_) {
    if (!tile.awake) continue;
    tile.awake = tile.timing.step(now_, events_);
    if (!tile.running || !tile.timing.ended()) continue;
    tile.running = false;
    --running_;
    end_ = now_;
  }
  for (Memory& memory : memories_) {
    const bool offered = requests_.endpoint(memory.node).offered;
    if (offered || !memory.timing.idle()) memory.timing.step(now_, offered);
  }
  requests_.move();
  responses_.move();
  deliver();
  start_tiles();
}

}  // namespace systole::timing
