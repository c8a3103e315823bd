//===- IntegersTest.cpp - Integers, divisions, and sums of one number
//-----------===//
//
// What integers divide to, by constants and by tensors; floats by a zero that
// the compiler knows; sums along which nothing changes.
//
//===----------------------------------------------------------------------===//

#include "tests/support/Live.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

using namespace fm::test;

namespace {

const char *backends[] = {"halide", "reference"};

// C++ rounds towards zero, as the language does (docs/language.md).
TEST(Integers, DivideTowardsZero) {
  Numbers x;
  std::vector<int64_t> values = {
      -100000, -641, -10, -9,  -8,    -7,         -6,          -3,
      -2,      -1,   0,   1,   2,     3,          5,           6,
      7,       9,    10,  640, 99999, 2147483647, -2147483647, 1073741827};
  for (int64_t value : values)
    x.push_back(double(value));
  std::string text = "model divided(batch = 24) {\n  input x : i32[batch]\n  "
                     "input w : i64[batch]\n";
  const int divisors[] = {1,          2,  3,   5,   6,   7,    10,
                          11,         25, 100, 127, 641, 1000, 65537,
                          2147483647, -1, -2,  -3,  -7,  -10};
  for (int divisor : divisors)
    for (const char *type : {"x", "w"})
      text += std::string("  output ") + type + (divisor < 0 ? "m" : "p") +
              std::to_string(std::abs(divisor)) + " = " + type + " / " +
              std::to_string(divisor) + "\n";
  for (const char *backend : backends) {
    SCOPED_TRACE(backend);
    Network network(text + "}\n", {backend});
    network.set("x", x);
    network.set("w", x);
    network.call("forward", 24);
    for (int divisor : divisors) {
      Numbers expected;
      for (int64_t value : values)
        expected.push_back(double(value / divisor));
      const std::string name =
          (divisor < 0 ? "m" : "p") + std::to_string(std::abs(divisor));
      EXPECT_EQ(network.get("x" + name), expected) << "i32 / " << divisor;
      EXPECT_EQ(network.get("w" + name), expected) << "i64 / " << divisor;
    }
  }
}

TEST(Integers, DivideByTensors) {
  for (const char *backend : backends) {
    SCOPED_TRACE(backend);
    Network network("model divided(batch = 9) {\n  input x : i32[batch]\n  "
                    "input y : i32[batch]\n  output z = x / y\n}\n",
                    {backend});
    network.set("x", {-9, -9, 9, 9, -8, -8, 8, 5, -5});
    network.set("y", {3, -3, 3, -3, 3, -3, -3, 0, 0});
    network.call("forward", 9);
    EXPECT_EQ(network.get("z"), (Numbers{-3, 3, 3, -3, -2, 2, -2, 0, 0}));
  }
}

TEST(Integers, AreRectifiedWhereLoopsAreMerged) {
  for (const char *backend : backends) {
    SCOPED_TRACE(backend);
    Network network("model rectified {\n  input x : i64[3, 3]\n  output y = "
                    "relu(x)\n  output z = relu(x + 1)\n}\n",
                    {backend});
    network.set("x", {-1, 2, -3, 4, -5, 6, -7, 8, 0});
    network.call("forward", 1);
    EXPECT_EQ(network.get("y"), (Numbers{0, 2, 0, 4, 0, 6, 0, 8, 0}));
    EXPECT_EQ(network.get("z"), (Numbers{0, 3, 0, 5, 0, 7, 0, 9, 1}));
  }
}

TEST(Quotients, ByAZeroThatIsKnown) {
  const double inf = std::numeric_limits<double>::infinity();
  for (const char *backend : backends) {
    SCOPED_TRACE(backend);
    Network network("model zero(batch = 1) {\n  input x : f32[batch, 3]\n  "
                    "output y = x / 0\n  output z = 1 / (x * 0)\n"
                    "  output small = x / 1e-46\n}\n",
                    {backend});
    network.set("x", {-2, 0, 3});
    network.call("forward", 1);
    for (const char *name : {"y", "small"}) {
      const Numbers y = network.get(name);
      EXPECT_EQ(y[0], -inf);
      EXPECT_TRUE(std::isnan(y[1]));
      EXPECT_EQ(y[2], inf);
    }
    EXPECT_EQ(std::fabs(network.get("z")[2]), inf);
  }
}

// d/da of mean((sum over j of a_i + b_ij)^2): the same number for each j.
TEST(Sums, OfOneNumberAgainAndAgain) {
  for (const char *backend : backends) {
    SCOPED_TRACE(backend);
    Network network(
        "model spread(batch = 3) {\n  input a : f32[batch, 1] with gradient\n"
        "  input b : f32[batch, 7]\n  loss mean(sum(a + b, axis = 1) ** "
        "2)\n}\n",
        {backend});
    network.set("a", {1, -2, 0.5});
    network.set("b", {1, 2, 3, 4,  5, 6,  7, 0,  0, 0, 0,
                      0, 0, 0, -1, 1, -1, 1, -1, 1, -1});
    network.call("gradients", 3);
    // Sums 35, -14, 2.5; 2 * 7 / 3 of them.
    EXPECT_NUMBERS(network.get("a_gradient"),
                   (Numbers{163 + 1. / 3, -65 - 1. / 3, 11 + 2. / 3}), 1e-6);
  }
}

TEST(Sums, OfOneNumberBesidesOthers) {
  for (const char *backend : backends) {
    SCOPED_TRACE(backend);
    // Over rows, which a layer without samples broadcasts its bias along.
    Network layer(
        "model layer {\n  input x : f32[9, 2]\n  h = dense(x, 3, kernel_init = "
        "ones, name = \"d\")\n"
        "  loss mean(sum(h, axis = 0) ** 2)\n  train sgd(lr = 1.0)\n}\n",
        {backend});
    layer.set("x", Numbers(18, 0.5));
    layer.call("gradients", 1);
    // Sums 9; 2 / 3 of them nine times.
    EXPECT_NUMBERS(layer.gradient("d.bias"), Numbers(3, 54), 1e-6);
    EXPECT_NUMBERS(layer.gradient("d.kernel"), Numbers(6, 27), 1e-6);
    // The middle one of three axes, the largest, and of the samples.
    Network others("model others(batch = 4) {\n  input a : f32[batch, 1, 5] "
                   "with gradient\n  input b : f32[batch, 6, 5]\n"
                   "  output largest = max(a + 0 * b, axis = 1)\n  loss "
                   "sum(sum(a + b, axis = [0, 1]) ** 2)\n}\n",
                   {backend});
    others.set("a", Numbers(20, 0.25));
    others.set("b", Numbers(120, 0.5));
    others.call("forward", 4);
    EXPECT_EQ(others.get("largest"), Numbers(20, 0.25));
    others.call("gradients", 4);
    // Sums 24 * 0.75 = 18; twice that for each of six rows.
    EXPECT_NUMBERS(others.get("a_gradient"), Numbers(20, 216), 1e-6);
    others.call("gradients", 3);
    EXPECT_NUMBERS(others.get("a_gradient"), Numbers(15, 162), 1e-6);
  }
}

} // namespace
