//===- HalideExpr.h - Expressions of a kernel as Halide expressions -------===//
//
// Translates expression trees. Index arithmetic runs in 32 bits where intervals
// prove that it may, everything else that is i64 in 64 bits, wrapping. Reads of
// inlined stages are translated in place, so that one load knows its whole
// index.
//
//===----------------------------------------------------------------------===//
#ifndef FM_COMPILER_CODEGEN_HALIDEEXPR_H
#define FM_COMPILER_CODEGEN_HALIDEEXPR_H

#include <Halide.h>

#include <functional>
#include <map>
#include <memory>
#include <tuple>
#include <unordered_map>
#include <vector>

#include "compiler/codegen/IndexAnalysis.h"
#include "compiler/codegen/KernelSpec.h"

namespace fm::codegen {

Halide::Type halideType(ScalarType type);
/// In memory: I1 is a byte.
Halide::Type halideStorageType(ScalarType type);

/// Where an expression is evaluated.
struct Site {
  unsigned stage = 0;
  /// Loop indices of the stage, i32. `index` never leaves the domain; `raw` may
  /// do so by less than a vector, at the end of a vectorised loop.
  std::vector<Halide::Expr> index, raw;
  std::vector<Halide::Expr> accumulators; ///< in an update
  std::vector<Halide::Expr> nestPoint;    ///< loop variables of the nest
};

class Translator {
public:
  /// Reads a stage that is not inlined.
  using StageReader = std::function<Halide::Expr(
      unsigned stage, unsigned result, const std::vector<Halide::Expr> &index,
      const Site &site)>;

  Translator(const KernelSpec &spec, std::vector<Halide::ImageParam> &inputs,
             Halide::Expr samples,
             std::function<bool(unsigned, unsigned)> isInlined,
             StageReader readStage);

  /// Value of `e` in the type that results are stored in.
  Halide::Expr stored(const ExprRef &e, const Site &site);
  /// Value of a stage's result at a point (any stage).
  Halide::Expr read(unsigned stage, unsigned result,
                    const std::vector<Halide::Expr> &index,
                    const std::vector<Halide::Expr> &raw, const Site &from);

  /// Index of a physical dimension, from a logical index.
  static Halide::Expr physical(const PhysicalDim &dim,
                               const Halide::Expr &logical);

private:
  using Memo = std::unordered_map<const Expr *, Halide::Expr>;

  const KernelSpec &spec;
  std::vector<Halide::ImageParam> &inputs;
  Halide::Expr samples;
  std::function<bool(unsigned, unsigned)> isInlined;
  StageReader readStage;
  std::vector<std::unique_ptr<RangeAnalysis>> ranges; ///< per stage
  std::vector<std::unordered_map<const Expr *, bool>> narrow;
  /// Inlined results, by stage, result and the nodes of their indices.
  std::map<std::tuple<unsigned, unsigned, std::vector<const void *>>,
           Halide::Expr>
      inlined;
  std::vector<Halide::Expr> keepAlive;

  bool isNarrow(const Expr &e, unsigned stage);
  Halide::Expr translate(const Expr &e, const Site &site, Memo &memo);
  Halide::Expr integer(const Expr &e, const Site &site, Memo &memo);
  Halide::Expr load(const Expr &e, const Site &site, Memo &memo);
  Halide::Expr cast(const Expr &e, const Site &site, Memo &memo);
  Halide::Expr coordinate(const Expr &e, const Site &site, Memo &memo,
                          int64_t extent);
};

} // namespace fm::codegen

#endif // FM_COMPILER_CODEGEN_HALIDEEXPR_H
