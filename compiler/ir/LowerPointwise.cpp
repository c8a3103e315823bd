//===- LowerPointwise.cpp - Pointwise primitives to linalg ------------------===//

#include "compiler/ir/Support.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/Matchers.h"

using namespace mlir;

namespace fm::ir {

Value emptyTensor(LoweringContext &context, Location loc, RankedTensorType type) {
  SmallVector<Value> dynamic(type.getNumDynamicDims(), context.samples);
  return context.builder.create<tensor::EmptyOp>(loc, type, dynamic);
}

Value filledTensor(LoweringContext &context, Location loc, RankedTensorType type,
                   TypedAttr value) {
  Value scalar = context.builder.create<arith::ConstantOp>(loc, value);
  Value empty = emptyTensor(context, loc, type);
  return context.builder.create<linalg::FillOp>(loc, scalar, empty).getResult(0);
}

/// Map from the result's domain to an operand that broadcasts into it.
static AffineMap broadcastMap(MLIRContext *context, RankedTensorType operand,
                              RankedTensorType result) {
  SmallVector<AffineExpr> exprs;
  int64_t offset = result.getRank() - operand.getRank();
  for (int64_t i = 0; i < operand.getRank(); ++i) {
    bool stretched = operand.getDimSize(i) == 1 && result.getDimSize(offset + i) != 1;
    exprs.push_back(stretched ? getAffineConstantExpr(0, context)
                              : getAffineDimExpr(offset + i, context));
  }
  return AffineMap::get(result.getRank(), 0, exprs, context);
}

Value lowerPointwise(PointwiseOpInterface op, LoweringContext &context) {
  OpBuilder &builder = context.builder;
  Location loc = op.getLoc();
  auto type = cast<RankedTensorType>(op->getResult(0).getType());
  SmallVector<AffineMap> maps;
  SmallVector<Value> inputs;
  SmallVector<TypedAttr> constants; // null where the operand is read
  for (Value operand : context.operands) {
    // A splat constant is a number in the body, not a tensor that is read.
    DenseElementsAttr dense;
    if (matchPattern(operand, m_Constant(&dense)) && dense.isSplat()) {
      constants.push_back(dense.getSplatValue<TypedAttr>());
      continue;
    }
    constants.push_back({});
    inputs.push_back(operand);
    maps.push_back(broadcastMap(builder.getContext(),
                                cast<RankedTensorType>(operand.getType()), type));
  }
  maps.push_back(builder.getMultiDimIdentityMap(type.getRank()));
  SmallVector<utils::IteratorType> iterators(type.getRank(), utils::IteratorType::parallel);
  auto generic = builder.create<linalg::GenericOp>(
      loc, type, inputs, emptyTensor(context, loc, type), maps, iterators,
      [&](OpBuilder &body, Location bodyLoc, ValueRange elements) {
        SmallVector<Value> arguments;
        unsigned next = 0;
        for (TypedAttr constant : constants)
          arguments.push_back(constant
                                  ? body.create<arith::ConstantOp>(bodyLoc, constant).getResult()
                                  : elements[next++]);
        Value result = op.buildScalar(body, bodyLoc, arguments);
        body.create<linalg::YieldOp>(bodyLoc, result);
      });
  return generic.getResult(0);
}

} // namespace fm::ir
