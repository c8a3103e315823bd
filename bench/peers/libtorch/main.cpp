// peer-libtorch: the workloads with stock libtorch. Images are measured in both
// memory formats, and the faster one counts. Set OPENBLAS_NUM_THREADS=1, or its
// thread pool and libtorch's fight.

#include "bench/peers/libtorch/Modules.h"
#include "bench/support/Measure.h"
#include "bench/support/Report.h"

#include <algorithm>
#include <cstdio>
#include <exception>
#include <functional>

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

struct Seconds {
  double forward, train;
};

template <typename Module>
Seconds measureFormat(Tensor x, const Tensor &target, const Loss &loss,
                      Optimizer kind, torch::MemoryFormat format) {
  torch::manual_seed(1);
  Module module;
  if (x.dim() == 4) {
    x = x.contiguous(format);
    for (Tensor &parameter : module.parameters())
      if (parameter.dim() == 4)
        parameter.set_data(parameter.contiguous(format));
  }
  const auto optimizer = makeOptimizer(kind, module.parameters());
  Seconds seconds{};
  {
    const torch::InferenceMode inference;
    module.eval();
    seconds.forward = median([&] { module.forward(x); });
  }
  module.train();
  seconds.train = median([&] {
    optimizer->zero_grad();
    loss(module.forward(x), target).backward();
    optimizer->step();
  });
  return seconds;
}

template <typename Module>
void measure(Report &report, const char *workload, int batch, Flops flops,
             const Tensor &x, const Tensor &target, const Loss &loss,
             Optimizer optimizer) {
  Seconds best = measureFormat<Module>(x, target, loss, optimizer,
                                       torch::MemoryFormat::Contiguous);
  if (x.dim() == 4) {
    const Seconds other = measureFormat<Module>(
        x, target, loss, optimizer, torch::MemoryFormat::ChannelsLast);
    best = {std::min(best.forward, other.forward),
            std::min(best.train, other.train)};
  }
  report.add(workload, batch, flops, best.forward, best.train);
}

} // namespace

int main(int argc, char **argv) try {
  const Options options = parseOptions(argc, argv);
  // Before the threads start, which inherit it; see peer-onednn.
  at::globalContext().setFlushDenormal(true);
  torch::set_num_threads(options.threads);
  Report report("libtorch", options);

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
          report, SeedCnn::name, batch, SeedCnn::flops(batch),
          torch::rand({batch, 1, SeedCnn::image, SeedCnn::image}),
          labels(batch), crossEntropy, Optimizer::Adam);
  if (options.wants(Mlp::name))
    measure<MlpModule>(report, Mlp::name, Mlp::batch, Mlp::flops(),
                       torch::rand({Mlp::batch, Mlp::in}), labels(Mlp::batch),
                       crossEntropy, Optimizer::Adam);
  if (options.wants(Encoder::name)) {
    const std::vector<int64_t> shape{Encoder::batch, Encoder::length,
                                     Encoder::width};
    measure<EncoderModule>(report, Encoder::name, Encoder::batch,
                           Encoder::flops(), torch::rand(shape) * 2 - 1,
                           torch::rand(shape), squaredError, Optimizer::Adam);
  }
  if (options.wants(ResnetBlock::name)) {
    const std::vector<int64_t> shape{ResnetBlock::batch, ResnetBlock::channels,
                                     ResnetBlock::image, ResnetBlock::image};
    measure<ResnetBlockModule>(report, ResnetBlock::name, ResnetBlock::batch,
                               ResnetBlock::flops(), torch::rand(shape) * 2 - 1,
                               torch::rand(shape), squaredError,
                               Optimizer::Momentum);
  }
  if (options.wants(MbconvBlock::name)) {
    const std::vector<int64_t> shape{MbconvBlock::batch, MbconvBlock::channels,
                                     MbconvBlock::image, MbconvBlock::image};
    measure<MbconvBlockModule>(report, MbconvBlock::name, MbconvBlock::batch,
                               MbconvBlock::flops(), torch::rand(shape) * 2 - 1,
                               torch::rand(shape), squaredError,
                               Optimizer::Momentum);
  }
  return report.write() ? 0 : 1;
} catch (const std::exception &error) {
  std::fprintf(stderr, "peer-libtorch: %s\n", error.what());
  return 1;
}
