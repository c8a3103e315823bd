//===- Workloads.h - What is measured, and how it is counted --------------===//
//
// Sizes shared by all implementations, and their dense FLOPs: contractions and
// convolutions only, 2 a multiply-and-add, counted in full even where an
// implementation avoids some. Training is forward, plus the gradient of every
// parameter, plus the gradient of every activation that has parameters before
// it.
//
//===----------------------------------------------------------------------===//
#ifndef FM_BENCH_SUPPORT_WORKLOADS_H
#define FM_BENCH_SUPPORT_WORKLOADS_H

#include <string>

namespace fm::bench {

struct Flops {
  double forward, train;
};

/// Layers in a row: `first` reads the network's input, whose gradient nobody
/// needs.
inline Flops chainFlops(double first, double others) {
  return {first + others, 2 * first + 3 * others};
}

/// LeNet-style network on 28x28x1 images, examples/mnist_cnn; Adam.
struct SeedCnn {
  static constexpr const char *name = "seed_cnn";
  static constexpr int image = 28, classes = 10, batches[] = {64, 1};
  static Flops flops(int batch) {
    const double second = 11. * 11 * 64 * 3 * 3 * 32,
                 third = 3. * 3 * 64 * 3 * 3 * 64;
    return chainFlops(2. * batch * 26 * 26 * 32 * 3 * 3,
                      2. * batch * (second + third + 576 * 64 + 64 * 10));
  }
};

/// 784-512-512-10 with ReLU; Adam.
struct Mlp {
  static constexpr const char *name = "mlp";
  static constexpr int in = 784, hidden = 512, classes = 10, batch = 64;
  static Flops flops() {
    return chainFlops(2. * batch * in * hidden,
                      2. * batch * (hidden * hidden + hidden * classes));
  }
};

/// Pre-norm Transformer encoder block, GELU (erf), mean squared error; Adam.
struct Encoder {
  static constexpr const char *name = "encoder";
  static constexpr int batch = 8, length = 128, width = 256, heads = 4,
                       hidden = 1024;
  static Flops flops() {
    // The norm in front has parameters: all gradients are needed.
    const double dense = 1. * length * width * (3 * width + width + 2 * hidden);
    const double attention = 2. * length * length * width;
    return chainFlops(0, 2. * batch * (dense + attention));
  }
};

/// ResNet basic block: conv3x3, batch norm, ReLU, conv3x3, batch norm, add,
/// ReLU; mean squared error; SGD with momentum.
struct ResnetBlock {
  static constexpr const char *name = "resnet_block";
  static constexpr int batch = 8, channels = 64, image = 56;
  static Flops flops() {
    const double convolution =
        2. * batch * image * image * channels * channels * 3 * 3;
    return chainFlops(convolution, convolution);
  }
};

/// MBConv block: 1x1 expansion, depthwise 3x3, squeeze-and-excite (SiLU,
/// sigmoid), 1x1 projection, each convolution with batch norm, SiLU after the
/// first two, and the input added; mean squared error; SGD with momentum.
struct MbconvBlock {
  static constexpr const char *name = "mbconv_block";
  static constexpr int batch = 8, channels = 40, expanded = 6 * channels,
                       squeezed = channels / 4, image = 28;
  static Flops flops() {
    const double pixels = 2. * batch * image * image,
                 expansion = pixels * channels * expanded;
    return chainFlops(expansion, expansion + pixels * expanded * 3 * 3 +
                                     2. * batch * 2 * expanded * squeezed);
  }
};

} // namespace fm::bench

#endif // FM_BENCH_SUPPORT_WORKLOADS_H
