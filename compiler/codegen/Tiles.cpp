//===- Tiles.cpp - Register tiles and vectors of one loop nest
//-------------===//
//
// Measures, by evaluating index expressions at a few points, with which stride
// each loop of a nest walks through each tensor. A register tile is then the
// one with the least estimated time per useful operation: arithmetic, loads and
// latency of one step of the reduction, and the points that a tile computes
// beyond the end of a loop.
//
//===----------------------------------------------------------------------===//
#include "compiler/codegen/Schedule.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>

namespace fm::codegen {

namespace {

constexpr int64_t irregular = std::numeric_limits<int64_t>::max();

/// One load, as the innermost code executes it.
struct Access {
  bool external = false;
  int64_t bytes = 4;
  std::vector<int64_t> strides; ///< per loop of the nest
};

struct Address {
  bool external;
  int64_t bytes;
  std::optional<int64_t> offset;
};

class StrideAnalysis {
public:
  StrideAnalysis(const KernelSpec &spec, const Group &group, const Nest &nest)
      : spec(spec), group(group), nest(nest), samples(samplesBound(spec)) {}

  /// Loads of the update of `reduction`, or of the nest's body if it is -1.
  std::vector<Access> run(int reduction) {
    const size_t loops = nest.loops.size();
    // Three base points in the interior; the stride that two agree on holds.
    std::vector<std::vector<std::vector<Address>>> seen(3);
    for (int b = 0; b < 3; ++b) {
      std::vector<int64_t> point(loops);
      for (size_t l = 0; l < loops; ++l) {
        const int64_t extent = nest.loops[l].extent.size;
        point[l] = std::max<int64_t>(
            0, std::min<int64_t>(extent - 2, extent * (b + 1) / 4));
      }
      seen[b].push_back(at(point, reduction, b));
      for (size_t l = 0; l < loops; ++l) {
        std::vector<int64_t> next = point;
        if (nest.loops[l].extent.size > 1)
          ++next[l];
        seen[b].push_back(at(next, reduction, b));
      }
    }
    std::vector<Access> accesses;
    for (size_t i = 0; i < seen[0][0].size(); ++i) {
      Access access;
      access.external = seen[0][0][i].external;
      access.bytes = seen[0][0][i].bytes;
      for (size_t l = 0; l < loops; ++l) {
        int64_t d[3];
        for (int b = 0; b < 3; ++b) {
          const bool same = seen[b][l + 1].size() == seen[0][0].size() &&
                            seen[b][0].size() == seen[0][0].size();
          d[b] = same && seen[b][0][i].offset && seen[b][l + 1][i].offset
                     ? *seen[b][l + 1][i].offset - *seen[b][0][i].offset
                     : irregular;
        }
        access.strides.push_back(d[0] == d[1] || d[0] == d[2] ? d[0]
                                 : d[1] == d[2]               ? d[1]
                                                              : irregular);
      }
      accesses.push_back(access);
    }
    return accesses;
  }

private:
  const KernelSpec &spec;
  const Group &group;
  const Nest &nest;
  const int64_t samples;
  std::vector<Address> *out = nullptr;

  std::vector<Address> at(const std::vector<int64_t> &point, int reduction,
                          int base) {
    std::vector<Address> addresses;
    out = &addresses;
    std::vector<std::optional<int64_t>> index(nest.domain.size(), 0);
    for (size_t l = 0; l < nest.loops.size() && !nest.domain.empty(); ++l)
      *index[nest.loops[l].logical] += point[l] * nest.loops[l].divisor;
    if (reduction >= 0) {
      const Stage &stage = spec.stages[reduction];
      for (const Extent &extent : stage.reduction)
        index.push_back(
            std::min(extent.size - 1, extent.size * (base + 1) / 4));
      for (const Result &result : stage.results)
        visit(*result.update, index);
    } else if (nest.stage >= 0) {
      for (const Result &result : spec.stages[nest.stage].results)
        visit(*result.init, index);
    } else {
      for (unsigned o : nest.outputs) {
        const Output &output = spec.outputs[o];
        stage(output.stage, output.result, index);
      }
    }
    return addresses;
  }

