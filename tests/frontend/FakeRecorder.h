//===- FakeRecorder.h - A recorder that writes down what it is told -------===//
//
// Knows a few ops, no shapes but the simplest, and keeps a line of text for
// each call: `%2 = conv2d(%0, 32, kernel = 3)`.
//
//===----------------------------------------------------------------------===//
#ifndef FM_TESTS_FRONTEND_FAKERECORDER_H
#define FM_TESTS_FRONTEND_FAKERECORDER_H

#include "frontend/recorder/RecorderInterface.h"

#include <sstream>

namespace fm::test {

inline std::string text(const Int &value) {
  return value.samples ? "batch:" + std::to_string(value.value)
                       : std::to_string(value.value);
}

inline std::string text(const TensorType &type) {
  const char *names[] = {"f32", "f64", "i32", "i64", "bool"};
  std::string result = names[int(type.dtype)], separator = "[";
  for (const Int &extent : type.shape) {
    result += separator + text(extent);
    separator = ", ";
  }
  return result + (type.shape.empty() ? "" : "]");
}

std::string inline text(const std::vector<Argument> &arguments);

inline std::string text(const Value &value) {
  struct Visitor {
    std::string operator()(const Tensor &tensor) {
      return tensor.isError() ? "%error" : "%" + std::to_string(tensor.id);
    }
    std::string operator()(const Int &value) { return text(value); }
    std::string operator()(double value) {
      std::ostringstream stream;
      stream << value;
      std::string result = stream.str();
      bool looksInteger = result.find_first_of(".e") == std::string::npos;
      return result + (looksInteger ? ".0" : "");
    }
    std::string operator()(bool value) { return value ? "true" : "false"; }
    std::string operator()(const std::string &value) {
      return '"' + value + '"';
    }
    std::string operator()(const Symbol &value) { return value.name; }
    std::string operator()(const List &list) {
      std::string result;
      for (const Value &element : list)
        result += (result.empty() ? "" : ", ") + text(element);
      return "[" + result + "]";
    }
    std::string operator()(const std::shared_ptr<CallValue> &call) {
      return call->name + "(" + text(call->arguments) + ")";
    }
  };
  return std::visit(Visitor{}, value.data);
}

std::string inline text(const std::vector<Argument> &arguments) {
  std::string result;
  for (const Argument &argument : arguments) {
    result += result.empty() ? "" : ", ";
    if (!argument.name.empty())
      result += argument.name + " = ";
    result += text(argument.value);
  }
  return result;
}

class FakeRecorder : public RecorderInterface {
public:
  explicit FakeRecorder(bool logs = true) : logs(logs) {}

  std::string log;
  Diagnostics collected;
  /// Appends " @line:column+length" to each line.
  bool locations = false;
  unsigned callCount = 0;

  void beginModel(const std::string &name, int64_t batch,
                  const Location &loc) override {
    line("model " + name + ", batch " + std::to_string(batch), loc);
  }
  Tensor input(const std::string &name, const TensorType &type,
               bool withGradient, const Location &loc) override {
    Tensor made = make(type);
    line(text({made}) + " = input " + name + " : " + text(type) +
             (withGradient ? " with gradient" : ""),
         loc);
    return made;
  }
  Tensor target(const std::string &name, const TensorType &type,
                const Location &loc) override {
    Tensor made = make(type);
    line(text({made}) + " = target " + name + " : " + text(type), loc);
    return made;
  }
  Tensor call(const std::string &op, const std::vector<Argument> &arguments,
              const Location &loc) override {
    ++callCount;
    TensorType type;
    for (const Argument &argument : arguments) {
      const Tensor *tensor = std::get_if<Tensor>(&argument.value.data);
      if (tensor && tensor->isError())
        return {};
      if (tensor && type.shape.empty())
        type = types[tensor->id];
    }
    if (op == "fail") {
      collected.error(loc, "fail: always fails");
      return {};
    }
    if (op == "dense" && !type.shape.empty() && arguments.size() > 1)
      if (const Int *units = std::get_if<Int>(&arguments[1].value.data))
        type.shape.back() = {units->value};
    if (op == "sum")
      type.shape.clear();
    Tensor made = make(type);
    line(text({made}) + " = " + op + "(" + text(arguments) + ")", loc);
    if (locations)
      for (const Argument &argument : arguments)
        line("  " + text(argument.value), argument.location);
    return made;
  }
  void pushScope(const std::string &base, const std::string &given,
                 const Location &loc) override {
    line("scope " + base + " '" + given + "' {", loc);
  }
  void popScope() override { line("}", {}); }
  void output(const std::string &name, Tensor value,
              const Location &loc) override {
    line("output " + name + " = " + text({value}), loc);
  }
  void loss(const std::string &name, Tensor value,
            const Location &loc) override {
    line("loss " + name + " = " + text({value}), loc);
  }
  void metric(const std::string &name, Tensor value,
              const Location &loc) override {
    line("metric " + name + " = " + text({value}), loc);
  }
  void train(const std::string &optimizer,
             const std::vector<Argument> &arguments,
             const Location &loc) override {
    line("train " + optimizer + "(" + text(arguments) + ")", loc);
  }
  void trainOnly(const std::string &pattern, const Location &loc) override {
    line("train only " + pattern, loc);
  }
  bool endModel(const Location &loc) override {
    line("end", loc);
    return !collected.hasErrors();
  }
  TensorType typeOf(Tensor tensor) const override { return types[tensor.id]; }
  Diagnostics &diagnostics() override { return collected; }

