// bench-compare: one entry of a model, compiled by several compilers, in turns.
//
//   bench-compare THREADS SECONDS TURN_MS LIBRARY LIBRARY...
//
// Each library is Entry.cpp with what one compiler made of the model
// (scripts/compare). Turn by turn, every library is called for TURN_MS
// milliseconds, in an order that is turned around each time, so that whatever a
// machine's neighbours do meets all of them. Prints the median of the turns'
// medians, and of the ratios of the first library's turns to those of the
// others right beside them, with quartiles: above 1, the other is faster.

#include "bench/support/Measure.h"

#include <cstdio>
#include <cstdlib>
#include <dlfcn.h>

using namespace fm::bench;

namespace {

struct Version {
  const char *(*start)(int);
  const char *(*call)();
  std::vector<double> turns; ///< seconds
};

[[noreturn]] void fail(const char *message) {
  std::fprintf(stderr, "bench-compare: %s\n", message);
  std::exit(1);
}

/// Sorts.
double quantile(std::vector<double> &values, double share) {
  std::sort(values.begin(), values.end());
  return values[size_t(share * double(values.size() - 1) + 0.5)];
}

} // namespace

int main(int argc, char **argv) {
  if (argc < 5)
    fail("usage: bench-compare THREADS SECONDS TURN_MS LIBRARY...");
  const int threads = std::atoi(argv[1]);
  const double seconds = std::atof(argv[2]), turn = std::atof(argv[3]) * 1e-3;
  std::vector<Version> versions;
  for (int i = 4; i < argc; ++i) {
    void *library = dlopen(argv[i], RTLD_NOW | RTLD_LOCAL);
    if (!library)
      fail(dlerror());
    Version version;
    version.start = reinterpret_cast<decltype(version.start)>(
        dlsym(library, "fm_compare_start"));
    version.call = reinterpret_cast<decltype(version.call)>(
        dlsym(library, "fm_compare_call"));
    if (!version.start || !version.call)
      fail("no library of scripts/compare");
    if (const char *message = version.start(threads))
      fail(message);
    versions.push_back(version);
  }

  const size_t count = versions.size();
  const double perTurn = double(count) * (turn + 0.01);
  const int turns = std::max(5, int(seconds / perTurn));
  for (int i = 0; i < turns; ++i)
    for (size_t k = 0; k < count; ++k) {
      Version &version = versions[i % 2 ? count - 1 - k : k];
      version.turns.push_back(median(
          [&] {
            if (const char *message = version.call())
              fail(message);
          },
          turn));
    }

  for (size_t k = 0; k < count; ++k) {
    std::vector<double> ratios, times = versions[k].turns;
    for (int i = 0; i < turns; ++i)
      ratios.push_back(versions[0].turns[i] / times[i]);
    std::printf("%9.4f ms", quantile(times, 0.5) * 1e3);
    if (k)
      std::printf("  %6.3fx (%.3f-%.3f)", quantile(ratios, 0.5),
                  quantile(ratios, 0.25), quantile(ratios, 0.75));
    std::printf("\n");
  }
  return 0;
}