  void stage(unsigned s, unsigned result,
             const std::vector<std::optional<int64_t>> &index) {
    if (group.place[s] == Place::Inline) {
      visit(*spec.stages[s].results[result].init, index);
      return;
    }
    if (group.place[s] == Place::Register)
      return;
    Buffer scratch;
    scratch.shape = spec.stages[s].domain;
    scratch.dims = rowMajor(scratch.shape);
    record(scratch, sizeOf(spec.stages[s].results[result].type), index);
  }

  void record(const Buffer &buffer, int64_t bytes,
              const std::vector<std::optional<int64_t>> &index) {
    std::vector<int64_t> point;
    for (const auto &i : index) {
      if (!i) {
        out->push_back({buffer.external, bytes, std::nullopt});
        return;
      }
      point.push_back(*i);
    }
    out->push_back({buffer.external, bytes, offsetOf(buffer, point)});
  }

  void visit(const Expr &e, const std::vector<std::optional<int64_t>> &index) {
    std::vector<int64_t> known;
    for (const auto &i : index)
      known.push_back(i.value_or(0));
    bool complete = std::all_of(index.begin(), index.end(),
                                [](auto &i) { return i.has_value(); });
    forEachLoad(e, [&](const Expr &load) {
      if (out->size() > 256)
        return;
      std::vector<std::optional<int64_t>> position;
      for (const ExprRef &operand : load.operands)
        position.push_back(complete ? evaluate(*operand, known, samples)
                                    : std::nullopt);
      if (load.source.kind == TensorRef::Kind::Stage)
        stage(load.source.index, load.source.result, position);
      else
        record(spec.inputs[load.source.index], sizeOf(load.type), position);
    });
  }
};

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

  void run() {
    nest.choice = NestChoice();
    nest.choice.tile.assign(loops, 1);
    nest.choice.order.resize(loops);
    for (size_t l = 0; l < loops; ++l)
      nest.choice.order[l] = l;
    for (size_t l = 0; l < loops; ++l)
      extents.push_back(nest.stage >= 0 ? nest.region[l]
                                        : nest.loops[l].extent.size);
    writeStrides();
    StrideAnalysis analysis(spec, group, nest);
    widest = 1;
    if (nest.stage >= 0)
      for (const Result &result : spec.stages[nest.stage].results)
        widest = std::max(widest, sizeOf(result.type));
    for (unsigned o : nest.outputs)
      widest = std::max(widest, sizeOf(spec.outputs[o].buffer.type));
    if (nest.reductions.empty()) {
      accesses = analysis.run(-1);
      for (const Access &access : accesses)
        widest = std::max(widest, std::min<int64_t>(access.bytes, 8));
      pointwise();
      return;
    }
    steps = std::numeric_limits<int64_t>::max();
    for (unsigned r : nest.reductions) {
      for (Access &access : analysis.run(r))
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
    contraction();
  }

private:
  const KernelSpec &spec;
  const MachineModel &machine;
  const Group &group;
  const bool hasScratch;
  Nest &nest;
  const size_t loops;
  std::vector<int64_t> extents;
  std::vector<Access> accesses, writes;
  int64_t widest = 4, steps = 1, results = 0, operations = 0;

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
      add(spec.outputs[o].buffer.dims, sizeOf(spec.outputs[o].buffer.type));
  }

  int64_t nativeLanes() const {
    return std::max<int64_t>(1, machine.vectorBits / 8 / widest);
  }

  /// Scratch has a constant size: no tile of samples whose last one is shorter.
  bool mayTile(size_t loop) const {
    return extents[loop] > 1 &&
           !(hasScratch && nest.loops[loop].extent.isSamples);
  }

  void setVector(int loop, int64_t lanes, int64_t tile) {
    nest.choice.vectorLoop = loop;
    nest.choice.lanes = lanes;
    nest.choice.tile[loop] = tile;
  }

