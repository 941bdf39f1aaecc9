// What others ask of a tile: reads and writes of its scratchpad and registers, posts of its semaphores.
//
// Contract
//   - Packets are served in order, one beat a cycle; each gets one response packet. Registers take whole
//     words, one in two cycles. An address outside both, or part of a register, is answered with error
//     Decode and changes nothing; a post that does not fit its counter with error Semaphore.
//   - A write is answered in the cycle of its last beat's grant; a post that came with it is out in that
//     cycle too (`post_o`).
// Latency: two cycles from `req_valid_i` to the scratchpad's request; two from its grant to `rsp_valid_o`.
`include "assert.svh"

module tile_target
  import systole_spec_pkg::*;
  import systole_pkg::*;
(
    input logic clk_i,
    input logic rst_ni,
    input node_t here_i,

    // request network in, response network out
    input  logic  req_valid_i,
    output logic  req_ready_o,
    input  flit_t req_i,
    output logic  rsp_valid_o,
    input  logic  rsp_ready_i,
    output flit_t rsp_o,

    // scratchpad: one aligned beat
    output logic               spad_req_o,
    output logic               spad_we_o,
    output spad_addr_t         spad_addr_o,
    output logic       [ 31:0] spad_be_o,
    output logic       [255:0] spad_wdata_o,
    input  logic               spad_gnt_i,
    input  logic       [255:0] spad_rdata_i,

    // registers: one word, read data in the next cycle
    output logic        reg_req_o,
    output logic        reg_we_o,
    output logic [ 9:0] reg_word_o,
    output logic [31:0] reg_wdata_o,
    input  logic [31:0] reg_rdata_i,

    // semaphores: a post, and whether it overflows
    output logic       post_o,
    output logic [3:0] post_sem_o,
    output node_t      post_src_o,
    output logic       post_with_data_o,
    input  logic       post_overflow_i,

    output logic busy_o
);

  typedef logic [12:0] end_t;  // behind the last byte, in a block of 4 KiB

  typedef enum logic [2:0] {
    InHead,
    InRead,
    InWrite,
    InRegRead,
    InRegData,
    InRegSend,
    InRegWrite,
    InDrop
  } in_state_e;

  in_state_e in_state_d, in_state_q;

  logic req_valid, req_ready;
  // The routers have looked at the node, the request network has no errors.
  // verilator lint_off UNUSEDSIGNAL
  flit_t req;
  req_head_t head;
  // verilator lint_on UNUSEDSIGNAL

  fifo #(
    .T    (flit_t),
    .Depth(2)
  ) u_req (
    .clk_i,
    .rst_ni,
    .valid_i(req_valid_i),
    .ready_o(req_ready_o),
    .data_i (req_i),
    .valid_o(req_valid),
    .ready_i(req_ready),
    .data_o (req),
    // verilator lint_off PINCONNECTEMPTY
    .count_o()
    // verilator lint_on PINCONNECTEMPTY
  );

  // -------------------------------------------------------------------------------- the head
  logic in_spad, in_regs;

  assign head = req_head_t'(req.payload);
  assign in_spad = head.addr[23:18] == TileScratchpadOffset[23:18] && head.len != '0;
  assign in_regs = head.addr[23:12] == TileRegsOffset[23:12] && head.len != '0 &&
      head.addr[1:0] == '0 && head.len[1:0] == '0;

  // -------------------------------------------------------------------- the packet under way
  // In the cycle of its head the packet's fields are those of the flit, then registers.
  typedef struct packed {
    node_t src;
    logic [5:0] tag;
    logic post_en;
    logic [3:0] post_sem;
    err_e err;
  } packet_t;

  packet_t packet_d, packet_q;
  spad_addr_t at, at_d, at_q;  // next byte
  end_t last_end, last_end_q;
  logic at_head;
  logic [12:0] beat_end;
  logic last_beat;
  logic [2:0] lane;
  logic lane_ends_beat;
  logic [255:0] gather_q;

  assign at_head = in_state_q == InHead;
  assign at = at_head ? head.addr[17:0] : at_q;
  assign last_end = at_head ? {1'b0, head.addr[11:0]} + {3'd0, head.len} : last_end_q;
  assign beat_end = {1'b0, at[11:5], 5'd0} + 13'd32;
  assign last_beat = last_end <= beat_end;
  assign lane = at_q[4:2];
  assign lane_ends_beat = lane == 3'd7 || {1'b0, at_q[11:0]} + 13'd4 == last_end_q;

  // Read beats granted in the previous cycle, whose data go to the response queue in this one.
  logic reading_q, reading_last_q;
  node_t reading_src_q;
  logic [5:0] reading_tag_q;
  logic first_q;  // the next flit pushed is the head of a response

  localparam int unsigned QueueDepth = 4;
  logic push, push_ready, room;
  logic answer;
  flit_t push_flit;
  logic [$clog2(QueueDepth+1)-1:0] queued;

  // Room for the beat of this cycle behind the one under way.
  assign room = queued + {2'd0, reading_q} < 3'(QueueDepth);

  always_comb begin
    packet_d = packet_q;
    if (at_head) begin
      packet_d = '{
          src: req.src,
          tag: req.tag,
          post_en: head.post_en,
          post_sem: head.post_sem,
          err: ErrOk
      };
    end
    in_state_d = in_state_q;
    at_d = at_q;
    req_ready = 1'b0;
    spad_req_o = 1'b0;
    spad_we_o = 1'b0;
    post_o = 1'b0;
    answer = 1'b0;
    unique case (in_state_q)
      InHead: begin
        at_d = at;
        if (req_valid && req.op == NocOpRead && in_spad) begin
          spad_req_o = room;
          if (room && spad_gnt_i) begin
            req_ready = 1'b1;
            at_d = {at[17:5] + 13'd1, 5'd0};
            if (!last_beat) in_state_d = InRead;
          end
        end else if (req_valid && req.op == NocOpPost) begin
          // One answer at a time: behind read data under way.
          if (room && !reading_q) begin
            req_ready = 1'b1;
            post_o = 1'b1;
            answer = 1'b1;
          end
        end else if (req_valid && (in_spad || in_regs) && (req.op == NocOpRead || !req.last)) begin
          req_ready = 1'b1;
          if (req.op == NocOpRead) in_state_d = InRegRead;
          else in_state_d = in_spad ? InWrite : InRegWrite;
        end else if (req_valid && req.last) begin
          packet_d.err = ErrDecode;
          if (room && !reading_q) begin
            req_ready = 1'b1;
            answer = 1'b1;
          end
        end else if (req_valid) begin
          packet_d.err = ErrDecode;
          req_ready = 1'b1;
          in_state_d = InDrop;
        end
      end
      InRead: begin
        spad_req_o = room;
        if (room && spad_gnt_i) begin
          at_d = {at[17:5] + 13'd1, 5'd0};
          if (last_beat) in_state_d = InHead;
        end
      end
      InWrite: begin
        spad_req_o = req_valid && room;
        spad_we_o  = 1'b1;
        if (req_valid && room && spad_gnt_i) begin
          req_ready = 1'b1;
          at_d = {at[17:5] + 13'd1, 5'd0};
          if (req.last) begin
            post_o = packet_q.post_en;
            answer = 1'b1;
            in_state_d = InHead;
          end
        end
      end
      InRegRead: in_state_d = InRegData;
      InRegData: begin
        at_d = at_q + 18'd4;
        in_state_d = lane_ends_beat ? InRegSend : InRegRead;
      end
      InRegSend: begin
        if (room) begin
          answer = 1'b1;
          in_state_d = {1'b0, at_q[11:0]} == last_end_q || at_q[11:0] == '0 ? InHead : InRegRead;
        end
      end
      InRegWrite: begin
        if (req_valid && room) begin
          at_d = at_q + 18'd4;
          if (lane_ends_beat) begin
            req_ready = 1'b1;
            if (req.last) begin
              post_o = packet_q.post_en;
              answer = 1'b1;
              in_state_d = InHead;
            end
          end
        end
      end
      default: begin  // InDrop
        req_ready = 1'b1;
        if (req_valid && req.last) begin
          req_ready = room;
          answer = room;
          if (room) in_state_d = InHead;
        end
      end
    endcase
  end

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      in_state_q <= InHead;
      reading_q <= 1'b0;
      first_q <= 1'b1;
    end else begin
      in_state_q <= in_state_d;
      reading_q <= spad_req_o && spad_gnt_i && !spad_we_o;
      if (push) first_q <= push_flit.last;
    end
  end

  // Valid with the packet: unreset.
  always_ff @(posedge clk_i) begin
    at_q <= at_d;
    if (at_head && req_valid) begin
      packet_q   <= packet_d;
      last_end_q <= last_end;
    end
    if (spad_req_o) begin
      reading_last_q <= last_beat;
      reading_src_q  <= packet_d.src;
      reading_tag_q  <= packet_d.tag;
    end
    if (in_state_q == InRegData) gather_q[32*lane+:32] <= reg_rdata_i;
  end

  // ---------------------------------------------------------------- scratchpad and registers
  // Bytes of this beat that the packet writes.
  always_comb begin
    logic [31:0] from, upto;
    from = 32'hFFFF_FFFF << at[4:0];
    upto = last_beat && last_end[4:0] != '0 ? ~(32'hFFFF_FFFF << last_end[4:0]) : 32'hFFFF_FFFF;
    spad_be_o = from & upto;
  end

  assign spad_addr_o = {at[17:5], 5'd0};
  assign spad_wdata_o = req.payload;
  assign reg_req_o = in_state_q == InRegRead || (in_state_q == InRegWrite && req_valid && room);
  assign reg_we_o = in_state_q == InRegWrite;
  assign reg_word_o = at_q[11:2];
  assign reg_wdata_o = req.payload[32*lane+:32];
  assign post_sem_o = packet_d.post_sem;
  assign post_src_o = packet_d.src;
  assign post_with_data_o = !at_head;

  // ------------------------------------------------------------------------------ responses
  assign push = reading_q || answer;

  always_comb begin
    push_flit = '0;
    push_flit.src = here_i;
    push_flit.dst = packet_d.src;
    push_flit.tag = packet_d.tag;
    push_flit.err = post_o && post_overflow_i ? ErrSemaphore : packet_d.err;
    push_flit.op = NocOpAck;
    push_flit.head = first_q;
    push_flit.last = 1'b1;
    if (reading_q) begin
      push_flit.dst = reading_src_q;
      push_flit.tag = reading_tag_q;
      push_flit.err = ErrOk;
      push_flit.op = NocOpReadData;
      push_flit.last = reading_last_q;
      push_flit.payload = spad_rdata_i;
    end else if (in_state_q == InRegSend) begin
      push_flit.op = NocOpReadData;
      push_flit.last = in_state_d == InHead;
      push_flit.payload = gather_q;
    end else if (at_head && req.op == NocOpRead) begin
      push_flit.op = NocOpReadData;
    end
  end

  fifo #(
    .T    (flit_t),
    .Depth(QueueDepth)
  ) u_rsp (
    .clk_i,
    .rst_ni,
    .valid_i(push),
    .ready_o(push_ready),
    .data_i (push_flit),
    .valid_o(rsp_valid_o),
    .ready_i(rsp_ready_i),
    .data_o (rsp_o),
    .count_o(queued)
  );

  assign busy_o = req_valid || rsp_valid_o || reading_q || in_state_q != InHead;

  `ASSERT(QueueTakes_A, !push || push_ready)
  `ASSERT(OneAnswer_A, !(reading_q && answer))
  `ASSERT_WHEN(BeginsWithHead_A, at_head, !req_valid || req.head)
  `ASSERT(DataFollowHead_A,
          !(in_state_q inside {InWrite, InRegWrite, InDrop}) || !req_valid || !req.head)
  `ASSERT_WHEN(PacketInBlock_A, at_head,
               !req_valid || req.op == NocOpPost || {1'b0, head.addr[8:0]} + head.len <= 10'd512)
endmodule
