// Ports of a router and the way from one node to another.
package noc_pkg;
  import systole_pkg::*;

  // Index of a port. Row 0 is the northern edge, column 0 the western one.
  localparam int unsigned North = 0;
  localparam int unsigned East = 1;
  localparam int unsigned South = 2;
  localparam int unsigned West = 3;
  localparam int unsigned Local = 4;
  localparam int unsigned NumPorts = 5;

  typedef logic [NumPorts-1:0] ports_t;  // one bit a port

  // Port by which a flit leaves node (x, y) for dst: first along the row, then along the column. One-hot.
  function automatic ports_t route(node_t dst, logic [3:0] x, logic [3:0] y);
    ports_t port;
    port = '0;
    if (dst.x > x) port[East] = 1'b1;
    else if (dst.x < x) port[West] = 1'b1;
    else if (dst.y > y) port[South] = 1'b1;
    else if (dst.y < y) port[North] = 1'b1;
    else port[Local] = 1'b1;
    return port;
  endfunction

  // Inputs that may feed an output under that rule: nothing turns back, or from a column into a row.
  // Local to local is the way of a packet to its own node.
  function automatic ports_t feeders(int unsigned out);
    ports_t inputs;
    inputs = '1;
    if (out != Local) inputs[out] = 1'b0;
    if (out == East || out == West) begin
      inputs[North] = 1'b0;
      inputs[South] = 1'b0;
    end
    return inputs;
  endfunction
endpackage
