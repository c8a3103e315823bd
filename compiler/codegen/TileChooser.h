//===- TileChooser.h - Register tiles and vectors of one loop nest --------===//
//
// Strides.h says with which stride each loop of a nest walks through each
// tensor. A register tile is then the one with the least estimated time per
// useful operation: arithmetic, loads and latency of one step of the reduction,
// and the points that a tile computes beyond the end of a loop (Tiles.cpp). The
// order of loops, and blocks of tiles, are chosen by what moves between the
// caches (TileOrders.cpp).
//
//===----------------------------------------------------------------------===//
#ifndef FM_COMPILER_CODEGEN_TILECHOOSER_H
#define FM_COMPILER_CODEGEN_TILECHOOSER_H

#include <functional>
#include <vector>

#include "compiler/codegen/Schedule.h"
#include "compiler/codegen/Strides.h"
#include "compiler/codegen/Traffic.h"

namespace fm::codegen {

class TileChooser {
public:
  TileChooser(const KernelSpec &spec, const MachineModel &machine,
              const Group &group, bool hasScratch, Nest &nest)
      : spec(spec), machine(machine), group(group), hasScratch(hasScratch),
        nest(nest), loops(nest.loops.size()) {}

  /// As chooseTiles in Schedule.h.
  void run(std::vector<NestChoice> *ranked, size_t most);
  /// As limitsOf there.
  NestLimits limits();

private:
  const KernelSpec &spec;
  const MachineModel &machine;
  const Group &group;
  const bool hasScratch;
  Nest &nest;
  const size_t loops;
  std::vector<int64_t> extents;
  std::vector<Access> accesses, epilogue, writes;
  std::vector<TrafficOperand> reducedOperands, blockedOperands,
      epilogueOperands, writtenOperands;
  /// Per loop, if it is the parallel one: bytes that another core's caches
  /// have.
  std::vector<double> crossing;
  bool storesWhole = false; ///< along some loop
  int64_t widest = 4, steps = 1, results = 0, operations = 0;

  void analyse();

  void writeStrides();

  /// Sums in passing are a row: they stay in the L1.
  static bool isCarried(const Buffer &buffer);

  int64_t nativeLanes() const;

  /// Scratch has a constant size: no tile of samples whose last one is shorter.
  bool mayTile(size_t loop) const;

  bool storesWholeAlong(size_t loop) const;

  void setVector(int loop, int64_t lanes, int64_t tile);

  /// Loops along which inlined stages want their results together.
  std::vector<int64_t> togetherPeriods() const;

  void pointwise();

  /// Where a loop is less than a vector: one around it to take vectors along, or
  /// -1. Masked stores are slow but with AVX-512. An image of 33 x 47 x 3 copied
  /// into a border: 135 us in vectors of three of four lanes, 36 in vectors of
  /// eight pixels, each of the three channels by itself (Zen 3); of five, six and
  /// seven channels, 173, 174 and 269 us, and 27, 37 and 47.
  int loopAcross(int loop) const;

  /// Rows that are kept in scratch, such as a softmax's exponentials: a few at
  /// once, whose sums do not wait for each other.
  void tileRows(int vectorLoop);

  /// How many of `count` places along a loop meet in one set of an L1 of 64
  /// sets, which has 8 to 12 ways.
  static double linesPerSet(const Access &access, size_t loop, int64_t count);

  double costOf(const std::vector<int64_t> &tile, int v, int64_t lanes) const;

  /// Whether a reduction's steps are many, and of long vectors: what is around
  /// the products is issued beside them, and rows come as fast as streams do.
  /// Dense layers of 1024 rows by themselves, as times of tiles of 8 x 32 (Zen
  /// 5): 256 -> 1024, 2 x 3 x 64 1.00, 13 x 32 1.02; 256 -> 768, 4 x 64 1.08, 4
  /// x 96 1.08; 1024 -> 256, 6 x 64 1.01, 12 x 32 1.02 to 1.04, 4 x 64 1.09. So
  /// 32 bytes of rows a cycle cost 8%, 21 nothing, and a row that a tile has
  /// too many what it should.
  bool issuesBeside() const;

  /// Cycles of a step for registers that are stored and loaded again. LLVM
  /// writes out the few steps of a window's row, and keeps what two of them
  /// read: 13 x 32 points of a 3x3 convolution of one channel read 15 numbers,
  /// for which 26 sums leave no registers, 9 x 32 read 11. Seed CNN, forward
  /// pass, 1.07 (Zen 5). What is needed once comes right from memory. With 16
  /// registers tiles are small enough: the same rule there is 0.99 to 1.00.
  /// `held`: registers of what is held anyway.
  double spillsOf(const std::vector<int64_t> &tile, int v, int64_t lanes,
                  int64_t held) const;

  struct Candidate {
    double cost = 0;
    std::vector<int64_t> tile;
    int vectorLoop = -1;
    int64_t lanes = 1;
  };

  struct Ranked {
    double cycles = 0;
    NestChoice choice;
  };

  /// Every register tile of up to `mostVectors`, the best ones kept.
  std::vector<Candidate> registerTiles(size_t most, int64_t mostVectors) const;

