//===- InferShapes.cpp - Results of reshapes, contractions and windows -----===//

#include "compiler/ir/Support.h"

#include <cmath>
#include <limits>
#include <map>

using namespace mlir;

namespace fm::ir {

//===----------------------------------------------------------------------===//
// Shapes
//===----------------------------------------------------------------------===//

FM_INFER(ReshapeOp) {
  FM_ADAPTOR(ReshapeOp);
  RankedTensorType x = tensorType(op.getX());
  SmallVector<int64_t> shape(op.getShape());
  bool xHasSamples = !x.hasStaticShape();
  int64_t known = 1;
  int unknown = -1;
  bool samples = false;
  for (auto [i, size] : llvm::enumerate(shape)) {
    if (ShapedType::isDynamic(size)) {
      if (i != 0)
        return emitOptionalError(loc, "reshape: batch must stay the first dimension");
      samples = true;
    } else if (size == -1) {
      if (unknown >= 0)
        return emitOptionalError(loc, "reshape: only one dimension may be -1");
      unknown = int(i);
    } else if (size < 1) {
      return emitOptionalError(loc, "reshape: dimensions must be positive, number ", i + 1,
                               " is ", size);
    } else if (__builtin_mul_overflow(known, size, &known)) {
      known = std::numeric_limits<int64_t>::max();
    }
  }
  int64_t elements = elementsPerSample(x.getShape());
  if (xHasSamples && !samples) {
    if (unknown == 0) { // -1 in the place of batch
      shape[0] = ShapedType::kDynamic;
      unknown = -1;
    } else {
      return emitOptionalError(
          loc, "reshape: ", toString(x),
          " has a batch dimension, the new shape must begin with batch");
    }
  } else if (samples && !xHasSamples) {
    return emitOptionalError(loc, "reshape: ", toString(x),
                             " has no batch dimension, the new shape has one");
  }
  if (unknown >= 0) {
    if (elements % known)
      return emitOptionalError(loc, "reshape: ", elements, " elements of ",
                               toString(x), " do not divide into ", known);
    shape[unknown] = elements / known;
    known = elements;
  }
  if (known != elements)
    return emitOptionalError(loc, "reshape: ", toString(x), " has ", elements,
                             " elements", xHasSamples ? " a sample" : "",
                             ", the new shape has ", known);
  types.push_back(RankedTensorType::get(shape, x.getElementType()));
  return success();
}

FM_INFER(FlattenOp) {
  FM_ADAPTOR(FlattenOp);
  RankedTensorType x = tensorType(op.getX());
  if (x.getRank() < 1)
    return emitOptionalError(loc, "flatten: needs at least one dimension");
  types.push_back(RankedTensorType::get(
      {x.getDimSize(0), elementsPerSample(x.getShape().drop_front())},
      x.getElementType()));
  return success();
}

FM_INFER(TransposeOp) {
  FM_ADAPTOR(TransposeOp);
  RankedTensorType x = tensorType(op.getX());
  auto axes = op.getAxes();
  if (int64_t(axes.size()) != x.getRank())
    return emitOptionalError(loc, "transpose: ", axes.size(),
                             " axes for a tensor of rank ", x.getRank());
  if (failed(normalizeAxes(loc, "transpose", axes, x.getRank())))
    return failure();
  SmallVector<int64_t> shape;
  for (int64_t axis : axes)
    shape.push_back(x.getDimSize(axis < 0 ? axis + x.getRank() : axis));
  types.push_back(RankedTensorType::get(shape, x.getElementType()));
  return success();
}

FM_INFER(ConcatOp) {
  FM_ADAPTOR(ConcatOp);
  if (op.getX().empty())
    return emitOptionalError(loc, "concat: needs at least one tensor");
  RankedTensorType first = tensorType(op.getX().front());
  auto axis = normalizeAxis(loc, "concat", op.getAxis(), first.getRank());
  if (failed(axis))
    return failure();
  SmallVector<int64_t> shape(first.getShape());
  if (ShapedType::isDynamic(shape[*axis]))
    return emitOptionalError(loc, "concat: cannot join along batch");
  shape[*axis] = 0;
  for (Value value : op.getX()) {
    RankedTensorType type = tensorType(value);
    bool fits = type.getRank() == first.getRank() &&
                type.getElementType() == first.getElementType();
    for (int64_t i = 0; fits && i < first.getRank(); ++i)
      fits = i == *axis || type.getDimSize(i) == first.getDimSize(i);
    if (!fits)
      return emitOptionalError(loc, "concat: ", toString(type),
                               " does not fit ", toString(first),
                               " along axis ", *axis);
    shape[*axis] += type.getDimSize(*axis);
  }
  types.push_back(RankedTensorType::get(shape, first.getElementType()));
  return success();
}

FM_INFER(SliceOp) {
  FM_ADAPTOR(SliceOp);
  RankedTensorType x = tensorType(op.getX());
  auto axis = normalizeAxis(loc, "slice", op.getAxis(), x.getRank());
  if (failed(axis))
    return failure();
  int64_t size = x.getDimSize(*axis);
  if (ShapedType::isDynamic(size))
    return emitOptionalError(loc, "slice: cannot cut along batch");
  int64_t begin = op.getBegin() < 0 ? op.getBegin() + size : op.getBegin();
  int64_t end = op.getEnd() < 0 ? op.getEnd() + size : op.getEnd();
  if (op.getStep() < 1)
    return emitOptionalError(loc, "slice: step must be at least 1, is ",
                             op.getStep());
  if (begin < 0 || end > size || begin >= end)
    return emitOptionalError(loc, "slice: range ", op.getBegin(), " to ",
                             op.getEnd(), " is empty or outside dimension ",
                             *axis, " of ", toString(x));
  SmallVector<int64_t> shape(x.getShape());
  shape[*axis] = (end - begin - 1) / op.getStep() + 1;
  types.push_back(RankedTensorType::get(shape, x.getElementType()));
  return success();
}

FM_INFER(EmbedOp) {
  FM_ADAPTOR(EmbedOp);
  RankedTensorType x = tensorType(op.getX());
  SmallVector<int64_t> shape(x.getShape());
  int64_t last = op.getBegin() + (shape[op.getAxis()] - 1) * op.getStep();
  if (op.getBegin() < 0 || last >= op.getSize())
    return emitOptionalError(loc, "embed: position ", last,
                             " is outside size ", op.getSize());
  shape[op.getAxis()] = op.getSize();
  types.push_back(RankedTensorType::get(shape, x.getElementType()));
  return success();
}

/// Larger ones could overflow.
static constexpr int64_t kMaxBorder = int64_t(1) << 48;

/// Whether an element can be this number, but for rounding.
static bool holds(Type element, double value) {
  if (element.isF32())
    return !std::isfinite(value) || std::isfinite(float(value));
  if (isa<FloatType>(element))
    return true;
  const unsigned width = element.getIntOrFloatBitWidth();
  if (value != std::trunc(value))
    return false;
  return width == 1 ? value == 0 || value == 1
         : width == 64
             ? std::fabs(value) <= 0x1p53 // else another one may have been meant
             : value >= -std::ldexp(1., width - 1) && value < std::ldexp(1., width - 1);
}
FM_INFER(PadOp) {
  FM_ADAPTOR(PadOp);
  RankedTensorType x = tensorType(op.getX());
  auto before = op.getBefore(), after = op.getAfter();
  if (int64_t(before.size()) != x.getRank() ||
      int64_t(after.size()) != x.getRank())
    return emitOptionalError(loc, "pad: ", before.size(), " and ", after.size(),
                             " borders for a tensor of rank ", x.getRank());
  SmallVector<int64_t> shape(x.getShape());
  for (size_t i = 0; i < shape.size(); ++i) {
    if (before[i] < 0 || after[i] < 0)
      return emitOptionalError(loc, "pad: border ",
                               std::min(before[i], after[i]),
                               " is negative; use slice to cut");
    if (std::max(before[i], after[i]) > kMaxBorder)
      return emitOptionalError(loc, "pad: border ", std::max(before[i], after[i]),
                               " is too large");
    if (ShapedType::isDynamic(shape[i])) {
      if (before[i] || after[i])
        return emitOptionalError(loc, "pad: cannot pad batch");
      continue;
    }
    shape[i] += before[i] + after[i];
  }
  const double value = op.getValue().convertToDouble();
  if (!holds(x.getElementType(), value))
    return emitOptionalError(loc, "pad: value ", shortNumber(value), " does not fit a tensor of ",
                             toString(x.getElementType()));
  types.push_back(RankedTensorType::get(shape, x.getElementType()));
  return success();
}

//===----------------------------------------------------------------------===//
// Contractions
//===----------------------------------------------------------------------===//

FM_INFER(EinsumOp) {
  FM_ADAPTOR(EinsumOp);
  auto [inputs, output] = op.getEquation().split("->");
  auto [a, b] = inputs.split(',');
  std::map<char, int64_t> sizes;
  auto bind = [&](StringRef labels, Value value) -> LogicalResult {
    RankedTensorType type = tensorType(value);
    if (int64_t(labels.size()) != type.getRank())
      return emitOptionalError(loc, "einsum: '", labels, "' for ",
                               toString(type));
    for (auto [label, size] : llvm::zip(labels, type.getShape()))
      if (auto [it, isNew] = sizes.try_emplace(label, size);
          !isNew && it->second != size)
        return emitOptionalError(loc, "einsum: '", std::string(1, label),
                                 "' is both ", dimToString(it->second), " and ",
                                 dimToString(size));
    return success();
  };
  if (failed(bind(a, op.getA())) || failed(bind(b, op.getB())))
    return failure();
  SmallVector<int64_t> shape;
  for (char label : output) {
    if (!sizes.count(label))
      return emitOptionalError(loc, "einsum: '", std::string(1, label),
                               "' is in no operand");
    shape.push_back(sizes[label]);
  }
  for (auto [label, size] : sizes)
    if (a.contains(label) + b.contains(label) + output.contains(label) < 2)
      return emitOptionalError(loc, "einsum: '", std::string(1, label),
                               "' occurs once only");
  types.push_back(
      RankedTensorType::get(shape, tensorType(op.getA()).getElementType()));
  return success();
}

FM_INFER(MatmulOp) {
  FM_ADAPTOR(MatmulOp);
  RankedTensorType a = tensorType(op.getA()), b = tensorType(op.getB());
  if (a.getRank() < 2 || b.getRank() < 2)
    return emitOptionalError(loc, "matmul: needs matrices, got ", toString(a),
                             " and ", toString(b));
  if (a.getElementType() != b.getElementType())
    return emitOptionalError(loc, "matmul: operands have different types, ",
                             toString(a), " and ", toString(b));
  int64_t rows = a.getDimSize(a.getRank() - (op.getTransposeA() ? 1 : 2));
  int64_t innerA = a.getDimSize(a.getRank() - (op.getTransposeA() ? 2 : 1));
  int64_t innerB = b.getDimSize(b.getRank() - (op.getTransposeB() ? 1 : 2));
  int64_t columns = b.getDimSize(b.getRank() - (op.getTransposeB() ? 2 : 1));
  if (innerA != innerB)
    return emitOptionalError(loc, "matmul: inner dimensions differ, ",
                             dimToString(innerA), " of ", toString(a), " and ",
                             dimToString(innerB), " of ", toString(b));
  auto lead = broadcastShapes(a.getShape().drop_back(2), b.getShape().drop_back(2));
  if (!lead)
    return emitOptionalError(loc, "matmul: leading dimensions of ", toString(a),
                             " and ", toString(b), " do not broadcast");
  lead->append({rows, columns});
  types.push_back(RankedTensorType::get(*lead, a.getElementType()));
  return success();
}

int64_t windowCount(int64_t size, int64_t window, int64_t stride,
                    int64_t dilation) {
  int64_t reach = (window - 1) * dilation + 1;
  return size < reach ? 0 : (size - reach) / stride + 1;
}

FM_INFER(ConvOp) {
  FM_ADAPTOR(ConvOp);
  RankedTensorType x = tensorType(op.getX()), w = tensorType(op.getW());
  SmallVector<int64_t> shape = {x.getDimSize(0), 0, 0, w.getDimSize(3)};
  for (int i = 0; i < 2; ++i)
    shape[1 + i] = windowCount(x.getDimSize(1 + i), w.getDimSize(i),
                               op.getStride()[i], op.getDilation()[i]);
  types.push_back(RankedTensorType::get(shape, x.getElementType()));
  return success();
}
FM_INFER(ConvInputGradOp) {
  FM_ADAPTOR(ConvInputGradOp);
  RankedTensorType dy = tensorType(op.getDy()), w = tensorType(op.getW());
  types.push_back(RankedTensorType::get(
      {dy.getDimSize(0), op.getSize()[0], op.getSize()[1],
       w.getDimSize(2) * op.getGroups()},
      dy.getElementType()));
  return success();
}
FM_INFER(InterleaveOp) {
  FM_ADAPTOR(InterleaveOp);
  if (op.getParts().empty() || op.getParts().size() != op.getPhases().size())
    return emitOptionalError(loc, "interleave: ", op.getParts().size(),
                             " parts of ", op.getPhases().size(), " phases");
  RankedTensorType part = tensorType(op.getParts()[0]);
  types.push_back(RankedTensorType::get({part.getDimSize(0), op.getSize()[0],
                                         op.getSize()[1], part.getDimSize(3)},
                                        part.getElementType()));
  return success();
}
FM_INFER(ConvKernelGradOp) {
  FM_ADAPTOR(ConvKernelGradOp);
  RankedTensorType x = tensorType(op.getX()), dy = tensorType(op.getDy());
  types.push_back(RankedTensorType::get(
      {op.getSize()[0], op.getSize()[1], x.getDimSize(3) / op.getGroups(),
       dy.getDimSize(3)},
      x.getElementType()));
  return success();
}

//===----------------------------------------------------------------------===//
// Windows
//===----------------------------------------------------------------------===//

static RankedTensorType inferWindow(RankedTensorType x, ArrayRef<int64_t> size,
                                    ArrayRef<int64_t> stride) {
  SmallVector<int64_t> shape(x.getShape());
  for (int i = 0; i < 2; ++i)
    shape[1 + i] = windowCount(shape[1 + i], size[i], stride[i], 1);
  return RankedTensorType::get(shape, x.getElementType());
}

FM_INFER(WindowMaxOp) {
  FM_ADAPTOR(WindowMaxOp);
  RankedTensorType y =
      inferWindow(tensorType(op.getX()), op.getSize(), op.getStride());
  types.push_back(y);
  // A byte holds the position in any window up to 11x11.
  int64_t positions = op.getSize()[0] * op.getSize()[1];
  types.push_back(
      y.clone(IntegerType::get(context, positions <= 127 ? 8 : 32)));
  return success();
}
FM_INFER(WindowSumOp) {
  FM_ADAPTOR(WindowSumOp);
  types.push_back(
      inferWindow(tensorType(op.getX()), op.getSize(), op.getStride()));
  return success();
}
static RankedTensorType inferWindowGrad(RankedTensorType dy,
                                        ArrayRef<int64_t> size) {
  return RankedTensorType::get(
      {dy.getDimSize(0), size[0], size[1], dy.getDimSize(3)},
      dy.getElementType());
}
FM_INFER(WindowMaxGradOp) {
  FM_ADAPTOR(WindowMaxGradOp);
  types.push_back(inferWindowGrad(tensorType(op.getDy()), op.getShape()));
  return success();
}
FM_INFER(WindowSumGradOp) {
  FM_ADAPTOR(WindowSumGradOp);
  types.push_back(inferWindowGrad(tensorType(op.getDy()), op.getShape()));
  return success();
}

} // namespace fm::ir
