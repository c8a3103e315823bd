//===- HalideNests.h - Nests as Halide's Funcs, and their schedules -------===//
#ifndef FM_COMPILER_CODEGEN_HALIDENESTS_H
#define FM_COMPILER_CODEGEN_HALIDENESTS_H

#include <vector>

#include <Halide.h>

#include "compiler/codegen/HalidePrefetch.h"
#include "compiler/codegen/Schedule.h"

namespace fm::codegen {

/// The Halide side of one nest.
struct BuiltNest {
  Halide::Func func;
  std::vector<Halide::Var> vars; ///< per loop, outermost first
  std::vector<Halide::Func> accumulators;
  std::vector<Halide::RDom> domains;
  std::vector<Halide::Var> outer; ///< per position of the nest's order
  std::vector<RowsAhead> ahead;   ///< what it prefetches besides

  /// Reduction loop number r of accumulator number i, counted from the
  /// outermost.
  Halide::RVar reductionVar(size_t i, size_t r) const {
    return domains[i][domains[i].dimensions() - 1 - r];
  }
};

inline Halide::Expr extentOf(const Extent &extent,
                             const Halide::Param<int> &samples) {
  return extent.isSamples ? Halide::Expr(samples)
                          : Halide::Expr(static_cast<int>(extent.size));
}

/// Applies the choice of each nest of the plan to its Func: tiles, vectors,
/// blocks, parallel loops, prefetches, and where scratch is computed. `built`:
/// per group and nest.
void scheduleNests(const KernelSpec &spec, const Plan &plan,
                   const MachineModel &machine,
                   const Halide::Param<int> &samples,
                   const std::vector<Halide::ImageParam> &inputs,
                   std::vector<std::vector<BuiltNest>> &built);

} // namespace fm::codegen

#endif // FM_COMPILER_CODEGEN_HALIDENESTS_H
