// vector_lanes with a fault, for tests that must fail (fault.sv):
//   rounding   a quantized result is rounded up where it should be rounded down: the code of lane 5 of a group is
//              one too large
//   mute       quantized results are limited to 0, which lies there already where nothing was written; always
module vector_lanes
  import systole_spec_pkg::*;
  import systole_pkg::*;
  import fp32_pkg::*;
  import vector_pkg::*;
#(
    parameter int unsigned Results = 16,
    parameter bit Broken = 1'b0
) (
    input logic clk_i,
    input logic rst_ni,
    input cmd_vector_t cmd_i,
    input logic        scalars_i,
    input target_e                   a_to_i,
    input target_e                   b_to_i,
    input logic                      held_valid_i,
    input held_half_t                held_i,
    input logic              [255:0] va_rdata_i,
    input logic              [255:0] vb_rdata_i,
    input logic signed       [ 31:0] vacc_data_i [ArrayCols],
    input logic                      valid_i,
    input group_t                    group_i,
    output logic                       valid_o,
    input  logic [$clog2(Results)-1:0] result_i,
    input  logic [$clog2(Results)-1:0] read_i,
    input  logic                       read_high_i,
    input  logic                       read_valid_i,
    output logic [              255:0] read_o,
    output logic       busy_o,
    output logic [1:0] set_busy_o
);
  localparam int unsigned WrongLane = 5;

  logic broken;
  logic [31:0] at;
  fault #(
    .Name("rounding"),
    .At(2),
    .Always(Broken)
  ) u_fault_rounding (
    .on_o(broken),
    .at_o(at)
  );

  logic mute;
  fault #(
    .Name("mute"),
    .Never(Broken)
  ) u_fault_mute (
    .on_o(mute),
    .at_o()
  );
  cmd_vector_t cmd;
  always_comb begin
    cmd = cmd_i;
    if (mute) cmd.hi = '0;
  end

  logic [255:0] read;
  logic quantized;
  logic [31:0] reads_q;

  vector_lanes_right #(
    .Results(Results)
  ) u_right (
    .cmd_i(cmd),
    .read_o(read),
    .*
  );

  assign quantized = is_byte(cmd_i.d_type) && !read_high_i;

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) reads_q <= '0;
    else if (read_valid_i && quantized) reads_q <= reads_q + 32'd1;
  end

  always_comb begin
    read_o = read;
    if (broken && read_valid_i && quantized && reads_q == at)
      read_o[8*WrongLane+:8] = read[8*WrongLane+:8] + 8'd1;
  end
endmodule
