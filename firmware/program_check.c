#include "firmware/program_check.h"

#include "firmware/hal/tile.h"
#include "rtl/spec/gen/systole_checks.h"

// What a check looks at: the command, and the words that a launch parameter will be added to.
struct view {
  const uint32_t* w;
  uint32_t selected;  // bit i: word i
  const struct program_place* place;
  struct program_fault* why;
};

static bool refuse(const struct view* v, uint8_t fault, uint64_t info) {
  v->why->fault = fault;
  v->why->info = info;
  return false;
}

static bool bad_operand(const struct view* v, uint32_t word) {
  return refuse(v, SYSTOLE_FAULT_OPERAND, word);
}

static bool is_selected(const struct view* v, uint32_t word) { return v->selected >> word & 1; }

// ------------------------------------------------------------------------------------- extents

// Lowest and highest offset that a nest of counts and strides reaches.
struct extent {
  int64_t low, high;
};

// Beyond every memory, so that sums of some of them stay numbers.
#define FAR ((int64_t)1 << 56)

static void extend(struct extent* e, uint32_t count, int32_t stride) {
  if (count == 1) return;  // most are: it saves a product of 64 bits
  int64_t reach = (int64_t)(count - 1) * stride;
  if (reach > FAR) reach = FAR;
  if (reach < -FAR) reach = -FAR;
  if (reach < 0) {
    e->low += reach;
  } else {
    e->high += reach;
  }
}

static bool inside(const struct extent* e, uint32_t base, uint32_t size, uint32_t limit) {
  return (int64_t)base + e->low >= 0 && (int64_t)base + e->high + size <= limit;
}

// ------------------------------------------------------------------------- Load, Fill, Store

// Whether the own tile, or one window, holds all from `first` to `last`.
static bool in_windows(const struct program_place* place, uint64_t first, uint64_t last,
                       uint32_t perm_bit) {
  const uint64_t own = tile_address(place->x, place->y) >> SYSTOLE_TILE_COL_SHIFT;
  if (first >> SYSTOLE_TILE_COL_SHIFT == own && last >> SYSTOLE_TILE_COL_SHIFT == own) return true;
  const uint64_t first_granule = first / SYSTOLE_WINDOW_GRANULE_BYTES;
  const uint64_t last_granule = last / SYSTOLE_WINDOW_GRANULE_BYTES;
  for (uint32_t i = 0; i < SYSTOLE_NUM_WINDOWS; i++) {
    if ((place->window_perm >> (2 * i + perm_bit) & 1) && first_granule >= place->window_base[i] &&
        last_granule <= place->window_limit[i])
      return true;
  }
  return false;
}

// All of the block at once; or else the runs at its corners: the address is linear, so that windows
// without gaps that hold these hold all others.
static bool check_global(const struct view* v, uint64_t address, uint32_t perm_bit) {
  const uint32_t run = v->w[7];
  struct extent e = {0, 0};
  extend(&e, v->w[8], (int32_t)v->w[9]);
  extend(&e, v->w[11], (int32_t)v->w[12]);
  if ((int64_t)address + e.low >= 0 && in_windows(v->place, address + (uint64_t)e.low,
                                                  address + (uint64_t)e.high + run - 1, perm_bit))
    return true;
  const int64_t reach0 = (int64_t)(v->w[8] - 1) * (int32_t)v->w[9];
  const int64_t reach1 = (int64_t)(v->w[11] - 1) * (int32_t)v->w[12];
  for (uint32_t corner = 0; corner < 4; corner++) {
    const uint64_t first =
        address + (uint64_t)(corner & 1 ? reach0 : 0) + (uint64_t)(corner & 2 ? reach1 : 0);
    const uint64_t last = first + run - 1;
    if (!in_windows(v->place, first, first, perm_bit))
      return refuse(v, SYSTOLE_FAULT_WINDOW, first);
    if (!in_windows(v->place, last, last, perm_bit)) return refuse(v, SYSTOLE_FAULT_WINDOW, last);
  }
  return true;
}

