// The core's DMA: words between core RAM and the global address space.
#ifndef SYSTOLE_HAL_DMA_H
#define SYSTOLE_HAL_DMA_H

#include "firmware/hal/io.h"

#ifdef __cplusplus
extern "C" {
#endif

/// Copies `bytes` from global address `from` to `to`, asleep meanwhile; one of the two lies in core
/// RAM. All three are multiples of 4, `bytes` at least 4. Uses the timer. The data have arrived
/// when it returns HAL_OK. HAL_INVALID: an argument. HAL_BUS_ERROR: an address answered with an
/// error, a part may have been copied. HAL_TIMEOUT: not done within `bound` cycles; the DMA is then
/// still busy.
enum hal_status dma_copy(const struct io* io, uint64_t to, uint64_t from, uint32_t bytes,
                         uint32_t bound);

/// The same in two parts, between which the core may do other things: dma_start checks its
/// arguments and starts the copy, dma_finish waits until it has ended. Each start is finished
/// before the next.
enum hal_status dma_start(const struct io* io, uint64_t to, uint64_t from, uint32_t bytes);
enum hal_status dma_finish(const struct io* io, uint32_t bound);

#ifdef __cplusplus
}
#endif
#endif
