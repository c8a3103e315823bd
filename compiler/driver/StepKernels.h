//===- StepKernels.h - The kernels of a model's steps, one after the other -----------===//
//
// A kernel's time depends on what those before it have left in the caches. So
// kernels are not timed by themselves: a pass calls all kernels of the model's
// steps in their order, on the model's own memory, and takes the time of each.
// One pass tries a candidate for every kernel at once.
//
//===----------------------------------------------------------------------===//
#ifndef FM_COMPILER_DRIVER_STEPKERNELS_H
#define FM_COMPILER_DRIVER_STEPKERNELS_H

#include "compiler/driver/CandidateKernels.h"
#include "compiler/driver/LiveModel.h"
#include "compiler/driver/Synthetic.h"

#include <deque>
#include <functional>

namespace fm::driver {

/// Seconds on a clock that is good for one thread (what others do on its core does
/// not count; to look at it takes a third of a microsecond), or of the wall.
double secondsOf(bool oneThread);

class StepKernels {
public:
  /// Runs the entries once, on made-up data. `names`: those of the model's entries
  /// that count. `oneThread`: kernels run on the calling thread only.
  StepKernels(LiveModel &live, const std::vector<std::string> &names, bool oneThread);
  const std::string &error() const { return problem; }

  /// Per kernel of the program; null: the model's own.
  using Functions = std::vector<KernelFunction>;
  /// One pass, chains as in a step; seconds per kernel, all of its calls together.
  std::vector<double> pass(const Functions &functions);
  /// Calls of each kernel in a pass.
  const std::vector<int> &calls() const { return callsOf; }

  /// Ratios of times, candidate to base, of pairs of passes: for each kernel that
  /// has a candidate, at least `pairs` of them and for at least `seconds`.
  /// `stop` ends it early.
  std::vector<std::vector<double>> compare(const Functions &base, const Functions &candidates, int pairs,
                                           double seconds, const std::function<bool()> &stop);

  struct Candidate {
    unsigned kernel = 0;
    KernelFunction function = nullptr;
  };
  /// Runs each candidate and the model's own kernel on the same memory, at the
  /// kernel's first call in a pass, for the full batch and for fewer samples: ""
  /// if results agree to 1e-4 of the largest magnitude of each output and nothing
  /// else was written, or what differs.
  std::vector<std::string> check(const std::vector<Candidate> &candidates);

private:
  struct Call {
    unsigned kernel;
    std::vector<void *> pointers;
    const codegen::KernelCall *planned;
    size_t chainEnd; ///< behind the last call of its chain, in `sequence`
  };
  struct Region {
    char *data;
    size_t size;
  };

  std::vector<std::string> save() const;
  void restore(const std::vector<std::string> &image);
  int run(const Call &call, KernelFunction function, int64_t n, const std::vector<void *> &pointers);
  void check(const Call &call, const std::vector<Candidate> &candidates, std::vector<std::string> &outcomes);
  std::string differences(const Call &call, int64_t n, const std::vector<std::string> &expected);

  LiveModel &live;
  std::deque<SyntheticArguments> arguments;
  std::vector<Call> sequence;
  std::vector<int> callsOf;
  std::vector<bool> isLong; ///< per kernel: timed by the thread's own clock
  std::vector<Region> regions; ///< all memory that kernels may write
  std::vector<std::string> start;
  std::string problem;
};

} // namespace fm::driver

#endif // FM_COMPILER_DRIVER_STEPKERNELS_H
