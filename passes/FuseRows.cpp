//===- FuseRows.cpp - Kernels that go row by row --------------------------===//
#include "passes/FuseRows.h"

#include <algorithm>

namespace fm::passes {

namespace {

using Kind = FusionNode::Kind;
using Access = FusionNode::Access;

class RowFusion {
public:
  explicit RowFusion(FusionGroups &all)
      : all(all), nodes(all.nodes), inputs(all.inputs),
        consumers(all.consumers), groupOf(all.groupOf), groups(all.groups) {}

  void run(int g) {
    const int row = groups[g].results;
    if (groups[g].dead || groups[g].anchored || !isOfRows(g, row))
      return;
    std::set<int> merged = {g};
    for (std::vector<int> work = {g}; !work.empty();) {
      const int next = work.back();
      work.pop_back();
      for (int v : groups[next].members)
        for (const auto &edge : inputs[v]) {
          const int p = groupOf[edge.producer];
          if (!merged.count(p) && isOfRows(p, row) && merged.insert(p).second)
            work.push_back(p);
        }
    }
    for (bool changed = reducesRows(merged); changed;) {
      changed = false;
      for (int p : std::vector<int>(merged.begin(), merged.end()))
        if (p != g &&
            (leavesOtherRows(p, row, merged) ||
             isReadElsewhere(p, row, merged) || comesBack(p, merged))) {
          merged.erase(p);
          changed = true;
        }
    }
    int weight = 0;
    for (int p : merged)
      weight += groups[p].weight;
    if (!reducesRows(merged) || weight > maxKernelWeight)
      return;
    for (int p : merged)
      if (p != g) {
        for (int v : std::vector<int>(groups[p].members)) {
          all.leave(v);
          all.add(v, g);
        }
      }
    groups[g].anchored = true;
  }

private:
  bool reducesRows(const std::set<int> &merged) const {
    return std::any_of(merged.begin(), merged.end(), [&](int p) {
      return std::any_of(groups[p].members.begin(), groups[p].members.end(),
                         [&](int v) { return nodes[v].reducesRow; });
    });
  }

  bool isApart(int g) const {
    return std::any_of(
        groups[g].members.begin(), groups[g].members.end(),
        [&](int v) { return nodes[v].apart || nodes[v].together; });
  }

  /// Whether all that a group does is elements of rows, or one for each row.
  bool isOfRows(int g, int row) const {
    return !isApart(g) && !groups[g].contraction &&
           std::all_of(groups[g].members.begin(), groups[g].members.end(),
                       [&](int v) {
                         return nodes[v].kind == Kind::Pointwise ||
                                (nodes[v].reducesRow && nodes[v].loops == row);
                       });
  }

  /// Whether others read what group p has computed, and it is no element of a
  /// row.
  bool leavesOtherRows(int p, int row, const std::set<int> &merged) const {
    return std::any_of(
        groups[p].members.begin(), groups[p].members.end(), [&](int v) {
          return nodes[v].results != row &&
                 (nodes[v].returned ||
                  std::any_of(
                      consumers[v].begin(), consumers[v].end(),
                      [&](int c) { return merged.count(groupOf[c]) == 0; }));
        });
  }

  /// Whether some group reads of p what is not of the row that it computes.
  bool isReadElsewhere(int p, int row, const std::set<int> &merged) const {
    return std::any_of(
        groups[p].members.begin(), groups[p].members.end(), [&](int u) {
          return std::any_of(
              consumers[u].begin(), consumers[u].end(), [&](int v) {
                return merged.count(groupOf[v]) &&
                       std::any_of(inputs[v].begin(), inputs[v].end(),
                                   [&](const auto &edge) {
                                     return edge.producer == u &&
                                            !staysInRow(v, edge, row);
                                   });
              });
        });
  }

  /// Whether v reads the row it computes, through `edge`.
  bool staysInRow(int v, const FusionNode::Edge &edge, int row) const {
    const FusionNode &from = nodes[edge.producer];
    switch (edge.access) {
    case Access::Identity:
      return (nodes[v].kind == Kind::Pointwise
                  ? nodes[v].results
                  : nodes[v].loops) == from.results;
    case Access::Reduced:
      return from.reducesRow;
    case Access::Row:
      return from.kind == Kind::Pointwise && from.results != row;
    case Access::Other:
      return false;
    }
    return false;
  }

  /// Whether a way leads from group p out of some groups and back.
  bool comesBack(int p, const std::set<int> &merged) const {
    std::set<int> seen;
    std::vector<int> work;
    auto visit = [&](int from, bool inside) {
      for (int v : groups[from].members)
        for (int c : consumers[v]) {
          const int next = groupOf[c];
          if (next < 0 || next == from)
            continue;
          if (merged.count(next)) {
            if (!inside)
              return true;
          } else if (seen.insert(next).second) {
            work.push_back(next);
          }
        }
      return false;
    };
    visit(p, true);
    while (!work.empty()) {
      const int next = work.back();
      work.pop_back();
      if (visit(next, false))
        return true;
    }
    return false;
  }

  FusionGroups &all;
  const std::vector<FusionNode> &nodes;
  const std::vector<std::vector<FusionNode::Edge>> &inputs;
  const std::vector<std::vector<int>> &consumers;
  const std::vector<int> &groupOf;
  std::vector<FusionGroup> &groups;
};

} // namespace

void fuseRows(FusionGroups &all, int g) { RowFusion(all).run(g); }

} // namespace fm::passes
