// Serves the request ring: loads programs, runs them, aborts, and completes each request.
#ifndef SYSTOLE_COMMAND_LOOP_H
#define SYSTOLE_COMMAND_LOOP_H

#include <stdint.h>

/// Why the firmware gives up; told to the host in FW_PANIC.
enum panic_reason {
  PANIC_RING = 1,        // RING_ENTRIES is no power of two, or a ring is not aligned to its records
  PANIC_REQUEST = 2,     // a request could not be fetched
  PANIC_COMPLETION = 3,  // a completion could not be written
};

/// Never returns. The ring registers are read once, here.
_Noreturn void command_loop(void);

/// Writes FW_PANIC and FW_STATE, and sleeps for good (crt0.S).
_Noreturn void panic(uint32_t reason);

#endif
