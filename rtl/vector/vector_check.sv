// Says whether a Vector command makes sense, and whether all its accesses stay inside the memories.
//
// Contract: in the cycle of `start_i`, `sense_word_o` is the number of the first command word that makes
// no sense, 0 if none. If none, the sums of what the address nests reach start: 8 cycles after start_i
// `checked_o` is high, until the next start, with `bad_word_o` the word of the first base or vector
// address that leaves its memory, 0 if none. cmd_i stays the same meanwhile.
// The words, and their order, are those of the functional model (host/golden/execute.cpp).

`include "assert.svh"

module vector_check
  import systole_spec_pkg::*;
  import vector_pkg::*;
(
    input logic clk_i,
    input logic rst_ni,

    input  cmd_vector_t       cmd_i,
    input  logic              start_i,
    output logic        [4:0] sense_word_o,
    output logic              checked_o,
    output logic        [4:0] bad_word_o
);

  // ------------------------------------------------------------------------------------- sense
  logic two_operands, move_ok, types_ok, window_ok;
  always_comb begin
    two_operands = 1'b0;
    move_ok = 1'b1;
    types_ok = 1'b1;
    window_ok = 1'b1;
    sense_word_o = '0;
    if (start_i) begin
      two_operands = cmd_i.op == VopMax || cmd_i.op == VopMin;
      move_ok = cmd_i.act == VactNone && cmd_i.reduce == VreduceNone &&
          (cmd_i.a_type == VtypeF32 ? cmd_i.d_type == VtypeF32 :
          (cmd_i.a_type == VtypeS32 || cmd_i.a_type == VtypeAcc) && cmd_i.d_type == VtypeS32);
      types_ok = cmd_i.a_type != VtypeNone && cmd_i.a_type <= VtypeAcc &&
          cmd_i.b_type <= VtypeF32 && cmd_i.d_type != VtypeNone && cmd_i.d_type <= VtypeF32 &&
          cmd_i.op <= VopMove && cmd_i.act <= VactRsqrt && cmd_i.reduce <= VreduceMax &&
          (cmd_i.act != VactClip || cmd_i.op == VopMul) && (cmd_i.op != VopMove || move_ok) &&
          (!two_operands || cmd_i.b_type != VtypeNone) &&
          (two_operands || cmd_i.op == VopFma || cmd_i.b_type == VtypeNone);
      window_ok = cmd_i.wcount0 != '0 && cmd_i.wcount1 != '0 &&
          (cmd_i.reduce != VreduceNone || (cmd_i.wcount0 == 16'd1 && cmd_i.wcount1 == 16'd1));
      if (!types_ok) sense_word_o = 5'd4;
      else if (cmd_i.lanes == '0 || cmd_i.lanes > 5'd16) sense_word_o = 5'd5;
      else if (cmd_i.lanes_last == '0 || cmd_i.lanes_last > 5'd16) sense_word_o = 5'd5;
      else if (cmd_i.count0 == '0 || cmd_i.count1 == '0) sense_word_o = 5'd10;
      else if (cmd_i.count2 == '0 || cmd_i.count3 == '0) sense_word_o = 5'd11;
      else if (!window_ok) sense_word_o = 5'd24;
    end
  end

  // ----------------------------------------------------------------------------------- extents
  // Lowest and highest offset that a nest reaches: one dimension a cycle, of a, b and d.
  typedef logic signed [51:0] offset_t;
  typedef struct packed {
    offset_t low;
    offset_t high;
  } extent_t;

  localparam logic [2:0] StepLast = 3'd6;  // the comparison

  extent_t a_q, b_q, d_q;
  logic [2:0] step_q;
  logic busy_q, checked_q;
  logic [4:0] bad_word_d, bad_word_q;

  function automatic extent_t reach(extent_t extent, logic [15:0] count,
                                    logic signed [31:0] stride);
    extent_t result;
    offset_t last;
    result = extent;
    last = $signed({36'd0, count}) - 52'sd1;
    last = last * offset_t'(stride);
    if (last < 0) result.low = extent.low + last;
    else result.high = extent.high + last;
    return result;
  endfunction

  function automatic logic outside(extent_t extent, logic [31:0] base, vtype_e vtype,
                                   logic [4:0] elements);
    offset_t first, behind;
    first = $signed({20'd0, base}) + extent.low;
    behind = $signed({20'd0, base}) + extent.high;
    if (vtype == VtypeAcc) return first < 0 || behind >= offset_t'(AccRows);
    behind = behind + $signed(is_byte(vtype) ? {47'd0, elements} : {45'd0, elements, 2'd0});
    return first < 0 || behind > offset_t'(ScratchpadBytes) || (!is_byte(vtype) && base[1:0] != '0);
  endfunction

  function automatic logic bad_vector(logic is_vector, logic [31:0] addr, logic [15:0] blocks);
    return is_vector &&
        (addr[3:0] != '0 || {1'b0, addr} + {11'b0, blocks, 6'b0} > 33'(ScratchpadBytes));
  endfunction

  logic [15:0] count;
  logic signed [31:0] a_stride, b_stride, d_stride;
  logic [15:0] tail_count;
  logic [4:0] lanes;

  always_comb begin
    count = '0;
    a_stride = '0;
    b_stride = '0;
    d_stride = '0;
    tail_count = '0;
    lanes = '0;
    bad_word_d = '0;
    if (busy_q) begin
      unique case (step_q)
        3'd0: begin
          count = cmd_i.count0;
          a_stride = cmd_i.a_stride0;
          b_stride = cmd_i.b_stride0;
          d_stride = cmd_i.d_stride0;
        end
        3'd1: begin
          count = cmd_i.count1;
          a_stride = cmd_i.a_stride1;
          b_stride = cmd_i.b_stride1;
          d_stride = cmd_i.d_stride1;
        end
        3'd2: begin
          count = cmd_i.count2;
          a_stride = cmd_i.a_stride2;
          b_stride = cmd_i.b_stride2;
          d_stride = cmd_i.d_stride2;
        end
        3'd3: begin
          count = cmd_i.count3;
          a_stride = cmd_i.a_stride3;
          b_stride = cmd_i.b_stride3;
          d_stride = cmd_i.d_stride3;
        end
        3'd4: begin
          count = cmd_i.wcount0;
          a_stride = cmd_i.a_wstride0;
        end
        3'd5: begin
          count = cmd_i.wcount1;
          a_stride = cmd_i.a_wstride1;
        end
        default: begin
          unique case (cmd_i.tail_dim)
            2'd0: tail_count = cmd_i.count0;
            2'd1: tail_count = cmd_i.count1;
            2'd2: tail_count = cmd_i.count2;
            default: tail_count = cmd_i.count3;
          endcase
          lanes = cmd_i.lanes_last;
          if (tail_count > 16'd1 && cmd_i.lanes > cmd_i.lanes_last) lanes = cmd_i.lanes;
          if (outside(a_q, cmd_i.a_base, cmd_i.a_type, lanes)) bad_word_d = 5'd7;
          else if (cmd_i.b_type != VtypeNone && outside(
                  b_q, cmd_i.b_base, cmd_i.b_type, lanes
              )) begin
            bad_word_d = 5'd8;
          end else if (outside(d_q, cmd_i.d_base, cmd_i.d_type, lanes)) bad_word_d = 5'd9;
          else if (bad_vector(cmd_i.s_vector, cmd_i.s, cmd_i.count3)) bad_word_d = 5'd27;
          else if (bad_vector(cmd_i.t_vector, cmd_i.t, cmd_i.count3)) bad_word_d = 5'd28;
          else if (bad_vector(cmd_i.c_vector, cmd_i.c, cmd_i.count3)) bad_word_d = 5'd29;
        end
      endcase
    end
  end

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      busy_q <= 1'b0;
      checked_q <= 1'b0;
      step_q <= '0;
    end else if (start_i) begin
      busy_q <= sense_word_o == '0;
      checked_q <= 1'b0;
      step_q <= '0;
    end else if (busy_q) begin
      step_q <= step_q + 3'd1;
      if (step_q == StepLast) begin
        busy_q <= 1'b0;
        checked_q <= 1'b1;
      end
    end
  end

  // Set by start_i: unreset.
  always_ff @(posedge clk_i) begin
    if (start_i) begin
      a_q <= '0;
      b_q <= '0;
      d_q <= '0;
    end else if (busy_q) begin
      a_q <= reach(a_q, count, a_stride);
      b_q <= reach(b_q, count, b_stride);
      d_q <= reach(d_q, count, d_stride);
      bad_word_q <= bad_word_d;
    end
  end

  assign checked_o = checked_q;
  assign bad_word_o = bad_word_q;

  `ASSERT(CheckedNotBusy_A, !(checked_q && busy_q))

endmodule
