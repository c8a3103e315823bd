//===- pool_test.cpp - The thread pool ------------------------------------===//
//
// Every index exactly once, nested loops, errors, pools that come and go, loops
// from many threads, and results that do not depend on the number of threads.
//
//===----------------------------------------------------------------------===//
#include "toy_model.h"

#include <gtest/gtest.h>

#include <atomic>
#include <climits>
#include <cmath>
#include <functional>
#include <mutex>
#include <set>
#include <thread>

namespace {

struct PoolDeleter {
  void operator()(fm_pool *pool) const { fm_pool_destroy(pool); }
};
using Pool = std::unique_ptr<fm_pool, PoolDeleter>;

using Task = std::function<int(int32_t)>;

int call(void *context, int32_t index, uint8_t *closure) {
  EXPECT_EQ(context, static_cast<void *>(closure));
  return (*reinterpret_cast<const Task *>(closure))(index);
}

int run(const Pool &pool, int32_t begin, int32_t count, const Task &task) {
  uint8_t *closure = reinterpret_cast<uint8_t *>(const_cast<Task *>(&task));
  return fm_pool_run(pool.get(), call, closure, begin, count, closure);
}

TEST(Pool, CountsItsThreads) {
  EXPECT_EQ(fm_pool_threads(Pool(fm_pool_create(3)).get()), 3);
  EXPECT_GE(fm_pool_threads(Pool(fm_pool_create(0)).get()), 1);
  EXPECT_EQ(fm_pool_create(-1), nullptr);
  EXPECT_EQ(fm_pool_create(INT_MAX), nullptr);
  EXPECT_EQ(fm_pool_threads(nullptr), 0);
  fm_pool_destroy(nullptr);
}

TEST(Pool, RunsEveryIndexExactlyOnce) {
  for (int threads : {1, 2, 3, 8}) {
    Pool pool(fm_pool_create(threads));
    for (int32_t count : {0, 1, 2, 3, 7, 64, 1000})
      for (int32_t begin : {0, -5, 100}) {
        std::vector<std::atomic<int>> seen(count);
        EXPECT_EQ(run(pool, begin, count,
                      [&](int32_t index) {
                        seen.at(index - begin).fetch_add(1);
                        return 0;
                      }),
                  0);
        for (auto &times : seen)
          EXPECT_EQ(times, 1);
      }
  }
}

TEST(Pool, TakesIndicesUpToTheLast) {
  Pool pool(fm_pool_create(2));
  std::atomic<int64_t> sum{0};
  run(pool, INT32_MAX - 3, 4, [&](int32_t index) {
    sum += index;
    return 0;
  });
  EXPECT_EQ(sum, 4 * int64_t(INT32_MAX) - 6);
  EXPECT_EQ(run(pool, 0, -1, [](int32_t) { return 1; }), 0);
}

TEST(Pool, UsesItsThreads) {
  Pool pool(fm_pool_create(3));
  std::atomic<int> arrived{0};
  std::mutex mutex;
  std::set<std::thread::id> ids;
  // Three tasks that wait for each other need three threads.
  EXPECT_EQ(run(pool, 0, 3,
                [&](int32_t) {
                  std::lock_guard<std::mutex>(mutex),
                      ids.insert(std::this_thread::get_id());
                  ++arrived;
                  while (arrived < 3)
                    std::this_thread::yield();
                  return 0;
                }),
            0);
  EXPECT_EQ(ids.size(), 3u);
}

TEST(Pool, SleepsAndWakes) {
  Pool pool(fm_pool_create(2));
  for (int i = 0; i < 20; ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
    std::atomic<int> arrived{0};
    EXPECT_EQ(run(pool, 0, 2,
                  [&](int32_t) {
                    ++arrived;
                    while (arrived < 2)
                      std::this_thread::yield();
                    return 0;
                  }),
              0);
  }
}

TEST(Pool, NestedLoopsRunOnTheirThread) {
  Pool pool(fm_pool_create(4));
  std::vector<std::atomic<int>> seen(8 * 8);
  std::atomic<int> arrived{0}; // so that workers have nested loops, too
  EXPECT_EQ(run(pool, 0, 8,
                [&](int32_t outer) {
                  std::thread::id self = std::this_thread::get_id();
                  for (++arrived; arrived < 4;)
                    std::this_thread::yield();
                  return run(pool, 0, 8, [&, self](int32_t inner) {
                    EXPECT_EQ(std::this_thread::get_id(), self);
                    seen[outer * 8 + inner].fetch_add(1);
                    return 0;
                  });
                }),
            0);
  for (auto &times : seen)
    EXPECT_EQ(times, 1);
}

TEST(Pool, AnErrorEndsTheLoop) {
  Pool pool(fm_pool_create(2));
  for (int i = 0; i < 100; ++i) {
    std::atomic<int> calls{0};
    EXPECT_EQ(run(pool, 0, 10000,
                  [&](int32_t) {
                    ++calls;
                    return 42;
                  }),
              42);
    EXPECT_LE(calls, 2);
    EXPECT_EQ(run(pool, 0, 100, [](int32_t index) { return index == 99; }), 1);
    // The next loop knows nothing of it.
    EXPECT_EQ(run(pool, 0, 100, [](int32_t) { return 0; }), 0);
  }
  Pool one(fm_pool_create(1));
  EXPECT_EQ(run(one, 0, 5, [](int32_t index) { return index == 3 ? 3 : 0; }),
            3);
}

TEST(Pool, ComesAndGoes) {
  for (int i = 0; i < 300; ++i) {
    Pool pool(fm_pool_create(1 + i % 5));
    ASSERT_TRUE(pool);
    if (i % 3 == 0)
      continue; // destroyed before its workers have begun
    std::atomic<int> calls{0};
    run(pool, 0, 10, [&](int32_t) {
      ++calls;
      return 0;
    });
    EXPECT_EQ(calls, 10);
    if (i % 50 == 1) // destroyed while its workers sleep
      std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
}

TEST(Pool, ServesManyThreadsOneAfterTheOther) {
  Pool pool(fm_pool_create(3));
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t)
    threads.emplace_back([&pool] {
      for (int i = 0; i < 300; ++i) {
        std::vector<int> seen(20); // not atomic: each index has one task
        EXPECT_EQ(run(pool, 0, 20,
                      [&](int32_t index) {
                        ++seen[index];
                        return 0;
                      }),
                  0);
        EXPECT_EQ(seen, std::vector<int>(20, 1));
      }
    });
  for (std::thread &thread : threads)
    thread.join();
}

TEST(Pool, ManyInstancesInManyThreads) {
  toy::Model toy;
  std::vector<std::thread> threads;
  std::vector<std::string> states(4);
  for (int t = 0; t < 4; ++t)
    threads.emplace_back([&, t] {
      toy::Bound bound(toy.model);
      Pool pool(fm_pool_create(1 + t));
      EXPECT_EQ(fm_init(*bound, 3), FM_OK);
      EXPECT_EQ(fm_set_parallel_for(*bound, fm_pool_run, pool.get()), FM_OK);
      for (int step = 0; step < 200; ++step) {
        // A step's kernel: every task changes its own weight.
        float *weights = reinterpret_cast<float *>(bound.memory.get());
        EXPECT_EQ(fm_parallel_for(
                      *bound,
                      [](void *, int32_t index, uint8_t *closure) {
                        float *weight = reinterpret_cast<float *>(closure);
                        weight[index] = std::sin(weight[index] + index);
                        return 0;
                      },
                      0, 6, reinterpret_cast<uint8_t *>(weights)),
                  0);
        EXPECT_EQ(fm_step_end(*bound, 0, 0), FM_OK);
      }
      states[t] = bound.state();
    });
  for (std::thread &thread : threads)
    thread.join();
  // Bitwise the same for any number of threads.
  for (const std::string &state : states)
    EXPECT_EQ(state, states[0]);
}

TEST(Pool, ManyShortLoops) {
  Pool pool(fm_pool_create(2));
  int64_t sums[64] = {};
  for (int i = 0; i < 20000; ++i)
    run(pool, 0, 64, [&](int32_t index) {
      sums[index] += index;
      return 0;
    });
  for (int i = 0; i < 64; ++i)
    EXPECT_EQ(sums[i], int64_t(20000) * i);
}

} // namespace
