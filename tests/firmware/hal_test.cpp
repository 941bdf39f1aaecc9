// needs: firmware/hal/dma.c firmware/hal/tile.c
#include <algorithm>
#include <catch2/catch.hpp>
#include <functional>
#include <map>
#include <vector>

#include "firmware/hal/dma.h"
#include "firmware/hal/tile.h"
#include "firmware/hal/timer.h"

namespace {

constexpr uint32_t kBase = 0x1000;
constexpr io kIo{kBase};

/// A model of the registers that the HAL uses; `on_sleep` is what happens while the core sleeps.
struct Mock {
  std::map<uint32_t, uint32_t> registers;
  uint32_t pending = 0;
  uint64_t cycle = 0;
  uint32_t cycle_hi = 0;
  uint64_t timer = 0;
  bool armed = false;
  uint32_t enable = 0;
  int sleeps = 0;
  std::vector<std::pair<uint32_t, uint32_t>> writes;
  std::function<void()> on_sleep = [] {};
  std::map<uint64_t, std::function<uint32_t()>> window_reads;

  uint32_t read(uint32_t address) {
    cycle += 3;
    if (address >= SYSTOLE_CORE_WINDOW_BASE) return window_reads.at(global(address))();
    switch (address - kBase) {
      case SYSTOLE_IO_CORE_IRQ:
        if (armed && cycle >= timer) pending |= SYSTOLE_IO_CORE_IRQ_TIMER_MASK;
        return pending;
      case SYSTOLE_IO_CYCLE_LO:
        cycle_hi = static_cast<uint32_t>(cycle >> 32);
        return static_cast<uint32_t>(cycle);
      case SYSTOLE_IO_CYCLE_HI:
        return cycle_hi;
      default:
        return registers[address - kBase];
    }
  }

  void write(uint32_t address, uint32_t value) {
    cycle += 2;
    writes.push_back({address, value});
    if (address >= SYSTOLE_CORE_WINDOW_BASE) return;
    registers[address - kBase] = value;
    switch (address - kBase) {
      case SYSTOLE_IO_CORE_IRQ:
        pending &= ~value;
        if (value & SYSTOLE_IO_CORE_IRQ_TIMER_MASK) armed = false;
        return;
      case SYSTOLE_IO_CORE_IRQ_ENABLE:
        enable = value;
        return;
      case SYSTOLE_IO_TIMER_LO:
        timer = (timer >> 32 << 32) | value;
        return;
      case SYSTOLE_IO_TIMER_HI:
        timer = (timer & 0xffffffff) | uint64_t{value} << 32;
        armed = true;
        return;
      default:
        return;
    }
  }

  void sleep() {
    if (++sleeps > 1000) throw std::runtime_error("sleeps for ever");
    // Nothing but an enabled interrupt ends it: time goes on to the timer when nothing else comes.
    on_sleep();
    if (!(pending & enable) && armed && (enable & SYSTOLE_IO_CORE_IRQ_TIMER_MASK)) cycle = timer;
  }

  uint64_t global(uint32_t address) {
    return uint64_t{registers[SYSTOLE_IO_WINDOW]} << 31 | (address & 0x7fffffff);
  }

  uint64_t at(uint32_t hi, uint32_t lo) { return uint64_t{registers[hi]} << 32 | registers[lo]; }
};

Mock* mock = nullptr;

struct Fixture {
  Mock m;
  Fixture() {
    mock = &m;
    m.registers[SYSTOLE_IO_MESH] = 3 | 2 << 8;
  }
};

}  // namespace

extern "C" uint32_t mmio_read(uint32_t address) { return mock->read(address); }
extern "C" void mmio_write(uint32_t address, uint32_t value) { mock->write(address, value); }
extern "C" void mmio_sleep() { mock->sleep(); }

TEST_CASE("dma_copy programs the DMA, sleeps until it is done, and disarms the timer", "[hal]") {
  Fixture f;
  f.m.on_sleep = [&] { f.m.pending |= SYSTOLE_IO_CORE_IRQ_DMA_MASK; };
  CHECK(dma_copy(&kIo, 0x100400, 0x123456789abc, 64, 1000) == HAL_OK);
  CHECK(f.m.at(SYSTOLE_IO_DMA_SRC_HI, SYSTOLE_IO_DMA_SRC_LO) == 0x123456789abc);
  CHECK(f.m.at(SYSTOLE_IO_DMA_DST_HI, SYSTOLE_IO_DMA_DST_LO) == 0x100400);
  CHECK(f.m.registers[SYSTOLE_IO_DMA_LEN] == 64);
  CHECK(f.m.sleeps == 1);
  CHECK(!f.m.armed);
}

