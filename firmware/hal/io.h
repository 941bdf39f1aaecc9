// Registers of the io node, and sleeping until one of its interrupts.
#ifndef SYSTOLE_HAL_IO_H
#define SYSTOLE_HAL_IO_H

#include "firmware/hal/mmio.h"
#include "firmware/hal/status.h"
#include "rtl/spec/gen/systole_spec.h"

/// Handle of an io node.
struct io {
  uint32_t base;  // address of its registers
};

static inline uint32_t io_read(const struct io* io, uint32_t offset) {
  return mmio_read(io->base + offset);
}

static inline void io_write(const struct io* io, uint32_t offset, uint32_t value) {
  mmio_write(io->base + offset, value);
}

/// Forgets pending interrupts; for the timer's this also disarms it.
static inline void io_clear(const struct io* io, uint32_t mask) {
  io_write(io, SYSTOLE_IO_CORE_IRQ, mask);
}

/// Interrupts of `mask` that are pending.
static inline uint32_t io_pending(const struct io* io, uint32_t mask) {
  return io_read(io, SYSTOLE_IO_CORE_IRQ) & mask;
}

/// Sleeps until one of `mask` is pending, and returns those that are. The caller bounds the wait by
/// arming the timer and putting its interrupt into the mask; a wait for the host's doorbell has no
/// bound.
static inline uint32_t io_wait(const struct io* io, uint32_t mask) {
  uint32_t pending = io_pending(io, mask);
  if (pending) return pending;
  io_write(io, SYSTOLE_IO_CORE_IRQ_ENABLE, mask);
  do {
    mmio_sleep();
    pending = io_pending(io, mask);
  } while (!pending);
  return pending;
}

#endif
