// io_regs with a fault, for tests that must fail (fault.sv):
//   irq   an interrupt of the host is lost; the third, where nothing else is told, and where Broken is set
module io_regs
  import systole_spec_pkg::*;
  import systole_pkg::*;
  import core_pkg::*;
#(
    parameter int unsigned NumCols = 3,
    parameter int unsigned NumRows = 2,
    parameter bit Broken = 1'b0
) (
    input logic clk_i,
    input logic rst_ni,
    input  logic             core_req_i,
    input  logic             core_we_i,
    input  reg_word_t        core_word_i,
    input  logic      [31:0] core_wdata_i,
    input  logic             target_req_i,
    output logic             target_gnt_o,
    input  logic             target_we_i,
    input  reg_word_t        target_word_i,
    input  logic      [31:0] target_wdata_i,
    output logic [31:0] rdata_o,
    output logic fetch_enable_o,
    output logic core_irq_o,
    input  logic core_awake_i,
    output logic host_irq_o,
    input  logic [63:0] cycle_i,
    output logic [63:0] timer_o,
    output logic        timer_armed_o,
    input  logic        timer_hit_i,
    output logic [16:0] window_o,
    input  logic        bus_error_i,
    input  err_e        bus_error_code_i,
    input  logic [27:0] bus_error_addr_i,
    output logic         dma_start_o,
    output addr_t        dma_src_o,
    output addr_t        dma_dst_o,
    output logic  [31:0] dma_len_o,
    input  logic         dma_busy_i,
    input  logic         dma_done_i,
    input  err_e         dma_err_i
);
  logic broken;
  logic [31:0] at;
  fault #(
    .Name("irq"),
    .Within("u_regs"),
    .At(2),
    .Always(Broken)
  ) u_fault_irq (
    .on_o(broken),
    .at_o(at)
  );

  logic irq, irq_q;
  logic [31:0] irqs_q;

  io_regs_right #(
    .NumCols(NumCols),
    .NumRows(NumRows)
  ) u_right (
    .host_irq_o(irq),
    .*
  );

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) begin
      irq_q  <= 1'b0;
      irqs_q <= '0;
    end else begin
      irq_q <= irq;
      if (irq_q && !irq) irqs_q <= irqs_q + 32'd1;
    end
  end

  // Under the names by which the simulation reads them.
  logic [15:0] join_q;
  logic [5:0] pending_q, enable_q;
  logic [7:0] fw_state_q;
  assign join_q = u_right.join_q;
  assign pending_q = u_right.pending_q;
  assign enable_q = u_right.enable_q;
  assign fw_state_q = u_right.fw_state_q;

  assign host_irq_o = irq && !(broken && irqs_q == at);
endmodule
