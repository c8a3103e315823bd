//===- Partition.cpp - Which ops run together as one kernel ---------------===//
#include "passes/Partition.h"

#include <algorithm>

#include "passes/FuseRows.h"
#include "passes/FusionGroups.h"
#include "passes/OrderKernels.h"

namespace fm::passes {

namespace {

using Kind = FusionNode::Kind;
using Access = FusionNode::Access;

/// Puts one node after the other into the group that it suits, or a new one.
class Partitioner : private FusionGroups {
public:
  Partitioner(const FusionGraph &graph, bool fuse)
      : FusionGroups(graph), fuse(fuse) {}

  const FusionGroups &run() {
    for (int v = 0; v < int(nodes.size()); ++v)
      if (!graph.copied[v])
        place(v);
    if (fuse)
      for (int g = int(groups.size()) - 1; g >= 0; --g)
        fuseRows(*this, g);
    if (fuse)
      for (int v = int(nodes.size()) - 1; v >= 0; --v)
        if (!graph.copied[v])
          sink(v);
    return *this;
  }

private:
  void place(int v) {
    if (!fuse || nodes[v].apart) {
      newGroup(v);
      return;
    }
    if (nodes[v].kind == Kind::Pointwise)
      placePointwise(v);
    else if (nodes[v].kind == Kind::Window && joinContraction(v))
      return;
    else
      placeAnchor(v);
  }

  /// An epilogue of the group whose result it reads at its own place; the
  /// latest anchored group first, since its result is then never stored.
  void placePointwise(int v) {
    int best = -1;
    for (const auto &edge : inputs[v]) {
      if (edge.access != Access::Identity)
        continue;
      int g = groupOf[edge.producer];
      if (nodes[edge.producer].apart || groups[g].results != nodes[v].results ||
          nodes[edge.producer].results != nodes[v].results || !hasRoom(g, v) ||
          !joins(v, g))
        continue;
      if (best < 0 || groups[g].anchored > groups[best].anchored ||
          (groups[g].anchored == groups[best].anchored && g > best))
        best = g;
    }
    if (best < 0)
      newGroup(v);
    else
      add(v, best);
  }

  /// Pooling right behind a convolution whose result nobody else reads.
  bool joinContraction(int v) {
    if (inputs[v].size() != 1)
      return false;
    int u = inputs[v].front().producer, g = groupOf[u];
    FusionGroup &group = groups[g];
    if (!group.contraction || group.windowed || nodes[u].returned ||
        nodes[u].apart || consumers[u].size() != 1 ||
        nodes[u].results != group.results)
      return false;
    // Only u leaves the group: every other member stays inside.
    for (int member : group.members)
      for (int c : consumers[member])
        if (groupOf[c] != g && !(member == u && c == v))
          return false;
    for (int member : group.members)
      if (nodes[member].returned)
        return false;
    add(v, g);
    groups[g].windowed = true;
    groups[g].results = nodes[v].results;
    return true;
  }

  /// A group with a reduction of the same points that reads a tensor in common:
  /// one pass over the tensor serves both.
  int siblingOf(int v) const {
    for (int u = v - 1; u >= 0; --u) {
      const int g = groupOf[u];
      if (g < 0 || nodes[u].kind != Kind::Reduction || nodes[u].apart ||
          nodes[u].loops != nodes[v].loops ||
          nodes[u].results != nodes[v].results ||
          groups[g].results != nodes[v].results)
        continue;
      if (sharesProducer(v, g) && !reads(v, g) && joins(v, g))
        return g;
    }
    return -1;
  }

  /// What a reduction, or a pointwise node that feeds it, reads of the size of
  /// its loops.
  std::set<int> largeReads(int v) const {
    std::set<int> read;
    auto addReads = [&](int w) {
      for (const auto &edge : inputs[w])
        if (nodes[edge.producer].results == nodes[v].loops)
          read.insert(edge.producer);
    };
    addReads(v);
    for (const auto &edge : inputs[v])
      if (nodes[edge.producer].kind == Kind::Pointwise)
        addReads(edge.producer);
    return read;
  }

  /// Whether v and all reductions of group g read one tensor. If each needed
  /// only one in common with some other, the sums of all layers of a network
  /// would be one kernel, for which all their terms are kept.
  bool sharesProducer(int v, int g) const {
    std::set<int> common = largeReads(v);
    for (int member : groups[g].members) {
      if (nodes[member].kind != Kind::Reduction)
        continue;
      const std::set<int> read = largeReads(member);
      std::erase_if(common, [&](int u) { return read.count(u) == 0; });
    }
    return !common.empty();
  }

  /// Sums of rows join the group that computes, point by point, what is summed,
  /// and has it stored in any case. Pointwise nodes that only the sum needs
  /// come along.
  bool joinMaker(int v) {
    if (!nodes[v].sumsRows)
      return false;
    std::set<int> moved = {v};
    for (std::vector<int> work = {v}; !work.empty();) {
      const int w = work.back();
      work.pop_back();
      for (const auto &edge : inputs[w])
        if (edge.access == Access::Identity &&
            needsOnly(edge.producer, moved) &&
            nodes[edge.producer].results == nodes[v].loops &&
            moved.insert(edge.producer).second)
          work.push_back(edge.producer);
    }
    int best = -1;
    for (int w : moved)
      for (const auto &edge : inputs[w]) {
        const int g = groupOf[edge.producer];
        if (moved.count(edge.producer) == 0 && g > best &&
            edge.access == Access::Identity && !nodes[edge.producer].apart &&
            groups[g].results == nodes[v].loops && hasRoom(g, moved) &&
            storesFor(g, v) && joinTogether(moved, g))
          best = g;
      }
    if (best < 0)
      return false;
    for (int w : moved)
      if (w != v)
        leave(w);
    for (int w : moved)
      add(w, best);
    return true;
  }

