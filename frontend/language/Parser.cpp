//===- Parser.cpp - Files, definitions, statements, recovery --------------===//
//
//   file       = { definition }
//   definition = ("model" | "block") NAME [ "(" parameters ")" ] body
//   parameters = [ NAME [ "=" expression ] { "," NAME [ "=" expression ] } ]
//   body       = "{" { statement (newline | ";") } "}"
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

namespace {

const std::vector<std::string> statementWords = {
    "input", "target", "output", "loss", "metric", "train", "repeat", "return"};

bool isStatementWord(std::string_view word) {
  return std::find(statementWords.begin(), statementWords.end(), word) !=
         statementWords.end();
}

} // namespace

//===----------------------------------------------------------------------===//
// Tokens, errors, recovery
//===----------------------------------------------------------------------===//

Range Parser::rangeFrom(size_t first) const {
  Range range = tokens[first].range;
  if (at <= first)
    return range;
  const Token &last = tokens[at - 1];
  if (last.range.line == range.line) {
    range.length = unsigned(last.end - tokens[first].begin);
    return range;
  }
  size_t lineEnd = source.text.find('\n', tokens[first].begin);
  range.length = unsigned(lineEnd - tokens[first].begin);
  return range;
}

Identifier Parser::takeWord() {
  Identifier word{std::string(spelling(peek())), peek().range};
  advance();
  return word;
}

bool Parser::beginsStatement(size_t ahead) const {
  if (!is(TokenKind::Word, ahead) || !peek(ahead).startsLine)
    return false;
  bool bare = brackets.empty();
  if (is(TokenKind::Equal, ahead + 1))
    return bare;
  return isStatementWord(spelling(peek(ahead))) &&
         (is(TokenKind::Word, ahead + 1) ||
          is(TokenKind::Integer, ahead + 1)) &&
         sameLine(ahead + 1);
}

bool Parser::beginsDefinition() const {
  return (isWord("model") || isWord("block")) && peek().startsLine &&
         is(TokenKind::Word, 1) && sameLine(1) &&
         (is(TokenKind::LeftParen, 2) || is(TokenKind::LeftBrace, 2));
}

Diagnostic *Parser::error(const Range &range, std::string message) {
  return &diagnostics.error(source.at(range), std::move(message));
}

Diagnostic *Parser::errorHere(std::string message) {
  if (is(TokenKind::Invalid))
    return nullptr;
  Range range = peek().range;
  if (at > 0 && (peek().startsLine || is(TokenKind::End))) {
    const Token &last = tokens[at - 1];
    if (last.kind == TokenKind::Invalid)
      return nullptr;
    range = last.range;
    range.column += unsigned(last.end - last.begin);
    range.length = 1;
  }
  return error(range, std::move(message));
}

void Parser::note(Diagnostic *diagnostic, const Range &range,
                  std::string message) {
  if (diagnostic)
    diagnostic->notes.push_back(
        {Severity::Note, source.at(range), std::move(message), {}});
}

bool Parser::expect(TokenKind kind, const char *what) {
  if (accept(kind))
    return true;
  errorHere(std::string("expected ") + what);
  return false;
}

bool Parser::expectClosing(TokenKind kind, const char *expected) {
  if (accept(kind)) {
    brackets.pop_back();
    return true;
  }
  const Token &open = tokens[brackets.back()];
  note(errorHere(std::string("expected ") + expected), open.range,
       "to match this '" + std::string(spelling(open)) + "'");
  return false;
}

bool Parser::expectName(Identifier &name, const std::string &what) {
  if (!is(TokenKind::Word) || breaksHere()) {
    errorHere("expected " + what);
    return false;
  }
  name = takeWord();
  if (name.name != "true" && name.name != "false")
    return true;
  error(name.range, "'" + name.name + "' cannot be a name");
  return false;
}

size_t Parser::partner(size_t open) const {
  std::vector<TokenKind> closing;
  for (size_t i = open; i < tokens.size(); ++i) {
    const Token &token = tokens[i];
    switch (token.kind) {
    case TokenKind::LeftParen:
      closing.push_back(TokenKind::RightParen);
      break;
    case TokenKind::LeftBracket:
      closing.push_back(TokenKind::RightBracket);
      break;
    case TokenKind::RightParen:
    case TokenKind::RightBracket:
      if (closing.back() != token.kind)
        return 0;
      closing.pop_back();
      if (closing.empty())
        return i;
      break;
    case TokenKind::LeftBrace:
    case TokenKind::RightBrace:
      return 0;
    default:
      if (i >= at && beginsStatement(i - at))
        return 0;
      break;
    }
  }
  return 0;
}

