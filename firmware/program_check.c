#include "firmware/program_check.h"

#include "firmware/hal/tile.h"
#include "rtl/spec/gen/systole_checks.h"

// A loader spends its time here. What nearly every command passes is put where it is used, with the
// view in registers; what is rare or refuses is kept out of the way, and gets a copy of the view.
#define INLINE static inline __attribute__((always_inline))
#define RARE static __attribute__((noinline, cold))

// What a check looks at: the command, and the words that a launch parameter will be added to.
struct view {
  const uint32_t* w;
  uint32_t unit;
  uint32_t selected;  // bit i: word i
  const struct program_place* place;
  struct program_fault* why;
};

INLINE bool refuse(const struct view* v, uint8_t fault, uint64_t info) {
  v->why->fault = fault;
  v->why->info = info;
  return false;
}

INLINE bool bad_operand(const struct view* v, uint32_t word) {
  return refuse(v, SYSTOLE_FAULT_OPERAND, word);
}

INLINE bool is_selected(const struct view* v, uint32_t word) { return v->selected >> word & 1; }

// ------------------------------------------------------------------------------------- extents

// Lowest and highest offset that a nest of counts and strides reaches. A loader spends most of its
// time on these: 32 bits, and no product of 64 but for what cannot be inside anyway, or is rare.
struct extent {
  int32_t low, high;
};

// Beyond every memory, and so little that sums of some of them stay numbers.
#define FAR (1 << 26)

// steps * stride, cut at FAR.
RARE int32_t far_reach(uint32_t steps, int32_t stride) {
  const int64_t reach = (int64_t)steps * stride;
  if (reach > FAR) return FAR;
  return reach < -FAR ? -FAR : (int32_t)reach;
}

// Adds a loop that goes `steps` strides far.
INLINE void extend(struct extent* e, uint32_t steps, int32_t stride) {
  if (steps == 0) return;  // most have one turn: it saves the product
  // Less than 2^8 strides from -2^18 to 2^18.
  const bool near = (steps >> 8 | ((uint32_t)stride + (1u << 18)) >> 19) == 0;
  const int32_t reach = near ? (int32_t)steps * stride : far_reach(steps, stride);
  if (reach < 0) {
    e->low += reach;
  } else {
    e->high += reach;
  }
}

// Whether all from base + low to base + high + size lies below `limit`, which is at most 2^20.
INLINE bool inside(const struct extent* e, uint32_t base, uint32_t size, uint32_t limit) {
  if ((base | size) >> 20) return false;
  return (int32_t)base + e->low >= 0 && (int32_t)(base + size) + e->high <= (int32_t)limit;
}

// ------------------------------------------------------------------------- Load, Fill, Store

// Whether one window, or the own tile, holds all from `first` to `last`.
INLINE bool in_windows(const struct program_place* place, uint64_t first, uint64_t last,
                       uint32_t perm_bit) {
  if ((first | last) >> SYSTOLE_ADDR_BITS) return false;
  const uint32_t first_granule = (uint32_t)(first / SYSTOLE_WINDOW_GRANULE_BYTES);
  const uint32_t last_granule = (uint32_t)(last / SYSTOLE_WINDOW_GRANULE_BYTES);
  for (uint32_t i = 0; i < SYSTOLE_NUM_WINDOWS; i++) {
    if ((place->window_perm >> (2 * i + perm_bit) & 1) && first_granule >= place->window_base[i] &&
        last_granule <= place->window_limit[i])
      return true;
  }
  const uint32_t own = (uint32_t)(tile_address(place->x, place->y) / SYSTOLE_WINDOW_GRANULE_BYTES);
  const uint32_t tile_granules = (1u << SYSTOLE_TILE_COL_SHIFT) / SYSTOLE_WINDOW_GRANULE_BYTES;
  return ((first_granule ^ own) | (last_granule ^ own)) < tile_granules;
}

// The runs at the corners of a block: the address is linear, so that windows without gaps that hold
// these hold all others.
RARE bool check_corners(struct view v, uint64_t address, uint32_t perm_bit) {
  const uint32_t run = v.w[7];
  const int64_t reach0 = (int64_t)(v.w[8] - 1) * (int32_t)v.w[9];
  const int64_t reach1 = (int64_t)(v.w[11] - 1) * (int32_t)v.w[12];
  for (uint32_t corner = 0; corner < 4; corner++) {
    const uint64_t first =
        address + (uint64_t)(corner & 1 ? reach0 : 0) + (uint64_t)(corner & 2 ? reach1 : 0);
    const uint64_t last = first + run - 1;
    if (!in_windows(v.place, first, first, perm_bit))
      return refuse(&v, SYSTOLE_FAULT_WINDOW, first);
    if (!in_windows(v.place, last, last, perm_bit)) return refuse(&v, SYSTOLE_FAULT_WINDOW, last);
  }
  return true;
}

