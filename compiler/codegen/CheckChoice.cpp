//===- CheckChoice.cpp - Which choices of a nest are legal ----------------===//
//
// A choice may come from a file. What is refused here would end in a message of
// Halide's, in code of unreasonable size, or in wrong results: a vector that
// reads too far behind the end of memory, tiles of samples whose scratch has no
// constant size, blocks that do not divide their loop.
//
//===----------------------------------------------------------------------===//
#include "compiler/codegen/Schedule.h"

#include <algorithm>

namespace fm::codegen {

namespace {

std::string text(int64_t number) { return std::to_string(number); }

class Checker {
public:
  Checker(const KernelSpec &spec, const NestLimits &limits, bool hasScratch,
          const Nest &nest, const NestChoice &choice)
      : spec(spec), limits(limits), hasScratch(hasScratch), nest(nest),
        choice(choice), loops(nest.loops.size()) {}

  ChoiceProblem run() {
    // Each step counts on what those before it have found.
    (void)(sizes() && order() && vector() && tiles() && blocks() && unroll() &&
           parallel());
    return problem;
  }

private:
  const KernelSpec &spec;
  const NestLimits &limits;
  const bool hasScratch;
  const Nest &nest;
  const NestChoice &choice;
  const size_t loops;
  ChoiceProblem problem;

  bool fail(const std::string &field, const std::string &message) {
    problem.field = field;
    problem.message = message;
    return false;
  }

  bool hasOnePerLoop(const std::string &field, size_t count) {
    if (count == loops)
      return true;
    return fail(field, field + " has " + text(count) +
                           (count == 1 ? " number" : " numbers") +
                           ", and the nest has " + text(loops) +
                           (loops == 1 ? " loop" : " loops"));
  }

  bool sizes() {
    return hasOnePerLoop("tile", choice.tile.size()) &&
           hasOnePerLoop("order", choice.order.size()) &&
           (choice.block.empty() ||
            hasOnePerLoop("block", choice.block.size()));
  }

  bool order() {
    std::vector<bool> seen(loops, false);
    for (int l : choice.order) {
      if (l < 0 || l >= static_cast<int>(loops))
        return fail("order", "order names loop " + text(l) +
                                 ", and the last one is " + text(loops - 1));
      if (seen[l])
        return fail("order", "order names loop " + text(l) + " twice");
      seen[l] = true;
    }
    if ((hasScratch || nest.stage >= 0) &&
        !std::is_sorted(choice.order.begin(), choice.order.end()))
      return fail("order", "where nests keep scratch, loops stay in order");
    return true;
  }

  bool vector() {
    const int v = choice.vectorLoop;
    if (v < -1 || v >= static_cast<int>(loops))
      return fail("vector", "vector names loop " + text(v) +
                                ", and the last one is " + text(loops - 1));
    if (v < 0)
      return choice.lanes == 1 ||
             fail("lanes", "scalar code has 1 lane, not " + text(choice.lanes));
    if (nest.isCarrying(v))
      return fail("vector", "an output adds up along loop " + text(v) +
                                ", which stays in order: no vectors");
    if (choice.lanes < 2 || (choice.lanes & (choice.lanes - 1)))
      return fail("lanes", "a vector has a power of two of lanes, not " +
                               text(choice.lanes));
    if (choice.lanes > limits.lanes)
      return fail("lanes", "a vector of this kernel's elements has " +
                               text(limits.lanes) + " lanes at most, not " +
                               text(choice.lanes));
    const int64_t extent = limits.extents[v], tile = choice.tile[v];
    if (choice.lanes >= 2 * extent)
      return fail("lanes", text(choice.lanes) +
                               " lanes are too many for a loop of " +
                               text(extent));
    if (tile < choice.lanes || tile % choice.lanes)
      return fail("tile", "the vector's tile is a multiple of its " +
                              text(choice.lanes) + " lanes, not " + text(tile));
    const int64_t beyond = (extent + tile - 1) / tile * tile - extent;
    if (hasScratch && beyond >= choice.lanes)
      return fail("tile", "a tile of " + text(tile) + " has vectors that lie " +
                              "behind the end of a loop of " + text(extent) +
                              ", where nests keep scratch");
    if (beyond * limits.overread[v] > maxOverreadBytes)
      return fail("tile", "a tile of " + text(tile) + " reads " +
                              text(beyond * limits.overread[v]) +
                              " bytes behind the end of a loop of " +
                              text(extent) + ", and " + text(maxOverreadBytes) +
                              " may be read");
    return true;
  }

