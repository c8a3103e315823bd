//===- Elaborator.cpp - Files, models, statements -------------------------===//
#include "frontend/language/ElaboratorImpl.h"

#include <limits>

namespace fm {

using namespace ast;

//===----------------------------------------------------------------------===//
// Errors and bounds
//===----------------------------------------------------------------------===//

bool Elaborator::fresh(const Range &range) {
  return !reported.count(position(range));
}

Diagnostic *Elaborator::error(const Range &range, const std::string &message) {
  if (!reported.insert(position(range)).second)
    return nullptr;
  return &diagnostics.error(source.at(range), message);
}

void Elaborator::note(Diagnostic *diagnostic, const Range &range,
                      std::string message) {
  if (diagnostic)
    diagnostic->notes.push_back(
        {Severity::Note, source.at(range), std::move(message), {}});
}

void Elaborator::stop(const Range &range, const std::string &message) {
  stopped = true;
  note(error(range, message), range,
       "'repeat' and calls of blocks are unrolled when the model is read");
}

/// Counts work; false: no more of it.
bool Elaborator::spend(uint64_t count, const Range &range) {
  if (stopped)
    return false;
  steps += count;
  if (steps > limits.steps)
    stop(range, "the model takes too long to read: more than " +
                    std::to_string(limits.steps) + " steps");
  else if (diagnostics.tooManyErrors())
    stopped = true;
  return !stopped;
}

bool Elaborator::mayRecord(const Range &range) {
  if (!stopped && ++calls > limits.ops)
    stop(range,
         "the model has more than " + std::to_string(limits.ops) + " ops");
  return !stopped;
}

/// One level of expressions, blocks or `repeat` more, which the caller takes
/// off `depth` again. Keeps the C++ stack bounded.
bool Elaborator::deeper(const Range &range) {
  constexpr unsigned maxDepth = 1000;
  if (depth < maxDepth) {
    ++depth;
    return true;
  }
  error(range, "the blocks of this model are nested too deeply");
  stopped = true;
  return false;
}

//===----------------------------------------------------------------------===//
// Definitions
//===----------------------------------------------------------------------===//

namespace {

/// What can be said about a definition without running it.
class DefinitionChecker {
public:
  DefinitionChecker(const Definition &definition, const Source &source,
                    Diagnostics &diagnostics)
      : definition(definition), source(source), diagnostics(diagnostics) {}

  void run() {
    parameters();
    body(definition.body, /*repeated=*/false);
    if (definition.isBlock && !returns && !definition.body.incomplete)
      diagnostics
          .error(source.at(definition.name.range),
                 "block " + quote(definition.name.name) + " returns nothing")
          .notes.push_back({Severity::Note,
                            source.at(definition.body.close),
                            "expected 'return ...' before this '}'",
                            {}});
  }

private:
  void error(const Range &range, const std::string &message) {
    diagnostics.error(source.at(range), message);
  }

  void parameters() {
    std::map<std::string, Range> seen;
    for (const Parameter &parameter : definition.parameters) {
      const Identifier &name = parameter.name;
      auto [first, isNew] = seen.emplace(name.name, name.range);
      if (!isNew)
        diagnostics
            .error(source.at(name.range),
                   "parameter " + quote(name.name) + " is defined twice")
            .notes.push_back({Severity::Note,
                              source.at(first->second),
                              "defined first here",
                              {}});
      else if (definition.isBlock && name.name == "name")
        error(name.range, "a block cannot have a parameter 'name': that "
                          "argument names the call's layers");
    }
  }

  void body(const Body &body, bool repeated) {
    for (size_t i = 0; i < body.statements.size(); ++i) {
      const Statement &statement = body.statements[i];
      this->statement(statement, repeated);
      bool isReturn = std::holds_alternative<Return>(statement.node);
      if (isReturn && definition.isBlock && !repeated &&
          i + 1 < body.statements.size()) {
        error(body.statements[i + 1].range,
              "this statement is never reached: it follows 'return'");
        return;
      }
    }
  }

  void statement(const Statement &statement, bool repeated) {
    if (std::holds_alternative<Assignment>(statement.node))
      return;
    if (auto *node = std::get_if<Repeat>(&statement.node))
      return body(node->body, /*repeated=*/true);
    std::string word = wordOf(statement);
    if (std::holds_alternative<Return>(statement.node)) {
      returns = true;
      if (!definition.isBlock)
        error(statement.range, "'return' belongs in a block; a model has "
                               "'output NAME = ...'");
      else if (repeated)
        error(statement.range, "'return' cannot stand inside of 'repeat'");
      return;
    }
    if (definition.isBlock)
      error(statement.range, "'" + word +
                                 "' belongs in the model, not in a "
                                 "block");
    else if (repeated)
      error(statement.range, "'" + word + "' cannot be repeated");
  }

  static std::string wordOf(const Statement &statement) {
    if (auto *node = std::get_if<Declaration>(&statement.node))
      return node->isTarget ? "target" : "input";
    if (std::holds_alternative<Output>(statement.node))
      return "output";
    if (auto *node = std::get_if<Score>(&statement.node))
      return node->isMetric ? "metric" : "loss";
    return "train";
  }

