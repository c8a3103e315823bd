// peer-onednn: the workloads as an expert writes them by hand with oneDNN.

#include "bench/peers/onednn/Workloads.h"
#include "bench/support/Report.h"
#include "bench/support/Turns.h"

#include <immintrin.h>
#include <omp.h>

#include <cmath>
#include <cstdio>
#include <exception>

using namespace fm::bench;
using onednn::Mode;
using onednn::Network;

namespace {

template <typename Build>
void measure(Report &report, Turns &turns, const char *workload, int batch,
             Flops flops, Network::Optimizer optimizer, Build &&build) {
  Network inference(Mode::Inference), training(Mode::Training);
  build(inference);
  build(training);

  // A peer that does not learn would not be a peer.
  training.trainStep(optimizer);
  const float before = training.loss();
  for (int i = 0; i < 60; ++i)
    training.trainStep(optimizer);
  if (!(training.loss() < before))
    throw std::runtime_error(std::string(workload) +
                             ": the loss does not fall");

  const auto forward = turns.measure([&] { inference.forward(); });
  const auto train = turns.measure([&] { training.trainStep(optimizer); });
  report.add(workload, batch, flops, forward, train);
}

} // namespace

int main(int argc, char **argv) try {
  using Optimizer = Network::Optimizer;
  const Options options = parseOptions(argc, argv);
  // Before the threads start, which inherit it. Moments that fade away become
  // denormal numbers, and cost a batch of 1 more than half of its time.
  _MM_SET_FLUSH_ZERO_MODE(_MM_FLUSH_ZERO_ON);
  _MM_SET_DENORMALS_ZERO_MODE(_MM_DENORMALS_ZERO_ON);
  omp_set_num_threads(options.threads);
  Report report("onednn", options);
  Turns turns(options.turns, options.shareTurns);
  if (options.wants(SeedCnn::name))
    for (int batch : SeedCnn::batches)
      measure(report, turns, SeedCnn::name, batch, SeedCnn::flops(batch),
              Optimizer::Adam,
              [=](Network &net) { onednn::buildSeedCnn(net, batch); });
  if (options.wants(Mlp::name))
    measure(report, turns, Mlp::name, Mlp::batch, Mlp::flops(), Optimizer::Adam,
            onednn::buildMlp);
  if (options.wants(Encoder::name))
    measure(report, turns, Encoder::name, Encoder::batch, Encoder::flops(),
            Optimizer::Adam, onednn::buildEncoder);
  if (options.wants(ResnetBlock::name))
    measure(report, turns, ResnetBlock::name, ResnetBlock::batch,
            ResnetBlock::flops(), Optimizer::Momentum,
            onednn::buildResnetBlock);
  if (options.wants(MbconvBlock::name))
    measure(report, turns, MbconvBlock::name, MbconvBlock::batch,
            MbconvBlock::flops(), Optimizer::Momentum,
            onednn::buildMbconvBlock);
  return report.write() ? 0 : 1;
} catch (const std::exception &error) {
  std::fprintf(stderr, "peer-onednn: %s\n", error.what());
  return 1;
}
