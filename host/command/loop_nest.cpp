#include "host/command/loop_nest.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace systole {
namespace {

using spec::Opcode;
using spec::Vtype;

Opcode opcode_of(const spec::CommandWords& words) { return static_cast<Opcode>(words[0] & 0xff); }

// -------------------------------------------------------------------------------- blocks of bytes

template <class Command>
Iteration block_iteration(const Command& c, uint64_t element) {
  if (c.run == 0 || c.count0 == 0) return {};
  const uint64_t i0 = element / c.run;
  if (i0 / c.count0 >= c.count1) return {};
  return {{"i1", static_cast<int64_t>(i0 / c.count0)},
          {"i0", static_cast<int64_t>(i0 % c.count0)},
          {"byte", static_cast<int64_t>(element % c.run)}};
}

std::optional<Destination> store_reader(const spec::StoreCommand& c, uint32_t local) {
  for (int64_t i1 = 0; i1 < c.count1; ++i1) {
    for (int64_t i0 = 0; i0 < c.count0; ++i0) {
      const int64_t from = c.local_addr + i1 * c.lstride1 + i0 * c.lstride0;
      if (local < from || local >= from + c.run) continue;
      return Destination{
          true, c.addr + static_cast<uint64_t>(i1 * c.gstride1 + i0 * c.gstride0 + (local - from))};
    }
  }
  return std::nullopt;
}

// ---------------------------------------------------------------------------------------- products

Iteration matmul_iteration(const spec::MatmulCommand& c, uint64_t element) {
  const uint64_t rows = uint64_t{c.rcount0} * c.rcount1 * c.rcount2;
  const uint64_t row = element / spec::ArrayCols;
  if (rows == 0 || row / rows >= c.ncount) return {};
  const auto r = static_cast<int64_t>(row % rows);
  return {{"n", static_cast<int64_t>(row / rows)},
          {"r2", r / c.rcount0 / c.rcount1},
          {"r1", r / c.rcount0 % c.rcount1},
          {"r0", r % c.rcount0},
          {"column", static_cast<int64_t>(element % spec::ArrayCols)}};
}

// -------------------------------------------------------------------------------------- vector

unsigned bytes_of(Vtype type) { return type == Vtype::S8 || type == Vtype::U8 ? 1 : 4; }

struct VectorPoint {
  int64_t i3, i2, i1, i0;
  unsigned lanes;
};

/// Calls body(point) for every output vector, in order, until it returns true.
template <class Body>
void for_each_point(const spec::VectorCommand& c, Body body) {
  const int64_t counts[4] = {c.count0, c.count1, c.count2, c.count3};
  int64_t i[4];
  for (i[3] = 0; i[3] < counts[3]; ++i[3]) {
    for (i[2] = 0; i[2] < counts[2]; ++i[2]) {
      for (i[1] = 0; i[1] < counts[1]; ++i[1]) {
        for (i[0] = 0; i[0] < counts[0]; ++i[0]) {
          const bool tail = i[c.tail_dim] == counts[c.tail_dim] - 1;
          if (body(VectorPoint{i[3], i[2], i[1], i[0], tail ? c.lanes_last : c.lanes})) return;
        }
      }
    }
  }
}

Iteration vector_iteration(const spec::VectorCommand& c, uint64_t element) {
  Iteration found;
  for_each_point(c, [&](const VectorPoint& p) {
    if (element >= p.lanes) {
      element -= p.lanes;
      return false;
    }
    found = {{"i3", p.i3},
             {"i2", p.i2},
             {"i1", p.i1},
             {"i0", p.i0},
             {"lane", static_cast<int64_t>(element)}};
    return true;
  });
  return found;
}

int64_t a_at(const spec::VectorCommand& c, const VectorPoint& p) {
  return c.a_base + p.i3 * c.a_stride3 + p.i2 * c.a_stride2 + p.i1 * c.a_stride1 +
         p.i0 * c.a_stride0;
}
int64_t b_at(const spec::VectorCommand& c, const VectorPoint& p) {
  return c.b_base + p.i3 * c.b_stride3 + p.i2 * c.b_stride2 + p.i1 * c.b_stride1 +
         p.i0 * c.b_stride0;
}

Destination d_at(const spec::VectorCommand& c, const VectorPoint& p, int64_t lane) {
  const int64_t at =
      c.d_base + p.i3 * c.d_stride3 + p.i2 * c.d_stride2 + p.i1 * c.d_stride1 + p.i0 * c.d_stride0;
  return {false, static_cast<uint64_t>(at + lane * bytes_of(c.d_type))};
}

/// Calls body(address of the first lane of a) for the window of a point, until it returns true.
template <class Body>
void for_each_window(const spec::VectorCommand& c, const VectorPoint& p, Body body) {
  for (int64_t w1 = 0; w1 < c.wcount1; ++w1) {
    for (int64_t w0 = 0; w0 < c.wcount0; ++w0) {
      if (body(a_at(c, p) + w1 * c.a_wstride1 + w0 * c.a_wstride0)) return;
    }
  }
}

/// The lane of a vector at `first` that holds the byte `local`, or -1.
int64_t lane_of(int64_t first, Vtype type, unsigned lanes, int64_t local) {
  const int64_t offset = local - first;
  return offset >= 0 && offset < int64_t{lanes} * bytes_of(type) ? offset / bytes_of(type) : -1;
}

std::optional<Destination> vector_reader(const spec::VectorCommand& c, uint32_t local) {
  std::optional<Destination> found;
  for_each_point(c, [&](const VectorPoint& p) {
    int64_t lane = -1;
    if (c.b_type != Vtype::None) lane = lane_of(b_at(c, p), c.b_type, p.lanes, local);
    if (lane < 0 && c.a_type != Vtype::Acc) {
      for_each_window(c, p, [&](int64_t at) {
        lane = lane_of(at, c.a_type, p.lanes, local);
        return lane >= 0;
      });
    }
    if (lane >= 0) found = d_at(c, p, lane);
    return found.has_value();
  });
  return found;
}

}  // namespace

