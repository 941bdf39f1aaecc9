// Types inside the vector unit, and small functions that its modules share.
package vector_pkg;
  import systole_spec_pkg::*;
  import systole_pkg::*;

  // What the data of a port are, in the cycle after the grant.
  typedef enum logic [1:0] {
    ToNone,
    ToLow,   // words 0 to 7 of an operand
    ToHigh,  // words 8 to 15
    ToAcc    // a row of accumulators
  } target_e;

  // Operands held for a block: fma's s, t and c.
  typedef enum logic [1:0] {
    HeldS,
    HeldT,
    HeldC
  } held_e;

  // Half of a held operand that the a port brings in this cycle.
  typedef struct packed {
    logic  odd_set;
    held_e operand;
    logic  high;
  } held_half_t;

  // What goes with a group through the lanes.
  typedef struct packed {
    logic first;  // of its window
    logic last;   // of its window: a result leaves
    logic odd_set;  // of held operands
  } group_t;

  // Where a result goes.
  typedef struct packed {
    spad_addr_t addr;
    logic [4:0] lanes;
  } place_t;

  function automatic logic is_byte(vtype_e vtype);
    return vtype == VtypeS8 || vtype == VtypeU8;
  endfunction

  // The window of a group in the scratchpad: whole, or its half of 32-bit words.
  function automatic spad_read_t window(spad_addr_t addr, logic [4:0] lanes, logic word,
                                        logic high);
    spad_read_t result;
    result.addr = addr;
    result.len = {1'b0, lanes};
    if (word) result.len = lanes > 5'd8 ? 6'd32 : {lanes[3:0], 2'b0};
    if (high) begin
      result.addr = addr + 18'd32;
      result.len = {1'b0, lanes[2:0], 2'b0};
      if (lanes[4]) result.len = 6'd32;
    end
    return result;
  endfunction
endpackage
