// Assertions, written once for simulation and for model checkers: they use the module's clk_i and
// rst_ni, take one Boolean expression over the present and (by $past) earlier cycles, and are checked at
// each rising edge out of reset. Name them after the claim: ASSERT(GrantOneHot_A, $onehot0(grant_o)). A claim
// about some cycles says which, ASSERT_WHEN(DataOfHead_A, valid_i, ...): a simulation looks at it in those alone.
`ifndef SYSTOLE_ASSERT_SVH
`define SYSTOLE_ASSERT_SVH

`ifdef VERILATOR
// A concurrent assertion makes Verilator copy each signal that it names at every eval, its clock gated or
// not (20 ns a router and cycle, measured); this one reads the same values at the same edge for nothing.
// With some parameters a claim holds by its widths alone: CMPCONST.
`define ASSERT_WHEN(Name, When, Expr) \
  /* verilator lint_save */ /* verilator lint_off CMPCONST */ \
  always @(posedge clk_i) if (rst_ni && (When)) Name: assert (Expr) else $error(`"Name`"); \
  /* verilator lint_restore */
`else
`define ASSERT_WHEN(Name, When, Expr) \
  Name: assert property (@(posedge clk_i) disable iff (!rst_ni) (!(When) || (Expr))) \
  else $error(`"Name`");
`endif

`define ASSERT(Name, Expr) `ASSERT_WHEN(Name, 1'b1, Expr)

// After a cycle in which Before held, Expr holds. The past is a register of its own: `$past` makes Verilator
// copy what it names at every eval, as above.
`define ASSERT_AFTER(Name, Before, Expr) \
  logic Name``_before_q; \
  always_ff @(posedge clk_i) begin \
    if (!rst_ni) Name``_before_q <= 1'b0; \
    else Name``_before_q <= (Before); \
  end \
  `ASSERT(Name, !Name``_before_q || (Expr))

// An offer that was not taken stays, with the same data.
`define ASSERT_HELD(Name, Valid, Ready, Data) \
  logic [$bits(Data)-1:0] Name``_data_q; \
  always_ff @(posedge clk_i) if (Valid) Name``_data_q <= Data; \
  `ASSERT_AFTER(Name, (Valid) && !(Ready), (Valid) && (Data) == Name``_data_q)

// What stimulus is expected to reach; counted in the coverage build only.
`ifdef SYSTOLE_COVER
`define COVER(Name, Expr) \
  Name: cover property (@(posedge clk_i) disable iff (!rst_ni) (Expr));
`else
`define COVER(Name, Expr)
`endif

`endif
