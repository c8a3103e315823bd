//===- JoinReductions.h - Reductions of the same points in one pass -------===//
//
// Two reductions over equal domains that read a tensor in common, such as the
// sums of dy and of dy * x in the adjoint of a normalisation, become one stage
// with two results: the tensor is read once.
//
//===----------------------------------------------------------------------===//
#ifndef FM_COMPILER_CODEGEN_JOINREDUCTIONS_H
#define FM_COMPILER_CODEGEN_JOINREDUCTIONS_H

#include "compiler/codegen/KernelSpec.h"

namespace fm::codegen {

/// The same kernel, with such reductions joined. Each result is computed by the
/// same operations in the same order as before.
KernelSpec joinReductions(KernelSpec spec);

} // namespace fm::codegen

#endif // FM_COMPILER_CODEGEN_JOINREDUCTIONS_H
