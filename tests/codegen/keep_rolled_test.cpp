//===- keep_rolled_test.cpp - Which loops LLVM may not unroll -------------===//
#include <string>

#include <gtest/gtest.h>

#include "compiler/codegen/Analyses.h"
#include "compiler/codegen/KeepRolled.h"
#include "llvm/Analysis/LoopInfo.h"
#include "llvm/AsmParser/Parser.h"
#include "llvm/IR/LLVMContext.h"
#include "llvm/IR/Module.h"
#include "llvm/Passes/PassBuilder.h"
#include "llvm/Support/SourceMgr.h"
#include "llvm/Transforms/Utils/LoopUtils.h"

using namespace fm::codegen;

namespace {

/// A loop with so many sums: each adds a number, made a vector, `op` the row;
/// of `uses` products, one is added.
std::string loopOf(int sums, const std::string &op = "fmul", int uses = 1) {
  std::string phis, steps;
  for (int s = 0; s < sums; ++s) {
    const std::string n = std::to_string(s);
    phis += "  %a" + n +
            " = phi <8 x float> [ zeroinitializer, %entry ], [ %b" + n +
            ", %body ]\n";
    steps += "  %p" + n + " = getelementptr float, ptr %in, i64 " + n +
             "\n  %l" + n + " = load float, ptr %p" + n + "\n  %i" + n +
             " = insertelement <8 x float> poison, float %l" + n +
             ", i64 0\n  %v" + n + " = shufflevector <8 x float> %i" + n +
             ", <8 x float> poison, <8 x i32> zeroinitializer\n";
    for (int u = 0; u < uses; ++u)
      steps += "  %m" + n + "_" + std::to_string(u) + " = " + op +
               " <8 x float> %v" + n + ", %row\n";
    steps += "  %b" + n + " = fadd <8 x float> %a" + n + ", %m" + n + "_0\n";
  }
  return "define void @f(ptr %in, <8 x float> %row, i1 %again) {\n"
         "entry:\n  br label %body\nbody:\n" +
         phis + steps +
         "  br i1 %again, label %body, label %end\nend:\n  ret void\n}\n";
}

bool staysRolled(const std::string &text, unsigned leastSums = 5) {
  llvm::LLVMContext context;
  llvm::SMDiagnostic diagnostic;
  std::unique_ptr<llvm::Module> module =
      llvm::parseAssemblyString(text, diagnostic, context);
  EXPECT_TRUE(module) << diagnostic.getMessage().str();
  if (!module)
    return false;
  llvm::PassBuilder builder;
  Analyses analyses(builder);
  llvm::Function &function = *module->getFunction("f");
  KeepRolled(leastSums).run(function, analyses.functions);
  llvm::Loop *loop =
      *analyses.functions.getResult<llvm::LoopAnalysis>(function).begin();
  return llvm::getBooleanLoopAttribute(loop, "llvm.loop.unroll.disable");
}

TEST(KeepRolled, TilesOfOneVectorARow) {
  EXPECT_TRUE(staysRolled(loopOf(5)));
  EXPECT_TRUE(staysRolled(loopOf(12)));
}

TEST(KeepRolled, FewSumsLeaveRegisters) {
  EXPECT_FALSE(staysRolled(loopOf(4)));
  EXPECT_TRUE(staysRolled(loopOf(4), 4));
}

TEST(KeepRolled, ANumberOfSeveralProductsIsNoObstacle) {
  EXPECT_FALSE(staysRolled(loopOf(6, "fmul", 2)));
}

TEST(KeepRolled, NumbersOfProductsAreMeant) {
  EXPECT_FALSE(staysRolled(loopOf(6, "fsub")));
}

} // namespace
