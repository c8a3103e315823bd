//===- instance_test.cpp - Binding, scalars, tensors by name --------------===//
//
// fm_bind and what it refuses, the learning rate, step and seed, and tensors
// and gradients by name through transposed, blocked and padded layouts.
//
//===----------------------------------------------------------------------===//
#include "toy_model.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

using namespace toy;

namespace {

TEST(Status, EveryCodeHasAName) {
  const char *names[] = {"ok", "argument", "samples",  "label",   "memory",
                         "io", "format",   "mismatch", "internal"};
  for (int i = 0; i < 9; ++i)
    EXPECT_STREQ(fm_status_name(static_cast<fm_status>(i)), names[i]);
  EXPECT_STREQ(fm_status_name(static_cast<fm_status>(99)), "unknown");
  EXPECT_STREQ(fm_message(nullptr), "no instance: null pointer");
}

TEST(Bind, TakesAlignedMemoryOfTheRightSize) {
  Model toy;
  Bound bound(toy.model);
  EXPECT_EQ(bound.status, FM_OK);
  EXPECT_EQ(bound.message(), "");
  // The weights are left alone.
  EXPECT_EQ(bound.state(), std::string(bound.bytes, '\xAA'));
}

TEST(Bind, RefusesWhatCannotWork) {
  Model toy;
  Bound bound(toy.model);
  fm_instance *instance = *bound;
  unsigned char *memory = bound.memory.get();

  EXPECT_EQ(fm_bind(nullptr, &toy.model, memory, bound.bytes),
            FM_ERROR_ARGUMENT);
  EXPECT_EQ(fm_bind(instance, nullptr, memory, bound.bytes), FM_ERROR_ARGUMENT);
  EXPECT_EQ(bound.message(),
            "bind: the model is a null pointer; pass the one of the object");
  EXPECT_EQ(fm_bind(instance, &toy.model, nullptr, bound.bytes),
            FM_ERROR_ARGUMENT);
  EXPECT_EQ(bound.message(),
            "bind: the memory is a null pointer, expected 896 bytes");
  EXPECT_EQ(fm_bind(instance, &toy.model, memory, 895), FM_ERROR_MEMORY);
  EXPECT_EQ(bound.message(), "bind: 895 bytes of memory, expected at least "
                             "896; the generated header has the size");
  EXPECT_EQ(fm_bind(instance, &toy.model, memory + 16, bound.bytes),
            FM_ERROR_MEMORY);
  EXPECT_EQ(bound.message(),
            "bind: the memory lies 16 bytes beyond a multiple of 64, expected "
            "0; take it from aligned_alloc or posix_memalign");
  toy.model.abi_version = 7;
  EXPECT_EQ(fm_bind(instance, &toy.model, memory, bound.bytes),
            FM_ERROR_MISMATCH);
  EXPECT_EQ(bound.message(),
            "bind: the object was compiled for runtime ABI 7, this runtime has "
            "2; compile the model with the fmc that this runtime came with");

  // After a failure the instance is unbound, and says so.
  float data[6];
  EXPECT_EQ(fm_get_tensor(instance, "dense.kernel", data, sizeof data),
            FM_ERROR_ARGUMENT);
  EXPECT_EQ(bound.message(),
            "the instance is not bound to memory: call fm_bind first");
  EXPECT_EQ(fm_init(instance, 1), FM_ERROR_ARGUMENT);
  EXPECT_EQ(fm_save(instance, "/tmp/never"), FM_ERROR_ARGUMENT);
  EXPECT_EQ(fm_load(instance, "/tmp/never"), FM_ERROR_ARGUMENT);
  EXPECT_EQ(fm_set_step(instance, 1), FM_ERROR_ARGUMENT);
  EXPECT_EQ(fm_set_parallel_for(instance, nullptr, nullptr), FM_ERROR_ARGUMENT);
  EXPECT_EQ(fm_get_step(instance), -1);
  EXPECT_TRUE(std::isnan(fm_get_learning_rate(instance)));
  EXPECT_EQ(fm_init(nullptr, 1), FM_ERROR_ARGUMENT);
}

/// Binds after `damage` to the tables: the status must be "internal".
template <typename Damage> std::string bindDamaged(Damage damage) {
  Model toy;
  damage(toy);
  Bound bound(toy.model);
  EXPECT_EQ(bound.status, FM_ERROR_INTERNAL);
  return bound.message();
}

TEST(Bind, FindsTablesThatContradictThemselves) {
  EXPECT_EQ(bindDamaged([](Model &toy) { toy.tensor("flags").dtype = 42; }),
            "tensor 4 in the model's description: its dtype is unknown; the "
            "object is damaged, or fmc has a defect");
  EXPECT_EQ(bindDamaged([](Model &toy) { toy.tensor("flags").bytes = 4; }),
            "tensor 4 in the model's description: its bytes are fewer than its "
            "shape needs; the object is damaged, or fmc has a defect");
  EXPECT_EQ(bindDamaged([](Model &toy) { toy.tensor("seed").offset = 640; }),
            "tensor 10 in the model's description: it lies outside the "
            "persistent memory, or not aligned; the object is damaged, or fmc "
            "has a defect");
  EXPECT_EQ(bindDamaged([](Model &toy) { toy.tensor("seed").offset = 4; }),
            "tensor 10 in the model's description: it lies outside the "
            "persistent memory, or not aligned; the object is damaged, or fmc "
            "has a defect");
  EXPECT_EQ(
      bindDamaged([](Model &toy) { toy.tensor("conv.kernel").bytes = 24; }),
      "tensor 1 in the model's description: its layout reaches beyond its "
      "bytes; the object is damaged, or fmc has a defect");
  EXPECT_EQ(bindDamaged([](Model &toy) {
              static const int64_t huge[] = {int64_t(1) << 40, int64_t(1)
                                                                   << 40};
              toy.tensor("counts").shape = huge;
            }),
            "tensor 5 in the model's description: its shape is out of range; "
            "the object is damaged, or fmc has a defect");
  EXPECT_EQ(bindDamaged([](Model &toy) {
              static const fm_physical_dim wrong[] = {{0, 0, 0, 0, 5, 1}};
              toy.tensor("flags").physical = wrong;
            }),
            "tensor 4 in the model's description: a physical dimension of it "
            "is out of range; the object is damaged, or fmc has a defect");
  EXPECT_EQ(bindDamaged([](Model &toy) {
              static const fm_physical_dim small[] = {{0, 0, 1, 0, 4, 1}};
              toy.tensor("flags").physical = small;
            }),
            "tensor 4 in the model's description: a physical dimension of it "
            "is smaller than its indices; the object is damaged, or fmc has a "
            "defect");
  EXPECT_EQ(bindDamaged([](Model &toy) { toy.model.step = 8; }),
            "learning rate, step or seed in the model's description: it is not "
            "i64; the object is damaged, or fmc has a defect");
  EXPECT_EQ(bindDamaged([](Model &toy) { toy.model.learning_rate = 99; }),
            "learning rate, step or seed in the model's description: there is "
            "no such tensor; the object is damaged, or fmc has a defect");
  bindDamaged([](Model &toy) { toy.model.parameter_bytes = 1 << 20; });
  bindDamaged([](Model &toy) { toy.model.batch = 0; });
  bindDamaged([](Model &toy) { toy.tensor("step").rank = 17; });
  bindDamaged([](Model &toy) { toy.tensor("step").name = nullptr; });
}

TEST(Scalars, AreState) {
  Model toy;
  Bound bound(toy.model);
  EXPECT_EQ(fm_set_learning_rate(*bound, 0.25), FM_OK);
  EXPECT_EQ(fm_get_learning_rate(*bound), 0.25);
  EXPECT_EQ(bound.get<float>("learning_rate", 1), std::vector<float>{0.25f});
  EXPECT_EQ(fm_set_step(*bound, 41), FM_OK);
  EXPECT_EQ(fm_get_step(*bound), 41);
  EXPECT_EQ(fm_set_seed(*bound, 0xFFFFFFFFFFFFFFFFu), FM_OK);
  EXPECT_EQ(bound.get<int64_t>("seed", 1), std::vector<int64_t>{-1});
}

TEST(Scalars, RefuseWhatMakesNoSense) {
  Model toy;
  Bound bound(toy.model);
  ASSERT_EQ(fm_set_learning_rate(*bound, 0.5), FM_OK);
  ASSERT_EQ(fm_set_step(*bound, 3), FM_OK);
  std::string before = bound.state();
  const double wrong[] = {-1, NAN, INFINITY, 1e300};
  for (double rate : wrong)
    EXPECT_EQ(fm_set_learning_rate(*bound, rate), FM_ERROR_ARGUMENT) << rate;
  EXPECT_EQ(bound.message(), "learning rate 1e+300, expected a finite number "
                             "of at least 0 in f32");
  EXPECT_EQ(fm_set_step(*bound, -1), FM_ERROR_ARGUMENT);
  EXPECT_EQ(bound.message(), "step -1, expected at least 0");
  EXPECT_EQ(bound.state(), before);

  Model bare;
  bare.model.learning_rate = bare.model.step = bare.model.seed = -1;
  Bound other(bare.model);
  EXPECT_EQ(fm_set_learning_rate(*other, 1), FM_ERROR_ARGUMENT);
  EXPECT_EQ(other.message(),
            "model toy has no learning rate; the .fm text says nothing that "
            "needs one, e.g. 'train adam(lr = 1e-3)'");
  EXPECT_EQ(fm_set_step(*other, 1), FM_ERROR_ARGUMENT);
  EXPECT_EQ(fm_set_seed(*other, 1), FM_ERROR_ARGUMENT);
  EXPECT_TRUE(std::isnan(fm_get_learning_rate(*other)));
  EXPECT_EQ(fm_get_step(*other), -1);
}

TEST(Tensors, ConvertToTheirLayout) {
  Model toy;
  Bound bound(toy.model);
  const std::vector<float> six = {1, 2, 3, 4, 5, 6};
  ASSERT_EQ(bound.set("dense.kernel", six), FM_OK);
  ASSERT_EQ(bound.set("conv.kernel", six), FM_OK);
  // Transposed; blocks of two rows, the missing fourth row zero.
  EXPECT_EQ(bound.stored<float>(toy.tensor("dense.kernel")),
            (std::vector<float>{1, 4, 2, 5, 3, 6}));
  EXPECT_EQ(bound.stored<float>(toy.tensor("conv.kernel")),
            (std::vector<float>{1, 3, 2, 4, 5, 0, 6, 0}));
  EXPECT_EQ(bound.get<float>("dense.kernel", 6), six);
  EXPECT_EQ(bound.get<float>("conv.kernel", 6), six);

  ASSERT_EQ(bound.set<int8_t>("bytes", {-128, 0, 127}), FM_OK);
  EXPECT_EQ(bound.get<int8_t>("bytes", 3), (std::vector<int8_t>{-128, 0, 127}));
  ASSERT_EQ(bound.set<double>("frozen.bias", {0.1, 0.2, 0.3}), FM_OK);
  EXPECT_EQ(bound.get<double>("frozen.bias", 3),
            (std::vector<double>{0.1, 0.2, 0.3}));
  float nothing = 0;
  EXPECT_EQ(fm_set_tensor(*bound, "empty", &nothing, 0), FM_OK);
  EXPECT_EQ(fm_get_tensor(*bound, "empty", &nothing, 0), FM_OK);
}

TEST(Tensors, FailuresNameTheWayOut) {
  Model toy;
  Bound bound(toy.model);
  std::string before = bound.state();
  float data[6] = {};
  EXPECT_EQ(fm_set_tensor(*bound, "dense.kernal", data, sizeof data),
            FM_ERROR_ARGUMENT);
  EXPECT_EQ(bound.message(), "set tensor: no tensor 'dense.kernal'; did you "
                             "mean 'dense.kernel'?");
  EXPECT_EQ(fm_get_tensor(*bound, "head.weights", data, sizeof data),
            FM_ERROR_ARGUMENT);
  EXPECT_EQ(bound.message(), "get tensor: no tensor 'head.weights' among the "
                             "11 of model toy; 'fmc show' lists their names");
  EXPECT_EQ(fm_set_tensor(*bound, "conv.kernel", data, 32), FM_ERROR_ARGUMENT);
  EXPECT_EQ(bound.message(), "set tensor: 'conv.kernel': a buffer of 32 bytes, "
                             "expected 24 for F32 [3, 2]");
  EXPECT_EQ(fm_set_tensor(*bound, "conv.kernel", nullptr, 24),
            FM_ERROR_ARGUMENT);
  EXPECT_EQ(bound.message(), "set tensor: the buffer is a null pointer");
  EXPECT_EQ(fm_get_tensor(*bound, nullptr, data, 24), FM_ERROR_ARGUMENT);
  EXPECT_EQ(bound.message(), "get tensor: the name is a null pointer");
  EXPECT_EQ(bound.state(), before);
}

TEST(Tensors, MessagesStayReadable) {
  Model toy;
  Bound bound(toy.model);
  float data[6];
  // A name that is long, and one that a terminal should not see.
  std::string name(5000, 'x');
  fm_get_tensor(*bound, name.c_str(), data, sizeof data);
  EXPECT_EQ(bound.message(), "get tensor: no tensor '" + std::string(68, 'x') +
                                 "...' among the 11 of model toy; 'fmc show' "
                                 "lists their names");
  fm_get_tensor(*bound, "\x1B[2J\xC3\xA4\xFF\n", data, sizeof data);
  EXPECT_EQ(bound.message(), "get tensor: no tensor '?[2J\xC3\xA4?"
                             "?' among the "
                             "11 of model toy; 'fmc show' lists their names");
  // Cut between characters, never inside one.
  std::string wide;
  for (int i = 0; i < 40; ++i)
    wide += "\xE2\x82\xAC";
  fm_get_tensor(*bound, wide.c_str(), data, sizeof data);
  EXPECT_EQ(bound.message(), "get tensor: no tensor '" + wide.substr(0, 66) +
                                 "...' among the 11 of model toy; 'fmc show' "
                                 "lists their names");
}

TEST(Gradients, HaveTheLayoutOfTheirParameter) {
  Model toy;
  Bound bound(toy.model);
  std::vector<float> grads(32, 9), six = {1, 2, 3, 4, 5, 6}, out(6);
  ASSERT_EQ(toy.model.parameter_bytes, 128);
  ASSERT_EQ(
      fm_set_gradient(*bound, grads.data(), "conv.kernel", six.data(), 24),
      FM_OK);
  EXPECT_EQ(std::vector<float>(grads.begin() + 16, grads.begin() + 24),
            (std::vector<float>{1, 3, 2, 4, 5, 0, 6, 0}));
  EXPECT_EQ(grads[15], 9);
  EXPECT_EQ(grads[24], 9);
  ASSERT_EQ(
      fm_get_gradient(*bound, grads.data(), "conv.kernel", out.data(), 24),
      FM_OK);
  EXPECT_EQ(out, six);

  double bias[3];
  EXPECT_EQ(fm_get_gradient(*bound, grads.data(), "frozen.bias", bias, 24),
            FM_ERROR_ARGUMENT);
  EXPECT_EQ(bound.message(),
            "get gradient: 'frozen.bias' is a frozen "
            "parameter; only trained parameters have gradients");
  EXPECT_EQ(fm_get_gradient(*bound, grads.data(), "dense.kernel/adam.m",
                            out.data(), 24),
            FM_ERROR_ARGUMENT);
  EXPECT_EQ(fm_set_gradient(*bound, nullptr, "conv.kernel", six.data(), 24),
            FM_ERROR_ARGUMENT);
  EXPECT_EQ(bound.message(), "set gradient: the buffer of gradients is a null "
                             "pointer, expected 128 bytes");
}

} // namespace
