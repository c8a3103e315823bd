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
#include <iterator>
#include <limits>
#include <map>
#include <tuple>

namespace fm::driver {

using namespace codegen;

namespace {

/// What one core reaches: GFLOP/s, and GB/s to what is as large as this.
struct Roof {
  explicit Roof(const MachineModel &machine) : peak(bench::measureFmaPeak()) {
    // Three arrays that fill half of the L2, or are a few times as large as it.
    const auto third = [](double bytes) { return std::max<size_t>(size_t(bytes / 3), 4096); };
    levels[0] = {double(machine.l2Bytes), bench::measureBandwidth(third(0.5 * double(machine.l2Bytes)), 0.1)};
    levels[1] = {double(machine.l3Bytes),
                 bench::measureBandwidth(third(std::min(4. * double(machine.l2Bytes), 0.5 * double(machine.l3Bytes))), 0.2)};
    levels[2] = {std::numeric_limits<double>::infinity(), bench::measureBandwidth()};
  }
  struct Level {
    double bytes, bandwidth;
  };
  double nearest() const { return levels[0].bandwidth; }
  double to(double bytes) const {
    return std::find_if(std::begin(levels), std::end(levels), [&](const Level &level) { return bytes <= level.bytes; })
        ->bandwidth;
  }
  double peak;
  Level levels[3]; ///< L2, L3, memory
};

/// Kernels of one entry, timed one after the other on the entry's own memory: as
/// in a step, each finds in the caches what those before it have left there.
class KernelTable {
public:
  KernelTable(LiveModel &live, const Entry &entry, SyntheticArguments &arguments, int64_t n)
      : live(live), program(live.program()), entry(entry), arguments(arguments), n(n) {}

  /// A bound is the FMA peak's, or that of the bytes: what passes along a chain lies in the L2, the rest in the
  /// level that holds all that the entry touches.
  void print(const Roof &roof, double budget) {
    size_t place = entry.name.size(), kernel = 6;
    for (const KernelCall &call : entry.calls) {
      place = std::max(place, call.location.size());
      kernel = std::max(kernel, summary(program.kernels[call.kernel]).size());
    }
    std::printf("\n%-*s %-*s %9s %9s %9s %7s %7s %8s\n", int(place), entry.name.c_str(), int(kernel), "kernel", "us",
                "MFLOP", "kB", "GFLOP/s", "GB/s", "roofline");
    const std::vector<double> seconds = times(budget);
    const double bandwidth = roof.to(touchedBytes());
    double total = 0;
    for (size_t i = 0; i < entry.calls.size(); ++i) {
      const KernelCall &call = entry.calls[i];
      const KernelSpec &spec = program.kernels[call.kernel];
      const std::vector<double> ofPlaces = trafficBytes(spec, n);
      double flops = contractionFlops(spec, n), bytes = 0, moving = 0;
      for (size_t p = 0; p < ofPlaces.size(); ++p) {
        bytes += ofPlaces[p];
        moving += ofPlaces[p] / (call.passing[p] ? roof.nearest() : bandwidth) / 1e9;
      }
      const double bound = std::max(flops / (roof.peak * 1e9), moving);
      std::printf("%-*s %-*s %9.1f %9.2f %9.1f %7.1f %7.1f %7.0f%%\n", int(place), call.location.c_str(), int(kernel),
                  summary(spec).c_str(), seconds[i] * 1e6, flops / 1e6, bytes / 1e3, flops / seconds[i] / 1e9, bytes / seconds[i] / 1e9,
                  100 * bound / seconds[i]);
      total += seconds[i];
    }
    std::printf("%-*s %-*s %9.1f\n", int(place), "", int(kernel), "all", total * 1e6);
  }

private:
  /// Of all tensors of the entry, each once.
  double touchedBytes() const {
    std::map<std::tuple<TensorPlace::Space, unsigned, int64_t>, double> known;
    for (const KernelCall &call : entry.calls) {
      const std::vector<double> bytes = trafficBytes(program.kernels[call.kernel], n);
      for (size_t p = 0; p < bytes.size(); ++p) {
        double &most = known[{call.places[p].space, call.places[p].index, call.places[p].offset}];
        most = std::max(most, bytes[p]);
      }
    }
    double total = 0;
    for (const auto &[place, bytes] : known)
      total += bytes;
    return total;
  }

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
  TargetSpec target;
  resolveTarget(options.triple, options.cpu, target); // as it was resolved to compile
  const Roof roof(target.machine);
  std::printf("%s, batch %lld, %d thread%s; one core: %.1f GFLOP/s (%s), memory %.1f GB/s, L3 %.1f, L2 %.1f\n\n",
              program.name.c_str(), (long long)program.batch, how.threads, how.threads == 1 ? "" : "s", roof.peak,
              bench::fmaPeakWidth(), roof.levels[2].bandwidth, roof.levels[1].bandwidth, roof.levels[0].bandwidth);
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
                entry.flops / median / 1e9, 100 * entry.flops / median / 1e9 / (roof.peak * how.threads), entry.calls.size());
    if (how.kernels)
      KernelTable(*live, entry, arguments, program.batch).print(roof, how.seconds);
  }
  fm_pool_destroy(pool);
  return !diagnostics.hasErrors();
}

} // namespace fm::driver
