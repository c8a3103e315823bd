//===- ExprBuilder.cpp - Expressions for rewriting kernels ----------------===//
#include "compiler/codegen/ExprBuilder.h"

#include <algorithm>
#include <functional>

namespace fm::codegen {

ExprRef integer(int64_t value) {
  auto e = std::make_shared<Expr>();
  e->type = ScalarType::I64;
  e->intValue = value;
  return e;
}

ExprRef real(ScalarType type, double value) {
  auto e = std::make_shared<Expr>();
  e->type = type;
  e->floatValue = value;
  return e;
}

ExprRef index(unsigned number) {
  auto e = std::make_shared<Expr>();
  e->op = Op::Index;
  e->type = ScalarType::I64;
  e->number = number;
  return e;
}

ExprRef node(Op op, ScalarType type, std::vector<ExprRef> operands) {
  auto e = std::make_shared<Expr>();
  e->op = op;
  e->type = type;
  e->operands = std::move(operands);
  return e;
}

ExprRef load(const TensorRef &source, ScalarType type,
             std::vector<ExprRef> operands) {
  auto e = std::make_shared<Expr>();
  e->op = Op::Load;
  e->type = type;
  e->source = source;
  e->operands = std::move(operands);
  return e;
}

ExprRef elementOf(const Result &result, unsigned number) {
  const Expr &update = *result.update;
  if (!isFloat(result.type) ||
      (update.op != Op::Add && update.op != Op::Max && update.op != Op::Min))
    return nullptr;
  const bool first = update.operands[0]->op == Op::Accumulator;
  const ExprRef &acc = update.operands[first ? 0 : 1];
  const ExprRef &element = update.operands[first ? 1 : 0];
  if (acc->op != Op::Accumulator || acc->number != number)
    return nullptr;
  std::function<bool(const Expr &)> usesAccumulator = [&](const Expr &e) {
    return e.op == Op::Accumulator ||
           std::any_of(e.operands.begin(), e.operands.end(),
                       [&](const ExprRef &o) { return usesAccumulator(*o); });
  };
  return usesAccumulator(*element) ? nullptr : element;
}

ExprRef Substitution::operator()(const ExprRef &e) {
  if (e->op == Op::Index) {
    auto found = indices.find(e->number);
    return found == indices.end() ? e : found->second;
  }
  auto known = done.find(e.get());
  if (known != done.end())
    return known->second;
  auto copy = std::make_shared<Expr>(*e);
  for (ExprRef &operand : copy->operands)
    operand = (*this)(operand);
  return done[e.get()] = copy;
}

} // namespace fm::codegen
