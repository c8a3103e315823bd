//===- ElaborateCalls.cpp - Ops, blocks and built-in functions ------------===//
//
// A name that is called is a block, else a built-in function, else an op. What
// an argument may be depends on the op's signature: only where a parameter's
// type is `enum(...)` or `init` is a bare word itself a value.
//
//===----------------------------------------------------------------------===//
#include "frontend/language/ElaboratorImpl.h"

namespace fm {

using namespace ast;

namespace {

bool startsWith(const std::string &text, const char *prefix) {
  return text.rfind(prefix, 0) == 0;
}

bool takesInitializer(const std::string &type) {
  return startsWith(type, "init");
}

bool takesWords(const std::string &type) {
  return takesInitializer(type) || type.find("enum(") != std::string::npos;
}

bool isInitializer(const OpSignature &op) {
  return op.category == "initializer";
}

/// The type of the parameter that an argument is for; null if there is none.
const std::string *parameterType(const OpSignature &op,
                                 const Call::Argument &argument,
                                 size_t position) {
  const std::string &name = argument.name.name;
  for (size_t i = 0; i < op.parameters.size(); ++i) {
    const OpSignature::Parameter &parameter = op.parameters[i];
    bool takesRest = parameter.type.find("...") != std::string::npos;
    if (name.empty() ? i == position || (takesRest && i < position)
                     : parameter.name == name)
      return &parameter.type;
  }
  return nullptr;
}

std::vector<std::string> enumWords(const std::string &type) {
  std::vector<std::string> words;
  size_t begin = type.find("enum(");
  if (begin == std::string::npos)
    return words;
  begin += 5;
  size_t close = std::min(type.find(')', begin), type.size());
  while (begin < close) {
    size_t end = std::min(type.find('|', begin), close);
    words.push_back(type.substr(begin, end - begin));
    begin = end + 1;
  }
  return words;
}

size_t resultCount(const Definition &block) {
  for (const Statement &statement : block.body.statements)
    if (auto *node = std::get_if<Return>(&statement.node))
      return node->values.size();
  return 1;
}

} // namespace

Elaborator::Elaborator(const File &file, const Source &source,
                       RecorderInterface &recorder, const Limits &limits)
    : file(file), source(source), recorder(recorder),
      diagnostics(recorder.diagnostics()), limits(limits) {
  for (const OpSignature &op : recorder.ops()) {
    ops.emplace(op.name, &op);
    if (isInitializer(op))
      words.insert(op.name);
    for (const OpSignature::Parameter &parameter : op.parameters)
      for (std::string &word : enumWords(parameter.type))
        words.insert(std::move(word));
  }
}

const OpSignature *Elaborator::findOp(const std::string &name) const {
  auto found = ops.find(name);
  return found == ops.end() ? nullptr : found->second;
}

Elaborator::Values Elaborator::evalCall(const Call &call, const Range &range,
                                        const Piped *piped) {
  if (!spend(1, range))
    return {Value{}};
  const std::string &name = call.callee.name;
  if (auto block = blocks.find(name); block != blocks.end())
    return callBlock(*block->second, call, piped);
  if (name == "dim")
    return {callDim(call, piped)};
  if (const OpSignature *op = findOp(name))
    return {callOp(*op, call, piped)};
  unknownOp(call, piped);
  return {Value{}};
}

//===----------------------------------------------------------------------===//
// Arguments
//===----------------------------------------------------------------------===//

void Elaborator::evalArguments(const OpSignature *op, const Call &call,
                               const Piped *piped,
                               std::vector<Argument> &result) {
  size_t position = 0;
  if (piped) {
    result.push_back({"", piped->value, source.at(piped->range)});
    ++position;
  }
  for (const Call::Argument &argument : call.arguments) {
    Value value = evalArgument(op, argument, position);
    position += argument.name.name.empty();
    result.push_back(
        {argument.name.name, std::move(value), source.at(argument.range)});
  }
}

/// `op` is null for an unknown op: then a bare word behind `NAME =` may well be
/// right, and nothing is said about it.
Value Elaborator::evalArgument(const OpSignature *op,
                               const Call::Argument &argument,
                               size_t position) {
  const Expr &expr = *argument.value;
  const std::string *type =
      op ? parameterType(*op, argument, position) : nullptr;
  const Call *nested = std::get_if<Call>(&expr.node);
  if (nested && type && takesInitializer(*type) &&
      !blocks.count(nested->callee.name))
    return callValue(*nested);

  const Name *name = std::get_if<Name>(&expr.node);
  bool isNamed = !argument.name.name.empty();
  // A named argument without a parameter is the recorder's to report.
  bool takesWord =
      type ? takesWords(*type) : isNamed && argument.name.name != "name";
  if (!name || !takesWord)
    return eval(expr);
  auto variable = frame->variables.find(name->name);
  bool isVariable = variable != frame->variables.end();
  if (isVariable && type && words.count(name->name) &&
      std::holds_alternative<Tensor>(variable->second.value.data))
    isVariable = false; // `reduction = mean` next to `mean = mean(x)`
  return isVariable ? eval(expr) : Value{Symbol{name->name}};
}

Value Elaborator::evalDynamic(const Expr &expr) {
  if (const Name *name = std::get_if<Name>(&expr.node)) {
    if (!frame->variables.count(name->name) && words.count(name->name))
      return {Symbol{name->name}};
  } else if (const Call *call = std::get_if<Call>(&expr.node)) {
    const OpSignature *op = findOp(call->callee.name);
    if (op && isInitializer(*op) && !blocks.count(op->name))
      return callValue(*call);
  }
  return eval(expr);
}

Value Elaborator::callValue(const Call &call) {
  if (!spend(1, call.callee.range))
    return {};
  auto value = std::make_shared<CallValue>();
  value->name = call.callee.name;
  evalArguments(findOp(value->name), call, nullptr, value->arguments);
  return {std::move(value)};
}

//===----------------------------------------------------------------------===//
// Ops
//===----------------------------------------------------------------------===//

Value Elaborator::callOp(const OpSignature &op, const Call &call,
                         const Piped *piped) {
  std::vector<Argument> arguments;
  evalArguments(&op, call, piped, arguments);
  if (!mayRecord(call.callee.range))
    return {};
  return {recorder.call(op.name, arguments, source.at(call.callee.range))};
}

void Elaborator::unknownOp(const Call &call, const Piped *piped) {
  const std::string &name = call.callee.name;
  const OpSignature *meantOp = nullptr;
  // A block of that name may stand where the text could not be read.
  if (!file.incomplete && fresh(call.callee.range)) {
    std::vector<std::string> candidates = {"dim"};
    for (const OpSignature &op : recorder.ops())
      candidates.push_back(op.name);
    for (const auto &[block, definition] : blocks)
      candidates.push_back(block);
    std::sort(candidates.begin(), candidates.end());
    std::string meant = nearest(name, candidates);
    std::string message = "unknown op or block " + quote(name);
    if (!meant.empty())
      message += "; did you mean " + quote(meant) + "?";
    Diagnostic *failed = error(call.callee.range, message);
    auto variable = frame->variables.find(name);
    if (variable != frame->variables.end())
      note(failed, variable->second.range,
           quote(name) + " is a variable, which cannot be called");
    else if (auto block = blocks.find(meant); block != blocks.end())
      note(failed, block->second->name.range,
           quote(meant) + " is defined here");
    meantOp = findOp(meant);
  }
  std::vector<Argument> arguments; // for the mistakes in them
  evalArguments(meantOp, call, piped, arguments);
}

/// `dim(x, axis)`: an extent of a tensor, known when the model is read.
Value Elaborator::callDim(const Call &call, const Piped *piped) {
  std::vector<Argument> arguments;
  evalArguments(nullptr, call, piped, arguments);
  const Argument *parts[2] = {nullptr, nullptr};
  const char *names[2] = {"x", "axis"};
  size_t position = 0;
  bool valid = arguments.size() == 2;
  for (const Argument &argument : arguments) {
    size_t slot = argument.name.empty()       ? position++
                  : argument.name == names[0] ? 0
                  : argument.name == names[1] ? 1
                                              : 2;
    if (slot < 2 && !parts[slot])
      parts[slot] = &argument;
    else
      valid = false;
  }
  if (!valid || !parts[0] || !parts[1]) {
    error(call.callee.range,
          "'dim' takes a tensor and the number of an axis: dim(x, -1)");
    return {};
  }
  auto range = [](const Location &at) {
    return Range{at.line, at.column, at.length};
  };
  if (isError(parts[0]->value) || isError(parts[1]->value))
    return {};
  const Tensor *tensor = std::get_if<Tensor>(&parts[0]->value.data);
  if (!tensor) {
    error(range(parts[0]->location),
          "'dim' takes a tensor, not " + describe(parts[0]->value));
    return {};
  }
  const Int *axis = std::get_if<Int>(&parts[1]->value.data);
  if (!axis) {
    error(range(parts[1]->location),
          "an axis is an integer, not " + describe(parts[1]->value));
    return {};
  }
  std::vector<Int> shape = recorder.typeOf(*tensor).shape;
  int64_t rank = int64_t(shape.size());
  if (axis->value < -rank || axis->value >= rank) {
    std::string message = "there is no axis " + std::to_string(axis->value) +
                          ": the tensor has " + std::to_string(rank) +
                          (rank == 1 ? " axis" : " axes");
    Diagnostic *failed = error(range(parts[1]->location), message);
    if (rank > 0)
      note(failed, range(parts[1]->location),
           "axes count from 0 to " + std::to_string(rank - 1) + ", or from -" +
               std::to_string(rank) + " to -1");
    return {};
  }
  return {shape[axis->value < 0 ? axis->value + rank : axis->value]};
}

//===----------------------------------------------------------------------===//
// Blocks
//===----------------------------------------------------------------------===//

Elaborator::Values Elaborator::callBlock(const Definition &block,
                                         const Call &call, const Piped *piped) {
  called.insert(&block);
  Values failed(resultCount(block));
  Frame inner{&block, {}};
  std::string scope;
  Range scopeRange = call.callee.range;
  bool bound = bindBlock(block, call, piped, inner, scope, scopeRange);
  if (callsItself(block, call.callee.range) || !bound || stopped ||
      !deeper(call.callee.range))
    return failed;

  size_t before = diagnostics.all().size();
  recorder.pushScope(block.name.name, scope, source.at(scopeRange));
  Frame *outer = frame;
  frame = &inner;
  callStack.push_back(&block);
  for (const Parameter &parameter : block.parameters)
    if (!inner.variables.count(parameter.name.name))
      define(parameter.name, evalDynamic(*parameter.defaultValue),
             Kind::Parameter);
  results.clear();
  body(block.body, /*repeated=*/false);
  Values values = std::move(results);
  results.clear();
  --depth;
  callStack.pop_back();
  frame = outer;
  recorder.popScope();
  diagnostics.noteSince(before, source.at(call.callee.range),
                        "in this call of block " + quote(block.name.name));
  return values.size() == failed.size() ? values : failed;
}

/// Gives the parameters that have an argument their values.
bool Elaborator::bindBlock(const Definition &block, const Call &call,
                           const Piped *piped, Frame &frame, std::string &scope,
                           Range &scopeRange) {
  bool valid = true;
  std::map<std::string, Range> given;
  auto bind = [&](const Identifier &parameter, Value value,
                  const Range &range) {
    auto [at, isNew] = given.emplace(parameter.name, range);
    if (!isNew) {
      note(error(range,
                 "the argument " + quote(parameter.name) + " is given twice"),
           at->second, "given first here");
      valid = false;
      return;
    }
    Frame *outer = this->frame;
    this->frame = &frame;
    define(parameter, std::move(value), Kind::Parameter);
    this->frame = outer;
  };
  auto declared = [&](Diagnostic *failed) {
    note(failed, block.name.range,
         "block " + quote(block.name.name) + " is defined here");
    valid = false;
  };

  size_t position = 0;
  auto bindPosition = [&](Value value, const Range &range) {
    size_t count = block.parameters.size();
    if (position < count)
      bind(block.parameters[position].name, std::move(value), range);
    else if (position == count && block.validHeader)
      declared(error(range, "block " + quote(block.name.name) + " takes " +
                                std::to_string(count) + " argument" +
                                (count == 1 ? "" : "s") +
                                (piped ? ", the piped value included" : "")));
    ++position;
  };
  if (piped)
    bindPosition(piped->value, piped->range);
  for (const Call::Argument &argument : call.arguments) {
    const std::string &name = argument.name.name;
    Value value = evalDynamic(*argument.value);
    if (name.empty()) {
      bindPosition(std::move(value), argument.range);
      continue;
    }
    auto parameter =
        std::find_if(block.parameters.begin(), block.parameters.end(),
                     [&](const Parameter &parameter) {
                       return parameter.name.name == name;
                     });
    if (parameter != block.parameters.end()) {
      bind(parameter->name, std::move(value), argument.range);
    } else if (name == "name") {
      scopeRange = argument.range;
      if (const std::string *text = std::get_if<std::string>(&value.data))
        scope = *text;
      else if (!isError(value))
        error(argument.value->range,
              "a name is a string in quotes, not " + describe(value));
    } else if (block.validHeader && fresh(argument.name.range)) {
      std::vector<std::string> names = {"name"};
      for (const Parameter &parameter : block.parameters)
        names.push_back(parameter.name.name);
      std::string meant = nearest(name, names);
      declared(error(
          argument.name.range,
          "block " + quote(block.name.name) + " has no parameter " +
              quote(name) +
              (meant.empty() ? "" : "; did you mean " + quote(meant) + "?")));
    } else {
      valid = false;
    }
  }
  if (!valid || !block.validHeader)
    return false;

  std::string missing;
  unsigned count = 0;
  for (const Parameter &parameter : block.parameters) {
    if (parameter.defaultValue || given.count(parameter.name.name))
      continue;
    missing += (count++ ? ", " : "") + quote(parameter.name.name);
  }
  if (count)
    declared(error(call.callee.range, "block " + quote(block.name.name) +
                                          " needs the argument" +
                                          (count == 1 ? " " : "s ") + missing));
  return valid;
}

bool Elaborator::callsItself(const Definition &block, const Range &range) {
  auto first = std::find(callStack.begin(), callStack.end(), &block);
  if (first == callStack.end())
    return false;
  std::string path;
  for (; first != callStack.end(); ++first)
    path += (*first)->name.name + " -> ";
  error(range, "block " + quote(block.name.name) + " calls itself: " + path +
                   block.name.name);
  return true;
}

} // namespace fm
