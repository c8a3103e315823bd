//===- ChainsTest.cpp - What runs sample by sample, and what for ----------===//
//
// A block with batch normalisation, padding, and a squeeze and excite: what
// stands between its large tensors must not end a chain.
//
//===----------------------------------------------------------------------===//

#include "compiler/codegen/Target.h"
#include "tests/e2e/Models.h"

#include <gtest/gtest.h>

using namespace fm::test;

namespace {

const char *const kSqueezed = R"(model squeezed(batch = 41) {
  input image : f32[batch, 9, 9, 8] with gradient
  target label : i32[batch]
  x = conv2d(image, 24, kernel = 1, bias = false) |> batch_norm |> silu
  x = conv2d(x, 24, kernel = 3, padding = same, groups = 24, bias = false) |> batch_norm |> silu
  s = global_avg_pool2d(x) |> dense(6) |> silu |> dense(24) |> sigmoid
  x = x * reshape(s, [batch, 1, 1, 24])
  x = image + (conv2d(x, 8, kernel = 1, bias = false) |> batch_norm)
  logits = flatten(x) |> dense(4)
  output probs = softmax(logits)
  loss cross_entropy(logits, label)
  train sgd(lr = 0.1, momentum = 0.9)
}
)";

/// Samples that fill a cache: convolutions by Winograd go strip by strip, where
/// the machine model wants that.
const char *const kLarge = R"(model large(batch = 5) {
  input image : f32[batch, 56, 56, 16] with gradient
  target label : i32[batch]
  x = conv2d(image, 32, kernel = 3, padding = same, bias = false) |> batch_norm |> relu
  x = conv2d(x, 32, kernel = 3, padding = same) |> relu
  logits = global_avg_pool2d(x) |> dense(4)
  output probs = softmax(logits)
  loss cross_entropy(logits, label)
  train sgd(lr = 0.1, momentum = 0.9)
}
)";

/// Numbers of calls in the chains of an entry.
std::vector<size_t> chainsOf(const Network &network, const std::string &name) {
  std::vector<size_t> lengths;
  for (const auto &entry : network.program().entries)
    for (size_t i = 0; i < entry.calls.size(); i = entry.chainEnd(i))
      if (entry.name == name && entry.chainEnd(i) - i > 1)
        lengths.push_back(entry.chainEnd(i) - i);
  return lengths;
}

// Expansion, border, depthwise convolution, mean, two dense layers, the
// weights' factors, projection: all that samples need of each other.
TEST(Chains, InferenceIsOne) {
  const Network network(shared(kSqueezed));
  EXPECT_EQ(chainsOf(network, "forward"), std::vector<size_t>{8});
}

/// With Halide's asserts, and without.
class ChainsOf : public testing::TestWithParam<Variant> {};

// What passes along a chain lies in the same memory for all of its samples, a
// tensor with a border around it as well.
TEST_P(ChainsOf, SamplesAreInferredAsTheyAreAlone) {
  Network network(shared(kSqueezed, GetParam()));
  const Numbers images = someNumbers(41 * 9 * 9 * 8, 1);
  Numbers alone;
  for (size_t i = 0; i < 41; ++i) {
    const auto image = images.begin() + long(i * 9 * 9 * 8);
    network.set("image", Numbers(image, image + 9 * 9 * 8));
    network.call("forward", 1);
    for (double number : network.get("probs"))
      alone.push_back(number);
  }
  for (size_t n : {41, 30, 3}) {
    network.set("image", images);
    network.call("forward", int64_t(n));
    EXPECT_NUMBERS(network.get("probs"),
                   Numbers(alone.begin(), alone.begin() + long(4 * n)), 1e-6);
  }
}

// Batch normalisation ends chains where it sums over samples, and nowhere else:
// its adjoint stands in one with the convolution's.
TEST_P(ChainsOf, StepsAreSeveral) {
  const Network chained(shared(kSqueezed, GetParam())),
      plain(shared(kSqueezed, {"reference"}));
  EXPECT_GE(chainsOf(chained, "train_step").size(), 4u);
  EXPECT_TRUE(chainsOf(plain, "train_step").empty());
}

TEST_P(ChainsOf, StepsAreThoseOfTheNaiveKernels) {
  const Variant naive{"reference"};
  Network chained(shared(kSqueezed, GetParam())),
      plain(shared(kSqueezed, naive));
  for (int step = 0; step < 6; ++step) {
    const int64_t n = step % 2 ? 41 : 22;
    trainSteps(chained, step, step + 1, n);
    trainSteps(plain, step, step + 1, n);
    EXPECT_NEAR(chained.scalar("loss"), plain.scalar("loss"), 1e-4);
  }
  for (const std::string &name : trainedNames(chained))
    EXPECT_NUMBERS(chained.tensor(name), plain.tensor(name), 1e-3) << name;
}

/// Calls of an entry that run strip by strip.
size_t stripsOf(const Network &network, const std::string &name) {
  size_t count = 0;
  for (const auto &entry : network.program().entries)
    for (const auto &call : entry.calls)
      count += entry.name == name && call.strips > 1;
  return count;
}

/// Of those, the ones that add up a sum.
size_t sumsOf(const Network &network, const std::string &name) {
  size_t count = 0;
  for (const auto &entry : network.program().entries)
    for (const auto &call : entry.calls)
      if (entry.name == name && call.strips > 1)
        count += network.program().kernels[call.kernel].outputs[0].inPlace >= 0;
  return count;
}

// Both convolutions' tiles, products and sums.
TEST(Chains, OfLargeSamplesHaveStrips) {
  fm::codegen::TargetSpec target;
  ASSERT_EQ(fm::codegen::resolveTarget("", "", target), "");
  // Transformed tiles of a sample and their products, 14 x 14 x 36 x 32 each.
  const bool wanted = target.machine.stripBytes() < 2 * 903168;
  const Network network(shared(kLarge));
  for (const char *entry : {"forward", "train_step"})
    EXPECT_EQ(stripsOf(network, entry) >= 6, wanted) << entry;
  // Two weight gradients.
  EXPECT_EQ(sumsOf(network, "train_step"), wanted ? 2u : 0u);
}

TEST_P(ChainsOf, StripsAreThoseOfTheNaiveKernels) {
  const Variant naive{"reference"};
  Network strips(shared(kLarge, GetParam())), plain(shared(kLarge, naive));
  for (int step = 0; step < 3; ++step) {
    const int64_t n = step % 2 ? 5 : 3;
    trainSteps(strips, step, step + 1, n);
    trainSteps(plain, step, step + 1, n);
    EXPECT_NEAR(strips.scalar("loss"), plain.scalar("loss"), 1e-4);
  }
  for (const std::string &name : trainedNames(strips))
    EXPECT_NUMBERS(strips.tensor(name), plain.tensor(name), 1e-3) << name;
  const Numbers images = someNumbers(5 * 56 * 56 * 16, 1);
  for (Network *network : {&strips, &plain}) {
    network->set("image", images);
    network->call("forward", 5);
  }
  EXPECT_NUMBERS(strips.get("probs"), plain.get("probs"), 1e-4);
}

INSTANTIATE_TEST_SUITE_P(E2e, ChainsOf,
                         testing::Values(Variant{}, Variant{.asserts = true}),
                         [](const auto &info) { return info.param.name(); });

TEST(Chains, OfStripsAreTheSameInAnyOrder) {
  expectEqualInAnyOrder(shared(kLarge), {5, 4});
}

TEST(Chains, OfBlocksAreTheSameInAnyOrder) {
  expectEqualInAnyOrder(shared(kSqueezed), {41, 22, 41});
}

} // namespace
