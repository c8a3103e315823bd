//===- AssignLayouts.cpp - How each tensor lies in memory -------------------------===//
//
// One layout a tensor, for the whole program: whoever writes it writes it so,
// nobody repacks. Persistent tensors have the same layout in every entry. Rows
// may lie apart, and a tensor may lie in the middle of its padded self.
//
//===----------------------------------------------------------------------===//

#include "compiler/ir/Bindings.h"
#include "compiler/ir/Parts.h"
#include "compiler/ir/Layouts.h"
#include "compiler/ir/Together.h"
#include "compiler/ir/Views.h"
#include "passes/Contractions.h"
#include "passes/Passes.h"

#include "llvm/ADT/StringMap.h"
#include "llvm/ADT/StringSet.h"

using namespace mlir;

namespace fm::passes {
#define GEN_PASS_DEF_FMASSIGNLAYOUTS
#include "passes/Passes.h.inc"

namespace {

/// Matrices of fewer rows are read from the L1 anyway.
constexpr int64_t kLeastPanelRows = 64;

/// The pitch that a tensor should have, or 0 for dense rows.
int64_t wantedPitch(Type type) {
  auto tensor = cast<RankedTensorType>(type);
  if (tensor.getRank() < 2 || ShapedType::isDynamic(tensor.getShape().back()))
    return 0;
  int64_t rows = 1;
  for (int64_t size : tensor.getShape().drop_back())
    rows *= ShapedType::isDynamic(size) ? 8 : size;
  int64_t length = tensor.getShape().back();
  int64_t pitch = rowPitch(length, std::max<int64_t>(1, tensor.getElementTypeBitWidth() / 8));
  return rows >= 8 && pitch != length ? pitch : 0;
}

/// Whether kernels alone look at the tensor, as it is.
bool isBetweenKernels(Value value) {
  return value.getDefiningOp<ir::KernelOp>() &&
         llvm::all_of(value.getUsers(), [](Operation *user) { return isa<ir::KernelOp>(user); });
}

bool isViewed(Value value) {
  return llvm::any_of(value.getUsers(), [](Operation *user) { return isView(user); });
}

/// Whether kernels alone look at the tensor, be it through views.
bool isInternal(Value value) {
  return llvm::all_of(value.getUsers(), [](Operation *user) {
    return isa<ir::KernelOp>(user) || (isView(user) && isInternal(user->getResult(0)));
  });
}

/// The views of a value, itself among them, that kernels read. Others are
/// steps between two shapes.
void collectViews(Value value, SmallVectorImpl<Value> &views) {
  if (llvm::any_of(value.getUsers(), [](Operation *user) { return isa<ir::KernelOp>(user); }))
    views.push_back(value);
  for (Operation *user : value.getUsers())
    if (isView(user))
      collectViews(user->getResult(0), views);
}

/// Rows that are to lie apart, in a tensor between kernels: such that they are
/// rows in each of its views.
Rows wantedRows(OpResult result) {
  if (!isInternal(result) || holderOf(result))
    return {};
  SmallVector<Value> views;
  collectViews(result, views);
  if (!llvm::is_contained(views, result))
    views.push_back(result); // its kernel writes it
  for (Value view : views)
    if (int64_t pitch = wantedPitch(view.getType())) {
      const int64_t length = cast<RankedTensorType>(view.getType()).getShape().back();
      if (llvm::all_of(views, [&](Value other) {
            return rowRank(cast<RankedTensorType>(other.getType()).getShape(), length) > 0;
          }))
        return {length, pitch};
    }
  return {};
}

/// The dimension of places that are written or read at once, in a tensor that may have
/// them anywhere.
std::optional<int64_t> dimensionOfPlanes(OpResult result) {
  auto kernel = cast<ir::KernelOp>(result.getOwner());
  Operation *writer = kernel.getBody().front().getTerminator()->getOperand(result.getResultNumber()).getDefiningOp();
  auto dimension = writer ? atOnceOf(writer) : std::nullopt;
  return isInternal(result) && !isViewed(result) && !holderOf(result) ? dimension : std::nullopt;
}

/// Elements of the dimensions from `first` on; 0: of a number that is not known.
int64_t lengthFrom(RankedTensorType type, int64_t first) {
  auto shape = type.getShape().drop_front(first);
  return llvm::any_of(shape, ShapedType::isDynamic) ? 0 : ShapedType::getNumElements(shape);
}

/// Elements from the begin of `length` ones to their end, with what lies apart among
/// them: rows, then planes.
int64_t apartWith(int64_t length, ArrayRef<Rows> inside) {
  int64_t apart = length;
  for (Rows each : inside)
    if (each.pitch)
      apart = length / each.length * each.pitch;
  return apart;
}

/// Elements of a cache line.
int64_t lineOf(RankedTensorType type) { return 64 * 8 / type.getElementTypeBitWidth(); }

/// What lies between places that are written or read at once: planes that are to
/// lie one cache line further apart, where otherwise they meet in two sets of a
/// cache (points of the seed CNN's second kernel: 23 us, apart 5).
Rows wantedPlanes(OpResult result, Rows rows) {
  auto dimension = dimensionOfPlanes(result);
  if (!dimension)
    return {};
  auto type = cast<RankedTensorType>(result.getType());
  const int64_t length = lengthFrom(type, *dimension + 1), apart = apartWith(length, {rows});
  const int64_t line = lineOf(type);
  return length > 0 && apart % (32 * line) == 0 ? Rows{length, apart + line} : Rows();
}

/// Such planes in stacks: a sum over all stacks walks through one plane of each, which
/// have all sets of a cache to share if stacks are an odd number of lines apart.
Rows wantedStacks(OpResult result, Rows rows, Rows planes) {
  auto dimension = dimensionOfPlanes(result);
  if (dimension.value_or(0) == 0)
    return {};
  auto type = cast<RankedTensorType>(result.getType());
  const int64_t length = lengthFrom(type, *dimension), apart = apartWith(length, {rows, planes});
  const int64_t line = lineOf(type);
  return length > 0 && apart % (2 * line) == 0 ? Rows{length, apart + line} : Rows();
}

/// Whether a kernel that pads or joins its inputs can have them where they belong:
/// in its result. One that adds a border of samples cannot.
bool canHoldInputs(ir::KernelOp kernel) {
  auto begins = beginsOfInputs(kernel);
  if (begins.empty() || !isInternal(kernel->getResult(0)))
    return false;
  auto type = cast<RankedTensorType>(kernel->getResult(0).getType());
  if (auto padding = paddingOf(kernel)) {
    for (auto [d, size] : llvm::enumerate(type.getShape()))
      if (padding->before[d] < 0 || padding->after[d] < 0 ||
          (ShapedType::isDynamic(size) && padding->before[d] + padding->after[d] > 0))
        return false;
  }
  // Each in one place, and nothing inside of it.
  llvm::SmallPtrSet<void *, 4> seen;
  return llvm::all_of(kernel.getInputs(), [&](Value input) {
    return input.getType() != type && isBetweenKernels(input) && !holderOf(input) &&
           !input.getDefiningOp()->hasAttr(kHoldsInputs) && seen.insert(input.getAsOpaquePointer()).second;
  });
}

/// Whether it lies in memory that follows the persistent tensors' layout: they
/// themselves, and their gradients in a `grads` buffer.
bool followsParameters(ir::BindingAttr binding) {
  return binding && (isPersistent(binding.getKind()) || binding.getKind() == ir::BindingKind::Gradient);
}

/// How contractions of a kernel read a matrix: a dense layer's weights.
struct MatrixUse {
  bool byRows = false;    ///< row after row, a vector of columns at a time
  bool byColumns = false; ///< for an input's gradient, the other way round
};

MatrixUse useOf(ir::KernelOp kernel, unsigned input) {
  MatrixUse result;
  BlockArgument argument = kernel.getBody().front().getArgument(input + 1);
  for (OpOperand &use : argument.getUses()) {
    auto generic = dyn_cast<linalg::GenericOp>(use.getOwner());
    if (!generic || !isContraction(generic))
      continue;
    auto map = generic.getMatchingIndexingMap(&use);
    if (map.getNumResults() != 2 || !isa<AffineDimExpr>(map.getResult(0)) || !isa<AffineDimExpr>(map.getResult(1)))
      continue;
    auto iterators = generic.getIteratorTypesArray();
    auto written = generic.getIndexingMapsArray().back();
    auto reads = [&](unsigned summed, unsigned kept) {
      const unsigned loop = cast<AffineDimExpr>(map.getResult(summed)).getPosition();
      return iterators[loop] == utils::IteratorType::reduction && written.getResults().back() == map.getResult(kept);
    };
    result.byRows |= reads(0, 1);
    result.byColumns |= reads(1, 0);
  }
  return result;
}

/// Whether a kernel has the gradient of a matrix as its contraction, over samples and
/// rows of each: of such operands one is copied into another order.
bool makesGradientOfRows(ir::KernelOp kernel, Type matrix) {
  return kernel && llvm::any_of(kernel.getBody().front().getOps<linalg::GenericOp>(), [&](linalg::GenericOp op) {
    return isContraction(op) && op.getResultTypes()[0] == matrix && llvm::all_of(op.getInputs(), [](Value input) {
      auto type = cast<RankedTensorType>(input.getType());
      return type.getRank() > 2 && type.isDynamicDim(0);
    });
  });
}

struct AssignLayouts : impl::FmAssignLayoutsBase<AssignLayouts> {
  using FmAssignLayoutsBase::FmAssignLayoutsBase;

