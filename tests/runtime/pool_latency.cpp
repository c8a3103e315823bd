//===- pool_latency.cpp - How soon a pool's second thread begins ----------===//
//
// Not a test: for several lengths of serial work between two loops, prints the
// time from the call to the other thread's first instruction, and the time of a
// loop whose tasks take 80 us together; for fm_pool, and for libpthreadpool
// where it is installed. Build target: pool_latency.
//
//===----------------------------------------------------------------------===//
#include <fm/runtime.h>

#if defined(FMC_HAVE_PTHREADPOOL)
#include <pthreadpool.h>
#endif

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <functional>
#include <thread>
#include <vector>

namespace {
double now() {
  return std::chrono::duration<double, std::micro>(
             std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

// Two tasks that wait for each other: both threads must take part.
struct Meeting {
  std::atomic<int> arrived{0};
  std::thread::id caller = std::this_thread::get_id();
  double began = 0;

  void meet() {
    if (std::this_thread::get_id() != caller)
      began = now();
    arrived.fetch_add(1);
    while (arrived.load() < 2)
      ;
  }
};

void work(double microseconds) {
  for (double until = now() + microseconds; now() < until;)
    ;
}

// Runs `task` for the indices 0 .. count-1.
using Loop = std::function<void(int count, const std::function<void()> &task)>;

void print(const char *what, std::vector<double> &times) {
  std::sort(times.begin(), times.end());
  const size_t count = times.size();
  std::printf("  %s median %8.2f p90 %8.2f p99 %8.2f us", what,
              times[count / 2], times[count * 9 / 10], times[count * 99 / 100]);
}

void measure(const char *name, double gap, const Loop &loop) {
  std::vector<double> wake, whole;
  for (int i = 0; i < (gap > 500 ? 300 : 3000); ++i) {
    work(gap);
    Meeting meeting;
    double start = now();
    loop(2, [&] { meeting.meet(); });
    wake.push_back(meeting.began - start);
    work(gap);
    start = now();
    loop(8, [] { work(10); });
    whole.push_back(now() - start);
  }
  std::printf("%-12s gap %5.0f us:", name, gap);
  print("wake-up", wake);
  print("8 tasks of 10 us", whole);
  std::printf("\n");
}
} // namespace

int main() {
  const double gaps[] = {0, 10, 50, 150, 2000};
  using Task = std::function<void()>;
  fm_pool *ours = fm_pool_create(2);
  for (double gap : gaps)
    measure("fm_pool", gap, [ours](int count, const Task &task) {
      fm_pool_run(
          ours,
          [](void *context, int32_t, uint8_t *) {
            (*static_cast<const Task *>(context))();
            return 0;
          },
          const_cast<Task *>(&task), 0, count, nullptr);
    });
  fm_pool_destroy(ours);
#if defined(FMC_HAVE_PTHREADPOOL)
  pthreadpool_t theirs = pthreadpool_create(2);
  for (double gap : gaps)
    measure("pthreadpool", gap, [theirs](int count, const Task &task) {
      pthreadpool_parallelize_1d(
          theirs,
          [](void *context, size_t) {
            (*static_cast<const Task *>(context))();
          },
          const_cast<Task *>(&task), static_cast<size_t>(count), 0);
    });
  pthreadpool_destroy(theirs);
#endif
}
