//===- Derived.h - What is made from parameters once ------------------------------===//
#ifndef FM_COMPILER_IR_DERIVED_H
#define FM_COMPILER_IR_DERIVED_H

#include "compiler/ir/Dialect.h"
#include "compiler/ir/Views.h"

namespace fm {

/// On an entry's arguments: persistent tensors that stay as they are from one of its
/// calls to the next, unless another entry or the application changes them.
inline constexpr llvm::StringLiteral kSteady = "fm.steady";
/// On kernels that read nothing but steady and derived tensors: what they write is
/// kept, and written again when one of its sources has changed.
inline constexpr llvm::StringLiteral kDerived = "fm.derived";

/// Whether a value, or what it is a view of, has `kSteady` or comes from a derived kernel.
inline bool isSteady(mlir::Value value) {
  value = viewRoot(value);
  if (auto argument = llvm::dyn_cast<mlir::BlockArgument>(value)) {
    auto function = llvm::dyn_cast<mlir::FunctionOpInterface>(argument.getOwner()->getParentOp());
    return function && function.getArgAttr(argument.getArgNumber(), kSteady);
  }
  auto kernel = value.getDefiningOp<ir::KernelOp>();
  return kernel && kernel->hasAttr(kDerived);
}

} // namespace fm

#endif // FM_COMPILER_IR_DERIVED_H
