// noc_router with faults, for tests that must fail (fault.sv), at the node of one tile:
//   flit       a flit from within a packet of a memory node to the tile is lost on its way in; the second,
//              where nothing else is told. Where Broken is set, it is one of any packet
//   duplicate  such a flit comes in twice
//   misroute   a packet of a memory node to the tile goes to the tile north of it
//   credit     the input by which such a flit comes is never ready again
//   event      a tile event of the tile is lost
module noc_router
  import systole_pkg::*;
  import noc_pkg::*;
#(
    parameter int unsigned X = 0,
    parameter int unsigned Y = 0,
    parameter int unsigned NumCols = 2,
    parameter int unsigned NumRows = 2,
    parameter bit Observable = 1'b1,
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
    input  logic          stat_read_i,
    input  logic   [ 3:0] stat_word_i,
    output logic   [31:0] stat_o
);
  localparam logic [5:0] EventTag = 6'h2F;  // rtl/tile/tile_requester.sv

  logic flit, duplicate, misroute, credit, event_lost;
  logic [31:0] at;
  fault #(
    .Name("flit"),
    .At(1),
    .Always(Broken)
  ) u_fault_flit (
    .on_o(flit),
    .at_o(at)
  );
  fault #(
    .Name("duplicate"),
    .At(1),
    .Never(Broken)
  ) u_fault_duplicate (
    .on_o(duplicate),
    .at_o()
  );
  fault #(
    .Name("misroute"),
    .At(1),
    .Never(Broken)
  ) u_fault_misroute (
    .on_o(misroute),
    .at_o()
  );
  fault #(
    .Name("credit"),
    .At(1),
    .Never(Broken)
  ) u_fault_credit (
    .on_o(credit),
    .at_o()
  );
  fault #(
    .Name("event"),
    .At(1),
    .Never(Broken)
  ) u_fault_event (
    .on_o(event_lost),
    .at_o()
  );

  ports_t offered, inner, head, hit, lost, valid, ready, stuck_q;
  flit_t north, east, south, west;
  logic is_event, event_passes;
  logic [31:0] inner_flits_q, heads_q, events_q;
  logic duplicated_q;

  function automatic logic to_tile(flit_t f);
    return f.src.x == '0 && f.src.y != '0 && f.dst.x == 4'(X) && f.dst.y == 4'(Y);
  endfunction

  function automatic logic is_inner(flit_t f);
    return (Broken || to_tile(f)) && !f.head && !f.last;
  endfunction

  function automatic flit_t astray(flit_t f);
    flit_t result;
    result = f;
    result.dst.y = f.dst.y - 4'd1;
    return result;
  endfunction

  assign offered = valid_i & ready & ~stuck_q;
  assign inner = offered &
      {is_inner(local_i), is_inner(west_i), is_inner(south_i), is_inner(east_i), is_inner(north_i)};
  assign head = offered & {
    1'b0,
    to_tile(west_i) && west_i.head,
    to_tile(south_i) && south_i.head,
    to_tile(east_i) && east_i.head,
    to_tile(north_i) && north_i.head
  };
  assign is_event = offered[Local] && local_i.tag == EventTag && local_i.src.x == 4'(X) &&
      local_i.src.y == 4'(Y);
  assign event_passes = is_event && local_i.last;
  assign hit = inner_flits_q == at ? inner : '0;

  noc_router_right #(
    .X(X),
    .Y(Y),
    .NumCols(NumCols),
    .NumRows(NumRows),
    .Observable(Observable)
  ) u_right (
    .valid_i(valid),
    .ready_o(ready),
    .north_i(north),
    .east_i(east),
    .south_i(south),
    .west_i(west),
    .*
  );

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) begin
      inner_flits_q <= '0;
      heads_q <= '0;
      events_q <= '0;
      duplicated_q <= 1'b0;
      stuck_q <= '0;
    end else begin
      if ((inner & ready_o) != '0) inner_flits_q <= inner_flits_q + 32'd1;
      if (head != '0) heads_q <= heads_q + 32'd1;
      if (event_passes) events_q <= events_q + 32'd1;
      if (duplicate && hit != '0) duplicated_q <= 1'b1;
      if (credit) stuck_q <= stuck_q | hit;
    end
  end

  always_comb begin
    north = north_i;
    east = east_i;
    south = south_i;
    west = west_i;
    if (misroute && heads_q == at) begin
      if (head[North]) north = astray(north_i);
      if (head[East]) east = astray(east_i);
      if (head[South]) south = astray(south_i);
      if (head[West]) west = astray(west_i);
    end
  end

  always_comb begin
    lost = flit ? hit : '0;
    if (event_lost && is_event && events_q == at) lost[Local] = 1'b1;
  end

  assign valid = valid_i & ~lost & ~stuck_q;
  assign ready_o = ready & ~stuck_q & ~(duplicate && !duplicated_q ? hit : '0);

  // Under the names by which the simulation reads counters and held flits.
  ports_t head_valid_q;
  assign head_valid_q = u_right.head_valid_q;
  for (genvar i = 0; i < NumPorts; i++) begin : gen_in
    flit_t head_q;
    assign head_q = u_right.gen_in[i].head_q;
  end
  if (Observable) begin : gen_count
    logic [31:0] flits_q[NumPorts];
    logic [31:0] stalls_q[NumPorts];
    assign flits_q  = u_right.gen_count.flits_q;
    assign stalls_q = u_right.gen_count.stalls_q;
  end
endmodule
