//===- EmitChains.cpp - Calls of kernels, alone and in chains ------------------===//

#include "compiler/codegen/EmitChains.h"

#include <fm/runtime.h>

#include "llvm/IR/Constants.h"

using namespace llvm;

namespace fm::codegen {

namespace {

/// What a chain's tasks share: how many samples there are, all calls' pointers, and
/// of each share how many samples have been taken, on lines of their own: a core that
/// takes some of its share waits for no other.
enum Field : unsigned { kSamples, kPointers, kTaken };
constexpr uint64_t kCounterStride = 64 / sizeof(int64_t);

StructType *closureType(LLVMContext &context, size_t pointers, int64_t shares) {
  auto *i64 = Type::getInt64Ty(context);
  return StructType::get(context, {i64, ArrayType::get(PointerType::get(context, 0), pointers),
                                   ArrayType::get(ArrayType::get(i64, kCounterStride), uint64_t(shares))});
}

/// Shares of `n` samples: the last one may have fewer.
Value *emitShares(IRBuilder<> &builder, Value *n, int64_t inShare) {
  return builder.CreateSDiv(builder.CreateAdd(n, builder.getInt64(uint64_t(inShare - 1))),
                            builder.getInt64(uint64_t(inShare)));
}

AllocaInst *entryAlloca(IRBuilder<> &builder, Type *type) {
  IRBuilder<>::InsertPointGuard guard(builder);
  BasicBlock &entry = builder.GetInsertBlock()->getParent()->getEntryBlock();
  builder.SetInsertPoint(&entry, entry.begin());
  return builder.CreateAlloca(type);
}

} // namespace

Value *emitKernelCall(IRBuilder<> &builder, const Program &program, const KernelCall &call, Value *instance, Value *n,
                      ArrayRef<Value *> pointers) {
  SmallVector<Type *> types = {builder.getPtrTy(), builder.getInt64Ty()};
  types.append(pointers.size(), builder.getPtrTy());
  SmallVector<Value *> arguments = {instance, n};
  arguments.append(pointers.begin(), pointers.end());
  Module *module = builder.GetInsertBlock()->getModule();
  auto kernel = module->getOrInsertFunction(program.kernels[call.kernel].name,
                                            FunctionType::get(builder.getInt32Ty(), types, false));
  return builder.CreateCall(kernel, arguments);
}

Value *ChainEmitter::emit(IRBuilder<> &builder, ArrayRef<KernelCall> calls, Value *instance, Value *n,
                          ArrayRef<Value *> pointers) {
  const int64_t inShare = program.samplesInShare;
  const int64_t most = (program.batch + inShare - 1) / inShare;
  StructType *type = closureType(module.getContext(), pointers.size(), most);
  AllocaInst *closure = entryAlloca(builder, type);
  closure->setAlignment(Align(64));
  builder.CreateStore(n, builder.CreateStructGEP(type, closure, kSamples));
  for (auto [k, pointer] : enumerate(pointers))
    builder.CreateStore(pointer, builder.CreateInBoundsGEP(type, closure, {builder.getInt32(0), builder.getInt32(kPointers),
                                                                           builder.getInt32(unsigned(k))}));
  builder.CreateMemSet(builder.CreateStructGEP(type, closure, kTaken), builder.getInt8(0),
                       uint64_t(most) * kCounterStride * sizeof(int64_t), Align(8));
  // A task needs memory for as many samples as a call has, and has that of its share:
  // the last share may be too short.
  Value *tasks = builder.CreateBinaryIntrinsic(Intrinsic::smin, emitShares(builder, n, inShare),
                                               builder.getInt64(uint64_t(program.batch / inShare)));
  auto *i32 = builder.getInt32Ty();
  auto *ptr = builder.getPtrTy();
  auto run = module.getOrInsertFunction("fm_parallel_for", i32, ptr, ptr, i32, i32, ptr);
  return builder.CreateCall(run, {instance, emitTask(type, calls), builder.getInt32(0),
                                  builder.CreateTrunc(tasks, i32), closure});
}

/// i32 task(context, number, closure):
///
///   for share in number, number + 1, ... until all had their turn, from 0 behind the last:
///     while (first = share * inShare + taken[share].fetch_add(atOnce)) < end of share:
///       every kernel, for up to atOnce samples from `first`;
///       those of a run of strips, for each strip
Function *ChainEmitter::emitTask(StructType *closure, ArrayRef<KernelCall> calls) {
  LLVMContext &context = module.getContext();
  IRBuilder<> builder(context);
  auto *i32 = builder.getInt32Ty();
  auto *i64 = builder.getInt64Ty();
  auto *ptr = builder.getPtrTy();
  auto *task = Function::Create(FunctionType::get(i32, {ptr, i32, ptr}, false), GlobalValue::InternalLinkage,
                                program.name + "_chain", module);
  auto *entry = BasicBlock::Create(context, "entry", task);
  auto *turn = BasicBlock::Create(context, "share", task);
  auto *take = BasicBlock::Create(context, "take", task);
  auto *work = BasicBlock::Create(context, "samples", task);
  auto *next = BasicBlock::Create(context, "next", task);
  auto *done = BasicBlock::Create(context, "done", task);
  Value *atOnce = builder.getInt64(uint64_t(program.samplesAtOnce));
  Value *inShare = builder.getInt64(uint64_t(program.samplesInShare));
  Value *held = task->getArg(2);
  auto smin = [&](Value *a, Value *b) { return builder.CreateBinaryIntrinsic(Intrinsic::smin, a, b); };

  builder.SetInsertPoint(entry);
  Value *number = builder.CreateSExt(task->getArg(1), i64);
  Value *n = builder.CreateLoad(i64, builder.CreateStructGEP(closure, held, kSamples));
  Value *shares = emitShares(builder, n, program.samplesInShare);
  Value *ownMemory = builder.CreateMul(number, inShare); // of these samples
  builder.CreateBr(turn);

  builder.SetInsertPoint(turn);
  PHINode *turns = builder.CreatePHI(i64, 2), *failedBefore = builder.CreatePHI(i32, 2);
  Value *share = builder.CreateSRem(builder.CreateAdd(number, turns), shares);
  Value *begin = builder.CreateMul(share, inShare);
  Value *end = smin(n, builder.CreateAdd(begin, inShare));
  Value *taken = builder.CreateInBoundsGEP(closure, held, {builder.getInt32(0), builder.getInt32(kTaken), share});
  builder.CreateBr(take);

  builder.SetInsertPoint(take);
  PHINode *failedYet = builder.CreatePHI(i32, 2);
  // What the samples need has been written before the parallel loop began.
  Value *before = builder.CreateAtomicRMW(AtomicRMWInst::Add, taken, atOnce, Align(8), AtomicOrdering::Monotonic);
  Value *first = builder.CreateAdd(begin, before);
  builder.CreateCondBr(builder.CreateICmpSLT(first, end), work, next);

  builder.SetInsertPoint(work);
  Value *count = smin(builder.CreateSub(end, first), atOnce);
  unsigned k = 0;
  auto emitCall = [&](const KernelCall &call, Value *strip) {
    SmallVector<Value *> own;
    for (auto [p, pitch] : enumerate(call.samplePitches)) {
      Value *place = builder.CreateInBoundsGEP(
          closure, held, {builder.getInt32(0), builder.getInt32(kPointers), builder.getInt32(k++)});
      Value *pointer = builder.CreateLoad(ptr, place);
      auto moveOn = [&](Value *times, int64_t bytes) {
        if (bytes)
          pointer = builder.CreateGEP(builder.getInt8Ty(), pointer,
                                      builder.CreateMul(times, builder.getInt64(uint64_t(bytes))));
      };
      moveOn(call.passing[p] ? ownMemory : first, pitch);
      if (strip)
        moveOn(strip, call.stripPitches[p]);
      own.push_back(pointer);
    }
    return emitKernelCall(builder, program, call, withoutThreads(), strip ? strip : count, own);
  };
  Value *failed = failedYet;
  for (size_t c = 0, runEnd = 0; c < calls.size(); c = runEnd) {
    runEnd = stripsEnd(calls, c);
    if (calls[c].strips <= 1) {
      failed = builder.CreateOr(failed, emitCall(calls[c], nullptr));
      continue;
    }
    BasicBlock *before = builder.GetInsertBlock();
    auto *body = BasicBlock::Create(context, "strip", task), *behind = BasicBlock::Create(context, "strips_end", task);
    builder.CreateBr(body);
    builder.SetInsertPoint(body);
    PHINode *strip = builder.CreatePHI(i64, 2), *failedSoFar = builder.CreatePHI(i32, 2);
    strip->addIncoming(builder.getInt64(0), before);
    failedSoFar->addIncoming(failed, before);
    failed = failedSoFar;
    for (size_t each = c; each < runEnd; ++each)
      failed = builder.CreateOr(failed, emitCall(calls[each], strip));
    Value *nextStrip = builder.CreateAdd(strip, builder.getInt64(1));
    strip->addIncoming(nextStrip, body);
    failedSoFar->addIncoming(failed, body);
    builder.CreateCondBr(builder.CreateICmpSLT(nextStrip, builder.getInt64(uint64_t(calls[c].strips))), body, behind);
    builder.SetInsertPoint(behind);
  }
  BasicBlock *worked = builder.GetInsertBlock();
  builder.CreateBr(take);

  builder.SetInsertPoint(next);
  Value *turnsAfter = builder.CreateAdd(turns, builder.getInt64(1));
  builder.CreateCondBr(builder.CreateICmpSLT(turnsAfter, shares), turn, done);
  builder.SetInsertPoint(done);
  builder.CreateRet(failedYet);

  turns->addIncoming(builder.getInt64(0), entry);
  turns->addIncoming(turnsAfter, next);
  failedBefore->addIncoming(builder.getInt32(0), entry);
  failedBefore->addIncoming(failedYet, next);
  failedYet->addIncoming(failedBefore, turn);
  failedYet->addIncoming(failed, worked);
  return task;
}

Constant *ChainEmitter::withoutThreads() {
  auto *type = ArrayType::get(Type::getInt8Ty(module.getContext()), sizeof(fm_instance));
  if (!serial) {
    serial = new GlobalVariable(module, type, /*isConstant=*/true, GlobalValue::InternalLinkage,
                                ConstantAggregateZero::get(type), program.name + "_serial");
    serial->setAlignment(Align(alignof(fm_instance)));
  }
  return serial;
}

} // namespace fm::codegen
