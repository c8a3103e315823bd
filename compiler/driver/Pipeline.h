//===- Pipeline.h - The stages from a recorded model to planned kernels -----------===//
#ifndef FM_COMPILER_DRIVER_PIPELINE_H
#define FM_COMPILER_DRIVER_PIPELINE_H

#include "compiler/driver/Options.h"

#include "mlir/IR/BuiltinOps.h"
#include "mlir/Pass/PassManager.h"

namespace fm::driver {

/// One stage: passes that run together and what must hold after them.
struct Stage {
  const char *name;
  const char *argument; ///< of fmc-opt: "fm-stage-grad"
  const char *summary;
  void (*build)(mlir::OpPassManager &manager, const CompilerOptions &options);
  mlir::LogicalResult (*verify)(mlir::ModuleOp module);
};

/// All stages in order.
llvm::ArrayRef<Stage> pipeline();

/// Runs the stages up to and including `last` ("": all). `seconds`, if given,
/// receives (stage, time) pairs. Failures have been reported as diagnostics.
mlir::LogicalResult runPipeline(mlir::ModuleOp module, const CompilerOptions &options,
                                llvm::StringRef last = "",
                                std::vector<std::pair<std::string, double>> *seconds = nullptr);

} // namespace fm::driver

#endif // FM_COMPILER_DRIVER_PIPELINE_H
