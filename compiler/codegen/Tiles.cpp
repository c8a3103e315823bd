//===- Tiles.cpp - Register tiles and vectors of one loop nest
//-------------===//
//
// Strides.h says with which stride each loop of a nest walks through each
// tensor. A register tile is then the one with the least estimated time per
// useful operation: arithmetic, loads and latency of one step of the reduction,
// and the points that a tile computes beyond the end of a loop.
//
//===----------------------------------------------------------------------===//
#include "compiler/codegen/Schedule.h"
#include "compiler/codegen/Strides.h"
#include "compiler/codegen/Traffic.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

namespace fm::codegen {

namespace {

int64_t roundUp(int64_t a, int64_t b) { return (a + b - 1) / b * b; }
int64_t powerOfTwoAtLeast(int64_t a) {
  int64_t p = 1;
  while (p < a)
    p *= 2;
  return p;
}

class TileChooser {
public:
  TileChooser(const KernelSpec &spec, const MachineModel &machine,
              const Group &group, bool hasScratch, Nest &nest)
      : spec(spec), machine(machine), group(group), hasScratch(hasScratch),
        nest(nest), loops(nest.loops.size()) {}

  void run(std::vector<NestChoice> *ranked, size_t most) {
    nest.choice = NestChoice();
    nest.choice.tile.assign(loops, 1);
    nest.choice.order.resize(loops);
    for (size_t l = 0; l < loops; ++l)
      nest.choice.order[l] = l;
    analyse();
    if (nest.reductions.empty())
      pointwise();
    else
      contraction();
    if (ranked)
      *ranked =
          nest.reductions.empty() ? rankPointwise(most) : rankContraction(most);
  }

  NestLimits limits() {
    analyse();
    NestLimits limits;
    limits.extents = extents;
    limits.periods = togetherPeriods();
    limits.lanes = nativeLanes();
    limits.vectors = machine.vectorRegisters;
    if (nest.reductions.empty()) {
      // Straight code for what is computed together, or a few vectors.
      limits.vectors = 64;
      for (int64_t period : limits.periods)
        limits.vectors = std::max(limits.vectors, 4 * period);
    }
    limits.results = std::max<int64_t>(1, results);
    for (unsigned r : nest.reductions)
      for (const Result &result : spec.stages[r].results)
        limits.resultBytes += sizeOf(result.type);
    for (size_t l = 0; l < loops; ++l) {
      limits.mayTile.push_back(mayTile(l));
      int64_t bytes = widest;
      for (const auto &list : {accesses, epilogue})
        for (const Access &access : list)
          bytes = std::max(bytes, access.bytes * access.overread[l]);
      limits.overread.push_back(bytes);
    }
    return limits;
  }

private:
  const KernelSpec &spec;
  const MachineModel &machine;
  const Group &group;
  const bool hasScratch;
  Nest &nest;
  const size_t loops;
  std::vector<int64_t> extents;
  std::vector<Access> accesses, epilogue, writes;
  std::vector<TrafficOperand> reducedOperands, blockedOperands,
      epilogueOperands, writtenOperands;
  bool storesWhole = false; ///< along some loop
  int64_t widest = 4, steps = 1, results = 0, operations = 0;

  void analyse() {
    for (size_t l = 0; l < loops; ++l)
      extents.push_back(nest.stage >= 0 ? nest.region[l]
                                        : nest.loops[l].extent.size);
    writeStrides();
    auto loads = [&](int reduction) {
      return accessesOf(spec, group, nest, reduction);
    };
    widest = 1;
    if (nest.stage >= 0)
      for (const Result &result : spec.stages[nest.stage].results)
        widest = std::max(widest, sizeOf(result.type));
    for (unsigned o : nest.outputs)
      widest = std::max(widest, sizeOf(spec.outputs[o].buffer.type));
    if (nest.reductions.empty()) {
      accesses = loads(-1);
      // A scalar, such as a bias correction in f64, is no vector.
      for (const Access &access : accesses)
        if (std::any_of(access.strides.begin(), access.strides.end(),
                        [](int64_t stride) { return stride != 0; }))
          widest = std::max(widest, std::min<int64_t>(access.bytes, 8));
      return;
    }
    for (Access &access : loads(-1))
      if (access.input < 0 || spec.inputs[access.input].aliasOf < 0)
        epilogue.push_back(access);
    for (size_t l = 0; l < loops; ++l)
      storesWhole |= mayTile(l) && extents[l] >= 4 && storesWholeAlong(l);
    steps = std::numeric_limits<int64_t>::max();
    for (unsigned r : nest.reductions) {
      // Reductions of one pass read what they have in common once.
      const size_t before = accesses.size();
      for (Access &access : loads(r))
        if (std::none_of(accesses.begin(), accesses.begin() + before,
                         [&](const Access &other) {
                           return other.input >= 0 &&
                                  other.input == access.input &&
                                  other.strides == access.strides;
                         }))
          accesses.push_back(access);
      int64_t count = 1;
      for (const Extent &extent : spec.stages[r].reduction)
        count *= extent.size;
      steps = std::min(steps, count);
      results += spec.stages[r].results.size();
      for (const Result &result : spec.stages[r].results) {
        operations += std::max<int64_t>(1, countOperations(*result.update) - 1);
        widest = std::max(widest, sizeOf(result.type));
      }
    }
  }

