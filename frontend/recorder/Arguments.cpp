//===- Arguments.cpp - Argument values to attributes
//------------------------===//

#include "frontend/recorder/Arguments.h"
#include "compiler/ir/Support.h"

#include "mlir/IR/Builders.h"

#include "llvm/Support/Format.h"

#include <cmath>

using namespace mlir;

namespace fm {

namespace {
/// The initializers of the language, and the parameters each takes.
struct InitRule {
  const char *name;
  ir::InitKind kind;
  std::vector<std::pair<const char *, double>> parameters; // NaN: required
};
} // namespace

static const std::vector<InitRule> &initRules() {
  using ir::InitKind;
  static const double required = std::nan("");
  static const std::vector<InitRule> rules = {
      {"zeros", InitKind::Constant, {}},
      {"ones", InitKind::Constant, {}},
      {"constant", InitKind::Constant, {{"value", required}}},
      {"normal", InitKind::Normal, {{"mean", 0.0}, {"stddev", 0.05}}},
      {"uniform", InitKind::Uniform, {{"low", -0.05}, {"high", 0.05}}},
      {"glorot_uniform", InitKind::GlorotUniform, {}},
      {"glorot_normal", InitKind::GlorotNormal, {}},
      {"he_uniform", InitKind::HeUniform, {}},
      {"he_normal", InitKind::HeNormal, {}}};
  return rules;
}

std::vector<OpSignature> initializerSignatures() {
  std::vector<OpSignature> result;
  for (const InitRule &rule : initRules()) {
    OpSignature signature{
        rule.name, "an initial value", "initializer", {}, false};
    for (auto [name, value] : rule.parameters) {
      bool required = std::isnan(value);
      std::string text;
      if (!required)
        llvm::raw_string_ostream(text) << llvm::format("%g", value);
      signature.parameters.push_back({name, "float", text, required});
    }
    result.push_back(std::move(signature));
  }
  return result;
}

static std::optional<double> asNumber(const Value &value) {
  if (auto *i = std::get_if<Int>(&value.data))
    return double(i->value);
  if (auto *d = std::get_if<double>(&value.data))
    return *d;
  return std::nullopt;
}

std::string describeValue(const Value &value) {
  struct Visitor {
    std::string operator()(const Tensor &) { return "a tensor"; }
    std::string operator()(const Int &i) { return std::to_string(i.value); }
    std::string operator()(double d) {
      std::string text;
      llvm::raw_string_ostream(text) << llvm::format("%g", d);
      return text;
    }
    std::string operator()(bool b) { return b ? "true" : "false"; }
    std::string operator()(const std::string &s) { return "\"" + s + "\""; }
    std::string operator()(const Symbol &s) { return "'" + s.name + "'"; }
    std::string operator()(const List &list) {
      std::string text = "[";
      for (size_t i = 0; i < list.size(); ++i)
        text += (i ? ", " : "") + describeValue(list[i]);
      return text + "]";
    }
    std::string operator()(const std::shared_ptr<CallValue> &call) {
      return "'" + call->name + "(...)'";
    }
  };
  return std::visit(Visitor{}, value.data);
}

Value parseDefault(const std::string &text) {
  if (text == "true" || text == "false")
    return {text == "true"};
  StringRef ref(text);
  int64_t integer;
  if (!ref.getAsInteger(10, integer))
    return {Int{integer, false}};
  double number;
  if (!ref.getAsDouble(number))
    return {number};
  return {Symbol{text}};
}

/// Integers of a list; a samples mark becomes a dynamic dimension.
static std::optional<SmallVector<int64_t>> asInts(const Value &value,
                                                  bool allowSamples) {
  SmallVector<int64_t> result;
  auto add = [&](const Value &item) {
    auto *i = std::get_if<Int>(&item.data);
    if (i)
      result.push_back(i->samples && allowSamples ? ShapedType::kDynamic
                                                  : i->value);
    return i != nullptr;
  };
  if (auto *list = std::get_if<List>(&value.data)) {
    for (const Value &item : *list)
      if (!add(item))
        return std::nullopt;
    return result;
  }
  if (!add(value))
    return std::nullopt;
  return result;
}

static Attribute convertInit(MLIRContext *context, const Value &value,
                             std::string &message) {
  std::string name;
  std::vector<Argument> arguments;
  if (auto *symbol = std::get_if<Symbol>(&value.data)) {
    name = symbol->name;
  } else if (auto *text = std::get_if<std::string>(&value.data)) {
    name = *text;
  } else if (auto *call =
                 std::get_if<std::shared_ptr<CallValue>>(&value.data)) {
    name = (*call)->name;
    arguments = (*call)->arguments;
  } else {
    message =
        "expected an initializer such as zeros or normal(stddev = 0.02), got " +
        describeValue(value);
    return {};
  }
  const InitRule *rule = nullptr;
  std::vector<std::string> known;
  for (const InitRule &candidate : initRules()) {
    known.push_back(candidate.name);
    if (candidate.name == name)
      rule = &candidate;
  }
  if (!rule) {
    message = "unknown initializer '" + name + "'";
    std::string near = nearest(name, known);
    if (!near.empty())
      message += "; did you mean '" + near + "'?";
    else
      message += "; known are " + llvm::join(known, ", ");
    return {};
  }
  double numbers[2] = {name == "ones" ? 1.0 : 0.0, 0.0};
  for (size_t i = 0; i < rule->parameters.size(); ++i)
    numbers[i] = rule->parameters[i].second;
  size_t position = 0;
  bool given[2] = {};
  for (const Argument &argument : arguments) {
    size_t index = position;
    if (!argument.name.empty()) {
      for (index = 0; index < rule->parameters.size(); ++index)
        if (rule->parameters[index].first == argument.name)
          break;
    } else {
      ++position;
    }
    if (index >= rule->parameters.size()) {
      message = "initializer '" + name + "' has no argument " +
                (argument.name.empty() ? std::to_string(position)
                                       : "'" + argument.name + "'");
      return {};
    }
    if (given[index]) {
      message = "initializer '" + name + "': '" +
                rule->parameters[index].first + "' is given twice";
      return {};
    }
    given[index] = true;
    auto number = asNumber(argument.value);
    if (!number || !std::isfinite(*number)) {
      message = "initializer '" + name + "': '" +
                rule->parameters[index].first + "': expected a number, got " +
                describeValue(argument.value);
      return {};
    }
    numbers[index] = *number;
  }
  if (std::isnan(numbers[0])) {
    message =
        "initializer '" + name + "' needs '" + rule->parameters[0].first + "'";
    return {};
  }
  if (name == "normal" && numbers[1] < 0) {
    message = "initializer 'normal': 'stddev' is " +
              ir::shortNumber(numbers[1]) + ", expected 0 or more";
    return {};
  }
  if (name == "uniform" && numbers[0] > numbers[1]) {
    message = "initializer 'uniform': 'low' is " + ir::shortNumber(numbers[0]) +
              " and 'high' is " + ir::shortNumber(numbers[1]) +
              ", expected low <= high";
    return {};
  }
  return ir::InitAttr::get(context, rule->kind, numbers[0], numbers[1]);
}

Attribute convertArgument(MLIRContext *context, const std::string &type,
                          const Value &value, std::string &message) {
  Builder b(context);
  auto expected = [&](const std::string &what) -> Attribute {
    message = "expected " + what + ", got " + describeValue(value);
    return {};
  };
  auto expectedWord = [&](const std::string &what,
                          std::vector<std::string> words,
                          const std::string &word) -> Attribute {
    expected(what);
    std::string near = nearest(word, words);
    if (!near.empty())
      message += "; did you mean '" + near + "'?";
    return {};
  };
  if (type == "int") {
    if (auto *i = std::get_if<Int>(&value.data))
      return b.getI64IntegerAttr(i->value);
    return expected("an integer");
  }
  if (type == "float") {
    auto number = asNumber(value);
    if (number && std::isfinite(*number))
      return b.getF64FloatAttr(*number);
    return expected(number ? "a finite number" : "a number");
  }
  if (type == "bool") {
    if (auto *flag = std::get_if<bool>(&value.data))
      return b.getBoolAttr(*flag);
    return expected("true or false");
  }
  if (type == "string") {
    if (auto *text = std::get_if<std::string>(&value.data))
      return b.getStringAttr(*text);
    if (auto *symbol = std::get_if<Symbol>(&value.data))
      return b.getStringAttr(symbol->name);
    return expected("a string");
  }
  bool isAxes = StringRef(type).starts_with("axes");
  if (type == "ints" || isAxes) {
    auto *symbol = std::get_if<Symbol>(&value.data);
    if (isAxes && symbol && symbol->name == "all")
      return b.getDenseI64ArrayAttr({});
    auto ints = asInts(value, type == "ints");
    if (ints && !(isAxes && ints->empty()))
      return b.getDenseI64ArrayAttr(*ints);
    return expected(isAxes ? "all, an axis or a list of axes"
                           : "a list of integers");
  }
  if (type == "pair") {
    auto ints = asInts(value, false);
    if (ints && ints->size() == 1)
      ints->push_back(ints->front());
    if (ints && ints->size() == 2)
      return b.getDenseI64ArrayAttr(*ints);
    return expected("an integer or a pair of them");
  }
  if (StringRef(type).starts_with("padding")) {
    std::string word;
    if (auto *symbol = std::get_if<Symbol>(&value.data))
      word = symbol->name;
    if (auto *text = std::get_if<std::string>(&value.data))
      word = *text;
    if (word == "same" || word == "valid")
      return b.getStringAttr(word);
    if (auto ints = asInts(value, false); ints && word.empty()) {
      if (ints->size() == 1)
        ints->push_back(ints->front());
      if (ints->size() == 2)
        return b.getDenseI64ArrayAttr(*ints);
    }
    return expectedWord("same, valid, an integer or a pair of them",
                        {"same", "valid"}, word);
  }
  if (type == "init")
    return convertInit(context, value, message);
  assert(StringRef(type).starts_with("enum(") &&
         "a parameter type nobody converts");
  std::string word;
  if (auto *symbol = std::get_if<Symbol>(&value.data))
    word = symbol->name;
  if (auto *text = std::get_if<std::string>(&value.data))
    word = *text;
  SmallVector<StringRef> choices;
  StringRef(type).drop_front(5).drop_back().split(choices, '|');
  if (llvm::is_contained(choices, word))
    return b.getStringAttr(word);
  std::vector<std::string> words;
  for (StringRef choice : choices)
    words.push_back(choice.str());
  return expectedWord("one of " + llvm::join(words, ", "), words, word);
}

} // namespace fm
