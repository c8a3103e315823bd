//===- PlaceNests.cpp - The loop at which a nest is computed --------------===//
#include "compiler/codegen/PlaceNests.h"

#include <algorithm>
#include <set>

namespace fm::codegen {

namespace {

/// The outermost loop inside which scratch may live: behind the parallel
/// ones.
int firstPosition(const Nest &nest) {
  int p = 0;
  const std::vector<int> order = orderOf(nest);
  // One parallel loop at least, and not one of a single iteration.
  while (p + 1 < static_cast<int>(order.size()) &&
         nest.loops[order[p]].extent.size == 1)
    ++p;
  // Parallel loops are one loop: what it computes is for the last of them.
  return std::max(p, nest.choice.parallelLoops - 1);
}

Box fullBoxOf(const Stage &stage) {
  Box box;
  for (const Extent &extent : stage.domain)
    box.push_back(Interval::of(0, extent.size - 1));
  return box;
}

void setRegion(Nest &nest, const Box &box) {
  nest.region.clear();
  for (const Interval &i : box)
    nest.region.push_back(i.extent());
  if (nest.region.empty())
    nest.region.push_back(1);
}

} // namespace

/// Chain of (nest, position) from the root to nest `k`.
std::vector<std::pair<int, int>> NestPlacer::chainOf(int k) const {
  std::vector<std::pair<int, int>> chain;
  for (int n = k; group.nests[n].parent >= 0; n = group.nests[n].parent)
    chain.insert(chain.begin(),
                 {group.nests[n].parent, group.nests[n].position});
  return chain;
}

/// Bytes of the nests that nest k is computed from and that have no place
/// yet: they are wanted where its own result is.
int64_t NestPlacer::ahead(int k, const std::vector<Box> &boxes) const {
  std::set<int> reading = {k};
  int64_t bytes = 0;
  for (int other = k + 1; other < static_cast<int>(group.nests.size());
       ++other) {
    const unsigned s = group.nests[other].stage;
    for (const Reader &site : readers[s])
      if (reading.count(site.nest) && reading.insert(other).second &&
          !boxes[s].empty())
        bytes += volume(spec.stages[s], boxes[s]);
  }
  return bytes;
}

/// The innermost nest whose iteration contains all readers of stage `s`, and
/// how deep in it.
NestPlacer::Meeting NestPlacer::meetingOf(unsigned s) const {
  auto down = [&](int n) {
    std::vector<std::pair<int, int>> path = chainOf(n);
    path.push_back({n, static_cast<int>(group.nests[n].loops.size()) - 1});
    return path;
  };
  const Reader &first = readers[s].front();
  Meeting at = {first.nest, down(first.nest).back().second, first.reduction};
  for (const Reader &site : readers[s]) {
    if (site.nest == at.nest) {
      if (site.reduction != at.reduction)
        at.reduction = -1;
      continue;
    }
    auto pathA = down(at.nest), pathB = down(site.nest);
    pathA.back().second = std::min(pathA.back().second, at.limit);
    at = {};
    for (size_t i = 0; i < std::min(pathA.size(), pathB.size()); ++i) {
      if (pathA[i].first != pathB[i].first)
        break;
      at.nest = pathA[i].first;
      at.limit = std::min(pathA[i].second, pathB[i].second);
      if (pathA[i].second != pathB[i].second)
        break;
    }
    if (at.nest < 0)
      break;
  }
  return at;
}

void NestPlacer::place(int k, std::string &error) {
  Nest &nest = group.nests[k];
  const unsigned s = nest.stage;
  auto [a, limit, inReduction] = meetingOf(s);
  auto atRoot = [&] {
    nest.parent = nest.position = -1;
    nest.parentReduction = -1;
    setRegion(nest, fullBoxOf(spec.stages[s]));
    scratch += volume(spec.stages[s], fullBoxOf(spec.stages[s]));
    checkScratch(s, error);
  };
  // A parent at the root of everything has no loop to be computed at.
  if (a < 0 || limit < 0)
    return atRoot();

  // Loops that the region moves with. Where a parent computes so little at
  // once that there are none, the result is wanted where the parent's is.
  std::vector<int64_t> at = regions.middleOf(a);
  int innermost = regions.lastMoving(s, a, at), least = 0;
  bool beyond = false; // what lies between may compute more than is asked for
  while (innermost < 0 && inReduction < 0 && group.nests[a].parent >= 0 &&
         group.nests[a].parentReduction < 0) {
    least = limit = group.nests[a].position;
    for (size_t l = 0; l < group.nests[a].loops.size(); ++l)
      beyond |= group.nests[a].overhang(l);
    a = group.nests[a].parent;
    at = regions.middleOf(a);
    innermost = regions.lastMoving(s, a, at);
  }
  const Nest &parent = group.nests[a];
  bool dependsOnSamples = false;
  for (const Extent &extent : spec.stages[s].domain)
    dependsOnSamples |= extent.isSamples && extent.size > 1;
  // Scratch must have a constant size, whatever n is.
  auto constantAt = [&](const Box &box, const Box &fewer) {
    for (size_t d = 0; d < box.size(); ++d)
      if (box[d].extent() != fewer[d].extent())
        return false;
    return true;
  };
  const Box whole = fullBoxOf(spec.stages[s]);
  if (innermost < 0 && a == 0 && !dependsOnSamples &&
      scratch + volume(spec.stages[s], whole) <= maxScratchBytes / 2)
    return atRoot();

  const int64_t room = maxScratchBytes - scratch;
  int best = -1;
  Box bestBox;
  const int outermost = std::max(least, a == 0 ? firstPosition(parent) : 0);
  for (int p = std::min(limit, std::max(innermost, outermost)); p >= outermost;
       --p) {
    const std::vector<Box> boxes = regions.boxes(a, p, at, -1, -1, 0);
    const Box &box = boxes[s];
    if (!constantAt(box, regions.boxes(a, p, at, -1, -1, 0, 1)[s]))
      continue;
    const int64_t bytes = volume(spec.stages[s], box);
    if (bytes > room ||
        (best >= 0 && bytes + ahead(k, boxes) > machine.l1Bytes * 2 / 3))
      continue;
    best = p;
    bestBox = box;
  }
  if (best >= 0) {
    nest.parent = a;
    nest.position = best;
    setRegion(nest, bestBox);
    nest.uneven = beyond || isUneven(nest, bestBox);
    scratch += volume(spec.stages[s], bestBox);
    return;
  }
  // Inside a reduction's loops.
  if (inReduction >= 0) {
    const Stage &reducing = spec.stages[inReduction];
    for (size_t r = 0; r < reducing.reduction.size(); ++r) {
      const Box box = regions.boxes(a, limit, at, inReduction, r, 0)[s];
      const int64_t bytes = volume(spec.stages[s], box);
      if (!constantAt(box,
                      regions.boxes(a, limit, at, inReduction, r, 0, 1)[s]) ||
          bytes > room)
        continue;
      nest.parent = a;
      nest.parentReduction = inReduction;
      nest.position = r;
      setRegion(nest, box);
      nest.uneven = isUneven(nest, box);
      scratch += bytes;
      return;
    }
  }
  error = "kernel '" + spec.name + "': stage '" + spec.stages[s].name +
          "' does not fit into " + std::to_string(maxScratchBytes >> 10) +
          " KiB of scratch";
  nest.parent = a;
  nest.position = 0;
  setRegion(nest, whole);
}

/// Whether less than `box` is computed somewhere: in a tile that is shorter,
/// at a border, or wherever the parent's own region begins.
bool NestPlacer::isUneven(const Nest &nest, const Box &box) const {
  const Nest &parent = group.nests[nest.parent];
  const size_t loops = parent.loops.size();
  for (size_t l = 0; l < loops && parent.stage >= 0; ++l)
    if (parent.region[l] < parent.loops[l].extent.size)
      return true;
  const bool reduced = nest.parentReduction >= 0;
  const int position = reduced ? static_cast<int>(loops) - 1 : nest.position;
  const int64_t steps =
      reduced ? spec.stages[nest.parentReduction].reduction[nest.position].size
              : 1;
  auto differs = [&](const std::vector<int64_t> &at, int64_t step) {
    const Box other =
        regions.boxes(nest.parent, position, at, nest.parentReduction,
                      reduced ? nest.position : -1, step)[nest.stage];
    for (size_t d = 0; d < box.size(); ++d)
      if (other[d].extent() != box[d].extent())
        return true;
    return false;
  };
  std::vector<int64_t> middle(loops), last(loops);
  for (size_t l = 0; l < loops; ++l) {
    last[l] = (parent.loops[l].extent.size + parent.choice.tile[l] - 1) /
                  parent.choice.tile[l] -
              1;
    middle[l] = last[l] / 2;
  }
  for (int64_t step : {int64_t(0), steps - 1})
    for (size_t l = 0; l < loops; ++l)
      for (int64_t end : {int64_t(0), last[l]}) {
        std::vector<int64_t> at = middle;
        at[l] = end;
        if (differs(at, step))
          return true;
      }
  return differs(last, steps - 1) || differs(std::vector<int64_t>(loops), 0);
}

void NestPlacer::checkScratch(unsigned s, std::string &error) const {
  bool samples = false;
  for (const Extent &extent : spec.stages[s].domain)
    samples |= extent.isSamples && extent.size > 1;
  if (scratch > maxScratchBytes || samples)
    error = "kernel '" + spec.name + "': stage '" + spec.stages[s].name +
            "' needs scratch for all samples or more than " +
            std::to_string(maxScratchBytes >> 10) + " KiB";
}

} // namespace fm::codegen
