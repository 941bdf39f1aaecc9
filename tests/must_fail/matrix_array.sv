// matrix_array with a wrong product, for tests that must fail: where the simulation is told +fault=product,
// or Broken is set, the seventh row since reset has one sum, that of column 5, 4096 too large.
module matrix_array
  import systole_spec_pkg::*;
  import matrix_pkg::*;
#(
    parameter bit Broken = 1'b0
) (
    input  logic                              clk_i,
    input  logic                              rst_ni,
    input  logic                              row_valid_i,
    input  row_info_t                         row_info_i,
    input  logic               [       255:0] row_i       [    RowHalves],
    input  logic               [RowScaleBits-1:0] row_scales_i,
    input  logic               [ChunksPerBeat-1:0] load_valid_i,
    input  load_info_t                        load_info_i,
    input  logic               [ChunkBits-1:0] load_i     [ChunksPerBeat],
    input  logic                              swap_i,
    output logic                              valid_o,
    output logic signed        [        31:0] psum_o      [    ArrayCols]
);
  localparam int unsigned WrongRow = 6;
  localparam int unsigned WrongColumn = 5;
  localparam logic signed [31:0] WrongBy = 4096;

  logic broken;
  initial broken = Broken || $test$plusargs("fault=product") != 0;

  logic signed [31:0] psum[ArrayCols];
  logic [31:0] rows_q;

  matrix_array_right u_right (
    .psum_o(psum),
    .*
  );

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) rows_q <= '0;
    else if (valid_o) rows_q <= rows_q + 32'd1;
  end

  always_comb begin
    for (int unsigned c = 0; c < ArrayCols; c++) psum_o[c] = psum[c];
    if (broken && rows_q == WrongRow) psum_o[WrongColumn] = psum[WrongColumn] + WrongBy;
  end
endmodule