// All of the block at once, or else its corners. An extent that may have been cut says nothing.
INLINE bool check_global(const struct view* v, uint64_t address, uint32_t perm_bit) {
  const uint32_t* w = v->w;
  struct extent e = {0, 0};
  extend(&e, w[8] - 1, (int32_t)w[9]);
  extend(&e, w[11] - 1, (int32_t)w[12]);
  if (e.low > -FAR && e.high < FAR &&
      in_windows(v->place, address + (uint64_t)(int64_t)e.low,
                 address + (uint32_t)e.high + (w[7] - 1), perm_bit))
    return true;
  return check_corners(*v, address, perm_bit);
}

// Load, Fill and Store agree in the words of their scratchpad side: local 6, run 7, count0 8,
// lstride0 10, count1 11, lstride1 13.
INLINE bool check_block(const struct view* v, uint32_t opcode) {
  const uint32_t* w = v->w;
  if (w[7] == 0 && !is_selected(v, 7)) return bad_operand(v, 7);
  if (w[8] == 0 && !is_selected(v, 8)) return bad_operand(v, 8);
  if (w[11] == 0 && !is_selected(v, 11)) return bad_operand(v, 11);
  if (v->selected & (1u << 7 | 1u << 8 | 1u << 11)) return true;
  if (!is_selected(v, 6)) {
    struct extent e = {0, 0};
    extend(&e, w[8] - 1, (int32_t)w[10]);
    extend(&e, w[11] - 1, (int32_t)w[13]);
    if (!inside(&e, w[6], w[7], SYSTOLE_SCRATCHPAD_BYTES)) return bad_operand(v, 6);
  }
  if (opcode == SYSTOLE_OPCODE_FILL || is_selected(v, 4)) return true;
  if (opcode == SYSTOLE_OPCODE_LOAD) return check_global(v, systole_load_addr(w), 0);
  return check_global(v, systole_store_addr(w), 1);
}

// -------------------------------------------------------------------------------------- Matmul

INLINE bool check_activations(const struct view* v) {
  const uint32_t* w = v->w;
  const uint32_t mode = systole_matmul_row_mode(w);
  // A quotient of the two would be a division.
  uint32_t run = 8, runs = 4;
  if (mode == SYSTOLE_ROW_MODE_RUN16X2) run = 16, runs = 2;
  if (mode == SYSTOLE_ROW_MODE_RUN32) run = 32, runs = 1;
  struct extent e = {0, 0};
  extend(&e, systole_matmul_ncount(w) - 1, systole_matmul_act_nstride(w));
  extend(&e, systole_matmul_kcount0(w) - 1, systole_matmul_kstride0(w));
  extend(&e, systole_matmul_kcount1(w) - 1, systole_matmul_kstride1(w));
  extend(&e, systole_matmul_kcount2(w) - 1, systole_matmul_kstride2(w));
  extend(&e, systole_matmul_rcount0(w) - 1, systole_matmul_rstride0(w));
  extend(&e, systole_matmul_rcount1(w) - 1, systole_matmul_rstride1(w));
  extend(&e, systole_matmul_rcount2(w) - 1, systole_matmul_rstride2(w));
  extend(&e, runs - 1, systole_matmul_run_stride(w));
  return inside(&e, systole_matmul_act(w), run, SYSTOLE_SCRATCHPAD_BYTES);
}

