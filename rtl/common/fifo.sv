// First-in first-out queue with valid/ready on both sides.
//
// Contract: entries leave in the order in which they came; none is lost or made up. Both sides' valid and
// ready come from registers alone: no path crosses from one side to the other. At Depth >= 2 it carries one
// entry a cycle.
// Latency: an entry is offered in the cycle after it was taken.

`include "assert.svh"

module fifo #(
    parameter int unsigned Width = 32,
    parameter type T = logic [Width-1:0],
    parameter int unsigned Depth = 2,
    localparam int unsigned CountWidth = $clog2(Depth + 1)
) (
    input  logic clk_i,
    input  logic rst_ni,

    // entries in
    input  logic valid_i,
    output logic ready_o,
    input  T     data_i,

    // entries out
    output logic valid_o,
    input  logic ready_i,
    output T     data_o,

    // entries held
    output logic [CountWidth-1:0] count_o
);

  localparam int unsigned PtrWidth = Depth > 1 ? $clog2(Depth) : 1;
  typedef logic [PtrWidth-1:0] ptr_t;

  if (Depth < 2) begin : gen_check
    $error("fifo: Depth must be at least 2");
  end

  // Entries are unreset: they are read only after they were written.
  T entry_q[Depth];
  ptr_t head_q, tail_q;
  logic [CountWidth-1:0] count_q;
  logic push, pop;

  function automatic ptr_t next(ptr_t ptr);
    return ptr == ptr_t'(Depth - 1) ? '0 : ptr + 1'b1;
  endfunction

  assign ready_o = count_q != CountWidth'(Depth);
  assign valid_o = count_q != '0;
  assign data_o = entry_q[head_q];
  assign count_o = count_q;
  assign push = valid_i && ready_o;
  assign pop = valid_o && ready_i;

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      head_q <= '0;
      tail_q <= '0;
      count_q <= '0;
    end else begin
      if (push) tail_q <= next(tail_q);
      if (pop) head_q <= next(head_q);
      if (push != pop) count_q <= push ? count_q + 1'b1 : count_q - 1'b1;
    end
  end

  always_ff @(posedge clk_i) begin
    if (push) entry_q[tail_q] <= data_i;
  end

  `ASSERT(CountInRange_A, count_q <= CountWidth'(Depth))
  `ASSERT_AFTER(OfferHeld_A, valid_o && !ready_i, valid_o)

endmodule
