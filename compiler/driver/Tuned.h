//===- Tuned.h - The tuned file of a compilation ------------------------------------===//
#ifndef FM_COMPILER_DRIVER_TUNED_H
#define FM_COMPILER_DRIVER_TUNED_H

#include "compiler/codegen/TuneFile.h"
#include "compiler/driver/Options.h"
#include "frontend/recorder/Diagnostics.h"

#include "mlir/IR/BuiltinOps.h"

#include <optional>

namespace fm::driver {

/// "dir/model.tune" for "dir/model.fm"; "" for a model that is no file.
std::string tunePathBeside(const std::string &model);

/// The file that a compilation with these options reads: the one they name, or
/// the one beside the model if there is one; "" if there is none to read.
std::string tunePathOf(const CompilerOptions &options);

/// Reads a tuned file. What is wrong with it is in the diagnostics, and nothing
/// is returned.
std::optional<codegen::TuneFile> readTuneFile(const std::string &path, Diagnostics &diagnostics);

/// Problems as errors in the file, each with its note.
void report(const std::string &path, const std::vector<codegen::TuneProblem> &problems, Diagnostics &diagnostics);

/// By which the entry of a whole model is found: a hash of what was recorded.
uint64_t modelKey(mlir::ModuleOp recorded);

/// Takes the choices for the whole model, where the command line leaves them
/// open.
void apply(const codegen::ModelChoice &choice, CompilerOptions &options);

} // namespace fm::driver

#endif // FM_COMPILER_DRIVER_TUNED_H
