//===- init_test.cpp - Initial weights ------------------------------------===//
//
// The generator against the published vectors of its authors, the first weights
// against an independent computation (Python's math module, from the formulas
// in init.c), independence of layout and order, and the statistics of every
// distribution against bounds that hold for the fixed seeds by far.
//
//===----------------------------------------------------------------------===//
#include "internal.h"
#include "toy_model.h"

#include <gtest/gtest.h>

#include <cmath>

using namespace toy;

namespace {

// kat_vectors of Random123, the authors' library.
TEST(Philox, KnownAnswers) {
  struct {
    uint32_t counter[4], key[2], expected[4];
  } vectors[] = {
      {{0, 0, 0, 0}, {0, 0}, {0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}},
      {{0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff},
       {0xffffffff, 0xffffffff},
       {0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}},
      {{0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344},
       {0xa4093822, 0x299f31d0},
       {0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}},
  };
  for (auto &vector : vectors) {
    uint32_t out[4];
    fmrt_philox(vector.counter, vector.key, out);
    for (int i = 0; i < 4; ++i)
      EXPECT_EQ(out[i], vector.expected[i]);
  }
}

// From the table of test vectors in draft-eastlake-fnv.
TEST(NameHash, KnownAnswers) {
  EXPECT_EQ(fmrt_name_hash(""), 0xcbf29ce484222325u);
  EXPECT_EQ(fmrt_name_hash("a"), 0xaf63dc4c8601ec8cu);
  EXPECT_EQ(fmrt_name_hash("foobar"), 0x85944171f73967e8u);
}

const uint64_t seed = 0xDEADBEEF12345678u;

TEST(Init, FirstWeights) {
  Model toy;
  Bound bound(toy.model);
  ASSERT_EQ(fm_init(*bound, seed), FM_OK);
  EXPECT_EQ(bound.get<float>("dense.kernel", 6),
            (std::vector<float>{-0.187945202f, 0.164619178f, -1.06611764f,
                                0.0886956304f, -0.131687045f, -0.717832267f}));
  EXPECT_EQ(bound.get<float>("conv.kernel", 6),
            (std::vector<float>{-0.296979547f, 1.61425555f, -1.06851184f,
                                1.38815582f, -0.825344801f, 1.27908456f}));
  const double bias[] = {-0.6524905200253992, 1.2415904410822782,
                         -0.15013320079219117};
  std::vector<double> made = bound.get<double>("frozen.bias", 3);
  for (int i = 0; i < 3; ++i)
    EXPECT_NEAR(made[i], bias[i], 1e-14);
}

TEST(Init, EverythingElseIsConstant) {
  Model toy;
  toy.tensor("step").init_a = 9; // whatever the table says
  Bound bound(toy.model);
  ASSERT_EQ(fm_init(*bound, seed), FM_OK);
  EXPECT_EQ(bound.get<float>("dense.kernel/adam.m", 6),
            std::vector<float>(6, 0));
  EXPECT_EQ(bound.get<uint8_t>("flags", 5), std::vector<uint8_t>(5, 1));
  EXPECT_EQ(bound.get<int32_t>("counts", 4), std::vector<int32_t>(4, 7));
  EXPECT_EQ(bound.get<int8_t>("bytes", 3), std::vector<int8_t>(3, -3));
  EXPECT_EQ(fm_get_learning_rate(*bound), 0.125);
  EXPECT_EQ(fm_get_step(*bound), 0);
  EXPECT_EQ(bound.get<uint64_t>("seed", 1), std::vector<uint64_t>{seed});
  // The padding of conv.kernel {o / 2, i, o % 2}.
  std::vector<float> stored = bound.stored<float>(toy.tensor("conv.kernel"));
  EXPECT_EQ(stored[5], 0);
  EXPECT_EQ(stored[7], 0);
  // Nothing beyond the persistent part is touched.
  EXPECT_EQ(bound.state().substr(640), std::string(256, '\xAA'));
}

TEST(Init, DependsOnNeitherLayoutNorOrder) {
  Model blocked(Layout::Blocked), plain(Layout::Plain);
  Bound one(blocked.model), other(plain.model);
  ASSERT_EQ(fm_init(*one, 42), FM_OK);
  ASSERT_EQ(fm_init(*other, 42), FM_OK);
  for (const char *name : {"dense.kernel", "conv.kernel"})
    EXPECT_EQ(one.get<float>(name, 6), other.get<float>(name, 6));
  EXPECT_EQ(one.get<double>("frozen.bias", 3),
            other.get<double>("frozen.bias", 3));
  // ... but on the seed, all 64 bits of it.
  std::vector<float> weights = one.get<float>("dense.kernel", 6);
  ASSERT_EQ(fm_init(*one, 42 + (uint64_t(1) << 32)), FM_OK);
  EXPECT_NE(one.get<float>("dense.kernel", 6), weights);
  ASSERT_EQ(fm_init(*one, 42), FM_OK);
  EXPECT_EQ(one.get<float>("dense.kernel", 6), weights);
}

TEST(Init, RefusesUnknownInitializers) {
  Model toy;
  toy.tensor("conv.kernel").initializer = 77;
  Bound bound(toy.model);
  std::string before = bound.state();
  EXPECT_EQ(fm_init(*bound, 1), FM_ERROR_INTERNAL);
  EXPECT_EQ(bound.message(),
            "init: 'conv.kernel': its initializer is unknown to this runtime; "
            "compile with the fmc this runtime came with");
  toy.tensor("conv.kernel").initializer = FM_INIT_CONSTANT;
  toy.tensor("counts").initializer = FM_INIT_NORMAL;
  EXPECT_EQ(fm_init(*bound, 1), FM_ERROR_INTERNAL);
  EXPECT_EQ(bound.state(), before);
}

/// One large tensor.
template <typename T> class Large {
public:
  static constexpr int64_t count = 400000;

  Large(fm_initializer initializer, double a, double b, int64_t fanIn = 0,
        int64_t fanOut = 0) {
    tensor.name = "w";
    tensor.dtype = sizeof(T) == 4 ? FM_F32 : FM_F64;
    tensor.rank = tensor.physical_rank = 1;
    tensor.shape = &count;
    tensor.physical = &dim;
    tensor.bytes = count * sizeof(T);
    tensor.initializer = initializer;
    tensor.init_a = a;
    tensor.init_b = b;
    tensor.fan_in = fanIn;
    tensor.fan_out = fanOut;
    model.abi_version = FM_ABI_VERSION;
    model.batch = 1;
    model.name = "large";
    model.memory_bytes = model.persistent_bytes = tensor.bytes;
    model.tensor_count = 1;
    model.tensors = &tensor;
    model.learning_rate = model.step = model.seed = model.draws = -1;
    Bound bound(model);
    EXPECT_EQ(bound.status, FM_OK) << bound.message();
    EXPECT_EQ(fm_init(*bound, 2024), FM_OK);
    values = bound.stored<T>(tensor);
    for (T value : values) {
      mean += value / count;
      least = std::min<double>(least, value);
      most = std::max<double>(most, value);
    }
    for (size_t i = 0; i < values.size(); ++i) {
      double centred = values[i] - mean;
      deviation += centred * centred / count;
      fourth += centred * centred * centred * centred / count;
      if (i)
        neighbours += centred * (values[i - 1] - mean) / count;
    }
    neighbours /= deviation;
    fourth /= deviation * deviation;
    deviation = std::sqrt(deviation);
  }

  fm_physical_dim dim = {0, 0, 1, 0, count, 1};
  fm_tensor tensor = {};
  fm_model model = {};
  std::vector<T> values;
  double mean = 0, deviation = 0, fourth = 0, neighbours = 0;
  double least = INFINITY, most = -INFINITY;
};
template <typename T> constexpr int64_t Large<T>::count;

TEST(Init, NormalStatistics) {
  // Standard errors at 400,000: mean 0.0016 sigma, deviation 0.0011 sigma,
  // kurtosis 0.0077, correlation 0.0016.
  Large<float> normal(FM_INIT_NORMAL, 3, 2);
  EXPECT_NEAR(normal.mean, 3, 0.013);
  EXPECT_NEAR(normal.deviation, 2, 0.009);
  EXPECT_NEAR(normal.fourth, 3, 0.032);
  EXPECT_NEAR(normal.neighbours, 0, 0.0065);
  EXPECT_GT(normal.most, 3 + 4 * 2);
  EXPECT_LT(normal.least, 3 - 4 * 2);
  // One in three lies outside one sigma, one in 22 outside two.
  int beyondOne = 0, beyondTwo = 0;
  for (float value : normal.values) {
    beyondOne += std::abs(value - 3) > 2;
    beyondTwo += std::abs(value - 3) > 4;
  }
  EXPECT_NEAR(beyondOne / 400000.0, 0.317311, 0.003);
  EXPECT_NEAR(beyondTwo / 400000.0, 0.045500, 0.0014);
}

TEST(Init, UniformStatistics) {
  Large<float> uniform(FM_INIT_UNIFORM, -1, 3);
  EXPECT_NEAR(uniform.mean, 1, 0.0075);
  EXPECT_NEAR(uniform.deviation, 4 / std::sqrt(12), 0.0035);
  EXPECT_NEAR(uniform.fourth, 1.8, 0.01);
  EXPECT_NEAR(uniform.neighbours, 0, 0.0065);
  EXPECT_GE(uniform.least, -1);
  EXPECT_LT(uniform.least, -0.9999);
  EXPECT_LT(uniform.most, 3);
  EXPECT_GT(uniform.most, 2.9999);
  int counts[16] = {};
  for (float value : uniform.values)
    ++counts[static_cast<int>((value + 1) * 4)];
  for (int count : counts)
    EXPECT_NEAR(count, 25000, 620);
}

TEST(Init, UniformStaysBelowItsEnd) {
  // Between 16777216 and 16777218 there is no other f32.
  Large<float> narrow(FM_INIT_UNIFORM, 16777216, 16777218);
  EXPECT_EQ(narrow.least, 16777216);
  EXPECT_EQ(narrow.most, 16777216);
  Large<float> point(FM_INIT_UNIFORM, 2, 2);
  EXPECT_EQ(point.least, 2);
  EXPECT_EQ(point.most, 2);
}

TEST(Init, GlorotAndHeScale) {
  // fan_in 200, fan_out 100: sqrt(6/300), sqrt(2/300), sqrt(6/200),
  // sqrt(2/200).
  Large<float> glorotUniform(FM_INIT_GLOROT_UNIFORM, 0, 0, 200, 100);
  EXPECT_NEAR(glorotUniform.most, 0.141421, 1e-5);
  EXPECT_NEAR(glorotUniform.least, -0.141421, 1e-5);
  EXPECT_NEAR(glorotUniform.deviation, 0.0816497, 0.0003);
  Large<float> glorotNormal(FM_INIT_GLOROT_NORMAL, 0, 0, 200, 100);
  EXPECT_NEAR(glorotNormal.deviation, 0.0816497, 0.0004);
  Large<float> heUniform(FM_INIT_HE_UNIFORM, 0, 0, 200, 100);
  EXPECT_NEAR(heUniform.most, 0.173205, 1e-5);
  Large<float> heNormal(FM_INIT_HE_NORMAL, 0, 0, 200, 100);
  EXPECT_NEAR(heNormal.deviation, 0.1, 0.0005);
  EXPECT_NEAR(heNormal.mean, 0, 0.0007);
}

TEST(Init, DoubleAndFloatStartAlike) {
  Large<float> single(FM_INIT_NORMAL, 0, 1);
  Large<double> wide(FM_INIT_NORMAL, 0, 1);
  for (size_t i = 0; i < single.values.size(); ++i)
    ASSERT_EQ(single.values[i], static_cast<float>(wide.values[i]));
}

// The runtime's own logarithm, sine and cosine against libm's.
TEST(Init, NormalsAgreeWithLibm) {
  Large<double> wide(FM_INIT_NORMAL, 0, 1);
  const uint64_t hash = fmrt_name_hash("w");
  const uint32_t key[2] = {2024, 0};
  for (uint32_t block = 0; block < 100000; ++block) {
    const uint32_t counter[4] = {block, 0, static_cast<uint32_t>(hash),
                                 static_cast<uint32_t>(hash >> 32)};
    uint32_t word[4];
    fmrt_philox(counter, key, word);
    for (int i = 0; i < 4; i += 2) {
      double radius = std::sqrt(-2 * std::log((word[i] + 1.0) / 4294967296.0));
      double angle = 2 * std::acos(-1.0) * word[i + 1] / 4294967296.0;
      ASSERT_NEAR(wide.values[block * 4 + i], radius * std::cos(angle), 5e-15);
      ASSERT_NEAR(wide.values[block * 4 + i + 1], radius * std::sin(angle),
                  5e-15);
    }
  }
}

} // namespace
