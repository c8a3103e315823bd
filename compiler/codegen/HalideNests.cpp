//===- HalideNests.cpp - Halide schedules from the choices of nests -------===//
#include "compiler/codegen/HalideNests.h"

#include <algorithm>
#include <set>
#include <string>

#include "compiler/codegen/Prefetch.h"
#include "compiler/codegen/Strides.h"

namespace fm::codegen {

namespace {

using Halide::Func;
using Halide::RVar;
using Halide::TailStrategy;
using Halide::Var;

/// On a CPU, "registers" are arrays in the stack frame, of any constant size;
/// what Halide calls stack goes to the heap above 16 KiB.
constexpr auto scratchMemory = Halide::MemoryType::Register;

class Scheduler {
public:
  Scheduler(const KernelSpec &spec, const Plan &plan,
            const MachineModel &machine, const Halide::Param<int> &samples,
            const std::vector<Halide::ImageParam> &inputs,
            std::vector<std::vector<BuiltNest>> &built)
      : spec(spec), plan(plan), machine(machine), samples(samples),
        inputs(inputs), built(built) {}

  void run() {
    for (size_t g = 0; g < plan.groups.size(); ++g)
      for (size_t k = 0; k < plan.groups[g].nests.size(); ++k)
        scheduleNest(g, k);
    for (size_t g = 0; g < plan.groups.size(); ++g)
      for (size_t k = 0; k < plan.groups[g].nests.size(); ++k)
        placeNest(g, k);
  }

private:
  const KernelSpec &spec;
  const Plan &plan;
  const MachineModel &machine;
  const Halide::Param<int> &samples;
  const std::vector<Halide::ImageParam> &inputs;
  std::vector<std::vector<BuiltNest>> &built;

