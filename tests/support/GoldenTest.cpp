// The golden files say what their README says: layouts, formulas, streams.

#include "tests/support/Golden.h"

#include <gtest/gtest.h>

#include <set>

using namespace fm::test;

namespace {

const std::string folder = "tests/goldens/";

const GoldenCase &find(const std::vector<GoldenCase> &cases,
                       const std::string &name) {
  for (const GoldenCase &golden : cases)
    if (golden.name == name)
      return golden;
  throw std::runtime_error("no golden " + name);
}

TEST(Golden, StreamsAreThoseOfTheScript) {
  Stream stream(1);
  EXPECT_EQ(stream.next(), 0.42320913076400757);
  EXPECT_EQ(stream.next(), 0.5094074010848999);
  EXPECT_EQ(stream.next(), 0.6483593583106995);

  const auto weights = goldenWeights(0, {3, 3, 1, 32});
  EXPECT_EQ(weights.size(), 288u);
  EXPECT_EQ(weights[0], 0.02224685251712799f);
  EXPECT_EQ(weights[1], 0.10590873658657074f);

  const GoldenBatch batch = goldenBatch(0);
  EXPECT_EQ(
      std::vector<int32_t>(batch.labels.begin(), batch.labels.begin() + 6),
      (std::vector<int32_t>{0, 1, 2, 2, 3, 7}));
  EXPECT_EQ(batch.images.front(), 0.9365421533584595);
  EXPECT_EQ(batch.images.back(), 0.031762540340423584);
}

TEST(Golden, EveryCaseIsWhole) {
  const auto cases = readGoldenCases(folder + "ops.json");
  std::set<std::string> names;
  for (const GoldenCase &golden : cases) {
    SCOPED_TRACE(golden.name);
    EXPECT_TRUE(names.insert(golden.name).second);
    EXPECT_FALSE(golden.outputs.empty());
    for (const auto *tensors :
         {&golden.inputs, &golden.outputs, &golden.gradients})
      for (const auto &[name, tensor] : *tensors) {
        size_t count = 1;
        for (int64_t extent : tensor.shape)
          count *= static_cast<size_t>(extent);
        EXPECT_EQ(tensor.data.size(), count) << name;
      }
    for (const auto &[name, gradient] : golden.gradients)
      EXPECT_EQ(gradient.shape, golden.inputs.at(name).shape) << name;
  }
}

// Written out, so that nobody need trust the script about NHWC and HWIO: stride
// 2, "same", an even number of rows, for which the padding is 0 in front and 1
// behind.
TEST(Golden, ConvolutionIsNhwcAndHwio) {
  const auto cases = readGoldenCases(folder + "ops.json");
  const GoldenCase &golden = find(cases, "conv2d.stride_same");
  const auto &[xType, xs, x] = golden.inputs.at("x");
  const auto &[kernelType, ks, kernel] = golden.inputs.at("kernel");
  const auto &bias = golden.inputs.at("bias").data;
  const auto &[yType, ys, y] = golden.outputs.at("y");
  ASSERT_EQ(xs, (std::vector<int64_t>{2, 6, 7, 2}));
  ASSERT_EQ(ks, (std::vector<int64_t>{3, 3, 2, 2}));
  ASSERT_EQ(ys, (std::vector<int64_t>{2, 3, 4, 2}));
  const int64_t top = 0, left = 1;

  for (int64_t n = 0; n < ys[0]; ++n)
    for (int64_t i = 0; i < ys[1]; ++i)
      for (int64_t j = 0; j < ys[2]; ++j)
        for (int64_t o = 0; o < ys[3]; ++o) {
          double sum = bias[o];
          for (int64_t r = 0; r < ks[0]; ++r)
            for (int64_t s = 0; s < ks[1]; ++s)
              for (int64_t c = 0; c < ks[2]; ++c) {
                const int64_t row = 2 * i + r - top, column = 2 * j + s - left;
                if (row >= 0 && row < xs[1] && column >= 0 && column < xs[2])
                  sum += x[((n * xs[1] + row) * xs[2] + column) * xs[3] + c] *
                         kernel[((r * ks[1] + s) * ks[2] + c) * ks[3] + o];
              }
          EXPECT_NEAR(sum, y[((n * ys[1] + i) * ys[2] + j) * ys[3] + o], 1e-12);
        }
}

TEST(Golden, TrainingsAreWhole) {
  for (const std::string name : {"mnist_cnn", "mlp"}) {
    const GoldenTraining training = readGoldenTraining(folder + name + ".json");
    EXPECT_EQ(training.model, name);
    EXPECT_EQ(training.loss.size(), 100u);
    EXPECT_EQ(training.deviationOfTorchF32.size(), 100u);
    EXPECT_EQ(training.gradientAbsSumAtFirstStep.size(),
              training.parameters.size());
    EXPECT_LT(training.loss.back(), 0.6 * training.loss.front());
  }
}

} // namespace
