//===- Report.h - Rows that the benchmark programs hand on ----------------===//
#ifndef FM_BENCH_SUPPORT_REPORT_H
#define FM_BENCH_SUPPORT_REPORT_H

#include "bench/support/Workloads.h"

#include <string>
#include <vector>

namespace fm::bench {

/// The command line that all benchmark programs understand:
///   [--threads N] [--workload NAME]... [--implementation NAME] [--rows FILE]
///   [--turns N] [--share-turns]
struct Options {
  int threads = 1;
  std::string implementation;         ///< of those the program has; empty: all
  std::vector<std::string> workloads; ///< empty: all
  std::string rowsFile;               ///< empty: standard output
  int turns = 9;                      ///< of each figure
  bool shareTurns = false;            ///< with other programs, by `bench-turns`
  bool wants(const std::string &workload) const;
};
/// Prints what is wrong and ends the program with exit code 2 if need be.
Options parseOptions(int argc, char **argv);

struct Row {
  std::string workload;
  std::string phase; ///< "forward" (inference) or "train" (a whole step)
  int threads = 1;
  std::string implementation; ///< "fmc", "reference", "libtorch", "onednn"
  int batch = 0;
  std::vector<double> turnsMs;     ///< of one call; the median of each turn
  double medianMs = 0, gflops = 0; ///< the median of the turns
  double peakShare = 0;            ///< of `threads` cores' FMA peak
};

/// Collects rows. Measures the FMA peak when it is made and once more at the
/// end, and takes the larger: a moment's noise must not flatter anyone.
class Report {
public:
  Report(std::string implementation, const Options &options);
  /// Seconds of one call of each phase, by turns.
  void add(const std::string &workload, int batch, Flops flops,
           std::vector<double> forward, std::vector<double> train);
  /// Writes an array of objects to options.rowsFile or standard output; false,
  /// with a message, if that fails.
  bool write();

private:
  std::string implementation;
  Options options;
  double peak;
  std::vector<Row> rows;
};

} // namespace fm::bench

#endif // FM_BENCH_SUPPORT_REPORT_H
