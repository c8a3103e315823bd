//===- FmcBench.cpp - Generated code against the naive kernels ------------------===//
//
// Compiles each workload with the Halide backend and with the reference backend
// (the naive kernels) and measures, by Google Benchmark, inference and the whole
// train step. The rows are those of the peers.
//
//===----------------------------------------------------------------------------===//

#include "bench/support/Report.h"
#include "bench/support/Workloads.h"
#include "compiler/driver/LiveModel.h"
#include "compiler/driver/Synthetic.h"

#include <benchmark/benchmark.h>

#include <cstdio>
#include <map>

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

/// Keeps the medians that Google Benchmark computes.
class Medians : public benchmark::BenchmarkReporter {
public:
  bool ReportContext(const Context &) override { return true; }
  void ReportRuns(const std::vector<Run> &runs) override {
    for (const Run &run : runs)
      if (run.aggregate_name == "median")
        seconds[run.run_name.function_name] = run.GetAdjustedRealTime() * 1e-9;
  }
  std::map<std::string, double> seconds;
};

/// Measures one entry of a model; `label` names the figure.
void registerEntry(const std::string &label, LiveModel &live, const std::string &name) {
  int number = live.entry(name);
  auto arguments = std::make_shared<SyntheticArguments>(live.program(), live.program().entries[number], 1);
  int64_t batch = live.program().batch;
  benchmark::RegisterBenchmark(label.c_str(), [&live, number, arguments, batch](benchmark::State &state) {
    for (auto _ : state)
      if (live.call(number, batch, arguments->pointers()) != FM_OK)
        state.SkipWithError(live.message());
  })->UseRealTime()->Repetitions(7)->ReportAggregatesOnly()->MinTime(0.15)->Unit(benchmark::kNanosecond);
}

bool measure(const bench::Options &options, const std::string &backend) {
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
    registerEntry("forward", *live, "forward");
    registerEntry("train", *live, "train_step");
    Medians medians;
    benchmark::RunSpecifiedBenchmarks(&medians);
    benchmark::ClearRegisteredBenchmarks();
    report.add(workload.name, workload.batch, workload.flops, medians.seconds["forward"], medians.seconds["train"]);
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
