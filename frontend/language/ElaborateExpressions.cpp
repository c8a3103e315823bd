//===- ElaborateExpressions.cpp - Values of expressions -------------------===//
#include "frontend/language/ElaboratorImpl.h"

namespace fm {

using namespace ast;

namespace {

/// Elements of a list, nested ones included.
constexpr size_t maxElements = 4096;

size_t countElements(const Value &value) {
  const fm::List *list = std::get_if<fm::List>(&value.data);
  if (!list)
    return 1;
  size_t count = 1;
  for (const Value &element : *list)
    count += countElements(element);
  return count;
}

/// What copying a value costs, in steps.
uint64_t cost(const Value &value) {
  if (const std::string *text = std::get_if<std::string>(&value.data))
    return 1 + text->size() / 64;
  return countElements(value);
}

const char *opName(BinaryOp op) {
  switch (op) {
  case BinaryOp::Add:
    return "add";
  case BinaryOp::Sub:
    return "sub";
  case BinaryOp::Mul:
    return "mul";
  case BinaryOp::Div:
    return "div";
  case BinaryOp::Pow:
    return "pow";
  case BinaryOp::Mod:
    break;
  }
  return nullptr;
}

bool isTensor(const Value &value) {
  return std::holds_alternative<Tensor>(value.data);
}

} // namespace

bool isError(const Value &value) {
  const Tensor *tensor = std::get_if<Tensor>(&value.data);
  return tensor && tensor->isError();
}

bool allErrors(const std::vector<Value> &values) {
  return std::all_of(values.begin(), values.end(), isError);
}

std::string quote(const std::string &word) {
  constexpr size_t longest = 60;
  return "'" +
         (word.size() > longest ? word.substr(0, longest) + "..." : word) + "'";
}

std::string describe(const Value &value) {
  struct Visitor {
    std::string operator()(const Tensor &) { return "a tensor"; }
    std::string operator()(const Int &) { return "an integer"; }
    std::string operator()(double) { return "a float"; }
    std::string operator()(bool) { return "a bool"; }
    std::string operator()(const std::string &) { return "a string"; }
    std::string operator()(const Symbol &symbol) {
      return "the word " + quote(symbol.name);
    }
    std::string operator()(const fm::List &) { return "a list"; }
    std::string operator()(const std::shared_ptr<CallValue> &call) {
      return quote(call->name + "(...)");
    }
  };
  return std::visit(Visitor{}, value.data);
}

Value Elaborator::eval(const Expr &expr) {
  if (!spend(1, expr.range) || !deeper(expr.range))
    return {};
  Value value = evalNode(expr);
  --depth;
  return value;
}

Value Elaborator::evalNode(const Expr &expr) {
  struct Visitor {
    Elaborator &self;
    const Expr &expr;

    Value operator()(const Invalid &) { return {}; }
    Value operator()(const Integer &node) { return {Int{node.value}}; }
    Value operator()(const Float &node) { return {node.value}; }
    Value operator()(const Bool &node) { return {node.value}; }
    Value operator()(const String &node) {
      Value value{node.value};
      return self.spend(cost(value), expr.range) ? value : Value{};
    }
    Value operator()(const Name &node) {
      return self.evalName(node.name, expr.range);
    }
    Value operator()(const ast::List &node) {
      return self.evalList(node, expr.range);
    }
    Value operator()(const Negate &node) {
      return self.evalNegate(node, expr.range);
    }
    Value operator()(const Chain &node) { return self.evalChain(node); }
    Value operator()(const Call &node) { return single(node.callee); }
    Value operator()(const Pipe &node) {
      return single(std::get<Call>(node.stages.back()->node).callee);
    }

    Value single(const Identifier &callee) {
      Values values = self.evalAll(expr);
      if (values.size() == 1)
        return std::move(values.front());
      if (allErrors(values))
        return {};
      Diagnostic *failed =
          self.error(expr.range, "block " + quote(callee.name) + " returns " +
                                     std::to_string(values.size()) + " values");
      self.note(failed, expr.range,
                "give each a name: 'a, b = " + callee.name + "(...)'");
      return {};
    }
  };
  return std::visit(Visitor{*this, expr}, expr.node);
}

Elaborator::Values Elaborator::evalAll(const Expr &expr) {
  if (const Call *call = std::get_if<Call>(&expr.node))
    return evalCall(*call, expr.range, nullptr);
  const Pipe *pipe = std::get_if<Pipe>(&expr.node);
  if (!pipe)
    return {eval(expr)};
  Piped piped{eval(*pipe->first), pipe->first->range};
  for (const ExprPtr &stage : pipe->stages) {
    if (stopped)
      return {Value{}};
    const Call &call = std::get<Call>(stage->node);
    Values values = evalCall(call, stage->range, &piped);
    if (stage == pipe->stages.back())
      return values;
    if (values.size() != 1) {
      if (allErrors(values))
        return {Value{}};
      error(stage->range, "block " + quote(call.callee.name) + " returns " +
                              std::to_string(values.size()) +
                              " values, which cannot go through a pipe");
      return {Value{}};
    }
    piped = {std::move(values.front()), stage->range};
  }
  return {Value{}};
}

Value Elaborator::evalList(const ast::List &list, const Range &range) {
  fm::List elements;
  size_t count = 1;
  for (const ExprPtr &element : list.elements) {
    elements.push_back(eval(*element));
    count += countElements(elements.back());
    if (isError(elements.back()) || stopped)
      return {};
    if (count > maxElements) {
      error(range,
            "a list has at most " + std::to_string(maxElements) + " elements");
      return {};
    }
  }
  return {std::move(elements)};
}

//===----------------------------------------------------------------------===//
// Arithmetic
//===----------------------------------------------------------------------===//

Value Elaborator::numberResult(NumberResult result, const Range &range) {
  if (result.error.empty())
    return std::move(result.value);
  Diagnostic *failed = error(range, result.error);
  if (!result.hint.empty())
    note(failed, range, result.hint);
  return {};
}

Value Elaborator::evalNegate(const Negate &node, const Range &range) {
  Value operand = eval(*node.operand);
  if (isError(operand))
    return operand;
  if (isNumber(operand))
    return numberResult(negate(operand), range);
  if (isTensor(operand)) {
    if (!mayRecord(range))
      return {};
    return {recorder.call("neg",
                          {{"", operand, source.at(node.operand->range)}},
                          source.at(range))};
  }
  error(node.operand->range,
        "'-' takes a number or a tensor, not " + describe(operand));
  return {};
}

Value Elaborator::evalChain(const Chain &chain) {
  Value left = eval(*chain.first);
  Range leftRange = chain.first->range;
  for (const Chain::Link &link : chain.links) {
    Value right = eval(*link.operand);
    left = evalBinary(link.op, link.opRange, left, leftRange, right,
                      link.operand->range);
    // What stands left of the next operator: all so far, on this line.
    leftRange = chain.first->range;
    const Range &last = link.operand->range;
    if (last.line == leftRange.line)
      leftRange.length = last.column + last.length - leftRange.column;
  }
  return left;
}

Value Elaborator::evalBinary(BinaryOp op, const Range &opRange,
                             const Value &left, const Range &leftRange,
                             const Value &right, const Range &rightRange) {
  bool valid = true;
  auto check = [&](const Value &value, const Range &range) {
    if (isNumber(value) || isTensor(value))
      return;
    valid = false;
    error(range, std::string("'") + spelling(op) +
                     "' takes numbers and tensors, not " + describe(value));
  };
  check(left, leftRange);
  check(right, rightRange);
  if (!valid)
    return {};
  if (isNumber(left) && isNumber(right))
    return numberResult(arithmetic(op, left, right), opRange);
  const char *name = opName(op);
  if (!name) {
    if (!isError(left) && !isError(right))
      error(opRange, std::string("'") + spelling(op) +
                         "' is for numbers, not for tensors");
    return {};
  }
  if (isError(left) || isError(right) || !mayRecord(opRange))
    return {};
  return {recorder.call(
      name,
      {{"", left, source.at(leftRange)}, {"", right, source.at(rightRange)}},
      source.at(opRange))};
}

//===----------------------------------------------------------------------===//
// Names
//===----------------------------------------------------------------------===//

const Elaborator::Variable *Elaborator::lookup(const std::string &name) {
  auto found = frame->variables.find(name);
  if (found == frame->variables.end())
    return nullptr;
  auto site = sites.find(position(found->second.range));
  if (site != sites.end())
    site->second.used = true;
  return &found->second;
}

Value Elaborator::evalName(const std::string &name, const Range &range) {
  const Variable *variable = lookup(name);
  if (!variable)
    return undefined(name, range);
  if (!spend(cost(variable->value), range))
    return {};
  return variable->value;
}

/// Every name that a body defines, in the order of the text.
void Elaborator::collectNames(const Body &body,
                              std::vector<Identifier> &names) const {
  for (const Statement &statement : body.statements) {
    if (auto *node = std::get_if<Declaration>(&statement.node))
      names.push_back(node->name);
    else if (auto *node = std::get_if<Assignment>(&statement.node))
      names.insert(names.end(), node->names.begin(), node->names.end());
    else if (auto *node = std::get_if<Output>(&statement.node);
             node && node->value)
      names.push_back(node->name);
    else if (auto *node = std::get_if<Score>(&statement.node);
             node && !node->name.name.empty())
      names.push_back(node->name);
    else if (auto *node = std::get_if<Repeat>(&statement.node))
      collectNames(node->body, names);
  }
}

Value Elaborator::undefined(const std::string &name, const Range &range) {
  // What is missing may stand in the part that could not be read.
  if (frame->definition->body.incomplete || !fresh(range))
    return {};

  std::vector<Identifier> names;
  for (const Parameter &parameter : frame->definition->parameters)
    names.push_back(parameter.name);
  collectNames(frame->definition->body, names);
  for (const Identifier &later : names) {
    if (later.name != name || position(later.range) < position(range))
      continue;
    Diagnostic *failed =
        error(range, quote(name) + " is used before it is defined");
    note(failed, later.range,
         "defined later, at line " + std::to_string(later.range.line));
    return {};
  }

  std::vector<std::string> candidates;
  for (const auto &[known, variable] : frame->variables)
    candidates.push_back(known);
  std::sort(candidates.begin(), candidates.end());
  std::string meant = nearest(name, candidates);
  bool callable = findOp(name) || blocks.count(name) || name == "dim";
  std::string message = "undefined name " + quote(name);
  if (callable)
    message = quote(name) + (blocks.count(name) ? " is a block" : " is an op") +
              ", not a value";
  else if (!meant.empty())
    message += "; did you mean " + quote(meant) + "?";
  Diagnostic *failed = error(range, message);
  if (callable)
    note(failed, range, "call it: '" + name + "(...)'");
  else if (!meant.empty())
    note(failed, frame->variables.at(meant).range,
         quote(meant) + " is defined here");

  if (frame->definition == theModel)
    return {};
  names.clear();
  for (const Parameter &parameter : theModel->parameters)
    names.push_back(parameter.name);
  collectNames(theModel->body, names);
  for (const Identifier &outer : names) {
    if (outer.name != name)
      continue;
    note(failed, outer.range,
         "this " + quote(name) +
             " belongs to the model: a block sees only its parameters, so add "
             "one and pass it");
    break;
  }
  return {};
}

} // namespace fm
