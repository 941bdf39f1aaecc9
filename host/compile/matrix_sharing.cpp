// How tiles walk their shares when they share the weights that they stream.
#include "host/compile/matrix_emitter.hpp"

#include <algorithm>

namespace systole::compile {
namespace {

/// Bytes a cycle that DRAM gives on the whole, and a link of the network.
constexpr double kDramRate = 22;
constexpr double kLinkRate = 28;
/// Bytes to DRAM that a run costs beside its own.
constexpr double kShortRun = 64;
/// Cycles between commands, and what each costs besides, about.
constexpr double kCommandCycles = 40;
constexpr double kCommandLoad = 3, kPagedCommand = 120;
/// How much of the time of a chunk's last groups hides the way of the next rows, with DRAM busy for
/// all tiles at once.
constexpr double kEdgeShare = 0.35;
/// Barriers and the like.
constexpr int64_t kOtherCommands = 48;

/// Parts of so many rows are tried: a block of weights is used for 8 at least.
constexpr int64_t kPartRows[] = {8, 10, 12, 16};
/// The next group comes in two pieces while one is used: with fewer it comes too late for the few
/// rows of the first steps and the last ones, with more the program grows.
constexpr WeightRing::Plan kRollingRing = {2, 2};
/// Chunks that rows which roll are cut into, at most.
constexpr int64_t kMostRollingChunks = 32;

}  // namespace

/// Whether the tiles do the same with the same weights, which don't stay: then they share them.
void MatrixEmitter::share_weights() {
  const Share& first = shares_[0];
  bool alike = context_.tiles() > 1 && op_.group == 1 && op_.out.n == 1;
  for (unsigned t = 0; t < context_.tiles(); ++t) {
    const Share& s = shares_[t];
    alike = alike && !s.empty() && s.b0 == first.b0 && s.b1 == first.b1 && held_[t].weights == 0;
  }
  if (!alike) return;
  const auto rows = [](const Share& share) { return share.g1 - share.g0; };
  const auto [least, most] =
      std::minmax_element(shares_.begin(), shares_.end(),
                          [&](const Share& a, const Share& b) { return rows(a) < rows(b); });
  if (context_.rolls() && can_roll())
    tiling_ = choose_rolling_tiling(*most, rows(*least), memory_for(0));
  if (!tiling_.rolling) tiling_ = choose_shared_tiling(*most, rows(*least), memory_for(0));
  if (tiling_.rows == 0 || tiling_.columns < op_.out.w) return;
  const std::vector<WeightRing::Group> groups = shared_groups(first);
  for (const Share& share : shares_) {
    if (shared_groups(share) != groups) return;
  }
  if (spread_ || !context_.begin_streams()) return;
  sharing_ = true;
  ring_.start(context_, tiling_.ring, held_[0].source, groups);
}

/// For the largest share the one that takes least time, of those that fit and cut the smallest
/// share, of `least_rows`, into as many chunks; no rows when none does.
MatrixEmitter::Tiling MatrixEmitter::choose_shared_tiling(const Share& share, int64_t least_rows,
                                                          int64_t memory) const {
  const int64_t rows = share.g1 - share.g0;
  const int64_t blocks = share.b1 - share.b0;
  memory += context_.program_bytes();
  Tiling best;
  best.rows = 0;
  double least = 0;
  Tiling tiling;
  tiling.stream = tiling.rewind = true;
  tiling.steps = steps_;
  tiling.columns = std::min(op_.out.w, slab_columns() * (op_.reads_pairs ? 2 : 1));
  const auto consider = [&] {
    const int64_t bytes =
        tiling.ring.rooms * tiling.group * steps_ * kBlockBytes + slab_bytes(tiling.rows) +
        2 * out_bytes(tiling.rows, tiling.columns, tiling.panel) +
        (context_.in_pages() ? context_.program_bytes()
                             : shared_commands(share, tiling) * int64_t{spec::CommandBytes});
    if (bytes > memory) return;
    const double cost = shared_cost(share, tiling);
    if (best.rows > 0 && cost >= least) return;
    best = tiling;
    least = cost;
  };
  for (int64_t chunks = 1; chunks <= rows; ++chunks) {
    if (divide_up(rows, chunks) == tiling.rows) continue;
    tiling.rows = divide_up(rows, chunks);
    if (divide_up(least_rows, tiling.rows) != divide_up(rows, tiling.rows)) continue;
    const int64_t most = kHalf / std::min(kHalf, tiling.rows * tiling.columns);
    for (tiling.group = std::min(blocks, most); tiling.group > 0; tiling.group /= 2) {
      for (const int64_t panel : {32, 16, 8, 4, 2, 1}) {
        tiling.panel = std::min(panel, blocks);
        if (tiling.panel < tiling.group) break;
        for (const int64_t stores : {1, 2, 4, 8}) {
          for (const int64_t rooms : {2, 3}) {
            for (const int64_t pieces : {1, 2, 4}) {
              tiling.stores = stores;
              tiling.ring = {rooms, pieces};
              consider();
            }
          }
        }
      }
    }
  }
  return best;
}

/// For the share, about.
int64_t MatrixEmitter::shared_commands(const Share& share, const Tiling& tiling) const {
  const int64_t chunks = divide_up(share.g1 - share.g0, tiling.rows);
  const int64_t blocks = share.b1 - share.b0;
  const int64_t lines = divide_up(tiling.rows * tiling.columns * tiling.group, kHalf);
  const int64_t products = parts_ * static_cast<int64_t>(plan_.segments.size()) + 1;
  const int64_t group = lines * products + tiling.ring.pieces;
  // In parts: the last groups of a chunk, and the first one.
  const int64_t parts = (tiling.edge_groups() + 1) * (kSlabParts - 1) * products;
  const int64_t chunk = divide_up(blocks, tiling.group) * group + kSlabParts +
                        divide_up(blocks, tiling.panel) * tiling.stores + parts;
  return chunks * chunk * 33 / 32 + kOtherCommands;
}

/// Cycles, about.
double MatrixEmitter::shared_cost(const Share& share, const Tiling& tiling) const {
  const auto number = [](int64_t n) { return static_cast<double>(n); };
  const double tiles = context_.tiles();
  const int64_t blocks = share.b1 - share.b0;
  const double chunks = number(divide_up(share.g1 - share.g0, tiling.rows));
  const double groups = number(divide_up(blocks, tiling.group));
  const double panels = number(divide_up(blocks, tiling.panel));
  const int64_t pixels = tiling.rows * tiling.columns;
  // Of all multipliers, of a group of weights, and of DRAM for all tiles.
  const double group = number(pixels * tiling.group * steps_) + kCommandCycles;
  const double rows = tiles * number(slab_bytes(tiling.rows)) / kDramRate;
  const double bytes = number(tiling.group * steps_ * kBlockBytes);
  const double results = tiles * number(pixels * op_.out.c * element_bytes()) / kDramRate;
  // A group's way round, the time that there is for it, and for results to be stored meanwhile.
  const double way =
      bytes / kDramRate + (tiles - 1) * bytes / number(tiling.ring.pieces) / kLinkRate;
  const double ahead = number(tiling.ring.rooms - 1) * group;
  const double late = std::max(way - ahead, 0.0);
  const double run = number(std::min(tiling.panel * kColumns, op_.out.c) * element_bytes());
  const double store = results / panels / number(tiling.stores) * (1 + kShortRun / run);
  const double held_up = std::max(store - std::max(ahead - way, 0.0), 0.0);
  const double steady = std::max(groups * (group + late) + panels * number(tiling.stores) * held_up,
                                 rows + groups * bytes / kDramRate + results);
  // Rows come while the last groups of the chunk before are used; the first ones, and the first
  // group, while all wait.
  const double edge = number(tiling.edge_groups()) * group;
  const double between = std::max(rows - kEdgeShare * edge, 0.0);
  // Of equals the one with fewer commands and longer runs.
  const double load = context_.in_pages() ? kPagedCommand : kCommandLoad;
  return chunks * steady + (chunks - 1) * between + rows + way +
         load * number(shared_commands(share, tiling)) + chunks * results * kShortRun / run;
}

/// Whether rows can come and go one by one.
bool MatrixEmitter::can_roll() const {
  const bool pointwise = op_.kh == 1 && op_.kw == 1 && op_.sh == 1 && op_.top == 0;
  return pointwise && op_.out.w == 1 && op_.in.w == 1 && !op_.reads_pairs && !in_place_ &&
         row_steps() == 0;
}

int64_t MatrixEmitter::sweep_length(const Share& share, const Tiling& tiling) const {
  const int64_t blocks = share.b1 - share.b0;
  return blocks / tiling.panel * divide_up(tiling.panel, tiling.group) +
         divide_up(blocks % tiling.panel, tiling.group);
}

/// Like choose_shared_tiling(), with rows that roll; `rolling` is empty when none fits.
MatrixEmitter::Tiling MatrixEmitter::choose_rolling_tiling(const Share& share, int64_t least_rows,
                                                           int64_t memory) const {
  const int64_t rows = share.g1 - share.g0;
  const int64_t blocks = share.b1 - share.b0;
  memory += context_.program_bytes();
  Tiling best, tiling;
  double least = 0;
  tiling.stream = tiling.rewind = true;
  tiling.steps = steps_;
  tiling.columns = 1;
  tiling.ring = kRollingRing;
  const auto consider = [&] {
    const int64_t bytes = tiling.ring.rooms * tiling.group * steps_ * kBlockBytes +
                          slab_bytes(tiling.rows) + 2 * out_bytes(tiling.rows, 1, tiling.panel) +
                          rolling_commands(share, tiling) * int64_t{spec::CommandBytes};
    const int64_t slots = tiling.rolling.slots;
    if (bytes > memory || slots < 2 || slots > sweep_length(share, tiling)) return;
    const double cost = rolling_cost(share, tiling);
    if (best.rolling && cost >= least) return;
    best = tiling;
    least = cost;
  };
  for (int64_t chunks = 1; chunks <= kMostRollingChunks; ++chunks) {
    tiling.rows = divide_up(rows, chunks);
    for (const int64_t part : kPartRows) {
      tiling.rolling = {chunks, tiling.rows / part};
      if (least_rows / chunks < tiling.rolling.slots) continue;
      for (tiling.group = std::min(blocks, kHalf / tiling.rows); tiling.group > 0;
           tiling.group /= 2) {
        for (const int64_t panel : {16, 8}) {
          tiling.panel = std::min(panel, blocks);
          if (tiling.panel >= tiling.group) consider();
        }
      }
    }
  }
  return best;
}

/// For the share, about.
int64_t MatrixEmitter::rolling_commands(const Share& share, const Tiling& tiling) const {
  const auto [chunks, slots] = tiling.rolling;
  const int64_t steps =
      RollingRows(share.g1 - share.g0, tiling.rolling, sweep_length(share, tiling)).steps();
  const int64_t products = parts_ * static_cast<int64_t>(plan_.segments.size()) + 1;
  // An empty slot parts the others.
  const int64_t runs = steps + (chunks - 1) * slots;
  const int64_t panels = divide_up(share.b1 - share.b0, tiling.panel);
  // A part that comes or goes within a panel is stored by itself.
  const int64_t stores = chunks * (panels + 2 * slots);
  return runs * products + steps * tiling.ring.pieces + chunks * slots + stores + kOtherCommands;
}

/// Cycles, about.
double MatrixEmitter::rolling_cost(const Share& share, const Tiling& tiling) const {
  const auto number = [](int64_t n) { return static_cast<double>(n); };
  const double tiles = context_.tiles();
  const int64_t sweep = sweep_length(share, tiling);
  const RollingRows rolling(share.g1 - share.g0, tiling.rolling, sweep);
  // Of DRAM: a group, a row of input for each tile, the results of a step.
  const double bytes = number(tiling.group * steps_ * kBlockBytes);
  const double group = bytes / kDramRate;
  const double row = tiles * number(op_.in.c) / kDramRate;
  const double run = number(std::min(tiling.panel * kColumns, op_.out.c) * element_bytes());
  const double results = tiles * number(tiling.rows * op_.out.c * element_bytes()) / kDramRate /
                         number(sweep) * (1 + kShortRun / run);
  const double way = group + (tiles - 1) * bytes / number(tiling.ring.pieces) / kLinkRate;
  double cycles = way;
  for (int64_t step = 0; step < rolling.steps(); ++step) {
    double products = 0, coming = 0;
    for (const RollingRows::Part& part : rolling.used(step))
      products += number(part.rows * tiling.group * steps_);
    for (const RollingRows::Part& part : rolling.coming(step)) coming += row * number(part.rows);
    // The next group comes behind rows, when a room is free.
    const double late = (way + coming) / number(tiling.ring.rooms - 1);
    cycles += std::max({products + kCommandCycles, group + coming + results, late});
  }
  return cycles + kCommandLoad * number(rolling_commands(share, tiling));
}

/// All blocks, panel by panel, in groups of so many at most: [first, second).
std::vector<std::pair<int64_t, int64_t>> MatrixEmitter::sweep(const Share& share,
                                                              int64_t most) const {
  std::vector<std::pair<int64_t, int64_t>> groups;
  for (int64_t p0 = share.b0; p0 < share.b1; p0 += tiling_.panel) {
    const int64_t p1 = std::min(p0 + tiling_.panel, share.b1);
    for (int64_t b0 = p0; b0 < p1; b0 = groups.back().second)
      groups.emplace_back(b0, end_of_group(b0, p1, most));
  }
  return groups;
}

/// What a tile uses of the weights, one group after the other.
std::vector<WeightRing::Group> MatrixEmitter::shared_groups(const Share& share) const {
  std::vector<WeightRing::Group> groups;
  const int64_t block = steps_ * kBlockBytes;
  const auto add = [&](const std::pair<int64_t, int64_t>& blocks) {
    groups.push_back({(blocks.first - share.b0) * block, (blocks.second - blocks.first) * block});
  };
  if (tiling_.rolling) {
    const auto all = sweep(share, tiling_.group);
    const auto length = static_cast<int64_t>(all.size());
    const RollingRows rolling(share.g1 - share.g0, tiling_.rolling, length);
    for (int64_t step = 0; step < rolling.steps(); ++step)
      add(all[static_cast<std::size_t>(step % length)]);
    return groups;
  }
  for (int64_t g = share.g0, rows; g < share.g1; g += rows) {
    rows = tiling_.chunk_rows(share.g1 - g);
    for (const auto& blocks : sweep(share, command_blocks(tiling_, rows, op_.out.w))) add(blocks);
  }
  return groups;
}

}  // namespace systole::compile
