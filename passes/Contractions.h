//===- Contractions.h - Sums of products among linalg ops ---------------------===//
#ifndef FM_PASSES_CONTRACTIONS_H
#define FM_PASSES_CONTRACTIONS_H

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"

namespace fm::passes {

/// acc + a * b.
inline bool isContraction(mlir::linalg::GenericOp op) {
  if (op.getNumReductionLoops() == 0 || op->getNumResults() != 1 || op.getNumDpsInputs() != 2)
    return false;
  auto add = op.getBody()->getTerminator()->getOperand(0).getDefiningOp<mlir::arith::AddFOp>();
  return add && (add.getLhs().getDefiningOp<mlir::arith::MulFOp>() ||
                 add.getRhs().getDefiningOp<mlir::arith::MulFOp>());
}

} // namespace fm::passes

#endif // FM_PASSES_CONTRACTIONS_H
