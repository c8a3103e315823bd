//===- Parts.h - Tensors that lie inside of others --------------------------------===//
//
// A convolution with padding reads its input with a border around it, and three
// gradients side by side are the gradient of what was sliced. Where a kernel does
// nothing but put its inputs into a larger tensor, whoever computes them writes
// them into that tensor's memory, and the kernel has only a border left to write,
// or nothing.
//
//===----------------------------------------------------------------------===//
#ifndef FM_COMPILER_IR_PARTS_H
#define FM_COMPILER_IR_PARTS_H

#include "compiler/ir/Dialect.h"

#include "mlir/Dialect/Linalg/IR/Linalg.h"

namespace fm {

/// On a linalg op that pads: elements before, then after, along each dimension.
inline constexpr llvm::StringLiteral kPad = "fm.pad";
/// Beside it: what the border is filled with.
inline constexpr llvm::StringLiteral kPadValue = "fm.pad_value";
/// On a linalg op that puts its operands side by side: along which dimension.
inline constexpr llvm::StringLiteral kConcat = "fm.concat";
/// On a kernel: its inputs lie in its result, and it writes the border only.
inline constexpr llvm::StringLiteral kHoldsInputs = "fm.holds_inputs";

struct Padding {
  llvm::ArrayRef<int64_t> before, after; ///< per dimension
  double value = 0;
};

inline void setPadding(mlir::Operation *op, const Padding &padding) {
  llvm::SmallVector<int64_t> both(padding.before);
  both.append(padding.after.begin(), padding.after.end());
  mlir::Builder builder(op->getContext());
  op->setAttr(kPad, builder.getDenseI64ArrayAttr(both));
  op->setAttr(kPadValue, builder.getF64FloatAttr(padding.value));
}

inline void setConcat(mlir::Operation *op, int64_t axis) {
  op->setAttr(kConcat, mlir::Builder(op->getContext()).getI64IntegerAttr(axis));
}

/// The one op that computes a kernel's one result, or null.
inline mlir::linalg::GenericOp onlyOpOf(ir::KernelOp kernel) {
  mlir::linalg::GenericOp only;
  for (mlir::Operation &op : kernel.getBody().front().without_terminator())
    if (auto generic = llvm::dyn_cast<mlir::linalg::GenericOp>(op)) {
      if (only)
        return {};
      only = generic;
    }
  return kernel->getNumResults() == 1 ? only : mlir::linalg::GenericOp();
}

/// What a kernel pads its only input with, if it does nothing else.
inline std::optional<Padding> paddingOf(ir::KernelOp kernel) {
  mlir::linalg::GenericOp pad = onlyOpOf(kernel);
  if (!pad || kernel.getInputs().size() != 1)
    return std::nullopt;
  auto both = pad->getAttrOfType<mlir::DenseI64ArrayAttr>(kPad);
  auto value = pad->getAttrOfType<mlir::FloatAttr>(kPadValue);
  if (!both || !value)
    return std::nullopt;
  const llvm::ArrayRef<int64_t> list = both;
  const size_t rank = list.size() / 2;
  return Padding{list.take_front(rank), list.drop_front(rank), value.getValueAsDouble()};
}

/// If a kernel does nothing but put its inputs into its result: where each input
/// begins, per dimension. Else empty.
inline llvm::SmallVector<llvm::SmallVector<int64_t>> beginsOfInputs(ir::KernelOp kernel) {
  if (auto padding = paddingOf(kernel))
    return {llvm::SmallVector<int64_t>(padding->before)};
  mlir::linalg::GenericOp concat = onlyOpOf(kernel);
  auto axis = concat ? concat->getAttrOfType<mlir::IntegerAttr>(kConcat) : mlir::IntegerAttr();
  if (!axis)
    return {};
  auto type = llvm::cast<mlir::RankedTensorType>(kernel->getResult(0).getType());
  llvm::SmallVector<llvm::SmallVector<int64_t>> begins;
  int64_t end = 0;
  for (mlir::Value input : kernel.getInputs()) { // once each: in the order of the op's reads
    begins.emplace_back(type.getRank(), 0);
    begins.back()[axis.getInt()] = end;
    end += llvm::cast<mlir::RankedTensorType>(input.getType()).getDimSize(axis.getInt());
  }
  return end == type.getDimSize(axis.getInt()) ? begins : decltype(begins)();
}

/// The kernel in whose result a tensor lies, or null.
inline ir::KernelOp holderOf(mlir::Value value) {
  for (mlir::Operation *user : value.getUsers())
    if (auto kernel = llvm::dyn_cast<ir::KernelOp>(user); kernel && kernel->hasAttr(kHoldsInputs))
      return kernel;
  return {};
}

} // namespace fm

#endif // FM_COMPILER_IR_PARTS_H
