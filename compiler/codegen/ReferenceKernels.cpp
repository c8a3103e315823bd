//===- ReferenceKernels.cpp - Kernels by upstream lowering ------------------------===//

#include "compiler/codegen/ReferenceKernels.h"

#include "mlir/Conversion/AffineToStandard/AffineToStandard.h"
#include "mlir/Conversion/ArithToLLVM/ArithToLLVM.h"
#include "mlir/Conversion/ControlFlowToLLVM/ControlFlowToLLVM.h"
#include "mlir/Conversion/FuncToLLVM/ConvertFuncToLLVMPass.h"
#include "mlir/Conversion/MathToLLVM/MathToLLVM.h"
#include "mlir/Conversion/MathToLibm/MathToLibm.h"
#include "mlir/Conversion/MemRefToLLVM/MemRefToLLVM.h"
#include "mlir/Conversion/ReconcileUnrealizedCasts/ReconcileUnrealizedCasts.h"
#include "mlir/Conversion/SCFToControlFlow/SCFToControlFlow.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Arith/Transforms/BufferizableOpInterfaceImpl.h"
#include "mlir/Dialect/Arith/Transforms/Passes.h"
#include "mlir/Dialect/Bufferization/IR/Bufferization.h"
#include "mlir/Dialect/Bufferization/Transforms/OneShotAnalysis.h"
#include "mlir/Dialect/Bufferization/Transforms/Passes.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/Linalg/Passes.h"
#include "mlir/Dialect/Linalg/Transforms/BufferizableOpInterfaceImpl.h"
#include "mlir/Dialect/MemRef/Transforms/Passes.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Tensor/Transforms/BufferizableOpInterfaceImpl.h"
#include "mlir/IR/IRMapping.h"
#include "mlir/Pass/PassManager.h"
#include "mlir/Target/LLVMIR/Dialect/Builtin/BuiltinToLLVMIRTranslation.h"
#include "mlir/Target/LLVMIR/Dialect/LLVMIR/LLVMToLLVMIRTranslation.h"
#include "mlir/Target/LLVMIR/Export.h"
#include "mlir/Transforms/Passes.h"

#include "llvm/IR/IRBuilder.h"
#include "llvm/IR/Module.h"

using namespace mlir;

