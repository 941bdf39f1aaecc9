#include "host/compile/access.hpp"

#include <algorithm>
#include <cstdlib>

namespace systole::compile {
namespace {

constexpr int64_t kMaxPieces = 512;

Region merged(Region pieces) {
  std::sort(pieces.begin(), pieces.end(),
            [](const Interval& a, const Interval& b) { return a.lo < b.lo; });
  Region out;
  for (const Interval& piece : pieces) {
    if (!out.empty() && piece.lo <= out.back().hi) {
      out.back().hi = std::max(out.back().hi, piece.hi);
    } else {
      out.push_back(piece);
    }
  }
  return out;
}

template <typename Command>
Region local_block(const Command& c) {
  return region(c.local_addr, c.run, {{c.count0, c.lstride0}, {c.count1, c.lstride1}});
}

Access access_of(const spec::MatmulCommand& c) {
  Access access;
  const int64_t run = c.row_mode == spec::RowMode::Run32     ? 32
                      : c.row_mode == spec::RowMode::Run16x2 ? 16
                                                             : 8;
  const int64_t len = c.kcount0 > 1 ? std::max(c.len, c.len_last) : c.len_last;
  const int64_t runs = (len + run - 1) / run;
  access.reads.push_back(region(c.act, std::min(run, len),
                                {{c.ncount, c.act_nstride},
                                 {c.kcount0, c.kstride0},
                                 {c.kcount1, c.kstride1},
                                 {c.kcount2, c.kstride2},
                                 {c.rcount0, c.rstride0},
                                 {c.rcount1, c.rstride1},
                                 {c.rcount2, c.rstride2},
                                 {runs, c.run_stride}}));
  const bool rows = c.weight_mode == spec::WeightMode::KRows;
  const bool columns = c.weight_mode == spec::WeightMode::Columns;
  const int64_t steps = int64_t{c.kcount0} * c.kcount1 * c.kcount2;
  access.reads.push_back(region(c.wgt,
                                rows      ? 16
                                : columns ? 32
                                          : 512,
                                {{steps, c.wgt_kstride},
                                 {c.ncount, c.wgt_nstride},
                                 {rows      ? 32
                                  : columns ? 16
                                            : 1,
                                  c.wgt_run}}));
  if (c.init == spec::AccInit::Bias) access.reads.push_back(region(c.bias, 64 * c.ncount, {}));
  const int64_t count = int64_t{c.rcount0} * c.rcount1 * c.rcount2;
  access.acc_writes.push_back(region(c.acc, count, {{c.ncount, c.acc_nstride}}));
  return access;
}

int64_t element_bytes(spec::Vtype type) {
  return type == spec::Vtype::S8 || type == spec::Vtype::U8 ? 1 : 4;
}

Access access_of(const spec::VectorCommand& c) {
  Access access;
  const uint16_t counts[4] = {c.count0, c.count1, c.count2, c.count3};
  const int64_t lanes = counts[c.tail_dim] > 1 ? std::max(c.lanes, c.lanes_last) : c.lanes_last;
  const std::vector<Level> a = {{c.count0, c.a_stride0},   {c.count1, c.a_stride1},
                                {c.count2, c.a_stride2},   {c.count3, c.a_stride3},
                                {c.wcount0, c.a_wstride0}, {c.wcount1, c.a_wstride1}};
  if (c.a_type == spec::Vtype::Acc) {
    access.acc_reads.push_back(region(c.a_base, 1, a));
  } else {
    access.reads.push_back(region(c.a_base, lanes * element_bytes(c.a_type), a));
  }
  if (c.b_type != spec::Vtype::None) {
    access.reads.push_back(region(c.b_base, lanes * element_bytes(c.b_type),
                                  {{c.count0, c.b_stride0},
                                   {c.count1, c.b_stride1},
                                   {c.count2, c.b_stride2},
                                   {c.count3, c.b_stride3}}));
  }
  access.writes.push_back(region(c.d_base, lanes * element_bytes(c.d_type),
                                 {{c.count0, c.d_stride0},
                                  {c.count1, c.d_stride1},
                                  {c.count2, c.d_stride2},
                                  {c.count3, c.d_stride3}}));
  const int64_t vector_bytes = 64 * int64_t{c.count3};
  if (c.s_vector) access.reads.push_back(region(c.s, vector_bytes, {}));
  if (c.t_vector) access.reads.push_back(region(c.t, vector_bytes, {}));
  if (c.c_vector) access.reads.push_back(region(c.c, vector_bytes, {}));
  return access;
}

bool any_overlap(const std::vector<Region>& a, const std::vector<Region>& b) {
  for (const Region& x : a) {
    for (const Region& y : b) {
      if (overlap(x, y)) return true;
    }
  }
  return false;
}

}  // namespace

Region region(int64_t base, int64_t run, std::vector<Level> levels) {
  for (Level& level : levels) {
    if (level.stride < 0) {
      base += (level.count - 1) * level.stride;
      level.stride = -level.stride;
    }
  }
  std::sort(levels.begin(), levels.end(),
            [](const Level& a, const Level& b) { return a.stride < b.stride; });
  std::vector<Level> apart;
  for (const Level& level : levels) {
    if (level.count <= 1 || level.stride == 0) continue;
    if (apart.empty() && level.stride <= run) {
      run += (level.count - 1) * level.stride;
    } else {
      apart.push_back(level);
    }
  }
  Region pieces = {{base, base + run}};
  for (auto level = apart.rbegin(); level != apart.rend(); ++level) {
    if (static_cast<int64_t>(pieces.size()) * level->count > kMaxPieces) {
      for (Interval& piece : pieces) piece.hi += (level->count - 1) * level->stride;
      continue;
    }
    Region more;
    for (const Interval& piece : pieces) {
      for (int64_t i = 0; i < level->count; ++i) {
        more.push_back({piece.lo + i * level->stride, piece.hi + i * level->stride});
      }
    }
    pieces = std::move(more);
  }
  return merged(std::move(pieces));
}

bool overlap(const Region& a, const Region& b) {
  if (a.empty() || b.empty() || a.back().hi <= b.front().lo || b.back().hi <= a.front().lo) {
    return false;
  }
  auto x = a.begin();
  auto y = b.begin();
  while (x != a.end() && y != b.end()) {
    if (x->hi <= y->lo) {
      ++x;
    } else if (y->hi <= x->lo) {
      ++y;
    } else {
      return true;
    }
  }
  return false;
}

namespace {

/// What a load reads of the tile's own scratchpad.
void add_own_reads(const spec::LoadCommand& c, uint64_t own, Access& access) {
  if (c.addr < own || c.addr >= own + spec::ScratchpadBytes) return;
  access.reads.push_back(region(static_cast<int64_t>(c.addr - own), c.run,
                                {{c.count0, c.gstride0}, {c.count1, c.gstride1}}));
}

}  // namespace

Access access_of(const spec::CommandWords& words, uint64_t own) {
  Access access;
  switch (spec::CommandHeader::decode(words).opcode) {
    case spec::Opcode::Load:
      access.writes.push_back(local_block(spec::LoadCommand::decode(words)));
      add_own_reads(spec::LoadCommand::decode(words), own, access);
      break;
    case spec::Opcode::Fill:
      access.writes.push_back(local_block(spec::FillCommand::decode(words)));
      break;
    case spec::Opcode::Store:
      access.reads.push_back(local_block(spec::StoreCommand::decode(words)));
      break;
    case spec::Opcode::Matmul:
      return access_of(spec::MatmulCommand::decode(words));
    case spec::Opcode::Vector:
      return access_of(spec::VectorCommand::decode(words));
    default:
      break;
  }
  return access;
}

bool conflict(const Access& first, const Access& second) {
  return any_overlap(first.writes, second.reads) || any_overlap(first.reads, second.writes) ||
         any_overlap(first.writes, second.writes) ||
         any_overlap(first.acc_writes, second.acc_reads) ||
         any_overlap(first.acc_reads, second.acc_writes);
}

}  // namespace systole::compile
