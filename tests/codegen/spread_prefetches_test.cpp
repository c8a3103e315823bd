//===- spread_prefetches_test.cpp - Where prefetches end up ---------------===//
#include <string>

#include <gtest/gtest.h>

#include "compiler/codegen/SpreadPrefetches.h"
#include "llvm/AsmParser/Parser.h"
#include "llvm/IR/Instructions.h"
#include "llvm/IR/IntrinsicInst.h"
#include "llvm/IR/LLVMContext.h"
#include "llvm/IR/Module.h"
#include "llvm/IR/Verifier.h"
#include "llvm/Passes/PassBuilder.h"
#include "llvm/Support/SourceMgr.h"

using namespace fm::codegen;

namespace {

/// The block `body` afterwards: 'p' for a prefetch, 'm' for a product. It ends
/// with a branch to `next`; its prefetches' address is `%in`, or `%late`, which
/// comes behind the first product.
std::string orderAfter(const std::string &letters, const std::string &next,
                       const std::string &address = "%in") {
  std::string body;
  int count = 0;
  for (char letter : letters) {
    const std::string n = std::to_string(count);
    if (letter == 'p') {
      body += "  call void @llvm.prefetch.p0(ptr " + address +
              ", i32 0, i32 3, i32 1)\n";
    } else {
      body += "  %m" + n + " = fmul <4 x float> %x, %x\n";
      if (count == 0)
        body += "  %late = getelementptr float, ptr %in, i64 16\n";
      ++count;
    }
  }
  llvm::LLVMContext context;
  llvm::SMDiagnostic diagnostic;
  std::unique_ptr<llvm::Module> module = llvm::parseAssemblyString(
      "declare void @llvm.prefetch.p0(ptr, i32, i32, i32)\n"
      "define void @f(ptr %in, <4 x float> %x, i1 %again) {\n"
      "  br label %body\nbody:\n" +
          body + "  br i1 %again, label %" + next +
          ", label %end\nother:\n  br label %end\nend:\n  ret void\n}\n",
      diagnostic, context);
  if (!module)
    return diagnostic.getMessage().str();
  llvm::Function &function = *module->getFunction("f");
  llvm::FunctionAnalysisManager functions;
  SpreadPrefetches().run(function, functions);
  if (llvm::verifyFunction(function))
    return "broken";
  std::string order;
  for (llvm::BasicBlock &block : function)
    for (llvm::Instruction &i : block)
      if (llvm::isa<llvm::IntrinsicInst>(i))
        order += 'p';
      else if (i.getOpcode() == llvm::Instruction::FMul)
        order += 'm';
  return order;
}

TEST(SpreadPrefetches, BetweenTheArithmeticOfALoop) {
  EXPECT_EQ(orderAfter("ppmmmm", "body"), "pmmpmm");
  EXPECT_EQ(orderAfter("pppmmmmmm", "body"), "pmmpmmpmm");
}

TEST(SpreadPrefetches, WhatIsLateStaysThere) {
  EXPECT_EQ(orderAfter("mppmmm", "body", "%late"), "mpmpmm");
  EXPECT_EQ(orderAfter("mmmmpp", "body"), "mmmmpp");
}

TEST(SpreadPrefetches, OneIsNotMoved) {
  EXPECT_EQ(orderAfter("pmm", "body"), "pmm");
}

TEST(SpreadPrefetches, MoreThanThereIsArithmeticStay) {
  EXPECT_EQ(orderAfter("pppmm", "body"), "pppmm");
}

TEST(SpreadPrefetches, StraightCodeStays) {
  EXPECT_EQ(orderAfter("ppmmmm", "other"), "ppmmmm");
}

} // namespace
