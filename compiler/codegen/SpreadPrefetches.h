//===- SpreadPrefetches.h - Prefetches between the arithmetic -------------===//
//
// Of a loop's unrolled steps, LLVM collects the prefetches at the loop's
// beginning, where they gain nothing. Between the operations, one a step, they
// do (docs/decisions.md).
//
//===----------------------------------------------------------------------===//
#ifndef FM_COMPILER_CODEGEN_SPREADPREFETCHES_H
#define FM_COMPILER_CODEGEN_SPREADPREFETCHES_H

#include "llvm/IR/PassManager.h"

namespace fm::codegen {

/// Moves the prefetches of each innermost loop apart, evenly over its body.
class SpreadPrefetches : public llvm::PassInfoMixin<SpreadPrefetches> {
public:
  llvm::PreservedAnalyses run(llvm::Function &function,
                              llvm::FunctionAnalysisManager &analyses);
};

} // namespace fm::codegen

#endif // FM_COMPILER_CODEGEN_SPREADPREFETCHES_H
