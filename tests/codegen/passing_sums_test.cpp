//===- passing_sums_test.cpp - Sums taken where their terms are made ------===//
#include <set>
#include <sstream>

#include <gtest/gtest.h>

#include "compiler/codegen/HalideKernel.h"
#include "compiler/codegen/ObjectEmitter.h"
#include "compiler/codegen/PassingSums.h"
#include "compiler/codegen/SplitReductions.h"
#include "tests/codegen/KernelBuilder.h"
#include "tests/codegen/KernelHarness.h"

using namespace fm::test;
using namespace fm::codegen;

namespace {

const ScalarType f32 = ScalarType::F32;
using Shape = std::vector<Extent>;

size_t reductions(const KernelSpec &spec) {
  size_t count = 0;
  for (const Stage &stage : spec.stages)
    count += stage.reduces();
  return count;
}

/// Sum over the third of four loops; `term` gets the indices of a point.
template <typename Term>
auto sumOfRows(KernelBuilder &k, const char *name, const Shape &points,
               Term term) {
  return k.reduce(
      name, {points[0], points[1], points[3]}, {points[2]}, number(f32, 0),
      acc() + term(std::vector<X>{index(0), index(1), index(3), index(2)}));
}

/// y = x * w (1x1), over `points`.
auto contraction(KernelBuilder &k, const Shape &points, int64_t channels) {
  auto x = k.input("x", {points[0], points[1], points[2], fixed(channels)});
  auto w = k.input("w", {fixed(channels), points[3]});
  return k.reduce("y", points, {fixed(channels)}, number(f32, 0),
                  acc() + x({index(0), index(1), index(2), index(4)}) *
                              w({index(4), index(3)}));
}

void expectPassing(const KernelSpec &given, size_t left) {
  const KernelSpec passing = sumsInPassing(given);
  EXPECT_EQ(verify(passing), "");
  EXPECT_EQ(reductions(passing), left);
  std::string schedule;
  CheckOptions options;
  options.schedule = &schedule;
  EXPECT_EQ(check(given, options), "");
  EXPECT_NE(schedule.find("nest y"), std::string::npos) << schedule;
  EXPECT_EQ(schedule.find("nest", schedule.find("nest") + 1), std::string::npos)
      << "one nest writes everything:\n"
      << schedule;
}

std::vector<X> at(const std::vector<X> &i) { return i; }

TEST(PassingSums, OfAContraction) {
  const Shape points = {batch(5), fixed(9), fixed(11), fixed(24)};
  KernelBuilder k("sums");
  auto y = contraction(k, points, 17);
  auto z = k.input("z", points);
  k.output("y", y);
  k.output("s", sumOfRows(k, "s", points, [&](auto i) { return y(at(i)); }));
  k.output("t", sumOfRows(k, "t", points,
                          [&](auto i) { return y(at(i)) * z(at(i)); }));
  EXPECT_EQ(reductions(k.spec), 3u);
  expectPassing(k.spec, 1);
}

// The moments of a row, shifted by its first element.
TEST(PassingSums, OfDistancesFromTheFirst) {
  const Shape points = {batch(4), fixed(7), fixed(16), fixed(20)};
  KernelBuilder k("moments");
  auto y = contraction(k, points, 8);
  auto first = k.pointwise("first", {points[0], points[1], fixed(1), points[3]},
                           y({index(0), index(1), index(2), index(3)}));
  auto distance =
      k.pointwise("distance", points,
                  y({index(0), index(1), index(2), index(3)}) -
                      first({index(0), index(1), integer(0), index(3)}));
  k.output("y", y);
  k.output("s",
           sumOfRows(k, "s", points, [&](auto i) { return distance(at(i)); }));
  k.output("t", sumOfRows(k, "t", points, [&](auto i) {
             return distance(at(i)) * distance(at(i));
           }));
  expectPassing(k.spec, 1);
}

// Behind an epilogue, of what a pointwise kernel writes, of columns.
TEST(PassingSums, OfPointwiseResults) {
  const Shape points = {batch(6), fixed(8), fixed(13), fixed(10)};
  KernelBuilder k("pointwise");
  auto x = k.input("x", points, /*external=*/true);
  auto y = k.pointwise("y", points,
                       relu(x({index(0), index(1), index(2), index(3)})));
  k.output("y", y, /*external=*/true);
  k.output("s", sumOfRows(k, "s", points, [&](auto i) { return y(at(i)); }));
  expectPassing(k.spec, 0);
}

TEST(PassingSums, OfSeveralDimensionsAndInBothOrders) {
  const Shape points = {batch(17), fixed(3), fixed(5), fixed(12)};
  KernelBuilder k("pool");
  auto y = contraction(k, points, 6);
  k.output("y", y);
  k.output("s", k.reduce("s", {points[0], points[3]}, {points[1], points[2]},
                         number(f32, 0),
                         acc() + y({index(0), index(2), index(3), index(1)})));
  expectPassing(k.spec, 1);
}

/// How many quotients a module computes, and how many of them it stores.
std::pair<size_t, size_t> quotientsIn(const std::string &text) {
  std::set<std::string> quotients;
  size_t stored = 0;
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    const size_t name = line.find('%');
    if (line.find(" = fdiv ") != std::string::npos)
      quotients.insert(line.substr(name, line.find(' ', name) - name));
    else if (line.find("store <") != std::string::npos)
      stored += quotients.count(line.substr(name, line.find(',') - name));
  }
  return {quotients.size(), stored};
}

