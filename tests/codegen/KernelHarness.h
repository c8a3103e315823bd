//===- KernelHarness.h - Compile, run and compare kernels
//------------------===//
//
// Compiles a KernelSpec, runs it on memory whose every end lies at an unmapped
// page, on one to four threads, and compares with the interpreter.
//
//===----------------------------------------------------------------------===//
#ifndef FM_TESTS_CODEGEN_KERNELHARNESS_H
#define FM_TESTS_CODEGEN_KERNELHARNESS_H

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "compiler/codegen/IndexAnalysis.h"
#include "compiler/codegen/KernelJit.h"
#include "compiler/codegen/KernelSpec.h"
#include "compiler/codegen/Schedule.h"
#include "compiler/codegen/Target.h"
#include "tests/codegen/KernelInterpreter.h"

namespace fm::test {

/// This machine, with or without Halide's checks; cpu may name another one.
codegen::TargetSpec testTarget(bool asserts, const std::string &cpu = "native");

/// `i32 (ptr context, i64 n, ptr pointers)`: inputs, then outputs.
using KernelFunction = int (*)(void *, int64_t, void **);

/// Several kernels in one object.
class RunnableKernels {
public:
  /// Empty `error` if all compiled.
  RunnableKernels(const std::vector<codegen::KernelSpec> &specs,
                  const codegen::TargetSpec &target,
                  const std::vector<codegen::ScheduleChoice> &choices = {});
  std::string error;
  std::vector<std::string> schedules;
  std::vector<KernelFunction> functions;

private:
  std::unique_ptr<codegen::KernelJit> jit;
};

class RunnableKernel {
public:
  /// Empty `error` if it compiled.
  RunnableKernel(const codegen::KernelSpec &spec,
                 const codegen::TargetSpec &target,
                 const codegen::ScheduleChoice &choice = {})
      : kernels({spec}, target, {choice}), error(kernels.error),
        schedule(kernels.schedules[0]) {}
  /// `pointers`: inputs, then outputs.
  int operator()(int64_t n, void **pointers) const {
    return kernels.functions[0](nullptr, n, pointers);
  }

private:
  RunnableKernels kernels;

public:
  std::string error, schedule;
};

/// How many threads the kernels' parallel loops use from now on.
void setThreads(int threads);

struct CheckOptions {
  double tolerance = 1e-4; ///< relative to 1 + |expected|
  std::vector<int64_t> ns; ///< sample counts; empty: 1, some, all
  std::string cpu = "native";
  bool bothModes = true; ///< also with asserts on
  /// Caches of a few KiB: small kernels are blocked as large ones are.
  bool smallCaches = false;
  std::string *schedule = nullptr; ///< receives what was chosen
  /// Makes the choices for the kernel instead of the machine model.
  std::function<codegen::ScheduleChoice(const codegen::TargetSpec &)> choose;
};

/// Compiles and runs with random inputs; "" or what is wrong.
std::string check(const codegen::KernelSpec &spec,
                  const CheckOptions &options = {},
                  const std::vector<Tensor> *inputs = nullptr);

/// Choices that the planner accepts, made up at random: few of them are good.
codegen::ScheduleChoice randomChoice(const codegen::KernelSpec &spec,
                                     const codegen::MachineModel &machine,
                                     unsigned seed);

/// Random values: floats in [-1, 1), integers in [0, bound).
Tensor randomTensor(const std::vector<codegen::Extent> &shape,
                    codegen::ScalarType type, int64_t n, unsigned seed,
                    int64_t bound = 8);

} // namespace fm::test

#endif // FM_TESTS_CODEGEN_KERNELHARNESS_H
