//===- parallel_test.cpp - Which loops run in parallel --------------------===//
#include <functional>

#include <gtest/gtest.h>

#include "compiler/codegen/Schedule.h"
#include "compiler/codegen/TuneFile.h"
#include "tests/codegen/KernelBuilder.h"

using namespace fm::codegen;
using namespace fm::test;

namespace {

const ScalarType f32 = ScalarType::F32;

/// Vectors of 16 floats, 32 registers, 1 MiB of L2.
MachineModel wide() {
  MachineModel machine;
  machine.vectorBits = 512;
  machine.vectorRegisters = 32;
  machine.l1Bytes = 48 << 10;
  machine.l2Bytes = 1 << 20;
  machine.l2ManyRowsBytesPerCycle = 32;
  return machine;
}

/// The parallel loops of the nest that writes the first output.
ParallelLoops parallelOf(const KernelSpec &spec, const MachineModel &machine) {
  const Plan plan = planKernel(spec, machine);
  EXPECT_EQ(plan.error, "");
  const Nest &nest = plan.groups.back().nests[0];
  ParallelLoops loops =
      parallelLoopsOf(nest, nest.choice, true, 4 * machine.cores);
  EXPECT_TRUE(nest.choice.parallelLoops == 0 ||
              nest.choice.parallelLoops == loops.loops);
  if (nest.choice.parallelLoops == 0)
    loops = ParallelLoops();
  return loops;
}

/// Products of Winograd's transforms: 8 images of 14 x 14 tiles, 64 channels. A
/// register tile has all of the 64.
KernelSpec winogradProducts() {
  KernelBuilder k("winograd");
  const std::vector<Extent> domain{batch(8), fixed(14), fixed(36), fixed(14),
                                   fixed(64)};
  auto v = k.input("v", domain),
       u = k.input("u", {fixed(36), fixed(64), fixed(64)});
  k.output("m", k.reduce("m", domain, {fixed(64)}, number(f32, 0),
                         acc() + v({index(0), index(1), index(2), index(3),
                                    index(5)}) *
                                     u({index(2), index(5), index(4)})));
  return k.spec;
}

/// A dense layer of `rows` rows a sample.
KernelSpec dense(Extent samples, int64_t rows, int64_t from, int64_t to) {
  KernelBuilder k("dense");
  auto x = k.input("x", {samples, fixed(rows), fixed(from)}),
       w = k.input("w", {fixed(from), fixed(to)});
  k.output("y", k.reduce("y", {samples, fixed(rows), fixed(to)}, {fixed(from)},
                         number(f32, 0),
                         acc() + x({index(0), index(1), index(3)}) *
                                     w({index(3), index(2)})));
  return k.spec;
}

/// 64 rows, and 1.6 MB of weights.
KernelSpec fewRows() {
  KernelBuilder k("columns");
  auto x = k.input("x", {batch(64), fixed(784)}),
       w = k.input("w", {fixed(784), fixed(512)});
  k.output("y",
           k.reduce("y", {batch(64), fixed(512)}, {fixed(784)}, number(f32, 0),
                    acc() + x({index(0), index(2)}) * w({index(2), index(1)})));
  return k.spec;
}

KernelSpec twice(Extent samples, int64_t elements) {
  KernelBuilder k("twice");
  auto x = k.input("x", {samples, fixed(elements)});
  k.output("y", k.pointwise("y", {samples, fixed(elements)},
                            x({index(0), index(1)}) * 2));
  return k.spec;
}

// Samples, of which there are four tiles, not the one tile of channels.
TEST(Parallel, LoopsOfOneTileComeLast) {
  const ParallelLoops loops = parallelOf(winogradProducts(), wide());
  EXPECT_GE(loops.tasks, 8);
  EXPECT_EQ(loops.first, 0);
}

// 1024 rows of 1024 numbers, 256 units: whatever the order and the blocks.
TEST(Parallel, LargeContractionsHaveTasksForMoreThreads) {
  EXPECT_GE(parallelOf(dense(batch(8), 128, 1024, 256), wide()).tasks, 8);
  EXPECT_GE(parallelOf(dense(batch(8), 128, 1024, 256), MachineModel()).tasks,
            8);
}

// 64 rows against 1.6 MB of weights: each thread has columns of those. 1024
// rows against 1 MB: each thread has samples.
TEST(Parallel, WhatIsLargerIsNotShared) {
  EXPECT_EQ(parallelOf(fewRows(), wide()).first, 1);
  EXPECT_EQ(parallelOf(dense(batch(8), 128, 256, 1024), wide()).first, 0);
}

// A dense layer's update by the gradient of 64 samples: its readers share
// columns, so that these are where they are read. With rows, half of the
// weights would cross between cores twice in a step.
TEST(Parallel, UpdatesAreWhereTheyAreRead) {
  KernelBuilder k("update");
  auto x = k.input("x", {batch(64), fixed(784)}),
       dy = k.input("dy", {batch(64), fixed(512)}),
       w = k.input("w", {fixed(784), fixed(512)});
  auto gradient =
      k.reduce("g", {fixed(784), fixed(512)}, {batch(64)}, number(f32, 0),
               acc() + x({index(2), index(0)}) * dy({index(2), index(1)}));
  k.output("u",
           k.pointwise("u", {fixed(784), fixed(512)},
                       w({index(0), index(1)}) -
                           gradient({index(0), index(1)}) * 0.01),
           false, 2);
  EXPECT_EQ(parallelOf(k.spec, wide()).first, 1);
  EXPECT_GE(parallelOf(k.spec, wide()).tasks, 8);
  EXPECT_EQ(parallelOf(k.spec, MachineModel()).first, 1);
}

// A weight gradient of 1024 x 256 over 1024 rows: a part of the reduction has
// steps enough for its way to scratch and back.
TEST(Blocks, PartsOfReductionsAreLong) {
  KernelBuilder k("gradient");
  auto x = k.input("x", {batch(8), fixed(128), fixed(1024)}),
       dy = k.input("dy", {batch(8), fixed(128), fixed(256)});
  k.output("g", k.reduce("g", {fixed(1024), fixed(256)}, {batch(8), fixed(128)},
                         number(f32, 0),
                         acc() + x({index(2), index(3), index(0)}) *
                                     dy({index(2), index(3), index(1)})));
  const Plan plan = planKernel(k.spec, wide());
  ASSERT_EQ(plan.error, "");
  const Nest &nest = plan.groups.back().nests[0];
  EXPECT_TRUE(nest.choice.isBlocked());
  EXPECT_GE(nest.choice.stepsInside(k.spec.stages[nest.reductions[0]]), 64);
}

// The gradient of Winograd's kernels, 64 x 64 for each of 36 points: a part has
// several rows of 14 tiles, whatever the vectors, so that what a tile reads is
// still in the L1 for the next one.
TEST(Blocks, PartsHaveSeveralShortRows) {
  KernelBuilder k("gradient");
  const std::vector<Extent> points{batch(8), fixed(14), fixed(36), fixed(14),
                                   fixed(64)};
  auto x = k.input("x", points), dy = k.input("dy", points);
  k.output(
      "g",
      k.reduce("g", {fixed(36), fixed(64), fixed(64)},
               {batch(8), fixed(14), fixed(14)}, number(f32, 0),
               acc() +
                   x({index(3), index(4), index(0), index(5), index(1)}) *
                       dy({index(3), index(4), index(0), index(5), index(2)})));
  for (const MachineModel &machine : {wide(), MachineModel()}) {
    const Plan plan = planKernel(k.spec, machine);
    ASSERT_EQ(plan.error, "");
    const Nest &nest = plan.groups.back().nests[0];
    EXPECT_TRUE(nest.choice.isBlocked());
    EXPECT_EQ(nest.choice.reductionOuter, 1);
    EXPECT_GE(nest.choice.reductionSplit, 2);
  }
}

/// Vectors in a register tile of a depthwise convolution, which `formula`
/// follows.
int64_t vectorsOfDepthwise(const MachineModel &machine,
                           const std::function<X(const X &)> &formula) {
  KernelBuilder k("depthwise");
  const std::vector<Extent> domain{batch(8), fixed(28), fixed(28), fixed(240)};
  auto x = k.input("x", {batch(8), fixed(30), fixed(30), fixed(240)}),
       w = k.input("w", {fixed(3), fixed(3), fixed(240)});
  auto y = k.reduce("y", domain, {fixed(3), fixed(3)}, number(f32, 0),
                    acc() + x({index(0), index(1) + index(4),
                               index(2) + index(5), index(3)}) *
                                w({index(4), index(5), index(3)}));
  k.output("z",
           k.pointwise("z", domain,
                       formula(y({index(0), index(1), index(2), index(3)}))));
  const Plan plan = planKernel(k.spec, machine);
  EXPECT_EQ(plan.error, "");
  return plan.groups.back().nests[0].choice.vectors();
}

// Nine products and a sigmoid: the next tile's loads are not far.
TEST(Tiles, AreShortWhereLongFormulasFollow) {
  auto silu = [](const X &y) {
    return y / (exp(y * -1) + 1) * (y * y * y + y * y + y + 1);
  };
  for (const MachineModel &machine : {wide(), MachineModel()}) {
    EXPECT_GT(vectorsOfDepthwise(machine, relu), 4);
    EXPECT_LE(vectorsOfDepthwise(machine, silu), 4);
  }
}

// 128 rows a sample, with AVX-512: 9 tiles of 14 rows have 10 too many, 4% of
// the work, and tiles of 4 wait for their columns' rows.
TEST(Tiles, HaveNoRowsTooMany) {
  for (int64_t from : {256, 1024}) {
    const Plan plan = planKernel(dense(batch(8), 128, from, 256), wide());
    ASSERT_EQ(plan.error, "");
    const std::vector<int64_t> &tile = plan.groups.back().nests[0].choice.tile;
    const int64_t tiles = (128 + tile[1] - 1) / tile[1];
    EXPECT_LE(tiles * tile[1], 129) << tile[1];
    EXPECT_GE(tile[0] * tile[1], 6);
  }
}

// Where a neighbour on the core takes half of what it issues, a tile loads at
// most nine vectors and numbers for twenty products, such as 6 x 64.
TEST(Tiles, LoadLittleOnCrowdedCores) {
  MachineModel crowded = wide();
  crowded.crowdedLoad = 0.3;
  for (int64_t from : {256, 1024})
    for (int64_t to : {256, 768, 1024}) {
      const Plan plan = planKernel(dense(batch(8), 128, from, to), crowded);
      ASSERT_EQ(plan.error, "");
      const std::vector<int64_t> &tile =
          plan.groups.back().nests[0].choice.tile;
      const int64_t rows = tile[0] * tile[1], vectors = tile[2] / 16;
      EXPECT_LE(20 * (rows + vectors), 9 * rows * vectors)
          << rows << " x " << tile[2];
    }
}

// Behind the last column of a panel is its next row: a tile ends where they do.
TEST(Tiles, EndWhereWeightsInPanelsDo) {
  MachineModel crowded = wide();
  crowded.crowdedLoad = 0.3;
  crowded.l2Bytes = 2 << 20;
  for (int64_t to : {256, 320, 352, 512, 544, 640, 768, 1024}) {
    KernelSpec spec = dense(batch(8), 128, 256, to);
    spec.inputs[1].dims = inPanels(spec.inputs[1].shape, 16, 4);
    const Plan plan = planKernel(spec, crowded);
    ASSERT_EQ(plan.error, "");
    const NestChoice &choice = plan.groups.back().nests[0].choice;
    EXPECT_EQ(choice.vectorLoop, 2);
    EXPECT_EQ(choice.lanes, 16);
    EXPECT_EQ(to % choice.tile[2], 0) << choice.tile[2];
  }
}

// A line of a panel is two vectors of eight: side by side in one tile, rather
// than a half of this panel and a half of the next.
TEST(Tiles, HoldWholeLinesOfPanels) {
  for (auto [rows, columns] : {std::pair{256, 1024}, {256, 768}, {512, 512}}) {
    KernelBuilder k("gradient");
    auto x = k.input("x", {batch(8), fixed(rows), fixed(128)});
    auto dy = k.input("dy", {batch(8), fixed(128), fixed(columns)});
    k.output("out", k.reduce("out", {fixed(rows), fixed(columns)},
                             {batch(8), fixed(128)}, number(ScalarType::F32, 0),
                             acc() + x({index(2), index(0), index(3)}) *
                                         dy({index(2), index(3), index(1)})));
    Buffer &out = k.spec.outputs[0].buffer;
    out.dims = inPanels(out.shape, 16, 4);
    MachineModel machine;
    machine.vectorBits = 256;
    const Plan plan = planKernel(k.spec, machine);
    ASSERT_EQ(plan.error, "");
    const NestChoice &choice = plan.groups.back().nests[0].choice;
    ASSERT_EQ(choice.tile.size(), 3u); // panels, rows, columns of a panel
    EXPECT_EQ(choice.tile[2], 16) << rows << " x " << columns;
  }
}

// While weights come from behind the L2, 12 bytes a cycle are there. A step of
// a tile of 32 columns wants 128 and takes as many cycles as it has rows.
TEST(Tiles, AreHighWhereWeightsComeFromBehindTheL2) {
  KernelSpec spec = fewRows();
  spec.inputs[1].dims = inPanels(spec.inputs[1].shape, 16, 4);
  MachineModel machine = wide();
  machine.l2Bytes = 2 << 20;
  machine.crowdedLoad = 0.3;
  machine.firstPassBytesPerCycle = 12;
  const Plan plan = planKernel(spec, machine);
  ASSERT_EQ(plan.error, "");
  EXPECT_GE(plan.groups.back().nests[0].choice.tile[0], 11);
}

// 0.4 MFLOP of one sample are 2 us or 4, 34 MFLOP are worth it.
TEST(Parallel, SmallKernelsAreNot) {
  EXPECT_EQ(parallelOf(dense(batch(1), 9, 320, 64), wide()).tasks, 1);
  EXPECT_EQ(parallelOf(dense(batch(1), 9, 320, 64), MachineModel()).tasks, 1);
  EXPECT_GE(parallelOf(dense(batch(1), 512, 256, 128), wide()).tasks, 8);
}

// 400 KB, read and written: who else has the samples keeps them.
TEST(Parallel, SamplesStayWhereTheyAre) {
  EXPECT_EQ(parallelOf(twice(batch(8), 6272), wide()).tasks, 8);
  EXPECT_EQ(parallelOf(twice(fixed(8), 6272), wide()).tasks, 1);
  EXPECT_EQ(parallelOf(twice(fixed(8), 62720), wide()).tasks, 8);
}

// How far apart samples lie is not the kernel's affair.
TEST(Samples, Apart) {
  KernelSpec spec = dense(batch(8), 4, 16, 8), apart = spec;
  apart.inputs[0].dims[0].stride = 1040;
  apart.outputs[0].buffer.dims[0].stride = 1040;
  EXPECT_EQ(verify(apart), "");
  EXPECT_EQ(kernelKey(apart), kernelKey(spec));
  EXPECT_NE(toString(apart), toString(spec));
  EXPECT_NE(toString(apart).find("x : f32[n<=8, 4, 16] samples 1040 apart"),
            std::string::npos)
      << toString(apart);
  EXPECT_EQ(packSamples(apart.inputs[0]), 1040);
  EXPECT_EQ(packSamples(apart.inputs[0]), 0);
  EXPECT_EQ(apart.inputs[0].dims, spec.inputs[0].dims);
  EXPECT_EQ(packSamples(apart.inputs[1]), 0);
}

} // namespace
