//===- CandidateKernels.h - Kernels compiled to be measured --------------------------===//
#ifndef FM_COMPILER_DRIVER_CANDIDATEKERNELS_H
#define FM_COMPILER_DRIVER_CANDIDATEKERNELS_H

#include "compiler/codegen/KernelJit.h"
#include "compiler/codegen/KernelSpec.h"
#include "compiler/codegen/Schedule.h"
#include "compiler/codegen/Target.h"

#include <memory>
#include <string>
#include <vector>

namespace fm::driver {

/// A kernel's function with its pointers in an array, inputs first.
using KernelFunction = int (*)(void *context, int64_t n, void *const *pointers);

struct CandidateRequest {
  const codegen::KernelSpec *spec = nullptr;
  codegen::ScheduleChoice choice;
};

struct LoadedCandidate {
  std::unique_ptr<codegen::KernelJit> jit; ///< keeps `function`
  KernelFunction function = nullptr;
  std::string error; ///< not empty: there is no function
};

/// Compiles the requests in forked processes (`jobs` at a time, 0: one a core),
/// each for at most `seconds`, and loads what came out. Results in order.
std::vector<LoadedCandidate> loadCandidates(const std::vector<CandidateRequest> &requests,
                                            const codegen::TargetSpec &target, unsigned jobs, double seconds);

} // namespace fm::driver

#endif // FM_COMPILER_DRIVER_CANDIDATEKERNELS_H
