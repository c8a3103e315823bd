//===- Partition.cpp - Which ops run together as one kernel
//--------------------===//

#include "passes/Partition.h"

#include <algorithm>
#include <cassert>
#include <set>
#include <tuple>

namespace fm::passes {

namespace {

using Kind = FusionNode::Kind;
using Copy = FusionNode::Copy;
using Access = FusionNode::Access;

class Partitioner {
public:
  Partitioner(const std::vector<FusionNode> &nodes, bool fuse)
      : nodes(nodes), fuse(fuse), groupOf(nodes.size(), -1),
        copied(nodes.size()), carried(nodes.size()), inputs(nodes.size()),
        consumers(nodes.size()) {
    findCopied();
    limitCopied();
    findInputs();
  }

  Partition run(const std::vector<std::pair<int, int>> &mustPrecede,
                std::vector<std::pair<int, int>> &violated) {
    for (int v = 0; v < int(nodes.size()); ++v)
      if (!copied[v])
        place(v);
    if (fuse)
      for (int g = int(groups.size()) - 1; g >= 0; --g)
        goByRows(g);
    if (fuse)
      for (int v = int(nodes.size()) - 1; v >= 0; --v)
        if (!copied[v])
          sink(v);
    return order(mustPrecede, violated);
  }

private:
  struct Group {
    std::vector<int> members; ///< without copies
    int results;              ///< shape class of what it yields
    bool anchored = false;
    bool contraction = false;
    bool windowed = false; ///< a window follows its contraction
    bool dead = false;     ///< merged into another
    int weight = 0;        ///< of members and their copies
  };

  /// Which nodes every consumer gets its own copy of.
  void findCopied() {
    std::vector<std::vector<int>> readers(nodes.size());
    for (int v = 0; v < int(nodes.size()); ++v)
      for (const auto &edge : nodes[v].inputs)
        readers[edge.producer].push_back(v);
    for (int v = int(nodes.size()) - 1; v >= 0; --v) {
      const FusionNode &node = nodes[v];
      if (!fuse || node.returned || node.apart || node.copy == Copy::Never ||
          readers[v].empty())
        continue;
      copied[v] =
          std::none_of(readers[v].begin(), readers[v].end(), [&](int c) {
            if (nodes[c].apart)
              return true;
            return node.copy != Copy::Free &&
                   (nodes[c].kind == Kind::Contraction ||
                    // A copied consumer may itself end up in a contraction.
                    (nodes[c].copy == Copy::Free && copied[c]));
          });
    }
  }

