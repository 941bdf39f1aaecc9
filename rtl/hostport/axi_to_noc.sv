// Turns accesses of an AXI4 slave port (the host) into requests of the network: node (0,0)'s way into the
// chip for what comes from outside.
//
// Contract: each burst gets its responses in order of arrival, reads and writes each; whatever the network
// or the address, all of them come.
//   Bursts: INCR of 1 to 256 beats, any size up to 32 bytes, any start; other types only with one beat.
//   A read becomes packets that end at multiples of MaxPacketBytes (narrower than 32 bytes: a packet a beat).
//   A write becomes packets of bytes that follow one another, by strobes: a new one begins at a multiple of
//   MaxPacketBytes and wherever strobes leave a gap between beats. A beat with a gap inside its strobes is
//   not written: SLVERR.
//   Responses: DECERR for addresses that no node answers for (they send nothing) and for err Decode, SLVERR
//   for other errors, for beats of a read from the failing one to the end of its packet, for a write as a
//   whole, the parts without error written; SLVERR also for bursts of another type (nothing is sent).
// Order: of reads and writes under way together, only as the network keeps it by source and destination:
// writes to one node stay in order.
// Network: packets of one destination in order; responses are always taken. Tags: client ClientCore, bit 3
// for writes. A request's dst comes from its address; the io node itself is a dst like any other.
// All pins come from and go to registers.
// Rate: reads a beat a cycle with NumReads packets under way, writes 16 beats in 17 cycles.
// Clock: may be stopped in cycles in which busy_o and all valid inputs are low.

