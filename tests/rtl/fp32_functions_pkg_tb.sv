// Test wrapper of fp32_functions_pkg: 16 lanes, a new operand in each every cycle. The operand and the
// three stages are registered: a result is in result_o 4 cycles after its operand. op_i is held.
module fp32_functions_pkg_tb
  import fp32_pkg::*;
  import fp32_functions_pkg::*;
(
    input logic clk_i,

    input  logic [ 1:0] op_i,
    input  logic [31:0] x_i     [Lanes],
    output logic [31:0] result_o[Lanes]
);
  localparam logic [1:0] OpExp2 = 0;
  localparam logic [1:0] OpRecip = 1;

  logic [31:0] x_q[Lanes];
  argument_t argument_d[Lanes], argument1_q[Lanes], argument2_q[Lanes];
  value_t value_d[Lanes], value_q[Lanes], exact[Lanes];
  logic [31:0] result_d[Lanes], result_q[Lanes];

  always_ff @(posedge clk_i) begin
    x_q         <= x_i;
    argument1_q <= argument_d;
    argument2_q <= argument1_q;
    value_q     <= value_d;
    result_q    <= result_d;
  end

  always_comb begin
    int unsigned n;
    logic [3:0] l;
    n = Lanes;
    for (int unsigned i = 0; i < n; i++) begin
      l = i[3:0];
      unique case (op_i)
        OpExp2:  argument_d[l] = exp2_argument(x_q[l]);
        OpRecip: argument_d[l] = recip_argument(x_q[l]);
        default: argument_d[l] = rsqrt_argument(x_q[l]);
      endcase
      value_d[l] = segment_value(argument1_q[l].point);
      exact[l] = value_q[l];
      if (op_i == OpRecip) exact[l] = recip_value(argument2_q[l].point, value_q[l][51:26]);
      result_d[l] = round_value(argument2_q[l].outcome, exact[l]);
    end
  end

  assign result_o = result_q;
endmodule
