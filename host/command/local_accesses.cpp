#include "host/command/local_accesses.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <initializer_list>

namespace systole {
namespace {

using See = std::function<bool(const LocalAccess&)>;

uint32_t wrapped(int64_t address) { return static_cast<uint32_t>(address) % spec::ScratchpadBytes; }

/// The chip refuses such a command.
bool any_is_0(std::initializer_list<uint32_t> counts) {
  return std::find(counts.begin(), counts.end(), 0u) != counts.end();
}

template <class Command>
void block(const Command& c, SpadPort port, const See& see) {
  if (any_is_0({c.run, c.count0, c.count1})) return;
  for (int64_t i1 = 0; i1 < c.count1; ++i1) {
    for (int64_t i0 = 0; i0 < c.count0; ++i0) {
      const int64_t address = c.local_addr + i1 * c.lstride1 + i0 * c.lstride0;
      if (!see({port, wrapped(address), c.run, {i1, i0}, {"i1", "i0"}})) return;
    }
  }
}

// ---------------------------------------------------------------------------------------- products

constexpr uint32_t kBiasBytes = spec::ArrayCols * 4;
constexpr int64_t kChunks = spec::ArrayDepth * spec::ArrayCols / spec::BankBytes;  // of a block

struct ProductStep {
  int64_t n, k2, k1, k0;
  int64_t step;  // k2, k1, k0 as one number
};

bool weights(const spec::MatmulCommand& c, const ProductStep& at, const See& see) {
  const int64_t base = c.wgt + at.n * c.wgt_nstride + at.step * c.wgt_kstride;
  constexpr int64_t chunk_bytes = spec::BankBytes;
  for (int64_t i = 0; i < kChunks; ++i) {
    const int64_t offset = c.weight_mode == spec::WeightMode::Packed ? i * chunk_bytes
                           : c.weight_mode == spec::WeightMode::KRows
                               ? i * c.wgt_run
                               : i / 2 * c.wgt_run + i % 2 * chunk_bytes;
    if (!see({SpadPort::Wgt,
              wrapped(base + offset),
              spec::BankBytes,
              {at.n, at.k2, at.k1, at.k0, i},
              {"n", "k2", "k1", "k0", "chunk"}}))
      return false;
  }
  if (at.step != 0 || c.init != spec::AccInit::Bias) return true;
  return see(
      {SpadPort::Wgt, wrapped(c.bias + at.n * kBiasBytes), kBiasBytes, {at.n}, {"bias of n"}});
}

bool rows(const spec::MatmulCommand& c, const ProductStep& at, const See& see) {
  const int64_t run = c.row_mode == spec::RowMode::Run32     ? 32
                      : c.row_mode == spec::RowMode::Run16x2 ? 16
                                                             : 8;
  const int64_t len = at.k0 == c.kcount0 - 1 ? c.len_last : c.len;
  const int64_t base =
      c.act + at.n * c.act_nstride + at.k2 * c.kstride2 + at.k1 * c.kstride1 + at.k0 * c.kstride0;
  for (int64_t r2 = 0; r2 < c.rcount2; ++r2) {
    for (int64_t r1 = 0; r1 < c.rcount1; ++r1) {
      for (int64_t r0 = 0; r0 < c.rcount0; ++r0) {
        const int64_t row = base + r2 * c.rstride2 + r1 * c.rstride1 + r0 * c.rstride0;
        for (int64_t done = 0; done < len; done += run) {
          const auto bytes = static_cast<uint32_t>(std::min(run, len - done));
          if (!see({SpadPort::Act,
                    wrapped(row + done / run * c.run_stride),
                    bytes,
                    {at.n, at.k2, at.k1, at.k0, r2, r1, r0},
                    {"n", "k2", "k1", "k0", "r2", "r1", "r0"}}))
            return false;
        }
      }
    }
  }
  return true;
}

void product(const spec::MatmulCommand& c, const See& see) {
  if (any_is_0({c.rcount0, c.rcount1, c.rcount2, c.kcount0, c.kcount1, c.kcount2, c.ncount}))
    return;
  for (int64_t n = 0; n < c.ncount; ++n) {
    int64_t step = 0;
    for (int64_t k2 = 0; k2 < c.kcount2; ++k2) {
      for (int64_t k1 = 0; k1 < c.kcount1; ++k1) {
        for (int64_t k0 = 0; k0 < c.kcount0; ++k0) {
          const ProductStep at{n, k2, k1, k0, step++};
          if (!weights(c, at, see) || !rows(c, at, see)) return;
        }
      }
    }
  }
}

// ------------------------------------------------------------------------------------------ vector

int64_t bytes_of(spec::Vtype type) {
  return type == spec::Vtype::S8 || type == spec::Vtype::U8 ? 1 : 4;
}

/// One output vector: what it reads of a, by its window, and of b, and where it goes.
bool group(const spec::VectorCommand& c, const std::array<int64_t, 4>& i, const See& see) {
  const std::size_t tail_dim = c.tail_dim;
  const int64_t counts[4] = {c.count0, c.count1, c.count2, c.count3};
  const int64_t lanes = i[tail_dim] == counts[tail_dim] - 1 ? c.lanes_last : c.lanes;
  const auto touch = [&](SpadPort port, spec::Vtype type, int64_t address) {
    return see({port,
                wrapped(address),
                static_cast<uint32_t>(lanes * bytes_of(type)),
                {i[3], i[2], i[1], i[0]},
                {"i3", "i2", "i1", "i0"}});
  };
  const auto strided = [&](int64_t base, int32_t s0, int32_t s1, int32_t s2, int32_t s3) {
    return base + i[0] * s0 + i[1] * s1 + i[2] * s2 + i[3] * s3;
  };
  const int64_t a = strided(c.a_base, c.a_stride0, c.a_stride1, c.a_stride2, c.a_stride3);
  const bool reads_a = c.a_type != spec::Vtype::Acc && c.a_type != spec::Vtype::None;
  for (int64_t w1 = 0; reads_a && w1 < c.wcount1; ++w1) {
    for (int64_t w0 = 0; w0 < c.wcount0; ++w0) {
      if (!touch(SpadPort::VectorA, c.a_type, a + w1 * c.a_wstride1 + w0 * c.a_wstride0))
        return false;
    }
  }
  if (c.b_type != spec::Vtype::None &&
      !touch(SpadPort::VectorB, c.b_type,
             strided(c.b_base, c.b_stride0, c.b_stride1, c.b_stride2, c.b_stride3)))
    return false;
  return touch(SpadPort::VectorD, c.d_type,
               strided(c.d_base, c.d_stride0, c.d_stride1, c.d_stride2, c.d_stride3));
}

void pass(const spec::VectorCommand& c, const See& see) {
  if (any_is_0({c.count0, c.count1, c.count2, c.count3, c.wcount0, c.wcount1})) return;
  std::array<int64_t, 4> i{};
  for (i[3] = 0; i[3] < c.count3; ++i[3]) {
    for (i[2] = 0; i[2] < c.count2; ++i[2]) {
      for (i[1] = 0; i[1] < c.count1; ++i[1]) {
        for (i[0] = 0; i[0] < c.count0; ++i[0]) {
          if (!group(c, i, see)) return;
        }
      }
    }
  }
}

}  // namespace

const char* to_string(SpadPort port) {
  constexpr std::array<const char*, kSpadPorts> names = {"act", "wgt", "va", "vb",
                                                         "vd",  "ld",  "st"};
  return names[static_cast<unsigned>(port)];
}

std::string LocalAccess::iteration() const {
  std::string text;
  for (std::size_t i = 0; i < names.size() && names[i] != nullptr; ++i)
    text += fmt::format("{}{}={}", i == 0 ? "" : " ", names[i], at[i]);
  return text;
}

void for_each_access(const spec::CommandWords& words, const See& see) {
  switch (static_cast<spec::Opcode>(words[0] & 0xff)) {
    case spec::Opcode::Load:
      return block(spec::LoadCommand::decode(words), SpadPort::Load, see);
    case spec::Opcode::Fill:
      return block(spec::FillCommand::decode(words), SpadPort::Load, see);
    case spec::Opcode::Store:
      return block(spec::StoreCommand::decode(words), SpadPort::Store, see);
    case spec::Opcode::Matmul:
      return product(spec::MatmulCommand::decode(words), see);
    case spec::Opcode::Vector:
      return pass(spec::VectorCommand::decode(words), see);
    default:
      return;
  }
}

}  // namespace systole
