//===- KernelWorkers.cpp - Kernels compiled by forked processes -----------===//
//
// One short-lived process per kernel, a few at a time. Each starts from the
// same state, so that a kernel's code depends on nothing but its description; a
// crash of Halide costs one kernel an error message. What a worker inherits
// from other threads of this process (locked mutexes) it does not touch.
//
//===----------------------------------------------------------------------===//
#include "compiler/codegen/HalideKernel.h"
#include "compiler/codegen/Layouts.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <poll.h>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>

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
  w.number(kernel.mayAlias);
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
  kernel.mayAlias = r.number();
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

struct Worker {
  size_t kernel;
  pid_t process;
  int pipe;
  std::string bytes;
};

void writeAll(int fd, const std::string &bytes) {
  for (size_t done = 0; done < bytes.size();) {
    const ssize_t n = write(fd, &bytes[done], bytes.size() - done);
    if (n < 0 && errno != EINTR)
      return;
    done += std::max<ssize_t>(n, 0);
  }
}

std::vector<CompiledKernel> compileAll(const std::vector<KernelSpec> &specs,
                                       const TargetSpec &target,
                                       const ScheduleChoice &choice,
                                       unsigned jobs) {
  std::vector<CompiledKernel> results(specs.size());
  if (jobs == 0)
    jobs = std::max(1u, std::thread::hardware_concurrency());
  std::vector<Worker> workers;
  size_t next = 0;
  while (next < specs.size() || !workers.empty()) {
    while (next < specs.size() && workers.size() < jobs) {
      const size_t i = next++;
      if (asCopy(specs[i])) {
        results[i].name = specs[i].name;
        results[i].pointers = 2;
        results[i].copy = std::make_shared<KernelSpec>(specs[i]);
        results[i].schedule = "copy of blocks\n";
        continue;
      }
      int ends[2];
      if (pipe(ends) != 0) {
        results[i] = compileInThisProcess(specs[i], target, choice);
        continue;
      }
      const pid_t process = fork();
      if (process == 0) {
        close(ends[0]);
        writeAll(ends[1],
                 serialise(compileInThisProcess(specs[i], target, choice)));
        _exit(0);
      }
      close(ends[1]);
      if (process < 0) {
        close(ends[0]);
        results[i] = compileInThisProcess(specs[i], target, choice);
        continue;
      }
      workers.push_back({i, process, ends[0], {}});
    }
    if (workers.empty())
      continue;
    std::vector<pollfd> waits;
    for (const Worker &worker : workers)
      waits.push_back({worker.pipe, POLLIN, 0});
    if (poll(waits.data(), waits.size(), -1) < 0)
      continue;
    for (size_t w = workers.size(); w-- > 0;) {
      if (!waits[w].revents)
        continue;
      char buffer[1 << 16];
      Worker &worker = workers[w];
      const ssize_t n = read(worker.pipe, buffer, sizeof buffer);
      if (n > 0) {
        worker.bytes.append(buffer, n);
        continue;
      }
      if (n < 0 && errno == EINTR)
        continue;
      close(worker.pipe);
      int status = 0;
      while (waitpid(worker.process, &status, 0) < 0 && errno == EINTR)
        ;
      CompiledKernel &result = results[worker.kernel];
      if (!deserialise(worker.bytes, result)) {
        result = CompiledKernel();
        result.name = specs[worker.kernel].name;
        result.error = "internal error: kernel '" + result.name +
                       "': the worker process died" +
                       (WIFSIGNALED(status)
                            ? " of signal " + std::to_string(WTERMSIG(status))
                            : "");
      }
      workers.erase(workers.begin() + w);
    }
  }
  return results;
}

} // namespace

std::vector<CompiledKernel> compileKernels(const std::vector<KernelSpec> &specs,
                                           const TargetSpec &target,
                                           unsigned jobs) {
  return compileAll(specs, target, {}, jobs);
}

CompiledKernel compileWithHalide(const KernelSpec &spec,
                                 const TargetSpec &target,
                                 const ScheduleChoice &choice) {
  return compileAll({spec}, target, choice, 1)[0];
}

} // namespace fm::codegen
