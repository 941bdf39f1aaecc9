#include "Vaddress_map_pkg.h"

#include <catch2/catch.hpp>

#include "tests/support/dut.hpp"

namespace {

struct Place {
  int x, y;
  bool mapped_3x2, mapped_16x16;
};

struct MapDut : systole::test::Dut<Vaddress_map_pkg> {
  /// The node is compared where the largest mesh maps the address.
  void expect(uint64_t addr, Place place) {
    INFO(fmt::format("address {:#014x}", addr));
    (*this)->addr_i = addr;
    settle();
    CHECK((*this)->mapped_3x2_o == place.mapped_3x2);
    CHECK((*this)->mapped_16x16_o == place.mapped_16x16);
    if (!place.mapped_16x16) return;
    CHECK(((*this)->node_o & 15) == place.x);
    CHECK(((*this)->node_o >> 4) == place.y);
  }
};

constexpr uint64_t kHost = 0x0100'0000'0000;
constexpr uint64_t kDram = 0x0200'0000'0000;
constexpr uint64_t kChannel = 0x0010'0000'0000;
constexpr uint64_t kTile = 0x0400'0000'0000;

uint64_t tile(uint64_t x, uint64_t y) { return kTile | y << 32 | x << 24; }

TEST_CASE("the io node and host memory are node (0,0)", "[address_map_pkg]") {
  MapDut dut;
  dut.expect(0, {0, 0, true, true});
  dut.expect(0xffff'ffff, {0, 0, true, true});
  dut.expect(0x1'0000'0000, {0, 0, false, false});
  dut.expect(kHost - 1, {0, 0, false, false});
  dut.expect(kHost, {0, 0, true, true});
  dut.expect(kDram - 1, {0, 0, true, true});
}

TEST_CASE("DRAM channel i is node (0, i+1), where the mesh has that row", "[address_map_pkg]") {
  MapDut dut;
  dut.expect(kDram, {0, 1, true, true});
  dut.expect(kDram + kChannel - 1, {0, 1, true, true});
  dut.expect(kDram + kChannel, {0, 2, false, true});
  dut.expect(kDram + 14 * kChannel, {0, 15, false, true});
  dut.expect(kDram + 15 * kChannel, {0, 0, false, false});
  dut.expect(kDram + 16 * kChannel, {0, 0, false, false});
}

TEST_CASE("a tile's 16 MiB are its own, column 0 and the gaps are nobody's", "[address_map_pkg]") {
  MapDut dut;
  dut.expect(tile(1, 0), {1, 0, true, true});
  dut.expect(tile(1, 0) + 0xff'ffff, {1, 0, true, true});
  dut.expect(tile(2, 1), {2, 1, true, true});
  dut.expect(tile(3, 1), {3, 1, false, true});
  dut.expect(tile(2, 2), {2, 2, false, true});
  dut.expect(tile(15, 15), {15, 15, false, true});
  dut.expect(tile(0, 1), {0, 1, false, false});
  dut.expect(tile(16, 1), {0, 1, false, false});
  dut.expect(tile(1, 16), {1, 0, false, false});
  dut.expect(kTile << 1, {0, 0, false, false});
  dut.expect(0x8000'0000'0000, {0, 0, false, false});
}

}  // namespace
