//===- WriteFmTest.cpp - What is written reads back to the same IR
//----------===//
#include "tests/frontend/RecordedModel.h"

#include "frontend/recorder/Recorder.h"

#include <gtest/gtest.h>

#include <functional>

using namespace fm;
using namespace fm::test;

namespace {

/// Writes a model back, reads that, and compares; gives what was written.
std::string roundTrip(const std::string &text) {
  RecordedModel first = record(text);
  EXPECT_NE(first.ir, "") << first.errors << text;
  RecordedModel second = record(first.fm);
  EXPECT_EQ(second.errors, "") << first.fm;
  EXPECT_EQ(second.ir, first.ir) << first.fm;
  EXPECT_EQ(second.fm, first.fm);
  return first.fm;
}

//===----------------------------------------------------------------------===//
// Every op of the language
//===----------------------------------------------------------------------===//

bool startsWith(const std::string &text, const char *prefix) {
  return text.rfind(prefix, 0) == 0;
}

/// Texts to try for an argument, by its type: one of them fits every op.
std::vector<std::string> candidates(const OpSignature::Parameter &parameter) {
  const std::string &type = parameter.type;
  if (type == "int")
    return {"1", "2", "-2"};
  if (type == "float")
    return {"0.25"};
  if (type == "bool")
    return {parameter.defaultValue == "true" ? "false" : "true"};
  if (type == "string")
    return {R"("a \"b\"\n\t\\")"};
  if (type == "pair")
    return {"2", "[2, 3]"};
  if (type == "ints")
    return {"[batch, -1]", "[0, 3, 1, 2]", "[0, 1, 2, 0]"};
  if (startsWith(type, "axes"))
    return {"[1, -1]", "1"};
  if (type == "init")
    return {"normal(mean = 0.1, stddev = 1e-3)"};
  if (startsWith(type, "padding"))
    return {"same", "[0, 1]", "1"};
  std::string words = type.substr(type.find("enum(") + 5), word;
  for (size_t begin = 0; begin < words.size(); begin += word.size() + 1) {
    word = words.substr(begin, words.find_first_of("|)", begin) - begin);
    if (word != parameter.defaultValue)
      return {word};
  }
  return {};
}

/// Types of `a` and `b`.
const std::pair<const char *, const char *> kInputs[] = {
    {"f32[batch, 8, 8, 4]", "f32[batch, 8, 8, 4]"},
    {"f32[batch, 4, 4]", "f32[batch, 4, 4]"},
    {"f32[batch, 4]", "i32[batch]"}};
using Inputs = std::pair<const char *, const char *>;

std::string model(const std::string &call, const Inputs &types) {
  bool hasB = call.find(", b)") != std::string::npos ||
              call.find(", b,") != std::string::npos;
  std::string b = hasB ? std::string("  input b : ") + types.second + "\n" : "";
  return std::string("model t(batch = 4) {\n  input a : ") + types.first +
         "\n" + b + "  y = " + call + "\n  output y\n}\n";
}

/// The first arguments that the op accepts, `fixed` among them; "" if none.
std::string findCall(const OpSignature &op, const std::string &extra,
                     Inputs &inputs) {
  std::vector<std::string> choices = {""};
  bool isFirst = true;
  for (const auto &parameter : op.parameters) {
    std::vector<std::string> longer, values;
    if (parameter.type == "tensor...")
      values = {"a, b"};
    else if (parameter.type == "tensor")
      values = {isFirst ? "a" : "b"};
    else if (parameter.required)
      values = candidates(parameter);
    isFirst = false;
    if (values.empty())
      continue;
    for (const std::string &choice : choices)
      for (const std::string &value : values)
        longer.push_back(choice + (choice.empty() ? "" : ", ") + value);
    choices = longer;
  }
  for (const Inputs &types : kInputs)
    for (const std::string &choice : choices) {
      std::string call = op.name + "(" + choice + extra + ")";
      if (record(model(call, types)).ir.empty())
        continue;
      inputs = types;
      return call;
    }
  return "";
}

TEST(WriteFm, EveryOpRoundTrips) {
  int ops = 0;
  for (const OpSignature &op : Recorder::signatures()) {
    if (op.category == "optimizer" || op.category == "initializer")
      continue;
    SCOPED_TRACE(op.name);
    ++ops;
    Inputs inputs;
    std::string call = findCall(op, "", inputs);
    ASSERT_NE(call, "")
        << "no call of this op was accepted: add candidates to this test";
    roundTrip(model(call, inputs));
    if (op.isLayer)
      EXPECT_NE(roundTrip(model(call.substr(0, call.size() - 1) +
                                    ", name = \"stem.a_1\")",
                                inputs))
                    .find("name = \"stem.a_1\""),
                std::string::npos);
    for (const auto &parameter : op.parameters) {
      if (parameter.required)
        continue;
      // Each optional argument at a value that is not its default.
      bool found = false;
      for (const std::string &value : candidates(parameter)) {
        std::string extra = ", " + parameter.name + " = " + value;
        std::string with = findCall(op, extra, inputs);
        if (with.empty())
          continue;
        found |= roundTrip(model(with, inputs)).find(parameter.name + " = ") !=
                 std::string::npos;
      }
      EXPECT_TRUE(found) << "'" << parameter.name
                         << "' was written for no value";
    }
  }
  EXPECT_GE(ops, 45);
}

TEST(WriteFm, EveryOptimizerRoundTrips) {
  auto text = [](const std::string &train) {
    return "model t(batch = 4) {\n  input x : f32[batch, 3]\n  loss "
           "mean(dense(x, 2))\n  train " +
           train + "\n}\n";
  };
  for (const OpSignature &op : Recorder::signatures()) {
    if (op.category != "optimizer")
      continue;
    EXPECT_NE(roundTrip(text(op.name + "()")).find("train " + op.name + "\n"),
              std::string::npos);
    for (const auto &parameter : op.parameters) {
      std::string argument =
          (parameter.name == "nesterov" ? "momentum = 0.5, " : "") +
          parameter.name + " = " + candidates(parameter).front();
      EXPECT_NE(roundTrip(text(op.name + "(" + argument + ")"))
                    .find(op.name + "(" + argument + ")"),
                std::string::npos);
    }
  }
}

TEST(WriteFm, EveryInitializerRoundTrips) {
  for (const OpSignature &init : Recorder::signatures()) {
    if (init.category != "initializer")
      continue;
    std::string arguments;
    for (const auto &parameter : init.parameters)
      arguments += (arguments.empty() ? "" : ", ") + parameter.name +
                   (arguments.empty() ? " = -0.75" : " = 0.75");
    std::string value =
        init.name + (arguments.empty() ? "" : "(" + arguments + ")");
    roundTrip(model("dense(a, 2, kernel_init = " + value +
                        ", bias_init = " + value + ")",
                    kInputs[0]));
  }
}

//===----------------------------------------------------------------------===//
// Form
//===----------------------------------------------------------------------===//

TEST(WriteFm, ReadsAsIfWrittenByHand) {
  EXPECT_EQ(roundTrip(R"(
model net(batch = 64, width = 32) {
  input  image : f32[batch, 28, 28, 1]
  target label : i32[batch]
  x = conv2d(image, width, kernel = [3, 3], padding = valid) |> relu |> max_pool2d(2)
  x = conv2d(x, 2 * width, [3, 5], stride = 2) |> relu |> flatten
  logits = dense(x, 10, kernel_init = he_normal)
  output probs = softmax(logits)
  loss   cross_entropy(logits, label)
  metric accuracy(logits, label)
  train  adam(lr = 1e-3)
}
)"),
            R"(model net(batch = 64) {
  input image : f32[batch, 28, 28, 1]
  target label : i32[batch]

  conv2d_1 = conv2d(image, 32, kernel = 3) |> relu |> max_pool2d(2)
  conv2d_2 = conv2d(conv2d_1, 64, kernel = [3, 5], stride = 2) |> relu |> flatten
  dense_1 = dense(conv2d_2, 10, kernel_init = he_normal)

  output probs = softmax(dense_1)
  loss cross_entropy(dense_1, label)
  metric accuracy(dense_1, label)
  train adam
}
)");
}

