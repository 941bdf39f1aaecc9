// The registers of a tile (rtl/spec/registers/tile.rdl), and what they stand for: launch, end, fault, abort,
// clear, and the counters.
//
// Contract
//   - A launch of a tile at rest starts the sequencers (`launch_o`). Otherwise it is a fault: LaunchBusy,
//     or LaunchSemaphore when a semaphore is nonzero (information: the mask). While a fault stands, a launch
//     changes nothing and sends the fault event again.
//   - The tile is done when all programs have ended, all units and posts are quiet, and no semaphore is
//     left, else EndSemaphore (information: the mask). Either sends the tile event.
//   - The first fault wins; of one cycle's, sequencers in the order of units, then remote posts, then the
//     network's, then launch and end. A fault stops the sequencers (`stop_o`) until clear; abort does too,
//     tells the units (`abort_o`, one cycle), and from then on nothing retires (`aborted_o`).
//   - Clear waits until units and posts are quiet, then takes all back to rest.
//   - Counters run from reset on and are never cleared, but for CYCLES, which counts the launch. The states of a
//     unit add up to the cycles of `clk_i`; with CLOCK_OFF, which is counted where the clock is gated, to those
//     of the chip.
// Latency: read data in the cycle after the request; a write acts at the end of its cycle.
`include "assert.svh"

module tile_regs
  import systole_spec_pkg::*;
  import systole_pkg::*;
  import tile_pkg::*;
#(
    parameter bit Observable = 1'b1  // 0: nothing is counted, the counters read 0
) (
    input logic clk_i,
    input logic rst_ni,
    input node_t here_i,

    // network interface: one word
    input  logic               reg_req_i,
    input  logic               reg_we_i,
    input  logic        [ 9:0] reg_word_i,
    input  logic        [31:0] reg_wdata_i,
    output logic        [31:0] reg_rdata_o,
    // network interface: windows, tile event, counted events, faults of posts
    output window_t           window_o [NumWindows],
    output logic               event_valid_o,
    input  logic               event_ready_i,
    output logic               event_fault_o,
    input  logic               ni_quiet_i,
    input  ni_events_t         ni_events_i,
    input  logic               post_fault_valid_i,
    input  unit_fault_t        post_fault_i,
    input  unit_e              post_fault_unit_i,
    input  pc_t                post_fault_pc_i,

    // sequencers
    output logic                             launch_o,
    output logic                             stop_o,
    output logic                             clear_o,
    output spad_addr_t                       program_o    [ NumUnits],
    output logic        [              31:0] inputs_o,
    output logic        [              31:0] param_o      [NumParams],
    output logic        [              31:0] step_o       [NumParams],
    input  logic        [      NumUnits-1:0] ended_i,
    input  logic        [      NumUnits-1:0] seq_busy_i,
    input  logic        [      NumUnits-1:0] fault_valid_i,
    input  unit_fault_t                      fault_i      [ NumUnits],
    input  pc_t                              fault_pc_i   [ NumUnits],
    output logic                             aborted_o,
    // units
    output logic                             abort_o,
    input  logic        [      NumUnits-1:0] unit_busy_i,
    // semaphores
    input  logic                             sem_overflow_i,
    input  logic        [               3:0] sem_i,
    input  logic        [ NumSemaphores-1:0] sem_nonzero_i,
    input  logic        [               7:0] sem_count_i  [NumSemaphores],
    // scratchpad
    input  logic        [               4:0] spad_grants_i,
    input  logic        [               4:0] spad_refusals_i,
    // counters of the units, which unit_counters holds
    output logic                             count_read_o,
    output logic        [               6:0] count_word_o,
    input  logic        [              31:0] count_i,         // in the cycle after
    // what is counted outside of this tile's clock: the clock itself, and the node's routers
    output logic                             noc_read_o,
    output logic        [               4:0] noc_word_o,      // {network, port, stalls}
    input  logic        [              31:0] clock_off_i,     // in the cycle after noc_read_o
    input  logic        [              31:0] noc_count_i,     // in the cycle after noc_read_o

    output logic fault_o,
    output logic busy_o
);
  // Numbers of words.
  localparam logic [9:0] WordId = TileRegsIdOffset[11:2];
  localparam logic [9:0] WordStatus = TileRegsStatusOffset[11:2];
  localparam logic [9:0] WordControl = TileRegsControlOffset[11:2];
  localparam logic [9:0] WordFault = TileRegsFaultOffset[11:2];
  localparam logic [9:0] WordFaultInfoLo = TileRegsFaultInfoLoOffset[11:2];
  localparam logic [9:0] WordFaultInfoHi = TileRegsFaultInfoHiOffset[11:2];
  localparam logic [9:0] WordInputs = TileRegsInputsOffset[11:2];
  localparam logic [9:0] WordProgram = TileRegsProgramLoadOffset[11:2];
  localparam logic [9:0] WordPerm = TileRegsWindowPermOffset[11:2];
  localparam logic [9:0] WordBase = TileRegsWindowBase0Offset[11:2];
  localparam logic [9:0] WordLimit = TileRegsWindowLimit0Offset[11:2];
  localparam logic [9:0] WordParam = TileRegsParam0Offset[11:2];
  localparam logic [9:0] WordStep = TileRegsStep0Offset[11:2];
  localparam logic [9:0] WordSemaphores = TileRegsSemaphores0Offset[11:2];
  localparam logic [9:0] WordCount = TileRegsLoadBusyOffset[11:2];
  localparam logic [9:0] WordNoc = TileRegsNocReqNorthFlitsOffset[11:2];
  localparam logic [9:0] WordClockOff = TileRegsClockOffOffset[11:2];
  localparam logic [9:0] WordCycles = TileRegsCyclesOffset[11:2];
  localparam logic [9:0] WordReqOut = TileRegsNiReqOutOffset[11:2];
  localparam logic [9:0] WordRspOut = TileRegsNiRspOutOffset[11:2];
  localparam logic [9:0] WordReqIn = TileRegsNiReqInOffset[11:2];
  localparam logic [9:0] WordRspIn = TileRegsNiRspInOffset[11:2];
  localparam logic [9:0] WordStall = TileRegsNiStallOffset[11:2];
  localparam logic [9:0] WordGrants = TileRegsSpadGrantsOffset[11:2];
  localparam logic [9:0] WordRefusals = TileRegsSpadRefusalsOffset[11:2];
  localparam logic [7:0] Version = 8'd1;

  logic write;
  assign write = reg_req_i && reg_we_i;

  // --------------------------------------------------------------------- launch, end, fault
  logic running_q, done_q, fault_q, abort_q, abort_begins_q, clear_wait_q;
  logic event_q, event_fault_q;
  logic control, launch_write, clear_write, abort_write;
  logic quiet;
  logic finish;

  assign control = write && reg_word_i == WordControl;
  assign launch_write = control && reg_wdata_i[TileRegsControlLaunchLsb];
  assign clear_write = control && reg_wdata_i[TileRegsControlClearLsb];
  assign abort_write = control && reg_wdata_i[TileRegsControlAbortLsb];

  assign quiet = (unit_busy_i | seq_busy_i) == '0 && ni_quiet_i;
  assign launch_o = launch_write && !fault_q && !running_q && !clear_wait_q && quiet &&
      sem_nonzero_i == '0;
  assign clear_o = clear_wait_q && quiet;
  assign stop_o = fault_q || abort_q;
  assign abort_o = abort_begins_q;
  assign aborted_o = abort_q;
  assign finish = running_q && !stop_o && ended_i == '1 && quiet;

  // The first fault of this cycle.
  logic fault;
  unit_fault_t fault_record;
  unit_e fault_unit;
  pc_t fault_pc;

  always_comb begin
    fault = (fault_valid_i != '0 && !abort_q) || post_fault_valid_i || sem_overflow_i;
    fault_record = '{code: FaultNone, info: '0};
    fault_unit = UnitLoad;
    fault_pc = '0;
    if (finish && sem_nonzero_i != '0) begin
      fault = 1'b1;
      fault_record = '{code: FaultEndSemaphore, info: {32'd0, sem_nonzero_i}};
    end
    if (launch_write && !launch_o) begin
      fault = 1'b1;
      fault_record = '{code: FaultLaunchBusy, info: '0};
      if (!running_q && !clear_wait_q && quiet) begin
        fault_record = '{code: FaultLaunchSemaphore, info: {32'd0, sem_nonzero_i}};
      end
    end
    if (sem_overflow_i) fault_record = '{code: FaultSemOverflow, info: {32'd0, 16'd1 << sem_i}};
    if (post_fault_valid_i) begin
      fault_record = post_fault_i;
      fault_unit = post_fault_unit_i;
      fault_pc = post_fault_pc_i;
    end
    if (fault_valid_i != '0) begin
      for (int unsigned i = 0; i < NumUnits; i++) begin
        if (fault_valid_i[NumUnits-1-i]) begin
          fault_record = fault_i[NumUnits-1-i];
          fault_unit = unit_e'(2'(NumUnits - 1 - i));
          fault_pc = fault_pc_i[NumUnits-1-i];
        end
      end
    end
  end

  unit_fault_t fault_record_q;
  unit_e fault_unit_q;
  pc_t fault_pc_q;

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      running_q <= 1'b0;
      done_q <= 1'b0;
      fault_q <= 1'b0;
      abort_q <= 1'b0;
      abort_begins_q <= 1'b0;
      clear_wait_q <= 1'b0;
      event_q <= 1'b0;
      event_fault_q <= 1'b0;
      fault_record_q <= '{code: FaultNone, info: '0};
      fault_unit_q <= UnitLoad;
      fault_pc_q <= '0;
    end else begin
      if (event_ready_i) event_q <= 1'b0;
      if (clear_o) clear_wait_q <= 1'b0;
      if (clear_write) clear_wait_q <= 1'b1;
      if (abort_write) abort_q <= 1'b1;
      abort_begins_q <= abort_write;
      if (launch_o) begin
        running_q <= 1'b1;
        done_q <= 1'b0;
      end
      if (finish) begin
        running_q <= 1'b0;
        done_q <= 1'b1;
        event_q <= 1'b1;
        event_fault_q <= 1'b0;
      end
      if (fault) begin
        running_q <= 1'b0;
        done_q <= 1'b0;
        fault_q <= 1'b1;
        if (!fault_q) begin
          fault_record_q <= fault_record;
          fault_unit_q <= fault_unit;
          fault_pc_q <= fault_pc;
        end
        // What goes wrong after the first fault is silent, but for a launch.
        if (!fault_q || launch_write) begin
          event_q <= 1'b1;
          event_fault_q <= 1'b1;
        end
      end
      if (clear_o) begin
        running_q <= 1'b0;
        done_q <= 1'b0;
        fault_q <= 1'b0;
        abort_q <= 1'b0;
        fault_record_q <= '{code: FaultNone, info: '0};
        fault_unit_q <= UnitLoad;
        fault_pc_q <= '0;
      end
    end
  end

  assign event_valid_o = event_q;
  assign event_fault_o = event_fault_q;
  assign fault_o = fault && !fault_q;
  assign busy_o = running_q || event_q || clear_wait_q || (unit_busy_i | seq_busy_i) != '0;

  // ------------------------------------------------------------------------- plain registers
  spad_addr_t program_q[NumUnits];
  logic [31:0] inputs_q;
  logic [31:0] param_q[NumParams];
  logic [31:0] step_q[NumParams];
  logic [2*NumWindows-1:0] perm_q;
  logic [31:0] base_q[NumWindows];
  logic [31:0] limit_q[NumWindows];

  // They have a clock of their own, which runs while a register is read or written.
  logic access_clk;

  clock_gate u_access_gate (
    .clk_i,
    .en_i(reg_req_i || !rst_ni),
    .test_en_i(1'b0),
    .clk_o(access_clk)
  );

  always_ff @(posedge access_clk) begin
    if (!rst_ni) begin
      inputs_q <= '0;
      perm_q <= '0;
    end else if (write) begin
      if (reg_word_i == WordInputs) inputs_q <= reg_wdata_i;
      if (reg_word_i == WordPerm) perm_q <= reg_wdata_i[7:0];
    end
  end

  // No window is open, and no program runs, before these are written: unreset.
  always_ff @(posedge access_clk) begin
    if (write) begin
      for (int unsigned i = 0; i < NumUnits; i++) begin
        if (reg_word_i == WordProgram + 10'(i)) program_q[i] <= reg_wdata_i[17:0];
      end
      for (int unsigned i = 0; i < NumWindows; i++) begin
        if (reg_word_i == WordBase + 10'(i)) base_q[i] <= reg_wdata_i;
        if (reg_word_i == WordLimit + 10'(i)) limit_q[i] <= reg_wdata_i;
      end
      for (int unsigned i = 0; i < NumParams; i++) begin
        if (reg_word_i == WordParam + 10'(i)) param_q[i] <= reg_wdata_i;
        if (reg_word_i == WordStep + 10'(i)) step_q[i] <= reg_wdata_i;
      end
    end
  end

  assign program_o = program_q;
  assign inputs_o  = inputs_q;
  assign param_o   = param_q;
  assign step_o    = step_q;
  for (genvar i = 0; i < NumWindows; i++) begin : gen_window
    assign window_o[i] = '{
            last: limit_q[i],
            first: base_q[i],
            write: perm_q[2*i+1],
            read: perm_q[2*i]
        };
  end

  // -------------------------------------------------------------------------------- counters
  logic [31:0] cycles_q;
  logic [31:0] req_out_q, rsp_out_q, req_in_q, rsp_in_q, stall_q, grants_q, refusals_q;

  if (Observable) begin : gen_count
    // Cleared at launch: unreset.
    always_ff @(posedge clk_i) begin
      if (launch_o) cycles_q <= '0;
      else if (running_q) cycles_q <= cycles_q + 32'd1;
    end

    always_ff @(posedge clk_i) begin
      if (!rst_ni) begin
        req_out_q  <= '0;
        rsp_out_q  <= '0;
        req_in_q   <= '0;
        rsp_in_q   <= '0;
        stall_q    <= '0;
        grants_q   <= '0;
        refusals_q <= '0;
      end else begin
        if (ni_events_i != '0) begin
          req_out_q <= req_out_q + 32'(ni_events_i.req_out);
          rsp_out_q <= rsp_out_q + 32'(ni_events_i.rsp_out);
          req_in_q  <= req_in_q + 32'(ni_events_i.req_in);
          rsp_in_q  <= rsp_in_q + 32'(ni_events_i.rsp_in);
          stall_q   <= stall_q + 32'(ni_events_i.stall);
        end
        grants_q   <= grants_q + 32'(spad_grants_i);
        refusals_q <= refusals_q + 32'(spad_refusals_i);
      end
    end
  end else begin : gen_no_count
    logic unused;
    assign unused = ^{ni_events_i, spad_grants_i, spad_refusals_i};
    assign cycles_q = '0;
    assign req_out_q = '0;
    assign rsp_out_q = '0;
    assign req_in_q = '0;
    assign rsp_in_q = '0;
    assign stall_q = '0;
    assign grants_q = '0;
    assign refusals_q = '0;
  end

  // Counters that are not in here answer a read in the next cycle, from registers of their own: nothing is chosen
  // among them, in a simulation, while nobody reads.
  logic read;
  assign read = reg_req_i && !reg_we_i;
  assign count_read_o = read && reg_word_i[9:7] == WordCount[9:7];
  assign count_word_o = reg_word_i[6:0];
  assign noc_read_o = read && (reg_word_i[9:5] == WordNoc[9:5] || reg_word_i == WordClockOff);
  assign noc_word_o = reg_word_i[4:0];

  // ------------------------------------------------------------------------------------ read
  logic [31:0] rdata_q;
  logic [31:0] rdata;

  always_comb begin
    logic [9:0] word;
    word  = reg_word_i;
    rdata = '0;
    if (read) begin
      unique case (1'b1)
        word == WordId: rdata = {Version, 15'd0, Observable, here_i};
        word == WordStatus: rdata = {25'd0, fault_q, done_q, running_q, unit_busy_i | seq_busy_i};
        word == WordFault: rdata = {fault_pc_q, 6'd0, fault_unit_q, fault_record_q.code};
        word == WordFaultInfoLo: rdata = fault_record_q.info[31:0];
        word == WordFaultInfoHi: rdata = {16'd0, fault_record_q.info[47:32]};
        word == WordInputs: rdata = inputs_q;
        word == WordPerm: rdata = {24'd0, perm_q};
        word[9:2] == WordProgram[9:2]: rdata = {14'd0, program_q[word[1:0]]};
        word[9:2] == WordBase[9:2]: rdata = base_q[word[1:0]];
        word[9:2] == WordLimit[9:2]: rdata = limit_q[word[1:0]];
        word[9:4] == WordParam[9:4]: rdata = param_q[word[3:0]];
        word[9:4] == WordStep[9:4]: rdata = step_q[word[3:0]];
        word[9:2] == WordSemaphores[9:2]:
        rdata = {
          sem_count_i[{word[1:0], 2'd3}],
          sem_count_i[{word[1:0], 2'd2}],
          sem_count_i[{word[1:0], 2'd1}],
          sem_count_i[{word[1:0], 2'd0}]
        };
        word == WordCycles: rdata = cycles_q;
        word == WordReqOut: rdata = req_out_q;
        word == WordRspOut: rdata = rsp_out_q;
        word == WordReqIn: rdata = req_in_q;
        word == WordRspIn: rdata = rsp_in_q;
        word == WordStall: rdata = stall_q;
        word == WordGrants: rdata = grants_q;
        word == WordRefusals: rdata = refusals_q;
        default: rdata = '0;
      endcase
    end
  end

  typedef enum logic [1:0] {
    FromHere,
    FromUnits,
    FromRouters,
    FromClock
  } source_e;
  source_e source_q;

  // Valid in the cycle after a read: unreset.
  always_ff @(posedge access_clk) begin
    if (read) begin
      rdata_q  <= rdata;
      source_q <= FromHere;
      if (count_read_o) source_q <= FromUnits;
      if (noc_read_o) source_q <= reg_word_i == WordClockOff ? FromClock : FromRouters;
    end
  end

  assign reg_rdata_o = source_q == FromHere ? rdata_q : source_q == FromUnits ? count_i :
      source_q == FromRouters ? noc_count_i : clock_off_i;

  `ASSERT(OneEnd_A, !(running_q && (done_q || fault_q)))
  `ASSERT_WHEN(LaunchAtRest_A, launch_o, ended_i == '1)
endmodule
