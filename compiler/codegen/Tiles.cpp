//===- Tiles.cpp - Register tiles and vectors of one loop nest ------------===//
#include "compiler/codegen/TileChooser.h"

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

} // namespace

void TileChooser::run(std::vector<NestChoice> *ranked, size_t most) {
  const bool straight = nest.choice.unrollTile;
  nest.choice = NestChoice();
  nest.choice.unrollTile = straight;
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

NestLimits TileChooser::limits() {
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

void TileChooser::analyse() {
  for (size_t l = 0; l < loops; ++l)
    extents.push_back(nest.stage >= 0 ? nest.region[l]
                      : nest.loops[l].extent.isSamples && spec.samplesAtOnce > 0
                          ? spec.samplesAtOnce
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

void TileChooser::writeStrides() {
  auto add = [&](const std::vector<PhysicalDim> &dims, int64_t bytes,
                 bool nearby) {
    Access access;
    access.bytes = bytes;
    access.nearby = nearby;
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
      add(rowMajor(nest.domain), sizeOf(result.type), false);
  auto addOutput = [&](const Buffer &buffer, int64_t bytes) {
    add(buffer.dims, bytes, buffer.nearby);
  };
  for (unsigned o : nest.outputs)
    if (!isCarried(spec.outputs[o].buffer))
      addOutput(spec.outputs[o].buffer, sizeOf(spec.outputs[o].buffer.type));
  if (writes.empty())
    addOutput(spec.outputs[nest.outputs[0]].buffer, widest);
}

bool TileChooser::isCarried(const Buffer &buffer) {
  return std::any_of(buffer.dims.begin(), buffer.dims.end(),
                     [](const PhysicalDim &dim) { return dim.carries(); });
}

int64_t TileChooser::nativeLanes() const {
  return std::max<int64_t>(1, machine.vectorBits / 8 / widest);
}

bool TileChooser::mayTile(size_t loop) const {
  return extents[loop] > 1 &&
         !(hasScratch && nest.loops[loop].extent.isSamples);
}

bool TileChooser::storesWholeAlong(size_t loop) const {
  return std::all_of(writes.begin(), writes.end(), [&](const Access &access) {
    return access.strides[loop] == 1;
  });
}

void TileChooser::setVector(int loop, int64_t lanes, int64_t tile) {
  nest.choice.vectorLoop = loop;
  nest.choice.lanes = lanes;
  nest.choice.tile[loop] = tile;
}

std::vector<int64_t> TileChooser::togetherPeriods() const {
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

void TileChooser::pointwise() {
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
  if (const int across = loopAcross(best); across >= 0 && !whole) {
    setVector(across, nativeLanes(), nativeLanes());
    nest.choice.tile[best] = extents[best];
    return;
  }
  // What is the same for the vector's row is read once.
  const int64_t reads = std::count_if(
      accesses.begin(), accesses.end(),
      [&](const Access &access) { return access.strides[best] != 0; });
  const int64_t unroll =
      whole ? 1
            : std::clamp<int64_t>(extents[best] / lanes, 1, reads > 6 ? 2 : 4);
  int64_t tile = lanes;
  for (int64_t u = unroll; u > 1; --u)
    if (extents[best] % (lanes * u) == 0) {
      tile = lanes * u;
      break;
    }
  setVector(best, lanes, tile);
  if (!whole)
    tileRows(best);
}

int TileChooser::loopAcross(int loop) const {
  constexpr int64_t most = 7; // each is written out for a whole vector
  const int64_t extent = extents[loop];
  if (machine.vectorBits >= 512 || extent > most || extent >= nativeLanes() ||
      extent == powerOfTwoAtLeast(extent))
    return -1;
  for (int l = loop; l-- > 0;)
    if (mayTile(l) && !nest.isCarrying(l) && !nest.loops[l].extent.isSamples &&
        extents[l] >= nativeLanes())
      return l;
  return -1;
}

void TileChooser::tileRows(int vectorLoop) {
  int64_t rowBytes = 0;
  for (const Nest &other : group.nests)
    if (nest.stage < 0 && other.stage >= 0 && other.reductions.empty() &&
        other.domain == nest.domain)
      for (const Result &result : spec.stages[other.stage].results)
        rowBytes += sizeOf(result.type) * extents[vectorLoop];
  if (rowBytes == 0)
    return;
  for (int l = static_cast<int>(loops); l-- > 0;) {
    if (l == vectorLoop || !mayTile(l) || nest.isCarrying(l))
      continue;
    for (int64_t rows : {4, 2})
      if (nest.choice.tile[l] == 1 && extents[l] % rows == 0 &&
          rows * rowBytes <= machine.l1Bytes * 2 / 3)
        nest.choice.tile[l] = rows;
    return;
  }
}

double TileChooser::linesPerSet(const Access &access, size_t loop,
                                int64_t count) {
  constexpr int64_t setBytes = 4096;
  const int64_t bytes = std::abs(access.strides[loop]) * access.bytes;
  if (bytes < 64)
    return 0;
  const int64_t sets =
      std::min<int64_t>(64, setBytes / std::gcd(bytes, setBytes));
  return double(count) / sets;
}

double TileChooser::costOf(const std::vector<int64_t> &tile, int v,
                           int64_t lanes) const {
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
  double loads = 0, rows = 0, gathers = 0, conflicts = 0, halves = 0;
  int64_t live = 0, gathered = 0, inStep = accumulators;
  for (const Access &access : accesses) {
    int64_t count = 1;
    for (size_t l = 0; l < loops; ++l)
      if (tile[l] > 1 && access.strides[l] != 0)
        count *= static_cast<int>(l) == v ? tile[l] / lanes : tile[l];
    const bool contiguous = v >= 0 && access.strides[v] == 1;
    const bool invariant = v < 0 || access.strides[v] == 0;
    // What has been reduced before, such as a row's mean, is loaded once.
    const bool once = access.input < 0 &&
                      std::all_of(
                          access.strides.begin() + loops, access.strides.end(),
                          [](int64_t stride) { return stride == 0; });
    loads += once ? double(count) / steps : count;
    rows += contiguous && !once ? count : 0;
    const int64_t along = v < 0 ? 1 : tile[v] / lanes;
    if (contiguous && !once && count > along && tile[v] < extents[v] &&
        tile[v] * access.bytes % 64 != 0)
      halves += double(count) / double(along);
    for (size_t l = 0; l < loops; ++l)
      if (static_cast<int>(l) != v && access.strides[l] != irregular)
        conflicts += std::max(0., linesPerSet(access, l, tile[l]) - 2);
    if (!contiguous && !invariant) {
      gathers += double(count) * lanes;
      gathered = std::max(gathered, count);
    }
    // A tail in the vector loop is gathered where nothing lies behind it.
    if (contiguous && access.guarded && extents[v] % tile[v] != 0)
      gathers +=
          double(count) * lanes * 0.5 * tile[v] / roundUp(extents[v], tile[v]);
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
  const double arithmetic = double(vectors) * operations / machine.fmaPerCycle;
  // Chains of dependent sums leave gaps as soon as a load is late.
  const double latency = 1.25 * machine.fmaLatency;
  double cycles =
      std::max({arithmetic, loads / machine.loadsPerCycle * 1.05, latency}) +
      gathers * 0.75;
  // Loads that hold products up, and the loop around a step; several steps in
  // one piece of code share it. Neighbours of a number that is multiplied with
  // a row are in the L1 already.
  const bool beside = issuesBeside();
  const double late = beside ? 0.025 * (loads + 3 * rows) : 0.1 * loads;
  cycles += late / machine.loadsPerCycle;
  cycles += machine.crowdedLoad *
            std::max(0., loads - 0.4 * double(vectors) * operations);
  cycles += inStep > registers ? 1 : beside ? 0.1 : 0.25;
  cycles += spillsOf(tile, v, lanes, accumulators + std::min<int64_t>(live, 4));
  cycles *= 1 + 0.025 * conflicts;
  // Halves of lines in several places, where whole ones would do as well: in
  // panels of columns, for example.
  cycles *= 1 + 0.01 * halves;
  // Writing out, spread over the steps.
  for (const auto &list : {writes, epilogue})
    for (const Access &access : list)
      if (v >= 0 && access.strides[v] != 1 && access.strides[v] != 0)
        cycles += double(vectors) * lanes * 2.0 / steps;
  cycles += double(vectors) * 2.0 / steps + 6.0 / steps;
  return cycles * waste / (double(vectors) * lanes);
}

bool TileChooser::issuesBeside() const {
  return machine.vectorBits >= 512 && steps >= 64;
}

double TileChooser::spillsOf(const std::vector<int64_t> &tile, int v,
                             int64_t lanes, int64_t held) const {
  constexpr int64_t mostSteps = 4;
  const std::vector<Extent> &reduction =
      spec.stages[nest.reductions[0]].reduction;
  size_t inner = reduction.size() - 1;
  while (inner > 0 && reduction[inner].size == 1)
    --inner;
  const int64_t run = reduction[inner].size;
  const bool isOperand = v < 0 || tile[v] == lanes;
  if (isOperand || machine.vectorRegisters <= 16 || run < 2 ||
      run > mostSteps || reduction[inner].isSamples)
    return 0;
  for (const Access &access : accesses) {
    if ((v >= 0 && access.strides[v] != 0) ||
        access.strides.size() <= loops + inner)
      continue;
    int64_t count = 1, shared = 0;
    for (size_t l = 0; l < loops; ++l)
      if (tile[l] > 1 && access.strides[l] != 0) {
        count *= tile[l];
        if (access.strides[l] == access.strides[loops + inner])
          shared = tile[l];
      }
    if (shared > 0)
      held += count / shared * (shared + run - 1);
  }
  const double spilled =
      double(std::max<int64_t>(0, held - machine.vectorRegisters));
  return 2 * spilled / machine.loadsPerCycle / double(run);
}

std::vector<TileChooser::Candidate>
TileChooser::registerTiles(size_t most, int64_t mostVectors) const {
  std::vector<Candidate> best;
  const int64_t native = nativeLanes();
  auto consider = [&](const std::vector<int64_t> &tile, int v, int64_t lanes) {
    int64_t vectors = 1;
    for (size_t l = 0; l < loops; ++l)
      vectors *= static_cast<int>(l) == v ? tile[l] / lanes : tile[l];
    if (vectors > mostVectors)
      return;
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
          v < 0 ? 1 : std::min<int64_t>(16, roundUp(extents[v], lanes) / lanes);
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
          for (int64_t ta = 2; ta <= std::min<int64_t>(extents[a], 30); ++ta) {
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
