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

//===----------------------------------------------------------------------===//
// What no window reads
//===----------------------------------------------------------------------===//

RankedTensorType tensorType(Value value) { return cast<RankedTensorType>(value.getType()); }

/// A convolution, or what nobody but `value` needs on the way from one.
bool comesFromConvolution(Value value) {
  Operation *op = value.getDefiningOp();
  if (!op || !value.hasOneUse())
    return false;
  return isa<ir::ConvOp>(op) ||
         (op->hasTrait<ir::Pointwise>() && llvm::any_of(op->getOperands(), [&](Value operand) {
            return operand.getType() == value.getType() && comesFromConvolution(operand);
          }));
}

/// The first `size` rows or columns.
Value firstOf(PatternRewriter &rewriter, Value x, int64_t axis, int64_t size) {
  if (tensorType(x).getDimSize(axis) == size)
    return x;
  return rewriter.create<ir::SliceOp>(x.getLoc(), x, axis, 0, size, 1);
}

/// Windows that leave out the last rows or columns of a convolution's result.
template <typename Window>
struct WindowOfPart : OpRewritePattern<Window> {
  using OpRewritePattern<Window>::OpRewritePattern;
  LogicalResult matchAndRewrite(Window op, PatternRewriter &rewriter) const override {
    Value x = op.getX();
    auto count = tensorType(op.getY()).getShape();
    if (!comesFromConvolution(x))
      return failure();
    for (int i : {0, 1})
      x = firstOf(rewriter, x, 1 + i, (count[1 + i] - 1) * op.getStride()[i] + op.getSize()[i]);
    if (x == op.getX())
      return failure();
    rewriter.modifyOpInPlace(op, [&] { op.getXMutable().assign(x); });
    return success();
  }
};

/// The first rows or columns of what comes from a convolution need no more than
/// those of the operands; a convolution's, those and the kernel's reach.
struct FirstOfConvolution : OpRewritePattern<ir::SliceOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(ir::SliceOp op, PatternRewriter &rewriter) const override {
    const int64_t axis = op.getAxis(), size = op.getEnd();
    if ((axis != 1 && axis != 2) || op.getBegin() != 0 || op.getStep() != 1 || size < 1 ||
        tensorType(op.getX()).getRank() != 4)
      return failure();
    if (auto pad = op.getX().getDefiningOp<ir::PadOp>())
      return ofPad(op, pad, rewriter);
    if (!comesFromConvolution(op.getX()))
      return failure();
    if (auto convolution = op.getX().getDefiningOp<ir::ConvOp>()) {
      const int64_t taps = tensorType(convolution.getW()).getDimSize(axis - 1);
      const int64_t reach = (size - 1) * convolution.getStride()[axis - 1] +
                            (taps - 1) * convolution.getDilation()[axis - 1] + 1;
      rewriter.replaceOpWithNewOp<ir::ConvOp>(op, firstOf(rewriter, convolution.getX(), axis, reach),
                                              convolution.getW(), convolution.getStride(),
                                              convolution.getDilation(), convolution.getGroups());
      return success();
    }
    Operation *pointwise = op.getX().getDefiningOp();
    IRMapping first;
    for (Value operand : pointwise->getOperands()) {
      const int64_t at = axis - 4 + tensorType(operand).getRank();
      if (at >= 0 && tensorType(operand).getDimSize(at) != 1)
        first.map(operand, firstOf(rewriter, operand, at, size));
    }
    Operation *narrow = rewriter.clone(*pointwise, first);
    narrow->getResult(0).setType(op.getType());
    rewriter.replaceOp(op, narrow);
    return success();
  }

private:
  /// Less of the border, or none of it and less of what is inside.
  static LogicalResult ofPad(ir::SliceOp op, ir::PadOp pad, PatternRewriter &rewriter) {
    const int64_t axis = op.getAxis(), inside = op.getEnd() - pad.getBefore()[axis];
    if (!pad->hasOneUse() || inside < 1)
      return failure();
    const int64_t whole = tensorType(pad.getX()).getDimSize(axis);
    SmallVector<int64_t> after(pad.getAfter());
    after[axis] = std::max<int64_t>(inside - whole, 0);
    rewriter.replaceOpWithNewOp<ir::PadOp>(op, firstOf(rewriter, pad.getX(), axis, std::min(inside, whole)),
                                           pad.getBefore(), after, pad.getValue());
    return success();
  }
};

struct Simplify : impl::FmSimplifyBase<Simplify> {
  void runOnOperation() override {
    RewritePatternSet patterns(&getContext());
    patterns.add<MaxBeforeRelu, MaxBeforeBias, WindowOfPart<ir::WindowMaxOp>, WindowOfPart<ir::WindowSumOp>,
                 FirstOfConvolution>(&getContext());
    if (failed(applyPatternsAndFoldGreedily(getOperation(), std::move(patterns))))
      signalPassFailure();
  }
};

} // namespace
} // namespace fm::passes
