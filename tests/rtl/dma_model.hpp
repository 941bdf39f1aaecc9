// What the tests of the load and store units share: flits as Verilator packs them, and the byte
// addresses of a strided block.
#pragma once

#include <verilated.h>

#include <array>
#include <cstdint>
#include <vector>

#include "rtl/spec/gen/systole_commands.hpp"
#include "tests/support/seed.hpp"

namespace systole::test {

using Rng = std::mt19937_64;

constexpr unsigned kMaxInFlight = 4;
constexpr unsigned kSlots = 16;

/// flit_t: 256 bits of payload, then last, head, err, op, tag, src, dst upwards.
struct Flit {
  std::array<uint8_t, 32> payload{};
  bool last = false;
  bool head = false;
  spec::Err err = spec::Err::Ok;
  spec::NocOp op = spec::NocOp::Read;
  unsigned tag = 0;
};

template <class Wide>
Flit unpack_flit(const Wide& wide) {
  Flit flit;
  for (unsigned i = 0; i < 32; ++i) flit.payload[i] = wide[i / 4] >> 8 * (i % 4) & 0xff;
  flit.last = wide[8] & 1;
  flit.head = wide[8] >> 1 & 1;
  flit.err = static_cast<spec::Err>(wide[8] >> 2 & 0xf);
  flit.op = static_cast<spec::NocOp>(wide[8] >> 6 & 0xf);
  flit.tag = wide[8] >> 10 & 0x3f;
  return flit;
}

template <class Wide>
void pack_flit(const Flit& flit, Wide& wide) {
  for (unsigned i = 0; i < 9; ++i) wide[i] = 0;
  for (unsigned i = 0; i < 32; ++i) wide[i / 4] |= uint32_t{flit.payload[i]} << 8 * (i % 4);
  wide[8] = flit.last | flit.head << 1 | static_cast<unsigned>(flit.err) << 2 |
            static_cast<unsigned>(flit.op) << 6 | flit.tag << 10;
}

/// One contiguous run of a block.
struct Run {
  uint64_t addr;
  uint32_t local;
};

/// The runs of a Load or Store in the order of its loop nest.
template <class Command>
std::vector<Run> runs_of(const Command& c) {
  std::vector<Run> runs;
  for (int64_t i1 = 0; i1 < int64_t{c.count1}; ++i1) {
    for (int64_t i0 = 0; i0 < int64_t{c.count0}; ++i0) {
      const uint64_t addr = c.addr + i1 * c.gstride1 + i0 * c.gstride0;
      const int64_t local = int64_t{c.local_addr} + i1 * c.lstride1 + i0 * c.lstride0;
      runs.push_back({addr & ((uint64_t{1} << 48) - 1), static_cast<uint32_t>(local)});
    }
  }
  return runs;
}

/// Strides and counts of a block whose runs don't overlap, and that covers at most `bytes`: either
/// dimension may be the inner one, either may run backwards. `first` is where run (0, 0) lies.
struct Shape {
  uint32_t run, count0, count1;
  int32_t stride0, stride1;
  int64_t first;
};

inline Shape random_shape(Rng& rng, uint32_t run, uint32_t count0, uint32_t count1, int64_t pad) {
  Shape s{run, count0, count1, 0, 0, 0};
  const int64_t inner = int64_t{run} + uniform(rng, 0, pad);
  if (one_in(rng, 2)) {
    s.stride0 = static_cast<int32_t>(inner);
    s.stride1 = static_cast<int32_t>(inner * count0 + uniform(rng, 0, pad));
  } else {
    s.stride1 = static_cast<int32_t>(inner);
    s.stride0 = static_cast<int32_t>(inner * count1 + uniform(rng, 0, pad));
  }
  if (one_in(rng, 3)) {
    s.first += int64_t{s.stride0} * (count0 - 1);
    s.stride0 = -s.stride0;
  }
  if (one_in(rng, 3)) {
    s.first += int64_t{s.stride1} * (count1 - 1);
    s.stride1 = -s.stride1;
  }
  return s;
}

/// A random block: scratchpad side inside the 64 KiB from `local_base`, global side from
/// `addr_base`.
template <class Command>
Command random_block(Rng& rng, uint64_t addr_base, uint32_t local_base) {
  static constexpr uint32_t kRuns[] = {1, 3, 16, 31, 32, 33, 64, 100, 511, 512, 513, 2000};
  const uint32_t run =
      one_in(rng, 2) ? kRuns[uniform(rng, 0, 11)] : static_cast<uint32_t>(uniform(rng, 1, 700));
  const uint32_t budget = 16000 / (run + 64);
  const uint32_t count0 = static_cast<uint32_t>(uniform(rng, 1, std::min(12u, budget + 1)));
  const uint32_t count1 = static_cast<uint32_t>(uniform(rng, 1, 1 + budget / (2 * count0)));
  const Shape local = random_shape(rng, run, count0, count1, 40);
  const Shape global = random_shape(rng, run, count0, count1, 3000);
  Command c;
  c.run = run;
  c.count0 = count0;
  c.count1 = count1;
  c.lstride0 = local.stride0;
  c.lstride1 = local.stride1;
  c.gstride0 = global.stride0;
  c.gstride1 = global.stride1;
  c.local_addr = static_cast<uint32_t>(local_base + local.first + uniform(rng, 0, 200));
  c.addr = addr_base + global.first + uniform(rng, 0, 5000);
  return c;
}

}  // namespace systole::test
