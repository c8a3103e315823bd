//===- PropertiesTest.cpp - What holds for every model
//---------------------===//
//
// Relations between calls: fewer samples, gradients and updates apart, state
// saved and loaded, threads, several instances, random numbers, frozen and
// shared weights.
//
//===----------------------------------------------------------------------===//

#include "tests/e2e/Models.h"

#include <gtest/gtest.h>

#include <atomic>
#include <cmath>
#include <cstring>
#include <numeric>
#include <set>
#include <thread>
#if defined(__SSE__)
#include <xmmintrin.h>
#endif

using namespace fm::test;

namespace {

/// Compiled once for all tests of this program.
Code shared(const char *text, const Variant &variant = {}) {
  static std::map<std::pair<std::string, std::string>, Code> all;
  Code &code = all[{text, variant.name()}];
  if (!code)
    code = compile(text, variant);
  return code;
}

//===----------------------------------------------------------------------===//
// Samples
//===----------------------------------------------------------------------===//

class PerVariant : public testing::TestWithParam<Variant> {
protected:
  double tolerance() const { return GetParam().widen ? 1e-12 : 2e-6; }
  /// Winograd's transforms, and what stands in their place without them.
  bool isConvolved() const {
    return GetParam().backend == "halide" && GetParam().fuse;
  }
  std::vector<const char *> perSample() const {
    std::vector<const char *> texts{kPerSample};
    if (isConvolved())
      texts.push_back(kConvolved);
    return texts;
  }
  std::vector<const char *> all() const {
    std::vector<const char *> texts = perSample();
    texts.push_back(kEverything);
    return texts;
  }
};

Numbers slice(const Numbers &all, size_t index, size_t of) {
  size_t size = all.size() / of;
  return Numbers(all.begin() + index * size, all.begin() + (index + 1) * size);
}

// The loss is a mean: n samples give the mean of what each gives alone.
void expectMeans(Network &network, const std::vector<size_t> &counts,
                 double tolerance) {
  SCOPED_TRACE(network.model().name);
  const size_t batch = size_t(network.model().batch);
  size_t pixels = 1; // of the whole batch
  for (const auto &argument : network.program().entries[0].arguments)
    if (argument.name == "image")
      for (const auto &extent : argument.shape)
        pixels *= size_t(extent.size);
  const Numbers images = someNumbers(pixels, 1);
  const Numbers labels = someIndices(batch, 4, 2);
  const auto names = trainedNames(network);

  std::vector<Numbers> probs(batch), imageGradients(batch);
  std::vector<double> losses(batch), hits(batch);
  std::vector<std::map<std::string, Numbers>> gradients(batch);
  for (size_t i = 0; i < batch; ++i) {
    network.set("image", slice(images, i, batch));
    network.set("label", slice(labels, i, batch));
    network.call("forward", 1);
    probs[i] = network.get("probs");
    network.call("evaluate", 1);
    losses[i] = network.scalar("loss");
    hits[i] = network.scalar("accuracy");
    network.call("gradients", 1);
    EXPECT_NEAR(network.scalar("loss"), losses[i], tolerance);
    imageGradients[i] = network.get("image_gradient");
    for (const std::string &name : names)
      gradients[i][name] = network.gradient(name);
  }

  network.set("image", images);
  network.set("label", labels);
  for (size_t n : counts) {
    SCOPED_TRACE("n = " + std::to_string(n));
    double loss = 0, accuracy = 0;
    Numbers expectedProbs, expectedImages;
    std::map<std::string, Numbers> mean;
    for (size_t i = 0; i < n; ++i) {
      loss += losses[i] / double(n);
      accuracy += hits[i] / double(n);
      expectedProbs.insert(expectedProbs.end(), probs[i].begin(),
                           probs[i].end());
      for (double number : imageGradients[i])
        expectedImages.push_back(number / double(n));
      for (const std::string &name : names) {
        mean[name].resize(gradients[i][name].size());
        for (size_t k = 0; k < mean[name].size(); ++k)
          mean[name][k] += gradients[i][name][k] / double(n);
      }
    }
    network.call("forward", int64_t(n));
    EXPECT_NUMBERS(network.get("probs"), expectedProbs, tolerance);
    network.call("evaluate", int64_t(n));
    EXPECT_NEAR(network.scalar("loss"), loss, tolerance);
    EXPECT_NEAR(network.scalar("accuracy"), accuracy, tolerance);
    network.call("gradients", int64_t(n));
    EXPECT_NEAR(network.scalar("loss"), loss, tolerance);
    EXPECT_NUMBERS(network.get("image_gradient"), expectedImages, tolerance);
    for (const std::string &name : names)
      EXPECT_NUMBERS(network.gradient(name), mean[name], tolerance) << name;
  }
}

TEST_P(PerVariant, FewerSamplesAreTheMeanOfSingleOnes) {
  for (const char *text : perSample()) {
    Network network(shared(text, GetParam()));
    std::vector<size_t> counts(size_t(network.model().batch));
    std::iota(counts.begin(), counts.end(), size_t(1));
    expectMeans(network, counts, tolerance());
  }
}

// Enough samples for chains of kernels whose tasks have several calls, the last
// of them with fewer samples.
TEST(Chains, SamplesAreWhatTheyAreAlone) {
  std::string text = kConvolved;
  text.replace(text.find("batch = 9"), 9, "batch = 67");
  Network network(compile(text));
  ASSERT_GE(network.program().samplesInTask,
            2 * network.program().samplesAtOnce);
  expectMeans(network, {67, 34, 5}, 2e-6);
}
// Without chains, what the variants compare would be one and the same.
TEST(Chains, AreWhatTheVariantTurnsOff) {
  const auto chained = [](const Variant &variant) {
    size_t calls = 0;
    const Network network(shared(kConvolved, variant));
    for (const auto &entry : network.program().entries)
      for (size_t i = 0; i < entry.calls.size(); i = entry.chainEnd(i))
        calls += entry.chainEnd(i) - i > 1 ? 1 : 0;
    return calls;
  };
  EXPECT_GT(chained({}), 0u);
  EXPECT_EQ(chained({.chains = false}), 0u);
}

//===----------------------------------------------------------------------===//
// What is made from parameters once
//===----------------------------------------------------------------------===//

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

// Whatever changes a source, the next call sees it: results are bitwise those
// of a model that keeps nothing.
TEST(Derived, FollowsWhatItIsMadeFrom) {
  const Code code = shared(kDerived),
             other = shared(kDerived, {.derive = false});
  Network network(code), plain(other);
  ASSERT_TRUE(plain.program().derivations.empty());
  const std::string path = testing::TempDir() + "derived.safetensors";
  const auto entryOf = [&](const std::string &name) {
    for (const auto &entry : network.program().entries)
      if (entry.name == name)
        return entry;
    throw std::runtime_error(name);
  };
  // Three kinds of sources: never written, by updates, by all training passes.
  EXPECT_EQ(entryOf("forward").needs, 7u);
  EXPECT_EQ(llvm::popcount(entryOf("train_step").needs), 1);
  EXPECT_EQ(entryOf("train_step").needs & entryOf("train_step").outdates, 0u);
  EXPECT_EQ(llvm::popcount(entryOf("train_step").outdates), 2);
  EXPECT_EQ(llvm::popcount(entryOf("gradients").outdates), 1);
  EXPECT_EQ(entryOf("forward").outdates, 0u);
  EXPECT_GE(network.program().derivedBytes, 2 * 36 * 32 * 32 * 4);

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

// Buffers between pages without access, on either side: whoever reads or writes
// outside ends this program.
TEST_P(PerVariant, BuffersOfExactlyTheAnnouncedSizes) {
  for (Guard guard : {Guard::Behind, Guard::Before})
    for (const char *text : all()) {
      Network network(shared(text, GetParam()), 1, guard);
      for (int64_t n = 1; n <= network.model().batch; ++n) {
        setBatch(network, uint64_t(n));
        for (const char *entry : {"forward", "evaluate", "train_step",
                                  "gradients", "apply_gradients"})
          network.call(entry, n);
        EXPECT_TRUE(std::isfinite(network.tensor("conv2d_1.kernel")[0]));
      }
    }
}

TEST_P(PerVariant, GradientsAndApplyGradientsAreTrainStep) {
  for (const char *text : all()) {
    Network whole(shared(text, GetParam())), parts(shared(text, GetParam()));
    for (int step = 0; step < 5; ++step) {
      int64_t n = step % 2 ? whole.model().batch : 3;
      setBatch(whole, uint64_t(step));
      setBatch(parts, uint64_t(step));
      whole.call("train_step", n);
      parts.call("gradients", n);
      EXPECT_NEAR(parts.scalar("loss"), whole.scalar("loss"), tolerance());
      parts.call("apply_gradients", 1);
      EXPECT_EQ(fm_get_step(parts.instance()), step + 1);
      // Adam divides by the gradient's size, and with it what rounding left
      // in a gradient that should be 0 (a bias before batch_norm).
      for (const auto &tensor : whole.program().tensors)
        if (tensor.kind != fm::codegen::TensorKind::Optimizer &&
            tensor.name != "conv2d_1.bias" &&
            tensor.name != "batch_norm_1.moving_mean")
          EXPECT_NUMBERS(parts.tensor(tensor.name), whole.tensor(tensor.name),
                         100 * tolerance())
              << tensor.name;
    }
  }
}

//===----------------------------------------------------------------------===//
// Layouts
//===----------------------------------------------------------------------===//

/// Rows of 2 KiB and more, which do not lie densely.
const char *const kWide = R"(model wide(batch = 6) {
  input image : f32[batch, 20]
  target label : i32[batch]
  x = dense(image, 512, name = "first") |> gelu
  x = dense(x, 1024, name = "second") |> relu
  logits = dense(x, 4, name = "head")
  output probs = softmax(logits)
  loss cross_entropy(logits, label)
  train adam(lr = 0.01)
}
)";

