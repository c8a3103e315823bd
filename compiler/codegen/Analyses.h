//===- Analyses.h - LLVM's analysis managers, which know of each other ----===//
#ifndef FM_COMPILER_CODEGEN_ANALYSES_H
#define FM_COMPILER_CODEGEN_ANALYSES_H

#include "llvm/Passes/PassBuilder.h"

namespace fm::codegen {

struct Analyses {
  explicit Analyses(llvm::PassBuilder &builder) {
    builder.registerModuleAnalyses(modules);
    builder.registerCGSCCAnalyses(cgscc);
    builder.registerFunctionAnalyses(functions);
    builder.registerLoopAnalyses(loops);
    builder.crossRegisterProxies(loops, functions, cgscc, modules);
  }

  llvm::LoopAnalysisManager loops;
  llvm::FunctionAnalysisManager functions;
  llvm::CGSCCAnalysisManager cgscc;
  llvm::ModuleAnalysisManager modules;
};

} // namespace fm::codegen

#endif // FM_COMPILER_CODEGEN_ANALYSES_H