  void writeStrides() {
    auto add = [&](const std::vector<PhysicalDim> &dims, int64_t bytes) {
      Access access;
      access.bytes = bytes;
      access.strides.assign(loops, 0);
      for (size_t l = 0; l < loops; ++l)
        for (const PhysicalDim &dim : dims)
          if (dim.logical == nest.loops[l].logical &&
              dim.divisor == nest.loops[l].divisor)
            access.strides[l] = dim.stride;
      writes.push_back(access);
    };
    if (nest.stage >= 0)
      for (const Result &result : spec.stages[nest.stage].results)
        add(rowMajor(nest.domain), sizeOf(result.type));
    for (unsigned o : nest.outputs)
      if (!isCarried(spec.outputs[o].buffer))
        add(spec.outputs[o].buffer.dims, sizeOf(spec.outputs[o].buffer.type));
    if (writes.empty())
      add(spec.outputs[nest.outputs[0]].buffer.dims, widest);
  }

  /// Sums in passing are a row: they stay in the L1.
  static bool isCarried(const Buffer &buffer) {
    return std::any_of(buffer.dims.begin(), buffer.dims.end(),
                       [](const PhysicalDim &dim) {
                         return dim.stride == 0 && dim.extent.size > 1;
                       });
  }

  int64_t nativeLanes() const {
    return std::max<int64_t>(1, machine.vectorBits / 8 / widest);
  }

  /// Scratch has a constant size: no tile of samples whose last one is shorter.
  bool mayTile(size_t loop) const {
    return extents[loop] > 1 &&
           !(hasScratch && nest.loops[loop].extent.isSamples);
  }

  bool storesWholeAlong(size_t loop) const {
    return std::all_of(writes.begin(), writes.end(), [&](const Access &access) {
      return access.strides[loop] == 1;
    });
  }

  void setVector(int loop, int64_t lanes, int64_t tile) {
    nest.choice.vectorLoop = loop;
    nest.choice.lanes = lanes;
    nest.choice.tile[loop] = tile;
  }

  /// Loops along which inlined stages want their results together.
  std::vector<int64_t> togetherPeriods() const {
    std::vector<int64_t> periods(loops, 1);
    for (size_t s = 0; s < spec.stages.size(); ++s) {
      const Stage &stage = spec.stages[s];
      const bool here =
          static_cast<int>(s) == nest.stage || group.place[s] == Place::Inline;
      if (stage.together.empty() || !here || stage.domain != nest.domain)
        continue;
      for (size_t l = 0; l < loops; ++l)
        if (const Loop &loop = nest.loops[l];
            loop.divisor == 1 && loop.modulus == 0 && mayTile(l))
          periods[l] = std::max(periods[l], stage.together[loop.logical]);
    }
    return periods;
  }

