//===- functions_test.cpp - Accuracy of the elementary functions ----------===//
//
// Every 127th f32 and the special values, against the C library in f64: at
// most 4 ulp; what is less than every normal number is zero. f64 must be the C
// library's own. In code for this machine and for each level of x86-64 that it
// can run: without and with multiplications that add, with vectors of each
// length.
//
//===----------------------------------------------------------------------===//
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <limits>

#ifdef __x86_64__
#include <xmmintrin.h>
#endif

#include "tests/codegen/KernelBuilder.h"
#include "tests/codegen/KernelHarness.h"

using namespace fm::test;

namespace {

const int64_t chunk = 1 << 16;

KernelSpec unaryKernel(Op op, ScalarType type) {
  KernelBuilder k("f");
  auto x = k.input("x", {fixed(chunk)}, true, type);
  k.output("y", k.pointwise("y", {fixed(chunk)}, unary(op, x({index(0)}))),
           true);
  return k.spec;
}

float fromBits(uint32_t bits) {
  float x;
  std::memcpy(&x, &bits, 4);
  return x;
}

/// Distance in units of the last place of the exact result's f32 neighbourhood.
double ulps(float got, double want) {
  const float rounded = static_cast<float>(want);
  if (std::isnan(want) || std::isnan(got))
    return std::isnan(want) && std::isnan(got) ? 0 : 1e30;
  if (std::isinf(rounded) || std::isinf(got))
    return rounded == got                                      ? 0
           : std::isinf(got) && std::fabs(want) > 3.4028230e38 ? 1
                                                               : 1e30;
  const double scale = std::fabs(rounded) < 1.17549435e-38f
                           ? 1.4012985e-45
                           : std::ldexp(1.0, std::ilogb(rounded) - 23);
  return std::fabs(got - want) / scale;
}

void expectAccurate(const fm::codegen::TargetSpec &target,
                    const KernelSpec &spec, double (*reference)(double),
                    double most) {
  RunnableKernel kernel(spec, target);
  ASSERT_EQ(kernel.error, "");
  std::vector<float> xs, ys(chunk);
  for (float special : {0.0f,
                        -0.0f,
                        1.0f,
                        -1.0f,
                        std::numeric_limits<float>::infinity(),
                        -std::numeric_limits<float>::infinity(),
                        std::numeric_limits<float>::quiet_NaN(),
                        1.4012985e-45f,
                        -1.4012985e-45f,
                        1.17549435e-38f,
                        3.4028235e38f,
                        -3.4028235e38f,
                        88.72283f,
                        88.7229f,
                        -87.3f,
                        -87.33655f,
                        -87.33654f,
                        -88.5f,
                        -103.9f,
                        -104.1f})
    xs.push_back(special);
  double worst = 0;
  float at = 0;
  auto run = [&] {
    if (xs.empty())
      return;
    const size_t used = xs.size();
    xs.resize(chunk, 0.5f);
    void *pointers[] = {xs.data(), ys.data()};
    ASSERT_EQ(kernel(1, pointers), 0);
    for (size_t i = 0; i < used; ++i) {
      const double distance = ulps(ys[i], reference(xs[i]));
      if (distance > worst) {
        worst = distance;
        at = xs[i];
      }
    }
    xs.clear();
  };
  for (uint64_t bits = 0; bits < (1ull << 32); bits += 127) {
    xs.push_back(fromBits(static_cast<uint32_t>(bits)));
    if (xs.size() == static_cast<size_t>(chunk))
      run();
  }
  run();
  EXPECT_LE(worst, most) << "at " << at;
  std::printf("worst error: %.2f ulp\n", worst);
}

/// CPUs whose code this machine runs.
std::vector<std::string> cpus() {
  std::vector<std::string> names{"native"};
#ifdef __x86_64__
  names.push_back("x86-64");
  if (__builtin_cpu_supports("x86-64-v3"))
    names.push_back("x86-64-v3");
  if (__builtin_cpu_supports("x86-64-v4"))
    names.push_back("x86-64-v4");
#endif
  return names;
}

class Functions : public testing::TestWithParam<std::string> {
protected:
  const fm::codegen::TargetSpec target = testTarget(false, GetParam());

