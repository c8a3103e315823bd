//===- HalideStrict.cpp - Floating point that keeps its meaning -----------===//
#include "compiler/codegen/HalideStrict.h"

#include <functional>
#include <map>

namespace fm::codegen {

using namespace Halide::Internal;
using HExpr = Halide::Expr;

namespace {

/// The name of each operation's call.
template <typename Node> const char *const hidden = nullptr;
template <> const char *const hidden<Add> = "fm.add";
template <> const char *const hidden<Sub> = "fm.sub";
template <> const char *const hidden<Mul> = "fm.mul";
template <> const char *const hidden<Div> = "fm.div";
template <> const char *const hidden<EQ> = "fm.eq";
template <> const char *const hidden<NE> = "fm.ne";
template <> const char *const hidden<LT> = "fm.lt";
template <> const char *const hidden<LE> = "fm.le";
template <> const char *const hidden<GT> = "fm.gt";
template <> const char *const hidden<GE> = "fm.ge";

class HideFloats : public IRGraphMutator {
protected:
  using IRGraphMutator::visit;
  HExpr visit(const Add *op) override { return binary(op); }
  HExpr visit(const Sub *op) override { return binary(op); }
  HExpr visit(const Mul *op) override { return binary(op); }
  HExpr visit(const Div *op) override { return binary(op); }
  HExpr visit(const EQ *op) override { return binary(op); }
  HExpr visit(const NE *op) override { return binary(op); }
  HExpr visit(const LT *op) override { return binary(op); }
  HExpr visit(const LE *op) override { return binary(op); }
  HExpr visit(const GT *op) override { return binary(op); }
  HExpr visit(const GE *op) override { return binary(op); }

private:
  template <typename Node> HExpr binary(const Node *op) {
    if (!op->a.type().is_float())
      return IRGraphMutator::visit(op);
    const HExpr a = mutate(op->a), b = mutate(op->b);
    const HExpr value = folded(op, a, b);
    return value.defined()
               ? value
               : Call::make(op->type, hidden<Node>, {a, b}, Call::PureExtern);
  }

  /// Arithmetic on constants: Halide would write out the calls of each use.
  template <typename Node>
  static HExpr folded(const Node *, const HExpr &, const HExpr &) {
    return HExpr();
  }
  static HExpr folded(const Add *, const HExpr &a, const HExpr &b) {
    return fold(a, b, std::plus<>());
  }
  static HExpr folded(const Sub *, const HExpr &a, const HExpr &b) {
    return fold(a, b, std::minus<>());
  }
  static HExpr folded(const Mul *, const HExpr &a, const HExpr &b) {
    return fold(a, b, std::multiplies<>());
  }
  static HExpr folded(const Div *, const HExpr &a, const HExpr &b) {
    return is_const_zero(b) ? HExpr() : fold(a, b, std::divides<>());
  }
  template <typename Operation>
  static HExpr fold(const HExpr &a, const HExpr &b, Operation operation) {
    const FloatImm *x = a.as<FloatImm>(), *y = b.as<FloatImm>();
    if (!x || !y)
      return HExpr();
    const double value = a.type().bits() == 32
                             ? operation(static_cast<float>(x->value),
                                         static_cast<float>(y->value))
                             : operation(x->value, y->value);
    return FloatImm::make(a.type(), value);
  }
};

/// Integers carry no licence, and what is converted to them is marked below.
HExpr marked(const HExpr &value) {
  return value.type().is_float() || value.type().is_bool()
             ? Halide::strict_float(value)
             : value;
}

} // namespace

HExpr hideFloats(const HExpr &value) { return HideFloats().mutate(value); }

HExpr RestoreFloats::visit(const Call *op) {
  using Make = HExpr (*)(HExpr, HExpr);
  static const std::map<std::string, Make> makers = {
      {hidden<Add>, Add::make}, {hidden<Sub>, Sub::make},
      {hidden<Mul>, Mul::make}, {hidden<Div>, Div::make},
      {hidden<EQ>, EQ::make},   {hidden<NE>, NE::make},
      {hidden<LT>, LT::make},   {hidden<LE>, LE::make},
      {hidden<GT>, GT::make},   {hidden<GE>, GE::make}};
  auto found = makers.find(op->name);
  if (op->call_type != Call::PureExtern || found == makers.end())
    return IRMutator::visit(op);
  return marked(found->second(mutate(op->args[0]), mutate(op->args[1])));
}

Stmt RestoreFloats::visit(const Store *op) {
  return Store::make(op->name, marked(mutate(op->value)), mutate(op->index),
                     op->param, mutate(op->predicate), op->alignment);
}

Stmt RestoreFloats::visit(const LetStmt *op) {
  return LetStmt::make(op->name, marked(mutate(op->value)), mutate(op->body));
}

} // namespace fm::codegen
