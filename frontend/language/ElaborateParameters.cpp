//===- ElaborateParameters.cpp - A model's parameters and `-D` ------------===//
#include "frontend/language/ElaboratorImpl.h"

#include <charconv>
#include <limits>

namespace fm {

using namespace ast;

namespace {

/// What a parameter may be set to: the kind of its default.
enum class Wanted { Anything, Integer, Number, Bool, String, Word, Nothing };

/// Judged by the text of the default, which need not be valid when it is not
/// used.
Wanted wantedBy(const Expr &expr,
                const std::unordered_map<std::string, Wanted> &earlier) {
  if (std::holds_alternative<ast::Integer>(expr.node))
    return Wanted::Integer;
  if (std::holds_alternative<ast::Float>(expr.node))
    return Wanted::Number;
  if (std::holds_alternative<ast::Bool>(expr.node))
    return Wanted::Bool;
  if (std::holds_alternative<ast::String>(expr.node))
    return Wanted::String;
  if (auto *node = std::get_if<Negate>(&expr.node))
    return wantedBy(*node->operand, earlier);
  if (auto *node = std::get_if<Chain>(&expr.node)) {
    Wanted wanted = wantedBy(*node->first, earlier);
    for (const Chain::Link &link : node->links)
      if (wantedBy(*link.operand, earlier) != Wanted::Integer)
        wanted = Wanted::Number;
    return wanted;
  }
  if (auto *node = std::get_if<Name>(&expr.node)) {
    auto found = earlier.find(node->name);
    return found == earlier.end() ? Wanted::Word : found->second;
  }
  return Wanted::Nothing; // lists, initializers with arguments
}

template <typename Number>
bool parseWhole(const std::string &text, Number &to) {
  const char *end = text.data() + text.size();
  auto [rest, code] = std::from_chars(text.data(), end, to);
  return code == std::errc() && rest == end;
}

/// The value that `text` stands for by itself.
Value parseValue(const std::string &text) {
  int64_t integer = 0;
  double number = 0;
  if (parseWhole(text, integer))
    return {Int{integer}};
  if (parseWhole(text, number) && number - number == 0) // no inf, no nan
    return {number};
  if (text == "true" || text == "false")
    return {text == "true"};
  return {text};
}

bool isWord(const std::string &text) {
  return !text.empty() && !(text[0] >= '0' && text[0] <= '9') &&
         std::all_of(text.begin(), text.end(), [](char c) {
           return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                  (c >= '0' && c <= '9') || c == '_';
         });
}

const char *describe(Wanted wanted) {
  switch (wanted) {
  case Wanted::Integer:
    return "an integer";
  case Wanted::Number:
    return "a number";
  case Wanted::Bool:
    return "true or false";
  case Wanted::Word:
    return "a word";
  default:
    return "a string";
  }
}

/// Makes `value` of `text` if that is what is wanted.
bool convert(const std::string &text, Wanted wanted, Value &value) {
  value = parseValue(text);
  switch (wanted) {
  case Wanted::Anything:
    return true;
  case Wanted::Integer:
    return std::holds_alternative<Int>(value.data);
  case Wanted::Number:
    if (const Int *integer = std::get_if<Int>(&value.data))
      value = {double(integer->value)};
    return std::holds_alternative<double>(value.data);
  case Wanted::Bool:
    return std::holds_alternative<bool>(value.data);
  case Wanted::String:
    value = {text};
    return true;
  case Wanted::Word:
    value = {Symbol{text}};
    return isWord(text);
  case Wanted::Nothing:
    break;
  }
  return false;
}

} // namespace

void Elaborator::modelParameters(const std::vector<Override> &overrides) {
  const Location commandLine;
  std::unordered_map<std::string, std::string> given;
  for (const Override &override : overrides)
    given[override.name] = override.value; // the last one counts
  std::vector<std::string> names;
  for (const Parameter &parameter : theModel->parameters)
    names.push_back(parameter.name.name);

  for (const Override &override : overrides) {
    const std::string &name = override.name;
    if (std::find(names.begin(), names.end(), name) != names.end() ||
        !theModel->validHeader)
      continue;
    std::string meant = nearest(name, names), list;
    for (const std::string &known : names)
      list += (list.empty() ? "" : ", ") + known;
    Diagnostic &failed = diagnostics.error(
        commandLine,
        "-D " + name + "=" + override.value + ": model " +
            quote(theModel->name.name) + " has no parameter " + quote(name) +
            (meant.empty() ? "" : "; did you mean " + quote(meant) + "?"));
    note(&failed, theModel->name.range,
         names.empty() ? "it has no parameters" : "its parameters are " + list);
  }

  std::unordered_map<std::string, Wanted> kinds;
  for (const Parameter &parameter : theModel->parameters) {
    const Identifier &name = parameter.name;
    Wanted wanted = parameter.defaultValue
                        ? wantedBy(*parameter.defaultValue, kinds)
                        : Wanted::Anything;
    if (name.name == "batch")
      wanted = Wanted::Integer;
    kinds[name.name] = wanted;

    Value value;
    auto override = given.find(name.name);
    bool isGiven = override != given.end();
    if (isGiven && !convert(override->second, wanted, value)) {
      Diagnostic &failed = diagnostics.error(
          commandLine, "-D " + name.name + "=" + override->second + ": " +
                           (wanted == Wanted::Nothing
                                ? "this parameter cannot be set from outside"
                                : std::string("expected ") + describe(wanted)));
      note(&failed, name.range, quote(name.name) + " is defined here");
      isGiven = false;
    }
    if (!isGiven && parameter.defaultValue) {
      value = evalDynamic(*parameter.defaultValue);
    } else if (!isGiven && theModel->validHeader) {
      note(error(name.range, "parameter " + quote(name.name) + " has no value"),
           name.range,
           "give it a default, or set it with -D " + name.name + "=...");
    }
    Range range =
        parameter.defaultValue ? parameter.defaultValue->range : name.range;
    if (name.name == "batch")
      batchParameter(value, isGiven ? nullptr : &range);
    define(name, std::move(value), Kind::Parameter);
  }
}

/// `batch` is the number of samples, whatever number it is.
void Elaborator::batchParameter(Value &value, const Range *range) {
  constexpr int64_t largest = std::numeric_limits<int32_t>::max();
  auto wrong = [&](const std::string &message) {
    if (range)
      error(*range, message);
    else
      diagnostics.error({}, "-D batch: " + message);
  };
  const Int *batch = std::get_if<Int>(&value.data);
  int64_t count = 1;
  if (batch && batch->value >= 1 && batch->value <= largest)
    count = batch->value;
  else if (batch)
    wrong("'batch' is from 1 to " + std::to_string(largest) + ", not " +
          std::to_string(batch->value));
  else if (!isError(value))
    wrong("'batch' is an integer, not " + describe(value));
  value = {Int{count, /*samples=*/true}};
}

} // namespace fm
