//===- SweepTest.cpp - Random shapes, against the reference backend ---------===//
//
// Small models of one op with its gradients, of random shapes, odd ones mostly:
// contractions, convolutions, pooling, reductions, moves. Compiled with Halide's
// asserts on, and by the reference backend; outputs, loss, gradients of inputs
// and of parameters agree for several numbers of samples, in buffers that end
// (or begin) beside pages without access. The seed is fixed; FM_SWEEP_SEED and
// FM_SWEEP_COUNT change what and how much is tried. A few larger shapes have
// what small ones do not: Winograd's transforms, weights in panels.
//
//===----------------------------------------------------------------------===//

#include "compiler/codegen/Target.h"
#include "tests/e2e/Models.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <numeric>
#include <random>

using namespace fm::test;

namespace {

int environment(const char *name, int otherwise) {
  const char *text = std::getenv(name);
  return text ? std::atoi(text) : otherwise;
}

std::string list(const std::vector<int> &numbers) {
  std::string text = "[";
  for (size_t i = 0; i < numbers.size(); ++i)
    text += (i ? ", " : "") + std::to_string(numbers[i]);
  return text + "]";
}

class Sweep : public testing::Test {
protected:
  void start(int number) {
    random.seed(unsigned(environment("FM_SWEEP_SEED", 1) * 1000 + number));
    batch = pick<int>({1, 2, 3, 5, 7, 15, 16, 17});
  }

  std::mt19937 random;
  int upTo(int most) { return 1 + int(random() % unsigned(most)); }
  int from0To(int most) { return int(random() % unsigned(most + 1)); }
  bool coin() { return random() & 1; }
  template <typename T> T pick(std::vector<T> of) { return of[random() % of.size()]; }
  int channels() { return pick<int>({1, 2, 3, 4, 5, 7, 8, 12, 16, 17, 20, 31, 33, 40, 64}); }
  int batch = 1;
  bool asserts = true;
  size_t transformed = 0, panelled = 0; ///< of the models so far
  static std::string number(int value) { return std::to_string(value); }
  static std::string word(bool value) { return value ? "true" : "false"; }
  std::string axes(int rank) {
    std::vector<int> all(size_t(rank), 0);
    std::iota(all.begin(), all.end(), 0);
    std::shuffle(all.begin(), all.end(), random);
    all.resize(size_t(upTo(rank)));
    return list(all);
  }

  /// `inputs`: lines of the model; `value`: the op's call.
  void expectEqual(const std::string &inputs, const std::string &value) {
    const std::string text = "model sweep(batch = " + number(batch) + ") {\n" + inputs + "  y = " + value +
                             "\n  output y\n  loss mean(y ** 2 + y * 0.5)\n  train sgd(lr = 0.1)\n}\n";
    SCOPED_TRACE(text);
    Code fast, plain;
    try {
      fast = compile(text, {.asserts = asserts});
      plain = compile(text, {"reference"});
    } catch (const std::exception &problem) {
      FAIL() << problem.what();
    }
    for (const auto &kernel : fast->program().kernels)
      for (const auto &stage : kernel.stages)
        transformed += !stage.together.empty();
    for (const auto &tensor : fast->program().tensors)
      for (const auto &dim : tensor.dims)
        panelled += dim.divisor > 1;
    Network a(fast, 1, coin() ? Guard::Behind : Guard::Before), b(plain, 1);
    for (int n : std::set<int>{1, (batch + 1) / 2, batch}) {
      SCOPED_TRACE("n = " + number(n));
      for (Network *network : {&a, &b}) {
        setInputs(*network);
        network->call("forward", n);
      }
      EXPECT_NUMBERS(a.get("y"), b.get("y"), 2e-5);
      for (Network *network : {&a, &b})
        network->call("gradients", n);
      EXPECT_NUMBERS(a.get("loss"), b.get("loss"), 2e-5);
      for (const auto &entry : a.program().entries)
        if (entry.name == "gradients")
          for (const auto &argument : entry.arguments)
            if (argument.role == fm::codegen::EntryArgument::Role::InputGradient)
              EXPECT_NUMBERS(a.get(argument.name), b.get(argument.name), 5e-5) << argument.name;
      for (const std::string &name : trainedNames(a))
        EXPECT_NUMBERS(a.gradient(name), b.gradient(name), 5e-5) << name;
    }
  }

