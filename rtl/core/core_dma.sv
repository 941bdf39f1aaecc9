// Moves words between the core RAM and the global address space, so that the core need not.
//
// Contract: started with source, destination and length, all multiples of 4; one end lies in the core RAM
// as a whole (both may). Makes packets that do not cross a multiple of MaxPacketBytes, up to NumSlots under
// way. `done_o` lasts a cycle, when every response has come; `err_o` then holds the first error until the
// next start. What it may not do ends at once with ErrDecode and moves nothing.
// Latency: the first packet leaves two cycles after the start. Reads take a flit a cycle, writes send one
// in three cycles.

`include "assert.svh"

module core_dma
  import systole_spec_pkg::*;
  import systole_pkg::*;
  import core_pkg::*;
  import address_map_pkg::*;
(
    input logic clk_i,
    input logic rst_ni,

    // control
    input  logic         start_i,
    input  addr_t        src_i,
    input  addr_t        dst_i,
    input  logic  [31:0] len_i,
    output logic         busy_o,
    output logic         done_o,
    output err_e         err_o,

    // request packets out
    output logic  req_valid_o,
    input  logic  req_ready_i,
    output flit_t req_o,

    // response packets in
    input  logic  rsp_valid_i,
    output logic  rsp_ready_o,
    input  flit_t rsp_i,

    // RAM
    output logic              ram_req_o,
    input  logic              ram_gnt_i,
    output logic              ram_we_o,
    output logic      [ 31:0] ram_be_o,
    output ram_word_t         ram_word_o,
    output logic      [255:0] ram_wdata_o,
    input  logic      [255:0] ram_rdata_i
);

  localparam int unsigned NumSlots = 4;
  localparam int unsigned SlotBits = $clog2(NumSlots);
  localparam int unsigned CountBits = $clog2(CoreRamBytes) + 1;
  typedef logic [SlotBits-1:0] slot_t;
  typedef logic [CountBits-1:0] count_t;
  typedef logic [CoreRamWordBits:0] offset_t;  // in words, from the first; below it: large numbers

  typedef enum logic [2:0] {
    StIdle,
    StHead,
    StReadRam,
    StCapture,
    StData,
    StDrain
  } state_e;

  state_e state_q, state_d;
  logic to_ram_q;
  addr_t remote_q;  // next byte on the other side
  count_t left_q;  // bytes that no packet covers yet
  ram_word_t ram_first_q;  // in RAM, the first word of this move
  offset_t ram_words_q;  // its words
  offset_t ram_q;  // of them, the next one

  // A packet under way.
  logic [NumSlots-1:0] slot_busy_q, slot_taken, slot_ended;
  offset_t slot_offset_q[NumSlots];  // where lane 0 of the next data flit belongs
  slot_t free_slot, rsp_slot;
  logic slot_free;

  err_e err_q;
  logic start_ok, done_q;

  // ------------------------------------------------------------------------------- checks
  logic src_local, dst_local;
  addr_t src_last, dst_last;

  assign src_last = src_i + addr_t'(len_i) - addr_t'(1);
  assign dst_last = dst_i + addr_t'(len_i) - addr_t'(1);
  assign src_local = in_ram(src_i) && in_ram(src_last);
  assign dst_local = in_ram(dst_i) && in_ram(dst_last);
  assign start_ok = (src_local || dst_local) && len_i != '0 && len_i <= CoreRamBytes &&
      src_i[1:0] == '0 && dst_i[1:0] == '0 && len_i[1:0] == '0;

  // ------------------------------------------------------------------------------ packets
  logic [9:0] to_border, chunk;
  req_head_t head;
  logic [2:0] lead;  // words from the start of the grid's 32 bytes to the packet's first
  logic [4:0] beats_q;  // data flits of this packet still to send
  node_t packet_dst_q;
  slot_t packet_slot_q;
  logic [255:0] data_q;
  logic sends_head;

  assign lead = remote_q[4:2];
  assign to_border = 10'(MaxPacketBytes) - {1'b0, remote_q[8:0]};
  assign chunk = left_q < count_t'(to_border) ? 10'(left_q) : to_border;
  assign slot_free = !(&slot_busy_q);
  assign sends_head = state_q == StHead && left_q != '0 && slot_free;

  always_comb begin
    free_slot = '0;
    for (int i = NumSlots - 1; i >= 0; i--) begin
      if (!slot_busy_q[i]) free_slot = slot_t'(i);
    end
  end

  always_comb begin
    head = '0;
    head.addr = remote_q;
    head.len = chunk;
    req_o = '0;
    req_o.dst = node_of(remote_q);
    req_o.tag = {IoClientDma, 2'd0, free_slot};
    req_o.op = to_ram_q ? NocOpRead : NocOpWrite;
    req_o.head = state_q == StHead;
    req_o.last = state_q == StHead ? to_ram_q : beats_q == 5'd1;
    req_o.payload = state_q == StHead ? 256'(head) : data_q;
    if (state_q != StHead) begin
      req_o.dst = packet_dst_q;
      req_o.tag = {IoClientDma, 2'd0, packet_slot_q};
    end
  end

  assign req_valid_o = sends_head || state_q == StData;

  // ---------------------------------------------------------------------------------- RAM
  // Data lie on the grid of the other side; in RAM the same window starts at any word.
  logic rsp_writes;
  offset_t rsp_offset;

  assign rsp_slot = rsp_i.tag[SlotBits-1:0];
  assign rsp_writes = rsp_valid_i && rsp_i.op == NocOpReadData && rsp_i.err == ErrOk;
  assign rsp_offset = slot_offset_q[rsp_slot];
  assign rsp_ready_o = !rsp_writes || ram_gnt_i;

  always_comb begin
    ram_be_o = '1;
    for (int l = 0; l < 8; l++) begin
      // Words of the grid's 32 bytes before the first and behind the last of this move.
      if (rsp_offset + offset_t'(l) >= ram_words_q) ram_be_o[4*l+:4] = '0;
    end
  end

  assign ram_req_o = rsp_writes || state_q == StReadRam;
  assign ram_we_o = rsp_writes;
  assign ram_word_o = ram_first_q + ram_word_t'(rsp_writes ? rsp_offset : ram_q);
  assign ram_wdata_o = rsp_i.payload;

  assign slot_taken = req_valid_o && req_ready_i && req_o.head ? NumSlots'(1) << free_slot : '0;
  assign slot_ended = rsp_valid_i && rsp_ready_o && rsp_i.last ? NumSlots'(1) << rsp_slot : '0;

  always_comb begin
    state_d = state_q;
    unique case (state_q)
      StIdle: if (start_i && start_ok) state_d = StHead;
      StHead: begin
        if (left_q == '0) state_d = StDrain;
        else if (sends_head && req_ready_i && !to_ram_q) state_d = StReadRam;
      end
      StReadRam: if (ram_gnt_i) state_d = StCapture;
      StCapture: state_d = StData;
      StData: if (req_ready_i) state_d = beats_q == 5'd1 ? StHead : StReadRam;
      StDrain: if (slot_busy_q == '0) state_d = StIdle;
      default: state_d = StIdle;
    endcase
  end

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      state_q <= StIdle;
      slot_busy_q <= '0;
      done_q <= 1'b0;
      err_q <= ErrOk;
    end else begin
      state_q <= state_d;
      slot_busy_q <= (slot_busy_q | slot_taken) & ~slot_ended;
      done_q <= (state_q == StIdle && start_i && !start_ok) ||
          (state_q == StDrain && state_d == StIdle);
      if (state_q == StIdle && start_i) err_q <= start_ok ? ErrOk : ErrDecode;
      else if (rsp_valid_i && rsp_i.err != ErrOk && err_q == ErrOk) err_q <= rsp_i.err;
    end
  end

  always_ff @(posedge clk_i) begin
    if (state_q == StIdle && start_i) begin
      to_ram_q <= dst_local;
      remote_q <= dst_local ? src_i : dst_i;
      left_q <= count_t'(len_i);
      ram_first_q <= ram_word_t'((dst_local ? dst_i : src_i) >> 2);
      ram_words_q <= offset_t'(len_i >> 2);
      ram_q <= '0;
    end
    if (|slot_taken) begin
      remote_q <= remote_q + addr_t'(chunk);
      left_q <= left_q - count_t'(chunk);
      packet_dst_q <= req_o.dst;
      packet_slot_q <= free_slot;
      beats_q <= 5'({1'b0, (10'({lead, 2'b00}) + chunk + 10'd31) >> 5});
      slot_offset_q[free_slot] <= ram_q - offset_t'(lead);
      // Writes walk through RAM flit by flit, reads packet by packet.
      if (to_ram_q) ram_q <= ram_q + offset_t'(chunk[9:2]);
      else ram_q <= ram_q - offset_t'(lead);
    end
    if (rsp_writes && ram_gnt_i) slot_offset_q[rsp_slot] <= rsp_offset + offset_t'(8);
    if (state_q == StCapture) data_q <= ram_rdata_i;
    if (state_q == StData && req_ready_i) begin
      beats_q <= beats_q - 5'd1;
      ram_q <= ram_q + offset_t'(8);
    end
  end

  assign busy_o = state_q != StIdle;
  assign done_o = done_q;
  assign err_o = err_q;

  // The way back is known.
  logic unused_rsp;
  assign unused_rsp = ^{rsp_i.dst, rsp_i.src, rsp_i.tag[5:SlotBits], rsp_i.head};

  `ASSERT(EndsWhatIsUnderWay_A, (slot_ended & ~slot_busy_q) == '0)
  `ASSERT_WHEN(PacketInBounds_A, sends_head,
               (chunk != '0 && remote_q[8:0] + 9'(chunk - 10'd1) >= remote_q[8:0]))
  `ASSERT_WHEN(NotStartedTwice_A, start_i, !busy_o)

endmodule
