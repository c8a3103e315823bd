//===- NumbersTest.cpp - Values that anybody can compute by hand
//-----------===//
//
// Literal inputs, literal results, through compiled code of both backends.
//
//===----------------------------------------------------------------------===//

#include "tests/support/Live.h"

#include <gtest/gtest.h>

using namespace fm::test;

namespace {

class LiteralNumbers : public testing::TestWithParam<Variant> {
protected:
  /// Half of the last digit given, or f32's rounding.
  double tolerance() const { return 6e-7; }
};

TEST_P(LiteralNumbers, ActivationsAndLosses) {
  Network network(R"(model numbers {
    input x : f32[2]
    input prediction : f32[3]
    input truth : f32[3]
    input p : f32[3]
    input y : f32[3]
    output r = relu(x)
    output s = sigmoid(x)
    output t = tanh(x)
    output squared = mse(prediction, truth)
    output surprise = -sum(y * log(p))
    # The same from logits: cross_entropy of one row is -sum(y log softmax).
    input logits : f32[1, 3]
    input rows : f32[1, 3]
    output entropy = cross_entropy(logits, rows)
  })",
                  GetParam());
  network.set("x", {2, -3});
  network.set("prediction", {1, 2, 3});
  network.set("truth", {1.1, 2.2, 3.3});
  network.set("y", {1, 0, 1});
  network.set("p", {0.5, 0.6, 0.8});
  network.set("logits", {std::log(0.25), std::log(0.25), std::log(0.5)});
  network.set("rows", {0, 0, 1});
  network.call("forward", 1);
  EXPECT_EQ(network.get("r"), (Numbers{2, 0}));
  EXPECT_NUMBERS(network.get("s"), (Numbers{0.880797, 0.047426}), tolerance());
  EXPECT_NUMBERS(network.get("t"), (Numbers{0.964028, -0.995055}), tolerance());
  EXPECT_NEAR(network.scalar("squared"), 0.0466667, tolerance());
  EXPECT_NEAR(network.scalar("surprise"), 0.916291, tolerance());
  EXPECT_NEAR(network.scalar("entropy"), 0.693147, tolerance());
}

/// A model whose parameter `p` [1, 2] has the gradient that is passed as `g`.
std::string withOptimizer(const std::string &optimizer) {
  return "model update {\n  input x : f32[1, 1]\n  input g : f32[1, 2]\n"
         "  loss sum(dense(x, 2, bias = false, name = \"p\") * g)\n  train " +
         optimizer + "\n}\n";
}

TEST_P(LiteralNumbers, Sgd) {
  Network network(withOptimizer("sgd(lr = 0.1)"), GetParam());
  network.setTensor("p.kernel", {1, 2});
  network.set("x", {1});
  network.set("g", {0.2, 0.3});
  network.call("train_step", 1);
  EXPECT_NEAR(network.scalar("loss"), 0.8, tolerance());
  EXPECT_NUMBERS(network.tensor("p.kernel"), (Numbers{0.98, 1.97}),
                 tolerance());
}

// With betas of 1 the moments stay, whatever the gradient; the bias correction
// 1 - beta^t would be 0, so betas are next to 1 and the step count is large:
// 1 - 0.99999^(10^7) is 1 to 40 digits.
TEST_P(LiteralNumbers, AdamUpdate) {
  Network network(withOptimizer("adam(lr = 0.001, beta1 = 0.99999, beta2 = "
                                "0.99999, epsilon = 1e-12)"),
                  GetParam());
  network.setTensor("p.kernel", {1, 2});
  network.setTensor("p.kernel/m", {0.1, 0.2});
  network.setTensor("p.kernel/v", {0.01, 0.02});
  // The gradient that keeps m and v where they are, but for 1e-5 of it.
  network.set("x", {1});
  network.set("g", {0.1, 0.2});
  ASSERT_EQ(fm_set_step(network.instance(), 10'000'000), FM_OK);
  network.call("train_step", 1);
  EXPECT_NUMBERS(network.tensor("p.kernel"), (Numbers{0.999, 1.998586}), 2e-6);
  EXPECT_EQ(fm_get_step(network.instance()), 10'000'001);
}

INSTANTIATE_TEST_SUITE_P(E2e, LiteralNumbers,
                         testing::Values(Variant{"halide", true, false},
                                         Variant{"halide", true, true},
                                         Variant{"reference", true, false}),
                         [](const auto &info) { return info.param.name(); });

// f64 and i64 as the model itself says it, without the option that widens.
TEST(LiteralTypes, F64AndI64) {
  for (const std::string backend : {"halide", "reference"}) {
    SCOPED_TRACE(backend);
    Network network(R"(model wide(batch = 2) {
      input x : f64[batch, 2] with gradient
      target label : i64[batch]
      output largest = argmax(x)
      output y = exp(x)
      loss cross_entropy(x, label)
      metric accuracy(x, label)
    })",
                    {backend});
    network.set("x", {0, 1, 3, 3});
    network.set("label", {1, 0});
    network.call("forward", 2);
    EXPECT_EQ(network.get("largest"), (Numbers{1, 0})) << "the first of equals";
    EXPECT_NUMBERS(
        network.get("y"),
        (Numbers{1, 2.718281828459045, 20.085536923187668, 20.085536923187668}),
        1e-15);
    network.call("evaluate", 2);
    // log(1 + e^-1) and log 2, halved.
    EXPECT_NEAR(network.scalar("loss"), 0.5032044340390841, 1e-15);
    EXPECT_EQ(network.scalar("accuracy"), 1);
    network.call("gradients", 2);
    EXPECT_NUMBERS(
        network.get("x_gradient"),
        (Numbers{0.13447071068499755, -0.13447071068499755, -0.25, 0.25}),
        1e-15);
  }
}

// Numbers that a processor cannot divide end no program.
TEST(Numbers, IntegersDivideByAnything) {
  for (const char *backend : {"halide", "reference"}) {
    SCOPED_TRACE(backend);
    Network network(R"(model quotients(batch = 4) {
      input a : i32[batch, 5]
      input b : i32[batch, 5]
      output q = a / b
    })",
                    {backend});
    network.set("a", {7, -7, 7, -7, 7, -2147483648.0, -2147483648.0, 5, 5, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10});
    network.set("b", {2, 2, -2, -2, 0, -1, 0, -1, 1, 0, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3});
    network.call("forward", 4);
    EXPECT_EQ(network.get("q"),
              (Numbers{3, -3, -3, 3, 0, -2147483648.0, 0, -5, 5, 0, 0, 0, 1, 1, 1, 2, 2, 2, 3, 3}));
  }
}

} // namespace