Iteration iteration_of(const spec::CommandWords& words, uint64_t element) {
  switch (opcode_of(words)) {
    case Opcode::Load:
      return block_iteration(spec::LoadCommand::decode(words), element);
    case Opcode::Fill:
      return block_iteration(spec::FillCommand::decode(words), element);
    case Opcode::Store:
      return block_iteration(spec::StoreCommand::decode(words), element);
    case Opcode::Matmul:
      return matmul_iteration(spec::MatmulCommand::decode(words), element);
    case Opcode::Vector:
      return vector_iteration(spec::VectorCommand::decode(words), element);
    default:
      return {};
  }
}

std::optional<uint64_t> source_of(const spec::CommandWords& words, uint64_t element) {
  if (opcode_of(words) != Opcode::Load) return std::nullopt;
  const Iteration i = iteration_of(words, element);
  if (i.empty()) return std::nullopt;
  const auto load = spec::LoadCommand::decode(words);
  return static_cast<uint64_t>(static_cast<int64_t>(load.addr) + i[0].second * load.gstride1 +
                               i[1].second * load.gstride0 + i[2].second);
}

std::vector<int64_t> extents_of(const spec::CommandWords& words) {
  const auto block = [](const auto& c) -> std::vector<int64_t> {
    return {c.count1, c.count0, c.run};
  };
  switch (opcode_of(words)) {
    case Opcode::Load:
      return block(spec::LoadCommand::decode(words));
    case Opcode::Fill:
      return block(spec::FillCommand::decode(words));
    case Opcode::Store:
      return block(spec::StoreCommand::decode(words));
    case Opcode::Matmul: {
      const auto c = spec::MatmulCommand::decode(words);
      return {c.ncount, c.rcount2, c.rcount1, c.rcount0, spec::ArrayCols};
    }
    case Opcode::Vector: {
      const auto c = spec::VectorCommand::decode(words);
      return {c.count3, c.count2, c.count1, c.count0, std::max(c.lanes, c.lanes_last)};
    }
    default:
      return {};
  }
}

std::string iteration_text(const Iteration& iteration) {
  std::string text;
  for (const auto& [name, value] : iteration)
    text += fmt::format("{}{}={}", text.empty() ? "" : " ", name, value);
  return text;
}

std::optional<Destination> reader_of_accumulator(const spec::CommandWords& words, uint32_t row,
                                                 unsigned column) {
  if (opcode_of(words) != Opcode::Vector) return std::nullopt;
  const auto c = spec::VectorCommand::decode(words);
  if (c.a_type != Vtype::Acc) return std::nullopt;
  std::optional<Destination> found;
  for_each_point(c, [&](const VectorPoint& p) {
    for_each_window(c, p, [&](int64_t at) {
      if (at == row && column < p.lanes) found = d_at(c, p, column);
      return found.has_value();
    });
    return found.has_value();
  });
  return found;
}

std::optional<Destination> reader_of_scratchpad(const spec::CommandWords& words, uint32_t local) {
  if (opcode_of(words) == Opcode::Store)
    return store_reader(spec::StoreCommand::decode(words), local);
  if (opcode_of(words) == Opcode::Vector)
    return vector_reader(spec::VectorCommand::decode(words), local);
  return std::nullopt;
}

}  // namespace systole
