#include "bench/support/Report.h"
#include "bench/support/Measure.h"
#include "bench/support/Peak.h"

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace fm::bench {

bool Options::wants(const std::string &workload) const {
  return workloads.empty() || std::find(workloads.begin(), workloads.end(),
                                        workload) != workloads.end();
}

Options parseOptions(int argc, char **argv) {
  Options options;
  const auto fail = [&](const std::string &message) {
    std::fprintf(stderr,
                 "%s: %s\nusage: %s [--threads N] [--workload NAME]... "
                 "[--implementation NAME] [--rows FILE] [--turns N] "
                 "[--share-turns]\n",
                 argv[0], message.c_str(), argv[0]);
    std::exit(2);
  };
  for (int i = 1; i < argc; ++i) {
    const std::string option = argv[i];
    if (option == "--share-turns") {
      options.shareTurns = true;
      continue;
    }
    if (option != "--threads" && option != "--workload" &&
        option != "--implementation" && option != "--rows" &&
        option != "--turns")
      fail("unknown argument '" + option + "'");
    if (i + 1 == argc)
      fail(option + " needs a value");
    const std::string value = argv[++i];
    if (option == "--threads")
      options.threads = std::atoi(value.c_str());
    else if (option == "--turns")
      options.turns = std::atoi(value.c_str());
    else if (option == "--workload")
      options.workloads.push_back(value);
    else if (option == "--implementation")
      options.implementation = value;
    else
      options.rowsFile = value;
  }
  if (options.threads < 1)
    fail("--threads needs a positive number");
  if (options.turns < 1)
    fail("--turns needs a positive number");
  if (options.shareTurns && options.rowsFile.empty())
    fail("--share-turns needs --rows FILE, as turns are passed by standard "
         "output");
  return options;
}

Report::Report(std::string implementation, const Options &options)
    : implementation(std::move(implementation)), options(options),
      peak(measureFmaPeak()) {}

void Report::add(const std::string &workload, int batch, Flops flops,
                 std::vector<double> forward, std::vector<double> train) {
  const auto row = [&](const char *phase, double count,
                       const std::vector<double> &seconds) {
    Row row;
    row.workload = workload;
    row.phase = phase;
    row.threads = options.threads;
    row.implementation = implementation;
    row.batch = batch;
    for (double turn : seconds)
      row.turnsMs.push_back(turn * 1e3);
    std::vector<double> sorted = row.turnsMs;
    std::sort(sorted.begin(), sorted.end());
    row.medianMs = middle(sorted);
    row.gflops = count / row.medianMs / 1e6;
    std::fprintf(
        stderr,
        "%-9s %-13s batch %-3d %d threads  %-7s %9.3f ms %8.1f GFLOP/s\n",
        implementation.c_str(), workload.c_str(), batch, options.threads, phase,
        row.medianMs, row.gflops);
    rows.push_back(std::move(row));
  };
  row("forward", flops.forward, forward);
  row("train", flops.train, train);
}

bool Report::write() {
  peak = std::max(peak, measureFmaPeak());
  std::fprintf(stderr, "FMA peak of a core: %.1f GFLOP/s (%s)\n", peak,
               fmaPeakWidth());
  std::FILE *file = options.rowsFile.empty()
                        ? stdout
                        : std::fopen(options.rowsFile.c_str(), "w");
  if (!file) {
    std::fprintf(stderr, "cannot write %s: %s\n", options.rowsFile.c_str(),
                 std::strerror(errno));
    return false;
  }
  std::fprintf(file, "[");
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const Row &row = rows[i];
    std::fprintf(file,
                 "%s\n{\"workload\": \"%s\", \"phase\": \"%s\", \"threads\": "
                 "%d, \"implementation\": \"%s\", "
                 "\"batch\": %d, \"median_ms\": %.6g, \"gflops\": %.5g, "
                 "\"peak_share\": %.4g, \"turns_ms\": [",
                 i ? "," : "", row.workload.c_str(), row.phase.c_str(),
                 row.threads, row.implementation.c_str(), row.batch,
                 row.medianMs, row.gflops, row.gflops / (peak * row.threads));
    for (std::size_t turn = 0; turn < row.turnsMs.size(); ++turn)
      std::fprintf(file, "%s%.6g", turn ? ", " : "", row.turnsMs[turn]);
    std::fprintf(file, "]}");
  }
  std::fprintf(file, "\n]\n");
  const bool written = std::fflush(file) == 0 && !std::ferror(file);
  if (file != stdout)
    std::fclose(file);
  if (!written)
    std::fprintf(stderr, "cannot write %s\n", options.rowsFile.c_str());
  return written;
}

} // namespace fm::bench
