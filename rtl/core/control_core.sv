// The control core with what is its own: Ibex, RAM, registers, window, DMA.
//
// Contract: RISC-V RV32IMC, machine and user mode, out of reset while CORE_CTRL.fetch_enable is set, from
// CoreRamBase + CoreResetOffset on. One interrupt line, the external one: any bit of CORE_IRQ that
// CORE_IRQ_ENABLE lets through; it also ends `wfi`. Other nodes and the host reach RAM and registers by
// packets at the target port. `busy_o` is low when the core sleeps and nothing is under way: then the clock
// may stop until a packet comes or `timer_hit_i`.
// Latency: fetch and RAM access one cycle, registers one; see core_window, core_dma, io_target.

`include "assert.svh"

module control_core
  import systole_spec_pkg::*;
  import systole_pkg::*;
  import core_pkg::*;
#(
    parameter int unsigned NumCols = 3,
    parameter int unsigned NumRows = 2,
    parameter bit SecureIbex = 1'b0,
    // 0: no memory protection, which is half of what Ibex costs a simulation
    parameter int unsigned PmpRegions = 0
) (
    input logic clk_i,
    input logic rst_ni,

    // packets for this node
    input  logic  target_req_valid_i,
    output logic  target_req_ready_o,
    input  flit_t target_req_i,
    output logic  target_rsp_valid_o,
    input  logic  target_rsp_ready_i,
    output flit_t target_rsp_o,

    // packets of the core's window; src is filled in outside
    output logic  window_req_valid_o,
    input  logic  window_req_ready_i,
    output flit_t window_req_o,
    input  logic  window_rsp_valid_i,
    output logic  window_rsp_ready_o,
    input  flit_t window_rsp_i,

    // packets of its DMA
    output logic  dma_req_valid_o,
    input  logic  dma_req_ready_i,
    output flit_t dma_req_o,
    input  logic  dma_rsp_valid_i,
    output logic  dma_rsp_ready_o,
    input  flit_t dma_rsp_i,

    // time, kept outside by a clock that never stops
    input  logic [63:0] cycle_i,
    output logic [63:0] timer_o,
    output logic        timer_armed_o,
    input  logic        timer_hit_i,

    output logic host_irq_o,
    output logic core_awake_o,
    output logic busy_o
);

  // ---------------------------------------------------------------------------------- Ibex
  logic core_rst_n, fetch_enable, core_irq, core_sleep;
  logic instr_req, instr_gnt, instr_err;
  logic instr_rvalid_q, instr_err_q;
  logic [31:0] instr_addr, instr_rdata;
  logic data_req, data_gnt, data_rvalid, data_we, data_err;
  logic [3:0] data_be;
  logic [31:0] data_addr, data_wdata, data_rdata;

  assign core_rst_n = rst_ni && fetch_enable;
  assign core_awake_o = fetch_enable && !core_sleep;

  // With lockstep the buses carry check bits.
  logic [6:0] instr_intg, data_intg;
  if (SecureIbex) begin : gen_check_bits
    logic [38:0] instr_coded, data_coded;
    prim_secded_inv_39_32_enc u_instr (
      .data_i(instr_rdata),
      .data_o(instr_coded)
    );
    prim_secded_inv_39_32_enc u_data (
      .data_i(data_rdata),
      .data_o(data_coded)
    );
    assign instr_intg = instr_coded[38:32];
    assign data_intg = data_coded[38:32];
    logic unused_coded;
    assign unused_coded = ^{instr_coded[31:0], data_coded[31:0]};
  end else begin : gen_no_check_bits
    assign instr_intg = '0;
    assign data_intg = '0;
  end

  // Lockstep's alerts have no reader yet; the host sees a core that stops.
  logic [6:0] unused_data_wdata_intg;
  ibex_pkg::crash_dump_t unused_crash_dump;
  logic unused_scramble_req, unused_double_fault_seen;
  logic unused_alert_minor, unused_alert_major_internal, unused_alert_major_bus;

  ibex_top #(
    .PMPEnable      (PmpRegions != 0),
    .PMPNumRegions  (PmpRegions != 0 ? PmpRegions : 4),
    .RV32M          (ibex_pkg::RV32MFast),
    .BranchTargetALU(1'b1),
    .WritebackStage (1'b1),
    .SecureIbex     (SecureIbex)
  ) u_ibex (
    .clk_i,
    .rst_ni                (core_rst_n),
    // Its clock runs while it is held in reset, so that reset needs no edge to take effect.
    .test_en_i             (!core_rst_n),
    .ram_cfg_i             ('0),
    .hart_id_i             ('0),
    .boot_addr_i           (CoreRamBase[31:0]),
    .instr_req_o           (instr_req),
    .instr_gnt_i           (instr_gnt),
    .instr_rvalid_i        (instr_rvalid_q),
    .instr_addr_o          (instr_addr),
    .instr_rdata_i         (instr_rdata),
    .instr_rdata_intg_i    (instr_intg),
    .instr_err_i           (instr_err_q),
    .data_req_o            (data_req),
    .data_gnt_i            (data_gnt),
    .data_rvalid_i         (data_rvalid),
    .data_we_o             (data_we),
    .data_be_o             (data_be),
    .data_addr_o           (data_addr),
    .data_wdata_o          (data_wdata),
    .data_wdata_intg_o     (unused_data_wdata_intg),
    .data_rdata_i          (data_rdata),
    .data_rdata_intg_i     (data_intg),
    .data_err_i            (data_err),
    .irq_software_i        (1'b0),
    .irq_timer_i           (1'b0),
    .irq_external_i        (core_irq),
    .irq_fast_i            ('0),
    .irq_nm_i              (1'b0),
    .scramble_key_valid_i  (1'b0),
    .scramble_key_i        ('0),
    .scramble_nonce_i      ('0),
    .scramble_req_o        (unused_scramble_req),
    .debug_req_i           (1'b0),
    .crash_dump_o          (unused_crash_dump),
    .double_fault_seen_o   (unused_double_fault_seen),
    .fetch_enable_i        (ibex_pkg::IbexMuBiOn),
    .alert_minor_o         (unused_alert_minor),
    .alert_major_internal_o(unused_alert_major_internal),
    .alert_major_bus_o     (unused_alert_major_bus),
    .core_sleep_o          (core_sleep),
    .scan_rst_ni           (1'b1)
  );

  // Instructions come from RAM only.
  logic instr_ram_gnt;

  assign instr_err = !in_ram(addr_t'(instr_addr));
  assign instr_gnt = instr_err ? instr_req : instr_ram_gnt;

  always_ff @(posedge clk_i) begin
    if (!core_rst_n) begin
      instr_rvalid_q <= 1'b0;
      instr_err_q <= 1'b0;
    end else begin
      instr_rvalid_q <= instr_gnt;
      instr_err_q <= instr_err;
    end
  end

  // ------------------------------------------------------------------------------ data bus
  logic ram_data_req, ram_data_gnt;
  logic [31:0] ram_data_rdata;
  logic core_reg_req;
  logic [31:0] reg_rdata;
  logic window_req, window_gnt, window_rvalid, window_err, window_busy;
  logic [31:0] window_rdata;

  core_bus u_bus (
    .clk_i,
    .rst_ni         (core_rst_n),
    .req_i          (data_req),
    .gnt_o          (data_gnt),
    .be_i           (data_be),
    .addr_i         (data_addr),
    .rvalid_o       (data_rvalid),
    .rdata_o        (data_rdata),
    .err_o          (data_err),
    .ram_req_o      (ram_data_req),
    .ram_gnt_i      (ram_data_gnt),
    .ram_rdata_i    (ram_data_rdata),
    .reg_req_o      (core_reg_req),
    .reg_rdata_i    (reg_rdata),
    .window_req_o   (window_req),
    .window_gnt_i   (window_gnt),
    .window_rvalid_i(window_rvalid),
    .window_rdata_i (window_rdata),
    .window_err_i   (window_err)
  );

  // ----------------------------------------------------------------------------------- RAM
  // Wide accesses: packets for this node first, then the DMA.
  logic target_ram_req, target_ram_we;
  logic [31:0] target_ram_be;
  ram_word_t target_ram_word;
  logic [255:0] target_ram_wdata;
  logic dma_ram_req, dma_ram_we;
  logic [31:0] dma_ram_be;
  ram_word_t dma_ram_word;
  logic [255:0] dma_ram_wdata;
  logic [255:0] wide_rdata;

  core_ram u_ram (
    .clk_i,
    .instr_req_i  (instr_req && !instr_err),
    .instr_gnt_o  (instr_ram_gnt),
    .instr_word_i (instr_addr[CoreRamWordBits+1:2]),
    .instr_rdata_o(instr_rdata),
    .data_req_i   (ram_data_req),
    .data_gnt_o   (ram_data_gnt),
    .data_we_i    (data_we),
    .data_be_i    (data_be),
    .data_word_i  (data_addr[CoreRamWordBits+1:2]),
    .data_wdata_i (data_wdata),
    .data_rdata_o (ram_data_rdata),
    .wide_req_i   (target_ram_req || dma_ram_req),
    .wide_we_i    (target_ram_req ? target_ram_we : dma_ram_we),
    .wide_be_i    (target_ram_req ? target_ram_be : dma_ram_be),
    .wide_word_i  (target_ram_req ? target_ram_word : dma_ram_word),
    .wide_wdata_i (target_ram_req ? target_ram_wdata : dma_ram_wdata),
    .wide_rdata_o (wide_rdata)
  );

  // -------------------------------------------------------------------- packets for this node
  logic target_reg_req, target_reg_gnt, target_reg_we, target_busy;
  reg_word_t target_reg_word;
  logic [31:0] target_reg_wdata;

  io_target u_target (
    .clk_i,
    .rst_ni,
    .req_valid_i(target_req_valid_i),
    .req_ready_o(target_req_ready_o),
    .req_i      (target_req_i),
    .rsp_valid_o(target_rsp_valid_o),
    .rsp_ready_i(target_rsp_ready_i),
    .rsp_o      (target_rsp_o),
    .ram_req_o  (target_ram_req),
    .ram_we_o   (target_ram_we),
    .ram_be_o   (target_ram_be),
    .ram_word_o (target_ram_word),
    .ram_wdata_o(target_ram_wdata),
    .ram_rdata_i(wide_rdata),
    .reg_req_o  (target_reg_req),
    .reg_gnt_i  (target_reg_gnt),
    .reg_we_o   (target_reg_we),
    .reg_word_o (target_reg_word),
    .reg_wdata_o(target_reg_wdata),
    .reg_rdata_i(reg_rdata),
    .busy_o     (target_busy)
  );

  // ----------------------------------------------------------------------------- registers
  logic [16:0] window;
  logic bus_error;
  err_e bus_error_code;
  logic [27:0] bus_error_addr;
  logic dma_start, dma_busy, dma_done;
  addr_t dma_src, dma_dst;
  logic [31:0] dma_len;
  err_e dma_err;

  io_regs #(
    .NumCols(NumCols),
    .NumRows(NumRows)
  ) u_regs (
    .clk_i,
    .rst_ni,
    .core_req_i      (core_reg_req),
    .core_we_i       (data_we),
    .core_word_i     (data_addr[11:2]),
    .core_wdata_i    (data_wdata),
    .target_req_i    (target_reg_req),
    .target_gnt_o    (target_reg_gnt),
    .target_we_i     (target_reg_we),
    .target_word_i   (target_reg_word),
    .target_wdata_i  (target_reg_wdata),
    .rdata_o         (reg_rdata),
    .fetch_enable_o  (fetch_enable),
    .core_irq_o      (core_irq),
    .core_awake_i    (core_awake_o),
    .host_irq_o      (host_irq_o),
    .cycle_i         (cycle_i),
    .timer_o         (timer_o),
    .timer_armed_o   (timer_armed_o),
    .timer_hit_i     (timer_hit_i),
    .window_o        (window),
    .bus_error_i     (bus_error),
    .bus_error_code_i(bus_error_code),
    .bus_error_addr_i(bus_error_addr),
    .dma_start_o     (dma_start),
    .dma_src_o       (dma_src),
    .dma_dst_o       (dma_dst),
    .dma_len_o       (dma_len),
    .dma_busy_i      (dma_busy),
    .dma_done_i      (dma_done),
    .dma_err_i       (dma_err)
  );

  // ------------------------------------------------------------------------ window and DMA
  core_window u_window (
    .clk_i,
    .rst_ni,
    .window_i        (window),
    .req_i           (window_req),
    .gnt_o           (window_gnt),
    .we_i            (data_we),
    .be_i            (data_be),
    .addr_i          (data_addr[30:0]),
    .wdata_i         (data_wdata),
    .rvalid_o        (window_rvalid),
    .rdata_o         (window_rdata),
    .err_o           (window_err),
    .req_valid_o     (window_req_valid_o),
    .req_ready_i     (window_req_ready_i),
    .req_o           (window_req_o),
    .rsp_valid_i     (window_rsp_valid_i),
    .rsp_ready_o     (window_rsp_ready_o),
    .rsp_i           (window_rsp_i),
    .bus_error_o     (bus_error),
    .bus_error_code_o(bus_error_code),
    .bus_error_addr_o(bus_error_addr),
    .busy_o          (window_busy)
  );

  core_dma u_dma (
    .clk_i,
    .rst_ni,
    .start_i    (dma_start),
    .src_i      (dma_src),
    .dst_i      (dma_dst),
    .len_i      (dma_len),
    .busy_o     (dma_busy),
    .done_o     (dma_done),
    .err_o      (dma_err),
    .req_valid_o(dma_req_valid_o),
    .req_ready_i(dma_req_ready_i),
    .req_o      (dma_req_o),
    .rsp_valid_i(dma_rsp_valid_i),
    .rsp_ready_o(dma_rsp_ready_o),
    .rsp_i      (dma_rsp_i),
    .ram_req_o  (dma_ram_req),
    .ram_gnt_i  (!target_ram_req),
    .ram_we_o   (dma_ram_we),
    .ram_be_o   (dma_ram_be),
    .ram_word_o (dma_ram_word),
    .ram_wdata_o(dma_ram_wdata),
    .ram_rdata_i(wide_rdata)
  );

  assign busy_o = core_awake_o || target_busy || window_busy || dma_start || dma_busy || dma_done;

  `ASSERT(SleepsWithoutFetch_A, fetch_enable || !core_awake_o)

endmodule
