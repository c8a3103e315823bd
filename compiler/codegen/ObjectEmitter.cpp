//===- ObjectEmitter.cpp - One optimised object from kernels and steps ----===//
//
// Kernels are optimised in contexts of their own, in parallel, and travel into
// the emitter's context as bitcode; linking is then cheap.
//
//===----------------------------------------------------------------------===//
#include "compiler/codegen/ObjectEmitter.h"

#include <algorithm>
#include <atomic>
#include <set>
#include <thread>

#include "compiler/codegen/KernelModule.h"

#include "llvm/Bitcode/BitcodeReader.h"
#include "llvm/Bitcode/BitcodeWriter.h"
#include "llvm/IR/LegacyPassManager.h"
#include "llvm/IR/Module.h"
#include "llvm/IR/Verifier.h"
#include "llvm/IRReader/IRReader.h"
#include "llvm/Linker/Linker.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/SourceMgr.h"
#include "llvm/Support/raw_ostream.h"
#include "llvm/Target/TargetMachine.h"

namespace fm::codegen {

struct ObjectEmitter::Impl {
  explicit Impl(const TargetSpec &target) : target(target) {}
  TargetSpec target;
  llvm::LLVMContext context;
  std::unique_ptr<llvm::Module> module;
  std::unique_ptr<llvm::TargetMachine> machine;
  bool unoptimised = false; ///< holds kernels that nobody has optimised yet

