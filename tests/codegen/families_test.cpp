//===- families_test.cpp - Every family of kernels, at chosen shapes
//-------===//
#include <gtest/gtest.h>

#include "tests/codegen/KernelBuilder.h"
#include "tests/codegen/KernelHarness.h"

using namespace fm::test;

namespace {

const ScalarType f32 = ScalarType::F32;

KernelSpec addRelu(int64_t n, int64_t c) {
  KernelBuilder k("add_relu");
  auto a = k.input("a", {batch(n), fixed(c)}, true);
  auto b = k.input("b", {fixed(c)});
  auto y = k.pointwise("y", {batch(n), fixed(c)},
                       relu(a({index(0), index(1)}) + b({index(1)})));
  k.output("y", y);
  return k.spec;
}

KernelSpec dense(int64_t n, int64_t in, int64_t out, bool external) {
  KernelBuilder k("dense");
  auto x = k.input("x", {batch(n), fixed(in)}, external);
  auto w = k.input("w", {fixed(in), fixed(out)});
  auto b = k.input("b", {fixed(out)});
  auto z = k.reduce("z", {batch(n), fixed(out)}, {fixed(in)}, number(f32, 0),
                    acc() + x({index(0), index(2)}) * w({index(2), index(1)}));
  auto y = k.pointwise("y", {batch(n), fixed(out)},
                       relu(z({index(0), index(1)}) + b({index(1)})));
  k.output("y", y, external);
  return k.spec;
}

KernelSpec conv(int64_t n, int64_t size, int64_t ci, int64_t co, int64_t kernel,
                bool pool) {
  KernelBuilder k("conv");
  const int64_t out = size - kernel + 1;
  auto x = k.input("x", {batch(n), fixed(size), fixed(size), fixed(ci)});
  auto w = k.input("w", {fixed(kernel), fixed(kernel), fixed(ci), fixed(co)});
  auto b = k.input("b", {fixed(co)});
  const std::vector<Extent> domain{batch(n), fixed(out), fixed(out), fixed(co)};
  auto z = k.reduce("z", domain, {fixed(kernel), fixed(kernel), fixed(ci)},
                    number(f32, 0),
                    acc() + x({index(0), index(1) + index(4),
                               index(2) + index(5), index(6)}) *
                                w({index(4), index(5), index(6), index(3)}));
  auto y = k.pointwise(
      "y", domain,
      relu(z({index(0), index(1), index(2), index(3)}) + b({index(3)})));
  if (!pool) {
    k.output("y", y);
    return k.spec;
  }
  const std::vector<Extent> pooled{batch(n), fixed(out / 2), fixed(out / 2),
                                   fixed(co)};
  X at = y({index(0), index(1) * integer(2) + index(4),
            index(2) * integer(2) + index(5), index(3)});
  X better = at > acc(f32, 0);
  auto p = k.reduce("p", pooled, {fixed(2), fixed(2)}, number(f32, -1e30),
                    select(better, at, acc(f32, 0)));
  X position =
      select(better, cast(ScalarType::I8, index(4) * integer(2) + index(5)),
             acc(ScalarType::I8, 1));
  auto q = k.result(integer(0, ScalarType::I8), &position);
  k.output("p", p);
  k.output("q", q);
  return k.spec;
}

KernelSpec convInputGradient(int64_t n, int64_t size, int64_t ci, int64_t co,
                             int64_t kernel) {
  KernelBuilder k("conv_dx");
  const int64_t out = size - kernel + 1;
  auto dy = k.input("dy", {batch(n), fixed(out), fixed(out), fixed(co)});
  auto w = k.input("w", {fixed(kernel), fixed(kernel), fixed(ci), fixed(co)});
  X oy = index(1) - index(4), ox = index(2) - index(5);
  X inside = (oy >= integer(0)) && (oy < integer(out)) && (ox >= integer(0)) &&
             (ox < integer(out));
  X g = select(inside,
               dy({index(0), clamp(oy, out - 1), clamp(ox, out - 1), index(6)}),
               number(f32, 0));
  auto dx = k.reduce("dx", {batch(n), fixed(size), fixed(size), fixed(ci)},
                     {fixed(kernel), fixed(kernel), fixed(co)}, number(f32, 0),
                     acc() + g * w({index(4), index(5), index(3), index(6)}));
  k.output("dx", dx);
  return k.spec;
}

/// Sums over the samples, whose number is not known.
KernelSpec denseKernelGradient(int64_t n, int64_t in, int64_t out) {
  KernelBuilder k("dense_dw");
  auto x = k.input("x", {batch(n), fixed(in)}, true);
  auto dy = k.input("dy", {batch(n), fixed(out)});
  k.output(
      "g",
      k.reduce("g", {fixed(in), fixed(out)}, {batch(n)}, number(f32, 0),
               acc() + x({index(2), index(0)}) * dy({index(2), index(1)})));
  return k.spec;
}

/// Kernel gradient with an Adam update of w, m and v in place.
KernelSpec convKernelGradient(int64_t n, int64_t size, int64_t ci, int64_t co,
                              int64_t kernel) {
  KernelBuilder k("conv_dw");
  const int64_t out = size - kernel + 1;
  auto x = k.input("x", {batch(n), fixed(size), fixed(size), fixed(ci)});
  auto dy = k.input("dy", {batch(n), fixed(out), fixed(out), fixed(co)});
  const std::vector<Extent> domain{fixed(kernel), fixed(kernel), fixed(ci),
                                   fixed(co)};
  const std::vector<X> at{index(0), index(1), index(2), index(3)};
  auto w = k.input("w", domain), m = k.input("m", domain),
       v = k.input("v", domain);
  auto g =
      k.reduce("g", domain, {batch(n), fixed(out), fixed(out)}, number(f32, 0),
               acc() + x({index(4), index(5) + index(0), index(6) + index(1),
                          index(2)}) *
                           dy({index(4), index(5), index(6), index(3)}));
  X gradient = g(at) * 0.01;
  auto m1 = k.pointwise("m1", domain, m(at) * 0.9 + gradient * 0.1);
  auto v1 = k.pointwise("v1", domain,
                        v(at) * v(at) * 0.999 + gradient * gradient * 0.001);
  auto w1 =
      k.pointwise("w1", domain, w(at) - m1(at) * 0.1 / (sqrt(v1(at)) + 0.1));
  k.output("w", w1, false, 2);
  k.output("m", m1, false, 3);
  k.output("v", v1, false, 4);
  return k.spec;
}

KernelSpec softmax(int64_t n, int64_t c, bool withDense) {
  KernelBuilder k("softmax");
  const std::vector<Extent> rows{batch(n)}, domain{batch(n), fixed(c)};
  KernelBuilder::Tensor z;
  if (withDense) {
    auto x = k.input("x", {batch(n), fixed(24)});
    auto w = k.input("w", {fixed(24), fixed(c)});
    z = k.reduce("z", domain, {fixed(24)}, number(f32, 0),
                 acc() + x({index(0), index(2)}) * w({index(2), index(1)}));
  } else {
    z = k.input("z", domain, true);
  }
  auto m = k.reduce("m", rows, {fixed(c)}, number(f32, -1e30),
                    max(acc(), z({index(0), index(1)})));
  auto e =
      k.pointwise("e", domain, exp(z({index(0), index(1)}) - m({index(0)})));
  auto s = k.reduce("s", rows, {fixed(c)}, number(f32, 0),
                    acc() + e({index(0), index(1)}));
  auto y = k.pointwise("y", domain, e({index(0), index(1)}) / s({index(0)}));
  k.output("y", y, true);
  return k.spec;
}

/// As of attention: rows of several heads, whose exponentials stay in scratch.
KernelSpec softmaxOfHeads(int64_t n, int64_t heads, int64_t length) {
  KernelBuilder k("softmax_of_heads");
  const std::vector<Extent> rows{batch(n), fixed(heads), fixed(length)},
      domain{batch(n), fixed(heads), fixed(length), fixed(length)};
  const std::vector<X> row{index(0), index(1), index(2)},
      at{index(0), index(1), index(2), index(3)};
  auto x = k.input("x", domain, true);
  auto z = k.pointwise("z", domain, x(at) * 0.125);
  auto m = k.reduce("m", rows, {fixed(length)}, number(f32, -1e30),
                    max(acc(), z(at)));
  auto e = k.pointwise("e", domain, exp(z(at) - m(row)));
  auto s = k.reduce("s", rows, {fixed(length)}, number(f32, 0), acc() + e(at));
  auto r = k.pointwise("r", rows, number(f32, 1) / s(row));
  k.output("y", k.pointwise("y", domain, e(at) * r(row)), true);
  return k.spec;
}

KernelSpec layerNorm(int64_t n, int64_t c) {
  KernelBuilder k("layer_norm");
  const std::vector<Extent> rows{batch(n)}, domain{batch(n), fixed(c)};
  auto x = k.input("x", domain);
  auto scale = k.input("scale", {fixed(c)});
  auto sum = k.reduce("sum", rows, {fixed(c)}, number(f32, 0),
                      acc() + x({index(0), index(1)}));
  auto mean = k.pointwise("mean", rows, sum({index(0)}) * (1.0 / c));
  X d = x({index(0), index(1)}) - mean({index(0)});
  auto sq = k.reduce("sq", rows, {fixed(c)}, number(f32, 0), acc() + d * d);
  auto r = k.pointwise(
      "r", rows, number(f32, 1) / sqrt(sq({index(0)}) * (1.0 / c) + 1e-5));
  auto y = k.pointwise("y", domain, d * r({index(0)}) * scale({index(1)}));
  k.output("mean", mean);
  k.output("r", r);
  k.output("y", y);
  return k.spec;
}

KernelSpec biasGradient(int64_t n, int64_t size, int64_t c) {
  KernelBuilder k("bias_gradient");
  auto dy = k.input("dy", {batch(n), fixed(size), fixed(size), fixed(c)}, true);
  auto g = k.reduce("g", {fixed(c)}, {batch(n), fixed(size), fixed(size)},
                    number(f32, 0),
                    acc() + dy({index(1), index(2), index(3), index(0)}));
  k.output("g", g);
  return k.spec;
}

/// Mean loss over the samples and the gradient of the logits.
KernelSpec crossEntropy(int64_t n, int64_t c) {
  KernelBuilder k("cross_entropy");
  const std::vector<Extent> rows{batch(n)}, domain{batch(n), fixed(c)};
  auto z = k.input("z", domain);
  auto label = k.input("label", rows, true, ScalarType::I32);
  auto m = k.reduce("m", rows, {fixed(c)}, number(f32, -1e30),
                    max(acc(), z({index(0), index(1)})));
  auto e =
      k.pointwise("e", domain, exp(z({index(0), index(1)}) - m({index(0)})));
  auto s = k.reduce("s", rows, {fixed(c)}, number(f32, 0),
                    acc() + e({index(0), index(1)}));
  X target = cast(ScalarType::I64, label({index(0)}));
  auto l = k.pointwise("l", rows,
                       unary(Op::Log, s({index(0)})) + m({index(0)}) -
                           z({index(0), target}));
  auto loss =
      k.reduce("loss", {}, {batch(n)}, number(f32, 0), acc() + l({index(0)}));
  auto mean = k.pointwise("mean", {}, loss({}) / cast(f32, samples()));
  X hot =
      select(compare(Op::Eq, index(1), target), number(f32, 1), number(f32, 0));
  auto dz = k.pointwise("dz", domain,
                        (e({index(0), index(1)}) / s({index(0)}) - hot) /
                            cast(f32, samples()));
  k.output("loss", mean, true);
  k.output("dz", dz);
  return k.spec;
}

void expectGood(const std::string &problem) {
  EXPECT_TRUE(problem.empty()) << problem;
}

TEST(Families, Pointwise) {
  expectGood(check(addRelu(5, 64)));
  expectGood(check(addRelu(7, 10)));
  expectGood(check(addRelu(3, 1)));
}
TEST(Families, Dense) {
  expectGood(check(dense(64, 96, 64, false)));
  expectGood(check(dense(13, 30, 10, false)));
  expectGood(check(dense(5, 17, 37, true)));
  expectGood(check(dense(1, 64, 64, true)));
}
TEST(Families, Conv) {
  expectGood(check(conv(3, 13, 8, 32, 3, false)));
  expectGood(check(conv(2, 9, 3, 5, 3, false)));
}
TEST(Families, ConvPool) {
  expectGood(check(conv(3, 13, 8, 32, 3, true)));
  expectGood(check(conv(2, 9, 3, 5, 3, true)));
}
TEST(Families, ConvInputGradient) {
  expectGood(check(convInputGradient(3, 13, 8, 32, 3)));
  expectGood(check(convInputGradient(2, 7, 3, 5, 3)));
}
TEST(Families, ConvKernelGradient) {
  expectGood(check(convKernelGradient(3, 13, 8, 32, 3)));
  expectGood(check(convKernelGradient(2, 7, 3, 5, 3)));
}
TEST(Families, Softmax) {
  expectGood(check(softmax(7, 64, false)));
  expectGood(check(softmax(7, 10, false)));
  expectGood(check(softmax(7, 10, true)));
}
TEST(Families, SoftmaxOfHeads) {
  // Four, two rows at once, one; rows with and without a rest behind vectors.
  for (int64_t length : {128, 42, 33})
    expectGood(check(softmaxOfHeads(3, 2, length)));
  // Each exponential is computed once, in scratch of a few rows.
  const RunnableKernel kernel(softmaxOfHeads(3, 2, 128), testTarget(false));
  EXPECT_NE(kernel.schedule.find("scratch e: "), std::string::npos)
      << kernel.schedule;
}

TEST(Families, LayerNorm) {
  expectGood(check(layerNorm(7, 64)));
  expectGood(check(layerNorm(4, 19)));
}
TEST(Families, BiasGradient) {
  expectGood(check(biasGradient(5, 6, 32)));
  expectGood(check(biasGradient(5, 6, 7)));
}
/// A CPU with vectors of 256 bits at most: with 512, one tile would have all
/// columns of the kernels below.
std::string narrowCpu() {
#if defined(__x86_64__)
  return __builtin_cpu_supports("avx2") ? "x86-64-v3" : "x86-64";
#else
  return "native";
#endif
}
/// Schedules with `text` where caches are small.
void expectSchedule(const KernelSpec &spec, const std::string &text) {
  std::string schedule;
  CheckOptions options;
  options.cpu = narrowCpu();
  options.smallCaches = true;
  options.schedule = &schedule;
  expectGood(check(spec, options));
  EXPECT_NE(schedule.find(text), std::string::npos) << schedule;
}
void expectBlocks(const KernelSpec &spec) { expectSchedule(spec, "blocks of"); }
TEST(Blocks, Dense) {
  expectBlocks(dense(64, 96, 64, false));
  expectBlocks(dense(40, 128, 80, true));
  expectBlocks(dense(37, 96, 48, false));
}
TEST(Blocks, Conv) { expectBlocks(conv(1, 9, 64, 32, 3, false)); }
TEST(Blocks, ConvKernelGradient) {
  expectBlocks(convKernelGradient(3, 9, 16, 32, 3));
}
TEST(Blocks, PartsOfSamples) {
  for (int64_t n : {70, 128})
    expectSchedule(denseKernelGradient(n, 48, 64), "and parts of");
}
/// Along the contiguous dimension: partial sums, one a lane.
KernelSpec rows(int64_t n, int64_t h, int64_t c, Op op, bool external) {
  KernelBuilder k("rows");
  auto x = k.input("x", {batch(n), fixed(h), fixed(c)}, external);
  X at = x({index(0), index(1), index(2)});
  auto m = k.reduce("m", {batch(n), fixed(h)}, {fixed(c)}, number(f32, 0.25),
                    binary(op, acc(), op == Op::Add ? at * at : at));
  k.output("m", m, external);
  return k.spec;
}
KernelSpec everything(int64_t n, int64_t h, int64_t c) {
  KernelBuilder k("everything");
  auto x = k.input("x", {batch(n), fixed(h), fixed(c)});
  auto y = k.input("y", {batch(n), fixed(h), fixed(c)}, true);
  const std::vector<X> at{index(0), index(1), index(2)};
  X d = x(at) - y(at);
  k.output("s", k.reduce("s", {}, {batch(n), fixed(h), fixed(c)},
                         number(f32, 0), acc() + d * d));
  return k.spec;
}
TEST(Families, Rows) {
  for (Op op : {Op::Add, Op::Max, Op::Min}) {
    expectGood(check(rows(5, 3, 64, op, false)));
    expectGood(check(rows(3, 2, 37, op, true)));
    expectGood(check(rows(1, 1, 300, op, false)));
    expectGood(check(rows(9, 1, 33, op, true)));
  }
}
TEST(Families, Everything) {
  expectGood(check(everything(3, 5, 64)));
  expectGood(check(everything(3, 5, 129)));
  expectGood(check(everything(1, 1, 1000)));
}
/// What a loss ends with: one number of costly values. Rows that are no
/// multiple of a vector read them in two loops, and no scratch holds all
/// samples.
KernelSpec costlySum(int64_t n, int64_t c, ScalarType type) {
  KernelBuilder k("costly_sum");
  const std::vector<Extent> domain{batch(n), fixed(c)};
  auto x = k.input("x", domain, false, type);
  auto y = k.input("y", domain, true, type);
  const std::vector<X> at{index(0), index(1)};
  auto t = k.pointwise("t", domain, unary(Op::Tanh, x(at)) / (y(at) + 3.0));
  auto d = k.pointwise("d", domain, unary(Op::Abs, t(at) - y(at)));
  k.output("s", k.reduce("s", {}, {batch(n), fixed(c)}, number(type, 0),
                         acc(type) + d(at)));
  return k.spec;
}
TEST(Families, SumOfCostlyValues) {
  expectGood(check(costlySum(6, 64, f32)));
  expectGood(check(costlySum(6, 37, f32)));
  expectGood(check(costlySum(3, 100, f32)));
  CheckOptions narrow;
  narrow.cpu = "x86-64";
  expectGood(check(costlySum(7, 5, ScalarType::F64), narrow));
  expectGood(check(costlySum(7, 9, f32), narrow));
}
TEST(Families, CrossEntropy) { expectGood(check(crossEntropy(9, 10))); }

} // namespace
