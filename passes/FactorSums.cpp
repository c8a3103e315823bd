//===- FactorSums.cpp - Common factors in front of sums, and of rows ------------===//
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

/// The factors of a product, in order; behind the seventh, products count as one.
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
    auto from = cast<RankedTensorType>(op.getX().getType());
    auto to = cast<RankedTensorType>(op.getType());
    // Summed dimensions are kept only where they cannot be put back.
    bool keep = op.getKeepdims() && !to.hasStaticShape();
    SmallVector<Value> factors, inside;
    SmallVector<std::pair<Value, SmallVector<int64_t>>> outside; // and the shape wanted
    collectFactors(op.getX(), factors);
    for (Value factor : factors) {
      auto type = cast<RankedTensorType>(factor.getType());
      int64_t missing = from.getRank() - type.getRank();
      SmallVector<int64_t> shape;
      bool varies = false;
      for (auto [d, size] : llvm::enumerate(type.getShape())) {
        bool summed = llvm::is_contained(op.getAxis(), missing + int64_t(d));
        varies |= summed && size != 1;
        if (!summed || keep)
          shape.push_back(size);
      }
      if (varies || (shape.size() != size_t(type.getRank()) && !type.hasStaticShape()))
        inside.push_back(factor);
      else
        outside.push_back({factor, shape});
    }
    // What is left must still have the shape that is summed; and be there anyway, or
    // else two tensors are stored that differ by a factor.
    if (!op.getX().hasOneUse() && inside.size() == 1 && inside[0].hasOneUse())
      return failure();
    if (outside.empty() || llvm::none_of(inside, [&](Value factor) { return factor.getType() == from; }))
      return failure();
    auto formula = [&](Value value) { return ir::TensorExpr(rewriter, op.getLoc(), value); };
    ir::TensorExpr product = formula(inside[0]);
    for (Value factor : ArrayRef(inside).drop_front())
      product = product * formula(factor);
    ir::TensorExpr sum = product.sum(op.getAxis(), keep);
    for (auto &[factor, shape] : outside) {
      auto type = RankedTensorType::get(shape, from.getElementType());
      sum = sum * (type == factor.getType() ? formula(factor) : formula(factor).reshape(type));
    }
    // Dimensions of one come last, so that equal sums become one.
    rewriter.replaceOp(op, Value(sum.type() == to ? sum : sum.reshape(to)));
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

/// In a softmax, e / s is e * (1 / s) where s is the sum of a row: one division a
/// row. Such a sum has a reciprocal that is no denormal number.
struct ReciprocalOfRow : OpRewritePattern<ir::DivOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(ir::DivOp op, PatternRewriter &rewriter) const override {
    constexpr int64_t least = 32; // elements of a row
    auto type = cast<RankedTensorType>(op.getType());
    auto by = cast<RankedTensorType>(op.getB().getType());
    Value source = op.getB();
    if (auto view = source.getDefiningOp<ir::ReshapeOp>())
      source = view.getX();
    auto sum = source.getDefiningOp<ir::SumOp>();
    if (!sum || !sum.getX().getDefiningOp<ir::ExpOp>() || sum.getX() != op.getA() ||
        by.getRank() != type.getRank() || by.getShape().back() != 1 || type.getShape().back() < least)
      return failure();
    ir::TensorExpr a(rewriter, op.getLoc(), op.getA()), b(rewriter, op.getLoc(), op.getB());
    rewriter.replaceOp(op, Value(a * (1.0 / b)));
    return success();
  }
};

struct FactorSums : impl::FmFactorSumsBase<FactorSums> {
  void runOnOperation() override {
    RewritePatternSet sums(&getContext()), reciprocals(&getContext());
    sums.add<FactorBeforeSum, OneSumOfBoth>(&getContext());
    // Afterwards: a reciprocal is no factor to move, its product is stored.
    reciprocals.add<ReciprocalOfRow>(&getContext());
    for (RewritePatternSet *patterns : {&sums, &reciprocals})
      if (failed(applyPatternsAndFoldGreedily(getOperation(), std::move(*patterns))))
        signalPassFailure();
  }
};

} // namespace
} // namespace fm::passes
