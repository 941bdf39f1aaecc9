#include "host/compile/access.hpp"

#include <algorithm>
#include <cstdlib>

namespace systole::compile {
namespace {

constexpr int64_t kMaxPieces = 512;
constexpr std::size_t kMaxLevels = 8;  // of a command's operand

/// Neighbours become one; sorted.
void merge(std::vector<Interval>& pieces) {
  const auto before = [](const Interval& a, const Interval& b) { return a.lo < b.lo; };
  if (!std::is_sorted(pieces.begin(), pieces.end(), before))
    std::sort(pieces.begin(), pieces.end(), before);
  std::size_t last = 0;
  for (const Interval& piece : pieces) {
    if (piece.lo <= pieces[last].hi) {
      pieces[last].hi = std::max(pieces[last].hi, piece.hi);
    } else {
      pieces[++last] = piece;
    }
  }
  pieces.resize(last + 1);
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
  access.read(region(c.act, std::min(run, len),
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
  access.read(region(c.wgt,
                     rows      ? 16
                     : columns ? 32
                               : 512,
                     {{steps, c.wgt_kstride},
                      {c.ncount, c.wgt_nstride},
                      {rows      ? 32
                       : columns ? 16
                                 : 1,
                       c.wgt_run}}));
  if (c.init == spec::AccInit::Bias) access.read(region(c.bias, 64 * c.ncount, {}));
  const int64_t count = int64_t{c.rcount0} * c.rcount1 * c.rcount2;
  access.acc_writes = region(c.acc, count, {{c.ncount, c.acc_nstride}});
  return access;
}

int64_t element_bytes(spec::Vtype type) {
  return type == spec::Vtype::S8 || type == spec::Vtype::U8 ? 1 : 4;
}

Access access_of(const spec::VectorCommand& c) {
  Access access;
  const uint16_t counts[4] = {c.count0, c.count1, c.count2, c.count3};
  const int64_t lanes = counts[c.tail_dim] > 1 ? std::max(c.lanes, c.lanes_last) : c.lanes_last;
  const bool sums = c.a_type == spec::Vtype::Acc;
  Region a = region(c.a_base, sums ? 1 : lanes * element_bytes(c.a_type),
                    {{c.count0, c.a_stride0},
                     {c.count1, c.a_stride1},
                     {c.count2, c.a_stride2},
                     {c.count3, c.a_stride3},
                     {c.wcount0, c.a_wstride0},
                     {c.wcount1, c.a_wstride1}});
  if (sums) {
    access.acc_reads = std::move(a);
  } else {
    access.read(std::move(a));
  }
  if (c.b_type != spec::Vtype::None) {
    access.read(region(c.b_base, lanes * element_bytes(c.b_type),
                       {{c.count0, c.b_stride0},
                        {c.count1, c.b_stride1},
                        {c.count2, c.b_stride2},
                        {c.count3, c.b_stride3}}));
  }
  access.writes = region(c.d_base, lanes * element_bytes(c.d_type),
                         {{c.count0, c.d_stride0},
                          {c.count1, c.d_stride1},
                          {c.count2, c.d_stride2},
                          {c.count3, c.d_stride3}});
  const int64_t vector_bytes = 64 * int64_t{c.count3};
  if (c.s_vector) access.read(region(c.s, vector_bytes, {}));
  if (c.t_vector) access.read(region(c.t, vector_bytes, {}));
  if (c.c_vector) access.read(region(c.c, vector_bytes, {}));
  return access;
}

bool reads_any(const Access& access, const Region& region) {
  for (std::size_t i = 0; i < access.num_reads; ++i) {
    if (overlap(access.reads[i], region)) return true;
  }
  return false;
}

}  // namespace

Region::Region(std::vector<Interval> pieces)
    : bounds_{pieces.front().lo, pieces.back().hi}, pieces_(std::move(pieces)) {
  if (pieces_.size() == 1) pieces_.clear();
}

Region region(int64_t base, int64_t run, std::initializer_list<Level> all) {
  std::array<Level, kMaxLevels> levels;
  std::size_t count = 0;
  for (Level level : all) {
    if (level.stride < 0) {
      base += (level.count - 1) * level.stride;
      level.stride = -level.stride;
    }
    if (level.count > 1 && level.stride != 0) levels[count++] = level;
  }
  std::sort(levels.begin(), levels.begin() + count,
            [](const Level& a, const Level& b) { return a.stride < b.stride; });
  std::size_t apart = 0;  // the first that leaves gaps
  for (; apart < count && levels[apart].stride <= run; ++apart)
    run += (levels[apart].count - 1) * levels[apart].stride;
  if (apart == count) return Region({base, base + run});
  std::vector<Interval> pieces = {{base, base + run}};
  for (std::size_t i = count; i-- > apart;) {
    const Level& level = levels[i];
    if (static_cast<int64_t>(pieces.size()) * level.count > kMaxPieces) {
      for (Interval& piece : pieces) piece.hi += (level.count - 1) * level.stride;
      continue;
    }
    std::vector<Interval> more;
    more.reserve(pieces.size() * static_cast<std::size_t>(level.count));
    for (const Interval& piece : pieces) {
      for (int64_t n = 0; n < level.count; ++n)
        more.push_back({piece.lo + n * level.stride, piece.hi + n * level.stride});
    }
    pieces = std::move(more);
  }
  merge(pieces);
  return Region(std::move(pieces));
}

bool overlap(const Region& a, const Region& b) {
  if (a.bounds().hi <= b.bounds().lo || b.bounds().hi <= a.bounds().lo) return false;
  const Interval* x = a.begin();
  const Interval* y = b.begin();
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
  access.read(region(static_cast<int64_t>(c.addr - own), c.run,
                     {{c.count0, c.gstride0}, {c.count1, c.gstride1}}));
}

}  // namespace

Access access_of(const spec::CommandWords& words, uint64_t own) {
  Access access;
  switch (spec::CommandHeader::decode(words).opcode) {
    case spec::Opcode::Load:
      access.writes = local_block(spec::LoadCommand::decode(words));
      add_own_reads(spec::LoadCommand::decode(words), own, access);
      break;
    case spec::Opcode::Fill:
      access.writes = local_block(spec::FillCommand::decode(words));
      break;
    case spec::Opcode::Store:
      access.read(local_block(spec::StoreCommand::decode(words)));
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
  return reads_any(second, first.writes) || reads_any(first, second.writes) ||
         overlap(first.writes, second.writes) || overlap(first.acc_writes, second.acc_reads) ||
         overlap(first.acc_reads, second.acc_writes);
}

}  // namespace systole::compile