  bool tiles() {
    int64_t vectors = 1, scratch = std::max<int64_t>(1, bytesOfStage());
    for (size_t l = 0; l < loops; ++l) {
      const int64_t extent = limits.extents[l], tile = choice.tile[l];
      const bool isVector = static_cast<int>(l) == choice.vectorLoop;
      if (tile < 1)
        return fail("tile", "a tile has 1 point at least, not " + text(tile));
      if (tile > 1 && !limits.mayTile[l])
        return fail("tile", "loop " + text(l) +
                                (extent > 1 ? " runs over samples, and other "
                                              "nests keep scratch inside of it"
                                            : " has 1 iteration") +
                                ": its tile is 1, not " + text(tile));
      if (tile > std::max(extent + (isVector ? choice.lanes - 1 : 0),
                          limits.periods[l]))
        return fail("tile", "a tile of " + text(tile) + " in a loop of " +
                                text(extent));
      vectors *= isVector ? tile / choice.lanes : tile;
      if (vectors * limits.results > limits.vectors)
        return fail("tile", "the tile has " + text(vectors * limits.results) +
                                " vectors or more, and " +
                                text(limits.vectors) + " are the limit");
      scratch *= (extent + tile - 1) / tile * tile;
    }
    if (nest.stage >= 0 && scratch > 2 * maxScratchBytes)
      return fail("tile", "scratch in whole tiles takes " +
                              text(scratch >> 10) + " KiB, and " +
                              text(2 * maxScratchBytes >> 10) +
                              " are the limit");
    return true;
  }

  int64_t bytesOfStage() const {
    int64_t bytes = 0;
    if (nest.stage >= 0)
      for (const Result &result : spec.stages[nest.stage].results)
        bytes += sizeOf(result.type);
    return bytes;
  }

  int64_t tilesAlong(size_t l) const {
    return (limits.extents[l] + choice.tile[l] - 1) / choice.tile[l];
  }

  bool blocks() {
    if (!choice.isBlocked()) {
      if (choice.reductionOuter != 0)
        return fail("outer", "outer goes with block, which is missing");
      return choice.reductionSplit == 1 ||
             fail("split", "split goes with block, which is missing");
    }
    if (nest.reductions.size() != 1)
      return fail("block",
                  "blocks accumulate one reduction, and the nest has " +
                      text(nest.reductions.size()));
    if (nest.stage >= 0 || hasScratch)
      return fail("block", "no blocks where nests keep scratch");
    int64_t bytes = limits.resultBytes;
    bool several = false;
    for (size_t l = 0; l < loops; ++l) {
      const int64_t block = choice.block[l], tiles = tilesAlong(l);
      if (block < 1 || block > tiles || tiles % block)
        return fail("block", "a block of " + text(block) +
                                 " tiles does not divide the " + text(tiles) +
                                 " of loop " + text(l));
      if (nest.loops[l].extent.isSamples && block != 1 && block != tiles)
        return fail("block", "loop " + text(l) +
                                 " runs over samples: a block is 1 tile or "
                                 "all " +
                                 text(tiles) + ", not " + text(block));
      several |= block > 1;
      bytes *= choice.tile[l] * block;
    }
    if (!several)
      return fail("block", "a block of one tile is no block");
    if (bytes > maxBlockBytes)
      return fail("block", "the block takes " + text(bytes) + " bytes, and " +
                               text(maxBlockBytes) + " are the limit");
    return partsOfReduction();
  }

