//===- FusionGraph.cpp - Ops as fusion sees them, through copies ----------===//
#include "passes/FusionGraph.h"

#include <algorithm>

namespace fm::passes {

using Kind = FusionNode::Kind;
using Copy = FusionNode::Copy;
using Access = FusionNode::Access;

FusionGraph::FusionGraph(const std::vector<FusionNode> &nodes, bool fuse)
    : nodes(nodes), copied(nodes.size()), carried(nodes.size()),
      inputs(nodes.size()), consumers(nodes.size()) {
  findCopied(fuse);
  limitCopied();
  findInputs();
}

void FusionGraph::findCopied(bool fuse) {
  std::vector<std::vector<int>> readers(nodes.size());
  for (int v = 0; v < int(nodes.size()); ++v)
    for (const auto &edge : nodes[v].inputs)
      readers[edge.producer].push_back(v);
  for (int v = int(nodes.size()) - 1; v >= 0; --v) {
    const FusionNode &node = nodes[v];
    if (!fuse || node.returned || node.apart || node.copy == Copy::Never ||
        readers[v].empty())
      continue;
    copied[v] = std::none_of(readers[v].begin(), readers[v].end(), [&](int c) {
      if (nodes[c].apart)
        return true;
      return node.copy != Copy::Free &&
             (nodes[c].kind == Kind::Contraction ||
              // A copied consumer may itself end up in a contraction.
              (nodes[c].copy == Copy::Free && copied[c]));
    });
  }
}

void FusionGraph::limitCopied() {
  for (int v = 0; v < int(nodes.size()); ++v) {
    carried[v] = nodes[v].weight;
    std::set<int> counted;
    for (const auto &edge : nodes[v].inputs)
      if (copied[edge.producer] && counted.insert(edge.producer).second)
        carried[v] += carried[edge.producer];
    copied[v] = copied[v] && carried[v] <= maxCopiedWeight;
  }
}

/// How the consumer of a copy reads what the copy reads.
static Access composed(Access outer, Access inner) {
  if (outer == Access::Identity)
    return inner;
  if (outer == Access::Reduced && inner == Access::Identity)
    return Access::Reduced;
  if (outer == Access::Row && inner == Access::Reduced)
    return Access::Reduced;
  return outer == Access::Row && inner != Access::Other ? Access::Row
                                                        : Access::Other;
}

void FusionGraph::findInputs() {
  for (int v = 0; v < int(nodes.size()); ++v) {
    auto add = [&](int producer, Access access) {
      for (const auto &known : inputs[v])
        if (known.producer == producer && known.access == access)
          return;
      inputs[v].push_back({producer, access});
    };
    for (const auto &edge : nodes[v].inputs) {
      if (!copied[edge.producer])
        add(edge.producer, edge.access);
      else
        for (const auto &inner : inputs[edge.producer])
          add(inner.producer, composed(edge.access, inner.access));
    }
    if (!copied[v])
      for (const auto &edge : inputs[v])
        if (consumers[edge.producer].empty() ||
            consumers[edge.producer].back() != v)
          consumers[edge.producer].push_back(v);
  }
  // The consumers of copies, for what must precede them.
  for (int v = int(nodes.size()) - 1; v >= 0; --v)
    for (const auto &edge : nodes[v].inputs) {
      if (!copied[edge.producer])
        continue;
      auto &list = consumers[edge.producer];
      if (copied[v])
        list.insert(list.end(), consumers[v].begin(), consumers[v].end());
      else
        list.push_back(v);
      std::sort(list.begin(), list.end());
      list.erase(std::unique(list.begin(), list.end()), list.end());
    }
}

void FusionGraph::addWithCopies(int v, std::set<int> &members) const {
  if (!members.insert(v).second)
    return;
  for (const auto &edge : nodes[v].inputs)
    if (copied[edge.producer])
      addWithCopies(edge.producer, members);
}

} // namespace fm::passes
