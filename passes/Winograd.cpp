//===- Winograd.cpp - 3x3 convolutions by transforms ----------------------------===//
//
// A convolution and its two gradients, for tiles of 4x4 results: 36 products a
// tile and pair of channels where the plain loops take 144. The gradient of the
// kernel is that of the bilinear form, so that it uses the transform of the
// input that the forward pass has made (or CutStrips.cpp makes again).
//
//===----------------------------------------------------------------------===//

#include "passes/Passes.h"

#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;

namespace fm::passes {
#define GEN_PASS_DEF_FMWINOGRAD
#include "passes/Passes.h.inc"

namespace {

RankedTensorType tensorType(Value value) { return cast<RankedTensorType>(value.getType()); }

/// Tiles of 4x4 that cover an image, and how they lie in memory.
struct Grid {
  explicit Grid(RankedTensorType images)
      : size{(images.getDimSize(1) + 3) / 4, (images.getDimSize(2) + 3) / 4}, rows(size[1] >= 8) {}
  int64_t tiles() const { return size[0] * size[1]; }
  /// [n, p, 36, q, channels].
  RankedTensorType points(RankedTensorType images) const {
    return images.clone({images.getDimSize(0), rows ? size[0] : 1, 36, rows ? size[1] : tiles(), images.getDimSize(3)});
  }
  SmallVector<int64_t, 2> size;
  bool rows; ///< a row of tiles makes the rows of a matrix product; else all do together
};

/// Whether the transforms pay. In multiplications that the plain loops could do
/// meanwhile: they reach about 85% of the peak, the short products of the points
/// 80%; an element that is transformed, written and read again costs about 12,
/// and 8 where it belongs to a kernel, which stays in cache.
bool pays(const Grid &grid, int64_t batch, int64_t height, int64_t width, int64_t in, int64_t out) {
  const double plain = double(batch * height * width) * 9 * double(in * out) / 0.85;
  const double tiles = double(batch * grid.tiles());
  const double products = tiles * 36 * double(in * out) / 0.8;
  const double transforms = tiles * 36 * double(in + out) * 12 + 36. * double(in * out) * 8;
  return products + transforms < plain;
}

class Rewriter {
public:
  Rewriter(int64_t batch) : batch(batch) {}

  void rewrite(ir::ConvOp op) const {
    auto y = tensorType(op.getY());
    Grid grid(y);
    if (!isPlain(op, tensorType(op.getW()).getShape()) || !pays(grid, y.getShape(), tensorType(op.getX())))
      return;
    OpBuilder builder(op);
    Value tiles = inputTiles(builder, op.getX(), grid);
    Value kernel = kernelPoints(builder, op.getLoc(), op.getW(), false);
    Value points = builder.create<ir::EinsumOp>(op.getLoc(), tiles, kernel, "npxqc,xco->npxqo");
    replace(op, builder.create<ir::WinogradOutputOp>(op.getLoc(), y, points, grid.size));
  }

  void rewrite(ir::ConvInputGradOp op) const {
    const int64_t origin[2] = {op.originAlong(0) - 2, op.originAlong(1) - 2};
    auto x = tensorType(op.getY()), dy = tensorType(op.getDy());
    Grid grid(x);
    if (!isPlain(op, tensorType(op.getW()).getShape()) || !pays(grid, x.getShape(), dy))
      return;
    OpBuilder builder(op);
    Value tiles = builder.create<ir::WinogradInputOp>(op.getLoc(), grid.points(dy), op.getDy(),
                                                      grid.size, ArrayRef<int64_t>(origin));
    // The weights are transposed, not their points, of which there are four times as many.
    Value weights = builder.create<ir::TransposeOp>(op.getLoc(), op.getW(), ArrayRef<int64_t>{0, 1, 3, 2});
    Value kernel = kernelPoints(builder, op.getLoc(), weights, true);
    Value points = builder.create<ir::EinsumOp>(op.getLoc(), tiles, kernel, "npxqo,xoc->npxqc");
    replace(op, builder.create<ir::WinogradOutputOp>(op.getLoc(), x, points, grid.size));
  }

  void rewrite(ir::ConvKernelGradOp op) const {
    auto dy = tensorType(op.getDy());
    Grid grid(dy);
    if (!isPlain(op, op.getType().getShape()) || !pays(grid, dy.getShape(), tensorType(op.getX())))
      return;
    OpBuilder builder(op);
    Value tiles = inputTiles(builder, op.getX(), grid);
    Value gradient = builder.create<ir::WinogradOutputGradOp>(op.getLoc(), grid.points(dy),
                                                              op.getDy(), grid.size);
    Value points = builder.create<ir::EinsumOp>(op.getLoc(), tiles, gradient, "npxqc,npxqo->xco");
    replace(op, builder.create<ir::WinogradKernelGradOp>(op.getLoc(), tensorType(op.getY()), points));
  }

private:
  template <typename Op>
  static bool isPlain(Op op, ArrayRef<int64_t> kernel) {
    auto isOne = [](int64_t value) { return value == 1; };
    return kernel[0] == 3 && kernel[1] == 3 && op.getGroups() == 1 && llvm::all_of(op.getStride(), isOne) &&
           llvm::all_of(op.getDilation(), isOne);
  }
  bool pays(const Grid &grid, ArrayRef<int64_t> result, RankedTensorType operand) const {
    return passes::pays(grid, batch, result[1], result[2], operand.getDimSize(3), result[3]);
  }

  /// The tiles of a convolution's input; a border of zeros need not be there.
  static Value inputTiles(OpBuilder &builder, Value x, const Grid &grid) {
    int64_t origin[2] = {0, 0};
    Location loc = x.getLoc();
    if (auto pad = x.getDefiningOp<ir::PadOp>();
        pad && pad.getValue().isZero() && pad.getBefore()[3] == 0 && pad.getAfter()[3] == 0) {
      origin[0] = -pad.getBefore()[1];
      origin[1] = -pad.getBefore()[2];
      x = pad.getX();
    }
    auto type = tensorType(x);
    return builder.create<ir::WinogradInputOp>(loc, grid.points(type), x, grid.size,
                                               ArrayRef<int64_t>(origin));
  }

  static Value kernelPoints(OpBuilder &builder, Location loc, Value kernel, bool flip) {
    auto type = tensorType(kernel);
    return builder.create<ir::WinogradKernelOp>(loc, type.clone({36, type.getDimSize(2), type.getDimSize(3)}), kernel,
                                                flip);
  }

  static void replace(Operation *op, Value value) { op->getResult(0).replaceAllUsesWith(value); }

  int64_t batch;
};

struct Winograd : impl::FmWinogradBase<Winograd> {
  void runOnOperation() override {
    auto models = getOperation()->getParentOfType<ModuleOp>().getOps<ir::ModelOp>();
    Rewriter rewriter(models.empty() ? 1 : (*models.begin()).getBatch());
    SmallVector<Operation *> work;
    getOperation().walk([&](Operation *op) { work.push_back(op); });
    for (Operation *op : work)
      llvm::TypeSwitch<Operation *>(op).Case<ir::ConvOp, ir::ConvInputGradOp, ir::ConvKernelGradOp>(
          [&](auto convolution) { rewriter.rewrite(convolution); });
  }
};

} // namespace
} // namespace fm::passes