  void scheduleNest(size_t g, size_t k) {
    const Nest &nest = plan.groups[g].nests[k];
    BuiltNest &b = built[g][k];
    const NestChoice &choice = nest.choice;
    const bool isOutput = nest.stage < 0;
    const size_t loops = nest.loops.size();
    std::vector<Var> outer(loops);
    std::vector<Halide::VarOrRVar> inner;
    std::vector<Var> unrolled;
    std::vector<int64_t> extents; ///< of those
    Var vector;
    for (size_t l = 0; l < loops; ++l) {
      const int64_t tile = choice.tile[l];
      if (isOutput)
        b.func.bound(b.vars[l], 0, extentOf(nest.loops[l].extent, samples));
      // Scratch for a whole dimension: nothing to infer, a constant size.
      else if (!nest.domain.empty() && !nest.loops[l].extent.isSamples &&
               nest.region[l] == nest.loops[l].extent.size)
        b.func.bound(
            b.vars[l], 0,
            static_cast<int>((nest.region[l] + tile - 1) / tile * tile));
      outer[l] = b.vars[l];
      if (tile == 1)
        continue;
      const TailStrategy tail = !nest.overhang(l) ? TailStrategy::RoundUp
                                : isOutput        ? TailStrategy::GuardWithIf
                                                  : TailStrategy::RoundUp;
      const std::string name = b.vars[l].name();
      outer[l] = Var(name + "o");
      Var in(name + "i");
      b.func.split(b.vars[l], outer[l], in, static_cast<int>(tile), tail);
      if (static_cast<int>(l) == choice.vectorLoop) {
        vector = in;
        if (tile > choice.lanes) {
          Var vectors(name + "u");
          vector = Var(name + "v");
          b.func.split(in, vectors, vector, static_cast<int>(choice.lanes),
                       TailStrategy::RoundUp);
          unrolled.push_back(vectors);
          extents.push_back(tile / choice.lanes);
        }
      } else {
        unrolled.push_back(in);
        extents.push_back(tile);
      }
    }
    std::vector<Halide::VarOrRVar> order;
    if (choice.vectorLoop >= 0)
      order.push_back(vector);
    for (size_t i = unrolled.size(); i-- > 0;)
      order.push_back(unrolled[i]);
    const std::vector<int> around = nest.outerLoops();
    if (choice.isBlocked()) {
      // Tiles inside of a block, and the loops around blocks.
      for (size_t p = loops; p-- > 0;) {
        const int l = choice.order[p];
        if (std::find(around.begin(), around.end(), l) == around.end()) {
          order.push_back(outer[l]);
        } else if (choice.block[l] > 1) {
          const std::string name = b.vars[l].name();
          Var blocks(name + "b"), in(name + "t");
          b.func.split(outer[l], blocks, in, static_cast<int>(choice.block[l]),
                       nest.tiles(l) % choice.block[l] == 0 &&
                               !nest.loops[l].extent.isSamples
                           ? TailStrategy::RoundUp
                           : TailStrategy::GuardWithIf);
          outer[l] = blocks;
          order.push_back(in);
        }
      }
    }
    for (size_t p = around.size(); p-- > 0;)
      order.push_back(outer[around[p]]);
    b.func.reorder(order);
    if (choice.vectorLoop >= 0)
      b.func.vectorize(vector);
    if (choice.unrollTile)
      for (const Var &v : unrolled)
        b.func.unroll(v);
    else
      unrollSome(b, unrolled, extents);
    for (int l : around)
      b.outer.push_back(outer[l]);
    if (choice.parallelLoops > 0 && isOutput) {
      Var fused = outer[around[0]];
      for (int p = 1; p < choice.parallelLoops; ++p) {
        Var next(b.func.name() + "f" + std::to_string(p));
        b.func.fuse(outer[around[p]], fused, next);
        fused = next;
      }
      b.func.parallel(fused);
      for (int p = 0; p < choice.parallelLoops; ++p)
        b.outer[p] = fused;
    }
    for (size_t i = 0; i < nest.reductions.size(); ++i) {
      prefetchOperands(plan.groups[g], nest, b, i,
                       choice.isBlocked() ? scheduleBlocks(nest, b, i)
                                          : scheduleReduction(nest, b, i));
      prefetchNextRows(plan.groups[g], nest, b, i);
    }
    if (!isOutput)
      b.func.store_in(scratchMemory);
    else if (!nest.reductions.empty() &&
             prefetchesEpilogue(nest, choice, choice.parallelLoops))
      prefetchEpilogue(g, b);
  }

  /// The innermost loops of a tile become straight code, for as many vectors as
  /// InterleaveChains computes side by side, or two such groups.
  void unrollSome(BuiltNest &b, const std::vector<Var> &loops,
                  const std::vector<int64_t> &extents) const {
    const int64_t atOnce = machine.vectorsAtOnce();
    int64_t vectors = 1;
    for (size_t i = loops.size(); i-- > 0 && vectors < atOnce;) {
      int64_t part = std::min(extents[i], atOnce * 3 / 2 / vectors);
      while (extents[i] % part != 0)
        --part;
      vectors *= part;
      Var in = loops[i];
      if (part < extents[i]) {
        Var parts(loops[i].name() + "p");
        in = Var(loops[i].name() + "s");
        b.func.split(loops[i], parts, in, static_cast<int>(part),
                     TailStrategy::RoundUp);
      }
      b.func.unroll(in);
      if (part < extents[i])
        return;
    }
  }

  /// What the epilogue reads, such as a parameter and its moments, starts on
  /// its way into the cache before the reduction and arrives during it.
  void prefetchEpilogue(size_t g, BuiltNest &b) {
    const Group &group = plan.groups[g];
    const Nest &nest = group.nests[0];
    std::set<int> chosen;
    for (const Access &access : accessesOf(spec, group, nest, -1)) {
      bool each = access.input >= 0; // an element of its own for each result
      for (size_t l = 0; l < nest.loops.size() && each; ++l)
        each = nest.loops[l].extent.size == 1 ||
               (access.strides[l] != 0 && access.strides[l] != irregular);
      if (each)
        chosen.insert(access.input);
    }
    for (int input : chosen)
      b.func.prefetch(inputs[input], innermostOuter(b), innermostOuter(b), 0,
                      Halide::PrefetchBoundStrategy::NonFaulting);
  }

