#include "firmware/command_loop.h"

#include "firmware/hal/dma.h"
#include "firmware/hal/tile.h"
#include "firmware/hal/timer.h"
#include "firmware/program_check.h"

typedef struct systole_request request_t;
typedef struct systole_completion completion_t;
typedef struct systole_tile_entry tile_entry_t;

enum {
  MAX_TILES = 15 * 16,    // the largest mesh
  PIECE_BYTES = 8192,     // of an image, checked and copied at a time
  DMA_BOUND = 1000000,    // cycles
  STOP_BOUND = 1000000,   // cycles
  NUM_LAUNCH_PARAMS = 4,  // of a request; the others belong to the program
  FIRST_PROGRAM_PARAM = NUM_LAUNCH_PARAMS,
};

// What the tiles hold of the last launch, so that only what changes is written.
struct launch {
  uint32_t param[NUM_LAUNCH_PARAMS];
  uint32_t step[NUM_LAUNCH_PARAMS];
  uint32_t inputs;
};

// The chip's one io node: a constant, so that its registers' addresses are, too.
static const struct io io_node = {SYSTOLE_IO_REGS_BASE};
static const struct io* const io = &io_node;

// At the first bank of the core RAM: an access to the bank of the next instruction delays it, so
// that what a launch takes would hang on where its code and data lie.
#define RAM_ROW __attribute__((aligned(32)))

static RAM_ROW struct {
  uint64_t ring;
  uint64_t completions;
  uint32_t entries;
  uint32_t served;     // requests completed, modulo 2^32
  uint8_t phase;       // of the next request
  uint32_t looked_at;  // requests known not to be an abort
  uint32_t abort_at;   // request that aborts those before it
  bool aborting;
  uint32_t awake;      // AWAKE at the last completion
  uint32_t num_tiles;  // of the program; 0: none is loaded
  struct launch launch;
  struct tile tiles[MAX_TILES];
} loop;

// Targets of DMA.
static RAM_ROW request_t request;
static request_t next_request;
static RAM_ROW completion_t completion;
static tile_entry_t entry;
static uint32_t pieces[2][PIECE_BYTES / 4] __attribute__((section(".noinit")));

static uint64_t ram(const void* object) { return (uintptr_t)object; }

static bool fetch(void* to, uint64_t from, uint32_t bytes) {
  return dma_copy(io, ram(to), from, bytes, DMA_BOUND) == HAL_OK;
}

static bool put(uint64_t to, const void* from, uint32_t bytes) {
  return dma_copy(io, to, ram(from), bytes, DMA_BOUND) == HAL_OK;
}

static uint32_t produced(void) { return io_read(io, SYSTOLE_IO_DOORBELL); }

static uint64_t ring_entry(uint32_t index) {
  return loop.ring + (index & (loop.entries - 1)) * SYSTOLE_REQUEST_BYTES;
}

// ------------------------------------------------------------------------------- ending requests

static uint32_t awake_cycles(void) {
  const uint32_t now = io_read(io, SYSTOLE_IO_AWAKE_LO);
  const uint32_t cycles = now - loop.awake;
  loop.awake = now;
  return cycles;
}

// The record has landed in host memory before the interrupt is raised.
static void complete(uint8_t status) {
  const uint64_t place =
      loop.completions + (loop.served & (loop.entries - 1)) * SYSTOLE_COMPLETION_BYTES;
  completion.status = status;
  completion.phase = request.phase;
  completion.id = request.id;
  completion.awake = awake_cycles();
  if (!put(place, &completion, sizeof completion)) panic(PANIC_COMPLETION);
  io_write(io, SYSTOLE_IO_HOST_IRQ, SYSTOLE_IO_HOST_IRQ_SET_MASK);
  loop.served++;
  if ((loop.served & (loop.entries - 1)) == 0) loop.phase ^= 1;
}

// What complete() does not write; the rest of the record stays 0.
static void clear_completion(void) {
  completion.fault = completion.unit = 0;
  completion.start = completion.end = 0;
  completion.x = completion.y = 0;
  completion.pc = 0;
  completion.info = 0;
}

