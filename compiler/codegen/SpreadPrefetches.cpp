//===- SpreadPrefetches.cpp - Prefetches between the arithmetic -----------===//
#include "compiler/codegen/SpreadPrefetches.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/SmallVector.h"
#include "llvm/IR/Instructions.h"
#include "llvm/IR/IntrinsicInst.h"

namespace fm::codegen {

namespace {

using llvm::Instruction;

bool isPrefetch(const Instruction &i) {
  auto *call = llvm::dyn_cast<llvm::IntrinsicInst>(&i);
  return call && call->getIntrinsicID() == llvm::Intrinsic::prefetch;
}

bool isArithmetic(const Instruction &i) {
  return i.getType()->isVectorTy() && i.getType()->isFPOrFPVectorTy() &&
         !llvm::isa<llvm::LoadInst, llvm::PHINode>(i);
}

bool spread(llvm::BasicBlock &block) {
  if (!llvm::is_contained(llvm::successors(&block), &block))
    return false;
  llvm::SmallVector<Instruction *> prefetches, arithmetic;
  for (Instruction &i : block) {
    if (isPrefetch(i))
      prefetches.push_back(&i);
    else if (isArithmetic(i))
      arithmetic.push_back(&i);
  }
  if (prefetches.size() < 2 || arithmetic.size() < prefetches.size())
    return false;
  for (auto [p, prefetch] : llvm::enumerate(prefetches)) {
    Instruction *at = arithmetic[p * arithmetic.size() / prefetches.size()];
    // Its address is there already, but for what comes later yet.
    if (prefetch->comesBefore(at))
      prefetch->moveBefore(at);
  }
  return true;
}

} // namespace

llvm::PreservedAnalyses SpreadPrefetches::run(llvm::Function &function,
                                              llvm::FunctionAnalysisManager &) {
  bool changed = false;
  for (llvm::BasicBlock &block : function)
    changed |= spread(block);
  if (!changed)
    return llvm::PreservedAnalyses::all();
  llvm::PreservedAnalyses preserved;
  preserved.preserveSet<llvm::CFGAnalyses>();
  return preserved;
}

} // namespace fm::codegen
