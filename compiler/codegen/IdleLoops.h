//===- IdleLoops.h - Reductions over what does not change -----------------===//
//
// The gradient of a sum along which an operand was broadcast adds up one number
// again and again: a loop of which its body knows nothing.
//
//===----------------------------------------------------------------------===//
#ifndef FM_COMPILER_CODEGEN_IDLELOOPS_H
#define FM_COMPILER_CODEGEN_IDLELOOPS_H

#include "compiler/codegen/KernelSpec.h"

namespace fm::codegen {

/// The same kernel, in which each loop of a reduction is one that its elements
/// depend on: a sum is that of elements times the others' steps, a minimum or
/// maximum needs none of them. Where several loops are left, sums keep their
/// order.
KernelSpec withoutIdleLoops(KernelSpec spec);

} // namespace fm::codegen

#endif // FM_COMPILER_CODEGEN_IDLELOOPS_H
