// Load unit: runs Load (global address space -> scratchpad) and Fill (a pattern over the scratchpad).
//
// Contract: commands start and retire in order, up to four at a time; up to 16 reads are in flight, and
// their responses may come in any order. A command retires (`done_o`, one cycle) when its last byte
// is in the scratchpad. A fault is raised (`fault_valid_o`, one cycle) when its command is the oldest
// that has not retired; the unit then drops what it has not asked for and drains, as it does on
// `abort_i`: no further done or fault, `busy_o` low when all is quiet. A response with error Denied is
// the network interface's refusal of an address outside all windows: fault Window.
// `active_o` is a clock enable: in a cycle without it the clock may stand still.
// Latency: 3 cycles from a command to its first read; 1 from a response beat to its scratchpad request.

`include "assert.svh"

module dma_load
  import systole_spec_pkg::*;
  import systole_pkg::*;
  import address_map_pkg::*;
  import dma_pkg::*;
(
    input logic clk_i,
    input logic rst_ni,

    // sequencer
    input  logic        cmd_valid_i,
    output logic        cmd_ready_o,
    input  command_t    cmd_i,
    output logic        done_o,
    output logic        fault_valid_o,
    output unit_fault_t fault_o,
    output unit_state_e state_o,
    input  logic        abort_i,
    output logic        busy_o,
    output logic        active_o,

    // network interface: reads, and the flits of their responses
    output logic       req_valid_o,
    input  logic       req_ready_i,
    output addr_t      req_addr_o,
    output logic [9:0] req_len_o,
    output slot_t      req_slot_o,
    input  logic       rsp_valid_i,
    output logic       rsp_ready_o,
    /* verilator lint_off UNUSEDSIGNAL */
    input  flit_t      rsp_i,
    /* verilator lint_on UNUSEDSIGNAL */

    // scratchpad: a window is written in the cycle of its grant
    output logic        spad_req_o,
    output spad_write_t spad_o,
    input  logic        spad_gnt_i
);

  // ---------------------------------------------------------------------------- commands in flight
  // Entries from head to cut have all their packets asked for, from cut to tail not yet.
  typedef logic [$clog2(NumInFlight):0] ptr_t;
  ptr_t head_q, cut_q, tail_q;
  entry_t head, cut;
  logic [NumInFlight-1:0] is_fill_q;
  logic [31:0] value_q[NumInFlight];
  logic [4:0] pending_q[NumInFlight];  // packets asked for and not yet written
  logic [NumInFlight-1:0] failed_q;
  unit_fault_t failure_q[NumInFlight];

  logic take, flush, drain_q, quiet;
  logic agen_ready, agen_active, packet_valid, packet_ready, bad;
  logic [31:0] bad_info;
  packet_t packet;
  block_t block;

  assign head = head_q[1:0];
  assign cut = cut_q[1:0];

  assign cmd_ready_o = agen_ready && !drain_q && !abort_i && !fault_valid_o &&
      tail_q - head_q != ptr_t'(NumInFlight);
  assign take = cmd_valid_i && cmd_ready_o;

  // Load and Fill agree in the fields that both have. For Fill the global side counts from 0 in
  // every run, so that packets are cut at multiples of 512 of the run and the pattern stays in phase.
  always_comb begin
    /* verilator lint_off UNUSEDSIGNAL */
    cmd_load_t command;
    /* verilator lint_on UNUSEDSIGNAL */
    logic is_load;
    command = cmd_load_t'(cmd_i);
    is_load = command.opcode == OpcodeLoad;
    block.addr = is_load ? command.addr : '0;
    block.local_addr = command.local_addr;
    block.run = command.run;
    block.count0 = command.count0;
    block.count1 = command.count1;
    block.gstride0 = is_load ? command.gstride0 : '0;
    block.gstride1 = is_load ? command.gstride1 : '0;
    block.lstride0 = command.lstride0;
    block.lstride1 = command.lstride1;
  end

  dma_agen u_agen (
    .clk_i,
    .rst_ni,
    .block_valid_i(take),
    .block_ready_o(agen_ready),
    .block_i(block),
    .flush_i(flush && !(req_valid_o && !req_ready_i)),
    .packet_valid_o(packet_valid),
    .packet_ready_i(packet_ready),
    .packet_o(packet),
    .bad_o(bad),
    .bad_info_o(bad_info),
    .active_o(agen_active)
  );

  // ---------------------------------------------------------------------------- reads in flight
  logic [NumSlots-1:0] slot_busy_q;
  entry_t slot_entry_q[NumSlots];
  addr_t slot_addr_q[NumSlots];
  logic [NumSlots-1:0] slot_dram_q;  // it asks a DRAM channel
  spad_addr_t slot_local_q[NumSlots];
  logic [9:0] slot_left_q[NumSlots];
  logic [4:0] slot_lane_q[NumSlots];

  // The slot of the next read is chosen a cycle ahead, and stands until it is used.
  logic [NumSlots-1:0] free_slots;
  slot_t next_slot_q;
  logic next_slot_valid_q;
  logic is_fill, issue, req_fire, req_held_q;

  assign free_slots = ~slot_busy_q & ~(next_slot_valid_q ? NumSlots'(1) << next_slot_q : '0);

  // Nothing new is issued once a command has failed, but a read that was offered stays so.
  assign issue = packet_valid && failed_q == '0 && !abort_i && !drain_q;
  assign is_fill = is_fill_q[cut];
  assign req_valid_o = req_held_q || (issue && !is_fill && next_slot_valid_q);
  assign req_addr_o = packet.addr;
  assign req_len_o = packet.len;
  assign req_slot_o = next_slot_q;
  assign req_fire = req_valid_o && req_ready_i;

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      req_held_q <= 1'b0;
      next_slot_valid_q <= 1'b0;
      next_slot_q <= '0;
    end else begin
      req_held_q <= req_valid_o && !req_ready_i;
      if (!next_slot_valid_q || req_fire) begin
        next_slot_valid_q <= free_slots != '0;
        next_slot_q <= lowest(free_slots);
      end
    end
  end

  // ------------------------------------------------------------------------------ scratchpad writes
  // One window a cycle, from a response beat or, when there is none, from a Fill.
  logic write_valid_q, write_last_q, write_ready;
  entry_t write_entry_q;
  spad_write_t write_q;

  slot_t slot;
  logic rsp_fire, rsp_error, rsp_last, fill_fire, fill_last;
  logic [5:0] rsp_lanes, rsp_bytes, fill_bytes;
  logic [9:0] fill_at_q, fill_left;

  assign write_ready = !write_valid_q || spad_gnt_i;
  assign rsp_ready_o = write_ready;
  assign rsp_fire = rsp_valid_i && rsp_ready_o;
  assign rsp_error = rsp_i.err != ErrOk;
  assign slot = rsp_i.tag[3:0];
  assign rsp_lanes = 6'd32 - {1'b0, slot_lane_q[slot]};
  assign rsp_last = slot_left_q[slot] <= {4'd0, rsp_lanes};
  assign rsp_bytes = rsp_last ? slot_left_q[slot][5:0] : rsp_lanes;

  assign fill_left = packet.len - fill_at_q;
  assign fill_last = fill_left <= 10'd32;
  assign fill_bytes = fill_last ? fill_left[5:0] : 6'd32;
  assign fill_fire = issue && is_fill && write_ready && !rsp_valid_i;
  assign packet_ready = req_fire || (fill_fire && fill_last);

  assign spad_req_o = write_valid_q;
  assign spad_o = write_q;

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      write_valid_q <= 1'b0;
      slot_busy_q <= '0;
      fill_at_q <= '0;
    end else begin
      if (write_ready) write_valid_q <= (rsp_fire && !rsp_error) || fill_fire;
      if (req_fire) slot_busy_q[next_slot_q] <= 1'b1;
      if (rsp_fire && (rsp_error || rsp_last)) slot_busy_q[slot] <= 1'b0;
      if (flush || (fill_fire && fill_last)) fill_at_q <= '0;
      else if (fill_fire) fill_at_q <= fill_at_q + 10'd32;
    end
  end

  always_ff @(posedge clk_i) begin
    if (req_fire) begin
      slot_entry_q[next_slot_q] <= cut;
      slot_addr_q[next_slot_q] <= packet.addr;
      slot_dram_q[next_slot_q] <= packet.addr[AddrBits-1:RegionBit] == RegionDram;
      slot_local_q[next_slot_q] <= packet.local_addr;
      slot_left_q[next_slot_q] <= packet.len;
      slot_lane_q[next_slot_q] <= packet.addr[4:0];
    end
    if (rsp_fire) begin
      slot_local_q[slot] <= slot_local_q[slot] + {12'd0, rsp_bytes};
      slot_left_q[slot] <= slot_left_q[slot] - {4'd0, rsp_bytes};
      slot_lane_q[slot] <= '0;
      write_entry_q <= slot_entry_q[slot];
      write_last_q <= rsp_last;
      write_q.addr <= slot_local_q[slot];
      write_q.len <= rsp_bytes;
      write_q.data <= rsp_i.payload >> {slot_lane_q[slot], 3'b000};
    end else if (fill_fire) begin
      write_entry_q <= cut;
      write_last_q <= fill_last;
      write_q.addr <= packet.local_addr + {8'd0, fill_at_q};
      write_q.len <= fill_bytes;
      write_q.data <= {8{value_q[cut]}};
    end
  end

  // --------------------------------------------------------------------------- retirement and faults
  logic opened, written, dropped;

  assign opened = req_fire || (fill_fire && fill_last);
  assign written = write_valid_q && spad_gnt_i && write_last_q;
  assign dropped = rsp_fire && rsp_error;

  assign done_o = head_q != cut_q && pending_q[head] == '0 && !failed_q[head] && !drain_q && !abort_i;
  assign quiet = slot_busy_q == '0 && !write_valid_q && !req_held_q;

  always_comb begin
    fault_valid_o = 1'b0;
    fault_o = failure_q[head];
    if (!drain_q && !abort_i) begin
      if (failed_q[head]) begin
        fault_valid_o = 1'b1;
      end else if (bad && head_q == cut_q) begin
        fault_valid_o = 1'b1;
        fault_o = '{code: FaultOperand, info: {16'd0, bad_info}};
      end
    end
  end
  assign flush = fault_valid_o || abort_i || drain_q;

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      head_q <= '0;
      cut_q <= '0;
      tail_q <= '0;
      failed_q <= '0;
      drain_q <= 1'b0;
    end else if (flush) begin
      head_q <= '0;
      cut_q <= '0;
      tail_q <= '0;
      failed_q <= '0;
      drain_q <= abort_i || !quiet;
    end else begin
      if (take) tail_q <= tail_q + 1'b1;
      if (packet_ready && packet.last) cut_q <= cut_q + 1'b1;
      if (done_o) head_q <= head_q + 1'b1;
      if (dropped) failed_q[slot_entry_q[slot]] <= 1'b1;
    end
  end

  always_ff @(posedge clk_i) begin
    if (take) begin
      is_fill_q[tail_q[1:0]] <= cmd_i[7:0] == OpcodeFill;
      value_q[tail_q[1:0]] <= cmd_i[4*32+:32];
    end
    if (dropped && !failed_q[slot_entry_q[slot]]) begin
      failure_q[slot_entry_q[slot]] <= '{
          code: rsp_i.err == ErrDenied ? FaultWindow : FaultResponse,
          info: slot_addr_q[slot]
      };
    end
  end

  // Counts go on while the unit drains, so they are zero again when it is quiet.
  for (genvar e = 0; e < NumInFlight; e++) begin : gen_pending
    logic up, down_write, down_drop;
    assign up = opened && cut == entry_t'(e);
    assign down_write = written && write_entry_q == entry_t'(e);
    assign down_drop = dropped && slot_entry_q[slot] == entry_t'(e);

    always_ff @(posedge clk_i) begin
      if (!rst_ni) pending_q[e] <= '0;
      else if (up || down_write || down_drop) begin
        pending_q[e] <= pending_q[e] + {4'd0, up} - {4'd0, down_write} - {4'd0, down_drop};
      end
    end
  end

  // -------------------------------------------------------------------------------------- status
  assign busy_o = head_q != tail_q || drain_q || !quiet;

  // Without any of these no register changes: a unit that waits for data stands still.
  assign active_o = take || flush || agen_active || req_fire || req_valid_o != req_held_q ||
      (!next_slot_valid_q && free_slots != '0) || rsp_fire || fill_fire ||
      (write_valid_q && spad_gnt_i) || done_o;

  always_comb begin
    if (req_fire || fill_fire || (write_valid_q && spad_gnt_i)) state_o = UnitStateBusy;
    else if (write_valid_q) state_o = UnitStateScratchpad;
    else if (req_valid_o) state_o = UnitStateNocBackpressure;
    else if ((slot_busy_q & slot_dram_q) != '0) state_o = UnitStateDram;
    else if (slot_busy_q != '0) state_o = UnitStateRemote;
    else if (head_q != cut_q || drain_q) state_o = UnitStateDrain;
    else if (head_q != tail_q) state_o = UnitStateFetch;
    else state_o = UnitStateNoWork;
  end

  `ASSERT(StateOfWork_A, (state_o == UnitStateNoWork) == !busy_o)
  `ASSERT_HELD(ReadHeld_A, req_valid_o, req_ready_i, {req_addr_o, req_len_o, req_slot_o})
  `ASSERT_WHEN(ResponseExpected_A, rsp_valid_i, slot_busy_q[slot])
  `ASSERT_WHEN(ResponseLength_A, rsp_fire, rsp_error || rsp_i.last == rsp_last)
  `ASSERT_HELD(WriteHeld_A, spad_req_o, spad_gnt_i, spad_o)
  `ASSERT_WHEN(QuietBeforeNew_A, drain_q, !take)
  `ASSERT_WHEN(CommandIsOurs_A, take, cmd_i[7:0] == OpcodeLoad || cmd_i[7:0] == OpcodeFill)

endmodule
