//===- KernelsTest.cpp - Every kernel of whole models, one by one -----------===//
//
// Kernels as the passes form them, against the interpreter of KernelSpec: with
// Halide's asserts on and off, on one to four threads, and in memory in which
// every byte that is no element of the n samples has to stay as it was. The
// largest numbers of samples are no multiples of anything, and every smaller
// number is called, too: rows behind the samples are the last tile's temptation.
//
//===----------------------------------------------------------------------===//

#include "compiler/driver/Compiler.h"
#include "frontend/recorder/Diagnostics.h"
#include "tests/codegen/KernelHarness.h"

#include <gtest/gtest.h>

#include <numeric>

using namespace fm::test;

namespace {

struct Case {
  const char *model;
  int batch;
};
std::ostream &operator<<(std::ostream &out, const Case &c) {
  return out << c.model << "_" << c.batch;
}

class Kernels : public testing::TestWithParam<Case> {};

TEST_P(Kernels, WriteTheSamplesAndNothingElse) {
  fm::driver::CompilerOptions options;
  options.input = std::string("tests/e2e/models/") + GetParam().model + ".fm";
  options.defines = {"batch=" + std::to_string(GetParam().batch)};
  fm::Diagnostics diagnostics;
  fm::driver::Compiler compiler(options, diagnostics);
  fm::codegen::Program program;
  ASSERT_TRUE(compiler.read() && compiler.lower() && compiler.collect(program))
      << diagnostics.render(false);
  CheckOptions check;
  check.ns.resize(size_t(GetParam().batch));
  std::iota(check.ns.begin(), check.ns.end(), 1);
  for (const fm::codegen::KernelSpec &kernel : program.kernels)
    EXPECT_EQ(fm::test::check(kernel, check), "");
}

INSTANTIATE_TEST_SUITE_P(Models, Kernels,
                         testing::Values(Case{"contractions", 3}, Case{"convolutions", 5}, Case{"pooling", 7},
                                         Case{"shapes", 7}, Case{"losses", 15}, Case{"normalisation", 5}),
                         [](const auto &info) {
                           return std::string(info.param.model) + "_" + std::to_string(info.param.batch);
                         });

} // namespace
