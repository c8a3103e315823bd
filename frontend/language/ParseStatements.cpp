//===- ParseStatements.cpp - The statements of a body ---------------------===//
//
//   statement  = "input" NAME ":" type [ "with" "gradient" ]
//              | "target" NAME ":" type
//              | NAME { "," NAME } "=" expression
//              | "output" NAME [ "=" expression ]
//              | "loss" [ NAME "=" ] expression
//              | "metric" [ NAME "=" ] expression
//              | "train" NAME [ "(" arguments ")" ]
//              | "train" "only" PATTERN { "," PATTERN }
//              | "repeat" expression body
//              | "return" expression { "," expression }
//   type       = DTYPE [ "[" [ expression { "," expression } ] "]" ]
//
// A statement's word is special only where a statement begins, so a tensor may
// be called `input` or `loss`.
//
//===----------------------------------------------------------------------===//
#include "frontend/language/ParserImpl.h"

#include <algorithm>

namespace fm {

using namespace ast;

const std::vector<std::string> Parser::statementWords = {
    "input", "target", "output", "loss", "metric", "train", "repeat", "return"};

bool Parser::isStatementWord(std::string_view word) {
  return std::find(statementWords.begin(), statementWords.end(), word) !=
         statementWords.end();
}

/// One statement. False: reported, and the rest of it is to be skipped. If not
/// even the names that it gives are known, the body is incomplete.
bool Parser::statement(Body &body, bool isBlock) {
  if (!is(TokenKind::Word)) {
    body.incomplete = true;
    if (is(TokenKind::Invalid))
      return false;
    Diagnostic *failed =
        error(peek().range, "expected a statement, not '" +
                                std::string(spelling(peek())) + "'");
    if (peek().startsLine)
      note(failed, peek().range,
           "an expression goes on in the next line behind an operator, inside "
           "of brackets, or with '|>'");
    return false;
  }
  std::string_view word = spelling(peek());
  bool assigns = is(TokenKind::Equal, 1) || is(TokenKind::Comma, 1);
  if (assigns && isStatementWord(word)) {
    body.incomplete = true;
    return misplaced();
  }
  if (assigns)
    return assignment(body);
  if (word == "input" || word == "target")
    return declaration(body);
  if (word == "output")
    return output(body);
  if (word == "loss" || word == "metric")
    return score(body);
  if (word == "train")
    return train(body);
  if (word == "repeat")
    return repeat(body, isBlock);
  if (word == "return")
    return returns(body);
  body.incomplete = true;
  return looseExpression();
}

bool Parser::statementEnd() {
  if (accept(TokenKind::Semicolon) || is(TokenKind::RightBrace) ||
      is(TokenKind::End) || peek().startsLine)
    return true;
  errorHere("expected a new line or ';' before '" +
            std::string(spelling(peek())) + "'");
  return false;
}

/// `loss = ...`: a statement's word cannot be assigned.
bool Parser::misplaced() {
  std::string word(spelling(peek()));
  Diagnostic *failed = error(
      peek().range, "'" + word + "' begins a statement and cannot be assigned");
  std::string way = word == "input" || word == "target"  ? word + " NAME : TYPE"
                    : word == "output"                   ? "output NAME = ..."
                    : word == "loss" || word == "metric" ? word + " ..."
                                                         : "";
  note(failed, peek().range,
       way.empty() ? "choose another name"
                   : "write '" + way + "', or choose another name");
  return false;
}

bool Parser::declaration(Body &body) {
  Range range = peek().range;
  Declaration declaration;
  declaration.isTarget = isWord("target");
  std::string word(spelling(peek()));
  advance();
  if (!expectName(declaration.name, "a name after '" + word + "'")) {
    body.incomplete = true;
    return false;
  }
  bool valid = type(declaration.type);
  if (valid && isWord("with") && sameLine()) {
    Range with = peek().range;
    advance();
    valid = isWord("gradient") && sameLine();
    if (!valid)
      errorHere("expected 'gradient' after 'with'");
    else
      advance();
    if (valid && declaration.isTarget)
      error(with, "a target has no gradient");
    declaration.withGradient = valid;
  }
  body.statements.push_back({range, std::move(declaration)});
  return valid;
}

/// `: DTYPE [ "[" extents "]" ]`.
bool Parser::type(Type &type) {
  type.range = peek().range;
  type.valid = false;
  if (breaksHere() || !is(TokenKind::Colon))
    return expect(TokenKind::Colon, "':' and a type, as in ': f32[batch, 10]'");
  advance();
  size_t first = at;
  type.range = peek().range;
  if (!expectName(type.dtype, "a type, as in 'f32[batch, 10]'"))
    return false;
  if (is(TokenKind::LeftBracket) && sameLine()) {
    brackets.push_back(at);
    advance();
    if (!elements(type.shape))
      return false;
  }
  type.range = rangeFrom(first);
  type.valid = true;
  return true;
}

bool Parser::assignment(Body &body) {
  Range range = peek().range;
  Assignment assignment;
  do {
    Identifier name;
    bool isFirst = assignment.names.empty(); // it begins the line
    if (isFirst && !isWord("true") && !isWord("false")) {
      name = takeWord();
    } else if (!expectName(name, "a name")) {
      body.incomplete = true;
      return false;
    }
    assignment.names.push_back(std::move(name));
  } while (accept(TokenKind::Comma));
  if (!is(TokenKind::Equal)) {
    body.incomplete = true;
    return expect(TokenKind::Equal, "'='");
  }
  advance();
  ExprPtr value = expression();
  bool valid = value != nullptr;
  assignment.value = orInvalid(std::move(value));
  body.statements.push_back({range, std::move(assignment)});
  return valid;
}

bool Parser::output(Body &body) {
  Range range = peek().range;
  Output output;
  advance();
  if (!expectName(output.name, "the output's name")) {
    body.incomplete = true;
    return false;
  }
  bool valid = true;
  if (is(TokenKind::Equal) && sameLine()) {
    advance();
    ExprPtr value = expression();
    valid = value != nullptr;
    output.value = orInvalid(std::move(value));
  } else if (sameLine() && !is(TokenKind::RightBrace) &&
             !is(TokenKind::Semicolon) && !is(TokenKind::End)) {
    Diagnostic *failed = errorHere("an output that is not a variable needs a "
                                   "name");
    note(failed, output.name.range, "write 'output NAME = ...'");
    return false;
  }
  body.statements.push_back({range, std::move(output)});
  return valid;
}

bool Parser::score(Body &body) {
  Range range = peek().range;
  Score score;
  score.isMetric = isWord("metric");
  std::string word(spelling(peek()));
  advance();
  ExprPtr value;
  if (breaksHere()) {
    errorHere("expected an expression after '" + word + "'");
  } else {
    if (is(TokenKind::Word) && is(TokenKind::Equal, 1)) {
      score.name = takeWord();
      advance();
    }
    value = expression();
  }
  bool valid = value != nullptr;
  score.value = orInvalid(std::move(value));
  body.statements.push_back({range, std::move(score)});
  return valid;
}

bool Parser::train(Body &body) {
  Range range = peek().range;
  advance();
  if (isWord("only") && sameLine()) {
    advance();
    TrainOnly only;
    do {
      Identifier name;
      if (!pattern(name))
        return false;
      only.patterns.push_back(std::move(name));
    } while (accept(TokenKind::Comma));
    body.statements.push_back({range, std::move(only)});
    return true;
  }
  if (!is(TokenKind::Word) || breaksHere()) {
    errorHere(
        "expected an optimizer, as in 'train adam(lr = 1e-3)', or 'only'");
    return false;
  }
  ExprPtr optimizer = call(/*needsParens=*/false);
  if (!optimizer)
    return false;
  body.statements.push_back({range, Train{std::move(optimizer)}});
  return true;
}

/// `head.*`: tokens that touch each other, or a string.
bool Parser::pattern(Identifier &pattern) {
  size_t first = at;
  bool fresh = !brackets.empty() || at == 0 ||
               tokens[at - 1].kind == TokenKind::Comma || sameLine();
  if (fresh && is(TokenKind::String)) {
    pattern.name = stringValue(source, peek());
    advance();
  } else if (fresh) {
    auto belongs = [this] {
      return is(TokenKind::Word) || is(TokenKind::Dot) || is(TokenKind::Star) ||
             is(TokenKind::StarStar) || is(TokenKind::Integer) ||
             is(TokenKind::Float);
    };
    while (belongs() && (at == first || peek().begin == tokens[at - 1].end)) {
      pattern.name += spelling(peek());
      advance();
    }
  }
  pattern.range = rangeFrom(first);
  if (!pattern.name.empty())
    return true;
  errorHere("expected a pattern of parameter names, as in 'head.*'");
  return false;
}

bool Parser::repeat(Body &body, bool isBlock) {
  Range range = peek().range;
  advance();
  Repeat repeat;
  if (is(TokenKind::Word) && isWord("in", 1) && sameLine(1)) {
    Diagnostic *failed = error(peek(1).range, "'repeat' has no loop variable");
    note(failed, range, "write 'repeat N { ... }'");
    advance();
    advance();
  }
  ExprPtr count;
  if (breaksHere() || is(TokenKind::LeftBrace))
    errorHere("expected a number after 'repeat'");
  else
    count = expression();
  bool valid = count != nullptr;
  repeat.count = orInvalid(std::move(count));
  if (!valid) { // the body is still worth reading
    brackets.clear();
    while (sameLine() && !is(TokenKind::LeftBrace) && !is(TokenKind::End) &&
           !is(TokenKind::RightBrace))
      advance();
  }
  if (!is(TokenKind::LeftBrace)) {
    if (valid)
      errorHere("expected '{'");
    body.incomplete = true;
    return false;
  }
  if (!enter()) {
    body.incomplete = true;
    return false;
  }
  this->body(repeat.body, isBlock);
  leave();
  body.incomplete |= repeat.body.incomplete;
  body.statements.push_back({range, std::move(repeat)});
  return true;
}

bool Parser::returns(Body &body) {
  Range range = peek().range;
  advance();
  Return returns;
  bool valid = true;
  do {
    ExprPtr value;
    if (breaksHere() && returns.values.empty())
      errorHere("expected an expression after 'return'");
    else
      value = expression();
    valid = value != nullptr;
    returns.values.push_back(orInvalid(std::move(value)));
  } while (valid && accept(TokenKind::Comma));
  // How many values the block returns is known only if all of it was read.
  body.incomplete |= !valid;
  body.statements.push_back({range, std::move(returns)});
  return valid;
}

/// Neither a statement's word nor an assignment.
bool Parser::looseExpression() {
  size_t first = at;
  std::string word(spelling(peek()));
  if (word == "model" || word == "block") {
    error(peek().range, "a " + word + " cannot stand inside of another");
    return false;
  }
  TokenKind next = peek(1).kind;
  if (sameLine(1) &&
      (next == TokenKind::Word || next == TokenKind::Colon ||
       next == TokenKind::Integer || next == TokenKind::Float ||
       next == TokenKind::String || next == TokenKind::LeftBracket)) {
    std::string meant = nearest(word, statementWords);
    if (!meant.empty() && is(TokenKind::Word, 1))
      error(peek().range,
            "unknown statement '" + word + "'; did you mean '" + meant + "'?");
    else if (is(TokenKind::Colon, 1))
      error(peek().range, "expected 'input' or 'target' before a name with a "
                          "type");
    else
      error(peek(1).range, "expected '=' after '" + word + "'");
    return false;
  }
  if (!expression())
    return false;
  Range range = rangeFrom(first);
  note(error(range, "the value of this expression is not used"), range,
       "write 'NAME = ...' to keep it");
  return true;
}

} // namespace fm
