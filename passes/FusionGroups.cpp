//===- FusionGroups.cpp - Nodes that are to become kernels ----------------===//
#include "passes/FusionGroups.h"

#include <algorithm>

namespace fm::passes {

using Kind = FusionNode::Kind;
using Access = FusionNode::Access;

bool FusionGroups::reaches(int from, int to) const {
  std::set<int> seen;
  std::vector<int> work = {from};
  while (!work.empty()) {
    int g = work.back();
    work.pop_back();
    for (int v : groups[g].members)
      for (int c : consumers[v]) {
        int next = groupOf[c];
        if (next < 0 || next == g || !seen.insert(next).second)
          continue;
        if (next == to)
          return true;
        work.push_back(next);
      }
  }
  return false;
}

bool FusionGroups::joins(int v, int g) const {
  return std::all_of(inputs[v].begin(), inputs[v].end(), [&](const auto &edge) {
    int other = groupOf[edge.producer];
    return other == g ? edge.access == Access::Identity : !reaches(g, other);
  });
}

bool FusionGroups::reads(int v, int g) const {
  return std::any_of(inputs[v].begin(), inputs[v].end(), [&](const auto &edge) {
    return groupOf[edge.producer] == g;
  });
}

int FusionGroups::newGroup(int v) {
  const FusionNode &node = nodes[v];
  groups.push_back({{v},
                    node.results,
                    node.kind != Kind::Pointwise,
                    node.kind == Kind::Contraction});
  groups.back().weight = graph.carried[v];
  return groupOf[v] = int(groups.size()) - 1;
}

void FusionGroups::add(int v, int g) {
  groups[g].members.push_back(v);
  groups[g].weight += graph.carried[v];
  groupOf[v] = g;
}

void FusionGroups::leave(int w) {
  FusionGroup &group = groups[groupOf[w]];
  group.members.erase(std::find(group.members.begin(), group.members.end(), w));
  group.weight -= graph.carried[w];
  group.dead = group.members.empty();
}

bool FusionGroups::hasRoom(int g, int v) const {
  return groups[g].weight + graph.carried[v] <= maxKernelWeight;
}

bool FusionGroups::hasRoom(int g, const std::set<int> &moved) const {
  int weight = groups[g].weight;
  for (int w : moved)
    weight += graph.carried[w];
  return weight <= maxKernelWeight;
}

bool FusionGroups::isStored(int v, int except) const {
  return nodes[v].returned ||
         std::any_of(consumers[v].begin(), consumers[v].end(), [&](int c) {
           return c != except && groupOf[c] != groupOf[v];
         });
}

} // namespace fm::passes
