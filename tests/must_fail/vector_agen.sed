# vector_agen with a fault (fault.sv), always on:
#   line    where i1 steps, results go on by the stride of i0
/^  localparam int unsigned Dims/i\
  logic line;\
  fault #(.Name("line")) u_fault_line (.on_o(line), .at_o());
s/d = d_q\[1\] + cmd_i.d_stride1\[17:0\];/d = d_q[1] + (line ? cmd_i.d_stride0[17:0] : cmd_i.d_stride1[17:0]);/