// A request for this tile failed: where, and in which command.
static void blame(const struct tile* tile, const struct program_fault* why) {
  completion.x = tile->x;
  completion.y = tile->y;
  completion.fault = why->fault;
  completion.unit = why->unit;
  completion.pc = why->pc;
  completion.info = why->info;
}

// Ends what the tiles of the program run. The program is gone: a tile that was stopped half-way may
// hold anything.
static uint8_t stop_program(uint8_t status) {
  uint32_t stuck = 0;
  const enum hal_status stopped = tile_stop(io, loop.tiles, loop.num_tiles, STOP_BOUND, &stuck);
  if (stopped == HAL_TIMEOUT) {
    completion.x = loop.tiles[stuck].x;
    completion.y = loop.tiles[stuck].y;
    status = SYSTOLE_STATUS_TIMEOUT;
  }
  loop.num_tiles = 0;
  io_clear(io, SYSTOLE_IO_CORE_IRQ_JOIN_MASK | SYSTOLE_IO_CORE_IRQ_FAULT_MASK |
                   SYSTOLE_IO_CORE_IRQ_BUS_ERROR_MASK);
  io_write(io, SYSTOLE_IO_JOIN, 0);
  io_write(io, SYSTOLE_IO_FAULT_TILE, 0);
  io_write(io, SYSTOLE_IO_BUS_ERROR, 0);
  return status;
}

// ----------------------------------------------------------------------------------- LoadProgram

static bool refuse_entry(struct program_fault* why, uint64_t info) {
  why->fault = SYSTOLE_FAULT_PROGRAM_RANGE;
  why->info = info;
  return false;
}

// The image lies in the scratchpad, and each program begins in it.
static bool check_entry(struct program_fault* why) {
  const uint32_t end = entry.local + entry.image_bytes;
  if (entry.image_bytes == 0 || entry.image_bytes % SYSTOLE_COMMAND_BYTES ||
      entry.image_bytes > SYSTOLE_SCRATCHPAD_BYTES)
    return refuse_entry(why, entry.image_bytes);
  if (entry.local % SYSTOLE_COMMAND_BYTES || entry.local > SYSTOLE_SCRATCHPAD_BYTES ||
      end > SYSTOLE_SCRATCHPAD_BYTES)
    return refuse_entry(why, entry.local);
  if (entry.image % 4) return refuse_entry(why, entry.image);
  for (uint32_t unit = 0; unit < SYSTOLE_NUM_UNITS; unit++) {
    why->unit = (uint8_t)unit;
    if (entry.program[unit] % SYSTOLE_COMMAND_BYTES || entry.program[unit] < entry.local ||
        entry.program[unit] >= end)
      return refuse_entry(why, entry.program[unit]);
  }
  return true;
}

static void set_registers(const struct tile* tile) {
  tile_select(io, tile);
  tile_write(tile, SYSTOLE_TILE_WINDOW_PERM, entry.window_perm);
  for (uint32_t i = 0; i < SYSTOLE_NUM_WINDOWS; i++) {
    tile_write(tile, SYSTOLE_TILE_WINDOW_BASE0 + 4 * i, entry.window_base[i]);
    tile_write(tile, SYSTOLE_TILE_WINDOW_LIMIT0 + 4 * i, entry.window_limit[i]);
  }
  for (uint32_t unit = 0; unit < SYSTOLE_NUM_UNITS; unit++)
    tile_write(tile, SYSTOLE_TILE_PROGRAM_LOAD + 4 * unit, entry.program[unit]);
  for (uint32_t i = 0; i < NUM_LAUNCH_PARAMS; i++) {
    tile_write(tile, SYSTOLE_TILE_PARAM0 + 4 * i, 0);
    tile_write(tile, SYSTOLE_TILE_STEP0 + 4 * i, 0);
  }
  for (uint32_t i = FIRST_PROGRAM_PARAM; i < SYSTOLE_NUM_PARAMS; i++) {
    tile_write(tile, SYSTOLE_TILE_PARAM0 + 4 * i, entry.param[i - FIRST_PROGRAM_PARAM]);
    tile_write(tile, SYSTOLE_TILE_STEP0 + 4 * i, 0);
  }
  tile_write(tile, SYSTOLE_TILE_INPUTS, 0);
}

