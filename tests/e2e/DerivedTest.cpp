//===- DerivedTest.cpp - What is made from parameters once -===//
//
// Weights in other forms are as their sources are, whatever changes these.
//
//===----------------------------------------------------------------------===//

#include "tests/e2e/Models.h"

#include <gtest/gtest.h>

#include <cstdio>
#include <functional>
#include <stdexcept>
#include <unistd.h>

using namespace fm::test;

namespace {

/// Winograd's weights, frozen and trained, and running statistics.
const char *const kDerived = R"(model derived(batch = 6) {
  input image : f32[batch, 12, 12, 32]
  target label : i32[batch]
  x = conv2d(image, 32, kernel = 3, padding = same, name = "stem") |> relu
  x = conv2d(x, 32, kernel = 3, padding = same, name = "body")
  x = batch_norm(x, name = "norm") |> relu
  logits = global_avg_pool2d(x) |> dense(4, name = "head")
  output probs = softmax(logits)
  loss cross_entropy(logits, label)
  metric accuracy(logits, label)
  train only "body.*", "norm.*", "head.*"
  train adam(lr = 0.01)
}
)";

TEST(Derived, IsMadeFromThreeKindsOfSources) {
  const Network network(shared(kDerived)),
      plain(shared(kDerived, {.derive = false}));
  EXPECT_TRUE(plain.program().derivations.empty());
  const auto entryOf = [&](const std::string &name) {
    for (const auto &entry : network.program().entries)
      if (entry.name == name)
        return entry;
    throw std::runtime_error(name);
  };
  // Never written, by updates, by all training passes.
  EXPECT_EQ(entryOf("forward").needs, 7u);
  EXPECT_EQ(llvm::popcount(entryOf("train_step").needs), 1);
  EXPECT_EQ(entryOf("train_step").needs & entryOf("train_step").outdates, 0u);
  EXPECT_EQ(llvm::popcount(entryOf("train_step").outdates), 2);
  EXPECT_EQ(llvm::popcount(entryOf("gradients").outdates), 1);
  EXPECT_EQ(entryOf("forward").outdates, 0u);
  EXPECT_GE(network.program().derivedBytes, 2 * 36 * 32 * 32 * 4);
}

// Whatever changes a source, the next call sees it: results are bitwise those
// of a model that keeps nothing.
TEST(Derived, FollowsWhatItIsMadeFrom) {
  const Code code = shared(kDerived),
             other = shared(kDerived, {.derive = false});
  Network network(code), plain(other);
  const std::string path =
      testing::TempDir() + "/fm_derived_" + std::to_string(getpid());
  const auto each = [&](const std::function<void(Network &)> &change) {
    change(network);
    change(plain);
    setBatch(network, 1);
    setBatch(plain, 1);
    for (const auto &[entry, result] :
         {std::pair("forward", "probs"), std::pair("evaluate", "loss")}) {
      network.call(entry, 6);
      plain.call(entry, 6);
      EXPECT_EQ(network.get(result), plain.get(result));
    }
    EXPECT_TRUE(network.state() == plain.state());
  };
  const auto train = [](Network &one) { trainSteps(one, 0, 2, 6); };
  const auto add = [&](const std::string &name) {
    each([&](Network &one) {
      Numbers numbers = one.tensor(name);
      for (double &number : numbers)
        number = number * 1.5 + 0.125;
      one.setTensor(name, numbers);
    });
  };
  each([](Network &) {});
  each([](Network &) {});
  each(train);
  each([](Network &one) { one.call("gradients", 6); });
  each([](Network &one) { one.call("apply_gradients", 6); });
  for (const char *name :
       {"stem.kernel", "body.kernel", "norm.moving_mean", "head.bias"})
    add(name);
  each(train);
  each([&](Network &one) {
    ASSERT_EQ(fm_save(one.instance(), path.c_str()), FM_OK);
  });
  each([](Network &one) { ASSERT_EQ(fm_init(one.instance(), 9), FM_OK); });
  each([&](Network &one) {
    ASSERT_EQ(fm_load(one.instance(), path.c_str()), FM_OK);
  });
  std::remove(path.c_str());
}

// Made by the first call that needs it, whichever that is.
TEST(Derived, IsMadeByAnyCall) {
  for (const char *entry : {"evaluate", "gradients", "train_step"}) {
    Network network(shared(kDerived)),
        plain(shared(kDerived, {.derive = false}));
    for (Network *one : {&network, &plain}) {
      setBatch(*one, 1);
      one->call(entry, 6);
    }
    EXPECT_EQ(network.scalar("loss"), plain.scalar("loss"));
    EXPECT_TRUE(network.state() == plain.state());
  }
}

} // namespace
