// The walk through a share whose rows roll (rolling_rows.hpp).
#include "host/compile/matrix_emitter.hpp"

#include <algorithm>
#include <tuple>

namespace systole::compile {

/// A step of the parts that are there.
void MatrixEmitter::use_rolling(unsigned tile, const Share& share, const Rolling& rolling,
                                int64_t step, Group& group, const Panel& panel) {
  const Home::Piece* home = output_piece(tile);
  // Parts side by side are one command, if their output lies side by side, too.
  std::vector<RollingRows::Part> runs;
  for (const RollingRows::Part& part : rolling.rows.used(step)) {
    const bool joins = !runs.empty() && runs.back().place + runs.back().rows == part.place &&
                       (home == nullptr || runs.back().row + runs.back().rows == part.row);
    if (joins) {
      runs.back().rows += part.rows;
    } else {
      runs.push_back(part);
    }
  }
  const auto commands = static_cast<int64_t>(runs.size() * plan_.segments.size()) * parts_;
  get_weights(tile, share, tiling_, commands, group);
  for (const RollingRows::Part& run : runs) {
    Slab rows;
    rows.pitch = rolling.slab.pitch;
    rows.address = rolling.slab.address + static_cast<uint32_t>(run.place * rows.pitch);
    const int64_t at = run.place * panel.pitch + (group.b0 - panel.b0) * kColumns * element_bytes();
    const Rows out =
        home != nullptr ? rows_at_home(*home, share.g0 + run.row, group.b0 * kColumns)
                        : Rows{panel.address + static_cast<uint32_t>(at), panel.pitch, panel.pitch};
    emit_rows(tile, share, tiling_, group, 0, run.rows, 1, rows, out);
  }
}

/// Rows that follow one another, with the same blocks, are one store.
void MatrixEmitter::store_rolling(unsigned tile, const Share& share,
                                  const std::vector<Finished>& finished) {
  std::vector<Finished> stores;
  for (const Finished& next : finished) {
    const bool joins = !stores.empty() && stores.back().b0 == next.b0 &&
                       stores.back().row + stores.back().rows == next.row;
    if (joins) {
      stores.back().rows += next.rows;
    } else {
      stores.push_back(next);
    }
  }
  const int64_t row = op_.out.c * element_bytes();
  for (const Finished& one : stores) {
    const int64_t first = one.b0 * kColumns * element_bytes();
    const int64_t run = std::min(one.b1 * kColumns, op_.out.c) * element_bytes() - first;
    const int64_t to = (share.g0 + one.row) * row + first;
    late_stores_.push_back([=] {
      context_.store(tile, op_.out.stored->buffer, to, one.address, run,
                     {{one.rows, row, one.pitch}});
    });
  }
}

/// The stores of finished output that is due ahead of a step's products, `recent` of them of the
/// last panel. The tile that loads the next step's group hands it on first of all, and the one
/// behind that to nobody: for a step others don't wait for its store unit.
void MatrixEmitter::emit_rolling_stores(unsigned tile, int64_t step, bool new_panel,
                                        std::size_t recent) {
  const bool turn = (step + 1) % context_.tiles() == tile;
  // A new panel's output goes where that of the panel before the last one was.
  const std::size_t may_wait = turn ? 0 : new_panel ? recent : late_stores_.size();
  while (late_stores_.size() > may_wait) emit_late_store();
}

MatrixEmitter::Rolling MatrixEmitter::start_rolling(unsigned tile, const Share& share) {
  auto groups = sweep(share, tiling_.group);
  const auto length = static_cast<int64_t>(groups.size());
  Rolling rolling{RollingRows(share.g1 - share.g0, tiling_.rolling, length), std::move(groups)};
  rolling.begins.resize(static_cast<std::size_t>(tiling_.rolling.slots));
  rolling.slab.pitch = op_.in.c;
  context_.rewind(tile);
  const int64_t held = rolling.rows.held();
  rolling.slab.block = context_.scratch(tile, held * rolling.slab.pitch + slack());
  rolling.slab.address = rolling.slab.block.address();
  for (Block& panel : rolling.panels) {
    if (output_piece(tile) == nullptr)
      panel = context_.scratch(tile, out_bytes(held, 1, tiling_.panel));
  }
  return rolling;
}

/// Parts that begin to come.
void MatrixEmitter::load_rolling(unsigned tile, const Share& share, const Rolling& rolling,
                                 int64_t step) {
  const int64_t pitch = rolling.slab.pitch;
  for (const RollingRows::Part& part : rolling.rows.coming(step)) {
    context_.load(tile, op_.in.stored->buffer, (share.g0 + part.row) * pitch,
                  rolling.slab.address + static_cast<uint32_t>(part.place * pitch),
                  part.rows * pitch, {});
  }
}

/// Output is finished where a panel ends, and where a part leaves.
std::vector<MatrixEmitter::Finished> MatrixEmitter::finish_rolling(Rolling& rolling, int64_t step,
                                                                   const Group& group,
                                                                   const Panel& panel) const {
  std::vector<Finished> finished;
  for (const RollingRows::Part& part : rolling.rows.used(step)) {
    int64_t& begin = rolling.begins[static_cast<std::size_t>(part.slot)];
    if (step == part.enters || group.b0 == panel.b0) begin = group.b0;
    if (group.b1 != panel.b1 && step + 1 != part.leaves) continue;
    const int64_t at = part.place * panel.pitch + (begin - panel.b0) * kColumns * element_bytes();
    finished.push_back({part.row, part.rows, begin, group.b1,
                        panel.address + static_cast<uint32_t>(at), panel.pitch});
  }
  return finished;
}

void MatrixEmitter::emit_rolling(unsigned tile, const Share& share) {
  Rolling rolling = start_rolling(tile, share);
  const bool stays = output_piece(tile) != nullptr;
  std::size_t turn = 0, recent = 0;  // panel, and its stores
  for (int64_t step = 0; step < rolling.rows.steps(); ++step) {
    Group group;
    const auto index = static_cast<std::size_t>(step) % rolling.groups.size();
    std::tie(group.b0, group.b1) = rolling.groups[index];
    Panel panel;
    panel.b0 = group.b0 - (group.b0 - share.b0) % tiling_.panel;
    panel.b1 = std::min(panel.b0 + tiling_.panel, share.b1);
    panel.pitch =
        (std::min(panel.b1 * kColumns, op_.out.c) - panel.b0 * kColumns) * element_bytes();
    ring_.fetch_ahead(tile);
    load_rolling(tile, share, rolling, step);
    emit_rolling_stores(tile, step, group.b0 == panel.b0, recent);
    if (group.b0 == panel.b0) {
      turn = 1 - turn;
      recent = 0;
    }
    panel.address = rolling.panels[turn].address();
    use_rolling(tile, share, rolling, step, group, panel);
    if (stays) continue;
    const std::size_t before = late_stores_.size();
    store_rolling(tile, share, finish_rolling(rolling, step, group, panel));
    recent += late_stores_.size() - before;
  }
  while (!late_stores_.empty()) emit_late_store();
}

}  // namespace systole::compile