TEST_CASE("dma_copy does nothing with bad arguments, or while the DMA is busy", "[hal]") {
  Fixture f;
  CHECK(dma_copy(&kIo, 0x100402, 0x1000, 64, 1000) == HAL_INVALID);
  CHECK(dma_copy(&kIo, 0x100400, 0x1001, 64, 1000) == HAL_INVALID);
  CHECK(dma_copy(&kIo, 0x100400, 0x1000, 63, 1000) == HAL_INVALID);
  CHECK(dma_copy(&kIo, 0x100400, 0x1000, 0, 1000) == HAL_INVALID);
  f.m.registers[SYSTOLE_IO_DMA_STATUS] = SYSTOLE_IO_DMA_STATUS_BUSY_MASK;
  CHECK(dma_copy(&kIo, 0x100400, 0x1000, 64, 1000) == HAL_INVALID);
  CHECK(f.m.writes.empty());
}

TEST_CASE("dma_copy tells an error of the bus", "[hal]") {
  Fixture f;
  f.m.on_sleep = [&] {
    f.m.pending |= SYSTOLE_IO_CORE_IRQ_DMA_MASK;
    f.m.registers[SYSTOLE_IO_DMA_STATUS] = SYSTOLE_ERR_BUS << 4;
  };
  CHECK(dma_copy(&kIo, 0x100400, 0x1000, 64, 1000) == HAL_BUS_ERROR);
}

TEST_CASE("dma_start does not wait, and dma_finish need not sleep", "[hal]") {
  Fixture f;
  CHECK(dma_start(&kIo, 0x100400, 0x1000, 64) == HAL_OK);
  CHECK(f.m.registers[SYSTOLE_IO_DMA_LEN] == 64);
  CHECK(f.m.sleeps == 0);
  CHECK(!f.m.armed);
  f.m.pending |= SYSTOLE_IO_CORE_IRQ_DMA_MASK;  // it has ended meanwhile
  CHECK(dma_finish(&kIo, 1000) == HAL_OK);
  CHECK(f.m.sleeps == 0);
  CHECK(!f.m.armed);
}

TEST_CASE("dma_start forgets the end of the copy before", "[hal]") {
  Fixture f;
  f.m.pending = SYSTOLE_IO_CORE_IRQ_DMA_MASK;
  CHECK(dma_start(&kIo, 0x100400, 0x1000, 64) == HAL_OK);
  CHECK(dma_finish(&kIo, 1000) == HAL_TIMEOUT);
}

TEST_CASE("dma_copy gives up after its bound, not before", "[hal]") {
  Fixture f;
  const uint64_t start = f.m.cycle;
  CHECK(dma_copy(&kIo, 0x100400, 0x1000, 64, 5000) == HAL_TIMEOUT);
  CHECK(f.m.cycle - start >= 5000);
  CHECK(f.m.cycle - start < 5100);
}

TEST_CASE("timer_arm and timer_now carry 64 bits", "[hal]") {
  Fixture f;
  f.m.cycle = 0x1'ffff'ffff;
  const uint64_t now = timer_now(&kIo);
  CHECK(now >= 0x1'ffff'ffff);
  timer_arm(&kIo, 0x3'1234'5678);
  CHECK(f.m.timer == 0x3'1234'5678);
  CHECK(f.m.armed);
  timer_disarm(&kIo);
  CHECK(!f.m.armed);
}

TEST_CASE("io_wait returns what is pending without sleeping, and enables only its mask", "[hal]") {
  Fixture f;
  f.m.pending = SYSTOLE_IO_CORE_IRQ_JOIN_MASK | SYSTOLE_IO_CORE_IRQ_DMA_MASK;
  CHECK(io_wait(&kIo, SYSTOLE_IO_CORE_IRQ_JOIN_MASK) == SYSTOLE_IO_CORE_IRQ_JOIN_MASK);
  CHECK(f.m.sleeps == 0);
  f.m.pending = SYSTOLE_IO_CORE_IRQ_DMA_MASK;
  f.m.on_sleep = [&] {
    if (f.m.sleeps == 3) f.m.pending |= SYSTOLE_IO_CORE_IRQ_FAULT_MASK;
  };
  const uint32_t mask = SYSTOLE_IO_CORE_IRQ_JOIN_MASK | SYSTOLE_IO_CORE_IRQ_FAULT_MASK;
  CHECK(io_wait(&kIo, mask) == SYSTOLE_IO_CORE_IRQ_FAULT_MASK);
  CHECK(f.m.enable == mask);
}

