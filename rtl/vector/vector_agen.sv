// Walks the loop nest of a Vector command: one group (up to 16 lanes of a, b and d) at a time.
//
// Contract: `load_i` starts the nest of cmd_i, which then stays the same; from the next cycle on the group
// is offered (valid_o) until `advance_i` moves to the next. The window loops are the innermost: `first_o`
// and `last_o` mark the ends of one result's window. `block_end_o`: the last group of this i3.
// Addresses are sums of 32 bits that wrap; the unit checks them.

`include "assert.svh"

module vector_agen
  import systole_spec_pkg::*;
(
    input logic clk_i,
    input logic rst_ni,

    input logic load_i,
    input logic clear_i,
    input cmd_vector_t cmd_i,
    input logic advance_i,

    output logic        valid_o,
    output logic [31:0] a_o,
    output logic [31:0] b_o,
    output logic [31:0] d_o,
    output logic [ 4:0] lanes_o,
    output logic        first_o,
    output logic        last_o,
    output logic        block_end_o,
    output logic [11:0] block_o
);

  localparam int unsigned Dims = 4;

  // Level k of a, b, d: the address with the indices of dimensions k and above in it.
  logic [31:0] a_q[Dims];
  logic [31:0] b_q[Dims];
  logic [31:0] d_q[Dims];
  logic [31:0] a_w1_q, a_w0_q;
  logic [15:0] i_q[Dims];
  logic [15:0] w1_q, w0_q;
  logic valid_q;

  logic [15:0] count[Dims];
  logic [31:0] a_stride[Dims];
  logic [31:0] b_stride[Dims];
  logic [31:0] d_stride[Dims];
  always_comb begin
    count = '{cmd_i.count0, cmd_i.count1, cmd_i.count2, cmd_i.count3};
    a_stride = '{cmd_i.a_stride0, cmd_i.a_stride1, cmd_i.a_stride2, cmd_i.a_stride3};
    b_stride = '{cmd_i.b_stride0, cmd_i.b_stride1, cmd_i.b_stride2, cmd_i.b_stride3};
    d_stride = '{cmd_i.d_stride0, cmd_i.d_stride1, cmd_i.d_stride2, cmd_i.d_stride3};
  end

  // Which loops are at their last index.
  logic [3:0] dim_last;
  logic w0_last, w1_last, window_last;
  always_comb begin
    for (int k = 0; k < Dims; k++) dim_last[k] = i_q[k] == count[k] - 16'd1;
  end
  assign w0_last = w0_q == cmd_i.wcount0 - 16'd1;
  assign w1_last = w1_q == cmd_i.wcount1 - 16'd1;
  assign window_last = w0_last && w1_last;

  // The dimension that steps when the window is done: the innermost one not at its last index.
  logic [1:0] dim;
  logic [31:0] a_step, b_step, d_step;
  assign dim = !dim_last[0] ? 2'd0 : !dim_last[1] ? 2'd1 : !dim_last[2] ? 2'd2 : 2'd3;
  assign a_step = a_q[dim] + a_stride[dim];
  assign b_step = b_q[dim] + b_stride[dim];
  assign d_step = d_q[dim] + d_stride[dim];

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) valid_q <= 1'b0;
    else if (clear_i) valid_q <= 1'b0;
    else if (load_i) valid_q <= 1'b1;
    else if (advance_i && window_last && dim_last == '1) valid_q <= 1'b0;
  end

  always_ff @(posedge clk_i) begin
    if (load_i) begin
      for (int k = 0; k < Dims; k++) begin
        a_q[k] <= cmd_i.a_base;
        b_q[k] <= cmd_i.b_base;
        d_q[k] <= cmd_i.d_base;
        i_q[k] <= '0;
      end
      a_w1_q <= cmd_i.a_base;
      a_w0_q <= cmd_i.a_base;
      w1_q <= '0;
      w0_q <= '0;
    end else if (advance_i) begin
      if (!w0_last) begin
        w0_q <= w0_q + 16'd1;
        a_w0_q <= a_w0_q + cmd_i.a_wstride0;
      end else if (!w1_last) begin
        w0_q <= '0;
        w1_q <= w1_q + 16'd1;
        a_w1_q <= a_w1_q + cmd_i.a_wstride1;
        a_w0_q <= a_w1_q + cmd_i.a_wstride1;
      end else begin
        w0_q   <= '0;
        w1_q   <= '0;
        a_w1_q <= a_step;
        a_w0_q <= a_step;
        for (int k = 0; k < Dims; k++) begin
          if (2'(k) <= dim) begin
            a_q[k] <= a_step;
            b_q[k] <= b_step;
            d_q[k] <= d_step;
          end
          if (2'(k) < dim) i_q[k] <= '0;
          if (2'(k) == dim) i_q[k] <= i_q[k] + 16'd1;
        end
      end
    end
  end

  assign valid_o = valid_q;
  assign a_o = a_w0_q;
  assign b_o = b_q[0];
  assign d_o = d_q[0];
  assign lanes_o = dim_last[cmd_i.tail_dim] ? cmd_i.lanes_last : cmd_i.lanes;
  assign first_o = w0_q == '0 && w1_q == '0;
  assign last_o = window_last;
  assign block_end_o = window_last && dim_last[2:0] == '1;
  assign block_o = i_q[3][11:0];

  `ASSERT(AdvanceOnlyValid_A, !advance_i || valid_q)

endmodule
