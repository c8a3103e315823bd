//===- HalideMath.h - Vectorised elementary functions ---------------------===//
//
// exp, log, tanh, sigmoid, erf and pow as Halide expressions that vectorise. In
// f32 they are made of polynomials, with at most 4 ulp over all arguments,
// infinities, NaN and denormals included (results of exp and sigmoid that would
// be denormal may be zero, as in a step); in f64 they call the C library's
// functions.
//
//===----------------------------------------------------------------------===//
#ifndef FM_COMPILER_CODEGEN_HALIDEMATH_H
#define FM_COMPILER_CODEGEN_HALIDEMATH_H

#include <Halide.h>

namespace fm::codegen {

Halide::Expr mathExp(const Halide::Expr &x);
Halide::Expr mathLog(const Halide::Expr &x);
Halide::Expr mathTanh(const Halide::Expr &x);
Halide::Expr mathSigmoid(const Halide::Expr &x);
Halide::Expr mathErf(const Halide::Expr &x);
Halide::Expr mathPow(const Halide::Expr &x, const Halide::Expr &y);

/// A NaN in either operand gives NaN. Halide's own max and min do not say.
Halide::Expr mathMax(const Halide::Expr &a, const Halide::Expr &b);
Halide::Expr mathMin(const Halide::Expr &a, const Halide::Expr &b);

} // namespace fm::codegen

#endif // FM_COMPILER_CODEGEN_HALIDEMATH_H
