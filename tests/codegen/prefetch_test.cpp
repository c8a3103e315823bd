//===- prefetch_test.cpp - Which lines a kernel prefetches ----------------===//
#include <array>

#include "compiler/codegen/HalidePrefetch.h"
#include "compiler/codegen/Prefetch.h"

#include "tests/codegen/KernelBuilder.h"
#include "gtest/gtest.h"

namespace {

using namespace Halide;
using namespace Halide::Internal;

namespace planned {

using namespace fm::codegen;
using namespace fm::test;

/// out[i, j] = sum over n samples and `rows` rows of x[n, r, i] * dy[n, r, j];
/// without samples, or without rows, where their number is 0.
KernelSpec gradient(int64_t n, int64_t rows, int64_t i, int64_t j,
                    ScalarType typeOfDy = ScalarType::F32) {
  KernelBuilder k("gradient");
  std::vector<Extent> reduced;
  std::vector<X> atX, atDy;
  for (Extent extent : {batch(n), fixed(rows)})
    if (extent.size > 0) {
      atX.push_back(index(2 + reduced.size()));
      reduced.push_back(extent);
    }
  atDy = atX;
  atX.push_back(index(0));
  atDy.push_back(index(1));
  std::vector<Extent> ofX = reduced, ofDy = reduced;
  ofX.push_back(fixed(i));
  ofDy.push_back(fixed(j));
  auto x = k.input("x", ofX), dy = k.input("dy", ofDy, false, typeOfDy);
  k.output("out", k.reduce("out", {fixed(i), fixed(j)}, reduced,
                           number(ScalarType::F32, 0),
                           acc() + x(atX) * cast(ScalarType::F32, dy(atDy))));
  return k.spec;
}

/// Tiles of `rows` x `columns`, the strips of columns outermost.
NestChoice strips(int64_t rows, int64_t columns) {
  NestChoice choice;
  choice.tile = {rows, columns};
  choice.vectorLoop = 1;
  choice.lanes = 16;
  choice.order = {1, 0};
  choice.parallelLoops = 1;
  return choice;
}

/// One block of all tiles, which the samples go through.
NestChoice block(int64_t rows, int64_t columns, int64_t down, int64_t across) {
  NestChoice choice = strips(rows, columns);
  choice.order = {0, 1};
  choice.block = {down, across};
  choice.reductionOuter = 1;
  choice.unrollReduction = 4;
  choice.parallelLoops = 0;
  return choice;
}

NextRows next(const KernelSpec &spec, const NestChoice &choice) {
  MachineModel machine;
  machine.vectorBits = 512;
  machine.vectorRegisters = 32;
  machine.l1Bytes = 48 << 10;
  machine.l2Bytes = 1 << 20;
  const Plan plan = planKernel(spec, machine, {choice});
  EXPECT_EQ(plan.error, "");
  const Group &group = plan.groups[0];
  const Nest &nest = group.nests[0];
  EXPECT_EQ(nest.choice, choice);
  return nextRowsOf(spec, group, nest, nest.reductions[0], machine);
}

/// Input, lines and step of each operand.
std::vector<std::array<int64_t, 3>> operands(const NextRows &rows) {
  std::vector<std::array<int64_t, 3>> list;
  for (const NextRows::Operand &o : rows.operands)
    list.push_back({o.input, o.lines, o.step});
  return list;
}

} // namespace planned

using Rows = std::vector<std::array<int64_t, 3>>;

// A strip has 64 of dy's 320 columns; x stays the same.
TEST(NextRows, AreOfWhatMovesWithAStrip) {
  const auto rows = planned::next(planned::gradient(8, 128, 256, 320),
                                  planned::strips(6, 64));
  EXPECT_EQ(planned::operands(rows), (Rows{{1, 4, 320}}));
  EXPECT_FALSE(rows.inReduction);
  EXPECT_EQ(rows.position, 0);
  EXPECT_EQ(rows.passes, (std::vector<int>{0}));
  EXPECT_EQ(rows.linesPerPass, 1);
}

// Ten tiles, four lines of each operand.
TEST(NextRows, AreOfTheNextSampleInABlock) {
  const auto rows = planned::next(planned::gradient(64, 128, 64, 64),
                                  planned::block(13, 32, 5, 2));
  EXPECT_EQ(planned::operands(rows), (Rows{{0, 4, 64}, {1, 4, 64}}));
  EXPECT_TRUE(rows.inReduction);
  EXPECT_EQ(rows.position, 0);
  EXPECT_EQ(rows.passes, (std::vector<int>{0, 1}));
  EXPECT_EQ(rows.linesPerPass, 1);
}

// 64 tiles for eight lines: four share a line, one row of four each, which is
// as many as there are steps in an iteration of the loop.
TEST(NextRows, AreSharedByManyPasses) {
  const auto rows = planned::next(planned::gradient(64, 128, 64, 64),
                                  planned::block(4, 16, 16, 4));
  EXPECT_EQ(planned::operands(rows), (Rows{{0, 4, 64}, {1, 4, 64}}));
  EXPECT_EQ(rows.linesPerPass, 1);
  EXPECT_EQ(rows.passesPerLine, 4);
  const auto few = planned::next(planned::gradient(64, 128, 64, 64),
                                 planned::block(13, 32, 5, 2));
  EXPECT_EQ(few.passesPerLine, 1);
}

// Four tiles share six lines, two in a step of 26 products; two tiles five
// lines, which would be three.
TEST(NextRows, GoWithTenProductsEach) {
  const auto six = planned::next(planned::gradient(64, 128, 52, 32),
                                 planned::block(13, 32, 4, 1));
  EXPECT_EQ(planned::operands(six), (Rows{{0, 4, 52}, {1, 2, 32}}));
  EXPECT_EQ(six.linesPerPass, 2);
  const auto five = planned::next(planned::gradient(64, 128, 52, 16),
                                  planned::block(26, 16, 2, 1));
  EXPECT_EQ(planned::operands(five), Rows());
}

// Eight products a step, and twelve.
TEST(NextRows, AreNoneWithLittleArithmetic) {
  EXPECT_EQ(planned::operands(planned::next(planned::gradient(8, 128, 256, 320),
                                            planned::strips(2, 64))),
            Rows());
  EXPECT_EQ(planned::operands(planned::next(planned::gradient(8, 128, 256, 320),
                                            planned::strips(3, 64))),
            (Rows{{1, 4, 320}}));
}

// 31 steps; 32 steps.
TEST(NextRows, AreNoneInShortReductions) {
  EXPECT_EQ(planned::operands(planned::next(planned::gradient(31, 0, 256, 8192),
                                            planned::strips(6, 64))),
            Rows());
  EXPECT_EQ(planned::operands(planned::next(planned::gradient(32, 0, 256, 8192),
                                            planned::strips(6, 64))),
            (Rows{{1, 4, 8192}}));
}

// What belongs to no sample was read by other tasks; what fits into half of the
// L2 is there.
TEST(NextRows, AreNoneOfWhatIsNear) {
  EXPECT_EQ(planned::operands(planned::next(
                planned::gradient(0, 1024, 256, 320), planned::strips(6, 64))),
            Rows());
  EXPECT_EQ(planned::operands(planned::next(planned::gradient(2, 128, 256, 320),
                                            planned::strips(6, 64))),
            Rows());
}

// One prefetch for both counts in elements.
TEST(NextRows, AreOfElementsOfOneSize) {
  const auto rows = planned::next(
      planned::gradient(64, 128, 64, 64, fm::codegen::ScalarType::F64),
      planned::block(13, 32, 5, 2));
  EXPECT_EQ(planned::operands(rows), (Rows{{0, 4, 64}}));
}

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

/// What a piece of code prefetches, in its order: buffers, and elements of
/// them. Its loops have constant bounds.
class Executed : public IRMutator {
public:
  std::vector<std::pair<std::string, int64_t>> places;

protected:
  using IRMutator::visit;
  Stmt visit(const For *op) override {
    const int64_t min = *as_const_int(simplify(op->min));
    for (int64_t i = 0; i < *as_const_int(simplify(op->extent)); ++i)
      mutate(substitute(op->name, static_cast<int>(min + i), op->body));
    return op;
  }
  Stmt visit(const LetStmt *op) override {
    const Expr value = simplify(op->value);
    const bool isBuffer = value.type().is_handle() && !value.as<Variable>();
    mutate(isBuffer ? op->body : substitute(op->name, value, op->body));
    return op;
  }
  Expr visit(const Call *op) override {
    if (op->is_intrinsic(Call::prefetch))
      places.emplace_back(simplify(op->args[0]).as<Variable>()->name,
                          *as_const_int(simplify(op->args[1])));
    return op;
  }
};

using Places = std::vector<std::pair<std::string, int64_t>>;

Places executed(Func out, const std::vector<Argument> &arguments,
                const fm::codegen::RowsAhead &ahead) {
  Pipeline pipeline(out);
  auto *run = new Executed; // the pipeline's from here on
  Places places;
  pipeline.add_custom_lowering_pass(new fm::codegen::PrefetchesOfRows({ahead}));
  pipeline.add_custom_lowering_pass(run, [&] {
    places = run->places;
    delete run;
  });
  pipeline.compile_to_module(arguments, "rows",
                             Target("x86-64-linux-avx2-no_asserts"));
  pipeline = Pipeline();
  return places;
}

/// Sums over four rows of x (64 numbers) times y (two for each pass), in steps
/// of two rows. Tiles of 2 columns of y pass, then come the next 32 columns of
/// x.
struct Strips {
  ImageParam x{type_of<float>(), 2, "x"}, y{type_of<float>(), 2, "y"};
  Func out{"out"};
  fm::codegen::RowsAhead ahead;

