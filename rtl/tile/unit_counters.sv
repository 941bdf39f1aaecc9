// Where the cycles of a unit went: a counter for each of its states, and one for each semaphore that it waited for.
//
// Contract
//   - Every cycle out of reset adds one to exactly one state. All count from reset and wrap; they are never
//     cleared, so two readings differ by what happened between.
//   - A cycle in WaitSemaphore also adds one to the lowest semaphore that the unit's next command misses; where
//     it misses none, since a lower unit takes the same one in this cycle, to the lowest of its mask.
//   - In the cycle after `read_i`, and until the next one, `count_o` is what the counter of `word_i` was in the cycle
//     of `read_i`: {0, unit, state} or {1, unit, semaphore}; 0 for the words of other units.
// The counters are seen and changed by one process alone, and read only when asked: what it costs a simulation that
// there are counters is one increment a cycle, two in a wait. Which semaphore a wait is for is worked out when the set
// of those that miss changes.
module unit_counters
  import systole_spec_pkg::*;
#(
    parameter unit_e Unit = UnitLoad
) (
    input logic clk_i,
    input logic rst_ni,

    // this cycle
    input unit_state_e                     state_i,
    input logic        [NumSemaphores-1:0] take_mask_i,
    input logic        [NumSemaphores-1:0] sem_nonzero_i,

    // read
    input  logic        read_i,
    input  logic [ 6:0] word_i,
    output logic [31:0] count_o
);
  localparam int unsigned Words = 16;

  if (NumUnitStates > Words || NumSemaphores > Words) begin : gen_check
    $error("unit_counters: a unit has 16 words of each kind");
  end

  function automatic logic [3:0] lowest(logic [15:0] set);
    logic [15:0] one;
    one = set & -set;
    return {
      (one & 16'hff00) != '0, (one & 16'hf0f0) != '0, (one & 16'hcccc) != '0, (one & 16'haaaa) != '0
    };
  endfunction

  logic [31:0] count_q[Words];
  logic [31:0] wait_q[Words];
  logic [NumSemaphores-1:0] set_q;  // that was waited for last
  logic [3:0] sem_q;  // its lowest

  // Read before they are counted on, by blocking assignments. `count_o` is valid after a read: unreset.
  always_ff @(posedge clk_i) begin
    logic [NumSemaphores-1:0] set;
    if (read_i) begin
      if (word_i[5:4] != Unit) count_o <= '0;
      else count_o <= word_i[6] ? wait_q[word_i[3:0]] : count_q[word_i[3:0]];
    end
    if (!rst_ni) begin
      for (int unsigned i = 0; i < Words; i++) count_q[i] = '0;
      for (int unsigned i = 0; i < Words; i++) wait_q[i] = '0;
      set_q = '0;
      sem_q = '0;
    end else begin
      count_q[state_i] = count_q[state_i] + 32'd1;
      if (state_i == UnitStateWaitSemaphore) begin
        set = take_mask_i & ~sem_nonzero_i;
        if (set == '0) set = take_mask_i;
        if (set != set_q) begin
          set_q = set;
          sem_q = lowest(set);
        end
        wait_q[sem_q] = wait_q[sem_q] + 32'd1;
      end
    end
  end
endmodule
