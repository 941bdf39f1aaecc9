// The 16 semaphores of a tile: unsigned counters of 8 bits.
//
// Contract
//   - Unit u asks with `take_req_i[u]` until `take_gnt_o[u]` (same cycle): all counters of its mask were
//     nonzero, and one is taken from each. Where two units want the same counter in one cycle, the
//     lower unit number goes first, the other waits for the next cycle. An empty mask is granted at once.
//   - A post adds one at the end of its cycle; posts and takes of one counter may come together. A unit
//     posts by a nonzero mask.
//   - A counter never leaves 0..255: a post beyond is dropped and reported in that cycle, for the units
//     and for the network interface apart.
// Latency: a post is seen by takers in the next cycle.
`include "assert.svh"

module semaphores
  import systole_spec_pkg::*;
(
    input logic clk_i,
    input logic rst_ni,
    input logic clear_i,

    // units, by unit_e
    input  logic [         NumUnits-1:0] take_req_i,
    input  logic [    NumSemaphores-1:0] take_mask_i[NumUnits],
    output logic [         NumUnits-1:0] take_gnt_o,
    input  logic [    NumSemaphores-1:0] post_mask_i[NumUnits],
    // posts from the network
    input  logic                         ni_post_i,
    input  logic [                  3:0] ni_post_sem_i,
    output logic                         ni_overflow_o,
    // posts of units that did not fit, by semaphore
    output logic [    NumSemaphores-1:0] overflow_o,
    // state
    output logic [    NumSemaphores-1:0] nonzero_o,
    output logic [                  7:0] count_o    [NumSemaphores]
);
  logic [7:0] count_q[NumSemaphores];
  logic [7:0] count_d[NumSemaphores];
  logic [NumSemaphores-1:0] nonzero_d, nonzero_q;
  logic [NumSemaphores-1:0] taken;
  logic [NumSemaphores-1:0] ni_mask;
  logic [NumSemaphores-1:0] touched;

  always_comb begin
    taken = '0;
    take_gnt_o = '0;
    for (int unsigned u = 0; u < NumUnits; u++) begin
      if (take_req_i[u] && (take_mask_i[u] & ~(nonzero_q & ~taken)) == '0) begin
        take_gnt_o[u] = 1'b1;
        taken |= take_mask_i[u];
      end
    end
  end

  assign ni_mask = ni_post_i ? 16'd1 << ni_post_sem_i : '0;
  assign touched = taken | ni_mask | post_mask_i[0] | post_mask_i[1] | post_mask_i[2] |
      post_mask_i[3];

  // The network's post is the first to be dropped.
  always_comb begin
    logic [8:0] sum;
    sum = '0;
    overflow_o = '0;
    ni_overflow_o = 1'b0;
    nonzero_d = nonzero_q;
    for (int unsigned i = 0; i < NumSemaphores; i++) count_d[i] = count_q[i];
    if (touched != '0) begin
      for (int unsigned i = 0; i < NumSemaphores; i++) begin
        if (touched[i]) begin
          sum = {1'b0, count_q[i]} - {8'd0, taken[i]} + {8'd0, post_mask_i[0][i]} +
              {8'd0, post_mask_i[1][i]} + {8'd0, post_mask_i[2][i]} + {8'd0, post_mask_i[3][i]};
          if (sum[8]) begin
            overflow_o[i] = 1'b1;
            sum = 9'd255;
          end
          if (ni_mask[i]) begin
            if (sum == 9'd255) ni_overflow_o = 1'b1;
            else sum = sum + 9'd1;
          end
          count_d[i] = sum[7:0];
          nonzero_d[i] = sum != '0;
        end
      end
    end
  end

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      for (int unsigned i = 0; i < NumSemaphores; i++) count_q[i] <= '0;
      nonzero_q <= '0;
    end else if (clear_i) begin
      for (int unsigned i = 0; i < NumSemaphores; i++) count_q[i] <= '0;
      nonzero_q <= '0;
    end else if (touched != '0) begin
      for (int unsigned i = 0; i < NumSemaphores; i++) count_q[i] <= count_d[i];
      nonzero_q <= nonzero_d;
    end
  end

  assign nonzero_o = nonzero_q;
  assign count_o   = count_q;

  `ASSERT(TakenAreNonzero_A, (taken & ~nonzero_q) == '0)
  `ASSERT(GrantIsRequested_A, (take_gnt_o & ~take_req_i) == '0)
endmodule