// An image on its way into its tile.
struct passage {
  struct program_place place;
  struct program_scan scan;
  uint64_t scratchpad;  // global address of its first byte there
};

// Checks the commands from byte `from` of the image to byte `to`, which lie in one piece.
static bool check_commands(struct passage* p, uint32_t from, uint32_t to,
                           struct program_fault* why) {
  const uint32_t* words = &pieces[from / PIECE_BYTES % 2][from % PIECE_BYTES / 4];
  return program_scan_commands(&p->scan, entry.local + from, words,
                               (to - from) / SYSTOLE_COMMAND_BYTES, &p->place, why);
}

static uint32_t piece_end(uint32_t begin) {
  const uint32_t left = entry.image_bytes - begin;
  return begin + (left < PIECE_BYTES ? left : PIECE_BYTES);
}

// Starts to fetch the piece that begins at byte `begin` of the image, or to put it into the tile.
static bool start_fetch(uint32_t begin) {
  const void* to = pieces[begin / PIECE_BYTES % 2];
  return dma_start(io, ram(to), entry.image + begin, piece_end(begin) - begin) == HAL_OK;
}

static bool start_put(const struct passage* p, uint32_t begin) {
  const void* from = pieces[begin / PIECE_BYTES % 2];
  return dma_start(io, p->scratchpad + begin, ram(from), piece_end(begin) - begin) == HAL_OK;
}

static bool finish(void) { return dma_finish(io, DMA_BOUND) == HAL_OK; }

// The piece that begins at byte `begin` could not be moved.
static uint8_t lost(uint32_t begin, struct program_fault* why) {
  why->info = entry.image + begin;
  return SYSTOLE_STATUS_BUS_ERROR;
}

// Checks a piece. Meanwhile the DMA takes the one before it to the scratchpad, then fetches the one
// behind it into the same place. What has started has ended when this returns.
static uint8_t pass_piece(struct passage* p, uint32_t begin, struct program_fault* why) {
  const uint32_t end = piece_end(begin), half = begin + PIECE_BYTES / 2;
  const uint32_t middle = half < end ? half : end;
  const bool first = begin == 0, last = end == entry.image_bytes;
  if (!first && !start_put(p, begin - PIECE_BYTES)) return lost(begin - PIECE_BYTES, why);
  bool good = check_commands(p, begin, middle, why);
  if (!first && !finish()) return lost(begin - PIECE_BYTES, why);
  if (!good) return SYSTOLE_STATUS_BAD_PROGRAM;
  if (!last && !start_fetch(end)) return lost(end, why);
  good = check_commands(p, middle, end, why);
  const bool fetched = last || finish();
  if (!good) return SYSTOLE_STATUS_BAD_PROGRAM;
  return fetched ? SYSTOLE_STATUS_OK : lost(end, why);
}

// Checks and copies the image. The bytes that are copied are those that were checked.
static uint8_t load_image(const struct tile* tile, struct program_fault* why) {
  const uint32_t mesh = io_read(io, SYSTOLE_IO_MESH);
  struct passage p = {
      .place =
          {
              .x = tile->x,
              .y = tile->y,
              .cols = (uint8_t)(mesh >> SYSTOLE_IO_MESH_COLS_LSB),
              .rows = (uint8_t)(mesh >> SYSTOLE_IO_MESH_ROWS_LSB),
              .window_perm = entry.window_perm,
              .window_base = entry.window_base,
              .window_limit = entry.window_limit,
          },
      .scan = {.program = entry.program},
      .scratchpad = tile_address(tile->x, tile->y) + SYSTOLE_TILE_SCRATCHPAD_OFFSET + entry.local,
  };
  if (!start_fetch(0) || !finish()) return lost(0, why);
  uint32_t begin = 0;
  for (; begin < entry.image_bytes; begin += PIECE_BYTES) {
    const uint8_t status = pass_piece(&p, begin, why);
    if (status != SYSTOLE_STATUS_OK) return status;
  }
  if (!start_put(&p, begin - PIECE_BYTES) || !finish()) return lost(begin - PIECE_BYTES, why);
  return program_scan_end(&p.scan, why) ? SYSTOLE_STATUS_OK : SYSTOLE_STATUS_BAD_PROGRAM;
}

