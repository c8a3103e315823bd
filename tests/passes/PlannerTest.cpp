//===- PlannerTest.cpp - Offsets in one arena
//-----------------------------------===//

#include "passes/Planner.h"

#include "gtest/gtest.h"

#include <algorithm>
#include <random>

using namespace fm::passes;

namespace {

bool live(const PlannedBlock &a, const PlannedBlock &b) {
  return a.first <= b.last && b.first <= a.last;
}

void checkPlan(const std::vector<PlannedBlock> &blocks, int64_t arena,
               int64_t alignment) {
  for (size_t i = 0; i < blocks.size(); ++i) {
    ASSERT_GE(blocks[i].offset, 0);
    ASSERT_EQ(blocks[i].offset % alignment, 0);
    ASSERT_LE(blocks[i].offset + blocks[i].bytes, arena);
    for (size_t j = 0; j < i; ++j)
      if (live(blocks[i], blocks[j]))
        ASSERT_TRUE(blocks[i].offset + blocks[i].bytes <= blocks[j].offset ||
                    blocks[j].offset + blocks[j].bytes <= blocks[i].offset)
            << j << " and " << i << " overlap";
  }
}

/// The most that is alive at once: no plan needs less.
int64_t lowerBound(const std::vector<PlannedBlock> &blocks) {
  int64_t most = 0;
  for (const PlannedBlock &at : blocks) {
    int64_t sum = 0;
    for (const PlannedBlock &other : blocks)
      if (other.first <= at.first && at.first <= other.last)
        sum += other.bytes;
    most = std::max(most, sum);
  }
  return most;
}

/// The smallest arena: in some order, each at the lowest place that is free.
int64_t bestArena(const std::vector<PlannedBlock> &blocks) {
  std::vector<size_t> order(blocks.size());
  for (size_t i = 0; i < order.size(); ++i)
    order[i] = i;
  int64_t best = -1;
  do {
    std::vector<PlannedBlock> placed;
    int64_t arena = 0;
    for (size_t i : order) {
      PlannedBlock block = blocks[i];
      block.offset = 0;
      for (bool moved = true; moved;) {
        moved = false;
        for (const PlannedBlock &other : placed)
          if (live(block, other) && block.offset < other.offset + other.bytes &&
              other.offset < block.offset + block.bytes) {
            block.offset = other.offset + other.bytes;
            moved = true;
          }
      }
      placed.push_back(block);
      arena = std::max(arena, block.offset + block.bytes);
    }
    if (best < 0 || arena < best)
      best = arena;
  } while (std::next_permutation(order.begin(), order.end()));
  return best;
}

TEST(Planner, NothingNeedsNothing) {
  std::vector<PlannedBlock> blocks;
  EXPECT_EQ(planArena(blocks), 0);
}

TEST(Planner, SizesAreRoundedToTheAlignment) {
  std::vector<PlannedBlock> blocks = {{65, 0, 0}, {1, 0, 0}, {64, 0, 0}};
  EXPECT_EQ(planArena(blocks), 256);
  EXPECT_EQ(blocks[0].offset, 0);
  EXPECT_EQ(blocks[2].offset, 128);
  EXPECT_EQ(blocks[1].offset, 192);
}

TEST(Planner, WhatDoesNotMeetSharesMemory) {
  std::vector<PlannedBlock> blocks = {{640, 0, 1}, {640, 2, 3}, {320, 4, 9}};
  EXPECT_EQ(planArena(blocks), 640);
  for (const PlannedBlock &block : blocks)
    EXPECT_EQ(block.offset, 0);
}

TEST(Planner, AliveInOneCommonStepIsTogether) {
  // Read by the step that writes the next: both are there.
  std::vector<PlannedBlock> blocks = {{64, 0, 1}, {64, 1, 2}};
  EXPECT_EQ(planArena(blocks), 128);
}

TEST(Planner, HolesAreFilled) {
  // A network's way forward and back: the last activations die first.
  std::vector<PlannedBlock> blocks = {
      {512, 0, 9}, {256, 1, 8}, {128, 2, 3}, {128, 4, 5}, {64, 3, 4}};
  EXPECT_EQ(planArena(blocks), 512 + 256 + 128 + 64);
  EXPECT_EQ(blocks[2].offset, blocks[3].offset);
}

TEST(Planner, RandomBlocksNeverOverlap) {
  std::mt19937 random(1);
  for (int round = 0; round < 500; ++round) {
    int64_t alignment = int64_t(1) << (random() % 8);
    std::vector<PlannedBlock> blocks(random() % 80);
    for (PlannedBlock &block : blocks) {
      block.bytes = random() % 5000;
      block.first = random() % 60;
      block.last = block.first + random() % 20;
    }
    int64_t arena = planArena(blocks, alignment);
    ASSERT_NO_FATAL_FAILURE(checkPlan(blocks, arena, alignment))
        << "round " << round;
    EXPECT_GE(arena, lowerBound(blocks));
  }
}

TEST(Planner, CloseToTheOptimumOnSmallInstances) {
  std::mt19937 random(2);
  double sum = 0, worst = 1;
  const int rounds = 300;
  for (int round = 0; round < rounds; ++round) {
    std::vector<PlannedBlock> blocks(1 + random() % 7);
    for (PlannedBlock &block : blocks) {
      block.bytes = 1 + random() % 16;
      block.first = random() % 8;
      block.last = block.first + random() % 4;
    }
    int64_t best = bestArena(blocks), arena = planArena(blocks, 1);
    ASSERT_GE(arena, best);
    sum += double(arena) / double(best);
    worst = std::max(worst, double(arena) / double(best));
  }
  EXPECT_LT(sum / rounds, 1.02);
  EXPECT_LT(worst, 1.5);
}

TEST(Planner, OptimalOnATrainingStepsNest) {
  // Activations live from their layer to its mirror: they are a stack.
  std::vector<PlannedBlock> blocks;
  int64_t sum = 0;
  for (int i = 0; i < 30; ++i) {
    blocks.push_back({64 * (1 + i * 7 % 11), i, 60 - i});
    sum += blocks.back().bytes;
  }
  EXPECT_EQ(planArena(blocks), sum);
}

// The sizes are for ctest's TIMEOUT: no cubic algorithm ends before it.
TEST(Planner, ManyBlocksTakeLittleTime) {
  std::mt19937 random(3);
  std::vector<PlannedBlock> blocks(10000);
  for (PlannedBlock &block : blocks) {
    block.bytes = random() % 100000;
    block.first = random() % 10000;
    block.last = block.first + random() % 50;
  }
  const int64_t arena = planArena(blocks);
  ASSERT_NO_FATAL_FAILURE(checkPlan(blocks, arena, 64));
  const int64_t least = lowerBound(blocks);
  EXPECT_GE(arena, least);
  EXPECT_LE(arena, least + least / 4);
}

} // namespace
