// Types that cross block borders: NoC flits, scratchpad ports, sequencer and unit handshakes.
// Numbers come from systole_spec_pkg (generated); this package only gives them shape.
package systole_pkg;
  import systole_spec_pkg::*;

  typedef logic [AddrBits-1:0] addr_t;  // global byte address
  typedef logic [17:0] spad_addr_t;  // scratchpad byte address
  typedef logic [8:0] acc_row_t;  // accumulator row
  typedef logic [CommandBytes*8-1:0] command_t;

  typedef struct packed {
    logic [3:0] y;
    logic [3:0] x;
  } node_t;

  // ---------------------------------------------------------------------------------- NoC
  // One flit: 32 bits beside 256 bits of payload. Both networks carry the same type.
  // The first flit of a packet has head, its last one last; a one-flit packet has both.
  typedef struct packed {
    node_t dst;
    node_t src;
    logic [5:0] tag;      // the requester's; a response returns it. [5:4] is the client
    noc_op_e op;
    err_e err;            // responses
    logic head;
    logic last;
    logic [FlitBytes*8-1:0] payload;
  } flit_t;

  // Payload of the head flit of a request. Read and Post are this one flit; Write is followed
  // by its data. The bytes addr .. addr+len-1 never cross a multiple of MaxPacketBytes.
  // Data flits lie on the 32-byte grid of the addressed memory: data flit i carries bytes
  // (addr & ~31) + 32*i ..; so a packet has ((addr % 32) + len + 31) / 32 of them. The same
  // holds for the ReadData flits of a response. An error response is one flit (head and last).
  typedef struct packed {
    logic [187:0] zero;
    logic [3:0] post_sem;   // Write, Post: semaphore of the destination tile
    logic post_en;          // Write: post when the last byte is written. Post: 1
    logic [4:0] zero2;
    logic [9:0] len;        // bytes, 1 .. MaxPacketBytes
    addr_t addr;
  } req_head_t;

  typedef enum logic [1:0] {
    ClientLoad  = 2'd0,
    ClientStore = 2'd1,
    ClientPost  = 2'd2,    // remote posts and tile events
    ClientCore  = 2'd3     // io node: core window, host port
  } client_e;

  // ----------------------------------------------------------------------------- scratchpad
  // A window: up to 32 bytes at any byte address. The grant is combinational, in the cycle of the
  // request; read data come in the next cycle, rotated so that the byte at addr is lane 0, and
  // hold for that cycle only. Bytes from len on are undefined (read) or kept (write).
  typedef struct packed {
    spad_addr_t addr;
    logic [5:0] len;        // 1 .. 32
  } spad_read_t;

  typedef struct packed {
    spad_addr_t addr;
    logic [5:0] len;
    logic [FlitBytes*8-1:0] data;
  } spad_write_t;

  // ------------------------------------------------------------------------------- faults
  typedef struct packed {
    fault_e code;
    logic [AddrBits-1:0] info;
  } unit_fault_t;
endpackage
