// Test wrapper of fp32_pkg: 16 lanes of one operation at a time.
//
// Operands are registered, so are the two stages of the fused multiply-add: a result is in result_o
// 3 cycles after its operands, 2 for the other operations. op_i and the operands are held meanwhile.
module fp32_pkg_tb
  import fp32_pkg::*;
(
    input logic clk_i,

    input logic [3:0]  op_i,
    input logic [31:0] a_i[Lanes],
    input logic [31:0] b_i[Lanes],
    input logic [31:0] c_i[Lanes],

    // For quantize, of a_i
    input logic [31:0] zero_point_i,
    input logic [31:0] low_i,
    input logic [31:0] high_i,

    output logic [31:0] result_o[Lanes]
);
  localparam logic [3:0] OpFma = 0;
  localparam logic [3:0] OpMax = 1;
  localparam logic [3:0] OpMin = 2;
  localparam logic [3:0] OpFromInt = 3;
  localparam logic [3:0] OpToInt = 4;
  localparam logic [3:0] OpQuantize = 5;
  localparam logic [3:0] OpDivSelect = 6;
  localparam logic [3:0] OpMul = 7;
  localparam logic [3:0] OpAdd = 8;

  logic [3:0]   op_q;
  logic [31:0]  a_q[Lanes];
  logic [31:0]  b_q[Lanes];
  logic [31:0]  c_q[Lanes];
  logic [31:0] zero_point_q, low_q, high_q;
  fma_product_t product_d[Lanes], product_q[Lanes];
  logic [31:0] addend_d[Lanes], addend_q[Lanes];
  logic [31:0] sum[Lanes];
  logic [31:0] result_d[Lanes], result_q[Lanes];

  always_ff @(posedge clk_i) begin
    op_q         <= op_i;
    a_q          <= a_i;
    b_q          <= op_i == OpAdd ? '{default: PlusOne} : b_i;
    c_q          <= op_i == OpMul ? '{default: MinusZero} : op_i == OpAdd ? b_i : c_i;
    zero_point_q <= zero_point_i;
    low_q        <= low_i;
    high_q       <= high_i;
    product_q    <= product_d;
    addend_q     <= addend_d;
    result_q     <= result_d;
  end

  always_comb fma_s1_lanes(a_q, b_q, c_q, product_d, addend_d);
  always_comb fma_s2_lanes(product_q, addend_q, sum);

  always_comb begin
    result_d = sum;
    unique case (op_q)
      OpMax:       max_lanes(a_q, b_q, result_d);
      OpMin:       min_lanes(a_q, b_q, result_d);
      OpFromInt:   from_int_lanes(a_q, result_d);
      OpToInt:     to_int_lanes(a_q, result_d);
      OpQuantize:  quantize_lanes(a_q, zero_point_q, low_q, high_q, result_d);
      OpDivSelect: div_select_lanes(a_q, b_q, result_d);
      OpFma, OpMul, OpAdd: ;
      default: ;
    endcase
  end

  assign result_o = result_q;
endmodule
