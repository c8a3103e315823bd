//===- Traffic.cpp - How much a loop nest moves between caches ------------===//
#include "compiler/codegen/Traffic.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <map>

namespace fm::codegen {

constexpr double lineBytes = 64;

TrafficOperand::TrafficOperand(int64_t bytes,
                               const std::vector<int64_t> &strides, bool nearby)
    : bytes(bytes), nearby(nearby) {
  std::map<int64_t, std::vector<size_t>> byStride;
  for (size_t d = 0; d < strides.size(); ++d) {
    moving.push_back(strides[d] != 0);
    if (strides[d] != 0)
      byStride[std::llabs(strides[d])].push_back(d);
  }
  for (auto &[stride, dimensions] : byStride)
    groups.push_back({stride, std::move(dimensions)});
}

int64_t TrafficOperand::count(const Group &group,
                              const std::vector<int64_t> &extents) {
  int64_t count = 1;
  for (size_t d : group.dimensions)
    count += extents[d] - 1;
  return count;
}

double TrafficOperand::footprint(const std::vector<int64_t> &extents) const {
  double pieces = 1, span = 0; // span: of the dimension with the least stride
  for (const Group &group : groups) {
    const int64_t places = count(group, extents);
    if (places == 1)
      continue;
    if (span == 0)
      span = places * std::min<double>(group.stride * bytes, lineBytes);
    else
      pieces *= places;
  }
  return pieces * std::max(span, lineBytes);
}

int64_t TrafficOperand::run(const std::vector<int64_t> &extents) const {
  int64_t run = 1;
  for (const Group &group : groups)
    if (group.stride <= run)
      run += (count(group, extents) - 1) * group.stride;
  return run;
}

double TrafficOperand::runBytes(const std::vector<int64_t> &extents) const {
  return std::max<double>(lineBytes, run(extents) * bytes);
}

double TrafficOperand::wholeLines(const std::vector<int64_t> &unit) const {
  const int64_t elements = run(unit);
  if (elements == 1)
    return 1;
  const double wanted = elements * bytes;
  return std::ceil(wanted / lineBytes) * lineBytes / wanted;
}

bool TrafficOperand::jumps(size_t dimension,
                           const std::vector<int64_t> &unit) const {
  for (const Group &group : groups)
    for (size_t d : group.dimensions)
      if (d == dimension)
        return group.stride > run(unit);
  return false;
}

double TrafficOperand::streamBytes(const std::vector<TrafficLoop> &loops,
                                   const std::vector<int64_t> &unit) const {
  std::vector<int64_t> whole = unit;
  for (const TrafficLoop &loop : loops)
    whole[loop.dimension] *= loop.trips;
  std::vector<int64_t> extents = unit;
  int64_t length = run(unit);
  for (const TrafficLoop &loop : loops) {
    const size_t d = loop.dimension;
    if (!moving[d] || loop.trips == 1)
      continue;
    const Group *group = nullptr;
    for (const Group &candidate : groups)
      for (size_t other : candidate.dimensions)
        if (other == d)
          group = &candidate;
    // The places of a window are those of the steps before, but for one.
    bool slides = false;
    for (size_t other : group->dimensions)
      slides |= other != d && whole[other] > whole[d];
    if (slides)
      continue;
    const int64_t advance = group->stride * extents[d];
    if (advance > length)
      break;
    length += advance * (loop.trips - 1);
    extents[d] *= loop.trips;
  }
  return std::max<double>(lineBytes, length * bytes);
}

Traffic trafficInto(double capacity,
                    const std::vector<TrafficOperand> &operands,
                    const std::vector<TrafficLoop> &loops,
                    const std::vector<int64_t> &unit, double bytesPerRun) {
  std::vector<int64_t> kept = unit;
  auto fits = [&] {
    double total = 0;
    for (const TrafficOperand &operand : operands)
      total += operand.footprint(kept);
    return total <= capacity;
  };
  size_t depth = 0; // loops inside of what fits
  double trips = 1; // of the loop around them, beyond what fits
  for (; depth < loops.size(); ++depth) {
    int64_t &extent = kept[loops[depth].dimension];
    const int64_t inside = extent;
    extent *= loops[depth].trips;
    if (fits())
      continue;
    // Some of its iterations: they share lines.
    int64_t some = 1;
    for (; 2 * some < loops[depth].trips; some *= 2) {
      extent = inside * 2 * some;
      if (!fits())
        break;
    }
    extent = inside * some;
    trips = double(loops[depth].trips) / some;
    break;
  }
  const auto innermost =
      std::find_if(loops.begin(), loops.end(),
                   [](const TrafficLoop &loop) { return loop.trips > 1; });
  Traffic traffic;
  for (const TrafficOperand &operand : operands) {
    if (bytesPerRun > 0 && operand.isNearby())
      continue;
    const double bytes = operand.footprint(kept);
    double times = 1;
    bool stays = bytes <= capacity;
    for (size_t l = depth; l < loops.size(); ++l) {
      const bool moves = operand.moves(loops[l].dimension);
      if (moves || !stays)
        times *= l == depth ? trips : double(loops[l].trips);
      stays &= !moves;
    }
    traffic.bytes += bytes * times;
    if (const size_t number = &operand - operands.data();
        number < traffic.each.size())
      traffic.each[number] = bytes * times;
    if (innermost != loops.end() && operand.jumps(innermost->dimension, unit))
      traffic.jumping += bytes * times;
    if (bytesPerRun > 0)
      traffic.starts +=
          bytes * times *
          (bytesPerRun / operand.runBytes(kept) +
           std::min(0.6, 6 * bytesPerRun / operand.streamBytes(loops, unit)));
  }
  return traffic;
}

} // namespace fm::codegen