TEST(Layouts, RowsApartAreSeenByNobody) {
  Network dense(shared(kWide, {"reference"}), 3), padded(shared(kWide), 3);
  for (const auto &tensor : padded.program().tensors)
    if (tensor.name == "second.kernel") {
      EXPECT_EQ(tensor.dims[0].stride, 1024 + 16);
      EXPECT_EQ(tensor.bytes, 512 * 1040 * 4);
    }
  memset(padded.grads().data(), 0x55, padded.grads().size());
  for (Network *network : {&dense, &padded}) {
    setBatch(*network, 1);
    network->call("gradients", 5);
  }
  // What lies between the rows is zero.
  double all = 0, elements = 0;
  const auto *grads = static_cast<const float *>(padded.grads().data());
  for (size_t i = 0; i < padded.grads().size() / 4; ++i)
    all += std::abs(grads[i]);
  for (const std::string &name : trainedNames(padded))
    for (double value : padded.gradient(name))
      elements += std::abs(value);
  EXPECT_NEAR(all, elements, 1e-9 * elements);
  for (const std::string &name : trainedNames(dense))
    EXPECT_NUMBERS(padded.gradient(name), dense.gradient(name), 2e-6) << name;
  for (Network *network : {&dense, &padded})
    network->call("apply_gradients", 1);
  for (const std::string &name : trainedNames(dense))
    EXPECT_NUMBERS(padded.tensor(name), dense.tensor(name), 2e-4) << name;
  for (Network *network : {&dense, &padded})
    network->call("forward", 6);
  EXPECT_NUMBERS(padded.get("probs"), dense.get("probs"), 1e-4);
}

