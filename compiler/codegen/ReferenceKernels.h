//===- ReferenceKernels.h - Kernels by upstream lowering -------------------------===//
//
// The reference backend: the body of each fm.kernel goes through upstream
// bufferization, linalg to loops and LLVM, without a schedule. It is the oracle
// of differential tests and the naive side of the benchmarks.
//
//===----------------------------------------------------------------------===//
#ifndef FM_COMPILER_CODEGEN_REFERENCEKERNELS_H
#define FM_COMPILER_CODEGEN_REFERENCEKERNELS_H

#include "compiler/codegen/HalideKernel.h"
#include "compiler/codegen/Program.h"

#include "compiler/ir/Dialect.h"
#include "mlir/IR/BuiltinOps.h"

#include <memory>

namespace llvm {
class LLVMContext;
class Module;
} // namespace llvm

namespace fm::codegen {

/// A module that defines each of the program's kernels with the kernel ABI.
/// `kernelOps`: for each kernel, an op that it stands for. Null on failure,
/// which has been reported.
std::unique_ptr<llvm::Module> makeReferenceKernels(const Program &program,
                                                   llvm::ArrayRef<ir::KernelOp> kernelOps,
                                                   llvm::LLVMContext &context);

} // namespace fm::codegen

#endif // FM_COMPILER_CODEGEN_REFERENCEKERNELS_H
