// Where the cycles of the four units went: a counter for each state of each unit, and one for each semaphore
// that a unit waited for.
//
// Contract
//   - Every cycle out of reset adds one to exactly one state of each unit. All count from reset and wrap; they
//     are never cleared, so two readings differ by what happened between.
//   - A cycle in WaitSemaphore also adds one to the lowest semaphore that the unit's next command misses; where
//     it misses none, since a lower unit takes the same one in this cycle, to the lowest of its mask.
//   - `count_o` is the counter of `word_i`, in the same cycle: {0, unit, state} or {1, unit, semaphore}.
module unit_counters
  import systole_spec_pkg::*;
(
    input logic clk_i,
    input logic rst_ni,

    // this cycle
    input unit_state_e                     state_i      [NumUnits],
    input logic        [NumSemaphores-1:0] take_mask_i  [NumUnits],
    input logic        [NumSemaphores-1:0] sem_nonzero_i,

    // read
    input  logic [ 6:0] word_i,
    output logic [31:0] count_o
);
  localparam int unsigned Words = 16 * NumUnits;

  if (NumUnitStates > 16 || NumSemaphores > 16) begin : gen_check
    $error("unit_counters: a unit has 16 words of each kind");
  end

  logic [31:0] count_q[Words];
  logic [31:0] wait_q[Words];

  // Without a loop: a simulation works it out in every cycle of every unit that waits.
  function automatic logic [3:0] lowest(logic [15:0] set);
    logic [15:0] one;
    one = set & -set;
    lowest = {
      (one & 16'hff00) != '0, (one & 16'hf0f0) != '0, (one & 16'hcccc) != '0, (one & 16'haaaa) != '0
    };
  endfunction

  function automatic logic [3:0] waited_for(logic [NumSemaphores-1:0] mask,
                                            logic [NumSemaphores-1:0] nonzero);
    return lowest((mask & ~nonzero) != '0 ? mask & ~nonzero : mask);
  endfunction

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      for (int unsigned i = 0; i < Words; i++) count_q[i] <= '0;
    end else begin
      for (int unsigned u = 0; u < NumUnits; u++) begin
        count_q[{2'(u), state_i[u]}] <= count_q[{2'(u), state_i[u]}] + 32'd1;
      end
    end
  end

  always_ff @(posedge clk_i) begin
    logic [3:0] sem;
    if (!rst_ni) begin
      for (int unsigned i = 0; i < Words; i++) wait_q[i] <= '0;
    end else begin
      for (int unsigned u = 0; u < NumUnits; u++) begin
        if (state_i[u] == UnitStateWaitSemaphore) begin
          sem = waited_for(take_mask_i[u], sem_nonzero_i);
          wait_q[{2'(u), sem}] <= wait_q[{2'(u), sem}] + 32'd1;
        end
      end
    end
  end

  assign count_o = word_i[6] ? wait_q[word_i[5:0]] : count_q[word_i[5:0]];
endmodule