INLINE bool check_weights(const struct view* v) {
  const uint32_t* w = v->w;
  const uint32_t mode = systole_matmul_weight_mode(w);
  const bool columns = mode == SYSTOLE_WEIGHT_MODE_COLUMNS;
  const int32_t stride = mode == SYSTOLE_WEIGHT_MODE_PACKED ? 16 : systole_matmul_wgt_run(w);
  // A product of 32 bits: more blocks, a stride of at least 16 apart, reach beyond the scratchpad
  // anyway.
  uint32_t blocks = systole_matmul_kcount0(w) * systole_matmul_kcount1(w);
  if (blocks < UINT32_MAX / 65536) blocks *= systole_matmul_kcount2(w);
  if (stride % 16) return bad_operand(v, 22);
  if (is_selected(v, 19)) return true;
  struct extent e = {0, 0};
  extend(&e, blocks - 1, systole_matmul_wgt_kstride(w));
  extend(&e, systole_matmul_ncount(w) - 1, systole_matmul_wgt_nstride(w));
  extend(&e, (columns ? SYSTOLE_ARRAY_COLS : SYSTOLE_ARRAY_DEPTH) - 1, stride);
  const uint32_t run = columns ? SYSTOLE_ARRAY_DEPTH : SYSTOLE_ARRAY_COLS;
  if (systole_matmul_wgt(w) % 16) return bad_operand(v, 19);
  return inside(&e, systole_matmul_wgt(w), run, SYSTOLE_SCRATCHPAD_BYTES) || bad_operand(v, 19);
}

INLINE bool check_matmul(const struct view* v) {
  const uint32_t* w = v->w;
  if (systole_matmul_row_mode(w) > SYSTOLE_ROW_MODE_RUN8X4 ||
      systole_matmul_weight_mode(w) > SYSTOLE_WEIGHT_MODE_COLUMNS ||
      systole_matmul_init(w) > SYSTOLE_ACC_INIT_ACCUMULATE ||
      systole_matmul_format(w) != SYSTOLE_FORMAT_INT8)
    return bad_operand(v, 5);
  const uint32_t len = systole_matmul_len(w), len_last = systole_matmul_len_last(w);
  if (len < 1 || len > SYSTOLE_ARRAY_DEPTH || len_last < 1 || len_last > SYSTOLE_ARRAY_DEPTH)
    return bad_operand(v, 7);
  const uint32_t r0 = systole_matmul_rcount0(w), r1 = systole_matmul_rcount1(w);
  const uint32_t r2 = systole_matmul_rcount2(w), n = systole_matmul_ncount(w);
  if (r0 == 0 || r1 == 0) return bad_operand(v, 8);
  if (r2 == 0 || n == 0) return bad_operand(v, 9);
  if (systole_matmul_kcount0(w) == 0 || systole_matmul_kcount1(w) == 0) return bad_operand(v, 13);
  if (systole_matmul_kcount2(w) == 0) return bad_operand(v, 14);
  // Step by step, so that no product leaves 32 bits.
  if (r0 * r1 > SYSTOLE_ACC_HALF_ROWS) return bad_operand(v, 8);
  const uint32_t rows = r0 * r1 * r2;
  if (rows > SYSTOLE_ACC_HALF_ROWS) return bad_operand(v, 8);
  if (systole_matmul_acc(w) + (n - 1) * systole_matmul_acc_nstride(w) + rows > SYSTOLE_ACC_ROWS)
    return bad_operand(v, 24);
  if (!is_selected(v, 4) && !check_activations(v)) return bad_operand(v, 4);
  if (systole_matmul_wgt_kstride(w) % 16) return bad_operand(v, 20);
  if (systole_matmul_wgt_nstride(w) % 16) return bad_operand(v, 21);
  if (!check_weights(v)) return false;
  if (systole_matmul_init(w) != SYSTOLE_ACC_INIT_BIAS || is_selected(v, 23)) return true;
  const struct extent e = {0, 0};
  const uint32_t bias = systole_matmul_bias(w);
  return (bias % 16 == 0 && inside(&e, bias, 64 * n, SYSTOLE_SCRATCHPAD_BYTES)) ||
         bad_operand(v, 23);
}

// -------------------------------------------------------------------------------------- Vector

INLINE bool is_byte(uint32_t type) { return type == SYSTOLE_VTYPE_S8 || type == SYSTOLE_VTYPE_U8; }

// An operand or result: its type, the word of its base, what its counts and strides reach.
INLINE bool check_tensor(const struct view* v, uint32_t type, uint32_t base_word,
                         const struct extent* e, uint32_t lanes) {
  if (is_selected(v, base_word)) return true;
  const uint32_t base = v->w[base_word];
  if (type == SYSTOLE_VTYPE_ACC)
    return inside(e, base, 1, SYSTOLE_ACC_ROWS) || bad_operand(v, base_word);
  if (is_byte(type))
    return inside(e, base, lanes, SYSTOLE_SCRATCHPAD_BYTES) || bad_operand(v, base_word);
  return (base % 4 == 0 && inside(e, base, 4 * lanes, SYSTOLE_SCRATCHPAD_BYTES)) ||
         bad_operand(v, base_word);
}

