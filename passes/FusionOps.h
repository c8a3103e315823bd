//===- FusionOps.h - What fusion wants to know of an op -------------------------===//
#ifndef FM_PASSES_FUSIONOPS_H
#define FM_PASSES_FUSIONOPS_H

#include "passes/Partition.h"

#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"

namespace fm::passes {

/// Loops over a window: some map adds two loop indices.
bool isWindow(mlir::linalg::GenericOp op);

/// Sums along loops between the first and the last one.
bool sumsRows(mlir::linalg::GenericOp op);

/// Whether an op reduces the innermost loop, to one element a row that vectors
/// are short beside and scratch has room for.
bool reducesRow(mlir::linalg::GenericOp op);

/// Whether a read is of the loops' own element, or of the first one along some.
bool readsRow(mlir::AffineMap map);
bool readsRow(mlir::tensor::ExtractOp extract);

/// Whether a read is of what the row of the loops' element was reduced to: the
/// innermost loops are missing.
bool readsReduced(mlir::AffineMap map);

/// Whether an op is one half of a transform (compiler/ir/Together.h).
bool isTogether(mlir::Operation *op);

/// Whether the user of a tensor is a read of such an op.
bool readsTogether(mlir::Operation *user);

/// Whether it moves another dimension to the innermost place.
bool transposesRows(mlir::linalg::GenericOp op);

/// Whether the code of an op uses the number of samples.
bool usesNumberOfSamples(mlir::linalg::GenericOp op);

/// Whether each reader may compute the op's result again.
FusionNode::Copy copyOf(mlir::linalg::GenericOp op);

/// Scalar operations in the code of an op; a function is a polynomial and more.
int weightOf(mlir::linalg::GenericOp op);

} // namespace fm::passes

#endif // FM_PASSES_FUSIONOPS_H
