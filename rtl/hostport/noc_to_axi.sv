// Answers requests of the network from memory behind an AXI4 master port: the target of a mem node, and of
// the io node for host memory.
//
// Contract: every request gets one response packet, whatever happens; flits of two packets never mix.
//   Read   -> ReadData. A beat that the bus answers with SLVERR or DECERR becomes a flit with err Bus that
//             ends the packet: the only flit, when it is the first beat. The rest of the burst is dropped.
//   Write  -> Ack after the bus's write response; err Bus when that is an error.
//   others -> one flit with err Decode, nothing on the bus: a Post, a Write that posts, an address outside
//             the aperture, a length of 0 or bytes across a multiple of MaxPacketBytes.
//   ReadData answers a Read, Ack everything else.
// Order: reads among themselves and writes among themselves reach the bus in order of arrival, and so do
// their responses. A read and a write are ordered only when the later one was sent after the response of the
// earlier one came.
// Bus: address = global address - Base; one id (0), INCR, whole beats, up to 16 a burst, writes by strobes.
// All pins come from and go to registers.
// Latency: request in to address pins 1 cycle, R or B pins to response 1 cycle. Rate: a beat a cycle both ways
// at once, but for the head flit of a Write. Outstanding: MaxReads bursts, MaxWrites bursts.
// Clock: may be stopped in cycles in which neither busy_o nor req_valid_i is high.

