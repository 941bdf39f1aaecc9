// Fetches the weight blocks of Matmul commands, one block ahead of the rows, and the bias row of
// each n: 128 bytes a cycle, as eight chunks of 16.
//
// Contract
//   - A command starts when `start_i && idle_o`. Blocks come in the order of the loop nest; after the
//     four beats of the first block of an n its bias row (a fifth beat, of four chunks), where init
//     is Bias.
//   - `block_full_o`: every chunk of the next block is granted, so it is complete in the array in the
//     next cycle. The fetcher waits there until `block_take_i`, and asks for the block after in that
//     same cycle. So a block takes 4 (5) cycles when all chunks are granted, without a gap.
//   - A request is held until it is granted. `stop_i` ends after the beat that is asked for.
//   - Loads go to the array in the cycle after the grant, with the chunk's data from the scratchpad.
`include "assert.svh"

module weight_fetcher
  import systole_spec_pkg::*;
  import systole_pkg::*;
  import matrix_pkg::*;
(
    input logic clk_i,
    input logic rst_ni,

    // command
    input logic stop_i,
    input logic start_i,
    output logic idle_o,
    input cmd_matmul_t cmd_i,
    input logic [15:0] ksteps_i,

    // scratchpad
    output logic [ChunksPerBeat-1:0] wgt_req_o,
    output spad_addr_t wgt_addr_o[ChunksPerBeat],
    input logic [ChunksPerBeat-1:0] wgt_gnt_i,

    // array and bias register, in the cycle of the data
    output logic [ChunksPerBeat-1:0] load_valid_o,
    output load_info_t load_info_o,
    output logic [BiasChunks-1:0] bias_valid_o,

    // row streamer
    output logic block_full_o,
    input  logic block_take_i
);
  typedef logic [$clog2(WeightBeats+1)-1:0] beat_t;
  localparam beat_t LastWeightBeat = beat_t'(WeightBeats - 1);
  localparam beat_t BiasBeat = beat_t'(WeightBeats);

  // The command, as far as it is needed; addresses count modulo the scratchpad.
  typedef struct packed {
    logic columns;
    logic is_signed;
    logic with_bias;
    logic [15:0] last_kstep;
    spad_addr_t kstride;
    spad_addr_t nstride;
    spad_addr_t beat_stride;
  } config_t;

  logic valid_q;
  config_t config_q;
  spad_addr_t offset_q[ChunksPerBeat];  // of the chunks in a beat
  logic [15:0] ksteps_left_q;
  logic [15:0] n_left_q;
  spad_addr_t block_q;  // address of this block
  spad_addr_t n_block_q;  // address of the first block of this n
  spad_addr_t bias_q;

  logic full_q;
  beat_t beat_q;
  logic [ChunksPerBeat-1:0] got_q;  // or not part of this beat
  spad_addr_t addr_q[ChunksPerBeat];  // of the chunks of this beat

  // ----------------------------------------------------------------------------------- beats
  logic fetching;
  logic beat_done;
  logic block_done;
  logic first_of_n;
  logic bias_is_next;
  logic [ChunksPerBeat-1:0] granted;
  assign fetching = valid_q && (!full_q || block_take_i);
  assign wgt_req_o = fetching ? ~got_q : '0;
  assign wgt_addr_o = addr_q;
  assign granted = wgt_req_o & wgt_gnt_i;
  assign beat_done = fetching && &(got_q | granted);
  assign first_of_n = ksteps_left_q == config_q.last_kstep;
  assign bias_is_next = beat_q == LastWeightBeat && config_q.with_bias && first_of_n;
  assign block_done = beat_done && (beat_q == BiasBeat || (beat_q == LastWeightBeat && !bias_is_next));

  // ------------------------------------------------------------------------------- addresses
  logic new_n;
  spad_addr_t next_block;
  assign new_n = ksteps_left_q == 16'd0;
  assign next_block = new_n ? n_block_q + config_q.nstride : block_q + config_q.kstride;

  config_t start_config;
  spad_addr_t start_offset[ChunksPerBeat];
  always_comb begin
    start_config = '0;
    for (int unsigned i = 0; i < ChunksPerBeat; i++) start_offset[i] = '0;
    if (start_i) begin
      start_config.columns = cmd_i.weight_mode == WeightModeColumns;
      start_config.is_signed = cmd_i.wgt_signed;
      start_config.with_bias = cmd_i.init == AccInitBias;
      start_config.last_kstep = ksteps_i - 16'd1;
      start_config.kstride = cmd_i.wgt_kstride[17:0];
      start_config.nstride = cmd_i.wgt_nstride[17:0];
      unique case (cmd_i.weight_mode)
        WeightModeKRows: begin
          start_config.beat_stride = cmd_i.wgt_run[17:0] << 3;
          for (int unsigned i = 0; i < ChunksPerBeat; i++) begin
            start_offset[i] = 18'(i) * cmd_i.wgt_run[17:0];
          end
        end
        WeightModeColumns: begin
          start_config.beat_stride = cmd_i.wgt_run[17:0] << 2;
          for (int unsigned i = 0; i < ChunksPerBeat; i++) begin
            start_offset[i] = 18'(i / 2) * cmd_i.wgt_run[17:0] + 18'(16 * (i % 2));
          end
        end
        default: begin
          start_config.beat_stride = 18'd128;
          for (int unsigned i = 0; i < ChunksPerBeat; i++) start_offset[i] = 18'(16 * i);
        end
      endcase
    end
  end

  always_ff @(posedge clk_i) begin
    if (start_i && idle_o) begin
      config_q <= start_config;
      ksteps_left_q <= ksteps_i - 16'd1;
      n_left_q <= cmd_i.ncount - 16'd1;
      block_q <= cmd_i.wgt[17:0];
      n_block_q <= cmd_i.wgt[17:0];
      bias_q <= cmd_i.bias[17:0];
      for (int unsigned i = 0; i < ChunksPerBeat; i++) begin
        offset_q[i] <= start_offset[i];
        addr_q[i]   <= cmd_i.wgt[17:0] + start_offset[i];
      end
    end else if (block_done) begin
      block_q <= next_block;
      for (int unsigned i = 0; i < ChunksPerBeat; i++) addr_q[i] <= next_block + offset_q[i];
      ksteps_left_q <= new_n ? config_q.last_kstep : ksteps_left_q - 16'd1;
      if (new_n) begin
        n_block_q <= next_block;
        n_left_q  <= n_left_q - 16'd1;
        bias_q <= bias_q + 18'd64;
      end
    end else if (beat_done && bias_is_next) begin
      for (int unsigned i = 0; i < BiasChunks; i++) addr_q[i] <= bias_q + 18'(16 * i);
    end else if (beat_done) begin
      for (int unsigned i = 0; i < ChunksPerBeat; i++) begin
        addr_q[i] <= addr_q[i] + config_q.beat_stride;
      end
    end
  end

  // --------------------------------------------------------------------------------- control
  assign idle_o = !valid_q;
  assign block_full_o = full_q;

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      valid_q <= 1'b0;
      full_q  <= 1'b0;
      beat_q  <= '0;
      got_q   <= '0;
    end else begin
      if (start_i && idle_o) valid_q <= 1'b1;
      if (beat_done) got_q <= bias_is_next ? ~ChunksPerBeat'({BiasChunks{1'b1}}) : '0;
      else if (fetching) got_q <= got_q | granted;
      if (beat_done) beat_q <= block_done ? '0 : beat_q + beat_t'(1);
      if (block_take_i) full_q <= 1'b0;
      if (block_done) begin
        full_q <= 1'b1;
        if (new_n && n_left_q == 16'd0) valid_q <= 1'b0;
      end
      if (stop_i && (!fetching || beat_done)) begin
        valid_q <= 1'b0;
        full_q  <= 1'b0;
        beat_q  <= '0;
        got_q   <= '0;
      end
    end
  end

  // ----------------------------------------------------------------------------------- loads
  logic load_bias_q;
  logic [ChunksPerBeat-1:0] granted_q;
  load_info_t load_info_q;
  assign load_valid_o = load_bias_q ? '0 : granted_q;
  assign bias_valid_o = load_bias_q ? granted_q[BiasChunks-1:0] : '0;
  assign load_info_o  = load_info_q;

  always_ff @(posedge clk_i) begin
    if (fetching) begin
      load_bias_q <= beat_q == BiasBeat;
      load_info_q <= '{
          format: FormatInt8,
          part: PartWeights,
          columns: config_q.columns,
          is_signed: config_q.is_signed,
          beat: beat_q[$clog2(WeightBeats)-1:0]
      };
    end
  end

  always_ff @(posedge clk_i) begin
    if (!rst_ni) granted_q <= '0;
    else granted_q <= granted;
  end

  // Fields of a command that weights do not need.
  logic unused_fields;
  assign unused_fields = ^cmd_i;

  `ASSERT(TakeNeedsFull_A, !block_take_i || full_q)
endmodule
