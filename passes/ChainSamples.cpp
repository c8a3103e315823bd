//===- ChainSamples.cpp - Kernels that run sample by sample ---------------------===//
//
// A kernel whose results at a sample need nothing of other samples may run for a
// few samples, and the next one of the kind right behind it for the same: what
// one writes the other reads from the core's own cache, a chain of kernels is one
// parallel loop, and nothing crosses between cores. Only the order in which tiles
// are computed changes.
//
//===----------------------------------------------------------------------===//

#include "compiler/ir/Bindings.h"
#include "compiler/ir/Chains.h"
#include "compiler/ir/Parts.h"
#include "compiler/ir/Views.h"
#include "passes/Contractions.h"
#include "passes/Passes.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"

#include <set>

using namespace mlir;

namespace fm::passes {
#define GEN_PASS_DEF_FMCHAINSAMPLES
#include "passes/Passes.h.inc"

namespace {

/// Kernels that write less of a sample are not worth a call for each.
constexpr int64_t kLeastBytes = 1024;
/// An operand that samples share is used by so many rows of one sample's, or it
/// would be read again for each.
constexpr int64_t kLeastUses = 8;
/// Which does not matter where a larger kernel's results come back to a larger one
/// by way of it, as a squeeze and excite's do, if it is no more than this.
constexpr int64_t kMostBridgeBytes = 64 * 1024;
/// A chain of more arithmetic with weights for each byte that passes along it has
/// little to gain, and loses what an order for memory's sake gains.
constexpr double kMostFlopsOfAByte = 16;

bool isOfSamples(RankedTensorType type) {
  return type.getRank() > 0 && type.isDynamicDim(0) && type.getNumDynamicDims() == 1;
}

/// Whether a tensor has samples, and has them as its outermost dimension; null:
/// it has none.
std::optional<bool> samplesFirst(Type type) {
  auto tensor = dyn_cast<RankedTensorType>(type);
  if (!tensor || tensor.hasStaticShape())
    return std::nullopt;
  return isOfSamples(tensor);
}

/// The loop over samples of an op that computes them one by one; -1: none.
int sampleLoop(linalg::GenericOp op) {
  int loop = -1;
  for (OpOperand &operand : op->getOpOperands()) {
    auto first = samplesFirst(operand.get().getType());
    if (!first)
      continue;
    auto dim = dyn_cast<AffineDimExpr>(op.getMatchingIndexingMap(&operand).getResult(0));
    if (!*first || !dim || (loop >= 0 && int(dim.getPosition()) != loop))
      return -1;
    loop = int(dim.getPosition());
  }
  return loop >= 0 && op.getIteratorTypesArray()[loop] == utils::IteratorType::parallel ? loop : -1;
}

/// Whether the op's samples need nothing of each other, nor know their number.
bool isBySample(linalg::GenericOp op) {
  const auto hasSamples = [](Value value) { return samplesFirst(value.getType()).has_value(); };
  if (llvm::none_of(op->getOperands(), hasSamples) && op.getBody()->getOps<tensor::ExtractOp>().empty())
    return true; // the same for all of them
  const int loop = sampleLoop(op);
  if (loop < 0)
    return false;
  for (Value result : op->getResults())
    if (!samplesFirst(result.getType()).value_or(false))
      return false;
  bool apart = true;
  op.getBody()->walk([&](Operation *inside) {
    if (auto extract = dyn_cast<tensor::ExtractOp>(inside)) {
      auto first = samplesFirst(extract.getTensor().getType());
      auto index = first ? extract.getIndices()[0].getDefiningOp<linalg::IndexOp>() : linalg::IndexOp();
      apart &= !first || (*first && index && int(index.getDim()) == loop);
    }
    auto index = dyn_cast<linalg::IndexOp>(inside);
    if (index && int(index.getDim()) == loop)
      for (OpOperand &use : index->getUses()) {
        auto extract = dyn_cast<tensor::ExtractOp>(use.getOwner());
        apart &= extract && use.getOperandNumber() == 1 && samplesFirst(extract.getTensor().getType());
      }
  });
  return apart;
}

/// Iterations of an op for one sample.
int64_t samplePoints(linalg::GenericOp op) {
  int64_t points = 1;
  for (int64_t range : cast<linalg::LinalgOp>(op.getOperation()).getStaticLoopRanges())
    points *= ShapedType::isDynamic(range) ? 1 : range;
  return points;
}

/// Bytes of those operands which a contraction shares among samples and uses less
/// than `kLeastUses` times for one.
int64_t bytesOfSeldomUsed(linalg::GenericOp op) {
  int64_t bytes = 0;
  for (Value input : op.getInputs()) {
    auto type = cast<RankedTensorType>(input.getType());
    if (type.hasStaticShape() && samplePoints(op) < kLeastUses * type.getNumElements())
      bytes += type.getNumElements() * std::max(1u, type.getElementTypeBitWidth() / 8);
  }
  return bytes;
}

/// Of one sample of a tensor that has some.
int64_t sampleBytes(Type type) {
  auto tensor = cast<RankedTensorType>(type);
  int64_t count = 1;
  for (int64_t size : tensor.getShape().drop_front())
    count *= size;
  return count * std::max(1u, tensor.getElementTypeBitWidth() / 8);
}

/// Whether a contraction has an operand that samples share.
bool hasWeights(linalg::GenericOp op) {
  return llvm::any_of(op.getInputs(),
                      [](Value input) { return cast<RankedTensorType>(input.getType()).hasStaticShape(); });
}

/// Of a kernel's contractions with weights, which are read again for each few
/// samples, for one sample. Others lose nothing in a chain.
double flopsWithWeights(ir::KernelOp kernel) {
  double flops = 0;
  for (auto generic : kernel.getBody().front().getOps<linalg::GenericOp>())
    if (isContraction(generic) && hasWeights(generic))
      flops += 2 * double(samplePoints(generic));
  return flops;
}

/// A kernel's place in chains: none, whatever it reads or writes may pass along one,
/// or only if a chain goes on behind it.
enum class Link : uint8_t { None, Full, Bridge };

Link linkOf(ir::KernelOp kernel) {
  // What joins its inputs has nothing to do.
  if ((kernel->hasAttr(kHoldsInputs) && !paddingOf(kernel)) || kernel->getNumResults() == 0)
    return Link::None;
  if (!llvm::all_of(kernel->getResultTypes(), [](Type type) { return isOfSamples(cast<RankedTensorType>(type)); }))
    return Link::None;
  Block &body = kernel.getBody().front();
  for (Operation *user : body.getArgument(0).getUsers())
    if (!isa<tensor::EmptyOp>(user))
      return Link::None; // the number of samples is more than an extent
  int64_t seldomUsed = 0;
  for (Operation &op : body.without_terminator()) {
    if (auto generic = dyn_cast<linalg::GenericOp>(op)) {
      if (!isBySample(generic))
        return Link::None;
      seldomUsed += isContraction(generic) ? bytesOfSeldomUsed(generic) : 0;
    } else if (!isa<linalg::FillOp, tensor::EmptyOp, arith::ConstantOp>(op)) {
      return Link::None;
    }
  }
  int64_t bytes = 0;
  for (Type result : kernel->getResultTypes())
    bytes += sampleBytes(result);
  if (bytes >= kLeastBytes && seldomUsed == 0)
    return Link::Full;
  return seldomUsed <= kMostBridgeBytes ? Link::Bridge : Link::None;
}

/// Kernels of a function and what must run before each.
class Order {
public:
  explicit Order(func::FuncOp function) : function(function) {
    for (auto kernel : function.getOps<ir::KernelOp>()) {
      number[kernel] = int(kernels.size());
      kernels.push_back(kernel);
      links.push_back(linkOf(kernel));
    }
    before.resize(kernels.size());
    DenseMap<Value, SmallVector<int>> readers;
    for (auto [k, kernel] : llvm::enumerate(kernels))
      for (Value input : kernel.getInputs()) {
        Value root = viewRoot(input);
        readers[root].push_back(int(k));
        if (Operation *producer = root.getDefiningOp(); producer && number.count(producer))
          before[k].insert(number[producer]);
      }
    // A persistent tensor is overwritten behind its last reader.
    forEachOverwritten(function, [&](BlockArgument tensor, Value value) {
      Operation *writer = viewRoot(value).getDefiningOp();
      if (!writer || !number.count(writer))
        return;
      for (int reader : readers.lookup(tensor))
        if (reader != number[writer])
          before[number[writer]].insert(reader);
    });
  }

