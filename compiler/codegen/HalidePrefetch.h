//===- HalidePrefetch.h - Prefetches of every line ------------------------===//
//
// Halide 14 fetches a region line by line, in a loop whose step it counts in
// bytes where the address is counted in elements: of f32 it fetches one line in
// four, and three that nobody asked for. This pass corrects the step.
//
//===----------------------------------------------------------------------===//
#ifndef FM_COMPILER_CODEGEN_HALIDEPREFETCH_H
#define FM_COMPILER_CODEGEN_HALIDEPREFETCH_H

#include <Halide.h>

#include <string>

namespace fm::codegen {

class PrefetchesOfLines : public Halide::Internal::IRMutator {
protected:
  using Halide::Internal::IRMutator::visit;
  Halide::Internal::Stmt visit(const Halide::Internal::For *op) override;
  Halide::Expr visit(const Halide::Internal::Call *op) override;

private:
  std::string lines; ///< the loop over the lines of a row, around this place
};

} // namespace fm::codegen

#endif // FM_COMPILER_CODEGEN_HALIDEPREFETCH_H
