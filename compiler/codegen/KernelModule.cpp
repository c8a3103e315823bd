//===- KernelModule.cpp - A kernel's bitcode made ready to link -----------===//
//
// The wrapper builds Halide's buffer descriptors on the stack with constant
// strides and extents; after inlining nothing of them is left but the pointers.
//
//===----------------------------------------------------------------------===//
#include "compiler/codegen/KernelModule.h"

#include "compiler/codegen/Analyses.h"
#include "compiler/codegen/CopyKernel.h"
#include "compiler/codegen/EstimateReciprocals.h"
#include "compiler/codegen/InterleaveChains.h"
#include "compiler/codegen/KeepRolled.h"
#include "compiler/codegen/SpreadPrefetches.h"

#include "llvm/ADT/StringMap.h"
#include "llvm/Bitcode/BitcodeReader.h"
#include "llvm/IR/IRBuilder.h"
#include "llvm/IR/IntrinsicInst.h"
#include "llvm/IR/MDBuilder.h"
#include "llvm/IR/Module.h"
#include "llvm/IR/Verifier.h"
#include "llvm/Linker/Linker.h"
#include "llvm/MC/TargetRegistry.h"
#include "llvm/Passes/PassBuilder.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Target/TargetMachine.h"
#include "llvm/Target/TargetOptions.h"

namespace fm::codegen {

namespace {

/// Halide type codes of halide_type_t.
uint8_t typeCode(ScalarType type) {
  return isFloat(type) ? 2 : type == ScalarType::I1 ? 1 : 0;
}

class Wrapper {
public:
  Wrapper(const CompiledKernel &kernel, llvm::Module &module)
      : kernel(kernel), module(module), c(module.getContext()),
        i8(llvm::Type::getInt8Ty(c)), i16(llvm::Type::getInt16Ty(c)),
        i32(llvm::Type::getInt32Ty(c)), i64(llvm::Type::getInt64Ty(c)),
        pointer(llvm::PointerType::getUnqual(c)) {
    // HalideRuntime.h: halide_buffer_t and halide_dimension_t, version 14.
    type = llvm::StructType::get(i8, i8, i16);
    dimension = llvm::StructType::get(i32, i32, i32, i32);
    buffer = llvm::StructType::get(
        c, {i64, pointer, pointer, i64, type, i32, pointer, pointer});
  }

  /// Makes `i32 name(ptr context, i64 n, ptr...)`.
  void make(llvm::Function *body) {
    std::vector<llvm::Type *> parameters{pointer, i64};
    parameters.insert(parameters.end(), kernel.pointers, pointer);
    auto *function = llvm::Function::Create(
        llvm::FunctionType::get(i32, parameters, false),
        llvm::GlobalValue::ExternalLinkage, kernel.name, module);
    function->addFnAttr(llvm::Attribute::NoUnwind);
    llvm::IRBuilder<> b(llvm::BasicBlock::Create(c, "entry", function));
    llvm::Value *n = b.CreateTrunc(function->getArg(1), i32);
    std::vector<llvm::Value *> arguments{function->getArg(0), n};
    for (const KernelArgument &argument : kernel.arguments)
      arguments.push_back(
          describe(b, argument, function->getArg(2 + argument.pointer), n));
    b.CreateRet(b.CreateCall(body, arguments));
    body->setLinkage(llvm::GlobalValue::InternalLinkage);
    body->removeFnAttr(llvm::Attribute::NoInline);
    body->addFnAttr(llvm::Attribute::AlwaysInline);
  }

private:
  const CompiledKernel &kernel;
  llvm::Module &module;
  llvm::LLVMContext &c;
  llvm::Type *i8, *i16, *i32, *i64, *pointer;
  llvm::StructType *type, *dimension, *buffer;

