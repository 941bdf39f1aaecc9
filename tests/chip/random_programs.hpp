// Programs that are legal, meaningless and busy: all units of both tiles of a `tiny` chip at once,
// with strides, widths and modes of all kinds, so that every bank, port and link is fought for.
// Values are whatever lies in memory.
#pragma once

#include <algorithm>
#include <array>
#include <vector>

#include "tests/chip/chip_bench.hpp"
#include "tests/support/seed.hpp"

namespace systole::test {

struct Place {
  unsigned x, y;
};

/// Programs of one load, long enough for the control core to fall asleep.
inline compile::CompiledModel short_programs(const std::vector<Place>& tiles) {
  compile::CompiledModel model;
  model.config = chip_config("tiny");
  model.input_record = model.output_record = 64;
  for (const Place& place : tiles) {
    ProgramBuilder program(0x8000);
    spec::LoadCommand load;
    load.addr = spec::HostMemBase;
    load.run = 64;
    load.count0 = load.count1 = 1;
    program.add(spec::Unit::Load, load);
    compile::TileProgram tile = program.tile(place.x, place.y);
    tile.windows = {{spec::HostMemBase, 1 << 20, true, true}};
    model.tiles.push_back(tile);
  }
  return model;
}

/// A program each that fills so many beats of its own scratchpad, a cycle each, and meets nobody.
inline compile::CompiledModel fill_programs(
    const std::vector<std::pair<Place, uint32_t>>& tiles_and_beats) {
  compile::CompiledModel model;
  model.config = chip_config("tiny");
  model.input_record = model.output_record = 64;
  for (const auto& [place, beats] : tiles_and_beats) {
    ProgramBuilder program(0x8000);
    spec::FillCommand fill;
    fill.run = beats * 32;
    fill.count0 = fill.count1 = 1;
    program.add(spec::Unit::Load, fill);
    compile::TileProgram tile = program.tile(place.x, place.y);
    tile.windows = {{spec::HostMemBase, 1 << 20, true, true}};
    model.tiles.push_back(tile);
  }
  return model;
}

template <class Rng>
class RandomPrograms {
 public:
  explicit RandomPrograms(Rng& rng) : rng_(rng) {}

  compile::CompiledModel model() {
    compile::CompiledModel model;
    model.config = chip_config("tiny");
    model.input_record = model.output_record = kRecord;
    for (bool& meets : meets_) meets = maybe(2);
    for (unsigned y = 0; y < 2; ++y) {
      compile::TileProgram tile = program(y).tile(1, y);
      tile.windows = {{spec::DramBase, 2 * kDram, true, true},
                      {spec::HostMemBase, 1 << 20, true, true},
                      {spec::TileBase, Address{2} << spec::TileRowShift, true, true}};
      model.tiles.push_back(tile);
    }
    return model;
  }

 private:
  static constexpr uint32_t kProgram = 0x30000;  // data lie below
  static constexpr uint32_t kDram = 1 << 20;     // read from the first half, written to the second
  static constexpr uint32_t kRecord = 4096;
  static constexpr unsigned kOwn = 0;     // semaphores 0 to 3: of a unit, to itself
  static constexpr unsigned kRemote = 8;  // 8 to 11: from the other tile's unit

  int64_t pick(int64_t low, int64_t high) { return uniform(rng_, low, high); }
  bool maybe(int64_t one_in) { return pick(1, one_in) == 1; }

  /// Strides of loops with these counts that stay within `room` bytes of each other.
  template <std::size_t N>
  std::array<int32_t, N> strides(const std::array<unsigned, N>& counts, int64_t room,
                                 int64_t grain) {
    std::array<int32_t, N> result{};
    for (std::size_t i = 0; i < N; ++i) {
      const int64_t most = room / static_cast<int64_t>(N) / std::max(1u, counts[i]);
      // Round strides meet the same banks again and again.
      const int64_t stride = maybe(3) ? int64_t{16} << pick(0, 5) : pick(0, 300);
      result[i] = static_cast<int32_t>(std::min(stride, most) / grain * grain);
    }
    return result;
  }
  template <std::size_t N>
  static int64_t reach(const std::array<unsigned, N>& counts,
                       const std::array<int32_t, N>& strides) {
    int64_t sum = 0;
    for (std::size_t i = 0; i < N; ++i) sum += int64_t{counts[i] - 1} * strides[i];
    return sum;
  }
  /// Where something that reaches so far may begin.
  uint32_t base(int64_t reach, int64_t grain) {
    return static_cast<uint32_t>(pick(0, (kProgram - reach - 128) / grain) * grain);
  }