  void runOnOperation() override {
    ModuleOp module = getOperation();
    // A tensor that some entry looks at through a view stays dense everywhere.
    for (auto function : module.getOps<func::FuncOp>()) {
      for (BlockArgument argument : function.getArguments())
        if (auto binding = argumentBinding(function, argument.getArgNumber()); followsParameters(binding))
          if (isViewed(argument))
            dense.insert(binding.getName());
      for (OpOperand &result : returnOf(function)->getOpOperands())
        if (auto binding = resultBinding(function, result.getOperandNumber()); followsParameters(binding))
          if (!result.get().getDefiningOp<ir::KernelOp>() || isViewed(result.get()))
            dense.insert(binding.getName());
      // The gradient of an input is the application's.
      for (BlockArgument argument : function.getArguments())
        if (auto binding = argumentBinding(function, argument.getArgNumber());
            binding && binding.getKind() == ir::BindingKind::Input)
          dense.insert(binding.getName());
    }
    choosePanels(module);
    for (auto function : module.getOps<func::FuncOp>())
      assign(function);
  }

  /// Panels for weights that contractions read by rows, and for what an update
  /// overwrites together with them, since one nest writes it all.
  ///
  /// Panels of rows for those of many rows and few columns, which an input's gradient
  /// reads as well: the forward pass reads a copy then, not that gradient. But the
  /// weights' gradient, which goes through vectors of one operand and wants the other
  /// one transposed, has columns of the larger operand, the layer's input, in vectors.
  void choosePanels(ModuleOp module) {
    if (panelWidth <= 0)
      return;
    llvm::StringMap<MatrixUse> uses;
    for (auto function : module.getOps<func::FuncOp>())
      for (BlockArgument argument : function.getArguments())
        if (auto binding = argumentBinding(function, argument.getArgNumber()); followsParameters(binding))
          for (OpOperand &use : argument.getUses())
            if (auto kernel = dyn_cast<ir::KernelOp>(use.getOwner())) {
              const MatrixUse here = useOf(kernel, use.getOperandNumber() - firstInput(kernel));
              MatrixUse &all = uses[binding.getName()];
              all.byRows |= here.byRows;
              all.byColumns |= here.byColumns;
            }
    llvm::StringSet<> copied;
    for (auto function : module.getOps<func::FuncOp>())
      for (OpOperand &result : returnOf(function)->getOpOperands())
        if (auto binding = resultBinding(function, result.getOperandNumber());
            followsParameters(binding) &&
            makesGradientOfRows(result.get().getDefiningOp<ir::KernelOp>(), result.get().getType()))
          copied.insert(binding.getName());
    for (auto function : module.getOps<func::FuncOp>())
      for (BlockArgument argument : function.getArguments())
        if (auto binding = argumentBinding(function, argument.getArgNumber()); followsParameters(binding)) {
          const MatrixUse use = uses.lookup(binding.getName());
          if (!use.byRows)
            continue;
          const bool tall = use.byColumns && copied.contains(binding.getName()) && isTall(argument.getType());
          if (tall && mayHavePanels(binding, argument.getType(), -panelWidth))
            panels[binding.getName()] = -panelWidth;
          else if (mayHavePanels(binding, argument.getType(), panelWidth))
            panels[binding.getName()] = panelWidth;
        }
    for (bool changed = true; changed;) {
      changed = false;
      for (auto function : module.getOps<func::FuncOp>())
        for (auto kernel : function.getOps<ir::KernelOp>())
          changed |= spreadPanels(function, kernel);
    }
  }

