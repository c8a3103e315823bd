//===- Compiler.h - From model.fm to model.o --------------------------------------===//
#ifndef FM_COMPILER_DRIVER_COMPILER_H
#define FM_COMPILER_DRIVER_COMPILER_H

#include "compiler/codegen/Program.h"
#include "compiler/codegen/Target.h"
#include "compiler/codegen/TuneFile.h"
#include "compiler/driver/Options.h"
#include "compiler/ir/Dialect.h"
#include "frontend/recorder/Recorder.h"

#include <optional>
#include <string>
#include <vector>

namespace fm::driver {

/// A compiled model in memory.
struct Compiled {
  codegen::Program program;
  codegen::TargetSpec target;
  std::string object; ///< relocatable machine code
  std::string header; ///< C
};

/// One compilation. Each step returns false if it failed; what went wrong is in
/// the diagnostics.
class Compiler {
public:
  Compiler(const CompilerOptions &options, Diagnostics &diagnostics);
  ~Compiler();

  /// Reads `options.input`; nothing to do for a model that was adopted.
  bool read();
  /// Takes a model that was recorded elsewhere (the DSL).
  void adopt(std::unique_ptr<Recorder> recorded);
  /// Gives it back, in the state in which compiling has left it.
  std::unique_ptr<Recorder> release();
  /// Runs the passes up to and including a stage ("": all), with what the model's
  /// tuned file says of them.
  bool lower(const std::string &lastStage = "");
  /// What the planned IR amounts to, without generating code. After lower().
  bool collect(codegen::Program &program);
  /// Makes kernels, step functions, object and header. After lower().
  bool generate(Compiled &result);

  /// Text of `options.emit`: any level from the syntax tree to assembly.
  bool emitText(std::string &text);
  /// read, lower, generate, and write `name.o` and `name.h` into the output
  /// folder: both or neither.
  bool compileToFolder();

  Recorder &recorder() { return *recorded; }
  const std::vector<std::pair<std::string, double>> &times() const { return seconds; }

private:
  bool readTuned();
  bool makeProgram(Compiled &result, std::vector<ir::KernelOp> &kernelOps);
  bool chooseSchedules(const Compiled &result, std::vector<codegen::ScheduleChoice> &choices);
  bool check(const std::string &error);
  template <typename Function> bool step(const char *name, Function &&function);

  CompilerOptions options;
  Diagnostics &diagnostics;
  std::unique_ptr<Recorder> recorded;
  bool adopted = false;
  std::string tunePath;                         ///< "": nothing was tuned
  std::optional<codegen::TunedMachine> tuned;   ///< what holds for the target
  std::vector<std::pair<std::string, double>> seconds;
};

/// Writes all files, or none of them if one cannot be written: each into a
/// temporary file beside it first. A device or a pipe is written into, a
/// symbolic link is followed. An error message, or "".
std::string writeFiles(const std::vector<std::pair<std::string, std::string>> &files);

} // namespace fm::driver

#endif // FM_COMPILER_DRIVER_COMPILER_H