  void pointwise() {
    const std::vector<int64_t> periods = togetherPeriods();
    bool whole = false;
    for (size_t l = 0; l < loops; ++l)
      if (periods[l] > 1) {
        nest.choice.tile[l] = periods[l];
        whole = true;
      }
    // The loop along which most accesses are contiguous, writes counted twice.
    int best = -1;
    double bestScore = 0;
    for (size_t l = 0; l < loops; ++l) {
      if (!mayTile(l) || periods[l] > 1 || nest.isCarrying(l))
        continue;
      double score = 0;
      for (const Access &access : writes)
        score += access.strides[l] == 1 ? 2 : -2;
      for (const Access &access : accesses)
        score += access.strides[l] == 1 ? 1 : access.strides[l] == 0 ? 0.5 : -1;
      score *= std::min<double>(1, double(extents[l]) / nativeLanes());
      if (score > bestScore || (best < 0 && score > -1e9 && l + 1 == loops)) {
        best = l;
        bestScore = score;
      }
    }
    if (best < 0)
      return;
    const int64_t lanes =
        std::min(nativeLanes(), powerOfTwoAtLeast(extents[best]));
    if (lanes < 2)
      return;
    const int64_t unroll =
        whole ? 1
              : std::clamp<int64_t>(extents[best] / lanes, 1,
                                    accesses.size() > 6 ? 2 : 4);
    int64_t tile = lanes;
    for (int64_t u = unroll; u > 1; --u)
      if (extents[best] % (lanes * u) == 0) {
        tile = lanes * u;
        break;
      }
    setVector(best, lanes, tile);
  }

  /// How many of `count` places along a loop meet in one set of an L1 of 64
  /// sets, which has 8 to 12 ways.
  static double linesPerSet(const Access &access, size_t loop, int64_t count) {
    constexpr int64_t setBytes = 4096;
    const int64_t bytes = std::abs(access.strides[loop]) * access.bytes;
    if (bytes < 64)
      return 0;
    const int64_t sets =
        std::min<int64_t>(64, setBytes / std::gcd(bytes, setBytes));
    return double(count) / sets;
  }

  double costOf(const std::vector<int64_t> &tile, int v, int64_t lanes) const {
    int64_t vectors = 1;
    double waste = 1;
    for (size_t l = 0; l < loops; ++l) {
      vectors *= static_cast<int>(l) == v ? tile[l] / lanes : tile[l];
      waste *= double(roundUp(extents[l], tile[l])) / extents[l];
    }
    // Vectors are stored whole wherever a loop allows it.
    if (v >= 0 && storesWhole && !storesWholeAlong(v) && steps < 512)
      return std::numeric_limits<double>::infinity();
    const int64_t accumulators = vectors * results;
    double loads = 0, gathers = 0, conflicts = 0;
    int64_t live = 0, gathered = 0, inStep = accumulators;
    for (const Access &access : accesses) {
      int64_t count = 1;
      for (size_t l = 0; l < loops; ++l)
        if (tile[l] > 1 && access.strides[l] != 0)
          count *= static_cast<int>(l) == v ? tile[l] / lanes : tile[l];
      const bool contiguous = v >= 0 && access.strides[v] == 1;
      const bool invariant = v < 0 || access.strides[v] == 0;
      loads += count;
      for (size_t l = 0; l < loops; ++l)
        if (static_cast<int>(l) != v && access.strides[l] != irregular)
          conflicts += std::max(0., linesPerSet(access, l, tile[l]) - 2);
      if (!contiguous && !invariant) {
        gathers += double(count) * lanes;
        gathered = std::max(gathered, count);
      }
      // A tail in the vector loop of the application's memory is gathered.
      if (contiguous && access.external && extents[v] % tile[v] != 0)
        gathers += double(count) * lanes * 0.5 * tile[v] /
                   roundUp(extents[v], tile[v]);
      if (contiguous)
        live = std::max(live, count);
      if (!invariant)
        inStep += count;
    }
    // A gather is some forty instructions, and as many again at a loop's end:
    // no large tiles of those, and none worth its code where little is to be
    // done.
    if (gathers > 0 && (vectors > 12 || (gathered > 2 && points() < 1e5)))
      return std::numeric_limits<double>::infinity();
    const int64_t registers = machine.vectorRegisters;
    if (accumulators + std::min<int64_t>(live, 4) + 1 > registers)
      return std::numeric_limits<double>::infinity();
    const double arithmetic =
        double(vectors) * operations / machine.fmaPerCycle;
    // Chains of dependent sums leave gaps as soon as a load is late.
    const double latency = 1.25 * machine.fmaLatency;
    double cycles =
        std::max({arithmetic, loads / machine.loadsPerCycle * 1.05, latency}) +
        gathers * 0.75 + 0.1 * loads / machine.loadsPerCycle;
    // The loop around a step; several steps in one piece of code share it.
    cycles += inStep <= registers ? 0.25 : 1;
    cycles *= 1 + 0.05 * conflicts;
    // Writing out, spread over the steps.
    for (const auto &list : {writes, epilogue})
      for (const Access &access : list)
        if (v >= 0 && access.strides[v] != 1 && access.strides[v] != 0)
          cycles += double(vectors) * lanes * 2.0 / steps;
    cycles += double(vectors) * 2.0 / steps + 6.0 / steps;
    return cycles * waste / (double(vectors) * lanes);
  }

