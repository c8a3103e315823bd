//===- Measure.h - Repeated timings ---------------------------------------===//
#ifndef FM_BENCH_SUPPORT_MEASURE_H
#define FM_BENCH_SUPPORT_MEASURE_H

#include <algorithm>
#include <chrono>
#include <vector>

namespace fm::bench {

/// The middle of sorted values.
inline double middle(const std::vector<double> &sorted) {
  return sorted[sorted.size() / 2];
}

/// Times of single calls in seconds, sorted. First those that do not count, for
/// caches and threads to warm up: one, and as many as fit into 10 ms; then as
/// many as fit into `budget`, and no fewer than 3.
template <typename Function>
std::vector<double> timings(Function &&function, double budget) {
  using Clock = std::chrono::steady_clock;
  const auto since = [](Clock::time_point start) {
    return std::chrono::duration<double>(Clock::now() - start).count();
  };
  auto start = Clock::now();
  do
    function();
  while (since(start) < 0.01);
  std::vector<double> times;
  start = Clock::now();
  while (times.size() < 3 || since(start) < budget) {
    const auto before = Clock::now();
    function();
    times.push_back(since(before));
  }
  std::sort(times.begin(), times.end());
  return times;
}

template <typename Function>
double median(Function &&function, double budget = 2.0) {
  return middle(timings(function, budget));
}

} // namespace fm::bench

#endif // FM_BENCH_SUPPORT_MEASURE_H
