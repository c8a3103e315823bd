//===- ScaleKernels.cpp - Factors of an input move to the kernel ----------------===//
//
// Squeeze-and-excitation weighs the channels of an activation with one number a
// sample, and a 1x1 convolution follows. Weighing the kernel instead, for each
// sample, is less work by far, the weighed activation needs no memory, and the
// adjoint of the weights becomes a sum over the kernel's gradient.
//
//===----------------------------------------------------------------------===//

#include "compiler/ir/Expressions.h"
#include "passes/Passes.h"

#include "mlir/IR/PatternMatch.h"
#include "mlir/Transforms/GreedyPatternRewriteDriver.h"

using namespace mlir;

namespace fm::passes {
#define GEN_PASS_DEF_FMSCALEKERNELS
#include "passes/Passes.h.inc"

namespace {

/// Elements a sample.
int64_t elementsOf(RankedTensorType type) {
  int64_t count = 1;
  for (int64_t size : type.getShape())
    count *= ShapedType::isDynamic(size) ? 1 : size;
  return count;
}

/// conv(x * g, w) is einsum(x, g * w) for a 1x1 kernel and a g that is the same
/// in each place of an image.
struct ScaleKernel : OpRewritePattern<ir::ConvOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(ir::ConvOp op, PatternRewriter &rewriter) const override {
    auto product = op.getX().getDefiningOp<ir::MulOp>();
    auto kernel = cast<RankedTensorType>(op.getW().getType());
    if (!product || !product->hasOneUse() || op.getGroups() != 1 || kernel.getDimSize(0) != 1 ||
        kernel.getDimSize(1) != 1 || llvm::any_of(op.getStride(), [](int64_t s) { return s != 1; }))
      return failure();
    Value x = product.getA(), factor = product.getB();
    if (x.getType() != op.getX().getType())
      std::swap(x, factor);
    auto type = cast<RankedTensorType>(factor.getType());
    // [n, 1, 1, c], where any may be 1, and leading ones may be missing.
    SmallVector<int64_t> shape(4 - type.getRank(), 1);
    llvm::append_range(shape, type.getShape());
    if (x.getType() != op.getX().getType() || shape[1] != 1 || shape[2] != 1)
      return failure();

    const int64_t inputs = kernel.getDimSize(2), outputs = kernel.getDimSize(3);
    const bool perSample = ShapedType::isDynamic(shape[0]);
    if (elementsOf(cast<RankedTensorType>(x.getType())) < 4 * inputs * outputs || (!perSample && shape[0] != 1))
      return failure();
    auto formula = [&](Value value) { return ir::TensorExpr(rewriter, product.getLoc(), value); };
    auto typeOf = [&](ArrayRef<int64_t> sizes) { return RankedTensorType::get(sizes, type.getElementType()); };
    SmallVector<int64_t> column = {shape[3], 1};
    if (perSample)
      column.insert(column.begin(), ShapedType::kDynamic);
    ir::TensorExpr scaled = formula(factor).reshape(typeOf(column)) *
                            formula(op.getW()).reshape(typeOf({inputs, outputs}));
    rewriter.replaceOpWithNewOp<ir::EinsumOp>(op, x, scaled,
                                              perSample ? "nhwi,nio->nhwo" : "nhwi,io->nhwo");
    return success();
  }
};

struct ScaleKernels : impl::FmScaleKernelsBase<ScaleKernels> {
  void runOnOperation() override {
    RewritePatternSet patterns(&getContext());
    patterns.add<ScaleKernel>(&getContext());
    if (failed(applyPatternsAndFoldGreedily(getOperation(), std::move(patterns))))
      signalPassFailure();
  }
};

} // namespace
} // namespace fm::passes
