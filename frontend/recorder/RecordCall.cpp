//===- RecordCall.cpp - One call of an op ---------------------------------===//
//
// Makes operands of what was bound to the op's signature, and the parameters of
// a layer, and infers the result's type. Every mistake in a call is reported.
//
//===----------------------------------------------------------------------===//

#include "frontend/recorder/Arguments.h"
#include "frontend/recorder/BindCall.h"
#include "frontend/recorder/RecorderImpl.h"

#include "compiler/ir/Support.h"

#include "mlir/IR/Verifier.h"

#include <cmath>

using namespace mlir;

namespace fm {

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

/// A number in an attribute that f32 has not: it is infinite there, or 0,
/// which an epsilon must not be.
static std::optional<double> beyondF32(Attribute attribute) {
  SmallVector<double, 2> numbers;
  if (auto number = dyn_cast<FloatAttr>(attribute))
    numbers = {number.getValueAsDouble()};
  if (auto init = dyn_cast<ir::InitAttr>(attribute))
    numbers = {init.getA().getValueAsDouble(), init.getB().getValueAsDouble()};
  for (double number : numbers)
    if (!std::isfinite(float(number)) || (number != 0 && float(number) == 0))
      return number;
  return std::nullopt;
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
  BoundCall call = bindCall(s.diagnostics, *signature, arguments, isLayer, loc);
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
    if (isNumber && !parameter.isVariadic()) {
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
    if (!parameter.isTensor())
      continue;
    for (const Argument *argument : call.given[i]) {
      auto *list = std::get_if<List>(&argument->value.data);
      if (list && parameter.isVariadic())
        for (const Value &item : *list)
          addOperand(item, parameter, argument->location);
      else
        addOperand(argument->value, parameter, argument->location);
    }
  }
  auto attributes = attributesOf(context, s.diagnostics, *signature, call);
  if (silent || bad || !attributes)
    return {};
  if (element && element.isF32())
    for (auto [i, parameter] : llvm::enumerate(signature->parameters)) {
      Attribute attribute = attributes->get(parameter.name);
      auto number = attribute ? beyondF32(attribute) : std::nullopt;
      if (!number)
        continue;
      s.diagnostics.error(
          call.given[i].empty() ? loc : call.given[i].front()->location,
          op + ": '" + parameter.name + "': " + ir::shortNumber(*number) +
              " does not fit a tensor of f32");
      bad = true;
    }
  if (bad)
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

} // namespace fm
