//===- InterleaveChains.h - Long chains of a few vectors side by side -----===//
//
// The end of a tile computes the same long formula for one vector after the
// other: a sigmoid is a chain of twenty dependent operations of four cycles. A
// core looks ahead some hundred operations, about four such chains, and takes
// as long as they last. Where the operations of a few vectors alternate, it
// finds independent ones next to each other, and a constant is loaded once for
// all (AVX2, Zen 3, in C: the adjoint of a silu 5.5 -> 4.8 ns a vector).
//
//===----------------------------------------------------------------------===//
#ifndef FM_COMPILER_CODEGEN_INTERLEAVECHAINS_H
#define FM_COMPILER_CODEGEN_INTERLEAVECHAINS_H

#include "llvm/IR/PassManager.h"

namespace fm::codegen {

/// In each block of straight code, the operations of up to `most` vectors that
/// are stored with the same long formula, one after the other, alternate. Where
/// only the formulas' ends stand so, behind sums of an unrolled reduction that
/// alternate already, the ends do. Of formulas that are two chains already,
/// half as many vectors do: values of a function and its derivative would not
/// fit into the registers. Values are the same; accesses that may be of the
/// same memory keep their order.
class InterleaveChains : public llvm::PassInfoMixin<InterleaveChains> {
public:
  explicit InterleaveChains(int most) : most(most) {}
  llvm::PreservedAnalyses run(llvm::Function &function,
                              llvm::FunctionAnalysisManager &analyses);

private:
  int most;
};

} // namespace fm::codegen

#endif // FM_COMPILER_CODEGEN_INTERLEAVECHAINS_H
