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

  always_comb begin
    int unsigned n;
    logic [3:0] l;
    n = Lanes;
    for (int unsigned i = 0; i < n; i++) begin
      l = i[3:0];
      product_d[l] = fma_product(a_q[l], b_q[l]);
      addend_d[l] = fma_addend(a_q[l], b_q[l], c_q[l]);
      sum[l] = fma_sum(product_q[l], addend_q[l]);
      unique case (op_q)
        OpMax: result_d[l] = max(a_q[l], b_q[l]);
        OpMin: result_d[l] = min(a_q[l], b_q[l]);
        OpFromInt: result_d[l] = from_int(a_q[l]);
        OpToInt: result_d[l] = to_int(a_q[l]);
        OpQuantize: result_d[l] = quantize(a_q[l], zero_point_q, low_q, high_q);
        OpDivSelect: result_d[l] = div_select(a_q[l], b_q[l]);
        OpFma, OpMul, OpAdd: result_d[l] = sum[l];
        default: result_d[l] = sum[l];
      endcase
    end
  end

  assign result_o = result_q;
endmodule
