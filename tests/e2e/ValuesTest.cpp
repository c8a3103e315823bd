//===- ValuesTest.cpp - Numbers and masks of whole models -===//
//
// NaN and denormal numbers, random numbers, running statistics, frozen and
// shared weights.
//
//===----------------------------------------------------------------------===//

#include "tests/e2e/Models.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <set>
#if defined(__SSE__)
#include <xmmintrin.h>
#endif

using namespace fm::test;

namespace {

//===----------------------------------------------------------------------===//
// NaN
//===----------------------------------------------------------------------===//

// What PyTorch 1.13 gives: pooling, maxima and argmax find a NaN.
TEST(Nan, IsFoundByMaxima) {
  const double nan = std::nan("");
  for (const char *backend : {"halide", "reference"}) {
    SCOPED_TRACE(backend);
    Network network(shared(R"(model spoilt(batch = 1) {
      input x : f32[batch, 2, 4, 1] with gradient
      y = max_pool2d(x, 2)
      output pooled = y
      output rectified = max_pool2d(relu(x), 2)
      output place = argmax(reshape(x, [batch, 8]))
      output largest = max(reshape(x, [batch, 8]), 1)
      loss sum(y)
    })",
                           {backend}));
    network.set("x", {1, nan, 5, 6, 3, 4, 7, 2});
    network.call("forward", 1);
    EXPECT_TRUE(std::isnan(network.get("pooled")[0]));
    EXPECT_EQ(network.get("pooled")[1], 7);
    EXPECT_TRUE(std::isnan(network.get("rectified")[0]));
    EXPECT_EQ(network.get("rectified")[1], 7);
    EXPECT_EQ(network.get("place"), Numbers{1});
    EXPECT_TRUE(std::isnan(network.get("largest")[0]));
    network.call("gradients", 1);
    EXPECT_EQ(network.get("x_gradient"), (Numbers{0, 1, 0, 0, 0, 0, 1, 0}));
  }
}

// docs/language.md, "Numbers".
TEST(Nan, IsHandedOnAndTiesAreShared) {
  const double nan = std::nan("");
  for (const char *backend : {"halide", "reference"}) {
    SCOPED_TRACE(backend);
    Network network(shared(R"(model ties(batch = 2) {
      input x : f32[batch, 20] with gradient
      input y : f32[batch, 20] with gradient
      output larger = maximum(x, y)
      output smaller = minimum(x, y)
      output rectified = relu(x)
      output sizes = abs(x)
      output largest = max(x, 1)
      loss sum(maximum(x, y)) + 10 * sum(minimum(x, y)) + 100 * sum(relu(x)) +
           1000 * sum(abs(x)) + 10000 * sum(max(x, 1))
    })",
                           {backend}));
    // 20: a vector and a rest of each; the last two columns are the ties.
    Numbers x(40, -1), y(40, -2);
    x[0] = x[19] = nan;
    y[1] = y[18] = nan;
    x[37] = y[37] = 0;
    x[38] = x[39] = y[38] = y[39] = 7;
    network.set("x", x);
    network.set("y", y);
    network.call("forward", 2);
    const Numbers larger = network.get("larger"),
                  smaller = network.get("smaller"),
                  rectified = network.get("rectified"),
                  sizes = network.get("sizes");
    for (size_t i = 0; i < 20; ++i) {
      const bool lost = std::isnan(x[i]) || std::isnan(y[i]);
      EXPECT_EQ(std::isnan(larger[i]), lost) << i;
      EXPECT_EQ(std::isnan(smaller[i]), lost) << i;
      EXPECT_EQ(std::isnan(rectified[i]), std::isnan(x[i])) << i;
      EXPECT_EQ(std::isnan(sizes[i]), std::isnan(x[i])) << i;
    }
    EXPECT_TRUE(std::isnan(network.get("largest")[0]));
    EXPECT_EQ(network.get("largest")[1], 7);
    network.call("gradients", 2);
    const Numbers dx = network.get("x_gradient"),
                  dy = network.get("y_gradient");
    EXPECT_EQ(dx[20], 1 - 1000);
    EXPECT_EQ(dy[20], 10);
    EXPECT_EQ(dx[37], 5.5); // neither relu nor abs has a slope at 0
    EXPECT_EQ(dy[37], 5.5);
    for (size_t i : {38, 39}) {
      EXPECT_EQ(dx[i], 5.5 + 100 + 1000 + 5000);
      EXPECT_EQ(dy[i], 5.5);
    }
  }
}

