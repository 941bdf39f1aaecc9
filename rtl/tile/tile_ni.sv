// The network interface of a tile: what the tile asks of others (tile_requester) and what others ask of
// it (tile_target). The two share nothing, so that an answer never waits for a question.
//
// Contract and latency: those of the two parts. Flits are registered on the way in and out.
// `active_o` is a clock enable: in a cycle without it the clock may stand still.
module tile_ni
  import systole_spec_pkg::*;
  import systole_pkg::*;
  import tile_pkg::*;
#(
    parameter int unsigned NumCols = 3,
    parameter int unsigned NumRows = 2
) (
    input logic clk_i,
    input logic rst_ni,
    input node_t here_i,

    // routers: requests out and in, responses in and out
    output logic  req_valid_o,
    input  logic  req_ready_i,
    output flit_t req_o,
    input  logic  rsp_valid_i,
    output logic  rsp_ready_o,
    input  flit_t rsp_i,
    input  logic  req_valid_i,
    output logic  req_ready_o,
    input  flit_t req_i,
    output logic  rsp_valid_o,
    input  logic  rsp_ready_i,
    output flit_t rsp_o,

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
    input  flit_t       store_i,
    output logic        store_ack_valid_o,
    output flit_t       store_ack_o,

    // remote posts, by unit, and what went wrong with one
    input  logic        [NumUnits-1:0] post_valid_i,
    output logic        [NumUnits-1:0] post_ready_o,
    input  node_t                      post_node_i       [NumUnits],
    input  logic        [         3:0] post_sem_i        [NumUnits],
    input  pc_t                        post_pc_i         [NumUnits],
    output logic                       post_fault_valid_o,
    output unit_fault_t                post_fault_o,
    output unit_e                      post_fault_unit_o,
    output pc_t                        post_fault_pc_o,

    // scratchpad: one aligned beat
    output logic               spad_req_o,
    output logic               spad_we_o,
    output spad_addr_t         spad_addr_o,
    output logic       [ 31:0] spad_be_o,
    output logic       [255:0] spad_wdata_o,
    input  logic               spad_gnt_i,
    input  logic       [255:0] spad_rdata_i,

    // semaphores: posts from the network
    output logic       sem_post_o,
    output logic [3:0] sem_o,
    output node_t      sem_src_o,
    output logic       sem_with_data_o,
    input  logic       sem_overflow_i,

    // registers: one word, read data in the next cycle
    output logic               reg_req_o,
    output logic               reg_we_o,
    output logic        [ 9:0] reg_word_o,
    output logic        [31:0] reg_wdata_o,
    input  logic        [31:0] reg_rdata_i,
    input  window_t           window_i [NumWindows],
    input  logic               event_valid_i,
    output logic               event_ready_o,
    input  logic               event_fault_i,
    output logic               quiet_o,
    output logic               busy_o,
    output logic               active_o,
    output ni_events_t         events_o
);
  logic requester_busy, requester_active, target_busy;

  tile_requester #(
    .NumCols(NumCols),
    .NumRows(NumRows)
  ) u_requester (
    .clk_i,
    .rst_ni,
    .here_i,
    .window_i,
    .load_valid_i,
    .load_ready_o,
    .load_addr_i,
    .load_len_i,
    .load_slot_i,
    .load_rsp_valid_o,
    .load_rsp_ready_i,
    .load_rsp_o,
    .store_valid_i,
    .store_ready_o,
    .store_i,
    .store_ack_valid_o,
    .store_ack_o,
    .post_valid_i,
    .post_ready_o,
    .post_node_i,
    .post_sem_i,
    .post_pc_i,
    .post_fault_valid_o,
    .post_fault_o,
    .post_fault_unit_o,
    .post_fault_pc_o,
    .event_valid_i,
    .event_ready_o,
    .event_fault_i,
    .quiet_o,
    .busy_o(requester_busy),
    .active_o(requester_active),
    .req_valid_o,
    .req_ready_i,
    .req_o,
    .rsp_valid_i,
    .rsp_ready_o,
    .rsp_i
  );

  tile_target u_target (
    .clk_i,
    .rst_ni,
    .here_i,
    .req_valid_i,
    .req_ready_o,
    .req_i,
    .rsp_valid_o,
    .rsp_ready_i,
    .rsp_o,
    .spad_req_o,
    .spad_we_o,
    .spad_addr_o,
    .spad_be_o,
    .spad_wdata_o,
    .spad_gnt_i,
    .spad_rdata_i,
    .reg_req_o,
    .reg_we_o,
    .reg_word_o,
    .reg_wdata_o,
    .reg_rdata_i,
    .post_o(sem_post_o),
    .post_sem_o(sem_o),
    .post_src_o(sem_src_o),
    .post_with_data_o(sem_with_data_o),
    .post_overflow_i(sem_overflow_i),
    .busy_o(target_busy)
  );

  assign busy_o   = requester_busy || target_busy;
  assign active_o = requester_active || target_busy || req_valid_i;
  assign events_o = '{
          req_out: req_valid_o && req_ready_i,
          rsp_out: rsp_valid_o && rsp_ready_i,
          req_in: req_valid_i && req_ready_o,
          rsp_in: rsp_valid_i && rsp_ready_o,
          stall: (req_valid_o && !req_ready_i) || (rsp_valid_o && !rsp_ready_i)
      };
endmodule