// One dimension of a, b and d at once: most have one turn in all three.
INLINE void extend_tensors(const uint32_t* w, uint32_t dim, uint32_t steps, struct extent* a,
                           struct extent* b, struct extent* d) {
  if (steps == 0) return;
  extend(a, steps, (int32_t)w[12 + dim]);
  extend(b, steps, (int32_t)w[16 + dim]);
  extend(d, steps, (int32_t)w[20 + dim]);
}

// Move keeps the 32 bits of a: nothing else is done to them, and their type stays.
INLINE bool check_move(const uint32_t* w) {
  const uint32_t a = systole_vector_a_type(w), d = systole_vector_d_type(w);
  const bool integers = a == SYSTOLE_VTYPE_S32 || a == SYSTOLE_VTYPE_ACC;
  return systole_vector_act(w) == SYSTOLE_VACT_NONE &&
         systole_vector_reduce(w) == SYSTOLE_VREDUCE_NONE &&
         ((integers && d == SYSTOLE_VTYPE_S32) ||
          (a == SYSTOLE_VTYPE_F32 && d == SYSTOLE_VTYPE_F32));
}

INLINE bool check_vector_types(const uint32_t* w) {
  const uint32_t op = systole_vector_op(w), act = systole_vector_act(w);
  const uint32_t a = systole_vector_a_type(w), b = systole_vector_b_type(w);
  const uint32_t d = systole_vector_d_type(w);
  if (a < SYSTOLE_VTYPE_S8 || a > SYSTOLE_VTYPE_ACC || b > SYSTOLE_VTYPE_F32) return false;
  if (d < SYSTOLE_VTYPE_S8 || d > SYSTOLE_VTYPE_F32) return false;
  if (op > SYSTOLE_VOP_MOVE || act > SYSTOLE_VACT_RSQRT) return false;
  if (systole_vector_reduce(w) > SYSTOLE_VREDUCE_MAX) return false;
  if (act == SYSTOLE_VACT_CLIP && op != SYSTOLE_VOP_MUL) return false;
  if (op == SYSTOLE_VOP_MOVE && !check_move(w)) return false;
  if (op == SYSTOLE_VOP_MAX || op == SYSTOLE_VOP_MIN) return b != SYSTOLE_VTYPE_NONE;
  return op == SYSTOLE_VOP_FMA || b == SYSTOLE_VTYPE_NONE;
}

// A vector of 16 words, when s, t or c is one.
INLINE bool check_constant(const struct view* v, bool is_vector, uint32_t word, uint32_t count) {
  if (!is_vector) return true;
  const struct extent e = {0, 0};
  const uint32_t address = v->w[word];
  return (address % 16 == 0 && inside(&e, address, 64 * count, SYSTOLE_SCRATCHPAD_BYTES)) ||
         bad_operand(v, word);
}

