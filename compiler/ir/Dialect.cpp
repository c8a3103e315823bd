//===- Dialect.cpp - Registration, generated definitions, verifiers --------===//

#include "compiler/ir/Dialect.h"
#include "compiler/ir/Support.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/Builders.h"
#include "mlir/IR/DialectImplementation.h"
#include "llvm/ADT/TypeSwitch.h"

#include "compiler/ir/FmDialect.cpp.inc"
#include "compiler/ir/FmEnums.cpp.inc"
#define GET_ATTRDEF_CLASSES
#include "compiler/ir/FmAttributes.cpp.inc"
#include "compiler/ir/FmInterfaces.cpp.inc"
#define GET_OP_CLASSES
#include "compiler/ir/FmOps.cpp.inc"

using namespace mlir;

namespace fm::ir {

void FmDialect::initialize() {
  registerOps();
  registerAttributes();
}

void FmDialect::registerOps() {
  addOperations<
#define GET_OP_LIST
#include "compiler/ir/FmOps.cpp.inc"
      >();
}

void FmDialect::registerAttributes() {
  addAttributes<
#define GET_ATTRDEF_LIST
#include "compiler/ir/FmAttributes.cpp.inc"
      >();
}

/// The border of a gradient that padding cuts off is not computed.
LogicalResult SliceOp::canonicalize(SliceOp op, PatternRewriter &rewriter) {
  auto gradient = op.getX().getDefiningOp<ConvInputGradOp>();
  const int dim = int(op.getAxis()) - 1;
  if (!gradient || !gradient->hasOneUse() || op.getStep() != 1 || dim < 0 || dim > 1)
    return failure();
  SmallVector<int64_t> origin = {gradient.originAlong(0), gradient.originAlong(1)}, size(gradient.getSize());
  origin[dim] += op.getBegin();
  size[dim] = op.getEnd() - op.getBegin();
  rewriter.replaceOpWithNewOp<ConvInputGradOp>(op, gradient.getDy(), gradient.getW(), gradient.getStride(),
                                               gradient.getDilation(), gradient.getGroups(), size, origin);
  return success();
}

/// A few zeros behind a gradient are computed as the rest: no dy reaches them.
LogicalResult EmbedOp::canonicalize(EmbedOp op, PatternRewriter &rewriter) {
  auto gradient = op.getX().getDefiningOp<ConvInputGradOp>();
  const int dim = int(op.getAxis()) - 1;
  if (!gradient || !gradient->hasOneUse() || op.getStep() != 1 || op.getBegin() != 0 || dim < 0 || dim > 1)
    return failure();
  if (op.getSize() - gradient.getSize()[dim] > gradient.getSize()[dim] / 4)
    return failure();
  // Unless the part of x that it is about ends before x does.
  auto dy = cast<RankedTensorType>(gradient.getDy().getType()), w = cast<RankedTensorType>(gradient.getW().getType());
  const int64_t reach = (dy.getDimSize(1 + dim) - 1) * gradient.getStride()[dim] +
                        (w.getDimSize(dim) - 1) * gradient.getDilation()[dim] + 1;
  if (gradient.originAlong(dim) + gradient.getSize()[dim] < reach)
    return failure();
  SmallVector<int64_t> size(gradient.getSize());
  size[dim] = op.getSize();
  rewriter.replaceOpWithNewOp<ConvInputGradOp>(op, gradient.getDy(), gradient.getW(), gradient.getStride(),
                                               gradient.getDilation(), gradient.getGroups(), size,
                                               gradient.getOrigin());
  return success();
}

OpFoldResult ConstantOp::fold(FoldAdaptor) { return getValueAttr(); }

OpFoldResult ReshapeOp::fold(FoldAdaptor) {
  if (getX().getType() == getType())
    return getX();
  // reshape(reshape(x)) is one reshape.
  if (auto inner = getX().getDefiningOp<ReshapeOp>()) {
    if (inner.getX().getType() == getType())
      return inner.getX();
    getXMutable().assign(inner.getX());
    return getResult();
  }
  return {};
}

LogicalResult ModelOp::verify() {
  if (getBatch() < 1)
    return emitOpError("batch must be at least 1, is ") << getBatch();
  return success();
}

LogicalResult KernelOp::verify() {
  Block &body = getBody().front();
  if (body.getNumArguments() != 1 + getInputs().size())
    return emitOpError("body has ")
           << body.getNumArguments() << " arguments for n and "
           << getInputs().size() << " inputs";
  if (!body.getArgument(0).getType().isIndex())
    return emitOpError("first body argument must be the sample count");
  for (auto [argument, input] :
       llvm::zip(body.getArguments().drop_front(), getInputs()))
    if (argument.getType() != input.getType())
      return emitOpError("body argument of type ")
             << argument.getType() << " for an input of type "
             << input.getType();
  auto yield = dyn_cast<YieldOp>(body.getTerminator());
  if (!yield || yield.getValues().getTypes() != getResultTypes())
    return emitOpError("must yield one value of each result's type");
  if (auto inplace = getInplace()) {
    if (inplace->size() != getNumResults())
      return emitOpError("needs one inplace entry a result");
    for (auto [result, input] : llvm::enumerate(*inplace))
      if (input >= int64_t(getInputs().size()) ||
          (input >= 0 &&
           getInputs()[input].getType() != getResult(result).getType()))
        return emitOpError("result ")
               << result << " cannot overwrite input " << input;
  }
  return success();
}

} // namespace fm::ir