// Puts `entry` into its tile, number `index` of the program.
static uint8_t load_tile(uint32_t index, struct program_fault* why) {
  struct tile* tile = &loop.tiles[index];
  if (tile_open(io, tile, entry.x, entry.y) != HAL_OK) return SYSTOLE_STATUS_BAD_REQUEST;
  for (uint32_t i = 0; i < index; i++) {
    if (loop.tiles[i].x == tile->x && loop.tiles[i].y == tile->y) return SYSTOLE_STATUS_BAD_REQUEST;
  }
  if (tile_is_busy(io, tile)) return SYSTOLE_STATUS_TIMEOUT;
  if (!check_entry(why)) return SYSTOLE_STATUS_BAD_PROGRAM;
  tile_write(tile, SYSTOLE_TILE_CONTROL, SYSTOLE_TILE_CONTROL_CLEAR_MASK);
  const uint8_t status = load_image(tile, why);
  if (status != SYSTOLE_STATUS_OK) return status;
  set_registers(tile);
  (void)tile_read(tile, SYSTOLE_TILE_STATUS);  // all of it has arrived
  if (!io_pending(io, SYSTOLE_IO_CORE_IRQ_BUS_ERROR_MASK)) return SYSTOLE_STATUS_OK;
  why->info = io_read(io, SYSTOLE_IO_BUS_ERROR);
  return SYSTOLE_STATUS_BUS_ERROR;
}

static uint8_t load_program(void) {
  loop.num_tiles = 0;
  loop.launch = (struct launch){0};
  io_clear(io, SYSTOLE_IO_CORE_IRQ_BUS_ERROR_MASK);
  io_write(io, SYSTOLE_IO_BUS_ERROR, 0);
  if (request.tiles == 0 || request.tiles > MAX_TILES || request.table % 4)
    return SYSTOLE_STATUS_BAD_REQUEST;
  for (uint32_t i = 0; i < request.tiles; i++) {
    struct program_fault why = {0};
    const uint64_t place = request.table + i * SYSTOLE_TILE_ENTRY_BYTES;
    completion.info = place;
    if (!fetch(&entry, place, sizeof entry)) return SYSTOLE_STATUS_BUS_ERROR;
    const uint8_t status = load_tile(i, &why);
    if (status != SYSTOLE_STATUS_OK) {
      const struct tile named = {.x = entry.x, .y = entry.y};
      blame(&named, &why);
      return status;
    }
  }
  completion.info = 0;
  loop.num_tiles = request.tiles;
  return SYSTOLE_STATUS_OK;
}

// ------------------------------------------------------------------------------------------- Run

// A register of every tile and its new value.
struct change {
  uint32_t offset, value;
};

// Appends a change when `*last` is not yet `value`.
static struct change* change(struct change* end, uint32_t* last, uint32_t offset, uint32_t value) {
  if (*last == value) return end;
  *last = end->value = value;
  end->offset = offset;
  return end + 1;
}