  explicit Strips(int passes) {
    x.dim(0).set_bounds(0, 64).dim(1).set_bounds(0, 4).set_stride(64);
    y.dim(0).set_bounds(0, 2 * passes).dim(1).set_bounds(0, 4);
    y.dim(1).set_stride(2 * passes);
    Var i("i"), j("j"), io("io"), ii("ii"), jo("jo"), ji("ji");
    RDom r(0, 4, "r");
    Func acc("acc");
    acc(i, j) = 0.f;
    acc(i, j) += x(i, r) * y(j, r);
    out(i, j) = acc(i, j);
    out.bound(i, 0, 64).bound(j, 0, 2 * passes);
    out.split(i, io, ii, 32).split(j, jo, ji, 2);
    out.reorder(ii, ji, jo, io).vectorize(ii, 8).unroll(ji);
    acc.compute_at(out, jo).bound_extent(i, 32).bound_extent(j, 2);
    acc.update().reorder(i, j, r).vectorize(i, 8).unroll(i).unroll(j);
    RVar rounds("rounds"), step("step");
    acc.update().split(r, rounds, step, 2).unroll(step);
    ahead.operands = {{"x", 2, 64}};
    ahead.accumulator = acc.name();
    ahead.passes = {"jo"};
    ahead.moving = "io";
    ahead.steps = 2;
  }
};

// The next 32 columns arrive, a line in each of the last two of three passes.
// The first pass has nothing to do.
TEST(Prefetch, RowsOfTheNextStrip) {
  Strips strips(3);
  Places expected;
  for (int strip : {1, 2}) // the second one is behind the end
    for (int line : {-1, 1, 0})
      for (int row = 0; row < 4; ++row)
        expected.emplace_back("x",
                              line < 0 ? 0 : strip * 32 + row * 64 + line * 16);
  EXPECT_EQ(executed(strips.out, {strips.x, strips.y}, strips.ahead), expected);
}

// Of five passes the last four do it, half of the rows each: first the odd ones
// of the second line.
TEST(Prefetch, RowsAreSharedByPasses) {
  Strips strips(5);
  strips.ahead.passesPerLine = 2;
  Places expected;
  for (int strip : {1, 2}) {
    // Its rows are those that the pass would have.
    expected.insert(expected.end(), 2, {"x", 0});
    for (int line : {1, 0})
      for (int first : {1, 0})
        for (int row = first; row < 4; row += 2)
          expected.emplace_back("x", strip * 32 + row * 64 + line * 16);
  }
  EXPECT_EQ(executed(strips.out, {strips.x, strips.y}, strips.ahead), expected);
}

// Two samples of three rows each; a block of sums is a plane of x and y. Its
// first sample prefetches the second one, that one the next plane's first.
TEST(Prefetch, RowsOfTheNextPartOfAReduction) {
  ImageParam x(type_of<float>(), 4, "x"), y(type_of<float>(), 4, "y");
  for (ImageParam *in : {&x, &y})
    in->dim(0)
        .set_bounds(0, 16)
        .dim(1)
        .set_bounds(0, 3)
        .set_stride(16)
        .dim(2)
        .set_bounds(0, 2)
        .set_stride(48)
        .dim(3)
        .set_bounds(0, 2)
        .set_stride(1000);
  Var i("i"), j("j"), p("p"), io("io"), ii("ii"), jo("jo"), ji("ji");
  RDom r({{0, 3}, {0, 2}}, "r");
  Func acc("acc"), out("out");
  acc(i, j, p) = 0.f;
  acc(i, j, p) += x(i, r.x, p, r.y) * y(j, r.x, p, r.y);
  out(i, j, p) = acc(i, j, p);
  out.bound(i, 0, 16).bound(j, 0, 16).bound(p, 0, 2);
  acc.compute_at(out, p).bound_extent(i, 16).bound_extent(j, 16);
  acc.update()
      .split(i, io, ii, 8)
      .split(j, jo, ji, 4)
      .reorder(ii, ji, r.x, io, jo, r.y)
      .vectorize(ii)
      .unroll(ji);

  fm::codegen::RowsAhead ahead;
  ahead.operands = {{"x", 1, 16}, {"y", 1, 16}};
  ahead.accumulator = acc.name();
  ahead.passes = {"jo", "io"};
  ahead.moving = r.y.name();
  ahead.around = "p";
  Places expected;
  for (int from : {1000, 48, 1048, 96})
    for (int pass = 0; pass < 8; ++pass)
      for (int row = 0; row < 3; ++row)
        expected.emplace_back(pass == 7 ? "x" : "y",
                              pass < 6 ? 0 : from + row * 16);
  EXPECT_EQ(executed(out, {x, y}, ahead), expected);
}

// Each task would prefetch what belongs to all of them.
TEST(Prefetch, NothingForTheEpilogueWhereTasksAreTiles) {
  fm::codegen::Nest nest;
  auto prefetches = [&] {
    return fm::codegen::prefetchesEpilogue(nest, nest.choice,
                                           nest.choice.parallelLoops);
  };
  nest.choice.order = {1, 0};
  for (int parallel : {0, 1}) {
    nest.choice.parallelLoops = parallel;
    EXPECT_TRUE(prefetches()) << parallel;
  }
  nest.choice.parallelLoops = 2;
  EXPECT_FALSE(prefetches());
  nest.choice.order = {2, 1, 0};
  EXPECT_TRUE(prefetches());
  nest.choice.order = {0};
  nest.choice.parallelLoops = 1;
  EXPECT_TRUE(prefetches());
}

} // namespace
