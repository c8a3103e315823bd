//===- LowerWindows.cpp - Convolutions and pooling to linalg ----------------===//
//
// Loops of a convolution: n, y, x, (group), output channel, ky, kx, input
// channel. With one group, or one channel a group, the loop is left out.
//
//===----------------------------------------------------------------------===//

#include "compiler/ir/Parts.h"
#include "compiler/ir/LowerSupport.h"

using namespace mlir;
using Iterator = utils::IteratorType;

namespace fm::ir {

namespace {
/// Splits channels into [group, channel], leaving out what has length 1.
struct Channels {
  int64_t groups, perGroup;
  SmallVector<int64_t> dims() const {
    SmallVector<int64_t> result;
    if (groups > 1)
      result.push_back(groups);
    if (groups == 1 || perGroup > 1)
      result.push_back(perGroup);
    return result;
  }
};

/// The loops of a convolution and the maps of its three tensors.
struct ConvLoops {
  ConvLoops(LoweringContext &context, int64_t groups, int64_t in, int64_t out)
      : context(context), builder(context.builder), input{groups, in / groups}, output{groups, out / groups} {}

  LoweringContext &context;
  OpBuilder &builder;
  Channels input, output;
  SmallVector<Iterator> iterators;

  AffineExpr loop(Iterator kind) {
    iterators.push_back(kind);
    return builder.getAffineDimExpr(iterators.size() - 1);
  }
  AffineMap map(ArrayRef<AffineExpr> exprs) {
    return AffineMap::get(iterators.size(), 0, exprs, builder.getContext());
  }
  /// [n, h, w, channels] to [n, h, w, channels split].
  Value images(Location loc, Value x, const Channels &channels) {
    RankedTensorType type = tensorType(x);
    SmallVector<int64_t> shape(type.getShape().drop_back());
    shape.append(channels.dims());
    return reshapeTensor(context, loc, x, type.clone(shape));
  }
  /// [kh, kw, in, groups * out] to [kh, kw, in?, group?, out?].
  SmallVector<int64_t> kernelShape(ArrayRef<int64_t> size) {
    SmallVector<int64_t> shape = {size[0], size[1]};
    if (input.groups == 1 || input.perGroup > 1)
      shape.push_back(input.perGroup);
    shape.append(output.dims());
    return shape;
  }
};
} // namespace

/// [first, second..] with the channel loops that exist.
static SmallVector<AffineExpr> withChannels(std::initializer_list<AffineExpr> first,
                                            const Channels &channels, AffineExpr group,
                                            AffineExpr channel) {
  SmallVector<AffineExpr> result(first);
  if (channels.groups > 1)
    result.push_back(group);
  if (channels.groups == 1 || channels.perGroup > 1)
    result.push_back(channel);
  return result;
}
static SmallVector<AffineExpr> kernelExprs(AffineExpr ky, AffineExpr kx, const Channels &in,
                                           const Channels &out, AffineExpr group,
                                           AffineExpr inChannel, AffineExpr outChannel) {
  SmallVector<AffineExpr> result = {ky, kx};
  if (in.groups == 1 || in.perGroup > 1)
    result.push_back(inChannel);
  result.append(withChannels({}, out, group, outChannel));
  return result;
}

/// The convolution from which all three derive: each element of its result sums
/// over the part of the kernel [kh, kw, in, out] that belongs to one output.
static int64_t convMultiplyAdds(Value y, Value kernel, int64_t batch) {
  RankedTensorType result = tensorType(y), w = tensorType(kernel);
  int64_t product = batch * (w.getNumElements() / w.getDimSize(3));
  for (int64_t size : result.getShape().drop_front())
    product *= size;
  return product;
}
int64_t ConvOp::getMultiplyAdds(int64_t batch) { return convMultiplyAdds(getY(), getW(), batch); }
int64_t ConvInputGradOp::getMultiplyAdds(int64_t batch) { return convMultiplyAdds(getDy(), getW(), batch); }
int64_t ConvKernelGradOp::getMultiplyAdds(int64_t batch) { return convMultiplyAdds(getDy(), getY(), batch); }

FM_LOWER(ConvOp) {
  auto type = cast<RankedTensorType>(getType());
  ConvLoops loops(context, getGroups(), tensorType(getX()).getDimSize(3), type.getDimSize(3));
  auto parallel = [&] { return loops.loop(Iterator::parallel); };
  auto reduction = [&] { return loops.loop(Iterator::reduction); };
  AffineExpr n = parallel(), y = parallel(), x = parallel(), group, outChannel, inChannel;
  if (getGroups() > 1)
    group = parallel();
  if (getGroups() == 1 || loops.output.perGroup > 1)
    outChannel = parallel();
  AffineExpr ky = reduction(), kx = reduction();
  if (getGroups() == 1 || loops.input.perGroup > 1)
    inChannel = reduction();
  auto stride = getStride(), dilation = getDilation();
  AffineMap maps[] = {
      loops.map(withChannels({n, y * stride[0] + ky * dilation[0], x * stride[1] + kx * dilation[1]},
                             loops.input, group, inChannel)),
      loops.map(kernelExprs(ky, kx, loops.input, loops.output, group, inChannel, outChannel)),
      loops.map(withChannels({n, y, x}, loops.output, group, outChannel))};
  Value image = loops.images(getLoc(), context.operands[0], loops.input);
  RankedTensorType w = tensorType(getW());
  Value kernel = reshapeTensor(context, getLoc(), context.operands[1],
                               w.clone(loops.kernelShape(w.getShape())));
  SmallVector<int64_t> shape(type.getShape().drop_back());
  shape.append(loops.output.dims());
  Value result = buildContraction(context, getLoc(), type.clone(shape), image, kernel, maps,
                                  loops.iterators);
  return {reshapeTensor(context, getLoc(), result, type)};
}

// dx[h] = sum over ky of dy[(h - ky * dilation) / stride] where that is whole
// and inside: a stride-1 convolution, with the kernel flipped, of dy spread by
// the stride and bordered by (kernel - 1) * dilation zeros; from `origin` on.
FM_LOWER(ConvInputGradOp) {
  OpBuilder &builder = context.builder;
  RankedTensorType dy = tensorType(getDy()), w = tensorType(getW());
  auto type = cast<RankedTensorType>(getType());
  auto stride = getStride(), dilation = getDilation();
  int64_t border[2];
  SmallVector<int64_t> spreadShape(dy.getShape());
  for (int i = 0; i < 2; ++i) {
    border[i] = (w.getDimSize(i) - 1) * dilation[i];
    spreadShape[1 + i] = type.getDimSize(1 + i) + border[i];
  }
  Value source = context.operands[0];
  bool isSpread = spreadShape != dy.getShape() || stride[0] > 1 || stride[1] > 1 || originAlong(0) || originAlong(1);
  Value spread = source;
  if (isSpread)
    spread = buildGather(context, getLoc(), dy.clone(spreadShape), {}, {},
                         [&](IndexBuilder &at, ValueRange) {
      SmallVector<Value> indices = {at.dim(0), {}, {}, at.dim(3)};
      Value inside;
      for (int i = 0; i < 2; ++i) {
        Value offset = at.add(at.dim(1 + i), originAlong(i) - border[i]);
        Value position = at.div(offset, stride[i]);
        inside = at.both(inside, at.inRange(position, 0, dy.getDimSize(1 + i)));
        if (stride[i] > 1)
          inside = at.both(inside, at.equals(at.rem(offset, stride[i]), 0));
        indices[1 + i] = at.clamp(position, 0, dy.getDimSize(1 + i));
      }
      return at.select(inside, at.load(source, indices), at.number(dy.getElementType(), 0));
    });
  if (isSpread && stride[0] == 1 && stride[1] == 1) {
    SmallVector<int64_t> before = {0, border[0] - originAlong(0), border[1] - originAlong(1), 0}, after(4, 0);
    for (int i = 1; i <= 2; ++i)
      after[i] = spreadShape[i] - dy.getDimSize(i) - before[i];
    setPadding(spread.getDefiningOp(), {before, after, 0});
  }
  ConvLoops loops(context, getGroups(), type.getDimSize(3), dy.getDimSize(3));
  auto parallel = [&] { return loops.loop(Iterator::parallel); };
  auto reduction = [&] { return loops.loop(Iterator::reduction); };
  AffineExpr n = parallel(), h = parallel(), v = parallel(), group, outChannel, inChannel;
  if (getGroups() > 1)
    group = parallel();
  if (getGroups() == 1 || loops.input.perGroup > 1)
    inChannel = parallel();
  AffineExpr ky = reduction(), kx = reduction();
  if (getGroups() == 1 || loops.output.perGroup > 1)
    outChannel = reduction();
  AffineMap maps[] = {
      loops.map(withChannels({n, h - ky * dilation[0] + border[0], v - kx * dilation[1] + border[1]},
                             loops.output, group, outChannel)),
      loops.map(kernelExprs(ky, kx, loops.input, loops.output, group, inChannel, outChannel)),
      loops.map(withChannels({n, h, v}, loops.input, group, inChannel))};
  Value gradient = loops.images(getLoc(), spread, loops.output);
  Value kernel = reshapeTensor(context, getLoc(), context.operands[1],
                               w.clone(loops.kernelShape(w.getShape())));
  SmallVector<int64_t> shape(type.getShape().drop_back());
  shape.append(loops.input.dims());
  Value result = buildContraction(context, getLoc(), type.clone(shape), gradient, kernel, maps,
                                  loops.iterators);
  (void)builder;
  return {reshapeTensor(context, getLoc(), result, type)};
}

FM_LOWER(InterleaveOp) {
  auto type = cast<RankedTensorType>(getType());
  const int64_t down = getStride()[0], right = getStride()[1];
  return {buildGather(context, getLoc(), type, {}, {}, [&](IndexBuilder &at, ValueRange) {
    Value row = at.div(at.dim(1), down), column = at.div(at.dim(2), right);
    Value atRow = at.rem(at.dim(1), down), atColumn = at.rem(at.dim(2), right);
    Value result = at.number(type.getElementType(), 0);
    for (auto [part, phase] : llvm::zip(context.operands, getPhases())) {
      RankedTensorType size = tensorType(part);
      Value element = at.load(part, {at.dim(0), at.clamp(row, 0, size.getDimSize(1)),
                                     at.clamp(column, 0, size.getDimSize(2)), at.dim(3)});
      Value here = at.both(at.equals(atRow, phase / right), at.equals(atColumn, phase % right));
      result = at.select(here, element, result);
    }
    return result;
  })};
}

FM_LOWER(ConvKernelGradOp) {
  RankedTensorType x = tensorType(getX()), dy = tensorType(getDy());
  auto type = cast<RankedTensorType>(getType());
  ConvLoops loops(context, getGroups(), x.getDimSize(3), dy.getDimSize(3));
  auto parallel = [&] { return loops.loop(Iterator::parallel); };
  auto reduction = [&] { return loops.loop(Iterator::reduction); };
  AffineExpr ky = parallel(), kx = parallel(), group, outChannel, inChannel;
  if (getGroups() == 1 || loops.input.perGroup > 1)
    inChannel = parallel();
  if (getGroups() > 1)
    group = parallel();
  if (getGroups() == 1 || loops.output.perGroup > 1)
    outChannel = parallel();
  AffineExpr n = reduction(), y = reduction(), v = reduction();
  auto stride = getStride(), dilation = getDilation();
  AffineMap maps[] = {
      loops.map(withChannels({n, y * stride[0] + ky * dilation[0], v * stride[1] + kx * dilation[1]},
                             loops.input, group, inChannel)),
      loops.map(withChannels({n, y, v}, loops.output, group, outChannel)),
      loops.map(kernelExprs(ky, kx, loops.input, loops.output, group, inChannel, outChannel))};
  Value image = loops.images(getLoc(), context.operands[0], loops.input);
  Value gradient = loops.images(getLoc(), context.operands[1], loops.output);
  Value result = buildContraction(context, getLoc(), type.clone(loops.kernelShape(type.getShape())),
                                  image, gradient, maps, loops.iterators);
  return {reshapeTensor(context, getLoc(), result, type)};
}

//===----------------------------------------------------------------------===//
// Pooling
//===----------------------------------------------------------------------===//

/// Loops n, y, x, c, ky, kx, and the maps of image, window and result.
static SmallVector<AffineMap, 3> windowMaps(Builder &builder, ArrayRef<int64_t> stride) {
  auto d = [&](int i) { return builder.getAffineDimExpr(i); };
  auto map = [&](ArrayRef<AffineExpr> exprs) {
    return AffineMap::get(6, 0, exprs, builder.getContext());
  };
  return {map({d(0), d(1) * stride[0] + d(4), d(2) * stride[1] + d(5), d(3)}),
          map({d(4), d(5)}), map({d(0), d(1), d(2), d(3)})};
}
static const Iterator kWindowIterators[] = {Iterator::parallel, Iterator::parallel,
                                            Iterator::parallel, Iterator::parallel,
                                            Iterator::reduction, Iterator::reduction};

/// A tensor that only gives the window's extent to the loops.
static Value windowExtent(LoweringContext &context, Location loc, ArrayRef<int64_t> size, Type element) {
  return emptyTensor(context, loc, RankedTensorType::get(size, element));
}

FM_LOWER(WindowMaxOp) {
  OpBuilder &builder = context.builder;
  auto type = cast<RankedTensorType>(getY().getType());
  auto positionType = cast<RankedTensorType>(getPosition().getType());
  auto maps = windowMaps(builder, getStride());
  Type element = type.getElementType();
  TypedAttr lowest = isa<FloatType>(element)
                         ? TypedAttr(FloatAttr::get(element, -std::numeric_limits<double>::infinity()))
                         : TypedAttr(IntegerAttr::get(element, APInt::getSignedMinValue(element.getIntOrFloatBitWidth())));
  Value image = context.operands[0];
  Value window = windowExtent(context, getLoc(), getSize(), element);
  Value start = filledTensor(context, getLoc(), type, lowest);
  // Where nobody asks for the position, it is not computed.
  bool wantsPosition = !getPosition().use_empty();
  SmallVector<Type> types = {type};
  SmallVector<Value> starts = {start};
  maps.push_back(maps[2]);
  if (wantsPosition) {
    types.push_back(positionType);
    starts.push_back(filledTensor(context, getLoc(), positionType,
                                  cast<TypedAttr>(builder.getZeroAttr(positionType.getElementType()))));
  } else {
    maps.pop_back();
  }
  auto generic = builder.create<linalg::GenericOp>(
      getLoc(), types, ValueRange{image, window}, starts, maps, kWindowIterators,
      [&](OpBuilder &body, Location loc, ValueRange elements) {
        ScalarExpr x(body, loc, elements[0]), best(body, loc, elements[2]);
        if (!wantsPosition) { // no question which of two equal ones, or of two NaNs
          body.create<linalg::YieldOp>(loc, best.maximum(x).value);
          return;
        }
        ScalarExpr larger = x.compare("gt", best);
        if (x.isFloat()) // the last NaN wins, as in PyTorch
          larger = {body, loc, body.create<arith::OrIOp>(loc, larger.value, x.compare("ne", x).value)};
        IndexBuilder at{body, loc};
        Value position = body.create<arith::AddIOp>(loc, at.mul(at.dim(4), getSize()[1]), at.dim(5));
        Value number = body.create<arith::IndexCastOp>(loc, positionType.getElementType(), position);
        body.create<linalg::YieldOp>(
            loc, ValueRange{larger.select(x, best), larger.select({body, loc, number}, {body, loc, elements[3]})});
      });
  return {generic.getResult(0), wantsPosition ? generic.getResult(1) : Value()};
}

FM_LOWER(WindowSumOp) {
  OpBuilder &builder = context.builder;
  auto type = cast<RankedTensorType>(getType());
  Value window = windowExtent(context, getLoc(), getSize(), type.getElementType());
  Value start = filledTensor(context, getLoc(), type,
                             cast<TypedAttr>(builder.getZeroAttr(type.getElementType())));
  auto generic = builder.create<linalg::GenericOp>(
      getLoc(), type, ValueRange{context.operands[0], window}, start,
      windowMaps(builder, getStride()), kWindowIterators,
      [&](OpBuilder &body, Location loc, ValueRange elements) {
        body.create<linalg::YieldOp>(
            loc, body.create<arith::AddFOp>(loc, elements[2], elements[0]).getResult());
      });
  return {generic.getResult(0)};
}

/// The gradient of a window op's image, gathered: each element asks the windows
/// that cover it. `part(window indices, ky, kx)` is one window's share.
static Value lowerWindowGrad(
    LoweringContext &context, Location loc, RankedTensorType dy, RankedTensorType dx,
    ArrayRef<int64_t> size, ArrayRef<int64_t> stride,
    function_ref<Value(IndexBuilder &, ValueRange window, Value ky, Value kx)> part) {
  OpBuilder &builder = context.builder;
  Type element = dx.getElementType();
  if (size[0] <= stride[0] && size[1] <= stride[1]) {
    // Windows do not overlap: each element lies in one at most.
    return buildGather(context, loc, dx, {}, {}, [&](IndexBuilder &at, ValueRange) {
      SmallVector<Value> window = {at.dim(0), {}, {}, at.dim(3)}, inWindow;
      Value inside;
      for (int i = 0; i < 2; ++i) {
        Value position = at.div(at.dim(1 + i), stride[i]);
        Value k = at.rem(at.dim(1 + i), stride[i]);
        if (dx.getDimSize(1 + i) > dy.getDimSize(1 + i) * stride[i]) {
          inside = at.both(inside, at.inRange(position, 0, dy.getDimSize(1 + i)));
          position = at.clamp(position, 0, dy.getDimSize(1 + i));
        }
        if (size[i] < stride[i])
          inside = at.both(inside, at.inRange(k, 0, size[i]));
        window[1 + i] = position;
        inWindow.push_back(k);
      }
      return at.select(inside, part(at, window, inWindow[0], inWindow[1]), at.number(element, 0));
    });
  }
  Value extent = windowExtent(context, loc, size, element);
  Value start = filledTensor(context, loc, dx, cast<TypedAttr>(builder.getZeroAttr(element)));
  SmallVector<AffineMap> maps = {
      AffineMap::get(6, 0, {builder.getAffineDimExpr(4), builder.getAffineDimExpr(5)}, builder.getContext()),
      windowMaps(builder, stride)[2]};
  auto generic = builder.create<linalg::GenericOp>(
      loc, dx, extent, start, maps, kWindowIterators,
      [&](OpBuilder &body, Location bodyLoc, ValueRange elements) {
        IndexBuilder at{body, bodyLoc};
        SmallVector<Value> window = {at.dim(0), {}, {}, at.dim(3)};
        Value inside;
        for (int i = 0; i < 2; ++i) {
          Value offset = body.create<arith::SubIOp>(bodyLoc, at.dim(1 + i), at.dim(4 + i));
          Value position = at.div(offset, stride[i]);
          inside = at.both(inside, at.inRange(position, 0, dy.getDimSize(1 + i)));
          if (stride[i] > 1)
            inside = at.both(inside, at.equals(at.rem(offset, stride[i]), 0));
          window[1 + i] = at.clamp(position, 0, dy.getDimSize(1 + i));
        }
        Value share = at.select(inside, part(at, window, at.dim(4), at.dim(5)), at.number(element, 0));
        body.create<linalg::YieldOp>(
            bodyLoc, body.create<arith::AddFOp>(bodyLoc, elements[1], share).getResult());
      });
  return generic.getResult(0);
}

FM_LOWER(WindowMaxGradOp) {
  Value dy = context.operands[0], position = context.operands[1];
  Type number = tensorType(position).getElementType();
  auto type = cast<RankedTensorType>(getType());
  return {lowerWindowGrad(context, getLoc(), tensorType(dy), type, getSize(), getStride(),
                          [&](IndexBuilder &at, ValueRange window, Value ky, Value kx) -> Value {
    OpBuilder &b = at.builder;
    Value here = b.create<arith::AddIOp>(at.loc, at.mul(ky, getSize()[1]), kx);
    here = b.create<arith::IndexCastOp>(at.loc, number, here);
    Value hit = b.create<arith::CmpIOp>(at.loc, arith::CmpIPredicate::eq, at.load(position, window), here);
    return at.select(hit, at.load(dy, window), at.number(type.getElementType(), 0));
  })};
}
FM_LOWER(WindowSumGradOp) {
  Value dy = context.operands[0];
  return {lowerWindowGrad(context, getLoc(), tensorType(dy), cast<RankedTensorType>(getType()),
                          getSize(), getStride(),
                          [&](IndexBuilder &at, ValueRange window, Value, Value) {
    return at.load(dy, window);
  })};
}

} // namespace fm::ir