  bool partsOfReduction() {
    const std::vector<Extent> &reduction =
        spec.stages[nest.reductions[0]].reduction;
    const int outer = choice.reductionOuter;
    if (outer < 0 || outer >= static_cast<int>(reduction.size()))
      return fail("outer", text(outer) +
                               " reduction loops around the tiles, and there "
                               "are " +
                               text(reduction.size()) +
                               ", of which one stays inside");
    const int64_t split = choice.reductionSplit;
    if (outer == 0 && split == 1)
      return fail("block", "a block needs outer or split: nothing runs around "
                           "its tiles");
    if (split == 1)
      return true;
    const Extent &extent = reduction[outer];
    if (extent.isSamples) {
      // However many samples there are: the last part may be shorter.
      if (split < 1 || split >= extent.size)
        return fail("split",
                    "parts of " + text(split) + " samples, and there are " +
                        text(extent.size) + " at most: a part has fewer");
      return true;
    }
    if (split < 1 || split >= extent.size || extent.size % split)
      return fail("split", "parts of " + text(split) + " do not divide the " +
                               text(extent.size) + " steps of reduction loop " +
                               text(outer));
    return true;
  }

  bool unroll() {
    const int unrolled = choice.unrollReduction;
    if (unrolled == 1)
      return true;
    if (nest.reductions.empty())
      return fail("unroll", "there is no reduction to unroll");
    const std::vector<Extent> &reduction =
        spec.stages[nest.reductions[0]].reduction;
    if (reduction.back().isSamples)
      return fail("unroll", "the innermost reduction loop runs over samples "
                            "and cannot be unrolled");
    const int64_t run = choice.stepsInside(spec.stages[nest.reductions[0]]);
    if (unrolled < 1 || unrolled > 16 || run % unrolled)
      return fail("unroll", "the innermost reduction loop has " + text(run) +
                                " steps: unroll divides them and is 16 at "
                                "most, not " +
                                text(unrolled));
    return true;
  }

  bool parallel() {
    Nest with = nest;
    with.choice = choice;
    const std::vector<int> outer = with.outerLoops();
    const int given = choice.parallelLoops;
    const int most = nest.stage >= 0 ? 0 : outer.size();
    if (given < -1 || given > most)
      return fail("parallel", text(given) +
                                  " parallel loops, and the nest can have " +
                                  text(most));
    // Halide finds no constant size for what a tile keeps, once a loop with a
    // tail is fused with another one.
    int64_t tasks = 1;
    const bool keeps = hasScratch || !nest.reductions.empty();
    for (int p = 0; p < given; ++p) {
      if (nest.isCarrying(outer[p]))
        return fail("parallel", text(given) +
                                    " parallel loops, and an output "
                                    "adds up along loop " +
                                    text(outer[p]) + ": " + text(p) +
                                    " are the limit");
      if (p > 0 && keeps && nest.loops[outer[p]].extent.isSamples)
        return fail("parallel", text(given) + " parallel loops, and loop " +
                                    text(outer[p]) + " runs over samples: " +
                                    text(p) + " are the limit");
      if (tasks > 1 && with.overhang(outer[p]))
        return fail("parallel", text(given) + " parallel loops, and loop " +
                                    text(outer[p]) + " has a tail: " + text(p) +
                                    " are the limit");
      const int64_t block = choice.isBlocked() ? choice.block[outer[p]] : 1;
      tasks *= (with.tiles(outer[p]) + block - 1) / block;
    }
    return true;
  }
};

} // namespace

ChoiceProblem checkChoice(const KernelSpec &spec, const NestLimits &limits,
                          bool hasScratch, const Nest &nest,
                          const NestChoice &choice) {
  return Checker(spec, limits, hasScratch, nest, choice).run();
}

} // namespace fm::codegen