//===----------------------------------------------------------------------===//
// State
//===----------------------------------------------------------------------===//

TEST_P(PerVariant, GoingOnAfterLoadingIsNotStopping) {
  const std::string path =
      testing::TempDir() + "/fm_e2e_" + std::to_string(getpid());
  const Code code = shared(kEverything, GetParam());
  Network stayed(code, 7), loaded(code, 8);
  trainSteps(stayed, 0, 6, 6);
  ASSERT_EQ(fm_set_learning_rate(stayed.instance(), 0.003), FM_OK);
  ASSERT_EQ(fm_save(stayed.instance(), path.c_str()), FM_OK);
  ASSERT_NE(loaded.state(), stayed.state());
  ASSERT_EQ(fm_load(loaded.instance(), path.c_str()), FM_OK)
      << loaded.message();
  remove(path.c_str());
  EXPECT_EQ(loaded.state(), stayed.state());
  trainSteps(stayed, 6, 12, 5);
  trainSteps(loaded, 6, 12, 5);
  EXPECT_EQ(loaded.state(), stayed.state());
  EXPECT_EQ(fm_get_step(loaded.instance()), 12);
  EXPECT_FLOAT_EQ(float(fm_get_learning_rate(loaded.instance())), 0.003f);
}

TEST_P(PerVariant, SameSeedSameWeights) {
  const Code code = shared(kEverything, GetParam());
  Network a(code, 7), b(code, 7), c(code, 8);
  EXPECT_EQ(a.state(), b.state());
  EXPECT_NE(a.weights(), c.weights());
  trainSteps(a, 0, 3, 6);
  trainSteps(b, 0, 3, 6);
  EXPECT_EQ(a.state(), b.state());
}

