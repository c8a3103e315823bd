//===- CopyKernel.h - Copies into another order, without Halide -----------===//
#ifndef FM_COMPILER_CODEGEN_COPYKERNEL_H
#define FM_COMPILER_CODEGEN_COPYKERNEL_H

#include <string>

#include "compiler/codegen/Layouts.h"

namespace llvm {
class Module;
} // namespace llvm

namespace fm::codegen {

/// Adds `i32 name(ptr context, i64 n, ptr from, ptr to)`.
void emitCopy(const CopyLoops &copy, const std::string &name,
              const MachineModel &machine, llvm::Module &module);

} // namespace fm::codegen

#endif // FM_COMPILER_CODEGEN_COPYKERNEL_H
