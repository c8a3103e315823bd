//===- BuildKernels.h - A partition becomes fm.kernel regions -------------------===//
#ifndef FM_PASSES_BUILDKERNELS_H
#define FM_PASSES_BUILDKERNELS_H

#include "passes/Partition.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"

namespace fm::passes {

/// Moves the ops of a function into kernels. `ops`: what the partition's nodes
/// stand for. Unfused, every result of a kernel is one that memory holds.
void buildKernels(mlir::func::FuncOp function, llvm::ArrayRef<mlir::linalg::GenericOp> ops,
                  const Partition &partition, bool fuse);

} // namespace fm::passes

#endif // FM_PASSES_BUILDKERNELS_H
