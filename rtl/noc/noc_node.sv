// The two routers of a node: requests and responses travel in networks of their own, so that a request
// that waits can never hold up the response that it waits for.
//
// Contract and latency: those of noc_router, for each network; a read of a counter is of the one named by its word.
// Clock: each router's clock runs only while the router holds a flit, is offered one or is read; clk_i is free-running.

module noc_node
  import systole_pkg::*;
  import noc_pkg::*;
#(
    parameter int unsigned X = 0,
    parameter int unsigned Y = 0,
    parameter int unsigned NumCols = 2,
    parameter int unsigned NumRows = 2,
    parameter bit Observable = 1'b1  // 0: nothing is counted, stat_o is 0
) (
    input logic clk_i,
    input logic rst_ni,

    // request network, by port
    input  ports_t req_valid_i,
    output ports_t req_ready_o,
    input  flit_t  req_north_i,
    input  flit_t  req_east_i,
    input  flit_t  req_south_i,
    input  flit_t  req_west_i,
    input  flit_t  req_local_i,
    output ports_t req_valid_o,
    input  ports_t req_ready_i,
    output flit_t  req_north_o,
    output flit_t  req_east_o,
    output flit_t  req_south_o,
    output flit_t  req_west_o,
    output flit_t  req_local_o,

    // response network, by port
    input  ports_t rsp_valid_i,
    output ports_t rsp_ready_o,
    input  flit_t  rsp_north_i,
    input  flit_t  rsp_east_i,
    input  flit_t  rsp_south_i,
    input  flit_t  rsp_west_i,
    input  flit_t  rsp_local_i,
    output ports_t rsp_valid_o,
    input  ports_t rsp_ready_i,
    output flit_t  rsp_north_o,
    output flit_t  rsp_east_o,
    output flit_t  rsp_south_o,
    output flit_t  rsp_west_o,
    output flit_t  rsp_local_o,

    // counters of the routers
    input  logic        stat_read_i,
    input  logic [ 4:0] stat_word_i,  // {network (1: responses), port, stalls}
    output logic [31:0] stat_o        // from the cycle after the read on: as it was in that of the read
);

  logic req_clk, req_busy;
  logic rsp_clk, rsp_busy;
  logic [3:0] req_word, rsp_word;
  logic [31:0] req_stat, rsp_stat;

  // Both are read; the one that is not asked gives the word of no port, 0. So nothing is chosen between them, in a
  // simulation, while nobody reads.
  localparam logic [3:0] NoWord = '1;
  assign req_word = stat_word_i[4] ? NoWord : stat_word_i[3:0];
  assign rsp_word = stat_word_i[4] ? stat_word_i[3:0] : NoWord;
  assign stat_o   = req_stat | rsp_stat;

  clock_gate u_req_gate (
    .clk_i,
    .en_i     (req_busy || req_valid_i != '0 || stat_read_i || !rst_ni),
    .test_en_i(1'b0),
    .clk_o    (req_clk)
  );

  clock_gate u_rsp_gate (
    .clk_i,
    .en_i     (rsp_busy || rsp_valid_i != '0 || stat_read_i || !rst_ni),
    .test_en_i(1'b0),
    .clk_o    (rsp_clk)
  );

  noc_router #(
    .X(X),
    .Y(Y),
    .NumCols(NumCols),
    .NumRows(NumRows),
    .Observable(Observable)
  ) u_req (
    .clk_i        (req_clk),
    .rst_ni,
    .valid_i      (req_valid_i),
    .ready_o      (req_ready_o),
    .north_i(req_north_i),
    .east_i(req_east_i),
    .south_i(req_south_i),
    .west_i(req_west_i),
    .local_i(req_local_i),
    .valid_o      (req_valid_o),
    .ready_i      (req_ready_i),
    .north_o(req_north_o),
    .east_o(req_east_o),
    .south_o(req_south_o),
    .west_o(req_west_o),
    .local_o(req_local_o),
    .busy_o       (req_busy),
    .stat_read_i,
    .stat_word_i  (req_word),
    .stat_o       (req_stat)
  );

  noc_router #(
    .X(X),
    .Y(Y),
    .NumCols(NumCols),
    .NumRows(NumRows),
    .Observable(Observable)
  ) u_rsp (
    .clk_i        (rsp_clk),
    .rst_ni,
    .valid_i      (rsp_valid_i),
    .ready_o      (rsp_ready_o),
    .north_i(rsp_north_i),
    .east_i(rsp_east_i),
    .south_i(rsp_south_i),
    .west_i(rsp_west_i),
    .local_i(rsp_local_i),
    .valid_o      (rsp_valid_o),
    .ready_i      (rsp_ready_i),
    .north_o(rsp_north_o),
    .east_o(rsp_east_o),
    .south_o(rsp_south_o),
    .west_o(rsp_west_o),
    .local_o(rsp_local_o),
    .busy_o       (rsp_busy),
    .stat_read_i,
    .stat_word_i  (rsp_word),
    .stat_o       (rsp_stat)
  );

endmodule
