// Clock gate: passes the next high phase of the clock when enabled.
//
// Contract: `en_i` is sampled while `clk_i` is low and held while it is high, so `clk_o` has no glitch and
// no shortened pulse. `test_en_i` opens the gate for scan.
// Latency: an enable set in one cycle lets the edge that ends that cycle through.

module clock_gate (
    input  logic clk_i,
    input  logic en_i,
    input  logic test_en_i,
    output logic clk_o
);

  logic en_latched;

  always_latch begin
    if (!clk_i) en_latched = en_i | test_en_i;
  end

  assign clk_o = clk_i & en_latched;

endmodule
