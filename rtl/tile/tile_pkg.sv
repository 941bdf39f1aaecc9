// Types that the modules of a tile share.
package tile_pkg;
  import systole_spec_pkg::*;

  typedef logic [15:0] pc_t;  // index of a command in its program
  typedef pc_t [NumUnits-1:0] pcs_t;  // of each unit, as one word: a simulation moves it at once

  // What a tile may reach besides its own scratchpad: granules first .. last, and how.
  typedef struct packed {
    logic [31:0] last;
    logic [31:0] first;
    logic write;
    logic read;
  } window_t;

  // Events that the registers count, in one cycle.
  typedef struct packed {
    logic req_out;
    logic rsp_out;
    logic req_in;
    logic rsp_in;
    logic stall;
  } ni_events_t;
endpackage
