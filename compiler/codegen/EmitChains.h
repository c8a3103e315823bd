//===- EmitChains.h - Calls of kernels, alone and in chains --------------------===//
#ifndef FM_COMPILER_CODEGEN_EMITCHAINS_H
#define FM_COMPILER_CODEGEN_EMITCHAINS_H

#include "compiler/codegen/Program.h"

#include "llvm/ADT/ArrayRef.h"
#include "llvm/IR/IRBuilder.h"
#include "llvm/IR/Module.h"

namespace fm::codegen {

/// Calls a kernel for `n` samples, or for strip `n` of one: 0, or an error.
llvm::Value *emitKernelCall(llvm::IRBuilder<> &builder, const Program &program, const KernelCall &call,
                            llvm::Value *instance, llvm::Value *n, llvm::ArrayRef<llvm::Value *> pointers);

/// Kernels that take turns: one parallel loop, whose tasks run all of them for a few
/// samples, then for the next ones. Inside of it they run their own loops in order.
///
/// A task begins with a share of the samples that is its own, so that a thread has
/// those which it has in other loops, and goes on with what is left of the others':
/// it may end up with all samples, in the memory in which it began (what passes along
/// a chain is in caches then), and a core that is late leaves its samples to the
/// others. Which task computes a sample is no part of the result.
///
/// Of a large sample, kernels of a run of strips take turns for each strip.
class ChainEmitter {
public:
  ChainEmitter(const Program &program, llvm::Module &module) : program(program), module(module) {}

  /// `pointers`: all calls' one after the other. Returns 0, or an error.
  llvm::Value *emit(llvm::IRBuilder<> &builder, llvm::ArrayRef<KernelCall> calls, llvm::Value *instance, llvm::Value *n,
                    llvm::ArrayRef<llvm::Value *> pointers);

private:
  llvm::Function *emitTask(llvm::StructType *closure, llvm::ArrayRef<KernelCall> calls);

  /// An instance that runs parallel loops in order.
  llvm::Constant *withoutThreads();

  const Program &program;
  llvm::Module &module;
  llvm::GlobalVariable *serial = nullptr;
};

} // namespace fm::codegen

#endif // FM_COMPILER_CODEGEN_EMITCHAINS_H
