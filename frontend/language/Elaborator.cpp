//===- Elaborator.cpp - Files, models, types ------------------------------===//
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
