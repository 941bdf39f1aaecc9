// Walks the loop nest of Matmul commands and asks for one row of activations a cycle.
//
// Contract
//   - A command is taken when `start_i && ready_o`, also while the one before it streams: its first
//     row follows that one's last without a gap, when its first weight block is there.
//   - The rows of a block start when the block before has no row left and `block_full_i`; in that
//     cycle `block_take_o` is up. Requests never wait for a grant to be made; they are held until
//     granted, window by window. A row whose windows are all granted is done (`row_done_o`).
//   - In the cycle after the grant (the cycle of its data): `part_o`, some window came; `row_valid_o`,
//     the row is complete, with `row_info_o`, where it goes and from what it starts; `swap_o`, rows
//     from this cycle on belong to the next weight block; `last_o`, the last row of its command.
//   - `stop_i` ends after the row that is asked for, and drops the commands.
`include "assert.svh"

module row_streamer
  import systole_spec_pkg::*;
  import systole_pkg::*;
  import matrix_pkg::*;
(
    input logic clk_i,
    input logic rst_ni,

    // command
    input logic stop_i,
    input logic start_i,
    output logic ready_o,
    input cmd_matmul_t cmd_i,

    // weight fetcher
    input  logic block_full_i,
    output logic block_take_o,

    // scratchpad
    output logic [3:0] act_req_o,
    output spad_addr_t act_addr_o[4],
    output row_mode_e act_mode_o,
    input logic [3:0] act_gnt_i,

    // row, in the cycle of its data
    output logic part_o,
    output logic row_valid_o,
    output row_info_t row_info_o,
    output acc_row_t acc_row_o,
    output acc_init_e base_o,
    output logic last_o,
    output logic swap_o,
    output logic swap_bias_o,  // with swap_o: the block starts an n, its bias row comes into use

    // state of this cycle
    output logic busy_o,  // has a command
    output logic wants_row_o,
    output logic row_done_o
);
  logic next_valid_q;
  cmd_matmul_t next_q;

  // ------------------------------------------------------------- the command that is streamed
  logic valid_q;
  logic block_q;  // rows of the block in use are left
  logic [3:0] got_q;  // windows of the row that are granted

  typedef struct packed {
    logic is_signed;
    row_mode_e mode;
    acc_init_e init;
    logic [5:0] len;
    logic [5:0] len_last;
    spad_addr_t run_offset3;
    spad_addr_t run_offset2;
    spad_addr_t run_offset1;
  } config_t;
  config_t config_q;

  // The row that is asked for.
  spad_addr_t row_addr_q;
  acc_row_t acc_row_q;
  logic first_kstep_q;
  logic last_k0_q;
  logic block_end_q;
  logic command_end_q;

  // ----------------------------------------------------------------------------------- request
  logic active;
  logic load;  // the next command becomes the one that is streamed
  logic [5:0] len;
  logic [3:0] need;
  logic [3:0] granted;
  assign block_take_o = valid_q && !block_q && block_full_i && !stop_i;
  assign active = valid_q && (block_q || block_take_o);
  assign len = last_k0_q ? config_q.len_last : config_q.len;

  always_comb begin
    need = 4'b0001;
    if (config_q.mode == RowModeRun16x2) need[1] = len > 6'd16;
    if (config_q.mode == RowModeRun8x4) need[3:1] = {len > 6'd24, len > 6'd16, len > 6'd8};
  end

  assign act_req_o = active ? need & ~got_q : '0;
  assign act_mode_o = config_q.mode;
  assign act_addr_o[0] = row_addr_q;
  assign act_addr_o[1] = row_addr_q + config_q.run_offset1;
  assign act_addr_o[2] = row_addr_q + config_q.run_offset2;
  assign act_addr_o[3] = row_addr_q + config_q.run_offset3;
  assign granted = act_req_o & act_gnt_i;
  assign row_done_o = active && act_req_o == granted;
  assign load = next_valid_q && (!valid_q || (row_done_o && command_end_q)) && !stop_i;

  // ------------------------------------------------------------------------------ the loop nest
  // Walks one row ahead. Loops count inner to outer; of each, what is left of it and the address at
  // which its present iteration starts. They are assigned by blocking assignments: no other process
  // reads them, and a simulation saves a copy of each.
  localparam int unsigned R2 = 2;
  localparam int unsigned K0 = 3;
  localparam int unsigned N = 6;
  localparam int unsigned Loops = 7;

  logic [15:0] left_q[Loops];  // iterations after this one
  logic [15:0] last_q[Loops];  // count - 1
  spad_addr_t stride_q[Loops];
  spad_addr_t addr_q[Loops];
  acc_row_t acc_first_q;  // row 0 of this n
  acc_row_t acc_nstride_q;

  always_ff @(posedge clk_i) begin : p_nest
    automatic logic [2:0] level;
    automatic spad_addr_t addr;
    automatic acc_row_t acc_row;

    if (load) begin
      last_q[0] = next_q.rcount0 - 16'd1;
      last_q[1] = next_q.rcount1 - 16'd1;
      last_q[2] = next_q.rcount2 - 16'd1;
      last_q[3] = next_q.kcount0 - 16'd1;
      last_q[4] = next_q.kcount1 - 16'd1;
      last_q[5] = next_q.kcount2 - 16'd1;
      last_q[6] = next_q.ncount - 16'd1;
      stride_q[0] = next_q.rstride0[17:0];
      stride_q[1] = next_q.rstride1[17:0];
      stride_q[2] = next_q.rstride2[17:0];
      stride_q[3] = next_q.kstride0[17:0];
      stride_q[4] = next_q.kstride1[17:0];
      stride_q[5] = next_q.kstride2[17:0];
      stride_q[6] = next_q.act_nstride[17:0];
      acc_nstride_q = next_q.acc_nstride;
      acc_first_q = next_q.acc;
      for (int i = 0; i < Loops; i++) begin
        left_q[i] = last_q[i];
        addr_q[i] = next_q.act[17:0];
      end
      row_addr_q <= next_q.act[17:0];
      acc_row_q <= next_q.acc;
      first_kstep_q <= 1'b1;
    end else if (row_done_o && !command_end_q) begin
      // The innermost loop with iterations left goes on; those inside it start again.
      if (left_q[0] != '0) begin
        level = 3'd0;
        addr = addr_q[0] + stride_q[0];
        addr_q[0] = addr;
        left_q[0] = left_q[0] - 16'd1;
      end else begin
        level = 3'd1;
        for (int i = Loops - 1; i > 0; i--) if (left_q[i] != '0) level = 3'(i);
        addr = addr_q[level] + stride_q[level];
        left_q[level] = left_q[level] - 16'd1;
        for (int i = 0; i < Loops; i++) begin
          if (level >= 3'(i)) addr_q[i] = addr;
          if (level > 3'(i)) left_q[i] = last_q[i];
        end
      end
      row_addr_q <= addr;

      acc_row = acc_row_q + 9'd1;
      if (level == 3'(N)) acc_first_q = acc_first_q + acc_nstride_q;
      if (level > 3'(R2)) begin
        acc_row = acc_first_q;
        first_kstep_q <= level == 3'(N);
      end
      acc_row_q <= acc_row;
    end

    if (load || row_done_o) begin
      last_k0_q <= left_q[K0] == '0;
      block_end_q <= (left_q[0] | left_q[1] | left_q[2]) == '0;
      command_end_q <= (left_q[0] | left_q[1] | left_q[2] | left_q[3] | left_q[4] | left_q[5] |
                        left_q[6]) == '0;
    end
  end

  always_ff @(posedge clk_i) begin
    if (load) begin
      config_q <= '{
          is_signed: next_q.act_signed,
          mode: next_q.row_mode,
          init: next_q.init,
          len: next_q.len,
          len_last: next_q.len_last,
          run_offset3: (next_q.run_stride[17:0] << 1) + next_q.run_stride[17:0],
          run_offset2: next_q.run_stride[17:0] << 1,
          run_offset1: next_q.run_stride[17:0]
      };
    end
    if (start_i && ready_o) next_q <= cmd_i;
  end

  // --------------------------------------------------------------------------------- control
  assign ready_o = !next_valid_q;
  assign busy_o = valid_q || next_valid_q;
  assign wants_row_o = active;

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      next_valid_q <= 1'b0;
      valid_q <= 1'b0;
      block_q <= 1'b0;
      got_q <= '0;
    end else begin
      if (load) next_valid_q <= 1'b0;
      if (start_i && ready_o) next_valid_q <= 1'b1;
      if (active) got_q <= row_done_o ? '0 : got_q | granted;
      if (block_take_o) block_q <= 1'b1;
      if (row_done_o && block_end_q) block_q <= 1'b0;
      if (row_done_o && command_end_q) valid_q <= 1'b0;
      if (load) valid_q <= 1'b1;
      if (stop_i) begin
        next_valid_q <= 1'b0;
        if (!active || row_done_o) begin
          valid_q <= 1'b0;
          block_q <= 1'b0;
        end
      end
    end
  end

  // ------------------------------------------------------------------- the cycle of the data
  always_ff @(posedge clk_i) begin
    if (row_done_o) begin
      row_info_o <= '{format: FormatInt8, is_signed: config_q.is_signed, len: {1'b0, len}};
      acc_row_o <= acc_row_q;
      base_o <= first_kstep_q ? config_q.init : AccInitAccumulate;
      last_o <= command_end_q;
    end
    if (block_take_o) swap_bias_o <= first_kstep_q && config_q.init == AccInitBias;
  end

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      part_o <= 1'b0;
      row_valid_o <= 1'b0;
      swap_o <= 1'b0;
    end else begin
      part_o <= granted != '0;
      row_valid_o <= row_done_o;
      swap_o <= block_take_o;
    end
  end

  // Fields of a command that rows do not need.
  logic unused_fields;
  assign unused_fields = ^next_q;

  logic [3:0] refused_q;
  always_ff @(posedge clk_i) begin
    if (!rst_ni) refused_q <= '0;
    else refused_q <= act_req_o & ~act_gnt_i;
  end
  `ASSERT(RequestHeld_A, (refused_q & ~act_req_o) == '0)
endmodule
