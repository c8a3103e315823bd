#include "bench/peers/onednn/Workloads.h"
#include "bench/support/Workloads.h"

namespace fm::bench::onednn {

void buildSeedCnn(Network &net, int batch) {
  // In training oneDNN takes Winograd by itself; in inference it has to be
  // told.
  const bool winograd = !net.training();
  const memory image =
      net.makeRandom(plain({batch, 1, SeedCnn::image, SeedCnn::image}), 0, 1);
  const auto conv1 = net.convolution(image, {.channels = 32,
                                             .kernel = 3,
                                             .activation = Activation::Relu,
                                             .winograd = winograd});
  const auto pool1 = net.maxPoolOfRelu(conv1.output);
  const auto conv2 =
      net.convolution(pool1.output, {.channels = 64,
                                     .kernel = 3,
                                     .activation = Activation::Relu,
                                     .winograd = winograd});
  const auto pool2 = net.maxPoolOfRelu(conv2.output);
  const auto conv3 =
      net.convolution(pool2.output, {.channels = 64,
                                     .kernel = 3,
                                     .activation = Activation::Relu,
                                     .winograd = winograd});
  const auto hidden = net.dense(conv3.output, 64, Activation::Relu);
  const auto logits =
      net.dense(hidden.output, SeedCnn::classes, Activation::None);
  if (!net.training())
    return;

  memory gradient = net.crossEntropy(logits.output);
  gradient = logits.backward(gradient, true);
  gradient = hidden.backward(gradient, true);
  gradient = net.reorderedTo(false, gradient, conv3.output.get_desc());
  net.reluBackwardInPlace(gradient, conv3.output);
  gradient = conv3.backward(gradient, true);
  gradient = pool2.backward(gradient, true);
  gradient = conv2.backward(gradient, true);
  gradient = pool1.backward(gradient, true);
  conv1.backward(gradient, false);
}

} // namespace fm::bench::onednn
