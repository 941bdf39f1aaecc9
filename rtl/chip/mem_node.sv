// Memory node (0, Y): answers requests for one DRAM channel through an AXI4 master port. The chip puts the
// node's two routers in front of it (noc_node).
//
// Contract, order and latency: those of noc_to_axi, for addresses from DramBase + (Y - 1) * DramChannelBytes
// on, at address minus that base.
// Clock: gated here; runs while a request is offered or work is under way. clk_i is free-running.

module mem_node
  import systole_spec_pkg::*;
  import systole_pkg::*;
#(
    parameter int unsigned Y = 1,
    parameter bit Observable = 1'b1  // as in noc_to_axi
) (
    input logic clk_i,
    input logic rst_ni,

    // requests
    input  logic  req_valid_i,
    output logic  req_ready_o,
    input  flit_t req_i,

    // responses
    output logic  rsp_valid_o,
    input  logic  rsp_ready_i,
    output flit_t rsp_o,

    // AXI4 write
    output logic m_axi_awvalid_o,
    input  logic m_axi_awready_i,
    output axi_pkg::id_t m_axi_awid_o,
    output axi_pkg::addr_t m_axi_awaddr_o,
    output logic [7:0] m_axi_awlen_o,
    output logic [2:0] m_axi_awsize_o,
    output axi_pkg::burst_e m_axi_awburst_o,
    output logic m_axi_wvalid_o,
    input  logic m_axi_wready_i,
    output axi_pkg::data_t m_axi_wdata_o,
    output axi_pkg::strb_t m_axi_wstrb_o,
    output logic m_axi_wlast_o,
    input  logic m_axi_bvalid_i,
    output logic m_axi_bready_o,
    input  axi_pkg::id_t m_axi_bid_i,
    input  axi_pkg::resp_e m_axi_bresp_i,

    // AXI4 read
    output logic m_axi_arvalid_o,
    input  logic m_axi_arready_i,
    output axi_pkg::id_t m_axi_arid_o,
    output axi_pkg::addr_t m_axi_araddr_o,
    output logic [7:0] m_axi_arlen_o,
    output logic [2:0] m_axi_arsize_o,
    output axi_pkg::burst_e m_axi_arburst_o,
    input  logic m_axi_rvalid_i,
    output logic m_axi_rready_o,
    input  axi_pkg::id_t m_axi_rid_i,
    input  axi_pkg::data_t m_axi_rdata_i,
    input  axi_pkg::resp_e m_axi_rresp_i,
    input  logic m_axi_rlast_i,

    output logic        busy_o,               // work under way: the clock runs
    output logic [31:0] stat_read_beats_o,
    output logic [31:0] stat_write_beats_o,
    output logic [31:0] stat_req_stalls_o,    // cycles in which a request waited
    output logic [31:0] stat_rsp_stalls_o     // cycles in which a response waited
);

  if (Y == 0 || Y > 15) begin : gen_check
    $error("mem_node: row 0 is the io node's");
  end

  logic clk;

  clock_gate u_clock_gate (
    .clk_i,
    .en_i     (busy_o || req_valid_i || !rst_ni),
    .test_en_i(1'b0),
    .clk_o    (clk)
  );

  noc_to_axi #(
    .X    (0),
    .Y    (Y),
    .Base (DramBase + (AddrBits'(Y) - AddrBits'(1)) * DramChannelBytes),
    .Bytes(DramChannelBytes),
    .Observable(Observable)
  ) u_noc_to_axi (
    .clk_i(clk),
    .rst_ni,
    .req_valid_i,
    .req_ready_o,
    .req_i,
    .rsp_valid_o,
    .rsp_ready_i,
    .rsp_o,
    .m_axi_awvalid_o,
    .m_axi_awready_i,
    .m_axi_awid_o,
    .m_axi_awaddr_o,
    .m_axi_awlen_o,
    .m_axi_awsize_o,
    .m_axi_awburst_o,
    .m_axi_wvalid_o,
    .m_axi_wready_i,
    .m_axi_wdata_o,
    .m_axi_wstrb_o,
    .m_axi_wlast_o,
    .m_axi_bvalid_i,
    .m_axi_bready_o,
    .m_axi_bid_i,
    .m_axi_bresp_i,
    .m_axi_arvalid_o,
    .m_axi_arready_i,
    .m_axi_arid_o,
    .m_axi_araddr_o,
    .m_axi_arlen_o,
    .m_axi_arsize_o,
    .m_axi_arburst_o,
    .m_axi_rvalid_i,
    .m_axi_rready_o,
    .m_axi_rid_i,
    .m_axi_rdata_i,
    .m_axi_rresp_i,
    .m_axi_rlast_i,
    .busy_o,
    .stat_read_beats_o,
    .stat_write_beats_o,
    .stat_req_stalls_o,
    .stat_rsp_stalls_o
  );

endmodule
