// Takes packets from N inputs to M outputs, whole: the flits of two packets never mix on an output.
//
// Contract: `select_i` names the output of a packet while its head flit is offered; the flits behind it
// follow. Inputs that want one output take turns, a packet each. Output valid does not wait for ready.
// Latency: none, the paths are combinational.

`include "assert.svh"

module packet_crossbar
  import systole_pkg::*;
#(
    parameter int unsigned N = 2,
    parameter int unsigned M = 2,
    localparam int unsigned InBits = N > 1 ? $clog2(N) : 1,
    localparam int unsigned OutBits = M > 1 ? $clog2(M) : 1
) (
    input logic clk_i,
    input logic rst_ni,

    // packets in; ready may depend on valid
    input  logic  [      N-1:0] valid_i,
    output logic  [      N-1:0] ready_o,
    input  flit_t               flit_i  [N],
    input  logic  [OutBits-1:0] select_i[N],

    // packets out
    output logic  [M-1:0] valid_o,
    input  logic  [M-1:0] ready_i,
    output flit_t         flit_o [M]
);

  // Output of the packet that an input is in the middle of.
  logic [OutBits-1:0] select_q[N];
  logic [OutBits-1:0] select[N];
  logic [N-1:0] wants[M];

  // Input whose packet an output is in the middle of.
  logic [M-1:0] locked_q;
  logic [InBits-1:0] owner_q[M];
  logic [InBits-1:0] owner[M];
  logic [M-1:0] moves;

  for (genvar n = 0; n < N; n++) begin : gen_in
    assign select[n] = flit_i[n].head ? select_i[n] : select_q[n];
    assign ready_o[n] = wants[select[n]][n] && owner[select[n]] == InBits'(n) &&
        ready_i[select[n]];

    always_ff @(posedge clk_i) begin
      if (valid_i[n] && flit_i[n].head) select_q[n] <= select_i[n];
    end
  end

  for (genvar m = 0; m < M; m++) begin : gen_out
    logic [N-1:0] grant;
    logic [InBits-1:0] first;
    logic any;

    for (genvar n = 0; n < N; n++) begin : gen_wants
      assign wants[m][n] = valid_i[n] && select[n] == OutBits'(m);
    end

    rr_arbiter #(
      .N(N)
    ) u_arbiter (
      .clk_i,
      .rst_ni,
      .request_i(wants[m]),
      .advance_i(moves[m] && !locked_q[m]),
      .grant_o  (grant),
      .index_o  (first),
      .any_o    (any)
    );

    assign owner[m] = locked_q[m] ? owner_q[m] : first;
    assign valid_o[m] = locked_q[m] ? wants[m][owner_q[m]] : any;
    assign flit_o[m] = flit_i[owner[m]];
    assign moves[m] = valid_o[m] && ready_i[m];

    always_ff @(posedge clk_i) begin
      if (!rst_ni) begin
        locked_q[m] <= 1'b0;
        owner_q[m] <= '0;
      end else if (moves[m]) begin
        locked_q[m] <= !flit_o[m].last;
        owner_q[m] <= owner[m];
      end
    end

    `ASSERT_WHEN(PacketWhole_A, valid_o[m], flit_o[m].head == !locked_q[m])
    `ASSERT(OwnerIsGranted_A, locked_q[m] || !any || grant[owner[m]])
  end

endmodule
