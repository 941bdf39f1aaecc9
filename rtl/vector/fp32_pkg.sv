// IEEE 754 binary32 arithmetic of the vector unit's 16 lanes.
//
// Contract: round to nearest, ties to even; subnormals in full; no flags. A NaN result is always
// 0x7FC00000. Every function is bit-exact with the host's float (std::fma and friends, compiled
// with -ffp-contract=off) once its NaNs are made canonical.
//
// Functions of one lane. They are branch-free, so that a synthesizer sees plain datapath and a compiler
// can put one lane in each element of a SIMD register: call them in a loop over lanes whose bound is a
// variable, which keeps Verilator 5.006 from unrolling it.
//
// A fused multiply-add is cut in two, for a register in between:
//   stage 1: fma_product and fma_addend (multiply; settle NaN and infinity)
//   stage 2: fma_sum (align, add, normalize, round, pack)
//   mul(a, b) = fma(a, b, -0);  add(a, b) = fma(a, 1, b)
//
// Division by a constant s, with r = 1/s rounded, is three of them and a choice:
//   q = mul(x, r);  t = fma(-q, s, x);  res = div_select(q, fma(t, r, q))
package fp32_pkg;

  localparam int unsigned Lanes = 16;

  localparam logic [31:0] CanonicalNan = 32'h7FC0_0000;
  localparam logic [31:0] PlusOne = 32'h3F80_0000;
  localparam logic [31:0] MinusZero = 32'h8000_0000;

  // Magnitude of infinity; a NaN's magnitude is above it.
  localparam logic [30:0] InfMag = 31'h7F80_0000;

  // Exact product: (-1)^sign * prod * 2^(exp - 300), where exp is the sum of both operands' biased
  // exponents, or 0 if the product is 0, so that it never outweighs the addend.
  typedef struct packed {
    logic        sign;
    logic [8:0]  exp;
    logic [47:0] prod;
  } fma_product_t;

  // Number of zeros above the highest one; 31 for 0 too.
  function automatic logic [31:0] leading_zeros(logic [31:0] value);
    logic [31:0] word;
    logic [31:0] count;
    word  = value;
    count = word[31:16] == '0 ? 32'd16 : 32'd0;
    word  = word[31:16] == '0 ? word << 16 : word;
    count = count | (word[31:24] == '0 ? 32'd8 : 32'd0);
    word  = word[31:24] == '0 ? word << 8 : word;
    count = count | (word[31:28] == '0 ? 32'd4 : 32'd0);
    word  = word[31:28] == '0 ? word << 4 : word;
    count = count | (word[31:30] == '0 ? 32'd2 : 32'd0);
    word  = word[31:30] == '0 ? word << 2 : word;
    return count | 32'(!word[31]);
  endfunction

  function automatic logic is_nan(logic [30:0] mag);
    return mag > InfMag;
  endfunction

  // Stage 1: the product. Its value does not matter where fma_addend overrides it.
  function automatic fma_product_t fma_product(logic [31:0] a, logic [31:0] b);
    logic [8:0] exp_a;
    logic [8:0] exp_b;
    logic       zero;
    logic [47:0] prod;
    exp_a = {1'b0, a[30:23]} | 9'(a[30:23] == '0);
    exp_b = {1'b0, b[30:23]} | 9'(b[30:23] == '0);
    zero  = (a[30:0] == '0) | (b[30:0] == '0);
    prod  = 48'({a[30:23] != '0, a[22:0]}) * 48'({b[30:23] != '0, b[22:0]});
    return {a[31] ^ b[31], zero ? 9'd0 : exp_a + exp_b, prod};
  endfunction

  // Stage 1: the addend, or the result itself if any operand makes it NaN or infinite. An addend
  // that is NaN or infinite is taken as the result by fma_sum.
  function automatic logic [31:0] fma_addend(logic [31:0] a, logic [31:0] b, logic [31:0] c);
    logic sign;
    logic inf_prod;
    logic zero;
    logic nan;
    sign     = a[31] ^ b[31];
    inf_prod = (a[30:0] == InfMag) | (b[30:0] == InfMag);
    zero     = (a[30:0] == '0) | (b[30:0] == '0);
    nan      = is_nan(a[30:0]) | is_nan(b[30:0]) | is_nan(c[30:0]) | (inf_prod & zero) |
        (inf_prod & (c[30:0] == InfMag) & (sign ^ c[31]));
    return nan ? CanonicalNan : inf_prod ? {sign, InfMag} : c;
  endfunction

  // Stage 2: align, add, normalize, round, pack.
  //
  // Both terms are placed in 63 bits with the point below bit 60, where a normal addend has its
  // leading one and a product of normal numbers bit 60 or 61. The one of lower exponent is shifted
  // right, and what falls off is kept as a one in the last bit (it is then far below the rounding
  // position, so that it only tells "exact" from "not exact"). Operands are not normalized first:
  // a subnormal one either has the lower exponent, or the result is rounded at the smallest
  // exponent anyway, or the shift is too short to lose anything that counts.
  function automatic logic [31:0] fma_sum(fma_product_t product, logic [31:0] addend);
    logic [31:0] exp_p, exp_c, exp_diff, gap, exp, word, zeros, shift, significand, bits;
    logic [63:0] term_p, term_c, high, low, low_shifted, sum, mag, normal;
    logic [5:0]  align;
    logic [5:0]  norm;
    logic        c_high;
    logic        sign;
    logic        is_zero;

    exp_p    = 32'(product.exp);
    exp_c    = 32'(addend[30:23]) + 32'(addend[30:23] == '0) + 32'd127;
    exp_diff = exp_p - exp_c;
    c_high   = exp_diff[31];
    gap      = c_high ? -exp_diff : exp_diff;
    exp      = c_high ? exp_c : exp_p;

    term_p      = {2'b0, product.prod, 14'b0};
    term_c      = {3'b0, addend[30:23] != '0, addend[22:0], 37'b0};
    high        = c_high ? term_c : term_p;
    low         = c_high ? term_p : term_c;
    align       = gap > 32'd63 ? 6'd63 : gap[5:0];
    low_shifted = low >> align;
    low_shifted = low_shifted | 64'((low_shifted << align) != low);

    sum     = product.sign ^ addend[31] ? high - low_shifted : high + low_shifted;
    mag     = sum[63] ? -sum : sum;
    is_zero = mag == '0;
    sign    = (c_high ? addend[31] : product.sign) ^ sum[63];
    sign    = is_zero ? product.sign & addend[31] : sign;

    // Leading one to bit 62, unless the exponent reaches its minimum before.
    word  = mag[62:31] == '0 ? {mag[30:0], 1'b0} : mag[62:31];
    zeros = leading_zeros(word) | (mag[62:31] == '0 ? 32'd32 : 32'd0);
    shift = exp - 32'd126;
    shift = zeros < shift ? zeros : shift;
    norm  = shift[5:0];

    // The significand's leading one, or a carry out of rounding, adds one to the exponent field.
    normal      = mag << norm;
    significand = 32'((normal + 64'h3F_FFFF_FFFF + 64'(normal[39])) >> 39);
    bits        = ((exp - 32'd126 - shift) << 23) + significand;
    bits        = bits > 32'(InfMag) ? 32'(InfMag) : bits;
    bits        = is_zero ? '0 : bits;
    return addend[30:23] == '1 ? addend : {sign, bits[30:0]};
  endfunction

  // Quotient of the division by a constant: the corrected one, except where the correction is
  // not defined or would lose a sign (first estimate zero, infinite or NaN).
  function automatic logic [31:0] div_select(logic [31:0] estimate, logic [31:0] corrected);
    return (estimate[30:0] == '0) | (estimate[30:23] == '1) ? estimate : corrected;
  endfunction

  // Order of all numbers as unsigned integers, -0 below +0. (Verilator 5.006 makes a signed comparison
  // of 32 bits one of 64.)
  function automatic logic [31:0] order_key(logic [31:0] value);
    return value ^ {1'b1, {31{value[31]}}};
  endfunction

  // max(-0, +0) = +0; a NaN operand gives NaN.
  function automatic logic [31:0] max(logic [31:0] a, logic [31:0] b);
    logic [31:0] larger;
    larger = order_key(a) > order_key(b) ? a : b;
    return is_nan(a[30:0]) | is_nan(b[30:0]) ? CanonicalNan : larger;
  endfunction

  // min(-0, +0) = -0; a NaN operand gives NaN.
  function automatic logic [31:0] min(logic [31:0] a, logic [31:0] b);
    logic [31:0] smaller;
    smaller = order_key(a) < order_key(b) ? a : b;
    return is_nan(a[30:0]) | is_nan(b[30:0]) ? CanonicalNan : smaller;
  endfunction

  // Signed 32-bit integer to binary32.
  function automatic logic [31:0] from_int(logic [31:0] value);
    logic [31:0] mag, zeros, normal;
    logic [30:0] bits;
    mag    = value[31] ? -value : value;
    zeros  = leading_zeros(mag);
    normal = mag << zeros[4:0];
    bits   = 31'(((32'd157 - zeros) << 23) + (normal >> 8) +
        ((32'(normal[7:0]) + 32'h7F + 32'(normal[8])) >> 8));
    return mag == '0 ? '0 : {value[31], bits};
  endfunction

  // Magnitude below 2^23 to the nearest integer, ties to even. Not for exponents of 2^23 and up.
  function automatic logic [31:0] round_mag(logic [30:0] value);
    logic [31:0] doubled, distance, kept;
    logic [4:0]  shift;
    logic        up;
    doubled  = {7'b0, value[30:23] != '0, value[22:0], 1'b0};
    distance = 32'd150 - 32'(value[30:23]);
    shift    = distance > 32'd31 ? 5'd31 : distance[4:0];
    kept     = doubled >> shift;
    up       = kept[0] & (kept[1] | ((kept << shift) != doubled));
    return (kept >> 1) + 32'(up);
  endfunction

  // binary32 to signed 32-bit integer: nearest, ties to even, saturating; NaN gives 0.
  function automatic logic [31:0] to_int(logic [31:0] value);
    logic [31:0] mag, result;
    logic [4:0] shift;
    shift  = 5'(value[30:23] - 8'd150);
    mag    = value[30:23] < 8'd150 ? round_mag(value[30:0]) : {8'b0, 1'b1, value[22:0]} << shift;
    result = value[31] ? -mag : mag;
    result = value[30:23] >= 8'd158 ? (value[31] ? 32'h8000_0000 : 32'h7FFF_FFFF) : result;
    return is_nan(value[30:0]) ? '0 : result;
  endfunction

  // clamp(to_int(value) + zero_point, low, high) with a saturating sum; all three are signed and
  // within -256..255; low wins over high. Large magnitudes are cut to 2^23, far outside the clamp.
  function automatic logic [31:0] quantize(logic [31:0] value, logic [31:0] zero_point,
                                           logic [31:0] low, logic [31:0] high);
    logic [31:0] mag, sum, offset;
    offset = 32'h0100_0000;  // makes all of them positive
    mag = value[30:23] < 8'd150 ? round_mag(value[30:0]) : 32'h0080_0000;
    mag = is_nan(value[30:0]) ? '0 : mag;
    sum = (value[31] ? -mag : mag) + zero_point;
    return sum + offset < low + offset ? low : sum + offset > high + offset ? high : sum;
  endfunction

endpackage
