//===- join_test.cpp - Reductions of the same points in one pass ----------===//
#include <gtest/gtest.h>

#include "compiler/codegen/JoinReductions.h"
#include "tests/codegen/KernelBuilder.h"
#include "tests/codegen/KernelHarness.h"

using namespace fm::test;
using namespace fm::codegen;

namespace {

const ScalarType f32 = ScalarType::F32;
const std::vector<Extent> points = {batch(6), fixed(9)};

size_t reductions(const KernelSpec &spec) {
  size_t count = 0;
  for (const Stage &stage : spec.stages)
    count += stage.reduces();
  return count;
}

/// Sums over all but the channels of what `element` makes of a position.
template <typename Element>
auto sumOf(KernelBuilder &k, const char *name, Element element) {
  return k.reduce(name, {fixed(40)}, points, number(f32, 0),
                  acc() + element(std::vector<X>{index(1), index(2), index(0)}));
}

TEST(JoinReductions, SumsOfOneTensor) {
  KernelBuilder k("sums");
  auto dy = k.input("dy", {batch(6), fixed(9), fixed(40)});
  auto x = k.input("x", {batch(6), fixed(9), fixed(40)});
  auto first = sumOf(k, "first", [&](auto at) { return dy(at); });
  auto second = sumOf(k, "second", [&](auto at) { return dy(at) * x(at); });
  auto half = k.pointwise("half", {fixed(40)},
                          first({index(0)}) * number(f32, 0.5));
  k.output("a", half);
  k.output("b", second);
  EXPECT_EQ(reductions(k.spec), 2u);
  const KernelSpec joined = joinReductions(k.spec);
  EXPECT_EQ(verify(joined), "");
  EXPECT_EQ(reductions(joined), 1u);
  EXPECT_EQ(check(k.spec), ""); // compiled in the joined form
}

TEST(JoinReductions, NotIfOneNeedsTheOther) {
  KernelBuilder k("variance");
  auto x = k.input("x", {batch(6), fixed(9), fixed(40)});
  auto mean = sumOf(k, "mean", [&](auto at) { return x(at); });
  auto variance = sumOf(k, "variance", [&](auto at) {
    auto d = x(at) - mean({index(0)});
    return d * d;
  });
  k.output("v", variance);
  EXPECT_EQ(reductions(joinReductions(k.spec)), 2u);
  EXPECT_EQ(check(k.spec), "");
}

TEST(JoinReductions, NotIfNothingIsShared) {
  KernelBuilder k("apart");
  auto x = k.input("x", {batch(6), fixed(9), fixed(40)});
  auto y = k.input("y", {batch(6), fixed(9), fixed(40)});
  k.output("a", sumOf(k, "first", [&](auto at) { return x(at); }));
  k.output("b", sumOf(k, "second", [&](auto at) { return y(at); }));
  EXPECT_EQ(reductions(joinReductions(k.spec)), 2u);
}

} // namespace
