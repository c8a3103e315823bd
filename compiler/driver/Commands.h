//===- Commands.h - The commands of fmc besides compile ------------------------------===//
#ifndef FM_COMPILER_DRIVER_COMMANDS_H
#define FM_COMPILER_DRIVER_COMMANDS_H

#include "compiler/driver/Options.h"
#include "frontend/recorder/Diagnostics.h"

namespace fm::driver {

/// `fmc show`: the layer table, parameters, memory, on standard output.
bool show(const CompilerOptions &options, Diagnostics &diagnostics);

/// `fmc check`: gradients of the compiled model, in f64, against finite
/// differences; a table on standard output. False if one is off.
bool check(const CompilerOptions &options, Diagnostics &diagnostics);

} // namespace fm::driver

#endif // FM_COMPILER_DRIVER_COMMANDS_H
