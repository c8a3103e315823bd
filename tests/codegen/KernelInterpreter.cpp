//===- KernelInterpreter.cpp - The meaning of a KernelSpec, slowly --------===//
//
// A recursive evaluator. Constants of type f32 are rounded to f32 first: that
// much of the precision belongs to the kernel.
//
//===----------------------------------------------------------------------===//
#include "tests/codegen/KernelInterpreter.h"

#include <cmath>
#include <stdexcept>
#include <unordered_map>

namespace fm::test {

using namespace codegen;

int64_t Tensor::at(const std::vector<int64_t> &index) const {
  int64_t offset = 0;
  for (size_t d = 0; d < shape.size(); ++d) {
    if (index[d] < 0 || index[d] >= shape[d])
      throw std::out_of_range("index outside its tensor");
    offset = offset * shape[d] + index[d];
  }
  return offset;
}

std::vector<int64_t> shapeFor(const std::vector<Extent> &extents, int64_t n) {
  std::vector<int64_t> shape;
  for (const Extent &extent : extents)
    shape.push_back(extent.isSamples ? n : extent.size);
  return shape;
}

namespace {

int64_t wrap(ScalarType type, uint64_t value) {
  switch (type) {
  case ScalarType::I1:
    return value & 1;
  case ScalarType::I8:
    return static_cast<int8_t>(value);
  case ScalarType::I32:
    return static_cast<int32_t>(value);
  default:
    return static_cast<int64_t>(value);
  }
}

class Interpreter {
public:
  Interpreter(const KernelSpec &spec, int64_t n,
              const std::vector<Tensor> &inputs)
      : spec(spec), n(n), inputs(inputs) {}

  std::vector<std::vector<Tensor>> results; ///< per stage, per result

  void run() {
    for (const Stage &stage : spec.stages) {
      std::vector<Tensor> tensors(stage.results.size());
      for (Tensor &t : tensors) {
        t.shape = shapeFor(stage.domain, n);
        int64_t size = 1;
        for (int64_t e : t.shape)
          size *= e;
        t.values.resize(size);
      }
      std::vector<int64_t> index(stage.domain.size(), 0);
      const std::vector<int64_t> reduction = shapeFor(stage.reduction, n);
      const size_t points = tensors[0].values.size();
      for (size_t p = 0; p < points; ++p) {
        size_t rest = p;
        for (size_t d = index.size(); d-- > 0;) {
          index[d] = rest % tensors[0].shape[d];
          rest /= tensors[0].shape[d];
        }
        point(stage, index, reduction, tensors, p);
      }
      results.push_back(std::move(tensors));
    }
  }

private:
  const KernelSpec &spec;
  const int64_t n;
  const std::vector<Tensor> &inputs;
  std::vector<int64_t> loops;
  std::vector<Value> accumulators;
  std::unordered_map<const Expr *, Value> memo;

  void point(const Stage &stage, const std::vector<int64_t> &index,
             const std::vector<int64_t> &reduction,
             std::vector<Tensor> &tensors, size_t p) {
    loops = index;
    memo.clear();
    accumulators.clear();
    for (const Result &result : stage.results)
      accumulators.push_back(eval(*result.init));
    if (stage.reduces()) {
      int64_t steps = 1;
      for (int64_t e : reduction)
        steps *= e;
      loops.resize(index.size() + reduction.size());
      for (int64_t step = 0; step < steps; ++step) {
        int64_t rest = step;
        for (size_t r = reduction.size(); r-- > 0;) {
          loops[index.size() + r] = rest % reduction[r];
          rest /= reduction[r];
        }
        memo.clear();
        std::vector<Value> next;
        for (const Result &result : stage.results)
          next.push_back(eval(*result.update));
        accumulators = next;
      }
    }
    for (size_t r = 0; r < tensors.size(); ++r)
      tensors[r].values[p] = accumulators[r];
  }

  Value eval(const Expr &e) {
    auto found = memo.find(&e);
    if (found != memo.end())
      return found->second;
    const Value value = compute(e);
    memo[&e] = value;
    return value;
  }

  static Value real(double f) { return {f, 0}; }

