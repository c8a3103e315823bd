//===- KeepRolled.cpp - Loops that unrolling makes slower -----------------===//
#include "compiler/codegen/KeepRolled.h"

#include "llvm/Analysis/LoopInfo.h"
#include "llvm/IR/Instructions.h"
#include "llvm/IR/IntrinsicInst.h"

namespace fm::codegen {

namespace {

bool isVectorOfFloats(const llvm::Instruction &i) {
  return i.getType()->isVectorTy() && i.getType()->isFPOrFPVectorTy();
}

bool isProduct(const llvm::User &user) {
  auto *i = llvm::dyn_cast<llvm::Instruction>(&user);
  auto *call = llvm::dyn_cast<llvm::IntrinsicInst>(&user);
  return (i && i->getOpcode() == llvm::Instruction::FMul) ||
         (call && (call->getIntrinsicID() == llvm::Intrinsic::fma ||
                   call->getIntrinsicID() == llvm::Intrinsic::fmuladd));
}

bool hasNumbersOfOneUse(const llvm::BasicBlock &block, unsigned leastSums) {
  unsigned sums = 0, numbers = 0;
  for (const llvm::Instruction &i : block) {
    if (!isVectorOfFloats(i))
      continue;
    sums += llvm::isa<llvm::PHINode>(i);
    if (auto *shuffle = llvm::dyn_cast<llvm::ShuffleVectorInst>(&i);
        shuffle && shuffle->isZeroEltSplat()) {
      if (!shuffle->hasOneUse() || !isProduct(**shuffle->user_begin()))
        return false;
      ++numbers;
    }
  }
  return sums >= leastSums && numbers >= sums;
}

} // namespace

llvm::PreservedAnalyses
KeepRolled::run(llvm::Function &function,
                llvm::FunctionAnalysisManager &analyses) {
  for (llvm::Loop *loop :
       analyses.getResult<llvm::LoopAnalysis>(function).getLoopsInPreorder())
    if (loop->getNumBlocks() == 1 &&
        hasNumbersOfOneUse(*loop->getHeader(), leastSums))
      loop->setLoopAlreadyUnrolled();
  return llvm::PreservedAnalyses::all(); // metadata alone
}

} // namespace fm::codegen