  void pointwise() {
    // The loop along which most accesses are contiguous, writes counted twice.
    int best = -1;
    double bestScore = 0;
    for (size_t l = 0; l < loops; ++l) {
      if (!mayTile(l))
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
    const int64_t unroll = std::clamp<int64_t>(extents[best] / lanes, 1,
                                               accesses.size() > 6 ? 2 : 4);
    int64_t tile = lanes;
    for (int64_t u = unroll; u > 1; --u)
      if (extents[best] % (lanes * u) == 0) {
        tile = lanes * u;
        break;
      }
    setVector(best, lanes, tile);
  }

  double costOf(const std::vector<int64_t> &tile, int v, int64_t lanes) const {
    int64_t vectors = 1;
    double waste = 1;
    for (size_t l = 0; l < loops; ++l) {
      vectors *= static_cast<int>(l) == v ? tile[l] / lanes : tile[l];
      waste *= double(roundUp(extents[l], tile[l])) / extents[l];
    }
    const int64_t accumulators = vectors * results;
    double loads = 0, gathers = 0;
    int64_t live = 0;
    for (const Access &access : accesses) {
      int64_t count = 1;
      for (size_t l = 0; l < loops; ++l)
        if (tile[l] > 1 && access.strides[l] != 0)
          count *= static_cast<int>(l) == v ? tile[l] / lanes : tile[l];
      const bool contiguous = v >= 0 && access.strides[v] == 1;
      const bool invariant = v < 0 || access.strides[v] == 0;
      loads += count;
      if (!contiguous && !invariant)
        gathers += double(count) * lanes;
      // A tail in the vector loop of the application's memory is gathered.
      if (contiguous && access.external && extents[v] % tile[v] != 0)
        gathers += double(count) * lanes * 0.5 * tile[v] /
                   roundUp(extents[v], tile[v]);
      if (contiguous)
        live = std::max(live, count);
    }
    // A gather is some forty instructions: no large tiles of those.
    if (gathers > 0 && vectors > 12)
      return std::numeric_limits<double>::infinity();
    const int64_t registers = machine.vectorRegisters;
    if (accumulators + std::min<int64_t>(live, 4) + 1 > registers)
      return std::numeric_limits<double>::infinity();
    const double arithmetic =
        double(vectors) * operations / machine.fmaPerCycle;
    const double latency = machine.fmaLatency;
    double cycles = std::max({arithmetic, (loads * 0.5) * 1.05, latency}) +
                    gathers * 0.75 + 0.02 * loads;
    // Writing out, spread over the steps.
    for (const Access &access : writes)
      if (v >= 0 && access.strides[v] != 1)
        cycles += double(vectors) * lanes * 1.5 / steps;
    cycles += double(vectors) * 2.0 / steps + 6.0 / steps;
    return cycles * waste / (double(vectors) * lanes);
  }

  void contraction() {
    double best = std::numeric_limits<double>::infinity();
    std::vector<int64_t> bestTile(loops, 1);
    int bestLoop = -1;
    int64_t bestLanes = 1;
    const int64_t native = nativeLanes();
    auto consider = [&](const std::vector<int64_t> &tile, int v,
                        int64_t lanes) {
      const double cost = costOf(tile, v, lanes);
      if (cost < best * 0.999) {
        best = cost;
        bestTile = tile;
        bestLoop = v;
        bestLanes = lanes;
      }
    };
    for (int v = -1; v < static_cast<int>(loops); ++v) {
      if (v >= 0 && !mayTile(v))
        continue;
      for (int64_t lanes = v < 0 ? 1 : native; lanes >= 1; lanes /= 2) {
        if (v >= 0 && (lanes < 2 || (lanes > powerOfTwoAtLeast(extents[v]))))
          continue;
        const int64_t most =
            v < 0 ? 1
                  : std::min<int64_t>(8, roundUp(extents[v], lanes) / lanes);
        for (int64_t k = 1; k <= most; ++k) {
          std::vector<int64_t> tile(loops, 1);
          if (v >= 0)
            tile[v] = k * lanes;
          if (v >= 0 && roundUp(extents[v], tile[v]) - extents[v] >
                            maxOverreadBytes / widest)
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
    nest.choice.tile = bestTile;
    nest.choice.vectorLoop = bestLoop;
    nest.choice.lanes = bestLanes;
    double points = steps;
    for (const Loop &loop : nest.loops)
      points *= loop.extent.size;
    nest.cycles = points * best;
    nest.idealCycles =
        points * operations / machine.fmaPerCycle / nativeLanes();
    const Stage &first = spec.stages[nest.reductions[0]];
    const Extent &inner = first.reduction.back();
    if (!inner.isSamples)
      for (int u : {4, 2})
        if (inner.size % u == 0 && inner.size > u) {
          nest.choice.unrollReduction = u;
          break;
        }
  }
};

} // namespace

void chooseTiles(const KernelSpec &spec, const MachineModel &machine,
                 const Group &group, bool hasScratch, Nest &nest) {
  TileChooser(spec, machine, group, hasScratch, nest).run();
}

} // namespace fm::codegen
