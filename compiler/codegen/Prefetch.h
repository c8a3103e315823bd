//===- Prefetch.h - Operands that a reduction fetches ahead ---------------===//
//
// What jumps to another place with each step of a reduction, such as the rows
// of a matrix, arrives late from L3: hardware follows streams and pages, not
// these. It is prefetched some steps before. Not where many tiles use it again,
// which find it in L2 and pay for each prefetch; not what belongs to a sample,
// which a kernel has just made; nor in parts of a reduction, whose ends would
// bring in the next part too early; nor what moves on by one line, as panels of
// weights do, which is a stream.
//
//===----------------------------------------------------------------------===//
#ifndef FM_COMPILER_CODEGEN_PREFETCH_H
#define FM_COMPILER_CODEGEN_PREFETCH_H

#include <vector>

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

/// Whether a tile of `nest` with `choice` can prefetch what its epilogue reads.
/// Not where all loops around tiles are one parallel loop: Halide knows where a
/// task is along the first of them only, and each task would prefetch all rows,
/// or columns, of the operand. (A weight gradient of 384 x 1536 with Adam: 3.4
/// ms, and 2.7 without; train step of such a network 1.04.)
bool prefetchesEpilogue(const Nest &nest, const NestChoice &choice,
                        int parallelLoops);

/// What is read again and again while a loop stands still: the tiles inside of
/// it, "passes", all walk through the same rows, and when it moves on, other
/// rows come from far away, in one pass, which waits for each of them. So each
/// pass prefetches a share of every row that the loop will want next; where
/// there are more passes than lines in a row, a few share a line, each of them
/// in its share of the rows.
struct NextRows {
  struct Operand {
    int input = 0;
    int64_t lines = 0; ///< of 64 bytes, of a row
    int64_t step = 0;  ///< elements from one row to the next
  };
  std::vector<Operand> operands;
  /// The loop that moves on: a position among the outer loops of the nest, or,
  /// with `inReduction`, of the reduction's: there, blocks go through parts.
  int position = -1;
  bool inReduction = false;
  std::vector<int> passes;   ///< loops of the nest, outermost first
  int64_t linesPerPass = 1;  ///< that a pass prefetches in each step, or:
  int64_t passesPerLine = 1; ///< that take turns, a step each
};

/// Without operands where it does not pay.
NextRows nextRowsOf(const KernelSpec &spec, const Group &group,
                    const Nest &nest, unsigned reduction,
                    const MachineModel &machine);

} // namespace fm::codegen

#endif // FM_COMPILER_CODEGEN_PREFETCH_H
