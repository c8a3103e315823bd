//===- FusionOps.cpp - What fusion wants to know of an op -----------------------===//

#include "passes/FusionOps.h"

#include "compiler/ir/Together.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/IR/Matchers.h"

using namespace mlir;

namespace fm::passes {

bool isWindow(linalg::GenericOp op) {
  if (op.getNumReductionLoops() == 0)
    return false;
  for (AffineMap map : op.getIndexingMapsArray())
    for (AffineExpr expr : map.getResults()) {
      int dims = 0;
      expr.walk([&](AffineExpr inner) { dims += inner.getKind() == AffineExprKind::DimId; });
      if (dims > 1)
        return true;
    }
  return false;
}

bool sumsRows(linalg::GenericOp op) {
  auto iterators = op.getIteratorTypesArray();
  constexpr auto parallel = utils::IteratorType::parallel;
  return op.getNumReductionLoops() > 0 && op->getNumResults() == 1 && iterators.front() == parallel &&
         iterators.back() == parallel &&
         op.getBody()->getTerminator()->getOperand(0).getDefiningOp<arith::AddFOp>();
}

bool readsRow(AffineMap map) {
  if (map.getNumResults() != map.getNumDims())
    return false;
  for (auto [d, expr] : llvm::enumerate(map.getResults()))
    if (expr != getAffineDimExpr(d, map.getContext()) && expr != getAffineConstantExpr(0, map.getContext()))
      return false;
  return true;
}

bool readsReduced(AffineMap map) {
  const unsigned results = map.getNumResults();
  return results > 0 && results < map.getNumDims() &&
         map == AffineMap::getMultiDimIdentityMap(map.getNumDims(), map.getContext()).getMajorSubMap(results);
}

bool reducesRow(linalg::GenericOp op) {
  constexpr int64_t least = 32, most = 4096;
  auto iterators = op.getIteratorTypesArray();
  if (op.getNumReductionLoops() != 1 || iterators.size() < 2 ||
      iterators.back() != utils::IteratorType::reduction)
    return false;
  const int64_t steps = cast<linalg::LinalgOp>(op.getOperation()).getStaticLoopRanges().back();
  return steps >= least && steps <= most &&
         llvm::all_of(op.getDpsInitsMutable(), [&](OpOperand &init) {
           return readsReduced(op.getMatchingIndexingMap(&init));
         });
}

bool readsRow(tensor::ExtractOp extract) {
  for (auto [d, index] : llvm::enumerate(extract.getIndices())) {
    auto loop = index.getDefiningOp<linalg::IndexOp>();
    if ((!loop || loop.getDim() != d) && !matchPattern(index, m_Zero()))
      return false;
  }
  return true;
}

/// Whether the body only chooses which element to take: one read, at indices
/// computed from the loops.
static bool onlyMoves(Block &body) {
  int reads = 0;
  for (Operation &inner : body.without_terminator()) {
    if (isa<tensor::ExtractOp>(inner))
      ++reads;
    else if (inner.getNumResults() != 1 || !inner.getResult(0).getType().isIndex())
      return false;
  }
  Value yielded = body.getTerminator()->getOperand(0);
  if (auto extract = yielded.getDefiningOp<tensor::ExtractOp>())
    return reads == 1;
  return reads == 0 && isa<BlockArgument>(yielded);
}

bool isTogether(Operation *op) { return !togetherOf(op).empty(); }

bool readsTogether(Operation *user) {
  auto reader = isa<tensor::ExtractOp>(user) ? user->getParentOfType<linalg::GenericOp>() : nullptr;
  return reader && isTogether(reader);
}

bool transposesRows(linalg::GenericOp op) {
  if (op.getNumDpsInputs() != 1 || !onlyMoves(*op.getBody()))
    return false;
  AffineMap map = op.getMatchingIndexingMap(op.getDpsInputOperand(0));
  return map.isPermutation() && map.getDimPosition(map.getNumResults() - 1) + 1 != map.getNumDims();
}

/// For comparisons of sizes: how many samples `?` stands for.
static constexpr int64_t kSamplesGuess = 16;

bool usesNumberOfSamples(linalg::GenericOp op) {
  return op.getBody()
      ->walk([&](Operation *inner) {
        return llvm::any_of(inner->getOperands(),
                            [](Value value) {
                              auto argument = dyn_cast<BlockArgument>(value);
                              return argument && isa<func::FuncOp>(argument.getOwner()->getParentOp());
                            })
                   ? WalkResult::interrupt()
                   : WalkResult::advance();
      })
      .wasInterrupted();
}

FusionNode::Copy copyOf(linalg::GenericOp op) {
  if (op.getNumReductionLoops() != 0)
    return FusionNode::Copy::Never;
  Block &body = *op.getBody();
  if (onlyMoves(body))
    return FusionNode::Copy::Free;
  // A bias, a mean a channel: what is much smaller than the result stays in cache.
  auto elements = [](Value value) {
    int64_t count = 1;
    for (int64_t size : cast<RankedTensorType>(value.getType()).getShape())
      count *= ShapedType::isDynamic(size) ? kSamplesGuess : size;
    return count;
  };
  // A few operations without a computed read, on few tensors. What leaves the
  // caches costs a store, a fetch of the line stored to, and a load: 12 bytes for
  // an element, in which time a vector unit computes a sigmoid.
  constexpr int64_t many = 4096; // elements, for which a division is dearer than a load
  constexpr int64_t outside = 1 << 21;
  const int64_t size = elements(op.getResult(0));
  const int limit = size >= outside ? 24 : 4;
  int cost = 0;
  for (Operation &inner : body.without_terminator()) {
    if (isa<tensor::ExtractOp>(inner) ||
        (isa<math::MathDialect>(inner.getDialect()) && !isa<math::ExpOp>(inner)))
      return FusionNode::Copy::Never;
    if (isa<math::ExpOp>(inner))
      cost += 12;
    else if (isa<arith::DivFOp>(inner) && size > many)
      cost += 5;
    else if (!isa<arith::ConstantOp>(inner))
      ++cost;
  }
  int64_t large = llvm::count_if(op.getDpsInputs(), [&](Value input) {
    return elements(input) * 8 > elements(op.getResult(0));
  });
  bool scalar = op.getNumLoops() == 0;
  return cost <= limit && (scalar || large <= 1) ? FusionNode::Copy::Cheap : FusionNode::Copy::Never;
}

int weightOf(linalg::GenericOp op) {
  constexpr int function = 30;
  int weight = 1;
  for (Operation &inner : op.getBody()->without_terminator())
    weight += isa<math::MathDialect>(inner.getDialect()) ? function : !isa<arith::ConstantOp>(inner);
  return weight;
}

} // namespace fm::passes
