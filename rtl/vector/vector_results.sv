// Results on their way from the lanes to the scratchpad.
//
// Contract: `place_valid_i` takes one of Depth rooms (only while `has_room_o`) for a result, whose data
// (`valid_i`) come later, in the same order. Each is written as one window, or as two halves where it has
// more than 8 lanes of 32 bits (`word_i`). A request is held until granted. While `hold_i`, nothing is
// written; `drop_i`, once no data are to come, throws away what has not been offered. `empty_o`: every
// result that got a room is in the memory, or dropped.
// Latency: a result is offered in the cycle after it came.

`include "assert.svh"

module vector_results
  import systole_pkg::*;
  import fp32_pkg::*;
  import vector_pkg::*;
#(
    parameter int unsigned Depth = 16
) (
    input logic clk_i,
    input logic rst_ni,

    // control
    input  logic word_i,
    input  logic hold_i,
    input  logic drop_i,
    output logic has_room_o,
    output logic empty_o,

    // a room is taken
    input logic   place_valid_i,
    input place_t place_i,

    // its result
    input logic        valid_i,
    input logic [31:0] data_i [Lanes],

    // scratchpad
    output logic        vd_req_o,
    output spad_write_t vd_o,
    input  logic        vd_gnt_i
);
  typedef logic [$clog2(Depth)-1:0] ptr_t;
  typedef logic [$clog2(Depth+1)-1:0] count_t;
  typedef logic [31:0] lanes_t[Lanes];

  if (2 ** $clog2(Depth) != Depth) begin : gen_check
    $error("vector_results: Depth must be a power of two");
  end

  // Entries are unreset: they are read only after they were written.
  place_t place_q[Depth];
  lanes_t data_q[Depth];
  ptr_t place_ptr_q, data_ptr_q, head_q;
  count_t room_q, ready_q;  // rooms free; results whose data have come
  logic high_q;  // the first half is written
  logic refused_q;

  place_t place;
  logic two_halves, pop, drop;

  assign has_room_o = room_q != '0;
  assign empty_o = room_q == count_t'(Depth);
  assign vd_req_o = ready_q != '0 && (refused_q || !hold_i);
  assign pop = vd_req_o && vd_gnt_i && (!two_halves || high_q);
  assign drop = drop_i && !(vd_req_o && !vd_gnt_i);

  always_comb begin
    spad_read_t region;
    place = '0;
    two_halves = 1'b0;
    region = '0;
    vd_o = '0;
    if (vd_req_o) begin
      place = place_q[head_q];
      two_halves = word_i && place.lanes > 5'd8;
      region = window(place.addr, place.lanes, word_i, high_q);
      vd_o.addr = region.addr;
      vd_o.len = region.len;
      for (int i = 0; i < 8; i++) vd_o.data[32*i+:32] = data_q[head_q][{high_q, 3'(i)}];
    end
  end

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) begin
      place_ptr_q <= '0;
      data_ptr_q <= '0;
      head_q <= '0;
      room_q <= count_t'(Depth);
      ready_q <= '0;
      high_q <= 1'b0;
      refused_q <= 1'b0;
    end else if (drop) begin
      place_ptr_q <= '0;
      data_ptr_q <= '0;
      head_q <= '0;
      room_q <= count_t'(Depth);
      ready_q <= '0;
      high_q <= 1'b0;
      refused_q <= 1'b0;
    end else if (place_valid_i || !empty_o) begin
      if (place_valid_i) place_ptr_q <= place_ptr_q + 1'b1;
      if (valid_i) data_ptr_q <= data_ptr_q + 1'b1;
      if (pop) head_q <= head_q + 1'b1;
      room_q <= room_q + count_t'(pop) - count_t'(place_valid_i);
      ready_q <= ready_q + count_t'(valid_i) - count_t'(pop);
      if (vd_req_o && vd_gnt_i) high_q <= two_halves && !high_q;
      refused_q <= vd_req_o && !vd_gnt_i;
    end
  end

  always_ff @(posedge clk_i) begin
    if (place_valid_i) place_q[place_ptr_q] <= place_i;
    if (valid_i) data_q[data_ptr_q] <= data_i;
  end

  `ASSERT(RoomTakenIsThere_A, !place_valid_i || has_room_o)
  `ASSERT(DataHaveRoom_A, !valid_i || ready_q + room_q < count_t'(Depth))
  `ASSERT(NoDataDropped_A, !drop_i || (!valid_i && !place_valid_i))
  `ASSERT(WriteHeld_A, !$past(vd_req_o && !vd_gnt_i) || (vd_req_o && $stable(vd_o)))

endmodule
