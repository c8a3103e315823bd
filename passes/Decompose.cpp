//===- Decompose.cpp - Composites and optimizers into primitives --------------===//

#include "passes/Passes.h"

using namespace mlir;

namespace fm::passes {
#define GEN_PASS_DEF_FMDECOMPOSE
#include "passes/Passes.h.inc"

namespace {
struct Decompose : impl::FmDecomposeBase<Decompose> {
  void runOnOperation() override {
    // A composition may contain composites: until none is left.
    SmallVector<ir::DecomposableOpInterface> work;
    auto collect = [&](Operation *root) {
      root->walk([&](ir::DecomposableOpInterface op) { work.push_back(op); });
    };
    collect(getOperation());
    while (!work.empty()) {
      ir::DecomposableOpInterface op = work.pop_back_val();
      OpBuilder builder(op);
      Operation *before = op->getPrevNode();
      ir::DecomposeContext context{builder, /*training=*/false, {}, {}, {}, {}};
      op->replaceAllUsesWith(op.decompose(context));
      Operation *made = before ? before->getNextNode() : &op->getBlock()->front();
      for (; made != op; made = made->getNextNode())
        collect(made);
      op->erase();
    }
  }
};
} // namespace
} // namespace fm::passes
