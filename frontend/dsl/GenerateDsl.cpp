//===- GenerateDsl.cpp - Writes fm/dsl_ops.h
//--------------------------------===//
//
// One C++ function an op of the language, from the dialect's signatures:
// tensors and required arguments by position, the others in an aggregate with
// designated initializers. For what takes a tensor first there is a second
// function without it, whose result is applied by `|`.
//
//===----------------------------------------------------------------------===//

#include "frontend/recorder/Recorder.h"

#include <cstdio>
#include <fstream>
#include <iostream>
#include <set>
#include <sstream>

using namespace fm;

namespace {

using Parameter = OpSignature::Parameter;

bool startsWith(const std::string &text, const char *prefix) {
  return text.rfind(prefix, 0) == 0;
}

/// "conv2d" -> "Conv2d".
std::string camelCase(const std::string &name) {
  std::string result;
  bool upper = true;
  for (char c : name) {
    if (c != '_')
      result += upper && c >= 'a' && c <= 'z' ? char(c - 'a' + 'A') : c;
    upper = c == '_';
  }
  return result;
}

/// The C++ type of an argument; "" for one that this program does not know.
std::string typeOf(const std::string &type) {
  static const std::pair<const char *, const char *> types[] = {
      {"int", "Int"},   {"float", "double"},
      {"bool", "bool"}, {"string", "std::string"},
      {"pair", "Pair"}, {"ints", "Ints"},
      {"init", "Init"}};
  for (auto [name, spelling] : types)
    if (type == name)
      return spelling;
  return startsWith(type, "axes")      ? "Axes"
         : startsWith(type, "padding") ? "Padding"
         : startsWith(type, "enum(")   ? "Word"
                                       : "";
}

/// The words of "padding enum(valid|same)".
std::vector<std::string> wordsOf(const std::string &type) {
  std::vector<std::string> words;
  size_t begin = type.find("enum(");
  if (begin == std::string::npos)
    return words;
  std::istringstream list(type.substr(begin + 5, type.rfind(')') - begin - 5));
  for (std::string word; std::getline(list, word, '|');)
    words.push_back(word);
  return words;
}

class Generator {
public:
  bool run();
  std::string text;
  std::string error;

private:
  void words();
  void initializer(const OpSignature &signature);
  void op(const OpSignature &signature);
  void function(const OpSignature &signature, bool isStage);
  void options(const OpSignature &signature);
  std::string defaultOf(const Parameter &parameter);
  void line(const std::string &content) { text += content + "\n"; }