TEST(State, InstancesAreIndependent) {
  Network a(shared(kEverything), 1), b(shared(kEverything), 2);
  Network alone(shared(kEverything), 1);
  for (int step = 0; step < 4; ++step) {
    trainSteps(a, step, step + 1, 6);
    trainSteps(b, step, step + 1, 2); // in between
  }
  trainSteps(alone, 0, 4, 6);
  EXPECT_EQ(a.state(), alone.state());
  EXPECT_NE(a.state(), b.state());

  // And at the same time, from two threads.
  Network c(shared(kEverything), 1), d(shared(kEverything), 1);
  std::thread other([&] { trainSteps(d, 0, 4, 6); });
  trainSteps(c, 0, 4, 6);
  other.join();
  EXPECT_EQ(c.state(), alone.state());
  EXPECT_EQ(d.state(), alone.state());
}

TEST_P(PerVariant, InferenceChangesNothing) {
  Network network(shared(kEverything, GetParam()));
  trainSteps(network, 0, 2, 6);
  const std::string before = network.state();
  network.call("forward", 6);
  const Numbers probs = network.get("probs");
  network.call("evaluate", 6);
  EXPECT_EQ(network.state(), before);
  network.call("forward", 6);
  EXPECT_EQ(network.get("probs"), probs) << "and it is not random";
}

TEST(State, LearningRateAndStepAreState) {
  Code code = shared(kEverything);
  Network constant(code), schedule(code), frozen(code), late(code);
  EXPECT_FLOAT_EQ(float(fm_get_learning_rate(constant.instance())), 0.01f);
  ASSERT_EQ(fm_set_learning_rate(frozen.instance(), 0), FM_OK);
  ASSERT_EQ(fm_set_step(late.instance(), 1000), FM_OK);
  const Numbers start = constant.tensor("head.kernel");
  for (int step = 0; step < 3; ++step) {
    ASSERT_EQ(
        fm_set_learning_rate(schedule.instance(), step == 0 ? 0.01 : 0.001),
        FM_OK);
    for (Network *network : {&constant, &schedule, &frozen, &late})
      trainSteps(*network, step, step + 1, 6);
    if (step == 0) {
      EXPECT_EQ(schedule.weights(), constant.weights());
    }
  }
  EXPECT_NE(schedule.weights(), constant.weights());
  EXPECT_NE(constant.tensor("head.kernel"), start);
  EXPECT_EQ(frozen.tensor("head.kernel"), start);
  // Without the correction of the first steps m is a tenth of the gradient,
  // and sqrt(v) a thirtieth: a first update of about 3 learning rates, not 1.
  EXPECT_NE(late.weights(), constant.weights());
  EXPECT_EQ(fm_get_step(late.instance()), 1003);
}

//===----------------------------------------------------------------------===//
// Threads
//===----------------------------------------------------------------------===//

struct CountingPool {
  fm_pool *pool;
  std::atomic<int> loops{0};
  static int run(void *self, fm_task task, void *context, int32_t begin,
                 int32_t count, uint8_t *closure) {
    auto *counting = static_cast<CountingPool *>(self);
    ++counting->loops;
    return fm_pool_run(counting->pool, task, context, begin, count, closure);
  }
};

void expectEqualWeights(Code code, int steps, int n) {
  std::string expected;
  for (int threads = 1; threads <= 4; ++threads) {
    SCOPED_TRACE(std::to_string(threads) + " threads");
    CountingPool counting{fm_pool_create(threads)};
    ASSERT_NE(counting.pool, nullptr);
    Network network(code);
    if (threads > 1)
      ASSERT_EQ(
          fm_set_parallel_for(network.instance(), CountingPool::run, &counting),
          FM_OK);
    trainSteps(network, 0, steps, n);
    fm_pool_destroy(counting.pool);
    if (threads == 1)
      expected = network.state();
    else
      EXPECT_GT(counting.loops, 0) << "nothing ran in parallel";
    EXPECT_TRUE(network.state() == expected);
  }
}
TEST(Threads, BitwiseEqualWeights) {
  expectEqualWeights(
      compileFile("examples/mnist_cnn/mnist_cnn.fm", {.defines = {"batch=32"}}),
      20, 32);
}
TEST_P(PerVariant, BitwiseEqualWeightsOnAnyThreads) {
  if (isConvolved())
    expectEqualWeights(shared(kConvolved, GetParam()), 5, 9);
}

INSTANTIATE_TEST_SUITE_P(
    Properties, PerVariant,
    testing::Values(Variant{}, Variant{.widen = true}, Variant{.fuse = false},
                    Variant{.layout = false}, Variant{.exact = true},
                    Variant{.winograd = false}, Variant{.chains = false},
                    Variant{.derive = false}, Variant{.backend = "reference"}),
    [](const auto &info) { return info.param.name(); });

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
