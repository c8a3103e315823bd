//===- CutStrips.cpp - Chains of large samples, strip by strip ------------------===//
//
// A sample of a large image fills the cache before the next kernel of its chain
// reads any of it. Where each kernel of a run needs of the others' results no more
// than the rows that it makes itself, all of them can run for a strip of rows before
// they run for the next: transformed tiles of a convolution by Winograd, their
// products and the sums of those, for example.
//
// A sum over the rows of what they make, such as a weight gradient, adds up strip by
// strip. What it reads of another run's is made once more, if it takes no more than
// a transform of something smaller: then nobody needs it in memory.
//
//===----------------------------------------------------------------------===//

#include "compiler/ir/Bindings.h"
#include "compiler/ir/Chains.h"
#include "compiler/ir/Views.h"
#include "passes/Contractions.h"
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

/// Strips of a run with a sum are larger than others, by so much at most.
constexpr int64_t kMostTimes = 4;

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

/// Of a tensor, or one sample of it.
int64_t bytesOf(Type type) {
  auto tensor = cast<RankedTensorType>(type);
  int64_t bytes = std::max(1u, tensor.getElementTypeBitWidth() / 8);
  for (int64_t size : tensor.getShape())
    bytes *= ShapedType::isDynamic(size) ? 1 : size;
  return bytes;
}

/// Of one sample of each tensor that has some.
int64_t sampleBytes(TypeRange types) {
  int64_t bytes = 0;
  for (Type type : types)
    bytes += cast<RankedTensorType>(type).hasStaticShape() ? 0 : bytesOf(type);
  return bytes;
}

/// Whether a kernel is a sum over the rows of all that it reads, and nothing else.
bool isSumOverRows(ir::KernelOp kernel) {
  auto generics = kernel.getBody().front().getOps<linalg::GenericOp>();
  if (!llvm::hasSingleElement(generics) || kernel->getNumResults() != 1)
    return false;
  linalg::GenericOp op = *generics.begin();
  return sumsOverRows(op) && llvm::all_of(op.getInputs(), [](Value input) { return isa<BlockArgument>(input); });
}

/// Whether a kernel may run again wherever its inputs are: there is no sum in it, and
/// nothing that is overwritten.
bool isTransform(ir::KernelOp kernel) {
  return kernel->getNumResults() == 1 && chainOf(kernel) >= 0 &&
         llvm::all_of(kernel.getBody().front().getOps<linalg::GenericOp>(),
                      [](linalg::GenericOp op) { return op.getNumReductionLoops() == 0; }) &&
         llvm::all_of(kernel.getInputs(), [](Value input) {
           return !isa<BlockArgument>(viewRoot(input)) || !cast<RankedTensorType>(input.getType()).hasStaticShape();
         });
}

/// Kernels that stand one behind the other, and in how many strips they could run.
struct Run {
  SmallVector<ir::KernelOp> kernels;
  llvm::SmallPtrSet<Operation *, 4> sums; ///< those that sum over the rows
  int64_t strips = 0;
  bool mayAddUp = true;

