// The io node, at (0, 0): host ports, control core, and what connects them with the mesh.
//
// Who sends (host port, core window, core DMA, mesh) reaches what answers (RAM and registers, host memory,
// mesh) through two crossbars, one for requests, one for responses; each packet passes whole. A request to
// an address that no node of this mesh has is answered here, with ErrDecode.
//
// Contract: pins and the mesh's flits are taken only in cycles in which the node is awake; it wakes in the
// cycle after one is offered, or when the core's timer expires. All but the cycle counter, the timer's
// comparison and that decision stops when the core sleeps and nothing is under way.
// Latency: packets pass the crossbars in the cycle in which they are offered.

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
    parameter int unsigned PmpRegions = 0
) (
    input logic clk_i,
    input logic rst_ni,

    // AXI4 of the host: bursts INCR of 32 bytes a beat
    input  logic         s_axi_host_awvalid_i,
    output logic         s_axi_host_awready_o,
    input  logic [ 47:0] s_axi_host_awaddr_i,
    input  logic [  7:0] s_axi_host_awlen_i,
    input  logic [  5:0] s_axi_host_awid_i,
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
    output logic        core_awake_o
);
endmodule
