//===- Tuned.cpp - The tuned file of a compilation ----------------------------------===//

#include "compiler/driver/Tuned.h"

#include "llvm/Support/FileSystem.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/raw_ostream.h"

namespace fm::driver {

std::string tunePathBeside(const std::string &model) {
  if (model.empty())
    return "";
  llvm::SmallString<128> path(model);
  llvm::sys::path::replace_extension(path, ".tune");
  return path.str().str();
}

std::string tunePathOf(const CompilerOptions &options) {
  // Kernels of the reference backend have no schedule.
  if (!options.tune || options.backend == "reference")
    return "";
  if (!options.tuneFile.empty())
    return options.tuneFile;
  const std::string beside = tunePathBeside(options.input);
  return !beside.empty() && llvm::sys::fs::exists(beside) ? beside : "";
}

std::optional<codegen::TuneFile> readTuneFile(const std::string &path, Diagnostics &diagnostics) {
  auto buffer = llvm::MemoryBuffer::getFile(path, /*IsText=*/false, /*RequiresNullTerminator=*/false);
  if (!buffer) {
    std::string reason = buffer.getError().message();
    if (!reason.empty())
      reason[0] = char(std::tolower(reason[0]));
    diagnostics.error({path}, reason);
    return std::nullopt;
  }
  std::vector<codegen::TuneProblem> problems;
  codegen::TuneFile file = codegen::parseTuneFile((*buffer)->getBuffer().str(), problems);
  report(path, problems, diagnostics);
  if (!problems.empty())
    return std::nullopt;
  return file;
}

void report(const std::string &path, const std::vector<codegen::TuneProblem> &problems, Diagnostics &diagnostics) {
  for (const codegen::TuneProblem &problem : problems) {
    const Location location{path, problem.place.line, problem.place.column, problem.place.length};
    diagnostics.error(location, problem.message);
    if (!problem.note.empty())
      diagnostics.note(location, problem.note);
  }
}

uint64_t modelKey(mlir::ModuleOp recorded) {
  std::string text;
  llvm::raw_string_ostream out(text);
  recorded.print(out);
  return codegen::hashOf(text);
}

void apply(const codegen::ModelChoice &choice, CompilerOptions &options) {
  options.winograd &= choice.winograd.value_or(true);
  options.fuse &= choice.fuse.value_or(true);
  options.layout &= choice.layout.value_or(true);
  options.chains &= choice.chains.value_or(true);
}

} // namespace fm::driver
