// The vector unit: runs Vector commands, one pass after the other.
//
// Fetches groups of up to 16 elements of a and b (scratchpad, or a row of accumulators for a), feeds the
// lanes, writes what leaves them. 8-bit and accumulator operands: a group a cycle; 32-bit ones of more
// than 8 lanes: two cycles a group on the port that they use (two reads, one write).
//
// Contract
//   - Passes do not overlap; `done_o` comes in the cycle in which the last write is in the memory.
//   - A command that makes no sense, or whose operands leave the scratchpad or the accumulators, writes
//     nothing and raises Fault.Operand (`fault_valid_o`, one cycle) with the command word as info.
//   - After a fault, and on `abort_i`, the unit drops what it has not asked for, keeps each request on
//     offer until it is granted, lowers `busy_o`, and takes a new command when abort_i is low. An abort
//     ends in neither done nor fault.
//   - Groups are read ahead of the writes of those before: a pass in place must write each group where
//     it read that group.
// Latency: rtl/vector/README.md.

`include "assert.svh"

module vector_unit
  import systole_spec_pkg::*;
  import systole_pkg::*;
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
    output logic                va_req_o,
    output spad_read_t          va_o,
    input  logic                va_gnt_i,
    input  logic        [255:0] va_rdata_i,
    output logic                vb_req_o,
    output spad_read_t          vb_o,
    input  logic                vb_gnt_i,
    input  logic        [255:0] vb_rdata_i,
    output logic                vd_req_o,
    output spad_write_t         vd_o,
    input  logic                vd_gnt_i,

    // accumulators
    output logic                   vacc_req_o,
    output acc_row_t               vacc_row_o,
    input  logic                   vacc_gnt_i,
    input  logic signed     [31:0] vacc_data_i[ArrayCols]
);

  localparam int unsigned Depth = 16;  // results under way: more than the longest latency

  typedef enum logic [1:0] {
    StIdle,
    StCheck,
    StRun,   // fetch groups
    StDrain  // nothing more to fetch
  } state_e;

  state_e state_d, state_q;
  cmd_vector_t cmd_q;
  logic start;
  logic quit, quit_q;  // the pass is given up

  always_ff @(posedge clk_i) begin
    if (cmd_ready_o && cmd_valid_i) cmd_q <= cmd_vector_t'(cmd_i);
  end

  // --------------------------------------------------------------------------------- the check
  logic checked, out_of_range;
  logic [4:0] sense_word, bad_word;

  vector_check u_check (
    .clk_i,
    .rst_ni,
    .cmd_i       (cmd_q),
    .start_i     (state_q == StCheck),
    .sense_word_o(sense_word),
    .checked_o   (checked),
    .bad_word_o  (bad_word)
  );
  assign start = state_q == StCheck && sense_word == '0 && !quit;
  assign out_of_range = checked && bad_word != '0;

  // Of the pass, set at its start.
  logic a_acc_q, a_word_q, b_word_q, d_word_q, uses_b_q;
  always_ff @(posedge clk_i) begin
    if (start) begin
      a_acc_q <= cmd_q.a_type == VtypeAcc;
      a_word_q <= cmd_q.a_type != VtypeAcc && !is_byte(cmd_q.a_type);
      b_word_q <= !is_byte(cmd_q.b_type);
      d_word_q <= !is_byte(cmd_q.d_type);
      uses_b_q <= cmd_q.b_type != VtypeNone;
    end
  end

  // ------------------------------------------------------------------- groups and held operands
  logic advance, group_valid, group_first, group_last, block_end, pass_end;
  spad_addr_t a_addr, b_addr, d_addr;
  logic [4:0] lanes;

  vector_agen u_agen (
    .clk_i,
    .rst_ni,
    .load_i     (start),
    .clear_i    (quit),
    .cmd_i      (cmd_q),
    .advance_i  (advance),
    .valid_o    (group_valid),
    .a_o        (a_addr),
    .b_o        (b_addr),
    .d_o        (d_addr),
    .lanes_o    (lanes),
    .first_o    (group_first),
    .last_o     (group_last),
    .block_end_o(block_end),
    .end_o      (pass_end)
  );

  logic held_ready, held_set, held_req, held_gnt, half_valid;
  logic [1:0] set_busy;
  spad_read_t held_window;
  held_half_t half;

  vector_held u_held (
    .clk_i,
    .rst_ni,
    .cmd_i       (cmd_q),
    .start_i     (start),
    .stop_i      (quit),
    .block_end_i (advance && block_end),
    .ready_o     (held_ready),
    .use_set_o   (held_set),
    .req_o       (held_req),
    .window_o    (held_window),
    .gnt_i       (held_gnt),
    .set_busy_i  (set_busy),
    .half_valid_o(half_valid),
    .half_o      (half)
  );

  // --------------------------------------------------------------------------------- the fetch
  // The operands of the offered group are asked for on their ports until both are granted, a 32-bit
  // one of more than 8 lanes in two halves. A refused request stays: held operands, which go first
  // on the port of a, wait for it.
  logic has_room, may_fetch;
  logic a_high_q, b_high_q;  // the first half is granted
  logic a_got_q, b_got_q;  // all is granted
  logic a_wait_q, b_wait_q, acc_wait_q;  // a request was refused
  logic a_turn, a_gnt, b_gnt, acc_gnt, a_whole, b_whole;
  target_e a_to_q, b_to_q;

  assign may_fetch = group_valid && !quit && has_room && held_ready;
  assign a_turn = a_wait_q || !held_req;
  assign a_gnt = va_req_o && va_gnt_i && a_turn;
  assign b_gnt = vb_req_o && vb_gnt_i;
  assign acc_gnt = vacc_req_o && vacc_gnt_i;
  assign held_gnt = va_gnt_i && !a_turn;

  always_comb begin
    va_req_o = held_req;
    vb_req_o = 1'b0;
    vacc_req_o = 1'b0;
    va_o = held_window;
    vb_o = '0;
    vacc_row_o = '0;
    a_whole = 1'b0;
    b_whole = 1'b0;
    if (may_fetch || a_wait_q || b_wait_q || acc_wait_q) begin
      if (a_wait_q || (may_fetch && a_turn && !a_acc_q && !a_got_q)) begin
        va_req_o = 1'b1;
        va_o = window(a_addr, lanes, a_word_q, a_high_q);
      end
      if (b_wait_q || (may_fetch && uses_b_q && !b_got_q)) begin
        vb_req_o = 1'b1;
        vb_o = window(b_addr, lanes, b_word_q, b_high_q);
      end
      if (acc_wait_q || (may_fetch && a_acc_q && !a_got_q)) begin
        vacc_req_o = 1'b1;
        vacc_row_o = a_addr[8:0];
      end
      a_whole = a_got_q || acc_gnt || (a_gnt && (a_high_q || !a_word_q || lanes <= 5'd8));
      b_whole = b_got_q || !uses_b_q || (b_gnt && (b_high_q || !b_word_q || lanes <= 5'd8));
    end
  end

  assign advance = may_fetch && a_whole && b_whole;

  logic ready_q;  // the last operand of a group comes in
  group_t ready_group_q;

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      ready_q <= 1'b0;
      a_to_q <= ToNone;
      b_to_q <= ToNone;
      a_high_q <= 1'b0;
      b_high_q <= 1'b0;
      a_got_q <= 1'b0;
      b_got_q <= 1'b0;
      a_wait_q <= 1'b0;
      b_wait_q <= 1'b0;
      acc_wait_q <= 1'b0;
    end else begin
      ready_q <= advance;
      a_to_q <= acc_gnt ? ToAcc : !a_gnt ? ToNone : a_high_q ? ToHigh : ToLow;
      b_to_q <= !b_gnt ? ToNone : b_high_q ? ToHigh : ToLow;
      a_wait_q <= va_req_o && a_turn && !va_gnt_i;
      b_wait_q <= vb_req_o && !vb_gnt_i;
      acc_wait_q <= vacc_req_o && !vacc_gnt_i;
      if (advance || start) begin
        a_high_q <= 1'b0;
        b_high_q <= 1'b0;
        a_got_q <= 1'b0;
        b_got_q <= 1'b0;
      end else if (may_fetch) begin
        a_high_q <= a_high_q || a_gnt;
        b_high_q <= b_high_q || b_gnt;
        a_got_q <= a_whole;
        b_got_q <= b_whole;
      end
    end
  end

  always_ff @(posedge clk_i) begin
    if (advance) ready_group_q <= '{first: group_first, last: group_last, odd_set: held_set};
  end

  // ---------------------------------------------------------------------- the lanes, the writes
  logic out_valid, lanes_busy, results_empty, dropping;
  logic [$clog2(Depth)-1:0] result_write, result_read;
  logic result_read_valid, result_high;
  logic [255:0] result_half;

  vector_lanes #(
    .Results(Depth)
  ) u_lanes (
    .clk_i,
    .rst_ni,
    .cmd_i       (cmd_q),
    .scalars_i   (start),
    .a_to_i      (a_to_q),
    .b_to_i      (b_to_q),
    .held_valid_i(half_valid),
    .held_i      (half),
    .va_rdata_i,
    .vb_rdata_i,
    .vacc_data_i,
    .valid_i     (ready_q),
    .group_i     (ready_group_q),
    .valid_o     (out_valid),
    .result_i    (result_write),
    .read_valid_i(result_read_valid),
    .read_i      (result_read),
    .read_high_i (result_high),
    .read_o      (result_half),
    .busy_o      (lanes_busy),
    .set_busy_o  (set_busy)
  );

  vector_results #(
    .Depth(Depth)
  ) u_results (
    .clk_i,
    .rst_ni,
    .word_i       (d_word_q),
    .hold_i       (quit || !checked),
    .drop_i       (dropping),
    .has_room_o   (has_room),
    .empty_o      (results_empty),
    .place_valid_i(advance && group_last),
    .place_i      ('{addr: d_addr, lanes: lanes}),
    .valid_i      (out_valid),
    .write_o      (result_write),
    .read_valid_o (result_read_valid),
    .read_o       (result_read),
    .read_high_o  (result_high),
    .read_i       (result_half),
    .vd_req_o,
    .vd_o,
    .vd_gnt_i
  );

  // ----------------------------------------------------------------------------------- control
  logic in_pass, fails, raise, refused, moved;
  logic [4:0] fault_word_q;
  logic fault_valid_q;

  assign in_pass = state_q == StRun || state_q == StDrain;
  assign fails = in_pass && out_of_range && !quit_q;
  assign quit = quit_q || abort_i || fails;
  assign refused = (va_req_o && !va_gnt_i) || (vb_req_o && !vb_gnt_i) ||
      (vacc_req_o && !vacc_gnt_i) || (vd_req_o && !vd_gnt_i);
  assign moved = advance || (va_req_o && va_gnt_i) || b_gnt || acc_gnt || (vd_req_o && vd_gnt_i);
  assign raise = !abort_i && (fails || (state_q == StCheck && sense_word != '0));

  always_comb begin
    state_d = state_q;
    dropping = 1'b0;
    done_o = 1'b0;
    unique case (state_q)
      StIdle: if (cmd_valid_i && cmd_ready_o) state_d = StCheck;
      StCheck: state_d = start ? StRun : StIdle;
      StRun: if (quit ? !refused : advance && pass_end) state_d = StDrain;
      default: begin
        if (!lanes_busy) begin
          dropping = quit;
          if (results_empty) begin
            state_d = StIdle;
            done_o  = !quit;
          end
        end
      end
    endcase
  end

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      state_q <= StIdle;
      quit_q <= 1'b0;
      fault_valid_q <= 1'b0;
      fault_word_q <= '0;
    end else begin
      state_q <= state_d;
      quit_q <= quit && in_pass;
      fault_valid_q <= raise;
      if (raise) fault_word_q <= fails ? bad_word : sense_word;
    end
  end

  assign cmd_ready_o = state_q == StIdle && !fault_valid_q && !abort_i;
  assign fault_valid_o = fault_valid_q && !abort_i;
  assign fault_o = '{code: FaultOperand, info: AddrBits'(fault_word_q)};
  assign busy_o = state_q != StIdle || fault_valid_q;

  always_comb begin
    unique case (state_q)
      StIdle: state_o = fault_valid_q ? UnitStateDrain : UnitStateNoWork;
      StCheck: state_o = UnitStateFetch;
      StRun: state_o = moved ? UnitStateBusy : refused ? UnitStateScratchpad : UnitStateOperand;
      default: state_o = moved ? UnitStateBusy : refused ? UnitStateScratchpad : UnitStateDrain;
    endcase
  end

  `ASSERT(StateOfWork_A, (state_o == UnitStateNoWork) == !busy_o)
  `ASSERT(QuietAtRest_A, in_pass || !(lanes_busy || refused || group_valid))
  `ASSERT(EmptyAtRest_A, in_pass || results_empty)
  `ASSERT_HELD(ReadHeldA_A, va_req_o, va_gnt_i, va_o)
  `ASSERT_HELD(ReadHeldB_A, vb_req_o, vb_gnt_i, vb_o)
  `ASSERT_WHEN(CheckedBeforeWrite_A, vd_req_o, (checked && bad_word == '0))

endmodule
