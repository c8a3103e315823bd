//===- sweep_test.cpp - Kernels of random shapes and layouts
//---------------===//
//
// Each family with random extents (odd ones and ones mostly), layouts, memory
// and numbers of samples; some with random choices instead of the machine
// model's. The seed is fixed; FM_SWEEP_SEED and FM_SWEEP_COUNT change what and
// how much is tried, FM_SWEEP_CHOICES=1 tries random choices everywhere.
//
//===----------------------------------------------------------------------===//
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <random>

#include "tests/codegen/KernelBuilder.h"
#include "tests/codegen/KernelHarness.h"

using namespace fm::test;

namespace {

const ScalarType f32 = ScalarType::F32;
using Shape = std::vector<Extent>;

int environment(const char *name, int otherwise) {
  const char *text = std::getenv(name);
  return text ? std::atoi(text) : otherwise;
}

class Sweep : public ::testing::TestWithParam<int> {
protected:
  std::mt19937 random{static_cast<unsigned>(
      environment("FM_SWEEP_SEED", 1) * 1000 + GetParam())};

  int64_t upTo(int64_t most) { return 1 + random() % most; }
  bool coin() { return random() & 1; }
  int64_t pick(std::vector<int64_t> list) {
    return list[random() % list.size()];
  }
  int64_t channels() {
    return pick({1, 2, 3, 5, 7, 8, 10, 13, 16, 17, 24, 31, 32, 33, 48, 50, 64});
  }

  /// A random layout: permuted, padded rows, now and then blocked by 4 or 8.
  void scramble(Buffer &b) {
    if (random() % 3 == 0)
      return;
    std::vector<fm::codegen::PhysicalDim> dims;
    for (unsigned d = 0; d < b.shape.size(); ++d) {
      const Extent &e = b.shape[d];
      const int64_t block = pick({4, 8});
      if (!e.isSamples && e.size >= block && random() % 3 == 0) {
        dims.push_back({d, block, 0, fixed((e.size + block - 1) / block), 0});
        dims.push_back({d, 1, block, fixed(block), 0});
      } else {
        dims.push_back({d, 1, 0, e, 0});
      }
    }
    // Samples stay outermost: rows are what memory is padded by.
    const size_t first = !dims.empty() && dims[0].extent.isSamples ? 1 : 0;
    std::shuffle(dims.begin() + first, dims.end(), random);
    int64_t stride = 1;
    for (size_t d = dims.size(); d-- > 0;) {
      dims[d].stride = stride;
      stride *= dims[d].extent.size;
      if (random() % 4 == 0)
        stride += random() % 9;
    }
    b.dims = dims;
    if (random() % 4 == 0)
      b.offset = random() % 20;
  }

  void scrambleAll(KernelSpec &spec) {
    for (Buffer &b : spec.inputs) {
      b.external = random() % 4 == 0;
      scramble(b);
    }
    // What one kernel updates in place, and what else it writes of that shape,
    // has one layout.
    const Buffer *first = nullptr;
    for (auto &o : spec.outputs)
      if (o.inPlace >= 0) {
        Buffer &b = spec.inputs[o.inPlace];
        if (first) {
          b.dims = first->dims;
          b.offset = first->offset;
        }
        first = &b;
      }
    for (auto &o : spec.outputs) {
      if (first && o.buffer.shape == first->shape && o.inPlace < 0) {
        const std::string name = o.buffer.name;
        o.buffer.dims = first->dims;
        o.buffer.name = name;
        continue;
      }
      if (o.inPlace >= 0) {
        spec.inputs[o.inPlace].external = o.buffer.external;
        const std::string name = o.buffer.name;
        o.buffer = spec.inputs[o.inPlace];
        o.buffer.name = name;
        continue;
      }
      o.buffer.external = random() % 4 == 0;
      scramble(o.buffer);
    }
  }

