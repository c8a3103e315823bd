//===- ForkedTasks.cpp - Strings made by worker processes -----------------===//
//
// A socket connects a worker: numbers of tasks go there, each answered by the
// result's length and bytes; a number beyond all tasks tells it to leave. That
// it died is seen at the socket's end. Its leave is not: workers of another
// thread, forked meanwhile, hold this side of the socket as well.
//
//===----------------------------------------------------------------------===//
#include "compiler/codegen/ForkedTasks.h"

#include "compiler/codegen/Descriptors.h"

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstring>
#include <mutex>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>
#include <vector>

namespace fm::codegen {

namespace {

using Clock = std::chrono::steady_clock;
using Task = std::function<std::string(size_t)>;

struct Worker {
  pid_t process;
  int socket;
  size_t tasks = 0;   ///< that it was given
  size_t current = 0; ///< the last of them
  Clock::time_point start;
  bool late = false;
  std::string answer;
};

template <typename T> std::string bytesOf(T value) {
  return {reinterpret_cast<const char *>(&value), sizeof value};
}

constexpr size_t leave = ~size_t(0);

/// The worker's life: false answers and ends are the other side's to see.
void serve(int socket, const Task &task) {
  for (;;) {
    size_t i = 0;
    const ssize_t n = recv(socket, &i, sizeof i, MSG_WAITALL);
    if (n < 0 && errno == EINTR)
      continue;
    if (n != sizeof i || i == leave)
      return;
    const std::string result = task(i);
    if (!writeAll(socket, bytesOf(result.size())) || !writeAll(socket, result))
      return;
  }
}

/// False if there are no more processes or sockets to be had.
bool addWorker(const Task &task, std::vector<Worker> &workers) {
  // Else a process that another thread forks could hold the worker's side.
  static std::mutex mutex;
  std::lock_guard<std::mutex> lock(mutex);
  int ends[2];
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0)
    return false;
  const pid_t process = fork();
  if (process == 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    close(ends[0]);
    for (const Worker &other : workers)
      close(other.socket);
    serve(ends[1], task);
    _exit(0);
  }
  close(ends[1]);
  if (process < 0) {
    close(ends[0]);
    return false;
  }
  Worker worker;
  worker.process = process;
  worker.socket = ends[0];
  workers.push_back(worker);
  return true;
}

/// One that has died meanwhile is seen at its socket's end.
void tell(const Worker &worker, size_t i) {
  (void)send(worker.socket, &i, sizeof i, MSG_NOSIGNAL);
}

void give(Worker &worker, size_t i) {
  worker.current = i;
  ++worker.tasks;
  worker.start = Clock::now();
  worker.answer.clear();
  tell(worker, i);
}

/// Lets it leave, and tells the signal that it died of, or 0.
int dismiss(Worker &worker) {
  tell(worker, leave);
  close(worker.socket);
  int status = 0;
  while (waitpid(worker.process, &status, 0) < 0 && errno == EINTR)
    ;
  return WIFSIGNALED(status) ? WTERMSIG(status) : 0;
}

enum class State { Working, Answered, Dead };

/// Reads what there is.
State receive(Worker &worker) {
  char buffer[1 << 16];
  const ssize_t n = read(worker.socket, buffer, sizeof buffer);
  if (n < 0 && errno == EINTR)
    return State::Working;
  if (n <= 0)
    return State::Dead;
  worker.answer.append(buffer, n);
  size_t size = 0;
  if (worker.answer.size() < sizeof size)
    return State::Working;
  std::memcpy(&size, worker.answer.data(), sizeof size);
  return worker.answer.size() - sizeof size < size ? State::Working
                                                   : State::Answered;
}

} // namespace

void runForked(size_t count, const ForkedLimits &limits, const Task &task,
               const std::function<void(size_t, ForkedResult)> &done) {
  const size_t jobs = limits.jobs
                          ? limits.jobs
                          : std::max(1u, std::thread::hardware_concurrency());
  std::vector<Worker> workers; // each has a task
  size_t next = 0;
  while (next < count || !workers.empty()) {
    while (next < count && workers.size() < jobs) {
      const size_t i = next++;
      if (addWorker(task, workers))
        give(workers.back(), i);
      else
        done(i, {task(i)});
    }
    if (workers.empty())
      continue;
    std::vector<pollfd> waits;
    for (const Worker &worker : workers)
      waits.push_back({worker.socket, POLLIN, 0});
    if (poll(waits.data(), waits.size(), limits.seconds > 0 ? 100 : -1) < 0)
      continue;
    for (size_t w = workers.size(); w-- > 0;) {
      Worker &worker = workers[w];
      const std::chrono::duration<double> taken = Clock::now() - worker.start;
      if (limits.seconds > 0 && taken.count() > limits.seconds &&
          !worker.late) {
        worker.late = true;
        kill(worker.process, SIGKILL);
      }
      if (!waits[w].revents)
        continue;
      const State state = receive(worker);
      if (state == State::Working)
        continue;
      const bool answered = state == State::Answered;
      const size_t i = worker.current;
      ForkedResult result;
      if (answered)
        result.bytes = worker.answer.substr(sizeof(size_t));
      if (answered && !worker.late && next < count &&
          worker.tasks < limits.tasks) {
        give(worker, next++); // first: it need not wait for done()
      } else {
        const int signal = dismiss(worker);
        if (!answered) {
          result.signal = signal;
          result.late = worker.late;
        }
        workers.erase(workers.begin() + w);
      }
      done(i, std::move(result));
    }
  }
}

} // namespace fm::codegen
