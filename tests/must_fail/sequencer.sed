# sequencer with a fault (fault.sv), always on:
#   param   the store unit's commands get another parameter than they name
/^  localparam int unsigned MaxUnderWay/i\
  logic param;\
  fault #(.Name("param")) u_fault_param (.on_o(param), .at_o());
s/index = header\.sel0_param;/index = header.sel0_param ^ (param \&\& Unit == UnitStore ? 4'd1 : 4'd0);/
