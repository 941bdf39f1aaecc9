// Answers the packets addressed to the io node itself: its RAM and its registers.
//
// Contract: packets are answered one at a time, in order, each by exactly one response packet. RAM takes any
// bytes; registers take whole words, one after another. Anything else (another address, part of a word in
// the registers, a post) is answered with an error and changes nothing.
// Latency: a read's first response flit is offered three cycles after its head was taken; then a flit a
// cycle (RAM), a word in two cycles (registers).

`include "assert.svh"

module io_target
  import systole_spec_pkg::*;
  import systole_pkg::*;
  import core_pkg::*;
(
    input logic clk_i,
    input logic rst_ni,

    // request packets in
    input  logic  req_valid_i,
    output logic  req_ready_o,
    input  flit_t req_i,

    // response packets out
    output logic  rsp_valid_o,
    input  logic  rsp_ready_i,
    output flit_t rsp_o,

    // RAM, granted at once
    output logic              ram_req_o,
    output logic              ram_we_o,
    output logic      [ 31:0] ram_be_o,
    output ram_word_t         ram_word_o,
    output logic      [255:0] ram_wdata_o,
    input  logic      [255:0] ram_rdata_i,

    // registers
    output logic             reg_req_o,
    input  logic             reg_gnt_i,
    output logic             reg_we_o,
    output reg_word_t        reg_word_o,
    output logic      [31:0] reg_wdata_o,
    input  logic      [31:0] reg_rdata_i,

    output logic busy_o
);

  typedef enum logic [3:0] {
    StIdle,
    StReadRam,
    StReadReg,
    StReadRegData,
    StReadRegSend,
    StWriteRam,
    StWriteReg,
    StDrain,
    StAck
  } state_e;

  state_e state_q, state_d;
  node_t src_q;
  logic [5:0] tag_q;
  logic is_write_q;
  err_e err_q;
  // Bytes still to move: offset in the region of the first, and behind the last.
  logic [16:0] at_q, at_d, end_q;
  logic [255:0] gather_q;

  // ------------------------------------------------------------------------------- the head
  req_head_t head;
  addr_t last_byte;
  logic ram_hit, reg_hit;
  err_e head_err;

  assign head = req_head_t'(req_i.payload);
  assign last_byte = head.addr + addr_t'(head.len) - addr_t'(1);
  assign ram_hit = in_ram(head.addr) && in_ram(last_byte);
  assign reg_hit = in_regs(head.addr) && in_regs(last_byte) && head.addr[1:0] == '0 &&
      head.len[1:0] == '0;

  always_comb begin
    head_err = ErrOk;
    if (req_i.op == NocOpPost || head.post_en) head_err = ErrSemaphore;
    else if ((!ram_hit && !reg_hit) || head.len == '0) head_err = ErrDecode;
  end

  // --------------------------------------------------------------------- one beat at a time
  logic [16:0] beat_first, beat_next;
  logic last_beat;
  logic [31:0] beat_be;
  logic beat_sent_q;  // a RAM read whose data come in this cycle
  logic beat_sent_last_q;
  logic [2:0] lane;
  logic lane_ends_beat;

  assign beat_first = {at_q[16:5], 5'd0};
  assign beat_next = beat_first + 17'd32;
  assign last_beat = end_q <= beat_next;
  assign lane = at_q[4:2];
  assign lane_ends_beat = lane == 3'd7 || at_q + 17'd4 == end_q;

  always_comb begin
    logic [31:0] from, upto;
    from = 32'hFFFF_FFFF << at_q[4:0];
    upto = last_beat && end_q[4:0] != '0 ? ~(32'hFFFF_FFFF << end_q[4:0]) : 32'hFFFF_FFFF;
    beat_be = from & upto;
  end

  // Responses leave through a queue, so that RAM data are never waited for.
  localparam int unsigned QueueDepth = 4;
  logic push, queue_ready, room;
  logic first_q;  // the next flit pushed is the head of the response
  flit_t push_flit;
  logic [$clog2(QueueDepth+1)-1:0] queued;

  assign room = 32'(queued) + 32'(beat_sent_q) < QueueDepth;

  always_comb begin
    push_flit = '0;
    push_flit.dst = src_q;
    push_flit.tag = tag_q;
    push_flit.op = is_write_q ? NocOpAck : NocOpReadData;
    push_flit.err = err_q;
    push_flit.head = first_q;
    push_flit.last = 1'b1;
    if (state_q == StReadRegSend) begin
      push_flit.last = at_q == end_q;
      push_flit.payload = gather_q;
    end else if (beat_sent_q) begin
      push_flit.last = beat_sent_last_q;
      push_flit.payload = ram_rdata_i;
    end
  end

  always_comb begin
    state_d = state_q;
    at_d = at_q;
    req_ready_o = 1'b0;
    push = beat_sent_q;
    ram_req_o = 1'b0;

    unique case (state_q)
      StIdle: begin
        req_ready_o = 1'b1;
        at_d = {1'b0, head.addr[15:0]};
        if (in_regs(head.addr)) at_d = {5'd0, head.addr[11:0]};
        if (req_valid_i) begin
          if (head_err != ErrOk) state_d = req_i.last ? StAck : StDrain;
          else if (req_i.op == NocOpRead) state_d = ram_hit ? StReadRam : StReadReg;
          else state_d = ram_hit ? StWriteRam : StWriteReg;
        end
      end

      StReadRam: begin
        if (room) begin
          ram_req_o = 1'b1;
          at_d = beat_next;
          if (last_beat) state_d = StIdle;
        end
      end

      StReadReg: begin
        if (reg_gnt_i) state_d = StReadRegData;
      end

      StReadRegData: begin
        at_d = at_q + 17'd4;
        state_d = lane_ends_beat ? StReadRegSend : StReadReg;
      end

      StReadRegSend: begin
        if (room) begin
          push = 1'b1;
          state_d = at_q == end_q ? StIdle : StReadReg;
        end
      end

      StWriteRam: begin
        req_ready_o = 1'b1;
        if (req_valid_i) begin
          ram_req_o = 1'b1;
          at_d = beat_next;
          if (req_i.last) state_d = StAck;
        end
      end

      StWriteReg: begin
        if (reg_gnt_i) begin
          at_d = at_q + 17'd4;
          if (lane_ends_beat) begin
            req_ready_o = 1'b1;
            if (req_i.last) state_d = StAck;
          end
        end
      end

      StDrain: begin
        req_ready_o = 1'b1;
        if (req_valid_i && req_i.last) state_d = StAck;
      end

      StAck: begin
        if (room) begin
          push = 1'b1;
          state_d = StIdle;
        end
      end

      default: state_d = StIdle;
    endcase
  end

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      state_q <= StIdle;
      beat_sent_q <= 1'b0;
      beat_sent_last_q <= 1'b0;
      first_q <= 1'b1;
    end else begin
      state_q <= state_d;
      beat_sent_q <= state_q == StReadRam && room;
      beat_sent_last_q <= last_beat;
      if (push) first_q <= push_flit.last;
    end
  end

  always_ff @(posedge clk_i) begin
    at_q <= at_d;
    if (state_q == StIdle && req_valid_i) begin
      src_q <= req_i.src;
      tag_q <= req_i.tag;
      is_write_q <= req_i.op != NocOpRead;
      err_q <= head_err;
      end_q <= at_d + 17'(head.len);
    end
    if (state_q == StReadRegData) gather_q[32*lane+:32] <= reg_rdata_i;
  end

  assign ram_we_o = state_q == StWriteRam;
  assign ram_be_o = beat_be;
  assign ram_word_o = {at_q[15:5], 3'd0};
  assign ram_wdata_o = req_i.payload;
  assign reg_req_o = state_q == StReadReg || (state_q == StWriteReg && req_valid_i);
  assign reg_we_o = state_q == StWriteReg;
  assign reg_word_o = at_q[11:2];
  assign reg_wdata_o = req_i.payload[32*lane+:32];

  fifo #(
    .T    (flit_t),
    .Depth(QueueDepth)
  ) u_queue (
    .clk_i,
    .rst_ni,
    .valid_i(push),
    .ready_o(queue_ready),
    .data_i (push_flit),
    .valid_o(rsp_valid_o),
    .ready_i(rsp_ready_i),
    .data_o (rsp_o),
    .count_o(queued)
  );

  // What an answer does not depend on; unused bits of a register word are the registers' business.
  logic unused_req;
  assign unused_req = ^{req_i.dst, req_i.err, head.zero, head.zero2, head.post_sem};

  assign busy_o = state_q != StIdle || beat_sent_q || rsp_valid_o;

  `ASSERT(QueueTakes_A, !push || queue_ready)
  `ASSERT(HeadInIdle_A, state_q != StIdle || !req_valid_i || req_i.head)
  `ASSERT(NoHeadInData_A,
          !(state_q inside {StWriteRam, StWriteReg, StDrain}) || !req_valid_i || !req_i.head)

endmodule
