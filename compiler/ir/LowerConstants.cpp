//===- LowerConstants.cpp - Constants, one-hot, random masks to linalg ------===//

#include "compiler/ir/LowerSupport.h"

using namespace mlir;

namespace fm::ir {

FM_LOWER(ConstantOp) {
  return {context.builder.create<arith::ConstantOp>(getLoc(), cast<TypedAttr>(getValueAttr()))};
}

FM_LOWER(SamplesOp) {
  RankedTensorType type = cast<RankedTensorType>(getType());
  return {buildGather(context, getLoc(), type, {}, {}, [&](IndexBuilder &at, ValueRange) -> Value {
    Value n = at.builder.create<arith::IndexCastOp>(at.loc, at.builder.getI64Type(), context.samples);
    return ScalarExpr(at.builder, at.loc, n).cast(type.getElementType());
  })};
}

FM_LOWER(BroadcastOp) {
  auto x = cast<RankedTensorType>(getX().getType());
  auto type = cast<RankedTensorType>(getType());
  SmallVector<AffineExpr> exprs;
  int64_t offset = type.getRank() - x.getRank();
  for (int64_t i = 0; i < x.getRank(); ++i)
    exprs.push_back(x.getDimSize(i) == 1 && type.getDimSize(offset + i) != 1
                        ? getAffineConstantExpr(0, getContext())
                        : getAffineDimExpr(offset + i, getContext()));
  auto map = AffineMap::get(type.getRank(), 0, exprs, getContext());
  return {buildGather(context, getLoc(), type, context.operands[0], map,
                      [](IndexBuilder &, ValueRange elements) { return elements[0]; })};
}

FM_LOWER(OneHotOp) {
  auto type = cast<RankedTensorType>(getType());
  auto map = context.builder.getMultiDimIdentityMap(type.getRank()).dropResult(type.getRank() - 1);
  return {buildGather(context, getLoc(), type, context.operands[0], map,
                      [&](IndexBuilder &at, ValueRange elements) {
    Value column = at.dim(type.getRank() - 1);
    Value index = at.builder.create<arith::IndexCastOp>(at.loc, column.getType(), elements[0]);
    Value hit = at.builder.create<arith::CmpIOp>(at.loc, arith::CmpIPredicate::eq, index, column);
    return at.select(hit, at.number(type.getElementType(), 1), at.number(type.getElementType(), 0));
  })};
}
SmallVector<std::pair<unsigned, int64_t>> OneHotOp::getIndexBounds() {
  return {{0, getDepth()}};
}

/// All 64 bits of `z` in each bit of the result: the finalizer of SplitMix64
/// (Steele, Lea, Flood, "Fast splittable pseudorandom number generators",
/// OOPSLA 2014, figure 16).
static Value mixBits(OpBuilder &b, Location loc, Value z) {
  auto number = [&](uint64_t value) -> Value {
    return b.create<arith::ConstantOp>(loc, b.getI64IntegerAttr(int64_t(value)));
  };
  auto fold = [&](int bits) {
    z = b.create<arith::XOrIOp>(loc, z, b.create<arith::ShRUIOp>(loc, z, number(bits)));
  };
  fold(30);
  z = b.create<arith::MulIOp>(loc, z, number(0xBF58476D1CE4E5B9));
  fold(27);
  z = b.create<arith::MulIOp>(loc, z, number(0x94D049BB133111EB));
  fold(31);
  return z;
}

// Philox2x32 with 7 rounds: Salmon, Moraes, Dror, Shaw, "Parallel random
// numbers: as easy as 1, 2, 3", SC 2011; constants from its section 4. Its 32
// bits of key and 64 of counter are too few for a seed, a pass, a stream and an
// element side by side: the first three are mixed to 64 bits, which are the same
// for all elements.
FM_LOWER(RandomMaskOp) {
  auto type = cast<RankedTensorType>(getType());
  auto scalarMap = AffineMap::get(type.getRank(), 0, ArrayRef<AffineExpr>{}, getContext());
  return {buildGather(context, getLoc(), type, {context.operands[0], context.operands[1]},
                      {scalarMap, scalarMap}, [&](IndexBuilder &at, ValueRange elements) {
    OpBuilder &b = at.builder;
    Type i64 = b.getI64Type();
    auto number = [&](int64_t value) -> Value {
      return b.create<arith::ConstantOp>(at.loc, b.getI64IntegerAttr(value));
    };
    Value mask = number(0xffffffff), half = number(32);
    auto low = [&](Value v) -> Value { return b.create<arith::AndIOp>(at.loc, v, mask); };
    auto high = [&](Value v) -> Value { return b.create<arith::ShRUIOp>(at.loc, v, half); };
    auto mix = [&](Value x, Value y) -> Value { return b.create<arith::XOrIOp>(at.loc, x, y); };
    auto add = [&](Value x, Value y) -> Value { return b.create<arith::AddIOp>(at.loc, x, y); };
    Value pass = b.create<arith::ShLIOp>(at.loc, elements[1], number(12));
    Value chosen = mixBits(b, at.loc, add(elements[0], number(0x9E3779B97F4A7C15)));
    chosen = mixBits(b, at.loc, mix(chosen, add(pass, number(getStream()))));
    Value key = low(chosen);
    Value position = at.constant(0);
    for (int64_t i = 0; i < type.getRank(); ++i) {
      position = at.mul(position, type.getDimSize(i));
      position = b.create<arith::AddIOp>(at.loc, position, at.dim(i));
    }
    position = b.create<arith::IndexCastOp>(at.loc, i64, position);
    Value left = low(position), right = mix(high(chosen), high(position));
    for (int round = 0; round < 7; ++round) {
      Value product = b.create<arith::MulIOp>(at.loc, left, number(0xD256D193));
      left = mix(mix(high(product), key), right);
      right = low(product);
      key = low(b.create<arith::AddIOp>(at.loc, key, number(0x9E3779B9)));
    }
    // The top 24 bits, against the rate in units of 2^-24.
    double rate = getRate().convertToDouble();
    Value top = b.create<arith::ShRUIOp>(at.loc, left, number(8));
    Value keep = b.create<arith::CmpIOp>(at.loc, arith::CmpIPredicate::sge, top,
                                         number(int64_t(rate * 16777216.0 + 0.5)));
    Type element = type.getElementType();
    return at.select(keep, at.number(element, 1.0 / (1.0 - rate)), at.number(element, 0));
  })};
}

} // namespace fm::ir