  std::set<std::string> initializersWithArguments;
};

/// A default as C++; {} stands for "not given" where it is another argument's
/// value.
std::string Generator::defaultOf(const Parameter &parameter) {
  const std::string &value = parameter.defaultValue;
  if (parameter.type == "string")
    return "\"" + value + "\"";
  bool isNumber = !value.empty() && value.find_first_not_of("+-.0123456789e") ==
                                        std::string::npos;
  if (parameter.type == "pair" && !isNumber)
    return "{}";
  return initializersWithArguments.count(value) ? value + "()" : value;
}

/// The struct of the optional arguments, if there are any.
void Generator::options(const OpSignature &signature) {
  std::string members;
  for (const Parameter &parameter : signature.parameters) {
    if (parameter.isTensor() || parameter.required)
      continue;
    std::string value = defaultOf(parameter);
    members +=
        "  " + typeOf(parameter.type) + " " + parameter.name + " = " + value +
        ";" +
        (value == "{}" ? " ///< by default, " + parameter.defaultValue : "") +
        "\n";
  }
  if (signature.isLayer)
    members += "  std::string name = \"\"; ///< of the layer; the same name "
               "twice is the same weights\n";
  if (!members.empty())
    line("struct " + camelCase(signature.name) + "Options {\n" + members +
         "};");
}

void Generator::function(const OpSignature &signature, bool isStage) {
  bool isLayer = signature.isLayer;
  bool isOptimizer = signature.category == "optimizer",
       isInitializer = signature.category == "initializer";
  int tensors = 0;
  for (const Parameter &parameter : signature.parameters)
    tensors += parameter.isTensor();
  // Where one tensor is given, the others may be numbers.
  std::string tensorType = tensors > 1 ? "const Operand &" : "const Tensor &";
  std::string parameters, arguments;
  bool hasOptions = isLayer, isFirst = true;
  for (const Parameter &parameter : signature.parameters) {
    bool skip = isStage && isFirst;
    isFirst = false;
    if (skip)
      continue;
    bool isOptional = !parameter.isTensor() && !parameter.required;
    hasOptions |= isOptional;
    arguments += std::string(arguments.empty() ? "" : ",") + "\n      {\"" +
                 parameter.name + "\", detail::value(" +
                 (isOptional ? "options." : "") + parameter.name + ")}";
    if (isOptional)
      continue;
    std::string type = parameter.isVariadic() ? "const std::vector<Tensor> &"
                       : parameter.isTensor() ? tensorType
                       : parameter.type == "ints"
                           ? "const Ints &"
                           : typeOf(parameter.type) + " ";
    parameters += type + parameter.name + ", ";
  }
  if (hasOptions)
    parameters +=
        "const " + camelCase(signature.name) + "Options &options = {}, ";
  if (isLayer)
    arguments += ",\n      {\"name\", detail::value(options.name)}";
  if (isInitializer || isOptimizer)
    parameters =
        parameters.substr(0, parameters.empty() ? 0 : parameters.size() - 2);
  else
    parameters += "Where where = Where::current()";
  std::string head = signature.name + "(" + parameters + ") {\n  return ";
  if (isInitializer) {
    std::string list;
    for (const Parameter &parameter : signature.parameters)
      list += std::string(list.empty() ? "" : ", ") + "{\"" + parameter.name +
              "\", " + (parameter.required ? "" : "options.") + parameter.name +
              "}";
    line("inline Init " + head + "{\"" + signature.name + "\", {" + list +
         "}};\n}");
  } else if (isOptimizer) {
    line("inline Optimizer " + head + "{\"" + signature.name + "\", {" +
         arguments + "}};\n}");
  } else if (isStage) {
    line("inline Stage " + head + "{\"" + signature.name + "\", \"" +
         signature.parameters[0].name + "\", {" + arguments + "}, where};\n}");
  } else {
    line("inline Tensor " + head + "detail::call(\"" + signature.name +
         "\", {" + arguments + "}, where);\n}");
  }
}

void Generator::op(const OpSignature &signature) {
  for (const Parameter &parameter : signature.parameters)
    if (!parameter.isTensor() && typeOf(parameter.type).empty())
      error = signature.name + ": argument '" + parameter.name +
              "' is of type " + parameter.type +
              ", for which the DSL has no C++ type";
  options(signature);
  line("/// " + signature.summary + ".");
  function(signature, false);
  if (!signature.parameters.empty() &&
      signature.parameters[0].type == "tensor") {
    line("/// The same, for a tensor that comes through `|`.");
    function(signature, true);
  }
  line("");
}

void Generator::initializer(const OpSignature &signature) {
  if (signature.parameters.empty()) {
    line("inline constexpr Init " + signature.name + "{\"" + signature.name +
         "\"};\n");
    return;
  }
  initializersWithArguments.insert(signature.name);
  options(signature);
  function(signature, false);
  line("");
}

void Generator::words() {
  std::set<std::string> names, all;
  for (const OpSignature &signature : Recorder::signatures())
    names.insert(signature.name);
  for (const OpSignature &signature : Recorder::signatures())
    for (const Parameter &parameter : signature.parameters)
      for (const std::string &word : wordsOf(parameter.type))
        all.insert(word);
  for (const std::string &word : all)
    if (names.count(word))
      error = "'" + word + "' is both an op and the word of an argument";
    else
      line("inline constexpr Word " + word + "{\"" + word + "\"};");
  line("");
}

bool Generator::run() {
  line("// The ops of the language. Generated from the compiler's table of "
       "ops.");
  line("#ifndef FM_DSL_OPS_H\n#define FM_DSL_OPS_H\n\n#include "
       "<fm/dsl.h>\n\nnamespace fm {\nnamespace dsl {\n");
  words();
  for (const OpSignature &signature : Recorder::signatures())
    if (signature.category == "initializer")
      initializer(signature);
  for (const OpSignature &signature : Recorder::signatures())
    if (signature.category != "initializer")
      op(signature);
  line("} // namespace dsl\n} // namespace fm\n\n#endif // FM_DSL_OPS_H");
  return error.empty();
}

} // namespace

/// `GenerateDsl FILE`.
int main(int argc, char **argv) {
  if (argc != 2) {
    std::cerr << "usage: GenerateDsl FILE\n";
    return 2;
  }
  Generator generator;
  if (!generator.run()) {
    std::cerr << "error: " << generator.error << "\n";
    return 1;
  }
  std::ofstream file(argv[1]);
  file << generator.text;
  file.close();
  if (!file)
    std::cerr << "error: cannot write " << argv[1] << "\n";
  return file ? 0 : 1;
}
