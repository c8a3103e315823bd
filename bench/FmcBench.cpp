//===- FmcBench.cpp - Generated code against the naive kernels ------------------===//
//
// Compiles each workload with the Halide backend and with the reference backend
// (the naive kernels) and measures inference and the whole train step. What is an
// iteration to Google Benchmark is a turn here. The rows are those of the peers.
//
//===----------------------------------------------------------------------------===//

#include "bench/support/Report.h"
#include "bench/support/Turns.h"
#include "bench/support/Workloads.h"
#include "compiler/driver/LiveModel.h"
#include "compiler/driver/Synthetic.h"

#include <benchmark/benchmark.h>

#include <cstdio>
#include <string>
#include <vector>

using namespace fm;
using namespace fm::driver;

namespace {

struct Workload {
  std::string name, file;
  int batch;
  bench::Flops flops;
};

std::vector<Workload> workloads() {
  const std::string root = FMC_SOURCE_DIR;
  std::vector<Workload> all;
  for (int batch : bench::SeedCnn::batches)
    all.push_back({"seed_cnn", root + "/examples/mnist_cnn/mnist_cnn.fm", batch, bench::SeedCnn::flops(batch)});
  all.push_back({"mlp", root + "/examples/mlp/mlp.fm", bench::Mlp::batch, bench::Mlp::flops()});
  all.push_back({"encoder", root + "/bench/models/encoder.fm", bench::Encoder::batch, bench::Encoder::flops()});
  all.push_back({"resnet_block", root + "/bench/models/resnet_block.fm", bench::ResnetBlock::batch,
                 bench::ResnetBlock::flops()});
  all.push_back({"mbconv_block", root + "/bench/models/mbconv_block.fm", bench::MbconvBlock::batch,
                 bench::MbconvBlock::flops()});
  return all;
}

/// Only failures are told here; figures are Report's.
class Silent : public benchmark::BenchmarkReporter {
public:
  bool ReportContext(const Context &) override { return true; }
  void ReportRuns(const std::vector<Run> &runs) override {
    for (const Run &run : runs)
      if (run.error_occurred)
        std::fprintf(stderr, "%s: %s\n", run.benchmark_name().c_str(), run.error_message.c_str());
  }
};

/// Seconds of a call of one of the model's entries, by turns; none if it failed.
std::vector<double> secondsOf(LiveModel &live, const std::string &name, bench::Turns &turns) {
  const int number = live.entry(name);
  SyntheticArguments arguments(live.program(), live.program().entries[number], 1);
  std::vector<double> seconds;
  benchmark::RegisterBenchmark(name.c_str(), [&](benchmark::State &state) {
    for (auto _ : state) {
      seconds.push_back(turns.take([&] {
        if (live.call(number, live.program().batch, arguments.pointers()) != FM_OK)
          state.SkipWithError(live.message());
      }));
      state.SetIterationTime(seconds.back());
    }
    if (state.error_occurred())
      seconds.clear();
  })->UseManualTime()->Iterations(turns.count);
  Silent silent;
  benchmark::RunSpecifiedBenchmarks(&silent);
  benchmark::ClearRegisteredBenchmarks();
  return seconds;
}

bool measure(const bench::Options &options, const std::string &backend) {
  bench::Turns turns(options.turns, options.shareTurns);
  bench::Report report(backend == "halide" ? "fmc" : "reference", options);
  for (const Workload &workload : workloads()) {
    if (!options.wants(workload.name))
      continue;
    CompilerOptions compile;
    compile.input = workload.file;
    compile.defines = {"batch=" + std::to_string(workload.batch)};
    compile.backend = backend;
    Diagnostics diagnostics;
    auto live = LiveModel::make(compile, diagnostics, 1);
    if (!live) {
      std::fputs(diagnostics.render(false).c_str(), stderr);
      return false;
    }
    std::unique_ptr<fm_pool, void (*)(fm_pool *)> pool(
        options.threads > 1 ? fm_pool_create(options.threads) : nullptr, fm_pool_destroy);
    if (pool)
      fm_set_parallel_for(live->instance(), fm_pool_run, pool.get());
    const auto forward = secondsOf(*live, "forward", turns);
    const auto train = secondsOf(*live, "train_step", turns);
    if (forward.empty() || train.empty())
      return false;
    report.add(workload.name, workload.batch, workload.flops, forward, train);
  }
  return report.write();
}

} // namespace

int main(int argc, char **argv) {
  bench::Options options = bench::parseOptions(argc, argv);
  int none = 1;
  benchmark::Initialize(&none, argv);
  if (options.implementation != "reference" && !measure(options, "halide"))
    return 1;
  if (options.implementation == "fmc")
    return 0;
  // The naive kernels' rows go into a file of their own.
  if (options.implementation.empty() && !options.rowsFile.empty())
    options.rowsFile += ".reference.json";
  return measure(options, "reference") ? 0 : 1;
}
