// AXI4 as the chip speaks it: 48-bit addresses, 256-bit data, 6-bit ids, INCR bursts.
package axi_pkg;
  import systole_spec_pkg::*;

  localparam int unsigned DataBytes = FlitBytes;
  localparam int unsigned IdBits = 6;

  typedef logic [AddrBits-1:0] addr_t;
  typedef logic [IdBits-1:0] id_t;
  typedef logic [DataBytes*8-1:0] data_t;
  typedef logic [DataBytes-1:0] strb_t;

  typedef enum logic [1:0] {
    BurstFixed = 2'd0,
    BurstIncr = 2'd1,
    BurstWrap = 2'd2
  } burst_e;

  typedef enum logic [1:0] {
    RespOkay = 2'd0,
    RespExokay = 2'd1,
    RespSlverr = 2'd2,
    RespDecerr = 2'd3
  } resp_e;

  localparam logic [2:0] SizeFull = 3'($clog2(DataBytes));  // all bytes of a beat

  // Data lie lowest: the simulator moves them without shifting.
  typedef struct packed {
    logic last;
    strb_t strb;
    data_t data;
  } w_beat_t;
endpackage
