//===- estimate_reciprocals_test.cpp - What becomes an estimate -----------===//
//
// The instructions that are made; what they compute is in functions_test.cpp.
//
//===----------------------------------------------------------------------===//
#include <map>
#include <string>

#include <gtest/gtest.h>

#include "compiler/codegen/EstimateReciprocals.h"
#include "llvm/AsmParser/Parser.h"
#include "llvm/IR/InstIterator.h"
#include "llvm/IR/Instructions.h"
#include "llvm/IR/LLVMContext.h"
#include "llvm/IR/Module.h"
#include "llvm/IR/Verifier.h"
#include "llvm/Support/SourceMgr.h"

using namespace fm::codegen;

namespace {

/// Occurrences of roots, quotients and estimates after the pass in a function
/// with two vectors or numbers, %x and %y, that returns %z.
std::map<std::string, int> after(const std::string &type,
                                 const std::string &body) {
  const std::string suffix = type == "float" ? "f32"
                             : type == "double"
                                 ? "f64"
                                 : "v" + type.substr(1, 2) + "f32";
  std::string text = "declare T @llvm.sqrt.S(T)\n"
                     "define T @f(T %x, T %y) {\n" +
                     body + "\n  ret T %z\n}\n";
  auto replace = [&](char letter, const std::string &with) {
    for (size_t at = 0; (at = text.find(letter, at)) != std::string::npos;
         at += with.size())
      text.replace(at, 1, with);
  };
  replace('S', suffix);
  replace('T', type);
  llvm::LLVMContext context;
  llvm::SMDiagnostic diagnostic;
  std::unique_ptr<llvm::Module> module =
      llvm::parseAssemblyString(text, diagnostic, context);
  if (!module)
    return {{diagnostic.getMessage().str() + "\n" + text, 1}};
  llvm::Function &function = *module->getFunction("f");
  llvm::FunctionAnalysisManager analyses;
  EstimateReciprocals().run(function, analyses);
  if (llvm::verifyFunction(function))
    return {{"broken", 1}};
  std::map<std::string, int> count;
  for (llvm::Instruction &i : llvm::instructions(function)) {
    if (i.getOpcode() == llvm::Instruction::FDiv)
      ++count["quotient"];
    if (auto *call = llvm::dyn_cast<llvm::CallInst>(&i))
      for (const char *name :
           {"sqrt.", "rcp14.ps.128", "rcp14.ps.256", "rcp14.ps.512",
            "rsqrt14.ps.128", "rsqrt14.ps.256", "rsqrt14.ps.512"})
        if (call->getCalledFunction()->getName().contains(std::string(".") +
                                                          name))
          ++count[name];
  }
  return count;
}

using Count = std::map<std::string, int>;
const char *const root = "  %r = call T @llvm.sqrt.S(T %y)\n";
const std::string one = "splat (float 1.0)";

TEST(EstimateReciprocals, ReciprocalsAndRoots) {
  EXPECT_EQ(after("<16 x float>", "  %z = fdiv T " + one + ", %y"),
            (Count{{"rcp14.ps.512", 1}}));
  EXPECT_EQ(after("<16 x float>", "  %z = call T @llvm.sqrt.S(T %y)"),
            (Count{{"rsqrt14.ps.512", 1}}));
}

TEST(EstimateReciprocals, ReciprocalRootsAtOnce) {
  EXPECT_EQ(after("<16 x float>", root + ("  %z = fdiv T " + one + ", %r")),
            (Count{{"rsqrt14.ps.512", 1}}));
  EXPECT_EQ(after("<16 x float>", root + ("  %q = fdiv T " + one + ", %r\n") +
                                      "  %z = fadd T %q, %r"),
            (Count{{"rsqrt14.ps.512", 2}}));
}

TEST(EstimateReciprocals, QuotientsByRoots) {
  const std::string sum = "  %s = fmul T %r, %x\n  %t = fadd T %x, %s\n";
  EXPECT_EQ(after("<16 x float>", root + sum + "  %z = fdiv T %x, %t"),
            (Count{{"rsqrt14.ps.512", 1}, {"rcp14.ps.512", 1}}));
}

TEST(EstimateReciprocals, OtherQuotientsStay) {
  EXPECT_EQ(after("<16 x float>", "  %z = fdiv T %x, %y"),
            (Count{{"quotient", 1}}));
  EXPECT_EQ(after("<16 x float>",
                  "  %t = fadd T %y, " + one + "\n  %z = fdiv T %x, %t"),
            (Count{{"quotient", 1}}));
  // A root in the numerator says nothing of the denominator.
  EXPECT_EQ(after("<16 x float>", root + std::string("  %z = fdiv T %r, %x")),
            (Count{{"rsqrt14.ps.512", 1}, {"quotient", 1}}));
}

TEST(EstimateReciprocals, DoublesStay) {
  EXPECT_EQ(after("double", root + std::string("  %z = fdiv T 1.0, %r")),
            (Count{{"sqrt.", 1}, {"quotient", 1}}));
}

TEST(EstimateReciprocals, InRegistersThatFit) {
  EXPECT_EQ(after("float", "  %z = fdiv T 1.0, %y"),
            (Count{{"rcp14.ps.128", 1}}));
  EXPECT_EQ(after("<08 x float>", "  %z = fdiv T " + one + ", %y"),
            (Count{{"rcp14.ps.256", 1}}));
  EXPECT_EQ(after("<05 x float>", "  %z = fdiv T " + one + ", %y"),
            (Count{{"rcp14.ps.256", 1}}));
  EXPECT_EQ(after("<40 x float>", "  %z = fdiv T " + one + ", %y"),
            (Count{{"rcp14.ps.512", 3}}));
}

} // namespace
