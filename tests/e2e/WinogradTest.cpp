//===- WinogradTest.cpp - Fast 3x3 convolutions against plain loops ---------===//
//
// Forward pass and both gradients of a convolution that is large enough for
// the transforms, against seven loops in f64. Sizes that are no multiple of a
// tile, a single tile, rows and images as panels, borders of all kinds.
//
//===----------------------------------------------------------------------===//

#include "tests/support/Live.h"

#include <gtest/gtest.h>

#include <cmath>

using namespace fm::test;

namespace {

struct Shape {
  int batch, height, width, in, out;
  int border; ///< zeros on each side
  Variant variant = {};

  int outHeight() const { return height + 2 * border - 2; }
  int outWidth() const { return width + 2 * border - 2; }
  size_t images() const { return size_t(batch) * height * width * in; }
  size_t results() const { return size_t(batch) * outHeight() * outWidth() * out; }
  size_t kernel() const { return size_t(9) * in * out; }
};
std::ostream &operator<<(std::ostream &out, const Shape &s) {
  return out << s.batch << "x" << s.height << "x" << s.width << "x" << s.in << "_" << s.out << "_border" << s.border
             << "_" << s.variant;
}

std::string modelOf(const Shape &s) {
  auto number = [](int value) { return std::to_string(value); };
  return "model fast(batch = " + number(s.batch) + ") {\n  input x : f32[batch, " + number(s.height) + ", " +
         number(s.width) + ", " + number(s.in) + "] with gradient\n  input g : f32[batch, " +
         number(s.outHeight()) + ", " + number(s.outWidth()) + ", " + number(s.out) + "]\n  y = conv2d(x, " +
         number(s.out) + ", kernel = 3, padding = " + (s.border ? "same" : "valid") +
         ", bias = false, name = \"c\")\n  output y\n  loss sum(y * g)\n  train sgd(lr = 1.0)\n}\n";
}

/// Calls visit(image, kernel, result) with the places of each product.
template <typename Visit> void forEachProduct(const Shape &s, int n, Visit &&visit) {
  for (int b = 0; b < n; ++b)
    for (int y = 0; y < s.outHeight(); ++y)
      for (int x = 0; x < s.outWidth(); ++x)
        for (int ky = 0; ky < 3; ++ky)
          for (int kx = 0; kx < 3; ++kx) {
            const int h = y + ky - s.border, w = x + kx - s.border;
            if (h < 0 || h >= s.height || w < 0 || w >= s.width)
              continue;
            for (int i = 0; i < s.in; ++i)
              for (int o = 0; o < s.out; ++o)
                visit(((size_t(b) * s.height + h) * s.width + w) * s.in + i,
                      (size_t(3 * ky + kx) * s.in + i) * s.out + o,
                      ((size_t(b) * s.outHeight() + y) * s.outWidth() + x) * s.out + o);
          }
}

/// Largest error, relative to the largest number.
double errorOf(const Numbers &actual, const Numbers &expected, size_t count) {
  double error = 0, largest = 0;
  for (size_t i = 0; i < count; ++i) {
    error = std::max(error, std::fabs(actual[i] - expected[i]));
    largest = std::max(largest, std::fabs(expected[i]));
    if (std::isnan(actual[i]))
      return actual[i];
  }
  return error / largest;
}

class Winograd : public testing::TestWithParam<Shape> {};

TEST_P(Winograd, IsTheConvolution) {
  const Shape &s = GetParam();
  Network network(modelOf(s), s.variant, 1);
  size_t transforms = 0;
  for (const auto &kernel : network.program().kernels)
    for (const auto &stage : kernel.stages)
      transforms += !stage.together.empty();
  const Variant variant = inEnvironment(s.variant);
  ASSERT_EQ(transforms > 0, variant.winograd && !variant.exact) << "not the code that is meant";

  const Numbers x = someNumbers(s.images(), 1), g = someNumbers(s.results(), 2), k = someNumbers(s.kernel(), 3);
  network.set("x", x);
  network.set("g", g);
  network.setTensor("c.kernel", k);
  // "Below 1e-5 relative"; in f64 no more than rounding.
  const double tolerance = s.variant.widen ? 1e-13 : s.variant.exact ? 2e-6 : 5e-6;
  for (int n : {s.batch, 1}) {
    SCOPED_TRACE(n);
    Numbers y(s.results()), dx(s.images()), dk(s.kernel());
    forEachProduct(s, n, [&](size_t image, size_t kernel, size_t result) {
      y[result] += x[image] * k[kernel];
      dx[image] += g[result] * k[kernel];
      dk[kernel] += g[result] * x[image];
    });
    network.call("forward", n);
    EXPECT_LT(errorOf(network.get("y"), y, s.results() / s.batch * n), tolerance);
    network.call("gradients", n);
    EXPECT_LT(errorOf(network.get("x_gradient"), dx, s.images() / s.batch * n), tolerance);
    EXPECT_LT(errorOf(network.gradient("c.kernel"), dk, s.kernel()), tolerance);
  }
}

INSTANTIATE_TEST_SUITE_P(
    E2e, Winograd,
    testing::Values(Shape{40, 5, 5, 64, 64, 0},    // one tile, partly
                    Shape{4, 4, 4, 64, 48, 1},     // one tile with a border
                    Shape{3, 13, 13, 32, 64, 0},   // an image is a panel
                    Shape{2, 12, 17, 40, 33, 1},   // no multiple of a vector
                    Shape{1, 31, 35, 32, 32, 1},   // a row is a panel
                    Shape{2, 16, 16, 64, 64, 1},   // panels of whole KiB, a line apart
                    Shape{1, 32, 16, 256, 32, 1},  // and so are their rows
                    Shape{1, 8, 8, 64, 512, 1},    // a panel of 2 KiB, whatever its length
                    Shape{1, 8, 66, 64, 32, 0},    //
                    Shape{3, 6, 40, 24, 100, 1},   //
                    Shape{2, 18, 10, 64, 32, 0, {"halide", true, true}},
                    Shape{1, 21, 33, 32, 40, 1, {"halide", false, false}},
                    Shape{2, 12, 17, 40, 33, 1, {.asserts = true}},
                    Shape{1, 31, 35, 32, 32, 1, {.asserts = true}},
                    Shape{2, 12, 17, 40, 33, 1, {"halide", true, false, {}, true, true}}),
    testing::PrintToStringParamName());

// What is cut off a tile does not reach what is kept.
TEST(WinogradBorder, GarbageBehindTheSamplesIsNotRead) {
  const Shape s{6, 13, 13, 32, 64, 0};
  Network network(modelOf(s), s.variant, 1);
  Numbers x = someNumbers(s.images(), 1), g = someNumbers(s.results(), 2);
  network.setTensor("c.kernel", someNumbers(s.kernel(), 3));
  network.set("x", x);
  network.set("g", g);
  network.call("gradients", 2);
  const Numbers clean = network.gradient("c.kernel");
  for (size_t i = x.size() / 3; i < x.size(); ++i)
    x[i] = NAN;
  for (size_t i = g.size() / 3; i < g.size(); ++i)
    g[i] = NAN;
  network.set("x", x);
  network.set("g", g);
  network.call("gradients", 6); // fills the arena with NaN
  network.call("gradients", 2);
  EXPECT_EQ(network.gradient("c.kernel"), clean);
}

} // namespace
