//===- Expressions.cpp - Formulas that build ops ---------------------------===//

#include "compiler/ir/Expressions.h"
#include "compiler/ir/Support.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"

using namespace mlir;

namespace fm::ir {

//===----------------------------------------------------------------------===//
// TensorExpr
//===----------------------------------------------------------------------===//

template <typename OpT, typename... Args>
static TensorExpr make(const TensorExpr &at, Args &&...args) {
  auto op = at.builder->create<OpT>(at.loc, std::forward<Args>(args)...);
  return {*at.builder, at.loc, op->getResult(0)};
}

static ElementsAttr splat(RankedTensorType type, double number) {
  Type element = type.getElementType();
  if (auto floatType = dyn_cast<FloatType>(element))
    return DenseElementsAttr::get(type, FloatAttr::get(floatType, number));
  return DenseElementsAttr::get(type,
                                IntegerAttr::get(element, int64_t(number)));
}

TensorExpr TensorExpr::constant(double number) const {
  auto scalar = RankedTensorType::get({}, type().getElementType());
  return make<ConstantOp>(*this, splat(scalar, number));
}

TensorExpr TensorExpr::cast(Type element) const {
  if (type().getElementType() == element)
    return *this;
  return make<CastOp>(*this, value, element);
}

TensorExpr TensorExpr::sum(ArrayRef<int64_t> axes, bool keepdims) const {
  return make<SumOp>(*this, value, axes, keepdims);
}
TensorExpr TensorExpr::mean(ArrayRef<int64_t> axes, bool keepdims) const {
  int64_t count = 1;
  bool perSample = false;
  for (int64_t axis : axes) {
    if (type().isDynamicDim(axis))
      perSample = true;
    else
      count *= type().getDimSize(axis);
  }
  TensorExpr total = sum(axes, keepdims);
  if (!perSample)
    return total * (1.0 / double(count));
  TensorExpr n = make<SamplesOp>(*this, scalarOf(type()));
  return total / (n * double(count));
}
TensorExpr TensorExpr::max(ArrayRef<int64_t> axes, bool keepdims) const {
  return make<MaxOp>(*this, value, axes, keepdims);
}

TensorExpr TensorExpr::reshape(RankedTensorType to) const {
  if (to == type())
    return *this;
  return make<ReshapeOp>(*this, to, value, to.getShape());
}
TensorExpr TensorExpr::broadcast(RankedTensorType to) const {
  if (to == type())
    return *this;
  return make<BroadcastOp>(*this, to, value);
}
TensorExpr TensorExpr::compare(StringRef predicate, TensorExpr other) const {
  return make<CompareOp>(*this, predicate, value, other.value);
}

TensorExpr operator+(TensorExpr a, TensorExpr b) { return make<AddOp>(a, a.value, b.value); }
TensorExpr operator-(TensorExpr a, TensorExpr b) { return make<SubOp>(a, a.value, b.value); }
TensorExpr operator*(TensorExpr a, TensorExpr b) { return make<MulOp>(a, a.value, b.value); }
TensorExpr operator/(TensorExpr a, TensorExpr b) { return make<DivOp>(a, a.value, b.value); }
TensorExpr operator-(TensorExpr a) { return make<NegOp>(a, a.value); }
TensorExpr operator>(TensorExpr a, TensorExpr b) { return a.compare("gt", b); }
TensorExpr operator<(TensorExpr a, TensorExpr b) { return a.compare("lt", b); }
TensorExpr operator==(TensorExpr a, TensorExpr b) { return a.compare("eq", b); }

TensorExpr select(TensorExpr condition, TensorExpr a, TensorExpr b) {
  return make<SelectOp>(condition, condition.value, a.value, b.value);
}
TensorExpr abs(TensorExpr a) { return make<AbsOp>(a, a.value); }
TensorExpr exp(TensorExpr a) { return make<ExpOp>(a, a.value); }
TensorExpr log(TensorExpr a) { return make<LogOp>(a, a.value); }
TensorExpr sqrt(TensorExpr a) { return make<SqrtOp>(a, a.value); }
TensorExpr rsqrt(TensorExpr a) { return make<RsqrtOp>(a, a.value); }
TensorExpr tanh(TensorExpr a) { return make<TanhOp>(a, a.value); }
TensorExpr erf(TensorExpr a) { return make<ErfOp>(a, a.value); }
TensorExpr pow(TensorExpr a, TensorExpr b) { return make<PowOp>(a, a.value, b.value); }
TensorExpr maximum(TensorExpr a, TensorExpr b) { return make<MaximumOp>(a, a.value, b.value); }
TensorExpr sigmoid(TensorExpr a) { return make<SigmoidOp>(a, a.value); }

// The tanh form is that of Hendrycks and Gimpel, arXiv:1606.08415, section 2.
static constexpr double kSqrt2OverPi = 0.7978845608028654;
static constexpr double kGeluCubic = 0.044715;
static constexpr double kSqrtHalf = 0.7071067811865476;
static constexpr double kInvSqrt2Pi = 0.3989422804014327;

TensorExpr gelu(TensorExpr a, bool approximate) {
  if (approximate)
    return 0.5 * a * (1.0 + tanh(kSqrt2OverPi * (a + kGeluCubic * (a * a * a))));
  return 0.5 * a * (1.0 + erf(a * kSqrtHalf));
}

TensorExpr geluDerivative(TensorExpr a, bool approximate) {
  if (approximate) {
    TensorExpr t = tanh(kSqrt2OverPi * (a + kGeluCubic * (a * a * a)));
    TensorExpr inner = kSqrt2OverPi * (1.0 + 3 * kGeluCubic * (a * a));
    return 0.5 * (1.0 + t) + 0.5 * a * (1.0 - t * t) * inner;
  }
  TensorExpr cdf = 0.5 * (1.0 + erf(a * kSqrtHalf));
  TensorExpr pdf = kInvSqrt2Pi * exp(-0.5 * (a * a));
  return cdf + a * pdf;
}

//===----------------------------------------------------------------------===//
// ScalarExpr
//===----------------------------------------------------------------------===//

template <typename OpT, typename... Args>
static ScalarExpr scalar(const ScalarExpr &at, Args &&...args) {
  return {*at.builder, at.loc,
          at.builder->create<OpT>(at.loc, std::forward<Args>(args)...)};
}
template <typename FloatOp, typename IntOp>
static ScalarExpr either(ScalarExpr a, ScalarExpr b) {
  return a.isFloat() ? scalar<FloatOp>(a, a.value, b.value)
                     : scalar<IntOp>(a, a.value, b.value);
}

ScalarExpr ScalarExpr::constant(double number) const {
  Type type = value.getType();
  TypedAttr attr = isFloat() ? TypedAttr(FloatAttr::get(type, number))
                             : TypedAttr(IntegerAttr::get(type, int64_t(number)));
  return scalar<arith::ConstantOp>(*this, attr);
}

ScalarExpr operator+(ScalarExpr a, ScalarExpr b) { return either<arith::AddFOp, arith::AddIOp>(a, b); }
ScalarExpr operator-(ScalarExpr a, ScalarExpr b) { return either<arith::SubFOp, arith::SubIOp>(a, b); }
ScalarExpr operator*(ScalarExpr a, ScalarExpr b) { return either<arith::MulFOp, arith::MulIOp>(a, b); }
// No processor has an integer quotient for x / 0 and for the smallest number / -1,
// and some stop there: 0 and the wrapped negative.
ScalarExpr operator/(ScalarExpr a, ScalarExpr b) {
  if (a.isFloat())
    return scalar<arith::DivFOp>(a, a.value, b.value);
  ScalarExpr zero = b.constant(0);
  ScalarExpr isZero = b.compare("eq", zero), isMinusOne = b.compare("eq", b.constant(-1));
  ScalarExpr divisor = isZero.select(b.constant(1), isMinusOne.select(b.constant(1), b));
  ScalarExpr quotient = scalar<arith::DivSIOp>(a, a.value, divisor.value);
  return isZero.select(zero, isMinusOne.select(-a, quotient));
}
ScalarExpr operator-(ScalarExpr a) {
  return a.isFloat() ? scalar<arith::NegFOp>(a, a.value) : a.constant(0) - a;
}

ScalarExpr ScalarExpr::abs() const {
  return isFloat() ? scalar<math::AbsFOp>(*this, value)
                   : scalar<math::AbsIOp>(*this, value);
}
ScalarExpr ScalarExpr::exp() const { return scalar<math::ExpOp>(*this, value); }
ScalarExpr ScalarExpr::log() const { return scalar<math::LogOp>(*this, value); }
ScalarExpr ScalarExpr::sqrt() const { return scalar<math::SqrtOp>(*this, value); }
ScalarExpr ScalarExpr::rsqrt() const { return scalar<math::RsqrtOp>(*this, value); }
ScalarExpr ScalarExpr::tanh() const { return scalar<math::TanhOp>(*this, value); }
ScalarExpr ScalarExpr::sigmoid() const {
  const ScalarExpr one = constant(1);
  return one / (one + (-*this).exp());
}
ScalarExpr ScalarExpr::erf() const { return scalar<math::ErfOp>(*this, value); }
ScalarExpr ScalarExpr::pow(ScalarExpr e) const {
  return scalar<math::PowFOp>(*this, value, e.value);
}
ScalarExpr ScalarExpr::maximum(ScalarExpr other) const {
  return either<arith::MaximumFOp, arith::MaxSIOp>(*this, other);
}
ScalarExpr ScalarExpr::minimum(ScalarExpr other) const {
  return either<arith::MinimumFOp, arith::MinSIOp>(*this, other);
}
ScalarExpr ScalarExpr::relu() const {
  // 0 > x ? 0 : x is one instruction on x86 and keeps a NaN.
  ScalarExpr zero = constant(0);
  return zero.compare("gt", *this).select(zero, *this);
}

ScalarExpr ScalarExpr::compare(StringRef predicate, ScalarExpr other) const {
  static const struct {
    StringRef name;
    arith::CmpFPredicate onFloats;
    arith::CmpIPredicate onInts;
  } table[] = {{"eq", arith::CmpFPredicate::OEQ, arith::CmpIPredicate::eq},
               {"ne", arith::CmpFPredicate::UNE, arith::CmpIPredicate::ne},
               {"lt", arith::CmpFPredicate::OLT, arith::CmpIPredicate::slt},
               {"le", arith::CmpFPredicate::OLE, arith::CmpIPredicate::sle},
               {"gt", arith::CmpFPredicate::OGT, arith::CmpIPredicate::sgt},
               {"ge", arith::CmpFPredicate::OGE, arith::CmpIPredicate::sge}};
  for (const auto &row : table)
    if (row.name == predicate)
      return isFloat()
                 ? scalar<arith::CmpFOp>(*this, row.onFloats, value, other.value)
                 : scalar<arith::CmpIOp>(*this, row.onInts, value, other.value);
  llvm_unreachable("unknown predicate");
}
ScalarExpr ScalarExpr::select(ScalarExpr a, ScalarExpr b) const {
  return scalar<arith::SelectOp>(*this, value, a.value, b.value);
}

ScalarExpr ScalarExpr::cast(Type to) const {
  Type from = value.getType();
  if (from == to)
    return *this;
  bool toFloat = isa<FloatType>(to);
  unsigned fromBits = from.getIntOrFloatBitWidth();
  unsigned toBits = to.getIntOrFloatBitWidth();
  if (isFloat() && toFloat)
    return fromBits < toBits ? scalar<arith::ExtFOp>(*this, to, value)
                             : scalar<arith::TruncFOp>(*this, to, value);
  if (isFloat())
    return scalar<arith::FPToSIOp>(*this, to, value);
  if (toFloat) // i1 is 0 or 1, other integers are signed
    return fromBits == 1 ? scalar<arith::UIToFPOp>(*this, to, value)
                         : scalar<arith::SIToFPOp>(*this, to, value);
  if (fromBits > toBits)
    return scalar<arith::TruncIOp>(*this, to, value);
  return fromBits == 1 ? scalar<arith::ExtUIOp>(*this, to, value)
                       : scalar<arith::ExtSIOp>(*this, to, value);
}

} // namespace fm::ir