  struct Candidate {
    double cost = 0;
    std::vector<int64_t> tile;
    int vectorLoop = -1;
    int64_t lanes = 1;
  };

  struct Ranked {
    double cycles = 0;
    NestChoice choice;
  };

  /// Every register tile, the best ones kept.
  std::vector<Candidate> registerTiles(size_t most = 32) const {
    std::vector<Candidate> best;
    const int64_t native = nativeLanes();
    auto consider = [&](const std::vector<int64_t> &tile, int v,
                        int64_t lanes) {
      const double cost = costOf(tile, v, lanes);
      if (cost == std::numeric_limits<double>::infinity() ||
          (best.size() == most && cost >= best.back().cost))
        return;
      auto place = std::upper_bound(
          best.begin(), best.end(), cost * 1.001,
          [](double value, const Candidate &c) { return value < c.cost; });
      best.insert(place, {cost, tile, v, lanes});
      if (best.size() > most)
        best.pop_back();
    };
    for (int v = -1; v < static_cast<int>(loops); ++v) {
      if (v >= 0 && (!mayTile(v) || nest.isCarrying(v)))
        continue;
      for (int64_t lanes = v < 0 ? 1 : native; lanes >= 1; lanes /= 2) {
        if (v >= 0 && (lanes < 2 || (lanes > powerOfTwoAtLeast(extents[v]))))
          continue;
        const int64_t widestTile =
            v < 0 ? 1
                  : std::min<int64_t>(16, roundUp(extents[v], lanes) / lanes);
        for (int64_t k = 1; k <= widestTile; ++k) {
          std::vector<int64_t> tile(loops, 1);
          if (v >= 0)
            tile[v] = k * lanes;
          const int64_t beyond =
              v >= 0 ? roundUp(extents[v], tile[v]) - extents[v] : 0;
          // Halide forgets the guard of vectors that lie behind the end as a
          // whole, where there is scratch.
          if (beyond > maxOverreadBytes / widest ||
              (hasScratch && v >= 0 && beyond >= lanes))
            continue;
          consider(tile, v, lanes);
          for (size_t a = 0; a < loops; ++a) {
            if (static_cast<int>(a) == v || !mayTile(a))
              continue;
            for (int64_t ta = 2; ta <= std::min<int64_t>(extents[a], 30);
                 ++ta) {
              tile[a] = ta;
              consider(tile, v, lanes);
              for (size_t b = 0; b < a; ++b) {
                if (static_cast<int>(b) == v || !mayTile(b))
                  continue;
                for (int64_t tb = 2; tb <= std::min<int64_t>(extents[b], 4);
                     ++tb) {
                  if (k * ta * tb > machine.vectorRegisters)
                    break;
                  tile[b] = tb;
                  consider(tile, v, lanes);
                  tile[b] = 1;
                }
              }
              if (k * ta > machine.vectorRegisters)
                break;
            }
            tile[a] = 1;
          }
        }
        if (v < 0)
          break;
      }
    }
    return best;
  }

  // --- Order and blocks: what moves between the caches
  // --------------------------

  /// Whether some operand lies contiguous along the innermost reduction loop.
  /// Where all of them jump to another row, and so to another page, with every
  /// step, fetching from L2 is not hidden behind arithmetic.
  bool streams(const Stage &stage) const {
    const size_t inner = loops + stage.reduction.size() - 1;
    return std::any_of(accesses.begin(), accesses.end(), [&](const Access &a) {
      return a.strides.size() == inner + 1 && a.strides[inner] == 1;
    });
  }

  /// Steps of the reduction for all results.
  double points() const {
    double count = steps;
    for (int64_t extent : extents)
      count *= extent;
    return count;
  }

  /// The accesses as traffic; a dimension is a loop of the nest or one of the
  /// reduction. Sums that are kept in scratch are one more.
  void describeTraffic() {
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
        operands.emplace_back(access.bytes, strides);
      }
      return operands;
    };
    reducedOperands = describe(accesses, true);
    epilogueOperands = describe(epilogue, false);
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

