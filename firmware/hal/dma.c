#include "firmware/hal/dma.h"

#include "firmware/hal/timer.h"

// In dma_copy, which is on every request's way, both parts stand without a call.
#define INLINE static inline __attribute__((always_inline))

INLINE enum hal_status start(const struct io* io, uint64_t to, uint64_t from, uint32_t bytes) {
  if (bytes == 0 || ((uint32_t)to | (uint32_t)from | bytes) % 4) return HAL_INVALID;
  if (io_read(io, SYSTOLE_IO_DMA_STATUS) & SYSTOLE_IO_DMA_STATUS_BUSY_MASK) return HAL_INVALID;
  io_clear(io, SYSTOLE_IO_CORE_IRQ_DMA_MASK);
  io_write(io, SYSTOLE_IO_DMA_SRC_LO, (uint32_t)from);
  io_write(io, SYSTOLE_IO_DMA_SRC_HI, (uint32_t)(from >> 32));
  io_write(io, SYSTOLE_IO_DMA_DST_LO, (uint32_t)to);
  io_write(io, SYSTOLE_IO_DMA_DST_HI, (uint32_t)(to >> 32));
  io_write(io, SYSTOLE_IO_DMA_LEN, bytes);
  return HAL_OK;
}

INLINE enum hal_status finish(const struct io* io, uint32_t bound) {
  timer_arm(io, timer_now(io) + bound);
  const uint32_t event = io_wait(io, SYSTOLE_IO_CORE_IRQ_DMA_MASK | SYSTOLE_IO_CORE_IRQ_TIMER_MASK);
  timer_disarm(io);
  if (!(event & SYSTOLE_IO_CORE_IRQ_DMA_MASK)) return HAL_TIMEOUT;
  const uint32_t error = io_read(io, SYSTOLE_IO_DMA_STATUS) & SYSTOLE_IO_DMA_STATUS_ERROR_MASK;
  return error ? HAL_BUS_ERROR : HAL_OK;
}

enum hal_status dma_start(const struct io* io, uint64_t to, uint64_t from, uint32_t bytes) {
  return start(io, to, from, bytes);
}

enum hal_status dma_finish(const struct io* io, uint32_t bound) { return finish(io, bound); }

enum hal_status dma_copy(const struct io* io, uint64_t to, uint64_t from, uint32_t bytes,
                         uint32_t bound) {
  const enum hal_status started = start(io, to, from, bytes);
  return started == HAL_OK ? finish(io, bound) : started;
}
