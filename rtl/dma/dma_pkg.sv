// Types of the load and store units: a strided block, and the packets that it becomes.
package dma_pkg;
  import systole_pkg::*;

  // Commands that a unit holds at a time, and packets that wait for their response.
  localparam int unsigned NumInFlight = 4;
  localparam int unsigned NumSlots = 16;

  typedef logic [1:0] entry_t;  // one of the commands in flight
  typedef logic [3:0] slot_t;  // one of the packets in flight

  // count1 x count0 runs of `run` bytes, from or to global and scratchpad addresses.
  typedef struct packed {
    addr_t addr;
    logic [31:0] local_addr;
    logic [31:0] run;
    logic [31:0] count0;
    logic [31:0] count1;
    logic [31:0] gstride0;
    logic [31:0] gstride1;
    logic [31:0] lstride0;
    logic [31:0] lstride1;
  } block_t;

  // Contiguous on both sides; crosses no multiple of MaxPacketBytes of the global side.
  typedef struct packed {
    addr_t addr;
    spad_addr_t local_addr;
    logic [9:0] len;
    logic last;  // of the block
  } packet_t;

  // The lowest slot of a set; 0 for the empty set.
  function automatic slot_t lowest(logic [NumSlots-1:0] set);
    lowest = '0;
    for (int unsigned i = NumSlots; i > 0; i--) if (set[i-1]) lowest = slot_t'(i - 1);
  endfunction
endpackage
