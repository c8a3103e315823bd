//===- PlanMemory.cpp - A place for every tensor that a kernel writes -----------===//

#include "compiler/ir/Bindings.h"
#include "compiler/ir/Parts.h"
#include "compiler/ir/Layouts.h"
#include "passes/Passes.h"
#include "passes/Planner.h"
#include "compiler/ir/Views.h"

using namespace mlir;

namespace fm::passes {
#define GEN_PASS_DEF_FMPLANMEMORY
#include "passes/Passes.h.inc"

namespace {

/// Bytes of a tensor for the largest n.
int64_t bytesOf(RankedTensorType type, Rows rows, int64_t batch) {
  int64_t count = 1;
  for (int64_t size : type.getShape())
    count *= ShapedType::isDynamic(size) ? batch : size;
  if (rows.pitch)
    count = count / rows.length * rows.pitch;
  unsigned bits = type.getElementTypeBitWidth();
  return count * std::max(1u, bits / 8);
}

struct PlanMemory : impl::FmPlanMemoryBase<PlanMemory> {
  void runOnOperation() override {
    func::FuncOp function = getOperation();
    auto models = function->getParentOfType<ModuleOp>().getOps<ir::ModelOp>();
    int64_t batch = models.empty() ? 1 : (*models.begin()).getBatch();

    DenseMap<Operation *, int> step;
    SmallVector<ir::KernelOp> kernels;
    for (auto kernel : function.getOps<ir::KernelOp>()) {
      step[kernel] = int(kernels.size());
      kernels.push_back(kernel);
    }
    std::vector<PlannedBlock> blocks;
    SmallVector<std::pair<ir::KernelOp, unsigned>> owners;
    for (ir::KernelOp kernel : kernels)
      for (OpResult result : kernel->getResults()) {
        PlannedBlock block;
        block.first = block.last = step[kernel];
        if (!lastUse(result, step, block.last))
          continue; // it goes to an argument or a persistent tensor
        if (holderOf(result))
          continue; // it lies in another one
        if (kernel->hasAttr(kHoldsInputs))
          for (Value inside : kernel.getInputs()) {
            block.first = std::min(block.first, step[inside.getDefiningOp()]);
            lastUse(inside, step, block.last);
          }
        block.bytes = bytesOf(cast<RankedTensorType>(result.getType()), rowsOf(result), batch);
        blocks.push_back(block);
        owners.push_back({kernel, result.getResultNumber()});
      }
    int64_t arena = planArena(blocks);
    DenseMap<Operation *, SmallVector<int64_t>> offsets;
    for (ir::KernelOp kernel : kernels)
      offsets[kernel].assign(kernel->getNumResults(), -1);
    for (auto [block, owner] : llvm::zip(blocks, owners)) {
      offsets[owner.first][owner.second] = block.offset;
      if (owner.first->hasAttr(kHoldsInputs))
        for (Value input : owner.first.getInputs()) {
          auto inside = cast<OpResult>(input);
          offsets[inside.getOwner()][inside.getResultNumber()] = block.offset;
        }
    }
    Builder builder(&getContext());
    for (ir::KernelOp kernel : kernels)
      kernel->setAttr("fm.offsets", builder.getDenseI64ArrayAttr(offsets[kernel]));
    function->setAttr("fm.arena_bytes", builder.getI64IntegerAttr(arena));
  }

  /// The last kernel that reads the value or a view of it; false if returned.
  static bool lastUse(Value value, const DenseMap<Operation *, int> &step, int &last) {
    for (Operation *user : value.getUsers()) {
      if (isa<func::ReturnOp>(user))
        return false;
      if (isView(user)) {
        if (!lastUse(user->getResult(0), step, last))
          return false;
        continue;
      }
      last = std::max(last, step.lookup(user));
    }
    return true;
  }
};

} // namespace
} // namespace fm::passes
