//===- trial_test.cpp - Whether an entry's threads pay --------------------===//
//
// A host whose loops take long makes calls stay on their own thread, one that
// saves time does not, nor do calls that take milliseconds. Time passes as the
// host says, whatever the machine does.
//
//===----------------------------------------------------------------------===//
#include "toy_model.h"

#include <gtest/gtest.h>

#include <chrono>
#include <string>

using namespace toy;

namespace {

std::chrono::nanoseconds elapsed{1};

} // namespace

/// In place of the runtime's clock.
extern "C" int64_t fmrt_now(void) { return elapsed.count(); }

namespace {

constexpr int32_t TrainStep = 0;

struct Host {
  std::chrono::microseconds here{0},
      there{0};  ///< a loop on one thread, on many
  int loops = 0; ///< that it was given
  bool running = false;

  static int task(void *, int32_t index, uint8_t *closure) {
    Host *host = reinterpret_cast<Host *>(closure);
    if (index == 0 && !host->running)
      elapsed += host->here;
    return 0;
  }
  static int loop(void *self, fm_task task, void *context, int32_t begin,
                  int32_t count, uint8_t *closure) {
    Host *host = static_cast<Host *>(self);
    ++host->loops;
    host->running = true;
    elapsed += host->there;
    int error = 0;
    for (int32_t i = begin; i < begin + count; ++i)
      error |= task(context, i, closure);
    host->running = false;
    return error;
  }
};

class Trial : public testing::Test {
protected:
  Trial() {
    fm_init(*bound, 1);
    EXPECT_EQ(fm_set_parallel_for(*bound, Host::loop, &host), FM_OK);
  }

  /// One letter a call: with threads or alone.
  std::string calls(int count, int64_t n = 4) {
    std::string result;
    for (int i = 0; i < count; ++i) {
      const int before = host.loops;
      std::vector<void *> arguments = {image, label, &loss};
      EXPECT_EQ(
          fm_step_begin(*bound, &toy.model, TrainStep, n, arguments.data()),
          FM_OK);
      EXPECT_EQ(fm_parallel_for(*bound, Host::task, 0, 2,
                                reinterpret_cast<uint8_t *>(&host)),
                0);
      EXPECT_EQ(fm_step_end(*bound, TrainStep, 0), FM_OK);
      result += host.loops > before ? 't' : 'a';
    }
    return result;
  }

  Model toy;
  Bound bound{toy.model};
  Host host;
  float image[16] = {}, loss = 0;
  int32_t label[4] = {};
};

TEST_F(Trial, CallsAreAloneWhereThreadsTakeLonger) {
  host.there = std::chrono::microseconds(500);
  EXPECT_EQ(calls(30), "tttt"
                       "aaaa" +
                           std::string(22, 'a'));
  // A number of samples with as many bits is alike, another one is not.
  EXPECT_EQ(calls(3), "aaa");
  EXPECT_EQ(calls(9, 1), "tttt"
                         "aaaa"
                         "a");
  EXPECT_EQ(calls(2), "aa");
}

TEST_F(Trial, CallsUseThreadsThatPay) {
  host.here = std::chrono::microseconds(500);
  // The second call that is timed shows enough.
  EXPECT_EQ(calls(30), "tttt"
                       "aa" +
                           std::string(24, 't'));
}

TEST_F(Trial, LongCallsUseThreads) {
  host.there = std::chrono::microseconds(3000);
  EXPECT_EQ(calls(12), std::string(12, 't'));
}

// What was found when a program began, or a neighbour was busy, does not hold
// for long; what is found again does.
TEST_F(Trial, IsRepeatedSoonWhereItChanges) {
  host.there = std::chrono::microseconds(500);
  EXPECT_EQ(calls(64), "ttttaaaa" + std::string(56, 'a'));
  EXPECT_EQ(calls(256), "ttttaaaa" + std::string(248, 'a'));
  host.here = std::chrono::microseconds(500);
  host.there = std::chrono::microseconds(0);
  // What is decided two calls early ends two calls early.
  EXPECT_EQ(calls(62), "ttttaa" + std::string(56, 't'));
  EXPECT_EQ(calls(254), "ttttaa" + std::string(248, 't'));
  EXPECT_EQ(calls(10), "ttttaatttt");
}

// What was found holds for a while; then the machine may have changed.
TEST_F(Trial, IsRepeated) {
  host.here = std::chrono::microseconds(250);
  host.there = std::chrono::microseconds(300);
  calls(64 + 256);
  const std::string first = calls(1024);
  EXPECT_EQ(first.substr(0, 8), "tttt"
                                "aaaa");
  host.there = std::chrono::microseconds(1000);
  EXPECT_EQ(calls(30), "tttt"
                       "aaaa" +
                           std::string(22, 'a'));
}

// Where threads gain nothing, and cost nothing, the next trial is soon: they may
// have met another program's.
TEST_F(Trial, IsRepeatedSoonWhereItCostsLittle) {
  host.here = host.there = std::chrono::microseconds(250);
  calls(64 + 128);
  for (int i = 0; i < 3; ++i)
    EXPECT_EQ(calls(128), "ttttaaaa" + std::string(120, 'a'));
  host.there = std::chrono::microseconds(10);
  EXPECT_EQ(calls(20), "ttttaa" + std::string(14, 't'));
}

// Where one kind takes more than twice as long, it is not tried again so soon.
TEST_F(Trial, IsRepeatedSeldomWhereItIsClear) {
  host.there = std::chrono::microseconds(500);
  calls(64 + 256 + 1024 + 4096);
  EXPECT_EQ(calls(8), "ttttaaaa");
  EXPECT_EQ(calls(16384 - 8), std::string(16384 - 8, 'a'));
  EXPECT_EQ(calls(5), "tttta");
}

// Handing over a loop forgets what was known about another one.
TEST_F(Trial, BelongsToALoop) {
  host.there = std::chrono::microseconds(500);
  EXPECT_EQ(calls(9), "tttt"
                      "aaaa"
                      "a");
  ASSERT_EQ(fm_set_parallel_for(*bound, Host::loop, &host), FM_OK);
  EXPECT_EQ(calls(5), "tttt"
                      "a");
  ASSERT_EQ(fm_set_parallel_for(*bound, nullptr, nullptr), FM_OK);
  EXPECT_EQ(calls(5), "aaaaa");
}

// A call that is refused is none.
TEST_F(Trial, RefusedCallsAreNotCounted) {
  EXPECT_EQ(calls(3), "ttt");
  std::vector<void *> arguments = {nullptr, label, &loss};
  for (int i = 0; i < 5; ++i)
    EXPECT_NE(fm_step_begin(*bound, &toy.model, TrainStep, 4, arguments.data()),
              FM_OK);
  EXPECT_EQ(calls(2), "ta");
}

} // namespace