  /// Takes the kernel in, if it reads of the others' results its own rows only, or
  /// sums over their rows.
  bool join(ir::KernelOp kernel) {
    if (kernel->hasAttr(kHoldsInputs) || kernel->getNumResults() == 0 || !llvm::all_of(kernel->getResultTypes(), hasRows))
      return false;
    if (join(kernel, false))
      return true;
    return mayAddUp && !kernels.empty() && isSumOverRows(kernel) && join(kernel, true);
  }

private:
  bool join(ir::KernelOp kernel, bool isSum) {
    int64_t common = strips;
    if (!isSum)
      for (Type result : kernel->getResultTypes())
        common = std::gcd(common, rowsOfSample(result));
    bool reads = kernels.empty();
    SmallVector<unsigned> own; // inputs that the run makes
    for (auto [i, input] : llvm::enumerate(kernel.getInputs())) {
      auto producer = viewRoot(input).getDefiningOp<ir::KernelOp>();
      if (!producer || !llvm::is_contained(kernels, producer))
        continue;
      if (input.getDefiningOp() != producer.getOperation() || sums.contains(producer))
        return false; // another shape, or not there yet
      own.push_back(unsigned(i));
      common = std::gcd(common, rowsOfSample(input.getType()));
      reads = true;
    }
    // A pair of rows may need each other, but no other pair.
    while (common > 1 && !isSum && !readsItsOwn(kernel, own, common))
      common = largestPart(common);
    if (!reads || common < 2)
      return false;
    strips = common;
    kernels.push_back(kernel);
    if (isSum)
      sums.insert(kernel);
    return true;
  }

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
    Run none;
    none.mayAddUp = sums;
    Run run = none;
    for (auto kernel : getOperation().getOps<ir::KernelOp>()) {
      const bool goesOn = !run.kernels.empty() && chainOf(kernel) >= 0 && chainOf(kernel) == chainOf(run.kernels.back());
      if (goesOn && run.join(kernel))
        continue;
      write(run);
      run = none;
      if (chainOf(kernel) >= 0)
        run.join(kernel);
    }
    write(run);
  }

  /// Of one sample, what a kernel gets from others of the run and hands on to them.
  static int64_t passingBytes(ir::KernelOp kernel, const Run &run) {
    int64_t bytes = 0;
    for (Value input : kernel.getInputs())
      if (llvm::is_contained(run.kernels, input.getDefiningOp()))
        bytes += sampleBytes(input.getType());
    for (Value result : kernel->getResults())
      if (hasReaderIn(run, result))
        bytes += sampleBytes(result.getType());
    return bytes;
  }

  static bool hasReaderIn(const Run &run, Value value) {
    return llvm::any_of(value.getUsers(), [&](Operation *user) { return llvm::is_contained(run.kernels, user); });
  }

  /// Whether a run gains by its strips. What passes along in them has not to go behind
  /// the cache and back, but for what would have stayed there; a sum's operands, unless
  /// they are stored anyway, would have waited in memory from one pass to the other, which
  /// is twice as far. What is read, or added to, in each strip comes again with each,
  /// unless it stays.
  bool pays(const Run &run, int64_t strips) {
    int64_t passing = -mostBytes, shared = 0, again = 0;
    for (ir::KernelOp kernel : run.kernels) {
      const bool isSum = run.sums.contains(kernel);
      for (Value input : kernel.getInputs())
        if (cast<RankedTensorType>(input.getType()).hasStaticShape())
          shared += bytesOf(input.getType());
        else if (isSum && (llvm::is_contained(run.kernels, input.getDefiningOp()) || isMadeAgain(run, kernel, input, strips)))
          passing += sampleBytes(input.getType());
      for (Value result : kernel->getResults())
        if (isSum) {
          shared += sampleBytes(result.getType());
          again += sampleBytes(result.getType()); // it is read and written
        } else if (hasReaderIn(run, result)) {
          passing += sampleBytes(result.getType());
        }
    }
    again += shared;
    return mostBytes + shared <= cacheBytes || again * (strips - 1) < 2 * passing;
  }

  /// In as few strips as fit, or else as many as there can be.
  void write(Run &run) {
    if (run.kernels.size() < 2)
      return;
    int64_t largest = 0;
    bool passes = false; // something that nobody else reads
    for (ir::KernelOp kernel : run.kernels) {
      largest = std::max(largest, run.sums.contains(kernel) ? sampleBytes(kernel.getInputs().getTypes()) : passingBytes(kernel, run));
      passes |= llvm::any_of(kernel->getResults(), [&](Value result) {
        return !result.use_empty() && llvm::all_of(result.getUsers(), [&](Operation *user) {
          return llvm::is_contained(run.kernels, dyn_cast<ir::KernelOp>(user));
        });
      });
    }
    if (!passes)
      return;
    // A strip brings at least as much as the sum that it is added to, within reason.
    int64_t fits = mostBytes;
    for (Operation *sum : run.sums)
      fits = std::max(fits, std::min(sampleBytes(sum->getResultTypes()), kMostTimes * mostBytes));
    int64_t strips = 1;
    while (strips < run.strips && (largest > fits * strips || run.strips % strips != 0))
      ++strips;
    if (strips == 1 || !pays(run, strips))
      return;
    makeAgain(run, strips);
    Builder builder(&getContext());
    for (ir::KernelOp kernel : run.kernels) {
      kernel->setAttr(kStrips, builder.getDenseI64ArrayAttr({runs, strips}));
      if (run.sums.contains(kernel))
        kernel->setAttr(kSumsStrips, builder.getUnitAttr());
    }
    ++runs;
    ++numRuns;
  }

  /// Whether a sum's operand is another run's, which nobody else needs in memory, and no
  /// more than a transform of something smaller.
  static bool isMadeAgain(const Run &run, ir::KernelOp sum, Value operand, int64_t strips) {
    auto from = operand.getDefiningOp<ir::KernelOp>();
    return from && !llvm::is_contained(run.kernels, from) && isTransform(from) &&
           rowsOfSample(operand.getType()) % strips == 0 &&
           2 * sampleBytes(from.getInputs().getTypes()) <= sampleBytes(operand.getType()) && passesInRunBut(operand, sum);
  }

  /// Such operands come from kernels of this run.
  void makeAgain(Run &run, int64_t strips) {
    SmallVector<ir::KernelOp> kernels;
    for (ir::KernelOp kernel : run.kernels) {
      if (run.sums.contains(kernel))
        for (OpOperand &operand : kernel->getOpOperands()) {
          if (!isMadeAgain(run, kernel, operand.get(), strips))
            continue;
          OpBuilder builder(kernel);
          auto again = cast<ir::KernelOp>(builder.clone(*operand.get().getDefiningOp()));
          again->setAttr(kChain, kernel->getAttr(kChain));
          operand.set(again->getResult(0));
          kernels.push_back(again);
          ++numAgain;
        }
      kernels.push_back(kernel);
    }
    run.kernels = std::move(kernels);
  }

  static bool passesInRunBut(Value value, Operation *reader) {
    const int64_t run = stripsOf(value.getDefiningOp<ir::KernelOp>()).run;
    return run >= 0 && llvm::all_of(value.getUsers(), [&](Operation *user) {
      return user == reader || (isa<ir::KernelOp>(user) && stripsOf(cast<ir::KernelOp>(user)).run == run);
    });
  }

  int64_t runs = 0;
};

} // namespace
} // namespace fm::passes
