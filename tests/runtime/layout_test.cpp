//===- layout_test.cpp - Walks over layouts, against the definition -------===//
//
// The runtime visits memory in runs; here each element's place is computed from
// the definition in fm/runtime.h, one element at a time, for random layouts.
//
//===----------------------------------------------------------------------===//
#include "internal.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>
#include <random>
#include <vector>

namespace {

struct RandomTensor {
  std::vector<int64_t> shape;
  std::vector<fm_physical_dim> physical;
  fm_tensor tensor = {};
  int64_t elements = 1, places = 1;

  /// Splits some dimensions into blocks, shuffles the parts, and pads.
  explicit RandomTensor(std::mt19937 &random, fm_dtype dtype) {
    auto pick = [&](int least, int most) {
      return std::uniform_int_distribution<int>(least, most)(random);
    };
    int rank = pick(0, 4);
    for (int i = 0; i < rank; ++i) {
      shape.push_back(pick(0, 9) == 0 ? 1 : pick(1, 9));
      elements *= shape.back();
      int32_t logical = i;
      int64_t inner = pick(2, 4), middle = pick(2, 3);
      switch (pick(0, 3)) {
      case 0: // blocks of `inner`
        physical.push_back(
            {logical, 0, inner, 0, (shape[i] - 1) / inner + 1, 0});
        physical.push_back({logical, 0, 1, inner, inner, 0});
        break;
      case 1: // blocks of blocks
        physical.push_back({logical, 0, inner * middle, 0,
                            (shape[i] - 1) / (inner * middle) + 1, 0});
        physical.push_back({logical, 0, inner, middle, middle, 0});
        physical.push_back({logical, 0, 1, inner, inner, 0});
        break;
      default:
        physical.push_back({logical, 0, 1, 0, shape[i], 0});
      }
    }
    std::shuffle(physical.begin(), physical.end(), random);
    for (size_t i = physical.size(); i-- > 0;) {
      physical[i].stride = places;
      places *= physical[i].extent + (pick(0, 4) == 0);
    }
    tensor.name = "random";
    tensor.dtype = dtype;
    tensor.rank = rank;
    tensor.shape = shape.data();
    tensor.bytes = places * fmrt_dtype_size(dtype);
    tensor.physical_rank = static_cast<int32_t>(physical.size());
    tensor.physical = physical.data();
  }

  int64_t place(int64_t element) const {
    std::vector<int64_t> index(shape.size());
    for (size_t i = shape.size(); i-- > 0; element /= shape[i])
      index[i] = element % shape[i];
    int64_t sum = 0;
    for (const fm_physical_dim &dim : physical) {
      int64_t part = index[dim.logical] / dim.divisor;
      sum += (dim.modulus ? part % dim.modulus : part) * dim.stride;
    }
    return sum;
  }
};

template <typename T> void compareRandomLayouts(fm_dtype dtype) {
  std::mt19937 random(7);
  for (int round = 0; round < 400; ++round) {
    RandomTensor made(random, dtype);
    ASSERT_EQ(fmrt_check_tensor(&made.tensor, made.tensor.bytes), nullptr);
    std::vector<T> rows(made.elements), back(made.elements);
    std::iota(rows.begin(), rows.end(), T(1));
    std::vector<T> stored(made.places, T(77)), expected(made.places, T(0));
    for (int64_t i = 0; i < made.elements; ++i)
      expected[made.place(i)] = rows[i];

    auto bytes = [](std::vector<T> &values) {
      return reinterpret_cast<unsigned char *>(values.data());
    };
    fmrt_scatter(&made.tensor, bytes(stored), bytes(rows));
    ASSERT_EQ(stored, expected);
    fmrt_gather(&made.tensor, bytes(stored), 0, made.elements, bytes(back));
    ASSERT_EQ(back, rows);
    // Piece by piece, as a file is written.
    std::fill(back.begin(), back.end(), T(0));
    for (int64_t from = 0, count; from < made.elements; from += count) {
      count = std::min<int64_t>(made.elements - from, 1 + round % 7);
      fmrt_gather(&made.tensor, bytes(stored), from, count,
                  bytes(back) + from * sizeof(T));
    }
    ASSERT_EQ(back, rows);
  }
}

TEST(Layout, RandomLayoutsOfFourBytes) {
  compareRandomLayouts<int32_t>(FM_I32);
}
TEST(Layout, RandomLayoutsOfEightBytes) {
  compareRandomLayouts<int64_t>(FM_I64);
}
TEST(Layout, RandomLayoutsOfOneByte) { compareRandomLayouts<uint8_t>(FM_BOOL); }

TEST(Layout, RowMajorIsOneRunForEachRow) {
  const int64_t shape[] = {2, 5};
  const fm_physical_dim physical[] = {{0, 0, 1, 0, 2, 5}, {1, 0, 1, 0, 5, 1}};
  fm_tensor tensor = {};
  tensor.dtype = FM_F32;
  tensor.rank = tensor.physical_rank = 2;
  tensor.shape = shape;
  tensor.physical = physical;
  fmrt_walk walk;
  fmrt_run run;
  fmrt_walk_begin(&walk, &tensor, 0);
  ASSERT_TRUE(fmrt_walk_next(&walk, &run));
  EXPECT_EQ(run.count, 5);
  EXPECT_EQ(run.step, 1);
  ASSERT_TRUE(fmrt_walk_next(&walk, &run));
  EXPECT_EQ(run.logical, 5);
  EXPECT_EQ(run.physical, 5);
  EXPECT_FALSE(fmrt_walk_next(&walk, &run));
}

} // namespace
