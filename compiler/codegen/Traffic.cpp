//===- Traffic.cpp - How much a loop nest moves between caches ------------===//
#include "compiler/codegen/Traffic.h"

#include <algorithm>
#include <cstdlib>

namespace fm::codegen {

namespace {

constexpr double lineBytes = 64;

/// Bytes, in whole lines, of all elements for the given extents. Dimensions of
/// equal stride slide over each other (a window).
double footprint(const TrafficOperand &operand,
                 const std::vector<int64_t> &extents) {
  double elements = 1, run = 1;
  int64_t smallest = 0;
  for (size_t d = 0; d < extents.size(); ++d) {
    const int64_t stride = std::llabs(operand.strides[d]);
    if (stride == 0 || extents[d] == 1)
      continue;
    bool first = true;
    double count = 1;
    for (size_t e = 0; e < extents.size(); ++e)
      if (std::llabs(operand.strides[e]) == stride && extents[e] > 1) {
        first &= e >= d;
        count += extents[e] - 1;
      }
    if (!first)
      continue;
    elements *= count;
    if (smallest == 0 || stride < smallest) {
      smallest = stride;
      run = count;
    }
  }
  if (smallest == 0)
    return lineBytes;
  const double span =
      run * std::min<double>(smallest * operand.bytes, lineBytes);
  return elements / run * std::max(span, lineBytes);
}

/// Bytes of each piece without gaps.
double runBytes(const TrafficOperand &operand,
                const std::vector<int64_t> &extents) {
  std::vector<std::pair<int64_t, int64_t>> dims; // stride, extent
  for (size_t d = 0; d < extents.size(); ++d)
    if (operand.strides[d] != 0 && extents[d] > 1)
      dims.emplace_back(std::llabs(operand.strides[d]), extents[d]);
  std::sort(dims.begin(), dims.end());
  int64_t run = 1;
  for (auto [stride, extent] : dims)
    if (stride <= run)
      run += (extent - 1) * stride;
  return std::max<double>(lineBytes, run * operand.bytes);
}

} // namespace

double trafficInto(double capacity, const std::vector<TrafficOperand> &operands,
                   const std::vector<TrafficLoop> &loops,
                   const std::vector<int64_t> &unit, double bytesPerRun) {
  std::vector<int64_t> extents = unit;
  std::vector<double> kept(operands.size());
  std::vector<int64_t> keptExtents = unit;
  size_t depth = 0; // loops inside of what fits
  for (size_t o = 0; o < operands.size(); ++o)
    kept[o] = footprint(operands[o], extents);
  for (; depth < loops.size(); ++depth) {
    extents[loops[depth].dimension] *= loops[depth].trips;
    std::vector<double> next(operands.size());
    double total = 0;
    for (size_t o = 0; o < operands.size(); ++o)
      total += next[o] = footprint(operands[o], extents);
    if (total > capacity)
      break;
    kept = next;
    keptExtents = extents;
  }
  double traffic = 0;
  for (size_t o = 0; o < operands.size(); ++o) {
    double times = 1;
    bool stays = kept[o] < capacity * 0.75;
    for (size_t l = depth; l < loops.size(); ++l) {
      const bool moves = operands[o].strides[loops[l].dimension] != 0;
      if (moves || !stays)
        times *= loops[l].trips;
      stays &= !moves;
    }
    if (bytesPerRun > 0)
      times *= 1 + bytesPerRun / runBytes(operands[o], keptExtents);
    traffic += kept[o] * times;
  }
  return traffic;
}

} // namespace fm::codegen
