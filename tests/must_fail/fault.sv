// Whether a fault is to show where this module stands, and when. The simulation is told +fault=<name>, and
// +fault_at=<n>: the n-th time that it could strike, from 0. A fault strikes once, in one place, so that there is
// one culprit: tile (1, 1) or its routers, or the only memory node.
module fault #(
    parameter string Name = "",
    parameter string Within = "gen_row[1].gen_col[1]",  // part of the instance's name
    parameter int unsigned At = 0,  // where the simulation is not told
    // On, or off, in any case; then nothing is asked, nor outside of that part, since a module's own test tells
    // nothing.
    parameter bit Always = 1'b0,
    parameter bit Never = 1'b0
) (
    output logic        on_o,
    output logic [31:0] at_o
);
  // Inlined, the strings of several instances are mixed up (Verilator 5.006).
  /* verilator no_inline_module */
  string told;
  string here;
  bit applies;

  initial begin
    here = $sformatf("%m");
    on_o = Always;
    at_o = At;
    applies = 1'b0;
    for (int i = 0; i + Within.len() <= here.len(); i++)
    if (here.substr(i, i + Within.len() - 1) == Within) applies = 1'b1;
    if (applies && !Always && !Never) begin
      if ($value$plusargs("fault=%s", told) != 0 && told == Name) on_o = 1'b1;
      if ($value$plusargs("fault_at=%d", at_o) == 0) at_o = At;
    end
  end
endmodule
