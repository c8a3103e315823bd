//===- layouts_test.cpp - Operands in another order -----------------------===//
#include <gtest/gtest.h>

#include "compiler/codegen/Layouts.h"
#include "compiler/codegen/SeparateParts.h"
#include "tests/codegen/KernelBuilder.h"
#include "tests/codegen/KernelHarness.h"

using namespace fm::test;
using namespace fm::codegen;

namespace {

const ScalarType f32 = ScalarType::F32;

/// Logical dimensions of a wish, outermost first; empty if there is none.
std::vector<unsigned> orderWished(const KernelSpec &spec, unsigned input) {
  for (const LayoutWish &wish :
       wishedLayouts(spec, testTarget(false).machine)) {
    if (wish.input != input)
      continue;
    std::vector<unsigned> order;
    for (const PhysicalDim &dim : wish.dims)
      order.push_back(dim.logical);
    return order;
  }
  return {};
}

KernelSpec copyOf(const std::vector<Extent> &shape,
                  const std::vector<unsigned> &order, ScalarType type = f32,
                  bool external = false, int64_t offset = 0) {
  Buffer from;
  from.type = type;
  from.shape = shape;
  from.dims = rowMajor(shape);
  from.external = external;
  from.offset = offset;
  std::vector<PhysicalDim> dims;
  for (unsigned logical : order)
    dims.push_back(from.dims[logical]);
  int64_t stride = 1;
  for (size_t d = dims.size(); d-- > 0;) {
    dims[d].stride = stride;
    stride *= dims[d].extent.size;
  }
  return copyKernel(from, dims);
}

void expectCopy(const KernelSpec &spec) {
  EXPECT_TRUE(asCopy(spec).has_value());
  EXPECT_EQ(check(spec), "");
}

TEST(Layouts, Copies) {
  expectCopy(copyOf({fixed(64), fixed(64)}, {1, 0}));
  expectCopy(copyOf({fixed(37), fixed(19)}, {1, 0}));
  expectCopy(copyOf({fixed(5), fixed(3)}, {1, 0}));
  expectCopy(copyOf({fixed(2), fixed(40)}, {1, 0}));
  expectCopy(copyOf({fixed(3), fixed(3), fixed(20), fixed(33)}, {0, 1, 3, 2}));
  expectCopy(copyOf({fixed(18), fixed(3), fixed(17)}, {1, 2, 0}));
  expectCopy(copyOf({fixed(17), fixed(23)}, {1, 0}, ScalarType::F64));
  expectCopy(copyOf({fixed(17), fixed(23)}, {1, 0}, f32, true));
  expectCopy(copyOf({fixed(17), fixed(23)}, {1, 0}, f32, false, 5));
  expectCopy(copyOf({batch(5), fixed(17), fixed(23)}, {0, 2, 1}));
}

// 128 KiB and more are shared among threads: along rows, along samples that may
// be fewer than tasks, and along both sides of the last, overlapping block.
TEST(Layouts, SharedCopies) {
  expectCopy(copyOf({fixed(256), fixed(128)}, {1, 0}));
  expectCopy(copyOf({fixed(203), fixed(171)}, {1, 0}));
  expectCopy(copyOf({fixed(7), fixed(4691)}, {1, 0}));
  expectCopy(copyOf({fixed(4691), fixed(7)}, {1, 0}));
  expectCopy(copyOf({fixed(3), fixed(117), fixed(99)}, {0, 2, 1}));
  expectCopy(copyOf({batch(11), fixed(61), fixed(53)}, {0, 2, 1}));
  expectCopy(copyOf({fixed(203), fixed(171)}, {1, 0}, f32, true, 3));
}

/// A matrix in rows, in panels of 16 columns, or the transposed one's.
enum class Lie { Rows, Columns, Panels, TransposedPanels };
std::vector<PhysicalDim> dimsOf(const std::vector<Extent> &shape, Lie lie) {
  const std::vector<Extent> other{shape[1], shape[0]};
  const bool swapped = lie == Lie::Columns || lie == Lie::TransposedPanels;
  std::vector<PhysicalDim> dims = lie == Lie::Rows      ? rowMajor(shape)
                                  : lie == Lie::Columns ? rowMajor(other)
                                  : lie == Lie::Panels  ? inPanels(shape, 16, 4)
                                                       : inPanels(other, 16, 4);
  for (PhysicalDim &dim : dims)
    dim.logical = swapped ? 1 - dim.logical : dim.logical;
  return dims;
}

// Element (r, c) of 20 rows of 48 lies in panel c / 16, row r, at c % 16.
// Panels of 1280 bytes follow each other, those of 2048 one row further apart.
TEST(Layouts, Panels) {
  Buffer buffer;
  buffer.shape = {fixed(20), fixed(48)};
  buffer.dims = inPanels(buffer.shape, 16, 4);
  EXPECT_TRUE(liesInPanels(buffer));
  EXPECT_EQ(offsetOf(buffer, {0, 15}), 15);
  EXPECT_EQ(offsetOf(buffer, {1, 0}), 16);
  EXPECT_EQ(offsetOf(buffer, {19, 47}), 2 * 320 + 19 * 16 + 15);
  buffer.shape = {fixed(32), fixed(48)};
  buffer.dims = inPanels(buffer.shape, 16, 4);
  EXPECT_EQ(offsetOf(buffer, {2, 33}), 2 * (512 + 16) + 2 * 16 + 1);
  buffer.dims = rowMajor(buffer.shape);
  EXPECT_FALSE(liesInPanels(buffer));
}

TEST(Layouts, CopiesOfPanels) {
  for (const std::vector<Extent> &shape :
       {std::vector<Extent>{fixed(48), fixed(32)}, {fixed(320), fixed(208)}})
    for (auto [from, to] : {std::pair(Lie::Panels, Lie::TransposedPanels),
                            std::pair(Lie::TransposedPanels, Lie::Panels),
                            std::pair(Lie::Panels, Lie::Columns),
                            std::pair(Lie::Rows, Lie::TransposedPanels),
                            std::pair(Lie::Columns, Lie::Panels)}) {
      Buffer buffer;
      buffer.type = f32;
      buffer.shape = shape;
      buffer.dims = dimsOf(shape, from);
      expectCopy(copyKernel(buffer, dimsOf(shape, to)));
    }
}

// Panels of different widths, and orders that have the same contiguous columns,
// are no transposition.
TEST(Layouts, NotACopyOfPanels) {
  Buffer buffer;
  buffer.type = f32;
  buffer.shape = {fixed(64), fixed(64)};
  buffer.dims = inPanels(buffer.shape, 16, 4);
  EXPECT_FALSE(
      asCopy(copyKernel(buffer, inPanels(buffer.shape, 32, 4))).has_value());
  const KernelSpec rows = copyKernel(buffer, rowMajor(buffer.shape));
  EXPECT_FALSE(asCopy(rows).has_value());
  EXPECT_EQ(check(rows), "");
}

// A negative width stands for rows: (r, c) lies in panel r / 16, at c and r
// % 16.
TEST(Layouts, PanelsOfRows) {
  Buffer buffer;
  buffer.shape = {fixed(48), fixed(20)};
  buffer.dims = inPanels(buffer.shape, -16, 4);
  EXPECT_TRUE(liesInPanels(buffer));
  EXPECT_EQ(offsetOf(buffer, {15, 0}), 15);
  EXPECT_EQ(offsetOf(buffer, {0, 1}), 16);
  EXPECT_EQ(offsetOf(buffer, {47, 19}), 2 * 320 + 19 * 16 + 15);
}

/// y = x w of 70 rows of 64 numbers, and w after a step of descent by dy, for
/// weights in panels.
void checkWeights(Lie lie) {
  KernelBuilder forward("dense");
  auto x = forward.input("x", {batch(70), fixed(64)}),
       w = forward.input("w", {fixed(64), fixed(96)});
  forward.output("y", forward.reduce("y", {batch(70), fixed(96)}, {fixed(64)},
                                     number(f32, 0),
                                     acc() + x({index(0), index(2)}) *
                                                 w({index(2), index(1)})));
  forward.spec.inputs[1].dims = dimsOf({fixed(64), fixed(96)}, lie);
  EXPECT_EQ(check(forward.spec), "");

  KernelBuilder step("step");
  auto a = step.input("x", {batch(70), fixed(64)}),
       dy = step.input("dy", {batch(70), fixed(96)}),
       before = step.input("w", {fixed(64), fixed(96)});
  auto gradient =
      step.reduce("g", {fixed(64), fixed(96)}, {batch(70)}, number(f32, 0),
                  acc() + a({index(2), index(0)}) * dy({index(2), index(1)}));
  step.output("u",
              step.pointwise("u", {fixed(64), fixed(96)},
                             before({index(0), index(1)}) -
                                 gradient({index(0), index(1)}) * 0.01),
              false, 2);
  step.spec.inputs[2].dims = step.spec.outputs[0].buffer.dims =
      dimsOf({fixed(64), fixed(96)}, lie);
  EXPECT_EQ(check(step.spec), "");
}

TEST(Layouts, WeightsInPanels) { checkWeights(Lie::Panels); }
TEST(Layouts, WeightsInPanelsOfRows) { checkWeights(Lie::TransposedPanels); }

TEST(Layouts, NotACopyOfBlocks) {
  EXPECT_FALSE(asCopy(copyOf({fixed(4), fixed(8)}, {0, 1})).has_value());
  EXPECT_FALSE(asCopy(copyOf({batch(4), fixed(8)}, {1, 0})).has_value());
  EXPECT_EQ(check(copyOf({batch(4), fixed(8)}, {1, 0})), "");
}

/// A border around [n, 5, 6, 40]: one row above, two below, a column on the
/// right.
TEST(Layouts, Border) {
  Buffer padded;
  padded.type = f32;
  padded.shape = {batch(3), fixed(8), fixed(7), fixed(40)};
  padded.dims = rowMajor(padded.shape);
  KernelSpec spec = borderKernel(padded, std::vector<int64_t>{0, 1, 0, 0},
                                 std::vector<int64_t>{0, 2, 1, 0}, 2.5);
  ASSERT_EQ(spec.outputs.size(), 3u);
  RunnableKernel kernel(spec, testTarget(true));
  ASSERT_EQ(kernel.error, "");
  std::vector<float> memory(3 * 8 * 7 * 40 + 64, -1.0f);
  void *pointers[] = {memory.data(), memory.data(), memory.data()};
  ASSERT_EQ(kernel(2, pointers), 0);
  for (int n = 0; n < 3; ++n)
    for (int h = 0; h < 8; ++h)
      for (int w = 0; w < 7; ++w)
        for (int c = 0; c < 40; ++c) {
          const bool isBorder = n < 2 && (h < 1 || h >= 6 || w >= 6);
          ASSERT_EQ(memory[((n * 8 + h) * 7 + w) * 40 + c],
                    isBorder ? 2.5f : -1.0f)
              << n << " " << h << " " << w << " " << c;
        }
}

/// z[n, i, j] = sum of a[n, i, k] * b[n, j, k], where a and b are two of three
/// slices of rows of 24: 8 and 16 are where they begin.
TEST(Layouts, PartsAreInputsOfTheirOwn) {
  KernelBuilder k("parts");
  auto x = k.input("x", {batch(3), fixed(5), fixed(24)});
  auto y = k.input("y", {batch(3), fixed(5), fixed(5)});
  auto a = k.pointwise("a", {batch(3), fixed(5), fixed(8)},
                       x({index(0), index(1), index(2) + integer(8)}));
  auto z =
      k.reduce("z", {batch(3), fixed(5), fixed(5)}, {fixed(8)}, number(f32, 0),
               acc() + a({index(0), index(1), index(3)}) *
                           x({index(0), index(2), index(3) + integer(16)}));
  k.output("z", k.pointwise("sum", {batch(3), fixed(5), fixed(5)},
                            z({index(0), index(1), index(2)}) +
                                y({index(0), index(1), index(2)})));
  KernelSpec spec = k.spec;
  EXPECT_EQ(separateParts(spec), (std::vector<unsigned>{0, 1, 0}));
  EXPECT_EQ(verify(spec), "");
  ASSERT_EQ(spec.inputs.size(), 3u);
  EXPECT_EQ(spec.inputs[0].offset, 8);
  EXPECT_EQ(spec.inputs[2].offset, 16);
  for (int part : {0, 2}) {
    EXPECT_EQ(spec.inputs[part].shape[2].size, 8);
    EXPECT_EQ(spec.inputs[part].dims[1].stride, 24);
    EXPECT_EQ(spec.inputs[part].dims[0].stride, 5 * 24);
  }
  EXPECT_EQ(check(spec), "");
  RunnableKernel kernel(spec, testTarget(true));
  ASSERT_EQ(kernel.error, "");
  // Row i of a sample is i + 1 in its second third, 1 in its last.
  std::vector<float> in(3 * 5 * 24 + 64, 1000.0f), other(3 * 5 * 5 + 64),
      out(3 * 5 * 5);
  for (int row = 0; row < 15; ++row)
    for (int c = 8; c < 24; ++c)
      in[row * 24 + c] = c < 16 ? row % 5 + 1.0f : 1.0f;
  void *pointers[] = {in.data(), other.data(), in.data(), out.data()};
  ASSERT_EQ(kernel(3, pointers), 0);
  for (int i = 0; i < 3 * 5 * 5; ++i)
    ASSERT_EQ(out[i], 8.0f * (i / 5 % 5 + 1));
}

/// Nothing of its only input is made an input of its own.
void expectUntouched(const KernelSpec &given) {
  KernelSpec spec = given;
  EXPECT_EQ(separateParts(spec), std::vector<unsigned>{0});
  EXPECT_EQ(toString(spec), toString(given));
}

TEST(Layouts, PartsThatOverlapAreOneInput) {
  KernelBuilder k("overlap");
  auto x = k.input("x", {batch(3), fixed(24)});
  k.output("z", k.reduce("z", {batch(3)}, {fixed(16)}, number(f32, 0),
                         acc() + x({index(0), index(1)}) *
                                     x({index(0), index(1) + integer(8)})));
  expectUntouched(k.spec);
}

// Nor is there a reason to, where no reduction reads them, ...
TEST(Layouts, PartsOfPointwiseOperandsAreOneInput) {
  KernelBuilder k("pointwise");
  auto x = k.input("x", {batch(3), fixed(24)});
  k.output("z", k.pointwise("z", {batch(3), fixed(8)},
                            x({index(0), index(1)}) *
                                x({index(0), index(1) + integer(8)})));
  expectUntouched(k.spec);
}

// ... and what is overwritten stays where it is.
TEST(Layouts, PartsOfWhatIsOverwrittenAreOneInput) {
  KernelBuilder k("overwrite");
  auto w = k.input("w", {fixed(6), fixed(8)});
  k.output("z", k.reduce("row", {}, {fixed(8)}, number(f32, 0),
                         acc() + w({integer(0), index(0)})));
  k.output(
      "v",
      k.pointwise("v", {fixed(6), fixed(8)}, w({index(0), index(1)}) * 2.0),
      false, 0);
  expectUntouched(k.spec);
}

TEST(Layouts, DenseInputGradientWantsTransposedWeights) {
  KernelBuilder k("dense_dx");
  auto dy = k.input("dy", {batch(64), fixed(128)});
  auto w = k.input("w", {fixed(256), fixed(128)});
  k.output(
      "dx",
      k.reduce("dx", {batch(64), fixed(256)}, {fixed(128)}, number(f32, 0),
               acc() + dy({index(0), index(2)}) * w({index(1), index(2)})));
  EXPECT_EQ(orderWished(k.spec, 0), std::vector<unsigned>());
  EXPECT_EQ(orderWished(k.spec, 1), (std::vector<unsigned>{1, 0}));
}

TEST(Layouts, DenseInputGradientWantsTransposedPanels) {
  KernelBuilder k("dense_dx");
  const std::vector<Extent> shape{fixed(256), fixed(128)};
  auto dy = k.input("dy", {batch(64), fixed(128)});
  auto w = k.input("w", shape);
  k.output(
      "dx",
      k.reduce("dx", {batch(64), fixed(256)}, {fixed(128)}, number(f32, 0),
               acc() + dy({index(0), index(2)}) * w({index(1), index(2)})));
  k.spec.inputs[1].dims = dimsOf(shape, Lie::Panels);
  const auto wishes = wishedLayouts(k.spec, testTarget(false).machine);
  ASSERT_EQ(wishes.size(), 1u);
  EXPECT_EQ(wishes[0].input, 1u);
  EXPECT_EQ(wishes[0].dims, dimsOf(shape, Lie::TransposedPanels));
}

// And the other way round: its input gradient has what it wants, its forward
// pass reads a copy.
TEST(Layouts, DenseWantsPanelsOfColumns) {
  for (bool gradient : {false, true}) {
    KernelBuilder k("dense");
    const std::vector<Extent> shape{fixed(256), fixed(128)};
    const Extent columns = shape[gradient ? 0 : 1],
                 summed = shape[gradient ? 1 : 0];
    auto x = k.input("x", {batch(64), summed});
    auto w = k.input("w", shape);
    const X weight =
        gradient ? w({index(1), index(2)}) : w({index(2), index(1)});
    k.output("y", k.reduce("y", {batch(64), columns}, {summed}, number(f32, 0),
                           acc() + x({index(0), index(2)}) * weight));
    k.spec.inputs[1].dims = dimsOf(shape, Lie::TransposedPanels);
    const auto wishes = wishedLayouts(k.spec, testTarget(false).machine);
    ASSERT_EQ(wishes.size(), gradient ? 0u : 1u);
    if (!gradient) {
      EXPECT_EQ(wishes[0].input, 1u);
      EXPECT_EQ(wishes[0].dims, dimsOf(shape, Lie::Panels));
    }
  }
}

TEST(Layouts, ConvInputGradientWantsChannelsSwapped) {
  KernelBuilder k("conv_dx");
  auto dy = k.input("dy", {batch(16), fixed(15), fixed(15), fixed(64)});
  auto w = k.input("w", {fixed(3), fixed(3), fixed(32), fixed(64)});
  k.output("dx",
           k.reduce("dx", {batch(16), fixed(13), fixed(13), fixed(32)},
                    {fixed(3), fixed(3), fixed(64)}, number(f32, 0),
                    acc() + dy({index(0), index(1) - index(4) + integer(2),
                                index(2) - index(5) + integer(2), index(6)}) *
                                w({index(4), index(5), index(3), index(6)})));
  EXPECT_EQ(orderWished(k.spec, 0), std::vector<unsigned>());
  EXPECT_EQ(orderWished(k.spec, 1), (std::vector<unsigned>{0, 1, 3, 2}));
}

TEST(Layouts, NothingWishedWhereAllIsWell) {
  KernelBuilder k("dense");
  auto x = k.input("x", {batch(64), fixed(256)});
  auto w = k.input("w", {fixed(256), fixed(128)});
  k.output("y",
           k.reduce("y", {batch(64), fixed(128)}, {fixed(256)}, number(f32, 0),
                    acc() + x({index(0), index(2)}) * w({index(2), index(1)})));
  EXPECT_TRUE(wishedLayouts(k.spec, testTarget(false).machine).empty());
}

} // namespace
