//===- Differentiate.cpp - Reverse-mode differentiation on fm ops -------------===//

#include "passes/Passes.h"

#include "mlir/Interfaces/SideEffectInterfaces.h"
#include "llvm/ADT/SetVector.h"

using namespace mlir;

namespace fm::passes {
#define GEN_PASS_DEF_FMDIFFERENTIATE
#include "passes/Passes.h.inc"

namespace {

/// The reverse sweep for one fm.gradient.
class Reverse {
public:
  explicit Reverse(ir::GradientOp gradient) : gradient(gradient), builder(gradient) {}

  LogicalResult run() {
    findActive();
    if (failed(check()))
      return failure();
    // d of / d of = 1.
    auto scalar = cast<RankedTensorType>(gradient.getOf().getType());
    accumulate(gradient.getOf(),
               builder.create<ir::ConstantOp>(
                   gradient.getLoc(),
                   DenseElementsAttr::get(scalar, builder.getFloatAttr(scalar.getElementType(), 1.0))));
    for (Operation *op : llvm::reverse(active))
      propagate(op);
    SmallVector<Value> results;
    for (Value value : gradient.getWrt())
      results.push_back(valueOrZero(value));
    gradient->replaceAllUsesWith(results);
    gradient->erase();
    return success();
  }

private:
  /// Ops on a way from a wanted value to the scalar, in order.
  void findActive() {
    for (Value value : gradient.getWrt())
      dependent.insert(value);
    SmallVector<Operation *> reached;
    for (Operation &op : *gradient->getBlock()) {
      if (&op == gradient)
        break;
      if (llvm::none_of(op.getOperands(), [&](Value v) { return dependent.contains(v); }))
        continue;
      auto none = dyn_cast<ir::NonDifferentiableOpInterface>(op);
      if (none && !none.isGradientAnError())
        continue; // its gradient is zero: nothing behind it is reached
      dependent.insert(op.result_begin(), op.result_end());
      reached.push_back(&op);
    }
    DenseSet<Value> needed = {gradient.getOf()};
    for (Operation *op : llvm::reverse(reached)) {
      if (llvm::none_of(op->getResults(), [&](Value v) { return needed.contains(v); }))
        continue;
      active.push_back(op);
      needed.insert(op->operand_begin(), op->operand_end());
    }
    std::reverse(active.begin(), active.end());
  }

  LogicalResult check() {
    bool ok = true;
    for (Operation *op : active) {
      if (isa<ir::AdjointOpInterface>(op))
        continue;
      ok = false;
      StringRef name = op->getName().stripDialect();
      auto diagnostic = op->emitError() << name << ": has no gradient";
      if (auto none = dyn_cast<ir::NonDifferentiableOpInterface>(op))
        diagnostic << ": " << none.getNonDifferentiableReason();
      diagnostic.attachNote(gradient.getLoc()) << "the loss depends on it here";
    }
    return success(ok);
  }

  void accumulate(Value value, Value share) {
    Value &sum = adjoints[value];
    sum = sum ? builder.create<ir::AddOp>(share.getLoc(), sum, share).getResult() : share;
  }

  void propagate(Operation *op) {
    SmallVector<Value> gradients;
    bool any = false;
    for (Value result : op->getResults()) {
      gradients.push_back(adjoints.lookup(result));
      any |= bool(gradients.back());
    }
    if (!any)
      return;
    // Adjoint rules take the first result's gradient for granted.
    if (!gradients.front())
      gradients.front() = valueOrZero(op->getResult(0));
    SmallVector<bool> wanted;
    for (Value operand : op->getOperands())
      wanted.push_back(dependent.contains(operand));
    auto shares = cast<ir::AdjointOpInterface>(op).buildAdjoint(builder, gradients, wanted);
    for (auto [operand, share, want] : llvm::zip(op->getOperands(), shares, wanted))
      if (want && share)
        accumulate(operand, share);
  }

  Value valueOrZero(Value value) {
    if (Value found = adjoints.lookup(value))
      return found;
    auto type = cast<RankedTensorType>(value.getType());
    auto scalar = RankedTensorType::get({}, type.getElementType());
    Value zero = builder.create<ir::ConstantOp>(
        gradient.getLoc(),
        DenseElementsAttr::get(scalar, builder.getFloatAttr(type.getElementType(), 0.0)));
    if (type == scalar)
      return zero;
    return builder.create<ir::BroadcastOp>(gradient.getLoc(), type, zero);
  }

  ir::GradientOp gradient;
  OpBuilder builder;
  DenseSet<Value> dependent;
  SmallVector<Operation *> active;
  DenseMap<Value, Value> adjoints;
};

struct Differentiate : impl::FmDifferentiateBase<Differentiate> {
  void runOnOperation() override {
    SmallVector<ir::GradientOp> work;
    getOperation().walk([&](ir::GradientOp op) { work.push_back(op); });
    for (ir::GradientOp op : work)
      if (failed(Reverse(op).run()))
        return signalPassFailure();
  }
};

} // namespace
} // namespace fm::passes
