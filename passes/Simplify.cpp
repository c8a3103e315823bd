//===- Simplify.cpp - Algebra on fm ops -----------------------------------------===//

#include "passes/Passes.h"

#include "mlir/IR/PatternMatch.h"
#include "mlir/Transforms/GreedyPatternRewriteDriver.h"

using namespace mlir;

namespace fm::passes {
#define GEN_PASS_DEF_FMSIMPLIFY
#include "passes/Passes.h.inc"

namespace {

/// window_max(relu(x)) is relu(window_max(x)): the rectifier is monotone. The
/// position differs only where the result is 0, and there no gradient flows.
struct MaxBeforeRelu : OpRewritePattern<ir::WindowMaxOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(ir::WindowMaxOp op, PatternRewriter &rewriter) const override {
    auto relu = op.getX().getDefiningOp<ir::ReluOp>();
    if (!relu || !relu->hasOneUse() || !op.getPosition().use_empty())
      return failure();
    auto window = rewriter.create<ir::WindowMaxOp>(op.getLoc(), relu.getX(), op.getSize(), op.getStride());
    Value y = rewriter.create<ir::ReluOp>(relu.getLoc(), window.getY());
    rewriter.replaceAllUsesWith(op.getY(), y);
    rewriter.eraseOp(op);
    return success();
  }
};

/// window_max(x + b) is window_max(x) + b where b does not vary with the place:
/// rounding is monotone, so that not a bit changes.
struct MaxBeforeBias : OpRewritePattern<ir::WindowMaxOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(ir::WindowMaxOp op, PatternRewriter &rewriter) const override {
    auto add = op.getX().getDefiningOp<ir::AddOp>();
    if (!add || !add->hasOneUse() || !op.getPosition().use_empty())
      return failure();
    auto bias = cast<RankedTensorType>(add.getB().getType());
    if (bias.getRank() > 1 || add.getA().getType() != op.getX().getType())
      return failure();
    auto window = rewriter.create<ir::WindowMaxOp>(op.getLoc(), add.getA(), op.getSize(), op.getStride());
    Value y = rewriter.create<ir::AddOp>(add.getLoc(), window.getY(), add.getB());
    rewriter.replaceAllUsesWith(op.getY(), y);
    rewriter.eraseOp(op);
    return success();
  }
};

struct Simplify : impl::FmSimplifyBase<Simplify> {
  void runOnOperation() override {
    RewritePatternSet patterns(&getContext());
    patterns.add<MaxBeforeRelu, MaxBeforeBias>(&getContext());
    if (failed(applyPatternsAndFoldGreedily(getOperation(), std::move(patterns))))
      signalPassFailure();
  }
};

} // namespace
} // namespace fm::passes
