//===- LowerSupport.h - Building blocks of lowering to linalg ---------------===//
#ifndef FM_COMPILER_IR_LOWERSUPPORT_H
#define FM_COMPILER_IR_LOWERSUPPORT_H

#include "compiler/ir/Support.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"

/// The body of an op's lowering.
#define FM_LOWER(OP)                                                           \
  llvm::SmallVector<mlir::Value> OP::lowerToLinalg(LoweringContext &context)

namespace fm::ir {

/// Index arithmetic inside the body of a linalg.generic. Null conditions stand
/// for "always".
struct IndexBuilder {
  mlir::OpBuilder &builder;
  mlir::Location loc;

  mlir::Value dim(int64_t i); ///< this loop's index
  mlir::Value constant(int64_t value);
  mlir::Value add(mlir::Value a, int64_t b);
  mlir::Value mul(mlir::Value a, int64_t b);
  mlir::Value div(mlir::Value a, int64_t b); ///< floor
  mlir::Value rem(mlir::Value a, int64_t b); ///< floor
  mlir::Value inRange(mlir::Value a, int64_t low, int64_t high); ///< [low, high)
  mlir::Value equals(mlir::Value a, int64_t b);
  mlir::Value both(mlir::Value a, mlir::Value b);
  mlir::Value clamp(mlir::Value a, int64_t low, int64_t high); ///< to [low, high)
  mlir::Value load(mlir::Value tensor, mlir::ValueRange indices);
  mlir::Value number(mlir::Type type, double value);
  mlir::Value select(mlir::Value condition, mlir::Value a, mlir::Value b);
};

/// A pointwise linalg.generic over `type`'s domain. `inputs` are read by maps;
/// the body may read more at computed, in-range positions.
mlir::Value buildGather(
    LoweringContext &context, mlir::Location loc, mlir::RankedTensorType type,
    mlir::ValueRange inputs, llvm::ArrayRef<mlir::AffineMap> inputMaps,
    llvm::function_ref<mlir::Value(IndexBuilder &, mlir::ValueRange)> body);

/// sum of a * b into zeros.
mlir::Value buildContraction(LoweringContext &context, mlir::Location loc,
                             mlir::RankedTensorType type, mlir::Value a,
                             mlir::Value b, llvm::ArrayRef<mlir::AffineMap> maps,
                             llvm::ArrayRef<mlir::utils::IteratorType> iterators);

/// collapse_shape and expand_shape, as needed.
mlir::Value reshapeTensor(LoweringContext &context, mlir::Location loc,
                          mlir::Value x, mlir::RankedTensorType to);

} // namespace fm::ir

#endif // FM_COMPILER_IR_LOWERSUPPORT_H
