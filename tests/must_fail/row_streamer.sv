// row_streamer with a fault, for tests that must fail (fault.sv):
//   accumulator   a row goes to the accumulator row behind its own; the 21st row since reset, where nothing
//                 else is told, and where Broken is set
module row_streamer
  import systole_spec_pkg::*;
  import systole_pkg::*;
  import matrix_pkg::*;
#(
    parameter bit Broken = 1'b0
) (
    input logic clk_i,
    input logic rst_ni,
    input logic stop_i,
    input logic start_i,
    output logic ready_o,
    input cmd_matmul_t cmd_i,
    input  logic block_full_i,
    output logic block_take_o,
    output logic [3:0] act_req_o,
    output spad_addr_t act_addr_o[4],
    output row_mode_e act_mode_o,
    input logic [3:0] act_gnt_i,
    output logic part_o,
    output logic row_valid_o,
    output row_info_t row_info_o,
    output acc_row_t acc_row_o,
    output acc_init_e base_o,
    output logic last_o,
    output logic swap_o,
    output logic swap_bias_o,
    output logic busy_o,
    output logic wants_row_o,
    output logic row_done_o
);
  logic broken;
  logic [31:0] at;
  fault #(
    .Name("accumulator"),
    .At(20),
    .Always(Broken)
  ) u_fault_accumulator (
    .on_o(broken),
    .at_o(at)
  );

  acc_row_t acc_row;
  logic [31:0] rows_q;

  row_streamer_right u_right (
    .acc_row_o(acc_row),
    .*
  );

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) rows_q <= '0;
    else if (row_valid_o) rows_q <= rows_q + 32'd1;
  end

  assign acc_row_o = broken && rows_q == at ? acc_row + 9'd1 : acc_row;
endmodule