// The formula of what is stored and summed is computed once, not for each.
TEST(PassingSums, ComputeTheirTermsOnce) {
  const Shape points = {batch(8), fixed(28), fixed(28), fixed(64)};
  KernelBuilder k("once");
  auto y = contraction(k, points, 8);
  auto x = k.input("x", points);
  const std::vector<X> here = {index(0), index(1), index(2), index(3)};
  auto z = k.pointwise("z", points, y(here) / (x(here) * x(here) + 1.));
  k.output("z", z);
  k.output("s", sumOfRows(k, "s", points, [&](auto i) { return z(at(i)); }));
  for (const char *cpu : {"haswell", "znver5"}) {
    const TargetSpec target = testTarget(false, cpu);
    // Rows enough for a loop over some of them behind the reduction.
    const KernelSpec spec = scheduledForm(k.spec, target.machine);
    ScheduleChoice choice = choiceOf(planKernel(spec, target.machine));
    ASSERT_EQ(choice.size(), 1u);
    choice[0] = NestChoice();
    choice[0].lanes = target.machine.vectorBits / 32;
    choice[0].tile = {1, 14, 1, choice[0].lanes};
    choice[0].vectorLoop = 3;
    choice[0].order = {0, 1, 2, 3};
    choice[0].parallelLoops = 1;
    choice[0].unrollTile = false;
    const CompiledKernel kernel = compileWithHalide(k.spec, target, choice);
    ASSERT_EQ(kernel.error, "");
    ObjectEmitter emitter(target);
    ASSERT_EQ(emitter.link({kernel}, {kernel.name}, 1), "");
    std::string text;
    ASSERT_EQ(emitter.emit(EmitKind::LlvmIr, text), "");
    const auto [computed, stored] = quotientsIn(text);
    EXPECT_GT(computed, 0u);
    EXPECT_EQ(computed, stored) << cpu;
  }
}

TEST(PassingSums, InF64) {
  const ScalarType f64 = ScalarType::F64;
  const Shape points = {batch(3), fixed(6), fixed(5), fixed(9)};
  KernelBuilder k("wide");
  auto x = k.input("x", points, false, f64);
  auto y = k.pointwise("y", points,
                       x({index(0), index(1), index(2), index(3)}) * 3.0);
  k.output("y", y);
  k.output("s",
           k.reduce("s", {points[0], points[1], points[3]}, {points[2]},
                    number(f64, 0),
                    acc(f64) + y({index(0), index(1), index(3), index(2)})));
  expectPassing(k.spec, 0);
}

