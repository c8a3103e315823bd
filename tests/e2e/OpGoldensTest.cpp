//===- OpGoldensTest.cpp - Each op against PyTorch
//-------------------------===//
//
// The cases of tests/goldens/ops.json, many in one model. A case's part of the
// loss is sum(output * cotangent), so that the model's gradients are the
// golden's, and the gradient of the cotangent is the output as training
// computes it. Every backend, dtype and way of fusing; once with the leading
// dimension as samples, of which there are fewer than the batch holds, and once
// with all dimensions fixed.
//
//===----------------------------------------------------------------------===//

#include "tests/support/Golden.h"
#include "tests/support/Live.h"

#include <gtest/gtest.h>

#include <set>

using namespace fm::test;

namespace {

const std::vector<GoldenCase> &allCases() {
  static const auto cases = readGoldenCases("tests/goldens/ops.json");
  return cases;
}

bool isOptimizer(const GoldenCase &golden) {
  return golden.op == "sgd" || golden.op == "adam";
}

std::string list(const std::vector<int64_t> &numbers) {
  std::string text = "[";
  for (size_t i = 0; i < numbers.size(); ++i)
    text += (i ? ", " : "") + std::to_string(numbers[i]);
  return text + "]";
}

/// A case as statements of a model. Names begin with the case's number.
class CaseText {
public:
  CaseText(const GoldenCase &golden, size_t number, bool samples)
      : golden(golden), prefix("c" + std::to_string(number)), samples(samples) {
    write();
  }

  std::string statements; ///< inputs, outputs
  std::string loss;       ///< a scalar, or ""
  /// Golden input -> the layer's parameter.
  std::map<std::string, std::string> parameters;
  std::map<std::string, std::string> states; ///< golden output -> tensor
  bool inForward = true;

  std::string name(const std::string &part) const {
    return prefix + "_" + part;
  }

private:
  bool training() const { return golden.attributes.value("training", false); }

  /// The samples dimension, of inputs that have one.
  bool leads(const std::vector<int64_t> &shape) const {
    const auto &first = golden.op == "cross_entropy" || golden.op == "accuracy"
                            ? golden.inputs.at("logits")
                        : golden.inputs.count("x") ? golden.inputs.at("x")
                        : golden.inputs.count("a")
                            ? golden.inputs.at("a")
                            : golden.inputs.begin()->second;
    bool label = golden.inputs.count("logits") != 0;
    return samples && !shape.empty() && shape[0] == first.shape[0] &&
           (label || shape.size() == first.shape.size());
  }
  std::string typeText(const std::string &dtype,
                       const std::vector<int64_t> &shape, bool batched) const {
    std::string text = dtype == "f64" ? "f32[" : "i32[";
    for (size_t i = 0; i < shape.size(); ++i)
      text += (i ? ", " : "") +
              (i == 0 && batched ? "batch" : std::to_string(shape[i]));
    return text + "]";
  }
  std::string in(const std::string &part) {
    const GoldenTensor &tensor = golden.inputs.at(part);
    statements += "  input " + name(part) + " : " +
                  typeText(tensor.dtype, tensor.shape, leads(tensor.shape)) +
                  (golden.gradients.count(part) ? " with gradient\n" : "\n");
    return name(part);
  }
  std::string attribute(const std::string &key) const {
    const auto &value = golden.attributes.at(key);
    return value.is_string() ? value.get<std::string>() : value.dump();
  }
  std::string optional(const std::string &key, const std::string &as) const {
    return golden.attributes.contains(key) ? ", " + as + " = " + attribute(key)
                                           : "";
  }

