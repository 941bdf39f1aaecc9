#include "host/compile/schedule.hpp"

#include <algorithm>
#include <cstring>

#include "host/command/error.hpp"
#include "host/compile/memory.hpp"

namespace systole::compile {
namespace {

constexpr unsigned kLoad = static_cast<unsigned>(spec::Unit::Load);
constexpr unsigned kMatrix = static_cast<unsigned>(spec::Unit::Matrix);
constexpr unsigned kVector = static_cast<unsigned>(spec::Unit::Vector);
constexpr unsigned kStore = static_cast<unsigned>(spec::Unit::Store);

/// Semaphore of tokens from one unit to another of the same tile: 0..11, and 12 for load to load.
unsigned pair_semaphore(unsigned from, unsigned to) {
  if (from == to) return 12;
  return from * 3 + (to > from ? to - 1 : to);
}
/// Barriers: few tiles meet in two rounds; more gather over a tree with the first and are released
/// with the second. Few tiles end a body all-to-all with the second, too: who posts for the end has
/// passed all barriers before, so the others have arrived at those, and any token says as much.
constexpr unsigned kBarrier[2] = {13, 14};
/// Few tiles push with it, more hand weights on.
constexpr unsigned kSpare = 15;
/// Pushes of the tile before this one (round the ring), the one before that, and so on.
constexpr unsigned kPush[kMaxPushing - 1] = {kStreamData, kStreamFree, kSpare};

/// Up to this many tiles are few.
constexpr unsigned kMaxAllToAll = 4;
constexpr unsigned kTreeArity = 4;

/// A unit waits for another one before it has posted more tokens than kManyTokens beyond what that
/// is known to have taken; tokens found to be needed later are spread up to kMaxTokens.
constexpr std::size_t kManyTokens = 128;
constexpr std::size_t kMaxTokens = 200;

/// What the load unit adds to a page: it waits for the others, and loads their next pages and its
/// own.
constexpr std::size_t kTurnCommands = 1 + spec::NumUnits;

/// Whether commands of one unit may overlap in time and so need ordering among themselves. Matrix
/// and store only read the scratchpad; accumulator rows pass in order; vector passes don't overlap.
bool orders_itself(unsigned unit) { return unit != kLoad; }

}  // namespace

Schedule::Schedule(const std::vector<Place>& places, std::vector<Place> team,
                   unsigned page_commands)
    : team_(std::move(team)) {
  const auto same = [&](const Place& p) { return p.x == places[0].x && p.y == places[0].y; };
  first_ = static_cast<unsigned>(std::find_if(team_.begin(), team_.end(), same) - team_.begin());
  for (const Place& place : places) {
    tiles_.emplace_back();
    tiles_.back().place = place;
    for (auto& pages : tiles_.back().pages) pages.push_back(0);
  }
  // Loads are the most: barriers and halos are theirs.
  if (page_commands > 0) {
    page_limit_.fill(page_commands / 5);
    page_limit_[kLoad] = page_commands * 2 / 5;
  }
}

void Schedule::emit_prologue(unsigned tile, const spec::LoadCommand& command) {
  tiles_[tile].prologue.push_back(command);
  tiles_[tile].prologue_layers.push_back(layer_);
}

/// Commands of a unit that no scratchpad holds, or that take too long to load page by page. A plan
/// for too little memory may have millions.
constexpr std::size_t kHopeless = 4 * spec::ScratchpadBytes / spec::CommandBytes;
constexpr std::size_t kHopelessInPages = 16 * kHopeless;

void Schedule::add(unsigned index, spec::Unit which, const spec::CommandWords& words) {
  Tile& tile = tiles_[index];
  const auto unit = static_cast<unsigned>(which);
  make_room(index, unit);
  Command command;
  command.words = words;
  command.layer = layer_;
  command.input = input_;
  command.access = access_of(words, scratchpad_base(tile.place));

  // The last command of each unit that must have retired, as a count.
  Clock needs{};
  needs[kLoad] = tile.released[unit];
  for (unsigned u = 0; u < spec::NumUnits; ++u) {
    if (u == unit && orders_itself(u)) continue;
    const auto& others = tile.units[u];
    for (std::size_t i = others.size(); i > std::max(tile.known[unit][u], needs[u]); --i) {
      if (conflict(others[i - 1].access, command.access)) {
        needs[u] = i;
        break;
      }
    }
  }
  // Tokens that may not have been taken yet stay few enough for a counter.
  for (unsigned v = 0; v < spec::NumUnits; ++v) {
    const std::vector<std::size_t>& takers = tile.tokens[unit][v];
    const auto first = std::lower_bound(takers.begin(), takers.end(), tile.known[unit][v]);
    if (v == unit || takers.end() - first < static_cast<std::ptrdiff_t>(kManyTokens)) continue;
    needs[v] = std::max(needs[v], takers[takers.size() - kManyTokens / 2] + 1);
  }
  // A dependency that another one implies needs no token.
  for (unsigned u = 0; u < spec::NumUnits; ++u) {
    if (needs[u] <= tile.known[unit][u]) needs[u] = 0;
  }
  for (unsigned u = 0; u < spec::NumUnits; ++u) {
    for (unsigned v = 0; v < spec::NumUnits && needs[u] > 0; ++v) {
      if (v == u || needs[v] == 0) continue;
      if (tile.units[v][needs[v] - 1].known[u] >= needs[u]) needs[u] = 0;
    }
  }
  for (unsigned u = 0; u < spec::NumUnits; ++u) {
    if (needs[u] > 0) depend(tile, unit, command, u, needs[u]);
  }
  command.known = tile.known[unit];
  tile.units[unit].push_back(std::move(command));
  if (tile.units[unit].size() > (page_limit_[unit] == 0 ? kHopeless : kHopelessInPages))
    throw Error(kNoRoom, "the program");
}

/// `command`, the next of `unit`, waits until `count` commands of unit `on` have retired.
void Schedule::depend(Tile& tile, unsigned unit, Command& command, unsigned on, std::size_t count) {
  if (on + unit == kMatrix + kStore && on != unit && (on == kMatrix || on == kStore)) {
    throw Error("matrix and store wait for each other", "compiler");
  }
  std::vector<std::size_t>& takers = tile.tokens[on][unit];
  const auto in_flight = [&](std::size_t poster) {
    // Takers that the poster knows to have retired have taken their token.
    const std::size_t retired = tile.units[on][poster].known[unit];
    const auto taken = std::lower_bound(takers.begin(), takers.end(), retired) - takers.begin();
    return takers.size() + 1 - static_cast<std::size_t>(taken);
  };
  if (in_flight(count - 1) > kMaxTokens) count = tile.units[on].size();
  if (in_flight(count - 1) >= spec::SemaphoreMax) {
    throw Error("too many tokens between two units", "compiler");
  }
  Command& source = tile.units[on][count - 1];
  source.post |= static_cast<uint16_t>(1u << pair_semaphore(on, unit));
  command.wait |= static_cast<uint16_t>(1u << pair_semaphore(on, unit));
  takers.push_back(tile.units[unit].size());
  Clock& known = tile.known[unit];
  known[on] = count;
  for (unsigned v = 0; v < spec::NumUnits; ++v) known[v] = std::max(known[v], source.known[v]);
}

unsigned Schedule::handed_semaphore() const {
  return tiles() <= kMaxAllToAll ? kBarrier[0] : kSpare;
}

void Schedule::nop(unsigned tile, spec::Unit unit, uint16_t wait) {
  emit(tile, unit, spec::NopCommand{});
  tiles_[tile].units[static_cast<unsigned>(unit)].back().wait |= wait;
}

spec::NopCommand Schedule::remote_post(unsigned rank, unsigned semaphore) const {
  spec::NopCommand command;
  command.header.remote_en = true;
  command.header.remote_sem = static_cast<uint8_t>(semaphore);
  command.header.remote_x = static_cast<uint8_t>(team_[rank].x);
  command.header.remote_y = static_cast<uint8_t>(team_[rank].y);
  return command;
}

void Schedule::post_to(unsigned tile, spec::Unit unit, unsigned rank, unsigned semaphore) {
  emit(tile, unit, remote_post(rank, semaphore));
}

// Stores and loads of a tile are over when its store unit passes the first command of arrive(); the
// others go on when the load unit has passed await().
void Schedule::arrive(bool team) {
  if (arrived_) throw Error("barriers overlap", "compiler");
  arrived_ = true;
  team_barrier_ = team;
  for (unsigned t = 0; t < tiles(); ++t) {
    Tile& tile = tiles_[t];
    // Matrix and store have no tokens for each other.
    if (tile.known[kStore][kMatrix] < tile.units[kMatrix].size()) tell_vector(t, kMatrix);
    make_room(t, kStore);
    // The store unit learns that all others have retired what they have.
    Command first;
    first.words = spec::NopCommand{}.encode();
    first.layer = layer_;
    first.input = input_;
    for (const unsigned u : {kVector, kMatrix, kLoad}) {
      const std::size_t count = tile.units[u].size();
      if (count > tile.known[kStore][u]) depend(tile, kStore, first, u, count);
    }
    first.known = tile.known[kStore];
    if (tiles() <= kMaxAllToAll) {
      meet(t, std::move(first));
      continue;
    }
    tile.units[kStore].push_back(std::move(first));
    for (unsigned child = t * kTreeArity + 1;
         child <= t * kTreeArity + kTreeArity && child < tiles(); ++child) {
      nop(t, spec::Unit::Store, 1u << kBarrier[0]);
    }
    if (t > 0) post_to(t, spec::Unit::Store, rank((t - 1) / kTreeArity), kBarrier[0]);
    tile.arrived = tile.units[kStore].size();
  }
}

/// The rounds of a barrier of few tiles: each tells the next one that it is there, then the next
/// but one that it and the one before it are (Hensgen, Finkel, Manber, "Two algorithms for barrier
/// synchronization", 1988). A post of a round always comes from the same tile, so it may be early.
void Schedule::meet(unsigned index, Command first) {
  Tile& tile = tiles_[index];
  const unsigned count = team_barrier_ ? team() : tiles();
  const auto post = [&](Command& command, unsigned distance, unsigned round) {
    const unsigned other =
        team_barrier_ ? (rank(index) + distance) % count : rank((index + distance) % count);
    const auto words = remote_post(other, kBarrier[round]).encode();
    for (std::size_t i = 0; i < words.size(); ++i) command.words[i] |= words[i];
  };
  if (count > 1) post(first, 1, 0);
  tile.units[kStore].push_back(std::move(first));
  if (count > 2) {
    nop(index, spec::Unit::Store, 1u << kBarrier[0]);
    post(tile.units[kStore].back(), 2, 1);
  }
  tile.arrived = tile.units[kStore].size();
}

void Schedule::await() {
  if (!arrived_) throw Error("no barrier to wait for", "compiler");
  arrived_ = false;
  for (unsigned t = 0; t < tiles(); ++t) {
    Tile& tile = tiles_[t];
    make_room(t, kLoad);
    Command first;
    first.words = spec::NopCommand{}.encode();
    first.layer = layer_;
    first.input = input_;
    // Unless a page was turned since.
    if (tile.known[kLoad][kStore] < tile.arrived) depend(tile, kLoad, first, kStore, tile.arrived);
    first.known = tile.known[kLoad];
    const unsigned count = team_barrier_ ? team() : tiles();
    if (count > 1 && count <= kMaxAllToAll)
      first.wait |= static_cast<uint16_t>(1u << kBarrier[count > 2 ? 1 : 0]);
    tile.units[kLoad].push_back(std::move(first));
    if (tiles() > kMaxAllToAll) {
      if (t > 0) nop(t, spec::Unit::Load, 1u << kBarrier[1]);
      for (unsigned child = t * kTreeArity + 1;
           child <= t * kTreeArity + kTreeArity && child < tiles(); ++child) {
        post_to(t, spec::Unit::Load, rank(child), kBarrier[1]);
      }
    }
    for (const unsigned u : {kMatrix, kVector, kStore}) tile.released[u] = tile.units[kLoad].size();
  }
}

void Schedule::meet_team() {
  arrive(true);
  await();
}

void Schedule::settle_stores() {
  for (unsigned t = 0; t < tiles(); ++t) tell_vector(t, kStore);
}

/// The vector unit waits for what a unit has, unless it knows it to be retired.
void Schedule::tell_vector(unsigned index, unsigned on) {
  Tile& tile = tiles_[index];
  if (tile.known[kVector][on] >= tile.units[on].size()) return;
  make_room(index, kVector);
  const std::size_t count = tile.units[on].size();
  if (tile.known[kVector][on] >= count) return;
  Command last;
  last.words = spec::NopCommand{}.encode();
  last.layer = layer_;
  last.input = input_;
  depend(tile, kVector, last, on, count);
  last.known = tile.known[kVector];
  tile.units[kVector].push_back(std::move(last));
}

uint16_t Schedule::pushed(unsigned tile, unsigned from) const {
  const unsigned distance = (tile + tiles() - from) % tiles();
  return static_cast<uint16_t>(1u << kPush[distance - 1]);
}

void Schedule::push(unsigned tile, unsigned to, uint32_t from_address, uint32_t to_address,
                    uint32_t bytes) {
  const Place& other = tiles_[to].place;
  spec::StoreCommand command;
  command.header.remote_en = true;
  command.header.remote_sem = kPush[(to + tiles() - tile) % tiles() - 1];
  command.header.remote_x = static_cast<uint8_t>(other.x);
  command.header.remote_y = static_cast<uint8_t>(other.y);
  command.addr = scratchpad_base(other) + to_address;
  command.local_addr = from_address;
  command.run = bytes;
  command.count0 = command.count1 = 1;
  emit(tile, spec::Unit::Store, command);
  tiles_[to].pushes.emplace_back();
  tiles_[to].pushes.back().writes = region(to_address, bytes, {});
}

void Schedule::take(unsigned tile, uint16_t tokens, Interval bytes) {
  nop(tile, spec::Unit::Matrix, tokens);
  if (bytes.lo < bytes.hi) tiles_[tile].units[kMatrix].back().access.read(Region(bytes));
}

/// Whether what others push early in a body disturbs stores of the body before that may not have
/// ended.
bool Schedule::pushes_meet_stores() const {
  for (const Tile& tile : tiles_) {
    const auto& stores = tile.units[kStore];
    for (std::size_t s = tile.known[kVector][kStore]; s < stores.size(); ++s) {
      for (const Access& push : tile.pushes) {
        if (conflict(stores[s].access, push)) return true;
      }
    }
  }
  return false;
}

void Schedule::finish() {
  for (const Tile& tile : tiles_) {
    phases_ = std::max(phases_, static_cast<unsigned>(tile.pages[kLoad].size()));
  }
  if (phases_ == 1) {  // the barrier between bodies comes with assembly
    if (pushes_meet_stores()) settle_stores();
    return;
  }
  arrive();
  await();
  for (const Tile& tile : tiles_) {
    phases_ = std::max(phases_, static_cast<unsigned>(tile.pages[kLoad].size()));
  }
  for (Tile& tile : tiles_) {
    while (tile.pages[kLoad].size() < phases_) {
      for (unsigned u = 0; u < spec::NumUnits; ++u) tile.pages[u].push_back(tile.units[u].size());
    }
  }
}

// ------------------------------------------------------------------------------------------- pages

void Schedule::make_room(unsigned index, unsigned unit) {
  const Tile& tile = tiles_[index];
  const std::size_t length = tile.units[unit].size() - tile.pages[unit].back();
  if (page_limit_[unit] > 0 && length >= page_limit_[unit]) turn_page(index);
}

void Schedule::turn_page(unsigned index) {
  Tile& tile = tiles_[index];
  for (unsigned u = 0; u < spec::NumUnits; ++u) {
    tile.pages[u].push_back(tile.units[u].size());
    for (unsigned v = 0; v < spec::NumUnits; ++v) tile.known[u][v] = tile.units[v].size();
  }
}

/// Commands of one page, without what the load unit adds to turn it.
std::size_t Schedule::page_length(const Tile& tile, unsigned unit, unsigned phase) const {
  const auto& pages = tile.pages[unit];
  const std::size_t end = phase + 1 < pages.size() ? pages[phase + 1] : tile.units[unit].size();
  return end - pages[phase];
}

/// Commands of the place that all pages of a unit have in common.
std::size_t Schedule::region_length(const Tile& tile, unsigned unit) const {
  std::size_t length = 0;
  for (unsigned phase = 0; phase < tile.pages[unit].size(); ++phase) {
    length = std::max(length, page_length(tile, unit, phase));
  }
  return length + (unit == kLoad ? kTurnCommands : 0);
}

uint64_t Schedule::page_bytes(unsigned index) const {
  if (phases_ == 1) return 0;
  std::size_t commands = 0;
  for (unsigned u = 0; u < spec::NumUnits; ++u) commands += region_length(tiles_[index], u);
  return uint64_t{phases_} * commands * spec::CommandBytes;
}

// ---------------------------------------------------------------------------------------- assembly

namespace {

uint16_t mask(unsigned semaphore) { return static_cast<uint16_t>(1u << semaphore); }

/// Launch parameters have grown by `phase` steps since the input's first page: takes them off.
void rewind_records(spec::CommandWords& words, unsigned phase, const Schedule::Layout& layout) {
  const auto header = spec::CommandHeader::decode(words);
  if (!header.sel0_en || header.sel0_param > 1) return;
  const uint64_t step = header.sel0_param == 0 ? layout.input_step : layout.output_step;
  const uint64_t address = (uint64_t{words[5]} << 32 | words[4]) - phase * step;
  words[4] = static_cast<uint32_t>(address);
  words[5] = static_cast<uint32_t>(address >> 32) & 0xffff;
}

}  // namespace

/// Constants; then the word that all tiles have been launched: a post before its launch would be a
/// fault. The last tile launched gives it, and others hand it on.
std::vector<Schedule::Line> Schedule::prologue(unsigned index, unsigned unit) const {
  const Tile& tile = tiles_[index];
  std::vector<Line> program;
  const auto plain = [&](const spec::CommandWords& words, int layer) {
    Line command;
    command.words = words;
    command.layer = layer;
    program.push_back(std::move(command));
  };
  if (unit == kLoad) {
    for (std::size_t i = 0; i < tile.prologue.size(); ++i) {
      plain(tile.prologue[i].encode(), tile.prologue_layers[i]);
    }
    const unsigned launched = team() - 1 - rank(index);  // so many are launched behind it
    if (launched > 0) {
      plain(spec::NopCommand{}.encode(), -1);
      program.back().wait = mask(kBarrier[1]);
    }
    for (unsigned child = launched * kTreeArity + 1;
         child <= launched * kTreeArity + kTreeArity && child < team(); ++child) {
      plain(remote_post(team() - 1 - child, kBarrier[1]).encode(), -1);
    }
    plain(spec::NopCommand{}.encode(), -1);
    for (unsigned u = 0; u < spec::NumUnits; ++u) {
      program.back().post |= mask(pair_semaphore(kLoad, u));
    }
  }
  plain(spec::NopCommand{}.encode(), -1);
  program.back().wait = mask(pair_semaphore(kLoad, unit));
  if (phases_ > 1) return program;
  // As if a body had ended before.
  if (unit == kVector) {
    const std::vector<Line> arrived = arrival(index);
    program.insert(program.end(), arrived.begin(), arrived.end());
  }
  if (unit == kStore) program.push_back(stores_ended(overlap(tile)));
  return program;
}

// ----------------------------------------------------------------------------- from body to body

namespace {

bool is_input_load(const spec::CommandWords& words) {
  const auto header = spec::CommandHeader::decode(words);
  return header.opcode == spec::Opcode::Fill ||
         (header.opcode == spec::Opcode::Load && header.sel0_en && header.sel0_param == 0);
}

}  // namespace

/// The first loads of a body, of the input record, that nothing of the body before can disturb:
/// what touches their memory there has ended, as far as the load unit knows at its end.
std::size_t Schedule::early_loads(const Tile& tile) const {
  const std::vector<Command>& loads = tile.units[kLoad];
  unsigned posted = 0;
  std::size_t early = 0;
  for (; early < loads.size(); ++early) {
    const Command& load = loads[early];
    // One token to a unit at most: with the barrier's there are two, and the unit takes both before
    // it begins.
    if (!is_input_load(load.words) || load.wait != 0 || (load.post & posted) != 0) break;
    posted |= load.post;
  }
  const auto disturbed = [&](const Command& load) {
    for (unsigned u = 0; u < spec::NumUnits; ++u) {
      const auto& others = tile.units[u];
      for (std::size_t j = std::max(tile.known[kLoad][u], u == kLoad ? early : 0);
           j < others.size(); ++j) {
        if (conflict(load.access, others[j].access)) return true;
      }
    }
    return false;
  };
  // Fewer loads are disturbed by more of the others.
  for (std::size_t i = 0; i < early;) {
    if (disturbed(loads[i])) {
      early = i;
      i = 0;
    } else {
      ++i;
    }
  }
  return early;
}

Schedule::Overlap Schedule::overlap(const Tile& tile) const {
  Overlap out;
  out.early = early_loads(tile);
  // Stores whose end the vector unit does not know when it ends.
  const auto& stores = tile.units[kStore];
  for (const unsigned u : {kLoad, kVector}) {
    const auto& commands = tile.units[u];
    const auto token = mask(pair_semaphore(kStore, u));
    std::size_t first = u == kLoad ? out.early : 0;
    for (; first < commands.size() && !out.stores_before[u]; ++first) {
      // Tokens are taken in the order in which they are given: this one before any other.
      bool here = (commands[first].wait & token) != 0;
      for (std::size_t s = tile.known[kVector][kStore]; s < stores.size() && !here; ++s) {
        here = conflict(stores[s].access, commands[first].access);
      }
      if (!here) continue;
      out.stores_before[u] = first;
    }
    // Only if there is a conflict at all.
    bool any = false;
    for (const Command& command : commands) {
      for (std::size_t s = tile.known[kVector][kStore]; s < stores.size() && !any; ++s) {
        any = conflict(stores[s].access, command.access);
      }
    }
    if (!any) out.stores_before[u].reset();
  }
  return out;
}

/// The vector unit of a tile says that its body is over, but for stores.
std::vector<Schedule::Line> Schedule::arrival(unsigned index) const {
  const unsigned self = rank(index);
  std::vector<Line> program(1);
  program[0].words = spec::NopCommand{}.encode();
  program[0].post = mask(pair_semaphore(kVector, kLoad));
  const auto remote = [&](unsigned other, unsigned semaphore) {
    program.emplace_back();
    program.back().words = remote_post(other, semaphore).encode();
  };
  if (team() <= kMaxAllToAll) {
    for (unsigned other = 0; other < team(); ++other) {
      if (other != self) remote(other, kBarrier[1]);
    }
    return program;
  }
  for (unsigned child = self * kTreeArity + 1;
       child <= self * kTreeArity + kTreeArity && child < team(); ++child) {
    program.emplace_back();
    program.back().words = spec::NopCommand{}.encode();
    program.back().wait = mask(kBarrier[0]);
  }
  if (self > 0) remote((self - 1) / kTreeArity, kBarrier[0]);
  // The root's load unit goes on when all have arrived.
  std::swap(program.front().post, program.back().post);
  return program;
}

/// The load unit waits until all tiles have said so.
std::vector<Schedule::Line> Schedule::release(unsigned index) const {
  const unsigned self = rank(index);
  std::vector<Line> program(1);
  program[0].words = spec::NopCommand{}.encode();
  program[0].wait = mask(pair_semaphore(kVector, kLoad));
  const auto wait = [&](unsigned semaphore) {
    program.emplace_back();
    program.back().words = spec::NopCommand{}.encode();
    program.back().wait = mask(semaphore);
  };
  if (team() <= kMaxAllToAll) {
    for (unsigned other = 1; other < team(); ++other) wait(kBarrier[1]);
    return program;
  }
  if (self > 0) wait(kBarrier[1]);
  for (unsigned child = self * kTreeArity + 1;
       child <= self * kTreeArity + kTreeArity && child < team(); ++child) {
    program.emplace_back();
    program.back().words = remote_post(child, kBarrier[1]).encode();
  }
  return program;
}

/// Tokens for those who wait for the stores of a body.
Schedule::Line Schedule::stores_ended(const Overlap& overlap) {
  Line command;
  command.words = spec::NopCommand{}.encode();
  for (const unsigned u : {kLoad, kVector}) {
    if (overlap.stores_before[u]) command.post |= mask(pair_semaphore(kStore, u));
  }
  return command;
}

std::vector<Schedule::Line> Schedule::body(unsigned index, unsigned unit,
                                           const Overlap& overlap) const {
  const Tile& tile = tiles_[index];
  Line nop;
  nop.words = spec::NopCommand{}.encode();
  std::vector<Line> out;
  const auto append = [&](const std::vector<Line>& commands) {
    out.insert(out.end(), commands.begin(), commands.end());
  };
  if (unit != kLoad) {
    out.push_back(nop);
    out.back().wait = mask(pair_semaphore(kLoad, unit));
  }
  for (std::size_t i = 0; i <= tile.units[unit].size(); ++i) {
    if (unit == kLoad && i == overlap.early) {
      append(release(index));
      for (const unsigned u : {kMatrix, kVector, kStore}) {
        out.back().post |= mask(pair_semaphore(kLoad, u));
      }
    }
    if (overlap.stores_before[unit] == i) {
      out.push_back(nop);
      out.back().wait = mask(pair_semaphore(kStore, unit));
    }
    if (i < tile.units[unit].size()) out.push_back(tile.units[unit][i]);
  }
  // The end of a body: the vector unit knows of all but the stores.
  if (unit == kLoad || unit == kMatrix) {
    out.push_back(nop);
    out.back().post = mask(pair_semaphore(unit, kVector));
  } else if (unit == kVector) {
    out.push_back(nop);
    out.back().wait = mask(pair_semaphore(kLoad, kVector)) | mask(pair_semaphore(kMatrix, kVector));
    append(arrival(index));
  } else {
    out.push_back(stores_ended(overlap));
  }
  return out;
}

/// Behind the last body: takes what the next one would have taken.
std::vector<Schedule::Line> Schedule::epilogue(unsigned index, unsigned unit,
                                               const Overlap& overlap) const {
  std::vector<Line> out;
  if (unit == kLoad) out = release(index);
  if (overlap.stores_before[unit]) {
    out.emplace_back();
    out.back().words = spec::NopCommand{}.encode();
    out.back().wait = mask(pair_semaphore(kStore, unit));
  }
  return out;
}

// ------------------------------------------------------------------------------------------- image

/// Behind a page, always the same: the others say that they are done, and wait until the load unit
/// has the next page. The last Nop keeps the commands of that page from being fetched before.
std::vector<Schedule::Line> Schedule::tail(unsigned unit) const {
  std::vector<Line> program(3);
  for (Line& command : program) command.words = spec::NopCommand{}.encode();
  if (unit == kLoad) {
    program[0].wait = mask(pair_semaphore(kLoad, kLoad));
    for (const unsigned u : {kMatrix, kVector, kStore}) {
      program[1].post |= mask(pair_semaphore(kLoad, u));
    }
  } else {
    program[0].post = mask(pair_semaphore(unit, kLoad));
    program[1].wait = mask(pair_semaphore(kLoad, unit));
  }
  return program;
}

/// The commands of a page, filled up with Nops.
std::vector<Schedule::Line> Schedule::page(unsigned index, unsigned unit, unsigned phase,
                                           const Layout& layout) const {
  const Tile& tile = tiles_[index];
  const std::size_t length = region_length(tile, unit);
  const auto begin =
      tile.units[unit].begin() + static_cast<std::ptrdiff_t>(tile.pages[unit][phase]);
  std::vector<Line> out(begin, begin + static_cast<std::ptrdiff_t>(page_length(tile, unit, phase)));
  for (Line& command : out) rewind_records(command.words, phase, layout);
  Line filler;
  filler.words = spec::NopCommand{}.encode();
  while (out.size() + (unit == kLoad ? kTurnCommands : 0) < length) out.push_back(filler);
  if (unit != kLoad) return out;
  // When the others are at their tails: the next page, of the load unit itself last.
  out.push_back(filler);
  for (const unsigned u : {kMatrix, kVector, kStore})
    out.back().wait |= mask(pair_semaphore(u, kLoad));
  Address from = layout.pages[index] + (phase + 1) % phases_ * (page_bytes(index) / phases_);
  for (const unsigned u : {kMatrix, kVector, kStore, kLoad}) {
    spec::LoadCommand load;
    load.addr = from;
    load.local_addr = layout.local + static_cast<uint32_t>(region_offset(index, u));
    load.run = static_cast<uint32_t>(region_length(tile, u) * spec::CommandBytes);
    load.count0 = load.count1 = 1;
    from += load.run;
    Line command = filler;
    if (load.run > 0) command.words = load.encode();
    if (u == kLoad) command.post = mask(pair_semaphore(kLoad, kLoad));
    out.push_back(std::move(command));
  }
  return out;
}

/// Bytes from the image's begin to the unit's page.
std::size_t Schedule::region_offset(unsigned index, unsigned unit) const {
  std::size_t commands = 0;
  for (unsigned u = 0; u <= unit; ++u) {
    commands += prologue(index, u).size();
    // A page, its tail, Loop and End.
    if (u < unit) commands += region_length(tiles_[index], u) + tail(u).size() + 2;
  }
  return commands * spec::CommandBytes;
}

uint32_t Schedule::image_bytes() const {
  std::size_t most = 0;
  for (unsigned t = 0; t < tiles(); ++t) {
    std::size_t commands = 0;
    const Overlap overlapped = phases_ > 1 ? Overlap{} : overlap(tiles_[t]);
    for (unsigned u = 0; u < spec::NumUnits; ++u) {
      commands += prologue(t, u).size() + 2;
      if (phases_ > 1) {
        commands += region_length(tiles_[t], u) + tail(u).size();
      } else {
        commands += body(t, u, overlapped).size() + epilogue(t, u, overlapped).size();
      }
    }
    most = std::max(most, commands);
  }
  return static_cast<uint32_t>(most * spec::CommandBytes);
}

TileProgram Schedule::assemble(unsigned index, const Layout& layout) const {
  const Tile& tile = tiles_[index];
  TileProgram out;
  out.x = tile.place.x;
  out.y = tile.place.y;
  out.local = layout.local;
  const auto append = [&](const Line& command) {
    spec::CommandWords words = command.words;
    words[1] |= command.wait | static_cast<uint32_t>(command.post) << 16;
    const std::size_t at = out.image.size();
    out.image.resize(at + spec::CommandBytes);
    std::memcpy(out.image.data() + at, words.data(), spec::CommandBytes);
  };
  const Overlap overlapped = overlap(tile);
  for (unsigned u = 0; u < spec::NumUnits; ++u) {
    out.program[u] = layout.local + static_cast<uint32_t>(out.image.size());
    const std::vector<Line> before = prologue(index, u);
    const std::vector<Line> behind = phases_ > 1 ? tail(u) : std::vector<Line>{};
    const std::vector<Line> last =
        phases_ > 1 ? std::vector<Line>{} : epilogue(index, u, overlapped);
    for (unsigned phase = 0; phase < phases_; ++phase) {
      std::vector<Line> program = before;
      const std::vector<Line> commands =
          phases_ > 1 ? page(index, u, phase, layout) : body(index, u, overlapped);
      program.insert(program.end(), commands.begin(), commands.end());
      program.insert(program.end(), behind.begin(), behind.end());
      Line loop, end;
      loop.words =
          spec::LoopCommand{{spec::Opcode::Loop}, static_cast<uint16_t>(before.size())}.encode();
      end.words = spec::EndCommand{}.encode();
      program.push_back(loop);
      program.insert(program.end(), last.begin(), last.end());
      program.push_back(end);
      for (const Line& command : program) {
        if (phase == 0) append(command);
        out.layer_of_command[u].push_back(command.layer);
        out.input_of_command[u].push_back(command.input);
      }
    }
  }
  return out;
}

std::vector<uint8_t> Schedule::pages(unsigned index, const Layout& layout) const {
  std::vector<uint8_t> out;
  for (unsigned phase = 0; phase < phases_; ++phase) {
    for (const unsigned u : {kMatrix, kVector, kStore, kLoad}) {
      for (const Line& command : page(index, u, phase, layout)) {
        spec::CommandWords words = command.words;
        words[1] |= command.wait | static_cast<uint32_t>(command.post) << 16;
        const auto* bytes = reinterpret_cast<const uint8_t*>(words.data());
        out.insert(out.end(), bytes, bytes + spec::CommandBytes);
      }
    }
  }
  return out;
}

}  // namespace systole::compile
