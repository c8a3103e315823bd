//===- FormKernels.cpp - linalg ops into fm.kernel regions ----------------------===//

#include "compiler/ir/Bindings.h"
#include "passes/Contractions.h"
#include "passes/Partition.h"
#include "passes/Passes.h"
#include "compiler/ir/Together.h"
#include "compiler/ir/Views.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/IRMapping.h"
#include "mlir/IR/Matchers.h"
#include "llvm/ADT/SetVector.h"

#include <set>

using namespace mlir;

namespace fm::passes {
#define GEN_PASS_DEF_FMFORMKERNELS
#include "passes/Passes.h.inc"

namespace {

//===----------------------------------------------------------------------===//
// What fusion wants to know of an op
//===----------------------------------------------------------------------===//

/// Loops over a window: some map adds two loop indices.
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

/// Sums along loops between the first and the last one.
bool sumsRows(linalg::GenericOp op) {
  auto iterators = op.getIteratorTypesArray();
  constexpr auto parallel = utils::IteratorType::parallel;
  return op.getNumReductionLoops() > 0 && op->getNumResults() == 1 && iterators.front() == parallel &&
         iterators.back() == parallel &&
         op.getBody()->getTerminator()->getOperand(0).getDefiningOp<arith::AddFOp>();
}

/// Whether a read is of the loops' own element, or of the first one along some.
bool readsRow(AffineMap map) {
  if (map.getNumResults() != map.getNumDims())
    return false;
  for (auto [d, expr] : llvm::enumerate(map.getResults()))
    if (expr != getAffineDimExpr(d, map.getContext()) && expr != getAffineConstantExpr(0, map.getContext()))
      return false;
  return true;
}

/// Whether a read is of what the row of the loops' element was reduced to: the
/// innermost loops are missing.
bool readsReduced(AffineMap map) {
  const unsigned results = map.getNumResults();
  return results > 0 && results < map.getNumDims() &&
         map == AffineMap::getMultiDimIdentityMap(map.getNumDims(), map.getContext()).getMajorSubMap(results);
}

/// Whether an op reduces the innermost loop, to one element a row that vectors
/// are short beside and scratch has room for.
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
bool onlyMoves(Block &body) {
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

/// Whether the user of a tensor is a read of such an op.
bool readsTogether(Operation *user) {
  auto reader = isa<tensor::ExtractOp>(user) ? user->getParentOfType<linalg::GenericOp>() : nullptr;
  return reader && isTogether(reader);
}

/// Whether it moves another dimension to the innermost place.
bool transposesRows(linalg::GenericOp op) {
  if (op.getNumDpsInputs() != 1 || !onlyMoves(*op.getBody()))
    return false;
  AffineMap map = op.getMatchingIndexingMap(op.getDpsInputOperand(0));
  return map.isPermutation() && map.getDimPosition(map.getNumResults() - 1) + 1 != map.getNumDims();
}

/// For comparisons of sizes: how many samples `?` stands for.
constexpr int64_t kSamplesGuess = 16;

bool hasSamples(Value value) { return !cast<RankedTensorType>(value.getType()).hasStaticShape(); }

/// Whether the code of an op uses the number of samples.
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

/// Scalar operations in the code of an op; a function is a polynomial and more.
int weightOf(linalg::GenericOp op) {
  constexpr int function = 30;
  int weight = 1;
  for (Operation &inner : op.getBody()->without_terminator())
    weight += isa<math::MathDialect>(inner.getDialect()) ? function : !isa<arith::ConstantOp>(inner);
  return weight;
}

/// Numbers for shapes.
class ShapeClasses {
public:
  int of(ArrayRef<int64_t> shape) {
    auto [it, isNew] = numbers.try_emplace(std::vector<int64_t>(shape), int(numbers.size()));
    return it->second;
  }

private:
  std::map<std::vector<int64_t>, int> numbers;
};

class KernelFormer {
public:
  KernelFormer(func::FuncOp function, bool fuse) : function(function), fuse(fuse) {}

  unsigned run() {
    foldUnitViews();
    ownResults();
    Partition result;
    for (;;) {
      collect();
      std::vector<std::pair<int, int>> violated;
      result = partition(nodes, fuse, antiDependences(), violated);
      auto late = overwrittenTooEarly(result);
      for (auto [reader, writer] : violated)
        late.insert(ops[writer]);
      if (late.empty())
        break;
      // An update that somebody reads too late for goes by way of a copy.
      detach(late);
    }
    build(result);
    return result.kernels.size();
  }

private:
  /// A reduced row is often read through views that give it back a dimension of
  /// one element: whoever reads that may read what was reduced.
  void foldUnitViews() {
    if (!fuse)
      return;
    Block &block = function.getBody().front();
    for (auto op : block.getOps<linalg::GenericOp>())
      for (OpOperand *input : op.getDpsInputOperands())
        readRoot(op, *input);
    for (Operation &op : llvm::make_early_inc_range(llvm::reverse(block)))
      if (isa<tensor::ExpandShapeOp, tensor::CollapseShapeOp>(op) && op.use_empty())
        op.erase();
  }

  /// Reads the root of a view that differs from it by dimensions of one element.
  static void readRoot(linalg::GenericOp op, OpOperand &input) {
    Value root = viewRoot(input.get());
    auto maker = root.getDefiningOp<linalg::GenericOp>();
    if (root == input.get() || !maker || !reducesRow(maker))
      return;
    const AffineMap map = op.getMatchingIndexingMap(&input);
    ArrayRef<int64_t> from = cast<RankedTensorType>(root.getType()).getShape();
    ArrayRef<int64_t> shape = cast<RankedTensorType>(input.get().getType()).getShape();
    SmallVector<AffineExpr> indices;
    size_t d = 0;
    // The other operands tell the extents of loops along what is left out.
    auto skipUnits = [&] {
      for (; d < shape.size() && shape[d] == 1; ++d)
        if (op.getNumReductionLoops() > 0 && !isa<AffineConstantExpr>(map.getResult(d)))
          return false;
      return true;
    };
    for (int64_t size : from) {
      if (size == 1) {
        const bool kept = d < shape.size() && shape[d] == 1;
        indices.push_back(kept ? map.getResult(d++) : getAffineConstantExpr(0, map.getContext()));
        continue;
      }
      if (!skipUnits() || d == shape.size() || shape[d] != size)
        return;
      indices.push_back(map.getResult(d++));
    }
    if (!skipUnits() || d != shape.size())
      return;
    SmallVector<AffineMap> maps = op.getIndexingMapsArray();
    maps[input.getOperandNumber()] = AffineMap::get(map.getNumDims(), 0, indices, map.getContext());
    input.set(root);
    op.setIndexingMapsAttr(Builder(op.getContext()).getAffineMapArrayAttr(maps));
  }

  /// Every returned value becomes a generic's result of its own; what replaces a
  /// persistent tensor is that result itself, not a view of it.
  void ownResults() {
    auto ret = cast<func::ReturnOp>(function.getBody().front().getTerminator());
    llvm::SmallPtrSet<void *, 8> claimed;
    for (OpOperand &operand : ret->getOpOperands()) {
      Value root = viewRoot(operand.get());
      bool persistent = isPersistent(resultBinding(function, operand.getOperandNumber()).getKind());
      if (!root.getDefiningOp<linalg::GenericOp>() || (persistent && root != operand.get()) ||
          !claimed.insert(root.getAsOpaquePointer()).second)
        operand.set(copyBefore(ret, operand.get()));
    }
  }

  Value copyBefore(Operation *at, Value value) {
    OpBuilder builder(at);
    auto type = cast<RankedTensorType>(value.getType());
    SmallVector<Value> dynamic(type.getNumDynamicDims(), function.getArgument(0));
    Value empty = builder.create<tensor::EmptyOp>(value.getLoc(), type, dynamic);
    AffineMap identity = builder.getMultiDimIdentityMap(type.getRank());
    SmallVector<utils::IteratorType> iterators(type.getRank(), utils::IteratorType::parallel);
    auto copy = builder.create<linalg::GenericOp>(
        value.getLoc(), type, value, empty, ArrayRef<AffineMap>{identity, identity}, iterators,
        [](OpBuilder &b, Location loc, ValueRange args) { b.create<linalg::YieldOp>(loc, args[0]); });
    return copy.getResult(0);
  }

  void collect() {
    nodes.clear();
    ops.clear();
    numberOf.clear();
    knowNumber.clear();
    ShapeClasses classes;
    for (auto op : function.getBody().front().getOps<linalg::GenericOp>()) {
      int number = int(ops.size());
      numberOf[op] = number;
      ops.push_back(op);
      FusionNode node;
      node.kind = isContraction(op)                   ? FusionNode::Kind::Contraction
                  : isWindow(op)                      ? FusionNode::Kind::Window
                  : op.getNumReductionLoops() > 0     ? FusionNode::Kind::Reduction
                                                      : FusionNode::Kind::Pointwise;
      node.copy = isMadeOnce(op) ? FusionNode::Copy::Never : copyOf(op);
      node.weight = weightOf(op);
      node.loops = classes.of(cast<linalg::LinalgOp>(op.getOperation()).getStaticLoopRanges());
      node.results = classes.of(cast<RankedTensorType>(op.getResult(0).getType()).getShape());
      node.scalar = cast<RankedTensorType>(op.getResult(0).getType()).getRank() == 0;
      node.sumsRows = sumsRows(op);
      node.reducesRow = reducesRow(op);
      for (OpOperand *input : op.getDpsInputOperands()) {
        AffineMap map = op.getMatchingIndexingMap(input);
        addEdge(node, input->get(), map.isIdentity()     ? FusionNode::Access::Identity
                                    : readsRow(map)     ? FusionNode::Access::Row
                                    : readsReduced(map) ? FusionNode::Access::Reduced
                                                        : FusionNode::Access::Other);
      }
      op.getBody()->walk([&](tensor::ExtractOp extract) {
        addEdge(node, extract.getTensor(),
                readsRow(extract) ? FusionNode::Access::Row : FusionNode::Access::Other);
      });
      for (Value result : op.getResults())
        node.returned |= feedsView(result);
      node.apart = apart.contains(op);
      node.together = isTogether(op);
      // Half of a transform is made inside of the other half.
      if (node.together && llvm::all_of(op->getUsers(), readsTogether))
        node.copy = FusionNode::Copy::Free;
      // A tile's many reads want vectors; what copies blocks has shuffles for it.
      if (transposesRows(op) && llvm::any_of(op->getUsers(), readsTogether))
        node.copy = FusionNode::Copy::Never;
      nodes.push_back(std::move(node));
    }
  }

  /// Whether samples are computed from what an op makes of their number, such as a
  /// channel's mean: once a call then, and not with each element, and the kernel
  /// that computes the samples may run for a few of them (ChainSamples.cpp). Asked
  /// of each op in order: what is copied tells its readers that they know the number.
  bool isMadeOnce(linalg::GenericOp op) {
    if (hasSamples(op.getResult(0)) || op.getNumReductionLoops() > 0)
      return false;
    const bool knows = usesNumberOfSamples(op) || llvm::any_of(op.getInputs(), [&](Value input) {
      return knowNumber.contains(viewRoot(input).getDefiningOp());
    });
    const bool once = knows && llvm::any_of(op->getUsers(), [](Operation *user) {
      return isa<linalg::GenericOp>(user) && llvm::any_of(user->getResults(), hasSamples);
    });
    if (knows && !once)
      knowNumber.insert(op);
    return once;
  }

  void addEdge(FusionNode &node, Value value, FusionNode::Access access) {
    auto producer = viewRoot(value).getDefiningOp<linalg::GenericOp>();
    if (!producer)
      return;
    bool direct = value.getDefiningOp() == producer;
    node.inputs.push_back({numberOf[producer], direct ? access : FusionNode::Access::Other});
  }

  /// Returned, or read through a reshape: it must exist in memory.
  bool feedsView(Value value) {
    return llvm::any_of(value.getUsers(), [](Operation *user) {
      return isa<func::ReturnOp, tensor::ExpandShapeOp, tensor::CollapseShapeOp>(user);
    });
  }

  /// Calls `visit` with each persistent tensor that is overwritten, and the op
  /// whose result replaces it.
  void forEachUpdate(llvm::function_ref<void(BlockArgument, linalg::GenericOp)> visit) {
    forEachOverwritten(function, [&](BlockArgument tensor, Value value) {
      visit(tensor, value.getDefiningOp<linalg::GenericOp>());
    });
  }

  /// Readers of a persistent tensor, and the op whose result replaces it.
  std::vector<std::pair<int, int>> antiDependences() {
    std::vector<std::pair<int, int>> result;
    forEachUpdate([&](BlockArgument tensor, linalg::GenericOp writer) {
      for (linalg::GenericOp reader : readersOf(tensor))
        if (reader != writer)
          result.push_back({numberOf[reader], numberOf[writer]});
    });
    return result;
  }

  /// Updates in a kernel that reads the tensor other than at the very element
  /// that it overwrites.
  llvm::SetVector<Operation *> overwrittenTooEarly(const Partition &result) {
    llvm::SetVector<Operation *> late;
    forEachUpdate([&](BlockArgument tensor, linalg::GenericOp writer) {
      auto contains = [&](const std::vector<int> &kernel, Operation *op) {
        return llvm::is_contained(kernel, numberOf.lookup(op));
      };
      const auto &kernel = *llvm::find_if(
          result.kernels, [&](const auto &kernel) { return contains(kernel, writer); });
      for (linalg::GenericOp reader : readersOf(tensor))
        if (contains(kernel, reader)) {
          DenseSet<Operation *> seen;
          if (!isReadInStep(tensor, reader, kernel, seen))
            late.insert(writer);
        }
    });
    return late;
  }

  /// Whether what `reader` makes of its own element of `value` is used at that
  /// element only, throughout the kernel.
  bool isReadInStep(Value value, linalg::GenericOp reader, ArrayRef<int> kernel,
                    DenseSet<Operation *> &seen) {
    if (reader.getNumReductionLoops() != 0)
      return false;
    unsigned reads = 0;
    for (OpOperand *input : reader.getDpsInputOperands())
      if (input->get() == value) {
        ++reads;
        if (!reader.getMatchingIndexingMap(input).isIdentity())
          return false;
      }
    if (reads == 0) // through a view, or by tensor.extract
      return false;
    if (!seen.insert(reader).second)
      return true;
    for (Value result : reader->getResults())
      for (linalg::GenericOp next : readersOf(result))
        if (llvm::is_contained(kernel, numberOf.lookup(next)) &&
            !isReadInStep(result, next, kernel, seen))
          return false;
    return true;
  }

  SmallVector<linalg::GenericOp> readersOf(Value value) {
    SmallVector<linalg::GenericOp> result;
    for (Operation *user : value.getUsers()) {
      if (isa<tensor::ExpandShapeOp, tensor::CollapseShapeOp>(user)) {
        result.append(readersOf(user->getResult(0)));
        continue;
      }
      Operation *op = user;
      while (op && !isa<linalg::GenericOp>(op))
        op = op->getParentOp();
      if (op)
        result.push_back(cast<linalg::GenericOp>(op));
    }
    return result;
  }

  void detach(const llvm::SetVector<Operation *> &writers) {
    auto ret = function.getBody().front().getTerminator();
    for (OpOperand &operand : ret->getOpOperands())
      if (writers.contains(operand.get().getDefiningOp())) {
        operand.set(copyBefore(ret, operand.get()));
        apart.insert(operand.get().getDefiningOp());
      }
  }

  //===--------------------------------------------------------------------===//
  // Building
  //===--------------------------------------------------------------------===//

  void build(const Partition &result) {
    Block &block = function.getBody().front();
    OpBuilder builder(block.getTerminator());
    copied = result.copied;
    kernelsWith.assign(ops.size(), 0);
    for (const auto &members : result.kernels)
      for (int number : members)
        ++kernelsWith[number];
    IRMapping mapping; // from the old op's values to kernel results and views
    for (BlockArgument argument : block.getArguments())
      mapping.map(argument, argument);
    for (const auto &members : result.kernels)
      buildKernel(builder, members, mapping);
    for (OpOperand &operand : block.getTerminator()->getOpOperands())
      operand.set(outside(builder, operand.get(), mapping));
    // The old ops, last first; constants that kernels read were cloned.
    SmallVector<Operation *> old;
    for (Operation &op : block.without_terminator())
      if (!made.contains(&op))
        old.push_back(&op);
    for (Operation *op : llvm::reverse(old))
      op->erase();
  }

  /// `value` as seen between kernels: a kernel's result, a view, a constant.
  Value outside(OpBuilder &builder, Value value, IRMapping &mapping) {
    if (Value mapped = mapping.lookupOrNull(value))
      return mapped;
    Operation *op = value.getDefiningOp();
    assert((isa<tensor::ExpandShapeOp, tensor::CollapseShapeOp, arith::ConstantOp>(op)) &&
           "only views and constants stand between kernels");
    for (Value operand : op->getOperands())
      outside(builder, operand, mapping);
    Operation *clone = builder.clone(*op, mapping);
    made.insert(clone);
    return mapping.lookup(value);
  }

  /// Whether an op is written again wherever it is used.
  static bool isRepeated(Operation *op) {
    if (auto constant = dyn_cast<arith::ConstantOp>(op)) {
      auto dense = dyn_cast<DenseElementsAttr>(constant.getValue());
      return !dense || dense.isSplat();
    }
    return isa<tensor::EmptyOp, linalg::FillOp>(op);
  }

  void buildKernel(OpBuilder &builder, const std::vector<int> &members, IRMapping &mapping) {
    llvm::SetVector<Operation *> inside;
    for (int number : members)
      inside.insert(ops[number]);
    // What it reads from outside, in order of first use.
    llvm::SetVector<Value> inputs;
    std::function<void(Operation *)> scan = [&](Operation *op) {
      op->walk([&](Operation *inner) {
        for (Value operand : inner->getOperands()) {
          Operation *source = operand.getDefiningOp();
          if (source && (op->isProperAncestor(source) || inside.contains(source)))
            continue;
          if (auto argument = dyn_cast<BlockArgument>(operand);
              argument && (argument.getOwner()->getParentOp() != function ||
                           argument.getArgNumber() == 0))
            continue;
          if (source && isRepeated(source))
            scan(source);
          else
            inputs.insert(operand);
        }
      });
    };
    for (Operation *op : inside)
      scan(op);
    SmallVector<Value> results, operands;
    for (int number : members) {
      if (copied[number])
        continue; // whoever reads it has a copy
      for (Value result : ops[number]->getResults())
        // Unfused, a kernel has no scratch: all results lie in the arena.
        if (!fuse || llvm::any_of(result.getUsers(), [&](Operation *user) {
              user = function.getBody().front().findAncestorOpInBlock(*user);
              // Another kernel may have a copy of the user.
              return !inside.contains(user) || kernelsWith[numberOf.lookup(user)] > 1;
            }))
          results.push_back(result);
    }
    for (Value input : inputs)
      operands.push_back(outside(builder, input, mapping));
    auto kernel = builder.create<ir::KernelOp>(
        ops[members.back()].getLoc(), ValueRange(results).getTypes(), function.getArgument(0),
        operands, StringAttr(), inplaceOf(results, operands));
    made.insert(kernel);
    Block &body = kernel.getBody().emplaceBlock();
    IRMapping inner;
    inner.map(function.getArgument(0), body.addArgument(builder.getIndexType(), kernel.getLoc()));
    for (Value input : inputs)
      inner.map(input, body.addArgument(input.getType(), input.getLoc()));
    OpBuilder bodyBuilder = OpBuilder::atBlockEnd(&body);
    std::function<void(Operation *)> copy = [&](Operation *op) {
      op->walk([&](Operation *nested) {
        for (Value operand : nested->getOperands()) {
          Operation *source = operand.getDefiningOp();
          if (source && !inner.contains(operand) && isRepeated(source) && !op->isProperAncestor(source))
            copy(source);
        }
      });
      bodyBuilder.clone(*op, inner);
    };
    for (Operation *op : inside)
      copy(op);
    SmallVector<Value> yields;
    for (Value result : results)
      yields.push_back(inner.lookup(result));
    bodyBuilder.create<ir::YieldOp>(kernel.getLoc(), yields);
    for (auto [from, to] : llvm::zip(results, kernel.getResults()))
      mapping.map(from, to);
  }

  /// For each result, the input of the same persistent tensor, or -1.
  DenseI64ArrayAttr inplaceOf(ArrayRef<Value> results, ArrayRef<Value> operands) {
    SmallVector<int64_t> inplace;
    for (Value result : results) {
      int64_t input = -1;
      for (OpOperand &use : result.getUses()) {
        if (!isa<func::ReturnOp>(use.getOwner()))
          continue;
        auto binding = resultBinding(function, use.getOperandNumber());
        if (!isPersistent(binding.getKind()))
          continue;
        for (auto [i, operand] : llvm::enumerate(operands)) {
          auto argument = dyn_cast<BlockArgument>(operand);
          if (argument && argumentBinding(function, argument.getArgNumber()) == binding)
            input = i;
        }
      }
      inplace.push_back(input);
    }
    return DenseI64ArrayAttr::get(function.getContext(), inplace);
  }

  func::FuncOp function;
  bool fuse;
  std::vector<FusionNode> nodes;
  SmallVector<linalg::GenericOp> ops;
  DenseMap<Operation *, int> numberOf;
  DenseSet<Operation *> knowNumber; ///< that of samples, where a copy is made of them
  DenseSet<Operation *> apart; ///< copies that run after everything else
  DenseSet<Operation *> made;
  std::vector<bool> copied;
  std::vector<int> kernelsWith; ///< an op: how many kernels hold it
};

struct FormKernels : impl::FmFormKernelsBase<FormKernels> {
  using Base::Base;
  void runOnOperation() override {
    numKernels += KernelFormer(getOperation(), fuse).run();
  }
};

} // namespace
} // namespace fm::passes
