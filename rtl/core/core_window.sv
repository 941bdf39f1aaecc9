// The core's way to the global address space: its accesses at CoreWindowBase become packets.
//
// Contract: a store is posted: the core goes on when it is taken, up to NumStores are under way, and one
// that fails is reported as a bus error with its address. A load waits until the stores before it are
// answered, and the core waits for it; one that fails is a load access fault. Stores to one node arrive in
// order. Only an access of one to four bytes within a word is made.
// Latency: a store leaves in the two cycles after it was taken; a load's data come in the cycle after its
// response.

`include "assert.svh"

module core_window
  import systole_spec_pkg::*;
  import systole_pkg::*;
  import core_pkg::*;
  import address_map_pkg::*;
(
    input logic clk_i,
    input logic rst_ni,

    // bits [47:31] of what the core reaches
    input logic [16:0] window_i,

    // the core's access; rvalid answers a load or store that was granted
    input  logic        req_i,
    output logic        gnt_o,
    input  logic        we_i,
    input  logic [ 3:0] be_i,
    input  logic [30:0] addr_i,
    input  logic [31:0] wdata_i,
    output logic        rvalid_o,
    output logic [31:0] rdata_o,
    output logic        err_o,

    // request packets out
    output logic  req_valid_o,
    input  logic  req_ready_i,
    output flit_t req_o,

    // response packets in
    input  logic  rsp_valid_i,
    output logic  rsp_ready_o,
    input  flit_t rsp_i,

    // a store failed
    output logic        bus_error_o,
    output err_e        bus_error_code_o,
    output logic [27:0] bus_error_addr_o,

    output logic busy_o
);

  localparam int unsigned NumStores = 8;
  localparam int unsigned SlotBits = $clog2(NumStores);
  typedef logic [SlotBits-1:0] slot_t;

  typedef enum logic [1:0] {
    StIdle,
    StHead,
    StData,
    StWaitLoad
  } state_e;

  state_e state_q, state_d;
  logic is_store_q;
  addr_t addr_q;
  logic [2:0] len_q;
  logic [31:0] wdata_q;
  slot_t slot_q;

  // Stores under way, and where they went.
  logic [NumStores-1:0] slot_busy_q, slot_taken, slot_ended;
  logic [27:0] slot_addr_q[NumStores];

  // Bytes of a word that an access covers are neighbours.
  logic [1:0] first_byte;
  logic [2:0] num_bytes;
  slot_t free_slot;
  logic slot_free, take, load_ends;
  logic rvalid_q, err_q;
  logic [31:0] rdata_q;

  always_comb begin
    first_byte = 2'd0;
    if (be_i[0]) first_byte = 2'd0;
    else if (be_i[1]) first_byte = 2'd1;
    else if (be_i[2]) first_byte = 2'd2;
    else first_byte = 2'd3;
    num_bytes = 3'(be_i[0]) + 3'(be_i[1]) + 3'(be_i[2]) + 3'(be_i[3]);
  end

  always_comb begin
    free_slot = '0;
    for (int i = NumStores - 1; i >= 0; i--) begin
      if (!slot_busy_q[i]) free_slot = slot_t'(i);
    end
  end

  assign slot_free = !(&slot_busy_q);
  assign gnt_o = req_i && state_q == StIdle && (we_i ? slot_free : slot_busy_q == '0);
  assign take = gnt_o;
  assign slot_taken = take && we_i ? NumStores'(1) << free_slot : '0;
  assign load_ends = rsp_valid_i && !is_store_q && state_q == StWaitLoad;
  assign slot_ended = rsp_valid_i && !load_ends ? NumStores'(1) << rsp_i.tag[SlotBits-1:0] : '0;

  always_comb begin
    state_d = state_q;
    unique case (state_q)
      StIdle: if (take) state_d = StHead;
      StHead: if (req_ready_i) state_d = is_store_q ? StData : StWaitLoad;
      StData: if (req_ready_i) state_d = StIdle;
      StWaitLoad: if (load_ends) state_d = StIdle;
      default: state_d = StIdle;
    endcase
  end

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      state_q <= StIdle;
      slot_busy_q <= '0;
      rvalid_q <= 1'b0;
      err_q <= 1'b0;
    end else begin
      state_q <= state_d;
      slot_busy_q <= (slot_busy_q | slot_taken) & ~slot_ended;
      rvalid_q <= load_ends || take && we_i;
      err_q <= load_ends && rsp_i.err != ErrOk;
    end
  end


  always_ff @(posedge clk_i) begin
    if (take) begin
      is_store_q <= we_i;
      addr_q <= {window_i, addr_i[30:2], first_byte};
      len_q <= num_bytes;
      wdata_q <= wdata_i;
      slot_q <= free_slot;
      if (we_i) slot_addr_q[free_slot] <= {addr_i[27:2], first_byte};
    end
    if (load_ends) rdata_q <= rsp_i.payload[32*addr_q[4:2]+:32];
  end

  assign rvalid_o = rvalid_q;
  assign err_o = err_q;
  assign rdata_o = rdata_q;

  // ------------------------------------------------------------------------------- packets
  req_head_t head;

  always_comb begin
    head = '0;
    head.addr = addr_q;
    head.len = 10'(len_q);
    req_o = '0;
    req_o.dst = node_of(addr_q);
    req_o.tag = {IoClientWindow, 1'b0, slot_q};
    req_o.op = is_store_q ? NocOpWrite : NocOpRead;
    req_o.head = state_q == StHead;
    req_o.last = !(state_q == StHead && is_store_q);
    req_o.payload = state_q == StHead ? 256'(head) : {8{wdata_q}};
  end

  assign req_valid_o = state_q == StHead || state_q == StData;
  assign rsp_ready_o = 1'b1;
  assign bus_error_o = |slot_ended && rsp_i.err != ErrOk;
  assign bus_error_code_o = rsp_i.err;
  assign bus_error_addr_o = slot_addr_q[rsp_i.tag[SlotBits-1:0]];
  assign busy_o = state_q != StIdle || slot_busy_q != '0 || rvalid_q;

  // The way back is known; of a word its bytes' place is told by be_i.
  logic unused_rsp, unused_addr;
  assign unused_rsp = ^{rsp_i.dst, rsp_i.src, rsp_i.tag[5:SlotBits], rsp_i.op, rsp_i.head, rsp_i.last};
  assign unused_addr = ^addr_i[1:0];

  `ASSERT(EndsWhatIsUnderWay_A, (slot_ended & ~slot_busy_q) == '0)
  `ASSERT(LoadAlone_A, state_q != StWaitLoad || slot_busy_q == '0)
  `ASSERT_WHEN(ResponseIsOneFlit_A, rsp_valid_i, rsp_i.last)
  `ASSERT_WHEN(
      BytesAreNeighbours_A, req_i,
      be_i inside {4'b0001, 4'b0010, 4'b0100, 4'b1000, 4'b0011, 4'b0110, 4'b1100, 4'b0111, 4'b1110, 4'b1111})

endmodule
