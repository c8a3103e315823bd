//===- MergeLoops.h - Two loops over contiguous memory as one -------------===//
//
// A loop over three channels inside of one over pixels fills no vector, though
// both together walk through memory without a gap. Where everything in a kernel
// that the two index lies like that, they become one: of an image of 47 x 3, a
// row of 141. So do the places of a window's row and their channels, and the
// pixels of a small image where a layer sees each by itself.
//
//===----------------------------------------------------------------------===//
#ifndef FM_COMPILER_CODEGEN_MERGELOOPS_H
#define FM_COMPILER_CODEGEN_MERGELOOPS_H

#include "compiler/codegen/KernelSpec.h"

namespace fm::codegen {

/// The same kernel with short loops, or last ones that are no whole number of
/// vectors, merged into the loop around them. Each result is computed by the
/// same operations in the same order as before.
KernelSpec mergeLoops(KernelSpec spec);

} // namespace fm::codegen

#endif // FM_COMPILER_CODEGEN_MERGELOOPS_H
