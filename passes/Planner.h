//===- Planner.h - Offsets in one arena -----------------------------------------===//
//
// Pure C++: blocks with sizes and live ranges get offsets such that blocks alive
// at the same time do not overlap, and the arena is small. Largest first, each
// at the lowest offset that fits: within a few percent of the optimum on the
// graphs of networks (Pisarchyk and Lee, arXiv:2001.03288, "greedy by size").
//
//===----------------------------------------------------------------------===//
#ifndef FM_PASSES_PLANNER_H
#define FM_PASSES_PLANNER_H

#include <cstdint>
#include <vector>

namespace fm::passes {

struct PlannedBlock {
  int64_t bytes = 0;
  int first = 0, last = 0; ///< steps in which it is alive, both inclusive
  int64_t offset = -1;     ///< out
};

/// Sets all offsets, multiples of `alignment`; returns the arena's size.
int64_t planArena(std::vector<PlannedBlock> &blocks, int64_t alignment = 64);

} // namespace fm::passes

#endif // FM_PASSES_PLANNER_H
