// clock_gate with a fault, for tests that must fail (fault.sv):
//   wake   the clock of the vector unit comes a cycle late when it wakes; the third time since reset, where
//          nothing else is told, and where Broken is set
module clock_gate #(
    parameter bit Broken = 1'b0
) (
    input  logic clk_i,
    input  logic en_i,
    input  logic test_en_i,
    output logic clk_o
);
  logic broken;
  logic [31:0] at;
  fault #(
    .Name("wake"),
    .Within("gen_row[1].gen_col[1].gen_tile.u_tile.u_vector_gate"),
    .At(2),
    .Always(Broken)
  ) u_fault_wake (
    .on_o(broken),
    .at_o(at)
  );

  logic en, was_q, wakes;
  logic [31:0] wakes_q;

  clock_gate_right u_right (
    .en_i(en),
    .*
  );

  assign wakes = en_i && !was_q;
  assign en = en_i && !(broken && wakes && wakes_q == at);

  always_ff @(posedge clk_i) begin
    if (broken) begin
      was_q <= en_i;
      if (wakes) wakes_q <= wakes_q + 32'd1;
    end
  end
endmodule
