//===- KeepRolled.h - Loops that unrolling makes slower -------------------===//
//
// A step of a tile of one vector a row multiplies each row's number, made a
// vector, with one vector of columns, and each of these products is the
// number's only use. Of two such steps in one piece of code, LLVM lets half of
// the sums take the registers of the numbers, which then are not enough: sums
// are stored and loaded again, each time waited for (docs/decisions.md).
//
//===----------------------------------------------------------------------===//
#ifndef FM_COMPILER_CODEGEN_KEEPROLLED_H
#define FM_COMPILER_CODEGEN_KEEPROLLED_H

#include "llvm/IR/PassManager.h"

namespace fm::codegen {

/// Forbids LLVM to unroll innermost loops of at least so many sums whose
/// numbers have one use each.
class KeepRolled : public llvm::PassInfoMixin<KeepRolled> {
public:
  explicit KeepRolled(unsigned leastSums) : leastSums(leastSums) {}
  llvm::PreservedAnalyses run(llvm::Function &function,
                              llvm::FunctionAnalysisManager &analyses);

private:
  unsigned leastSums;
};

} // namespace fm::codegen

#endif // FM_COMPILER_CODEGEN_KEEPROLLED_H
