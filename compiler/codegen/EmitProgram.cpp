//===- EmitProgram.cpp - A Program as an LLVM module -----------------------------===//
//
// A function for each entry and each of the API's, which call kernels by name.
//
//===----------------------------------------------------------------------===//

#include "compiler/codegen/EmitProgram.h"

#include "compiler/codegen/EmitChains.h"
#include "compiler/codegen/EmitTables.h"

#include <fm/runtime.h>

#include "llvm/IR/Constants.h"
#include "llvm/IR/IRBuilder.h"
#include "llvm/IR/IntrinsicsAArch64.h"
#include "llvm/IR/IntrinsicsX86.h"
#include "llvm/IR/Module.h"
#include "llvm/TargetParser/Triple.h"

using namespace llvm;

namespace fm::codegen {

namespace {

/// A thunk of the API: a public function that passes its arguments on to a
/// function of the runtime. The first argument is the instance.
struct Thunk {
  const char *name;
  const char *runtime;
  char result;          ///< i: status, d: double, l: int64, p: pointer
  const char *arguments; ///< after the instance: p, l, d
  bool trains;          ///< only where the model has an optimizer
};
const Thunk kThunks[] = {
    {"init", "fm_init", 'i', "l", false},
    {"save", "fm_save", 'i', "p", false},
    {"load", "fm_load", 'i', "p", false},
    {"message", "fm_message", 'p', "", false},
    {"set_parallel_for", "fm_set_parallel_for", 'i', "pp", false},
    {"get_tensor", "fm_get_tensor", 'i', "ppl", false},
    {"set_tensor", "fm_set_tensor", 'i', "ppl", false},
    {"set_learning_rate", "fm_set_learning_rate", 'i', "d", true},
    {"get_learning_rate", "fm_get_learning_rate", 'd', "", true},
    {"set_step", "fm_set_step", 'i', "l", true},
    {"get_step", "fm_get_step", 'l', "", true},
};

class Emitter {
public:
  Emitter(const Program &program, LLVMContext &context, const std::string &triple)
      : program(program), context(context), builder(context),
        module(std::make_unique<Module>(program.name, context)), chains(program, *module) {
    module->setTargetTriple(triple);
    i32 = builder.getInt32Ty();
    i64 = builder.getInt64Ty();
    f64 = builder.getDoubleTy();
    ptr = builder.getPtrTy();
  }

  std::unique_ptr<Module> run(bool dispatch) {
    model = emitModelTable(program, *module);
    emitConstants();
    emitBind();
    for (const Thunk &thunk : kThunks)
      if (!thunk.trains || program.learningRate >= 0)
        emitThunk(thunk);
    if (program.seed >= 0)
      emitThunk({"set_seed", "fm_set_seed", 'i', "l", false});
    for (size_t i = 0; i < program.entries.size(); ++i)
      emitEntry(program.entries[i], int(i));
    if (dispatch)
      emitDispatch();
    return std::move(module);
  }

private:
  Constant *int32(int64_t value) { return ConstantInt::get(i32, value, true); }
  Constant *int64(int64_t value) { return ConstantInt::get(i64, value, true); }

  void emitConstants() {
    for (const ConstantData &data : program.constants) {
      auto *value = ConstantDataArray::getString(context, data.bytes, /*AddNull=*/false);
      auto *variable = new GlobalVariable(*module, value->getType(), /*isConstant=*/true, GlobalValue::PrivateLinkage,
                                          value, "constant");
      variable->setAlignment(Align(64));
      constants.push_back(variable);
    }
  }

  //===--------------------------------------------------------------------===//
  // Functions
  //===--------------------------------------------------------------------===//

  Function *define(const std::string &name, Type *result, ArrayRef<Type *> arguments) {
    auto *function = Function::Create(FunctionType::get(result, arguments, false),
                                      GlobalValue::ExternalLinkage, program.name + "_" + name, *module);
    function->addFnAttr(Attribute::NoUnwind);
    builder.SetInsertPoint(BasicBlock::Create(context, "entry", function));
    return function;
  }

  void emitBind() {
    Function *bind = define("bind", i32, {ptr, ptr, i64});
    auto callee = module->getOrInsertFunction("fm_bind", i32, ptr, ptr, ptr, i64);
    builder.CreateRet(builder.CreateCall(callee, {bind->getArg(0), model, bind->getArg(1), bind->getArg(2)}));
  }

