//===- ObjectEmitter.h - One optimised object from kernels and steps ------===//
//
// Optimises the kernels' bitcode and a module of step functions for the target
// CPU, links them, hides everything but the listed symbols and writes machine
// code to memory. Each emitter has its own LLVMContext: several may run at
// once.
//
//===----------------------------------------------------------------------===//
#ifndef FM_COMPILER_CODEGEN_OBJECTEMITTER_H
#define FM_COMPILER_CODEGEN_OBJECTEMITTER_H

#include <memory>
#include <string>
#include <vector>

#include "compiler/codegen/HalideKernel.h"
#include "compiler/codegen/Target.h"

namespace llvm {
class LLVMContext;
class Module;
} // namespace llvm

namespace fm::codegen {

enum class EmitKind : uint8_t { Object, Assembly, LlvmIr };

class ObjectEmitter {
public:
  explicit ObjectEmitter(const TargetSpec &target);
  ~ObjectEmitter();

  /// The context in which a module for setModule must be made.
  llvm::LLVMContext &context();

  /// The step functions. They call kernels as
  /// `i32 @name(ptr context, i64 n, ptr input0, ..., ptr output0, ...)`.
  void setModule(std::unique_ptr<llvm::Module> module);
  /// The same from bitcode or textual IR; an error message, or "".
  std::string setModule(const std::string &bitcodeOrText);

  /// Adds kernels that are LLVM 19's already, made in `context()`. The whole
  /// module is then optimised as a compiler does with C.
  std::string addModule(std::unique_ptr<llvm::Module> kernels);

  /// Optimises the steps and every kernel by itself (on `jobs` threads, 0: one
  /// per core) and checks that undefined symbols are functions of libc and libm
  /// or `fm_*`. `publicSymbols` stay visible. An error message, or "".
  std::string link(const std::vector<CompiledKernel> &kernels,
                   const std::vector<std::string> &publicSymbols,
                   unsigned jobs = 0);

  /// After link(), with as many threads. Text comes first, if more than one
  /// kind is wanted. Appends to `out`; an error message, or "".
  std::string emit(EmitKind kind, std::string &out);

private:
  struct Impl;
  std::unique_ptr<Impl> impl;
};

} // namespace fm::codegen

#endif // FM_COMPILER_CODEGEN_OBJECTEMITTER_H
