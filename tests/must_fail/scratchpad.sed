# scratchpad with a fault (fault.sv), always on:
#   neighbour  where both ports of the vector unit ask in one cycle, va gets what vb has asked for
/^  localparam int unsigned Banks/i\
  logic neighbour;\
  fault #(.Name("neighbour")) u_fault_neighbour (.on_o(neighbour), .at_o());
s/window_addr_q\[0\] <= va_i\.addr;/window_addr_q[0] <= neighbour \&\& va_req_i \&\& vb_req_i ? vb_i.addr : va_i.addr;/
