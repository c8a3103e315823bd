//===- Support.h - Shared by the ops of the fm dialect ---------------------===//
#ifndef FM_COMPILER_IR_SUPPORT_H
#define FM_COMPILER_IR_SUPPORT_H

#include "compiler/ir/Dialect.h"
#include "compiler/ir/Expressions.h"

/// The body of an op's type inference, and its operands and attributes by name.
#define FM_INFER(OP)                                                                     \
  llvm::LogicalResult OP::inferReturnTypes(                                              \
      mlir::MLIRContext *context, std::optional<mlir::Location> loc,                     \
      mlir::ValueRange operands, mlir::DictionaryAttr attributes,                        \
      mlir::OpaqueProperties properties, mlir::RegionRange regions,                      \
      llvm::SmallVectorImpl<mlir::Type> &types)
#define FM_ADAPTOR(OP)                                                                   \
  OP::Adaptor op(operands, attributes, properties, regions);                             \
  (void)op

namespace fm::ir {

using Types = llvm::SmallVectorImpl<mlir::Type>;
using OptionalLocation = std::optional<mlir::Location>;

//===-- Types ---------------------------------------------------------------===//

/// "f32[batch, 28, 28, 1]", as the language writes it.
std::string toString(mlir::Type type);
/// "batch" or a number.
std::string dimToString(int64_t size);

inline mlir::RankedTensorType tensorType(mlir::Value value) {
  return llvm::cast<mlir::RankedTensorType>(value.getType());
}

/// A number as a person would write it, for messages.
std::string shortNumber(double value);

/// The shape that both broadcast to, or nothing.
std::optional<llvm::SmallVector<int64_t>>
broadcastShapes(llvm::ArrayRef<int64_t> a, llvm::ArrayRef<int64_t> b);

/// Axes from 0, sorted, each once; empty means all. Reports at `loc`.
llvm::FailureOr<llvm::SmallVector<int64_t>>
normalizeAxes(OptionalLocation loc, llvm::StringRef op,
              llvm::ArrayRef<int64_t> axes, int64_t rank);
/// One axis, from 0.
llvm::FailureOr<int64_t> normalizeAxis(OptionalLocation loc, llvm::StringRef op, int64_t axis,
                                       int64_t rank);

/// Static product of the dimensions; the samples dimension counts as 1.
int64_t elementsPerSample(llvm::ArrayRef<int64_t> shape);

/// What every tensor of a model keeps to: 16 dimensions at most, the first one of
/// them the samples, and at most 2 * 10^9 elements with `batch` samples. An error
/// message that continues the name of the tensor, or "".
std::string checkTensor(mlir::RankedTensorType type, int64_t batch);

/// Scalar type of this tensor's element type.
mlir::RankedTensorType scalarOf(mlir::Type tensor);

/// The result type of pointwise op `name`.
llvm::LogicalResult inferPointwise(llvm::StringRef name, OptionalLocation loc,
                                   mlir::ValueRange operands,
                                   mlir::DictionaryAttr attributes,
                                   Types &types);

//===-- Windows --------------------------------------------------------------===//

/// Border before and after one dimension.
struct Padding {
  int64_t before = 0, after = 0;
  bool any() const { return before || after; }
};

/// Padding of height and width from a `padding` attribute: "valid", "same"
/// (TensorFlow's: the odd one after), or [h, w] on both sides.
std::array<Padding, 2> resolvePadding(mlir::Attribute padding,
                                      llvm::ArrayRef<int64_t> size,
                                      llvm::ArrayRef<int64_t> window,
                                      llvm::ArrayRef<int64_t> stride,
                                      llvm::ArrayRef<int64_t> dilation);

/// Number of window positions over `size` elements, < 1 if none fits.
int64_t windowCount(int64_t size, int64_t window, int64_t stride,
                    int64_t dilation);

/// Pads height and width of NHWC images with a value.
mlir::Value padImages(mlir::OpBuilder &builder, mlir::Location loc,
                      mlir::Value x, std::array<Padding, 2> padding,
                      double value);

//===-- Adjoints --------------------------------------------------------------===//

/// Sums each wanted gradient down to the type of its operand, undoing
/// broadcasting; null where not wanted.
llvm::SmallVector<mlir::Value>
sumToOperands(mlir::Operation *op, llvm::ArrayRef<bool> wanted,
              llvm::ArrayRef<TensorExpr> gradients);

//===-- Lowering ---------------------------------------------------------------===//

/// linalg.generic of a pointwise op over its broadcast domain.
mlir::Value lowerPointwise(PointwiseOpInterface op, LoweringContext &context);

/// tensor.empty of a type whose dynamic dimensions are n.
mlir::Value emptyTensor(LoweringContext &context, mlir::Location loc,
                        mlir::RankedTensorType type);
/// The same, filled with a number.
mlir::Value filledTensor(LoweringContext &context, mlir::Location loc,
                         mlir::RankedTensorType type, mlir::TypedAttr value);

} // namespace fm::ir

#endif // FM_COMPILER_IR_SUPPORT_H
