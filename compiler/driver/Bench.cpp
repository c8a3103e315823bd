//===- Bench.cpp - fmc bench: how fast a model runs here --------------------------------===//
//
// Runs the compiled model on made-up data and prints times, GFLOP/s and the
// share of the FMA peak that this core reached in the same run; with --kernels
// a line for each kernel of a step, against the roofline.
//
//===----------------------------------------------------------------------===//

#include "compiler/driver/Commands.h"
#include "compiler/driver/Synthetic.h"

#include "bench/support/Measure.h"
#include "bench/support/Peak.h"
#include "compiler/codegen/Flops.h"

#include <algorithm>
#include <chrono>
#include <cstdio>

namespace fm::driver {

using namespace codegen;

namespace {

/// Kernels of one entry, timed one after the other on the entry's own memory: as
/// in a step, each finds in the caches what those before it have left there.
class KernelTable {
public:
  KernelTable(LiveModel &live, const Entry &entry, SyntheticArguments &arguments, int64_t n)
      : live(live), program(live.program()), entry(entry), arguments(arguments), n(n) {}

  void print(double peak, double bandwidth, double budget) {
    size_t place = entry.name.size(), kernel = 6;
    for (const KernelCall &call : entry.calls) {
      place = std::max(place, call.location.size());
      kernel = std::max(kernel, summary(program.kernels[call.kernel]).size());
    }
    std::printf("\n%-*s %-*s %9s %9s %9s %7s %7s %8s\n", int(place), entry.name.c_str(), int(kernel), "kernel", "us",
                "MFLOP", "kB", "GFLOP/s", "GB/s", "roofline");
    const std::vector<double> seconds = times(budget);
    double total = 0;
    for (size_t i = 0; i < entry.calls.size(); ++i) {
      const KernelCall &call = entry.calls[i];
      const KernelSpec &spec = program.kernels[call.kernel];
      double flops = contractionFlops(spec, n), bytes = trafficBytes(spec, n);
      double bound = std::max(flops / (peak * 1e9), bytes / (bandwidth * 1e9));
      std::printf("%-*s %-*s %9.1f %9.2f %9.1f %7.1f %7.1f %7.0f%%\n", int(place), call.location.c_str(), int(kernel),
                  summary(spec).c_str(), seconds[i] * 1e6, flops / 1e6, bytes / 1e3, flops / seconds[i] / 1e9, bytes / seconds[i] / 1e9,
                  100 * bound / seconds[i]);
      total += seconds[i];
    }
    std::printf("%-*s %-*s %9.1f\n", int(place), "", int(kernel), "all", total * 1e6);
  }

private:
  /// Medians over whole passes, per call.
  std::vector<double> times(double budget) {
    using Clock = std::chrono::steady_clock;
    std::vector<std::vector<void *>> pointers;
    for (const KernelCall &call : entry.calls)
      pointers.push_back(live.addresses(call, arguments.pointers()));
    std::vector<std::vector<double>> samples(entry.calls.size());
    const auto start = Clock::now();
    for (int pass = 0; pass < 8 || Clock::now() - start < std::chrono::duration<double>(budget); ++pass)
      for (size_t i = 0, end; i < entry.calls.size(); i = end) {
        end = entry.chainEnd(i);
        std::vector<double> seconds(end - i, 0);
        program.forEachTurn(std::span(entry.calls).subspan(i, end - i), n, [&](size_t k, const KernelCall::Turn &turn) {
          const KernelCall &call = entry.calls[i + k];
          const auto own = call.at(turn, pointers[i + k]);
          const auto before = Clock::now();
          live.callKernel(call.kernel, call.number(turn), own);
          seconds[k] += std::chrono::duration<double>(Clock::now() - before).count();
        });
        for (size_t k = i; k < end && pass > 0; ++k) // the first one warms up
          samples[k].push_back(seconds[k - i]);
      }
    std::vector<double> medians;
    for (std::vector<double> &list : samples) {
      std::nth_element(list.begin(), list.begin() + list.size() / 2, list.end());
      medians.push_back(list[list.size() / 2]);
    }
    return medians;
  }

  LiveModel &live;
  const Program &program;
  const Entry &entry;
  SyntheticArguments &arguments;
  int64_t n;
};

} // namespace

bool bench(const CompilerOptions &options, const BenchOptions &how, Diagnostics &diagnostics) {
  auto live = LiveModel::make(options, diagnostics, /*seed=*/1);
  if (!live)
    return false;
  const Program &program = live->program();
  fm_pool *pool = how.threads > 1 ? fm_pool_create(how.threads) : nullptr;
  if (pool)
    fm_set_parallel_for(live->instance(), fm_pool_run, pool);
  double peak = bench::measureFmaPeak(), bandwidth = bench::measureBandwidth();
  std::printf("%s, batch %lld, %d thread%s; one core: %.1f GFLOP/s (%s), %.1f GB/s\n\n", program.name.c_str(),
              (long long)program.batch, how.threads, how.threads == 1 ? "" : "s", peak, bench::fmaPeakWidth(), bandwidth);
  std::printf("%-16s  %10s  %10s  %10s  %8s  %8s\n", "entry", "median ms", "best ms", "GFLOP/s", "of peak", "kernels");
  for (const char *name : {"forward", "evaluate", "train_step"}) {
    int number = live->entry(name);
    if (number < 0)
      continue;
    const Entry &entry = program.entries[number];
    SyntheticArguments arguments(program, entry, 1);
    if (live->call(number, program.batch, arguments.pointers()) != FM_OK) {
      diagnostics.error({}, live->message());
      break;
    }
    auto times = bench::timings([&] { live->call(number, program.batch, arguments.pointers()); }, how.seconds);
    double median = times[times.size() / 2];
    std::printf("%-16s  %10.4f  %10.4f  %10.1f  %7.0f%%  %8zu\n", name, median * 1e3, times.front() * 1e3,
                entry.flops / median / 1e9, 100 * entry.flops / median / 1e9 / (peak * how.threads), entry.calls.size());
    if (how.kernels)
      KernelTable(*live, entry, arguments, program.batch).print(peak, bandwidth, how.seconds);
  }
  fm_pool_destroy(pool);
  return !diagnostics.hasErrors();
}

} // namespace fm::driver
