//===- GroupPlanner.cpp - Which stages share a loop nest ------------------===//
//
// Fusion of stages into nests. The loop at which each nest is computed is
// chosen in PlaceNests.cpp, tiles and vectors in Tiles.cpp.
//
//===----------------------------------------------------------------------===//
#include "compiler/codegen/GroupPlanner.h"

#include <algorithm>
#include <functional>
#include <map>
#include <optional>
#include <set>

#include "compiler/codegen/NestRegions.h"
#include "compiler/codegen/PlaceNests.h"

namespace fm::codegen {

namespace {

class GroupPlanner {
public:
  /// `inlined`: pointwise stages for which there is no scratch.
  GroupPlanner(const KernelSpec &spec, const MachineModel &machine,
               const std::vector<std::vector<int>> &storedBy, int number,
               const std::set<unsigned> &inlined)
      : spec(spec), machine(machine), inlined(inlined),
        regions(spec, group, storedBy, number),
        placer(spec, machine, regions, readers, group) {}

  Group run(const std::vector<unsigned> &outputs, const ScheduleChoice &choice,
            ChoiceQuery *query, size_t &choiceOffset, ChoiceProblem &problem,
            std::string &error) {
    group.place.assign(spec.stages.size(), Place::Unused);
    group.nestOf.assign(spec.stages.size(), -1);
    readers.resize(spec.stages.size());
    makeRoot(outputs);
    for (size_t s = spec.stages.size(); s-- > 0;)
      if (!readers[s].empty())
        placeStage(s);
    for (size_t k = 0; k < group.nests.size(); ++k) {
      Nest &nest = group.nests[k];
      if (k > 0) {
        placer.place(k, error);
        if (!error.empty() && !spec.stages[nest.stage].reduces()) {
          homeless = nest.stage;
          return std::move(group);
        }
      }
      const bool asked = query && query->nest == choiceOffset;
      nest.choice.unrollTile =
          nest.reductions.empty() || !hasExpensiveEpilogue(nest);
      chooseTiles(spec, machine, group, k == 0 && hasScratch(), nest,
                  asked ? &query->found : nullptr, asked ? query->most : 0);
      if (!readsBehindResults(nest, nest.choice).message.empty()) {
        nest.choice.tile[nest.choice.vectorLoop] = 1;
        nest.choice.vectorLoop = -1;
        nest.choice.lanes = 1;
      }
      if (choiceOffset < choice.size() && !choice[choiceOffset].tile.empty())
        take(choice[choiceOffset], choiceOffset, nest, problem);
      else
        nest.choice.parallelLoops = byRule;
      ++choiceOffset;
      if (k > 0 || (nest.choice.parallelLoops == byRule && spec.strips > 1))
        nest.choice.parallelLoops = 0; // strips are part of a task
      else if (nest.choice.parallelLoops == byRule)
        chooseParallel(nest);
    }
    return std::move(group);
  }

  /// A pointwise stage whose scratch has no place, so that planning ended
  /// there: each of its readers can compute it instead.
  std::optional<unsigned> homeless;

private:
  static constexpr int byRule = -1;
  /// What parallel loops are worth it for. One costs a microsecond or two to
  /// start and to end, three where cores have no common cache, and to fetch
  /// what other cores have computed costs more than that. Whoever has the same
  /// samples as before need not; then it is one core alone that would.
  static constexpr double leastCycles = 6e4, leastCyclesOfSamples = 2e4;

  /// What was given instead of the machine model's choice, if it is legal.
  void take(const NestChoice &given, int number, Nest &nest,
            ChoiceProblem &first) const {
    const bool scratch = &nest == &group.nests[0] && hasScratch();
    ChoiceProblem problem =
        checkChoice(spec, limitsOf(spec, machine, group, scratch, nest),
                    scratch, nest, given);
    if (problem.message.empty())
      problem = readsBehindResults(nest, given);
    if (problem.message.empty()) {
      nest.choice = given;
      return;
    }
    nest.choice.parallelLoops = byRule;
    if (!first.message.empty())
      return;
    problem.nest = number;
    first = problem;
  }

  /// Halide loads every second to fourth element of what an earlier group has
  /// stored as whole vectors, and reads up to three elements behind its end.
  ChoiceProblem readsBehindResults(const Nest &nest,
                                   const NestChoice &given) const {
    if (given.vectorLoop < 0)
      return {};
    const Loop &loop = nest.loops[given.vectorLoop];
    for (const Output &output : spec.outputs) {
      if (!output.buffer.external ||
          !regions.isStoredEarlier(output.stage, output.result))
        continue;
      for (const PhysicalDim &dim : output.buffer.dims) {
        const int64_t stride =
            dim.stride * std::max<int64_t>(1, loop.divisor / dim.divisor);
        if (dim.logical == loop.logical && stride > 1 && stride <= 4)
          return {-1, "vector",
                  "vectors of elements " + std::to_string(stride) +
                      " apart in '" + output.buffer.name +
                      "' would read behind the application's memory"};
      }
    }
    return {};
  }