  static unsigned firstInput(ir::KernelOp kernel) { return kernel.getInputs().getBeginOperandIndex(); }

  static bool isTall(Type type) {
    auto tensor = cast<RankedTensorType>(type);
    return tensor.getRank() == 2 && tensor.getDimSize(0) >= 2 * tensor.getDimSize(1);
  }

  /// `width`: negative for panels of rows.
  bool mayHavePanels(ir::BindingAttr binding, Type type, int64_t width) const {
    auto tensor = cast<RankedTensorType>(type);
    if (tensor.getRank() != 2 || !tensor.hasStaticShape() || dense.contains(binding.getName()) ||
        tensor.getElementTypeBitWidth() < 32)
      return false;
    const int64_t across = tensor.getDimSize(width > 0 ? 1 : 0), along = tensor.getDimSize(width > 0 ? 0 : 1);
    return across % width == 0 && along >= kLeastPanelRows && across >= 4 * std::abs(width);
  }

  /// What one kernel overwrites lies alike: in panels of columns if any of it does.
  /// Returns whether a tensor came to have other panels.
  bool spreadPanels(func::FuncOp function, ir::KernelOp kernel) {
    auto inplace = kernel.getInplace();
    if (!inplace)
      return false;
    SmallVector<std::pair<ir::BindingAttr, Type>> overwritten;
    bool any = false, ofColumns = false;
    for (int64_t input : *inplace)
      if (auto argument = input < 0 ? BlockArgument() : dyn_cast<BlockArgument>(kernel.getInputs()[input]))
        if (auto binding = argumentBinding(function, argument.getArgNumber()); followsParameters(binding)) {
          overwritten.push_back({binding, argument.getType()});
          const int64_t known = panels.lookup(binding.getName());
          any |= known != 0;
          ofColumns |= known > 0;
        }
    const int64_t width = ofColumns ? panelWidth : -panelWidth;
    bool changed = false;
    for (auto [binding, type] : overwritten)
      if (any && mayHavePanels(binding, type, width) && panels.lookup(binding.getName()) != width) {
        panels[binding.getName()] = width;
        changed = true;
      }
    return changed;
  }

