#include "host/golden/requests.hpp"

#include <algorithm>

namespace systole::golden {
namespace {

void set_low(Address& address, uint32_t value) { address = (address >> 32 << 32) | value; }
void set_high(Address& address, uint32_t value) {
  address = (address & 0xffffffff) | Address{value} << 32;
}

Windows windows_of(const TileEntry& entry) {
  Windows windows;
  windows.perm = entry.window_perm;
  std::copy(std::begin(entry.window_base), std::end(entry.window_base), windows.base.begin());
  std::copy(std::begin(entry.window_limit), std::end(entry.window_limit), windows.limit.begin());
  return windows;
}

bool copy_image(Machine& machine, const TileEntry& entry) {
  const Node node{entry.x, entry.y};
  if (!machine.is_tile(node)) return false;
  std::vector<uint8_t> image(entry.image_bytes);
  return entry.image_bytes <= spec::ScratchpadBytes &&
         machine.read(entry.image, image.data(), image.size()) &&
         machine.write(scratchpad_address(node, entry.local), image.data(), image.size());
}

}  // namespace

void RequestRing::write_register(uint32_t offset, uint32_t value) {
  switch (offset) {
    case SYSTOLE_IO_RING_LO:
      return set_low(ring_, value);
    case SYSTOLE_IO_RING_HI:
      return set_high(ring_, value);
    case SYSTOLE_IO_COMPLETION_LO:
      return set_low(completions_, value);
    case SYSTOLE_IO_COMPLETION_HI:
      return set_high(completions_, value);
    case SYSTOLE_IO_RING_ENTRIES:
      entries_ = value;
      return;
    case SYSTOLE_IO_DOORBELL:
      announced_ = value;
      return;
    default:
      return;
  }
}

std::optional<Request> RequestRing::next(const Machine& machine) {
  if (entries_ == 0 || taken_ == announced_) return std::nullopt;
  Request request{};
  const Address address = ring_ + Address{taken_ % entries_} * sizeof request;
  if (!machine.read(address, &request, sizeof request)) return std::nullopt;
  ++taken_;
  return request;
}

Address RequestRing::completion_address() const {
  return completions_ + Address{(taken_ - 1) % entries_} * sizeof(Completion);
}

uint8_t RequestRing::phase() const { return ((taken_ - 1) / entries_ % 2) == 0 ? 1 : 0; }

std::optional<std::vector<TileEntry>> load_program(FunctionalModel& model, const Request& request) {
  std::vector<TileEntry> entries(request.tiles);
  Machine& machine = model.machine();
  if (!machine.read(request.table, entries.data(), entries.size() * sizeof(TileEntry)))
    return std::nullopt;
  for (const TileEntry& entry : entries) {
    if (!copy_image(machine, entry)) return std::nullopt;
    model.set_windows({entry.x, entry.y}, windows_of(entry));
  }
  return entries;
}

Launch launch_of(const TileEntry& entry, const Request& request) {
  Launch launch;
  std::copy(std::begin(entry.program), std::end(entry.program), launch.program.begin());
  std::copy(std::begin(request.param), std::end(request.param), launch.param.begin());
  std::copy(std::begin(entry.param), std::end(entry.param), launch.param.begin() + 4);
  std::copy(std::begin(request.step), std::end(request.step), launch.step.begin());
  launch.inputs = request.inputs;
  return launch;
}

}  // namespace systole::golden
