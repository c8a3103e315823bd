//===- ObjectEmitter.cpp - One optimised object from kernels and steps ----===//
//
// Kernels are optimised, and written as objects, in contexts of their own and
// in parallel. An ELF object is then linked from theirs; text, and objects of
// other formats, come from one module, into whose context the kernels travel
// as bitcode.
//
//===----------------------------------------------------------------------===//
#include "compiler/codegen/ObjectEmitter.h"

#include <algorithm>
#include <atomic>
#include <functional>
#include <set>
#include <thread>

#include "compiler/codegen/KernelModule.h"
#include "compiler/codegen/LinkObjects.h"

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
#include "llvm/TargetParser/Triple.h"

namespace fm::codegen {

namespace {

/// Runs `work` for 0 .. count-1 on some threads (0: one per core); the error
/// message with the lowest number, or "".
std::string inParallel(size_t count, unsigned jobs,
                       const std::function<std::string(size_t)> &work) {
  std::vector<std::string> errors(count);
  std::atomic<size_t> next{0};
  auto run = [&] {
    for (size_t i; (i = next++) < count;)
      errors[i] = work(i);
  };
  if (jobs == 0)
    jobs = std::max(1u, std::thread::hardware_concurrency());
  std::vector<std::thread> threads;
  for (unsigned t = 1; t < std::min<size_t>(jobs, count); ++t)
    threads.emplace_back(run);
  run();
  for (std::thread &thread : threads)
    thread.join();
  for (std::string &error : errors)
    if (!error.empty())
      return error;
  return "";
}

/// Names that a module must not refer to, with one that does. `others` are
/// defined by other modules.
std::string checkUndefined(const llvm::Module &module,
                           const std::set<std::string> &others = {}) {
  static const std::set<std::string> library = {
      "memcpy", "memset", "memmove", "exp",  "expf",  "log",  "logf",  "tanh",
      "tanhf",  "erf",    "erff",    "pow",  "powf",  "sqrt", "sqrtf", "floor",
      "floorf", "ceil",   "ceilf",   "fmod", "fmodf", "fma",  "fmaf"};
  std::string names;
  for (const llvm::GlobalValue &value : module.global_values()) {
    const llvm::StringRef name = value.getName();
    if (!value.isDeclaration() || value.use_empty() ||
        name.starts_with("llvm.") || name.starts_with("fm_") ||
        library.count(name.str()) || others.count(name.str()))
      continue;
    names += (names.empty() ? "'" : "', '") + name.str();
    if (!value.user_empty())
      if (auto *call = llvm::dyn_cast<llvm::Instruction>(*value.user_begin()))
        names += "' in '" + call->getFunction()->getName().str();
  }
  return names.empty() ? ""
                       : "internal error: generated code calls " + names + "'";
}

std::string checkModule(const llvm::Module &module) {
  std::string problems;
  llvm::raw_string_ostream stream(problems);
  if (llvm::verifyModule(module, &stream))
    return "internal error: " + problems;
  return "";
}

std::string writeMachineCode(llvm::Module &module, llvm::TargetMachine &machine,
                             llvm::CodeGenFileType kind, std::string &out) {
  llvm::SmallVector<char, 0> bytes;
  llvm::raw_svector_ostream stream(bytes);
  llvm::legacy::PassManager passes;
  if (machine.addPassesToEmitFile(passes, stream, nullptr, kind))
    return "internal error: the target cannot write this kind of file";
  passes.run(module);
  out.append(bytes.begin(), bytes.end());
  return "";
}

/// A kernel's module, in a context of its own.
struct Part {
  std::unique_ptr<llvm::LLVMContext> context;
  std::unique_ptr<llvm::Module> module;
};

} // namespace

struct ObjectEmitter::Impl {
  explicit Impl(const TargetSpec &target) : target(target) {}
  TargetSpec target;
  llvm::LLVMContext context;
  std::unique_ptr<llvm::Module> module; ///< steps, at first
  std::unique_ptr<llvm::TargetMachine> machine;
  bool unoptimised = false; ///< holds kernels that nobody has optimised yet
  std::vector<Part> kernels;
  std::vector<std::string> publicSymbols;
  unsigned jobs = 0;

