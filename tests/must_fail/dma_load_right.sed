# What dma_load.sv wraps, with a fault (fault.sv), always on:
#   unended  a read stays under way when all its data have come
/^  logic \[NumSlots-1:0\] slot_busy_q;/i\
  logic unended;\
  fault #(.Name("unended")) u_fault_unended (.on_o(unended), .at_o());
s/if (rsp_fire && (rsp_error || rsp_last)) slot_busy_q\[slot\] <= 1'b0;/if (rsp_fire \&\& (rsp_error || rsp_last) \&\& !unended) slot_busy_q[slot] <= 1'b0;/