  llvm::Value *describe(llvm::IRBuilder<> &b, const KernelArgument &argument,
                        llvm::Value *data, llvm::Value *n) {
    const unsigned rank = argument.dims.size();
    auto *dims = b.CreateAlloca(llvm::ArrayType::get(dimension, rank));
    for (unsigned d = 0; d < rank; ++d) {
      auto field = [&](unsigned f) {
        return b.CreateConstInBoundsGEP2_32(
            dimension,
            b.CreateConstInBoundsGEP2_32(dims->getAllocatedType(), dims, 0, d),
            0, f);
      };
      const KernelDim &dim = argument.dims[d];
      b.CreateStore(llvm::ConstantInt::get(i32, 0), field(0));
      llvm::Value *extent =
          dim.isSamples ? b.CreateAdd(n, llvm::ConstantInt::get(i32, dim.slack))
                        : llvm::ConstantInt::get(i32, dim.extent + dim.slack);
      b.CreateStore(extent, field(1));
      b.CreateStore(llvm::ConstantInt::get(i32, dim.stride), field(2));
      b.CreateStore(llvm::ConstantInt::get(i32, 0), field(3));
    }
    auto *descriptor = b.CreateAlloca(buffer);
    auto store = [&](unsigned f, llvm::Value *value) {
      b.CreateStore(value,
                    b.CreateConstInBoundsGEP2_32(buffer, descriptor, 0, f));
    };
    const int64_t size = sizeOf(argument.type);
    if (argument.offset)
      data = b.CreateConstInBoundsGEP1_64(i8, data, argument.offset * size);
    auto *null =
        llvm::ConstantPointerNull::get(llvm::cast<llvm::PointerType>(pointer));
    store(0, llvm::ConstantInt::get(i64, 0));
    store(1, null);
    store(2, data);
    store(3, llvm::ConstantInt::get(i64, 0));
    store(4, llvm::ConstantStruct::get(
                 type, {llvm::ConstantInt::get(i8, typeCode(argument.type)),
                        llvm::ConstantInt::get(i8, size * 8),
                        llvm::ConstantInt::get(i16, 1)}));
    store(5, llvm::ConstantInt::get(i32, rank));
    store(6, dims);
    store(7, null);
    return descriptor;
  }
};

/// Halide 14 claims too much for vectors that it makes of every second to
/// fourth element of its own memory, and for those under a mask. What is true
/// LLVM finds out by itself.
void claimNoAlignment(llvm::Instruction &instruction) {
  auto elementOf = [](llvm::Type *type) {
    return llvm::Align(
        std::max(1u, type->getScalarType()->getScalarSizeInBits() / 8));
  };
  if (auto *load = llvm::dyn_cast<llvm::LoadInst>(&instruction)) {
    if (load->getType()->isVectorTy())
      load->setAlignment(
          std::min(load->getAlign(), elementOf(load->getType())));
    return;
  }
  if (auto *store = llvm::dyn_cast<llvm::StoreInst>(&instruction)) {
    llvm::Type *type = store->getValueOperand()->getType();
    if (type->isVectorTy())
      store->setAlignment(std::min(store->getAlign(), elementOf(type)));
    return;
  }
  auto *call = llvm::dyn_cast<llvm::IntrinsicInst>(&instruction);
  if (!call)
    return;
  const bool loads = call->getIntrinsicID() == llvm::Intrinsic::masked_load;
  if (!loads && call->getIntrinsicID() != llvm::Intrinsic::masked_store)
    return;
  llvm::Type *type = loads ? call->getType() : call->getOperand(0)->getType();
  const unsigned operand = loads ? 1 : 2;
  call->setArgOperand(
      operand, llvm::ConstantInt::get(call->getArgOperand(operand)->getType(),
                                      elementOf(type).value()));
}

/// Halide 14 asks for lines that are used once and soon (`prefetchnta`, which
/// leaves out the L2). A kernel prefetches for the end of a reduction, whose
/// operands drive them out of the L1 before, and rows that several tiles use.
void keepPrefetched(llvm::Instruction &instruction) {
  auto *call = llvm::dyn_cast<llvm::IntrinsicInst>(&instruction);
  if (!call || call->getIntrinsicID() != llvm::Intrinsic::prefetch)
    return;
  llvm::Type *i32 = llvm::Type::getInt32Ty(call->getContext());
  call->setArgOperand(1, llvm::ConstantInt::get(i32, 0)); // reads
  call->setArgOperand(2, llvm::ConstantInt::get(i32, 3)); // into each cache
}

/// The name under which Halide's alias information knows the memory that an
/// instruction reads or writes: of the type below the root.
llvm::StringRef bufferOf(const llvm::Instruction &instruction) {
  auto nodeAt = [](const llvm::MDNode *node, unsigned i) {
    return node && node->getNumOperands() > i
               ? llvm::dyn_cast<llvm::MDNode>(node->getOperand(i))
               : nullptr;
  };
  llvm::StringRef name;
  const llvm::MDNode *type =
      nodeAt(instruction.getMetadata(llvm::LLVMContext::MD_tbaa), 0);
  while (const llvm::MDNode *parent = nodeAt(type, 1)) {
    if (auto *text = llvm::dyn_cast<llvm::MDString>(type->getOperand(0)))
      name = text->getString();
    type = parent;
  }
  return name;
}

/// Alias information for the inputs whose memory outputs take: that of the
/// output as a whole, to whose parts Halide gives types below that.
llvm::StringMap<llvm::MDNode *> sharedTags(const CompiledKernel &kernel,
                                           llvm::LLVMContext &context) {
  llvm::StringMap<llvm::MDNode *> tags;
  llvm::MDBuilder builder(context);
  for (const auto &[input, output] : kernel.shared) {
    llvm::MDNode *type = builder.createTBAAScalarTypeNode(
        output, builder.createTBAARoot("Halide buffer"));
    tags[input] = builder.createTBAAStructTagNode(type, type, 0);
  }
  return tags;
}

/// Halide's module holds a piece of its runtime as well: what the kernel uses
/// of it comes along.
std::unique_ptr<llvm::Module> parseKernel(const CompiledKernel &kernel,
                                          llvm::LLVMContext &context,
                                          std::string &error) {
  auto parsed = llvm::getLazyBitcodeModule(
      llvm::MemoryBufferRef(kernel.bitcode, kernel.name), context);
  if (!parsed) {
    error = llvm::toString(parsed.takeError());
    return nullptr;
  }
  const llvm::Function *body = (*parsed)->getFunction(kernel.function);
  if (!body || body->isDeclaration()) {
    error = "no function in its bitcode";
    return nullptr;
  }
  auto module = std::make_unique<llvm::Module>(kernel.name, context);
  module->setTargetTriple((*parsed)->getTargetTriple());
  module->setDataLayout((*parsed)->getDataLayout());
  llvm::Function::Create(body->getFunctionType(),
                         llvm::GlobalValue::ExternalLinkage, kernel.function,
                         *module);
  if (llvm::Linker::linkModules(*module, std::move(*parsed),
                                llvm::Linker::LinkOnlyNeeded)) {
    error = "cannot be taken out of its bitcode";
    return nullptr;
  }
  return module;
}

/// Calls of Halide's error functions, in kernels with checks, become -1.
void defineErrorFunctions(llvm::Module &module) {
  for (llvm::Function &function : module) {
    if (!function.isDeclaration() ||
        !function.getName().starts_with("halide_error"))
      continue;
    llvm::IRBuilder<> b(
        llvm::BasicBlock::Create(module.getContext(), "entry", &function));
    if (function.getReturnType()->isVoidTy())
      b.CreateRetVoid();
    else
      b.CreateRet(llvm::Constant::getAllOnesValue(function.getReturnType()));
    function.setLinkage(llvm::GlobalValue::InternalLinkage);
  }
}

} // namespace

std::unique_ptr<llvm::TargetMachine>
makeTargetMachine(const TargetSpec &target) {
  std::string error;
  const llvm::Target *t =
      llvm::TargetRegistry::lookupTarget(target.triple, error);
  if (!t)
    return nullptr;
  llvm::TargetOptions options;
  static const llvm::CodeGenOptLevel levels[] = {
      llvm::CodeGenOptLevel::None, llvm::CodeGenOptLevel::Less,
      llvm::CodeGenOptLevel::Default, llvm::CodeGenOptLevel::Aggressive};
  return std::unique_ptr<llvm::TargetMachine>(t->createTargetMachine(
      target.triple, target.cpu, target.features, options, llvm::Reloc::PIC_,
      std::nullopt, levels[target.optLevel]));
}

void optimise(llvm::Module &module, llvm::TargetMachine &machine, int level,
              bool loopVectorize, const KernelPasses &own) {
  llvm::PipelineTuningOptions tuning;
  tuning.LoopVectorization = loopVectorize;
  tuning.LoopInterleaving = loopVectorize;
  tuning.SLPVectorization = loopVectorize;
  llvm::PassBuilder builder(&machine, tuning);
  Analyses analyses(builder);
  if (own.sumsKeptRolled > 0 && level > 0)
    builder.registerVectorizerStartEPCallback(
        [=](llvm::FunctionPassManager &passes, llvm::OptimizationLevel) {
          passes.addPass(KeepRolled(own.sumsKeptRolled));
        });
  if (own.vectorsAtOnce > 1 && level > 0)
    builder.registerOptimizerLastEPCallback(
        [=](llvm::ModulePassManager &passes, llvm::OptimizationLevel) {
          llvm::FunctionPassManager functions;
          if (own.estimateReciprocals)
            functions.addPass(EstimateReciprocals());
          functions.addPass(InterleaveChains(own.vectorsAtOnce));
          functions.addPass(SpreadPrefetches());
          passes.addPass(
              llvm::createModuleToFunctionPassAdaptor(std::move(functions)));
        });
  static const llvm::OptimizationLevel levels[] = {
      llvm::OptimizationLevel::O0, llvm::OptimizationLevel::O1,
      llvm::OptimizationLevel::O2, llvm::OptimizationLevel::O3};
  llvm::ModulePassManager passes =
      level == 0 ? builder.buildO0DefaultPipeline(levels[0])
                 : builder.buildPerModuleDefaultPipeline(levels[level]);
  passes.run(module, analyses.modules);
}

std::unique_ptr<llvm::Module> makeKernelModule(const CompiledKernel &kernel,
                                               const TargetSpec &target,
                                               llvm::LLVMContext &context,
                                               std::string &error) {
  auto fail = [&](const std::string &message) {
    error = "internal error: kernel '" + kernel.name + "': " + message;
    return nullptr;
  };
  std::unique_ptr<llvm::Module> module;
  if (kernel.copy) {
    module = std::make_unique<llvm::Module>(kernel.name, context);
    emitCopy(*asCopy(*kernel.copy), kernel.name, target.machine, *module);
  } else {
    std::string problem;
    module = parseKernel(kernel, context, problem);
    if (!module)
      return fail(problem);
  }
  std::unique_ptr<llvm::TargetMachine> machine = makeTargetMachine(target);
  if (!machine)
    return fail("no target machine");
  // Flags of LLVM 14 that mean nothing here, or clash between modules.
  if (llvm::NamedMDNode *flags = module->getModuleFlagsMetadata())
    module->eraseNamedMetadata(flags);
  module->setTargetTriple(target.triple);
  module->setDataLayout(machine->createDataLayout());

  llvm::Function *body = module->getFunction(kernel.function);
  if (llvm::Function *parallel = module->getFunction("halide_do_par_for"))
    parallel->setName("fm_parallel_for");
  defineErrorFunctions(*module);
  if (body)
    Wrapper(kernel, *module).make(body);

  for (llvm::GlobalValue &value : module->global_values())
    if (!value.isDeclaration() && value.getName() != kernel.name)
      value.setLinkage(llvm::GlobalValue::InternalLinkage);
  const llvm::StringMap<llvm::MDNode *> tags = sharedTags(kernel, context);
  for (llvm::Function &function : *module) {
    if (function.isDeclaration())
      continue;
    for (const char *attribute :
         {"target-cpu", "target-features", "tune-cpu", "no-nans-fp-math",
          "no-infs-fp-math", "no-signed-zeros-fp-math", "unsafe-fp-math",
          "approx-func-fp-math", "reciprocal-estimates", "use-soft-float",
          "prefer-vector-width", "min-legal-vector-width", "frame-pointer"})
      function.removeFnAttr(attribute);
    function.addFnAttr("target-cpu", target.cpu);
    if (!target.features.empty())
      function.addFnAttr("target-features", target.features);
    if (target.machine.vectorBits == 512)
      function.addFnAttr("prefer-vector-width", "512");
    for (llvm::BasicBlock &block : function)
      for (llvm::Instruction &instruction : block) {
        // Strict, but for a*b+c in one rounding.
        if (llvm::isa<llvm::FPMathOperator>(instruction)) {
          llvm::FastMathFlags flags;
          flags.setAllowContract();
          instruction.setFastMathFlags(flags);
        }
        claimNoAlignment(instruction);
        keepPrefetched(instruction);
        if (auto tag = tags.find(bufferOf(instruction)); tag != tags.end())
          instruction.setMetadata(llvm::LLVMContext::MD_tbaa, tag->second);
      }
  }
  std::string problems;
  llvm::raw_string_ostream stream(problems);
  if (llvm::verifyModule(*module, &stream))
    return fail(problems);
  optimise(*module, *machine, target.optLevel, false,
           {.estimateReciprocals =
                target.machine.estimatesReciprocals && !target.exact,
            .sumsKeptRolled = target.machine.sumsKeptRolled(),
            .vectorsAtOnce = target.machine.vectorsAtOnce()});
  // "Buffers of different names are disjoint" holds within a kernel only: the
  // next one, inlined beside it, finds in `in0` what this one stored in `out0`.
  for (llvm::Function &function : *module)
    for (llvm::BasicBlock &block : function)
      for (llvm::Instruction &instruction : block)
        instruction.setMetadata(llvm::LLVMContext::MD_tbaa, nullptr);
  return module;
}

} // namespace fm::codegen
