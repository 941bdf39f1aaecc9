# scratchpad with faults (fault.sv), always on:
#   neighbour  where both ports of the vector unit ask in one cycle, va gets what vb has asked for
#   ungranted    the vector unit's second port is never granted
/^  localparam int unsigned Banks/i\
  logic ungranted;\
  fault #(.Name("ungranted")) u_fault_ungranted (.on_o(ungranted), .at_o());
/^  localparam int unsigned Banks/i\
  logic neighbour;\
  fault #(.Name("neighbour")) u_fault_neighbour (.on_o(neighbour), .at_o());
s/window_addr_q\[0\] <= va_i\.addr;/window_addr_q[0] <= neighbour \&\& va_req_i \&\& vb_req_i ? vb_i.addr : va_i.addr;/
s/assign vb_gnt_o  = gnt\[Vb\];/assign vb_gnt_o  = gnt[Vb] \&\& !ungranted;/