  /// Whether a pointwise node, in a group without an anchor, feeds these alone.
  bool needsOnly(int u, const std::set<int> &readers) const {
    return nodes[u].kind == Kind::Pointwise && !nodes[u].returned &&
           !nodes[u].apart && !nodes[u].together &&
           !groups[groupOf[u]].anchored &&
           std::all_of(consumers[u].begin(), consumers[u].end(),
                       [&](int c) { return readers.count(c) > 0; });
  }

  /// Whether some tensor of g is stored for others than sums like v, which
  /// might all move to its group.
  bool storesFor(int g, int v) const {
    return std::any_of(
        groups[g].members.begin(), groups[g].members.end(), [&](int u) {
          return nodes[u].results == nodes[v].loops &&
                 (nodes[u].returned ||
                  std::any_of(
                      consumers[u].begin(), consumers[u].end(), [&](int c) {
                        return c > v && nodes[c].kind != Kind::Reduction;
                      }));
        });
  }

  /// As `joins`, for several nodes that may read each other and the beginnings
  /// of rows.
  bool joinTogether(const std::set<int> &moved, int g) const {
    for (int w : moved)
      for (const auto &edge : inputs[w]) {
        const int other = groupOf[edge.producer];
        if (moved.count(edge.producer) ? edge.access != Access::Identity
            : other == g
                ? edge.access != Access::Identity && edge.access != Access::Row
                : reaches(g, other))
          return false;
      }
    return true;
  }

  /// A reduction takes in the pointwise nodes that feed it alone.
  void placeAnchor(int v) {
    if (nodes[v].kind != Kind::Reduction) {
      newGroup(v);
      return;
    }
    if (joinMaker(v))
      return;
    int g = siblingOf(v);
    if (g < 0)
      g = newGroup(v);
    else
      add(v, g);
    for (const auto &edge : inputs[v]) {
      int p = groupOf[edge.producer];
      if (p == g || groups[p].anchored || edge.access != Access::Identity ||
          groups[p].results != nodes[v].loops || !joins(v, p) ||
          std::any_of(groups[p].members.begin(), groups[p].members.end(),
                      [&](int member) { return nodes[member].together; }))
        continue;
      takeExclusive(v, g, p);
    }
  }

  /// Moves into group g what of group p only the reduction v needs. The rest of
  /// p does not depend on it.
  void takeExclusive(int v, int g, int p) {
    std::vector<int> &members = groups[p].members;
    std::set<int> taken;
    for (size_t i = members.size(); i-- > 0;) {
      const int member = members[i];
      if (nodes[member].returned || nodes[member].apart ||
          !std::all_of(consumers[member].begin(), consumers[member].end(),
                       [&](int c) { return c == v || taken.count(c) > 0; }))
        continue;
      taken.insert(member);
    }
    for (int member : taken) {
      add(member, g);
      groups[p].weight -= graph.carried[member];
    }
    members.erase(std::remove_if(members.begin(), members.end(),
                                 [&](int m) { return taken.count(m) > 0; }),
                  members.end());
    groups[p].dead = members.empty();
  }

  /// A node that only another kernel needs is computed there, if what it is
  /// computed from is in memory anyway: one tensor less is stored.
  void sink(int v) {
    const int g = groupOf[v];
    if (nodes[v].kind != Kind::Pointwise || nodes[v].returned ||
        nodes[v].apart || nodes[v].together || consumers[v].empty())
      return;
    const int h = groupOf[consumers[v].front()];
    if (h == g || nodes[consumers[v].front()].apart || !hasRoom(h, v))
      return;
    for (int c : consumers[v]) {
      const bool reduces = nodes[c].kind == Kind::Reduction;
      if (groupOf[c] != h || (nodes[c].kind != Kind::Pointwise && !reduces) ||
          nodes[v].results != (reduces ? nodes[c].loops : nodes[c].results))
        return;
      for (const auto &edge : inputs[c])
        if (edge.producer == v && edge.access != Access::Identity)
          return;
    }
    for (const auto &edge : inputs[v])
      if (groupOf[edge.producer] == g && !isStored(edge.producer, v))
        return;
    std::vector<int> &members = groups[g].members;
    members.erase(std::find(members.begin(), members.end(), v));
    groups[g].weight -= graph.carried[v];
    if (members.empty())
      groups[g].dead = true;
    add(v, h);
  }

  const bool fuse;
};

} // namespace

Partition partition(const std::vector<FusionNode> &nodes, bool fuse,
                    const std::vector<std::pair<int, int>> &mustPrecede,
                    std::vector<std::pair<int, int>> &violated) {
  const FusionGraph graph(nodes, fuse);
  Partitioner partitioner(graph, fuse);
  return orderKernels(partitioner.run(), mustPrecede, violated);
}

} // namespace fm::passes
