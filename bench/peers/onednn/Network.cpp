#include "bench/peers/onednn/Network.h"

#include <omp.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <new>
#include <numeric>
#include <sys/mman.h>

namespace fm::bench::onednn {
using namespace dnnl;

namespace {

engine &cpu() {
  static engine instance(engine::kind::cpu, 0);
  return instance;
}
stream &queue() {
  static stream instance(cpu());
  return instance;
}

constexpr size_t parameterCapacity = size_t{4} << 20;
constexpr size_t cacheLine = 16; // floats

algorithm toAlgorithm(Activation activation) {
  switch (activation) {
  case Activation::Relu:
    return algorithm::eltwise_relu;
  case Activation::Gelu:
    return algorithm::eltwise_gelu_erf;
  case Activation::Swish:
    return algorithm::eltwise_swish;
  case Activation::Sigmoid:
    return algorithm::eltwise_logistic;
  case Activation::None:
    break;
  }
  return algorithm::undef;
}
float alphaOf(Activation activation) {
  return activation == Activation::Swish ? 1.0f : 0.0f;
}

int64_t elementsOf(const Dims &dims) {
  return std::accumulate(dims.begin(), dims.end(), int64_t{1},
                         std::multiplies<>());
}

/// make(algorithm) with Winograd if that is wanted and there is one, else with
/// oneDNN's choice.
template <typename Make> auto withAlgorithm(bool winograd, Make &&make) {
  if (winograd) {
    try {
      return make(algorithm::convolution_winograd);
    } catch (const dnnl::error &) {
      // no such implementation for this pass
    }
  }
  return make(algorithm::convolution_auto);
}

/// Runs body(begin, end) for parts of [0, count), on threads where it pays.
template <typename Body> void parallelRange(int64_t count, Body &&body) {
  const int threads = omp_get_max_threads();
  if (threads == 1 || count < 20000) {
    body(int64_t{0}, count);
    return;
  }
#pragma omp parallel
  {
    const int64_t lines = (count + 15) / 16,
                  part = (lines + threads - 1) / threads * 16;
    const int64_t begin = std::min(count, omp_get_thread_num() * part);
    body(begin, std::min(count, begin + part));
  }
}

} // namespace

float *allocate(size_t count) {
  // Large pages, as fmc's networks have them.
  const size_t bytes = (count + cacheLine) * sizeof(float);
  const size_t alignment = bytes < 2u << 20 ? 64 : 2u << 20;
  const size_t rounded = (bytes + alignment - 1) / alignment * alignment;
  void *block = std::aligned_alloc(alignment, rounded);
  if (!block)
    throw std::bad_alloc();
  madvise(block, rounded, MADV_HUGEPAGE); // a hint: small blocks have no such page
  std::memset(block, 0, bytes);
  return static_cast<float *>(block);
}

Desc plain(const Dims &dims) {
  Dims strides(dims.size(), 1);
  for (size_t i = dims.size(); i-- > 1;)
    strides[i - 1] = strides[i] * dims[i];
  return Desc(dims, memory::data_type::f32, strides);
}
Desc blocked(const Dims &dims) {
  const dnnl::cpu_isa isa = dnnl::get_effective_cpu_isa();
  const bool narrow = isa == dnnl::cpu_isa::sse41 ||
                      isa == dnnl::cpu_isa::avx ||
                      isa == dnnl::cpu_isa::avx2 ||
                      isa == dnnl::cpu_isa::avx2_vnni;
  return Desc(dims, memory::data_type::f32,
              narrow ? Tag::aBcd8b : Tag::aBcd16b);
}
Desc any(const Dims &dims) {
  return Desc(dims, memory::data_type::f32, Tag::any);
}

Network::Network(Mode mode)
    : mode(mode), values(allocate(parameterCapacity)),
      gradients(allocate(parameterCapacity)),
      moments1(allocate(parameterCapacity)),
      moments2(allocate(parameterCapacity)) {}

memory Network::make(const Desc &desc) const {
  return memory(desc, cpu(), allocate(desc.get_size() / sizeof(float)));
}

memory Network::makeRandom(const Desc &desc, float low, float high) {
  // By way of the plain layout, so that padding stays 0.
  memory source = make(plain(desc.dims())), result = make(desc);
  std::uniform_real_distribution<float> uniform(low, high);
  std::generate_n(floats(source), elementsOf(desc.dims()),
                  [&] { return uniform(random); });
  reorder(source, result).execute(queue(), source, result);
  queue().wait();
  return result;
}

Network::Parameter Network::parameter(const Desc &desc, Start start,
                                      float bound) {
  const size_t count =
      (desc.get_size() / sizeof(float) + cacheLine - 1) / cacheLine * cacheLine;
  if (parameterCount + count > parameterCapacity)
    throw std::length_error("more parameters than parameterCapacity");
  Parameter result{memory(desc, cpu(), values + parameterCount),
                   memory(desc, cpu(), gradients + parameterCount)};
  parameterCount += count;
  if (start == Start::Uniform) {
    memory drawn = makeRandom(desc, -bound, bound);
    std::copy_n(floats(drawn), storedCount(drawn), floats(result.value));
  } else if (start == Start::One) {
    std::fill_n(floats(result.value), elementsOf(desc.dims()), 1.0f);
  }
  return result;
}

//===-- Steps
//------------------------------------------------------------------===

void Network::step(bool isForward, std::function<void()> function) {
  (isForward ? forwardSteps : backwardSteps)
      .push_back({{}, {}, std::move(function)});
}
void Network::step(bool isForward, primitive primitive,
                   std::unordered_map<int, memory> arguments) {
  (isForward ? forwardSteps : backwardSteps)
      .push_back({std::move(primitive), std::move(arguments), {}});
}

memory Network::reorderedTo(bool isForward, memory m, const Desc &want) {
  if (m.get_desc() == want)
    return m;
  memory result = make(want);
  step(isForward, reorder(m, result),
       {{DNNL_ARG_FROM, m}, {DNNL_ARG_TO, result}});
  return result;
}

primitive_attr Network::fused(Activation activation, memory addend) const {
  post_ops operations;
  if (addend)
    operations.append_binary(algorithm::binary_add, addend.get_desc());
  if (activation != Activation::None)
    operations.append_eltwise(1.0f, toAlgorithm(activation),
                              alphaOf(activation), 0.0f);
  primitive_attr attributes;
  attributes.set_post_ops(operations);
  return attributes;
}

//===-- Layers
//-----------------------------------------------------------------===

Network::Layer Network::convolution(memory x,
                                    const ConvolutionOptions &options) {
  const Dims in = x.get_desc().dims();
  const int64_t k = options.kernel, p = options.padding,
                channels = options.channels;
  const Dims out{in[0], channels, in[2] + 2 * p - k + 1, in[3] + 2 * p - k + 1};
  const Dims kernel = options.depthwise ? Dims{channels, 1, 1, k, k}
                                        : Dims{channels, in[1], k, k};
  const Dims strides{1, 1}, padding{p, p};
  const Desc biasDesc = options.bias ? plain({channels}) : Desc();
  // One input channel is read as it comes.
  const Desc source = in[1] == 1 || options.keepLayout ? x.get_desc() : any(in);
  const Desc result = options.keepLayout ? blocked(out) : any(out);
  const auto kind =
      training() ? prop_kind::forward_training : prop_kind::forward_inference;

  const auto makeForward = [&](algorithm algorithm) {
    return convolution_forward::primitive_desc(
        {kind, algorithm, source, any(kernel), biasDesc, result, strides,
         padding, padding},
        fused(options.activation, options.addend), cpu());
  };
  const auto forward = withAlgorithm(options.winograd, makeForward);
  const bool winograd = options.winograd;
  const float bound =
      1.0f / std::sqrt(static_cast<float>(elementsOf(kernel) / channels));
  const Parameter weights =
      parameter(forward.weights_desc(), Start::Uniform, bound);
  const Parameter bias =
      options.bias ? parameter(biasDesc, Start::Uniform, bound) : Parameter();
  x = reorderedTo(true, x, forward.src_desc());
  memory y = make(forward.dst_desc());

  std::unordered_map<int, memory> arguments{
      {DNNL_ARG_SRC, x}, {DNNL_ARG_WEIGHTS, weights.value}, {DNNL_ARG_DST, y}};
  if (options.bias)
    arguments[DNNL_ARG_BIAS] = bias.value;
  if (options.addend)
    arguments[DNNL_ARG_ATTR_MULTIPLE_POST_OP(0) | DNNL_ARG_SRC_1] =
        options.addend;
  step(true, convolution_forward(forward), arguments);

  return {y, [=, this](memory dy, bool needInput) {
            const auto byWeights =
                withAlgorithm(winograd, [&](algorithm algorithm) {
                  return convolution_backward_weights::primitive_desc(
                      {algorithm, source, any(kernel), biasDesc, any(out),
                       strides, padding, padding},
                      cpu(), forward);
                });
            memory input = reorderedTo(false, x, byWeights.src_desc());
            memory dyWeights =
                reorderedTo(false, dy, byWeights.diff_dst_desc());
            const bool direct =
                byWeights.diff_weights_desc() == weights.value.get_desc();
            memory dw =
                direct ? weights.gradient : make(byWeights.diff_weights_desc());
            std::unordered_map<int, memory> arguments{
                {DNNL_ARG_SRC, input},
                {DNNL_ARG_DIFF_DST, dyWeights},
                {DNNL_ARG_DIFF_WEIGHTS, dw}};
            if (biasDesc.dims().size())
              arguments[DNNL_ARG_DIFF_BIAS] = bias.gradient;
            step(false, convolution_backward_weights(byWeights), arguments);
            if (!direct)
              step(false, reorder(dw, weights.gradient),
                   {{DNNL_ARG_FROM, dw}, {DNNL_ARG_TO, weights.gradient}});
            if (!needInput)
              return memory();

            const auto byData =
                withAlgorithm(winograd, [&](algorithm algorithm) {
                  return convolution_backward_data::primitive_desc(
                      {algorithm, any(in), any(kernel), any(out), strides,
                       padding, padding},
                      cpu(), forward);
                });
            memory kernelForData =
                reorderedTo(false, weights.value, byData.weights_desc());
            memory dyData = reorderedTo(false, dy, byData.diff_dst_desc());
            memory dx = make(byData.diff_src_desc());
            step(false, convolution_backward_data(byData),
                 {{DNNL_ARG_WEIGHTS, kernelForData},
                  {DNNL_ARG_DIFF_DST, dyData},
                  {DNNL_ARG_DIFF_SRC, dx}});
            return dx;
          }};
}

Network::Layer Network::maxPoolOfRelu(memory x) {
  const Dims in = x.get_desc().dims(), out{in[0], in[1], in[2] / 2, in[3] / 2};
  const Dims window{2, 2}, none{0, 0};
  // Negative padding behind: the row and the column that do not fill a window.
  const Dims behind{out[2] * 2 - in[2], out[3] * 2 - in[3]};
  const auto kind =
      training() ? prop_kind::forward_training : prop_kind::forward_inference;
  const pooling_forward::primitive_desc forward({kind, algorithm::pooling_max,
                                                 x.get_desc(), any(out), window,
                                                 window, none, behind},
                                                cpu());
  memory y = make(forward.dst_desc());
  std::unordered_map<int, memory> arguments{{DNNL_ARG_SRC, x},
                                            {DNNL_ARG_DST, y}};
  memory winners;
  if (training()) {
    winners = memory(forward.workspace_desc(), cpu());
    arguments[DNNL_ARG_WORKSPACE] = winners;
  }
  step(true, pooling_forward(forward), arguments);

  return {y, [=, this](memory dy, bool) {
            dy = reorderedTo(false, dy, y.get_desc());
            reluBackwardInPlace(dy, y);
            const pooling_backward::primitive_desc backward(
                {algorithm::pooling_max, x.get_desc(), y.get_desc(), window,
                 window, none, behind},
                cpu(), forward);
            memory dx = make(x.get_desc());
            step(false, pooling_backward(backward),
                 {{DNNL_ARG_DIFF_DST, dy},
                  {DNNL_ARG_DIFF_SRC, dx},
                  {DNNL_ARG_WORKSPACE, winners}});
            return dx;
          }};
}

Network::Layer Network::globalAveragePool(memory x) {
  const Dims in = x.get_desc().dims(), window{in[2], in[3]}, none{0, 0};
  const auto kind =
      training() ? prop_kind::forward_training : prop_kind::forward_inference;
  const pooling_forward::primitive_desc forward(
      {kind, algorithm::pooling_avg, x.get_desc(), any({in[0], in[1], 1, 1}),
       window, window, none, none},
      cpu());
  memory y = make(forward.dst_desc());
  step(true, pooling_forward(forward), {{DNNL_ARG_SRC, x}, {DNNL_ARG_DST, y}});
  return {y, nullptr};
}

Network::Layer Network::dense(memory x, int64_t units, Activation activation,
                              memory addend) {
  const Dims in = x.get_desc().dims(), out{in[0], units};
  Dims kernel = in;
  kernel[0] = units;
  const Desc source = in.size() == 2 ? x.get_desc() : any(in);
  const auto kind =
      training() ? prop_kind::forward_training : prop_kind::forward_inference;
  const inner_product_forward::primitive_desc forward(
      {kind, source, any(kernel), plain({units}), plain(out)},
      fused(activation, addend), cpu());
  const float bound =
      1.0f / std::sqrt(static_cast<float>(elementsOf(kernel) / units));
  const Parameter weights =
      parameter(forward.weights_desc(), Start::Uniform, bound);
  const Parameter bias = parameter(plain({units}), Start::Uniform, bound);
  x = reorderedTo(true, x, forward.src_desc());
  memory y = make(forward.dst_desc());
  std::unordered_map<int, memory> arguments{{DNNL_ARG_SRC, x},
                                            {DNNL_ARG_WEIGHTS, weights.value},
                                            {DNNL_ARG_BIAS, bias.value},
                                            {DNNL_ARG_DST, y}};
  if (addend)
    arguments[DNNL_ARG_ATTR_MULTIPLE_POST_OP(0) | DNNL_ARG_SRC_1] = addend;
  step(true, inner_product_forward(forward), arguments);

  return {y, [=, this](memory dy, bool needInput) {
            if (activation == Activation::Relu)
              reluBackwardInPlace(dy, y);
            const inner_product_backward_weights::primitive_desc byWeights(
                {source, any(kernel), plain({units}), plain(out)}, cpu(),
                forward);
            memory input = reorderedTo(false, x, byWeights.src_desc());
            const bool direct =
                byWeights.diff_weights_desc() == weights.value.get_desc();
            memory dw =
                direct ? weights.gradient : make(byWeights.diff_weights_desc());
            step(false, inner_product_backward_weights(byWeights),
                 {{DNNL_ARG_SRC, input},
                  {DNNL_ARG_DIFF_DST, dy},
                  {DNNL_ARG_DIFF_WEIGHTS, dw},
                  {DNNL_ARG_DIFF_BIAS, bias.gradient}});
            if (!direct)
              step(false, reorder(dw, weights.gradient),
                   {{DNNL_ARG_FROM, dw}, {DNNL_ARG_TO, weights.gradient}});
            if (!needInput)
              return memory();

            const inner_product_backward_data::primitive_desc byData(
                {source, any(kernel), plain(out)}, cpu(), forward);
            memory kernelForData =
                reorderedTo(false, weights.value, byData.weights_desc());
            memory dx = make(byData.diff_src_desc());
            step(false, inner_product_backward_data(byData),
                 {{DNNL_ARG_WEIGHTS, kernelForData},
                  {DNNL_ARG_DIFF_DST, dy},
                  {DNNL_ARG_DIFF_SRC, dx}});
            return dx;
          }};
}

Network::Layer Network::layerNorm(memory x) {
  const Desc desc = x.get_desc();
  const int64_t width = desc.dims().back();
  const float epsilon = 1e-5f;
  const auto flags =
      normalization_flags::use_scale | normalization_flags::use_shift;
  const auto kind =
      training() ? prop_kind::forward_training : prop_kind::forward_inference;
  const layer_normalization_forward::primitive_desc forward(
      {kind, desc, epsilon, flags}, cpu());
  const Parameter scale = parameter(plain({width}), Start::One),
                  shift = parameter(plain({width}), Start::Zero);
  memory y = make(desc), mean, variance;
  std::unordered_map<int, memory> arguments{{DNNL_ARG_SRC, x},
                                            {DNNL_ARG_SCALE, scale.value},
                                            {DNNL_ARG_SHIFT, shift.value},
                                            {DNNL_ARG_DST, y}};
  if (training()) {
    mean = make(forward.mean_desc());
    variance = make(forward.variance_desc());
    arguments[DNNL_ARG_MEAN] = mean;
    arguments[DNNL_ARG_VARIANCE] = variance;
  }
  step(true, layer_normalization_forward(forward), arguments);

  return {y, [=, this](memory dy, bool) {
            const layer_normalization_backward::primitive_desc backward(
                {prop_kind::backward, desc, desc, epsilon, flags}, cpu(),
                forward);
            memory dx = make(desc);
            step(false, layer_normalization_backward(backward),
                 {{DNNL_ARG_SRC, x},
                  {DNNL_ARG_MEAN, mean},
                  {DNNL_ARG_VARIANCE, variance},
                  {DNNL_ARG_SCALE, scale.value},
                  {DNNL_ARG_SHIFT, shift.value},
                  {DNNL_ARG_DIFF_DST, dy},
                  {DNNL_ARG_DIFF_SRC, dx},
                  {DNNL_ARG_DIFF_SCALE, scale.gradient},
                  {DNNL_ARG_DIFF_SHIFT, shift.gradient}});
            return dx;
          }};
}

Network::Layer Network::batchNorm(memory x, bool relu) {
  const Desc desc = x.get_desc();
  const int64_t channels = desc.dims()[1];
  const float epsilon = 1e-5f, momentum = 0.9f;
  auto flags = normalization_flags::use_scale | normalization_flags::use_shift;
  if (relu)
    flags |= normalization_flags::fuse_norm_relu;
  const batch_normalization_forward::primitive_desc forward(
      {prop_kind::forward_training, desc, epsilon, flags}, cpu());
  const Parameter scale = parameter(plain({channels}), Start::One);
  const Parameter shift = parameter(plain({channels}), Start::Zero);
  memory y = make(desc), mean = make(forward.mean_desc()),
         variance = make(forward.variance_desc());
  memory runningMean = make(forward.mean_desc()),
         runningVariance = make(forward.variance_desc());
  memory positive; // where the ReLU let something through
  std::unordered_map<int, memory> arguments{{DNNL_ARG_SRC, x},
                                            {DNNL_ARG_SCALE, scale.value},
                                            {DNNL_ARG_SHIFT, shift.value},
                                            {DNNL_ARG_MEAN, mean},
                                            {DNNL_ARG_VARIANCE, variance},
                                            {DNNL_ARG_DST, y}};
  if (relu) {
    positive = memory(forward.workspace_desc(), cpu());
    arguments[DNNL_ARG_WORKSPACE] = positive;
  }
  step(true, batch_normalization_forward(forward), arguments);
  step(true, [=] {
    for (int64_t c = 0; c < channels; ++c) {
      floats(runningMean)[c] +=
          (1 - momentum) * (floats(mean)[c] - floats(runningMean)[c]);
      floats(runningVariance)[c] +=
          (1 - momentum) * (floats(variance)[c] - floats(runningVariance)[c]);
    }
  });

  return {y, [=, this](memory dy, bool) {
            dy = reorderedTo(false, dy, desc);
            const batch_normalization_backward::primitive_desc backward(
                {prop_kind::backward, desc, desc, epsilon, flags}, cpu(),
                forward);
            memory dx = make(desc);
            std::unordered_map<int, memory> arguments{
                {DNNL_ARG_SRC, x},
                {DNNL_ARG_MEAN, mean},
                {DNNL_ARG_VARIANCE, variance},
                {DNNL_ARG_SCALE, scale.value},
                {DNNL_ARG_SHIFT, shift.value},
                {DNNL_ARG_DIFF_DST, dy},
                {DNNL_ARG_DIFF_SRC, dx},
                {DNNL_ARG_DIFF_SCALE, scale.gradient},
                {DNNL_ARG_DIFF_SHIFT, shift.gradient}};
            if (relu)
              arguments[DNNL_ARG_WORKSPACE] = positive;
            step(false, batch_normalization_backward(backward), arguments);
            return dx;
          }};
}

namespace {
void siluWithSlope(const float *__restrict x, float *__restrict y,
                   float *__restrict slope, int64_t count) {
#pragma omp parallel for simd
  for (int64_t i = 0; i < count; ++i) {
    const float sigmoid = 1.0f / (1.0f + std::exp(-x[i]));
    y[i] = x[i] * sigmoid;
    slope[i] = sigmoid * (1.0f + x[i] * (1.0f - sigmoid));
  }
}
void multiplyInPlace(float *__restrict y, const float *__restrict x,
                     int64_t count) {
#pragma omp parallel for simd
  for (int64_t i = 0; i < count; ++i)
    y[i] *= x[i];
}
} // namespace

Network::Layer Network::siluForTraining(memory x) {
  const Desc desc = x.get_desc();
  const memory y = make(desc), slope = make(desc);
  const auto count = static_cast<int64_t>(storedCount(x));
  step(true,
       [=] { siluWithSlope(floats(x), floats(y), floats(slope), count); });
  return {y, [=, this](memory dy, bool) {
            dy = reorderedTo(false, dy, desc);
            step(false,
                 [=] { multiplyInPlace(floats(dy), floats(slope), count); });
            return dy;
          }};
}

Network::Layer Network::activation(memory x, Activation activation) {
  if (training() && activation == Activation::Swish)
    return siluForTraining(x);
  const Desc desc = x.get_desc();
  const float alpha = alphaOf(activation);
  const auto kind =
      training() ? prop_kind::forward_training : prop_kind::forward_inference;
  const eltwise_forward::primitive_desc forward(
      {kind, toAlgorithm(activation), desc, alpha, 0.0f}, cpu());
  memory y = make(desc);
  step(true, eltwise_forward(forward), {{DNNL_ARG_SRC, x}, {DNNL_ARG_DST, y}});
  return {y, [=, this](memory dy, bool) {
            dy = reorderedTo(false, dy, desc);
            const eltwise_backward::primitive_desc backward(
                {toAlgorithm(activation), desc, desc, alpha, 0.0f}, cpu(),
                forward);
            step(false, eltwise_backward(backward),
                 {{DNNL_ARG_SRC, x},
                  {DNNL_ARG_DIFF_DST, dy},
                  {DNNL_ARG_DIFF_SRC, dy}});
            return dy;
          }};
}

//===-- Pieces of steps
//----------------------------------------------------------===

void Network::matmul(bool isForward, memory a, const Desc &aDesc, memory b,
                     const Desc &bDesc, memory c, const Desc &cDesc,
                     float scale) {
  primitive_attr attributes;
  if (scale != 1.0f)
    attributes.set_output_scales(0, {scale});
  const dnnl::matmul::primitive_desc product({aDesc, bDesc, cDesc}, attributes,
                                             cpu());
  step(isForward, dnnl::matmul(product),
       {{DNNL_ARG_SRC, memory(aDesc, cpu(), a.get_data_handle())},
        {DNNL_ARG_WEIGHTS, memory(bDesc, cpu(), b.get_data_handle())},
        {DNNL_ARG_DST, memory(cDesc, cpu(), c.get_data_handle())}});
}

void Network::softmaxForward(memory x, memory y) {
  const Desc desc = x.get_desc();
  const int axis = static_cast<int>(desc.dims().size()) - 1;
  const softmax_forward::primitive_desc forward(
      {prop_kind::forward_training, desc, axis}, cpu());
  step(true, softmax_forward(forward), {{DNNL_ARG_SRC, x}, {DNNL_ARG_DST, y}});
}

void Network::softmaxBackward(memory y, memory dy, memory dx) {
  const Desc desc = y.get_desc();
  const int axis = static_cast<int>(desc.dims().size()) - 1;
  const softmax_forward::primitive_desc forward(
      {prop_kind::forward_training, desc, axis}, cpu());
  const softmax_backward::primitive_desc backward({desc, desc, axis}, cpu(),
                                                  forward);
  step(false, softmax_backward(backward),
       {{DNNL_ARG_DST, y}, {DNNL_ARG_DIFF_DST, dy}, {DNNL_ARG_DIFF_SRC, dx}});
}

memory Network::addRelu(memory a, memory b) {
  const binary::primitive_desc sum(
      {algorithm::binary_add, a.get_desc(), b.get_desc(), a.get_desc()},
      fused(Activation::Relu, memory()), cpu());
  memory y = make(a.get_desc());
  step(true, binary(sum),
       {{DNNL_ARG_SRC_0, a}, {DNNL_ARG_SRC_1, b}, {DNNL_ARG_DST, y}});
  return y;
}

void Network::reluBackwardInPlace(memory dy, memory y) {
  const Desc desc = y.get_desc();
  const auto kind = algorithm::eltwise_relu_use_dst_for_bwd;
  const eltwise_forward::primitive_desc forward(
      {prop_kind::forward_training, kind, desc, 0.0f, 0.0f}, cpu());
  const eltwise_backward::primitive_desc backward(
      {kind, desc, desc, 0.0f, 0.0f}, cpu(), forward);
  step(false, eltwise_backward(backward),
       {{DNNL_ARG_DST, y}, {DNNL_ARG_DIFF_DST, dy}, {DNNL_ARG_DIFF_SRC, dy}});
}

//===-- Losses
//-------------------------------------------------------------------===

memory Network::crossEntropy(memory logits) {
  const Dims dims = logits.get_desc().dims();
  const int64_t batch = dims[0], classes = dims[1];
  memory gradient = make(logits.get_desc());
  std::vector<int> labels(batch);
  std::generate(labels.begin(), labels.end(),
                [&] { return static_cast<int>(random() % classes); });
  lossSteps.push_back({{}, {}, [=, this] {
                         float sum = 0;
                         for (int64_t n = 0; n < batch; ++n) {
                           const float *z = floats(logits) + n * classes;
                           float *dz = floats(gradient) + n * classes;
                           const float largest =
                               *std::max_element(z, z + classes);
                           float total = 0;
                           for (int64_t c = 0; c < classes; ++c)
                             total += dz[c] = std::exp(z[c] - largest);
                           for (int64_t c = 0; c < classes; ++c)
                             dz[c] = (dz[c] / total - (c == labels[n])) /
                                     static_cast<float>(batch);
                           sum -= z[labels[n]] - largest - std::log(total);
                         }
                         lossValue = sum / static_cast<float>(batch);
                       }});
  return gradient;
}

memory Network::meanSquaredError(memory y, memory target) {
  memory gradient = make(y.get_desc());
  const auto stored = static_cast<int64_t>(storedCount(y));
  const auto count = static_cast<float>(elementsOf(y.get_desc().dims()));
  lossSteps.push_back({{}, {}, [=, this] {
                         const float *a = floats(y), *b = floats(target);
                         float *d = floats(gradient), sum = 0;
                         const float scale = 2.0f / count;
#pragma omp parallel for simd reduction(+ : sum)
                         for (int64_t i = 0; i < stored; ++i) {
                           const float error = a[i] - b[i];
                           sum += error * error;
                           d[i] = scale * error;
                         }
                         lossValue = sum / count;
                       }});
  return gradient;
}

//===-- Running
//------------------------------------------------------------------===

void Network::run(std::vector<Step> &steps) {
  for (Step &step : steps) {
    if (step.function)
      step.function();
    else
      step.primitive.execute(queue(), step.arguments);
  }
}

void Network::forward() { run(forwardSteps); }

namespace {
void adam(float *__restrict value, const float *__restrict gradient,
          float *__restrict m, float *__restrict v, int64_t begin, int64_t end,
          float rate, float correction) {
  for (int64_t i = begin; i < end; ++i) {
    const float g = gradient[i];
    m[i] = 0.9f * m[i] + 0.1f * g;
    v[i] = 0.999f * v[i] + 0.001f * g * g;
    value[i] -= rate * m[i] / (std::sqrt(v[i]) * correction + 1e-7f);
  }
}
void momentumSgd(float *__restrict value, const float *__restrict gradient,
                 float *__restrict velocity, int64_t begin, int64_t end) {
  for (int64_t i = begin; i < end; ++i) {
    velocity[i] = 0.9f * velocity[i] + gradient[i];
    value[i] -= 0.01f * velocity[i];
  }
}
} // namespace

void Network::trainStep(Optimizer optimizer) {
  run(forwardSteps);
  run(lossSteps);
  run(backwardSteps);
  const auto count = static_cast<int64_t>(parameterCount);
  ++stepCount;
  if (optimizer == Optimizer::Momentum) {
    parallelRange(count, [&](int64_t begin, int64_t end) {
      momentumSgd(values, gradients, moments1, begin, end);
    });
    return;
  }
  const float rate =
      1e-3f / (1 - std::pow(0.9f, static_cast<float>(stepCount)));
  const float correction =
      1 / std::sqrt(1 - std::pow(0.999f, static_cast<float>(stepCount)));
  parallelRange(count, [&](int64_t begin, int64_t end) {
    adam(values, gradients, moments1, moments2, begin, end, rate, correction);
  });
}

} // namespace fm::bench::onednn
