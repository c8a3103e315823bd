//===- AssignLayouts.cpp - How each tensor lies in memory -------------------------===//
//
// One layout a tensor, for the whole program: whoever writes it writes it so,
// nobody repacks. Persistent tensors have the same layout in every entry. Rows
// may lie apart, and a tensor may lie in the middle of its padded self.
//
//===----------------------------------------------------------------------===//

#include "compiler/ir/Bindings.h"
#include "compiler/ir/Borders.h"
#include "compiler/ir/Layouts.h"
#include "compiler/ir/Views.h"
#include "passes/Passes.h"

#include "llvm/ADT/StringSet.h"

using namespace mlir;

namespace fm::passes {
#define GEN_PASS_DEF_FMASSIGNLAYOUTS
#include "passes/Passes.h.inc"

namespace {

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

/// Whether a kernel that pads can leave its input where it is: in the middle of
/// the result. One that adds a border of samples cannot.
bool canWriteBorderOnly(ir::KernelOp kernel) {
  auto padding = paddingOf(kernel);
  if (!padding)
    return false;
  auto type = cast<RankedTensorType>(kernel->getResult(0).getType());
  for (auto [d, size] : llvm::enumerate(type.getShape())) {
    if (padding->before[d] < 0 || padding->after[d] < 0 ||
        (ShapedType::isDynamic(size) && padding->before[d] + padding->after[d] > 0))
      return false;
  }
  Value input = kernel.getInputs()[0];
  return input.getType() != type && isBetweenKernels(input) && isBetweenKernels(kernel->getResult(0)) &&
         !borderKernelOf(input);
}

bool isViewed(Value value) {
  return llvm::any_of(value.getUsers(), [](Operation *user) { return isView(user); });
}

/// Whether it lies in memory that follows the persistent tensors' layout: they
/// themselves, and their gradients in a `grads` buffer.
bool followsParameters(ir::BindingAttr binding) {
  return binding && (isPersistent(binding.getKind()) || binding.getKind() == ir::BindingKind::Gradient);
}

struct AssignLayouts : impl::FmAssignLayoutsBase<AssignLayouts> {
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
    for (auto function : module.getOps<func::FuncOp>())
      assign(function);
  }

  static Operation *returnOf(func::FuncOp function) { return function.getBody().front().getTerminator(); }

  int64_t pitchFor(ir::BindingAttr binding, Type type) const {
    return followsParameters(binding) && !dense.contains(binding.getName()) ? wantedPitch(type) : 0;
  }

  void assign(func::FuncOp function) {
    Builder builder(&getContext());
    for (BlockArgument argument : function.getArguments().drop_front())
      if (int64_t pitch = pitchFor(argumentBinding(function, argument.getArgNumber()), argument.getType())) {
        function.setArgAttr(argument.getArgNumber(), kPitch, builder.getI64IntegerAttr(pitch));
        ++numPadded;
      }
    for (auto kernel : function.getOps<ir::KernelOp>())
      if (canWriteBorderOnly(kernel)) {
        kernel->setAttr(kBorder, builder.getUnitAttr());
        ++numInside;
      }
    for (auto kernel : function.getOps<ir::KernelOp>()) {
      SmallVector<int64_t> pitches;
      for (OpResult result : kernel->getResults()) {
        int64_t pitch = isViewed(result) || borderKernelOf(result) ? 0 : wantedPitch(result.getType());
        for (OpOperand &use : result.getUses())
          if (isa<func::ReturnOp>(use.getOwner()))
            pitch = pitchFor(resultBinding(function, use.getOperandNumber()), result.getType());
        pitches.push_back(pitch);
        numPadded += pitch != 0;
      }
      if (llvm::any_of(pitches, [](int64_t pitch) { return pitch != 0; }))
        kernel->setAttr(kPitches, builder.getDenseI64ArrayAttr(pitches));
    }
  }

  llvm::StringSet<> dense;
};

} // namespace
} // namespace fm::passes
