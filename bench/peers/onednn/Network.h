//===- Network.h - Networks written by hand with oneDNN -------------------===//
//
// What an expert writes: layouts chosen by the primitives and kept between
// them, bias and activation as post-ops, every primitive made once, parameters
// and gradients in one block each that a single vectorised loop updates.
//
// A layer appends its forward steps to the network and returns, beside its
// output, the function that appends its backward steps. A network made for
// inference has no backward steps.
//
//===----------------------------------------------------------------------===//
#ifndef FM_BENCH_PEERS_ONEDNN_NETWORK_H
#define FM_BENCH_PEERS_ONEDNN_NETWORK_H

#include <dnnl.hpp>

#include <functional>
#include <random>
#include <string>
#include <unordered_map>
#include <vector>

namespace fm::bench::onednn {

using Dims = dnnl::memory::dims;
using Desc = dnnl::memory::desc;
using Tag = dnnl::memory::format_tag;
using dnnl::memory;

enum class Mode { Inference, Training };
enum class Activation { None, Relu, Gelu, Swish, Sigmoid };

/// `count` floats on a cache line's boundary, all 0; never freed.
float *allocate(size_t count);
/// f32 in a plain layout, or in whatever layout the primitive prefers.
Desc plain(const Dims &dims);
Desc any(const Dims &dims);
/// f32 images in blocks of as many channels as oneDNN's kernels for this CPU
/// work on: 16 with AVX-512, else 8. In blocks of another size its convolutions
/// fall back to scalar loops.
Desc blocked(const Dims &dims);
inline float *floats(const memory &m) {
  return static_cast<float *>(m.get_data_handle());
}
/// Elements as stored, padding of the layout included.
inline size_t storedCount(const memory &m) {
  return m.get_desc().get_size() / sizeof(float);
}

class Network {
public:
  /// Appends the backward steps, given the gradient of the output; returns that
  /// of the input, or nothing where `needInput` is false.
  using Backward = std::function<memory(memory outputGradient, bool needInput)>;
  struct Layer {
    memory output;
    Backward backward;
  };

  explicit Network(Mode mode);
  Network(const Network &) = delete;
  bool training() const { return mode == Mode::Training; }

  memory make(const Desc &desc) const;
  /// Numbers in [low, high) in every element.
  memory makeRandom(const Desc &desc, float low, float high);

  //===-- Layers ------------------------------------------------------------===
  struct ConvolutionOptions {
    int64_t channels = 0, kernel = 0;
    int64_t padding = 0;
    bool bias = true, depthwise = false;
    Activation activation =
        Activation::None; ///< a post-op; its adjoint is the caller's
    memory addend;        ///< added before the activation, if any
    /// Reads what comes and writes blocks of channels, where the primitives'
    /// own choices would cost more in reorders than they gain.
    bool keepLayout = false;
    /// Winograd in all passes that have it; oneDNN's own choice leaves it out
    /// for large images, where it is up to twice as fast.
    bool winograd = false;
  };
  Layer convolution(memory x, const ConvolutionOptions &options);
  /// 2x2, floor. The adjoint of a ReLU before it is taken on the small side,
  /// since maximum and ReLU commute.
  Layer maxPoolOfRelu(memory x);
  Layer globalAveragePool(memory x);
  /// x may have image dimensions. `addend`: added before the activation.
  Layer dense(memory x, int64_t units, Activation activation,
              memory addend = memory());
  Layer layerNorm(memory x);
  /// Statistics of the batch, and running ones; training only.
  Layer batchNorm(memory x, bool relu);
  Layer activation(memory x, Activation activation);

  //===-- Pieces of steps -----------------------------------------------------
  /// c = scale * a b, with layouts given apart from the memory.
  void matmul(bool forward, memory a, const Desc &aDesc, memory b,
              const Desc &bDesc, memory c, const Desc &cDesc, float scale);
  void softmaxForward(memory x, memory y);
  void softmaxBackward(memory y, memory dy, memory dx);
  /// y = relu(a + b)
  memory addRelu(memory a, memory b);
  /// dy <- dy where y > 0
  void reluBackwardInPlace(memory dy, memory y);
  /// `m` in the layout `want`.
  memory reorderedTo(bool forward, memory m, const Desc &want);
  void step(bool forward, std::function<void()> function);
  void step(bool forward, dnnl::primitive primitive,
            std::unordered_map<int, memory> arguments);

  //===-- Loss: forward's value, and the gradient that backward starts from ----
  memory crossEntropy(memory logits);
  memory meanSquaredError(memory y, memory target);

  //===-- Running
  //---------------------------------------------------------------
  void forward();
  enum class Optimizer { Adam, Momentum };
  /// forward, loss, backward, update
  void trainStep(Optimizer optimizer);
  float loss() const { return lossValue; }

private:
  struct Step {
    dnnl::primitive primitive;
    std::unordered_map<int, memory> arguments;
    std::function<void()> function; ///< instead of a primitive
  };
  struct Parameter {
    memory value, gradient;
  };
  enum class Start { Uniform, Zero, One };
  /// By hand: oneDNN's backward pass computes the sigmoid again, and takes
  /// longer than reading a slope that the forward pass left.
  Layer siluForTraining(memory x);
  Parameter parameter(const Desc &desc, Start start, float bound = 0);
  dnnl::primitive_attr fused(Activation activation, memory addend) const;
  void run(std::vector<Step> &steps);

  Mode mode;
  std::vector<Step> forwardSteps, lossSteps, backwardSteps;
  std::mt19937 random{1};
  float *values, *gradients, *moments1, *moments2;
  size_t parameterCount = 0;
  int64_t stepCount = 0;
  float lossValue = 0;
};

} // namespace fm::bench::onednn

#endif // FM_BENCH_PEERS_ONEDNN_NETWORK_H
