//===- LiveModel.cpp - A compiled model running in this process ----------------------===//

#include "compiler/driver/LiveModel.h"

#include "compiler/codegen/EmitProgram.h"
#include "frontend/language/Reader.h"

#include <cmath>
#include <cstdlib>
#include <cstring>

namespace fm::driver {

AlignedBuffer::AlignedBuffer(size_t size) : bytes(size) {
  const size_t alignment = FM_PREFERRED_ALIGNMENT(size);
  const size_t rounded = (size + alignment) / alignment * alignment;
  pointer.reset(std::aligned_alloc(alignment, rounded));
  fm_prefer_large_pages(pointer.get(), rounded);
  std::memset(pointer.get(), 0, rounded);
}

std::vector<std::pair<std::string, void *>> runtimeImports() {
#define FM_IMPORT(NAME) {#NAME, reinterpret_cast<void *>(&NAME)}
  using D = double (*)(double);
  using F = float (*)(float);
#define FM_MATH(NAME)                                                                   \
  {#NAME, reinterpret_cast<void *>(static_cast<D>(&::NAME))},                           \
  {#NAME "f", reinterpret_cast<void *>(static_cast<F>(&::NAME##f))}
  return {FM_IMPORT(fm_bind), FM_IMPORT(fm_init), FM_IMPORT(fm_save), FM_IMPORT(fm_load),
          FM_IMPORT(fm_message), FM_IMPORT(fm_set_parallel_for), FM_IMPORT(fm_get_tensor),
          FM_IMPORT(fm_set_tensor), FM_IMPORT(fm_set_learning_rate), FM_IMPORT(fm_get_learning_rate),
          FM_IMPORT(fm_set_step), FM_IMPORT(fm_get_step), FM_IMPORT(fm_set_seed),
          FM_IMPORT(fm_step_begin), FM_IMPORT(fm_step_end), FM_IMPORT(fm_parallel_for),
          FM_MATH(exp), FM_MATH(log), FM_MATH(tanh), FM_MATH(erf), FM_MATH(sqrt), FM_MATH(floor), FM_MATH(ceil),
          {"pow", reinterpret_cast<void *>(static_cast<double (*)(double, double)>(&::pow))},
          {"powf", reinterpret_cast<void *>(static_cast<float (*)(float, float)>(&::powf))}};
#undef FM_MATH
#undef FM_IMPORT
}

/// What is wrong with the target otherwise is told by the compiler.
static bool runsHere(const CompilerOptions &options, Diagnostics &diagnostics) {
  codegen::TargetSpec target;
  if (!codegen::resolveTarget(options.triple, options.cpu, target).empty())
    return true;
  const std::string why = codegen::whyNotHere(target);
  if (why.empty())
    return true;
  diagnostics.error({}, "this machine cannot run code for " +
                            (options.cpu.empty() ? "target '" + target.triple : "CPU '" + options.cpu) + "': " + why);
  diagnostics.note({}, "fmc compile writes an object for it");
  return false;
}

static bool compileInto(Compiler &compiler, Compiled &compiled) {
  return compiler.lower() && compiler.generate(compiled);
}

std::unique_ptr<LiveModel> LiveModel::make(CompilerOptions options, Diagnostics &diagnostics, uint64_t seed) {
  options.dispatch = true;
  auto live = std::make_unique<LiveModel>();
  Compiler compiler(options, diagnostics);
  if (!runsHere(options, diagnostics) || !compiler.read() || !compileInto(compiler, live->compiled) || !live->start(diagnostics, seed))
    return nullptr;
  return live;
}

std::unique_ptr<LiveModel> LiveModel::makeFromText(const std::string &text, CompilerOptions options,
                                                   Diagnostics &diagnostics, uint64_t seed) {
  options.dispatch = true;
  auto live = std::make_unique<LiveModel>();
  Compiler compiler(options, diagnostics);
  if (!runsHere(options, diagnostics) || !readModelText("test.fm", text, {}, compiler.recorder()) || !compileInto(compiler, live->compiled) ||
      !live->start(diagnostics, seed))
    return nullptr;
  return live;
}

bool LiveModel::start(Diagnostics &diagnostics, uint64_t seed) {
  std::string error = jit.load(compiled.object, runtimeImports());
  auto *bind = reinterpret_cast<int (*)(fm_instance *, void *, size_t)>(jit.find(compiled.program.name + "_bind"));
  dispatch = reinterpret_cast<decltype(dispatch)>(jit.find(codegen::dispatchSymbol(compiled.program)));
  dispatchKernel = reinterpret_cast<decltype(dispatch)>(jit.find(codegen::dispatchKernelSymbol(compiled.program)));
  if (error.empty() && (!bind || !dispatch || !dispatchKernel))
    error = "internal error: the object lacks its functions";
  if (error.empty()) {
    memory = AlignedBuffer(size_t(compiled.program.memoryBytes()));
    if (bind(&self, memory.data(), memory.size()) != FM_OK || fm_init(&self, seed) != FM_OK)
      error = std::string("internal error: ") + fm_message(&self);
  }
  if (!error.empty())
    diagnostics.error({}, error);
  return error.empty();
}

int LiveModel::entry(const std::string &name) const {
  for (size_t i = 0; i < compiled.program.entries.size(); ++i)
    if (compiled.program.entries[i].name == name)
      return int(i);
  return -1;
}

int LiveModel::callKernel(unsigned kernel, int64_t n, const std::vector<void *> &pointers) {
  return dispatchKernel(&self, int32_t(kernel), n, pointers.data());
}

std::vector<void *> LiveModel::addresses(const codegen::KernelCall &call, const std::vector<void *> &arguments) {
  using Space = codegen::TensorPlace::Space;
  std::vector<void *> pointers;
  for (const codegen::TensorPlace &place : call.places) {
    switch (place.space) {
    case Space::Persistent: pointers.push_back(self.memory + place.offset); break;
    case Space::Derived: pointers.push_back(self.memory + program().persistentBytes + place.offset); break;
    case Space::Arena: pointers.push_back(self.memory + program().arenaBegin() + place.offset); break;
    case Space::Argument: pointers.push_back(static_cast<char *>(arguments[place.index]) + place.offset); break;
    case Space::Constant:
    case Space::Scratch: pointers.push_back(nullptr); // none is left in a program
    }
  }
  return pointers;
}

fm_status LiveModel::call(int entry, int64_t n, const std::vector<void *> &arguments) {
  return fm_status(dispatch(&self, entry, n, arguments.data()));
}

} // namespace fm::driver