  void emitThunk(const Thunk &thunk) {
    auto typeOf = [&](char c) -> Type * { return c == 'p' ? ptr : c == 'd' ? f64 : c == 'l' ? i64 : i32; };
    SmallVector<Type *> types = {ptr};
    for (const char *c = thunk.arguments; *c; ++c)
      types.push_back(typeOf(*c));
    Function *function = define(thunk.name, typeOf(thunk.result), types);
    auto callee = module->getOrInsertFunction(thunk.runtime, function->getFunctionType());
    SmallVector<Value *> arguments;
    for (Argument &argument : function->args())
      arguments.push_back(&argument);
    builder.CreateRet(builder.CreateCall(callee, arguments));
  }

  /// Denormal numbers count as zero inside of a step: arithmetic with them takes
  /// a hundred cycles on some machines, and moments of Adam fade into them. The
  /// caller's mode is kept in `saved`. (fm_parallel_for does so for tasks.)
  void emitFlushDenormals(Value *saved) {
    Triple target(module->getTargetTriple());
    if (target.isX86()) {
      constexpr uint32_t kFlushToZero = 1 << 15, kDenormalsAreZero = 1 << 6;
      auto *next = builder.CreateConstInBoundsGEP1_64(i32, saved, 1);
      builder.CreateIntrinsic(Intrinsic::x86_sse_stmxcsr, {}, {saved});
      builder.CreateStore(
          builder.CreateOr(builder.CreateLoad(i32, saved), int32(kFlushToZero | kDenormalsAreZero)), next);
      builder.CreateIntrinsic(Intrinsic::x86_sse_ldmxcsr, {}, {next});
    } else if (target.isAArch64()) {
      constexpr uint64_t kFlushToZero = 1 << 24;
      Value *mode = builder.CreateIntrinsic(Intrinsic::aarch64_get_fpcr, {}, {});
      builder.CreateStore(mode, saved);
      builder.CreateIntrinsic(Intrinsic::aarch64_set_fpcr, {}, {builder.CreateOr(mode, int64(kFlushToZero))});
    }
  }
  void emitRestoreMode(Value *saved) {
    Triple target(module->getTargetTriple());
    if (target.isX86())
      builder.CreateIntrinsic(Intrinsic::x86_sse_ldmxcsr, {}, {saved});
    else if (target.isAArch64())
      builder.CreateIntrinsic(Intrinsic::aarch64_set_fpcr, {}, {builder.CreateLoad(i64, saved)});
  }

  void emitEntry(const Entry &entry, int index) {
    SmallVector<Type *> types = {ptr};
    if (entry.takesSamples)
      types.push_back(i64);
    types.append(entry.arguments.size(), ptr);
    Function *function = define(entry.name, i32, types);
    Value *instance = function->getArg(0);
    Value *n = entry.takesSamples ? (Value *)function->getArg(1) : int64(1);
    unsigned first = entry.takesSamples ? 2 : 1;
    // Checks.
    auto *listType = ArrayType::get(ptr, std::max<size_t>(1, entry.arguments.size()));
    Value *list = builder.CreateAlloca(listType);
    for (size_t i = 0; i < entry.arguments.size(); ++i)
      builder.CreateStore(function->getArg(first + i),
                          builder.CreateConstInBoundsGEP2_64(listType, list, 0, i));
    AllocaInst *mode = builder.CreateAlloca(i64, nullptr, "mode");
    auto begin = module->getOrInsertFunction("fm_step_begin", i32, ptr, ptr, i32, i64, ptr);
    Value *status = builder.CreateCall(begin, {instance, model, int32(index), n, list});
    auto *run = BasicBlock::Create(context, "run", function);
    auto *refuse = BasicBlock::Create(context, "refuse", function);
    builder.CreateCondBr(builder.CreateICmpEQ(status, int32(0)), run, refuse);
    builder.SetInsertPoint(refuse);
    builder.CreateRet(status);
    // Kernels. An error of one does not stop the next: there are none but in
    // builds with asserts, and straight-line code is cheaper.
    builder.SetInsertPoint(run);
    emitFlushDenormals(mode);
    Value *error = entry.needs ? emitDerivation(instance, entry.needs) : int32(0);
    Value *memory = emitMemory(instance);
    // Kernels write elements only; what lies between is zero, so that sums over a
    // whole buffer of gradients mean something.
    for (size_t i = 0; i < entry.arguments.size(); ++i)
      if (entry.arguments[i].role == EntryArgument::Role::Gradients && entry.arguments[i].isOutput)
        builder.CreateMemSet(function->getArg(first + i), builder.getInt8(0), program.parameterBytes, MaybeAlign());
    auto pointersOf = [&](const KernelCall &call) {
      return emitPointers(call, memory, [&](unsigned index) { return function->getArg(first + index); });
    };
    for (size_t i = 0, next; i < entry.calls.size(); i = next) {
      next = entry.chainEnd(i);
      const ArrayRef<KernelCall> calls(&entry.calls[i], next - i);
      Value *failed = nullptr;
      if (calls.size() > 1) {
        SmallVector<Value *> pointers;
        for (const KernelCall &call : calls)
          pointers.append(pointersOf(call));
        failed = chains.emit(builder, calls, instance, n, pointers);
      } else {
        failed = emitKernelCall(builder, program, calls[0], instance, n, pointersOf(calls[0]));
      }
      error = builder.CreateOr(error, failed);
    }
    emitRestoreMode(mode);
    auto end = module->getOrInsertFunction("fm_step_end", i32, ptr, i32, i32);
    builder.CreateRet(builder.CreateCall(end, {instance, int32(index), error}));
  }

