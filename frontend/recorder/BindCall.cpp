//===- BindCall.cpp - Arguments of a call to the parameters of its op -----===//
#include "frontend/recorder/BindCall.h"

#include "frontend/recorder/Arguments.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/ErrorHandling.h"

using namespace mlir;

namespace fm {

/// What came of a mistake that has been reported.
static bool isErrorValue(const Value &value) {
  if (auto *tensor = std::get_if<Tensor>(&value.data))
    return tensor->isError();
  if (auto *list = std::get_if<List>(&value.data))
    return llvm::any_of(*list, isErrorValue);
  if (auto *call = std::get_if<std::shared_ptr<CallValue>>(&value.data))
    return llvm::any_of((*call)->arguments, [](const Argument &argument) {
      return isErrorValue(argument.value);
    });
  return false;
}

static std::string usage(const OpSignature &signature) {
  std::string text = signature.name + "(";
  for (auto [i, parameter] : llvm::enumerate(signature.parameters))
    text += (i ? ", " : "") + parameter.name +
            (parameter.required ? "" : " = " + parameter.defaultValue);
  return text + ")";
}

BoundCall bindCall(Diagnostics &diagnostics, const OpSignature &signature,
                   const std::vector<Argument> &arguments, bool hasName,
                   const Location &loc) {
  BoundCall call;
  call.given.resize(signature.parameters.size());
  size_t next = 0;
  auto fail = [&](const Location &at, std::string message) {
    diagnostics.error(at, signature.name + ": " + message);
    diagnostics.note(at, "use it as " + usage(signature));
    call.failed = true;
  };
  for (const Argument &argument : arguments) {
    if (argument.name.empty()) {
      if (next >= signature.parameters.size()) {
        fail(argument.location,
             "too many arguments, at most " +
                 std::to_string(signature.parameters.size()) + " expected");
        break;
      }
      const auto &parameter = signature.parameters[next];
      // A variadic parameter takes tensors until something else comes.
      if (parameter.isVariadic() &&
          !std::holds_alternative<Tensor>(argument.value.data)) {
        if (auto *list = std::get_if<List>(&argument.value.data); !list)
          ++next;
      }
      if (next >= signature.parameters.size()) {
        fail(argument.location,
             "expected a tensor, got " + describeValue(argument.value));
        break;
      }
      if (!call.given[next].empty() &&
          !signature.parameters[next].isVariadic()) {
        fail(argument.location,
             "'" + signature.parameters[next].name + "' is given twice");
        ++next;
        continue;
      }
      call.given[next].push_back(&argument);
      if (!signature.parameters[next].isVariadic())
        ++next;
      continue;
    }
    if (argument.name == "name" && hasName) {
      if (isErrorValue(argument.value))
        call.silent = true;
      else if (!call.name.empty())
        fail(argument.location, "'name' is given twice");
      else if (auto *text = std::get_if<std::string>(&argument.value.data))
        call.name = *text;
      else if (auto *symbol = std::get_if<Symbol>(&argument.value.data))
        call.name = symbol->name;
      else
        fail(argument.location,
             "'name': expected a string, got " + describeValue(argument.value));
      if (call.name.empty() && !call.failed && !call.silent)
        fail(argument.location, "'name' is empty");
      continue;
    }
    std::vector<std::string> names;
    size_t index = 0;
    for (; index < signature.parameters.size(); ++index) {
      names.push_back(signature.parameters[index].name);
      if (names.back() == argument.name)
        break;
    }
    if (index == signature.parameters.size()) {
      if (hasName)
        names.push_back("name");
      std::string near = nearest(argument.name, names);
      fail(argument.location,
           "no argument '" + argument.name + "'" +
               (near.empty() ? "" : "; did you mean '" + near + "'?"));
      continue;
    }
    if (!call.given[index].empty() &&
        !signature.parameters[index].isVariadic()) {
      fail(argument.location, "'" + argument.name + "' is given twice");
      continue;
    }
    call.given[index].push_back(&argument);
  }
  std::vector<std::string> missing;
  for (auto [i, parameter] : llvm::enumerate(signature.parameters))
    if (parameter.required && call.given[i].empty())
      missing.push_back("'" + parameter.name + "'");
  if (!missing.empty() && !call.failed)
    fail(loc, missing.size() == 1
                  ? "argument " + missing[0] + " is missing"
                  : "arguments " + llvm::join(missing, ", ") + " are missing");
  return call;
}

std::optional<DictionaryAttr> attributesOf(MLIRContext *context,
                                           Diagnostics &diagnostics,
                                           const OpSignature &signature,
                                           const BoundCall &call) {
  NamedAttrList attributes;
  bool failed = false;
  for (auto [i, parameter] : llvm::enumerate(signature.parameters)) {
    if (parameter.isTensor())
      continue;
    std::string message;
    if (!call.given[i].empty()) {
      const Argument &argument = *call.given[i].front();
      if (isErrorValue(argument.value)) {
        failed = true; // reported where it failed
        continue;
      }
      if (Attribute attr = convertArgument(context, parameter.type,
                                           argument.value, message)) {
        attributes.set(parameter.name, attr);
        continue;
      }
      diagnostics.error(argument.location, signature.name + ": '" +
                                               parameter.name +
                                               "': " + message);
      failed = true;
      continue;
    }
    if (Attribute same = attributes.get(parameter.defaultValue)) {
      attributes.set(parameter.name, same);
      continue;
    }
    Attribute attr = convertArgument(
        context, parameter.type, parseDefault(parameter.defaultValue), message);
    if (!attr && !failed)
      llvm::report_fatal_error(llvm::Twine("signature of ") + signature.name +
                               ": " + message);
    attributes.set(parameter.name, attr);
  }
  if (failed)
    return std::nullopt;
  return attributes.getDictionary(context);
}

} // namespace fm
