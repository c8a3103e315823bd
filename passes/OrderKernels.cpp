//===- OrderKernels.cpp - In which order kernels run ----------------------===//
#include "passes/OrderKernels.h"

#include <algorithm>
#include <set>
#include <tuple>

namespace fm::passes {

/// Groups on the longest way from each group on, itself included.
static std::vector<int> heights(const std::vector<std::set<int>> &after) {
  std::vector<int> missing(after.size(), 0), height(after.size(), 1), order;
  for (auto &next : after)
    for (int g : next)
      ++missing[g];
  for (int g = 0; g < int(after.size()); ++g)
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

Partition orderKernels(const FusionGroups &all,
                       const std::vector<std::pair<int, int>> &mustPrecede,
                       std::vector<std::pair<int, int>> &violated) {
  const FusionGraph &graph = all.graph;
  const std::vector<FusionGroup> &groups = all.groups;
  const std::vector<int> &groupOf = all.groupOf;
  const std::vector<FusionNode> &nodes = graph.nodes;
  const auto &consumers = graph.consumers;
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
    if (graph.copied[reader])
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
  // early. Scalars that updates share are early, too. The others keep the order
  // of their first members.
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
  result.copied = graph.copied;
  while (!ready.empty()) {
    int g = std::get<2>(*ready.begin());
    ready.erase(ready.begin());
    std::set<int> members;
    for (int v : groups[g].members)
      graph.addWithCopies(v, members);
    result.kernels.emplace_back(members.begin(), members.end());
    for (int next : after[g])
      if (--missing[next] == 0)
        ready.insert(key(next));
  }
  return result;
}

} // namespace fm::passes
