#include "host/golden/execute.hpp"

#include <algorithm>
#include <cstring>
#include <limits>

#include "host/golden/binary32.hpp"
#include "host/golden/functions.hpp"
#include "rtl/spec/gen/systole_commands.hpp"

namespace systole::golden {
namespace {

using spec::AccHalfRows;
using spec::AccInit;
using spec::FillCommand;
using spec::Format;
using spec::LoadCommand;
using spec::MatmulCommand;
using spec::Opcode;
using spec::RowMode;
using spec::ScratchpadBytes;
using spec::StoreCommand;
using spec::Vact;
using spec::VectorCommand;
using spec::Vop;
using spec::Vreduce;
using spec::Vtype;
using spec::WeightMode;

using Scratchpad = std::vector<uint8_t>;

constexpr Fault kNoFault{};

Fault operand_fault(unsigned word) { return {spec::Fault::Operand, word}; }

/// Lowest and highest offset that a nest of counts and strides reaches.
class Extent {
 public:
  void dimension(int64_t count, int64_t stride) {
    const int64_t reach = (count - 1) * stride;
    (reach < 0 ? low_ : high_) += reach;
  }
  bool inside(int64_t base, int64_t bytes, int64_t limit) const {
    return base + low_ >= 0 && base + high_ + bytes <= limit;
  }

