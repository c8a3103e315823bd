//===- Families.cpp - The kernels that networks consist of ----------------===//
#include "bench/kernels/Families.h"

#include "tests/codegen/KernelBuilder.h"

namespace fm::bench {

using namespace fm::test;

namespace {

const ScalarType f32 = ScalarType::F32;
using Shape = std::vector<Extent>;

/// Appends an in-place Adam update of w, m, v with gradient `g` over `domain`.
void adam(KernelBuilder &k, const Shape &domain,
          const KernelBuilder::Tensor &g) {
  std::vector<X> at;
  for (unsigned d = 0; d < domain.size(); ++d)
    at.push_back(index(d));
  const int first = k.spec.inputs.size();
  auto w = k.input("w", domain), m = k.input("m", domain),
       v = k.input("v", domain);
  auto rate = k.input("rate", {});
  auto m1 = k.pointwise("m1", domain, m(at) * 0.9 + g(at) * 0.1);
  auto v1 = k.pointwise("v1", domain, v(at) * 0.999 + g(at) * g(at) * 0.001);
  auto w1 = k.pointwise("w1", domain,
                        w(at) - rate({}) * m1(at) / (sqrt(v1(at)) + 1e-7));
  k.output("w", w1, false, first);
  k.output("m", m1, false, first + 1);
  k.output("v", v1, false, first + 2);
}

/// Maximum and its position in 2x2 windows of `image` at a pixel and channel.
template <typename Image>
void addPooling(KernelBuilder &k, int64_t n, int64_t size, int64_t c,
                const Image &image) {
  X at = image({index(0), index(1) * integer(2) + index(4),
                index(2) * integer(2) + index(5), index(3)});
  X better = at > acc(f32, 0);
  auto p = k.reduce("p", {batch(n), fixed(size / 2), fixed(size / 2), fixed(c)},
                    {fixed(2), fixed(2)}, number(f32, -1e30),
                    select(better, at, acc(f32, 0)));
  X position =
      select(better, cast(ScalarType::I8, index(4) * integer(2) + index(5)),
             acc(ScalarType::I8, 1));
  auto q = k.result(integer(0, ScalarType::I8), &position);
  k.output("p", p);
  k.output("q", q);
}

} // namespace

KernelSpec conv(int64_t n, int64_t size, int64_t ci, int64_t co, int64_t kernel,
                bool pool, int64_t padding, bool external) {
  KernelBuilder k("conv");
  const int64_t out = size + 2 * padding - kernel + 1;
  auto x =
      k.input("x", {batch(n), fixed(size), fixed(size), fixed(ci)}, external);
  auto w = k.input("w", {fixed(kernel), fixed(kernel), fixed(ci), fixed(co)});
  auto b = k.input("b", {fixed(co)});
  const Shape domain{batch(n), fixed(out), fixed(out), fixed(co)};
  X iy = index(1) + index(4), ix = index(2) + index(5);
  X value;
  if (padding) {
    iy = iy - integer(padding);
    ix = ix - integer(padding);
    X inside = (iy >= integer(0)) && (iy < integer(size)) &&
               (ix >= integer(0)) && (ix < integer(size));
    value = select(
        inside,
        x({index(0), clamp(iy, size - 1), clamp(ix, size - 1), index(6)}),
        number(f32, 0));
  } else {
    value = x({index(0), iy, ix, index(6)});
  }
  auto z = k.reduce(
      "z", domain, {fixed(kernel), fixed(kernel), fixed(ci)}, number(f32, 0),
      acc() + value * w({index(4), index(5), index(6), index(3)}));
  auto y = k.pointwise(
      "y", domain,
      relu(z({index(0), index(1), index(2), index(3)}) + b({index(3)})));
  if (!pool) {
    k.output("y", y);
    return k.spec;
  }
  addPooling(k, n, out, co, y);
  return k.spec;
}

KernelSpec convInputGradient(int64_t n, int64_t size, int64_t ci, int64_t co,
                             int64_t kernel, bool swapped) {
  KernelBuilder k("conv_dx");
  const int64_t out = size - kernel + 1;
  const int64_t border = kernel - 1, padded = out + 2 * border;
  auto dy = k.input("dy", {batch(n), fixed(padded), fixed(padded), fixed(co)});
  auto w =
      swapped
          ? k.input("w", {fixed(kernel), fixed(kernel), fixed(co), fixed(ci)})
          : k.input("w", {fixed(kernel), fixed(kernel), fixed(ci), fixed(co)});
  X g = dy({index(0), index(1) - index(4) + integer(border),
            index(2) - index(5) + integer(border), index(6)});
  X weight = swapped ? w({index(4), index(5), index(6), index(3)})
                     : w({index(4), index(5), index(3), index(6)});
  auto dx = k.reduce("dx", {batch(n), fixed(size), fixed(size), fixed(ci)},
                     {fixed(kernel), fixed(kernel), fixed(co)}, number(f32, 0),
                     acc() + g * weight);
  k.output("dx", dx);
  return k.spec;
}

KernelSpec convKernelGradient(int64_t n, int64_t size, int64_t ci, int64_t co,
                              int64_t kernel, bool external) {
  KernelBuilder k("conv_dw");
  const int64_t out = size - kernel + 1;
  auto x =
      k.input("x", {batch(n), fixed(size), fixed(size), fixed(ci)}, external);
  auto dy = k.input("dy", {batch(n), fixed(out), fixed(out), fixed(co)});
  const Shape domain{fixed(kernel), fixed(kernel), fixed(ci), fixed(co)};
  auto g =
      k.reduce("g", domain, {batch(n), fixed(out), fixed(out)}, number(f32, 0),
               acc() + x({index(4), index(5) + index(0), index(6) + index(1),
                          index(2)}) *
                           dy({index(4), index(5), index(6), index(3)}));
  adam(k, domain, g);
  return k.spec;
}

KernelSpec dense(int64_t n, int64_t in, int64_t out) {
  KernelBuilder k("dense");
  auto x = k.input("x", {batch(n), fixed(in)});
  auto w = k.input("w", {fixed(in), fixed(out)});
  auto b = k.input("b", {fixed(out)});
  auto z = k.reduce("z", {batch(n), fixed(out)}, {fixed(in)}, number(f32, 0),
                    acc() + x({index(0), index(2)}) * w({index(2), index(1)}));
  k.output("y", k.pointwise("y", {batch(n), fixed(out)},
                            relu(z({index(0), index(1)}) + b({index(1)}))));
  return k.spec;
}

KernelSpec denseInputGradient(int64_t n, int64_t in, int64_t out,
                              bool transposed) {
  KernelBuilder k("dense_dx");
  auto dy = k.input("dy", {batch(n), fixed(out)});
  auto w = transposed ? k.input("w", {fixed(out), fixed(in)})
                      : k.input("w", {fixed(in), fixed(out)});
  X weight = transposed ? w({index(2), index(1)}) : w({index(1), index(2)});
  auto dx = k.reduce("dx", {batch(n), fixed(in)}, {fixed(out)}, number(f32, 0),
                     acc() + dy({index(0), index(2)}) * weight);
  k.output("dx", dx);
  return k.spec;
}

KernelSpec denseKernelGradient(int64_t n, int64_t in, int64_t out) {
  KernelBuilder k("dense_dw");
  auto x = k.input("x", {batch(n), fixed(in)});
  auto dy = k.input("dy", {batch(n), fixed(out)});
  const Shape domain{fixed(in), fixed(out)};
  auto g = k.reduce("g", domain, {batch(n)}, number(f32, 0),
                    acc() + x({index(2), index(0)}) * dy({index(2), index(1)}));
  adam(k, domain, g);
  return k.spec;
}

KernelSpec matmul(int64_t m, int64_t kk, int64_t n) {
  KernelBuilder k("matmul");
  auto a = k.input("a", {fixed(m), fixed(kk)}),
       b = k.input("b", {fixed(kk), fixed(n)});
  k.output("c",
           k.reduce("c", {fixed(m), fixed(n)}, {fixed(kk)}, number(f32, 0),
                    acc() + a({index(0), index(2)}) * b({index(2), index(1)})));
  return k.spec;
}

KernelSpec batched(int64_t count, int64_t m, int64_t kk, int64_t n,
                   bool transposed) {
  KernelBuilder k("batched");
  auto a = k.input("a", {fixed(count), fixed(m), fixed(kk)});
  auto b = transposed ? k.input("b", {fixed(count), fixed(n), fixed(kk)})
                      : k.input("b", {fixed(count), fixed(kk), fixed(n)});
  X bv = transposed ? b({index(0), index(2), index(3)})
                    : b({index(0), index(3), index(2)});
  k.output("c", k.reduce("c", {fixed(count), fixed(m), fixed(n)}, {fixed(kk)},
                         number(f32, 0),
                         acc() + a({index(0), index(1), index(3)}) * bv));
  return k.spec;
}

KernelSpec depthwise(int64_t n, int64_t size, int64_t c) {
  KernelBuilder k("depthwise");
  auto x = k.input("x", {batch(n), fixed(size + 2), fixed(size + 2), fixed(c)});
  auto w = k.input("w", {fixed(3), fixed(3), fixed(c)});
  X value =
      x({index(0), index(1) + index(4), index(2) + index(5), index(3)});
  k.output("y", k.reduce("y", {batch(n), fixed(size), fixed(size), fixed(c)},
                         {fixed(3), fixed(3)}, number(f32, 0),
                         acc() + value * w({index(4), index(5), index(3)})));
  return k.spec;
}

KernelSpec softmax(int64_t n, int64_t c) {
  KernelBuilder k("softmax");
  const Shape rows{batch(n)}, domain{batch(n), fixed(c)};
  auto z = k.input("z", domain);
  auto m = k.reduce("m", rows, {fixed(c)}, number(f32, -1e30),
                    max(acc(), z({index(0), index(1)})));
  auto e =
      k.pointwise("e", domain, exp(z({index(0), index(1)}) - m({index(0)})));
  auto s = k.reduce("s", rows, {fixed(c)}, number(f32, 0),
                    acc() + e({index(0), index(1)}));
  k.output("y",
           k.pointwise("y", domain, e({index(0), index(1)}) / s({index(0)})));
  return k.spec;
}

KernelSpec biasGradient(int64_t n, int64_t size, int64_t c) {
  KernelBuilder k("bias_gradient");
  auto dy = k.input("dy", {batch(n), fixed(size), fixed(size), fixed(c)});
  k.output("g", k.reduce("g", {fixed(c)}, {batch(n), fixed(size), fixed(size)},
                         number(f32, 0),
                         acc() + dy({index(1), index(2), index(3), index(0)})));
  return k.spec;
}

KernelSpec maxPool(int64_t n, int64_t size, int64_t c) {
  KernelBuilder k("max_pool");
  auto x = k.input("x", {batch(n), fixed(size), fixed(size), fixed(c)});
  addPooling(k, n, size, c, x);
  return k.spec;
}

} // namespace fm::bench
