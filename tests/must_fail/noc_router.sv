// noc_router with a lost flit, for tests that must fail: where the simulation is told +fault=flit, the second
// flit from within a packet of a memory node to this router's tile is lost on its way in. Where Broken is
// set, it is the second flit from within any packet.
module noc_router
  import systole_pkg::*;
  import noc_pkg::*;
#(
    parameter int unsigned X = 0,
    parameter int unsigned Y = 0,
    parameter int unsigned NumCols = 2,
    parameter int unsigned NumRows = 2,
    parameter bit Broken = 1'b0
) (
    input  logic          clk_i,
    input  logic          rst_ni,
    input  ports_t        valid_i,
    output ports_t        ready_o,
    input  flit_t         north_i,
    input  flit_t         east_i,
    input  flit_t         south_i,
    input  flit_t         west_i,
    input  flit_t         local_i,
    output ports_t        valid_o,
    input  ports_t        ready_i,
    output flit_t         north_o,
    output flit_t         east_o,
    output flit_t         south_o,
    output flit_t         west_o,
    output flit_t         local_o,
    output logic          busy_o,
    input  logic   [ 3:0] stat_word_i,
    output logic   [31:0] stat_o
);
  localparam int unsigned LostFlit = 1;

  logic broken;
  initial broken = Broken || $test$plusargs("fault=flit") != 0;

  ports_t from_memory, valid;
  logic [31:0] inner_flits_q;
  logic at_tile;

  assign at_tile = X != 0;
  assign from_memory = valid_i & ready_o & {
    is_inner(local_i.src, local_i.dst, local_i.head, local_i.last),
    is_inner(west_i.src, west_i.dst, west_i.head, west_i.last),
    is_inner(south_i.src, south_i.dst, south_i.head, south_i.last),
    is_inner(east_i.src, east_i.dst, east_i.head, east_i.last),
    is_inner(north_i.src, north_i.dst, north_i.head, north_i.last)
  };

  function automatic logic is_inner(node_t src, node_t dst, logic head, logic last);
    logic memory_to_tile;
    memory_to_tile = at_tile && src.x == '0 && src.y != '0 && dst.x == 4'(X) && dst.y == 4'(Y);
    return (Broken || memory_to_tile) && !head && !last;
  endfunction

  noc_router_right #(
    .X(X),
    .Y(Y),
    .NumCols(NumCols),
    .NumRows(NumRows)
  ) u_right (
    .valid_i(valid),
    .*
  );

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) inner_flits_q <= '0;
    else if (from_memory != '0) inner_flits_q <= inner_flits_q + 32'd1;
  end

  // Under the names by which the simulation reads counters and held flits.
  ports_t head_valid_q;
  assign head_valid_q = u_right.head_valid_q;
  for (genvar i = 0; i < NumPorts; i++) begin : gen_in
    flit_t head_q;
    assign head_q = u_right.gen_in[i].head_q;
  end
  for (genvar o = 0; o < NumPorts; o++) begin : gen_out
    logic [31:0] flits_q, stalls_q;
    assign flits_q = u_right.gen_out[o].flits_q;
    assign stalls_q = u_right.gen_out[o].stalls_q;
  end

  assign valid = broken && inner_flits_q == LostFlit ? valid_i & ~from_memory : valid_i;
endmodule
