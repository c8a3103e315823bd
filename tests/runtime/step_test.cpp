//===- step_test.cpp - The checks around a step, and its loops ------------===//
//
// What generated functions call: argument checks with their messages, the step
// count, and parallel loops with and without a host's threads.
//
//===----------------------------------------------------------------------===//
#include "toy_model.h"

#include <gtest/gtest.h>

using namespace toy;

namespace {

enum Entry { TrainStep, Forward, ApplyGradients, Lookup };

class Step : public testing::Test {
protected:
  Step() { fm_init(*bound, 1); }

  fm_status begin(int32_t entry, int64_t n, std::vector<void *> arguments) {
    return fm_step_begin(*bound, &toy.model, entry, n, arguments.data());
  }

  Model toy;
  Bound bound{toy.model};
  float image[16] = {}, loss = 0, probs[40] = {}, grads[32] = {};
  int32_t label[4] = {0, 9, 3, 5};
  int64_t tokens[12] = {};
};

TEST_F(Step, AcceptsWhatIsRight) {
  EXPECT_EQ(begin(TrainStep, 4, {image, label, &loss}), FM_OK);
  EXPECT_EQ(begin(TrainStep, 1, {image, label, nullptr}), FM_OK);
  EXPECT_EQ(begin(Forward, 4, {tokens, probs}), FM_OK);
  EXPECT_EQ(bound.message(), "");
}

TEST_F(Step, ChecksTheNumberOfSamples) {
  for (int64_t n : {int64_t(0), int64_t(-1), int64_t(5), int64_t(1) << 40})
    EXPECT_EQ(begin(TrainStep, n, {image, label, &loss}), FM_ERROR_SAMPLES);
  begin(TrainStep, 5, {image, label, &loss});
  EXPECT_EQ(bound.message(), "train_step: n is 5, expected 1 to 4; split the "
                             "data, or compile the model with a larger batch");
  // No argument is per sample: n means nothing.
  EXPECT_EQ(begin(ApplyGradients, 0, {grads}), FM_OK);
}

TEST_F(Step, ChecksNullPointers) {
  EXPECT_EQ(begin(TrainStep, 2, {nullptr, label, &loss}), FM_ERROR_ARGUMENT);
  EXPECT_EQ(bound.message(), "train_step: 'image' is a null pointer, expected "
                             "n times 4 elements");
  EXPECT_EQ(begin(TrainStep, 2, {image, nullptr, &loss}), FM_ERROR_ARGUMENT);
  EXPECT_EQ(begin(Forward, 2, {tokens, nullptr}), FM_ERROR_ARGUMENT);
  EXPECT_EQ(begin(ApplyGradients, 1, {nullptr}), FM_ERROR_ARGUMENT);
  EXPECT_EQ(bound.message(),
            "apply_gradients: 'grads' is a null pointer, expected 32 elements");
  EXPECT_EQ(fm_step_begin(*bound, &toy.model, TrainStep, 1, nullptr),
            FM_ERROR_ARGUMENT);
}

TEST_F(Step, ChecksLabelsOfTheSamplesThatAreThere) {
  label[2] = 10;
  EXPECT_EQ(begin(TrainStep, 2, {image, label, &loss}), FM_OK);
  EXPECT_EQ(begin(TrainStep, 3, {image, label, &loss}), FM_ERROR_LABEL);
  EXPECT_EQ(bound.message(),
            "train_step: 'label' of sample 2 is 10, expected 0 to 9");
  label[0] = -1;
  EXPECT_EQ(begin(TrainStep, 3, {image, label, &loss}), FM_ERROR_LABEL);
  EXPECT_EQ(bound.message(),
            "train_step: 'label' of sample 0 is -1, expected 0 to 9");
  tokens[7] = INT64_MIN;
  EXPECT_EQ(begin(Forward, 2, {tokens, probs}), FM_OK);
  EXPECT_EQ(begin(Forward, 3, {tokens, probs}), FM_ERROR_LABEL);
  EXPECT_EQ(bound.message(), "forward: 'tokens' of sample 2, element 1, is "
                             "-9223372036854775808, expected 0 to 99");
  int8_t table[4] = {0, 4, 5, 0};
  EXPECT_EQ(begin(Lookup, 1, {table}), FM_ERROR_LABEL);
  EXPECT_EQ(bound.message(), "lookup: 'table', element 2, is 5, expected 0 to "
                             "4");
}

TEST_F(Step, ChecksTheInstance) {
  std::vector<void *> arguments = {image, label, &loss};
  EXPECT_EQ(fm_step_begin(nullptr, &toy.model, TrainStep, 1, arguments.data()),
            FM_ERROR_ARGUMENT);
  fm_instance unbound = {};
  EXPECT_EQ(fm_step_begin(&unbound, &toy.model, TrainStep, 1, arguments.data()),
            FM_ERROR_ARGUMENT);
  EXPECT_STREQ(fm_message(&unbound),
               "the instance is not bound to memory: call fm_bind first");
  Model other;
  other.model.name = "other";
  EXPECT_EQ(fm_step_begin(*bound, &other.model, TrainStep, 1, arguments.data()),
            FM_ERROR_MISMATCH);
  EXPECT_EQ(bound.message(), "the instance is bound to model toy, but a "
                             "function of model other was called with it");
  EXPECT_EQ(begin(4, 1, {}), FM_ERROR_INTERNAL);
  EXPECT_EQ(bound.message(),
            "entry point 4 of 4; the object and its header do not fit");
  EXPECT_EQ(fm_step_end(*bound, -1, 0), FM_ERROR_INTERNAL);
  EXPECT_EQ(fm_step_end(nullptr, 0, 0), FM_ERROR_ARGUMENT);
}

TEST_F(Step, FailuresLeaveTheState) {
  std::string before = bound.state();
  begin(TrainStep, 9, {image, label, &loss});
  begin(TrainStep, 1, {nullptr, label, &loss});
  label[0] = 99;
  begin(TrainStep, 1, {image, label, &loss});
  fm_step_end(*bound, TrainStep, 7);
  EXPECT_EQ(bound.state(), before);
}

TEST_F(Step, CountsSteps) {
  EXPECT_EQ(fm_get_step(*bound), 0);
  EXPECT_EQ(fm_step_end(*bound, TrainStep, 0), FM_OK);
  EXPECT_EQ(fm_step_end(*bound, Forward, 0), FM_OK);
  EXPECT_EQ(fm_step_end(*bound, ApplyGradients, 0), FM_OK);
  EXPECT_EQ(fm_get_step(*bound), 2);
  EXPECT_EQ(fm_step_end(*bound, TrainStep, -3), FM_ERROR_INTERNAL);
  EXPECT_EQ(bound.message(),
            "train_step: a kernel returned -3, expected 0; the state may be "
            "half updated: load a checkpoint, and please report the model");
  EXPECT_EQ(fm_get_step(*bound), 2);
}

/// Records the indices; fails at number 5.
int record(void *, int32_t index, uint8_t *closure) {
  reinterpret_cast<std::vector<int32_t> *>(closure)->push_back(index);
  return index == 5 ? 55 : 0;
}

int hostLoop(void *host, fm_task task, void *context, int32_t begin,
             int32_t count, uint8_t *closure) {
  ++*static_cast<int *>(host);
  for (int32_t i = begin + count; i-- > begin;)
    if (int error = task(context, i, closure))
      return error;
  return 0;
}

// train_step writes what groups 1 and 2 are made from.
TEST_F(Step, PutsDerivedTensorsOutOfDate) {
  fm_instance *instance = *bound;
  EXPECT_EQ(instance->derived, 0u);
  instance->derived = 15;
  EXPECT_EQ(fm_step_end(instance, Forward, 0), FM_OK);
  EXPECT_EQ(instance->derived, 15u);
  EXPECT_EQ(fm_step_end(instance, TrainStep, 0), FM_OK);
  EXPECT_EQ(instance->derived, 9u);
  // State may be half updated.
  instance->derived = 15;
  EXPECT_EQ(fm_step_end(instance, TrainStep, 1), FM_ERROR_INTERNAL);
  EXPECT_EQ(instance->derived, 9u);
  // What is refused changes nothing.
  float number = 1;
  EXPECT_NE(fm_set_tensor(instance, "dense.kernel", &number, 1), FM_OK);
  EXPECT_NE(fm_load(instance, "/nowhere/at/all"), FM_OK);
  EXPECT_EQ(fm_set_learning_rate(instance, 0.5), FM_OK);
  EXPECT_EQ(instance->derived, 9u);
  float kernel[6] = {};
  EXPECT_EQ(fm_set_tensor(instance, "dense.kernel", kernel, sizeof kernel),
            FM_OK);
  EXPECT_EQ(instance->derived, 0u);
  instance->derived = 15;
  EXPECT_EQ(fm_init(instance, 1), FM_OK);
  EXPECT_EQ(instance->derived, 0u);
}

TEST_F(Step, LoopsRunHereOrOnTheHostsThreads) {
  std::vector<int32_t> seen;
  uint8_t *closure = reinterpret_cast<uint8_t *>(&seen);
  EXPECT_EQ(fm_parallel_for(*bound, record, -2, 4, closure), 0);
  EXPECT_EQ(seen, (std::vector<int32_t>{-2, -1, 0, 1}));
  EXPECT_EQ(fm_parallel_for(*bound, record, 0, 0, closure), 0);
  EXPECT_EQ(fm_parallel_for(*bound, record, 3, 9, closure), 55);
  EXPECT_EQ(seen.back(), 5);

  int calls = 0;
  seen.clear();
  ASSERT_EQ(fm_set_parallel_for(*bound, hostLoop, &calls), FM_OK);
  EXPECT_EQ(fm_parallel_for(*bound, record, 0, 3, closure), 0);
  EXPECT_EQ(seen, (std::vector<int32_t>{2, 1, 0}));
  EXPECT_EQ(calls, 1);
  // One task needs no threads.
  EXPECT_EQ(fm_parallel_for(*bound, record, 5, 1, closure), 55);
  EXPECT_EQ(calls, 1);
  ASSERT_EQ(fm_set_parallel_for(*bound, nullptr, nullptr), FM_OK);
  EXPECT_EQ(fm_parallel_for(*bound, record, 0, 3, closure), 0);
  EXPECT_EQ(calls, 1);
}

} // namespace