namespace fm::codegen {

static std::string bodyName(const KernelSpec &spec) { return spec.name + "_body"; }

/// A function on memrefs with the kernel's ops on tensors.
static void buildBody(OpBuilder &builder, const KernelSpec &spec, ir::KernelOp kernel) {
  Location loc = kernel.getLoc();
  SmallVector<Type> types = {builder.getIndexType()};
  auto memref = [](Type type) -> Type {
    auto tensor = cast<RankedTensorType>(type);
    return MemRefType::get(tensor.getShape(), tensor.getElementType());
  };
  for (Value input : kernel.getInputs())
    types.push_back(memref(input.getType()));
  for (Type result : kernel.getResultTypes())
    types.push_back(memref(result));
  auto function = builder.create<func::FuncOp>(loc, bodyName(spec), builder.getFunctionType(types, {}));
  OpBuilder body = OpBuilder::atBlockEnd(function.addEntryBlock());
  IRMapping mapping;
  Block &region = kernel.getBody().front();
  mapping.map(region.getArgument(0), function.getArgument(0));
  unsigned next = 1;
  for (BlockArgument argument : region.getArguments().drop_front())
    mapping.map(argument, body.create<bufferization::ToTensorOp>(loc, function.getArgument(next++),
                                                                 /*restrict=*/true, /*writable=*/false));
  for (Operation &op : region.without_terminator())
    body.clone(op, mapping);
  for (Value value : region.getTerminator()->getOperands()) {
    auto store = body.create<bufferization::MaterializeInDestinationOp>(
        loc, mapping.lookup(value), function.getArgument(next++));
    store.setRestrict(true);
    store.setWritable(true);
  }
  body.create<func::ReturnOp>(loc);
}

static void buildPipeline(PassManager &manager) {
  manager.addPass(bufferization::createEmptyTensorEliminationPass());
  bufferization::OneShotBufferizationOptions options;
  options.allowReturnAllocsFromLoops = true;
  manager.addPass(bufferization::createOneShotBufferizePass(options));
  OpPassManager &onFunctions = manager.nest<func::FuncOp>();
  onFunctions.addPass(createConvertLinalgToLoopsPass());
  onFunctions.addPass(bufferization::createPromoteBuffersToStackPass());
  manager.addPass(memref::createExpandStridedMetadataPass());
  manager.addPass(createLowerAffinePass());
  manager.addPass(createConvertSCFToCFPass());
  manager.addPass(arith::createArithExpandOpsPass());
  manager.addPass(createCanonicalizerPass());
  manager.addPass(createCSEPass());
  manager.addPass(createConvertMathToLLVMPass());
  manager.addPass(createConvertMathToLibmPass());
  manager.addPass(createArithToLLVMConversionPass());
  manager.addPass(createFinalizeMemRefToLLVMConversionPass());
  manager.addPass(createConvertControlFlowToLLVMPass());
  manager.addPass(createConvertFuncToLLVMPass());
  manager.addPass(createReconcileUnrealizedCastsPass());
}

/// `i32 @name(ptr context, i64 n, ptr...)` around the function on memrefs, each
/// of which is passed as pointer, pointer, offset, sizes, strides.
static void buildWrapper(llvm::Module &module, const KernelSpec &spec) {
  llvm::IRBuilder<> builder(module.getContext());
  auto *ptr = builder.getPtrTy();
  auto *i64 = builder.getInt64Ty();
  SmallVector<llvm::Type *> types = {ptr, i64};
  types.append(spec.inputs.size() + spec.outputs.size(), ptr);
  auto *wrapper = llvm::Function::Create(llvm::FunctionType::get(builder.getInt32Ty(), types, false),
                                         llvm::GlobalValue::ExternalLinkage, spec.name, module);
  builder.SetInsertPoint(llvm::BasicBlock::Create(module.getContext(), "entry", wrapper));
  llvm::Value *n = wrapper->getArg(1);
  SmallVector<llvm::Value *> arguments = {n};
  unsigned next = 2;
  auto add = [&](const Buffer &buffer) {
    llvm::Value *pointer = wrapper->getArg(next++);
    arguments.append({pointer, pointer, builder.getInt64(0)});
    SmallVector<llvm::Value *> sizes, strides(buffer.shape.size());
    for (const Extent &extent : buffer.shape)
      sizes.push_back(extent.isSamples ? n : builder.getInt64(extent.size));
    llvm::Value *stride = builder.getInt64(1);
    for (size_t i = buffer.shape.size(); i-- > 0;) {
      strides[i] = stride;
      stride = builder.CreateMul(stride, sizes[i]);
    }
    arguments.append(sizes);
    arguments.append(strides);
  };
  for (const Buffer &input : spec.inputs)
    add(input);
  for (const Output &output : spec.outputs)
    add(output.buffer);
  builder.CreateCall(module.getFunction(bodyName(spec)), arguments);
  builder.CreateRet(builder.getInt32(0));
}

std::unique_ptr<llvm::Module> makeReferenceKernels(const Program &program, ArrayRef<ir::KernelOp> kernelOps,
                                                   llvm::LLVMContext &context) {
  MLIRContext *mlirContext = ir::KernelOp(kernelOps.front())->getContext();
  DialectRegistry registry;
  registry.insert<bufferization::BufferizationDialect, LLVM::LLVMDialect, memref::MemRefDialect,
                  scf::SCFDialect, func::FuncDialect>();
  arith::registerBufferizableOpInterfaceExternalModels(registry);
  linalg::registerBufferizableOpInterfaceExternalModels(registry);
  tensor::registerBufferizableOpInterfaceExternalModels(registry);
  registerBuiltinDialectTranslation(registry);
  registerLLVMDialectTranslation(registry);
  mlirContext->appendDialectRegistry(registry);
  mlirContext->loadDialect<bufferization::BufferizationDialect, LLVM::LLVMDialect, memref::MemRefDialect>();

  OwningOpRef<ModuleOp> module = ModuleOp::create(UnknownLoc::get(mlirContext));
  OpBuilder builder = OpBuilder::atBlockEnd(module->getBody());
  for (auto [spec, op] : llvm::zip(program.kernels, kernelOps))
    buildBody(builder, spec, op);
  PassManager manager(mlirContext, ModuleOp::getOperationName());
  buildPipeline(manager);
  if (failed(manager.run(*module)))
    return nullptr;
  auto result = translateModuleToLLVMIR(*module, context, "reference");
  if (result)
    for (const KernelSpec &spec : program.kernels)
      buildWrapper(*result, spec);
  return result;
}

} // namespace fm::codegen
