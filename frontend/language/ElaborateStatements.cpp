//===- ElaborateStatements.cpp - Statements to calls on the recorder ------===//
#include "frontend/language/ElaboratorImpl.h"

namespace fm {

using namespace ast;

void Elaborator::body(const Body &body, bool repeated) {
  for (const Statement &statement : body.statements) {
    if (!spend(1, statement.range))
      return;
    if (allowed(statement, repeated))
      std::visit(
          [&](const auto &node) { this->statement(node, statement.range); },
          statement.node);
    if (std::holds_alternative<Return>(statement.node))
      return;
  }
}

/// What DefinitionChecker has not complained about.
bool Elaborator::allowed(const Statement &statement, bool repeated) {
  if (std::holds_alternative<Assignment>(statement.node) ||
      std::holds_alternative<Repeat>(statement.node))
    return true;
  bool isReturn = std::holds_alternative<Return>(statement.node);
  return !repeated && isReturn == frame->definition->isBlock;
}

void Elaborator::define(const Identifier &name, Value value, Kind kind) {
  if (name.name == "_")
    return;
  auto found = frame->variables.find(name.name);
  if (found != frame->variables.end()) {
    const Variable &before = found->second;
    if (kind == Kind::Input || kind == Kind::Target) {
      note(error(name.range, quote(name.name) + " is already defined"),
           before.range, "defined first here");
      return;
    }
    if (before.kind == Kind::Parameter && name.name == "batch" &&
        frame->definition == theModel) {
      note(error(name.range, "'batch' is the number of samples and cannot be "
                             "assigned"),
           before.range, "defined here");
      return;
    }
  }
  frame->variables[name.name] = {std::move(value), name.range, kind};

  bool isBatch = kind == Kind::Parameter && name.name == "batch";
  if (name.name[0] == '_' || isBatch)
    return;
  std::string what = quote(name.name);
  switch (kind) {
  case Kind::Parameter:
    what = "parameter " + what;
    break;
  case Kind::Input:
    what = "input " + what;
    break;
  case Kind::Target:
    what = "target " + what;
    break;
  case Kind::Local:
    what = "the value of " + what;
    break;
  }
  sites.try_emplace(position(name.range), Site{what, name.range, false});
}

void Elaborator::warnUnused() {
  for (const auto &[at, site] : sites)
    if (!site.used)
      diagnostics.warning(source.at(site.range), site.what + " is never used");
  for (const Definition &definition : file.definitions)
    if (definition.isBlock && !called.count(&definition))
      diagnostics.warning(source.at(definition.name.range),
                          "block " + quote(definition.name.name) +
                              " is never called, so its inside is not checked");
}

void Elaborator::statement(const Declaration &node, const Range &) {
  TensorType type;
  Tensor tensor;
  bool isNew = !frame->variables.count(node.name.name);
  if (node.type.valid && this->type(node.type, type) && isNew) {
    Location at = source.at(node.name.range);
    tensor = node.isTarget
                 ? recorder.target(node.name.name, type, at)
                 : recorder.input(node.name.name, type, node.withGradient, at);
  }
  define(node.name, {tensor}, node.isTarget ? Kind::Target : Kind::Input);
}

void Elaborator::statement(const Assignment &node, const Range &) {
  size_t count = node.names.size();
  if (count == 1) {
    define(node.names[0], eval(*node.value), Kind::Local);
    return;
  }
  Values values = evalAll(*node.value);
  if (values.size() != count) {
    if (!allErrors(values))
      error(node.names[0].range,
            std::to_string(count) + " names are given " +
                std::to_string(values.size()) +
                (values.size() == 1 ? " value" : " values"));
    values.assign(count, Value{});
  }
  for (size_t i = 0; i < count; ++i)
    define(node.names[i], std::move(values[i]), Kind::Local);
}

Tensor Elaborator::tensorOf(const Value &value, const std::string &what,
                            const Range &range) {
  if (const Tensor *tensor = std::get_if<Tensor>(&value.data))
    return *tensor;
  error(range, what + " is a tensor, not " + describe(value));
  return {};
}

void Elaborator::statement(const Output &node, const Range &) {
  Value value;
  Range range = node.name.range;
  if (node.value) {
    value = eval(*node.value);
    range = node.value->range;
    define(node.name, value, Kind::Local);
  } else {
    value = evalName(node.name.name, range);
  }
  lookup(node.name.name); // an output is a use
  recorder.output(node.name.name, tensorOf(value, "an output", range),
                  source.at(node.name.range));
}

void Elaborator::statement(const Score &node, const Range &) {
  const Expr *expr = node.value.get();
  Value value = eval(*expr);
  std::string name = node.name.name;
  if (const Pipe *pipe = std::get_if<Pipe>(&expr->node))
    expr = pipe->stages.back().get();
  Range range = expr->range;
  if (!name.empty()) {
    range = node.name.range;
    define(node.name, value, Kind::Local);
    lookup(name);
  } else if (!node.isMetric) {
    name = "loss";
  } else if (const Call *call = std::get_if<Call>(&expr->node)) {
    name = call->callee.name;
  } else if (const Name *variable = std::get_if<Name>(&expr->node)) {
    name = variable->name;
  } else {
    name = "metric";
  }
  Tensor tensor =
      tensorOf(value, node.isMetric ? "a metric" : "a loss", node.value->range);
  if (node.isMetric)
    recorder.metric(name, tensor, source.at(range));
  else
    recorder.loss(name, tensor, source.at(range));
}

void Elaborator::statement(const Train &node, const Range &) {
  const Call &call = std::get<Call>(node.optimizer->node);
  const std::string &name = call.callee.name;
  const OpSignature *op = findOp(name);
  bool known = op && op->category == "optimizer";
  if (!known && fresh(call.callee.range)) {
    std::vector<std::string> names;
    std::string list;
    for (const OpSignature &candidate : recorder.ops()) {
      if (candidate.category != "optimizer")
        continue;
      names.push_back(candidate.name);
      list += (list.empty() ? "" : ", ") + candidate.name;
    }
    std::string meant = nearest(name, names);
    std::string message = op ? quote(name) + " is not an optimizer"
                             : "unknown optimizer " + quote(name);
    if (!meant.empty())
      message += "; did you mean " + quote(meant) + "?";
    note(error(call.callee.range, message), call.callee.range,
         "the optimizers are " + list);
  }
  std::vector<Argument> arguments;
  evalArguments(known ? op : nullptr, call, nullptr, arguments);
  if (known && !stopped)
    recorder.train(name, arguments, source.at(call.callee.range));
}

void Elaborator::statement(const TrainOnly &node, const Range &) {
  for (const Identifier &pattern : node.patterns)
    recorder.trainOnly(pattern.name, source.at(pattern.range));
}

void Elaborator::statement(const Repeat &node, const Range &) {
  Value value = eval(*node.count);
  const Int *count = std::get_if<Int>(&value.data);
  int64_t times = 0;
  if (!count) {
    if (!isError(value))
      error(node.count->range,
            "'repeat' takes an integer, not " + describe(value));
    times = 1; // for the mistakes inside
  } else if (count->samples) {
    error(node.count->range, "'repeat' cannot depend on the number of samples, "
                             "which is known only at run time");
    times = 1;
  } else if (count->value < 0) {
    error(node.count->range, "'repeat' takes a number from 0 on, not " +
                                 std::to_string(count->value));
    times = 1;
  } else {
    times = count->value;
  }
  if (!deeper(node.count->range))
    return;
  for (int64_t i = 0; i < times && spend(1, node.count->range); ++i)
    body(node.body, /*repeated=*/true);
  --depth;
}

void Elaborator::statement(const Return &node, const Range &) {
  Values values;
  for (const ExprPtr &value : node.values)
    values.push_back(eval(*value));
  results = std::move(values);
}

} // namespace fm
