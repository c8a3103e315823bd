//===- Lexer.cpp - `.fm` text to tokens -----------------------------------===//
#include "frontend/language/Lexer.h"

#include <charconv>
#include <cstdio>
#include <string_view>

namespace fm {

namespace {

bool isDigit(char c) { return c >= '0' && c <= '9'; }
bool isWordStart(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}
bool isWordPart(char c) { return isWordStart(c) || isDigit(c); }
bool isAscii(char c) { return static_cast<unsigned char>(c) < 0x80; }

class Lexer {
public:
  Lexer(const Source &source, Diagnostics &diagnostics)
      : source(source), text(source.text), diagnostics(diagnostics) {}

  std::vector<Token> run() {
    while (!diagnostics.tooManyErrors()) {
      skipBlanks();
      if (at == text.size())
        break;
      lexToken();
    }
    at = text.size();
    add(TokenKind::End, at);
    return std::move(tokens);
  }

private:
  char peek(size_t ahead = 0) const {
    return at + ahead < text.size() ? text[at + ahead] : '\0';
  }

  Range range(size_t begin, size_t end) const {
    return {line, unsigned(begin - lineBegin + 1),
            unsigned(end > begin ? end - begin : 1)};
  }

  Diagnostic &error(size_t begin, size_t end, std::string message) {
    return diagnostics.error(source.at(range(begin, end)), std::move(message));
  }

  /// Adds the token from `begin` to the current position.
  Token &add(TokenKind kind, size_t begin) {
    Token token;
    token.kind = kind;
    token.startsLine = freshLine;
    token.range = range(begin, at);
    token.begin = begin;
    token.end = at;
    freshLine = false;
    tokens.push_back(token);
    return tokens.back();
  }

  void skipToLineEnd() {
    while (at < text.size() && text[at] != '\n')
      ++at;
  }

  void skipBlanks() {
    for (; at < text.size(); ++at) {
      char c = text[at];
      if (c == '#') {
        skipToLineEnd();
        if (at == text.size())
          return;
        c = '\n';
      }
      if (c == '\n') {
        ++line;
        lineBegin = at + 1;
        freshLine = true;
      } else if (c != ' ' && c != '\t' && c != '\r') {
        return;
      }
    }
  }

  void lexToken();
  void lexNumber();
  void lexString();
  void lexInvalid();
  void punctuation(TokenKind kind, size_t length) {
    size_t begin = at;
    at += length;
    add(kind, begin);
  }

