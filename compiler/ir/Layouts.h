//===- Layouts.h - How tensors lie in memory --------------------------------------===//
//
// A tensor is row-major; its rows may lie further apart than they are long. The
// distance is its pitch: an attribute of function arguments that persist, and of
// kernels for their results. Whatever a view looks at is dense.
//
//===----------------------------------------------------------------------===//
#ifndef FM_COMPILER_IR_LAYOUTS_H
#define FM_COMPILER_IR_LAYOUTS_H

#include "compiler/ir/Dialect.h"
#include "compiler/ir/RowPitch.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"

namespace fm {

/// On arguments: elements from the begin of a row to the next.
inline constexpr llvm::StringLiteral kPitch = "fm.pitch";
/// On kernels: the same for each result, 0 where it is dense.
inline constexpr llvm::StringLiteral kPitches = "fm.pitches";

/// Pitch of a value between kernels, or 0 if it is dense.
inline int64_t pitchOf(mlir::Value value) {
  if (auto argument = llvm::dyn_cast<mlir::BlockArgument>(value)) {
    auto function = llvm::dyn_cast<mlir::func::FuncOp>(argument.getOwner()->getParentOp());
    auto pitch = function ? function.getArgAttrOfType<mlir::IntegerAttr>(argument.getArgNumber(), kPitch)
                          : mlir::IntegerAttr();
    return pitch ? pitch.getInt() : 0;
  }
  auto kernel = value.getDefiningOp<ir::KernelOp>();
  auto pitches = kernel ? kernel->getAttrOfType<mlir::DenseI64ArrayAttr>(kPitches) : mlir::DenseI64ArrayAttr();
  return pitches ? pitches[llvm::cast<mlir::OpResult>(value).getResultNumber()] : 0;
}

} // namespace fm

#endif // FM_COMPILER_IR_LAYOUTS_H
