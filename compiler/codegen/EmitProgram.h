//===- EmitProgram.h - A Program as an LLVM module ------------------------------===//
#ifndef FM_COMPILER_CODEGEN_EMITPROGRAM_H
#define FM_COMPILER_CODEGEN_EMITPROGRAM_H

#include "compiler/codegen/Program.h"

#include <memory>
#include <string>
#include <vector>

namespace llvm {
class LLVMContext;
class Module;
} // namespace llvm

namespace fm::codegen {

/// The public functions of the model's API, by name: "mnist_cnn_train_step".
std::vector<std::string> publicSymbols(const Program &program);

/// Name of the function by which tools inside fmc call any entry:
/// `i32 (ptr instance, i32 entry, i64 n, ptr arguments)`.
std::string dispatchSymbol(const Program &program);
/// The same for single kernels: `i32 (ptr context, i32 kernel, i64 n, ptr pointers)`.
std::string dispatchKernelSymbol(const Program &program);

/// The module with the model's constant tables (fm/runtime.h), its constants,
/// and its public functions: entries check their arguments through the runtime,
/// call the kernels one after the other, and report. Kernels are declared only.
/// `dispatch`: also the two functions named above.
std::unique_ptr<llvm::Module> emitProgram(const Program &program, llvm::LLVMContext &context,
                                          const std::string &triple, bool dispatch = false);

} // namespace fm::codegen

#endif // FM_COMPILER_CODEGEN_EMITPROGRAM_H
