//===- FactorSums.cpp - Common factors in front of sums -------------------------===//
//
// Adjoints of normalisations sum `dy * scale` and `dy * scale * y` beside `dy`
// and `dy * y`, each over all of the activations. With the scale in front of the
// sum, two of the four are the other two.
//
//===----------------------------------------------------------------------===//

#include "compiler/ir/Expressions.h"
#include "passes/Passes.h"

#include "mlir/IR/PatternMatch.h"
#include "mlir/Transforms/GreedyPatternRewriteDriver.h"

using namespace mlir;

namespace fm::passes {
#define GEN_PASS_DEF_FMFACTORSUMS
#include "passes/Passes.h.inc"

namespace {

/// The factors of a product, in order; at most eight.
void collectFactors(Value value, SmallVectorImpl<Value> &factors) {
  auto product = value.getDefiningOp<ir::MulOp>();
  if (!product || factors.size() >= 7) {
    factors.push_back(value);
    return;
  }
  collectFactors(product.getA(), factors);
  collectFactors(product.getB(), factors);
}

/// sum(a * v) is sum(a) * v where v does not vary along what is summed.
struct FactorBeforeSum : OpRewritePattern<ir::SumOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(ir::SumOp op, PatternRewriter &rewriter) const override {
    auto type = cast<RankedTensorType>(op.getX().getType());
    SmallVector<Value> factors, inside, outside;
    collectFactors(op.getX(), factors);
    for (Value factor : factors) {
      ArrayRef<int64_t> shape = cast<RankedTensorType>(factor.getType()).getShape();
      int64_t missing = type.getRank() - int64_t(shape.size());
      bool varies = llvm::any_of(op.getAxis(), [&](int64_t axis) { return axis >= missing && shape[axis - missing] != 1; });
      (varies ? inside : outside).push_back(factor);
    }
    if (outside.empty() || inside.empty())
      return failure();
    ir::TensorExpr product(rewriter, op.getLoc(), inside[0]);
    for (Value factor : ArrayRef(inside).drop_front())
      product = product * ir::TensorExpr(rewriter, op.getLoc(), factor);
    if (product.type() != type)
      return failure();
    // Dimensions of one come last, so that equal sums become one.
    auto to = cast<RankedTensorType>(op.getType());
    ir::TensorExpr sum = product.sum(op.getAxis(), op.getKeepdims() && !to.hasStaticShape());
    for (Value factor : outside)
      sum = sum * ir::TensorExpr(rewriter, op.getLoc(), factor);
    if (sum.type() != to && to.hasStaticShape())
      sum = sum.reshape(to);
    if (sum.type() != to)
      return failure();
    rewriter.replaceOp(op, Value(sum));
    return success();
  }
};

/// Of two sums of the same, one with the summed dimensions kept, one is left.
struct OneSumOfBoth : OpRewritePattern<ir::SumOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(ir::SumOp op, PatternRewriter &rewriter) const override {
    auto type = cast<RankedTensorType>(op.getType());
    if (!op.getKeepdims() || !type.hasStaticShape())
      return failure();
    bool other = llvm::any_of(op.getX().getUsers(), [&](Operation *user) {
      auto sum = dyn_cast<ir::SumOp>(user);
      return sum && !sum.getKeepdims() && sum.getAxis() == op.getAxis();
    });
    if (!other)
      return failure();
    ir::TensorExpr x(rewriter, op.getLoc(), op.getX());
    rewriter.replaceOp(op, Value(x.sum(op.getAxis(), false).reshape(type)));
    return success();
  }
};

struct FactorSums : impl::FmFactorSumsBase<FactorSums> {
  void runOnOperation() override {
    RewritePatternSet patterns(&getContext());
    patterns.add<FactorBeforeSum, OneSumOfBoth>(&getContext());
    if (failed(applyPatternsAndFoldGreedily(getOperation(), std::move(patterns))))
      signalPassFailure();
  }
};

} // namespace
} // namespace fm::passes
