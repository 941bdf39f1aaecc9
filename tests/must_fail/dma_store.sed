# dma_store with faults (fault.sv), always on:
#   short   the last data flit of a packet of several is lost
#   early   a command retires without its answers
/^  typedef logic \[$clog2(NumInFlight):0\] ptr_t;/i\
  logic short;\
  fault #(.Name("short")) u_fault_short (.on_o(short), .at_o());
/^  typedef logic \[$clog2(NumInFlight):0\] ptr_t;/i\
  logic early;\
  fault #(.Name("early")) u_fault_early (.on_o(early), .at_o());
s/assign beat_last = left_q <= {4'd0, lanes};/assign beat_last = left_q <= {4'd0, lanes} + (short ? 10'd32 : 10'd0);/
s/head_q != cut_q && pending_q\[head\] == '0/head_q != cut_q \&\& (pending_q[head] == '0 || early)/
