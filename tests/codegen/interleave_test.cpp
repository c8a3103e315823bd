//===- interleave_test.cpp - Which instructions alternate -----------------===//
#include <string>

#include <gtest/gtest.h>

#include "compiler/codegen/Analyses.h"
#include "compiler/codegen/InterleaveChains.h"
#include "llvm/AsmParser/Parser.h"
#include "llvm/IR/LLVMContext.h"
#include "llvm/IR/Module.h"
#include "llvm/IR/Verifier.h"
#include "llvm/Passes/PassBuilder.h"
#include "llvm/Support/SourceMgr.h"

using namespace fm::codegen;

namespace {

constexpr int formulaLength = 12; // a product and a sum each

std::string load(int k) {
  const std::string n = std::to_string(k);
  return "  %p" + n + " = getelementptr float, ptr %in, i64 " +
         std::to_string(k * 4) + "\n  %x" + n + " = load <4 x float>, ptr %p" +
         n + "\n";
}

/// `out[k] = (((x * x + 1) * x + 1) ...)`, `length` times, of the value `%xk`.
std::string formulaOf(int k, int length = formulaLength) {
  const std::string n = std::to_string(k), v = "<4 x float> ";
  const std::string at = std::to_string(k * 4);
  std::string text, last = "%x" + n;
  for (int i = 0; i < length; ++i) {
    const std::string id = n + "_" + std::to_string(i);
    text += "  %m" + id + " = fmul " + v + last + ", %x" + n + "\n";
    text += "  %a" + id + " = fadd " + v + "%m" + id + ", %c\n";
    last = "%a" + id;
  }
  return text + "  %q" + n + " = getelementptr float, ptr %out, i64 " + at +
         "\n  store " + v + last + ", ptr %q" + n + "\n";
}

/// The same of `in[k]`.
std::string formula(int k, int length = formulaLength) {
  return load(k) + formulaOf(k, length);
}

/// Which vector each product belongs to, in the order of the code, once for
/// each run of products of the same one: "0 1 0 1", say.
std::string orderAfter(const std::string &arguments, const std::string &body,
                       int most) {
  llvm::LLVMContext context;
  llvm::SMDiagnostic diagnostic;
  std::unique_ptr<llvm::Module> module = llvm::parseAssemblyString(
      "define void @f(" + arguments + ", <4 x float> %c) {\n" + body +
          "  ret void\n}\n",
      diagnostic, context);
  if (!module)
    return diagnostic.getMessage().str();
  llvm::PassBuilder builder;
  Analyses analyses(builder);
  llvm::Function &function = *module->getFunction("f");
  InterleaveChains(most).run(function, analyses.functions);
  if (llvm::verifyFunction(function))
    return "invalid";
  std::string order;
  llvm::StringRef before;
  for (const llvm::Instruction &i : function.getEntryBlock()) {
    if (i.getOpcode() != llvm::Instruction::FMul)
      continue;
    const llvm::StringRef vector = i.getName().drop_front().split('_').first;
    if (vector != before)
      order += (order.empty() ? "" : " ") + vector.str();
    before = vector;
  }
  return order;
}

std::string times(const std::string &text, int count) {
  std::string all = text;
  for (int i = 1; i < count; ++i)
    all += " " + text;
  return all;
}

const std::string apart = "ptr noalias %in, ptr noalias %out";

TEST(InterleaveChains, LongFormulasAlternate) {
  EXPECT_EQ(orderAfter(apart, formula(0) + formula(1) + formula(2), 4),
            times("0 1 2", formulaLength));
}

TEST(InterleaveChains, TwoFormulasOfEachVector) {
  // A value and its derivative: 0 and 2 are of one kind, 1 and 3 of another.
  const int more = formulaLength + 1;
  EXPECT_EQ(
      orderAfter(apart,
                 formula(0) + formula(1, more) + formula(2) + formula(3, more),
                 4),
      times("0 2", formulaLength) + " " + times("1 3", more));
}

TEST(InterleaveChains, NoMoreThanRegistersAllow) {
  EXPECT_EQ(
      orderAfter(apart, formula(0) + formula(1) + formula(2) + formula(3), 2),
      times("0 1", formulaLength) + " " + times("2 3", formulaLength));
}

TEST(InterleaveChains, GroupsAreEven) {
  EXPECT_EQ(orderAfter(apart,
                       formula(0) + formula(1) + formula(2) + formula(3) +
                           formula(4) + formula(5),
                       4),
            times("0 1 2", formulaLength) + " " +
                times("3 4 5", formulaLength));
}

TEST(InterleaveChains, ShortFormulasStay) {
  EXPECT_EQ(orderAfter(apart, formula(0, 3) + formula(1, 3), 4), "0 1");
}

TEST(InterleaveChains, DifferentFormulasStay) {
  EXPECT_EQ(orderAfter(apart, formula(0) + formula(1, formulaLength + 1), 4),
            "0 1");
}

TEST(InterleaveChains, AccessesOfTheSameMemoryKeepTheirOrder) {
  // What vector 1 reads may be what vector 0 has stored.
  EXPECT_EQ(orderAfter("ptr %in, ptr %out", formula(0) + formula(1), 4), "0 1");
}

TEST(InterleaveChains, ACallThatMayStoreKeepsItsPlace) {
  // Reads of vector 1 stand behind it, the store of vector 0 before it.
  const std::string call = "  call void %g()\n";
  EXPECT_EQ(orderAfter(apart + ", ptr %g", formula(0) + call + formula(1), 4),
            "0 1");
}

TEST(InterleaveChains, AResultThatIsReadInBetweenKeepsItsPlace) {
  const std::string read = "  %r = fsub <4 x float> %a0_11, %c\n"
                           "  %s = extractelement <4 x float> %r, i64 0\n"
                           "  store float %s, ptr %other\n";
  EXPECT_EQ(orderAfter(apart + ", ptr noalias %other",
                       formula(0) + read + formula(1), 4),
            "0 1");
}

TEST(InterleaveChains, FormulasOfSumsThatAlternate) {
  // As behind an unrolled reduction, whose operands vectors share: the sums,
  // long as they may be, stay before what stands between them and the formulas.
  constexpr int steps = 30;
  const std::string v = "<4 x float> ";
  std::string sums = load(2);
  for (int i = 0; i < steps; ++i)
    for (const std::string n : {"0", "1"}) {
      const std::string id = n + "_s" + std::to_string(i);
      const std::string sum =
          i ? "%b" + n + "_s" + std::to_string(i - 1) : "%c";
      sums += "  %m" + id + " = fmul " + v + "%x2, " + sum + "\n  %" +
              (i + 1 < steps ? "b" + id : "x" + n) + " = fadd " + v + "%m" +
              id + ", " + sum + "\n";
    }
  const std::string between = "  %m9_ = fmul <4 x float> %c, %c\n";
  EXPECT_EQ(orderAfter(apart, sums + between + formulaOf(0) + formulaOf(1), 4),
            times("0 1", steps) + " 9 " + times("0 1", formulaLength));
}

TEST(InterleaveChains, WhatStoresOfOneVectorShareIsComputedOnce) {
  // Two stores of the same formula, such as a value and the sum it adds to.
  auto both = [](int k) {
    const std::string n = std::to_string(k);
    return formula(k) + "  %b" + n + " = fadd <4 x float> %a" + n +
           "_11, %c\n  %t" + n + " = getelementptr float, ptr %sums, i64 " +
           std::to_string(4 * k) + "\n  store <4 x float> %b" + n + ", ptr %t" +
           n + "\n";
  };
  EXPECT_EQ(orderAfter(apart + ", ptr noalias %sums", both(0) + both(1), 4),
            times("0 1", formulaLength));
}

TEST(InterleaveChains, StoresWithoutAFormulaStay) {
  std::string stores;
  for (const std::string k : {"0", "4"})
    stores += "  %q" + k + " = getelementptr float, ptr %out, i64 " + k +
              "\n  store <4 x float> %c, ptr %q" + k + "\n";
  EXPECT_EQ(orderAfter(apart, stores, 4), "");
}

// Of a function and its derivative, two chains of the same number, half as many
// vectors.
TEST(InterleaveChains, TwoChainsOfEachVector) {
  auto both = [](int k) {
    const std::string n = std::to_string(k), v = "<4 x float> ";
    std::string text = formula(k), last = "%x" + n;
    for (int i = 0; i < formulaLength; ++i) {
      const std::string id = n + "_d" + std::to_string(i);
      text += "  %m" + id + " = fmul " + v + last + ", %c\n";
      text += "  %a" + id + " = fadd " + v + "%m" + id + ", %x" + n + "\n";
      last = "%a" + id;
    }
    return text + "  %b" + n + " = fadd " + v + last + ", %a" + n +
           "_11\n  %t" + n + " = getelementptr float, ptr %sums, i64 " +
           std::to_string(4 * k) + "\n  store " + v + "%b" + n + ", ptr %t" +
           n + "\n";
  };
  EXPECT_EQ(orderAfter(apart + ", ptr noalias %sums",
                       both(0) + both(1) + both(2) + both(3), 4),
            times("0 1", 2 * formulaLength) + " " +
                times("2 3", 2 * formulaLength));
}

} // namespace
