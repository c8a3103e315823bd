#include "bench/peers/onednn/Workloads.h"
#include "bench/support/Workloads.h"

namespace fm::bench::onednn {

void buildMlp(Network &net) {
  const memory image = net.makeRandom(plain({Mlp::batch, Mlp::in}), 0, 1);
  const auto first = net.dense(image, Mlp::hidden, Activation::Relu);
  const auto second = net.dense(first.output, Mlp::hidden, Activation::Relu);
  const auto logits = net.dense(second.output, Mlp::classes, Activation::None);
  if (!net.training())
    return;

  memory gradient = net.crossEntropy(logits.output);
  gradient = logits.backward(gradient, true);
  gradient = second.backward(gradient, true);
  first.backward(gradient, false);
}

} // namespace fm::bench::onednn