  /// Loads and stores of some rows.
  template <class Command>
  Command transfer(unsigned y, bool write) {
    Command c;
    c.run = static_cast<uint32_t>(maybe(2) ? pick(1, 100) : pick(100, 1500));
    c.count0 = static_cast<uint32_t>(pick(1, 6));
    c.count1 = static_cast<uint32_t>(pick(1, 3));
    c.lstride0 = static_cast<int32_t>(pick(0, 2000));
    c.lstride1 = static_cast<int32_t>(pick(0, 9000));
    c.gstride0 = static_cast<int32_t>(pick(0, 3000));
    c.gstride1 = static_cast<int32_t>(pick(0, 9000));
    c.local_addr = base(2000 * 6 + 9000 * 3 + 1500, 1);
    const int64_t room = 3000 * 6 + 9000 * 3 + 1500;
    switch (pick(0, 3)) {
      case 0:
        c.addr = tile_base(1, maybe(2) ? y : 1 - y) + base(room, 1);
        break;
      case 1:
        c.addr = spec::HostMemBase;
        c.header.sel0_en = true;
        c.header.sel0_param = write ? 1 : 0;
        c.header.sel0_word = 4;
        c.run = std::min<uint32_t>(c.run, 1000);
        c.count0 = c.count1 = 1;
        break;
      default:
        c.addr =
            spec::DramBase + (write ? kDram : 0) + static_cast<uint64_t>(pick(0, kDram - room));
    }
    return c;
  }

  spec::FillCommand fill() {
    spec::FillCommand c;
    c.run = static_cast<uint32_t>(pick(1, 700));
    c.count0 = static_cast<uint32_t>(pick(1, 5));
    c.count1 = static_cast<uint32_t>(pick(1, 3));
    c.lstride0 = static_cast<int32_t>(pick(0, 2000));
    c.lstride1 = static_cast<int32_t>(pick(0, 9000));
    c.local_addr = base(2000 * 5 + 9000 * 3 + 700, 1);
    return c;
  }

  spec::MatmulCommand matmul() {
    spec::MatmulCommand c;
    c.row_mode = static_cast<spec::RowMode>(pick(0, 2));
    c.weight_mode = static_cast<spec::WeightMode>(pick(0, 2));
    c.init = static_cast<spec::AccInit>(pick(0, 2));
    c.len = static_cast<uint8_t>(pick(1, 32));
    c.len_last = static_cast<uint8_t>(pick(1, 32));
    const auto count = [&](int64_t most) { return static_cast<unsigned>(pick(1, most)); };
    const std::array<unsigned, 8> counts{count(20), count(4), count(3), count(3),
                                         count(3),  count(2), count(3), 4};
    c.rcount0 = static_cast<uint16_t>(counts[0]), c.rcount1 = static_cast<uint16_t>(counts[1]);
    c.rcount2 = static_cast<uint16_t>(counts[2]), c.kcount0 = static_cast<uint16_t>(counts[3]);
    c.kcount1 = static_cast<uint16_t>(counts[4]), c.kcount2 = static_cast<uint16_t>(counts[5]);
    c.ncount = static_cast<uint16_t>(counts[6]);
    const auto s = strides(counts, 60000, 1);
    c.rstride0 = s[0], c.rstride1 = s[1], c.rstride2 = s[2], c.kstride0 = s[3];
    c.kstride1 = s[4], c.kstride2 = s[5], c.act_nstride = s[6], c.run_stride = s[7];
    c.act = base(reach(counts, s), 1);
    c.wgt_run = static_cast<int32_t>(pick(1, 20) * 16);
    c.wgt_kstride = static_cast<int32_t>(pick(0, 40) * 16);
    c.wgt_nstride = static_cast<int32_t>(pick(0, 100) * 16);
    c.wgt = base(32 * 320 + 18 * 640 + 3 * 1600 + 512, 16);
    c.bias = base(3 * 64, 16);
    const unsigned rows = counts[0] * counts[1] * counts[2];
    c.acc_nstride = static_cast<uint16_t>(pick(0, (512 - rows) / counts[6] / 2));
    c.acc = static_cast<uint16_t>(
        pick(0, 512 - int64_t{rows} - int64_t{c.acc_nstride} * (counts[6] - 1)));
    return c;
  }

  static bool wide(spec::Vtype type) {
    return type == spec::Vtype::S32 || type == spec::Vtype::F32;
  }

