// Reset synchronizer: reset is asserted at once, released with the clock.
//
// Contract: `rst_no` falls with `rst_ni` without a clock and rises at the second rising edge after `rst_ni`
// rose. `test_en_i` passes `rst_ni` through for scan.

module reset_sync (
    input  logic clk_i,
    input  logic rst_ni,
    input  logic test_en_i,
    output logic rst_no
);

  logic [1:0] released_q;

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) released_q <= '0;
    else released_q <= {released_q[0], 1'b1};
  end

  assign rst_no = test_en_i ? rst_ni : released_q[1];

endmodule
