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

struct BenchOptions {
  int threads = 1;      ///< that run kernels
  bool kernels = false; ///< a line for each kernel
  double seconds = 1;   ///< to measure each entry
};

/// `fmc bench`: times on made-up data, on standard output.
bool bench(const CompilerOptions &options, const BenchOptions &how, Diagnostics &diagnostics);

struct TuneOptions {
  int threads = 1;     ///< that run kernels
  double seconds = 60; ///< for all of it
  bool verbose = false; ///< a line for each candidate
};

/// `fmc tune`: measures choices of kernels and of the whole model on this machine,
/// and keeps better ones in `options.tuneFile`, by default beside the model. What
/// an earlier run has found is where it begins, unless `options.tune` is false.
/// Tables on standard output, progress on standard error.
bool tune(const CompilerOptions &options, const TuneOptions &how, Diagnostics &diagnostics);

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
