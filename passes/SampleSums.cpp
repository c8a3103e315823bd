//===- SampleSums.cpp - Sums over samples by way of each sample's ---------------===//
//
// The gradient of a small kernel sums over all samples and positions, and its
// few elements are all that threads could share: each would read every sample,
// half of them in another core's caches. The sums of a sample are a task that
// reads what lies where it was computed. What is left to sum is small.
//
// Of large samples, these sums may go strip by strip with what makes the operands
// (CutStrips.cpp), which then need no memory of their own. That is worth more.
//
//===----------------------------------------------------------------------===//

#include "compiler/ir/Together.h"
#include "passes/Contractions.h"
#include "passes/Passes.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"

#include "llvm/ADT/SetVector.h"

using namespace mlir;

namespace fm::passes {
#define GEN_PASS_DEF_FMSAMPLESUMS
#include "passes/Passes.h.inc"

namespace {

/// The sums of samples are written and read again: they have at most this part
/// of what the contraction reads.
constexpr double kLargestPart = 1. / 16;
/// The same where they go strip by strip.
constexpr double kLargestPartOfStrips = 1. / 4;
/// Fewer samples are too few tasks.
constexpr int64_t kFewestSamples = 4;

int64_t bytesOf(Type type, int64_t batch) {
  auto tensor = cast<RankedTensorType>(type);
  int64_t bytes = tensor.getElementTypeBitWidth() / 8;
  for (int64_t size : tensor.getShape())
    bytes *= ShapedType::isDynamic(size) ? batch : size;
  return bytes;
}

/// The loop over samples, if both operands of a contraction run along it, it is
/// summed, and so is another loop.
std::optional<unsigned> sampleLoop(linalg::GenericOp op) {
  std::optional<unsigned> loop;
  for (auto [input, map] : llvm::zip(op.getInputs(), op.getIndexingMapsArray()))
    for (auto [size, expr] : llvm::zip(cast<RankedTensorType>(input.getType()).getShape(), map.getResults()))
      if (auto dim = dyn_cast<AffineDimExpr>(expr); dim && ShapedType::isDynamic(size)) {
        if (loop && *loop != dim.getPosition())
          return std::nullopt;
        loop = dim.getPosition();
      }
  if (!loop || op.getNumReductionLoops() < 2 ||
      op.getIteratorTypesArray()[*loop] != utils::IteratorType::reduction)
    return std::nullopt;
  auto maps = op.getIndexingMapsArray();
  const bool both = llvm::all_of(ArrayRef(maps).drop_back(), [&](AffineMap map) { return map.isFunctionOfDim(*loop); });
  return both ? loop : std::nullopt;
}

/// What tensors can be made of without a sum.
class Sources {
public:
  explicit Sources(int64_t batch) : batch(batch) {}

  /// Whether a value is at least twice as large as what it is made of, and so better
  /// made where it is read than stored.
  bool isTransform(Value value) { return bytesOf(value.getType(), batch) >= 2 * bytesBehind(value); }

private:
  /// Bytes to keep so that a value can be made: itself, or what it is made of.
  int64_t leastBytes(Value value) {
    auto known = least.find(value);
    if (known != least.end())
      return known->second;
    const int64_t bytes = std::min(bytesOf(value.getType(), batch), bytesBehind(value));
    return least[value] = bytes;
  }

  /// Of what an op without a sum reads, by an index that its body computes as well.
  int64_t bytesBehind(Value value) {
    auto op = value.getDefiningOp<linalg::GenericOp>();
    if (!op || op.getNumReductionLoops() > 0)
      return bytesOf(value.getType(), batch);
    llvm::SmallSetVector<Value, 4> read(op.getInputs().begin(), op.getInputs().end());
    op.getBody()->walk([&](tensor::ExtractOp extract) { read.insert(extract.getTensor()); });
    int64_t bytes = 0;
    for (Value source : read)
      if (isa<RankedTensorType>(source.getType()))
        bytes += leastBytes(source);
    return bytes;
  }

  const int64_t batch;
  DenseMap<Value, int64_t> least;
};

/// Whether the sums of samples may go strip by strip: of several rows.
bool mayGoInStrips(linalg::GenericOp op, int64_t batch) {
  return sumsOverRows(op) && cast<RankedTensorType>(op.getInputs()[0].getType()).getDimSize(1) > 1 &&
         llvm::any_of(op.getInputs(), [&](Value input) { return Sources(batch).isTransform(input); });
}

struct SampleSums : impl::FmSampleSumsBase<SampleSums> {
  using FmSampleSumsBase::FmSampleSumsBase;