  /// True if a nest may be computed inside of the first one. Scalars never are.
  bool hasScratch() const {
    for (size_t k = 1; k < group.nests.size(); ++k)
      for (const Extent &extent : group.nests[k].domain)
        if (extent.size > 1)
          return true;
    return false;
  }

  const KernelSpec &spec;
  const MachineModel &machine;
  const std::set<unsigned> &inlined;
  Group group;
  const NestRegions regions;
  std::vector<std::vector<Reader>> readers; ///< of each stage
  NestPlacer placer;
  std::map<unsigned, bool> readsReduction;

  /// Loops of the nest that writes the outputs: the common refinement of their
  /// physical dimensions.
  void makeRoot(const std::vector<unsigned> &outputs) {
    Nest nest;
    nest.outputs = outputs;
    const Buffer &first = spec.outputs[outputs[0]].buffer;
    nest.domain = first.shape;
    for (const PhysicalDim &dim : first.dims)
      nest.loops.push_back({dim.logical, dim.divisor, dim.modulus, dim.extent});
    if (nest.loops.empty())
      nest.loops.push_back({0, 1, 0, Extent{1, false}});
    for (const Loop &loop : nest.loops) {
      bool carries = false;
      for (unsigned o : outputs)
        for (const PhysicalDim &dim : spec.outputs[o].buffer.dims)
          carries |= dim.logical == loop.logical && dim.carries();
      nest.carries.push_back(carries);
    }
    group.nests.push_back(nest);
    for (unsigned o : outputs) {
      addReader(spec.outputs[o].stage, spec.outputs[o].result, {0, -1, true});
    }
  }

  void addReader(unsigned s, unsigned result, const Reader &reader) {
    if (regions.isStoredEarlier(s, result))
      return;
    for (Reader &known : readers[s])
      if (known.nest == reader.nest && known.reduction == reader.reduction) {
        known.identity &= reader.identity;
        return;
      }
    readers[s].push_back(reader);
  }

  /// Tells what stage `s` reads that `through` reads it.
  void forward(unsigned s, const Expr &e, const Reader &through) {
    const Stage &stage = spec.stages[s];
    forEachLoad(e, [&](const Expr &load) {
      if (load.source.kind != TensorRef::Kind::Stage)
        return;
      Reader reader = through;
      reader.identity &=
          isIdentity(load, stage, spec.stages[load.source.index].domain);
      addReader(load.source.index, load.source.result, reader);
    });
  }

  /// Everything read by a stage that is computed in nest `k`.
  void forwardComputed(unsigned s, int k) {
    for (const Result &result : spec.stages[s].results) {
      forward(s, *result.init, {k, -1, true});
      if (result.update)
        forward(s, *result.update, {k, static_cast<int>(s), false});
    }
  }

  bool readsReductionAtIdentity(unsigned s) {
    // A stage may be read twice by each of a chain: look at it once.
    if (auto known = readsReduction.find(s); known != readsReduction.end())
      return known->second;
    const Stage &stage = spec.stages[s];
    bool found = false;
    for (const Result &result : stage.results)
      forEachLoad(*result.init, [&](const Expr &load) {
        if (load.source.kind != TensorRef::Kind::Stage ||
            regions.isStoredEarlier(load.source.index, load.source.result))
          return;
        const Stage &source = spec.stages[load.source.index];
        if (isIdentity(load, stage, source.domain))
          found |=
              source.reduces() || readsReductionAtIdentity(load.source.index);
      });
    return readsReduction[s] = found;
  }

  void placeStage(unsigned s) {
    const Stage &stage = spec.stages[s];
    const std::vector<Reader> &sites = readers[s];
    const int home = sites[0].nest;
    bool local = true; // read in the body of one nest, at its own point only
    for (const Reader &site : sites)
      local &= site.nest == home && site.reduction < 0 && site.identity;

    if (local && stage.reduces()) {
      group.place[s] = Place::Register;
      group.nestOf[s] = home;
      group.nests[home].reductions.push_back(s);
      forwardComputed(s, home);
      return;
    }
    // Written out in its own loops; what reads it repeats those of its formula.
    const bool isHalf = !stage.together.empty() && !local;
    bool materialise = stage.reduces() || isHalf;
    if (inlined.count(s))
      materialise = false;
    else if (!materialise && !local) {
      bool expensive = false;
      for (const Result &result : stage.results)
        expensive |= isExpensive(*result.init);
      materialise = readsReductionAtIdentity(s) || (expensive && isReused(s));
      if (materialise && bytesOf(stage) > maxScratchBytes &&
          stage.domain.empty())
        materialise = false;
    }
    if (!materialise) {
      group.place[s] = Place::Inline;
      for (const Reader &site : sites)
        for (const Result &result : stage.results)
          forward(s, *result.init, site);
      return;
    }
    Nest nest;
    nest.stage = s;
    nest.domain = stage.domain;
    for (size_t d = 0; d < stage.domain.size(); ++d)
      nest.loops.push_back({static_cast<unsigned>(d), 1, 0, stage.domain[d]});
    if (nest.loops.empty())
      nest.loops.push_back({0, 1, 0, Extent{1, false}});
    const int k = group.nests.size();
    group.nestOf[s] = k;
    group.place[s] = Place::Nest;
    if (stage.reduces())
      nest.reductions.push_back(s);
    group.nests.push_back(nest);
    forwardComputed(s, k);
  }

