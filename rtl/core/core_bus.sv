// The core's data accesses, by address: RAM, io registers, core window; elsewhere an access fault.
//
// Contract: one access under way; the next is granted in the cycle of the response before it at the
// earliest. Registers take whole words: a smaller access to them is an access fault.
// Latency: RAM and registers answer in the cycle after the grant.

`include "assert.svh"

module core_bus
  import systole_spec_pkg::*;
  import systole_pkg::*;
  import core_pkg::*;
(
    input logic clk_i,
    input logic rst_ni,

    // the core
    input  logic        req_i,
    output logic        gnt_o,
    input  logic [ 3:0] be_i,
    input  logic [31:0] addr_i,
    output logic        rvalid_o,
    output logic [31:0] rdata_o,
    output logic        err_o,

    // RAM
    output logic        ram_req_o,
    input  logic        ram_gnt_i,
    input  logic [31:0] ram_rdata_i,

    // registers, granted at once
    output logic        reg_req_o,
    input  logic [31:0] reg_rdata_i,

    // window
    output logic        window_req_o,
    input  logic        window_gnt_i,
    input  logic        window_rvalid_i,
    input  logic [31:0] window_rdata_i,
    input  logic        window_err_i
);

  typedef enum logic [2:0] {
    TargetNone,
    TargetRam,
    TargetRegs,
    TargetWindow,
    TargetError
  } target_e;

  target_e target, pending_q;
  logic free, gnt;

  always_comb begin
    target = TargetError;
    if (addr_i[31]) target = TargetWindow;
    else if (in_ram(addr_t'(addr_i))) target = TargetRam;
    else if (in_regs(addr_t'(addr_i)) && be_i == '1) target = TargetRegs;
  end

  assign free = pending_q != TargetWindow || window_rvalid_i;
  assign ram_req_o = req_i && free && target == TargetRam;
  assign reg_req_o = req_i && free && target == TargetRegs;
  assign window_req_o = req_i && free && target == TargetWindow;

  always_comb begin
    unique case (target)
      TargetRam: gnt = ram_gnt_i;
      TargetWindow: gnt = window_gnt_i;
      default: gnt = req_i && free;
    endcase
  end

  assign gnt_o = gnt;

  always_ff @(posedge clk_i) begin
    if (!rst_ni) pending_q <= TargetNone;
    else if (gnt) pending_q <= target;
    else if (free) pending_q <= TargetNone;
  end

  assign rvalid_o = pending_q != TargetNone && free;
  assign err_o = pending_q == TargetError || (pending_q == TargetWindow && window_err_i);

  always_comb begin
    unique case (pending_q)
      TargetRegs: rdata_o = reg_rdata_i;
      TargetWindow: rdata_o = window_rdata_i;
      default: rdata_o = ram_rdata_i;
    endcase
  end


  `ASSERT_WHEN(WindowAnswersOnce_A, window_rvalid_i, pending_q == TargetWindow)
  `ASSERT(GrantIsRequested_A, !gnt_o || req_i)

endmodule
