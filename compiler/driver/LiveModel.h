//===- LiveModel.h - A compiled model running in this process -----------------------===//
//
// For `fmc check`, `fmc bench`, `fmc train` and the tests: the very object that
// would be written to disk, loaded into the process and bound to memory.
//
//===----------------------------------------------------------------------===//
#ifndef FM_COMPILER_DRIVER_LIVEMODEL_H
#define FM_COMPILER_DRIVER_LIVEMODEL_H

#include "compiler/codegen/KernelJit.h"
#include "compiler/driver/Compiler.h"

#include <fm/runtime.h>

#include <memory>

namespace fm::driver {

/// Memory aligned as fm_bind wants it.
class AlignedBuffer {
public:
  explicit AlignedBuffer(size_t bytes = 0);
  void *data() { return pointer.get(); }
  template <typename T> T *as() { return static_cast<T *>(pointer.get()); }
  size_t size() const { return bytes; }

private:
  struct Free {
    void operator()(void *p) const { std::free(p); }
  };
  std::unique_ptr<void, Free> pointer;
  size_t bytes = 0;
};

/// What objects import: the runtime as linked into this program, and libm.
std::vector<std::pair<std::string, void *>> runtimeImports();

class LiveModel {
public:
  /// Compiles `options.input` (or the recorded model) and loads it; null if that
  /// failed, which is in the diagnostics. The weights are initialised.
  static std::unique_ptr<LiveModel> make(CompilerOptions options, Diagnostics &diagnostics,
                                         uint64_t seed = 0);
  static std::unique_ptr<LiveModel> makeFromText(const std::string &text, CompilerOptions options,
                                                 Diagnostics &diagnostics, uint64_t seed = 0);

  const codegen::Program &program() const { return compiled.program; }
  const Compiled &result() const { return compiled; }
  fm_instance *instance() { return &self; }

  /// Number of an entry, or -1.
  int entry(const std::string &name) const;
  /// Calls an entry with one pointer for each of its arguments.
  fm_status call(int entry, int64_t n, const std::vector<void *> &arguments);
  fm_status call(const std::string &entry, int64_t n, const std::vector<void *> &arguments) {
    return call(this->entry(entry), n, arguments);
  }
  /// The same for another instance of the model, which its owner has bound.
  fm_status callOn(fm_instance *other, int entry, int64_t n, const std::vector<void *> &arguments) {
    return fm_status(dispatch(other, entry, n, arguments.data()));
  }
  /// Runs one kernel of the program on these pointers.
  int callKernel(unsigned kernel, int64_t n, const std::vector<void *> &pointers);
  /// Where a call of a kernel finds its tensors, in the instance's memory and in
  /// the entry's arguments.
  std::vector<void *> addresses(const codegen::KernelCall &call, const std::vector<void *> &arguments);
  AlignedBuffer &block() { return memory; } ///< parameters, state and arena
  const char *message() const { return fm_message(&self); }

private:
  bool start(Diagnostics &diagnostics, uint64_t seed);

  Compiled compiled;
  codegen::KernelJit jit;
  AlignedBuffer memory;
  fm_instance self = {};
  int (*dispatch)(fm_instance *, int32_t, int64_t, void *const *) = nullptr;
  int (*dispatchKernel)(fm_instance *, int32_t, int64_t, void *const *) = nullptr;
};

} // namespace fm::driver

#endif // FM_COMPILER_DRIVER_LIVEMODEL_H