  void setInputs(Network &network) {
    for (const auto &entry : network.program().entries)
      for (const auto &argument : entry.arguments)
        if (argument.role == fm::codegen::EntryArgument::Role::Input) {
          size_t count = 1;
          for (const auto &extent : argument.shape)
            count *= size_t(extent.size);
          network.set(argument.name, someNumbers(count, 10 + count));
        }
  }
};

class ModelSweep : public Sweep, public testing::WithParamInterface<int> {
protected:
  ModelSweep() { start(GetParam()); }
};

TEST_P(ModelSweep, Dense) {
  std::string shape = "batch";
  for (int i = from0To(2); i > 0; --i)
    shape += ", " + number(upTo(5));
  expectEqual("  input x : f32[" + shape + ", " + number(channels()) + "] with gradient\n",
              "dense(x, " + number(channels()) + ", bias = " + word(coin()) + ") |> " +
                  pick<std::string>({"tanh", "relu", "gelu", "softmax"}));
}

TEST_P(ModelSweep, Matmul) {
  const int m = channels(), k = channels(), n = channels(), lead = upTo(3);
  const bool ta = coin(), tb = coin();
  const std::string first = coin() ? "batch, " : "batch, " + number(lead) + ", ";
  const std::string second = pick<std::string>({"", first, number(lead) + ", "});
  const std::string matched = first == "batch, " && second != first ? "" : second;
  expectEqual("  input a : f32[" + first + number(ta ? k : m) + ", " + number(ta ? m : k) + "] with gradient\n" +
                  "  input b : f32[" + matched + number(tb ? n : k) + ", " + number(tb ? k : n) +
                  "] with gradient\n",
              "matmul(a, b, transpose_a = " + word(ta) + ", transpose_b = " + word(tb) + ")");
}

TEST_P(ModelSweep, Conv) {
  const int kh = upTo(4), kw = upTo(3), dh = upTo(2), dw = upTo(3), groups = pick<int>({1, 1, 2, 3});
  const int height = (kh - 1) * dh + upTo(9), width = (kw - 1) * dw + upTo(8);
  const int in = groups * pick<int>({1, 2, 3, 4, 8, 16}), out = groups * pick<int>({1, 3, 5, 8, 16, 20});
  const std::string padding = pick<std::string>({"valid", "same", number(from0To(2)), list({from0To(3), from0To(2)})});
  expectEqual("  input x : f32[batch, " + number(height) + ", " + number(width) + ", " + number(in) +
                  "] with gradient\n",
              "conv2d(x, " + number(out) + ", kernel = " + list({kh, kw}) + ", stride = " + list({upTo(3), upTo(2)}) +
                  ", padding = " + padding + ", dilation = " + list({dh, dw}) + ", groups = " + number(groups) +
                  ", bias = " + word(coin()) + ")" + pick<std::string>({"", " |> relu", " |> silu"}));
}

TEST_P(ModelSweep, Pool) {
  const int h = upTo(4), w = upTo(4);
  const int height = h + from0To(8), width = w + from0To(8);
  const std::string padding = pick<std::string>({"valid", "same", list({from0To(h / 2), from0To(w / 2)})});
  const std::string pool = pick<std::string>({"max_pool2d", "avg_pool2d"}) + "(x, " + list({h, w}) +
                           ", stride = " + list({upTo(3), upTo(4)}) + ", padding = " + padding + ")";
  expectEqual("  input x : f32[batch, " + number(height) + ", " + number(width) + ", " + number(channels()) +
                  "] with gradient\n",
              pick<std::string>({pool, pool, pool, "relu(" + pool + ")", "global_avg_pool2d(x)", "global_max_pool2d(x)"}));
}

TEST_P(ModelSweep, Reduce) {
  const std::string over = "axis = " + axes(3) + ", keepdims = " + word(coin()) + ")";
  const std::string value = pick<std::string>({"x", "tanh(x)", "exp(x) / (2 + x)", "x * x"});
  const std::string axis = pick<std::string>({"1", "2", "-1"});
  expectEqual("  input x : f32[batch, " + number(upTo(9)) + ", " + number(channels()) + "] with gradient\n",
              pick<std::string>({"sum(" + value + ", " + over, "mean(" + value + ", " + over, "max(x, " + over,
                                 "min(x, " + over, "softmax(x, axis = " + axis + ")",
                                 "log_softmax(x, axis = " + axis + ")", "mean(" + value + ") + x", "layer_norm(x)",
                                 "batch_norm(x, epsilon = 0.1)"}));
}

TEST_P(ModelSweep, Move) {
  const int p = 1 + upTo(6), q = channels() + 1;
  const int begin = from0To(p - 1), step = upTo(2);
  const std::string shape = number(p) + ", " + number(q);
  expectEqual("  input x : f32[batch, " + shape + "] with gradient\n  input z : f32[batch, " + number(upTo(3)) + ", " +
                  number(q) + "] with gradient\n",
              pick<std::string>({"transpose(x, [0, 2, 1]) |> exp", "concat(x, z, exp(x), axis = 1)",
                                 "slice(x, 1, " + number(begin) + ", " + number(p) + ", " + number(step) + ") * 2",
                                 "pad(x, [0, " + number(from0To(2)) + ", 0], [0, 1, " + number(from0To(3)) +
                                     "], value = 0.5)",
                                 "reshape(x, [batch, -1]) |> tanh", "concat(slice(x, 2, 1, " + number(q) + "), x)"}));
}

INSTANTIATE_TEST_SUITE_P(Random, ModelSweep, testing::Range(0, environment("FM_SWEEP_COUNT", 5)));

class LargeSweep : public Sweep {
protected:
  const int count = std::max(2, environment("FM_SWEEP_COUNT", 4));
  const Variant variant = inEnvironment({});
  int between(int least, int most) { return least + from0To(most - least); }
};

TEST_F(LargeSweep, ConvolutionsByWinograd) {
  for (int i = 0; i < count; ++i) {
    start(1000 + i);
    batch = upTo(3);
    asserts = i % 2;
    int height, width, in, out;
    do { // what the reference computes in a second or two
      height = between(14, 40), width = between(14, 40);
      in = between(64, 200), out = between(64, 200);
    } while (int64_t(height) * width * in * out > 8000000);
    const int kernel = i % 4 == 3 ? 2 : 3;
    expectEqual("  input x : f32[batch, " + number(height) + ", " + number(width) + ", " + number(in) +
                    "] with gradient\n",
                "conv2d(x, " + number(out) + ", kernel = " + number(kernel) + ", padding = " +
                    pick<std::string>({"valid", "same"}) + ", bias = " + word(coin()) + ") |> " +
                    pick<std::string>({"relu", "silu", "tanh"}));
  }
  EXPECT_EQ(transformed > 0, variant.winograd && !variant.exact);
}

TEST_F(LargeSweep, DenseLayersInPanels) {
  for (int i = 0; i < count; ++i) {
    start(2000 + i);
    asserts = i / 2 % 2;
    int columns[3];
    for (int &each : columns)
      each = i % 2 ? between(64, 300) : 16 * between(4, 18);
    const std::string shape = coin() ? "batch, " : "batch, " + number(upTo(9)) + ", ";
    expectEqual("  input x : f32[" + shape + number(columns[0]) + "] with gradient\n",
                "dense(x, " + number(columns[1]) + ", bias = " + word(coin()) + ") |> " +
                    pick<std::string>({"tanh", "relu", "gelu"}) + " |> dense(" + number(columns[2]) + ")");
  }
  fm::codegen::TargetSpec native;
  ASSERT_EQ(fm::codegen::resolveTarget("", "native", native), "");
  EXPECT_EQ(panelled > 0, native.machine.panelColumns > 0 && variant.layout);
}

} // namespace
