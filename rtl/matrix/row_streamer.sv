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
  // Loops, inner to outer.
  localparam int unsigned R0 = 0;
  localparam int unsigned R2 = 2;
  localparam int unsigned K0 = 3;
  localparam int unsigned N = 6;
  localparam int unsigned Loops = 7;

  logic next_valid_q;
  cmd_matmul_t next_q;

  // ------------------------------------------------------------- the command that is streamed
  logic valid_q;
  logic act_signed_q;
  row_mode_e mode_q;
  acc_init_e init_q;
  logic [5:0] len_q;
  logic [5:0] len_last_q;
  acc_row_t acc_nstride_q;
  spad_addr_t run_offset_q[4];
  spad_addr_t stride_q[Loops];
  logic [15:0] last_q[Loops];  // count - 1

  // Where it is: iterations left of each loop, and the address at which each loop's present
  // iteration starts; [R0] is the row's.
  logic [15:0] left_q[Loops];
  spad_addr_t addr_q[Loops];
  acc_row_t acc_row_q;
  acc_row_t acc_first_q;  // row 0 of this n
  logic first_kstep_q;
  logic block_q;  // rows of the block in use are left
  logic [3:0] got_q;

  // ----------------------------------------------------------------------------------- request
  logic active;
  logic [5:0] len;
  logic [3:0] need;
  logic [3:0] granted;
  assign block_take_o = valid_q && !block_q && block_full_i && !stop_i;
  assign active = valid_q && (block_q || block_take_o);
  assign len = left_q[K0] == 16'd0 ? len_last_q : len_q;

  always_comb begin
    unique case (mode_q)
      RowModeRun16x2: need = len > 6'd16 ? 4'b0011 : 4'b0001;
      RowModeRun8x4: need = {len > 6'd24, len > 6'd16, len > 6'd8, 1'b1};
      default: need = 4'b0001;
    endcase
  end

  assign act_req_o = active ? need & ~got_q : '0;
  assign act_mode_o = mode_q;
  always_comb begin
    for (int i = 0; i < 4; i++) act_addr_o[i] = addr_q[R0] + run_offset_q[i];
  end
  assign granted = act_req_o & act_gnt_i;
  assign row_done_o = active && act_req_o == granted;

  // -------------------------------------------------------------------------------- next row
  // The innermost loop with iterations left goes on; those inside it start again.
  logic [2:0] level;
  logic block_end;
  logic command_end;
  spad_addr_t next_addr;
  always_comb begin
    level = 3'(Loops);
    if (left_q[0] != '0) level = 3'd0;
    else begin
      for (int i = Loops - 1; i > 0; i--) begin
        if (left_q[i] != '0) level = 3'(i);
      end
    end
    next_addr = '0;
    for (int i = 0; i < Loops; i++) begin
      if (level == 3'(i)) next_addr = addr_q[i] + stride_q[i];
    end
  end
  assign block_end = level > 3'(R2);
  assign command_end = level == 3'(Loops);

  logic load;  // the next command becomes the one that is streamed
  assign load = next_valid_q && (!valid_q || (row_done_o && command_end)) && !stop_i;

  always_ff @(posedge clk_i) begin
    if (load) begin
      act_signed_q <= next_q.act_signed;
      mode_q <= next_q.row_mode;
      init_q <= next_q.init;
      len_q <= next_q.len;
      len_last_q <= next_q.len_last;
      acc_nstride_q <= next_q.acc_nstride;
      run_offset_q[0] <= '0;
      run_offset_q[1] <= next_q.run_stride[17:0];
      run_offset_q[2] <= next_q.run_stride[17:0] << 1;
      run_offset_q[3] <= (next_q.run_stride[17:0] << 1) + next_q.run_stride[17:0];
      stride_q[0] <= next_q.rstride0[17:0];
      stride_q[1] <= next_q.rstride1[17:0];
      stride_q[2] <= next_q.rstride2[17:0];
      stride_q[3] <= next_q.kstride0[17:0];
      stride_q[4] <= next_q.kstride1[17:0];
      stride_q[5] <= next_q.kstride2[17:0];
      stride_q[6] <= next_q.act_nstride[17:0];
      last_q[0] <= next_q.rcount0 - 16'd1;
      last_q[1] <= next_q.rcount1 - 16'd1;
      last_q[2] <= next_q.rcount2 - 16'd1;
      last_q[3] <= next_q.kcount0 - 16'd1;
      last_q[4] <= next_q.kcount1 - 16'd1;
      last_q[5] <= next_q.kcount2 - 16'd1;
      last_q[6] <= next_q.ncount - 16'd1;
      left_q[0] <= next_q.rcount0 - 16'd1;
      left_q[1] <= next_q.rcount1 - 16'd1;
      left_q[2] <= next_q.rcount2 - 16'd1;
      left_q[3] <= next_q.kcount0 - 16'd1;
      left_q[4] <= next_q.kcount1 - 16'd1;
      left_q[5] <= next_q.kcount2 - 16'd1;
      left_q[6] <= next_q.ncount - 16'd1;
      for (int i = 0; i < Loops; i++) addr_q[i] <= next_q.act[17:0];
      acc_row_q <= next_q.acc;
      acc_first_q <= next_q.acc;
      first_kstep_q <= 1'b1;
    end else if (row_done_o) begin
      if (level == 3'(R0)) begin  // most rows: kept apart, since it is the simulator's short way
        addr_q[R0] <= next_addr;
        left_q[R0] <= left_q[R0] - 16'd1;
      end else begin
        for (int i = 0; i < Loops; i++) begin
          if (level >= 3'(i)) addr_q[i] <= next_addr;
          if (level == 3'(i)) left_q[i] <= left_q[i] - 16'd1;
          if (level > 3'(i)) left_q[i] <= last_q[i];
        end
      end
      if (!block_end) begin
        acc_row_q <= acc_row_q + 9'd1;
      end else if (level == 3'(N)) begin
        acc_row_q <= acc_first_q + acc_nstride_q;
        acc_first_q <= acc_first_q + acc_nstride_q;
        first_kstep_q <= 1'b1;
      end else begin
        acc_row_q <= acc_first_q;
        first_kstep_q <= 1'b0;
      end
    end
    if (start_i && ready_o) next_q <= cmd_i;
  end

  // --------------------------------------------------------------------------------- control
  assign ready_o = !next_valid_q;
  assign busy_o = valid_q || next_valid_q;
  assign wants_row_o = active;

  always_ff @(posedge clk_i or negedge rst_ni) begin
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
      if (row_done_o && block_end) block_q <= 1'b0;
      if (row_done_o && command_end) valid_q <= 1'b0;
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
      row_info_o <= '{format: FormatInt8, is_signed: act_signed_q, len: {1'b0, len}};
      acc_row_o <= acc_row_q;
      base_o <= first_kstep_q ? init_q : AccInitAccumulate;
      last_o <= command_end;
    end
    if (block_take_o) swap_bias_o <= first_kstep_q && init_q == AccInitBias;
  end

  always_ff @(posedge clk_i or negedge rst_ni) begin
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

  `ASSERT(RequestHeld_A, !($past(rst_ni) && $past(act_req_o & ~act_gnt_i)
          != '0) || (act_req_o & $past(act_req_o & ~act_gnt_i)) == $past(act_req_o & ~act_gnt_i))
  `ASSERT(RowIsPart_A, !row_valid_o || part_o)
endmodule
