// Shared by the parts of the io node: who inside it asked, and where its packets go.
package core_pkg;
  import systole_spec_pkg::*;
  import systole_pkg::*;

  // Bits [5:4] of the tag of a request that this node sends: a response goes back by them.
  typedef enum logic [1:0] {
    IoClientNone   = 2'd0,
    IoClientWindow = 2'd1,
    IoClientDma    = 2'd2,
    IoClientHost   = ClientCore
  } io_client_e;

  localparam int unsigned CoreRamWordBits = $clog2(CoreRamBytes / 4);
  typedef logic [CoreRamWordBits-1:0] ram_word_t;  // word address in the core RAM
  typedef logic [9:0] reg_word_t;  // word address in the io registers

  // Byte address within the io node's 32-bit map.
  function automatic logic in_ram(addr_t addr);
    return addr >> (CoreRamWordBits + 2) == addr_t'(CoreRamBase) >> (CoreRamWordBits + 2);
  endfunction

  function automatic logic in_regs(addr_t addr);
    return addr >> 12 == addr_t'(IoRegsBase) >> 12;
  endfunction
endpackage
