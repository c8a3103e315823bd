//===- Partition.h - Which ops run together as one kernel -----------------===//
//
// Pure C++, without MLIR: a graph of ops in topological order, described by
// what fusion needs to know, is partitioned into kernels. A kernel has at most
// one anchor (a contraction, a window, or reductions of the same points), what
// is computed before it per element (prologue) and after it per result
// (epilogue), and sums of the rows of that.
//
//===----------------------------------------------------------------------===//
#ifndef FM_PASSES_PARTITION_H
#define FM_PASSES_PARTITION_H

#include <cstdint>
#include <vector>

namespace fm::passes {

struct FusionNode {
  enum class Kind : uint8_t { Pointwise, Contraction, Window, Reduction };
  /// Whether a copy of the op in each consumer is cheaper than its result in
  /// memory: never, in all but contractions, always (a mere change of indices).
  enum class Copy : uint8_t { Never, Cheap, Free };

  /// How a consumer reads a producer's result.
  enum class Access : uint8_t {
    Identity, ///< the element at its own loop indices
    Row,      ///< the same, but for some dimensions where it is the first one
    Reduced,  ///< the same, but for the innermost dimensions, which it lacks
    Other,    ///< anything else, through views as well
  };
  struct Edge {
    int producer; ///< an earlier node
    Access access;
  };

  Kind kind = Kind::Pointwise;
  Copy copy = Copy::Never;
  int weight = 1; ///< what it adds to the compile time of a kernel
  /// Nodes with equal numbers have equal shapes: of the loops, of the results.
  int loops = 0;
  int results = 0;
  bool scalar = false;   ///< its result is one number
  bool returned = false; ///< its result leaves the function
  bool together = false; ///< computed in tiles of its own, never in a reduction's loops
  /// Sums along loops that are neither the outermost nor the innermost one: each
  /// result belongs to one task of the kernel that computes what is summed.
  bool sumsRows = false;
  /// Reduces the innermost loop, of a row that scratch has room for.
  bool reducesRow = false;
  bool apart = false;    ///< a kernel of its own, which holds no copies
  std::vector<Edge> inputs;
};

/// Compile time grows with more than the square of a kernel's size: a long
/// chain of ops becomes several kernels, of this weight at most but for what an
/// anchor takes in. No kernel of a usual network comes near it.
constexpr int maxKernelWeight = 256;
/// And so much of it may be copied into each consumer.
constexpr int maxCopiedWeight = 256;

struct Partition {
  /// Kernels in a valid order; each lists its nodes in topological order. A
  /// node that is copied stands in several.
  std::vector<std::vector<int>> kernels;
  std::vector<bool> copied; ///< a node: whether every consumer has its own copy
};

/// `mustPrecede`: pairs (reader, writer) of nodes: the reader's kernel has to
/// run before the writer's. Pairs that cannot be honoured are returned in
/// `violated`.
Partition partition(const std::vector<FusionNode> &nodes, bool fuse,
                    const std::vector<std::pair<int, int>> &mustPrecede,
                    std::vector<std::pair<int, int>> &violated);

} // namespace fm::passes

#endif // FM_PASSES_PARTITION_H
