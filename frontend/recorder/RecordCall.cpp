//===- RecordCall.cpp - One call of an op
//-----------------------------------===//
//
// Binds arguments to the op's signature, converts them, makes the parameters of
// a layer, infers the result's type. Every mistake in a call is reported.
//
//===----------------------------------------------------------------------===//

#include "frontend/recorder/Arguments.h"
#include "frontend/recorder/RecorderImpl.h"

#include "compiler/ir/Support.h"

#include "mlir/IR/Verifier.h"

#include <cmath>

using namespace mlir;

namespace fm {

namespace {
/// A call being bound to a signature.
struct BoundCall {
  std::vector<std::vector<const Argument *>> given; ///< a list a parameter
  std::string name;                                 ///< of the layer
  bool failed = false;
  bool silent = false; ///< an argument failed before
};
} // namespace

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

static const OpSignature *findSignature(const std::string &op) {
  for (const OpSignature &signature : Recorder::signatures())
    if (signature.name == op)
      return &signature;
  return nullptr;
}

static bool isTensor(const OpSignature::Parameter &parameter) {
  return StringRef(parameter.type).starts_with("tensor");
}
static bool isVariadic(const OpSignature::Parameter &parameter) {
  return parameter.type == "tensor...";
}

static std::string usage(const OpSignature &signature) {
  std::string text = signature.name + "(";
  for (auto [i, parameter] : llvm::enumerate(signature.parameters))
    text += (i ? ", " : "") + parameter.name +
            (parameter.required ? "" : " = " + parameter.defaultValue);
  return text + ")";
}

/// Distributes the arguments over the parameters.
static BoundCall bind(Diagnostics &diagnostics, const OpSignature &signature,
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
      if (isVariadic(parameter) &&
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
          !isVariadic(signature.parameters[next])) {
        fail(argument.location,
             "'" + signature.parameters[next].name + "' is given twice");
        ++next;
        continue;
      }
      call.given[next].push_back(&argument);
      if (!isVariadic(signature.parameters[next]))
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
        !isVariadic(signature.parameters[index])) {
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

std::optional<std::vector<mlir::Value>> Recorder::Impl::layerParameters(
    RegisteredOperationName op, ArrayRef<mlir::Value> inputs,
    DictionaryAttr attributes, const std::string &given, const Location &loc) {
  auto specs = op.getInterface<ir::LayerOpInterface>()->getParameterSpecs(
      locate(loc), ValueRange(inputs).getTypes(), attributes);
  if (mlir::failed(specs))
    return std::nullopt;
  Scope &scope = scopes.back();
  std::string base = op.stripDialect().str();
  std::string name = given;
  if (!given.empty() && !checkPath(base, given, loc))
    return std::nullopt;
  if (name.empty()) {
    // In a scope that is entered again, the layers without a name are those of
    // the first time, in the same order.
    auto taken = [&] {
      auto layer = layers.find(scope.path + name);
      return layer != layers.end() && (!scope.reentered || layer->second.named);
    };
    do
      name = base + "_" + std::to_string(++scope.counters[base]);
    while (taken());
  }
  std::string path = scope.path + name;
  for (const ir::ParameterSpec &spec : *specs)
    if (!checkTensor(base + ": parameter '" + spec.name + "'", spec.type, loc))
      return std::nullopt;
  auto [it, isNew] = layers.try_emplace(path);
  Layer &layer = it->second;
  if (isNew) {
    layer.op = base;
    layer.named = !given.empty();
    layer.location = loc;
    for (const ir::ParameterSpec &spec : *specs)
      layer.parameters.push_back(builder.create<ir::ParameterOp>(
          locate(loc), spec.type, path + "." + spec.name, spec.init, spec.fanIn,
          spec.fanOut, spec.state, false));
    return layer.parameters;
  }
  // The same weights again: they must fit.
  auto refuse = [&](std::string message) {
    diagnostics.error(loc, message);
    diagnostics.note(layer.location, "the first '" + path + "' is here");
    return std::nullopt;
  };
  if (!layer.named && !given.empty())
    return refuse(base + ": the name '" + path +
                  "' is that of a layer without a name; give that one a name, "
                  "too, to share its weights");
  if (layer.op != base)
    return refuse(base + ": '" + path + "' is a " + layer.op + " already");
  bool fits = layer.parameters.size() == specs->size();
  for (size_t i = 0; fits && i < specs->size(); ++i) {
    if (layer.parameters[i].getType() == (*specs)[i].type)
      continue;
    return refuse(base + ": shared '" + path + "." + (*specs)[i].name +
                  "' is " + ir::toString(layer.parameters[i].getType()) +
                  ", needed is " + ir::toString((*specs)[i].type));
  }
  if (!fits) {
    std::string has, needs;
    for (mlir::Value parameter : layer.parameters)
      has +=
          (has.empty() ? "" : ", ") + parameter.getDefiningOp<ir::ParameterOp>()
                                          .getName()
                                          .drop_front(path.size() + 1)
                                          .str();
    for (const ir::ParameterSpec &spec : *specs)
      needs += (needs.empty() ? "" : ", ") + spec.name;
    return refuse(base + ": '" + path + "' has the parameters " + has +
                  "; this call needs " + needs);
  }
  return layer.parameters;
}

/// Attributes of a call: given values, else defaults. A default that names
/// another parameter takes its value.
static std::optional<DictionaryAttr>
convertAttributes(MLIRContext *context, Diagnostics &diagnostics,
                  const OpSignature &signature, const BoundCall &call) {
  NamedAttrList attributes;
  bool failed = false;
  for (auto [i, parameter] : llvm::enumerate(signature.parameters)) {
    if (isTensor(parameter))
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

/// A number as an element of a tensor; null if it does not fit.
static TypedAttr numberOf(Type element, const Value &value) {
  auto *integer = std::get_if<Int>(&value.data);
  double number =
      integer ? double(integer->value) : std::get<double>(value.data);
  if (auto type = dyn_cast<FloatType>(element)) {
    FloatAttr attr = FloatAttr::get(type, number);
    return attr.getValue().isFinite() ? attr : FloatAttr();
  }
  // Beyond 2^53 doubles are whole, but not what was meant.
  if (!integer &&
      (number != std::floor(number) || std::abs(number) > 9007199254740992.0))
    return {};
  int64_t whole = integer ? integer->value : int64_t(number);
  unsigned width = element.getIntOrFloatBitWidth();
  if (width == 1 ? whole != 0 && whole != 1 : !llvm::isIntN(width, whole))
    return {};
  return IntegerAttr::get(element, whole);
}

Tensor Recorder::call(const std::string &op,
                      const std::vector<Argument> &arguments,
                      const Location &loc) {
  Impl &s = *state;
  MLIRContext *context = s.ownContext.get();
  const OpSignature *signature = findSignature(op);
  if (!signature) {
    std::vector<std::string> names;
    for (const OpSignature &candidate : signatures())
      names.push_back(candidate.name);
    std::string near = nearest(op, names);
    s.diagnostics.error(
        loc, "unknown op '" + op + "'" +
                 (near.empty() ? "" : "; did you mean '" + near + "'?"));
    return {};
  }
  if (signature->category == "optimizer" ||
      signature->category == "initializer") {
    s.diagnostics.error(loc, "'" + op + "' is an " + signature->category +
                                 ", not an op on tensors");
    s.diagnostics.note(loc,
                       signature->category == "optimizer"
                           ? "write 'train " + op + "(...)'"
                           : "it is a value for arguments such as kernel_init");
    return {};
  }
  auto name = *RegisteredOperationName::lookup("fm." + op, context);
  bool isLayer = name.hasInterface<ir::LayerOpInterface>();
  BoundCall call = bind(s.diagnostics, *signature, arguments, isLayer, loc);
  if (call.failed)
    return {};

  // Operands. A number takes the type of the first tensor.
  SmallVector<mlir::Value> operands;
  SmallVector<std::pair<size_t, const Value *>> numbers;
  bool silent = call.silent, bad = false;
  Type element;
  auto addOperand = [&](const Value &value,
                        const OpSignature::Parameter &parameter,
                        const Location &at) {
    if (auto *tensor = std::get_if<Tensor>(&value.data)) {
      if (tensor->isError()) {
        silent = true;
        return;
      }
      operands.push_back(s.tensors[tensor->id]);
      if (!element)
        element = getElementTypeOrSelf(operands.back().getType());
      return;
    }
    bool isNumber = std::holds_alternative<Int>(value.data) ||
                    std::holds_alternative<double>(value.data);
    if (isNumber && !isVariadic(parameter)) {
      numbers.push_back({operands.size(), &value});
      operands.push_back({});
      return;
    }
    s.diagnostics.error(at, op + ": '" + parameter.name +
                                "': expected a tensor, got " +
                                describeValue(value));
    bad = true;
  };
  for (auto [i, parameter] : llvm::enumerate(signature->parameters)) {
    if (!isTensor(parameter))
      continue;
    for (const Argument *argument : call.given[i]) {
      auto *list = std::get_if<List>(&argument->value.data);
      if (list && isVariadic(parameter))
        for (const Value &item : *list)
          addOperand(item, parameter, argument->location);
      else
        addOperand(argument->value, parameter, argument->location);
    }
  }
  auto attributes = convertAttributes(context, s.diagnostics, *signature, call);
  if (silent || bad || !attributes)
    return {};
  mlir::Location location = s.locate(loc);
  if (!element && !numbers.empty()) {
    s.diagnostics.error(loc, op + ": needs a tensor, got numbers only");
    return {};
  }
  for (auto [index, number] : numbers) {
    TypedAttr value = numberOf(element, *number);
    if (!value) {
      s.diagnostics.error(loc, op + ": the number " + describeValue(*number) +
                                   " does not fit a tensor of " +
                                   ir::toString(element));
      return {};
    }
    auto scalar = RankedTensorType::get({}, element);
    operands[index] = s.builder.create<ir::ConstantOp>(
        location, DenseElementsAttr::get(scalar, Attribute(value)));
  }

  // What inference and parameter making report belongs to this call.
  bool verifying = false;
  ScopedDiagnosticHandler handler(context, [&](mlir::Diagnostic &diagnostic) {
    if (diagnostic.getSeverity() == DiagnosticSeverity::Error && !verifying)
      s.diagnostics.error(loc, diagnostic.str());
    return success();
  });
  if (isLayer) {
    for (mlir::Value operand : operands)
      if (!isa<FloatType>(getElementTypeOrSelf(operand.getType()))) {
        s.diagnostics.error(loc, op + ": needs a tensor of f32 or f64, got " +
                                     ir::toString(operand.getType()));
        return {};
      }
    auto parameters =
        s.layerParameters(name, operands, *attributes, call.name, loc);
    if (!parameters)
      return {};
    operands.append(parameters->begin(), parameters->end());
  }
  SmallVector<Type> types;
  auto *inference = name.getInterface<InferTypeOpInterface>();
  OperationState operation(location, name.getStringRef());
  operation.addOperands(operands);
  operation.addAttributes(attributes->getValue());
  if (mlir::failed(
          inference->inferReturnTypes(context, location, operands, *attributes,
                                      OpaqueProperties(nullptr), {}, types)) ||
      !s.checkTensor(op + ": the result", cast<RankedTensorType>(types[0]),
                     loc))
    return {};
  operation.addTypes(types);
  Operation *created = s.builder.create(operation);
  verifying = true;
  if (mlir::failed(mlir::verify(created))) {
    created->erase();
    // All tensors of the language are numbers or bool; ops want floats or any.
    std::string types;
    for (mlir::Value operand : operands)
      types += (types.empty() ? "" : " and ") + ir::toString(operand.getType());
    s.diagnostics.error(
        loc, op + ": needs " + (operands.size() == 1 ? "a tensor" : "tensors") +
                 " of f32 or f64, got " + types);
    return {};
  }
  return s.add(created->getResult(0));
}

namespace {

/// What optimizers' options may be, by name: at least `low`, less than `high`.
struct OptionRange {
  const char *name;
  double low, high;
  bool aboveLow; ///< more than `low`
  const char *text;
};
constexpr double kLargestF32 = 3.4028234663852886e38;
constexpr OptionRange kOptionRanges[] = {
    {"lr", 0, kLargestF32, false, "0 or positive, in the range of f32"},
    {"momentum", 0, 1, false, "in [0, 1)"},
    {"beta1", 0, 1, false, "in [0, 1)"},
    {"beta2", 0, 1, false, "in [0, 1)"},
    {"epsilon", 0, kLargestF32, true, "positive, in the range of f32"},
    {"weight_decay", 0, kLargestF32, false,
     "0 or positive, in the range of f32"},
};

/// An error for each option out of range; where it was written, else at `loc`.
bool inRange(Diagnostics &diagnostics, const std::string &optimizer,
             mlir::DictionaryAttr options,
             const std::vector<Argument> &arguments, const Location &loc) {
  bool good = true;
  for (const OptionRange &range : kOptionRanges) {
    auto option = options.getAs<mlir::FloatAttr>(range.name);
    if (!option)
      continue;
    double value = option.getValueAsDouble();
    if ((range.aboveLow ? value > range.low : value >= range.low) &&
        value < range.high)
      continue;
    Location at = loc;
    for (const Argument &argument : arguments)
      if (argument.name == range.name)
        at = argument.location;
    char text[64];
    std::snprintf(text, sizeof text, "%.9g", value);
    diagnostics.error(at, optimizer + ": " + range.name + " is " + text +
                              ", expected " + range.text);
    good = false;
  }
  return good;
}

} // namespace

void Recorder::train(const std::string &optimizer,
                     const std::vector<Argument> &arguments,
                     const Location &loc) {
  Impl &s = *state;
  if (s.trainLocation) {
    s.diagnostics.error(loc, "a model is trained by one optimizer");
    s.diagnostics.note(*s.trainLocation, "the first is here");
    return;
  }
  s.trainLocation = loc;
  const OpSignature *signature = findSignature(optimizer);
  if (!signature || signature->category != "optimizer") {
    std::vector<std::string> names;
    for (const OpSignature &candidate : signatures())
      if (candidate.category == "optimizer")
        names.push_back(candidate.name);
    std::string near = nearest(optimizer, names);
    s.diagnostics.error(
        loc, "'" + optimizer + "' is not an optimizer" +
                 (near.empty() ? "" : "; did you mean '" + near + "'?"));
    s.diagnostics.note(loc, "the optimizers are " + llvm::join(names, ", "));
    return;
  }
  BoundCall call = bind(s.diagnostics, *signature, arguments, false, loc);
  if (call.failed)
    return;
  auto options =
      convertAttributes(s.ownContext.get(), s.diagnostics, *signature, call);
  if (options && inRange(s.diagnostics, optimizer, *options, arguments, loc))
    s.builder.create<ir::ModelTrainOp>(s.locate(loc), optimizer, *options,
                                       ArrayAttr());
}

} // namespace fm
