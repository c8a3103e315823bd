//===- idle_loops_test.cpp - Reductions over what does not change ---------===//
#include <gtest/gtest.h>

#include "compiler/codegen/IdleLoops.h"
#include "tests/codegen/KernelBuilder.h"
#include "tests/codegen/KernelHarness.h"

using namespace fm::test;
using namespace fm::codegen;

namespace {

const ScalarType f32 = ScalarType::F32, i32 = ScalarType::I32;

/// The loops that the last stage's reduction has left. Compiled, the kernel
/// computes what the interpreter does of the one given.
std::string left(const KernelSpec &spec) {
  EXPECT_EQ(verify(spec), "");
  const KernelSpec result = withoutIdleLoops(spec);
  EXPECT_EQ(verify(result), "");
  EXPECT_EQ(check(spec), "");
  std::string text;
  for (const Extent &extent : result.stages.back().reduction)
    text += (text.empty() ? "" : "x") +
            (extent.isSamples ? "n" : std::to_string(extent.size));
  return text;
}

TEST(IdleLoops, SumsOfWhatWasBroadcast) {
  KernelBuilder k("spread");
  auto x = k.input("x", {batch(3), fixed(1)});
  auto wide = k.pointwise("wide", {batch(3), fixed(7)},
                          x({index(0), integer(0)}) * number(f32, 2));
  k.output("y", k.reduce("y", {batch(3)}, {fixed(7)}, number(f32, 1),
                         acc() + wide({index(0), index(1)})));
  EXPECT_EQ(left(k.spec), "");
}

TEST(IdleLoops, OthersStay) {
  KernelBuilder k("spread");
  auto x = k.input("x", {batch(3), fixed(5)});
  auto wide = k.pointwise("wide", {batch(3), fixed(5), fixed(7), fixed(2)},
                          x({index(0), index(1)}));
  k.output("y",
           k.reduce("y", {fixed(2)}, {batch(3), fixed(7), fixed(5)},
                    number(f32, 0),
                    acc() + wide({index(1), index(3), index(2), index(0)})));
  EXPECT_EQ(left(k.spec), "nx5");
}

TEST(IdleLoops, SamplesAreCounted) {
  KernelBuilder k("counted");
  auto x = k.input("x", {fixed(33)});
  k.input("of", {batch(4), fixed(2)});
  k.output("y", k.reduce("y", {fixed(33)}, {batch(4), fixed(2)},
                         number(f32, 0.5), acc() + x({index(0)})));
  EXPECT_EQ(left(k.spec), "");
}

TEST(IdleLoops, IntegersAndExtremes) {
  KernelBuilder k("integers");
  auto x = k.input("x", {fixed(19)}, false, i32);
  auto sum = k.reduce("sum", {fixed(19)}, {fixed(6)}, integer(3, i32),
                      acc(i32) + x({index(0)}));
  k.output("sum", sum);
  k.output("most", k.reduce("most", {fixed(19)}, {fixed(6)}, integer(-9, i32),
                            max(x({index(0)}), acc(i32))));
  EXPECT_EQ(left(k.spec), "");
}

TEST(IdleLoops, TwoResultsOfOnePass) {
  KernelBuilder k("two");
  auto x = k.input("x", {fixed(9), fixed(4)});
  auto y = k.reduce("y", {fixed(9)}, {fixed(3), fixed(4)}, number(f32, 0),
                    acc() + x({index(0), index(2)}));
  const X largest = max(acc(f32, 1), x({index(0), index(2)}));
  auto z = k.result(number(f32, -100), &largest);
  k.output("y", y);
  k.output("z", z);
  EXPECT_EQ(left(k.spec), "4");
}

TEST(IdleLoops, WhatChangesStays) {
  KernelBuilder k("plain");
  auto x = k.input("x", {batch(3), fixed(7)});
  k.output("y", k.reduce("y", {batch(3)}, {fixed(7)}, number(f32, 0),
                         acc() + x({index(0), index(1)})));
  EXPECT_EQ(left(k.spec), "7");
}

} // namespace
