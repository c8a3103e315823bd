//===- FmcOpt.cpp - Runs any pass or stage on .mlir --------------------------------===//

#include "compiler/driver/Pipeline.h"
#include "compiler/ir/Dialect.h"
#include "passes/Passes.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/Pass/PassRegistry.h"
#include "mlir/Tools/mlir-opt/MlirOptMain.h"
#include "mlir/Transforms/Passes.h"

int main(int argc, char **argv) {
  mlir::DialectRegistry registry;
  registry.insert<fm::ir::FmDialect, mlir::func::FuncDialect, mlir::arith::ArithDialect,
                  mlir::linalg::LinalgDialect, mlir::math::MathDialect, mlir::tensor::TensorDialect>();
  fm::passes::registerFmPasses();
  mlir::registerTransformsPasses();
  // Each stage of the compiler's own pipeline is a pipeline here.
  static const fm::driver::CompilerOptions options;
  for (const fm::driver::Stage &stage : fm::driver::pipeline())
    new mlir::PassPipelineRegistration<>(
        stage.argument, stage.summary,
        [&stage](mlir::OpPassManager &manager) { stage.build(manager, options); });
  return mlir::asMainReturnCode(mlir::MlirOptMain(argc, argv, "fmc pass driver\n", registry));
}
