//===- forked_tasks_test.cpp - Tasks in worker processes ------------------===//
//
// What comes back of tasks that return, die and hang; and that a kernel does
// not depend on those which its process compiled before.
//
//===----------------------------------------------------------------------===//
#include <csignal>
#include <map>
#include <set>
#include <thread>
#include <unistd.h>

#include <gtest/gtest.h>

#include "compiler/codegen/ForkedTasks.h"
#include "compiler/codegen/HalideKernel.h"
#include "compiler/codegen/HalideLibrary.h"
#include "tests/codegen/KernelBuilder.h"
#include "tests/codegen/KernelHarness.h"

using namespace fm::codegen;
using namespace fm::test;

namespace {

std::map<size_t, ForkedResult>
run(size_t count, const ForkedLimits &limits,
    const std::function<std::string(size_t)> &task) {
  std::map<size_t, ForkedResult> results;
  runForked(count, limits, task, [&](size_t i, ForkedResult result) {
    EXPECT_TRUE(results.emplace(i, std::move(result)).second) << i;
  });
  EXPECT_EQ(results.size(), count);
  return results;
}

ForkedLimits jobs(unsigned n) {
  ForkedLimits limits;
  limits.jobs = n;
  return limits;
}

TEST(ForkedTasks, ReturnStringsOfAnySize) {
  const size_t sizes[] = {0, 1, 7, 65535, 65536, 5 << 20, 3};
  auto results = run(std::size(sizes), jobs(2), [&](size_t i) {
    return std::string(sizes[i], static_cast<char>('a' + i));
  });
  for (size_t i = 0; i < std::size(sizes); ++i) {
    EXPECT_EQ(results[i].bytes,
              std::string(sizes[i], static_cast<char>('a' + i)));
    EXPECT_EQ(results[i].signal, 0);
    EXPECT_FALSE(results[i].late);
  }
  EXPECT_TRUE(run(0, jobs(2), [](size_t) { return "x"; }).empty());
}

std::string process(size_t) { return std::to_string(getpid()); }

TEST(ForkedTasks, ShareProcesses) {
  std::map<std::string, int> tasks;
  for (const auto &[i, result] : run(40, jobs(3), process))
    ++tasks[result.bytes];
  EXPECT_LE(tasks.size(), 3u);
  EXPECT_EQ(tasks.count(process(0)), 0u) << "not in this one";

  ForkedLimits limits = jobs(3);
  limits.tasks = 4;
  tasks.clear();
  for (const auto &[i, result] : run(40, limits, process))
    ++tasks[result.bytes];
  EXPECT_GE(tasks.size(), 10u);
  for (const auto &[id, n] : tasks)
    EXPECT_LE(n, 4) << id;
}

TEST(ForkedTasks, DieAlone) {
  auto results = run(12, jobs(2), [](size_t i) -> std::string {
    if (i % 4 == 1) {
      signal(SIGTERM, SIG_DFL);
      raise(i == 1 ? SIGKILL : SIGTERM);
    }
    if (i == 6)
      _exit(3);
    return "lives";
  });
  for (const auto &[i, result] : results) {
    const bool dies = i % 4 == 1 || i == 6;
    EXPECT_EQ(result.bytes, dies ? "" : "lives") << i;
    EXPECT_EQ(result.signal, i == 6   ? 0
                             : i == 1 ? SIGKILL
                             : dies   ? SIGTERM
                                      : 0)
        << i;
    EXPECT_FALSE(result.late);
  }
}

TEST(ForkedTasks, AreStoppedInTime) {
  ForkedLimits limits = jobs(2);
  limits.seconds = 1;
  auto results = run(7, limits, [](size_t i) -> std::string {
    while (i == 2 || i == 3)
      pause();
    return "ends";
  });
  for (const auto &[i, result] : results) {
    EXPECT_EQ(result.late, i == 2 || i == 3) << i;
    EXPECT_EQ(result.bytes, result.late ? "" : "ends") << i;
  }
}

// Workers that other threads fork meanwhile keep nobody waiting.
TEST(ForkedTasks, OfSeveralThreads) {
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t)
    threads.emplace_back([t] {
      for (int round = 0; round < 20; ++round)
        for (const auto &[i, result] :
             run(9, jobs(3), [&](size_t k) -> std::string {
               if (k == 4 && t % 2 == 0)
                 raise(SIGKILL);
               return std::to_string(100 * t + k);
             })) {
          const bool dies = i == 4 && t % 2 == 0;
          EXPECT_EQ(result.bytes, dies ? "" : std::to_string(100 * t + i));
          EXPECT_EQ(result.signal, dies ? SIGKILL : 0);
        }
    });
  for (std::thread &thread : threads)
    thread.join();
}

KernelSpec scaled(const std::string &name, int64_t c, double factor) {
  KernelBuilder k(name);
  auto x = k.input("x", {batch(64), fixed(c)});
  k.output("y", k.pointwise("y", {batch(64), fixed(c)},
                            exp(x({index(0), index(1)}) * factor)));
  return k.spec;
}

TEST(Kernels, DoNotDependOnThoseBefore) {
  EXPECT_TRUE(halideNamesRestart());
  const TargetSpec target = testTarget(false);
  std::vector<KernelSpec> all;
  for (int i = 0; i < 6; ++i)
    all.push_back(scaled("k" + std::to_string(i), 24 + 16 * i, 0.5 + i));
  const std::vector<CompiledKernel> inOne = compileKernels(all, target, 1);
  for (size_t i = 0; i < all.size(); ++i) {
    const CompiledKernel alone = compileKernels({all[i]}, target, 1)[0];
    ASSERT_EQ(alone.error, "");
    ASSERT_FALSE(alone.bitcode.empty());
    EXPECT_TRUE(alone.bitcode == inOne[i].bitcode) << all[i].name;
  }
}

} // namespace
