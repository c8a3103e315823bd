//===- ParserImpl.h - The parser's state and productions ------------------===//
//
// Productions return null or false after reporting an error; the statement that
// called them recovers. Private to Parser*.cpp.
//
//===----------------------------------------------------------------------===//
#ifndef FM_FRONTEND_LANGUAGE_PARSERIMPL_H
#define FM_FRONTEND_LANGUAGE_PARSERIMPL_H

#include "frontend/language/Lexer.h"
#include "frontend/language/Parser.h"

#include <string_view>

namespace fm {

class Parser {
public:
  Parser(const Source &source, Diagnostics &diagnostics)
      : source(source), diagnostics(diagnostics),
        tokens(lex(source, diagnostics)) {}

  ast::File file();

private:
  // Tokens.
  const Token &peek(size_t ahead = 0) const {
    return tokens[std::min(at + ahead, tokens.size() - 1)];
  }
  bool is(TokenKind kind, size_t ahead = 0) const {
    return peek(ahead).kind == kind;
  }
  bool isWord(std::string_view word, size_t ahead = 0) const {
    return is(TokenKind::Word, ahead) && spelling(peek(ahead)) == word;
  }
  /// Token `ahead` follows the one before it on the same line.
  bool sameLine(size_t ahead = 0) const { return !peek(ahead).startsLine; }
  std::string_view spelling(const Token &token) const {
    return std::string_view(source.text)
        .substr(token.begin, token.end - token.begin);
  }
  void advance() {
    if (!is(TokenKind::End))
      ++at;
  }
  bool accept(TokenKind kind) {
    if (!is(kind))
      return false;
    advance();
    return true;
  }
  /// From token `first` to the last one consumed, at most to its line's end.
  Range rangeFrom(size_t first) const;
  ast::Identifier takeWord();
  /// A line break ends the statement here.
  bool breaksHere() const { return brackets.empty() && peek().startsLine; }
  /// A statement certainly begins at token `ahead`: a line that begins with a
  /// statement's word, or, outside of brackets, with `NAME =`.
  bool beginsStatement(size_t ahead = 0) const;
  bool beginsDefinition() const;

  // Errors.
  Diagnostic *error(const Range &range, std::string message);
  /// At the next token; silent if that is invalid. Just behind the last token
  /// if the next one is on another line.
  Diagnostic *errorHere(std::string message);
  void note(Diagnostic *diagnostic, const Range &range, std::string message);
  bool expect(TokenKind kind, const char *what);
  /// Closes the bracket opened last.
  bool expectClosing(TokenKind kind, const char *expected);
  /// A name on the same line; `what` for the message.
  bool expectName(ast::Identifier &name, const std::string &what);
  /// The closing partner of bracket token `open`, or 0.
  size_t partner(size_t open) const;
  /// Skips what is left of the statement that began at `begin`.
  void recover(size_t begin);
  bool enter();
  void leave() { --depth; }

  // Definitions (Parser.cpp).
  void definition(ast::File &file);
  bool parameters(ast::Definition &definition);
  bool body(ast::Body &body, bool isBlock);

  // Statements (ParseStatements.cpp).
  static const std::vector<std::string> statementWords;
  static bool isStatementWord(std::string_view word);
  bool statement(ast::Body &body, bool isBlock);
  bool statementEnd();
  bool misplaced();
  bool declaration(ast::Body &body);
  bool assignment(ast::Body &body);
  bool output(ast::Body &body);
  bool score(ast::Body &body);
  bool train(ast::Body &body);
  bool pattern(ast::Identifier &pattern);
  bool repeat(ast::Body &body, bool isBlock);
  bool returns(ast::Body &body);
  bool looseExpression();
  bool type(ast::Type &type);

  // Expressions (ParseExpressions.cpp), loosest first.
  ast::ExprPtr expression();
  ast::ExprPtr sum();
  ast::ExprPtr product();
  ast::ExprPtr unary();
  ast::ExprPtr power();
  ast::ExprPtr primary();
  ast::ExprPtr group();
  ast::ExprPtr stage();
  ast::ExprPtr call(bool needsParens);
  bool arguments(ast::Call &call);
  bool elements(std::vector<ast::ExprPtr> &elements);
  template <typename Operand>
  ast::ExprPtr chain(Operand operand,
                     bool (*binds)(TokenKind, ast::BinaryOp &));
  template <typename Node> ast::ExprPtr make(size_t first, Node node) const {
    auto expr = std::make_unique<ast::Expr>();
    expr->range = rangeFrom(first);
    expr->node = std::move(node);
    return expr;
  }
  /// Stands for what could not be parsed, so that its name is still known.
  ast::ExprPtr orInvalid(ast::ExprPtr expr) const {
    return expr ? std::move(expr) : make(at, ast::Invalid{});
  }

  const Source &source;
  Diagnostics &diagnostics;
  std::vector<Token> tokens;
  size_t at = 0;
  unsigned depth = 0;
  /// Open ( and [ of the statement at hand, as indices of tokens.
  std::vector<size_t> brackets;
};

} // namespace fm

#endif // FM_FRONTEND_LANGUAGE_PARSERIMPL_H