  /// Chains as long as they can be, each behind what it needs and before what
  /// needs it. Returns runs of kernels; those of more than one are chains.
  std::vector<std::vector<int>> runs() {
    std::vector<std::vector<int>> result;
    std::vector<bool> done(kernels.size(), false);
    for (;;) {
      // What needs nothing of this chain, and is needed to go on with it, runs first.
      std::vector<bool> free(kernels.size(), false), chained(kernels.size(), false);
      std::vector<int> chain;
      for (int k = 0; k < int(kernels.size()); ++k) {
        if (done[k])
          continue;
        bool isFree = true, isNext = links[k] != Link::None;
        for (int b : before[k]) {
          isFree &= done[b] || free[b];
          isNext &= done[b] || free[b] || chained[b];
        }
        if (isNext) {
          chained[k] = true;
          chain.push_back(k);
        } else if (isFree) {
          free[k] = true;
        }
      }
      if (chain.empty())
        break;
      std::vector<int> needed;
      std::set<int> seen;
      for (int k : chain)
        collect(k, free, seen, needed);
      for (int k : needed) {
        result.push_back({k});
        done[k] = true;
      }
      result.push_back(chain);
      for (int k : chain)
        done[k] = true;
      // Behind it, what stood before the next link, in that order, in which what a
      // kernel needs stands before it.
      for (int k = 0; k < int(kernels.size()) && (done[k] || links[k] == Link::None); ++k)
        if (!done[k] && llvm::all_of(before[k], [&](int b) { return done[b]; })) {
          result.push_back({k});
          done[k] = true;
        }
    }
    for (int k = 0; k < int(kernels.size()); ++k)
      if (!done[k])
        result.push_back({k});
    return result;
  }

