//===- tune_file_test.cpp - Choices in a text file ------------------------===//
#include <gtest/gtest.h>

#include <set>

#include "compiler/codegen/Candidates.h"
#include "compiler/codegen/HalideKernel.h"
#include "compiler/codegen/TuneFile.h"
#include "tests/codegen/KernelBuilder.h"
#include "tests/codegen/KernelHarness.h"

using namespace fm::codegen;
using namespace fm::test;

namespace {

const ScalarType f32 = ScalarType::F32;

/// 24 x 64 over 48: loops 0 and 1, one reduction.
KernelSpec product(const std::string &name = "product") {
  KernelBuilder k(name);
  auto a = k.input("a", {fixed(24), fixed(48)}),
       b = k.input("b", {fixed(48), fixed(64)});
  auto c = k.reduce("c", {fixed(24), fixed(64)}, {fixed(48)}, number(f32, 0),
                    acc() + a({index(0), index(2)}) * b({index(2), index(1)}));
  k.output("y", k.pointwise("y", {fixed(24), fixed(64)},
                            relu(c({index(0), index(1)}))));
  return k.spec;
}

/// Sums over samples.
KernelSpec gradient() {
  KernelBuilder k("gradient");
  auto x = k.input("x", {batch(48), fixed(24)}),
       dy = k.input("dy", {batch(48), fixed(64)});
  k.output(
      "dw",
      k.reduce("dw", {fixed(24), fixed(64)}, {batch(48)}, number(f32, 0),
               acc() + x({index(2), index(0)}) * dy({index(2), index(1)})));
  return k.spec;
}

/// Rows of samples whose sums are scratch of the nest that divides by them.
KernelSpec shares() {
  KernelBuilder k("shares");
  const std::vector<Extent> rows{batch(6)}, domain{batch(6), fixed(40)};
  auto x = k.input("x", domain);
  auto s = k.reduce("s", rows, {fixed(40)}, number(f32, 0),
                    acc() + x({index(0), index(1)}));
  k.output("y",
           k.pointwise("y", domain, x({index(0), index(1)}) / s({index(0)})));
  return k.spec;
}

/// A machine with vectors of 16 floats and 32 registers.
MachineModel wide() {
  MachineModel machine;
  machine.vectorBits = 512;
  machine.vectorRegisters = 32;
  return machine;
}

std::string at(const TunePlace &place) {
  return std::to_string(place.line) + ":" + std::to_string(place.column);
}

/// "line:column: message" of all that is wrong, a line each.
std::string problemsOf(const std::string &text) {
  std::vector<TuneProblem> problems;
  parseTuneFile(text, problems);
  std::string all;
  for (const TuneProblem &problem : problems)
    all += at(problem.place) + ": " + problem.message + "\n";
  return all;
}

/// The same for a file with one kernel.
std::string nestProblems(const std::string &nest) {
  return problemsOf("fmc-tune 1\ncpu znver4 512\nkernel 00000000000000ff\n" +
                    nest + "\n");
}

/// What is illegal about the choice for a kernel.
std::string choiceProblem(const std::string &nests,
                          const KernelSpec &spec = product()) {
  std::vector<TuneProblem> problems;
  TuneFile file = parseTuneFile(
      "fmc-tune 1\ncpu znver4 512\nkernel 00000000000000ff\n" + nests + "\n",
      problems);
  EXPECT_TRUE(problems.empty()) << problems[0].message;
  TunedMachine machine = file.machines[0];
  machine.kernels[0].key = kernelKey(spec);
  choicesFor(machine, {spec}, wide(), problems);
  return problems.empty() ? ""
                          : at(problems[0].place) + ": " + problems[0].message;
}

TEST(TuneFile, RoundTrip) {
  const std::string text =
      "fmc-tune 1\n"
      "\n"
      "cpu znver4 512\n"
      "\n"
      "# encoder, batch 8\n"
      "model 00c0ffee00c0ffee winograd=off fuse=on layout=off chains=off\n"
      "\n"
      "# 24x64 over 48: 3.0 -> 2.5 us\n"
      "# and another line\n"
      "kernel 0123456789abcdef\n"
      "nest tile=6,64 vector=1 lanes=16 order=1,0 block=2,1 outer=0 split=16 "
      "unroll=4 straight=off parallel=1\n"
      "nest tile=1\n"
      "\n"
      "cpu haswell 256\n"
      "\n"
      "kernel 0000000000000001\n"
      "nest tile=1,8 vector=1 lanes=8 parallel=0\n";
  std::vector<TuneProblem> problems;
  const TuneFile file = parseTuneFile(text, problems);
  EXPECT_TRUE(problems.empty());
  EXPECT_EQ(toString(file), text);
  ASSERT_EQ(file.machines.size(), 2u);
  const TunedMachine &first = file.machines[0];
  EXPECT_EQ(first.cpu, "znver4");
  EXPECT_EQ(first.vectorBits, 512);
  ASSERT_EQ(first.models.size(), 1u);
  EXPECT_EQ(first.models[0].choice.winograd, false);
  EXPECT_EQ(first.models[0].choice.fuse, true);
  ASSERT_EQ(first.kernels.size(), 1u);
  EXPECT_EQ(first.kernels[0].key, 0x0123456789abcdefu);
  EXPECT_EQ(first.kernels[0].comment,
            "24x64 over 48: 3.0 -> 2.5 us\nand another line");
  NestChoice nest;
  nest.tile = {6, 64};
  nest.vectorLoop = 1;
  nest.lanes = 16;
  nest.order = {1, 0};
  nest.block = {2, 1};
  nest.reductionSplit = 16;
  nest.unrollReduction = 4;
  nest.unrollTile = false;
  nest.parallelLoops = 1;
  EXPECT_EQ(first.kernels[0].choice()[0], nest);
  // By the planner's rule, where the line does not say.
  EXPECT_EQ(first.kernels[0].choice()[1].parallelLoops, -1);
}

TEST(TuneFile, BlanksAndLineEndsDoNotMatter) {
  EXPECT_EQ(problemsOf("fmc-tune 1\r\n\r\n  cpu\tznver4   512 \r\n"
                       "kernel 00000000000000ff\r\n nest  tile=1,2\r\n#"),
            "");
  EXPECT_EQ(problemsOf("fmc-tune 1"), "");
}

TEST(TuneFile, Header) {
  EXPECT_EQ(problemsOf(""), "1:1: expected 'fmc-tune 1', found ''\n");
  EXPECT_EQ(problemsOf("model x {\n}\n"),
            "1:1: expected 'fmc-tune 1', found 'model x {'\n");
  EXPECT_EQ(problemsOf("fmc-tune 2\n"),
            "1:10: the file has version 2, and this fmc reads 1\n");
  EXPECT_EQ(problemsOf(std::string("\0\xff\n", 3)),
            "1:1: expected 'fmc-tune 1', found '\?\?'\n");
}

TEST(TuneFile, Sections) {
  EXPECT_EQ(problemsOf("fmc-tune 1\nkernel 00000000000000ff\n"),
            "2:1: a line 'cpu NAME BITS' comes before the first kernel\n");
  EXPECT_EQ(problemsOf("fmc-tune 1\ncpu znver4\n"),
            "2:5: expected 'cpu NAME BITS', found 1 word after 'cpu'\n");
  EXPECT_EQ(problemsOf("fmc-tune 1\ncpu znver4 wide\n"),
            "2:12: expected the bits of a vector, found 'wide'\n");
  EXPECT_EQ(problemsOf("fmc-tune 1\ncpu a 128\ncpu b 128\ncpu a 128\n"),
            "4:5: 'a' has a section already, in line 2\n");
  EXPECT_EQ(problemsOf("fmc-tune 1\ncpu a 128\nkernels 1\n"),
            "3:1: expected cpu, model, kernel, nest or #, found 'kernels'\n");
}

TEST(TuneFile, Kernels) {
  const std::string head = "fmc-tune 1\ncpu a 128\n";
  EXPECT_EQ(problemsOf(head + "kernel\n"),
            "3:1: expected 16 hexadecimal digits after 'kernel'\n");
  EXPECT_EQ(problemsOf(head + "kernel 12345\n"),
            "3:8: expected 16 hexadecimal digits, found '12345'\n");
  EXPECT_EQ(problemsOf(head + "kernel 00000000000000fg\n"),
            "3:8: expected 16 hexadecimal digits, found '00000000000000fg'\n");
  EXPECT_EQ(problemsOf(head + "kernel 00000000000000ff tile=1\n"),
            "3:25: expected the end of the line, found 'tile=1'\n");
  EXPECT_EQ(problemsOf(head + "kernel 00000000000000ff\n"),
            "3:1: kernel without a nest\n");
  EXPECT_EQ(problemsOf(head + "nest tile=1\n"),
            "3:1: a nest belongs to a kernel, and there is none\n");
  EXPECT_EQ(problemsOf(head + "kernel 00000000000000ff\nnest tile=1\n"
                              "kernel 00000000000000ff\nnest tile=1\n"),
            "5:8: the kernel has an entry already, in line 3\n");
}

TEST(TuneFile, Models) {
  const std::string head = "fmc-tune 1\ncpu a 128\nmodel 00000000000000ff";
  EXPECT_EQ(problemsOf(head + " winograd=yes\n"),
            "3:33: expected on or off, found 'yes'\n");
  EXPECT_EQ(
      problemsOf(head + " winogard=off\n"),
      "3:24: expected winograd, fuse, layout or chains, found 'winogard'\n");
  EXPECT_EQ(problemsOf(head + " fuse=on fuse=off\n"),
            "3:32: fuse is given twice\n");
  EXPECT_EQ(problemsOf(head + "\nmodel 00000000000000ff\n"),
            "4:7: the model has an entry already, in line 3\n");
}

TEST(TuneFile, Fields) {
  EXPECT_EQ(nestProblems("nest"),
            "4:1: a nest has a tile, and this one has none\n");
  EXPECT_EQ(nestProblems("nest tile=1,x"),
            "4:13: expected a number above 0, found 'x'\n");
  EXPECT_EQ(nestProblems("nest tile=4,0"),
            "4:13: expected a number above 0, found '0'\n");
  EXPECT_EQ(nestProblems("nest tile="),
            "4:6: expected a number above 0, found ''\n");
  EXPECT_EQ(nestProblems("nest tile=1,"),
            "4:13: expected a number above 0, found ''\n");
  EXPECT_EQ(nestProblems("nest tile=99999999999999999999"),
            "4:11: expected a number above 0, found '99999999999999999999'\n");
  EXPECT_EQ(nestProblems("nest tile=1 vector=-1"),
            "4:20: expected a number, found '-1'\n");
  EXPECT_EQ(nestProblems("nest tile=1 unroll=0"),
            "4:20: expected a number above 0, found '0'\n");
  EXPECT_EQ(nestProblems("nest tile=1 straight=1"),
            "4:22: expected on or off, found '1'\n");
  EXPECT_EQ(nestProblems("nest tile=1 tile=2"),
            "4:13: 'tile' is given twice\n");
  EXPECT_EQ(nestProblems("nest tile=1 width=4"),
            "4:13: expected tile, vector, lanes, order, block, outer, split, "
            "unroll, straight or parallel, found 'width'\n");
}

TEST(TuneFile, KeysDoNotDependOnNames) {
  EXPECT_EQ(kernelKey(product("a")), kernelKey(product("b")));
  EXPECT_NE(kernelKey(product()), kernelKey(shares()));
  EXPECT_EQ(hashOf(""), 0xcbf29ce484222325u);
  EXPECT_EQ(hashOf("a"), 0xaf63dc4c8601ec8cu); // as FNV's authors have it
}

TEST(TuneFile, ChoicesForKernelsThatOccur) {
  TunedMachine machine;
  NestChoice nest;
  nest.tile = {4, 32};
  nest.order = {0, 1};
  nest.vectorLoop = 1;
  nest.lanes = 16;
  machine.put(TunedKernel(kernelKey(product()), {nest}, ""));
  nest.tile = {0}; // of a kernel that is no more
  machine.put(TunedKernel(42, {nest}, ""));
  std::vector<TuneProblem> problems;
  auto choices = choicesFor(machine, {shares(), product()}, wide(), problems);
  EXPECT_TRUE(problems.empty());
  ASSERT_EQ(choices.size(), 2u);
  EXPECT_TRUE(choices[0].empty());
  ASSERT_EQ(choices[1].size(), 1u);
  EXPECT_EQ(choices[1][0].tile, (std::vector<int64_t>{4, 32}));
}

TEST(CheckChoice, AcceptsWhatIsLegal) {
  EXPECT_EQ(choiceProblem("nest tile=4,32 vector=1 lanes=16"), "");
  EXPECT_EQ(choiceProblem("nest tile=1,1"), "");
  EXPECT_EQ(choiceProblem("nest tile=5,48 vector=1 lanes=16 order=1,0 "
                          "unroll=3 straight=off parallel=1"),
            "");
  EXPECT_EQ(choiceProblem("nest tile=6,16 vector=1 lanes=16 block=2,4 outer=0 "
                          "split=16 unroll=4"),
            "");
  EXPECT_EQ(choiceProblem("nest tile=1,16 vector=1 lanes=16", shares()), "");
}

TEST(CheckChoice, Counts) {
  EXPECT_EQ(choiceProblem("nest tile=4"),
            "4:6: tile has 1 number, and the nest has 2 loops");
  EXPECT_EQ(choiceProblem("nest tile=4,32,1"),
            "4:6: tile has 3 numbers, and the nest has 2 loops");
  EXPECT_EQ(choiceProblem("nest tile=1,1 order=0"),
            "4:15: order has 1 number, and the nest has 2 loops");
  EXPECT_EQ(choiceProblem("nest tile=1,1 block=2 split=16"),
            "4:15: block has 1 number, and the nest has 2 loops");
  EXPECT_EQ(choiceProblem("nest tile=1,1\nnest tile=1,1"),
            "5:1: the kernel has 1 nest, and the entry has 2");
}

TEST(CheckChoice, Orders) {
  EXPECT_EQ(choiceProblem("nest tile=1,1 order=0,0"),
            "4:15: order names loop 0 twice");
  EXPECT_EQ(choiceProblem("nest tile=1,1 order=0,2"),
            "4:15: order names loop 2, and the last one is 1");
  EXPECT_EQ(choiceProblem("nest tile=1,1 order=1,0", shares()),
            "4:15: where nests keep scratch, loops stay in order");
}

TEST(CheckChoice, Vectors) {
  EXPECT_EQ(choiceProblem("nest tile=1,16 vector=2 lanes=16"),
            "4:16: vector names loop 2, and the last one is 1");
  EXPECT_EQ(choiceProblem("nest tile=1,12 vector=1 lanes=12"),
            "4:25: a vector has a power of two of lanes, not 12");
  EXPECT_EQ(choiceProblem("nest tile=1,32 vector=1 lanes=32"),
            "4:25: a vector of this kernel's elements has 16 lanes at most, "
            "not 32");
  EXPECT_EQ(choiceProblem("nest tile=1,16 lanes=16"),
            "4:16: scalar code has 1 lane, not 16");
  EXPECT_EQ(choiceProblem("nest tile=1,24 vector=1 lanes=16"),
            "4:6: the vector's tile is a multiple of its 16 lanes, not 24");
}

TEST(CheckChoice, Tiles) {
  EXPECT_EQ(choiceProblem("nest tile=25,1"),
            "4:6: a tile of 25 in a loop of 24");
  EXPECT_EQ(choiceProblem("nest tile=24,32 vector=1 lanes=16"),
            "4:6: the tile has 48 vectors or more, and 32 are the limit");
  // 64 columns in tiles of 112: 48 floats more.
  EXPECT_EQ(choiceProblem("nest tile=1,112 vector=1 lanes=16"),
            "4:6: a tile of 112 in a loop of 64");
  EXPECT_EQ(choiceProblem("nest tile=2,1", shares()),
            "4:6: loop 0 runs over samples, and other nests keep scratch "
            "inside of it: its tile is 1, not 2");
}

TEST(CheckChoice, Blocks) {
  EXPECT_EQ(choiceProblem("nest tile=1,16 vector=1 lanes=16 outer=1"),
            "4:34: outer goes with block, which is missing");
  EXPECT_EQ(choiceProblem("nest tile=1,16 vector=1 lanes=16 split=16"),
            "4:34: split goes with block, which is missing");
  EXPECT_EQ(
      choiceProblem("nest tile=1,16 vector=1 lanes=16 block=1,3 split=16"),
      "4:34: a block of 3 tiles does not divide the 4 of loop 1");
  EXPECT_EQ(
      choiceProblem("nest tile=1,16 vector=1 lanes=16 block=1,1 split=16"),
      "4:34: a block of one tile is no block");
  EXPECT_EQ(choiceProblem("nest tile=1,16 vector=1 lanes=16 block=1,4"),
            "4:34: a block needs outer or split: nothing runs around its "
            "tiles");
  EXPECT_EQ(
      choiceProblem("nest tile=1,16 vector=1 lanes=16 block=1,4 outer=1"),
      "4:44: 1 reduction loops around the tiles, and there are 1, of which "
      "one stays inside");
  EXPECT_EQ(
      choiceProblem("nest tile=1,16 vector=1 lanes=16 block=1,4 split=20"),
      "4:44: parts of 20 do not divide the 48 steps of reduction loop 0");
}

/// Parts of samples need not divide them: their number is not known anyway.
TEST(CheckChoice, PartsOfSamples) {
  const std::string tile = "nest tile=4,16 vector=1 lanes=16 block=6,4 split=";
  EXPECT_EQ(choiceProblem(tile + "20", gradient()), "");
  EXPECT_EQ(choiceProblem(tile + "48", gradient()),
            "4:44: parts of 48 samples, and there are 48 at most: a part has "
            "fewer");
  EXPECT_EQ(choiceProblem(tile + "20 unroll=2", gradient()),
            "4:53: the innermost reduction loop runs over samples and cannot "
            "be unrolled");
}

TEST(CheckChoice, UnrollAndParallel) {
  EXPECT_EQ(choiceProblem("nest tile=1,1 unroll=5"),
            "4:15: the innermost reduction loop has 48 steps: unroll divides "
            "them and is 16 at most, not 5");
  EXPECT_EQ(choiceProblem("nest tile=1,1 unroll=2", shares()),
            "4:15: there is no reduction to unroll");
  EXPECT_EQ(choiceProblem("nest tile=1,1 parallel=3"),
            "4:15: 3 parallel loops, and the nest can have 2");
  EXPECT_EQ(choiceProblem("nest tile=7,1 order=1,0 parallel=2"),
            "4:25: 2 parallel loops, and loop 0 has a tail: 1 are the limit");
}

/// What a tuner is given is legal, and none comes twice.
TEST(Candidates, AreLegalAndDifferent) {
  for (const KernelSpec &spec : {product(), shares()}) {
    Candidates candidates(spec, wide());
    EXPECT_EQ(choiceProblem(toString(candidates.standard()), spec), "");
    std::set<std::string> seen{toString(candidates.standard())};
    int count = 0;
    while (auto choice = candidates.next()) {
      EXPECT_EQ(choiceProblem(toString(*choice), spec), "");
      EXPECT_TRUE(seen.insert(toString(*choice)).second) << toString(*choice);
      if (++count == 5)
        candidates.setBest(*choice);
    }
    EXPECT_GT(count, 10);
  }
}

TEST(TuneFile, AChoiceChangesTheKernel) {
  const TargetSpec target = testTarget(false);
  NestChoice nest;
  nest.tile = {2, 4};
  nest.order = {1, 0};
  nest.vectorLoop = 1;
  nest.lanes = 4;
  const auto kernels =
      compileKernels({product(), product()}, target, 0, {{}, {nest}});
  ASSERT_EQ(kernels[0].error + kernels[1].error, "");
  EXPECT_NE(kernels[0].bitcode, kernels[1].bitcode);
  EXPECT_EQ(kernels[1].schedule,
            "nest y: 24/2 64/4v4, order 1 0, in registers: c\n");
  CheckOptions options;
  options.choose = [&](const TargetSpec &) { return ScheduleChoice{nest}; };
  EXPECT_EQ(check(product(), options), "");
  // One that is illegal is an error, also without a file.
  nest.tile = {2, 5};
  EXPECT_EQ(compileWithHalide(product(), target, {nest}).error,
            "kernel 'product', nest 0: the vector's tile is a multiple of its "
            "4 lanes, not 5");
}

} // namespace
