//===- Bindings.h - What arguments and results of an entry are ---------------===//
//
// Entry functions name what each argument and result is by an `fm.binding`
// attribute. Persistent scalars have fixed names.
//
//===----------------------------------------------------------------------===//
#ifndef FM_COMPILER_IR_BINDINGS_H
#define FM_COMPILER_IR_BINDINGS_H

#include "compiler/ir/Dialect.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"

#include "llvm/ADT/StringMap.h"

namespace fm {

inline constexpr llvm::StringLiteral kBinding = "fm.binding";
/// On integer arguments: their elements lie in [0, bound).
inline constexpr llvm::StringLiteral kIndexBound = "fm.index_bound";

/// On entry functions: FLOPs of their contractions for a full batch, before any
/// optimisation, as f64.
inline constexpr llvm::StringLiteral kFlops = "fm.flops";

// Persistent scalars of a model that trains.
inline constexpr llvm::StringLiteral kLearningRate = "train.learning_rate";
inline constexpr llvm::StringLiteral kStep = "train.step";   ///< updates so far
inline constexpr llvm::StringLiteral kSeed = "train.seed";   ///< of dropout
inline constexpr llvm::StringLiteral kDraws = "train.draws"; ///< training passes so far

inline ir::BindingAttr argumentBinding(mlir::func::FuncOp function, unsigned i) {
  return function.getArgAttrOfType<ir::BindingAttr>(i, kBinding);
}
inline ir::BindingAttr resultBinding(mlir::func::FuncOp function, unsigned i) {
  return function.getResultAttrOfType<ir::BindingAttr>(i, kBinding);
}
/// Whether the instance's memory holds it between calls.
inline bool isPersistent(ir::BindingKind kind) {
  return kind == ir::BindingKind::Parameter ||
         kind == ir::BindingKind::Optimizer || kind == ir::BindingKind::State;
}

/// Calls `visit` with each persistent tensor that an entry overwrites, and the value
/// that replaces it.
inline void forEachOverwritten(mlir::func::FuncOp function,
                               llvm::function_ref<void(mlir::BlockArgument, mlir::Value)> visit) {
  llvm::StringMap<mlir::BlockArgument> arguments;
  for (mlir::BlockArgument argument : function.getArguments()) {
    auto binding = argumentBinding(function, argument.getArgNumber());
    if (binding && isPersistent(binding.getKind()))
      arguments[binding.getName()] = argument;
  }
  for (auto [i, value] : llvm::enumerate(function.getBody().front().getTerminator()->getOperands())) {
    auto binding = resultBinding(function, i);
    if (isPersistent(binding.getKind()) && arguments.count(binding.getName()))
      visit(arguments[binding.getName()], value);
  }
}

} // namespace fm

#endif // FM_COMPILER_IR_BINDINGS_H