// Load, Fill and Store agree in the words of their scratchpad side: local 6, run 7, count0 8,
// lstride0 10, count1 11, lstride1 13.
static bool check_block(const struct view* v) {
  const uint32_t sizes[] = {7, 8, 11};
  bool known = true;
  for (uint32_t i = 0; i < 3; i++) {
    if (is_selected(v, sizes[i])) {
      known = false;
    } else if (v->w[sizes[i]] == 0) {
      return bad_operand(v, sizes[i]);
    }
  }
  if (!known) return true;
  if (!is_selected(v, 6)) {
    struct extent e = {0, 0};
    extend(&e, v->w[8], (int32_t)v->w[10]);
    extend(&e, v->w[11], (int32_t)v->w[13]);
    if (!inside(&e, v->w[6], v->w[7], SYSTOLE_SCRATCHPAD_BYTES)) return bad_operand(v, 6);
  }
  const uint32_t opcode = systole_header_opcode(v->w);
  if (opcode == SYSTOLE_OPCODE_FILL || is_selected(v, 4)) return true;
  if (opcode == SYSTOLE_OPCODE_LOAD) return check_global(v, systole_load_addr(v->w), 0);
  return check_global(v, systole_store_addr(v->w), 1);
}

// -------------------------------------------------------------------------------------- Matmul

static bool check_activations(const struct view* v) {
  const uint32_t* w = v->w;
  const uint32_t mode = systole_matmul_row_mode(w);
  const uint32_t run = mode == SYSTOLE_ROW_MODE_RUN32     ? 32
                       : mode == SYSTOLE_ROW_MODE_RUN16X2 ? 16
                                                          : 8;
  struct extent e = {0, 0};
  extend(&e, systole_matmul_ncount(w), systole_matmul_act_nstride(w));
  extend(&e, systole_matmul_kcount0(w), systole_matmul_kstride0(w));
  extend(&e, systole_matmul_kcount1(w), systole_matmul_kstride1(w));
  extend(&e, systole_matmul_kcount2(w), systole_matmul_kstride2(w));
  extend(&e, systole_matmul_rcount0(w), systole_matmul_rstride0(w));
  extend(&e, systole_matmul_rcount1(w), systole_matmul_rstride1(w));
  extend(&e, systole_matmul_rcount2(w), systole_matmul_rstride2(w));
  extend(&e, SYSTOLE_ARRAY_DEPTH / run, systole_matmul_run_stride(w));
  return inside(&e, systole_matmul_act(w), run, SYSTOLE_SCRATCHPAD_BYTES);
}

static bool check_weights(const struct view* v) {
  const uint32_t* w = v->w;
  const uint32_t mode = systole_matmul_weight_mode(w);
  const bool columns = mode == SYSTOLE_WEIGHT_MODE_COLUMNS;
  const int32_t stride = mode == SYSTOLE_WEIGHT_MODE_PACKED ? 16 : systole_matmul_wgt_run(w);
  uint64_t blocks = (uint64_t)systole_matmul_kcount0(w) * systole_matmul_kcount1(w);
  if (blocks < UINT32_MAX / 65536) blocks *= systole_matmul_kcount2(w);
  if (blocks > UINT32_MAX) blocks = UINT32_MAX;
  if (stride % 16) return bad_operand(v, 22);
  if (is_selected(v, 19)) return true;
  struct extent e = {0, 0};
  extend(&e, (uint32_t)blocks, systole_matmul_wgt_kstride(w));
  extend(&e, systole_matmul_ncount(w), systole_matmul_wgt_nstride(w));
  extend(&e, columns ? SYSTOLE_ARRAY_COLS : SYSTOLE_ARRAY_DEPTH, stride);
  const uint32_t run = columns ? SYSTOLE_ARRAY_DEPTH : SYSTOLE_ARRAY_COLS;
  if (systole_matmul_wgt(w) % 16) return bad_operand(v, 19);
  return inside(&e, systole_matmul_wgt(w), run, SYSTOLE_SCRATCHPAD_BYTES) || bad_operand(v, 19);
}

static bool check_matmul(const struct view* v) {
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
  const uint64_t rows = (uint64_t)r0 * r1 * r2;
  if (rows > SYSTOLE_ACC_HALF_ROWS) return bad_operand(v, 8);
  if (systole_matmul_acc(w) + (n - 1) * systole_matmul_acc_nstride(w) + rows > SYSTOLE_ACC_ROWS)
    return bad_operand(v, 24);
  if (!is_selected(v, 4) && !check_activations(v)) return bad_operand(v, 4);
  if (systole_matmul_wgt_kstride(w) % 16) return bad_operand(v, 20);
  if (systole_matmul_wgt_nstride(w) % 16) return bad_operand(v, 21);
  if (!check_weights(v)) return false;
  if (systole_matmul_init(w) != SYSTOLE_ACC_INIT_BIAS || is_selected(v, 23)) return true;
  const uint32_t bias = systole_matmul_bias(w);
  return (bias % 16 == 0 && (uint64_t)bias + 64 * n <= SYSTOLE_SCRATCHPAD_BYTES) ||
         bad_operand(v, 23);
}

