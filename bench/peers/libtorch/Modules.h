//===- Modules.h - The measured networks, as libtorch users write them
//-----===//
#ifndef FM_BENCH_PEERS_LIBTORCH_MODULES_H
#define FM_BENCH_PEERS_LIBTORCH_MODULES_H

#include "bench/support/Workloads.h"

#include <torch/torch.h>

#include <cmath>

namespace fm::bench::libtorch {

namespace nn = torch::nn;
using torch::Tensor;

struct SeedCnnModule : nn::Module {
  nn::Conv2d conv1{nn::Conv2dOptions(1, 32, 3)},
      conv2{nn::Conv2dOptions(32, 64, 3)};
  nn::Conv2d conv3{nn::Conv2dOptions(64, 64, 3)};
  nn::Linear hidden{576, 64}, logits{64, SeedCnn::classes};

  SeedCnnModule() {
    register_module("conv1", conv1);
    register_module("conv2", conv2);
    register_module("conv3", conv3);
    register_module("hidden", hidden);
    register_module("logits", logits);
  }
  Tensor forward(Tensor x) {
    x = torch::max_pool2d(torch::relu(conv1(x)), 2);
    x = torch::max_pool2d(torch::relu(conv2(x)), 2);
    x = torch::relu(conv3(x)).flatten(1);
    return logits(torch::relu(hidden(x)));
  }
};

struct MlpModule : nn::Module {
  nn::Linear first{Mlp::in, Mlp::hidden}, second{Mlp::hidden, Mlp::hidden},
      logits{Mlp::hidden, Mlp::classes};

  MlpModule() {
    register_module("first", first);
    register_module("second", second);
    register_module("logits", logits);
  }
  Tensor forward(const Tensor &x) {
    return logits(torch::relu(second(torch::relu(first(x)))));
  }
};

struct EncoderModule : nn::Module {
  static constexpr int64_t width = Encoder::width, heads = Encoder::heads;
  nn::LayerNorm norm1{nn::LayerNormOptions({width})},
      norm2{nn::LayerNormOptions({width})};
  nn::Linear qkv{width, 3 * width}, project{width, width};
  nn::Linear expand{width, Encoder::hidden}, contract{Encoder::hidden, width};

  EncoderModule() {
    register_module("norm1", norm1);
    register_module("norm2", norm2);
    register_module("qkv", qkv);
    register_module("project", project);
    register_module("expand", expand);
    register_module("contract", contract);
  }
  Tensor forward(Tensor x) {
    const int64_t batch = x.size(0), length = x.size(1);
    const Tensor parts = qkv(norm1(x))
                             .view({batch, length, 3, heads, width / heads})
                             .permute({2, 0, 3, 1, 4});
    const Tensor q = parts[0] *
                     (1.0 / std::sqrt(static_cast<double>(width / heads))),
                 k = parts[1], v = parts[2];
    const Tensor weights =
        torch::softmax(torch::matmul(q, k.transpose(-2, -1)), -1);
    x = x + project(torch::matmul(weights, v)
                        .transpose(1, 2)
                        .reshape({batch, length, width}));
    return x + contract(torch::gelu(expand(norm2(x))));
  }
};

struct ResnetBlockModule : nn::Module {
  static constexpr int64_t channels = ResnetBlock::channels;
  nn::Conv2d conv1{
      nn::Conv2dOptions(channels, channels, 3).padding(1).bias(false)};
  nn::Conv2d conv2{
      nn::Conv2dOptions(channels, channels, 3).padding(1).bias(false)};
  nn::BatchNorm2d norm1{channels}, norm2{channels};

  ResnetBlockModule() {
    register_module("conv1", conv1);
    register_module("conv2", conv2);
    register_module("norm1", norm1);
    register_module("norm2", norm2);
  }
  Tensor forward(const Tensor &x) {
    const Tensor y = norm1(conv1(x)).relu_();
    return (norm2(conv2(y)) + x).relu_();
  }
};

struct MbconvBlockModule : nn::Module {
  static constexpr int64_t channels = MbconvBlock::channels,
                           expanded = MbconvBlock::expanded;
  static constexpr int64_t squeezed = MbconvBlock::squeezed;
  nn::Conv2d expand{nn::Conv2dOptions(channels, expanded, 1).bias(false)};
  nn::Conv2d depthwise{nn::Conv2dOptions(expanded, expanded, 3)
                           .padding(1)
                           .groups(expanded)
                           .bias(false)};
  nn::Conv2d squeeze{nn::Conv2dOptions(expanded, squeezed, 1)},
      excite{nn::Conv2dOptions(squeezed, expanded, 1)};
  nn::Conv2d project{nn::Conv2dOptions(expanded, channels, 1).bias(false)};
  nn::BatchNorm2d norm1{expanded}, norm2{expanded}, norm3{channels};

  MbconvBlockModule() {
    register_module("expand", expand);
    register_module("depthwise", depthwise);
    register_module("squeeze", squeeze);
    register_module("excite", excite);
    register_module("project", project);
    register_module("norm1", norm1);
    register_module("norm2", norm2);
    register_module("norm3", norm3);
  }
  Tensor forward(const Tensor &x) {
    Tensor y = torch::silu(norm1(expand(x)));
    y = torch::silu(norm2(depthwise(y)));
    const Tensor gate = torch::sigmoid(
        excite(torch::silu(squeeze(y.mean({2, 3}, /*keepdim=*/true)))));
    return norm3(project(y * gate)) + x;
  }
};

} // namespace fm::bench::libtorch

#endif // FM_BENCH_PEERS_LIBTORCH_MODULES_H
