# tile_requester with a fault (fault.sv), always on:
#   alarm   the event of a tile that is done says that it stands at a fault
/^  flit_t push_flit;/i\
  logic alarm;\
  fault #(.Name("alarm")) u_fault_alarm (.on_o(alarm), .at_o());
s/{23'd0, event_fault_i, here_i}/{23'd0, event_fault_i || alarm, here_i}/
