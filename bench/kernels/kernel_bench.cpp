//===- kernel_bench.cpp - Speed of single kernels
//--------------------------===//
//
// Compiles kernels of well-known shapes, measures them, and prints GFLOP/s and
// the share of the FMA peak that was measured in the same run.
//
//   kernel_bench [filter] [--threads=N] [--cpu=NAME] [--plan] [--asm=FILE]
//   kernel_bench [filter] --together     compile time and size of one object
//
//===----------------------------------------------------------------------===//
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <functional>

#include "compiler/codegen/HalideKernel.h"
#include "compiler/codegen/Layouts.h"
#include "compiler/codegen/ObjectEmitter.h"
#include "tests/codegen/KernelBuilder.h"
#include "tests/codegen/KernelHarness.h"

double measureFmaPeak();

using namespace fm::test;

namespace {

const ScalarType f32 = ScalarType::F32;
using Shape = std::vector<Extent>;

/// Processor time of this thread: other work on the machine does not count.
double cpuSeconds() {
  timespec t;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
  return t.tv_sec + t.tv_nsec * 1e-9;
}
double wallSeconds() {
  return std::chrono::duration<double>(
             std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

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

KernelSpec conv(int64_t n, int64_t size, int64_t ci, int64_t co, int64_t kernel,
                bool pool, int64_t padding = 0, bool external = false) {
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
  X at = y({index(0), index(1) * integer(2) + index(4),
            index(2) * integer(2) + index(5), index(3)});
  X better = at > acc(f32, 0);
  auto p = k.reduce("p", {batch(n), fixed(out / 2), fixed(out / 2), fixed(co)},
                    {fixed(2), fixed(2)}, number(f32, -1e30),
                    select(better, at, acc(f32, 0)));
  X position =
      select(better, cast(ScalarType::I8, index(4) * integer(2) + index(5)),
             acc(ScalarType::I8, 1));
  auto q = k.result(integer(0, ScalarType::I8), &position);
  k.output("p", p);
  k.output("q", q);
  return k.spec;
}

/// `swapped`: the kernel is stored as [ky, kx, co, ci].
KernelSpec convInputGradient(int64_t n, int64_t size, int64_t ci, int64_t co,
                             int64_t kernel, bool swapped) {
  KernelBuilder k("conv_dx");
  const int64_t out = size - kernel + 1;
  auto dy = k.input("dy", {batch(n), fixed(out), fixed(out), fixed(co)});
  auto w =
      swapped
          ? k.input("w", {fixed(kernel), fixed(kernel), fixed(co), fixed(ci)})
          : k.input("w", {fixed(kernel), fixed(kernel), fixed(ci), fixed(co)});
  X oy = index(1) - index(4), ox = index(2) - index(5);
  X inside = (oy >= integer(0)) && (oy < integer(out)) && (ox >= integer(0)) &&
             (ox < integer(out));
  X g = select(inside,
               dy({index(0), clamp(oy, out - 1), clamp(ox, out - 1), index(6)}),
               number(f32, 0));
  X weight = swapped ? w({index(4), index(5), index(6), index(3)})
                     : w({index(4), index(5), index(3), index(6)});
  auto dx = k.reduce("dx", {batch(n), fixed(size), fixed(size), fixed(ci)},
                     {fixed(kernel), fixed(kernel), fixed(co)}, number(f32, 0),
                     acc() + g * weight);
  k.output("dx", dx);
  return k.spec;
}

KernelSpec convKernelGradient(int64_t n, int64_t size, int64_t ci, int64_t co,
                              int64_t kernel, bool external = false) {
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

/// c[b, i, j] = sum over k of a[b, i, k] * b[b, k, j], or b[b, j, k].
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
  auto x = k.input("x", {batch(n), fixed(size), fixed(size), fixed(c)});
  auto w = k.input("w", {fixed(3), fixed(3), fixed(c)});
  X iy = index(1) + index(4) - integer(1),
    ix = index(2) + index(5) - integer(1);
  X inside = (iy >= integer(0)) && (iy < integer(size)) && (ix >= integer(0)) &&
             (ix < integer(size));
  X value = select(
      inside, x({index(0), clamp(iy, size - 1), clamp(ix, size - 1), index(3)}),
      number(f32, 0));
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

struct Case {
  const char *name;
  KernelSpec spec;
  double flops;
};

std::vector<Case> cases() {
  std::vector<Case> list;
  auto add = [&](const char *name, const KernelSpec &spec, double macs) {
    list.push_back({name, spec, 2 * macs});
  };
  for (int64_t n : {64, 1}) {
    const bool full = n == 64;
    auto name = [&](const char *text) {
      static std::vector<std::string> *names = new std::vector<std::string>;
      names->reserve(500);
      names->push_back(std::string("b") + std::to_string(n) + "." + text);
      return names->back().c_str();
    };
    const double c1 = n * 676.0 * 9 * 32, c2 = n * 121.0 * 288 * 64,
                 c3 = n * 9.0 * 576 * 64;
    add(name("conv1"), conv(n, 28, 1, 32, 3, false, 0, true), c1);
    add(name("conv1_pool"), conv(n, 28, 1, 32, 3, true, 0, true), c1);
    add(name("conv2_pool"), conv(n, 13, 32, 64, 3, true), c2);
    add(name("conv2"), conv(n, 13, 32, 64, 3, false), c2);
    add(name("conv3"), conv(n, 5, 64, 64, 3, false), c3);
    add(name("conv1_dw"), convKernelGradient(n, 28, 1, 32, 3, true), c1);
    add(name("conv2_dw"), convKernelGradient(n, 13, 32, 64, 3), c2);
    add(name("conv3_dw"), convKernelGradient(n, 5, 64, 64, 3), c3);
    add(name("conv2_dx"), convInputGradient(n, 13, 32, 64, 3, false), c2);
    add(name("conv2_dx_swapped"), convInputGradient(n, 13, 32, 64, 3, true),
        c2);
    add(name("conv3_dx"), convInputGradient(n, 5, 64, 64, 3, false), c3);
    add(name("conv3_dx_swapped"), convInputGradient(n, 5, 64, 64, 3, true), c3);
    for (auto [in, out] :
         {std::pair{576, 64}, {784, 512}, {512, 512}, {64, 10}, {512, 10}}) {
      const std::string shape = std::to_string(in) + "x" + std::to_string(out);
      const double macs = double(n) * in * out;
      add(name(("dense_" + shape).c_str()), dense(n, in, out), macs);
      add(name(("dense_dx_" + shape).c_str()),
          denseInputGradient(n, in, out, false), macs);
      add(name(("dense_dxT_" + shape).c_str()),
          denseInputGradient(n, in, out, true), macs);
      add(name(("dense_dw_" + shape).c_str()), denseKernelGradient(n, in, out),
          macs);
    }
    if (full)
      add(name("bias_gradient2"), biasGradient(n, 11, 64), n * 121.0 * 32);
  }
  add("encoder.1024x256x768", matmul(1024, 256, 768), 1024.0 * 256 * 768);
  add("encoder.1024x256x1024", matmul(1024, 256, 1024), 1024.0 * 256 * 1024);
  add("encoder.1024x1024x256", matmul(1024, 1024, 256), 1024.0 * 256 * 1024);
  add("encoder.qk_32x128x64x128", batched(32, 128, 64, 128, true),
      32.0 * 128 * 128 * 64);
  add("encoder.pv_32x128x128x64", batched(32, 128, 128, 64, false),
      32.0 * 128 * 128 * 64);
  add("encoder.softmax_4096x128", softmax(4096, 128), 4096.0 * 128 * 10);
  add("resnet.conv3x3_64_56", conv(8, 56, 64, 64, 3, false, 1),
      8.0 * 56 * 56 * 576 * 64);
  add("mbconv.depthwise_240_28", depthwise(8, 28, 240),
      8.0 * 28 * 28 * 9 * 240);
  return list;
}

/// All chosen kernels in one object.
void compileTogether(const std::string &filter, const std::string &cpu) {
  std::vector<KernelSpec> specs;
  std::vector<std::string> symbols;
  for (const Case &c : cases())
    if (std::string(c.name).find(filter) != std::string::npos) {
      specs.push_back(c.spec);
      specs.back().name = "k" + std::to_string(specs.size());
      symbols.push_back(specs.back().name);
    }
  const auto target = testTarget(false, cpu);
  const double start = wallSeconds();
  const auto kernels = fm::codegen::compileKernels(specs, target);
  const double halide = wallSeconds();
  fm::codegen::ObjectEmitter emitter(target);
  const std::string error = emitter.link(kernels, symbols);
  const double linked = wallSeconds();
  std::string object;
  if (error.empty())
    emitter.emit(fm::codegen::EmitKind::Object, object);
  std::printf("%zu kernels: Halide %.2f s, LLVM passes %.2f s, machine code "
              "%.2f s, %zu bytes %s\n",
              specs.size(), halide - start, linked - halide,
              wallSeconds() - linked, object.size(), error.c_str());
}

} // namespace

int main(int argc, char **argv) {
  std::string filter, cpu = "native", assembly;
  int threads = 1;
  bool plan = false, together = false;
  for (int i = 1; i < argc; ++i) {
    if (!std::strncmp(argv[i], "--threads=", 10))
      threads = std::atoi(argv[i] + 10);
    else if (!std::strncmp(argv[i], "--cpu=", 6))
      cpu = argv[i] + 6;
    else if (!std::strcmp(argv[i], "--plan"))
      plan = true;
    else if (!std::strcmp(argv[i], "--together"))
      together = true;
    else if (!std::strncmp(argv[i], "--asm=", 6))
      setenv("FM_DUMP_ASM", argv[i] + 6, 1);
    else
      filter = argv[i];
  }
  if (together) {
    compileTogether(filter, cpu);
    return 0;
  }
  auto seconds = threads == 1 ? cpuSeconds : wallSeconds;
  const double peak = measureFmaPeak();
  std::printf("FMA peak of one core: %.1f GFLOP/s\n", peak);
  setThreads(threads);
  for (const Case &c : cases()) {
    if (std::string(c.name).find(filter) == std::string::npos)
      continue;
    const double begin = wallSeconds();
    const auto target = testTarget(false, cpu);
    // Operands that lie badly are copied first, as in a compiled model.
    KernelSpec spec = c.spec;
    std::vector<KernelSpec> specs;
    const auto wishes = fm::codegen::wishedLayouts(spec, target.machine);
    for (const auto &wish : wishes) {
      Buffer &buffer = spec.inputs[wish.input];
      specs.push_back(fm::codegen::copyKernel(buffer, wish.dims));
      specs.back().name = "copy" + std::to_string(wish.input);
      buffer = specs.back().outputs[0].buffer;
      buffer.name = c.spec.inputs[wish.input].name;
    }
    specs.push_back(spec);
    RunnableKernels kernels(specs, target);
    const double compile = wallSeconds() - begin;
    if (!kernels.error.empty()) {
      std::printf("%-28s %s\n", c.name, kernels.error.c_str());
      continue;
    }
    const int64_t n = fm::codegen::samplesBound(c.spec);
    std::vector<void *> pointers;
    auto allocate = [&](const Buffer &b) {
      size_t elements = 1024 + b.offset;
      for (const auto &d : b.dims)
        elements += (std::max<int64_t>(d.extent.size, 16)) * d.stride;
      float *p = static_cast<float *>(
          aligned_alloc(64, (elements * 8 + 63) / 64 * 64));
      for (size_t i = 0; i < elements; ++i)
        p[i] = (i % 13) * 0.01f + 0.01f;
      return p;
    };
    for (const Buffer &b : c.spec.inputs)
      pointers.push_back(allocate(b));
    for (const auto &o : c.spec.outputs)
      pointers.push_back(o.inPlace >= 0 ? pointers[o.inPlace]
                                        : allocate(o.buffer));
    std::vector<std::vector<void *>> copyPointers;
    for (const auto &wish : wishes) {
      void *to = allocate(spec.inputs[wish.input]);
      copyPointers.push_back({pointers[wish.input], to});
      pointers[wish.input] = to;
    }
    copyPointers.push_back(pointers);
    auto runAll = [&] {
      for (size_t k = 0; k < specs.size(); ++k)
        kernels.functions[k](nullptr, n, copyPointers[k].data());
    };
    runAll();
    const double probe = seconds();
    runAll();
    const int repeat =
        std::clamp<int>(0.005 / std::max(1e-7, seconds() - probe), 1, 100000);
    std::vector<double> times;
    for (int run = 0; run < 15; ++run) {
      const double start = seconds();
      for (int r = 0; r < repeat; ++r)
        runAll();
      times.push_back((seconds() - start) / repeat);
    }
    std::sort(times.begin(), times.end());
    const double time = times[times.size() / 4];
    std::printf("%-28s %9.1f us %7.1f GFLOP/s %5.1f%%   (compiled in %.2f s)\n",
                c.name, time * 1e6, c.flops / time / 1e9,
                100 * c.flops / time / 1e9 / (peak * threads), compile);
    if (plan)
      for (const std::string &schedule : kernels.schedules)
        std::printf("%s", schedule.c_str());
    std::fflush(stdout);
  }
}
