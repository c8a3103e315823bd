//===- ForkedTasks.h - Strings made by short-lived processes --------------===//
//
// Runs tasks in forked processes, a few at a time. Each starts from the state
// of this process, whatever other tasks do, and a crash costs one task its
// result. What a task inherits from other threads of this process (locked
// mutexes) it must not touch.
//
//===----------------------------------------------------------------------===//
#ifndef FM_COMPILER_CODEGEN_FORKEDTASKS_H
#define FM_COMPILER_CODEGEN_FORKEDTASKS_H

#include <functional>
#include <string>

namespace fm::codegen {

struct ForkedResult {
  std::string bytes; ///< what the task returned; a part, if it died
  int signal = 0;    ///< > 0: what it died of
  bool late = false; ///< stopped, since its time was over
};

/// Calls `task` with 0, 1, ... `count` - 1 in processes of their own, up to
/// `jobs` at a time (0: one per core), and `done`, in this one, with what each
/// returned. A task that takes longer than `seconds` (0: as long as it wants)
/// is stopped.
void runForked(size_t count, unsigned jobs,
               const std::function<std::string(size_t)> &task,
               const std::function<void(size_t, ForkedResult)> &done,
               double seconds = 0);

} // namespace fm::codegen

#endif // FM_COMPILER_CODEGEN_FORKEDTASKS_H
