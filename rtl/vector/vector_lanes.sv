// The datapath of the vector unit: 16 binary32 lanes, d = convert(reduce(act(op(a, b)))).
//
//   ports -> [0] raw -> [1] convert -> [2,3] fma x -> [4,5] fma y -> [6,7] fma z -> [8] act, reduce
//         -> [9] convert -> out
//
//   fma x: Fma with b: fma(B,t,c); Div: q = A*t.  Else skipped.
//   fma y: Fma: fma(A,s,x or c); Mul: A*s; Div: e = fma(-q,s,A).  Max, Min: carries their result.
//   fma z: Div: fma(e,t,q), or q where that is zero or not finite.  Else skipped.
//
// Contract
//   - Operands come as the ports return them (`a_to_i`, `b_to_i`), at most one part of a and one of b a
//     cycle; `valid_i` in the cycle of a group's last part. One group a cycle, never refused: who feeds
//     it keeps room for what leaves.
//   - Held operands (s, t, c) lie in two sets: `scalars_i` sets those that are scalars, `held_valid_i`
//     brings half of one that is a vector. A set is changed only while no group of it is inside
//     (`set_busy_o`).
//   - cmd_i stays the same while groups are inside (`busy_o`).
// Latency from valid_i to valid_o: stages 0, 1, 4, 5, 8, 9 always, 2 and 3, 6 and 7 where they are not
// skipped: 6 to 10 cycles. A step of a reduction is a whole operation in stage 8: one element a cycle, in
// the order in which they come.
//
// This is a hot spot of a simulation. Registers that only p_lanes sees are assigned by blocking
// assignments, last stage first, which saves the simulator a copy of each.

