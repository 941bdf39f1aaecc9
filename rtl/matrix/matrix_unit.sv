// The matrix unit of a tile: runs Matmul commands out of the scratchpad into the accumulators.
//
// Two processes that only meet at the weight block: the weight fetcher is a block ahead of the row
// streamer, also across commands, so back-to-back commands stream without a gap.
//
//   cmd -> matmul_check -> weight_fetcher --wgt--> matrix_array (next block)
//                      \-> row_streamer ---act---> matrix_array -> accumulators <- vector
//
//   cycle   0            1                2            3                 4
//   row     act_req/gnt  act_rdata, array products     sum added, write  done_o (last row)
//
// Contract
//   - Sequencer: a command is taken when `cmd_valid_i && cmd_ready_o` (a register's). `done_o` is up
//     for one cycle a command, in order; all that the command writes is in the accumulators in that
//     cycle, and no row of a later command has passed one of an earlier. A bad command (matmul_check)
//     is reported by one cycle of `fault_valid_o` when all before it are done; it accesses nothing.
//   - `abort_i`: no further done or fault; what is asked for is still fetched and may be written;
//     then `busy_o` falls.
//   - Scratchpad: a request comes from registers, is held until granted, and grants come in its
//     cycle. Data come in the next cycle. act: window i of a row at its lanes, lanes of windows not
//     granted in that cycle 0. wgt: eight chunks at multiples of 16.
//   - Vector: a read of an accumulator row is granted in the cycle of the request unless a row is
//     read in the same half; data in the next cycle, for that cycle only.
//   - `state_o` counts this cycle: Busy, a row was granted; Scratchpad, a row or the weights waited
//     for were refused; Operand, the weights or the bias that the rows wait for are on their way; Drain,
//     only the last rows are under way; Fetch, the command is being checked; NoWork.
// Latency: 15 cycles from a command taken at rest to its first row (10 of checks, 4 for the first weight
// block), then a row a cycle, 4 from the last row to `done_o`; of back-to-back commands only the rows.
`include "assert.svh"

module matrix_unit
  import systole_spec_pkg::*;
  import systole_pkg::*;
  import matrix_pkg::*;
(
    input logic clk_i,
    input logic rst_ni,

    // sequencer
    input logic cmd_valid_i,
    output logic cmd_ready_o,
    input command_t cmd_i,
    output logic done_o,
    output logic fault_valid_o,
    output unit_fault_t fault_o,
    output unit_state_e state_o,
    input logic abort_i,
    output logic busy_o,

    // scratchpad: rows of activations
    output logic [3:0] act_req_o,
    output spad_addr_t act_addr_o[4],
    output row_mode_e act_mode_o,
    input logic [3:0] act_gnt_i,
    input logic [255:0] act_rdata_i,

    // scratchpad: weights and bias
    output logic [ChunksPerBeat-1:0] wgt_req_o,
    output spad_addr_t wgt_addr_o[ChunksPerBeat],
    input logic [ChunksPerBeat-1:0] wgt_gnt_i,
    input logic [ChunkBits-1:0] wgt_rdata_i[ChunksPerBeat],

    // vector unit: rows of accumulators
    input logic vacc_req_i,
    input acc_row_t vacc_row_i,
    output logic vacc_gnt_o,
    output logic signed [31:0] vacc_data_o[ArrayCols]
);
  logic stop;
  logic stopping_q;
  assign stop = abort_i || stopping_q;

  // ----------------------------------------------------------------------------------- command
  logic checked_valid;
  logic take;
  logic check_busy;
  logic fetcher_idle;
  logic streamer_ready;
  logic pipeline_busy;
  logic quiet;
  cmd_matmul_t checked;
  logic [15:0] ksteps;
  assign take = checked_valid && fetcher_idle && streamer_ready;

  matmul_check u_check (
    .clk_i,
    .rst_ni,
    .cmd_valid_i,
    .cmd_ready_o,
    .cmd_i,
    .fault_valid_o,
    .fault_o,
    .stop_i(stop),
    .quiet_i(quiet),
    .checked_valid_o(checked_valid),
    .take_i(take),
    .checked_o(checked),
    .ksteps_o(ksteps),
    .busy_o(check_busy)
  );

  // --------------------------------------------------------------------------- weights and rows
  logic [ChunksPerBeat-1:0] load_valid;
  load_info_t load_info;
  logic [BiasChunks-1:0] bias_load_valid;
  logic block_full;
  logic block_take;

  weight_fetcher u_weights (
    .clk_i,
    .rst_ni,
    .stop_i(stop),
    .start_i(take),
    .idle_o(fetcher_idle),
    .cmd_i(checked),
    .ksteps_i(ksteps),
    .wgt_req_o,
    .wgt_addr_o,
    .wgt_gnt_i,
    .load_valid_o(load_valid),
    .load_info_o(load_info),
    .bias_valid_o(bias_load_valid),
    .block_full_o(block_full),
    .block_take_i(block_take)
  );

  logic part;
  logic row_valid;
  row_info_t row_info;
  acc_row_t acc_row;
  acc_init_e base;
  logic last;
  logic swap;
  logic swap_bias;
  logic streamer_busy;
  logic wants_row;
  logic row_done;

  row_streamer u_rows (
    .clk_i,
    .rst_ni,
    .stop_i(stop),
    .start_i(take),
    .ready_o(streamer_ready),
    .cmd_i(checked),
    .block_full_i(block_full),
    .block_take_o(block_take),
    .act_req_o,
    .act_addr_o,
    .act_mode_o,
    .act_gnt_i,
    .part_o(part),
    .row_valid_o(row_valid),
    .row_info_o(row_info),
    .acc_row_o(acc_row),
    .base_o(base),
    .last_o(last),
    .swap_o(swap),
    .swap_bias_o(swap_bias),
    .busy_o(streamer_busy),
    .wants_row_o(wants_row),
    .row_done_o(row_done)
  );

  // Windows of a row that were granted earlier than the others wait here.
  logic merging_q;
  logic [255:0] merge_q;
  logic [255:0] row[RowHalves];
  assign row[0] = merging_q ? act_rdata_i | merge_q : act_rdata_i;
  assign row[1] = '0;

  always_ff @(posedge clk_i) if (part && !row_valid) merge_q <= row[0];

  always_ff @(posedge clk_i) begin
    if (!rst_ni) merging_q <= 1'b0;
    else if (part) merging_q <= !row_valid;
  end

  // ----------------------------------------------------------------------- array, accumulators
  logic psum_valid;
  logic signed [31:0] psum[ArrayCols];

  matrix_array u_array (
    .clk_i,
    .rst_ni,
    .row_valid_i(row_valid),
    .row_info_i(row_info),
    .row_i(row),
    .row_scales_i('0),
    .load_valid_i(load_valid),
    .load_info_i(load_info),
    .load_i(wgt_rdata_i),
    .swap_i(swap),
    .valid_o(psum_valid),
    .psum_o(psum)
  );

  // The row's way beside the array: cycle 2 and 3 of the diagram.
  logic row2_valid_q, row2_last_q, row3_last_q;
  acc_row_t row2_q;
  acc_init_e base2_q;
  logic swap_bias2_q;

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      row2_valid_q <= 1'b0;
      row2_last_q  <= 1'b0;
      row3_last_q  <= 1'b0;
      swap_bias2_q <= 1'b0;
      done_o <= 1'b0;
    end else begin
      row2_valid_q <= row_valid;
      row2_last_q <= row_valid && last;
      row3_last_q <= row2_last_q;
      swap_bias2_q <= swap && swap_bias;
      done_o <= row3_last_q && !stop;
    end
  end

  always_ff @(posedge clk_i) begin
    if (row_valid) begin
      row2_q  <= acc_row;
      base2_q <= base;
    end
  end

  // The bias row of the next n is loaded beside the one in use; it comes into use with the rows.
  logic [ChunkBits*BiasChunks-1:0] next_bias;
  logic [ChunkBits*BiasChunks-1:0] bias_q;

  for (genvar i = 0; i < BiasChunks; i++) begin : gen_bias
    logic [ChunkBits-1:0] chunk_q;
    always_ff @(posedge clk_i) if (bias_load_valid[i]) chunk_q <= wgt_rdata_i[i];
    assign next_bias[ChunkBits*i+:ChunkBits] = chunk_q;
  end

  always_ff @(posedge clk_i) if (swap_bias2_q) bias_q <= next_bias;

  accumulators u_accumulators (
    .clk_i,
    .rst_ni,
    .row_valid_i(row2_valid_q),
    .row_i(row2_q),
    .base_i(base2_q),
    .psum_i(psum),
    .bias_i(bias_q),
    .vacc_req_i,
    .vacc_row_i,
    .vacc_gnt_o,
    .vacc_data_o
  );

  // --------------------------------------------------------------------------- state and abort
  assign pipeline_busy = row_valid || part || row2_valid_q || psum_valid;
  assign quiet = fetcher_idle && !streamer_busy && !pipeline_busy && !done_o;
  assign busy_o = check_busy || !quiet;

  always_comb begin
    if (wants_row) state_o = row_done ? UnitStateBusy : UnitStateScratchpad;
    else if ((wgt_req_o & ~wgt_gnt_i) != '0) state_o = UnitStateScratchpad;
    else if (streamer_busy || !fetcher_idle) state_o = UnitStateOperand;
    else if (pipeline_busy || done_o) state_o = UnitStateDrain;
    else if (check_busy) state_o = UnitStateFetch;
    else state_o = UnitStateNoWork;
  end

  always_ff @(posedge clk_i) begin
    if (!rst_ni) stopping_q <= 1'b0;
    else stopping_q <= stop && busy_o;
  end

  logic row3_valid_q;
  always_ff @(posedge clk_i) begin
    if (!rst_ni) row3_valid_q <= 1'b0;
    else row3_valid_q <= row2_valid_q;
  end

  `ASSERT(StateOfWork_A, (state_o == UnitStateNoWork) == !busy_o)
  `ASSERT(PsumMeetsRow_A, psum_valid == row3_valid_q)
  `ASSERT(DoneOrFault_A, !(done_o && fault_valid_o))
endmodule