void Parser::recover(size_t begin) {
  // With all brackets closed, their contents hold no statement.
  if (!brackets.empty())
    if (size_t close = partner(brackets.front()); close >= at && close > 0)
      at = close + 1;
  brackets.clear();
  if (at == begin)
    advance();
  unsigned braces = 0;
  for (; !is(TokenKind::End); advance()) {
    TokenKind kind = peek().kind;
    if (beginsDefinition())
      return;
    if (kind == TokenKind::LeftBrace) {
      ++braces;
    } else if (kind == TokenKind::RightBrace) {
      if (braces == 0)
        return;
      --braces;
    } else if (braces == 0) {
      if (accept(TokenKind::Semicolon))
        return;
      bool continues = kind != TokenKind::Word && kind != TokenKind::Invalid;
      if (peek().startsLine && !continues)
        return;
    }
  }
}

bool Parser::enter() {
  if (depth < maxNesting) {
    ++depth;
    return true;
  }
  errorHere("nested too deeply: more than " + std::to_string(maxNesting) +
            " levels");
  return false;
}

//===----------------------------------------------------------------------===//
// Files and definitions
//===----------------------------------------------------------------------===//

File Parser::file() {
  File file;
  while (!is(TokenKind::End) && !diagnostics.tooManyErrors()) {
    if (accept(TokenKind::Semicolon))
      continue;
    if (isWord("model") || isWord("block")) {
      definition(file);
      continue;
    }
    file.incomplete = true;
    std::string message = "expected 'model' or 'block'";
    if (is(TokenKind::RightBrace)) {
      message = "unexpected '}'";
    } else if (is(TokenKind::Word)) {
      std::string word(spelling(peek()));
      std::string meant = nearest(word, {"model", "block"});
      if (isStatementWord(word) || is(TokenKind::Equal, 1))
        message = "a statement stands inside of a model or a block";
      else if (!meant.empty())
        message = "expected 'model' or 'block', not '" + word +
                  "'; did you mean '" + meant + "'?";
    }
    if (!is(TokenKind::Invalid))
      error(peek().range, message);
    do
      advance();
    while (!is(TokenKind::End) && !beginsDefinition());
  }
  return file;
}

void Parser::definition(File &file) {
  Definition definition;
  size_t first = at;
  std::string kind(spelling(peek()));
  definition.isBlock = kind == "block";
  advance();
  brackets.clear();
  bool valid = expectName(definition.name, "the " + kind + "'s name");
  if (valid && is(TokenKind::LeftParen) && !parameters(definition)) {
    definition.validHeader = false;
    if (size_t close = partner(brackets.front()); close >= at && close > 0)
      at = close + 1;
    brackets.clear();
    while (!is(TokenKind::LeftBrace) && !is(TokenKind::RightBrace) &&
           !is(TokenKind::End) && !beginsDefinition())
      advance();
    valid = is(TokenKind::LeftBrace);
  } else if (valid && !is(TokenKind::LeftBrace)) {
    errorHere(is(TokenKind::RightParen) || !definition.parameters.empty()
                  ? "expected '{'"
                  : "expected '(' or '{'");
    valid = false;
  }
  if (!valid) {
    file.incomplete = true;
    recover(first);
    return;
  }
  body(definition.body, definition.isBlock);
  definition.body.incomplete |= !definition.validHeader;
  file.definitions.push_back(std::move(definition));
}

bool Parser::parameters(Definition &definition) {
  brackets.push_back(at);
  advance();
  while (!is(TokenKind::RightParen)) {
    Parameter parameter;
    if (!expectName(parameter.name, "a parameter's name or ')'"))
      return false;
    if (accept(TokenKind::Equal)) {
      parameter.defaultValue = expression();
      if (!parameter.defaultValue)
        return false;
    }
    definition.parameters.push_back(std::move(parameter));
    if (!accept(TokenKind::Comma))
      break;
  }
  return expectClosing(TokenKind::RightParen, "',' or ')'");
}

/// `{ statements }`; the brace is the next token.
bool Parser::body(Body &body, bool isBlock) {
  body.open = peek().range;
  advance();
  while (!diagnostics.tooManyErrors()) {
    if (is(TokenKind::RightBrace)) {
      body.close = peek().range;
      advance();
      return true;
    }
    if (is(TokenKind::End) || beginsDefinition()) {
      body.close = peek().range;
      Diagnostic *missing =
          is(TokenKind::End)
              ? errorHere("expected '}' at the end of the file")
              : error(peek().range, "expected '}' before '" +
                                        std::string(spelling(peek())) + "'");
      note(missing, body.open, "to match this '{'");
      return false;
    }
    if (accept(TokenKind::Semicolon))
      continue;
    size_t begin = at;
    brackets.clear();
    unsigned depthBefore = depth;
    if (!statement(body, isBlock) || !statementEnd()) {
      depth = depthBefore;
      recover(begin);
    }
  }
  return false;
}

//===----------------------------------------------------------------------===//
// Statements
//===----------------------------------------------------------------------===//

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

File parse(const Source &source, Diagnostics &diagnostics) {
  return Parser(source, diagnostics).file();
}

} // namespace fm