`include "assert.svh"

module vector_lanes
  import systole_spec_pkg::*;
  import systole_pkg::*;
  import fp32_pkg::*;
  import vector_pkg::*;
(
    input logic clk_i,
    input logic rst_ni,

    // the pass
    input cmd_vector_t cmd_i,
    input logic        scalars_i,

    // what the ports return
    input target_e                   a_to_i,
    input target_e                   b_to_i,
    input logic                      held_valid_i,
    input held_half_t                held_i,
    input logic              [255:0] va_rdata_i,
    input logic              [255:0] vb_rdata_i,
    input logic signed       [ 31:0] vacc_data_i [ArrayCols],
    input logic                      valid_i,
    input group_t                    group_i,

    // a result
    output logic        valid_o,
    output logic [31:0] d_o    [Lanes],

    output logic       busy_o,
    output logic [1:0] set_busy_o
);

  typedef logic [31:0] lanes_t[Lanes];
  typedef fma_product_t products_t[Lanes];

  logic uses_b, is_div, is_order, needs_x;
  assign uses_b = cmd_i.b_type != VtypeNone;
  assign is_div = cmd_i.op == VopDiv;
  assign is_order = cmd_i.op == VopMax || cmd_i.op == VopMin;
  assign needs_x = is_div || (cmd_i.op == VopFma && uses_b);

  // ----------------------------------------------------------------------------------- control
  // Bit k belongs to the group whose data are in stage k's registers.
  logic [9:0] valid_q, set_q;
  logic [8:0] first_q, last_q;
  logic y_in, z_in, r_in;  // a group enters stages 4, 6, 8
  logic r_first, r_last, r_set;
  assign y_in = needs_x ? valid_q[3] : valid_q[1];
  assign z_in = valid_q[5] && is_div;
  assign r_in = is_div ? valid_q[7] : valid_q[5];
  assign r_first = is_div ? first_q[7] : first_q[5];
  assign r_last = is_div ? last_q[7] : last_q[5];
  assign r_set = is_div ? set_q[7] : set_q[5];

  // What each stage holds next.
  function automatic logic [9:0] moved(logic [8:0] now, logic in, logic with_x, logic with_z);
    logic y, r;
    y = with_x ? now[3] : now[1];
    r = with_z ? now[7] : now[5];
    return {now[8], r, now[6], now[5] && with_z, now[4], y, now[2], now[1] && with_x, now[0], in};
  endfunction

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) begin
      valid_q <= '0;
    end else if (valid_i || valid_q != '0) begin
      valid_q <= moved(valid_q[8:0], valid_i, needs_x, is_div) & {1'b1, r_last, 8'hFF};
    end
  end

  always_ff @(posedge clk_i) begin
    if (valid_i || valid_q != '0) begin
      first_q <= 9'(moved(first_q, group_i.first, needs_x, is_div));
      last_q  <= 9'(moved(last_q, group_i.last, needs_x, is_div));
      set_q   <= moved(set_q[8:0], group_i.odd_set, needs_x, is_div);
    end
  end

  // ---------------------------------------------------------------------------------- datapath
  lanes_t s_q[2], t_q[2], c_q[2];
  lanes_t a0_q, b0_q, a1_q, b1_q, a2_q, a3_q, x3_q, carry4_q, y5_q, carry5_q, carry6_q, z7_q, r8_q;
  lanes_t addend2_q, addend4_q, addend6_q;
  products_t product2_q, product4_q, product6_q;

  always_ff @(posedge clk_i) begin : p_lanes
    automatic lanes_t value, active;

    // 9: convert
    if (valid_q[8]) begin
      convert_lanes(r8_q, cmd_i.d_type, 32'(cmd_i.zp), 32'(cmd_i.lo), 32'(cmd_i.hi), value);
      d_o <= value;
    end

    // 8: activation, reduction
    if (r_in) begin
      active = y5_q;
      if (is_div) active = z7_q;
      if (cmd_i.act != VactNone) begin
        value = active;
        activate_lanes(value, cmd_i.act, t_q[r_set], c_q[r_set], active);
      end
      if (r_first) begin
        r8_q = active;
      end else begin
        value = r8_q;
        if (cmd_i.reduce == VreduceSum) add_lanes(value, active, r8_q);
        else max_lanes(value, active, r8_q);
      end
    end

    // 7, 6: fma z
    if (valid_q[6]) begin
      fma_s2_lanes(product6_q, addend6_q, value);
      div_select_lanes(carry6_q, value, z7_q);
    end
    if (z_in) begin
      fma_s1_lanes(y5_q, t_q[set_q[5]], carry5_q, product6_q, addend6_q);
      carry6_q = carry5_q;
    end

    // 5, 4: fma y
    if (valid_q[4]) begin
      if (is_order) y5_q = carry4_q;
      else fma_s2_lanes(product4_q, addend4_q, y5_q);
      if (is_div) carry5_q = carry4_q;
    end
    if (y_in) begin
      unique case (cmd_i.op)
        VopFma: begin
          if (uses_b) fma_s1_lanes(a3_q, s_q[set_q[3]], x3_q, product4_q, addend4_q);
          else fma_s1_lanes(a1_q, s_q[set_q[1]], c_q[set_q[1]], product4_q, addend4_q);
        end
        VopDiv: begin
          fnma_s1_lanes(x3_q, s_q[set_q[3]], a3_q, product4_q, addend4_q);
          carry4_q = x3_q;
        end
        VopMax: max_lanes(a1_q, b1_q, carry4_q);
        VopMin: min_lanes(a1_q, b1_q, carry4_q);
        default: mul_s1_lanes(a1_q, s_q[set_q[1]], product4_q, addend4_q);
      endcase
    end

    // 3, 2: fma x
    if (valid_q[2]) begin
      fma_s2_lanes(product2_q, addend2_q, x3_q);
      a3_q = a2_q;
    end
    if (valid_q[1] && needs_x) begin
      if (is_div) mul_s1_lanes(a1_q, t_q[set_q[1]], product2_q, addend2_q);
      else fma_s1_lanes(b1_q, t_q[set_q[1]], c_q[set_q[1]], product2_q, addend2_q);
      a2_q = a1_q;
    end

    // 1: convert
    if (valid_q[0]) begin
      operand_lanes(a0_q, cmd_i.a_type, 32'(cmd_i.a_zp), a1_q);
      if (uses_b) operand_lanes(b0_q, cmd_i.b_type, 32'(cmd_i.b_zp), b1_q);
    end

    // 0: what the ports return
    unique case (a_to_i)
      ToLow: for (int i = 0; i < 8; i++) a0_q[i] = va_rdata_i[32*i+:32];
      ToHigh: for (int i = 0; i < 8; i++) a0_q[8+i] = va_rdata_i[32*i+:32];
      ToAcc: for (int i = 0; i < Lanes; i++) a0_q[i] = vacc_data_i[i];
      default: ;
    endcase
    unique case (b_to_i)
      ToLow: for (int i = 0; i < 8; i++) b0_q[i] = vb_rdata_i[32*i+:32];
      ToHigh: for (int i = 0; i < 8; i++) b0_q[8+i] = vb_rdata_i[32*i+:32];
      default: ;
    endcase

    // Held operands.
    if (scalars_i) begin
      for (int i = 0; i < Lanes; i++) begin
        s_q[0][i] = cmd_i.s;
        s_q[1][i] = cmd_i.s;
        t_q[0][i] = cmd_i.t;
        t_q[1][i] = cmd_i.t;
        c_q[0][i] = cmd_i.c;
        c_q[1][i] = cmd_i.c;
      end
    end
    if (held_valid_i) begin
      for (int i = 0; i < 8; i++) begin
        unique case (held_i.operand)
          HeldS:   s_q[held_i.odd_set][{held_i.high, 3'(i)}] = va_rdata_i[32*i+:32];
          HeldT:   t_q[held_i.odd_set][{held_i.high, 3'(i)}] = va_rdata_i[32*i+:32];
          default: c_q[held_i.odd_set][{held_i.high, 3'(i)}] = va_rdata_i[32*i+:32];
        endcase
      end
    end
  end

  assign valid_o = valid_q[9];
  assign busy_o = valid_i || valid_q != '0;
  assign set_busy_o[0] = (valid_i && !group_i.odd_set) || (valid_q & ~set_q) != '0;
  assign set_busy_o[1] = (valid_i && group_i.odd_set) || (valid_q & set_q) != '0;

  `ASSERT(OneWayIn_A, !(valid_q[3] && valid_q[1] && !needs_x))
  `ASSERT(HeldSteadyInUse_A, !held_valid_i || !set_busy_o[held_i.odd_set])
  `ASSERT(ScalarsAtRest_A, !scalars_i || !busy_o)

endmodule
