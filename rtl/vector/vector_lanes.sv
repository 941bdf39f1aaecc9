// The datapath of the vector unit: 16 binary32 lanes, d = convert(reduce(act(op(a, b)))).
//
//   ports -> [0] raw -> [1] convert -> [2,3] fma x -> [4,5] fma y -> [6,7] fma z -> [8,9,10] function
//         -> [11] act, reduce -> [12] convert -> out
//
//   fma x: Fma with b: fma(B,t,c); Div: q = A*t.  Else skipped.
//   fma y: Fma: fma(A,s,x or c); Mul: A*s; Div: e = fma(-q,s,A).  Max, Min, Move: carries their result.
//   fma z: Div: fma(e,t,q), or q where that is zero or not finite.  Else skipped.
//   function: Exp2, Recip, Rsqrt: argument, value, rounding (fp32_functions_pkg).  Else skipped.
//
// Contract
//   - Operands come as the ports return them (`a_to_i`, `b_to_i`), at most one part of a and one of b a
//     cycle; `valid_i` in the cycle of a group's last part. One group a cycle, never refused: who feeds
//     it keeps room for what leaves.
//   - Held operands (s, t, c) lie in two sets: `scalars_i` sets those that are scalars, `held_valid_i`
//     brings half of one that is a vector. A set is changed only while no group of it is inside
//     (`set_busy_o`).
//   - cmd_i stays the same while groups are inside (`busy_o`).
// Latency from valid_i to valid_o: stages 0, 1, 4, 5, 11, 12 always, the others where they are not
// skipped: 6 to 13 cycles. A step of a reduction is a whole operation in stage 11: one element a cycle,
// in the order in which they come.
//
// This is a hot spot of a simulation. Loops over lanes have a variable as their bound (fp32_pkg), and
// stand here, since an array that a call returns costs a cleared copy at every evaluation. Registers that
// only p_lanes sees are assigned by blocking assignments, last stage first, which saves a copy of each.

