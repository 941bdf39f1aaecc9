#include "host/golden/functional_model.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <random>

#include "host/command/error.hpp"

namespace systole::golden {
namespace {

constexpr spec::Unit kUnits[] = {spec::Unit::Load, spec::Unit::Matrix, spec::Unit::Vector,
                                 spec::Unit::Store};

std::size_t index_of(spec::Unit unit) { return static_cast<std::size_t>(unit); }

/// The tile whose aperture holds `address`, if any.
std::optional<Node> tile_of(Address address) {
  if (address < spec::TileBase || address >= 2 * spec::TileBase) return std::nullopt;
  const Address local = address - spec::TileBase;
  return Node{static_cast<unsigned>(local >> spec::TileColShift & 0xff),
              static_cast<unsigned>(local >> spec::TileRowShift)};
}

std::string names_of(unsigned mask) {
  std::string names;
  for (unsigned i = 0; i < spec::NumSemaphores; ++i) {
    if ((mask >> i & 1) != 0) names += fmt::format("{}{}", names.empty() ? "" : ", ", i);
  }
  return names;
}

}  // namespace

bool Windows::allows(Address address, std::size_t bytes, bool write) const {
  const Address first = address / spec::WindowGranuleBytes;
  const Address last = (address + bytes - 1) / spec::WindowGranuleBytes;
  for (unsigned i = 0; i < spec::NumWindows; ++i) {
    const bool permitted = (perm >> (2 * i + (write ? 1 : 0)) & 1) != 0;
    if (permitted && first >= base[i] && last <= limit[i]) return true;
  }
  return false;
}

FunctionalModel::FunctionalModel(const ChipConfig& config, std::size_t host_memory_bytes)
    : machine_(config, host_memory_bytes) {}

void FunctionalModel::set_windows(Node node, const Windows& windows) {
  tile(node).windows = windows;
}

void FunctionalModel::launch(Node node, const Launch& launch) {
  Tile& state = tile(node);
  state.semaphores.fill(0);
  for (const spec::Unit unit : kUnits) {
    Unit& u = state.units[index_of(unit)];
    u = Unit{};
    u.walker = ProgramWalker(unit, launch);
    u.ended = false;
  }
}

Step& FunctionalModel::look_ahead(Node node, spec::Unit unit, std::size_t index) {
  Unit& u = tile(node).units[index_of(unit)];
  while (u.ahead.size() <= index) {
    u.ahead.push_back(u.walker.next(machine_.tile(node).scratchpad));
    u.took_effect.push_back(false);
  }
  return u.ahead[index];
}

Fault FunctionalModel::check_windows(Node node, const Step& step) const {
  const auto check = [&](const auto& c, bool write) -> Fault {
    const Windows& windows = tiles_.at({node.x, node.y}).windows;
    for (int64_t i1 = 0; i1 < c.count1; ++i1) {
      for (int64_t i0 = 0; i0 < c.count0; ++i0) {
        const auto address =
            static_cast<Address>(static_cast<int64_t>(c.addr) + i1 * c.gstride1 + i0 * c.gstride0);
        const std::optional<Node> own = tile_of(address);
        const bool ok = (own && *own == node) || windows.allows(address, c.run, write);
        if (!ok) return {spec::Fault::Window, address};
      }
    }
    return {};
  };
  if (step.header.opcode == spec::Opcode::Load)
    return check(spec::LoadCommand::decode(step.words), false);
  if (step.header.opcode == spec::Opcode::Store)
    return check(spec::StoreCommand::decode(step.words), true);
  return {};
}

Executed FunctionalModel::perform(Node node, spec::Unit unit, const Step& step,
                                  std::optional<TileFault>& fault) {
  Executed executed{node, unit, step, {}};
  if (step.fault != spec::Fault::None) {
    fault = TileFault{node, unit, step.pc, {step.fault, step.info}};
    return executed;
  }
  if (step.is_internal()) return executed;
  Fault found = check_windows(node, step);
  if (!found) found = execute(machine_, node, step.words, &executed.written);
  if (found) fault = TileFault{node, unit, step.pc, found};
  return executed;
}

Opinion FunctionalModel::opinion(Node node, spec::Unit unit) const {
  FunctionalModel copy = *this;
  const Step step = copy.peek(node, unit);
  std::optional<TileFault> fault;
  copy.perform(node, unit, step, fault);
  return {step, fault ? fault->fault : Fault{}};
}

// ------------------------------------------------------------------------------------------- alone

bool FunctionalModel::ready(const Tile& tile, const Step& step) const {
  for (unsigned i = 0; i < spec::NumSemaphores; ++i) {
    if ((step.header.wait_mask >> i & 1) != 0 && tile.semaphores[i] == 0) return false;
  }
  return true;
}

void FunctionalModel::take(Tile& tile, const Step& step) {
  for (unsigned i = 0; i < spec::NumSemaphores; ++i) {
    if ((step.header.wait_mask >> i & 1) != 0) --tile.semaphores[i];
  }
}

std::optional<TileFault> FunctionalModel::post(Node node, spec::Unit unit, const Step& step) {
  const auto add = [&](Tile& tile, unsigned semaphore) {
    return ++tile.semaphores[semaphore] <= spec::SemaphoreMax;
  };
  bool ok = true;
  for (unsigned i = 0; i < spec::NumSemaphores; ++i) {
    if ((step.header.post_mask >> i & 1) != 0) ok = add(tile(node), i) && ok;
  }
  if (step.header.remote_en != 0) {
    const Node remote{step.header.remote_x, step.header.remote_y};
    if (!machine_.is_tile(remote)) return TileFault{node, unit, step.pc, {spec::Fault::Window, 0}};
    ok = add(tile(remote), step.header.remote_sem) && ok;
  }
  if (ok) return std::nullopt;
  return TileFault{node, unit, step.pc, {spec::Fault::SemOverflow, 0}};
}

bool FunctionalModel::step_unit(Node node, spec::Unit unit, std::optional<TileFault>& fault,
                                const std::function<void(const Executed&)>& observer) {
  Tile& state = tile(node);
  Unit& u = state.units[index_of(unit)];
  if (u.ended) return false;
  const Step step = look_ahead(node, unit, 0);
  if (step.fault == spec::Fault::None && !ready(state, step)) return false;
  take(state, step);
  u.ahead.pop_front();
  u.took_effect.pop_front();
  const Executed executed = perform(node, unit, step, fault);
  if (fault) return true;
  if (observer && !step.is_internal()) observer(executed);
  fault = post(node, unit, step);
  u.ended = step.is_end();
  return true;
}

bool FunctionalModel::all_ended() const {
  for (const auto& entry : tiles_) {
    for (const Unit& unit : entry.second.units) {
      if (!unit.ended) return false;
    }
  }
  return true;
}

std::string FunctionalModel::waits() const {
  std::string text;
  for (const auto& [place, tile] : tiles_) {
    for (const spec::Unit unit : kUnits) {
      const Unit& u = tile.units[index_of(unit)];
      if (u.ended || u.ahead.empty()) continue;
      const Step& step = u.ahead.front();
      unsigned missing = 0;
      for (unsigned i = 0; i < spec::NumSemaphores; ++i) {
        if ((step.header.wait_mask >> i & 1) != 0 && tile.semaphores[i] == 0) missing |= 1u << i;
      }
      text += fmt::format("\n  tile ({}, {}) {} command {} ({}) waits for semaphore {}",
                          place.first, place.second, spec::to_string(unit), step.pc,
                          spec::to_string(step.header.opcode), names_of(missing));
    }
  }
  return text;
}

std::optional<TileFault> FunctionalModel::run(
    const std::function<void(const Executed&)>& observer) {
  std::optional<TileFault> fault;
  bool progress = true;
  while (progress) {
    progress = false;
    for (auto& entry : tiles_) {
      const Node node{entry.first.first, entry.first.second};
      for (const spec::Unit unit : kUnits) {
        while (step_unit(node, unit, fault, observer)) {
          progress = true;
          if (fault) return fault;
        }
      }
    }
  }
  return leftover();
}

/// After the last command: an error when units still wait, a fault when semaphores are not zero.
std::optional<TileFault> FunctionalModel::leftover() const {
  if (!all_ended()) throw Error("every unit waits: deadlock", "functional model" + waits());
  for (const auto& [place, tile] : tiles_) {
    for (unsigned i = 0; i < spec::NumSemaphores; ++i) {
      if (tile.semaphores[i] == 0) continue;
      return TileFault{
          {place.first, place.second}, spec::Unit::Load, 0, {spec::Fault::EndSemaphore, i}};
    }
  }
  return std::nullopt;
}

// ------------------------------------------------------------------------------- in a random order

/// The unit's next command takes its tokens and is under way.
bool FunctionalModel::start_next(Node node, spec::Unit unit) {
  Tile& state = tile(node);
  Unit& u = state.units[index_of(unit)];
  const std::size_t most = unit == spec::Unit::Vector ? 1 : 4;
  if (u.ended || u.flying.size() >= most) return false;
  if (!u.flying.empty() && u.flying.back().step.is_end()) return false;
  const Step step = look_ahead(node, unit, 0);
  if (step.fault == spec::Fault::None && !ready(state, step)) return false;
  take(state, step);
  u.ahead.pop_front();
  u.took_effect.pop_front();
  u.flying.push_back({step, false});
  return true;
}

/// One command under way takes effect: any of loads and stores, else the first.
bool FunctionalModel::perform_any(Node node, spec::Unit unit, uint64_t choice,
                                  std::optional<TileFault>& fault) {
  Unit& u = tile(node).units[index_of(unit)];
  std::vector<Unit::Flight*> waiting;
  for (Unit::Flight& flight : u.flying) {
    if (!flight.performed) waiting.push_back(&flight);
  }
  if (waiting.empty()) return false;
  const bool any = unit == spec::Unit::Load || unit == spec::Unit::Store;
  Unit::Flight& flight = *waiting[any ? choice % waiting.size() : 0];
  perform(node, unit, flight.step, fault);
  flight.performed = true;
  return true;
}

bool FunctionalModel::retire_first(Node node, spec::Unit unit, std::optional<TileFault>& fault) {
  Unit& u = tile(node).units[index_of(unit)];
  if (u.flying.empty() || !u.flying.front().performed) return false;
  const Step step = u.flying.front().step;
  u.flying.pop_front();
  fault = post(node, unit, step);
  u.ended = step.is_end();
  return true;
}

std::optional<TileFault> FunctionalModel::run_disordered(uint64_t seed) {
  std::mt19937_64 random(seed);
  std::vector<std::pair<Node, spec::Unit>> units;
  for (const auto& entry : tiles_) {
    for (const spec::Unit unit : kUnits) {
      units.push_back({{entry.first.first, entry.first.second}, unit});
    }
  }
  std::optional<TileFault> fault;
  const auto act = [&](const std::pair<Node, spec::Unit>& at, uint64_t action) {
    const auto [node, unit] = at;
    if (action % 3 == 0) return start_next(node, unit);
    if (action % 3 == 1) return perform_any(node, unit, random(), fault);
    return retire_first(node, unit, fault);
  };
  for (;;) {
    // A random action; when many in a row were impossible, the first that is possible.
    bool done = false;
    for (int tries = 0; tries < 16 && !done; ++tries) {
      done = act(units[random() % units.size()], random());
    }
    for (std::size_t i = 0; i < units.size() && !done; ++i) {
      for (uint64_t action = 0; action < 3 && !done; ++action) done = act(units[i], action);
    }
    if (fault) return fault;
    if (!done) return leftover();
  }
}

// ------------------------------------------------------------------------------------- in lockstep

std::optional<Executed> FunctionalModel::retire(Node node, spec::Unit unit,
                                                std::optional<TileFault>& fault) {
  Unit& u = tile(node).units[index_of(unit)];
  if (u.ended) return std::nullopt;
  const Step step = look_ahead(node, unit, 0);
  const bool done = u.took_effect.front();
  u.ahead.pop_front();
  u.took_effect.pop_front();
  u.ended = step.is_end();
  if (done) return Executed{node, unit, step, {}};
  return perform(node, unit, step, fault);
}

std::optional<Executed> FunctionalModel::post_taken(Node source, Node destination,
                                                    std::optional<TileFault>& fault) {
  Unit& u = tile(source).units[index_of(spec::Unit::Store)];
  for (std::size_t i = 0;; ++i) {
    const Step step = look_ahead(source, spec::Unit::Store, i);
    if (step.is_end() || step.fault != spec::Fault::None) return std::nullopt;
    const Node remote{step.header.remote_x, step.header.remote_y};
    if (u.took_effect[i] || !post_travels(step) || !(remote == destination)) continue;
    u.took_effect[i] = true;
    return perform(source, spec::Unit::Store, step, fault);
  }
}

bool post_travels(const Step& step) {
  if (step.header.opcode != spec::Opcode::Store || step.header.remote_en == 0) return false;
  const Node remote{step.header.remote_x, step.header.remote_y};
  const auto c = spec::StoreCommand::decode(step.words);
  for (int64_t i1 = 0; i1 < c.count1; ++i1) {
    for (int64_t i0 = 0; i0 < c.count0; ++i0) {
      const auto first =
          static_cast<Address>(static_cast<int64_t>(c.addr) + i1 * c.gstride1 + i0 * c.gstride0);
      const std::optional<Node> written = tile_of(first);
      if (!written || !(*written == remote)) return false;
    }
  }
  return true;
}

unsigned written_element_bytes(const Step& step) {
  if (step.header.opcode == spec::Opcode::Matmul) return 4;
  if (step.header.opcode != spec::Opcode::Vector) return 1;
  const spec::Vtype type = spec::VectorCommand::decode(step.words).d_type;
  return type == spec::Vtype::S32 || type == spec::Vtype::F32 ? 4 : 1;
}

}  // namespace systole::golden
