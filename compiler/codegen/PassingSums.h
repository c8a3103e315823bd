//===- PassingSums.h - Sums taken where their terms are made --------------===//
//
// A convolution's result is wanted in memory, and so are the sums of its rows:
// a second pass would read it again. Instead each element, while it is in a
// register, is added to its row's sum:
//
//   stage y[n, h, w, c] = ...                       output y
//   stage s[n, h, c] = sum over w of f(y)           output s
//
// becomes
//
//   stage t[n, h, w, c] = (w > 0 ? s[n, h, c] : 0) + f(y)
//                                                   output s along (n, h, -, c)
//
// where output s has stride 0 along w and is in place of an input with the same
// memory. One loop nest writes y and s; its loop over w carries a sum and stays
// in order, other loops are tiled, vectorised and parallel as ever.
//
// f may read y[n, h, 0, c] besides (the shift of a variance): what is in memory
// already.
//
//===----------------------------------------------------------------------===//
#ifndef FM_COMPILER_CODEGEN_PASSINGSUMS_H
#define FM_COMPILER_CODEGEN_PASSINGSUMS_H

#include "compiler/codegen/KernelSpec.h"

namespace fm::codegen {

/// The same kernel, with such sums taken in passing. Terms along one dimension
/// are added in the same order as before, along several in that of the nest's
/// loops.
KernelSpec sumsInPassing(KernelSpec spec);

} // namespace fm::codegen

#endif // FM_COMPILER_CODEGEN_PASSINGSUMS_H
