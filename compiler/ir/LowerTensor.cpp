//===- LowerTensor.cpp - Reductions, shapes, einsum to linalg ---------------===//

#include "compiler/ir/Parts.h"
#include "compiler/ir/LowerSupport.h"

using namespace mlir;

namespace fm::ir {

//===----------------------------------------------------------------------===//
// Building blocks
//===----------------------------------------------------------------------===//

Value buildGather(LoweringContext &context, Location loc, RankedTensorType type,
                  ValueRange inputs, ArrayRef<AffineMap> inputMaps,
                  function_ref<Value(IndexBuilder &, ValueRange)> body) {
  OpBuilder &builder = context.builder;
  SmallVector<AffineMap> maps(inputMaps);
  maps.push_back(builder.getMultiDimIdentityMap(type.getRank()));
  SmallVector<utils::IteratorType> iterators(type.getRank(), utils::IteratorType::parallel);
  auto generic = builder.create<linalg::GenericOp>(
      loc, type, inputs, emptyTensor(context, loc, type), maps, iterators,
      [&](OpBuilder &inner, Location bodyLoc, ValueRange elements) {
        IndexBuilder at{inner, bodyLoc};
        inner.create<linalg::YieldOp>(bodyLoc, body(at, elements.drop_back()));
      });
  return generic.getResult(0);
}

Value IndexBuilder::dim(int64_t i) { return builder.create<linalg::IndexOp>(loc, i); }
Value IndexBuilder::constant(int64_t value) {
  return builder.create<arith::ConstantIndexOp>(loc, value);
}
Value IndexBuilder::add(Value a, int64_t b) {
  return b == 0 ? a : builder.create<arith::AddIOp>(loc, a, constant(b));
}
Value IndexBuilder::mul(Value a, int64_t b) {
  return b == 1 ? a : builder.create<arith::MulIOp>(loc, a, constant(b));
}
Value IndexBuilder::div(Value a, int64_t b) {
  return b == 1 ? a : builder.create<arith::FloorDivSIOp>(loc, a, constant(b));
}
Value IndexBuilder::rem(Value a, int64_t b) {
  if (b == 1)
    return constant(0);
  // Floor modulus, so that it goes with floor division.
  Value product = mul(div(a, b), b);
  return builder.create<arith::SubIOp>(loc, a, product);
}
Value IndexBuilder::inRange(Value a, int64_t low, int64_t high) {
  auto compare = [&](arith::CmpIPredicate predicate, int64_t bound) -> Value {
    return builder.create<arith::CmpIOp>(loc, predicate, a, constant(bound));
  };
  return both(compare(arith::CmpIPredicate::sge, low), compare(arith::CmpIPredicate::slt, high));
}
Value IndexBuilder::equals(Value a, int64_t b) {
  return builder.create<arith::CmpIOp>(loc, arith::CmpIPredicate::eq, a, constant(b));
}
Value IndexBuilder::both(Value a, Value b) {
  if (!a || !b)
    return a ? a : b;
  return builder.create<arith::AndIOp>(loc, a, b);
}
Value IndexBuilder::clamp(Value a, int64_t low, int64_t high) {
  a = builder.create<arith::MaxSIOp>(loc, a, constant(low));
  return builder.create<arith::MinSIOp>(loc, a, constant(high - 1));
}
Value IndexBuilder::load(Value tensor, ValueRange indices) {
  return builder.create<tensor::ExtractOp>(loc, tensor, indices);
}
Value IndexBuilder::number(Type type, double value) {
  TypedAttr attr = isa<FloatType>(type) ? TypedAttr(FloatAttr::get(type, value))
                                        : TypedAttr(IntegerAttr::get(type, int64_t(value)));
  return builder.create<arith::ConstantOp>(loc, attr);
}
Value IndexBuilder::select(Value condition, Value a, Value b) {
  return condition ? builder.create<arith::SelectOp>(loc, condition, a, b) : a;
}

/// The identity of a reduction.
static TypedAttr lowestOf(Builder &builder, Type element) {
  if (auto floatType = dyn_cast<FloatType>(element))
    return FloatAttr::get(floatType, -std::numeric_limits<double>::infinity());
  return IntegerAttr::get(element, APInt::getSignedMinValue(element.getIntOrFloatBitWidth()));
}
static TypedAttr highestOf(Builder &builder, Type element) {
  if (auto floatType = dyn_cast<FloatType>(element))
    return FloatAttr::get(floatType, std::numeric_limits<double>::infinity());
  return IntegerAttr::get(element, APInt::getSignedMaxValue(element.getIntOrFloatBitWidth()));
}

//===----------------------------------------------------------------------===//
// Reductions
//===----------------------------------------------------------------------===//

/// A reduction of `x` over `axis`; kept axes come back by a reshape.
static Value lowerReduction(Operation *op, LoweringContext &context, ArrayRef<int64_t> axis,
                            TypedAttr identity,
                            function_ref<Value(ScalarExpr, ScalarExpr)> combine) {
  OpBuilder &builder = context.builder;
  Location loc = op->getLoc();
  auto x = cast<RankedTensorType>(op->getOperand(0).getType());
  auto axes = *normalizeAxes(std::nullopt, "", axis, x.getRank());
  if (axes.empty()) // of a scalar
    return context.operands[0];
  SmallVector<int64_t> shape;
  SmallVector<AffineExpr> kept;
  SmallVector<utils::IteratorType> iterators;
  for (int64_t i = 0; i < x.getRank(); ++i) {
    bool reduced = llvm::is_contained(axes, i);
    iterators.push_back(reduced ? utils::IteratorType::reduction : utils::IteratorType::parallel);
    if (reduced)
      continue;
    shape.push_back(x.getDimSize(i));
    kept.push_back(builder.getAffineDimExpr(i));
  }
  auto type = RankedTensorType::get(shape, x.getElementType());
  Value start = filledTensor(context, loc, type, identity);
  AffineMap maps[] = {builder.getMultiDimIdentityMap(x.getRank()),
                      AffineMap::get(x.getRank(), 0, kept, builder.getContext())};
  auto generic = builder.create<linalg::GenericOp>(
      loc, type, context.operands[0], start, maps, iterators,
      [&](OpBuilder &body, Location bodyLoc, ValueRange elements) {
        Value result = combine({body, bodyLoc, elements[1]}, {body, bodyLoc, elements[0]});
        body.create<linalg::YieldOp>(bodyLoc, result);
      });
  return reshapeTensor(context, loc, generic.getResult(0),
                       cast<RankedTensorType>(op->getResult(0).getType()));
}

FM_LOWER(SumOp) {
  auto element = cast<RankedTensorType>(getType()).getElementType();
  return {lowerReduction(*this, context, getAxis(), cast<TypedAttr>(context.builder.getZeroAttr(element)),
                         [](ScalarExpr acc, ScalarExpr x) -> Value { return acc + x; })};
}
FM_LOWER(MaxOp) {
  auto element = cast<RankedTensorType>(getType()).getElementType();
  return {lowerReduction(*this, context, getAxis(), lowestOf(context.builder, element),
                         [](ScalarExpr acc, ScalarExpr x) -> Value { return acc.maximum(x); })};
}
FM_LOWER(MinOp) {
  auto element = cast<RankedTensorType>(getType()).getElementType();
  return {lowerReduction(*this, context, getAxis(), highestOf(context.builder, element),
                         [](ScalarExpr acc, ScalarExpr x) -> Value { return acc.minimum(x); })};
}

FM_LOWER(ArgmaxOp) {
  OpBuilder &builder = context.builder;
  auto x = cast<RankedTensorType>(getX().getType());
  auto index = cast<RankedTensorType>(getType());
  int64_t axis = getAxis() < 0 ? getAxis() + x.getRank() : getAxis();
  SmallVector<utils::IteratorType> iterators(x.getRank(), utils::IteratorType::parallel);
  iterators[axis] = utils::IteratorType::reduction;
  AffineMap all = builder.getMultiDimIdentityMap(x.getRank());
  AffineMap kept = all.dropResult(axis);
  auto value = index.clone(x.getElementType());
  auto generic = builder.create<linalg::GenericOp>(
      getLoc(), TypeRange{value, index}, context.operands[0],
      ValueRange{filledTensor(context, getLoc(), value, lowestOf(builder, x.getElementType())),
                 filledTensor(context, getLoc(), index, cast<TypedAttr>(builder.getZeroAttr(index.getElementType())))},
      ArrayRef<AffineMap>{all, kept, kept}, iterators,
      [&](OpBuilder &body, Location loc, ValueRange elements) {
        ScalarExpr element(body, loc, elements[0]), best(body, loc, elements[1]);
        Value position = body.create<arith::IndexCastOp>(
            loc, index.getElementType(), body.create<linalg::IndexOp>(loc, axis));
        ScalarExpr larger = element.compare("gt", best);
        if (element.isFloat()) { // the first NaN wins, as in PyTorch
          Value first = body.create<arith::AndIOp>(loc, element.compare("ne", element).value,
                                                   best.compare("eq", best).value);
          larger = {body, loc, body.create<arith::OrIOp>(loc, larger.value, first)};
        }
        Value values[] = {larger.select(element, best),
                          larger.select({body, loc, position}, {body, loc, elements[2]})};
        body.create<linalg::YieldOp>(loc, values);
      });
  return {generic.getResult(1)};
}

//===----------------------------------------------------------------------===//
// Shapes
//===----------------------------------------------------------------------===//

Value reshapeTensor(LoweringContext &context, Location loc, Value x, RankedTensorType to) {
  OpBuilder &builder = context.builder;
  auto from = cast<RankedTensorType>(x.getType());
  if (from == to)
    return x;
  bool samples = !from.hasStaticShape();
  // By way of [n, all] or [all]; a shape without further dimensions keeps its
  // ones in the same group as n.
  bool grouped = samples && from.getRank() > 1 && to.getRank() > 1;
  auto groups = [&](int64_t rank) {
    SmallVector<ReassociationIndices> result;
    if (grouped) {
      result.push_back({0});
      result.push_back(llvm::to_vector<2>(llvm::seq<int64_t>(1, rank)));
    } else if (rank > 0) {
      result.push_back(llvm::to_vector<2>(llvm::seq<int64_t>(0, rank)));
    }
    return result;
  };
  int64_t all = elementsPerSample(from.getShape());
  SmallVector<int64_t> flat;
  if (samples)
    flat.push_back(ShapedType::kDynamic);
  if (!samples || grouped)
    flat.push_back(all);
  auto flatType = RankedTensorType::get(flat, from.getElementType());
  if (from.getRank() == 0) // one element, new dimensions of length 1
    return builder.create<tensor::ExpandShapeOp>(loc, to, x, ArrayRef<ReassociationIndices>{},
                                                 getAsIndexOpFoldResult(builder.getContext(), to.getShape()));
  if (to.getRank() == 0)
    return builder.create<tensor::CollapseShapeOp>(loc, to, x, ArrayRef<ReassociationIndices>{});
  if (from != flatType)
    x = builder.create<tensor::CollapseShapeOp>(loc, flatType, x, groups(from.getRank()));
  if (to != flatType) {
    SmallVector<OpFoldResult> sizes;
    for (int64_t size : to.getShape())
      sizes.push_back(ShapedType::isDynamic(size) ? OpFoldResult(context.samples)
                                                  : OpFoldResult(builder.getIndexAttr(size)));
    x = builder.create<tensor::ExpandShapeOp>(loc, to, x, groups(to.getRank()), sizes);
  }
  return x;
}

FM_LOWER(ReshapeOp) {
  return {reshapeTensor(context, getLoc(), context.operands[0], cast<RankedTensorType>(getType()))};
}

FM_LOWER(TransposeOp) {
  auto type = cast<RankedTensorType>(getType());
  // Dimension i of the result is dimension axes[i] of x.
  SmallVector<AffineExpr> exprs(type.getRank());
  for (auto [i, axis] : llvm::enumerate(getAxes()))
    exprs[axis < 0 ? axis + type.getRank() : axis] = context.builder.getAffineDimExpr(i);
  auto map = AffineMap::get(type.getRank(), 0, exprs, getContext());
  return {buildGather(context, getLoc(), type, context.operands[0], map,
                      [](IndexBuilder &, ValueRange elements) { return elements[0]; })};
}

FM_LOWER(SliceOp) {
  auto x = cast<RankedTensorType>(getX().getType());
  auto type = cast<RankedTensorType>(getType());
  int64_t axis = getAxis() < 0 ? getAxis() + x.getRank() : getAxis();
  int64_t begin = getBegin() < 0 ? getBegin() + x.getDimSize(axis) : getBegin();
  // Not by an index map: linalg would take the loops' extents from x.
  Value source = context.operands[0];
  return {buildGather(context, getLoc(), type, {}, {}, [&](IndexBuilder &at, ValueRange) {
    SmallVector<Value> indices;
    for (int64_t i = 0; i < x.getRank(); ++i)
      indices.push_back(i == axis ? at.add(at.mul(at.dim(i), getStep()), begin) : at.dim(i));
    return at.load(source, indices);
  })};
}

FM_LOWER(ConcatOp) {
  auto type = cast<RankedTensorType>(getType());
  int64_t rank = type.getRank();
  int64_t axis = getAxis() < 0 ? getAxis() + rank : getAxis();
  Value joined = buildGather(context, getLoc(), type, {}, {}, [&](IndexBuilder &at, ValueRange) {
    // Each tensor is read at a clamped position; the last that begins at or
    // before this one is taken.
    Value result;
    int64_t begin = 0;
    for (Value x : context.operands) {
      int64_t size = cast<RankedTensorType>(x.getType()).getDimSize(axis);
      SmallVector<Value> indices;
      for (int64_t i = 0; i < rank; ++i)
        indices.push_back(i == axis ? at.clamp(at.add(at.dim(i), -begin), 0, size) : at.dim(i));
      Value element = at.load(x, indices);
      result = result ? at.select(at.inRange(at.dim(axis), begin, type.getDimSize(axis)), element, result)
                      : element;
      begin += size;
    }
    return result;
  });
  setConcat(joined.getDefiningOp(), axis);
  return {joined};
}

FM_LOWER(PadOp) {
  auto x = cast<RankedTensorType>(getX().getType());
  auto type = cast<RankedTensorType>(getType());
  double value = getValue().convertToDouble();
  Value source = context.operands[0];
  Value padded = buildGather(context, getLoc(), type, {}, {}, [&](IndexBuilder &at, ValueRange) {
    SmallVector<Value> indices;
    Value inside;
    for (int64_t i = 0; i < x.getRank(); ++i) {
      int64_t before = getBefore()[i], after = getAfter()[i];
      Value position = at.add(at.dim(i), -before);
      if (before || after) {
        inside = at.both(inside, at.inRange(position, 0, x.getDimSize(i)));
        position = at.clamp(position, 0, x.getDimSize(i));
      }
      indices.push_back(position);
    }
    return at.select(inside, at.load(source, indices), at.number(type.getElementType(), value));
  });
  setPadding(padded.getDefiningOp(), {getBefore(), getAfter(), value});
  return {padded};
}

FM_LOWER(EmbedOp) {
  auto x = cast<RankedTensorType>(getX().getType());
  auto type = cast<RankedTensorType>(getType());
  Value source = context.operands[0];
  return {buildGather(context, getLoc(), type, {}, {}, [&](IndexBuilder &at, ValueRange) {
    SmallVector<Value> indices;
    for (int64_t i = 0; i < x.getRank(); ++i)
      indices.push_back(at.dim(i));
    int64_t count = x.getDimSize(getAxis());
    Value offset = at.add(at.dim(getAxis()), -int64_t(getBegin()));
    Value position = at.div(offset, getStep());
    Value inside = at.inRange(position, 0, count);
    if (getStep() > 1)
      inside = at.both(inside, at.equals(at.rem(offset, getStep()), 0));
    indices[getAxis()] = at.clamp(position, 0, count);
    return at.select(inside, at.load(source, indices), at.number(type.getElementType(), 0));
  })};
}

//===----------------------------------------------------------------------===//
// Einsum
//===----------------------------------------------------------------------===//

Value buildContraction(LoweringContext &context, Location loc, RankedTensorType type,
                       Value a, Value b, ArrayRef<AffineMap> maps,
                       ArrayRef<utils::IteratorType> iterators) {
  OpBuilder &builder = context.builder;
  Value start = filledTensor(context, loc, type,
                             cast<TypedAttr>(builder.getZeroAttr(type.getElementType())));
  auto generic = builder.create<linalg::GenericOp>(
      loc, type, ValueRange{a, b}, start, maps, iterators,
      [&](OpBuilder &body, Location bodyLoc, ValueRange elements) {
        Value product = body.create<arith::MulFOp>(bodyLoc, elements[0], elements[1]);
        Value sum = body.create<arith::AddFOp>(bodyLoc, elements[2], product);
        body.create<linalg::YieldOp>(bodyLoc, sum);
      });
  return generic.getResult(0);
}

int64_t EinsumOp::getMultiplyAdds(int64_t batch) {
  std::map<char, int64_t> sizes;
  auto [inputs, y] = getEquation().split("->");
  auto [a, b] = inputs.split(',');
  for (auto [labels, operand] : {std::pair(a, getA()), std::pair(b, getB())})
    for (auto [label, size] : llvm::zip(labels, cast<RankedTensorType>(operand.getType()).getShape()))
      sizes[label] = ShapedType::isDynamic(size) ? batch : size;
  if (sizes.size() == y.size()) // nothing is summed
    return 0;
  int64_t product = 1;
  for (auto [label, size] : sizes)
    product *= size;
  return product;
}

FM_LOWER(EinsumOp) {
  OpBuilder &builder = context.builder;
  auto [inputs, y] = getEquation().split("->");
  auto [a, b] = inputs.split(',');
  // Loops: the result's labels, then those that are summed.
  std::string loops = y.str();
  for (StringRef labels : {a, b})
    for (char label : labels)
      if (loops.find(label) == std::string::npos)
        loops += label;
  SmallVector<utils::IteratorType> iterators(loops.size(), utils::IteratorType::reduction);
  std::fill_n(iterators.begin(), y.size(), utils::IteratorType::parallel);
  auto map = [&](StringRef labels) {
    SmallVector<AffineExpr> exprs;
    for (char label : labels)
      exprs.push_back(builder.getAffineDimExpr(loops.find(label)));
    return AffineMap::get(loops.size(), 0, exprs, getContext());
  };
  auto type = cast<RankedTensorType>(getType());
  if (loops.size() == y.size()) // nothing is summed
    return {buildGather(context, getLoc(), type, context.operands,
                        {map(a), map(b)},
                        [](IndexBuilder &at, ValueRange elements) -> Value {
                          return at.builder.create<arith::MulFOp>(
                              at.loc, elements[0], elements[1]);
                        })};
  return {buildContraction(context, getLoc(), type, context.operands[0],
                           context.operands[1], {map(a), map(b), map(y)},
                           iterators)};
}

} // namespace fm::ir
