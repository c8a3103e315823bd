//===- flops_test.cpp - Work of a kernel ----------------------------------===//
#include <gtest/gtest.h>

#include "compiler/codegen/Flops.h"
#include "tests/codegen/KernelBuilder.h"

using namespace fm::test;
using namespace fm::codegen;

namespace {

const ScalarType f32 = ScalarType::F32;
const std::vector<Extent> image = {batch(4), fixed(28), fixed(28), fixed(8)};

TEST(TrafficBytes, OfEachOperandOnce) {
  KernelBuilder k("dense");
  auto x = k.input("x", {batch(4), fixed(10)});
  auto w = k.input("w", {fixed(10), fixed(7)});
  k.output("y",
           k.reduce("y", {batch(4), fixed(7)}, {fixed(10)}, number(f32, 0),
                    acc() + x({index(0), index(2)}) * w({index(2), index(1)})));
  EXPECT_EQ(trafficBytes(k.spec, 3),
            (std::vector<double>{4 * 3 * 10, 4 * 10 * 7, 4 * 3 * 7}));
  EXPECT_EQ(contractionFlops(k.spec, 3), 2 * 3 * 7 * 10);
}

TEST(TrafficBytes, OfAPartThatIsRead) {
  KernelBuilder k("quarter");
  auto x = k.input("x", image);
  k.output("y", k.pointwise("y", {batch(4), fixed(14), fixed(14), fixed(8)},
                            x({index(0), index(1) * integer(2),
                               index(2) * integer(2), index(3)})));
  EXPECT_EQ(trafficBytes(k.spec, 4),
            (std::vector<double>{4 * 4 * 14 * 14 * 8, 4 * 4 * 14 * 14 * 8}));
}

TEST(TrafficBytes, OfOverlappingWindows) {
  KernelBuilder k("windows");
  auto x = k.input("x", image);
  k.output("y", k.reduce("y", {batch(4), fixed(20), fixed(26), fixed(8)},
                         {fixed(3), fixed(3)}, number(f32, 0),
                         acc() + x({index(0), index(1) + index(4),
                                    index(2) + index(5), index(3)})));
  EXPECT_EQ(trafficBytes(k.spec, 1),
            (std::vector<double>{4 * 22 * 28 * 8, 4 * 20 * 26 * 8}));
}

TEST(TrafficBytes, OfWhatAStageNeeds) {
  // Of the rectified image the first ten rows, of the input these.
  KernelBuilder k("rows");
  auto x = k.input("x", image);
  auto unused = k.input("unused", {fixed(5)});
  const std::vector<X> here = {index(0), index(1), index(2), index(3)};
  auto positive = k.pointwise("positive", image, relu(x(here)));
  k.output("y", k.pointwise("y", {batch(4), fixed(10), fixed(28), fixed(8)},
                            positive(here)));
  EXPECT_EQ(trafficBytes(k.spec, 2),
            (std::vector<double>{4 * 2 * 10 * 28 * 8, 0, 4 * 2 * 10 * 28 * 8}));
}

TEST(TrafficBytes, OfTwoPlaces) {
  KernelBuilder k("differences");
  auto x = k.input("x", {fixed(100)});
  k.output("y", k.pointwise("y", {fixed(10)},
                            x({index(0)}) - x({index(0) + integer(50)})));
  EXPECT_EQ(trafficBytes(k.spec, 1), (std::vector<double>{4 * 20, 4 * 10}));
}

} // namespace
