#include "firmware/hal/tile.h"

#include "firmware/hal/timer.h"

enum { BUSY_MASK = SYSTOLE_TILE_STATUS_RUNNING_MASK | SYSTOLE_TILE_STATUS_UNIT_BUSY_MASK };

enum hal_status tile_open(const struct io* io, struct tile* tile, uint32_t x, uint32_t y) {
  const uint32_t mesh = io_read(io, SYSTOLE_IO_MESH);
  const uint32_t cols = (mesh & SYSTOLE_IO_MESH_COLS_MASK) >> SYSTOLE_IO_MESH_COLS_LSB;
  const uint32_t rows = (mesh & SYSTOLE_IO_MESH_ROWS_MASK) >> SYSTOLE_IO_MESH_ROWS_LSB;
  if (x == 0 || x >= cols || y >= rows) return HAL_INVALID;
  const uint64_t address = tile_address(x, y) + SYSTOLE_TILE_REGS_OFFSET;
  tile->window = (uint32_t)(address >> 31);
  tile->registers = SYSTOLE_CORE_WINDOW_BASE | (uint32_t)address;
  tile->x = (uint8_t)x;
  tile->y = (uint8_t)y;
  return HAL_OK;
}

// Whether the bits of STATUS are all 0 before cycle `end`.
static bool wait_for_rest(const struct io* io, const struct tile* tile, uint32_t bits,
                          uint64_t end) {
  tile_select(io, tile);
  while (tile_read(tile, SYSTOLE_TILE_STATUS) & bits) {
    if (timer_now(io) >= end) return false;
  }
  return true;
}

bool tile_is_busy(const struct io* io, const struct tile* tile) {
  tile_select(io, tile);
  return tile_read(tile, SYSTOLE_TILE_STATUS) & BUSY_MASK;
}

enum hal_status tile_stop(const struct io* io, const struct tile* tiles, uint32_t count,
                          uint32_t bound, uint32_t* stuck) {
  enum hal_status status = HAL_OK;
  for (uint32_t i = 0; i < count; i++) {
    tile_select(io, &tiles[i]);
    tile_write(&tiles[i], SYSTOLE_TILE_CONTROL, SYSTOLE_TILE_CONTROL_ABORT_MASK);
  }
  const uint64_t end = timer_now(io) + bound;
  for (uint32_t i = 0; i < count; i++) {
    // An aborted tile runs until it is cleared.
    if (wait_for_rest(io, &tiles[i], SYSTOLE_TILE_STATUS_UNIT_BUSY_MASK, end)) {
      tile_write(&tiles[i], SYSTOLE_TILE_CONTROL, SYSTOLE_TILE_CONTROL_CLEAR_MASK);
      if (wait_for_rest(io, &tiles[i], BUSY_MASK, end)) continue;
    }
    if (status == HAL_OK) {
      status = HAL_TIMEOUT;
      *stuck = i;
    }
  }
  if (status == HAL_OK && io_pending(io, SYSTOLE_IO_CORE_IRQ_BUS_ERROR_MASK)) return HAL_BUS_ERROR;
  return status;
}
