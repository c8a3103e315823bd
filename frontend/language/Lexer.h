//===- Lexer.h - `.fm` text to tokens -------------------------------------===//
//
// Newlines are no tokens: each token knows whether it begins a line, and the
// parser decides where that ends a statement. Comments (`#`) vanish.
//
//===----------------------------------------------------------------------===//
#ifndef FM_FRONTEND_LANGUAGE_LEXER_H
#define FM_FRONTEND_LANGUAGE_LEXER_H

#include "frontend/language/Source.h"

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace fm {

enum class TokenKind : uint8_t {
  End,     ///< of the file
  Invalid, ///< has been reported; whatever fails because of it stays silent
  Word,
  Integer,
  Float,
  String,
  LeftParen,
  RightParen,
  LeftBracket,
  RightBracket,
  LeftBrace,
  RightBrace,
  Comma,
  Colon,
  Semicolon,
  Dot,
  Equal,
  Plus,
  Minus,
  Star,
  StarStar,
  Slash,
  Percent,
  Pipe ///< `|>`
};

struct Token {
  TokenKind kind = TokenKind::End;
  bool startsLine = false; ///< nothing but blanks before it on its line
  Range range;
  size_t begin = 0, end = 0; ///< offsets in the text
  union {
    int64_t integer = 0; ///< of an Integer
    double number;       ///< of a Float
  };
};

/// The tokens of `source`, the last of kind End. Reports what is no token.
std::vector<Token> lex(const Source &source, Diagnostics &diagnostics);

/// The value of a String token: quotes removed, escapes resolved.
std::string stringValue(const Source &source, const Token &token);

} // namespace fm

#endif // FM_FRONTEND_LANGUAGE_LEXER_H