  void expectAccurate(Op op, double (*reference)(double)) const {
    ::expectAccurate(target, unaryKernel(op, ScalarType::F32), reference, 4.0);
  }
};
INSTANTIATE_TEST_SUITE_P(Cpus, Functions, testing::ValuesIn(cpus()),
                         [](const auto &info) {
                           std::string name = info.param;
                           std::replace(name.begin(), name.end(), '-', '_');
                           return name;
                         });

/// Denormal numbers are zero in a step.
double expOfStep(double x) {
  const double y = std::exp(x);
  return y < 0x1p-126 ? 0 : y;
}
TEST_P(Functions, Exp) { expectAccurate(Op::Exp, expOfStep); }
TEST_P(Functions, Log) { expectAccurate(Op::Log, std::log); }
TEST_P(Functions, Tanh) { expectAccurate(Op::Tanh, std::tanh); }
// Where exp(-x) is more than f32 holds, the result is zero: denormal, that is.
double sigmoid(double x) { return 1 / (1 + std::exp(-x)); }
double sigmoidOfStep(double x) {
  return x < -88.37626 ? 0 : sigmoid(x); // ln(2^127.5)
}
TEST_P(Functions, Sigmoid) { expectAccurate(Op::Sigmoid, sigmoidOfStep); }

#ifdef __x86_64__
/// Denormal numbers count as zero, as the runtime has it in a step.
class InAStep {
public:
  InAStep() : mode(_mm_getcsr()) { _mm_setcsr(mode | 0x8040); }
  ~InAStep() { _mm_setcsr(mode); }

private:
  unsigned mode;
};

double flushed(double x) { return std::fabs(x) < 0x1p-126 ? 0 * x : x; }
double reciprocal(double x) { return flushed(1 / flushed(x)); }
double root(double x) { return std::sqrt(flushed(x)); }
double reciprocalRoot(double x) { return 1 / root(x); }
double reciprocalOfRoundedRoot(double x) { return 1.0 / float(root(x)); }
double byRootAndMore(double x) { return 3 / (root(x) + 0.25); }

/// What AVX-512 estimates, others compute (EstimateReciprocals.h).
TEST_P(Functions, RootsAndReciprocals) {
  InAStep step;
  KernelBuilder one("f"), quotient("f");
  for (KernelBuilder *k : {&one, &quotient}) {
    X x = k->input("x", {fixed(chunk)}, true)({index(0)});
    X y = k == &one ? like(x, 1) / x : like(x, 3) / (unary(Op::Sqrt, x) + 0.25);
    k->output("y", k->pointwise("y", {fixed(chunk)}, y), true);
  }
  ::expectAccurate(target, one.spec, reciprocal, 1.0);
  ::expectAccurate(target, unaryKernel(Op::Sqrt, ScalarType::F32), root, 1.0);
  // Without estimates IEEE's root, then IEEE's quotient: half a unit of that.
  const bool estimates = target.machine.estimatesReciprocals;
  ::expectAccurate(target, unaryKernel(Op::Rsqrt, ScalarType::F32),
                   estimates ? reciprocalRoot : reciprocalOfRoundedRoot,
                   estimates ? 1.1 : 0.5);
  ::expectAccurate(target, quotient.spec, byRootAndMore, 3.0);
}

TEST_P(Functions, OtherQuotientsAreIeees) {
  KernelBuilder k("f");
  auto x = k.input("x", {fixed(chunk)}, true),
       y = k.input("y", {fixed(chunk)}, true);
  k.output("z", k.pointwise("z", {fixed(chunk)}, x({index(0)}) / y({index(0)})),
           true);
  RunnableKernel kernel(k.spec, target);
  ASSERT_EQ(kernel.error, "");
  std::vector<float> xs(chunk), ys(chunk), zs(chunk);
  for (int64_t i = 0; i < chunk; ++i) {
    xs[i] = std::ldexp(1.0f + i * 0x1p-16f, int(i % 250) - 124);
    ys[i] =
        std::ldexp(1.0f + (i * 37 % chunk) * 0x1p-16f, int(i * 7 % 250) - 124);
  }
  xs[0] = 1e38f, ys[0] = 2e38f; // whose reciprocal is denormal
  void *pointers[] = {xs.data(), ys.data(), zs.data()};
  ASSERT_EQ(kernel(1, pointers), 0);
  for (int64_t i = 0; i < chunk; ++i)
    ASSERT_EQ(zs[i], xs[i] / ys[i]) << xs[i] << " / " << ys[i];
}

/// Whichever way a plan takes a number, in a vector or alone.
TEST_P(Functions, AreTheSameForOneAndForSixteen) {
  InAStep step;
  const float xs[16] = {0.0f,  -0.0f,     1.0f,       2.0f,
                        3.0f,  0.7f,      1e-9f,      1e30f,
                        -5.0f, 1e-40f,    7e37f,      3e38f,
                        NAN,   HUGE_VALF, -HUGE_VALF, 1.17549435e-38f};
  for (int form = 0; form < 3; ++form) {
    float together[16], alone[16];
    for (int64_t count : {16, 1}) {
      KernelBuilder k("f");
      X x = k.input("x", {fixed(count)}, true)({index(0)});
      X y = form == 0   ? like(x, 1) / x
            : form == 1 ? unary(Op::Sqrt, x)
                        : unary(Op::Rsqrt, x);
      k.output("y", k.pointwise("y", {fixed(count)}, y), true);
      RunnableKernel kernel(k.spec, target);
      ASSERT_EQ(kernel.error, "");
      for (int64_t i = 0; i < 16; i += count) {
        void *pointers[] = {const_cast<float *>(xs + i),
                            (count == 1 ? alone : together) + i};
        ASSERT_EQ(kernel(1, pointers), 0);
      }
    }
    EXPECT_EQ(std::memcmp(alone, together, sizeof alone), 0) << form;
  }
}
#endif

TEST_P(Functions, OddOnesKeepTheSignOfZero) {
  for (Op op : {Op::Tanh, Op::Erf}) {
    RunnableKernel kernel(unaryKernel(op, ScalarType::F32), target);
    ASSERT_EQ(kernel.error, "");
    std::vector<float> xs(chunk, 0.0f), ys(chunk, 1.0f);
    xs[1] = -0.0f;
    void *pointers[] = {xs.data(), ys.data()};
    ASSERT_EQ(kernel(1, pointers), 0);
    EXPECT_EQ(ys[0], 0.0f);
    EXPECT_FALSE(std::signbit(ys[0]));
    EXPECT_EQ(ys[1], 0.0f);
    EXPECT_TRUE(std::signbit(ys[1]));
  }
}
TEST_P(Functions, Erf) { expectAccurate(Op::Erf, std::erf); }

TEST_P(Functions, Pow) {
  KernelBuilder k("f");
  auto x = k.input("x", {fixed(chunk)}, true),
       y = k.input("y", {fixed(chunk)}, true);
  k.output("z",
           k.pointwise("z", {fixed(chunk)},
                       binary(Op::Pow, x({index(0)}), y({index(0)}))),
           true);
  RunnableKernel kernel(k.spec, target);
  ASSERT_EQ(kernel.error, "");
  const float inf = std::numeric_limits<float>::infinity();
  const std::vector<float> special = {
      0.0f,        -0.0f, 1.0f,        -1.0f,       2.0f,   -2.0f,
      0.5f,        -0.5f, 3.0f,        -3.0f,       1e-40f, inf,
      -inf,        NAN,   1e30f,       16777217.0f, 1.5f,   -1.5f,
      33554432.0f, -7.0f, 0.99999994f, 1.0000001f};
  std::vector<float> xs, ys, zs(chunk);
  for (float a : special)
    for (float b : special) {
      xs.push_back(a);
      ys.push_back(b);
    }
  uint32_t state = 1;
  auto next = [&] { return (state = state * 1664525u + 1013904223u) >> 1; };
  while (xs.size() < static_cast<size_t>(chunk)) {
    const float a = std::ldexp(1.0f + (next() & 0x7fffff) * 0x1p-23f,
                               int(next() >> 8) % 20 - 10);
    const double range = 120 / std::fmax(1.0, std::fabs(std::log2(a)));
    xs.push_back(a);
    ys.push_back(static_cast<float>((next() * 0x1p-31 * 2 - 1) * range));
  }
  void *pointers[] = {xs.data(), ys.data(), zs.data()};
  ASSERT_EQ(kernel(1, pointers), 0);
  for (int64_t i = 0; i < chunk; ++i)
    ASSERT_LE(ulps(zs[i], std::pow(double(xs[i]), double(ys[i]))), 4.0)
        << "pow(" << xs[i] << ", " << ys[i] << ") = " << zs[i];
}

TEST_P(Functions, DoublesAreTheLibrarys) {
  struct {
    Op op;
    double (*reference)(double);
  } cases[] = {{Op::Exp, std::exp},
               {Op::Log, std::log},
               {Op::Tanh, std::tanh},
               {Op::Sigmoid, sigmoid},
               {Op::Erf, std::erf}};
  for (const auto &c : cases) {
    RunnableKernel kernel(unaryKernel(c.op, ScalarType::F64), target);
    ASSERT_EQ(kernel.error, "");
    std::vector<double> xs(chunk), ys(chunk);
    for (int64_t i = 0; i < chunk; ++i)
      xs[i] = (i - chunk / 3) * 1e-3;
    void *pointers[] = {xs.data(), ys.data()};
    ASSERT_EQ(kernel(1, pointers), 0);
    for (int64_t i = 0; i < chunk; ++i)
      ASSERT_TRUE(ys[i] == c.reference(xs[i]) ||
                  (std::isnan(ys[i]) && std::isnan(c.reference(xs[i]))));
  }
}

TEST_P(Functions, MaxAndMinPropagateNan) {
  KernelBuilder k("f");
  const std::vector<Extent> domain{fixed(32)};
  auto x = k.input("x", domain, true), y = k.input("y", domain, true);
  X a = x({index(0)}), b = y({index(0)});
  k.output("max", k.pointwise("a", domain, max(a, b)), true);
  k.output("min", k.pointwise("b", domain, min(a, b)), true);
  k.output("relu", k.pointwise("c", domain, relu(a)), true);
  k.output("relu2",
           k.pointwise("d", domain, max(number(ScalarType::F32, 0), a)), true);
  RunnableKernel kernel(k.spec, target);
  ASSERT_EQ(kernel.error, "");
  std::vector<float> xs(32), ys(32), r[4];
  for (int i = 0; i < 32; ++i) {
    xs[i] = i % 3 == 0 ? NAN : i - 16.0f;
    ys[i] = i % 4 == 1 ? NAN : 3.0f;
  }
  for (auto &v : r)
    v.resize(32);
  void *pointers[] = {xs.data(),   ys.data(),   r[0].data(),
                      r[1].data(), r[2].data(), r[3].data()};
  ASSERT_EQ(kernel(1, pointers), 0);
  for (int i = 0; i < 32; ++i) {
    const bool nan = i % 3 == 0 || i % 4 == 1;
    EXPECT_EQ(std::isnan(r[0][i]), nan) << i;
    EXPECT_EQ(std::isnan(r[1][i]), nan) << i;
    EXPECT_EQ(std::isnan(r[2][i]), i % 3 == 0) << i;
    EXPECT_EQ(std::isnan(r[3][i]), i % 3 == 0) << i;
    if (!nan) {
      EXPECT_EQ(r[0][i], std::fmax(xs[i], ys[i]));
      EXPECT_EQ(r[1][i], std::fmin(xs[i], ys[i]));
    }
  }
}

} // namespace