  Value compute(const Expr &e) {
    auto v = [&](unsigned k) { return eval(*e.operands[k]); };
    auto integer = [&](uint64_t x) { return Value{0, wrap(e.type, x)}; };
    const bool isReal = isFloat(e.type);
    switch (e.op) {
    case Op::Constant:
      return isReal ? real(e.type == ScalarType::F32
                               ? static_cast<float>(e.floatValue)
                               : e.floatValue)
                    : integer(e.intValue);
    case Op::Index:
      return {0, loops.at(e.number)};
    case Op::Samples:
    case Op::Strip:
      return {0, n};
    case Op::Accumulator:
      return accumulators.at(e.number);
    case Op::Load: {
      const Tensor &t = e.source.kind == TensorRef::Kind::Input
                            ? inputs[e.source.index]
                            : results[e.source.index][e.source.result];
      std::vector<int64_t> index;
      for (const ExprRef &operand : e.operands)
        index.push_back(eval(*operand).i);
      return t.values[t.at(index)];
    }
    case Op::Add:
      return isReal ? real(v(0).f + v(1).f)
                    : integer(uint64_t(v(0).i) + v(1).i);
    case Op::Sub:
      return isReal ? real(v(0).f - v(1).f)
                    : integer(uint64_t(v(0).i) - v(1).i);
    case Op::Mul:
      return isReal ? real(v(0).f * v(1).f)
                    : integer(uint64_t(v(0).i) * v(1).i);
    case Op::Div:
      return isReal ? real(v(0).f / v(1).f) : integer(v(0).i / v(1).i);
    case Op::FloorDiv:
      return integer(floorDiv(v(0).i, v(1).i));
    case Op::FloorMod:
      return integer(v(0).i - floorDiv(v(0).i, v(1).i) * v(1).i);
    case Op::Min:
    case Op::Max: {
      Value a = v(0), b = v(1);
      if (isReal) {
        if (std::isnan(a.f) || std::isnan(b.f))
          return real(std::nan(""));
        return (e.op == Op::Min) == (a.f < b.f) ? a : b;
      }
      return (e.op == Op::Min) == (a.i < b.i) ? a : b;
    }
    case Op::And:
      return integer(v(0).i & v(1).i);
    case Op::Or:
      return integer(v(0).i | v(1).i);
    case Op::Xor:
      return integer(v(0).i ^ v(1).i);
    case Op::ShiftLeft:
      return integer(uint64_t(v(0).i) << v(1).i);
    case Op::ShiftRightLogical: {
      uint64_t x = v(0).i;
      if (e.type == ScalarType::I32)
        x &= 0xffffffffu;
      return integer(x >> v(1).i);
    }
    case Op::Eq:
    case Op::Ne:
    case Op::Lt:
    case Op::Le:
    case Op::Gt:
    case Op::Ge: {
      Value a = v(0), b = v(1);
      return {0, isFloat(e.operands[0]->type) ? compare(e.op, a.f, b.f)
                                              : compare(e.op, a.i, b.i)};
    }
    case Op::Select:
      return v(0).i ? v(1) : v(2);
    case Op::Cast: {
      const bool from = isFloat(e.operands[0]->type);
      Value a = v(0);
      if (isReal)
        return real(e.type == ScalarType::F32
                        ? double(float(from ? a.f : double(a.i)))
                        : (from ? a.f : double(a.i)));
      if (e.type == ScalarType::I1)
        return {0, from ? a.f != 0 : a.i != 0};
      return integer(from ? static_cast<int64_t>(a.f) : a.i);
    }
    case Op::Neg:
      return isReal ? real(-v(0).f) : integer(-uint64_t(v(0).i));
    case Op::Abs:
      return isReal ? real(std::fabs(v(0).f)) : integer(std::abs(v(0).i));
    case Op::Exp:
      return real(std::exp(v(0).f));
    case Op::Log:
      return real(std::log(v(0).f));
    case Op::Sqrt:
      return real(std::sqrt(v(0).f));
    case Op::Rsqrt:
      return real(1 / std::sqrt(v(0).f));
    case Op::Tanh:
      return real(std::tanh(v(0).f));
    case Op::Sigmoid:
      return real(1 / (1 + std::exp(-v(0).f)));
    case Op::Erf:
      return real(std::erf(v(0).f));
    case Op::Floor:
      return real(std::floor(v(0).f));
    case Op::Ceil:
      return real(std::ceil(v(0).f));
    case Op::Pow:
      return real(std::pow(v(0).f, v(1).f));
    }
    throw std::logic_error("unknown operation");
  }

  static int64_t floorDiv(int64_t a, int64_t b) {
    return static_cast<int64_t>(std::floor(static_cast<long double>(a) / b));
  }
  template <typename T> static int64_t compare(Op op, T a, T b) {
    switch (op) {
    case Op::Eq:
      return a == b;
    case Op::Ne:
      return a != b;
    case Op::Lt:
      return a < b;
    case Op::Le:
      return a <= b;
    case Op::Gt:
      return a > b;
    default:
      return a >= b;
    }
  }
};

} // namespace

std::vector<Tensor> interpret(const KernelSpec &spec, int64_t n,
                              const std::vector<Tensor> &inputs) {
  Interpreter interpreter(spec, n, inputs);
  interpreter.run();
  std::vector<Tensor> outputs;
  for (const Output &output : spec.outputs)
    outputs.push_back(interpreter.results[output.stage][output.result]);
  return outputs;
}

} // namespace fm::test
