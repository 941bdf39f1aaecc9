// The multipliers: 16 columns, each a dot product of 32 lanes, weight-stationary.
//
// Contract
//   - A row that enters in cycle t leaves as 16 sums in cycle t + 2 (`valid_o`, `psum_o`); one row a
//     cycle, none is ever refused. Sums are INT32, wrapping; they are not accumulated here.
//   - A weight block is loaded beside the one in use, a beat of eight 16-byte chunks a cycle, each
//     chunk with its own valid. `swap_i` in cycle t makes the chunks that entered before t the
//     block of all rows that enter in t or later; rows before t keep the old one. Chunks that enter
//     in cycle t or later belong to the block after.
//   - Formats: INT8, s8 or u8 on either side. The port takes the largest of every format
//     (matrix_pkg); what INT8 does not use is ignored.
//   - A second organisation (a systolic grid) may take this module's place: only the latency is
//     known outside, as `Latency`.
//
// This module is the hot spot of a simulation, so it is written for the simulator as well: operands
// are 32-bit words extended when they are loaded, k is the outer loop and columns the inner, which
// compiles to one vector multiplication per k; and the private registers are assigned by blocking
// assignments, last stage first, in one process, which saves a copy of each (measured: README). To
// synthesis the upper 23 bits of an operand are copies of its sign.
`include "assert.svh"

module matrix_array
  import systole_spec_pkg::*;
  import matrix_pkg::*;
(
    input logic clk_i,
    input logic rst_ni,

    // rows
    input logic row_valid_i,
    input row_info_t row_info_i,
    input logic [255:0] row_i[RowHalves],
    input logic [RowScaleBits-1:0] row_scales_i,

    // the next weight block
    input logic [ChunksPerBeat-1:0] load_valid_i,
    input load_info_t load_info_i,
    input logic [ChunkBits-1:0] load_i[ChunksPerBeat],
    input logic swap_i,

    // sums of a row, Latency cycles after it
    output logic valid_o,
    output logic signed [31:0] psum_o[ArrayCols]
);
  // Chunks as they came: [beat][chunk]. Extended and, in Columns, transposed at the swap.
  logic [ChunkBits-1:0] shadow_q[WeightBeats][ChunksPerBeat];
  logic shadow_columns_q;
  logic shadow_signed_q;

  logic signed [31:0] weight_q[ArrayDepth][ArrayCols];
  logic signed [31:0] lane_q[ArrayDepth];
  logic lane_valid_q;

  // Datapath registers are not reset; the valid bits are.
  always_ff @(posedge clk_i) begin : p_datapath
    automatic logic signed [31:0] sum[ArrayCols];
    automatic logic [31:0] flip;

    // Stage 2: the products of the row in lane_q.
    if (lane_valid_q) begin
      for (int c = 0; c < ArrayCols; c++) sum[c] = 32'sd0;
      for (int k = 0; k < ArrayDepth; k++) begin
        for (int c = 0; c < ArrayCols; c++) sum[c] += lane_q[k] * weight_q[k][c];
      end
      psum_o <= sum;
    end

    // Stage 1: a row. Extension of b, signed: (b ^ 0x80) - 0x80; unsigned: (b ^ 0) - 0.
    if (row_valid_i) begin
      flip = row_info_i.is_signed ? 32'h80 : 32'h0;
      for (int k = 0; k < ArrayDepth; k++) begin
        lane_q[k] = {24'd0, row_i[0][8*k+:8] ^ flip[7:0]} - flip;
      end
      if (row_info_i.len != 7'(ArrayDepth)) begin
        for (int k = 0; k < ArrayDepth; k++) if (7'(k) >= row_info_i.len) lane_q[k] = 32'sd0;
      end
    end

    if (swap_i) begin
      flip = shadow_signed_q ? 32'h80 : 32'h0;
      if (shadow_columns_q) begin
        for (int k = 0; k < ArrayDepth; k++) begin
          for (int c = 0; c < ArrayCols; c++) begin
            weight_q[k][c] = {24'd0, shadow_q[c/4][2*(c%4)+k/16][8*(k%16)+:8] ^ flip[7:0]} - flip;
          end
        end
      end else begin
        for (int k = 0; k < ArrayDepth; k++) begin
          for (int c = 0; c < ArrayCols; c++) begin
            weight_q[k][c] = {24'd0, shadow_q[k/8][k%8][8*c+:8] ^ flip[7:0]} - flip;
          end
        end
      end
    end

    for (int i = 0; i < ChunksPerBeat; i++) begin
      if (load_valid_i[i]) shadow_q[load_info_i.beat][i] = load_i[i];
    end
    if (|load_valid_i) begin
      shadow_columns_q = load_info_i.columns;
      shadow_signed_q  = load_info_i.is_signed;
    end
  end

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      lane_valid_q <= 1'b0;
      valid_o <= 1'b0;
    end else begin
      lane_valid_q <= row_valid_i;
      valid_o <= lane_valid_q;
    end
  end

  // Ports of formats that are still to come.
  logic unused_formats;
  assign unused_formats = ^{row_i[1], row_scales_i};

  `ASSERT_WHEN(RowIsInt8_A, row_valid_i,
               (row_info_i.format == FormatInt8 && row_info_i.len inside {[7'd1 : 7'd32]}))
  `ASSERT(
      LoadIsInt8_A,
      load_valid_i == '0 || (load_info_i.format == FormatInt8 && load_info_i.part == PartWeights))
endmodule