  const Source &source;
  std::string_view text;
  Diagnostics &diagnostics;
  std::vector<Token> tokens;
  size_t at = 0;
  size_t lineBegin = 0;
  unsigned line = 1;
  bool freshLine = true;
};

void Lexer::lexToken() {
  char c = peek();
  if (isWordStart(c)) {
    size_t begin = at;
    while (isWordPart(peek()))
      ++at;
    add(TokenKind::Word, begin);
    return;
  }
  if (isDigit(c) || (c == '.' && isDigit(peek(1))))
    return lexNumber();
  switch (c) {
  case '"':
    return lexString();
  case '(':
    return punctuation(TokenKind::LeftParen, 1);
  case ')':
    return punctuation(TokenKind::RightParen, 1);
  case '[':
    return punctuation(TokenKind::LeftBracket, 1);
  case ']':
    return punctuation(TokenKind::RightBracket, 1);
  case '{':
    return punctuation(TokenKind::LeftBrace, 1);
  case '}':
    return punctuation(TokenKind::RightBrace, 1);
  case ',':
    return punctuation(TokenKind::Comma, 1);
  case ':':
    return punctuation(TokenKind::Colon, 1);
  case ';':
    return punctuation(TokenKind::Semicolon, 1);
  case '.':
    return punctuation(TokenKind::Dot, 1);
  case '=':
    return punctuation(TokenKind::Equal, 1);
  case '+':
    return punctuation(TokenKind::Plus, 1);
  case '-':
    return punctuation(TokenKind::Minus, 1);
  case '%':
    return punctuation(TokenKind::Percent, 1);
  case '*':
    return peek(1) == '*' ? punctuation(TokenKind::StarStar, 2)
                          : punctuation(TokenKind::Star, 1);
  case '/':
    if (peek(1) == '/') {
      error(at, at + 2, "comments begin with '#', not '//'");
      skipToLineEnd();
      return;
    }
    return punctuation(TokenKind::Slash, 1);
  case '|':
    if (peek(1) == '>')
      return punctuation(TokenKind::Pipe, 2);
    break;
  default:
    break;
  }
  lexInvalid();
}

void Lexer::lexNumber() {
  size_t begin = at;
  bool isFloat = false;
  while (isDigit(peek()))
    ++at;
  // `0.weight` is a path, not a number; `1.` and `1.e5` are numbers.
  if (peek() == '.') {
    char next = peek(1);
    bool exponent = (next == 'e' || next == 'E') &&
                    (isDigit(peek(2)) || peek(2) == '-' || peek(2) == '+');
    if (!isWordStart(next) || exponent) {
      isFloat = true;
      ++at;
      while (isDigit(peek()))
        ++at;
    }
  }
  if (peek() == 'e' || peek() == 'E') {
    size_t sign = peek(1) == '-' || peek(1) == '+';
    if (isDigit(peek(1 + sign))) {
      isFloat = true;
      at += 1 + sign;
      while (isDigit(peek()))
        ++at;
    }
  }
  std::string_view digits = text.substr(begin, at - begin);
  if (isWordPart(peek())) {
    size_t suffix = at;
    while (isWordPart(peek()))
      ++at;
    error(suffix, at,
          "invalid suffix '" + std::string(text.substr(suffix, at - suffix)) +
              "' on the number " + std::string(digits));
    add(TokenKind::Invalid, begin);
    return;
  }

  const char *first = digits.data(), *last = first + digits.size();
  if (isFloat) {
    // from_chars wants a digit before the point.
    std::string spelled = (digits[0] == '.' ? "0" : "") + std::string(digits);
    double value = 0;
    auto [end, code] =
        std::from_chars(spelled.data(), spelled.data() + spelled.size(), value);
    if (code == std::errc::result_out_of_range) {
      error(begin, at, "the number is outside the range of f64");
      add(TokenKind::Invalid, begin);
      return;
    }
    add(TokenKind::Float, begin).number = value;
    return;
  }
  int64_t value = 0;
  if (std::from_chars(first, last, value).ec != std::errc()) {
    error(begin, at, "the integer does not fit in 64 bits");
    add(TokenKind::Invalid, begin);
    return;
  }
  add(TokenKind::Integer, begin).integer = value;
}

void Lexer::lexString() {
  size_t begin = at++;
  bool valid = true;
  while (at < text.size() && text[at] != '"' && text[at] != '\n') {
    if (text[at] == '\\') {
      char escaped = peek(1);
      if (escaped != '"' && escaped != '\\' && escaped != 'n' &&
          escaped != 't') {
        error(at, at + 1, R"(unknown escape: strings know \", \\, \n and \t)");
        valid = false;
        ++at;
        continue;
      }
      ++at;
    }
    ++at;
  }
  if (peek() != '"') {
    error(begin, begin + 1, "the string does not end on its line")
        .notes.push_back({Severity::Note,
                          source.at(range(at, at)),
                          "expected '\"' here or before",
                          {}});
    valid = false;
  } else {
    ++at;
  }
  add(valid ? TokenKind::String : TokenKind::Invalid, begin);
}

/// A run of characters that begin no token is one error.
void Lexer::lexInvalid() {
  size_t begin = at;
  auto startsToken = [](char c) {
    return isWordPart(c) ||
           std::string_view("\"()[]{},:;.=+-%*/# \t\r\n").find(c) !=
               std::string_view::npos;
  };
  ++at;
  while (at < text.size() && !startsToken(text[at]) &&
         text.substr(at, 2) != "|>")
    ++at;
  if (text[begin] == '\'') { // 'text': one mistake, not two
    size_t end = text.find_first_of("'\n", at);
    if (end != std::string_view::npos && text[end] == '\'')
      at = end + 1;
  }
  size_t length = 1; // of the first character
  while (begin + length < at &&
         (static_cast<unsigned char>(text[begin + length]) & 0xC0) == 0x80)
    ++length;
  std::string_view first = text.substr(begin, length);
  char c = first[0];
  std::string shown = "'" + std::string(first) + "'";
  if (isAscii(c) && (c < 0x20 || c == 0x7F)) {
    char code[16];
    std::snprintf(code, sizeof code, "<U+%04X>", unsigned(c));
    shown = code;
  }
  std::string message = "unexpected character " + shown;
  if (c == '|')
    message += "; did you mean '|>'?";
  else if (c == '\'' || first == "\u201C" || first == "\u201D")
    message += "; strings are written in double quotes: \"...\"";
  else if (first == "\u2212" || first == "\u2013")
    message += "; did you mean '-'?";
  else if (first == "\u00D7")
    message += "; did you mean '*'?";
  error(begin, at, std::move(message));
  add(TokenKind::Invalid, begin);
}

} // namespace

std::vector<Token> lex(const Source &source, Diagnostics &diagnostics) {
  return Lexer(source, diagnostics).run();
}

std::string stringValue(const Source &source, const Token &token) {
  std::string value;
  for (size_t i = token.begin + 1; i + 1 < token.end; ++i) {
    char c = source.text[i];
    if (c == '\\') {
      c = source.text[++i];
      c = c == 'n' ? '\n' : c == 't' ? '\t' : c;
    }
    value += c;
  }
  return value;
}

} // namespace fm
