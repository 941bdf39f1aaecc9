// Address generator of the load and store units: checks a strided block, then cuts it into packets.
//
// Contract: packets come in the order of the loop nest (count1 outermost), one a cycle, and cover the block
// exactly. A block with a zero count or run, or which leaves the scratchpad, gives no packet: it stands
// at the check with `bad_o` high until `flush_i`. One block is checked while the one before is cut.
// Latency: a block's first packet is offered 3 cycles after the block was taken.

`include "assert.svh"

module dma_agen
  import systole_spec_pkg::*;
  import systole_pkg::*;
  import dma_pkg::*;
(
    input logic clk_i,
    input logic rst_ni,

    // blocks in; flush drops all that is here
    input  logic   block_valid_i,
    output logic   block_ready_o,
    input  block_t block_i,
    input  logic   flush_i,

    // packets out
    output logic    packet_valid_o,
    input  logic    packet_ready_i,
    output packet_t packet_o,

    // the block at the check, all before it cut, has bad operands: this is its local address
    output logic        bad_o,
    output logic [31:0] bad_info_o,
    // a clock enable: in a cycle without it no register changes
    output logic        active_o
);

  localparam int unsigned SpadBits = $clog2(ScratchpadBytes);

  // ------------------------------------------------------------------------------------- check
  // Cycle 1 multiplies, cycle 2 compares. An extent is what the last index of a dimension adds.
  typedef logic signed [39:0] extent_t;

  block_t check_q;
  logic check_valid_q, multiplied_q;
  extent_t extent0_q, extent1_q;
  logic too_far0_q, too_far1_q;
  logic bad, move;

  // A dimension whose index or stride alone exceeds the scratchpad leaves it.
  function automatic logic too_far(logic [31:0] count, logic [31:0] stride);
    logic [31:0] distance;
    distance = stride[31] ? -stride : stride;
    return count > 32'd1 && stride != '0 &&
        (count > ScratchpadBytes || distance >= ScratchpadBytes);
  endfunction

  function automatic extent_t extent(logic [31:0] count, logic signed [SpadBits:0] stride);
    logic [SpadBits:0] index;
    index = {1'b0, SpadBits'(count - 32'd1)};
    return extent_t'($signed(index)) * extent_t'(stride);
  endfunction

  always_comb begin
    extent_t low, high;
    low = extent_t'({8'd0, check_q.local_addr});
    high = low + extent_t'({8'd0, check_q.run});
    if (extent0_q < 0) low += extent0_q;
    else high += extent0_q;
    if (extent1_q < 0) low += extent1_q;
    else high += extent1_q;
    bad = check_q.run == '0 || check_q.count0 == '0 || check_q.count1 == '0 ||
        too_far0_q || too_far1_q || low < 0 || high > extent_t'(ScratchpadBytes);
  end

  assign block_ready_o = !check_valid_q || move;
  assign bad_info_o = check_q.local_addr;

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      check_valid_q <= 1'b0;
      multiplied_q <= 1'b0;
    end else if (flush_i) begin
      check_valid_q <= 1'b0;
      multiplied_q <= 1'b0;
    end else if (block_ready_o) begin
      check_valid_q <= block_valid_i;
      multiplied_q <= 1'b0;
    end else begin
      multiplied_q <= 1'b1;
    end
  end

  always_ff @(posedge clk_i) begin
    if (block_valid_i && block_ready_o) check_q <= block_i;
    if (check_valid_q && !multiplied_q) begin
      extent0_q <= extent(check_q.count0, check_q.lstride0[SpadBits:0]);
      extent1_q <= extent(check_q.count1, check_q.lstride1[SpadBits:0]);
      too_far0_q <= too_far(check_q.count0, check_q.lstride0);
      too_far1_q <= too_far(check_q.count1, check_q.lstride1);
    end
  end

  // --------------------------------------------------------------------------------------- cut
  // Invariant: 1 <= left_q, and left0_q, left1_q count this run and this group of runs.
  logic cut_valid_q;
  logic [SpadBits:0] run_q, left_q;
  logic [31:0] count0_q, left0_q, left1_q;
  logic [31:0] gstride0_q, gstride1_q;
  spad_addr_t lstride0_q, lstride1_q;
  addr_t addr_q, run_addr_q, group_addr_q;
  spad_addr_t local_q, run_local_q, group_local_q;

  logic [9:0] to_boundary;
  logic run_ends, group_ends, fire;

  assign to_boundary = 10'(MaxPacketBytes) - {1'b0, addr_q[8:0]};
  assign run_ends = left_q <= {9'd0, to_boundary};
  assign group_ends = left0_q == 32'd1;

  assign packet_valid_o = cut_valid_q;
  assign packet_o.addr = addr_q;
  assign packet_o.local_addr = local_q;
  assign packet_o.len = run_ends ? left_q[9:0] : to_boundary;
  assign packet_o.last = run_ends && group_ends && left1_q == 32'd1;

  assign fire = packet_valid_o && packet_ready_i;
  assign move = check_valid_q && multiplied_q && !bad && (!cut_valid_q || (fire && packet_o.last));
  assign bad_o = check_valid_q && multiplied_q && bad && !cut_valid_q;
  assign active_o = block_valid_i || flush_i || fire || move || (check_valid_q && !multiplied_q);

  always_ff @(posedge clk_i) begin
    if (!rst_ni) cut_valid_q <= 1'b0;
    else if (flush_i) cut_valid_q <= 1'b0;
    else if (move) cut_valid_q <= 1'b1;
    else if (fire && packet_o.last) cut_valid_q <= 1'b0;
  end

  function automatic addr_t step(addr_t from, logic [31:0] stride);
    return from + {{16{stride[31]}}, stride};
  endfunction

  always_ff @(posedge clk_i) begin
    if (move) begin
      run_q <= check_q.run[SpadBits:0];
      left_q <= check_q.run[SpadBits:0];
      count0_q <= check_q.count0;
      left0_q <= check_q.count0;
      left1_q <= check_q.count1;
      gstride0_q <= check_q.gstride0;
      gstride1_q <= check_q.gstride1;
      lstride0_q <= check_q.lstride0[SpadBits-1:0];
      lstride1_q <= check_q.lstride1[SpadBits-1:0];
      addr_q <= check_q.addr;
      run_addr_q <= check_q.addr;
      group_addr_q <= check_q.addr;
      local_q <= check_q.local_addr[SpadBits-1:0];
      run_local_q <= check_q.local_addr[SpadBits-1:0];
      group_local_q <= check_q.local_addr[SpadBits-1:0];
    end else if (fire && !run_ends) begin
      left_q <= left_q - {9'd0, to_boundary};
      addr_q <= addr_q + {38'd0, to_boundary};
      local_q <= local_q + {8'd0, to_boundary};
    end else if (fire && !group_ends) begin
      left_q <= run_q;
      left0_q <= left0_q - 32'd1;
      addr_q <= step(run_addr_q, gstride0_q);
      run_addr_q <= step(run_addr_q, gstride0_q);
      local_q <= run_local_q + lstride0_q;
      run_local_q <= run_local_q + lstride0_q;
    end else if (fire) begin
      left_q <= run_q;
      left0_q <= count0_q;
      left1_q <= left1_q - 32'd1;
      addr_q <= step(group_addr_q, gstride1_q);
      run_addr_q <= step(group_addr_q, gstride1_q);
      group_addr_q <= step(group_addr_q, gstride1_q);
      local_q <= group_local_q + lstride1_q;
      run_local_q <= group_local_q + lstride1_q;
      group_local_q <= group_local_q + lstride1_q;
    end
  end

  `ASSERT_WHEN(LengthInRange_A, packet_valid_o, packet_o.len inside {[10'd1 : 10'(MaxPacketBytes)]})
  `ASSERT_WHEN(NoBoundaryCrossed_A, packet_valid_o,
               {1'b0, packet_o.addr[8:0]} + packet_o.len <= 10'(MaxPacketBytes))
  `ASSERT_WHEN(LocalInRange_A, packet_valid_o,
               {1'b0, packet_o.local_addr} + {9'd0, packet_o.len} <= 19'(ScratchpadBytes))

endmodule
