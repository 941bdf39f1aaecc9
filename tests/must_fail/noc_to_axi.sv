// noc_to_axi with a fault, for tests that must fail (fault.sv):
//   reorder   two reads of one length reach the DRAM in the wrong order, so that each requester gets the other's
//             data; the first two behind the 200th since reset, where nothing else is told, and where Broken is set
//   strobe    the last byte of a beat of a write is not enabled
//   tag       a write is answered with the tag of another
module noc_to_axi
  import systole_spec_pkg::*;
  import systole_pkg::*;
#(
    parameter int unsigned X = 0,
    parameter int unsigned Y = 1,
    parameter logic [AddrBits-1:0] Base = DramBase,
    parameter logic [AddrBits-1:0] Bytes = DramChannelBytes,
    parameter int unsigned MaxReads = 32,
    parameter int unsigned MaxWrites = 32,
    parameter bit Observable = 1'b1,
    parameter bit Broken = 1'b0
) (
    input logic clk_i,
    input logic rst_ni,
    input  logic  req_valid_i,
    output logic  req_ready_o,
    input  flit_t req_i,
    output logic  rsp_valid_o,
    input  logic  rsp_ready_i,
    output flit_t rsp_o,
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
    output logic        busy_o,
    output logic [31:0] stat_read_beats_o,
    output logic [31:0] stat_write_beats_o,
    output logic [31:0] stat_req_stalls_o,
    output logic [31:0] stat_rsp_stalls_o
);
  localparam int unsigned Patience = 64;  // cycles for which a read waits for one to change places with

  logic broken;
  logic [31:0] at;
  fault #(
    .Name("reorder"),
    .Within("gen_mem"),
    .At(200),
    .Always(Broken)
  ) u_fault_reorder (
    .on_o(broken),
    .at_o(at)
  );

  logic unstrobed;
  fault #(
    .Name("strobe"),
    .Within("gen_mem"),
    .Never(Broken)
  ) u_fault_strobe (
    .on_o(unstrobed),
    .at_o()
  );

  logic wrong_tag;
  fault #(
    .Name("tag"),
    .Within("gen_mem"),
    .Never(Broken)
  ) u_fault_tag (
    .on_o(wrong_tag),
    .at_o()
  );
  flit_t rsp;
  logic [31:0] acks_q;
  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) acks_q <= '0;
    else if (rsp_valid_o && rsp_ready_i && rsp_o.op == NocOpAck) acks_q <= acks_q + 32'd1;
  end
  always_comb begin
    rsp_o = rsp;
    if (wrong_tag && rsp.op == NocOpAck && acks_q == at) rsp_o.tag = rsp.tag ^ 6'd1;
  end

  axi_pkg::strb_t wstrb;
  logic [31:0] beats_q;
  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) beats_q <= '0;
    else if (m_axi_wvalid_o && m_axi_wready_i) beats_q <= beats_q + 32'd1;
  end
  assign m_axi_wstrb_o = unstrobed && beats_q == at ? wstrb & ~(wstrb ^ (wstrb >> 1)) : wstrb;

  logic arvalid, arready, same;
  axi_pkg::addr_t araddr, addr_q;
  logic [7:0] arlen, len_q;
  logic hold_q, send_q, done_q;
  logic [31:0] reads_q;
  logic [6:0] waited_q;

  noc_to_axi_right #(
    .X(X),
    .Y(Y),
    .Base(Base),
    .Bytes(Bytes),
    .MaxReads(MaxReads),
    .MaxWrites(MaxWrites),
    .Observable(Observable)
  ) u_right (
    .rsp_o(rsp),
    .m_axi_wstrb_o(wstrb),
    .m_axi_arvalid_o(arvalid),
    .m_axi_arready_i(arready),
    .m_axi_araddr_o(araddr),
    .m_axi_arlen_o(arlen),
    .*
  );

  // A read is taken and held; one of its length goes before it; then it follows.
  logic begin_hold;
  assign begin_hold = broken && arvalid && !hold_q && !done_q && reads_q >= at;
  assign same = arlen == len_q && araddr != addr_q;

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) begin
      hold_q <= 1'b0;
      send_q <= 1'b0;
      done_q <= 1'b0;
      reads_q <= '0;
      waited_q <= '0;
      addr_q <= '0;
      len_q <= '0;
    end else begin
      if (arvalid && arready) reads_q <= reads_q + 32'd1;
      if (begin_hold) begin
        hold_q <= 1'b1;
        addr_q <= araddr;
        waited_q <= '0;
        len_q <= arlen;
      end
      if (hold_q && !send_q) begin
        waited_q <= waited_q + 7'd1;
        if (arvalid && same && m_axi_arready_i) begin
          send_q <= 1'b1;
          done_q <= 1'b1;
        end
        if ((arvalid && !same) || (waited_q == 7'(Patience) && !arvalid)) send_q <= 1'b1;
      end
      if (send_q && m_axi_arready_i) begin
        hold_q <= 1'b0;
        send_q <= 1'b0;
      end
    end
  end

  always_comb begin
    m_axi_arvalid_o = arvalid && !begin_hold;
    m_axi_araddr_o = araddr;
    m_axi_arlen_o = arlen;
    arready = m_axi_arready_i || begin_hold;
    if (send_q) begin
      m_axi_arvalid_o = 1'b1;
      m_axi_araddr_o = addr_q;
      m_axi_arlen_o = len_q;
      arready = 1'b0;
    end else if (hold_q && arvalid && !same) begin
      m_axi_arvalid_o = 1'b0;
      arready = 1'b0;
    end
  end
endmodule