  /// Whether enough passes from one kernel of a run to another.
  bool isWorthwhile(const std::vector<int> &run) const {
    double flops = 0, bytes = 0;
    for (int k : run) {
      ir::KernelOp kernel = kernels[k];
      flops += flopsWithWeights(kernel);
      if (kernel->hasAttr(kHoldsInputs))
        continue; // it writes a border
      for (Value input : kernel.getInputs()) {
        Operation *producer = viewRoot(input).getDefiningOp();
        if (producer && number.count(producer) && llvm::is_contained(run, number.lookup(producer)))
          bytes += double(sampleBytes(viewRoot(input).getType()));
      }
    }
    return bytes > 0 && flops <= kMostFlopsOfAByte * bytes;
  }

  /// No longer takes for links what runs alone or in a chain that does not pay: of
  /// such a chain first the contractions with weights, which have something to
  /// lose. Returns whether there was any.
  bool dropUnpaid(const std::vector<std::vector<int>> &runs) {
    bool some = false;
    for (const std::vector<int> &run : runs) {
      if (links[run.front()] == Link::None || dropLooseBridges(run, some) || isWorthwhile(run))
        continue;
      const bool all = llvm::none_of(run, [&](int k) { return flopsWithWeights(kernels[k]) > 0; });
      for (int k : run)
        if (all || flopsWithWeights(kernels[k]) > 0)
          links[k] = Link::None;
      some = true;
    }
    return some;
  }

  void write(const std::vector<std::vector<int>> &runs) {
    Operation *terminator = function.getBody().front().getTerminator();
    Builder builder(function.getContext());
    int64_t id = 0;
    for (const std::vector<int> &run : runs) {
      for (int k : run) {
        kernels[k]->moveBefore(terminator);
        if (run.size() > 1)
          kernels[k]->setAttr(kChain, builder.getI64IntegerAttr(id));
      }
      id += run.size() > 1;
    }
    // Views follow what they show.
    SmallVector<Operation *> views;
    for (Operation &op : function.getBody().front())
      if (isView(&op))
        views.push_back(&op);
    for (Operation *view : views)
      if (Operation *producer = view->getOperand(0).getDefiningOp())
        view->moveAfter(producer);
  }

private:
  /// Takes out bridges that lead from no full link of their run to another; sets
  /// `some`, and returns whether there were any.
  bool dropLooseBridges(const std::vector<int> &run, bool &some) {
    std::set<int> behind, ahead; // full links and what follows, or leads to, one
    for (int k : run)
      if (links[k] == Link::Full || llvm::any_of(before[k], [&](int b) { return behind.count(b); }))
        behind.insert(k);
    for (int k : llvm::reverse(run))
      if (links[k] == Link::Full || ahead.count(k)) {
        ahead.insert(k);
        ahead.insert(before[k].begin(), before[k].end());
      }
    bool loose = false;
    for (int k : run)
      if (!behind.count(k) || !ahead.count(k)) {
        links[k] = Link::None;
        loose = true;
      }
    some |= loose;
    return loose;
  }

  /// What is free and needed for k, producers first.
  void collect(int k, const std::vector<bool> &free, std::set<int> &seen, std::vector<int> &needed) {
    for (int b : before[k])
      if (free[b] && seen.insert(b).second) {
        collect(b, free, seen, needed);
        needed.push_back(b);
      }
  }

  func::FuncOp function;
  std::vector<ir::KernelOp> kernels;
  std::vector<Link> links;
  std::vector<std::set<int>> before;
  DenseMap<Operation *, int> number;
};

struct ChainSamples : impl::FmChainSamplesBase<ChainSamples> {
  void runOnOperation() override {
    auto models = getOperation()->getParentOfType<ModuleOp>().getOps<ir::ModelOp>();
    if (models.empty() || (*models.begin()).getBatch() < 2)
      return;
    // Kernels of chains that do not pay stay where they are.
    Order order(getOperation());
    auto runs = order.runs();
    while (order.dropUnpaid(runs))
      runs = order.runs();
    if (llvm::any_of(runs, [](const std::vector<int> &run) { return run.size() > 1; }))
      order.write(runs);
  }
};

} // namespace
} // namespace fm::passes
