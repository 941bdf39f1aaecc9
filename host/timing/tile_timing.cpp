#include "host/timing/tile_timing.hpp"

namespace systole::timing {

TileTiming::TileTiming(unsigned number, unsigned node, unsigned cols)
    : number_(number), node_(node), cols_(cols), target_(node) {}

void TileTiming::launch(const TileLaunch& launch) {
  for (std::size_t u = 0; u < sequencers_.size(); ++u)
    sequencers_[u].launch(launch, launch.units[u]);
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

/// The sequencer that may fetch, in turns; -1: none wants to.
int TileTiming::ask_fetch() {
  unsigned wants = 0;
  for (unsigned u = 0; u < sequencers_.size(); ++u)
    wants |= unsigned{sequencers_[u].wants_fetch()} << u;
  if (wants == 0) return -1;
  const unsigned first = wants & fetch_behind_;
  const int unit = __builtin_ctz(first != 0 ? first : wants);
  scratchpad_.ask(Scratchpad::Fetch, sequencers_[static_cast<std::size_t>(unit)].fetch_banks());
  return unit;
}

TileRequester::Pick TileTiming::send() {
  post_unit_ = -1;
  for (int u = spec::NumUnits - 1; u >= 0; --u) {
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

void TileTiming::issue(Cycle cycle, bool load_fires, std::vector<Event>& events) {
  const std::array<bool, spec::NumUnits> ready{load_.ready(load_fires), matrix_.ready(),
                                               vector_.ready(), store_.ready()};
  for (std::size_t u = 0; u < sequencers_.size(); ++u) {
    Sequencer& sequencer = sequencers_[u];
    if (!sequencer.issue(semaphores_, ready[u]) || !sequencer.issued_to_unit()) continue;
    events.push_back({number_, static_cast<spec::Unit>(u), sequencer.issued_pc(),
                      sequencer.issued_iteration(), cycle + 1, false});
  }
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

bool TileTiming::step(Cycle cycle, std::vector<Event>& events) {
  // What everyone asks for, from the registers that the cycle begins with.
  matrix_.ask(scratchpad_);
  vector_.ask(scratchpad_, cycle);
  target_.ask(scratchpad_);
  load_.ask(scratchpad_);
  store_.ask(scratchpad_);
  const int fetching = ask_fetch();
  const uint32_t granted = scratchpad_.grant();
  const bool row_granted = vector_.wants_row() && !matrix_.reads_half(vector_.row_half());
  const auto pick = send();

  // Done, taken, issued and retired.
  const std::array<bool, spec::NumUnits> done{load_.done(), matrix_.done(), vector_.done(cycle),
                                              store_.done()};
  const bool done_posted = done[kStore] && store_.done_posted();
  const bool fill_ends =
      load_.fill_fires(granted, requester_.response() != nullptr &&
                                    requester_.response()->client == Client::Load) &&
      load_.fill_ends();
  semaphores_.begin_cycle();
  issue(cycle, pick == TileRequester::Pick::Load || fill_ends, events);
  for (std::size_t u = 0; u < sequencers_.size(); ++u) {
    Sequencer& sequencer = sequencers_[u];
    if (!sequencer.retire(semaphores_, done[u], u == kStore && done_posted)) continue;
    // The trace tells the matrix unit's retirements in their own cycle.
    events.push_back({number_, static_cast<spec::Unit>(u), sequencer.retired().pc,
                      sequencer.retired().iteration, cycle + (u == kMatrix ? 0 : 1), true});
  }

  // The end of the cycle.
  std::array<bool, spec::NumUnits> takes{};
  for (std::size_t u = 0; u < sequencers_.size(); ++u) takes[u] = sequencers_[u].issued_to_unit();
  if (takes[kLoad]) hand_over(kLoad, cycle);
  if (takes[kStore]) hand_over(kStore, cycle);
  bool changed = step_dma(granted, pick) || pick != TileRequester::Pick::None;
  changed |= matrix_.step(cycle, granted);
  changed |= vector_.step(cycle, granted, row_granted);
  if (takes[kMatrix]) hand_over(kMatrix, cycle);
  if (takes[kVector]) hand_over(kVector, cycle);
  unsigned post = 0;
  changed |= target_.step(granted, post);
  if (post != 0) semaphores_.post(post);
  const bool fetched = (granted >> Scratchpad::Fetch & 1) != 0;
  if (fetched) fetch_behind_ = ~((1u << (fetching + 1)) - 1);
  for (std::size_t u = 0; u < sequencers_.size(); ++u) {
    changed |= sequencers_[u].step(
        fetched && fetching == static_cast<int>(u), done[u], u == kStore && done_posted,
        pick == TileRequester::Pick::Post && post_unit_ == static_cast<int>(u));
  }
  semaphores_.end_cycle();
  return changed || scratchpad_.refused_any();
}

}  // namespace systole::timing
