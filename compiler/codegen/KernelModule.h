//===- KernelModule.h - A kernel's bitcode made ready to link -------------===//
//
// What has to happen to Halide's bitcode before it is LLVM 19's: a wrapper with
// the kernel ABI around the halide_buffer_t function, our names for Halide's
// runtime calls, our floating-point flags, no target attributes of LLVM 14.
//
//===----------------------------------------------------------------------===//
#ifndef FM_COMPILER_CODEGEN_KERNELMODULE_H
#define FM_COMPILER_CODEGEN_KERNELMODULE_H

#include <memory>
#include <string>

#include "compiler/codegen/HalideKernel.h"
#include "compiler/codegen/Target.h"

namespace llvm {
class LLVMContext;
class Module;
class TargetMachine;
} // namespace llvm

namespace fm::codegen {

std::unique_ptr<llvm::TargetMachine>
makeTargetMachine(const TargetSpec &target);

/// The kernel as a module with one visible function, `kernel.name`, optimised
/// by itself. Null, with `error` set, if something is wrong with it.
std::unique_ptr<llvm::Module> makeKernelModule(const CompiledKernel &kernel,
                                               const TargetSpec &target,
                                               llvm::LLVMContext &context,
                                               std::string &error);

/// What only kernels need, at level 1 and above.
struct KernelPasses {
  bool estimateReciprocals = false;
  int sumsKeptRolled = 0; ///< see KeepRolled; 0: LLVM decides
  int vectorsAtOnce = 1; ///< see InterleaveChains; 1: their order stays
};

/// Runs LLVM's default pipeline of the target's optimisation level.
/// `loopVectorize`: also vectorise loops and straight-line code (for step
/// functions; kernels come vectorised). `own`: what comes in it besides.
void optimise(llvm::Module &module, llvm::TargetMachine &machine, int level,
              bool loopVectorize, const KernelPasses &own = {});

} // namespace fm::codegen

#endif // FM_COMPILER_CODEGEN_KERNELMODULE_H