// -------------------------------------------------------------------------------------- Vector

static bool is_byte(uint32_t type) { return type == SYSTOLE_VTYPE_S8 || type == SYSTOLE_VTYPE_U8; }

// An operand or result: its type, the word of its base, the words of its four strides.
static bool check_tensor(const struct view* v, uint32_t type, uint32_t base_word,
                         uint32_t stride_word, uint32_t lanes, bool window) {
  if (is_selected(v, base_word)) return true;
  const uint32_t* w = v->w;
  const uint32_t base = w[base_word];
  struct extent e = {0, 0};
  extend(&e, systole_vector_count0(w), (int32_t)w[stride_word]);
  extend(&e, systole_vector_count1(w), (int32_t)w[stride_word + 1]);
  extend(&e, systole_vector_count2(w), (int32_t)w[stride_word + 2]);
  extend(&e, systole_vector_count3(w), (int32_t)w[stride_word + 3]);
  if (window) {
    extend(&e, systole_vector_wcount0(w), systole_vector_a_wstride0(w));
    extend(&e, systole_vector_wcount1(w), systole_vector_a_wstride1(w));
  }
  if (type == SYSTOLE_VTYPE_ACC)
    return inside(&e, base, 1, SYSTOLE_ACC_ROWS) || bad_operand(v, base_word);
  if (!is_byte(type) && base % 4) return bad_operand(v, base_word);
  const uint32_t bytes = lanes * (is_byte(type) ? 1 : 4);
  return inside(&e, base, bytes, SYSTOLE_SCRATCHPAD_BYTES) || bad_operand(v, base_word);
}

// Move keeps the 32 bits of a: nothing else is done to them, and their type stays.
static bool check_move(const uint32_t* w) {
  const uint32_t a = systole_vector_a_type(w), d = systole_vector_d_type(w);
  const bool integers = a == SYSTOLE_VTYPE_S32 || a == SYSTOLE_VTYPE_ACC;
  return systole_vector_act(w) == SYSTOLE_VACT_NONE &&
         systole_vector_reduce(w) == SYSTOLE_VREDUCE_NONE &&
         ((integers && d == SYSTOLE_VTYPE_S32) ||
          (a == SYSTOLE_VTYPE_F32 && d == SYSTOLE_VTYPE_F32));
}

