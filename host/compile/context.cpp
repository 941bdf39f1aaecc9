#include "host/compile/context.hpp"

#include <algorithm>
#include <cstring>

#include "host/command/error.hpp"

namespace systole::compile {
namespace {

std::vector<Place> places(const ChipConfig& config, unsigned tiles) {
  std::vector<Place> out;
  for (unsigned y = 0; y < config.num_rows; ++y) {
    for (unsigned x = 1; x < config.num_cols && out.size() < tiles; ++x) out.push_back({x, y});
  }
  return out;
}

}  // namespace

Context::Context(const ChipConfig& config, unsigned tiles, Budget budget)
    : schedule(places(config, tiles)), dram(config), record_base_(budget.record_base) {
  resident_begin_ = static_cast<uint32_t>(round_up(budget.program, 128));
  resident_end_ = static_cast<uint32_t>(round_up(resident_begin_ + budget.resident, 64));
  if (resident_end_ > spec::ScratchpadBytes) {
    throw Error(kNoRoom, "compiler");
  }
  working_bytes_ = spec::ScratchpadBytes - resident_end_;
  resident_next_.assign(tiles, resident_begin_);
  scratchpads_.assign(tiles, Scratchpad(resident_end_, spec::ScratchpadBytes));
}

void Context::begin(const std::vector<const Stored*>& inputs,
                    const std::function<void()>& prefetch) {
  const bool fresh = std::any_of(inputs.begin(), inputs.end(),
                                 [&](const Stored* input) { return input->epoch == epoch_; });
  ++operators_;
  if (fresh) schedule.arrive();
  if (prefetch) prefetch();
  if (fresh) {
    schedule.await();
    ++epoch_;
  }
}

Stored Context::allocate(const std::string& name, DataType type, const Shape& shape, View view) {
  Stored stored{name, type, shape, {}, std::move(view), epoch_};
  stored.buffer.address = dram.allocate(stored.elements() * stored.element_bytes(), name);
  return stored;
}

Address Context::constant(std::vector<uint8_t> bytes) {
  const Address address = dram.allocate(static_cast<int64_t>(bytes.size()), node_name);
  segments.push_back({address, std::move(bytes)});
  return address;
}

uint32_t Context::reserve_resident(unsigned tile, int64_t bytes) {
  const int64_t size = round_up(bytes, 64);
  uint32_t& next = resident_next_[tile];
  if (size > resident_end_ - next) return 0;
  const uint32_t address = next;
  next += static_cast<uint32_t>(size);
  return address;
}

uint32_t Context::resident_used() const {
  return *std::max_element(resident_next_.begin(), resident_next_.end()) - resident_begin_;
}

template <typename Command>
void Context::transfer(unsigned tile, spec::Unit unit, const Buffer& buffer, int64_t offset,
                       uint32_t local, int64_t run, std::vector<BlockLevel> levels) {
  levels.erase(std::remove_if(levels.begin(), levels.end(),
                              [](const BlockLevel& level) { return level.count == 1; }),
               levels.end());
  std::sort(levels.begin(), levels.end(), [](const BlockLevel& a, const BlockLevel& b) {
    return a.global_stride < b.global_stride;
  });
  std::vector<BlockLevel> loops;
  for (const BlockLevel& level : levels) {
    if (loops.empty() && level.global_stride == run && level.local_stride == run) {
      run *= level.count;
    } else if (!loops.empty() &&
               level.global_stride == loops.back().count * loops.back().global_stride &&
               level.local_stride == loops.back().count * loops.back().local_stride) {
      loops.back().count *= level.count;
    } else {
      loops.push_back(level);
    }
  }
  Command command;
  if (buffer.space != Buffer::Space::Dram) {
    command.header.sel0_en = true;
    command.header.sel0_word = 4;
    command.header.sel0_param = buffer.space == Buffer::Space::Input ? 0 : 1;
  }
  command.run = static_cast<uint32_t>(run);
  command.count0 = command.count1 = 1;
  if (loops.size() > 0) {
    command.count0 = static_cast<uint32_t>(loops[0].count);
    command.gstride0 = static_cast<int32_t>(loops[0].global_stride);
    command.lstride0 = static_cast<int32_t>(loops[0].local_stride);
  }
  if (loops.size() > 1) {
    command.count1 = static_cast<uint32_t>(loops[1].count);
    command.gstride1 = static_cast<int32_t>(loops[1].global_stride);
    command.lstride1 = static_cast<int32_t>(loops[1].local_stride);
  }
  const Address base = buffer.space == Buffer::Space::Dram ? 0 : record_base_;
  // Levels beyond the second: a command for each index.
  int64_t commands = 1;
  for (std::size_t i = 2; i < loops.size(); ++i) commands *= loops[i].count;
  for (int64_t n = 0; n < commands; ++n) {
    int64_t rest = n;
    int64_t global = static_cast<int64_t>(base + buffer.address) + offset;
    int64_t at = local;
    for (std::size_t i = 2; i < loops.size(); ++i) {
      global += rest % loops[i].count * loops[i].global_stride;
      at += rest % loops[i].count * loops[i].local_stride;
      rest /= loops[i].count;
    }
    command.addr = static_cast<uint64_t>(global);
    command.local_addr = static_cast<uint32_t>(at);
    schedule.emit(tile, unit, command);
  }
}

void Context::load(unsigned tile, const Buffer& buffer, int64_t offset, uint32_t local, int64_t run,
                   std::vector<BlockLevel> levels) {
  transfer<spec::LoadCommand>(tile, spec::Unit::Load, buffer, offset, local, run,
                              std::move(levels));
}

void Context::store(unsigned tile, const Buffer& buffer, int64_t offset, uint32_t local,
                    int64_t run, std::vector<BlockLevel> levels) {
  transfer<spec::StoreCommand>(tile, spec::Unit::Store, buffer, offset, local, run,
                               std::move(levels));
}

void Context::load_resident(unsigned tile, Address address, uint32_t local, int64_t bytes) {
  spec::LoadCommand command;
  command.addr = address;
  command.local_addr = local;
  command.run = static_cast<uint32_t>(bytes);
  command.count0 = command.count1 = 1;
  schedule.emit_prologue(tile, command);
}

void Context::fill(unsigned tile, uint8_t value, uint32_t local, int64_t run, int64_t count,
                   int64_t stride) {
  if (run <= 0 || count <= 0) return;
  spec::FillCommand command;
  command.value = value * 0x01010101u;
  command.local_addr = local;
  command.run = static_cast<uint32_t>(run);
  command.count0 = static_cast<uint32_t>(count);
  command.lstride0 = static_cast<int32_t>(stride);
  command.count1 = 1;
  schedule.emit(tile, spec::Unit::Load, command);
}

std::pair<int64_t, int64_t> share(int64_t count, int64_t part, int64_t parts) {
  return {count * part / parts, count * (part + 1) / parts};
}

spec::Vtype vector_type(DataType type) {
  switch (type) {
    case DataType::S8:
      return spec::Vtype::S8;
    case DataType::U8:
      return spec::Vtype::U8;
    case DataType::F32:
      return spec::Vtype::F32;
    default:
      throw Error("no such operand type", "vector pass", "int8, uint8, float32", to_string(type));
  }
}

uint32_t float_bits(float value) {
  uint32_t bits;
  std::memcpy(&bits, &value, sizeof bits);
  return bits;
}

}  // namespace systole::compile