TEST(WriteFm, NumbersKeepEveryBit) {
  for (const char *expression :
       {"x * 0.1", "x + 3", "2 - x", "x / -3.0e-38", "(-2.0) ** x",
        "x ** (-0.5)", "-x", "-0.0 * x", "x - -1e30",
        "maximum(x, 0.30000001192092896)", "x * 16777217", "1e-45 + x"})
    roundTrip(
        std::string(
            "model t(batch = 2) {\n  input x : f32[batch]\n  output y = ") +
        expression + "\n}\n");
  for (const char *expression :
       {"x * 9223372036854775807", "x + (-9223372036854775807 - 1)",
        "x - 9007199254740993"})
    EXPECT_NE(
        roundTrip(
            std::string(
                "model t(batch = 2) {\n  input x : i64[batch]\n  output y = ") +
            expression + "\n}\n"),
        "");
  EXPECT_EQ(roundTrip("model t {\n  input x : f64[3] with gradient\n  output y "
                      "= x * 0.1\n}\n"),
            "model t {\n  input x : f64[3] with gradient\n\n  output y = x * "
            "0.1\n}\n");
}

TEST(WriteFm, ScopesAndSharedWeightsKeepTheirNames) {
  std::string written = roundTrip(R"(
block tower(x, width) {
  h = dense(x, width) |> relu
  return dense(h, width, name = "top") + dense(h, width)
}
model siamese(batch = 8) {
  input left  : f32[batch, 10]
  input right : f32[batch, 10]
  a = tower(left, 10, name = "tower")
  b = tower(right, 10, name = "tower")
  c = tower(a, 10) + tower(b, 10)
  d = dense(c, 4) |> dense(4, name = "shared") |> dense(4, name = "shared")
  d = dense(d, 5, name = "dense_7") |> dense(6)
  output distance = sum((a - b) ** 2)
  output d
  loss   error = mean(d)
  train only tower.*.*, **.bias, tower_2.dense_1.kernel
  train sgd(lr = 0.5, momentum = 0.25, nesterov = true)
}
)");
  for (const char *expected :
       {"tower_dense_1 = dense(left, 10, name = \"tower.dense_1\") |> relu\n",
        "dense(tower_dense_1, 10, name = \"tower.top\")",
        "name = \"tower_2.dense_2\"", "name = \"shared\"",
        " = dense(add_5, 4)\n",
        "train only tower.*.*, **.bias, tower_2.dense_1.kernel\n",
        "train sgd(lr = 0.5, momentum = 0.25, nesterov = true)\n"})
    EXPECT_NE(written.find(expected), std::string::npos) << expected << "\nin\n"
                                                         << written;
}

