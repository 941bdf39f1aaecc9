// 512 rows of 16 x 32 bits in two halves, row[8], so that draining one overlaps with filling the
// other. Each half has one read and one write port.
//
// Contract
//   - Matrix path: `row_valid_i` in cycle t names a row and what it starts from; its sums come in
//     cycle t + 1 (`psum_i`, and `bias_i` where it starts from the bias) and are in the memory from
//     cycle t + 2 on. One row a cycle; the same row in consecutive cycles accumulates right.
//   - Vector path: a read that is granted in cycle t has its data in cycle t + 1, for that cycle
//     only, and sees every row whose sums came in cycle t or before. The matrix path goes first: in
//     a half where it reads (base Accumulate) in this cycle, the vector is not granted.
//   - Sums are INT32, wrapping.
//
// Memory: column c of a row in bits 32*c +: 32 of `mem_q[row]`, which the simulation may read.
`include "assert.svh"

module accumulators
  import systole_spec_pkg::*;
  import systole_pkg::*;
(
    input logic clk_i,
    input logic rst_ni,

    // matrix path
    input logic row_valid_i,
    input acc_row_t row_i,
    input acc_init_e base_i,
    input logic signed [31:0] psum_i[ArrayCols],  // a cycle later
    input logic [32*ArrayCols-1:0] bias_i,  // a cycle later

    // vector path
    input logic vacc_req_i,
    input acc_row_t vacc_row_i,
    output logic vacc_gnt_o,
    output logic signed [31:0] vacc_data_o[ArrayCols]
);
  localparam int unsigned RowBits = 32 * ArrayCols;

  logic [RowBits-1:0] mem_q[AccRows]  /*verilator public_flat_rd*/;
  logic [RowBits-1:0] read_q;  // the row as it was before its sums

  logic valid_q;
  acc_row_t row_q;
  acc_init_e base_q;

  logic row_reads;
  assign row_reads  = row_valid_i && base_i == AccInitAccumulate;
  assign vacc_gnt_o = vacc_req_i && !(row_reads && row_i[8] == vacc_row_i[8]);

  // The write is a blocking assignment before the reads of the same cycle: a write-first memory,
  // which is all the forwarding that back-to-back accumulation into one row needs. The two reads are
  // never in the same half.
  always_ff @(posedge clk_i) begin : p_memory
    if (valid_q) begin
      for (int c = 0; c < ArrayCols; c++) begin
        if (base_q == AccInitZero) mem_q[row_q][32*c+:32] = psum_i[c];
        else if (base_q == AccInitBias) mem_q[row_q][32*c+:32] = bias_i[32*c+:32] + psum_i[c];
        else mem_q[row_q][32*c+:32] = read_q[32*c+:32] + psum_i[c];
      end
    end
    if (row_reads) read_q <= mem_q[row_i];
    if (vacc_gnt_o) begin
      for (int c = 0; c < ArrayCols; c++) vacc_data_o[c] <= mem_q[vacc_row_i][32*c+:32];
    end
  end

  always_ff @(posedge clk_i) begin
    if (row_valid_i) begin
      row_q  <= row_i;
      base_q <= base_i;
    end
  end

  always_ff @(posedge clk_i) begin
    if (!rst_ni) valid_q <= 1'b0;
    else valid_q <= row_valid_i;
  end

  `ASSERT_WHEN(BaseIsLegal_A, row_valid_i,
               base_i inside {AccInitZero, AccInitBias, AccInitAccumulate})
endmodule
