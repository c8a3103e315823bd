//===- Compiler.cpp - From model.fm to model.o -------------------------------------===//
//
// The table of contents of the compiler: read, lower stage by stage, collect the
// program, compile its kernels, emit one object and one header.
//
//===----------------------------------------------------------------------===//

#include "compiler/driver/Compiler.h"

#include "compiler/codegen/BuildProgram.h"
#include "compiler/codegen/EmitProgram.h"
#include "compiler/codegen/HalideKernel.h"
#include "compiler/codegen/HeaderWriter.h"
#include "compiler/codegen/ObjectEmitter.h"
#include "compiler/codegen/ReferenceKernels.h"
#include "compiler/driver/Pipeline.h"
#include "compiler/driver/Tuned.h"
#include "frontend/language/Reader.h"
#include "frontend/recorder/RecorderImpl.h"
#include "frontend/recorder/WriteFm.h"

#include "mlir/IR/Diagnostics.h"
#include "llvm/IR/Module.h"

#include <chrono>

using namespace mlir;

namespace fm::driver {

Compiler::Compiler(const CompilerOptions &options, Diagnostics &diagnostics)
    : options(options), diagnostics(diagnostics), recorded(std::make_unique<Recorder>(diagnostics)) {
  recorded->impl().widen = options.widen;
  recorded->impl().maxBatch = options.maxBatch;
}
Compiler::~Compiler() = default;

void Compiler::adopt(std::unique_ptr<Recorder> other) {
  recorded = std::move(other);
  adopted = true;
}
std::unique_ptr<Recorder> Compiler::release() { return std::move(recorded); }

/// Times a step, and turns what MLIR reports in it into our diagnostics.
template <typename Function> bool Compiler::step(const char *name, Function &&function) {
  auto begin = std::chrono::steady_clock::now();
  ScopedDiagnosticHandler handler(&recorded->impl().context(), [&](mlir::Diagnostic &diagnostic) {
    auto locate = [](mlir::Location loc) -> Location {
      if (auto place = loc->findInstanceOf<FileLineColLoc>())
        return {place.getFilename().str(), place.getLine(), place.getColumn(), 1};
      return {};
    };
    if (diagnostic.getSeverity() != DiagnosticSeverity::Error)
      return success();
    diagnostics.error(locate(diagnostic.getLocation()), diagnostic.str());
    for (auto &note : diagnostic.getNotes())
      diagnostics.note(locate(note.getLocation()), note.str());
    return success();
  });
  bool ok = function();
  seconds.push_back({name, std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count()});
  return ok && !diagnostics.hasErrors();
}

bool Compiler::read() {
  if (adopted)
    return true;
  std::vector<Override> overrides;
  for (const std::string &define : options.defines) {
    auto parsed = parseOverride(define, diagnostics);
    if (!parsed)
      return false;
    overrides.push_back(*parsed);
  }
  return step("read", [&] { return readModel(options.input, overrides, *recorded); });
}

/// Before anything is lowered: the entry of the whole model is found by what was
/// recorded.
bool Compiler::readTuned() {
  tunePath = tunePathOf(options);
  codegen::TargetSpec target;
  if (tunePath.empty() || !codegen::resolveTarget(options.triple, options.cpu, target).empty())
    return true; // a wrong target is told by makeProgram
  auto file = readTuneFile(tunePath, diagnostics);
  if (!file)
    return false;
  if (const codegen::TunedMachine *machine = file->find(target)) {
    tuned = *machine;
    const uint64_t key = machine->models.empty() ? 0 : modelKey(recorded->impl().module());
    for (const codegen::TunedModel &model : machine->models)
      if (model.key == key)
        apply(model.choice, options);
  } else if (!file->machines.empty()) {
    const codegen::TunedMachine &other = file->machines.front();
    diagnostics.warning({tunePath, other.place.line, other.place.column, other.place.length},
                        "nothing is taken from this file: it was measured on " + other.cpu + " with vectors of " +
                            std::to_string(other.vectorBits) + " bits, and code is made for " + target.cpu + " with " +
                            std::to_string(target.machine.vectorBits));
  }
  return true;
}

bool Compiler::lower(const std::string &lastStage) {
  if (!step("tuned", [&] { return readTuned(); }))
    return false;
  return step("lower", [&] {
    return succeeded(runPipeline(recorded->impl().module(), options, lastStage, &seconds));
  });
}

bool Compiler::makeProgram(Compiled &result, std::vector<ir::KernelOp> &kernelOps) {
  if (!check(codegen::resolveTarget(options.triple, options.cpu, result.target)))
    return false;
  result.target.optLevel = options.optLevel;
  result.target.asserts = options.asserts;
  result.target.exact = options.exact;
  return step("program", [&] {
    auto program = codegen::buildProgram(recorded->impl().module(), &kernelOps,
                                         options.backend == "halide" && options.layout ? &result.target.machine : nullptr,
                                         options.jobs);
    if (succeeded(program))
      result.program = std::move(*program);
    return succeeded(program);
  });
}

bool Compiler::collect(codegen::Program &program) {
  Compiled result;
  std::vector<ir::KernelOp> kernelOps;
  if (!makeProgram(result, kernelOps))
    return false;
  program = std::move(result.program);
  return true;
}

/// What the tuned file says of each kernel; nothing for the reference backend.
bool Compiler::chooseSchedules(const Compiled &result, std::vector<codegen::ScheduleChoice> &choices) {
  std::vector<codegen::TuneProblem> problems;
  choices.resize(result.program.kernels.size());
  if (tuned)
    choices = codegen::choicesFor(*tuned, result.program.kernels, result.target.machine, problems);
  report(tunePath, problems, diagnostics);
  return problems.empty();
}

bool Compiler::generate(Compiled &result) {
  std::vector<ir::KernelOp> kernelOps;
  if (!makeProgram(result, kernelOps))
    return false;
  codegen::ObjectEmitter emitter(result.target);
  emitter.setModule(
      codegen::emitProgram(result.program, emitter.context(), result.target.triple, options.dispatch));
  auto visible = codegen::publicSymbols(result.program);
  if (options.dispatch)
    visible.insert(visible.end(), {codegen::dispatchSymbol(result.program),
                                   codegen::dispatchKernelSymbol(result.program)});
  std::vector<codegen::CompiledKernel> kernels;
  bool ok = step("codegen", [&] {
    if (options.backend == "reference") {
      auto module = codegen::makeReferenceKernels(result.program, kernelOps, emitter.context());
      return module && check(emitter.addModule(std::move(module)));
    }
    std::vector<codegen::ScheduleChoice> choices;
    if (!chooseSchedules(result, choices))
      return false;
    kernels = codegen::compileKernels(result.program.kernels, result.target, options.jobs, choices);
    for (auto [kernel, op, choice] : llvm::zip(kernels, kernelOps, choices)) {
      if (kernel.error.empty())
        continue;
      auto error = op.emitError() << "internal error: " << kernel.name << ": " << kernel.error;
      if (!choice.empty())
        error.attachNote() << "with the choices of " << tunePath << "; --no-tune compiles without them";
    }
    return true;
  });
  return ok && step("object", [&] {
    auto kind = options.emit == "llvm"  ? codegen::EmitKind::LlvmIr
                : options.emit == "asm" ? codegen::EmitKind::Assembly
                                        : codegen::EmitKind::Object;
    result.header = codegen::writeHeader(result.program);
    return check(emitter.link(kernels, visible, options.jobs)) &&
           check(emitter.emit(kind, result.object));
  });
}

/// Reports an error message that is not empty.
bool Compiler::check(const std::string &error) {
  if (!error.empty())
    diagnostics.error({}, error);
  return error.empty();
}

bool Compiler::emitText(std::string &text) {
  if (options.emit == "ast") {
    auto file = parseFile(options.input, diagnostics);
    if (!file || diagnostics.hasErrors())
      return false;
    text = ast::dump(*file);
    return true;
  }
  if (!read())
    return false;
  if (options.emit == "llvm" || options.emit == "asm") {
    Compiled result;
    if (!lower() || !generate(result))
      return false;
    text = std::move(result.object);
    return true;
  }
  if (options.emit == "kernels" && options.stopAfter.empty()) {
    Compiled result;
    std::vector<ir::KernelOp> kernelOps;
    if (!lower() || !makeProgram(result, kernelOps))
      return false;
    std::vector<codegen::ScheduleChoice> choices;
    if (!chooseSchedules(result, choices))
      return false;
    for (auto [spec, choice] : llvm::zip(result.program.kernels, choices)) {
      text += codegen::toString(spec);
      if (options.backend == "halide")
        text += "schedule\n" + codegen::describeSchedule(spec, result.target, choice);
      text += "\n";
    }
    return true;
  }
  std::string stage = options.stopAfter.empty() ? options.emit : options.stopAfter;
  if (stage == "fm")
    return step("write", [&] {
      auto written = writeFm(recorded->impl().model);
      text = written.value_or("");
      return written.has_value();
    });
  if (stage != "model" && !lower(stage))
    return false;
  llvm::raw_string_ostream out(text);
  recorded->impl().module().print(out);
  return true;
}

bool Compiler::compileToFolder() {
  Compiled result;
  if (!read() || !lower() || !generate(result))
    return false;
  std::string base = (options.output.empty() ? std::string(".") : options.output) + "/" + result.program.name;
  return check(writeFiles({{base + ".o", result.object}, {base + ".h", result.header}}));
}

} // namespace fm::driver
