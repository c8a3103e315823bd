//===- Options.h - What a user asks of the compiler ------------------------------===//
#ifndef FM_COMPILER_DRIVER_OPTIONS_H
#define FM_COMPILER_DRIVER_OPTIONS_H

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace fm::driver {

/// Every option of compiling, filled in one place (Main.cpp) and by the
/// DSL. Defaults are those of the command.
struct CompilerOptions {
  std::string input;                ///< model.fm
  std::string output;               ///< folder, or with --emit a file ("": standard output)
  std::vector<std::string> defines; ///< -D name=value
  std::string triple;               ///< --target; "": this machine's
  std::string cpu;                  ///< --cpu; "": this machine's, for another target its baseline
  int optLevel = 3;                 ///< -O
  std::string emit = "object";      ///< object, ast, fm, model, grad, linalg, kernels, plan, llvm, asm
  std::string stopAfter;            ///< print the IR after this stage
  std::string backend = "halide";   ///< halide, reference
  bool fuse = true;                 ///< --no-fuse
  bool layout = true;               ///< --no-layout
  bool winograd = true;             ///< --no-winograd
  bool chains = true;               ///< --no-chains
  bool derive = true;               ///< --no-derive
  bool exact = false;               ///< --exact
  bool tune = true;                 ///< --no-tune: no choices from a tuned file
  std::string tuneFile;             ///< --tune-file; "": the one beside the model, if any
  bool asserts = false;             ///< --asserts: kernels check every bound
  bool timePasses = false;          ///< --time-passes
  unsigned jobs = 0;                ///< --threads: for compiling; 0: one a core
  std::optional<bool> color;        ///< --color; unset: if standard error is a terminal
  bool dispatch = false;            ///< the object is loaded by fmc itself
  bool widen = false;               ///< f32 as f64, for numerical differentiation
  int64_t maxBatch = 0;             ///< > 0: no larger batch than this
};

} // namespace fm::driver

#endif // FM_COMPILER_DRIVER_OPTIONS_H
