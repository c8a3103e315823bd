//===- FormKernels.cpp - linalg ops into fm.kernel regions ----------------------===//

#include "compiler/ir/Bindings.h"
#include "compiler/ir/Views.h"
#include "passes/BuildKernels.h"
#include "passes/Contractions.h"
#include "passes/FusionOps.h"
#include "passes/Passes.h"

#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "llvm/ADT/SetVector.h"

#include <map>

using namespace mlir;

namespace fm::passes {
#define GEN_PASS_DEF_FMFORMKERNELS
#include "passes/Passes.h.inc"

namespace {

bool hasSamples(Value value) { return !cast<RankedTensorType>(value.getType()).hasStaticShape(); }

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
    buildKernels(function, ops, result, fuse);
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

  func::FuncOp function;
  bool fuse;
  std::vector<FusionNode> nodes;
  SmallVector<linalg::GenericOp> ops;
  DenseMap<Operation *, int> numberOf;
  DenseSet<Operation *> knowNumber; ///< that of samples, where a copy is made of them
  DenseSet<Operation *> apart; ///< copies that run after everything else
};

struct FormKernels : impl::FmFormKernelsBase<FormKernels> {
  using Base::Base;
  void runOnOperation() override {
    numKernels += KernelFormer(getOperation(), fuse).run();
  }
};

} // namespace
} // namespace fm::passes
