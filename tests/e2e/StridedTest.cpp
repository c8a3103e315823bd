//===- StridedTest.cpp - Input gradients of strided convolutions -------------===//
//
// They are computed in parts, one for each remainder of a row's and a column's
// number: strides that divide sizes and that do not, larger than the kernel,
// borders narrower and wider than them, groups; against plain loops in f64.
//
//===----------------------------------------------------------------------===//

#include "tests/support/Live.h"

#include <gtest/gtest.h>

#include <array>

using namespace fm::test;

namespace {

using Pair = std::array<int, 2>; ///< along height and width

struct Shape {
  Pair size, kernel, stride, border;
  int in = 4, out = 8, groups = 1, batch = 3;

  int results(int d) const { return (size[d] + 2 * border[d] - kernel[d]) / stride[d] + 1; }
};
std::ostream &operator<<(std::ostream &out, const Shape &s) {
  auto put = [&](const char *name, Pair pair) { out << name << pair[0] << "x" << pair[1]; };
  put("size", s.size);
  put("_kernel", s.kernel);
  put("_stride", s.stride);
  put("_border", s.border);
  return out << "_" << s.in << "to" << s.out << "in" << s.groups;
}

std::string list(std::initializer_list<int> numbers) {
  std::string text;
  for (int number : numbers)
    text += (text.empty() ? "" : ", ") + std::to_string(number);
  return text;
}
std::string list(Pair pair) { return "[" + list({pair[0], pair[1]}) + "]"; }

class Strided : public testing::TestWithParam<Shape> {};

TEST_P(Strided, InputGradientIsTheSumOfProducts) {
  const Shape &s = GetParam();
  Network network("model strided(batch = " + list({s.batch}) + ") {\n  input x : f32[batch, " +
                      list({s.size[0], s.size[1], s.in}) + "] with gradient\n  input g : f32[batch, " +
                      list({s.results(0), s.results(1), s.out}) + "]\n  y = conv2d(x, " + list({s.out}) +
                      ", kernel = " + list(s.kernel) + ", stride = " + list(s.stride) + ", padding = " +
                      list(s.border) + ", groups = " + list({s.groups}) +
                      ", bias = false, name = \"c\")\n  output y\n  loss sum(y * g)\n  train sgd(lr = 1.0)\n}\n",
                  {}, 1);
  const int inPerGroup = s.in / s.groups, outPerGroup = s.out / s.groups;
  const Numbers g = someNumbers(size_t(s.batch) * s.results(0) * s.results(1) * s.out, 1),
                k = someNumbers(size_t(s.kernel[0]) * s.kernel[1] * inPerGroup * s.out, 2);
  Numbers dx(size_t(s.batch) * s.size[0] * s.size[1] * s.in);
  network.set("x", Numbers(dx.size(), 1));
  network.set("g", g);
  network.setTensor("c.kernel", k);
  for (int b = 0; b < s.batch; ++b)
    for (int y = 0; y < s.results(0); ++y)
      for (int x = 0; x < s.results(1); ++x)
        for (int ky = 0; ky < s.kernel[0]; ++ky)
          for (int kx = 0; kx < s.kernel[1]; ++kx) {
            const int h = y * s.stride[0] + ky - s.border[0], w = x * s.stride[1] + kx - s.border[1];
            if (h < 0 || h >= s.size[0] || w < 0 || w >= s.size[1])
              continue;
            for (int o = 0; o < s.out; ++o)
              for (int i = 0; i < inPerGroup; ++i)
                dx[((size_t(b) * s.size[0] + h) * s.size[1] + w) * s.in + o / outPerGroup * inPerGroup + i] +=
                    g[((size_t(b) * s.results(0) + y) * s.results(1) + x) * s.out + o] *
                    k[((size_t(ky) * s.kernel[1] + kx) * inPerGroup + i) * s.out + o];
          }
  network.call("gradients", s.batch);
  EXPECT_NUMBERS(network.get("x_gradient"), dx, 2e-6);
}

INSTANTIATE_TEST_SUITE_P(
    E2e, Strided,
    testing::Values(Shape{{8, 8}, {3, 3}, {2, 2}, {1, 1}, 16, 16},    //
                    Shape{{9, 12}, {5, 4}, {2, 3}, {2, 3}},           // borders of a stride
                    Shape{{11, 7}, {3, 3}, {2, 2}, {3, 2}},           // and of more
                    Shape{{13, 10}, {2, 2}, {3, 3}, {0, 0}},          // rows that nobody meets
                    Shape{{8, 9}, {1, 1}, {2, 2}, {0, 0}, 8, 16},     //
                    Shape{{7, 10}, {3, 5}, {1, 2}, {1, 4}},           // strided one way
                    Shape{{10, 10}, {6, 6}, {2, 2}, {2, 2}, 48, 32},  // parts with kernels of 3 x 3
                    Shape{{9, 9}, {3, 3}, {2, 2}, {1, 1}, 12, 18, 3}, // groups
                    Shape{{9, 9}, {3, 3}, {2, 2}, {1, 1}, 8, 8, 8}),  // depthwise: as a whole
    testing::PrintToStringParamName());

} // namespace
