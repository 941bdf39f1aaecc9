// Takes a Matmul command and checks its operands before anything of it is accessed.
//
// Contract
//   - One command at a time: taken when `cmd_valid_i && cmd_ready_o`; ten cycles later it is offered
//     (`checked_valid_o`, with `checked_o`) until `take_i`, or it is bad.
//   - A bad command is reported once all commands before it have retired (`quiet_i`): one cycle of
//     `fault_valid_o`, code Operand, info the word at fault. Then the next command may come.
//   - Legal: known modes; len and len_last 1..32; counts at least 1; at most 256 rows and 65535 k
//     steps; rows inside the accumulators; wgt, its strides and bias multiples of 16; every window
//     of the nest at its full 32 lanes, every weight block and every bias row inside the scratchpad.
//     Sums are exact: an address that would wrap is outside.
//   - `stop_i` drops the command.
// Two multipliers, one step a cycle: the operand spans of the nest, and the products of counts.
`include "assert.svh"

module matmul_check
  import systole_spec_pkg::*;
  import systole_pkg::*;
(
    input logic clk_i,
    input logic rst_ni,

    // sequencer
    input logic cmd_valid_i,
    output logic cmd_ready_o,
    input command_t cmd_i,
    output logic fault_valid_o,
    output unit_fault_t fault_o,

    // weight fetcher and row streamer
    input logic stop_i,
    input logic quiet_i,
    output logic checked_valid_o,
    input logic take_i,
    output cmd_matmul_t checked_o,
    output logic [15:0] ksteps_o,

    output logic busy_o
);
  typedef enum logic [2:0] {
    Empty,
    Multiply,
    Judge,
    Good,
    Bad
  } state_e;

  // Wide enough for any sum of the nest: 8 products of 33 x 17 bits.
  typedef logic signed [53:0] wide_t;
  localparam wide_t ScratchpadEnd = 54'(ScratchpadBytes);

  state_e state_q;
  logic [2:0] step_q;
  cmd_matmul_t cmd_q;

  wide_t act_low_q, act_high_q;
  wide_t wgt_low_q, wgt_high_q;
  logic [31:0] product_q;  // of the first two counts
  logic rows_fit_q;
  logic ksteps_fit_q;
  logic [8:0] rows_q;
  logic [15:0] ksteps_q;
  wide_t acc_reach_q;
  logic [4:0] word_q;  // at fault

  // --------------------------------------------------------------------------------- multiply
  // count - 1 times stride: how far a dimension of the nest reaches.
  logic [15:0] act_count;
  logic signed [31:0] act_stride;
  wide_t act_reach;
  logic signed [32:0] factor;
  logic signed [16:0] times;
  wide_t product;

  logic [15:0] last_run;  // of a row
  assign last_run = cmd_q.row_mode == RowModeRun32 ? 16'd0 :
                    cmd_q.row_mode == RowModeRun16x2 ? 16'd1 : 16'd3;

  always_comb begin
    act_count = 16'd0;
    act_stride = 32'sd0;
    factor = 33'sd0;
    times = 17'sd0;
    act_reach = '0;
    product = '0;
    if (state_q == Multiply) begin
      unique case (step_q)
        3'd0: begin
          act_count = cmd_q.ncount - 16'd1;
          act_stride = cmd_q.act_nstride;
          factor = {17'd0, cmd_q.rcount0};
          times = {1'b0, cmd_q.rcount1};
        end
        3'd1: begin
          act_count = cmd_q.kcount0 - 16'd1;
          act_stride = cmd_q.kstride0;
          factor = {1'b0, product_q};
          times = {1'b0, cmd_q.rcount2};
        end
        3'd2: begin
          act_count = cmd_q.kcount1 - 16'd1;
          act_stride = cmd_q.kstride1;
          factor = {17'd0, cmd_q.kcount0};
          times = {1'b0, cmd_q.kcount1};
        end
        3'd3: begin
          act_count = cmd_q.kcount2 - 16'd1;
          act_stride = cmd_q.kstride2;
          factor = {1'b0, product_q};
          times = {1'b0, cmd_q.kcount2};
        end
        3'd4: begin
          act_count = cmd_q.rcount0 - 16'd1;
          act_stride = cmd_q.rstride0;
          factor = 33'(cmd_q.wgt_kstride);
          times = {1'b0, ksteps_q - 16'd1};
        end
        3'd5: begin
          act_count = cmd_q.rcount1 - 16'd1;
          act_stride = cmd_q.rstride1;
          factor = 33'(cmd_q.wgt_nstride);
          times = {1'b0, cmd_q.ncount - 16'd1};
        end
        3'd6: begin
          act_count = cmd_q.rcount2 - 16'd1;
          act_stride = cmd_q.rstride2;
          unique case (cmd_q.weight_mode)
            WeightModeKRows: begin
              factor = 33'(cmd_q.wgt_run);
              times  = 17'sd31;
            end
            WeightModeColumns: begin
              factor = 33'(cmd_q.wgt_run);
              times  = 17'sd15;
            end
            default: begin
              factor = 33'sd16;
              times  = 17'sd31;
            end
          endcase
        end
        default: begin
          act_count = last_run;
          act_stride = cmd_q.run_stride;
          factor = {24'd0, cmd_q.acc_nstride};
          times = {1'b0, cmd_q.ncount - 16'd1};
        end
      endcase
      act_reach = 54'(act_stride) * 54'(signed'({1'b0, act_count}));
      product   = 54'(factor) * 54'(times);
    end
  end

  // ------------------------------------------------------------------------------------ judge
  logic act_inside, wgt_inside, bias_inside, acc_inside;
  logic [4:0] judged_word;
  wide_t run_bytes;
  wide_t wgt_bytes;
  always_comb begin
    judged_word = 5'd0;
    {act_inside, wgt_inside, bias_inside, acc_inside} = '0;
    {run_bytes, wgt_bytes} = '0;
    if (state_q == Judge) begin
      run_bytes = cmd_q.row_mode == RowModeRun32 ? 54'sd32 :
                  cmd_q.row_mode == RowModeRun16x2 ? 54'sd16 : 54'sd8;
      wgt_bytes = cmd_q.weight_mode == WeightModeColumns ? 54'sd32 : 54'sd16;
      act_inside = act_low_q >= 54'sd0 && act_high_q + run_bytes <= ScratchpadEnd;
      wgt_inside = wgt_low_q >= 54'sd0 && wgt_high_q + wgt_bytes <= ScratchpadEnd;
      bias_inside = {22'd0, cmd_q.bias} + {32'd0, cmd_q.ncount, 6'd0} <= ScratchpadEnd;
      acc_inside =
          acc_reach_q + signed'({45'd0, cmd_q.acc}) + signed'({45'd0, rows_q}) <= 54'(AccRows);
      if (cmd_q.row_mode > RowModeRun8x4 || cmd_q.weight_mode > WeightModeColumns ||
          cmd_q.init > AccInitAccumulate || cmd_q.format != FormatInt8) begin
        judged_word = 5'd5;
      end else if (!(cmd_q.len inside {[6'd1 : 6'd32]}) ||
                   !(cmd_q.len_last inside {[6'd1 : 6'd32]})) begin
        judged_word = 5'd7;
      end else if (cmd_q.rcount0 == '0 || cmd_q.rcount1 == '0) begin
        judged_word = 5'd8;
      end else if (cmd_q.rcount2 == '0 || cmd_q.ncount == '0) begin
        judged_word = 5'd9;
      end else if (cmd_q.kcount0 == '0 || cmd_q.kcount1 == '0) begin
        judged_word = 5'd13;
      end else if (cmd_q.kcount2 == '0) begin
        judged_word = 5'd14;
      end else if (!ksteps_fit_q) begin
        judged_word = 5'd13;
      end else if (!rows_fit_q) begin
        judged_word = 5'd8;
      end else if (!acc_inside) begin
        judged_word = 5'd24;
      end else if (!act_inside) begin
        judged_word = 5'd4;
      end else if (cmd_q.wgt[3:0] != '0) begin
        judged_word = 5'd19;
      end else if (cmd_q.wgt_kstride[3:0] != '0) begin
        judged_word = 5'd20;
      end else if (cmd_q.wgt_nstride[3:0] != '0) begin
        judged_word = 5'd21;
      end else if (cmd_q.weight_mode != WeightModePacked && cmd_q.wgt_run[3:0] != '0) begin
        judged_word = 5'd22;
      end else if (!wgt_inside) begin
        judged_word = 5'd19;
      end else if (cmd_q.init == AccInitBias && (cmd_q.bias[3:0] != '0 || !bias_inside)) begin
        judged_word = 5'd23;
      end
    end
  end

  // ---------------------------------------------------------------------------------- control
  assign cmd_ready_o = state_q == Empty;
  assign checked_valid_o = state_q == Good && !stop_i;
  assign checked_o = cmd_q;
  assign ksteps_o = ksteps_q;
  assign fault_valid_o = state_q == Bad && quiet_i && !stop_i;
  assign fault_o = '{code: FaultOperand, info: {43'd0, word_q}};
  assign busy_o = state_q != Empty;

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      state_q <= Empty;
    end else if (stop_i) begin
      state_q <= Empty;
    end else begin
      unique case (state_q)
        Empty: if (cmd_valid_i) state_q <= Multiply;
        Multiply: if (step_q == 3'd7) state_q <= Judge;
        Judge: state_q <= judged_word == '0 ? Good : Bad;
        Good: if (take_i) state_q <= Empty;
        default: if (quiet_i) state_q <= Empty;
      endcase
    end
  end

  always_ff @(posedge clk_i) begin
    if (cmd_valid_i && cmd_ready_o) begin
      cmd_q  <= cmd_i;
      step_q <= 3'd0;
    end
    if (state_q == Multiply) begin
      step_q <= step_q + 3'd1;
      if (step_q == 3'd0) begin
        act_low_q  <= signed'({22'd0, cmd_q.act}) + (act_reach < 54'sd0 ? act_reach : 54'sd0);
        act_high_q <= signed'({22'd0, cmd_q.act}) + (act_reach < 54'sd0 ? 54'sd0 : act_reach);
        wgt_low_q  <= signed'({22'd0, cmd_q.wgt});
        wgt_high_q <= signed'({22'd0, cmd_q.wgt});
      end else begin
        if (act_reach < 54'sd0) act_low_q <= act_low_q + act_reach;
        else act_high_q <= act_high_q + act_reach;
      end
      unique case (step_q)
        3'd1: begin
          rows_q <= product[8:0];
          rows_fit_q <= product <= 54'(AccHalfRows);
        end
        3'd3: begin
          ksteps_q <= product[15:0];
          ksteps_fit_q <= product < 54'sd65536;
        end
        3'd4, 3'd5, 3'd6: begin
          if (product < 54'sd0) wgt_low_q <= wgt_low_q + product;
          else wgt_high_q <= wgt_high_q + product;
        end
        3'd7: acc_reach_q <= product;
        default: product_q <= product[31:0];
      endcase
    end
    if (state_q == Judge) word_q <= judged_word;
  end

  `ASSERT(TakeNeedsOffer_A, !take_i || checked_valid_o)
endmodule
