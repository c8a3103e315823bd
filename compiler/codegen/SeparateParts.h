//===- SeparateParts.h - Parts of tensors as inputs of their own ----------===//
#ifndef FM_COMPILER_CODEGEN_SEPARATEPARTS_H
#define FM_COMPILER_CODEGEN_SEPARATEPARTS_H

#include <vector>

#include "compiler/codegen/KernelSpec.h"

namespace fm::codegen {

/// Of an operand of a reduction that is read in part, such as a slice, the
/// kernel gets that part; of one that is read in several parts which do not
/// overlap, each of them as an input of its own, so that one of them may be
/// wished for in another order. Returns, per input, the number of the one
/// given.
std::vector<unsigned> separateParts(KernelSpec &spec);

} // namespace fm::codegen

#endif // FM_COMPILER_CODEGEN_SEPARATEPARTS_H