`include "assert.svh"

module vector_lanes
  import systole_spec_pkg::*;
  import systole_pkg::*;
  import fp32_pkg::*;
  import fp32_functions_pkg::*;
  import vector_pkg::*;
#(
    parameter int unsigned Results = 16
) (
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

    // results: the next one becomes result_i; half of read_i
    output logic                       valid_o,
    input  logic [$clog2(Results)-1:0] result_i,
    input  logic [$clog2(Results)-1:0] read_i,
    input  logic                       read_high_i,
    input  logic                       read_valid_i,
    output logic [              255:0] read_o,

    output logic       busy_o,
    output logic [1:0] set_busy_o
);

  typedef logic [31:0] lanes_t[Lanes];
  typedef fma_product_t products_t[Lanes];

  typedef point_t points_t[Lanes];
  typedef outcome_t outcomes_t[Lanes];
  typedef value_t values_t[Lanes];

  logic uses_b, is_div, is_move, carries, needs_x, is_function;
  assign uses_b = cmd_i.b_type != VtypeNone;
  assign is_div = cmd_i.op == VopDiv;
  assign is_move = cmd_i.op == VopMove;
  assign carries = cmd_i.op == VopMax || cmd_i.op == VopMin || is_move;
  assign needs_x = is_div || (cmd_i.op == VopFma && uses_b);
  assign is_function = cmd_i.act == VactExp2 || cmd_i.act == VactRecip || cmd_i.act == VactRsqrt;

  // ----------------------------------------------------------------------------------- control
  // Bit k belongs to the group whose data are in stage k's registers.
  typedef logic [11:0] stages_t;
  stages_t valid_d, valid_q, first_d, last_d, set_q;
  logic [10:0] first_q, last_q;

  // What each stage holds next.
  function automatic stages_t moved(logic [10:0] now, logic in, logic with_x, logic with_z,
                                    logic with_f);
    stages_t next;
    logic op;
    op = with_z ? now[7] : now[5];
    next = {now, in};
    next[2] = now[1] && with_x;
    next[4] = with_x ? now[3] : now[1];
    next[6] = now[5] && with_z;
    next[8] = op && with_f;
    next[11] = with_f ? now[10] : op;
    return next;
  endfunction

  assign valid_d = moved(valid_q[10:0], valid_i, needs_x, is_div, is_function);
  assign first_d = moved(first_q, group_i.first, needs_x, is_div, is_function);
  assign last_d = moved(last_q, group_i.last, needs_x, is_div, is_function);

  logic y_in, z_in, f_in, r_in;  // a group enters stages 4, 6, 8, 11
  assign y_in = valid_d[4];
  assign z_in = valid_d[6];
  assign f_in = valid_d[8];
  assign r_in = valid_d[11];

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      valid_q <= '0;
    end else if (valid_i || valid_q != '0) begin
      valid_q <= valid_d & {last_d[11], 11'h7FF};
    end
  end

  always_ff @(posedge clk_i) begin
    if (valid_i || valid_q != '0) begin
      first_q <= first_d[10:0];
      last_q  <= last_d[10:0];
      set_q   <= moved(set_q[10:0], group_i.odd_set, needs_x, is_div, is_function);
    end
  end

  // ---------------------------------------------------------------------------------- datapath
  lanes_t s_q[2], t_q[2], c_q[2];
  lanes_t a0_q, b0_q, a1_q, b1_q, a2_q, a3_q, x3_q, carry4_q, y5_q, carry5_q, carry6_q, z7_q;
  lanes_t f10_q, r11_q;
  lanes_t addend2_q, addend4_q, addend6_q;
  products_t product2_q, product4_q, product6_q;
  points_t point8_q, point9_q;
  outcomes_t outcome8_q, outcome9_q;
  values_t value9_q;
  lanes_t result_q[Results];

  // Values inside a stage.
  lanes_t active, code;

  always_ff @(posedge clk_i) begin : p_lanes
    automatic int unsigned n;
    automatic logic [3:0] l;
    automatic logic [31:0] value, flip;
    automatic logic set;
    n = Lanes;

    // 12: convert
    if (valid_q[11]) begin
      unique case (cmd_i.d_type)
        VtypeF32: begin
          for (int unsigned i = 0; i < n; i++) begin
            l = i[3:0];
            result_q[result_i][l] = !is_move && is_nan(r11_q[l][30:0]) ? CanonicalNan : r11_q[l];
          end
        end
        VtypeS32: begin
          for (int unsigned i = 0; i < n; i++) begin
            l = i[3:0];
            result_q[result_i][l] = is_move ? r11_q[l] : to_int(r11_q[l]);
          end
        end
        default: begin
          for (int unsigned i = 0; i < n; i++) begin
            l = i[3:0];
            code[l] = quantize(r11_q[l], 32'(cmd_i.zp), 32'(cmd_i.lo), 32'(cmd_i.hi));
          end
          for (int unsigned w = 0; w < n / 4; w++) begin
            result_q[result_i][{
              2'b0, w[1:0]
            }] = {
              code[{w[1:0], 2'd3}][7:0],
              code[{w[1:0], 2'd2}][7:0],
              code[{w[1:0], 2'd1}][7:0],
              code[{w[1:0], 2'd0}][7:0]
            };
          end
        end
      endcase
    end

    // 11: activation, reduction
    if (r_in) begin
      set = set_q[5];  // of Clip, which is of Mul alone
      if (cmd_i.act == VactRelu) begin
        for (int unsigned i = 0; i < n; i++) begin
          l = i[3:0];
          active[l] = max(is_div ? z7_q[l] : y5_q[l], '0);
        end
      end else if (cmd_i.act == VactClip) begin
        for (int unsigned i = 0; i < n; i++) begin
          l = i[3:0];
          active[l] = min(max(y5_q[l], t_q[set][l]), c_q[set][l]);
        end
      end else if (is_function) begin
        active = f10_q;
      end else if (is_div) begin
        active = z7_q;
      end else begin
        active = y5_q;
      end
      if (first_d[11]) begin
        r11_q = active;
      end else if (cmd_i.reduce == VreduceSum) begin
        for (int unsigned i = 0; i < n; i++) begin
          l = i[3:0];
          r11_q[l] = fma_sum(fma_product(r11_q[l], PlusOne), fma_addend(r11_q[l], PlusOne, active[l]));
        end
      end else begin
        for (int unsigned i = 0; i < n; i++) begin
          l = i[3:0];
          r11_q[l] = max(r11_q[l], active[l]);
        end
      end
    end

    // 10, 9, 8: function
    if (valid_q[9]) begin
      if (cmd_i.act == VactRecip) begin
        for (int unsigned i = 0; i < n; i++) begin
          l = i[3:0];
          f10_q[l] = round_value(outcome9_q[l], recip_value(point9_q[l], value9_q[l][51:26]));
        end
      end else begin
        for (int unsigned i = 0; i < n; i++) begin
          l = i[3:0];
          f10_q[l] = round_value(outcome9_q[l], value9_q[l]);
        end
      end
    end
    if (valid_q[8]) begin
      for (int unsigned i = 0; i < n; i++) begin
        l = i[3:0];
        value9_q[l] = segment_value(point8_q[l]);
      end
      point9_q   = point8_q;
      outcome9_q = outcome8_q;
    end
    if (f_in) begin
      unique case (cmd_i.act)
        VactExp2: begin
          for (int unsigned i = 0; i < n; i++) begin
            l = i[3:0];
            {outcome8_q[l], point8_q[l]} = exp2_argument(is_div ? z7_q[l] : y5_q[l]);
          end
        end
        VactRecip: begin
          for (int unsigned i = 0; i < n; i++) begin
            l = i[3:0];
            {outcome8_q[l], point8_q[l]} = recip_argument(is_div ? z7_q[l] : y5_q[l]);
          end
        end
        default: begin
          for (int unsigned i = 0; i < n; i++) begin
            l = i[3:0];
            {outcome8_q[l], point8_q[l]} = rsqrt_argument(is_div ? z7_q[l] : y5_q[l]);
          end
        end
      endcase
    end

    // 7, 6: fma z
    if (valid_q[6]) begin
      for (int unsigned i = 0; i < n; i++) begin
        l = i[3:0];
        z7_q[l] = div_select(carry6_q[l], fma_sum(product6_q[l], addend6_q[l]));
      end
    end
    if (z_in) begin
      set = set_q[5];
      for (int unsigned i = 0; i < n; i++) begin
        l = i[3:0];
        product6_q[l] = fma_product(y5_q[l], t_q[set][l]);
        addend6_q[l] = fma_addend(y5_q[l], t_q[set][l], carry5_q[l]);
      end
      carry6_q = carry5_q;
    end

    // 5, 4: fma y
    if (valid_q[4]) begin
      if (carries) begin
        y5_q = carry4_q;
      end else begin
        for (int unsigned i = 0; i < n; i++) begin
          l = i[3:0];
          y5_q[l] = fma_sum(product4_q[l], addend4_q[l]);
        end
      end
      if (is_div) carry5_q = carry4_q;
    end
    if (y_in) begin
      set = needs_x ? set_q[3] : set_q[1];
      unique case (cmd_i.op)
        VopFma: begin
          if (uses_b) begin
            for (int unsigned i = 0; i < n; i++) begin
              l = i[3:0];
              product4_q[l] = fma_product(a3_q[l], s_q[set][l]);
              addend4_q[l] = fma_addend(a3_q[l], s_q[set][l], x3_q[l]);
            end
          end else begin
            for (int unsigned i = 0; i < n; i++) begin
              l = i[3:0];
              product4_q[l] = fma_product(a1_q[l], s_q[set][l]);
              addend4_q[l] = fma_addend(a1_q[l], s_q[set][l], c_q[set][l]);
            end
          end
        end
        VopDiv: begin
          for (int unsigned i = 0; i < n; i++) begin
            l = i[3:0];
            value = x3_q[l] ^ MinusZero;
            product4_q[l] = fma_product(value, s_q[set][l]);
            addend4_q[l] = fma_addend(value, s_q[set][l], a3_q[l]);
          end
          carry4_q = x3_q;
        end
        VopMax: begin
          for (int unsigned i = 0; i < n; i++) begin
            l = i[3:0];
            carry4_q[l] = max(a1_q[l], b1_q[l]);
          end
        end
        VopMin: begin
          for (int unsigned i = 0; i < n; i++) begin
            l = i[3:0];
            carry4_q[l] = min(a1_q[l], b1_q[l]);
          end
        end
        VopMove: carry4_q = a1_q;
        default: begin
          for (int unsigned i = 0; i < n; i++) begin
            l = i[3:0];
            product4_q[l] = fma_product(a1_q[l], s_q[set][l]);
            addend4_q[l] = fma_addend(a1_q[l], s_q[set][l], MinusZero);
          end
        end
      endcase
    end

    // 3, 2: fma x
    if (valid_q[2]) begin
      for (int unsigned i = 0; i < n; i++) begin
        l = i[3:0];
        x3_q[l] = fma_sum(product2_q[l], addend2_q[l]);
      end
      a3_q = a2_q;
    end
    if (valid_q[1] && needs_x) begin
      set = set_q[1];
      if (is_div) begin
        for (int unsigned i = 0; i < n; i++) begin
          l = i[3:0];
          product2_q[l] = fma_product(a1_q[l], t_q[set][l]);
          addend2_q[l] = fma_addend(a1_q[l], t_q[set][l], MinusZero);
        end
      end else begin
        for (int unsigned i = 0; i < n; i++) begin
          l = i[3:0];
          product2_q[l] = fma_product(b1_q[l], t_q[set][l]);
          addend2_q[l] = fma_addend(b1_q[l], t_q[set][l], c_q[set][l]);
        end
      end
      a2_q = a1_q;
    end

    // 1: convert; sign extension is (byte ^ 0x80) - 0x80
    if (valid_q[0]) begin
      if (is_byte(cmd_i.a_type)) begin
        flip = cmd_i.a_type == VtypeS8 ? 32'h80 : 32'h0;
        for (int i = 0; i < Lanes; i++) code[i] = {24'd0, a0_q[i/4][8*(i%4)+:8]};
        for (int unsigned i = 0; i < n; i++) begin
          l = i[3:0];
          a1_q[l] = from_int((code[l] ^ flip) - flip - 32'(cmd_i.a_zp));
        end
      end else if (cmd_i.a_type == VtypeF32 || is_move) begin
        a1_q = a0_q;
      end else begin
        for (int unsigned i = 0; i < n; i++) begin
          l = i[3:0];
          a1_q[l] = from_int(a0_q[l]);
        end
      end
      if (is_byte(cmd_i.b_type)) begin
        flip = cmd_i.b_type == VtypeS8 ? 32'h80 : 32'h0;
        for (int i = 0; i < Lanes; i++) code[i] = {24'd0, b0_q[i/4][8*(i%4)+:8]};
        for (int unsigned i = 0; i < n; i++) begin
          l = i[3:0];
          b1_q[l] = from_int((code[l] ^ flip) - flip - 32'(cmd_i.b_zp));
        end
      end else if (cmd_i.b_type == VtypeF32) begin
        b1_q = b0_q;
      end else if (uses_b) begin
        for (int unsigned i = 0; i < n; i++) begin
          l = i[3:0];
          b1_q[l] = from_int(b0_q[l]);
        end
      end
    end

    // 0: what the ports return
    if (a_to_i == ToLow) for (int i = 0; i < 8; i++) a0_q[i] = va_rdata_i[32*i+:32];
    else if (a_to_i == ToHigh) for (int i = 0; i < 8; i++) a0_q[8+i] = va_rdata_i[32*i+:32];
    else if (a_to_i == ToAcc) for (int i = 0; i < Lanes; i++) a0_q[i] = vacc_data_i[i];
    if (b_to_i == ToLow) for (int i = 0; i < 8; i++) b0_q[i] = vb_rdata_i[32*i+:32];
    else if (b_to_i == ToHigh) for (int i = 0; i < 8; i++) b0_q[8+i] = vb_rdata_i[32*i+:32];

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

  always_comb begin
    read_o = '0;
    if (read_valid_i) begin
      for (int i = 0; i < 8; i++) read_o[32*i+:32] = result_q[read_i][{read_high_i, 3'(i)}];
    end
  end

  assign valid_o = valid_q[11];
  assign busy_o = valid_i || valid_q != '0;
  assign set_busy_o[0] = (valid_i && !group_i.odd_set) || (valid_q & ~set_q) != '0;
  assign set_busy_o[1] = (valid_i && group_i.odd_set) || (valid_q & set_q) != '0;

  `ASSERT(OneWayIn_A, !(valid_q[3] && valid_q[1] && !needs_x))
  `ASSERT_WHEN(HeldSteadyInUse_A, held_valid_i, !set_busy_o[held_i.odd_set])
  `ASSERT_WHEN(ScalarsAtRest_A, scalars_i, !busy_o)

endmodule
