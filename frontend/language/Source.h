//===- Source.h - A `.fm` text and places in it ---------------------------===//
//
// Tokens and AST nodes carry a `Range`; the name of the file is kept once, and
// joined with it when something is reported.
//
//===----------------------------------------------------------------------===//
#ifndef FM_FRONTEND_LANGUAGE_SOURCE_H
#define FM_FRONTEND_LANGUAGE_SOURCE_H

#include "frontend/recorder/Diagnostics.h"

#include <string>

namespace fm {

/// Line and column count from 1, columns and length in bytes.
struct Range {
  unsigned line = 0;
  unsigned column = 0;
  unsigned length = 1;
};

struct Source {
  std::string name; ///< as in messages: the path that the user gave
  std::string text; ///< UTF-8 without byte order mark

  Location at(const Range &range) const {
    return {name, range.line, range.column, range.length};
  }
};

} // namespace fm

#endif // FM_FRONTEND_LANGUAGE_SOURCE_H
