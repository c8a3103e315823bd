//===- Planner.cpp - Offsets in one arena ----------------------------------------===//

#include "passes/Planner.h"

#include <algorithm>
#include <numeric>

namespace fm::passes {

int64_t planArena(std::vector<PlannedBlock> &blocks, int64_t alignment) {
  auto rounded = [&](int64_t bytes) { return (bytes + alignment - 1) / alignment * alignment; };
  std::vector<size_t> order(blocks.size());
  std::iota(order.begin(), order.end(), 0);
  std::sort(order.begin(), order.end(), [&](size_t a, size_t b) {
    return blocks[a].bytes != blocks[b].bytes ? blocks[a].bytes > blocks[b].bytes : a < b;
  });
  std::vector<size_t> placed; // by offset
  int64_t arena = 0;
  for (size_t index : order) {
    PlannedBlock &block = blocks[index];
    int64_t offset = 0;
    for (size_t other : placed) {
      const PlannedBlock &neighbour = blocks[other];
      if (neighbour.last < block.first || block.last < neighbour.first)
        continue;
      if (offset + rounded(block.bytes) <= neighbour.offset)
        break;
      offset = std::max(offset, neighbour.offset + rounded(neighbour.bytes));
    }
    block.offset = offset;
    arena = std::max(arena, offset + rounded(block.bytes));
    placed.insert(std::upper_bound(placed.begin(), placed.end(), index,
                                   [&](size_t a, size_t b) { return blocks[a].offset < blocks[b].offset; }),
                  index);
  }
  return arena;
}

} // namespace fm::passes
