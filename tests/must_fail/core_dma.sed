# core_dma with a fault (fault.sv), always on:
#   stale   every other beat that it sends is the one before
/^  typedef enum logic \[2:0\] {/i\
  logic stale;\
  fault #(.Name("stale"), .Within("gen_io")) u_fault_stale (.on_o(stale), .at_o());
s/if (state_q == StCapture) data_q <= ram_rdata_i;/if (state_q == StCapture \&\& !(stale \&\& ram_q[3])) data_q <= ram_rdata_i;/
