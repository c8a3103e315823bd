//===- Traffic.h - How much a loop nest moves between caches --------------===//
//
// The classical estimate: what a sub-nest touches stays in a cache if all of it
// fits; every iteration of the loops around the largest such sub-nest fetches
// again, but for operands that do not move with them.
//
//===----------------------------------------------------------------------===//
#ifndef FM_COMPILER_CODEGEN_TRAFFIC_H
#define FM_COMPILER_CODEGEN_TRAFFIC_H

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace fm::codegen {

/// A loop advances one dimension; loops over one dimension nest.
struct TrafficLoop {
  int dimension = 0;
  int64_t trips = 1;
};

/// What one load or store walks over. Made once for the many orders and blocks
/// that are tried.
class TrafficOperand {
public:
  /// `strides`: in elements, per dimension; `bytes`: of an element; `nearby`:
  /// it lies in the L2 before the first loop starts.
  TrafficOperand(int64_t bytes, const std::vector<int64_t> &strides,
                 bool nearby = false);

  bool isNearby() const { return nearby; }
  bool moves(std::size_t dimension) const { return moving[dimension]; }
  /// Bytes, in whole lines, of all elements for the given extents.
  double footprint(const std::vector<int64_t> &extents) const;
  /// Bytes of each piece without gaps.
  double runBytes(const std::vector<int64_t> &extents) const;
  /// Bytes of the lines that one execution of the code inside of all loops
  /// touches, over the bytes that it wants of them; 1 for single elements.
  double wholeLines(const std::vector<int64_t> &unit) const;
  /// Whether the next step along a dimension is behind a gap.
  bool jumps(std::size_t dimension, const std::vector<int64_t> &unit) const;
  /// Bytes that are walked through in one go, without a gap from each execution
  /// of the code inside of all loops to the next.
  double streamBytes(const std::vector<TrafficLoop> &loops,
                     const std::vector<int64_t> &unit) const;

private:
  /// Dimensions of equal stride, which slide over each other (a window).
  struct Group {
    int64_t stride = 0;
    std::vector<std::size_t> dimensions;
  };
  int64_t bytes;
  bool nearby;
  std::vector<bool> moving;
  std::vector<Group> groups; ///< by stride, smallest first

  /// Elements without a gap.
  int64_t run(const std::vector<int64_t> &extents) const;
  static int64_t count(const Group &group, const std::vector<int64_t> &extents);
};

/// What is fetched into a cache.
struct Traffic {
  double bytes = 0;
  /// Of which the innermost loop, with each step, jumps to another place.
  double jumping = 0;
  /// What the starts of pieces and of streams cost, as so many bytes more:
  /// memory, prefetchers and page tables like long ones.
  double starts = 0;
  /// The same bytes of each of the first operands, as `trafficInto` was given
  /// them; sums of traffic do not have it.
  std::array<double, 4> each{};

  Traffic &operator+=(const Traffic &other) {
    bytes += other.bytes;
    jumping += other.jumping;
    starts += other.starts;
    return *this;
  }
};

/// What is fetched into a cache of `capacity` bytes. `loops`: innermost first;
/// `unit`: extents per dimension of the code inside of all loops. With
/// `bytesPerRun` the cache is the L2: each piece without gaps of what stays
/// there costs so much, the start of a stream six times that, but at most 0.6
/// of the stream; what is nearby need not come.
Traffic trafficInto(double capacity,
                    const std::vector<TrafficOperand> &operands,
                    const std::vector<TrafficLoop> &loops,
                    const std::vector<int64_t> &unit, double bytesPerRun = 0);

} // namespace fm::codegen

#endif // FM_COMPILER_CODEGEN_TRAFFIC_H
