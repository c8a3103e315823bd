//===- KernelBuilder.h - KernelSpecs written by hand
//-----------------------===//
//
// Operators on expressions and a small builder, so that a test reads like the
// mathematics of its kernel.
//
//===----------------------------------------------------------------------===//
#ifndef FM_TESTS_CODEGEN_KERNELBUILDER_H
#define FM_TESTS_CODEGEN_KERNELBUILDER_H

#include <string>
#include <utility>
#include <vector>

#include "compiler/codegen/KernelSpec.h"

namespace fm::test {

using codegen::Buffer;
using codegen::Extent;
using codegen::KernelSpec;
using codegen::Op;
using codegen::ScalarType;

/// A value expression.
struct X {
  codegen::ExprRef e;
};

inline X node(Op op, ScalarType type, std::vector<X> operands) {
  auto e = std::make_shared<codegen::Expr>();
  e->op = op;
  e->type = type;
  for (X &x : operands)
    e->operands.push_back(x.e);
  return {e};
}
inline X number(ScalarType type, double value) {
  auto e = std::make_shared<codegen::Expr>();
  e->type = type;
  e->floatValue = value;
  e->intValue = static_cast<int64_t>(value);
  return {e};
}
inline X integer(int64_t value, ScalarType type = ScalarType::I64) {
  auto e = std::make_shared<codegen::Expr>();
  e->type = type;
  e->intValue = value;
  return {e};
}
inline X like(const X &x, double value) { return number(x.e->type, value); }
inline X index(unsigned i) {
  auto e = std::make_shared<codegen::Expr>();
  e->op = Op::Index;
  e->type = ScalarType::I64;
  e->number = i;
  return {e};
}
inline X samples() { return node(Op::Samples, ScalarType::I64, {}); }
inline X acc(ScalarType type = ScalarType::F32, unsigned i = 0) {
  auto e = std::make_shared<codegen::Expr>();
  e->op = Op::Accumulator;
  e->type = type;
  e->number = i;
  return {e};
}
inline X binary(Op op, const X &a, const X &b) {
  return node(op, a.e->type, {a, b});
}
inline X unary(Op op, const X &a) { return node(op, a.e->type, {a}); }
inline X compare(Op op, const X &a, const X &b) {
  return node(op, ScalarType::I1, {a, b});
}
inline X operator+(const X &a, const X &b) { return binary(Op::Add, a, b); }
inline X operator-(const X &a, const X &b) { return binary(Op::Sub, a, b); }
inline X operator*(const X &a, const X &b) { return binary(Op::Mul, a, b); }
inline X operator/(const X &a, const X &b) { return binary(Op::Div, a, b); }
inline X operator+(const X &a, double b) { return a + like(a, b); }
inline X operator-(const X &a, double b) { return a - like(a, b); }
inline X operator*(const X &a, double b) { return a * like(a, b); }
inline X operator<(const X &a, const X &b) { return compare(Op::Lt, a, b); }
inline X operator>(const X &a, const X &b) { return compare(Op::Gt, a, b); }
inline X operator>=(const X &a, const X &b) { return compare(Op::Ge, a, b); }
inline X operator&&(const X &a, const X &b) { return binary(Op::And, a, b); }
inline X max(const X &a, const X &b) { return binary(Op::Max, a, b); }
inline X min(const X &a, const X &b) { return binary(Op::Min, a, b); }
inline X exp(const X &a) { return unary(Op::Exp, a); }
inline X sqrt(const X &a) { return unary(Op::Sqrt, a); }
inline X select(const X &c, const X &a, const X &b) {
  return node(Op::Select, a.e->type, {c, a, b});
}
inline X cast(ScalarType type, const X &a) { return node(Op::Cast, type, {a}); }
inline X relu(const X &a) { return max(a, like(a, 0)); }
/// Index clamped to a dimension.
inline X clamp(const X &i, int64_t last) {
  return max(min(i, integer(last)), integer(0));
}

inline Extent fixed(int64_t size) { return {size, false}; }
inline Extent batch(int64_t size) { return {size, true}; }

class KernelBuilder {
public:
  KernelSpec spec;
  explicit KernelBuilder(const std::string &name) { spec.name = name; }

  /// A tensor that can be read: input or stage.
  struct Tensor {
    codegen::TensorRef ref;
    ScalarType type;
    X operator()(std::vector<X> index) const {
      auto e = std::make_shared<codegen::Expr>();
      e->op = Op::Load;
      e->type = type;
      e->source = ref;
      for (X &x : index)
        e->operands.push_back(x.e);
      return {e};
    }
  };

  Tensor input(const std::string &name, std::vector<Extent> shape,
               bool external = false, ScalarType type = ScalarType::F32) {
    Buffer b;
    b.name = name;
    b.type = type;
    b.shape = shape;
    b.dims = codegen::rowMajor(shape);
    b.external = external;
    spec.inputs.push_back(b);
    return {
        {codegen::TensorRef::Kind::Input, unsigned(spec.inputs.size() - 1), 0},
        type};
  }

  Tensor pointwise(const std::string &name, std::vector<Extent> domain,
                   const X &value) {
    codegen::Stage s;
    s.name = name;
    s.domain = domain;
    s.results.push_back({value.e->type, value.e, nullptr});
    return add(s);
  }
  Tensor reduce(const std::string &name, std::vector<Extent> domain,
                std::vector<Extent> reduction, const X &init, const X &update) {
    codegen::Stage s;
    s.name = name;
    s.domain = domain;
    s.reduction = reduction;
    s.results.push_back({init.e->type, init.e, update.e});
    return add(s);
  }
  /// Another result of the stage added last.
  Tensor result(const X &init, const X *update = nullptr) {
    codegen::Stage &s = spec.stages.back();
    s.results.push_back({init.e->type, init.e, update ? update->e : nullptr});
    return {{codegen::TensorRef::Kind::Stage, unsigned(spec.stages.size() - 1),
             unsigned(s.results.size() - 1)},
            init.e->type};
  }
  codegen::Output &output(const std::string &name, const Tensor &t,
                          bool external = false, int inPlace = -1) {
    codegen::Output o;
    o.stage = t.ref.index;
    o.result = t.ref.result;
    o.inPlace = inPlace;
    o.buffer.name = name;
    o.buffer.type = t.type;
    o.buffer.shape = spec.stages[o.stage].domain;
    o.buffer.dims = codegen::rowMajor(o.buffer.shape);
    o.buffer.external = external;
    spec.outputs.push_back(o);
    return spec.outputs.back();
  }

private:
  Tensor add(const codegen::Stage &s) {
    spec.stages.push_back(s);
    return {
        {codegen::TensorRef::Kind::Stage, unsigned(spec.stages.size() - 1), 0},
        s.results[0].type};
  }
};

} // namespace fm::test

#endif // FM_TESTS_CODEGEN_KERNELBUILDER_H
