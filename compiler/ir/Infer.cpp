//===- Infer.cpp - Types, and the results of elementwise ops and reductions -===//
//
// The shape rules of the primitives, here and in InferShapes.cpp. Messages speak
// the language's words: they are shown at the user's call, with actual and
// expected values.
//
//===----------------------------------------------------------------------===//

#include "compiler/ir/Support.h"

#include "llvm/ADT/SetVector.h"

using namespace mlir;

namespace fm::ir {

std::string dimToString(int64_t size) {
  return ShapedType::isDynamic(size) ? "batch" : std::to_string(size);
}

static std::string elementToString(Type type) {
  if (type.isInteger(1))
    return "bool";
  std::string text;
  llvm::raw_string_ostream(text) << type;
  return text;
}

std::string toString(Type type) {
  auto tensor = dyn_cast<RankedTensorType>(type);
  if (!tensor)
    return elementToString(type);
  std::string text = elementToString(tensor.getElementType()) + "[";
  for (auto [i, size] : llvm::enumerate(tensor.getShape()))
    text += (i ? ", " : "") + dimToString(size);
  return text + "]";
}

RankedTensorType scalarOf(Type tensor) {
  return RankedTensorType::get({}, getElementTypeOrSelf(tensor));
}

int64_t elementsPerSample(ArrayRef<int64_t> shape) {
  int64_t count = 1;
  for (int64_t size : shape)
    if (!ShapedType::isDynamic(size))
      count *= size;
  return count;
}

std::string checkTensor(RankedTensorType type, int64_t batch) {
  // What the runtime's tables hold.
  constexpr int64_t maxRank = 16;
  if (type.getRank() > maxRank)
    return "a tensor has at most " + std::to_string(maxRank) + " dimensions, not " +
           std::to_string(type.getRank());
  // Kernels count elements in 32 bits, with what lies between rows.
  constexpr int64_t maxElements = 2'000'000'000;
  int64_t count = 1;
  for (auto [i, size] : llvm::enumerate(type.getShape())) {
    if (ShapedType::isDynamic(size) && i > 0)
      return "batch must be the first dimension, is dimension " + std::to_string(i) + " of " +
             toString(type);
    if (__builtin_mul_overflow(count, ShapedType::isDynamic(size) ? batch : size, &count) ||
        count > maxElements)
      return toString(type) + " has too many elements: at most " + std::to_string(maxElements) +
             " are possible" + (type.hasStaticShape() ? "" : ", batch being " + std::to_string(batch));
  }
  return "";
}

std::optional<SmallVector<int64_t>> broadcastShapes(ArrayRef<int64_t> a,
                                                    ArrayRef<int64_t> b) {
  SmallVector<int64_t> shape(std::max(a.size(), b.size()));
  for (size_t i = 0; i < shape.size(); ++i) {
    int64_t x = i < a.size() ? a[a.size() - 1 - i] : 1;
    int64_t y = i < b.size() ? b[b.size() - 1 - i] : 1;
    if (x != y && x != 1 && y != 1)
      return std::nullopt;
    shape[shape.size() - 1 - i] = x == 1 ? y : x;
  }
  return shape;
}

FailureOr<SmallVector<int64_t>> normalizeAxes(OptionalLocation loc,
                                              StringRef op,
                                              ArrayRef<int64_t> axes,
                                              int64_t rank) {
  llvm::SmallSetVector<int64_t, 4> result;
  if (axes.empty())
    for (int64_t i = 0; i < rank; ++i)
      result.insert(i);
  for (int64_t axis : axes) {
    int64_t positive = axis < 0 ? axis + rank : axis;
    if (positive < 0 || positive >= rank)
      return emitOptionalError(loc, op, ": axis ", axis,
                               " is out of range for a tensor of rank ", rank);
    if (!result.insert(positive))
      return emitOptionalError(loc, op, ": axis ", axis, " is given twice");
  }
  auto sorted = result.takeVector();
  llvm::sort(sorted);
  return SmallVector<int64_t>(sorted.begin(), sorted.end());
}

FailureOr<int64_t> normalizeAxis(OptionalLocation loc, StringRef op,
                                        int64_t axis, int64_t rank) {
  auto axes = normalizeAxes(loc, op, axis, rank);
  if (failed(axes))
    return failure();
  return axes->front();
}

/// Arithmetic is on numbers, some of it on floating-point numbers only.
static LogicalResult requireNumbers(OptionalLocation loc, StringRef op, RankedTensorType x,
                                    bool floatsOnly) {
  if (floatsOnly && !isa<FloatType>(x.getElementType()))
    return emitOptionalError(loc, op, ": needs a tensor of f32 or f64, got ", toString(x));
  if (x.getElementType().isInteger(1))
    return emitOptionalError(loc, op, ": needs a tensor of numbers, got ", toString(x));
  return success();
}

//===----------------------------------------------------------------------===//
// Pointwise
//===----------------------------------------------------------------------===//

LogicalResult inferPointwise(StringRef name, OptionalLocation loc,
                             ValueRange operands, DictionaryAttr attributes,
                             Types &types) {
  StringRef op = name.drop_front(name.find('.') + 1);
  // A selection's condition has its own element type.
  bool isSelect = op == "select";
  ValueRange values = isSelect ? operands.drop_front() : operands;
  Type element = tensorType(values.front()).getElementType();
  SmallVector<int64_t> shape;
  for (Value operand : operands) {
    RankedTensorType type = tensorType(operand);
    auto joint = broadcastShapes(shape, type.getShape());
    if (!joint)
      return emitOptionalError(
          loc, op, ": shapes ", toString(operands[0].getType()), " and ",
          toString(type), " do not broadcast");
    shape = *joint;
  }
  for (Value value : values)
    if (tensorType(value).getElementType() != element)
      return emitOptionalError(loc, op, ": operands have different types, ",
                               toString(values[0].getType()), " and ",
                               toString(value.getType()));
  if (op == "compare")
    element = IntegerType::get(element.getContext(), 1);
  if (op == "cast")
    element = attributes.getAs<TypeAttr>("to").getValue();
  static const StringRef anyType[] = {"compare", "select", "cast"};
  static const StringRef anyNumber[] = {"add", "sub", "mul", "div", "neg",
                                        "abs", "maximum", "minimum", "relu"};
  if (!llvm::is_contained(anyType, op) &&
      failed(requireNumbers(loc, op, tensorType(values[0]), !llvm::is_contained(anyNumber, op))))
    return failure();
  types.push_back(RankedTensorType::get(shape, element));
  return success();
}

//===----------------------------------------------------------------------===//
// Reductions
//===----------------------------------------------------------------------===//

static LogicalResult inferReduction(StringRef op, OptionalLocation loc,
                                    RankedTensorType x, ArrayRef<int64_t> axis,
                                    bool keepdims, Types &types) {
  if (failed(requireNumbers(loc, op, x, /*floatsOnly=*/op == "mean")))
    return failure();
  auto axes = normalizeAxes(loc, op, axis, x.getRank());
  if (failed(axes))
    return failure();
  SmallVector<int64_t> shape;
  for (int64_t i = 0; i < x.getRank(); ++i) {
    if (!llvm::is_contained(*axes, i))
      shape.push_back(x.getDimSize(i));
    else if (keepdims)
      shape.push_back(1);
  }
  types.push_back(RankedTensorType::get(shape, x.getElementType()));
  return success();
}

#define FM_INFER_REDUCTION(OP, NAME)                                           \
  FM_INFER(OP) {                                                               \
    FM_ADAPTOR(OP);                                                            \
    return inferReduction(NAME, loc, tensorType(op.getX()), op.getAxis(),      \
                          op.getKeepdims(), types);                            \
  }
FM_INFER_REDUCTION(SumOp, "sum")
FM_INFER_REDUCTION(MeanOp, "mean")
FM_INFER_REDUCTION(MaxOp, "max")
FM_INFER_REDUCTION(MinOp, "min")

FM_INFER(ArgmaxOp) {
  FM_ADAPTOR(ArgmaxOp);
  RankedTensorType x = tensorType(op.getX());
  SmallVector<Type> same;
  if (failed(inferReduction("argmax", loc, x, op.getAxis(), false, same)))
    return failure();
  types.push_back(cast<RankedTensorType>(same[0]).clone(
      IntegerType::get(context, 32)));
  return success();
}

FM_INFER(OneHotOp) {
  FM_ADAPTOR(OneHotOp);
  SmallVector<int64_t> shape(tensorType(op.getIndex()).getShape());
  shape.push_back(op.getDepth());
  types.push_back(RankedTensorType::get(shape, op.getElement()));
  return success();
}

} // namespace fm::ir
