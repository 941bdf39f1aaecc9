// The map's two functions as ports; one mesh of 3 x 2 and one of the largest size.
module address_map_pkg_tb
  import systole_pkg::*;
  import address_map_pkg::*;
(
    input  logic  clk_i,
    input  logic  rst_ni,
    input  addr_t addr_i,
    output node_t node_o,
    output logic  mapped_3x2_o,
    output logic  mapped_16x16_o
);

  assign node_o = node_of(addr_i);
  assign mapped_3x2_o = is_mapped(addr_i, 3, 2);
  assign mapped_16x16_o = is_mapped(addr_i, 16, 16);

  logic unused;
  assign unused = clk_i & rst_ni;

endmodule
