//===- fma_peak.cpp - The ceiling: fused multiply-adds per second
//----------===//
//
// Twelve independent chains of the widest vectors that the compiler has for
// this machine. Measured in the same run as every figure that is compared with
// it.
//
//===----------------------------------------------------------------------===//
#include <ctime>

#ifdef __AVX512F__
typedef float Vector __attribute__((vector_size(64)));
#elif defined(__AVX__)
typedef float Vector __attribute__((vector_size(32)));
#else
typedef float Vector __attribute__((vector_size(16)));
#endif

static double cpuSeconds() {
  timespec t;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
  return t.tv_sec + t.tv_nsec * 1e-9;
}

/// GFLOP/s of one core; processor time, so that a busy machine does not matter.
double measureFmaPeak() {
  double best = 0;
  for (int run = 0; run < 5; ++run) {
    Vector a[12], b, c;
    for (auto &v : a)
      v = v - v + 1.0f;
    b = a[0] * 0.999f;
    c = a[0] * 1e-6f;
    const long steps = 2000000;
    const double start = cpuSeconds();
    for (long i = 0; i < steps; ++i)
      for (auto &v : a) {
        v = v * b + c;
        asm volatile("" : "+x"(v));
      }
    const double time = cpuSeconds() - start;
    const double rate = steps * 12.0 * 2 * (sizeof(Vector) / 4) / time / 1e9;
    best = rate > best ? rate : best;
  }
  return best;
}
