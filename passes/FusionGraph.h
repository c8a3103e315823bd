//===- FusionGraph.h - Ops as fusion sees them, through copies ------------===//
#ifndef FM_PASSES_FUSIONGRAPH_H
#define FM_PASSES_FUSIONGRAPH_H

#include <set>
#include <vector>

#include "passes/Partition.h"

namespace fm::passes {

/// Nodes, those of which every consumer gets its own copy, and who reads what
/// once these copies are where they are read.
struct FusionGraph {
  /// Without `fuse` nothing is copied.
  FusionGraph(const std::vector<FusionNode> &nodes, bool fuse);

  const std::vector<FusionNode> &nodes;
  std::vector<bool> copied; ///< whether every consumer gets its own copy
  std::vector<int> carried; ///< weight that a node brings along
  // As seen through copies, each way of reading once:
  std::vector<std::vector<FusionNode::Edge>> inputs;
  std::vector<std::vector<int>> consumers;

  /// Adds v and the copies that it reads.
  void addWithCopies(int v, std::set<int> &members) const;

private:
  /// Which nodes every consumer gets its own copy of.
  void findCopied(bool fuse);
  /// What a node brings along into a kernel: itself and the copies it reads.
  void limitCopied();
  /// Producers and consumers as seen through copies, each way of reading once.
  void findInputs();
};

} // namespace fm::passes

#endif // FM_PASSES_FUSIONGRAPH_H
