//===- IdleLoops.cpp - Reductions over what does not change ---------------===//
#include "compiler/codegen/IdleLoops.h"

#include <algorithm>
#include <memory>
#include <unordered_map>
#include <unordered_set>

#include "compiler/codegen/ExprBuilder.h"

namespace fm::codegen {

namespace {

class IdleLoops {
public:
  explicit IdleLoops(KernelSpec &spec) : spec(spec) {}

  void run() {
    for (Stage &stage : spec.stages) {
      for (unsigned r = stage.reduction.size(); r-- > 0;)
        if (isIdle(stage, stage.domain.size() + r) && canDrop(stage))
          drop(stage, r);
      std::vector<bool> depends;
      for (unsigned d = 0; d < stage.domain.size(); ++d)
        depends.push_back(!isIdle(stage, d));
      dependsOn.push_back(std::move(depends));
    }
  }

private:
  KernelSpec &spec;
  std::vector<std::vector<bool>> dependsOn; ///< per stage, each of its domain

  bool isIdle(const Stage &stage, unsigned loop) const {
    std::unordered_set<const Expr *> visited;
    for (const Result &result : stage.results)
      for (const ExprRef &value : {result.init, result.update})
        if (value && uses(*value, loop, visited))
          return false;
    return true;
  }

  bool uses(const Expr &e, unsigned loop,
            std::unordered_set<const Expr *> &visited) const {
    if (e.op == Op::Index)
      return e.number == loop;
    if (!visited.insert(&e).second)
      return false;
    for (unsigned q = 0; q < e.operands.size(); ++q)
      if (!isIgnored(e, q) && uses(*e.operands[q], loop, visited))
        return true;
    return false;
  }

  /// Whether a load's index says where in a stage to read, but there it is the
  /// same everywhere.
  bool isIgnored(const Expr &e, unsigned q) const {
    return e.op == Op::Load && e.source.kind == TensorRef::Kind::Stage &&
           !dependsOn[e.source.index][q];
  }

  /// What the update combines with the accumulator; null where it is no plain
  /// sum, minimum or maximum.
  static const ExprRef *elementOf(const Stage &stage, unsigned r) {
    const Expr &update = *stage.results[r].update;
    if (update.op != Op::Add && update.op != Op::Min && update.op != Op::Max)
      return nullptr;
    for (unsigned i : {0u, 1u})
      if (const Expr &acc = *update.operands[i];
          acc.op == Op::Accumulator && acc.number == r &&
          !readsAccumulator(*update.operands[1 - i]))
        return &update.operands[1 - i];
    return nullptr;
  }

  static bool readsAccumulator(const Expr &e) {
    return e.op == Op::Accumulator ||
           std::any_of(e.operands.begin(), e.operands.end(),
                       [](const ExprRef &o) { return readsAccumulator(*o); });
  }

  static bool canDrop(const Stage &stage) {
    for (unsigned r = 0; r < stage.results.size(); ++r)
      if (!elementOf(stage, r))
        return false;
    return true;
  }

  static ExprRef number(ScalarType type, const Extent &extent) {
    if (extent.isSamples)
      return node(Op::Cast, type, {node(Op::Samples, ScalarType::I64, {})});
    if (isFloat(type))
      return real(type, double(extent.size));
    auto constant = std::make_shared<Expr>(*integer(extent.size));
    constant->type = type;
    return constant;
  }

  void drop(Stage &stage, unsigned r) {
    const unsigned loop = stage.domain.size() + r;
    const Extent extent = stage.reduction[r];
    stage.reduction.erase(stage.reduction.begin() + r);
    std::unordered_map<const Expr *, ExprRef> done;
    for (unsigned i = 0; i < stage.results.size(); ++i) {
      Result &result = stage.results[i];
      const Op op = result.update->op;
      ExprRef element = renumbered(*elementOf(stage, i), loop, done);
      if (op == Op::Add)
        element =
            node(Op::Mul, result.type, {element, number(result.type, extent)});
      if (stage.reduces()) {
        auto acc = std::make_shared<Expr>();
        acc->op = Op::Accumulator;
        acc->type = result.type;
        acc->number = i;
        result.update = node(op, result.type, {acc, element});
      } else {
        result.init = node(op, result.type, {result.init, element});
        result.update = nullptr;
      }
    }
  }

  /// Without the loop; where an index is ignored, it need not say more than 0.
  ExprRef renumbered(const ExprRef &e, unsigned loop,
                     std::unordered_map<const Expr *, ExprRef> &done) const {
    if (auto known = done.find(e.get()); known != done.end())
      return known->second;
    auto copy = std::make_shared<Expr>(*e);
    if (e->op == Op::Index && e->number > loop)
      --copy->number;
    for (unsigned q = 0; q < e->operands.size(); ++q)
      copy->operands[q] = isIgnored(*e, q)
                              ? integer(0)
                              : renumbered(e->operands[q], loop, done);
    return done[e.get()] = copy;
  }
};

} // namespace

KernelSpec withoutIdleLoops(KernelSpec spec) {
  IdleLoops(spec).run();
  return spec;
}

} // namespace fm::codegen
