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
  struct Group {
    int64_t offset = 0, bytes = 0;  // of the packed weights
    bool operator==(const Group& other) const {
      return offset == other.offset && bytes == other.bytes;
    }
  };

  /// How groups go round.
  struct Plan {
    int64_t rooms = 2;   // groups that a tile has room for
    int64_t pieces = 1;  // of a group: while one is handed on, the next one comes
  };

  /// All tiles use the same groups in the same order; `source`: where the packed weights lie in
  /// DRAM. Meets all tiles, so that nobody's room is in use.
  void start(Context& context, const Plan& plan, Address source, std::vector<Group> groups);
  explicit operator bool() const { return !groups_.empty(); }

  /// Emits the way of the tile's next group into its room.
  void fetch(unsigned tile);
  /// The same for all groups that have room beside the one whose use comes next.
  void fetch_ahead(unsigned tile);
  /// The tile's next group, which so many Matmuls will use. As many as there are rooms may be in
  /// use.
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
  std::size_t rooms() const { return static_cast<std::size_t>(plan_.rooms); }
  void post_to(unsigned tile, unsigned semaphore, spec::CommandHeader& header) const;

  Context* context_ = nullptr;
  Plan plan_;
  Address source_ = 0;
  std::vector<Group> groups_;
  std::vector<Side> sides_;  // by tile
};

}  // namespace systole::compile
