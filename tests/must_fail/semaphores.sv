// semaphores with a fault, for tests that must fail (fault.sv):
//   post   a post of the matrix unit is lost; the second since reset, where nothing else is told, and where
//          Broken is set
//   twice  a post of the vector unit counts twice
//   held   a unit does not take a semaphore that is 1, from the n-th such cycle on
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

  logic twice, held;
  fault #(
    .Name("twice"),
    .Never(Broken)
  ) u_fault_twice (
    .on_o(twice),
    .at_o()
  );
  fault #(
    .Name("held"),
    .Never(Broken)
  ) u_fault_held (
    .on_o(held),
    .at_o()
  );

  logic [NumSemaphores-1:0] post_mask[NumUnits];
  logic [NumUnits-1:0] take_req, would_take_last;
  logic [31:0] posts_q, vector_posts_q, lasts_q;

  semaphores_right u_right (
    .post_mask_i(post_mask),
    .take_req_i(take_req),
    .*
  );

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) begin
      posts_q <= '0;
      vector_posts_q <= '0;
      lasts_q <= '0;
    end else begin
      if (post_mask_i[UnitMatrix] != '0) posts_q <= posts_q + 32'd1;
      if (post_mask_i[UnitVector] != '0) vector_posts_q <= vector_posts_q + 32'd1;
      if (would_take_last != '0) lasts_q <= lasts_q + 32'd1;
    end
  end

  always_comb begin
    would_take_last = '0;
    for (int unsigned u = 0; u < NumUnits; u++) begin
      for (int unsigned s = 0; s < NumSemaphores; s++) begin
        if (take_req_i[u] && take_mask_i[u][s] && count_o[s] == 8'd1) would_take_last[u] = 1'b1;
      end
    end
    take_req = held && lasts_q >= at ? take_req_i & ~would_take_last : take_req_i;
  end

  always_comb begin
    for (int unsigned u = 0; u < NumUnits; u++) post_mask[u] = post_mask_i[u];
    if (broken && posts_q == at) post_mask[UnitMatrix] = '0;
    if (twice && vector_posts_q == at) post_mask[UnitLoad] |= post_mask_i[UnitVector];
  end

  // Under the name by which the report of a hang reads the counters.
  logic [7:0] count_q[NumSemaphores];
  assign count_q = count_o;
endmodule
