// GEMM 256 x 256 x 256 in one tile: operands in the scratchpad, weights packed, output requantized
// to s8 in place of nothing else. Utilization counts from the first command's begin to the last
// one's retirement.
//
// Scratchpad: A 64 KiB, weights 64 KiB, C 64 KiB, programs behind. Sixteen Matmul commands (16
// columns each) alternate between the halves of the accumulators; sixteen vector passes drain them.
//
// usage: gemm_tile [CONFIG]
#include <algorithm>
#include <cstring>
#include <exception>

#include "bench/figures.hpp"
#include "host/compile/compiled_model.hpp"
#include "host/driver/session.hpp"
#include "host/driver/simulated_chip.hpp"
#include "host/golden/binary32.hpp"
#include "rtl/spec/gen/systole_commands.hpp"

namespace {

using namespace systole;

constexpr uint32_t kSize = 256;
constexpr uint32_t kA = 0;
constexpr uint32_t kW = kA + kSize * kSize;
constexpr uint32_t kC = kW + kSize * kSize;
constexpr uint32_t kPrograms = kC + kSize * kSize;
constexpr uint32_t kBlocks = kSize / spec::ArrayCols;
constexpr uint32_t kBlockBytes = spec::ArrayCols * kSize;

// Semaphores: half h is full (matrix to vector), is free (vector to matrix).
constexpr uint32_t kFull = 0;
constexpr uint32_t kFree = 2;

spec::MatmulCommand block_matmul(uint32_t n) {
  const uint32_t half = n % 2;
  spec::MatmulCommand c;
  c.header.wait_mask = 1u << (kFree + half);
  c.header.post_mask = 1u << (kFull + half);
  c.act = kA, c.act_signed = 1, c.wgt_signed = 1;
  c.len = c.len_last = 32;
  c.rcount0 = kSize, c.rstride0 = kSize;
  c.kcount0 = kSize / 32, c.kstride0 = 32;
  c.rcount1 = c.rcount2 = c.ncount = c.kcount1 = c.kcount2 = 1;
  c.wgt = kW + n * kBlockBytes, c.wgt_kstride = 512;
  c.acc = half * spec::AccHalfRows;
  return c;
}

spec::VectorCommand block_drain(uint32_t n) {
  const uint32_t half = n % 2;
  spec::VectorCommand c;
  c.header.wait_mask = 1u << (kFull + half);
  c.header.post_mask = 1u << (kFree + half);
  c.a_type = spec::Vtype::Acc, c.d_type = spec::Vtype::S8, c.op = spec::Vop::Mul;
  c.lanes = c.lanes_last = 16;
  c.a_base = half * spec::AccHalfRows, c.a_stride0 = 1;
  c.d_base = kC + n * spec::ArrayCols, c.d_stride0 = kSize;
  c.count0 = kSize, c.count1 = c.count2 = c.count3 = c.wcount0 = c.wcount1 = 1;
  c.s = golden::binary32::to_bits(1.0f / 4096);
  c.lo = -128, c.hi = 127;
  return c;
}

class Image {
 public:
  template <typename Command>
  void add(const Command& command) {
    const spec::CommandWords words = command.encode();
    const auto* bytes = reinterpret_cast<const uint8_t*>(words.data());
    bytes_.insert(bytes_.end(), bytes, bytes + spec::CommandBytes);
  }
  uint32_t next() const { return kPrograms + static_cast<uint32_t>(bytes_.size()); }
  const std::vector<uint8_t>& bytes() const { return bytes_; }

 private:
  std::vector<uint8_t> bytes_;
};

/// Only the vector unit's first and last commands are not its passes: they lend and take back the
/// free halves.
compile::TileProgram gemm_program() {
  compile::TileProgram tile;
  Image image;
  tile.x = 1, tile.y = 0, tile.local = kPrograms;
  tile.program[static_cast<std::size_t>(spec::Unit::Load)] = image.next();
  image.add(spec::EndCommand{});
  tile.program[static_cast<std::size_t>(spec::Unit::Store)] = image.next();
  image.add(spec::EndCommand{});
  tile.program[static_cast<std::size_t>(spec::Unit::Matrix)] = image.next();
  for (uint32_t n = 0; n < kBlocks; ++n) image.add(block_matmul(n));
  spec::NopCommand take_back;
  take_back.header.wait_mask = 3u << kFree;
  image.add(take_back);
  image.add(spec::EndCommand{});
  tile.program[static_cast<std::size_t>(spec::Unit::Vector)] = image.next();
  spec::NopCommand lend;
  lend.header.post_mask = 3u << kFree;
  image.add(lend);
  for (uint32_t n = 0; n < kBlocks; ++n) image.add(block_drain(n));
  image.add(spec::EndCommand{});
  tile.image = image.bytes();
  return tile;
}

int run(const std::string& config) {
  compile::CompiledModel model;
  model.config = chip_config(config);
  model.tiles.push_back(gemm_program());
  model.input_record = model.output_record = 64;
  SimulationOptions simulation;
  simulation.host_memory_bytes = Session::host_memory_bytes(model, 1);
  const auto chip = load_simulated_chip(model.config, simulation);
  uint64_t first = ~uint64_t{0}, last = 0;
  chip->observe([&](const CommandEvent& event) {
    if (event.unit != spec::Unit::Matrix && event.unit != spec::Unit::Vector) return;
    if (!event.retired) first = std::min(first, event.cycle);
    if (event.retired) last = std::max(last, event.cycle);
  });
  // A sum that is not constant: bytes of a counter, judged in lockstep.
  std::vector<uint8_t> operands(2 * kSize * kSize);
  for (std::size_t i = 0; i < operands.size(); ++i)
    operands[i] = static_cast<uint8_t>(i * 167 >> 3);
  chip->write(golden::scratchpad_address({1, 0}, kA), operands.data(), operands.size());
  Session session(model, *chip);
  session.run({Record{}});
  const double ideal = 1.0 * kSize * kSize * kSize / (spec::ArrayCols * spec::ArrayDepth);
  bench::print_figure("gemm256_tile_cycles", static_cast<double>(last - first), "cycles");
  bench::print_figure("gemm256_tile_utilization", ideal / static_cast<double>(last - first),
                      "fraction");
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    return run(argc > 1 ? argv[1] : "tiny");
  } catch (const std::exception& error) {
    fmt::print(stderr, "gemm_tile: {}\n", error.what());
    return 2;
  }
}
