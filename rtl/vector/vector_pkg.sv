// Types inside the vector unit, and lane functions that are its own: fetching, activation, packing.
package vector_pkg;
  import systole_spec_pkg::*;
  import systole_pkg::*;
  import fp32_pkg::*;

  // Where a result goes.
  typedef struct packed {
    spad_addr_t addr;
    logic [4:0] lanes;
  } result_place_t;

  // What goes with a group through the lanes.
  typedef struct packed {
    result_place_t place;
    logic first;  // of its window
    logic last;   // of its window: a result leaves
  } group_t;

  function automatic logic is_byte(vtype_e vtype);
    return vtype == VtypeS8 || vtype == VtypeU8;
  endfunction

  // Operand bytes (8 bits: packed in the first four words) to binary32, the zero-point taken off.
  function automatic void operand_lanes(input logic [31:0] raw[Lanes], input vtype_e vtype,
                                        input logic [31:0] zero_point,
                                        output logic [31:0] result[Lanes]);
    int unsigned lanes;
    logic [31:0] value;
    /*verilator no_inline_task*/
    lanes = Lanes;
    if (is_byte(vtype)) begin
      for (int unsigned i = 0; i < lanes; i++) begin
        value = raw[{2'b0, i[3:2]}] >> {i[1:0], 3'b0};
        value = {{24{vtype == VtypeS8 && value[7]}}, value[7:0]};
        result[i[3:0]] = from_int(value - zero_point);
      end
    end else if (vtype == VtypeF32) begin
      result = raw;
    end else begin
      for (int unsigned i = 0; i < lanes; i++) result[i[3:0]] = from_int(raw[i[3:0]]);
    end
  endfunction

  function automatic void activate_lanes(
      input logic [31:0] value[Lanes], input vact_e act, input logic [31:0] low[Lanes],
      input logic [31:0] high[Lanes], output logic [31:0] result[Lanes]);
    int unsigned lanes;
    /*verilator no_inline_task*/
    lanes = Lanes;
    result = value;
    if (act == VactRelu) begin
      for (int unsigned i = 0; i < lanes; i++) result[i[3:0]] = max(value[i[3:0]], '0);
    end else if (act == VactClip) begin
      for (int unsigned i = 0; i < lanes; i++) begin
        result[i[3:0]] = min(max(value[i[3:0]], low[i[3:0]]), high[i[3:0]]);
      end
    end
  endfunction

  function automatic void add_lanes(input logic [31:0] a[Lanes], input logic [31:0] b[Lanes],
                                    output logic [31:0] result[Lanes]);
    int unsigned lanes;
    /*verilator no_inline_task*/
    lanes = Lanes;
    for (int unsigned i = 0; i < lanes; i++) begin
      result[i[3:0]] =
          fma_sum(fma_product(a[i[3:0]], PlusOne), fma_addend(a[i[3:0]], PlusOne, b[i[3:0]]));
    end
  endfunction

  // Result words: binary32 with one NaN, integers, or bytes packed in the first four words.
  function automatic void convert_lanes(input logic [31:0] value[Lanes], input vtype_e vtype,
                                        input logic [31:0] zero_point, input logic [31:0] low,
                                        input logic [31:0] high, output logic [31:0] result[Lanes]);
    int unsigned lanes;
    logic [31:0] code[Lanes];
    /*verilator no_inline_task*/
    lanes = Lanes;
    if (vtype == VtypeF32) begin
      for (int unsigned i = 0; i < lanes; i++) begin
        result[i[3:0]] = is_nan(value[i[3:0]][30:0]) ? CanonicalNan : value[i[3:0]];
      end
    end else if (vtype == VtypeS32) begin
      for (int unsigned i = 0; i < lanes; i++) result[i[3:0]] = to_int(value[i[3:0]]);
    end else begin
      for (int unsigned i = 0; i < lanes; i++) begin
        code[i[3:0]] = quantize(value[i[3:0]], zero_point, low, high);
      end
      result = value;
      for (int unsigned i = 0; i < 4; i++) begin
        result[{
          2'b0, i[1:0]
        }] = {
          code[{i[1:0], 2'd3}][7:0],
          code[{i[1:0], 2'd2}][7:0],
          code[{i[1:0], 2'd1}][7:0],
          code[{i[1:0], 2'd0}][7:0]
        };
      end
    end
  endfunction
endpackage