// Writes to every tile what differs from the last launch.
static void write_launch(void) {
  struct change changes[2 * NUM_LAUNCH_PARAMS + 1];
  struct change* end = changes;
#pragma GCC unroll 4
  for (uint32_t i = 0; i < NUM_LAUNCH_PARAMS; i++) {
    end = change(end, &loop.launch.param[i], SYSTOLE_TILE_PARAM0 + 4 * i, request.param[i]);
    end = change(end, &loop.launch.step[i], SYSTOLE_TILE_STEP0 + 4 * i, request.step[i]);
  }
  end = change(end, &loop.launch.inputs, SYSTOLE_TILE_INPUTS, request.inputs);
  if (end == changes) return;
  for (uint32_t t = 0; t < loop.num_tiles; t++) {
    tile_select(io, &loop.tiles[t]);
    for (const struct change* c = changes; c != end; c++)
      tile_write(&loop.tiles[t], c->offset, c->value);
  }
}

// Whether one of the requests that the host has announced meanwhile is an abort.
static bool abort_announced(void) {
  const uint32_t end = produced();
  for (; loop.looked_at != end; loop.looked_at++) {
    if (!fetch(&next_request, ring_entry(loop.looked_at), sizeof next_request))
      panic(PANIC_REQUEST);
    if (next_request.kind == SYSTOLE_REQUEST_KIND_ABORT) {
      loop.aborting = true;
      loop.abort_at = loop.looked_at;
      return true;
    }
  }
  return false;
}

// Reads the first tile's fault into the completion.
static void record_fault(void) {
  const uint32_t where = io_read(io, SYSTOLE_IO_FAULT_TILE);
  struct tile tile;
  const uint32_t x = (where & SYSTOLE_IO_FAULT_TILE_X_MASK) >> SYSTOLE_IO_FAULT_TILE_X_LSB;
  const uint32_t y = (where & SYSTOLE_IO_FAULT_TILE_Y_MASK) >> SYSTOLE_IO_FAULT_TILE_Y_LSB;
  if (tile_open(io, &tile, x, y) != HAL_OK) return;
  tile_select(io, &tile);
  const uint32_t fault = tile_read(&tile, SYSTOLE_TILE_FAULT);
  const uint64_t high = tile_read(&tile, SYSTOLE_TILE_FAULT_INFO_HI);
  const struct program_fault why = {
      .fault = (uint8_t)(fault >> SYSTOLE_TILE_FAULT_CODE_LSB),
      .unit = (fault & SYSTOLE_TILE_FAULT_UNIT_MASK) >> SYSTOLE_TILE_FAULT_UNIT_LSB,
      .pc = (uint16_t)(fault >> SYSTOLE_TILE_FAULT_PC_LSB),
      .info = high << 32 | tile_read(&tile, SYSTOLE_TILE_FAULT_INFO_LO),
  };
  blame(&tile, &why);
}

// Sleeps until the tiles have ended or something else ended them.
static uint8_t wait_for_tiles(uint64_t deadline) {
  const uint32_t bad = SYSTOLE_IO_CORE_IRQ_FAULT_MASK | SYSTOLE_IO_CORE_IRQ_BUS_ERROR_MASK;
  const uint32_t ends = bad | SYSTOLE_IO_CORE_IRQ_JOIN_MASK | SYSTOLE_IO_CORE_IRQ_TIMER_MASK;
  for (;;) {
    timer_arm(io, deadline);
    const uint32_t event = io_wait(io, ends | SYSTOLE_IO_CORE_IRQ_DOORBELL_MASK);
    if (event & SYSTOLE_IO_CORE_IRQ_FAULT_MASK) {
      record_fault();
      return SYSTOLE_STATUS_TILE_FAULT;
    }
    if (event & SYSTOLE_IO_CORE_IRQ_BUS_ERROR_MASK) {
      completion.info = io_read(io, SYSTOLE_IO_BUS_ERROR);
      return SYSTOLE_STATUS_BUS_ERROR;
    }
    if (event & SYSTOLE_IO_CORE_IRQ_JOIN_MASK) return SYSTOLE_STATUS_OK;
    if (event & SYSTOLE_IO_CORE_IRQ_TIMER_MASK) return SYSTOLE_STATUS_TIMEOUT;
    io_clear(io, SYSTOLE_IO_CORE_IRQ_DOORBELL_MASK);
    if (abort_announced()) return SYSTOLE_STATUS_ABORTED;
  }
}

