#include "host/golden/lockstep.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <functional>
#include <utility>

#include "host/command/disassemble.hpp"
#include "host/command/error.hpp"
#include "host/command/local_accesses.hpp"
#include "host/command/loop_nest.hpp"
#include "host/golden/likeness.hpp"

namespace systole::golden {
namespace {

constexpr std::size_t kNear = 8;         // elements shown on either side of a wrong one
constexpr std::size_t kTelling = 4;      // bytes that are enough to find where they came from
constexpr Address kNearby = 1 << 16;     // how far from where they should have come
constexpr int64_t kMostBytes = 1 << 22;  // of a command under way that are looked at
constexpr std::size_t kUnderWay = 4;     // commands of a unit at a time (rtl/tile/README.md)

bool accumulates(const Step& step) {
  return step.header.opcode == spec::Opcode::Matmul &&
         spec::MatmulCommand::decode(step.words).init == spec::AccInit::Accumulate;
}

bool contains(const WriteSet& written, Address address) {
  return std::any_of(written.begin(), written.end(), [&](const WrittenRange& range) {
    return range.space != WrittenRange::Space::Accumulator && address - range.address < range.count;
  });
}

std::string note_of(const std::vector<uint32_t>& differences, const std::vector<uint8_t>& got,
                    const std::vector<uint8_t>& expected) {
  if (differences.empty()) return "the tile's scratchpad is as the model's";
  const uint32_t first = differences.front();
  return fmt::format(
      "{} bytes of the tile's scratchpad differ from the model's, the first at 0x{:05x}: expected "
      "0x{:02x}, got 0x{:02x}",
      differences.size(), first, expected[first], got[first]);
}

bool in_scratchpad(Address address) {
  return address >= spec::TileBase && address < 2 * spec::TileBase;
}
bool in_host_memory(Address address) {
  return address >= spec::HostMemBase && address < spec::DramBase;
}

Node tile_of(Address address) {
  const Address local = address - spec::TileBase;
  return {static_cast<unsigned>(local >> spec::TileColShift & 0xff),
          static_cast<unsigned>(local >> spec::TileRowShift)};
}

std::string place_text(const Mismatch& m) {
  if (m.accumulator)
    return fmt::format("accumulator row {} column {}", m.address / kLanes, m.address % kLanes);
  if (in_scratchpad(m.address)) {
    const Node node = tile_of(m.address);
    return fmt::format("tile ({}, {}) scratchpad 0x{:05x}", node.x, node.y,
                       m.address & ((Address{1} << spec::TileColShift) - 1));
  }
  if (in_host_memory(m.address))
    return fmt::format("host memory 0x{:x}", m.address - spec::HostMemBase);
  return fmt::format("DRAM 0x{:012x}", m.address);
}

int32_t extend(uint32_t value, unsigned bytes) {
  return bytes == 1 ? static_cast<int8_t>(value) : static_cast<int32_t>(value);
}

}  // namespace

const char* to_string(Mismatch::Kind kind) {
  switch (kind) {
    case Mismatch::Kind::Value:
      return "wrong value";
    case Mismatch::Kind::ControlFlow:
      return "wrong command";
    case Mismatch::Kind::Fault:
      return "the functional model refuses this command";
    case Mismatch::Kind::Image:
      return "the program in the scratchpad is not the one that was loaded";
    case Mismatch::Kind::HostWrite:
      return "a write of the host has arrived wrong";
  }
  return "";
}

void read_chip(const ChipState& chip, Address address, void* data, std::size_t bytes) {
  if (in_scratchpad(address)) {
    const auto offset = static_cast<uint32_t>(address & ((Address{1} << spec::TileColShift) - 1));
    chip.read_scratchpad(tile_of(address), offset, data, bytes);
  } else if (in_host_memory(address)) {
    std::memcpy(data, chip.host_memory() + (address - spec::HostMemBase), bytes);
  } else {
    chip.read_dram(address, data, bytes);
  }
}

std::string Mismatch::text() const {
  const char* opcode = spec::to_string(static_cast<spec::Opcode>(words[0] & 0xff));
  std::string text =
      fmt::format("{} at cycle {}: tile ({}, {}) {} command {} ({})", to_string(kind), cycle,
                  node.x, node.y, spec::to_string(unit), pc, opcode ? opcode : "none");
  if (kind == Kind::Value) {
    text += fmt::format(
        ", element {} of {} at {}: expected {} (0x{:0{}x}), got {} (0x{:0{}x}); {} of {} elements "
        "differ",
        element, elements, place_text(*this), extend(expected, element_bytes), expected,
        2 * element_bytes, extend(got, element_bytes), got, 2 * element_bytes, wrong_elements,
        elements);
  }
  if (!note.empty()) text += ": " + note;
  return words[0] == 0 ? text : text + "\n  " + disassemble(words);
}

LockstepJudge::LockstepJudge(const ChipConfig& config, std::size_t host_memory_bytes,
                             const ChipState& chip)
    : model_(config, host_memory_bytes), chip_(chip) {}

void LockstepJudge::host_wrote(Address address, const void* data, std::size_t bytes,
                               uint64_t cycle) {
  if (address < spec::IoRegsBase || address >= spec::IoRegsBase + spec::IoRegsBytes) {
    // Registers and core RAM are none of the model's memories.
    if (model_.machine().write(address, data, bytes)) judge_host_write(address, bytes, cycle);
    return;
  }
  for (std::size_t i = 0; i + 4 <= bytes; i += 4) {
    uint32_t value;
    std::memcpy(&value, static_cast<const uint8_t*>(data) + i, 4);
    const auto offset = static_cast<uint32_t>(address - spec::IoRegsBase + i);
    ring_.write_register(offset, value);
    if (offset != SYSTOLE_IO_DOORBELL) continue;
    std::vector<uint8_t>& shadow = model_.machine().host_memory();
    std::memcpy(shadow.data(), chip_.host_memory(), shadow.size());
    // Now: a request that launches nothing completes, and its entry is used again, unseen.
    while (const auto request = ring_.next(model_.machine())) announced_.push_back(*request);
  }
}

/// Of DRAM: nothing else has written there meanwhile.
void LockstepJudge::judge_host_write(Address address, std::size_t bytes, uint64_t cycle) {
  if (mismatch_ || address < spec::DramBase || in_scratchpad(address)) return;
  Executed write;
  write.written = {{WrittenRange::Space::Global, address, bytes}};
  Mismatch found;
  compare_range(write, write.written[0], 0, found);
  if (found.wrong_elements == 0) return;
  found.kind = Mismatch::Kind::HostWrite;
  found.cycle = cycle;
  found.elements = bytes;
  mismatch_ = found;
}

/// Takes announced requests up to the next Run, which becomes the current one.
void LockstepJudge::begin_run() {
  current_.reset();
  launched_.clear();
  while (!announced_.empty()) {
    const Request request = announced_.front();
    announced_.pop_front();
    if (request.kind == SYSTOLE_REQUEST_KIND_LOAD_PROGRAM) {
      program_ = load_program(model_, request).value_or(std::vector<TileEntry>{});
    } else if (request.kind == SYSTOLE_REQUEST_KIND_RUN) {
      current_ = request;
      return;
    }
  }
}

void LockstepJudge::launched(Node node, uint64_t cycle) {
  if (mismatch_) return;
  const bool again = std::find(launched_.begin(), launched_.end(), node) != launched_.end();
  if (!current_ || again) begin_run();
  const auto entry = std::find_if(program_.begin(), program_.end(), [&](const TileEntry& e) {
    return e.x == node.x && e.y == node.y;
  });
  if (!current_ || entry == program_.end()) {
    report(Mismatch::Kind::ControlFlow, node, spec::Unit::Load, {}, cycle,
           "a launch that no request asked for");
    return;
  }
  launched_.push_back(node);
  check_image(*entry, cycle);
  model_.launch(node, launch_of(*entry, *current_));
}

void LockstepJudge::check_image(const TileEntry& entry, uint64_t cycle) {
  const Node node{entry.x, entry.y};
  got_.resize(entry.image_bytes);
  chip_.read_scratchpad(node, entry.local, got_.data(), got_.size());
  const uint8_t* expected = model_.machine().tile(node).scratchpad.data() + entry.local;
  const auto difference = std::mismatch(got_.begin(), got_.end(), expected);
  if (difference.first == got_.end()) return;
  report(Mismatch::Kind::Image, node, spec::Unit::Load, {}, cycle,
         fmt::format("first different byte at scratchpad 0x{:05x}",
                     entry.local + (difference.first - got_.begin())));
  const auto at = static_cast<std::size_t>(difference.first - got_.begin());
  mismatch_->address = scratchpad_address(node, static_cast<uint32_t>(entry.local + at));
  mismatch_->element = at;
  mismatch_->elements = got_.size();
  mismatch_->expected = expected[at];
  mismatch_->got = got_[at];
  for (std::size_t i = 0; i < got_.size(); ++i) mismatch_->wrong_elements += got_[i] != expected[i];
  mismatch_->near_first = at < kNear ? 0 : at - kNear;
  for (std::size_t i = mismatch_->near_first; i < std::min(got_.size(), at + kNear + 1); ++i)
    mismatch_->near.push_back({expected[i], got_[i]});
}

void LockstepJudge::retired(Node node, spec::Unit unit, uint32_t pc, uint64_t cycle) {
  if (mismatch_) return;
  look_before(node, unit);
  std::optional<TileFault> fault;
  const auto executed = model_.retire(node, unit, fault);
  if (!executed) {
    report(Mismatch::Kind::ControlFlow, node, unit, {}, cycle,
           fmt::format("retired {} behind the program's end", pc));
  } else if (executed->step.pc != pc) {
    report(Mismatch::Kind::ControlFlow, node, unit, executed->step, cycle,
           fmt::format("the chip retired {}", pc));
    mismatch_->retired = pc;
  } else if (fault) {
    report(*fault, cycle);
  } else {
    compare(*executed, cycle);
  }
}

void LockstepJudge::post_taken(Node source, Node destination, bool with_write, uint64_t cycle) {
  if (mismatch_ || !with_write) return;
  look_before(source, spec::Unit::Store);
  std::optional<TileFault> fault;
  const auto executed = model_.post_taken(source, destination, fault);
  if (!executed) {
    report(Mismatch::Kind::ControlFlow, source, spec::Unit::Store, {}, cycle,
           fmt::format("a post at tile ({}, {}) that no store of the program makes", destination.x,
                       destination.y));
  } else if (fault) {
    report(*fault, cycle);
  } else {
    compare(*executed, cycle);
  }
}

void LockstepJudge::look_before(Node node, spec::Unit unit) {
  if (!studied_ || !(node == studied_->node) || unit != studied_->unit) return;
  const Step& step = model_.peek(node, unit);
  if (step.is_internal()) return;
  studied_->previous = studied_->present;
  studied_->present = step.words;
  const TileMemory& tile = model_.machine().tile(node);
  if (accumulates(step) && studied_->previous) {
    studied_->chain.push_back(*studied_->previous);
    studied_->before.scratchpad = tile.scratchpad;
  } else {
    studied_->chain.clear();
    studied_->before = tile;
  }
}

void LockstepJudge::compare(const Executed& executed, uint64_t cycle) {
  if (!executed.step.is_internal()) ++commands_;
  all_expected_.clear();
  all_got_.clear();
  Mismatch found;
  found.element_bytes = written_element_bytes(executed.step);
  uint64_t elements = 0;
  for (const WrittenRange& range : executed.written) {
    compare_range(executed, range, elements, found);
    elements += range.space == WrittenRange::Space::Accumulator ? range.count * kLanes
                                                                : range.count / found.element_bytes;
  }
  if (found.wrong_elements == 0) return;
  // The chip may have begun to add the next command's products to the same rows: they are judged
  // when the sum is complete.
  if (found.accumulator && accumulates(model_.peek(executed.node, executed.unit))) return;
  found.cycle = cycle;
  found.node = executed.node;
  found.unit = executed.unit;
  found.pc = executed.step.pc;
  found.words = executed.step.words;
  found.elements = elements;
  const std::vector<uint32_t> differences = scratchpad_differences(executed);
  found.note = note_of(differences, got_, model_.machine().tile(executed.node).scratchpad);
  const auto outside = std::find_if(differences.begin(), differences.end(), [&](uint32_t offset) {
    return !contains(executed.written, scratchpad_address(executed.node, offset));
  });
  if (outside != differences.end()) found.operand = *outside;
  find_source(executed, found);
  look_behind(executed, found);
  mismatch_ = found;
}

void LockstepJudge::look_behind(const Executed& executed, Mismatch& found) {
  if (!studied_ || !(executed.node == studied_->node) || executed.unit != studied_->unit) return;
  const WrongResult wrong{executed.node,
                          executed.step.words,
                          studied_->previous,
                          studied_->chain,
                          studied_->before,
                          got_,
                          model_.machine().tile(executed.node).scratchpad,
                          executed.written,
                          all_expected_,
                          all_got_,
                          found.element_bytes};
  Likenesses result = likenesses(model_.machine(), wrong);
  found.as_if = std::move(result.as_if);
  found.common = std::move(result.common);
  found.operand = wrong_operand(model_.machine(), wrong);
}

/// Whether a Load's source was right, when it brought something wrong.
void LockstepJudge::find_source(const Executed& executed, Mismatch& found) {
  const auto address = source_of(executed.step.words, found.element);
  if (!address) return;
  Mismatch::Source source;
  source.address = *address;
  model_.machine().read(*address, &source.expected, 1);
  read_chip(chip_, *address, &source.got, 1);
  found.source = source;
  if (source.expected == source.got) found.source->brought = find_brought(found);
}

/// Bytes from the first wrong one on, somewhere near their source.
std::optional<Address> LockstepJudge::find_brought(const Mismatch& found) const {
  std::vector<uint8_t> bytes;
  for (std::size_t i = found.element - found.near_first; i < found.near.size(); ++i)
    bytes.push_back(static_cast<uint8_t>(found.near[i].got));
  const bool telling =
      std::adjacent_find(bytes.begin(), bytes.end(), std::not_equal_to<>()) != bytes.end();
  if (bytes.size() < kTelling || !telling) return std::nullopt;
  const Address from = found.source->address - std::min(found.source->address, kNearby);
  for (Address distance = 1; distance < kNearby; ++distance) {
    for (const Address at : {found.source->address + distance, found.source->address - distance}) {
      std::vector<uint8_t> there(bytes.size());
      if (at < from || !model_.machine().read(at, there.data(), there.size())) continue;
      if (there == bytes) return at;
    }
  }
  return std::nullopt;
}

/// Bytes of the tile's scratchpad, each 1 or 0, that commands which have not retired may have
/// written by now: of its own units, and of the stores of all tiles.
std::vector<uint8_t> LockstepJudge::being_written(Node node) {
  std::vector<uint8_t> result(spec::ScratchpadBytes);
  // A command that nobody has checked yet may count without end.
  int64_t left = kMostBytes;
  const auto mark = [&](uint64_t first, uint64_t bytes) {
    --left;
    for (uint64_t i = first; i < std::min<uint64_t>(first + bytes, result.size()); ++i, --left)
      result[i] = 1;
    return left > 0;
  };
  for (unsigned unit = 0; unit < spec::NumUnits; ++unit) {
    for (std::size_t i = 0; i < kUnderWay; ++i) {
      left = kMostBytes;
      for_each_access(model_.peek(node, static_cast<spec::Unit>(unit), i).words,
                      [&](const LocalAccess& access) {
                        return mark(access.address, writes(access.port) ? access.bytes : 0);
                      });
    }
  }
  const Address own = scratchpad_address(node, 0);
  for (std::size_t i = 0; i < kUnderWay * launched_.size(); ++i) {
    const Step& step = model_.peek(launched_[i / kUnderWay], spec::Unit::Store, i % kUnderWay);
    if (step.header.opcode != spec::Opcode::Store) continue;
    const auto store = spec::StoreCommand::decode(step.words);
    left = kMostBytes;
    for (int64_t i1 = 0; i1 < store.count1 && left > 0; ++i1) {
      for (int64_t i0 = 0; i0 < store.count0 && left > 0; ++i0)
        mark(store.addr + static_cast<uint64_t>(i1 * store.gstride1 + i0 * store.gstride0) - own,
             store.run);
    }
  }
  return result;
}

/// Where the tile's scratchpad, read into got_, differs from the model's: an operand that was
/// wrong, or not there yet. What is being written at this moment does not count, if it is not what
/// the command wrote itself.
std::vector<uint32_t> LockstepJudge::scratchpad_differences(const Executed& executed) {
  const Node node = executed.node;
  const std::vector<uint8_t>& expected = model_.machine().tile(node).scratchpad;
  got_.resize(expected.size());
  chip_.read_scratchpad(node, 0, got_.data(), got_.size());
  std::vector<uint32_t> result;
  if (got_ == expected) return result;
  const std::vector<uint8_t> written = being_written(node);
  for (uint32_t i = 0; i < expected.size(); ++i) {
    if (got_[i] == expected[i]) continue;
    if (written[i] == 0 || contains(executed.written, scratchpad_address(node, i)))
      result.push_back(i);
  }
  return result;
}

void LockstepJudge::compare_range(const Executed& executed, const WrittenRange& range,
                                  uint64_t first_element, Mismatch& found) {
  const bool accumulator = range.space == WrittenRange::Space::Accumulator;
  const std::size_t bytes = accumulator ? range.count * kLanes * 4 : range.count;
  expected_.resize(bytes);
  got_.resize(bytes);
  if (accumulator) {
    const auto& rows = model_.machine().tile(executed.node).accumulators;
    std::memcpy(expected_.data(), rows[range.address].data(), bytes);
    for (std::size_t row = 0; row < range.count; ++row) {
      int32_t lanes[kLanes];
      chip_.read_accumulators(executed.node, static_cast<unsigned>(range.address + row), lanes);
      std::memcpy(got_.data() + row * sizeof lanes, lanes, sizeof lanes);
    }
  } else {
    model_.machine().read(range.address, expected_.data(), bytes);
    read_chip(chip_, range.address, got_.data(), bytes);
  }
  bytes_ += bytes;
  if (studied_) {
    all_expected_.insert(all_expected_.end(), expected_.begin(), expected_.end());
    all_got_.insert(all_got_.end(), got_.begin(), got_.end());
  }
  if (std::memcmp(expected_.data(), got_.data(), bytes) == 0) return;

  const unsigned size = found.element_bytes;
  const std::size_t count = bytes / size;
  const auto element = [&](std::size_t i) {
    Mismatch::Near pair;
    std::memcpy(&pair.expected, expected_.data() + i * size, size);
    std::memcpy(&pair.got, got_.data() + i * size, size);
    return pair;
  };
  for (std::size_t i = 0; i < count; ++i) {
    const Mismatch::Near pair = element(i);
    if (pair.expected == pair.got) continue;
    found.wrong.push_back(first_element + i);
    if (found.wrong_elements++ > 0) continue;
    found.accumulator = accumulator;
    found.address = accumulator ? range.address * kLanes + i : range.address + i * size;
    found.element = first_element + i;
    found.expected = pair.expected;
    found.got = pair.got;
    const std::size_t near = i < kNear ? 0 : i - kNear;
    found.near_first = first_element + near;
    for (std::size_t k = near; k < std::min(count, i + kNear + 1); ++k)
      found.near.push_back(element(k));
  }
}

void LockstepJudge::report(Mismatch::Kind kind, Node node, spec::Unit unit, const Step& step,
                           uint64_t cycle, std::string note) {
  Mismatch mismatch;
  mismatch.kind = kind;
  mismatch.cycle = cycle;
  mismatch.node = node;
  mismatch.unit = unit;
  mismatch.pc = step.pc;
  mismatch.words = step.words;
  mismatch.note = std::move(note);
  mismatch_ = std::move(mismatch);
}

void LockstepJudge::report(const TileFault& fault, uint64_t cycle) {
  Step step;
  step.pc = fault.pc;
  report(Mismatch::Kind::Fault, fault.node, fault.unit, step, cycle,
         fmt::format("{} (0x{:x})", spec::to_string(fault.fault.code), fault.fault.info));
}

}  // namespace systole::golden