  void expectGood(KernelSpec &spec) {
    scrambleAll(spec);
    CheckOptions options;
    options.bothModes = true;
    options.cpu = GetParam() % 4 == 3 ? "haswell" : "native";
    options.smallCaches = GetParam() % 2;
    // What a tuned file may say, and nobody would choose.
    if (GetParam() % 4 == 2 || environment("FM_SWEEP_CHOICES", 0))
      options.choose = [&](const fm::codegen::TargetSpec &target) {
        return randomChoice(spec, target.machine, GetParam());
      };
    const std::string problem = check(spec, options);
    EXPECT_TRUE(problem.empty()) << problem;
  }
};

TEST_P(Sweep, Matmul) {
  KernelBuilder k("matmul");
  const int64_t b = random() % 3 == 0 ? upTo(3) : 1, m = channels(),
                kk = channels(), n = channels();
  const bool rowsAreSamples = coin(), ta = coin(), tb = coin();
  const Extent rows = rowsAreSamples ? batch(m) : fixed(m);
  auto a = ta && !rowsAreSamples ? k.input("a", {fixed(b), fixed(kk), rows})
                                 : k.input("a", {rows, fixed(b), fixed(kk)});
  auto w = tb ? k.input("w", {fixed(b), fixed(n), fixed(kk)})
              : k.input("w", {fixed(b), fixed(kk), fixed(n)});
  X av = ta && !rowsAreSamples ? a({index(1), index(3), index(0)})
                               : a({index(0), index(1), index(3)});
  X wv = tb ? w({index(1), index(2), index(3)})
            : w({index(1), index(3), index(2)});
  const Shape domain{rows, fixed(b), fixed(n)};
  const std::vector<X> at{index(0), index(1), index(2)};
  auto c = k.reduce("c", domain, {fixed(kk)}, number(f32, 0), acc() + av * wv);
  auto r = k.input("r", domain);
  auto y = k.pointwise("y", domain, relu(c(at)) + r(at));
  k.output("y", y, false, coin() ? 2 : -1);
  if (coin())
    k.output("c", c);
  expectGood(k.spec);
}

TEST_P(Sweep, Conv) {
  KernelBuilder k("conv");
  const int64_t kernel = upTo(3), stride = upTo(2), dilation = upTo(2),
                padding = random() % 2;
  const int64_t size = (kernel - 1) * dilation + upTo(7), n = upTo(3);
  const int64_t groups = random() % 3 == 0 ? 2 : 1;
  const int64_t ci = pick({1, 2, 3, 4, 8, 16}),
                co = groups * pick({1, 3, 5, 8, 16, 20, 32});
  const int64_t out =
      (size + 2 * padding - (kernel - 1) * dilation - 1) / stride + 1;
  auto x =
      k.input("x", {batch(n), fixed(size), fixed(size), fixed(ci * groups)});
  auto w = k.input("w", {fixed(kernel), fixed(kernel), fixed(ci), fixed(co)});
  X iy = index(1) * integer(stride) + index(4) * integer(dilation) -
         integer(padding);
  X ix = index(2) * integer(stride) + index(5) * integer(dilation) -
         integer(padding);
  X c = index(6);
  if (groups > 1)
    c = c + binary(Op::FloorDiv, index(3), integer(co / groups)) * integer(ci);
  X inside = (iy >= integer(0)) && (iy < integer(size)) && (ix >= integer(0)) &&
             (ix < integer(size));
  X value = x({index(0), clamp(iy, size - 1), clamp(ix, size - 1), c});
  if (padding)
    value = select(inside, value, number(f32, 0));
  const Shape domain{batch(n), fixed(out), fixed(out), fixed(co)};
  auto z = k.reduce(
      "z", domain, {fixed(kernel), fixed(kernel), fixed(ci)}, number(f32, 0.25),
      acc() + value * w({index(4), index(5), index(6), index(3)}));
  const std::vector<X> at{index(0), index(1), index(2), index(3)};
  auto y = k.pointwise("y", domain, relu(z(at)));
  k.output("y", y);
  expectGood(k.spec);
}

TEST_P(Sweep, ConvPool) {
  KernelBuilder k("conv_pool");
  const int64_t kernel = upTo(3), window = 1 + upTo(2), step = upTo(3);
  const int64_t size = kernel + window + random() % 9, n = upTo(3),
                ci = upTo(5), co = channels();
  const int64_t conv = size - kernel + 1, out = (conv - window) / step + 1;
  auto x = k.input("x", {batch(n), fixed(size), fixed(size), fixed(ci)});
  auto w = k.input("w", {fixed(kernel), fixed(kernel), fixed(ci), fixed(co)});
  auto z = k.reduce("z", {batch(n), fixed(conv), fixed(conv), fixed(co)},
                    {fixed(kernel), fixed(kernel), fixed(ci)}, number(f32, 0),
                    acc() + x({index(0), index(1) + index(4),
                               index(2) + index(5), index(6)}) *
                                w({index(4), index(5), index(6), index(3)}));
  X at = relu(z({index(0), index(1) * integer(step) + index(4),
                 index(2) * integer(step) + index(5), index(3)}));
  const Shape domain{batch(n), fixed(out), fixed(out), fixed(co)};
  if (coin()) {
    X better = at > acc(f32, 0);
    auto p = k.reduce("p", domain, {fixed(window), fixed(window)},
                      number(f32, -1), select(better, at, acc(f32, 0)));
    X position = select(better, index(4) * integer(window) + index(5),
                        acc(ScalarType::I64, 1));
    auto q = k.result(integer(0), &position);
    k.output("p", p);
    k.output("q", q);
  } else {
    auto p = k.reduce("p", domain, {fixed(window), fixed(window)},
                      number(f32, 0), acc() + at);
    k.output("p", p);
  }
  expectGood(k.spec);
}

TEST_P(Sweep, KernelGradient) {
  KernelBuilder k("dw");
  const int64_t kernel = upTo(3), out = upTo(6), n = upTo(20), ci = channels(),
                co = channels();
  auto x = k.input("x", {batch(n), fixed(out + kernel - 1),
                         fixed(out + kernel - 1), fixed(ci)});
  auto dy = k.input("dy", {batch(n), fixed(out), fixed(out), fixed(co)});
  auto y = k.input("y", {batch(n), fixed(out), fixed(out), fixed(co)});
  const Shape domain{fixed(kernel), fixed(kernel), fixed(ci), fixed(co)};
  const std::vector<X> at{index(0), index(1), index(2), index(3)};
  const std::vector<X> there{index(4), index(5), index(6), index(3)};
  auto w = k.input("w", domain), m = k.input("m", domain);
  // The activation's gradient, fused.
  X g = select(y(there) > number(f32, 0), dy(there), number(f32, 0));
  auto dw =
      k.reduce("dw", domain, {batch(n), fixed(out), fixed(out)}, number(f32, 0),
               acc() + x({index(4), index(5) + index(0), index(6) + index(1),
                          index(2)}) *
                           g);
  auto m1 = k.pointwise("m1", domain, m(at) * 0.9 + dw(at) * 0.1);
  auto w1 = k.pointwise("w1", domain, w(at) - m1(at) * 0.1 + m(at) * 0.01);
  k.output("m", m1, false, 4);
  k.output("w", w1, false, 3);
  expectGood(k.spec);
}

TEST_P(Sweep, Reductions) {
  KernelBuilder k("reductions");
  const int64_t n = upTo(20), h = upTo(6), c = channels();
  auto x = k.input("x", {batch(n), fixed(h), fixed(c)});
  switch (random() % 5) {
  case 0: { // over the samples and rows
    auto s = k.reduce("s", {fixed(c)}, {batch(n), fixed(h)}, number(f32, 0),
                      acc() + x({index(1), index(2), index(0)}));
    auto v = k.reduce("v", {fixed(c)}, {batch(n), fixed(h)}, number(f32, 0),
                      acc() + x({index(1), index(2), index(0)}) *
                                  x({index(1), index(2), index(0)}));
    auto y = k.pointwise("y", {batch(n), fixed(h), fixed(c)},
                         (x({index(0), index(1), index(2)}) - s({index(2)})) *
                             unary(Op::Rsqrt, v({index(2)}) + 1.0));
    k.output("s", s);
    k.output("v", v);
    k.output("y", y);
    break;
  }
  case 1: { // argmax of the innermost
    X v = x({index(0), index(1), index(2)});
    X better = v > acc(f32, 0);
    auto m = k.reduce("m", {batch(n), fixed(h)}, {fixed(c)}, number(f32, -2),
                      select(better, v, acc(f32, 0)));
    X position = select(better, cast(ScalarType::I32, index(2)),
                        acc(ScalarType::I32, 1));
    auto p = k.result(integer(0, ScalarType::I32), &position);
    if (coin())
      k.output("m", m);
    k.output("p", p);
    break;
  }
  case 2: { // one number
    auto s =
        k.reduce("s", {}, {batch(n), fixed(h), fixed(c)}, number(f32, 0),
                 acc() + unary(Op::Abs, x({index(0), index(1), index(2)})));
    k.output("s", k.pointwise("mean", {},
                              s({}) / cast(f32, samples() * integer(h * c))));
    break;
  }
  case 3: { // the middle
    auto s = k.reduce("s", {batch(n), fixed(c)}, {fixed(h)}, number(f32, -9),
                      max(acc(), x({index(0), index(2), index(1)})));
    k.output("s", s);
    break;
  }
  default: { // softmax over the innermost
    const Shape rows{batch(n), fixed(h)}, domain{batch(n), fixed(h), fixed(c)};
    const std::vector<X> at{index(0), index(1), index(2)},
        row{index(0), index(1)};
    auto m =
        k.reduce("m", rows, {fixed(c)}, number(f32, -1e30), max(acc(), x(at)));
    auto e = k.pointwise("e", domain, exp(x(at) - m(row)));
    auto s = k.reduce("s", rows, {fixed(c)}, number(f32, 0), acc() + e(at));
    auto y = k.pointwise("y", domain, e(at) / s(row));
    k.output("y", y);
    if (coin())
      k.output("s", s);
  }
  }
  expectGood(k.spec);
}

TEST_P(Sweep, Pointwise) {
  KernelBuilder k("pointwise");
  const int64_t n = upTo(20), h = upTo(6), c = channels();
  const Shape domain{batch(n), fixed(h), fixed(c)};
  const std::vector<X> at{index(0), index(1), index(2)};
  const ScalarType type = coin() ? f32 : ScalarType::F64;
  auto x = k.input("x", domain, false, type),
       b = k.input("b", {fixed(c)}, false, type);
  switch (random() % 5) {
  case 0: { // dropout: a counter, mixed in 64 bits
    auto seed = k.input("seed", {}, false, ScalarType::I64);
    X counter = (index(0) * integer(h) + index(1)) * integer(c) + index(2);
    X z = counter * integer(int64_t(0x9e3779b97f4a7c15ull)) + seed({});
    z = binary(Op::Xor, z, binary(Op::ShiftRightLogical, z, integer(30))) *
        integer(int64_t(0xbf58476d1ce4e5b9ull));
    z = binary(Op::ShiftRightLogical, z, integer(40));
    X keep = cast(type, z) * (1.0 / (1 << 24)) >= number(type, 0.3);
    k.output("keep", k.pointwise("keep", domain, keep));
    k.output("y",
             k.pointwise("y", domain,
                         select(keep, x(at) * (1 / 0.7), number(type, 0))));
    break;
  }
  case 1: { // concatenation and a slice
    auto other = k.input("other", {batch(n), fixed(h), fixed(3)}, false, type);
    X first = index(2) < integer(c);
    X value =
        select(first, x({index(0), index(1), clamp(index(2), c - 1)}),
               other({index(0), index(1), clamp(index(2) - integer(c), 2)}));
    k.output("y", k.pointwise("y", {batch(n), fixed(h), fixed(c + 3)}, value));
    break;
  }
  case 2: { // transposition
    k.output("y",
             k.pointwise("y", {batch(n), fixed(c), fixed(h)},
                         x({index(0), index(2), index(1)}) * b({index(1)})));
    break;
  }
  case 3: { // gather
    auto table = k.input("table", {fixed(8), fixed(c)}, false, type);
    auto tokens =
        k.input("tokens", {batch(n), fixed(h)}, false, ScalarType::I32);
    X row = cast(ScalarType::I64, tokens({index(0), index(1)}));
    k.output("y", k.pointwise("y", domain, table({row, index(2)}) + x(at)));
    break;
  }
  default: { // several outputs, one in place
    auto y = k.pointwise("y", domain, x(at) * b({index(2)}) + 1.0);
    auto z = k.pointwise("z", domain, unary(Op::Tanh, y(at)) - x(at));
    k.output("z", z);
    k.output("y", y, false, 0);
  }
  }
  expectGood(k.spec);
}

TEST_P(Sweep, Attention) {
  KernelBuilder k("attention");
  const int64_t b = upTo(3), t = upTo(20), d = pick({4, 8, 16, 20});
  const Shape input{batch(b), fixed(t), fixed(d)},
      scores{batch(b), fixed(t), fixed(t)}, rows{batch(b), fixed(t)};
  auto q = k.input("q", input), key = k.input("k", input),
       v = k.input("v", input);
  const std::vector<X> at{index(0), index(1), index(2)},
      row{index(0), index(1)};
  auto s = k.reduce("s", scores, {fixed(d)}, number(f32, 0),
                    acc() + q({index(0), index(1), index(3)}) *
                                key({index(0), index(2), index(3)}));
  auto m =
      k.reduce("m", rows, {fixed(t)}, number(f32, -1e30), max(acc(), s(at)));
  auto e = k.pointwise("e", scores, exp(s(at) - m(row)));
  auto sum = k.reduce("sum", rows, {fixed(t)}, number(f32, 0), acc() + e(at));
  auto o = k.reduce("o", input, {fixed(t)}, number(f32, 0),
                    acc() + e({index(0), index(1), index(3)}) *
                                v({index(0), index(3), index(2)}));
  k.output("y", k.pointwise("y", input, o(at) / sum(row)));
  expectGood(k.spec);
}

INSTANTIATE_TEST_SUITE_P(Random, Sweep,
                         ::testing::Range(0, environment("FM_SWEEP_COUNT", 8)));

} // namespace
