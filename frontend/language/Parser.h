//===- Parser.h - Tokens to the syntax tree -------------------------------===//
//
// Recursive descent. After a mistake the parser goes on with the next
// statement, so that one run finds all syntax errors of a file.
//
//===----------------------------------------------------------------------===//
#ifndef FM_FRONTEND_LANGUAGE_PARSER_H
#define FM_FRONTEND_LANGUAGE_PARSER_H

#include "frontend/language/Ast.h"

namespace fm {

/// Brackets, signs and `repeat` may be nested this deep.
constexpr unsigned maxNesting = 256;

/// Always gives a tree, of what could be understood.
ast::File parse(const Source &source, Diagnostics &diagnostics);

} // namespace fm

#endif // FM_FRONTEND_LANGUAGE_PARSER_H
