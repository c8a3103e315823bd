//===- Pipeline.cpp - The stages from a recorded model to planned kernels ---------===//
//
// A table: what runs in which order, and why there. After each stage the IR is
// verified, and the stage's own invariant with it, so that a broken pass fails
// at its own boundary.
//
//===----------------------------------------------------------------------===//

#include "compiler/driver/Pipeline.h"

#include "compiler/codegen/Target.h"
#include "passes/Passes.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/Transforms/Passes.h"

#include <chrono>

using namespace mlir;

namespace fm::driver {

static void onFunctions(OpPassManager &manager, std::unique_ptr<Pass> pass) {
  manager.addNestedPass<func::FuncOp>(std::move(pass));
}

/// No function holds an op for which `bad` is true.
static LogicalResult functionsLack(ModuleOp module, llvm::function_ref<bool(Operation *)> bad,
                                   StringRef stage) {
  LogicalResult result = success();
  for (auto function : module.getOps<func::FuncOp>())
    function.walk([&](Operation *op) {
      if (bad(op))
        result = op->emitError() << "internal error: " << op->getName() << " is left after stage " << stage;
    });
  return result;
}

/// A target that there is not is told by who generates code.
static codegen::MachineModel machineOf(const CompilerOptions &options) {
  codegen::TargetSpec target;
  codegen::resolveTarget(options.triple, options.cpu, target);
  return target.machine;
}

static const Stage kStages[] = {
    {"entries", "fm-stage-entries", "entry functions; layers are primitives",
     [](OpPassManager &manager, const CompilerOptions &options) {
       manager.addPass(passes::createFmBuildEntries());
       // Before differentiation, so that the adjoint of the simpler form is built.
       onFunctions(manager, passes::createFmSimplify());
       onFunctions(manager, passes::createFmFoldMovement());
       // What several slices are taken of is one tensor, and so is its gradient.
       manager.addPass(createCSEPass());
       if (!options.exact)
         onFunctions(manager, passes::createFmScaleKernels());
     },
     [](ModuleOp module) {
       return functionsLack(module, [](Operation *op) { return isa<ir::LayerOpInterface>(op); }, "entries");
     }},
    {"grad", "fm-stage-grad", "backward pass and optimizer step",
     [](OpPassManager &manager, const CompilerOptions &options) {
       onFunctions(manager, passes::createFmDifferentiate());
       if (!options.exact)
         onFunctions(manager, passes::createFmRowMoments());
       onFunctions(manager, passes::createFmDecompose());
       onFunctions(manager, passes::createFmFoldMovement());
       if (!options.exact)
         onFunctions(manager, passes::createFmFactorSums());
       if (!options.exact)
         onFunctions(manager, passes::createFmRowSums());
       // Forward and adjoint share subexpressions, and adjoints leave dead ends.
       manager.addPass(createCSEPass());
       manager.addPass(createCanonicalizerPass());
       onFunctions(manager, passes::createFmCountWork());
       // The naive kernels of the reference backend know no tiles.
       if (options.backend != "reference")
         onFunctions(manager, passes::createFmSplitStrides());
       if (options.winograd && !options.exact && options.backend != "reference") {
         onFunctions(manager, passes::createFmWinograd());
         manager.addPass(createCSEPass());
         manager.addPass(createCanonicalizerPass());
       }
     },
     [](ModuleOp module) {
       return functionsLack(
           module, [](Operation *op) { return isa<ir::GradientOp, ir::DecomposableOpInterface>(op); }, "grad");
     }},
    {"linalg", "fm-stage-linalg", "structured loops on tensors",
     [](OpPassManager &manager, const CompilerOptions &options) {
       onFunctions(manager, passes::createFmLowerToLinalg());
       // Two kernels for one op, for the sake of threads and caches.
       if (!options.exact && options.fuse && options.backend != "reference") {
         passes::FmSampleSumsOptions sums;
         sums.stripBytes = options.chains && options.layout ? machineOf(options).stripBytes() : 0;
         onFunctions(manager, passes::createFmSampleSums(sums));
       }
       manager.addPass(createCSEPass());
       manager.addPass(createCanonicalizerPass());
     },
     [](ModuleOp module) {
       return functionsLack(
           module, [](Operation *op) { return isa<ir::FmDialect>(op->getDialect()); }, "linalg");
     }},
    {"kernels", "fm-stage-kernels", "fused kernels in order",
     [](OpPassManager &manager, const CompilerOptions &options) {
       passes::FmFormKernelsOptions form;
       form.fuse = options.fuse && options.backend != "reference";
       onFunctions(manager, passes::createFmFormKernels(form));
     },
     [](ModuleOp module) {
       return functionsLack(
           module,
           [](Operation *op) {
             return isa<linalg::LinalgOp>(op) && !op->getParentOfType<ir::KernelOp>();
           },
           "kernels");
     }},
    {"layouts", "fm-stage-layouts", "how tensors lie in memory",
     [](OpPassManager &manager, const CompilerOptions &options) {
       // The naive kernels of the reference backend take tensors as they are.
       if (options.layout && options.backend != "reference") {
         passes::FmAssignLayoutsOptions assign;
         assign.panelWidth = machineOf(options).panelColumns;
         manager.addPass(passes::createFmAssignLayouts(assign));
       }
     },
     [](ModuleOp) { return success(); }},
    {"plan", "fm-stage-plan", "places in memory",
     [](OpPassManager &manager, const CompilerOptions &options) {
       if (options.chains && options.layout && options.fuse && options.backend != "reference") {
         onFunctions(manager, passes::createFmChainSamples());
         passes::FmCutStripsOptions cut;
         cut.mostBytes = machineOf(options).stripBytes();
         cut.cacheBytes = machineOf(options).l2Bytes;
         cut.sums = !options.exact;
         onFunctions(manager, passes::createFmCutStrips(cut));
       }
       if (options.derive && options.backend != "reference")
         manager.addPass(passes::createFmDeriveWeights());
       passes::FmPlanMemoryOptions plan;
       plan.slots = options.layout && options.backend != "reference";
       manager.addPass(passes::createFmPlanMemory(plan));
     },
     [](ModuleOp module) {
       return functionsLack(
           module, [](Operation *op) { return isa<ir::KernelOp>(op) && !op->hasAttr("fm.offsets"); }, "plan");
     }},
};

ArrayRef<Stage> pipeline() { return kStages; }

LogicalResult runPipeline(ModuleOp module, const CompilerOptions &options, StringRef last,
                          std::vector<std::pair<std::string, double>> *seconds) {
  for (const Stage &stage : kStages) {
    auto begin = std::chrono::steady_clock::now();
    PassManager manager(module.getContext(), ModuleOp::getOperationName());
    manager.enableVerifier(true);
    stage.build(manager, options);
    if (failed(manager.run(module)) || failed(stage.verify(module)))
      return failure();
    if (seconds)
      seconds->push_back({stage.name, std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count()});
    if (last == stage.name)
      break;
  }
  return success();
}

} // namespace fm::driver