  std::string expression() {
    const std::string &op = golden.op;
    const auto &attributes = golden.attributes;
    if (op == "dense") {
      parameters = {{"kernel", prefix + ".kernel"}, {"bias", prefix + ".bias"}};
      return "dense(" + in("x") + ", " +
             std::to_string(golden.inputs.at("bias").shape[0]) + ", name = \"" +
             prefix + "\")";
    }
    if (op == "conv2d") {
      const auto &kernel = golden.inputs.at("kernel").shape;
      parameters = {{"kernel", prefix + ".kernel"}, {"bias", prefix + ".bias"}};
      return "conv2d(" + in("x") + ", " + std::to_string(kernel[3]) +
             ", kernel = " + list({kernel[0], kernel[1]}) +
             optional("stride", "stride") + optional("padding", "padding") +
             optional("dilation", "dilation") + optional("groups", "groups") +
             ", name = \"" + prefix + "\")";
    }
    if (op == "batch_norm") {
      parameters = {{"scale", prefix + ".gamma"},
                    {"offset", prefix + ".beta"},
                    {"running_mean", prefix + ".moving_mean"},
                    {"running_variance", prefix + ".moving_variance"}};
      if (training())
        states = {{"running_mean", prefix + ".moving_mean"},
                  {"running_variance_biased", prefix + ".moving_variance"}};
      inForward = !training();
      return "batch_norm(" + in("x") + ", momentum = " + attribute("momentum") +
             ", epsilon = " + attribute("eps") + ", name = \"" + prefix + "\")";
    }
    if (op == "layer_norm") {
      parameters = {{"scale", prefix + ".gamma"}, {"offset", prefix + ".beta"}};
      return "layer_norm(" + in("x") + ", epsilon = " + attribute("eps") +
             ", name = \"" + prefix + "\")";
    }
    if (op == "max_pool2d" || op == "avg_pool2d")
      return op + "(" + in("x") + ", " + attribute("kernel") +
             optional("stride", "stride") + optional("padding", "padding") +
             ")";
    if (op == "gelu")
      return "gelu(" + in("x") + ", approximate = " +
             (attribute("approximate") == "tanh" ? "true)" : "false)");
    if (op == "leaky_relu")
      return "leaky_relu(" + in("x") + ", slope = " + attribute("slope") + ")";
    if (op == "pow" && attributes.contains("exponent"))
      return in("x") + " ** (" + attribute("exponent") + ")";
    if (op == "min" || op == "max")
      return op + "imum(" + in("a") + ", " + in("b") + ")";
    if (op.rfind("reduce_", 0) == 0)
      return op.substr(7) + "(" + in("x") + ", axis = " + attribute("axes") +
             ", keepdims = " + attribute("keep") + ")";
    if (op == "transpose")
      return "transpose(" + in("x") + ", axes = " + attribute("permutation") +
             ")";
    if (op == "reshape") {
      auto shape = attributes.at("shape").get<std::vector<int64_t>>();
      std::string text = list(shape);
      if (samples)
        text = "[batch" + text.substr(text.find(','));
      return "reshape(" + in("x") + ", " + text + ")";
    }
    if (op == "concat") {
      std::string text = "concat(";
      for (const auto &[part, tensor] : golden.inputs)
        text += in(part) + ", ";
      return text + "axis = " + attribute("axis") + ")";
    }
    if (op == "slice") {
      std::string text = in("x");
      const auto &shape = golden.inputs.at("x").shape;
      for (size_t axis = 0; axis < shape.size(); ++axis) {
        int64_t begin = attributes.at("begin")[axis];
        int64_t end = attributes.at("end")[axis];
        int64_t step = attributes.at("step")[axis];
        if (begin != 0 || end != shape[axis] || step != 1)
          text += " |> slice(" + std::to_string(axis) + ", " +
                  std::to_string(begin) + ", " + std::to_string(end) + ", " +
                  std::to_string(step) + ")";
      }
      return text;
    }
    if (op == "pad")
      return "pad(" + in("x") + ", before = " + attribute("before") +
             ", after = " + attribute("after") +
             ", value = " + attribute("value") + ")";
    if (op == "mean_absolute_error")
      return "mean_error(" + in("prediction") + ", " + in("target") + ")";
    // Called as it is named, operands in order, perhaps along an axis.
    static const std::vector<std::string> order = {
        "x", "a", "b", "logits", "prediction", "target"};
    std::string text = op + "(";
    for (const std::string &part : order)
      if (golden.inputs.count(part))
        text += (text.back() == '(' ? "" : ", ") + in(part);
    return text + optional("axis", "axis") + ")";
  }

