//===- TileOrders.cpp - Orders of loops, and blocks of tiles --------------===//
#include "compiler/codegen/TileChooser.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>

#include "compiler/codegen/Prefetch.h"

namespace fm::codegen {

/// What a tile pays for each part of a reduction: the loop's end is guessed
/// wrong, the next one begins with an empty pipeline, and what is new in a
/// cache comes late.
constexpr double partCycles = 60;

bool TileChooser::streams(const Stage &stage) const {
  const size_t inner = loops + stage.reduction.size() - 1;
  return std::any_of(accesses.begin(), accesses.end(), [&](const Access &a) {
    return a.strides.size() == inner + 1 && a.strides[inner] == 1;
  });
}

double TileChooser::points() const {
  double count = steps;
  for (int64_t extent : extents)
    count *= extent;
  return count;
}

void TileChooser::describeTraffic() {
  const size_t dimensions =
      loops + spec.stages[nest.reductions[0]].reduction.size();
  auto describe = [&](const std::vector<Access> &list, bool reduces) {
    std::vector<TrafficOperand> operands;
    for (const Access &access : list) {
      std::vector<int64_t> strides = access.strides;
      if (!reduces)
        strides.resize(dimensions, 0);
      if (strides.size() != dimensions)
        continue;
      std::replace(strides.begin(), strides.end(), irregular, int64_t(1));
      operands.emplace_back(access.bytes, strides, access.nearby);
    }
    return operands;
  };
  reducedOperands = describe(accesses, true);
  epilogueOperands = describe(epilogue, false);
  if (nest.stage < 0) // else it writes scratch, which lies in the L1
    writtenOperands = describe(writes, false);
  std::vector<int64_t> strides(dimensions, 0);
  int64_t stride = 1;
  for (size_t l = loops; l-- > 0;) {
    strides[l] = stride;
    stride *= extents[l];
  }
  blockedOperands = reducedOperands;
  blockedOperands.emplace_back(widest * results, strides);
}

void TileChooser::describeCrossing() {
  crossing.assign(loops, 0);
  const auto samples =
      std::find_if(nest.loops.begin(), nest.loops.end(),
                   [](const Loop &loop) { return loop.extent.isSamples; });
  std::vector<int64_t> whole = extents;
  for (const Extent &extent : spec.stages[nest.reductions[0]].reduction)
    whole.push_back(extent.size);
  if (samples == nest.loops.end()) {
    describeReaders(whole);
    return;
  }
  const size_t s = samples - nest.loops.begin();
  for (const auto *list :
       {&reducedOperands, &epilogueOperands, &writtenOperands})
    for (const TrafficOperand &operand : *list) {
      const double half = 0.5 * operand.footprint(whole);
      for (size_t l = 0; l < loops; ++l)
        if (l == s ? !operand.moves(s) : operand.moves(s) || !operand.moves(l))
          crossing[l] += half;
    }
}

bool TileChooser::updates() const {
  return std::any_of(
             nest.outputs.begin(), nest.outputs.end(),
             [&](unsigned o) { return spec.outputs[o].inPlace >= 0; }) &&
         std::none_of(nest.loops.begin(), nest.loops.end(),
                      [](const Loop &loop) { return loop.extent.isSamples; });
}

void TileChooser::describeReaders(const std::vector<int64_t> &whole) {
  double bytes = widest, multiplied = 0;
  for (int64_t extent : extents)
    bytes *= extent;
  for (const TrafficOperand &operand : reducedOperands)
    multiplied += operand.footprint(whole);
  if (!updates() || bytes <= multiplied)
    return;
  for (size_t l = 0; l < loops; ++l)
    if (!storesWholeAlong(l))
      crossing[l] = bytes;
}

double TileChooser::burstsOf(const std::vector<TrafficOperand> &operands,
                             const std::vector<int64_t> &unit) {
  double lines = 0, waste = 0;
  for (const TrafficOperand &operand : operands) {
    lines += operand.footprint(unit) / 64;
    waste += (operand.wholeLines(unit) - 1) / operands.size();
  }
  return 1 + 0.3 * waste * std::clamp((lines - 16) / 16, 0., 1.) +
         0.2 * std::clamp((lines - 48) / 24, 0., 1.);
}

double TileChooser::withL2(double compute, const Traffic &intoL1,
                           const Stage &stage) const {
  const double fromL2 = intoL1.bytes / machine.l2BytesPerCycle;
  if (!streams(stage))
    return std::max(compute, fromL2) + fromL2;
  const bool many = issuesBeside();
  const double rows = intoL1.jumping / (many ? machine.l2ManyRowsBytesPerCycle
                                             : machine.l2RowBytesPerCycle);
  const double power = many ? 8 : 4;
  const double busy =
      std::pow(std::pow(compute, power) + std::pow(rows, power), 1 / power);
  const double streamed =
      (intoL1.bytes - intoL1.jumping) / machine.l2BytesPerCycle;
  return std::max(busy, fromL2) + 0.1 * streamed;
}

double TileChooser::firstPasses(double cycles, const Traffic &intoL1,
                                const Traffic &beyondL2) const {
  double waits = 0;
  if (machine.firstPassBytesPerCycle > 0)
    for (size_t i = 0; i < beyondL2.each.size(); ++i)
      if (beyondL2.each[i] > 0)
        waits += std::max(
            0., beyondL2.each[i] / machine.firstPassBytesPerCycle -
                    cycles * std::min(1., beyondL2.each[i] / intoL1.each[i]));
  return waits;
}

double TileChooser::cyclesOf(const Candidate &tile, const NestChoice &choice,
                             double bound) const {
  const Stage &stage = spec.stages[nest.reductions[0]];
  double compute = tile.cost * points();

  std::vector<int64_t> unit = tile.tile;
  unit.resize(loops + stage.reduction.size(), 1);
  std::vector<TrafficLoop> order; // innermost first
  const int inner = choice.isBlocked() ? choice.reductionOuter : 0;
  const int reduced = stage.reduction.size();
  for (int r = reduced - 1; r >= inner; --r) {
    int64_t trips = stage.reduction[r].size;
    if (r == inner && choice.reductionSplit > 1)
      trips = choice.reductionSplit;
    order.push_back({static_cast<int>(loops) + r, trips});
  }
  auto tiles = [&](int l) {
    return (extents[l] + tile.tile[l] - 1) / tile.tile[l];
  };
  if (choice.isBlocked()) {
    double parts = 1, all = 1;
    for (size_t p = loops; p-- > 0;) {
      const int l = choice.order[p];
      order.push_back({l, choice.block[l]});
      all *= tiles(l);
    }
    if (choice.reductionSplit > 1) {
      const int64_t trips =
          (stage.reduction[inner].size + choice.reductionSplit - 1) /
          choice.reductionSplit;
      order.push_back({static_cast<int>(loops) + inner, trips});
      parts *= trips;
    }
    for (int r = inner - 1; r >= 0; --r) {
      order.push_back({static_cast<int>(loops) + r, stage.reduction[r].size});
      parts *= stage.reduction[r].size;
    }
    // Accumulators go to scratch and come back.
    const double vectors = results * choice.vectors();
    compute += all * parts * (vectors * 2 / machine.loadsPerCycle + partCycles);
    if (compute >= bound)
      return bound;
  }
  for (size_t p = loops; p-- > 0;) {
    const int l = choice.order[p];
    const int64_t block = choice.isBlocked() ? choice.block[l] : 1;
    order.push_back({l, (tiles(l) + block - 1) / block});
  }
  const std::vector<TrafficOperand> &operands =
      choice.isBlocked() ? blockedOperands : reducedOperands;
  const Traffic intoL1 =
      trafficInto(machine.l1Bytes * 0.7, operands, order, unit);
  double hidden = withL2(compute, intoL1, stage);
  if (hidden >= bound)
    return bound;
  Traffic beyondL2 = trafficInto(machine.l2Bytes * 0.6, operands, order, unit,
                                 machine.l3BytesPerRun);
  hidden += firstPasses(hidden, intoL1, beyondL2);
  // What follows the reduction passes by once, tile after tile. What an update
  // needs is prefetched while the tile's sums are taken, or waited for, which
  // is little behind a long reduction.
  const ParallelLoops parallel =
      parallelLoopsOf(nest, choice, true, 4 * machine.cores);
  const bool prefetched = prefetchesEpilogue(nest, choice, parallel.loops);
  const double early =
      updates() ? std::min(1., steps / (prefetched ? 32. : 512.)) : 0;
  std::vector<TrafficLoop> tileOrder;
  for (const TrafficLoop &loop : order)
    if (loop.dimension < static_cast<int>(loops))
      tileOrder.push_back(loop);
  for (const auto *list : {&epilogueOperands, &writtenOperands}) {
    Traffic traffic = trafficInto(machine.l2Bytes * 0.3, *list, tileOrder, unit,
                                  machine.l3BytesPerRun);
    traffic.bytes *= burstsOf(*list, unit);
    traffic.starts *= 1 - early;
    beyondL2 += traffic;
  }
  // Long streams arrive in time; the starts of short ones are waited for.
  const double fromL3 = beyondL2.bytes / machine.l3BytesPerCycle;
  const double waits = beyondL2.starts / machine.l3BytesPerCycle;
  const double longest = std::max(hidden, fromL3 + waits);
  double cycles = longest + 0.1 * std::min(fromL3, longest) +
                  0.4 * std::min(waits, longest);
  if (choice.isBlocked())
    cycles *= 1.03;
  // Other cores want something to do as well: enough tasks, the last round of
  // which leaves some of them without one, and data at hand. One core alone
  // counts as much as all of them.
  const double tasks = parallel.tasks;
  const double rounds = std::ceil(tasks / machine.cores);
  const double idle = rounds * machine.cores / tasks - 1;
  const double wait = 0.5 * idle + (tasks < 4 * machine.cores   ? 0.05
                                    : tasks < 8 * machine.cores ? 0.02
                                                                : 0);
  const double moved = parallel.first < 0
                           ? 0
                           : crossing[parallel.first] / machine.l3BytesPerCycle;
  return cycles + (cycles * wait + 0.5 * moved) *
                      std::clamp((cycles - 5e4) / 5e4, 0., 1.);
}

void TileChooser::chooseBlocks(const Candidate &tile, double &best,
                               NestChoice &bestChoice,
                               std::vector<Ranked> *all) {
  if (!all && tile.cost * points() >= best * 0.995)
    return;
  NestChoice choice;
  choice.tile = tile.tile;
  choice.vectorLoop = tile.vectorLoop;
  choice.lanes = tile.lanes;
  choice.unrollTile = nest.choice.unrollTile;
  choice.order.resize(loops);
  for (size_t l = 0; l < loops; ++l)
    choice.order[l] = l;
  const double unbounded = std::numeric_limits<double>::infinity();
  auto consider = [&] {
    const double cycles = cyclesOf(tile, choice, all ? unbounded : best);
    if (all)
      all->push_back({cycles, choice});
    if (cycles < best * 0.995) {
      best = cycles;
      bestChoice = choice;
    }
  };
  consider();
  // Other nests count on the order.
  if (hasScratch || nest.stage >= 0)
    return;
  const Stage &stage = spec.stages[nest.reductions[0]];
  std::vector<int64_t> tiles(loops);
  std::vector<int> moving;
  for (size_t l = 0; l < loops; ++l) {
    tiles[l] = (extents[l] + tile.tile[l] - 1) / tile.tile[l];
    if (tiles[l] > 1)
      moving.push_back(l);
  }
  if (moving.size() > 4)
    return;
  // The first loops are the parallel ones: loops of one tile come last, the
  // others in every order.
  std::vector<int> fixed;
  for (size_t l = 0; l < loops; ++l)
    if (tiles[l] <= 1)
      fixed.push_back(l);
  do {
    if (!moving.empty() && nest.isCarrying(moving[0]))
      continue;
    choice.order = moving;
    choice.order.insert(choice.order.end(), fixed.begin(), fixed.end());
    choice.block.clear();
    choice.reductionOuter = 0;
    choice.reductionSplit = 1;
    consider();
    if (nest.reductions.size() != 1)
      continue;
    for (size_t i = 0; i < moving.size(); ++i)
      for (size_t j = i; j < moving.size(); ++j)
        considerBlocks(stage, tiles, moving[i], moving[j], choice, consider);
  } while (std::next_permutation(moving.begin(), moving.end()));
}

int64_t TileChooser::leastPart(const Stage &stage, size_t r) const {
  constexpr int64_t least = 16, few = 64; // steps
  int64_t inside = 1;
  for (size_t i = r + 1; i < stage.reduction.size(); ++i)
    inside *= stage.reduction[i].size;
  return inside == 1 || inside >= few
             ? least
             : std::max<int64_t>(2, (least + inside - 1) / inside);
}

void TileChooser::considerBlocks(const Stage &stage,
                                 const std::vector<int64_t> &tiles, int a,
                                 int b, NestChoice &choice,
                                 const std::function<void()> &consider) {
  // Where fetches are hidden behind arithmetic, a few sizes are enough.
  const bool few = streams(stage);
  auto options = [&](int l) {
    std::vector<int64_t> list;
    if (!nest.loops[l].extent.isSamples)
      for (int64_t d = 2; d < tiles[l]; ++d)
        if (tiles[l] % d == 0 &&
            (!few || d <= 4 || d == 8 || 2 * d == tiles[l]))
          list.push_back(d);
    list.push_back(tiles[l]);
    return list;
  };
  const auto moving = std::count_if(tiles.begin(), tiles.end(),
                                    [](int64_t count) { return count > 1; });
  int64_t tileBytes = 0;
  for (unsigned r : nest.reductions)
    for (const Result &result : spec.stages[r].results)
      tileBytes += sizeOf(result.type);
  for (int64_t t : choice.tile)
    tileBytes *= t;
  for (int64_t x : options(a))
    for (int64_t y : a == b ? std::vector<int64_t>{x} : options(b)) {
      const int64_t bytes = tileBytes * (a == b ? x : x * y);
      if (bytes > maxBlockBytes)
        continue;
      choice.block.assign(loops, 1);
      choice.block[a] = x;
      choice.block[b] = y;
      for (size_t r = 0; r < stage.reduction.size(); ++r) {
        choice.reductionOuter = r;
        choice.reductionSplit = 1;
        if (r > 0)
          consider();
        const Extent &extent = stage.reduction[r];
        // With tiles along one loop only, nothing is read twice anyway.
        if (extent.isSamples && moving < 2)
          continue;
        // Samples divide by nothing known: one and a half and two of the last.
        for (int64_t part = leastPart(stage, r);
             part <= 512 && part < extent.size; ++part)
          if (extent.isSamples ? std::has_single_bit(uint64_t(part)) ||
                                     (part % 3 == 0 &&
                                      std::has_single_bit(uint64_t(part / 3)))
                               : extent.size % part == 0) {
            choice.reductionSplit = part;
            consider();
          }
      }
    }
  choice.block.clear();
  choice.reductionOuter = 0;
  choice.reductionSplit = 1;
}

int64_t TileChooser::vectorsInAStep(const NestChoice &choice) const {
  int64_t count = results * choice.vectors();
  for (const Access &access : accesses) {
    if (choice.vectorLoop < 0 || access.strides[choice.vectorLoop] == 0)
      continue;
    int64_t loaded = 1;
    for (size_t l = 0; l < loops; ++l)
      if (access.strides[l] != 0)
        loaded *= choice.vectors(l);
    count += loaded;
  }
  return count;
}

void TileChooser::contraction() {
  describeTraffic();
  describeCrossing();
  const std::vector<Candidate> candidates = registerTiles(32, mostVectors());
  double best = std::numeric_limits<double>::infinity();
  NestChoice choice = nest.choice;
  for (const Candidate &candidate : candidates)
    if (candidate.cost < 1.3 * candidates[0].cost)
      chooseBlocks(candidate, best, choice);
  nest.choice = choice;
  nest.cycles = best;
  nest.idealCycles =
      points() * operations / machine.fmaPerCycle / nativeLanes();
  nest.choice.unrollReduction = unrollOf(nest.choice);
}

int64_t TileChooser::mostVectors() const {
  constexpr int64_t fewSteps = 32, fewVectors = 4;
  const std::vector<Result> &results = spec.stages[nest.reductions[0]].results;
  const bool withPlace =
      results.size() > 1 &&
      std::any_of(results.begin(), results.end(),
                  [](const Result &r) { return !isFloat(r.type); });
  const bool longFormula = !nest.choice.unrollTile && !updates();
  return steps < fewSteps && (withPlace || longFormula)
             ? fewVectors
             : machine.vectorRegisters;
}

bool TileChooser::numbersHaveOneUse(const NestChoice &choice) const {
  const int v = choice.vectorLoop;
  const int64_t least = machine.sumsKeptRolled();
  return least > 0 && v >= 0 && results == 1 &&
         choice.tile[v] == choice.lanes &&
         std::any_of(accesses.begin(), accesses.end(),
                     [&](const Access &access) {
                       int64_t numbers = access.strides[v] == 0;
                       for (size_t l = 0; l < loops; ++l)
                         if (access.strides[l] != 0)
                           numbers *= choice.tile[l];
                       return numbers >= least;
                     });
}

int TileChooser::unrollOf(const NestChoice &choice) const {
  const Stage &first = spec.stages[nest.reductions[0]];
  const int64_t run = choice.stepsInside(first);
  if (numbersHaveOneUse(choice))
    return 1;
  // LLVM keeps what two steps both load, such as the rows of a window.
  if (!first.reduction.back().isSamples &&
      vectorsInAStep(choice) <= machine.vectorRegisters)
    for (int u : {4, 2})
      if (run % u == 0 && run > u)
        return u;
  return 1;
}

std::vector<NestChoice> TileChooser::rankContraction(size_t most) {
  constexpr size_t perTile = 3;
  auto byCycles = [](const Ranked &a, const Ranked &b) {
    return a.cycles < b.cycles;
  };
  std::vector<Ranked> ranking;
  const std::vector<Candidate> candidates =
      registerTiles(64, machine.vectorRegisters);
  for (const Candidate &candidate : candidates) {
    if (candidate.cost > 2 * candidates[0].cost)
      break;
    std::vector<Ranked> all;
    double best = std::numeric_limits<double>::infinity();
    NestChoice choice;
    chooseBlocks(candidate, best, choice, &all);
    const size_t kept = std::min(perTile, all.size());
    std::partial_sort(all.begin(), all.begin() + kept, all.end(), byCycles);
    ranking.insert(ranking.end(), all.begin(), all.begin() + kept);
  }
  std::sort(ranking.begin(), ranking.end(), byCycles);
  std::vector<NestChoice> choices;
  for (size_t i = 0; i < ranking.size() && i < most; ++i) {
    choices.push_back(ranking[i].choice);
    choices.back().parallelLoops = -1;
    choices.back().unrollReduction = unrollOf(choices.back());
  }
  return choices;
}

std::vector<NestChoice> TileChooser::rankPointwise(size_t most) const {
  const std::vector<int64_t> periods = togetherPeriods();
  std::vector<NestChoice> choices;
  for (int64_t vectors : {1, 2, 4, 8})
    for (size_t v = loops; v-- > 0;) {
      const int64_t lanes = nativeLanes();
      const int64_t tile = lanes * vectors;
      if (!mayTile(v) || periods[v] > 1 || nest.isCarrying(v) || lanes < 2 ||
          (tile > extents[v] && vectors > 1))
        continue;
      NestChoice choice = nest.choice;
      choice.parallelLoops = -1;
      choice.tile = periods;
      choice.tile[v] = tile;
      choice.vectorLoop = v;
      choice.lanes = lanes;
      if (choices.size() < most)
        choices.push_back(choice);
    }
  return choices;
}

} // namespace fm::codegen
