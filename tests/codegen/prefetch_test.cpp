//===- prefetch_test.cpp - Which lines a kernel prefetches ----------------===//
#include "compiler/codegen/HalidePrefetch.h"
#include "compiler/codegen/Prefetch.h"

#include "gtest/gtest.h"

namespace {

using namespace Halide;
using namespace Halide::Internal;

/// What is prefetched in the loop over a row's lines.
class Prefetched : public IRMutator {
public:
  /// In elements, from the first one.
  std::vector<int64_t> offsets() const {
    std::vector<int64_t> offsets;
    for (const Expr &line : lines)
      offsets.push_back(*as_const_int(simplify(line - lines[0])));
    return offsets;
  }

protected:
  using IRMutator::visit;
  Stmt visit(const For *op) override {
    if (!starts_with(op->name, "prefetch_split_"))
      return IRMutator::visit(op);
    for (int64_t i = 0; i < *as_const_int(op->extent); ++i)
      mutate(substitute(op->name, static_cast<int>(i),
                        substitute_in_all_lets(op->body)));
    return op;
  }
  Expr visit(const Call *op) override {
    if (op->is_intrinsic(Call::prefetch))
      lines.push_back(op->args[1]);
    return op;
  }

private:
  std::vector<Expr> lines;
};

/// Rows of 80 elements of type T, a row in each iteration.
template <typename T> std::vector<int64_t> prefetchedInARow() {
  ImageParam in(type_of<T>(), 2);
  in.dim(0).set_bounds(0, 80);
  in.dim(1).set_stride(80);
  Var x, y;
  Func out;
  out(x, y) = in(x, y);
  out.bound(x, 0, 80);
  out.prefetch(in, y, y, 0, PrefetchBoundStrategy::NonFaulting);
  Pipeline pipeline(out);
  auto *prefetched = new Prefetched; // the pipeline's from here on
  std::vector<int64_t> offsets;
  pipeline.add_custom_lowering_pass(new fm::codegen::PrefetchesOfLines);
  pipeline.add_custom_lowering_pass(prefetched, [&] {
    offsets = prefetched->offsets();
    delete prefetched;
  });
  pipeline.compile_to_module({in}, "rows", Target("x86-64-linux-no_asserts"));
  pipeline = Pipeline();
  out = Func();
  return offsets;
}

// The first line of each 64 bytes, and no other.
TEST(Prefetch, EachLineOfARowOfF32) {
  EXPECT_EQ(prefetchedInARow<float>(),
            (std::vector<int64_t>{0, 16, 32, 48, 64}));
}

TEST(Prefetch, EachLineOfARowOfF64) {
  EXPECT_EQ(prefetchedInARow<double>(),
            (std::vector<int64_t>{0, 8, 16, 24, 32, 40, 48, 56, 64, 72}));
}

TEST(Prefetch, EachLineOfARowOfBytes) {
  EXPECT_EQ(prefetchedInARow<uint8_t>(), (std::vector<int64_t>{0, 64}));
}

// Each task would prefetch what belongs to all of them.
TEST(Prefetch, NothingForTheEpilogueWhereTasksAreTiles) {
  fm::codegen::Nest nest;
  nest.choice.order = {1, 0};
  for (int parallel : {0, 1}) {
    nest.choice.parallelLoops = parallel;
    EXPECT_TRUE(fm::codegen::prefetchesEpilogue(nest)) << parallel;
  }
  nest.choice.parallelLoops = 2;
  EXPECT_FALSE(fm::codegen::prefetchesEpilogue(nest));
  nest.choice.order = {2, 1, 0};
  EXPECT_TRUE(fm::codegen::prefetchesEpilogue(nest));
  nest.choice.order = {0};
  nest.choice.parallelLoops = 1;
  EXPECT_TRUE(fm::codegen::prefetchesEpilogue(nest));
}

} // namespace
