//===- HalideKernel.h - From KernelSpec to LLVM bitcode via Halide --------===//
//
// The Halide side of the border. Halide 14 is not made for several threads (its
// counter of names makes the code depend on what was compiled before, and its
// error reporter is global). So kernels are compiled by forked processes, each
// one at a time and with names counted anew: its code depends on nothing but its
// description, several threads may call, and a crash of Halide is one kernel's
// error message.
//
//===----------------------------------------------------------------------===//
#ifndef FM_COMPILER_CODEGEN_HALIDEKERNEL_H
#define FM_COMPILER_CODEGEN_HALIDEKERNEL_H

#include <memory>
#include <string>
#include <vector>

#include "compiler/codegen/KernelSpec.h"
#include "compiler/codegen/Schedule.h"
#include "compiler/codegen/Target.h"

namespace fm::codegen {

/// One dimension of a halide_buffer_t that the kernel's function expects.
struct KernelDim {
  int64_t extent = 1; ///< in elements; n, if `isSamples`
  int64_t stride = 1;
  bool isSamples = false;
  int64_t slack = 0; ///< elements behind the extent that may be read
};

/// One halide_buffer_t, in the order of the function's parameters.
struct KernelArgument {
  unsigned pointer = 0; ///< inputs first, then outputs, as in the KernelSpec
  ScalarType type = ScalarType::F32;
  int64_t offset = 0;          ///< in elements
  std::vector<KernelDim> dims; ///< innermost first
};

struct CompiledKernel {
  std::string name; ///< KernelSpec::name
  std::string
      function; ///< `i32 (ptr context, i32 n, ptr buffer...)` in `bitcode`
  std::string bitcode; ///< LLVM 14, not optimised
  unsigned pointers = 0;
  std::vector<KernelArgument> arguments;
  /// Each input whose memory an output takes, and that output, by their names
  /// in Halide's alias information, which holds that all buffers are disjoint.
  std::vector<std::pair<std::string, std::string>> shared;
  std::string schedule; ///< what was chosen, for people
  std::string error;    ///< not empty: nothing else is valid
  /// A copy into another order: made by LLVM 19 alone, `bitcode` is empty.
  std::shared_ptr<const KernelSpec> copy;
};

/// All kernels, by up to `jobs` processes at a time (0: one per core). Results
/// in input order. `choices`: schedules that a tuner has chosen, one a kernel;
/// an empty one, or one that is missing, means the machine model's.
std::vector<CompiledKernel>
compileKernels(const std::vector<KernelSpec> &specs, const TargetSpec &target,
               unsigned jobs = 0,
               const std::vector<ScheduleChoice> &choices = {});

/// One kernel, in the same way.
CompiledKernel compileWithHalide(const KernelSpec &spec,
                                 const TargetSpec &target,
                                 const ScheduleChoice &choice = {});

/// The same in this process, for debuggers; takes a lock.
CompiledKernel compileInThisProcess(const KernelSpec &spec,
                                    const TargetSpec &target,
                                    const ScheduleChoice &choice = {});

/// The schedule that a kernel gets, for `--emit=kernels`: a line a loop nest,
/// and the key of the kernel in a tuned file.
std::string describeSchedule(const KernelSpec &spec, const TargetSpec &target,
                             const ScheduleChoice &choice = {});

} // namespace fm::codegen

#endif // FM_COMPILER_CODEGEN_HALIDEKERNEL_H