  Value *field(Value *instance, size_t offset) {
    return builder.CreateConstInBoundsGEP1_64(builder.getInt8Ty(), instance, offset);
  }
  Value *emitMemory(Value *instance) {
    return builder.CreateLoad(ptr, field(instance, offsetof(fm_instance, memory)));
  }

  SmallVector<Value *> emitPointers(const KernelCall &call, Value *memory, function_ref<Value *(unsigned)> argument) {
    auto at = [&](Value *base, int64_t offset) {
      return builder.CreateConstInBoundsGEP1_64(builder.getInt8Ty(), base, offset);
    };
    SmallVector<Value *> pointers;
    for (const TensorPlace &place : call.places)
      switch (place.space) {
      case TensorPlace::Space::Persistent: pointers.push_back(at(memory, place.offset)); break;
      case TensorPlace::Space::Derived: pointers.push_back(at(memory, program.persistentBytes + place.offset)); break;
      case TensorPlace::Space::Arena: pointers.push_back(at(memory, program.arenaBegin() + place.offset)); break;
      case TensorPlace::Space::Argument: pointers.push_back(at(argument(place.index), place.offset)); break;
      case TensorPlace::Space::Scratch: llvm_unreachable("placed when the program is complete");
      case TensorPlace::Space::Constant: pointers.push_back(at(constants[place.index], place.offset)); break;
      }
    return pointers;
  }

  /// Brings those groups of derived tensors up to date that are not. Returns an
  /// error, or 0; goes on in another block.
  Value *emitDerivation(Value *instance, uint32_t groups) {
    Value *fresh = builder.CreateLoad(i32, field(instance, offsetof(fm_instance, derived)));
    Value *stale = builder.CreateAnd(builder.CreateNot(fresh), int32(groups));
    Function *function = builder.GetInsertBlock()->getParent();
    BasicBlock *before = builder.GetInsertBlock();
    auto *make = BasicBlock::Create(context, "derive", function);
    auto *ready = BasicBlock::Create(context, "ready", function);
    builder.CreateCondBr(builder.CreateICmpEQ(stale, int32(0)), ready, make);
    builder.SetInsertPoint(make);
    Value *failed = builder.CreateCall(derivingFunction(), {instance, stale});
    builder.CreateBr(ready);
    builder.SetInsertPoint(ready);
    PHINode *error = builder.CreatePHI(i32, 2);
    error->addIncoming(int32(0), before);
    error->addIncoming(failed, make);
    return error;
  }

