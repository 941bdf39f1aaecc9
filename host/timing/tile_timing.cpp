#include "host/timing/tile_timing.hpp"

namespace systole::timing {

TileTiming::TileTiming(unsigned node, unsigned cols) : node_(node), cols_(cols), target_(node) {}

void TileTiming::launch(const TileLaunch& launch, unsigned number) {
  number_ = number;
  for (std::size_t u = 0; u < sequencers_.size(); ++u)
    sequencers_[u].launch(launch, launch.units[u]);
  due_ = (1u << spec::NumUnits) - 1;
}

bool TileTiming::ended() const {
  for (const Sequencer& sequencer : sequencers_) {
    if (!sequencer.quiet()) return false;
  }
  return requester_.quiet();
}

unsigned TileTiming::node_of(uint64_t address) const {
  if (address >= spec::TileBase) {
    const uint64_t offset = address - spec::TileBase;
    const auto y = static_cast<unsigned>(offset >> spec::TileRowShift);
    const auto x = static_cast<unsigned>(offset >> spec::TileColShift & 255);
    return y * cols_ + x;
  }
  if (address < spec::DramBase) return 0;
  return (static_cast<unsigned>((address - spec::DramBase) / spec::DramChannelBytes) + 1) * cols_;
}

/// What everyone asks the scratchpad for, from the registers that the cycle begins with.
void TileTiming::ask(Cycle cycle) {
  if (!matrix_.idle()) matrix_.ask(scratchpad_);
  if (!vector_.idle()) vector_.ask(scratchpad_, cycle);
  if (!target_.idle()) target_.ask(scratchpad_);
  if (!load_.idle()) load_.ask(scratchpad_);
  if (!store_.idle()) store_.ask(scratchpad_);
  ask_fetch();
}

/// Sequencers fetch in turns.
void TileTiming::ask_fetch() {
  Units wants = 0;
  for (Units left = due_; left != 0; left &= left - 1) {
    const auto u = static_cast<unsigned>(__builtin_ctz(left));
    wants |= Units{sequencers_[u].wants_fetch()} << u;
  }
  fetching_ = -1;
  if (wants == 0) return;
  const Units first = wants & fetch_behind_;
  fetching_ = __builtin_ctz(first != 0 ? first : wants);
  const auto unit = static_cast<std::size_t>(fetching_);
  scratchpad_.ask(Scratchpad::Fetch, sequencers_[unit].fetch_banks());
}

/// A sequencer with a remote post is due until that is sent.
TileRequester::Pick TileTiming::send() {
  post_unit_ = -1;
  for (Units left = due_; left != 0 && post_unit_ < 0; left &= left - 1) {
    const int u = __builtin_ctz(left);
    if (sequencers_[static_cast<std::size_t>(u)].has_remote_post()) post_unit_ = u;
  }
  const auto pick = requester_.pick(post_unit_ >= 0, load_.offers_request(), store_.offers());
  Flit flit;
  switch (pick) {
    case TileRequester::Pick::None:
      return pick;
    case TileRequester::Pick::Post: {
      const auto& post = sequencers_[static_cast<std::size_t>(post_unit_)].remote_post();
      flit.kind = PacketKind::Post;
      flit.client = Client::Post;
      flit.semaphore = post.semaphore;
      flit.to = static_cast<uint8_t>(post.y * cols_ + post.x);
      break;
    }
    case TileRequester::Pick::Load:
      flit = load_.request();
      flit.to = static_cast<uint8_t>(node_of(flit.address));
      break;
    case TileRequester::Pick::Store:
      flit = store_.flit();
      flit.to = static_cast<uint8_t>(node_of(flit.address));
      break;
  }
  flit.from = static_cast<uint8_t>(node_);
  requester_.send(pick, flit);
  return pick;
}

void TileTiming::hand_over(std::size_t unit, Cycle cycle) {
  const Command& command = sequencers_[unit].issued();
  if (unit == kMatrix) {
    matrix_.take(std::get<spec::MatmulCommand>(command.body), cycle);
  } else if (unit == kVector) {
    vector_.take(std::get<spec::VectorCommand>(command.body));
  } else if (unit == kStore) {
    const auto& h = command.header;
    store_.take(std::get<spec::StoreCommand>(command.body),
                unsigned{h.remote_y} * cols_ + h.remote_x);
  } else if (const auto* load = std::get_if<spec::LoadCommand>(&command.body)) {
    load_.take(*load);
  } else {
    load_.take(std::get<spec::FillCommand>(command.body));
  }
}

TileTiming::Units TileTiming::done(Cycle cycle) const {
  return Units{load_.done()} << kLoad | Units{matrix_.done()} << kMatrix |
         Units{vector_.done(cycle)} << kVector | Units{store_.done()} << kStore;
}

/// Units that take a command in this cycle, if they get one.
TileTiming::Units TileTiming::ready(bool load_fires) const {
  return Units{load_.ready(load_fires)} << kLoad | Units{matrix_.ready()} << kMatrix |
         Units{vector_.ready()} << kVector | Units{store_.ready()} << kStore;
}

/// Takes, issues and retirements of this cycle.
void TileTiming::run_sequencers(Cycle cycle, Units due, Units done, std::vector<Event>& events) {
  for (Units left = due; left != 0; left &= left - 1) {
    const auto u = static_cast<std::size_t>(__builtin_ctz(left));
    Sequencer& sequencer = sequencers_[u];
    if (!sequencer.issue(semaphores_, has(ready_, u)) || !sequencer.issued_to_unit()) continue;
    taking_ |= 1u << u;
    events.push_back({number_, static_cast<spec::Unit>(u), sequencer.issued_pc(),
                      sequencer.issued_iteration(), cycle, false});
  }
  for (Units left = due; left != 0; left &= left - 1) {
    const auto u = static_cast<std::size_t>(__builtin_ctz(left));
    Sequencer& sequencer = sequencers_[u];
    if (!sequencer.retire(semaphores_, has(done, u), u == kStore && done_posted_)) continue;
    // What the matrix unit wrote is there before the cycle: the trace tells it with the one before.
    events.push_back({number_, static_cast<spec::Unit>(u), sequencer.retired().pc,
                      sequencer.retired().iteration, cycle - (u == kMatrix ? 1 : 0), true});
  }
}

/// A fill's packet ends in this cycle.
bool TileTiming::load_fill_ends(uint32_t granted) const {
  if (!load_.fills()) return false;
  const Flit* response = requester_.response();
  const bool for_load = response != nullptr && response->client == Client::Load;
  return load_.fill_fires(granted, for_load) && load_.fill_ends();
}

bool TileTiming::step_dma(uint32_t granted, TileRequester::Pick pick) {
  const Flit* response = requester_.response();
  const bool for_load = response != nullptr && response->client == Client::Load;
  const bool for_store = response != nullptr && response->client == Client::Store;
  const bool fills = load_.fill_fires(granted, for_load);
  const bool load_takes = for_load && load_.takes_response(granted);
  bool changed = load_.step(granted, pick == TileRequester::Pick::Load, fills,
                            load_takes ? response : nullptr);
  changed |=
      store_.step(granted, pick == TileRequester::Pick::Store, for_store ? response : nullptr,
                  [this](uint64_t address) { return node_of(address); });
  if (response != nullptr && (!for_load || load_takes)) {
    requester_.pop_response();
    changed = true;
  }
  return changed;
}

/// Ends the cycle of the units. True when anything changed.
bool TileTiming::step_units(Cycle cycle, uint32_t granted, TileRequester::Pick pick) {
  const bool computes = !matrix_.idle() || !vector_.idle();
  if (has(taking_, kLoad)) hand_over(kLoad, cycle);
  if (has(taking_, kStore)) hand_over(kStore, cycle);
  const bool dma = (taking_ & (1u << kLoad | 1u << kStore)) != 0 || !load_.idle() ||
                   !store_.idle() || requester_.response() != nullptr;
  const bool moved = dma && step_dma(granted, pick);
  if (!matrix_.idle()) matrix_.step(cycle, granted);
  if (!vector_.idle()) {
    const bool row = vector_.wants_row() && !matrix_reads_;
    vector_.step(cycle, granted, row);
  }
  if (has(taking_, kMatrix)) hand_over(kMatrix, cycle);
  if (has(taking_, kVector)) hand_over(kVector, cycle);
  return computes || moved || taking_ != 0;
}

/// Ends the cycle of the sequencers that are due; returns those for which something changed.
TileTiming::Units TileTiming::step_sequencers(Units due, Units done, uint32_t granted,
                                              TileRequester::Pick pick) {
  Units changed = 0;
  const bool fetched = (granted >> Scratchpad::Fetch & 1) != 0;
  if (fetched) fetch_behind_ = ~((1u << (fetching_ + 1)) - 1);
  for (Units left = due; left != 0; left &= left - 1) {
    const int u = __builtin_ctz(left);
    const auto unit = static_cast<std::size_t>(u);
    const bool sent = pick == TileRequester::Pick::Post && post_unit_ == u;
    Sequencer& sequencer = sequencers_[unit];
    const bool changes = sequencer.step(fetched && fetching_ == u, has(done, unit),
                                        unit == kStore && done_posted_, sent);
    if (changes || sequencer.has_remote_post()) changed |= 1u << u;
  }
  return changed;
}

bool TileTiming::step(Cycle cycle, std::vector<Event>& events) {
  ask(cycle);
  const uint32_t granted = scratchpad_.grant();
  matrix_reads_ = vector_.wants_row() && matrix_.reads_half(vector_.row_half());
  const auto pick = send();
  const Units units_done = done(cycle);
  done_posted_ = has(units_done, kStore) && store_.done_posted();
  const Units were_ready = ready_;
  ready_ = ready(pick == TileRequester::Pick::Load || load_fill_ends(granted));
  const Units due = due_ | units_done | (ready_ & ~were_ready);
  semaphores_.begin_cycle();
  taking_ = 0;
  if (due != 0) run_sequencers(cycle, due, units_done, events);
  const bool units_changed = step_units(cycle, granted, pick);
  unsigned post = 0;
  const bool target_changed = !target_.idle() && target_.step(granted, post);
  if (post != 0) semaphores_.post(post);
  due_ = step_sequencers(due, units_done, granted, pick);
  if (semaphores_.end_cycle()) due_ = (1u << spec::NumUnits) - 1;
  return due_ != 0 || units_changed || target_changed || pick != TileRequester::Pick::None ||
         scratchpad_.refused_any();
}

}  // namespace systole::timing
