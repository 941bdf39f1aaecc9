// What a tile asks of others: reads of the load unit, write packets of the store unit, remote posts of the
// sequencers, and the tile event; and the responses, back to who asked.
//
// Contract
//   - One packet at a time, never interleaved: posts, the event, then load and store in turns.
//   - An address is allowed in the tile's own scratchpad and in a window that permits the access, when a
//     node of the mesh answers for it. A load or store packet that is not gets a response with error Denied
//     without leaving; a remote post that is not is a fault Window.
//   - `event_ready_o` and the ready of a post mean that it will leave; `quiet_o`: all posts so far have
//     been answered. A post that is answered by an error is a fault Response (with the newest
//     post's command of that unit).
//   - `active_o` is a clock enable: in a cycle without it the clock may stand still.
// Latency: one cycle from a client to `req_valid_o`, one from `rsp_valid_i` to a client.
`include "assert.svh"

module tile_requester
  import systole_spec_pkg::*;
  import systole_pkg::*;
  import tile_pkg::*;
  import address_map_pkg::*;
#(
    parameter int unsigned NumCols = 3,
    parameter int unsigned NumRows = 2
) (
    input logic clk_i,
    input logic rst_ni,
    input node_t here_i,

    input window_t window_i [NumWindows],

    // load unit
    input  logic        load_valid_i,
    output logic        load_ready_o,
    input  addr_t       load_addr_i,
    input  logic  [9:0] load_len_i,
    input  logic  [3:0] load_slot_i,
    output logic        load_rsp_valid_o,
    input  logic        load_rsp_ready_i,
    output flit_t       load_rsp_o,
    // store unit
    input  logic        store_valid_i,
    output logic        store_ready_o,
    // Node numbers are filled in here.
    // verilator lint_off UNUSEDSIGNAL
    input  flit_t       store_i,
    // verilator lint_on UNUSEDSIGNAL
    output logic        store_ack_valid_o,
    output flit_t       store_ack_o,

    // remote posts, by unit
    input  logic        [NumUnits-1:0] post_valid_i,
    output logic        [NumUnits-1:0] post_ready_o,
    input  node_t                      post_node_i         [NumUnits],
    input  logic        [         3:0] post_sem_i          [NumUnits],
    input  pc_t                        post_pc_i           [NumUnits],
    output logic                       post_fault_valid_o,
    output unit_fault_t                post_fault_o,
    output unit_e                      post_fault_unit_o,
    output pc_t                        post_fault_pc_o,
    // tile event
    input  logic                       event_valid_i,
    output logic                       event_ready_o,
    input  logic                       event_fault_i,
    output logic                       quiet_o,
    output logic                       busy_o,
    output logic                       active_o,

    // request network out, response network in
    output logic  req_valid_o,
    input  logic  req_ready_i,
    output flit_t req_o,
    input  logic  rsp_valid_i,
    output logic  rsp_ready_o,
    input  flit_t rsp_i
);
  localparam addr_t EventAddr = IoRegsBase + addr_t'(IoRegsTileEventOffset);
  localparam logic [3:0] EventTag = 4'hF;
  localparam int unsigned MaxPosts = 15;

  // ------------------------------------------------------------------------------- requests
  typedef enum logic [1:0] {
    OutHead,
    OutStoreData,
    OutStoreDrop,
    OutEventData
  } out_state_e;

  out_state_e out_state_d, out_state_q;
  logic push, push_ready;
  flit_t push_flit;
  logic load_turn_d, load_turn_q;  // load goes before store
  node_t store_dst_q;
  logic deny_load_d, deny_load_q;
  logic deny_load_now;
  logic deny_store_d, deny_store_q;
  logic [3:0] deny_load_slot_q, deny_store_slot_q;
  logic [3:0] posts_q;
  logic post_sent, post_answered;
  pc_t post_pc_q[NumUnits];

  // Who may go, and where to.
  logic [NumUnits-1:0] post_pick;
  unit_e post_unit;
  logic pick_post, pick_event, pick_load, pick_store;
  logic load_asks;
  addr_t store_addr;
  addr_t target;
  logic target_write;
  logic target_allowed;
  logic [AddrBits-1:18] own_tile;

  assign own_tile = TileBase[AddrBits-1:18] | ((AddrBits-18)'(here_i.y) << (TileRowShift - 18)) |
      ((AddrBits-18)'(here_i.x) << (TileColShift - 18));

  assign post_pick  = post_valid_i & (~post_valid_i + 4'd1);
  assign post_unit  = unit_e'({post_pick[3] | post_pick[2], post_pick[3] | post_pick[1]});
  assign pick_post  = post_valid_i != '0 && posts_q != 4'(MaxPosts);
  assign pick_event = !pick_post && event_valid_i;
  assign load_asks  = load_valid_i && !deny_load_q;
  assign pick_load  = !pick_post && !pick_event && load_asks && (load_turn_q || !store_valid_i);
  assign pick_store = !pick_post && !pick_event && !pick_load && store_valid_i && !deny_store_q;
  assign store_addr = store_i.payload[AddrBits-1:0];

  always_comb begin
    target = '0;
    target_write = 1'b1;
    if (pick_post) begin
      target = TileBase | (addr_t'(post_node_i[post_unit].y) << TileRowShift) |
          (addr_t'(post_node_i[post_unit].x) << TileColShift);
    end else if (pick_load) begin
      target = load_addr_i;
      target_write = 1'b0;
    end else if (pick_store) begin
      target = store_addr;
    end
  end

  always_comb begin
    target_allowed = 1'b0;
    if (pick_post || pick_load || pick_store) begin
      if (target[AddrBits-1:18] == own_tile) begin
        target_allowed = 1'b1;
      end else if (is_mapped(target, NumCols, NumRows)) begin
        for (int unsigned i = 0; i < NumWindows; i++) begin
          if ((target_write ? window_i[i].write : window_i[i].read) &&
              window_i[i].first <= target[47:16] && target[47:16] <= window_i[i].last) begin
            target_allowed = 1'b1;
          end
        end
      end
    end
  end

  always_comb begin
    req_head_t head;
    head = '0;
    out_state_d = out_state_q;
    load_turn_d = load_turn_q;
    deny_load_d = 1'b0;
    deny_store_d = 1'b0;
    push = 1'b0;
    push_flit = '0;
    post_sent = 1'b0;
    load_ready_o = 1'b0;
    store_ready_o = 1'b0;
    post_ready_o = '0;
    event_ready_o = 1'b0;
    unique case (out_state_q)
      OutHead: begin
        if (push_ready) begin
          push_flit.head = 1'b1;
          push_flit.last = 1'b1;
          push_flit.dst  = node_of(target);
          push_flit.src  = here_i;
          if (pick_post) begin
            post_ready_o = post_pick;
            push = target_allowed;
            post_sent = target_allowed;
            push_flit.op = NocOpPost;
            push_flit.tag = {ClientPost, 2'd0, post_unit};
            head.addr = target;
            head.len = 10'd1;
            head.post_en = 1'b1;
            head.post_sem = post_sem_i[post_unit];
            push_flit.payload = head;
          end else if (pick_event) begin
            push = 1'b1;
            push_flit.dst = '0;
            push_flit.op = NocOpWrite;
            push_flit.tag = {ClientPost, EventTag};
            push_flit.last = 1'b0;
            head.addr = EventAddr;
            head.len = 10'd4;
            push_flit.payload = head;
            out_state_d = OutEventData;
          end else if (pick_load) begin
            load_ready_o = 1'b1;
            load_turn_d = 1'b0;
            push = target_allowed;
            deny_load_d = !target_allowed;
            push_flit.op = NocOpRead;
            push_flit.tag = {ClientLoad, load_slot_i};
            head.addr = load_addr_i;
            head.len = load_len_i;
            push_flit.payload = head;
          end else if (pick_store) begin
            store_ready_o = 1'b1;
            load_turn_d = 1'b1;
            push = target_allowed;
            push_flit.op = store_i.op;
            push_flit.tag = store_i.tag;
            push_flit.last = store_i.last;
            push_flit.payload = store_i.payload;
            out_state_d = target_allowed ? OutStoreData : OutStoreDrop;
          end
        end
      end
      OutStoreData: begin
        push = store_valid_i;
        store_ready_o = push_ready;
        push_flit.dst = store_dst_q;
        push_flit.src = here_i;
        push_flit.op = store_i.op;
        push_flit.tag = store_i.tag;
        push_flit.last = store_i.last;
        push_flit.payload = store_i.payload;
        if (store_valid_i && push_ready && store_i.last) out_state_d = OutHead;
      end
      OutStoreDrop: begin
        store_ready_o = 1'b1;
        if (store_valid_i && store_i.last) begin
          deny_store_d = 1'b1;
          out_state_d  = OutHead;
        end
      end
      default: begin  // OutEventData
        push = 1'b1;
        event_ready_o = push_ready;
        push_flit.src = here_i;
        push_flit.op = NocOpWrite;
        push_flit.tag = {ClientPost, EventTag};
        push_flit.last = 1'b1;
        push_flit.payload[8*EventAddr[4:0]+:32] = {23'd0, event_fault_i, here_i};
        if (push_ready) out_state_d = OutHead;
      end
    endcase
  end

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      out_state_q  <= OutHead;
      load_turn_q  <= 1'b1;
      deny_load_q  <= 1'b0;
      deny_store_q <= 1'b0;
      posts_q      <= '0;
    end else begin
      out_state_q  <= out_state_d;
      load_turn_q  <= load_turn_d;
      deny_load_q  <= deny_load_d || (deny_load_q && !(deny_load_now && load_rsp_ready_i));
      deny_store_q <= deny_store_d;
      posts_q      <= posts_q + {3'd0, post_sent} - {3'd0, post_answered};
    end
  end

  // Valid with the packet: unreset.
  always_ff @(posedge clk_i) begin
    if (out_state_q == OutHead && pick_store) store_dst_q <= node_of(store_addr);
    if (deny_load_d) deny_load_slot_q <= load_slot_i;
    if (deny_store_d) deny_store_slot_q <= store_i.tag[3:0];
    if (post_ready_o != '0) post_pc_q[post_unit] <= post_pc_i[post_unit];
  end

  fifo #(
    .T    (flit_t),
    .Depth(2)
  ) u_req (
    .clk_i,
    .rst_ni,
    .valid_i(push),
    .ready_o(push_ready),
    .data_i (push_flit),
    .valid_o(req_valid_o),
    .ready_i(req_ready_i),
    .data_o (req_o),
    // verilator lint_off PINCONNECTEMPTY
    .count_o()
    // verilator lint_on PINCONNECTEMPTY
  );

  // ------------------------------------------------------------------------------ responses
  logic rsp_valid, rsp_ready;
  flit_t rsp;
  logic to_load, to_store, to_post;
  logic load_locked_q;  // within a response packet of the load unit

  fifo #(
    .T    (flit_t),
    .Depth(2)
  ) u_rsp (
    .clk_i,
    .rst_ni,
    .valid_i(rsp_valid_i),
    .ready_o(rsp_ready_o),
    .data_i (rsp_i),
    .valid_o(rsp_valid),
    .ready_i(rsp_ready),
    .data_o (rsp),
    // verilator lint_off PINCONNECTEMPTY
    .count_o()
    // verilator lint_on PINCONNECTEMPTY
  );

  assign to_load = rsp_valid && rsp.tag[5:4] == ClientLoad;
  assign to_store = rsp_valid && rsp.tag[5:4] == ClientStore;
  assign to_post = rsp_valid && rsp.tag[5:4] == ClientPost;
  assign deny_load_now = deny_load_q && !load_locked_q;
  assign post_answered = to_post && rsp.tag[3:0] != EventTag;

  always_comb begin
    load_rsp_o = rsp;
    load_rsp_valid_o = to_load;
    if (deny_load_now) begin
      load_rsp_valid_o = 1'b1;
      load_rsp_o.tag = {ClientLoad, deny_load_slot_q};
      load_rsp_o.err = ErrDenied;
      load_rsp_o.head = 1'b1;
      load_rsp_o.last = 1'b1;
    end
    store_ack_o = rsp;
    store_ack_valid_o = to_store;
    if (deny_store_q) begin
      store_ack_valid_o = 1'b1;
      store_ack_o.tag = {ClientStore, deny_store_slot_q};
      store_ack_o.err = ErrDenied;
    end
    rsp_ready = 1'b1;
    if (to_load) rsp_ready = load_rsp_ready_i && !deny_load_now;
    if (to_store) rsp_ready = !deny_store_q;
  end

  always_ff @(posedge clk_i) begin
    if (!rst_ni) load_locked_q <= 1'b0;
    else if (to_load && rsp_ready) load_locked_q <= !rsp.last;
  end

  always_comb begin
    post_fault_valid_o = 1'b0;
    post_fault_unit_o = post_unit;
    post_fault_pc_o = post_pc_i[post_unit];
    post_fault_o = '{code: FaultWindow, info: target};
    if (post_ready_o != '0 && !target_allowed) begin
      post_fault_valid_o = 1'b1;
    end else if (post_answered && rsp.err != ErrOk) begin
      post_fault_valid_o = 1'b1;
      post_fault_unit_o = unit_e'(rsp.tag[1:0]);
      post_fault_pc_o = post_pc_q[rsp.tag[1:0]];
      post_fault_o = '{code: FaultResponse, info: {40'd0, rsp.src}};
    end
  end

  assign quiet_o = posts_q == '0;
  assign busy_o  = req_valid_o || rsp_valid || out_state_q != OutHead || deny_load_q || deny_store_q ||
      event_valid_i;

  // Without any of these no register that matters changes: a request that waits for the network stands still.
  assign active_o = (push && push_ready) || (load_valid_i && load_ready_o) || (store_valid_i && store_ready_o) ||
      post_ready_o != '0 || (req_valid_o && req_ready_i) || rsp_valid_i || (rsp_valid && rsp_ready) ||
      deny_load_q || deny_store_q;

  `ASSERT_WHEN(PostsBound_A, post_answered, posts_q != '0)
  `ASSERT_WHEN(ResponseHasClient_A, rsp_valid, rsp.tag[5:4] != ClientCore)
  `ASSERT(StoreBeginsWithHead_A, out_state_q != OutHead || !store_valid_i || store_i.head)
  `ASSERT(StoreHasData_A, out_state_q != OutHead || !store_valid_i || !store_i.last)
  `ASSERT_WHEN(PacketInBlock_A, load_valid_i,
               (load_len_i != '0 && {1'b0, load_addr_i[8:0]} + load_len_i <= 10'd512))
endmodule
