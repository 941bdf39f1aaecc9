# What noc_router.sv wraps, with a fault (fault.sv), always on:
#   changed  a bit of what a response carries to its node is that beside it
/^  assign local_o = gen_out\[Local\]\.leaving;/i\
  logic changed;\
  fault #(.Name("changed"), .Within("gen_row[1].gen_col[1].u_noc.u_rsp")) u_fault_changed (.on_o(changed), .at_o());
s/assign local_o = gen_out\[Local\]\.leaving;/assign local_o = gen_out[Local].leaving ^ (changed \&\& gen_out[Local].leaving.payload[76] ? flit_t'(1) << 77 : '0);/