  const Definition &definition;
  const Source &source;
  Diagnostics &diagnostics;
  bool returns = false;
};

} // namespace

/// Finds the model and the blocks; false if there is no model.
bool Elaborator::collectDefinitions() {
  for (const Definition &definition : file.definitions) {
    const Identifier &name = definition.name;
    DefinitionChecker(definition, source, diagnostics).run();
    if (definition.isBlock) {
      auto [first, isNew] = blocks.emplace(name.name, &definition);
      if (!isNew)
        note(error(name.range,
                   "block " + quote(name.name) + " is defined twice"),
             first->second->name.range, "defined first here");
      else if (findOp(name.name) || name.name == "dim")
        diagnostics.warning(source.at(name.range),
                            "block " + quote(name.name) +
                                " hides the op of the same name");
    } else if (theModel) {
      note(error(name.range,
                 "a file has one model; " + quote(name.name) + " is another"),
           theModel->name.range, "the first one is here");
    } else {
      theModel = &definition;
    }
  }
  if (theModel || file.incomplete)
    return theModel != nullptr;
  Diagnostic &failed =
      diagnostics.error({source.name, 0, 0, 1}, "the file has no model");
  failed.notes.push_back({Severity::Note,
                          {source.name, 0, 0, 1},
                          "expected 'model NAME(batch = 64) { ... }'",
                          {}});
  return false;
}

bool Elaborator::run(const std::vector<Override> &overrides) {
  bool hadErrors = diagnostics.hasErrors();
  if (!collectDefinitions())
    return false;
  Frame top{theModel, {}};
  frame = &top;
  model(*theModel, overrides);
  // The recorder's checks of the whole need the whole.
  Location at = source.at(theModel->name.range);
  if (!hadErrors && !stopped)
    recorder.endModel(at);
  if (!diagnostics.hasErrors())
    warnUnused();
  return !diagnostics.hasErrors();
}

void Elaborator::model(const Definition &model,
                       const std::vector<Override> &overrides) {
  modelParameters(overrides);
  int64_t batch = 1;
  auto variable = frame->variables.find("batch");
  if (variable != frame->variables.end())
    if (const Int *given = std::get_if<Int>(&variable->second.value.data))
      batch = given->value;
  recorder.beginModel(model.name.name, batch, source.at(model.name.range));
  body(model.body, /*repeated=*/false);
}

//===----------------------------------------------------------------------===//
// Statements
//===----------------------------------------------------------------------===//

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

//===----------------------------------------------------------------------===//
// Types
//===----------------------------------------------------------------------===//

std::optional<DType> Elaborator::dtype(const Identifier &name) {
  static const std::pair<const char *, DType> known[] = {{"f32", DType::F32},
                                                         {"f64", DType::F64},
                                                         {"i32", DType::I32},
                                                         {"i64", DType::I64},
                                                         {"bool", DType::Bool}};
  static const std::pair<const char *, const char *> foreign[] = {
      {"float", "f32"},   {"float32", "f32"}, {"double", "f64"},
      {"float64", "f64"}, {"int", "i32"},     {"int32", "i32"},
      {"long", "i64"},    {"int64", "i64"}};
  std::vector<std::string> names;
  for (const auto &[spelling, type] : known) {
    if (name.name == spelling)
      return type;
    names.push_back(spelling);
  }
  std::string meant;
  for (const auto &[spelling, ours] : foreign)
    if (name.name == spelling)
      meant = ours;
  if (meant.empty())
    meant = nearest(name.name, names);
  std::string message = "unknown type " + quote(name.name);
  if (!meant.empty())
    message += "; did you mean " + quote(meant) + "?";
  note(error(name.range, message), name.range,
       "the types are f32, f64, i32, i64 and bool");
  return std::nullopt;
}

bool Elaborator::type(const Type &type, TensorType &result) {
  constexpr int64_t maxExtent = std::numeric_limits<int32_t>::max();
  std::optional<DType> dtype = this->dtype(type.dtype);
  bool valid = dtype.has_value();
  if (valid)
    result.dtype = *dtype;
  for (const ExprPtr &expr : type.shape) {
    Value value = eval(*expr);
    const Int *extent = std::get_if<Int>(&value.data);
    if (extent && extent->value >= 1 && extent->value <= maxExtent) {
      result.shape.push_back(*extent);
      continue;
    }
    valid = false;
    if (isError(value))
      continue;
    if (!extent) {
      error(expr->range, "a dimension is an integer, not " + describe(value));
      continue;
    }
    std::string message = "a dimension is at least 1, not ";
    if (extent->value > maxExtent)
      message =
          "a dimension is at most " + std::to_string(maxExtent) + ", not ";
    error(expr->range, message + std::to_string(extent->value));
  }
  if (!valid)
    return false;

  int64_t bytes = 8;
  for (const Int &extent : result.shape) {
    if (!__builtin_mul_overflow(bytes, extent.value, &bytes))
      continue;
    error(type.range, "the tensor is too large: its size in bytes does not fit "
                      "in 64 bits");
    return false;
  }
  return true;
}

bool elaborate(const File &file, const Source &source,
               const std::vector<Override> &overrides,
               RecorderInterface &recorder, const Limits &limits) {
  return Elaborator(file, source, recorder, limits).run(overrides);
}

} // namespace fm
