//===- DslTest.cpp - Models recorded in C++
//---------------------------------===//
#include "tests/frontend/RecordedModel.h"

#include <fm/dsl.h>

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

using namespace fm::test;

namespace {

/// The text of this file's line, from 1.
std::string lineOf(unsigned number) {
  std::ifstream file(__FILE__);
  std::string line;
  for (unsigned i = 0; i < number; ++i)
    std::getline(file, line);
  return line;
}

/// What is expected of an error at `code` in a line of this file, without the
/// count at the end. With clang a call's place is its beginning.
std::string errorAt(unsigned line, const std::string &code,
                    const std::string &message) {
  std::string text = lineOf(line), number = std::to_string(line);
  size_t column = text.find(code);
  return __FILE__ ":" + number + ":" + std::to_string(column + 1) +
         ": error: " + message + "\n" + std::string(5 - number.size(), ' ') +
         number + " | " + text + "\n      | " + std::string(column, ' ') +
         "^\n";
}

std::string noteAt(unsigned line, const std::string &code,
                   const std::string &message) {
  std::string text = errorAt(line, code, message);
  return text.replace(text.find(" error: "), 8, " note: ");
}

/// A note at the place of its error: the line is not shown again.
std::string hintAt(unsigned line, const std::string &code,
                   const std::string &message) {
  std::string text = noteAt(line, code, message);
  return text.substr(0, text.find('\n') + 1);
}

const char *const oneError = "1 error generated.\n";

//===----------------------------------------------------------------------===//
// The same networks as in .fm
//===----------------------------------------------------------------------===//

fm::Model seed() {
  fm::Model m("mnist_cnn", {.batch = 64});
  auto image = m.input("image", fm::f32, {m.batch(), 28, 28, 1});
  auto label = m.target("label", fm::i32, {m.batch()});

  auto x = image | fm::conv2d(32, 3) | fm::relu() | fm::max_pool2d(2);
  x = fm::max_pool2d(fm::relu(fm::conv2d(x, 64, 3)), 2);
  x = fm::conv2d(x, 64, 3) | fm::relu() | fm::flatten();
  x = fm::dense(x, 64) | fm::relu();
  auto logits = fm::dense(x, 10);

  m.output("probs", fm::softmax(logits));
  m.loss(fm::cross_entropy(logits, label));
  m.metric(fm::accuracy(logits, label));
  m.train(fm::adam({.lr = 1e-3}));
  return m;
}

TEST(Dsl, SeedNetworkIsThatOfTheLanguage) {
  fm::Model m = seed();
  EXPECT_EQ(m.errors(), "");
  RecordedModel file = recordFile(FMC_EXAMPLES "/mnist_cnn/mnist_cnn.fm");
  ASSERT_NE(file.ir, "") << file.errors;
  EXPECT_EQ(m.ir(), file.ir);
  EXPECT_EQ(m.text(), file.fm);
}

/// A block: two layers that share the caller's scope of names.
fm::Tensor tower(const fm::Tensor &x, int width, const std::string &name = "") {
  auto scope = x.scope("tower", name);
  auto h = x |
           fm::dense(width, {.kernel_init = fm::normal({.stddev = 0.02}),
                             .bias_init = fm::constant(0.1)}) |
           fm::relu();
  return fm::layer_norm(
      h + fm::dense(h, width, {.bias = false, .name = "skip"}),
      {.epsilon = 1e-6});
}

TEST(Dsl, BlocksShareWeightsAndFreezeAsInTheLanguage) {
  fm::Model m("siamese", {.batch = 8});
  auto left =
      m.input("left", fm::f32, {m.batch(), 10}, {.with_gradient = true});
  auto right = m.input("right", fm::f32, {m.batch(), 10});
  auto truth = m.target("truth", fm::f32, {m.batch()});
  auto a = tower(left, 16, "tower"), b = tower(right, 16, "tower");
  auto c = a;
  for (int i = 0; i < 2; ++i)
    c = tower(c, 16);
  auto distance = fm::sum(fm::pow(a - b, 2), {.axis = 1}) / 16 +
                  0.5 * fm::mean(c, {.axis = {-1}});
  m.output("distance", distance);
  m.loss("error", fm::mse(distance, truth));
  m.metric("mean_distance", fm::mean(distance));
  m.train_only({"tower.**", "*.skip.kernel"});
  m.train(fm::sgd({.lr = 0.1, .momentum = 0.9}));
  EXPECT_EQ(m.errors(), "");
  RecordedModel language = record(R"(
block tower(x, width) {
  h = dense(x, width, kernel_init = normal(stddev = 0.02), bias_init = constant(0.1)) |> relu
  return layer_norm(h + dense(h, width, bias = false, name = "skip"), epsilon = 1e-6)
}
model siamese(batch = 8) {
  input left : f32[batch, 10] with gradient
  input right : f32[batch, 10]
  target truth : f32[batch]
  a = tower(left, 16, name = "tower")
  b = tower(right, 16, name = "tower")
  c = a
  repeat 2 { c = tower(c, 16) }
  square = (a - b) ** 2
  output distance = sum(square, axis = 1) / 16 + 0.5 * mean(c, axis = -1)
  loss error = mse(distance, truth)
  metric mean_distance = mean(distance)
  train only tower.**, *.skip.kernel
  train sgd(lr = 0.1, momentum = 0.9)
}
)");
  ASSERT_NE(language.ir, "") << language.errors;
  EXPECT_EQ(m.ir(), language.ir);
  // The saved text, with its blocks unrolled, is the same model, too.
  RecordedModel saved = record(m.text());
  EXPECT_EQ(saved.errors, "") << m.text();
  EXPECT_EQ(saved.ir, language.ir);
}

TEST(Dsl, ArgumentsOfEveryKind) {
  fm::Model m("kinds", {.batch = 4});
  auto x = m.input("x", fm::f32, {m.batch(), 8, 8, 4});
  auto flag = m.input("flag", fm::boolean, {});
  std::vector<int> shape = {-1, 16, 4, 4};
  auto y = fm::conv2d(x, 4, {3, 1},
                      {.stride = {2, 1}, .padding = {1, 0}, .groups = 2});
  y = fm::avg_pool2d(y, 2, {.stride = 1, .padding = fm::same});
  y = fm::max_pool2d(y, {2, 2}, {.padding = 1});
  y = fm::pad(fm::transpose(fm::slice(y, 1, 0, 3), {0, 3, 1, 2}), {0, 0, 1, 1},
              {0, 0, 1, 1}, {.value = -1});
  y = fm::max(y, {.axis = {2, 3}, .keepdims = true}) +
      fm::min(y, {.axis = fm::all});
  y = fm::maximum(0.1f, y) - fm::minimum(y, 2u);
  auto z = fm::reshape(x, shape) | [](const fm::Tensor &t) { return t * 3L; };
  m.output("y", y);
  m.output("z", z);
  EXPECT_EQ(m.errors(), "");
  EXPECT_EQ(record(R"(
model kinds(batch = 4) {
  input x : f32[batch, 8, 8, 4]
  input flag : bool
  y = conv2d(x, 4, kernel = [3, 1], stride = [2, 1], padding = [1, 0], groups = 2)
  y = avg_pool2d(y, 2, stride = 1, padding = same) |> max_pool2d(2, padding = 1)
  y = slice(y, 1, 0, 3) |> transpose([0, 3, 1, 2]) |> pad([0, 0, 1, 1], [0, 0, 1, 1], value = -1.0)
  a = max(y, axis = [2, 3], keepdims = true)
  y = a + min(y)
  a = maximum(0.1, y)
  y = a - minimum(y, 2)
  z = reshape(x, [-1, 16, 4, 4]) * 3
  output y
  output z
}
)")
                .ir,
            m.ir());
}

TEST(Dsl, ShapesAndTypesCanBeAsked) {
  fm::Model m("shapes", {.batch = 4});
  auto x = m.input("x", fm::f64, {m.batch(), 28, 20, 3});
  auto y = fm::flatten(fm::conv2d(x, 8, 3));
  EXPECT_EQ(y.dim(-1), 26 * 18 * 8);
  EXPECT_TRUE(y.dim(0).isBatch());
  EXPECT_EQ(y.dim(0), 4);
  EXPECT_EQ(2 * m.batch(), 8);
  EXPECT_FALSE(fm::Int(2 * m.batch()).isBatch());
  ASSERT_EQ(x.shape().size(), 4u);
  EXPECT_EQ(x.shape()[2], 20);
  EXPECT_EQ(y.dtype(), fm::f64);
  EXPECT_EQ(m.errors(), "");
  fm::Int wrong = y.dim(2);
  const unsigned last = __LINE__ - 1;
  EXPECT_EQ(wrong, 1);
  EXPECT_EQ(m.errors(), errorAt(last, "y.dim",
                                "there is no axis 2: the tensor has 2 axes") +
                            oneError);
}

//===----------------------------------------------------------------------===//
// Mistakes
//===----------------------------------------------------------------------===//

TEST(DslErrors, StandAtTheCallThatCausesThem) {
  fm::Model m("wrong", {.batch = 4});
  auto x = m.input("image", fm::f32, {m.batch(), 3, 3, 1});
  auto label = m.target("label", fm::i32, {m.batch(), 2});
  auto y = fm::conv2d(x, 8, 5) | fm::relu();
  EXPECT_FALSE(y.isValid());
  auto z = fm::flatten(x) | fm::dense(0);
  auto w = fm::flatten(x) + fm::relu(y) + z; // silent: follows from the others
  m.output("y", w);
  auto logits = fm::dense(fm::flatten(x), 10);
  m.loss(fm::cross_entropy(logits, label));
  auto sum = x + logits;
  const unsigned last = __LINE__ - 1;
  EXPECT_EQ(m.errors(),
            errorAt(last - 7, "fm::conv2d",
                    "conv2d: kernel 5 is larger than the padded input 3x3") +
                errorAt(last - 5, "fm::dense(0)",
                        "dense: units must be positive, is 0") +
                errorAt(last - 1, "fm::cross_entropy",
                        "cross_entropy: labels for logits f32[batch, 10] must "
                        "be i32[batch], i64[batch] or f32[batch, 10], "
                        "are i32[batch, 2]") +
                errorAt(last, "x + logits",
                        "add: shapes f32[batch, 3, 3, 1] and f32[batch, 10] do "
                        "not broadcast") +
                "4 errors generated.\n");
  EXPECT_FALSE(m.check());
  EXPECT_EQ(m.text(), "");
  EXPECT_EQ(m.ir(), "");
  std::string path = testing::TempDir() + "/dsl_wrong.fm";
  fm::Result saved = m.save(path);
  EXPECT_FALSE(saved);
  EXPECT_EQ(saved.text(), m.errors());
  EXPECT_FALSE(std::filesystem::exists(path));
}

TEST(DslErrors, WrongRankAndWrongWord) {
  fm::Model m("wrong");
  auto x = m.input("x", fm::f32, {3});
  auto a = fm::max_pool2d(x, 2);
  auto b = fm::softmax(x, {.axis = 1});
  auto c = fm::sum(x, {.axis = fm::same});
  const unsigned last = __LINE__ - 1;
  EXPECT_EQ(
      m.errors(),
      errorAt(
          last - 2, "fm::max_pool2d",
          "max_pool2d: needs images [n, height, width, channels], got f32[3]") +
          errorAt(last - 1, "fm::softmax",
                  "softmax: axis 1 is out of range for a tensor of rank 1") +
          errorAt(last, "fm::sum",
                  "sum: 'axis': expected all, an axis or a list of axes, got "
                  "'same'") +
          "3 errors generated.\n");
}

TEST(DslErrors, TwoLosses) {
  fm::Model m("wrong", {.batch = 4});
  auto x = m.input("x", fm::f32, {m.batch(), 3});
  m.loss(fm::mean(x));
  m.loss("second", fm::sum(x));
  const unsigned last = __LINE__ - 1;
  EXPECT_EQ(m.errors(),
            errorAt(last, "m.loss", "a model has one loss") +
                noteAt(last - 1, "m.loss",
                       "the first is here; add the two, with weights") +
                oneError);
}

TEST(DslErrors, TrainingWithoutALoss) {
  fm::Model m("wrong", {.batch = 4});
  auto x = m.input("x", fm::f32, {m.batch(), 3});
  m.output("y", fm::dense(x, 2));
  m.train(fm::adam());
  const unsigned last = __LINE__ - 1;
  EXPECT_TRUE(m.ok()); // a loss may come
  std::string folder = testing::TempDir() + "/dsl_no_loss";
  fm::Result result = m.compile(folder);
  EXPECT_FALSE(result);
  EXPECT_EQ(
      result.text(),
      errorAt(last, "m.train", "train needs a loss, and the model has none") +
          hintAt(last, "m.train",
                 "add one, such as: loss cross_entropy(logits, label)") +
          oneError);
  EXPECT_FALSE(std::filesystem::exists(folder));
}

TEST(DslErrors, NamesAndShapesOfInputs) {
  fm::Model m("wrong", {.batch = 4});
  auto a = m.input("two words", fm::f32, {m.batch()});
  auto b = m.input("int", fm::f32, {m.batch()});
  auto c = m.input("c", fm::f32, {m.batch(), 0});
  auto d = m.input("d", fm::f32, {m.batch(), 1ull << 31});
  auto e = m.target("e", fm::f32, {1 << 30, 1 << 30, 4});
  auto f = m.input("f", fm::i32, {m.batch()}, {.with_gradient = true});
  auto g = m.input("batch", fm::f32, {m.batch()});
  const unsigned last = __LINE__ - 1;
  EXPECT_EQ(
      m.errors(),
      errorAt(last - 6, "m.input",
              "input name 'two words' is not an identifier") +
          errorAt(last - 5, "m.input",
                  "input name 'int' is a reserved word of C or C++") +
          hintAt(last - 5, "m.input", "names appear in the generated header") +
          errorAt(last - 4, "m.input",
                  "input 'c': a dimension is at least 1, not 0") +
          errorAt(
              last - 3, "m.input",
              "input 'd': a dimension is at most 2147483647, not 2147483648") +
          errorAt(last - 2, "m.target",
                  "target 'e': f32[1073741824, 1073741824, 4] has too many "
                  "elements: at most 2000000000 are possible") +
          errorAt(last - 1, "m.input",
                  "input 'f': a gradient needs f32 or f64, the input is "
                  "i32[batch]") +
          errorAt(last, "m.input", "input 'batch' has a name that is taken") +
          noteAt(last - 7, "m(", "the first 'batch' is here") +
          "7 errors generated.\n");
}

TEST(DslErrors, SharedLayerOfAnotherShape) {
  fm::Model m("wrong", {.batch = 4});
  auto x = m.input("x", fm::f32, {m.batch(), 3});
  auto y = fm::dense(x, 4, {.name = "a"});
  auto z = fm::dense(y, 4, {.name = "a"});
  const unsigned last = __LINE__ - 1;
  EXPECT_EQ(
      m.errors(),
      errorAt(last, "fm::dense",
              "dense: shared 'a.kernel' is f32[3, 4], needed is f32[4, 4]") +
          noteAt(last - 1, "fm::dense", "the first 'a' is here") + oneError);
}

TEST(DslErrors, TensorsOfOtherModels) {
  fm::Model m("one"), other("two");
  auto x = m.input("x", fm::f32, {3});
  auto y = other.input("y", fm::f32, {3});
  auto z = x + y;
  m.output("z", fm::Tensor());
  m.output("w", fm::relu(fm::Tensor()));
  const unsigned last = __LINE__ - 1;
  std::string none = " is a tensor of no model: it was never given a value";
  EXPECT_EQ(m.errors(), errorAt(last - 2, "x + y",
                                "add: 'b' is a tensor of another model") +
                            errorAt(last - 1, "m.output", "output 'z'" + none) +
                            errorAt(last, "m.output", "output 'w'" + none) +
                            "3 errors generated.\n");
}

TEST(DslErrors, NothingCanFollowTheEnd) {
  fm::Model m("done");
  auto x = m.input("x", fm::f32, {3});
  m.output("y", fm::relu(x));
  EXPECT_TRUE(m.check());
  EXPECT_TRUE(m.check());
  auto z = fm::tanh(x);
  const unsigned last = __LINE__ - 1;
  EXPECT_FALSE(z.isValid());
  fm::Result result = m.check();
  EXPECT_FALSE(result);
  EXPECT_EQ(result.text(), errorAt(last, "fm::tanh",
                                   "the model has ended: nothing can be "
                                   "recorded after check, save or compile") +
                               oneError);
}

TEST(DslErrors, NumbersThatDoNotFit) {
  fm::Model m("wrong");
  auto x = m.input("x", fm::i32, {3});
  auto y = m.input("y", fm::f32, {3});
  auto a = x + 3000000000;
  auto b = x * 0.5;
  auto c = y + 1e39;
  auto d = fm::leaky_relu(y, {.slope = 1 / 0.0});
  const unsigned last = __LINE__ - 1;
  EXPECT_EQ(
      m.errors(),
      errorAt(last - 3, "x + 3",
              "add: the number 3000000000 does not fit a tensor of i32") +
          errorAt(last - 2, "x * 0.5",
                  "mul: the number 0.5 does not fit a tensor of i32") +
          errorAt(last - 1, "y + 1e39",
                  "add: the number 1e+39 does not fit a tensor of f32") +
          errorAt(last, "fm::leaky_relu",
                  "leaky_relu: 'slope': expected a finite number, got inf") +
          "4 errors generated.\n");
}

TEST(DslErrors, NoParameterOfThatName) {
  fm::Model m("wrong");
  auto x = m.input("x", fm::f32, {3});
  m.output("y", fm::dense(x, 3, {.name = "head"}));
  m.train_only({"head.*", "haed.kernel"});
  const unsigned last = __LINE__ - 1;
  fm::Result result = m.check();
  EXPECT_EQ(
      result.text(),
      errorAt(
          last, "m.train_only",
          "no parameter is called 'haed.kernel'; did you mean 'head.kernel'?") +
          oneError);
}

//===----------------------------------------------------------------------===//
// Files
//===----------------------------------------------------------------------===//

TEST(Dsl, SavesWhatReadsBack) {
  fm::Model m = seed();
  std::string path = testing::TempDir() + "/dsl_seed.fm";
  fm::Result result = m.save(path);
  EXPECT_TRUE(result) << result.text();
  EXPECT_EQ(recordFile(path).ir, m.ir());
  fm::Result unwritable = m.save("/proc/no/such.fm");
  EXPECT_FALSE(unwritable);
  EXPECT_NE(unwritable.text().find("fmc: error: cannot"), std::string::npos)
      << unwritable.text();
  EXPECT_TRUE(m.ok()); // the model itself is right
}

TEST(Dsl, CompilesInProcessAndStaysAsItWas) {
  fm::Model m("line", {.batch = 4});
  auto x = m.input("x", fm::f32, {m.batch(), 2});
  auto t = m.target("t", fm::f32, {m.batch(), 1});
  auto y = fm::dense(x, 1);
  m.output("y", y);
  m.loss(fm::mse(y, t));
  m.train(fm::sgd());
  std::string before = m.ir(), folder = testing::TempDir() + "/dsl_compiled";
  std::filesystem::remove_all(folder);
  fm::Result result = m.compile(folder, {.backend = "reference"});
  EXPECT_TRUE(result) << result.text();
  EXPECT_EQ(result.text(), "");
  EXPECT_GT(std::filesystem::file_size(folder + "/line.o"), 0u);
  EXPECT_GT(std::filesystem::file_size(folder + "/line.h"), 0u);
  EXPECT_EQ(m.ir(), before);
  EXPECT_EQ(y.dim(1), 1);
  fm::Result wrong = m.compile(folder, {.cpu = "no_such_cpu"});
  EXPECT_FALSE(wrong);
  EXPECT_NE(wrong.text().find("no_such_cpu"), std::string::npos)
      << wrong.text();
}

} // namespace
