//===- KernelWorkers.cpp - Kernels compiled by forked processes -----------===//
//
// In processes, for Halide compiles one kernel at a time, and its crash costs
// one kernel an error message. A kernel's code depends on nothing but its
// description, in whichever order kernels come to whichever process: see
// HalideLibrary.h.
//
//===----------------------------------------------------------------------===//
#include "compiler/codegen/ForkedTasks.h"
#include "compiler/codegen/HalideKernel.h"
#include "compiler/codegen/HalideLibrary.h"
#include "compiler/codegen/Layouts.h"

#include <cstring>

namespace fm::codegen {

namespace {

class Writer {
public:
  std::string bytes;
  void number(int64_t value) {
    bytes.append(reinterpret_cast<const char *>(&value), sizeof value);
  }
  void text(const std::string &value) {
    number(value.size());
    bytes += value;
  }
};

class Reader {
public:
  explicit Reader(const std::string &bytes) : bytes(bytes) {}
  bool good = true;
  int64_t number() {
    int64_t value = 0;
    if (bytes.size() - at < sizeof value) {
      good = false;
      return 0;
    }
    std::memcpy(&value, &bytes[at], sizeof value);
    at += sizeof value;
    return value;
  }
  std::string text() {
    const uint64_t size = number();
    if (bytes.size() - at < size) {
      good = false;
      return "";
    }
    at += size;
    return bytes.substr(at - size, size);
  }

private:
  const std::string &bytes;
  size_t at = 0;
};

std::string serialise(const CompiledKernel &kernel) {
  Writer w;
  for (const std::string *s : {&kernel.name, &kernel.function, &kernel.bitcode,
                               &kernel.schedule, &kernel.error})
    w.text(*s);
  w.number(kernel.pointers);
  w.number(kernel.shared.size());
  for (const auto &[input, output] : kernel.shared) {
    w.text(input);
    w.text(output);
  }
  w.number(kernel.arguments.size());
  for (const KernelArgument &argument : kernel.arguments) {
    w.number(argument.pointer);
    w.number(static_cast<int64_t>(argument.type));
    w.number(argument.offset);
    w.number(argument.dims.size());
    for (const KernelDim &dim : argument.dims) {
      w.number(dim.extent);
      w.number(dim.stride);
      w.number(dim.isSamples);
      w.number(dim.slack);
    }
  }
  return w.bytes;
}

bool deserialise(const std::string &bytes, CompiledKernel &kernel) {
  Reader r(bytes);
  for (std::string *s : {&kernel.name, &kernel.function, &kernel.bitcode,
                         &kernel.schedule, &kernel.error})
    *s = r.text();
  kernel.pointers = r.number();
  kernel.shared.resize(r.good ? r.number() : 0);
  for (auto &[input, output] : kernel.shared) {
    input = r.text();
    output = r.text();
  }
  kernel.arguments.resize(r.good ? r.number() : 0);
  for (KernelArgument &argument : kernel.arguments) {
    argument.pointer = r.number();
    argument.type = static_cast<ScalarType>(r.number());
    argument.offset = r.number();
    argument.dims.resize(r.good ? r.number() : 0);
    for (KernelDim &dim : argument.dims) {
      dim.extent = r.number();
      dim.stride = r.number();
      dim.isSamples = r.number();
      dim.slack = r.number();
    }
  }
  return r.good;
}

std::vector<CompiledKernel>
compileAll(const std::vector<KernelSpec> &specs, const TargetSpec &target,
           const std::vector<ScheduleChoice> &choices, unsigned jobs) {
  std::vector<CompiledKernel> results(specs.size());
  std::vector<size_t> forked; // kernels that are Halide's
  for (size_t i = 0; i < specs.size(); ++i) {
    if (!asCopy(specs[i])) {
      forked.push_back(i);
      continue;
    }
    results[i].name = specs[i].name;
    results[i].pointers = 2;
    results[i].copy = std::make_shared<KernelSpec>(specs[i]);
    results[i].schedule = "copy of blocks\n";
  }
  ForkedLimits limits;
  limits.jobs = jobs;
  if (!halideNamesRestart())
    limits.tasks = 1;
  runForked(
      forked.size(), limits,
      [&](size_t k) {
        const size_t i = forked[k];
        return serialise(compileInThisProcess(
            specs[i], target,
            i < choices.size() ? choices[i] : ScheduleChoice()));
      },
      [&](size_t k, ForkedResult forkedResult) {
        CompiledKernel &result = results[forked[k]];
        if (deserialise(forkedResult.bytes, result))
          return;
        result = CompiledKernel();
        result.name = specs[forked[k]].name;
        result.error =
            "internal error: kernel '" + result.name +
            "': the worker process died" +
            (forkedResult.signal
                 ? " of signal " + std::to_string(forkedResult.signal)
                 : "");
      });
  return results;
}

} // namespace

std::vector<CompiledKernel>
compileKernels(const std::vector<KernelSpec> &specs, const TargetSpec &target,
               unsigned jobs, const std::vector<ScheduleChoice> &choices) {
  return compileAll(specs, target, choices, jobs);
}

CompiledKernel compileWithHalide(const KernelSpec &spec,
                                 const TargetSpec &target,
                                 const ScheduleChoice &choice) {
  return compileAll({spec}, target, {choice}, 1)[0];
}

} // namespace fm::codegen
