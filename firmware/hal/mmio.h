// The only place where addresses become accesses. With SYSTOLE_MMIO_MOCK they are functions of the
// test.
#ifndef SYSTOLE_HAL_MMIO_H
#define SYSTOLE_HAL_MMIO_H

#include <stdint.h>

#ifndef __riscv

#ifdef __cplusplus
extern "C" {
#endif
uint32_t mmio_read(uint32_t address);
void mmio_write(uint32_t address, uint32_t value);
void mmio_sleep(void);
#ifdef __cplusplus
}
#endif

#else

static inline uint32_t mmio_read(uint32_t address) { return *(volatile uint32_t*)address; }

static inline void mmio_write(uint32_t address, uint32_t value) {
  *(volatile uint32_t*)address = value;
}

/// Sleeps until an enabled interrupt is pending; returns at once when one is.
static inline void mmio_sleep(void) { __asm__ volatile("wfi" ::: "memory"); }

#endif
#endif
