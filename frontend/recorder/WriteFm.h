//===- WriteFm.h - A recorded model as `.fm` text
//---------------------------===//
//
// The inverse of reading: what was recorded, from whichever frontend, as text
// of the language that records the same model again.
//
//===----------------------------------------------------------------------===//
#ifndef FM_FRONTEND_RECORDER_WRITEFM_H
#define FM_FRONTEND_RECORDER_WRITEFM_H

#include "compiler/ir/Dialect.h"

#include <optional>
#include <string>

namespace fm {

/// The text of a model as the recorder made it. Reading it gives the same IR
/// but for locations: the names of parameters included, though blocks and
/// `repeat` are unrolled. Arguments that are their defaults are left out.
/// Nothing, and an error at the op, if the model holds what the language cannot
/// say (after passes have changed it).
std::optional<std::string> writeFm(ir::ModelOp model);

} // namespace fm

#endif // FM_FRONTEND_RECORDER_WRITEFM_H
