//===- ParseExpressions.cpp - Expressions, pipes and calls ----------------===//
//
//   expression = sum { "|>" NAME [ "(" arguments ")" ] }
//   sum        = product { ("+" | "-") product }
//   product    = unary { ("*" | "/" | "%") unary }
//   unary      = "-" unary | power
//   power      = primary [ "**" unary ]
//   primary    = NUMBER | STRING | "true" | "false" | NAME
//              | NAME "(" arguments ")" | "(" expression ")"
//              | "[" expression { "," expression } "]"
//
//===----------------------------------------------------------------------===//
#include "frontend/language/ParserImpl.h"

namespace fm {

using namespace ast;

namespace {

bool bindsSum(TokenKind kind, BinaryOp &op) {
  op = kind == TokenKind::Plus ? BinaryOp::Add : BinaryOp::Sub;
  return kind == TokenKind::Plus || kind == TokenKind::Minus;
}

bool bindsProduct(TokenKind kind, BinaryOp &op) {
  op = kind == TokenKind::Star    ? BinaryOp::Mul
       : kind == TokenKind::Slash ? BinaryOp::Div
                                  : BinaryOp::Mod;
  return kind == TokenKind::Star || kind == TokenKind::Slash ||
         kind == TokenKind::Percent;
}

bool isOperator(TokenKind kind) {
  BinaryOp op;
  return bindsSum(kind, op) || bindsProduct(kind, op) ||
         kind == TokenKind::StarStar;
}

} // namespace

ExprPtr Parser::expression() {
  size_t first = at;
  ExprPtr value = sum();
  if (!value || !is(TokenKind::Pipe))
    return value;
  Pipe pipe{std::move(value), {}};
  while (accept(TokenKind::Pipe)) {
    pipe.stages.push_back(stage());
    if (!pipe.stages.back())
      return nullptr;
    if (isOperator(peek().kind) && !breaksHere()) {
      errorHere("a pipe ends with a call; to go on with '" +
                std::string(spelling(peek())) +
                "', put the pipe in parentheses");
      return nullptr;
    }
  }
  return make(first, std::move(pipe));
}

/// What stands right of `|>`.
ExprPtr Parser::stage() {
  if (!is(TokenKind::Word) || beginsStatement()) {
    errorHere("expected the name of an op or block after '|>'");
    return nullptr;
  }
  return call(/*needsParens=*/false);
}

template <typename Operand>
ExprPtr Parser::chain(Operand operand, bool (*binds)(TokenKind, BinaryOp &)) {
  size_t first = at;
  ExprPtr value = operand();
  BinaryOp op;
  if (!value || breaksHere() || !binds(peek().kind, op))
    return value;
  Chain chain{std::move(value), {}};
  while (!breaksHere() && binds(peek().kind, op)) {
    Range opRange = peek().range;
    advance();
    ExprPtr right = operand();
    if (!right)
      return nullptr;
    chain.links.push_back({op, opRange, std::move(right)});
  }
  return make(first, std::move(chain));
}

ExprPtr Parser::sum() {
  return chain([this] { return product(); }, bindsSum);
}

ExprPtr Parser::product() {
  return chain([this] { return unary(); }, bindsProduct);
}

ExprPtr Parser::unary() {
  if (!is(TokenKind::Minus))
    return power();
  if (!enter())
    return nullptr;
  size_t first = at;
  advance();
  ExprPtr operand = unary();
  leave();
  if (!operand)
    return nullptr;
  return make(first, Negate{std::move(operand)});
}

ExprPtr Parser::power() {
  size_t first = at;
  ExprPtr base = primary();
  if (!base || breaksHere() || !is(TokenKind::StarStar))
    return base;
  if (!enter())
    return nullptr;
  Range opRange = peek().range;
  advance();
  ExprPtr exponent = unary();
  leave();
  if (!exponent)
    return nullptr;
  Chain chain{std::move(base), {}};
  chain.links.push_back({BinaryOp::Pow, opRange, std::move(exponent)});
  return make(first, std::move(chain));
}

ExprPtr Parser::primary() {
  size_t first = at;
  const Token &token = peek();
  switch (token.kind) {
  case TokenKind::Integer:
    advance();
    return make(first, Integer{token.integer});
  case TokenKind::Float:
    advance();
    return make(first, Float{token.number});
  case TokenKind::String:
    advance();
    return make(first, String{stringValue(source, token)});
  case TokenKind::Word:
    if (beginsStatement())
      break;
    if (isWord("true") || isWord("false")) {
      bool value = isWord("true");
      advance();
      return make(first, Bool{value});
    }
    return call(/*needsParens=*/true);
  case TokenKind::LeftParen:
  case TokenKind::LeftBracket:
    return group();
  default:
    break;
  }
  if (at > 0 && isOperator(tokens[at - 1].kind))
    errorHere("expected an expression after '" +
              std::string(spelling(tokens[at - 1])) + "'");
  else
    errorHere("expected an expression");
  return nullptr;
}

/// `( expression )` or `[ expression, ... ]`.
ExprPtr Parser::group() {
  if (!enter())
    return nullptr;
  size_t first = at;
  bool isList = is(TokenKind::LeftBracket);
  brackets.push_back(at);
  advance();
  ExprPtr result;
  if (isList) {
    List list;
    if (elements(list.elements))
      result = make(first, std::move(list));
  } else if ((result = expression()) &&
             !expectClosing(TokenKind::RightParen, "')'")) {
    result = nullptr;
  }
  leave();
  return result;
}

/// The rest of `[a, b]`, behind the opening bracket.
bool Parser::elements(std::vector<ExprPtr> &elements) {
  while (!is(TokenKind::RightBracket)) {
    ExprPtr element = expression();
    if (!element)
      return false;
    elements.push_back(std::move(element));
    if (!accept(TokenKind::Comma))
      break;
  }
  return expectClosing(TokenKind::RightBracket, elements.empty()
                                                    ? "an expression or ']'"
                                                    : "',' or ']'");
}

/// `NAME(arguments)`; a name alone is a Name, or, where no parentheses are
/// needed, a call without arguments.
ExprPtr Parser::call(bool needsParens) {
  size_t first = at;
  Call call;
  call.callee = takeWord();
  if (is(TokenKind::LeftParen) && !breaksHere()) {
    if (!enter())
      return nullptr;
    bool valid = arguments(call);
    leave();
    if (!valid)
      return nullptr;
  } else if (needsParens) {
    return make(first, Name{call.callee.name});
  }
  return make(first, std::move(call));
}

bool Parser::arguments(Call &call) {
  brackets.push_back(at);
  advance();
  bool named = false;
  while (!is(TokenKind::RightParen)) {
    Call::Argument argument;
    size_t first = at;
    if (is(TokenKind::Word) && is(TokenKind::Equal, 1)) {
      argument.name = takeWord();
      advance();
      named = true;
    }
    argument.value = expression();
    if (!argument.value)
      return false;
    argument.range = rangeFrom(first);
    if (named && argument.name.name.empty())
      error(argument.range, "a positional argument follows a named one");
    call.arguments.push_back(std::move(argument));
    if (!accept(TokenKind::Comma))
      break;
  }
  return expectClosing(TokenKind::RightParen, call.arguments.empty()
                                                  ? "an argument or ')'"
                                                  : "',' or ')'");
}

} // namespace fm
