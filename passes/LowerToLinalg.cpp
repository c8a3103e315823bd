//===- LowerToLinalg.cpp - Primitives to linalg on tensors ---------------------===//

#include "passes/Passes.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"

using namespace mlir;

namespace fm::passes {
#define GEN_PASS_DEF_FMLOWERTOLINALG
#include "passes/Passes.h.inc"

namespace {
struct LowerToLinalg : impl::FmLowerToLinalgBase<LowerToLinalg> {
  void runOnOperation() override {
    func::FuncOp function = getOperation();
    Value samples = function.getArgument(0);
    SmallVector<ir::LoweringOpInterface> work;
    function.walk([&](ir::LoweringOpInterface op) { work.push_back(op); });
    // In order, so that every operand is lowered already.
    for (ir::LoweringOpInterface op : work) {
      OpBuilder builder(op);
      ir::LoweringContext context{builder, op->getOperands(), samples};
      auto values = op.lowerToLinalg(context);
      for (auto [result, value] : llvm::zip(op->getResults(), values))
        if (value)
          result.replaceAllUsesWith(value);
      op->erase();
    }
    function.walk([&](Operation *op) {
      if (isa<ir::FmDialect>(op->getDialect())) {
        op->emitError() << op->getName() << " has no lowering";
        signalPassFailure();
      }
    });
  }
};
} // namespace
} // namespace fm::passes
