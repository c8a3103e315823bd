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
/// How far past the end of fmc's own memory generated code may read, in bytes.
constexpr int64_t maxOverreadBytes = 256;

/// The freedom that a nest leaves: what a tuner may change.
struct NestChoice {
  std::vector<int64_t> tile; ///< per loop; 1: not tiled
  int vectorLoop = -1;       ///< -1: scalar code
  int lanes = 1;
  int parallelLoops =
      0; ///< the outermost that many loops are one parallel loop
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
  // Where it is computed: at loop `position` (counted in its parent's order) of
  // nest `parent`, or at reduction loop `position` of `parentReduction` there.
  int parent = -1;   ///< -1: before everything else
  int position = -1; ///< -1: before everything else
  int parentReduction = -1;
  std::vector<int64_t> region; ///< largest extents computed at once, per loop
  bool overhang(size_t loop) const {
    const int64_t extent = stage >= 0 ? region[loop] : loops[loop].extent.size;
    return choice.tile[loop] > 1 &&
           (loops[loop].extent.isSamples || extent % choice.tile[loop] != 0);
  }
  NestChoice choice;
  /// Tiles along a loop, for the largest number of samples.
  int64_t tiles(size_t loop) const {
    const int64_t extent = stage >= 0 ? region[loop] : loops[loop].extent.size;
    return (extent + choice.tile[loop] - 1) / choice.tile[loop];
  }
  /// Loops around tiles or, where there are blocks, around blocks; outermost
  /// first. Never empty.
  std::vector<int> outerLoops() const;
  /// Estimates for a nest with reductions: all of its points computed once,
  /// with the chosen tile, and with nothing but arithmetic.
  double cycles = 0, idealCycles = 0;
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
};

Plan planKernel(const KernelSpec &spec, const MachineModel &machine,
                const ScheduleChoice &choice = {});

/// Readable, one line per nest.
std::string toString(const KernelSpec &spec, const Plan &plan);

/// Fills `nest.choice` from the machine model (Tiles.cpp). `hasScratch`: other
/// nests are computed inside of this one.
void chooseTiles(const KernelSpec &spec, const MachineModel &machine,
                 const Group &group, bool hasScratch, Nest &nest);

} // namespace fm::codegen

#endif // FM_COMPILER_CODEGEN_SCHEDULE_H
