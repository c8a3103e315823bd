//===- KernelSearch.h - Better choices for kernels, by measuring ---------------------===//
#ifndef FM_COMPILER_DRIVER_KERNELSEARCH_H
#define FM_COMPILER_DRIVER_KERNELSEARCH_H

#include "compiler/codegen/Candidates.h"
#include "compiler/codegen/TuneFile.h"
#include "compiler/driver/StepKernels.h"

#include <functional>
#include <memory>

namespace fm::driver {

/// What was found for one kernel.
struct TunedResult {
  unsigned kernel = 0; ///< of the program
  double before = 0;   ///< seconds of a call with the machine model's choice
  double ratio = 1;    ///< time with `choice` to time before
  int tried = 0;       ///< candidates that were measured
  codegen::ScheduleChoice standard, choice;
  bool isBetter() const { return choice != standard; }
};

/// The search over all kernels of a model's steps. In each round a few candidates
/// are compiled, most of them for kernels that take most of the time; those with
/// the right results are measured in pairs of passes against the best so far.
class KernelSearch {
public:
  /// `stop`: whether to end as soon as possible; `left`: seconds.
  KernelSearch(LiveModel &live, StepKernels &steps, const codegen::TargetSpec &target, unsigned jobs,
               std::function<bool()> stop, std::function<double()> left);

  /// Finds out which kernels take how long; `known`: entries to begin with.
  void prepare(const codegen::TunedMachine *known);
  /// One round. False if there is nothing more to try.
  bool round();
  /// Measures all that was found once more, and gives up what was luck.
  void confirm();

  /// Called for each improvement.
  std::function<void(const TunedResult &)> improved;
  /// Called for each candidate with what became of it.
  std::function<void(const TunedResult &, const codegen::ScheduleChoice &, const std::string &)> tried;
  /// All kernels that were looked at, those that take longest first.
  std::vector<TunedResult> results() const;

private:
  struct Job {
    TunedResult result;
    codegen::Candidates candidates;
    LoadedCandidate best; ///< no function: the model's own is
    std::optional<codegen::ScheduleChoice> known;
    bool done = false;

    Job(unsigned kernel, const codegen::KernelSpec &spec, const codegen::MachineModel &machine)
        : candidates(spec, machine) {
      result.kernel = kernel;
      result.standard = result.choice = candidates.standard();
    }
    double seconds() const { return result.before * result.ratio * calls; }
    int calls = 1;
  };
  struct Trial {
    Job *job;
    codegen::ScheduleChoice choice;
    LoadedCandidate candidate;
  };

  std::vector<Trial> nextTrials();
  std::vector<Trial *> compile(std::vector<Trial> &trials);
  void tell(const Trial &trial, const std::string &outcome) const;
  void measure(std::vector<Trial *> wave);
  StepKernels::Functions bestFunctions() const;
  StepKernels::Functions functionsOf(const std::vector<Trial *> &wave) const;

  LiveModel &live;
  StepKernels &steps;
  const codegen::TargetSpec &target;
  const unsigned jobs;
  const std::function<bool()> stop;
  const std::function<double()> left;
  std::vector<std::unique_ptr<Job>> list;
  double compileSeconds = 0.5; ///< of one candidate, as seen so far
};

} // namespace fm::driver

#endif // FM_COMPILER_DRIVER_KERNELSEARCH_H
