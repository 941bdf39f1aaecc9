// Streamed weights that tiles share. Every group of them is loaded from DRAM once, by one tile of
// the ring, and handed on from tile to tile, ahead of its use; the tiles take turns to load. Each
// has room for a few groups.
#pragma once

#include <cstddef>
#include <vector>

#include "host/compile/context.hpp"

namespace systole::compile {

class WeightRing {
 public:
  /// Groups that a tile has room for: one in use, one that is there, one that comes.
  static constexpr unsigned kRooms = 3;

  struct Group {
    int64_t offset = 0, bytes = 0;  // of the packed weights
    bool operator==(const Group& other) const {
      return offset == other.offset && bytes == other.bytes;
    }
  };

  /// All tiles use the same groups in the same order; `source`: where the packed weights lie in
  /// DRAM. Meets all tiles, so that nobody's room is in use.
  void start(Context& context, Address source, std::vector<Group> groups);
  explicit operator bool() const { return !groups_.empty(); }

  /// Store and load commands that a group costs a tile, about.
  static int64_t commands(unsigned tiles);

  /// Emits the way of the tile's next group into its room.
  void fetch(unsigned tile);
  /// The same for all groups that have room beside the one whose use comes next.
  void fetch_ahead(unsigned tile);
  /// The tile's next group, which so many Matmuls will use. At most kRooms are in use.
  std::size_t use(unsigned tile, int64_t commands);
  uint32_t address(unsigned tile, std::size_t group) const;
  /// For each of those Matmuls: the first waits for the group, the last one gives its room free.
  void mark(unsigned tile, std::size_t group, spec::CommandHeader& header);

 private:
  struct Use {
    int64_t commands = 0, left = 0;
  };
  struct Side {
    std::vector<Block> rooms;
    std::size_t fetched = 0;  // groups
    std::vector<Use> uses;    // by group, as far as begun
  };

  unsigned tiles() const { return context_->tiles(); }
  unsigned next(unsigned tile) const { return (tile + 1) % tiles(); }
  /// Whether the tile loads the group from DRAM.
  bool loads(unsigned tile, std::size_t group) const { return group % tiles() == tile; }
  void post_to(unsigned tile, unsigned semaphore, spec::CommandHeader& header) const;

  Context* context_ = nullptr;
  Address source_ = 0;
  std::vector<Group> groups_;
  std::vector<Side> sides_;  // by tile
};

}  // namespace systole::compile
