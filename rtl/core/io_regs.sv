// Registers of the io node (docs/architecture.md, rtl/spec/registers/io.rdl).
//
// Contract: one access a cycle, the core's first, then the packets'; an access is granted when asked, and
// its read data come in the cycle after. Words that no register has read as 0 and drop writes. Events from
// hardware that meet a write in one cycle are kept: a bit that is set and cleared at once stays set.

`include "assert.svh"

module io_regs
  import systole_spec_pkg::*;
  import systole_pkg::*;
  import core_pkg::*;
#(
    parameter int unsigned NumCols = 3,
    parameter int unsigned NumRows = 2
) (
    input logic clk_i,
    input logic rst_ni,

    // the core's access
    input  logic             core_req_i,
    input  logic             core_we_i,
    input  reg_word_t        core_word_i,
    input  logic      [31:0] core_wdata_i,

    // an access by packet: the host, a tile
    input  logic             target_req_i,
    output logic             target_gnt_o,
    input  logic             target_we_i,
    input  reg_word_t        target_word_i,
    input  logic      [31:0] target_wdata_i,

    // of the access before this cycle
    output logic [31:0] rdata_o,

    // core
    output logic fetch_enable_o,
    output logic core_irq_o,
    input  logic core_awake_i,

    // host
    output logic host_irq_o,

    // time: CYCLE reached an armed TIMER
    input  logic [63:0] cycle_i,
    output logic [63:0] timer_o,
    output logic        timer_armed_o,
    input  logic        timer_hit_i,

    // core window
    output logic [16:0] window_o,
    input  logic        bus_error_i,
    input  err_e        bus_error_code_i,
    input  logic [27:0] bus_error_addr_i,

    // core DMA; start lasts a cycle
    output logic         dma_start_o,
    output addr_t        dma_src_o,
    output addr_t        dma_dst_o,
    output logic  [31:0] dma_len_o,
    input  logic         dma_busy_i,
    input  logic         dma_done_i,
    input  err_e         dma_err_i
);

  localparam logic [31:0] Magic = 32'h5359_534C;

  // Bits of CORE_IRQ.
  typedef struct packed {
    logic bus_error;
    logic timer;
    logic dma;
    logic fault;
    logic join_end;
    logic doorbell;
  } irq_t;
  localparam int unsigned NumCoreIrqs = $bits(irq_t);

  logic fetch_enable_q, host_irq_q, timer_armed_q;
  logic [31:0] doorbell_q, ring_lo_q, ring_entries_q, completion_lo_q, fw_panic_q;
  logic [15:0] ring_hi_q, completion_hi_q;
  logic [7:0] fw_state_q;
  irq_t pending_q, pending_d, enable_q;
  logic [15:0] join_q, join_d;
  logic [8:0] fault_tile_q;  // valid, y, x
  logic [16:0] window_q;
  logic [31:0] bus_error_q;
  addr_t dma_src_q, dma_dst_q;
  logic [31:0] dma_len_q;
  logic dma_start_q;
  logic [31:0] cycle_hi_q;
  logic [63:0] timer_q, awake_q;
  logic [31:0] rdata_q;

  // ------------------------------------------------------------------------------ access
  logic req, we;
  reg_word_t word;
  logic [31:0] wdata;
  logic [11:0] offset;

  assign target_gnt_o = target_req_i && !core_req_i;
  assign req = core_req_i || target_req_i;
  assign we = core_req_i ? core_we_i : target_req_i && target_we_i;
  assign word = core_req_i ? core_word_i : target_word_i;
  assign wdata = core_req_i ? core_wdata_i : target_wdata_i;
  assign offset = {word, 2'b00};

  // Chosen in the flop: logic that hung on the counter, whose clock never stops, would be evaluated, in a
  // simulation, while this node sleeps.
  always_ff @(posedge clk_i) begin
    if (req && !we) begin
      rdata_q <= '0;
      unique case (offset)
        IoRegsIdOffset: rdata_q <= Magic;
        IoRegsMeshOffset: rdata_q <= {16'd0, 8'(NumRows), 8'(NumCols)};
        IoRegsCoreCtrlOffset: rdata_q[0] <= fetch_enable_q;
        IoRegsDoorbellOffset: rdata_q <= doorbell_q;
        IoRegsHostIrqOffset: rdata_q[0] <= host_irq_q;
        IoRegsRingLoOffset: rdata_q <= ring_lo_q;
        IoRegsRingHiOffset: rdata_q[15:0] <= ring_hi_q;
        IoRegsRingEntriesOffset: rdata_q <= ring_entries_q;
        IoRegsCompletionLoOffset: rdata_q <= completion_lo_q;
        IoRegsCompletionHiOffset: rdata_q[15:0] <= completion_hi_q;
        IoRegsFwStateOffset: rdata_q[7:0] <= fw_state_q;
        IoRegsFwPanicOffset: rdata_q <= fw_panic_q;
        IoRegsCoreIrqOffset: rdata_q[NumCoreIrqs-1:0] <= pending_q;
        IoRegsCoreIrqEnableOffset: rdata_q[NumCoreIrqs-1:0] <= enable_q;
        IoRegsJoinOffset: rdata_q[15:0] <= join_q;
        IoRegsFaultTileOffset: rdata_q <= {fault_tile_q[8], 23'd0, fault_tile_q[7:0]};
        IoRegsWindowOffset: rdata_q[16:0] <= window_q;
        IoRegsBusErrorOffset: rdata_q <= bus_error_q;
        IoRegsDmaSrcLoOffset: rdata_q <= dma_src_q[31:0];
        IoRegsDmaSrcHiOffset: rdata_q[15:0] <= dma_src_q[47:32];
        IoRegsDmaDstLoOffset: rdata_q <= dma_dst_q[31:0];
        IoRegsDmaDstHiOffset: rdata_q[15:0] <= dma_dst_q[47:32];
        IoRegsDmaLenOffset: rdata_q <= dma_len_q;
        IoRegsDmaStatusOffset: rdata_q[7:0] <= {dma_err_i, 3'd0, dma_busy_i || dma_start_q};
        IoRegsCycleLoOffset: rdata_q <= cycle_i[31:0];
        IoRegsCycleHiOffset: rdata_q <= cycle_hi_q;
        IoRegsTimerLoOffset: rdata_q <= timer_q[31:0];
        IoRegsTimerHiOffset: rdata_q <= timer_q[63:32];
        IoRegsAwakeLoOffset: rdata_q <= awake_q[31:0];
        IoRegsAwakeHiOffset: rdata_q <= awake_q[63:32];
        default: ;
      endcase
    end
  end

  assign rdata_o = rdata_q;

  // ------------------------------------------------------------------- interrupts and events
  logic done_event, fault_event;

  assign done_event = we && offset == IoRegsTileEventOffset && !wdata[IoRegsTileEventFaultLsb];
  assign fault_event = we && offset == IoRegsTileEventOffset && wdata[IoRegsTileEventFaultLsb];

  always_comb begin
    pending_d = pending_q;
    join_d = join_q;
    if (we && offset == IoRegsCoreIrqOffset) pending_d &= ~wdata[NumCoreIrqs-1:0];
    if (we && offset == IoRegsJoinOffset) join_d = wdata[15:0];
    if (done_event && join_q != '0) begin
      join_d = join_q - 16'd1;
      if (join_q == 16'd1) pending_d.join_end = 1'b1;
    end
    if (we && offset == IoRegsDoorbellOffset) pending_d.doorbell = 1'b1;
    if (fault_event) pending_d.fault = 1'b1;
    if (dma_done_i) pending_d.dma = 1'b1;
    if (bus_error_i) pending_d.bus_error = 1'b1;
  end

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      pending_q <= '0;
      join_q <= '0;
      fault_tile_q <= '0;
      bus_error_q <= '0;
      host_irq_q <= 1'b0;
      timer_armed_q <= 1'b0;
      dma_start_q <= 1'b0;
      awake_q <= '0;
    end else begin
      pending_q <= pending_d;
      // The write that disarms comes in the same cycle as the hit that it answers.
      if (timer_hit_i && !(we && offset == IoRegsCoreIrqOffset)) pending_q.timer <= 1'b1;
      join_q <= join_d;
      dma_start_q <= we && offset == IoRegsDmaLenOffset && !dma_busy_i;
      if (core_awake_i) awake_q <= awake_q + 64'd1;
      if (fault_event && !fault_tile_q[8]) fault_tile_q <= {1'b1, wdata[7:0]};
      else if (we && offset == IoRegsFaultTileOffset) fault_tile_q <= '0;
      if (bus_error_i && bus_error_q[31:28] == ErrOk)
        bus_error_q <= {bus_error_code_i, bus_error_addr_i};
      else if (we && offset == IoRegsBusErrorOffset) bus_error_q <= '0;
      if (we && offset == IoRegsHostIrqOffset) begin
        if (wdata[IoRegsHostIrqClearLsb]) host_irq_q <= 1'b0;
        if (wdata[IoRegsHostIrqSetLsb]) host_irq_q <= 1'b1;
      end
      if (we && offset == IoRegsTimerHiOffset) timer_armed_q <= 1'b1;
      else if (we && offset == IoRegsCoreIrqOffset && wdata[IoRegsCoreIrqTimerLsb])
        timer_armed_q <= 1'b0;
    end
  end

  // ----------------------------------------------------------------------- plain registers
  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      fetch_enable_q <= 1'b0;
      doorbell_q <= '0;
      ring_lo_q <= '0;
      ring_hi_q <= '0;
      ring_entries_q <= '0;
      completion_lo_q <= '0;
      completion_hi_q <= '0;
      fw_state_q <= '0;
      fw_panic_q <= '0;
      enable_q <= '0;
      window_q <= '0;
      dma_src_q <= '0;
      dma_dst_q <= '0;
      dma_len_q <= '0;
      timer_q <= '0;
      cycle_hi_q <= '0;
    end else if (we) begin
      unique case (offset)
        IoRegsCoreCtrlOffset: fetch_enable_q <= wdata[0];
        IoRegsDoorbellOffset: doorbell_q <= wdata;
        IoRegsRingLoOffset: ring_lo_q <= wdata;
        IoRegsRingHiOffset: ring_hi_q <= wdata[15:0];
        IoRegsRingEntriesOffset: ring_entries_q <= wdata;
        IoRegsCompletionLoOffset: completion_lo_q <= wdata;
        IoRegsCompletionHiOffset: completion_hi_q <= wdata[15:0];
        IoRegsFwStateOffset: fw_state_q <= wdata[7:0];
        IoRegsFwPanicOffset: fw_panic_q <= wdata;
        IoRegsCoreIrqEnableOffset: enable_q <= wdata[NumCoreIrqs-1:0];
        IoRegsWindowOffset: window_q <= wdata[16:0];
        IoRegsDmaSrcLoOffset: dma_src_q[31:0] <= wdata;
        IoRegsDmaSrcHiOffset: dma_src_q[47:32] <= wdata[15:0];
        IoRegsDmaDstLoOffset: dma_dst_q[31:0] <= wdata;
        IoRegsDmaDstHiOffset: dma_dst_q[47:32] <= wdata[15:0];
        IoRegsDmaLenOffset: dma_len_q <= wdata;
        IoRegsTimerLoOffset: timer_q[31:0] <= wdata;
        IoRegsTimerHiOffset: timer_q[63:32] <= wdata;
        default: ;
      endcase
    end else if (req && offset == IoRegsCycleLoOffset) begin
      cycle_hi_q <= cycle_i[63:32];
    end
  end

  assign fetch_enable_o = fetch_enable_q;
  assign core_irq_o = |(pending_q & enable_q);
  assign host_irq_o = host_irq_q;
  assign timer_o = timer_q;
  assign timer_armed_o = timer_armed_q;
  assign window_o = window_q;
  assign dma_start_o = dma_start_q;
  assign dma_src_o = dma_src_q;
  assign dma_dst_o = dma_dst_q;
  assign dma_len_o = dma_len_q;

  `ASSERT(CoreFirst_A, !(core_req_i && target_gnt_o))
  `ASSERT_AFTER(JoinEndsAtZero_A, !pending_q.join_end, !pending_q.join_end || join_q == '0)

endmodule
