//===- CutStrips.cpp - Chains of large samples, strip by strip ------------------===//
//
// A sample of a large image fills the cache before the next kernel of its chain
// reads any of it. Where each kernel of a run needs of the others' results no more
// than the rows that it makes itself, all of them can run for a strip of rows before
// they run for the next: transformed tiles of a convolution by Winograd, their
// products and the sums of those, for example.
//
//===----------------------------------------------------------------------===//

#include "compiler/ir/Bindings.h"
#include "compiler/ir/Chains.h"
#include "compiler/ir/Views.h"
#include "passes/Passes.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/Matchers.h"

#include "llvm/Support/MathExtras.h"

#include <numeric>

using namespace mlir;

namespace fm::passes {
#define GEN_PASS_DEF_FMCUTSTRIPS
#include "passes/Passes.h.inc"

namespace {

/// Rows of a sample, its outermost dimension: first and last.
struct RowRange {
  int64_t low = 0, high = -1;
  bool isEmpty() const { return high < low; }
};

RowRange unite(RowRange a, RowRange b) {
  return a.isEmpty() ? b : b.isEmpty() ? a : RowRange{std::min(a.low, b.low), std::max(a.high, b.high)};
}

bool hasRows(Type type) {
  auto tensor = dyn_cast<RankedTensorType>(type);
  return tensor && tensor.getRank() >= 2 && tensor.isDynamicDim(0) && !tensor.isDynamicDim(1);
}

int64_t rowsOfSample(Type type) { return cast<RankedTensorType>(type).getDimSize(1); }

/// What an index may be, where the loops are in some ranges; nothing: not known.
std::optional<RowRange> rangeOf(AffineExpr e, ArrayRef<RowRange> loops) {
  if (auto dim = dyn_cast<AffineDimExpr>(e))
    return loops[dim.getPosition()];
  if (auto constant = dyn_cast<AffineConstantExpr>(e))
    return RowRange{constant.getValue(), constant.getValue()};
  auto binary = dyn_cast<AffineBinaryOpExpr>(e);
  if (!binary)
    return std::nullopt;
  auto a = rangeOf(binary.getLHS(), loops), b = rangeOf(binary.getRHS(), loops);
  if (!a || !b)
    return std::nullopt;
  if (e.getKind() == AffineExprKind::Add)
    return RowRange{a->low + b->low, a->high + b->high};
  if (b->low != b->high || b->low <= 0)
    return std::nullopt;
  const int64_t k = b->low, first = llvm::divideFloorSigned(a->low, k), last = llvm::divideFloorSigned(a->high, k);
  switch (e.getKind()) {
  case AffineExprKind::Mul:
    return RowRange{a->low * k, a->high * k};
  case AffineExprKind::FloorDiv:
    return RowRange{first, last};
  case AffineExprKind::Mod:
    return first == last ? RowRange{a->low - first * k, a->high - first * k} : RowRange{0, k - 1};
  default:
    return std::nullopt;
  }
}

/// The same of an index that a body computes.
std::optional<RowRange> rangeOf(Value index, ArrayRef<RowRange> loops) {
  APInt number;
  if (matchPattern(index, m_ConstantInt(&number)))
    return RowRange{number.getSExtValue(), number.getSExtValue()};
  Operation *op = index.getDefiningOp();
  if (auto loop = dyn_cast_or_null<linalg::IndexOp>(op))
    return loops[loop.getDim()];
  if (!op || op->getNumOperands() != 2 || !isa<arith::ArithDialect>(op->getDialect()))
    return std::nullopt;
  auto a = rangeOf(op->getOperand(0), loops), b = rangeOf(op->getOperand(1), loops);
  if (!a || !b)
    return std::nullopt;
  if (isa<arith::AddIOp>(op))
    return RowRange{a->low + b->low, a->high + b->high};
  if (isa<arith::SubIOp>(op))
    return RowRange{a->low - b->high, a->high - b->low};
  if (isa<arith::MaxSIOp>(op))
    return RowRange{std::max(a->low, b->low), std::max(a->high, b->high)};
  if (isa<arith::MinSIOp>(op))
    return RowRange{std::min(a->low, b->low), std::min(a->high, b->high)};
  if (b->low != b->high || b->low <= 0)
    return std::nullopt;
  if (isa<arith::MulIOp>(op))
    return RowRange{a->low * b->low, a->high * b->low};
  if (isa<arith::FloorDivSIOp>(op))
    return RowRange{llvm::divideFloorSigned(a->low, b->low), llvm::divideFloorSigned(a->high, b->low)};
  return std::nullopt;
}

/// Which rows a kernel reads of its inputs, in order, for one strip of its results.
class RowsRead {
public:
  RowsRead(ir::KernelOp kernel, int64_t strip, int64_t strips) {
    Block &body = kernel.getBody().front();
    for (Value result : body.getTerminator()->getOperands()) {
      const int64_t rows = rowsOfSample(result.getType()) / strips;
      need(result, {strip * rows, strip * rows + rows - 1});
    }
    for (Operation &op : llvm::reverse(body.without_terminator()))
      if (auto generic = dyn_cast<linalg::GenericOp>(op))
        look(generic);
      else if (auto fill = dyn_cast<linalg::FillOp>(op))
        needed.erase(fill.getResult(0));
    for (BlockArgument input : body.getArguments().drop_front())
      inputs.push_back(needed.lookup(input));
  }

