//===- Peak.h - What this machine can do at most --------------------------===//
//
// Measured ceilings, to be taken in the same run as the figures that are
// compared with them: clocks, neighbours and licences change from run to run.
//
//===----------------------------------------------------------------------===//
#ifndef FM_BENCH_SUPPORT_PEAK_H
#define FM_BENCH_SUPPORT_PEAK_H

#include <cstddef>

namespace fm::bench {

/// F32 multiply-and-add rate of one core in GFLOP/s (an FMA is two; the median
/// of runs of some milliseconds, as the figures compared with it are medians),
/// with the widest vectors that the CPU has: AVX-512, AVX2 with FMA, else
/// whatever the compiler makes of plain loops. Takes about `seconds`.
double measureFmaPeak(double seconds = 0.3);

/// "AVX-512", "AVX2", "generic": what measureFmaPeak uses here.
const char *fmaPeakWidth();

/// Median rate of one core in GB/s for a[i] = b[i] + s * c[i] on arrays of
/// `bytes` each, counting two reads and a write.
double measureBandwidth(std::size_t bytes = std::size_t{64} << 20,
                        double seconds = 0.5);

} // namespace fm::bench

#endif // FM_BENCH_SUPPORT_PEAK_H
