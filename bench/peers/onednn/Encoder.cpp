#include "bench/peers/onednn/Workloads.h"
#include "bench/support/Workloads.h"

#include <cmath>

namespace fm::bench::onednn {
namespace {

constexpr int64_t B = Encoder::batch, T = Encoder::length, D = Encoder::width,
                  H = Encoder::heads;
constexpr int64_t headWidth = D / H, rows = B * T;

/// One head-wise view of a [rows, stride] matrix: [B, H, T, headWidth], or with
/// the last two swapped.
struct View {
  memory data; ///< begins at the view's first element
  Desc desc, swapped;
};
View headsOf(memory m, int64_t part, int64_t stride) {
  const auto f32 = memory::data_type::f32;
  const Desc desc({B, H, T, headWidth}, f32,
                  Dims{T * stride, headWidth, stride, 1});
  const Desc swapped({B, H, headWidth, T}, f32,
                     Dims{T * stride, headWidth, 1, stride});
  return {memory(desc, m.get_engine(), floats(m) + part * D), desc, swapped};
}

} // namespace

void buildEncoder(Network &net) {
  const memory x = net.makeRandom(plain({rows, D}), -1, 1);
  const auto norm1 = net.layerNorm(x);
  const auto qkv = net.dense(norm1.output, 3 * D, Activation::None);

  // Attention: probabilities = softmax(q k^T / sqrt(headWidth)); mixed =
  // probabilities v
  const Desc square = plain({B, H, T, T});
  const Desc squareSwapped({B, H, T, T}, memory::data_type::f32,
                           Dims{H * T * T, T * T, 1, T});
  const memory scores = net.make(square), probabilities = net.make(square),
               mixed = net.make(plain({rows, D}));
  const View q = headsOf(qkv.output, 0, 3 * D),
             k = headsOf(qkv.output, 1, 3 * D);
  const View v = headsOf(qkv.output, 2, 3 * D), z = headsOf(mixed, 0, D);
  const float scale = 1.0f / std::sqrt(static_cast<float>(headWidth));
  net.matmul(true, q.data, q.desc, k.data, k.swapped, scores, square, scale);
  net.softmaxForward(scores, probabilities);
  net.matmul(true, probabilities, square, v.data, v.desc, z.data, z.desc, 1);

  const auto projected = net.dense(mixed, D, Activation::None, x);
  const auto norm2 = net.layerNorm(projected.output);
  // In inference GELU is a post-op; training needs its input, too.
  const auto expanded =
      net.dense(norm2.output, Encoder::hidden,
                net.training() ? Activation::None : Activation::Gelu);
  const auto gelu = net.training()
                        ? net.activation(expanded.output, Activation::Gelu)
                        : expanded;
  const auto y = net.dense(gelu.output, D, Activation::None, projected.output);
  if (!net.training())
    return;

  const memory target = net.makeRandom(plain({rows, D}), 0, 1);
  const memory dy = net.meanSquaredError(y.output, target);
  memory gradient = y.backward(dy, true);
  gradient = gelu.backward(gradient, true);
  gradient = expanded.backward(gradient, true);
  gradient = norm2.backward(gradient, true);
  net.step(false, [=] { // around the hidden layer
    float *sum = floats(gradient);
    const float *addend = floats(dy);
#pragma omp parallel for simd
    for (int64_t i = 0; i < rows * D; ++i)
      sum[i] += addend[i];
  });

  const memory dMixed = projected.backward(gradient, true);
  const memory dQkv = net.make(plain({rows, 3 * D})),
               dScores = net.make(square), dProbabilities = net.make(square);
  const View dz = headsOf(dMixed, 0, D), dq = headsOf(dQkv, 0, 3 * D);
  const View dk = headsOf(dQkv, 1, 3 * D), dv = headsOf(dQkv, 2, 3 * D);
  net.matmul(false, dz.data, dz.desc, v.data, v.swapped, dProbabilities, square,
             1);
  net.matmul(false, probabilities, squareSwapped, dz.data, dz.desc, dv.data,
             dv.desc, 1);
  net.softmaxBackward(probabilities, dProbabilities, dScores);
  net.matmul(false, dScores, square, k.data, k.desc, dq.data, dq.desc, scale);
  net.matmul(false, dScores, squareSwapped, q.data, q.desc, dk.data, dk.desc,
             scale);
  gradient = qkv.backward(dQkv, true);
  norm1.backward(gradient, true);
}

} // namespace fm::bench::onednn