#if defined(__SSE__)
// 1e-14 cubed is no normal number: zero in a step, on any thread. The
// caller's own arithmetic is as before.
TEST(Denormals, AreZeroInStepsOnly) {
  for (const char *backend : {"halide", "reference"})
    for (int threads : {1, 2}) {
      SCOPED_TRACE(backend + std::to_string(threads));
      CountingPool counting{fm_pool_create(threads)};
      Network network(shared(R"(model faint(batch = 64) {
        input x : f32[batch, 8192]
        output y = x * x * x
      })",
                             {backend}));
      if (threads > 1)
        ASSERT_EQ(fm_set_parallel_for(network.instance(), CountingPool::run,
                                      &counting),
                  FM_OK);
      network.set("x", Numbers(64 * 8192, 1e-14));
      _mm_setcsr(_mm_getcsr() & ~0x8040u);
      network.call("forward", 64);
      EXPECT_EQ(network.get("y"), Numbers(64 * 8192, 0));
      EXPECT_EQ(_mm_getcsr() & 0x8040u, 0u);
      // A caller who flushes goes on flushing.
      _mm_setcsr(_mm_getcsr() | 0x8000u);
      network.call("forward", 64);
      EXPECT_EQ(_mm_getcsr() & 0x8040u, 0x8000u);
      _mm_setcsr(_mm_getcsr() & ~0x8000u);
      fm_pool_destroy(counting.pool);
    }
}
#endif

//===----------------------------------------------------------------------===//
// Dropout
//===----------------------------------------------------------------------===//

const char *const kDropout = R"(model drops(batch = 64) {
  input x : f32[batch, 200] with gradient
  input c : f32[batch, 200] with gradient
  input d : f32[batch, 200] with gradient
  y = dropout(x, 0.3)
  output y
  # Two at once have masks of their own.
  loss sum(y * c) + sum(dropout(x, 0.3) * d)
}
)";

class Dropout : public testing::TestWithParam<Variant> {
protected:
  Dropout() : network(shared(kDropout, GetParam()), 3) {
    network.set("x", Numbers(size, 1));
    network.set("c", Numbers(size, 1));
    network.set("d", Numbers(size, 0));
  }
  static constexpr size_t size = 64 * 200;
  Network network;
};

TEST_P(Dropout, RateAndScale) {
  network.call("gradients", 64);
  const Numbers mask = network.get("c_gradient");
  size_t zeros = 0;
  for (double number : mask)
    if (number == 0)
      ++zeros;
    else
      ASSERT_NEAR(number, 1 / 0.7, 1e-6);
  // Five standard deviations of a binomial distribution.
  EXPECT_NEAR(double(zeros), 0.3 * size, 5 * std::sqrt(0.3 * 0.7 * size));
  // No row and no column is all of one kind.
  for (size_t i = 0; i < 64; ++i) {
    size_t inRow = 0;
    for (size_t j = 0; j < 200; ++j)
      inRow += mask[i * 200 + j] == 0;
    EXPECT_NEAR(double(inRow), 60, 6 * std::sqrt(42.0));
  }
  for (size_t j = 0; j < 200; ++j) {
    size_t inColumn = 0;
    for (size_t i = 0; i < 64; ++i)
      inColumn += mask[i * 200 + j] == 0;
    EXPECT_NEAR(double(inColumn), 19.2, 6 * std::sqrt(13.44));
  }
}

TEST_P(Dropout, SameForwardAndBackward) {
  network.call("gradients", 64);
  // d/dc is the output, x is 1: the mask of the forward pass; d/dx, c is 1 and
  // d is 0: that of the backward pass.
  EXPECT_EQ(network.get("x_gradient"), network.get("c_gradient"));
  EXPECT_NE(network.get("d_gradient"), network.get("c_gradient"));
}

