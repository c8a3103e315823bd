//===- EstimateReciprocals.h - Roots and reciprocals without the divider --===//
//
// An optimizer's update divides by a root for every parameter. A core's one
// divider takes some ten cycles for a root of sixteen numbers, and as many for
// a quotient, while products wait (Adam beside the sums of an MLP's 784 x 512
// weights, Emerald Rapids, in C: sums alone 295 us, with the update 495, with
// what is made here 413; beside a busy neighbour 690 and 445). AVX-512 has
// estimates of 14 bits; one step of Newton's doubles them.
//
//===----------------------------------------------------------------------===//
#ifndef FM_COMPILER_CODEGEN_ESTIMATERECIPROCALS_H
#define FM_COMPILER_CODEGEN_ESTIMATERECIPROCALS_H

#include "llvm/IR/PassManager.h"

namespace fm::codegen {

/// In f32, each of
///   sqrt(x)      within 1 ulp,
///   1 / sqrt(x)  within 1.1 ulp,
///   1 / y        within 1 ulp,
///   x / y        within 2 ulp, where a root is a term or a factor of y,
/// from estimates (vrsqrt14ps, vrcp14ps) and products. Zeros, infinities and
/// NaNs come out as from the operations replaced; a reciprocal that is denormal
/// is zero, as everywhere in a step. So x / y is zero where y is greater than
/// 2^126, which a root itself never is: other quotients stay. One number has
/// the same result as sixteen at once. Needs AVX-512F and AVX-512VL.
class EstimateReciprocals : public llvm::PassInfoMixin<EstimateReciprocals> {
public:
  llvm::PreservedAnalyses run(llvm::Function &function,
                              llvm::FunctionAnalysisManager &analyses);
};

} // namespace fm::codegen

#endif // FM_COMPILER_CODEGEN_ESTIMATERECIPROCALS_H
