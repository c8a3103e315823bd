//===- Schedule.h - How a kernel is computed
//-------------------------------===//
//
// Decides, from shapes and a machine model alone, how the stages of a kernel
// are fused into loop nests, where intermediate values live, and how each nest
// is tiled, vectorised and made parallel. Stages are never asked for the names
// of layers: what counts is what they read, and with which strides.
//
// A kernel is a list of groups: outputs that one loop nest writes. In a group,
// every stage is either inlined, or accumulates in the register tile of a nest
// ("register"), or is computed by a nest of its own into scratch on the stack,
// at some loop of another nest.
//
//===----------------------------------------------------------------------===//
#ifndef FM_COMPILER_CODEGEN_SCHEDULE_H
#define FM_COMPILER_CODEGEN_SCHEDULE_H

#include <string>
#include <vector>

#include "compiler/codegen/IndexAnalysis.h"
#include "compiler/codegen/KernelSpec.h"
#include "compiler/codegen/Target.h"

namespace fm::codegen {

/// Scratch that one task may have on its stack, in bytes.
constexpr int64_t maxScratchBytes = 64 << 10;
/// Of which accumulators, in a block of tiles.
constexpr int64_t maxBlockBytes = 32 << 10;
/// How far past the end of fmc's own memory generated code may read, in bytes.
constexpr int64_t maxOverreadBytes = 256;

/// The freedom that a nest leaves: what a tuner may change.
struct NestChoice {
  std::vector<int64_t> tile; ///< per loop; 1: not tiled
  int vectorLoop = -1;       ///< -1: scalar code
  int lanes = 1;
  /// The outermost that many loops are one parallel loop; -1: as many as the
  /// machine has work for.
  int parallelLoops = 0;
  int unrollReduction = 1;
  /// Whether the tile is written by straight code; else by loops over its
  /// vectors, which keeps a long epilogue from spilling.
  bool unrollTile = true;
  std::vector<int> order; ///< loops between tiles, outermost first
  // Blocks: a reduction may accumulate, in scratch, a block of several tiles.
  // Its outer reduction loops then run around the tiles of the block, so that
  // what one part of the reduction reads is used by all of them while it is in
  // cache.
  std::vector<int64_t> block; ///< per loop, in tiles; empty: no blocks
  int reductionOuter = 0;     ///< so many reduction loops run around the tiles
  int64_t reductionSplit = 1; ///< and the next one in parts of so many steps
  bool isBlocked() const { return !block.empty(); }
  /// Of a tile along a loop, and in all.
  int64_t vectors(size_t loop) const {
    return static_cast<int>(loop) == vectorLoop ? tile[loop] / lanes
                                                : tile[loop];
  }
  int64_t vectors() const;
  /// Steps of the innermost loop of `reducing`, for all samples.
  int64_t stepsInside(const Stage &reducing) const;
  friend bool operator==(const NestChoice &, const NestChoice &) = default;
};
/// One entry per nest, groups after each other; an empty one means the default.
using ScheduleChoice = std::vector<NestChoice>;

/// One loop of a nest: `(index[logical] / divisor) % modulus` of its domain.
struct Loop {
  unsigned logical = 0;
  int64_t divisor = 1;
  int64_t modulus = 0;
  Extent extent;
};

struct Nest {
  int stage = -1;                   ///< the stage it materialises, or
  std::vector<unsigned> outputs;    ///< the outputs that it writes
  std::vector<Extent> domain;       ///< logical
  std::vector<Loop> loops;          ///< outermost first
  std::vector<unsigned> reductions; ///< stages accumulated in its register tile
  /// Per loop: an output has stride 0 along it, so that it stays in order:
  /// neither the vector's loop nor parallel. Empty: none.
  std::vector<bool> carries;
  bool isCarrying(size_t loop) const {
    return loop < carries.size() && carries[loop];
  }
  // Where it is computed: at loop `position` (counted in its parent's order) of
  // nest `parent`, or at reduction loop `position` of `parentReduction` there.
  int parent = -1;   ///< -1: before everything else
  int position = -1; ///< -1: before everything else
  int parentReduction = -1;
  std::vector<int64_t> region; ///< largest extents computed at once, per loop
  bool uneven = false; ///< less is computed at the ends of the loops around it
  NestChoice choice;
  /// Whether some tile, or block of tiles, reaches beyond the loop's end.
  bool overhang(size_t loop) const { return overhang(loop, choice); }
  bool overhang(size_t loop, const NestChoice &with) const {
    const int64_t extent = stage >= 0 ? region[loop] : loops[loop].extent.size;
    const bool moves = extent < loops[loop].extent.size;
    const bool several =
        with.tile[loop] > 1 || (with.isBlocked() && with.block[loop] > 1);
    return several &&
           (loops[loop].extent.isSamples || extent % with.tile[loop] != 0 ||
            (moves && uneven));
  }
  /// Tiles along a loop, for the largest number of samples.
  int64_t tiles(size_t loop) const { return tiles(loop, choice); }
  int64_t tiles(size_t loop, const NestChoice &with) const {
    const int64_t extent = stage >= 0 ? region[loop] : loops[loop].extent.size;
    return (extent + with.tile[loop] - 1) / with.tile[loop];
  }
  /// Loops around tiles or, where there are blocks, around blocks; outermost
  /// first. Never empty.
  std::vector<int> outerLoops() const { return outerLoops(choice); }
  std::vector<int> outerLoops(const NestChoice &with) const;
  /// Estimates for a nest with reductions: all of its points computed once,
  /// with the chosen tile, and with nothing but arithmetic.
  double cycles = 0, idealCycles = 0;
};

/// The outermost `loops` of a nest as one loop of `tasks` iterations.
struct ParallelLoops {
  int loops = 0;
  int64_t tasks = 1;
  int first = -1; ///< the outermost one of more than one iteration
};
/// As many loops as it takes for `enough` tasks, and as there may be with
/// `choice`: outputs that carry stay in order, a loop with a tail is not fused
/// with others, and neither is that of the samples where a task keeps something
/// in memory (`keeps`), whose size would not be constant.
ParallelLoops parallelLoopsOf(const Nest &nest, const NestChoice &choice,
                              bool keeps, int64_t enough);

/// Why a choice was refused.
struct ChoiceProblem {
  int nest = -1;       ///< which entry of the ScheduleChoice; -1: all of it
  std::string field;   ///< as in a tuned file: "tile", "order", ...
  std::string message; ///< actual beside expected; empty: nothing is wrong
};

/// Asks the planner for good choices of one nest, besides the plan.
struct ChoiceQuery {
  size_t nest = 0; ///< groups after each other
  size_t most = 16;
  std::vector<NestChoice> found; ///< the most promising first
};

enum class Place : uint8_t { Unused, Inline, Register, Nest };

struct Group {
  std::vector<Place> place; ///< per stage
  std::vector<int> nestOf;  ///< per stage: its nest (Register and Nest)
  std::vector<Nest> nests;  ///< number 0 writes the outputs
};

struct Plan {
  std::vector<Group> groups; ///< in the order in which they run
  /// Per stage and result: the group that writes it to an output, or -1. Later
  /// groups read it from there.
  std::vector<std::vector<int>> storedBy;
  std::string error; ///< not empty: the kernel must be split
  /// A choice that was given and is illegal; then `error` says so, too.
  ChoiceProblem problem;
};

/// `choice` is checked: one that code cannot be generated for, or would be wrong
/// for, is an error of the plan.
Plan planKernel(const KernelSpec &spec, const MachineModel &machine,
                const ScheduleChoice &choice = {},
                ChoiceQuery *query = nullptr);

/// The plan's choices, one per nest.
ScheduleChoice choiceOf(const Plan &plan);

/// Readable, one line per nest.
std::string toString(const KernelSpec &spec, const Plan &plan);

/// Fills `nest.choice` from the machine model (Tiles.cpp), but for unrollTile,
/// which is given. `hasScratch`: other nests are computed inside of this one.
/// `ranked` receives up to `most` choices, the one with the least estimated
/// time first.
void chooseTiles(const KernelSpec &spec, const MachineModel &machine,
                 const Group &group, bool hasScratch, Nest &nest,
                 std::vector<NestChoice> *ranked = nullptr, size_t most = 0);

/// What of a nest limits its choices.
struct NestLimits {
  std::vector<int64_t> extents; ///< per loop: points computed at once
  std::vector<int64_t> periods; ///< per loop: points that share arithmetic
  std::vector<bool> mayTile;    ///< per loop
  /// Per loop: bytes behind the end of fmc's own memory that one point beyond
  /// the loop's end reads, if the loop is the vector's.
  std::vector<int64_t> overread;
  int64_t lanes = 1;       ///< of a vector of the widest element
  int64_t vectors = 1;     ///< that a tile may have
  int64_t results = 1;     ///< of the reductions
  int64_t resultBytes = 0; ///< all of them, of one point
};
NestLimits limitsOf(const KernelSpec &spec, const MachineModel &machine,
                    const Group &group, bool hasScratch, const Nest &nest);

/// Whether code for the choice can be generated and is right (CheckChoice.cpp);
/// `problem.nest` is left to the caller.
ChoiceProblem checkChoice(const KernelSpec &spec, const NestLimits &limits,
                          bool hasScratch, const Nest &nest,
                          const NestChoice &choice);

} // namespace fm::codegen

#endif // FM_COMPILER_CODEGEN_SCHEDULE_H