  /// What a node brings along into a kernel: itself and the copies it reads.
  void limitCopied() {
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

  /// Producers and consumers as seen through copies, each way of reading once.
  void findInputs() {
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

  /// Whether a way leads from group `from` to group `to`, not counting a direct
  /// membership.
  bool reaches(int from, int to) const {
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

  /// v can join g if it reads g's results at its own place only, and if none of
  /// its other producers depends on g.
  bool joins(int v, int g) const {
    return std::all_of(inputs[v].begin(), inputs[v].end(),
                       [&](const auto &edge) {
                         int other = groupOf[edge.producer];
                         return other == g ? edge.access == Access::Identity
                                           : !reaches(g, other);
                       });
  }

  int newGroup(int v) {
    const FusionNode &node = nodes[v];
    groups.push_back({{v},
                      node.results,
                      node.kind != Kind::Pointwise,
                      node.kind == Kind::Contraction});
    groups.back().weight = carried[v];
    return groupOf[v] = int(groups.size()) - 1;
  }
  void add(int v, int g) {
    groups[g].members.push_back(v);
    groups[g].weight += carried[v];
    groupOf[v] = g;
  }
  bool hasRoom(int g, int v) const {
    return groups[g].weight + carried[v] <= maxKernelWeight;
  }

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
    Group &group = groups[g];
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

  bool reads(int v, int g) const {
    return std::any_of(
        inputs[v].begin(), inputs[v].end(),
        [&](const auto &edge) { return groupOf[edge.producer] == g; });
  }

  /// Whether v, or a pointwise node of the same size that feeds it, reads what
  /// group g reads.
  bool sharesProducer(int v, int g) const {
    std::set<int> read;
    for (int member : groups[g].members)
      for (const auto &edge : inputs[member])
        read.insert(edge.producer);
    auto shares = [&](int w) {
      return std::any_of(
          inputs[w].begin(), inputs[w].end(), [&](const auto &edge) {
            return nodes[edge.producer].results == nodes[v].loops &&
                   read.count(edge.producer) > 0;
          });
    };
    return shares(v) ||
           std::any_of(inputs[v].begin(), inputs[v].end(),
                       [&](const auto &edge) {
                         return nodes[edge.producer].kind == Kind::Pointwise &&
                                groupOf[edge.producer] != g &&
                                shares(edge.producer);
                       });
  }

  /// Sums of rows join the group that computes, point by point, what is summed,
  /// and has it stored in any case. Pointwise nodes that only the sum needs come
  /// along.
  bool joinMaker(int v) {
    if (!nodes[v].sumsRows)
      return false;
    std::set<int> moved = {v};
    for (std::vector<int> work = {v}; !work.empty();) {
      const int w = work.back();
      work.pop_back();
      for (const auto &edge : inputs[w])
        if (edge.access == Access::Identity && needsOnly(edge.producer, moved) &&
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

  bool hasRoom(int g, const std::set<int> &moved) const {
    int weight = groups[g].weight;
    for (int w : moved)
      weight += carried[w];
    return weight <= maxKernelWeight;
  }

  /// Whether some tensor of g is stored for others than sums like v, which
  /// might all move to its group.
  bool storesFor(int g, int v) const {
    return std::any_of(
        groups[g].members.begin(), groups[g].members.end(), [&](int u) {
          return nodes[u].results == nodes[v].loops &&
                 (nodes[u].returned ||
                  std::any_of(consumers[u].begin(), consumers[u].end(),
                              [&](int c) {
                                return c > v &&
                                       nodes[c].kind != Kind::Reduction;
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

  /// A node leaves its group, of which nothing else depends on it.
  void leave(int w) {
    Group &group = groups[groupOf[w]];
    group.members.erase(
        std::find(group.members.begin(), group.members.end(), w));
    group.weight -= carried[w];
    group.dead = group.members.empty();
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
          !std::all_of(
              consumers[member].begin(), consumers[member].end(),
              [&](int c) { return c == v || taken.count(c) > 0; }))
        continue;
      taken.insert(member);
    }
    for (int member : taken) {
      add(member, g);
      groups[p].weight -= carried[member];
    }
    members.erase(std::remove_if(members.begin(), members.end(),
                                 [&](int m) { return taken.count(m) > 0; }),
                  members.end());
    groups[p].dead = members.empty();
  }

  /// Group g, which computes elements from what their rows were reduced to,
  /// takes in those reductions, and what else only it needs: all of it is done
  /// for one row after the other. Rows that others read, too, stay apart, since
  /// a kernel has one nest of loops for each shape that it stores.
  void goByRows(int g) {
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
        if (p != g && (leavesOtherRows(p, row, merged) ||
                       isReadElsewhere(p, row, merged) ||
                       comesBack(p, merged))) {
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
          leave(v);
          add(v, g);
        }
      }
    groups[g].anchored = true;
  }

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

  /// Whether a node's result is in memory, seen from outside of its group.
  bool isStored(int v, int except) const {
    return nodes[v].returned ||
           std::any_of(consumers[v].begin(), consumers[v].end(), [&](int c) {
             return c != except && groupOf[c] != groupOf[v];
           });
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
    groups[g].weight -= carried[v];
    if (members.empty())
      groups[g].dead = true;
    add(v, h);
  }

  /// Kernels in order, copies put in.
  Partition order(const std::vector<std::pair<int, int>> &mustPrecede,
                  std::vector<std::pair<int, int>> &violated) {
    std::vector<std::set<int>> after(groups.size());
    for (int v = 0; v < int(nodes.size()); ++v) {
      if (groupOf[v] < 0)
        continue;
      for (int c : consumers[v])
        if (groupOf[c] != groupOf[v])
          after[groupOf[v]].insert(groupOf[c]);
    }
    auto path = [&](int from, int to) {
      std::set<int> seen = {from};
      std::vector<int> work = {from};
      while (!work.empty()) {
        int g = work.back();
        work.pop_back();
        if (g == to)
          return true;
        for (int next : after[g])
          if (seen.insert(next).second)
            work.push_back(next);
      }
      return false;
    };
    for (auto [reader, writer] : mustPrecede) {
      int w = groupOf[writer];
      std::vector<int> readers = {reader};
      if (copied[reader])
        readers = consumers[reader];
      for (int r : readers) {
        int from = groupOf[r];
        if (from == w)
          continue;
        if (path(w, from))
          violated.push_back({reader, writer});
        else
          after[from].insert(w);
      }
    }
    std::vector<int> missing(groups.size(), 0);
    for (auto &next : after)
      for (int g : next)
        ++missing[g];
    // What little else depends on, such as an update of a parameter, runs as soon
    // as it can, contractions last: what it reads is still in a cache, and dies
    // early. Scalars that updates share are early, too. The others keep the order of their first members.
    const std::vector<int> height = heights(after);
    std::vector<bool> reads(groups.size(), false);
    for (auto &next : after)
      for (int g : next)
        reads[g] = true;
    auto urgency = [&](int g) {
      const bool early =
          reads[g] ? height[g] <= 2
                   : !groups[g].anchored && nodes[groups[g].members[0]].scalar;
      return !early ? 2 : groups[g].contraction ? 1 : 0;
    };
    std::set<std::tuple<int, int, int>> ready;
    auto key = [&](int g) {
      return std::make_tuple(
          urgency(g),
          *std::min_element(groups[g].members.begin(), groups[g].members.end()),
          g);
    };
    for (int g = 0; g < int(groups.size()); ++g)
      if (!groups[g].dead && missing[g] == 0)
        ready.insert(key(g));
    Partition result;
    result.copied = copied;
    while (!ready.empty()) {
      int g = std::get<2>(*ready.begin());
      ready.erase(ready.begin());
      std::set<int> members;
      for (int v : groups[g].members)
        addWithCopies(v, members);
      result.kernels.emplace_back(members.begin(), members.end());
      for (int next : after[g])
        if (--missing[next] == 0)
          ready.insert(key(next));
    }
    return result;
  }

  /// Groups on the longest way from each group on, itself included.
  std::vector<int> heights(const std::vector<std::set<int>> &after) const {
    std::vector<int> missing(groups.size(), 0), height(groups.size(), 1), order;
    for (auto &next : after)
      for (int g : next)
        ++missing[g];
    for (int g = 0; g < int(groups.size()); ++g)
      if (missing[g] == 0)
        order.push_back(g);
    for (size_t i = 0; i < order.size(); ++i)
      for (int next : after[order[i]])
        if (--missing[next] == 0)
          order.push_back(next);
    for (size_t i = order.size(); i-- > 0;)
      for (int next : after[order[i]])
        height[order[i]] = std::max(height[order[i]], height[next] + 1);
    return height;
  }

  void addWithCopies(int v, std::set<int> &members) {
    if (!members.insert(v).second)
      return;
    for (const auto &edge : nodes[v].inputs)
      if (copied[edge.producer])
        addWithCopies(edge.producer, members);
  }

  const std::vector<FusionNode> &nodes;
  bool fuse;
  std::vector<int> groupOf;
  std::vector<bool> copied; ///< whether every consumer gets its own copy
  std::vector<int> carried; ///< weight that a node brings along
  // As seen through copies:
  std::vector<std::vector<FusionNode::Edge>> inputs;
  std::vector<std::vector<int>> consumers;
  std::vector<Group> groups;
};

} // namespace

Partition partition(const std::vector<FusionNode> &nodes, bool fuse,
                    const std::vector<std::pair<int, int>> &mustPrecede,
                    std::vector<std::pair<int, int>> &violated) {
  return Partitioner(nodes, fuse).run(mustPrecede, violated);
}

} // namespace fm::passes
