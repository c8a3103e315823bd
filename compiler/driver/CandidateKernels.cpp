//===- CandidateKernels.cpp - Kernels compiled to be measured ------------------------===//

#include "compiler/driver/CandidateKernels.h"

#include "compiler/codegen/ForkedTasks.h"
#include "compiler/codegen/HalideKernel.h"
#include "compiler/codegen/HalideLibrary.h"
#include "compiler/codegen/ObjectEmitter.h"
#include "compiler/driver/LiveModel.h"

namespace fm::driver {

using namespace codegen;

static constexpr const char *kSymbol = "fm_candidate";

/// A function that takes the kernel's pointers from an array.
static std::string callerOf(const CompiledKernel &kernel) {
  std::string types, loads, values;
  for (unsigned i = 0; i < kernel.pointers; ++i) {
    const std::string number = std::to_string(i);
    types += ", ptr";
    loads += "%a" + number + " = getelementptr ptr, ptr %pointers, i64 " + number + "\n%p" + number +
             " = load ptr, ptr %a" + number + "\n";
    values += ", ptr %p" + number;
  }
  return "declare i32 @" + kernel.name + "(ptr, i64" + types + ")\ndefine i32 @" + kSymbol +
         "(ptr %context, i64 %n, ptr %pointers) {\n" + loads + "%r = call i32 @" + kernel.name +
         "(ptr %context, i64 %n" + values + ")\nret i32 %r\n}\n";
}

/// In the forked process: 'o' and the object, or 'e' and a message.
static std::string compileCandidate(const CandidateRequest &request, const TargetSpec &target) {
  const CompiledKernel kernel = compileInThisProcess(*request.spec, target, request.choice);
  ObjectEmitter emitter(target);
  std::string object, error = kernel.error;
  if (error.empty())
    error = emitter.setModule(callerOf(kernel));
  if (error.empty())
    error = emitter.link({kernel}, {kSymbol}, 1);
  if (error.empty())
    error = emitter.emit(EmitKind::Object, object);
  return error.empty() ? "o" + object : "e" + error;
}

std::vector<LoadedCandidate> loadCandidates(const std::vector<CandidateRequest> &requests, const TargetSpec &target,
                                            unsigned jobs, double seconds) {
  std::vector<LoadedCandidate> loaded(requests.size());
  auto compile = [&](size_t i) { return compileCandidate(requests[i], target); };
  auto load = [&](size_t i, ForkedResult result) {
    LoadedCandidate &candidate = loaded[i];
    if (result.late || result.signal || result.bytes.empty()) {
      candidate.error = result.late ? "compiling took too long" : "the compiler died";
      return;
    }
    if (result.bytes[0] == 'e') {
      candidate.error = result.bytes.substr(1);
      return;
    }
    candidate.jit = std::make_unique<KernelJit>();
    candidate.error = candidate.jit->load(result.bytes.substr(1), runtimeImports());
    if (candidate.error.empty())
      candidate.function = reinterpret_cast<KernelFunction>(candidate.jit->find(kSymbol));
    if (candidate.error.empty() && !candidate.function)
      candidate.error = "the object lacks its function";
  };
  ForkedLimits limits;
  limits.jobs = jobs;
  limits.seconds = seconds;
  if (!halideNamesRestart())
    limits.tasks = 1;
  runForked(requests.size(), limits, compile, load);
  return loaded;
}

} // namespace fm::driver