  /// Where a long formula follows a short sum, a tile is short: behind the
  /// formulas of a large one, a core does not see the next one's loads in time,
  /// nor has registers for its sums. MBConv's train step, with the nine taps of
  /// its depthwise input gradient and the adjoint of a silu in tiles of 14 x
  /// 16, 7 x 16, 2 x 48 and 4 x 16: 1, 1.02, 1.05 and 1.07 times as fast (Zen
  /// 5). So it is where a window's maximum is taken with its place.
  int64_t mostVectors() const;

  /// Whether some operand lies contiguous along the innermost reduction loop.
  /// Where all of them jump to another row, and so to another page, with every
  /// step, fetching from L2 is not hidden behind arithmetic.
  bool streams(const Stage &stage) const;

  /// Steps of the reduction for all results.
  double points() const;

  /// The accesses as traffic; a dimension is a loop of the nest or one of the
  /// reduction. Sums that are kept in scratch are one more.
  void describeTraffic();

  /// Tensors of samples are taken to be where a core's samples were computed,
  /// others where their part along the parallel loop was. So threads share
  /// weights if they have samples each, and samples if they have columns each.
  void describeCrossing();

  /// The same of an update of weights: if these are larger than what is
  /// multiplied with them, the contractions that read them share columns, which
  /// then should be where they are read.
  void describeReaders(const std::vector<int64_t> &whole);

  /// Whether the nest updates parameters.
  bool updates() const;

  /// Where a tile wants halves of lines, all of them are fetched at once for
  /// one tile and none for the next. The factor says what that costs where it
  /// is more than 16 lines; measured on weight gradients with updates, and on
  /// depthwise convolutions, which want fewer (AVX2). More than 48 lines at
  /// once are more than a core waits for: MLP's step with Adam, in tiles of 6 x
  /// 64 instead of 4 x 64, takes 1.07 times as long (Zen 5, two threads).
  static double burstsOf(const std::vector<TrafficOperand> &operands,
                         const std::vector<int64_t> &unit);

  /// Cycles of arithmetic while data come from L2. What lies along the
  /// reduction comes in time. What jumps with each step, such as rows of a
  /// matrix, comes at half of the rate, and adds up with the arithmetic as
  /// fourth powers: tiles of 6 x 16, 4 x 24, 3 x 32 and 2 x 40 want 64 to 160
  /// bytes of rows in steps of 6 and 5 cycles, and take 6.5, 7.7, 8.7 and 9.5
  /// (1024 x 256 over 1024, AVX2); 160 bytes without gaps are there in 5.6. As
  /// eighth powers where `issuesBeside`.
  /// Where all operands jump, nothing is hidden.
  double withL2(double compute, const Traffic &intoL1,
                const Stage &stage) const;

  /// What is waited for beside `cycles`: an operand that many tiles read, one
  /// after the other, comes from behind the L2 while the first of them reads
  /// it. The MLP's 784 x 512 weights (64 rows, Emerald Rapids): tiles of 6 x 64
  /// want 21 bytes a cycle of them and take 1.09 times as long as those of 13 x
  /// 32, which want 10.
  double firstPasses(double cycles, const Traffic &intoL1,
                     const Traffic &beyondL2) const;

  /// Cycles of the whole nest with this tile and these blocks; at `bound` it
  /// may stop counting and return that.
  double cyclesOf(const Candidate &tile, const NestChoice &choice,
                  double bound) const;

  /// Tries orders, blocks and parts of the reduction for one register tile.
  /// `all` receives everything that was tried; without it, a tile whose
  /// arithmetic alone takes too long is left out.
  void chooseBlocks(const Candidate &tile, double &best, NestChoice &bestChoice,
                    std::vector<Ranked> *all = nullptr);

  /// Iterations of a loop of the reduction that are worth a part. If the loops
  /// inside of it are short, a part has all of their steps for a few
  /// iterations: with those steps alone, starting it costs too much. Train step
  /// of the ResNet block: Zen 3 1.03 to 1.04, Emerald Rapids 1.06; of
  /// MBConv 1.00 to 1.03.
  int64_t leastPart(const Stage &stage, size_t r) const;

  void considerBlocks(const Stage &stage, const std::vector<int64_t> &tiles,
                      int a, int b, NestChoice &choice,
                      const std::function<void()> &consider);

  /// Accumulators and loaded vectors of one step of the reduction.
  int64_t vectorsInAStep(const NestChoice &choice) const;

  void contraction();

  /// Tiles of one vector a row: KeepRolled.h says what two steps of such would
  /// cost. A dense layer of 256 inputs and 8 outputs, 960 rows, in tiles of 8 to
  /// 14 rows: 49 to 53 us a step at a time, 54 to 62 in fours, 79 to 97 in twos
  /// (Zen 3; 38 at the peak).
  bool numbersHaveOneUse(const NestChoice &choice) const;

  /// Steps of the innermost reduction loop in one piece of code.
  int unrollOf(const NestChoice &choice) const;

  /// The best few of each register tile, so that estimates which are off in one
  /// respect do not fill the list with tiles of one kind.
  std::vector<NestChoice> rankContraction(size_t most);

  /// Each loop for the vector, tiles of one to eight vectors; the order in
  /// which the machine model weighs loops counts for nothing here.
  std::vector<NestChoice> rankPointwise(size_t most) const;
};

} // namespace fm::codegen

#endif // FM_COMPILER_CODEGEN_TILECHOOSER_H
