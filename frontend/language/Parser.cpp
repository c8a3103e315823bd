//===- Parser.cpp - Files, definitions, bodies, recovery ------------------===//
//
//   file       = { definition }
//   definition = ("model" | "block") NAME [ "(" parameters ")" ] body
//   parameters = [ NAME [ "=" expression ] { "," NAME [ "=" expression ] } ]
//   body       = "{" { statement (newline | ";") } "}"
//
//===----------------------------------------------------------------------===//
#include "frontend/language/ParserImpl.h"

namespace fm {

using namespace ast;

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

File parse(const Source &source, Diagnostics &diagnostics) {
  return Parser(source, diagnostics).file();
}

} // namespace fm
