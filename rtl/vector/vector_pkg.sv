// Types inside the vector unit, and lane functions that are its own: fetching, activation, packing.
//
// The functions follow the rules of fp32_pkg's *_lanes.
package vector_pkg;
  import systole_spec_pkg::*;
  import systole_pkg::*;
  import fp32_pkg::*;

  // What the data of a port are, in the cycle after the grant.
  typedef enum logic [1:0] {
    ToNone,
    ToLow,   // words 0 to 7 of an operand
    ToHigh,  // words 8 to 15
    ToAcc    // a row of accumulators
  } target_e;

  // Operands held for a block: fma's s, t and c.
  typedef enum logic [1:0] {
    HeldS,
    HeldT,
    HeldC
  } held_e;

  // Half of a held operand that the a port brings in this cycle.
  typedef struct packed {
    logic  odd_set;
    held_e operand;
    logic  high;
  } held_half_t;

  // What goes with a group through the lanes.
  typedef struct packed {
    logic first;  // of its window
    logic last;   // of its window: a result leaves
    logic odd_set;  // of held operands
  } group_t;

  // Where a result goes.
  typedef struct packed {
    spad_addr_t addr;
    logic [4:0] lanes;
  } place_t;

  function automatic logic is_byte(vtype_e vtype);
    return vtype == VtypeS8 || vtype == VtypeU8;
  endfunction

  // The window of a group in the scratchpad: whole, or its half of 32-bit words.
  function automatic spad_read_t window(spad_addr_t addr, logic [4:0] lanes, logic word,
                                        logic high);
    spad_read_t result;
    result.addr = addr;
    result.len = {1'b0, lanes};
    if (word) result.len = lanes > 5'd8 ? 6'd32 : {lanes[3:0], 2'b0};
    if (high) begin
      result.addr = addr + 18'd32;
      result.len = {1'b0, lanes[2:0], 2'b0};
      if (lanes[4]) result.len = 6'd32;
    end
    return result;
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

  // Stage 1 of a * b.
  function automatic void mul_s1_lanes(input logic [31:0] a[Lanes], input logic [31:0] b[Lanes],
                                       output fma_product_t product[Lanes],
                                       output logic [31:0] addend[Lanes]);
    int unsigned lanes;
    /*verilator no_inline_task*/
    lanes = Lanes;
    for (int unsigned i = 0; i < lanes; i++) begin
      product[i[3:0]] = fma_product(a[i[3:0]], b[i[3:0]]);
      addend[i[3:0]]  = fma_addend(a[i[3:0]], b[i[3:0]], MinusZero);
    end
  endfunction

  // Stage 1 of fma(-a, b, c).
  function automatic void fnma_s1_lanes(
      input logic [31:0] a[Lanes], input logic [31:0] b[Lanes], input logic [31:0] c[Lanes],
      output fma_product_t product[Lanes], output logic [31:0] addend[Lanes]);
    int unsigned lanes;
    logic [31:0] minus_a;
    /*verilator no_inline_task*/
    lanes = Lanes;
    for (int unsigned i = 0; i < lanes; i++) begin
      minus_a = a[i[3:0]] ^ MinusZero;
      product[i[3:0]] = fma_product(minus_a, b[i[3:0]]);
      addend[i[3:0]]  = fma_addend(minus_a, b[i[3:0]], c[i[3:0]]);
    end
  endfunction

  function automatic void activate_lanes(
      input logic [31:0] value[Lanes], input vact_e act, input logic [31:0] low[Lanes],
      input logic [31:0] high[Lanes], output logic [31:0] result[Lanes]);
    int unsigned lanes;
    /*verilator no_inline_task*/
    lanes = Lanes;
    if (act == VactRelu) begin
      for (int unsigned i = 0; i < lanes; i++) result[i[3:0]] = max(value[i[3:0]], '0);
    end else begin
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
