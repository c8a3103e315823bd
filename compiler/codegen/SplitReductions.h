//===- SplitReductions.h - Reductions along the contiguous dimension ------===//
//
// A sum or maximum over the very dimension that is contiguous in memory leaves
// no loop to vectorise but its own. Such a stage is rewritten into partial
// reductions, one a vector lane, and a balanced tree over the lanes. The order
// depends on shapes alone, never on threads or on n.
//
//===----------------------------------------------------------------------===//
#ifndef FM_COMPILER_CODEGEN_SPLITREDUCTIONS_H
#define FM_COMPILER_CODEGEN_SPLITREDUCTIONS_H

#include "compiler/codegen/KernelSpec.h"
#include "compiler/codegen/Target.h"

namespace fm::codegen {

/// The same kernel with such reductions split; the tree of a partial reduction
/// of R elements over W lanes rounds like R/W + log2 W additions in a row.
KernelSpec splitReductions(const KernelSpec &spec, const MachineModel &machine);

/// What planKernel wants to see of a kernel: short loops merged, reductions
/// joined, split, taken in passing, and a constant for n where that can only
/// be 1.
KernelSpec scheduledForm(const KernelSpec &spec, const MachineModel &machine);

} // namespace fm::codegen

#endif // FM_COMPILER_CODEGEN_SPLITREDUCTIONS_H
