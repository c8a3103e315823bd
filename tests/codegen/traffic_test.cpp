//===- traffic_test.cpp - What moves between caches, counted by hand ------===//
#include <gtest/gtest.h>

#include "compiler/codegen/Traffic.h"

using namespace fm::codegen;

namespace {

// 1024 floats in a row are 4096 bytes, though a cache of 1 KiB holds a quarter.
TEST(Traffic, StepsOfALoopShareLines) {
  const TrafficOperand row(4, {1});
  EXPECT_EQ(trafficInto(1024, {row}, {{0, 1024}}, {1}).bytes, 4096);
}

// 64 lines are used by each of 100 steps, which bring a line each: once 4096
// bytes, and 100 * 64.
TEST(Traffic, WhatALoopUsesAgainStays) {
  const TrafficOperand used(4, {16, 0}), passing(4, {0, 16});
  EXPECT_EQ(
      trafficInto(5000, {used, passing}, {{0, 64}, {1, 100}}, {1, 1}).bytes,
      4096 + 6400);
}

// Too small a cache: the 64 lines come again with each step.
TEST(Traffic, WhatDoesNotFitComesAgain) {
  const TrafficOperand used(4, {16, 0});
  EXPECT_EQ(trafficInto(2048, {used}, {{0, 64}, {1, 100}}, {1, 1}).bytes,
            4096 * 100);
}

// Into the L2 comes what is not there: 128 KiB of 256. Into the L1 all of it
// does.
TEST(Traffic, WhatIsNearbyNeedNotCome) {
  const TrafficOperand far(4, {1, 0}), nearby(4, {1, 0}, true);
  const std::vector<TrafficLoop> loops = {{0, 32768}};
  EXPECT_EQ(trafficInto(1 << 20, {far, nearby}, loops, {1, 1}, 96).bytes,
            128 << 10);
  EXPECT_EQ(trafficInto(1 << 20, {nearby}, loops, {1, 1}, 96).starts, 0);
  EXPECT_EQ(trafficInto(1 << 15, {far, nearby}, loops, {1, 1}).bytes,
            256 << 10);
}

// Rows of 28 columns of 240 channels, eight channels at a time.
TEST(Traffic, Streams) {
  const TrafficOperand row(4, {240, 1});
  // One column after the other: the whole row.
  EXPECT_EQ(row.streamBytes({{1, 30}, {0, 28}}, {1, 8}), 28 * 240 * 4);
  // Seven columns at once: as long as one column's channels.
  EXPECT_EQ(row.streamBytes({{1, 30}, {0, 4}}, {7, 8}), 240 * 4);
  // Channels outside: a line with each step.
  EXPECT_EQ(row.streamBytes({{0, 28}, {1, 30}}, {1, 8}), 64);
  // A window of three columns slides over them.
  const TrafficOperand window(4, {240, 1, 240});
  EXPECT_EQ(window.streamBytes({{2, 3}, {1, 30}, {0, 28}}, {1, 8, 1}),
            28 * 240 * 4);
}

// A matrix of 240 columns: eight columns at a time, each row is elsewhere; all
// columns at once, rows follow each other. What does not move does not jump.
TEST(Traffic, Jumps) {
  const TrafficOperand matrix(4, {240, 1, 0});
  EXPECT_TRUE(matrix.jumps(0, {1, 8, 1}));
  EXPECT_FALSE(matrix.jumps(0, {1, 240, 1}));
  EXPECT_FALSE(matrix.jumps(1, {1, 8, 1}));
  EXPECT_FALSE(matrix.jumps(2, {1, 8, 1}));
  // 30 rows of 64 bytes, 240 floats apart, and a row of 30 floats (two lines).
  const TrafficOperand row(4, {1, 0, 0});
  const Traffic traffic =
      trafficInto(1 << 20, {matrix, row}, {{0, 30}}, {1, 16, 1});
  EXPECT_EQ(traffic.bytes, 30 * 64 + 30 * 4);
  EXPECT_EQ(traffic.jumping, 30 * 64);
}

// A tile of 3 rows and 8, 16 or 24 columns of f32: half a line, one, one and a
// half of each row.
TEST(Traffic, PartsOfLines) {
  const TrafficOperand matrix(4, {100, 1});
  EXPECT_DOUBLE_EQ(matrix.wholeLines({3, 8}), 2.0);
  EXPECT_DOUBLE_EQ(matrix.wholeLines({3, 16}), 1.0);
  EXPECT_DOUBLE_EQ(matrix.wholeLines({3, 24}), 4.0 / 3);
  // A learning rate, a number a row: they stay in registers or a cache.
  EXPECT_DOUBLE_EQ(TrafficOperand(4, {0, 0}).wholeLines({3, 8}), 1.0);
  EXPECT_DOUBLE_EQ(TrafficOperand(4, {100, 0}).wholeLines({3, 8}), 1.0);
}

} // namespace
