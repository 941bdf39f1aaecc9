// Results on their way from the lanes to the scratchpad: where they go, and when. The data wait in a
// memory of the lanes.
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
    input  logic                     valid_i,
    output logic [$clog2(Depth)-1:0] write_o,      // the next one's place in the lanes' memory
    output logic                     read_valid_o,
    output logic [$clog2(Depth)-1:0] read_o,
    output logic                     read_high_o,
    input  logic [            255:0] read_i,

    // scratchpad
    output logic        vd_req_o,
    output spad_write_t vd_o,
    input  logic        vd_gnt_i
);
  typedef logic [$clog2(Depth)-1:0] ptr_t;
  typedef logic [$clog2(Depth+1)-1:0] count_t;

  if (2 ** $clog2(Depth) != Depth) begin : gen_check
    $error("vector_results: Depth must be a power of two");
  end

  place_t place_q[Depth];  // unreset: read only after it was written
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
      vd_o.data = read_i;
    end
  end

  always_ff @(posedge clk_i) begin
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
  end

  assign write_o = data_ptr_q;
  assign read_valid_o = vd_req_o;
  assign read_o = head_q;
  assign read_high_o = high_q;

  `ASSERT(RoomTakenIsThere_A, !place_valid_i || has_room_o)
  `ASSERT_WHEN(DataHaveRoom_A, valid_i, ready_q + room_q < count_t'(Depth))
  `ASSERT_WHEN(NoDataDropped_A, drop_i, (!valid_i && !place_valid_i))

endmodule