// A choice from a file may not reorder what adds up.
TEST(PassingSums, StayInOrder) {
  const Shape points = {batch(4), fixed(9), fixed(16), fixed(24)};
  KernelBuilder k("ordered");
  auto y = contraction(k, points, 8);
  k.output("y", y);
  k.output("s", sumOfRows(k, "s", points, [&](auto i) { return y(at(i)); }));
  const TargetSpec target = testTarget(false);
  const KernelSpec spec = sumsInPassing(k.spec);
  ScheduleChoice choice = choiceOf(planKernel(spec, target.machine));
  ASSERT_EQ(choice.size(), 1u);
  choice[0].parallelLoops = 3;
  choice[0].order = {0, 1, 2, 3};
  choice[0].block.clear();
  choice[0].tile = {1, 1, 1, 8};
  choice[0].vectorLoop = 3;
  choice[0].lanes = 4;
  choice[0].reductionOuter = 0;
  choice[0].reductionSplit = 1;
  choice[0].unrollReduction = 1;
  EXPECT_NE(planKernel(spec, target.machine, choice)
                .problem.message.find("an output adds up along loop 2"),
            std::string::npos);
  choice[0].parallelLoops = 2;
  EXPECT_EQ(planKernel(spec, target.machine, choice).problem.message, "");
  choice[0].tile = {1, 1, 8, 1};
  choice[0].vectorLoop = 2;
  EXPECT_EQ(planKernel(spec, target.machine, choice).problem.field, "vector");
}

TEST(PassingSums, NotOfWhatMovesWithThem) {
  // Sums over samples, or along the contiguous dimension, have no rows of their
  // own; few rows are no parallel loop.
  const Shape points = {batch(20), fixed(3), fixed(5), fixed(12)};
  for (int along : {0, 3}) {
    KernelBuilder k("apart");
    auto y = contraction(k, points, 6);
    k.output("y", y);
    Shape domain = points;
    domain.erase(domain.begin() + along);
    std::vector<X> point;
    for (int d = 0, next = 0; d < 4; ++d)
      point.push_back(d == along ? index(3) : index(next++));
    k.output("s", k.reduce("s", domain, {points[along]}, number(f32, 0),
                           acc() + y(point)));
    EXPECT_EQ(reductions(sumsInPassing(k.spec)), 2u);
    EXPECT_EQ(check(k.spec), "");
  }
  KernelBuilder k("few");
  auto y = contraction(k, {batch(5), fixed(3), fixed(5), fixed(12)}, 6);
  k.output("y", y);
  k.output("s", sumOfRows(k, "s", {batch(5), fixed(3), fixed(5), fixed(12)},
                          [&](auto i) { return y(at(i)); }));
  EXPECT_EQ(reductions(sumsInPassing(k.spec)), 2u);
}

// Forty stages, each of which reads the one before it twice, are forty.
TEST(PassingSums, OfALongChain) {
  const Shape points = {batch(4), fixed(5), fixed(6), fixed(8)};
  KernelBuilder k("chain");
  auto y = contraction(k, points, 3);
  const std::vector<X> here = {index(0), index(1), index(2), index(3)};
  for (int i = 0; i < 40; ++i)
    y = k.pointwise("y" + std::to_string(i), points, y(here) * 0.5 + y(here));
  k.output("y", y);
  k.output("s", sumOfRows(k, "s", points, [&](auto i) { return y(at(i)); }));
  EXPECT_EQ(reductions(sumsInPassing(k.spec)), 1u);
}

TEST(PassingSums, NotOfOtherPoints) {
  const Shape points = {batch(4), fixed(9), fixed(16), fixed(24)};
  KernelBuilder k("neighbours");
  auto y = contraction(k, points, 8);
  k.output("y", y);
  // The next element does not exist yet.
  k.output("s", sumOfRows(k, "s", points, [&](std::vector<X> i) {
             const X here = y(i);
             i[2] = clamp(i[2] + integer(1), 15);
             return here * y(i);
           }));
  EXPECT_EQ(reductions(sumsInPassing(k.spec)), 2u);
  EXPECT_EQ(check(k.spec), "");
}

} // namespace
