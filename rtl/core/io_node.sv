// The io node, at (0, 0): host ports, control core, and what connects them with the mesh.
//
// Who sends (host port, core window, core DMA, mesh) reaches what answers (RAM and registers, host memory,
// mesh) through two crossbars, one for requests, one for responses; each packet passes whole. A request to
// an address that no node of this mesh has is answered here, with ErrDecode.
//
// Contract: pins and the mesh's flits are taken only in cycles in which the node is awake; it wakes in the
// cycle after one is offered, or when the core's timer expires. All but the cycle counter, the timer's
// comparison and that decision stops when the core sleeps and nothing is under way.
// Latency: packets pass the crossbars in the cycle in which they are offered, one cycle later from the mesh.

`include "assert.svh"

module io_node
  import systole_spec_pkg::*;
  import systole_pkg::*;
  import core_pkg::*;
  import address_map_pkg::*;
#(
    parameter int unsigned NumCols = 3,
    parameter int unsigned NumRows = 2,
    parameter bit SecureIbex = 1'b0,
    parameter int unsigned PmpRegions = 0,
    parameter bit Observable = 1'b1  // as in noc_to_axi
) (
    input logic clk_i,
    input logic rst_ni,

    // AXI4 of the host: bursts INCR of 32 bytes a beat
    input  logic         s_axi_host_awvalid_i,
    output logic         s_axi_host_awready_o,
    input  logic [ 47:0] s_axi_host_awaddr_i,
    input  logic [  7:0] s_axi_host_awlen_i,
    input  logic [  5:0] s_axi_host_awid_i,
    input  logic [  2:0] s_axi_host_awsize_i,
    input  logic [  1:0] s_axi_host_awburst_i,
    input  logic         s_axi_host_wvalid_i,
    output logic         s_axi_host_wready_o,
    input  logic [255:0] s_axi_host_wdata_i,
    input  logic [ 31:0] s_axi_host_wstrb_i,
    input  logic         s_axi_host_wlast_i,
    output logic         s_axi_host_bvalid_o,
    input  logic         s_axi_host_bready_i,
    output logic [  1:0] s_axi_host_bresp_o,
    output logic [  5:0] s_axi_host_bid_o,
    input  logic         s_axi_host_arvalid_i,
    output logic         s_axi_host_arready_o,
    input  logic [ 47:0] s_axi_host_araddr_i,
    input  logic [  7:0] s_axi_host_arlen_i,
    input  logic [  5:0] s_axi_host_arid_i,
    input  logic [  2:0] s_axi_host_arsize_i,
    input  logic [  1:0] s_axi_host_arburst_i,
    output logic         s_axi_host_rvalid_o,
    input  logic         s_axi_host_rready_i,
    output logic [255:0] s_axi_host_rdata_o,
    output logic [  1:0] s_axi_host_rresp_o,
    output logic         s_axi_host_rlast_o,
    output logic [  5:0] s_axi_host_rid_o,

    // AXI4 to host memory, at addresses from HostMemBase on, less that base
    output logic         m_axi_host_awvalid_o,
    input  logic         m_axi_host_awready_i,
    output logic [ 47:0] m_axi_host_awaddr_o,
    output logic [  7:0] m_axi_host_awlen_o,
    output logic [  5:0] m_axi_host_awid_o,
    output logic [  2:0] m_axi_host_awsize_o,
    output logic [  1:0] m_axi_host_awburst_o,
    output logic         m_axi_host_wvalid_o,
    input  logic         m_axi_host_wready_i,
    output logic [255:0] m_axi_host_wdata_o,
    output logic [ 31:0] m_axi_host_wstrb_o,
    output logic         m_axi_host_wlast_o,
    input  logic         m_axi_host_bvalid_i,
    output logic         m_axi_host_bready_o,
    input  logic [  1:0] m_axi_host_bresp_i,
    input  logic [  5:0] m_axi_host_bid_i,
    output logic         m_axi_host_arvalid_o,
    input  logic         m_axi_host_arready_i,
    output logic [ 47:0] m_axi_host_araddr_o,
    output logic [  7:0] m_axi_host_arlen_o,
    output logic [  5:0] m_axi_host_arid_o,
    output logic [  2:0] m_axi_host_arsize_o,
    output logic [  1:0] m_axi_host_arburst_o,
    input  logic         m_axi_host_rvalid_i,
    output logic         m_axi_host_rready_o,
    input  logic [255:0] m_axi_host_rdata_i,
    input  logic [  1:0] m_axi_host_rresp_i,
    input  logic         m_axi_host_rlast_i,
    input  logic [  5:0] m_axi_host_rid_i,

    // level interrupt to the host
    output logic irq_host_o,

    // requests into the mesh, and from it
    output logic  noc_req_valid_o,
    input  logic  noc_req_ready_i,
    output flit_t noc_req_o,
    input  logic  noc_req_valid_i,
    output logic  noc_req_ready_o,
    input  flit_t noc_req_i,

    // responses into the mesh, and from it
    output logic  noc_rsp_valid_o,
    input  logic  noc_rsp_ready_i,
    output flit_t noc_rsp_o,
    input  logic  noc_rsp_valid_i,
    output logic  noc_rsp_ready_o,
    input  flit_t noc_rsp_i,

    // cycles since reset; the node is awake; so is the core
    output logic [63:0] cycle_o,
    output logic        busy_o,
    output logic        core_awake_o,

    // host memory: beats read and written, cycles in which a request and a response waited
    output logic [31:0] stat_read_beats_o,
    output logic [31:0] stat_write_beats_o,
    output logic [31:0] stat_req_stalls_o,
    output logic [31:0] stat_rsp_stalls_o
);

  // --------------------------------------------------------------------------- sleep and time
  // `awake_q`, and reset, open the gate; `awake_q` alone lets pins and flits in, so that nothing is taken by a clock edge that
  // does not come.
  logic awake_q, awake_d, clk, offered;
  logic s_axi_awready, s_axi_wready, s_axi_arready;
  axi_pkg::resp_e s_axi_bresp, s_axi_rresp;
  axi_pkg::burst_e m_axi_awburst, m_axi_arburst;
  logic m_axi_bready, m_axi_rready;
  logic host_busy, host_mem_busy, core_busy, core_awake, crossing;
  logic [63:0] cycle_q, timer;
  logic timer_armed, timer_hit;

  assign offered = s_axi_host_awvalid_i || s_axi_host_wvalid_i || s_axi_host_arvalid_i ||
      m_axi_host_bvalid_i || m_axi_host_rvalid_i || noc_req_valid_i || noc_rsp_valid_i;
  assign awake_d = offered || host_busy || host_mem_busy || core_busy || crossing || timer_hit;
  assign timer_hit = timer_armed && cycle_q >= timer;

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      awake_q <= 1'b1;
      cycle_q <= '0;
    end else begin
      awake_q <= awake_d;
      cycle_q <= cycle_q + 64'd1;
    end
  end

  clock_gate u_gate (
    .clk_i,
    .en_i     (awake_q || !rst_ni),
    .test_en_i(1'b0),
    .clk_o    (clk)
  );

  assign cycle_o = cycle_q;
  assign busy_o = awake_q;
  assign core_awake_o = core_awake;

  // -------------------------------------------------------------------------- request crossbar
  localparam int unsigned NumSenders = 4;
  localparam int unsigned SenderHost = 0;
  localparam int unsigned SenderWindow = 1;
  localparam int unsigned SenderDma = 2;
  localparam int unsigned SenderMesh = 3;
  localparam int unsigned NumAnswering = 3;
  localparam int unsigned AnsweringCore = 0;
  localparam int unsigned AnsweringHostMem = 1;
  localparam int unsigned AnsweringMesh = 2;

  logic [NumSenders-1:0] req_in_valid, req_in_ready;
  flit_t req_in[NumSenders];
  logic [1:0] req_select[NumSenders];
  logic [NumAnswering-1:0] req_out_valid, req_out_ready;
  flit_t req_out[NumAnswering];

  // What is not mapped goes to the core's side, which answers it with an error.
  for (genvar n = 0; n < NumSenders; n++) begin : gen_select
    req_head_t head;
    region_t region;
    assign head = req_head_t'(req_in[n].payload);
    assign region = head.addr[AddrBits-1:RegionBit];
    always_comb begin
      req_select[n] = 2'(AnsweringCore);
      if (is_mapped(head.addr, NumCols, NumRows)) begin
        if (region == RegionHostMem) req_select[n] = 2'(AnsweringHostMem);
        else if (n != SenderMesh && region != RegionIo) req_select[n] = 2'(AnsweringMesh);
      end
    end
    logic unused_head;
    assign unused_head = ^{head.zero, head.zero2, head.post_sem, head.post_en, head.len};
  end

  packet_crossbar #(
    .N(NumSenders),
    .M(NumAnswering)
  ) u_requests (
    .clk_i   (clk),
    .rst_ni,
    .valid_i (req_in_valid),
    .ready_o (req_in_ready),
    .flit_i  (req_in),
    .select_i(req_select),
    .valid_o (req_out_valid),
    .ready_i (req_out_ready),
    .flit_o  (req_out)
  );

  // Flits of the mesh come through a queue: logic that hung on awake_q, whose clock never stops, would be
  // evaluated, in a simulation, while this node sleeps.
  logic req_queue_ready;
  logic [1:0] unused_req_count, unused_rsp_count;
  assign noc_req_ready_o = req_queue_ready && awake_q;

  fifo #(
    .T(flit_t)
  ) u_req_queue (
    .clk_i  (clk),
    .rst_ni,
    .valid_i(noc_req_valid_i && awake_q),
    .ready_o(req_queue_ready),
    .data_i (noc_req_i),
    .valid_o(req_in_valid[SenderMesh]),
    .ready_i(req_in_ready[SenderMesh]),
    .data_o (req_in[SenderMesh]),
    .count_o(unused_req_count)
  );

  assign noc_req_valid_o = req_out_valid[AnsweringMesh];
  assign req_out_ready[AnsweringMesh] = noc_req_ready_i;
  assign noc_req_o = req_out[AnsweringMesh];

  // ------------------------------------------------------------------------- response crossbar
  logic [NumAnswering-1:0] rsp_in_valid, rsp_in_ready;
  flit_t rsp_in[NumAnswering];
  logic [1:0] rsp_select[NumAnswering];
  logic [NumSenders-1:0] rsp_out_valid, rsp_out_ready;
  flit_t rsp_out[NumSenders];

  for (genvar n = 0; n < NumAnswering; n++) begin : gen_back
    always_comb begin
      rsp_select[n] = 2'(SenderMesh);
      if (rsp_in[n].dst == '0) begin
        unique case (rsp_in[n].tag[5:4])
          IoClientWindow: rsp_select[n] = 2'(SenderWindow);
          IoClientDma: rsp_select[n] = 2'(SenderDma);
          default: rsp_select[n] = 2'(SenderHost);
        endcase
      end
    end
  end

  packet_crossbar #(
    .N(NumAnswering),
    .M(NumSenders)
  ) u_responses (
    .clk_i   (clk),
    .rst_ni,
    .valid_i (rsp_in_valid),
    .ready_o (rsp_in_ready),
    .flit_i  (rsp_in),
    .select_i(rsp_select),
    .valid_o (rsp_out_valid),
    .ready_i (rsp_out_ready),
    .flit_o  (rsp_out)
  );

  logic rsp_queue_ready;
  assign noc_rsp_ready_o = rsp_queue_ready && awake_q;

  fifo #(
    .T(flit_t)
  ) u_rsp_queue (
    .clk_i  (clk),
    .rst_ni,
    .valid_i(noc_rsp_valid_i && awake_q),
    .ready_o(rsp_queue_ready),
    .data_i (noc_rsp_i),
    .valid_o(rsp_in_valid[AnsweringMesh]),
    .ready_i(rsp_in_ready[AnsweringMesh]),
    .data_o (rsp_in[AnsweringMesh]),
    .count_o(unused_rsp_count)
  );

  assign noc_rsp_valid_o = rsp_out_valid[SenderMesh];
  assign rsp_out_ready[SenderMesh] = noc_rsp_ready_i;
  assign noc_rsp_o = rsp_out[SenderMesh];

  // A packet that has begun to pass need not have its next flit at hand.
  assign crossing = |req_in_valid || |rsp_in_valid;

  // ------------------------------------------------------------------------------ control core
  control_core #(
    .NumCols   (NumCols),
    .NumRows   (NumRows),
    .SecureIbex(SecureIbex),
    .PmpRegions(PmpRegions)
  ) u_core (
    .clk_i             (clk),
    .rst_ni,
    .target_req_valid_i(req_out_valid[AnsweringCore]),
    .target_req_ready_o(req_out_ready[AnsweringCore]),
    .target_req_i      (req_out[AnsweringCore]),
    .target_rsp_valid_o(rsp_in_valid[AnsweringCore]),
    .target_rsp_ready_i(rsp_in_ready[AnsweringCore]),
    .target_rsp_o      (rsp_in[AnsweringCore]),
    .window_req_valid_o(req_in_valid[SenderWindow]),
    .window_req_ready_i(req_in_ready[SenderWindow]),
    .window_req_o      (req_in[SenderWindow]),
    .window_rsp_valid_i(rsp_out_valid[SenderWindow]),
    .window_rsp_ready_o(rsp_out_ready[SenderWindow]),
    .window_rsp_i      (rsp_out[SenderWindow]),
    .dma_req_valid_o   (req_in_valid[SenderDma]),
    .dma_req_ready_i   (req_in_ready[SenderDma]),
    .dma_req_o         (req_in[SenderDma]),
    .dma_rsp_valid_i   (rsp_out_valid[SenderDma]),
    .dma_rsp_ready_o   (rsp_out_ready[SenderDma]),
    .dma_rsp_i         (rsp_out[SenderDma]),
    .cycle_i           (cycle_q),
    .timer_o           (timer),
    .timer_armed_o     (timer_armed),
    .timer_hit_i       (timer_hit),
    .host_irq_o        (irq_host_o),
    .core_awake_o      (core_awake),
    .busy_o            (core_busy)
  );

  // -------------------------------------------------------------------------------- host ports
  // Their pins are registers' own; what comes in waits until this node is awake.
  axi_to_noc #(
    .NumCols(NumCols),
    .NumRows(NumRows)
  ) u_axi_to_noc (
    .clk_i          (clk),
    .rst_ni,
    .s_axi_awvalid_i(s_axi_host_awvalid_i && awake_q),
    .s_axi_awready_o(s_axi_awready),
    .s_axi_awid_i   (s_axi_host_awid_i),
    .s_axi_awaddr_i (s_axi_host_awaddr_i),
    .s_axi_awlen_i  (s_axi_host_awlen_i),
    .s_axi_awsize_i (s_axi_host_awsize_i),
    .s_axi_awburst_i(axi_pkg::burst_e'(s_axi_host_awburst_i)),
    .s_axi_wvalid_i (s_axi_host_wvalid_i && awake_q),
    .s_axi_wready_o (s_axi_wready),
    .s_axi_wdata_i  (s_axi_host_wdata_i),
    .s_axi_wstrb_i  (s_axi_host_wstrb_i),
    .s_axi_wlast_i  (s_axi_host_wlast_i),
    .s_axi_bvalid_o (s_axi_host_bvalid_o),
    .s_axi_bready_i (s_axi_host_bready_i),
    .s_axi_bid_o    (s_axi_host_bid_o),
    .s_axi_bresp_o  (s_axi_bresp),
    .s_axi_arvalid_i(s_axi_host_arvalid_i && awake_q),
    .s_axi_arready_o(s_axi_arready),
    .s_axi_arid_i   (s_axi_host_arid_i),
    .s_axi_araddr_i (s_axi_host_araddr_i),
    .s_axi_arlen_i  (s_axi_host_arlen_i),
    .s_axi_arsize_i (s_axi_host_arsize_i),
    .s_axi_arburst_i(axi_pkg::burst_e'(s_axi_host_arburst_i)),
    .s_axi_rvalid_o (s_axi_host_rvalid_o),
    .s_axi_rready_i (s_axi_host_rready_i),
    .s_axi_rid_o    (s_axi_host_rid_o),
    .s_axi_rdata_o  (s_axi_host_rdata_o),
    .s_axi_rresp_o  (s_axi_rresp),
    .s_axi_rlast_o  (s_axi_host_rlast_o),
    .req_valid_o    (req_in_valid[SenderHost]),
    .req_ready_i    (req_in_ready[SenderHost]),
    .req_o          (req_in[SenderHost]),
    .rsp_valid_i    (rsp_out_valid[SenderHost]),
    .rsp_ready_o    (rsp_out_ready[SenderHost]),
    .rsp_i          (rsp_out[SenderHost]),
    .busy_o         (host_busy)
  );

  assign s_axi_host_awready_o = s_axi_awready && awake_q;
  assign s_axi_host_wready_o = s_axi_wready && awake_q;
  assign s_axi_host_arready_o = s_axi_arready && awake_q;
  assign s_axi_host_bresp_o = s_axi_bresp;
  assign s_axi_host_rresp_o = s_axi_rresp;

  noc_to_axi #(
    .X    (0),
    .Y    (0),
    .Base (HostMemBase),
    .Bytes(HostMemBytes),
    .Observable(Observable)
  ) u_noc_to_axi (
    .clk_i             (clk),
    .rst_ni,
    .req_valid_i       (req_out_valid[AnsweringHostMem]),
    .req_ready_o       (req_out_ready[AnsweringHostMem]),
    .req_i             (req_out[AnsweringHostMem]),
    .rsp_valid_o       (rsp_in_valid[AnsweringHostMem]),
    .rsp_ready_i       (rsp_in_ready[AnsweringHostMem]),
    .rsp_o             (rsp_in[AnsweringHostMem]),
    .m_axi_awvalid_o   (m_axi_host_awvalid_o),
    .m_axi_awready_i   (m_axi_host_awready_i),
    .m_axi_awid_o      (m_axi_host_awid_o),
    .m_axi_awaddr_o    (m_axi_host_awaddr_o),
    .m_axi_awlen_o     (m_axi_host_awlen_o),
    .m_axi_awsize_o    (m_axi_host_awsize_o),
    .m_axi_awburst_o   (m_axi_awburst),
    .m_axi_wvalid_o    (m_axi_host_wvalid_o),
    .m_axi_wready_i    (m_axi_host_wready_i),
    .m_axi_wdata_o     (m_axi_host_wdata_o),
    .m_axi_wstrb_o     (m_axi_host_wstrb_o),
    .m_axi_wlast_o     (m_axi_host_wlast_o),
    .m_axi_bvalid_i    (m_axi_host_bvalid_i && awake_q),
    .m_axi_bready_o    (m_axi_bready),
    .m_axi_bid_i       (m_axi_host_bid_i),
    .m_axi_bresp_i     (axi_pkg::resp_e'(m_axi_host_bresp_i)),
    .m_axi_arvalid_o   (m_axi_host_arvalid_o),
    .m_axi_arready_i   (m_axi_host_arready_i),
    .m_axi_arid_o      (m_axi_host_arid_o),
    .m_axi_araddr_o    (m_axi_host_araddr_o),
    .m_axi_arlen_o     (m_axi_host_arlen_o),
    .m_axi_arsize_o    (m_axi_host_arsize_o),
    .m_axi_arburst_o   (m_axi_arburst),
    .m_axi_rvalid_i    (m_axi_host_rvalid_i && awake_q),
    .m_axi_rready_o    (m_axi_rready),
    .m_axi_rid_i       (m_axi_host_rid_i),
    .m_axi_rdata_i     (m_axi_host_rdata_i),
    .m_axi_rresp_i     (axi_pkg::resp_e'(m_axi_host_rresp_i)),
    .m_axi_rlast_i     (m_axi_host_rlast_i),
    .busy_o            (host_mem_busy),
    .stat_read_beats_o (stat_read_beats_o),
    .stat_write_beats_o(stat_write_beats_o),
    .stat_req_stalls_o (stat_req_stalls_o),
    .stat_rsp_stalls_o (stat_rsp_stalls_o)
  );

  assign m_axi_host_awburst_o = m_axi_awburst;
  assign m_axi_host_arburst_o = m_axi_arburst;
  assign m_axi_host_bready_o = m_axi_bready && awake_q;
  assign m_axi_host_rready_o = m_axi_rready && awake_q;

  `ASSERT_WHEN(MeshGetsMapped_A, noc_req_valid_o, !noc_req_o.head || noc_req_o.dst != '0)
  `ASSERT(TakesOnlyAwake_A, awake_q || !(noc_req_ready_o || noc_rsp_ready_o))
  `ASSERT(OffersOnlyAwake_A, awake_q || !(noc_req_valid_o || noc_rsp_valid_o))

endmodule
