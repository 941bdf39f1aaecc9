// The registers of compute tiles, through the core window.
#ifndef SYSTOLE_HAL_TILE_H
#define SYSTOLE_HAL_TILE_H

#include <stdbool.h>

#include "firmware/hal/io.h"

#ifdef __cplusplus
extern "C" {
#endif

/// Handle of a compute tile, made by tile_open.
struct tile {
  uint32_t window;     // io register WINDOW that reaches it
  uint32_t registers;  // core address of its registers under that window
  uint8_t x;
  uint8_t y;
};

/// Global address of byte 0 of a tile's scratchpad.
static inline uint64_t tile_address(uint32_t x, uint32_t y) {
  return SYSTOLE_TILE_BASE | (uint64_t)y << SYSTOLE_TILE_ROW_SHIFT | x << SYSTOLE_TILE_COL_SHIFT;
}

/// HAL_INVALID when this chip has no compute tile at (x, y).
enum hal_status tile_open(const struct io* io, struct tile* tile, uint32_t x, uint32_t y);

/// Points the core window at this tile: before its registers are accessed, after another's were.
static inline void tile_select(const struct io* io, const struct tile* tile) {
  io_write(io, SYSTOLE_IO_WINDOW, tile->window);
}

/// Posted: arrives in order with other writes to this tile.
static inline void tile_write(const struct tile* tile, uint32_t offset, uint32_t value) {
  mmio_write(tile->registers + offset, value);
}

/// Waits until the writes before it have arrived.
static inline uint32_t tile_read(const struct tile* tile, uint32_t offset) {
  return mmio_read(tile->registers + offset);
}

/// Whether programs run (until a clear, when they were aborted), or a unit is busy. Selects the
/// tile.
bool tile_is_busy(const struct io* io, const struct tile* tile);

/// Aborts what `count` tiles run, waits until their units are idle, clears them. HAL_TIMEOUT: after
/// `bound` cycles one was still busy; `*stuck` is the first of them, and it was not cleared.
/// HAL_BUS_ERROR: a write failed.
enum hal_status tile_stop(const struct io* io, const struct tile* tiles, uint32_t count,
                          uint32_t bound, uint32_t* stuck);

#ifdef __cplusplus
}
#endif
#endif
