//===- TensorAdjoints.cpp - Gradients of the structured primitives ---------===//
//
// Each adjoint is made of the primitives themselves, so that the set is closed:
// the gradient of an einsum is an einsum, of a slice an embed, of a
// convolution two convolutions.
//
//===----------------------------------------------------------------------===//

#include "compiler/ir/Support.h"

using namespace mlir;

namespace fm::ir {

#define FM_ADJOINT(OP)                                                         \
  SmallVector<Value> OP::buildAdjoint(OpBuilder &builder, ValueRange gradients, \
                                      ArrayRef<bool> wanted)

SmallVector<Value> sumToOperands(Operation *op, ArrayRef<bool> wanted,
                                 ArrayRef<TensorExpr> gradients) {
  SmallVector<Value> result(op->getNumOperands());
  for (auto [i, operand] : llvm::enumerate(op->getOperands())) {
    if (!wanted[i])
      continue;
    RankedTensorType type = tensorType(operand);
    TensorExpr gradient = gradients[i];
    // A gradient computed from scalars alone is the same everywhere.
    RankedTensorType domain = tensorType(op->getResult(0));
    auto joint = broadcastShapes(gradient.type().getShape(), domain.getShape());
    if (domain.getRank() > 0 && joint && ArrayRef<int64_t>(*joint) != gradient.type().getShape())
      gradient = gradient.broadcast(domain.clone(type.getElementType()));
    int64_t extra = gradient.type().getRank() - type.getRank();
    SmallVector<int64_t> leading = llvm::to_vector(llvm::seq<int64_t>(0, std::max<int64_t>(extra, 0)));
    if (!leading.empty())
      gradient = gradient.sum(leading, false);
    SmallVector<int64_t> stretched;
    for (int64_t j = 0; j < type.getRank(); ++j)
      if (type.getDimSize(j) == 1 && gradient.type().getDimSize(j) != 1)
        stretched.push_back(j);
    if (!stretched.empty())
      gradient = gradient.sum(stretched);
    if (gradient.type() != type)
      gradient = gradient.broadcast(type);
    result[i] = gradient;
  }
  return result;
}

FM_ADJOINT(BroadcastOp) {
  TensorExpr dy(builder, getLoc(), gradients[0]);
  return sumToOperands(*this, wanted, {dy});
}

//===----------------------------------------------------------------------===//
// Reductions
//===----------------------------------------------------------------------===//

/// `value`, a reduction's result, with the reduced dimensions kept as 1.
static TensorExpr withKeptAxes(TensorExpr value, Value x, ArrayRef<int64_t> axis) {
  SmallVector<int64_t> shape(tensorType(x).getShape());
  const auto reduced = normalizeAxes(std::nullopt, "", axis, shape.size());
  for (int64_t i : *reduced)
    shape[i] = 1;
  return value.reshape(RankedTensorType::get(shape, value.type().getElementType()));
}

FM_ADJOINT(SumOp) {
  TensorExpr dy(builder, getLoc(), gradients[0]);
  return {withKeptAxes(dy, getX(), getAxis()).broadcast(tensorType(getX()))};
}
FM_ADJOINT(MeanOp) {
  TensorExpr dy(builder, getLoc(), gradients[0]);
  auto axes = *normalizeAxes(std::nullopt, "", getAxis(), tensorType(getX()).getRank());
  TensorExpr x(builder, getLoc(), getX());
  // mean(ones) = 1, so that the share of one element is mean's own factor.
  int64_t count = 1;
  bool perSample = false;
  for (int64_t axis : axes) {
    bool dynamic = x.type().isDynamicDim(axis);
    perSample |= dynamic;
    count *= dynamic ? 1 : x.type().getDimSize(axis);
  }
  TensorExpr share = withKeptAxes(dy, getX(), getAxis()) * (1.0 / double(count));
  if (perSample)
    share = share / TensorExpr(builder, getLoc(),
                               builder.create<SamplesOp>(getLoc(), scalarOf(x.type())));
  return {share.broadcast(x.type())};
}

/// Elements equal to the extremum share the gradient evenly, as PyTorch's amax.
static Value extremumAdjoint(OpBuilder &builder, Location loc, Value x, Value y,
                             Value dy, ArrayRef<int64_t> axis) {
  TensorExpr all(builder, loc, x);
  TensorExpr top = withKeptAxes({builder, loc, y}, x, axis);
  TensorExpr gradient = withKeptAxes({builder, loc, dy}, x, axis);
  TensorExpr hit = (all == top).cast(all.type().getElementType());
  auto axes = *normalizeAxes(std::nullopt, "", axis, all.type().getRank());
  return hit * (gradient / hit.sum(axes));
}
FM_ADJOINT(MaxOp) {
  return {extremumAdjoint(builder, getLoc(), getX(), getY(), gradients[0], getAxis())};
}
FM_ADJOINT(MinOp) {
  return {extremumAdjoint(builder, getLoc(), getX(), getY(), gradients[0], getAxis())};
}

//===----------------------------------------------------------------------===//
// Shapes
//===----------------------------------------------------------------------===//

FM_ADJOINT(ReshapeOp) {
  return {TensorExpr(builder, getLoc(), gradients[0]).reshape(tensorType(getX()))};
}
FM_ADJOINT(TransposeOp) {
  SmallVector<int64_t> inverse(getAxes().size());
  for (auto [i, axis] : llvm::enumerate(getAxes()))
    inverse[axis < 0 ? axis + inverse.size() : axis] = i;
  return {builder.create<TransposeOp>(getLoc(), gradients[0], inverse)};
}
FM_ADJOINT(ConcatOp) {
  int64_t rank = tensorType(getY()).getRank();
  int64_t axis = getAxis() < 0 ? getAxis() + rank : getAxis();
  SmallVector<Value> result;
  int64_t begin = 0;
  for (auto [i, x] : llvm::enumerate(getX())) {
    int64_t end = begin + tensorType(x).getDimSize(axis);
    result.push_back(wanted[i] ? builder.create<SliceOp>(getLoc(), gradients[0], axis,
                                                         begin, end, 1)
                               : Value());
    begin = end;
  }
  return result;
}
FM_ADJOINT(SliceOp) {
  RankedTensorType x = tensorType(getX());
  int64_t axis = getAxis() < 0 ? getAxis() + x.getRank() : getAxis();
  int64_t size = x.getDimSize(axis);
  int64_t begin = getBegin() < 0 ? getBegin() + size : getBegin();
  return {builder.create<EmbedOp>(getLoc(), gradients[0], axis, begin, getStep(), size)};
}
FM_ADJOINT(EmbedOp) {
  int64_t count = tensorType(getX()).getDimSize(getAxis());
  int64_t end = getBegin() + (count - 1) * getStep() + 1;
  return {builder.create<SliceOp>(getLoc(), gradients[0], getAxis(), getBegin(), end, getStep())};
}
FM_ADJOINT(PadOp) {
  Value dx = gradients[0];
  for (auto [i, before] : llvm::enumerate(getBefore()))
    if (before || getAfter()[i])
      dx = builder.create<SliceOp>(getLoc(), dx, i, before,
                                   before + tensorType(getX()).getDimSize(i), 1);
  return {dx};
}

//===----------------------------------------------------------------------===//
// Contractions
//===----------------------------------------------------------------------===//

// y_o = sum a_i b_j: da_i = sum dy_o b_j over the labels that a lacks.
FM_ADJOINT(EinsumOp) {
  auto [inputs, y] = getEquation().split("->");
  auto [a, b] = inputs.split(',');
  auto einsum = [&](Value left, StringRef leftLabels, Value right,
                    StringRef rightLabels, StringRef result) -> Value {
    return builder.create<EinsumOp>(
        getLoc(), left, right,
        (leftLabels + "," + rightLabels + "->" + result).str());
  };
  return {wanted[0] ? einsum(gradients[0], y, getB(), b, a) : Value(),
          wanted[1] ? einsum(getA(), a, gradients[0], y, b) : Value()};
}

static SmallVector<int64_t> imageSize(Value x) {
  return SmallVector<int64_t>(tensorType(x).getShape().slice(1, 2));
}
static SmallVector<int64_t> kernelSize(Value w) {
  return SmallVector<int64_t>(tensorType(w).getShape().take_front(2));
}

FM_ADJOINT(ConvOp) {
  return {wanted[0] ? builder.create<ConvInputGradOp>(getLoc(), gradients[0], getW(), getStride(),
                                                      getDilation(), getGroups(), imageSize(getX()))
                    : Value(),
          wanted[1] ? builder.create<ConvKernelGradOp>(getLoc(), getX(), gradients[0], getStride(),
                                                       getDilation(), getGroups(), kernelSize(getW()))
                    : Value()};
}
FM_ADJOINT(ConvInputGradOp) {
  // Zero for the part of x that the result is not about.
  Value dx = gradients[0];
  RankedTensorType dy = tensorType(getDy());
  for (int i = 0; i < 2; ++i) {
    int64_t reach = (dy.getDimSize(1 + i) - 1) * getStride()[i] +
                    (tensorType(getW()).getDimSize(i) - 1) * getDilation()[i] + 1;
    int64_t size = std::max(reach, originAlong(i) + getSize()[i]);
    if (size != getSize()[i])
      dx = builder.create<EmbedOp>(getLoc(), dx, 1 + i, originAlong(i), 1, size);
  }
  return {wanted[0] ? builder.create<ConvOp>(getLoc(), dx, getW(), getStride(),
                                             getDilation(), getGroups())
                    : Value(),
          wanted[1] ? builder.create<ConvKernelGradOp>(getLoc(), dx, getDy(), getStride(),
                                                       getDilation(), getGroups(), kernelSize(getW()))
                    : Value()};
}
FM_ADJOINT(ConvKernelGradOp) {
  return {wanted[0] ? builder.create<ConvInputGradOp>(getLoc(), getDy(), gradients[0], getStride(),
                                                      getDilation(), getGroups(), imageSize(getX()))
                    : Value(),
          wanted[1] ? builder.create<ConvOp>(getLoc(), getX(), gradients[0], getStride(),
                                             getDilation(), getGroups())
                    : Value()};
}

//===----------------------------------------------------------------------===//
// Windows
//===----------------------------------------------------------------------===//

FM_ADJOINT(WindowMaxOp) {
  return {builder.create<WindowMaxGradOp>(getLoc(), gradients[0], getPosition(), getSize(),
                                          getStride(), imageSize(getX()))};
}
FM_ADJOINT(WindowSumOp) {
  return {builder.create<WindowSumGradOp>(getLoc(), gradients[0], getSize(), getStride(),
                                          imageSize(getX()))};
}
FM_ADJOINT(WindowSumGradOp) {
  return {builder.create<WindowSumOp>(getLoc(), gradients[0], getSize(), getStride())};
}

} // namespace fm::ir
