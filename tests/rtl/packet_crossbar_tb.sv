// packet_crossbar of 4 inputs and 3 outputs with ports that a test can drive.

module packet_crossbar_tb
  import systole_pkg::*;
(
    input logic clk_i,
    input logic rst_ni,

    input  logic  [3:0] valid_i,
    output logic  [3:0] ready_o,
    input  flit_t       flit_i  [4],
    input  logic  [1:0] select_i[4],

    output logic  [2:0] valid_o,
    input  logic  [2:0] ready_i,
    output flit_t       flit_o [3]
);

  packet_crossbar #(
    .N(4),
    .M(3)
  ) u_dut (
    .*
  );

endmodule
