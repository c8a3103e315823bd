//===- Layers.cpp - Layers: parameters, types, composition -----------------===//
//
// dense, conv2d, batch_norm, layer_norm, dropout, pooling, matmul, flatten,
// mean: what parameters they own, their result types, and the primitives that
// they are made of.
//
//===----------------------------------------------------------------------===//

#include "compiler/ir/Support.h"

using namespace mlir;

namespace fm::ir {

/// As a person would write it; raw streams write 1.000000e+00.
std::string shortNumber(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%.9g", value);
  return text;
}

static TensorExpr expr(DecomposeContext &context, Operation *op, Value value) {
  return {context.builder, op->getLoc(), value};
}
static InitAttr constantInit(MLIRContext *context, double value) {
  return InitAttr::get(context, InitKind::Constant, value);
}

#define FM_SPECS(OP)                                                           \
  FailureOr<SmallVector<ParameterSpec>> OP::getParameterSpecs(                 \
      Location loc, TypeRange inputs, DictionaryAttr attributes)

static int64_t intOf(DictionaryAttr attributes, StringRef name) {
  return attributes.getAs<IntegerAttr>(name).getInt();
}
static ArrayRef<int64_t> intsOf(DictionaryAttr attributes, StringRef name) {
  return attributes.getAs<DenseI64ArrayAttr>(name).asArrayRef();
}

//===----------------------------------------------------------------------===//
// dense
//===----------------------------------------------------------------------===//

FM_SPECS(DenseOp) {
  auto x = cast<RankedTensorType>(inputs[0]);
  int64_t units = intOf(attributes, "units");
  if (x.getRank() < 1 || x.isDynamicDim(x.getRank() - 1))
    return mlir::emitError(loc) << "dense: needs a tensor with features in its last "
                             "dimension, got " << toString(x);
  if (units < 1)
    return mlir::emitError(loc) << "dense: units must be positive, is " << units;
  int64_t in = x.getShape().back();
  SmallVector<ParameterSpec> specs;
  specs.push_back({"kernel", RankedTensorType::get({in, units}, x.getElementType()),
                   attributes.getAs<InitAttr>("kernel_init"), in, units});
  if (attributes.getAs<BoolAttr>("bias").getValue())
    specs.push_back({"bias", RankedTensorType::get({units}, x.getElementType()),
                     attributes.getAs<InitAttr>("bias_init"), in, units});
  return specs;
}
FM_INFER(DenseOp) {
  RankedTensorType x = tensorType(operands[0]);
  SmallVector<int64_t> shape(x.getShape());
  shape.back() = intOf(attributes, "units");
  types.push_back(RankedTensorType::get(shape, x.getElementType()));
  return success();
}
SmallVector<Value> DenseOp::decompose(DecomposeContext &context) {
  int64_t rank = tensorType(getX()).getRank();
  std::string lead;
  for (int64_t i = 0; i + 1 < rank; ++i)
    lead += char('a' + i);
  std::string equation = lead + "y,yz->" + lead + "z";
  TensorExpr y = expr(context, *this,
                      context.builder.create<EinsumOp>(
                          getLoc(), getX(), getParameters()[0], equation));
  return {getBias() ? y + expr(context, *this, getParameters()[1]) : y};
}

//===----------------------------------------------------------------------===//
// Windows: what convolution and pooling share
//===----------------------------------------------------------------------===//

std::array<Padding, 2> resolvePadding(Attribute padding, ArrayRef<int64_t> size,
                                      ArrayRef<int64_t> window,
                                      ArrayRef<int64_t> stride,
                                      ArrayRef<int64_t> dilation) {
  std::array<Padding, 2> result;
  auto name = dyn_cast<StringAttr>(padding);
  for (int i = 0; i < 2; ++i) {
    if (!name) {
      int64_t both = cast<DenseI64ArrayAttr>(padding)[i];
      result[i] = {both, both};
    } else if (name.getValue() == "same") {
      int64_t positions = (size[i] + stride[i] - 1) / stride[i];
      int64_t reach = (window[i] - 1) * dilation[i] + 1;
      int64_t total =
          std::max<int64_t>(0, (positions - 1) * stride[i] + reach - size[i]);
      result[i] = {total / 2, total - total / 2};
    }
  }
  return result;
}

/// Products of two such numbers do not overflow.
static constexpr int64_t kMaxWindowNumber = std::numeric_limits<int32_t>::max();

/// Checks a window op on images and gives its output height and width.
static FailureOr<std::array<int64_t, 2>>
checkWindow(OptionalLocation loc, StringRef op, StringRef windowName,
            RankedTensorType x, ArrayRef<int64_t> window,
            ArrayRef<int64_t> stride, Attribute padding,
            ArrayRef<int64_t> dilation) {
  if (x.getRank() != 4)
    return emitOptionalError(loc, op, ": needs images [n, height, width, channels], got ",
                             toString(x));
  for (int i = 0; i < 2; ++i) {
    if (x.isDynamicDim(1 + i))
      return emitOptionalError(loc, op, ": needs images [n, height, width, channels], got ",
                               toString(x));
    std::pair<StringRef, int64_t> numbers[] = {
        {windowName, window[i]}, {"stride", stride[i]}, {"dilation", dilation[i]}};
    for (auto [name, number] : numbers) {
      if (number < 1)
        return emitOptionalError(loc, op, ": ", name, " must be positive, is ", number);
      if (number > kMaxWindowNumber)
        return emitOptionalError(loc, op, ": ", name, " ", number, " is too large");
    }
  }
  if (auto both = dyn_cast<DenseI64ArrayAttr>(padding))
    for (int64_t border : both.asArrayRef()) {
      if (border < 0)
        return emitOptionalError(loc, op, ": padding must not be negative, is ", border);
      if (border > kMaxWindowNumber)
        return emitOptionalError(loc, op, ": padding ", border, " is too large");
    }
  ArrayRef<int64_t> size = x.getShape().slice(1, 2);
  auto pads = resolvePadding(padding, size, window, stride, dilation);
  std::array<int64_t, 2> result, padded;
  for (int i = 0; i < 2; ++i) {
    padded[i] = size[i] + pads[i].before + pads[i].after;
    result[i] = windowCount(padded[i], window[i], stride[i], dilation[i]);
  }
  if (result[0] < 1 || result[1] < 1) {
    auto pair = [](int64_t a, int64_t b) {
      return a == b ? std::to_string(a)
                    : "[" + std::to_string(a) + ", " + std::to_string(b) + "]";
    };
    return emitOptionalError(
        loc, op, ": ", windowName, " ", pair(window[0], window[1]),
        dilation[0] > 1 || dilation[1] > 1
            ? " with dilation " + pair(dilation[0], dilation[1])
            : std::string(),
        " is larger than the padded input ", padded[0], "x", padded[1]);
  }
  return result;
}

Value padImages(OpBuilder &builder, Location loc, Value x,
                std::array<Padding, 2> padding, double value) {
  if (!padding[0].any() && !padding[1].any())
    return x;
  int64_t before[] = {0, padding[0].before, padding[1].before, 0};
  int64_t after[] = {0, padding[0].after, padding[1].after, 0};
  return builder.create<PadOp>(loc, x, before, after, APFloat(value));
}

static const int64_t kOnes[] = {1, 1};

//===----------------------------------------------------------------------===//
// conv2d
//===----------------------------------------------------------------------===//

FM_SPECS(Conv2dOp) {
  auto x = cast<RankedTensorType>(inputs[0]);
  int64_t filters = intOf(attributes, "filters");
  int64_t groups = intOf(attributes, "groups");
  auto kernel = intsOf(attributes, "kernel");
  if (failed(checkWindow(loc, "conv2d", "kernel", x, kernel,
                         intsOf(attributes, "stride"), attributes.get("padding"),
                         intsOf(attributes, "dilation"))))
    return failure();
  int64_t channels = x.getDimSize(3);
  if (x.isDynamicDim(3))
    return mlir::emitError(loc) << "conv2d: needs images [n, height, width, channels], got "
                                << toString(x);
  if (filters < 1)
    return mlir::emitError(loc) << "conv2d: filters must be positive, is " << filters;
  if (groups < 1 || channels % groups || filters % groups)
    return mlir::emitError(loc) << "conv2d: groups = " << groups
                          << " must divide the " << channels
                          << " input channels and the " << filters << " filters";
  int64_t area = kernel[0] * kernel[1];
  int64_t fanIn = area * (channels / groups), fanOut = area * (filters / groups);
  SmallVector<ParameterSpec> specs;
  specs.push_back({"kernel",
                   RankedTensorType::get({kernel[0], kernel[1], channels / groups, filters},
                                         x.getElementType()),
                   attributes.getAs<InitAttr>("kernel_init"), fanIn, fanOut});
  if (attributes.getAs<BoolAttr>("bias").getValue())
    specs.push_back({"bias", RankedTensorType::get({filters}, x.getElementType()),
                     attributes.getAs<InitAttr>("bias_init"), fanIn, fanOut});
  return specs;
}
FM_INFER(Conv2dOp) {
  RankedTensorType x = tensorType(operands[0]);
  auto positions = checkWindow(loc, "conv2d", "kernel", x, intsOf(attributes, "kernel"),
                               intsOf(attributes, "stride"), attributes.get("padding"),
                               intsOf(attributes, "dilation"));
  if (failed(positions))
    return failure();
  types.push_back(RankedTensorType::get(
      {x.getDimSize(0), (*positions)[0], (*positions)[1], intOf(attributes, "filters")},
      x.getElementType()));
  return success();
}
SmallVector<Value> Conv2dOp::decompose(DecomposeContext &context) {
  auto pads = resolvePadding(getPadding(), tensorType(getX()).getShape().slice(1, 2),
                             getKernel(), getStride(), getDilation());
  Value x = padImages(context.builder, getLoc(), getX(), pads, 0);
  TensorExpr y = expr(context, *this,
                      context.builder.create<ConvOp>(
                          getLoc(), x, getParameters()[0], getStride(),
                          getDilation(), getGroups()));
  return {getBias() ? y + expr(context, *this, getParameters()[1]) : y};
}

//===----------------------------------------------------------------------===//
// Pooling
//===----------------------------------------------------------------------===//

static LogicalResult inferPool(OptionalLocation loc, StringRef op, Value x,
                               DictionaryAttr attributes, Types &types) {
  RankedTensorType type = tensorType(x);
  auto size = intsOf(attributes, "size");
  auto positions = checkWindow(loc, op, "size", type, size, intsOf(attributes, "stride"),
                               attributes.get("padding"), kOnes);
  if (failed(positions))
    return failure();
  // A window of nothing but border has neither a largest element nor a mean.
  if (auto borders = dyn_cast<DenseI64ArrayAttr>(attributes.get("padding")))
    for (auto [border, window] : llvm::zip(borders.asArrayRef(), size))
      if (border >= window)
        return emitOptionalError(loc, op, ": padding ", border, " must be smaller than size ", window);
  types.push_back(RankedTensorType::get(
      {type.getDimSize(0), (*positions)[0], (*positions)[1], type.getDimSize(3)},
      type.getElementType()));
  return success();
}
FM_INFER(MaxPool2dOp) {
  return inferPool(loc, "max_pool2d", operands[0], attributes, types);
}
FM_INFER(AvgPool2dOp) {
  return inferPool(loc, "avg_pool2d", operands[0], attributes, types);
}

SmallVector<Value> MaxPool2dOp::decompose(DecomposeContext &context) {
  auto pads = resolvePadding(getPadding(), tensorType(getX()).getShape().slice(1, 2),
                             getSize(), getStride(), kOnes);
  Value x = padImages(context.builder, getLoc(), getX(), pads,
                      -std::numeric_limits<double>::infinity());
  return {context.builder.create<WindowMaxOp>(getLoc(), x, getSize(), getStride())
              .getY()};
}

SmallVector<Value> AvgPool2dOp::decompose(DecomposeContext &context) {
  RankedTensorType type = tensorType(getX());
  auto size = type.getShape().slice(1, 2);
  auto pads = resolvePadding(getPadding(), size, getSize(), getStride(), kOnes);
  Value x = padImages(context.builder, getLoc(), getX(), pads, 0);
  TensorExpr total = expr(
      context, *this,
      context.builder.create<WindowSumOp>(getLoc(), x, getSize(), getStride()));
  if (!pads[0].any() && !pads[1].any())
    return {total * (1.0 / double(getSize()[0] * getSize()[1]))};
  // How many elements of the image each window covers.
  RankedTensorType y = tensorType(getY());
  SmallVector<double> share;
  auto covered = [&](int axis, int64_t position) {
    int64_t begin = position * getStride()[axis] - pads[axis].before;
    int64_t end = std::min(begin + getSize()[axis], size[axis]);
    return end - std::max<int64_t>(begin, 0);
  };
  for (int64_t i = 0; i < y.getDimSize(1); ++i)
    for (int64_t j = 0; j < y.getDimSize(2); ++j)
      share.push_back(1.0 / double(std::max<int64_t>(1, covered(0, i) * covered(1, j))));
  auto shareType = RankedTensorType::get({1, y.getDimSize(1), y.getDimSize(2), 1},
                                         y.getElementType());
  SmallVector<Attribute> values;
  for (double value : share)
    values.push_back(FloatAttr::get(y.getElementType(), value));
  TensorExpr shares = expr(context, *this,
                           context.builder.create<ConstantOp>(
                               getLoc(), DenseElementsAttr::get(shareType, values)));
  return {total * shares};
}

static LogicalResult inferGlobalPool(OptionalLocation loc, StringRef op, Value x,
                                     Types &types) {
  RankedTensorType type = tensorType(x);
  if (type.getRank() != 4)
    return emitOptionalError(loc, op, ": needs images [n, height, width, channels], got ",
                             toString(type));
  types.push_back(RankedTensorType::get({type.getDimSize(0), type.getDimSize(3)},
                                        type.getElementType()));
  return success();
}
FM_INFER(GlobalMaxPool2dOp) {
  return inferGlobalPool(loc, "global_max_pool2d", operands[0], types);
}
FM_INFER(GlobalAvgPool2dOp) {
  return inferGlobalPool(loc, "global_avg_pool2d", operands[0], types);
}
SmallVector<Value> GlobalMaxPool2dOp::decompose(DecomposeContext &context) {
  return {expr(context, *this, getX()).max({1, 2}, false)};
}
SmallVector<Value> GlobalAvgPool2dOp::decompose(DecomposeContext &context) {
  return {expr(context, *this, getX()).mean({1, 2}, false)};
}

//===----------------------------------------------------------------------===//
// Normalisation
//===----------------------------------------------------------------------===//

static SmallVector<ParameterSpec> normSpecs(MLIRContext *context, RankedTensorType x) {
  auto vector = RankedTensorType::get({x.getShape().back()}, x.getElementType());
  return {{"gamma", vector, constantInit(context, 1)},
          {"beta", vector, constantInit(context, 0)}};
}
static LogicalResult checkNorm(Location loc, StringRef op, RankedTensorType x,
                               DictionaryAttr attributes) {
  if (x.getRank() < 2 || x.isDynamicDim(x.getRank() - 1))
    return mlir::emitError(loc) << op << ": needs two dimensions or more, the last of them features, got "
                          << toString(x);
  double epsilon = attributes.getAs<FloatAttr>("epsilon").getValueAsDouble();
  if (!(epsilon > 0))
    return mlir::emitError(loc) << op << ": epsilon must be positive, is " << shortNumber(epsilon);
  return success();
}
static LogicalResult inferSame(ValueRange operands, Types &types) {
  types.push_back(operands[0].getType());
  return success();
}

FM_SPECS(BatchNormOp) {
  auto x = cast<RankedTensorType>(inputs[0]);
  if (failed(checkNorm(loc, "batch_norm", x, attributes)))
    return failure();
  double momentum = attributes.getAs<FloatAttr>("momentum").getValueAsDouble();
  if (!(momentum >= 0 && momentum <= 1))
    return mlir::emitError(loc) << "batch_norm: momentum must lie in [0, 1], is " << shortNumber(momentum);
  MLIRContext *context = attributes.getContext();
  auto specs = normSpecs(context, x);
  specs.push_back({"moving_mean", specs[0].type, constantInit(context, 0), 0, 0, true});
  specs.push_back({"moving_variance", specs[0].type, constantInit(context, 1), 0, 0, true});
  return specs;
}
FM_INFER(BatchNormOp) { return inferSame(operands, types); }
SmallVector<Value> BatchNormOp::decompose(DecomposeContext &context) {
  TensorExpr x = expr(context, *this, getX());
  auto parameter = [&](int i) { return expr(context, *this, getParameters()[i]); };
  TensorExpr gamma = parameter(0), beta = parameter(1);
  double epsilon = getEpsilon().convertToDouble();
  if (!context.training) {
    TensorExpr scale = gamma * rsqrt(parameter(3) + epsilon);
    return {x * scale + (beta - parameter(2) * scale)};
  }
  SmallVector<int64_t> axes;
  for (int64_t i = 0; i + 1 < x.type().getRank(); ++i)
    axes.push_back(i);
  auto normalized = context.builder.create<NormalizeOp>(getLoc(), x, axes, getEpsilon());
  double keep = getMomentum().convertToDouble();
  auto track = [&](int state, Value batch) {
    TensorExpr value = expr(context, *this, batch).reshape(gamma.type());
    context.assign(getParameters()[state], parameter(state) * keep + value * (1 - keep));
  };
  track(2, normalized.getMean());
  track(3, normalized.getVariance());
  return {expr(context, *this, normalized.getY()) * gamma + beta};
}

FM_SPECS(LayerNormOp) {
  auto x = cast<RankedTensorType>(inputs[0]);
  if (failed(checkNorm(loc, "layer_norm", x, attributes)))
    return failure();
  return normSpecs(attributes.getContext(), x);
}
FM_INFER(LayerNormOp) { return inferSame(operands, types); }
SmallVector<Value> LayerNormOp::decompose(DecomposeContext &context) {
  TensorExpr x = expr(context, *this, getX());
  int64_t last = x.type().getRank() - 1;
  auto normalized = context.builder.create<NormalizeOp>(
      getLoc(), x, ArrayRef<int64_t>(last), getEpsilon());
  return {expr(context, *this, normalized.getY()) *
              expr(context, *this, getParameters()[0]) +
          expr(context, *this, getParameters()[1])};
}

//===----------------------------------------------------------------------===//
// dropout
//===----------------------------------------------------------------------===//

FM_INFER(DropoutOp) {
  double rate = attributes.getAs<FloatAttr>("rate").getValueAsDouble();
  if (!(rate >= 0 && rate < 1))
    return emitOptionalError(loc, "dropout: rate must lie in [0, 1), is ", shortNumber(rate));
  return inferSame(operands, types);
}
SmallVector<Value> DropoutOp::decompose(DecomposeContext &context) {
  if (!context.training || getRate().isZero())
    return {getX()};
  TensorExpr x = expr(context, *this, getX());
  Value mask = context.builder.create<RandomMaskOp>(
      getLoc(), x.type(), context.seed, context.step, getRate(),
      context.nextStream());
  return {x * expr(context, *this, mask)};
}

//===----------------------------------------------------------------------===//
// mean, flatten, matmul
//===----------------------------------------------------------------------===//

SmallVector<Value> MeanOp::decompose(DecomposeContext &context) {
  auto axes = *normalizeAxes(std::nullopt, "mean", getAxis(),
                             tensorType(getX()).getRank());
  return {expr(context, *this, getX()).mean(axes, getKeepdims())};
}
SmallVector<Value> FlattenOp::decompose(DecomposeContext &context) {
  return {expr(context, *this, getX()).reshape(tensorType(getY()))};
}

SmallVector<Value> MatmulOp::decompose(DecomposeContext &context) {
  // Leading dimensions of length 1 that broadcast are dropped from an operand
  // and its labels; missing ones have no label to begin with.
  int64_t leading = tensorType(getY()).getRank() - 2;
  std::string lead;
  for (int64_t i = 0; i < leading; ++i)
    lead += char('a' + i);
  auto prepare = [&](Value value, StringRef matrix) {
    TensorExpr x = expr(context, *this, value);
    ArrayRef<int64_t> shape = x.type().getShape();
    int64_t own = x.type().getRank() - 2;
    std::string labels;
    SmallVector<int64_t> kept;
    for (int64_t i = 0; i < own; ++i) {
      int64_t at = leading - own + i;
      if (shape[i] == 1 && tensorType(getY()).getDimSize(at) != 1)
        continue;
      labels += lead[at];
      kept.push_back(shape[i]);
    }
    kept.append({shape[own], shape[own + 1]});
    return std::make_pair(
        x.reshape(RankedTensorType::get(kept, x.type().getElementType())),
        labels + matrix.str());
  };
  auto [a, labelsA] = prepare(getA(), getTransposeA() ? "yx" : "xy");
  auto [b, labelsB] = prepare(getB(), getTransposeB() ? "zy" : "yz");
  // A leading dimension of length 1 in both has its label from one of them.
  std::string result;
  for (char label : lead)
    result += label;
  return {context.builder.create<EinsumOp>(
      getLoc(), a, b, labelsA + "," + labelsB + "->" + result + "xz")};
}

} // namespace fm::ir
