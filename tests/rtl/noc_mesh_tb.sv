// A mesh of nodes with every local port outside: node (x, y) is index y * NumCols + x.
module noc_mesh_tb
  import systole_pkg::*;
  import noc_pkg::*;
#(
    parameter int unsigned NumCols = 4,
    parameter int unsigned NumRows = 4,
    localparam int unsigned NumNodes = NumCols * NumRows
) (
    input logic clk_i,
    input logic rst_ni,

    // into the request network and out of it
    input  logic  [NumNodes-1:0] req_valid_i,
    output logic  [NumNodes-1:0] req_ready_o,
    input  flit_t                req_flit_i [NumNodes],
    output logic  [NumNodes-1:0] req_valid_o,
    input  logic  [NumNodes-1:0] req_ready_i,
    output flit_t                req_flit_o [NumNodes],

    // into the response network and out of it
    input  logic  [NumNodes-1:0] rsp_valid_i,
    output logic  [NumNodes-1:0] rsp_ready_o,
    input  flit_t                rsp_flit_i [NumNodes],
    output logic  [NumNodes-1:0] rsp_valid_o,
    input  logic  [NumNodes-1:0] rsp_ready_i,
    output flit_t                rsp_flit_o [NumNodes],

    // counters, by node
    input  logic        stat_read_i,
    input  logic [ 4:0] stat_word_i,
    output logic [31:0] stat_o [NumNodes]
);

  for (genvar y = 0; y < NumRows; y++) begin : gen_row
    for (genvar x = 0; x < NumCols; x++) begin : gen_col
      localparam int unsigned Node = y * NumCols + x;

      // What this node offers its neighbours, and what it is offered.
      ports_t req_out_valid, req_in_ready, rsp_out_valid, rsp_in_ready;
      ports_t req_in_valid, req_out_ready, rsp_in_valid, rsp_out_ready;

      noc_node #(
        .X(x),
        .Y(y),
        .NumCols(NumCols),
        .NumRows(NumRows)
      ) u_node (
        .clk_i,
        .rst_ni,
        .req_valid_i      (req_in_valid),
        .req_ready_o      (req_in_ready),
        .req_north_i(gen_link[North].req_in),
        .req_east_i(gen_link[East].req_in),
        .req_south_i(gen_link[South].req_in),
        .req_west_i(gen_link[West].req_in),
        .req_local_i(req_flit_i[Node]),
        .req_valid_o      (req_out_valid),
        .req_ready_i      (req_out_ready),
        .req_north_o(gen_link[North].req_out),
        .req_east_o(gen_link[East].req_out),
        .req_south_o(gen_link[South].req_out),
        .req_west_o(gen_link[West].req_out),
        .req_local_o(req_flit_o[Node]),
        .rsp_valid_i      (rsp_in_valid),
        .rsp_ready_o      (rsp_in_ready),
        .rsp_north_i(gen_link[North].rsp_in),
        .rsp_east_i(gen_link[East].rsp_in),
        .rsp_south_i(gen_link[South].rsp_in),
        .rsp_west_i(gen_link[West].rsp_in),
        .rsp_local_i(rsp_flit_i[Node]),
        .rsp_valid_o      (rsp_out_valid),
        .rsp_ready_i      (rsp_out_ready),
        .rsp_north_o(gen_link[North].rsp_out),
        .rsp_east_o(gen_link[East].rsp_out),
        .rsp_south_o(gen_link[South].rsp_out),
        .rsp_west_o(gen_link[West].rsp_out),
        .rsp_local_o(rsp_flit_o[Node]),
        .stat_read_i,
        .stat_word_i,
        .stat_o(stat_o[Node])
      );

      assign req_in_valid[Local] = req_valid_i[Node];
      assign req_ready_o[Node] = req_in_ready[Local];
      assign req_valid_o[Node] = req_out_valid[Local];
      assign req_out_ready[Local] = req_ready_i[Node];
      assign rsp_in_valid[Local] = rsp_valid_i[Node];
      assign rsp_ready_o[Node] = rsp_in_ready[Local];
      assign rsp_valid_o[Node] = rsp_out_valid[Local];
      assign rsp_out_ready[Local] = rsp_ready_i[Node];

      // Towards each neighbour: its opposite port, or, at the edge, nothing.
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
          assign unused = ^{req_out, rsp_out};
          assign req_in_valid[p] = 1'b0;
          assign req_in = '0;
          assign req_out_ready[p] = 1'b0;
          assign rsp_in_valid[p] = 1'b0;
          assign rsp_in = '0;
          assign rsp_out_ready[p] = 1'b0;
        end
      end
    end
  end

endmodule
