//===- Target.h - The machine that code is generated for ------------------===//
//
// Resolves a triple and a CPU name through LLVM, and describes the machine as
// far as schedules care: vectors, registers, caches, cores.
//
//===----------------------------------------------------------------------===//
#ifndef FM_COMPILER_CODEGEN_TARGET_H
#define FM_COMPILER_CODEGEN_TARGET_H

#include <cstdint>
#include <string>

namespace fm::codegen {

/// What the schedules know about a machine. Sizes in bytes, per core but for
/// `l3Bytes`, which is shared.
struct MachineModel {
  int vectorBits = 128;
  int vectorRegisters = 16;
  int fmaPerCycle = 2;
  int loadsPerCycle = 2;
  int fmaLatency = 4;
  int64_t l1Bytes = 32 << 10;
  int64_t l2Bytes = 512 << 10;
  int64_t l3Bytes = 4 << 20;
  /// What a load costs a step of a reduction, in cycles, beyond two for five
  /// products: a neighbour on the same core takes half of what it issues. As
  /// GFLOP/s of 178 at best, data in the L1 (Emerald Rapids, alone and beside a
  /// neighbour): tiles of 6 x 64 176 and 144, 8 x 48 176 and 142, 4 x 64 174
  /// and 135, 8 x 32 174 and 127, 14 x 32 176 and 121, 16 x 16 162 and 87.
  double crowdedLoad = 0;
  /// Columns, or rows, of the panels that a dense layer's weights lie in, a
  /// line of f32; 0: no panels.
  int64_t panelColumns = 0;
  /// Calls in a chain take samples of which so many times what the largest call
  /// reads and writes would fill the L2: the next call's results and weights
  /// are to stay there, too.
  int64_t chainedInL2 = 1;
  /// Samples of which a call in a chain gets and hands on more than a part of
  /// the L2 go strip by strip; of a strip it is that part at most.
  int64_t stripsInL2 = 1;
  int64_t stripBytes() const { return l2Bytes / stripsInL2; }
  double l2BytesPerCycle = 32; ///< sustained
  /// The same of short pieces far apart, such as the rows of a matrix.
  double l2RowBytesPerCycle = 16;
  double l2ManyRowsBytesPerCycle = 16; ///< of long runs of such pieces
  /// Whether rows that come from L3 are better prefetched (Prefetch.h): on Zen
  /// 3 a small batch's dense layers gain 5%, on a Xeon with AVX-512 they lose
  /// 40%.
  bool prefetchesRows = false;
  double l3BytesPerCycle = 5;
  /// The same while one pass over an operand brings it into the L2 for the
  /// next ones; 0: not looked at.
  double firstPassBytesPerCycle = 0;
  double l3BytesPerRun = 96; ///< what the start of a contiguous piece costs
  /// Whether roots and reciprocals come from estimates (EstimateReciprocals.h).
  bool estimatesReciprocals = false;
  int cores = 2; ///< for which parallel loops should have enough tasks
  /// Vectors whose long formulas are computed side by side: each keeps two or
  /// three values in registers. Eight fill two pipelines of four cycles.
  int vectorsAtOnce() const { return vectorRegisters > 16 ? 8 : 6; }
  /// Sums from which on a loop stays rolled whose products have a number each
  /// (KeepRolled.h). 0: none does, products take numbers from memory.
  int sumsKeptRolled() const { return vectorRegisters > 16 ? 0 : 5; }
};

struct TargetSpec {
  std::string triple;       ///< as LLVM writes it: "x86_64-pc-linux-gnu"
  std::string cpu;          ///< an LLVM CPU name
  std::string features;     ///< "+avx2,-amx-tile,...", added to the CPU's own
  std::string halideTarget; ///< "x86-64-linux-avx-..."; no AMX, ever
  MachineModel machine;
  bool asserts = false; ///< kernels check every bound and return -1
  bool exact = false;   ///< no rewriting that changes rounding
  int optLevel = 3;     ///< 0..3
};

/// `triple` "" means this machine's; `cpu` "native" means this machine's, and
/// "" the baseline of the triple (or native, where the triple is this
/// machine's). Returns an empty string, or an error message (lower-case, no
/// full stop; for an unknown CPU it lists near names).
std::string resolveTarget(const std::string &triple, const std::string &cpu,
                          TargetSpec &target);

/// Why this machine cannot run code for a resolved target, such as "it lacks
/// avx512f"; empty where it can.
std::string whyNotHere(const TargetSpec &target);

} // namespace fm::codegen

#endif // FM_COMPILER_CODEGEN_TARGET_H
