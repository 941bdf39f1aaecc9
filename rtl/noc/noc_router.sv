// Router of one node in one of the two networks: five ports, wormhole, dimension order (row first).
//
// Contract: packets of one source to one destination stay in order; the flits of a packet leave an output
// without another packet's between them; an output serves the inputs that wait for it in turn, packet by
// packet. A packet goes where its head flit's dst says, which lies in the mesh. Neither valid_o nor ready_o
// depends on an input of this cycle. Flits out are 0 while their valid_o is low.
// Latency: one cycle from an input to the next router's input. Rate: one flit a cycle and output.
// Clock: may be stopped in cycles in which neither busy_o nor any valid_i nor stat_read_i is high.

`include "assert.svh"

module noc_router
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

    // flits in; bits by port
    input  ports_t valid_i,
    output ports_t ready_o,
    input  flit_t  north_i,
    input  flit_t  east_i,
    input  flit_t  south_i,
    input  flit_t  west_i,
    input  flit_t  local_i,

    // flits out; bits by port
    output ports_t valid_o,
    input  ports_t ready_i,
    output flit_t  north_o,
    output flit_t  east_o,
    output flit_t  south_o,
    output flit_t  west_o,
    output flit_t  local_o,

    output logic busy_o,  // holds a flit

    // counters of the output ports, from reset on: flits sent, and cycles in which one was offered and not taken
    input  logic        stat_read_i,
    input  logic [ 3:0] stat_word_i,  // {port, stalls}
    output logic [31:0] stat_o        // from the cycle after the read on: as it was in that of the read
);

  // Flits are wide: they move only under a condition, from register to register through one multiplexer.
  // Reset holds them, and clears their control.

  if (X >= NumCols || Y >= NumRows || NumCols > 16 || NumRows > 16) begin : gen_check
    $error("noc_router: X, Y must lie in a mesh of at most 16 x 16");
  end

  // ------------------------------------------------------------------------------------------ inputs
  // Two flits an input: the head of the queue, and the one that comes while the head waits.
  ports_t head_valid_q, second_valid_q;
  ports_t push, pop;
  ports_t take_head, take_second;  // the arriving flit becomes the head, the second
  ports_t advance;  // the second becomes the head
  ports_t head_first, head_last;  // the head is its packet's first, last flit

  assign ready_o = ~second_valid_q;
  assign push = valid_i & ready_o;
  assign take_head = push & (~head_valid_q | pop);
  assign take_second = push & head_valid_q & ~pop;
  assign advance = second_valid_q & pop;
  assign busy_o = head_valid_q != '0;

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      head_valid_q <= '0;
      second_valid_q <= '0;
    end else begin
      head_valid_q <= push | second_valid_q | (head_valid_q & ~pop);
      second_valid_q <= take_second | (second_valid_q & ~pop);
    end
  end

  for (genvar i = 0; i < NumPorts; i++) begin : gen_in
    flit_t arriving, head_q, second_q;
    ports_t head_route_q, second_route_q;  // one-hot for a packet's first flit, else zero

    assign arriving = i == North ? north_i : i == East ? east_i : i == South ? south_i :
        i == West ? west_i : local_i;

    always_ff @(posedge clk_i) begin
      if (!rst_ni) begin
        head_route_q <= '0;
        second_route_q <= '0;
      end else begin
        if (take_head[i]) begin
          head_q <= arriving;
          head_route_q <= arriving.head ? route(arriving.dst, 4'(X), 4'(Y)) : '0;
        end else if (advance[i]) begin
          head_q <= second_q;
          head_route_q <= second_route_q;
        end
        if (take_second[i]) begin
          second_q <= arriving;
          second_route_q <= arriving.head ? route(arriving.dst, 4'(X), 4'(Y)) : '0;
        end
      end
    end
  end

  assign head_first = {
    gen_in[4].head_q.head,
    gen_in[3].head_q.head,
    gen_in[2].head_q.head,
    gen_in[1].head_q.head,
    gen_in[0].head_q.head
  };
  assign head_last = {
    gen_in[4].head_q.last,
    gen_in[3].head_q.last,
    gen_in[2].head_q.last,
    gen_in[1].head_q.last,
    gen_in[0].head_q.last
  };

  // ----------------------------------------------------------------------------------------- outputs
  for (genvar o = 0; o < NumPorts; o++) begin : gen_out
    localparam ports_t Feeders = feeders(o);
    ports_t hold_q;             // the input whose packet has been offered and not ended, one-hot or zero
    ports_t behind_q;           // inputs behind the one served last: they go first
    ports_t request;            // inputs whose head is a packet's first flit for this output
    ports_t first, candidates;
    ports_t grant;              // the input whose head is offered, one-hot or zero
    flit_t leaving;

    assign request = head_valid_q & Feeders & {
      gen_in[4].head_route_q[o],
      gen_in[3].head_route_q[o],
      gen_in[2].head_route_q[o],
      gen_in[1].head_route_q[o],
      gen_in[0].head_route_q[o]
    };
    assign first = request & behind_q;
    assign candidates = first != '0 ? first : request;
    assign grant = hold_q != '0 ? hold_q & head_valid_q : candidates & -candidates;

    always_ff @(posedge clk_i) begin
      if (!rst_ni) begin
        hold_q <= '0;
        behind_q <= '0;
      end else if (grant != '0) begin
        if (ready_i[o] && (grant & head_last) != '0) begin
          hold_q <= '0;
          behind_q <= ~(grant | (grant - 1'b1));
        end else begin
          hold_q <= grant;
        end
      end
    end

    always_comb begin
      leaving = '0;
      if (Feeders[0] && grant[0]) leaving = gen_in[0].head_q;
      else if (Feeders[1] && grant[1]) leaving = gen_in[1].head_q;
      else if (Feeders[2] && grant[2]) leaving = gen_in[2].head_q;
      else if (Feeders[3] && grant[3]) leaving = gen_in[3].head_q;
      else if (Feeders[4] && grant[4]) leaving = gen_in[4].head_q;
    end
  end

  assign north_o = gen_out[North].leaving;
  assign east_o = gen_out[East].leaving;
  assign south_o = gen_out[South].leaving;
  assign west_o = gen_out[West].leaving;
  assign local_o = gen_out[Local].leaving;
  assign valid_o = {
    gen_out[4].grant != '0,
    gen_out[3].grant != '0,
    gen_out[2].grant != '0,
    gen_out[1].grant != '0,
    gen_out[0].grant != '0
  };
  assign pop = ({NumPorts{ready_i[0]}} & gen_out[0].grant) |
               ({NumPorts{ready_i[1]}} & gen_out[1].grant) |
               ({NumPorts{ready_i[2]}} & gen_out[2].grant) |
               ({NumPorts{ready_i[3]}} & gen_out[3].grant) |
               ({NumPorts{ready_i[4]}} & gen_out[4].grant);

  // ---------------------------------------------------------------------------------------- counters
  // Seen and changed by one process alone, which reads before it counts: blocking assignments, as in unit_counters.
  // `stat_o` is valid after a read: unreset.
  if (Observable) begin : gen_count
    logic [31:0] flits_q[NumPorts];
    logic [31:0] stalls_q[NumPorts];

    always_ff @(posedge clk_i) begin
      if (stat_read_i) begin
        if (stat_word_i[3:1] >= 3'(NumPorts)) stat_o <= '0;
        else stat_o <= stat_word_i[0] ? stalls_q[stat_word_i[3:1]] : flits_q[stat_word_i[3:1]];
      end
      if (!rst_ni) begin
        for (int unsigned o = 0; o < NumPorts; o++) begin
          flits_q[o]  = '0;
          stalls_q[o] = '0;
        end
      end else begin
        for (int unsigned o = 0; o < NumPorts; o++) begin
          if (valid_o[o]) begin
            if (ready_i[o]) flits_q[o] = flits_q[o] + 32'd1;
            else stalls_q[o] = stalls_q[o] + 32'd1;
          end
        end
      end
    end
  end else begin : gen_no_count
    logic unused;
    assign unused = ^{stat_read_i, stat_word_i};
    assign stat_o = '0;
  end

  // -------------------------------------------------------------------------------------- assertions
  // Ports that lead out of the mesh.
  localparam ports_t Edges = (Y == 0 ? ports_t'(1 << North) : '0) |
                             (X == NumCols - 1 ? ports_t'(1 << East) : '0) |
                             (Y == NumRows - 1 ? ports_t'(1 << South) : '0) |
                             (X == 0 ? ports_t'(1 << West) : '0);
  ports_t granted, held;
  assign granted = gen_out[0].grant ^ gen_out[1].grant ^ gen_out[2].grant ^ gen_out[3].grant ^
                   gen_out[4].grant;
  assign held = gen_out[0].hold_q | gen_out[1].hold_q | gen_out[2].hold_q | gen_out[3].hold_q |
                gen_out[4].hold_q;

  `ASSERT(OneGrantAnOffer_A, $countones(granted) == $countones(valid_o))
  ports_t waited_q;
  always_ff @(posedge clk_i) begin
    if (!rst_ni) waited_q <= '0;
    else waited_q <= valid_o & ~ready_i;
  end
  `ASSERT(OfferHeld_A, (waited_q & ~valid_o) == '0)
  `ASSERT(DstInMesh_A, (valid_o & Edges) == '0)
  `ASSERT(PacketHasHead_A, (head_valid_q & ~head_first & ~held) == '0)

endmodule