 private:
  int64_t low_ = 0;
  int64_t high_ = 0;
};

void add_range(WriteSet* written, WrittenRange::Space space, Address address, std::size_t count) {
  if (written == nullptr) return;
  if (!written->empty()) {
    WrittenRange& last = written->back();
    if (last.space == space && last.address + last.count == address) {
      last.count += count;
      return;
    }
  }
  written->push_back({space, address, count});
}

// ------------------------------------------------------------------------------- load, fill, store

/// The scratchpad side of a Load, Fill or Store: counts at least 1 and inside the scratchpad.
template <typename Command>
Fault check_block(const Command& c) {
  Extent extent;
  extent.dimension(c.count0, c.lstride0);
  extent.dimension(c.count1, c.lstride1);
  const bool empty = c.run == 0 || c.count0 == 0 || c.count1 == 0;
  if (!empty && extent.inside(c.local_addr, c.run, ScratchpadBytes)) return kNoFault;
  return {spec::Fault::Operand, c.local_addr};
}

/// Calls body(global address, scratchpad offset) for every run of a block.
template <typename Command, typename Body>
void for_each_run(const Command& c, Body body) {
  for (int64_t i1 = 0; i1 < c.count1; ++i1) {
    for (int64_t i0 = 0; i0 < c.count0; ++i0) {
      body(static_cast<Address>(static_cast<int64_t>(c.addr) + i1 * c.gstride1 + i0 * c.gstride0),
           static_cast<uint32_t>(c.local_addr + i1 * c.lstride1 + i0 * c.lstride0));
    }
  }
}

template <typename Command>
Fault check_global(const Machine& machine, const Command& c) {
  Fault fault;
  for_each_run(c, [&](Address global, uint32_t) {
    if (!fault && !machine.is_memory(global, c.run)) fault = {spec::Fault::Response, global};
  });
  return fault;
}

Fault load(Machine& machine, Node node, const LoadCommand& c, WriteSet* written) {
  if (const Fault fault = check_block(c); fault) return fault;
  if (const Fault fault = check_global(machine, c); fault) return fault;
  Scratchpad& scratchpad = machine.tile(node).scratchpad;
  for_each_run(c, [&](Address global, uint32_t local) {
    machine.read(global, scratchpad.data() + local, c.run);
    add_range(written, WrittenRange::Space::Global, scratchpad_address(node, local), c.run);
  });
  return kNoFault;
}

Fault store(Machine& machine, Node node, const StoreCommand& c, WriteSet* written) {
  if (const Fault fault = check_block(c); fault) return fault;
  if (const Fault fault = check_global(machine, c); fault) return fault;
  const Scratchpad& scratchpad = machine.tile(node).scratchpad;
  for_each_run(c, [&](Address global, uint32_t local) {
    machine.write(global, scratchpad.data() + local, c.run);
    add_range(written, WrittenRange::Space::Global, global, c.run);
  });
  return kNoFault;
}

Fault fill(Machine& machine, Node node, const FillCommand& c, WriteSet* written) {
  if (const Fault fault = check_block(c); fault) return fault;
  Scratchpad& scratchpad = machine.tile(node).scratchpad;
  for (int64_t i1 = 0; i1 < c.count1; ++i1) {
    for (int64_t i0 = 0; i0 < c.count0; ++i0) {
      const auto local = static_cast<uint32_t>(c.local_addr + i1 * c.lstride1 + i0 * c.lstride0);
      for (uint32_t b = 0; b < c.run; ++b) {
        scratchpad[local + b] = static_cast<uint8_t>(c.value >> (8 * (b % 4)));
      }
      add_range(written, WrittenRange::Space::Global, scratchpad_address(node, local), c.run);
    }
  }
  return kNoFault;
}

// ------------------------------------------------------------------------------------------ matrix

constexpr int kDepth = 32;

unsigned run_length(const MatmulCommand& c) {
  return c.row_mode == RowMode::Run32 ? 32 : c.row_mode == RowMode::Run16x2 ? 16 : 8;
}

/// Bytes from one run of a weight block to the next, the runs, and the bytes of each.
struct WeightShape {
  int64_t stride;
  int64_t runs;
  int64_t run_bytes;
};

WeightShape weight_shape(const MatmulCommand& c) {
  if (c.weight_mode == WeightMode::KRows) return {c.wgt_run, 32, 16};
  if (c.weight_mode == WeightMode::Columns) return {c.wgt_run, 16, 32};
  return {16, 32, 16};
}

Fault check_matmul(const MatmulCommand& c) {
  if (c.row_mode > RowMode::Run8x4 || c.weight_mode > WeightMode::Columns ||
      c.init > AccInit::Accumulate || c.format != Format::Int8) {
    return operand_fault(5);
  }
  if (c.len < 1 || c.len > kDepth || c.len_last < 1 || c.len_last > kDepth) return operand_fault(7);
  if (c.rcount0 == 0 || c.rcount1 == 0) return operand_fault(8);
  if (c.rcount2 == 0 || c.ncount == 0) return operand_fault(9);
  if (c.kcount0 == 0 || c.kcount1 == 0) return operand_fault(13);
  if (c.kcount2 == 0) return operand_fault(14);
  if (uint64_t{c.kcount0} * c.kcount1 * c.kcount2 > 0xffff) return operand_fault(13);
  const uint64_t rows = uint64_t{c.rcount0} * c.rcount1 * c.rcount2;
  if (rows > AccHalfRows) return operand_fault(8);
  if (c.acc + (c.ncount - 1) * uint64_t{c.acc_nstride} + rows > kAccRows) return operand_fault(24);

  Extent act;
  act.dimension(c.ncount, c.act_nstride);
  act.dimension(c.kcount0, c.kstride0);
  act.dimension(c.kcount1, c.kstride1);
  act.dimension(c.kcount2, c.kstride2);
  act.dimension(c.rcount0, c.rstride0);
  act.dimension(c.rcount1, c.rstride1);
  act.dimension(c.rcount2, c.rstride2);
  const int64_t run = run_length(c);
  act.dimension(kDepth / run, kDepth / run > 1 ? c.run_stride : 0);
  if (!act.inside(c.act, run, ScratchpadBytes)) return operand_fault(4);

  const WeightShape shape = weight_shape(c);
  if (c.wgt % 16 != 0) return operand_fault(19);
  if (c.wgt_kstride % 16 != 0) return operand_fault(20);
  if (c.wgt_nstride % 16 != 0) return operand_fault(21);
  if (shape.stride % 16 != 0) return operand_fault(22);
  Extent wgt;
  wgt.dimension(int64_t{c.kcount0} * c.kcount1 * c.kcount2, c.wgt_kstride);
  wgt.dimension(c.ncount, c.wgt_nstride);
  wgt.dimension(shape.runs, shape.stride);
  if (!wgt.inside(c.wgt, shape.run_bytes, ScratchpadBytes)) return operand_fault(19);

  if (c.init == AccInit::Bias) {
    if (c.bias % 16 != 0 || c.bias + 64 * uint64_t{c.ncount} > ScratchpadBytes) {
      return operand_fault(23);
    }
  }
  return kNoFault;
}

using WeightBlock = std::array<std::array<int32_t, kLanes>, kDepth>;

int32_t extend(uint8_t byte, bool is_signed) {
  return is_signed ? static_cast<int8_t>(byte) : static_cast<int32_t>(byte);
}

WeightBlock read_weights(const Scratchpad& scratchpad, const MatmulCommand& c, int64_t base) {
  WeightBlock block;
  const WeightShape shape = weight_shape(c);
  const bool columns = c.weight_mode == WeightMode::Columns;
  for (int64_t run = 0; run < shape.runs; ++run) {
    const uint8_t* bytes = scratchpad.data() + base + run * shape.stride;
    for (int64_t i = 0; i < shape.run_bytes; ++i) {
      const auto l = static_cast<std::size_t>(columns ? i : run);
      const auto n = static_cast<std::size_t>(columns ? run : i);
      block[l][n] = extend(bytes[i], c.wgt_signed);
    }
  }
  return block;
}

/// All columns at once: left to itself the compiler takes the depth for its vectors, and gathers.
/// Unsigned: sums wrap. Never returned by value: how depends on the host's widest registers.
using Columns = uint32_t __attribute__((vector_size(4 * kLanes)));

void read_columns(const std::array<int32_t, kLanes>& words, Columns& columns) {
  std::memcpy(&columns, words.data(), sizeof columns);
}

/// Row of accumulators += x . W, wrapping.
void accumulate(std::array<int32_t, kLanes>& row, const uint8_t* base, const MatmulCommand& c,
                unsigned len, const WeightBlock& weights) {
  const unsigned run = run_length(c);
  Columns sum, weight;
  read_columns(row, sum);
  for (unsigned l = 0; l < len; ++l) {
    const uint8_t* byte = base + static_cast<int64_t>(l / run) * c.run_stride + l % run;
    read_columns(weights[l], weight);
    sum += static_cast<uint32_t>(extend(*byte, c.act_signed)) * weight;
  }
  std::memcpy(row.data(), &sum, sizeof sum);
}

Fault matmul(Machine& machine, Node node, const MatmulCommand& c, WriteSet* written) {
  if (const Fault fault = check_matmul(c); fault) return fault;
  TileMemory& tile = machine.tile(node);
  const uint8_t* memory = tile.scratchpad.data();
  const std::size_t rows = std::size_t{c.rcount0} * c.rcount1 * c.rcount2;
  for (int64_t n = 0; n < c.ncount; ++n) {
    const auto acc = static_cast<std::size_t>(c.acc + n * c.acc_nstride);
    if (c.init != AccInit::Accumulate) {
      std::array<int32_t, kLanes> first{};
      if (c.init == AccInit::Bias) std::memcpy(first.data(), memory + c.bias + 64 * n, 64);
      std::fill_n(tile.accumulators.begin() + static_cast<std::ptrdiff_t>(acc), rows, first);
    }
    int64_t step = 0;
    for (int64_t k2 = 0; k2 < c.kcount2; ++k2) {
      for (int64_t k1 = 0; k1 < c.kcount1; ++k1) {
        for (int64_t k0 = 0; k0 < c.kcount0; ++k0, ++step) {
          const WeightBlock weights =
              read_weights(tile.scratchpad, c, c.wgt + n * c.wgt_nstride + step * c.wgt_kstride);
          const unsigned len = k0 == c.kcount0 - 1 ? c.len_last : c.len;
          const int64_t k_base =
              c.act + n * c.act_nstride + k2 * c.kstride2 + k1 * c.kstride1 + k0 * c.kstride0;
          std::size_t row = acc;
          for (int64_t r2 = 0; r2 < c.rcount2; ++r2) {
            for (int64_t r1 = 0; r1 < c.rcount1; ++r1) {
              for (int64_t r0 = 0; r0 < c.rcount0; ++r0, ++row) {
                const int64_t base = k_base + r2 * c.rstride2 + r1 * c.rstride1 + r0 * c.rstride0;
                accumulate(tile.accumulators[row], memory + base, c, len, weights);
              }
            }
          }
        }
      }
    }
    add_range(written, WrittenRange::Space::Accumulator, acc, rows);
  }
  return kNoFault;
}

// ------------------------------------------------------------------------------------------ vector

bool is_byte(Vtype type) { return type == Vtype::S8 || type == Vtype::U8; }
unsigned element_bytes(Vtype type) { return is_byte(type) ? 1 : 4; }

Fault check_operand(Vtype type, const Extent& extent, uint32_t base, unsigned lanes,
                    unsigned word) {
  if (type == Vtype::Acc) {
    return extent.inside(base, 1, kAccRows) ? kNoFault : operand_fault(word);
  }
  if (!is_byte(type) && base % 4 != 0) return operand_fault(word);
  const int64_t bytes = int64_t{lanes} * element_bytes(type);
  return extent.inside(base, bytes, ScratchpadBytes) ? kNoFault : operand_fault(word);
}

/// Move keeps the 32 bits of a: nothing else is done to them, and their type stays.
bool check_move(const VectorCommand& c) {
  const bool integers = c.a_type == Vtype::S32 || c.a_type == Vtype::Acc;
  return c.act == Vact::None && c.reduce == Vreduce::None &&
         ((integers && c.d_type == Vtype::S32) ||
          (c.a_type == Vtype::F32 && c.d_type == Vtype::F32));
}

bool check_types(const VectorCommand& c) {
  const bool two_operands = c.op == Vop::Max || c.op == Vop::Min;
  const bool has_b = c.b_type != Vtype::None;
  if (c.a_type < Vtype::S8 || c.a_type > Vtype::Acc || c.b_type > Vtype::F32) return false;
  if (c.d_type < Vtype::S8 || c.d_type > Vtype::F32) return false;
  if (c.op > Vop::Move || c.act > Vact::Rsqrt || c.reduce > Vreduce::Max) return false;
  if (c.act == Vact::Clip && c.op != Vop::Mul) return false;
  if (two_operands ? !has_b : has_b && c.op != Vop::Fma) return false;
  return c.op != Vop::Move || check_move(c);
}

Fault check_vector(const VectorCommand& c) {
  if (!check_types(c)) return operand_fault(4);
  if (c.lanes < 1 || c.lanes > kLanes || c.lanes_last < 1 || c.lanes_last > kLanes)
    return operand_fault(5);
  if (c.count0 == 0 || c.count1 == 0) return operand_fault(10);
  if (c.count2 == 0 || c.count3 == 0) return operand_fault(11);
  if (c.wcount0 == 0 || c.wcount1 == 0) return operand_fault(24);
  if (c.reduce == Vreduce::None && (c.wcount0 != 1 || c.wcount1 != 1)) return operand_fault(24);

  Extent a, b, d;
  const uint16_t counts[4] = {c.count0, c.count1, c.count2, c.count3};
  const int32_t a_strides[4] = {c.a_stride0, c.a_stride1, c.a_stride2, c.a_stride3};
  const int32_t b_strides[4] = {c.b_stride0, c.b_stride1, c.b_stride2, c.b_stride3};
  const int32_t d_strides[4] = {c.d_stride0, c.d_stride1, c.d_stride2, c.d_stride3};
  for (int i = 0; i < 4; ++i) {
    a.dimension(counts[i], a_strides[i]);
    b.dimension(counts[i], b_strides[i]);
    d.dimension(counts[i], d_strides[i]);
  }
  a.dimension(c.wcount0, c.a_wstride0);
  a.dimension(c.wcount1, c.a_wstride1);
  const unsigned lanes = counts[c.tail_dim] > 1 ? std::max(c.lanes, c.lanes_last) : c.lanes_last;
  if (const Fault fault = check_operand(c.a_type, a, c.a_base, lanes, 7); fault) return fault;
  if (c.b_type != Vtype::None) {
    if (const Fault fault = check_operand(c.b_type, b, c.b_base, lanes, 8); fault) return fault;
  }
  if (const Fault fault = check_operand(c.d_type, d, c.d_base, lanes, 9); fault) return fault;
  const uint64_t vector_bytes = 64 * uint64_t{c.count3};
  const struct {
    bool vector;
    uint32_t address;
    unsigned word;
  } scalars[3] = {
      {c.s_vector != 0, c.s, 27}, {c.t_vector != 0, c.t, 28}, {c.c_vector != 0, c.c, 29}};
  for (const auto& scalar : scalars) {
    if (scalar.vector &&
        (scalar.address % 16 != 0 || scalar.address + vector_bytes > ScratchpadBytes)) {
      return operand_fault(scalar.word);
    }
  }
  return kNoFault;
}

using Lanes = std::array<float, kLanes>;

/// fma's s, t and c (here k) in a block.
struct Held {
  Lanes s, t, k;
};

Lanes scalar_or_vector(const Scratchpad& scratchpad, bool vector, uint32_t word, int64_t i3) {
  Lanes lanes;
  if (vector) {
    std::memcpy(lanes.data(), scratchpad.data() + word + 64 * i3, 64);
  } else {
    lanes.fill(binary32::from_bits(word));
  }
  return lanes;
}

Held read_held(const Scratchpad& scratchpad, const VectorCommand& c, int64_t i3) {
  return {scalar_or_vector(scratchpad, c.s_vector, c.s, i3),
          scalar_or_vector(scratchpad, c.t_vector, c.t, i3),
          scalar_or_vector(scratchpad, c.c_vector, c.c, i3)};
}

/// The 32 bits of lane l at byte address, or accumulator row, `at`.
uint32_t word_of(const TileMemory& tile, Vtype type, int64_t at, unsigned l) {
  if (type == Vtype::Acc) {
    return static_cast<uint32_t>(tile.accumulators[static_cast<std::size_t>(at)][l]);
  }
  uint32_t word;
  std::memcpy(&word, tile.scratchpad.data() + at + l * 4, 4);
  return word;
}

/// Reads `lanes` elements at byte address (or accumulator row) `at` as binary32, zero-point taken
/// off.
Lanes operand(const TileMemory& tile, Vtype type, int64_t at, unsigned lanes, int32_t zero_point) {
  Lanes out{};
  for (unsigned l = 0; l < lanes; ++l) {
    if (is_byte(type)) {
      const uint8_t byte = tile.scratchpad[static_cast<std::size_t>(at) + l];
      out[l] = binary32::from_int(extend(byte, type == Vtype::S8) - zero_point);
      continue;
    }
    const uint32_t word = word_of(tile, type, at, l);
    out[l] = type == Vtype::F32 ? binary32::from_bits(word)
                                : binary32::from_int(static_cast<int32_t>(word));
  }
  return out;
}

float operate(const VectorCommand& c, float a, float b, float s, float t, float k) {
  switch (c.op) {
    case Vop::Fma:
      return binary32::fma(a, s, c.b_type == Vtype::None ? k : binary32::fma(b, t, k));
    case Vop::Mul:
      return binary32::mul(a, s);
    case Vop::Div:
      return binary32::divide(a, s, t);
    case Vop::Max:
      return binary32::max(a, b);
    default:
      return binary32::min(a, b);
  }
}

float activate(const VectorCommand& c, float v, float t, float k) {
  switch (c.act) {
    case Vact::Relu:
      return binary32::max(v, 0.0f);
    case Vact::Clip:
      return binary32::min(binary32::max(v, t), k);
    case Vact::Exp2:
      return binary32::exp2(v);
    case Vact::Recip:
      return binary32::recip(v);
    case Vact::Rsqrt:
      return binary32::rsqrt(v);
    default:
      return v;
  }
}

/// One group: reduce(act(op(a, b))) over the window.
Lanes compute(const TileMemory& tile, const VectorCommand& c, int64_t a, int64_t b, unsigned lanes,
              const Held& held) {
  Lanes second{}, result{};
  if (c.b_type != Vtype::None) second = operand(tile, c.b_type, b, lanes, c.b_zp);
  bool first = true;
  for (int64_t w1 = 0; w1 < c.wcount1; ++w1) {
    for (int64_t w0 = 0; w0 < c.wcount0; ++w0) {
      const Lanes x =
          operand(tile, c.a_type, a + w1 * c.a_wstride1 + w0 * c.a_wstride0, lanes, c.a_zp);
      for (unsigned l = 0; l < lanes; ++l) {
        const float raw = operate(c, x[l], second[l], held.s[l], held.t[l], held.k[l]);
        const float v = activate(c, raw, held.t[l], held.k[l]);
        result[l] = first                      ? v
                    : c.reduce == Vreduce::Sum ? binary32::add(result[l], v)
                                               : binary32::max(result[l], v);
      }
      first = false;
    }
  }
  return result;
}

void write_result(TileMemory& tile, const VectorCommand& c, int64_t at, unsigned lanes,
                  const Lanes& values) {
  for (unsigned l = 0; l < lanes; ++l) {
    uint8_t* to = tile.scratchpad.data() + at + l * element_bytes(c.d_type);
    if (is_byte(c.d_type)) {
      *to = static_cast<uint8_t>(binary32::quantize(values[l], c.zp, c.lo, c.hi));
    } else {
      const uint32_t word = c.d_type == Vtype::F32
                                ? binary32::to_bits(binary32::canonical(values[l]))
                                : static_cast<uint32_t>(binary32::to_int(values[l]));
      std::memcpy(to, &word, 4);
    }
  }
}

/// One group of a Move.
void move(TileMemory& tile, const VectorCommand& c, int64_t from, int64_t to, unsigned lanes) {
  std::array<uint32_t, kLanes> words;
  for (unsigned l = 0; l < lanes; ++l) words[l] = word_of(tile, c.a_type, from, l);
  std::memcpy(tile.scratchpad.data() + to, words.data(), std::size_t{lanes} * 4);
}

Fault vector(Machine& machine, Node node, const VectorCommand& c, WriteSet* written) {
  if (const Fault fault = check_vector(c); fault) return fault;
  TileMemory& tile = machine.tile(node);
  const int64_t counts[4] = {c.count0, c.count1, c.count2, c.count3};
  int64_t i[4];
  for (i[3] = 0; i[3] < counts[3]; ++i[3]) {
    const Held held = read_held(tile.scratchpad, c, i[3]);
    for (i[2] = 0; i[2] < counts[2]; ++i[2]) {
      for (i[1] = 0; i[1] < counts[1]; ++i[1]) {
        for (i[0] = 0; i[0] < counts[0]; ++i[0]) {
          const unsigned lanes = i[c.tail_dim] == counts[c.tail_dim] - 1 ? c.lanes_last : c.lanes;
          const int64_t a = int64_t{c.a_base} + i[3] * c.a_stride3 + i[2] * c.a_stride2 +
                            i[1] * c.a_stride1 + i[0] * c.a_stride0;
          const int64_t b = int64_t{c.b_base} + i[3] * c.b_stride3 + i[2] * c.b_stride2 +
                            i[1] * c.b_stride1 + i[0] * c.b_stride0;
          const int64_t d = int64_t{c.d_base} + i[3] * c.d_stride3 + i[2] * c.d_stride2 +
                            i[1] * c.d_stride1 + i[0] * c.d_stride0;
          if (c.op == Vop::Move) {
            move(tile, c, a, d, lanes);
          } else {
            write_result(tile, c, d, lanes, compute(tile, c, a, b, lanes, held));
          }
          add_range(written, WrittenRange::Space::Global,
                    scratchpad_address(node, static_cast<uint32_t>(d)),
                    std::size_t{lanes} * element_bytes(c.d_type));
        }
      }
    }
  }
  return kNoFault;
}

}  // namespace

Fault execute(Machine& machine, Node node, const CommandWords& words, WriteSet* written) {
  switch (static_cast<Opcode>(words[0] & 0xff)) {
    case Opcode::Load:
      return load(machine, node, LoadCommand::decode(words), written);
    case Opcode::Fill:
      return fill(machine, node, FillCommand::decode(words), written);
    case Opcode::Store:
      return store(machine, node, StoreCommand::decode(words), written);
    case Opcode::Matmul:
      return matmul(machine, node, MatmulCommand::decode(words), written);
    case Opcode::Vector:
      return vector(machine, node, VectorCommand::decode(words), written);
    default:
      return {spec::Fault::Opcode, words[0]};
  }
}

}  // namespace systole::golden