  /// `innermost`: the reduction's loop.
  void prefetchOperands(const Group &group, const Nest &nest, BuiltNest &b,
                        size_t i, const RVar &innermost) {
    const unsigned reduction = nest.reductions[i];
    const int64_t ahead =
        stepsAhead(nest.choice, spec.stages[reduction], machine);
    if (ahead == 0)
      return;
    std::set<int> chosen;
    for (const Access &access : accessesOf(spec, group, nest, reduction))
      if (isPrefetched(spec, nest, access, machine))
        chosen.insert(access.input);
    for (int input : chosen)
      b.accumulators[i].update().prefetch(
          inputs[input], innermost, innermost, static_cast<int>(ahead),
          Halide::PrefetchBoundStrategy::NonFaulting);
  }

  /// Names the loops of `NextRows` for the pass that adds those prefetches.
  void prefetchNextRows(const Group &group, const Nest &nest, BuiltNest &b,
                        size_t i) {
    const NestChoice &choice = nest.choice;
    const NextRows next =
        nextRowsOf(spec, group, nest, nest.reductions[i], machine);
    if (next.operands.empty())
      return;
    RowsAhead ahead;
    ahead.accumulator = b.accumulators[i].name();
    ahead.linesPerPass = next.linesPerPass;
    ahead.passesPerLine = next.passesPerLine;
    ahead.steps = choice.unrollReduction;
    for (const NextRows::Operand &operand : next.operands)
      ahead.operands.push_back({inputs[operand.input].name(),
                                static_cast<int>(operand.lines),
                                static_cast<int>(operand.step)});
    if (next.inReduction) {
      const bool split = choice.reductionSplit > 1;
      for (int l : next.passes)
        ahead.passes.push_back(choice.tile[l] > 1 ? tilesOf(b, l)
                                                  : b.vars[l].name());
      ahead.moving =
          split ? partsOf(b) : b.reductionVar(i, next.position).name();
      ahead.around = split && next.position > 0
                         ? b.reductionVar(i, next.position - 1).name()
                         : innermostOuter(b).name();
    } else {
      const std::vector<int> around = nest.outerLoops();
      for (size_t p = next.position + 1; p < around.size(); ++p)
        if (nest.tiles(around[p]) > 1)
          ahead.passes.push_back(b.outer[p].name());
      ahead.moving = b.outer[next.position].name();
      if (next.position > 0 && next.position >= choice.parallelLoops)
        ahead.around = b.outer[next.position - 1].name();
    }
    b.ahead.push_back(ahead);
  }

  /// Names of the loops over the tiles of a block, and over parts of a
  /// reduction.
  static std::string tilesOf(const BuiltNest &b, int l) {
    return b.func.name() + "at" + std::to_string(l);
  }
  static std::string partsOf(const BuiltNest &b) {
    return b.func.name() + "rp";
  }

  /// Several steps as straight code; returns the loop over them.
  static RVar unrollSteps(Halide::Stage &update, const RVar &loop,
                          const NestChoice &choice) {
    if (choice.unrollReduction == 1)
      return loop;
    RVar rounds(loop.name() + "o"), step(loop.name() + "u");
    update.split(loop, rounds, step, choice.unrollReduction);
    update.unroll(step);
    return step;
  }

