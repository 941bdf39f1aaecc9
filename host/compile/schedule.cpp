#include "host/compile/schedule.hpp"

#include <algorithm>
#include <cstring>

#include "host/command/error.hpp"

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
/// Barriers: all-to-all alternates between the first two, since a tile may be one barrier ahead of
/// another, and ends a body with the third; a tree gathers with the first and releases with the
/// second.
constexpr unsigned kBarrier[3] = {13, 14, 15};

/// Up to this many tiles meet all-to-all, more over a tree.
constexpr unsigned kMaxAllToAll = 4;
constexpr unsigned kTreeArity = 4;

/// A unit waits for another one before it has posted more tokens than kManyTokens beyond what that
/// is known to have taken; tokens found to be needed later are spread up to kMaxTokens.
constexpr std::size_t kManyTokens = 128;
constexpr std::size_t kMaxTokens = 200;

/// Whether commands of one unit may overlap in time and so need ordering among themselves. Matrix
/// and store only read the scratchpad; accumulator rows pass in order; vector passes don't overlap.
bool orders_itself(unsigned unit) { return unit != kLoad; }

}  // namespace

Schedule::Schedule(std::vector<Place> places) {
  for (const Place& place : places) {
    tiles_.emplace_back();
    tiles_.back().place = place;
  }
}

void Schedule::emit_prologue(unsigned tile, const spec::LoadCommand& command) {
  tiles_[tile].prologue.push_back(command);
  tiles_[tile].prologue_layers.push_back(layer_);
}

