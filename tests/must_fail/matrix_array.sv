// matrix_array with faults, for tests that must fail (fault.sv):
//   product   the sum of column 5 of a row is 4096 too large; the seventh row since reset, where nothing else
//             is told, and where Broken is set
//   weights   a swap of the weight banks is lost: rows go on against the old block
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
  localparam int unsigned WrongColumn = 5;
  localparam logic signed [31:0] WrongBy = 4096;

  logic product, weights;
  logic [31:0] at;
  fault #(
    .Name("product"),
    .At(6),
    .Always(Broken)
  ) u_fault_product (
    .on_o(product),
    .at_o(at)
  );
  fault #(
    .Name("weights"),
    .At(6),
    .Never(Broken)
  ) u_fault_weights (
    .on_o(weights),
    .at_o()
  );

  logic signed [31:0] psum[ArrayCols];
  logic swap;
  logic [31:0] rows_q, swaps_q;

  matrix_array_right u_right (
    .psum_o(psum),
    .swap_i(swap),
    .*
  );

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) begin
      rows_q  <= '0;
      swaps_q <= '0;
    end else begin
      if (valid_o) rows_q <= rows_q + 32'd1;
      if (swap_i) swaps_q <= swaps_q + 32'd1;
    end
  end

  assign swap = swap_i && !(weights && swaps_q == at);

  always_comb begin
    for (int unsigned c = 0; c < ArrayCols; c++) psum_o[c] = psum[c];
    if (product && rows_q == at) psum_o[WrongColumn] = psum[WrongColumn] + WrongBy;
  end
endmodule
