// Fetches the held operands (s, t, c) of a pass that are vectors, a block (step of the outermost
// dimension) ahead, through the port of a.
//
// The lanes keep two sets of them: groups of block k use set k mod 2 (`use_set_o`, of the block of the
// group to be issued), while the other is filled for the block behind it, as soon as no group of the
// block before it is in the lanes (`set_busy_i`).
//
// Contract: from the cycle after `start_i` on, groups may be issued while `ready_o`. `block_end_i`: the
// last group of a block is issued. A request is held until granted; its data are half `half_o` of an
// operand, in the cycle after the grant (`half_valid_o`). `stop_i` ends the fetch, but for a request on
// offer.

`include "assert.svh"

module vector_held
  import systole_spec_pkg::*;
  import systole_pkg::*;
  import vector_pkg::*;
(
    input logic clk_i,
    input logic rst_ni,

    // pass
    input  cmd_vector_t cmd_i,
    input  logic        start_i,
    input  logic        stop_i,
    input  logic        block_end_i,
    output logic        ready_o,
    output logic        use_set_o,

    // scratchpad
    output logic       req_o,
    output spad_read_t window_o,
    input  logic       gnt_i,

    // lanes
    input  logic       [1:0] set_busy_i,
    output logic             half_valid_o,
    output held_half_t       half_o
);

  logic active_q;  // there are blocks to be fetched
  logic [5:0] halves_q;  // {c, t, s}, two halves each, those of vectors
  logic [5:0] left_q;  // halves of this block to be asked for
  logic [15:0] blocks_q;  // blocks behind this one
  spad_addr_t offset_q;  // of this block's operands
  logic fill_set_q, use_set_q;
  logic [1:0] full_q;
  logic waiting_q;  // a request was refused

  logic [5:0] halves, left;
  logic [2:0] next;
  spad_addr_t base;
  logic granted, block_done;

  assign halves = {{2{cmd_i.c_vector}}, {2{cmd_i.t_vector}}, {2{cmd_i.s_vector}}};
  assign req_o = waiting_q ||
      (active_q && !stop_i && !full_q[fill_set_q] && !set_busy_i[fill_set_q]);
  assign granted = req_o && gnt_i;
  assign left = left_q & (left_q - 6'd1);
  assign block_done = granted && left == '0;
  assign ready_o = full_q[use_set_q];
  assign use_set_o = use_set_q;

  always_comb begin
    next = '0;
    base = '0;
    window_o = '0;
    if (req_o) begin
      for (int i = 5; i >= 0; i--) if (left_q[i]) next = 3'(i);
      unique case (next[2:1])
        2'd0: base = cmd_i.s[17:0];
        2'd1: base = cmd_i.t[17:0];
        default: base = cmd_i.c[17:0];
      endcase
      window_o.addr = base + offset_q + {12'd0, next[0], 5'd0};
      window_o.len = 6'd32;
    end
  end

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      active_q <= 1'b0;
      full_q <= '0;
      waiting_q <= 1'b0;
      half_valid_o <= 1'b0;
    end else begin
      half_valid_o <= granted;
      waiting_q <= req_o && !gnt_i;
      if (start_i) begin
        active_q <= halves != '0;
        full_q <= {2{halves == '0}};
      end else if (active_q || block_end_i) begin
        if (stop_i || (block_done && blocks_q == '0)) active_q <= 1'b0;
        if (block_end_i && halves_q != '0) full_q[use_set_q] <= 1'b0;
        if (block_done) full_q[fill_set_q] <= 1'b1;
      end
    end
  end

  // Set by start_i, or read only with a request: unreset.
  always_ff @(posedge clk_i) begin
    if (start_i) begin
      halves_q <= halves;
      left_q <= halves;
      blocks_q <= cmd_i.count3 - 16'd1;
      offset_q <= '0;
      fill_set_q <= 1'b0;
      use_set_q <= 1'b0;
    end else begin
      if (block_end_i && halves_q != '0) use_set_q <= !use_set_q;
      if (granted) left_q <= block_done ? halves_q : left;
      if (block_done) begin
        blocks_q <= blocks_q - 16'd1;
        offset_q <= offset_q + 18'd64;
        fill_set_q <= !fill_set_q;
      end
    end
    if (granted) half_o <= '{odd_set: fill_set_q, operand: held_e'(next[2:1]), high: next[0]};
  end

  `ASSERT_WHEN(FillsEmptySet_A, granted, !full_q[fill_set_q])
  `ASSERT_WHEN(EndsFullBlock_A, block_end_i, full_q[use_set_q])

endmodule
