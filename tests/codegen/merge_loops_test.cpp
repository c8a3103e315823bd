//===- merge_loops_test.cpp - Loops over contiguous memory as one ---------===//
#include <gtest/gtest.h>

#include "compiler/codegen/MergeLoops.h"
#include "tests/codegen/KernelBuilder.h"
#include "tests/codegen/KernelHarness.h"

using namespace fm::test;
using namespace fm::codegen;

namespace {

const ScalarType f32 = ScalarType::F32;
const std::vector<X> here = {index(0), index(1), index(2), index(3)};

std::string shapeOf(const std::vector<Extent> &extents) {
  std::string text;
  for (const Extent &extent : extents)
    text += (text.empty() ? "" : "x") +
            (extent.isSamples ? "n" : std::to_string(extent.size));
  return text;
}

/// The domain of stage `s` when its loops are merged. Compiled, the kernel
/// computes what the interpreter does of the one given.
std::string merged(const KernelSpec &spec, size_t s = 0) {
  EXPECT_EQ(verify(spec), "");
  const KernelSpec result = mergeLoops(spec);
  EXPECT_EQ(verify(result), "");
  EXPECT_EQ(check(spec), "");
  return shapeOf(result.stages[s].domain);
}

TEST(MergeLoops, PixelsAndChannelsOfAnImage) {
  KernelBuilder k("scaled");
  auto x = k.input("x", {batch(3), fixed(33), fixed(47), fixed(3)}, true);
  k.output("y", k.pointwise("y", {batch(3), fixed(33), fixed(47), fixed(3)},
                            x(here) * number(f32, 2)));
  EXPECT_EQ(merged(k.spec), "nx4653");
}

TEST(MergeLoops, WholeVectorsStay) {
  KernelBuilder k("scaled");
  auto x = k.input("x", {batch(3), fixed(33), fixed(47), fixed(32)}, true);
  k.output("y", k.pointwise("y", {batch(3), fixed(33), fixed(47), fixed(32)},
                            x(here) * number(f32, 2)));
  EXPECT_EQ(merged(k.spec), "nx33x47x32");
}

TEST(MergeLoops, ALongOuterLoopStaysParallel) {
  KernelBuilder k("scaled");
  auto x = k.input("x", {fixed(4000), fixed(10)});
  k.output("y", k.pointwise("y", {fixed(4000), fixed(10)},
                            x({index(0), index(1)}) * number(f32, 2)));
  EXPECT_EQ(merged(k.spec), "4000x10");
}

TEST(MergeLoops, LoopsStayInTheRangeOfIndices) {
  KernelBuilder k("broadcast");
  auto x = k.input("x", {fixed(40)});
  k.output("y", k.reduce("y", {fixed(40)}, {fixed(1 << 29), fixed(8)},
                         number(f32, 0), acc() + x({index(0)})));
  EXPECT_EQ(shapeOf(mergeLoops(k.spec).stages[0].reduction), "536870912x8");
}

TEST(MergeLoops, AChannelsBiasForbidsIt) {
  KernelBuilder k("biased");
  auto x = k.input("x", {batch(3), fixed(5), fixed(47), fixed(3)});
  auto b = k.input("b", {fixed(3)});
  k.output("y", k.pointwise("y", {batch(3), fixed(5), fixed(47), fixed(3)},
                            x(here) + b({index(3)})));
  EXPECT_EQ(merged(k.spec), "nx5x47x3");
}

TEST(MergeLoops, GapsForbidIt) {
  KernelBuilder k("apart");
  auto x = k.input("x", {batch(3), fixed(20), fixed(3)});
  k.spec.inputs[0].dims = rowMajor(k.spec.inputs[0].shape, {{1, 4}});
  k.output("y", k.pointwise("y", {batch(3), fixed(20), fixed(3)},
                            x({index(0), index(1), index(2)})));
  EXPECT_EQ(merged(k.spec), "nx20x3");
}

TEST(MergeLoops, GapsOfTheOutputForbidIt) {
  KernelBuilder k("apart");
  auto x = k.input("x", {batch(3), fixed(20), fixed(3)});
  auto &y = k.output("y", k.pointwise("y", {batch(3), fixed(20), fixed(3)},
                                      x({index(0), index(1), index(2)})));
  y.buffer.dims = rowMajor(y.buffer.shape, {{1, 4}});
  EXPECT_EQ(merged(k.spec), "nx20x3");
}

TEST(MergeLoops, ReadInAnotherOrderForbidsIt) {
  KernelBuilder k("turned");
  auto x = k.input("x", {batch(3), fixed(3), fixed(20)});
  k.output("y", k.pointwise("y", {batch(3), fixed(20), fixed(3)},
                            x({index(0), index(2), index(1)})));
  EXPECT_EQ(merged(k.spec), "nx20x3");
}

TEST(MergeLoops, ComparedNumbersAreNoRows) {
  const ScalarType i64 = ScalarType::I64;
  KernelBuilder k("rectified");
  auto x = k.input("x", {batch(3), fixed(20), fixed(3)}, false, i64);
  const X here = x({index(0), index(1), index(2)});
  k.output("y", k.pointwise("y", {batch(3), fixed(20), fixed(3)},
                            select(compare(Op::Lt, here, integer(0)),
                                   integer(0), here)));
  EXPECT_EQ(merged(k.spec), "nx60");
}

TEST(MergeLoops, RowsAreComparedAsAWhole) {
  for (Op op : {Op::Lt, Op::Le, Op::Gt, Op::Ge}) {
    KernelBuilder k("masked");
    auto x = k.input("x", {batch(3), fixed(20), fixed(3)});
    k.output(
        "y",
        k.pointwise("y", {batch(3), fixed(20), fixed(3)},
                    select(compare(op, index(1) - integer(2), integer(7)),
                           x({index(0), index(1), index(2)}), number(f32, 5))));
    EXPECT_EQ(merged(k.spec), "nx60");
  }
}

TEST(MergeLoops, ComparedChannelsForbidIt) {
  KernelBuilder k("masked");
  auto x = k.input("x", {batch(3), fixed(20), fixed(3)});
  k.output("y", k.pointwise("y", {batch(3), fixed(20), fixed(3)},
                            select(index(2) < integer(1),
                                   x({index(0), index(1), index(2)}),
                                   number(f32, 5))));
  EXPECT_EQ(merged(k.spec), "nx20x3");
}

TEST(MergeLoops, AnImageMovedByPixels) {
  KernelBuilder k("moved");
  auto x = k.input("x", {batch(3), fixed(24), fixed(3)});
  k.output("y",
           k.pointwise("y", {batch(3), fixed(20), fixed(3)},
                       x({index(0), index(1) + integer(4), index(2)}) +
                           x({index(0), integer(3) + index(1), index(2)})));
  EXPECT_EQ(merged(k.spec), "nx60");
}

TEST(MergeLoops, AWindowsRowAndItsChannels) {
  KernelBuilder k("convolution");
  auto x = k.input("x", {batch(3), fixed(11), fixed(23), fixed(3)});
  auto w = k.input("w", {fixed(5), fixed(5), fixed(3), fixed(20)});
  const X element = x({index(0), index(1) * integer(2) + index(4),
                       index(2) * integer(2) + index(5), index(6)}) *
                    w({index(4), index(5), index(6), index(3)});
  k.output("y", k.reduce("y", {batch(3), fixed(4), fixed(10), fixed(20)},
                         {fixed(5), fixed(5), fixed(3)}, number(f32, 0),
                         acc() + element));
  EXPECT_EQ(merged(k.spec), "nx4x10x20");
  EXPECT_EQ(shapeOf(mergeLoops(k.spec).stages[0].reduction), "5x15");
}

TEST(MergeLoops, PixelsThatALayerSeesByThemselves) {
  KernelBuilder k("dense");
  auto x = k.input("x", {batch(3), fixed(7), fixed(7), fixed(40)});
  auto w = k.input("w", {fixed(40), fixed(24)});
  k.output("y", k.reduce("y", {batch(3), fixed(7), fixed(7), fixed(24)},
                         {fixed(40)}, number(f32, 0),
                         acc() + x({index(0), index(1), index(2), index(4)}) *
                                     w({index(4), index(3)})));
  EXPECT_EQ(merged(k.spec), "nx49x24");
}

TEST(MergeLoops, OffsetsOfSeveralLoadsAreKeptApart) {
  // Each load's offset is a sum of its own: 2 i + 4, 3 i + 1 and 4 i + 2.
  KernelBuilder k("moved");
  auto x = k.input("x", {batch(3), fixed(60), fixed(3)});
  auto w = k.input("w", {fixed(5), fixed(3), fixed(20)});
  auto at = [&](int64_t step, int64_t first) {
    return x({index(0), (index(1) * integer(step) + index(3)) + integer(first),
              index(4)});
  };
  k.output("y", k.reduce("y", {batch(3), fixed(10), fixed(20)},
                         {fixed(5), fixed(3)}, number(f32, 0),
                         acc() + (at(2, 4) + at(3, 1) * 2 + at(4, 2) * 3) *
                                     w({index(3), index(4), index(2)})));
  EXPECT_EQ(merged(k.spec), "nx10x20");
  EXPECT_EQ(shapeOf(mergeLoops(k.spec).stages[0].reduction), "15");
}

TEST(MergeLoops, TwoPairsThatReadOneTensor) {
  KernelBuilder k("products");
  auto x = k.input("x", {fixed(5), fixed(3)});
  k.output("y", k.pointwise("y", {fixed(5), fixed(3), fixed(5), fixed(3)},
                            x({index(0), index(1)}) * x({index(2), index(3)})));
  EXPECT_EQ(merged(k.spec), "15x15");
}

TEST(MergeLoops, StagesAreMergedTogether) {
  KernelBuilder k("squares");
  auto x = k.input("x", {batch(3), fixed(20), fixed(3)});
  auto square = k.pointwise("square", {batch(3), fixed(20), fixed(3)},
                            x({index(0), index(1), index(2)}) *
                                x({index(0), index(1), index(2)}));
  auto sum = k.reduce("sum", {batch(3)}, {fixed(20), fixed(3)}, number(f32, 0),
                      acc() + square({index(0), index(1), index(2)}));
  k.output("square", square);
  k.output("sum", sum);
  EXPECT_EQ(merged(k.spec), "nx60");
  EXPECT_EQ(shapeOf(mergeLoops(k.spec).stages[1].reduction), "60");
}

TEST(MergeLoops, AStageThatOneForbidsForbidsAll) {
  KernelBuilder k("squares");
  auto x = k.input("x", {batch(3), fixed(20), fixed(3)});
  auto square = k.pointwise("square", {batch(3), fixed(20), fixed(3)},
                            x({index(0), index(1), index(2)}) *
                                x({index(0), index(1), index(2)}));
  auto sum = k.reduce("sum", {batch(3), fixed(3)}, {fixed(20)}, number(f32, 0),
                      acc() + square({index(0), index(2), index(1)}));
  k.output("square", square);
  k.output("sum", sum);
  EXPECT_EQ(merged(k.spec), "nx20x3");
}

} // namespace