`include "assert.svh"

module axi_to_noc
  import systole_spec_pkg::*;
  import systole_pkg::*;
  import address_map_pkg::*;
#(
    parameter int unsigned NumCols = 3,
    parameter int unsigned NumRows = 2,
    localparam int unsigned NumReads = 8,  // packets under way: bits [2:0] of the tag
    localparam int unsigned NumWrites = 8
) (
    input logic clk_i,
    input logic rst_ni,

    // AXI4 write
    input  logic s_axi_awvalid_i,
    output logic s_axi_awready_o,
    input  axi_pkg::id_t s_axi_awid_i,
    input  axi_pkg::addr_t s_axi_awaddr_i,
    input  logic [7:0] s_axi_awlen_i,
    input  logic [2:0] s_axi_awsize_i,
    input  axi_pkg::burst_e s_axi_awburst_i,
    input  logic s_axi_wvalid_i,
    output logic s_axi_wready_o,
    input  axi_pkg::data_t s_axi_wdata_i,
    input  axi_pkg::strb_t s_axi_wstrb_i,
    input  logic s_axi_wlast_i,
    output logic s_axi_bvalid_o,
    input  logic s_axi_bready_i,
    output axi_pkg::id_t s_axi_bid_o,
    output axi_pkg::resp_e s_axi_bresp_o,

    // AXI4 read
    input  logic s_axi_arvalid_i,
    output logic s_axi_arready_o,
    input  axi_pkg::id_t s_axi_arid_i,
    input  axi_pkg::addr_t s_axi_araddr_i,
    input  logic [7:0] s_axi_arlen_i,
    input  logic [2:0] s_axi_arsize_i,
    input  axi_pkg::burst_e s_axi_arburst_i,
    output logic s_axi_rvalid_o,
    input  logic s_axi_rready_i,
    output axi_pkg::id_t s_axi_rid_o,
    output axi_pkg::data_t s_axi_rdata_o,
    output axi_pkg::resp_e s_axi_rresp_o,
    output logic s_axi_rlast_o,

    // requests
    output logic  req_valid_o,
    input  logic  req_ready_i,
    output flit_t req_o,

    // responses, always taken
    input  logic  rsp_valid_i,
    output logic  rsp_ready_o,
    input  flit_t rsp_i,

    output logic busy_o  // work under way
);

  localparam int unsigned OffsetBits = $clog2(FlitBytes);
  localparam int unsigned PacketBits = $clog2(MaxPacketBytes);
  localparam int unsigned PacketBeats = MaxPacketBytes / FlitBytes;
  localparam int unsigned BeatBits = $clog2(PacketBeats);
  localparam int unsigned SlotBits = $clog2(NumReads);
  typedef logic [BeatBits:0] beats_t;  // 0 .. PacketBeats
  typedef logic [SlotBits-1:0] slot_t;
  typedef logic [PacketBits:0] bytes_t;  // 0 .. MaxPacketBytes

  if (NumReads != NumWrites) begin : gen_check
    $error("axi_to_noc: reads and writes have the same part of the tag");
  end

  // ----------------------------------------------------------------------------------------- bursts
  typedef struct packed {
    axi_pkg::id_t id;
    axi_pkg::addr_t addr;     // of the next beat
    logic [7:0] beats_behind; // how many follow the next beat
    logic [2:0] size;
    logic legal;
  } burst_t;

  function automatic burst_t new_burst(axi_pkg::id_t id, axi_pkg::addr_t addr, logic [7:0] len,
                                       logic [2:0] size, axi_pkg::burst_e kind);
    return
    '{
        id: id,
        addr: addr,
        beats_behind: len,
        size: size,
        legal: size <= axi_pkg::SizeFull && (kind == axi_pkg::BurstIncr || len == '0)
    }
    ;
  endfunction

  // Where the beat behind the one at addr begins.
  function automatic axi_pkg::addr_t after_beat(axi_pkg::addr_t addr, logic [2:0] size);
    return ((addr >> size) + 1'b1) << size;
  endfunction

  // Response of the bus for an error of the network.
  function automatic axi_pkg::resp_e resp_of(err_e err);
    if (err == ErrOk) return axi_pkg::RespOkay;
    return err == ErrDecode ? axi_pkg::RespDecerr : axi_pkg::RespSlverr;
  endfunction

  // RespOkay, unless one of the two is an error.
  function automatic axi_pkg::resp_e worse(axi_pkg::resp_e a, axi_pkg::resp_e b);
    return axi_pkg::resp_e'(a | b);
  endfunction

  // ------------------------------------------------------------------------------------------- reads
  burst_t ar_in, ar;
  logic ar_valid, ar_take;

  assign ar_in = new_burst(
      s_axi_arid_i, s_axi_araddr_i, s_axi_arlen_i, s_axi_arsize_i, s_axi_arburst_i
  );

  fifo #(
    .T(burst_t)
  ) u_ar (
    .clk_i,
    .rst_ni,
    .valid_i(s_axi_arvalid_i),
    .ready_o(s_axi_arready_o),
    .data_i(ar_in),
    .valid_o(ar_valid),
    .ready_i(ar_take),
    .data_o(ar),
    .count_o()
  );

  // The burst that is being cut into packets, and its next packet.
  burst_t read_q;
  logic read_active_q;
  logic [8:0] read_beats_left;
  beats_t read_beats_to_line, read_beats;
  bytes_t read_bytes;
  logic read_ends, read_mapped, read_offer, read_sent, read_go;

  assign ar_take = !read_active_q;
  assign read_beats_left = 9'(read_q.beats_behind) + 1'b1;
  assign read_beats_to_line = beats_t'(PacketBeats) - beats_t'(read_q.addr[PacketBits-1:OffsetBits]);
  assign read_mapped = read_q.legal && is_mapped(read_q.addr, NumCols, NumRows);

  always_comb begin
    read_beats = beats_t'(1);
    read_bytes = bytes_t'(after_beat(read_q.addr, read_q.size) - read_q.addr);
    if (read_q.size == axi_pkg::SizeFull || !read_q.legal) begin
      read_beats = 9'(read_beats_to_line) < read_beats_left ? read_beats_to_line :
          beats_t'(read_beats_left);
      read_bytes = bytes_t'({read_beats, OffsetBits'(0)}) - bytes_t'(read_q.addr[OffsetBits-1:0]);
    end
  end
  assign read_ends = read_beats_left == 9'(read_beats);

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      read_active_q <= 1'b0;
      read_q <= '0;
    end else if (ar_take) begin
      read_active_q <= ar_valid;
      if (ar_valid) read_q <= ar;
    end else if (read_go) begin
      read_active_q <= !read_ends;
      read_q.addr <= read_q.size == axi_pkg::SizeFull || !read_q.legal ?
          {read_q.addr[AddrBits-1:OffsetBits] + (AddrBits - OffsetBits)'(read_beats), OffsetBits'(0)} :
          after_beat(read_q.addr, read_q.size);
      read_q.beats_behind <= read_q.beats_behind - 8'(read_beats);
    end
  end

  // Slots, taken and freed in a ring: one a packet. What comes waits here for its turn.
  typedef struct packed {
    axi_pkg::id_t id;
    beats_t beats;
    logic ends;  // the burst
  } read_slot_t;

  read_slot_t read_slot_q[NumReads];
  beats_t read_received_q[NumReads];
  axi_pkg::resp_e read_resp_q[NumReads];  // of all beats that are not received
  axi_pkg::data_t read_data_q[NumReads * PacketBeats];
  logic [SlotBits:0] read_head_q, read_tail_q;  // with a bit for the lap
  slot_t read_head, read_tail, rsp_slot;
  logic read_room, rsp_read;

  assign read_head = read_head_q[SlotBits-1:0];
  assign read_tail = read_tail_q[SlotBits-1:0];
  assign read_room = read_head_q != {~read_tail_q[SlotBits], read_tail};
  assign read_offer = read_active_q && read_room && read_mapped;
  assign read_go = read_active_q && read_room && (!read_mapped || read_sent);

  assign rsp_ready_o = 1'b1;
  assign rsp_slot = rsp_i.tag[SlotBits-1:0];
  assign rsp_read = rsp_valid_i && !rsp_i.tag[SlotBits];

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      read_tail_q <= '0;
      for (int unsigned i = 0; i < NumReads; i++) begin
        read_slot_q[i] <= '0;
        read_received_q[i] <= '0;
        read_resp_q[i] <= axi_pkg::RespOkay;
      end
    end else begin
      if (read_go) begin
        read_tail_q <= read_tail_q + 1'b1;
        read_slot_q[read_tail] <= '{id: read_q.id, beats: read_beats, ends: read_ends};
        read_received_q[read_tail] <= '0;
        read_resp_q[read_tail] <= read_mapped ? axi_pkg::RespOkay :
            read_q.legal ? axi_pkg::RespDecerr : axi_pkg::RespSlverr;
      end
      if (rsp_read) begin
        if (rsp_i.err == ErrOk) read_received_q[rsp_slot] <= read_received_q[rsp_slot] + 1'b1;
        else read_resp_q[rsp_slot] <= resp_of(rsp_i.err);
      end
    end
  end

  // Data are unreset: read only where received.
  always_ff @(posedge clk_i) begin
    if (rsp_read && rsp_i.err == ErrOk) begin
      read_data_q[{rsp_slot, read_received_q[rsp_slot][BeatBits-1:0]}] <= rsp_i.payload;
    end
  end

  // The slot at the head gives its beats to the bus.
  typedef struct packed {
    axi_pkg::id_t id;
    axi_pkg::resp_e resp;
    logic last;
    axi_pkg::data_t data;
  } r_beat_t;

  r_beat_t r_in, r_out;
  beats_t give_beat_q;
  logic give_received, give, give_ends, r_ready;

  assign give_received = give_beat_q < read_received_q[read_head];
  assign give = read_head_q != read_tail_q && r_ready &&
      (give_received || read_resp_q[read_head] != axi_pkg::RespOkay);
  assign give_ends = give_beat_q + 1'b1 == read_slot_q[read_head].beats;

  always_comb begin
    r_in = '0;
    if (give) begin
      r_in.id = read_slot_q[read_head].id;
      r_in.last = read_slot_q[read_head].ends && give_ends;
      r_in.resp = axi_pkg::RespOkay;
      if (give_received) r_in.data = read_data_q[{read_head, give_beat_q[BeatBits-1:0]}];
      else r_in.resp = read_resp_q[read_head];
    end
  end

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      read_head_q <= '0;
      give_beat_q <= '0;
    end else if (give) begin
      give_beat_q <= give_ends ? '0 : give_beat_q + 1'b1;
      if (give_ends) read_head_q <= read_head_q + 1'b1;
    end
  end

  fifo #(
    .T(r_beat_t)
  ) u_r (
    .clk_i,
    .rst_ni,
    .valid_i(give),
    .ready_o(r_ready),
    .data_i(r_in),
    .valid_o(s_axi_rvalid_o),
    .ready_i(s_axi_rready_i),
    .data_o(r_out),
    .count_o()
  );

  assign s_axi_rid_o = r_out.id;
  assign s_axi_rresp_o = r_out.resp;
  assign s_axi_rlast_o = r_out.last;
  assign s_axi_rdata_o = r_out.data;

  // ------------------------------------------------------------------------------------------ writes
  burst_t aw_in, aw;
  axi_pkg::w_beat_t w_in, w;
  logic aw_valid, aw_take, w_valid, w_take;

  assign aw_in = new_burst(s_axi_awid_i, s_axi_awaddr_i, s_axi_awlen_i, s_axi_awsize_i, s_axi_awburst_i);
  assign w_in = '{last: s_axi_wlast_i, strb: s_axi_wstrb_i, data: s_axi_wdata_i};

  fifo #(
    .T(burst_t)
  ) u_aw (
    .clk_i,
    .rst_ni,
    .valid_i(s_axi_awvalid_i),
    .ready_o(s_axi_awready_o),
    .data_i(aw_in),
    .valid_o(aw_valid),
    .ready_i(aw_take),
    .data_o(aw),
    .count_o()
  );

  fifo #(
    .T(axi_pkg::w_beat_t)
  ) u_w (
    .clk_i,
    .rst_ni,
    .valid_i(s_axi_wvalid_i),
    .ready_o(s_axi_wready_o),
    .data_i(w_in),
    .valid_o(w_valid),
    .ready_i(w_take),
    .data_o(w),
    .count_o()
  );

  // A packet is known whole before its head flit goes: its data wait in a queue of two packets. A burst's
  // last packet, or an empty one in its place, carries what is to be answered.
  typedef struct packed {
    addr_t addr;
    bytes_t bytes;  // 0: nothing to send
    logic ends;     // the burst
    axi_pkg::id_t id;
    axi_pkg::resp_e resp;  // of the burst's beats that were not sent
  } packet_t;

  burst_t write_q;
  logic write_active_q;
  axi_pkg::resp_e write_resp_q, write_resp_d;

  // The beat at hand: its bytes follow one another from beat_addr on.
  axi_pkg::strb_t lowest;
  logic [OffsetBits:0] beat_bytes;
  addr_t beat_addr;
  logic beat_empty, beat_gap, beat_good, beat_mapped, beat_last, beat_to_line;

  assign lowest = w.strb & (~w.strb + 1'b1);
  assign beat_empty = w.strb == '0;
  assign beat_gap = (w.strb & (w.strb + lowest)) != '0;
  assign beat_bytes = (OffsetBits + 1)'($countones(w.strb));
  assign beat_addr = {
    write_q.addr[AddrBits-1:OffsetBits], OffsetBits'($countones(lowest - 1'b1))
  };
  assign beat_mapped = is_mapped(write_q.addr, NumCols, NumRows);
  assign beat_good = write_q.legal && !beat_empty && !beat_gap && beat_mapped;
  assign beat_last = write_q.beats_behind == '0;

  // The packet that beats are added to.
  addr_t open_addr_q, open_end_q, open_addr;
  bytes_t open_bytes_q, open_bytes;
  logic open_q;
  logic close_first;  // the packet ends before the beat at hand, which waits
  logic close_with;   // it ends with the beat at hand
  logic add;          // the beat at hand is added to it
  logic beat_go;      // the beat at hand is done with

  packet_t packet_in, packet;
  logic packet_push, packet_ready, packet_valid, packet_take;
  logic data_ready, data_valid, data_take;
  axi_pkg::data_t data;

  assign close_first = open_q && !(beat_good && beat_addr == open_end_q);
  assign open_addr = open_q ? open_addr_q : beat_addr;
  assign open_bytes = (open_q ? open_bytes_q : '0) + bytes_t'(beat_bytes);
  assign beat_to_line = w.strb[FlitBytes-1] && write_q.addr[PacketBits-1:OffsetBits] != '1;
  assign close_with = beat_last || !beat_to_line;
  assign beat_go = write_active_q && w_valid && packet_ready && data_ready && !close_first;
  assign add = beat_go && beat_good;
  assign packet_push = write_active_q && w_valid && packet_ready && data_ready &&
      (close_first || (beat_good ? close_with : beat_last));
  assign w_take = beat_go;
  assign aw_take = !write_active_q;

  always_comb begin
    write_resp_d = write_resp_q;
    if (beat_go && !write_q.legal) write_resp_d = worse(write_resp_d, axi_pkg::RespSlverr);
    else if (beat_go && beat_gap) write_resp_d = worse(write_resp_d, axi_pkg::RespSlverr);
    else if (beat_go && !beat_empty && !beat_mapped) begin
      write_resp_d = worse(write_resp_d, axi_pkg::RespDecerr);
    end
  end

  always_comb begin
    packet_in = '0;
    packet_in.id = write_q.id;
    packet_in.resp = write_resp_d;
    packet_in.ends = !close_first && beat_last;
    packet_in.addr = open_addr;
    if (close_first) packet_in.bytes = open_bytes_q;
    else if (beat_good) packet_in.bytes = open_bytes;
  end

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      write_active_q <= 1'b0;
      write_q <= '0;
      write_resp_q <= axi_pkg::RespOkay;
      open_q <= 1'b0;
      open_addr_q <= '0;
      open_bytes_q <= '0;
      open_end_q <= '0;
    end else begin
      if (aw_take) begin
        write_active_q <= aw_valid;
        write_resp_q <= axi_pkg::RespOkay;
        if (aw_valid) write_q <= aw;
      end else if (beat_go) begin
        write_active_q <= !beat_last;
        write_resp_q <= write_resp_d;
        write_q.addr <= after_beat(write_q.addr, write_q.size);
        write_q.beats_behind <= write_q.beats_behind - 1'b1;
      end
      if (packet_push) begin
        open_q <= 1'b0;
      end else if (add) begin
        open_q <= 1'b1;
        open_addr_q <= open_addr;
        open_bytes_q <= open_bytes;
        open_end_q <= beat_addr + addr_t'(beat_bytes);
      end
    end
  end

  fifo #(
    .T(axi_pkg::data_t),
    .Depth(2 * PacketBeats)
  ) u_data (
    .clk_i,
    .rst_ni,
    .valid_i(add),
    .ready_o(data_ready),
    .data_i(w.data),
    .valid_o(data_valid),
    .ready_i(data_take),
    .data_o(data),
    .count_o()
  );

  fifo #(
    .T(packet_t),
    .Depth(4)
  ) u_packets (
    .clk_i,
    .rst_ni,
    .valid_i(packet_push),
    .ready_o(packet_ready),
    .data_i(packet_in),
    .valid_o(packet_valid),
    .ready_i(packet_take),
    .data_o(packet),
    .count_o()
  );

  // Slots of packets that were sent, in a ring as for reads; they end in order.
  typedef struct packed {
    logic ends;
    axi_pkg::id_t id;
  } write_slot_t;

  write_slot_t write_slot_q[NumWrites];
  axi_pkg::resp_e write_slot_resp_q[NumWrites];
  logic [NumWrites-1:0] write_done_q;
  logic [SlotBits:0] write_head_q, write_tail_q;
  slot_t write_head, write_tail;
  logic write_room, rsp_write, write_go, retire, b_ready;
  axi_pkg::resp_e retired_resp_q, retired_resp;

  assign write_head = write_head_q[SlotBits-1:0];
  assign write_tail = write_tail_q[SlotBits-1:0];
  assign write_room = write_head_q != {~write_tail_q[SlotBits], write_tail};
  assign rsp_write = rsp_valid_i && rsp_i.tag[SlotBits];
  assign retire = write_head_q != write_tail_q && write_done_q[write_head] && b_ready;
  assign retired_resp = worse(retired_resp_q, write_slot_resp_q[write_head]);

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      write_head_q <= '0;
      write_tail_q <= '0;
      write_done_q <= '0;
      retired_resp_q <= axi_pkg::RespOkay;
      for (int unsigned i = 0; i < NumWrites; i++) begin
        write_slot_q[i] <= '0;
        write_slot_resp_q[i] <= axi_pkg::RespOkay;
      end
    end else begin
      if (write_go) begin
        write_tail_q <= write_tail_q + 1'b1;
        write_slot_q[write_tail] <= '{ends: packet.ends, id: packet.id};
        write_slot_resp_q[write_tail] <= packet.resp;
        write_done_q[write_tail] <= packet.bytes == '0;
      end
      if (rsp_write) begin
        write_slot_resp_q[rsp_slot] <= worse(write_slot_resp_q[rsp_slot], resp_of(rsp_i.err));
        write_done_q[rsp_slot] <= 1'b1;
      end
      if (retire) begin
        write_head_q <= write_head_q + 1'b1;
        retired_resp_q <= write_slot_q[write_head].ends ? axi_pkg::RespOkay : retired_resp;
      end
    end
  end

  typedef struct packed {
    axi_pkg::id_t id;
    axi_pkg::resp_e resp;
  } b_beat_t;

  b_beat_t b_in, b_out;
  assign b_in = '{id: write_slot_q[write_head].id, resp: retired_resp};

  fifo #(
    .T(b_beat_t)
  ) u_b (
    .clk_i,
    .rst_ni,
    .valid_i(retire && write_slot_q[write_head].ends),
    .ready_o(b_ready),
    .data_i(b_in),
    .valid_o(s_axi_bvalid_o),
    .ready_i(s_axi_bready_i),
    .data_o(b_out),
    .count_o()
  );

  assign s_axi_bid_o = b_out.id;
  assign s_axi_bresp_o = b_out.resp;

  // ---------------------------------------------------------------------------------------- requests
  // Reads and writes take turns, a packet each.
  beats_t flits_left_q;  // of the write whose head flit went
  logic read_turn_q;
  logic send_ready, send, send_read, send_head, send_data;
  beats_t packet_beats;
  flit_t flit;
  req_head_t head;

  assign packet_beats = beats_t'((bytes_t'(packet.addr[OffsetBits-1:0]) + packet.bytes +
      bytes_t'(FlitBytes - 1)) >> OffsetBits);
  assign send_data = flits_left_q != '0;
  assign send_read = !send_data && read_offer && (read_turn_q || !(packet_valid && write_room));
  assign send_head = !send_data && !send_read && packet_valid && write_room && packet.bytes != '0;
  assign send = send_read || send_head || (send_data && data_valid);
  assign read_sent = send_read && send_ready;
  assign data_take = send_data && send_ready;
  assign write_go = packet_valid && write_room &&
      (packet.bytes == '0 || (send_head && send_ready));
  assign packet_take = write_go;

  always_comb begin
    head = '0;
    flit = '0;
    flit.head = !send_data;
    if (send_read) begin
      head.addr = read_q.addr;
      head.len = read_bytes;
      flit.tag = {ClientCore, 1'b0, read_tail};
      flit.op = NocOpRead;
      flit.last = 1'b1;
      flit.dst = node_of(read_q.addr);
      flit.payload = head;
    end else if (send_head) begin
      head.addr = packet.addr;
      head.len = packet.bytes;
      flit.tag = {ClientCore, 1'b1, write_tail};
      flit.op = NocOpWrite;
      flit.dst = node_of(packet.addr);
      flit.payload = head;
    end else if (send_data) begin
      flit.op = NocOpWrite;
      flit.tag = {ClientCore, 1'b1, sent_slot_q};
      flit.dst = sent_dst_q;
      flit.last = flits_left_q == beats_t'(1);
      flit.payload = data;
    end
  end

  slot_t sent_slot_q;
  node_t sent_dst_q;

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      flits_left_q <= '0;
      read_turn_q <= 1'b0;
      sent_slot_q <= '0;
      sent_dst_q <= '0;
    end else if (send && send_ready) begin
      if (send_head) begin
        flits_left_q <= packet_beats;
        sent_slot_q <= write_tail;
        sent_dst_q <= flit.dst;
      end else if (send_data) begin
        flits_left_q <= flits_left_q - 1'b1;
      end
      read_turn_q <= !send_read;
    end
  end

  fifo #(
    .T(flit_t)
  ) u_req (
    .clk_i,
    .rst_ni,
    .valid_i(send),
    .ready_o(send_ready),
    .data_i(flit),
    .valid_o(req_valid_o),
    .ready_i(req_ready_i),
    .data_o(req_o),
    .count_o()
  );

  assign busy_o = ar_valid || read_active_q || read_head_q != read_tail_q || s_axi_rvalid_o ||
      aw_valid || w_valid || write_active_q || packet_valid || send_data || req_valid_o ||
      write_head_q != write_tail_q || s_axi_bvalid_o;

  // -------------------------------------------------------------------------------------- assertions
  logic unused;
  assign unused = ^{rsp_i.dst, rsp_i.src, rsp_i.tag[5:SlotBits+1], rsp_i.op, rsp_i.head, rsp_i.last};

  `ASSERT_WHEN(WriteLastMatches_A, beat_go, w.last == beat_last)
  `ASSERT(DataAtHand_A, !send_data || data_valid)
  `ASSERT_WHEN(ResponseOp_A, rsp_valid_i,
               rsp_i.op == (rsp_i.tag[SlotBits] ? NocOpAck : NocOpReadData))
  `ASSERT(
      ReadComplete_A,
      !(rsp_read && rsp_i.last && rsp_i.err == ErrOk) || read_received_q[rsp_slot] + 1'b1 == read_slot_q[rsp_slot].beats)
  `ASSERT_WHEN(
      PacketInLine_A, packet_push,
      packet_in.bytes == '0 || 32'(packet_in.addr[PacketBits-1:0]) + 32'(packet_in.bytes) <= MaxPacketBytes)

endmodule