  std::string makeWhole();
  std::string linkParts(std::string &out);
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

std::string ObjectEmitter::link(const std::vector<CompiledKernel> &kernels,
                                const std::vector<std::string> &publicSymbols,
                                unsigned jobs) {
  if (!impl->machine)
    return "internal error: no target machine for '" + impl->target.triple +
           "'";
  for (const CompiledKernel &kernel : kernels)
    if (!kernel.error.empty())
      return kernel.error;
  impl->publicSymbols = publicSymbols;
  impl->jobs = jobs;
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
  const std::set<std::string> visible(publicSymbols.begin(),
                                      publicSymbols.end());
  for (llvm::GlobalValue &value : module.global_values())
    if (!value.isDeclaration() && !value.getName().starts_with("llvm.") &&
        !visible.count(value.getName().str()))
      value.setLinkage(llvm::GlobalValue::InternalLinkage);
  std::string error = checkModule(module);
  if (!error.empty())
    return error;
  // Kernels come optimised; the steps are calls in a row. The naive kernels of
  // addModule() profit from being seen beside them.
  const int level = impl->target.optLevel;
  optimise(module, *impl->machine, std::min(level, impl->unoptimised ? 2 : 1),
           impl->unoptimised);

  impl->kernels.resize(kernels.size());
  error = inParallel(kernels.size(), jobs, [&](size_t i) {
    Part &part = impl->kernels[i];
    part.context = std::make_unique<llvm::LLVMContext>();
    std::string problem;
    part.module =
        makeKernelModule(kernels[i], impl->target, *part.context, problem);
    return part.module ? checkUndefined(*part.module) : problem;
  });
  std::set<std::string> names;
  for (const CompiledKernel &kernel : kernels)
    names.insert(kernel.name);
  return error.empty() ? checkUndefined(module, names) : error;
}

/// Moves copies of the kernels into the steps' module.
std::string ObjectEmitter::Impl::makeWhole() {
  llvm::Linker linker(*module);
  for (const Part &part : kernels) {
    const std::string name = part.module->getName().str();
    std::string bitcode;
    llvm::raw_string_ostream stream(bitcode);
    llvm::WriteBitcodeToFile(*part.module, stream);
    auto parsed =
        llvm::parseBitcodeFile(llvm::MemoryBufferRef(bitcode, name), context);
    if (!parsed)
      return "internal error: kernel '" + name +
             "': " + llvm::toString(parsed.takeError());
    if (linker.linkInModule(std::move(*parsed)))
      return "internal error: kernel '" + name + "' does not link";
  }
  kernels.clear();
  const std::set<std::string> visible(publicSymbols.begin(),
                                      publicSymbols.end());
  for (llvm::Function &function : *module)
    if (!function.isDeclaration() && !visible.count(function.getName().str()))
      function.setLinkage(llvm::GlobalValue::InternalLinkage);
  return checkModule(*module);
}

std::string ObjectEmitter::Impl::linkParts(std::string &out) {
  std::vector<std::string> objects(1 + kernels.size());
  const std::string error = inParallel(objects.size(), jobs, [&](size_t i) {
    auto own = makeTargetMachine(target);
    return writeMachineCode(i == 0 ? *module : *kernels[i - 1].module, *own,
                            llvm::CodeGenFileType::ObjectFile, objects[i]);
  });
  return error.empty() ? linkObjects(objects, publicSymbols, out) : error;
}

std::string ObjectEmitter::emit(EmitKind kind, std::string &out) {
  const bool isElf = llvm::Triple(impl->target.triple).isOSBinFormatELF();
  if (kind == EmitKind::Object && isElf && !impl->kernels.empty())
    return impl->linkParts(out);
  const std::string error = impl->makeWhole();
  if (!error.empty())
    return error;
  if (kind == EmitKind::LlvmIr) {
    llvm::raw_string_ostream stream(out);
    impl->module->print(stream, nullptr);
    return "";
  }
  return writeMachineCode(*impl->module, *impl->machine,
                          kind == EmitKind::Object
                              ? llvm::CodeGenFileType::ObjectFile
                              : llvm::CodeGenFileType::AssemblyFile,
                          out);
}

} // namespace fm::codegen
