//===- EmitTables.h - The description of a model that its object carries --------===//
#ifndef FM_COMPILER_CODEGEN_EMITTABLES_H
#define FM_COMPILER_CODEGEN_EMITTABLES_H

#include "compiler/codegen/Program.h"

namespace llvm {
class GlobalVariable;
class Module;
} // namespace llvm

namespace fm::codegen {

/// Adds the program's fm_model to a module, with all that it points to.
llvm::GlobalVariable *emitModelTable(const Program &program, llvm::Module &module);

} // namespace fm::codegen

#endif // FM_COMPILER_CODEGEN_EMITTABLES_H