TEST_CASE("tile_open knows the compute tiles of the mesh, and where they are", "[hal]") {
  Fixture f;
  for (uint32_t x = 0; x < 16; ++x) {
    for (uint32_t y = 0; y < 16; ++y) {
      tile t{};
      const bool there = x >= 1 && x < 3 && y < 2;
      CHECK(tile_open(&kIo, &t, x, y) == (there ? HAL_OK : HAL_INVALID));
      if (!there) continue;
      f.m.writes.clear();
      tile_select(&kIo, &t);
      tile_write(&t, SYSTOLE_TILE_INPUTS, 9);
      const uint64_t registers = 0x0400'0000'0000 | uint64_t{y} << 32 | x << 24 | 0x800000;
      CHECK(f.m.global(f.m.writes.back().first) == registers + SYSTOLE_TILE_INPUTS);
    }
  }
}

TEST_CASE("tile_stop aborts all, waits until each is idle, clears it", "[hal]") {
  Fixture f;
  tile tiles[2];
  int reads[2] = {0, 0};
  for (uint32_t i = 0; i < 2; ++i) {
    REQUIRE(tile_open(&kIo, &tiles[i], 1 + i, 1) == HAL_OK);
    f.m.window_reads[tile_address(1 + i, 1) + SYSTOLE_TILE_REGS_OFFSET + SYSTOLE_TILE_STATUS] =
        [&reads, i] { return ++reads[i] > 5 ? 0u : uint32_t{SYSTOLE_TILE_STATUS_RUNNING_MASK}; };
  }
  uint32_t stuck = 99;
  CHECK(tile_stop(&kIo, tiles, 2, 10000, &stuck) == HAL_OK);
  CHECK(stuck == 99);
  std::vector<uint32_t> controls;
  for (const auto& [address, value] : f.m.writes) {
    if (address >= SYSTOLE_CORE_WINDOW_BASE) controls.push_back(value);
  }
  CHECK(controls ==
        std::vector<uint32_t>{SYSTOLE_TILE_CONTROL_ABORT_MASK, SYSTOLE_TILE_CONTROL_ABORT_MASK,
                              SYSTOLE_TILE_CONTROL_CLEAR_MASK, SYSTOLE_TILE_CONTROL_CLEAR_MASK});
}

TEST_CASE("tile_stop knows that an aborted tile runs until it is cleared", "[hal]") {
  Fixture f;
  tile tiles[1];
  REQUIRE(tile_open(&kIo, &tiles[0], 1, 1) == HAL_OK);
  f.m.window_reads[tile_address(1, 1) + SYSTOLE_TILE_REGS_OFFSET + SYSTOLE_TILE_STATUS] = [&f] {
    const bool cleared = std::any_of(f.m.writes.begin(), f.m.writes.end(), [](const auto& write) {
      return write.first >= SYSTOLE_CORE_WINDOW_BASE &&
             write.second == SYSTOLE_TILE_CONTROL_CLEAR_MASK;
    });
    return cleared ? 0u : uint32_t{SYSTOLE_TILE_STATUS_RUNNING_MASK};
  };
  uint32_t stuck = 99;
  CHECK(tile_stop(&kIo, tiles, 1, 10000, &stuck) == HAL_OK);
  CHECK(stuck == 99);
}

TEST_CASE("tile_stop names a tile that stays busy, and still clears the others", "[hal]") {
  Fixture f;
  tile tiles[2];
  for (uint32_t i = 0; i < 2; ++i) {
    REQUIRE(tile_open(&kIo, &tiles[i], 1 + i, 0) == HAL_OK);
    f.m.window_reads[tile_address(1 + i, 0) + SYSTOLE_TILE_REGS_OFFSET + SYSTOLE_TILE_STATUS] =
        [i] { return i == 0 ? 1u : 0u; };
  }
  uint32_t stuck = 99;
  CHECK(tile_stop(&kIo, tiles, 2, 2000, &stuck) == HAL_TIMEOUT);
  CHECK(stuck == 0);
  int clears = 0;
  for (const auto& [address, value] : f.m.writes) {
    clears += address >= SYSTOLE_CORE_WINDOW_BASE && value == SYSTOLE_TILE_CONTROL_CLEAR_MASK;
  }
  CHECK(clears == 1);
}