TEST(WriteFm, FrozenParametersWithoutAnOptimizer) {
  std::string written = roundTrip(R"(
model m(batch = 8) {
  input x : f32[batch, 10]
  h = batch_norm(x) |> dense(4)
  loss mean(dense(h, 4))
  train only dense_2.*, *_1.bias
}
)");
  EXPECT_NE(written.find("  train only dense_1.bias, dense_2.*\n"),
            std::string::npos)
      << written;
}

TEST(WriteFm, NamesThatMeanSomethingElsewhere) {
  roundTrip(R"(
model m(batch = 2) {
  input input : f32[batch, 3]
  target output : f32[batch, 3]
  a = dense(input, 3, name = "train") |> dense(3, name = "repeat.1x") |> dense(3, name = "0")
  b = dense(a, 3, name = "dense_1") |> dense(3) |> dense(3, name = "loss")
  _unused = relu(b)
  output dense_2 = b
  output relu_1 = a
  output twice = a
  output same_as_input = input
  metric error = mean_error(b, output)
  loss train = mse(b, output)
}
)");
}

TEST(WriteFm, MetricsAndLossesAreNamedAsTheyWere) {
  std::string written = roundTrip(R"(
model m(batch = 2) {
  input x : f32[batch, 3]
  target t : f32[batch, 3]
  e = mean_error(x, t)
  metric first = e
  metric mean_error(x, t)
  metric second = mean(x) + 1
  metric e
  loss mse(x, t) * 2
}
)");
  for (const char *expected :
       {"metric first = mean_error_1\n", "metric mean_error(x, t)\n",
        "metric second = ", "metric e = mean_error_1\n", "  loss mse"})
    EXPECT_NE((written + "  loss mse").find(expected), std::string::npos)
        << expected << "\nin\n"
        << written;
}

} // namespace
