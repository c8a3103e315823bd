//===- Measure.h - Repeated timings ---------------------------------------===//
#ifndef FM_BENCH_SUPPORT_MEASURE_H
#define FM_BENCH_SUPPORT_MEASURE_H

#include <algorithm>
#include <chrono>
#include <vector>

namespace fm::bench {

/// Times of single calls in seconds, sorted: warm-up calls first, then as many
/// as fit into `budget`, and no fewer than 7.
template <typename Function>
std::vector<double> timings(Function &&function, double budget) {
  using Clock = std::chrono::steady_clock;
  const auto since = [](Clock::time_point start) {
    return std::chrono::duration<double>(Clock::now() - start).count();
  };
  for (int i = 0; i < 5; ++i)
    function();
  std::vector<double> times;
  const auto start = Clock::now();
  while (times.size() < 7 || since(start) < budget) {
    const auto before = Clock::now();
    function();
    times.push_back(since(before));
  }
  std::sort(times.begin(), times.end());
  return times;
}

template <typename Function>
double median(Function &&function, double budget = 2.0) {
  const auto times = timings(function, budget);
  return times[times.size() / 2];
}

} // namespace fm::bench

#endif // FM_BENCH_SUPPORT_MEASURE_H
