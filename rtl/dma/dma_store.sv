// Store unit: runs Store (scratchpad -> global address space).
//
// Contract: commands start and retire in order, up to four at a time; up to 16 packets wait for their
// response. A packet leaves as a head flit and its data flits, one flit a cycle, uninterrupted by other
// packets. A command retires (`done_o`, one cycle) when all its packets are answered. Its remote post
// travels in the head of its last packet when all its packets go to the tile that is posted to;
// `done_posted_o`, valid with `done_o`, says so. Faults, `abort_i`, `busy_o` and `active_o` as in dma_load; a
// packet that has begun is completed.
// Latency: 3 cycles from a command to its first scratchpad access, 2 more to its flit.

`include "assert.svh"

module dma_store
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
    output logic        done_posted_o,
    output logic        fault_valid_o,
    output unit_fault_t fault_o,
    output unit_state_e state_o,
    input  logic        abort_i,
    output logic        busy_o,
    output logic        active_o,

    // network interface: write packets, and their responses
    output logic  wr_valid_o,
    input  logic  wr_ready_i,
    output flit_t wr_o,
    input  logic  ack_valid_i,
    /* verilator lint_off UNUSEDSIGNAL */
    input  flit_t ack_i,
    /* verilator lint_on UNUSEDSIGNAL */

    // scratchpad: a window's bytes come in the cycle after its grant
    output logic         spad_req_o,
    output spad_read_t   spad_o,
    input  logic         spad_gnt_i,
    input  logic [255:0] spad_rdata_i
);

  // ---------------------------------------------------------------------------- commands in flight
  // Entries from head to cut have all their packets begun, from cut to tail not yet.
  typedef logic [$clog2(NumInFlight):0] ptr_t;
  ptr_t head_q, cut_q, tail_q;
  entry_t head, cut;
  logic [NumInFlight-1:0] remote_en_q;
  logic [3:0] remote_sem_q[NumInFlight];
  node_t remote_q[NumInFlight];
  logic [NumInFlight-1:0] posted_q;
  logic [4:0] pending_q[NumInFlight];  // packets begun and not yet answered
  logic [NumInFlight-1:0] failed_q;
  unit_fault_t failure_q[NumInFlight];

  logic take, flush, drain_q, quiet;
  logic agen_ready, agen_active, packet_valid, packet_ready, bad;
  logic [31:0] bad_info;
  packet_t packet;
  block_t block;

  /* verilator lint_off UNUSEDSIGNAL */
  cmd_store_t command;
  /* verilator lint_on UNUSEDSIGNAL */
  assign command = cmd_store_t'(cmd_i);
  assign block = '{
      addr: command.addr,
      local_addr: command.local_addr,
      run: command.run,
      count0: command.count0,
      count1: command.count1,
      gstride0: command.gstride0,
      gstride1: command.gstride1,
      lstride0: command.lstride0,
      lstride1: command.lstride1
  };

  assign head = head_q[1:0];
  assign cut = cut_q[1:0];

  assign cmd_ready_o = agen_ready && !drain_q && !abort_i && !fault_valid_o &&
      tail_q - head_q != ptr_t'(NumInFlight);
  assign take = cmd_valid_i && cmd_ready_o;

  dma_agen u_agen (
    .clk_i,
    .rst_ni,
    .block_valid_i(take),
    .block_ready_o(agen_ready),
    .block_i(block),
    .flush_i(flush),
    .packet_valid_o(packet_valid),
    .packet_ready_i(packet_ready),
    .packet_o(packet),
    .bad_o(bad),
    .bad_info_o(bad_info),
    .active_o(agen_active)
  );

  // ------------------------------------------------------------------------------------- packets
  // Each cycle begins a packet (its head enters the pipe) or reads one beat of the packet begun. The
  // pipe has one stage, in which the beat read arrives, and a queue.
  localparam int unsigned QueueDepth = 4;

  typedef struct packed {
    slot_t slot;
    logic head;
    logic last;
    logic [FlitBytes*8-1:0] payload;
  } queued_t;

  logic [NumSlots-1:0] slot_busy_q;
  entry_t slot_entry_q[NumSlots];
  addr_t slot_addr_q[NumSlots];
  logic [NumSlots-1:0] slot_dram_q;  // it asks a DRAM channel
  logic [NumSlots-1:0] free_slots;
  slot_t next_slot_q;
  logic next_slot_valid_q;

  logic data_q;  // a packet has begun; its beats are being read
  slot_t packet_slot_q;
  spad_addr_t beat_local_q;
  logic [9:0] left_q;
  logic [4:0] lane_q;

  logic space, begins, read, beat_last;
  logic [5:0] lanes, bytes;

  logic pipe_valid_q;
  logic pipe_head_q;
  logic pipe_last_q;
  slot_t pipe_slot_q;
  logic [4:0] pipe_lane_q;
  req_head_t pipe_request_q;

  logic [$clog2(QueueDepth+1)-1:0] queue_count;
  queued_t queue_in, queue_out;

  assign space = queue_count + 3'(pipe_valid_q) < 3'(QueueDepth);

  assign begins = packet_valid && !data_q && space && next_slot_valid_q && failed_q == '0 &&
      !abort_i && !drain_q;
  assign packet_ready = begins;

  assign lanes = 6'd32 - {1'b0, lane_q};
  assign beat_last = left_q <= {4'd0, lanes};
  assign bytes = beat_last ? left_q[5:0] : lanes;

  assign spad_req_o = data_q && space;
  assign spad_o.addr = beat_local_q;
  assign spad_o.len = bytes;
  assign read = spad_req_o && spad_gnt_i;

  assign free_slots = ~slot_busy_q & ~(next_slot_valid_q ? NumSlots'(1) << next_slot_q : '0);

  // The post travels with the last packet when this and all packets before it go to that tile.
  logic here_q, here, posts;
  assign here = here_q && packet.addr[AddrBits-1:RegionBit] == RegionTile &&
      node_of(packet.addr) == remote_q[cut];
  assign posts = packet.last && remote_en_q[cut] && here;

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      data_q <= 1'b0;
      pipe_valid_q <= 1'b0;
      slot_busy_q <= '0;
      next_slot_valid_q <= 1'b0;
      next_slot_q <= '0;
      here_q <= 1'b1;
    end else begin
      if (begins) data_q <= 1'b1;
      else if (read && beat_last) data_q <= 1'b0;
      pipe_valid_q <= begins || read;
      if (begins) slot_busy_q[next_slot_q] <= 1'b1;
      if (ack_valid_i) slot_busy_q[ack_i.tag[3:0]] <= 1'b0;
      if (!next_slot_valid_q || begins) begin
        next_slot_valid_q <= free_slots != '0;
        next_slot_q <= lowest(free_slots);
      end
      if (flush) here_q <= 1'b1;
      else if (begins) here_q <= packet.last || here;
    end
  end

  always_ff @(posedge clk_i) begin
    if (begins) begin
      packet_slot_q <= next_slot_q;
      slot_entry_q[next_slot_q] <= cut;
      slot_addr_q[next_slot_q] <= packet.addr;
      slot_dram_q[next_slot_q] <= packet.addr[AddrBits-1:RegionBit] == RegionDram;
      beat_local_q <= packet.local_addr;
      left_q <= packet.len;
      lane_q <= packet.addr[4:0];
      pipe_slot_q <= next_slot_q;
      pipe_head_q <= 1'b1;
      pipe_last_q <= 1'b0;
      pipe_request_q <= '{
          addr: packet.addr,
          len: packet.len,
          post_en: posts,
          post_sem: remote_sem_q[cut],
          default: '0
      };
    end else if (read) begin
      beat_local_q <= beat_local_q + {12'd0, bytes};
      left_q <= left_q - {4'd0, bytes};
      lane_q <= '0;
      pipe_slot_q <= packet_slot_q;
      pipe_head_q <= 1'b0;
      pipe_last_q <= beat_last;
      pipe_lane_q <= lane_q;
    end
  end

  always_comb begin
    queue_in.slot = pipe_slot_q;
    queue_in.head = pipe_head_q;
    queue_in.last = pipe_last_q;
    if (pipe_head_q) queue_in.payload = pipe_request_q;
    else queue_in.payload = spad_rdata_i << {pipe_lane_q, 3'b000};
  end

  logic queue_ready;
  fifo #(
    .Width($bits(queued_t)),
    .T(queued_t),
    .Depth(QueueDepth)
  ) u_queue (
    .clk_i,
    .rst_ni,
    .valid_i(pipe_valid_q),
    .ready_o(queue_ready),
    .data_i(queue_in),
    .valid_o(wr_valid_o),
    .ready_i(wr_ready_i),
    .data_o(queue_out),
    .count_o(queue_count)
  );

  assign wr_o = '{
          tag: {ClientStore, queue_out.slot},
          op: NocOpWrite,
          err: ErrOk,
          head: queue_out.head,
          last: queue_out.last,
          payload: queue_out.payload,
          default: '0
      };

  // --------------------------------------------------------------------------- retirement and faults
  entry_t ack_entry;
  logic ack_error;
  assign ack_entry = slot_entry_q[ack_i.tag[3:0]];
  assign ack_error = ack_valid_i && ack_i.err != ErrOk;

  assign done_o = head_q != cut_q && pending_q[head] == '0 && !failed_q[head] && !drain_q && !abort_i;
  assign done_posted_o = posted_q[head];
  assign quiet = slot_busy_q == '0;

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
      if (begins && packet.last) cut_q <= cut_q + 1'b1;
      if (done_o) head_q <= head_q + 1'b1;
      if (ack_error) failed_q[ack_entry] <= 1'b1;
    end
  end

  always_ff @(posedge clk_i) begin
    if (take) begin
      remote_en_q[tail_q[1:0]] <= command.remote_en;
      remote_sem_q[tail_q[1:0]] <= command.remote_sem;
      remote_q[tail_q[1:0]] <= '{x: command.remote_x, y: command.remote_y};
    end
    if (begins && packet.last) posted_q[cut] <= posts;
    if (ack_error && !failed_q[ack_entry]) begin
      failure_q[ack_entry] <= '{
          code: ack_i.err == ErrDenied ? FaultWindow : FaultResponse,
          info: slot_addr_q[ack_i.tag[3:0]]
      };
    end
  end

  // Counts go on while the unit drains, so they are zero again when it is quiet.
  for (genvar e = 0; e < NumInFlight; e++) begin : gen_pending
    logic up, down;
    assign up = begins && cut == entry_t'(e);
    assign down = ack_valid_i && ack_entry == entry_t'(e);

    always_ff @(posedge clk_i) begin
      if (!rst_ni) pending_q[e] <= '0;
      else if (up != down) pending_q[e] <= up ? pending_q[e] + 5'd1 : pending_q[e] - 5'd1;
    end
  end

  // -------------------------------------------------------------------------------------- status
  assign busy_o = head_q != tail_q || drain_q || !quiet;

  // Without any of these no register changes.
  assign active_o = take || flush || agen_active || begins || read || pipe_valid_q ||
      (wr_valid_o && wr_ready_i) || ack_valid_i || (!next_slot_valid_q && free_slots != '0) || done_o;

  always_comb begin
    if (begins || read || pipe_valid_q || (wr_valid_o && wr_ready_i)) state_o = UnitStateBusy;
    else if (spad_req_o) state_o = UnitStateScratchpad;
    else if (wr_valid_o) state_o = UnitStateNocBackpressure;
    else if ((slot_busy_q & slot_dram_q) != '0) state_o = UnitStateDram;
    else if (slot_busy_q != '0) state_o = UnitStateRemote;
    else if (head_q != cut_q || drain_q) state_o = UnitStateDrain;
    else if (head_q != tail_q) state_o = UnitStateFetch;
    else state_o = UnitStateNoWork;
  end

  `ASSERT(StateOfWork_A, (state_o == UnitStateNoWork) == !busy_o)
  `ASSERT(QueueNeverOverflows_A, !pipe_valid_q || queue_ready)
  `ASSERT_WHEN(ResponseExpected_A, ack_valid_i, slot_busy_q[ack_i.tag[3:0]])
  `ASSERT_HELD(ReadHeld_A, spad_req_o, spad_gnt_i, spad_o)
  `ASSERT_HELD(FlitHeld_A, wr_valid_o, wr_ready_i, wr_o)
  `ASSERT_WHEN(QuietBeforeNew_A, drain_q, !take)
  `ASSERT_WHEN(CommandIsOurs_A, take, cmd_i[7:0] == OpcodeStore)

endmodule