  void runOnOperation() override {
    func::FuncOp function = getOperation();
    auto models = function->getParentOfType<ModuleOp>().getOps<ir::ModelOp>();
    const int64_t batch = models.empty() ? 1 : (*models.begin()).getBatch();
    if (batch < kFewestSamples)
      return;
    SmallVector<linalg::GenericOp> work;
    function.walk([&](linalg::GenericOp op) {
      if (isContraction(op) && sampleLoop(op))
        work.push_back(op);
    });
    for (linalg::GenericOp op : work) {
      double read = 0;
      for (Value input : op.getInputs())
        read += double(bytesOf(input.getType(), batch));
      const bool strips = stripBytes > 0 && read > double(batch * stripBytes) && mayGoInStrips(op, batch);
      if (double(batch * bytesOf(op.getResultTypes()[0], batch)) <=
          (strips ? kLargestPartOfStrips : kLargestPart) * read)
        split(op, *sampleLoop(op), function.getArgument(0));
    }
  }

  static void split(linalg::GenericOp op, unsigned loop, Value samples) {
    OpBuilder builder(op);
    MLIRContext *context = op.getContext();
    const Location loc = op.getLoc();
    const unsigned loops = op.getNumLoops();
    auto type = cast<RankedTensorType>(op.getResultTypes()[0]);

    // The same loops, samples first.
    SmallVector<AffineExpr> moved;
    SmallVector<utils::IteratorType> iterators = {utils::IteratorType::parallel};
    for (unsigned l = 0, next = 1; l < loops; ++l) {
      moved.push_back(builder.getAffineDimExpr(l == loop ? 0 : next++));
      if (l != loop)
        iterators.push_back(op.getIteratorTypesArray()[l]);
    }
    SmallVector<AffineMap> maps;
    for (AffineMap map : op.getIndexingMapsArray())
      maps.push_back(map.replaceDimsAndSymbols(moved, {}, loops, 0));
    SmallVector<AffineExpr> results = {builder.getAffineDimExpr(0)};
    llvm::append_range(results, maps.back().getResults());
    maps.back() = AffineMap::get(loops, 0, results, context);

    SmallVector<int64_t> shape = {ShapedType::kDynamic};
    llvm::append_range(shape, type.getShape());
    Value empty = builder.create<tensor::EmptyOp>(loc, shape, type.getElementType(), samples);
    Value zero = builder.create<arith::ConstantOp>(
        loc, cast<TypedAttr>(builder.getZeroAttr(type.getElementType())));
    Value start = builder.create<linalg::FillOp>(loc, zero, empty).getResult(0);
    auto ofSamples = builder.create<linalg::GenericOp>(loc, start.getType(), op.getInputs(), start, maps, iterators);
    IRMapping mapping;
    op.getRegion().cloneInto(&ofSamples.getRegion(), mapping);

    // Their sum, into what the contraction began with.
    const unsigned rank = type.getRank();
    SmallVector<utils::IteratorType> outer(rank, utils::IteratorType::parallel);
    outer.push_back(utils::IteratorType::reduction);
    SmallVector<AffineExpr> from = {builder.getAffineDimExpr(rank)}, to;
    for (unsigned d = 0; d < rank; ++d)
      to.push_back(builder.getAffineDimExpr(d));
    llvm::append_range(from, to);
    auto sum = builder.create<linalg::GenericOp>(
        loc, type, ofSamples.getResult(0), op.getOutputs()[0],
        ArrayRef{AffineMap::get(rank + 1, 0, from, context), AffineMap::get(rank + 1, 0, to, context)}, outer,
        [](OpBuilder &body, Location at, ValueRange elements) {
          body.create<linalg::YieldOp>(at, Value(body.create<arith::AddFOp>(at, elements[1], elements[0])));
        });
    if (auto dimension = atOnceOf(op))
      setAtOnce(sum.getResult(0), *dimension);
    op.getResult(0).replaceAllUsesWith(sum.getResult(0));
    op.erase();
  }
};

} // namespace
} // namespace fm::passes
