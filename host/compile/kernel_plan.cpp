#include "host/compile/kernel_plan.hpp"

#include <algorithm>
#include <unordered_map>

#include "host/command/error.hpp"

namespace systole::compile {
namespace {

constexpr int64_t kDepth = spec::ArrayDepth;
constexpr int64_t kCommandCost = 12;  // cycles that one more command costs, roughly

/// Units of `length` contiguous bytes at i*outer_stride + j*inner_stride.
struct Grid {
  int64_t outer = 1, outer_stride = 0;
  int64_t inner = 1, inner_stride = 0;
  int64_t length = 1;
  int64_t offset = 0;
};

struct Cover {
  std::vector<KernelSegment> segments;
  int64_t cost = 0;
};

Cover better(Cover a, Cover b) { return b.cost < a.cost ? b : a; }

void append(Cover& cover, const KernelSegment& segment, int64_t rows) {
  cover.segments.push_back(segment);
  // Runs of one step that share a bank of the scratchpad come one after the other.
  const bool meet = segment.len_last > segment.run_bytes() &&
                    std::abs(segment.run_stride) < static_cast<int64_t>(spec::BankBytes);
  cover.cost += segment.steps() * std::max<int64_t>(meet ? 2 * rows : rows, 8) + kCommandCost;
}

Cover plain(const Grid& grid, int64_t rows) {
  KernelSegment s;
  s.count[0] = (grid.length + kDepth - 1) / kDepth;
  s.stride[0] = kDepth;
  s.len_last = grid.length - (s.count[0] - 1) * kDepth;
  if (grid.length <= 16) {
    // A narrow window keeps fewer banks of the scratchpad from the others.
    s.mode = grid.length <= 8 ? spec::RowMode::Run8x4 : spec::RowMode::Run16x2;
    s.run_stride = s.run_bytes();
    s.len = s.len_last;
  }
  s.count[1] = grid.inner;
  s.stride[1] = grid.inner_stride;
  s.count[2] = grid.outer;
  s.stride[2] = grid.outer_stride;
  s.offset = grid.offset;
  Cover cover;
  append(cover, s, rows);
  return cover;
}

Cover best(const Grid& grid, int64_t rows);

/// Several units a step: runs of `run` bytes along the outer dimension.
Cover grouped(const Grid& grid, int64_t run, bool overhang, int64_t rows) {
  const int64_t together = kDepth / run;
  const int64_t groups = overhang ? (grid.outer + together - 1) / together : grid.outer / together;
  KernelSegment s;
  s.mode = run == 16 ? spec::RowMode::Run16x2 : spec::RowMode::Run8x4;
  s.run_stride = grid.outer_stride;
  s.count[0] = (grid.length + run - 1) / run;
  s.stride[0] = run;
  s.len_last = (together - 1) * run + grid.length - (s.count[0] - 1) * run;
  s.count[1] = groups;
  s.stride[1] = together * grid.outer_stride;
  s.count[2] = grid.inner;
  s.stride[2] = grid.inner_stride;
  s.offset = grid.offset;
  if (groups == 1 && overhang && s.count[0] == 1) {
    s.len_last = (grid.outer - 1) * run + grid.length;
  }
  Cover cover;
  append(cover, s, rows);
  const int64_t left = grid.outer - groups * together;
  if (left > 0) {
    Grid rest = grid;
    rest.outer = left;
    rest.offset += groups * together * grid.outer_stride;
    const Cover tail = best(rest, rows);
    cover.segments.insert(cover.segments.end(), tail.segments.begin(), tail.segments.end());
    cover.cost += tail.cost;
  }
  return cover;
}

Cover best(const Grid& grid, int64_t rows) {
  Cover cover = plain(grid, rows);
  Grid turned = grid;
  std::swap(turned.outer, turned.inner);
  std::swap(turned.outer_stride, turned.inner_stride);
  for (const Grid& way : {grid, turned}) {
    for (const int64_t run : {16, 8}) {
      const int64_t together = kDepth / run;
      if (way.outer > 1) cover = better(cover, grouped(way, run, true, rows));
      if (way.outer > together) cover = better(cover, grouped(way, run, false, rows));
    }
  }
  return cover;
}

void assign_lanes(const KernelShape& shape, KernelPlan& plan) {
  std::unordered_map<int64_t, int32_t> taps;
  for (int64_t i = 0; i < shape.kh; ++i) {
    for (int64_t j = 0; j < shape.kw; ++j) {
      for (int64_t c = 0; c < shape.channels; ++c) {
        taps[i * shape.row_stride + j * shape.column_stride + c] =
            static_cast<int32_t>((i * shape.kw + j) * shape.channels + c);
      }
    }
  }
  std::vector<int32_t> lanes(static_cast<std::size_t>(plan.steps * kDepth), -1);
  for (const KernelSegment& s : plan.segments) {
    int64_t step = s.first_step;
    for (int64_t k2 = 0; k2 < s.count[2]; ++k2) {
      for (int64_t k1 = 0; k1 < s.count[1]; ++k1) {
        for (int64_t k0 = 0; k0 < s.count[0]; ++k0, ++step) {
          const int64_t base = s.offset + k2 * s.stride[2] + k1 * s.stride[1] + k0 * s.stride[0];
          const int64_t len = k0 == s.count[0] - 1 ? s.len_last : s.len;
          for (int64_t l = 0; l < len; ++l) {
            const auto tap = taps.find(base + l / s.run_bytes() * s.run_stride + l % s.run_bytes());
            if (tap == taps.end()) continue;
            lanes[static_cast<std::size_t>(step * kDepth + l)] = tap->second;
            taps.erase(tap);  // each tap once, however often its byte is read
          }
        }
      }
    }
  }
  if (!taps.empty()) throw Error("kernel plan misses a tap", "compiler");
  plan.lanes = std::make_shared<const std::vector<int32_t>>(std::move(lanes));
}

}  // namespace

int64_t KernelSegment::run_bytes() const {
  return mode == spec::RowMode::Run32 ? 32 : mode == spec::RowMode::Run16x2 ? 16 : 8;
}

int64_t KernelSegment::end() const {
  int64_t end = offset + run_bytes() + (kDepth / run_bytes() - 1) * run_stride;
  for (int d = 0; d < 3; ++d) end += (count[d] - 1) * stride[d];
  return end;
}

int64_t KernelPlan::end() const {
  int64_t end = 0;
  for (const KernelSegment& segment : segments) end = std::max(end, segment.end());
  return end;
}

KernelPlan plan_kernel(const KernelShape& shape, int64_t rows) {
  // Tap by tap.
  Grid taps;
  taps.outer = shape.kh;
  taps.outer_stride = shape.row_stride;
  taps.inner = shape.kw;
  taps.inner_stride = shape.column_stride;
  taps.length = shape.channels;
  Cover cover = best(taps, rows);
  // Whole kernel rows, bytes between the taps included.
  Grid lines = taps;
  lines.inner = 1;
  lines.length = (shape.kw - 1) * shape.column_stride + shape.channels;
  if (shape.kw > 1) cover = better(cover, best(lines, rows));

  KernelPlan plan;
  plan.segments = cover.segments;
  for (KernelSegment& segment : plan.segments) {
    segment.first_step = plan.steps;
    plan.steps += segment.steps();
  }
  assign_lanes(shape, plan);
  return plan;
}

std::vector<KernelSegment> cut(const std::vector<KernelSegment>& segments, int64_t max_steps) {
  std::vector<KernelSegment> out;
  for (const KernelSegment& s : segments) {
    if (s.steps() <= max_steps) {
      out.push_back(s);
      continue;
    }
    int outer = 2;
    while (s.count[outer] == 1) --outer;
    int64_t inner = 1;
    for (int d = 0; d < outer; ++d) inner *= s.count[d];
    const int64_t piece = std::max<int64_t>(1, max_steps / inner);
    std::vector<KernelSegment> pieces;
    for (int64_t i = 0; i < s.count[outer]; i += piece) {
      KernelSegment part = s;
      part.count[outer] = std::min(piece, s.count[outer] - i);
      part.offset += i * s.stride[outer];
      part.first_step += i * inner;
      if (outer == 0 && i + part.count[0] < s.count[0]) part.len_last = s.len;
      pieces.push_back(part);
    }
    const std::vector<KernelSegment> finer = cut(pieces, max_steps);
    out.insert(out.end(), finer.begin(), finer.end());
  }
  return out;
}

namespace {

/// Makes a step the next one of a segment; false if it can't be.
bool append(KernelSegment& segment, const KernelSegment& step) {
  const int64_t count = segment.count[0];
  const bool alike = segment.mode == step.mode && segment.run_stride == step.run_stride &&
                     segment.len == segment.len_last && segment.len == step.len;
  const int64_t stride = count == 1 ? step.offset - segment.offset : segment.stride[0];
  if (!alike || step.first_step != segment.first_step + count ||
      step.offset != segment.offset + count * stride)
    return false;
  segment.stride[0] = stride;
  segment.len_last = step.len_last;
  ++segment.count[0];
  return true;
}

}  // namespace

std::vector<KernelSegment> joined(const std::vector<KernelSegment>& steps,
                                  const std::function<unsigned(const KernelSegment&)>& class_of) {
  std::vector<KernelSegment> out;
  for (const KernelSegment& step : steps) {
    const bool alike = !out.empty() && class_of(out.back()) == class_of(step);
    if (!alike || !append(out.back(), step)) out.push_back(step);
  }
  return out;
}

}  // namespace systole::compile
