//===- HalidePrefetch.h - Prefetches that Halide has not ------------------===//
//
// Halide 14 fetches a region line by line, in a loop whose step it counts in
// bytes where the address is counted in elements: of f32 it fetches one line in
// four, and three that nobody asked for. One pass corrects the step, the other
// adds prefetches for which Halide has no directive.
//
//===----------------------------------------------------------------------===//
#ifndef FM_COMPILER_CODEGEN_HALIDEPREFETCH_H
#define FM_COMPILER_CODEGEN_HALIDEPREFETCH_H

#include <Halide.h>

#include <string>
#include <vector>

namespace fm::codegen {

class PrefetchesOfLines : public Halide::Internal::IRMutator {
protected:
  using Halide::Internal::IRMutator::visit;
  Halide::Internal::Stmt visit(const Halide::Internal::For *op) override;
  Halide::Expr visit(const Halide::Internal::Call *op) override;

private:
  std::string lines; ///< the loop over the lines of a row, around this place
};

/// Where rows are prefetched that a reduction will want next (Prefetch.h), in
/// names of Halide's: of Funcs and buffers, and of the variables that loops end
/// in.
struct RowsAhead {
  struct Operand {
    std::string buffer;
    int lines = 0; ///< of 64 bytes, of a row
    int step = 0;  ///< elements from one row to the next
  };
  std::vector<Operand> operands;
  std::string accumulator;
  std::vector<std::string> passes; ///< outermost first
  std::string moving;              ///< the loop that moves on
  std::string around;    ///< moves on where that one has ended; empty: none
  int linesPerPass = 1;  ///< in each step of the reduction
  int passesPerLine = 1; ///< or so many take turns; divides `steps`
  int steps = 1;         ///< in one iteration of the innermost loop
};

/// Adds the prefetches.
class PrefetchesOfRows : public Halide::Internal::IRMutator {
public:
  explicit PrefetchesOfRows(std::vector<RowsAhead> rows)
      : rows(std::move(rows)) {}

protected:
  using Halide::Internal::IRMutator::visit;
  Halide::Internal::Stmt visit(const Halide::Internal::For *op) override;
  Halide::Internal::Stmt visit(const Halide::Internal::LetStmt *op) override;

private:
  std::vector<RowsAhead> rows;
  std::vector<const Halide::Internal::For *> loops;     ///< around this place
  std::vector<const Halide::Internal::LetStmt *> named; ///< likewise

  /// A row that the loop will want next.
  struct Row {
    const RowsAhead::Operand &operand;
    Halide::Expr first; ///< index of the innermost loop's first one
    Halide::Type type;
  };
  const Halide::Internal::For *loopOf(const std::string &variable) const;
  /// Empty where they are not known. `passesLeft`: behind the pass here.
  std::vector<Row> nextRows(const RowsAhead &ahead,
                            const Halide::Internal::For *innermost,
                            Halide::Expr &passesLeft) const;
  Halide::Internal::Stmt
  prefetchIn(const RowsAhead &ahead,
             const Halide::Internal::For *innermost) const;
};

} // namespace fm::codegen

#endif // FM_COMPILER_CODEGEN_HALIDEPREFETCH_H
