//===- FusionGroups.h - Nodes that are to become kernels ------------------===//
#ifndef FM_PASSES_FUSIONGROUPS_H
#define FM_PASSES_FUSIONGROUPS_H

#include <set>
#include <vector>

#include "passes/FusionGraph.h"

namespace fm::passes {

struct FusionGroup {
  std::vector<int> members; ///< without copies
  int results;              ///< shape class of what it yields
  bool anchored = false;
  bool contraction = false;
  bool windowed = false; ///< a window follows its contraction
  bool dead = false;     ///< merged into another
  int weight = 0;        ///< of members and their copies
};

/// The kernels so far. No way leads out of a group and back into it.
class FusionGroups {
public:
  explicit FusionGroups(const FusionGraph &graph)
      : graph(graph), nodes(graph.nodes), inputs(graph.inputs),
        consumers(graph.consumers), groupOf(graph.nodes.size(), -1) {}

  const FusionGraph &graph;
  const std::vector<FusionNode> &nodes;
  const std::vector<std::vector<FusionNode::Edge>> &inputs;
  const std::vector<std::vector<int>> &consumers;
  std::vector<int> groupOf; ///< of a node; -1: of none, or of many as a copy
  std::vector<FusionGroup> groups;

  /// Whether a way leads from group `from` to group `to`, not counting a direct
  /// membership.
  bool reaches(int from, int to) const;
  /// v can join g if it reads g's results at its own place only, and if none of
  /// its other producers depends on g.
  bool joins(int v, int g) const;
  bool reads(int v, int g) const; ///< results of g
  int newGroup(int v);            ///< its number
  void add(int v, int g);
  /// A node leaves its group, of which nothing else depends on it.
  void leave(int w);
  /// Whether a kernel is no heavier than `maxKernelWeight` with these as well.
  bool hasRoom(int g, int v) const;
  bool hasRoom(int g, const std::set<int> &moved) const;
  /// Whether a node's result is in memory, `except` not asking for it.
  bool isStored(int v, int except) const;
};

} // namespace fm::passes

#endif // FM_PASSES_FUSIONGROUPS_H