INLINE bool check_vector(const struct view* v) {
  const uint32_t* w = v->w;
  if (!check_vector_types(w)) return bad_operand(v, 4);
  uint32_t lanes = systole_vector_lanes(w);
  const uint32_t lanes_last = systole_vector_lanes_last(w);
  if (lanes < 1 || lanes > SYSTOLE_VECTOR_LANES || lanes_last < 1 ||
      lanes_last > SYSTOLE_VECTOR_LANES)
    return bad_operand(v, 5);
  const uint32_t count0 = systole_vector_count0(w), count1 = systole_vector_count1(w);
  const uint32_t count2 = systole_vector_count2(w), count3 = systole_vector_count3(w);
  if (count0 == 0 || count1 == 0) return bad_operand(v, 10);
  if (count2 == 0 || count3 == 0) return bad_operand(v, 11);
  const uint32_t window0 = systole_vector_wcount0(w), window1 = systole_vector_wcount1(w);
  if (window0 == 0 || window1 == 0) return bad_operand(v, 24);
  if (systole_vector_reduce(w) == SYSTOLE_VREDUCE_NONE && (window0 != 1 || window1 != 1))
    return bad_operand(v, 24);
  struct extent a = {0, 0}, b = {0, 0}, d = {0, 0};
  extend_tensors(w, 0, count0 - 1, &a, &b, &d);
  extend_tensors(w, 1, count1 - 1, &a, &b, &d);
  extend_tensors(w, 2, count2 - 1, &a, &b, &d);
  extend_tensors(w, 3, count3 - 1, &a, &b, &d);
  extend(&a, window0 - 1, systole_vector_a_wstride0(w));
  extend(&a, window1 - 1, systole_vector_a_wstride1(w));
  const uint32_t tail_dim = systole_vector_tail_dim(w);
  const uint32_t tail_counts = w[10 + tail_dim / 2];
  const uint32_t tail_count = tail_dim % 2 ? tail_counts >> 16 : tail_counts & 0xffff;
  if (tail_count == 1 || lanes < lanes_last) lanes = lanes_last;
  const uint32_t b_type = systole_vector_b_type(w);
  if (!check_tensor(v, systole_vector_a_type(w), 7, &a, lanes)) return false;
  if (b_type != SYSTOLE_VTYPE_NONE && !check_tensor(v, b_type, 8, &b, lanes)) return false;
  if (!check_tensor(v, systole_vector_d_type(w), 9, &d, lanes)) return false;
  return check_constant(v, systole_vector_s_vector(w), 27, count3) &&
         check_constant(v, systole_vector_t_vector(w), 28, count3) &&
         check_constant(v, systole_vector_c_vector(w), 29, count3);
}

// ------------------------------------------------------------------------------- all commands

// The words that the three selectors name, one bit each; 0 when one of them takes no parameter.
RARE uint32_t selected_words(struct view v, uint32_t param_words) {
  const uint32_t* w = v.w;
  const uint32_t enabled[] = {systole_header_sel0_en(w), systole_header_sel1_en(w),
                              systole_header_sel2_en(w)};
  const uint32_t words[] = {systole_header_sel0_word(w), systole_header_sel1_word(w),
                            systole_header_sel2_word(w)};
  uint32_t selected = 0;
  for (uint32_t i = 0; i < 3; i++) {
    if (!enabled[i]) continue;
    if (!(param_words >> words[i] & 1)) {
      refuse(&v, SYSTOLE_FAULT_RESERVED, words[i]);
      return 0;
    }
    selected |= 1u << words[i];
  }
  return selected;
}

INLINE bool check_selectors(struct view* v, uint32_t param_words) {
  const uint32_t* w = v->w;
  if (!(systole_header_sel0_en(w) | systole_header_sel1_en(w) | systole_header_sel2_en(w)))
    return true;
  v->selected = selected_words(*v, param_words);
  return v->selected != 0;
}

INLINE bool check_remote_post(const struct view* v) {
  if (!systole_header_remote_en(v->w)) return true;
  const uint32_t x = systole_header_remote_x(v->w), y = systole_header_remote_y(v->w);
  if (x != 0 && x < v->place->cols && y < v->place->rows) return true;
  return refuse(v, SYSTOLE_FAULT_WINDOW, tile_address(x, y));
}

// The first word that has a reserved bit set.
RARE bool refuse_reserved(struct view v, const struct systole_command_check* check) {
  uint32_t first = 0;
  while (!(v.w[first] & check->reserved[first])) first++;
  return refuse(&v, SYSTOLE_FAULT_RESERVED, first);
}

// What is the same for all commands. Made anew for each opcode, so that what the table says of it
// is in the code.
INLINE bool check_header(struct view* v, uint32_t opcode) {
  const struct systole_command_check* check = systole_find_check(opcode);
  if (!(check->units >> v->unit & 1)) return refuse(v, SYSTOLE_FAULT_OPCODE, v->w[0]);
  if (systole_reserved_bits(opcode, v->w)) return refuse_reserved(*v, check);
  return check_selectors(v, check->param_words) && check_remote_post(v);
}