  RowRange of(unsigned input) const { return inputs[input]; }

private:
  void need(Value value, RowRange rows) {
    if (hasRows(value.getType()))
      needed[value] = unite(needed.lookup(value), rows);
  }
  void needAll(Value value) {
    if (hasRows(value.getType()))
      need(value, {0, rowsOfSample(value.getType()) - 1});
  }

  void look(linalg::GenericOp op) {
    SmallVector<RowRange> loops;
    for (int64_t range : cast<linalg::LinalgOp>(op.getOperation()).getStaticLoopRanges())
      loops.push_back({0, ShapedType::isDynamic(range) ? 0 : range - 1});
    bool isRead = false, isKnown = true;
    llvm::SmallDenseSet<unsigned> restricted;
    for (auto [result, init] : llvm::zip(op->getResults(), op.getDpsInitsMutable())) {
      const RowRange rows = needed.lookup(result);
      isRead |= !rows.isEmpty() || !hasRows(result.getType());
      isKnown &= hasRows(result.getType());
      if (rows.isEmpty())
        continue;
      auto dim = dyn_cast<AffineDimExpr>(op.getMatchingIndexingMap(&init).getResult(1));
      if (!dim) {
        isKnown = false;
        continue;
      }
      RowRange &loop = loops[dim.getPosition()];
      loop = restricted.insert(dim.getPosition()).second ? rows : unite(loop, rows);
    }
    if (!isRead)
      return;
    for (OpOperand &operand : op->getOpOperands()) {
      if (!hasRows(operand.get().getType()))
        continue;
      auto rows = rangeOf(op.getMatchingIndexingMap(&operand).getResult(1), loops);
      isKnown && rows ? need(operand.get(), *rows) : needAll(operand.get());
    }
    op.getBody()->walk([&](tensor::ExtractOp extract) {
      if (!hasRows(extract.getTensor().getType()))
        return;
      auto rows = rangeOf(extract.getIndices()[1], loops);
      isKnown && rows ? need(extract.getTensor(), *rows) : needAll(extract.getTensor());
    });
  }

  DenseMap<Value, RowRange> needed;
  SmallVector<RowRange> inputs;
};

/// Of one sample, all that the kernel reads and writes.
int64_t sampleBytes(ir::KernelOp kernel) {
  int64_t bytes = 0;
  auto add = [&](Type type) {
    auto tensor = cast<RankedTensorType>(type);
    if (tensor.hasStaticShape())
      return;
    int64_t count = 1;
    for (int64_t size : tensor.getShape())
      count *= ShapedType::isDynamic(size) ? 1 : size;
    bytes += count * std::max(1u, tensor.getElementTypeBitWidth() / 8);
  };
  llvm::for_each(kernel.getInputs().getTypes(), add);
  llvm::for_each(kernel->getResultTypes(), add);
  return bytes;
}

/// Kernels that stand one behind the other, and in how many strips they could run.
struct Run {
  SmallVector<ir::KernelOp> kernels;
  int64_t strips = 0;

