// peer-libtorch: the workloads with stock libtorch. Images are measured in both
// memory formats, and the faster one counts. Set OPENBLAS_NUM_THREADS=1, or its
// thread pool and libtorch's fight.

#include "bench/peers/libtorch/Modules.h"
#include "bench/support/Report.h"
#include "bench/support/Turns.h"

#include <algorithm>
#include <climits>
#include <cstdio>
#include <exception>
#include <functional>
#include <malloc.h>

using namespace fm::bench;
using namespace fm::bench::libtorch;

namespace {

using Loss = std::function<Tensor(const Tensor &, const Tensor &)>;
enum class Optimizer { Adam, Momentum };

std::unique_ptr<torch::optim::Optimizer>
makeOptimizer(Optimizer kind, const std::vector<Tensor> &parameters) {
  if (kind == Optimizer::Adam)
    return std::make_unique<torch::optim::Adam>(
        parameters, torch::optim::AdamOptions(1e-3).eps(1e-7));
  return std::make_unique<torch::optim::SGD>(
      parameters, torch::optim::SGDOptions(1e-2).momentum(0.9));
}

/// A module with its data in one memory format.
template <typename Module> class Candidate {
public:
  Candidate(Tensor input, const Tensor &target, const Loss &loss,
            Optimizer kind, torch::MemoryFormat format)
      : x(std::move(input)), target(target), loss(loss) {
    if (x.dim() == 4) {
      x = x.contiguous(format);
      for (Tensor &parameter : module.parameters())
        if (parameter.dim() == 4)
          parameter.set_data(parameter.contiguous(format));
    }
    optimizer = makeOptimizer(kind, module.parameters());
  }

  void forward() {
    const torch::InferenceMode inference;
    module.forward(x);
  }
  void trainStep() {
    optimizer->zero_grad();
    loss(module.forward(x), target).backward();
    optimizer->step();
  }
  Module module;

private:
  Tensor x, target;
  Loss loss;
  std::unique_ptr<torch::optim::Optimizer> optimizer;
};

template <typename Module>
void measure(Report &report, Turns &turns, const char *workload, int batch,
             Flops flops, const Tensor &x, const Tensor &target,
             const Loss &loss, Optimizer optimizer) {
  std::vector<std::unique_ptr<Candidate<Module>>> candidates;
  for (auto format :
       {torch::MemoryFormat::Contiguous, torch::MemoryFormat::ChannelsLast}) {
    torch::manual_seed(1);
    candidates.push_back(std::make_unique<Candidate<Module>>(
        x, target, loss, optimizer, format));
    if (x.dim() != 4)
      break;
  }
  // The faster one is found out first, then measured.
  const auto fastest = [&](auto &&call) {
    std::vector<double> seconds;
    for (auto &candidate : candidates)
      seconds.push_back(median([&] { call(*candidate); }, 0.5));
    Candidate<Module> &best =
        *candidates[std::min_element(seconds.begin(), seconds.end()) -
                    seconds.begin()];
    return turns.measure([&] { call(best); });
  };
  for (auto &candidate : candidates)
    candidate->module.eval();
  const auto forward = fastest([](auto &candidate) { candidate.forward(); });
  for (auto &candidate : candidates)
    candidate->module.train();
  const auto train = fastest([](auto &candidate) { candidate.trainStep(); });
  report.add(workload, batch, flops, forward, train);
}

} // namespace

int main(int argc, char **argv) try {
  const Options options = parseOptions(argc, argv);
  // Tensors of some MB would otherwise come from the system, page by page, in
  // every step: the MBConv block's forward pass takes up to three times as
  // long.
  mallopt(M_MMAP_MAX, 0);
  mallopt(M_TRIM_THRESHOLD, INT_MAX);
  mallopt(M_TOP_PAD, 256 << 20);
  // Before the threads start, which inherit it; see peer-onednn.
  at::globalContext().setFlushDenormal(true);
  torch::set_num_threads(options.threads);
  Report report("libtorch", options);
  Turns turns(options.turns, options.shareTurns);

  const Loss crossEntropy = [](const Tensor &y, const Tensor &label) {
    return torch::cross_entropy_loss(y, label);
  };
  const Loss squaredError = [](const Tensor &y, const Tensor &target) {
    return torch::mse_loss(y, target);
  };
  const auto labels = [](int64_t count) {
    return torch::randint(0, 10, {count}, torch::kLong);
  };

  if (options.wants(SeedCnn::name))
    for (int batch : SeedCnn::batches)
      measure<SeedCnnModule>(
          report, turns, SeedCnn::name, batch, SeedCnn::flops(batch),
          torch::rand({batch, 1, SeedCnn::image, SeedCnn::image}),
          labels(batch), crossEntropy, Optimizer::Adam);
  if (options.wants(Mlp::name))
    measure<MlpModule>(report, turns, Mlp::name, Mlp::batch, Mlp::flops(),
                       torch::rand({Mlp::batch, Mlp::in}), labels(Mlp::batch),
                       crossEntropy, Optimizer::Adam);
  if (options.wants(Encoder::name)) {
    const std::vector<int64_t> shape{Encoder::batch, Encoder::length,
                                     Encoder::width};
    measure<EncoderModule>(report, turns, Encoder::name, Encoder::batch,
                           Encoder::flops(), torch::rand(shape) * 2 - 1,
                           torch::rand(shape), squaredError, Optimizer::Adam);
  }
  if (options.wants(ResnetBlock::name)) {
    const std::vector<int64_t> shape{ResnetBlock::batch, ResnetBlock::channels,
                                     ResnetBlock::image, ResnetBlock::image};
    measure<ResnetBlockModule>(report, turns, ResnetBlock::name,
                               ResnetBlock::batch, ResnetBlock::flops(),
                               torch::rand(shape) * 2 - 1, torch::rand(shape),
                               squaredError, Optimizer::Momentum);
  }
  if (options.wants(MbconvBlock::name)) {
    const std::vector<int64_t> shape{MbconvBlock::batch, MbconvBlock::channels,
                                     MbconvBlock::image, MbconvBlock::image};
    measure<MbconvBlockModule>(report, turns, MbconvBlock::name,
                               MbconvBlock::batch, MbconvBlock::flops(),
                               torch::rand(shape) * 2 - 1, torch::rand(shape),
                               squaredError, Optimizer::Momentum);
  }
  return report.write() ? 0 : 1;
} catch (const std::exception &error) {
  std::fprintf(stderr, "peer-libtorch: %s\n", error.what());
  return 1;
}