  /// Returns the innermost loop of the reduction.
  RVar scheduleReduction(const Nest &nest, BuiltNest &b, size_t i) {
    const NestChoice &choice = nest.choice;
    Func &acc = b.accumulators[i];
    acc.compute_at(b.func, innermostOuter(b)).store_in(scratchMemory);
    Halide::Stage update = acc.update();
    std::vector<Halide::VarOrRVar> order;
    std::vector<Var> tiled, single;
    for (size_t l = 0; l < nest.loops.size(); ++l) {
      if (choice.tile[l] > 1)
        acc.bound_extent(b.vars[l], static_cast<int>(choice.tile[l]));
      if (static_cast<int>(l) == choice.vectorLoop)
        continue;
      (choice.tile[l] > 1 ? tiled : single).push_back(b.vars[l]);
    }
    Var vectorVar, vectorOuter(b.func.name() + "av");
    bool hasVectors = false;
    if (choice.vectorLoop >= 0) {
      storeAlongVectors(nest, b, acc);
      vectorVar = b.vars[choice.vectorLoop];
      hasVectors = choice.tile[choice.vectorLoop] > choice.lanes;
      if (hasVectors) {
        acc.split(vectorVar, vectorOuter, vectorVar,
                  static_cast<int>(choice.lanes), TailStrategy::RoundUp);
        update.split(vectorVar, vectorOuter, vectorVar,
                     static_cast<int>(choice.lanes), TailStrategy::RoundUp);
      }
      order.push_back(vectorVar);
      if (hasVectors)
        order.push_back(vectorOuter);
    }
    for (size_t t = tiled.size(); t-- > 0;)
      order.push_back(tiled[t]);
    std::vector<Halide::VarOrRVar> pure = order;
    for (size_t t = single.size(); t-- > 0;)
      pure.push_back(single[t]);
    const size_t reductions = spec.stages[nest.reductions[i]].reduction.size();
    for (size_t r = reductions; r-- > 0;)
      order.push_back(b.reductionVar(i, r));
    for (size_t t = single.size(); t-- > 0;)
      order.push_back(single[t]);
    acc.reorder(pure);
    update.reorder(order);
    if (choice.vectorLoop >= 0) {
      acc.vectorize(vectorVar);
      update.vectorize(vectorVar);
      if (hasVectors) {
        acc.unroll(vectorOuter);
        update.unroll(vectorOuter);
      }
    }
    for (const Var &v : tiled) {
      acc.unroll(v);
      update.unroll(v);
    }
    RVar innermost = b.reductionVar(i, reductions - 1);
    return unrollSteps(update, innermost, choice);
  }

