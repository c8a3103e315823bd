//===- TunedTest.cpp - Models with choices from a tuned file ---------------===//
//
// A file with other choices for every kernel, none of them measured: the code
// is another, and results are those of the reference backend.
//
//===----------------------------------------------------------------------===//

#include "tests/e2e/Models.h"

#include "compiler/codegen/Candidates.h"
#include "compiler/codegen/Layouts.h"
#include "compiler/codegen/SplitReductions.h"
#include "compiler/codegen/TuneFile.h"

#include <gtest/gtest.h>

#include <cmath>
#include <fstream>

using namespace fm::test;
using namespace fm::codegen;

namespace {

/// Candidate number `which` of each kernel, which the tuner would try at some
/// time; the last one where there are fewer.
TuneFile otherChoices(const fm::driver::LiveModel &model, int which) {
  TuneFile file;
  TunedMachine &machine = file.findOrAdd(model.result().target);
  for (const KernelSpec &spec : model.program().kernels) {
    if (asCopy(spec))
      continue;
    Candidates candidates(spec, model.result().target.machine);
    ScheduleChoice choice = candidates.standard();
    for (int i = 0; i <= which; ++i)
      if (auto next = candidates.next())
        choice = *next;
    machine.put(TunedKernel(kernelKey(spec), choice, "not measured"));
  }
  return file;
}

void expectNear(const Numbers &actual, const Numbers &expected, size_t count,
                const std::string &what) {
  double largest = 1;
  for (size_t i = 0; i < count; ++i)
    largest = std::max(largest, std::fabs(expected[i]));
  for (size_t i = 0; i < count; ++i)
    ASSERT_NEAR(actual[i], expected[i], 5e-6 * largest) << what << "[" << i << "]";
}

/// Compiled once.
Code shared(const Variant &variant) {
  static std::map<std::string, Code> all;
  Code &code = all[variant.name()];
  if (!code)
    code = compile(kPerSample, variant);
  return code;
}

class Tuned : public testing::TestWithParam<int> {};

TEST_P(Tuned, OtherCodeWithTheSameResults) {
  const Code standard = shared({});
  const std::string path =
      testing::TempDir() + "tuned_" + std::to_string(GetParam()) + ".tune";
  std::ofstream(path) << toString(otherChoices(*standard, GetParam()));
  Variant variant;
  variant.tuneFile = path;
  const Code tuned = compile(kPerSample, variant);
  EXPECT_NE(tuned->result().object, standard->result().object);
  ASSERT_EQ(tuned->program().kernels.size(),
            standard->program().kernels.size());

  variant = Variant();
  variant.backend = "reference";
  Network network(tuned), reference(shared(variant));
  for (int64_t n : {5, 4, 2, 1}) {
    SCOPED_TRACE("n = " + std::to_string(n));
    for (Network *each : {&network, &reference}) {
      setBatch(*each, uint64_t(n));
      each->call("forward", n);
    }
    expectNear(network.get("probs"), reference.get("probs"), size_t(4 * n),
               "probs");
    for (Network *each : {&network, &reference}) {
      each->call("gradients", n);
      each->call("train_step", n);
    }
    EXPECT_NEAR(network.scalar("loss"), reference.scalar("loss"), 5e-6);
    for (const std::string &name : trainedNames(network)) {
      const Numbers gradient = reference.gradient(name),
                    weights = reference.tensor(name);
      expectNear(network.gradient(name), gradient, gradient.size(), name);
      expectNear(network.tensor(name), weights, weights.size(), name);
    }
  }
}

INSTANTIATE_TEST_SUITE_P(E2e, Tuned, testing::Values(1, 8));

// What the machine model chooses may stand in a file, too.
TEST(Tuned, StandardChoicesAreLegal) {
  // A convolution by Winograd's transforms, whose tiles are written out.
  const char *const transformed = R"(model transformed(batch = 2) {
  input x : f32[batch, 12, 17, 40] with gradient
  y = conv2d(x, 48, kernel = 3, padding = same)
  output y
  loss sum(y)
  train sgd
}
)";
  for (const Code &code : {compile(kEverything), shared({}), compile(transformed)})
    for (const KernelSpec &spec : code->program().kernels) {
      const MachineModel &machine = code->result().target.machine;
      const KernelSpec form = scheduledForm(spec, machine);
      const Plan plan = planKernel(form, machine, choiceOf(planKernel(form, machine)));
      EXPECT_EQ(plan.error, "") << toString(spec);
    }
}

// Bitwise, as without a file: parallel loops run over independent outputs.
TEST(Tuned, ThreadsDoNotMatter) {
  const Code standard = compile(kEverything);
  TuneFile file = otherChoices(*standard, 3);
  for (TunedKernel &kernel : file.machines[0].kernels)
    kernel.nests[0].choice.parallelLoops = 1;
  const std::string path = testing::TempDir() + "tuned_threads.tune";
  std::ofstream(path) << toString(file);
  Variant variant;
  variant.tuneFile = path;
  const Code tuned = compile(kEverything, variant);
  std::string states[2];
  for (int threads : {1, 3}) {
    Network network(tuned);
    fm_pool *pool = fm_pool_create(threads);
    fm_set_parallel_for(network.instance(), fm_pool_run, pool);
    trainSteps(network, 0, 4, 6);
    trainSteps(network, 4, 6, 5);
    states[threads > 1] = network.state();
    fm_pool_destroy(pool);
  }
  EXPECT_EQ(states[0], states[1]);
}

} // namespace