  /// `i32 derive(ptr instance, i32 groups)`: runs the derivations of some groups and
  /// notes in the instance that they are up to date.
  Function *derivingFunction() {
    if (deriving)
      return deriving;
    IRBuilder<>::InsertPointGuard guard(builder);
    deriving = Function::Create(FunctionType::get(i32, {ptr, i32}, false), GlobalValue::InternalLinkage,
                                program.name + "_derive", *module);
    deriving->addFnAttr(Attribute::NoUnwind);
    deriving->addFnAttr(Attribute::NoInline);
    builder.SetInsertPoint(BasicBlock::Create(context, "entry", deriving));
    Value *instance = deriving->getArg(0), *groups = deriving->getArg(1);
    Value *memory = emitMemory(instance);
    Value *error = int32(0);
    for (const Derivation &derivation : program.derivations) {
      BasicBlock *before = builder.GetInsertBlock();
      auto *run = BasicBlock::Create(context, "run", deriving);
      auto *after = BasicBlock::Create(context, "after", deriving);
      Value *bit = builder.CreateAnd(groups, int32(int64_t(1) << derivation.group));
      builder.CreateCondBr(builder.CreateICmpEQ(bit, int32(0)), after, run);
      builder.SetInsertPoint(run);
      auto pointers = emitPointers(derivation.call, memory, [](unsigned) -> Value * {
        llvm_unreachable("an argument is no source");
      });
      Value *failed = builder.CreateOr(
          error, emitKernelCall(builder, program, derivation.call, instance, int64(1), pointers));
      builder.CreateBr(after);
      builder.SetInsertPoint(after);
      PHINode *either = builder.CreatePHI(i32, 2);
      either->addIncoming(error, before);
      either->addIncoming(failed, run);
      error = either;
    }
    Value *place = field(instance, offsetof(fm_instance, derived));
    Value *fresh = builder.CreateOr(builder.CreateLoad(i32, place), groups);
    builder.CreateStore(builder.CreateSelect(builder.CreateICmpEQ(error, int32(0)), fresh,
                                             builder.CreateLoad(i32, place)), place);
    builder.CreateRet(error);
    return deriving;
  }

  /// A function that calls one of `count` functions with arguments from an array.
  void emitSwitch(const std::string &name, size_t count,
                  function_ref<Value *(size_t, Function *, function_ref<Value *(size_t)>)> call) {
    Function *function = define(name, i32, {ptr, i32, i64, ptr});
    auto *none = BasicBlock::Create(context, "none", function);
    auto *choice = builder.CreateSwitch(function->getArg(1), none);
    for (size_t i = 0; i < count; ++i) {
      auto *block = BasicBlock::Create(context, "", function);
      choice->addCase(builder.getInt32(i), block);
      builder.SetInsertPoint(block);
      builder.CreateRet(call(i, function, [&](size_t k) -> Value * {
        return builder.CreateLoad(ptr, builder.CreateConstInBoundsGEP1_64(ptr, function->getArg(3), k));
      }));
    }
    builder.SetInsertPoint(none);
    builder.CreateRet(int32(FM_ERROR_INTERNAL));
  }

  void emitDispatch() {
    emitSwitch("dispatch", program.entries.size(),
               [&](size_t i, Function *function, function_ref<Value *(size_t)> load) {
                 const Entry &entry = program.entries[i];
                 SmallVector<Value *> arguments = {function->getArg(0)};
                 if (entry.takesSamples)
                   arguments.push_back(function->getArg(2));
                 for (size_t k = 0; k < entry.arguments.size(); ++k)
                   arguments.push_back(load(k));
                 return builder.CreateCall(module->getFunction(program.name + "_" + entry.name), arguments);
               });
    emitSwitch("dispatch_kernel", program.kernels.size(),
               [&](size_t i, Function *function, function_ref<Value *(size_t)> load) {
                 const KernelSpec &spec = program.kernels[i];
                 SmallVector<Value *> arguments = {function->getArg(0), function->getArg(2)};
                 for (size_t k = 0; k < spec.inputs.size() + spec.outputs.size(); ++k)
                   arguments.push_back(load(k));
                 return builder.CreateCall(module->getFunction(spec.name), arguments);
               });
  }

  const Program &program;
  LLVMContext &context;
  IRBuilder<> builder;
  std::unique_ptr<Module> module;
  ChainEmitter chains;
  IntegerType *i32, *i64;
  Type *f64;
  PointerType *ptr;
  GlobalVariable *model = nullptr;
  Function *deriving = nullptr;
  SmallVector<Constant *> constants;
};

} // namespace

std::vector<std::string> publicSymbols(const Program &program) {
  std::vector<std::string> result = {program.name + "_bind"};
  for (const Thunk &thunk : kThunks)
    if (!thunk.trains || program.learningRate >= 0)
      result.push_back(program.name + "_" + thunk.name);
  if (program.seed >= 0)
    result.push_back(program.name + "_set_seed");
  for (const Entry &entry : program.entries)
    result.push_back(program.name + "_" + entry.name);
  return result;
}

std::string dispatchSymbol(const Program &program) { return program.name + "_dispatch"; }
std::string dispatchKernelSymbol(const Program &program) { return program.name + "_dispatch_kernel"; }

std::unique_ptr<Module> emitProgram(const Program &program, LLVMContext &context, const std::string &triple,
                                    bool dispatch) {
  return Emitter(program, context, triple).run(dispatch);
}

} // namespace fm::codegen