  const std::vector<OpSignature> &ops() const override {
    static const std::vector<OpSignature> table = makeTable();
    return table;
  }

private:
  Tensor make(const TensorType &type) {
    types.push_back(type);
    return {int(types.size()) - 1};
  }

  void line(const std::string &text, const Location &loc) {
    if (!logs)
      return;
    log += text;
    if (locations && loc.line)
      log += " @" + std::to_string(loc.line) + ":" +
             std::to_string(loc.column) + "+" + std::to_string(loc.length);
    log += '\n';
  }

  static std::vector<OpSignature> makeTable() {
    using Parameter = OpSignature::Parameter;
    const Parameter x{"x", "tensor", "", true};
    const Parameter bias{"bias_init", "init", "zeros", false};
    const Parameter kernel{"kernel_init", "init", "glorot_uniform", false};
    const Parameter padding{"padding", "enum(valid|same)", "valid", false};
    const Parameter lr{"lr", "float", "1e-3", false};
    std::vector<OpSignature> table = {
        {"dense", "", "layer", {x, {"units", "int", "", true}, kernel, bias}},
        {"conv2d",
         "",
         "layer",
         {x,
          {"filters", "int", "", true},
          {"kernel", "pair", "", true},
          {"stride", "pair", "1", false},
          padding,
          kernel,
          bias}},
        {"max_pool2d", "", "layer", {x, {"size", "pair", "", true}, padding}},
        {"embedding",
         "",
         "layer",
         {x, {"size", "int", "", true}, {"width", "int", "", true}}},
        {"position_embedding",
         "",
         "layer",
         {{"length", "int", "", true}, {"width", "int", "", true}}},
        {"self_attention", "", "layer", {x, {"heads", "int", "", true}}},
        {"concat",
         "",
         "shape",
         {{"xs", "tensor...", "", true}, {"axis", "int", "-1", false}}},
        {"mse",
         "",
         "loss",
         {x, x, {"reduction", "enum(mean|sum)", "mean", false}}},
        {"cross_entropy", "", "loss", {x, {"label", "tensor", "", true}}},
        {"accuracy", "", "metric", {x, {"label", "tensor", "", true}}},
        {"dropout", "", "layer", {x, {"rate", "float", "", true}}},
        {"adam", "", "optimizer", {lr}},
        {"sgd", "", "optimizer", {lr, {"momentum", "float", "0", false}}},
        {"normal", "", "initializer", {{"stddev", "float", "0.05", false}}},
        {"constant", "", "initializer", {{"value", "float", "", true}}}};
    for (const char *name :
         {"relu", "gelu", "softmax", "flatten", "layer_norm", "sum", "mean",
          "fail", "sigmoid", "tanh", "transpose", "batch_norm",
          "global_avg_pool2d", "add", "sub", "mul", "div", "pow", "neg"})
      table.push_back({name, "", "activation", {x}});
    for (const char *name : {"glorot_uniform", "he_normal", "zeros", "ones"})
      table.push_back({name, "", "initializer", {}});
    return table;
  }

  bool logs;
  std::vector<TensorType> types;
};

} // namespace fm::test

#endif // FM_TESTS_FRONTEND_FAKERECORDER_H
