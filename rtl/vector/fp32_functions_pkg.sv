// exp2, reciprocal and reciprocal square root of the vector unit's 16 lanes.
//
// Contract: bit-exact with host/golden/functions.hpp, which defines the results. Functions of one lane,
// branch-free, for loops over lanes (fp32_pkg says why). Cut in three, for registers in between:
//   stage 1: exp2_argument, recip_argument or rsqrt_argument (what segment of the table, where in it,
//            the result's exponent)
//   stage 2: segment_value (table, square, two multiplications, one sum)
//   stage 3: recip_value for the reciprocal alone (remainder), then round_value (shift, round, pack)
package fp32_functions_pkg;
  import fp32_pkg::*;
  import systole_functions_pkg::*;

  // Where the operand lies in the table: a segment, and the place in it * 2^-20.
  typedef struct packed {
    logic [8:0]  segment;
    logic [19:0] place;
  } point_t;

  // result = (-1)^sign * value * 2^(exponent - 127), value from 1 to 2. The exponent is two's
  // complement; Infinite makes the result infinite, Vanishing zero.
  typedef struct packed {
    logic       nan;
    logic       sign;
    logic [9:0] exponent;
  } outcome_t;

  typedef struct packed {
    outcome_t outcome;
    point_t   point;
  } argument_t;

  // In units of 2^-50.
  typedef logic [51:0] value_t;

  localparam logic [9:0] Infinite = 10'd255;
  localparam logic [9:0] Vanishing = -10'sd256;

  // Stage 1 of 2^x: x to a multiple of 2^-27, halves away from zero; its whole part is the exponent.
  function automatic argument_t exp2_argument(logic [31:0] x);
    logic [31:0] distance;
    logic [63:0] fixed;
    logic [5:0] shift;
    logic [9:0] exponent;
    distance = 32'd135 - 32'(x[30:23]);
    shift = distance > 32'd63 ? 6'd63 : distance[5:0];
    fixed = {27'b0, x[30:23] != '0, x[22:0], 13'b0} >> shift;
    fixed = (fixed + 64'd1) >> 1;
    fixed = x[31] ? -fixed : fixed;
    exponent = x[30:23] < 8'd135 ? fixed[36:27] + 10'd127 : x[31] ? Vanishing : Infinite;
    return {is_nan(x[30:0]), 1'b0, exponent, 9'(Exp2First) | 9'(fixed[26:20]), fixed[19:0]};
  endfunction

  // Stage 1 of 1/x. A subnormal x has a finite reciprocal only if one of its two highest bits is set.
  function automatic argument_t recip_argument(logic [31:0] x);
    logic [22:0] fraction;
    logic [ 9:0] exponent;
    logic subnormal, tiny;
    subnormal = x[30:23] == '0;
    tiny      = subnormal & (x[22:21] == '0);
    fraction  = subnormal ? (x[22] ? x[22:0] << 1 : x[22:0] << 2) : x[22:0];
    exponent  = subnormal ? (x[22] ? 10'd253 : 10'd254) : 10'd253 - 10'(x[30:23]);
    exponent  = tiny ? Infinite : x[30:23] == '1 ? Vanishing : exponent;
    return {
      is_nan(x[30:0]), x[31], exponent, 9'(RecipFirst) | 9'(fraction[22:16]), fraction[15:0], 4'b0
    };
  endfunction

  // Stage 1 of 1/sqrt(x): of a subnormal x the leading one goes to its place. A segment's eighth bit is
  // that of odd exponents (which are even with their bias).
  function automatic argument_t rsqrt_argument(logic [31:0] x);
    logic [31:0] zeros, exponent_x;
    logic [22:0] fraction;
    logic [ 9:0] exponent;
    logic subnormal, zero;
    subnormal = x[30:23] == '0;
    zero = x[30:0] == '0;
    zeros = leading_zeros({x[22:0], 9'b0});
    fraction = subnormal ? (x[22:0] << zeros[4:0]) << 1 : x[22:0];
    exponent_x = subnormal ? -zeros : 32'(x[30:23]);
    exponent = 10'd222 - 10'((exponent_x + 32'd65) >> 1);
    exponent = zero ? Infinite : x[30:23] == '1 ? Vanishing : exponent;
    return {
      is_nan(x[30:0]) | (x[31] & !zero),
      x[31],
      exponent,
      9'(RsqrtFirst) | {1'b0, !exponent_x[0], fraction[22:16]},
      fraction[15:0],
      4'b0
    };
  endfunction

  // Stage 2: c0 + c1*u + c2*u^2; c1 is negative where the function falls.
  function automatic value_t segment_value(point_t point);
    logic [31:0] top, square, quadratic;
    logic [63:0] constant, linear, sum;
    top = 32'(point.place[19:4]);
    square = (top * top) >> 16;
    constant = {13'b0, C0[point.segment], 20'b0};
    linear = 64'(C1[point.segment]) * 64'(point.place);
    quadratic = 32'(C2[point.segment]) * square;
    sum = point.segment < 9'(RecipFirst) ? constant + linear : constant - linear;
    return value_t'(sum + {26'b0, quadratic, 6'b0});
  endfunction

  // Stage 3, reciprocal: the quotient of 25 bits, rounded up, from which the result is correctly
  // rounded. The table's, `near`, is at most one off: 2^48 - quotient * divisor, of which 32 bits are
  // enough, tells.
  function automatic value_t recip_value(point_t point, logic [25:0] near);
    logic [31:0] divisor, quotient, remainder, above;
    divisor = {8'b0, 1'b1, point.segment[6:0], point.place[19:4]};
    quotient = 32'(near) + 32'd1;
    remainder = -(quotient * divisor);
    above = remainder + divisor;
    quotient = !remainder[31] & (remainder != '0) ? quotient + 32'd1 : quotient;
    quotient = above[31] | (above == '0) ? quotient - 32'd1 : quotient;
    return {quotient[25:0], 26'b0};
  endfunction

  // Stage 3: rounded once, halves down, which do not occur but where down is even.
  function automatic logic [31:0] round_value(outcome_t outcome, value_t value);
    logic [31:0] distance, exponent, bits;
    logic [63:0] half;
    logic [5:0] shift;
    logic subnormal;
    subnormal = outcome.exponent[9] | (outcome.exponent == '0);
    distance = 32'd28 - {{22{outcome.exponent[9]}}, outcome.exponent};
    shift = !subnormal ? 6'd27 : distance > 32'd63 ? 6'd63 : distance[5:0];
    half = (64'd1 << shift) >> 1;
    exponent = subnormal ? '0 : 32'(outcome.exponent) - 32'd1;
    bits = (exponent << 23) + 32'((64'(value) + half - 64'd1) >> shift);
    bits = bits > 32'(InfMag) ? 32'(InfMag) : bits;
    return outcome.nan ? CanonicalNan : {outcome.sign, bits[30:0]};
  endfunction

endpackage