  /// True if what follows a nest's reductions is long, or calls elementary
  /// functions.
  bool hasExpensiveEpilogue(const Nest &nest) const {
    constexpr int64_t most = 24;
    std::vector<bool> seen(spec.stages.size(), false);
    int64_t operations = 0;
    std::function<void(unsigned)> visit = [&](unsigned s) {
      if (seen[s] || group.place[s] != Place::Inline)
        return;
      seen[s] = true;
      for (const Result &result : spec.stages[s].results) {
        operations += countOperations(*result.init);
        if (isExpensive(*result.init))
          operations += most + 1;
        forEachLoad(*result.init, [&](const Expr &load) {
          if (load.source.kind == TensorRef::Kind::Stage)
            visit(load.source.index);
        });
      }
    };
    for (unsigned o : nest.outputs)
      visit(spec.outputs[o].stage);
    return operations > most;
  }

  int64_t bytesOf(const Stage &stage) const {
    int64_t bytes = 0;
    for (const Result &result : stage.results)
      bytes += sizeOf(result.type);
    for (const Extent &extent : stage.domain)
      bytes *= extent.size;
    return bytes;
  }

  /// True if inlining `s` would compute its points more than once.
  bool isReused(unsigned s) const {
    if (readers[s].size() > 1)
      return true;
    const Reader &site = readers[s][0];
    // Read in a reduction: as often as its domain and reduction are larger.
    int64_t reads = 1, points = 1;
    for (const Extent &extent : group.nests[site.nest].domain)
      reads *= extent.size;
    if (site.reduction >= 0)
      for (const Extent &extent : spec.stages[site.reduction].reduction)
        reads *= extent.size;
    for (const Extent &extent : spec.stages[s].domain)
      points *= extent.size;
    return reads > points;
  }

  void chooseParallel(Nest &nest) const {
    // A rough time for the whole group on one core: sums a little slower than
    // arithmetic alone, an operation a cycle for what is around them, unless
    // memory says that most of it is shared, and data out of L2 or L3.
    double operations = 0, bytes = 0;
    for (size_t s = 0; s < spec.stages.size(); ++s) {
      if (group.place[s] == Place::Unused)
        continue;
      double points = 1, reduced = 1;
      for (const Extent &extent : spec.stages[s].domain)
        points *= extent.size;
      for (const Extent &extent : spec.stages[s].reduction)
        reduced *= extent.size;
      const bool isEstimated =
          nest.idealCycles > 0 &&
          std::count(nest.reductions.begin(), nest.reductions.end(), s);
      for (const Result &result : spec.stages[s].results) {
        operations += points * countOperations(*result.init);
        if (result.update && !isEstimated)
          operations += points * reduced * countOperations(*result.update);
      }
    }
    auto add = [&bytes](const Buffer &buffer) {
      double size = sizeOf(buffer.type);
      for (const Extent &extent : buffer.shape)
        size *= extent.size;
      bytes += size;
    };
    std::for_each(spec.inputs.begin(), spec.inputs.end(), add);
    for (unsigned output : nest.outputs)
      add(spec.outputs[output].buffer);
    const double cycles =
        1.3 * nest.idealCycles +
        std::min(operations / (machine.vectorBits / 32), bytes / 8) +
        bytes / 16;
    const bool keeps = !nest.reductions.empty() || hasScratch();
    const ParallelLoops parallel =
        parallelLoopsOf(nest, nest.choice, keeps, 4 * machine.cores);
    const bool ownSamples =
        parallel.first >= 0 && nest.loops[parallel.first].extent.isSamples;
    nest.choice.parallelLoops =
        cycles < (ownSamples ? leastCyclesOfSamples : leastCycles)
            ? 0
            : parallel.loops;
  }
};

} // namespace

Group planGroup(const KernelSpec &spec, const MachineModel &machine,
                const std::vector<std::vector<int>> &storedBy, int number,
                const std::vector<unsigned> &outputs,
                const ScheduleChoice &choice, ChoiceQuery *query, size_t &nests,
                ChoiceProblem &problem, std::string &error) {
  std::set<unsigned> inlined;
  for (;;) {
    GroupPlanner planner(spec, machine, storedBy, number, inlined);
    size_t counted = nests;
    std::string failure;
    ChoiceProblem found = problem;
    Group group = planner.run(outputs, choice, query, counted, found, failure);
    if (planner.homeless) {
      inlined.insert(*planner.homeless);
      continue;
    }
    nests = counted;
    problem = found;
    error = failure;
    return group;
  }
}

} // namespace fm::codegen
