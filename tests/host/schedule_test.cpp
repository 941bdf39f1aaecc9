// What the schedule orders beyond a tile's own memory.
#include <catch2/catch.hpp>

#include "host/compile/schedule.hpp"

using namespace systole;

namespace {

constexpr unsigned kStoreToVector = 11;
constexpr uint32_t kOut = 0x8000;  // what tile 1 stores at the end of its body

/// Commands of tile 1's vector unit that wait for its stores, when tile 0 pushes to `address`
/// there.
int64_t waits_for_stores(uint32_t address) {
  const std::vector<compile::Place> places = {{1, 0}, {2, 0}};
  compile::Schedule schedule(places, places);
  schedule.push(0, 1, kOut, address, 64);
  schedule.take(1, schedule.pushed(1, 0), {address, address + 64});
  spec::StoreCommand store;
  store.addr = spec::DramBase;
  store.local_addr = kOut;
  store.run = 64;
  store.count0 = store.count1 = 1;
  schedule.emit(1, spec::Unit::Store, store);
  schedule.finish();
  const compile::TileProgram program = schedule.assemble(1, {});
  int64_t waits = 0;
  for (const spec::CommandWords& words : compile::commands_of(program, spec::Unit::Vector))
    waits += spec::CommandHeader::decode(words).wait_mask >> kStoreToVector & 1;
  return waits;
}

}  // namespace

TEST_CASE("no tile pushes where a store of the input before may still read", "[compile]") {
  CHECK(waits_for_stores(kOut - 64) == 0);
  CHECK(waits_for_stores(kOut - 63) == 1);
  CHECK(waits_for_stores(kOut + 63) == 1);
  CHECK(waits_for_stores(kOut + 64) == 0);
}
