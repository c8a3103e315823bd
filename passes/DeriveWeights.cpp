//===- DeriveWeights.cpp - What is made from parameters once -----------------------===//
//
// The weights of a convolution by Winograd are transformed before they are used,
// and a normalisation in inference is a factor and an offset made of four vectors:
// kernels that would do the same in each call of an entry that changes no weights.
// They are marked; the step runs them when one of their sources has changed, and
// their results have memory of their own.
//
//===----------------------------------------------------------------------===//

#include "compiler/ir/Bindings.h"
#include "compiler/ir/Derived.h"
#include "compiler/ir/Parts.h"
#include "passes/Passes.h"

#include "mlir/Dialect/Arith/IR/Arith.h"

#include "llvm/ADT/StringSet.h"

using namespace mlir;

namespace fm::passes {
#define GEN_PASS_DEF_FMDERIVEWEIGHTS
#include "passes/Passes.h.inc"

namespace {

/// What the runtime changes by itself, and optimizers' state, are no sources.
bool mayBeSource(ir::BindingAttr binding) {
  const StringRef name = binding.getName();
  return (binding.getKind() == ir::BindingKind::Parameter || binding.getKind() == ir::BindingKind::State) &&
         name != kLearningRate && name != kStep && name != kSeed && name != kDraws;
}

struct DeriveWeights : impl::FmDeriveWeightsBase<DeriveWeights> {
  void runOnOperation() override {
    llvm::StringSet<> written; // by any entry
    for (auto function : getOperation().getOps<func::FuncOp>())
      for (unsigned i = 0; i < function.getNumResults(); ++i)
        if (auto binding = resultBinding(function, i); isPersistent(binding.getKind()))
          written.insert(binding.getName());
    for (auto function : getOperation().getOps<func::FuncOp>()) {
      // A step reads what its own last call has written, and calls that accumulate
      // gradients are not worth a second copy of all weights.
      const bool infers = llvm::none_of(llvm::seq(function.getNumResults()), [&](unsigned i) {
        const auto kind = resultBinding(function, i).getKind();
        return isPersistent(kind) || kind == ir::BindingKind::Gradient;
      });
      for (unsigned i = 1; i < function.getNumArguments(); ++i)
        if (auto binding = argumentBinding(function, i);
            mayBeSource(binding) && (infers || !written.contains(binding.getName())))
          function.setArgAttr(i, kSteady, UnitAttr::get(&getContext()));
      for (auto kernel : function.getOps<ir::KernelOp>())
        if (isDerived(kernel)) {
          kernel->setAttr(kDerived, UnitAttr::get(&getContext()));
          ++numDerived;
        }
    }
  }

  /// Inputs come before: they are marked.
  static bool isDerived(ir::KernelOp kernel) {
    if (kernel.getInputs().empty() || !kernel.getBody().front().getArgument(0).use_empty() ||
        kernel->hasAttr(kHoldsInputs))
      return false;
    return llvm::all_of(kernel.getInputs(),
                        [](Value input) {
                          return isSteady(input) || viewRoot(input).getDefiningOp<arith::ConstantOp>();
                        }) &&
           llvm::all_of(kernel->getResults(), [](OpResult result) {
             return cast<RankedTensorType>(result.getType()).hasStaticShape() && !holderOf(result) &&
                    !isReturned(result);
           });
  }

  static bool isReturned(Value value) {
    return llvm::any_of(value.getUsers(), [](Operation *user) {
      return isa<func::ReturnOp>(user) || (isView(user) && isReturned(user->getResult(0)));
    });
  }
};

} // namespace
} // namespace fm::passes
