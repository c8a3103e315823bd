#include "bench/peers/onednn/Workloads.h"
#include "bench/support/Workloads.h"

namespace fm::bench::onednn {

void buildResnetBlock(Network &net) {
  constexpr int64_t C = ResnetBlock::channels;
  const memory x = net.makeRandom(
      blocked({ResnetBlock::batch, C, ResnetBlock::image, ResnetBlock::image}),
      -1, 1);
  if (!net.training()) {
    const auto first = net.convolution(x, {.channels = C,
                                           .kernel = 3,
                                           .padding = 1,
                                           .activation = Activation::Relu,
                                           .winograd = true});
    // Winograd has no post-op that adds a tensor, and is still the faster way.
    const auto second = net.convolution(
        first.output,
        {.channels = C, .kernel = 3, .padding = 1, .winograd = true});
    net.addRelu(second.output, x);
    return;
  }

  const auto conv1 = net.convolution(x, {.channels = C,
                                         .kernel = 3,
                                         .padding = 1,
                                         .bias = false,
                                         .winograd = true});
  const auto norm1 = net.batchNorm(conv1.output, /*relu=*/true);
  const auto conv2 = net.convolution(norm1.output, {.channels = C,
                                                    .kernel = 3,
                                                    .padding = 1,
                                                    .bias = false,
                                                    .winograd = true});
  const auto norm2 = net.batchNorm(conv2.output, /*relu=*/false);
  const memory y = net.addRelu(
      norm2.output, net.reorderedTo(true, x, norm2.output.get_desc()));

  const memory target = net.makeRandom(y.get_desc(), 0, 1);
  memory gradient = net.meanSquaredError(y, target);
  net.reluBackwardInPlace(gradient, y);
  gradient = norm2.backward(gradient, true);
  gradient = conv2.backward(gradient, true);
  gradient = norm1.backward(gradient, true);
  conv1.backward(gradient, false);
}

} // namespace fm::bench::onednn
