//===- kernel_bench.cpp - Speed of single kernels
//--------------------------===//
//
// Compiles kernels of well-known shapes, measures them, and prints GFLOP/s and
// the share of the FMA peak that was measured in the same run.
//
//   kernel_bench [filter] [--threads=N] [--cpu=NAME] [--plan] [--asm=FILE]
//   kernel_bench [filter] --together     compile time and size of one object
//   kernel_bench [filter] --sweep[=SEED] random shapes of each family; flags
//                                        those below half of its median
//
//===----------------------------------------------------------------------===//
#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <map>
#include <memory>
#include <random>

#include "bench/kernels/Families.h"
#include "bench/support/Peak.h"
#include "compiler/codegen/HalideKernel.h"
#include "compiler/codegen/Layouts.h"
#include "compiler/codegen/ObjectEmitter.h"
#include "tests/codegen/KernelBuilder.h"
#include "tests/codegen/KernelHarness.h"

using namespace fm::test;
using namespace fm::bench;

namespace {

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

struct Case {
  std::string name;
  KernelSpec spec;
  double flops;
  std::string family; ///< of a sweep
};

std::vector<Case> cases() {
  std::vector<Case> list;
  auto add = [&](const std::string &name, const KernelSpec &spec, double macs) {
    list.push_back({name, spec, 2 * macs, ""});
  };
  for (int64_t n : {64, 1}) {
    const bool full = n == 64;
    auto name = [&](const std::string &text) {
      return "b" + std::to_string(n) + "." + text;
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
      add(name("dense_" + shape), dense(n, in, out), macs);
      add(name("dense_dx_" + shape),
          denseInputGradient(n, in, out, false), macs);
      add(name("dense_dxT_" + shape),
          denseInputGradient(n, in, out, true), macs);
      add(name("dense_dw_" + shape), denseKernelGradient(n, in, out),
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

/// Shapes as nobody would choose them, of a million multiply-adds at least for
/// contractions (or elements, for what only passes over memory).
std::vector<Case> sweepCases(unsigned seed) {
  constexpr int shapes = 10;
  std::mt19937 random(seed);
  // Logarithmically even: as many small ones as large ones.
  auto between = [&](double low, double high) {
    const double u = random() / 4294967296.0;
    return static_cast<int64_t>(low * std::pow(high / low, u) + 0.5);
  };
  std::vector<Case> list;
  auto add = [&](const char *family, const std::vector<int64_t> &shape,
                 double macs, const KernelSpec &spec) {
    std::string name = family;
    for (size_t i = 0; i < shape.size(); ++i)
      name += (i ? "x" : " ") + std::to_string(shape[i]);
    list.push_back({name, spec, 2 * macs, family});
  };
  auto repeat = [&](auto make) {
    for (int i = 0; i < shapes;)
      i += make();
  };
  auto denseLike = [&](const char *family, auto spec) {
    repeat([&] {
      const int64_t n = between(1, 256), in = between(10, 1500),
                    out = between(10, 1500);
      const double macs = double(n) * in * out;
      if (macs < 1e6)
        return 0;
      add(family, {n, in, out}, macs, spec(n, in, out));
      return 1;
    });
  };
  auto convLike = [&](const char *family, auto spec) {
    repeat([&] {
      const int64_t n = between(1, 32), size = between(6, 60),
                    ci = between(1, 128), co = between(8, 128),
                    kernel = 1 + 2 * (random() % 3), out = size - kernel + 1;
      const double macs = double(n) * out * out * kernel * kernel * ci * co;
      if (macs < 1e6 || macs > 5e8)
        return 0;
      add(family, {n, size, ci, co, kernel}, macs,
          spec(n, size, ci, co, kernel));
      return 1;
    });
  };
  auto passLike = [&](const char *family, double each, auto spec) {
    repeat([&] {
      const int64_t n = between(1, 32), size = between(8, 60),
                    c = between(4, 256);
      const double elements = double(n) * size * size * c;
      if (elements < 1e6 || elements > 1e7)
        return 0;
      add(family, {n, size, c}, each * elements, spec(n, size, c));
      return 1;
    });
  };
  denseLike("dense", dense);
  denseLike("dense_dx", [](int64_t n, int64_t in, int64_t out) {
    return denseInputGradient(n, in, out, false);
  });
  denseLike("dense_dw", denseKernelGradient);
  repeat([&] {
    const int64_t count = between(2, 64), m = between(16, 256),
                  k = between(16, 256), n = between(16, 256);
    const double macs = double(count) * m * k * n;
    const bool transposed = random() & 1;
    if (macs < 1e6 || macs > 5e8)
      return 0;
    add(transposed ? "batched_t" : "batched", {count, m, k, n}, macs,
        batched(count, m, k, n, transposed));
    return 1;
  });
  convLike("conv", [](auto... shape) { return conv(shape..., false); });
  convLike("conv_dx", [](auto... shape) {
    return convInputGradient(shape..., false);
  });
  convLike("conv_dw",
           [](auto... shape) { return convKernelGradient(shape...); });
  passLike("depthwise", 9, depthwise);
  passLike("max_pool", 0.5, maxPool);
  passLike("bias_gradient", 0.5, biasGradient);
  passLike("softmax", 10, [](int64_t n, int64_t size, int64_t c) {
    return softmax(n * size * size, c);
  });
  return list;
}

/// All chosen kernels in one object.
void compileTogether(const std::string &filter, const std::string &cpu) {
  std::vector<KernelSpec> specs;
  std::vector<std::string> symbols;
  for (const Case &c : cases())
    if (c.name.find(filter) != std::string::npos) {
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

struct Measurement {
  std::string error;
  std::vector<std::string> schedules;
  double seconds = 0, compileSeconds = 0;
};

/// The lower quartile of 15 runs.
Measurement measure(const Case &c, const std::string &cpu, int threads) {
  Measurement result;
  auto seconds = threads == 1 ? cpuSeconds : wallSeconds;
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
  result.compileSeconds = wallSeconds() - begin;
  result.error = kernels.error;
  result.schedules = kernels.schedules;
  if (!result.error.empty())
    return result;

  struct Free {
    void operator()(void *p) const { std::free(p); }
  };
  std::vector<std::unique_ptr<void, Free>> memory;
  auto allocate = [&](const Buffer &b) {
    size_t elements = 1024 + b.offset;
    for (const auto &d : b.dims)
      elements += (std::max<int64_t>(d.extent.size, 16)) * d.stride;
    auto *p = static_cast<float *>(
        aligned_alloc(64, (elements * 8 + 63) / 64 * 64));
    for (size_t i = 0; i < elements; ++i)
      p[i] = (i % 13) * 0.01f + 0.01f;
    memory.emplace_back(p);
    return static_cast<void *>(p);
  };
  std::vector<void *> pointers;
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
  const int64_t n = fm::codegen::samplesBound(c.spec);
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
  result.seconds = times[times.size() / 4];
  return result;
}

/// Which shapes fall off a cliff: slower than half of their family's median.
void flagSlow(const std::vector<std::pair<Case, double>> &measured) {
  std::map<std::string, std::vector<double>> families;
  for (const auto &[c, rate] : measured)
    families[c.family].push_back(rate);
  int flagged = 0;
  std::printf("\n%-16s %8s %8s\n", "family", "median", "slowest");
  for (auto &[family, rates] : families) {
    std::sort(rates.begin(), rates.end());
    std::printf("%-16s %8.1f %8.1f GFLOP/s\n", family.c_str(),
                rates[rates.size() / 2], rates[0]);
  }
  for (const auto &[c, rate] : measured) {
    const auto &rates = families[c.family];
    const double half = rates[rates.size() / 2] / 2;
    if (rate >= half)
      continue;
    std::printf("slow: %-30s %8.1f GFLOP/s, below %.1f\n", c.name.c_str(), rate,
                half);
    ++flagged;
  }
  std::printf("%d of %zu shapes are slower than half of their family's median\n",
              flagged, measured.size());
}

} // namespace

int main(int argc, char **argv) {
  std::string filter, cpu = "native";
  int threads = 1;
  bool plan = false, together = false, sweep = false;
  unsigned seed = 1;
  for (int i = 1; i < argc; ++i) {
    if (!std::strncmp(argv[i], "--threads=", 10))
      threads = std::atoi(argv[i] + 10);
    else if (!std::strncmp(argv[i], "--cpu=", 6))
      cpu = argv[i] + 6;
    else if (!std::strcmp(argv[i], "--plan"))
      plan = true;
    else if (!std::strcmp(argv[i], "--together"))
      together = true;
    else if (!std::strncmp(argv[i], "--sweep", 7)) {
      sweep = true;
      if (argv[i][7] == '=')
        seed = std::atoi(argv[i] + 8);
    } else if (!std::strncmp(argv[i], "--asm=", 6))
      setenv("FM_DUMP_ASM", argv[i] + 6, 1);
    else
      filter = argv[i];
  }
  if (together) {
    compileTogether(filter, cpu);
    return 0;
  }
  const double peak = measureFmaPeak();
  std::printf("FMA peak of one core: %.1f GFLOP/s\n", peak);
  setThreads(threads);
  std::vector<std::pair<Case, double>> measured;
  for (const Case &c : sweep ? sweepCases(seed) : cases()) {
    if (c.name.find(filter) == std::string::npos)
      continue;
    const Measurement m = measure(c, cpu, threads);
    if (!m.error.empty()) {
      std::printf("%-30s %s\n", c.name.c_str(), m.error.c_str());
      continue;
    }
    const double rate = c.flops / m.seconds / 1e9;
    std::printf("%-30s %9.1f us %7.1f GFLOP/s %5.1f%%   (compiled in %.2f s)\n",
                c.name.c_str(), m.seconds * 1e6, rate,
                100 * rate / (peak * threads), m.compileSeconds);
    measured.emplace_back(c, rate);
    if (plan)
      for (const std::string &schedule : m.schedules)
        std::printf("%s", schedule.c_str());
    std::fflush(stdout);
  }
  if (sweep)
    flagSlow(measured);
}
