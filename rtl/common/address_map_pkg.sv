// Where a global byte address lives: the node that answers for it, and whether there is one.
// The map's numbers come from rtl/spec; its regions are aligned powers of two, so fields decide.
package address_map_pkg;
  import systole_spec_pkg::*;
  import systole_pkg::*;

  localparam int unsigned RegionBit = $clog2(HostMemBytes);  // regions differ from this bit on
  localparam int unsigned DramChannelBit = $clog2(DramChannelBytes);
  typedef logic [AddrBits-1:RegionBit] region_t;

  localparam region_t RegionIo = '0;
  localparam region_t RegionHostMem = region_t'(HostMemBase >> RegionBit);
  localparam region_t RegionDram = region_t'(DramBase >> RegionBit);
  localparam region_t RegionTile = region_t'(TileBase >> RegionBit);

  // Node that answers for a mapped address; ask is_mapped first.
  function automatic node_t node_of(addr_t addr);
    region_t region;
    node_t node;
    region = addr[AddrBits-1:RegionBit];
    node = '0;
    if (region == RegionTile) begin
      node.x = 4'(addr >> TileColShift);
      node.y = 4'(addr >> TileRowShift);
    end else if (region == RegionDram) begin
      node.y = 4'(addr >> DramChannelBit) + 4'd1;
    end
    return node;
  endfunction

  // True when a node of this mesh answers for the address. In the io node's own 32-bit map (region
  // io) the io node itself decides what is mapped.
  function automatic logic is_mapped(addr_t addr, int unsigned num_cols, int unsigned num_rows);
    region_t region;
    node_t node;
    logic in_mesh, tile_gaps_zero;
    region = addr[AddrBits-1:RegionBit];
    node = node_of(addr);
    in_mesh = 32'(node.x) < num_cols && 32'(node.y) < num_rows;
    tile_gaps_zero = addr[RegionBit-1:TileRowShift+4] == '0 &&
        addr[TileRowShift-1:TileColShift+4] == '0;
    if (region == RegionTile) return in_mesh && node.x != '0 && tile_gaps_zero;
    if (region == RegionDram) return in_mesh && node.y != '0;
    if (region == RegionIo) return addr[RegionBit-1:32] == '0;
    return region == RegionHostMem;
  endfunction
endpackage
