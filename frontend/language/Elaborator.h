//===- Elaborator.h - The syntax tree to calls on the recorder ------------===//
//
// Runs the model: computes its numbers, unrolls `repeat`, expands blocks, and
// records every op. Shapes and ops' arguments are the recorder's to check; the
// names, the numbers and the blocks are checked here.
//
//===----------------------------------------------------------------------===//
#ifndef FM_FRONTEND_LANGUAGE_ELABORATOR_H
#define FM_FRONTEND_LANGUAGE_ELABORATOR_H

#include "frontend/language/Ast.h"
#include "frontend/recorder/RecorderInterface.h"

namespace fm {

/// `-D name=value`: a model parameter's value from outside.
struct Override {
  std::string name;
  std::string value;
};

/// Bounds on what a small text may unroll into.
struct Limits {
  unsigned ops = 100'000;
  uint64_t steps = 2'000'000; ///< statements and expressions evaluated
};

/// Records the file's one model. False if there are errors.
bool elaborate(const ast::File &file, const Source &source,
               const std::vector<Override> &overrides,
               RecorderInterface &recorder, const Limits &limits = {});

} // namespace fm

#endif // FM_FRONTEND_LANGUAGE_ELABORATOR_H