  /// A block of tiles in scratch: outer reduction loops, tiles, inner reduction
  /// loops, and a tile, which LLVM keeps in registers in the inner loops.
  /// Returns the innermost reduction loop.
  RVar scheduleBlocks(const Nest &nest, BuiltNest &b, size_t i) {
    const NestChoice &choice = nest.choice;
    Func &acc = b.accumulators[i];
    acc.compute_at(b.func, innermostOuter(b)).store_in(scratchMemory);
    Halide::Stage update = acc.update();
    const std::string id = b.func.name();
    std::vector<Halide::VarOrRVar> tile, around;
    std::vector<Var> unrolled;
    Var vector;
    for (size_t p = nest.loops.size(); p-- > 0;) {
      const int l = choice.order[p];
      const int size = choice.tile[l];
      const std::vector<int> outer = nest.outerLoops();
      const bool whole =
          std::find(outer.begin(), outer.end(), l) == outer.end();
      const int extent = size * (whole ? nest.tiles(l) : choice.block[l]);
      if (whole && nest.loops[l].extent.isSamples)
        acc.align_bounds(b.vars[l], size).bound_storage(b.vars[l], extent);
      else
        acc.bound_extent(b.vars[l], extent);
      Var tiles(tilesOf(b, l)), in(id + "ai" + std::to_string(l));
      if (size == 1) {
        around.push_back(b.vars[l]);
        continue;
      }
      acc.split(b.vars[l], tiles, in, size, TailStrategy::RoundUp);
      update.split(b.vars[l], tiles, in, size, TailStrategy::RoundUp);
      around.push_back(tiles);
      if (l != choice.vectorLoop) {
        unrolled.push_back(in);
        continue;
      }
      vector = in;
      if (size > choice.lanes) {
        Var vectors(id + "au");
        vector = Var(id + "av");
        acc.split(in, vectors, vector, choice.lanes, TailStrategy::RoundUp);
        // Divides; Halide refuses to round up twice.
        update.split(in, vectors, vector, choice.lanes,
                     TailStrategy::GuardWithIf);
        // Innermost: the few vectors stay in registers for all rows, and one
        // broadcast number at a time.
        unrolled.insert(unrolled.begin(), vectors);
      }
    }
    if (choice.vectorLoop >= 0) {
      tile.push_back(vector);
      storeAlongVectors(nest, b, acc);
    }
    tile.insert(tile.end(), unrolled.begin(), unrolled.end());
    // Inner reduction loops, tiles, outer reduction loops.
    const int reductions = spec.stages[nest.reductions[i]].reduction.size();
    std::vector<Halide::VarOrRVar> inner, outer;
    RVar innermost;
    for (int r = reductions; r-- > choice.reductionOuter;) {
      RVar loop = b.reductionVar(i, r);
      if (r == choice.reductionOuter && choice.reductionSplit > 1) {
        RVar parts(partsOf(b)), in(id + "ri");
        // Where the parts do not divide the samples, Halide shortens the last.
        update.split(loop, parts, in, static_cast<int>(choice.reductionSplit));
        outer.push_back(parts);
        loop = in;
      }
      if (inner.empty())
        innermost = loop;
      inner.push_back(loop);
    }
    for (int r = choice.reductionOuter; r-- > 0;)
      outer.push_back(b.reductionVar(i, r));
    std::vector<Halide::VarOrRVar> pure = tile, order = tile;
    pure.insert(pure.end(), around.begin(), around.end());
    for (const auto &list : {inner, around, outer})
      order.insert(order.end(), list.begin(), list.end());
    acc.reorder(pure);
    update.reorder(order);
    if (choice.vectorLoop >= 0) {
      acc.vectorize(vector);
      update.vectorize(vector);
    }
    for (const Var &v : unrolled) {
      acc.unroll(v);
      update.unroll(v);
    }
    return unrollSteps(update, innermost, choice);
  }

  /// Vectors of the scratch are contiguous.
  static void storeAlongVectors(const Nest &nest, const BuiltNest &b,
                                Func &acc) {
    std::vector<Var> storage{b.vars[nest.choice.vectorLoop]};
    for (size_t l = nest.loops.size(); l-- > 0;)
      if (static_cast<int>(l) != nest.choice.vectorLoop)
        storage.push_back(b.vars[l]);
    if (storage.size() > 1)
      acc.reorder_storage(storage);
  }

  static Var innermostOuter(const BuiltNest &b) { return b.outer.back(); }

  void placeNest(size_t g, size_t k) {
    const Nest &nest = plan.groups[g].nests[k];
    BuiltNest &b = built[g][k];
    if (nest.stage < 0)
      return;
    if (nest.parent < 0) {
      b.func.compute_root();
      return;
    }
    const Nest &parent = plan.groups[g].nests[nest.parent];
    BuiltNest &at = built[g][nest.parent];
    if (nest.parentReduction < 0) {
      b.func.compute_at(at.func, at.outer[nest.position]);
      return;
    }
    for (size_t i = 0; i < parent.reductions.size(); ++i)
      if (static_cast<int>(parent.reductions[i]) == nest.parentReduction)
        b.func.compute_at(at.accumulators[i],
                          at.reductionVar(i, nest.position));
  }
};

} // namespace

void scheduleNests(const KernelSpec &spec, const Plan &plan,
                   const MachineModel &machine,
                   const Halide::Param<int> &samples,
                   const std::vector<Halide::ImageParam> &inputs,
                   std::vector<std::vector<BuiltNest>> &built) {
  Scheduler(spec, plan, machine, samples, inputs, built).run();
}

} // namespace fm::codegen