TEST_P(Dropout, OffInInference) {
  const Numbers x = someNumbers(size, 5);
  network.set("x", x);
  network.call("forward", 64);
  EXPECT_EQ(network.get("y"), x);
}

TEST_P(Dropout, DiffersPerStepAndSeed) {
  std::set<Numbers> masks;
  for (int step = 0; step < 3; ++step) {
    network.call("gradients", 64);
    masks.insert(network.get("c_gradient"));
  }
  EXPECT_EQ(masks.size(), 3u);
  Network again(shared(kDropout, GetParam()), 3);
  Network other(shared(kDropout, GetParam()), 3);
  ASSERT_EQ(fm_set_seed(other.instance(), 4), FM_OK);
  for (Network *twin : {&again, &other}) {
    for (const char *name : {"x", "c", "d"})
      twin->set(name, Numbers(size, 1));
    twin->call("gradients", 64);
  }
  EXPECT_TRUE(masks.count(again.get("c_gradient"))) << "the first mask again";
  EXPECT_FALSE(masks.count(other.get("c_gradient")));
}

// Long training and near seeds: no bit of the pass or the seed is lost.
TEST_P(Dropout, NeverRepeats) {
  std::set<Numbers> masks;
  size_t made = 0;
  for (uint64_t seed : {3ull, 3ull + (1ull << 32), 3ull + (3ull << 32)})
    for (double pass : {0.0, 1.0, 4096.0, double(1 << 20), double(1ull << 32),
                        double(1ull << 40)}) {
      Network later(shared(kDropout, GetParam()), 3);
      for (const char *name : {"x", "c", "d"})
        later.set(name, Numbers(size, 1));
      ASSERT_EQ(fm_set_seed(later.instance(), seed), FM_OK);
      later.setTensor("train.draws", {pass});
      later.call("gradients", 64);
      // Both streams.
      masks.insert(later.get("c_gradient"));
      masks.insert(later.get("d_gradient"));
      made += 2;
    }
  EXPECT_EQ(masks.size(), made);
}

INSTANTIATE_TEST_SUITE_P(Properties, Dropout,
                         testing::Values(Variant{"halide", true, false},
                                         Variant{"reference", true, false}),
                         [](const auto &info) { return info.param.name(); });

TEST(DropoutMasks, AreThoseOfTheOtherBackend) {
  Numbers masks[2];
  for (int i = 0; i < 2; ++i) {
    Network network(shared(kDropout, {i ? "reference" : "halide"}), 3);
    for (const char *name : {"x", "c", "d"})
      network.set(name, Numbers(64 * 200, 1));
    network.call("gradients", 64);
    masks[i] = network.get("c_gradient");
  }
  EXPECT_EQ(masks[0], masks[1]);
}

//===----------------------------------------------------------------------===//
// Parameters
//===----------------------------------------------------------------------===//

// running = 0.5 running + 0.5 batch, from 0 and 1; biased variance.
TEST(BatchNorm, RunningStatisticsByHand) {
  Network network(R"(model statistics(batch = 4) {
    input x : f32[batch, 2]
    y = batch_norm(x, momentum = 0.5, epsilon = 1.0, name = "bn")
    output y
    loss sum(y)
    train sgd(lr = 0.0)
  })");
  network.set("x", {1, 10, 3, 10});
  network.call("train_step", 2); // means 2 and 10, variances 1 and 0
  EXPECT_EQ(network.tensor("bn.moving_mean"), (Numbers{1, 5}));
  EXPECT_EQ(network.tensor("bn.moving_variance"), (Numbers{1, 0.5}));
  network.call("forward", 1); // (1 - 1) / sqrt 2, (10 - 5) / sqrt 1.5
  EXPECT_NUMBERS(network.get("y"), (Numbers{0, 4.082482904638630}), 1e-6);
  EXPECT_EQ(network.tensor("bn.moving_mean"), (Numbers{1, 5}));
}

