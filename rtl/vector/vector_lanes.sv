// The datapath of the vector unit: 16 binary32 lanes, d = convert(reduce(act(op(a, b)))).
//
//   raw a, b -> [1] convert -> [2,3] fma x -> [4,5] fma y -> [6,7] fma z -> [8] act, reduce -> [9] convert -> out
//
//   fma x: Fma with b: fma(B,t,c); Div: q = A*t.  Else skipped.
//   fma y: Fma: fma(A,s,x or c); Mul: A*s; Div: e = fma(-q,s,A).  Max, Min: carries their result.
//   fma z: Div: fma(e,t,q), or q where that is zero or not finite.  Else skipped.
//
// Contract: one group a cycle, never refused: who feeds it keeps room for what leaves. The command and the
// held operands stay the same while groups are inside (busy_o).
// Latency: stages 1, 4, 5, 8, 9 always, 2 and 3, 6 and 7 where they are not skipped: 5 to 9 cycles. The sum of
// a window is a whole addition in stage 8: one element a cycle in the order in which they come.

`include "assert.svh"

module vector_lanes
  import systole_spec_pkg::*;
  import systole_pkg::*;
  import fp32_pkg::*;
  import vector_pkg::*;
(
    input logic clk_i,
    input logic rst_ni,

    // the pass, and its held operands
    input cmd_vector_t        cmd_i,
    input logic        [31:0] s_i  [Lanes],
    input logic        [31:0] t_i  [Lanes],
    input logic        [31:0] c_i  [Lanes],

    // a group of operands
    input logic          valid_i,
    input group_t        group_i,
    input logic   [31:0] a_i    [Lanes],
    input logic   [31:0] b_i    [Lanes],

    // a result
    output logic          valid_o,
    output result_place_t        place_o,
    output logic   [31:0] d_o    [Lanes],

    output logic busy_o
);

  typedef logic [31:0] lanes_t[Lanes];

  logic uses_b, is_div, needs_x;
  assign uses_b = cmd_i.b_type != VtypeNone;
  assign is_div = cmd_i.op == VopDiv;
  assign needs_x = is_div || (cmd_i.op == VopFma && uses_b);

  logic [8:0] valid_q;  // of stages 1 to 9
  group_t group_q[9];

  logic [31:0] minus_zero[Lanes];
  always_comb for (int i = 0; i < Lanes; i++) minus_zero[i] = MinusZero;

  // ------------------------------------------------------------------------- stage 1: convert
  lanes_t a1_d, b1_d, a1_q, b1_q;
  always_comb begin
    a1_d = a1_q;
    b1_d = b1_q;
    if (valid_i) begin
      operand_lanes(a_i, cmd_i.a_type, 32'(cmd_i.a_zp), a1_d);
      if (uses_b) operand_lanes(b_i, cmd_i.b_type, 32'(cmd_i.b_zp), b1_d);
    end
  end
  always_ff @(posedge clk_i) begin
    if (valid_i) begin
      a1_q <= a1_d;
      b1_q <= b1_d;
    end
  end

  // --------------------------------------------------------------------- stages 2 and 3: fma x
  logic x_in;
  fma_product_t product2_d[Lanes], product2_q[Lanes];
  lanes_t addend2_d, addend2_q, a2_q, x3_d, x3_q, a3_q;
  assign x_in = valid_q[0] && needs_x;
  always_comb begin
    product2_d = product2_q;
    addend2_d  = addend2_q;
    x3_d       = x3_q;
    if (x_in && is_div) fma_s1_lanes(a1_q, t_i, minus_zero, product2_d, addend2_d);
    else if (x_in) fma_s1_lanes(b1_q, t_i, c_i, product2_d, addend2_d);
    if (valid_q[1]) fma_s2_lanes(product2_q, addend2_q, x3_d);
  end
  always_ff @(posedge clk_i) begin
    if (x_in) begin
      product2_q <= product2_d;
      addend2_q <= addend2_d;
      a2_q <= a1_q;
    end
    if (valid_q[1]) begin
      x3_q <= x3_d;
      a3_q <= a2_q;
    end
  end

  // --------------------------------------------------------------------- stages 4 and 5: fma y
  logic y_in, is_order;
  fma_product_t product4_d[Lanes], product4_q[Lanes];
  lanes_t addend4_d, addend4_q, carry4_d, carry4_q, carry5_q, y5_d, y5_q, minus_q3;
  assign y_in = needs_x ? valid_q[2] : valid_q[0];
  assign is_order = cmd_i.op == VopMax || cmd_i.op == VopMin;
  always_comb begin
    product4_d = product4_q;
    addend4_d = addend4_q;
    carry4_d = carry4_q;
    y5_d = y5_q;
    minus_q3 = x3_q;
    if (y_in) begin
      unique case (cmd_i.op)
        VopFma:
        if (uses_b) fma_s1_lanes(a3_q, s_i, x3_q, product4_d, addend4_d);
        else fma_s1_lanes(a1_q, s_i, c_i, product4_d, addend4_d);
        VopDiv: begin
          for (int i = 0; i < Lanes; i++) minus_q3[i][31] = !x3_q[i][31];
          fma_s1_lanes(minus_q3, s_i, a3_q, product4_d, addend4_d);
          carry4_d = x3_q;
        end
        VopMax: max_lanes(a1_q, b1_q, carry4_d);
        VopMin: min_lanes(a1_q, b1_q, carry4_d);
        default: fma_s1_lanes(a1_q, s_i, minus_zero, product4_d, addend4_d);
      endcase
    end
    if (valid_q[3]) begin
      if (is_order) y5_d = carry4_q;
      else fma_s2_lanes(product4_q, addend4_q, y5_d);
    end
  end
  always_ff @(posedge clk_i) begin
    if (y_in) begin
      product4_q <= product4_d;
      addend4_q <= addend4_d;
      carry4_q <= carry4_d;
    end
    if (valid_q[3]) begin
      y5_q <= y5_d;
      carry5_q <= carry4_q;
    end
  end

  // --------------------------------------------------------------------- stages 6 and 7: fma z
  logic z_in;
  fma_product_t product6_d[Lanes], product6_q[Lanes];
  lanes_t addend6_d, addend6_q, carry6_q, z7_d, z7_q, sum7;
  assign z_in = valid_q[4] && is_div;
  always_comb begin
    product6_d = product6_q;
    addend6_d = addend6_q;
    sum7 = z7_q;
    z7_d = z7_q;
    if (z_in) fma_s1_lanes(y5_q, t_i, carry5_q, product6_d, addend6_d);
    if (valid_q[5]) begin
      fma_s2_lanes(product6_q, addend6_q, sum7);
      div_select_lanes(carry6_q, sum7, z7_d);
    end
  end
  always_ff @(posedge clk_i) begin
    if (z_in) begin
      product6_q <= product6_d;
      addend6_q <= addend6_d;
      carry6_q <= carry5_q;
    end
    if (valid_q[5]) z7_q <= z7_d;
  end

  // ------------------------------------------------------------- stage 8: activation, reduction
  logic r_in;
  group_t r_group;
  lanes_t r_value, active, r8_d, r8_q;
  assign r_in = is_div ? valid_q[6] : valid_q[4];
  assign r_group = is_div ? group_q[6] : group_q[4];
  always_comb begin
    r_value = y5_q;
    active = r8_q;
    r8_d = r8_q;
    if (r_in) begin
      if (is_div) r_value = z7_q;
      activate_lanes(r_value, cmd_i.act, t_i, c_i, active);
      if (r_group.first) r8_d = active;
      else if (cmd_i.reduce == VreduceSum) add_lanes(r8_q, active, r8_d);
      else max_lanes(r8_q, active, r8_d);
    end
  end
  always_ff @(posedge clk_i) begin
    if (r_in) r8_q <= r8_d;
  end

  // ------------------------------------------------------------------------- stage 9: convert
  lanes_t d9_d, d9_q;
  always_comb begin
    d9_d = d9_q;
    if (valid_q[7]) begin
      convert_lanes(r8_q, cmd_i.d_type, 32'(cmd_i.zp), 32'(cmd_i.lo), 32'(cmd_i.hi), d9_d);
    end
  end
  always_ff @(posedge clk_i) begin
    if (valid_q[7]) d9_q <= d9_d;
  end

  // ----------------------------------------------------------------------------------- control
  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) begin
      valid_q <= '0;
    end else begin
      valid_q <= {
        valid_q[7],
        r_in && r_group.last,
        valid_q[5],
        z_in,
        valid_q[3],
        y_in,
        valid_q[1],
        x_in,
        valid_i
      };
    end
  end
  always_ff @(posedge clk_i) begin
    group_q[0] <= group_i;
    for (int i = 1; i < 9; i++) group_q[i] <= group_q[i-1];
    if (!needs_x) group_q[3] <= group_q[0];
    group_q[7] <= r_group;
  end

  assign valid_o = valid_q[8];
  assign place_o = group_q[8].place;
  assign d_o = d9_q;
  assign busy_o = valid_q != '0;

  `ASSERT(OneWayIn_A, !(valid_q[2] && valid_q[0] && !needs_x))

endmodule
