//===- KernelJit.cpp - Run an emitted object in this process --------------===//
//
// A thin layer over LLVM's ORC.
//
//===----------------------------------------------------------------------===//
#include "compiler/codegen/KernelJit.h"

#include "llvm/ExecutionEngine/Orc/ExecutionUtils.h"
#include "llvm/ExecutionEngine/Orc/LLJIT.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/TargetSelect.h"

namespace fm::codegen {

struct KernelJit::Impl {
  std::unique_ptr<llvm::orc::LLJIT> jit;
};

KernelJit::KernelJit() : impl(std::make_unique<Impl>()) {}
KernelJit::~KernelJit() = default;

std::string
KernelJit::load(const std::string &object,
                const std::vector<std::pair<std::string, void *>> &symbols) {
  llvm::InitializeNativeTarget();
  llvm::InitializeNativeTargetAsmPrinter();
  auto jit = llvm::orc::LLJITBuilder().create();
  if (!jit)
    return llvm::toString(jit.takeError());
  impl->jit = std::move(*jit);
  auto &library = impl->jit->getMainJITDylib();
  llvm::orc::SymbolMap map;
  for (const auto &[name, address] : symbols)
    map[impl->jit->mangleAndIntern(name)] = {
        llvm::orc::ExecutorAddr::fromPtr(address),
        llvm::JITSymbolFlags::Exported};
  if (llvm::Error error = library.define(llvm::orc::absoluteSymbols(map)))
    return llvm::toString(std::move(error));
  auto process = llvm::orc::DynamicLibrarySearchGenerator::GetForCurrentProcess(
      impl->jit->getDataLayout().getGlobalPrefix());
  if (!process)
    return llvm::toString(process.takeError());
  library.addGenerator(std::move(*process));
  if (llvm::Error error = impl->jit->addObjectFile(
          llvm::MemoryBuffer::getMemBufferCopy(object, "object")))
    return llvm::toString(std::move(error));
  return "";
}

void *KernelJit::find(const std::string &name) {
  auto address = impl->jit->lookup(name);
  if (!address) {
    llvm::consumeError(address.takeError());
    return nullptr;
  }
  return address->toPtr<void *>();
}

} // namespace fm::codegen