// Moments of rows of 20: far from zero, from row to row, and with an outlier
// where each row is shifted. A mean of squares in f32 holds none of them.
TEST(BatchNorm, StatisticsOfRowsByHand) {
  Network network(R"(model rows(batch = 2) {
    input x : f32[batch, 3, 20, 3]
    y = batch_norm(x, momentum = 0.0, name = "bn")
    loss sum(y)
    train sgd(lr = 0.0)
  })");
  Numbers x;
  for (int n = 0; n < 2; ++n)
    for (int h = 0; h < 3; ++h)
      for (int w = 0; w < 20; ++w) {
        x.push_back(65536 + w % 4);             // 0 1 2 3, over and over
        x.push_back(8192 + 100 * h);            // 0 100 200
        x.push_back(w == 0 ? 8192 + 20 : 8192); // one 20 and nineteen 0
      }
  network.set("x", x);
  network.call("train_step", 2);
  EXPECT_NUMBERS(network.tensor("bn.moving_mean"),
                 (Numbers{65537.5, 8292, 8193}), 1e-7);
  EXPECT_NUMBERS(network.tensor("bn.moving_variance"),
                 (Numbers{1.25, 6666.666666666667, 19}), 1e-6);
}

TEST(Frozen, StayAndHaveNeitherGradientNorOptimizerState) {
  Network network(R"(model finetune(batch = 4) {
    input image : f32[batch, 5]
    target label : i32[batch]
    x = dense(image, 6, name = "body") |> relu
    logits = dense(x, 4, name = "head")
    loss cross_entropy(logits, label)
    train only head.*
    train adam(lr = 0.1)
  })");
  const Numbers kernel = network.tensor("body.kernel"),
                bias = network.tensor("body.bias"),
                head = network.tensor("head.kernel");
  trainSteps(network, 0, 5, 4);
  EXPECT_EQ(network.tensor("body.kernel"), kernel);
  EXPECT_EQ(network.tensor("body.bias"), bias);
  EXPECT_NE(network.tensor("head.kernel"), head);
  network.call("gradients", 4);
  EXPECT_GT(std::fabs(network.gradient("head.bias")[0]), 0);
  EXPECT_THROW(network.gradient("body.kernel"), std::runtime_error);
  for (const auto &tensor : network.program().tensors)
    EXPECT_NE(tensor.name.rfind("body.kernel/", 0), 0u) << tensor.name;
  // Two parameters of 64 bytes each and more: 6 x 4 floats and 4.
  EXPECT_EQ(network.model().parameter_bytes, 128 + 64);
}

// One layer used twice has the sum of the gradients that two layers with the
// same values have.
TEST(Shared, GradientIsTheSum) {
  auto text = [](const char *second) {
    return std::string("model twice(batch = 3) {\n"
                       "  input image : f32[batch, 5]\n"
                       "  target label : i32[batch]\n"
                       "  x = dense(image, 5, name = \"a\") |> tanh\n"
                       "  x = dense(x, 5, name = \"") +
           second + "\")\n  loss cross_entropy(x, label)\n}\n";
  };
  Network once(text("a"), {"halide", true, true});
  Network apart(text("b"), {"halide", true, true});
  for (const char *part : {".kernel", ".bias"})
    for (const char *layer : {"a", "b"})
      apart.setTensor(std::string(layer) + part,
                      once.tensor(std::string("a") + part));
  for (Network *network : {&once, &apart}) {
    setBatch(*network, 0);
    network->call("gradients", 3);
  }
  EXPECT_NEAR(once.scalar("loss"), apart.scalar("loss"), 1e-14);
  for (const char *part : {".kernel", ".bias"}) {
    Numbers sum = apart.gradient(std::string("a") + part);
    const Numbers second = apart.gradient(std::string("b") + part);
    for (size_t i = 0; i < sum.size(); ++i)
      sum[i] += second[i];
    EXPECT_NUMBERS(once.gradient(std::string("a") + part), sum, 1e-14);
  }
  EXPECT_EQ(once.model().parameter_bytes, 256 + 64) << "25 doubles and 5";
}

} // namespace
