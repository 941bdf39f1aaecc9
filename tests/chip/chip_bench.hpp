// A simulated chip for tests, and a program of a few commands that uses all four units of a tile.
#pragma once

#include <cstdlib>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "host/compile/compiled_model.hpp"
#include "host/driver/session.hpp"
#include "host/driver/simulated_chip.hpp"
#include "rtl/spec/gen/systole_commands.hpp"
#include "rtl/spec/gen/systole_spec.h"

namespace systole::test {

/// A `tiny` chip; `build` names another library of that configuration.
inline std::unique_ptr<SimulatedChip> make_chip(SimulationOptions options = {},
                                                const std::string& build = "tiny") {
  setenv("SYSTOLE_BUILD", "build", 1);
  ChipConfig config = chip_config("tiny");
  config.name = build;
  return load_simulated_chip(config, options);
}

inline Address io_register(uint32_t offset) { return spec::IoRegsBase + offset; }
inline Address tile_base(unsigned x, unsigned y) {
  return spec::TileBase + (Address{y} << spec::TileRowShift) + (Address{x} << spec::TileColShift);
}
inline Address tile_register(unsigned x, unsigned y, uint32_t offset) {
  return tile_base(x, y) + spec::TileRegsOffset + offset;
}

/// Programs of the four units, put one behind the other.
class ProgramBuilder {
 public:
  explicit ProgramBuilder(uint32_t local) : local_(local) {}

  template <class Command>
  void add(spec::Unit unit, const Command& command) {
    commands_[static_cast<std::size_t>(unit)].push_back(command.encode());
  }

  compile::TileProgram tile(unsigned x, unsigned y) const {
    compile::TileProgram tile;
    tile.x = x, tile.y = y;
    tile.local = local_;
    for (std::size_t u = 0; u < commands_.size(); ++u) {
      tile.program[u] = local_ + static_cast<uint32_t>(tile.image.size());
      auto commands = commands_[u];
      commands.push_back(spec::EndCommand{}.encode());
      for (const spec::CommandWords& words : commands) {
        const auto* bytes = reinterpret_cast<const uint8_t*>(words.data());
        tile.image.insert(tile.image.end(), bytes, bytes + spec::CommandBytes);
      }
      tile.layer_of_command[u].assign(commands.size(), -1);
    }
    return tile;
  }

 private:
  uint32_t local_;
  std::array<std::vector<spec::CommandWords>, spec::NumUnits> commands_;
};

constexpr unsigned kRows = 24;
constexpr unsigned kDepth = 32;
constexpr unsigned kCols = 16;

/// y[24][16] = sat(rne(x[24][32] * w[32][16] / 128)), s8: loads x and w, multiplies, requantizes,
/// stores, once an input. `hang` leaves a semaphore out that the vector unit waits for. `passes`
/// are run when the accumulators are there, before the requantization.
inline compile::CompiledModel product_model(const std::vector<int8_t>& weights, bool hang = false,
                                            std::vector<spec::VectorCommand> passes = {}) {
  constexpr uint32_t kX = 0, kW = 0x1000, kY = 0x2000, kProgram = 0x8000;
  compile::CompiledModel model;
  model.config = chip_config("tiny");
  ProgramBuilder program(kProgram);

  spec::LoadCommand load_w;
  load_w.addr = spec::DramBase;
  load_w.local_addr = kW;
  load_w.run = kDepth * kCols;
  load_w.count0 = load_w.count1 = 1;
  program.add(spec::Unit::Load, load_w);
  spec::LoadCommand load_x;
  load_x.header.sel0_en = true;
  load_x.header.sel0_param = 0;
  load_x.header.sel0_word = 4;
  load_x.header.wait_mask = 1 << 5;
  load_x.header.post_mask = 1 << 0;
  load_x.addr = spec::HostMemBase;
  load_x.local_addr = kX;
  load_x.run = kRows * kDepth;
  load_x.count0 = load_x.count1 = 1;
  program.add(spec::Unit::Load, load_x);
  spec::LoopCommand loop;
  loop.target = 1;
  program.add(spec::Unit::Load, loop);
  spec::NopCommand take_back;  // the last input's, so that all semaphores end at zero
  take_back.header.wait_mask = 1 << 5;
  program.add(spec::Unit::Load, take_back);

  spec::NopCommand ready;  // x and the accumulators are free
  ready.header.post_mask = 1 << 5;
  program.add(spec::Unit::Matrix, ready);
  spec::MatmulCommand product;
  product.header.wait_mask = 1 << 0;
  product.header.post_mask = 1 << 1;
  product.act = kX, product.act_signed = product.wgt_signed = true;
  product.len = product.len_last = kDepth;
  product.rcount0 = kRows, product.rcount1 = product.rcount2 = 1;
  product.ncount = 1;
  product.rstride0 = kDepth;
  product.kcount0 = product.kcount1 = product.kcount2 = 1;
  product.wgt = kW;
  program.add(spec::Unit::Matrix, product);
  loop.target = 1;
  program.add(spec::Unit::Matrix, loop);

  spec::VectorCommand requantize;
  requantize.header.wait_mask = static_cast<uint16_t>(hang ? 1 << 9 : 1 << 1);
  requantize.header.post_mask = 1 << 2;
  requantize.a_type = spec::Vtype::Acc;
  requantize.b_type = spec::Vtype::None;
  requantize.d_type = spec::Vtype::S8;
  requantize.op = spec::Vop::Mul;
  requantize.lanes = requantize.lanes_last = kCols;
  requantize.count0 = kRows;
  requantize.count1 = requantize.count2 = requantize.count3 = 1;
  requantize.wcount0 = requantize.wcount1 = 1;
  requantize.a_stride0 = 1;
  requantize.d_base = kY;
  requantize.d_stride0 = kCols;
  requantize.s = 0x3c000000;  // 1/128
  requantize.lo = -128, requantize.hi = 127;
  if (!passes.empty()) std::swap(passes[0].header.wait_mask, requantize.header.wait_mask);
  for (const spec::VectorCommand& pass : passes) program.add(spec::Unit::Vector, pass);
  program.add(spec::Unit::Vector, requantize);
  loop.target = 0;
  program.add(spec::Unit::Vector, loop);

  spec::StoreCommand store;
  store.header.sel0_en = true;
  store.header.sel0_param = 1;
  store.header.sel0_word = 4;
  store.header.wait_mask = 1 << 2;
  store.header.post_mask = 1 << 5;
  store.addr = spec::HostMemBase;
  store.local_addr = kY;
  store.run = kRows * kCols;
  store.count0 = store.count1 = 1;
  program.add(spec::Unit::Store, store);
  program.add(spec::Unit::Store, loop);

  compile::TileProgram tile = program.tile(1, 1);
  tile.windows = {{spec::DramBase, spec::WindowGranuleBytes, true, false},
                  {spec::HostMemBase, 1 << 20, true, true}};
  model.tiles.push_back(tile);
  model.segments.push_back({spec::DramBase, std::vector<uint8_t>(weights.begin(), weights.end())});
  model.inputs = {{"x", DataType::S8, {kRows, kDepth}, 0, kRows * kDepth}};
  model.outputs = {{"y", DataType::S8, {kRows, kCols}, 0, kRows * kCols}};
  model.input_record = kRows * kDepth;
  model.output_record = kRows * kCols;
  return model;
}

}  // namespace systole::test