  std::string addKernels(const std::vector<CompiledKernel> &kernels,
                         unsigned jobs);
  std::string checkUndefined() const;
};

ObjectEmitter::ObjectEmitter(const TargetSpec &target)
    : impl(std::make_unique<Impl>(target)) {
  impl->machine = makeTargetMachine(target);
  impl->module = std::make_unique<llvm::Module>("model", impl->context);
}
ObjectEmitter::~ObjectEmitter() = default;

llvm::LLVMContext &ObjectEmitter::context() { return impl->context; }

void ObjectEmitter::setModule(std::unique_ptr<llvm::Module> module) {
  impl->module = std::move(module);
}

std::string ObjectEmitter::setModule(const std::string &bitcodeOrText) {
  llvm::SMDiagnostic diagnostic;
  auto module = llvm::parseIR(llvm::MemoryBufferRef(bitcodeOrText, "steps"),
                              diagnostic, impl->context);
  if (!module)
    return "internal error: step functions: " + diagnostic.getMessage().str();
  impl->module = std::move(module);
  return "";
}

std::string ObjectEmitter::addModule(std::unique_ptr<llvm::Module> kernels) {
  kernels->setTargetTriple(impl->target.triple);
  kernels->setDataLayout(impl->module->getDataLayout());
  impl->unoptimised = true;
  if (llvm::Linker::linkModules(*impl->module, std::move(kernels)))
    return "internal error: kernels do not link";
  return "";
}

std::string
ObjectEmitter::Impl::addKernels(const std::vector<CompiledKernel> &kernels,
                                unsigned jobs) {
  std::vector<std::string> bitcode(kernels.size()), errors(kernels.size());
  std::atomic<size_t> next{0};
  auto work = [&] {
    for (size_t i; (i = next++) < kernels.size();) {
      llvm::LLVMContext own;
      auto kernelModule = makeKernelModule(kernels[i], target, own, errors[i]);
      if (!kernelModule)
        continue;
      llvm::raw_string_ostream stream(bitcode[i]);
      llvm::WriteBitcodeToFile(*kernelModule, stream);
    }
  };
  if (jobs == 0)
    jobs = std::max(1u, std::thread::hardware_concurrency());
  std::vector<std::thread> threads;
  for (unsigned t = 1; t < std::min<size_t>(jobs, kernels.size()); ++t)
    threads.emplace_back(work);
  work();
  for (std::thread &thread : threads)
    thread.join();

  llvm::Linker linker(*module);
  for (size_t i = 0; i < kernels.size(); ++i) {
    if (!errors[i].empty())
      return errors[i];
    auto parsed = llvm::parseBitcodeFile(
        llvm::MemoryBufferRef(bitcode[i], kernels[i].name), context);
    if (!parsed)
      return "internal error: kernel '" + kernels[i].name +
             "': " + llvm::toString(parsed.takeError());
    if (linker.linkInModule(std::move(*parsed)))
      return "internal error: kernel '" + kernels[i].name + "' does not link";
  }
  return "";
}

std::string ObjectEmitter::Impl::checkUndefined() const {
  static const std::set<std::string> allowed = {
      "memcpy", "memset", "memmove", "exp",  "expf",  "log",  "logf",  "tanh",
      "tanhf",  "erf",    "erff",    "pow",  "powf",  "sqrt", "sqrtf", "floor",
      "floorf", "ceil",   "ceilf",   "fmod", "fmodf", "fma",  "fmaf"};
  std::string names;
  for (const llvm::GlobalValue &value : module->global_values()) {
    const llvm::StringRef name = value.getName();
    if (!value.isDeclaration() || value.use_empty() ||
        name.starts_with("llvm.") || name.starts_with("fm_") ||
        allowed.count(name.str()))
      continue;
    names += (names.empty() ? "'" : "', '") + name.str();
    if (!value.user_empty())
      if (auto *call = llvm::dyn_cast<llvm::Instruction>(*value.user_begin()))
        names += "' in '" + call->getFunction()->getName().str();
  }
  if (names.empty())
    return "";
  return "internal error: generated code calls " + names + "'";
}

std::string ObjectEmitter::link(const std::vector<CompiledKernel> &kernels,
                                const std::vector<std::string> &publicSymbols,
                                unsigned jobs) {
  if (!impl->machine)
    return "internal error: no target machine for '" + impl->target.triple +
           "'";
  for (const CompiledKernel &kernel : kernels)
    if (!kernel.error.empty())
      return kernel.error;
  llvm::Module &module = *impl->module;
  module.setTargetTriple(impl->target.triple);
  module.setDataLayout(impl->machine->createDataLayout());
  for (llvm::Function &function : module) {
    if (function.isDeclaration())
      continue;
    function.addFnAttr("target-cpu", impl->target.cpu);
    if (!impl->target.features.empty())
      function.addFnAttr("target-features", impl->target.features);
  }
  // Kernels come optimised; the steps are calls in a row. The naive kernels of
  // addModule() profit from being seen beside them.
  const int level = impl->target.optLevel;
  if (!impl->unoptimised)
    optimise(module, *impl->machine, std::min(level, 1), false);
  std::string error = impl->addKernels(kernels, jobs);
  if (!error.empty())
    return error;
  const std::set<std::string> visible(publicSymbols.begin(),
                                      publicSymbols.end());
  for (llvm::GlobalValue &value : module.global_values()) {
    if (value.isDeclaration() || value.getName().starts_with("llvm."))
      continue;
    if (!visible.count(value.getName().str()))
      value.setLinkage(llvm::GlobalValue::InternalLinkage);
  }
  std::string problems;
  llvm::raw_string_ostream stream(problems);
  if (llvm::verifyModule(module, &stream))
    return "internal error: " + problems;
  if (impl->unoptimised)
    optimise(module, *impl->machine, std::min(level, 2), true);
  return impl->checkUndefined();
}

std::string ObjectEmitter::emit(EmitKind kind, std::string &out) {
  if (kind == EmitKind::LlvmIr) {
    llvm::raw_string_ostream stream(out);
    impl->module->print(stream, nullptr);
    return "";
  }
  llvm::SmallVector<char, 0> bytes;
  llvm::raw_svector_ostream stream(bytes);
  llvm::legacy::PassManager passes;
  if (impl->machine->addPassesToEmitFile(
          passes, stream, nullptr,
          kind == EmitKind::Object ? llvm::CodeGenFileType::ObjectFile
                                   : llvm::CodeGenFileType::AssemblyFile))
    return "internal error: the target cannot write this kind of file";
  passes.run(*impl->module);
  out.append(bytes.begin(), bytes.end());
  return "";
}

} // namespace fm::codegen
