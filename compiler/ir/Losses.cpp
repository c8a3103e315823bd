//===- Losses.cpp - Softmax, normalize, losses, metrics, optimizers --------===//
//
// Composites with an adjoint of their own: it is shorter and numerically
// better than what differentiating the composition would give.
//
//===----------------------------------------------------------------------===//

#include "compiler/ir/Support.h"

using namespace mlir;

namespace fm::ir {

static TensorExpr expr(OpBuilder &builder, Operation *op, Value value) {
  return {builder, op->getLoc(), value};
}

#define FM_DECOMPOSE(OP) SmallVector<Value> OP::decompose(DecomposeContext &context)
#define FM_ADJOINT(OP)                                                         \
  SmallVector<Value> OP::buildAdjoint(OpBuilder &builder, ValueRange gradients, \
                                      ArrayRef<bool> wanted)

static SmallVector<int64_t> allAxes(RankedTensorType type) {
  return llvm::to_vector(llvm::seq<int64_t>(0, type.getRank()));
}

//===----------------------------------------------------------------------===//
// normalize
//===----------------------------------------------------------------------===//

FM_INFER(NormalizeOp) {
  NormalizeOp::Adaptor op(operands, attributes, properties, regions);
  RankedTensorType x = tensorType(op.getX());
  SmallVector<int64_t> shape(x.getShape());
  for (int64_t axis : op.getAxis())
    shape[axis] = 1;
  auto statistics = RankedTensorType::get(shape, x.getElementType());
  types.append({x, statistics, statistics});
  return success();
}
FM_DECOMPOSE(NormalizeOp) {
  TensorExpr x = expr(context.builder, *this, getX());
  TensorExpr mean = x.mean(getAxis());
  TensorExpr centered = x - mean;
  TensorExpr variance = (centered * centered).mean(getAxis());
  return {centered * rsqrt(variance + getEpsilon().convertToDouble()), mean, variance};
}
// With y = (x - m) * r: dx = r * (dy - mean(dy) - y * mean(dy * y)); Ioffe and
// Szegedy, arXiv:1502.03167, section 3, collected.
FM_ADJOINT(NormalizeOp) {
  TensorExpr y = expr(builder, *this, getY());
  TensorExpr dy = expr(builder, *this, gradients[0]);
  TensorExpr r = rsqrt(expr(builder, *this, getVariance()) +
                       getEpsilon().convertToDouble());
  dy = dy.broadcast(y.type());
  return {r * (dy - dy.mean(getAxis()) - y * (dy * y).mean(getAxis()))};
}

//===----------------------------------------------------------------------===//
// softmax
//===----------------------------------------------------------------------===//

static LogicalResult inferSoftmax(OptionalLocation loc, StringRef op,
                                  ValueRange operands, DictionaryAttr attributes,
                                  Types &types) {
  RankedTensorType x = tensorType(operands[0]);
  auto axis = normalizeAxes(loc, op, attributes.getAs<IntegerAttr>("axis").getInt(),
                            x.getRank());
  if (failed(axis))
    return failure();
  if (x.isDynamicDim(axis->front()))
    return emitOptionalError(loc, op, ": cannot run along batch");
  types.push_back(x);
  return success();
}
FM_INFER(SoftmaxOp) { return inferSoftmax(loc, "softmax", operands, attributes, types); }
FM_INFER(LogSoftmaxOp) { return inferSoftmax(loc, "log_softmax", operands, attributes, types); }

static int64_t axisOf(Value x, int64_t axis) {
  return axis < 0 ? axis + tensorType(x).getRank() : axis;
}
FM_DECOMPOSE(SoftmaxOp) {
  TensorExpr x = expr(context.builder, *this, getX());
  int64_t axis = axisOf(getX(), getAxis());
  TensorExpr e = exp(x - x.max(axis));
  return {e / e.sum(axis)};
}
FM_ADJOINT(SoftmaxOp) {
  TensorExpr y = expr(builder, *this, getY());
  TensorExpr dy = expr(builder, *this, gradients[0]).broadcast(y.type());
  return {y * (dy - (dy * y).sum(axisOf(getX(), getAxis())))};
}
FM_DECOMPOSE(LogSoftmaxOp) {
  TensorExpr x = expr(context.builder, *this, getX());
  int64_t axis = axisOf(getX(), getAxis());
  TensorExpr shifted = x - x.max(axis);
  return {shifted - log(exp(shifted).sum(axis))};
}
FM_ADJOINT(LogSoftmaxOp) {
  TensorExpr y = expr(builder, *this, getY());
  TensorExpr dy = expr(builder, *this, gradients[0]).broadcast(y.type());
  return {dy - exp(y) * dy.sum(axisOf(getX(), getAxis()))};
}

//===----------------------------------------------------------------------===//
// Losses
//===----------------------------------------------------------------------===//

static LogicalResult inferPairLoss(OptionalLocation loc, StringRef op,
                                   ValueRange operands, Types &types) {
  if (operands[0].getType() != operands[1].getType())
    return emitOptionalError(loc, op, ": needs two tensors of one type, got ",
                             toString(operands[0].getType()), " and ",
                             toString(operands[1].getType()));
  types.push_back(scalarOf(operands[0].getType()));
  return success();
}

FM_INFER(MseOp) { return inferPairLoss(loc, "mse", operands, types); }
FM_DECOMPOSE(MseOp) {
  TensorExpr d = expr(context.builder, *this, getPrediction()) -
                 expr(context.builder, *this, getTarget());
  return {(d * d).mean(allAxes(d.type()), false)};
}
/// dy / number of elements of `like`.
static TensorExpr perElement(TensorExpr dy, RankedTensorType like) {
  int64_t count = elementsPerSample(like.getShape());
  if (like.hasStaticShape())
    return dy * (1.0 / double(count));
  TensorExpr n(*dy.builder, dy.loc,
               dy.builder->create<SamplesOp>(dy.loc, scalarOf(like)));
  return dy / (n * double(count));
}
FM_ADJOINT(MseOp) {
  TensorExpr d = expr(builder, *this, getPrediction()) - expr(builder, *this, getTarget());
  TensorExpr g = d * (2.0 * perElement(expr(builder, *this, gradients[0]), d.type()));
  return sumToOperands(*this, wanted, {g, wanted[1] ? -g : g});
}

FM_INFER(BinaryCrossEntropyOp) {
  return inferPairLoss(loc, "binary_cross_entropy", operands, types);
}
// max(x, 0) - x t + log(1 + exp(-|x|)): no overflow for any x.
FM_DECOMPOSE(BinaryCrossEntropyOp) {
  TensorExpr x = expr(context.builder, *this, getLogits());
  TensorExpr t = expr(context.builder, *this, getTarget());
  TensorExpr each = maximum(x, x.zeros()) - x * t + log(1.0 + exp(-abs(x)));
  return {each.mean(allAxes(x.type()), false)};
}
FM_ADJOINT(BinaryCrossEntropyOp) {
  TensorExpr x = expr(builder, *this, getLogits());
  TensorExpr t = expr(builder, *this, getTarget());
  TensorExpr scale = perElement(expr(builder, *this, gradients[0]), x.type());
  return sumToOperands(*this, wanted,
                       {(sigmoid(x) - t) * scale, wanted[1] ? -x * scale : x});
}

/// What one label row is: the logits' leading dimensions.
static RankedTensorType labelType(RankedTensorType logits, Type element) {
  return RankedTensorType::get(logits.getShape().drop_back(), element);
}
static LogicalResult inferClassLoss(OptionalLocation loc, StringRef op,
                                    ValueRange operands, Types &types) {
  RankedTensorType logits = tensorType(operands[0]), label = tensorType(operands[1]);
  if (logits.getRank() < 1 || logits.isDynamicDim(logits.getRank() - 1))
    return emitOptionalError(loc, op, ": needs classes in the last dimension of the logits, got ",
                             toString(logits));
  bool sparse = label.getElementType().isInteger(32) || label.getElementType().isInteger(64);
  RankedTensorType expected =
      sparse ? labelType(logits, label.getElementType()) : logits;
  if (label != expected)
    return emitOptionalError(loc, op, ": labels for logits ", toString(logits),
                             " must be ",
                             toString(labelType(logits, IntegerType::get(logits.getContext(), 32))), ", ",
                             toString(labelType(logits, IntegerType::get(logits.getContext(), 64))),
                             " or ", toString(logits), ", are ", toString(label));
  types.push_back(scalarOf(logits));
  return success();
}

FM_INFER(CrossEntropyOp) { return inferClassLoss(loc, "cross_entropy", operands, types); }

static bool isClassIndex(Value label) {
  return isa<IntegerType>(tensorType(label).getElementType());
}
static TensorExpr oneHot(OpBuilder &builder, Operation *op, Value logits, Value label, Type element) {
  return expr(builder, op,
              builder.create<OneHotOp>(op->getLoc(), label, tensorType(logits).getShape().back(),
                                       element));
}

// sum_j p_j (log sum exp(x - max) - (x_j - max)). A class index picks its term:
// times zero, the term of a class that is ruled out (-inf) were no number.
FM_DECOMPOSE(CrossEntropyOp) {
  OpBuilder &builder = context.builder;
  TensorExpr x = expr(builder, *this, getLogits()), label = expr(builder, *this, getLabel());
  int64_t last = x.type().getRank() - 1;
  TensorExpr shifted = x - x.max(last);
  TensorExpr each = log(exp(shifted).sum(last)) - shifted;
  TensorExpr picked =
      isClassIndex(label)
          ? select(oneHot(builder, *this, x, label, builder.getI1Type()), each, each.zeros())
          : label * each;
  TensorExpr rows = picked.sum(last, false);
  return {rows.mean(allAxes(rows.type()), false)};
}
// dx = (softmax(x) * sum(p) - p) / rows, where a class index has sum(p) = 1;
// dp_j = (log sum exp(x - max) - (x_j - max)) / rows.
FM_ADJOINT(CrossEntropyOp) {
  TensorExpr x = expr(builder, *this, getLogits()), label = expr(builder, *this, getLabel());
  int64_t last = x.type().getRank() - 1;
  Type element = x.type().getElementType();
  TensorExpr scale = perElement(expr(builder, *this, gradients[0]), labelType(x.type(), element));
  TensorExpr shifted = x - x.max(last);
  TensorExpr e = exp(shifted);
  TensorExpr sum = e.sum(last), softmax = e / sum;
  if (isClassIndex(label))
    return {(softmax - oneHot(builder, *this, x, label, element)) * scale, Value()};
  return {wanted[0] ? (softmax * label.sum(last) - label) * scale : Value(),
          wanted[1] ? (log(sum) - shifted) * scale : Value()};
}

//===----------------------------------------------------------------------===//
// Metrics
//===----------------------------------------------------------------------===//

FM_INFER(AccuracyOp) { return inferClassLoss(loc, "accuracy", operands, types); }
FM_DECOMPOSE(AccuracyOp) {
  OpBuilder &builder = context.builder;
  Type element = tensorType(getLogits()).getElementType();
  auto argmax = [&](Value x) {
    return expr(builder, *this, builder.create<ArgmaxOp>(getLoc(), x, -1));
  };
  TensorExpr label = expr(builder, *this, getLabel());
  if (isa<FloatType>(label.type().getElementType()))
    label = argmax(label);
  TensorExpr hit = argmax(getLogits()).cast(label.type().getElementType()) == label;
  return {hit.cast(element).mean(allAxes(hit.type()), false)};
}

FM_INFER(MeanErrorOp) { return inferPairLoss(loc, "mean_error", operands, types); }
FM_DECOMPOSE(MeanErrorOp) {
  TensorExpr d = expr(context.builder, *this, getPrediction()) -
                 expr(context.builder, *this, getTarget());
  return {abs(d).mean(allAxes(d.type()), false)};
}

//===----------------------------------------------------------------------===//
// Optimizers
//===----------------------------------------------------------------------===//

SmallVector<StringRef> SgdOp::getStateNames(DictionaryAttr options) {
  if (options.getAs<FloatAttr>("momentum").getValueAsDouble() == 0)
    return {};
  return {"momentum"};
}
FM_DECOMPOSE(SgdOp) {
  OpBuilder &builder = context.builder;
  TensorExpr p = expr(builder, *this, getParameter());
  TensorExpr g = expr(builder, *this, getGradient());
  TensorExpr rate = expr(builder, *this, getRate());
  double decay = getWeightDecay().convertToDouble();
  double momentum = getMomentum().convertToDouble();
  if (decay != 0)
    g = g + decay * p;
  if (momentum == 0)
    return {p - rate * g};
  TensorExpr m = momentum * expr(builder, *this, getState()[0]) + g;
  return {p - rate * (getNesterov() ? g + momentum * m : m), m};
}

SmallVector<StringRef> AdamOp::getStateNames(DictionaryAttr) { return {"m", "v"}; }
FM_DECOMPOSE(AdamOp) {
  OpBuilder &builder = context.builder;
  double beta1 = getBeta1().convertToDouble(), beta2 = getBeta2().convertToDouble();
  TensorExpr p = expr(builder, *this, getParameter());
  TensorExpr g = expr(builder, *this, getGradient());
  TensorExpr m = beta1 * expr(builder, *this, getState()[0]) + (1 - beta1) * g;
  TensorExpr v = beta2 * expr(builder, *this, getState()[1]) + (1 - beta2) * (g * g);
  // The bias corrections are scalars of the step: computed once, not per
  // element, and in f64, since 1 - beta2^step cancels.
  Type f64 = builder.getF64Type(), element = p.type().getElementType();
  TensorExpr rate = expr(builder, *this, getRate()).cast(f64);
  TensorExpr step = expr(builder, *this, getStep()).cast(f64);
  TensorExpr scale = rate / (1.0 - pow(rate.constant(beta1), step));
  TensorExpr root = rsqrt(1.0 - pow(rate.constant(beta2), step));
  scale = scale.cast(element);
  root = root.cast(element);
  return {p - scale * m / (sqrt(v) * root + getEpsilon().convertToDouble()), m, v};
}

} // namespace fm::ir
