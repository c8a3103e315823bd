//===- IndexAnalysis.h - What the index expressions of a kernel do --------===//
//
// Intervals of integer expressions (which memory a stage reads, whether 32 bits
// are enough) and concrete addresses (how far apart two iterations of a loop
// read). Pure functions of a KernelSpec, without Halide.
//
//===----------------------------------------------------------------------===//
#ifndef FM_COMPILER_CODEGEN_INDEXANALYSIS_H
#define FM_COMPILER_CODEGEN_INDEXANALYSIS_H

#include <functional>
#include <optional>
#include <unordered_map>
#include <vector>

#include "compiler/codegen/KernelSpec.h"

namespace fm::codegen {

/// Closed interval; `known == false` stands for "any value of the type".
struct Interval {
  int64_t low = 0, high = -1;
  bool known = false;
  static Interval of(int64_t low, int64_t high) { return {low, high, true}; }
  int64_t extent() const { return high - low + 1; }
  bool fits32() const;
};
Interval unite(const Interval &a, const Interval &b);
/// One interval per dimension.
using Box = std::vector<Interval>;

/// Largest number of samples that a kernel can be called with (1 if its shapes
/// do not depend on n), or how many strips it has.
int64_t samplesBound(const KernelSpec &spec);

/// Interval of an integer expression, given the intervals of the loop indices.
class RangeAnalysis {
public:
  /// `samples`: a kernel's bound.
  RangeAnalysis(Box indices, int64_t samples)
      : indices(std::move(indices)), samples(samples) {}
  Interval range(const Expr &e);

private:
  Box indices;
  int64_t samples;
  std::unordered_map<const Expr *, Interval> known;
  Interval compute(const Expr &e);
};

/// All values that the loop indices of `stage` take: domain, then reduction.
Box fullBox(const Stage &stage);

/// Calls `visit` for every Load reachable from `e` (each node once).
void forEachLoad(const Expr &e, const std::function<void(const Expr &)> &visit);

/// Value of an integer expression at one point; nothing if it reads memory.
std::optional<int64_t>
evaluate(const Expr &e, const std::vector<int64_t> &indices, int64_t samples);

/// Offset of an element in its buffer, in elements.
int64_t offsetOf(const Buffer &buffer, const std::vector<int64_t> &index);

/// True if `load` reads its tensor at exactly the reading stage's own domain
/// index: Index(0), Index(1), ...
bool isIdentity(const Expr &load, const Stage &reader,
                const std::vector<Extent> &read);

/// True if the expression contains a function that costs more than a load.
bool isExpensive(const Expr &e);
/// Floating point operations in one evaluation (nodes, each once).
int64_t countOperations(const Expr &e);

} // namespace fm::codegen

#endif // FM_COMPILER_CODEGEN_INDEXANALYSIS_H
