//===- Turns.h - Figures taken in short turns -----------------------------===//
//
// A machine's neighbours change its speed from one second to the next. Programs
// that are to be compared therefore alternate: each measures for a moment and
// hands on, so that a figure's n-th turns met the same machine, and their ratio
// means something even when the figures themselves do not.
//
//===----------------------------------------------------------------------===//
#ifndef FM_BENCH_SUPPORT_TURNS_H
#define FM_BENCH_SUPPORT_TURNS_H

#include "bench/support/Measure.h"

#include <vector>

namespace fm::bench {

/// One program's turns. A program has the machine for itself from its start to
/// its first pass(), and from there on until the next one. Between them it says
/// so by a byte on standard output, and waits for one on standard input:
/// `bench-turns` is what stands at the other end. A program on its own just
/// goes on.
class Turns {
public:
  static constexpr double seconds = 0.15; ///< of each turn

  /// `count` of each figure; `shared` with other programs.
  Turns(int count, bool shared) : count(count), shared(shared) {}
  const int count;

  /// Hands on, and returns when the machine is free again. Ends the program
  /// with exit code 1 if the other end is gone.
  void pass();

  /// Takes one: seconds of a call of `function`, their median.
  template <typename Function> double take(Function &&function) {
    pass();
    return median(function, seconds);
  }
  /// All turns of a figure.
  template <typename Function>
  std::vector<double> measure(Function &&function) {
    std::vector<double> medians;
    for (int turn = 0; turn < count; ++turn)
      medians.push_back(take(function));
    return medians;
  }

private:
  bool shared;
};

} // namespace fm::bench

#endif // FM_BENCH_SUPPORT_TURNS_H