  /// Where a tile wants halves of lines, all of them are fetched at once for
  /// one tile and none for the next. The factor says what that costs where it
  /// is more than 16 lines; measured on weight gradients with updates, and on
  /// depthwise convolutions, which want fewer (AVX2).
  static double burstsOf(const std::vector<TrafficOperand> &operands,
                         const std::vector<int64_t> &unit) {
    double lines = 0, waste = 0;
    for (const TrafficOperand &operand : operands) {
      lines += operand.footprint(unit) / 64;
      waste += (operand.wholeLines(unit) - 1) / operands.size();
    }
    return 1 + 0.3 * waste * std::clamp((lines - 16) / 16, 0., 1.);
  }

  /// Cycles of the whole nest with this tile and these blocks; at `bound` it
  /// may stop counting and return that.
  double cyclesOf(const Candidate &tile, const NestChoice &choice,
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
            stage.reduction[inner].size / choice.reductionSplit;
        order.push_back({static_cast<int>(loops) + inner, trips});
        parts *= trips;
      }
      for (int r = inner - 1; r >= 0; --r) {
        order.push_back({static_cast<int>(loops) + r, stage.reduction[r].size});
        parts *= stage.reduction[r].size;
      }
      // Accumulators go to scratch and come back.
      double vectors = results;
      for (size_t l = 0; l < loops; ++l)
        vectors *= static_cast<int>(l) == tile.vectorLoop
                       ? tile.tile[l] / tile.lanes
                       : tile.tile[l];
      compute += all * parts * (vectors * 2.0 + 4);
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
    const double fromL2 =
        trafficInto(machine.l1Bytes * 0.7, operands, order, unit).bytes /
        machine.l2BytesPerCycle;
    if (std::max(compute, fromL2) + 0.1 * fromL2 >= bound)
      return bound;
    Traffic beyondL2 = trafficInto(machine.l2Bytes * 0.6, operands, order, unit,
                                   machine.l3BytesPerRun);
    // What follows the reduction passes by once, tile after tile.
    std::vector<TrafficLoop> tileOrder;
    for (const TrafficLoop &loop : order)
      if (loop.dimension < static_cast<int>(loops))
        tileOrder.push_back(loop);
    for (const auto *list : {&epilogueOperands, &writtenOperands}) {
      Traffic traffic = trafficInto(machine.l2Bytes * 0.3, *list, tileOrder,
                                    unit, machine.l3BytesPerRun);
      traffic.bytes *= burstsOf(*list, unit);
      beyondL2 += traffic;
    }
    // Long streams arrive in time; the starts of short ones are waited for.
    const double fromL3 = beyondL2.bytes / machine.l3BytesPerCycle;
    const double waits = beyondL2.starts / machine.l3BytesPerCycle;
    const double longest = std::max({compute, fromL2, fromL3 + waits});
    double cycles =
        longest + (streams(stage) ? 0.1 : 0.4) * std::min(fromL2, longest) +
        0.1 * std::min(fromL3, longest) + 0.4 * std::min(waits, longest);
    if (choice.isBlocked())
      cycles *= 1.03;
    // Other cores want something to do as well.
    double tasks = 1;
    for (size_t l = 0; l < loops; ++l)
      if (!nest.isCarrying(l))
        tasks *= double(tiles(l)) / (choice.isBlocked() ? choice.block[l] : 1);
    // The last round of tasks leaves some of the cores without one.
    const double rounds = std::ceil(tasks / machine.cores);
    const double idle = rounds * machine.cores / tasks - 1;
    const double wait = 0.5 * idle + (tasks < 4 * machine.cores ? 0.05 : 0);
    return cycles * (1 + wait * std::clamp((cycles - 5e4) / 5e4, 0., 1.));
  }