static bool check_vector_types(const uint32_t* w) {
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

static bool check_vector(const struct view* v) {
  const uint32_t* w = v->w;
  if (!check_vector_types(w)) return bad_operand(v, 4);
  uint32_t lanes = systole_vector_lanes(w);
  const uint32_t lanes_last = systole_vector_lanes_last(w);
  if (lanes < 1 || lanes > SYSTOLE_VECTOR_LANES || lanes_last < 1 ||
      lanes_last > SYSTOLE_VECTOR_LANES)
    return bad_operand(v, 5);
  const uint32_t counts[] = {systole_vector_count0(w), systole_vector_count1(w),
                             systole_vector_count2(w), systole_vector_count3(w)};
  if (counts[0] == 0 || counts[1] == 0) return bad_operand(v, 10);
  if (counts[2] == 0 || counts[3] == 0) return bad_operand(v, 11);
  const uint32_t window0 = systole_vector_wcount0(w), window1 = systole_vector_wcount1(w);
  if (window0 == 0 || window1 == 0) return bad_operand(v, 24);
  if (systole_vector_reduce(w) == SYSTOLE_VREDUCE_NONE && (window0 != 1 || window1 != 1))
    return bad_operand(v, 24);
  if (counts[systole_vector_tail_dim(w)] == 1 || lanes < lanes_last) lanes = lanes_last;
  if (!check_tensor(v, systole_vector_a_type(w), 7, 12, lanes, true)) return false;
  if (systole_vector_b_type(w) != SYSTOLE_VTYPE_NONE &&
      !check_tensor(v, systole_vector_b_type(w), 8, 16, lanes, false))
    return false;
  if (!check_tensor(v, systole_vector_d_type(w), 9, 20, lanes, false)) return false;
  const uint32_t is_vector[] = {systole_vector_s_vector(w), systole_vector_t_vector(w),
                                systole_vector_c_vector(w)};
  for (uint32_t i = 0; i < 3; i++) {
    const uint32_t address = w[27 + i];
    if (is_vector[i] &&
        (address % 16 || (uint64_t)address + 64 * counts[3] > SYSTOLE_SCRATCHPAD_BYTES))
      return bad_operand(v, 27 + i);
  }
  return true;
}

// ------------------------------------------------------------------------------- all commands

// Adds the words that the three selectors name to v->selected.
static bool check_selectors(struct view* v, uint32_t param_words) {
  const uint32_t* w = v->w;
  if (!systole_header_sel0_en(w) && !systole_header_sel1_en(w) && !systole_header_sel2_en(w))
    return true;
  const uint32_t enabled[] = {systole_header_sel0_en(w), systole_header_sel1_en(w),
                              systole_header_sel2_en(w)};
  const uint32_t words[] = {systole_header_sel0_word(w), systole_header_sel1_word(w),
                            systole_header_sel2_word(w)};
  for (uint32_t i = 0; i < 3; i++) {
    if (!enabled[i]) continue;
    if (!(param_words >> words[i] & 1)) return refuse(v, SYSTOLE_FAULT_RESERVED, words[i]);
    v->selected |= 1u << words[i];
  }
  return true;
}

static bool check_remote_post(const struct view* v) {
  const uint32_t x = systole_header_remote_x(v->w), y = systole_header_remote_y(v->w);
  if (!systole_header_remote_en(v->w)) return true;
  if (x != 0 && x < v->place->cols && y < v->place->rows) return true;
  return refuse(v, SYSTOLE_FAULT_WINDOW, tile_address(x, y));
}

// Looks for the first wrong word only when there is one.
static bool check_reserved(const struct view* v, const struct systole_command_check* check) {
  if (!systole_reserved_bits(check->opcode, v->w)) return true;
  uint32_t first = 0;
  while (!(v->w[first] & check->reserved[first])) first++;
  return refuse(v, SYSTOLE_FAULT_RESERVED, first);
}

bool program_check_command(const uint32_t* words, uint32_t unit, uint32_t pc,
                           const struct program_place* place, struct program_fault* why) {
  struct view view = {words, 0, place, why};
  const uint32_t opcode = systole_header_opcode(words);
  const struct systole_command_check* check = systole_find_check(opcode);
  why->unit = (uint8_t)unit;
  why->pc = (uint16_t)pc;
  if (!check || !(check->units >> unit & 1)) return refuse(&view, SYSTOLE_FAULT_OPCODE, words[0]);
  if (!check_reserved(&view, check)) return false;
  if (!check_selectors(&view, check->param_words) || !check_remote_post(&view)) return false;
  switch (opcode) {
    case SYSTOLE_OPCODE_LOOP:
      // A loop closes a body that lies before it.
      return systole_loop_target(words) <= pc || bad_operand(&view, 4);
    case SYSTOLE_OPCODE_LOAD:
    case SYSTOLE_OPCODE_FILL:
    case SYSTOLE_OPCODE_STORE:
      return check_block(&view);
    case SYSTOLE_OPCODE_MATMUL:
      return check_matmul(&view);
    case SYSTOLE_OPCODE_VECTOR:
      return check_vector(&view);
    default:
      return true;
  }
}

bool program_scan_command(struct program_scan* scan, uint32_t address, const uint32_t* words,
                          const struct program_place* place, struct program_fault* why) {
  for (uint32_t unit = 0; unit < SYSTOLE_NUM_UNITS; unit++) {
    const uint8_t bit = (uint8_t)(1u << unit);
    if (scan->program[unit] == address) scan->started |= bit;
    if (!(scan->started & bit) || scan->ended & bit) continue;
    if (!program_check_command(words, unit, scan->pc[unit], place, why)) return false;
    if (systole_header_opcode(words) == SYSTOLE_OPCODE_END) scan->ended |= bit;
    scan->pc[unit]++;
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
