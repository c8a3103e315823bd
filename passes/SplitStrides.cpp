//===- SplitStrides.cpp - Gradients of strided convolutions -----------------------===//
//
// y[i] = sum over k of x[s i + k] w[k], so that dx[s m + a] = sum over u of
// dy[m - u] w[s u + a]: for each a below the stride s, an input gradient of
// stride 1 with each s-th element of the kernel from a on. Together they have the
// products of the forward pass; spread by zeros, dy takes s times as many along
// each dimension.
//
//===----------------------------------------------------------------------===//

#include "passes/Passes.h"

using namespace mlir;

namespace fm::passes {
#define GEN_PASS_DEF_FMSPLITSTRIDES
#include "passes/Passes.h.inc"

namespace {

RankedTensorType tensorType(Value value) { return cast<RankedTensorType>(value.getType()); }

/// Each `stride`-th element of the result, from `begin` on, along one dimension.
struct Phase {
  Phase(ir::ConvInputGradOp op, int dim, int64_t begin)
      : stride(op.getStride()[dim]), first((begin + op.originAlong(dim)) % stride),
        taps(tensorType(op.getW()).getDimSize(dim)), origin((begin + op.originAlong(dim)) / stride),
        size((op.getSize()[dim] - begin + stride - 1) / stride) {}
  /// Whether any element of the kernel meets any of the result.
  bool isThere() const { return first < taps && size > 0; }

  int64_t stride;
  int64_t first, taps;  ///< of the kernel: from `first` on, below `taps`
  int64_t origin, size; ///< of this part of the gradient
};

/// Input times output channels of a group: a depthwise convolution waits for
/// memory, which parts need more of.
constexpr int64_t leastProducts = 4;

bool pays(ir::ConvInputGradOp op) {
  const int64_t products = tensorType(op.getW()).getDimSize(2) * tensorType(op.getDy()).getDimSize(3) / op.getGroups();
  bool strided = false;
  for (int d = 0; d < 2; ++d) {
    strided |= op.getStride()[d] > 1;
    if (op.originAlong(d) < 0 || (op.getStride()[d] > 1 && op.getDilation()[d] > 1))
      return false;
  }
  return strided && products >= leastProducts;
}

Value every(OpBuilder &builder, Location loc, Value w, int dim, const Phase &phase) {
  return phase.stride == 1 ? w : builder.create<ir::SliceOp>(loc, w, dim, phase.first, phase.taps, phase.stride);
}

void split(ir::ConvInputGradOp op) {
  OpBuilder builder(op);
  Location loc = op.getLoc();
  ArrayRef<int64_t> stride = op.getStride();
  // A dimension of stride 1 is one phase, which keeps its dilation.
  SmallVector<Value> parts;
  SmallVector<int64_t> phases;
  for (int64_t a = 0; a < stride[0]; ++a)
    for (int64_t b = 0; b < stride[1]; ++b) {
      const Phase rows(op, 0, a), columns(op, 1, b);
      if (!rows.isThere() || !columns.isThere())
        continue;
      Value w = every(builder, loc, every(builder, loc, op.getW(), 0, rows), 1, columns);
      parts.push_back(builder.create<ir::ConvInputGradOp>(
          loc, op.getDy(), w, ArrayRef<int64_t>{1, 1}, op.getDilation(), op.getGroups(),
          ArrayRef<int64_t>{rows.size, columns.size}, ArrayRef<int64_t>{rows.origin, columns.origin}));
      phases.push_back(a * stride[1] + b);
    }
  if (parts.empty())
    return;
  op.replaceAllUsesWith(builder.create<ir::InterleaveOp>(loc, parts, phases, stride, op.getSize()).getResult());
  op.erase();
}

struct SplitStrides : impl::FmSplitStridesBase<SplitStrides> {
  void runOnOperation() override {
    SmallVector<ir::ConvInputGradOp> work;
    getOperation().walk([&](ir::ConvInputGradOp op) {
      if (pays(op))
        work.push_back(op);
    });
    for (ir::ConvInputGradOp op : work)
      split(op);
  }
};

} // namespace
} // namespace fm::passes
