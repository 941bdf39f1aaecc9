// semaphores with a fault, for tests that must fail (fault.sv):
//   post   a post of the matrix unit is lost; the second since reset, where nothing else is told, and where
//          Broken is set
module semaphores
  import systole_spec_pkg::*;
#(
    parameter bit Broken = 1'b0
) (
    input  logic                     clk_i,
    input  logic                     rst_ni,
    input  logic                     clear_i,
    input  logic [     NumUnits-1:0] take_req_i,
    input  logic [NumSemaphores-1:0] take_mask_i  [NumUnits],
    output logic [     NumUnits-1:0] take_gnt_o,
    input  logic [NumSemaphores-1:0] post_mask_i  [NumUnits],
    input  logic                     ni_post_i,
    input  logic [              3:0] ni_post_sem_i,
    output logic                     ni_overflow_o,
    output logic [NumSemaphores-1:0] overflow_o,
    output logic [NumSemaphores-1:0] nonzero_o,
    output logic [              7:0] count_o      [NumSemaphores]
);
  logic broken;
  logic [31:0] at;
  fault #(
    .Name("post"),
    .At(1),
    .Always(Broken)
  ) u_fault_post (
    .on_o(broken),
    .at_o(at)
  );

  logic [NumSemaphores-1:0] post_mask[NumUnits];
  logic [31:0] posts_q;

  semaphores_right u_right (
    .post_mask_i(post_mask),
    .*
  );

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) posts_q <= '0;
    else if (post_mask_i[UnitMatrix] != '0) posts_q <= posts_q + 32'd1;
  end

  always_comb begin
    for (int unsigned u = 0; u < NumUnits; u++) post_mask[u] = post_mask_i[u];
    if (broken && posts_q == at) post_mask[UnitMatrix] = '0;
  end

  // Under the name by which the report of a hang reads the counters.
  logic [7:0] count_q[NumSemaphores];
  assign count_q = count_o;
endmodule
