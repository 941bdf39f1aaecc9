// Round-robin arbiter.
//
// Contract: grants at most one of N requesters, one whenever any asks. A requester that was served goes to
// the back, so no one waits for more than N - 1 others. The turn passes on `advance_i` only: hold it low
// to keep the grant, as for the length of a packet.
// Latency: none, the grant is combinational.

`include "assert.svh"

module rr_arbiter #(
    parameter int unsigned N = 2,
    localparam int unsigned IndexWidth = N > 1 ? $clog2(N) : 1
) (
    input  logic clk_i,
    input  logic rst_ni,

    // requests; the granted one was served: the turn passes
    input  logic [N-1:0] request_i,
    input  logic         advance_i,

    // grant, one-hot or zero, and its index, 0 when there is none
    output logic [N-1:0]          grant_o,
    output logic [IndexWidth-1:0] index_o,
    output logic                  any_o
);

  assign any_o = |request_i;

  if (N == 1) begin : gen_one
    assign grant_o = request_i;
    assign index_o = '0;
  end else begin : gen_many
    // Requesters behind the one that was served last go first: ones mark them.
    logic [N-1:0] behind_q;
    logic [N-1:0] first, candidates;

    assign first = request_i & behind_q;
    assign candidates = |first ? first : request_i;
    assign grant_o = candidates & (~candidates + 1'b1);

    always_comb begin
      index_o = '0;
      for (int unsigned i = 0; i < N; i++) begin
        if (grant_o[i]) index_o |= IndexWidth'(i);
      end
    end

    always_ff @(posedge clk_i) begin
      if (!rst_ni) behind_q <= '0;
      else if (advance_i && any_o) behind_q <= ~((grant_o - 1'b1) | grant_o);
    end
  end

  `ASSERT(GrantOneHot_A, $onehot0(grant_o))
  `ASSERT(GrantIsRequested_A, (grant_o & ~request_i) == '0)
  `ASSERT(GrantWhenAsked_A, any_o == |grant_o)

endmodule
