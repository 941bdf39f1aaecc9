// unit_counters with a lost cycle, for tests that must fail: where the simulation is told +fault=counter, or Broken
// is set, one busy cycle of the matrix unit is in no state that is counted.
module unit_counters
  import systole_spec_pkg::*;
#(
    parameter unit_e Unit = UnitLoad,
    parameter bit Broken = 1'b0
) (
    input  logic                            clk_i,
    input  logic                            rst_ni,
    input  unit_state_e                     state_i,
    input  logic        [NumSemaphores-1:0] take_mask_i,
    input  logic        [NumSemaphores-1:0] sem_nonzero_i,
    input  logic                            read_i,
    input  logic        [              6:0] word_i,
    output logic        [             31:0] count_o
);
  localparam int unsigned LostCycle = 10;

  logic broken;
  initial broken = Broken || (Unit == UnitMatrix && $test$plusargs("fault=counter") != 0);

  unit_state_e state;
  logic [31:0] busy_q;

  unit_counters_right #(
    .Unit(Unit)
  ) u_right (
    .state_i(state),
    .*
  );

  always_ff @(posedge clk_i) begin
    if (!rst_ni) busy_q <= '0;
    else if (state_i == UnitStateBusy) busy_q <= busy_q + 32'd1;
  end

  assign state = broken && busy_q == LostCycle && state_i == UnitStateBusy ? unit_state_e'(4'd15) : state_i;

  // Under the names by which the simulation reads them.
  logic [31:0] count_q[16];
  logic [31:0] wait_q[16];
  assign count_q = u_right.count_q;
  assign wait_q  = u_right.wait_q;
endmodule
