//===- RowMoments.cpp - Mean and variance in one pass ---------------------------===//
//
// The variance needs the mean, so that batch normalisation reads its input twice
// before it starts. Sums over rows need no mean: each row is shifted by its own
// first element, and rows are few enough to be combined as exactly as one likes
// (Chan, Golub and LeVeque, "Updating formulae and a pairwise algorithm for
// computing sample variances", 1979).
//
// With rows of w elements the shift d is one of a row's own deviations, so that
// d^2 is at most its sum of squares, and cancellation loses at most a factor of
// 1 + w.
//
//===----------------------------------------------------------------------===//

#include "compiler/ir/Expressions.h"
#include "passes/Passes.h"

#include "mlir/IR/PatternMatch.h"
#include "mlir/Transforms/GreedyPatternRewriteDriver.h"

using namespace mlir;

namespace fm::passes {
#define GEN_PASS_DEF_FMROWMOMENTS
#include "passes/Passes.h.inc"

namespace {

/// Below, rows are too many to be small beside the input; above, they lose more
/// than 1e-5.
constexpr int64_t kShortestRow = 16, kLongestRow = 128;

struct MomentsOfRows : OpRewritePattern<ir::NormalizeOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(ir::NormalizeOp op, PatternRewriter &rewriter) const override {
    auto type = cast<RankedTensorType>(op.getX().getType());
    // All but the features, which stay contiguous; the last of them is the row.
    const int64_t row = type.getRank() - 2;
    if (row < 1 || op.getAxis() != ArrayRef(llvm::to_vector(llvm::seq<int64_t>(0, row + 1))))
      return failure();
    const int64_t length = type.getDimSize(row); // negative if unknown
    if (length < kShortestRow || length > kLongestRow)
      return failure();

    ir::TensorExpr x(rewriter, op.getLoc(), op.getX());
    ir::TensorExpr first(rewriter, op.getLoc(), rewriter.create<ir::SliceOp>(op.getLoc(), x, row, 0, 1, 1));
    ir::TensorExpr shifted = x - first;
    ir::TensorExpr shift = shifted.mean({row});
    ir::TensorExpr rowVariance = (shifted * shifted).mean({row}) - shift * shift;
    ir::TensorExpr rowMean = first + shift;
    ir::TensorExpr mean = rowMean.mean(op.getAxis());
    ir::TensorExpr distance = rowMean - mean;
    ir::TensorExpr variance = (rowVariance + distance * distance).mean(op.getAxis());
    ir::TensorExpr y = (x - mean) * rsqrt(variance + op.getEpsilon().convertToDouble());
    rewriter.replaceOp(op, ValueRange{y, mean, variance});
    return success();
  }
};

struct RowMoments : impl::FmRowMomentsBase<RowMoments> {
  void runOnOperation() override {
    RewritePatternSet patterns(&getContext());
    patterns.add<MomentsOfRows>(&getContext());
    if (failed(applyPatternsAndFoldGreedily(getOperation(), std::move(patterns))))
      signalPassFailure();
  }
};

} // namespace
} // namespace fm::passes
