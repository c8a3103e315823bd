//===- NestRegions.cpp - What is computed for one iteration of a nest -----===//
#include "compiler/codegen/NestRegions.h"

#include <algorithm>

namespace fm::codegen {

std::vector<int> orderOf(const Nest &nest) {
  if (!nest.choice.order.empty())
    return nest.choice.order;
  std::vector<int> order(nest.loops.size());
  for (size_t i = 0; i < order.size(); ++i)
    order[i] = i;
  return order;
}

int64_t volume(const Stage &stage, const Box &box) {
  int64_t bytes = 0;
  for (const Result &result : stage.results)
    bytes += result.type == ScalarType::I1 ? 1 : sizeOf(result.type);
  for (const Interval &i : box)
    bytes *= i.extent();
  return bytes;
}

std::vector<Box> NestRegions::boxes(int a, int position,
                                    const std::vector<int64_t> &at,
                                    int reduction, int reductionPosition,
                                    int64_t reductionAt, int64_t fewer) const {
  const Nest &nest = group.nests[a];
  const std::vector<int> order = orderOf(nest);
  Box logical(nest.domain.size());
  for (Interval &i : logical)
    i = Interval::of(0, 0);
  for (size_t p = 0; p < order.size(); ++p) {
    const Loop &loop = nest.loops[order[p]];
    if (nest.domain.empty())
      break;
    const int64_t tile =
        nest.choice.tile.empty() ? 1 : nest.choice.tile[order[p]];
    int64_t low = 0, high = loop.extent.size - 1;
    if (loop.extent.isSamples && static_cast<int>(p) > position)
      high = std::max<int64_t>(high - fewer, 0);
    if (static_cast<int>(p) <= position) {
      low = std::min(at[order[p]] * tile, high);
      high = std::min(low + tile - 1, high);
    } else if (nest.stage >= 0 && nest.region[order[p]] <= high) {
      // Somewhere in the middle, as much as is computed at once.
      low = (high + 1 - nest.region[order[p]]) / 2;
      high = low + nest.region[order[p]] - 1;
    }
    Interval &i = logical[loop.logical];
    i.low += low * loop.divisor;
    i.high += high * loop.divisor;
  }
  for (size_t d = 0; d < logical.size(); ++d)
    logical[d].high = std::min(logical[d].high, nest.domain[d].size - 1);

  std::vector<Box> boxes(spec.stages.size());
  auto require = [&](unsigned s, const Box &box) {
    if (boxes[s].empty()) {
      boxes[s] = box;
      return;
    }
    for (size_t d = 0; d < box.size(); ++d)
      boxes[s][d] = unite(boxes[s][d], box[d]);
  };
  std::vector<bool> needed(spec.stages.size(), false);
  if (nest.stage >= 0) {
    require(nest.stage, logical);
    needed[nest.stage] = true;
  }
  for (unsigned o : nest.outputs) {
    require(spec.outputs[o].stage, logical);
    needed[spec.outputs[o].stage] = true;
  }
  const int64_t samples = samplesBound(spec);
  for (size_t s = spec.stages.size(); s-- > 0;) {
    if (!needed[s])
      continue;
    const Stage &stage = spec.stages[s];
    auto read = [&](const Expr &e, const Box &indices) {
      RangeAnalysis ranges(indices, samples);
      forEachLoad(e, [&](const Expr &load) {
        if (load.source.kind != TensorRef::Kind::Stage ||
            isStoredEarlier(load.source.index, load.source.result))
          return;
        const Stage &source = spec.stages[load.source.index];
        Box box;
        for (size_t d = 0; d < load.operands.size(); ++d) {
          Interval i = ranges.range(*load.operands[d]);
          const int64_t last = source.domain[d].size - 1;
          if (!i.known)
            i = Interval::of(0, last);
          box.push_back(Interval::of(std::clamp<int64_t>(i.low, 0, last),
                                     std::clamp<int64_t>(i.high, 0, last)));
        }
        require(load.source.index, box);
        needed[load.source.index] = true;
      });
    };
    for (const Result &result : stage.results) {
      read(*result.init, boxes[s]);
      if (!result.update)
        continue;
      Box all = boxes[s];
      for (size_t r = 0; r < stage.reduction.size(); ++r) {
        Interval i = Interval::of(0, stage.reduction[r].size - 1);
        if (stage.reduction[r].isSamples)
          i.high = std::max<int64_t>(i.high - fewer, 0);
        if (static_cast<int>(s) == reduction &&
            static_cast<int>(r) <= reductionPosition)
          i = Interval::of(std::min(reductionAt, i.high),
                           std::min(reductionAt, i.high));
        all.push_back(i);
      }
      read(*result.update, all);
    }
  }
  return boxes;
}

std::vector<int64_t> NestRegions::middleOf(int a) const {
  const Nest &nest = group.nests[a];
  std::vector<int64_t> at(nest.loops.size());
  for (size_t l = 0; l < at.size(); ++l)
    at[l] = ((nest.loops[l].extent.size + nest.choice.tile[l] - 1) /
                 nest.choice.tile[l] -
             1) /
            2;
  return at;
}

int NestRegions::lastMoving(unsigned s, int a,
                            const std::vector<int64_t> &at) const {
  const Nest &nest = group.nests[a];
  const std::vector<int> order = orderOf(nest);
  const int all = static_cast<int>(order.size()) - 1;
  const Box base = boxes(a, all, at, -1, -1, 0)[s];
  for (int p = all; p >= 0; --p) {
    const int l = order[p];
    const int64_t tile = nest.choice.tile[l];
    if (nest.tiles(l) < 2)
      continue;
    const int64_t tiles = (nest.loops[l].extent.size + tile - 1) / tile;
    std::vector<int64_t> next = at;
    next[l] += at[l] + 1 < tiles ? 1 : -1;
    const Box moved = boxes(a, all, next, -1, -1, 0)[s];
    for (size_t d = 0; d < base.size(); ++d)
      if (base[d].low != moved[d].low || base[d].high != moved[d].high)
        return p;
  }
  return -1;
}

} // namespace fm::codegen
