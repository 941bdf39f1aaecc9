// The cycle counter and its compare register.
#ifndef SYSTOLE_HAL_TIMER_H
#define SYSTOLE_HAL_TIMER_H

#include "firmware/hal/io.h"

/// Cycles since reset.
static inline uint64_t timer_now(const struct io* io) {
  const uint32_t low = io_read(io, SYSTOLE_IO_CYCLE_LO);  // latches the high half
  return (uint64_t)io_read(io, SYSTOLE_IO_CYCLE_HI) << 32 | low;
}

/// No timer interrupt is pending or to come.
static inline void timer_disarm(const struct io* io) {
  io_clear(io, SYSTOLE_IO_CORE_IRQ_TIMER_MASK);
}

/// The timer interrupt becomes pending at cycle `at`, at once when that has passed.
static inline void timer_arm(const struct io* io, uint64_t at) {
  timer_disarm(io);
  io_write(io, SYSTOLE_IO_TIMER_LO, (uint32_t)at);
  io_write(io, SYSTOLE_IO_TIMER_HI, (uint32_t)(at >> 32));
}

#endif
