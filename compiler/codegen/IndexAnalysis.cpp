//===- IndexAnalysis.cpp - What the index expressions of a kernel do ------===//
//
// Interval arithmetic is plain and conservative: "any value" wherever memory is
// read or an operation could leave 64 bits.
//
//===----------------------------------------------------------------------===//
#include "compiler/codegen/IndexAnalysis.h"

#include <algorithm>
#include <limits>
#include <unordered_set>

namespace fm::codegen {

namespace {

int64_t floorDiv(int64_t a, int64_t b) {
  int64_t q = a / b;
  return a % b != 0 && (a < 0) != (b < 0) ? q - 1 : q;
}
int64_t floorMod(int64_t a, int64_t b) { return a - floorDiv(a, b) * b; }

std::optional<int64_t> checked(Op op, int64_t a, int64_t b) {
  int64_t r;
  bool overflow;
  switch (op) {
  case Op::Add:
    overflow = __builtin_add_overflow(a, b, &r);
    break;
  case Op::Sub:
    overflow = __builtin_sub_overflow(a, b, &r);
    break;
  case Op::Mul:
    overflow = __builtin_mul_overflow(a, b, &r);
    break;
  default:
    return std::nullopt;
  }
  if (overflow)
    return std::nullopt;
  return r;
}

Interval corners(Op op, const Interval &a, const Interval &b) {
  std::optional<int64_t> v[4] = {
      checked(op, a.low, b.low), checked(op, a.low, b.high),
      checked(op, a.high, b.low), checked(op, a.high, b.high)};
  Interval r;
  for (const auto &x : v) {
    if (!x)
      return {};
    r = r.known ? Interval::of(std::min(r.low, *x), std::max(r.high, *x))
                : Interval::of(*x, *x);
  }
  return r;
}

} // namespace

bool Interval::fits32() const {
  // A little less than 2^31, so that small offsets cannot overflow either.
  const int64_t limit = (int64_t(1) << 31) - (1 << 16);
  return known && low > -limit && high < limit;
}

Interval unite(const Interval &a, const Interval &b) {
  if (!a.known || !b.known)
    return {};
  return Interval::of(std::min(a.low, b.low), std::max(a.high, b.high));
}

int64_t samplesBound(const KernelSpec &spec) {
  int64_t bound = spec.strips;
  auto look = [&](const std::vector<Extent> &extents) {
    for (const Extent &extent : extents)
      if (extent.isSamples)
        bound = std::max(bound, extent.size);
  };
  for (const Buffer &buffer : spec.inputs)
    look(buffer.shape);
  for (const Stage &stage : spec.stages) {
    look(stage.domain);
    look(stage.reduction);
  }
  return bound;
}

Interval RangeAnalysis::range(const Expr &e) {
  auto found = known.find(&e);
  if (found != known.end())
    return found->second;
  Interval r = compute(e);
  known.emplace(&e, r);
  return r;
}

Interval RangeAnalysis::compute(const Expr &e) {
  if (isFloat(e.type))
    return {};
  auto operand = [&](unsigned i) { return range(*e.operands[i]); };
  switch (e.op) {
  case Op::Constant:
    return Interval::of(e.intValue, e.intValue);
  case Op::Index:
    return e.number < indices.size() ? indices[e.number] : Interval{};
  case Op::Samples:
    return Interval::of(1, samples);
  case Op::Strip:
    return Interval::of(0, samples - 1);
  case Op::Add:
  case Op::Sub:
  case Op::Mul: {
    Interval a = operand(0), b = operand(1);
    return a.known && b.known ? corners(e.op, a, b) : Interval{};
  }
  case Op::Div:
  case Op::FloorDiv: {
    Interval a = operand(0), b = operand(1);
    if (!a.known || !b.known || b.low < 1 || b.low != b.high)
      return {};
    if (e.op == Op::Div)
      return Interval::of(a.low / b.low, a.high / b.low);
    return Interval::of(floorDiv(a.low, b.low), floorDiv(a.high, b.low));
  }
  case Op::FloorMod: {
    Interval a = operand(0), b = operand(1);
    if (!b.known || b.low < 1 || b.low != b.high)
      return {};
    if (a.known && floorDiv(a.low, b.low) == floorDiv(a.high, b.low))
      return Interval::of(floorMod(a.low, b.low), floorMod(a.high, b.low));
    return Interval::of(0, b.low - 1);
  }
  case Op::Min:
  case Op::Max: {
    Interval a = operand(0), b = operand(1);
    if (a.known && b.known)
      return e.op == Op::Min ? Interval::of(std::min(a.low, b.low),
                                            std::min(a.high, b.high))
                             : Interval::of(std::max(a.low, b.low),
                                            std::max(a.high, b.high));
    return {};
  }
  case Op::Select:
    return unite(operand(1), operand(2));
  case Op::Neg: {
    Interval a = operand(0);
    return a.known ? Interval::of(-a.high, -a.low) : a;
  }
  case Op::Cast: {
    const Expr &from = *e.operands[0];
    if (isFloat(from.type))
      return {};
    Interval a = operand(0);
    if (e.type == ScalarType::I64 || (e.type == ScalarType::I32 && a.fits32()))
      return a;
    return {};
  }
  default:
    if (e.type == ScalarType::I1)
      return Interval::of(0, 1);
    return {};
  }
}

Box fullBox(const Stage &stage) {
  Box box;
  for (const Extent &extent : stage.domain)
    box.push_back(Interval::of(0, extent.size - 1));
  for (const Extent &extent : stage.reduction)
    box.push_back(Interval::of(0, extent.size - 1));
  return box;
}

namespace {
void walk(const Expr &e, std::unordered_set<const Expr *> &done,
          const std::function<void(const Expr &)> &visit) {
  if (!done.insert(&e).second)
    return;
  for (const ExprRef &operand : e.operands)
    walk(*operand, done, visit);
  visit(e);
}
} // namespace

void forEachLoad(const Expr &e,
                 const std::function<void(const Expr &)> &visit) {
  std::unordered_set<const Expr *> done;
  walk(e, done, [&](const Expr &node) {
    if (node.op == Op::Load)
      visit(node);
  });
}

std::optional<int64_t>
evaluate(const Expr &e, const std::vector<int64_t> &indices, int64_t samples) {
  if (isFloat(e.type) || e.op == Op::Load || e.op == Op::Accumulator)
    return std::nullopt;
  switch (e.op) {
  case Op::Constant:
    return e.intValue;
  case Op::Index:
    if (e.number < indices.size())
      return indices[e.number];
    return std::nullopt;
  case Op::Samples:
    return samples;
  case Op::Strip:
    return samples / 2; // as good as any
  default:
    break;
  }
  std::vector<int64_t> v;
  for (const ExprRef &operand : e.operands) {
    auto x = evaluate(*operand, indices, samples);
    if (!x)
      return std::nullopt;
    v.push_back(*x);
  }
  const auto u = [&](int i) { return static_cast<uint64_t>(v[i]); };
  switch (e.op) {
  case Op::Add:
    return static_cast<int64_t>(u(0) + u(1));
  case Op::Sub:
    return static_cast<int64_t>(u(0) - u(1));
  case Op::Mul:
    return static_cast<int64_t>(u(0) * u(1));
  case Op::Div:
    if (!v[1])
      return std::nullopt;
    return v[0] / v[1];
  case Op::FloorDiv:
    if (!v[1])
      return std::nullopt;
    return floorDiv(v[0], v[1]);
  case Op::FloorMod:
    if (!v[1])
      return std::nullopt;
    return floorMod(v[0], v[1]);
  case Op::Min:
    return std::min(v[0], v[1]);
  case Op::Max:
    return std::max(v[0], v[1]);
  case Op::And:
    return v[0] & v[1];
  case Op::Or:
    return v[0] | v[1];
  case Op::Xor:
    return v[0] ^ v[1];
  case Op::Eq:
    return v[0] == v[1];
  case Op::Ne:
    return v[0] != v[1];
  case Op::Lt:
    return v[0] < v[1];
  case Op::Le:
    return v[0] <= v[1];
  case Op::Gt:
    return v[0] > v[1];
  case Op::Ge:
    return v[0] >= v[1];
  case Op::Select:
    return v[0] ? v[1] : v[2];
  case Op::Cast:
    return v[0];
  case Op::Neg:
    return -v[0];
  default:
    return std::nullopt;
  }
}

int64_t offsetOf(const Buffer &buffer, const std::vector<int64_t> &index) {
  int64_t offset = buffer.offset;
  for (const PhysicalDim &dim : buffer.dims) {
    int64_t part = index[dim.logical] / dim.divisor;
    if (dim.modulus)
      part %= dim.modulus;
    offset += part * dim.stride;
  }
  return offset;
}

bool isIdentity(const Expr &load, const Stage &reader,
                const std::vector<Extent> &read) {
  if (reader.domain != read)
    return false;
  for (size_t i = 0; i < load.operands.size(); ++i)
    if (load.operands[i]->op != Op::Index || load.operands[i]->number != i)
      return false;
  return true;
}

bool isExpensive(const Expr &e) {
  bool expensive = false;
  std::unordered_set<const Expr *> done;
  walk(e, done, [&](const Expr &node) {
    switch (node.op) {
    case Op::Exp:
    case Op::Log:
    case Op::Tanh:
    case Op::Sigmoid:
    case Op::Erf:
    case Op::Pow:
    case Op::Sqrt:
    case Op::Rsqrt:
      expensive = true;
      break;
    case Op::Div:
      expensive |= isFloat(node.type);
      break;
    default:
      break;
    }
  });
  return expensive;
}

int64_t countOperations(const Expr &e) {
  int64_t count = 0;
  std::unordered_set<const Expr *> done;
  walk(e, done, [&](const Expr &node) {
    if (node.op == Op::Exp || node.op == Op::Log || node.op == Op::Tanh ||
        node.op == Op::Sigmoid || node.op == Op::Erf || node.op == Op::Pow)
      count += 12;
    else if (!node.operands.empty() && node.op != Op::Load &&
             isFloat(node.type))
      ++count;
  });
  return count;
}

} // namespace fm::codegen
