#include "bench/peers/onednn/Workloads.h"
#include "bench/support/Workloads.h"

#include <stdexcept>

namespace fm::bench::onednn {
namespace {

constexpr int64_t B = MbconvBlock::batch, C = MbconvBlock::channels,
                  E = MbconvBlock::expanded;
constexpr int64_t pixels = MbconvBlock::image * MbconvBlock::image;

/// Loops over [B][E / width][pixels][width]: oneDNN keeps images in blocks of
/// channels, or (width = E) with all channels of a pixel together.
struct Blocks {
  int64_t width;
  explicit Blocks(const memory &m) {
    const auto &blocking = m.get_desc().data.format_desc.blocking;
    if (blocking.inner_nblks == 1 && blocking.inner_idxs[0] == 1)
      width = blocking.inner_blks[0];
    else if (blocking.inner_nblks == 0 && blocking.strides[1] == 1)
      width = E;
    else
      throw std::runtime_error(
          "mbconv_block: an unexpected layout of the images");
    if (E % width != 0)
      throw std::runtime_error(
          "mbconv_block: the layout of the images has padding");
  }
  /// body(block of pixels x width, its first channel within [B, E])
  template <typename Body> void each(Body &&body) const {
#pragma omp parallel for
    for (int64_t i = 0; i < B * E / width; ++i)
      body(i * pixels * width, i * width);
  }
};

/// y = x * scale[n, c]
void scaleForward(const Blocks &blocks, const float *x, const float *scale,
                  float *y) {
  blocks.each([&](int64_t offset, int64_t channel) {
    for (int64_t p = 0; p < pixels; ++p)
#pragma omp simd
      for (int64_t c = 0; c < blocks.width; ++c)
        y[offset + p * blocks.width + c] =
            x[offset + p * blocks.width + c] * scale[channel + c];
  });
}

/// dScale[n, c] = sum over pixels of dy * x
void scaleBackwardScale(const Blocks &blocks, const float *dy, const float *x,
                        float *dScale) {
  blocks.each([&](int64_t offset, int64_t channel) {
    float sums[E] = {};
    for (int64_t p = 0; p < pixels; ++p)
#pragma omp simd
      for (int64_t c = 0; c < blocks.width; ++c)
        sums[c] += dy[offset + p * blocks.width + c] *
                   x[offset + p * blocks.width + c];
    for (int64_t c = 0; c < blocks.width; ++c)
      dScale[channel + c] = sums[c];
  });
}

/// dy <- dy * scale[n, c] + dMean[n, c] / pixels: the product's and the mean's
/// share in one pass
void scaleBackwardInput(const Blocks &blocks, float *dy, const float *scale,
                        const float *dMean) {
  blocks.each([&](int64_t offset, int64_t channel) {
    for (int64_t p = 0; p < pixels; ++p)
#pragma omp simd
      for (int64_t c = 0; c < blocks.width; ++c) {
        float &d = dy[offset + p * blocks.width + c];
        d = d * scale[channel + c] + dMean[channel + c] * (1.0f / pixels);
      }
  });
}

} // namespace

void buildMbconvBlock(Network &net) {
  const bool training = net.training();
  const memory x = net.makeRandom(
      blocked({B, C, MbconvBlock::image, MbconvBlock::image}), -1, 1);
  using Layer = Network::Layer;
  // In inference the norm is folded into the convolution, and SiLU is its
  // post-op.
  const auto activation = training ? Activation::None : Activation::Swish;

  const Layer expand = net.convolution(x, {.channels = E,
                                           .kernel = 1,
                                           .bias = !training,
                                           .activation = activation,
                                           .keepLayout = !training});
  const Layer norm1 = training ? net.batchNorm(expand.output, false) : expand;
  const Layer silu1 =
      training ? net.activation(norm1.output, Activation::Swish) : norm1;
  const Layer depthwise =
      net.convolution(silu1.output, {.channels = E,
                                     .kernel = 3,
                                     .padding = 1,
                                     .bias = !training,
                                     .depthwise = true,
                                     .activation = activation,
                                     .keepLayout = !training});
  const Layer norm2 =
      training ? net.batchNorm(depthwise.output, false) : depthwise;
  const Layer silu2 =
      training ? net.activation(norm2.output, Activation::Swish) : norm2;

  // Squeeze and excite
  const Blocks blocks(silu2.output);
  const Layer mean = net.globalAveragePool(silu2.output);
  const memory squeezedIn(plain({B, E}), mean.output.get_engine(),
                          mean.output.get_data_handle());
  const Layer squeeze =
      net.dense(squeezedIn, MbconvBlock::squeezed,
                training ? Activation::None : Activation::Swish);
  const Layer silu3 =
      training ? net.activation(squeeze.output, Activation::Swish) : squeeze;
  const Layer excite = net.dense(
      silu3.output, E, training ? Activation::None : Activation::Sigmoid);
  const Layer gate =
      training ? net.activation(excite.output, Activation::Sigmoid) : excite;
  const memory scaled = net.make(silu2.output.get_desc());
  net.step(true, [=] {
    scaleForward(blocks, floats(silu2.output), floats(gate.output),
                 floats(scaled));
  });

  if (!training) {
    net.convolution(
        scaled, {.channels = C, .kernel = 1, .addend = x, .keepLayout = true});
    return;
  }
  const Layer project =
      net.convolution(scaled, {.channels = C, .kernel = 1, .bias = false});
  const Layer norm3 = net.batchNorm(project.output, false);
  // y = norm3 + x, in place; its adjoint is the identity for both.
  const memory addend = net.reorderedTo(true, x, norm3.output.get_desc());
  const memory y = norm3.output;
  net.step(true, [=, count = static_cast<int64_t>(storedCount(y))] {
    float *sum = floats(y);
    const float *other = floats(addend);
#pragma omp parallel for simd
    for (int64_t i = 0; i < count; ++i)
      sum[i] += other[i];
  });

  const memory target = net.makeRandom(y.get_desc(), 0, 1);
  memory gradient = net.meanSquaredError(y, target);
  gradient = norm3.backward(gradient, true);
  gradient = net.reorderedTo(false, project.backward(gradient, true),
                             scaled.get_desc());

  const memory dGate = net.make(plain({B, E}));
  net.step(false, [=] {
    scaleBackwardScale(blocks, floats(gradient), floats(silu2.output),
                       floats(dGate));
  });
  memory dMean = gate.backward(dGate, true);
  dMean = excite.backward(dMean, true);
  dMean = silu3.backward(dMean, true);
  dMean = squeeze.backward(dMean, true);
  net.step(false, [=] {
    scaleBackwardInput(blocks, floats(gradient), floats(gate.output),
                       floats(dMean));
  });

  gradient = silu2.backward(gradient, true);
  gradient = norm2.backward(gradient, true);
  gradient = depthwise.backward(gradient, true);
  gradient = silu1.backward(gradient, true);
  gradient = norm1.backward(gradient, true);
  expand.backward(gradient, false);
}

} // namespace fm::bench::onednn
