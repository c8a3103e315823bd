//===- HalideStrict.h - Floating point that keeps its meaning -------------===//
//
// Halide rewrites arithmetic as if floats were reals without NaNs. Its target
// feature `strict_float` forbids that by a mark around every float, inside of
// which nothing is simplified: not even a selection whose condition has become
// a constant, as those have that tell the rows of an unrolled transform apart.
// Instead, operations of floats pass through Halide as calls of functions that
// it does not know, and become operations again when it is done.
//
//===----------------------------------------------------------------------===//
#ifndef FM_COMPILER_CODEGEN_HALIDESTRICT_H
#define FM_COMPILER_CODEGEN_HALIDESTRICT_H

#include <Halide.h>

namespace fm::codegen {

/// `value` with a call in place of each sum, difference, product, quotient and
/// comparison of floats. Selections, loads, conversions and constants, of which
/// nothing can be lost, stay open to Halide. Linear in the number of different
/// nodes.
Halide::Expr hideFloats(const Halide::Expr &value);

/// Lowering pass, to be run last: puts the operations back and marks the values
/// that hold them, so that LLVM gets no licence to rewrite them either.
class RestoreFloats : public Halide::Internal::IRMutator {
protected:
  using Halide::Internal::IRMutator::visit;
  Halide::Expr visit(const Halide::Internal::Call *op) override;
  Halide::Internal::Stmt visit(const Halide::Internal::Store *op) override;
  Halide::Internal::Stmt visit(const Halide::Internal::LetStmt *op) override;
};

} // namespace fm::codegen

#endif // FM_COMPILER_CODEGEN_HALIDESTRICT_H
