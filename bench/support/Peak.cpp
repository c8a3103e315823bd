#include "bench/support/Peak.h"
#include "bench/support/Measure.h"

#include <cstdint>
#include <vector>

#if defined(__x86_64__) && defined(__GNUC__)
#include <immintrin.h>
#define FM_X86 1
#endif

namespace fm::bench {
namespace {

/// FMAs wait 4 cycles for their operand, and two start in a cycle: 8 chains
/// keep a core busy, 12 leave room, and fit 16 registers with the two
/// constants.
constexpr int chains = 12;
constexpr int64_t repetitions = 1000000;

/// Runs `repetitions` rounds of `chains` vector FMAs; returns something that
/// depends on all of them, so that none can be left out.
using Kernel = float (*)();

/// Numbers that the compiler does not know: of the chain that starts with 1,
/// it would see that 1 * 0.999 + 0.001 is 1, and count one chain too many.
volatile float firstStart = 0, factorValue = 0.999f, termValue = 1e-3f;

#if FM_X86
__attribute__((target("avx512f"))) float runAvx512() {
  __m512 sums[chains];
  for (int i = 0; i < chains; ++i)
    sums[i] = _mm512_set1_ps(firstStart + static_cast<float>(i));
  const __m512 factor = _mm512_set1_ps(factorValue),
               term = _mm512_set1_ps(termValue);
  for (int64_t n = 0; n < repetitions; ++n)
#pragma GCC unroll 12
    for (int i = 0; i < chains; ++i)
      sums[i] = _mm512_fmadd_ps(sums[i], factor, term);
  __m512 total = _mm512_setzero_ps();
  for (int i = 0; i < chains; ++i)
    total = _mm512_add_ps(total, sums[i]);
  alignas(64) float lanes[16];
  _mm512_store_ps(lanes, total);
  float result = 0;
  for (float lane : lanes)
    result += lane;
  return result;
}

__attribute__((target("avx2,fma"))) float runAvx2() {
  __m256 sums[chains];
  for (int i = 0; i < chains; ++i)
    sums[i] = _mm256_set1_ps(firstStart + static_cast<float>(i));
  const __m256 factor = _mm256_set1_ps(factorValue),
               term = _mm256_set1_ps(termValue);
  for (int64_t n = 0; n < repetitions; ++n)
#pragma GCC unroll 12
    for (int i = 0; i < chains; ++i)
      sums[i] = _mm256_fmadd_ps(sums[i], factor, term);
  __m256 total = _mm256_setzero_ps();
  for (int i = 0; i < chains; ++i)
    total = _mm256_add_ps(total, sums[i]);
  alignas(32) float lanes[8];
  _mm256_store_ps(lanes, total);
  float result = 0;
  for (float lane : lanes)
    result += lane;
  return result;
}
#endif

/// Four lanes are what every 64-bit CPU's vectors hold (SSE2, NEON).
constexpr int genericLanes = 4;
float runGeneric() {
  float sums[chains][genericLanes];
  const float factor = factorValue, term = termValue;
  for (int i = 0; i < chains; ++i)
    for (int lane = 0; lane < genericLanes; ++lane)
      sums[i][lane] = firstStart + static_cast<float>(i);
  for (int64_t n = 0; n < repetitions; ++n)
    for (int i = 0; i < chains; ++i)
      for (int lane = 0; lane < genericLanes; ++lane)
        sums[i][lane] = sums[i][lane] * factor + term;
  float result = 0;
  for (auto &chain : sums)
    for (float sum : chain)
      result += sum;
  return result;
}

struct Width {
  const char *name;
  int lanes;
  Kernel run;
};

Width widest() {
#if FM_X86
  if (__builtin_cpu_supports("avx512f"))
    return {"AVX-512", 16, runAvx512};
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
    return {"AVX2", 8, runAvx2};
#endif
  return {"generic", genericLanes, runGeneric};
}

} // namespace

double measureFmaPeak(double seconds) {
  const Width width = widest();
  volatile float sink = 0;
  const double typical = median([&] { sink = width.run(); }, seconds);
  return 2.0 * repetitions * chains * width.lanes / typical / 1e9;
}

const char *fmaPeakWidth() { return widest().name; }

double measureBandwidth(std::size_t bytes, double seconds) {
  const std::size_t count = bytes / sizeof(float);
  std::vector<float> a(count, 1.0f), b(count, 2.0f), c(count, 3.0f);
  float scale = 0.5f;
  const double typical = median(
      [&] {
        float *to = a.data();
        const float *from = b.data(), *other = c.data();
        for (std::size_t i = 0; i < count; ++i)
          to[i] = from[i] + scale * other[i];
        scale = to[count / 2] > 0 ? 0.25f : 0.5f; // the result is used
      },
      seconds);
  return 3.0 * static_cast<double>(count * sizeof(float)) / typical / 1e9;
}

} // namespace fm::bench
