// The chip: a mesh of NumCols x NumRows nodes. Node (0, 0) is the io node, the others of column 0 are memory
// nodes, all further columns are compute tiles.
//
// Pins: AXI4 of the host, AXI4 to host memory, AXI4 to DRAM by channel (channel c belongs to node (0, c + 1)),
// an interrupt. Contracts and latencies are those of the nodes (io_node, mem_node) and of the mesh (noc_node).
// Trace: what took effect in the cycle before, by tile, tile t = y * (NumCols - 1) + x - 1, and unit
// (index t * NumUnits + unit), for the simulation; tile.sv says what it promises. `trace_any_o` is high
// whenever anything in it is.
// Observable = 0 leaves out what only observes: no counter counts, the trace is 0, TILE ID says so; nothing else
// differs, in no cycle.
// Clocks: every node gates its own; clk_i feeds the gates. Reset: asserted at once, released two cycles after the
// pin.

module systole_chip
  import systole_spec_pkg::*;
  import systole_pkg::*;
  import tile_pkg::*;
  import noc_pkg::*;
#(
    parameter int unsigned NumCols = 3,
    parameter int unsigned NumRows = 2,
    parameter bit Observable = 1'b1,
    localparam int unsigned NumTiles = (NumCols - 1) * NumRows,
    localparam int unsigned NumChannels = NumRows - 1
) (
    input logic clk_i,
    input logic rst_ni,

    // AXI4 of the host
    input  logic         s_axi_host_awvalid_i,
    output logic         s_axi_host_awready_o,
    input  logic [ 47:0] s_axi_host_awaddr_i,
    input  logic [  7:0] s_axi_host_awlen_i,
    input  logic [  2:0] s_axi_host_awsize_i,
    input  logic [  1:0] s_axi_host_awburst_i,
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
    input  logic [  2:0] s_axi_host_arsize_i,
    input  logic [  1:0] s_axi_host_arburst_i,
    input  logic [  5:0] s_axi_host_arid_i,
    output logic         s_axi_host_rvalid_o,
    input  logic         s_axi_host_rready_i,
    output logic [255:0] s_axi_host_rdata_o,
    output logic [  1:0] s_axi_host_rresp_o,
    output logic         s_axi_host_rlast_o,
    output logic [  5:0] s_axi_host_rid_o,

    // AXI4 to host memory, from address 0
    output logic         m_axi_host_awvalid_o,
    input  logic         m_axi_host_awready_i,
    output logic [ 47:0] m_axi_host_awaddr_o,
    output logic [  7:0] m_axi_host_awlen_o,
    output logic [  2:0] m_axi_host_awsize_o,
    output logic [  1:0] m_axi_host_awburst_o,
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
    output logic [  2:0] m_axi_host_arsize_o,
    output logic [  1:0] m_axi_host_arburst_o,
    output logic [  5:0] m_axi_host_arid_o,
    input  logic         m_axi_host_rvalid_i,
    output logic         m_axi_host_rready_o,
    input  logic [255:0] m_axi_host_rdata_i,
    input  logic [  1:0] m_axi_host_rresp_i,
    input  logic         m_axi_host_rlast_i,
    input  logic [  5:0] m_axi_host_rid_i,

    // AXI4 to DRAM, by channel, from address 0 of the channel
    output logic         m_axi_mem_awvalid_o[NumChannels],
    input  logic         m_axi_mem_awready_i[NumChannels],
    output logic [ 47:0] m_axi_mem_awaddr_o [NumChannels],
    output logic [  7:0] m_axi_mem_awlen_o  [NumChannels],
    output logic [  2:0] m_axi_mem_awsize_o [NumChannels],
    output logic [  1:0] m_axi_mem_awburst_o[NumChannels],
    output logic [  5:0] m_axi_mem_awid_o   [NumChannels],
    output logic         m_axi_mem_wvalid_o [NumChannels],
    input  logic         m_axi_mem_wready_i [NumChannels],
    output logic [255:0] m_axi_mem_wdata_o  [NumChannels],
    output logic [ 31:0] m_axi_mem_wstrb_o  [NumChannels],
    output logic         m_axi_mem_wlast_o  [NumChannels],
    input  logic         m_axi_mem_bvalid_i [NumChannels],
    output logic         m_axi_mem_bready_o [NumChannels],
    input  logic [  1:0] m_axi_mem_bresp_i  [NumChannels],
    input  logic [  5:0] m_axi_mem_bid_i    [NumChannels],
    output logic         m_axi_mem_arvalid_o[NumChannels],
    input  logic         m_axi_mem_arready_i[NumChannels],
    output logic [ 47:0] m_axi_mem_araddr_o [NumChannels],
    output logic [  7:0] m_axi_mem_arlen_o  [NumChannels],
    output logic [  2:0] m_axi_mem_arsize_o [NumChannels],
    output logic [  1:0] m_axi_mem_arburst_o[NumChannels],
    output logic [  5:0] m_axi_mem_arid_o   [NumChannels],
    input  logic         m_axi_mem_rvalid_i [NumChannels],
    output logic         m_axi_mem_rready_o [NumChannels],
    input  logic [255:0] m_axi_mem_rdata_i  [NumChannels],
    input  logic [  1:0] m_axi_mem_rresp_i  [NumChannels],
    input  logic         m_axi_mem_rlast_i  [NumChannels],
    input  logic [  5:0] m_axi_mem_rid_i    [NumChannels],

    // level interrupt to the host
    output logic irq_host_o,

    // trace
    output logic                 trace_any_o,
    output logic  [NumUnits-1:0] trace_begin_o         [NumTiles],
    output pcs_t                 trace_begin_pc_o      [NumTiles],
    output logic  [NumUnits-1:0] trace_retire_o        [NumTiles],
    output pcs_t                 trace_retire_pc_o     [NumTiles],
    output logic                 trace_post_taken_o    [NumTiles],
    output node_t                trace_post_src_o      [NumTiles],
    output logic                 trace_post_with_data_o[NumTiles],
    output logic                 trace_launch_o        [NumTiles],
    output logic                 trace_fault_o         [NumTiles]
);

  if (NumCols < 2 || NumRows < 2 || NumCols > 16 || NumRows > 16) begin : gen_check
    $error("systole_chip: a mesh has 2 to 16 columns and rows");
  end

  // Reset comes to all nodes from a register, so that nothing else hangs on the pin.
  logic rst_n;
  reset_sync u_reset_sync (
    .clk_i,
    .rst_ni,
    .test_en_i(1'b0),
    .rst_no(rst_n)
  );

  logic [NumTiles-1:0] tile_traces;
  assign trace_any_o = tile_traces != '0;

  for (genvar y = 0; y < NumRows; y++) begin : gen_row
    for (genvar x = 0; x < NumCols; x++) begin : gen_col

      // ------------------------------------------------------------------------------- links
      // What this node offers its neighbours, and what it is offered.
      ports_t req_out_valid, req_in_ready, rsp_out_valid, rsp_in_ready;
      ports_t req_in_valid, req_out_ready, rsp_in_valid, rsp_out_ready;

      // The node itself: into the mesh, and from it.
      flit_t local_req_in, local_req_out, local_rsp_in, local_rsp_out;

      for (genvar p = 0; p < Local; p++) begin : gen_link
        localparam int unsigned Back = (p + 2) % 4;
        localparam int NeighbourX = int'(x) + (p == East ? 1 : p == West ? -1 : 0);
        localparam int NeighbourY = int'(y) + (p == South ? 1 : p == North ? -1 : 0);
        flit_t req_in, req_out, rsp_in, rsp_out;
        if (NeighbourX >= 0 && NeighbourX < int'(NumCols) && NeighbourY >= 0 &&
            NeighbourY < int'(NumRows)) begin : gen_neighbour
          assign req_in_valid[p] = gen_row[NeighbourY].gen_col[NeighbourX].req_out_valid[Back];
          assign req_in = gen_row[NeighbourY].gen_col[NeighbourX].gen_link[Back].req_out;
          assign req_out_ready[p] = gen_row[NeighbourY].gen_col[NeighbourX].req_in_ready[Back];
          assign rsp_in_valid[p] = gen_row[NeighbourY].gen_col[NeighbourX].rsp_out_valid[Back];
          assign rsp_in = gen_row[NeighbourY].gen_col[NeighbourX].gen_link[Back].rsp_out;
          assign rsp_out_ready[p] = gen_row[NeighbourY].gen_col[NeighbourX].rsp_in_ready[Back];
        end else begin : gen_edge
          logic unused;
          assign unused = ^{
            req_out, rsp_out, req_out_valid[p], req_in_ready[p], rsp_out_valid[p], rsp_in_ready[p]
          };
          assign req_in_valid[p] = 1'b0;
          assign req_in = '0;
          assign req_out_ready[p] = 1'b0;
          assign rsp_in_valid[p] = 1'b0;
          assign rsp_in = '0;
          assign rsp_out_ready[p] = 1'b0;
        end
      end

      // A tile shows the counters of its routers; those of the other nodes, a simulation reads.
      logic stat_read;
      logic [4:0] stat_word;
      logic [31:0] stat;
      if (x == 0) begin : gen_no_stat
        logic unused;
        assign stat_read = 1'b0;
        assign stat_word = '0;
        assign unused = ^stat;
      end

      noc_node #(
        .X(x),
        .Y(y),
        .NumCols(NumCols),
        .NumRows(NumRows),
        .Observable(Observable)
      ) u_noc (
        .clk_i,
        .rst_ni(rst_n),
        .req_valid_i(req_in_valid),
        .req_ready_o(req_in_ready),
        .req_north_i(gen_link[North].req_in),
        .req_east_i(gen_link[East].req_in),
        .req_south_i(gen_link[South].req_in),
        .req_west_i(gen_link[West].req_in),
        .req_local_i(local_req_in),
        .req_valid_o(req_out_valid),
        .req_ready_i(req_out_ready),
        .req_north_o(gen_link[North].req_out),
        .req_east_o(gen_link[East].req_out),
        .req_south_o(gen_link[South].req_out),
        .req_west_o(gen_link[West].req_out),
        .req_local_o(local_req_out),
        .rsp_valid_i(rsp_in_valid),
        .rsp_ready_o(rsp_in_ready),
        .rsp_north_i(gen_link[North].rsp_in),
        .rsp_east_i(gen_link[East].rsp_in),
        .rsp_south_i(gen_link[South].rsp_in),
        .rsp_west_i(gen_link[West].rsp_in),
        .rsp_local_i(local_rsp_in),
        .rsp_valid_o(rsp_out_valid),
        .rsp_ready_i(rsp_out_ready),
        .rsp_north_o(gen_link[North].rsp_out),
        .rsp_east_o(gen_link[East].rsp_out),
        .rsp_south_o(gen_link[South].rsp_out),
        .rsp_west_o(gen_link[West].rsp_out),
        .rsp_local_o(local_rsp_out),
        .stat_read_i(stat_read),
        .stat_word_i(stat_word),
        .stat_o(stat)
      );

      // ------------------------------------------------------------------------------- nodes
      if (x == 0 && y == 0) begin : gen_io
        logic [63:0] cycle;
        logic awake, core_awake;
        logic [31:0] read_beats, write_beats, req_stalls, rsp_stalls;
        logic unused;
        assign unused = ^{cycle, awake, core_awake, read_beats, write_beats, req_stalls, rsp_stalls};

        io_node #(
          .NumCols(NumCols),
          .NumRows(NumRows),
          .Observable(Observable)
        ) u_io (
          .clk_i,
          .rst_ni(rst_n),
          .s_axi_host_awvalid_i,
          .s_axi_host_awready_o,
          .s_axi_host_awaddr_i,
          .s_axi_host_awlen_i,
          .s_axi_host_awsize_i,
          .s_axi_host_awburst_i,
          .s_axi_host_awid_i,
          .s_axi_host_wvalid_i,
          .s_axi_host_wready_o,
          .s_axi_host_wdata_i,
          .s_axi_host_wstrb_i,
          .s_axi_host_wlast_i,
          .s_axi_host_bvalid_o,
          .s_axi_host_bready_i,
          .s_axi_host_bresp_o,
          .s_axi_host_bid_o,
          .s_axi_host_arvalid_i,
          .s_axi_host_arready_o,
          .s_axi_host_araddr_i,
          .s_axi_host_arlen_i,
          .s_axi_host_arsize_i,
          .s_axi_host_arburst_i,
          .s_axi_host_arid_i,
          .s_axi_host_rvalid_o,
          .s_axi_host_rready_i,
          .s_axi_host_rdata_o,
          .s_axi_host_rresp_o,
          .s_axi_host_rlast_o,
          .s_axi_host_rid_o,
          .m_axi_host_awvalid_o,
          .m_axi_host_awready_i,
          .m_axi_host_awaddr_o,
          .m_axi_host_awlen_o,
          .m_axi_host_awsize_o,
          .m_axi_host_awburst_o,
          .m_axi_host_awid_o,
          .m_axi_host_wvalid_o,
          .m_axi_host_wready_i,
          .m_axi_host_wdata_o,
          .m_axi_host_wstrb_o,
          .m_axi_host_wlast_o,
          .m_axi_host_bvalid_i,
          .m_axi_host_bready_o,
          .m_axi_host_bresp_i,
          .m_axi_host_bid_i,
          .m_axi_host_arvalid_o,
          .m_axi_host_arready_i,
          .m_axi_host_araddr_o,
          .m_axi_host_arlen_o,
          .m_axi_host_arsize_o,
          .m_axi_host_arburst_o,
          .m_axi_host_arid_o,
          .m_axi_host_rvalid_i,
          .m_axi_host_rready_o,
          .m_axi_host_rdata_i,
          .m_axi_host_rresp_i,
          .m_axi_host_rlast_i,
          .m_axi_host_rid_i,
          .irq_host_o,
          .noc_req_valid_o(req_in_valid[Local]),
          .noc_req_ready_i(req_in_ready[Local]),
          .noc_req_o(local_req_in),
          .noc_req_valid_i(req_out_valid[Local]),
          .noc_req_ready_o(req_out_ready[Local]),
          .noc_req_i(local_req_out),
          .noc_rsp_valid_o(rsp_in_valid[Local]),
          .noc_rsp_ready_i(rsp_in_ready[Local]),
          .noc_rsp_o(local_rsp_in),
          .noc_rsp_valid_i(rsp_out_valid[Local]),
          .noc_rsp_ready_o(rsp_out_ready[Local]),
          .noc_rsp_i(local_rsp_out),
          .cycle_o(cycle),
          .busy_o(awake),
          .core_awake_o(core_awake),
          .stat_read_beats_o(read_beats),
          .stat_write_beats_o(write_beats),
          .stat_req_stalls_o(req_stalls),
          .stat_rsp_stalls_o(rsp_stalls)
        );
      end else if (x == 0) begin : gen_mem
        localparam int unsigned Channel = y - 1;
        logic busy;
        logic [31:0] read_beats, write_beats, req_stalls, rsp_stalls;
        axi_pkg::burst_e awburst, arburst;
        logic unused;
        // It answers, and asks for nothing.
        assign unused = ^{
          busy,
          read_beats,
          write_beats,
          req_stalls,
          rsp_stalls,
          req_in_ready[Local],
          rsp_out_valid[Local],
          local_rsp_out
        };
        assign req_in_valid[Local] = 1'b0;
        assign local_req_in = '0;
        assign rsp_out_ready[Local] = 1'b0;
        assign m_axi_mem_awburst_o[Channel] = awburst;
        assign m_axi_mem_arburst_o[Channel] = arburst;

        mem_node #(
          .Y(y),
          .Observable(Observable)
        ) u_mem (
          .clk_i,
          .rst_ni(rst_n),
          .req_valid_i(req_out_valid[Local]),
          .req_ready_o(req_out_ready[Local]),
          .req_i(local_req_out),
          .rsp_valid_o(rsp_in_valid[Local]),
          .rsp_ready_i(rsp_in_ready[Local]),
          .rsp_o(local_rsp_in),
          .m_axi_awvalid_o(m_axi_mem_awvalid_o[Channel]),
          .m_axi_awready_i(m_axi_mem_awready_i[Channel]),
          .m_axi_awid_o(m_axi_mem_awid_o[Channel]),
          .m_axi_awaddr_o(m_axi_mem_awaddr_o[Channel]),
          .m_axi_awlen_o(m_axi_mem_awlen_o[Channel]),
          .m_axi_awsize_o(m_axi_mem_awsize_o[Channel]),
          .m_axi_awburst_o(awburst),
          .m_axi_wvalid_o(m_axi_mem_wvalid_o[Channel]),
          .m_axi_wready_i(m_axi_mem_wready_i[Channel]),
          .m_axi_wdata_o(m_axi_mem_wdata_o[Channel]),
          .m_axi_wstrb_o(m_axi_mem_wstrb_o[Channel]),
          .m_axi_wlast_o(m_axi_mem_wlast_o[Channel]),
          .m_axi_bvalid_i(m_axi_mem_bvalid_i[Channel]),
          .m_axi_bready_o(m_axi_mem_bready_o[Channel]),
          .m_axi_bid_i(m_axi_mem_bid_i[Channel]),
          .m_axi_bresp_i(axi_pkg::resp_e'(m_axi_mem_bresp_i[Channel])),
          .m_axi_arvalid_o(m_axi_mem_arvalid_o[Channel]),
          .m_axi_arready_i(m_axi_mem_arready_i[Channel]),
          .m_axi_arid_o(m_axi_mem_arid_o[Channel]),
          .m_axi_araddr_o(m_axi_mem_araddr_o[Channel]),
          .m_axi_arlen_o(m_axi_mem_arlen_o[Channel]),
          .m_axi_arsize_o(m_axi_mem_arsize_o[Channel]),
          .m_axi_arburst_o(arburst),
          .m_axi_rvalid_i(m_axi_mem_rvalid_i[Channel]),
          .m_axi_rready_o(m_axi_mem_rready_o[Channel]),
          .m_axi_rid_i(m_axi_mem_rid_i[Channel]),
          .m_axi_rdata_i(m_axi_mem_rdata_i[Channel]),
          .m_axi_rresp_i(axi_pkg::resp_e'(m_axi_mem_rresp_i[Channel])),
          .m_axi_rlast_i(m_axi_mem_rlast_i[Channel]),
          .busy_o(busy),
          .stat_read_beats_o(read_beats),
          .stat_write_beats_o(write_beats),
          .stat_req_stalls_o(req_stalls),
          .stat_rsp_stalls_o(rsp_stalls)
        );
      end else begin : gen_tile
        localparam int unsigned Tile = y * (NumCols - 1) + x - 1;
        logic busy, enable, clk;
        assign enable = busy || req_out_valid[Local] || rsp_out_valid[Local] || !rst_n;

        clock_gate u_clock_gate (
          .clk_i,
          .en_i(enable),
          .test_en_i(1'b0),
          .clk_o(clk)
        );

        // Cycles in which the tile's clock stands still: with those that the tile counts, all since reset. The
        // tile sees what it was when it asked.
        logic [31:0] clock_off_q, clock_off_seen_q;

        if (Observable) begin : gen_count
          // Read before it is counted on, by a blocking assignment, and by one clock: as in unit_counters. What has
          // been read is valid after a read, for which the tile's clock runs: unreset.
          always_ff @(posedge clk_i) begin
            if (stat_read) clock_off_seen_q <= clock_off_q;
            if (!rst_n) clock_off_q = '0;
            else if (!enable) clock_off_q = clock_off_q + 32'd1;
          end
        end else begin : gen_no_count
          logic unused;
          assign unused = ^clock_off_q;
          assign clock_off_q = '0;
          assign clock_off_seen_q = '0;
        end

        tile #(
          .NumCols(NumCols),
          .NumRows(NumRows),
          .Observable(Observable)
        ) u_tile (
          .clk_i(clk),
          .rst_ni(rst_n),
          .here_i(node_t'{y: 4'(y), x: 4'(x)}),
          .busy_o(busy),
          .req_valid_o(req_in_valid[Local]),
          .req_ready_i(req_in_ready[Local]),
          .req_o(local_req_in),
          .rsp_valid_i(rsp_out_valid[Local]),
          .rsp_ready_o(rsp_out_ready[Local]),
          .rsp_i(local_rsp_out),
          .req_valid_i(req_out_valid[Local]),
          .req_ready_o(req_out_ready[Local]),
          .req_i(local_req_out),
          .rsp_valid_o(rsp_in_valid[Local]),
          .rsp_ready_i(rsp_in_ready[Local]),
          .rsp_o(local_rsp_in),
          .noc_read_o(stat_read),
          .noc_word_o(stat_word),
          .clock_off_i(clock_off_seen_q),
          .noc_count_i(stat),
          .told_o(tile_traces[Tile]),
          .begin_o(trace_begin_o[Tile]),
          .begin_pc_o(trace_begin_pc_o[Tile]),
          .retire_o(trace_retire_o[Tile]),
          .retire_pc_o(trace_retire_pc_o[Tile]),
          .post_taken_o(trace_post_taken_o[Tile]),
          .post_src_o(trace_post_src_o[Tile]),
          .post_with_data_o(trace_post_with_data_o[Tile]),
          .launch_o(trace_launch_o[Tile]),
          .fault_o(trace_fault_o[Tile])
        );
      end
    end
  end

endmodule
