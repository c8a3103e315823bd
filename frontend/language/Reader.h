//===- Reader.h - A `.fm` file to a recorded model ------------------------===//
#ifndef FM_FRONTEND_LANGUAGE_READER_H
#define FM_FRONTEND_LANGUAGE_READER_H

#include "frontend/language/Ast.h"
#include "frontend/language/Elaborator.h"

#include <optional>

namespace fm {

/// Records the model in the file at `path`. False if there are errors; all of
/// them are in `recorder.diagnostics()`.
bool readModel(const std::string &path, const std::vector<Override> &overrides,
               RecorderInterface &recorder);

/// The same for text that is already here; `name` stands in messages.
bool readModelText(const std::string &name, std::string text,
                   const std::vector<Override> &overrides,
                   RecorderInterface &recorder, const Limits &limits = {});

/// Only the syntax tree, for `--emit=ast`. Nothing if the file cannot be read;
/// otherwise what could be understood of it.
std::optional<ast::File> parseFile(const std::string &path,
                                   Diagnostics &diagnostics);
std::optional<ast::File> parseText(const std::string &name, std::string text,
                                   Diagnostics &diagnostics);

/// Splits the `name=value` of a `-D`.
std::optional<Override> parseOverride(const std::string &text,
                                      Diagnostics &diagnostics);

} // namespace fm

#endif // FM_FRONTEND_LANGUAGE_READER_H