  int64_t panelFor(ir::BindingAttr binding) const {
    return followsParameters(binding) ? panels.lookup(binding.getName()) : 0;
  }

  static Operation *returnOf(func::FuncOp function) { return function.getBody().front().getTerminator(); }

  int64_t pitchFor(ir::BindingAttr binding, Type type) const {
    return followsParameters(binding) && !dense.contains(binding.getName()) ? wantedPitch(type) : 0;
  }

  void assign(func::FuncOp function) {
    Builder builder(&getContext());
    for (BlockArgument argument : function.getArguments().drop_front())
      if (int64_t width = panelFor(argumentBinding(function, argument.getArgNumber()))) {
        function.setArgAttr(argument.getArgNumber(), kPanel, builder.getI64IntegerAttr(width));
        ++numPanelled;
      } else if (int64_t pitch = pitchFor(argumentBinding(function, argument.getArgNumber()), argument.getType())) {
        function.setArgAttr(argument.getArgNumber(), kPitch, builder.getI64IntegerAttr(pitch));
        ++numPadded;
      }
    for (auto kernel : function.getOps<ir::KernelOp>())
      if (canHoldInputs(kernel)) {
        kernel->setAttr(kHoldsInputs, builder.getUnitAttr());
        ++numInside;
      }
    for (auto kernel : function.getOps<ir::KernelOp>()) {
      SmallVector<Rows> rows, planes, stacks;
      SmallVector<int64_t> panels(kernel->getNumResults(), 0);
      for (OpResult result : kernel->getResults()) {
        rows.push_back(wantedRows(result));
        for (OpOperand &use : result.getUses()) {
          if (!isa<func::ReturnOp>(use.getOwner()))
            continue;
          const auto binding = resultBinding(function, use.getOperandNumber());
          if (int64_t width = panelFor(binding)) {
            panels[result.getResultNumber()] = width;
            rows.back() = {};
          } else if (int64_t pitch = pitchFor(binding, result.getType())) {
            rows.back() = {cast<RankedTensorType>(result.getType()).getShape().back(), pitch};
          }
        }
        planes.push_back(wantedPlanes(result, rows.back()));
        stacks.push_back(wantedStacks(result, rows.back(), planes.back()));
        numPadded += rows.back().pitch || planes.back().pitch || stacks.back().pitch;
      }
      if (llvm::any_of(panels, [](int64_t width) { return width != 0; }))
        kernel->setAttr(kPanels, builder.getDenseI64ArrayAttr(panels));
      note(kernel, rows, kPitches, kRowLengths);
      note(kernel, planes, kPlanePitches, kPlaneLengths);
      note(kernel, stacks, kStackPitches, kStackLengths);
    }
  }

  /// Writes down what lies apart in a kernel's results, if anything does.
  static void note(ir::KernelOp kernel, ArrayRef<Rows> rows, StringRef pitchesName, StringRef lengthsName) {
    if (llvm::all_of(rows, [](const Rows &r) { return r.pitch == 0; }))
      return;
    Builder builder(kernel);
    SmallVector<int64_t> pitches, lengths;
    for (const Rows &r : rows) {
      pitches.push_back(r.pitch);
      lengths.push_back(r.pitch ? r.length : 0);
    }
    kernel->setAttr(pitchesName, builder.getDenseI64ArrayAttr(pitches));
    kernel->setAttr(lengthsName, builder.getDenseI64ArrayAttr(lengths));
  }

  llvm::StringSet<> dense;
  llvm::StringMap<int64_t> panels; ///< width by name, negative for panels of rows
};

} // namespace
} // namespace fm::passes
