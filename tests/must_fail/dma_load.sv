// dma_load with faults, for tests that must fail (fault.sv):
//   byte      the last byte of a write to the scratchpad is not enabled; of the third write since reset, where
//             nothing else is told, and where Broken is set
//   overrun   such a write goes on to 32 bytes, past the end of its run
//   astray    a command reads from an address that no window of the tile allows
module dma_load
  import systole_spec_pkg::*;
  import systole_pkg::*;
  import dma_pkg::*;
#(
    parameter bit Broken = 1'b0
) (
    input logic clk_i,
    input logic rst_ni,
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
    output logic       req_valid_o,
    input  logic       req_ready_i,
    output addr_t      req_addr_o,
    output logic [9:0] req_len_o,
    output slot_t      req_slot_o,
    input  logic       rsp_valid_i,
    output logic       rsp_ready_o,
    input  flit_t      rsp_i,
    output logic        spad_req_o,
    output spad_write_t spad_o,
    input  logic        spad_gnt_i
);
  logic lost, overrun;
  logic [31:0] at;
  fault #(
    .Name("byte"),
    .At(2),
    .Always(Broken)
  ) u_fault_byte (
    .on_o(lost),
    .at_o(at)
  );
  fault #(
    .Name("overrun"),
    .At(2),
    .Never(Broken)
  ) u_fault_overrun (
    .on_o(overrun),
    .at_o()
  );

  logic astray;
  fault #(
    .Name("astray"),
    .At(2),
    .Never(Broken)
  ) u_fault_astray (
    .on_o(astray),
    .at_o()
  );

  logic [31:0] commands_q;
  command_t cmd;

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) commands_q <= '0;
    else if (cmd_valid_i && cmd_ready_o && cmd_i[7:0] == OpcodeLoad)
      commands_q <= commands_q + 32'd1;
  end

  always_comb begin
    cmd = cmd_i;
    if (astray && commands_q == at && cmd_i[7:0] == OpcodeLoad) cmd[4*32+46] = 1'b1;
  end

  spad_write_t spad;
  logic could;
  logic [31:0] writes_q;

  dma_load_right u_right (
    .cmd_i(cmd),
    .spad_o(spad),
    .*
  );

  // Under the names by which views of waves show them, and the simulation reads them.
  addr_t slot_addr_q[NumSlots];
  assign slot_addr_q = u_right.slot_addr_q;
  logic rsp_last;
  slot_t slot;
  logic [NumSlots-1:0] slot_busy_q;
  assign rsp_last = u_right.rsp_last;
  assign slot = u_right.slot;
  assign slot_busy_q = u_right.slot_busy_q;

  assign could = overrun ? spad.len < 6'd32 : spad.len > 6'd1;

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) writes_q <= '0;
    else if (spad_req_o && spad_gnt_i && could) writes_q <= writes_q + 32'd1;
  end

  always_comb begin
    spad_o = spad;
    if (spad_req_o && could && writes_q == at) begin
      if (lost) spad_o.len = spad.len - 6'd1;
      if (overrun) spad_o.len = 6'd32;
    end
  end
endmodule
