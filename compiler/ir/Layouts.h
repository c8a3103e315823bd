//===- Layouts.h - How tensors lie in memory --------------------------------------===//
//
// A tensor is row-major; its rows may lie further apart than they are long. The
// distance is its pitch: an attribute of function arguments that persist, and of
// kernels for their results. A row is the last dimension, or several of the last
// dimensions: a view may split it. So may planes, which consist of rows, and stacks
// of planes in what kernels pass to each other. What the application looks at is dense.
//
// Tensors between kernels may have a slot in each sample's part of the arena:
// their samples lie as far apart as those parts do (PlanMemory.cpp).
//
//===----------------------------------------------------------------------===//
#ifndef FM_COMPILER_IR_LAYOUTS_H
#define FM_COMPILER_IR_LAYOUTS_H

#include "compiler/ir/Dialect.h"
#include "compiler/ir/RowPitch.h"
#include "compiler/ir/Views.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"

namespace fm {

/// On arguments: elements from the begin of a row to the next.
inline constexpr llvm::StringLiteral kPitch = "fm.pitch";
/// On kernels: the same for each result, 0 where it is dense.
inline constexpr llvm::StringLiteral kPitches = "fm.pitches";
/// Beside it: the elements of such a row.
inline constexpr llvm::StringLiteral kRowLengths = "fm.row_lengths";
/// The same two of planes; a plane's elements are counted without gaps.
inline constexpr llvm::StringLiteral kPlanePitches = "fm.plane_pitches";
inline constexpr llvm::StringLiteral kPlaneLengths = "fm.plane_lengths";
/// The same two of stacks of planes.
inline constexpr llvm::StringLiteral kStackPitches = "fm.stack_pitches";
inline constexpr llvm::StringLiteral kStackLengths = "fm.stack_lengths";

/// On arguments: a matrix lies in panels of so many columns, one behind the other;
/// negative: the transposed matrix does, in panels of so many rows.
inline constexpr llvm::StringLiteral kPanel = "fm.panel";
/// On kernels: the same for each result, 0 where it does not.
inline constexpr llvm::StringLiteral kPanels = "fm.panels";

/// On kernels: elements from one sample of a result to the next, 0 where samples
/// follow each other.
inline constexpr llvm::StringLiteral kSamplePitches = "fm.sample_pitches";

/// Rows, planes, or stacks, of `length` elements that begin every `pitch` elements.
struct Rows {
  int64_t length = 0, pitch = 0;
};

/// How many of the last dimensions make a row of `length` elements; 0 if none do.
inline size_t rowRank(llvm::ArrayRef<int64_t> shape, int64_t length) {
  int64_t product = 1;
  for (size_t rank = 1; rank <= shape.size(); ++rank) {
    const int64_t size = shape[shape.size() - rank];
    if (mlir::ShapedType::isDynamic(size))
      return 0;
    product *= size;
    if (product == length)
      return rank;
  }
  return 0;
}

/// What lies apart in a value between kernels, which may be a view: rows, then
/// planes, then stacks; nothing if it is dense.
inline llvm::SmallVector<Rows, 3> rowsOf(mlir::Value value) {
  value = viewRoot(value);
  auto type = llvm::dyn_cast<mlir::RankedTensorType>(value.getType());
  if (!type || type.getRank() == 0)
    return {}; // the number of samples, a scalar
  if (auto argument = llvm::dyn_cast<mlir::BlockArgument>(value)) {
    auto function = llvm::dyn_cast<mlir::func::FuncOp>(argument.getOwner()->getParentOp());
    auto pitch = function ? function.getArgAttrOfType<mlir::IntegerAttr>(argument.getArgNumber(), kPitch)
                          : mlir::IntegerAttr();
    if (!pitch)
      return {};
    return {{type.getShape().back(), pitch.getInt()}};
  }
  llvm::SmallVector<Rows, 3> result;
  if (auto kernel = value.getDefiningOp<ir::KernelOp>()) {
    const unsigned number = llvm::cast<mlir::OpResult>(value).getResultNumber();
    for (auto [lengths, pitches] :
         {std::pair(kRowLengths, kPitches), {kPlaneLengths, kPlanePitches}, {kStackLengths, kStackPitches}}) {
      auto length = kernel->getAttrOfType<mlir::DenseI64ArrayAttr>(lengths);
      auto pitch = kernel->getAttrOfType<mlir::DenseI64ArrayAttr>(pitches);
      if (pitch && pitch[number])
        result.push_back({length[number], pitch[number]});
    }
  }
  return result;
}

/// The columns of a panel, for a matrix that lies in panels; negative: the rows, of
/// the transposed one; else 0.
inline int64_t panelOf(mlir::Value value) {
  if (auto argument = llvm::dyn_cast<mlir::BlockArgument>(value)) {
    auto function = llvm::dyn_cast<mlir::func::FuncOp>(argument.getOwner()->getParentOp());
    auto panel = function ? function.getArgAttrOfType<mlir::IntegerAttr>(argument.getArgNumber(), kPanel)
                          : mlir::IntegerAttr();
    return panel ? panel.getInt() : 0;
  }
  auto kernel = value.getDefiningOp<ir::KernelOp>();
  auto panels = kernel ? kernel->getAttrOfType<mlir::DenseI64ArrayAttr>(kPanels) : mlir::DenseI64ArrayAttr();
  return panels ? panels[llvm::cast<mlir::OpResult>(value).getResultNumber()] : 0;
}

/// Elements from one sample to the next of a value between kernels, which may be
/// a view; 0: they follow each other.
inline int64_t samplePitchOf(mlir::Value value) {
  value = viewRoot(value);
  auto kernel = value.getDefiningOp<ir::KernelOp>();
  auto pitches = kernel ? kernel->getAttrOfType<mlir::DenseI64ArrayAttr>(kSamplePitches) : mlir::DenseI64ArrayAttr();
  return pitches ? pitches[llvm::cast<mlir::OpResult>(value).getResultNumber()] : 0;
}

} // namespace fm

#endif // FM_COMPILER_IR_LAYOUTS_H
