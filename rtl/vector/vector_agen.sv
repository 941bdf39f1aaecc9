// Walks the loop nest of a Vector command: one group (up to 16 lanes of a, b and d) at a time.
//
// Contract
//   - `load_i` starts the nest of cmd_i, which then stays the same; from the next cycle on a group is
//     offered (`valid_o`) until `advance_i` moves to the next. All outputs are registers.
//   - The window loops are the innermost: `first_o` and `last_o` mark the ends of one result's window.
//     `block_end_o`: the last group of this i3; `end_o`: of the pass.
//   - Addresses wrap; vector_check says whether one of the pass does.
// Latency: a group a cycle.
//
// Registers that only p_walk sees are assigned by blocking assignments, which saves the simulator a
// copy of each.

`include "assert.svh"

module vector_agen
  import systole_spec_pkg::*;
  import systole_pkg::*;
(
    input logic clk_i,
    input logic rst_ni,

    input logic        load_i,
    input logic        clear_i,
    input cmd_vector_t cmd_i,
    input logic        advance_i,

    output logic             valid_o,
    output spad_addr_t       a_o,          // byte address, or accumulator row
    output spad_addr_t       b_o,
    output spad_addr_t       d_o,
    output logic       [4:0] lanes_o,
    output logic             first_o,
    output logic             last_o,
    output logic             block_end_o,
    output logic             end_o
);

  localparam int unsigned Dims = 4;

  // Level k of a, b, d: the address with the indices of dimensions k and above in it.
  spad_addr_t a_q[Dims], b_q[Dims], d_q[Dims];
  spad_addr_t a_w1_q;  // of the window's row
  logic [15:0] left_q[Dims];  // iterations behind this one
  logic [15:0] w0_left_q, w1_left_q;

  always_ff @(posedge clk_i) begin : p_walk
    automatic logic [1:0] dim;
    automatic spad_addr_t a, b, d;
    automatic logic window_last, block_last;

    if (load_i) begin
      for (int k = 0; k < Dims; k++) begin
        a_q[k] = cmd_i.a_base[17:0];
        b_q[k] = cmd_i.b_base[17:0];
        d_q[k] = cmd_i.d_base[17:0];
      end
      left_q[0] = cmd_i.count0 - 16'd1;
      left_q[1] = cmd_i.count1 - 16'd1;
      left_q[2] = cmd_i.count2 - 16'd1;
      left_q[3] = cmd_i.count3 - 16'd1;
      w0_left_q = cmd_i.wcount0 - 16'd1;
      w1_left_q = cmd_i.wcount1 - 16'd1;
      a_w1_q = a_q[0];
      a_o <= a_q[0];
      b_o <= b_q[0];
      d_o <= d_q[0];
      first_o <= 1'b1;
    end else if (advance_i) begin
      if (w0_left_q != '0) begin
        w0_left_q = w0_left_q - 16'd1;
        a_o <= a_o + cmd_i.a_wstride0[17:0];
        first_o <= 1'b0;
      end else if (w1_left_q != '0) begin
        w0_left_q = cmd_i.wcount0 - 16'd1;
        w1_left_q = w1_left_q - 16'd1;
        a_w1_q = a_w1_q + cmd_i.a_wstride1[17:0];
        a_o <= a_w1_q;
        first_o <= 1'b0;
      end else begin
        w0_left_q = cmd_i.wcount0 - 16'd1;
        w1_left_q = cmd_i.wcount1 - 16'd1;
        // The dimension that steps: the innermost one not at its last index.
        if (left_q[0] != '0) begin
          dim = 2'd0;
          a = a_q[0] + cmd_i.a_stride0[17:0];
          b = b_q[0] + cmd_i.b_stride0[17:0];
          d = d_q[0] + cmd_i.d_stride0[17:0];
        end else if (left_q[1] != '0) begin
          dim = 2'd1;
          a = a_q[1] + cmd_i.a_stride1[17:0];
          b = b_q[1] + cmd_i.b_stride1[17:0];
          d = d_q[1] + cmd_i.d_stride1[17:0];
        end else if (left_q[2] != '0) begin
          dim = 2'd2;
          a = a_q[2] + cmd_i.a_stride2[17:0];
          b = b_q[2] + cmd_i.b_stride2[17:0];
          d = d_q[2] + cmd_i.d_stride2[17:0];
        end else begin
          dim = 2'd3;
          a = a_q[3] + cmd_i.a_stride3[17:0];
          b = b_q[3] + cmd_i.b_stride3[17:0];
          d = d_q[3] + cmd_i.d_stride3[17:0];
        end
        left_q[dim] = left_q[dim] - 16'd1;
        if (dim > 2'd0) left_q[0] = cmd_i.count0 - 16'd1;
        if (dim > 2'd1) left_q[1] = cmd_i.count1 - 16'd1;
        if (dim > 2'd2) left_q[2] = cmd_i.count2 - 16'd1;
        for (int k = 0; k < Dims; k++) begin
          if (2'(k) <= dim) begin
            a_q[k] = a;
            b_q[k] = b;
            d_q[k] = d;
          end
        end
        a_w1_q = a;
        a_o <= a;
        b_o <= b;
        d_o <= d;
        first_o <= 1'b1;
      end
    end

    if (load_i || advance_i) begin
      window_last = w0_left_q == '0 && w1_left_q == '0;
      block_last = window_last && left_q[0] == '0 && left_q[1] == '0 && left_q[2] == '0;
      last_o <= window_last;
      block_end_o <= block_last;
      end_o <= block_last && left_q[3] == '0;
      lanes_o <= left_q[cmd_i.tail_dim] == '0 ? cmd_i.lanes_last : cmd_i.lanes;
    end
  end

  logic valid_q;
  always_ff @(posedge clk_i) begin
    if (!rst_ni) valid_q <= 1'b0;
    else if (clear_i) valid_q <= 1'b0;
    else if (load_i) valid_q <= 1'b1;
    else if (advance_i && end_o) valid_q <= 1'b0;
  end

  assign valid_o = valid_q;

  `ASSERT(AdvanceOnlyValid_A, !advance_i || valid_q)
  `ASSERT_WHEN(EndIsBlockEnd_A, valid_q, !end_o || (block_end_o && last_o))

endmodule
