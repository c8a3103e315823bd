//===- Contractions.h - Sums of products among linalg ops ---------------------===//
#ifndef FM_PASSES_CONTRACTIONS_H
#define FM_PASSES_CONTRACTIONS_H

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"

#include <optional>

namespace fm::passes {

/// acc + a * b.
inline bool isContraction(mlir::linalg::GenericOp op) {
  if (op.getNumReductionLoops() == 0 || op->getNumResults() != 1 || op.getNumDpsInputs() != 2)
    return false;
  auto add = op.getBody()->getTerminator()->getOperand(0).getDefiningOp<mlir::arith::AddFOp>();
  return add && (add.getLhs().getDefiningOp<mlir::arith::MulFOp>() ||
                 add.getRhs().getDefiningOp<mlir::arith::MulFOp>());
}

/// Whether a contraction sums over the rows of both operands, a sample's outermost
/// dimension, which is not the innermost one.
inline bool sumsOverRows(mlir::linalg::GenericOp op) {
  std::optional<unsigned> rows;
  for (mlir::OpOperand *operand : op.getDpsInputOperands()) {
    auto type = llvm::cast<mlir::RankedTensorType>(operand->get().getType());
    if (type.getRank() < 3 || !type.isDynamicDim(0) || type.isDynamicDim(1))
      return false;
    auto dim = llvm::dyn_cast<mlir::AffineDimExpr>(op.getMatchingIndexingMap(operand).getResult(1));
    if (!dim || (rows && *rows != dim.getPosition()))
      return false;
    rows = dim.getPosition();
  }
  return rows && isContraction(op) && op.getIteratorTypesArray()[*rows] == mlir::utils::IteratorType::reduction;
}

} // namespace fm::passes

#endif // FM_PASSES_CONTRACTIONS_H
