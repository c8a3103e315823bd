//===- ForkedTasks.h - Strings made by worker processes -------------------===//
//
// Runs tasks in forked processes, so that a crash costs one task its result.
// A process takes one task after the other: a fork, and what its child then
// touches for the first time, costs more than a small kernel. A task must not
// depend on what others have left behind, nor touch what it inherits from
// other threads of this process (locked mutexes).
//
//===----------------------------------------------------------------------===//
#ifndef FM_COMPILER_CODEGEN_FORKEDTASKS_H
#define FM_COMPILER_CODEGEN_FORKEDTASKS_H

#include <cstdint>
#include <functional>
#include <string>

namespace fm::codegen {

struct ForkedResult {
  std::string bytes; ///< what the task returned; nothing, if it died
  int signal = 0;    ///< > 0: what it died of
  bool late = false; ///< stopped, since its time was over
};

struct ForkedLimits {
  unsigned jobs = 0;   ///< processes at a time, 0: one per core
  double seconds = 0;  ///< a task that takes longer is stopped, 0: none is
  size_t tasks = 1000; ///< of one process, before a new one takes its place
};

/// Calls `task` with 0, 1, ... `count` - 1 in other processes, and `done`, in
/// this one, with what each returned. Where no process can be had, tasks run
/// in this one.
void runForked(size_t count, const ForkedLimits &limits,
               const std::function<std::string(size_t)> &task,
               const std::function<void(size_t, ForkedResult)> &done);

} // namespace fm::codegen

#endif // FM_COMPILER_CODEGEN_FORKEDTASKS_H
