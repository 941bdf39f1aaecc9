// A compute tile: four units with a sequencer each, scratchpad, semaphores, registers, network interface.
//
// Contract
//   - `clk_i` may be gated: it has to run while `busy_o`, a request or a response at its port is valid, or
//     reset is on. Nothing in here runs beside it.
//   - Flits are registered on the way in and out.
//   - The trace tells what took effect in the cycle before: in the cycle of `retire_o[u]` everything that
//     the command wrote is in the memories, and nothing that waits for its posts has begun. Every command
//     of a program retires once, in order, End, Nop and Loop too. `post_taken_o`: a post from the network
//     was counted; `post_with_data_o`: it came with the last beat of a write of `post_src_o`.
//     `begin_o[u]`: unit u took a command. The matrix unit's retirements are told in their own cycle: in the
//     next one the rows of the command behind may be in the accumulators, which need no semaphore for that.
module tile
  import systole_spec_pkg::*;
  import systole_pkg::*;
  import tile_pkg::*;
#(
    parameter int unsigned NumCols = 3,
    parameter int unsigned NumRows = 2,
    parameter bit Observable = 1'b1  // 0: no counters, their registers read 0; the trace is 0
) (
    input  logic clk_i,
    input  logic rst_ni,
    input  node_t here_i,  // constant: where this tile is in the mesh
    output logic busy_o,

    // routers: requests out and in, responses in and out
    output logic  req_valid_o,
    input  logic  req_ready_i,
    output flit_t req_o,
    input  logic  rsp_valid_i,
    output logic  rsp_ready_o,
    input  flit_t rsp_i,
    input  logic  req_valid_i,
    output logic  req_ready_o,
    input  flit_t req_i,
    output logic  rsp_valid_o,
    input  logic  rsp_ready_i,
    output flit_t rsp_o,

    // counters outside of this clock: cycles without it, and those of the node's routers; tile_regs says when
    output logic        noc_read_o,
    output logic [ 4:0] noc_word_o,
    input  logic [31:0] clock_off_i,
    input  logic [31:0] noc_count_i,

    // trace, for the simulation; `told_o`: anything in it is high
    output logic                 told_o,
    output logic  [NumUnits-1:0] begin_o,
    output pcs_t                 begin_pc_o,
    output logic  [NumUnits-1:0] retire_o,
    output pcs_t                 retire_pc_o,
    output logic                 post_taken_o,
    output node_t                post_src_o,
    output logic                 post_with_data_o,
    output logic                 launch_o,
    output logic                 fault_o
);
  // One copy of the code for all tiles: a simulated chip is bound by the instruction caches.
  /* verilator no_inline_module */

  // --------------------------------------------------------------------- units and sequencers
  logic launch, stop, clear, abort, aborted;
  spad_addr_t program_addr[NumUnits];
  logic [31:0] inputs;
  logic [31:0] param[NumParams];
  logic [31:0] param_step[NumParams];

  logic [NumUnits-1:0] ended, seq_busy, unit_busy;
  logic count_read;
  logic [6:0] count_word;
  logic [NumUnits-1:0] seq_fault_valid;
  unit_fault_t seq_fault[NumUnits];
  pc_t seq_fault_pc[NumUnits];

  logic [NumUnits-1:0] fetch_req, fetch_pick, fetch_gnt;
  spad_addr_t fetch_addr[NumUnits];
  logic fetch_any;
  logic [1:0] fetch_index;
  logic spad_seq_gnt;
  spad_read_t spad_seq;
  logic [255:0] spad_seq_rdata;

  logic [NumUnits-1:0] take_req, take_gnt;
  logic [NumSemaphores-1:0] take_mask[NumUnits];
  logic [NumSemaphores-1:0] post_mask[NumUnits];
  logic [NumSemaphores-1:0] overflow, sem_nonzero;

  logic [NumUnits-1:0] cmd_valid, cmd_ready, done, done_posted, unit_fault_valid;
  command_t cmd[NumUnits];
  pc_t cmd_pc[NumUnits];
  unit_fault_t unit_fault[NumUnits];
  unit_state_e unit_state[NumUnits];

  logic [NumUnits-1:0] remote_valid, remote_ready;
  node_t remote_node[NumUnits];
  logic [3:0] remote_sem[NumUnits];
  pc_t remote_pc[NumUnits];

  logic [NumUnits-1:0] retire;
  pc_t retire_pc[NumUnits];

  logic load_req_valid, load_req_ready, load_rsp_valid, load_rsp_ready;
  logic store_valid, store_ready, store_ack_valid;
  logic vacc_req, vacc_gnt;

  // Four parts of the tile (and the plain registers) have a clock of their own, which stands still while they have nothing to do:
  // sequencers, matrix unit, vector unit, and what meets the network. The matrix and the vector unit's run for
  // one cycle more than they are busy; the others say which cycles change their state. All run in reset.
  logic [NumUnits-1:0] seq_active;
  logic matrix_active, matrix_was_active_q, vector_active, vector_was_active_q;
  logic event_valid, ni_busy, ni_active, load_active, store_active;
  logic seq_clk, network_clk, matrix_clk, vector_clk;

  assign matrix_active = unit_busy[UnitMatrix] || cmd_valid[UnitMatrix] || unit_fault_valid[UnitMatrix] || abort;
  assign vector_active = unit_busy[UnitVector] || cmd_valid[UnitVector] || unit_fault_valid[UnitVector] || abort;

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      matrix_was_active_q <= 1'b0;
      vector_was_active_q <= 1'b0;
    end else begin
      matrix_was_active_q <= matrix_active;
      vector_was_active_q <= vector_active;
    end
  end

  clock_gate u_seq_gate (
    .clk_i,
    .en_i(seq_active != '0 || !rst_ni),
    .test_en_i(1'b0),
    .clk_o(seq_clk)
  );

  clock_gate u_network_gate (
    .clk_i,
    .en_i(load_active || store_active || ni_active || !rst_ni),
    .test_en_i(1'b0),
    .clk_o(network_clk)
  );

  clock_gate u_matrix_gate (
    .clk_i,
    .en_i(matrix_active || matrix_was_active_q || vacc_req || !rst_ni),
    .test_en_i(1'b0),
    .clk_o(matrix_clk)
  );

  clock_gate u_vector_gate (
    .clk_i,
    .en_i(vector_active || vector_was_active_q || !rst_ni),
    .test_en_i(1'b0),
    .clk_o(vector_clk)
  );

  for (genvar u = 0; u < NumUnits; u++) begin : gen_sequencer
    unit_state_e state;
    logic [31:0] count;

    sequencer #(
      .Unit(unit_e'(2'(u)))
    ) u_sequencer (
      .clk_i(seq_clk),
      .rst_ni,
      .launch_i(launch),
      .stop_i(stop),
      .aborted_i(aborted),
      .clear_i(clear),
      .program_i(program_addr[u]),
      .inputs_i(inputs),
      .param_i(param),
      .step_i(param_step),
      .ended_o(ended[u]),
      .busy_o(seq_busy[u]),
      .active_o(seq_active[u]),
      .state_o(state),
      .fault_valid_o(seq_fault_valid[u]),
      .fault_o(seq_fault[u]),
      .fault_pc_o(seq_fault_pc[u]),
      .fetch_req_o(fetch_req[u]),
      .fetch_addr_o(fetch_addr[u]),
      .fetch_gnt_i(fetch_gnt[u]),
      .fetch_rdata_i(spad_seq_rdata),
      .take_req_o(take_req[u]),
      .take_mask_o(take_mask[u]),
      .take_gnt_i(take_gnt[u]),
      .post_mask_o(post_mask[u]),
      .overflow_i(overflow),
      .cmd_valid_o(cmd_valid[u]),
      .cmd_ready_i(cmd_ready[u]),
      .cmd_o(cmd[u]),
      .cmd_pc_o(cmd_pc[u]),
      .done_i(done[u]),
      .done_posted_i(done_posted[u]),
      .fault_valid_i(unit_fault_valid[u]),
      .fault_i(unit_fault[u]),
      .state_i(unit_state[u]),
      .remote_valid_o(remote_valid[u]),
      .remote_ready_i(remote_ready[u]),
      .remote_node_o(remote_node[u]),
      .remote_sem_o(remote_sem[u]),
      .remote_pc_o(remote_pc[u]),
      .retire_o(retire[u]),
      .retire_pc_o(retire_pc[u])
    );

    if (Observable) begin : gen_counters
      unit_counters #(
        .Unit(unit_e'(2'(u)))
      ) u_counters (
        .clk_i,
        .rst_ni,
        .state_i(state),
        .take_mask_i(take_mask[u]),
        .sem_nonzero_i(sem_nonzero),
        .read_i(count_read),
        .word_i(count_word),
        .count_o(count)
      );
    end else begin : gen_no_counters
      logic unused;
      assign unused = ^{state, count_read, count_word};
      assign count  = '0;
    end
  end

  rr_arbiter #(
    .N(NumUnits)
  ) u_fetch (
    .clk_i,
    .rst_ni,
    .request_i(fetch_req),
    .advance_i(spad_seq_gnt),
    .grant_o(fetch_pick),
    .index_o(fetch_index),
    .any_o(fetch_any)
  );

  assign fetch_gnt = spad_seq_gnt ? fetch_pick : '0;
  assign spad_seq = '{addr: fetch_addr[fetch_index], len: 6'd32};
  assign done_posted[UnitLoad] = 1'b0;
  assign done_posted[UnitMatrix] = 1'b0;
  assign done_posted[UnitVector] = 1'b0;

  addr_t load_req_addr;
  logic [9:0] load_req_len;
  logic [3:0] load_req_slot;
  flit_t load_rsp;
  logic ld_req, ld_gnt;
  spad_write_t ld;

  dma_load u_load (
    .clk_i(network_clk),
    .rst_ni,
    .cmd_valid_i(cmd_valid[UnitLoad]),
    .cmd_ready_o(cmd_ready[UnitLoad]),
    .cmd_i(cmd[UnitLoad]),
    .done_o(done[UnitLoad]),
    .fault_valid_o(unit_fault_valid[UnitLoad]),
    .fault_o(unit_fault[UnitLoad]),
    .state_o(unit_state[UnitLoad]),
    .abort_i(abort),
    .busy_o(unit_busy[UnitLoad]),
    .active_o(load_active),
    .req_valid_o(load_req_valid),
    .req_ready_i(load_req_ready),
    .req_addr_o(load_req_addr),
    .req_len_o(load_req_len),
    .req_slot_o(load_req_slot),
    .rsp_valid_i(load_rsp_valid),
    .rsp_ready_o(load_rsp_ready),
    .rsp_i(load_rsp),
    .spad_req_o(ld_req),
    .spad_o(ld),
    .spad_gnt_i(ld_gnt)
  );

  flit_t store_flit, store_ack;
  logic st_req, st_gnt;
  spad_read_t st;
  logic [255:0] st_rdata;

  dma_store u_store (
    .clk_i(network_clk),
    .rst_ni,
    .cmd_valid_i(cmd_valid[UnitStore]),
    .cmd_ready_o(cmd_ready[UnitStore]),
    .cmd_i(cmd[UnitStore]),
    .done_o(done[UnitStore]),
    .done_posted_o(done_posted[UnitStore]),
    .fault_valid_o(unit_fault_valid[UnitStore]),
    .fault_o(unit_fault[UnitStore]),
    .state_o(unit_state[UnitStore]),
    .abort_i(abort),
    .busy_o(unit_busy[UnitStore]),
    .active_o(store_active),
    .wr_valid_o(store_valid),
    .wr_ready_i(store_ready),
    .wr_o(store_flit),
    .ack_valid_i(store_ack_valid),
    .ack_i(store_ack),
    .spad_req_o(st_req),
    .spad_o(st),
    .spad_gnt_i(st_gnt),
    .spad_rdata_i(st_rdata)
  );

  logic [3:0] act_req, act_gnt;
  logic [7:0] wgt_req, wgt_gnt;
  spad_addr_t act_addr[4];
  spad_addr_t wgt_addr[8];
  row_mode_e act_mode;
  logic [255:0] act_rdata;
  logic [127:0] wgt_rdata[8];
  acc_row_t vacc_row;
  logic signed [31:0] vacc_data[ArrayCols];

  matrix_unit u_matrix (
    .clk_i(matrix_clk),
    .rst_ni,
    .cmd_valid_i(cmd_valid[UnitMatrix]),
    .cmd_ready_o(cmd_ready[UnitMatrix]),
    .cmd_i(cmd[UnitMatrix]),
    .done_o(done[UnitMatrix]),
    .fault_valid_o(unit_fault_valid[UnitMatrix]),
    .fault_o(unit_fault[UnitMatrix]),
    .state_o(unit_state[UnitMatrix]),
    .abort_i(abort),
    .busy_o(unit_busy[UnitMatrix]),
    .act_req_o(act_req),
    .act_addr_o(act_addr),
    .act_mode_o(act_mode),
    .act_gnt_i(act_gnt),
    .act_rdata_i(act_rdata),
    .wgt_req_o(wgt_req),
    .wgt_addr_o(wgt_addr),
    .wgt_gnt_i(wgt_gnt),
    .wgt_rdata_i(wgt_rdata),
    .vacc_req_i(vacc_req),
    .vacc_row_i(vacc_row),
    .vacc_gnt_o(vacc_gnt),
    .vacc_data_o(vacc_data)
  );

  logic va_req, va_gnt, vb_req, vb_gnt, vd_req, vd_gnt;
  spad_read_t va, vb;
  spad_write_t vd;
  logic [255:0] va_rdata, vb_rdata;

  vector_unit u_vector (
    .clk_i(vector_clk),
    .rst_ni,
    .cmd_valid_i(cmd_valid[UnitVector]),
    .cmd_ready_o(cmd_ready[UnitVector]),
    .cmd_i(cmd[UnitVector]),
    .done_o(done[UnitVector]),
    .fault_valid_o(unit_fault_valid[UnitVector]),
    .fault_o(unit_fault[UnitVector]),
    .state_o(unit_state[UnitVector]),
    .abort_i(abort),
    .busy_o(unit_busy[UnitVector]),
    .va_req_o(va_req),
    .va_o(va),
    .va_gnt_i(va_gnt),
    .va_rdata_i(va_rdata),
    .vb_req_o(vb_req),
    .vb_o(vb),
    .vb_gnt_i(vb_gnt),
    .vb_rdata_i(vb_rdata),
    .vd_req_o(vd_req),
    .vd_o(vd),
    .vd_gnt_i(vd_gnt),
    .vacc_req_o(vacc_req),
    .vacc_row_o(vacc_row),
    .vacc_gnt_i(vacc_gnt),
    .vacc_data_i(vacc_data)
  );

  // ------------------------------------------------------------------ scratchpad, semaphores
  logic ni_req, ni_we, ni_gnt;
  spad_addr_t ni_addr;
  logic [31:0] ni_be;
  logic [255:0] ni_wdata, ni_rdata;
  logic [4:0] spad_grants, spad_refusals;

  scratchpad u_scratchpad (
    .clk_i,
    .rst_ni,
    .act_req_i(act_req),
    .act_addr_i(act_addr),
    .act_mode_i(act_mode),
    .act_gnt_o(act_gnt),
    .act_rdata_o(act_rdata),
    .wgt_req_i(wgt_req),
    .wgt_addr_i(wgt_addr),
    .wgt_gnt_o(wgt_gnt),
    .wgt_rdata_o(wgt_rdata),
    .va_req_i(va_req),
    .va_i(va),
    .va_gnt_o(va_gnt),
    .va_rdata_o(va_rdata),
    .vb_req_i(vb_req),
    .vb_i(vb),
    .vb_gnt_o(vb_gnt),
    .vb_rdata_o(vb_rdata),
    .vd_req_i(vd_req),
    .vd_i(vd),
    .vd_gnt_o(vd_gnt),
    .ni_req_i(ni_req),
    .ni_we_i(ni_we),
    .ni_addr_i(ni_addr),
    .ni_be_i(ni_be),
    .ni_wdata_i(ni_wdata),
    .ni_gnt_o(ni_gnt),
    .ni_rdata_o(ni_rdata),
    .ld_req_i(ld_req),
    .ld_i(ld),
    .ld_gnt_o(ld_gnt),
    .st_req_i(st_req),
    .st_i(st),
    .st_gnt_o(st_gnt),
    .st_rdata_o(st_rdata),
    .seq_req_i(fetch_any),
    .seq_i(spad_seq),
    .seq_gnt_o(spad_seq_gnt),
    .seq_rdata_o(spad_seq_rdata),
    .grants_o(spad_grants),
    .refusals_o(spad_refusals)
  );

  logic sem_post, sem_with_data, sem_overflow;
  logic [3:0] sem;
  node_t sem_src;
  logic [7:0] sem_count[NumSemaphores];

  semaphores u_semaphores (
    .clk_i,
    .rst_ni,
    .clear_i(clear),
    .take_req_i(take_req),
    .take_mask_i(take_mask),
    .take_gnt_o(take_gnt),
    .post_mask_i(post_mask),
    .ni_post_i(sem_post),
    .ni_post_sem_i(sem),
    .ni_overflow_o(sem_overflow),
    .overflow_o(overflow),
    .nonzero_o(sem_nonzero),
    .count_o(sem_count)
  );

  // ------------------------------------------------------------ network interface, registers
  window_t window[NumWindows];
  logic event_ready, event_fault;
  logic ni_quiet;
  ni_events_t ni_events;
  logic post_fault_valid;
  unit_fault_t post_fault;
  unit_e post_fault_unit;
  pc_t post_fault_pc;
  logic reg_req, reg_we;
  logic [9:0] reg_word;
  logic [31:0] reg_wdata, reg_rdata;
  logic fault, regs_busy;

  tile_ni #(
    .NumCols(NumCols),
    .NumRows(NumRows)
  ) u_ni (
    .clk_i(network_clk),
    .rst_ni,
    .here_i,
    .req_valid_o,
    .req_ready_i,
    .req_o,
    .rsp_valid_i,
    .rsp_ready_o,
    .rsp_i,
    .req_valid_i,
    .req_ready_o,
    .req_i,
    .rsp_valid_o,
    .rsp_ready_i,
    .rsp_o,
    .load_valid_i(load_req_valid),
    .load_ready_o(load_req_ready),
    .load_addr_i(load_req_addr),
    .load_len_i(load_req_len),
    .load_slot_i(load_req_slot),
    .load_rsp_valid_o(load_rsp_valid),
    .load_rsp_ready_i(load_rsp_ready),
    .load_rsp_o(load_rsp),
    .store_valid_i(store_valid),
    .store_ready_o(store_ready),
    .store_i(store_flit),
    .store_ack_valid_o(store_ack_valid),
    .store_ack_o(store_ack),
    .post_valid_i(remote_valid),
    .post_ready_o(remote_ready),
    .post_node_i(remote_node),
    .post_sem_i(remote_sem),
    .post_pc_i(remote_pc),
    .post_fault_valid_o(post_fault_valid),
    .post_fault_o(post_fault),
    .post_fault_unit_o(post_fault_unit),
    .post_fault_pc_o(post_fault_pc),
    .spad_req_o(ni_req),
    .spad_we_o(ni_we),
    .spad_addr_o(ni_addr),
    .spad_be_o(ni_be),
    .spad_wdata_o(ni_wdata),
    .spad_gnt_i(ni_gnt),
    .spad_rdata_i(ni_rdata),
    .sem_post_o(sem_post),
    .sem_o(sem),
    .sem_src_o(sem_src),
    .sem_with_data_o(sem_with_data),
    .sem_overflow_i(sem_overflow),
    .reg_req_o(reg_req),
    .reg_we_o(reg_we),
    .reg_word_o(reg_word),
    .reg_wdata_o(reg_wdata),
    .reg_rdata_i(reg_rdata),
    .window_i(window),
    .event_valid_i(event_valid),
    .event_ready_o(event_ready),
    .event_fault_i(event_fault),
    .quiet_o(ni_quiet),
    .busy_o(ni_busy),
    .active_o(ni_active),
    .events_o(ni_events)
  );

  tile_regs #(
    .Observable(Observable)
  ) u_regs (
    .clk_i,
    .rst_ni,
    .here_i,
    .reg_req_i(reg_req),
    .reg_we_i(reg_we),
    .reg_word_i(reg_word),
    .reg_wdata_i(reg_wdata),
    .reg_rdata_o(reg_rdata),
    .window_o(window),
    .event_valid_o(event_valid),
    .event_ready_i(event_ready),
    .event_fault_o(event_fault),
    .ni_quiet_i(ni_quiet),
    .ni_events_i(ni_events),
    .post_fault_valid_i(post_fault_valid),
    .post_fault_i(post_fault),
    .post_fault_unit_i(post_fault_unit),
    .post_fault_pc_i(post_fault_pc),
    .launch_o(launch),
    .stop_o(stop),
    .clear_o(clear),
    .program_o(program_addr),
    .inputs_o(inputs),
    .param_o(param),
    .step_o(param_step),
    .ended_i(ended),
    .seq_busy_i(seq_busy),
    .fault_valid_i(seq_fault_valid),
    .fault_i(seq_fault),
    .fault_pc_i(seq_fault_pc),
    .aborted_o(aborted),
    .abort_o(abort),
    .unit_busy_i(unit_busy),
    .sem_overflow_i(sem_overflow),
    .sem_i(sem),
    .sem_nonzero_i(sem_nonzero),
    .sem_count_i(sem_count),
    .spad_grants_i(spad_grants),
    .spad_refusals_i(spad_refusals),
    .count_read_o(count_read),
    .count_word_o(count_word),
    .count_i(gen_sequencer[0].count | gen_sequencer[1].count | gen_sequencer[2].count |
        gen_sequencer[3].count),
    .noc_read_o,
    .noc_word_o,
    .clock_off_i,
    .noc_count_i,
    .fault_o(fault),
    .busy_o(regs_busy)
  );

  // ----------------------------------------------------------------------------------- trace
  logic told;  // the trace tells of something of the cycle before

  if (Observable) begin : gen_trace
    logic [NumUnits-1:0] begins, begin_q, late_retire, retire_q;
    pcs_t begin_pc_q, retire_pc_q;
    logic post_taken, post_taken_q, post_with_data_q, launch_q, fault_q;
    logic tells, told_q;
    node_t post_src_q;

    assign begins = cmd_valid & cmd_ready;
    assign late_retire = retire & ~(NumUnits'(1) << UnitMatrix);
    assign post_taken = sem_post && !sem_overflow;
    assign tells = begins != '0 || late_retire != '0 || post_taken || launch || fault;

    function automatic pcs_t pcs_of(pc_t each[NumUnits]);
      for (int unsigned u = 0; u < NumUnits; u++) pcs_of[u] = each[u];
    endfunction

    // What tells of nothing stays as it is: most cycles are such.
    always_ff @(posedge clk_i) begin
      if (!rst_ni) begin
        told_q <= 1'b0;
        begin_q <= '0;
        retire_q <= '0;
        post_taken_q <= 1'b0;
        launch_q <= 1'b0;
        fault_q <= 1'b0;
      end else if (tells || told_q) begin
        told_q <= tells;
        begin_q <= begins;
        retire_q <= late_retire;
        post_taken_q <= post_taken;
        launch_q <= launch;
        fault_q <= fault;
      end
    end

    // Valid with the flags: unreset.
    always_ff @(posedge clk_i) begin
      if (begins != '0) begin_pc_q <= pcs_of(cmd_pc);
      if (retire != '0) retire_pc_q <= pcs_of(retire_pc);
      if (sem_post) begin
        post_src_q <= sem_src;
        post_with_data_q <= sem_with_data;
      end
    end

    assign begin_o = begin_q;
    assign begin_pc_o = begin_pc_q;
    for (genvar u = 0; u < NumUnits; u++) begin : gen_retire
      assign retire_o[u] = u == UnitMatrix ? retire[u] : retire_q[u];
      assign retire_pc_o[u] = u == UnitMatrix ? retire_pc[u] : retire_pc_q[u];
    end
    assign post_taken_o = post_taken_q;
    assign post_src_o = post_src_q;
    assign post_with_data_o = post_with_data_q;
    assign launch_o = launch_q;
    assign fault_o = fault_q;
    assign told = told_q;
    assign told_o = told_q || retire[UnitMatrix];
  end else begin : gen_no_trace
    logic [NumUnits:0] unused;
    assign unused[NumUnits] = ^{retire, sem_src, sem_with_data, fault};
    for (genvar u = 0; u < NumUnits; u++) begin : gen_unit
      assign unused[u] = ^{cmd_pc[u], retire_pc[u]};
    end
    assign begin_pc_o = '0;
    assign retire_pc_o = '0;
    assign begin_o = '0;
    assign retire_o = '0;
    assign post_taken_o = 1'b0;
    assign post_src_o = '0;
    assign post_with_data_o = 1'b0;
    assign launch_o = 1'b0;
    assign fault_o = 1'b0;
    assign told = 1'b0;
    assign told_o = 1'b0;
  end

  assign busy_o = regs_busy || ni_busy || unit_busy != '0 || told;
endmodule
