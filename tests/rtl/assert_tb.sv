// A register with a claim that its input can break: shows that assertions and covers take effect.

`include "assert.svh"

module assert_tb (
    input  logic clk_i,
    input  logic rst_ni,
    input  logic [3:0] value_i,
    output logic [3:0] value_q_o
);

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) value_q_o <= '0;
    else value_q_o <= value_i;
  end

  `ASSERT(NeverFifteen_A, value_q_o != 4'hf)
  `ASSERT(StepsByOne_A, value_q_o == $past(value_q_o) || value_q_o == $past(value_q_o) + 1'b1)
  `COVER(Seven_C, value_q_o == 4'd7)

endmodule