INLINE bool check_command(const uint32_t* words, uint32_t unit, uint32_t pc,
                          const struct program_place* place, struct program_fault* why) {
  struct view v = {words, unit, 0, place, why};
  why->unit = (uint8_t)unit;
  why->pc = (uint16_t)pc;
  switch (systole_header_opcode(words)) {
    case SYSTOLE_OPCODE_END:
      return check_header(&v, SYSTOLE_OPCODE_END);
    case SYSTOLE_OPCODE_NOP:
      return check_header(&v, SYSTOLE_OPCODE_NOP);
    case SYSTOLE_OPCODE_LOOP:
      // A loop closes a body that lies before it.
      return check_header(&v, SYSTOLE_OPCODE_LOOP) &&
             (systole_loop_target(words) <= pc || bad_operand(&v, 4));
    case SYSTOLE_OPCODE_LOAD:
      return check_header(&v, SYSTOLE_OPCODE_LOAD) && check_block(&v, SYSTOLE_OPCODE_LOAD);
    case SYSTOLE_OPCODE_FILL:
      return check_header(&v, SYSTOLE_OPCODE_FILL) && check_block(&v, SYSTOLE_OPCODE_FILL);
    case SYSTOLE_OPCODE_STORE:
      return check_header(&v, SYSTOLE_OPCODE_STORE) && check_block(&v, SYSTOLE_OPCODE_STORE);
    case SYSTOLE_OPCODE_MATMUL:
      return check_header(&v, SYSTOLE_OPCODE_MATMUL) && check_matmul(&v);
    case SYSTOLE_OPCODE_VECTOR:
      return check_header(&v, SYSTOLE_OPCODE_VECTOR) && check_vector(&v);
    default:
      return refuse(&v, SYSTOLE_FAULT_OPCODE, words[0]);
  }
}

// Begins the programs that start at `address`, and notes where one may start next.
static void start_programs(struct program_scan* scan, uint32_t address) {
  scan->next_start = UINT32_MAX;
  for (uint32_t unit = 0; unit < SYSTOLE_NUM_UNITS; unit++) {
    const uint32_t start = scan->program[unit];
    if (start == address) scan->started |= (uint8_t)(1u << unit);
    if (start > address && start < scan->next_start) scan->next_start = start;
  }
}

bool program_check_command(const uint32_t* words, uint32_t unit, uint32_t pc,
                           const struct program_place* place, struct program_fault* why) {
  return check_command(words, unit, pc, place, why);
}

// Commands of one program, up to `max`, to its End at the most: how many, 0 when one is refused.
static uint32_t scan_run(struct program_scan* scan, uint32_t unit, const uint32_t* words,
                         uint32_t max, const struct program_place* place,
                         struct program_fault* why) {
  const uint32_t first = scan->pc[unit];
  for (uint32_t i = 0; i < max; i++, words += SYSTOLE_COMMAND_BYTES / 4) {
    if (!check_command(words, unit, first + i, place, why)) return 0;
    if (systole_header_opcode(words) != SYSTOLE_OPCODE_END) continue;
    scan->ended |= (uint8_t)(1u << unit);
    max = i + 1;
  }
  scan->pc[unit] = (uint16_t)(first + max);
  return max;
}

// Commands that the same programs hold; more than one where there is one program. As scan_run.
static uint32_t scan_some(struct program_scan* scan, const uint32_t* words, uint32_t max,
                          const struct program_place* place, struct program_fault* why) {
  const uint32_t open = scan->started & ~scan->ended;
  if (open == 0) return 1;
  if (open & (open - 1)) max = 1;
  for (uint32_t unit = 0; unit < SYSTOLE_NUM_UNITS; unit++) {
    if (open >> unit & 1) max = scan_run(scan, unit, words, max, place, why);
    if (max == 0) return 0;
  }
  return max;
}

bool program_scan_commands(struct program_scan* scan, uint32_t address, const uint32_t* words,
                           uint32_t count, const struct program_place* place,
                           struct program_fault* why) {
  while (count > 0) {
    if (address >= scan->next_start) start_programs(scan, address);
    const uint32_t to_start = (scan->next_start - address) / SYSTOLE_COMMAND_BYTES;
    const uint32_t done = scan_some(scan, words, to_start < count ? to_start : count, place, why);
    if (done == 0) return false;
    address += done * SYSTOLE_COMMAND_BYTES;
    words += done * (SYSTOLE_COMMAND_BYTES / 4);
    count -= done;
  }
  return true;
}

bool program_scan_end(const struct program_scan* scan, struct program_fault* why) {
  for (uint32_t unit = 0; unit < SYSTOLE_NUM_UNITS; unit++) {
    if (scan->ended >> unit & 1) continue;
    why->fault = SYSTOLE_FAULT_PROGRAM_RANGE;
    why->unit = (uint8_t)unit;
    why->pc = scan->pc[unit];
    why->info = scan->program[unit];
    return false;
  }
  return true;
}
