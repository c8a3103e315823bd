//===- PoolingTest.cpp - Windows that leave a part of an image out
//-----------===//
//
// Of a convolution's result the last rows and columns are in no window: they
// are not computed, and no gradient comes from them. With and without borders,
// strides and transforms, maximum and mean; against plain loops in f64.
//
//===----------------------------------------------------------------------===//

#include "tests/support/Live.h"

#include <gtest/gtest.h>

#include <array>

using namespace fm::test;

namespace {

using Pair = std::array<int, 2>; ///< along height and width

struct Shape {
  Pair size;
  int border, stride, in, out, window, step;
  bool mean = false;
  int batch = 3;

  int results(int d) const { return (size[d] + 2 * border - 3) / stride + 1; }
  int windows(int d) const { return (results(d) - window) / step + 1; }
};
std::ostream &operator<<(std::ostream &out, const Shape &s) {
  return out << "size" << s.size[0] << "x" << s.size[1] << "_border" << s.border
             << "_stride" << s.stride << "_" << s.in << "to" << s.out
             << "_window" << s.window << "step" << s.step
             << (s.mean ? "_mean" : "_max");
}

class Pooling : public testing::TestWithParam<Shape> {
protected:
  const Shape &s = GetParam();
  const Numbers x = someNumbers(size_t(s.batch) * s.size[0] * s.size[1] * s.in,
                                1),
                k = someNumbers(size_t(9) * s.in * s.out, 2),
                g = someNumbers(
                    size_t(s.batch) * s.windows(0) * s.windows(1) * s.out, 3);
  Numbers pooled = Numbers(g.size()), dx = Numbers(x.size()),
          dk = Numbers(k.size());

  /// Calls f(input, kernel) with the numbers' places for each product in a
  /// place of the convolution's result.
  template <typename Function>
  void forProducts(int b, int y, int v, int o, Function &&f) const {
    for (int ky = 0; ky < 3; ++ky)
      for (int kx = 0; kx < 3; ++kx) {
        const int h = y * s.stride + ky - s.border,
                  w = v * s.stride + kx - s.border;
        if (h < 0 || h >= s.size[0] || w < 0 || w >= s.size[1])
          continue;
        for (int i = 0; i < s.in; ++i)
          f(((size_t(b) * s.size[0] + h) * s.size[1] + w) * s.in + i,
            (size_t(ky * 3 + kx) * s.in + i) * s.out + o);
      }
  }

  void addGradients(int b, int y, int v, int o, double dy) {
    forProducts(b, y, v, o, [&](size_t at, size_t by) {
      dx[at] += dy * k[by];
      dk[by] += dy * x[at];
    });
  }

  void compute() {
    size_t place = 0;
    for (int b = 0; b < s.batch; ++b)
      for (int py = 0; py < s.windows(0); ++py)
        for (int px = 0; px < s.windows(1); ++px)
          for (int o = 0; o < s.out; ++o, ++place) {
            double largest = -1e300, sum = 0;
            Pair best{};
            for (int wy = py * s.step; wy < py * s.step + s.window; ++wy)
              for (int wx = px * s.step; wx < px * s.step + s.window; ++wx) {
                double value = 0;
                forProducts(b, wy, wx, o, [&](size_t at, size_t by) {
                  value += x[at] * k[by];
                });
                sum += value;
                if (s.mean)
                  addGradients(b, wy, wx, o, g[place] / (s.window * s.window));
                if (value > largest) {
                  largest = value;
                  best = {wy, wx};
                }
              }
            pooled[place] = s.mean ? sum / (s.window * s.window) : largest;
            if (!s.mean)
              addGradients(b, best[0], best[1], o, g[place]);
          }
  }
};

TEST_P(Pooling, LeavesTheRestOut) {
  auto text = [](auto number) { return std::to_string(number); };
  const std::string window =
      ", " + text(s.window) + ", stride = " + text(s.step) + ")";
  Network network(
      "model pooling(batch = " + text(s.batch) +
          ") {\n  input x : f32[batch, " + text(s.size[0]) + ", " +
          text(s.size[1]) + ", " + text(s.in) +
          "] with gradient\n  input g : f32[batch, " + text(s.windows(0)) +
          ", " + text(s.windows(1)) + ", " + text(s.out) +
          "]\n  c = conv2d(x, " + text(s.out) +
          ", kernel = 3, stride = " + text(s.stride) + ", padding = [" +
          text(s.border) + ", " + text(s.border) +
          "], bias = false, name = \"c\")\n  y = " + (s.mean ? "avg" : "max") +
          "_pool2d(c" + window +
          "\n  output y\n  loss sum(y * g)\n  train sgd(lr = 1.0)\n}\n",
      {}, 1);
  compute();
  network.set("x", x);
  network.set("g", g);
  network.setTensor("c.kernel", k);
  network.call("forward", s.batch);
  EXPECT_NUMBERS(network.get("y"), pooled, 3e-6);
  network.call("gradients", s.batch);
  EXPECT_NUMBERS(network.get("x_gradient"), dx, 6e-6);
  EXPECT_NUMBERS(network.gradient("c.kernel"), dk, 6e-6);
}

INSTANTIATE_TEST_SUITE_P(
    Shapes, Pooling,
    testing::Values(
        // 8 x 8 of 9 x 9 places: four tiles of a transform instead of nine.
        Shape{{9, 9}, 1, 1, 32, 32, 2, 2},
        Shape{{9, 9}, 1, 1, 32, 32, 2, 2, true},
        Shape{{9, 14}, 1, 1, 40, 24, 2, 2}, Shape{{13, 11}, 0, 1, 3, 8, 2, 2},
        Shape{{13, 11}, 0, 1, 3, 8, 2, 2, true},
        Shape{{12, 12}, 0, 1, 32, 32, 3, 3},
        // Windows further apart than they are wide, and those that overlap.
        Shape{{10, 13}, 1, 1, 5, 7, 2, 4}, Shape{{12, 10}, 1, 1, 4, 6, 3, 2},
        Shape{{15, 18}, 1, 2, 6, 8, 2, 3},
        Shape{{15, 18}, 0, 2, 6, 8, 3, 2, true}));

} // namespace