  /// Tries orders, blocks and parts of the reduction for one register tile.
  /// `all` receives everything that was tried; without it, a tile whose
  /// arithmetic alone takes too long is left out.
  void chooseBlocks(const Candidate &tile, double &best, NestChoice &bestChoice,
                    std::vector<Ranked> *all = nullptr) {
    if (!all && tile.cost * points() >= best * 0.995)
      return;
    NestChoice choice;
    choice.tile = tile.tile;
    choice.vectorLoop = tile.vectorLoop;
    choice.lanes = tile.lanes;
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
    // Loops of one tile stay outermost, the others in every order.
    std::vector<int> fixed;
    for (size_t l = 0; l < loops; ++l)
      if (tiles[l] <= 1)
        fixed.push_back(l);
    do {
      // The first loops are the parallel ones.
      if (!moving.empty() && nest.isCarrying(moving[0]))
        continue;
      choice.order = fixed;
      choice.order.insert(choice.order.end(), moving.begin(), moving.end());
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

  template <typename Consider>
  void considerBlocks(const Stage &stage, const std::vector<int64_t> &tiles,
                      int a, int b, NestChoice &choice, Consider &&consider) {
    auto options = [&](int l) {
      std::vector<int64_t> list;
      if (!nest.loops[l].extent.isSamples)
        for (int64_t d = 2; d < tiles[l]; ++d)
          if (tiles[l] % d == 0 && (d <= 4 || d == 8 || 2 * d == tiles[l]))
            list.push_back(d);
      list.push_back(tiles[l]);
      return list;
    };
    int64_t tileBytes = 0;
    for (unsigned r : nest.reductions)
      for (const Result &result : spec.stages[r].results)
        tileBytes += sizeOf(result.type);
    for (int64_t t : choice.tile)
      tileBytes *= t;
    for (int64_t x : options(a))
      for (int64_t y : a == b ? std::vector<int64_t>{x} : options(b)) {
        const int64_t bytes = tileBytes * (a == b ? x : x * y);
        if (bytes > maxScratchBytes / 2)
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
          if (extent.isSamples)
            continue;
          for (int64_t part = 16; part <= 512 && part < extent.size; ++part)
            if (extent.size % part == 0) {
              choice.reductionSplit = part;
              consider();
            }
        }
      }
    choice.block.clear();
    choice.reductionOuter = 0;
    choice.reductionSplit = 1;
  }

  /// Accumulators and loaded vectors of one step of the reduction.
  int64_t vectorsInAStep(const NestChoice &choice) const {
    auto vectors = [&](size_t l) {
      return static_cast<int>(l) == choice.vectorLoop
                 ? choice.tile[l] / choice.lanes
                 : choice.tile[l];
    };
    int64_t count = results;
    for (size_t l = 0; l < loops; ++l)
      count *= vectors(l);
    for (const Access &access : accesses) {
      if (choice.vectorLoop < 0 || access.strides[choice.vectorLoop] == 0)
        continue;
      int64_t loaded = 1;
      for (size_t l = 0; l < loops; ++l)
        if (access.strides[l] != 0)
          loaded *= vectors(l);
      count += loaded;
    }
    return count;
  }

  void contraction() {
    describeTraffic();
    const std::vector<Candidate> candidates = registerTiles();
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

  /// Steps of the innermost reduction loop in one piece of code.
  int unrollOf(const NestChoice &choice) const {
    const Stage &first = spec.stages[nest.reductions[0]];
    const Extent &inner = first.reduction.back();
    const int64_t run = choice.reductionSplit > 1 &&
                                choice.reductionOuter + 1 ==
                                    static_cast<int>(first.reduction.size())
                            ? choice.reductionSplit
                            : inner.size;
    // LLVM keeps what two steps both load, such as the rows of a window.
    if (!inner.isSamples && vectorsInAStep(choice) <= machine.vectorRegisters)
      for (int u : {4, 2})
        if (run % u == 0 && run > u)
          return u;
    return 1;
  }

  // --- Choices for a tuner
  // --------------------------------------------------------------

  /// The best few of each register tile, so that estimates which are off in one
  /// respect do not fill the list with tiles of one kind.
  std::vector<NestChoice> rankContraction(size_t most) {
    constexpr size_t perTile = 3;
    auto byCycles = [](const Ranked &a, const Ranked &b) {
      return a.cycles < b.cycles;
    };
    std::vector<Ranked> ranking;
    const std::vector<Candidate> candidates = registerTiles(64);
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

  /// Each loop for the vector, tiles of one to eight vectors; the order in
  /// which the machine model weighs loops counts for nothing here.
  std::vector<NestChoice> rankPointwise(size_t most) const {
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
};

} // namespace

void chooseTiles(const KernelSpec &spec, const MachineModel &machine,
                 const Group &group, bool hasScratch, Nest &nest,
                 std::vector<NestChoice> *ranked, size_t most) {
  TileChooser(spec, machine, group, hasScratch, nest).run(ranked, most);
}

NestLimits limitsOf(const KernelSpec &spec, const MachineModel &machine,
                    const Group &group, bool hasScratch, const Nest &nest) {
  Nest copy = nest;
  return TileChooser(spec, machine, group, hasScratch, copy).limits();
}

} // namespace fm::codegen
