#include "bench/support/Report.h"
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
    std::fprintf(
        stderr,
        "%s: %s\nusage: %s [--threads N] [--workload NAME]... "
        "[--implementation NAME] [--rows FILE]\n",
        argv[0], message.c_str(), argv[0]);
    std::exit(2);
  };
  for (int i = 1; i < argc; ++i) {
    const std::string option = argv[i];
    if (option != "--threads" && option != "--workload" &&
        option != "--implementation" && option != "--rows")
      fail("unknown argument '" + option + "'");
    if (i + 1 == argc)
      fail(option + " needs a value");
    const std::string value = argv[++i];
    if (option == "--threads")
      options.threads = std::atoi(value.c_str());
    else if (option == "--workload")
      options.workloads.push_back(value);
    else if (option == "--implementation")
      options.implementation = value;
    else
      options.rowsFile = value;
  }
  if (options.threads < 1)
    fail("--threads needs a positive number");
  return options;
}

Report::Report(std::string implementation, const Options &options)
    : implementation(std::move(implementation)), options(options),
      peak(measureFmaPeak()) {}

void Report::add(const std::string &workload, int batch, Flops flops,
                 double forward, double train) {
  const auto row = [&](const char *phase, double count, double seconds) {
    rows.push_back({workload, phase, options.threads, implementation, batch,
                    seconds * 1e3, count / seconds / 1e9, 0});
    std::fprintf(
        stderr,
        "%-9s %-13s batch %-3d %d threads  %-7s %9.3f ms %8.1f GFLOP/s\n",
        implementation.c_str(), workload.c_str(), batch, options.threads, phase,
        seconds * 1e3, count / seconds / 1e9);
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
                 "\"peak_share\": %.4g}",
                 i ? "," : "", row.workload.c_str(), row.phase.c_str(),
                 row.threads, row.implementation.c_str(), row.batch,
                 row.medianMs, row.gflops, row.gflops / (peak * row.threads));
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
