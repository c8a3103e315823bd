//===- Models.h - Networks that several tests train
//------------------------===//
#ifndef FM_TESTS_E2E_MODELS_H
#define FM_TESTS_E2E_MODELS_H

#include "tests/support/Live.h"

#include <gtest/gtest.h>

#include <atomic>
#include <thread>

namespace fm::test {

/// All kinds of state: convolutions, running statistics, dropout, shared
/// weights, Adam. 6x6 images with 2 channels, 4 classes, at most 6 samples.
inline const char *const kEverything = R"(model everything(batch = 6) {
  input image : f32[batch, 6, 6, 2]
  target label : i32[batch]
  x = conv2d(image, 4, kernel = 3, padding = same) |> batch_norm |> relu
  x = max_pool2d(x, 2) |> flatten |> dropout(0.25)
  x = dense(x, 8) |> tanh
  x = dense(x, 8, name = "shared") |> tanh
  x = dense(x, 8, name = "shared") |> dropout(0.5)
  logits = dense(x, 4, name = "head")
  output probs = softmax(logits)
  loss cross_entropy(logits, label)
  metric accuracy(logits, label)
  train adam(lr = 0.01)
}
)";

/// Nothing that depends on the other samples of a batch, and nothing random.
inline const char *const kPerSample = R"(model per_sample(batch = 5) {
  input image : f32[batch, 7, 6, 2] with gradient
  target label : i32[batch]
  x = conv2d(image, 4, kernel = 3) |> gelu |> max_pool2d(2) |> flatten
  x = layer_norm(x) |> dense(9) |> silu
  logits = dense(x, 4)
  output probs = softmax(logits)
  loss cross_entropy(logits, label)
  metric accuracy(logits, label)
  train sgd(lr = 0.1, momentum = 0.9)
}
)";

/// Large enough for Winograd's transforms, for parallel loops and for chains.
inline const char *const kConvolved = R"(model convolved(batch = 9) {
  input image : f32[batch, 10, 12, 32] with gradient
  target label : i32[batch]
  x = conv2d(image, 32, kernel = 3, padding = same) |> relu
  logits = global_avg_pool2d(x) |> dense(4)
  output probs = softmax(logits)
  loss cross_entropy(logits, label)
  metric accuracy(logits, label)
  train sgd(lr = 0.1, momentum = 0.9)
}
)";

/// Compiled once for all tests of this program.
inline Code shared(const char *text, const Variant &variant = {}) {
  static std::map<std::pair<std::string, std::string>, Code> all;
  Code &code = all[{text, variant.name()}];
  if (!code)
    code = compile(text, variant);
  return code;
}

struct CountingPool {
  fm_pool *pool;
  std::atomic<int> loops{0};
  static int run(void *self, fm_task task, void *context, int32_t begin,
                 int32_t count, uint8_t *closure) {
    auto *counting = static_cast<CountingPool *>(self);
    ++counting->loops;
    return fm_pool_run(counting->pool, task, context, begin, count, closure);
  }
};

/// Sets `image` and `label` for step number `step`.
inline void setBatch(Network &network, uint64_t step) {
  for (const auto &entry : network.program().entries)
    for (const auto &argument : entry.arguments) {
      size_t count = 1;
      for (const auto &extent : argument.shape)
        count *= size_t(extent.size);
      if (argument.name == "image")
        network.set("image", someNumbers(count, 100 + step));
      if (argument.name == "label")
        network.set("label", someIndices(count, 4, 200 + step));
    }
}

inline void trainSteps(Network &network, int first, int last, int64_t n) {
  for (int step = first; step < last; ++step) {
    setBatch(network, uint64_t(step));
    network.call("train_step", n);
  }
}

/// A host may run tasks in any order, and all at once. In order, the first task
/// takes all samples of a chain; backwards the last one does, in its memory.
inline int backwards(void *, fm_task task, void *context, int32_t begin,
                     int32_t count, uint8_t *closure) {
  int failed = 0;
  for (int32_t i = count; i-- > 0;)
    failed |= task(context, begin + i, closure);
  return failed;
}
inline int allAtOnce(void *, fm_task task, void *context, int32_t begin,
                     int32_t count, uint8_t *closure) {
  std::atomic<int> failed{0};
  std::vector<std::thread> threads;
  for (int32_t i = 0; i < count; ++i)
    threads.emplace_back(
        [&, i] { failed |= task(context, begin + i, closure); });
  for (std::thread &thread : threads)
    thread.join();
  return failed;
}

/// A step for each of `counts` samples leaves the same bits on all such hosts.
inline void expectEqualInAnyOrder(const Code &code,
                                  const std::vector<int64_t> &counts) {
  std::string expected;
  for (fm_parallel_for_function run :
       {fm_parallel_for_function(nullptr), fm_parallel_for_function(backwards),
        fm_parallel_for_function(allAtOnce)}) {
    Network network(code);
    if (run)
      ASSERT_EQ(fm_set_parallel_for(network.instance(), run, nullptr), FM_OK);
    for (size_t step = 0; step < counts.size(); ++step)
      trainSteps(network, int(step), int(step) + 1, counts[step]);
    if (!run)
      expected = network.state();
    EXPECT_TRUE(network.state() == expected);
  }
}

inline std::vector<std::string> trainedNames(const Network &network) {
  std::vector<std::string> names;
  for (const auto &tensor : network.program().tensors)
    if (tensor.kind == codegen::TensorKind::Parameter && tensor.trained)
      names.push_back(tensor.name);
  return names;
}

} // namespace fm::test

#endif // FM_TESTS_E2E_MODELS_H
