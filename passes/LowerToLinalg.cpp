//===- LowerToLinalg.cpp - Primitives to linalg on tensors ---------------------===//

#include "compiler/ir/Bindings.h"
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
/// Marks the arguments that an op uses as indices with the op's bound: the
/// entry's checks need it, and linalg no longer knows.
void recordIndexBounds(func::FuncOp function) {
  Builder builder(function.getContext());
  function.walk([&](ir::IndexOpInterface op) {
    for (auto [operand, bound] : op.getIndexBounds()) {
      auto argument = dyn_cast<BlockArgument>(op->getOperand(operand));
      if (!argument || argument.getOwner() != &function.getBody().front())
        continue;
      auto known = function.getArgAttrOfType<IntegerAttr>(argument.getArgNumber(), kIndexBound);
      if (!known || bound < known.getInt())
        function.setArgAttr(argument.getArgNumber(), kIndexBound, builder.getI64IntegerAttr(bound));
    }
  });
}

struct LowerToLinalg : impl::FmLowerToLinalgBase<LowerToLinalg> {
  void runOnOperation() override {
    func::FuncOp function = getOperation();
    recordIndexBounds(function);
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
