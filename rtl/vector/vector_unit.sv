// The vector unit: runs Vector commands, one pass after the other.
//
// Fetches groups of up to 16 elements of a and b (scratchpad, or a row of accumulators for a), feeds the
// lanes, writes what leaves them. 8-bit and accumulator operands: a group a cycle; 32-bit ones of more than 8
// lanes: two cycles a group, on the port that they use (two reads, one write).
// s, t and c vectors are fetched at the start of a pass and at each step of its outermost dimension, when the
// lanes are empty.
//
// Contract: passes do not overlap; done_o comes in the cycle in which the last write is in the memory.
// Addresses are checked as they are made: an access outside the scratchpad or the accumulators is
// Fault.Operand with the word of its base as info, and ends the pass; so are operands that make no sense,
// before any access.
// Timing: 6 to 13 cycles from a group's fetch to its write; about 16 from one pass's start to its done.

`include "assert.svh"

module vector_unit
  import systole_spec_pkg::*;
  import systole_pkg::*;
  import fp32_pkg::*;
  import vector_pkg::*;
(
    input logic clk_i,
    input logic rst_ni,

    // sequencer
    input  logic        cmd_valid_i,
    output logic        cmd_ready_o,
    input  command_t    cmd_i,
    output logic        done_o,
    output logic        fault_valid_o,
    output unit_fault_t fault_o,
    output unit_state_e state_o,
    input  logic        abort_i,
    output logic        busy_o,

    // scratchpad: a and held operands, b, d
    output logic               va_req_o,
    output spad_read_t         va_o,
    input  logic               va_gnt_i,
    input  logic       [255:0] va_rdata_i,
    output logic               vb_req_o,
    output spad_read_t         vb_o,
    input  logic               vb_gnt_i,
    input  logic       [255:0] vb_rdata_i,
    output logic               vd_req_o,
    output spad_write_t        vd_o,
    input  logic               vd_gnt_i,

    // accumulators
    output logic                   vacc_req_o,
    output acc_row_t               vacc_row_o,
    input  logic                   vacc_gnt_i,
    input  logic signed [31:0]     vacc_data_i[ArrayCols]
);

  localparam int unsigned OutDepth = 16;

  typedef logic [31:0] lanes_t[Lanes];

  typedef enum logic [2:0] {
    StIdle,
    StCheck,
    StHold,   // fetch s, t, c
    StRun,
    StDrain,  // all fetched
    StFault
  } state_e;

  // What a port's data belong to, a cycle after the grant.
  typedef enum logic [2:0] {
    ToNone,
    ToLow,   // words 0 to 7
    ToHigh,  // words 8 to 15
    ToAcc
  } target_e;

  state_e state_d, state_q;
  cmd_vector_t cmd_q;
  unit_fault_t fault_d, fault_q;

  // -------------------------------------------------------------------------------- the groups
  logic agen_load, agen_advance, group_valid, group_first, group_last, block_end;
  logic [31:0] a_addr, b_addr, d_addr;
  logic [ 4:0] lanes;
  logic [11:0] block;

  vector_agen u_agen (
    .clk_i,
    .rst_ni,
    .load_i     (agen_load),
    .clear_i    (state_q == StFault || abort_i),
    .cmd_i      (cmd_q),
    .advance_i  (agen_advance),
    .valid_o    (group_valid),
    .a_o        (a_addr),
    .b_o        (b_addr),
    .d_o        (d_addr),
    .lanes_o    (lanes),
    .first_o    (group_first),
    .last_o     (group_last),
    .block_end_o(block_end),
    .block_o    (block)
  );

  // ----------------------------------------------------------------- checks: command, addresses
  function automatic logic outside(logic [31:0] addr, vtype_e vtype, logic [4:0] n);
    logic [18:0] behind;
    if (vtype == VtypeAcc) return addr[31:9] != '0;
    behind = {1'b0, addr[17:0]} + (is_byte(vtype) ? 19'(n) : {12'b0, n, 2'b0});
    return addr[31:18] != '0 || behind > 19'(ScratchpadBytes) || (!is_byte(vtype) && addr[1:0] != '0);
  endfunction

  function automatic logic bad_vector(logic vector, logic [31:0] addr, logic [15:0] count);
    return vector && (addr[3:0] != '0 || {1'b0, addr} + {11'b0, count, 6'b0} > 33'(ScratchpadBytes));
  endfunction

  logic [7:0] bad_word;  // of the command; 0: none
  always_comb begin
    bad_word = '0;
    if (bad_vector(cmd_q.c_vector, cmd_q.c, cmd_q.count3)) bad_word = 8'd29;
    if (bad_vector(cmd_q.t_vector, cmd_q.t, cmd_q.count3)) bad_word = 8'd28;
    if (bad_vector(cmd_q.s_vector, cmd_q.s, cmd_q.count3)) bad_word = 8'd27;
    if (cmd_q.wcount0 == '0 || cmd_q.wcount1 == '0 ||
        (cmd_q.reduce == VreduceNone && (cmd_q.wcount0 != 16'd1 || cmd_q.wcount1 != 16'd1))) begin
      bad_word = 8'd24;
    end
    if (cmd_q.count2 == '0 || cmd_q.count3 == '0) bad_word = 8'd11;
    if (cmd_q.count0 == '0 || cmd_q.count1 == '0) bad_word = 8'd10;
    if (cmd_q.lanes == '0 || cmd_q.lanes > 5'd16 || cmd_q.lanes_last == '0 ||
        cmd_q.lanes_last > 5'd16) begin
      bad_word = 8'd5;
    end
    if (cmd_q.a_type == VtypeNone || cmd_q.a_type > VtypeAcc || cmd_q.b_type > VtypeF32 ||
        cmd_q.d_type == VtypeNone || cmd_q.d_type > VtypeF32 || cmd_q.op > VopMin ||
        cmd_q.act > VactClip || cmd_q.reduce > VreduceMax ||
        (cmd_q.act == VactClip && cmd_q.op != VopMul) ||
        ((cmd_q.op == VopMax || cmd_q.op == VopMin) && cmd_q.b_type == VtypeNone) ||
        ((cmd_q.op == VopMul || cmd_q.op == VopDiv) && cmd_q.b_type != VtypeNone)) begin
      bad_word = 8'd4;
    end
  end

  logic [7:0] bad_address;  // word of the base whose address left the memory; 0: none
  always_comb begin
    bad_address = '0;
    if (outside(d_addr, cmd_q.d_type, lanes)) bad_address = 8'd9;
    if (cmd_q.b_type != VtypeNone && outside(b_addr, cmd_q.b_type, lanes)) bad_address = 8'd8;
    if (outside(a_addr, cmd_q.a_type, lanes)) bad_address = 8'd7;
  end

  // --------------------------------------------------------------------------------- the fetch
  // Room for results: a group that ends a window takes a place, a write gives it back.
  logic [4:0] room_q;
  logic take_room, give_room, can_issue;
  logic a_wide, b_wide, a_acc, uses_b;
  logic [1:0] a_got_q, b_got_q;  // halves of the offered group that have been granted
  logic a_ready, b_ready;        // the whole operand is granted by the end of this cycle
  target_e a_to_d, a_to_q, b_to_d, b_to_q;

  assign a_acc = cmd_q.a_type == VtypeAcc;
  assign a_wide = !is_byte(cmd_q.a_type) && !a_acc && lanes > 5'd8;
  assign b_wide = !is_byte(cmd_q.b_type) && lanes > 5'd8;
  assign uses_b = cmd_q.b_type != VtypeNone;
  assign can_issue = state_q == StRun && group_valid && bad_address == '0 && room_q != '0 && !abort_i;

  function automatic spad_read_t window(spad_addr_t addr, vtype_e vtype, logic [4:0] n, logic high);
    spad_read_t w;
    w.addr = addr + (high ? 18'd32 : 18'd0);
    if (is_byte(vtype)) w.len = 6'(n);
    else if (high) w.len = {n - 5'd8, 2'b0} [5:0];
    else w.len = n > 5'd8 ? 6'd32 : 6'({n, 2'b0});
    return w;
  endfunction

  // s, t and c: two halves each, in order, those that are vectors.
  logic [2:0] is_vector, held_done_q;
  logic [1:0] held;  // the one that is fetched: 0 s, 1 t, 2 c
  logic held_high_q, hold_req, hold_all;
  spad_addr_t held_base;
  assign is_vector = {cmd_q.c_vector, cmd_q.t_vector, cmd_q.s_vector};
  assign hold_all = (held_done_q | ~is_vector) == '1;
  assign held = !held_done_q[0] && is_vector[0] ? 2'd0 : !held_done_q[1] && is_vector[1] ? 2'd1 : 2'd2;
  assign held_base = 18'(held == 2'd0 ? cmd_q.s : held == 2'd1 ? cmd_q.t : cmd_q.c);
  assign hold_req = state_q == StHold && !hold_all && !lanes_busy && !abort_i;

  always_comb begin
    va_req_o = hold_req || (can_issue && !a_acc && !(a_got_q[0] && (a_got_q[1] || !a_wide)));
    va_o = window(a_addr[17:0], cmd_q.a_type, lanes, a_got_q[0]);
    if (state_q == StHold) begin
      va_o.addr = held_base + {block[11:0], 6'b0} + (held_high_q ? 18'd32 : 18'd0);
      va_o.len  = 6'd32;
    end
    vacc_req_o = can_issue && a_acc && !a_got_q[0];
    vacc_row_o = a_addr[8:0];
    vb_req_o = can_issue && uses_b && !(b_got_q[0] && (b_got_q[1] || !b_wide));
    vb_o = window(b_addr[17:0], cmd_q.b_type, lanes, b_got_q[0]);
  end

  logic a_gnt, b_gnt;
  assign a_gnt = (va_req_o && va_gnt_i && state_q == StRun) || (vacc_req_o && vacc_gnt_i);
  assign b_gnt = vb_req_o && vb_gnt_i;
  assign a_ready = (a_gnt && (!a_wide || a_got_q[0])) || (a_got_q[0] && (!a_wide || a_got_q[1]));
  assign b_ready = !uses_b || (b_gnt && (!b_wide || b_got_q[0])) ||
      (b_got_q[0] && (!b_wide || b_got_q[1]));
  assign agen_advance = can_issue && a_ready && b_ready;
  assign take_room = agen_advance && group_last;

  always_comb begin
    a_to_d = ToNone;
    b_to_d = ToNone;
    if (a_gnt) a_to_d = a_acc ? ToAcc : a_got_q[0] ? ToHigh : ToLow;
    if (b_gnt) b_to_d = b_got_q[0] ? ToHigh : ToLow;
  end

  // ------------------------------------------------------------- what the ports return: stage 0
  lanes_t a_raw_q, b_raw_q, s_q, t_q, c_q;
  logic ready_q, raw_valid_q;
  group_t ready_group_q, raw_group_q;
  logic [1:0] held_q;      // what came back in this cycle belongs to
  logic hold_gnt_q, held_high_back_q;

  always_ff @(posedge clk_i) begin
    unique case (a_to_q)
      ToLow:   for (int i = 0; i < 8; i++) a_raw_q[i] <= va_rdata_i[32*i+:32];
      ToHigh:  for (int i = 0; i < 8; i++) a_raw_q[8+i] <= va_rdata_i[32*i+:32];
      ToAcc:   for (int i = 0; i < Lanes; i++) a_raw_q[i] <= vacc_data_i[i];
      default: ;
    endcase
    unique case (b_to_q)
      ToLow:   for (int i = 0; i < 8; i++) b_raw_q[i] <= vb_rdata_i[32*i+:32];
      ToHigh:  for (int i = 0; i < 8; i++) b_raw_q[8+i] <= vb_rdata_i[32*i+:32];
      default: ;
    endcase
    if (ready_q) raw_group_q <= ready_group_q;
    if (agen_advance) ready_group_q <= '{'{d_addr[17:0], lanes}, group_first, group_last};
  end

  // Scalars are set at the start of a pass, vectors as they come.
  always_ff @(posedge clk_i) begin
    if (state_q == StCheck) begin
      for (int i = 0; i < Lanes; i++) begin
        s_q[i] <= cmd_q.s;
        t_q[i] <= cmd_q.t;
        c_q[i] <= cmd_q.c;
      end
    end else if (hold_gnt_q) begin
      for (int i = 0; i < 8; i++) begin
        unique case ({held_q, held_high_back_q})
          3'b000:  s_q[i] <= va_rdata_i[32*i+:32];
          3'b001:  s_q[8+i] <= va_rdata_i[32*i+:32];
          3'b010:  t_q[i] <= va_rdata_i[32*i+:32];
          3'b011:  t_q[8+i] <= va_rdata_i[32*i+:32];
          3'b100:  c_q[i] <= va_rdata_i[32*i+:32];
          default: c_q[8+i] <= va_rdata_i[32*i+:32];
        endcase
      end
    end
  end

  // --------------------------------------------------------------------------------- the lanes
  logic out_valid, lanes_active, lanes_busy;
  result_place_t out_place;
  lanes_t out_data;

  vector_lanes u_lanes (
    .clk_i,
    .rst_ni,
    .cmd_i  (cmd_q),
    .s_i    (s_q),
    .t_i    (t_q),
    .c_i    (c_q),
    .valid_i(raw_valid_q),
    .group_i(raw_group_q),
    .a_i    (a_raw_q),
    .b_i    (b_raw_q),
    .valid_o(out_valid),
    .place_o(out_place),
    .d_o    (out_data),
    .busy_o (lanes_active)
  );
  assign lanes_busy = lanes_active || raw_valid_q || ready_q;

  // -------------------------------------------------------------------------------- the writes
  typedef struct packed {
    spad_addr_t addr;
    logic [4:0] lanes;
    logic [511:0] data;
  } result_t;
  result_t result_in, result;
  logic result_valid, result_pop, high_half_q, two_halves;
  logic [4:0] unused_count;
  logic unused_ready;

  always_comb begin
    result_in = '0;
    if (out_valid) begin
      result_in.addr  = out_place.addr;
      result_in.lanes = out_place.lanes;
      for (int i = 0; i < Lanes; i++) result_in.data[32*i+:32] = out_data[i];
    end
  end

  fifo #(
    .T    (result_t),
    .Depth(OutDepth)
  ) u_results (
    .clk_i,
    .rst_ni,
    .valid_i(out_valid),
    .ready_o(unused_ready),
    .data_i (result_in),
    .valid_o(result_valid),
    .ready_i(result_pop),
    .data_o (result),
    .count_o(unused_count)
  );

  assign two_halves = !is_byte(cmd_q.d_type) && result.lanes > 5'd8;
  assign vd_req_o = result_valid;
  spad_read_t vd_window;
  assign vd_window = window(result.addr, cmd_q.d_type, result.lanes, high_half_q);
  always_comb begin
    vd_o = '0;
    if (result_valid) begin
      vd_o.addr = vd_window.addr;
      vd_o.len  = vd_window.len;
      vd_o.data = high_half_q ? result.data[511:256] : result.data[255:0];
    end
  end
  assign result_pop = vd_req_o && vd_gnt_i && (!two_halves || high_half_q);
  assign give_room = result_pop;

  // ----------------------------------------------------------------------------------- control
  logic empty, finished, done_q;
  assign empty = room_q == 5'(OutDepth) && !lanes_busy;

  always_comb begin
    state_d  = state_q;
    fault_d  = fault_q;
    finished = 1'b0;
    unique case (state_q)
      StIdle:  if (cmd_valid_i) state_d = StCheck;
      StCheck: begin
        state_d = is_vector == '0 ? StRun : StHold;
        if (bad_word != '0) begin
          state_d = StFault;
          fault_d = '{code: FaultOperand, info: AddrBits'(bad_word)};
        end
      end
      StHold:  if (hold_all && !hold_gnt_q) state_d = StRun;
      StRun: begin
        if (group_valid && bad_address != '0) begin
          state_d = StFault;
          fault_d = '{code: FaultOperand, info: AddrBits'(bad_address)};
        end else if (agen_advance && block_end && is_vector != '0) begin
          state_d = StHold;
        end else if (!group_valid) begin
          state_d = StDrain;
        end
      end
      StDrain: begin
        if (empty) begin
          state_d  = StIdle;
          finished = 1'b1;
        end
      end
      default: ;
    endcase
    // The last block has no next one to hold operands for.
    if (state_q == StHold && !group_valid) state_d = StDrain;
    if (abort_i && (state_q == StCheck || state_q == StHold || state_q == StRun)) state_d = StDrain;
  end

  assign cmd_ready_o = state_q == StIdle && !abort_i;
  assign agen_load = state_q == StCheck && bad_word == '0;

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) begin
      state_q <= StIdle;
      fault_q <= '{code: FaultNone, info: '0};
      room_q <= 5'(OutDepth);
      a_got_q <= '0;
      b_got_q <= '0;
      a_to_q <= ToNone;
      b_to_q <= ToNone;
      ready_q <= 1'b0;
      raw_valid_q <= 1'b0;
      held_done_q <= '0;
      held_high_q <= 1'b0;
      hold_gnt_q <= 1'b0;
      held_q <= '0;
      held_high_back_q <= 1'b0;
      high_half_q <= 1'b0;
      done_q <= 1'b0;
    end else begin
      state_q <= state_d;
      fault_q <= fault_d;
      done_q <= finished && !abort_i;
      room_q <= room_q - 5'(take_room) + 5'(give_room);
      a_to_q <= a_to_d;
      b_to_q <= b_to_d;
      ready_q <= agen_advance;
      raw_valid_q <= ready_q;
      if (agen_advance || state_q != StRun) begin
        a_got_q <= '0;
        b_got_q <= '0;
      end else begin
        if (a_gnt) a_got_q <= {a_got_q[0], 1'b1};
        if (b_gnt) b_got_q <= {b_got_q[0], 1'b1};
      end
      hold_gnt_q <= hold_req && va_gnt_i;
      held_q <= held;
      held_high_back_q <= held_high_q;
      if (state_q != StHold) begin
        held_done_q <= '0;
        held_high_q <= 1'b0;
      end else if (hold_req && va_gnt_i) begin
        held_high_q <= !held_high_q;
        if (held_high_q) held_done_q[held] <= 1'b1;
      end
      if (vd_req_o && vd_gnt_i) high_half_q <= two_halves && !high_half_q;
    end
  end

  always_ff @(posedge clk_i) begin
    if (cmd_ready_o && cmd_valid_i) cmd_q <= cmd_vector_t'(cmd_i);
  end

  assign done_o = done_q;
  assign fault_valid_o = state_q == StFault;
  assign fault_o = fault_q;
  assign busy_o = (state_q != StIdle && state_q != StFault) || !empty || done_q;

  logic refused, moved;
  assign refused = (va_req_o && !va_gnt_i) || (vb_req_o && !vb_gnt_i) || (vd_req_o && !vd_gnt_i) ||
      (vacc_req_o && !vacc_gnt_i);
  assign moved = agen_advance || (hold_req && va_gnt_i) || (vd_req_o && vd_gnt_i);
  always_comb begin
    state_o = UnitStateBusy;
    if (state_q == StIdle && !done_q) state_o = UnitStateIdle;
    else if (refused && !moved) state_o = UnitStateScratchpad;
  end

  `ASSERT(RoomInRange_A, room_q <= 5'(OutDepth))
  `ASSERT(ResultsHaveRoom_A, !out_valid || unused_ready)
  `ASSERT(HeldSteadyInUse_A, !(hold_gnt_q && lanes_busy))

endmodule
