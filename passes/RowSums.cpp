//===- RowSums.cpp - Sums over an image by way of its rows ----------------------===//
//
// A sum over all positions of an image has no term that may be added before the
// others of another row are known, if its order is to be one for any number of
// threads. Sums of rows have: a row is one task, and whoever computes it can add
// up what it writes, at once. What is left to sum is small.
//
//===----------------------------------------------------------------------===//

#include "compiler/ir/Expressions.h"
#include "passes/Passes.h"

#include "mlir/IR/PatternMatch.h"
#include "mlir/Transforms/GreedyPatternRewriteDriver.h"

using namespace mlir;

namespace fm::passes {
#define GEN_PASS_DEF_FMROWSUMS
#include "passes/Passes.h.inc"

namespace {

/// Sums of shorter rows are not small beside what is summed.
constexpr int64_t kShortestRow = 8;

struct SumOfRows : OpRewritePattern<ir::SumOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(ir::SumOp op, PatternRewriter &rewriter) const override {
    // Samples, rows, their elements, and features, which stay contiguous.
    auto type = cast<RankedTensorType>(op.getX().getType());
    const int64_t row = type.getRank() - 2;
    if (type.getRank() < 4 || op.getAxis().size() < 2 || !llvm::is_contained(op.getAxis(), row) ||
        llvm::is_contained(op.getAxis(), row + 1))
      return failure();
    if (type.getDimSize(row) < kShortestRow) // negative if unknown
      return failure();
    ir::TensorExpr x(rewriter, op.getLoc(), op.getX());
    rewriter.replaceOp(op, Value(x.sum({row}).sum(op.getAxis(), op.getKeepdims())));
    return success();
  }
};

/// A loss sums everything to one number, which leaves other threads nothing to do:
/// first each part of a sample, such as a row of an image or a word.
struct SumOfEverything : OpRewritePattern<ir::SumOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(ir::SumOp op, PatternRewriter &rewriter) const override {
    constexpr int64_t small = 256; // elements of a part
    auto type = cast<RankedTensorType>(op.getX().getType());
    if (type.getRank() < 3 || int64_t(op.getAxis().size()) != type.getRank() ||
        type.getDimSize(1) < kShortestRow)
      return failure();
    int64_t part = 1;
    for (int64_t size : type.getShape().drop_front(2))
      part *= size;
    if (part < small)
      return failure();
    ir::TensorExpr x(rewriter, op.getLoc(), op.getX());
    auto inner = llvm::to_vector(llvm::seq<int64_t>(2, type.getRank()));
    rewriter.replaceOp(op, Value(x.sum(inner).sum(op.getAxis(), op.getKeepdims())));
    return success();
  }
};

struct RowSums : impl::FmRowSumsBase<RowSums> {
  void runOnOperation() override {
    RewritePatternSet patterns(&getContext());
    patterns.add<SumOfRows, SumOfEverything>(&getContext());
    if (failed(applyPatternsAndFoldGreedily(getOperation(), std::move(patterns))))
      signalPassFailure();
  }
};

} // namespace
} // namespace fm::passes