// The first tile that has not ended, for the host.
static void name_running_tile(void) {
  uint32_t t = 0;
  while (t + 1 < loop.num_tiles && !tile_is_busy(io, &loop.tiles[t])) t++;
  completion.x = loop.tiles[t].x;
  completion.y = loop.tiles[t].y;
}

// Not inlined, so that the code around it does not move its instructions: what a launch takes is
// known to the cycle (host/compile/cycle_model.cpp).
static __attribute__((noinline)) RAM_ROW uint8_t run_program(void) {
  if (request.inputs == 0) return SYSTOLE_STATUS_BAD_REQUEST;
  if (loop.num_tiles == 0) return SYSTOLE_STATUS_NO_PROGRAM;
  write_launch();
  io_clear(io, SYSTOLE_IO_CORE_IRQ_JOIN_MASK);
  io_write(io, SYSTOLE_IO_JOIN, loop.num_tiles);
  const uint64_t start = timer_now(io);
  for (uint32_t t = 0; t < loop.num_tiles; t++) {
    tile_select(io, &loop.tiles[t]);
    tile_write(&loop.tiles[t], SYSTOLE_TILE_CONTROL, SYSTOLE_TILE_CONTROL_LAUNCH_MASK);
  }
  const uint8_t status = wait_for_tiles(start + (request.timeout ? request.timeout : UINT32_MAX));
  completion.start = start;
  completion.end = timer_now(io);
  timer_disarm(io);
  if (status == SYSTOLE_STATUS_TIMEOUT) name_running_tile();
  return status == SYSTOLE_STATUS_OK ? status : stop_program(status);
}

// ------------------------------------------------------------------------------------------ ring

static uint8_t serve(void) {
  if (loop.aborting && loop.served != loop.abort_at) return SYSTOLE_STATUS_ABORTED;
  loop.aborting = false;
  if (request.phase != loop.phase) return SYSTOLE_STATUS_BAD_REQUEST;
  switch (request.kind) {
    case SYSTOLE_REQUEST_KIND_LOAD_PROGRAM:
      return load_program();
    case SYSTOLE_REQUEST_KIND_RUN:
      return run_program();
    case SYSTOLE_REQUEST_KIND_ABORT:
      return SYSTOLE_STATUS_OK;  // what it ended has completed before
    default:
      return SYSTOLE_STATUS_BAD_REQUEST;
  }
}

static void read_ring_registers(void) {
  const uint64_t ring_hi = io_read(io, SYSTOLE_IO_RING_HI);
  const uint64_t completion_hi = io_read(io, SYSTOLE_IO_COMPLETION_HI);
  loop.ring = ring_hi << 32 | io_read(io, SYSTOLE_IO_RING_LO);
  loop.completions = completion_hi << 32 | io_read(io, SYSTOLE_IO_COMPLETION_LO);
  loop.entries = io_read(io, SYSTOLE_IO_RING_ENTRIES);
  if (loop.entries == 0 || loop.entries & (loop.entries - 1)) panic(PANIC_RING);
  if (loop.ring % SYSTOLE_REQUEST_BYTES || loop.completions % SYSTOLE_COMPLETION_BYTES)
    panic(PANIC_RING);
}

_Noreturn void command_loop(void) {
  read_ring_registers();
  loop.phase = 1;
  io_write(io, SYSTOLE_IO_FW_STATE, SYSTOLE_FW_STATE_READY);
  for (;;) {
    // The pending bit first: a doorbell behind the look at its count ends the next wait.
    io_clear(io, SYSTOLE_IO_CORE_IRQ_DOORBELL_MASK);
    while (loop.served != produced()) {
      if (!fetch(&request, ring_entry(loop.served), sizeof request)) panic(PANIC_REQUEST);
      if (loop.looked_at == loop.served) loop.looked_at++;
      clear_completion();
      complete(serve());
    }
    (void)io_wait(io, SYSTOLE_IO_CORE_IRQ_DOORBELL_MASK);
  }
}
