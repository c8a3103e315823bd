//===- FoldMovement.cpp - Data that need not be moved ----------------------------===//
//
// Attention splits a tensor into heads: slices, reshapes, transposes, and their
// adjoints on the way back. A contraction reads and writes its tensors in any
// order of dimensions; a slice that nothing but a change of shape hides from it
// is only another address; and the sum of tensors that were embedded in zeros,
// each in its own place, is those tensors side by side.
//
//===----------------------------------------------------------------------===//

#include "passes/Passes.h"

#include "mlir/IR/PatternMatch.h"
#include "mlir/Transforms/GreedyPatternRewriteDriver.h"

using namespace mlir;

namespace fm::passes {
#define GEN_PASS_DEF_FMFOLDMOVEMENT
#include "passes/Passes.h.inc"

namespace {

/// Per dimension of x, that of the result.
SmallVector<int64_t> resultDims(ir::TransposeOp op) {
  const int64_t rank = op.getAxes().size();
  SmallVector<int64_t> dims(rank);
  for (auto [i, axis] : llvm::enumerate(op.getAxes()))
    dims[axis < 0 ? axis + rank : axis] = i;
  return dims;
}

/// A contraction takes an operand's dimensions in any order.
struct TransposedOperand : OpRewritePattern<ir::EinsumOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(ir::EinsumOp op, PatternRewriter &rewriter) const override {
    auto [inputs, result] = op.getEquation().split("->");
    auto [a, b] = inputs.split(',');
    std::string labels[] = {a.str(), b.str()};
    Value operands[] = {op.getA(), op.getB()};
    bool changed = false;
    for (auto [operand, label] : llvm::zip(operands, labels))
      if (auto transpose = operand.getDefiningOp<ir::TransposeOp>()) {
        std::string moved;
        for (int64_t dim : resultDims(transpose))
          moved += label[dim];
        label = moved;
        operand = transpose.getX();
        changed = true;
      }
    if (!changed)
      return failure();
    rewriter.replaceOpWithNewOp<ir::EinsumOp>(op, operands[0], operands[1],
                                              labels[0] + "," + labels[1] + "->" + result.str());
    return success();
  }
};

/// And yields its result in any order.
struct TransposedResult : OpRewritePattern<ir::TransposeOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(ir::TransposeOp op, PatternRewriter &rewriter) const override {
    auto einsum = op.getX().getDefiningOp<ir::EinsumOp>();
    if (!einsum || !einsum->hasOneUse())
      return failure();
    auto [inputs, result] = einsum.getEquation().split("->");
    std::string moved;
    for (int64_t axis : op.getAxes())
      moved += result[axis < 0 ? axis + result.size() : axis];
    rewriter.replaceOpWithNewOp<ir::EinsumOp>(op, einsum.getA(), einsum.getB(), inputs.str() + "->" + moved);
    return success();
  }
};

/// reshape(slice(x)) that splits the sliced, last dimension is a slice of the
/// reshaped x, if its ends fall between two parts.
struct SliceBehindSplit : OpRewritePattern<ir::ReshapeOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(ir::ReshapeOp op, PatternRewriter &rewriter) const override {
    auto slice = op.getX().getDefiningOp<ir::SliceOp>();
    if (!slice || slice.getStep() != 1)
      return failure();
    auto x = cast<RankedTensorType>(slice.getX().getType());
    auto type = cast<RankedTensorType>(op.getType());
    const int64_t last = x.getRank() - 1, size = x.getDimSize(last);
    if ((slice.getAxis() != last && slice.getAxis() != -1) || type.getRank() != x.getRank() + 1 ||
        type.getShape().take_front(last) != x.getShape().take_front(last))
      return failure();
    const int64_t part = type.getDimSize(last + 1);
    const int64_t begin = slice.getBegin() + (slice.getBegin() < 0 ? size : 0);
    const int64_t end = begin + cast<RankedTensorType>(slice.getType()).getDimSize(last);
    if (size % part || begin % part || end % part)
      return failure();
    SmallVector<int64_t> shape(type.getShape());
    shape[last] = size / part;
    Value split = rewriter.create<ir::ReshapeOp>(op.getLoc(), slice.getX(), shape);
    rewriter.replaceOpWithNewOp<ir::SliceOp>(op, split, last, begin / part, end / part, 1);
    return success();
  }
};

/// The terms of a sum, as far as nobody else needs its partial sums.
void collectTerms(Value value, SmallVectorImpl<Value> &terms) {
  auto sum = value.getDefiningOp<ir::AddOp>();
  if (!sum || !sum->hasOneUse()) {
    terms.push_back(value);
    return;
  }
  collectTerms(sum.getA(), terms);
  collectTerms(sum.getB(), terms);
}

/// Zeros around each, and the places side by side: a concatenation.
struct SumOfParts : OpRewritePattern<ir::AddOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(ir::AddOp op, PatternRewriter &rewriter) const override {
    if (!op.getA().getDefiningOp<ir::EmbedOp>() && !op.getB().getDefiningOp<ir::EmbedOp>())
      return failure();
    SmallVector<Value> terms;
    collectTerms(op.getA(), terms);
    collectTerms(op.getB(), terms);
    SmallVector<ir::EmbedOp> parts;
    for (Value term : terms) {
      auto part = term.getDefiningOp<ir::EmbedOp>();
      if (!part || part.getStep() != 1 || part.getType() != op.getType() ||
          (!parts.empty() && part.getAxis() != parts[0].getAxis()))
        return failure();
      parts.push_back(part);
    }
    llvm::stable_sort(parts, [](ir::EmbedOp a, ir::EmbedOp b) { return a.getBegin() < b.getBegin(); });
    const int64_t axis = parts[0].getAxis();
    int64_t end = 0;
    SmallVector<Value> values;
    for (ir::EmbedOp part : parts) {
      if (part.getBegin() != end)
        return failure();
      end += cast<RankedTensorType>(part.getX().getType()).getDimSize(axis);
      values.push_back(part.getX());
    }
    if (end != cast<RankedTensorType>(op.getType()).getDimSize(axis))
      return failure();
    rewriter.replaceOpWithNewOp<ir::ConcatOp>(op, op.getType(), values, axis);
    return success();
  }
};

struct FoldMovement : impl::FmFoldMovementBase<FoldMovement> {
  void runOnOperation() override {
    RewritePatternSet patterns(&getContext());
    patterns.add<TransposedOperand, TransposedResult, SliceBehindSplit, SumOfParts>(&getContext());
    if (failed(applyPatternsAndFoldGreedily(getOperation(), std::move(patterns))))
      signalPassFailure();
  }
};

} // namespace
} // namespace fm::passes
