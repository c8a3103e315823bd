//===- HalideExpr.cpp - Expressions of a kernel as Halide expressions -----===//
//
// One case per operation. Halide assumes that signed arithmetic does not
// overflow; data in i32 and i64 may wrap, so it is computed unsigned.
//
//===----------------------------------------------------------------------===//
#include "compiler/codegen/HalideExpr.h"

#include <cmath>
#include <limits>

#include "compiler/codegen/HalideMath.h"

namespace fm::codegen {

using HExpr = Halide::Expr;

Halide::Type halideType(ScalarType type) {
  switch (type) {
  case ScalarType::I1:
    return Halide::Bool();
  case ScalarType::I8:
    return Halide::Int(8);
  case ScalarType::I32:
    return Halide::Int(32);
  case ScalarType::I64:
    return Halide::Int(64);
  case ScalarType::F32:
    return Halide::Float(32);
  case ScalarType::F64:
    return Halide::Float(64);
  }
  return Halide::Float(32);
}

Halide::Type halideStorageType(ScalarType type) {
  return type == ScalarType::I1 ? Halide::UInt(8) : halideType(type);
}

namespace {
HExpr constant32(int64_t value) {
  return Halide::Internal::IntImm::make(Halide::Int(32), value);
}
HExpr wide(const HExpr &e) {
  return e.type().bits() == 64 ? e : Halide::cast(Halide::Int(64), e);
}
HExpr toUnsigned(const HExpr &e) {
  return Halide::cast(e.type().with_code(halide_type_uint), e);
}
HExpr toSigned(const HExpr &e) {
  return Halide::cast(e.type().with_code(halide_type_int), e);
}
} // namespace

Translator::Translator(const KernelSpec &spec,
                       std::vector<Halide::ImageParam> &inputs, HExpr samples,
                       std::function<bool(unsigned, unsigned)> isInlined,
                       StageReader readStage)
    : spec(spec), inputs(inputs), samples(std::move(samples)),
      isInlined(std::move(isInlined)), readStage(std::move(readStage)),
      narrow(spec.stages.size()) {
  const int64_t bound = samplesBound(spec);
  for (const Stage &stage : spec.stages)
    ranges.push_back(std::make_unique<RangeAnalysis>(fullBox(stage), bound));
}

bool Translator::isNarrow(const Expr &e, unsigned stage) {
  if (e.type != ScalarType::I64)
    return true;
  auto found = narrow[stage].find(&e);
  if (found != narrow[stage].end())
    return found->second;
  bool result;
  switch (e.op) {
  case Op::Load:
  case Op::Accumulator:
  case Op::Xor:
  case Op::Or:
  case Op::ShiftLeft:
  case Op::ShiftRightLogical:
    result = false;
    break;
  case Op::Cast:
    result = !isFloat(e.operands[0]->type) && isNarrow(*e.operands[0], stage);
    break;
  case Op::Constant:
  case Op::Index:
  case Op::Samples:
  case Op::Strip:
    result = ranges[stage]->range(e).fits32();
    break;
  default:
    result = ranges[stage]->range(e).fits32();
    for (const ExprRef &operand : e.operands)
      result = result && isNarrow(*operand, stage);
  }
  return narrow[stage][&e] = result;
}

HExpr Translator::stored(const ExprRef &e, const Site &site) {
  Memo memo;
  return Halide::cast(halideStorageType(e->type), translate(*e, site, memo));
}

HExpr Translator::physical(const PhysicalDim &dim, const HExpr &logical) {
  HExpr part = logical;
  if (dim.divisor != 1)
    part = part / constant32(dim.divisor);
  if (dim.modulus)
    part = part % constant32(dim.modulus);
  return part;
}

HExpr Translator::read(unsigned stage, unsigned result,
                       const std::vector<HExpr> &index,
                       const std::vector<HExpr> &raw, const Site &from) {
  const ScalarType type = spec.stages[stage].results[result].type;
  if (!isInlined(stage, result)) {
    HExpr value = readStage(stage, result, index, from);
    return type == ScalarType::I1 ? value != Halide::cast(value.type(), 0)
                                  : value;
  }
  std::vector<const void *> key;
  for (const auto &list : {index, raw})
    for (const HExpr &e : list) {
      key.push_back(e.get());
      keepAlive.push_back(e);
    }
  for (const HExpr &e : from.nestPoint)
    key.push_back(e.get());
  auto found = inlined.find({stage, result, key});
  if (found != inlined.end())
    return found->second;
  Site site;
  site.stage = stage;
  site.index = index;
  site.raw = raw;
  site.nestPoint = from.nestPoint;
  keepAlive.insert(keepAlive.end(), from.nestPoint.begin(),
                   from.nestPoint.end());
  Memo memo;
  HExpr value = translate(*spec.stages[stage].results[result].init, site, memo);
  if (type == ScalarType::I64)
    value = wide(value);
  inlined[{stage, result, key}] = value;
  return value;
}

HExpr Translator::coordinate(const Expr &e, const Site &site, Memo &memo,
                             int64_t extent) {
  HExpr value = translate(e, site, memo);
  if (value.type().bits() == 64)
    value = Halide::cast(Halide::Int(32), value);
  // What memory says is in range, because whoever made the kernel says so.
  const Interval range = ranges[site.stage]->range(e);
  if (!range.known || range.low < 0 || range.high >= extent)
    value = Halide::unsafe_promise_clamped(value, constant32(0),
                                           constant32(extent - 1));
  return value;
}

HExpr Translator::load(const Expr &e, const Site &site, Memo &memo) {
  const bool isInput = e.source.kind == TensorRef::Kind::Input;
  const std::vector<Extent> &shape = isInput
                                         ? spec.inputs[e.source.index].shape
                                         : spec.stages[e.source.index].domain;
  std::vector<HExpr> index, raw;
  for (size_t d = 0; d < e.operands.size(); ++d)
    index.push_back(coordinate(*e.operands[d], site, memo, shape[d].size));
  bool differs = false;
  for (size_t i = 0; i < site.index.size(); ++i)
    differs |= !site.index[i].same_as(site.raw[i]);
  if (differs) {
    Site rawSite = site;
    rawSite.index = site.raw;
    Memo rawMemo;
    for (size_t d = 0; d < e.operands.size(); ++d)
      raw.push_back(
          coordinate(*e.operands[d], rawSite, rawMemo, shape[d].size));
  } else {
    raw = index;
  }
  if (!isInput)
    return read(e.source.index, e.source.result, index, raw, site);

  const Buffer &buffer = spec.inputs[e.source.index];
  std::vector<HExpr> arguments;
  for (const PhysicalDim &dim : buffer.dims) {
    // Only fmc's own memory may be read behind a row's end.
    const bool mayOverread =
        !buffer.external && dim.stride == 1 && !dim.modulus;
    arguments.insert(
        arguments.begin(),
        physical(dim, mayOverread ? raw[dim.logical] : index[dim.logical]));
  }
  if (arguments.empty())
    arguments.push_back(constant32(0));
  HExpr value = inputs[e.source.index](arguments);
  return e.type == ScalarType::I1 ? value != Halide::cast(value.type(), 0)
                                  : value;
}

HExpr Translator::cast(const Expr &e, const Site &site, Memo &memo) {
  HExpr value = translate(*e.operands[0], site, memo);
  if (e.type == ScalarType::I64 && isNarrow(e, site.stage))
    return Halide::cast(Halide::Int(32), value);
  if (e.type == ScalarType::I1)
    return value != Halide::cast(value.type(), 0);
  return Halide::cast(halideType(e.type), value);
}

/// x / y towards zero, 0 where y is 0. Halide 14's own function divides i32 by
/// a constant with a multiplier that it takes for a negative number: -9 / 3
/// is 2.
static HExpr quotientToZero(const HExpr &x, const HExpr &y) {
  const HExpr zero = Halide::cast(x.type(), 0), one = Halide::cast(x.type(), 1);
  const HExpr q = x / y; // the rest is not negative
  const HExpr away = x < zero && y != zero && x - q * y != zero;
  return select(away, select(y < zero, q - one, q + one), q);
}

/// x / y; Halide refuses a zero that it knows.
static HExpr quotient(const HExpr &x, const HExpr &y) {
  const auto number = Halide::Internal::as_const_float(y);
  if (!number || *number != 0)
    return x / y;
  return x *
         Halide::Internal::make_const(
             y.type(),
             std::copysign(std::numeric_limits<double>::infinity(), *number));
}

HExpr Translator::integer(const Expr &e, const Site &site, Memo &memo) {
  const bool isIndex = e.type == ScalarType::I64 && isNarrow(e, site.stage);
  const bool isWide = e.type == ScalarType::I64 && !isIndex;
  auto operand = [&](unsigned i) {
    HExpr value = translate(*e.operands[i], site, memo);
    return isWide ? wide(value) : value;
  };
  switch (e.op) {
  case Op::Add:
    return isIndex ? operand(0) + operand(1)
                   : toSigned(toUnsigned(operand(0)) + toUnsigned(operand(1)));
  case Op::Sub:
    return isIndex ? operand(0) - operand(1)
                   : toSigned(toUnsigned(operand(0)) - toUnsigned(operand(1)));
  case Op::Mul:
    return isIndex ? operand(0) * operand(1)
                   : toSigned(toUnsigned(operand(0)) * toUnsigned(operand(1)));
  case Op::Div: {
    const Interval a = ranges[site.stage]->range(*e.operands[0]);
    const Interval b = ranges[site.stage]->range(*e.operands[1]);
    if (a.known && a.low >= 0 && b.known && b.low > 0)
      return operand(0) / operand(1);
    return quotientToZero(operand(0), operand(1));
  }
  case Op::FloorDiv:
  case Op::FloorMod: {
    // Halide's division is Euclidean: the same wherever the divisor is
    // positive.
    const Interval b = ranges[site.stage]->range(*e.operands[1]);
    HExpr x = operand(0), y = operand(1);
    if (b.known && b.low > 0)
      return e.op == Op::FloorDiv ? x / y : x % y;
    HExpr zero = Halide::cast(x.type(), 0), one = Halide::cast(x.type(), 1);
    HExpr q = x / y, r = x % y;
    HExpr off = y < zero && r != zero;
    return e.op == Op::FloorDiv ? select(off, q - one, q)
                                : select(off, r + y, r);
  }
  case Op::Min:
    return Halide::min(operand(0), operand(1));
  case Op::Max:
    return Halide::max(operand(0), operand(1));
  case Op::And:
    return operand(0) & operand(1);
  case Op::Or:
    return operand(0) | operand(1);
  case Op::Xor:
    return operand(0) ^ operand(1);
  case Op::ShiftLeft:
    return toSigned(toUnsigned(operand(0)) << toUnsigned(operand(1)));
  case Op::ShiftRightLogical:
    return toSigned(toUnsigned(operand(0)) >> toUnsigned(operand(1)));
  case Op::Neg:
    return isIndex ? -operand(0)
                   : toSigned(Halide::cast(toUnsigned(operand(0)).type(), 0) -
                              toUnsigned(operand(0)));
  case Op::Abs: {
    HExpr x = operand(0);
    return select(x < Halide::cast(x.type(), 0), Halide::cast(x.type(), 0) - x,
                  x);
  }
  default:
    return HExpr();
  }
}

HExpr Translator::translate(const Expr &e, const Site &site, Memo &memo) {
  auto found = memo.find(&e);
  if (found != memo.end())
    return found->second;
  auto operand = [&](unsigned i) {
    return translate(*e.operands[i], site, memo);
  };
  HExpr value;
  const bool real = isFloat(e.type);
  switch (e.op) {
  case Op::Constant:
    if (real)
      value =
          Halide::Internal::FloatImm::make(halideType(e.type), e.floatValue);
    else if (e.type == ScalarType::I1)
      value = e.intValue ? Halide::Internal::const_true()
                         : Halide::Internal::const_false();
    else
      value = Halide::Internal::IntImm::make(e.type == ScalarType::I64 &&
                                                     isNarrow(e, site.stage)
                                                 ? Halide::Int(32)
                                                 : halideType(e.type),
                                             e.intValue);
    break;
  case Op::Index:
    value = site.index[e.number];
    break;
  case Op::Samples:
  case Op::Strip: // passed in its place
    value = samples;
    break;
  case Op::Load:
    value = load(e, site, memo);
    break;
  case Op::Accumulator: {
    value = site.accumulators[e.number];
    if (e.type == ScalarType::I1)
      value = value != Halide::cast(value.type(), 0);
    break;
  }
  case Op::Eq:
  case Op::Ne:
  case Op::Lt:
  case Op::Le:
  case Op::Gt:
  case Op::Ge: {
    HExpr a = operand(0), b = operand(1);
    if (a.type() != b.type()) {
      a = wide(a);
      b = wide(b);
    }
    switch (e.op) {
    case Op::Eq:
      value = a == b;
      break;
    case Op::Ne:
      value = a != b;
      break;
    case Op::Lt:
      value = a < b;
      break;
    case Op::Le:
      value = a <= b;
      break;
    case Op::Gt:
      value = a > b;
      break;
    default:
      value = a >= b;
      break;
    }
    break;
  }
  case Op::Select: {
    HExpr a = operand(1), b = operand(2);
    if (a.type() != b.type()) {
      a = wide(a);
      b = wide(b);
    }
    // The loop's first iteration then becomes code of its own.
    value = Halide::select(operand(0), e.intValue ? Halide::likely(a) : a, b);
    break;
  }
  case Op::Cast:
    value = cast(e, site, memo);
    break;
  default:
    if (e.type == ScalarType::I1) {
      switch (e.op) {
      case Op::And:
      case Op::Min:
      case Op::Mul:
        value = operand(0) && operand(1);
        break;
      case Op::Or:
      case Op::Max:
        value = operand(0) || operand(1);
        break;
      default:
        value = operand(0) != operand(1);
        break;
      }
      break;
    }
    if (!real) {
      value = integer(e, site, memo);
      break;
    }
    switch (e.op) {
    case Op::Add:
      value = operand(0) + operand(1);
      break;
    case Op::Sub:
      value = operand(0) - operand(1);
      break;
    case Op::Mul:
      value = operand(0) * operand(1);
      break;
    case Op::Div:
      value = quotient(operand(0), operand(1));
      break;
    case Op::Min:
      value = mathMin(operand(0), operand(1));
      break;
    case Op::Max:
      value = mathMax(operand(0), operand(1));
      break;
    case Op::Neg:
      value = -operand(0);
      break;
    case Op::Abs:
      value = Halide::abs(operand(0));
      break;
    case Op::Exp:
      value = mathExp(operand(0));
      break;
    case Op::Log:
      value = mathLog(operand(0));
      break;
    case Op::Sqrt:
      value = Halide::sqrt(operand(0));
      break;
    case Op::Rsqrt: {
      HExpr x = operand(0);
      value = Halide::cast(x.type(), 1) / Halide::sqrt(x);
      break;
    }
    case Op::Tanh:
      value = mathTanh(operand(0));
      break;
    case Op::Sigmoid:
      value = mathSigmoid(operand(0));
      break;
    case Op::Erf:
      value = mathErf(operand(0));
      break;
    case Op::Floor:
      value = Halide::floor(operand(0));
      break;
    case Op::Ceil:
      value = Halide::ceil(operand(0));
      break;
    case Op::Pow:
      value = mathPow(operand(0), operand(1));
      break;
    default:
      break;
    }
  }
  memo.emplace(&e, value);
  return value;
}

} // namespace fm::codegen