  spec::VectorCommand vector() {
    spec::VectorCommand c;
    c.a_type = static_cast<spec::Vtype>(pick(1, 5));
    c.d_type = static_cast<spec::Vtype>(pick(1, 4));
    c.op = static_cast<spec::Vop>(pick(0, 4));
    const bool order = c.op == spec::Vop::Max || c.op == spec::Vop::Min;
    if (order || (c.op == spec::Vop::Fma && maybe(2)))
      c.b_type = static_cast<spec::Vtype>(pick(1, 4));
    if (maybe(2)) c.act = c.op == spec::Vop::Mul ? spec::Vact::Clip : spec::Vact::Relu;
    c.s_vector = maybe(2), c.t_vector = maybe(3), c.c_vector = maybe(3);
    c.tail_dim = static_cast<uint8_t>(pick(0, 3));
    c.lanes = static_cast<uint8_t>(pick(1, 16));
    c.lanes_last = static_cast<uint8_t>(pick(1, 16));
    if (maybe(2)) c.lanes = c.lanes_last = 16;
    const auto count = [&](int64_t most) { return static_cast<unsigned>(pick(1, most)); };
    std::array<unsigned, 6> counts{count(12), count(4), count(3), count(4), 1, 1};
    if (maybe(3)) {
      c.reduce = maybe(2) ? spec::Vreduce::Sum : spec::Vreduce::Max;
      counts[4] = count(3), counts[5] = count(3);
    }
    c.count0 = static_cast<uint16_t>(counts[0]), c.count1 = static_cast<uint16_t>(counts[1]);
    c.count2 = static_cast<uint16_t>(counts[2]), c.count3 = static_cast<uint16_t>(counts[3]);
    c.wcount0 = static_cast<uint16_t>(counts[4]), c.wcount1 = static_cast<uint16_t>(counts[5]);
    const bool acc = c.a_type == spec::Vtype::Acc;
    const auto a = strides(counts, acc ? 400 : 30000, wide(c.a_type) ? 4 : 1);
    c.a_stride0 = a[0], c.a_stride1 = a[1], c.a_stride2 = a[2], c.a_stride3 = a[3];
    c.a_wstride0 = a[4], c.a_wstride1 = a[5];
    c.a_base =
        acc ? static_cast<uint32_t>(pick(0, 511 - reach(counts, a))) : base(reach(counts, a), 4);
    const auto b = strides(counts, 30000, wide(c.b_type) ? 4 : 1);
    c.b_stride0 = b[0], c.b_stride1 = b[1], c.b_stride2 = b[2], c.b_stride3 = b[3];
    c.b_base = base(reach(counts, b), 4);
    const auto d = strides(counts, 30000, wide(c.d_type) ? 4 : 1);
    c.d_stride0 = d[0], c.d_stride1 = d[1], c.d_stride2 = d[2], c.d_stride3 = d[3];
    c.d_base = base(reach(counts, d), 4);
    c.s = c.s_vector ? base(4 * 64, 64) : 0x3c000000;
    c.t = c.t_vector ? base(4 * 64, 64) : 0x3c000000;
    c.c = c.c_vector ? base(4 * 64, 64) : 0x3c000000;
    c.lo = -128, c.hi = 127;
    return c;
  }

  /// Adds a command; some wait for the one before them in their unit, which then posts.
  template <class Command>
  void add(ProgramBuilder& program, spec::Unit unit, Command command) {
    const auto u = static_cast<std::size_t>(unit);
    const auto own = static_cast<uint16_t>(1u << (kOwn + u));
    if (posted_[u]) command.header.wait_mask = own;
    posted_[u] = left_[u] > 1 && maybe(2);
    if (posted_[u]) command.header.post_mask = own;
    --left_[u];
    program.add(unit, command);
  }

  ProgramBuilder program(unsigned y) {
    ProgramBuilder program(kProgram);
    for (unsigned u = 0; u < spec::NumUnits; ++u) {
      const auto unit = static_cast<spec::Unit>(u);
      posted_[u] = false;
      left_[u] = static_cast<unsigned>(pick(3, 9));
      for (unsigned i = 0; left_[u] > 0; ++i) {
        if (i == 1 && meets_[u]) meet(program, unit, y);
        switch (unit) {
          case spec::Unit::Load:
            if (maybe(4)) {
              add(program, unit, fill());
            } else {
              add(program, unit, transfer<spec::LoadCommand>(y, false));
            }
            break;
          case spec::Unit::Matrix:
            add(program, unit, matmul());
            break;
          case spec::Unit::Vector:
            add(program, unit, vector());
            break;
          case spec::Unit::Store:
            add(program, unit, transfer<spec::StoreCommand>(y, true));
            break;
        }
      }
      spec::LoopCommand loop;
      loop.target = 0;
      program.add(unit, loop);
    }
    return program;
  }

  /// The unit posts to the other tile's, then waits for its post. Both tiles do, or none.
  void meet(ProgramBuilder& program, spec::Unit unit, unsigned y) {
    const auto u = static_cast<unsigned>(unit);
    spec::NopCommand post;
    post.header.remote_en = true;
    post.header.remote_x = 1;
    post.header.remote_y = static_cast<uint8_t>(1 - y);
    post.header.remote_sem = static_cast<uint8_t>(kRemote + u);
    program.add(unit, post);
    spec::NopCommand wait;
    wait.header.wait_mask = static_cast<uint16_t>(1u << (kRemote + u));
    program.add(unit, wait);
  }

  Rng& rng_;
  std::array<bool, spec::NumUnits> posted_{};
  std::array<unsigned, spec::NumUnits> left_{};
  std::array<bool, spec::NumUnits> meets_{};  // the unit of the other tile, once an input
};

/// Runs on both tiles, for any number of inputs. Deterministic in `rng`.
template <class Rng>
compile::CompiledModel random_programs(Rng& rng) {
  return RandomPrograms<Rng>(rng).model();
}

}  // namespace systole::test
