//===- cut_strips_test.cpp - Kernels of one strip of rows -----------------===//
//
// The kernel of a strip, run for every strip of every sample, must compute what
// the interpreter makes of the whole.
//
//===----------------------------------------------------------------------===//
#include <gtest/gtest.h>

#include <cmath>

#include "compiler/codegen/CutStrips.h"
#include "tests/codegen/KernelBuilder.h"
#include "tests/codegen/KernelHarness.h"

using namespace fm::test;
using namespace fm::codegen;

namespace {

const ScalarType f32 = ScalarType::F32;
const int64_t samplesOfAll = 3;

X floorDiv(const X &a, int64_t b) {
  return binary(Op::FloorDiv, a, integer(b));
}

/// 12 rows of 6 x 16 numbers: `own` at its place, and rows of `image` around
/// it. Results: those, sums of their columns, and 24 rows, two of each.
KernelSpec kernelOfRows() {
  KernelBuilder k("rows");
  auto own =
      k.input("own", {batch(samplesOfAll), fixed(12), fixed(6), fixed(16)});
  auto image = k.input(
      "image", {batch(samplesOfAll), fixed(13), fixed(6), fixed(16)}, true);
  auto weights = k.input("weights", {fixed(16)});
  X n = index(0), row = index(1), x = index(2), c = index(3);
  auto mixed = k.pointwise(
      "mixed", {batch(samplesOfAll), fixed(12), fixed(6), fixed(16)},
      own({n, row, x, c}) * weights({c}) +
          image({n, clamp(row - integer(1), 12), x, c}) * 0.5 +
          select(row >= integer(11), number(f32, 0),
                 image({n, row + integer(1), x, c})));
  auto sums =
      k.reduce("sums", {batch(samplesOfAll), fixed(12), fixed(16)}, {fixed(6)},
               number(f32, 0), acc() + mixed({n, row, index(3), x}));
  const X half = floorDiv(row, 2);
  auto doubled = k.pointwise(
      "doubled", {batch(samplesOfAll), fixed(24), fixed(6), fixed(16)},
      select(compare(Op::Eq, row - half * integer(2), integer(0)),
             mixed({n, half, x, c}), mixed({n, half, x, c}) * -3));
  k.output("a", mixed);
  k.output("b", sums);
  k.output("d", doubled, true);
  return k.spec;
}

float someNumber(size_t i) {
  return std::sin(static_cast<float>(i) * 0.7f) + 0.1f;
}

TEST(CutStrips, TogetherAreTheWhole) {
  const KernelSpec whole = kernelOfRows();
  ASSERT_EQ(verify(whole), "");
  std::vector<Tensor> inputs;
  std::vector<std::vector<float>> memory;
  for (const Buffer &buffer : whole.inputs) {
    Tensor tensor{shapeFor(buffer.shape, samplesOfAll), {}};
    int64_t count = 1;
    for (int64_t size : tensor.shape)
      count *= size;
    memory.emplace_back(count + 64);
    for (int64_t i = 0; i < count; ++i) {
      memory.back()[i] = someNumber(i + 100 * memory.size());
      tensor.values.push_back({memory.back()[i], 0});
    }
    inputs.push_back(tensor);
  }
  const std::vector<Tensor> expected = interpret(whole, samplesOfAll, inputs);
  for (int64_t strips : {2, 3, 4, 12}) {
    auto cut =
        cutIntoStrips(whole, strips, {true, false, false, true, true, true});
    ASSERT_TRUE(cut) << strips;
    ASSERT_EQ(verify(*cut), "");
    EXPECT_EQ(cut->outputs[0].buffer.shape[1].size, 12 / strips);
    EXPECT_EQ(cut->outputs[2].buffer.shape[1].size, 24 / strips);
    RunnableKernel kernel(*cut, testTarget(/*asserts=*/true));
    ASSERT_EQ(kernel.error, "");
    std::vector<std::vector<float>> results;
    for (const Tensor &tensor : expected)
      results.emplace_back(tensor.values.size() + 64, -77.0f);
    for (int64_t n = 0; n < samplesOfAll; ++n)
      for (int64_t strip = 0; strip < strips; ++strip) {
        auto at = [&](std::vector<float> &data, const Buffer &buffer,
                      bool isOfStrip) -> void * {
          if (!buffer.shape[0].isSamples)
            return data.data();
          const int64_t bytes =
              n * buffer.dims[0].stride * 4 +
              (isOfStrip ? strip * stripPitch(buffer, strips) : 0);
          return data.data() + bytes / 4;
        };
        void *pointers[] = {at(memory[0], whole.inputs[0], true),
                            at(memory[1], whole.inputs[1], false),
                            at(memory[2], whole.inputs[2], false),
                            at(results[0], whole.outputs[0].buffer, true),
                            at(results[1], whole.outputs[1].buffer, true),
                            at(results[2], whole.outputs[2].buffer, true)};
        ASSERT_EQ(kernel(strip, pointers), 0);
      }
    for (size_t o = 0; o < expected.size(); ++o)
      for (size_t i = 0; i < expected[o].values.size(); ++i)
        ASSERT_NEAR(results[o][i], expected[o].values[i].f, 1e-5)
            << strips << " strips, output " << o << ", element " << i;
  }
}

TEST(CutStrips, NotWhereAnothersRowsAreRead) {
  // Rows of the image are read around the strip's own.
  EXPECT_FALSE(
      cutIntoStrips(kernelOfRows(), 4, {true, true, false, true, true, true}));
}

TEST(CutStrips, NotIntoUnequalParts) {
  EXPECT_FALSE(
      cutIntoStrips(kernelOfRows(), 5, {true, false, false, true, true, true}));
  EXPECT_FALSE(cutIntoStrips(kernelOfRows(), 24,
                             {true, false, false, true, true, true}));
}

TEST(CutStrips, NotOutOfStep) {
  KernelBuilder k("upside_down");
  auto x = k.input("x", {batch(2), fixed(8), fixed(16)});
  X n = index(0), row = index(1), c = index(2);
  const std::vector<Extent> shape = {batch(2), fixed(8), fixed(16)};
  auto twice = k.pointwise("twice", shape, x({n, row, c}) * 2);
  auto sum = k.pointwise("sum", shape,
                         twice({n, integer(7) - row, c}) + x({n, row, c}));
  k.output("y", sum);
  EXPECT_FALSE(cutIntoStrips(k.spec, 4, {false, true}));
}

TEST(CutStrips, RowsAroundAStripAreComputedTwice) {
  KernelBuilder k("around");
  auto x = k.input("x", {batch(2), fixed(9), fixed(16)});
  X n = index(0), row = index(1), c = index(2);
  auto twice =
      k.pointwise("twice", {batch(2), fixed(9), fixed(16)}, x({n, row, c}) * 2);
  auto sum = k.pointwise("sum", {batch(2), fixed(8), fixed(16)},
                         twice({n, row, c}) + twice({n, row + integer(1), c}));
  k.output("y", sum);
  auto cut = cutIntoStrips(k.spec, 4, {false, true});
  ASSERT_TRUE(cut);
  EXPECT_EQ(cut->stages[0].domain[1].size, 3);
  EXPECT_EQ(cut->stages[1].domain[1].size, 2);
  // Unless they are stored, too: then they are others' in part.
  k.output("z", twice);
  EXPECT_FALSE(cutIntoStrips(k.spec, 4, {false, true, true}));
}

/// Products of 6 rows of 4 places, 5 by 16 of them, summed over all rows.
KernelSpec sumOverRows(bool mirrored = false) {
  KernelBuilder k("sum_over_rows");
  auto x = k.input("x", {batch(2), fixed(6), fixed(4), fixed(5)});
  auto y = k.input("y", {batch(2), fixed(6), fixed(4), fixed(16)});
  X n = index(0), i = index(1), j = index(2), row = index(3), place = index(4);
  const X xRow = mirrored ? integer(5) - row : row;
  auto sum = k.reduce("sum", {batch(2), fixed(5), fixed(16)},
                      {fixed(6), fixed(4)}, number(f32, 0),
                      acc() + x({n, xRow, place, i}) * y({n, row, place, j}));
  k.output("z", sum);
  return k.spec;
}

// Small integers: sums are exact in any order. What lies in the result's memory
// before the first strip is not used.
TEST(CutStrips, ASumAddsUpStripByStrip) {
  const KernelSpec whole = sumOverRows();
  ASSERT_EQ(verify(whole), "");
  std::vector<float> x(2 * 6 * 4 * 5 + 64), y(2 * 6 * 4 * 16 + 64);
  for (size_t i = 0; i < x.size(); ++i)
    x[i] = static_cast<float>(i % 7) - 3;
  for (size_t i = 0; i < y.size(); ++i)
    y[i] = static_cast<float>(i % 5) - 2;
  std::vector<float> expected(2 * 5 * 16);
  for (int n = 0; n < 2; ++n)
    for (int place = 0; place < 6 * 4; ++place)
      for (int i = 0; i < 5; ++i)
        for (int j = 0; j < 16; ++j)
          expected[(n * 5 + i) * 16 + j] +=
              x[(n * 24 + place) * 5 + i] * y[(n * 24 + place) * 16 + j];
  // Of x, all rows are given, or those of the strip.
  for (bool ownX : {false, true})
    for (int64_t strips : {2, 3, 6}) {
      auto cut = cutIntoStrips(whole, strips, {ownX, true, false});
      ASSERT_TRUE(cut) << strips;
      ASSERT_EQ(verify(*cut), "");
      ASSERT_EQ(cut->inputs.size(), 3u);
      EXPECT_EQ(cut->outputs[0].inPlace, 2);
      RunnableKernel kernel(*cut, testTarget(/*asserts=*/true));
      ASSERT_EQ(kernel.error, "");
      std::vector<float> z(expected.size() + 64, NAN);
      for (int64_t n = 0; n < 2; ++n)
        for (int64_t strip = 0; strip < strips; ++strip) {
          const int64_t places = n * 24 + strip * 24 / strips;
          float *sum = z.data() + n * 5 * 16;
          void *pointers[] = {x.data() + (ownX ? places : n * 24) * 5,
                              y.data() + places * 16, sum, sum};
          ASSERT_EQ(kernel(strip, pointers), 0);
        }
      for (size_t i = 0; i < expected.size(); ++i)
        ASSERT_EQ(z[i], expected[i]) << strips << " strips, element " << i;
    }
}

TEST(CutStrips, NotASumOverOtherRows) {
  // Those of x go the other way.
  EXPECT_TRUE(cutIntoStrips(sumOverRows(true), 3, {false, true, false}));
  EXPECT_FALSE(cutIntoStrips(sumOverRows(true), 3, {true, true, false}));
  EXPECT_FALSE(cutIntoStrips(sumOverRows(), 4, {true, true, false}));
  // No rows are the strip's.
  EXPECT_FALSE(cutIntoStrips(sumOverRows(), 3, {false, false, false}));
}

} // namespace