`include "assert.svh"

module noc_to_axi
  import systole_spec_pkg::*;
  import systole_pkg::*;
#(
    parameter int unsigned X = 0,
    parameter int unsigned Y = 1,
    parameter logic [AddrBits-1:0] Base = DramBase,
    parameter logic [AddrBits-1:0] Bytes = DramChannelBytes,
    parameter int unsigned MaxReads = 32,
    parameter int unsigned MaxWrites = 32,
    parameter bit Observable = 1'b1  // 0: nothing is counted, stat_*_o are 0
) (
    input logic clk_i,
    input logic rst_ni,

    // requests
    input  logic  req_valid_i,
    output logic  req_ready_o,
    input  flit_t req_i,

    // responses
    output logic  rsp_valid_o,
    input  logic  rsp_ready_i,
    output flit_t rsp_o,

    // AXI4 write
    output logic m_axi_awvalid_o,
    input  logic m_axi_awready_i,
    output axi_pkg::id_t m_axi_awid_o,
    output axi_pkg::addr_t m_axi_awaddr_o,
    output logic [7:0] m_axi_awlen_o,
    output logic [2:0] m_axi_awsize_o,
    output axi_pkg::burst_e m_axi_awburst_o,
    output logic m_axi_wvalid_o,
    input  logic m_axi_wready_i,
    output axi_pkg::data_t m_axi_wdata_o,
    output axi_pkg::strb_t m_axi_wstrb_o,
    output logic m_axi_wlast_o,
    input  logic m_axi_bvalid_i,
    output logic m_axi_bready_o,
    input  axi_pkg::id_t m_axi_bid_i,
    input  axi_pkg::resp_e m_axi_bresp_i,

    // AXI4 read
    output logic m_axi_arvalid_o,
    input  logic m_axi_arready_i,
    output axi_pkg::id_t m_axi_arid_o,
    output axi_pkg::addr_t m_axi_araddr_o,
    output logic [7:0] m_axi_arlen_o,
    output logic [2:0] m_axi_arsize_o,
    output axi_pkg::burst_e m_axi_arburst_o,
    input  logic m_axi_rvalid_i,
    output logic m_axi_rready_o,
    input  axi_pkg::id_t m_axi_rid_i,
    input  axi_pkg::data_t m_axi_rdata_i,
    input  axi_pkg::resp_e m_axi_rresp_i,
    input  logic m_axi_rlast_i,

    output logic        busy_o,               // work under way
    output logic [31:0] stat_read_beats_o,
    output logic [31:0] stat_write_beats_o,
    output logic [31:0] stat_req_stalls_o,    // cycles in which a request waited
    output logic [31:0] stat_rsp_stalls_o     // cycles in which a response waited
);

  localparam int unsigned OffsetBits = $clog2(FlitBytes);
  localparam int unsigned PacketBits = $clog2(MaxPacketBytes);
  localparam int unsigned BeatBits = PacketBits - OffsetBits;  // of a burst's index
  typedef logic [BeatBits-1:0] beat_t;

  // Who gets the response, and for a read, how long it is.
  typedef struct packed {
    node_t src;
    logic [5:0] tag;
  } requester_t;

  typedef struct packed {
    requester_t requester;
    beat_t last_beat;
  } read_t;

  // What can be given at the response port.
  localparam int unsigned GiveRead = 0;
  localparam int unsigned GiveAck = 1;
  localparam int unsigned GiveRefusal = 2;
  typedef logic [2:0] give_t;
  give_t grant;  // one-hot or zero

  // ------------------------------------------------------------------------------------- requests in
  typedef enum logic [1:0] {
    TakeHead,
    TakeData,  // of a write
    SkipData   // of a write that was refused
  } state_e;

  state_e state_q, state_d;
  req_head_t head;
  addr_t bus_addr;
  logic [PacketBits+1:0] bytes_end;  // end of the packet's bytes, from its 512-byte line on
  logic legal;
  logic take;                         // this flit is taken
  logic start_read, start_write, refuse;
  requester_t requester;
  beat_t last_beat;  // index in the burst

  assign head = req_i.payload;
  assign bus_addr = head.addr - Base;
  assign bytes_end = (PacketBits + 2)'(head.addr[PacketBits-1:0]) + (PacketBits + 2)'(head.len);
  assign legal = bus_addr < Bytes && head.len != '0 && bytes_end <= (PacketBits + 2)'(MaxPacketBytes) && (req_i.op == NocOpRead || (req_i.op == NocOpWrite && !head.post_en));
  assign requester = '{src: req_i.src, tag: req_i.tag};
  assign last_beat = beat_t'((bytes_end - 1'b1) >> OffsetBits) - beat_t'(head.addr >> OffsetBits);

  logic ar_ready, aw_ready, w_ready, reads_ready, writes_ready;  // room for one more
  logic read_pending, write_pending, refused_valid_q;  // something awaits its response

  // From registers alone: any request is taken when every kind could be.
  assign req_ready_o = state_q == TakeHead ?
      ar_ready && aw_ready && reads_ready && writes_ready && !refused_valid_q :
      state_q == SkipData || w_ready;
  assign take = req_valid_i && req_ready_o;
  assign start_read = take && state_q == TakeHead && legal && req_i.op == NocOpRead;
  assign start_write = take && state_q == TakeHead && legal && req_i.op == NocOpWrite;
  assign refuse = take && state_q == TakeHead && !legal;

  always_comb begin
    state_d = state_q;
    unique case (state_q)
      TakeHead: begin
        if (start_write) state_d = TakeData;
        else if (refuse && !req_i.last) state_d = SkipData;
      end
      default: if (take && req_i.last) state_d = TakeHead;
    endcase
  end

  always_ff @(posedge clk_i) begin
    if (!rst_ni) state_q <= TakeHead;
    else state_q <= state_d;
  end

  // Write data: strobes cut off what the packet does not cover in its first and last beat.
  logic w_first_q;
  logic [OffsetBits-1:0] w_begin_q, w_end_q;  // first byte of the first beat, last byte of the last
  axi_pkg::strb_t w_strb;

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      w_first_q <= 1'b0;
      w_begin_q <= '0;
      w_end_q <= '0;
    end else if (start_write) begin
      w_first_q <= 1'b1;
      w_begin_q <= head.addr[OffsetBits-1:0];
      w_end_q <= OffsetBits'(bytes_end - 1'b1);
    end else if (take) begin
      w_first_q <= 1'b0;
    end
  end

  assign w_strb = ('1 << (w_first_q ? w_begin_q : '0)) & ('1 >> (req_i.last ? ~w_end_q : '0));

  // ----------------------------------------------------------------------------------------- AXI pins
  // Bursts are of one id and whole beats, so only what differs is queued.
  typedef struct packed {
    addr_t addr;
    beat_t last_beat;
  } burst_t;

  // Data lie lowest: the simulator moves them without shifting.
  typedef struct packed {
    axi_pkg::resp_e resp;
    logic last;
    axi_pkg::data_t data;
  } r_beat_t;

  burst_t burst, ar_burst, aw_burst;
  axi_pkg::w_beat_t w_in, w_out;
  r_beat_t r_in, r_beat;
  axi_pkg::resp_e b_resp;
  logic r_valid, r_take, b_valid, b_take;

  assign burst = '{
          addr: {bus_addr[AddrBits-1:OffsetBits], OffsetBits'(0)},
          last_beat: last_beat
      };
  assign w_in = '{last: req_i.last, strb: w_strb, data: req_i.payload};
  assign r_in = '{resp: m_axi_rresp_i, last: m_axi_rlast_i, data: m_axi_rdata_i};

  fifo #(
    .T(burst_t)
  ) u_ar (
    .clk_i,
    .rst_ni,
    .valid_i(start_read),
    .ready_o(ar_ready),
    .data_i(burst),
    .valid_o(m_axi_arvalid_o),
    .ready_i(m_axi_arready_i),
    .data_o(ar_burst),
    .count_o()
  );

  fifo #(
    .T(burst_t)
  ) u_aw (
    .clk_i,
    .rst_ni,
    .valid_i(start_write),
    .ready_o(aw_ready),
    .data_i(burst),
    .valid_o(m_axi_awvalid_o),
    .ready_i(m_axi_awready_i),
    .data_o(aw_burst),
    .count_o()
  );

  fifo #(
    .T(axi_pkg::w_beat_t)
  ) u_w (
    .clk_i,
    .rst_ni,
    .valid_i(take && state_q == TakeData),
    .ready_o(w_ready),
    .data_i(w_in),
    .valid_o(m_axi_wvalid_o),
    .ready_i(m_axi_wready_i),
    .data_o(w_out),
    .count_o()
  );

  fifo #(
    .T(r_beat_t)
  ) u_r (
    .clk_i,
    .rst_ni,
    .valid_i(m_axi_rvalid_i),
    .ready_o(m_axi_rready_o),
    .data_i(r_in),
    .valid_o(r_valid),
    .ready_i(r_take),
    .data_o(r_beat),
    .count_o()
  );

  fifo #(
    .T(axi_pkg::resp_e)
  ) u_b (
    .clk_i,
    .rst_ni,
    .valid_i(m_axi_bvalid_i),
    .ready_o(m_axi_bready_o),
    .data_i(m_axi_bresp_i),
    .valid_o(b_valid),
    .ready_i(b_take),
    .data_o(b_resp),
    .count_o()
  );

  assign m_axi_arid_o = '0;
  assign m_axi_araddr_o = ar_burst.addr;
  assign m_axi_arlen_o = 8'(ar_burst.last_beat);
  assign m_axi_arsize_o = axi_pkg::SizeFull;
  assign m_axi_arburst_o = axi_pkg::BurstIncr;
  assign m_axi_awid_o = '0;
  assign m_axi_awaddr_o = aw_burst.addr;
  assign m_axi_awlen_o = 8'(aw_burst.last_beat);
  assign m_axi_awsize_o = axi_pkg::SizeFull;
  assign m_axi_awburst_o = axi_pkg::BurstIncr;
  assign m_axi_wdata_o = w_out.data;
  assign m_axi_wstrb_o = w_out.strb;
  assign m_axi_wlast_o = w_out.last;

  // ------------------------------------------------------------------------------- bursts under way
  read_t read_in, read;
  requester_t write, refused_q;
  noc_op_e refused_op_q;
  logic read_end;

  assign read_in = '{requester: requester, last_beat: last_beat};

  fifo #(
    .T(read_t),
    .Depth(MaxReads)
  ) u_reads (
    .clk_i,
    .rst_ni,
    .valid_i(start_read),
    .ready_o(reads_ready),
    .data_i(read_in),
    .valid_o(read_pending),
    .ready_i(read_end),
    .data_o(read),
    .count_o()
  );

  fifo #(
    .T(requester_t),
    .Depth(MaxWrites)
  ) u_writes (
    .clk_i,
    .rst_ni,
    .valid_i(start_write),
    .ready_o(writes_ready),
    .data_i(requester),
    .valid_o(write_pending),
    .ready_i(b_take),
    .data_o(write),
    .count_o()
  );

  // A refused request waits here for its turn to be answered.
  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      refused_valid_q <= 1'b0;
      refused_q <= '0;
      refused_op_q <= NocOpAck;
    end else if (refuse) begin
      refused_valid_q <= 1'b1;
      refused_q <= requester;
      refused_op_q <= req_i.op == NocOpRead ? NocOpReadData : NocOpAck;
    end else if (grant[GiveRefusal] && rsp_ready_i) begin
      refused_valid_q <= 1'b0;
    end
  end

  // -------------------------------------------------------------------------------------- responses
  // The beat that r_beat is, of the read at the front; what follows an error is dropped.
  beat_t beat_q;
  logic dropping_q;
  logic read_error, give_read_last;

  assign read_error = r_beat.resp inside {axi_pkg::RespSlverr, axi_pkg::RespDecerr};
  assign give_read_last = read_error || beat_q == read.last_beat;
  assign r_take = r_valid && (dropping_q || (grant[GiveRead] && rsp_ready_i));
  assign read_end = r_take && beat_q == read.last_beat;
  assign b_take = grant[GiveAck] && rsp_ready_i;

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      beat_q <= '0;
      dropping_q <= 1'b0;
    end else if (r_take) begin
      beat_q <= read_end ? '0 : beat_q + 1'b1;
      dropping_q <= (dropping_q || read_error) && !read_end;
    end
  end

  // One packet at a time; reads and the others take turns. An offer stays until it is taken.
  give_t want, fresh;
  give_t hold_q;       // the packet that was offered and has not ended, one-hot or zero
  logic read_turn_q;

  assign want = {refused_valid_q, b_valid, r_valid && !dropping_q};
  always_comb begin
    fresh = '0;
    if (want[GiveRead] && (read_turn_q || want == give_t'(1 << GiveRead))) fresh[GiveRead] = 1'b1;
    else if (want[GiveAck]) fresh[GiveAck] = 1'b1;
    else if (want[GiveRefusal]) fresh[GiveRefusal] = 1'b1;
  end
  assign grant = hold_q != '0 ? hold_q & want : fresh;
  assign rsp_valid_o = grant != '0;

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      hold_q <= '0;
      read_turn_q <= 1'b0;
    end else if (rsp_valid_o) begin
      hold_q <= rsp_ready_i && rsp_o.last ? '0 : grant;
      read_turn_q <= !grant[GiveRead];
    end
  end

  always_comb begin
    rsp_o = '0;
    rsp_o.src = '{x: 4'(X), y: 4'(Y)};
    if (grant[GiveRead]) begin
      rsp_o.dst = read.requester.src;
      rsp_o.tag = read.requester.tag;
      rsp_o.op = NocOpReadData;
      rsp_o.err = read_error ? ErrBus : ErrOk;
      rsp_o.head = beat_q == '0;
      rsp_o.last = give_read_last;
      rsp_o.payload = r_beat.data;
    end else begin
      rsp_o.head = 1'b1;
      rsp_o.last = 1'b1;
      if (grant[GiveAck]) begin
        rsp_o.dst = write.src;
        rsp_o.tag = write.tag;
        rsp_o.op = NocOpAck;
        rsp_o.err = b_resp inside {axi_pkg::RespSlverr, axi_pkg::RespDecerr} ? ErrBus : ErrOk;
      end else begin
        rsp_o.dst = refused_q.src;
        rsp_o.tag = refused_q.tag;
        rsp_o.op = refused_op_q;
        rsp_o.err = ErrDecode;
      end
    end
  end

  // ---------------------------------------------------------------------------------------- counters
  // A write is pending from its head flit until its response left u_b, a read until its last beat left u_r;
  // a refused request's data flits are dropped as they come.
  assign busy_o = read_pending || write_pending || refused_valid_q;

  if (Observable) begin : gen_count
    always_ff @(posedge clk_i) begin
      if (!rst_ni) begin
        stat_read_beats_o <= '0;
        stat_write_beats_o <= '0;
        stat_req_stalls_o <= '0;
        stat_rsp_stalls_o <= '0;
      end else begin
        stat_read_beats_o <= stat_read_beats_o + 32'(r_take);
        stat_write_beats_o <= stat_write_beats_o + 32'(take && state_q == TakeData);
        stat_req_stalls_o <= stat_req_stalls_o + 32'(req_valid_i && !req_ready_o);
        stat_rsp_stalls_o <= stat_rsp_stalls_o + 32'(rsp_valid_o && !rsp_ready_i);
      end
    end
  end else begin : gen_no_count
    assign stat_read_beats_o = '0;
    assign stat_write_beats_o = '0;
    assign stat_req_stalls_o = '0;
    assign stat_rsp_stalls_o = '0;
  end

  // -------------------------------------------------------------------------------------- assertions
  logic [BeatBits:0] w_left_q;  // data flits to come of the write under way
  always_ff @(posedge clk_i) begin
    if (!rst_ni) w_left_q <= '0;
    else if (start_write) w_left_q <= (BeatBits + 1)'(last_beat) + 1'b1;
    else if (take && state_q == TakeData) w_left_q <= w_left_q - 1'b1;
  end

  logic unused;
  assign unused = ^{req_i.dst, req_i.err, head.zero, head.zero2, head.post_sem, m_axi_bid_i, m_axi_rid_i};

  `ASSERT_WHEN(HeadWhenExpected_A, take, req_i.head == (state_q == TakeHead))
  `ASSERT(WriteHasItsFlits_A, !(take && state_q == TakeData) || req_i.last == (w_left_q == 1))
  `ASSERT_WHEN(ReadIsOneFlit_A, start_read, req_i.last)
  `ASSERT(ReadDataExpected_A, !m_axi_rvalid_i || read_pending)
  `ASSERT(WriteResponseExpected_A, !b_valid || write_pending)
  `ASSERT_WHEN(ReadLastMatches_A, r_take, r_beat.last == (beat_q == read.last_beat))
  `ASSERT(OneGrant_A, $onehot0(grant))

endmodule
