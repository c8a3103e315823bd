//===- Borders.h - Tensors that lie inside of their padded selves -----------------===//
//
// A convolution with padding reads its input with a border around it. Where a
// kernel does nothing but put that border around a tensor x, x is written into
// the middle of the padded tensor's memory by whoever computes it, and the
// kernel has only the border left to write.
//
//===----------------------------------------------------------------------===//
#ifndef FM_COMPILER_IR_BORDERS_H
#define FM_COMPILER_IR_BORDERS_H

#include "compiler/ir/Dialect.h"

#include "mlir/Dialect/Linalg/IR/Linalg.h"

namespace fm {

/// On a linalg op that pads: elements before, then after, along each dimension.
inline constexpr llvm::StringLiteral kPad = "fm.pad";
/// Beside it: what the border is filled with.
inline constexpr llvm::StringLiteral kPadValue = "fm.pad_value";
/// On a kernel: its input lies in its result, and it writes the border only.
inline constexpr llvm::StringLiteral kBorder = "fm.border";

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

/// What a kernel pads its only input with, if it does nothing else.
inline std::optional<Padding> paddingOf(ir::KernelOp kernel) {
  auto ops = kernel.getBody().front().without_terminator();
  mlir::linalg::GenericOp pad;
  for (mlir::Operation &op : ops)
    if (auto generic = llvm::dyn_cast<mlir::linalg::GenericOp>(op)) {
      if (pad)
        return std::nullopt;
      pad = generic;
    }
  if (!pad || kernel.getInputs().size() != 1 || kernel->getNumResults() != 1)
    return std::nullopt;
  auto both = pad->getAttrOfType<mlir::DenseI64ArrayAttr>(kPad);
  auto value = pad->getAttrOfType<mlir::FloatAttr>(kPadValue);
  if (!both || !value)
    return std::nullopt;
  const llvm::ArrayRef<int64_t> list = both;
  const size_t rank = list.size() / 2;
  return Padding{list.take_front(rank), list.drop_front(rank), value.getValueAsDouble()};
}

/// The kernel that writes the border around a tensor in place, or null.
inline ir::KernelOp borderKernelOf(mlir::Value value) {
  for (mlir::Operation *user : value.getUsers())
    if (auto kernel = llvm::dyn_cast<ir::KernelOp>(user); kernel && kernel->hasAttr(kBorder))
      return kernel;
  return {};
}

} // namespace fm

#endif // FM_COMPILER_IR_BORDERS_H
