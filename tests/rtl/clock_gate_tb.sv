// A counter behind the gate, and the clock as the tests' Dut drives it.
module clock_gate_tb (
    input  logic clk_i,
    input  logic rst_ni,
    input  logic en_i,
    input  logic test_en_i,
    output logic clk_o,
    output logic [7:0] count_o
);

  clock_gate u_clock_gate (.*);

  always_ff @(posedge clk_o or negedge rst_ni) begin
    if (!rst_ni) count_o <= '0;
    else count_o <= count_o + 1'b1;
  end

endmodule
