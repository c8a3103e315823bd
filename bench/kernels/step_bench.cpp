//===- step_bench.cpp - Where the time of a step goes ---------------------===//
//
// Compiles a model, runs the kernels of one entry in their order on memory laid
// out as in an instance, and prints each kernel's time (processor time, lower
// quartile), arithmetic and memory traffic with their shares of the FMA peak.
//
//   step_bench model.fm [--entry=train_step] [--batch=N] [--threads=N] [--plan]
//              [--cpu=NAME]
//
//===----------------------------------------------------------------------===//
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <random>

#include "compiler/codegen/BuildProgram.h"
#include "compiler/codegen/IndexAnalysis.h"
#include "compiler/driver/Compiler.h"
#include "frontend/recorder/RecorderImpl.h"
#include "tests/codegen/KernelHarness.h"

double measureFmaPeak();

using namespace fm;
using namespace fm::codegen;

namespace {

double cpuSeconds() {
  timespec t;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
  return t.tv_sec + t.tv_nsec * 1e-9;
}
double wallSeconds() {
  return std::chrono::duration<double>(
             std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

int64_t elementsOf(const std::vector<Extent> &shape) {
  int64_t count = 1;
  for (const Extent &extent : shape)
    count *= extent.size;
  return count;
}

/// Operations of the reductions, as a user counts them.
double operationsOf(const KernelSpec &spec) {
  double total = 0;
  for (const Stage &stage : spec.stages)
    for (const Result &result : stage.results)
      if (result.update)
        total += double(elementsOf(stage.domain)) *
                 elementsOf(stage.reduction) * countOperations(*result.update);
  return total;
}

double bytesOf(const KernelSpec &spec) {
  double total = 0;
  for (const Buffer &buffer : spec.inputs)
    total += double(elementsOf(buffer.shape)) * sizeOf(buffer.type);
  for (const Output &output : spec.outputs)
    total +=
        double(elementsOf(output.buffer.shape)) * sizeOf(output.buffer.type);
  return total;
}

char *allocate(size_t bytes) {
  bytes = (bytes + 8192) / 64 * 64;
  char *p = static_cast<char *>(std::aligned_alloc(64, bytes));
  std::memset(p, 0, bytes);
  return p;
}

} // namespace

int main(int argc, char **argv) {
  driver::CompilerOptions options;
  std::string entryName = "train_step";
  int threads = 1;
  bool plan = false;
  for (int i = 1; i < argc; ++i) {
    const std::string argument = argv[i];
    auto value = [&](const char *name, std::string &out) {
      const std::string prefix = std::string("--") + name + "=";
      if (argument.compare(0, prefix.size(), prefix))
        return false;
      out = argument.substr(prefix.size());
      return true;
    };
    std::string text;
    if (value("entry", entryName) || value("cpu", options.cpu))
      continue;
    if (value("batch", text))
      options.defines.push_back("batch=" + text);
    else if (value("threads", text))
      threads = std::atoi(text.c_str());
    else if (argument == "--plan")
      plan = true;
    else
      options.input = argument;
  }
  Diagnostics diagnostics;
  driver::Compiler compiler(options, diagnostics);
  TargetSpec target = test::testTarget(false, options.cpu);
  mlir::FailureOr<Program> built = mlir::failure();
  if (compiler.read() && compiler.lower())
    built = buildProgram(compiler.recorder().impl().module(), nullptr,
                         &target.machine);
  if (mlir::failed(built)) {
    std::fprintf(stderr, "%s", diagnostics.render(false).c_str());
    return 1;
  }
  const Program &program = *built;
  const Entry *entry = nullptr;
  for (const Entry &e : program.entries)
    if (e.name == entryName)
      entry = &e;
  if (!entry) {
    std::fprintf(stderr, "no entry '%s'\n", entryName.c_str());
    return 1;
  }
  std::vector<bool> used(program.kernels.size());
  for (const KernelCall &call : entry->calls)
    used[call.kernel] = true;
  std::vector<KernelSpec> specs;
  std::vector<int> number(program.kernels.size(), -1);
  for (size_t k = 0; k < used.size(); ++k)
    if (used[k]) {
      number[k] = specs.size();
      specs.push_back(program.kernels[k]);
    }
  const test::RunnableKernels kernels(specs, target);
  if (!kernels.error.empty()) {
    std::fprintf(stderr, "%s\n", kernels.error.c_str());
    return 1;
  }

  std::mt19937 random(7);
  auto fill = [&](char *p, ScalarType type, int64_t count, int64_t bound) {
    for (int64_t i = 0; i < count; ++i)
      if (type == ScalarType::F32)
        reinterpret_cast<float *>(p)[i] = random() / 4294967296.0f * 0.1f;
      else if (type == ScalarType::I32)
        reinterpret_cast<int32_t *>(p)[i] =
            random() % std::max<int64_t>(1, bound);
  };
  char *persistent = allocate(program.persistentBytes),
       *arena = allocate(program.arenaBytes);
  for (const PersistentTensor &tensor : program.tensors)
    fill(persistent + tensor.offset, tensor.type,
         tensor.bytes / sizeOf(tensor.type), 2);
  std::vector<char *> argumentMemory;
  for (const EntryArgument &argument : entry->arguments) {
    const int64_t count = argument.role == EntryArgument::Role::Gradients
                              ? program.parameterBytes / 4
                              : elementsOf(argument.shape);
    argumentMemory.push_back(allocate(count * sizeOf(argument.type)));
    fill(argumentMemory.back(), argument.type, count, argument.indexBound);
  }
  std::vector<char *> constants;
  for (const ConstantData &constant : program.constants) {
    constants.push_back(allocate(constant.bytes.size()));
    std::memcpy(constants.back(), constant.bytes.data(), constant.bytes.size());
  }
  struct Call {
    test::KernelFunction function;
    std::vector<void *> pointers;
    std::vector<double> times;
  };
  std::vector<Call> calls;
  for (const KernelCall &call : entry->calls) {
    Call c;
    c.function = kernels.functions[number[call.kernel]];
    for (const TensorPlace &place : call.places)
      c.pointers.push_back(place.offset +
                           (place.space == TensorPlace::Space::Persistent
                                ? persistent
                            : place.space == TensorPlace::Space::Arena ? arena
                            : place.space == TensorPlace::Space::Argument
                                ? argumentMemory[place.index]
                                : constants[place.index]));
    calls.push_back(c);
  }
  test::setThreads(threads);
  auto seconds = threads == 1 ? cpuSeconds : wallSeconds;
  const double peak = measureFmaPeak();
  const int64_t n = program.batch;
  const double begin = wallSeconds();
  std::vector<double> steps;
  while (steps.size() < 10 ||
         (wallSeconds() - begin < 3 && steps.size() < 2000)) {
    double last = seconds();
    const double start = last;
    for (Call &call : calls) {
      call.function(nullptr, n, call.pointers.data());
      const double now = seconds();
      call.times.push_back(now - last);
      last = now;
    }
    steps.push_back(last - start);
  }
  auto quartile = [](std::vector<double> &times) {
    std::sort(times.begin(), times.end());
    return times[times.size() / 4];
  };
  double total = 0;
  std::vector<std::pair<double, size_t>> byTime;
  for (size_t c = 0; c < calls.size(); ++c) {
    byTime.emplace_back(quartile(calls[c].times), c);
    total += byTime.back().first;
  }
  std::printf("FMA peak %.1f GFLOP/s; %s of %s, batch %lld: %zu kernels, "
              "%.1f us a step (sum of kernels %.1f)\n",
              peak, entryName.c_str(), program.name.c_str(), (long long)n,
              calls.size(), quartile(steps) * 1e6, total * 1e6);
  for (auto [time, c] : byTime) {
    const KernelCall &call = entry->calls[c];
    const KernelSpec &spec = program.kernels[call.kernel];
    const double operations = operationsOf(spec);
    std::printf(
        "%-14s %9.2f us %5.1f%% %8.1f GFLOP/s %5.1f%% of peak %7.1f GB/s  %s\n",
        spec.name.c_str(), time * 1e6, 100 * time / total,
        operations / time / 1e9,
        100 * operations / time / 1e9 / (peak * threads),
        bytesOf(spec) / time / 1e9, call.location.c_str());
    if (plan)
      std::printf("%s", kernels.schedules[number[call.kernel]].c_str());
  }
}
