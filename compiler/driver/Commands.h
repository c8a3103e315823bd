//===- Commands.h - The commands of fmc besides compile ------------------------------===//
#ifndef FM_COMPILER_DRIVER_COMMANDS_H
#define FM_COMPILER_DRIVER_COMMANDS_H

#include "compiler/driver/Options.h"
#include "frontend/recorder/Diagnostics.h"

namespace fm::driver {

/// `fmc show`: the layer table, parameters, memory, on standard output.
bool show(const CompilerOptions &options, Diagnostics &diagnostics);

struct HelpOptions {
  std::string op;        ///< the op to explain; "": list them all
  bool markdown = false; ///< the whole reference, for docs/ops.md
  bool color = false;
  size_t width = 80; ///< of the terminal
};
/// `fmc help`: the op reference. False if there is no such op.
bool help(const HelpOptions &options, Diagnostics &diagnostics, std::string &text);

} // namespace fm::driver

#endif // FM_COMPILER_DRIVER_COMMANDS_H
