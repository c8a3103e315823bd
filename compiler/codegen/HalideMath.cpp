//===- HalideMath.cpp - Vectorised elementary functions -------------------===//
//
// Each f32 function reduces its argument exactly (Cody and Waite, "Software
// Manual for the Elementary Functions", 1980), then evaluates a polynomial that
// was fitted in Chebyshev nodes with 40 digits. NaN is recognised from the
// bits, since no optimiser reasons about those, or runs through: a selection
// that keeps its second operand where the comparison fails is one x86 minps or
// maxps. Denormal numbers are zero, as everywhere in a step.
//
//===----------------------------------------------------------------------===//
#include "compiler/codegen/HalideMath.h"

#include <limits>
#include <vector>

using Halide::cast;
using Halide::Expr;
using Halide::reinterpret;
using Halide::select;

namespace fm::codegen {

namespace {

Expr f32(float value) {
  return Halide::Internal::FloatImm::make(Halide::Float(32), value);
}
// Bits are unsigned: Halide takes signed arithmetic to be free of overflow.
Expr u32(uint32_t value) {
  return Halide::Internal::UIntImm::make(Halide::UInt(32), value);
}
Expr u64(uint64_t value) {
  return Halide::Internal::UIntImm::make(Halide::UInt(64), value);
}

Expr bitsOf(const Expr &x) { return reinterpret(Halide::UInt(32), x); }
Expr fromBits(const Expr &bits) { return reinterpret(Halide::Float(32), bits); }
Expr absBits(const Expr &x) { return bitsOf(x) & u32(0x7fffffff); }
Expr signBit(const Expr &x) { return bitsOf(x) & u32(0x80000000); }
Expr isNan(const Expr &x) {
  if (x.type().bits() == 64)
    return (reinterpret(Halide::UInt(64), x) & u64(0x7fffffffffffffffull)) >
           u64(0x7ff0000000000000ull);
  return absBits(x) > u32(0x7f800000);
}

/// coefficients[0] + x * (coefficients[1] + ...).
Expr polynomial(const Expr &x, const std::vector<float> &coefficients) {
  Expr value = f32(coefficients.back());
  for (size_t i = coefficients.size() - 1; i-- > 0;)
    value = value * x + f32(coefficients[i]);
  return value;
}

Expr polynomial64(const Expr &x, const std::vector<double> &coefficients) {
  Expr value = Expr(coefficients.back());
  for (size_t i = coefficients.size() - 1; i-- > 0;)
    value = value * x + Expr(coefficients[i]);
  return value;
}

Expr libm(const char *name, const std::vector<Expr> &arguments) {
  return Halide::Internal::Call::make(Halide::Float(64), name, arguments,
                                      Halide::Internal::Call::PureExtern);
}

/// exp(x) = 2^n * exp(r), where n is the largest integer with r >= 0, but for
/// rounding. Then 2^n is infinite where the result is, and zero where the
/// result is less than every normal number. NaN gives NaN.
Expr exp32(const Expr &argument) {
  Expr x = select(f32(-88.0f) > argument, f32(-88.0f), argument);
  x = select(f32(89.0f) < x, f32(89.0f), x);
  // Adding 1.5 * 2^23 rounds to an integer, and 127 is the exponent's bias: the
  // lowest bits of the sum are those of the exponent.
  const float magic = 12582912.0f + 127.0f;
  Expr shifted = (x * f32(1.44269502f) - f32(0.5f)) + f32(magic);
  Expr n = shifted - f32(magic);
  Expr r = x - n * f32(0.693359375f);
  r = r - n * f32(-2.12194440e-4f);
  Expr value = polynomial(r, {1.0f, 1.0f, 0.5000014305f, 0.1666423976f,
                              0.0418142453f, 0.007932458073f, 0.001877098577f});
  return value * fromBits(bitsOf(shifted) << u32(23));
}

} // namespace

Expr mathExp(const Expr &x) {
  if (x.type().bits() == 64)
    return libm("exp", {x});
  return exp32(x);
}

Expr mathLog(const Expr &x) {
  if (x.type().bits() == 64)
    return libm("log", {x});
  const float inf = std::numeric_limits<float>::infinity();
  // Denormals are scaled into the normal range first.
  Expr small = bitsOf(x) < u32(0x00800000);
  Expr scaled = select(small, x * f32(8388608.0f), x);
  // m in [sqrt(1/2), sqrt(2)): 0x3f3504f3 is sqrt(1/2).
  Expr bits = bitsOf(scaled) - u32(0x3f3504f3);
  Expr f = fromBits((bits & u32(0x007fffff)) + u32(0x3f3504f3)) - f32(1.0f);
  Expr e = (bits + u32(128u << 23)) >> u32(23); // plus 128: positive
  Expr ef = cast(Halide::Float(32), cast(Halide::Int(32), e)) -
            select(small, f32(128 + 23), f32(128));
  Expr z = f * f;
  Expr p = polynomial(f, {0.3333333115f, -0.2499999675f, 0.2000072455f,
                          -0.1666783283f, 0.1424875655f, -0.1242466325f,
                          0.1168754434f, -0.1148887875f, 0.06977612907f});
  Expr y = (z * f) * p + ef * f32(-2.12194440e-4f);
  y = y - z * f32(0.5f);
  Expr value = (f + y) + ef * f32(0.693359375f);
  // +-0 -> -inf, negative -> NaN, +inf and NaN -> themselves.
  return select(absBits(x) == u32(0), f32(-inf),
                select(isNan(x), x,
                       select(signBit(x) != u32(0), fromBits(u32(0x7fc00000)),
                              select(bitsOf(x) == u32(0x7f800000), x, value))));
}

// The power of two is rounded to the nearest here: where it leaves the range of
// normal numbers, the sum below is infinite, or 1. With exp(-x) = 2^n * exp(-r),
// r = x + n * ln(2), and the polynomial within 1.2e-7 of exp(-r).
Expr mathSigmoid(const Expr &argument) {
  if (argument.type().bits() == 64)
    return Expr(1.0) / (Expr(1.0) + libm("exp", {-argument}));
  Expr x = select(f32(-89.0f) > argument, f32(-89.0f), argument);
  x = select(f32(88.0f) < x, f32(88.0f), x);
  const float magic = 12582912.0f + 127.0f;
  Expr shifted = x * f32(-1.44269502f) + f32(magic);
  Expr n = shifted - f32(magic);
  Expr r = x + n * f32(0.693359375f);
  r = r + n * f32(-2.12194440e-4f);
  Expr value = polynomial(r, {1.0f, -1.0f, 0.4999908209f, -0.1666653603f,
                              0.04190436751f, -0.008367273025f});
  return f32(1.0f) / (value * fromBits(bitsOf(shifted) << u32(23)) + f32(1.0f));
}

// m / (m + 2) with m = exp(2x) - 1 = 2^n * (exp(2r) - 1) + (2^n - 1), which keeps
// its digits near 0. Up to 24 the last difference is exact. A sum of zeros is
// positive: -0 gets its sign back.
Expr mathTanh(const Expr &argument) {
  if (argument.type().bits() == 64)
    return libm("tanh", {argument});
  // Behind 9.02 f32 rounds to 1.
  Expr x = select(f32(-9.02f) > argument, f32(-9.02f), argument);
  x = select(f32(9.02f) < x, f32(9.02f), x);
  const float magic = 12582912.0f + 127.0f;
  Expr shifted = x * f32(2.88539004f) + f32(magic);
  Expr n = shifted - f32(magic);
  Expr r = x - n * f32(0.3466796875f);
  r = r - n * f32(-1.06097220e-4f);
  Expr power = fromBits(bitsOf(shifted) << u32(23));
  Expr m = (r * polynomial(r, {2.0f, 2.0f, 1.33332039496f, 0.666663433632f,
                               0.267813900233f, 0.0891755895207f})) *
               power +
           (power - f32(1.0f));
  return fromBits(bitsOf(m / (m + f32(2.0f))) | signBit(argument));
}

// x * q(x^2), where q is a polynomial around the middle of [0, 3.8^2]: two thirds
// of the operations of one formula for small and one for large numbers. At 3.8,
// x * q is 1, and stays so behind it. The last bits were chosen by search: 3.8
// ulp for all numbers, 4.0 where products are rounded before they are added.
Expr mathErf(const Expr &argument) {
  if (argument.type().bits() == 64)
    return libm("erf", {argument});
  Expr x = select(f32(-3.8f) > argument, f32(-3.8f), argument);
  x = select(f32(3.8f) < x, f32(3.8f), x); // a NaN stays one
  return x * polynomial(x * x * f32(0.138504162f) - f32(1.0f),
                        {0.372107595f, -0.185640916f, 0.137740865f,
                         -0.111196019f, 0.0908086523f, -0.0723934025f,
                         0.0552178286f, -0.0395685434f, 0.0261833016f,
                         -0.0166792125f, 0.0107694119f, -0.00561872823f,
                         0.00171817001f, -0.0010462699f, 0.0012226901f,
                         -0.000467527192f});
}

Expr mathPow(const Expr &x, const Expr &y) {
  if (x.type().bits() == 64)
    return libm("pow", {x, y});
  // exp(y * log|x|) needs more than f32 holds of the logarithm, so both run in
  // f64. log m = 2 atanh(s), s = (m - 1) / (m + 1).
  const Halide::Type f64 = Halide::Float(64);
  const Halide::Type bits64 = Halide::UInt(64);
  auto c64 = [](double value) {
    return Halide::Internal::FloatImm::make(Halide::Float(64), value);
  };
  Expr a = cast(f64, fromBits(absBits(x)));
  Expr bits = reinterpret(bits64, a) - u64(0x3fe6a09e667f3bcdull); // sqrt(1/2)
  Expr e = (bits + u64(1024ull << 52)) >> u64(52);                 // plus 1024
  Expr m = reinterpret(f64, (bits & u64(0x000fffffffffffffull)) +
                                u64(0x3fe6a09e667f3bcdull));
  Expr s = (m - c64(1)) / (m + c64(1));
  Expr s2 = s * s;
  Expr series = polynomial64(s2, {1, 1.0 / 3, 1.0 / 5, 1.0 / 7, 1.0 / 9,
                                  1.0 / 11, 1.0 / 13, 1.0 / 15, 1.0 / 17});
  Expr log2 = (cast(f64, cast(Halide::Int(32), e)) - c64(1024)) +
              (s * series) * c64(2.8853900817779268); // 2 / ln 2
  Expr p = cast(f64, y) * log2;
  p = select(p > c64(200), c64(200), select(p < c64(-200), c64(-200), p));
  const double magic = 6755399441055744.0; // 1.5 * 2^52
  Expr shifted = p + c64(magic);
  Expr n = reinterpret(bits64, shifted) - u64(0x4338000000000000ull);
  Expr r = (p - (shifted - c64(magic))) * c64(0.69314718055994531);
  Expr value =
      polynomial64(r, {1, 1, 1.0 / 2, 1.0 / 6, 1.0 / 24, 1.0 / 120, 1.0 / 720,
                       1.0 / 5040, 1.0 / 40320, 1.0 / 362880});
  value = value * reinterpret(f64, (n + u64(1023)) << u64(52));
  Expr magnitude = cast(Halide::Float(32), value);

  // The special cases of C99, annex F.
  const float inf = std::numeric_limits<float>::infinity();
  Expr ax = absBits(x), ay = absBits(y);
  Expr yIsBig = ay >= u32(0x4b800000); // 2^24: even, or infinite
  Expr yInt = cast(Halide::Int(32), select(yIsBig, f32(0), y));
  Expr yIsInteger = yIsBig || cast(Halide::Float(32), yInt) == y;
  Expr yIsOdd = yIsInteger && !yIsBig && (yInt & 1) == 1;
  Expr negative = signBit(x) != u32(0);
  Expr yNegative = signBit(y) != u32(0);
  Expr edge = select((ax == u32(0)) == yNegative, f32(inf), f32(0.0f));
  magnitude = select(ax == u32(0) || ax == u32(0x7f800000), edge, magnitude);
  Expr yInfinite = ay == u32(0x7f800000);
  Expr grows = (ax > u32(0x3f800000)) == !yNegative;
  magnitude = select(yInfinite, select(grows, f32(inf), f32(0.0f)), magnitude);
  magnitude = select(yInfinite && ax == u32(0x3f800000), f32(1.0f), magnitude);
  Expr result =
      select(negative && yIsOdd, fromBits(bitsOf(magnitude) | u32(0x80000000)),
             magnitude);
  result =
      select(negative && !yIsInteger && ax != u32(0) && ax != u32(0x7f800000),
             fromBits(u32(0x7fc00000)), result);
  result = select(isNan(x) || isNan(y), fromBits(u32(0x7fc00000)), result);
  return select(ay == u32(0) || bitsOf(x) == u32(0x3f800000), f32(1.0f),
                result);
}

/// Of the same number twice, or of a NaN and a number: what maxps gives in both
/// orders. Fewer operations than a test for NaN, and a shorter chain of them.
static Expr unitedBits(const Expr &x, const Expr &y) {
  const Halide::Type bits = Halide::UInt(x.type().bits());
  return reinterpret(x.type(), reinterpret(bits, x) | reinterpret(bits, y));
}

Expr mathMax(const Expr &a, const Expr &b) {
  // One instruction on x86, whose maxps gives its second operand if either is
  // NaN: that settles the case of one constant operand.
  if (Halide::Internal::is_const(b))
    return select(b > a, b, a);
  if (Halide::Internal::is_const(a))
    return select(a > b, a, b);
  return unitedBits(select(a > b, a, b), select(b > a, b, a));
}

Expr mathMin(const Expr &a, const Expr &b) {
  if (Halide::Internal::is_const(b))
    return select(b < a, b, a);
  if (Halide::Internal::is_const(a))
    return select(a < b, a, b);
  return unitedBits(select(a < b, a, b), select(b < a, b, a));
}

} // namespace fm::codegen
