# dma_agen with a fault (fault.sv), always on:
#   endless  the load unit never counts the groups of runs of a command
/^  logic \[9:0\] to_boundary;/i\
  logic endless;\
  fault #(.Name("endless"), .Within("gen_row[1].gen_col[1].gen_tile.u_tile.u_load")) u_fault_endless (\
    .on_o(endless), .at_o()\
  );
s/assign packet_o\.last = run_ends && group_ends && left1_q == 32'd1;/assign packet_o.last = run_ends \&\& group_ends \&\& left1_q == 32'd1 \&\& !endless;/
s/left1_q <= left1_q - 32'd1;/left1_q <= left1_q - (endless ? 32'd0 : 32'd1);/