  void write() {
    std::string value = expression();
    const GoldenTensor &y = golden.outputs.count("y")
                                ? golden.outputs.at("y")
                                : golden.outputs.begin()->second;
    statements += "  output " + name("y") + " = " + value + "\n";
    if (golden.gradients.empty() || (golden.op == "batch_norm" && !training()))
      return;
    statements += "  input " + name("cotangent") + " : " +
                  typeText("f64", y.shape, outputLeads(y.shape)) +
                  " with gradient\n";
    loss = "sum(" + name("y") + " * " + name("cotangent") + ")";
  }
  /// Whether the samples dimension is the output's first, too.
  bool outputLeads(const std::vector<int64_t> &shape) const {
    if (!samples || shape.empty())
      return false;
    if (golden.op.rfind("reduce_", 0) == 0)
      for (int64_t axis : golden.attributes.at("axes"))
        if (axis == 0)
          return false;
    return true;
  }

  const GoldenCase &golden;
  std::string prefix;
  bool samples;
};

/// Cases that fit into one model: they agree in the number of samples.
struct Group {
  std::string name;
  bool samples = false;
  int64_t n = 1;
  std::vector<const GoldenCase *> cases;
};

/// With the first dimension as samples this is no model: the op works along
/// the samples or moves them.
bool needsFixedShape(const GoldenCase &golden) {
  static const std::set<std::string> fixed = {"transpose", "argmax.0"};
  return fixed.count(golden.name) != 0;
}

std::vector<Group> makeGroups() {
  constexpr size_t largest = 24;
  std::vector<Group> groups;
  auto add = [&](bool samples, int64_t n, const GoldenCase &golden) {
    for (Group &group : groups)
      if (group.samples == samples && group.n == n &&
          group.cases.size() < largest)
        return group.cases.push_back(&golden);
    std::string name = samples ? "Samples" + std::to_string(n) : "Fixed";
    groups.push_back(
        {name + "_" + std::to_string(groups.size()), samples, n, {&golden}});
  };
  for (const GoldenCase &golden : allCases()) {
    if (isOptimizer(golden))
      continue;
    add(false, 1, golden);
    const auto &inputs = golden.inputs;
    const GoldenTensor &first = inputs.count("x")   ? inputs.at("x")
                                : inputs.count("a") ? inputs.at("a")
                                : inputs.count("logits")
                                    ? inputs.at("logits")
                                    : inputs.begin()->second;
    if (!needsFixedShape(golden))
      add(true, first.shape[0], golden);
  }
  return groups;
}

/// What the network says of one case, against the golden.
void compareOutput(const GoldenCase &golden, const CaseText &text,
                   const Network &network, double tolerance) {
  if (text.inForward)
    EXPECT_NUMBERS(network.get(text.name("y")), golden.outputs.at("y").data,
                   tolerance);
}
void compareTraining(const GoldenCase &golden, const CaseText &text,
                     Network &network, double tolerance) {
  if (text.loss.empty())
    return;
  EXPECT_NUMBERS(network.get(text.name("cotangent") + "_gradient"),
                 golden.outputs.at("y").data, tolerance)
      << "the output in training";
  for (const auto &[part, gradient] : golden.gradients) {
    SCOPED_TRACE("gradient of " + part);
    auto parameter = text.parameters.find(part);
    EXPECT_NUMBERS(parameter != text.parameters.end()
                       ? network.gradient(parameter->second)
                       : network.get(text.name(part) + "_gradient"),
                   gradient.data, tolerance);
  }
  for (const auto &[output, tensor] : text.states)
    EXPECT_NUMBERS(network.tensor(tensor), golden.outputs.at(output).data,
                   tolerance)
        << output;
}

void checkGroup(const Group &group, const Variant &variant) {
  std::string model =
      group.samples
          ? "model ops(batch = " + std::to_string(group.n + 2) + ") {\n"
          : "model ops {\n";
  std::string loss;
  std::vector<CaseText> texts;
  for (const GoldenCase *golden : group.cases) {
    texts.emplace_back(*golden, texts.size(), group.samples);
    model += texts.back().statements;
    if (!texts.back().loss.empty())
      loss += (loss.empty() ? "" : " + ") + texts.back().loss;
  }
  if (!loss.empty())
    model += "  loss " + loss + "\n";
  model += "}\n";
  SCOPED_TRACE(model);

  Network network(model, variant);
  for (size_t i = 0; i < texts.size(); ++i) {
    const GoldenCase &golden = *group.cases[i];
    for (const auto &[part, tensor] : golden.inputs) {
      auto parameter = texts[i].parameters.find(part);
      if (parameter != texts[i].parameters.end())
        network.setTensor(parameter->second, tensor.data);
      else
        network.set(texts[i].name(part), tensor.data);
    }
    network.set(texts[i].name("cotangent"), golden.cotangent.data);
  }
  // Exponentials and powers of numbers near 2 lose a few bits in f32.
  double tolerance = variant.widen ? 1e-12 : 4e-6;
  network.call("forward", group.n);
  for (size_t i = 0; i < texts.size(); ++i) {
    SCOPED_TRACE(group.cases[i]->name);
    compareOutput(*group.cases[i], texts[i], network, tolerance);
  }
  if (loss.empty())
    return;
  network.call("gradients", group.n);
  for (size_t i = 0; i < texts.size(); ++i) {
    SCOPED_TRACE(group.cases[i]->name);
    compareTraining(*group.cases[i], texts[i], network, tolerance);
  }
}

class OpGoldens : public testing::TestWithParam<Variant> {};
std::string variantName(const testing::TestParamInfo<Variant> &info) {
  return info.param.name();
}

TEST_P(OpGoldens, SamplesAndFixedShapes) {
  for (const Group &group : makeGroups()) {
    // Fixed shapes differ in the kernels' bounds only.
    if (!group.samples && (!GetParam().fuse || !GetParam().layout || GetParam().widen))
      continue;
    SCOPED_TRACE(group.name);
    try {
      checkGroup(group, GetParam());
    } catch (const std::exception &error) {
      std::string names;
      for (const GoldenCase *golden : group.cases)
        names += " " + golden->name;
      ADD_FAILURE() << group.name << ":" << names << "\n" << error.what();
    }
  }
}
INSTANTIATE_TEST_SUITE_P(E2e, OpGoldens,
                         testing::Values(Variant{"halide", true, false},
                                         Variant{"halide", true, true},
                                         Variant{"halide", false, false},
                                         // Neither layouts nor sums that round differently.
                                         Variant{"halide", true, false, {}, false, true},
                                         Variant{"reference", true, false},
                                         Variant{"reference", true, true}),
                         variantName);

//===----------------------------------------------------------------------===//
// Optimizers
//===----------------------------------------------------------------------===//

/// kernel [1, 6] and x = 1: the gradient of sum(dense(x) * g) is g.
std::string optimizerModel(const GoldenCase &golden) {
  std::string options;
  for (const auto &[key, value] : golden.attributes.items())
    options += (options.empty() ? "" : ", ") +
               (key == "eps" ? std::string("epsilon") : key) + " = " +
               value.dump();
  return "model update(batch = 1) {\n"
         "  input x : f32[batch, 1]\n"
         "  input g : f32[6]\n"
         "  loss sum(dense(x, 6, bias = false, name = \"p\") * g)\n"
         "  train " +
         golden.op + "(" + options + ")\n}\n";
}

class OptimizerGoldens : public testing::TestWithParam<Variant> {};
TEST_P(OptimizerGoldens, TrainStepAndApplyGradients) {
  double tolerance = GetParam().widen ? 1e-14 : 1e-6;
  for (const GoldenCase &golden : allCases()) {
    if (!isOptimizer(golden))
      continue;
    SCOPED_TRACE(golden.name);
    Code code = compile(optimizerModel(golden), GetParam());
    Network step(code), apply(code);
    for (Network *network : {&step, &apply})
      network->setTensor("p.kernel", golden.inputs.at("parameter").data);
    const Numbers &gradients = golden.inputs.at("gradients").data;
    const Numbers &expected = golden.outputs.at("y").data;
    step.set("x", {1});
    for (size_t update = 0; update < 5; ++update) {
      auto part = [&](const Numbers &all) {
        return Numbers(all.begin() + 6 * update, all.begin() + 6 * update + 6);
      };
      step.set("g", part(gradients));
      step.call("train_step", 1);
      EXPECT_NUMBERS(step.tensor("p.kernel"), part(expected), tolerance);
      apply.setGradient("p.kernel", part(gradients));
      apply.call("apply_gradients", 1);
      EXPECT_NUMBERS(apply.tensor("p.kernel"), part(expected), tolerance);
    }
    EXPECT_EQ(fm_get_step(step.instance()), 5);
  }
}
INSTANTIATE_TEST_SUITE_P(E2e, OptimizerGoldens,
                         testing::Values(Variant{"halide", true, false},
                                         Variant{"halide", true, true},
                                         Variant{"reference", true, false}),
                         variantName);

} // namespace
