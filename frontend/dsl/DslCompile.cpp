//===- DslCompile.cpp - What becomes of a recorded model
//--------------------===//
//
// Saving and compiling in process: the side of the DSL that sees the IR and the
// driver.
//
//===----------------------------------------------------------------------===//

#include "compiler/driver/Compiler.h"
#include "frontend/recorder/RecorderImpl.h"
#include "frontend/recorder/WriteFm.h"

// Behind the recorder's headers: what has the same name is theirs there.
#include "frontend/dsl/Recording.h"

namespace fm {
namespace dsl {

std::string Model::text() {
  if (!recording->end())
    return "";
  return writeFm(recording->recorder->impl().model).value_or("");
}

std::string Model::ir() {
  std::string text;
  if (recording->end())
    llvm::raw_string_ostream(text) << recording->recorder->impl().module();
  return text;
}

Result Model::save(const std::string &path) {
  if (!recording->end())
    return recording->result();
  std::string error = driver::writeFiles({{path, text()}});
  if (error.empty())
    return recording->result();
  Diagnostics diagnostics;
  diagnostics.error({}, error);
  return {false, diagnostics.render(false)};
}

Result Model::compile(const std::string &folder,
                      const CompileOptions &options) {
  if (!recording->end())
    return recording->result();
  driver::CompilerOptions driverOptions;
  driverOptions.output = folder;
  driverOptions.triple = options.target;
  driverOptions.cpu = options.cpu;
  driverOptions.optLevel = options.opt_level;
  driverOptions.backend = options.backend;
  driverOptions.fuse = options.fuse;
  driverOptions.exact = options.exact;
  driverOptions.jobs = options.threads;
  driverOptions.tuneFile = options.tune_file;

  // Compiling changes the IR in place; the model stays as it was recorded.
  auto &impl = recording->recorder->impl();
  mlir::OwningOpRef<mlir::ModuleOp> recorded = std::move(impl.moduleOp);
  impl.moduleOp = recorded->clone();
  Diagnostics diagnostics;
  driver::Compiler compiler(driverOptions, diagnostics);
  compiler.adopt(std::move(recording->recorder));
  bool good = compiler.compileToFolder();
  recording->recorder = compiler.release();
  impl.moduleOp = std::move(recorded);
  return {good, diagnostics.render(false)};
}

} // namespace dsl
} // namespace fm
