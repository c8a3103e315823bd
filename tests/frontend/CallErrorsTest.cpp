//===- CallErrorsTest.cpp - What the recorder says about wrong calls
//--------===//
//
// Exact text and position, with the real dialect.
//
//===----------------------------------------------------------------------===//
#include "tests/frontend/RecordedModel.h"

#include <gtest/gtest.h>

using namespace fm::test;

namespace {

/// Errors of a model whose third line is `statement`.
std::string errorsOf(const std::string &statement) {
  return errorsOfModel("model m(batch = 8) {\n"
                       "  input image : f32[batch, 3, 3, 2]; target label : "
                       "i32[batch]; input flat : f32[batch, 6]\n"
                       "  " +
                       statement + "\n  output out = relu(flat)\n}\n");
}

/// The rendering of one error at the last `code` in `statement`, and its hint.
std::string expected(const std::string &statement, const std::string &code,
                     const std::string &message, const std::string &hint = "") {
  size_t at = statement.rfind(code);
  std::string position = "model.fm:3:" + std::to_string(at + 3) + ": ";
  return position + "error: " + message + "\n    3 |   " + statement +
         "\n      |   " + std::string(at, ' ') + "^" +
         std::string(code.size() - 1, '~') + "\n" +
         (hint.empty() ? "" : position + "note: " + hint + "\n") +
         "1 error generated.\n";
}

TEST(CallErrors, UnknownOp) {
  std::string s = "_y = conv2b(image, 32, kernel = 3)";
  EXPECT_EQ(errorsOf(s),
            expected(s, "conv2b",
                     "unknown op or block 'conv2b'; did you mean 'conv2d'?"));
}

TEST(CallErrors, MissingArguments) {
  std::string s = "_y = conv2d(image, 32)";
  std::string use =
      "use it as conv2d(x, filters, kernel, stride = 1, padding = valid, "
      "dilation = 1, groups = 1, "
      "bias = true, kernel_init = glorot_uniform, bias_init = zeros)";
  EXPECT_EQ(errorsOf(s),
            expected(s, "conv2d", "conv2d: argument 'kernel' is missing", use));
  s = "_y = conv2d(image)";
  EXPECT_EQ(errorsOf(s),
            expected(s, "conv2d",
                     "conv2d: arguments 'filters', 'kernel' are missing", use));
  s = "_y = dense(units = 3)";
  EXPECT_EQ(errorsOf(s), expected(s, "dense", "dense: argument 'x' is missing",
                                  "use it as dense(x, units, bias = true, "
                                  "kernel_init = glorot_uniform, "
                                  "bias_init = zeros)"));
}

TEST(CallErrors, ArgumentsGivenTwice) {
  std::string use = "use it as softmax(x, axis = -1)";
  std::string s = "_y = softmax(flat, 1, axis = -1)";
  EXPECT_EQ(errorsOf(s),
            expected(s, "axis = -1", "softmax: 'axis' is given twice", use));
  s = "_y = softmax(flat, x = flat)";
  EXPECT_EQ(errorsOf(s),
            expected(s, "x = flat", "softmax: 'x' is given twice", use));
}

TEST(CallErrors, TooManyArguments) {
  std::string s = "_y = relu(flat, 3)";
  EXPECT_EQ(errorsOf(s),
            expected(s, "3", "relu: too many arguments, at most 1 expected",
                     "use it as relu(x)"));
}

TEST(CallErrors, UnknownArgument) {
  std::string use =
      "use it as max_pool2d(x, size, stride = size, padding = valid)";
  std::string s = "_y = max_pool2d(image, 2, strid = 1)";
  EXPECT_EQ(errorsOf(s),
            expected(s, "strid = 1",
                     "max_pool2d: no argument 'strid'; did you mean 'stride'?",
                     use));
  s = "_y = max_pool2d(image, 2, groups = 1)";
  EXPECT_EQ(errorsOf(s),
            expected(s, "groups = 1", "max_pool2d: no argument 'groups'", use));
  s = "_y = max_pool2d(image, 2, name = \"a\")";
  EXPECT_EQ(errorsOf(s),
            expected(s, "name = \"a\"", "max_pool2d: no argument 'name'", use));
}

TEST(CallErrors, WrongKindsOfValues) {
  std::string s = "_y = dense(flat, 3.5)";
  EXPECT_EQ(errorsOf(s),
            expected(s, "3.5", "dense: 'units': expected an integer, got 3.5"));
  s = "_y = dense(flat, 3, bias = 1)";
  EXPECT_EQ(
      errorsOf(s),
      expected(s, "bias = 1", "dense: 'bias': expected true or false, got 1"));
  s = "_y = dense(flat, 3, bias = flat)";
  EXPECT_EQ(errorsOf(s),
            expected(s, "bias = flat",
                     "dense: 'bias': expected true or false, got a tensor"));
  s = "_y = dropout(flat, \"half\")";
  EXPECT_EQ(errorsOf(s),
            expected(s, "\"half\"",
                     "dropout: 'rate': expected a number, got \"half\""));
  s = "_y = conv2d(image, 2, [1, 2, 3])";
  EXPECT_EQ(errorsOf(s), expected(s, "[1, 2, 3]",
                                  "conv2d: 'kernel': expected an integer or a "
                                  "pair of them, got [1, 2, 3]"));
  s = "_y = reshape(flat, [batch, 2.0])";
  EXPECT_EQ(
      errorsOf(s),
      expected(s, "[batch, 2.0]",
               "reshape: 'shape': expected a list of integers, got [8, 2]"));
  s = "_y = dense(flat, 99999999999)";
  EXPECT_EQ(errorsOf(s), expected(s, "dense",
                                  "dense: parameter 'kernel': a dimension is "
                                  "at most 2147483647, not 99999999999"));
  s = "_y = relu(3)";
  EXPECT_EQ(errorsOf(s),
            expected(s, "relu", "relu: needs a tensor, got numbers only"));
  s = "_y = relu(\"flat\")";
  EXPECT_EQ(
      errorsOf(s),
      expected(s, "\"flat\"", "relu: 'x': expected a tensor, got \"flat\""));
  s = "_y = concat(flat, 3.0)";
  EXPECT_EQ(errorsOf(s),
            expected(s, "3.0", "concat: 'axis': expected an integer, got 3"));
}

TEST(CallErrors, NumbersOutOfRange) {
  std::string s = "_y = dense(flat, 3, kernel_init = normal(stddev = -1))";
  EXPECT_EQ(errorsOf(s),
            expected(s, "kernel_init = normal(stddev = -1)",
                     "dense: 'kernel_init': initializer 'normal': 'stddev' is "
                     "-1, expected 0 or more"));
  s = "_y = dense(flat, 3, kernel_init = uniform(low = 1, high = -0.5))";
  EXPECT_EQ(errorsOf(s),
            expected(s, "kernel_init = uniform(low = 1, high = -0.5)",
                     "dense: 'kernel_init': initializer 'uniform': 'low' is 1 "
                     "and 'high' is -0.5, expected low <= high"));
  s = "_y = dense(flat, 3, kernel_init = constant(1e39))";
  EXPECT_EQ(
      errorsOf(s),
      expected(s, "kernel_init = constant(1e39)",
               "dense: 'kernel_init': 1e+39 does not fit a tensor of f32"));
  s = "_y = leaky_relu(flat, -1e39)";
  EXPECT_EQ(
      errorsOf(s),
      expected(s, "-1e39",
               "leaky_relu: 'slope': -1e+39 does not fit a tensor of f32"));
  // It would be 0.
  s = "_y = layer_norm(flat, epsilon = 1e-50)";
  EXPECT_EQ(
      errorsOf(s),
      expected(s, "epsilon = 1e-50",
               "layer_norm: 'epsilon': 1e-50 does not fit a tensor of f32"));
  s = "input wide : f64[batch, 3]; _y = leaky_relu(wide, 1e39)";
  EXPECT_EQ(errorsOf(s).find("error"), std::string::npos);
  s = "_y = sum(flat, axis = [])";
  EXPECT_EQ(errorsOf(s),
            expected(s, "axis = []",
                     "sum: 'axis': expected all, an axis or a list of axes, "
                     "got []"));
}

TEST(CallErrors, WrongWords) {
  std::string s = "_y = conv2d(image, 2, 3, padding = smae)";
  EXPECT_EQ(errorsOf(s), expected(s, "padding = smae",
                                  "conv2d: 'padding': expected same, valid, an "
                                  "integer or a pair of them, got "
                                  "'smae'; did you mean 'same'?"));
  s = "_y = dense(flat, 3, kernel_init = he_norml)";
  EXPECT_EQ(errorsOf(s), expected(s, "kernel_init = he_norml",
                                  "dense: 'kernel_init': unknown initializer "
                                  "'he_norml'; did you mean 'he_normal'?"));
  s = "_y = dense(flat, 3, kernel_init = normal(std = 1))";
  EXPECT_EQ(
      errorsOf(s),
      expected(
          s, "kernel_init = normal(std = 1)",
          "dense: 'kernel_init': initializer 'normal' has no argument 'std'"));
  s = "_y = dense(flat, 3, kernel_init = constant)";
  EXPECT_EQ(
      errorsOf(s),
      expected(s, "kernel_init = constant",
               "dense: 'kernel_init': initializer 'constant' needs 'value'"));
}

TEST(CallErrors, ShapesThatDoNotFit) {
  std::string s = "_y = conv2d(image, 32, kernel = 5)";
  EXPECT_EQ(errorsOf(s),
            expected(s, "conv2d",
                     "conv2d: kernel 5 is larger than the padded input 3x3"));
  s = "_y = conv2d(image, 32, [2, 3], dilation = 2)";
  EXPECT_EQ(errorsOf(s), expected(s, "conv2d",
                                  "conv2d: kernel [2, 3] with dilation 2 is "
                                  "larger than the padded input 3x3"));
  s = "_y = conv2d(flat, 32, kernel = 3)";
  EXPECT_EQ(errorsOf(s), expected(s, "conv2d",
                                  "conv2d: needs images [n, height, width, "
                                  "channels], got f32[batch, 6]"));
  s = "_y = conv2d(image, 3, 3, groups = 2)";
  EXPECT_EQ(errorsOf(s), expected(s, "conv2d",
                                  "conv2d: groups = 2 must divide the 2 input "
                                  "channels and the 3 filters"));
  s = "_y = dense(flat, 0)";
  EXPECT_EQ(errorsOf(s),
            expected(s, "dense", "dense: units must be positive, is 0"));
  s = "_y = reshape(flat, [batch, 5])";
  EXPECT_EQ(errorsOf(s), expected(s, "reshape",
                                  "reshape: f32[batch, 6] has 6 elements a "
                                  "sample, the new shape has 5"));
  s = "_y = flat + image";
  EXPECT_EQ(errorsOf(s), expected(s, "+",
                                  "add: shapes f32[batch, 6] and f32[batch, 3, "
                                  "3, 2] do not broadcast"));
  s = "_y = flat + label";
  EXPECT_EQ(
      errorsOf(s),
      expected(s, "+",
               "add: shapes f32[batch, 6] and i32[batch] do not broadcast"));
  s = "_y = mean(flat) * label";
  EXPECT_EQ(
      errorsOf(s),
      expected(s, "*",
               "mul: operands have different types, f32[] and i32[batch]"));
  s = "_y = pad(flat, [0, 0], [0, 2147483647])";
  EXPECT_EQ(errorsOf(s), expected(s, "pad",
                                  "pad: the result: a dimension is at most "
                                  "2147483647, not 2147483653"));
}

TEST(CallErrors, TypesThatDoNotFit) {
  std::string s = "_y = exp(label)";
  EXPECT_EQ(
      errorsOf(s),
      expected(s, "exp", "exp: needs a tensor of f32 or f64, got i32[batch]"));
  s = "_y = dense(label, 3)";
  EXPECT_EQ(errorsOf(s),
            expected(s, "dense",
                     "dense: needs a tensor of f32 or f64, got i32[batch]"));
  s = "_y = softmax(label, axis = 0)";
  EXPECT_EQ(errorsOf(s),
            expected(s, "softmax", "softmax: cannot run along batch"));
  s = "_y = mse(label, label)";
  EXPECT_EQ(
      errorsOf(s),
      expected(
          s, "mse",
          "mse: needs tensors of f32 or f64, got i32[batch] and i32[batch]"));
  s = "_y = label + 0.5";
  EXPECT_EQ(
      errorsOf(s),
      expected(s, "+", "add: the number 0.5 does not fit a tensor of i32"));
}

TEST(CallErrors, Labels) {
  std::string s = "loss cross_entropy(image, label)";
  EXPECT_EQ(errorsOf(s), expected(s, "cross_entropy",
                                  "cross_entropy: labels for logits f32[batch, "
                                  "3, 3, 2] must be i32[batch, 3, 3], "
                                  "i64[batch, 3, 3] or "
                                  "f32[batch, 3, 3, 2], are i32[batch]"));
  s = "loss mse(flat, image)";
  EXPECT_EQ(errorsOf(s), expected(s, "mse",
                                  "mse: needs two tensors of one type, got "
                                  "f32[batch, 6] and f32[batch, 3, 3, 2]"));
  s = "loss flat * 2";
  EXPECT_EQ(errorsOf(s),
            expected(s, "flat * 2",
                     "a loss must be a single number, is f32[batch, 6]",
                     "reduce it with mean(...) or sum(...)"));
}

TEST(CallErrors, NamesOfLayers) {
  std::string s = "_y = dense(flat, 3, name = \"a b\")";
  EXPECT_EQ(errorsOf(s), expected(s, "dense", "dense: 'a b' cannot be a name",
                                  "a name is made of letters, digits and '_', "
                                  "in parts with '.' between them"));
  s = "_y = dense(flat, 3, name = \"\")";
  std::string use = "use it as dense(x, units, bias = true, kernel_init = "
                    "glorot_uniform, bias_init = zeros)";
  EXPECT_EQ(errorsOf(s),
            expected(s, "name = \"\"", "dense: 'name' is empty", use));
  s = "_y = dense(flat, 3, name = 3)";
  EXPECT_EQ(
      errorsOf(s),
      expected(s, "name = 3", "dense: 'name': expected a string, got 3", use));
  s = "_y = dense(flat, 3, name = \"a\", name = \"b\")";
  EXPECT_EQ(errorsOf(s),
            expected(s, "name = \"b\"", "dense: 'name' is given twice", use));
}

TEST(CallErrors, SharedLayers) {
  auto errors = [](const std::string &second) {
    return errorsOfModel("model m(batch = 8) {\n  input x : f32[batch, 3]\n  a "
                         "= dense(x, 4, name = \"a\")\n  b = " +
                         second + "\n  output y = mean(a) + mean(b)\n}\n");
  };
  std::string first = "model.fm:3:7: note: the first 'a' is here\n    3 |   a "
                      "= dense(x, 4, name = \"a\")\n"
                      "      |       ^~~~~\n1 error generated.\n";
  EXPECT_EQ(errors("dense(a, 4, name = \"a\")"),
            "model.fm:4:7: error: dense: shared 'a.kernel' is f32[3, 4], "
            "needed is f32[4, 4]\n"
            "    4 |   b = dense(a, 4, name = \"a\")\n      |       ^~~~~\n" +
                first);
  EXPECT_EQ(errors("dense(x, 4, bias = false, name = \"a\")"),
            "model.fm:4:7: error: dense: 'a' has the parameters kernel, bias; "
            "this call needs kernel\n"
            "    4 |   b = dense(x, 4, bias = false, name = \"a\")\n      |    "
            "   ^~~~~\n" +
                first);
  EXPECT_EQ(
      errors("layer_norm(x, name = \"a\")"),
      "model.fm:4:7: error: layer_norm: 'a' is a dense already\n"
      "    4 |   b = layer_norm(x, name = \"a\")\n      |       ^~~~~~~~~~\n" +
          first);
  EXPECT_EQ(errors("dense(x, 4) + dense(x, 4, name = \"dense_1\")"),
            "model.fm:4:21: error: dense: the name 'dense_1' is that of a "
            "layer without a name; give that one a name, "
            "too, to share its weights\n"
            "    4 |   b = dense(x, 4) + dense(x, 4, name = \"dense_1\")\n     "
            " |                     ^~~~~\n"
            "model.fm:4:7: note: the first 'dense_1' is here\n"
            "    4 |   b = dense(x, 4) + dense(x, 4, name = \"dense_1\")\n     "
            " |       ^~~~~\n"
            "1 error generated.\n");
}

TEST(CallErrors, OptimizersAndInitializersAreNoOps) {
  std::string s = "_y = adam(flat)";
  EXPECT_EQ(errorsOf(s),
            expected(s, "adam", "'adam' is an optimizer, not an op on tensors",
                     "write 'train adam(...)'"));
  s = "_y = normal(flat)";
  EXPECT_EQ(errorsOf(s),
            expected(s, "normal",
                     "'normal' is an initializer, not an op on tensors",
                     "it is a value for arguments such as kernel_init"));
}

TEST(CallErrors, Training) {
  std::string s = "loss mean(flat); train adam(lr = \"fast\")";
  EXPECT_EQ(errorsOf(s),
            expected(s, "lr = \"fast\"",
                     "adam: 'lr': expected a number, got \"fast\""));
  s = "loss mean(flat); train adam(epsilon = 1e-50)";
  EXPECT_EQ(errorsOf(s),
            expected(s, "epsilon = 1e-50",
                     "adam: epsilon is 1e-50, expected positive, in the range "
                     "of f32"));
  s = "loss mean(flat); train sgd(lr = 0.5, nesterov = true)";
  EXPECT_EQ(errorsOf(s), expected(s, "nesterov = true",
                                  "sgd: nesterov needs a momentum above 0"));
  // What failed before is not mentioned again.
  s = "loss mean(flat); train adam(lr = fast)";
  EXPECT_EQ(errorsOf(s), expected(s, "fast", "undefined name 'fast'"));
  s = "_y = dense(flat, 3, kernel_init = normal(stddev = tiny), name = tiny)";
  EXPECT_EQ(errorsOf(s).find("got a tensor"), std::string::npos) << errorsOf(s);
}

/// All mistakes of a file in one run, each at its own place.
TEST(CallErrors, AllInOneRun) {
  EXPECT_EQ(
      errorsOfModel(R"(model digits(batch = 64) {
  input  image : f32[batch, 28, 28, 1]
  target label : i32[batch, 10]
  x = conv2d(image, 32, kernel = 3, pading = same) |> relu
  y = conv2d(image, 32, kernel = 31) |> relu |> flatten
  z = dense(flatten(image), units = [10])
  logits = dense(flatten(image), 10)
  output probs = softmax(logits, axis = 2)
  output int = x + y + z
  loss   cross_entropy(logits, label)
  metric accuracy(logits, label)
  train  adam(lr = 1e-3, beta = 0.5)
}
)"),
      R"(model.fm:4:37: error: conv2d: no argument 'pading'; did you mean 'padding'?
    4 |   x = conv2d(image, 32, kernel = 3, pading = same) |> relu
      |                                     ^~~~~~~~~~~~~
model.fm:4:37: note: use it as conv2d(x, filters, kernel, stride = 1, padding = valid, dilation = 1, groups = 1, bias = true, kernel_init = glorot_uniform, bias_init = zeros)
model.fm:5:7: error: conv2d: kernel 31 is larger than the padded input 28x28
    5 |   y = conv2d(image, 32, kernel = 31) |> relu |> flatten
      |       ^~~~~~
model.fm:6:29: error: dense: 'units': expected an integer, got [10]
    6 |   z = dense(flatten(image), units = [10])
      |                             ^~~~~~~~~~~~
model.fm:8:18: error: softmax: axis 2 is out of range for a tensor of rank 2
    8 |   output probs = softmax(logits, axis = 2)
      |                  ^~~~~~~
model.fm:9:10: error: output name 'int' is a reserved word of C or C++
    9 |   output int = x + y + z
      |          ^~~
model.fm:9:10: note: names appear in the generated header
model.fm:10:10: error: cross_entropy: labels for logits f32[batch, 10] must be i32[batch], i64[batch] or f32[batch, 10], are i32[batch, 10]
   10 |   loss   cross_entropy(logits, label)
      |          ^~~~~~~~~~~~~
model.fm:11:10: error: accuracy: labels for logits f32[batch, 10] must be i32[batch], i64[batch] or f32[batch, 10], are i32[batch, 10]
   11 |   metric accuracy(logits, label)
      |          ^~~~~~~~
model.fm:12:26: error: adam: no argument 'beta'; did you mean 'beta1'?
   12 |   train  adam(lr = 1e-3, beta = 0.5)
      |                          ^~~~~~~~~~
model.fm:12:26: note: use it as adam(lr = 0.001, beta1 = 0.9, beta2 = 0.999, epsilon = 1e-07)
8 errors generated.
)");
}

/// The words of the manual: `*` is one part of a name, `**` any number.
TEST(CallErrors, PatternsOfParameters) {
  auto errors = [](const std::string &patterns) {
    return errorsOfModel("block b(x) { return dense(x, 3) }\nmodel m(batch = "
                         "8) {\n  input x : f32[batch, 3]\n"
                         "  output y = b(x) |> b |> dense(3, name = \"head\") "
                         "|> batch_norm(name = \"bn\")\n"
                         "  train only " +
                         patterns + "\n}\n");
  };
  for (const char *good :
       {"head.*", "*.kernel", "b_1.dense_1.kernel", "b_*.*.bias", "**.kernel",
        "b_2.**", "**", "head.**.bias", "*.*.*", "h*d.k*l"})
    EXPECT_EQ(errors(good), "") << good;
  for (const char *bad : {"*.moving_mean", "bn.moving_variance", "head", "*",
                          "b_1.*", "b_1.*.kernel.*", "hd.*"})
    EXPECT_EQ(
        errors(bad).find(
            std::string("model.fm:5:14: error: no parameter is called '") +
            bad + "'"),
        0u)
        << bad << "\n"
        << errors(bad);
}

} // namespace
