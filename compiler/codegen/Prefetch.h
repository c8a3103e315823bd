//===- Prefetch.h - Operands that a reduction fetches ahead ---------------===//
//
// What jumps to another place with each step of a reduction, such as the rows
// of a matrix, arrives late from L3: hardware follows streams and pages, not
// these. It is prefetched some steps before. Not where many tiles use it again,
// which find it in L2 and pay for each prefetch; not what belongs to a sample,
// which a kernel has just made; nor in parts of a reduction, whose ends would
// bring in the next part too early.
//
//===----------------------------------------------------------------------===//
#ifndef FM_COMPILER_CODEGEN_PREFETCH_H
#define FM_COMPILER_CODEGEN_PREFETCH_H

#include "compiler/codegen/Schedule.h"
#include "compiler/codegen/Strides.h"

namespace fm::codegen {

/// Steps of the innermost loop of `reducing`, some eighty cycles, between a
/// prefetch and its use; 0: the loop prefetches nothing.
int64_t stepsAhead(const NestChoice &choice, const Stage &reducing,
                   const MachineModel &machine);

/// Whether a load of a reduction of `nest` is worth it, in a loop that
/// prefetches.
bool isPrefetched(const KernelSpec &spec, const Nest &nest,
                  const Access &access, const MachineModel &machine);

/// Whether a tile of `nest` can prefetch what its epilogue reads. Not where all
/// loops around tiles are one parallel loop: Halide knows where a task is along
/// the first of them only, and each task would prefetch all rows, or columns,
/// of the operand. (A weight gradient of 384 x 1536 with
/// Adam: 3.4 ms, and 2.7 without; train step of such a network 1.04.)
bool prefetchesEpilogue(const Nest &nest);

} // namespace fm::codegen

#endif // FM_COMPILER_CODEGEN_PREFETCH_H
