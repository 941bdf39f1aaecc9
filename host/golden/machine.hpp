// The state of a chip that programs can see: scratchpads, accumulators, DRAM and host memory, at
// their global addresses (rtl/spec, memory map). No time, no units: host/golden/execute.hpp acts on
// it.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <vector>

#include "host/command/sparse_memory.hpp"
#include "host/driver/device.hpp"

namespace systole::golden {

/// Column x, row y of the mesh.
struct Node {
  unsigned x = 0;
  unsigned y = 0;
  bool operator==(const Node& other) const { return x == other.x && y == other.y; }
};

constexpr unsigned kAccRows = 512;
constexpr unsigned kLanes = 16;

struct TileMemory {
  std::vector<uint8_t> scratchpad;
  std::array<std::array<int32_t, kLanes>, kAccRows> accumulators{};
};

class Machine {
 public:
  Machine(const ChipConfig& config, std::size_t host_memory_bytes);

  const ChipConfig& config() const { return config_; }
  bool is_tile(Node node) const;
  TileMemory& tile(Node node);
  const TileMemory& tile(Node node) const;

  std::vector<uint8_t>& host_memory() { return host_memory_; }

  /// Whether [address, address + bytes) lies in one memory that commands may reach: a scratchpad, a
  /// DRAM channel or host memory.
  bool is_memory(Address address, std::size_t bytes) const;

  /// Reads or writes such a range; false when it is not one.
  bool read(Address address, void* data, std::size_t bytes) const;
  bool write(Address address, const void* data, std::size_t bytes);

  template <class Archive>
  void serialize(Archive& archive) {
    for (TileMemory& tile : tiles_) {
      archive(tile.scratchpad);
      plain(archive, tile.accumulators);
    }
    archive(dram_, host_memory_);
  }

 private:
  std::size_t index(Node node) const;
  /// The scratchpad bytes at a global address, or null.
  const uint8_t* scratchpad_at(Address address, std::size_t bytes) const;
  std::optional<uint64_t> dram_offset(Address address, std::size_t bytes) const;
  std::optional<uint64_t> host_offset(Address address, std::size_t bytes) const;

  ChipConfig config_;
  std::vector<TileMemory> tiles_;
  SparseMemory dram_;
  std::vector<uint8_t> host_memory_;
};

/// Global address of byte `offset` of a tile's scratchpad.
Address scratchpad_address(Node node, uint32_t offset);

}  // namespace systole::golden
