//===- ForkedTasks.cpp - Strings made by short-lived processes ------------===//
#include "compiler/codegen/ForkedTasks.h"

#include "compiler/codegen/Descriptors.h"

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <poll.h>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>
#include <vector>

namespace fm::codegen {

namespace {

using Clock = std::chrono::steady_clock;

struct Worker {
  size_t task;
  pid_t process;
  int pipe;
  Clock::time_point start;
  ForkedResult result;
};

/// False if there are no more processes or pipes to be had.
bool start(size_t i, const std::function<std::string(size_t)> &task,
           std::vector<Worker> &workers) {
  int ends[2];
  if (pipe(ends) != 0)
    return false;
  const pid_t process = fork();
  if (process == 0) {
    close(ends[0]);
    writeAll(ends[1], task(i));
    _exit(0);
  }
  close(ends[1]);
  if (process < 0) {
    close(ends[0]);
    return false;
  }
  workers.push_back({i, process, ends[0], Clock::now(), {}});
  return true;
}

/// Reads what there is; true if that was all.
bool drain(Worker &worker) {
  char buffer[1 << 16];
  const ssize_t n = read(worker.pipe, buffer, sizeof buffer);
  if (n > 0) {
    worker.result.bytes.append(buffer, n);
    return false;
  }
  if (n < 0 && errno == EINTR)
    return false;
  close(worker.pipe);
  int status = 0;
  while (waitpid(worker.process, &status, 0) < 0 && errno == EINTR)
    ;
  worker.result.signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
  return true;
}

} // namespace

void runForked(size_t count, unsigned jobs,
               const std::function<std::string(size_t)> &task,
               const std::function<void(size_t, ForkedResult)> &done,
               double seconds) {
  if (jobs == 0)
    jobs = std::max(1u, std::thread::hardware_concurrency());
  std::vector<Worker> workers;
  size_t next = 0;
  while (next < count || !workers.empty()) {
    while (next < count && workers.size() < jobs) {
      const size_t i = next++;
      if (!start(i, task, workers))
        done(i, {task(i)});
    }
    if (workers.empty())
      continue;
    std::vector<pollfd> waits;
    for (const Worker &worker : workers)
      waits.push_back({worker.pipe, POLLIN, 0});
    if (poll(waits.data(), waits.size(), seconds > 0 ? 100 : -1) < 0)
      continue;
    for (size_t w = workers.size(); w-- > 0;) {
      Worker &worker = workers[w];
      const std::chrono::duration<double> taken = Clock::now() - worker.start;
      if (seconds > 0 && taken.count() > seconds && !worker.result.late) {
        worker.result.late = true;
        kill(worker.process, SIGKILL);
      }
      if (!waits[w].revents || !drain(worker))
        continue;
      done(worker.task, std::move(worker.result));
      workers.erase(workers.begin() + w);
    }
  }
}

} // namespace fm::codegen
