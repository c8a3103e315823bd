//===- TuneFile.h - Choices that were measured, in a text file ------------===//
//
// What `fmc tune` has found, beside the model: `model.tune`. One section for
// each CPU that was measured, in it an entry for each kernel that is faster
// with other choices than the machine model's:
//
//   fmc-tune 1
//   cpu znver4 512
//   # encoder, batch 8: train_step 9120.4 -> 8702.1 us
//   model 53a0b1c2d3e4f506 winograd=off
//   # nx128x512 over 128: 501.3 -> 402.0 us
//   kernel 0f1e2d3c4b5a6978
//   nest tile=1,6,64 vector=2 lanes=16 order=0,2,1 unroll=4 parallel=1
//
// A kernel is known by a hash of what it computes, not by its number; so an
// entry serves every model, batch size and version of a model in which the very
// kernel occurs, and what occurs no longer does no harm. A nest's line names
// the fields of NestChoice; what it leaves out is natural order, no blocks, or
// scalar code, and parallel loops by the planner's rule.
//
//===----------------------------------------------------------------------===//
#ifndef FM_COMPILER_CODEGEN_TUNEFILE_H
#define FM_COMPILER_CODEGEN_TUNEFILE_H

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "compiler/codegen/KernelSpec.h"
#include "compiler/codegen/Schedule.h"
#include "compiler/codegen/Target.h"

namespace fm::codegen {

/// Lines and columns count from 1, columns in bytes.
struct TunePlace {
  unsigned line = 0, column = 1, length = 1;
};

/// Something wrong with a file: actual beside expected, lower-case, no full
/// stop; `note` says what to do about it, or is empty.
struct TuneProblem {
  TunePlace place;
  std::string message, note;
};

struct TunedNest {
  NestChoice choice;
  TunePlace place;
  std::map<std::string, TunePlace> fields; ///< where each was written
};

struct TunedKernel {
  uint64_t key = 0;             ///< kernelKey
  std::vector<TunedNest> nests; ///< in the planner's order; the rest: default
  TunePlace place;
  std::string comment; ///< lines in front of it, without "# "

  TunedKernel() = default;
  TunedKernel(uint64_t key, const ScheduleChoice &choice, std::string comment);
  ScheduleChoice choice() const;
};

/// What holds for a whole model; unset: as the command line says.
struct ModelChoice {
  std::optional<bool> winograd, fuse, layout, chains;
  bool isEmpty() const { return !winograd && !fuse && !layout && !chains; }
};

struct TunedModel {
  uint64_t key = 0; ///< hash of the model as it was recorded
  ModelChoice choice;
  TunePlace place;
  std::string comment;
};

/// What was measured on one CPU, with vectors of so many bits.
struct TunedMachine {
  std::string cpu;
  int vectorBits = 0;
  TunePlace place;
  std::vector<TunedModel> models;
  std::vector<TunedKernel> kernels;

  TunedKernel *find(uint64_t key);
  /// Puts an entry in the place of one for the same kernel or model.
  void put(TunedKernel kernel);
  void put(TunedModel model);
  void erase(uint64_t kernel);
};

struct TuneFile {
  /// The first line.
  static constexpr const char *magic = "fmc-tune";
  static constexpr int version = 1;

  std::vector<TunedMachine> machines;

  /// The section for a target, or null.
  TunedMachine *find(const TargetSpec &target);
  const TunedMachine *find(const TargetSpec &target) const;
  TunedMachine &findOrAdd(const TargetSpec &target);
};

/// Reads what toString writes. What cannot be read is left out and told.
TuneFile parseTuneFile(const std::string &text,
                       std::vector<TuneProblem> &problems);
std::string toString(const TuneFile &file);
/// The lines of a kernel's nests.
std::string toString(const ScheduleChoice &choice);

/// A hash of what the kernel computes, whatever it is called.
uint64_t kernelKey(const KernelSpec &spec);
/// FNV-1a, 64 bits: the same on every machine.
uint64_t hashOf(const std::string &text);

/// A choice for each kernel, empty where the section has none. Entries that are
/// illegal for their kernel are problems, at the field that is wrong.
std::vector<ScheduleChoice> choicesFor(const TunedMachine &machine,
                                       const std::vector<KernelSpec> &kernels,
                                       const MachineModel &model,
                                       std::vector<TuneProblem> &problems);

} // namespace fm::codegen

#endif // FM_COMPILER_CODEGEN_TUNEFILE_H
