//===- PropertiesTest.cpp - What holds for every model
//---------------------===//
//
// Relations between calls: fewer samples, gradients and updates apart, state
// saved and loaded, threads, several instances.
//
//===----------------------------------------------------------------------===//

#include "compiler/codegen/Target.h"
#include "tests/e2e/Models.h"

#include <gtest/gtest.h>

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

// Enough samples for chains of kernels with several shares of several calls,
// and a last one that is short.
std::string manySamples() {
  std::string text = kConvolved;
  text.replace(text.find("batch = 9"), 9, "batch = 268");
  return text;
}
TEST(Chains, SamplesAreWhatTheyAreAlone) {
  Network network(compile(manySamples()));
  const auto &program = network.program();
  ASSERT_GE(program.samplesInShare, 2 * program.samplesAtOnce);
  ASSERT_GE(program.batch, 2 * program.samplesInShare);
  ASSERT_NE(program.batch % program.samplesInShare, 0);
  expectMeans(network, {268, 131, 5}, 2e-6);
}

TEST(Chains, AnyTaskTakesAnySamples) {
  expectEqualInAnyOrder(compile(manySamples()), {268, 268, 241, 241});
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

/// "second.kernel" has many rows and few columns.
const char *const kTall = R"(model tall(batch = 6) {
  input image : f32[batch, 3, 20]
  target label : i32[batch]
  x = dense(image, 512, name = "first") |> gelu
  x = dense(x, 128, name = "second") |> relu
  logits = flatten(x) |> dense(4, name = "head")
  output probs = softmax(logits)
  loss cross_entropy(logits, label)
  train adam(lr = 0.01)
}
)";

/// The outermost dimension in memory that "second.kernel" has in code for a
/// CPU: rows, or panels of columns or of rows.
struct Outermost {
  unsigned logical;
  int64_t divisor, count, stride;
};

/// What is computed with it is what the reference computes, and nothing is
/// written between its rows.
void expectSeenByNobody(const char *model, const std::string &cpu,
                        const Outermost &expected) {
  Network dense(shared(model, {"reference"}), 3),
      padded(shared(model, {.cpu = cpu}), 3);
  for (const auto &tensor : padded.program().tensors)
    if (tensor.name == "second.kernel") {
      EXPECT_EQ(tensor.dims[0].logical, expected.logical);
      EXPECT_EQ(tensor.dims[0].divisor, expected.divisor);
      EXPECT_EQ(tensor.dims[0].stride, expected.stride);
      EXPECT_EQ(tensor.bytes, expected.count * expected.stride * 4);
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
  for (Network *network : {&dense, &padded})
    network->call("train_step", 4);
  for (const std::string &name : trainedNames(dense))
    EXPECT_NUMBERS(padded.tensor(name), dense.tensor(name), 1e-3) << name;
}

TEST(Layouts, RowsApartAreSeenByNobody) {
#ifdef __x86_64__
  expectSeenByNobody(kWide, "x86-64", {0, 1, 512, 1024 + 16});
#endif
  fm::codegen::TargetSpec native;
  ASSERT_EQ(fm::codegen::resolveTarget("", "native", native), "");
  const bool panels = native.machine.panelColumns == 16;
  expectSeenByNobody(kWide, "",
                     panels ? Outermost{1, 16, 64, 512 * 16 + 16}
                            : Outermost{0, 1, 512, 1024 + 16});
  expectSeenByNobody(kTall, "",
                     panels ? Outermost{0, 16, 32, 128 * 16 + 16}
                            : Outermost{0, 1, 512, 128});
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

void expectEqualWeights(Code code, int steps, int n) {
  std::string expected;
  for (int threads = 1; threads <= 4; ++threads) {
    SCOPED_TRACE(std::to_string(threads) + " threads");
    CountingPool counting{fm_pool_create(threads)};
    ASSERT_NE(counting.pool, nullptr);
    Network network(code);
    // A call right behind it uses threads, whether they pay or not.
    for (int step = 0; step < steps; ++step) {
      if (threads > 1)
        ASSERT_EQ(fm_set_parallel_for(network.instance(), CountingPool::run,
                                      &counting),
                  FM_OK);
      trainSteps(network, step, step + 1, n);
    }
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

} // namespace
