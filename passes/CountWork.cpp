//===- CountWork.cpp - FLOPs of an entry, as the model asks for them ------------===//

#include "compiler/ir/Bindings.h"
#include "passes/Passes.h"

using namespace mlir;

namespace fm::passes {
#define GEN_PASS_DEF_FMCOUNTWORK
#include "passes/Passes.h.inc"

namespace {
struct CountWork : impl::FmCountWorkBase<CountWork> {
  void runOnOperation() override {
    func::FuncOp function = getOperation();
    auto models = function->getParentOfType<ModuleOp>().getOps<ir::ModelOp>();
    if (models.empty())
      return;
    double flops = 0;
    function.walk([&](ir::ContractionOpInterface op) {
      flops += 2 * double(op.getMultiplyAdds((*models.begin()).getBatch()));
    });
    function->setAttr(kFlops, Builder(&getContext()).getF64FloatAttr(flops));
  }
};
} // namespace
} // namespace fm::passes
