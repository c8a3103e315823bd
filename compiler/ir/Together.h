//===- Together.h - Results that are computed in whole tiles ----------------===//
//
// Some formulas give a whole tile of a result at little more than the cost of
// one element (a Winograd transform). The linalg op that holds one element's
// formula carries, per dimension of its result, how many neighbours from a
// multiple of that number on belong together. Fusion keeps such an op out of
// loops that run otherwise; schedules write the tile out.
//
//===----------------------------------------------------------------------===//
#ifndef FM_COMPILER_IR_TOGETHER_H
#define FM_COMPILER_IR_TOGETHER_H

#include "mlir/IR/BuiltinAttributes.h"
#include "mlir/IR/Operation.h"

#include <optional>

namespace fm {

inline constexpr llvm::StringLiteral kTogether = "fm.together";

inline void setTogether(mlir::Operation *op, llvm::ArrayRef<int64_t> periods) {
  op->setAttr(kTogether, mlir::DenseI64ArrayAttr::get(op->getContext(), periods));
}
/// Empty for an ordinary op.
inline llvm::ArrayRef<int64_t> togetherOf(mlir::Operation *op) {
  auto periods = op->getAttrOfType<mlir::DenseI64ArrayAttr>(kTogether);
  return periods ? periods.asArrayRef() : llvm::ArrayRef<int64_t>();
}

/// On the op that computes a tensor: the dimension whose places are written or
/// read all at once. They are not to lie in a few sets of a cache.
inline constexpr llvm::StringLiteral kAtOnce = "fm.at_once";

/// Marks the op that computes `value`, if it can be told.
inline void setAtOnce(mlir::Value value, int64_t dimension) {
  if (mlir::Operation *op = value.getDefiningOp())
    op->setAttr(kAtOnce, mlir::IntegerAttr::get(mlir::IntegerType::get(op->getContext(), 64), dimension));
}
inline std::optional<int64_t> atOnceOf(mlir::Operation *op) {
  auto dimension = op->getAttrOfType<mlir::IntegerAttr>(kAtOnce);
  return dimension ? std::optional(dimension.getInt()) : std::nullopt;
}

} // namespace fm

#endif // FM_COMPILER_IR_TOGETHER_H