void Schedule::add(unsigned index, spec::Unit which, const spec::CommandWords& words) {
  Tile& tile = tiles_[index];
  const auto unit = static_cast<unsigned>(which);
  Command command;
  command.words = words;
  command.layer = layer_;
  command.access = access_of(words);

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

void Schedule::nop(unsigned tile, spec::Unit unit, uint16_t wait) {
  emit(tile, unit, spec::NopCommand{});
  tiles_[tile].units[static_cast<unsigned>(unit)].back().wait |= wait;
}

spec::NopCommand Schedule::remote_post(unsigned other, unsigned semaphore) const {
  spec::NopCommand command;
  command.header.remote_en = true;
  command.header.remote_sem = static_cast<uint8_t>(semaphore);
  command.header.remote_x = static_cast<uint8_t>(tiles_[other].place.x);
  command.header.remote_y = static_cast<uint8_t>(tiles_[other].place.y);
  return command;
}

void Schedule::post_to(unsigned tile, spec::Unit unit, unsigned other, unsigned semaphore) {
  emit(tile, unit, remote_post(other, semaphore));
}

// Stores and loads of a tile are over when its store unit passes the first command of arrive(); the
// others go on when the load unit has passed await().
void Schedule::arrive() {
  if (arrived_) throw Error("barriers overlap", "compiler");
  arrived_ = true;
  for (unsigned t = 0; t < tiles(); ++t) {
    Tile& tile = tiles_[t];
    // The store unit learns that all others have retired what they have.
    Command first;
    first.words = spec::NopCommand{}.encode();
    first.layer = layer_;
    for (const unsigned u : {kVector, kMatrix, kLoad}) {
      const std::size_t count = tile.units[u].size();
      if (count > tile.known[kStore][u]) depend(tile, kStore, first, u, count);
    }
    first.known = tile.known[kStore];
    tile.units[kStore].push_back(std::move(first));
    if (tiles() <= kMaxAllToAll) {
      for (unsigned other = 0; other < tiles(); ++other) {
        if (other != t) post_to(t, spec::Unit::Store, other, kBarrier[barrier_]);
      }
      continue;
    }
    for (unsigned child = t * kTreeArity + 1;
         child <= t * kTreeArity + kTreeArity && child < tiles(); ++child) {
      nop(t, spec::Unit::Store, 1u << kBarrier[0]);
    }
    if (t > 0) post_to(t, spec::Unit::Store, (t - 1) / kTreeArity, kBarrier[0]);
  }
}

void Schedule::await() {
  if (!arrived_) throw Error("no barrier to wait for", "compiler");
  arrived_ = false;
  for (unsigned t = 0; t < tiles(); ++t) {
    Tile& tile = tiles_[t];
    Command first;
    first.words = spec::NopCommand{}.encode();
    first.layer = layer_;
    depend(tile, kLoad, first, kStore, tile.units[kStore].size());
    first.known = tile.known[kLoad];
    tile.units[kLoad].push_back(std::move(first));
    if (tiles() <= kMaxAllToAll) {
      for (unsigned other = 1; other < tiles(); ++other) {
        nop(t, spec::Unit::Load, 1u << kBarrier[barrier_]);
      }
    } else {
      if (t > 0) nop(t, spec::Unit::Load, 1u << kBarrier[1]);
      for (unsigned child = t * kTreeArity + 1;
           child <= t * kTreeArity + kTreeArity && child < tiles(); ++child) {
        post_to(t, spec::Unit::Load, child, kBarrier[1]);
      }
    }
    for (const unsigned u : {kMatrix, kVector, kStore}) tile.released[u] = tile.units[kLoad].size();
  }
  barrier_ = 1 - barrier_ % 2;
}

void Schedule::finish() {
  barrier_ = 2;
  arrive();
  await();
  for (unsigned t = 0; t < tiles(); ++t) {
    for (const unsigned u : {kMatrix, kVector, kStore}) nop(t, static_cast<spec::Unit>(u), 0);
  }
}

/// The unit's whole program: prologue, body, Loop, End.
std::vector<Schedule::Command> Schedule::finished(unsigned index, unsigned unit) const {
  const Tile& tile = tiles_[index];
  std::vector<Command> program;
  const auto plain = [&](const spec::CommandWords& words, int layer) {
    Command command;
    command.words = words;
    command.layer = layer;
    program.push_back(std::move(command));
  };
  // Constants; then the word that all tiles have been launched: a post before its launch would be a
  // fault. The last tile launched gives it, and others hand it on.
  if (unit == kLoad) {
    for (std::size_t i = 0; i < tile.prologue.size(); ++i) {
      plain(tile.prologue[i].encode(), tile.prologue_layers[i]);
    }
    const unsigned rank = tiles() - 1 - index;
    if (rank > 0) {
      plain(spec::NopCommand{}.encode(), -1);
      program.back().wait = static_cast<uint16_t>(1u << kBarrier[1]);
    }
    for (unsigned child = rank * kTreeArity + 1;
         child <= rank * kTreeArity + kTreeArity && child < tiles(); ++child) {
      plain(remote_post(tiles() - 1 - child, kBarrier[1]).encode(), -1);
    }
    plain(spec::NopCommand{}.encode(), -1);
    for (unsigned u = 0; u < spec::NumUnits; ++u) {
      program.back().post |= static_cast<uint16_t>(1u << pair_semaphore(kLoad, u));
    }
  }
  plain(spec::NopCommand{}.encode(), -1);
  program.back().wait = static_cast<uint16_t>(1u << pair_semaphore(kLoad, unit));
  spec::LoopCommand loop;
  loop.target = static_cast<uint16_t>(program.size());
  program.insert(program.end(), tile.units[unit].begin(), tile.units[unit].end());
  plain(loop.encode(), -1);
  plain(spec::EndCommand{}.encode(), -1);
  for (Command& command : program) {
    command.words[1] |= command.wait | static_cast<uint32_t>(command.post) << 16;
  }
  return program;
}

uint32_t Schedule::image_bytes() const {
  std::size_t most = 0;
  for (const Tile& tile : tiles_) {
    std::size_t commands = 0;
    for (unsigned u = 0; u < spec::NumUnits; ++u) {
      // Prologue and its Nops, Loop and End.
      commands +=
          tile.units[u].size() + (u == kLoad ? tile.prologue.size() + kTreeArity + 2 : 0) + 3;
    }
    most = std::max(most, commands);
  }
  return static_cast<uint32_t>(most * spec::CommandBytes);
}

TileProgram Schedule::assemble(unsigned index, uint32_t local) const {
  const Tile& tile = tiles_[index];
  TileProgram out;
  out.x = tile.place.x;
  out.y = tile.place.y;
  out.local = local;
  for (unsigned u = 0; u < spec::NumUnits; ++u) {
    out.program[u] = local + static_cast<uint32_t>(out.image.size());
    for (const Command& command : finished(index, u)) {
      const std::size_t at = out.image.size();
      out.image.resize(at + spec::CommandBytes);
      std::memcpy(out.image.data() + at, command.words.data(), spec::CommandBytes);
      out.layer_of_command[u].push_back(command.layer);
    }
  }
  return out;
}

}  // namespace systole::compile
