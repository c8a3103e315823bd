//===- Views.h - Reshapes between kernels are views of one buffer ---------------===//
#ifndef FM_COMPILER_IR_VIEWS_H
#define FM_COMPILER_IR_VIEWS_H

#include "mlir/Dialect/Tensor/IR/Tensor.h"

namespace fm {

inline bool isView(mlir::Operation *op) {
  return op && llvm::isa<mlir::tensor::ExpandShapeOp, mlir::tensor::CollapseShapeOp>(op);
}

/// The value whose memory `value` is.
inline mlir::Value viewRoot(mlir::Value value) {
  while (isView(value.getDefiningOp()))
    value = value.getDefiningOp()->getOperand(0);
  return value;
}

} // namespace fm

#endif // FM_COMPILER_IR_VIEWS_H