  /// Takes the kernel in, if it reads of the others' results its own rows only.
  bool join(ir::KernelOp kernel) {
    if (kernel->hasAttr(kHoldsInputs) || kernel->getNumResults() == 0 || !llvm::all_of(kernel->getResultTypes(), hasRows))
      return false;
    int64_t common = strips;
    for (Type result : kernel->getResultTypes())
      common = std::gcd(common, rowsOfSample(result));
    bool reads = kernels.empty();
    SmallVector<unsigned> own; // inputs that the run makes
    for (auto [i, input] : llvm::enumerate(kernel.getInputs())) {
      auto producer = viewRoot(input).getDefiningOp<ir::KernelOp>();
      if (!producer || !llvm::is_contained(kernels, producer))
        continue;
      if (input.getDefiningOp() != producer.getOperation())
        return false; // another shape
      own.push_back(unsigned(i));
      common = std::gcd(common, rowsOfSample(input.getType()));
      reads = true;
    }
    // A pair of rows may need each other, but no other pair.
    while (common > 1 && !readsItsOwn(kernel, own, common))
      common = largestPart(common);
    if (!reads || common < 2)
      return false;
    strips = common;
    kernels.push_back(kernel);
    return true;
  }

private:
  /// The next smaller number of equal groups that so many can be put into.
  static int64_t largestPart(int64_t count) {
    int64_t part = count - 1;
    while (count % part != 0)
      --part;
    return part;
  }

  static bool readsItsOwn(ir::KernelOp kernel, ArrayRef<unsigned> own, int64_t strips) {
    for (int64_t strip = 0; strip < strips && !own.empty(); ++strip) {
      const RowsRead rows(kernel, strip, strips);
      for (unsigned i : own) {
        const int64_t height = rowsOfSample(kernel.getInputs()[i].getType()) / strips;
        const RowRange read = rows.of(i);
        if (!read.isEmpty() && (read.low < strip * height || read.high >= (strip + 1) * height))
          return false;
      }
    }
    return true;
  }
};

struct CutStrips : impl::FmCutStripsBase<CutStrips> {
  using FmCutStripsBase::FmCutStripsBase;

  void runOnOperation() override {
    if (mostBytes <= 0)
      return;
    Run run;
    for (auto kernel : getOperation().getOps<ir::KernelOp>()) {
      const bool goesOn = !run.kernels.empty() && chainOf(kernel) >= 0 && chainOf(kernel) == chainOf(run.kernels.back());
      if (goesOn && run.join(kernel))
        continue;
      write(run);
      run = Run();
      if (chainOf(kernel) >= 0)
        run.join(kernel);
    }
    write(run);
  }

  /// In as few strips as fit, or else as many as there can be.
  void write(const Run &run) {
    if (run.kernels.size() < 2)
      return;
    int64_t largest = 0;
    bool passes = false; // something that nobody else reads
    for (ir::KernelOp kernel : run.kernels) {
      largest = std::max(largest, sampleBytes(kernel));
      passes |= llvm::any_of(kernel->getResults(), [&](Value result) {
        return !result.use_empty() && llvm::all_of(result.getUsers(), [&](Operation *user) {
          return llvm::is_contained(run.kernels, dyn_cast<ir::KernelOp>(user));
        });
      });
    }
    if (!passes)
      return;
    int64_t strips = 1;
    while (strips < run.strips && (largest > mostBytes * strips || run.strips % strips != 0))
      ++strips;
    if (strips == 1)
      return;
    Builder builder(&getContext());
    for (ir::KernelOp kernel : run.kernels)
      kernel->setAttr(kStrips, builder.getDenseI64ArrayAttr({runs, strips}));
    ++runs;
    ++numRuns;
  }

  int64_t runs = 0;
};

} // namespace
} // namespace fm::passes
