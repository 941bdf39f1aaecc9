// Programs that do wrong: firmware refuses them when they are loaded, the tile stops when they run;
// the host learns which tile, unit and command, and why.
#include <catch2/catch.hpp>
#include <functional>

#include "host/command/error.hpp"
#include "tests/chip/chip_bench.hpp"

using namespace systole;
using namespace systole::test;
using Catch::Matchers::Contains;

namespace {

/// What the host is told of the product program after `spoil`.
std::string failure_of(const std::function<void(compile::TileProgram&)>& spoil,
                       const std::unique_ptr<SimulatedChip>& chip = make_chip()) {
  compile::CompiledModel model = product_model(std::vector<int8_t>(kDepth * kCols, 1));
  spoil(model.tiles[0]);
  try {
    Session session(model, *chip);
    session.run({{Tensor(DataType::S8, {kRows, kDepth})}});
  } catch (const Error& error) {
    return error.what();
  }
  return "none";
}

/// Word `word` of command `pc` of a unit's program.
uint32_t& word_of(compile::TileProgram& tile, spec::Unit unit, unsigned pc, unsigned word) {
  const uint32_t program = tile.program[static_cast<std::size_t>(unit)] - tile.local;
  return *reinterpret_cast<uint32_t*>(&tile.image[program + pc * spec::CommandBytes + 4 * word]);
}

}  // namespace

TEST_CASE("chip: the program of these tests runs unspoiled", "[chip]") {
  CHECK(failure_of([](compile::TileProgram&) {}) == "none");
}

TEST_CASE("chip: an illegal opcode is refused with its command", "[chip]") {
  const std::string text = failure_of(
      [](compile::TileProgram& tile) { word_of(tile, spec::Unit::Matrix, 1, 0) = 0xee; });
  CHECK_THAT(text, Contains("BadProgram, tile (1, 1) Matrix command 1: Opcode"));
  // An opcode of another unit is as bad.
  const std::string other = failure_of([](compile::TileProgram& tile) {
    word_of(tile, spec::Unit::Vector, 0, 0) = word_of(tile, spec::Unit::Load, 0, 0);
  });
  CHECK_THAT(other, Contains("BadProgram, tile (1, 1) Vector command 0: Opcode"));
}

TEST_CASE("chip: a reserved bit is refused with its command", "[chip]") {
  const std::string text =
      failure_of([](compile::TileProgram& tile) { word_of(tile, spec::Unit::Store, 0, 31) = 1; });
  CHECK_THAT(text, Contains("BadProgram, tile (1, 1) Store command 0: Reserved"));
}

TEST_CASE("chip: an address outside every window is refused when the program is loaded", "[chip]") {
  const std::string text = failure_of(
      [](compile::TileProgram& tile) { tile.windows[0].base += spec::WindowGranuleBytes; });
  CHECK_THAT(text, Contains("BadProgram, tile (1, 1) Load command 0: Window"));
}

namespace {

/// The load of x, with its launch parameter added, leaves the window of host memory.
void leave_window(compile::TileProgram& tile) {
  tile.windows[1].bytes = spec::WindowGranuleBytes;
  word_of(tile, spec::Unit::Load, 1, 4) += spec::WindowGranuleBytes - kRows * kDepth;
}

}  // namespace

TEST_CASE("chip: an address that leaves every window at run time stops the tile", "[chip]") {
  CHECK_THAT(
      failure_of(leave_window),
      Contains("inputs 0 to 0") && Contains("TileFault, tile (1, 1) Load command 1: Window (0x"));
}

TEST_CASE("chip: memory that is not there stops the tile", "[chip]") {
  // Within the mesh and a window, but beyond the end of host memory.
  const std::string text = failure_of([&](compile::TileProgram& tile) {
    tile.windows[1].bytes = 2 << 20;
    const Address nowhere = spec::HostMemBase + (3 << 19);
    word_of(tile, spec::Unit::Load, 0, 5) = static_cast<uint32_t>(nowhere >> 32);
    word_of(tile, spec::Unit::Load, 0, 4) = static_cast<uint32_t>(nowhere);
  });
  CHECK_THAT(text, Contains("TileFault, tile (1, 1) Load command 0: Response"));
}

TEST_CASE("chip: a fault drops the program", "[chip]") {
  const std::unique_ptr<SimulatedChip> chip = make_chip();
  compile::CompiledModel model = product_model(std::vector<int8_t>(kDepth * kCols, 1));
  leave_window(model.tiles[0]);
  const Record zero = {Tensor(DataType::S8, {kRows, kDepth})};
  Session session(model, *chip);
  CHECK_THROWS_WITH(session.run({zero}), Contains("TileFault"));
  CHECK_THROWS_WITH(session.run({zero}), Contains("NoProgram"));
}
